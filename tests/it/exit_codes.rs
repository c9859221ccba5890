//! Every exit code that applies so far, from a situation in which a user meets it.
//! A run that can be repeated is repeated, and ends as it should have at first.

use std::time::Instant;

use redivis_ingest::sandbox::{Fault, FaultScript, FreezePoint, Nth, Operation, Thaw};

use crate::harness::{DATASET, World, assert_quick, end_of, signal, under_both, wait_for_line};

const FILES: &str =
    "jobs:\n  - name: scans\n    table: scans\n    files: [{ glob: 'data/**/*' }]\n";
const TWO_JOBS: &str = "jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*' }]
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }]
    schema: { station: string, value: float }
";

fn with_a_file(world: &World) {
    world.manifest(FILES).file("data/a.txt", "hello");
}

/// A fault for every call of an operation.
fn always(operation: Operation, fault: Fault) -> FaultScript {
    FaultScript::none().with(operation, Nth::After(0), fault)
}

fn status(code: u16) -> Fault {
    Fault::Status {
        code,
        retry_after: None,
    }
}

#[test]
fn exit_0_when_all_was_sent_and_when_nothing_is_left_to_do() {
    under_both(|world| {
        with_a_file(&world);

        let first = world.run(&["--format", "json"]).exits(0);
        let second = world.run(&["--format", "json"]).exits(0);

        assert_eq!(first.last_line()["exit_word"], "done");
        assert_eq!(first.last_line()["counts"]["files"], 1);
        assert_eq!(second.last_line()["counts"]["planned"], 0);
        assert_eq!(second.last_line()["counts"]["unchanged"], 1);
        world.plan(&[]).exits(0);
    });
}

#[test]
fn exit_2_only_when_the_plan_has_changes_and_was_asked() {
    under_both(|world| {
        with_a_file(&world);

        world.plan(&[]).exits(0);
        world.plan(&["--detailed-exitcode"]).exits(2);
        world.run(&[]).exits(0);
        world.plan(&["--detailed-exitcode"]).exits(0);
    });
}

#[test]
fn exit_3_when_one_job_cannot_be_sent_and_the_others_are() {
    under_both(|world| {
        world
            .manifest(TWO_JOBS)
            .file("data/a.txt", "hello")
            .file("rows/a.csv", "station,value\na,high\n");

        let outcome = world.run(&["--format", "json"]).exits(3);

        assert_eq!(outcome.last_line()["exit_word"], "partial");
        assert_eq!(outcome.last_line()["counts"]["files"], 1);
        assert_eq!(world.stored("scans", "a.txt"), b"hello");
        assert!(world.inspect().table(DATASET, "next", "readings").is_none());
        world.plan(&[]).exits(3);
    });
}

#[test]
fn exit_4_when_somebody_releases_the_draft_under_the_run() {
    under_both(|world| {
        with_a_file(&world);
        world.run(&[]).exits(0);
        world.file("data/b.txt", "more");
        let planning = world.requests_of_planning();
        // The other one's release comes just after the plan is made.
        world.faults(FaultScript::none().with(
            Operation::Release,
            Nth::Nth(1),
            Fault::LateEffect {
                after_requests: u32::try_from(planning).unwrap(),
                code: None,
            },
        ));
        world.post_and_hang_up(&format!("/datasets/{DATASET}/versions/next/release"));

        let outcome = world.run(&["--format", "json"]).exits(4);

        assert_eq!(outcome.last_line()["exit_word"], "drifted");
        assert_eq!(outcome.last_line()["counts"]["files"], 0);
        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(world.stored("scans", "b.txt"), b"more");
        world.run(&[]).exits(0).says("Nothing to do");
    });
}

#[test]
fn exit_5_when_the_platform_holds_other_bytes() {
    under_both(|world| {
        with_a_file(&world);
        world.faults(always(Operation::AttachFiles, Fault::WrongMd5));

        let outcome = world.run(&["--format", "json"]).exits(5);

        assert_eq!(outcome.last_line()["exit_word"], "mismatch");
        let failure = &outcome.last_line()["failures"][0];
        assert_eq!(failure["name"], "a.txt");
        assert_eq!(failure["kind"], "mismatch");
    });
}

