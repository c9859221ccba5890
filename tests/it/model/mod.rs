//! Random histories against a plain model of what the remote should hold: after
//! each run that was done the remote equals the model, and the plan is empty.
//!
//! `tests/scripts/model.sh` plays many. A history that fails is printed whole;
//! it becomes a test with a name in the module that it is about.

mod history;
mod plain;
mod play;

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::harness::setting;
use crate::proof::{Failures, Worlds};

/// Histories that are tried to make a failing one shorter.
const SHRINKS: u32 = 150;

/// What many histories had in them.
#[derive(Debug, Default)]
struct Tally {
    histories: AtomicU64,
    steps: AtomicU64,
    kills: AtomicU64,
    faulty_runs: AtomicU64,
}

impl Tally {
    fn add(&self, history: &history::History) {
        let count = |is_it: &dyn Fn(&history::Step) -> bool| {
            history.steps.iter().filter(|step| is_it(step)).count() as u64
        };
        let kills = count(&|step| matches!(step, history::Step::Kill { .. }));
        let faulty = count(&|step| matches!(step, history::Step::Faults { .. }));
        self.histories.fetch_add(1, Ordering::Relaxed);
        self.steps.fetch_add(count(&|_| true), Ordering::Relaxed);
        self.kills.fetch_add(kills, Ordering::Relaxed);
        self.faulty_runs.fetch_add(faulty, Ordering::Relaxed);
    }
}

/// Plays `cases` histories from a seed; answers the shortest that fails.
fn play_many(seed: u64, cases: u32, tally: &Tally) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config {
        cases,
        max_shrink_iters: SHRINKS,
        failure_persistence: None,
        ..Config::default()
    };
    let worlds = std::cell::RefCell::new(Worlds::new());
    let mut runner = TestRunner::new_with_rng(config, rng);
    let played = runner.run(&history::histories(), |history| {
        tally.add(&history);
        play::play(&mut worlds.borrow_mut(), &history).map_err(|story| {
            *worlds.borrow_mut() = Worlds::new();
            TestCaseError::fail(story)
        })
    });
    match played {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, history)) => Err(format!("{why}\n{history:#?}")),
        Err(TestError::Abort(why)) => Err(why.to_string()),
    }
}

fn play_in_threads(seed: u64, cases: u32, threads: u32) {
    let failures = Failures::default();
    let tally = Tally::default();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (failures, tally) = (&failures, &tally);
            scope.spawn(move || {
                let seed = seed + u64::from(thread);
                if let Err(story) = play_many(seed, cases / threads, tally) {
                    failures.add(seed, story);
                }
            });
        }
    });
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    eprintln!(
        "model: seed {seed}, {} histories, {} steps, {} runs with faults, {} runs to kill; {} failures",
        count(&tally.histories),
        count(&tally.steps),
        count(&tally.faulty_runs),
        count(&tally.kills),
        failures.count()
    );
    failures.judge(&|seed| format!("tests/scripts/model.sh BINARY {} {seed}", cases / threads));
}

#[test]
fn a_few_random_histories_end_as_the_plain_model_says() {
    play_in_threads(1, 10, 2);
}

#[test]
#[ignore = "long: tests/scripts/model.sh"]
fn random_histories_end_as_the_plain_model_says() {
    play_in_threads(
        setting("SEED", 1),
        setting("CASES", 250),
        setting("THREADS", 2),
    );
}
