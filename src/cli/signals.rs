//! SIGUSR1 asks what goes on. SIGINT, SIGTERM and `--deadline`: each cancels the run, which then comes to
//! a clean end. A repeat within 2 s is the same signal (schedulers send it to a
//! group and to its leader); a later one ends the process at once, which is safe
//! since every effect has a durable intent. Requests that are under way may end,
//! but not for ever: when nothing moves any more, or all in all too long, sockets
//! are cut, and at last the process is ended.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

use super::exit::ExitCode;
use crate::base::CancelToken;
use crate::base::cancel::CancelReason;

const SAME_SIGNAL: Duration = Duration::from_secs(2);
const CUT_AFTER: Duration = Duration::from_secs(10);
/// Nothing moved for so long: content that is still open can be cut, since it is
/// resumed or sent again.
const STILL: Duration = Duration::from_millis(400);
/// The same while a call that changes something waits for its answer: without it
/// the next run has to find out what became of it.
const STILL_WITH_EFFECTS: Duration = Duration::from_millis(1500);
/// How often the wire is looked at while stopping.
const LOOK: Duration = Duration::from_millis(100);
const END_AFTER: Duration = Duration::from_secs(18);

/// What goes on between us and the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wire {
    /// Another number whenever something moved.
    pub moved: u64,
    /// Calls under way that change something.
    pub effects: u64,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    handle: Handle,
    threads: Vec<JoinHandle<()>>,
}

/// From here on SIGUSR1 ends the process no more, whatever the command and however
/// early it is sent; it is answered while there is a [`Watch`].
pub fn survive_questions() -> io::Result<()> {
    signal_hook::flag::register(SIGUSR1, Arc::default()).map(drop)
}

/// Begins to watch. `deadline` counts from now; `wire` says how the wire is; `cut`
/// is called once, when sockets have to be cut; `ask` whenever somebody asks what goes
/// on, on a thread of its own: whoever reads the answer may be slow.
pub fn watch(
    cancel: CancelToken,
    deadline: Option<Duration>,
    wire: impl Fn() -> Wire + Send + 'static,
    cut: impl Fn() + Send + 'static,
    ask: impl Fn() + Send + 'static,
) -> io::Result<Watch> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
    // One question may wait while another is answered; more would be the same.
    let (questions, asked) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("status".to_owned())
        .spawn(move || asked.iter().for_each(|()| ask()))?;
    let handle = signals.handle();
    let (sender, received) = mpsc::channel();
    let listener = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                let reason = match signal {
                    SIGUSR1 => {
                        if questions.try_send(()).is_err() {
                            tracing::trace!("a question waits already");
                        }
                        continue;
                    }
                    SIGINT => CancelReason::Interrupted,
                    _ => CancelReason::Terminated,
                };
                if sender.send(reason).is_err() {
                    break;
                }
            }
        })?;
    let stop = Stop::new(deadline.and_then(|deadline| Instant::now().checked_add(deadline)));
    let watchdog = std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || guard(stop, &received, &cancel, &wire, &cut))?;
    Ok(Watch {
        handle,
        threads: vec![listener, watchdog],
    })
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::debug!("a watching thread panicked");
            }
        }
    }
}

