//! What the client did, counted: for reports, never for decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::pacer::RateLimit;
use crate::base::TimeSpent;

/// A snapshot of what the client did so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpStats {
    /// Requests sent, repeats included.
    pub requests: u64,
    /// Requests that repeated an earlier one.
    pub retries: u64,
    /// Answers with 429.
    pub rate_limited: u64,
    /// Connections opened.
    pub connections: u64,
    /// Time that workers waited, for the pace or before a repeat; summed up.
    pub waited: Duration,
    /// Bytes of request bodies that went out, repeats included.
    pub sent_bytes: u64,
    /// Bytes of answers' bodies.
    pub received_bytes: u64,
    /// The API's last headers on its rate limit.
    pub rate_limit: RateLimit,
    /// How far the API's clock is ahead of ours, in milliseconds, by the last answer
    /// that told its time (to the second).
    pub server_ahead_ms: Option<i64>,
    /// Where the time of the workers went.
    pub time: TimeSpent,
    /// The fewest requests that an origin was sent at once because it could not bear
    /// more; `None`: as many as there are workers.
    pub narrowest: Option<usize>,
    /// Time of one exchange, by call.
    pub latencies: BTreeMap<&'static str, Latency>,
    /// Distinct `X-REDIVIS-WARNING` texts.
    pub warnings: BTreeSet<String>,
}

/// How long the exchanges of one call took, to about a tenth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// Exchanges.
    pub count: u64,
    /// Half took no longer.
    pub p50: Duration,
    /// All but a hundredth took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// One exchange, as it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchanged {
    pub(super) call: &'static str,
    pub(super) took: Duration,
    pub(super) is_repeat: bool,
    pub(super) is_rate_limited: bool,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    totals: HttpStats,
    histograms: BTreeMap<&'static str, Histogram>,
}

impl Counters {
    pub(super) fn exchanged(&self, one: &Exchanged) {
        let mut state = self.lock();
        let totals = &mut state.totals;
        totals.requests += 1;
        totals.retries += u64::from(one.is_repeat);
        totals.rate_limited += u64::from(one.is_rate_limited);
        totals.sent_bytes += one.sent_bytes;
        totals.received_bytes += one.received_bytes;
        state.histograms.entry(one.call).or_default().add(one.took);
    }

    pub(super) fn waited(&self, delay: Duration) {
        self.lock().totals.waited += delay;
    }

    pub(super) fn warned(&self, text: &str) {
        const MOST: usize = 100;
        let mut state = self.lock();
        let warnings = &mut state.totals.warnings;
        if warnings.len() < MOST && !warnings.contains(text) {
            warnings.insert(text.to_owned());
        }
    }

    pub(super) fn server_ahead(&self, millis: i64) {
        self.lock().totals.server_ahead_ms = Some(millis);
    }

    /// Exchanges that have ended.
    pub(super) fn requests(&self) -> u64 {
        self.lock().totals.requests
    }

    pub(super) fn snapshot(&self) -> HttpStats {
        let state = self.lock();
        let mut stats = state.totals.clone();
        stats.latencies = state
            .histograms
            .iter()
            .map(|(call, histogram)| (*call, histogram.latency()))
            .collect();
        stats
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts by size: eight buckets to each doubling of microseconds.
#[derive(Debug, Default)]
struct Histogram {
    buckets: BTreeMap<u32, u64>,
    count: u64,
    max: Duration,
}

impl Histogram {
    fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        *self.buckets.entry(bucket(micros)).or_default() += 1;
        self.count += 1;
        self.max = self.max.max(took);
    }

    fn latency(&self) -> Latency {
        Latency {
            count: self.count,
            p50: self.quantile(50),
            p99: self.quantile(99),
            max: self.max,
        }
    }

    fn quantile(&self, percent: u64) -> Duration {
        let wanted = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(top_of(*bucket)).min(self.max);
            }
        }
        self.max
    }
}

/// Small numbers have their own bucket each; above, the three bits after the
/// leading one choose among eight.
fn bucket(micros: u64) -> u32 {
    if micros < 16 {
        return u32::try_from(micros).unwrap_or(0);
    }
    let doubling = micros.ilog2();
    let eighth = u32::try_from(micros >> (doubling - 3) & 7).unwrap_or(0);
    (doubling - 2) * 8 + eighth
}

/// The largest number of a bucket.
fn top_of(bucket: u32) -> u64 {
    if bucket < 16 {
        return u64::from(bucket);
    }
    let doubling = bucket / 8 + 2;
    let eighth = u64::from(bucket % 8);
    (8 + eighth)
        .checked_shl(doubling - 3)
        .map_or(u64::MAX, |low| low + ((1_u64 << (doubling - 3)) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_its_bucket_and_buckets_are_narrow() {
        let mut last = 0;
        for micros in (0..2000).chain([1 << 20, (1 << 20) + 99_999, u64::MAX >> 1]) {
            let bucket = bucket(micros);
            assert!(bucket >= last, "{micros}");
            last = bucket;
            let top = top_of(bucket);
            assert!(top >= micros, "{micros} in {bucket} up to {top}");
            assert!(
                top - micros <= micros / 8,
                "{micros} in {bucket} up to {top}"
            );
        }
    }

    #[test]
    fn quantiles_are_those_of_the_calls() {
        let counters = Counters::default();
        for millis in 1..=100 {
            counters.exchanged(&Exchanged {
                call: "table",
                took: Duration::from_millis(millis),
                is_repeat: millis == 1,
                is_rate_limited: false,
                sent_bytes: 1,
                received_bytes: 2,
            });
        }
        let stats = counters.snapshot();
        let latency = stats.latencies["table"];

        assert_eq!((stats.requests, stats.retries), (100, 1));
        assert_eq!((stats.sent_bytes, stats.received_bytes), (100, 200));
        assert!((50..57).contains(&latency.p50.as_millis()), "{latency:?}");
        assert!((99..101).contains(&latency.p99.as_millis()), "{latency:?}");
        assert_eq!(latency.max, Duration::from_millis(100));
    }

    #[test]
    fn a_warning_is_kept_once() {
        let counters = Counters::default();
        counters.warned("use a reference id");
        counters.warned("use a reference id");

        assert_eq!(counters.snapshot().warnings.len(), 1);
    }
}
