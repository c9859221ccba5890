//! Resumable sessions (contract 9.2-9.4): open, ask, send in chunks, recover.
//!
//! Only what the server says it has counts, never what we think we sent. A
//! session is done when a 2xx says so for the last byte, or a status query does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::base::SignedUrl;

use super::answer::{Answer, Sink};
use super::body::{Body, FileBody};
use super::endpoint::Origin;
use super::error::{ApiError, ApiErrorKind, Method};
use super::limits::{CHUNK_QUANTUM, SESSION_STALLS};
use super::md5::RunningMd5;
use super::model::SessionStatus;
use super::request::{Answered, Repeat, Request};
use super::retry::{Backoff, Call, Wait, WaitReason};
use super::transfer::{TransferError, TransferSource, Transferred, check_stored};
use super::writer::Writer;

/// Opens a session for a file of `size` bytes; what comes back is its address.
pub fn open_session(
    writer: &Writer,
    call: &Call<'_>,
    url: &SignedUrl,
    size: u64,
) -> Result<SignedUrl, TransferError> {
    // `start` is part of what the address signs; nothing else may be added.
    let request = Request::signed("open_session", Method::Post, url, Repeat::Freely)
        .header("x-goog-resumable", "start")
        .header("x-upload-content-length", size.to_string());
    let answered = writer
        .http()
        .send(call, &request, Body::Empty, Sink::Memory)
        .map_err(TransferError::of_plain)?;
    let location = answered.answer.headers.get("location");
    match location.and_then(|location| resolved(url, location)) {
        Some(session) => Ok(session),
        None => Err(TransferError::Api(
            answered.refuse("the answer has no usable `Location` for the session"),
        )),
    }
}

/// A `Location` that may be relative to the address that was asked.
fn resolved(asked: &SignedUrl, location: &str) -> Option<SignedUrl> {
    let location = location.trim();
    if Origin::of(location).is_ok() {
        return Some(SignedUrl::new(location));
    }
    if !location.starts_with('/') || location.starts_with("//") {
        return None;
    }
    let origin = Origin::of(asked.reveal()).ok()?;
    Some(SignedUrl::new(format!("{origin}{location}")))
}

/// Asks how far a session is.
pub fn session_status(
    writer: &Writer,
    call: &Call<'_>,
    session: &SignedUrl,
    size: u64,
) -> Result<SessionStatus, TransferError> {
    ask(writer, call, session, size).map(|(status, _)| status)
}

/// The status, with the answer when it says that all is there.
fn ask(
    writer: &Writer,
    call: &Call<'_>,
    session: &SignedUrl,
    size: u64,
) -> Result<(SessionStatus, Option<Answer>), TransferError> {
    let request = Request {
        also_good: &[308],
        ..Request::signed("session_status", Method::Put, session, Repeat::Freely)
    }
    .header("content-range", format!("bytes */{size}"));
    match writer
        .http()
        .send(call, &request, Body::Empty, Sink::Memory)
    {
        Ok(answered) => match Acknowledged::of(answered, size)? {
            Acknowledged::All(answer) => Ok((SessionStatus::Complete, Some(answer))),
            Acknowledged::UpTo(offset) => Ok((SessionStatus::Offset(offset), None)),
        },
        Err(error) if matches!(error.status(), Some(404 | 410)) => Ok((SessionStatus::Gone, None)),
        Err(error) if error.status() == Some(403) => Err(TransferError::UrlRefused(error)),
        Err(error) => Err(TransferError::of_api(error)),
    }
}

/// An open session, and how to go on with it.
#[derive(Debug, Clone, Copy)]
pub struct OpenSession<'a> {
    /// Its address.
    pub url: &'a SignedUrl,
    /// What a status query said, or `Offset(0)` for a new one.
    pub from: SessionStatus,
    /// Bytes of one request; rounded down to what the protocol allows. More than
    /// the file has means one request for all of it.
    pub chunk: u64,
}

