//! When to send a request again, and how long to wait before. The waiting itself
//! is `CancelToken::wait`, so that every pause ends when the run does.

use std::fmt;
use std::time::Duration;

use crate::base::CancelToken;

use super::limits::{BACKOFF_BASE, BACKOFF_CAP, RETRY_TOTAL};

/// How patient the client is.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// The longest first wait; doubled per attempt.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
    /// Attempts and waits of one request, all in all.
    pub total: Duration,
    /// What every wait is multiplied with: 1, or nearly 0 where time is not the
    /// point.
    pub scale: f64,
    /// Where the jitter starts.
    pub seed: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: BACKOFF_BASE,
            cap: BACKOFF_CAP,
            total: RETRY_TOTAL,
            scale: 1.0,
            seed: 0,
        }
    }
}

impl RetryPolicy {
    /// A planned wait as it is really waited.
    pub(super) fn scaled(&self, delay: Duration) -> Duration {
        delay.mul_f64(self.scale.clamp(0.0, 1000.0))
    }
}

/// Why a call waits before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// The pace of calls, ours or the server's.
    Pace,
    /// The server said 429.
    RateLimited,
    /// The server said this status.
    Status(u16),
    /// The connection failed.
    Network,
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pace => f.write_str("keeping to the pace of calls"),
            Self::RateLimited => f.write_str("the rate limit was reached"),
            Self::Status(status) => write!(f, "the server answered {status}"),
            Self::Network => f.write_str("the connection failed"),
        }
    }
}

/// A wait that is about to begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wait {
    /// Why.
    pub reason: WaitReason,
    /// How long.
    pub delay: Duration,
    /// The attempt that comes after it; the first is 1.
    pub attempt: u32,
}

/// What a caller lends to one call.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Ends waits, and keeps new requests from being sent. A request that is
    /// under way is ended by `Http::shutdown` only.
    pub cancel: &'a CancelToken,
    /// Told of every wait.
    pub on_wait: &'a (dyn Fn(&Wait) + Sync),
    /// Told of bytes of content that went out.
    pub on_bytes: &'a (dyn Fn(u64) + Sync),
}

impl<'a> Call<'a> {
    /// A call that nobody watches.
    pub fn quiet(cancel: &'a CancelToken) -> Self {
        Self {
            cancel,
            on_wait: &|_| {},
            on_bytes: &|_| {},
        }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("cancel", &self.cancel)
            .finish_non_exhaustive()
    }
}

/// The state of one request's retries.
#[derive(Debug)]
pub(super) struct Backoff<'a> {
    policy: &'a RetryPolicy,
    random: u64,
    doublings: u32,
    spent: Duration,
}

impl<'a> Backoff<'a> {
    /// `stream` tells apart requests that share a seed.
    pub(super) fn new(policy: &'a RetryPolicy, stream: u64) -> Self {
        Self {
            policy,
            random: policy.seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            doublings: 0,
            spent: Duration::ZERO,
        }
    }

    /// The next wait, not yet scaled, or `None` when the time is used up. `took`
    /// is what the last attempt took, `asked` what the server asked for.
    pub(super) fn next(&mut self, took: Duration, asked: Option<Duration>) -> Option<Duration> {
        self.spent += took;
        let ceiling = self
            .policy
            .base
            .saturating_mul(1 << self.doublings.min(20))
            .min(self.policy.cap);
        self.doublings += 1;
        let jitter = ceiling.mul_f64(self.unit());
        let delay = asked.map_or(jitter, |asked| asked + jitter.min(Duration::from_secs(1)));
        self.spent += delay;
        (self.spent <= self.policy.total).then_some(delay)
    }

    /// Forgets the failures so far: something arrived.
    pub(super) fn progressed(&mut self) {
        self.doublings = 0;
        self.spent = Duration::ZERO;
    }

    /// From [0, 1): splitmix64.
    fn unit(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let top = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or_default();
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(policy: &RetryPolicy, stream: u64) -> Vec<Duration> {
        let mut backoff = Backoff::new(policy, stream);
        std::iter::from_fn(|| backoff.next(Duration::ZERO, None)).collect()
    }

    #[test]
    fn waits_are_jittered_below_a_doubling_ceiling() {
        let policy = RetryPolicy::default();
        let waits = waits(&policy, 1);

        for (n, wait) in waits.iter().enumerate() {
            let ceiling = 0.5 * 2_f64.powi(i32::try_from(n).unwrap());
            assert!(wait.as_secs_f64() <= ceiling.min(64.0), "{n}: {wait:?}");
        }
        assert!(waits.iter().any(|wait| wait.as_secs() > 32));
        assert!(waits.iter().sum::<Duration>() <= policy.total);
        assert!(waits.len() > 20);
    }

    #[test]
    fn workers_do_not_wait_in_step_and_a_seed_repeats() {
        let policy = RetryPolicy::default();

        assert_ne!(waits(&policy, 1), waits(&policy, 2));
        assert_eq!(waits(&policy, 1), waits(&policy, 1));
    }

    #[test]
    fn what_the_server_asks_for_is_the_least() {
        let policy = RetryPolicy::default();
        let asked = Duration::from_secs(30);
        let delay = Backoff::new(&policy, 3).next(Duration::ZERO, Some(asked));

        assert!(delay.is_some_and(|d| d >= asked && d <= asked + Duration::from_secs(1)));
    }

    #[test]
    fn attempts_use_up_the_time_too_and_progress_gives_it_back() {
        let policy = RetryPolicy::default();
        let mut backoff = Backoff::new(&policy, 1);

        assert_eq!(backoff.next(policy.total, None), None);
        while backoff.doublings < 8 {
            backoff.next(Duration::ZERO, None);
        }
        backoff.progressed();
        let delay = backoff.next(Duration::from_secs(1), None);
        assert!(delay.is_some_and(|delay| delay <= policy.base), "{delay:?}");
    }
}
