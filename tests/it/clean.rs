//! `clean`: what has expired goes; what a run holds or could continue stays.

use std::fs;
use std::path::PathBuf;
use std::process::Child;

use redivis_ingest::sandbox::{Character, Fault, FaultScript, Nth, Operation};
use serde_json::Value;

use crate::harness::{SCANS, World, kill, noise, under_both};

/// Everything is old enough.
const AT_ONCE: [&str; 3] = ["clean", "--older-than", "0s"];

fn friendly() -> World {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS).file("data/a", "some bytes");
    world
}

fn clean(world: &World, args: &[&str]) -> Vec<Value> {
    let mut all = AT_ONCE.to_vec();
    all.extend(["--format", "json"]);
    all.extend(args);
    let outcome = world.call(&all).exits(0);
    let lines = outcome.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn kinds(lines: &[Value]) -> Vec<(&str, &str)> {
    let steps = lines.iter().filter(|line| line["type"] != "summary");
    steps
        .map(|line| {
            (
                line["type"].as_str().unwrap(),
                line["what"].as_str().unwrap(),
            )
        })
        .collect()
}

fn store_of(world: &World) -> Option<PathBuf> {
    world.state_files(".sqlite").pop()
}

/// Changes the store as time would.
fn change(world: &World, sql: &str) {
    let store = rusqlite::Connection::open(store_of(world).unwrap()).unwrap();
    store.execute_batch(sql).unwrap();
}

/// A run that is stuck in the middle of a resumable upload.
fn stuck() -> (World, Child) {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS).file("data/large", noise(5, 40 << 20));
    world.faults(FaultScript::none().with(
        Operation::PutChunk,
        Nth::After(2),
        Fault::Stall { ms: 3_600_000 },
    ));
    let run = world.start_run(&["--chunk-size", "4MiB"]);
    world.wait_for(Operation::PutChunk, 2);
    (world, run)
}

#[test]
fn a_state_that_is_not_used_any_more_goes_and_the_next_run_does_without() {
    under_both(|world| {
        world.manifest(SCANS).file("data/a", "some bytes");
        world.run(&[]).exits(0);
        assert_eq!(world.run_ids().len(), 1);

        // By default only what is 90 days old.
        world.call(&["clean"]).exits(0).says("Nothing to clean in ");
        assert!(store_of(&world).is_some());

        let shown = clean(&world, &["--dry-run"]);
        assert_eq!(kinds(&shown), [("removed", "store"), ("removed", "run")]);
        assert!(shown[0]["bytes"].as_u64().unwrap() > 4096);
        assert_eq!(shown[2]["dry_run"], true);
        assert!(store_of(&world).is_some() && world.run_ids().len() == 1);

        let done = clean(&world, &[]);
        assert_eq!(done[..2], shown[..2], "the dry run is true");
        assert_eq!(done[2]["things"], 2);
        assert!(store_of(&world).is_none() && world.run_ids().is_empty());
        world.finds_nothing_to_do();
    });
}

#[test]
fn a_state_whose_lock_is_held_is_never_touched() {
    let (world, run) = stuck();
    let before = fs::read(store_of(&world).unwrap()).unwrap();

    let told = clean(&world, &[]);

    assert_eq!(kinds(&told), [("kept", "store")]);
    assert_eq!(told[0]["why"], "a run holds its lock");
    assert_eq!(told[1]["bytes"], 0);
    assert_eq!(fs::read(store_of(&world).unwrap()).unwrap(), before);
    assert_eq!(world.run_ids().len(), 1);
    kill(run);
}

#[test]
fn a_killed_run_keeps_its_session_until_nobody_can_go_on_with_it() {
    let (world, run) = stuck();
    kill(run);
    world.faults(FaultScript::none());

    assert_eq!(kinds(&clean(&world, &[])), []);
    world.sandbox().clear_requests();
    world.run(&["--chunk-size", "4MiB"]).exits(0);
    // It went on where the killed one was.
    assert!(world.asked(Operation::PutChunk).len() < 10);
    assert_eq!(world.asked(Operation::CreateTempUploads).len(), 0);

    let (world, run) = stuck();
    kill(run);
    change(
        &world,
        "UPDATE sessions SET opened_ms = opened_ms - 24 * 3600000",
    );
    // The store itself is still in use, its session is not.
    let told = world.call(&["clean", "--format", "json"]).exits(0);
    let line: Value = serde_json::from_str(told.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["type"], &line["sessions"]),
        (&"cleaned".into(), &1.into())
    );
    assert_eq!(
        kinds(&clean(&world, &[])),
        [("removed", "store"), ("removed", "run")]
    );
}

#[test]
fn runs_beyond_the_kept_ones_go_and_so_does_what_was_set_aside() {
    let world = friendly();
    world.run(&[]).exits(0);
    let newest = world.run_ids().pop().unwrap();
    let owner = newest.split('-').nth(1).unwrap();
    for number in 10..45 {
        let name = format!("20200101T0000{number}Z-{owner}-00000000");
        fs::create_dir_all(world.state().join("runs").join(name)).unwrap();
    }
    fs::write(
        world
            .state()
            .join("test-0123456789abcdef.sqlite.set-aside-1"),
        "x",
    )
    .unwrap();

    let told = world.call(&["clean", "--format", "json"]).exits(0);

    assert_eq!(told.stdout.lines().count(), 7, "{told:?}");
    assert_eq!(world.run_ids().len(), 30);
    assert!(world.run_ids().contains(&newest));
    assert!(world.state_files(".set-aside-1").len() == 1, "it is young");
    clean(&world, &[]);
    assert!(world.state_files(".set-aside-1").is_empty());
}

