//! One manifest for many days: runs that differ by variables and `--instance`, at
//! once and into one table, as a scheduler's catch-up starts them.

use std::process::{Child, Stdio};

use redivis_ingest::base::PartName;
use redivis_ingest::sandbox::{Character, Operation, SandboxOptions, Thaw};

use crate::harness::{DATASET, Outcome, PATIENCE, World, end_of, has_one_draft, under_both};

const DAYS: u32 = 16;
/// The token of the run whose requests wait.
const QUEUED: &str = "token-of-the-run";

/// A file of rows for each day, whose name is the day.
const READINGS: &str = "
jobs:
  - name: readings
    table: readings
    rows: [{ csv: 'data/readings_${DAY}.csv' }]
    schema:
      day: { type: date, from_path: 'readings_{}.csv' }
      station: string
";

/// The same without the day in the rows.
const PLAIN: &str = "
jobs:
  - name: readings
    table: readings
    rows: [{ csv: 'data/readings_${DAY}.csv' }]
    schema: { station: string }
";

const UPLOADS: &str = "
jobs:
  - name: readings
    table: readings
    uploads: [{ path: 'data/readings_${DAY}.csv' }]
";

fn day(number: u32) -> String {
    format!("2026-03-{number:02}")
}

fn file(number: u32) -> String {
    format!("data/readings_{}.csv", day(number))
}

/// Two rows for each day, the same ones where the day is not among them.
fn fill(world: &World, jobs: &str) {
    world.manifest(jobs);
    for number in 1..=DAYS {
        world.file(&file(number), "station\nA1\nB2\n");
    }
}

