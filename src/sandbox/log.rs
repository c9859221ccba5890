//! What was asked: one entry per request, for tests, demos and proofs such as
//! "planning sends GET and HEAD only".

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::faults::{FaultKind, Operation};
use super::http::Method;
use super::limits;

/// Which of the two servers a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The API.
    Api,
    /// Where temp uploads are put.
    Storage,
}

/// One request as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number, from 1, over both origins.
    pub number: u64,
    /// Where it came to.
    pub origin: Origin,
    /// Its method.
    pub method: Method,
    /// Which call it is.
    pub operation: Operation,
    /// Its path, decoded, without the query.
    pub path: String,
    /// Bytes of its body that were read.
    pub body_bytes: u64,
    /// The status that was answered; 0 when there was no answer.
    pub status: u16,
    /// Whether it carried a bearer token.
    pub bearer: bool,
    /// What was made to go wrong with it.
    pub fault: Option<FaultKind>,
}

/// The log, bounded.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Mutex<Entries>,
    grew: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    kept: VecDeque<Request>,
    /// Since the start or the last clearing.
    count: u64,
    waiting: u32,
}

impl Log {
    pub(super) fn push(&self, request: Request) {
        let mut held = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if held.kept.len() == limits::MAX_LOG {
            held.kept.pop_front();
        }
        held.kept.push_back(request);
        held.count += 1;
        let is_awaited = held.waiting > 0;
        drop(held);
        if is_awaited {
            self.grew.notify_all();
        }
    }

    pub(super) fn all(&self) -> Vec<Request> {
        let held = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        held.kept.iter().cloned().collect()
    }

    pub(super) fn take(&self) -> Vec<Request> {
        let mut held = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        held.kept.drain(..).collect()
    }

    pub(super) fn clear(&self) {
        let mut held = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        held.kept.clear();
        held.count = 0;
    }

    /// Waits until this many requests were logged since the start or the last
    /// `clear`.
    pub(super) fn wait_for(&self, count: u64, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut held = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        held.waiting += 1;
        while held.count < count {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            held = self
                .grew
                .wait_timeout(held, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        held.waiting -= 1;
        held.count >= count
    }
}
