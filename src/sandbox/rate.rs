//! The API's rate limit: a fixed window of requests, and the headers that every
//! answer carries (docs: rest-api/limits-and-errors). The storage has none.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::faults::RetryAfter;

/// How many API calls are answered in a window; more get 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Calls in a window.
    pub requests: u32,
    /// The window.
    pub per: Duration,
    /// The form of `Retry-After`; its number is replaced by the time left.
    pub retry_after: RetryAfter,
}

/// What is said when there is no limit.
const UNLIMITED: u32 = 1_000_000;

#[derive(Debug)]
pub(super) struct Rate {
    limit: Option<RateLimit>,
    window: Mutex<(i64, u32)>,
}

/// What one call may say of the limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) refused: Option<RetryAfter>,
}

impl Rate {
    pub(super) fn new(limit: Option<RateLimit>) -> Self {
        Self {
            limit,
            window: Mutex::new((0, 0)),
        }
    }

    /// What would be said now, without counting a call.
    pub(super) fn peek(&self, now_ms: i64) -> Allowance {
        self.look(now_ms, false)
    }

    /// Counts a call.
    pub(super) fn count(&self, now_ms: i64) -> Allowance {
        self.look(now_ms, true)
    }

    fn look(&self, now_ms: i64, counts: bool) -> Allowance {
        let Some(limit) = self.limit else {
            return Allowance {
                limit: UNLIMITED,
                remaining: UNLIMITED,
                refused: None,
            };
        };
        let length = i64::try_from(limit.per.as_millis())
            .unwrap_or(i64::MAX)
            .max(1);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms - window.0 >= length {
            *window = (now_ms, 0);
        }
        if window.1 >= limit.requests {
            let left_ms = (window.0 + length - now_ms).max(0);
            let seconds = u32::try_from(left_ms.saturating_add(999) / 1000).unwrap_or(u32::MAX);
            return Allowance {
                limit: limit.requests,
                remaining: 0,
                refused: Some(limit.retry_after.in_seconds(seconds)),
            };
        }
        window.1 += u32::from(counts);
        Allowance {
            limit: limit.requests,
            remaining: limit.requests - window.1,
            refused: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_refuses_what_is_too_much_and_opens_again() {
        let rate = Rate::new(Some(RateLimit {
            requests: 2,
            per: Duration::from_secs(10),
            retry_after: RetryAfter::Seconds(0),
        }));

        assert_eq!(rate.count(50_000).remaining, 1);
        assert_eq!(rate.count(51_000).remaining, 0);
        assert_eq!(rate.count(52_500).refused, Some(RetryAfter::Seconds(8)));
        assert!(rate.count(60_000).refused.is_none());
    }
}
