//! What released versions hold counts as delivered, whatever the state says, and
//! is never sent again.

use redivis_ingest::base::PartName;
use redivis_ingest::sandbox::{
    Behaviour, Character, Fault, FaultScript, Nth, Operation, SandboxOptions,
};

use crate::harness::{DATASET, SCANS, World, under_both};
use crate::run_rows::{NUMBERS, csv, settles};

#[test]
fn an_append_table_is_right_after_each_of_three_releases_without_any_state() {
    under_both(|world| {
        let rounds = [
            ("1KiB", "64MiB", 1100_u64),
            ("2KiB", "96MiB", 1250),
            ("64KiB", "128MiB", 1260),
        ];
        for (round, (payload, memory, end)) in rounds.into_iter().enumerate() {
            world.manifest(&NUMBERS.replace("1KiB", payload));
            world.file("rows/log.csv", csv(1000..end));
            let new = 5000 + 100 * round as u64;
            world.file(&format!("rows/day{round}.csv"), csv(new..new + 30));
            world.forget_state().sandbox().clear_requests();

            world.run(&["--max-memory", memory]).exits(0);

            let mut wanted: Vec<u64> = (1000..end).collect();
            for day in 0..=round as u64 {
                wanted.extend(5000 + 100 * day..5030 + 100 * day);
            }
            assert_eq!(world.numbers("n"), wanted, "round {round}");
            assert!(world.requests_of(Operation::DeleteUpload).is_empty());

            world.forget_state();
            settles(&world);
            world.release();
            // Nothing is new: no version is made.
            world.forget_state();
            settles(&world);
        }
        let rows = world
            .inspect()
            .table(DATASET, "v1.2", "n")
            .unwrap()
            .num_rows;
        assert_eq!(rows, 260 + 90);
    });
}

#[test]
fn a_released_source_that_changed_is_locked_and_nothing_of_it_is_sent() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1100));
        world.run(&[]).exits(0);
        world.release();

        world.file("rows/a.csv", csv(1001..1101));
        for forget in [true, false] {
            if forget {
                world.forget_state();
            }
            world.sandbox().clear_requests();
            world.run(&[]).exits(3).says("locked");
            assert!(world.writes().is_empty(), "{:?}", world.writes());
        }

        // The other sources of the job are not held up.
        world.file("rows/b.csv", csv(2000..2010));
        world.run(&[]).exits(3);
        let wanted: Vec<u64> = (1000..1100).chain(2000..2010).collect();
        assert_eq!(world.numbers("n"), wanted);

        world.manifest(&format!("{NUMBERS}    on_released: append\n"));
        world.run(&[]).exits(0);
        let mut wanted: Vec<u64> = (1000..1100).chain(1001..1101).chain(2000..2010).collect();
        wanted.sort_unstable();
        assert_eq!(world.numbers("n"), wanted);
        world.forget_state();
        settles(&world);
    });
}

#[test]
fn a_released_log_that_grew_sends_its_tail_only() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1300));
        world.run(&[]).exits(0);
        world.release();

        world.file("rows/a.csv", csv(1000..1303));
        world.forget_state().sandbox().clear_requests();
        world.run(&[]).exits(0);

        let inserts = world.requests_of(Operation::InsertRows);
        assert_eq!(inserts.len(), 1);
        assert_eq!(inserts[0].body_bytes, 11 + 3 * 10 + 2);
        assert_eq!(world.numbers("n"), (1000..1303).collect::<Vec<_>>());
    });
}

#[test]
fn released_rows_are_not_sent_again_when_the_platform_says_once_that_there_is_no_table() {
    for lie in 1..=3 {
        under_both(|world| {
            world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1100));
            world.run(&[]).exits(0);
            world.release();
            world.forget_state();
            world.file("rows/a.csv", csv(1000..1200));
            world.faults(FaultScript::none().with(
                Operation::GetTable,
                Nth::Nth(lie),
                Fault::Status {
                    code: 404,
                    retry_after: None,
                },
            ));

            world.run(&[]).exits(0);

            assert_eq!(world.rows("n").len(), 200, "lie {lie}");
            settles(&world);
        });
    }
}

