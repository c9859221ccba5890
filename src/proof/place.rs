//! The tables of a manifest as the sandbox has them: the draft, or where there
//! is none the last release.

use std::collections::BTreeSet;

use super::model::TableProof;
use crate::base::names::escaped;
use crate::base::{PartIdentity, PartName, SourceKey, TableRef};
use crate::manifest::Manifest;
use crate::sandbox::{FileView, Inspect, TableView, UploadView};

/// One table, and what the jobs have claimed of it.
pub(super) struct Place<'a> {
    table: &'a TableRef,
    view: Option<&'a TableView>,
    /// Names of files that some job has.
    claimed: BTreeSet<&'a str>,
    /// Positions of uploads, among inherited ones and then the draft's.
    claimed_uploads: BTreeSet<usize>,
}

/// An upload whose name is one of ours.
#[derive(Clone)]
pub(super) struct Named<'a> {
    position: usize,
    pub(super) identity: PartIdentity,
    pub(super) view: &'a UploadView,
}

impl<'a> Place<'a> {
    /// Every table that some job writes, once.
    pub(super) fn all(manifest: &'a Manifest, inspect: &'a Inspect) -> Vec<Self> {
        let mut places: Vec<Self> = Vec::new();
        for job in &manifest.jobs {
            if !places.iter().any(|place| place.is(&job.table)) {
                places.push(Self {
                    table: &job.table,
                    view: find(inspect, &job.table),
                    claimed: BTreeSet::new(),
                    claimed_uploads: BTreeSet::new(),
                });
            }
        }
        places
    }

    pub(super) fn is(&self, table: &TableRef) -> bool {
        self.table.matches(table)
    }

    /// A stored file; from now on it is a job's.
    pub(super) fn file(&mut self, name: &str) -> Option<&'a FileView> {
        let files = &self.view?.files;
        // The sandbox keeps them by name.
        let position = files
            .binary_search_by(|file| file.name.as_str().cmp(name))
            .ok()?;
        let file = &files[position];
        self.claimed.insert(&file.name);
        Some(file)
    }

    /// All uploads that count, inherited ones first.
    fn uploads(&self) -> impl Iterator<Item = (usize, &'a UploadView)> + use<'a> {
        let view = self.view;
        let uploads = view.into_iter().flat_map(|view| {
            let inherited = view.inherited.iter();
            inherited.chain(&view.uploads)
        });
        uploads.enumerate()
    }

    /// The uploads of one source, by their first row.
    pub(super) fn of_source(&self, owner: &SourceKey, source: &SourceKey) -> Vec<Named<'a>> {
        let mut found: Vec<Named<'a>> = self
            .named()
            .filter(|one| one.identity.owner == *owner && one.identity.source == *source)
            .collect();
        found.sort_by_key(|one| one.identity.first_row);
        found
    }

    pub(super) fn named(&self) -> impl Iterator<Item = Named<'a>> + use<'a> {
        self.uploads().filter_map(|(position, view)| {
            let identity = PartName::parse(&view.name)?.identity;
            Some(Named {
                position,
                identity,
                view,
            })
        })
    }

    /// From now on it is a job's.
    pub(super) fn claim(&mut self, upload: &Named<'_>) {
        self.claimed_uploads.insert(upload.position);
    }

    pub(super) fn has_upload(&self, name: &str) -> bool {
        self.uploads().any(|(_, upload)| upload.name == name)
    }

    /// What no job has claimed.
    pub(super) fn foreign(&self) -> TableProof {
        let name = format!("{}.{}", self.table.dataset(), self.table.table());
        let mut proof = TableProof::new(name);
        let files = self.view.into_iter().flat_map(|view| &view.files);
        for file in files.filter(|file| !self.claimed.contains(file.name.as_str())) {
            proof.found(|| format!("file `{}`, {} bytes", file.name, file.size));
        }
        for (position, upload) in self.uploads() {
            if !self.claimed_uploads.contains(&position) {
                let rows = upload.num_rows.unwrap_or(0);
                proof.found(|| format!("upload `{}`, {rows} rows", upload.name));
            }
        }
        proof
    }
}

fn find<'a>(inspect: &'a Inspect, table: &TableRef) -> Option<&'a TableView> {
    let wanted = table.dataset();
    let name = wanted.name().split(':').next().unwrap_or_default();
    let dataset = inspect.datasets.iter().find(|dataset| {
        dataset.name.split_once('.').is_some_and(|(owner, known)| {
            escaped(owner) == escaped(wanted.owner()) && escaped(known) == escaped(name)
        })
    })?;
    let versions = &dataset.versions;
    let draft = versions.iter().rev().find(|version| !version.is_released);
    let version = draft.or_else(|| versions.last())?;
    let key = escaped(table.table());
    version.tables.iter().find(|one| escaped(&one.name) == key)
}