/// Sends the rest of a file to a session, and recovers it as often as something
/// arrives between two failures. `on_offset` is told what the server says it has.
///
/// The MD5 is of the whole file; what an earlier process sent is read again here.
pub fn send_session(
    writer: &Writer,
    call: &Call<'_>,
    session: OpenSession<'_>,
    source: &mut TransferSource<'_>,
    on_offset: &mut dyn FnMut(u64),
) -> Result<Transferred, TransferError> {
    let size = source.size;
    let resumed_at = match session.from {
        SessionStatus::Complete => size,
        SessionStatus::Offset(offset) if offset <= size => offset,
        // More than the file has: it is another file's.
        SessionStatus::Offset(_) => return Err(TransferError::SourceChanged),
        SessionStatus::Gone => return Err(TransferError::SessionGone),
    };
    let sent = AtomicU64::new(0);
    let counted = Call {
        on_bytes: &|bytes| {
            sent.fetch_add(bytes, Ordering::Relaxed);
            (call.on_bytes)(bytes);
        },
        ..*call
    };
    let mut dialogue = Dialogue {
        writer,
        call: &counted,
        session: session.url,
        chunk: (session.chunk / CHUNK_QUANTUM).max(1) * CHUNK_QUANTUM,
        md5: RunningMd5::new(&writer.http().hashers),
        offset: resumed_at,
        reached: resumed_at,
        stalls: 0,
        backoff: writer.http().backoff(),
    };
    let catch_up = dialogue.md5.catch_up(source.file, resumed_at);
    catch_up.map_err(TransferError::local)?;
    let last = match session.from {
        SessionStatus::Complete => None,
        SessionStatus::Offset(_) | SessionStatus::Gone => dialogue.run(source, on_offset)?,
    };
    let Dialogue { mut md5, .. } = dialogue;
    md5.catch_up(source.file, size)
        .map_err(TransferError::local)?;
    if !(source.unchanged)() {
        return Err(TransferError::SourceChanged);
    }
    let md5 = md5.finish();
    if let Some(answer) = last {
        check_stored(&answer, md5)?;
    }
    Ok(Transferred {
        md5,
        sent_bytes: sent.into_inner(),
        resumed_at,
    })
}

/// One session while it is sent.
struct Dialogue<'a> {
    writer: &'a Writer,
    call: &'a Call<'a>,
    session: &'a SignedUrl,
    chunk: u64,
    md5: RunningMd5,
    /// What the server says it has.
    offset: u64,
    /// The most that it ever had.
    reached: u64,
    stalls: u32,
    backoff: Backoff<'a>,
}

