//! At the edges: payloads, rows and what the platform refuses.

use redivis_ingest::base::PartName;
use redivis_ingest::sandbox::{
    Behaviour, Character, Fault, FaultScript, Nth, Operation, SandboxOptions,
};

use crate::harness::{World, under_both};
use crate::run_rows::{NUMBERS, csv, settles};

/// `{"rows":[` and `]}`.
const ENVELOPE: u64 = 11;

/// A platform that refuses rows which hold `word`.
fn picky(character: Character, word: &str) -> World {
    World::with(SandboxOptions {
        character,
        behaviour: Some(Behaviour {
            refuses_rows_with: Some(word.to_owned()),
            ..Behaviour::of(character)
        }),
        ..SandboxOptions::default()
    })
}

fn under_both_picky(word: &str, test: impl Fn(World)) {
    for character in [Character::Friendly, Character::Worst] {
        test(picky(character, word));
    }
}

#[test]
fn a_payload_may_be_as_large_as_its_target_and_no_larger() {
    under_both(|world| {
        // `{"n":1000}` is 10 bytes, and a comma: 92 rows make 1022 bytes with
        // the envelope. A last row of two bytes more makes 1024, of three 1025.
        let rows = |last: u64| csv((1000..1091).chain([last]));
        world.manifest(NUMBERS).file("rows/a.csv", rows(100_000));
        world.run(&[]).exits(0);
        let sizes = || -> Vec<u64> {
            let mut sizes: Vec<u64> = world
                .requests_of(Operation::InsertRows)
                .iter()
                .map(|request| request.body_bytes)
                .collect();
            sizes.sort_unstable();
            sizes
        };
        assert_eq!(sizes(), [ENVELOPE + 91 * 11 + 12]);
        assert_eq!(sizes(), [1024]);

        world
            .remove("rows/a.csv")
            .file("rows/b.csv", rows(1_000_000));
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        assert_eq!(sizes(), [ENVELOPE + 13, ENVELOPE + 91 * 11 - 1]);
    });
}

#[test]
fn one_row_and_no_rows_are_sources_too() {
    under_both(|world| {
        world
            .manifest(&format!("{NUMBERS}    allow_empty: true\n"))
            .file("rows/a.csv", "n\n")
            .file("rows/b.csv", csv([1000]));
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), [1000]);
        settles(&world);
    });
}

#[test]
fn nothing_at_all_is_nothing_to_do_when_that_is_allowed() {
    under_both(|world| {
        world
            .manifest(&format!("{NUMBERS}    allow_empty: true\n"))
            .file("rows/a.csv", "n\n");
        world.run(&[]).exits(0);
        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}

#[test]
fn a_source_without_rows_is_an_error_unless_allowed() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", "n\n");
        world.run(&[]).exits(66).warns("allow_empty");
        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_row_of_exactly_the_cap_is_sent_and_one_byte_more_is_refused() {
    // 100,000,000 bytes with the envelope, of which `{"s":""}` takes 8.
    let cap = 100_000_000 - 11 - 8;
    let world = World::new(Character::Friendly);
    world.manifest(
        "
jobs:
  - { name: s, table: s, rows: [{ csv: a.csv }], schema: { s: string } }
",
    );
    let text = |length: usize| format!("s\n{}\n", "x".repeat(length));
    world.file("a.csv", text(cap + 1));
    world.run(&[]).exits(3).says("rejects");
    assert!(world.writes().is_empty());

    world.file("a.csv", text(cap));
    world.run(&[]).exits(0);
    let inserts = world.requests_of(Operation::InsertRows);
    assert_eq!(inserts.len(), 1);
    assert_eq!(inserts[0].body_bytes, 100_000_000);
    assert_eq!(world.table("s", |table| table.num_rows), 1);
}

#[test]
fn a_part_that_is_too_large_is_halved_and_its_halves_stay() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1080));
        world.faults(FaultScript::none().with(
            Operation::InsertRows,
            Nth::First(2),
            Fault::Status {
                code: 413,
                retry_after: None,
            },
        ));
        world
            .run(&[])
            .exits(0)
            .says("everything was sent and verified");
        world.faults(FaultScript::none());

        let rows: Vec<_> = world.parts("n").iter().map(|one| (one.1, one.2)).collect();
        assert_eq!(rows, [(0, 20), (20, 20), (40, 40)]);
        assert_eq!(world.numbers("n"), (1000..1080).collect::<Vec<_>>());
        settles(&world);
        world.forget_state();
        settles(&world);
    });
}

#[test]
fn half_a_part_that_is_not_confirmed_keeps_the_old_rows() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1080));
        world.run(&[]).exits(0);
        let before = world.upload_names("n");
        world.file("rows/a.csv", csv(2000..2080));
        world.faults(
            FaultScript::none()
                .with(
                    Operation::InsertRows,
                    Nth::Nth(1),
                    Fault::Status {
                        code: 413,
                        retry_after: None,
                    },
                )
                .with(
                    Operation::InsertRows,
                    Nth::Nth(3),
                    Fault::LagNumRows { reads: 100_000 },
                ),
        );
        world.run(&[]).exits(75);
        assert!(world.upload_names("n").contains(&before[0]));

        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), (2000..2080).collect::<Vec<_>>());
        settles(&world);
    });
}

