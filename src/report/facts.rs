//! What `cli` knows of a run beside its plan and its ends.

use serde::Serialize;

use crate::base::TimeSpent;
use crate::base::cancel::CancelReason;
use crate::redivis::HttpStats;

/// A run as a whole.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// Its id, as in the name of its folder.
    pub run_id: String,
    /// The command, such as `run`.
    pub command: String,
    /// The manifest's name.
    pub manifest: String,
    /// SHA-256 of the manifest's text.
    pub manifest_sha256: String,
    /// The API's address; nothing secret in it.
    pub endpoint: String,
    /// The datasets.
    pub datasets: Vec<String>,
    /// When it began: milliseconds since 1970.
    pub started_ms: i64,
    /// When it ended: milliseconds since 1970.
    pub ended_ms: i64,
    /// The exit code.
    pub exit: u8,
    /// Its word, such as `partial`.
    pub exit_word: &'static str,
    /// What ended the run outside of any item, such as a manifest that cannot be
    /// used or a remote that cannot be read: the error and its causes on one line.
    pub failure: Option<String>,
    /// What stopped it early.
    pub stopped_by: Option<CancelReason>,
    /// Tasks on the network at once.
    pub workers: u64,
    /// What was said to the API and the storage.
    pub requests: RequestFacts,
    /// Where the report is, as JSON.
    pub report_path: Option<String>,
    /// Where the report is, as a page.
    pub page_path: Option<String>,
    /// Where the rejects are, if there are any.
    pub rejects_path: Option<String>,
    /// Rows that were left out, here or by the platform.
    pub rejects: u64,
    /// The first of them in words.
    pub first_rejects: Vec<String>,
}

impl RunFacts {
    /// How long it took. A clock that was set back gives 0.
    pub(super) fn millis(&self) -> u64 {
        u64::try_from(self.ended_ms.saturating_sub(self.started_ms)).unwrap_or(0)
    }

    /// What kept the run from being faster, where it can be told.
    pub(super) fn limited_by(&self) -> Option<&'static str> {
        limit_of(&self.requests, self.millis(), self.workers)
    }

    /// What most of the workers' time went into, with the shares; empty for a run too
    /// short to tell.
    pub(super) fn time_went(&self) -> String {
        const MOST: usize = 3;
        const LEAST_PERCENT: f64 = 5.0;
        if self.millis() < TELLING_MS {
            return String::new();
        }
        let worth_telling = |one: &&SpentFacts| one.percent >= LEAST_PERCENT;
        let shares: Vec<String> = self
            .requests
            .spent
            .iter()
            .filter(worth_telling)
            .take(MOST)
            .map(|one| format!("{} {:.1} %", one.on, one.percent))
            .collect();
        shares.join(", ")
    }
}

/// A run that was shorter says little of what limits longer ones.
const TELLING_MS: u64 = 5_000;

/// What keeps so many workers from being faster, after so many milliseconds: a fifth
/// or more of their time went into waits that the API asked for, or before repeats;
/// else what took two fifths or more of the time that was not spent waiting for work.
pub(super) fn limit_of(requests: &RequestFacts, millis: u64, workers: u64) -> Option<&'static str> {
    let waited = requests.waited_ms.saturating_mul(5);
    let worked = millis.saturating_mul(workers.max(1));
    if worked == 0 || waited < worked {
        let most = requests.spent.first();
        most.filter(|most| most.percent >= 40.0 && millis >= TELLING_MS)
            .map(|most| most.on)
    } else if requests.retries <= requests.rate_limited {
        Some("the API's rate limit")
    } else {
        Some("the API's rate limit and failed requests")
    }
}

