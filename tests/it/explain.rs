//! `explain`: every decision about one path, found by each of its names.

use redivis_ingest::sandbox::Character;

use crate::harness::{World, under_both};

const JOBS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/*.tif', exclude: ['data/bad-*'] }]
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }]
    schema: { station: string, value: float }
";

fn prepared(world: &World) -> &World {
    world
        .manifest(JOBS)
        .file("data/a.tif", "aaaa")
        .file("data/bad-b.tif", "bbbb")
        .file("rows/2024.csv", "station,value\nx,1.5\ny,2.5\n")
}

#[test]
fn a_file_is_explained_before_and_after_it_is_sent() {
    under_both(|world| {
        prepared(&world);
        world
            .on_manifest("explain", &["data/a.tif"])
            .exits(0)
            .says("job scans -> table scans (files)")
            .says("+ a.tif: new")
            .says("because    not on the remote")
            .says("(4 B), modified ")
            .says("md5        74b87337454200d4d33f80c4663dc5e5")
            .says("remote     nothing of this name")
            .says("then       it is sent and verified");
        world.run(&[]).exits(0);
        world
            .on_manifest("explain", &["a.tif"])
            .exits(0)
            .says("= a.tif: unchanged")
            .says("remote     4 B (4 B), ")
            .says("then       nothing is done");
    });
}

#[test]
fn a_row_source_is_explained_with_its_rows_and_parts() {
    under_both(|world| {
        prepared(&world);
        world
            .on_manifest("explain", &["rows/2024.csv"])
            .exits(0)
            .says("job readings -> table readings (rows)")
            .says("rows       2 rows in 1 part")
            .says("+ rows/2024.csv rows 1-2: new")
            .says("upload     ");
    });
}

#[test]
fn a_path_is_known_from_any_folder_and_by_its_absolute_name() {
    let world = World::new(Character::Friendly);
    prepared(&world);
    let absolute = world.path("data/a.tif");
    for path in [
        "./data/../data/a.tif",
        "work/data/a.tif",
        absolute.to_str().unwrap(),
    ] {
        world
            .on_manifest("explain", &[path])
            .exits(0)
            .says("+ a.tif: new");
    }
}

#[test]
fn the_same_is_told_as_lines_of_a_plan() {
    let world = World::new(Character::Friendly);
    prepared(&world);
    let outcome = world
        .on_manifest("explain", &["data/a.tif", "--format", "json"])
        .exits(0);
    let line = outcome.last_line();
    assert_eq!(
        [&line["type"], &line["job"], &line["name"], &line["reason"]],
        ["item", "scans", "a.tif", "not_on_remote"]
    );
}

#[test]
fn a_path_that_nothing_gives_is_told_with_the_paths_that_there_are() {
    let world = World::new(Character::Friendly);
    prepared(&world);
    world
        .on_manifest("explain", &["data/none.tif"])
        .exits(66)
        .warns("explain/unknown")
        .warns("name a file as the plan does");
    world
        .on_manifest("explain", &["data/bad-b.tif"])
        .exits(66)
        .warns("explain/unknown")
        .warns("`data/*.tif` (job scans)");
    assert!(world.writes().is_empty());
}
