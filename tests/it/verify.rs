//! `verify`: every byte is read, nothing is believed, nothing is written.

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{Character, Fault, FaultScript, Nth, Operation};
use serde_json::Value;

use crate::harness::{DATASET, Outcome, SCANS, World, noise, under_both};
use crate::run_rows::{NUMBERS, csv};

const UPLOADS: &str = "  - { name: taxa, table: taxa, uploads: [{ path: taxa.csv }] }\n";

impl World {
    pub(crate) fn verify(&self, args: &[&str]) -> Outcome {
        self.on_manifest("verify", args)
    }
}

/// All three kinds, delivered.
fn delivered(world: &World) {
    let jobs = SCANS.trim_start().trim_start_matches("jobs:\n");
    world
        .manifest(&format!("{NUMBERS}{jobs}{UPLOADS}"))
        .file("data/a.tif", "aaaa")
        .file("data/b.tif", "bbbb")
        .file("rows/a.csv", csv(1000..1100))
        .file("taxa.csv", "id\n1\n2\n");
    world.run(&[]).exits(0);
    world.sandbox().clear_requests();
}

/// The findings of a verification, `(finding, name)`.
fn found(outcome: &Outcome) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines = outcome.lines();
    lines[..lines.len() - 1]
        .iter()
        .map(|line| (text(&line["finding"]), text(&line["name"])))
        .collect()
}

/// Puts other bytes into a file without a change of its size or its times.
fn rot(world: &World, name: &str, content: &str) {
    let path = world.path(name);
    let times = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::fs::write(&path, content).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(times).unwrap();
}

#[test]
fn what_was_delivered_is_verified_and_nothing_is_written() {
    under_both(|world| {
        delivered(&world);

        let said = world.verify(&["--format", "json"]).exits(0);

        assert_eq!(said.stdout.lines().count(), 1);
        let line = said.last_line();
        assert_eq!(line["command"], "verify");
        assert_eq!(line["exit"], 0);
        assert_eq!(line["counts"]["matches"], 2 + 2 + 1);
        assert_eq!(line["rows"], 100);
        assert_eq!(line["versions"][DATASET], "next");
        assert_eq!(line["failures_left_out"], 0);
        assert!(world.writes().is_empty(), "{:?}", world.writes());
        world
            .verify(&[])
            .exits(0)
            .says("Verified: the remote matches");

        // Without a draft it is the newest release that counts.
        world.release();
        let line = world.verify(&["--format", "json"]).exits(0).last_line();
        assert_eq!(line["versions"][DATASET], "v1.0");
        assert_eq!(line["counts"]["matches"], 5);
    });
}

#[test]
fn nothing_is_believed_of_the_state_and_no_lock_is_needed() {
    under_both(|world| {
        delivered(&world);
        world.run(&[]).exits(0); // The caches are full.
        rot(&world, "data/a.tif", "aXaa");
        rot(&world, "taxa.csv", "id\n1\n3\n");
        let rows = csv(1000..1100).replace("1050", "1051");
        rot(&world, "rows/a.csv", &rows);
        let before: Vec<_> = world.state_files(".sqlite");

        let said = world.verify(&["--format", "ndjson"]).exits(5);

        let found = found(&said);
        assert!(
            found.contains(&("differs".into(), "a.tif".into())),
            "{found:?}"
        );
        let is = |finding: &str, start: &str| {
            found
                .iter()
                .filter(|(is, name)| is == finding && name.starts_with(start))
                .count()
        };
        assert_eq!((is("missing", "ri1_taxa"), is("extra", "ri1_taxa")), (1, 1));
        assert_eq!((is("missing", "ri1_a"), is("extra", "ri1_a")), (1, 1));
        assert_eq!(found.len(), 5, "{found:?}");
        assert_eq!(world.state_files(".sqlite"), before);
        assert!(world.writes().is_empty());
    });
}

