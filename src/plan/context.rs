//! What planning works with, and what changes how it is done.

use rayon::ThreadPool;

use super::model::Item;
use super::selection::Selection;
use crate::base::{ManifestName, TableRef};
use crate::manifest::{Job, Manifest, Release};
use crate::redivis::{Call, Reader, ResourceUri};
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

/// Whether stored files are read back from the platform.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadBack {
    /// What the platform says of them is believed.
    #[default]
    Never,
    /// Those of which the platform tells no MD5.
    Needed,
    /// All.
    All,
}

/// An item that is equal on both sides, as it is found.
#[derive(Debug, Clone, Copy)]
pub struct Unchanged<'a> {
    /// The job.
    pub job: &'a ManifestName,
    /// The table.
    pub table: &'a TableRef,
    /// The item.
    pub item: &'a Item,
    /// The upload that holds it; `None` for files.
    pub stored: Option<Stored<'a>>,
}

/// An upload that holds a part, or a bulk file.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// Its whole name.
    pub name: &'a str,
    /// Its address in the draft; `None`: it is released.
    pub uri: Option<&'a ResourceUri>,
    /// Rows that the platform counts in it.
    pub rows: Option<u64>,
}

/// What changes how a plan is made.
#[derive(Debug, Clone, Copy)]
pub struct PlanOptions {
    /// How files are compared.
    pub compare: Compare,
    /// `--hash`: files are hashed that need not be, because the remote lacks them
    /// or has them with another size.
    pub hash_new: bool,
    /// `--all`: unchanged items are listed, not only counted.
    pub include_unchanged: bool,
    /// Now, in nanoseconds since 1970.
    pub now_ns: i64,
    /// Which stored files are read back.
    pub read_back: ReadBack,
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
    /// For files that are read back: for the network.
    pub net_pool: &'a ThreadPool,
    /// Which part of the manifest.
    pub selection: &'a Selection,
    /// How.
    pub options: PlanOptions,
    /// Told of each row that cannot be encoded.
    pub on_reject: &'a (dyn Fn(&ManifestName, Reject) + Sync),
    /// Told of each item that is equal on both sides, in the plan's order.
    pub on_unchanged: Option<&'a (dyn Fn(Unchanged<'_>) + Sync)>,
    /// Whether to release, and how.
    pub release: &'a Release,
}

impl PlanContext<'_> {
    /// Tells of an unchanged item. Answers whether it is to be listed too.
    pub(super) fn met_unchanged(&self, job: &Job, item: &Item, stored: Option<Stored<'_>>) -> bool {
        if let Some(told) = self.on_unchanged {
            told(Unchanged {
                job: &job.name,
                table: &job.table,
                item,
                stored,
            });
        }
        self.options.include_unchanged
    }

    /// Whether unchanged items are of interest to anybody.
    pub(super) fn wants_unchanged(&self) -> bool {
        self.options.include_unchanged || self.on_unchanged.is_some()
    }

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
