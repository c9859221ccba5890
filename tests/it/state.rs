//! State is used, never trusted: whatever happens to it, the remote ends the same.

use std::fs;

use redivis_ingest::sandbox::{Character, FreezePoint, Thaw};

use crate::harness::{ALL_KINDS, World, end_of, under_both};

fn with_jobs(world: &World) {
    world
        .manifest(ALL_KINDS)
        .file("data/a.txt", "hello")
        .file("data/b.txt", "world")
        .file("rows/1.csv", "station,value\na,1\nb,2\n")
        .file("taxa.csv", "id\n1\n");
}

#[track_caller]
fn assert_delivered_once(world: &World) {
    assert_eq!(world.stored("scans", "a.txt"), b"hello");
    assert_eq!(world.stored("scans", "b.txt"), b"world");
    assert_eq!(world.table("scans", |table| table.files.len()), 2);
    assert_eq!(world.rows("readings").len(), 2);
    assert_eq!(world.table("readings", |table| table.uploads.len()), 1);
    assert_eq!(world.table("taxa", |table| table.uploads.len()), 1);
}

#[test]
fn deleting_the_state_between_runs_changes_nothing() {
    under_both(|world| {
        with_jobs(&world);
        for said in [
            "everything was sent and verified",
            "Nothing to do",
            "Nothing to do",
        ] {
            world.run(&[]).exits(0).says(said);
            world.forget_state();
        }
        assert_delivered_once(&world);
    });
}

#[test]
fn deleting_the_state_of_a_killed_run_changes_nothing() {
    under_both(|world| {
        with_jobs(&world);
        for point in [FreezePoint::BeforeEffect, FreezePoint::AfterEffect] {
            let mut run = world.start_frozen_run(point, &[]);
            run.kill().unwrap();
            end_of(run);
            world.sandbox().thaw(Thaw::Abandon);
            world.forget_state();
        }

        world.run(&[]).exits(0);

        assert_delivered_once(&world);
        world.run(&[]).exits(0).says("Nothing to do");
    });
}

#[test]
fn deleting_the_state_under_a_run_changes_nothing() {
    under_both(|world| {
        with_jobs(&world);
        let run = world.start_frozen_run(FreezePoint::BeforeEffect, &[]);
        world.forget_state();
        world.sandbox().thaw(Thaw::Apply);

        // The run may succeed or complain of its state, and never lie.
        let outcome = end_of(run);
        assert!(matches!(outcome.status, Some(0 | 74)), "{outcome:?}");

        world.run(&[]).exits(0);
        assert_delivered_once(&world);
        world.run(&[]).exits(0).says("Nothing to do");
    });
}

#[test]
fn a_damaged_state_file_is_set_aside_with_a_warning() {
    under_both(|world| {
        with_jobs(&world);
        world.run(&[]).exits(0);
        let path = world.state_files(".sqlite").remove(0);
        for damage in [
            b"this is no database, and long enough".repeat(300),
            Vec::new(),
        ] {
            let is_empty = damage.is_empty();
            for part in ["-wal", "-shm"] {
                drop(fs::remove_file(format!("{}{part}", path.display())));
            }
            fs::write(&path, damage).unwrap();

            let outcome = world.run(&[]).exits(0).says("Nothing to do");

            if !is_empty {
                assert!(outcome.stderr.contains("damaged"), "{outcome:?}");
                assert!(outcome.stderr.contains(".set-aside-1"), "{outcome:?}");
            }
            let calm = world.run(&[]).exits(0);
            assert!(!calm.stderr.contains("damaged"), "{calm:?}");
        }
        assert_eq!(world.state_files(".set-aside-1").len(), 1);
        assert_delivered_once(&world);
    });
}

#[test]
fn a_state_file_of_a_newer_program_is_set_aside_with_a_warning() {
    under_both(|world| {
        with_jobs(&world);
        world.run(&[]).exits(0);
        let path = world.state_files(".sqlite").remove(0);
        let database = rusqlite::Connection::open(&path).unwrap();
        database.pragma_update(None, "user_version", 4242).unwrap();
        database.close().unwrap();

        let outcome = world.run(&[]).exits(0).says("Nothing to do");

        assert!(outcome.stderr.contains("newer format 4242"), "{outcome:?}");
        let aside = world.state_files(".set-aside-1").remove(0);
        let database = rusqlite::Connection::open(aside).unwrap();
        let version: i64 = database
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, 4242, "it is kept as it was");
    });
}

#[test]
fn a_state_folder_that_cannot_be_written_is_told_with_a_way_out() {
    let world = World::new(Character::Friendly);
    with_jobs(&world);
    // Root writes everywhere but in `/proc`.
    let outcome = world.run(&["--state-dir", "/proc/nowhere"]).exits(74);
    assert!(
        outcome.stderr.contains("error[state/folder]"),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains("--state-dir none"), "{outcome:?}");
    assert!(world.writes().is_empty());
    world.run(&["--state-dir", "none"]).exits(0);
}

#[test]
fn no_state_folder_at_all_is_told_with_a_way_out() {
    let world = World::new(Character::Friendly);
    with_jobs(&world);
    let manifest = world.path("manifest.yaml");
    let env = [
        ("REDIVIS_INGEST_STATE_DIR", ""),
        ("HOME", ""),
        ("XDG_STATE_HOME", ""),
    ];
    let outcome = world
        .call_with(&["run", manifest.to_str().unwrap()], &env)
        .exits(64);
    assert!(
        outcome.stderr.contains("error[settings/no-state-folder]"),
        "{outcome:?}"
    );
}

#[test]
fn the_lock_s_file_is_no_obstacle_when_nobody_holds_it() {
    under_both(|world| {
        with_jobs(&world);
        let mut run = world.start_frozen_run(FreezePoint::BeforeEffect, &[]);
        run.kill().unwrap();
        end_of(run);
        world.sandbox().thaw(Thaw::Abandon);
        let lock = world.state_files(".lock").remove(0);
        assert!(fs::read_to_string(&lock).unwrap().contains("pid"));

        world.run(&[]).exits(0);

        assert_eq!(fs::read_to_string(&lock).unwrap(), "");
        assert_delivered_once(&world);
    });
}

#[test]
fn planning_and_status_do_not_wait_for_a_run() {
    under_both(|world| {
        with_jobs(&world);
        let planning = world.requests_of_planning();
        let first = world.sandbox().next_request_number() + planning;
        world.sandbox().freeze(first + 1, FreezePoint::BeforeEffect);
        let run = world.start_run(&[]);
        world.assert_frozen();

        world
            .on_manifest("status", &[])
            .exits(0)
            .says("did not end");

        world.sandbox().thaw(Thaw::Apply);
        world.plan(&[]).exits(0);
        end_of(run).exits(0);
    });
}
