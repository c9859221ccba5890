//! The protocol beneath: framing, heads, tokens, limits, error bodies.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use redivis_ingest::sandbox::{
    Behaviour, Character, Clock, ErrorShape, ManualClock, Method, Operation, Origin, RateLimit,
    RetryAfter, SandboxOptions,
};

use super::raw::{Peer, both, parse, send};

/// Reads one answer with a stated length off a connection that stays open.
fn read_one(stream: &mut TcpStream) -> super::raw::Reply {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let mut reply = parse(&bytes);
    let length = reply.header("content-length").unwrap().parse().unwrap();
    reply.body = vec![0; length];
    stream.read_exact(&mut reply.body).unwrap();
    reply
}

#[test]
fn one_connection_serves_many_requests() {
    both(|_, peer| {
        let before = peer.sandbox.inspect().connections;
        let mut stream = TcpStream::connect(("127.0.0.1", peer.api)).unwrap();
        let ask = "GET /api/v1/tables/demo.survey:next.scans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n";
        // Two at once, then a third.
        stream.write_all(ask.repeat(2).as_bytes()).unwrap();
        let first = read_one(&mut stream);
        let second = read_one(&mut stream);
        stream.write_all(ask.as_bytes()).unwrap();
        let third = read_one(&mut stream);

        for reply in [first, second, third] {
            assert_eq!(reply.json()["name"], "scans");
        }
        assert_eq!(peer.sandbox.inspect().connections, before + 1);
    });
}

#[test]
fn chunked_bodies_are_read() {
    both(|_, peer| {
        let (id, url) = peer.temp("scans", "a.bin", 11, false);
        let path = url.splitn(4, '/').nth(3).unwrap();
        let text = format!(
            "PUT /{path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: t\r\n\r\n"
        );
        send(peer.storage, text.as_bytes()).unwrap().expect(200);
        peer.attach(&[("a.bin", &id)]).expect(201);

        let seen = peer.sandbox.inspect();
        let table = seen.table("demo.survey", "next", "scans").unwrap();
        assert_eq!(
            table.file("a.bin").unwrap().bytes().unwrap(),
            b"hello world"
        );
    });
}

#[test]
fn a_continue_is_given_to_who_waits_for_it() {
    let peer = Peer::with_tables(Character::Friendly);
    let (_, url) = peer.temp("scans", "a.bin", 5, false);
    let path = url.splitn(4, '/').nth(3).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", peer.storage)).unwrap();
    let head = format!(
        "PUT /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    stream.write_all(b"hello").unwrap();

    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(read_one(&mut stream).status, 200);
}

#[test]
fn heads_that_are_not_http_are_refused() {
    let peer = Peer::with_tables(Character::Friendly);
    let ambiguous = "PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx";
    let huge = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(70_000));
    for (text, status) in [
        (ambiguous, 400),
        ("\0\0\0\r\n\r\n", 400),
        (huge.as_str(), 431),
    ] {
        let reply = send(peer.api, text.as_bytes()).unwrap();
        assert_eq!(reply.status, status);
    }
}

#[test]
fn the_api_wants_a_token_and_the_storage_does_not() {
    both(|_, peer| {
        let bare = "GET /api/v1/datasets/demo.survey HTTP/1.1\r\nConnection: close\r\n\r\n";
        let reply = send(peer.api, bare.as_bytes()).unwrap();
        assert_eq!(reply.status, 401);

        peer.stage("scans", "a", b"x");
        let put = peer.sandbox.requests().pop().unwrap();
        assert_eq!(
            (put.origin, put.method, put.operation, put.bearer),
            (Origin::Storage, Method::Put, Operation::PutFile, false)
        );
        assert_eq!(put.body_bytes, 1);
        assert_eq!(peer.sandbox.inspect().tokens_on_storage, 0);
    });
}

#[test]
fn a_token_that_reaches_the_storage_is_recorded() {
    both(|_, peer| {
        let (_, url) = peer.temp("scans", "a", 1, false);
        let token = [("Authorization", "Bearer secret")];
        peer.storage("PUT", &url, &token, b"x").expect(200);

        assert!(peer.sandbox.requests().pop().unwrap().bearer);
        assert_eq!(peer.sandbox.inspect().tokens_on_storage, 1);
    });
}

