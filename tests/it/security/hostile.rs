//! A server that wants to do harm: to fill the program's memory, to hold it for
//! ever, to make it write where it should not, to get its token. Each case runs
//! the real program and watches its memory from outside.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::builder::StringViewBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Int32Array, Int64Array, NullArray, RecordBatch, StringArray,
};
use arrow_ipc::writer::StreamWriter;

use redivis_ingest::base::CancelToken;
use redivis_ingest::sandbox::Character;

use crate::harness::{Asked, Door, Measured, Reaction, Relay, TOKEN, World, measured};

/// The most that the program may hold whatever the server says. An idle run of
/// a build without optimisation holds about 30 MB.
const MOST: u64 = 150 << 20;

fn world() -> World {
    let world = World::new(Character::Friendly);
    world
        .manifest(
            "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*', base: data }]
  - name: n
    table: n
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: integer }
",
        )
        .file("data/a.bin", "abc")
        .file("rows/1.csv", "n\n1\n");
    // Tables that exist are listed.
    world.run(&[]).exits(0);
    world.file("data/b.bin", "def").file("rows/2.csv", "n\n2\n");
    world.forget_state();
    world
}

/// Runs against a server that reacts so to one kind of call, and checks what
/// holds whatever it does.
#[track_caller]
fn attacked(
    world: &World,
    kind: &'static str,
    react: impl Fn(&Asked) -> Reaction + Send + Sync + 'static,
    args: &[&str],
) -> Measured {
    let relay = Relay::new(world, move |asked| {
        if asked.kind() == kind {
            react(asked)
        } else {
            Reaction::Pass
        }
    });
    let manifest = world.path("manifest.yaml");
    let mut all = vec!["run", manifest.to_str().unwrap()];
    all.extend(args);
    if !args.contains(&"--log-level") {
        all.extend(["--log-level", "trace"]);
    }
    let mut command = world.command(&all);
    command
        .env("REDIVIS_API_ENDPOINT", relay.endpoint())
        .env("REDIVIS_INGEST_RETRY_SCALE", "0");
    let measured = measured(command);

    let outcome = &measured.outcome;
    let asked = relay.asked();
    assert!(
        asked.iter().any(|one| one.kind() == kind),
        "{kind}: {outcome:?}"
    );
    assert!(
        matches!(outcome.status, Some(3 | 69 | 75)),
        "{kind}: {outcome:?}"
    );
    assert!(
        measured.peak < MOST,
        "{kind}: {} MiB, {outcome:?}",
        measured.peak >> 20
    );
    assert!(measured.peak > 1 << 20, "it was measured");
    assert!(!measured.hung, "{kind}: {outcome:?}");
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(!text.contains(TOKEN), "{kind}: {text}");
        assert!(
            text.len() < 64 << 10,
            "{kind}: {} bytes of output",
            text.len()
        );
        assert!(!text.contains('\x1b'), "{kind}: {text}");
    }
    for one in &asked {
        let has_token = one.head.contains(TOKEN);
        assert_eq!(has_token, one.door == Door::Api, "{one:?}");
    }
    eprintln!(
        "{kind}: exit {:?}, {} MiB",
        outcome.status,
        measured.peak >> 20
    );
    measured
}

/// Writes the same again and again until the other side goes.
fn for_ever(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let many = bytes.repeat((64 << 10) / bytes.len().max(1) + 1);
    loop {
        stream.write_all(&many)?;
    }
}

/// A head, then the same for ever.
fn pours(head: &'static str, rest: &'static [u8]) -> impl Fn(&Asked) -> Reaction + Send + Sync {
    move |_| {
        Reaction::Pour(Box::new(move |stream| {
            stream.write_all(head.as_bytes())?;
            for_ever(stream, rest)
        }))
    }
}

fn says(bytes: impl Into<Vec<u8>>) -> impl Fn(&Asked) -> Reaction + Send + Sync {
    let bytes = bytes.into();
    move |_| Reaction::Say(bytes.clone())
}

/// The calls whose answers go different ways: into memory, into a spool, to a
/// transfer, to what was sent.
const CALLS: [&str; 5] = [
    "GET dataset",
    "GET rawFiles",
    "GET uploads",
    "PUT storage",
    "POST rawFiles",
];

#[test]
fn an_endless_body_is_cut_off() {
    let world = world();
    for kind in CALLS.into_iter().filter(|kind| *kind != "GET rawFiles") {
        attacked(&world, kind, pours("HTTP/1.1 200 X\r\n\r\n", b" "), &[]);
        attacked(&world, kind, pours("HTTP/1.1 400 X\r\n\r\n", b" "), &[]);
    }
}

