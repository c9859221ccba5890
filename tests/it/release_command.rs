//! `release`: verifies every job, and only then releases.

use redivis_ingest::sandbox::{Character, Fault, FaultScript, Nth, Operation};

use crate::guards::tags;
use crate::harness::{DATASET, Outcome, SCANS, World, under_both};
use crate::run_rows::{NUMBERS, csv};

impl World {
    fn release_it(&self, args: &[&str]) -> Outcome {
        self.on_manifest("release", args)
    }
}

fn delivered(world: &World) {
    let jobs = SCANS.trim_start().trim_start_matches("jobs:\n");
    world
        .manifest(&format!("{NUMBERS}{jobs}"))
        .file("data/a.tif", "aaaa")
        .file("rows/a.csv", csv(1000..1100));
    world.run(&[]).exits(0);
    world.sandbox().clear_requests();
}

#[test]
fn what_is_verified_is_released_once_with_its_notes() {
    under_both(|world| {
        delivered(&world);

        let said = world
            .release_it(&["--notes", "Second try", "--format", "json"])
            .exits(0);

        assert_eq!(tags(&world), ["v1.0"]);
        assert_eq!(said.last_line()["command"], "release");
        assert_eq!(said.last_line()["counts"]["versions"], 1);
        let writes: Vec<Operation> = world.writes().iter().map(|one| one.operation).collect();
        assert_eq!(writes, [Operation::Release]);
        let path = format!("/datasets/{DATASET}/versions/v1.0");
        assert_eq!(world.http("GET", &path, "").1["releaseNotes"], "Second try");

        world.release_it(&[]).exits(0).says("Nothing to release");
        world.create_next();
        world.release_it(&[]).exits(0).says("Nothing to release");
        assert_eq!(tags(&world), ["v1.0"]);
    });
}

#[test]
fn the_notes_of_the_manifest_are_sent_unless_others_are_given() {
    under_both(|world| {
        world
            .manifest(&format!("release: {{ notes: weekly }}\n{NUMBERS}"))
            .file("rows/a.csv", csv(1000..1010));
        // A selection never releases.
        world.run(&["--select", "n"]).exits(0);

        world.release_it(&[]).exits(0);

        let path = format!("/datasets/{DATASET}/versions/v1.0");
        assert_eq!(world.http("GET", &path, "").1["releaseNotes"], "weekly");
    });
}

#[test]
fn what_does_not_match_is_not_released_and_told() {
    under_both(|world| {
        delivered(&world);
        for (change, words) in [
            ("data/a.tif", "1 different"),
            ("data/new.tif", "1 missing"),
            ("rows/new.csv", "1 missing"),
        ] {
            let whole = std::fs::read(world.path(change)).ok();
            let content = if change.starts_with("rows") {
                "n\n7\n"
            } else {
                "zzzz"
            };
            world.file(change, content);

            world.release_it(&[]).exits(5).tells(words);

            match whole {
                Some(content) => world.file(change, content),
                None => world.remove(change),
            };
        }
        // A changed source: its old rows are superseded and still there.
        world.file("rows/a.csv", csv(1000..1099));
        world.release_it(&[]).exits(5).tells("too much");
        assert!(world.writes().is_empty());
        assert!(tags(&world).is_empty());
    });
}

#[test]
fn an_unread_draft_is_released_only_when_nothing_in_it_is_of_others() {
    under_both(|world| {
        delivered(&world);
        let schema = r#"[{"name":"n","type":"integer"}]"#;
        world.put_stream("n", "someone", schema, r#"[{"n":1}]"#);
        world.sandbox().clear_requests();

        world.release_it(&[]).exits(3).tells("someone");
        assert!(world.writes().is_empty());

        let jobs = SCANS.trim_start().trim_start_matches("jobs:\n");
        world.manifest(&format!("release: {{ others: allow }}\n{NUMBERS}{jobs}"));
        world.release_it(&[]).exits(0);
        assert_eq!(tags(&world), ["v1.0"]);
    });
}

#[test]
fn a_guard_of_expect_holds_the_release_back() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        world.manifest(&format!("{NUMBERS}    expect: {{ min_rows: 11 }}\n"));
        world.sandbox().clear_requests();

        world.release_it(&[]).exits(3).tells("min_rows");

        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_lost_answer_is_looked_for_and_a_refusal_is_told() {
    let once = |fault| FaultScript::none().with(Operation::Release, Nth::First(1), fault);
    under_both(|world| {
        delivered(&world);
        // A refusal may have been about another writer's work: once more.
        let refusal = Fault::Status {
            code: 400,
            retry_after: None,
        };
        let script = FaultScript::none().with(Operation::Release, Nth::First(2), refusal);
        world.faults(script);
        world.release_it(&[]).exits(69);
        world.faults(once(Fault::CutBeforeEffect));
        world.release_it(&[]).exits(75);
        assert!(tags(&world).is_empty());

        world.faults(once(Fault::CutAfterEffect));
        world.release_it(&[]).exits(0);
        assert_eq!(tags(&world), ["v1.0"]);

        world.file("data/b.tif", "bbbb");
        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        world.faults(once(Fault::LateEffect {
            after_requests: 2,
            code: None,
        }));
        world.release_it(&[]).exits(0);
        assert_eq!(tags(&world), ["v1.0", "v1.1"]);
    });
}

#[test]
fn a_release_waits_for_the_lock_of_a_run() {
    let world = World::new(Character::Friendly);
    delivered(&world);
    world.file("data/b.tif", "bbbb");
    world.faults(FaultScript::none().with(
        Operation::PutFile,
        Nth::First(1),
        Fault::Stall { ms: 600_000 },
    ));
    let mut child = world.start_run(&[]);
    world.wait_for(Operation::CreateTempUploads, 1);

    world.release_it(&[]).exits(6).warns("state/locked");

    child.kill().unwrap();
    child.wait().unwrap();
}
