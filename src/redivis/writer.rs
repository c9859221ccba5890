//! The calls that change the remote, other than sending bytes. All of them need
//! the scope `data.edit` and address the unreleased version (contract 0.2).
//!
//! Where a repeat could do a thing twice, an unknown outcome is handed back as an
//! error that `is_in_doubt`; the caller looks before it sends again (contract 11).

use std::time::Duration;

use serde::Serialize;

use crate::base::{
    DatasetRef, MergeStrategy, SignedUrl, TableRef, UploadType, VariableMetadata, Version,
};

use super::answer::Sink;
use super::bodies;
use super::body::Body;
use super::endpoint::{AddressError, encode_segment};
use super::error::{ApiError, ApiErrorKind, Failure, Method};
use super::model::{
    NewTable, NewTempUpload, RemoteFile, RemoteTable, RemoteUpload, RemoteVersion, ResourceUri,
    StagedFile, TablePatch, TempUpload, TransferMode, UploadContent,
};
use super::reader::{Reader, dataset_path, table_path, variable_path};
use super::request::{Answered, Repeat, Request};
use super::retry::Call;
use super::send::Http;
use super::wire::{self, Page, WireError};

/// Writes to the remote, and lends its reader.
#[derive(Debug, Clone)]
pub struct Writer {
    reader: Reader,
}

