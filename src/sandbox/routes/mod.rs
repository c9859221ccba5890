//! Method and path to an operation, and an operation to its handler.

pub(super) mod datasets;
mod fields;
mod files;
mod new_upload;
mod rows;
mod sessions;
mod storage;
pub(super) mod tables;
mod temp;
mod uploads;
mod variables;
mod versions;

use super::Shared;
use super::answer::{Answer, Refusal};
use super::body::Body;
use super::faults::{Fault, Operation};
use super::http::{Head, Method, percent_decode};
use super::limits;
use super::log::Origin;
use super::records::{DatasetId, TableKey, VersionIndex};
use super::reference::{DatasetPath, TablePath};
use super::store::{Catalog, TableEntry};

pub(super) use files::file_id;
pub(super) use storage::BUCKET;
pub(super) use variables::insert_legal_name;

/// A request on its way through a handler.
pub(super) struct Exchange<'a, 'b> {
    pub(super) shared: &'a Shared,
    pub(super) head: &'a Head,
    /// The decoded path under the base.
    pub(super) segments: &'a [String],
    pub(super) body: &'a mut Body<'b>,
    /// What the script says of this call.
    pub(super) fault: Option<&'a Fault>,
}

pub(super) type Handled = Result<Answer, Refusal>;

/// Under which path the API is served.
pub(super) const BASE: &str = "/api/v1";

impl Exchange<'_, '_> {
    fn segment(&self, index: usize) -> &str {
        self.segments.get(index).map_or("", String::as_str)
    }

    fn now(&self) -> i64 {
        self.shared.clock.now_ms()
    }