#[test]
fn exit_6_while_another_run_is_at_work_and_it_is_named() {
    under_both(|world| {
        with_a_file(&world);
        let first = world.start_frozen_run(FreezePoint::BeforeEffect, &[]);

        let outcome = world.run(&[]).exits(6);
        let as_data = world.run(&["--format", "json"]).exits(6);

        assert!(
            outcome.stderr.contains("error[state/locked]"),
            "{outcome:?}"
        );
        let owner = world.run_ids().pop().unwrap();
        for part in [
            format!("run `{owner}`"),
            format!("process {}", first.id()),
            "--lock-timeout".to_owned(),
        ] {
            assert!(outcome.stderr.contains(&part), "{part}: {outcome:?}");
        }
        assert_eq!(as_data.last_line()["type"], "failure");
        assert_eq!(as_data.last_line()["code"], "state/locked");
        assert_eq!(as_data.last_line()["retry"], true);
        world.sandbox().thaw(Thaw::Apply);
        end_of(first).exits(0);
    });
}

#[test]
fn a_second_run_waits_for_the_first_when_it_is_told_to() {
    under_both(|world| {
        with_a_file(&world);
        let first = world.start_frozen_run(FreezePoint::BeforeEffect, &[]);
        let second = world.start_run(&["--lock-timeout", "1m"]);
        world.sandbox().thaw(Thaw::Apply);

        end_of(first).exits(0);
        end_of(second).exits(0).says("Nothing to do");
        assert_eq!(world.table("scans", |table| table.files.len()), 1);
    });
}

#[test]
fn another_instance_does_not_wait() {
    under_both(|world| {
        with_a_file(&world);
        let first = world.start_frozen_run(FreezePoint::BeforeEffect, &[]);
        let second = world.start_run(&["--instance", "two"]);
        world.sandbox().thaw(Thaw::Apply);

        end_of(first).exits(0);
        end_of(second).exits(0);
        assert_eq!(world.stored("scans", "a.txt"), b"hello");
    });
}

#[test]
fn exit_64_when_the_command_line_is_wrong() {
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    with_a_file(&world);
    for args in [
        &["--transfers", "0"][..],
        &["--endpoint", "ftp://example.org"],
        &["--chunk-size", "1000KiB"],
        &["--select", "nobody"],
        &["--tag", "nothing"],
        &["--shard", "3/3"],
        &["--no-change-exit-code", "5"],
    ] {
        let outcome = world.run(args).exits(64);
        assert!(outcome.stdout.is_empty(), "{args:?} {outcome:?}");
        assert!(outcome.stderr.contains("error"), "{args:?} {outcome:?}");
    }
    assert!(world.writes().is_empty());
}

#[test]
fn exit_66_when_an_input_is_missing() {
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    world.manifest(FILES);
    world.run(&[]).exits(66);
    world.run(&["--plan", "nowhere.ndjson"]).exits(66);
    world.run(&["--ca-cert", "nowhere.pem"]).exits(66);
    world.file("not-a-plan", "hello\n");
    let path = world.path("not-a-plan");
    world.run(&["--plan", path.to_str().unwrap()]).exits(66);
}

#[test]
fn exit_0_when_the_answer_to_a_table_s_creation_was_lost_and_it_is_asked_for_again() {
    let late = Fault::LateEffect {
        after_requests: 1,
        code: None,
    };
    for lost in [status(503), Fault::CutBeforeEffect, late] {
        under_both(|world| {
            with_a_file(&world);
            let script = FaultScript::none();
            world.faults(script.with(Operation::CreateTable, Nth::Nth(1), lost.clone()));

            world.run(&[]).exits(0);

            assert_eq!(world.asked(Operation::CreateTable).len(), 2, "{lost:?}");
            let seen = world.inspect();
            let versions = &seen.dataset(DATASET).unwrap().versions;
            assert_eq!(versions.last().unwrap().tables.len(), 1);
        });
    }
}

