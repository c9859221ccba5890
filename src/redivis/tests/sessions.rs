//! Resumable sessions: the dialogue, and every way it can be interrupted.

use std::fs::File;
use std::io::Write as _;

use super::script::{Script, Step, answer, says};
use super::{Watch, writer};
use crate::base::{Md5Digest, SignedUrl};
use crate::redivis::{
    ApiErrorKind, OpenSession, SessionStatus, TransferError, TransferSource, Transferred,
    open_session, send_session, session_status,
};

const QUANTUM: u64 = 262_144;

/// 2.5 quanta that differ everywhere.
fn content() -> Vec<u8> {
    (0..655_360_u32)
        .flat_map(u32::to_le_bytes)
        .take(655_360)
        .collect()
}

fn file() -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content()).unwrap();
    file
}

/// A 308 that acknowledges this many bytes.
fn has(bytes: u64) -> Step {
    if bytes == 0 {
        return says(308, &[], "");
    }
    says(308, &[("Range", &format!("bytes=0-{}", bytes - 1))], "")
}

fn done() -> Step {
    says(200, &[], "")
}

struct Sent {
    result: Result<Transferred, TransferError>,
    offsets: Vec<u64>,
    watch: Watch,
}

fn send_from(server: &Script, from: SessionStatus, chunk: u64) -> Sent {
    let mut file = file();
    let mut offsets = Vec::new();
    let watch = Watch::default();
    let result = watch.run(|call| {
        send_session(
            &writer(server),
            call,
            OpenSession {
                url: &SignedUrl::new(server.url("/s?id=1")),
                from,
                chunk,
            },
            &mut TransferSource {
                file: &mut file,
                size: 655_360,
                unchanged: &|| true,
            },
            &mut |offset| offsets.push(offset),
        )
    });
    Sent {
        result,
        offsets,
        watch,
    }
}

fn send(server: &Script) -> Sent {
    send_from(server, SessionStatus::Offset(0), QUANTUM)
}

fn ranges(server: &Script) -> Vec<String> {
    server
        .seen()
        .iter()
        .map(|seen| seen.header("content-range").unwrap_or("-").to_owned())
        .collect()
}

/// What a storage that keeps each acknowledged byte ends up with.
fn kept(server: &Script) -> Vec<u8> {
    let mut kept = vec![0; 655_360];
    for seen in server.seen() {
        let range = seen.header("content-range").unwrap();
        let range = range.trim_start_matches("bytes ");
        let first = range.split('-').next().unwrap();
        if let Ok(first) = first.parse::<usize>() {
            kept[first..first + seen.body.len()].copy_from_slice(&seen.body);
        }
    }
    kept
}

#[test]
fn a_session_is_opened_with_the_headers_that_the_address_signs() {
    let server = Script::new([
        Step::Cut,
        says(503, &[], ""),
        says(
            201,
            &[("Location", "https://storage.example/s?upload_id=1")],
            "",
        ),
        says(200, &[("Location", "/s?upload_id=2")], ""),
    ]);
    let url = SignedUrl::new(server.url("/up/1?sig=x"));
    let watch = Watch::default();
    let writer = writer(&server);

    let open = || watch.run(|call| open_session(&writer, call, &url, 100_000_000));

    assert_eq!(
        open().unwrap().reveal(),
        "https://storage.example/s?upload_id=1"
    );
    // Relative to the address that was asked.
    assert_eq!(open().unwrap().reveal(), server.url("/s?upload_id=2"));
    let seen = &server.seen()[2];
    assert_eq!(seen.line, "POST /up/1?sig=x HTTP/1.1");
    assert_eq!(seen.header("x-goog-resumable"), Some("start"));
    assert_eq!(seen.header("x-upload-content-length"), Some("100000000"));
    assert_eq!(seen.header("content-length"), Some("0"));
    assert_eq!(seen.body, b"");
}

#[test]
fn a_session_that_cannot_be_opened_says_why() {
    for (step, refused) in [
        (says(403, &[], ""), true),
        (says(410, &[], ""), true),
        (says(201, &[], ""), false),
        (says(201, &[("Location", "//evil.example/s")], ""), false),
        (says(201, &[("Location", "javascript:x")], ""), false),
    ] {
        let server = Script::new([step.clone()]);
        let url = SignedUrl::new(server.url("/up/1"));
        let error = Watch::default()
            .run(|call| open_session(&writer(&server), call, &url, 1))
            .unwrap_err();

        let is_refused = matches!(error, TransferError::UrlRefused(_));
        assert_eq!(is_refused, refused, "{step:?}: {error:?}");
    }
}

