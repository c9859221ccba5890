//! One file's bytes into a temp upload. Nobody sees them until they are
//! attached, so all of it may be done again at any time.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::context::{ExecContext, Shared};
use super::error::StepError;
use super::temps::request_temp_uploads;
use crate::base::{Fingerprint, Md5Digest, SignedUrl, TableRef};
use crate::event::What;
use crate::redivis::session::OpenSession;
use crate::redivis::{
    Call, SessionStatus, TempUpload, TransferError, TransferMode, TransferSource, Transferred,
    open_session, put_plain, send_session, session_status,
};
use crate::state::{self, CachedDigests, Resumable, SessionMode, StagedUpload, TransferKey};

/// A file to be staged.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToStage<'a> {
    /// The table that it is for.
    pub(super) table: &'a TableRef,
    /// The name sent with the temp upload.
    pub(super) name: &'a str,
    /// Where it is.
    pub(super) path: &'a Path,
    /// As it was planned.
    pub(super) fingerprint: Fingerprint,
}

/// Staged bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Staged {
    /// The temp upload that holds them.
    pub(super) temp_upload_id: String,
    /// Their MD5.
    pub(super) md5: Md5Digest,
    /// Bytes that went out, repeats included.
    pub(super) bytes_sent: u64,
}

impl From<StagedUpload> for Staged {
    fn from(before: StagedUpload) -> Self {
        Self {
            temp_upload_id: before.temp_upload_id,
            md5: before.md5,
            bytes_sent: 0,
        }
    }
}

/// How often a refused address or a lost session is replaced.
const FRESH_STARTS: u32 = 4;

impl ToStage<'_> {
    fn key(&self) -> TransferKey {
        TransferKey {
            table: self.table.to_string(),
            name: self.name.to_owned(),
            fingerprint: self.fingerprint,
        }
    }
}

/// What an earlier run staged of this very file, if it still counts.
pub(super) fn staged_before(
    shared: Shared<'_>,
    file: ToStage<'_>,
) -> Result<Option<Staged>, StepError> {
    let now = (shared.context.now_ms)();
    let staged = shared
        .context
        .store
        .staged(&file.key(), now)
        .map_err(StepError::state)?;
    Ok(staged.map(Staged::from))
}

/// Forgets what was staged: it is spent, or was refused.
pub(super) fn forget_staged(shared: Shared<'_>, files: &[ToStage<'_>]) -> Result<(), StepError> {
    let keys: Vec<TransferKey> = files.iter().map(ToStage::key).collect();
    shared
        .context
        .store
        .staged_spent(&keys)
        .map_err(StepError::state)
}

