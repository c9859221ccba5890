//! Sending a file's bytes to a temp upload in one PUT, and what every transfer
//! shares. A transfer stages bytes that nobody sees until they are attached, so
//! it may be repeated freely. Resumable sessions are `session`'s.

use std::error::Error as _;
use std::fs::File;
use std::io;

use crate::base::{Md5Digest, SignedUrl};

use super::answer::{Answer, Sink};
use super::body::{Body, FileBody, SourceChanged};
use super::error::{ApiError, ApiErrorKind, Method};
use super::md5::RunningMd5;
use super::reader::md5_of;
use super::request::{Repeat, Request};
use super::retry::Call;
use super::writer::Writer;

/// A file to be sent.
pub struct TransferSource<'a> {
    /// Positioned by the transfer; nobody else moves it meanwhile.
    pub file: &'a mut File,
    /// Bytes that are sent: its size when it was planned.
    pub size: u64,
    /// Whether its fingerprint is still the one that was planned.
    pub unchanged: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for TransferSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransferSource")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// A file whose bytes are staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transferred {
    /// Of the whole file, as it was read.
    pub md5: Md5Digest,
    /// Bytes that went out over all tries.
    pub sent_bytes: u64,
    /// Where a session went on; 0 for a new one.
    pub resumed_at: u64,
}

/// A transfer that failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The file is not the one that was planned. Never a fault of the network.
    #[error("the file changed while it was sent")]
    SourceChanged,
    /// The file could not be read.
    #[error("the file could not be read")]
    LocalRead(#[source] io::Error),
    /// The address expired or is wrong: ask for a fresh temp upload.
    #[error("the address for the content was refused")]
    UrlRefused(#[source] ApiError),
    /// The session does not exist any more: open a new one.
    #[error("the server does not know the upload session any more")]
    SessionGone,
    /// What the session says does not fit what was sent: open a new one.
    #[error(transparent)]
    SessionUnsound(ApiError),
    /// The storage stored other bytes than were read.
    #[error("the storage has MD5 {stored}, the file {local}")]
    Mismatch {
        /// Of what was read.
        local: Md5Digest,
        /// Of what the storage says it has.
        stored: Md5Digest,
    },
    /// Everything else.
    #[error(transparent)]
    Api(ApiError),
}

impl TransferError {
    /// Whether the same transfer may work later without anybody changing
    /// anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::UrlRefused(_) | Self::SessionGone => true,
            Self::Api(error) | Self::SessionUnsound(error) => error.is_temporary(),
            Self::SourceChanged | Self::LocalRead(_) | Self::Mismatch { .. } => false,
        }
    }

    /// Whether it ended because the run was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Api(error) if error.is_cancelled())
    }

    /// Of a fault while the file was read.
    pub(super) fn local(error: io::Error) -> Self {
        if SourceChanged::is_in(&error) {
            Self::SourceChanged
        } else {
            Self::LocalRead(error)
        }
    }

    /// Of a request that was not answered well. A session's 400 is not about its
    /// address but about the file (contract 9.4), so those have their own rule.
    pub(super) fn of_plain(error: ApiError) -> Self {
        if matches!(error.status(), Some(400 | 403 | 404 | 410)) {
            return Self::UrlRefused(error);
        }
        Self::of_api(error)
    }

    pub(super) fn of_api(error: ApiError) -> Self {
        if *error.kind() != ApiErrorKind::LocalRead {
            return Self::Api(error);
        }
        if error.source().is_some_and(SourceChanged::is_in) {
            return Self::SourceChanged;
        }
        Self::Api(error)
    }
}

/// Sends a whole file in one PUT (contract 9.1). A repeat starts again at the
/// file's first byte, and the MD5 with it.
pub fn put_plain(
    writer: &Writer,
    call: &Call<'_>,
    url: &SignedUrl,
    source: &mut TransferSource<'_>,
) -> Result<Transferred, TransferError> {
    let mut md5 = RunningMd5::new(&writer.http().hashers);
    let sent = std::sync::atomic::AtomicU64::new(0);
    let counted = Call {
        on_bytes: &|bytes| {
            sent.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            (call.on_bytes)(bytes);
        },
        ..*call
    };
    let mut body = FileBody {
        file: source.file,
        offset: 0,
        len: source.size,
        md5: &mut md5,
        unchanged: source.unchanged,
    };
    let request = Request::signed("put_plain", Method::Put, url, Repeat::Freely);
    let answered = writer
        .http()
        .send(&counted, &request, Body::File(&mut body), Sink::Memory)
        .map_err(TransferError::of_plain)?;
    if !(source.unchanged)() {
        return Err(TransferError::SourceChanged);
    }
    let md5 = md5.finish();
    check_stored(&answered.answer, md5)?;
    Ok(Transferred {
        md5,
        sent_bytes: sent.into_inner(),
        resumed_at: 0,
    })
}

/// Compares with what the storage says it stored, if it says so (contract 9.5).
pub(super) fn check_stored(answer: &Answer, local: Md5Digest) -> Result<(), TransferError> {
    match md5_of(&answer.headers) {
        Some(stored) if stored != local => Err(TransferError::Mismatch { local, stored }),
        Some(_) | None => Ok(()),
    }
}