#[test]
fn exit_75_when_a_table_s_creation_is_never_answered() {
    under_both(|world| {
        with_a_file(&world);
        world.faults(always(Operation::CreateTable, status(503)));

        world.run(&[]).exits(75);

        assert_eq!(world.asked(Operation::CreateTable).len(), 3);
    });
}

#[test]
fn exit_69_when_the_service_refuses_for_good() {
    under_both(|world| {
        with_a_file(&world);
        world.faults(always(Operation::CreateTable, status(400)));

        let outcome = world.run(&["--format", "json"]).exits(69);

        assert_eq!(outcome.last_line()["exit_word"], "refused");
        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
    });
}

/// The second table was called stopped, though nobody had stopped anything.
#[test]
fn a_table_after_one_that_was_refused_is_not_reached() {
    under_both(|world| {
        world
            .manifest(TWO_JOBS)
            .file("data/a.txt", "hello")
            .file("rows/1.csv", "station,value\na,1\n");
        world.faults(always(Operation::CreateTable, status(400)));

        let outcome = world.run(&[]).exits(69).says("not reached");

        assert!(!outcome.stdout.contains("stopped"), "{}", outcome.stdout);
        assert_eq!(world.asked(Operation::CreateTable).len(), 1);
    });
}

#[test]
fn exit_74_when_the_state_cannot_be_kept() {
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    with_a_file(&world);
    world.file("a-file", "");
    let path = world.path("a-file");

    let outcome = world
        .run(&["--state-dir", path.to_str().unwrap()])
        .exits(74);

    assert!(
        outcome.stderr.contains("error[state/folder]"),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains("--state-dir none"), "{outcome:?}");
    assert!(world.writes().is_empty());
}

#[test]
fn exit_74_when_the_report_cannot_be_written_and_then_before_anything_is_sent() {
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    with_a_file(&world);
    for flag in ["--report", "--summary", "--metrics"] {
        let outcome = world.run(&[flag, "/nowhere/at/all.json"]).exits(74);
        assert!(outcome.stderr.contains("/nowhere/at"), "{outcome:?}");
    }
    world.plan(&["-o", "/nowhere/at/all.ndjson"]).exits(74);
    assert!(world.sandbox().requests().is_empty());
}

#[test]
fn exit_75_when_the_service_stays_away() {
    under_both(|world| {
        with_a_file(&world);
        let quickly = [("REDIVIS_INGEST_RETRY_SCALE", "0.0005")];
        let manifest = world.path("manifest.yaml");
        let run = ["run", manifest.to_str().unwrap(), "--format", "json"];

        // Before there is a plan.
        world.faults(always(Operation::GetDataset, status(503)));
        let outcome = world.call_with(&run, &quickly).exits(75);
        assert_eq!(outcome.last_line()["exit_word"], "temporary");
        assert!(
            outcome.stderr.contains("error[redivis/unavailable]"),
            "{outcome:?}"
        );

        // In the middle.
        world.faults(always(Operation::CreateTempUploads, status(503)));
        let outcome = world.call_with(&run, &quickly).exits(75);
        assert_eq!(outcome.last_line()["failures"][0]["kind"], "temporary");

        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(world.stored("scans", "a.txt"), b"hello");
    });
}

#[test]
fn exit_75_when_the_network_is_not_there() {
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    with_a_file(&world);
    let manifest = world.path("manifest.yaml");
    let outcome = world
        .call_with(
            &["run", manifest.to_str().unwrap()],
            &[
                ("REDIVIS_API_ENDPOINT", "http://127.0.0.1:9/api/v1"),
                ("REDIVIS_INGEST_RETRY_SCALE", "0.0005"),
            ],
        )
        .exits(75);
    assert!(
        outcome.stderr.contains("error[redivis/network]"),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains("127.0.0.1:9"), "{outcome:?}");
}

