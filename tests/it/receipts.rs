//! Receipts: written by runs, kept up to date, and a proof when the sources are gone.

use std::fs;

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{Character, Operation};
use serde_json::Value;

use crate::harness::{DATASET, SCANS, World, under_both};
use crate::run_rows::{NUMBERS, csv};

const UPLOADS: &str = "  - { name: taxa, table: taxa, uploads: [{ path: taxa.csv }] }\n";

fn folder(world: &World) -> String {
    world.root().join("receipts").to_str().unwrap().to_owned()
}

fn text(world: &World, name: &str) -> String {
    fs::read_to_string(world.root().join("receipts").join(name)).unwrap()
}

/// The receipts of the folder.
fn receipts(world: &World) -> Vec<Value> {
    let lines = text(world, "receipts.ndjson");
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["type"] == "receipt").collect()
}

fn names(world: &World) -> Vec<String> {
    let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
    receipts(world).iter().map(name).collect()
}

fn delivered(world: &World) {
    let jobs = SCANS.trim_start().trim_start_matches("jobs:\n");
    world
        .manifest(&format!("{NUMBERS}{jobs}{UPLOADS}"))
        .file("data/a.tif", "aaaa")
        .file("data/50% b.tif", "bbbb")
        .file("rows/a.csv", csv(1000..1100))
        .file("taxa.csv", "id\n1\n2\n");
    world.run(&["--receipts", &folder(world)]).exits(0);
}

#[test]
fn a_run_leaves_a_receipt_of_each_thing_and_a_bag_manifest_of_the_files() {
    under_both(|world| {
        delivered(&world);

        let all = receipts(&world);
        assert_eq!(all.len(), 5);
        let file = all.iter().find(|one| one["name"] == "a.tif").unwrap();
        assert_eq!(file["what"], "file");
        assert_eq!(file["table"], format!("{DATASET}.scans"));
        assert_eq!(file["job"], "scans");
        assert_eq!(file["size"], 4);
        assert_eq!(file["md5"], Md5Digest::of(b"aaaa").to_string());
        assert_eq!(file["version"], "next");
        assert!(file["remote_id"].as_str().is_some_and(|id| id.len() > 10));
        let parts: u64 = all
            .iter()
            .filter(|one| one["what"] == "part")
            .map(|one| one["rows"].as_u64().unwrap())
            .sum();
        assert_eq!(parts, 100);
        let upload = all.iter().find(|one| one["what"] == "upload").unwrap();
        assert_eq!(upload["rows"], 2);
        assert_eq!(upload["sha256"].as_str().unwrap().len(), 64);

        let manifest = text(&world, "manifest-md5.txt");
        let line = |body: &[u8], name: &str| {
            format!("{}  data/{DATASET}.scans/{name}\n", Md5Digest::of(body))
        };
        assert_eq!(
            manifest,
            line(b"bbbb", "50%25 b.tif") + &line(b"aaaa", "a.tif")
        );
        assert_eq!(text(&world, "fetch.txt").lines().count(), 2);
    });
}

#[test]
fn later_runs_keep_the_folder_true() {
    under_both(|world| {
        delivered(&world);
        let before = names(&world);

        // Nothing new, and no state: the same receipts.
        world.forget_state();
        world.run(&["--receipts", &folder(&world)]).exits(0);
        assert_eq!(names(&world), before);

        // Other content replaces, new files join, files only on the remote stay.
        world
            .file("data/a.tif", "zzzz")
            .file("data/c.tif", "cccc")
            .remove("data/50% b.tif")
            .file("rows/a.csv", csv(1000..1060));
        world.run(&["--receipts", &folder(&world)]).exits(0);
        let now = receipts(&world);
        let md5 = |name: &str| {
            let found = now.iter().find(|one| one["name"] == name);
            found.unwrap_or_else(|| panic!("{name}: {now:?}"))["md5"].clone()
        };
        assert_eq!(md5("a.tif"), Md5Digest::of(b"zzzz").to_string());
        assert_eq!(md5("c.tif"), Md5Digest::of(b"cccc").to_string());
        assert_eq!(md5("50% b.tif"), Md5Digest::of(b"bbbb").to_string());
        let rows: u64 = now
            .iter()
            .filter(|one| one["what"] == "part")
            .map(|one| one["rows"].as_u64().unwrap())
            .sum();
        assert_eq!(rows, 60, "parts that were deleted have no receipts");

        // A selection leaves the others alone.
        world.file("data/d.tif", "dddd");
        world
            .run(&["--select", "scans", "--receipts", &folder(&world)])
            .exits(0);
        assert_eq!(receipts(&world).len(), now.len() + 1);
        world.verify(&["--receipts", &folder(&world)]).exits(0);
    });
}

