//! Where the time of the workers goes, by what they do: for reports, never for
//! decisions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a worker does, or waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Reading files from the disk.
    Disk,
    /// The MD5 of what is sent.
    Hashing,
    /// Reading rows and making payloads of them.
    Encoding,
    /// Handing bytes to the network.
    Network,
    /// From the last byte of a request to the end of its answer.
    Server,
    /// The pace of calls, and what a 429 asked for.
    RateLimit,
    /// Before a request is repeated.
    Repeats,
    /// Fewer requests at once, since the server could not bear more.
    Width,
}

impl Activity {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Disk,
        Self::Hashing,
        Self::Encoding,
        Self::Network,
        Self::Server,
        Self::RateLimit,
        Self::Repeats,
        Self::Width,
    ];

    /// The words for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "reading files",
            Self::Hashing => "MD5",
            Self::Encoding => "encoding rows",
            Self::Network => "sending",
            Self::Server => "waiting for answers",
            Self::RateLimit => "the API's rate limit",
            Self::Repeats => "waits before repeats",
            Self::Width => "fewer requests at once",
        }
    }
}

/// Time by activity, summed over all workers as they go.
#[derive(Debug, Default)]
pub struct Effort {
    nanos: [AtomicU64; Activity::ALL.len()],
}

impl Effort {
    /// Somebody was busy with this for so long.
    pub fn add(&self, activity: Activity, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(sum) = self.nanos.get(activity as usize) {
            sum.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// Adds the time that `act` takes.
    pub fn during<T>(&self, activity: Activity, act: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = act();
        self.add(activity, started.elapsed());
        done
    }

    /// What all of it came to so far.
    pub fn spent(&self) -> TimeSpent {
        TimeSpent {
            nanos: self.nanos.each_ref().map(|sum| sum.load(Ordering::Relaxed)),
        }
    }
}

/// What the time of all workers went into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeSpent {
    nanos: [u64; Activity::ALL.len()],
}

impl TimeSpent {
    /// Each activity with its share of the time, in tenths of a percent, the largest
    /// first; what took less than one is left out.
    pub fn shares(&self) -> Vec<(Activity, u64)> {
        let all: u128 = self.nanos.iter().copied().map(u128::from).sum();
        let shares = Activity::ALL
            .iter()
            .zip(self.nanos)
            .filter_map(|(one, nanos)| {
                let share = (u128::from(nanos) * 1000).checked_div(all)?;
                Some((*one, u64::try_from(share).unwrap_or(0)))
            });
        let mut shares: Vec<_> = shares.filter(|(_, share)| *share > 0).collect();
        shares.sort_by_key(|(_, share)| std::cmp::Reverse(*share));
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_the_time_and_the_largest_comes_first() {
        let effort = Effort::default();
        assert_eq!(effort.spent().shares(), []);

        effort.add(Activity::Disk, Duration::from_millis(250));
        effort.add(Activity::Server, Duration::from_millis(600));
        effort.add(Activity::Server, Duration::from_millis(149));
        effort.add(Activity::Width, Duration::from_micros(999));

        let shares = effort.spent().shares();
        assert_eq!(shares, [(Activity::Server, 749), (Activity::Disk, 250)]);
    }
}
