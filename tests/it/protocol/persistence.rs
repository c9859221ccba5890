//! State that outlives a process: whatever was acknowledged is there again, with
//! open sessions at their offsets and their URLs unchanged.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use redivis_ingest::sandbox::{Character, Sandbox, SandboxError, SandboxOptions, Seed};

use super::raw::{Peer, noise};

const UNIT: usize = 262_144;

fn options(folder: &Path) -> SandboxOptions {
    SandboxOptions {
        data_dir: Some(folder.to_owned()),
        seed: Seed {
            datasets: vec!["demo.survey".into()],
        },
        ..SandboxOptions::default()
    }
}

fn start(folder: &Path) -> Peer {
    Peer::start(options(folder))
}

fn with_tables(folder: &Path) -> Peer {
    let peer = start(folder);
    for (name, is_index) in [("scans", true), ("readings", false)] {
        let body = format!(r#"{{"name":"{name}","isFileIndex":{is_index}}}"#);
        peer.post("/datasets/demo.survey:next/tables", &body)
            .success();
    }
    peer
}

/// What a killed process leaves: the folder as it is at this moment.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Fills a sandbox with one of each.
fn fill(peer: &Peer) {
    for (name, bytes) in [("small", noise(100)), ("large", noise(300_000))] {
        let id = peer.stage("scans", name, &bytes);
        peer.attach(&[(name, &id)]).expect(201);
    }
    let uploads = "/tables/demo.survey:next.readings/uploads";
    peer.post(
        uploads,
        r#"{"name":"s","type":"stream","schema":[{"name":"a","type":"date"}]}"#,
    )
    .success();
    let rows = format!("{uploads}/s/rows");
    peer.post(&rows, r#"{"rows":[{"a":"2024-01-01"}]}"#)
        .expect(201);
    peer.post(&rows, r#"{"rows":[{"a":null}]}"#).expect(201);
    peer.api("POST", &format!("{uploads}?name=f.csv"), &[], b"x\n1\n")
        .success();
    peer.patch(
        "/tables/demo.survey:next.readings",
        r#"{"uploadMergeStrategy":"replace","description":"d"}"#,
    )
    .expect(200);
    peer.post(
        "/datasets/demo.survey/versions/next/release",
        r#"{"releaseNotes":"n"}"#,
    )
    .expect(200);
    peer.post("/datasets/demo.survey/versions", "").success();
    let id = peer.stage("scans", "late", b"late");
    peer.attach(&[("late", &id)]).expect(201);
}

/// Everything that a client can see of it.
fn seen(peer: &Peer) -> Vec<String> {
    let mut all = Vec::new();
    for path in [
        "/datasets/demo.survey",
        "/datasets/demo.survey/versions",
        "/datasets/demo.survey/versions/v1.0",
        "/datasets/demo.survey:next/tables",
        "/datasets/demo.survey:v1_0/tables",
        "/tables/demo.survey:v1_0.readings/uploads",
        "/tables/demo.survey:v1_0.readings/uploads/s",
        "/tables/demo.survey:v1_0.readings/variables",
        "/tables/demo.survey:next.scans/rawFiles",
        "/tables/demo.survey:v1_0.scans/rawFiles",
        "/tables/demo.survey:next.scans/rawFiles?format=arrow",
    ] {
        all.push(peer.get(path).expect(200).text());
    }
    let inside = peer.sandbox.inspect();
    let readings = inside.table("demo.survey", "next", "readings").unwrap();
    all.extend(readings.inserted_rows().unwrap());
    let scans = inside.table("demo.survey", "next", "scans").unwrap();
    for file in &scans.files {
        all.push(format!("{} {:?}", file.name, file.bytes().unwrap()));
    }
    all
}

#[test]
fn a_restart_shows_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let peer = with_tables(folder.path());
    fill(&peer);
    let before = seen(&peer);
    drop(peer);
    let peer = start(folder.path());
    assert_eq!(seen(&peer), before);
    drop(peer);

    // The log was rewritten by then; read that too.
    assert_eq!(seen(&start(folder.path())), before);
}

#[test]
fn what_a_killed_process_has_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let peer = with_tables(folder.path());
    fill(&peer);
    let killed = tempfile::tempdir().unwrap();
    copy(folder.path(), killed.path());
    let before = seen(&peer);
    drop(peer);

    assert_eq!(seen(&start(killed.path())), before);
}

#[test]
fn a_session_goes_on_at_its_offset_under_the_same_url() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = noise(3 * UNIT);
    let peer = with_tables(folder.path());
    let (id, url) = peer.session("scans", "big", bytes.len());
    peer.chunk(&url, &bytes[..2 * UNIT], 0, bytes.len())
        .expect(308);
    drop(peer);

    let peer = start(folder.path());
    let asked = peer.status(&url, bytes.len()).expect(308);
    assert_eq!(asked.header("range"), Some("bytes=0-524287"));
    peer.chunk(&url, &bytes[2 * UNIT..], 2 * UNIT, bytes.len())
        .expect(200);
    drop(peer);

    let peer = start(folder.path());
    peer.status(&url, bytes.len()).expect(200);
    peer.attach(&[("big", &id)]).expect(201);
    let inside = peer.sandbox.inspect();
    let table = inside.table("demo.survey", "next", "scans").unwrap();
    assert!(table.file("big").unwrap().bytes().unwrap() == bytes);
}

