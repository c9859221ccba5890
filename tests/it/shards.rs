//! `--shard i/n`: the shards together do what one run does, in any order, at
//! once, and after kills; what belongs to the whole is left to a whole run.

use std::collections::BTreeSet;

use redivis_ingest::base::PartName;
use redivis_ingest::plan::Shard;
use redivis_ingest::sandbox::{Character, FreezePoint, Thaw};

use crate::harness::{PATIENCE, World, end_of, has_one_draft, kill, noise, under_both};
use crate::run_rows::{NUMBERS, csv};

const JOBS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*', base: data }]
  - name: n
    table: n
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: integer }
    payload: 1KiB
  - name: taxa
    table: taxa
    uploads: [{ path: 'taxa/*.csv' }]
";

const FILES: u64 = 14;
const SOURCES: u64 = 5;

fn file(index: u64) -> (String, Vec<u8>) {
    let length = usize::try_from(100 + index * 37).unwrap();
    (format!("f{index:02}"), noise(index + 1, length))
}

/// Files, rows and bulk uploads.
fn fill(world: &World) {
    world.manifest(JOBS);
    for index in 0..FILES {
        let (name, content) = file(index);
        world.file(&format!("data/{name}"), content);
    }
    for index in 0..SOURCES {
        let rows = csv(1000 * index + 1000..1000 * index + 1130 + index);
        world.file(&format!("rows/r{index}.csv"), rows);
        world.file(&format!("taxa/t{index}.csv"), format!("id\n{index}\n"));
    }
}

/// What a draft holds, apart from what each attempt chooses anew.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    files: Vec<String>,
    numbers: Vec<u64>,
    /// Identities of parts and uploads, each as often as it is there.
    identities: Vec<String>,
}

fn held(world: &World) -> Held {
    let files: Vec<(String, Vec<u8>)> = (0..FILES).map(file).collect();
    let wanted: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect();
    world.holds("scans", &wanted);
    let mut identities: Vec<String> = ["n", "taxa"]
        .into_iter()
        .flat_map(|table| world.upload_names(table))
        .map(|name| format!("{:?}", PartName::parse(&name).unwrap().identity))
        .collect();
    identities.sort();
    Held {
        files: world.names("scans"),
        numbers: world.numbers("n"),
        identities,
    }
}

/// What one run makes of it.
fn by_one_run(character: Character) -> Held {
    let world = World::new(character);
    fill(&world);
    world.run(&[]).exits(0);
    let held = held(&world);
    let rows: u64 = (0..SOURCES).map(|index| 130 + index).sum();
    assert_eq!(u64::try_from(held.numbers.len()).unwrap(), rows);
    held
}

fn shard(index: u32, count: u32) -> String {
    format!("{index}/{count}")
}

/// A whole run finds nothing to do.
#[track_caller]
fn is_complete(world: &World) {
    world.finds_nothing_to_do();
    has_one_draft(world);
}

#[test]
fn shards_in_any_order_do_what_one_run_does() {
    let orders: [&[u32]; 5] = [&[0], &[1, 0], &[2, 0, 1], &[0, 1, 2], &[3, 1, 4, 0, 2]];
    for character in [Character::Friendly, Character::Worst] {
        let wanted = by_one_run(character);
        for order in orders {
            let count = u32::try_from(order.len()).unwrap();
            let world = World::new(character);
            fill(&world);
            let mut done = 0;
            for index in order {
                let shard = shard(*index, count);
                let (outcome, report) = world.run_reported(&["--shard", &shard]);
                outcome.exits(0);
                done += report["totals"]["files"].as_u64().unwrap();
                world
                    .run(&["--shard", &shard, "--no-change-exit-code", "99"])
                    .exits(99);
            }
            assert_eq!(done, FILES, "each file is one shard's");
            assert_eq!(held(&world), wanted, "{order:?}");
            assert_eq!(world.state_files(".sqlite").len(), order.len());
            is_complete(&world);
        }
    }
}

#[test]
fn shards_at_once_do_what_one_run_does() {
    for character in [Character::Friendly, Character::Worst] {
        let wanted = by_one_run(character);
        let world = World::new(character);
        // Every shard finds that `next` and the tables are missing.
        world
            .manifest("\njobs:\n  - { name: o, table: other, files: [{ glob: 'other/*' }] }\n")
            .file("other/file", "released before");
        world.run(&[]).exits(0);
        world.release().forget_state();
        fill(&world);
        let runs: Vec<_> = (0..3)
            .map(|index| world.start_run(&["--shard", &shard(index, 3)]))
            .collect();
        for run in runs {
            end_of(run).exits(0);
        }
        assert_eq!(held(&world), wanted);
        is_complete(&world);
    }
}