#[test]
fn a_released_source_that_was_renamed_is_unchanged() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1100));
        world.run(&[]).exits(0);
        world.release();

        world
            .remove("rows/a.csv")
            .file("rows/b.csv", csv(1000..1100));
        world.forget_state().sandbox().clear_requests();
        world.run(&[]).exits(0);
        world
            .plan(&["--format", "ndjson", "--all"])
            .exits(0)
            .says("renamed");
        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_vanished_source_stays_released_and_is_told() {
    under_both(|world| {
        world
            .manifest(&format!("{NUMBERS}    on_missing: delete\n"))
            .file("rows/a.csv", csv(1000..1100))
            .file("rows/b.csv", csv(2000..2010));
        world.run(&[]).exits(0);
        world.release();
        world.remove("rows/a.csv");

        settles(&world);

        world.manifest(&format!("{NUMBERS}    on_missing: fail\n"));
        world.sandbox().clear_requests();
        world.run(&[]).exits(3);
        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_draft_made_by_somebody_else_does_not_double_what_it_inherits() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1200));
        world.run(&[]).exits(0);
        world.release().create_next();
        world.forget_state();

        settles(&world);
        assert_eq!(world.numbers("n"), (1000..1200).collect::<Vec<_>>());

        world.file("rows/b.csv", csv(2000..2010));
        world.forget_state();
        world.run(&[]).exits(0);
        let wanted: Vec<u64> = (1000..1200).chain(2000..2010).collect();
        assert_eq!(world.numbers("n"), wanted);
    });
}

#[test]
fn released_rows_that_no_list_accounts_for_are_a_reason_to_refuse() {
    // The first version is deleted, and the second lists its own uploads only:
    // the rows of the first are in the table, and nobody says which they are.
    let world = World::new(Character::Worst);
    world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1100));
    world.run(&[]).exits(0);
    world.release();
    world.file("rows/b.csv", csv(2000..2010));
    world.run(&[]).exits(0);
    world.release();
    world.delete_version("v1.0");
    world.forget_state().sandbox().clear_requests();

    world.run(&[]).exits(3).says("released");

    assert!(world.writes().is_empty(), "{:?}", world.writes());
}

#[test]
fn released_rows_without_any_upload_are_a_reason_to_refuse() {
    let world = World::new(Character::Worst);
    world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1100));
    world.run(&[]).exits(0);
    // Something else is released on top, and the first version goes.
    world.release().create_next();
    let path = format!("/datasets/{DATASET}:next/tables");
    assert!(world.http("POST", &path, r#"{"name":"other"}"#).0 < 300);
    world.put_stream("other", "x", "null", r#"[{"a":1}]"#);
    world.release().delete_version("v1.0");
    world.forget_state().sandbox().clear_requests();

    world
        .run(&[])
        .exits(3)
        .says("no released version lists an upload");

    assert!(world.writes().is_empty(), "{:?}", world.writes());
}

#[test]
fn a_version_that_is_unreleased_and_released_again_is_read_again() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        world.release();
        settles(&world); // The released list is in the state now.
        let path = format!("/datasets/{DATASET}/versions/current/unrelease");
        assert_eq!(world.http("POST", &path, "").0, 200);

        world.file("rows/b.csv", csv(2000..2010));
        world.run(&[]).exits(0);
        world.release();

        settles(&world);
        let wanted: Vec<u64> = (1000..1010).chain(2000..2010).collect();
        assert_eq!(
            world
                .inspect()
                .table(DATASET, "v1.0", "n")
                .unwrap()
                .num_rows,
            wanted.len() as u64
        );
    });
}

#[test]
fn a_run_that_may_release_does_so_once() {
    under_both(|world| {
        let jobs = format!("release: {{ notes: 'weekly' }}\n{NUMBERS}");
        world.manifest(&jobs).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0).says("release");
        let tags = || -> Vec<String> {
            let inspect = world.inspect();
            let dataset = inspect.dataset(DATASET).unwrap();
            dataset.versions.iter().map(|one| one.tag.clone()).collect()
        };
        assert_eq!(tags(), ["v1.0"]);

        for forget in [false, true] {
            if forget {
                world.forget_state();
            }
            settles(&world);
            assert_eq!(tags(), ["v1.0"]);
        }

        world.file("rows/b.csv", csv(2000..2010));
        world.run(&[]).exits(0);
        assert_eq!(tags(), ["v1.0", "v1.1"]);
        assert_eq!(world.requests_of(Operation::Release).len(), 1);
    });
}

#[test]
fn a_release_whose_answer_is_lost_is_found_by_its_tag() {
    use redivis_ingest::sandbox::{Fault, FaultScript, Nth};

    under_both(|world| {
        let jobs = format!("release: true\n{NUMBERS}");
        world.manifest(&jobs).file("rows/a.csv", csv(1000..1010));
        world.faults(FaultScript::none().with(
            Operation::Release,
            Nth::First(1),
            Fault::CutAfterEffect,
        ));
        world.run(&[]).exits(0);
        assert_eq!(world.requests_of(Operation::Release).len(), 1);
        settles(&world);
    });
}

