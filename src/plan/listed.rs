//! The remote's list of uploads, read as parts of ours and things of others.

use super::observe::TableView;
use crate::base::{PartIdentity, PartName, SourceKey};
use crate::redivis::{RemoteUpload, UploadStatus};

/// An upload in the draft whose name is ours.
#[derive(Debug, Clone)]
pub(super) struct DraftPart<'a> {
    /// As listed.
    pub(super) upload: &'a RemoteUpload,
    /// Its name, read.
    pub(super) name: PartName,
}

impl DraftPart<'_> {
    /// A part is present only if its name and the listed rows agree.
    pub(super) fn is_complete_part(&self) -> bool {
        self.upload.status != UploadStatus::Failed
            && self.upload.num_rows == Some(self.name.identity.stored_rows())
    }
}

/// An upload of a released version whose name is ours.
#[derive(Debug, Clone)]
pub(super) struct ReleasedPart {
    /// Its name, read.
    pub(super) name: PartName,
    /// Whether its rows agree with its name.
    pub(super) is_complete_part: bool,
    /// Rows, as listed.
    pub(super) rows: Option<u64>,
    /// Whether it was complete as a bulk upload.
    pub(super) completed: bool,
}

/// All of a table's uploads, told apart.
#[derive(Debug, Clone)]
pub(super) struct Listing<'a> {
    /// Ours in the draft, by name.
    pub(super) draft: Vec<DraftPart<'a>>,
    /// Ours in released versions.
    pub(super) released: Vec<ReleasedPart>,
    /// Others' in the draft.
    pub(super) foreign: Vec<&'a RemoteUpload>,
    /// Names of others in released versions.
    pub(super) foreign_released: Vec<&'a str>,
}

impl<'a> Listing<'a> {
    /// Tells apart what a table lists; `owners` are ours.
    pub(super) fn of(view: &'a TableView, owners: &[SourceKey]) -> Self {
        let ours =
            |name: &str| PartName::parse(name).filter(|name| owners.contains(&name.identity.owner));
        let mut draft = Vec::new();
        let mut foreign = Vec::new();
        for upload in &view.draft_uploads {
            match ours(&upload.name) {
                Some(name) => draft.push(DraftPart { upload, name }),
                None => foreign.push(upload),
            }
        }
        draft.sort_by(|a, b| a.upload.name.cmp(&b.upload.name));
        let mut released = Vec::new();
        let mut foreign_released = Vec::new();
        for upload in &view.history.uploads {
            match ours(&upload.name) {
                Some(name) => released.push(ReleasedPart {
                    is_complete_part: upload.num_rows == Some(name.identity.stored_rows()),
                    rows: upload.num_rows,
                    completed: upload.completed,
                    name,
                }),
                None => foreign_released.push(upload.name.as_str()),
            }
        }
        Self {
            draft,
            released,
            foreign,
            foreign_released,
        }
    }

    /// Identities that the next pass may keep.
    pub(super) fn complete_identities(&self) -> Vec<PartIdentity> {
        let draft = self.draft.iter().filter(|part| part.is_complete_part());
        let released = self.released.iter().filter(|part| part.is_complete_part);
        let mut found: Vec<PartIdentity> = draft
            .map(|part| &part.name.identity)
            .chain(released.map(|part| &part.name.identity))
            .cloned()
            .collect();
        found.sort();
        found.dedup();
        found
    }
}