/// Kills a shard while the server holds its `nth` request after planning.
fn kill_shard(world: &World, shard: &str, nth: u64, point: FreezePoint, then: Thaw) {
    let sandbox = world.sandbox();
    let before = sandbox.next_request_number();
    world.plan(&["--shard", shard]).exits(0);
    let planning = sandbox.next_request_number() - before;
    sandbox.freeze(sandbox.next_request_number() + planning + nth, point);
    let child = world.start_run(&["--shard", shard, "-j", "1"]);
    assert!(sandbox.wait_frozen(PATIENCE), "nothing was held");
    kill(child);
    sandbox.thaw(then);
}

#[test]
fn shards_that_were_killed_and_run_again_do_what_one_run_does() {
    let (before, after) = (FreezePoint::BeforeEffect, FreezePoint::AfterEffect);
    let kills = [
        (0, 1, after, Thaw::Apply),
        (1, 4, before, Thaw::Abandon),
        (0, 9, after, Thaw::Apply),
        (1, 12, after, Thaw::Apply),
        (0, 14, before, Thaw::Apply),
    ];
    for character in [Character::Friendly, Character::Worst] {
        let wanted = by_one_run(character);
        let world = World::new(character);
        fill(&world);
        for (index, nth, point, then) in kills {
            kill_shard(&world, &shard(index, 2), nth, point, then);
        }
        for index in [1, 0] {
            world.run(&["--shard", &shard(index, 2)]).exits(0);
        }
        assert_eq!(held(&world), wanted);
        // Without any state it is the same.
        world.forget_state();
        is_complete(&world);
    }
}

#[test]
fn another_number_of_shards_sends_nothing_again() {
    under_both(|world| {
        fill(&world);
        for index in 0..2 {
            world.run(&["--shard", &shard(index, 2)]).exits(0);
        }
        let before = held(&world);
        world.sandbox().clear_requests();
        for index in 0..3 {
            world.run(&["--shard", &shard(index, 3)]).exits(0);
        }
        assert!(world.writes().is_empty(), "{:#?}", world.writes());
        assert_eq!(held(&world), before);
    });
}

/// Names `rows/..` of which the first is seen by shard 0 of 2, the second by
/// shard 1.
fn names_in_both_shards(folder: &str) -> [String; 2] {
    [0, 1].map(|index| {
        let shard = Shard { index, count: 2 };
        ('b'..='z')
            .map(|letter| format!("{folder}/{letter}.csv"))
            .find(|name| shard.sees(name))
            .unwrap()
    })
}

#[test]
fn shards_infer_the_types_of_the_whole_job() {
    under_both(|world| {
        let [integers, floats] = names_in_both_shards("rows");
        world
            .manifest(&NUMBERS.replace("{ n: integer }", "infer"))
            .file(&integers, "n\n1\n2\n")
            .file(&floats, "n\n0.5\n");
        for index in 0..2 {
            world.run(&["--shard", &shard(index, 2)]).exits(0);
        }
        let kinds: BTreeSet<String> = world.table("n", |table| {
            table
                .uploads
                .iter()
                .map(|upload| format!("{:?}", upload.schema))
                .collect()
        });
        assert_eq!(kinds.len(), 1, "{kinds:?}");
        world.finds_nothing_to_do();
    });
}

#[test]
fn two_copies_of_a_vanished_source_in_two_shards_are_not_both_its_rename() {
    under_both(|world| {
        let [one, other] = names_in_both_shards("rows");
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1100));
        world.run(&[]).exits(0);

        world
            .remove("rows/a.csv")
            .file(&one, csv(1000..1100))
            .file(&other, csv(1000..1100));
        for index in 0..2 {
            world.run(&["--shard", &shard(index, 2)]).exits(0);
        }

        let mut wanted: Vec<u64> = (1000..1100).chain(1000..1100).collect();
        wanted.sort_unstable();
        assert_eq!(world.numbers("n"), wanted);
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}

