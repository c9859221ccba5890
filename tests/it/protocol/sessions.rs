//! Resumable sessions: the rules of chunks, offsets and ends (contract 9).

use std::time::Duration;

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{Character, Clock, ManualClock, SandboxOptions, Seed};

use super::raw::{Peer, both, noise};

const UNIT: usize = 262_144;

fn stored(peer: &Peer, id: &str, name: &str) -> Vec<u8> {
    peer.attach(&[(name, id)]).expect(201);
    let seen = peer.sandbox.inspect();
    let table = seen.table("demo.survey", "next", "scans").unwrap();
    table.file(name).unwrap().bytes().unwrap()
}

#[test]
fn chunks_add_up_and_the_server_says_how_far_it_is() {
    both(|_, peer| {
        let bytes = noise(2 * UNIT + 1000);
        let total = bytes.len();
        let (id, url) = peer.session("scans", "a", total);
        let none = peer.status(&url, total).expect(308);
        assert_eq!(none.header("range"), None);
        assert_eq!(none.header("location"), None);

        let first = peer.chunk(&url, &bytes[..UNIT], 0, total).expect(308);
        assert_eq!(first.header("range"), Some("bytes=0-262143"));
        let second = peer
            .chunk(&url, &bytes[UNIT..2 * UNIT], UNIT, total)
            .expect(308);
        assert_eq!(second.header("range"), Some("bytes=0-524287"));
        let asked = peer.status(&url, total).expect(308);
        assert_eq!(asked.header("range"), Some("bytes=0-524287"));
        let last = peer
            .chunk(&url, &bytes[2 * UNIT..], 2 * UNIT, total)
            .expect(200);
        assert_eq!(
            last.header("x-goog-hash"),
            Some(format!("md5={}", Md5Digest::of(&bytes).to_base64()).as_str())
        );
        peer.status(&url, total).expect(200);

        assert!(stored(peer, &id, "a") == bytes);
    });
}

#[test]
fn all_in_one_put_is_allowed() {
    both(|_, peer| {
        let bytes = noise(UNIT + 7);
        let (id, url) = peer.session("scans", "a", bytes.len());
        peer.chunk(&url, &bytes, 0, bytes.len()).expect(200);

        assert!(stored(peer, &id, "a") == bytes);
    });
}

#[test]
fn a_chunk_that_is_no_multiple_is_refused_and_changes_nothing() {
    both(|_, peer| {
        let bytes = noise(2 * UNIT);
        let (_, url) = peer.session("scans", "a", bytes.len());
        peer.chunk(&url, &bytes[..=UNIT], 0, bytes.len())
            .expect(400);

        let asked = peer.status(&url, bytes.len()).expect(308);
        assert_eq!(asked.header("range"), None);
    });
}

#[test]
fn bytes_that_are_there_already_are_ignored() {
    both(|_, peer| {
        let bytes = noise(3 * UNIT);
        let (id, url) = peer.session("scans", "a", bytes.len());
        peer.chunk(&url, &bytes[..2 * UNIT], 0, bytes.len())
            .expect(308);
        // From the start again, with other bytes in the part that is kept.
        let mut again = bytes.clone();
        again[5] = !again[5];
        peer.chunk(&url, &again, 0, bytes.len()).expect(200);

        assert!(stored(peer, &id, "a") == bytes);
    });
}

#[test]
fn a_gap_is_an_error() {
    both(|_, peer| {
        let bytes = noise(2 * UNIT);
        let (_, url) = peer.session("scans", "a", bytes.len());
        let reply = peer.chunk(&url, &bytes[UNIT..], UNIT, bytes.len());

        assert!(reply.status >= 400, "{}", reply.status);
    });
}

#[test]
fn a_wrong_total_is_refused() {
    both(|_, peer| {
        let bytes = noise(UNIT);
        let (_, url) = peer.session("scans", "a", bytes.len());

        peer.chunk(&url, &bytes, 0, bytes.len() + 1).expect(400);
        peer.status(&url, bytes.len() + 1).expect(400);
        let odd = [("Content-Range", "bytes 5-4/10")];
        peer.storage("PUT", &url, &odd, b"x").expect(400);
        let other_length = [("Content-Range", "bytes 0-262143/262144")];
        peer.storage("PUT", &url, &other_length, b"x").expect(400);
    });
}

#[test]
fn an_unknown_total_is_told_by_the_last_chunk() {
    both(|_, peer| {
        let bytes = noise(UNIT + 5);
        let (id, url) = peer.temp("scans", "a", bytes.len(), true);
        let start = [("x-goog-resumable", "start")];
        let opened = peer.storage("POST", &url, &start, b"").success();
        let session = opened.header("location").unwrap().to_owned();
        let open_end = [("Content-Range", "bytes 0-262143/*")];
        peer.storage("PUT", &session, &open_end, &bytes[..UNIT])
            .expect(308);
        let any = [("Content-Range", "bytes */*")];
        let asked = peer.storage("PUT", &session, &any, b"").expect(308);
        assert_eq!(asked.header("range"), Some("bytes=0-262143"));
        peer.chunk(&session, &bytes[UNIT..], UNIT, bytes.len())
            .expect(200);

        assert!(stored(peer, &id, "a") == bytes);
    });
}

