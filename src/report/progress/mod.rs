//! What happens during a run, for eyes: bars on a terminal, plain lines
//! elsewhere, NDJSON for programs, or failures only.
//!
//! `cli` makes the thread and calls [`drain`] on it. Nothing here says how a run
//! ended: that is the report's.

mod bars;
mod lines;
mod status;
mod tally;

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::samples::{Recorder, Samples};
use crate::base::CancelToken;
use crate::event::Event;
use bars::Bars;
use indicatif::MultiProgress;
use lines::{EventLines, PlainLines};

pub use status::{RunStatus, StatusFacts};

/// How often a reporter is woken when nothing happens.
const TICK: Duration = Duration::from_millis(100);
/// How long events gather after the first one.
const GATHER: Duration = Duration::from_millis(4);

/// Tells what happens while it happens.
pub trait Reporter {
    /// Something happened.
    fn event(&mut self, event: &Event);
    /// Time passed: called some ten times a second when nothing happens.
    fn tick(&mut self);
    /// Nothing more will happen; what was drawn is cleared.
    fn finish(self: Box<Self>);
}

/// The kinds of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressKind {
    /// Bars, redrawn in place at most ten times a second: for a terminal on
    /// stderr only.
    Bars,
    /// Plain lines: one each 30 s, phases and failures as they come.
    Plain,
    /// NDJSON, one line for each event; bytes are added up over a second.
    Events,
    /// Failures only.
    Quiet,
}

/// Which run it is, and when it began: milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct RunClock {
    /// The run's id.
    pub run_id: String,
    /// When the reporter is made.
    pub started_ms: i64,
}

/// A reporter of that kind. `out` is where lines go; bars go to `screen`.
pub fn reporter(
    kind: ProgressKind,
    clock: RunClock,
    out: Box<dyn Write + Send>,
    screen: &LogScreen,
) -> Box<dyn Reporter + Send> {
    match kind {
        ProgressKind::Bars => Box::new(Bars::new(&screen.bars)),
        ProgressKind::Plain => Box::new(Timed::new(PlainLines::all(out))),
        ProgressKind::Quiet => Box::new(Timed::new(PlainLines::failures(out))),
        ProgressKind::Events => Box::new(Timed::new(EventLines::new(out, clock))),
    }
}

/// What goes with a run on the way to its report: the record, and the time since the
/// start in milliseconds.
pub struct Recording {
    /// Keeps what happens.
    pub recorder: Recorder,
    /// Tells the time.
    pub elapsed_ms: Box<dyn Fn() -> u64 + Send>,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}

/// Passes events on until the run is over or every sender has gone, and answers
/// how it went over time.
pub fn drain(
    events: &Receiver<Event>,
    mut reporter: Box<dyn Reporter + Send>,
    recording: Recording,
    status: &RunStatus,
) -> Samples {
    let Recording {
        mut recorder,
        elapsed_ms,
    } = recording;
    // Nobody cancels it: events are passed on to the last one.
    let gathering = CancelToken::new();
    'run: loop {
        let mut next = match events.recv_timeout(TICK) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => {
                recorder.tick(elapsed_ms());
                reporter.tick();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        // Being woken for each of many costs more than they do.
        gathering.wait(GATHER);
        while let Some(event) = next {
            if matches!(event, Event::RunFinished) {
                reporter.event(&event);
                break 'run;
            }
            recorder.event(elapsed_ms(), &event);
            status.add(&event);
            reporter.event(&event);
            next = events.try_recv().ok();
        }
    }
    reporter.finish();
    recorder.finish(elapsed_ms())
}

/// Stderr, shared by the bars and the log: a log line is written above the bars
/// and not through them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogScreen {
    bars: MultiProgress,
}

/// Stderr for one process.
pub fn log_screen() -> LogScreen {
    LogScreen {
        bars: MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::stderr_with_hz(10)),
    }
}

impl LogScreen {
    /// Does something that writes to the terminal by itself, such as showing the
    /// plan on stdout, while the bars are out of the way.
    pub fn suspend<R>(&self, act: impl FnOnce() -> R) -> R {
        self.bars.suspend(act)
    }
}

impl Write for LogScreen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A reporter of lines that is told the time, so that tests can tell it too.
trait Lines {
    fn event_at(&mut self, elapsed: Duration, event: &Event);
    fn tick_at(&mut self, elapsed: Duration);
    fn finish_at(&mut self, elapsed: Duration);
}

/// Lines with a clock.
#[derive(Debug)]
struct Timed<L> {
    start: Instant,
    lines: L,
}

impl<L> Timed<L> {
    fn new(lines: L) -> Self {
        Self {
            start: Instant::now(),
            lines,
        }
    }
}

impl<L: Lines> Reporter for Timed<L> {
    fn event(&mut self, event: &Event) {
        self.lines.event_at(self.start.elapsed(), event);
    }

    fn tick(&mut self) {
        self.lines.tick_at(self.start.elapsed());
    }

    fn finish(mut self: Box<Self>) {
        self.lines.finish_at(self.start.elapsed());
    }
}

#[cfg(test)]
mod tests;
