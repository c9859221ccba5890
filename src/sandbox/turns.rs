//! The hook of tests with several writers: the requests of chosen clients wait
//! before and after their effect until they are let through, one at a time. So
//! a test says in which order what the writers do takes place, without waiting
//! for any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::faults::Operation;
use super::gate::{Passage, Thaw};

/// One client's requests, by number, once for each point where they wait.
#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<u64, Operation>,
    /// Let through, and not gone on yet.
    called: BTreeSet<u64>,
    /// Nobody waits any more.
    opened: Option<Thaw>,
}

impl Queue {
    fn first_that_asks(&self, wanted: Operation) -> Option<u64> {
        let mut waiting = self.waiting.iter();
        let found = waiting.find(|(_, operation)| **operation == wanted);
        found.map(|(number, _)| *number)
    }
}

#[derive(Debug, Default)]
struct State {
    /// By the token that tells the client.
    queues: BTreeMap<String, Queue>,
    closed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Turns {
    armed: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

impl Turns {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the requests of the client with this token wait.
    pub(super) fn queue(&self, token: &str) {
        let mut state = self.lock();
        state.queues.insert(token.to_owned(), Queue::default());
        self.armed.store(true, Ordering::Release);
    }

    /// Waits until a request of the client waits. Answers what the oldest asks.
    pub(super) fn wait_queued(&self, token: &str, patience: Duration) -> Option<Operation> {
        let end = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            let queue = state.queues.get(token);
            if let Some((_, operation)) = queue.and_then(|queue| queue.waiting.first_key_value()) {
                return Some(*operation);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Lets the client's oldest waiting request through; `false`: none waits.
    pub(super) fn call_next(&self, token: &str) -> bool {
        let mut state = self.lock();
        let Some(queue) = state.queues.get_mut(token) else {
            return false;
        };
        let Some((number, _)) = queue.waiting.pop_first() else {
            return false;
        };
        queue.called.insert(number);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Waits until a request of the client asks for this, and lets it through, be it
    /// the oldest or not.
    pub(super) fn call(&self, token: &str, wanted: Operation, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            if let Some(queue) = state.queues.get_mut(token)
                && let Some(number) = queue.first_that_asks(wanted)
            {
                queue.waiting.remove(&number);
                queue.called.insert(number);
                drop(state);
                self.changed.notify_all();
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The client's requests wait no more.
    pub(super) fn open(&self, token: &str, how: Thaw) {
        if let Some(queue) = self.lock().queues.get_mut(token) {
            queue.opened = Some(how);
            queue.waiting.clear();
        }
        self.changed.notify_all();
    }

    /// Lets everybody go, for ever.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// A request is where clients wait.
    pub(super) fn pass(
        &self,
        token: Option<&str>,
        (number, operation): (u64, Operation),
    ) -> Passage {
        if !self.armed.load(Ordering::Acquire) {
            return Passage::Free;
        }
        let Some(token) = token else {
            return Passage::Free;
        };
        let mut state = self.lock();
        match state.queues.get_mut(token) {
            Some(queue) if queue.opened.is_none() => {
                queue.waiting.insert(number, operation);
            }
            Some(_) | None => return Passage::Free,
        }
        self.changed.notify_all();
        loop {
            if state.closed {
                return Passage::Abandoned;
            }
            let Some(queue) = state.queues.get_mut(token) else {
                return Passage::Free;
            };
            if queue.called.remove(&number) {
                return Passage::Held;
            }
            match queue.opened {
                Some(Thaw::Apply) => return Passage::Held,
                Some(Thaw::Abandon) => return Passage::Abandoned,
                None => {}
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