#[test]
fn exit_75_at_the_deadline_and_then_the_same_command_finishes() {
    under_both(|world| {
        with_a_file(&world);
        let started = Instant::now();
        let run = world.start_frozen_run(FreezePoint::BeforeEffect, &["--deadline", "1500ms"]);

        let outcome = end_of(run).exits(75);

        assert_quick(started, 8);
        assert!(outcome.stdout.contains("deadline"), "{outcome:?}");
        world.sandbox().thaw(Thaw::Abandon);
        world.run(&[]).exits(0);
        assert_eq!(world.stored("scans", "a.txt"), b"hello");
    });
}

#[test]
fn exit_77_when_the_token_is_missing_wrong_or_too_weak() {
    // The messages are tested with the other bad input.
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    with_a_file(&world);
    let manifest = world.path("manifest.yaml");
    for token in ["", "wrong", "two words"] {
        world
            .call_with(
                &["run", manifest.to_str().unwrap()],
                &[("REDIVIS_API_TOKEN", token)],
            )
            .exits(77);
    }
    for args in [
        ["--token-file", "/nowhere/token"],
        ["--token-command", "echo so; exit 3"],
    ] {
        let outcome = world.run(&args).exits(77);
        assert!(outcome.stderr.contains("help: "), "{outcome:?}");
    }
    assert!(world.writes().is_empty());
}

#[test]
fn exit_78_when_the_manifest_is_invalid() {
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    world.file("manifest.yaml", "version: 2\n");
    for command in ["check", "plan", "run", "status"] {
        world.on_manifest(command, &[]).exits(78);
    }
}

#[test]
fn exit_99_only_when_it_was_asked_for_and_there_was_nothing_to_do() {
    under_both(|world| {
        with_a_file(&world);

        world.run(&["--no-change-exit-code", "99"]).exits(0);
        let outcome = world
            .run(&["--no-change-exit-code", "99", "--format", "json"])
            .exits(99);

        assert_eq!(outcome.last_line()["exit_word"], "nothing_to_do");
        world.run(&[]).exits(0);
    });
}

#[test]
fn exit_130_and_143_after_a_signal_and_then_the_same_command_finishes() {
    under_both(|world| {
        with_a_file(&world);
        world.file("data/b.txt", "world");
        for (name, code, word) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
            let by = format!("sig{}", name.to_lowercase());
            let run = world.start_frozen_run(FreezePoint::AfterEffect, &["--format", "json"]);
            let signalled = Instant::now();
            signal(&run, name);

            let outcome = end_of(run).exits(code);

            assert_quick(signalled, 8);
            assert_eq!(outcome.last_line()["exit_word"], word, "{outcome:?}");
            let report = world.report();
            assert_eq!(report["exit"]["code"], code);
            assert_eq!(report["stopped_by"], by);
            world.sandbox().thaw(Thaw::Abandon);
        }

        world
            .run(&[])
            .exits(0)
            .says("everything was sent and verified");
        assert_eq!(world.stored("scans", "a.txt"), b"hello");
        assert_eq!(world.stored("scans", "b.txt"), b"world");
        assert_eq!(world.table("scans", |table| table.files.len()), 2);
        world.run(&[]).exits(0).says("Nothing to do");
    });
}

#[test]
fn a_signal_while_planning_is_told_as_a_signal() {
    under_both(|world| {
        with_a_file(&world);
        for (command, name, code) in [
            ("run", "INT", 130),
            ("run", "TERM", 143),
            ("plan", "TERM", 143),
        ] {
            world.sandbox().freeze(
                world.sandbox().next_request_number(),
                FreezePoint::BeforeEffect,
            );
            let run = world.start(command, &[]);
            world.assert_frozen();
            let signalled = Instant::now();
            signal(&run, name);

            end_of(run).exits(code);

            assert_quick(signalled, 8);
            world.sandbox().thaw(Thaw::Abandon);
        }
        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_signal_while_waiting_for_the_lock_is_told_as_a_signal() {
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    with_a_file(&world);
    let first = world.start_frozen_run(FreezePoint::BeforeEffect, &[]);
    let mut second = world.start_run(&["--lock-timeout", "10m"]);
    wait_for_line(&mut second, "waiting for");
    signal(&second, "TERM");

    end_of(second).exits(143);

    world.sandbox().thaw(Thaw::Apply);
    end_of(first).exits(0);
}