#[test]
fn receipts_prove_the_remote_when_the_sources_are_gone() {
    under_both(|world| {
        delivered(&world);
        for name in ["data", "rows"] {
            fs::remove_dir_all(world.path(name)).unwrap();
        }
        world
            .remove("taxa.csv")
            .forget_state()
            .sandbox()
            .clear_requests();
        let folder = folder(&world);

        world
            .verify(&["--receipts", &folder])
            .exits(0)
            .says("the remote matches the receipts");
        let line = world
            .verify(&[
                "--receipts",
                &folder,
                "--read-back",
                "all",
                "--format",
                "json",
            ])
            .exits(0)
            .last_line();
        assert_eq!(line["counts"]["matches"], 5);
        assert_eq!(line["counts"]["read_back"], 2);
        assert!(world.writes().is_empty());

        world.release();
        world.verify(&["--receipts", &folder]).exits(0);

        // Somebody changes a file and deletes rows.
        world.create_next();
        world.foreign_file("scans", "a.tif", b"XXXX");
        for _ in 0..3 {
            world.verify(&["--receipts", &folder]);
        }
        let said = world
            .verify(&["--receipts", &folder, "--format", "ndjson"])
            .exits(5);
        assert_eq!(said.lines()[0]["name"], "a.tif");
        assert_eq!(said.lines()[0]["finding"], "differs");
        assert_eq!(
            said.lines()[0]["found"]["md5"],
            Md5Digest::of(b"XXXX").to_string()
        );
        world
            .verify(&["--receipts", &folder, "--select", "n"])
            .exits(0);
    });
}

#[test]
fn rows_that_somebody_deleted_are_missing_against_the_receipts() {
    under_both(|world| {
        delivered(&world);
        let name = world.upload_names("n").pop().unwrap();
        let uri = format!("{}/uploads/{name}", World::table_uri("n"));
        assert_eq!(world.http("DELETE", &uri, "").0, 200);
        while world.http("GET", &uri, "").0 == 200 {}

        let said = world
            .verify(&["--receipts", &folder(&world), "--format", "ndjson"])
            .exits(5);

        assert_eq!(said.lines()[0]["finding"], "missing");
        assert_eq!(said.lines()[0]["name"], name);
    });
}

#[test]
fn verification_writes_the_same_receipts_as_the_run() {
    under_both(|world| {
        delivered(&world);
        let wanted = names(&world);
        fs::remove_dir_all(world.root().join("receipts")).unwrap();
        world.sandbox().clear_requests();

        world
            .verify(&["--write-receipts", &folder(&world)])
            .exits(0);

        assert_eq!(names(&world), wanted);
        assert!(world.writes().is_empty());
    });
}

#[test]
fn what_is_not_delivered_has_no_receipt() {
    use redivis_ingest::sandbox::{Fault, FaultScript, Nth};

    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a.tif", "aaaa")
            .file("data/b.tif", "bbbb");
        world.faults(FaultScript::none().with(
            Operation::AttachFiles,
            Nth::After(0),
            Fault::Status {
                code: 403,
                retry_after: None,
            },
        ));
        world.run(&["--receipts", &folder(&world)]).exits(77);
        assert!(receipts(&world).is_empty());
        assert_eq!(text(&world, "manifest-md5.txt"), "");

        world.faults(FaultScript::none());
        world.run(&["--receipts", &folder(&world)]).exits(0);
        assert_eq!(names(&world), ["a.tif", "b.tif"]);
    });
}

#[test]
fn folders_of_others_and_damaged_ones_are_refused() {
    let world = World::new(Character::Friendly);
    delivered(&world);
    let path = world.root().join("receipts/receipts.ndjson");
    let whole = fs::read_to_string(&path).unwrap();
    let folder = folder(&world);

    world
        .verify(&["--receipts", world.root().join("none").to_str().unwrap()])
        .exits(66)
        .warns("receipts/none");
    fs::write(
        &path,
        whole.replace("\"manifest\":\"test\"", "\"manifest\":\"x\""),
    )
    .unwrap();
    world
        .verify(&["--receipts", &folder])
        .exits(66)
        .warns("receipts/other");
    world
        .run(&["--receipts", &folder])
        .exits(66)
        .warns("receipts/other");
    let (cut, _) = whole.split_once("{\"type\":\"end\"").unwrap();
    fs::write(&path, cut).unwrap();
    world
        .verify(&["--receipts", &folder])
        .exits(66)
        .warns("receipts/unreadable");
    fs::write(&path, whole).unwrap();
    world.verify(&["--receipts", &folder]).exits(0);
}
