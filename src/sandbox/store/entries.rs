//! Datasets, versions, tables and uploads with what hangs on them, and what a
//! reader sees of them now: some things lag.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::base::MergeStrategy;
use crate::sandbox::answer::Refusal;
use crate::sandbox::behaviour::Behaviour;
use crate::sandbox::records::{
    DatasetRecord, FileMap, Import, TableId, TableKey, TableRecord, UploadId, UploadRecord,
    VersionIndex, VersionRecord,
};
use crate::sandbox::reference::{self, VersionSelector};

#[derive(Debug)]
pub(in crate::sandbox) struct DatasetEntry {
    pub(in crate::sandbox) record: DatasetRecord,
    pub(in crate::sandbox) versions: BTreeMap<VersionIndex, VersionEntry>,
}

#[derive(Debug)]
pub(in crate::sandbox) struct VersionEntry {
    pub(in crate::sandbox) record: VersionRecord,
    pub(in crate::sandbox) tables: BTreeMap<TableId, TableEntry>,
    pub(super) by_key: BTreeMap<String, TableId>,
}

#[derive(Debug)]
pub(in crate::sandbox) struct TableEntry {
    pub(in crate::sandbox) record: TableRecord,
    pub(in crate::sandbox) files: Arc<FileMap>,
    pub(in crate::sandbox) files_changed: i64,
    pub(in crate::sandbox) uploads: BTreeMap<UploadId, UploadEntry>,
    pub(super) upload_keys: BTreeMap<String, UploadId>,
    /// An older listing of the files, and for how many reads it is shown.
    pub(super) shown: Option<(Arc<FileMap>, u32)>,
    /// Uploads that were deleted and are seen for some reads more.
    pub(super) ghosts: Vec<(UploadEntry, u32)>,
}

#[derive(Debug)]
pub(in crate::sandbox) struct UploadEntry {
    pub(in crate::sandbox) record: UploadRecord,
    /// Reads until the import has ended.
    pub(super) polls_left: u32,
    /// Rows that are not counted yet, and for how many reads.
    pub(super) hidden: Vec<(u64, u32)>,
    /// Held while rows are added: one insert at a time.
    pub(in crate::sandbox) inserting: Arc<Mutex<()>>,
}

/// Where an upload's import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Status {
    Empty,
    Queued,
    Running,
    Completed,
    Failed,
}

impl UploadEntry {
    pub(in crate::sandbox) fn status(&self) -> Status {
        match (&self.record.import, self.polls_left) {
            (Import::None, _) if self.record.rows.count == 0 => Status::Empty,
            (Import::None, _) | (Import::Completed, 0) => Status::Completed,
            (Import::Failed(_), 0) => Status::Failed,
            (_, 1) => Status::Running,
            (_, _) => Status::Queued,
        }
    }

    /// Rows as a reader sees them now.
    pub(in crate::sandbox) fn visible_rows(&self) -> Option<u64> {
        if matches!(self.status(), Status::Queued | Status::Running) {
            return None;
        }
        let hidden: u64 = self.hidden.iter().map(|(rows, _)| rows).sum();
        self.record
            .num_rows()
            .map(|rows| rows.saturating_sub(hidden))
    }

    /// Somebody has read it: time passes.
    pub(in crate::sandbox) fn was_read(&mut self) {
        self.polls_left = self.polls_left.saturating_sub(1);
        for (_, reads) in &mut self.hidden {
            *reads = reads.saturating_sub(1);
        }
        self.hidden.retain(|(_, reads)| *reads > 0);
    }

    /// Rows were added that are seen only after `reads` reads.
    pub(in crate::sandbox) fn hide_rows(&mut self, rows: u64, reads: u32) {
        if reads > 0 {
            self.hidden.push((rows, reads));
        }
    }

    fn has_landed(&self) -> bool {
        match self.record.import {
            Import::None => self.record.rows.count > 0,
            Import::Completed => true,
            Import::Failed(_) => false,
        }
    }
}

impl TableEntry {
    pub(in crate::sandbox) fn key(&self) -> TableKey {
        self.record.key
    }

    fn drops_inherited_rows(&self) -> bool {
        self.record.merge == MergeStrategy::Replace
            && self.uploads.values().any(UploadEntry::has_landed)
    }

    /// The version whose rows are part of this table.
    pub(in crate::sandbox) fn inherited_rows_from(&self) -> Option<VersionIndex> {
        self.record
            .inherits
            .filter(|_| !self.drops_inherited_rows())
    }

