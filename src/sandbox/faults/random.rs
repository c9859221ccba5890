//! Random schedules: from a seed, the same faults each time.

use super::{Fault, FaultKind, FaultScript, Nth, Operation, RetryAfter};

/// How hard a random schedule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardness {
    /// Only what a run must get over by itself: temporary statuses, broken
    /// connections, lost answers, late effects, stalls shorter than a timeout.
    Temporary,
    /// Also what may end an item for good until the next run: refusals, damaged
    /// bytes, wrong counts, names that others took.
    Hard,
}

/// What a random schedule is made from.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The same seed makes the same script.
    pub seed: u64,
    /// How many faults.
    pub faults: usize,
    /// Each is at one of the first so many calls of its operation.
    pub horizon: u64,
    /// How hard they are.
    pub hardness: Hardness,
}

impl Schedule {
    /// A random script over the calls that a run makes. No call has two faults.
    /// [`Fault::BitRot`] is never among them: no client could find it.
    pub fn script(self) -> FaultScript {
        let mut dice = Dice::new(self.seed);
        let mut script = FaultScript::none();
        for _ in 0..self.faults {
            let operation = dice.one_of(&Operation::OF_A_RUN);
            let kinds: Vec<FaultKind> = FaultKind::ALL
                .into_iter()
                .filter(|kind| kind.applies_to(operation) && *kind != FaultKind::BitRot)
                .filter(|kind| self.hardness == Hardness::Hard || is_temporary(*kind))
                .collect();
            let kind = dice.one_of(&kinds);
            let fault = dice.fault(kind, operation, self.hardness);
            let nth = Nth::Nth(1 + dice.below(self.horizon.max(1)));
            let is_taken = script
                .0
                .iter()
                .any(|rule| rule.operation == operation && rule.nth == nth);
            if !is_taken {
                script = script.with(operation, nth, fault);
            }
        }
        script
    }
}

fn is_temporary(kind: FaultKind) -> bool {
    match kind {
        FaultKind::Status
        | FaultKind::StatusAfterBodyBytes
        | FaultKind::StatusAfterEffect
        | FaultKind::CutBeforeEffect
        | FaultKind::CutAfterBodyBytes
        | FaultKind::CutAfterEffect
        | FaultKind::LateEffect
        | FaultKind::Reset
        | FaultKind::Stall
        | FaultKind::ShortRange
        | FaultKind::LoseSession
        | FaultKind::ExpireUrl
        | FaultKind::LagNumRows
        | FaultKind::HtmlErrorPage
        | FaultKind::TruncateAnswer => true,
        FaultKind::WrongMd5
        | FaultKind::BitRot
        | FaultKind::WrongCount
        | FaultKind::RenameUpload => false,
    }
}

