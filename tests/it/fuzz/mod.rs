//! Drives the fuzz targets on stable: first their committed inputs, then inputs
//! made of those and of words, by proptest. `tests/scripts/fuzz.sh` runs more of
//! them, for longer, from another seed.

#[path = "../../fuzz/bodies/mod.rs"]
mod bodies;
mod inputs;
mod tmp_seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::harness::setting;

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

/// Runs one target for so many cases, or for so many seconds if that is longer.
fn drive(name: &str) {
    let target = bodies::TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap();
    let committed = committed(name);
    assert!(committed.len() >= 3, "{name} has too few committed inputs");
    for (path, bytes) in &committed {
        let held = catch_unwind(AssertUnwindSafe(|| (target.body)(bytes)));
        assert!(held.is_ok(), "{path} breaks the target {name}");
    }

    let cases: u32 = setting("FUZZ_CASES", 200);
    let seconds: u64 = setting("FUZZ_SECONDS", 0);
    let seed: u64 = setting("FUZZ_SEED", 1);
    let mut full_seed = [0; 32];
    full_seed[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &full_seed);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let seeds = committed.into_iter().map(|(_, bytes)| bytes).collect();
    let inputs = inputs::inputs(seeds, target.words);
    let started = Instant::now();
    let mut executions = 0_u64;
    loop {
        let ran = runner.run(&inputs, |bytes| {
            (target.body)(&bytes);
            Ok(())
        });
        if let Err(TestError::Fail(why, bytes)) = ran {
            let shown = bytes.escape_ascii();
            panic!("{name} with seed {seed}: {why}\nkeep it as a committed input:\n{shown}");
        }
        executions += u64::from(cases);
        if started.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    eprintln!("fuzz {name}: {executions} executions, seed {seed}");
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
