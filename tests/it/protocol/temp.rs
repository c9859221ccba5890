//! Temp uploads: creating them, and one PUT of a whole body.

use std::time::Duration;

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{Character, Clock, ManualClock, SandboxOptions, Seed};

use super::raw::{Peer, both, noise};

const PATH: &str = "/tables/demo.survey:next.scans/tempUploads";

#[test]
fn results_keep_the_order_and_sizes_are_strings() {
    both(|character, peer| {
        let reply = peer.post(
            PATH,
            r#"{"tempUploads":[{"name":"b","size":2},{"name":"a","size":"100000000","resumable":true}]}"#,
        );
        let list = reply.success().json();

        assert_eq!(list["kind"], "tempUploadList");
        let results = list["results"].as_array().unwrap();
        assert_eq!(results[0]["size"], "2");
        assert_eq!(results[0]["resumable"], false);
        assert_eq!(results[1]["size"], "100000000");
        assert_eq!(results[1]["resumable"], true);
        match character {
            Character::Friendly => assert_eq!(results[1]["name"], "a"),
            Character::Worst => assert!(results[1]["name"].is_null()),
        }
        assert_ne!(results[0]["id"], results[1]["id"]);
    });
}

#[test]
fn bad_requests_are_refused() {
    both(|_, peer| {
        for body in [
            "{}",
            "[]",
            "{",
            r#"{"tempUploads":[]}"#,
            r#"{"tempUploads":[{"name":"x"}]}"#,
            r#"{"tempUploads":[{"name":"x","size":-1}]}"#,
            r#"{"tempUploads":{"name":"x","size":1}}"#,
        ] {
            peer.post(PATH, body).expect(400);
        }
        peer.post(
            "/tables/demo.survey:next.none/tempUploads",
            r#"{"tempUploads":[{"size":1}]}"#,
        )
        .expect(404);
    });
}

#[test]
fn a_call_has_a_largest_number_of_entries() {
    both(|character, peer| {
        let most = match character {
            Character::Friendly => 1000,
            Character::Worst => 500,
        };
        let body = |count: usize| {
            let entries: Vec<_> = (0..count)
                .map(|number| format!(r#"{{"name":"f{count}_{number}","size":1}}"#))
                .collect();
            format!(r#"{{"tempUploads":[{}]}}"#, entries.join(","))
        };

        peer.post(PATH, &body(most)).success();
        peer.post(PATH, &body(most + 1)).expect(400);
    });
}

#[test]
fn the_stricter_text_wants_unused_names() {
    both(|character, peer| {
        peer.temp("scans", "same", 1, false);
        let again = peer.post(PATH, r#"{"tempUploads":[{"name":"same","size":1}]}"#);
        let nameless = peer.post(PATH, r#"{"tempUploads":[{"size":1}]}"#);
        let wanted = match character {
            Character::Friendly => 201,
            Character::Worst => 400,
        };

        assert_eq!((again.status, nameless.status), (wanted, wanted));
    });
}

#[test]
fn a_put_may_be_repeated_and_the_last_one_counts() {
    both(|_, peer| {
        let (id, url) = peer.temp("scans", "a", 3, false);
        peer.storage("PUT", &url, &[], b"one").expect(200);
        let reply = peer.storage("PUT", &url, &[], b"two").expect(200);
        let md5 = Md5Digest::of(b"two");
        assert_eq!(
            reply.header("x-goog-hash"),
            Some(format!("md5={}", md5.to_base64()).as_str())
        );
        peer.attach(&[("a", &id)]).expect(201);

        let seen = peer.sandbox.inspect();
        let table = seen.table("demo.survey", "next", "scans").unwrap();
        assert_eq!(table.file("a").unwrap().bytes().unwrap(), b"two");
        assert_eq!(table.file("a").unwrap().md5, Some(md5));
    });
}

#[test]
fn large_bodies_and_empty_ones_are_stored_exactly() {
    both(|_, peer| {
        let large = noise(700_001);
        let edge = noise(262_144);
        for (name, bytes) in [("large", &large[..]), ("edge", &edge), ("empty", b"")] {
            let id = peer.stage("scans", name, bytes);
            peer.attach(&[(name, &id)]).expect(201);
            let seen = peer.sandbox.inspect();
            let table = seen.table("demo.survey", "next", "scans").unwrap();
            assert!(
                table.file(name).unwrap().bytes().unwrap() == bytes,
                "{name}"
            );
            assert_eq!(table.file(name).unwrap().md5, Some(Md5Digest::of(bytes)));
        }
    });
}

#[test]
fn a_body_that_is_cut_is_not_stored() {
    both(|_, peer| {
        let (_, url) = peer.temp("scans", "a", 10, false);
        let path = url.splitn(4, '/').nth(3).unwrap();
        let text = format!("PUT /{path} HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf");
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", peer.storage)).unwrap();
        std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut rest).unwrap();

        assert!(rest.is_empty());
        assert_eq!(peer.sandbox.requests().pop().unwrap().status, 0);
    });
}

#[test]
fn a_content_md5_is_compared() {
    both(|_, peer| {
        let (_, url) = peer.temp("scans", "a", 3, false);
        let wrong = Md5Digest::of(b"two").to_base64();
        peer.storage("PUT", &url, &[("Content-MD5", &wrong)], b"one")
            .expect(400);
    });
}

#[test]
fn the_kind_of_url_must_be_used_as_it_was_asked_for() {
    both(|_, peer| {
        let (_, plain) = peer.temp("scans", "a", 1, false);
        let (_, resumable) = peer.temp("scans", "b", 1, true);

        peer.storage("PUT", &resumable, &[], b"x").expect(403);
        peer.storage("POST", &plain, &[("x-goog-resumable", "start")], b"")
            .expect(403);
        peer.storage("POST", &resumable, &[], b"").expect(403);
    });
}

#[test]
fn urls_expire() {
    for (character, life_hours) in [(Character::Friendly, 24), (Character::Worst, 1)] {
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
        let (_, url) = peer.temp("scans", "a", 1, false);
        hand.advance(Duration::from_secs(life_hours * 3600));
        peer.storage("PUT", &url, &[], b"x").expect(200);
        hand.advance(Duration::from_millis(1));
        peer.storage("PUT", &url, &[], b"x").expect(400);
    }
}

#[test]
fn a_url_nobody_handed_out_is_refused() {
    both(|_, peer| {
        let (_, url) = peer.temp("scans", "a", 1, false);
        let other = url.replace("/redivis-temp-uploads/", "/redivis-temp-uploads/z");
        peer.storage("PUT", &other, &[], b"x").expect(403);
        let unknown = format!("http://127.0.0.1:{}/nothing", peer.storage);
        assert_eq!(peer.storage("PUT", &unknown, &[], b"x").status, 404);
    });
}
