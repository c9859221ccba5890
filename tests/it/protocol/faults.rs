//! Faults do what they say, and only when they say it; the gate holds requests
//! for tests that kill a client.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{
    Character, Fault, FaultScript, FreezePoint, Nth, Operation, RetryAfter, Thaw,
};

use super::raw::{Ask, Peer, Reply, both, noise, request};

const UNIT: usize = 262_144;
const UPLOADS: &str = "/tables/demo.survey:next.readings/uploads";

fn script(peer: &Peer, operation: Operation, nth: Nth, fault: Fault) {
    let script = FaultScript::none().with(operation, nth, fault);
    peer.sandbox.set_faults(script);
}

fn stream(peer: &Peer) {
    peer.post(UPLOADS, r#"{"name":"s","type":"stream"}"#)
        .success();
}

/// Inserts one row; `None`: no answer came.
fn insert(peer: &Peer) -> Option<Reply> {
    let ask = Ask {
        method: "POST",
        path: &format!("{UPLOADS}/s/rows"),
        headers: &[],
    };
    peer.try_api(ask, br#"{"rows":[{"a":1}]}"#)
}

fn rows(peer: &Peer) -> u64 {
    let seen = peer.sandbox.inspect();
    let table = seen.table("demo.survey", "next", "readings").unwrap();
    table.num_rows
}

#[test]
fn a_status_comes_instead_of_the_effect() {
    both(|_, peer| {
        stream(peer);
        let fault = Fault::Status {
            code: 503,
            retry_after: Some(RetryAfter::Seconds(7)),
        };
        script(peer, Operation::InsertRows, Nth::Nth(2), fault);

        assert_eq!(insert(peer).unwrap().status, 201);
        let refused = insert(peer).unwrap();
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("retry-after"), Some("7"));
        assert_eq!(insert(peer).unwrap().status, 201);
        assert_eq!(rows(peer), 2);
    });
}

#[test]
fn a_status_can_come_after_the_effect() {
    both(|_, peer| {
        stream(peer);
        let fault = Fault::StatusAfterEffect { code: 502 };
        script(peer, Operation::InsertRows, Nth::First(1), fault);

        assert_eq!(insert(peer).unwrap().status, 502);
        assert_eq!(rows(peer), 1);
    });
}

#[test]
fn a_cut_before_the_effect_has_none_and_one_after_it_has() {
    both(|_, peer| {
        stream(peer);
        for (fault, wanted) in [(Fault::CutBeforeEffect, 0), (Fault::CutAfterEffect, 1)] {
            script(peer, Operation::InsertRows, Nth::Nth(1), fault);
            assert!(insert(peer).is_none());
            assert_eq!(rows(peer), wanted);
            assert_eq!(peer.sandbox.requests().pop().unwrap().status, 0);
        }
    });
}

#[test]
fn a_late_effect_comes_after_other_requests() {
    both(|_, peer| {
        stream(peer);
        let fault = Fault::LateEffect {
            after_requests: 2,
            code: None,
        };
        script(peer, Operation::InsertRows, Nth::Nth(1), fault);
        assert!(insert(peer).is_none());

        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(rows(peer));
            peer.get("/datasets/demo.survey").expect(200);
        }
        assert_eq!(seen, [0, 0, 0, 1]);
    });
}