#[test]
fn the_status_is_what_the_server_says() {
    for (step, status) in [
        (done(), Some(SessionStatus::Complete)),
        (says(201, &[], ""), Some(SessionStatus::Complete)),
        (has(0), Some(SessionStatus::Offset(0))),
        (has(43), Some(SessionStatus::Offset(43))),
        (
            says(
                200,
                &[
                    ("X-HTTP-Status-Code-Override", "308"),
                    ("Range", "bytes=0-9"),
                ],
                "",
            ),
            Some(SessionStatus::Offset(10)),
        ),
        (says(404, &[], ""), Some(SessionStatus::Gone)),
        (says(410, &[], ""), Some(SessionStatus::Gone)),
        (has(655_361), None),
        (says(308, &[("Range", "bytes=5-9")], ""), None),
        (says(308, &[("Range", "bytes=0-")], ""), None),
        (says(400, &[], ""), None),
    ] {
        let server = Script::new([says(503, &[], ""), step.clone()]);
        let session = SignedUrl::new(server.url("/s"));
        let got =
            Watch::default().run(|call| session_status(&writer(&server), call, &session, 655_360));

        assert_eq!(got.ok(), status, "{step:?}");
        assert_eq!(ranges(&server)[1], "bytes */655360");
        assert_eq!(server.seen()[1].header("content-length"), Some("0"));
    }
}

#[test]
fn a_file_goes_in_chunks_and_each_follows_the_last_acknowledged_byte() {
    let server = Script::new([has(QUANTUM), has(2 * QUANTUM), done()]);

    let sent = send(&server);

    assert_eq!(
        sent.result.unwrap(),
        Transferred {
            md5: Md5Digest::of(&content()),
            sent_bytes: 655_360,
            resumed_at: 0
        }
    );
    assert_eq!(sent.offsets, [QUANTUM, 2 * QUANTUM, 655_360]);
    assert_eq!(
        ranges(&server),
        [
            "bytes 0-262143/655360",
            "bytes 262144-524287/655360",
            "bytes 524288-655359/655360"
        ]
    );
    assert_eq!(kept(&server), content());
    assert_eq!(server.connections(), 1);
    assert_eq!(sent.watch.waits(), []);
}

#[test]
fn chunks_are_multiples_of_what_the_protocol_allows() {
    let server = Script::new([has(QUANTUM), done()]);
    send_from(&server, SessionStatus::Offset(0), QUANTUM + 5)
        .result
        .unwrap_err();
    assert_eq!(ranges(&server)[0], "bytes 0-262143/655360");

    let server = Script::new([done()]);
    send_from(&server, SessionStatus::Offset(0), u64::MAX / 2)
        .result
        .unwrap();
    assert_eq!(ranges(&server), ["bytes 0-655359/655360"]);
}

#[test]
fn a_range_that_is_short_is_believed() {
    let server = Script::new([has(1000), has(0), done()]);

    let sent = send_from(&server, SessionStatus::Offset(0), 1 << 20);

    assert_eq!(
        ranges(&server),
        [
            "bytes 0-655359/655360",
            "bytes 1000-655359/655360",
            // Nothing more was kept: the session is asked before anything is sent.
            "bytes */655360"
        ]
    );
    assert_eq!(sent.result.unwrap().md5, Md5Digest::of(&content()));
}

#[test]
fn a_308_to_the_last_byte_is_not_success() {
    let server = Script::new([has(655_360), has(655_360), has(655_360), done()]);

    let sent = send_from(&server, SessionStatus::Offset(0), 1 << 20);

    assert_eq!(sent.result.unwrap().md5, Md5Digest::of(&content()));
    assert_eq!(
        ranges(&server),
        [
            "bytes 0-655359/655360",
            "bytes */655360",
            "bytes */655360",
            "bytes */655360"
        ]
    );
    assert_eq!(sent.watch.waits().len(), 2);
}

