//! Variables of tables and uploads (docs: resource-definitions/variable;
//! contract 5.3).

use serde_json::{Value, json};

use super::{Exchange, Handled, fields, tables};
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::http::Method;
use crate::sandbox::records::{Column, Effect, TableKey, TableRecord, VariableNotes};
use crate::sandbox::store::{Catalog, TableEntry};

/// Whether a variable may have this name (contract 7: `var.2` is not legal and
/// `_upload_name` is reserved).
pub(in crate::sandbox) fn insert_legal_name(name: &str) -> bool {
    let mut chars = name.chars();
    let starts = chars
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_');
    starts
        && name.len() <= 300
        && !name.eq_ignore_ascii_case("_upload_name")
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// The columns that the path is about, and where they are.
fn find(
    x: &Exchange<'_, '_>,
    catalog: &mut Catalog,
) -> Result<(TableKey, String, Vec<Column>), Refusal> {
    let key = x.table(catalog)?.key();
    let mut uri = tables::uri(&x.shared.store, catalog, key);
    if x.segment(2) != "uploads" {
        return Ok((key, uri, catalog.variables(key)));
    }
    let segment = x.segment(3).to_owned();
    let missing = || Refusal::not_found(x.segment(3));
    let upload = catalog
        .table_mut(key)
        .and_then(|table| table.find_upload(&segment))
        .ok_or_else(missing)?;
    uri.push_str("/uploads/");
    uri.push_str(&segment);
    Ok((key, uri, upload.record.schema.clone()))
}

fn shown(uri: &str, notes: Option<&TableRecord>, (index, column): (usize, &Column)) -> Value {
    let notes = notes.and_then(|record| record.notes.get(&column.name.to_lowercase()));
    json!({
        "kind": "variable",
        "uri": format!("{uri}/variables/{}", column.name),
        "url": format!("https://redivis.com{uri}?v={}", column.name),
        "name": column.name,
        "type": column.kind.as_str(),
        "isFileId": column.name == "file_id",
        "index": index,
        "label": notes.and_then(|notes| notes.label.clone()),
        "description": notes.and_then(|notes| notes.description.clone()),
        "valueLabels": notes.and_then(|notes| notes.value_labels.clone()),
    })
}

pub(super) fn list(x: &mut Exchange<'_, '_>) -> Handled {
    let mut catalog = x.shared.store.catalog();
    let (key, uri, columns) = find(x, &mut catalog)?;
    let numbered: Vec<_> = columns.iter().enumerate().collect();
    let record = catalog.table(key).map(|table| &table.record);
    x.page("variableList", &numbered, |one| shown(&uri, record, *one))
}

pub(super) fn get(x: &mut Exchange<'_, '_>) -> Handled {
    let mut catalog = x.shared.store.catalog();
    let (key, uri, columns) = find(x, &mut catalog)?;
    let name = x.segments.last().map_or("", String::as_str);
    let found = columns
        .iter()
        .enumerate()
        .find(|(_, column)| column.name.eq_ignore_ascii_case(name));
    let one = found.ok_or_else(|| Refusal::not_found(name))?;
    if x.head.method == Method::Head {
        return Ok(Answer::empty(200));
    }
    let record = catalog.table(key).map(|table| &table.record);
    Ok(Answer::json(200, &shown(&uri, record, one)))
}

fn change(body: &Value, notes: &mut VariableNotes) -> Result<(), Refusal> {
    if let Some(label) = fields::text(body, "label")? {
        notes.label = Some(label);
    }
    if let Some(description) = fields::text(body, "description")? {
        notes.description = Some(description);
    }
    if let Some(labels) = body.get("valueLabels") {
        notes.value_labels = Some(labels.clone());
    }
    Ok(())
}

/// `PATCH .../variables/:name`.
pub(super) fn patch(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let key = x.draft_table(&catalog)?;
    let name = x.segment(3).to_lowercase();
    let mut record = x.table(&catalog)?.record.clone();
    change(&body, record.notes.entry(name).or_default())?;
    store.commit(&mut catalog, Effect::Table(record))?;
    super::versions::mark_changed(store, &mut catalog, key, false)?;
    drop(catalog);
    get(x)
}

/// `PATCH {table}/variables` and `PATCH {dataset}/variables`.
pub(super) fn patch_all(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let list = fields::list(&body, "variables")?;
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let keys: Vec<TableKey> = if x.segment(0) == "tables" {
        vec![x.draft_table(&catalog)?]
    } else {
        let path = x.dataset_path()?;
        let dataset = catalog.dataset(&path)?;
        let version = dataset.version(&path.version, &store.behaviour)?;
        x.check_draft(&catalog, dataset.record.id, version.record.index)?;
        version.tables.values().map(TableEntry::key).collect()
    };
    for key in keys {
        let columns = catalog.variables(key);
        let Some(mut record) = catalog.table(key).map(|table| table.record.clone()) else {
            continue;
        };
        for one in list {
            let name = fields::required_text(one, "name")?;
            let known = columns
                .iter()
                .any(|column| column.name.eq_ignore_ascii_case(&name));
            if known {
                change(one, record.notes.entry(name.to_lowercase()).or_default())?;
            }
        }
        store.commit(&mut catalog, Effect::Table(record))?;
        super::versions::mark_changed(store, &mut catalog, key, false)?;
    }
    Ok(Answer::ok())
}
