//! Datasets (docs: resource-definitions/dataset; contract 3).

use serde_json::{Value, json};

use super::{Exchange, Handled, fields};
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::http::Method;
use crate::sandbox::records::{DatasetRecord, Effect, VersionRecord};
use crate::sandbox::reference;
use crate::sandbox::store::{Catalog, DatasetEntry, Store, VersionEntry};

/// `v1.0` as references write it.
pub(super) fn tag_in_reference(tag: &str) -> String {
    tag.replace('.', "_")
}

/// `name:id`, as the platform spells it.
pub(super) fn scoped(store: &Store, dataset: &DatasetEntry) -> String {
    let shown = reference::shown(&dataset.record.name, store.behaviour.collapses_underscores);
    format!("{shown}:{}", dataset.record.reference)
}

/// `owner.name:id:version`.
pub(super) fn qualified(store: &Store, dataset: &DatasetEntry, version: &VersionEntry) -> String {
    format!(
        "{}.{}:{}",
        dataset.record.owner,
        scoped(store, dataset),
        tag_in_reference(&version.record.tag)
    )
}

fn shown(
    x: &Exchange<'_, '_>,
    catalog: &Catalog,
    dataset: &DatasetEntry,
    version: &VersionEntry,
) -> Value {
    let store = &x.shared.store;
    let record = &dataset.record;
    let qualified = qualified(store, dataset, version);
    let scoped = format!(
        "{}:{}",
        scoped(store, dataset),
        tag_in_reference(&version.record.tag)
    );
    let bytes: u64 = version
        .tables
        .values()
        .map(|table| super::tables::num_bytes(catalog, table))
        .sum();
    let brief = |version: &VersionEntry| {
        json!({
            "kind": "version",
            "tag": version.record.tag,
            "index": version.record.index,
            "isReleased": version.record.released,
            "isDeleted": version.record.deleted,
            "createdAt": version.record.created,
            "datasetUri": format!("/datasets/{}", super::datasets::qualified(store, dataset, version)),
        })
    };
    json!({
        "kind": "dataset",
        "id": format!("{}-{:09}", record.reference, record.id),
        "referenceId": record.reference,
        "name": record.name,
        "url": format!("https://redivis.com/datasets/{}", record.reference),
        "uri": format!("/datasets/{qualified}"),
        "doi": null,
        "qualifiedReference": qualified,
        "scopedReference": scoped,
        "owner": {
            "kind": if record.is_user { "user" } else { "organization" },
            "name": record.owner,
            "userName": record.owner,
        },
        "description": record.description,
        "labels": record.labels,
        "accessLevel": "edit",
        "publicAccessLevel": record.public_access,
        "createdAt": record.created,
        "updatedAt": record.updated,
        "tableCount": version.tables.len(),
        "numBytes": bytes,
        "totalNumBytes": bytes,
        "totalActiveTabularBytes": bytes,
        "totalInactiveTabularBytes": 0,
        "totalRawFileBytes": bytes,
        "version": brief(version),
        "currentVersion": dataset.current().map(brief),
        "nextVersion": dataset.next().map(brief),
    })
}

/// A dataset's first version: `next`, from the start (contract 3.2).
pub(super) fn first_version(dataset: u32, now: i64) -> VersionRecord {
    VersionRecord {
        dataset,
        index: 0,
        tag: "next".to_owned(),
        released: false,
        deleted: false,
        changed: false,
        major: false,
        label: None,
        notes: None,
        created: now,
        updated: now,
        released_at: None,
    }
}

/// Creates a dataset that is known to be new.
pub(in crate::sandbox) fn make(
    store: &Store,
    catalog: &mut Catalog,
    owner: &str,
    name: &str,
    now: i64,
) -> std::io::Result<DatasetRecord> {
    let id = catalog.new_dataset_id();
    let reference = store.new_reference(|taken| {
        catalog
            .datasets
            .values()
            .any(|dataset| dataset.record.reference == taken)
    });
    let record = DatasetRecord {
        id,
        owner: owner.to_lowercase(),
        is_user: false,
        name: name.to_owned(),
        reference,
        description: None,
        public_access: "none".to_owned(),
        labels: Vec::new(),
        created: now,
        updated: now,
    };
    store.commit(catalog, Effect::Dataset(record.clone()))?;
    store.commit(catalog, Effect::Version(first_version(id, now)))?;
    Ok(record)
}