#[test]
fn a_cut_is_followed_by_a_question_and_the_rest() {
    for failure in [
        Step::Cut,
        Step::CutAfter(100_000),
        says(503, &[("Retry-After", "3")], ""),
        says(429, &[], ""),
        says(408, &[], ""),
    ] {
        let server = Script::new([
            has(QUANTUM),
            failure.clone(),
            has(300_000),
            has(QUANTUM * 2),
            done(),
        ]);

        let sent = send(&server);

        let done = sent.result.unwrap();
        assert_eq!(done.md5, Md5Digest::of(&content()), "{failure:?}");
        assert_eq!(
            ranges(&server)[2..],
            [
                "bytes */655360",
                "bytes 300000-562143/655360",
                "bytes 524288-655359/655360"
            ]
        );
        assert_eq!(sent.watch.waits().len(), 1);
    }
}

#[test]
fn a_server_that_lost_bytes_gets_them_again() {
    let server = Script::new([
        has(QUANTUM),
        has(2 * QUANTUM),
        Step::Cut,
        has(1000),
        has(1000 + QUANTUM),
        has(1000 + 2 * QUANTUM),
        done(),
    ]);

    let sent = send(&server);

    assert_eq!(sent.result.unwrap().md5, Md5Digest::of(&content()));
    assert_eq!(ranges(&server)[4], "bytes 1000-263143/655360");
    assert_eq!(kept(&server), content());
}

