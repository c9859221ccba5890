//! A saved plan more than once: after a kill at any of its writes, beside another
//! process that has the same plan, and after somebody changed what it made. It is
//! never applied twice, and what it no longer fits is left alone.

use std::collections::BTreeMap;

use redivis_ingest::sandbox::{Character, FreezePoint, Operation, Thaw};

use crate::harness::{DATASET, PATIENCE, World, end_of, kill, under_both};

const JOBS: &str = "release: true
tables:
  whole: { merge: replace }
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*' }]
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }]
    schema: { station: string, value: float }
  - name: taxa
    table: taxa
    uploads: [{ path: taxa.csv }]
  - name: whole
    table: whole
    rows: [{ csv: whole.csv }]
    schema: { n: integer }
";

fn draft_only() -> String {
    JOBS.replace("release: true\n", "")
}

/// Everything is there already and released, and then each source changes: the
/// plan has rows to delete, a version to make and, under `release`, to release.
fn world_with_history(character: Character, jobs: &str) -> World {
    let world = World::new(character);
    world
        .manifest(&draft_only())
        .file("data/a.txt", "hello")
        .file("data/b.txt", "world")
        .file("rows/1.csv", "station,value\na,1\n")
        .file("taxa.csv", "id\n1\n")
        .file("whole.csv", "n\n1\n2\n");
    world.run(&[]).exits(0);
    world.release();
    world.create_next();
    world
        .manifest(jobs)
        .file("data/b.txt", "other")
        .file("data/c.txt", "new")
        .file("rows/2.csv", "station,value\nb,2\n")
        .file("taxa2.csv", "id\n2\n")
        .file("whole.csv", "n\n1\n2\n3\n");
    world
}

fn save(world: &World) -> String {
    let path = world.path("plan.ndjson");
    let path = path.to_str().unwrap().to_owned();
    world.plan(&["-o", &path]).exits(0);
    path
}

/// What the world is to be after the plan.
#[track_caller]
fn is_applied_once(world: &World) {
    let seen = world.inspect();
    let versions = &seen.dataset(DATASET).unwrap().versions;
    assert_eq!(versions.len(), 2);
    has_what_was_planned(world);
}

/// The newest version holds everything once.
#[track_caller]
fn has_what_was_planned(world: &World) {
    let seen = world.inspect();
    let versions = &seen.dataset(DATASET).unwrap().versions;
    let version = &versions.last().unwrap().tag;
    let table = |name: &str| seen.table(DATASET, version, name).unwrap();
    let mut names: Vec<String> = table("scans")
        .files
        .iter()
        .map(|file| file.name.clone())
        .collect();
    names.sort();
    assert_eq!(names, ["a.txt", "b.txt", "c.txt"]);
    assert_eq!(
        table("scans").file("b.txt").unwrap().bytes().unwrap(),
        b"other"
    );
    let mut rows = table("readings").inserted_rows().unwrap();
    rows.sort();
    assert_eq!(
        rows,
        [
            r#"{"station":"a","value":1}"#,
            r#"{"station":"b","value":2}"#
        ]
    );
    let mut whole = table("whole").inserted_rows().unwrap();
    whole.sort();
    assert_eq!(whole, [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]);
    assert_eq!(table("taxa").num_rows, 1);
}

const ONE_BY_ONE: [&str; 2] = ["-j", "1"];

fn apply(world: &World, plan: &str) -> std::process::Child {
    world.start_run(&[&ONE_BY_ONE[..], &["--plan", plan]].concat())
}

/// The numbers of the writes of an undisturbed application, from its first
/// request on.
fn writes_of(character: Character) -> Vec<(u64, Operation)> {
    let world = world_with_history(character, JOBS);
    let plan = save(&world);
    let first = world.sandbox().next_request_number();
    world.sandbox().clear_requests();
    end_of(apply(&world, &plan)).exits(0);
    is_applied_once(&world);
    let writes = world.writes();
    writes
        .iter()
        .map(|request| (request.number - first, request.operation))
        .collect()
}

fn kill_everywhere(character: Character) {
    let writes = writes_of(character);
    for wanted in [
        Operation::AttachFiles,
        Operation::InsertRows,
        Operation::Release,
    ] {
        assert!(
            writes.iter().any(|(_, operation)| *operation == wanted),
            "{writes:?}"
        );
    }
    for (number, operation) in writes {
        for (point, then) in [
            (FreezePoint::AfterEffect, Thaw::Abandon),
            (FreezePoint::BeforeEffect, Thaw::Apply),
        ] {
            eprintln!("{character:?}: {operation:?} {number} {point:?}");
            let world = world_with_history(character, JOBS);
            let plan = save(&world);
            let sandbox = world.sandbox();
            sandbox.freeze(sandbox.next_request_number() + number, point);
            let run = apply(&world, &plan);
            assert!(sandbox.wait_frozen(PATIENCE));
            kill(run);
            sandbox.thaw(then);

            world.run(&["--plan", &plan]).exits(0);

            is_applied_once(&world);
            world.sandbox().clear_requests();
            world.run(&["--plan", &plan]).exits(0);
            assert!(world.writes().is_empty(), "{:?}", world.writes());
            world.finds_nothing_to_do();
        }
    }
}

#[test]
fn a_saved_plan_killed_at_any_write_can_be_run_again() {
    kill_everywhere(Character::Friendly);
}