pub(super) fn list(x: &mut Exchange<'_, '_>) -> Handled {
    let catalog = x.shared.store.catalog();
    let owner = x.segment(1);
    let mut found = catalog.datasets_of(owner);
    if found.is_empty() && x.segment(0) == "organizations" {
        return Err(Refusal::not_found(owner));
    }
    if let Some(labels) = x.head.query("labels").filter(|text| !text.is_empty()) {
        let wanted: Vec<&str> = labels.split(',').collect();
        found.retain(|dataset| {
            wanted
                .iter()
                .all(|label| dataset.record.labels.iter().any(|own| own == label))
        });
    }
    let with_version: Vec<_> = found
        .into_iter()
        .filter_map(|dataset| Some((dataset, dataset.current().or(dataset.next())?)))
        .collect();
    x.page("datasetList", &with_version, |(dataset, version)| {
        shown(x, &catalog, dataset, version)
    })
}

pub(super) fn create(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let name = fields::required_text(&body, "name")?;
    let owner = x.segment(1).to_owned();
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    if catalog.dataset_named(&owner, &name).is_some() {
        return Err(Refusal::api(
            store.behaviour.duplicate_status,
            "invalid_request",
            format!("A dataset named {name} already exists"),
        ));
    }
    let mut record = make(store, &mut catalog, &owner, &name, x.now())?;
    record.is_user = x.segment(0) == "users";
    change(&body, &mut record)?;
    let id = record.id;
    store.commit(&mut catalog, Effect::Dataset(record))?;
    answer(x, &catalog, id, store.behaviour.created_status)
}

fn change(body: &Value, record: &mut DatasetRecord) -> Result<(), Refusal> {
    const LEVELS: [&str; 6] = ["none", "overview", "metadata", "sample", "data", "edit"];
    if let Some(level) = fields::text(body, "publicAccessLevel")? {
        if !LEVELS.contains(&level.as_str()) {
            return Err(fields::wrong("publicAccessLevel", "an access level"));
        }
        record.public_access = level;
    }
    if let Some(description) = fields::text(body, "description")? {
        record.description = Some(description);
    }
    if let Some(labels) = body.get("labels").and_then(Value::as_array) {
        record.labels = labels
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
    }
    Ok(())
}

fn answer(x: &Exchange<'_, '_>, catalog: &Catalog, id: u32, status: u16) -> Handled {
    let found = catalog
        .datasets
        .get(&id)
        .and_then(|dataset| Some((dataset, dataset.current().or(dataset.next())?)));
    let (dataset, version) = found.ok_or_else(|| Refusal::not_found(x.segment(1)))?;
    Ok(Answer::json(status, &shown(x, catalog, dataset, version)))
}

pub(super) fn get(x: &mut Exchange<'_, '_>) -> Handled {
    let path = x.dataset_path()?;
    let store = &x.shared.store;
    let catalog = store.catalog();
    let dataset = catalog.dataset(&path)?;
    let version = dataset.version(&path.version, &store.behaviour)?;
    if x.head.method == Method::Head {
        return Ok(Answer::empty(200));
    }
    Ok(Answer::json(200, &shown(x, &catalog, dataset, version)))
}

pub(super) fn patch(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let path = x.dataset_path()?;
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let mut record = catalog.dataset(&path)?.record.clone();
    if let Some(name) = fields::text(&body, "name")?
        && reference::key(&name) != reference::key(&record.name)
    {
        if catalog.dataset_named(&record.owner, &name).is_some() {
            return Err(Refusal::api(
                store.behaviour.duplicate_status,
                "invalid_request",
                format!("A dataset named {name} already exists"),
            ));
        }
        record.name = name;
    }
    change(&body, &mut record)?;
    record.updated = x.now();
    let id = record.id;
    store.commit(&mut catalog, Effect::Dataset(record))?;
    answer(x, &catalog, id, 200)
}

pub(super) fn delete(x: &mut Exchange<'_, '_>) -> Handled {
    let path = x.dataset_path()?;
    let store = &x.shared.store;
    let mut catalog = store.catalog();
    let id = catalog.dataset(&path)?.record.id;
    store.commit(&mut catalog, Effect::DropDataset(id))?;
    Ok(Answer::ok())
}