#[test]
fn two_copies_of_a_vanished_upload_in_two_shards_are_not_both_its_rename() {
    under_both(|world| {
        let [one, other] = names_in_both_shards("taxa");
        world
            .manifest(
                "\njobs:\n  - name: taxa\n    table: taxa\n    uploads: [{ path: 'taxa/*.csv' }]\n",
            )
            .file("taxa/a.csv", "id\n7\n");
        world.run(&[]).exits(0);

        world
            .remove("taxa/a.csv")
            .file(&one, "id\n7\n")
            .file(&other, "id\n7\n");
        for index in 0..2 {
            world.run(&["--shard", &shard(index, 2)]).exits(0);
        }

        assert_eq!(world.table("taxa", |table| table.num_rows), 2);
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}

/// `log` has become `log.1`, and a new `log` began; one shard sees the one, the
/// other the other.
fn rotate(folder: &str, (old, new): (&str, &str), manifest: &str, judge: impl Fn(&World)) {
    for (is_released, order) in [
        (false, [0, 1]),
        (false, [1, 0]),
        (true, [0, 1]),
        (true, [1, 0]),
    ] {
        under_both(|world| {
            let [log, log_1] = names_in_both_shards(folder);
            world.manifest(manifest).file(&log, old);
            world.run(&[]).exits(0);
            if is_released {
                world.release();
            }

            world.file(&log_1, old).file(&log, new);
            for index in order {
                world.run(&["--shard", &shard(index, 2)]).exits(0);
            }

            judge(&world);
            world.sandbox().clear_requests();
            world.run(&[]).exits(0);
            assert!(world.writes().is_empty(), "{:?}", world.writes());
        });
    }
}

#[test]
fn a_rotated_row_source_in_two_shards_is_delivered_once() {
    let (old, new) = (csv(1000..1100), csv(2000..2050));
    rotate("rows", (&old, &new), NUMBERS, |world| {
        let wanted: Vec<u64> = (1000..1100).chain(2000..2050).collect();
        assert_eq!(world.numbers("n"), wanted);
    });
}

#[test]
fn a_rotated_upload_in_two_shards_is_delivered_once() {
    let manifest =
        "\njobs:\n  - name: taxa\n    table: taxa\n    uploads: [{ path: 'taxa/*.csv' }]\n";
    rotate("taxa", ("id\n7\n8\n", "id\n9\n"), manifest, |world| {
        assert_eq!(world.table("taxa", |table| table.num_rows), 3);
    });
}

#[test]
fn what_belongs_to_the_whole_is_left_to_a_whole_run() {
    under_both(|world| {
        let jobs = format!(
            "release: true\n{}    on_missing: delete\n    expect: {{ min_rows: 250 }}\n",
            NUMBERS.trim_start()
        );
        world
            .manifest(&jobs)
            .file("rows/gone.csv", csv(1000..1100))
            .file("rows/stays.csv", csv(2000..2100))
            .file("rows/more.csv", csv(3000..3100));
        for index in 0..2 {
            world.run(&["--shard", &shard(index, 2)]).exits(0);
        }
        world
            .remove("rows/gone.csv")
            .file("rows/new.csv", csv(4000..4100));
        for index in 0..2 {
            world.run(&["--shard", &shard(index, 2)]).exits(0);
        }
        // Nothing was deleted, nothing released.
        assert_eq!(world.numbers("n").len(), 400);
        has_one_draft(&world);

        world.run(&[]).exits(0);

        let versions = |world: &World| {
            let seen = world.inspect();
            let versions = &seen.dataset(crate::harness::DATASET).unwrap().versions;
            let first = versions.iter().find(|one| one.is_released).unwrap();
            first.tables[0].num_rows
        };
        assert_eq!(versions(&world), 300);
    });
}

#[test]
fn a_shard_of_a_table_that_is_replaced_is_refused() {
    under_both(|world| {
        let jobs = format!(
            "tables:\n  n: {{ merge: replace }}\n{}",
            NUMBERS.trim_start()
        );
        world.manifest(&jobs).file("rows/a.csv", csv(1000..1010));
        for index in 0..2 {
            world
                .run(&["--shard", &shard(index, 2)])
                .exits(3)
                .warns("plan/partial-replace");
        }
        world.run(&["--shard", "0/1"]).exits(0);
        assert_eq!(world.numbers("n").len(), 10);
    });
}
