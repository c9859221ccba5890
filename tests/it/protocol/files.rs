//! Files of file-index tables: attaching, listing, reading back.

use std::io::Read as _;

use arrow_array::{Array, Int64Array, StringArray};
use arrow_ipc::reader::StreamReader;
use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{Behaviour, Character, DigestForm, SandboxOptions, Seed};

use super::raw::{Peer, both, noise};

const LIST: &str = "/tables/demo.survey:next.scans/rawFiles?format=arrow";

/// Name, size and MD5 of each listed file.
fn listing(peer: &Peer, path: &str, column: &str) -> Vec<(String, i64, Option<String>)> {
    let reply = peer.get(path).expect(200);
    let reader = StreamReader::try_new(&reply.body[..], None).unwrap();
    let mut all = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let text = |name: &str| {
            let column = batch.column_by_name(name).unwrap();
            column
                .as_any()
                .downcast_ref::<StringArray>()
                .unwrap()
                .clone()
        };
        let sizes = batch.column_by_name("size").unwrap();
        let sizes = sizes.as_any().downcast_ref::<Int64Array>().unwrap();
        let (ids, names, hashes) = (text("file_id"), text(column), text("md5_hash"));
        assert!(batch.column_by_name("added_at").is_some());
        for row in 0..batch.num_rows() {
            assert_eq!(ids.value(row).len(), 37);
            let hash = hashes.is_valid(row).then(|| hashes.value(row).to_owned());
            all.push((names.value(row).to_owned(), sizes.value(row), hash));
        }
    }
    all
}

/// Lists until the lag has passed.
fn settled(peer: &Peer) -> Vec<(String, i64, Option<String>)> {
    for _ in 0..3 {
        listing(peer, LIST, "file_name");
    }
    listing(peer, LIST, "file_name")
}

#[test]
fn attached_files_are_answered_and_listed() {
    both(|character, peer| {
        let bytes = noise(1000);
        let one = peer.stage("scans", "a/b.txt", &bytes);
        let two = peer.stage("scans", "c.txt", b"");
        let reply = peer
            .attach(&[("a/b.txt", &one), ("c.txt", &two)])
            .expect(201)
            .json();
        assert_eq!(reply["kind"], "rawFileList");
        let first = &reply["results"][0];
        assert_eq!(first["kind"], "rawFile");
        assert_eq!(first["name"], "a/b.txt");
        assert_eq!(first["size"], 1000);
        let md5 = Md5Digest::of(&bytes);
        let shown = match character {
            Character::Friendly => md5.to_base64(),
            Character::Worst => md5.to_string(),
        };
        assert_eq!(first["md5Hash"], shown);

        let at_once = listing(peer, LIST, "file_name");
        let wanted = vec![
            ("a/b.txt".to_owned(), 1000, Some(md5.to_base64())),
            ("c.txt".to_owned(), 0, Some(Md5Digest::of(b"").to_base64())),
        ];
        match character {
            Character::Friendly => assert_eq!(at_once, wanted),
            Character::Worst => assert!(at_once.is_empty()),
        }
        assert_eq!(settled(peer), wanted);
    });
}

#[test]
fn the_name_column_can_be_renamed() {
    both(|_, peer| {
        let id = peer.stage("scans", "x", b"1");
        peer.attach(&[("x", &id)]).expect(201);
        settled(peer);
        let path = format!("{LIST}&fileNameVariable=path");
        assert_eq!(listing(peer, &path, "path")[0].0, "x");
    });
}