#[test]
fn tokens_are_compared_and_scopes_are_kept() {
    let peer = Peer::start(SandboxOptions {
        token: Some("tok".into()),
        read_only_tokens: vec!["reader".into()],
        seed: redivis_ingest::sandbox::Seed {
            datasets: vec!["demo.survey".into()],
        },
        ..SandboxOptions::default()
    });
    let ask = |method: &str, token: &str| {
        let text = format!(
            "{method} /api/v1/datasets/demo.survey/versions HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        send(peer.api, text.as_bytes()).unwrap()
    };

    assert_eq!(ask("GET", "tok").status, 200);
    assert_eq!(ask("GET", "reader").status, 200);
    assert_eq!(ask("GET", "other").json()["error"], "invalid_token");
    let refused = ask("POST", "reader");
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error"], "insufficient_scope");
    assert_eq!(refused.json()["scope"], "data.edit");
}

#[test]
fn errors_come_in_the_character_s_shape() {
    both(|character, peer| {
        let error = peer.get("/datasets/demo.nothing").expect(404).json();
        match character {
            Character::Friendly => {
                assert_eq!(error["status"], 404);
                assert_eq!(error["error"], "not_found");
                assert!(
                    error["error_description"]
                        .as_str()
                        .unwrap()
                        .contains("Not found")
                );
            }
            Character::Worst => {
                assert_eq!(error["error"]["status"], 404);
                assert!(
                    error["error"]["message"]
                        .as_str()
                        .unwrap()
                        .contains("Not found")
                );
            }
        }
    });
}

#[test]
fn a_head_s_error_is_in_a_header() {
    both(|_, peer| {
        let reply = peer.api("HEAD", "/tables/demo.survey:next.nothing", &[], b"");
        assert_eq!(reply.status, 404);
        assert!(reply.body.is_empty());
        let payload = reply.header("x-redivis-error-payload").unwrap();
        assert!(payload.starts_with("%7B%22"), "{payload}");

        let good = peer.api("HEAD", "/tables/demo.survey:next.scans", &[], b"");
        assert_eq!((good.status, good.body.len()), (200, 0));
    });
}

#[test]
fn storage_errors_are_xml() {
    both(|_, peer| {
        let (_, url) = peer.temp("scans", "a", 1, false);
        let wrong = url.replace("Signature=", "Signature=0");
        let reply = peer.storage("PUT", &wrong, &[], b"x").expect(403);

        assert!(reply.text().contains("<Code>SignatureDoesNotMatch</Code>"));
    });
}

#[test]
fn api_answers_carry_the_rate_limit_and_storage_answers_do_not() {
    both(|_, peer| {
        let reply = peer.get("/tables/demo.survey:next.scans");
        assert!(reply.header("x-ratelimit-limit").is_some());
        assert!(reply.header("x-ratelimit-remaining").is_some());

        let (_, url) = peer.temp("scans", "a", 1, false);
        let reply = peer.storage("PUT", &url, &[], b"x");
        assert!(reply.header("x-ratelimit-limit").is_none());
    });
}

#[test]
fn over_the_limit_is_429_until_the_window_ends() {
    let hand = ManualClock::at(1_000_000_000_000);
    for (form, wanted) in [
        (RetryAfter::Seconds(0), "10"),
        (RetryAfter::HttpDate(0), "Sun, 09 Sep 2001 01:46:50 GMT"),
        (RetryAfter::Epoch(0), "1000000010"),
        (RetryAfter::EpochMs(0), "1000000010000"),
    ] {
        let hand = ManualClock::at(1_000_000_000_000);
        let peer = Peer::start(SandboxOptions {
            rate_limit: Some(RateLimit {
                requests: 2,
                per: Duration::from_secs(10),
                retry_after: form,
            }),
            clock: Clock::Manual(hand.clone()),
            ..SandboxOptions::default()
        });
        let path = "/users/demo/datasets";
        assert_eq!(peer.get(path).header("x-ratelimit-remaining"), Some("1"));
        peer.get(path).expect(200);
        let refused = peer.get(path).expect(429);
        assert_eq!(refused.header("retry-after"), Some(wanted));
        hand.advance(Duration::from_secs(10));
        peer.get(path).expect(200);
    }
    drop(hand);
}

#[test]
fn temp_uploads_can_live_on_the_api_s_origin() {
    let peer = Peer::start(SandboxOptions {
        behaviour: Some(Behaviour {
            storage_on_api_origin: true,
            error_shape: ErrorShape::Flat,
            ..Behaviour::friendly()
        }),
        ..SandboxOptions::default()
    });
    peer.post("/users/demo/datasets", r#"{"name":"survey"}"#)
        .success();
    peer.post(
        "/datasets/demo.survey:next/tables",
        r#"{"name":"scans","isFileIndex":true}"#,
    )
    .success();
    let (id, url) = peer.temp("scans", "a", 1, false);
    let port = format!("127.0.0.1:{}", peer.api);
    assert!(url.contains(&port), "{url}");
    let path = url.splitn(4, '/').nth(3).unwrap();
    let put = |token: &str| {
        let text = format!(
            "PUT /{path} HTTP/1.1\r\n{token}Content-Length: 1\r\nConnection: close\r\n\r\nx"
        );
        send(peer.api, text.as_bytes()).unwrap().status
    };

    assert_eq!(put(""), 401);
    assert_eq!(put("Authorization: Bearer t\r\n"), 200);
    peer.attach(&[("a", &id)]).expect(201);
}

#[test]
fn an_early_answer_is_seen_by_a_client_that_is_still_sending() {
    both(|_, peer| {
        let body = vec![b' '; 900_000];
        let text = format!(
            "POST /api/v1/tables/demo.survey:next.scans/rawFiles HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&body);

        assert_eq!(send(peer.api, &bytes).unwrap().status, 401);
    });
}
