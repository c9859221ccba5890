//! Tables (docs: resource-definitions/table; contract 5).

use serde_json::{Value, json};

use super::datasets::{qualified, tag_in_reference};
use super::{Exchange, Handled, fields, variables, versions};
use crate::base::{Md5Digest, MergeStrategy};
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::http::Method;
use crate::sandbox::limits;
use crate::sandbox::records::{Effect, TableKey, TableRecord};
use crate::sandbox::reference;
use crate::sandbox::store::{Catalog, DatasetEntry, Store, TableEntry, VersionEntry};

/// The bytes of a table's own files and uploads.
pub(super) fn num_bytes(catalog: &Catalog, table: &TableEntry) -> u64 {
    if table.record.is_file_index {
        return table.files.values().map(|file| file.size).sum();
    }
    catalog
        .lineage(table.key())
        .into_iter()
        .flat_map(|table| table.uploads.values())
        .map(|upload| upload.record.size.max(upload.record.rows.bytes))
        .sum()
}

/// `owner.data:id:version.table:id`, as the platform spells it.
pub(super) fn table_reference(
    store: &Store,
    dataset: &DatasetEntry,
    version: &VersionEntry,
    table: &TableEntry,
) -> String {
    format!(
        "{}.{}",
        qualified(store, dataset, version),
        scoped(store, table)
    )
}

fn scoped(store: &Store, table: &TableEntry) -> String {
    let shown = reference::shown(&table.record.name, store.behaviour.collapses_underscores);
    format!("{shown}:{}", table.record.reference)
}

/// The address of a table, given its key.
pub(super) fn uri(store: &Store, catalog: &Catalog, key: TableKey) -> String {
    let found = catalog.datasets.get(&key.dataset).and_then(|dataset| {
        let version = dataset.versions.get(&key.version)?;
        let table = version.tables.get(&key.table)?;
        Some(table_reference(store, dataset, version, table))
    });
    format!("/tables/{}", found.unwrap_or_default())
}

fn shown(
    store: &Store,
    catalog: &Catalog,
    (dataset, version, table): (&DatasetEntry, &VersionEntry, &TableEntry),
    whole: bool,
) -> Value {
    let record = &table.record;
    let key = table.key();
    let reference = table_reference(store, dataset, version, table);
    let bytes = num_bytes(catalog, table);
    let stale = store.behaviour.draft_num_rows_is_stale
        && !version.record.released
        && !record.is_file_index;
    let rows = match (stale, record.inherits) {
        (true, Some(before)) => catalog.num_rows(TableKey {
            version: before,
            ..key
        }),
        (true, None) => 0,
        (false, _) => catalog.num_rows(key),
    };
    let variables = catalog.variables(key);
    let names: Vec<_> = variables
        .iter()
        .map(|column| format!("{} {}", column.name, column.kind))
        .collect();
    let hash = Md5Digest::of(format!("{bytes} {rows} {}", names.join(" ")).as_bytes());
    let merge = (!version.record.released).then(|| record.merge.as_str());
    let mut value = json!({
        "kind": "table",
        "uri": format!("/tables/{reference}"),
        "id": format!("{}-{:09}", record.reference, key.table),
        "url": format!("https://redivis.com/tables/{}", record.reference),
        "qualifiedReference": reference,
        "scopedReference": scoped(store, table),
        "referenceId": record.reference,
        "name": record.name,
        "hash": hash.to_string(),
        "isSample": false,
        "isFileIndex": record.is_file_index,
        "createdAt": record.created,
        "updatedAt": record.updated,
        "description": variables::said(store, record.description.as_deref()),
        "numRows": rows,
        "numBytes": bytes,
        "variableCount": variables.len(),
        "uploadMergeStrategy": merge,
    });
    if let (true, Some(map)) = (whole, value.as_object_mut()) {
        let own = qualified(store, dataset, version);
        let more = [
            ("canDownload", json!(true)),
            ("entity", Value::Null),
            ("temporalRange", Value::Null),
            ("geoBBox", Value::Null),
            ("publicAccessLevel", json!(dataset.record.public_access)),
            ("accessLevel", json!("edit")),
            (
                "container",
                json!({
                    "kind": "dataset",
                    "name": dataset.record.name,
                    "uri": format!("/datasets/{own}"),
                    "qualifiedReference": own,
                    "scopedReference": format!(
                        "{}:{}",
                        super::datasets::scoped(store, dataset),
                        tag_in_reference(&version.record.tag)
                    ),
                }),
            ),
        ];
        for (name, field) in more {
            map.insert(name.to_owned(), field);
        }
    }
    value
}

pub(super) fn list(x: &mut Exchange<'_, '_>) -> Handled {
    let path = x.dataset_path()?;
    let store = &x.shared.store;
    let catalog = store.catalog();
    let dataset = catalog.dataset(&path)?;
    let version = dataset.version(&path.version, &store.behaviour)?;
    let tables: Vec<_> = version.tables.values().collect();
    x.page("tableList", &tables, |table| {
        shown(store, &catalog, (dataset, version, table), false)
    })
}

pub(super) fn get(x: &mut Exchange<'_, '_>) -> Handled {
    let store = &x.shared.store;
    let catalog = store.catalog();
    let key = x.table(&catalog)?.key();
    if x.head.method == Method::Head {
        return Ok(Answer::empty(200));
    }
    answer(x, &catalog, key, 200)
}

