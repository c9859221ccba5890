//! How a run went over time: what happened in each of a bounded number of
//! stretches, so that a run of days takes as little room as one of seconds.

use std::collections::BTreeMap;

use crate::event::{Event, Phase, What};

/// The most stretches that are kept. When one more is needed, each two neighbours
/// become one, and all are twice as long from then on.
const MOST: usize = 240;
/// How long a stretch is at first, in milliseconds.
const FIRST_WIDTH: u64 = 100;
/// The most kinds of waits that are told apart; more are one kind.
const MOST_WAITS: usize = 20;
/// The most phases: a run has seven.
const MOST_PHASES: usize = 32;
/// How often the count of requests is asked for, in milliseconds.
const ASK_EVERY: u64 = 50;

/// A run over time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples {
    /// How long each stretch is, in milliseconds; 0 of a run that was not recorded.
    pub width_ms: u64,
    /// How long the record is, in milliseconds.
    pub length_ms: u64,
    /// What happened, in order.
    pub stretches: Vec<Stretch>,
    /// When each phase began, in milliseconds after the start.
    pub phases: Vec<(u64, Phase)>,
    /// Waits by what they were for.
    pub waits: BTreeMap<String, Waits>,
}

/// What happened in one stretch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Bytes of content that went out, repeats included.
    pub bytes: u64,
    /// Requests that ended.
    pub requests: u64,
    /// Files, parts and bulk uploads that were confirmed.
    pub items: u64,
    /// Their rows.
    pub rows: u64,
    /// Items that failed.
    pub failed: u64,
    /// Waits that began.
    pub waits: u64,
}

impl Stretch {
    fn merge(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.requests += other.requests;
        self.items += other.items;
        self.rows += other.rows;
        self.failed += other.failed;
        self.waits += other.waits;
    }
}

/// Waits of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// How many.
    pub count: u64,
    /// How long they were to be, in milliseconds, summed up over all workers.
    pub millis: u64,
}

/// Keeps [`Samples`] while a run goes on. It is told the time.
pub struct Recorder {
    samples: Samples,
    /// Requests that have ended so far.
    requests: Box<dyn Fn() -> u64 + Send>,
    counted: u64,
    asked_ms: u64,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("samples", &self.samples)
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// From now on. `requests` answers how many requests have ended so far.
    pub fn new(requests: Box<dyn Fn() -> u64 + Send>) -> Self {
        Self {
            samples: Samples {
                width_ms: FIRST_WIDTH,
                ..Samples::default()
            },
            requests,
            counted: 0,
            asked_ms: 0,
        }
    }

    /// Something happened, so many milliseconds after the start.
    pub fn event(&mut self, at_ms: u64, event: &Event) {
        self.tick(at_ms);
        match event {
            Event::BytesSent(bytes) => self.now().bytes += bytes,
            Event::Finished {
                what: What::File | What::Part | What::Upload,
                name: _,
                bytes: _,
                rows,
            } => {
                let now = self.now();
                now.items += 1;
                now.rows += rows;
            }
            Event::Failed { .. } => self.now().failed += 1,
            Event::Waiting {
                reason,
                delay,
                attempt: _,
            } => {
                self.now().waits += 1;
                let waits = self.waits_for(reason);
                waits.count += 1;
                let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                waits.millis = waits.millis.saturating_add(millis);
            }
            Event::Phase(phase) => {
                let at = self.samples.length_ms;
                if self.samples.phases.len() < MOST_PHASES {
                    self.samples.phases.push((at, *phase));
                }
            }
            Event::Finished {
                what: What::Table | What::Variable | What::Version | What::Deletion,
                ..
            }
            | Event::RunStarted(_)
            | Event::Note(_)
            | Event::RunFinished => {}
        }
    }

    /// Time passed. A clock that was set back stands still here.
    pub fn tick(&mut self, at_ms: u64) {
        let samples = &mut self.samples;
        samples.length_ms = samples.length_ms.max(at_ms);
        while samples.length_ms / samples.width_ms >= MOST as u64 {
            halve(samples);
        }
        if samples.length_ms >= self.asked_ms.saturating_add(ASK_EVERY) {
            self.ask();
        }
    }

    /// The run is over.
    pub fn finish(mut self, at_ms: u64) -> Samples {
        self.tick(at_ms);
        self.ask();
        self.now();
        self.samples
    }

    fn ask(&mut self) {
        self.asked_ms = self.samples.length_ms;
        let counted = (self.requests)();
        let more = counted.saturating_sub(self.counted);
        self.counted = counted;
        self.now().requests += more;
    }

    /// The stretch that the time is in.
    fn now(&mut self) -> &mut Stretch {
        let samples = &mut self.samples;
        let position = usize::try_from(samples.length_ms / samples.width_ms).unwrap_or(MOST);
        let position = position.min(MOST - 1);
        if samples.stretches.len() <= position {
            samples.stretches.resize(position + 1, Stretch::default());
        }
        &mut samples.stretches[position]
    }