#[test]
fn a_staged_file_can_be_attached_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let peer = with_tables(folder.path());
    let id = peer.stage("scans", "a", b"bytes");
    let (_, unused) = peer.temp("scans", "b", 1, false);
    drop(peer);

    let peer = start(folder.path());
    peer.attach(&[("a", &id)]).expect(201);
    peer.storage("PUT", &unused, &[], b"x").expect(200);
    drop(peer);

    let peer = start(folder.path());
    peer.attach(&[("a2", &id)]).expect(400);
}

#[test]
fn a_torn_last_line_is_cut_off_and_a_damaged_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_tables(folder.path()));
    let log = folder.path().join("sandbox.log");
    let good = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, format!("{good}{{\"Table\":{{\"na")).unwrap();
    let peer = start(folder.path());
    peer.get("/tables/demo.survey:next.scans").expect(200);
    drop(peer);

    std::fs::write(&log, format!("{{broken\n{good}")).unwrap();
    let error = Sandbox::start(options(folder.path())).unwrap_err();
    assert!(matches!(error, SandboxError::Journal(_)), "{error}");
}

#[test]
fn a_deleted_thing_stays_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let peer = with_tables(folder.path());
    fill(&peer);
    let uploads = "/tables/demo.survey:next.readings/uploads";
    peer.post(uploads, r#"{"name":"mine","type":"stream"}"#)
        .success();
    peer.api("DELETE", &format!("{uploads}/mine"), &[], b"")
        .expect(200);
    peer.api("DELETE", "/tables/demo.survey:next.scans", &[], b"")
        .expect(200);
    drop(peer);

    let peer = start(folder.path());
    peer.get(&format!("{uploads}/mine")).expect(404);
    peer.get("/tables/demo.survey:next.scans").expect(404);
    peer.get("/tables/demo.survey:v1_0.scans").expect(200);
}

#[test]
fn bytes_that_nobody_refers_to_are_swept_away() {
    let folder = tempfile::tempdir().unwrap();
    let peer = with_tables(folder.path());
    let (_, url) = peer.temp("scans", "a", 300_000, false);
    for _ in 0..3 {
        peer.storage("PUT", &url, &[], &noise(300_000)).expect(200);
    }
    drop(peer);
    std::fs::write(folder.path().join("bodies/stray"), "x").unwrap();
    drop(start(folder.path()));

    let names: Vec<_> = std::fs::read_dir(folder.path().join("bodies"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn the_folder_is_private_and_belongs_to_one() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("state");
    let peer = with_tables(&inside);
    fill(&peer);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inside), 0o700);
    for name in ["sandbox.log", "settings.json", "bodies/small.pack"] {
        assert_eq!(mode(&inside.join(name)), 0o600, "{name}");
    }

    let error = Sandbox::start(options(&inside)).unwrap_err();
    assert!(matches!(error, SandboxError::InUse { .. }), "{error}");
}

#[test]
fn the_worst_character_s_lags_end_with_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let worst = || SandboxOptions {
        character: Character::Worst,
        ..options(folder.path())
    };
    let peer = Peer::start(worst());
    peer.post(
        "/datasets/demo.survey:next/tables",
        r#"{"name":"readings"}"#,
    )
    .success();
    let uploads = "/tables/demo.survey:next.readings/uploads";
    peer.post(uploads, r#"{"name":"s","type":"stream"}"#)
        .success();
    peer.post(&format!("{uploads}/s/rows"), r#"{"rows":[{"a":1}]}"#)
        .expect(201);
    drop(peer);

    let peer = Peer::start(worst());
    assert_eq!(peer.get(&format!("{uploads}/s")).json()["numRows"], "1");
}