fn start(world: &World, day: &str, args: &[&str]) -> Child {
    let manifest = world.path("manifest.yaml");
    let mut all = vec!["run", manifest.to_str().unwrap()];
    all.extend(args);
    world
        .command(&all)
        .env("DAY", day)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// One run for a day, under an instance of its own.
fn start_day(world: &World, number: u32) -> Child {
    let day = day(number);
    start(world, &day, &["--instance", &day])
}

fn run_day(world: &World, number: u32) -> Outcome {
    end_of(start_day(world, number))
}

/// Any command for one day, or for all of them (`*`).
fn call(world: &World, command: &str, day: &str) -> Outcome {
    let manifest = world.path("manifest.yaml");
    world.call_with(&[command, manifest.to_str().unwrap()], &[("DAY", day)])
}

fn all_at_once(world: &World, run: impl Fn(&World, u32) -> Child) -> Vec<Outcome> {
    let runs: Vec<Child> = (1..=DAYS).map(|number| run(world, number)).collect();
    runs.into_iter().map(end_of).collect()
}

/// The rows that the days' files say.
fn wanted(days: impl Iterator<Item = u32>) -> Vec<String> {
    days.flat_map(|number| {
        ["A1", "B2"].map(|station| format!(r#"{{"day":"{}","station":"{station}"}}"#, day(number)))
    })
    .collect()
}

#[track_caller]
fn holds_every_day_once(world: &World) {
    let mut rows = world.rows("readings");
    rows.sort();
    assert_eq!(rows, wanted(1..=DAYS));
    has_one_draft(world);
}

/// Something is released and no draft is there: each run finds that it has to make
/// one.
fn without_a_draft(world: &World) {
    world
        .manifest("\njobs:\n  - { name: o, table: other, files: [{ glob: 'other/*' }] }\n")
        .file("other/file", "released before");
    world.run(&[]).exits(0);
    world.release().forget_state();
}

#[test]
fn sixteen_days_at_once_arrive_once_each() {
    under_both(|world| {
        without_a_draft(&world);
        fill(&world, READINGS);

        for outcome in all_at_once(&world, start_day) {
            outcome.exits(0);
        }

        holds_every_day_once(&world);
        assert_eq!(world.state_files(".sqlite").len(), DAYS as usize);
        // Again, at once, and without any state.
        world.forget_state().sandbox().clear_requests();
        for outcome in all_at_once(&world, start_day) {
            outcome.exits(0).says("Nothing to do");
        }
        assert!(world.writes().is_empty(), "{:#?}", world.writes());
    });
}

#[test]
fn sixteen_days_of_one_instance_wait_for_each_other() {
    under_both(|world| {
        fill(&world, READINGS);

        let outcomes = all_at_once(&world, |world, number| {
            start(world, &day(number), &["--lock-timeout", "4m"])
        });

        for outcome in outcomes {
            outcome.exits(0);
        }
        holds_every_day_once(&world);
        assert_eq!(world.state_files(".sqlite").len(), 1);
    });
}

/// A world whose sandbox takes any token, so that one run's requests can wait.
fn for_two(character: Character) -> World {
    World::for_any_token(SandboxOptions {
        character,
        ..SandboxOptions::default()
    })
}

/// Starts day 1 with its requests in a queue.
fn start_queued(world: &World, args: &[&str]) -> Child {
    world.sandbox().queue(QUEUED);
    let manifest = world.path("manifest.yaml");
    let mut all = vec!["run", manifest.to_str().unwrap()];
    all.extend(args);
    world
        .command(&all)
        .env("DAY", day(1))
        .env("REDIVIS_API_TOKEN", QUEUED)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets its requests through until it asks for this.
#[track_caller]
fn until(world: &World, wanted: Operation) {
    loop {
        match world.sandbox().wait_queued(QUEUED, PATIENCE) {
            Some(operation) if operation == wanted => return,
            Some(_) => world.sandbox().call_next(QUEUED),
            None => panic!("it never asked for {wanted:?}"),
        };
    }
}

#[test]
fn a_second_day_of_one_instance_is_locked_out_and_says_so() {
    for character in [Character::Friendly, Character::Worst] {
        let world = for_two(character);
        fill(&world, READINGS);
        let first = start_queued(&world, &[]);
        until(&world, Operation::InsertRows);

        end_of(start(&world, &day(2), &[]))
            .exits(6)
            .warns("--instance");
        // One with an instance of its own does not wait.
        run_day(&world, 3).exits(0);

        world.sandbox().end_queue(QUEUED, Thaw::Apply);
        end_of(first).exits(0);
        end_of(start(&world, &day(2), &[])).exits(0);
        let mut rows = world.rows("readings");
        rows.sort();
        assert_eq!(rows, wanted(1..=3));
    }
}

/// Both runs found that there is no draft. The one that came second to make it said
/// that it was deleted or made anew, and ended with exit code 4.
#[test]
fn a_draft_that_another_days_run_made_meanwhile_is_taken() {
    for character in [Character::Friendly, Character::Worst] {
        let world = for_two(character);
        without_a_draft(&world);
        fill(&world, READINGS);
        world.sandbox().clear_requests();
        call(&world, "plan", &day(1)).exits(0);
        // Each request waits before and after its effect.
        let planning = world.sandbox().requests().len();
        let first = start_queued(&world, &["--instance", "one"]);
        for _ in 0..2 * planning {
            assert!(world.sandbox().wait_queued(QUEUED, PATIENCE).is_some());
            world.sandbox().call_next(QUEUED);
        }
        assert!(world.sandbox().wait_queued(QUEUED, PATIENCE).is_some());
        run_day(&world, 2).exits(0);

        world.sandbox().end_queue(QUEUED, Thaw::Apply);
        end_of(first).exits(0);

        let mut rows = world.rows("readings");
        rows.sort();
        assert_eq!(rows, wanted(1..=2));
        has_one_draft(&world);
    }
}

/// A dataset and its versions are read at the same time. A draft of which one of the
/// two did not know yet was taken for another one later: exit code 4.
#[test]
fn a_draft_that_is_made_between_two_looks_at_once_is_seen_whole() {
    for character in [Character::Friendly, Character::Worst] {
        for first in [Operation::ListVersions, Operation::GetDataset] {
            let world = for_two(character);
            without_a_draft(&world);
            fill(&world, READINGS);
            let run = start_queued(&world, &[]);
            for what_waits in ["its effect", "its answer"] {
                let was_called = world.sandbox().call(QUEUED, first, PATIENCE);
                assert!(was_called, "{first:?}: {what_waits}");
            }

            world.create_next();

            world.sandbox().end_queue(QUEUED, Thaw::Apply);
            end_of(run).exits(0);
            assert_eq!(world.rows("readings"), wanted(1..=1));
            has_one_draft(&world);
        }
    }
}

#[test]
fn a_day_that_changed_is_sent_again_and_no_other_is_touched() {
    under_both(|world| {
        fill(&world, READINGS);
        for number in 1..=4 {
            run_day(&world, number).exits(0);
        }
        let before = world.upload_names("readings");
        world.file(&file(3), "station\nC3\n");
        world.sandbox().clear_requests();

        run_day(&world, 3).exits(0);

        assert_eq!(world.requests_of(Operation::InsertRows).len(), 1);
        assert_eq!(world.requests_of(Operation::DeleteUpload).len(), 1);
        let after = world.upload_names("readings");
        let kept = before.iter().filter(|name| after.contains(name)).count();
        assert_eq!((before.len(), kept, after.len()), (4, 3, 4));
        let mut rows = world.rows("readings");
        rows.sort();
        let mut all = wanted([1, 2, 4].into_iter());
        all.push(r#"{"day":"2026-03-03","station":"C3"}"#.to_owned());
        all.sort();
        assert_eq!(rows, all);
    });
}

/// Of two days with the same rows the second was taken for the first under another
/// name, was never sent, and the run said that everything matches.
#[test]
fn a_day_with_the_rows_of_another_is_not_taken_for_it() {
    under_both(|world| {
        for jobs in [PLAIN, UPLOADS] {
            let world = World::new(world.character());
            fill(&world, jobs);
            run_day(&world, 1).exits(0);
            let count = |world: &World| world.upload_names("readings").len();

            let refused = run_day(&world, 2).exits(3);
            refused.warns("plan/same-rows").warns("on_renamed");
            assert_eq!(count(&world), 1, "{jobs}");

            world.manifest(&format!("{jobs}    on_renamed: keep\n"));
            run_day(&world, 2).exits(0).says("Nothing to do");
            assert_eq!(count(&world), 1, "{jobs}");

            world.manifest(&format!("{jobs}    on_renamed: send\n"));
            for outcome in all_at_once(&world, start_day) {
                outcome.exits(0);
            }
            let held = world.upload_names("readings");
            let identities = held
                .iter()
                .map(|name| PartName::parse(name).unwrap().identity.source)
                .collect::<std::collections::BTreeSet<_>>();
            assert_eq!((held.len(), identities.len()), (16, 16), "{jobs}");
            let rows = world.table("readings", |table| table.num_rows);
            assert_eq!(rows, 32, "{jobs}");
            call(&world, "verify", "*").exits(0);
        }
    });
}

/// What moved within what a run matches is a rename, variables or not.
#[test]
fn a_log_that_was_rotated_is_recognised_below_a_variable() {
    under_both(|world| {
        let jobs = PLAIN.replace("readings_${DAY}.csv", "${DAY}/log*");
        world.manifest(&jobs).file("data/x/log", "station\nA1\n");
        call(&world, "run", "x").exits(0);
        let before = world.upload_names("readings");

        world
            .file("data/x/log.1", "station\nA1\n")
            .file("data/x/log", "station\nB2\n");
        call(&world, "run", "x").exits(0);

        let after = world.upload_names("readings");
        assert_eq!(after.len(), 2);
        assert!(after.contains(&before[0]), "{before:?} {after:?}");
    });
}

#[test]
fn one_run_over_all_days_verifies_and_releases_what_each_delivered() {
    under_both(|world| {
        fill(&world, READINGS);
        for number in 1..=3 {
            run_day(&world, number).exits(0);
        }
        for number in 4..=DAYS {
            world.remove(&file(number));
        }

        call(&world, "verify", "*").exits(0);
        call(&world, "release", "*").exits(0);

        let inspect = world.inspect();
        let table = inspect.table(DATASET, "v1.0", "readings").unwrap();
        assert_eq!(table.num_rows, 6);
        // Later days go into the next draft, and the released ones stay.
        world.file(&file(4), "station\nA1\nB2\n");
        run_day(&world, 4).exits(0);
        assert_eq!(world.rows("readings").len(), 8);
    });
}

/// Where each day's run releases, runs at once take the draft from each other. They
/// say so, and the day that lost its draft goes into the next release.
#[test]
fn a_day_whose_draft_another_day_released_is_told_and_goes_into_the_next() {
    for character in [Character::Friendly, Character::Worst] {
        let world = for_two(character);
        fill(&world, READINGS);
        world.manifest(&format!("release: true\n{}", READINGS.trim_start()));
        let first = start_queued(&world, &["--instance", "one"]);
        until(&world, Operation::CreateUpload);
        run_day(&world, 2).exits(0);

        world.sandbox().end_queue(QUEUED, Thaw::Apply);
        end_of(first).exits(4).tells("changed under the run");

        run_day(&world, 1).exits(0);
        let inspect = world.inspect();
        let released = |tag| inspect.table(DATASET, tag, "readings").unwrap().num_rows;
        assert_eq!((released("v1.0"), released("v1.1")), (2, 4));
    }
}

#[test]
fn a_day_cannot_say_that_others_are_not_gone_and_delete_them() {
    let world = World::new(Character::Friendly);
    for jobs in [READINGS, UPLOADS] {
        fill(
            &world,
            &format!("{jobs}    on_renamed: send\n    on_missing: delete\n"),
        );
        call(&world, "check", &day(1))
            .exits(78)
            .warns("on_missing: delete");
    }
}
