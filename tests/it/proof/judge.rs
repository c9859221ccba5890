//! Holding the remote against a plain model.

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{FileView, TableView, VersionView};
use serde_json::Value;

use super::{Ended, Stage};

/// A table's rows as JSON, by their `id`. A float that is whole may be written
/// without its point.
pub(crate) fn json_rows(table: Option<&TableView>) -> Vec<Value> {
    let Some(table) = table else {
        return Vec::new();
    };
    let mut rows: Vec<Value> = table
        .inserted_rows()
        .unwrap()
        .iter()
        .map(|row| {
            let mut row: Value = serde_json::from_str(row).unwrap();
            if let Some(f) = row.get("f").and_then(Value::as_f64) {
                row["f"] = f.into();
            }
            row
        })
        .collect();
    rows.sort_by_key(|row| row["id"].as_u64());
    rows
}

/// Gives effects that come late the requests that they wait for.
pub(crate) fn flush_late_effects(stage: &Stage<'_>) {
    for _ in 0..8 {
        stage
            .world
            .http("GET", &format!("/datasets/{}", stage.dataset), "");
    }
}

/// Whether a run found nothing to do and wrote nothing; else what it did.
pub(crate) fn is_settled(stage: &Stage<'_>, ended: &Ended) -> Result<(), String> {
    if ended.status != Some(0) || !ended.stdout.contains("Nothing to do") {
        return Err(format!("one more run was not settled: {}", ended.story()));
    }
    let writes = stage.writes();
    if writes.is_empty() {
        Ok(())
    } else {
        Err(format!("one more run wrote: {writes:#?}"))
    }
}

/// Whether a draft is only what it inherits: it may be left where another writer
/// released while it was created.
pub(crate) fn adds_nothing(draft: &VersionView, release: &VersionView) -> bool {
    let files = |table: &TableView| -> Vec<(String, Option<Md5Digest>)> {
        let named = |file: &FileView| (file.name.clone(), file.md5);
        table.files.iter().map(named).collect()
    };
    let tables = |version: &VersionView| -> Vec<_> {
        let named = |table: &TableView| (table.name.clone(), files(table));
        version.tables.iter().map(named).collect()
    };
    draft.tables.iter().all(|table| table.uploads.is_empty()) && tables(draft) == tables(release)
}
