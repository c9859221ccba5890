//! Cooperative cancellation: one token, many clones, and waits that end when
//! it is cancelled. The only place in the program that sleeps.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Why a run was asked to stop. The first reason given is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// `--deadline` came.
    Deadline,
    /// Another part of the run failed in a way that makes the rest pointless.
    Abandoned,
}

/// A flag that all parts of a run share; clones refer to the same flag.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    reason: Mutex<Option<CancelReason>>,
    changed: Condvar,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels; the first reason wins and all waits end.
    pub fn cancel(&self, reason: CancelReason) {
        let mut held = self.lock();
        held.get_or_insert(reason);
        self.inner.changed.notify_all();
    }

    /// Whether somebody has cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.lock().is_some()
    }

    /// The first reason given.
    pub fn reason(&self) -> Option<CancelReason> {
        *self.lock()
    }

    /// Waits for `delay`, or less when cancelled. Answers whether the full
    /// delay has passed.
    pub fn wait(&self, delay: Duration) -> bool {
        let end = Instant::now() + delay;
        let mut held = self.lock();
        while held.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            held = self
                .inner
                .changed
                .wait_timeout(held, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        false
    }

    /// Waits for another condition, which `changed` tells of, as long as `held` is not
    /// ready. `None`: somebody has cancelled.
    pub fn wait_for<'m, T>(
        &self,
        changed: &Condvar,
        mut held: MutexGuard<'m, T>,
        is_ready: impl Fn(&T) -> bool,
    ) -> Option<MutexGuard<'m, T>> {
        // In steps, because the token has its own condition variable.
        const STEP: Duration = Duration::from_millis(50);
        while !is_ready(&held) {
            if self.is_cancelled() {
                return None;
            }
            held = changed
                .wait_timeout(held, STEP)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Some(held)
    }

    fn lock(&self) -> MutexGuard<'_, Option<CancelReason>> {
        self.inner
            .reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_is_kept() {
        let token = CancelToken::new();
        token.cancel(CancelReason::Deadline);
        token.clone().cancel(CancelReason::Interrupted);

        assert_eq!(token.reason(), Some(CancelReason::Deadline));
    }

    #[test]
    fn a_wait_ends_when_another_thread_cancels() {
        let token = CancelToken::new();
        let other = token.clone();
        let waiter = std::thread::spawn(move || other.wait(Duration::from_secs(3600)));
        token.cancel(CancelReason::Terminated);

        assert!(!waiter.join().unwrap());
    }

    #[test]
    fn a_wait_for_a_condition_ends_with_it_or_when_cancelled() {
        let token = CancelToken::new();
        let (free, freed) = (Mutex::new(0), Condvar::new());
        let wait = |least| token.wait_for(&freed, free.lock().unwrap(), |free| *free >= least);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| wait(2).map(|free| *free));
            for now in [1, 2] {
                *free.lock().unwrap() = now;
                freed.notify_all();
            }
            assert_eq!(waiter.join().unwrap(), Some(2));

            let waiter = scope.spawn(|| wait(3).is_none());
            token.cancel(CancelReason::Terminated);
            assert!(waiter.join().unwrap());
        });
        // What is ready is handed out even then.
        assert!(wait(2).is_some());
    }

    #[test]
    fn an_uncancelled_wait_lasts() {
        assert!(CancelToken::new().wait(Duration::from_millis(1)));
    }
}