    /// The whole body, as JSON; an empty one is `{}`.
    fn json(&mut self) -> Result<serde_json::Value, Refusal> {
        let bytes = self.read_body()?;
        if bytes.is_empty() {
            return Ok(serde_json::json!({}));
        }
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| Refusal::invalid(format!("The body is not valid JSON: {error}")))?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(Refusal::invalid("The body is not a JSON object"))
        }
    }

    fn read_body(&mut self) -> Result<Vec<u8>, Refusal> {
        use std::io::Read as _;
        self.check_cap()?;
        let mut bytes = Vec::new();
        let mut limited = self.body.take(limits::MAX_BODY + 1);
        limited.read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limits::MAX_BODY {
            return Err(Refusal::too_large("The body is larger than 100 MB"));
        }
        Ok(bytes)
    }

    /// Refuses a body whose stated length is over the cap, unread.
    fn check_cap(&self) -> Result<(), Refusal> {
        match self.body.stated() {
            Some(bytes) if bytes > limits::MAX_BODY => Err(Refusal::too_large(format!(
                "The body has {bytes} bytes; at most 100 MB are allowed"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// A list's page: `results` and, always, `nextPageToken` (contract 1.7).
    fn page<T>(
        &self,
        kind: &str,
        all: &[T],
        mut shown: impl FnMut(&T) -> serde_json::Value,
    ) -> Handled {
        let number = |name: &str| -> Result<Option<usize>, Refusal> {
            self.head
                .query(name)
                .filter(|text| !text.is_empty())
                .map(|text| {
                    text.parse()
                        .map_err(|_bad| Refusal::invalid(format!("`{name}` is not valid")))
                })
                .transpose()
        };
        let size = number("maxResults")?
            .unwrap_or(limits::DEFAULT_PAGE)
            .clamp(1, self.shared.store.behaviour.max_page);
        let start = number("pageToken")?.unwrap_or(0).min(all.len());
        let end = (start + size).min(all.len());
        let results: Vec<_> = all[start..end].iter().map(&mut shown).collect();
        let next = (end < all.len()).then(|| end.to_string());
        Ok(Answer::json(
            200,
            &serde_json::json!({ "kind": kind, "results": results, "nextPageToken": next }),
        ))
    }

    fn dataset_path(&self) -> Result<DatasetPath, Refusal> {
        let text = self.segment(1);
        DatasetPath::parse(text).ok_or_else(|| Refusal::not_found(text))
    }

    /// The table that the path names.
    fn table<'c>(&self, catalog: &'c Catalog) -> Result<&'c TableEntry, Refusal> {
        let text = self.segment(1);
        let path = TablePath::parse(text).ok_or_else(|| Refusal::not_found(text))?;
        let (_, _, table) = catalog.find_table(&path, &self.shared.store.behaviour)?;
        Ok(table)
    }

    /// The table that the path names, in a version that can be written.
    fn draft_table(&self, catalog: &Catalog) -> Result<TableKey, Refusal> {
        let key = self.table(catalog)?.key();
        self.check_draft(catalog, key.dataset, key.version)?;
        Ok(key)
    }

    /// Writes go to the unreleased version only.
    fn check_draft(
        &self,
        catalog: &Catalog,
        dataset: DatasetId,
        version: VersionIndex,
    ) -> Result<(), Refusal> {
        let key = TableKey {
            dataset,
            version,
            table: 0,
        };
        match catalog.version(key) {
            Some(version) if version.record.released => Err(Refusal::invalid(format!(
                "Version {} is released and can not be changed; use `next`",
                version.record.tag
            ))),
            Some(_) => Ok(()),
            None => Err(Refusal::not_found(self.segment(1))),
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) operation: Operation,
    pub(super) segments: Vec<String>,
    pub(super) origin: Origin,
}

impl Route {
    pub(super) fn of(head: &Head, origin: Origin) -> Self {
        let rest = head.path.strip_prefix(BASE);
        let is_api = origin == Origin::Api && rest.is_some_and(|rest| rest.starts_with('/'));
        if !is_api {
            let segments: Vec<String> = split(&head.path);
            return Self {
                operation: storage::operation(head, &segments),
                segments,
                origin,
            };
        }
        let segments = split(rest.unwrap_or_default());
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        let operation = api_operation(head.method, &words);
        Self {
            operation,
            segments,
            origin,
        }
    }
}

fn split(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(percent_decode).collect()
}

fn api_operation(method: Method, words: &[&str]) -> Operation {
    use Method::{Delete, Get, Head, Patch, Post};
    match (method, words) {
        (Get, ["organizations" | "users", _, "datasets"]) => Operation::ListDatasets,
        (Post, ["organizations" | "users", _, "datasets"]) => Operation::CreateDataset,
        (Get | Head, ["datasets", _]) => Operation::GetDataset,
        (Patch, ["datasets", _]) => Operation::PatchDataset,
        (Delete, ["datasets", _]) => Operation::DeleteDataset,
        (Patch, ["datasets" | "tables", _, "variables"]) => Operation::PatchVariables,
        (Get, ["datasets", _, "versions"]) => Operation::ListVersions,
        (Post, ["datasets", _, "versions"]) => Operation::CreateVersion,
        (Get | Head, ["datasets", _, "versions", _]) => Operation::GetVersion,
        (Patch, ["datasets", _, "versions", _]) => Operation::PatchVersion,
        (Delete, ["datasets", _, "versions", _]) => Operation::DeleteVersion,
        (Post, ["datasets", _, "versions", _, "undelete"]) => Operation::UndeleteVersion,
        (Post, ["datasets", _, "versions", _, "release"]) => Operation::Release,
        (Post, ["datasets", _, "versions", _, "unrelease"]) => Operation::Unrelease,
        (Get, ["datasets", _, "tables"]) => Operation::ListTables,
        (Post, ["datasets", _, "tables"]) => Operation::CreateTable,
        (Get | Head, ["tables", _]) => Operation::GetTable,
        (Patch, ["tables", _]) => Operation::PatchTable,
        (Delete, ["tables", _]) => Operation::DeleteTable,
        (Get, ["tables", _, "variables"] | ["tables", _, "uploads", _, "variables"]) => {
            Operation::ListVariables
        }
        (
            Get | Head,
            ["tables", _, "variables", _] | ["tables", _, "uploads", _, "variables", _],
        ) => Operation::GetVariable,
        (Patch, ["tables", _, "variables", _]) => Operation::PatchVariable,
        (Get, ["tables", _, "uploads"]) => Operation::ListUploads,
        (Post, ["tables", _, "uploads"]) => Operation::CreateUpload,
        (Get | Head, ["tables", _, "uploads", _]) => Operation::GetUpload,
        (Delete, ["tables", _, "uploads", _]) => Operation::DeleteUpload,
        (Post, ["tables", _, "uploads", _, "rows"]) => Operation::InsertRows,
        (Post, ["tables", _, "tempUploads"]) => Operation::CreateTempUploads,
        (Post, ["tables", _, "resumableUpload"]) => Operation::CreateResumableUpload,
        (Post, ["tables", _, "rawFiles"]) => Operation::AttachFiles,
        (Get, ["tables", _, "rawFiles"]) => Operation::ListFiles,
        (Get | Head, ["rawFiles", _]) => Operation::GetFile,
        _ => Operation::Unknown,
    }
}

/// Does what is asked.
pub(super) fn handle(x: &mut Exchange<'_, '_>, route: &Route) -> Handled {
    match route.operation {
        Operation::ListDatasets => datasets::list(x),
        Operation::CreateDataset => datasets::create(x),
        Operation::GetDataset => datasets::get(x),
        Operation::PatchDataset => datasets::patch(x),
        Operation::DeleteDataset => datasets::delete(x),
        Operation::ListVersions => versions::list(x),
        Operation::CreateVersion => versions::create(x),
        Operation::GetVersion => versions::get(x),
        Operation::PatchVersion => versions::patch(x),
        Operation::DeleteVersion => versions::delete(x, true),
        Operation::UndeleteVersion => versions::delete(x, false),
        Operation::Release => versions::release(x),
        Operation::Unrelease => versions::unrelease(x),
        Operation::ListTables => tables::list(x),
        Operation::CreateTable => tables::create(x),
        Operation::GetTable => tables::get(x),
        Operation::PatchTable => tables::patch(x),
        Operation::DeleteTable => tables::delete(x),
        Operation::ListVariables => variables::list(x),
        Operation::PatchVariables => variables::patch_all(x),
        Operation::GetVariable => variables::get(x),
        Operation::PatchVariable => variables::patch(x),
        Operation::ListUploads => uploads::list(x),
        Operation::CreateUpload => new_upload::create(x),
        Operation::GetUpload => uploads::get(x),
        Operation::DeleteUpload => uploads::delete(x),
        Operation::InsertRows => rows::insert(x),
        Operation::CreateTempUploads => temp::create(x),
        Operation::CreateResumableUpload => temp::create_legacy(x),
        Operation::AttachFiles => files::attach(x),
        Operation::ListFiles => files::list(x),
        Operation::GetFile => files::get(x),
        Operation::PutFile => storage::put(x),
        Operation::OpenSession => sessions::open(x),
        Operation::PutChunk => sessions::chunk(x),
        Operation::QuerySession => sessions::query(x),
        Operation::CancelSession => sessions::cancel(x),
        Operation::Any | Operation::Unknown if route.origin == Origin::Storage => Err(
            Refusal::storage(404, "NoSuchKey", "The specified key does not exist"),
        ),
        Operation::Any | Operation::Unknown => Err(Refusal::api(
            404,
            "not_found",
            "Not found: no such endpoint",
        )),
    }
}
