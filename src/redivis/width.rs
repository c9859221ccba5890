//! How many requests one origin bears at once: fewer after an answer that says it is
//! overloaded, or when its answers to content get much slower; one more for each round
//! of good ones. Never more than there are workers.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::limits::{SLOW_ANSWER, SLOWER_BY};
use crate::base::CancelToken;

/// Answers that count for the smoothed time of one.
const SMOOTHED_OVER: u32 = 16;

/// The requests to one origin that may be under way at once.
#[derive(Debug)]
pub(super) struct Width {
    most: f64,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    under_way: usize,
    allowed: f64,
    /// Below this each good answer adds one, above it a round of them does.
    threshold: f64,
    lowest: f64,
    /// What was sent before this says nothing new of an overload.
    cut_at: Option<Instant>,
    answers: Answers,
}

/// How long the origin takes to answer once it has all of the content.
#[derive(Debug, Default)]
struct Answers {
    seen: u32,
    smoothed: Duration,
    fastest: Option<Duration>,
}

/// One request under way; ends when dropped.
#[derive(Debug)]
pub(super) struct Going<'w> {
    width: &'w Width,
}

/// What an answer says of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// It was answered; content so long after its last byte.
    Borne(Option<Duration>),
    /// 429, or a failure of the service.
    Overloaded,
    /// Nothing, as when no answer came.
    Unknown,
}

impl Width {
    #[expect(clippy::cast_precision_loss, reason = "a number of threads")]
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1) as f64;
        Self {
            most,
            state: Mutex::new(State {
                under_way: 0,
                allowed: most,
                threshold: most,
                lowest: most,
                cut_at: None,
                answers: Answers::default(),
            }),
            freed: Condvar::new(),
        }
    }

    /// Waits until one more may be under way. `None`: the run was asked to stop.
    pub(super) fn enter(&self, cancel: &CancelToken) -> Option<Going<'_>> {
        let has_room = |state: &State| state.under_way < whole(state.allowed);
        let mut state = cancel.wait_for(&self.freed, self.lock(), has_room)?;
        state.under_way += 1;
        Some(Going { width: self })
    }

    /// The fewest that were allowed at once so far.
    pub(super) fn lowest(&self) -> usize {
        whole(self.lock().lowest)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Going<'_> {
    /// What came of what was sent at this time.
    pub(super) fn answered(&self, sent: Instant, load: Load) {
        let mut state = self.width.lock();
        let is_news = state.cut_at.is_none_or(|cut| sent > cut);
        match load {
            Load::Overloaded if is_news => state.cut(0.5, 1.0),
            Load::Overloaded | Load::Unknown => {}
            Load::Borne(took) => {
                let is_slower = took.is_some_and(|took| state.answers.take(took));
                if !is_slower {
                    let more = if state.allowed < state.threshold {
                        1.0
                    } else {
                        1.0 / state.allowed
                    };
                    state.allowed = (state.allowed + more).min(self.width.most);
                } else if is_news {
                    // Slow answers need not be of our making: some stay.
                    let least = (self.width.most / 4.0).max(1.0);
                    state.cut(0.75, least);
                }
            }
        }
    }
}

impl State {
    fn cut(&mut self, to: f64, least: f64) {
        self.allowed = (self.allowed * to).max(least).min(self.allowed);
        self.threshold = self.allowed;
        self.lowest = self.lowest.min(self.allowed);
        self.cut_at = Some(Instant::now());
        self.answers.begin_again();
    }
}

impl Answers {
    /// Takes one in; whether they have become much slower than they were.
    fn take(&mut self, took: Duration) -> bool {
        self.seen += 1;
        let count = self.seen.min(SMOOTHED_OVER);
        self.smoothed = (self.smoothed * (count - 1) + took) / count;
        if self.seen < SMOOTHED_OVER {
            return false;
        }
        let fastest = *self.fastest.insert(
            self.fastest
                .map_or(self.smoothed, |old| old.min(self.smoothed)),
        );
        self.smoothed > (fastest * SLOWER_BY).max(SLOW_ANSWER)
    }

    fn begin_again(&mut self) {
        self.seen = 0;
        self.smoothed = Duration::ZERO;
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.width.lock().under_way -= 1;
        self.width.freed.notify_all();
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and a number of threads"
)]
fn whole(allowed: f64) -> usize {
    allowed as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Load = Load::Borne(Some(Duration::from_millis(20)));

    fn allowed(width: &Width) -> usize {
        whole(width.lock().allowed)
    }

    /// So many requests one after the other.
    fn rounds(width: &Width, count: usize, load: Load) {
        for _ in 0..count {
            let going = width.enter(&CancelToken::new()).unwrap();
            going.answered(Instant::now(), load);
        }
    }

    #[test]
    fn an_overload_halves_and_good_answers_bring_it_back_one_for_each_round() {
        let width = Width::new(16);
        rounds(&width, 100, FAST);
        assert_eq!(allowed(&width), 16);

        rounds(&width, 1, Load::Overloaded);
        assert_eq!(allowed(&width), 8);
        rounds(&width, 9, FAST);
        assert_eq!(allowed(&width), 9);
        rounds(&width, 200, Load::Borne(None));
        assert_eq!((allowed(&width), width.lowest()), (16, 8));
    }

    #[test]
    fn what_was_under_way_together_is_one_overload_and_one_request_always_may_go() {
        let width = Width::new(8);
        let cancel = CancelToken::new();
        let all: Vec<_> = (0..8).map(|_| width.enter(&cancel).unwrap()).collect();
        let sent = Instant::now();
        for one in &all {
            one.answered(sent, Load::Overloaded);
        }
        assert_eq!(allowed(&width), 4);
        drop(all);

        rounds(&width, 10, Load::Overloaded);
        assert_eq!((allowed(&width), width.lowest()), (1, 1));
        assert!(width.enter(&cancel).is_some());
    }

    #[test]
    fn who_waits_for_a_place_gets_one_or_is_told_to_stop() {
        let width = Width::new(1);
        let cancel = CancelToken::new();
        let first = width.enter(&cancel).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| width.enter(&cancel).is_some());
            drop(first);
            assert!(second.join().unwrap());
        });

        let _held = width.enter(&cancel).unwrap();
        cancel.cancel(crate::base::cancel::CancelReason::Interrupted);
        assert!(width.enter(&cancel).is_none());
    }

    #[test]
    fn answers_that_get_much_slower_cut_it_but_not_to_nothing() {
        let width = Width::new(16);
        rounds(&width, 20, FAST);
        let slow = Load::Borne(Some(SLOW_ANSWER * 2));
        rounds(&width, 40, slow);
        assert!((4..=12).contains(&allowed(&width)), "{}", allowed(&width));

        rounds(&width, 2000, slow);
        assert!(width.lowest() >= 4);
    }

    #[test]
    fn answers_that_are_always_slow_or_only_a_little_slower_change_nothing() {
        let width = Width::new(16);
        rounds(&width, 100, Load::Borne(Some(SLOW_ANSWER * 3)));
        assert_eq!(width.lowest(), 16);

        let width = Width::new(16);
        rounds(&width, 100, FAST);
        rounds(&width, 100, Load::Borne(Some(SLOW_ANSWER / 2)));
        assert_eq!(width.lowest(), 16);
    }
}
