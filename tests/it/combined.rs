//! `--combined`: a line for each item, as rclone's `check --combined` has it.

use std::fs;

use redivis_ingest::sandbox::Character;

use crate::harness::{World, under_both};

const JOBS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*', base: data }]
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: integer }
  - name: taxa
    table: taxa
    uploads: [{ path: taxa.csv }]
";

/// Lines without what part and upload names end in, which is a digest.
fn lines(text: &str) -> Vec<String> {
    let short = |line: &str| match line.split_once("/ri1_") {
        Some((table, name)) => format!("{table}/{}", name.split('_').next().unwrap()),
        None => line.to_owned(),
    };
    text.lines().map(short).collect()
}

fn changed(world: &World) {
    world
        .manifest(JOBS)
        .file("data/b.tif", "bb")
        .file("data/same.tif", "same")
        .file("data/gone.tif", "gone")
        .file("rows/1.csv", "n\n1\n")
        .file("taxa.csv", "id\n1\n");
    world.run(&[]).exits(0);
    world
        .file("data/b.tif", "BB")
        .file("data/a/new.tif", "new")
        .file("rows/2.csv", "n\n2\n")
        .remove("data/gone.tif");
}

const WANTED: [&str; 7] = [
    "= demo.survey.readings/1",
    "+ demo.survey.readings/2",
    "+ demo.survey.scans/a/new.tif",
    "* demo.survey.scans/b.tif",
    "- demo.survey.scans/gone.tif",
    "= demo.survey.scans/same.tif",
    "= demo.survey.taxa/taxa",
];

#[test]
fn plan_and_verify_list_what_is_where() {
    under_both(|world| {
        changed(&world);
        let path = world.path("combined.txt");
        let file = path.to_str().unwrap();

        let outcome = world.plan(&["--combined", file]).exits(0);
        assert_eq!(lines(&fs::read_to_string(&path).unwrap()), WANTED);
        assert!(
            outcome.stdout.contains("a/new.tif"),
            "the plan is shown too"
        );

        let outcome = world.on_manifest("verify", &["--combined", file, "--format", "json"]);
        outcome.exits(5);
        assert_eq!(lines(&fs::read_to_string(&path).unwrap()), WANTED);

        // On stdout it is the result, and nothing else is.
        let outcome = world.plan(&["--combined", "-"]).exits(0);
        assert_eq!(lines(&outcome.stdout), WANTED);
        let outcome = world.on_manifest("verify", &["--combined", "-"]).exits(5);
        assert_eq!(lines(&outcome.stdout), WANTED);

        // What was compared and what was planned is the same: a run clears it.
        world.run(&[]).exits(0);
        let outcome = world.plan(&["--combined", "-"]).exits(0);
        let open: Vec<String> = lines(&outcome.stdout)
            .into_iter()
            .filter(|line| !line.starts_with('='))
            .collect();
        assert_eq!(open, ["- demo.survey.scans/gone.tif"]);
    });
}

#[test]
fn what_is_said_of_a_table_and_its_variables_has_a_line_where_it_differs() {
    under_both(|world| {
        world.manifest(JOBS).file("data/a.tif", "a");
        world
            .file("rows/1.csv", "n\n1\n")
            .file("taxa.csv", "id\n1\n");
        world.run(&[]).exits(0);
        let said = "tables:\n  readings: { description: Readings, variables: { n: { label: N } } }";
        world.manifest(&format!("{said}{JOBS}"));

        for (command, code) in [("plan", 0), ("verify", 5)] {
            let outcome = world.on_manifest(command, &["--combined", "-"]);
            let outcome = outcome.exits(code);
            let lines = lines(&outcome.stdout);
            let differs: Vec<&String> = lines.iter().filter(|one| !one.starts_with('=')).collect();
            assert_eq!(
                differs,
                ["* demo.survey.readings", "* demo.survey.readings/n"]
            );
        }
        world.run(&[]).exits(0);
        let outcome = world.plan(&["--combined", "-"]).exits(0);
        assert_eq!(lines(&outcome.stdout).len(), 3);
    });
}

#[test]
fn a_source_that_cannot_be_read_is_an_error_and_a_name_cannot_make_a_line() {
    let world = World::new(Character::Friendly);
    world
        .manifest(JOBS)
        .file("data/two\u{202e}ways.tif", "x")
        .file("rows/1.csv", "n\nwrong\n")
        .file("taxa.csv", "id\n1\n");

    let outcome = world.plan(&["--combined", "-"]);

    let lines = lines(&outcome.stdout);
    let scan = lines.iter().find(|line| line.contains("two")).unwrap();
    assert_eq!(scan, "+ demo.survey.scans/two\\u{202e}ways.tif");
    let errors: Vec<&String> = lines.iter().filter(|line| line.starts_with("! ")).collect();
    assert_eq!(errors.len(), 1, "{lines:?}");
    assert!(
        errors[0].starts_with("! demo.survey.readings/"),
        "{errors:?}"
    );
}

#[test]
fn it_takes_stdout_alone_and_tells_a_bad_file_before_the_work() {
    let world = World::new(Character::Friendly);
    changed(&world);
    world
        .plan(&["--combined", "-", "--format", "json"])
        .exits(64);
    world.sandbox().clear_requests();
    world
        .plan(&["--combined", "/no/such/folder/list"])
        .exits(74);
    assert_eq!(world.sandbox().requests().len(), 0);
}
