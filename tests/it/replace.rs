//! `merge: replace`: the table as a whole is what the manifest says.

use redivis_ingest::sandbox::{Character, FreezePoint, Operation};

use crate::harness::{DATASET, World, under_both};
use crate::run_rows::{csv, settles};

const JOBS: &str = "
tables:
  n: { merge: replace }
jobs:
  - name: n
    table: n
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: integer }
    payload: 1KiB
";

const TWO: &str = "
tables:
  n: { merge: replace }
jobs:
  - name: n
    table: n
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: integer }
    payload: 1KiB
  - name: more
    table: n
    rows: [{ csv: 'more/*.csv' }]
    schema: { n: integer }
    payload: 1KiB
";

fn released(world: &World, tag: &str) -> u64 {
    world.inspect().table(DATASET, tag, "n").unwrap().num_rows
}

#[test]
fn the_strategy_is_set_and_read_back() {
    under_both(|world| {
        world.manifest(JOBS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        let merge = world.table("n", |table| table.merge);
        assert_eq!(merge.as_str(), "replace");
        settles(&world);
    });
}

#[test]
fn a_strategy_that_is_not_stated_is_left_as_it_is() {
    under_both(|world| {
        world.manifest(JOBS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        world.manifest(&JOBS.replace("tables:\n  n: { merge: replace }\n", ""));
        world.file("rows/b.csv", csv(2000..2010));
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        assert!(world.requests_of(Operation::PatchTable).is_empty());
        assert_eq!(
            world.table("n", |table| table.merge.as_str().to_owned()),
            "replace"
        );
    });
}

#[test]
fn what_the_release_holds_already_makes_no_version() {
    under_both(|world| {
        world.manifest(JOBS).file("rows/a.csv", csv(1000..1200));
        world.run(&[]).exits(0);
        world.release().forget_state();
        settles(&world);
        // Nor when a release came between that did not touch the table.
        world.create_next();
        let body = r#"{"name":"other"}"#;
        let (status, _) = world.http("POST", &format!("/datasets/{DATASET}:next/tables"), body);
        assert!(status < 300);
        world.put_stream("other", "x", "null", r#"[{"a":1}]"#);
        world.release().forget_state();

        settles(&world);
        assert_eq!(released(&world, "v1.1"), 200);
    });
}

#[test]
fn a_change_sends_everything_and_tells_which_rows_go() {
    under_both(|world| {
        world
            .manifest(JOBS)
            .file("rows/a.csv", csv(1000..1100))
            .file("rows/b.csv", csv(2000..2100));
        world.run(&[]).exits(0);
        world.release().forget_state();

        world.file("rows/b.csv", csv(2000..2050));
        world.plan(&[]).exits(0).says("200");
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);

        let wanted: Vec<u64> = (1000..1100).chain(2000..2050).collect();
        let mut numbers = Vec::new();
        world.table("n", |table| {
            assert_eq!(table.num_rows, 150);
            for upload in &table.uploads {
                numbers.extend(upload.rows().unwrap());
            }
        });
        assert_eq!(numbers.len(), wanted.len());
        settles(&world);
        world.release();
        assert_eq!(released(&world, "v1.1"), 150);
        settles(&world);
    });
}

#[test]
fn going_back_to_the_released_content_is_a_change_of_the_draft() {
    under_both(|world| {
        world.manifest(JOBS).file("rows/a.csv", csv(1000..1100));
        world.run(&[]).exits(0);
        world.release();
        world.file("rows/a.csv", csv(1000..1050));
        world.run(&[]).exits(0);

        world.file("rows/a.csv", csv(1000..1100));
        world.run(&[]).exits(0);
        assert_eq!(world.table("n", |table| table.num_rows), 100);
        settles(&world);
        world.release();
        assert_eq!(released(&world, "v1.1"), 100);
        settles(&world);
    });
}

#[test]
fn a_part_of_the_jobs_may_not_replace_the_whole() {
    under_both(|world| {
        world
            .manifest(TWO)
            .file("rows/a.csv", csv(1000..1050))
            .file("more/a.csv", csv(2000..2050));
        world.run(&["--select", "n"]).exits(3).says("whole");
        world.run(&["--shard", "0/2"]).exits(3).says("whole");
        assert!(world.writes().is_empty(), "{:?}", world.writes());

        world.run(&[]).exits(0);
        assert_eq!(world.table("n", |table| table.num_rows), 100);
        settles(&world);
        world.release();
        world.file("more/a.csv", csv(2000..2051));
        world.run(&[]).exits(0);
        assert_eq!(world.table("n", |table| table.num_rows), 101);
        world.release();
        settles(&world);
    });
}

#[test]
fn one_job_that_is_refused_holds_the_whole_table() {
    under_both(|world| {
        world
            .manifest(TWO)
            .file("rows/a.csv", csv(1000..1050))
            .file("more/a.csv", csv(2000..2050));
        world.run(&[]).exits(0);
        world.release();

        // Half of the table must not replace all of it.
        world
            .file("rows/a.csv", csv(1000..1060))
            .file("more/a.csv", "n\nx\n");
        world.sandbox().clear_requests();
        world.run(&[]).exits(3);
        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}

#[test]
fn uploads_of_others_are_refused() {
    under_both(|world| {
        world.manifest(JOBS).file("rows/a.csv", csv(1000..1050));
        world.run(&[]).exits(0);
        let schema = r#"[{"name":"n","type":"integer"}]"#;
        world.put_stream("n", "someone", schema, r#"[{"n":1}]"#);
        world.file("rows/a.csv", csv(1000..1060));
        world.sandbox().clear_requests();
        world.run(&[]).exits(3).says("someone");
        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_half_sent_replace_is_finished_by_the_next_run() {
    under_both(|world| {
        world
            .manifest(TWO)
            .file("rows/a.csv", csv(1000..1200))
            .file("more/a.csv", csv(2000..2200));
        world.run(&[]).exits(0);
        world.release();
        for (round, nth) in (8..40).step_by(4).enumerate() {
            let end = 1201 + round as u64;
            world.file("rows/a.csv", csv(1000..end));
            let killed = world.kill_run_at(nth, FreezePoint::AfterEffect, &["-j", "2"]);
            world.forget_state();
            world.run(&[]).exits(0);
            assert_eq!(
                world.table("n", |table| table.num_rows),
                end - 1000 + 200,
                "killed at {nth}"
            );
            if !killed {
                break;
            }
        }
    });
}

#[test]
fn a_table_that_somebody_made_replace_is_not_taken_for_append() {
    under_both(|world| {
        world.manifest(JOBS).file("rows/a.csv", csv(1000..1050));
        world.run(&[]).exits(0);
        world.release().forget_state();
        // The manifest no longer says so; a released version does not tell.
        world.manifest(&JOBS.replace("tables:\n  n: { merge: replace }\n", ""));
        world.file("rows/b.csv", csv(2000..2010));
        let first = world.run(&[]);
        if first.status != Some(0) {
            assert_eq!(first.status, Some(4), "{}{}", first.stdout, first.stderr);
            world.run(&[]).exits(0);
        }
        assert_eq!(world.table("n", |table| table.num_rows), 60);
    });
}

#[test]
fn a_table_is_replaced_by_bulk_uploads_as_well() {
    for character in [Character::Friendly, Character::Worst] {
        let world = World::new(character);
        world
            .manifest(
                "
tables:
  n: { merge: replace }
jobs:
  - { name: n, table: n, uploads: [{ path: 'rows/*.csv' }] }
",
            )
            .file("rows/a.csv", csv(1000..1010))
            .file("rows/b.csv", csv(2000..2010));
        world.run(&[]).exits(0);
        world.release().forget_state();
        settles(&world);
        world.file("rows/b.csv", csv(2000..2005));
        world.run(&[]).exits(0);
        assert_eq!(world.table("n", |table| table.num_rows), 15);
        settles(&world);
    }
}
