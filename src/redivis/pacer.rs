//! The pace of requests: one pacer per origin, shared by all workers, fed by what
//! the server says (`Retry-After`, `X-RateLimit-*`); and the limit on bytes.
//! A pacer only computes delays. It never waits.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::fmt::rfc2822;

use super::limits::{
    EPOCH_FROM, EPOCH_MS_FROM, LIMIT_WINDOW, RETRY_AFTER_MAX, RETRY_AFTER_MIN, SMALL_LIMIT,
    SMALL_LIMIT_WINDOW, START_BURST, START_RATE,
};

/// Calls are never spaced more widely than this: a call that goes out tells us
/// more than another wait would.
const MOST_SPACING: Duration = Duration::from_secs(2);

/// What an answer said about the rate limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// `X-RateLimit-Limit`.
    pub limit: Option<u64>,
    /// `X-RateLimit-Remaining`.
    pub remaining: Option<u64>,
}

impl RateLimit {
    /// Calls a second that the limit comes to, when the server has said one.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate; the last digit does not matter"
    )]
    pub fn calls_per_second(&self) -> Option<f64> {
        let limit = self.limit.filter(|limit| *limit > 0)?;
        let window = if limit <= SMALL_LIMIT {
            SMALL_LIMIT_WINDOW
        } else {
            LIMIT_WINDOW
        };
        Some(limit as f64 / window.as_secs_f64())
    }
}

/// Spaces the requests to one origin.
#[derive(Debug)]
pub(super) struct Pacer {
    state: Mutex<State>,
    /// `--tpslimit`: never faster, whatever the server says.
    fixed: Option<Duration>,
}

#[derive(Debug)]
struct State {
    /// Nothing goes out before this.
    paused_until: Option<Instant>,
    /// Between two calls, from what the server says of its limit (at first: from
    /// the documented one).
    spacing: Option<Duration>,
    /// Calls that may go out ahead of the spacing.
    burst: u32,
    /// When the next call would be due if all were spaced evenly.
    due: Option<Instant>,
    /// The same for `--tpslimit`.
    fixed_due: Option<Instant>,
    /// Added between calls after a 429, until answers are good again.
    penalty: Duration,
    answered: bool,
    /// Answers so far that show a working service.
    well: u64,
    /// A request used up all its patience while no such answer came.
    is_out: bool,
    seen: RateLimit,
}

