//! The remote's list of uploads, read as parts of ours and things of others.

use std::collections::BTreeSet;

use super::context::Stored;
use super::observe::TableView;
use crate::base::names::upload_key;
use crate::base::{PartIdentity, PartName, SourceKey};
use crate::redivis::{RemoteUpload, ResourceUri, UploadStatus};

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

/// A complete upload of ours.
#[derive(Debug, Clone)]
pub(super) struct Holder<'a> {
    name: String,
    uri: Option<&'a ResourceUri>,
    rows: Option<u64>,
}

impl Holder<'_> {
    /// As it is told.
    pub(super) fn as_stored(&self) -> Stored<'_> {
        Stored {
            name: &self.name,
            uri: self.uri,
            rows: self.rows,
        }
    }
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

    /// What released versions hold in two complete uploads.
    pub(super) fn released_twice(&self) -> BTreeSet<PartIdentity> {
        let mut seen = BTreeSet::new();
        let complete = self.released.iter().filter(|part| {
            let is_import = part.name.identity.rows == 0;
            if is_import {
                part.completed
            } else {
                part.is_complete_part
            }
        });
        complete
            .map(|part| &part.name.identity)
            .filter(|identity| !seen.insert(*identity))
            .cloned()
            .collect()
    }

    /// The complete upload that holds this identity; the draft's before a released
    /// one.
    pub(super) fn holder(&self, identity: &PartIdentity) -> Option<Holder<'a>> {
        let is_import = identity.rows == 0;
        let in_draft = self.draft.iter().find(|part| {
            let complete = if is_import {
                part.upload.status == UploadStatus::Completed
            } else {
                part.is_complete_part()
            };
            complete && part.name.identity == *identity
        });
        if let Some(part) = in_draft {
            return Some(Holder {
                name: part.upload.name.clone(),
                uri: Some(&part.upload.uri),
                rows: part.upload.num_rows,
            });
        }
        let released = self.released.iter().find(|part| {
            let complete = if is_import {
                part.completed
            } else {
                part.is_complete_part
            };
            complete && part.name.identity == *identity
        })?;
        Some(Holder {
            name: released.name.to_string(),
            uri: None,
            rows: released.rows,
        })
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

/// Two uploads in the draft whose names compare equal on letters and digits.
pub(super) fn twins(view: &TableView) -> Option<(String, String)> {
    let mut keys: Vec<(String, &str)> = view
        .draft_uploads
        .iter()
        .map(|upload| (upload_key(&upload.name), upload.name.as_str()))
        .collect();
    keys.sort();
    keys.windows(2)
        .find(|pair| pair[0].0 == pair[1].0)
        .map(|pair| (pair[0].1.to_owned(), pair[1].1.to_owned()))
}