/// Requests of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RequestFacts {
    /// All, repeats included.
    pub requests: u64,
    /// Repeats.
    pub retries: u64,
    /// Answers with 429.
    pub rate_limited: u64,
    /// Time that workers waited for the pace or before a repeat, summed up.
    pub waited_ms: u64,
    /// Connections opened.
    pub connections: u64,
    /// Bytes of bodies that went out, repeats included.
    pub sent_bytes: u64,
    /// Bytes of answers' bodies.
    pub received_bytes: u64,
    /// The fewest requests that a server was sent at once because it could not bear
    /// more; `None`: never fewer than there are workers.
    pub narrowest: Option<u64>,
    /// What the time of the workers went into, the largest share first.
    pub spent: Vec<SpentFacts>,
    /// By call.
    pub calls: Vec<CallFacts>,
    /// What the platform warned of, each text once.
    pub warnings: Vec<String>,
}

/// One activity's share of the workers' time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpentFacts {
    /// Which.
    pub on: &'static str,
    /// Of all the time.
    pub percent: f64,
}

/// Requests of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct CallFacts {
    /// Which call.
    pub call: String,
    /// Exchanges.
    pub count: u64,
    /// Half took no longer.
    pub p50_ms: f64,
    /// All but a hundredth took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl RequestFacts {
    /// What the client counted.
    pub fn of(stats: &HttpStats) -> Self {
        // Tenths of a millisecond are as fine as the counts are.
        let millis = |time: std::time::Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
        Self {
            requests: stats.requests,
            retries: stats.retries,
            rate_limited: stats.rate_limited,
            waited_ms: u64::try_from(stats.waited.as_millis()).unwrap_or(u64::MAX),
            connections: stats.connections,
            sent_bytes: stats.sent_bytes,
            received_bytes: stats.received_bytes,
            narrowest: stats.narrowest.and_then(|width| u64::try_from(width).ok()),
            spent: spent(stats.time),
            calls: stats
                .latencies
                .iter()
                .map(|(call, latency)| CallFacts {
                    call: (*call).to_owned(),
                    count: latency.count,
                    p50_ms: millis(latency.p50),
                    p99_ms: millis(latency.p99),
                    max_ms: millis(latency.max),
                })
                .collect(),
            warnings: stats.warnings.iter().cloned().collect(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most a thousand tenths")]
fn spent(time: TimeSpent) -> Vec<SpentFacts> {
    let shares = time
        .shares()
        .into_iter()
        .map(|(activity, tenths)| SpentFacts {
            on: activity.as_str(),
            percent: tenths as f64 / 10.0,
        });
    shares.collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::SpentFacts;

    #[test]
    fn waits_limit_a_run_when_they_are_a_fifth_of_the_work() {
        let mut facts = sample::facts();
        assert_eq!(facts.millis(), 12_500);
        facts.requests.spent.clear();
        facts.requests.waited_ms = 12_500 * 16 / 5 - 1;
        assert_eq!(facts.limited_by(), None);

        facts.requests.waited_ms += 1;
        facts.requests.retries = 2;
        facts.requests.rate_limited = 2;
        assert_eq!(facts.limited_by(), Some("the API's rate limit"));

        facts.requests.retries = 3;
        assert_eq!(
            facts.limited_by(),
            Some("the API's rate limit and failed requests")
        );

        facts.ended_ms = facts.started_ms - 1;
        assert_eq!(facts.limited_by(), None);
    }

    #[test]
    fn what_took_most_of_the_time_limits_a_run_that_is_long_enough_to_tell() {
        let mut facts = sample::facts();
        facts.requests.waited_ms = 0;
        let on = |on, percent| SpentFacts { on, percent };
        facts.requests.spent = vec![
            on("MD5", 40.0),
            on("sending", 39.9),
            on("reading files", 4.9),
        ];
        assert_eq!(facts.limited_by(), Some("MD5"));
        assert_eq!(facts.time_went(), "MD5 40.0 %, sending 39.9 %");

        facts.requests.spent.remove(0);
        assert_eq!(facts.limited_by(), None);

        facts.requests.spent = vec![on("MD5", 100.0)];
        facts.ended_ms = facts.started_ms + 4_999;
        assert_eq!((facts.limited_by(), facts.time_went().as_str()), (None, ""));
    }
}