#[test]
fn a_lost_last_answer_is_settled_by_a_question() {
    let server = Script::new([
        has(QUANTUM),
        has(2 * QUANTUM),
        Step::Cut,
        says(201, &[], ""),
    ]);

    let sent = send(&server);

    assert_eq!(sent.result.unwrap().md5, Md5Digest::of(&content()));
    assert_eq!(*sent.offsets.last().unwrap(), 655_360);
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn success_before_the_last_chunk_is_not_believed() {
    let server = Script::new([done(), has(QUANTUM), has(2 * QUANTUM), done()]);
    assert_eq!(send(&server).result.unwrap().md5, Md5Digest::of(&content()));

    let server = Script::new([done(), done()]);
    let error = send(&server).result.unwrap_err();
    assert!(
        matches!(&error, TransferError::SessionUnsound(error) if *error.kind() == ApiErrorKind::Protocol),
        "{error:?}"
    );
}

#[test]
fn a_server_that_claims_more_than_was_sent_is_not_believed() {
    let server = Script::new([has(QUANTUM + 1)]);

    let error = send(&server).result.unwrap_err();

    assert!(error.to_string().contains("more than were sent"), "{error}");
}

#[test]
fn a_session_that_is_gone_is_not_asked_again() {
    for steps in [
        vec![says(404, &[], "")],
        vec![says(410, &[], "")],
        vec![Step::Cut, says(404, &[], "")],
    ] {
        let server = Script::new(steps.clone());
        let error = send(&server).result.unwrap_err();

        assert!(matches!(error, TransferError::SessionGone), "{error:?}");
        assert_eq!(server.seen().len(), steps.len());
    }
    let server = Script::new([]);
    let error = send_from(&server, SessionStatus::Gone, QUANTUM).result;
    assert!(matches!(error, Err(TransferError::SessionGone)));
}

#[test]
fn another_process_goes_on_where_the_server_is() {
    let server = Script::new([done()]);

    let sent = send_from(&server, SessionStatus::Offset(600_000), QUANTUM);

    assert_eq!(
        sent.result.unwrap(),
        Transferred {
            // Of the whole file: the beginning is read again here.
            md5: Md5Digest::of(&content()),
            sent_bytes: 55_360,
            resumed_at: 600_000
        }
    );
    assert_eq!(ranges(&server), ["bytes 600000-655359/655360"]);
}

#[test]
fn a_session_that_has_more_than_the_file_is_another_file_s() {
    let server = Script::new([done()]);
    let more = content().len() as u64 + 1;

    let error = send_from(&server, SessionStatus::Offset(more), QUANTUM)
        .result
        .unwrap_err();

    assert!(matches!(error, TransferError::SourceChanged), "{error:?}");
    assert!(server.seen().is_empty());
}

#[test]
fn a_session_that_is_already_complete_needs_no_request() {
    let server = Script::new([]);

    let sent = send_from(&server, SessionStatus::Complete, QUANTUM);

    assert_eq!(sent.result.unwrap().md5, Md5Digest::of(&content()));
    assert_eq!(server.connections(), 0);
}

#[test]
fn recoveries_without_progress_end() {
    let pair = [Step::Cut, has(1000)];
    let server = Script::new(std::iter::repeat_n(pair, 100).flatten());

    let error = send_from(&server, SessionStatus::Offset(1000), QUANTUM)
        .result
        .unwrap_err();

    assert!(error.is_temporary(), "{error:?}");
    assert_eq!(server.seen().len(), 25);
}

#[test]
fn progress_gives_a_session_new_patience() {
    // A cut after each further kilobyte: 30 recoveries, each with progress.
    let steps = (1..=30_u64).flat_map(|n| [Step::Cut, has(n * 1000)]);
    let server = Script::new(steps.chain([has(QUANTUM), has(2 * QUANTUM), done()]));

    let sent = send(&server);

    assert_eq!(sent.result.unwrap().md5, Md5Digest::of(&content()));
}

#[test]
fn an_answer_in_the_middle_of_a_chunk_is_not_lost() {
    let mut file = tempfile::tempfile().unwrap();
    let big = vec![5; 40_000_000];
    file.write_all(&big).unwrap();
    let server = Script::new([Step::Early(1000, answer(410, &[], ""))]);

    let error = Watch::default()
        .run(|call| {
            send_session(
                &writer(&server),
                call,
                OpenSession {
                    url: &SignedUrl::new(server.url("/s")),
                    from: SessionStatus::Offset(0),
                    chunk: 1 << 30,
                },
                &mut TransferSource {
                    file: &mut file,
                    size: 40_000_000,
                    unchanged: &|| true,
                },
                &mut |_| {},
            )
        })
        .unwrap_err();

    assert!(matches!(error, TransferError::SessionGone), "{error:?}");
}

#[test]
fn an_empty_file_ends_its_session_with_an_empty_put() {
    let mut file = tempfile::tempfile().unwrap();
    let server = Script::new([done()]);

    let done = Watch::default()
        .run(|call| {
            send_session(
                &writer(&server),
                call,
                OpenSession {
                    url: &SignedUrl::new(server.url("/s")),
                    from: SessionStatus::Offset(0),
                    chunk: 1 << 30,
                },
                &mut TransferSource {
                    file: &mut file,
                    size: 0,
                    unchanged: &|| true,
                },
                &mut |_| {},
            )
        })
        .unwrap();

    assert_eq!(done.md5, Md5Digest::of(b""));
    let seen = &server.seen()[0];
    assert_eq!(seen.header("content-length"), Some("0"));
    assert_eq!(seen.header("content-range"), None);
}

#[test]
fn a_file_that_changes_stops_its_session() {
    let server = Script::new([says(400, &[], ""), done()]);
    let mut file = file();
    let send = |file: &mut File, size, unchanged: &dyn Fn() -> bool| {
        Watch::default().run(|call| {
            let mut source = TransferSource {
                file,
                size,
                unchanged,
            };
            let session = OpenSession {
                url: &SignedUrl::new(server.url("/s")),
                from: SessionStatus::Offset(0),
                chunk: 1 << 30,
            };
            send_session(&writer(&server), call, session, &mut source, &mut |_| {})
        })
    };

    // The server says that the total is wrong, and it is.
    let error = send(&mut file, 655_360, &|| false).unwrap_err();
    assert!(matches!(error, TransferError::SourceChanged), "{error:?}");
    // All of it arrived, but it is not what was planned.
    let error = send(&mut file, 655_360, &|| false).unwrap_err();
    assert!(matches!(error, TransferError::SourceChanged), "{error:?}");
    // The file is shorter than planned.
    let error = send(&mut file, 655_361, &|| true).unwrap_err();
    assert!(matches!(error, TransferError::SourceChanged), "{error:?}");
}

#[test]
fn the_storage_s_digest_is_compared_after_the_last_chunk() {
    let header = format!("md5={}", Md5Digest::of(b"other").to_base64());
    let server = Script::new([says(200, &[("x-goog-hash", &header)], "")]);

    let error = send_from(&server, SessionStatus::Offset(0), 1 << 30)
        .result
        .unwrap_err();

    assert!(matches!(error, TransferError::Mismatch { .. }), "{error:?}");
}
