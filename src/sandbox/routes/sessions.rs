//! Resumable sessions: chunks, offsets and ends (contract 9.2 to 9.5).

use std::sync::{Arc, Mutex, PoisonError};

use super::storage::{bad, digest_of, finished, temp};
use super::{Exchange, Handled};
use crate::base::Md5Digest;
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::bodies::BodyRef;
use crate::sandbox::faults::Fault;
use crate::sandbox::http::Head;
use crate::sandbox::limits::{self, CHUNK_UNIT};
use crate::sandbox::records::{Effect, SessionRecord, SessionState, Stored, TempMode};
use crate::sandbox::store::{Live, session_file};

/// Starts a session.
pub(super) fn open(x: &mut Exchange<'_, '_>) -> Handled {
    let record = temp(x)?;
    if !x.head.has_length {
        return Err(Refusal::storage(
            411,
            "MissingContentLength",
            "You must provide the Content-Length HTTP header",
        ));
    }
    let started = x
        .head
        .header("x-goog-resumable")
        .is_some_and(|value| value.eq_ignore_ascii_case("start"));
    if record.mode != TempMode::Resumable || !started {
        return Err(Refusal::storage(
            403,
            "SignatureDoesNotMatch",
            "The URL was signed with other headers; send `x-goog-resumable: start`",
        ));
    }
    let total = match x.head.header("x-upload-content-length") {
        None => None,
        Some(text) => Some(
            text.parse::<u64>()
                .map_err(|_bad| bad("x-upload-content-length is no number"))?,
        ),
    };
    let store = &x.shared.store;
    let session = SessionRecord {
        id: store.new_id(),
        temp: record.id.clone(),
        total,
        created: x.now(),
        state: SessionState::Open,
    };
    let url = x.shared.session_url(&record.id, &session.id);
    let upload_id = session.id.clone();
    store.commit_staging(&mut store.staging(), Effect::Session(session))?;
    Ok(Answer::empty(201)
        .with("Location", url)
        .with("X-GUploader-UploadID", upload_id))
}

/// A session that can still be used, and its bytes.
struct Opened {
    record: SessionRecord,
    live: Arc<Mutex<Live>>,
}

enum Found {
    Open(Opened),
    /// All bytes are there already.
    Complete(Option<Md5Digest>),
}

fn session(x: &Exchange<'_, '_>) -> Result<Found, Refusal> {
    let store = &x.shared.store;
    let id = x.head.query("upload_id").unwrap_or_default();
    let missing = || Refusal::storage(404, "NoSuchUpload", "The requested upload was not found");
    let gone = || Refusal::storage(410, "Gone", "The requested upload has been removed");
    let mut staging = store.staging();
    let entry = staging.sessions.get(&id).ok_or_else(missing)?;
    let mut record = entry.record.clone();
    let live = Arc::clone(&entry.live);
    if let Some(Fault::LoseSession { gone }) = x.fault {
        record.state = if *gone {
            SessionState::Gone
        } else {
            SessionState::Lost
        };
        store.commit_staging(&mut staging, Effect::Session(record.clone()))?;
        store.bodies.remove_file(&session_file(&id));
    }
    match record.state {
        SessionState::Lost => Err(missing()),
        SessionState::Gone => Err(gone()),
        SessionState::Cancelled => Err(Refusal::storage(
            499,
            "ClientClosedRequest",
            "The upload was cancelled",
        )),
        SessionState::Complete => {
            let stored = staging
                .temps
                .get(&record.temp)
                .and_then(|temp| temp.stored.as_ref());
            Ok(Found::Complete(stored.and_then(|stored| stored.md5)))
        }
        SessionState::Open if x.now() - record.created > limits::SESSION_LIFE_MS => Err(gone()),
        SessionState::Open => Ok(Found::Open(Opened { record, live })),
    }
}

/// `bytes first-last/total` or `bytes */total`; `bytes` may be missing
/// (contract D7).
struct Range {
    bytes: Option<(u64, u64)>,
    total: Option<u64>,
}

