//! New uploads: content in one body, in parts, from a temp upload, or none for a
//! stream (docs: rest-api/uploads/post; contract 6.3).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::files::{stored_bytes, temp_id};
use super::uploads::shown;
use super::{Exchange, Handled, fields, insert_legal_name, tables, versions};
use crate::base::{Md5Digest, VariableType};
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::bodies::BodyRef;
use crate::sandbox::faults::Fault;
use crate::sandbox::import::{self, ImportError, Imported, Reading};
use crate::sandbox::limits;
use crate::sandbox::multipart::{Parts, boundary};
use crate::sandbox::records::{Column, Effect, Import, Rows, TableKey, UploadRecord};
use crate::sandbox::reference;
use crate::sandbox::store::{Catalog, Store};

/// What is kept of the metadata, for the get form.
const OPTIONS: [&str; 9] = [
    "hasHeaderRow",
    "skipBadRecords",
    "hasQuotedNewlines",
    "allowJaggedRows",
    "quoteCharacter",
    "escapeCharacter",
    "nullMarkers",
    "delimiter",
    "metadata",
];

const KINDS: [&str; 17] = [
    "delimited",
    "stream",
    "avro",
    "ndjson",
    "parquet",
    "orc",
    "xls",
    "xlsx",
    "dta",
    "sas7bdat",
    "sav",
    "geojson",
    "geojsonl",
    "json",
    "shp",
    "shp.zip",
    "kml",
];

/// Content that came with the call.
struct Content {
    body: BodyRef,
    bytes: u64,
    md5: Option<Md5Digest>,
}

pub(super) fn create(x: &mut Exchange<'_, '_>) -> Handled {
    let store = &x.shared.store;
    let key = x.draft_table(&store.catalog())?;
    check_kind_of_table(x, key)?;
    let (metadata, content) = read(x)?;
    let metadata = metadata.unwrap_or_else(|| json!({}));
    let kind = fields::text(&metadata, "type")?;
    let name = match x.head.query("name").filter(|name| !name.is_empty()) {
        Some(name) => Some(name),
        None => fields::text(&metadata, "name")?.filter(|name| !name.is_empty()),
    };
    let name = name
        .unwrap_or_else(|| format!("untitled_upload.{}", kind.as_deref().unwrap_or("delimited")));
    let kind = match kind {
        Some(kind) if KINDS.contains(&kind.as_str()) => kind,
        Some(_) => return Err(fields::wrong("type", "one of the upload types")),
        None => import::kind_by_name(&name).to_owned(),
    };
    let is_stream = kind == "stream";
    let schema = schema_of(&metadata)?.filter(|_| is_stream);
    let temp = temp_id(&metadata)?;
    let given = usize::from(content.is_some()) + usize::from(temp.is_some());
    if (is_stream && given > 0) || given > 1 {
        return Err(Refusal::invalid(
            "The upload has content twice, or a stream has content",
        ));
    }
    let content = match &temp {
        None => content,
        Some(id) => {
            let stored = stored_bytes(store, &store.staging(), key, id)?;
            Some(Content {
                bytes: stored.bytes,
                body: stored.body,
                md5: stored.md5,
            })
        }
    };
    if content.is_none()
        && !is_stream
        && metadata
            .get("transferSpecification")
            .is_none_or(Value::is_null)
    {
        return Err(Refusal::invalid("The upload has no content"));
    }
    let options: BTreeMap<String, Value> = OPTIONS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), metadata.get(name)?.clone())))
        .collect();
    let (import, imported) = run_import(store, &kind, &options, content.as_ref())?;
    let now = x.now();
    let mut record = UploadRecord {
        table: key,
        id: 0,
        name,
        kind,
        import,
        options,
        schema: schema.unwrap_or(imported.columns),
        size: content.as_ref().map_or(0, |content| content.bytes),
        md5: content.as_ref().and_then(|content| content.md5),
        body: content.map_or(BodyRef::Empty, |content| content.body),
        file_rows: imported.rows,
        bad_records: imported.bad_records,
        rows: Rows { bytes: 0, count: 0 },
        created: now,
        updated: now,
    };
    let mut catalog = store.catalog();
    let (id, uri) = {
        record.id = catalog.new_upload_id();
        if matches!(x.fault, Some(Fault::RenameUpload)) {
            record.name.push_str("_1");
        }
        record.name = free_name(store, &catalog, key, &record.name)?;
        (record.id, tables::uri(store, &catalog, key))
    };
    if let Some(temp) = temp {
        store.commit_staging(&mut store.staging(), Effect::DropTemps(vec![temp]))?;
    }
    store.commit(&mut catalog, Effect::Upload(record))?;
    versions::mark_changed(store, &mut catalog, key, false)?;
    let entry = catalog.table(key).and_then(|table| table.uploads.get(&id));
    let entry = entry.ok_or_else(|| Refusal::not_found(x.segment(1)))?;
    Ok(Answer::json(
        store.behaviour.created_status,
        &shown(store, &uri, entry, true),
    ))
}

fn check_kind_of_table(x: &Exchange<'_, '_>, key: TableKey) -> Result<(), Refusal> {
    let catalog = x.shared.store.catalog();
    match catalog.table(key) {
        Some(table) if table.record.is_file_index => Err(Refusal::invalid(
            "This is a file index table; it takes files, not uploads",
        )),
        Some(_) | None => Ok(()),
    }
}