    pub(in crate::sandbox) fn upload_by_key(&self, key: &str) -> Option<UploadId> {
        self.upload_keys.get(key).copied()
    }

    /// An upload by the last segment of its address: its name, or its id.
    pub(in crate::sandbox) fn find_upload(&mut self, segment: &str) -> Option<&mut UploadEntry> {
        let id = self
            .upload_by_key(&reference::upload_key(segment))
            .or_else(|| segment.parse().ok());
        id.and_then(|id| self.uploads.get_mut(&id))
    }

    /// A deleted upload that is still seen.
    pub(in crate::sandbox) fn find_ghost(&mut self, segment: &str) -> Option<&UploadEntry> {
        let key = reference::upload_key(segment);
        let id: Option<UploadId> = segment.parse().ok();
        for (ghost, reads) in &mut self.ghosts {
            if reference::upload_key(&ghost.record.name) == key || Some(ghost.record.id) == id {
                *reads = reads.saturating_sub(1);
            }
        }
        self.ghosts.retain(|(_, reads)| *reads > 0);
        self.ghosts.iter().map(|(ghost, _)| ghost).find(|ghost| {
            reference::upload_key(&ghost.record.name) == key || Some(ghost.record.id) == id
        })
    }

    /// Deleted uploads that a list still has.
    pub(in crate::sandbox) fn ghosts(&mut self) -> Vec<&UploadEntry> {
        for (_, reads) in &mut self.ghosts {
            *reads = reads.saturating_sub(1);
        }
        self.ghosts.retain(|(_, reads)| *reads > 0);
        self.ghosts.iter().map(|(ghost, _)| ghost).collect()
    }

    pub(in crate::sandbox) fn has_ghost(&self, key: &str) -> bool {
        self.ghosts
            .iter()
            .any(|(ghost, _)| reference::upload_key(&ghost.record.name) == key)
    }

    /// The files as a listing shows them now.
    pub(in crate::sandbox) fn listed_files(&mut self) -> Arc<FileMap> {
        match &mut self.shown {
            Some((shown, reads)) if *reads > 0 => {
                *reads -= 1;
                Arc::clone(shown)
            }
            Some(_) | None => {
                self.shown = None;
                Arc::clone(&self.files)
            }
        }
    }

    /// Keeps showing the present files for `reads` listings.
    pub(in crate::sandbox) fn freeze_listing(&mut self, reads: u32) {
        if reads > 0 {
            let shown = match self.shown.take() {
                Some((shown, _)) => shown,
                None => Arc::clone(&self.files),
            };
            self.shown = Some((shown, reads));
        }
    }
}

impl VersionEntry {
    pub(in crate::sandbox) fn table_by_key(&self, key: &str) -> Option<&TableEntry> {
        self.by_key.get(key).and_then(|id| self.tables.get(id))
    }
}

impl DatasetEntry {
    /// The newest released version.
    pub(in crate::sandbox) fn current(&self) -> Option<&VersionEntry> {
        self.versions
            .values()
            .rev()
            .find(|version| version.record.released && !version.record.deleted)
    }

    /// The draft.
    pub(in crate::sandbox) fn next(&self) -> Option<&VersionEntry> {
        self.versions
            .values()
            .next_back()
            .filter(|version| !version.record.released && !version.record.deleted)
    }

    /// The version that a selector means.
    pub(in crate::sandbox) fn version(
        &self,
        selector: &VersionSelector,
        behaviour: &Behaviour,
    ) -> Result<&VersionEntry, Refusal> {
        let name = &self.record.name;
        let found = match selector {
            VersionSelector::Next => self.next().ok_or("next".to_owned()),
            VersionSelector::Current => self.current().ok_or("current".to_owned()),
            VersionSelector::Default => self
                .current()
                .or_else(|| self.next())
                .ok_or("current".to_owned()),
            VersionSelector::Tag(major, minor) => {
                let tag = format!("v{major}.{minor}");
                self.versions
                    .values()
                    .find(|version| version.record.tag == tag && !version.record.deleted)
                    .ok_or(tag)
            }
            VersionSelector::Unknown(text) if behaviour.unknown_version_is_current => {
                self.current().ok_or(text.clone())
            }
            VersionSelector::Unknown(text) => Err(text.clone()),
        };
        found.map_err(|tag| Refusal::not_found(&format!("{name}:{tag}")))
    }
}
