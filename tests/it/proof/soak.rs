//! The soak: random jobs under random schedules of faults, killed at random
//! requests, run until done, and then held against what was to arrive.
//!
//! `tests/scripts/soak.sh` runs many. Each trial follows from its seed, so that
//! a failure can be seen again: the trial with seed `s` is the first one of a soak
//! from seed `s`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use redivis_ingest::sandbox::{
    Character, Fault, FaultKind, FaultScript, FreezePoint, Hardness, Operation, Schedule, Thaw,
};

use super::{
    Dice, Ended, Failures, Kill, Stage, Work, Worlds, flush_late_effects, is_settled, workers,
};
use crate::harness::setting;

/// Runs without faults until everything must have arrived.
const CLEAN_RUNS: usize = 3;

/// What a soak has seen.
#[derive(Debug, Default)]
struct Tally {
    trials: u64,
    jobs: u64,
    runs: u64,
    kills: u64,
    forgotten: u64,
    faults: BTreeMap<FaultKind, u64>,
    exits: BTreeMap<i32, u64>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.trials += other.trials;
        self.jobs += other.jobs;
        self.runs += other.runs;
        self.kills += other.kills;
        self.forgotten += other.forgotten;
        for (kind, count) in &other.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        for (code, count) in &other.exits {
            *self.exits.entry(*code).or_default() += count;
        }
    }
}

/// One trial.
struct Trial<'w> {
    stage: Stage<'w>,
    work: Work,
    tally: Tally,
}

impl Trial<'_> {
    fn args(&mut self) -> Vec<String> {
        let mut args = Vec::new();
        let jobs = self.work.dice.one_of(&["1", "2", "4", "16"]);
        let chunk = self.work.dice.one_of(&["256KiB", "512KiB", "1MiB"]);
        let chunk = if self.work.is_large { "4MiB" } else { chunk };
        let memory = self.work.dice.one_of(&["16MiB", "64MiB", "128MiB"]);
        for (flag, value) in [
            ("-j", jobs),
            ("--chunk-size", chunk),
            ("--max-memory", memory),
        ] {
            args.extend([flag.to_owned(), value.to_owned()]);
        }
        if self.work.legacy {
            args.extend(["--protocol".to_owned(), "legacy".to_owned()]);
        }
        args
    }

    fn script(&mut self, hardness: Hardness) -> FaultScript {
        let schedule = Schedule {
            seed: self.work.dice.roll(),
            faults: usize::try_from(self.work.dice.between(1, 24)).unwrap(),
            horizon: self.work.dice.between(1, 6),
            hardness,
        };
        let mut script = schedule.script();
        // What a script wants in each trial besides.
        let more: String = setting("FAULTS", "[]".to_owned());
        let more: FaultScript = serde_json::from_str(&more).unwrap();
        script.0.extend(more.0);
        // Where rejects are allowed a refusal is believed: the row stays out.
        let allows_rejects = self.work.jobs.iter().any(|job| job.max_rejects > 0);
        script.0.retain(|rule| {
            let refuses = matches!(
                rule.fault,
                Fault::Status { code: 400, .. } | Fault::StatusAfterBodyBytes { code: 400, .. }
            );
            !(allows_rejects && refuses && rule.operation == Operation::InsertRows)
        });
        script
    }

    fn run(&mut self, kill: Option<Kill>) -> Result<Ended, String> {
        let args = self.args();
        self.stage.world.sandbox().clear_requests();
        let ended = self.stage.run(&args, kill);
        self.tally.runs += 1;
        for request in self.stage.world.sandbox().requests() {
            if let Some(kind) = request.fault {
                *self.tally.faults.entry(kind).or_default() += 1;
            }
        }
        if let Some(code) = ended.status {
            *self.tally.exits.entry(code).or_default() += 1;
        }
        if ended.hung {
            return Err(format!("hang: {}", ended.story()));
        }
        if ended.stderr.contains("panicked") {
            return Err(format!("panic: {}", ended.story()));
        }
        if ended.status.is_none() && kill.is_none() {
            return Err(format!("died: {}", ended.story()));
        }
        Ok(ended)
    }

    fn round(&mut self, hardness: Hardness) -> Result<(), String> {
        self.work.write(&self.stage);
        for _ in 0..self.work.dice.between(1, 3) {
            let script = self.script(hardness);
            self.stage.world.faults(script);
            let kill = self.work.dice.once_in(3).then(|| Kill {
                nth: self.work.dice.below(45),
                at: self
                    .work
                    .dice
                    .one_of(&[FreezePoint::BeforeEffect, FreezePoint::AfterEffect]),
                thaw: self.work.dice.one_of(&[Thaw::Apply, Thaw::Abandon]),
            });
            let ended = self.run(kill)?;
            self.tally.kills += u64::from(ended.status.is_none());
            self.stage.world.faults(FaultScript::none());
            if let Some(code) = ended.status {
                let allowed: &[i32] = match hardness {
                    Hardness::Temporary => &[75],
                    Hardness::Hard => &[3, 4, 5, 6, 69, 75, 77],
                };
                if code != self.work.done() && !allowed.contains(&code) {
                    return Err(format!("exit code: {}", ended.story()));
                }
                self.work
                    .verified_items_are_there(&self.stage, &ended, hardness)?;
                if code == 0 {
                    self.work.holds(&self.stage, &ended)?;
                    flush_late_effects(&self.stage);
                    self.work
                        .holds(&self.stage, &ended)
                        .map_err(|error| format!("after late effects: {error}"))?;
                }
            }
            if self.work.dice.once_in(4) {
                self.stage.forget("state");
                self.tally.forgotten += 1;
            }
        }
        self.come_to_an_end()
    }

    /// Runs without faults until done, and once more.
    fn come_to_an_end(&mut self) -> Result<(), String> {
        flush_late_effects(&self.stage);
        let mut ended = self.run(None)?;
        for _ in 1..CLEAN_RUNS {
            if ended.status != Some(75) {
                break;
            }
            ended = self.run(None)?;
        }
        if ended.status != Some(self.work.done()) {
            return Err(format!("without faults: {}", ended.story()));
        }
        self.work
            .verified_items_are_there(&self.stage, &ended, Hardness::Temporary)?;
        self.work.holds(&self.stage, &ended)?;
        let last = self.run(None)?;
        if self.work.is_refused() {
            let writes = self.stage.writes();
            if last.status != Some(3) || !writes.is_empty() {
                return Err(format!("not settled: {writes:#?}\n{}", last.story()));
            }
        } else {
            is_settled(&self.stage, &last)?;
        }
        self.work.holds(&self.stage, &last)
    }
}