#[test]
fn rows_that_the_platform_refuses_are_named_and_left_out() {
    under_both_picky("4242", |world| {
        let jobs = NUMBERS.replace("payload: 1KiB", "rejects: { max: 2 }\n    payload: 1KiB");
        world.manifest(&jobs).file(
            "rows/a.csv",
            csv((1000..1030).chain([4242]).chain(1030..1060)),
        );
        let outcome = world.run(&["--format", "json"]).exits(0);

        assert_eq!(world.numbers("n"), (1000..1060).collect::<Vec<_>>());
        let names = world.upload_names("n");
        assert_eq!(names.len(), 1, "probes were left behind: {names:?}");
        let identity = PartName::parse(&names[0]).unwrap().identity;
        assert_eq!((identity.rows, identity.refused), (61, 1));
        assert!(names[0].contains("_x1_"));
        let rejects = world.rejects();
        assert_eq!(rejects.len(), 1, "{rejects:?}");
        assert_eq!(rejects[0]["file"], "rows/a.csv");
        assert_eq!(rejects[0]["line"], 32);
        assert_eq!(rejects[0]["value"], r#"{"n":4242}"#);
        assert!(
            rejects[0]["why"].as_str().unwrap().contains("not allowed"),
            "{rejects:?}"
        );
        assert!(
            outcome.last_line().to_string().contains("\"rejects\":1"),
            "{}",
            outcome.last_line()
        );

        settles(&world);
        world.forget_state();
        settles(&world);
        world.release().forget_state();
        settles(&world);
    });
}

#[test]
fn more_refused_rows_than_allowed_fail_the_part_and_leave_nothing() {
    under_both_picky("42", |world| {
        let jobs = NUMBERS.replace("payload: 1KiB", "rejects: { max: 1 }\n    payload: 1KiB");
        world
            .manifest(&jobs)
            .file("rows/a.csv", csv([1000, 4200, 1001, 4201, 1002]));
        world.run(&[]).exits(3).says("refuses");
        assert!(world.upload_names("n").is_empty());
        assert!(world.rejects().len() >= 2);
    });
}

#[test]
fn rejects_of_both_kinds_count_together() {
    under_both_picky("4242", |world| {
        let jobs = NUMBERS.replace("payload: 1KiB", "rejects: { max: 1 }\n    payload: 1KiB");
        world
            .manifest(&jobs)
            .file("rows/a.csv", "n\n1000\nx\n4242\n1001\n");
        world.run(&[]).exits(3);
        assert!(world.upload_names("n").is_empty());
    });
}

#[test]
fn a_refusal_that_is_not_about_rows_fails_the_part_and_nothing_is_left_out() {
    under_both(|world| {
        let jobs = NUMBERS.replace("payload: 1KiB", "rejects: { max: 50 }\n    payload: 1KiB");
        world.manifest(&jobs).file("rows/a.csv", csv(1000..1010));
        world.faults(FaultScript::none().with(
            Operation::InsertRows,
            Nth::First(10_000),
            Fault::Status {
                code: 400,
                retry_after: None,
            },
        ));
        let outcome = world.run(&[]);
        assert!(
            matches!(outcome.status, Some(3 | 69)),
            "{}{}",
            outcome.stdout,
            outcome.stderr
        );
        assert!(world.upload_names("n").is_empty());
    });
}

#[test]
fn a_refusal_that_no_probe_meets_again_ends() {
    under_both(|world| {
        let jobs = NUMBERS.replace("payload: 1KiB", "rejects: { max: 5 }\n    payload: 1KiB");
        world.manifest(&jobs).file("rows/a.csv", csv(1000..1080));
        world.faults(FaultScript::none().with(
            Operation::InsertRows,
            Nth::Nth(1),
            Fault::Status {
                code: 400,
                retry_after: None,
            },
        ));
        world.run(&[]).exits(0);
        world.faults(FaultScript::none());
        assert_eq!(world.numbers("n"), (1000..1080).collect::<Vec<_>>());
        settles(&world);
    });
}

#[test]
fn probes_that_a_killed_run_left_behind_are_cleaned_up() {
    use redivis_ingest::sandbox::FreezePoint;

    under_both_picky("4242", |world| {
        let jobs = NUMBERS.replace("payload: 1KiB", "rejects: { max: 2 }\n    payload: 1KiB");
        world.manifest(&jobs);
        let mut wanted = Vec::new();
        for (step, nth) in [14_u64, 19, 24, 31].into_iter().enumerate() {
            let start = 5000 + 100 * step as u64;
            // Each source is a job's worth of its own.
            let name = format!("rows/{step}.csv");
            if step > 0 {
                world.remove(&format!("rows/{}.csv", step - 1));
            }
            world.file(&name, csv((start..start + 10).chain([4242])));
            wanted.extend(start..start + 10);
            world.kill_run_at(nth, FreezePoint::AfterEffect, &[]);
            world.run(&[]).exits(0);
            assert_eq!(world.numbers("n"), wanted, "killed at {nth}");
        }
    });
}
