//! A look inside, for tests and reports: what is stored, with its bytes.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use super::bodies::{BodyReader, BodyRef};
use super::records::{Rows, SessionState, TableKey, VariableNotes};
use super::store::{Catalog, TableEntry, UploadEntry, rows_file};
use crate::base::{Md5Digest, MergeStrategy, VariableMetadata, VariableType};

/// What an emulator holds at one moment.
#[derive(Debug)]
pub struct Inspect {
    /// Its datasets.
    pub datasets: Vec<DatasetView>,
    /// Connections accepted since the start, on both origins.
    pub connections: u64,
    /// Resumable sessions that can still be used.
    pub open_sessions: usize,
    /// Temp uploads that no call has used.
    pub temp_uploads: usize,
    /// Requests to the storage that carried an `Authorization` header.
    pub tokens_on_storage: u64,
}

/// A dataset.
#[derive(Debug)]
pub struct DatasetView {
    /// `owner.name`, as they were given.
    pub name: String,
    /// Its versions, oldest first.
    pub versions: Vec<VersionView>,
}

/// A version.
#[derive(Debug)]
pub struct VersionView {
    /// `next`, `v1.0` and so on.
    pub tag: String,
    /// Whether it is released.
    pub is_released: bool,
    /// Its tables by their order of creation.
    pub tables: Vec<TableView>,
}

/// A table of a version.
#[derive(Debug)]
pub struct TableView {
    /// Its name as it was given.
    pub name: String,
    /// Whether its records are files.
    pub is_file_index: bool,
    /// How uploads go together with inherited rows.
    pub merge: MergeStrategy,
    /// Its description.
    pub description: Option<String>,
    /// All its rows, inherited ones included and nothing lagging.
    pub num_rows: u64,
    /// Its variables.
    pub variables: Vec<(String, VariableType)>,
    /// What is said of them, nothing lagging.
    pub metadata: BTreeMap<String, VariableMetadata>,
    /// Its files by name.
    pub files: Vec<FileView>,
    /// The uploads of this version, in the order of their creation.
    pub uploads: Vec<UploadView>,
    /// The uploads whose rows it inherits, oldest first.
    pub inherited: Vec<UploadView>,
}

/// A file.
#[derive(Debug)]
pub struct FileView {
    /// Its name.
    pub name: String,
    /// Its bytes, as the API reports them.
    pub size: u64,
    /// Its MD5, as the API reports it.
    pub md5: Option<Md5Digest>,
    content: Stored,
}

/// An upload.
#[derive(Debug)]
pub struct UploadView {
    /// Its name as the server holds it.
    pub name: String,
    /// `stream`, `delimited` and so on.
    pub kind: String,
    /// Rows, nothing lagging; `None`: not known, or failed.
    pub num_rows: Option<u64>,
    /// Bytes of the file that was sent, or of the rows.
    pub size: u64,
    /// Of the file that was sent.
    pub md5: Option<Md5Digest>,
    /// Its variables.
    pub schema: Vec<(String, VariableType)>,
    content: Stored,
    rows: PathBuf,
    inserted: Rows,
}

#[derive(Debug)]
struct Stored {
    shared: Arc<std::fs::File>,
    folder: PathBuf,
    body: BodyRef,
}

impl Stored {
    fn read(&self) -> io::Result<BodyReader> {
        let bodies = super::bodies::Bodies::over(&self.folder, Arc::clone(&self.shared));
        bodies.reader(&self.body, 0, self.body.len())
    }
}

impl FileView {
    /// The stored bytes.
    pub fn open(&self) -> io::Result<impl io::Read> {
        self.content.read()
    }

    /// The stored bytes, all of them.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.content.read()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl UploadView {
    /// The bytes of the file that was sent; none for a stream.
    pub fn open(&self) -> io::Result<impl io::Read> {
        self.content.read()
    }

    /// The inserted rows, each a JSON object on a line of its own.
    pub fn open_rows(&self) -> io::Result<Box<dyn io::Read>> {
        if self.inserted.bytes == 0 {
            return Ok(Box::new(io::empty()));
        }
        let file = std::fs::File::open(&self.rows)?;
        Ok(Box::new(file.take(self.inserted.bytes)))
    }

