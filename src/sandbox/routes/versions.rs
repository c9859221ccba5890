//! Versions (docs: resource-definitions/version; contract 4): the draft, its
//! release, and the draft that follows and inherits.

use serde_json::{Value, json};

use super::datasets::{qualified, tag_in_reference};
use super::{Exchange, Handled, fields};
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::http::Method;
use crate::sandbox::records::{DatasetId, Effect, TableKey, VersionIndex, VersionRecord};
use crate::sandbox::reference::VersionSelector;
use crate::sandbox::store::{Catalog, DatasetEntry, Status, Store, VersionEntry};

fn shown(store: &Store, dataset: &DatasetEntry, version: &VersionEntry, whole: bool) -> Value {
    let record = &version.record;
    let reference = qualified(store, dataset, version);
    let uri = |version: &VersionEntry| {
        format!(
            "/datasets/{}/versions/{}",
            qualified(store, dataset, version),
            version.record.tag
        )
    };
    let mut value = json!({
        "kind": "version",
        "tag": record.tag,
        "index": record.index,
        "label": record.label,
        "url": format!("https://redivis.com/datasets/{}?v={}", dataset.record.reference, tag_in_reference(&record.tag)),
        "uri": uri(version),
        "datasetUri": format!("/datasets/{reference}"),
        "isReleased": record.released,
        "isDeleted": record.deleted,
        "createdAt": record.created,
        "updatedAt": record.updated,
        "releasedAt": record.released_at,
    });
    if let (true, Some(map)) = (whole, value.as_object_mut()) {
        let beside = |index: Option<VersionIndex>| {
            index
                .and_then(|index| dataset.versions.get(&index))
                .map(|version| json!({ "kind": "version", "tag": version.record.tag, "uri": uri(version) }))
        };
        map.insert("releaseNotes".to_owned(), json!(record.notes));
        map.insert("canRelease".to_owned(), json!(can_release(version)));
        map.insert(
            "previousVersion".to_owned(),
            json!(beside(record.index.checked_sub(1))),
        );
        map.insert(
            "nextVersion".to_owned(),
            json!(beside(record.index.checked_add(1))),
        );
    }
    value
}

/// Not when nothing changed, and not while an upload runs or has failed.
fn can_release(version: &VersionEntry) -> bool {
    let settled = version
        .tables
        .values()
        .flat_map(|table| table.uploads.values())
        .all(|upload| match upload.status() {
            Status::Empty | Status::Completed => true,
            Status::Queued | Status::Running | Status::Failed => false,
        });
    !version.record.released && version.record.changed && settled
}

