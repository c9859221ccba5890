//! Files: their listing as an Arrow stream, and one PUT with their content.

use std::cell::Cell;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_ipc::writer::StreamWriter;

use super::script::{Script, Step, answer, says};
use super::{Watch, quietly, settings, table, writer, writer_with};
use crate::base::{Md5Digest, SignedUrl, Version};
use crate::redivis::{
    ApiError, ApiErrorKind, RemoteFile, TransferError, TransferSource, Transferred, Writer,
    put_plain,
};

fn arrow(names: &[&str], with_md5: bool) -> Vec<u8> {
    let md5 = with_md5.then(|| Md5Digest::of(b"abc").to_base64());
    let texts = |of: fn(&str) -> String| names.iter().map(|n| Some(of(n))).collect::<StringArray>();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("file_id", Arc::new(texts(|name| format!("id-{name}")))),
        ("file_name", Arc::new(texts(str::to_owned))),
        ("size", Arc::new(Int64Array::from(vec![3; names.len()]))),
        (
            "md5_hash",
            Arc::new(names.iter().map(|_| md5.clone()).collect::<StringArray>()),
        ),
        (
            "added_at",
            Arc::new(TimestampMillisecondArray::from(vec![0; names.len()])),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn framed(body: &[u8]) -> Step {
    let head = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n", body.len());
    Step::Answer([head.as_bytes(), body].concat())
}

fn unframed(body: &[u8]) -> Step {
    Step::AnswerAndClose([b"HTTP/1.1 200 X\r\n\r\n", body].concat())
}

fn list(server: &Script) -> Result<Vec<RemoteFile>, ApiError> {
    let mut files = Vec::new();
    quietly(|call| {
        let writer = writer(server);
        writer
            .reader()
            .raw_files(call, &table(), &Version::Next, &mut |file| files.push(file))
    })
    .map(|()| files)
}

#[test]
fn the_listing_is_read_whole() {
    let server = Script::new([framed(&arrow(&["a", "b/é"], true))]);

    let files = list(&server).unwrap();

    assert_eq!(files.len(), 4);
    assert_eq!(
        files[1],
        RemoteFile {
            id: "id-b/é".to_owned(),
            name: "b/é".to_owned(),
            size: 3,
            md5: Some(Md5Digest::of(b"abc")),
        }
    );
    assert_eq!(
        server.lines(),
        ["GET /api/v1/tables/me.survey:next.scans/rawFiles?format=arrow"]
    );
}

#[test]
fn a_null_digest_and_an_empty_table_are_no_errors() {
    let server = Script::new([framed(&arrow(&["a"], false)), framed(&arrow(&[], true))]);

    assert_eq!(list(&server).unwrap()[0].md5, None);
    assert_eq!(list(&server).unwrap(), []);
}

#[test]
fn a_listing_that_breaks_off_is_asked_for_again_and_never_seen() {
    let whole = arrow(&["a", "b"], true);
    let head = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n", whole.len());
    let broken = [head.as_bytes(), &whole[..whole.len() - 300]].concat();
    let server = Script::new([Step::AnswerAndClose(broken), framed(&whole)]);

    assert_eq!(list(&server).unwrap().len(), 4);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_stream_is_never_short_wherever_it_is_cut() {
    let whole = arrow(&["a", "b"], true);
    assert_eq!(list(&Script::new([unframed(&whole)])).unwrap().len(), 4);

    // Without the end mark, a stream whose length nobody said may be short.
    for end in (0..whole.len()).step_by(13).chain([whole.len() - 8]) {
        let error = list(&Script::new([unframed(&whole[..end])])).unwrap_err();
        assert_eq!(error.kind(), &ApiErrorKind::Protocol, "{end}: {error}");
    }
    // With a length, the mark may be left out, but nothing else.
    let unmarked = whole.len() - 8;
    assert_eq!(
        list(&Script::new([framed(&whole[..unmarked])]))
            .unwrap()
            .len(),
        4
    );
    for end in [unmarked - 1, unmarked - 100, 3, 0] {
        assert!(
            list(&Script::new([framed(&whole[..end])])).is_err(),
            "{end}"
        );
    }
}

/// A connection that ended within the head of a chunk was taken for an answer that
/// nobody understands, and the listing was never asked for again.
#[test]
fn a_listing_in_chunks_that_breaks_off_anywhere_is_asked_for_again() {
    let whole = arrow(&["a"], true);
    let (first, second) = whole.split_at(whole.len() / 2);
    let mut chunks = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let head = chunks.len();
    let mut heads = Vec::new();
    for piece in [first, second, &[]] {
        heads.push(chunks.len());
        chunks.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        heads.push(chunks.len());
        chunks.extend(piece);
        chunks.extend(b"\r\n");
    }
    let near = |end: &usize| heads.iter().any(|at| at.abs_diff(*end) < 5);
    for end in (head..chunks.len() - 4).filter(near) {
        let broken = Step::AnswerAndClose(chunks[..end].to_vec());
        let server = Script::new([broken, Step::Answer(chunks.clone())]);

        assert_eq!(list(&server).unwrap().len(), 2, "{end}");
        assert_eq!(server.seen().len(), 2, "{end}");
    }
}

#[test]
fn hostile_streams_are_refused_and_take_no_memory() {
    let whole = arrow(&["a"], true);
    let mut endless_metadata = vec![0xff; 4];
    endless_metadata.extend(0x7fff_ffff_u32.to_le_bytes());
    for (name, body) in [
        ("json", br#"{"results":[]}"#.to_vec()),
        ("html", b"<html>sorry</html>".to_vec()),
        ("metadata", endless_metadata),
        ("zeros", vec![0; 64]),
        ("marks", vec![0xff; 64]),
    ] {
        let error = list(&Script::new([framed(&body)])).unwrap_err();
        assert_eq!(error.kind(), &ApiErrorKind::Protocol, "{name}");
    }
    // Every byte of a good stream's structure, broken: an error or a list, but
    // never a panic that leaves this function.
    for at in (0..whole.len()).step_by(7) {
        let mut broken = whole.clone();
        broken[at] ^= 0xff;
        drop(list(&Script::new([framed(&broken)])));
    }
}

#[test]
fn a_listing_without_a_column_that_is_needed_is_refused() {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let batch = RecordBatch::try_from_iter([("file_name", names)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let server = Script::new([framed(&writer.into_inner().unwrap())]);

    let error = list(&server).unwrap_err();

    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("`file_id`"), "{source}");
}

fn temp_file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    // Somewhere in the middle: positioning is the transfer's.
    file.seek(std::io::SeekFrom::Start(3)).unwrap();
    file
}

fn put(
    server: &Script,
    content: &[u8],
    size: u64,
    unchanged: &dyn Fn() -> bool,
) -> Result<Transferred, TransferError> {
    put_with(
        &writer(server),
        &server.url("/up/1"),
        content,
        size,
        unchanged,
    )
}

fn put_with(
    writer: &Writer,
    url: &str,
    content: &[u8],
    size: u64,
    unchanged: &dyn Fn() -> bool,
) -> Result<Transferred, TransferError> {
    let mut file = temp_file(content);
    let mut source = TransferSource {
        file: &mut file,
        size,
        unchanged,
    };
    quietly(|call| put_plain(writer, call, &SignedUrl::new(url), &mut source))
}

#[test]
fn a_file_is_put_and_hashed_on_the_way() {
    let content = vec![7; 300_000];
    let server = Script::new([says(200, &[], "")]);

    let done = put(&server, &content, 300_000, &|| true).unwrap();

    assert_eq!(
        done,
        Transferred {
            md5: Md5Digest::of(&content),
            sent_bytes: 300_000,
            resumed_at: 0
        }
    );
    assert_eq!(server.seen()[0].body, content);
    assert_eq!(server.seen()[0].header("transfer-encoding"), None);
}

/// The official client sends an empty body here, and reports success.
#[test]
fn a_repeated_put_sends_the_whole_file_again() {
    let content: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let server = Script::new([
        says(503, &[], ""),
        Step::CutAfter(1000),
        says(429, &[], ""),
        says(200, &[], ""),
    ]);

    let done = put(&server, &content, 5000, &|| true).unwrap();

    let seen = server.seen();
    assert_eq!(seen.last().unwrap().body, content);
    assert_eq!(done.md5, Md5Digest::of(&content));
    assert_eq!(done.sent_bytes, 20_000);
}

#[test]
fn an_empty_file_is_put_with_a_length() {
    let server = Script::new([says(200, &[], "")]);

    let done = put(&server, b"", 0, &|| true).unwrap();

    assert_eq!(done.md5, Md5Digest::of(b""));
    assert_eq!(server.seen()[0].header("content-length"), Some("0"));
}

#[test]
fn a_file_that_shrank_is_no_fault_of_the_network() {
    let server = Script::new([says(200, &[], ""), says(200, &[], "")]);
    let writer = writer(&server);
    let url = server.url("/up/1");

    let error = put_with(&writer, &url, &[7; 1000], 2000, &|| true).unwrap_err();

    assert!(matches!(error, TransferError::SourceChanged), "{error:?}");
    assert_eq!(writer.reader().http().stats().requests, 1);
}

#[test]
fn a_file_that_grew_or_was_touched_is_not_called_delivered() {
    let server = Script::new([says(200, &[], "")]);

    let error = put(&server, &[7; 3000], 2000, &|| false).unwrap_err();

    assert!(matches!(error, TransferError::SourceChanged), "{error:?}");
    assert_eq!(server.seen()[0].body, [7; 2000]);
}

#[test]
fn a_file_that_changed_is_not_sent_again() {
    let server = Script::new([says(503, &[], ""), says(200, &[], "")]);
    let asked = Cell::new(0);

    let error = put(&server, &[7; 1000], 1000, &|| {
        asked.set(asked.get() + 1);
        false
    })
    .unwrap_err();

    assert!(matches!(error, TransferError::SourceChanged), "{error:?}");
    assert_eq!((server.seen().len(), asked.get()), (1, 1));
}

#[test]
fn an_address_that_is_refused_asks_for_a_fresh_one() {
    for status in [400, 403, 404, 410] {
        let xml = "<Error><Code>ExpiredToken</Code><Message>Expired.</Message></Error>";
        let server = Script::new([says(status, &[], xml)]);

        let error = put(&server, b"abc", 3, &|| true).unwrap_err();

        let TransferError::UrlRefused(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.message(), Some("Expired."));
        assert_eq!(error.url(), format!("{}/..", server.base()));
    }
}

#[test]
fn a_refusal_while_the_file_is_sent_is_not_lost_and_ends_the_reading() {
    let content = vec![7; 30_000_000];
    let server = Script::new([Step::Early(1000, answer(403, &[], "no"))]);
    let writer = writer(&server);
    let url = server.url("/up/1");

    let error = put_with(&writer, &url, &content, 30_000_000, &|| true).unwrap_err();

    assert!(matches!(error, TransferError::UrlRefused(_)), "{error:?}");
    let read = writer.reader().http().stats().sent_bytes;
    assert!(read < 30_000_000, "{read}");
}

#[test]
fn what_the_storage_says_it_stored_is_compared() {
    let stored = Md5Digest::of(b"other");
    let header = format!("crc32c=AAAAAA==,md5={}", stored.to_base64());
    let server = Script::new([says(200, &[("x-goog-hash", &header)], "")]);

    let error = put(&server, b"abc", 3, &|| true).unwrap_err();

    let TransferError::Mismatch {
        local,
        stored: said,
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((local, said), (Md5Digest::of(b"abc"), stored));
}

#[test]
fn a_bandwidth_limit_slows_content_and_ends_with_the_run() {
    let server = Script::new([says(200, &[], "")]);
    let mut settings = settings(&server);
    settings.bandwidth = Some(1000);
    settings.retry.scale = 1.0;
    let writer = writer_with(settings);
    let mut file = temp_file(&vec![7; 100_000]);
    let watch = Watch::default();
    let cancel = watch.cancel.clone();

    let error = watch
        .run(|call| {
            let call = super::Call {
                on_bytes: &|_| cancel.cancel(crate::base::cancel::CancelReason::Deadline),
                ..*call
            };
            put_plain(
                &writer,
                &call,
                &SignedUrl::new(server.url("/up/1")),
                &mut TransferSource {
                    file: &mut file,
                    size: 100_000,
                    unchanged: &|| true,
                },
            )
        })
        .unwrap_err();

    assert!(error.is_cancelled(), "{error:?}");
}

fn piece(first: usize, body: &[u8], total: usize) -> Step {
    let last = first + body.len() - 1;
    let head = format!(
        "HTTP/1.1 206 X\r\nContent-Range: bytes {first}-{last}/{total}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Step::Answer([head.as_bytes(), body].concat())
}

fn read_back(server: &Script, size: u64) -> Result<(u64, Md5Digest), ApiError> {
    let writer = writer(server);
    quietly(|call| writer.reader().raw_file_digest_in(call, "f 1", size, 4))
}

#[test]
fn a_stored_file_is_read_back_in_pieces_and_a_broken_one_is_read_again() {
    let short = b"HTTP/1.1 206 X\r\nContent-Range: bytes 4-7/10\r\nContent-Length: 4\r\n\r\nxx";
    let server = Script::new([
        piece(0, b"0123", 10),
        Step::AnswerAndClose(short.to_vec()),
        piece(4, b"4567", 10),
        piece(8, b"89", 10),
    ]);

    let found = read_back(&server, 10).unwrap();

    assert_eq!(found, (10, Md5Digest::of(b"0123456789")));
    let ranges: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| seen.header("range").unwrap().to_owned())
        .collect();
    assert_eq!(ranges, ["bytes=0-3", "bytes=4-7", "bytes=4-7", "bytes=8-9"]);
    assert_eq!(server.lines()[0], "GET /api/v1/rawFiles/f%201");
}

#[test]
fn a_small_file_is_read_back_whole_and_so_is_one_whose_server_knows_no_ranges() {
    for size in [3, 10] {
        let server = Script::new([framed(b"abc")]);

        let found = read_back(&server, size).unwrap();

        assert_eq!(found, (3, Md5Digest::of(b"abc")), "{size}");
    }
}

#[test]
fn pieces_that_were_not_asked_for_are_no_content() {
    for step in [
        piece(1, b"123", 10),
        framed(b"0123456789"),
        Step::Answer(answer(206, &[], "4567")),
    ] {
        let server = Script::new([piece(0, b"0123", 10), step]);

        let error = read_back(&server, 10).unwrap_err();

        assert_eq!(*error.kind(), ApiErrorKind::Protocol);
    }
    let server = Script::new([piece(0, b"0123", 12)]);
    assert_eq!(read_back(&server, 10).unwrap().0, 12);
}
