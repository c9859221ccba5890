//! Released rows and uploads whose sources changed and moved at once: what cannot be
//! told apart from them is not added to them unasked, and a second run finds what the
//! first one found.

use redivis_ingest::base::SourceKey;
use redivis_ingest::sandbox::Operation;

use crate::harness::{DATASET, World, under_both};

/// Rows of 55 bytes, of which 18 go into a payload of 1 KiB.
fn rows(range: std::ops::Range<u32>) -> String {
    let line = |n| format!("r{n:04}-{}", "x".repeat(40));
    let lines: Vec<String> = std::iter::once("b".to_owned())
        .chain(range.map(line))
        .collect();
    lines.join("\n") + "\n"
}

fn manifest(more: &str) -> String {
    format!(
        "
jobs:
  - name: j
    table: t
    rows: [{{ csv: 'data/*' }}]
    schema: {{ b: string }}
    payload: 1KiB
    {more}
"
    )
}

const UPLOADS: &str = "
jobs:
  - name: j
    table: t
    uploads: [{ path: 'data/*.csv' }]
";

/// Rows of the draft, or of the last release where there is no draft.
fn num_rows(world: &World) -> u64 {
    let inspect = world.inspect();
    let versions = ["next", "v1.0"];
    let mut tables = versions
        .iter()
        .filter_map(|one| inspect.table(DATASET, one, "t"));
    tables.next().unwrap().num_rows
}

/// It ends like this and writes nothing, twice.
#[track_caller]
fn stays(world: &World, code: i32, rows: u64) {
    for _ in 0..2 {
        world.sandbox().clear_requests();
        world.run(&[]).exits(code);
        assert!(world.writes().is_empty(), "{:?}", world.writes());
        assert_eq!(num_rows(world), rows);
    }
}

#[test]
fn a_released_log_that_was_changed_and_rotated_is_not_sent_again_part_by_part() {
    under_both(|world| {
        world.manifest(&manifest("")).file("data/log", rows(0..22));
        world.run(&[]).exits(0);
        world.release();

        let changed = rows(0..22).replace("r0003", "e0003");
        world
            .file("data/log.1", changed)
            .file("data/log", "b\nnew\n");
        // Neither part of it nor the new log, which may be it.
        world.run(&[]).exits(3);
        let sent = world.requests_of(Operation::InsertRows).len();

        stays(&world, 3, num_rows(&world));
        assert!(
            num_rows(&world) <= 23,
            "{} rows after {sent} calls",
            num_rows(&world)
        );
    });
}

#[test]
fn what_a_run_sent_of_swapped_sources_the_next_one_finds() {
    for is_released in [false, true] {
        under_both(|world| {
            world
                .manifest(&manifest("on_released: append"))
                .file("data/a.csv", rows(0..22))
                .file("data/b.csv", rows(100..105));
            world.run(&[]).exits(0);
            if is_released {
                world.release();
            }

            let changed = rows(0..22).replace("r0003", "e0003");
            world
                .file("data/b.csv", changed)
                .file("data/a.csv", rows(100..105));
            world.run(&[]).exits(0);

            // Released rows stay: the 18 of the part that changed.
            stays(&world, 0, if is_released { 45 } else { 27 });
        });
    }
}

#[test]
fn a_released_upload_that_another_file_replaced_is_locked() {
    under_both(|world| {
        world
            .manifest(UPLOADS)
            .file("data/a.csv", "v\n1\n2\n")
            .file("data/b.csv", "v\n3\n4\n5\n");
        world.run(&[]).exits(0);
        world.release();

        std::fs::rename(world.path("data/a.csv"), world.path("data/b.csv")).unwrap();

        world.run(&[]).exits(3).says("data/b.csv");
        stays(&world, 3, 5);
        world.on_manifest("verify", &[]).exits(5);
    });
}

#[test]
fn a_released_upload_that_changed_and_was_swapped_is_not_sent_again() {
    under_both(|world| {
        world
            .manifest(UPLOADS)
            .file("data/a.csv", "v\n1\n2\n")
            .file("data/b.csv", "v\n3\n4\n5\n");
        world.run(&[]).exits(0);
        world.release();

        world
            .file("data/b.csv", "v\n1\n2\n")
            .file("data/a.csv", "v\n3\n4\n5\n6\n");

        world.run(&[]).exits(3);
        stays(&world, 3, 5);
    });
}

/// Keys have 32 bits, and these two paths have the same one.
#[test]
fn a_new_source_with_the_key_of_one_that_is_gone_leaves_its_rows_alone() {
    under_both(|world| {
        let [gone, new] = ["data/d047062.csv", "data/d058211.csv"];
        assert_eq!(SourceKey::source(gone), SourceKey::source(new));
        world.manifest(&manifest("")).file(gone, rows(0..2));
        world.run(&[]).exits(0);

        world.remove(gone).file(new, rows(100..101));
        world.run(&[]).exits(0).says("extra");

        assert!(world.requests_of(Operation::DeleteUpload).is_empty());
        stays(&world, 0, 3);
    });
}
