//! Progress without a terminal: plain lines for logs, NDJSON for programs. No
//! escape codes, one line at a time.

use std::io::Write;
use std::time::Duration;

use super::tally::Tally;
use super::{Lines, RunClock};
use crate::event::{Event, What};
use crate::report::json::event_line;
use crate::report::style::{clean, duration, rate, size};

/// Between two status lines.
const EACH: Duration = Duration::from_secs(30);
/// Over which bytes are added up to one event line.
const BYTES_EACH: Duration = Duration::from_secs(1);

/// Where lines go. A reader that has gone is no error: progress is for eyes.
struct Out {
    out: Box<dyn Write + Send>,
    is_gone: bool,
}

impl Out {
    fn line(&mut self, text: &str) {
        if self.is_gone {
            return;
        }
        let done = self
            .out
            .write_all(format!("{text}\n").as_bytes())
            .and_then(|()| self.out.flush());
        self.is_gone = done.is_err();
    }
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out")
            .field("is_gone", &self.is_gone)
            .finish_non_exhaustive()
    }
}

/// Plain lines.
#[derive(Debug)]
pub(super) struct PlainLines {
    out: Out,
    failures_only: bool,
    tally: Tally,
    /// When the last status line was written, and the bytes then.
    last: (Duration, u64),
}

impl PlainLines {
    /// Phases, failures, notes, and a status line each 30 s.
    pub(super) fn all(out: Box<dyn Write + Send>) -> Self {
        Self {
            out: Out {
                out,
                is_gone: false,
            },
            failures_only: false,
            tally: Tally::default(),
            last: (Duration::ZERO, 0),
        }
    }

    /// Failures and nothing else.
    pub(super) fn failures(out: Box<dyn Write + Send>) -> Self {
        Self {
            failures_only: true,
            ..Self::all(out)
        }
    }

    fn line(&mut self, elapsed: Duration, text: &str) {
        let seconds = elapsed.as_secs();
        let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
        self.out.line(&format!(
            "[{hours:02}:{minutes:02}:{:02}] {text}",
            seconds % 60
        ));
    }

    fn status(&self, elapsed: Duration) -> String {
        let since = elapsed.saturating_sub(self.last.0);
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let each = rate(self.tally.sent - self.last.1, millis).filter(|each| *each > 0);
        let left = self.tally.totals.bytes - self.tally.bytes();
        let eta = each
            .filter(|_| left > 0)
            .map(|each| format!("about {} left", duration(left / each * 1000)));
        let parts = [
            self.tally.bytes_text(),
            each.map(|each| format!("{}/s", size(each))),
            Some(self.tally.things()).filter(|text| !text.is_empty()),
            eta,
            self.tally.waiting().map(ToOwned::to_owned),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let text = if parts.is_empty() {
            "…".to_owned()
        } else {
            parts.join(", ")
        };
        format!("{}: {text}", self.tally.phase_word())
    }
}

impl Lines for PlainLines {
    fn event_at(&mut self, elapsed: Duration, event: &Event) {
        self.tally.add(event);
        match event {
            Event::Failed { what, name, error } => self.line(elapsed, &failed(*what, name, error)),
            Event::RunStarted(_)
            | Event::Phase(_)
            | Event::BytesSent(_)
            | Event::Finished { .. }
            | Event::Waiting { .. }
            | Event::Note(_)
            | Event::RunFinished
                if self.failures_only => {}
            Event::Phase(phase) => self.line(elapsed, phase.as_str()),
            Event::Note(text) => self.line(elapsed, &clean(text)),
            Event::RunStarted(_)
            | Event::BytesSent(_)
            | Event::Finished { .. }
            | Event::Waiting { .. }
            | Event::RunFinished => {}
        }
        self.tick_at(elapsed);
    }

    fn tick_at(&mut self, elapsed: Duration) {
        if !self.failures_only && elapsed >= self.last.0 + EACH {
            let status = self.status(elapsed);
            self.line(elapsed, &status);
            self.last = (elapsed, self.tally.sent);
        }
    }

    fn finish_at(&mut self, _elapsed: Duration) {}
}

/// A failure on one line.
pub(super) fn failed(what: What, name: &str, error: &str) -> String {
    format!("! {} {}: {}", what.as_str(), clean(name), clean(error))
}

/// One line of JSON for each event.
#[derive(Debug)]
pub(super) struct EventLines {
    out: Out,
    clock: RunClock,
    /// Bytes that are not told yet, and when they were told last.
    bytes: u64,
    told: Duration,
}

impl EventLines {
    pub(super) fn new(out: Box<dyn Write + Send>, clock: RunClock) -> Self {
        Self {
            out: Out {
                out,
                is_gone: false,
            },
            clock,
            bytes: 0,
            told: Duration::ZERO,
        }
    }

    fn tell(&mut self, elapsed: Duration, event: &Event) {
        let millis = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        let at_ms = self.clock.started_ms.saturating_add(millis);
        self.out.line(&event_line(event, at_ms, &self.clock.run_id));
    }

    fn tell_bytes(&mut self, elapsed: Duration) {
        if self.bytes > 0 {
            self.tell(elapsed, &Event::BytesSent(self.bytes));
            self.bytes = 0;
        }
        self.told = elapsed;
    }
}

impl Lines for EventLines {
    fn event_at(&mut self, elapsed: Duration, event: &Event) {
        if let Event::BytesSent(bytes) = event {
            self.bytes += bytes;
            self.tick_at(elapsed);
            return;
        }
        if matches!(event, Event::RunFinished) {
            self.tell_bytes(elapsed);
        }
        self.tell(elapsed, event);
        self.tick_at(elapsed);
    }

    fn tick_at(&mut self, elapsed: Duration) {
        if elapsed >= self.told + BYTES_EACH {
            self.tell_bytes(elapsed);
        }
    }

    fn finish_at(&mut self, elapsed: Duration) {
        self.tell_bytes(elapsed);
    }
}