/// A generator of 64-bit numbers (`SplitMix64`): small, and the same on each
/// machine and in each release, so that a seed in a report stays good.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed rolls the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to less than `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    /// `all` is not empty.
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let index = usize::try_from(self.below(all.len() as u64)).unwrap_or(0);
        all[index]
    }

    fn status(&mut self, hardness: Hardness) -> u16 {
        match hardness {
            Hardness::Temporary => self.one_of(&[408, 429, 500, 502, 503, 504]),
            Hardness::Hard => {
                self.one_of(&[408, 429, 500, 502, 503, 504, 400, 403, 404, 409, 412, 413])
            }
        }
    }

    fn retry_after(&mut self) -> Option<RetryAfter> {
        let forms = [
            None,
            Some(RetryAfter::Seconds(1)),
            Some(RetryAfter::HttpDate(1)),
            Some(RetryAfter::Epoch(1)),
            Some(RetryAfter::EpochMs(1)),
        ];
        self.one_of(&forms)
    }

    fn fault(&mut self, kind: FaultKind, operation: Operation, hardness: Hardness) -> Fault {
        match kind {
            FaultKind::Status => Fault::Status {
                code: self.status(hardness),
                retry_after: self.retry_after(),
            },
            FaultKind::StatusAfterBodyBytes => Fault::StatusAfterBodyBytes {
                bytes: self.below(2000),
                code: self.status(hardness),
            },
            // After an effect only a server's own trouble is an honest answer: a
            // 429 says that nothing was done.
            FaultKind::StatusAfterEffect => Fault::StatusAfterEffect {
                code: self.one_of(&[500, 502, 503, 504]),
            },
            FaultKind::CutBeforeEffect => Fault::CutBeforeEffect,
            FaultKind::CutAfterBodyBytes => Fault::CutAfterBodyBytes {
                bytes: self.below(600_000),
            },
            FaultKind::CutAfterEffect => Fault::CutAfterEffect,
            FaultKind::LateEffect => Fault::LateEffect {
                after_requests: u32::try_from(self.below(4)).unwrap_or(0),
                code: self.one_of(&[None, Some(503)]),
            },
            FaultKind::Reset => Fault::Reset,
            FaultKind::Stall => Fault::Stall { ms: self.below(50) },
            FaultKind::ShortRange => Fault::ShortRange,
            FaultKind::LoseSession => Fault::LoseSession {
                gone: self.below(2) == 1,
            },
            FaultKind::ExpireUrl => Fault::ExpireUrl,
            FaultKind::WrongMd5 => Fault::WrongMd5,
            FaultKind::BitRot => Fault::BitRot,
            FaultKind::WrongCount => Fault::WrongCount,
            FaultKind::RenameUpload => Fault::RenameUpload,
            FaultKind::LagNumRows => Fault::LagNumRows {
                reads: 1 + u32::try_from(self.below(3)).unwrap_or(0),
            },
            FaultKind::HtmlErrorPage => Fault::HtmlErrorPage {
                code: self.one_of(&[502, 503, 504]),
            },
            FaultKind::TruncateAnswer => Fault::TruncateAnswer {
                bytes: self.below(if operation == Operation::ListFiles {
                    400
                } else {
                    60
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn schedule(seed: u64, hardness: Hardness) -> Schedule {
        Schedule {
            seed,
            faults: 12,
            horizon: 5,
            hardness,
        }
    }

    #[test]
    fn a_seed_makes_the_same_script_each_time() {
        let first = schedule(7, Hardness::Hard).script();

        assert_eq!(first, schedule(7, Hardness::Hard).script());
        assert_ne!(first, schedule(8, Hardness::Hard).script());
    }

    #[test]
    fn random_schedules_use_every_fault_where_it_applies_and_no_call_twice() {
        let mut seen = BTreeSet::new();
        for seed in 0..2000 {
            let script = schedule(seed, Hardness::Hard).script();
            assert!(script.0.len() >= 6 && script.0.len() <= 12);
            let calls: BTreeSet<String> = script
                .0
                .iter()
                .map(|rule| format!("{:?} {:?}", rule.operation, rule.nth))
                .collect();
            assert_eq!(calls.len(), script.0.len());
            for rule in script.0 {
                assert!(rule.fault.kind().applies_to(rule.operation), "{rule:?}");
                seen.insert((rule.fault.kind(), rule.operation));
            }
        }
        let possible = FaultKind::ALL
            .into_iter()
            .flat_map(|kind| Operation::OF_A_RUN.map(|operation| (kind, operation)))
            .filter(|(kind, operation)| kind.applies_to(*operation) && *kind != FaultKind::BitRot);

        assert_eq!(seen, possible.collect());
    }

    #[test]
    fn temporary_schedules_refuse_and_damage_nothing() {
        for seed in 0..500 {
            for rule in schedule(seed, Hardness::Temporary).script().0 {
                assert!(is_temporary(rule.fault.kind()), "{rule:?}");
                if let Fault::Status { code, .. } | Fault::StatusAfterBodyBytes { code, .. } =
                    rule.fault
                {
                    assert!(matches!(code, 408 | 429 | 500..=504), "{code}");
                }
                if let Fault::StatusAfterEffect { code } = rule.fault {
                    assert!(matches!(code, 500..=504), "{code}");
                }
            }
        }
    }
}
