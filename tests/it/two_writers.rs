//! Two writers on one draft, step by step: what one does while the other is just
//! about to do something. Random orders of two whole runs: `proof::two_writers`.

use std::process::{Child, Stdio};

use redivis_ingest::base::PartName;
use redivis_ingest::sandbox::{
    Behaviour, Character, Fault, FaultScript, Nth, Operation, SandboxOptions, Thaw,
};

use crate::guards::{put_failing, put_import};
use crate::harness::{DATASET, Outcome, PATIENCE, SCANS, World, end_of, noise};
use crate::run_rows::{NUMBERS, csv};

/// The token of the run whose requests wait.
const RUN: &str = "token-of-the-run";

/// A world for two writers, under both characters.
fn under_both(test: impl Fn(World)) {
    for character in [Character::Friendly, Character::Worst] {
        eprintln!("under {character:?}");
        test(World::for_any_token(SandboxOptions {
            character,
            ..SandboxOptions::default()
        }));
    }
}

/// A run whose requests take place when the test says so.
struct Run<'w> {
    world: &'w World,
    child: Child,
}

impl<'w> Run<'w> {
    fn start(world: &'w World) -> Self {
        world.sandbox().queue(RUN);
        let manifest = world.path("manifest.yaml");
        let child = world
            .command(&["run", manifest.to_str().unwrap(), "-j", "1"])
            .env("REDIVIS_API_TOKEN", RUN)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { world, child }
    }

    /// Goes on until it asks for this.
    #[track_caller]
    fn until(&self, wanted: Operation) -> &Self {
        let sandbox = self.world.sandbox();
        loop {
            let asked = sandbox.wait_queued(RUN, PATIENCE);
            match asked {
                Some(operation) if operation == wanted => return self,
                Some(_) => sandbox.call_next(RUN),
                None => panic!("it never asked for {wanted:?}"),
            };
        }
    }

    /// Lets the request that waits take effect and be answered.
    fn over_it(&self) -> &Self {
        for _ in 0..2 {
            assert!(self.world.sandbox().wait_queued(RUN, PATIENCE).is_some());
            self.world.sandbox().call_next(RUN);
        }
        self
    }

    /// Goes on to its end.
    fn end(self) -> Outcome {
        self.world.sandbox().end_queue(RUN, Thaw::Apply);
        end_of(self.child)
    }
}

fn releasing(jobs: &str) -> String {
    format!("release: true\n{}", jobs.trim_start())
}

/// Another attempt at the part that the draft holds, complete.
fn put_twin(world: &World) {
    put_twin_of(world, &world.upload_names("n").remove(0));
}

fn put_twin_of(world: &World, name: &str) {
    let (identity, _) = name.rsplit_once('_').unwrap();
    let parsed = PartName::parse(name).unwrap().identity;
    let rows: Vec<String> = (1000..1000 + parsed.rows)
        .map(|n| format!("{{\"n\":{n}}}"))
        .collect();
    let rows = format!("[{}]", rows.join(","));
    let schema = r#"[{"name":"n","type":"integer"}]"#;
    world.put_stream("n", &format!("{identity}_ffffffff"), schema, &rows);
}

fn delete_upload(world: &World, table: &str) {
    let name = world.upload_names(table).remove(0);
    let path = format!("{}/uploads/{name}", World::table_uri(table));
    delete(world, table, &path);
}

fn delete(world: &World, table: &str, upload: &str) {
    let (status, answer) = world.http("DELETE", upload, "");
    assert!((200..300).contains(&status), "{status} {answer}");
    for _ in 0..3 {
        // A deleted upload may be seen for a while.
        world.http("GET", &format!("{}/uploads", World::table_uri(table)), "");
    }
}

#[test]
fn a_draft_that_another_writer_released_first_is_told_as_changed() {
    under_both(|world| {
        world
            .manifest(&releasing(NUMBERS))
            .file("rows/a.csv", csv(1000..1010));
        let run = Run::start(&world);
        run.until(Operation::Release);
        world.release();

        run.end().exits(4).tells("changed under the run");

        world.run(&[]).exits(0).says("Nothing to do");
    });
}

