//! What the API shows: datasets, their versions, the versions' tables, and the
//! uploads and files of those. In memory, indexed; changed by effects only.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::columns::{file_columns, merge_columns};
use super::entries::{DatasetEntry, TableEntry, UploadEntry, VersionEntry};
use crate::sandbox::answer::Refusal;
use crate::sandbox::behaviour::Behaviour;
use crate::sandbox::records::{
    Column, DatasetId, DatasetRecord, Effect, FileRecord, Import, TableId, TableKey, TableRecord,
    UploadId, UploadRecord, VariableNotes, VersionRecord,
};
use crate::sandbox::reference::{self, DatasetPath, TablePath};

/// Everything, by its names.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Catalog {
    pub(in crate::sandbox) datasets: BTreeMap<DatasetId, DatasetEntry>,
    by_name: BTreeMap<(String, String), DatasetId>,
    /// All files that have an id.
    pub(in crate::sandbox) files: BTreeMap<u64, Arc<FileRecord>>,
    /// Variables that are shown as they were, and for how many reads.
    pub(in crate::sandbox) stale: BTreeMap<(TableKey, String), (VariableNotes, u32)>,
    last_dataset: DatasetId,
    last_table: TableId,
    last_upload: UploadId,
    last_file: u64,
}

impl Catalog {
    pub(in crate::sandbox) fn new_dataset_id(&self) -> DatasetId {
        self.last_dataset + 1
    }

    pub(in crate::sandbox) fn new_table_id(&self) -> TableId {
        self.last_table + 1
    }

    pub(in crate::sandbox) fn new_upload_id(&self) -> UploadId {
        self.last_upload + 1
    }

    pub(in crate::sandbox) fn new_file_number(&self) -> u64 {
        self.last_file + 1
    }

    pub(in crate::sandbox) fn dataset_named(
        &self,
        owner: &str,
        name: &str,
    ) -> Option<&DatasetEntry> {
        let key = (owner.to_lowercase(), reference::key(name));
        self.by_name.get(&key).and_then(|id| self.datasets.get(id))
    }

    /// All datasets of an owner.
    pub(in crate::sandbox) fn datasets_of(&self, owner: &str) -> Vec<&DatasetEntry> {
        let owner = owner.to_lowercase();
        self.by_name
            .range((owner.clone(), String::new())..)
            .take_while(|((of, _), _)| *of == owner)
            .filter_map(|(_, id)| self.datasets.get(id))
            .collect()
    }

    pub(in crate::sandbox) fn dataset(&self, path: &DatasetPath) -> Result<&DatasetEntry, Refusal> {
        let found = match &path.reference {
            None => self.dataset_named(&path.owner, &path.name),
            Some(id) => self
                .dataset_named(&path.owner, &path.name)
                .filter(|dataset| dataset.record.reference == *id)
                .or_else(|| {
                    self.datasets_of(&path.owner)
                        .into_iter()
                        .find(|dataset| dataset.record.reference == *id)
                }),
        };
        found.ok_or_else(|| Refusal::not_found(&format!("{}.{}", path.owner, path.name)))
    }

    pub(in crate::sandbox) fn find_table(
        &self,
        path: &TablePath,
        behaviour: &Behaviour,
    ) -> Result<(&DatasetEntry, &VersionEntry, &TableEntry), Refusal> {
        let dataset = self.dataset(&path.dataset)?;
        let version = dataset.version(&path.dataset.version, behaviour)?;
        let by_id = path.reference.as_ref().and_then(|id| {
            version
                .tables
                .values()
                .find(|table| table.record.reference == *id)
        });
        let by_name = || version.table_by_key(&reference::key(&path.name));
        let table = match &path.reference {
            Some(_) => by_id,
            None => by_name(),
        };
        let table = table
            .ok_or_else(|| Refusal::not_found(&format!("{}.{}", dataset.record.name, path.name)))?;
        Ok((dataset, version, table))
    }

    pub(in crate::sandbox) fn version(&self, key: TableKey) -> Option<&VersionEntry> {
        self.datasets.get(&key.dataset)?.versions.get(&key.version)
    }

    pub(in crate::sandbox) fn table(&self, key: TableKey) -> Option<&TableEntry> {
        self.version(key)?.tables.get(&key.table)
    }

    pub(in crate::sandbox) fn table_mut(&mut self, key: TableKey) -> Option<&mut TableEntry> {
        self.datasets
            .get_mut(&key.dataset)?
            .versions
            .get_mut(&key.version)?
            .tables
            .get_mut(&key.table)
    }

    /// The tables whose uploads make up the rows of a table: itself, and those
    /// it inherits from, newest first.
    pub(in crate::sandbox) fn lineage(&self, key: TableKey) -> Vec<&TableEntry> {
        let mut line = Vec::new();
        let mut at = self.table(key);
        while let Some(table) = at {
            line.push(table);
            at = table.inherited_rows_from().and_then(|version| {
                let key = TableKey {
                    version,
                    ..table.key()
                };
                self.table(key)
            });
        }
        line
    }

    /// All rows of a table, lagging counts included.
    pub(in crate::sandbox) fn num_rows(&self, key: TableKey) -> u64 {
        let Some(table) = self.table(key) else {
            return 0;
        };
        if table.record.is_file_index {
            return table.files.len() as u64;
        }
        self.lineage(key)
            .into_iter()
            .flat_map(|table| table.uploads.values())
            .filter_map(UploadEntry::visible_rows)
            .sum()
    }

