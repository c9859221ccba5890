//! What the store holds, as values. Times are milliseconds since 1970, sizes
//! are bytes.

use crate::base::{Fingerprint, Md5Digest, Sha256Digest, SignedUrl};

/// Digests of a file's content, by an earlier reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachedDigests {
    /// Compares with the platform.
    pub md5: Md5Digest,
    /// Ours; only where somebody needed it.
    pub sha256: Option<Sha256Digest>,
}

/// One file's way into one table. The endpoint is the store's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransferKey {
    /// The table, as `owner.dataset.table`.
    pub table: String,
    /// The remote name.
    pub name: String,
    /// Which content: bytes of another fingerprint are not continued.
    pub fingerprint: Fingerprint,
}

/// By which endpoint a session was opened (`--protocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionMode {
    /// Through a temp upload.
    Temp,
    /// Through the older `resumableUpload`, where the address is the session.
    Legacy,
}

impl SessionMode {
    /// The word in the store.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Temp => "temp",
            Self::Legacy => "legacy",
        }
    }

    /// From the word in the store.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Temp, Self::Legacy]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

/// A resumable session that may still be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// The temp upload that the bytes belong to.
    pub temp_upload_id: String,
    /// The session's address: a secret.
    pub session: SignedUrl,
    /// Of the whole file.
    pub size: u64,
    /// How it was opened.
    pub mode: SessionMode,
    /// When.
    pub opened_at_ms: i64,
}

/// A temp upload that holds all bytes of a file and is not attached yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedUpload {
    /// What attaching calls it.
    pub temp_upload_id: String,
    /// Of the bytes that were sent.
    pub md5: Md5Digest,
    /// How many they were.
    pub size: u64,
    /// When the last of them was accepted.
    pub staged_at_ms: i64,
}

/// A receipt: a file that was seen on the remote with the right bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedFile {
    /// The table, as `owner.dataset.table`.
    pub table: String,
    /// The remote name.
    pub name: String,
    /// Its size there.
    pub size: u64,
    /// Of the bytes that were sent.
    pub md5: Md5Digest,
    /// The raw file's id; another id is another file.
    pub remote_id: String,
    /// When it was verified.
    pub verified_at_ms: i64,
}

/// What a pass over a row source depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CutKey {
    /// The source's path as it is shown.
    pub source: String,
    /// Its content.
    pub fingerprint: Fingerprint,
    /// Everything else: schema, dialect, payload, what the remote lists.
    pub settings: Sha256Digest,
}

/// Names an intent within its store; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IntentId(pub(super) i64);

/// Something that was begun and whose end is not recorded: in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIntent {
    /// Its id.
    pub id: IntentId,
    /// A stable word for the kind of effect, such as `insert_rows`.
    pub kind: String,
    /// What it is about: a table, an upload's name.
    pub subject: String,
    /// What is needed to look at the remote for it.
    pub detail: String,
}

/// A run of the past, or one that is going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// Its id, as in the name of its folder.
    pub run_id: String,
    /// When it began.
    pub started_at_ms: i64,
    /// The command, such as `run`.
    pub command: String,
    /// When it ended; `None`: it is going on, or was killed.
    pub ended_at_ms: Option<i64>,
    /// Its exit code.
    pub exit: Option<u8>,
    /// Its summary as JSON.
    pub summary: Option<String>,
}

/// What can be continued of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumable {
    /// All its bytes are in this temp upload.
    Staged(StagedUpload),
    /// Some may be, in an open session.
    Session,
    /// Nothing.
    Nothing,
}

/// What `clean` removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Sessions past their 23 hours.
    pub expired_sessions: usize,
    /// Staged temp uploads past theirs.
    pub expired_staged: usize,
    /// Digests and cuts that are older than 400 days.
    pub old_digests: usize,
    /// Intents that are older than 30 days.
    pub old_intents: usize,
}
