//! What planning works with, and what changes how it is done.

use rayon::ThreadPool;

use super::selection::Selection;
use crate::base::ManifestName;
use crate::manifest::{Job, Manifest};
use crate::redivis::{Call, Reader};
use crate::source::ResolveOptions;
use crate::source::rows::Reject;
use crate::state::StateStore;

/// How files are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compare {
    /// Size and MD5.
    #[default]
    Md5,
    /// Size only.
    Size,
}

/// What changes how a plan is made.
#[derive(Debug, Clone, Copy)]
pub struct PlanOptions {
    /// How files are compared.
    pub compare: Compare,
    /// `--hash`: files that the remote lacks are hashed too.
    pub hash_new: bool,
    /// `--all`: unchanged items are listed, not only counted.
    pub include_unchanged: bool,
    /// Now, in nanoseconds since 1970.
    pub now_ns: i64,
    /// No payload is larger, whatever the manifest says (`--max-memory`).
    pub largest_payload: u64,
}

/// What planning works with.
#[derive(Clone, Copy)]
pub struct PlanContext<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// The remote; GET and HEAD only.
    pub reader: &'a Reader,
    /// How waits and bytes are told.
    pub call: Call<'a>,
    /// Caches; `None` does without.
    pub store: Option<&'a StateStore>,
    /// For hashing and encoding.
    pub cpu_pool: &'a ThreadPool,
    /// Which part of the manifest.
    pub selection: &'a Selection,
    /// How.
    pub options: PlanOptions,
    /// Told of each row that cannot be encoded.
    pub on_reject: &'a (dyn Fn(&ManifestName, Reject) + Sync),
}

impl PlanContext<'_> {
    /// What resolving a job's paths rests on.
    pub(super) fn resolve_options(&self, job: &Job) -> ResolveOptions<'_> {
        ResolveOptions {
            root: &self.manifest.root,
            allow_empty: job.allow_empty,
            now_ns: self.options.now_ns,
            cancel: self.call.cancel,
        }
    }
}

impl std::fmt::Debug for PlanContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlanContext")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