#[test]
fn what_a_released_draft_refuses_is_told_as_its_change() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        world.file("rows/b.csv", csv(2000..2010));
        let run = Run::start(&world);
        run.until(Operation::CreateUpload);
        world.release();

        let outcome = run.end().exits(4).tells("changed under the run");

        assert!(!outcome.stdout.contains("refused"), "{}", outcome.stdout);
        world.run(&[]).exits(0);
        let wanted: Vec<u64> = (1000..1010).chain(2000..2010).collect();
        assert_eq!(world.numbers("n"), wanted);
    });
}

#[test]
fn rows_that_another_writer_added_before_the_release_are_cleaned_up() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        world.manifest(&releasing(NUMBERS));
        let run = Run::start(&world);
        // Once for the plan, and once more before the release.
        run.until(Operation::ListUploads).over_it();
        run.until(Operation::ListUploads);
        put_twin(&world);

        run.end().exits(0);

        let inspect = world.inspect();
        assert_eq!(inspect.table(DATASET, "v1.0", "n").unwrap().num_rows, 10);
    });
}

#[test]
fn a_release_with_rows_twice_is_told_by_that_run_and_by_each_later_one() {
    under_both(|world| {
        world
            .manifest(&releasing(NUMBERS))
            .file("rows/a.csv", csv(1000..1010));
        let run = Run::start(&world);
        run.until(Operation::Release);
        put_twin(&world);

        run.end()
            .exits(5)
            .tells("was released while another writer changed it");

        let uploads = format!("/tables/{DATASET}:current.n/uploads");
        for _ in 0..3 {
            // A count that lags is not held against anybody.
            world.http("GET", &uploads, "");
        }
        for _ in 0..2 {
            world
                .forget_state()
                .run(&[])
                .exits(3)
                .warns("plan/released-twice")
                .warns("10 rows of `rows/a.csv` twice");
        }
    });
}

#[test]
fn a_release_that_another_writer_forbids_at_the_last_moment_is_told() {
    under_both(|world| {
        world
            .manifest(&releasing(NUMBERS))
            .file("rows/a.csv", csv(1000..1010));
        let run = Run::start(&world);
        run.until(Operation::Release);
        let theirs = put_failing(&world, "n");

        run.end().exits(6).tells("another writer is at work");

        assert!(world.inspect().table(DATASET, "v1.0", "n").is_none());
        delete(&world, "n", &theirs);
        world.run(&[]).exits(0);
        let inspect = world.inspect();
        assert_eq!(inspect.table(DATASET, "v1.0", "n").unwrap().num_rows, 10);
    });
}

#[test]
fn an_upload_that_another_writer_has_under_way_holds_a_release_back_for_a_while() {
    for character in [Character::Friendly, Character::Worst] {
        let mut behaviour = Behaviour::of(character);
        behaviour.import_polls = 100;
        let world = World::for_any_token(SandboxOptions {
            behaviour: Some(behaviour),
            ..SandboxOptions::default()
        });
        world
            .manifest(&releasing(NUMBERS))
            .file("rows/a.csv", csv(1000..1010));
        let run = Run::start(&world);
        run.until(Operation::GetVersion);
        let theirs = put_import(&world, "n");

        run.end()
            .exits(6)
            .tells("another writer is at work")
            .tells("upload `theirs` is still running");

        assert!(world.requests_of(Operation::Release).is_empty());
        delete(&world, "n", &theirs);
        world.run(&[]).exits(0);
        let inspect = world.inspect();
        assert_eq!(inspect.table(DATASET, "v1.0", "n").unwrap().num_rows, 10);
    }
}

#[test]
fn an_attempt_without_rows_in_a_release_does_no_harm() {
    under_both(|world| {
        world
            .manifest(&releasing(NUMBERS))
            .file("rows/a.csv", csv(1000..1010));
        let run = Run::start(&world);
        run.until(Operation::Release);
        let name = world.upload_names("n").remove(0);
        let (identity, _) = name.rsplit_once('_').unwrap();
        let schema = r#"[{"name":"n","type":"integer"}]"#;
        world.put_stream("n", &format!("{identity}_ffffffff"), schema, "");

        run.end().exits(0);

        let inspect = world.inspect();
        let table = inspect.table(DATASET, "v1.0", "n").unwrap();
        assert_eq!((table.num_rows, table.uploads.len()), (10, 2));
        world.forget_state().run(&[]).exits(0);
    });
}

