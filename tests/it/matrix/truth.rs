//! Whether a report is true: all that it calls verified is there.

use redivis_ingest::base::{Md5Digest, PartName, SourceKey};
use redivis_ingest::sandbox::{TableView, UploadView, VersionView};
use serde_json::Value;

use super::work::{newest, row, wanted_words, words_of};
use crate::harness::{DATASET, World};

/// Holds the newest report against the remote. Answers how many items it calls
/// verified; `None`: the run wrote none.
pub(super) fn assert_true(world: &World) -> Option<usize> {
    let run = world.run_ids().pop()?;
    let path = world.state().join("runs").join(run).join("report.json");
    let report: Value = serde_json::from_slice(&std::fs::read(path).ok()?).unwrap();
    let seen = world.inspect();
    let version = newest(&seen);
    let versions = seen.dataset(DATASET).unwrap().versions.iter();
    let released: Vec<&str> = versions
        .filter(|one| one.is_released)
        .map(|one| one.tag.as_str())
        .collect();
    let mut verified = 0;
    for item in report["items"].as_array().unwrap() {
        if item["end"] == "verified" {
            verified += 1;
            let is_true = is_true(world, version, &released, item);
            assert!(is_true, "called verified, and not there: {item:#}");
        }
    }
    let exit = &report["exit"];
    let open = report["items"].as_array().unwrap();
    let open = open.iter().filter(|item| item["end"] != "verified").count();
    assert!(
        exit["code"] != 0 || open == 0,
        "exit 0 with {open} items open"
    );
    Some(verified)
}

fn is_true(world: &World, version: &VersionView, released: &[&str], item: &Value) -> bool {
    let name = item["name"].as_str().unwrap();
    let table = |name: &str| version.tables.iter().find(|one| one.name == name);
    let job = item["job"].as_str().unwrap_or_default();
    match (
        item["what"].as_str().unwrap(),
        item["action"].as_str().unwrap(),
    ) {
        ("file", _) => {
            let content = std::fs::read(world.path(&format!("data/{name}"))).unwrap();
            let file = table(job).and_then(|table| table.file(name));
            file.is_some_and(|file| {
                file.bytes().unwrap() == content
                    && item["md5"] == Md5Digest::of(&content).to_string()
            })
        }
        ("part", _) => table(job).is_some_and(|table| holds_part(table, name)),
        ("upload", _) => table(job).is_some_and(|table| holds_upload(world, table, name)),
        ("deletion", _) => {
            let is_gone = |table: &TableView| table.upload(name).is_none();
            table(job).is_some_and(is_gone)
        }
        ("table", _) => table(name.rsplit('.').next().unwrap()).is_some(),
        ("variable", "update") => {
            let (of, variable) = name.split_once('/').unwrap();
            let said = table(of.rsplit('.').next().unwrap()).map(words_of);
            said.and_then(|mut said| said.remove(variable)) == wanted_words().remove(variable)
        }
        ("version", "create") => version.tag == "next" || !released.is_empty(),
        ("version", "release") => released.iter().any(|tag| item["remote_id"] == *tag),
        other => panic!("what is {other:?}?"),
    }
}

/// All rows of the part are there. That nothing is there twice is for the end:
/// what is superseded goes last.
fn holds_part(table: &TableView, name: &str) -> bool {
    let part = PartName::parse(&format!("{name}_00000000"))
        .unwrap()
        .identity;
    assert_eq!(part.source, SourceKey::source("log/a.csv"));
    let rows = table.inserted_rows().unwrap();
    (part.first_row..part.first_row + part.rows).all(|n| {
        let wanted = row(n);
        rows.contains(&wanted)
    })
}

fn holds_upload(world: &World, table: &TableView, name: &str) -> bool {
    let identity = PartName::parse(&format!("{name}_00000000"))
        .unwrap()
        .identity;
    let local = ["taxa/a.csv", "taxa/b.csv"]
        .into_iter()
        .find(|path| SourceKey::source(path) == identity.source)
        .unwrap();
    let content = std::fs::read(world.path(local)).unwrap();
    let is_it = |upload: &&UploadView| {
        PartName::parse(&upload.name).is_some_and(|name| name.identity == identity)
            && upload.bytes().unwrap() == content
            && upload.num_rows.is_some()
    };
    table.uploads.iter().any(|upload| is_it(&upload))
}