#[test]
fn heads_without_an_end_are_cut_off() {
    let world = world();
    for (kinds, head, rest) in [
        (
            &CALLS[..],
            "HTTP/1.1 200 X\r\n",
            &b"X-More: of the same\r\n"[..],
        ),
        (&CALLS[..2], "HTTP/1.1 200 X\r\nX-Long: ", b"a"),
        (&CALLS[..2], "HTTP/1.1 200 ", b"a"),
        (&CALLS[1..2], "", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (
            &CALLS[3..4],
            "",
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
        ),
        (&CALLS[3..], "", b"\0"),
        (&CALLS[..1], "", b"\r\n"),
    ] {
        for kind in kinds {
            attacked(&world, kind, pours(head, rest), &["--timeout", "200ms"]);
        }
    }
}

/// A JSON head and its rest, in chunks, for ever or for a gigabyte.
fn chunked(
    status: u16,
    start: &'static str,
    again: &'static str,
) -> impl Fn(&Asked) -> Reaction + Send + Sync {
    move |_| {
        Reaction::Pour(Box::new(move |stream| {
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{start}\r\n",
                start.len()
            )?;
            let many = again.repeat((64 << 10) / again.len());
            let chunk = format!("{:x}\r\n{many}\r\n", many.len());
            for _ in 0..(1 << 30) / chunk.len() {
                stream.write_all(chunk.as_bytes())?;
            }
            stream.write_all(b"0\r\n\r\n")
        }))
    }
}

#[test]
fn a_gigabyte_of_json_is_not_taken_in() {
    let world = world();
    for (kind, start, again) in [
        ("GET uploads", "{\"results\":[{}", ",{}"),
        ("POST tempUploads", "{\"results\":[{}", ",{}"),
        ("POST tempUploads", "{\"results\":[{\"id\":\"", "x"),
        ("GET table", "{\"a\":", "[0,"),
        ("GET table", "{\"error\":", "{\"a\":"),
        ("GET dataset", "", "{}"),
    ] {
        attacked(&world, kind, chunked(200, start, again), &[]);
        attacked(&world, kind, chunked(400, start, again), &[]);
    }
}

#[test]
fn a_deep_json_answer_is_refused_without_going_deep() {
    let world = world();
    for (kind, open, close) in [
        ("GET dataset", "[", "]"),
        ("GET uploads", "{\"results\":", "}"),
        ("POST rawFiles", "{\"error\":", "}"),
    ] {
        let depth = 1_000_000;
        let body = format!("{}0{}", open.repeat(depth), close.repeat(depth));
        for status in [200, 400] {
            let body = body.clone();
            let deep = move |_: &Asked| Reaction::answer(status, "", &body);
            attacked(&world, kind, deep, &[]);
        }
    }
}