impl Pacer {
    /// `calls_per_second`: `--tpslimit`. `start_slow`: pace before the first
    /// headers are seen.
    pub(super) fn new(calls_per_second: Option<f64>, start_slow: bool) -> Self {
        let fixed = calls_per_second
            .filter(|rate| rate.is_finite() && *rate > 0.0)
            .and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok());
        Self {
            state: Mutex::new(State {
                paused_until: None,
                spacing: start_slow.then(|| Duration::from_secs_f64(1.0 / START_RATE)),
                burst: START_BURST,
                due: None,
                fixed_due: None,
                penalty: Duration::ZERO,
                answered: false,
                well: 0,
                is_out: false,
                seen: RateLimit::default(),
            }),
            fixed,
        }
    }

    /// Asks to send now: zero means go, anything else is when to ask again.
    /// Places are not reserved, so that what other answers say meanwhile counts.
    /// `metered`: it is a call of the API; bytes sent to storage only keep to
    /// pauses.
    pub(super) fn ask(&self, now: Instant, metered: bool) -> Duration {
        let mut state = self.lock();
        let mut at = state.paused_until.map_or(now, |until| until.max(now));
        let spacing = state.spacing.unwrap_or_default() + state.penalty;
        if metered {
            let ahead = if state.penalty.is_zero() {
                spacing * state.burst.saturating_sub(1)
            } else {
                Duration::ZERO
            };
            let due = state.due.and_then(|due| due.checked_sub(ahead));
            at = at
                .max(due.filter(|_| !spacing.is_zero()).unwrap_or(at))
                .max(state.fixed_due.unwrap_or(at));
        }
        if at > now {
            return at - now;
        }
        if metered {
            let from = |due: Option<Instant>| due.map_or(now, |due| due.max(now));
            state.due = Some(from(state.due) + spacing);
            state.fixed_due = self.fixed.map(|fixed| from(state.fixed_due) + fixed);
        }
        Duration::ZERO
    }

    /// Holds everybody back for `delay`.
    pub(super) fn pause(&self, now: Instant, delay: Duration) {
        let mut state = self.lock();
        let until = now + delay;
        state.paused_until = Some(state.paused_until.map_or(until, |old| old.max(until)));
    }

    /// After a 429: calls are spaced more widely until answers are good again.
    pub(super) fn refused(&self, scale: f64) {
        const FIRST: Duration = Duration::from_millis(50);
        let mut state = self.lock();
        let next = (state.penalty * 2).max(FIRST.mul_f64(scale));
        state.penalty = next.min(MOST_SPACING.mul_f64(scale));
    }

    /// Something came back, with what it said of the limit.
    pub(super) fn answered(&self, now: Instant, good: bool, said: RateLimit, scale: f64) {
        let mut state = self.lock();
        state.answered = true;
        if good {
            let less = state.penalty.mul_f64(0.9);
            state.penalty = if less < Duration::from_millis(1) {
                Duration::ZERO
            } else {
                less
            };
        }
        let (Some(limit), Some(remaining)) = (said.limit, said.remaining) else {
            return;
        };
        state.seen = said;
        let spacing = spacing_for(limit, remaining);
        if spacing != state.spacing {
            state.spacing = spacing;
            state.burst = 1;
            state.due = None;
        }
        if remaining == 0 {
            let until = now + window_of(limit).mul_f64(scale) / 60;
            state.paused_until = Some(state.paused_until.map_or(until, |old| old.max(until)));
        }
    }

    /// The service works: whatever it answered, it was no failure of its own.
    pub(super) fn is_well(&self) {
        let mut state = self.lock();
        state.well += 1;
        state.is_out = false;
    }

    /// How often it was well, for [`Self::gave_up`].
    pub(super) fn times_well(&self) -> u64 {
        self.lock().well
    }

    /// A request that began when the service had been well so many times used up
    /// its patience with failures of the service. When nobody else fared better,
    /// there is an outage, and others need not find that out anew.
    pub(super) fn gave_up(&self, times_well: u64) {
        let mut state = self.lock();
        state.is_out |= state.well == times_well;
    }

    /// Whether the outage has outlasted a request's patience, and lasts.
    pub(super) fn is_out(&self) -> bool {
        self.lock().is_out
    }

    /// Whether this origin has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.lock().answered
    }

    /// The last headers seen.
    pub(super) fn seen(&self) -> RateLimit {
        self.lock().seen
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Full speed while more than a quarter of the limit is left; below that the
/// rest is spread over the window, so that it never quite runs out. This holds
/// for fixed and for sliding windows, and we are not told which one it is.
fn spacing_for(limit: u64, remaining: u64) -> Option<Duration> {
    if remaining > limit / 4 {
        return None;
    }
    let left = u32::try_from(remaining)
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    Some((window_of(limit) / left).min(MOST_SPACING))
}

fn window_of(limit: u64) -> Duration {
    if limit <= SMALL_LIMIT {
        SMALL_LIMIT_WINDOW
    } else {
        LIMIT_WINDOW
    }
}

/// `Retry-After` as seconds, an HTTP date or a point in time in seconds or
/// milliseconds (contract 1.6), clamped. `now_ms` is the server's clock when the
/// answer says it, else ours.
pub(super) fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    let from_now = |at_ms: i64| {
        let left = at_ms.saturating_sub(now_ms);
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    };
    let asked = match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates, and is clamped below"
            )]
            let whole = number.ceil() as u64;
            if whole < EPOCH_FROM {
                Duration::from_secs(whole)
            } else {
                let ms = if whole < EPOCH_MS_FROM {
                    whole.saturating_mul(1000)
                } else {
                    whole
                };
                from_now(i64::try_from(ms).unwrap_or(i64::MAX))
            }
        }
        Ok(_) => return None,
        Err(_) => from_now(http_date_ms(text)?),
    };
    Some(asked.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX))
}

/// Milliseconds since 1970 of an HTTP date.
pub(super) fn http_date_ms(text: &str) -> Option<i64> {
    rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()
        .map(jiff::Timestamp::as_millisecond)
}

/// `--bwlimit`: bytes per second over all workers.
#[derive(Debug)]
pub(super) struct Bandwidth {
    per_second: u64,
    due: Mutex<Option<Instant>>,
}

impl Bandwidth {
    pub(super) fn new(per_second: u64) -> Self {
        Self {
            per_second: per_second.max(1),
            due: Mutex::new(None),
        }
    }

    /// How many bytes to read at once, so that a slow limit is even.
    pub(super) fn grain(&self) -> usize {
        usize::try_from(self.per_second / 10)
            .unwrap_or(usize::MAX)
            .max(1024)
    }