#[test]
fn a_listing_of_many_files_is_whole() {
    // The bytes do not matter here: temp uploads without any are taken.
    let peer = Peer::start(SandboxOptions {
        behaviour: Some(Behaviour {
            missing_bytes: redivis_ingest::sandbox::MissingBytes::StoreWhatIsThere,
            ..Behaviour::friendly()
        }),
        seed: Seed {
            datasets: vec!["demo.survey".into()],
        },
        ..SandboxOptions::default()
    });
    peer.post(
        "/datasets/demo.survey:next/tables",
        r#"{"name":"scans","isFileIndex":true}"#,
    )
    .success();
    for batch in 0..21 {
        let entries = r#"{"size":0},"#.repeat(1000);
        let body = format!(r#"{{"tempUploads":[{}]}}"#, entries.trim_end_matches(','));
        let made = peer
            .post("/tables/demo.survey:next.scans/tempUploads", &body)
            .success()
            .json();
        let named: Vec<(String, String)> = made["results"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(n, temp)| {
                (
                    format!("{batch:02}/{n:04}"),
                    temp["id"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        let named: Vec<(&str, &str)> = named
            .iter()
            .map(|(n, i)| (n.as_str(), i.as_str()))
            .collect();
        peer.attach(&named).expect(201);
    }
    let all = listing(&peer, LIST, "file_name");

    assert_eq!(all.len(), 21_000);
    assert_eq!(
        (all[0].0.as_str(), all[20_999].0.as_str()),
        ("00/0000", "20/0999")
    );
}

#[test]
fn a_name_that_is_there_is_replaced() {
    both(|_, peer| {
        for text in [b"one".as_slice(), b"three"] {
            let id = peer.stage("scans", "x", text);
            peer.attach(&[("x", &id)]).expect(201);
        }
        let all = settled(peer);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].1, 5);
    });
}

#[test]
fn an_id_is_used_once() {
    both(|_, peer| {
        let id = peer.stage("scans", "x", b"1");
        peer.attach(&[("x", &id)]).expect(201);
        peer.attach(&[("y", &id)]).expect(400);
        let twice = peer.stage("scans", "z", b"1");
        peer.attach(&[("z1", &twice), ("z2", &twice)]).expect(400);
    });
}

#[test]
fn a_refused_call_keeps_and_spends_what_the_character_says() {
    both(|character, peer| {
        let one = peer.stage("scans", "a", b"1");
        let two = peer.stage("scans", "b", b"2");
        peer.attach(&[("a", &one), ("bad", "unknown"), ("b", &two)])
            .expect(400);

        let names: Vec<_> = settled(peer).into_iter().map(|(name, ..)| name).collect();
        let retry = peer.attach(&[("a", &one), ("b", &two)]).status;
        match character {
            Character::Friendly => {
                assert!(names.is_empty());
                assert_eq!(retry, 201);
            }
            Character::Worst => {
                assert_eq!(names, ["a"]);
                assert_eq!(retry, 400);
            }
        }
    });
}

#[test]
fn missing_and_short_bytes_are_refused_or_taken_as_they_are() {
    both(|character, peer| {
        let (missing, _) = peer.temp("scans", "m", 5, false);
        let (short, url) = peer.temp("scans", "s", 5, false);
        peer.storage("PUT", &url, &[], b"abc").expect(200);
        let replies = [
            peer.attach(&[("m", &missing)]),
            peer.attach(&[("s", &short)]),
        ];
        match character {
            Character::Friendly => replies.into_iter().for_each(|reply| {
                reply.expect(400);
            }),
            Character::Worst => {
                let sizes: Vec<_> = replies
                    .into_iter()
                    .map(|reply| reply.expect(201).json()["results"][0]["size"].clone())
                    .collect();
                assert_eq!(sizes, [0, 3]);
            }
        }
    });
}

#[test]
fn only_index_tables_take_files_and_only_others_take_uploads() {
    both(|_, peer| {
        let id = peer.stage("readings", "x", b"1");
        peer.post(
            "/tables/demo.survey:next.readings/rawFiles",
            &format!(r#"{{"files":[{{"name":"x","tempUploadId":"{id}"}}]}}"#),
        )
        .expect(400);
        peer.get("/tables/demo.survey:next.readings/rawFiles?format=arrow")
            .expect(400);
        peer.post(
            "/tables/demo.survey:next.scans/uploads",
            r#"{"name":"s","type":"stream"}"#,
        )
        .expect(400);
        let other = peer.stage("readings", "y", b"1");
        peer.attach(&[("y", &other)]).expect(400);
        peer.post("/tables/demo.survey:next.scans/rawFiles", r#"{"files":[]}"#)
            .expect(400);
    });
}

#[test]
fn odd_names_are_taken_or_not() {
    both(|character, peer| {
        let attach = |name: &str| {
            let id = peer.stage("scans", name, b"1");
            peer.attach(&[(name, &id)]).status
        };
        assert_eq!(attach(&"n".repeat(1024)), 201);
        assert_eq!(attach(&"n".repeat(1025)), 400);
        assert_eq!(attach("dir/file"), 201);
        let odd = [
            attach("../up"),
            attach("/abs"),
            attach("a//b"),
            attach("dir"),
            attach("dir/file/deeper"),
        ];
        let wanted = match character {
            Character::Friendly => 201,
            Character::Worst => 400,
        };
        assert_eq!(odd, [wanted; 5]);
    });
}

#[test]
fn an_unchanged_listing_is_not_sent_again() {
    both(|_, peer| {
        let id = peer.stage("scans", "x", b"1");
        peer.attach(&[("x", &id)]).expect(201);
        let since = |date: &str| peer.api("GET", LIST, &[("If-Modified-Since", date)], b"");

        let fresh = since("Fri, 01 Jan 2100 00:00:00 GMT").expect(304);
        assert!(fresh.body.is_empty());
        since("Sat, 01 Jan 2000 00:00:00 GMT").expect(200);
    });
}

#[test]
fn the_json_list_is_there_or_not() {
    both(|character, peer| {
        let id = peer.stage("scans", "x", b"1");
        peer.attach(&[("x", &id)]).expect(201);
        let reply = peer.get("/tables/demo.survey:next.scans/rawFiles");
        match character {
            Character::Friendly => {
                assert_eq!(reply.expect(200).json()["results"][0]["name"], "x");
            }
            Character::Worst => {
                reply.expect(400);
            }
        }
    });
}

#[test]
fn files_are_read_back_whole_and_in_ranges() {
    both(|_, peer| {
        let bytes = noise(400_000);
        let staged = peer.stage("scans", "a b.png", &bytes);
        let made = peer.attach(&[("a b.png", &staged)]).expect(201).json();
        let uri = made["results"][0]["uri"].as_str().unwrap().to_owned();

        let whole = peer.get(&uri).expect(200);
        assert!(whole.body == bytes);
        assert_eq!(whole.header("content-type"), Some("image/png"));
        let md5 = Md5Digest::of(&bytes).to_base64();
        assert_eq!(whole.header("digest"), Some(format!("md5={md5}").as_str()));
        let piece = peer
            .api("GET", &uri, &[("Range", "bytes=100-199")], b"")
            .expect(206);
        assert!(piece.body == bytes[100..200]);
        assert_eq!(piece.header("content-range"), Some("bytes 100-199/400000"));
        peer.api("GET", &uri, &[("Range", "bytes=400000-")], b"")
            .expect(416);
        let head = peer.api("HEAD", &uri, &[], b"");
        assert_eq!(head.header("content-length"), Some("400000"));
        assert_eq!(head.header("x-redivis-filename"), Some("a%20b.png"));
        peer.get("/rawFiles/0000-000000000.aaaaaaaaaaaaaaaaaaaaaa")
            .expect(404);
    });
}

#[test]
fn composed_objects_may_have_no_md5() {
    both(|character, peer| {
        let bytes = noise(8 << 20);
        let (id, url) = peer.session("scans", "big", bytes.len());
        let last = peer.chunk(&url, &bytes, 0, bytes.len()).expect(200);
        let made = peer.attach(&[("big", &id)]).expect(201).json();
        let uri = made["results"][0]["uri"].as_str().unwrap();
        let head = peer.api("HEAD", uri, &[], b"");
        let has_md5 = [
            last.header("x-goog-hash").is_some(),
            !made["results"][0]["md5Hash"].is_null(),
            settled(peer)[0].2.is_some(),
            head.header("digest").is_some(),
        ];

        assert_eq!(has_md5, [character == Character::Friendly; 4]);
    });
}

#[test]
fn every_switch_works_on_its_own() {
    let peer = Peer::start(SandboxOptions {
        behaviour: Some(Behaviour {
            file_md5_form: DigestForm::Hex,
            ..Behaviour::friendly()
        }),
        seed: Seed {
            datasets: vec!["demo.survey".into()],
        },
        ..SandboxOptions::default()
    });
    peer.post(
        "/datasets/demo.survey:next/tables",
        r#"{"name":"scans","isFileIndex":true}"#,
    )
    .success();
    let id = peer.stage("scans", "x", b"1");
    let made = peer.attach(&[("x", &id)]).expect(201).json();
    let shown = made["results"][0]["md5Hash"].as_str().unwrap();
    assert_eq!(shown, Md5Digest::of(b"1").to_string());
    let mut text = String::new();
    let seen = peer.sandbox.inspect();
    let file = seen
        .table("demo.survey", "next", "scans")
        .unwrap()
        .file("x")
        .unwrap();
    file.open().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "1");
}
