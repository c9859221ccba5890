//! What a server bears at once, and where the time goes.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Barrier, Once};
use std::time::{Duration, Instant};

use super::script::{Script, Step, answer, json, says};
use super::{quietly, settings, table, writer_with};
use crate::base::{Activity, SignedUrl, Version};
use crate::redivis::{Call, TransferSource, Wait, Writer, put_plain};

const TABLE: &str = r#"{"uri":"/tables/me.survey:next.scans","name":"scans"}"#;

fn put(writer: &Writer, call: &Call<'_>, url: String, content: &[u8]) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    let mut source = TransferSource {
        file: &mut file,
        size: content.len() as u64,
        unchanged: &|| true,
    };
    put_plain(writer, call, &SignedUrl::new(url), &mut source).unwrap();
}

/// Four workers, each with so many calls, against these answers.
fn narrowest(steps: impl IntoIterator<Item = Step>, calls: usize) -> Option<usize> {
    let server = Script::new(steps);
    let writer = writer_with(settings(&server));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..calls {
                    quietly(|call| writer.reader().table(call, &table(), &Version::Next)).unwrap();
                }
            });
        }
    });
    assert_eq!(server.left(), 0);
    writer.reader().http().stats().narrowest
}

#[test]
fn an_overloaded_service_is_sent_fewer_requests_at_once_and_loses_none() {
    let refused = std::iter::repeat_n(says(503, &[], ""), 4);
    let well = std::iter::repeat_n(json(TABLE), 40);
    let width = narrowest(refused.chain(well), 10);

    // Halved once if the four came together, else again.
    assert!(matches!(width, Some(1 | 2)), "{width:?}");
}

#[test]
fn a_service_that_is_well_is_sent_as_many_as_there_are_workers() {
    let lost = std::iter::once(says(404, &[], ""));
    let well = std::iter::repeat_n(json(TABLE), 40);
    assert_eq!(narrowest(well, 10), None);

    let server = Script::new(lost);
    let writer = writer_with(settings(&server));
    let found = quietly(|call| writer.reader().table(call, &table(), &Version::Next));
    assert!(found.unwrap().is_none());
    assert_eq!(writer.reader().http().stats().narrowest, None);
}

#[test]
fn who_waits_for_a_place_sees_the_pause_that_begins_meanwhile() {
    let refused = || says(429, &[("Retry-After", "1")], "");
    let taken = std::iter::repeat_n(says(200, &[], "{}"), 4);
    let server = Script::new([refused(), refused()].into_iter().chain(taken));
    let mut settings = settings(&server);
    settings.connections = 1;
    settings.retry.scale = 0.2;
    let writer = writer_with(settings);
    // Content: calls of the API are spaced after a refusal besides.
    let put = |call: &Call<'_>| put(&writer, call, server.url("/content"), b"small");
    let is_paused = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            // They wait for the end of the first pause, and then for the one place.
            scope.spawn(|| {
                is_paused.wait();
                quietly(put);
            });
        }
        quietly(|call| {
            let once = Once::new();
            let on_wait = &|_: &Wait| {
                once.call_once(|| {
                    is_paused.wait();
                });
            };
            put(&Call { on_wait, ..*call });
        });
    });

    let at: Vec<Instant> = server.seen().iter().map(|seen| seen.at).collect();
    assert_eq!(at.len(), 6);
    assert!(at[2] - at[1] >= Duration::from_millis(200), "{at:?}");
}

#[test]
fn a_head_and_a_small_body_are_one_write_and_a_large_body_is_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = vec![0; 1 << 20];
        let first = stream.read(&mut buffer).unwrap();
        stream.write_all(&answer(200, &[], "{}")).unwrap();
        let mut rest = Vec::new();
        while !rest.ends_with(b"end") {
            let read = stream.read(&mut buffer[first..]).unwrap();
            rest.extend_from_slice(&buffer[first..first + read]);
        }
        stream.write_all(&answer(200, &[], "{}")).unwrap();
        (buffer[..first].to_vec(), rest)
    });
    let unused = Script::new([]);
    let writer = writer_with(settings(&unused));
    let large = [vec![b'x'; 300_000], b"end".to_vec()].concat();
    for content in [b"small".as_slice(), &large] {
        quietly(|call| put(&writer, call, format!("{base}/content"), content));
    }

    let (first, second) = server.join().unwrap();
    assert!(first.starts_with(b"PUT /content"));
    assert!(first.ends_with(b"\r\n\r\nsmall"));
    assert!(second.starts_with(b"PUT /content"));
    assert!(second.ends_with(&large));
}

#[test]
fn time_is_told_by_what_it_went_into() {
    let server = Script::new([says(429, &[("Retry-After", "1")], ""), json(TABLE)]);
    let mut settings = settings(&server);
    settings.retry.scale = 0.02;
    let writer = writer_with(settings);

    quietly(|call| writer.reader().table(call, &table(), &Version::Next)).unwrap();

    let effort = writer.reader().http().effort();
    let told: Vec<Activity> = effort
        .spent()
        .shares()
        .into_iter()
        .map(|(activity, _)| activity)
        .collect();
    assert!(told.contains(&Activity::RateLimit), "{told:?}");
    assert!(!told.contains(&Activity::Repeats), "{told:?}");

    effort.add(Activity::Encoding, Duration::from_secs(3600));
    assert_eq!(effort.spent().shares()[0].0, Activity::Encoding);
}