fn content_range(head: &Head) -> Result<Option<Range>, Refusal> {
    let Some(text) = head.header("content-range") else {
        return Ok(None);
    };
    let wrong = || bad(format!("Content-Range `{text}` is not valid"));
    let number = |digits: &str| digits.trim().parse::<u64>().map_err(|_bad| wrong());
    let rest = text.strip_prefix("bytes").unwrap_or(text).trim();
    let (range, total) = rest.split_once('/').ok_or_else(wrong)?;
    let total = match total.trim() {
        "*" => None,
        digits => Some(number(digits)?),
    };
    let bytes = match range.trim() {
        "*" => None,
        range => {
            let (first, last) = range.split_once('-').ok_or_else(wrong)?;
            let (first, last) = (number(first)?, number(last)?);
            if last < first || total.is_some_and(|total| last >= total) {
                return Err(wrong());
            }
            Some((first, last))
        }
    };
    Ok(Some(Range { bytes, total }))
}

fn check_total(record: &SessionRecord, total: Option<u64>) -> Result<Option<u64>, Refusal> {
    match (record.total, total) {
        (Some(stated), Some(sent)) if stated != sent => Err(bad(format!(
            "The total of {sent} bytes differs from the {stated} that were announced"
        ))),
        (stated, sent) => Ok(stated.or(sent)),
    }
}

/// 308: how far the server has come.
fn incomplete(x: &Exchange<'_, '_>, kept: u64) -> Answer {
    let whole = kept - kept % CHUNK_UNIT;
    let answer = if x.shared.store.behaviour.resume_incomplete_as_200 {
        Answer::empty(200).with("X-HTTP-Status-Code-Override", "308")
    } else {
        Answer::empty(308)
    };
    if whole == 0 {
        answer
    } else {
        answer.with("Range", format!("bytes=0-{}", whole - 1))
    }
}

pub(super) fn query(x: &mut Exchange<'_, '_>) -> Handled {
    x.body.drain(limits::MAX_DRAIN)?;
    let range = content_range(x.head)?;
    let opened = match session(x)? {
        Found::Complete(md5) => return Ok(finished(x, md5)),
        Found::Open(opened) => opened,
    };
    let total = check_total(&opened.record, range.and_then(|range| range.total))?;
    let kept = kept_bytes(x, &opened)?;
    if total == Some(0) || total == Some(kept) {
        return complete(x, &opened);
    }
    Ok(incomplete(x, kept))
}

fn kept_bytes(x: &Exchange<'_, '_>, opened: &Opened) -> Result<u64, Refusal> {
    let mut live = opened.live.lock().unwrap_or_else(PoisonError::into_inner);
    let open = live.open(&x.shared.store.bodies, &session_file(&opened.record.id))?;
    Ok(open.kept)
}

/// One chunk, or all of the rest.
pub(super) fn chunk(x: &mut Exchange<'_, '_>) -> Handled {
    let range = content_range(x.head)?;
    let opened = match session(x)? {
        Found::Complete(md5) => return Ok(finished(x, md5)),
        Found::Open(opened) => opened,
    };
    let stated = x.body.stated();
    let total = range.as_ref().and_then(|range| range.total);
    let total = check_total(&opened.record, total)?;
    let (first, length) = match range.and_then(|range| range.bytes) {
        Some((first, last)) => (first, last - first + 1),
        // Without a range, the body is all there is.
        None => (0, stated.unwrap_or(0)),
    };
    let no_range = x.head.header("content-range").is_none();
    let end = first + length;
    let total = if no_range { Some(end) } else { total };
    check_total(&opened.record, total)?;
    if stated.is_some_and(|stated| stated != length) {
        return Err(bad(format!(
            "Content-Range speaks of {length} bytes, Content-Length of {}",
            stated.unwrap_or(0)
        )));
    }
    let is_last = total == Some(end);
    if !is_last && length % CHUNK_UNIT != 0 {
        return Err(bad(format!(
            "A chunk of {length} bytes is not a multiple of 262144"
        )));
    }
    if first > kept_bytes(x, &opened)? {
        return Err(Refusal::storage(
            503,
            "ServiceUnavailable",
            format!("Bytes before {first} were never received"),
        ));
    }
    receive(x, &opened, first, length)?;
    let kept = kept_bytes(x, &opened)?;
    if is_last && kept >= end {
        return complete(x, &opened);
    }
    Ok(incomplete(x, kept))
}