/// One trial from its seed.
fn trial(worlds: &mut Worlds, seed: u64) -> (Tally, Result<(), String>) {
    let mut dice = Dice::of(seed);
    let character = dice.one_of(&[Character::Friendly, Character::Worst]);
    let is_large = dice.once_in(100);
    let hardness = dice.one_of(&[Hardness::Temporary, Hardness::Hard]);
    let hardness = if is_large {
        Hardness::Temporary
    } else {
        hardness
    };
    let stage = worlds.stage(character, "trial");
    let mut trial = Trial {
        stage,
        work: Work::of(dice, is_large),
        tally: Tally::default(),
    };
    trial.work.make_jobs();
    trial.tally.trials = 1;
    trial.tally.jobs = trial.work.jobs.len() as u64;
    let mut done = trial.round(hardness);
    if done.is_ok() && trial.work.dice.once_in(3) {
        trial.work.change_goods();
        done = trial.round(hardness);
    }
    let done = done.map_err(|error| format!("{error}\n({character:?}, {hardness:?})"));
    (std::mem::take(&mut trial.tally), done)
}

fn soak(seed: u64, trials: u64, threads: usize) {
    let failures = Failures::default();
    let tally = Mutex::new(Tally::default());
    workers((seed, trials, threads), &failures, &|worlds, seed| {
        let (seen, done) = trial(worlds, seed);
        tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&seen);
        done
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let faults: u64 = tally.faults.values().sum();
    for (kind, count) in &tally.faults {
        eprintln!("  fault {kind} {count}");
    }
    eprintln!("  exit codes {:?}", tally.exits);
    eprintln!(
        "soak: seed {seed}, {} trials, {} jobs, {} runs, {faults} faults, {} kills, {} states forgotten; {} failures",
        tally.trials,
        tally.jobs,
        tally.runs,
        tally.kills,
        tally.forgotten,
        failures.count()
    );
    failures.judge(&|seed| format!("tests/scripts/soak.sh BINARY 1 {seed}"));
}

#[test]
fn a_few_random_schedules_lose_and_double_nothing() {
    soak(1, 14, 2);
}

#[test]
#[ignore = "a soak: tests/scripts/soak.sh"]
fn random_schedules_lose_and_double_nothing() {
    soak(
        setting("SEED", 1),
        setting("TRIALS", 500),
        setting("THREADS", 2),
    );
}