/// Acts on signals and on time until nobody sends any more.
fn guard(
    mut stop: Stop,
    received: &Receiver<CancelReason>,
    cancel: &CancelToken,
    wire: &impl Fn() -> Wire,
    cut: &impl Fn(),
) {
    loop {
        let heard = match stop.next() {
            Some(at) => received.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => received.recv().map_err(RecvTimeoutError::from),
        };
        let act = match heard {
            Ok(reason) => stop.on_signal(reason, Instant::now()),
            Err(RecvTimeoutError::Timeout) => stop.on_time(Instant::now(), wire()),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        match act {
            Some(Act::Cancel(reason)) => cancel.cancel(reason),
            Some(Act::Cut) => cut(),
            Some(Act::End(code)) => end(code),
            None => {}
        }
    }
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the user asked twice, or the clean end takes too long; state is crash-safe"
)]
fn end(code: ExitCode) {
    std::process::exit(code.number().into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Cancel(CancelReason),
    Cut,
    End(ExitCode),
}

/// Where the stopping stands; time and progress are passed in.
#[derive(Debug)]
struct Stop {
    deadline: Option<Instant>,
    signalled: Option<Instant>,
    stopping: Option<Stopping>,
}

/// A clean end that is under way.
#[derive(Debug)]
struct Stopping {
    since: Instant,
    reason: CancelReason,
    /// What was last seen to have moved, and when that was first seen.
    seen: Option<u64>,
    moved: Instant,
    /// When to look again.
    look: Instant,
    is_cut: bool,
}

impl Stopping {
    fn new(now: Instant, reason: CancelReason) -> Self {
        Self {
            since: now,
            reason,
            seen: None,
            moved: now,
            look: now,
            is_cut: false,
        }
    }

    fn on_time(&mut self, now: Instant, wire: Wire) -> Option<Act> {
        if self.is_cut {
            return Some(Act::End(code_of(self.reason)));
        }
        if self.seen != Some(wire.moved) {
            self.seen = Some(wire.moved);
            self.moved = now;
        }
        let still = match wire.effects {
            0 => STILL,
            _ => STILL_WITH_EFFECTS,
        };
        if now >= self.moved + still || now >= self.since + CUT_AFTER {
            self.is_cut = true;
            self.look = self.since + END_AFTER;
            return Some(Act::Cut);
        }
        self.look = now + LOOK;
        None
    }
}

impl Stop {
    fn new(deadline: Option<Instant>) -> Self {
        Self {
            deadline,
            signalled: None,
            stopping: None,
        }
    }

    /// When [`Self::on_time`] has something to do.
    fn next(&self) -> Option<Instant> {
        match &self.stopping {
            None => self.deadline,
            Some(stopping) => Some(stopping.look),
        }
    }

    fn on_signal(&mut self, reason: CancelReason, now: Instant) -> Option<Act> {
        let first = *self.signalled.get_or_insert(now);
        if self.stopping.is_none() {
            self.stopping = Some(Stopping::new(now, reason));
            return Some(Act::Cancel(reason));
        }
        let is_same = now.saturating_duration_since(first) < SAME_SIGNAL;
        (!is_same).then_some(Act::End(code_of(reason)))
    }

    fn on_time(&mut self, now: Instant, wire: Wire) -> Option<Act> {
        if self.next().is_none_or(|next| now < next) {
            return None;
        }
        match &mut self.stopping {
            None => {
                self.stopping = Some(Stopping::new(now, CancelReason::Deadline));
                Some(Act::Cancel(CancelReason::Deadline))
            }
            Some(stopping) => stopping.on_time(now, wire),
        }
    }
}

/// How a run that was stopped for this reason ends.
pub fn code_of(reason: CancelReason) -> ExitCode {
    match reason {
        CancelReason::Interrupted => ExitCode::Interrupted,
        CancelReason::Terminated => ExitCode::Terminated,
        CancelReason::Deadline | CancelReason::Abandoned => ExitCode::Temporary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(moved: u64) -> Wire {
        Wire { moved, effects: 0 }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_repeat_at_once_is_the_same_signal_and_a_later_one_ends() {
        let start = Instant::now();
        let mut stop = Stop::new(None);
        let term = CancelReason::Terminated;

        assert_eq!(stop.on_signal(term, start), Some(Act::Cancel(term)));
        assert_eq!(stop.on_signal(term, after(start, 1)), None);
        assert_eq!(
            stop.on_signal(CancelReason::Interrupted, after(start, 3)),
            Some(Act::End(ExitCode::Interrupted))
        );
    }

    #[test]
    fn sockets_are_cut_when_nothing_moves_and_then_the_process_ends() {
        let start = Instant::now();
        let millis = |millis| start + Duration::from_millis(millis);
        let mut stop = Stop::new(None);
        stop.on_signal(CancelReason::Terminated, start);

        assert_eq!(stop.next(), Some(start));
        assert_eq!(stop.on_time(start, moved(7)), None);
        assert_eq!(stop.next(), Some(start + LOOK));
        assert_eq!(stop.on_time(millis(200), moved(8)), None);
        assert_eq!(stop.on_time(millis(599), moved(8)), None, "it moved at 200");
        assert_eq!(stop.on_time(millis(700), moved(8)), Some(Act::Cut));
        assert_eq!(stop.on_time(after(start, 11), moved(8)), None);
        assert_eq!(stop.next(), Some(after(start, 18)));
        assert_eq!(
            stop.on_time(after(start, 18), moved(8)),
            Some(Act::End(ExitCode::Terminated))
        );
    }

    #[test]
    fn a_call_that_changes_something_gets_longer_to_be_answered() {
        let start = Instant::now();
        let millis = |millis| start + Duration::from_millis(millis);
        let wire = |effects| Wire { moved: 7, effects };
        let mut stop = Stop::new(None);
        stop.on_signal(CancelReason::Terminated, start);

        assert_eq!(stop.on_time(start, wire(1)), None);
        assert_eq!(stop.on_time(millis(1400), wire(1)), None);
        assert_eq!(stop.on_time(millis(1500), wire(1)), Some(Act::Cut));

        let mut stop = Stop::new(None);
        stop.on_signal(CancelReason::Terminated, start);
        assert_eq!(stop.on_time(start, wire(1)), None);
        assert_eq!(stop.on_time(millis(500), wire(0)), Some(Act::Cut));
    }

    #[test]
    fn what_moves_gets_ten_seconds() {
        let start = Instant::now();
        let mut stop = Stop::new(None);
        stop.on_signal(CancelReason::Terminated, start);

        for second in 1..10 {
            assert_eq!(stop.on_time(after(start, second), moved(second)), None);
        }
        assert_eq!(stop.on_time(after(start, 10), moved(10)), Some(Act::Cut));
    }

    #[test]
    fn the_deadline_cancels_and_a_signal_after_it_gets_its_two_seconds() {
        let start = Instant::now();
        let mut stop = Stop::new(Some(after(start, 60)));

        assert_eq!(stop.on_time(after(start, 59), Wire::default()), None);
        assert_eq!(
            stop.on_time(after(start, 60), Wire::default()),
            Some(Act::Cancel(CancelReason::Deadline))
        );
        assert_eq!(
            stop.on_signal(CancelReason::Terminated, after(start, 61)),
            None
        );
        assert_eq!(
            stop.on_signal(CancelReason::Terminated, after(start, 64)),
            Some(Act::End(ExitCode::Terminated))
        );
    }

    #[test]
    fn a_signal_before_the_deadline_is_the_reason() {
        let start = Instant::now();
        let mut stop = Stop::new(Some(after(start, 60)));
        stop.on_signal(CancelReason::Interrupted, start);

        assert_eq!(stop.next(), Some(start));
        stop.on_time(after(start, 2), Wire::default());
        assert_eq!(
            stop.on_time(after(start, 4), Wire::default()),
            Some(Act::Cut)
        );
        assert_eq!(
            stop.on_time(after(start, 60), Wire::default()),
            Some(Act::End(ExitCode::Interrupted))
        );
    }

    #[test]
    fn a_signal_to_the_process_cancels_its_run() {
        let cancel = CancelToken::new();
        let watch = watch(cancel.clone(), None, Wire::default, || {}, || {}).unwrap();

        signal_hook::low_level::raise(SIGINT).unwrap();

        assert!(!cancel.wait(Duration::from_secs(60)));
        assert_eq!(cancel.reason(), Some(CancelReason::Interrupted));
        drop(watch);
    }

    #[test]
    fn a_deadline_cancels_the_run() {
        let cancel = CancelToken::new();
        let _watch = watch(
            cancel.clone(),
            Some(Duration::from_millis(1)),
            Wire::default,
            || {},
            || {},
        )
        .unwrap();

        assert!(!cancel.wait(Duration::from_secs(60)));
    }
}
