//! The hook of tests with several writers: the requests of chosen clients wait
//! before and after their effect until they are let through, one at a time. So
//! a test says in which order what the writers do takes place, without waiting
//! for any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

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
    /// Lets the oldest request through that is one of these; `false`: none waits.
    fn call_first(&mut self, is_wanted: impl Fn(Operation) -> bool) -> bool {
        let mut waiting = self.waiting.iter();
        let Some((&number, _)) = waiting.find(|(_, operation)| is_wanted(**operation)) else {
            return false;
        };
        self.waiting.remove(&number);
        self.called.insert(number)
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
        self.wait_for(token, patience, |queue| {
            queue.waiting.first_key_value().map(|(_, one)| *one)
        })
    }

    /// Lets the client's oldest waiting request through; `false`: none waits.
    pub(super) fn call_next(&self, token: &str) -> bool {
        let mut state = self.lock();
        let queue = state.queues.get_mut(token);
        let is_called = queue.is_some_and(|queue| queue.call_first(|_| true));
        drop(state);
        self.changed.notify_all();
        is_called
    }

    /// Waits until a request of the client asks for this, and lets it through, be it
    /// the oldest or not.
    pub(super) fn call(&self, token: &str, wanted: Operation, patience: Duration) -> bool {
        let called = self.wait_for(token, patience, |queue| {
            queue.call_first(|one| one == wanted).then_some(())
        });
        self.changed.notify_all();
        called.is_some()
    }

    /// Waits until the client's queue answers something; `None`: patience ran out.
    fn wait_for<T>(
        &self,
        token: &str,
        patience: Duration,
        ask: impl Fn(&mut Queue) -> Option<T>,
    ) -> Option<T> {
        let mut answer = None;
        let asks_on = |state: &mut State| {
            answer = state.queues.get_mut(token).and_then(&ask);
            answer.is_none()
        };
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), patience, asks_on);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        answer
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