    /// The variables of a table, over all its uploads.
    pub(in crate::sandbox) fn variables(&self, key: TableKey) -> Vec<Column> {
        let Some(table) = self.table(key) else {
            return Vec::new();
        };
        if table.record.is_file_index {
            return file_columns();
        }
        let mut columns: Vec<Column> = Vec::new();
        for table in self.lineage(key).into_iter().rev() {
            for upload in table.uploads.values() {
                merge_columns(&mut columns, &upload.record.schema);
            }
        }
        columns
    }

    /// Changes what it holds. Records that belong to something unknown are
    /// dropped: their owner was deleted.
    pub(in crate::sandbox) fn apply(&mut self, effect: Effect, behaviour: &Behaviour) {
        match effect {
            Effect::Dataset(record) => self.put_dataset(record),
            Effect::DropDataset(id) => {
                self.datasets.remove(&id);
                self.by_name.retain(|_, other| *other != id);
            }
            Effect::Version(record) => {
                if let Some(dataset) = self.datasets.get_mut(&record.dataset) {
                    put_version(dataset, record);
                }
            }
            Effect::DropVersion(id, index) => {
                if let Some(dataset) = self.datasets.get_mut(&id) {
                    dataset.versions.remove(&index);
                }
            }
            Effect::Table(record) => self.put_table(record),
            Effect::InheritFiles(key) => self.inherit_files(key),
            Effect::DropTable(key) => {
                if let Some(version) = self
                    .datasets
                    .get_mut(&key.dataset)
                    .and_then(|dataset| dataset.versions.get_mut(&key.version))
                {
                    version.tables.remove(&key.table);
                    version.by_key.retain(|_, id| *id != key.table);
                }
            }
            Effect::Upload(record) => self.put_upload(record, behaviour),
            Effect::DropUpload(key, id) => {
                if let Some(table) = self.table_mut(key)
                    && let Some(entry) = table.uploads.remove(&id)
                {
                    table.upload_keys.retain(|_, other| *other != id);
                    if behaviour.delete_lag > 0 {
                        table.ghosts.push((entry, behaviour.delete_lag));
                    }
                }
            }
            Effect::Files {
                table, at, files, ..
            } => self.put_files(table, at, files, behaviour),
            Effect::Temps(_)
            | Effect::DropTemps(_)
            | Effect::Session(_)
            | Effect::DropSession(_) => {}
        }
    }

    fn put_dataset(&mut self, record: DatasetRecord) {
        self.last_dataset = self.last_dataset.max(record.id);
        self.by_name.retain(|_, id| *id != record.id);
        let key = (record.owner.to_lowercase(), reference::key(&record.name));
        self.by_name.insert(key, record.id);
        if let Some(entry) = self.datasets.get_mut(&record.id) {
            entry.record = record;
        } else {
            let entry = DatasetEntry {
                versions: BTreeMap::new(),
                record,
            };
            self.datasets.insert(entry.record.id, entry);
        }
    }

    fn put_table(&mut self, record: TableRecord) {
        self.last_table = self.last_table.max(record.key.table);
        let Some(version) = self
            .datasets
            .get_mut(&record.key.dataset)
            .and_then(|dataset| dataset.versions.get_mut(&record.key.version))
        else {
            return;
        };
        let id = record.key.table;
        version.by_key.retain(|_, other| *other != id);
        version.by_key.insert(reference::key(&record.name), id);
        if let Some(entry) = version.tables.get_mut(&id) {
            entry.record = record;
        } else {
            let entry = TableEntry {
                files: Arc::default(),
                files_changed: record.created,
                uploads: BTreeMap::new(),
                upload_keys: BTreeMap::new(),
                shown: None,
                ghosts: Vec::new(),
                record,
            };
            version.tables.insert(id, entry);
        }
    }

    fn inherit_files(&mut self, key: TableKey) {
        let from = self
            .table(key)
            .and_then(|table| table.record.inherits)
            .and_then(|version| self.table(TableKey { version, ..key }));
        let Some((files, changed)) =
            from.map(|table| (Arc::clone(&table.files), table.files_changed))
        else {
            return;
        };
        if let Some(table) = self.table_mut(key) {
            table.files = files;
            table.files_changed = changed;
        }
    }

    fn put_upload(&mut self, record: UploadRecord, behaviour: &Behaviour) {
        self.last_upload = self.last_upload.max(record.id);
        let Some(table) = self.table_mut(record.table) else {
            return;
        };
        let id = record.id;
        if let Some(entry) = table.uploads.get_mut(&id) {
            entry.record = record;
        } else {
            table
                .upload_keys
                .insert(reference::upload_key(&record.name), id);
            let entry = UploadEntry {
                polls_left: match record.import {
                    Import::None => 0,
                    Import::Completed | Import::Failed(_) => behaviour.import_polls,
                },
                hidden: Vec::new(),
                inserting: Arc::default(),
                record,
            };
            table.uploads.insert(id, entry);
        }
    }

    fn put_files(
        &mut self,
        key: TableKey,
        at: i64,
        files: Vec<Arc<FileRecord>>,
        behaviour: &Behaviour,
    ) {
        for file in &files {
            self.last_file = self.last_file.max(file.number);
            self.files.insert(file.number, Arc::clone(file));
        }
        let Some(table) = self.table_mut(key) else {
            return;
        };
        table.freeze_listing(behaviour.file_listing_lag);
        table.files_changed = at;
        let map = Arc::make_mut(&mut table.files);
        for file in files {
            map.insert(file.name.clone(), file);
        }
    }
}

fn put_version(dataset: &mut DatasetEntry, record: VersionRecord) {
    if let Some(entry) = dataset.versions.get_mut(&record.index) {
        entry.record = record;
    } else {
        let entry = VersionEntry {
            tables: BTreeMap::new(),
            by_key: BTreeMap::new(),
            record,
        };
        dataset.versions.insert(entry.record.index, entry);
    }
}
