//! At the start: the log rewritten as the effects that make the present state,
//! and the bodies that nobody refers to removed.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::catalog::Catalog;
use super::entries::TableEntry;
use super::staging::{Staging, session_file};
use crate::sandbox::bodies::{Bodies, BodyRef};
use crate::sandbox::journal::Journal;
use crate::sandbox::records::{Effect, SessionState, TableKey};

type Emit<'a> = &'a mut dyn FnMut(&Effect) -> io::Result<()>;

/// Files of one line of the log.
const FILES_PER_LINE: usize = 500;

pub(super) fn rewrite(path: &Path, catalog: &Catalog, staging: &Staging) -> io::Result<Journal> {
    Journal::compact(path, |emit| {
        for dataset in catalog.datasets.values() {
            emit(&Effect::Dataset(dataset.record.clone()))?;
            for version in dataset.versions.values() {
                emit(&Effect::Version(version.record.clone()))?;
                for table in version.tables.values() {
                    emit_table(catalog, table, emit)?;
                }
            }
        }
        for temp in staging.temps.values() {
            emit(&Effect::Temps(vec![temp.clone()]))?;
        }
        for session in staging.sessions.values() {
            emit(&Effect::Session(session.record.clone()))?;
        }
        Ok(())
    })
}

fn emit_table(catalog: &Catalog, table: &TableEntry, emit: Emit<'_>) -> io::Result<()> {
    emit(&Effect::Table(table.record.clone()))?;
    let inherited = table
        .record
        .inherits
        .and_then(|version| {
            catalog.table(TableKey {
                version,
                ..table.key()
            })
        })
        .is_some_and(|from| Arc::ptr_eq(&from.files, &table.files));
    if inherited {
        emit(&Effect::InheritFiles(table.key()))?;
    } else {
        let files: Vec<_> = table.files.values().map(Arc::clone).collect();
        for chunk in files.chunks(FILES_PER_LINE) {
            emit(&Effect::Files {
                table: table.key(),
                at: table.files_changed,
                files: chunk.to_vec(),
                spent: Vec::new(),
            })?;
        }
    }
    for upload in table.uploads.values() {
        emit(&Effect::Upload(upload.record.clone()))?;
    }
    Ok(())
}

pub(super) fn sweep(
    catalog: &Catalog,
    staging: &Staging,
    bodies: &Bodies,
    rows: &Bodies,
) -> io::Result<()> {
    let mut kept_bodies = BTreeSet::new();
    let mut kept_rows = BTreeSet::new();
    let mut keep = |body: &BodyRef| {
        if let BodyRef::File { name, .. } = body {
            kept_bodies.insert(name.clone());
        }
    };
    for table in catalog
        .datasets
        .values()
        .flat_map(|dataset| dataset.versions.values())
        .flat_map(|version| version.tables.values())
    {
        table.files.values().for_each(|file| keep(&file.body));
        for upload in table.uploads.values() {
            keep(&upload.record.body);
            kept_rows.insert(rows_file(upload.record.id));
        }
    }
    for stored in staging
        .temps
        .values()
        .filter_map(|temp| temp.stored.as_ref())
    {
        keep(&stored.body);
    }
    for session in staging.sessions.values() {
        if session.record.state == SessionState::Open {
            kept_bodies.insert(session_file(&session.record.id));
        }
    }
    bodies.sweep(|name| kept_bodies.contains(name))?;
    rows.sweep(|name| kept_rows.contains(name))
}

/// The name of an upload's file of inserted rows.
pub(in crate::sandbox) fn rows_file(upload: u64) -> String {
    format!("{upload}.ndjson")
}