fn answer(x: &Exchange<'_, '_>, catalog: &Catalog, key: TableKey, status: u16) -> Handled {
    let found = catalog.datasets.get(&key.dataset).and_then(|dataset| {
        let version = dataset.versions.get(&key.version)?;
        Some((dataset, version, version.tables.get(&key.table)?))
    });
    let found = found.ok_or_else(|| Refusal::not_found(x.segment(1)))?;
    Ok(Answer::json(
        status,
        &shown(&x.shared.store, catalog, found, true),
    ))
}

fn merge_of(body: &Value) -> Result<Option<MergeStrategy>, Refusal> {
    fields::text(body, "uploadMergeStrategy")?
        .map(|word| {
            MergeStrategy::from_word(&word)
                .ok_or_else(|| fields::wrong("uploadMergeStrategy", "`append` or `replace`"))
        })
        .transpose()
}

fn description_of(x: &Exchange<'_, '_>, body: &Value) -> Result<Option<String>, Refusal> {
    let description = fields::text(body, "description")?;
    let longest = x.shared.store.behaviour.max_description;
    match &description {
        Some(text) if text.chars().count() > longest => Err(Refusal::invalid(format!(
            "The description is longer than {longest} characters"
        ))),
        Some(_) | None => Ok(description.map(|text| variables::kept(&x.shared.store, text))),
    }
}

/// What a new table is made from.
pub(in crate::sandbox) struct NewTable {
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) description: Option<String>,
    pub(in crate::sandbox) is_file_index: bool,
    pub(in crate::sandbox) merge: MergeStrategy,
}

/// Creates a table that is known to be new, in a version that may be changed.
pub(in crate::sandbox) fn make(
    store: &Store,
    catalog: &mut Catalog,
    (dataset, version): (u32, u32),
    new: NewTable,
    now: i64,
) -> std::io::Result<TableKey> {
    let key = TableKey {
        dataset,
        version,
        table: catalog.new_table_id(),
    };
    let reference = store.new_reference(|taken| {
        let held = catalog.datasets.get(&dataset);
        let held = held.and_then(|dataset| dataset.versions.get(&version));
        held.is_some_and(|version| {
            let mut tables = version.tables.values();
            tables.any(|table| table.record.reference == taken)
        })
    });
    let record = TableRecord {
        key,
        name: new.name,
        reference,
        description: new.description,
        is_file_index: new.is_file_index,
        merge: new.merge,
        created: now,
        updated: now,
        inherits: None,
        notes: std::collections::BTreeMap::new(),
    };
    store.commit(catalog, Effect::Table(record))?;
    versions::mark_changed(store, catalog, key, false)?;
    Ok(key)
}

pub(super) fn create(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let name = fields::required_text(&body, "name")?;
    let is_file_index = fields::truth(&body, "isFileIndex")?.unwrap_or(false);
    let merge = merge_of(&body)?;
    let description = description_of(x, &body)?;
    let path = x.dataset_path()?;
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let dataset = catalog.dataset(&path)?;
    let version = dataset.version(&path.version, &store.behaviour)?;
    x.check_draft(&catalog, dataset.record.id, version.record.index)?;
    if reference::key(&name).is_empty() {
        return Err(Refusal::invalid("`name` has no letter or digit"));
    }
    if version.table_by_key(&reference::key(&name)).is_some() {
        return Err(Refusal::api(
            store.behaviour.duplicate_status,
            "invalid_request",
            format!("A table named {name} already exists on this version"),
        ));
    }
    if version.tables.len() >= limits::MAX_TABLES {
        return Err(Refusal::invalid("A dataset may have at most 1000 tables"));
    }
    let merge = merge
        .filter(|_| !store.behaviour.merge_ignored_at_create)
        .unwrap_or(MergeStrategy::Append);
    let place = (dataset.record.id, version.record.index);
    let new = NewTable {
        name,
        description,
        is_file_index,
        merge,
    };
    let key = make(store, &mut catalog, place, new, x.now())?;
    answer(x, &catalog, key, store.behaviour.created_status)
}

pub(super) fn patch(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let merge = merge_of(&body)?;
    let name = fields::text(&body, "name")?;
    let description = description_of(x, &body)?;
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let key = x.draft_table(&catalog)?;
    let mut record = x.table(&catalog)?.record.clone();
    if let Some(name) = name.filter(|name| reference::key(name) != reference::key(&record.name)) {
        let taken = catalog
            .version(key)
            .is_some_and(|version| version.table_by_key(&reference::key(&name)).is_some());
        if taken {
            return Err(Refusal::api(
                store.behaviour.duplicate_status,
                "invalid_request",
                format!("A table named {name} already exists on this version"),
            ));
        }
        record.name = name;
    }
    record.merge = merge.unwrap_or(record.merge);
    record.description = description.or(record.description);
    record.updated = x.now();
    store.commit(&mut catalog, Effect::Table(record))?;
    versions::mark_changed(store, &mut catalog, key, false)?;
    answer(x, &catalog, key, 200)
}

pub(super) fn delete(x: &mut Exchange<'_, '_>) -> Handled {
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let key = x.draft_table(&catalog)?;
    let inherited = x.table(&catalog)?.record.inherits.is_some();
    store.commit(&mut catalog, Effect::DropTable(key))?;
    versions::mark_changed(store, &mut catalog, key, inherited)?;
    Ok(Answer::ok())
}