impl Dialogue<'_> {
    /// Sends until all is there; the last answer, if it was one to content.
    fn run(
        &mut self,
        source: &mut TransferSource<'_>,
        on_offset: &mut dyn FnMut(u64),
    ) -> Result<Option<Answer>, TransferError> {
        loop {
            let started = Instant::now();
            let end = self.offset.saturating_add(self.chunk).min(source.size);
            let outcome = self.send_chunk(source, end);
            let failure = match outcome {
                Ok(Acknowledged::All(answer)) if end == source.size => {
                    on_offset(source.size);
                    return Ok(Some(answer));
                }
                // The pages say 200 for every chunk, the protocol only for the
                // last one (contract D6). The server is asked what it means.
                Ok(Acknowledged::All(_)) => None,
                Ok(Acknowledged::UpTo(offset)) => {
                    if offset > end {
                        return Err(self.ahead(source.size, offset));
                    }
                    let is_progress = self.acknowledge(offset, on_offset);
                    if is_progress && offset < source.size {
                        continue;
                    }
                    None
                }
                Err(TransferError::Api(error)) if may_recover(&error) => Some(error),
                Err(error) => return Err(error),
            };
            self.pause(started, failure)?;
            match ask(self.writer, self.call, self.session, source.size)? {
                (SessionStatus::Complete, answer) if end == source.size => {
                    on_offset(source.size);
                    return Ok(answer);
                }
                (SessionStatus::Complete, _) => return Err(self.ahead(source.size, source.size)),
                (SessionStatus::Offset(offset), _) if offset > end => {
                    return Err(self.ahead(source.size, offset));
                }
                (SessionStatus::Offset(offset), _) => {
                    self.acknowledge(offset, on_offset);
                }
                (SessionStatus::Gone, _) => return Err(TransferError::SessionGone),
            }
        }
    }

    /// Believes the server; whether it is further than before. New patience is
    /// only given for being further than ever: a server that keeps losing what
    /// it had would get it for ever.
    fn acknowledge(&mut self, offset: u64, on_offset: &mut dyn FnMut(u64)) -> bool {
        let is_further = offset > self.offset;
        self.offset = offset;
        on_offset(offset);
        if offset > self.reached {
            self.reached = offset;
            self.stalls = 0;
            self.backoff.progressed();
        }
        is_further
    }

    /// Waits before the session is asked, if nothing has arrived for a while.
    fn pause(&mut self, started: Instant, failure: Option<ApiError>) -> Result<(), TransferError> {
        self.stalls += 1;
        let asked = failure.as_ref().and_then(ApiError::retry_after);
        let delay = if self.stalls <= SESSION_STALLS {
            self.backoff.next(started.elapsed(), asked)
        } else {
            None
        };
        let reason = match failure.as_ref().map(ApiError::status) {
            Some(Some(429)) => WaitReason::RateLimited,
            Some(Some(status)) => WaitReason::Status(status),
            Some(None) => WaitReason::Network,
            None => WaitReason::Status(308),
        };
        let Some(delay) = delay else {
            return Err(TransferError::Api(match failure {
                Some(error) => error,
                None => self.stuck(),
            }));
        };
        let attempt = self.stalls + 1;
        let wait = Wait {
            reason,
            delay,
            attempt,
        };
        // A cancelled wait is found by the request that follows.
        self.writer.http().wait(self.call, wait);
        Ok(())
    }

    fn send_chunk(
        &mut self,
        source: &mut TransferSource<'_>,
        end: u64,
    ) -> Result<Acknowledged, TransferError> {
        let size = source.size;
        let mut body = FileBody {
            file: source.file,
            offset: self.offset,
            len: end - self.offset,
            md5: &mut self.md5,
            unchanged: source.unchanged,
        };
        let mut request = Request {
            also_good: &[308],
            ..Request::signed("send_chunk", Method::Put, self.session, Repeat::ByCaller)
        };
        // An empty range cannot be written; an empty PUT ends the session too.
        if self.offset < end {
            let range = format!("bytes {}-{}/{size}", self.offset, end - 1);
            request = request.header("content-range", range);
        } else if size > 0 {
            request = request.header("content-range", format!("bytes */{size}"));
        }
        let content = Body::File(&mut body);
        let answered = self
            .writer
            .http()
            .send(self.call, &request, content, Sink::Memory);
        match answered {
            Ok(answered) => Acknowledged::of(answered, size),
            Err(error) => Err(match error.status() {
                Some(404 | 410) => TransferError::SessionGone,
                Some(403) => TransferError::UrlRefused(error),
                // The total is not the one of the session (contract 9.4).
                Some(400) if !(source.unchanged)() => TransferError::SourceChanged,
                _ => TransferError::of_api(error),
            }),
        }
    }

    fn ahead(&self, size: u64, offset: u64) -> TransferError {
        TransferError::SessionUnsound(self.complaint(format!(
            "the session says it has {offset} of {size} bytes, more than were sent"
        )))
    }

    fn stuck(&self) -> ApiError {
        self.complaint(format!(
            "the session stays at {} bytes whatever is sent",
            self.offset
        ))
    }

    fn complaint(&self, why: String) -> ApiError {
        let request = Request::signed("send_chunk", Method::Put, self.session, Repeat::Freely);
        self.writer.http().complaint(&request, why)
    }
}

/// What a session can go on after.
fn may_recover(error: &ApiError) -> bool {
    match error.kind() {
        ApiErrorKind::RateLimited | ApiErrorKind::Unavailable | ApiErrorKind::Network => true,
        ApiErrorKind::Unauthorized
        | ApiErrorKind::Forbidden { .. }
        | ApiErrorKind::NotFound
        | ApiErrorKind::Conflict
        | ApiErrorKind::Invalid
        | ApiErrorKind::TooLarge
        | ApiErrorKind::Tls
        | ApiErrorKind::Protocol
        | ApiErrorKind::Cancelled
        | ApiErrorKind::LocalRead => false,
    }
}

/// What an answer of a session says that the server has.
#[derive(Debug)]
enum Acknowledged {
    All(Answer),
    UpTo(u64),
}

impl Acknowledged {
    fn of(answered: Answered, size: u64) -> Result<Self, TransferError> {
        let headers = &answered.answer.headers;
        // Proxies that cannot pass a 308 on say it this way (contract Q10).
        let overridden = headers.number("x-http-status-code-override") == Some(308);
        if answered.answer.status != 308 && !overridden {
            return Ok(Self::All(answered.answer));
        }
        let range = headers.get("range").map(str::to_owned);
        match range.as_deref().map(acknowledged_end) {
            None => Ok(Self::UpTo(0)),
            Some(Some(offset)) if offset <= size => Ok(Self::UpTo(offset)),
            Some(_) => Err(TransferError::Api(
                answered.refuse("the session's `Range` is not one of the file's beginnings"),
            )),
        }
    }
}

/// `bytes=0-N` as the number of bytes, N + 1.
pub(super) fn acknowledged_end(range: &str) -> Option<u64> {
    let range = range.trim();
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let last = range.strip_prefix("0-")?;
    if last.is_empty() || !last.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    last.parse::<u64>().ok()?.checked_add(1)
}
