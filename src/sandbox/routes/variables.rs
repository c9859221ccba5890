//! Variables of tables and uploads (docs: resource-definitions/variable;
//! contract 5.3).

use serde_json::{Value, json};

use super::{Exchange, Handled, fields, tables};
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::http::Method;
use crate::sandbox::records::{Column, Effect, TableKey, TableRecord, VariableNotes};
use crate::sandbox::store::{Catalog, Store, TableEntry};

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

/// How much of a variable is shown (contract 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    List,
    Get,
}

fn shown(
    store: &Store,
    uri: &str,
    notes: Option<&VariableNotes>,
    (index, column): (usize, &Column),
    form: Form,
) -> Value {
    let mut value = json!({
        "kind": "variable",
        "uri": format!("{uri}/variables/{}", column.name),
        "url": format!("https://redivis.com{uri}?v={}", column.name),
        "name": column.name,
        "type": column.kind.as_str(),
        "isFileId": column.name == "file_id",
        "index": index,
        "label": said(store, notes.and_then(|notes| notes.label.as_deref())),
    });
    if let (Form::Get, Some(map)) = (form, value.as_object_mut()) {
        let description = notes.and_then(|notes| notes.description.as_deref());
        map.insert("description".to_owned(), json!(said(store, description)));
        let labels = notes.and_then(|notes| notes.value_labels.clone());
        map.insert("valueLabels".to_owned(), labels.unwrap_or(Value::Null));
    }
    value
}

/// A text as it is kept.
pub(super) fn kept(store: &Store, text: String) -> String {
    if store.behaviour.tidies_metadata {
        text.trim().to_owned()
    } else {
        text
    }
}

/// A text as it is answered.
pub(super) fn said<'t>(store: &Store, text: Option<&'t str>) -> Option<&'t str> {
    text.filter(|text| !text.is_empty() || !store.behaviour.tidies_metadata)
}

/// A variable's words as a reader sees them now; this is a read.
fn visible(catalog: &mut Catalog, key: TableKey, column: &Column) -> Option<VariableNotes> {
    let name = column.name.to_lowercase();
    let place = (key, name.clone());
    if let Some((before, reads)) = catalog.stale.get_mut(&place) {
        if *reads > 0 {
            *reads -= 1;
            return Some(before.clone());
        }
        catalog.stale.remove(&place);
    }
    let record = &catalog.table(key)?.record;
    record.notes.get(&name).cloned()
}

pub(super) fn list(x: &mut Exchange<'_, '_>) -> Handled {
    let mut catalog = x.shared.store.catalog();
    let (key, uri, columns) = find(x, &mut catalog)?;
    let read = |column| visible(&mut catalog, key, column);
    let notes: Vec<_> = columns.iter().map(read).collect();
    let numbered: Vec<_> = columns.iter().zip(&notes).enumerate().collect();
    let store = &x.shared.store;
    x.page("variableList", &numbered, |(index, (column, notes))| {
        shown(store, &uri, notes.as_ref(), (*index, column), Form::List)
    })
}

pub(super) fn get(x: &mut Exchange<'_, '_>) -> Handled {
    let mut catalog = x.shared.store.catalog();
    let (key, uri, columns) = find(x, &mut catalog)?;
    let one = named(x, &columns)?;
    if x.head.method == Method::Head {
        return Ok(Answer::empty(200));
    }
    let notes = visible(&mut catalog, key, one.1);
    let value = shown(&x.shared.store, &uri, notes.as_ref(), one, Form::Get);
    Ok(Answer::json(200, &value))
}

/// The variable that the path's last segment names.
fn named<'c>(x: &Exchange<'_, '_>, columns: &'c [Column]) -> Result<(usize, &'c Column), Refusal> {
    let name = x.segments.last().map_or("", String::as_str);
    let mut numbered = columns.iter().enumerate();
    let found = numbered.find(|(_, column)| column.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| Refusal::not_found(name))
}

