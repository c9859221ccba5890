//! One request: what is repeated and what is not, the token, the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::script::{Script, Step, answer, json, says};
use super::{Watch, dataset, quietly, settings, table, writer, writer_with};
use crate::base::cancel::CancelReason;
use crate::base::{Secret, SignedUrl, Version};
use crate::redivis::{
    ApiErrorKind, Endpoint, Http, NewTempUpload, ResourceUri, TokenSource, TransferError,
    TransferSource, WaitReason, put_plain,
};

const TABLE: &str = r#"{"uri":"/tables/me.survey:next.scans","name":"scans"}"#;

fn uri() -> ResourceUri {
    ResourceUri::new("/tables/me.survey:next.scans/uploads/part").unwrap()
}

#[test]
fn a_read_is_repeated_through_every_passing_failure() {
    let steps = [408, 425, 429, 500, 502, 503, 504].map(|status| says(status, &[], ""));
    let server = Script::new(steps.into_iter().chain([Step::Cut, json(TABLE)]));
    let writer = writer(&server);
    let watch = Watch::default();

    let found = watch.run(|call| writer.reader().table(call, &table(), &Version::Next));

    assert_eq!(found.unwrap().unwrap().name, "scans");
    let reasons: Vec<WaitReason> = watch.waits().iter().map(|wait| wait.reason).collect();
    assert_eq!(reasons[2], WaitReason::RateLimited);
    assert_eq!(reasons[5], WaitReason::Status(503));
    assert_eq!(server.seen().len(), 9);
    assert_eq!(writer.reader().http().stats().retries, 8);
}

#[test]
fn lasting_refusals_are_not_repeated() {
    for (status, kind) in [
        (400, ApiErrorKind::Invalid),
        (401, ApiErrorKind::Unauthorized),
        (403, ApiErrorKind::Forbidden { scope: None }),
        (409, ApiErrorKind::Conflict),
        (413, ApiErrorKind::TooLarge),
        (422, ApiErrorKind::Invalid),
        (501, ApiErrorKind::Protocol),
        (302, ApiErrorKind::Protocol),
    ] {
        let server = Script::new([says(status, &[], ""), json(TABLE)]);
        let error = quietly(|call| {
            let writer = writer(&server);
            writer.reader().table(call, &table(), &Version::Next)
        })
        .unwrap_err();

        assert_eq!((error.kind(), error.attempts()), (&kind, 1), "{status}");
        assert_eq!(error.status(), Some(status));
        assert!(!error.is_in_doubt(), "{status}");
        assert_eq!(server.left(), 1, "{status}");
    }
}