    fn waits_for(&mut self, reason: &str) -> &mut Waits {
        let waits = &mut self.samples.waits;
        let reason = if waits.len() < MOST_WAITS || waits.contains_key(reason) {
            reason
        } else {
            "other causes"
        };
        waits.entry(reason.to_owned()).or_default()
    }
}

/// Makes each two neighbours one.
fn halve(samples: &mut Samples) {
    samples.width_ms = samples.width_ms.saturating_mul(2);
    let pairs = samples.stretches.chunks(2).map(|pair| {
        let mut sum = Stretch::default();
        for one in pair {
            sum.merge(*one);
        }
        sum
    });
    samples.stretches = pairs.collect();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    fn recorder() -> (Recorder, Arc<AtomicU64>) {
        let requests = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&requests);
        let recorder = Recorder::new(Box::new(move || shared.load(Ordering::Relaxed)));
        (recorder, requests)
    }

    fn sums(samples: &Samples) -> Stretch {
        let mut sum = Stretch::default();
        for one in &samples.stretches {
            sum.merge(*one);
        }
        sum
    }

    #[test]
    fn what_happens_is_kept_where_it_happened() {
        let (mut recorder, requests) = recorder();
        recorder.event(0, &Event::Phase(Phase::Planning));
        requests.store(3, Ordering::Relaxed);
        recorder.event(120, &Event::Phase(Phase::Sending));
        recorder.event(250, &Event::BytesSent(10));
        recorder.event(299, &Event::BytesSent(5));
        let finished = |what, rows| Event::Finished {
            what,
            name: "a".to_owned(),
            bytes: 15,
            rows,
        };
        recorder.event(310, &finished(What::Part, 7));
        recorder.event(310, &finished(What::Table, 0));
        let wait = |reason: &str, millis| Event::Waiting {
            reason: reason.to_owned(),
            delay: Duration::from_millis(millis),
            attempt: 2,
        };
        recorder.event(320, &wait("the rate limit was reached", 1000));
        recorder.event(320, &wait("the rate limit was reached", 500));
        recorder.event(320, &wait("the connection failed", 20));
        requests.store(5, Ordering::Relaxed);

        let samples = recorder.finish(480);

        let bytes: Vec<u64> = samples.stretches.iter().map(|one| one.bytes).collect();
        assert_eq!(bytes, [0, 0, 15, 0, 0]);
        let requests: Vec<u64> = samples.stretches.iter().map(|one| one.requests).collect();
        assert_eq!(requests, [0, 3, 0, 0, 2]);
        assert_eq!(samples.stretches[3].rows, 7);
        assert_eq!(
            (samples.stretches[3].items, samples.stretches[3].waits),
            (1, 3)
        );
        assert_eq!(
            samples.phases,
            [(0, Phase::Planning), (120, Phase::Sending)]
        );
        let limit = samples.waits["the rate limit was reached"];
        assert_eq!((limit.count, limit.millis), (2, 1500));
        assert_eq!((samples.width_ms, samples.length_ms), (100, 480));
    }

    #[test]
    fn a_run_of_days_takes_no_more_room_and_loses_nothing() {
        let (mut recorder, requests) = recorder();
        let days = 3 * 24 * 3600;
        for second in 0..days {
            requests.fetch_add(2, Ordering::Relaxed);
            recorder.event(second * 1000, &Event::BytesSent(3));
        }

        let samples = recorder.finish(days * 1000);

        assert!(
            samples.stretches.len() <= MOST,
            "{}",
            samples.stretches.len()
        );
        assert!(samples.stretches.len() > MOST / 2);
        let sum = sums(&samples);
        assert_eq!((sum.bytes, sum.requests), (3 * days, 2 * days));
        let expected = samples.width_ms / 1000;
        let middle = samples.stretches[60].bytes / 3;
        assert!(middle.abs_diff(expected) <= 1, "{middle} of {expected}");
    }

    #[test]
    fn a_clock_that_jumps_breaks_nothing() {
        let (mut recorder, _) = recorder();
        recorder.event(5000, &Event::BytesSent(1));
        recorder.event(10, &Event::BytesSent(1));
        recorder.event(u64::MAX / 2, &Event::BytesSent(1));
        recorder.event(u64::MAX, &Event::BytesSent(1));

        let samples = recorder.finish(u64::MAX);

        assert!(samples.stretches.len() <= MOST);
        assert_eq!(sums(&samples).bytes, 4);
    }

    #[test]
    fn many_kinds_of_waits_are_bounded() {
        let (mut recorder, _) = recorder();
        for index in 0..100 {
            let wait = Event::Waiting {
                reason: format!("reason {index}"),
                delay: Duration::ZERO,
                attempt: 1,
            };
            recorder.event(index, &wait);
        }

        let samples = recorder.finish(100);

        assert_eq!(samples.waits.len(), MOST_WAITS + 1);
        assert_eq!(
            samples.waits.values().map(|one| one.count).sum::<u64>(),
            100
        );
    }
}
