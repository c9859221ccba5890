//! What was asked: one entry per request, for tests, demos and proofs such as
//! "planning sends GET and HEAD only".

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::faults::Operation;
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
}

/// The log, bounded.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Mutex<(VecDeque<Request>, u64)>,
    grew: Condvar,
}

impl Log {
    pub(super) fn push(&self, request: Request) {
        let mut held = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0.len() == limits::MAX_LOG {
            held.0.pop_front();
        }
        held.0.push_back(request);
        held.1 += 1;
        drop(held);
        self.grew.notify_all();
    }

    pub(super) fn all(&self) -> Vec<Request> {
        let held = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        held.0.iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        let mut held = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (VecDeque::new(), 0);
    }

    /// Waits until this many requests were logged since the start or the last
    /// `clear`.
    pub(super) fn wait_for(&self, count: u64, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut held = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        while held.1 < count {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            held = self
                .grew
                .wait_timeout(held, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}