/// Keeps what comes, buffer by buffer, so that a cut loses only the tail.
fn receive(
    x: &mut Exchange<'_, '_>,
    opened: &Opened,
    first: u64,
    length: u64,
) -> Result<(), Refusal> {
    let bodies = &x.shared.store.bodies;
    let name = session_file(&opened.record.id);
    let mut buffer = vec![0; limits::BODY_BUFFER];
    let keep = match x.fault {
        // Half of it, in whole units.
        Some(Fault::ShortRange) => length / 2 - (length / 2) % CHUNK_UNIT,
        _ => length,
    };
    let mut at = first;
    loop {
        let (filled, broken) = fill_until_cut(x, &mut buffer);
        let kept_of_piece = (first + keep).saturating_sub(at).min(filled as u64);
        if kept_of_piece > 0 {
            let mut live = opened.live.lock().unwrap_or_else(PoisonError::into_inner);
            let open = live.open(bodies, &name)?;
            let end = at + kept_of_piece;
            if at > open.kept {
                return Err(bad("another request has moved the session"));
            }
            if end > open.kept {
                let skip = usize::try_from(open.kept - at).unwrap_or(filled);
                let stop = usize::try_from(kept_of_piece).unwrap_or(filled);
                let fresh = &buffer[skip..stop];
                bodies.write(&open.file, fresh, open.kept)?;
                open.hasher.update(fresh);
                open.kept = end;
            }
        }
        at += filled as u64;
        if let Some(error) = broken {
            return Err(error.into());
        }
        if filled < buffer.len() {
            return Ok(());
        }
    }
}

/// Fills the buffer; what came before an error counts.
fn fill_until_cut(x: &mut Exchange<'_, '_>, buffer: &mut [u8]) -> (usize, Option<std::io::Error>) {
    use std::io::Read as _;
    let mut filled = 0;
    while filled < buffer.len() {
        match x.body.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}

/// The last byte is there: the session's file becomes the temp upload's body.
fn complete(x: &Exchange<'_, '_>, opened: &Opened) -> Handled {
    let store = &x.shared.store;
    let name = session_file(&opened.record.id);
    let (bytes, hashed) = {
        let mut live = opened.live.lock().unwrap_or_else(PoisonError::into_inner);
        let open = live.open(&store.bodies, &name)?;
        (open.kept, open.hasher.clone().finish())
    };
    let body = if bytes == 0 {
        BodyRef::Empty
    } else {
        BodyRef::File { name, bytes }
    };
    let mut hashed = hashed;
    if matches!(x.fault, Some(Fault::WrongMd5)) {
        store.bodies.damage(&body)?;
        hashed = digest_of(x, &body)?;
    }
    if matches!(x.fault, Some(Fault::BitRot)) {
        store.bodies.damage(&body)?;
    }
    let no_md5 = store
        .behaviour
        .null_md5_from_bytes
        .is_some_and(|least| bytes >= least);
    let md5 = (!no_md5).then_some(hashed);
    let mut staging = store.staging();
    if let Some(mut temp) = staging.temps.get(&opened.record.temp).cloned() {
        temp.stored = Some(Stored { body, bytes, md5 });
        store.commit_staging(&mut staging, Effect::Temps(vec![temp]))?;
    }
    let record = SessionRecord {
        state: SessionState::Complete,
        ..opened.record.clone()
    };
    store.commit_staging(&mut staging, Effect::Session(record))?;
    drop(staging);
    Ok(finished(x, md5))
}

pub(super) fn cancel(x: &mut Exchange<'_, '_>) -> Handled {
    if let Found::Open(opened) = session(x)? {
        let store = &x.shared.store;
        let record = SessionRecord {
            state: SessionState::Cancelled,
            ..opened.record
        };
        store.bodies.remove_file(&session_file(&record.id));
        store.commit_staging(&mut store.staging(), Effect::Session(record))?;
    }
    Ok(Answer::empty(499))
}