/// The name, or one near it when it is taken: the server renames (contract 6.4).
fn free_name(
    store: &Store,
    catalog: &Catalog,
    key: TableKey,
    name: &str,
) -> Result<String, Refusal> {
    let lineage = if store.behaviour.lists_inherited_uploads {
        catalog.lineage(key)
    } else {
        catalog.table(key).into_iter().collect()
    };
    let is_taken = |name: &str| {
        let key = reference::upload_key(name);
        lineage
            .iter()
            .any(|table| table.upload_by_key(&key).is_some() || table.has_ghost(&key))
    };
    std::iter::once(name.to_owned())
        .chain((1..10_000).map(|number| format!("{name}_{number}")))
        .find(|name| !is_taken(name))
        .ok_or_else(|| Refusal::invalid("The upload's name is taken"))
}

/// Metadata and content, in whichever of the three ways they came.
fn read(x: &mut Exchange<'_, '_>) -> Result<(Option<Value>, Option<Content>), Refusal> {
    x.check_cap()?;
    let kind = x.head.header("content-type").unwrap_or_default().to_owned();
    if let Some(boundary) = boundary(&kind) {
        return read_parts(x, &boundary);
    }
    let is_json = kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if is_json || x.head.query("name").is_none() {
        return Ok((Some(x.json()?), None));
    }
    let store = &x.shared.store;
    let (body, md5) = store.bodies.store(x.body, store.new_id())?;
    let content = check_content(store, body, md5)?;
    Ok((Some(metadata_of_query(x)), Some(content)))
}

fn check_content(store: &Store, body: BodyRef, md5: Md5Digest) -> Result<Content, Refusal> {
    let bytes = body.len();
    if bytes > limits::MAX_BODY {
        store.bodies.remove(&body);
        return Err(Refusal::too_large("The content is larger than 100 MB"));
    }
    Ok(Content {
        body,
        bytes,
        md5: Some(md5),
    })
}

/// The simple way: metadata in the query.
fn metadata_of_query(x: &Exchange<'_, '_>) -> Value {
    let mut map = serde_json::Map::new();
    for name in OPTIONS.into_iter().chain(["type"]) {
        if let Some(text) = x.head.query(name) {
            let value = match text.as_str() {
                "true" => json!(true),
                "false" => json!(false),
                _ => json!(text),
            };
            map.insert(name.to_owned(), value);
        }
    }
    Value::Object(map)
}

fn read_parts(
    x: &mut Exchange<'_, '_>,
    boundary: &str,
) -> Result<(Option<Value>, Option<Content>), Refusal> {
    use std::io::Read as _;
    let store = &x.shared.store;
    let (mut metadata, mut content) = (None, None);
    let limited = (&mut *x.body).take(limits::MAX_BODY);
    let mut parts = Parts::new(limited, boundary);
    while let Some(name) = parts.next_part().map_err(broken_part)? {
        match name.as_str() {
            "metadata" => {
                let mut text = Vec::new();
                parts
                    .content()
                    .take(1 << 20)
                    .read_to_end(&mut text)
                    .map_err(broken_part)?;
                let value = serde_json::from_slice(&text).map_err(|error| {
                    Refusal::invalid(format!("The metadata is not valid JSON: {error}"))
                })?;
                metadata = Some(value);
            }
            "data" => {
                let (body, md5) = store
                    .bodies
                    .store_file(&mut parts.content(), store.new_id())
                    .map_err(broken_part)?;
                content = Some(check_content(store, body, md5)?);
            }
            _ => {}
        }
    }
    Ok((metadata, content))
}

fn broken_part(error: std::io::Error) -> Refusal {
    if error.kind() == std::io::ErrorKind::InvalidData {
        Refusal::invalid("The multipart body is not valid")
    } else {
        Refusal::Gone(error)
    }
}

/// `[{"name", "type"}]`, for streams.
fn schema_of(metadata: &Value) -> Result<Option<Vec<Column>>, Refusal> {
    let list = match metadata.get("schema") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(fields::wrong("schema", "an array")),
    };
    let mut columns: Vec<Column> = Vec::with_capacity(list.len());
    for one in list {
        let name = fields::required_text(one, "name")?;
        let word = fields::required_text(one, "type")?;
        let kind = VariableType::from_word(&word)
            .ok_or_else(|| Refusal::invalid(format!("`{word}` is not a variable type")))?;
        if !insert_legal_name(&name) {
            return Err(Refusal::invalid(format!(
                "`{name}` is not a legal variable name"
            )));
        }
        if columns
            .iter()
            .any(|other| other.name.eq_ignore_ascii_case(&name))
        {
            return Err(Refusal::invalid(format!(
                "The variable `{name}` is named twice"
            )));
        }
        columns.push(Column { name, kind });
    }
    Ok(Some(columns))
}

fn run_import(
    store: &Store,
    kind: &str,
    options: &BTreeMap<String, Value>,
    content: Option<&Content>,
) -> Result<(Import, Imported), Refusal> {
    if kind == "stream" {
        return Ok((Import::None, Imported::default()));
    }
    let Some(content) = content else {
        let why = "Transfers from other places are not emulated".to_owned();
        return Ok((Import::Failed(why), Imported::default()));
    };
    let reading = Reading { kind, options };
    match import::import(&store.bodies, &content.body, &reading) {
        Ok(imported) => Ok((Import::Completed, imported)),
        Err(ImportError::Failed(why)) => Ok((Import::Failed(why), Imported::default())),
        Err(ImportError::Io(error)) => Err(error.into()),
    }
}