#[test]
fn missing_different_and_extra_files_are_told_apart() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a.tif", "aaaa")
            .file("data/b.tif", "bbbb")
            .file("data/c.tif", "cccc");
        world.run(&[]).exits(0);
        world
            .file("data/a.tif", "aXaa")
            .file("data/b.tif", "longer")
            .remove("data/c.tif")
            .file("data/d.tif", "dddd");

        let said = world.verify(&["--format", "ndjson"]).exits(5);

        let wanted = [
            ("differs", "a.tif"),
            ("differs", "b.tif"),
            ("extra", "c.tif"),
            ("missing", "d.tif"),
        ];
        assert_eq!(
            found(&said),
            wanted.map(|(finding, name)| (finding.to_owned(), name.to_owned()))
        );
        let lines = said.lines();
        assert_eq!(lines[1]["md5"], Md5Digest::of(b"longer").to_string());
        assert_eq!(lines[1]["found"]["md5"], Md5Digest::of(b"bbbb").to_string());
        // The manifest says `extra: report`: that one is no mismatch.
        assert_eq!(lines[2]["allowed"], true);
        let counts = &said.last_line()["counts"];
        assert_eq!(
            (&counts["differs"], &counts["missing"]),
            (&2.into(), &1.into())
        );
        world
            .verify(&[])
            .exits(5)
            .says("Not verified: 1 missing, 2 different");

        world
            .file("data/a.tif", "aaaa")
            .file("data/b.tif", "bbbb")
            .remove("data/d.tif");
        world.verify(&[]).exits(0).says("allowed by the manifest");
        world.manifest(&format!("{SCANS}    extra: fail\n"));
        world.verify(&[]).exits(5).tells("1 too much");
    });
}

#[test]
fn a_selection_verifies_its_jobs_only() {
    under_both(|world| {
        delivered(&world);
        world.file("data/a.tif", "aXaa");

        world
            .verify(&["--select", "n", "--select", "taxa"])
            .exits(0);
        world.verify(&["--select", "scans"]).exits(5);
        world.verify(&["--select", "nobody"]).exits(64);
    });
}

#[test]
fn bytes_that_rotted_behind_a_good_listing_are_found_when_they_are_read_back() {
    under_both(|world| {
        world.manifest(SCANS);
        let body = noise(1, 100_000);
        world.file("data/a.bin", &body);
        world.run(&[]).exits(0);
        world.sandbox().clear_requests();

        let line = world
            .verify(&["--read-back", "all", "--format", "json"])
            .exits(0)
            .last_line();

        assert_eq!(line["counts"]["read_back"], 1);
        assert_eq!(world.asked(Operation::GetFile).len(), 1);
        assert!(world.writes().is_empty());

        rot_stored(&world, &body);
        world.verify(&[]).exits(0);
        let said = world
            .verify(&["--read-back", "all", "--format", "ndjson"])
            .exits(5);
        assert_eq!(found(&said), [("differs".to_owned(), "a.bin".to_owned())]);
        assert_eq!(said.lines()[0]["reason"], "other_bytes");
    });
}

/// Damages a stored body where the sandbox keeps it.
fn rot_stored(world: &World, body: &[u8]) {
    let mut found = 0;
    for entry in walkdir::WalkDir::new(world.root().join("sandbox")) {
        let path = entry.unwrap().into_path();
        if path.is_file() && std::fs::read(&path).unwrap() == body {
            let mut other = body.to_vec();
            other[500] ^= 1;
            std::fs::write(&path, other).unwrap();
            found += 1;
        }
    }
    assert_eq!(found, 1);
}

#[test]
fn a_file_without_an_md5_on_the_remote_is_read_back_for_a_real_verdict() {
    // Under this character files through sessions of 8 MiB and more have none.
    let world = World::new(Character::Worst);
    world.manifest(SCANS);
    let body = noise(2, 33 << 20);
    world.file("data/large.bin", &body);
    world.run(&[]).exits(0);
    world.sandbox().clear_requests();

    world
        .verify(&["--read-back", "never"])
        .exits(75)
        .says("1 not told by the platform");
    let line = world.verify(&["--format", "json"]).exits(0).last_line();

    assert_eq!(line["counts"]["read_back"], 1);
    let reads = world.asked(Operation::GetFile);
    assert!(
        reads
            .iter()
            .any(|one| one.method == redivis_ingest::sandbox::Method::Get)
    );

    let mut other = body;
    other[7] ^= 1;
    world.file("data/large.bin", &other);
    world.verify(&[]).exits(5).tells("read back: other bytes");
}

