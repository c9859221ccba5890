//! What every task of a run works with.

use rayon::ThreadPool;

use super::budget::Budget;
use super::outcome::Ends;
use super::temps::CallSize;
use crate::base::{CancelToken, ManifestName};
use crate::event::EventSink;
use crate::manifest::Manifest;
use crate::redivis::{Call, Writer};
use crate::state::StateStore;

/// Which upload endpoint is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// `tempUploads`.
    #[default]
    Temp,
    /// The older `resumableUpload`, where the URL is already a session's.
    Legacy,
}

/// How a run is done.
#[derive(Debug, Clone, Copy)]
pub struct ExecOptions {
    /// Tasks on the network at once.
    pub transfers: usize,
    /// Bytes of one chunk of a resumable upload; a multiple of 256 KiB.
    pub chunk: u64,
    /// Files of this size and more ask for a resumable upload.
    pub resumable_from: u64,
    /// Bytes that payloads in flight may hold together.
    pub max_memory: u64,
    /// Which endpoint.
    pub protocol: Protocol,
    /// Stop at the first failure.
    pub fail_fast: bool,
    /// How much shorter than in real life polls wait; 1 in real life.
    pub poll_scale: f64,
}

/// A row that the platform refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// The source, relative to the manifest's root.
    pub source: String,
    /// 0-based index among the source's encoded rows.
    pub row: u64,
    /// The line that it starts on, when it can be told.
    pub line: Option<u64>,
    /// The row as it was sent.
    pub value: String,
    /// What the platform said of the part.
    pub message: String,
}

/// What every task works with.
#[derive(Clone, Copy)]
pub struct ExecContext<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// The remote.
    pub writer: &'a Writer,
    /// What the release says of itself.
    pub notes: Option<&'a str>,
    /// The record of what was intended and done.
    pub store: &'a StateStore,
    /// For eyes.
    pub events: &'a EventSink,
    /// For the network.
    pub net_pool: &'a ThreadPool,
    /// For hashing and encoding.
    pub cpu_pool: &'a ThreadPool,
    /// Ends every wait.
    pub cancel: &'a CancelToken,
    /// How waits and bytes are told.
    pub call: Call<'a>,
    /// How it is done.
    pub options: ExecOptions,
    /// Milliseconds since 1970.
    pub now_ms: &'a (dyn Fn() -> i64 + Sync),
    /// Told of each row that the platform refused.
    pub on_refused: &'a (dyn Fn(&ManifestName, RefusedRow) + Sync),
}

impl std::fmt::Debug for ExecContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecContext")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A context with what one run shares among its tasks.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) context: &'a ExecContext<'a>,
    pub(super) budget: &'a Budget,
    pub(super) ends: &'a Ends,
    pub(super) call_size: &'a CallSize,
}

/// A number that differs from run to run and from call to call.
pub(super) fn random() -> u32 {
    use std::hash::{BuildHasher as _, Hasher as _};

    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u8(1);
    let bytes = hasher.finish().to_be_bytes();
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
