//! `plan -o` and `run --plan`: what was looked at is what is done, and nothing else.

use redivis_ingest::sandbox::Character;

use crate::harness::{ALL_KINDS, DATASET, World, end_of, under_both};

fn world_with_sources(world: &World) {
    world
        .manifest(ALL_KINDS)
        .file("data/a.txt", "hello")
        .file("data/b.txt", "world")
        .file("rows/1.csv", "station,value\na,1\n")
        .file("rows/2.csv", "station,value\nb,2\n")
        .file("taxa.csv", "id\n1\n");
}

/// Saves a plan; answers its path.
fn save(world: &World, name: &str) -> String {
    let path = world.path(name);
    let path = path.to_str().unwrap().to_owned();
    world.plan(&["-o", &path]).exits(0);
    path
}

#[test]
fn a_saved_plan_is_done_exactly_and_then_is_done_already() {
    under_both(|world| {
        world_with_sources(&world);
        let plan = save(&world, "plan.ndjson");
        world.sandbox().clear_requests();

        let first = world
            .run(&["--plan", &plan, "--format", "json"])
            .exits(0)
            .last_line();

        assert_eq!(first["counts"]["files"], 2);
        assert_eq!(first["counts"]["parts"], 2);
        assert_eq!(first["counts"]["uploads"], 1);
        assert_eq!(first["counts"]["drifted"], 0);
        let saved = std::fs::read_to_string(&plan).unwrap();
        let totals: serde_json::Value =
            serde_json::from_str(saved.lines().last().unwrap()).unwrap();
        assert_eq!(first["plan_id"], totals["plan_id"]);
        assert_eq!(world.report()["plan_accuracy"]["share"], 1.0);

        world.sandbox().clear_requests();
        let second = world
            .run(&["--plan", &plan, "--format", "json"])
            .exits(0)
            .last_line();
        assert_eq!(second["counts"]["drifted"], 0);
        assert!(world.writes().is_empty(), "{:?}", world.writes());
        assert_eq!(world.rows("readings").len(), 2);
    });
}

#[test]
fn the_same_plan_is_saved_as_the_same_bytes() {
    under_both(|world| {
        world_with_sources(&world);
        let one = std::fs::read(save(&world, "one.ndjson")).unwrap();
        world.forget_state();
        let two = std::fs::read(save(&world, "two.ndjson")).unwrap();
        assert_eq!(
            String::from_utf8(one).unwrap(),
            String::from_utf8(two).unwrap()
        );
    });
}

#[test]
fn a_saved_plan_holds_no_secret_and_no_absolute_path() {
    under_both(|world| {
        world_with_sources(&world);
        let text = std::fs::read_to_string(save(&world, "plan.ndjson")).unwrap();
        for secret in [crate::harness::TOKEN, world.root().to_str().unwrap()] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    });
}

