//! Memory for payloads: a task reserves all it needs in one step and never
//! waits while it holds any. Buffers are used again: to give fresh memory to a large
//! payload costs the kernel about as much as sending it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::base::CancelToken;

/// Buffers have a multiple of this and half of it to spare, so that those of payloads
/// of about one size, which is often a round one, fit.
const GRAIN: u64 = 64 << 10;
/// A buffer may be so many times as large as it need be.
const MOST_TIMES: u64 = 4;

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
        let size = (bytes + GRAIN / 2).next_multiple_of(GRAIN);
        let counted = weight(size).min(self.total);
        let mut room = cancel.wait_for(&self.freed, self.room(), |room| room.free >= counted)?;
        let spare = room.take_spare(size);
        let bytes = spare.as_ref().map_or(counted, |one| weight(capacity(one)));
        room.reserve(bytes);
        drop(room);
        let budget = self;
        let fresh = || Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        Some((Reserved { budget, bytes }, spare.unwrap_or_else(fresh)))
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// The smallest that is large enough, and not far too large.
    fn take_spare(&mut self, size: u64) -> Option<Vec<u8>> {
        let most = size.saturating_mul(MOST_TIMES);
        let fits = |(_, buffer): &(usize, &Vec<u8>)| (size..=most).contains(&capacity(buffer));
        let spare = self.spare.iter().enumerate().filter(fits);
        let (index, _) = spare.min_by_key(|(_, buffer)| capacity(buffer))?;
        Some(self.spare.swap_remove(index))
    }

    /// Spare buffers go as far as they stand in the way.
    fn reserve(&mut self, bytes: u64) {
        self.free -= bytes;
        let weights = |spare: &[Vec<u8>]| spare.iter().map(|one| weight(capacity(one))).sum();
        while self.free < weights(&self.spare) {
            self.spare.pop();
        }
    }
}

/// What a buffer counts: what was asked for, to the nearest multiple.
fn weight(capacity: u64) -> u64 {
    capacity.saturating_sub(GRAIN).max(GRAIN)
}

fn capacity(buffer: &Vec<u8>) -> u64 {
    buffer.capacity() as u64
}

impl Reserved<'_> {
    /// Gives the bytes back, and the buffer that was got for them.
    pub(super) fn give_back(mut self, buffer: Vec<u8>) {
        self.free(Some(buffer));
    }

    fn free(&mut self, buffer: Option<Vec<u8>>) {
        let bytes = std::mem::take(&mut self.bytes);
        // What a caller made longer is not what was reserved.
        let buffer = buffer.filter(|buffer| weight(capacity(buffer)) == bytes);
        let mut room = self.budget.room();
        room.free += bytes;
        room.spare.extend(buffer);
        drop(room);
        self.budget.freed.notify_all();
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.free(None);
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
        room.spare.iter().map(Vec::as_ptr).collect()
    }

    #[test]
    fn a_buffer_is_used_again_for_a_payload_of_about_its_size() {
        const MIB: u64 = 1 << 20;
        let budget = Budget::new(8 * MIB);
        let (first, one) = reserve(&budget, 2 * MIB);
        let (second, two) = reserve(&budget, MIB + 20);
        let places = [one.as_ptr(), two.as_ptr()];
        first.give_back(one);
        second.give_back(two);
        assert_eq!(spare(&budget), places);

        // The smallest that is large enough, and all of it counts.
        let (held, again) = reserve(&budget, MIB / 2);
        assert_eq!(again.as_ptr(), places[1]);
        assert_eq!(spare(&budget), places[..1]);
        assert_eq!(budget.room().free, 7 * MIB);
        let (_small, fresh) = reserve(&budget, MIB / 4);
        assert_ne!(fresh.as_ptr(), places[0]);
        // One that had to grow is not what was reserved.
        held.give_back(Vec::with_capacity(2 * again.capacity()));
        assert_eq!(spare(&budget), places[..1]);
    }

    #[test]
    fn spare_buffers_and_what_is_reserved_are_not_more_than_the_budget() {
        let budget = Budget::new(4 * GRAIN);
        let held: Vec<_> = (0..4).map(|_| reserve(&budget, GRAIN + 32)).collect();
        assert_eq!(budget.room().free, 0);
        let first = held[0].1.as_ptr();
        for (reserved, buffer) in held {
            reserved.give_back(buffer);
        }
        assert_eq!(spare(&budget).len(), 4);

        let (large, buffer) = reserve(&budget, 3 * GRAIN);
        assert_eq!(capacity(&buffer), 4 * GRAIN);
        assert_eq!(spare(&budget), [first]);
        let (_last, again) = reserve(&budget, GRAIN);
        assert_eq!(again.as_ptr(), first);
        assert_eq!(budget.room().free, 0);
        drop(large);
        assert_eq!(budget.room().free, 3 * GRAIN);
    }

    #[test]
    fn tiny_payloads_count_too_and_more_than_the_budget_counts_as_all_of_it() {
        let budget = Budget::new(2 * GRAIN);
        let (tiny, _) = reserve(&budget, 1);
        assert_eq!(budget.room().free, GRAIN);
        drop(tiny);
        let (most, buffer) = reserve(&budget, 9 * GRAIN);
        assert_eq!(budget.room().free, 0);
        most.give_back(buffer);
        assert_eq!(budget.room().free, 2 * GRAIN);
        assert!(spare(&budget).is_empty());
    }

    #[test]
    fn nothing_is_lost_where_many_reserve_at_once() {
        let budget = Budget::new(8 * GRAIN);
        let use_some = |thread: u64| {
            for round in 0..200 {
                let (reserved, buffer) = reserve(&budget, (thread * round) % 6 * GRAIN);
                reserved.give_back(buffer);
            }
        };
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                scope.spawn(move || use_some(thread));
            }
        });

        assert_eq!(budget.room().free, 8 * GRAIN);
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