#[test]
fn a_saved_plan_killed_at_any_write_can_be_run_again_under_the_worst_answers() {
    kill_everywhere(Character::Worst);
}

#[test]
fn two_processes_with_the_same_plan_apply_it_once() {
    for character in [Character::Friendly, Character::Worst] {
        // The last call of each kind: by then, much is done.
        let writes: BTreeMap<Operation, u64> = writes_of(character)
            .into_iter()
            .map(|(number, operation)| (operation, number))
            .collect();
        for (operation, number) in writes {
            eprintln!("{character:?}: {operation:?} {number}");
            let world = world_with_history(character, JOBS);
            let plan = save(&world);
            let sandbox = world.sandbox();
            // Held from here on are the first one's requests only, since the second
            // one starts when they are let go.
            sandbox.freeze(
                sandbox.next_request_number() + number,
                FreezePoint::BeforeEffect,
            );
            let first = apply(&world, &plan);
            assert!(sandbox.wait_frozen(PATIENCE));
            let other = world.root().join("other-state");
            let second =
                world.start_run(&["--plan", &plan, "--state-dir", other.to_str().unwrap()]);
            sandbox.thaw(Thaw::Apply);

            let ends = [end_of(first), end_of(second)];

            for end in &ends {
                assert!(
                    matches!(end.status, Some(0 | 3 | 4 | 6 | 75)),
                    "{operation:?} {number}: {end:?}"
                );
            }
            // Whoever comes last finds it done, or does what is left: one of the two
            // may have taken the other's rows for an attempt that was given up.
            world.run(&[]).exits(0);
            has_what_was_planned(&world);
            world.finds_nothing_to_do();
        }
    }
}

/// Applies, lets `meddle` change the remote, applies again: that must change
/// nothing.
fn left_alone(meddle: impl Fn(&World)) {
    under_both(|world| {
        world
            .manifest(&draft_only())
            .file("data/a.txt", "hello")
            .file("rows/1.csv", "station,value\na,1\n")
            .file("taxa.csv", "id\n1\n")
            .file("whole.csv", "n\n1\n");
        let plan = save(&world);
        world.run(&["--plan", &plan]).exits(0);
        meddle(&world);
        // Until the listings show it.
        for _ in 0..3 {
            world.plan(&[]);
        }
        world.sandbox().clear_requests();

        let outcome = world.run(&["--plan", &plan, "--format", "json"]).exits(4);

        assert!(world.writes().is_empty(), "{:?}", world.writes());
        let line = outcome.last_line();
        assert_eq!(line["exit_word"], "drifted", "{line}");
        assert_ne!(line["counts"]["drifted"], 0, "{line}");
    });
}

#[test]
fn nothing_is_released_of_a_plan_that_holds_only_in_part() {
    under_both(|world| {
        world.manifest(JOBS);
        for (name, text) in [
            ("data/a.txt", "hello"),
            ("rows/1.csv", "station,value\na,1\n"),
            ("taxa.csv", "id\n1\n"),
            ("whole.csv", "n\n1\n"),
        ] {
            world.file(name, text);
        }
        let plan = save(&world);
        world.remove("data/a.txt").file("data/b.txt", "b");
        world.file("whole.csv", "n\n1\n2\n");

        let outcome = world.run(&["--plan", &plan]).exits(4);

        assert!(outcome.stdout.contains("drifted"), "{outcome:?}");
        assert!(world.requests_of(Operation::Release).is_empty());
        assert_eq!(world.rows("readings").len(), 1);
        let whole = world.inspect();
        let whole = whole.table(DATASET, "next", "whole");
        assert!(whole.is_none_or(|table| table.num_rows == 0));
    });
}

#[test]
fn a_file_that_somebody_changed_since_is_left_alone() {
    left_alone(|world| world.foreign_file("scans", "a.txt", b"theirs"));
}

#[test]
fn rows_that_somebody_delivered_anew_since_are_left_alone() {
    left_alone(|world| {
        world.file("rows/1.csv", "station,value\na,2\n");
        world.run(&[]).exits(0);
        world.file("rows/1.csv", "station,value\na,1\n");
    });
}

#[test]
fn an_upload_that_somebody_delivered_anew_since_is_left_alone() {
    left_alone(|world| {
        world.file("taxa.csv", "id\n2\n");
        world.run(&[]).exits(0);
        world.file("taxa.csv", "id\n1\n");
    });
}

#[test]
fn a_whole_table_that_somebody_delivered_anew_since_is_left_alone() {
    left_alone(|world| {
        world.file("whole.csv", "n\n2\n");
        world.run(&[]).exits(0);
        world.file("whole.csv", "n\n1\n");
    });
}

#[test]
fn a_released_plan_whose_tables_changed_since_is_left_alone() {
    under_both(|world| {
        world.manifest(JOBS).file("data/a.txt", "hello");
        for (name, text) in [
            ("rows/1.csv", "station,value\na,1\n"),
            ("taxa.csv", "id\n1\n"),
            ("whole.csv", "n\n1\n"),
        ] {
            world.file(name, text);
        }
        let plan = save(&world);
        world.run(&["--plan", &plan]).exits(0);
        world.create_next();
        world.foreign_file("scans", "a.txt", b"theirs");
        for _ in 0..3 {
            world.plan(&[]);
        }
        world.sandbox().clear_requests();

        world.run(&["--plan", &plan]).exits(4);

        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}