#[test]
fn what_this_program_cannot_read_is_left_as_it_is() {
    let world = friendly();
    world.run(&[]).exits(0);
    change(&world, "PRAGMA user_version = 99");
    let before = fs::read(store_of(&world).unwrap()).unwrap();

    let told = clean(&world, &[]);

    assert_eq!(kinds(&told), [("kept", "store")]);
    assert_eq!(fs::read(store_of(&world).unwrap()).unwrap(), before);
}

#[test]
fn a_store_that_somebody_plans_with_stays_and_fails_nothing() {
    let world = friendly();
    world.run(&[]).exits(0);
    let mut planning = rusqlite::Connection::open(store_of(&world).unwrap()).unwrap();
    let kind = rusqlite::TransactionBehavior::Immediate;
    let held = planning.transaction_with_behavior(kind).unwrap();

    let told = world.call(&["clean", "--format", "json"]).exits(0);

    let line: Value = serde_json::from_str(told.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(line["type"], "kept", "{told:?}");
    drop(held);
}

#[test]
fn a_folder_called_sandbox_with_files_of_others_stays() {
    let world = friendly();
    world.run(&["--endpoint", "sandbox"]).exits(0);
    let notes = world.state().join("sandbox/notes.txt");
    fs::write(&notes, "mine").unwrap();

    world.call(&AT_ONCE).exits(0);

    assert_eq!(fs::read(&notes).unwrap(), b"mine");
}

#[test]
fn the_data_of_the_sandbox_in_the_process_goes_too() {
    let world = friendly();
    world.run(&["--endpoint", "sandbox"]).exits(0);
    let data = world.state().join("sandbox");
    assert!(data.is_dir());

    world.call(&["clean"]).exits(0).says("Nothing to clean");
    assert!(data.is_dir());
    let outcome = world.call(&AT_ONCE).exits(0);

    assert!(!data.exists(), "{outcome:?}");
    outcome.says("Freed ").says("- sandbox: the sandbox's data");
}

#[test]
fn a_folder_that_is_not_there_has_nothing_to_clean() {
    let world = friendly();
    world.call(&AT_ONCE).exits(0).says("Nothing to clean");
    assert!(!world.state().exists());
    world.call(&["clean", "--state-dir", "none"]).exits(64);
}

#[test]
fn what_only_looks_like_a_run_or_a_store_is_left_alone() {
    let world = friendly();
    world.run(&[]).exits(0);
    let newest = world.run_ids().pop().unwrap();
    let owner = newest.split('-').nth(1).unwrap();
    let (state, runs) = (world.state(), world.state().join("runs"));
    let elsewhere = world.path("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::write(elsewhere.join("report.json"), "theirs").unwrap();
    let mut theirs = vec![elsewhere.join("report.json")];
    // Folders that are no runs, and more of them than are kept of runs.
    for number in 10..45 {
        let name = format!("backup-{owner}-{number}");
        theirs.push(runs.join(name).join("report.json"));
    }
    for name in [
        "my-holiday-photos",
        &format!("20201399T000000Z-{owner}-00000000"),
        &format!("20200101T000000Z-{owner}-0000000G"),
        &format!("20200101T000000Z-{owner}-00000000-old"),
    ] {
        theirs.push(runs.join(name).join("report.json"));
    }
    // Runs that hold what is not a run's, among the files or below.
    let foreign = format!("20200101T000001Z-{owner}-00000000");
    theirs.push(runs.join(&foreign).join("notes.txt"));
    theirs.push(runs.join(&foreign).join("report.json"));
    let nested = format!("20200101T000002Z-{owner}-00000000");
    theirs.push(runs.join(&nested).join("more/report.json"));
    // A file where folders are, and what is called like a store.
    theirs.push(runs.join("stray"));
    theirs.push(runs.join(format!("20200101T000003Z-{owner}-00000000")));
    theirs.push(state.join("photos.sqlite.set-aside-1"));
    theirs.push(state.join("test-0123456789abcdef.sqlite.set-aside-tuesday"));
    theirs.push(state.join("photos.sqlite"));
    for path in &theirs {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "theirs").unwrap();
    }
    let link = runs.join(format!("20200101T000004Z-{owner}-00000000"));
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    let ours = fs::metadata(runs.join(&newest).join("report.json"))
        .unwrap()
        .len();

    let told = clean(&world, &["--dry-run"]);
    let done = clean(&world, &[]);

    for told in [&told, &done] {
        let wanted = [
            ("removed", "store"),
            ("kept", "run"),
            ("kept", "run"),
            ("removed", "run"),
        ];
        assert_eq!(kinds(told), wanted, "{told:?}");
        assert_eq!(told[3]["name"], format!("runs/{newest}"));
        assert_eq!(told[3]["bytes"], ours);
    }
    for path in &theirs {
        assert_eq!(fs::read(path).unwrap(), b"theirs", "{}", path.display());
    }
    assert!(link.is_symlink());
    assert!(!runs.join(&newest).exists());
    assert!(!state.join("photos.lock").exists());
}

#[test]
fn runs_behind_a_link_and_a_file_called_runs_are_left_alone() {
    let world = friendly();
    world.run(&[]).exits(0);
    let (runs, elsewhere) = (world.state().join("runs"), world.path("elsewhere"));
    fs::rename(&runs, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &runs).unwrap();
    let id = world.run_ids().pop().unwrap();

    assert_eq!(kinds(&clean(&world, &[])), [("removed", "store")]);
    assert!(elsewhere.join(&id).join("report.json").is_file());

    fs::remove_file(&runs).unwrap();
    fs::write(&runs, "theirs").unwrap();
    assert_eq!(kinds(&clean(&world, &[])), []);
    assert_eq!(fs::read(&runs).unwrap(), b"theirs");
}