#[test]
fn a_source_that_changed_since_has_drifted_and_the_others_are_done() {
    under_both(|world| {
        world_with_sources(&world);
        let plan = save(&world, "plan.ndjson");
        world
            .file("data/b.txt", "another world")
            .file("rows/2.csv", "station,value\nb,2\nc,3\n");

        let outcome = world.run(&["--plan", &plan, "--format", "json"]).exits(4);

        let line = outcome.last_line();
        assert_eq!(line["exit_word"], "drifted");
        assert_eq!(line["counts"]["files"], 1);
        assert_eq!(line["counts"]["parts"], 1);
        assert_eq!(line["counts"]["uploads"], 1);
        assert_eq!(world.stored("scans", "a.txt"), b"hello");
        assert!(world.table("scans", |table| table.file("b.txt").is_none()));
        assert_eq!(world.rows("readings"), [r#"{"station":"a","value":1}"#]);
        let names: Vec<&str> = line["failures"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|failure| failure["name"].as_str())
            .collect();
        assert!(names.contains(&"b.txt"), "{names:?}");

        // What is left needs a new look, and then is done.
        world.run(&[]).exits(0);
        assert_eq!(world.stored("scans", "b.txt"), b"another world");
        assert_eq!(world.rows("readings").len(), 3);
    });
}

#[test]
fn a_source_that_came_since_is_not_sent() {
    under_both(|world| {
        world_with_sources(&world);
        let plan = save(&world, "plan.ndjson");
        world.file("data/c.txt", "unseen");

        world.run(&["--plan", &plan]).exits(4);

        assert!(world.table("scans", |table| table.file("c.txt").is_none()));
        assert_eq!(world.stored("scans", "b.txt"), b"world");
    });
}

#[test]
fn a_source_that_is_gone_has_drifted() {
    under_both(|world| {
        world_with_sources(&world);
        let plan = save(&world, "plan.ndjson");
        world.remove("data/b.txt");

        world.run(&["--plan", &plan]).exits(4).says("b.txt");

        assert_eq!(world.stored("scans", "a.txt"), b"hello");
    });
}

#[test]
fn a_remote_that_changed_since_has_drifted() {
    under_both(|world| {
        world_with_sources(&world);
        world.run(&[]).exits(0);
        world.file("data/b.txt", "mine");
        let plan = save(&world, "plan.ndjson");
        // Another manifest writes the same name in between.
        world.file(
            "other.yaml",
            format!("version: 1\nname: other\ndataset: {DATASET}\njobs:\n  - name: o\n    table: scans\n    files: [{{ glob: 'other/*' }}]\n"),
        );
        world.file("other/b.txt", "theirs, and longer");
        let other = world.path("other.yaml");
        world.call(&["run", other.to_str().unwrap()]).exits(0);

        world.run(&["--plan", &plan]).exits(4);

        assert_eq!(world.stored("scans", "b.txt"), b"theirs, and longer");
    });
}

#[test]
fn a_plan_of_another_manifest_is_refused() {
    under_both(|world| {
        world_with_sources(&world);
        let plan = save(&world, "plan.ndjson");
        world.manifest(&ALL_KINDS.replace("data/**/*", "data/*"));

        let outcome = world.run(&["--plan", &plan]).exits(4);

        assert!(
            outcome.stderr.contains("error[plan/drifted]"),
            "{outcome:?}"
        );
        assert!(outcome.stderr.contains("manifest"), "{outcome:?}");
        assert!(outcome.stderr.contains("help: "), "{outcome:?}");
        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_plan_of_another_endpoint_is_refused() {
    let world = World::new(Character::Friendly);
    world_with_sources(&world);
    let plan = save(&world, "plan.ndjson");

    let outcome = world
        .run(&["--plan", &plan, "--endpoint", "sandbox"])
        .exits(4);

    assert!(outcome.stderr.contains("endpoint"), "{outcome:?}");
    assert!(world.writes().is_empty());
}

#[test]
fn nothing_of_a_plan_of_an_earlier_draft_is_done() {
    under_both(|world| {
        world_with_sources(&world);
        world.run(&[]).exits(0);
        world.file("data/c.txt", "more");
        let plan = save(&world, "plan.ndjson");
        world.release();
        world.sandbox().clear_requests();

        let outcome = world.run(&["--plan", &plan, "--format", "json"]).exits(4);

        assert!(world.writes().is_empty(), "{:?}", world.writes());
        let counts = &outcome.last_line()["counts"];
        assert_eq!(counts["failed"], 0, "{outcome:?}");
        assert_eq!(
            counts["drifted"], 2,
            "the version and the file: {outcome:?}"
        );
        world.run(&[]).exits(0);
        assert_eq!(world.stored("scans", "c.txt"), b"more");
    });
}

#[test]
fn a_saved_plan_that_released_is_done_already() {
    under_both(|world| {
        world_with_sources(&world);
        world.manifest(&format!("release: true\n{ALL_KINDS}"));
        let plan = save(&world, "plan.ndjson");
        world.run(&["--plan", &plan]).exits(0);
        world.sandbox().clear_requests();

        world.run(&["--plan", &plan]).exits(0);

        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}

#[test]
fn a_plan_that_was_cut_off_is_refused() {
    let world = World::new(Character::Friendly);
    world_with_sources(&world);
    let plan = save(&world, "plan.ndjson");
    let text = std::fs::read_to_string(&plan).unwrap();
    let half: String = text.chars().take(text.len() / 2).collect();
    for (name, bad, part) in [
        ("half", half.as_str(), "saved plan"),
        ("empty", "", "saved plan"),
        ("other", "{\"type\":\"report\"}\n", "line 1"),
    ] {
        world.file(name, bad);
        let path = world.path(name);
        let outcome = world.run(&["--plan", path.to_str().unwrap()]).exits(66);
        assert!(
            outcome.stderr.contains("error[plan/unreadable]"),
            "{outcome:?}"
        );
        assert!(outcome.stderr.contains(part), "{outcome:?}");
    }
    let newer = text.replacen("\"format_version\":1", "\"format_version\":99", 1);
    world.file("newer", newer);
    let path = world.path("newer");
    let outcome = world.run(&["--plan", path.to_str().unwrap()]).exits(66);
    assert!(outcome.stderr.contains("format 99"), "{outcome:?}");
    assert!(world.writes().is_empty());
}

#[test]
fn a_saved_plan_of_a_killed_run_can_be_run_again() {
    use redivis_ingest::sandbox::{FreezePoint, Thaw};

    under_both(|world| {
        world_with_sources(&world);
        let plan = save(&world, "plan.ndjson");
        let mut run = world.start_frozen_run(FreezePoint::AfterEffect, &["--plan", &plan]);
        run.kill().unwrap();
        end_of(run);
        world.sandbox().thaw(Thaw::Abandon);

        world.run(&["--plan", &plan]).exits(0);

        assert_eq!(world.rows("readings").len(), 2);
        assert_eq!(world.stored("scans", "a.txt"), b"hello");
        world.run(&[]).exits(0).says("Nothing to do");
    });
}
