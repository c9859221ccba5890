//! `init`: the draft of a manifest passes `check`, says why it guesses what it
//! guesses, and delivers what the folder holds.

use std::fs;

use redivis_ingest::sandbox::Character;

use crate::harness::{DATASET, Outcome, World, under_both};

fn world_with(files: &[(&str, &[u8])]) -> World {
    let world = World::new(Character::Friendly);
    for (name, content) in files {
        world.file(&format!("in/{name}"), content);
    }
    world
}

/// Drafts a manifest for `in/`, which must be good; answers its text.
#[track_caller]
fn draft(world: &World) -> String {
    let manifest = world.path("drafted.yaml");
    world
        .call(&[
            "init",
            world.path("in").to_str().unwrap(),
            "--dataset",
            DATASET,
            "-o",
            manifest.to_str().unwrap(),
        ])
        .exits(0);
    let text = fs::read_to_string(&manifest).unwrap();
    let checked = world.call(&["check", manifest.to_str().unwrap()]);
    assert_eq!(checked.status, Some(0), "{text}\n{}", checked.stderr);
    text
}

#[track_caller]
fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            text.lines().any(|one| one.trim() == *line),
            "{line}\n{text}"
        );
    }
}

#[test]
fn a_drafted_manifest_delivers_what_the_folder_holds() {
    under_both(|world| {
        world
            .file("in/scans/deep/a.tif", "aaaa")
            .file("in/scans/b.png", "bb")
            .file("in/readings/1.csv", "station,value\nx,1.5\n")
            .file("in/readings/2.csv", "station,value\ny,2\n")
            .file("in/events.ndjson", "{\"id\": 1}\n{\"id\": 2}\n");
        draft(&world);
        let manifest = world.path("drafted.yaml");
        let run = |world: &World| -> Outcome { world.call(&["run", manifest.to_str().unwrap()]) };
        run(&world).exits(0);
        run(&world).exits(0).says("Nothing to do");
        assert_eq!(world.stored("scans", "deep/a.tif"), b"aaaa");
        assert_eq!(world.stored("scans", "b.png"), b"bb");
        let mut rows = world.rows("readings");
        rows.sort();
        assert_eq!(
            rows,
            [
                r#"{"station":"x","value":1.5}"#,
                r#"{"station":"y","value":2}"#
            ]
        );
        assert_eq!(world.rows("events"), [r#"{"id":1}"#, r#"{"id":2}"#]);
    });
}

#[test]
fn dialects_are_found_in_the_text() {
    let world = world_with(&[
        ("semi.csv", b"a;b;c\n1,5;x;2\n2,5;y;3\n"),
        ("tabs.tsv", b"a\tb\n1\t2\n"),
        ("latin.csv", b"name,n\ncaf\xe9,1\n"),
        ("bare.csv", b"1,2.5\n3,4.5\n"),
    ]);
    let text = draft(&world);
    has(
        &text,
        &[
            r#"delimiter: ";""#,
            r#"delimiter: "\t""#,
            "encoding: windows-1252  # a guess",
            "header: [column_1, column_2]  # the first row looks like data",
            "column_1: integer  # such as 1",
            "column_2: float  # such as 2.5",
        ],
    );
    assert!(
        text.contains("café") || text.contains("such as caf"),
        "{text}"
    );
}

#[test]
fn types_come_with_what_speaks_for_them() {
    let world = world_with(&[(
        "t.csv",
        b"n 1,when,code,Weird name!,word,empty\n1,2024-01-02,007,1.5,NA,\nNA,2024-02-03,008,2,x,\n",
    )]);
    has(
        &draft(&world),
        &[
            "schema:  # from all 2 rows of t.csv",
            r#"n_1: { type: integer, from: "n 1", null_markers: ["", "NA"] }  # 1 without a value, such as 1"#,
            "when: date  # such as 2024-01-02",
            "code: string  # such as 007",
            r#"weird_name: { type: float, from: "Weird name!" }  # such as 1.5"#,
            "word: string  # 1 without a value, NA stay text without null_markers, such as x",
            "empty: string  # no values",
        ],
    );
}

#[test]
fn files_with_other_columns_are_jobs_of_their_own() {
    let world = world_with(&[
        ("a/one.csv", b"x,y\n1,2\n"),
        ("a/two.csv", b"x,z\n1,2\n"),
        ("b/one.csv", b"x,y\n1,2\n"),
        ("b/two.csv", b"x,y\n3,4\n"),
    ]);
    has(
        &draft(&world),
        &[
            "- csv: in/a/one.csv",
            "- csv: in/a/two.csv",
            r#"- csv: "in/b/*.csv""#,
            "# 2 files, 16 B",
        ],
    );
}

#[test]
fn a_first_numbered_file_in_a_folder_of_its_own_is_taken_for_the_first_of_many() {
    let world = world_with(&[
        ("readings/2026-03-01.csv", b"x\n1\n"),
        ("taxa/list.csv", b"x\n1\n"),
    ]);
    has(
        &draft(&world),
        &[
            "- name: readings",
            r#"- csv: "in/readings/*.csv""#,
            "- csv: in/taxa/list.csv",
        ],
    );
}

#[test]
fn names_that_yaml_and_globs_could_take_for_something_else_are_safe() {
    let world = world_with(&[
        ("no/yes.csv", b"null,true,${HOME},\"a: b\"\n1,2,3,4\n"),
        ("we [ird] #1/x*y.csv", b"a,A,a b,a-b\n1,2,3,4\n"),
        ("123/456.ndjson", b"{\"1\": 1, \"-\": 2}\n"),
        ("\u{e9}t\u{e9}/\u{fc}.csv", b"x\n1\n"),
        (".hidden/secret.csv", b"x\n1\n"),
    ]);
    let text = draft(&world);
    assert!(!text.contains("secret"), "{text}");
    let manifest = world.path("drafted.yaml");
    world
        .call(&["run", manifest.to_str().unwrap()])
        .exits(0)
        .says("Done: everything was sent and verified");
}

#[test]
fn what_cannot_be_drafted_is_told_in_the_draft() {
    let world = world_with(&[
        ("good.csv", b"x\n1\n"),
        ("object.json", b"{\"not\": \"an array\"}"),
        ("README", b"text"),
    ]);
    let text = draft(&world);
    assert!(text.contains("# Left out: object.json ("), "{text}");
    assert!(text.contains("# Left out: README ("), "{text}");
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let world = world_with(&[("a.csv", b"x\n1\n")]);
    world.file("drafted.yaml", "mine");
    let (folder, out) = (world.path("in"), world.path("drafted.yaml"));
    world
        .call(&[
            "init",
            folder.to_str().unwrap(),
            "-o",
            out.to_str().unwrap(),
        ])
        .exits(74)
        .warns("init/exists");
    assert_eq!(fs::read_to_string(out).unwrap(), "mine");
    world.call(&["init", "/nowhere/at/all"]).exits(66);
}

#[test]
fn the_schema_that_a_draft_names_is_beside_it_and_an_own_one_stays() {
    let world = world_with(&[("a.txt", b"a")]);
    let text = draft(&world);
    assert!(
        text.starts_with("# yaml-language-server: $schema=redivis-ingest.schema.json\n"),
        "{text}"
    );
    let schema = world.path("redivis-ingest.schema.json");
    let printed = world.call(&["schema"]).exits(0).stdout;
    assert_eq!(fs::read_to_string(&schema).unwrap(), printed);

    world.remove("drafted.yaml");
    fs::write(&schema, "{}").unwrap();
    draft(&world);

    assert_eq!(fs::read_to_string(schema).unwrap(), "{}");
}
