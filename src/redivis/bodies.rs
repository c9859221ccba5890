//! The JSON shapes of what we send, private to this module. Optional fields that
//! nobody set are left out.

use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewTableBody<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upload_merge_strategy: Option<&'static str>,
    pub(super) is_file_index: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TablePatchBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upload_merge_strategy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TempUploadsBody<'a> {
    pub(super) temp_uploads: Vec<NewTempUploadBody<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct NewTempUploadBody<'a> {
    pub(super) name: &'a str,
    pub(super) size: u64,
    pub(super) resumable: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct FilesBody<'a> {
    pub(super) files: Vec<NewFileBody<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewFileBody<'a> {
    pub(super) name: &'a str,
    pub(super) temp_upload_id: &'a str,
}

/// A new upload. What is not said is left out, so that the platform detects it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewUploadBody<'a> {
    pub(super) name: &'a str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<Vec<SchemaBody<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temp_upload_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) has_header_row: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) skip_bad_records: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) has_quoted_newlines: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow_jagged_rows: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quote_character: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) escape_character: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delimiter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) null_markers: Option<&'a [String]>,
}

#[derive(Debug, Serialize)]
pub(super) struct SchemaBody<'a> {
    pub(super) name: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReleaseBody<'a> {
    pub(super) release_notes: Option<&'a str>,
}

/// Says what a variable means (contract 5.3).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VariableBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value_labels: Option<Vec<ValueLabelBody<'a>>>,
}

#[derive(Debug, Serialize)]
pub(super) struct ValueLabelBody<'a> {
    pub(super) value: &'a str,
    pub(super) label: &'a str,
}