#[test]
fn nothing_is_released_when_anything_failed() {
    under_both(|world| {
        let jobs = format!(
            "release: true\n{NUMBERS}  - {{ name: bad, table: bad, rows: [{{ csv: bad.csv }}], schema: {{ n: integer }} }}\n"
        );
        world
            .manifest(&jobs)
            .file("rows/a.csv", csv(1000..1010))
            .file("bad.csv", "n\nx\n");
        world.run(&[]).exits(3);
        assert!(world.requests_of(Operation::Release).is_empty());
        assert_eq!(world.numbers("n").len(), 10);

        // Everything is delivered now, and the release is still to be made.
        world.file("bad.csv", "n\n1\n");
        world.run(&[]).exits(0);
        assert_eq!(world.requests_of(Operation::Release).len(), 1);
    });
}

#[test]
fn a_release_that_a_killed_run_did_not_reach_is_made_by_the_next() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);

        world.manifest(&format!("release: true\n{NUMBERS}"));
        world.run(&[]).exits(0);
        assert_eq!(world.requests_of(Operation::Release).len(), 1);
        settles(&world);
    });
}

#[test]
fn a_log_that_was_rotated_is_not_sent_again() {
    for is_released in [false, true] {
        under_both(|world| {
            world
                .manifest(NUMBERS)
                .file("rows/log.csv", csv(1000..1200))
                .file("rows/log.1.csv", csv(3000..3100));
            world.run(&[]).exits(0);
            if is_released {
                world.release();
            }

            let rename = |from, to| std::fs::rename(world.path(from), world.path(to)).unwrap();
            rename("rows/log.1.csv", "rows/log.2.csv");
            rename("rows/log.csv", "rows/log.1.csv");
            world.file("rows/log.csv", csv(2000..2010));
            world.forget_state().sandbox().clear_requests();
            world.run(&[]).exits(0);

            assert_eq!(world.requests_of(Operation::InsertRows).len(), 1);
            assert!(world.requests_of(Operation::DeleteUpload).is_empty());
            let mut wanted: Vec<u64> = (1000..1200).chain(2000..2010).chain(3000..3100).collect();
            wanted.sort_unstable();
            assert_eq!(world.numbers("n"), wanted);
            settles(&world);
        });
    }
}

/// Where the new log will be is a socket, which is left out: what it was is known under its other name.
#[test]
fn a_rotated_log_is_not_sent_again_while_the_new_one_is_left_out() {
    const JOBS: &str = "
jobs:
  - name: n
    table: n
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: integer }
  - name: taxa
    table: taxa
    uploads: [{ path: 'taxa/*.csv' }]
";
    under_both(|world| {
        world
            .manifest(JOBS)
            .file("rows/log.csv", csv(1000..1100))
            .file("taxa/log.csv", "id\n1\n");
        world.run(&[]).exits(0);
        world.release();

        for folder in ["rows", "taxa"] {
            let log = world.path(&format!("{folder}/log.csv"));
            std::fs::rename(&log, world.path(&format!("{folder}/log.1.csv"))).unwrap();
            drop(std::os::unix::net::UnixListener::bind(&log).unwrap());
        }
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        assert!(world.requests_of(Operation::InsertRows).is_empty());
        assert!(world.requests_of(Operation::CreateUpload).is_empty());

        for (path, text) in [("rows/log.csv", "n\n2000\n"), ("taxa/log.csv", "id\n2\n")] {
            std::fs::remove_file(world.path(path)).unwrap();
            world.file(path, text);
        }
        world.run(&[]).exits(0);
        assert_eq!(
            world.numbers("n"),
            (1000..1100).chain([2000]).collect::<Vec<u64>>()
        );
        assert_eq!(world.table("taxa", |table| table.num_rows), 2);
        settles(&world);
    });
}

#[test]
fn a_released_upload_whose_path_another_file_took_is_not_sent_again() {
    const JOBS: &str = "
jobs:
  - name: taxa
    table: taxa
    uploads: [{ path: 'taxa/*' }]
";
    under_both(|world| {
        world.manifest(JOBS).file("taxa/new.csv", "id\n1\n");
        world.run(&[]).exits(0);
        world.release();

        std::fs::rename(world.path("taxa/new.csv"), world.path("taxa/old.csv")).unwrap();
        world.file("taxa/new.csv", "id\n2\n").forget_state();
        world.run(&[]).exits(0);

        assert_eq!(world.table("taxa", |table| table.num_rows), 2);
        settles(&world);
    });
}

