//! Temp uploads: where bytes are put before a call makes them part of a table
//! (docs: rest-api/tables/createTempUploads in both of its texts, and the older
//! createResumableUpload; contract 8).

use serde::Serialize;
use serde_json::{Value, json};

use super::{Exchange, Handled, fields};
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::records::{
    Effect, SessionRecord, SessionState, TableKey, TempMode, TempRecord,
};
use crate::sandbox::store::Staging;

/// One entry of the answer; `size` is a string in both texts (contract 8.2).
#[derive(Serialize)]
struct Shown<'a> {
    kind: &'static str,
    id: &'a str,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    size: String,
    resumable: bool,
}

#[derive(Serialize)]
struct List<'a> {
    kind: &'static str,
    results: Vec<Shown<'a>>,
}

/// A whole number, as a number or as digits in a text.
fn size_of(entry: &Value) -> Result<u64, Refusal> {
    let size = match entry.get("size") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    size.ok_or_else(|| fields::wrong("size", "a number of bytes"))
}

pub(super) fn create(x: &mut Exchange<'_, '_>) -> Handled {
    let body = x.json()?;
    let entries = fields::list(&body, "tempUploads")?;
    let store = &x.shared.store;
    let most = store.behaviour.max_entries_per_call;
    if entries.len() > most {
        return Err(Refusal::invalid(format!(
            "At most {most} temp uploads can be created in one call"
        )));
    }
    let key = x.draft_table(&store.catalog())?;
    let now = x.now();
    let mut records = Vec::with_capacity(entries.len());
    for entry in entries {
        let size = size_of(entry)?;
        let from = store.behaviour.resumable_from_bytes;
        let resumable = fields::truth(entry, "resumable")?.unwrap_or(false)
            || from.is_some_and(|from| size >= from);
        records.push(TempRecord {
            id: store.new_id(),
            dataset: key.dataset,
            table: key.table,
            name: fields::text(entry, "name")?.unwrap_or_default(),
            size,
            mode: if resumable {
                TempMode::Resumable
            } else {
                TempMode::Plain
            },
            created: now,
            expired: false,
            stored: None,
        });
    }
    let mut staging = store.staging();
    if store.behaviour.temp_names_unique {
        check_names(&staging, key, &records)?;
    }
    let echoes = !store.behaviour.temp_names_unique;
    let list = List {
        kind: "tempUploadList",
        results: records
            .iter()
            .map(|record| Shown {
                kind: "tempUpload",
                id: &record.id,
                url: x.shared.temp_url(&record.id),
                name: (echoes && !record.name.is_empty()).then_some(record.name.as_str()),
                size: record.size.to_string(),
                resumable: record.mode == TempMode::Resumable,
            })
            .collect(),
    };
    let answer = Answer::json(store.behaviour.created_status, &list);
    store.commit_staging(&mut staging, Effect::Temps(records))?;
    Ok(answer)
}

/// The stricter text: a name "unique to the current table".
fn check_names(staging: &Staging, key: TableKey, records: &[TempRecord]) -> Result<(), Refusal> {
    let mut seen = std::collections::BTreeSet::new();
    for record in records {
        let taken = staging.has_name(key.dataset, key.table, &record.name);
        if record.name.is_empty() || taken || !seen.insert(record.name.as_str()) {
            return Err(Refusal::invalid(format!(
                "The temp upload name \"{}\" must be given and unique on the table",
                record.name
            )));
        }
    }
    Ok(())
}

/// The older dialect: one upload per call, and the URL is already a session's.
pub(super) fn create_legacy(x: &mut Exchange<'_, '_>) -> Handled {
    let from_query = x.head.query("size");
    let body = x.json()?;
    let size = match from_query {
        Some(text) => size_of(&json!({ "size": text }))?,
        None => size_of(&body)?,
    };
    let store = &x.shared.store;
    let key = x.draft_table(&store.catalog())?;
    let now = x.now();
    let record = TempRecord {
        id: store.new_id(),
        dataset: key.dataset,
        table: key.table,
        name: String::new(),
        size,
        mode: TempMode::Session,
        created: now,
        expired: false,
        stored: None,
    };
    let session = SessionRecord {
        id: store.new_id(),
        temp: record.id.clone(),
        total: Some(size),
        created: now,
        state: SessionState::Open,
    };
    let answer = Answer::json(
        store.behaviour.created_status,
        &json!({
            "kind": "resumableUpload",
            "id": record.id,
            "url": x.shared.session_url(&record.id, &session.id),
        }),
    );
    let mut staging = store.staging();
    store.commit_staging(&mut staging, Effect::Temps(vec![record]))?;
    store.commit_staging(&mut staging, Effect::Session(session))?;
    Ok(answer)
}
