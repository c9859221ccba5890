//! First the committed inputs of a target, then inputs made of those and of words.

use std::cell::Cell;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Once;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use super::{bodies, inputs};

fn corpus(target: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("fuzz/corpus").join(target)
}

/// The committed inputs of a target, by name.
fn committed(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir(corpus(target))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), std::fs::read(path).unwrap())
        })
        .collect();
    all.sort();
    all
}

#[expect(clippy::disallowed_methods, reason = "a script's settings")]
fn setting<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    std::env::var(format!("REDIVIS_INGEST_TEST_{name}"))
        .map_or(default, |text| text.parse().unwrap())
}

/// The Arrow decoder's own panics are caught where it is called: they are no news, and
/// tens of thousands of them would hide what is.
fn hush_the_decoder() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            let place = panic.location();
            if !place.is_some_and(|place| place.file().contains("/arrow-")) {
                usual(panic);
            }
        }));
    });
}

/// Runs one target for so many inputs, or for so many seconds if that is longer.
/// Every input that breaks the target is told, as Rust writes it.
fn drive(name: &str) {
    hush_the_decoder();
    let target = bodies::TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap();
    let seed: u64 = setting("FUZZ_SEED", 1);
    let seconds: u64 = setting("FUZZ_SECONDS", 0);
    let committed = committed(name);
    assert!(committed.len() >= 3, "{name} has too few committed inputs");
    let mut executions = 0_u64;
    let mut failures = Vec::new();
    for (path, bytes) in &committed {
        executions += 1;
        if catch_unwind(AssertUnwindSafe(|| (target.body)(bytes))).is_err() {
            failures.push(path.clone());
        }
    }

    let config = Config {
        cases: setting("FUZZ_CASES", 200),
        failure_persistence: None,
        ..Config::default()
    };
    let seeds = committed.into_iter().map(|(_, bytes)| bytes).collect();
    let inputs = inputs::inputs(seeds, target.words);
    let started = Instant::now();
    for round in 0_u64.. {
        if !failures.is_empty() {
            break;
        }
        let mut full_seed = [0; 32];
        full_seed[..8].copy_from_slice(&seed.to_le_bytes());
        full_seed[8..16].copy_from_slice(&round.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &full_seed);
        // A runner counts its cases over all its runs: each round has its own.
        let mut runner = TestRunner::new_with_rng(config.clone(), rng);
        let count = Cell::new(0_u64);
        let ran = runner.run(&inputs, |bytes| {
            count.set(count.get() + 1);
            (target.body)(&bytes);
            Ok(())
        });
        executions += count.get();
        if let Err(error) = ran {
            failures.push(match error {
                TestError::Fail(why, bytes) => format!("{why}\n  b\"{}\"", bytes.escape_ascii()),
                TestError::Abort(why) => why.to_string(),
            });
            break;
        }
        if started.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    let count = failures.len();
    eprintln!("fuzz {name}: {executions} executions, seed {seed}; {count} failures");
    assert!(
        failures.is_empty(),
        "{name} with seed {seed} breaks; keep the input under tests/fuzz/corpus/{name}:\n{}",
        failures.join("\n")
    );
}

macro_rules! targets {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            drive(stringify!($name));
        })+

        #[test]
        fn every_target_is_driven_and_has_committed_inputs() {
            let driven = [$(stringify!($name)),+];
            let all: Vec<&str> = bodies::TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(all, driven);
            let mut folders: Vec<String> = std::fs::read_dir(corpus(""))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            folders.sort();
            let mut all = all;
            all.sort_unstable();
            assert_eq!(folders, all);
        }
    };
}

targets! {
    manifest csv ndjson json_array row_encoder range retry_after listing saved_plan part_name
    sandbox_head multipart
}