    /// The bytes of the file that was sent; none for a stream.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.content.read()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The inserted rows, each a JSON object, in their order.
    pub fn rows(&self) -> io::Result<Vec<String>> {
        if self.inserted.bytes == 0 {
            return Ok(Vec::new());
        }
        let mut text = String::new();
        std::fs::File::open(&self.rows)?
            .take(self.inserted.bytes)
            .read_to_string(&mut text)?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

impl TableView {
    /// A file by its name.
    pub fn file(&self, name: &str) -> Option<&FileView> {
        self.files.iter().find(|file| file.name == name)
    }

    /// An upload of this version by its name.
    pub fn upload(&self, name: &str) -> Option<&UploadView> {
        self.uploads.iter().find(|upload| upload.name == name)
    }

    /// All rows that were inserted, inherited ones first.
    pub fn inserted_rows(&self) -> io::Result<Vec<String>> {
        let mut all = Vec::new();
        for upload in self.inherited.iter().chain(&self.uploads) {
            all.extend(upload.rows()?);
        }
        Ok(all)
    }
}

impl Inspect {
    /// A dataset by `owner.name`.
    pub fn dataset(&self, name: &str) -> Option<&DatasetView> {
        self.datasets.iter().find(|dataset| dataset.name == name)
    }

    /// A table by `owner.name`, the version's tag and its own name.
    pub fn table(&self, dataset: &str, tag: &str, table: &str) -> Option<&TableView> {
        self.dataset(dataset)?
            .versions
            .iter()
            .find(|version| version.tag == tag)?
            .tables
            .iter()
            .find(|one| one.name == table)
    }
}

pub(super) fn look(shared: &Shared) -> Inspect {
    let catalog = shared.store.catalog();
    let datasets = catalog
        .datasets
        .values()
        .map(|dataset| DatasetView {
            name: format!("{}.{}", dataset.record.owner, dataset.record.name),
            versions: dataset
                .versions
                .values()
                .map(|version| VersionView {
                    tag: version.record.tag.clone(),
                    is_released: version.record.released,
                    tables: version
                        .tables
                        .values()
                        .map(|table| view(shared, &catalog, table))
                        .collect(),
                })
                .collect(),
        })
        .collect();
    let staging = shared.store.staging();
    Inspect {
        datasets,
        connections: shared.connections.load(Ordering::Relaxed),
        open_sessions: staging
            .sessions
            .values()
            .filter(|session| session.record.state == SessionState::Open)
            .count(),
        temp_uploads: staging.temps.len(),
        tokens_on_storage: shared.tokens_on_storage.load(Ordering::Relaxed),
    }
}

fn view(shared: &Shared, catalog: &Catalog, table: &TableEntry) -> TableView {
    let key: TableKey = table.key();
    let stored = |body: &BodyRef| Stored {
        shared: shared.store.bodies.shared(),
        folder: shared.store.bodies.folder().to_owned(),
        body: body.clone(),
    };
    let upload = |entry: &UploadEntry| UploadView {
        name: entry.record.name.clone(),
        kind: entry.record.kind.clone(),
        num_rows: entry.record.num_rows(),
        size: entry.record.size,
        md5: entry.record.md5,
        schema: entry
            .record
            .schema
            .iter()
            .map(|column| (column.name.clone(), column.kind))
            .collect(),
        content: stored(&entry.record.body),
        rows: shared.store.rows.folder().join(rows_file(entry.record.id)),
        inserted: entry.record.rows,
    };
    let lineage = catalog.lineage(key);
    let num_rows = if table.record.is_file_index {
        table.files.len() as u64
    } else {
        lineage
            .iter()
            .flat_map(|table| table.uploads.values())
            .filter_map(|entry| entry.record.num_rows())
            .sum()
    };
    TableView {
        name: table.record.name.clone(),
        is_file_index: table.record.is_file_index,
        merge: table.record.merge,
        description: table.record.description.clone(),
        num_rows,
        variables: catalog
            .variables(key)
            .into_iter()
            .map(|column| (column.name, column.kind))
            .collect(),
        metadata: table
            .record
            .notes
            .iter()
            .map(|(name, notes)| (name.clone(), metadata(notes)))
            .collect(),
        files: table
            .files
            .values()
            .map(|file| FileView {
                name: file.name.to_string(),
                size: file.size,
                md5: file.md5,
                content: stored(&file.body),
            })
            .collect(),
        uploads: table.uploads.values().map(upload).collect(),
        inherited: lineage
            .iter()
            .skip(1)
            .rev()
            .flat_map(|table| table.uploads.values())
            .map(upload)
            .collect(),
    }
}

fn metadata(notes: &VariableNotes) -> VariableMetadata {
    let text = |value: &serde_json::Value| {
        let text = value.as_str().map(str::to_owned);
        text.unwrap_or_else(|| value.to_string())
    };
    let pairs = notes
        .value_labels
        .as_ref()
        .and_then(|labels| labels.as_array());
    VariableMetadata {
        label: notes.label.clone(),
        description: notes.description.clone(),
        value_labels: pairs.map(|pairs| {
            pairs
                .iter()
                .map(|one| (text(&one["value"]), text(&one["label"])))
                .collect()
        }),
    }
}