#[test]
fn a_late_effect_can_answer_at_once() {
    both(|_, peer| {
        let fault = Fault::LateEffect {
            after_requests: 0,
            code: Some(504),
        };
        script(peer, Operation::CreateUpload, Nth::Nth(1), fault);
        let reply = peer.post(UPLOADS, r#"{"name":"s","type":"stream"}"#);
        assert_eq!(reply.status, 504);
        peer.get(&format!("{UPLOADS}/s")).expect(200);
    });
}

#[test]
fn a_status_can_come_while_the_body_is_sent() {
    both(|_, peer| {
        let (_, url) = peer.temp("scans", "a", 600_000, false);
        let fault = Fault::StatusAfterBodyBytes {
            bytes: 1000,
            code: 503,
        };
        script(peer, Operation::PutFile, Nth::Nth(1), fault);
        let refused = peer.storage("PUT", &url, &[], &noise(600_000));
        assert_eq!(refused.status, 503);
        assert!(refused.text().contains("<Error>"));
        let entry = peer.sandbox.requests().pop().unwrap();
        assert_eq!(entry.body_bytes, 1000);
    });
}

#[test]
fn a_reset_is_a_reset() {
    both(|_, peer| {
        script(peer, Operation::GetDataset, Nth::Nth(1), Fault::Reset);
        let ask = Ask {
            method: "GET",
            path: "/api/v1/datasets/demo.survey",
            headers: &[("Authorization", "Bearer t")],
        };
        let mut stream = TcpStream::connect(("127.0.0.1", peer.api)).unwrap();
        stream.write_all(&request(ask, b"")).unwrap();
        let error = stream.read(&mut [0]).unwrap_err();

        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_stall_takes_its_time() {
    both(|_, peer| {
        let fault = Fault::Stall { ms: 50 };
        script(peer, Operation::GetDataset, Nth::Nth(1), fault);
        let start = Instant::now();
        peer.get("/datasets/demo.survey").expect(200);

        assert!(start.elapsed() >= Duration::from_millis(50));
    });
}

#[test]
fn a_stop_ends_a_stall() {
    let peer = Peer::with_tables(Character::Friendly);
    let fault = Fault::Stall { ms: 3_600_000 };
    script(&peer, Operation::GetDataset, Nth::Nth(1), fault);
    let ask = Ask {
        method: "GET",
        path: "/api/v1/datasets/demo.survey",
        headers: &[("Authorization", "Bearer t")],
    };
    let mut stream = TcpStream::connect(("127.0.0.1", peer.api)).unwrap();
    stream.write_all(&request(ask, b"")).unwrap();
    while peer.sandbox.next_request_number() < 5 {
        std::thread::yield_now();
    }
    let start = Instant::now();
    drop(peer);

    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_short_range_keeps_half_even_of_the_last_chunk() {
    both(|_, peer| {
        let bytes = noise(4 * UNIT);
        let (id, url) = peer.session("scans", "a", bytes.len());
        script(peer, Operation::PutChunk, Nth::Nth(1), Fault::ShortRange);
        let first = peer.chunk(&url, &bytes, 0, bytes.len()).expect(308);
        assert_eq!(first.header("range"), Some("bytes=0-524287"));
        peer.chunk(&url, &bytes[2 * UNIT..], 2 * UNIT, bytes.len())
            .expect(200);
        peer.attach(&[("a", &id)]).expect(201);

        let seen = peer.sandbox.inspect();
        let table = seen.table("demo.survey", "next", "scans").unwrap();
        assert!(table.file("a").unwrap().bytes().unwrap() == bytes);
    });
}

#[test]
fn a_lost_session_is_lost_for_good() {
    both(|_, peer| {
        for (gone, status) in [(false, 404), (true, 410)] {
            let (_, url) = peer.session("scans", &format!("f{status}"), UNIT);
            let fault = Fault::LoseSession { gone };
            script(peer, Operation::QuerySession, Nth::Nth(1), fault);
            peer.status(&url, UNIT).expect(status);
            peer.status(&url, UNIT).expect(status);
            peer.chunk(&url, &noise(UNIT), 0, UNIT).expect(status);
        }
    });
}

#[test]
fn an_expired_url_stays_expired() {
    both(|_, peer| {
        let (_, url) = peer.temp("scans", "a", 1, false);
        script(peer, Operation::PutFile, Nth::Nth(1), Fault::ExpireUrl);
        peer.storage("PUT", &url, &[], b"x").expect(400);
        peer.storage("PUT", &url, &[], b"x").expect(400);
    });
}

#[test]
fn bytes_after_a_cut_in_a_chunk_are_lost_and_those_before_stay() {
    both(|_, peer| {
        let bytes = noise(3 * UNIT);
        let (_, url) = peer.session("scans", "a", bytes.len());
        let fault = Fault::CutAfterBodyBytes {
            bytes: UNIT as u64 + 9,
        };
        script(peer, Operation::PutChunk, Nth::Nth(1), fault);
        let range = format!("bytes 0-{}/{}", bytes.len() - 1, bytes.len());
        let headers = [("Content-Range", range.as_str())];
        assert!(peer.try_storage("PUT", &url, &headers, &bytes).is_none());

        let asked = peer.status(&url, bytes.len()).expect(308);
        assert_eq!(asked.header("range"), Some("bytes=0-262143"));
    });
}

#[test]
fn a_wrong_md5_is_damage_or_a_lie() {
    both(|_, peer| {
        let true_md5 = Md5Digest::of(b"bytes");
        let stored = |name: &str| {
            let seen = peer.sandbox.inspect();
            let table = seen.table("demo.survey", "next", "scans").unwrap();
            let file = table.file(name).unwrap();
            (file.md5, Md5Digest::of(&file.bytes().unwrap()))
        };
        let (id, url) = peer.temp("scans", "damaged", 5, false);
        script(peer, Operation::PutFile, Nth::Nth(1), Fault::WrongMd5);
        peer.storage("PUT", &url, &[], b"bytes").expect(200);
        peer.attach(&[("damaged", &id)]).expect(201);
        let (reported, real) = stored("damaged");
        assert_eq!(reported, Some(real));
        assert_ne!(real, true_md5);

        let id = peer.stage("scans", "lie", b"bytes");
        script(peer, Operation::AttachFiles, Nth::Nth(1), Fault::WrongMd5);
        peer.attach(&[("lie", &id)]).expect(201);
        let (reported, real) = stored("lie");
        assert_ne!(reported, Some(real));
        assert_eq!(real, true_md5);
    });
}

#[test]
fn a_count_can_lag() {
    both(|_, peer| {
        stream(peer);
        let fault = Fault::LagNumRows { reads: 3 };
        script(peer, Operation::InsertRows, Nth::Nth(1), fault);
        assert_eq!(insert(peer).unwrap().status, 201);
        let counts: Vec<_> = (0..4)
            .map(|_| {
                let list = peer.get(UPLOADS).json();
                list["results"][0]["numRows"].to_string().replace('"', "")
            })
            .collect();

        assert_eq!(counts, ["0", "0", "1", "1"]);
    });
}

#[test]
fn a_proxy_s_page_is_html() {
    both(|_, peer| {
        let fault = Fault::HtmlErrorPage { code: 502 };
        script(peer, Operation::GetTable, Nth::Nth(1), fault);
        let reply = peer.get("/tables/demo.survey:next.scans").expect(502);
        assert_eq!(reply.header("content-type"), Some("text/html"));
        assert!(reply.text().starts_with("<html>"));
    });
}

#[test]
fn an_answer_can_break_off() {
    both(|_, peer| {
        let fault = Fault::TruncateAnswer { bytes: 10 };
        script(peer, Operation::ListFiles, Nth::Nth(1), fault);
        let path = "/tables/demo.survey:next.scans/rawFiles?format=arrow";
        let short = peer.get(path);
        let whole = peer.get(path);

        assert!(short.body.len() <= 10);
        assert!(whole.body.len() > 10);
    });
}

#[test]
fn a_frozen_request_is_abandoned_or_applied() {
    both(|_, peer| {
        stream(peer);
        for (point, thaw, wanted) in [
            (FreezePoint::BeforeEffect, Thaw::Abandon, 0),
            (FreezePoint::BeforeEffect, Thaw::Apply, 1),
            (FreezePoint::AfterEffect, Thaw::Abandon, 2),
        ] {
            peer.sandbox
                .freeze(peer.sandbox.next_request_number(), point);
            let answered = std::thread::scope(|scope| {
                let asking = scope.spawn(|| insert(peer).is_some());
                assert!(peer.sandbox.wait_frozen(Duration::from_secs(30)));
                peer.sandbox.thaw(thaw);
                asking.join().unwrap()
            });
            assert_eq!(answered, thaw == Thaw::Apply, "{point:?} {thaw:?}");
            assert_eq!(rows(peer), wanted, "{point:?} {thaw:?}");
        }
    });
}

#[test]
fn a_dead_client_s_post_is_applied_at_once_or_late() {
    both(|character, peer| {
        stream(peer);
        let number = peer.sandbox.next_request_number();
        peer.sandbox.freeze(number, FreezePoint::BeforeEffect);
        let path = format!("/api/v1{UPLOADS}/s/rows");
        let ask = Ask {
            method: "POST",
            path: &path,
            headers: &[("Authorization", "Bearer t")],
        };
        let mut client = TcpStream::connect(("127.0.0.1", peer.api)).unwrap();
        client
            .write_all(&request(ask, br#"{"rows":[{"a":1}]}"#))
            .unwrap();
        assert!(peer.sandbox.wait_frozen(Duration::from_secs(30)));
        client.shutdown(Shutdown::Both).unwrap();
        drop(client);
        peer.sandbox.clear_requests();
        peer.sandbox.thaw(Thaw::Apply);
        assert!(peer.sandbox.wait_for_requests(1, Duration::from_secs(30)));

        let mut seen = vec![rows(peer)];
        for _ in 0..4 {
            peer.get("/datasets/demo.survey").expect(200);
            seen.push(rows(peer));
        }
        match character {
            Character::Friendly => assert_eq!(seen, [1, 1, 1, 1, 1]),
            Character::Worst => assert_eq!(seen, [0, 0, 0, 0, 1]),
        }
    });
}

#[test]
fn a_new_script_counts_from_one() {
    both(|_, peer| {
        for _ in 0..2 {
            let fault = Fault::Status {
                code: 500,
                retry_after: None,
            };
            script(peer, Operation::Any, Nth::Nth(2), fault);
            peer.get("/datasets/demo.survey").expect(200);
            peer.get("/datasets/demo.survey").expect(500);
            peer.get("/datasets/demo.survey").expect(200);
        }
    });
}
