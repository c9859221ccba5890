//! The emulator's time. Sessions expire by it, so a test can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// Where the time comes from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    Real,
    /// The machine's clock, running `factor` times as fast since `since_ms`
    /// (milliseconds since 1970).
    Scaled {
        /// Where the two clocks agree.
        since_ms: i64,
        /// How much faster.
        factor: u32,
    },
    /// Stands still until it is moved.
    Manual(ManualClock),
}

impl Clock {
    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::Real => machine_ms(),
            Self::Scaled { since_ms, factor } => {
                since_ms + (machine_ms() - since_ms) * i64::from(*factor)
            }
            Self::Manual(clock) => clock.0.load(Ordering::Relaxed),
        }
    }
}

/// A clock that a test moves; clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Starts at this many milliseconds since 1970.
    pub fn at(ms: i64) -> Self {
        Self(Arc::new(AtomicI64::new(ms)))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox's clock is one of the two places that read the time"
)]
fn machine_ms() -> i64 {
    let now = std::time::SystemTime::now();
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |passed| i64::try_from(passed.as_millis()).unwrap_or(0))
}

/// A moment as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(ms: i64) -> String {
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    jiff::Timestamp::from_millisecond(ms)
        .ok()
        .and_then(|moment| printer.timestamp_to_rfc9110_string(&moment).ok())
        .unwrap_or_default()
}

/// Reads such a date; milliseconds since 1970.
pub(super) fn parse_http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text)
        .ok()
        .map(|moment| moment.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_read_back() {
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(
            parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777_000)
        );
    }

    #[test]
    fn a_manual_clock_moves_when_told() {
        let hand = ManualClock::at(1_000);
        let clock = Clock::Manual(hand.clone());
        hand.advance(Duration::from_secs(2));

        assert_eq!(clock.now_ms(), 3_000);
    }
}
