//! Which part of the manifest a run is about: `--select`, `--tag`, `--shard`.

use crate::base::Sha256Digest;
use crate::manifest::Job;
use crate::source::LocalFile;

/// `--shard i/n`, 0-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which.
    pub index: u32,
    /// Of how many; at least 1.
    pub count: u32,
}

impl Shard {
    /// Whether this shard sees the file or source of that name.
    pub fn sees(self, name: &str) -> bool {
        let digest = Sha256Digest::of(name.as_bytes());
        let mut head = [0_u8; 8];
        head.copy_from_slice(&digest.as_bytes()[..8]);
        u64::from_be_bytes(head) % u64::from(self.count) == u64::from(self.index)
    }
}

/// Which part of the manifest a run is about.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// `--select`: job names; empty: all.
    pub jobs: Vec<String>,
    /// `--tag`; empty: all.
    pub tags: Vec<String>,
    /// `--shard`.
    pub shard: Option<Shard>,
}

impl Selection {
    /// Whether all of every selected job is seen.
    pub fn sees_everything(&self) -> bool {
        self.shard.is_none_or(|shard| shard.count == 1)
    }

    /// Whether the whole manifest is seen.
    pub fn is_whole(&self) -> bool {
        self.jobs.is_empty() && self.tags.is_empty() && self.sees_everything()
    }

    pub(super) fn takes(&self, job: &Job) -> bool {
        (self.jobs.is_empty() || self.jobs.iter().any(|name| name == job.name.as_str()))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| job.tags.contains(tag)))
    }

    /// Whether this run sees the file or source of that name.
    pub(super) fn sees(&self, name: &str) -> bool {
        self.shard.is_none_or(|shard| shard.sees(name))
    }

    /// Files that this run sees, and the sorted names of those that it doesn't.
    pub(super) fn split_files(&self, files: Vec<LocalFile>) -> (Vec<LocalFile>, Vec<String>) {
        if self.sees_everything() {
            return (files, Vec::new());
        }
        let (seen, unseen): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|file| self.sees(file.name.as_str()));
        (
            seen,
            unseen
                .into_iter()
                .map(|file| file.name.to_string())
                .collect(),
        )
    }
}
