//! Events added up: how far the run is.

use crate::event::{Event, Phase, Totals, What};
use crate::report::style::{clean, count, duration, number, size};

/// How far the run is.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// What is to be done; zero while planning.
    pub(super) totals: Totals,
    pub(super) phase: Option<Phase>,
    /// Bytes that went out, repeats included.
    pub(super) sent: u64,
    done: Totals,
    failed: u64,
    waits: u64,
    /// The latest wait, until something else happens.
    waiting: Option<String>,
}

impl Tally {
    /// Adds an event.
    pub(super) fn add(&mut self, event: &Event) {
        match event {
            Event::RunStarted(totals) => self.totals = *totals,
            Event::Phase(phase) => self.phase = Some(*phase),
            Event::BytesSent(bytes) => {
                self.sent += bytes;
                self.waiting = None;
            }
            Event::Finished {
                what,
                name: _,
                bytes,
                rows,
            } => self.finished(*what, *bytes, *rows),
            Event::Failed { .. } => self.failed += 1,
            Event::Waiting {
                reason,
                delay,
                attempt,
            } => {
                self.waits += 1;
                let delay = duration(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
                self.waiting = Some(format!(
                    "waiting {delay} after try {attempt}: {}",
                    clean(reason)
                ));
            }
            Event::Note(_) | Event::RunFinished => {}
        }
    }

    fn finished(&mut self, what: What, bytes: u64, rows: u64) {
        self.waiting = None;
        match what {
            What::File => self.done.files += 1,
            What::Part => {
                self.done.parts += 1;
                self.done.rows += rows;
            }
            // Its rows are not known before, so that there is no whole that they are of.
            What::Upload => self.done.uploads += 1,
            What::Table | What::Variable | What::Version | What::Deletion => return,
        }
        self.done.bytes += bytes;
    }

    /// What is done so far.
    pub(super) fn done(&self) -> Totals {
        self.done
    }

    /// Items that failed.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// The phase's word.
    pub(super) fn phase_word(&self) -> &'static str {
        self.phase.map_or("starting", Phase::as_str)
    }

    /// Bytes of the whole that went out. Repeats can send more than there is, and
    /// what an earlier run has sent need not go out at all.
    pub(super) fn bytes(&self) -> u64 {
        self.sent.max(self.done.bytes).min(self.totals.bytes)
    }

    /// `12 of 40 files, 3 of 5 parts, 1 failed`.
    pub(super) fn things(&self) -> String {
        let of = |done: u64, total: u64, name: &str| {
            (total > 0).then(|| format!("{} of {} {name}", number(done), number(total)))
        };
        let (done, totals) = (self.done, self.totals);
        let all = [
            of(done.files, totals.files, "files"),
            of(done.parts, totals.parts, "parts"),
            of(done.uploads, totals.uploads, "uploads"),
            of(done.rows, totals.rows, "rows"),
            (self.failed > 0).then(|| format!("{} failed", number(self.failed))),
            (self.waits > 0).then(|| count(self.waits, "wait")),
        ];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Whether something waits right now, in words.
    pub(super) fn waiting(&self) -> Option<&str> {
        self.waiting.as_deref()
    }

    /// `1.2 GiB of 4.0 GiB (30 %)`, if there are bytes to send.
    pub(super) fn bytes_text(&self) -> Option<String> {
        let (bytes, total) = (self.bytes(), self.totals.bytes);
        let percent = u128::from(bytes) * 100 / u128::from(total.max(1));
        (total > 0).then(|| format!("{} of {} ({percent} %)", size(bytes), size(total)))
    }
}