fn change(store: &Store, body: &Value, notes: &mut VariableNotes) -> Result<(), Refusal> {
    if let Some(label) = fields::text(body, "label")? {
        notes.label = Some(kept(store, label));
    }
    if let Some(description) = fields::text(body, "description")? {
        notes.description = Some(kept(store, description));
    }
    if let Some(labels) = body.get("valueLabels").filter(|labels| !labels.is_null()) {
        notes.value_labels = value_labels(store, labels)?;
    }
    Ok(())
}

/// Value labels as they are kept: a list of pairs. A mapping, as uploads take it,
/// is good too.
fn value_labels(store: &Store, labels: &Value) -> Result<Option<Value>, Refusal> {
    let wrong = || fields::wrong("valueLabels", "a list of `value` and `label`");
    let mut pairs: Vec<(Value, String)> = match labels {
        Value::Array(list) => list
            .iter()
            .map(|one| {
                let value = one.get("value").ok_or_else(wrong)?.clone();
                Ok((value, fields::required_text(one, "label")?))
            })
            .collect::<Result<_, Refusal>>()?,
        Value::Object(map) => map
            .iter()
            .map(|(value, label)| {
                let label = label.as_str().ok_or_else(wrong)?;
                Ok((json!(value), label.to_owned()))
            })
            .collect::<Result<_, Refusal>>()?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(wrong()),
    };
    if store.behaviour.tidies_metadata {
        pairs.reverse();
        for (value, label) in &mut pairs {
            let whole = value.as_str().and_then(|text| text.parse::<i64>().ok());
            if let Some(whole) = whole.filter(|whole| value.as_str() == Some(&whole.to_string())) {
                *value = json!(whole);
            }
            label.truncate(label.trim_end().len());
        }
        if pairs.is_empty() {
            return Ok(None);
        }
    }
    let pair = |(value, label)| json!({ "value": value, "label": label });
    Ok(Some(pairs.into_iter().map(pair).collect()))
}

/// Puts a changed record in place; `lag` more reads see the old one.
fn commit(
    store: &Store,
    catalog: &mut Catalog,
    record: TableRecord,
    changed: &[String],
) -> Result<(), Refusal> {
    let key = record.key;
    for name in changed {
        let before = catalog
            .table(key)
            .and_then(|table| table.record.notes.get(name));
        let before = before.cloned().unwrap_or_default();
        if store.behaviour.variable_lag > 0 && !catalog.stale.contains_key(&(key, name.clone())) {
            let stale = (before, store.behaviour.variable_lag);
            catalog.stale.insert((key, name.clone()), stale);
        }
    }
    store.commit(catalog, Effect::Table(record))?;
    super::versions::mark_changed(store, catalog, key, false)?;
    Ok(())
}

/// `PATCH .../variables/:name`.
pub(super) fn patch(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let key = x.draft_table(&catalog)?;
    let columns = catalog.variables(key);
    let one = named(x, &columns)?;
    let name = one.1.name.to_lowercase();
    let mut record = x.table(&catalog)?.record.clone();
    change(store, &body, record.notes.entry(name.clone()).or_default())?;
    let notes = record.notes.get(&name).cloned();
    commit(store, &mut catalog, record, &[name])?;
    let uri = tables::uri(store, &catalog, key);
    let value = shown(store, &uri, notes.as_ref(), one, Form::Get);
    Ok(Answer::json(200, &value))
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
        let mut changed = Vec::new();
        for one in list {
            let name = fields::required_text(one, "name")?.to_lowercase();
            let known = columns
                .iter()
                .any(|column| column.name.eq_ignore_ascii_case(&name));
            if known {
                change(store, one, record.notes.entry(name.clone()).or_default())?;
                changed.push(name);
            }
        }
        commit(store, &mut catalog, record, &changed)?;
    }
    Ok(Answer::ok())
}
