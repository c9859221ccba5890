//! Memory for payloads: a task reserves all it needs in one step and never
//! waits while it holds any.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::base::CancelToken;

/// Bytes that may be held together.
#[derive(Debug)]
pub(super) struct Budget {
    total: u64,
    free: Mutex<u64>,
    freed: Condvar,
}

/// Reserved bytes; given back when dropped.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(total: u64) -> Self {
        Self {
            total,
            free: Mutex::new(total),
            freed: Condvar::new(),
        }
    }

    /// Waits until `bytes` are free. More than the whole budget counts as the
    /// whole budget. `None` when cancelled.
    pub(super) fn reserve(&self, bytes: u64, cancel: &CancelToken) -> Option<Reserved<'_>> {
        let bytes = bytes.min(self.total);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = cancel.wait_for(&self.freed, free, |free| *free >= bytes)?;
        *free -= bytes;
        Some(Reserved {
            budget: self,
            bytes,
        })
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut free = self
            .budget
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *free += self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cancel::CancelReason;

    #[test]
    fn what_is_dropped_can_be_reserved_again() {
        let budget = Budget::new(10);
        let cancel = CancelToken::new();
        let first = budget.reserve(8, &cancel);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| budget.reserve(8, &cancel).is_some());
            drop(first);
            assert!(second.join().unwrap());
        });
    }

    #[test]
    fn a_wait_for_memory_ends_on_cancel() {
        let budget = Budget::new(10);
        let cancel = CancelToken::new();
        let _held = budget.reserve(99, &cancel);
        cancel.cancel(CancelReason::Interrupted);

        assert!(budget.reserve(1, &cancel).is_none());
    }
}
