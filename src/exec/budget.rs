//! Memory for payloads: a task reserves all it needs in one step and never
//! waits while it holds any. Buffers are used again: to give fresh memory to a large
//! payload costs the kernel about as much as sending it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::base::CancelToken;

/// Buffers have a multiple of this, so that those of payloads of about one size fit.
const GRAIN: u64 = 64 << 10;

/// Bytes that may be held together.
#[derive(Debug)]
pub(super) struct Budget {
    total: u64,
    room: Mutex<Room>,
    freed: Condvar,
}

/// What nobody has reserved.
#[derive(Debug)]
struct Room {
    free: u64,
    /// Buffers to be used again. They are in what is free: all together are not more.
    spare: Vec<Vec<u8>>,
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
            room: Mutex::new(Room {
                free: total,
                spare: Vec::new(),
            }),
            freed: Condvar::new(),
        }
    }

    /// Waits until `bytes` are free, and gives a buffer for them. More than the whole
    /// budget counts as the whole budget. `None` when cancelled.
    pub(super) fn reserve(
        &self,
        bytes: u64,
        cancel: &CancelToken,
    ) -> Option<(Reserved<'_>, Vec<u8>)> {
        let size = bytes.next_multiple_of(GRAIN);
        let counted = size.min(self.total);
        let mut room = cancel.wait_for(&self.freed, self.room(), |room| room.free >= counted)?;
        room.free -= counted;
        let buffer = room.take_spare(size);
        drop(room);
        let reserved = Reserved {
            budget: self,
            bytes: counted,
        };
        let fresh = || Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        Some((reserved, buffer.unwrap_or_else(fresh)))
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// The last one of that size that was given back. Others go as far as they stand
    /// in the way of what is reserved.
    fn take_spare(&mut self, size: u64) -> Option<Vec<u8>> {
        let fits = |buffer: &Vec<u8>| buffer.capacity() as u64 == size;
        let found = self.spare.iter().rposition(fits);
        let buffer = found.map(|index| self.spare.remove(index));
        while self.spare_bytes() > self.free {
            self.spare.remove(0);
        }
        buffer
    }

    fn spare_bytes(&self) -> u64 {
        let bytes = self.spare.iter().map(Vec::capacity).sum::<usize>();
        bytes as u64
    }
}

impl Reserved<'_> {
    /// Gives the bytes back, and the buffer that was got for them.
    pub(super) fn give_back(self, buffer: Vec<u8>) {
        // What a caller made longer is not what was reserved.
        if buffer.capacity() as u64 == self.bytes {
            self.budget.room().spare.push(buffer);
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.budget.room().free += self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cancel::CancelReason;

    fn reserve(budget: &Budget, bytes: u64) -> (Reserved<'_>, Vec<u8>) {
        budget.reserve(bytes, &CancelToken::new()).unwrap()
    }

    /// Where the buffers are that wait to be used again.
    fn spare(budget: &Budget) -> Vec<*const u8> {
        let room = budget.room();
        room.spare.iter().map(|buffer| buffer.as_ptr()).collect()
    }

    #[test]
    fn a_buffer_is_used_again_for_a_payload_of_about_its_size() {
        let budget = Budget::new(4 * GRAIN);
        let (first, one) = reserve(&budget, GRAIN - 9);
        let (second, two) = reserve(&budget, GRAIN - 20);
        let places = [one.as_ptr(), two.as_ptr()];
        first.give_back(one);
        second.give_back(two);
        assert_eq!(spare(&budget), places);

        let (_held, again) = reserve(&budget, GRAIN);
        assert_eq!(again.as_ptr(), places[1]);
        assert_eq!(spare(&budget), places[..1]);
        assert_eq!(budget.room().free, 3 * GRAIN);
    }

    #[test]
    fn spare_buffers_and_what_is_reserved_are_not_more_than_the_budget() {
        let budget = Budget::new(4 * GRAIN);
        let held: Vec<_> = (0..4).map(|_| reserve(&budget, GRAIN)).collect();
        let last = held[3].1.as_ptr();
        for (reserved, buffer) in held {
            reserved.give_back(buffer);
        }
        assert_eq!(spare(&budget).len(), 4);

        let (large, buffer) = reserve(&budget, 3 * GRAIN);
        assert_eq!(spare(&budget), [last]);
        assert_eq!(buffer.capacity() as u64, 3 * GRAIN);
        large.give_back(Vec::with_capacity(buffer.capacity() + 1));
        assert_eq!(spare(&budget), [last]);
        let (_most, _) = reserve(&budget, 99 * GRAIN);
        assert!(spare(&budget).is_empty());
    }

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
