//! `doctor`: what would keep a run from its work is found, and nothing is written.

use redivis_ingest::sandbox::{Character, Fault, FaultScript, Nth, Operation};

use crate::harness::{DATASET, TOKEN, World, under_both};

const JOBS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/*' }]
";

#[test]
fn a_good_place_is_found_good_and_left_as_it_is() {
    under_both(|world| {
        world.manifest(JOBS);
        let outcome = world
            .on_manifest("doctor", &[])
            .exits(0)
            .says("ok       manifest    `test`, 1 job")
            .says("ok       token       from `REDIVIS_API_TOKEN`")
            .says("ok       proxy       none")
            .says(&format!("ok       dataset     `{DATASET}` was read in "))
            .says("ok       rate limit  at most ");
        assert!(!outcome.stdout.contains("failed"), "{outcome:?}");
        assert!(!outcome.stdout.contains(TOKEN), "{outcome:?}");
        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_token_that_is_refused_and_a_dataset_that_is_missing_are_found() {
    let world = World::new(Character::Friendly);
    world.manifest(JOBS);
    world.faults(FaultScript::none().with(
        Operation::GetDataset,
        Nth::After(0),
        Fault::Status {
            code: 401,
            retry_after: None,
        },
    ));
    world
        .on_manifest("doctor", &[])
        .exits(77)
        .says("failed   dataset     ")
        .says("help: ");
    world.faults(FaultScript::none());
    let text = std::fs::read_to_string(world.path("manifest.yaml")).unwrap();
    world.file("manifest.yaml", text.replace(DATASET, "demo.nowhere"));
    world
        .on_manifest("doctor", &[])
        .exits(69)
        .says("failed   dataset     ")
        .says("`demo.nowhere`");
}

#[test]
fn a_draft_that_a_run_may_not_create_is_told_before_the_run() {
    let world = World::new(Character::Friendly);
    world.manifest(JOBS).file("data/a", "a").run(&[]).exits(0);
    world.release();
    let text = std::fs::read_to_string(world.path("manifest.yaml")).unwrap();
    let text = text.replace("next_version: true", "next_version: false");
    world.file("manifest.yaml", text);
    world
        .on_manifest("doctor", &[])
        .exits(0)
        .says("warning  dataset     ")
        .says("prepare: { next_version: true }");
}

#[test]
fn findings_are_lines_of_json_for_scripts() {
    let world = World::new(Character::Friendly);
    world.manifest(JOBS);
    let outcome = world.on_manifest("doctor", &["--format", "json"]).exits(0);
    let lines = outcome.lines();
    assert!(lines.len() >= 8, "{lines:?}");
    for line in &lines {
        assert_eq!([&line["type"], &line["state"]], ["finding", "ok"], "{line}");
    }
}

#[test]
fn the_password_of_a_proxy_is_not_told() {
    let world = World::new(Character::Friendly);
    world.manifest(JOBS);
    let manifest = world.path("manifest.yaml");
    let output = world
        .command(&["doctor", manifest.to_str().unwrap()])
        .env("https_proxy", "http://user:canary-password@127.0.0.1:9")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("from `https_proxy`"), "{text}");
    assert!(!text.contains("canary-password"), "{text}");
}