    /// How long to wait before `bytes` may go out.
    pub(super) fn reserve(&self, now: Instant, bytes: u64) -> Duration {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let at = due.map_or(now, |due| due.max(now));
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.per_second);
        *due = Some(at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
        at.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn said(limit: u64, remaining: u64) -> RateLimit {
        RateLimit {
            limit: Some(limit),
            remaining: Some(remaining),
        }
    }

    /// When the last of `calls` calls goes out, all asking at once.
    fn time_for(pacer: &Pacer, start: Instant, calls: u32) -> Duration {
        let mut now = start;
        for _ in 0..calls {
            loop {
                let delay = pacer.ask(now, true);
                if delay.is_zero() {
                    break;
                }
                now += delay;
            }
        }
        now - start
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms_and_clamped() {
        for (text, seconds) in [
            ("7", 7),
            (" 7 ", 7),
            ("1.2", 2),
            ("0", 1),
            ("86400", 300),
            ("1800000020", 20),
            ("1800000020500", 20),
            ("1799999999", 1),
            ("Fri, 15 Jan 2027 08:00:20 GMT", 20),
        ] {
            let delay = retry_after(text, NOW_MS).unwrap();
            assert_eq!(delay.as_secs(), seconds, "{text}");
        }
        for text in ["", "soon", "-1", "NaN", "inf"] {
            assert_eq!(retry_after(text, NOW_MS), None, "{text}");
        }
    }

    #[test]
    fn a_remote_service_is_started_below_ten_calls_a_second() {
        let pacer = Pacer::new(None, true);
        let now = Instant::now();

        assert_eq!(time_for(&pacer, now, START_BURST), Duration::ZERO);
        let delay = time_for(&pacer, now, 100);
        assert!((10..12).contains(&delay.as_secs()), "{delay:?}");
    }

    #[test]
    fn this_machine_is_not_paced_until_headers_are_seen() {
        let pacer = Pacer::new(None, false);
        let now = Instant::now();

        assert_eq!(time_for(&pacer, now, 10_000), Duration::ZERO);
        pacer.answered(now, true, said(1000, 9), 1.0);
        assert_eq!(time_for(&pacer, now, 3), Duration::from_secs(4));
    }

    #[test]
    fn headers_with_room_end_the_slow_start() {
        let pacer = Pacer::new(None, true);
        let now = Instant::now();
        pacer.answered(now, true, said(1000, 900), 1.0);

        assert_eq!(time_for(&pacer, now, 500), Duration::ZERO);
    }

    #[test]
    fn nothing_left_means_a_pause_for_everybody() {
        let pacer = Pacer::new(None, false);
        let now = Instant::now();
        pacer.answered(now, true, said(1000, 0), 1.0);

        assert!(pacer.ask(now, false) >= Duration::from_secs(1));
    }

    #[test]
    fn a_pause_holds_storage_too_but_pace_does_not() {
        let pacer = Pacer::new(Some(1.0), true);
        let now = Instant::now();
        time_for(&pacer, now, 5);

        assert_eq!(pacer.ask(now, false), Duration::ZERO);
        pacer.pause(now, Duration::from_secs(9));
        assert_eq!(pacer.ask(now, false), Duration::from_secs(9));
    }

    #[test]
    fn a_fixed_limit_holds_whatever_the_server_says() {
        let pacer = Pacer::new(Some(4.0), false);
        let now = Instant::now();
        pacer.answered(now, true, said(1000, 1000), 1.0);

        assert_eq!(time_for(&pacer, now, 5), Duration::from_secs(1));
    }

    #[test]
    fn a_refusal_spaces_calls_until_answers_are_good_again() {
        let pacer = Pacer::new(None, false);
        let now = Instant::now();
        pacer.refused(1.0);

        assert_eq!(time_for(&pacer, now, 3), Duration::from_millis(100));
        for _ in 0..100 {
            pacer.answered(now, true, RateLimit::default(), 1.0);
        }
        assert_eq!(pacer.lock().penalty, Duration::ZERO);
    }

    #[test]
    fn patience_that_is_used_up_is_used_up_for_all_until_an_answer_comes() {
        let pacer = Pacer::new(None, false);
        pacer.is_well();
        let began = pacer.times_well();
        pacer.gave_up(began);
        assert!(pacer.is_out());
        pacer.is_well();
        assert!(!pacer.is_out());

        pacer.gave_up(began);
        assert!(!pacer.is_out(), "others fared better meanwhile");
    }

    #[test]
    fn bandwidth_is_shared() {
        let limit = Bandwidth::new(1000);
        let now = Instant::now();

        assert_eq!(limit.reserve(now, 500), Duration::ZERO);
        assert_eq!(limit.reserve(now, 500), Duration::from_millis(500));
        assert_eq!(limit.reserve(now, 1), Duration::from_secs(1));
    }
}
