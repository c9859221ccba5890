//! The storage's side: its paths, and a whole body in one PUT, in the way of
//! Google Cloud Storage's XML interface (contract 9.1).

use super::{Exchange, Handled};
use crate::base::Md5Digest;
use crate::base::digest::Md5Hasher;
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::bodies::BodyRef;
use crate::sandbox::faults::{Fault, Operation};
use crate::sandbox::http::{Head, Method};
use crate::sandbox::limits;
use crate::sandbox::records::{Effect, Stored, TempMode, TempRecord};

/// The first segment of every storage path.
pub(in crate::sandbox) const BUCKET: &str = "redivis-temp-uploads";

pub(super) fn operation(head: &Head, segments: &[String]) -> Operation {
    if segments.len() != 2 || segments.first().is_none_or(|first| first != BUCKET) {
        return Operation::Unknown;
    }
    let in_session = head.query("upload_id").is_some();
    match (head.method, in_session) {
        (Method::Put, false) => Operation::PutFile,
        (Method::Post, false) => Operation::OpenSession,
        (Method::Put, true) if is_query(head) => Operation::QuerySession,
        (Method::Put, true) => Operation::PutChunk,
        (Method::Delete, true) => Operation::CancelSession,
        _ => Operation::Unknown,
    }
}

/// Whether a PUT asks for the offset: its range is `*/..`.
fn is_query(head: &Head) -> bool {
    head.header("content-range")
        .map(|text| text.trim_start_matches("bytes").trim())
        .is_some_and(|range| range.starts_with('*'))
}

pub(super) fn bad(message: impl Into<String>) -> Refusal {
    Refusal::storage(400, "InvalidArgument", message)
}

/// The temp upload of the path, if its URL still works.
pub(super) fn temp(x: &Exchange<'_, '_>) -> Result<TempRecord, Refusal> {
    let store = &x.shared.store;
    if store.behaviour.storage_refuses_authorization && x.head.header("authorization").is_some() {
        return Err(Refusal::storage(
            400,
            "InvalidAuthentication",
            "The request is signed and has an Authorization header",
        ));
    }
    let id = x.segment(1);
    let signed = x.head.query("X-Goog-Signature");
    if x.head.query("upload_id").is_none() && signed != Some(x.shared.signature(id)) {
        return Err(Refusal::storage(
            403,
            "SignatureDoesNotMatch",
            "The signature of the URL does not match",
        ));
    }
    let mut staging = store.staging();
    let missing = || Refusal::storage(404, "NoSuchUpload", "The upload is not known");
    let record = staging.temps.get(id).ok_or_else(missing)?.clone();
    if matches!(x.fault, Some(Fault::ExpireUrl)) && !record.expired {
        let expired = TempRecord {
            expired: true,
            ..record.clone()
        };
        store.commit_staging(&mut staging, Effect::Temps(vec![expired]))?;
    }
    let age = x.now() - record.created;
    if matches!(x.fault, Some(Fault::ExpireUrl))
        || record.expired
        || age > store.behaviour.temp_url_life_ms
    {
        return Err(Refusal::storage(
            400,
            "ExpiredToken",
            "The provided token has expired",
        ));
    }
    Ok(record)
}

/// A whole body in one PUT. Repeated, the last one counts.
pub(super) fn put(x: &mut Exchange<'_, '_>) -> Handled {
    let record = temp(x)?;
    if record.mode != TempMode::Plain {
        return Err(Refusal::storage(
            403,
            "SignatureDoesNotMatch",
            "This URL was signed for a resumable upload",
        ));
    }
    if !x.head.has_length {
        return Err(Refusal::storage(
            411,
            "MissingContentLength",
            "You must provide the Content-Length HTTP header",
        ));
    }
    let store = &x.shared.store;
    let (body, mut md5) = store.bodies.store(x.body, store.new_id())?;
    check_md5(x.head, md5)?;
    if matches!(x.fault, Some(Fault::WrongMd5)) {
        store.bodies.damage(&body)?;
        md5 = digest_of(x, &body)?;
    }
    if matches!(x.fault, Some(Fault::BitRot)) {
        store.bodies.damage(&body)?;
    }
    let stored = Stored {
        bytes: body.len(),
        body,
        md5: Some(md5),
    };
    let record = TempRecord {
        stored: Some(stored),
        ..record
    };
    if store.commit_stored(record)? {
        Ok(finished(x, Some(md5)))
    } else {
        let why = "The upload is not known";
        Err(Refusal::storage(404, "NoSuchUpload", why))
    }
}

pub(super) fn digest_of(x: &Exchange<'_, '_>, body: &BodyRef) -> Result<Md5Digest, Refusal> {
    use std::io::Read as _;
    let mut reader = x.shared.store.bodies.reader(body, 0, body.len())?;
    let mut hasher = Md5Hasher::new();
    let mut buffer = vec![0; limits::BODY_BUFFER];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// `Content-MD5`, when the client states it.
fn check_md5(head: &Head, md5: Md5Digest) -> Result<(), Refusal> {
    match head.header("content-md5") {
        Some(stated) if stated.parse() != Ok(md5) => Err(Refusal::storage(
            400,
            "BadDigest",
            "The Content-MD5 you specified did not match what we received",
        )),
        Some(_) | None => Ok(()),
    }
}

/// The answer to the last byte. Composed objects have no MD5 (contract Q7).
pub(super) fn finished(x: &Exchange<'_, '_>, md5: Option<Md5Digest>) -> Answer {
    let answer = Answer::empty(200).with("ETag", format!("\"{}\"", x.shared.store.new_id()));
    match md5 {
        Some(md5) => answer.with("x-goog-hash", format!("md5={}", md5.to_base64())),
        None => answer,
    }
}