#[test]
fn files_that_a_killed_run_did_not_release_are_released_by_the_next() {
    under_both(|world| {
        world.manifest(SCANS).file("data/a", "one");
        world.run(&[]).exits(0);

        let releasing = format!("release: true\n{SCANS}");
        world.manifest(&releasing);
        world.run(&[]).exits(0);
        assert_eq!(world.requests_of(Operation::Release).len(), 1);
        settles(&world);

        // The same over an earlier release; and a draft that changes nothing waits
        // for nothing.
        world.file("data/a", "two").manifest(SCANS);
        world.run(&[]).exits(0);
        world.manifest(&releasing).forget_state();
        world.run(&[]).exits(0);
        assert_eq!(world.requests_of(Operation::Release).len(), 1);
        world.create_next();
        settles(&world);
    });
}

#[test]
fn a_release_that_waits_for_something_temporary_is_temporary_too() {
    use redivis_ingest::sandbox::{Fault, FaultScript, Nth};

    under_both(|world| {
        world
            .manifest(&format!("release: true\n{NUMBERS}"))
            .file("rows/a.csv", csv(1000..1010));
        world.faults(FaultScript::none().with(
            Operation::CreateUpload,
            Nth::After(0),
            Fault::CutBeforeEffect,
        ));
        world.run(&[]).exits(75);
        assert!(world.requests_of(Operation::Release).is_empty());

        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(world.requests_of(Operation::Release).len(), 1);
    });
}

#[test]
fn what_others_changed_is_released_only_when_the_manifest_allows_it() {
    under_both(|world| {
        world
            .manifest(&format!("release: true\n{NUMBERS}"))
            .file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        world.create_next();
        world.put_stream(
            "n",
            "someone",
            r#"[{"name":"n","type":"integer"}]"#,
            r#"[{"n":1}]"#,
        );
        world.file("rows/b.csv", csv(2000..2010));
        world.sandbox().clear_requests();
        world.run(&[]).exits(3).says("someone");
        assert!(world.requests_of(Operation::Release).is_empty());

        world.manifest(&format!("release: {{ others: allow }}\n{NUMBERS}"));
        world.run(&[]).exits(0);
        assert_eq!(world.requests_of(Operation::Release).len(), 1);
    });
}

#[test]
fn the_names_of_parts_are_pinned() {
    // Golden: these names are on users' remotes. They never change.
    let world = World::with(SandboxOptions {
        behaviour: Some(Behaviour::friendly()),
        ..SandboxOptions::default()
    });
    world
        .manifest(
            "
jobs:
  - name: readings
    table: readings
    rows: [{ csv: 'data/Readings 1.csv' }]
    schema: { n: integer, word: string, x: float }
    payload: 1KiB
  - name: taxa
    table: taxa
    uploads: [{ path: data/taxa.csv, name: Taxa 2026 }]
",
        )
        .file("data/taxa.csv", "id,name\n1,x\n");
    let mut text = "n,word,x\n".to_owned();
    for number in 1000..1050 {
        let line = format!("{number},ü{number},{number}.5\n");
        text += &line;
    }
    world.file("data/Readings 1.csv", text);
    world.run(&[]).exits(0);

    let mut identities: Vec<String> = ["readings", "taxa"]
        .iter()
        .flat_map(|table| world.upload_names(table))
        .map(|name| PartName::parse(&name).unwrap().identity.to_string())
        .collect();
    identities.sort();
    assert_eq!(
        identities,
        [
            "ri1_readings_1_8b384365_c5feb3de_0_26_t6ujphbyj22ga75ucfyhzosaih",
            "ri1_readings_1_8b384365_c5feb3de_26_24_hkzxg3yainhdc63ddy3kpd44tx",
            "ri1_taxa_2026_89412a06_b2c8ff5f_0_0_w2t42uxo5ntqbdzh3twu7anlwf",
        ]
    );
}

#[test]
fn a_release_that_waits_for_what_is_temporary_is_temporary_itself() {
    under_both(|world| {
        world
            .manifest(&format!("release: true\n{NUMBERS}"))
            .file("rows/a.csv", csv(1000..1050));
        let busy = Fault::StatusAfterEffect { code: 500 };
        world.faults(FaultScript::none().with(Operation::InsertRows, Nth::After(0), busy));

        world.run(&[]).exits(75);

        assert!(world.requests_of(Operation::Release).is_empty());
        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        let seen = world.inspect();
        assert_eq!(seen.table(DATASET, "v1.0", "n").unwrap().num_rows, 50);
    });
}
