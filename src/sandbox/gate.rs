//! The kill tests' hook: hold every request from a given one on, before or
//! after its effect, until told what to do with them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Where to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezePoint {
    /// The request is there, its effect is not.
    BeforeEffect,
    /// The effect is done, the answer is not sent.
    AfterEffect,
}

/// What becomes of held requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thaw {
    /// They go on.
    Apply,
    /// Their connections are closed; what had no effect has none.
    Abandon,
}

#[derive(Debug, Default)]
struct State {
    /// From this request on; `None`: open.
    freeze: Option<(u64, FreezePoint)>,
    frozen: u64,
    thawed: u64,
    abandon: bool,
    closed: bool,
}

/// How a request passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// Without being held.
    Free,
    /// After being held.
    Held,
    /// Not at all: close the connection.
    Abandoned,
}

#[derive(Debug, Default)]
pub(super) struct Gate {
    armed: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn freeze(&self, request: u64, point: FreezePoint) {
        let mut state = self.lock();
        state.freeze = Some((request, point));
        self.armed.store(true, Ordering::Release);
    }

    pub(super) fn thaw(&self, how: Thaw) {
        let mut state = self.lock();
        state.freeze = None;
        state.abandon = how == Thaw::Abandon;
        state.thawed += 1;
        state.frozen = 0;
        self.armed.store(state.closed, Ordering::Release);
        drop(state);
        self.changed.notify_all();
    }

    /// Lets everybody go, for ever.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.armed.store(true, Ordering::Release);
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn pass(&self, number: u64, at: FreezePoint) -> Passage {
        if !self.armed.load(Ordering::Acquire) {
            return Passage::Free;
        }
        let mut state = self.lock();
        let holds = |freeze: Option<(u64, FreezePoint)>| match freeze {
            None => false,
            Some((first, point)) if point == at => number >= first,
            Some((first, _)) => at == FreezePoint::BeforeEffect && number > first,
        };
        if state.closed {
            return Passage::Abandoned;
        }
        if !holds(state.freeze) {
            return Passage::Free;
        }
        state.frozen += 1;
        self.changed.notify_all();
        let mine = state.thawed;
        while state.thawed == mine && !state.closed {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.abandon || state.closed {
            Passage::Abandoned
        } else {
            Passage::Held
        }
    }

    /// Waits until a request is held.
    pub(super) fn wait_frozen(&self, patience: Duration) -> bool {
        let is_free = |state: &mut State| state.frozen == 0;
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), patience, is_free);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}