impl Writer {
    /// Writes through the client of this reader.
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// For the calls that only look.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(super) fn http(&self) -> &Http {
        self.reader.http()
    }

    /// Makes the `next` version. Look whether there is one before; after any
    /// failure look again, since somebody else may have made it.
    pub fn create_next_version(
        &self,
        call: &Call<'_>,
        dataset: &DatasetRef,
    ) -> Result<RemoteVersion, ApiError> {
        let path = format!(
            "/datasets/{}/versions",
            encode_segment(&dataset.to_string())
        );
        let request = Request::api(
            "create_next_version",
            Method::Post,
            path,
            Repeat::AfterLooking,
        );
        self.http()
            .send(call, &request, Body::Empty, Sink::Memory)?
            .read(wire::Version::into_model)
    }

    /// Makes a table. The answer shows what the platform made of it: a merge
    /// strategy, for instance, may not take effect at creation (contract 5.2).
    pub fn create_table(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        new: &NewTable,
    ) -> Result<RemoteTable, ApiError> {
        let path = format!("{}/tables", dataset_path(table.dataset(), &Version::Next));
        let body = bodies::NewTableBody {
            // A reference id is the platform's to give.
            name: table.table().split(':').next().unwrap_or_default(),
            upload_merge_strategy: new.merge.map(MergeStrategy::as_str),
            is_file_index: new.is_file_index,
            description: new.description.as_deref(),
        };
        let request = Request::api("create_table", Method::Post, path, Repeat::AfterLooking);
        self.send_json(call, request, &body)?
            .read(wire::Table::into_model)
    }

    /// Changes a table's settings.
    pub fn update_table(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        patch: &TablePatch,
    ) -> Result<RemoteTable, ApiError> {
        let body = bodies::TablePatchBody {
            upload_merge_strategy: patch.merge.map(MergeStrategy::as_str),
            description: patch.description.as_deref(),
        };
        let path = table_path(table, &Version::Next);
        let request = Request::api("update_table", Method::Patch, path, Repeat::Freely);
        self.send_json(call, request, &body)?
            .read(wire::Table::into_model)
    }

    /// Says what a variable means. What `metadata` does not state is left as it is;
    /// an empty text, or no value labels, take away what there is. Values are
    /// absolute, so that a repeat does no harm (contract 11).
    pub fn update_variable(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        name: &str,
        metadata: &VariableMetadata,
    ) -> Result<(), ApiError> {
        let labels = metadata.value_labels.as_ref();
        let body = bodies::VariableBody {
            label: metadata.label.as_deref(),
            description: metadata.description.as_deref(),
            value_labels: labels.map(|labels| {
                labels
                    .iter()
                    .map(|(value, label)| bodies::ValueLabelBody { value, label })
                    .collect()
            }),
        };
        let path = variable_path(table, &Version::Next, name);
        let request = Request::api("update_variable", Method::Patch, path, Repeat::Freely);
        self.send_json(call, request, &body).map(drop)
    }

    /// Asks for places to put bytes, at most `TEMP_UPLOADS_PER_CALL`. The results
    /// are in the order of `new` (docs: rest-api/tables/createtempuploads).
    pub fn create_temp_uploads(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        new: &[NewTempUpload],
    ) -> Result<Vec<TempUpload>, ApiError> {
        let path = format!("{}/tempUploads", table_path(table, &Version::Next));
        let body = bodies::TempUploadsBody {
            temp_uploads: new
                .iter()
                .map(|one| bodies::NewTempUploadBody {
                    name: &one.name,
                    size: one.size,
                    resumable: one.resumable,
                })
                .collect(),
        };
        // A repeat leaves unused entries behind, which nobody sees.
        let request = Request::api("create_temp_uploads", Method::Post, path, Repeat::Freely);
        self.send_json(call, request, &body)?
            .read(|page: Page<wire::TempUpload>| {
                if page.results.len() != new.len() {
                    return Err(WireError::Differs {
                        field: "results",
                        sent: new.len().to_string(),
                        got: page.results.len().to_string(),
                    });
                }
                new.iter()
                    .zip(page.results)
                    .map(|(asked, got)| temp_upload(asked, got))
                    .collect()
            })
    }

    /// The older way to stage one file: the address is already a session's
    /// (docs: rest-api/tables/createresumableupload).
    pub fn create_legacy_session(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        size: u64,
    ) -> Result<TempUpload, ApiError> {
        let base = table_path(table, &Version::Next);
        let path = format!("{base}/resumableUpload?size={size}");
        let request = Request::api("create_legacy_session", Method::Post, path, Repeat::Freely);
        self.http()
            .send(call, &request, Body::Empty, Sink::Memory)?
            .read(|got: wire::TempUpload| {
                Ok(TempUpload {
                    id: got.id.ok_or(WireError::Missing { field: "id" })?,
                    url: signed(got.url)?,
                    mode: TransferMode::Session,
                })
            })
    }

    /// Makes staged files part of a file-index table, at most `FILES_PER_CALL`.
    /// Match the results by name; their order is not promised.
    pub fn attach_files(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        files: &[StagedFile],
    ) -> Result<Vec<RemoteFile>, ApiError> {
        let path = format!("{}/rawFiles", table_path(table, &Version::Next));
        let body = bodies::FilesBody {
            files: files
                .iter()
                .map(|file| bodies::NewFileBody {
                    name: &file.name,
                    temp_upload_id: &file.temp_upload_id,
                })
                .collect(),
        };
        let request = Request::api("attach_files", Method::Post, path, Repeat::AfterLooking);
        self.send_json(call, request, &body)?
            .read(|page: Page<wire::RawFile>| {
                page.results
                    .into_iter()
                    .map(wire::RawFile::into_model)
                    .collect()
            })
    }

    /// Makes an upload. The answer's name may be another than asked for, when the
    /// name was taken (contract 6.4).
    pub fn create_upload(
        &self,
        call: &Call<'_>,
        table: &TableRef,
        name: &str,
        content: &UploadContent,
    ) -> Result<RemoteUpload, ApiError> {
        let path = format!("{}/uploads", table_path(table, &Version::Next));
        let request = Request::api("create_upload", Method::Post, path, Repeat::AfterLooking);
        self.send_json(call, request, &upload_body(name, content))?
            .read(wire::Upload::into_model)
    }

    /// Sends rows to a stream upload: `payload` is the whole body, `{"rows":[..]}`,
    /// at most `PAYLOAD_CAP` bytes. Answers the number of rows that were added.
    /// There is no key against doubles: only 429 and failed connects are repeated.
    pub fn insert_rows(
        &self,
        call: &Call<'_>,
        upload: &ResourceUri,
        payload: &[u8],
    ) -> Result<u64, ApiError> {
        let path = format!("{}/rows", upload.as_str());
        let request = Request::api("insert_rows", Method::Post, path, Repeat::AfterLooking)
            .header("content-type", "application/json");
        self.http()
            .send(call, &request, Body::Bytes(payload), Sink::Memory)?
            .read(|got: wire::InsertedRows| {
                got.rows_added
                    .and_then(wire::Int::unsigned)
                    .ok_or(WireError::Missing { field: "rowsAdded" })
            })
    }

    /// Deletes an upload; one that is not there counts as deleted.
    pub fn delete_upload(&self, call: &Call<'_>, upload: &ResourceUri) -> Result<(), ApiError> {
        let path = upload.as_str().to_owned();
        let request = Request::api("delete_upload", Method::Delete, path, Repeat::Freely);
        match self.http().send(call, &request, Body::Empty, Sink::Memory) {
            Ok(_) => Ok(()),
            Err(error) if *error.kind() == ApiErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Releases `next`. After an unknown outcome read the current tag.
    pub fn release(
        &self,
        call: &Call<'_>,
        dataset: &DatasetRef,
        notes: Option<&str>,
    ) -> Result<RemoteVersion, ApiError> {
        let reference = encode_segment(&dataset.to_string());
        let path = format!("/datasets/{reference}/versions/next/release");
        let body = bodies::ReleaseBody {
            release_notes: notes,
        };
        let request = Request::api("release", Method::Post, path, Repeat::AfterLooking);
        self.send_json(call, request, &body)?
            .read(wire::Version::into_model)
    }

    fn send_json(
        &self,
        call: &Call<'_>,
        request: Request<'_>,
        body: &impl Serialize,
    ) -> Result<Answered, ApiError> {
        let request = request.header("content-type", "application/json");
        let body = serde_json::to_vec(body).map_err(|error| {
            let failure = Failure::new(ApiErrorKind::Protocol, false).with_source(error);
            failure.into_error(self.http().subject(&request), 0, Duration::ZERO)
        })?;
        // Progress counts content, and this is none.
        let quiet = Call {
            on_bytes: &|_| {},
            ..*call
        };
        self.http()
            .send(&quiet, &request, Body::Bytes(&body), Sink::Memory)
    }
}

fn temp_upload(asked: &NewTempUpload, got: wire::TempUpload) -> Result<TempUpload, WireError> {
    let differs = |field, sent: String, got: String| WireError::Differs { field, sent, got };
    if let Some(size) = got.size
        && size.unsigned() != Some(asked.size)
    {
        let sent = asked.size.to_string();
        return Err(differs("size", sent, size.0.to_string()));
    }
    if let Some(name) = got.name
        && name != asked.name
    {
        return Err(differs("name", asked.name.clone(), name));
    }
    let mode = if got.resumable.unwrap_or(asked.resumable) {
        TransferMode::Resumable
    } else {
        TransferMode::Plain
    };
    Ok(TempUpload {
        id: got.id.ok_or(WireError::Missing { field: "id" })?,
        url: signed(got.url)?,
        mode,
    })
}

fn signed(url: Option<String>) -> Result<SignedUrl, WireError> {
    let url = url.ok_or(WireError::Missing { field: "url" })?;
    if url.trim().is_empty() {
        return Err(AddressError::new("it is empty").into());
    }
    Ok(SignedUrl::new(url))
}

fn upload_body<'a>(name: &'a str, content: &'a UploadContent) -> bodies::NewUploadBody<'a> {
    let body = bodies::NewUploadBody {
        name,
        ..bodies::NewUploadBody::default()
    };
    match content {
        UploadContent::Stream(schema) => bodies::NewUploadBody {
            kind: Some("stream"),
            schema: Some(
                schema
                    .iter()
                    .map(|(name, kind)| bodies::SchemaBody {
                        name,
                        kind: kind.as_str(),
                    })
                    .collect(),
            ),
            ..body
        },
        UploadContent::Temp {
            temp_upload_id,
            kind,
            options,
        } => bodies::NewUploadBody {
            kind: kind.map(UploadType::as_str),
            temp_upload_id: Some(temp_upload_id),
            has_header_row: options.has_header,
            skip_bad_records: options.skip_bad_records,
            has_quoted_newlines: options.quoted_newlines,
            allow_jagged_rows: options.jagged_rows,
            quote_character: options.quote.as_deref(),
            escape_character: options.escape.as_deref(),
            delimiter: options.delimiter.as_deref(),
            null_markers: options.null_markers.as_deref(),
            ..body
        },
    }
}