#[test]
fn reading_back_outlives_answers_that_break_off() {
    under_both(|world| {
        world.manifest(SCANS).file("data/a.bin", noise(3, 300_000));
        world.run(&[]).exits(0);
        for fault in [
            Fault::TruncateAnswer { bytes: 1000 },
            Fault::Status {
                code: 503,
                retry_after: None,
            },
            Fault::Reset,
        ] {
            world.faults(FaultScript::none().with(Operation::GetFile, Nth::First(1), fault));
            world.verify(&["--read-back", "all"]).exits(0);
        }
    });
}

#[test]
fn rows_that_arrived_twice_are_too_many() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        let name = world.upload_names("n").pop().unwrap();
        let (identity, _) = name.rsplit_once('_').unwrap();
        let rows: Vec<String> = (1000..1010).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
        world.put_stream(
            "n",
            &format!("{identity}_zzzzzzzz"),
            r#"[{"name":"n","type":"integer"}]"#,
            &format!("[{}]", rows.join(",")),
        );

        let said = world.verify(&["--format", "ndjson"]).exits(5);

        assert_eq!(said.lines()[0]["reason"], "duplicate");
        assert_eq!(said.lines()[0]["finding"], "extra");
    });
}

#[test]
fn counts_that_lag_are_waited_for_and_then_unverified() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        let name = world.upload_names("n").pop().unwrap();
        // A part of ours whose rows never came in full.
        let uri = format!("{}/uploads/{name}", World::table_uri("n"));
        assert_eq!(world.http("DELETE", &uri, "").0, 200);
        while world.http("GET", &uri, "").0 == 200 {}
        let (identity, _) = name.rsplit_once('_').unwrap();
        let schema = r#"[{"name":"n","type":"integer"}]"#;
        world.put_stream(
            "n",
            &format!("{identity}_zzzzzzzz"),
            schema,
            r#"[{"n":1000}]"#,
        );

        let said = world.verify(&["--format", "ndjson"]).exits(75);

        assert_eq!(said.lines()[0]["finding"], "unverified");
        assert_eq!(said.lines().len(), 2);
        assert!(said.last_line()["exit_word"] == "temporary");
    });
}

#[test]
fn a_missing_table_and_a_changed_description_are_mismatches() {
    under_both(|world| {
        world.manifest(SCANS).file("data/a.tif", "aaaa");
        let said = world.verify(&["--format", "ndjson"]).exits(5);
        let names: Vec<String> = found(&said).into_iter().map(|one| one.1).collect();
        assert_eq!(names, ["demo.survey.scans", "a.tif"]);

        let described = format!("tables: {{ scans: {{ description: new }} }}{SCANS}");
        world.run(&[]).exits(0);
        world.manifest(&described);
        let said = world.verify(&["--format", "ndjson"]).exits(5);
        assert_eq!(said.lines()[0]["reason"], "setting_differs");
        assert!(
            world
                .writes()
                .iter()
                .all(|one| one.operation != Operation::PatchTable)
        );
    });
}

#[test]
fn a_source_that_cannot_be_read_is_no_mismatch() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        world.file("rows/b.csv", "n\n\"1\n");

        world.verify(&[]).exits(66).warns("rows/b.csv");

        world.file("rows/b.csv", "n\nx\n");
        world.verify(&[]).exits(3);
    });
}

#[test]
fn a_replaced_table_is_verified_in_the_draft_and_in_the_release() {
    under_both(|world| {
        let jobs = format!("tables: {{ n: {{ merge: replace }} }}{NUMBERS}");
        world.manifest(&jobs).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        world.verify(&[]).exits(0);
        world.release();
        world.verify(&[]).exits(0);
        world.file("rows/a.csv", csv(1000..1009));
        world.verify(&[]).exits(5);
    });
}