/// What an earlier run left of each of these files.
pub(super) fn resumable(
    shared: Shared<'_>,
    files: &[ToStage<'_>],
) -> Result<Vec<Resumable>, StepError> {
    let now = (shared.context.now_ms)();
    let keys: Vec<TransferKey> = files.iter().map(ToStage::key).collect();
    let found = shared.context.store.resumable(&keys, now);
    found.map_err(StepError::state)
}

/// Stages one file: sends it to `temp`, which is for files without an open session;
/// else goes on with its session, else asks for a temp upload first.
pub(super) fn stage(
    shared: Shared<'_>,
    file: ToStage<'_>,
    mut temp: Option<TempUpload>,
) -> Result<Staged, StepError> {
    let context = shared.context;
    let started_ms = (context.now_ms)();
    let sent = AtomicU64::new(0);
    let shown = file.path.display().to_string();
    let active = context
        .events
        .begin(What::File, shown, file.fingerprint.size);
    let counted = ExecContext {
        call: Call {
            on_bytes: &|bytes| {
                sent.fetch_add(bytes, Ordering::Relaxed);
                active.sent(bytes);
                (context.call.on_bytes)(bytes);
            },
            ..context.call
        },
        ..*context
    };
    let counting = Shared {
        context: &counted,
        ..shared
    };
    let mut last = None;
    for _ in 0..FRESH_STARTS {
        match stage_once(counting, file, temp.take()) {
            Ok(mut staged) => {
                staged.bytes_sent = sent.load(Ordering::Relaxed);
                remember(shared, file, &staged, started_ms)?;
                return Ok(staged);
            }
            Err(Stopped::StartAgain(error)) => {
                context
                    .store
                    .session_closed(&file.key())
                    .map_err(StepError::state)?;
                // Damaged once is the network's fault, twice is a finding.
                let is_finding =
                    |error: &TransferError| matches!(error, TransferError::Mismatch { .. });
                let again = is_finding(&error) && last.as_ref().is_some_and(is_finding);
                last = Some(error);
                if again {
                    break;
                }
            }
            Err(Stopped::Failed(error)) => return Err(error),
        }
    }
    Err(
        last.map_or(StepError::Cancelled, |error| StepError::Transfer {
            name: file.name.to_owned(),
            source: Box::new(error),
        }),
    )
}

enum Stopped {
    /// A fresh temp upload may help.
    StartAgain(TransferError),
    Failed(StepError),
}

impl From<StepError> for Stopped {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

fn stage_once(
    shared: Shared<'_>,
    file: ToStage<'_>,
    temp: Option<TempUpload>,
) -> Result<Staged, Stopped> {
    let context = shared.context;
    let mut opened = open_unchanged(file)?;
    let known = match temp {
        Some(_) => None,
        None => context
            .store
            .session(&file.key(), (context.now_ms)())
            .map_err(StepError::state)?,
    };
    let (id, done) = if let Some(session) = known {
        let status = session_status(
            context.writer,
            &context.call,
            &session.session,
            session.size,
        )
        .map_err(|error| stopped(file, error))?;
        let done = match status {
            SessionStatus::Gone => Err(TransferError::SessionGone),
            SessionStatus::Complete | SessionStatus::Offset(_) => {
                go_on(shared, file, &mut opened, &session.session, status)
            }
        };
        (session.temp_upload_id, done)
    } else {
        let temp = match temp {
            Some(temp) => temp,
            None => one_temp_upload(shared, file)?,
        };
        let done = send_fresh(shared, file, &mut opened, &temp)?;
        (temp.id, done)
    };
    let done = done.map_err(|error| stopped(file, error))?;
    if !is_unchanged(file) {
        return Err(StepError::SourceChanged(file.path.to_owned()).into());
    }
    Ok(Staged {
        temp_upload_id: id,
        md5: done.md5,
        bytes_sent: done.sent_bytes,
    })
}

fn one_temp_upload(shared: Shared<'_>, file: ToStage<'_>) -> Result<TempUpload, StepError> {
    let given = request_temp_uploads(shared, file.table, &[(file.name, file.fingerprint.size)]);
    match given.into_iter().next() {
        Some(Ok(temp)) => Ok(temp),
        Some(Err(error)) => Err(Arc::into_inner(error).unwrap_or(StepError::Cancelled)),
        None => Err(StepError::Cancelled),
    }
}

fn send_fresh(
    shared: Shared<'_>,
    file: ToStage<'_>,
    opened: &mut File,
    temp: &TempUpload,
) -> Result<Result<Transferred, TransferError>, StepError> {
    let context = shared.context;
    let size = file.fingerprint.size;
    let session = match temp.mode {
        TransferMode::Plain => {
            let unchanged = || is_unchanged(file);
            let mut source = TransferSource {
                file: opened,
                size,
                unchanged: &unchanged,
            };
            return Ok(put_plain(
                context.writer,
                &context.call,
                &temp.url,
                &mut source,
            ));
        }
        TransferMode::Resumable => {
            match open_session(context.writer, &context.call, &temp.url, size) {
                Ok(session) => session,
                Err(error) => return Ok(Err(error)),
            }
        }
        TransferMode::Session => temp.url.clone(),
    };
    // Intent before effect: the session is known before its first byte.
    let record = state::OpenSession {
        temp_upload_id: temp.id.clone(),
        session: session.clone(),
        size,
        mode: match temp.mode {
            TransferMode::Session => SessionMode::Legacy,
            TransferMode::Plain | TransferMode::Resumable => SessionMode::Temp,
        },
        opened_at_ms: (context.now_ms)(),
    };
    context
        .store
        .session_opened(&file.key(), &record)
        .map_err(StepError::state)?;
    Ok(go_on(
        shared,
        file,
        opened,
        &session,
        SessionStatus::Offset(0),
    ))
}

fn go_on(
    shared: Shared<'_>,
    file: ToStage<'_>,
    opened: &mut File,
    session: &SignedUrl,
    from: SessionStatus,
) -> Result<Transferred, TransferError> {
    let context = shared.context;
    let unchanged = || is_unchanged(file);
    let mut source = TransferSource {
        file: opened,
        size: file.fingerprint.size,
        unchanged: &unchanged,
    };
    if let SessionStatus::Offset(offset) = from
        && offset > 0
    {
        tracing::info!(file = file.name, offset, "continuing an upload");
    }
    let session = OpenSession {
        url: session,
        from,
        chunk: context.options.chunk,
    };
    send_session(
        context.writer,
        &context.call,
        session,
        &mut source,
        &mut |_| {},
    )
}

fn stopped(file: ToStage<'_>, error: TransferError) -> Stopped {
    match error {
        TransferError::SessionGone
        | TransferError::SessionUnsound(_)
        | TransferError::UrlRefused(_)
        | TransferError::Mismatch { .. } => Stopped::StartAgain(error),
        TransferError::SourceChanged => {
            Stopped::Failed(StepError::SourceChanged(file.path.to_owned()))
        }
        error if error.is_cancelled() => Stopped::Failed(StepError::Cancelled),
        TransferError::Api(_) | TransferError::LocalRead(_) => {
            Stopped::Failed(StepError::Transfer {
                name: file.name.to_owned(),
                source: Box::new(error),
            })
        }
    }
}

fn remember(
    shared: Shared<'_>,
    file: ToStage<'_>,
    staged: &Staged,
    started_ms: i64,
) -> Result<(), StepError> {
    let store = shared.context.store;
    let record = StagedUpload {
        temp_upload_id: staged.temp_upload_id.clone(),
        md5: staged.md5,
        size: file.fingerprint.size,
        staged_at_ms: (shared.context.now_ms)(),
    };
    let digests = CachedDigests {
        md5: staged.md5,
        sha256: None,
    };
    // The next plan need not read the file that was just read.
    store
        .remember_digests(
            &file.fingerprint,
            digests,
            started_ms.saturating_mul(1_000_000),
        )
        .map_err(StepError::state)?;
    store
        .file_staged(&file.key(), &record)
        .map_err(StepError::state)
}

/// Opens the file if it is still the one that was planned.
fn open_unchanged(file: ToStage<'_>) -> Result<File, StepError> {
    let opened = File::open(file.path).map_err(|source| StepError::Local {
        path: file.path.to_owned(),
        source,
    })?;
    let metadata = opened.metadata().map_err(|source| StepError::Local {
        path: file.path.to_owned(),
        source,
    })?;
    if Fingerprint::of(&metadata) != file.fingerprint {
        return Err(StepError::SourceChanged(file.path.to_owned()));
    }
    Ok(opened)
}

fn is_unchanged(file: ToStage<'_>) -> bool {
    std::fs::metadata(file.path)
        .is_ok_and(|metadata| Fingerprint::of(&metadata) == file.fingerprint)
}
