//! Uploads as they are: listed, read, deleted (docs: rest-api/uploads,
//! resource-definitions/upload; contract 6).

use serde_json::{Value, json};

use super::files::digest_text;
use super::{Exchange, Handled, tables, versions};
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::http::{Method, percent_encode};
use crate::sandbox::limits;
use crate::sandbox::records::{Effect, Import, TableKey, UploadId, UploadRecord};
use crate::sandbox::store::{Catalog, Status, Store, UploadEntry, rows_file};

/// The address of an upload.
fn uri(store: &Store, table_uri: &str, record: &UploadRecord) -> String {
    let segment = if store.behaviour.upload_uri_has_id {
        record.id.to_string()
    } else {
        percent_encode(&record.name.replace('.', "_"))
    };
    format!("{table_uri}/uploads/{segment}")
}

pub(super) fn shown(store: &Store, table_uri: &str, entry: &UploadEntry, whole: bool) -> Value {
    let record = &entry.record;
    let number = |value: Option<u64>| match value {
        Some(value) if store.behaviour.numbers_as_strings => json!(value.to_string()),
        value => json!(value),
    };
    let status = match entry.status() {
        Status::Empty => None,
        Status::Queued => Some("queued"),
        Status::Running => Some("running"),
        Status::Completed => Some("completed"),
        Status::Failed => Some("failed"),
    };
    let hash = record
        .md5
        .map(|md5| digest_text(store.behaviour.upload_hash_form, md5));
    let uri = uri(store, table_uri, record);
    let mut value = json!({
        "kind": "upload",
        "url": format!("https://redivis.com{uri}"),
        "uri": uri,
        "id": record.id,
        "name": record.name,
        "status": status,
        "hash": hash,
        "size": number(Some(record.size)),
        "numRows": number(entry.visible_rows()),
        "numBytes": number(Some(record.size)),
        "createdAt": record.created,
        "updatedAt": record.updated,
    });
    if let (true, Some(map)) = (whole, value.as_object_mut()) {
        map.insert("type".to_owned(), json!(record.kind));
        for (name, option) in &record.options {
            map.insert(name.clone(), option.clone());
        }
        let ended = matches!(entry.status(), Status::Completed | Status::Failed);
        map.insert(
            "badRecordsCount".to_owned(),
            number(ended.then_some(record.bad_records)),
        );
        let message = match (&record.import, entry.status()) {
            (Import::Failed(why), Status::Failed) => Some(why.as_str()),
            _ => None,
        };
        map.insert("errorMessage".to_owned(), json!(message));
    }
    value
}

/// The upload that the path names: its table (it may be inherited) and its id.
pub(super) fn locate(
    x: &Exchange<'_, '_>,
    catalog: &mut Catalog,
    key: TableKey,
) -> Result<(TableKey, UploadId), Refusal> {
    let segment = x.segment(3).to_owned();
    let missing = || Refusal::not_found(&segment);
    let table = catalog.table_mut(key).ok_or_else(missing)?;
    if let Some(entry) = table.find_upload(&segment) {
        return Ok((key, entry.record.id));
    }
    if x.shared.store.behaviour.lists_inherited_uploads {
        let lineage: Vec<TableKey> = catalog.lineage(key).iter().map(|t| t.key()).collect();
        for older in lineage {
            if let Some(entry) = catalog
                .table_mut(older)
                .and_then(|table| table.find_upload(&segment))
            {
                return Ok((older, entry.record.id));
            }
        }
    }
    Err(missing())
}

pub(super) fn locked(x: &Exchange<'_, '_>) -> Refusal {
    Refusal::invalid(format!(
        "The upload {} belongs to a released version and can not be changed",
        x.segment(3)
    ))
}

pub(super) fn list(x: &mut Exchange<'_, '_>) -> Handled {
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let key = x.table(&catalog)?.key();
    let uri = tables::uri(store, &catalog, key);
    let keys: Vec<TableKey> = if store.behaviour.lists_inherited_uploads {
        catalog.lineage(key).iter().rev().map(|t| t.key()).collect()
    } else {
        vec![key]
    };
    let mut all = Vec::new();
    for key in keys {
        let Some(table) = catalog.table_mut(key) else {
            continue;
        };
        all.extend(table.uploads.keys().map(|id| (key, *id)));
    }
    let size = x
        .head
        .query("maxResults")
        .and_then(|text| text.parse().ok());
    let start = x.head.query("pageToken").and_then(|text| text.parse().ok());
    let (start, size): (usize, usize) = (
        start.unwrap_or(0),
        size.unwrap_or(limits::DEFAULT_PAGE)
            .clamp(1, store.behaviour.max_page),
    );
    for (key, id) in all.iter().skip(start).take(size) {
        if let Some(entry) = catalog
            .table_mut(*key)
            .and_then(|table| table.uploads.get_mut(id))
        {
            entry.was_read();
        }
    }
    let ghosts: Vec<Value> = match catalog.table_mut(key) {
        Some(table) if start == 0 => table
            .ghosts()
            .into_iter()
            .map(|ghost| shown(store, &uri, ghost, false))
            .collect(),
        Some(_) | None => Vec::new(),
    };
    let mut ghosts = Some(ghosts);
    let answer = x.page("uploadList", &all, |(key, id)| {
        catalog
            .table(*key)
            .and_then(|table| table.uploads.get(id))
            .map_or(Value::Null, |entry| shown(store, &uri, entry, false))
    })?;
    match ghosts.take() {
        Some(ghosts) if !ghosts.is_empty() => Ok(answer.with_results(ghosts)),
        Some(_) | None => Ok(answer),
    }
}

pub(super) fn get(x: &mut Exchange<'_, '_>) -> Handled {
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let key = x.table(&catalog)?.key();
    let uri = tables::uri(store, &catalog, key);
    let is_head = x.head.method == Method::Head;
    let (owner, id) = match locate(x, &mut catalog, key) {
        Ok(found) => found,
        Err(missing) => {
            let ghost = catalog
                .table_mut(key)
                .and_then(|table| table.find_ghost(x.segment(3)))
                .ok_or(missing)?;
            return Ok(Answer::json(200, &shown(store, &uri, ghost, true)));
        }
    };
    let entry = catalog
        .table_mut(owner)
        .and_then(|table| table.uploads.get_mut(&id))
        .ok_or_else(|| Refusal::not_found(x.segment(3)))?;
    if is_head {
        return Ok(Answer::empty(200));
    }
    entry.was_read();
    Ok(Answer::json(200, &shown(store, &uri, entry, true)))
}

pub(super) fn delete(x: &mut Exchange<'_, '_>) -> Handled {
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let key = x.draft_table(&catalog)?;
    let (owner, id) = locate(x, &mut catalog, key)?;
    if owner != key {
        return Err(locked(x));
    }
    let body = catalog
        .table(key)
        .and_then(|table| table.uploads.get(&id))
        .map(|entry| entry.record.body.clone());
    store.commit(&mut catalog, Effect::DropUpload(key, id))?;
    versions::mark_changed(store, &mut catalog, key, false)?;
    if let Some(body) = body {
        store.bodies.remove(&body);
    }
    store.rows.remove_file(&rows_file(id));
    Ok(Answer::ok())
}