#[test]
fn a_list_without_an_end_is_given_up() {
    let world = world();
    let page = |asked: &Asked| {
        let uploads: Vec<String> = (0..1000)
            .map(|n| {
                let nth = asked.nth;
                format!(r#"{{"uri":"/tables/t/uploads/{nth}_{n}","name":"{nth}_{n}"}}"#)
            })
            .collect();
        let body = format!(
            r#"{{"results":[{}],"nextPageToken":"{}"}}"#,
            uploads.join(","),
            asked.nth
        );
        Reaction::answer(200, "", body)
    };
    let given_up = attacked(&world, "GET uploads", page, &["--log-level", "warn"]);
    let said = &given_up.outcome.stderr;
    assert!(said.contains("the list has no end"), "{said}");
    assert!(said.contains("redivis/protocol"), "{said}");
}

#[test]
fn lengths_that_lie_are_found_out() {
    let world = world();
    for (head, exits) in [
        // Shorter than what comes: what is taken is no JSON.
        ("Content-Length: 3\r\n", &[69][..]),
        // Longer than what comes.
        ("Content-Length: 1073741824\r\n", &[75]),
        ("Content-Length: 18446744073709551615\r\n", &[75, 69]),
        ("Content-Length: 99999999999999999999\r\n", &[69]),
        ("Content-Length: -1\r\n", &[69]),
        ("Content-Length: 3\r\nContent-Length: 90000\r\n", &[69, 75]),
        ("Transfer-Encoding: chunked\r\n", &[69, 75]),
    ] {
        let bytes = format!("HTTP/1.1 200 X\r\n{head}Connection: close\r\n\r\n{{\"version\":");
        let lied = attacked(&world, "GET dataset", says(bytes), &[]);
        let exit = lied.outcome.status.unwrap();
        assert!(exits.contains(&exit), "{head:?}: {:?}", lied.outcome);
    }
}

#[test]
fn chunks_that_are_none_are_refused() {
    let world = world();
    let head = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    for garbage in [
        "zz\r\n",
        "-1\r\n{}\r\n",
        "ffffffffffffffffffffffff\r\n",
        "ffffffffffffffff\r\n{}",
        "2\r\n{}garbage",
        "\r\n\r\n",
    ] {
        attacked(&world, "GET dataset", says(format!("{head}{garbage}")), &[]);
    }
    for (start, rest) in [
        ("", &b"0"[..]),
        ("2;", b"x"),
        ("2\r\n{}\r\n0\r\n", b"X-Trailer: y\r\n"),
    ] {
        let endless = move |_: &Asked| {
            Reaction::Pour(Box::new(move |stream: &mut TcpStream| {
                write!(stream, "{head}{start}")?;
                for_ever(stream, rest)
            }))
        };
        attacked(&world, "GET dataset", endless, &["--timeout", "200ms"]);
    }
}

#[test]
fn packed_answers_are_not_unpacked() {
    // 200 MB of blanks in 200 KB.
    let mut packed = Vec::new();
    let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::best());
    for _ in 0..200 {
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap();
    let world = world();
    for kind in ["GET dataset", "GET rawFiles", "POST rawFiles"] {
        let packed = packed.clone();
        let bomb = move |_: &Asked| Reaction::answer(200, "Content-Encoding: gzip\r\n", &packed);
        let outcome = attacked(&world, kind, bomb, &[]).outcome;
        // The rows of the other job arrived.
        assert!(matches!(outcome.status, Some(3 | 69)), "{outcome:?}");
    }
}

#[test]
fn a_byte_now_and_then_is_no_answer() {
    let world = world();
    for (kind, at_once) in [
        ("GET dataset", "HTTP/1.1 200 X\r\n"),
        (
            "GET dataset",
            "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        ),
        (
            "GET dataset",
            "HTTP/1.1 200 X\r\nContent-Length: 9000\r\n\r\n",
        ),
        ("GET rawFiles", "HTTP/1.1 200 X\r\n\r\n"),
        (
            "PUT storage",
            "HTTP/1.1 200 X\r\nContent-Length: 9000\r\n\r\n",
        ),
        (
            "POST rawFiles",
            "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
    ] {
        let drips = move |_: &Asked| {
            Reaction::Pour(Box::new(move |stream: &mut TcpStream| {
                stream.set_nodelay(true)?;
                let pause = CancelToken::new();
                stream.write_all(at_once.as_bytes())?;
                loop {
                    stream.write_all(b"1")?;
                    pause.wait(Duration::from_millis(40));
                }
            }))
        };
        let outcome = attacked(&world, kind, drips, &["--timeout", "200ms"]).outcome;
        assert_eq!(outcome.status, Some(75), "{kind} {at_once:?}: {outcome:?}");
    }
}

#[test]
fn heads_that_are_none_are_refused() {
    let world = world();
    for bytes in [
        &b"\xff\xfe\x00garbage\r\n\r\n"[..],
        b"HTTP/9.9 200 X\r\n\r\n",
        b"HTTP/1.1 999 X\r\n\r\n",
        b"HTTP/1.1 000 X\r\n\r\n",
        b"HTTP/1.1 20 X\r\n\r\n",
        b"HTTP/1.1 200 X\r\nNo colon\r\n\r\n",
        b"HTTP/1.1 200 X\r\n: no name\r\n\r\n",
        b"HTTP/1.1 200 X\r\nX: \x00\x01\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"",
    ] {
        attacked(&world, "GET dataset", says(bytes), &["--timeout", "500ms"]);
    }
}

/// A listing whose columns these are.
fn listing(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn texts(texts: Vec<&str>) -> ArrayRef {
    Arc::new(StringArray::from(texts))
}

/// A listing of these names.
fn named(names: Vec<&str>) -> Vec<u8> {
    let count = names.len();
    listing(vec![
        ("file_id", texts(vec!["id"; count])),
        ("file_name", texts(names)),
        ("size", Arc::new(Int64Array::from(vec![3; count]))),
        ("md5_hash", texts(vec!["kAFQmDzST7DWlj99KOF/cg=="; count])),
    ])
}

fn lists(bytes: Vec<u8>) -> impl Fn(&Asked) -> Reaction + Send + Sync {
    move |_| Reaction::answer(200, "", &bytes)
}

#[test]
fn listed_names_write_nowhere_and_steer_no_terminal() {
    let world = world();
    let long = "x".repeat(1 << 20);
    let names = vec![
        "../../../../tmp/escaped",
        "/etc/escaped",
        "a/../../b",
        "nul\0in it",
        "\u{1b}[2J\u{1b}]0;title\u{7}",
        "line\r\nbreaks\n",
        "\u{202e}gnp.exe",
        "",
        ".",
        "..",
        &long,
    ];
    let before = tree(world.root());
    // With the listing at every look, the end of the run is not in doubt only if
    // what was sent is listed too.
    let manifest = world.path("manifest.yaml");
    let bytes = named(names);
    let relay = Relay::new(&world, move |asked| match asked.kind().as_str() {
        "GET rawFiles" => Reaction::answer(200, "", &bytes),
        _ => Reaction::Pass,
    });
    for format in ["text", "json", "ndjson"] {
        let args = [
            "plan",
            manifest.to_str().unwrap(),
            "--all",
            "--format",
            format,
        ];
        let mut command = world.command(&args);
        command.env("REDIVIS_API_ENDPOINT", relay.endpoint());
        let seen = measured(command);
        assert!(matches!(seen.outcome.status, Some(0 | 3)), "{seen:?}");
        assert!(seen.peak < MOST, "{} MiB", seen.peak >> 20);
        let shown = format!("{}{}", seen.outcome.stdout, seen.outcome.stderr);
        assert!(shown.contains("escaped"), "{format}: {shown}");
        for control in ['\u{1b}', '\r', '\0', '\u{7}'] {
            assert!(!shown.contains(control), "{format}: {control:?}");
        }
    }
    let mut after = tree(world.root());
    after.retain(|path| !path.contains("/state"));
    let mut before = before;
    before.retain(|path| !path.contains("/state"));
    assert_eq!(after, before);
    assert!(!std::path::Path::new("/tmp/escaped").exists());
}

/// Every path below a folder, sorted.
fn tree(folder: &std::path::Path) -> Vec<String> {
    let mut all: Vec<String> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    all.sort();
    all
}

#[test]
fn listings_that_say_more_than_they_hold_are_refused() {
    let world = world();
    // A million names that all point at the same megabyte.
    let long = "x".repeat(1 << 20);
    let mut views = StringViewBuilder::new();
    let block = views.append_block(long.into_bytes().into());
    for _ in 0..100_000 {
        views.try_append_view(block, 0, 1 << 20).unwrap();
    }
    let count = 100_000;
    let shared = listing(vec![
        ("file_id", texts(vec!["id"; count])),
        ("file_name", Arc::new(views.finish())),
        ("size", Arc::new(Int64Array::from(vec![3; count]))),
        ("md5_hash", Arc::new(NullArray::new(count))),
    ]);
    // A dictionary that a handful of keys unfold.
    let keys = Int32Array::from(vec![0; count]);
    let values = StringArray::from(vec!["y".repeat(1 << 20)]);
    let dictionary = DictionaryArray::<Int32Type>::new(keys, Arc::new(values));
    let folded = listing(vec![
        ("file_id", texts(vec!["id"; count])),
        ("file_name", Arc::new(dictionary)),
        ("size", Arc::new(Int64Array::from(vec![3; count]))),
        ("md5_hash", Arc::new(NullArray::new(count))),
    ]);
    // Rows that need no bytes at all.
    let empty = listing(vec![
        (
            "file_id",
            Arc::new(NullArray::new(usize::MAX >> 2)) as ArrayRef,
        ),
        ("file_name", Arc::new(NullArray::new(usize::MAX >> 2))),
        ("size", Arc::new(NullArray::new(usize::MAX >> 2))),
        ("md5_hash", Arc::new(NullArray::new(usize::MAX >> 2))),
    ]);
    for bytes in [shared, folded, empty] {
        let outcome = attacked(&world, "GET rawFiles", lists(bytes), &[]).outcome;
        assert_eq!(outcome.status, Some(69), "{outcome:?}");
    }
}

#[test]
fn a_damaged_listing_is_refused_whatever_is_damaged() {
    let world = world();
    let good = named(vec!["a.bin", "other.bin"]);
    let mut cases = Vec::new();
    // Every word of the stream's first kilobyte, made absurd in turn.
    for at in (0..good.len().min(1024)).step_by(4) {
        for value in [u32::MAX - 1, 0x7fff_ffff, 0] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            cases.push(bytes);
        }
    }
    cases.push(b"ARROW1\0\0".repeat(1000));
    cases.push(good.repeat(2));
    // One program per case would take minutes: it is shown one after the other.
    let count = cases.len();
    assert!(count > 100, "{count}");
    for bytes in cases.into_iter().step_by(count / 12) {
        let relay = Relay::new(&world, move |asked| match asked.kind().as_str() {
            "GET rawFiles" => Reaction::answer(200, "", &bytes),
            _ => Reaction::Pass,
        });
        let manifest = world.path("manifest.yaml");
        let mut command = world.command(&["plan", manifest.to_str().unwrap()]);
        command.env("REDIVIS_API_ENDPOINT", relay.endpoint());
        let seen = measured(command);
        assert!(matches!(seen.outcome.status, Some(0 | 69)), "{seen:?}");
        assert!(seen.peak < MOST && !seen.hung, "{seen:?}");
    }
}