#[test]
fn rows_are_never_sent_twice_after_an_unknown_outcome() {
    for step in [
        says(500, &[], ""),
        says(503, &[("Retry-After", "1")], ""),
        says(504, &[], ""),
        says(408, &[], ""),
        Step::Cut,
        json("{}"),
        json("not json"),
        Step::AnswerAndClose(b"HTTP/1.1 201 X\r\nContent-Length: 99\r\n\r\n{".to_vec()),
        Step::AnswerAndClose(b"complete nonsense\r\n\r\n".to_vec()),
    ] {
        let server = Script::new([step.clone(), json(r#"{"rowsAdded":1}"#)]);
        let error = quietly(|call| writer(&server).insert_rows(call, &uri(), b"{}")).unwrap_err();

        assert!(error.is_in_doubt(), "{step:?}: {error}");
        assert_eq!(server.seen().len(), 1, "{step:?}");
    }
}

#[test]
fn rows_are_sent_again_when_the_server_cannot_have_taken_them() {
    let server = Script::new([
        says(429, &[("Retry-After", "2")], ""),
        says(429, &[], ""),
        says(201, &[], r#"{"kind":"insertRowsResponse","rowsAdded":"3"}"#),
    ]);
    let payload = br#"{"rows":[{"a":1}]}"#;

    let added = quietly(|call| writer(&server).insert_rows(call, &uri(), payload));

    assert_eq!(added.unwrap(), 3);
    for seen in server.seen() {
        assert_eq!(seen.body, payload);
        assert_eq!(seen.header("content-type"), Some("application/json"));
    }
}

#[test]
fn an_outage_uses_up_the_patience_of_one_request_and_not_of_each() {
    let down = || says(503, &[], "down");
    let settings_of = |server: &Script| {
        let mut settings = settings(server);
        settings.retry.total = Duration::from_secs(30);
        settings
    };
    let server = Script::new(std::iter::repeat_n(down(), 200));
    let writer = writer_with(settings_of(&server));
    let look = || quietly(|call| writer.reader().table(call, &table(), &Version::Next));

    let first = look().unwrap_err();
    let second = look().unwrap_err();

    assert!(first.attempts() > 4, "{}", first.attempts());
    assert_eq!(second.attempts(), 1);
    assert_eq!(second.kind(), &ApiErrorKind::Unavailable);

    // Whatever answers ends it.
    let steps = std::iter::repeat_n(down(), first.attempts() as usize);
    let server = Script::new(steps.chain([says(404, &[], ""), down(), down(), json(TABLE)]));
    let writer = writer_with(settings_of(&server));
    let look = || quietly(|call| writer.reader().table(call, &table(), &Version::Next));
    look().unwrap_err();
    assert!(look().unwrap().is_none());
    assert_eq!(look().unwrap().unwrap().name, "scans");
}

#[test]
fn calls_that_make_something_are_not_repeated_blindly() {
    let server = Script::new(std::iter::repeat_n(Step::Cut, 4));
    let writer = writer(&server);

    quietly(|call| {
        let new = crate::redivis::NewTable {
            merge: None,
            is_file_index: true,
            description: None,
        };
        for error in [
            writer.create_next_version(call, &dataset()).unwrap_err(),
            writer.create_table(call, &table(), &new).unwrap_err(),
            writer.attach_files(call, &table(), &[]).unwrap_err(),
            writer.release(call, &dataset(), None).unwrap_err(),
        ] {
            assert!(error.is_in_doubt(), "{error}");
        }
    });
    assert_eq!(server.left(), 0);
}

#[test]
fn a_refused_connection_is_given_up_after_a_few_attempts_and_leaves_no_doubt() {
    let address = Script::new([]).base();
    let mut settings = settings(&Script::new([]));
    settings.endpoint = format!("{address}/api/v1").parse().unwrap();
    // The port may still be listening until the thread has ended.
    while std::net::TcpStream::connect(address.trim_start_matches("http://")).is_ok() {}

    let error = quietly(|call| writer_with(settings).insert_rows(call, &uri(), b"{}")).unwrap_err();

    assert_eq!(error.kind(), &ApiErrorKind::Network);
    assert_eq!(error.attempts(), 6);
    assert!(!error.is_in_doubt());
    assert!(error.is_temporary());
}

#[test]
fn a_server_that_stays_down_is_given_up_after_the_time_in_all() {
    let server = Script::new(std::iter::repeat_n(says(503, &[], "down"), 1000));
    let writer = writer(&server);
    let watch = Watch::default();

    let error = watch
        .run(|call| writer.reader().table(call, &table(), &Version::Next))
        .unwrap_err();

    assert_eq!(error.kind(), &ApiErrorKind::Unavailable);
    let waited: Duration = watch.waits().iter().map(|wait| wait.delay).sum();
    assert!(waited <= Duration::from_secs(900), "{waited:?}");
    assert!(waited >= Duration::from_secs(700), "{waited:?}");
    assert_eq!(error.message(), Some("down"));
}

#[test]
fn retry_after_is_obeyed_in_all_its_forms() {
    for (headers, seconds) in [
        (vec![("Retry-After", "17")], 17),
        (
            vec![
                // By their clock, which is a year behind ours.
                ("Retry-After", "Thu, 15 Jan 2026 08:00:17 GMT"),
                ("Date", "Thu, 15 Jan 2026 08:00:00 GMT"),
            ],
            17,
        ),
        // By our clock, which the settings give.
        (vec![("Retry-After", "1800000017")], 17),
        (vec![("Retry-After", "1800000017000")], 17),
        (vec![("Retry-After", "99999")], 300),
    ] {
        let server = Script::new([says(429, &headers, ""), json(TABLE)]);
        let writer = writer(&server);
        let watch = Watch::default();

        watch
            .run(|call| writer.reader().table(call, &table(), &Version::Next))
            .unwrap();

        let delay = watch.waits()[0].delay;
        assert!(
            (seconds..=seconds + 1).contains(&delay.as_secs()),
            "{headers:?}: {delay:?}"
        );
    }
}

#[test]
fn a_longer_wait_than_there_is_time_for_is_not_begun() {
    let server = Script::new([says(429, &[("Retry-After", "200")], ""), json(TABLE)]);
    let mut settings = settings(&server);
    settings.retry.total = Duration::from_secs(60);

    let error = quietly(|call| {
        let writer = writer_with(settings);
        writer.reader().table(call, &table(), &Version::Next)
    })
    .unwrap_err();

    assert_eq!(error.kind(), &ApiErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(200)));
}

#[test]
fn a_rate_limit_holds_back_all_workers() {
    let server = Script::new([
        says(429, &[("Retry-After", "100")], ""),
        json(TABLE),
        json(TABLE),
    ]);
    let mut settings = settings(&server);
    settings.retry.scale = 0.001;
    let writer = writer_with(settings);
    let watch = Watch::default();
    let started = Instant::now();

    watch.run(|call| {
        let cancelled = crate::base::CancelToken::new();
        // The first call learns of the limit; it is stopped before its repeat.
        let first = super::Call {
            cancel: &cancelled,
            on_wait: &|_| cancelled.cancel(CancelReason::Abandoned),
            ..*call
        };
        let stopped = writer.reader().table(&first, &table(), &Version::Next);
        assert!(stopped.unwrap_err().is_cancelled());
        writer
            .reader()
            .table(call, &table(), &Version::Next)
            .unwrap();
    });

    assert!(started.elapsed() >= Duration::from_millis(100));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_wait_ends_when_the_run_does() {
    let server = Script::new([says(503, &[("Retry-After", "300")], ""), json(TABLE)]);
    let mut settings = settings(&server);
    settings.retry.scale = 1.0;
    let writer = writer_with(settings);
    let watch = Watch::default();
    let cancel = watch.cancel.clone();

    let error = watch
        .run(|call| {
            let call = super::Call {
                on_wait: &|_| cancel.cancel(CancelReason::Terminated),
                ..*call
            };
            writer.reader().table(&call, &table(), &Version::Next)
        })
        .unwrap_err();

    assert!(error.is_cancelled());
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn nothing_is_sent_once_the_run_was_asked_to_stop() {
    let server = Script::new([]);
    let watch = Watch::default();
    watch.cancel.cancel(CancelReason::Interrupted);

    let error = watch
        .run(|call| writer(&server).create_next_version(call, &dataset()))
        .unwrap_err();

    assert!(error.is_cancelled() && !error.is_in_doubt());
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_shutdown_ends_calls_that_are_under_way() {
    // The second answer has no length: cut off, it looks like a whole one.
    let unframed = b"HTTP/1.1 201 X\r\n\r\n{\"rowsAdded\":1}";
    for answered in [b"".to_vec(), unframed.to_vec()] {
        let server = Script::new([Step::Stall(answered)]);
        let writer = writer(&server);
        let http = Arc::clone(writer.reader().http());

        let error = std::thread::scope(|scope| {
            let worker = scope.spawn(|| quietly(|call| writer.insert_rows(call, &uri(), b"{}")));
            while server.seen().is_empty() {
                std::thread::yield_now();
            }
            http.shutdown();
            worker.join().unwrap().unwrap_err()
        });

        assert!(error.is_cancelled(), "{error}");
        assert!(error.is_in_doubt(), "{error}");
        let later = quietly(|call| writer.reader().table(call, &table(), &Version::Next));
        assert!(later.unwrap_err().is_cancelled());
    }
}

#[test]
fn an_answer_that_comes_while_the_body_is_sent_is_not_lost() {
    let early = Step::Early(10_000, answer(401, &[], r#"{"error":"invalid_token"}"#));
    let server = Script::new([early]);
    let payload = vec![b'x'; 40_000_000];

    let error = quietly(|call| writer(&server).insert_rows(call, &uri(), &payload)).unwrap_err();

    assert_eq!(error.kind(), &ApiErrorKind::Unauthorized, "{error}");
    assert_eq!(error.code(), Some("invalid_token"));
    assert!(!error.is_in_doubt());
}

#[test]
fn success_before_the_whole_body_was_taken_is_no_success() {
    let early = Step::Early(10_000, answer(201, &[], r#"{"rowsAdded":1}"#));
    let server = Script::new([early]);
    let payload = vec![b'x'; 40_000_000];

    let error = quietly(|call| writer(&server).insert_rows(call, &uri(), &payload)).unwrap_err();

    assert!(error.is_in_doubt(), "{error}");
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_costs_no_wait() {
    let server = Script::new([json(TABLE), Step::Cut, json(TABLE)]);
    let writer = writer(&server);
    let watch = Watch::default();

    watch.run(|call| {
        for _ in 0..2 {
            writer
                .reader()
                .table(call, &table(), &Version::Next)
                .unwrap();
        }
    });

    assert_eq!(watch.waits(), []);
    assert_eq!(server.connections(), 2);
}

#[test]
fn connections_are_used_again_whatever_the_answer_was() {
    let server = Script::new([
        json(TABLE),
        says(404, &[], r#"{"error":"not_found"}"#),
        says(500, &[], "<html>sorry</html>"),
        json(TABLE),
        says(200, &[], "OK"),
    ]);
    let writer = writer(&server);

    quietly(|call| {
        for _ in 0..3 {
            drop(writer.reader().table(call, &table(), &Version::Next));
        }
        writer.delete_upload(call, &uri()).unwrap();
    });

    assert_eq!(server.seen().len(), 5);
    assert_eq!(server.connections(), 1);
    assert_eq!(writer.reader().http().stats().connections, 1);
}

#[test]
fn every_request_says_who_asks_and_wants_no_compression() {
    let server = Script::new([json(TABLE)]);

    quietly(|call| {
        let writer = writer(&server);
        writer.reader().table(call, &table(), &Version::Next)
    })
    .unwrap();

    let seen = &server.seen()[0];
    let agent = seen.header("user-agent").unwrap();
    assert!(agent.starts_with("redivis-ingest/"), "{agent}");
    assert!(agent.ends_with("(run 7X: y)"), "{agent}");
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(seen.header("authorization"), Some("Bearer tok-123"));
    assert_eq!(seen.header("expect"), None);
}

#[test]
fn an_endless_answer_is_bounded() {
    let server = Script::new([Step::Endless(
        "HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n".to_owned(),
    )]);

    let error = quietly(|call| {
        let writer = writer(&server);
        writer.reader().table(call, &table(), &Version::Next)
    })
    .unwrap_err();

    assert_eq!(error.kind(), &ApiErrorKind::Protocol);
    assert!(error.message().unwrap().contains("larger"), "{error}");
}

#[test]
fn an_endless_error_is_cut_short_and_still_reported() {
    let server = Script::new([Step::Endless("HTTP/1.1 400 X\r\n\r\nbad name".to_owned())]);

    let error = quietly(|call| {
        let writer = writer(&server);
        writer.reader().table(call, &table(), &Version::Next)
    })
    .unwrap_err();

    assert_eq!(error.kind(), &ApiErrorKind::Invalid);
    assert_eq!(error.message(), Some("bad name"));
}

#[test]
fn huge_headers_are_an_error_and_not_a_hang() {
    let huge = "x".repeat(200_000);
    let server = Script::new([says(200, &[("X-Huge", &huge)], TABLE)]);

    let error = quietly(|call| {
        let writer = writer(&server);
        writer.reader().table(call, &table(), &Version::Next)
    })
    .unwrap_err();

    assert_eq!(error.kind(), &ApiErrorKind::Protocol, "{error}");
}

#[test]
fn a_redirect_is_not_followed_and_takes_no_token_along() {
    let elsewhere = Script::new([json(TABLE)]);
    let server = Script::new([says(302, &[("Location", &elsewhere.url("/x"))], "")]);

    let error = quietly(|call| {
        let writer = writer(&server);
        writer.reader().table(call, &table(), &Version::Next)
    })
    .unwrap_err();

    assert!(
        error.message().unwrap().contains(&elsewhere.base()),
        "{error}"
    );
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn the_token_does_not_reach_another_origin() {
    let storage = Script::new([says(200, &[], "")]);
    let api = Script::new([]);
    let mut file = tempfile::tempfile().unwrap();

    quietly(|call| {
        put_plain(
            &writer(&api),
            call,
            &SignedUrl::new(storage.url("/up/1?sig=2")),
            &mut TransferSource {
                file: &mut file,
                size: 0,
                unchanged: &|| true,
            },
        )
    })
    .unwrap();

    let seen = &storage.seen()[0];
    assert_eq!(seen.line, "PUT /up/1?sig=2 HTTP/1.1");
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("content-type"), None);
    assert_eq!(seen.header("content-length"), Some("0"));
}

#[test]
fn content_goes_to_no_unsafe_address() {
    let api = Script::new([]);
    let mut file = tempfile::tempfile().unwrap();
    let mut remote = settings(&api);
    remote.endpoint = Endpoint::DEFAULT.parse().unwrap();
    for (settings, url) in [
        (settings(&api), "http://storage.example/x".to_owned()),
        (settings(&api), "ftp://storage.example/x".to_owned()),
        (settings(&api), "https://me@storage.example/x".to_owned()),
        // A service elsewhere has no business on this machine.
        (remote, api.url("/x")),
    ] {
        let error = quietly(|call| {
            let mut source = TransferSource {
                file: &mut file,
                size: 0,
                unchanged: &|| true,
            };
            put_plain(
                &writer_with(settings),
                call,
                &SignedUrl::new(url),
                &mut source,
            )
        })
        .unwrap_err();

        let TransferError::Api(error) = error else {
            panic!("{error}");
        };
        // It is not even looked for.
        assert_eq!(error.kind(), &ApiErrorKind::Protocol, "{error}");
        assert!(!error.was_sent(), "{error}");
    }
    assert_eq!(api.connections(), 0);
}

#[test]
fn a_refused_token_is_read_again_once() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let server = Script::new([
        says(401, &[], r#"{"error":"invalid_token"}"#),
        says(201, &[], r#"{"rowsAdded":0}"#),
        says(401, &[], ""),
        says(401, &[], ""),
    ]);
    let mut settings = settings(&server);
    settings.token = TokenSource::read(move || {
        let n = counted.fetch_add(1, Ordering::SeqCst);
        Ok(Secret::new(format!("tok-{n}")))
    });
    let writer = writer_with(settings);

    quietly(|call| {
        // A call that must not be repeated blindly is safe to repeat here.
        assert_eq!(writer.insert_rows(call, &uri(), b"{}").unwrap(), 0);
        let error = writer.insert_rows(call, &uri(), b"{}").unwrap_err();
        assert_eq!(error.kind(), &ApiErrorKind::Unauthorized);
    });

    let sent: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(
        sent,
        [
            "Bearer tok-0",
            "Bearer tok-1",
            "Bearer tok-1",
            "Bearer tok-2"
        ]
    );
    assert_eq!(reads.load(Ordering::SeqCst), 3);
}

#[test]
fn errors_say_what_happened_without_the_query_and_the_token() {
    let body = r#"{"status":403,"error":"insufficient_scope","error_description":"Not enough.","scope":"data.edit"}"#;
    let server = Script::new([says(403, &[], body)]);
    let new = NewTempUpload {
        name: "a".to_owned(),
        size: 1,
        resumable: false,
    };

    let error =
        quietly(|call| writer(&server).create_temp_uploads(call, &table(), &[new])).unwrap_err();

    let scope = Some("data.edit".to_owned());
    assert_eq!(error.kind(), &ApiErrorKind::Forbidden { scope });
    assert_eq!(
        error.to_string().replace(&server.base(), "BASE"),
        "`create_temp_uploads` failed (POST BASE/api/v1/tables/me.survey:next.scans/tempUploads \
         answered 403): the token does not give this right: insufficient_scope: Not enough.; it \
         needs the scope `data.edit`"
    );
    assert!(!format!("{error:?}").contains("tok-123"));
}

#[test]
fn a_head_error_is_read_from_its_header() {
    let payload =
        "%7B%22error%22%3A%22invalid_request%22%2C%22error_description%22%3A%22Bad%20id%22%7D";
    let server = Script::new([Step::Answer(
        format!(
            "HTTP/1.1 400 X\r\nX-REDIVIS-ERROR-PAYLOAD: {payload}\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes(),
    )]);

    let error = quietly(|call| {
        let writer = writer(&server);
        writer.reader().upload_exists(call, &uri())
    })
    .unwrap_err();

    assert_eq!(error.code(), Some("invalid_request"));
    assert_eq!(error.message(), Some("Bad id"));
}

#[test]
fn warnings_are_kept_once_each() {
    let warned = says(200, &[("X-REDIVIS-WARNING", "use an id")], TABLE);
    let server = Script::new([warned.clone(), warned]);
    let writer = writer(&server);

    quietly(|call| {
        for _ in 0..2 {
            writer
                .reader()
                .table(call, &table(), &Version::Next)
                .unwrap();
        }
    });

    let stats = writer.reader().http().stats();
    assert_eq!(Vec::from_iter(stats.warnings), ["use an id"]);
    assert_eq!(stats.latencies["table"].count, 2);
}

#[test]
fn the_server_s_limit_is_seen_in_the_statistics() {
    let headers = [
        ("X-RateLimit-Limit", "1000"),
        ("X-RateLimit-Remaining", "990"),
    ];
    let server = Script::new([says(200, &headers, TABLE)]);
    let writer = writer(&server);

    quietly(|call| writer.reader().table(call, &table(), &Version::Next)).unwrap();

    let limit = writer.reader().http().stats().rate_limit;
    assert_eq!((limit.limit, limit.remaining), (Some(1000), Some(990)));
}

#[test]
fn workers_that_start_together_again_and_again_share_their_connections() {
    const WORKERS: usize = 12;
    let server = Script::new(std::iter::repeat_n(json(TABLE), 5 * WORKERS));
    let mut settings = settings(&server);
    settings.connections = WORKERS;
    let writer = writer_with(settings);

    for _ in 0..5 {
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    quietly(|call| writer.reader().table(call, &table(), &Version::Next)).unwrap();
                });
            }
        });
    }

    assert_eq!(server.seen().len(), 5 * WORKERS);
    assert!(server.connections() <= WORKERS, "{}", server.connections());
}

#[test]
fn a_proxy_gets_no_token_and_a_refused_tunnel_leaves_no_doubt() {
    let refusals = [says(403, &[], "no"), Step::Cut];
    let proxy = Script::new(refusals.into_iter().cycle().take(6));
    let mut settings = settings(&proxy);
    settings.endpoint = Endpoint::DEFAULT.parse().unwrap();
    settings.proxy.https_proxy = Some(proxy.base());

    let error = quietly(|call| writer_with(settings).insert_rows(call, &uri(), b"{}")).unwrap_err();

    assert_eq!(error.kind(), &ApiErrorKind::Network, "{error}");
    assert!(!error.is_in_doubt());
    let seen = &proxy.seen()[0];
    assert_eq!(seen.line, "CONNECT redivis.com:443 HTTP/1.1");
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(proxy.seen().len(), 6);
}

#[test]
fn this_machine_is_reached_without_the_proxy() {
    let server = Script::new([json(TABLE)]);
    let mut settings = settings(&server);
    settings.proxy.all_proxy = Some("http://127.0.0.1:9".to_owned());

    quietly(|call| {
        let writer = writer_with(settings);
        writer.reader().table(call, &table(), &Version::Next)
    })
    .unwrap();
}

#[test]
fn what_cannot_be_set_up_says_so_and_shows_no_password() {
    let server = Script::new([]);
    for (proxy, pem) in [
        (Some("socks5://me:secret@proxy.example:1080"), None),
        (Some("http://me:secret@"), None),
        (None, Some("no certificate")),
        (
            None,
            Some("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"),
        ),
    ] {
        let mut settings = settings(&server);
        settings.proxy.https_proxy = proxy.map(str::to_owned);
        settings.ca_cert = pem.map(|pem| pem.as_bytes().to_vec());
        let error = Http::new(settings).unwrap_err();

        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

#[test]
fn a_server_that_does_not_speak_tls_is_not_asked_twice() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the client has gone, so that it reads the answer and not a reset.
        drop(std::io::copy(&mut stream, &mut std::io::sink()));
    });
    let mut settings = settings(&Script::new([]));
    settings.endpoint = format!("https://{address}/api/v1").parse().unwrap();

    let error = quietly(|call| writer_with(settings).insert_rows(call, &uri(), b"{}")).unwrap_err();
    server.join().unwrap();

    assert_eq!(error.kind(), &ApiErrorKind::Tls, "{error:?}");
    assert!(!error.is_in_doubt());
}
