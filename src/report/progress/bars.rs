//! Progress on a terminal: one bar for the bytes, one line for the rest, redrawn
//! in place. Failures and notes scroll by above.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Reporter;
use super::lines::failed;
use super::tally::Tally;
use crate::event::{Event, Phase};
use crate::report::style::clean;

const WITH_BYTES: &str = "{spinner} {prefix:<10} [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
const WITHOUT_BYTES: &str = "{spinner} {prefix:<10} {elapsed}";
const THINGS: &str = "  {wide_msg}";

/// Bars.
#[derive(Debug)]
pub(super) struct Bars {
    screen: MultiProgress,
    bytes: ProgressBar,
    things: ProgressBar,
    tally: Tally,
}

impl Bars {
    pub(super) fn new(screen: &MultiProgress) -> Self {
        let bytes = screen.add(ProgressBar::no_length().with_style(style(WITHOUT_BYTES)));
        let things = screen.add(ProgressBar::no_length().with_style(style(THINGS)));
        Self {
            screen: screen.clone(),
            bytes,
            things,
            tally: Tally::default(),
        }
    }

    fn show(&self) {
        self.bytes.set_position(self.tally.bytes());
        let things = self.tally.things();
        let text = match self.tally.waiting() {
            Some(waiting) if things.is_empty() => waiting.to_owned(),
            Some(waiting) => format!("{things}; {waiting}"),
            None => things,
        };
        self.things.set_message(text);
    }

    /// Position, phase and message.
    #[cfg(test)]
    pub(super) fn shown(&self) -> (u64, String, String) {
        (
            self.bytes.position(),
            self.bytes.prefix(),
            self.things.message(),
        )
    }

    /// A line above the bars. A terminal that has gone is no error.
    fn line(&self, text: &str) {
        drop(self.screen.println(text));
    }
}

impl Reporter for Bars {
    fn event(&mut self, event: &Event) {
        let was_waiting = self.tally.waiting().is_some();
        self.tally.add(event);
        match event {
            // By far the most frequent: no text changes.
            Event::BytesSent(_) if !was_waiting => {
                self.bytes.set_position(self.tally.bytes());
                return;
            }
            Event::RunStarted(totals) if totals.bytes > 0 => {
                self.bytes.set_style(style(WITH_BYTES));
                self.bytes.set_length(totals.bytes);
            }
            Event::Phase(phase) => {
                self.bytes.set_prefix(phase.as_str());
                if *phase == Phase::Sending {
                    // The time before the first byte says nothing of the rate.
                    self.bytes.reset_eta();
                }
            }
            Event::Failed { what, name, error } => self.line(&failed(*what, name, error)),
            Event::Note(text) => self.line(&clean(text)),
            Event::RunStarted(_)
            | Event::BytesSent(_)
            | Event::Finished { .. }
            | Event::Waiting { .. }
            | Event::RunFinished => {}
        }
        self.show();
    }

    fn tick(&mut self) {
        self.bytes.tick();
    }

    fn finish(self: Box<Self>) {
        self.bytes.finish_and_clear();
        self.things.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ").tick_chars("|/-\\ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [WITH_BYTES, WITHOUT_BYTES, THINGS] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