#[test]
fn a_release_without_rows_that_were_verified_is_told_and_mended_by_the_next() {
    under_both(|world| {
        world
            .manifest(&releasing(NUMBERS))
            .file("rows/a.csv", csv(1000..1010))
            .file("rows/b.csv", csv(2000..2010));
        let run = Run::start(&world);
        run.until(Operation::Release);
        delete_upload(&world, "n");

        run.end().exits(5).tells("it does not hold");

        world.forget_state().run(&[]).exits(0);
        let inspect = world.inspect();
        assert_eq!(inspect.table(DATASET, "v1.1", "n").unwrap().num_rows, 20);
    });
}

#[test]
fn released_rows_that_came_to_the_draft_in_another_cut_are_deleted_there() {
    under_both(|world| {
        world
            .manifest(&NUMBERS.replace("1KiB", "64KiB"))
            .file("rows/a.csv", csv(1000..1200));
        world.run(&[]).exits(0);
        let whole = world.upload_names("n").remove(0);
        delete_upload(&world, "n");
        world.manifest(NUMBERS);
        world.run(&[]).exits(0);
        assert!(world.upload_names("n").len() > 1);
        world.release().create_next();
        put_twin_of(&world, &whole);

        for forget in [false, true] {
            if forget {
                world.forget_state();
            }
            world.run(&[]).exits(0);
            assert_eq!(world.numbers("n"), (1000..1200).collect::<Vec<_>>());
        }
    });
}

#[test]
fn an_upload_that_another_writer_keeps_deleting_is_told() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        let run = Run::start(&world);
        for _ in 0..3 {
            run.until(Operation::InsertRows);
            delete_upload(&world, "n");
            run.over_it();
        }

        run.end().exits(6).tells("another writer is at work");

        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), (1000..1010).collect::<Vec<_>>());
    });
}

#[test]
fn rows_that_another_writer_delivered_in_our_place_are_as_good() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        let run = Run::start(&world);
        run.until(Operation::InsertRows).over_it();
        put_twin(&world);
        let ours = world.upload_names("n");
        let ours = ours.iter().find(|name| !name.ends_with("_ffffffff"));
        let path = format!("{}/uploads/{}", World::table_uri("n"), ours.unwrap());
        assert_eq!(world.http("DELETE", &path, "").0 / 100, 2);

        run.end().exits(0);

        assert_eq!(world.numbers("n"), (1000..1010).collect::<Vec<_>>());
    });
}

#[test]
fn a_bulk_upload_that_another_writer_deleted_is_not_waited_for() {
    under_both(|world| {
        world
            .manifest(
                "\njobs:\n  - name: taxa\n    table: taxa\n    uploads: [{ path: 'taxa/*.csv' }]\n",
            )
            .file("taxa/a.csv", "id\n7\n");
        let run = Run::start(&world);
        run.until(Operation::CreateUpload).over_it();
        delete_upload(&world, "taxa");
        world.sandbox().clear_requests();

        run.end().exits(6).tells("another writer is at work");

        let lists = world.requests_of(Operation::ListUploads).len();
        assert!(lists < 20, "it asked {lists} times");
        world.run(&[]).exits(0);
        assert_eq!(world.table("taxa", |table| table.num_rows), 1);
    });
}

#[test]
fn names_that_lost_answers_took_are_given_up_for_others() {
    let mut behaviour = Behaviour::of(Character::Worst);
    behaviour.temp_names_unique = true;
    let world = World::with(SandboxOptions {
        behaviour: Some(behaviour),
        ..SandboxOptions::default()
    });
    world.manifest(SCANS);
    for number in 0..4 {
        world.file(&format!("data/{number}"), noise(number, 1000));
    }
    // The first call under the files' own names, the first under others.
    let lost = |nth| (Operation::CreateTempUploads, nth, Fault::CutAfterEffect);
    let mut script = FaultScript::none();
    for (operation, nth, fault) in [lost(Nth::Nth(1)), lost(Nth::Nth(3))] {
        script = script.with(operation, nth, fault);
    }
    world.faults(script);

    world.run(&[]).exits(0);

    assert_eq!(world.names("scans").len(), 4);
    assert_eq!(world.requests_of(Operation::CreateTempUploads).len(), 5);
}