/// Notes that a draft differs from what it inherits.
pub(super) fn mark_changed(
    store: &Store,
    catalog: &mut Catalog,
    key: TableKey,
    major: bool,
) -> std::io::Result<()> {
    let record = catalog.version(key).map(|version| version.record.clone());
    match record {
        Some(mut record) if !record.changed || (major && !record.major) => {
            record.changed = true;
            record.major |= major;
            store.commit(catalog, Effect::Version(record))
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn list(x: &mut Exchange<'_, '_>) -> Handled {
    let path = x.dataset_path()?;
    let store = &x.shared.store;
    let catalog = store.catalog();
    let dataset = catalog.dataset(&path)?;
    let versions: Vec<_> = dataset.versions.values().rev().collect();
    x.page("versionList", &versions, |version| {
        shown(store, dataset, version, false)
    })
}

pub(super) fn create(x: &mut Exchange<'_, '_>) -> Handled {
    let path = x.dataset_path()?;
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let now = x.now();
    let dataset = catalog.dataset(&path)?;
    let id = dataset.record.id;
    if dataset.next().is_some() {
        return Err(Refusal::api(
            store.behaviour.duplicate_status,
            "invalid_request",
            "A next version already exists",
        ));
    }
    let index = dataset
        .versions
        .keys()
        .next_back()
        .map_or(0, |last| last + 1);
    let mut effects = vec![Effect::Version(VersionRecord {
        index,
        ..super::datasets::first_version(id, now)
    })];
    for table in dataset.current().iter().flat_map(|v| v.tables.values()) {
        let mut record = table.record.clone();
        record.inherits = Some(record.key.version);
        record.key.version = index;
        let key = record.key;
        effects.push(Effect::Table(record));
        effects.push(Effect::InheritFiles(key));
    }
    for effect in effects {
        store.commit(&mut catalog, effect)?;
    }
    answer(x, &catalog, id, index, store.behaviour.created_status)
}

fn answer(
    x: &Exchange<'_, '_>,
    catalog: &Catalog,
    id: DatasetId,
    index: VersionIndex,
    status: u16,
) -> Handled {
    let found = catalog
        .datasets
        .get(&id)
        .and_then(|dataset| Some((dataset, dataset.versions.get(&index)?)));
    let (dataset, version) = found.ok_or_else(|| Refusal::not_found(x.segment(1)))?;
    Ok(Answer::json(
        status,
        &shown(&x.shared.store, dataset, version, true),
    ))
}

fn find<'c>(
    x: &Exchange<'_, '_>,
    catalog: &'c Catalog,
) -> Result<(&'c DatasetEntry, &'c VersionEntry), Refusal> {
    let dataset = catalog.dataset(&x.dataset_path()?)?;
    let selector = VersionSelector::parse(x.segment(3));
    let version = dataset.version(&selector, &x.shared.store.behaviour)?;
    Ok((dataset, version))
}

pub(super) fn get(x: &mut Exchange<'_, '_>) -> Handled {
    let store = &x.shared.store;
    let catalog = store.catalog();
    let (dataset, version) = find(x, &catalog)?;
    if x.head.method == Method::Head {
        return Ok(Answer::empty(200));
    }
    Ok(Answer::json(200, &shown(store, dataset, version, true)))
}

pub(super) fn patch(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let mut record = find(x, &catalog)?.1.record.clone();
    if let Some(label) = fields::text(&body, "label")? {
        record.label = Some(label);
    }
    if let Some(notes) = fields::text(&body, "releaseNotes")? {
        record.notes = Some(notes);
    }
    record.updated = x.now();
    let (id, index) = (record.dataset, record.index);
    store.commit(&mut catalog, Effect::Version(record))?;
    answer(x, &catalog, id, index, 200)
}

/// Deletes a version or brings it back. A deleted draft is gone for good.
pub(super) fn delete(x: &mut Exchange<'_, '_>, deleted: bool) -> Handled {
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let mut record = if deleted {
        find(x, &catalog)?.1.record.clone()
    } else {
        let tag = x.segment(3).replace('_', ".");
        let dataset = catalog.dataset(&x.dataset_path()?)?;
        let found = dataset.versions.values().find(|v| v.record.tag == tag);
        found
            .ok_or_else(|| Refusal::not_found(&tag))?
            .record
            .clone()
    };
    let (id, index) = (record.dataset, record.index);
    if deleted && !record.released {
        store.commit(&mut catalog, Effect::DropVersion(id, index))?;
        return Ok(Answer::ok());
    }
    record.deleted = deleted;
    store.commit(&mut catalog, Effect::Version(record))?;
    if deleted {
        Ok(Answer::ok())
    } else {
        answer(x, &catalog, id, index, 200)
    }
}

pub(super) fn release(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let notes = fields::text(&body, "releaseNotes")?;
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let (dataset, version) = find(x, &catalog)?;
    if version.record.released {
        return Err(Refusal::invalid("Only the next version can be released"));
    }
    if !can_release(version) {
        return Err(Refusal::invalid(
            "This version can not be released: nothing has changed, or an upload is running or has failed",
        ));
    }
    let tag = match dataset.current() {
        None => "v1.0".to_owned(),
        Some(current) => tag_after(&current.record.tag, version.record.major),
    };
    let mut record = version.record.clone();
    record.tag = tag;
    record.released = true;
    record.notes = notes.or(record.notes);
    record.released_at = Some(x.now());
    record.updated = x.now();
    let (id, index) = (record.dataset, record.index);
    store.commit(&mut catalog, Effect::Version(record))?;
    answer(x, &catalog, id, index, 200)
}

fn tag_after(tag: &str, major: bool) -> String {
    let mut numbers = tag
        .trim_start_matches('v')
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let (first, second) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(0));
    if major {
        format!("v{}.0", first + 1)
    } else {
        format!("v{first}.{}", second + 1)
    }
}

/// Makes the current version a draft again.
pub(super) fn unrelease(x: &mut Exchange<'_, '_>) -> Handled {
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let (dataset, version) = find(x, &catalog)?;
    let is_newest = dataset.versions.keys().next_back() == Some(&version.record.index);
    if !version.record.released || !is_newest {
        return Err(Refusal::invalid(
            "Only the current version can be unreleased, and only while there is no next version",
        ));
    }
    let mut record = version.record.clone();
    "next".clone_into(&mut record.tag);
    record.released = false;
    record.changed = true;
    record.released_at = None;
    let (id, index) = (record.dataset, record.index);
    store.commit(&mut catalog, Effect::Version(record))?;
    answer(x, &catalog, id, index, 200)
}