#[test]
fn the_word_bytes_may_be_missing_in_a_query() {
    both(|_, peer| {
        let (_, url) = peer.session("scans", "a", 10);
        peer.storage("PUT", &url, &[("Content-Range", "*/10")], b"")
            .expect(308);
    });
}

#[test]
fn an_empty_file_needs_no_range() {
    both(|_, peer| {
        for (name, range) in [("a", None), ("b", Some(("Content-Range", "bytes */0")))] {
            let (id, url) = peer.session("scans", name, 0);
            let headers: Vec<_> = range.into_iter().collect();
            peer.storage("PUT", &url, &headers, b"").expect(200);
            assert!(stored(peer, &id, name).is_empty());
        }
    });
}

#[test]
fn opening_needs_a_content_length() {
    both(|_, peer| {
        let (_, url) = peer.temp("scans", "a", 1, true);
        let path = url.splitn(4, '/').nth(3).unwrap();
        let text = format!(
            "POST /{path} HTTP/1.1\r\nx-goog-resumable: start\r\nx-upload-content-length: 1\r\nConnection: close\r\n\r\n"
        );
        let reply = super::raw::send(peer.storage, text.as_bytes()).unwrap();
        assert_eq!(reply.status, 411);
    });
}

#[test]
fn each_opening_makes_a_session_of_its_own() {
    both(|_, peer| {
        let bytes = noise(UNIT);
        let (_, url) = peer.temp("scans", "a", UNIT, true);
        let start = [("x-goog-resumable", "start")];
        let open = || {
            let reply = peer.storage("POST", &url, &start, b"").success();
            reply.header("location").unwrap().to_owned()
        };
        let (one, other) = (open(), open());
        assert_ne!(one, other);
        peer.chunk(&one, &bytes, 0, UNIT).expect(200);

        peer.status(&other, UNIT).expect(308);
        assert_eq!(peer.sandbox.inspect().open_sessions, 1);
    });
}

#[test]
fn a_session_lives_a_day() {
    for character in [Character::Friendly, Character::Worst] {
        let hand = ManualClock::at(1_700_000_000_000);
        let peer = Peer::start(SandboxOptions {
            character,
            clock: Clock::Manual(hand.clone()),
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
        let (_, url) = peer.session("scans", "a", 10);
        hand.advance(Duration::from_secs(24 * 3600));
        peer.status(&url, 10).expect(308);
        hand.advance(Duration::from_secs(1));
        peer.status(&url, 10).expect(410);
        peer.chunk(&url, &noise(10), 0, 10).expect(410);
    }
}

#[test]
fn a_cancelled_session_is_gone() {
    both(|_, peer| {
        let (_, url) = peer.session("scans", "a", 10);
        peer.storage("DELETE", &url, &[], b"").expect(499);
        peer.status(&url, 10).expect(499);
        peer.status(&format!("{url}x"), 10).expect(404);
    });
}

#[test]
fn bytes_before_a_cut_are_kept_in_whole_units() {
    both(|_, peer| {
        let bytes = noise(3 * UNIT);
        let (id, url) = peer.session("scans", "a", bytes.len());
        let path = url.splitn(4, '/').nth(3).unwrap();
        let head = format!(
            "PUT /{path} HTTP/1.1\r\nContent-Length: {}\r\nContent-Range: bytes 0-{}/{}\r\n\r\n",
            bytes.len(),
            bytes.len() - 1,
            bytes.len()
        );
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", peer.storage)).unwrap();
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        std::io::Write::write_all(&mut stream, &bytes[..UNIT + 100]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut rest).unwrap();

        let asked = peer.status(&url, bytes.len()).expect(308);
        assert_eq!(asked.header("range"), Some("bytes=0-262143"));
        peer.chunk(&url, &bytes[UNIT..], UNIT, bytes.len())
            .expect(200);
        assert!(stored(peer, &id, "a") == bytes);
    });
}

#[test]
fn the_older_dialect_hands_out_a_session() {
    both(|_, peer| {
        let bytes = noise(UNIT + 3);
        let table = "/tables/demo.survey:next.scans/resumableUpload";
        let by_query = peer.api("POST", &format!("{table}?size={}", bytes.len()), &[], b"");
        let answer = by_query.success().json();
        assert_eq!(answer["kind"], "resumableUpload");
        let url = answer["url"].as_str().unwrap();
        peer.chunk(url, &bytes[..UNIT], 0, bytes.len()).expect(308);
        peer.chunk(url, &bytes[UNIT..], UNIT, bytes.len())
            .expect(200);
        let id = answer["id"].as_str().unwrap();
        peer.post(
            "/tables/demo.survey:next.scans/rawFiles",
            &format!(r#"{{"files":[{{"name":"a","resumableUploadId":"{id}"}}]}}"#),
        )
        .expect(201);

        let seen = peer.sandbox.inspect();
        let table_seen = seen.table("demo.survey", "next", "scans").unwrap();
        assert!(table_seen.file("a").unwrap().bytes().unwrap() == bytes);
        peer.post(table, r#"{"size":5}"#).success();
    });
}
