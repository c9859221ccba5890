//! The JSON shapes of the platform's answers, private to this module. Unknown fields are
//! ignored; numbers may come as text, since the pages show both (contract D3).

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use crate::base::digest::DigestError;
use crate::base::{Md5Digest, MergeStrategy};

use super::endpoint::AddressError;
use super::limits::MOST_RESULTS;
use super::model::{
    RemoteDataset, RemoteFile, RemoteTable, RemoteUpload, RemoteVersion, ResourceUri, UploadStatus,
};

/// An answer with a field that cannot be what it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("it is not the JSON that was expected")]
    Json(#[from] serde_json::Error),
    #[error("its `{field}` is missing")]
    Missing { field: &'static str },
    #[error("its `uri` is not used")]
    Uri(#[from] AddressError),
    #[error("its hash is none")]
    Digest(#[source] DigestError),
    #[error("its `uri` is not one of a {kind}")]
    Foreign { kind: &'static str },
    #[error("the list has no end: it was given up after {0} results")]
    Endless(usize),
    #[error("its `{field}` does not match: sent `{sent}`, got `{got}`")]
    Differs {
        field: &'static str,
        sent: String,
        got: String,
    },
}

/// A whole number, written as one, as a float without a fraction, or as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Int(pub(super) i64);

impl Int {
    pub(super) fn unsigned(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntVisitor;
        impl Visitor<'_> for IntVisitor {
            type Value = Int;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, as a number or as text")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Int, E> {
                Ok(Int(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Int, E> {
                i64::try_from(value).map(Int).map_err(E::custom)
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Int, E> {
                const EXACT: f64 = 9_007_199_254_740_992.0;
                if value.fract() == 0.0 && value.abs() <= EXACT {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "whole, and within the range of exact doubles"
                    )]
                    return Ok(Int(value as i64));
                }
                Err(E::custom("a number with a fraction"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Int, E> {
                text.trim().parse().map(Int).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(IntVisitor)
    }
}

fn unsigned(value: Option<Int>) -> Option<u64> {
    value.and_then(Int::unsigned)
}

/// Both shapes of an error (contract 1.5).
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    #[serde(default)]
    error: Option<ErrorField>,
    #[serde(default)]
    error_description: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    scope: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ErrorField {
    Code(String),
    Nested {
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        code: Option<String>,
    },
    Other(de::IgnoredAny),
}

impl ErrorBody {
    /// Code, message, scope.
    pub(super) fn into_parts(self) -> (Option<String>, Option<String>, Option<String>) {
        let (code, nested) = match self.error {
            Some(ErrorField::Code(code)) => (Some(code), None),
            Some(ErrorField::Nested { message, code }) => (code, message),
            Some(ErrorField::Other(_)) | None => (None, None),
        };
        let message = self.error_description.or(nested).or(self.message);
        (code, message, self.scope)
    }
}

/// A page of a list (contract 1.7).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
pub(super) struct Page<T> {
    #[serde(deserialize_with = "results")]
    pub(super) results: Vec<T>,
    #[serde(default)]
    pub(super) next_page_token: Option<String>,
}

/// A list that ends before it fills the memory.
fn results<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    struct Results<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Results<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST_RESULTS} results")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = list.next_element()? {
                if all.len() == MOST_RESULTS {
                    return Err(de::Error::invalid_length(MOST_RESULTS + 1, &self));
                }
                all.push(one);
            }
            Ok(all)
        }
    }
    from.deserialize_seq(Results(PhantomData))
}

/// `dataset` (docs: resource-definitions/dataset).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dataset {
    #[serde(default)]
    qualified_reference: Option<String>,
    #[serde(default)]
    version: Option<DatasetVersion>,
    #[serde(default)]
    next_version: Option<de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct DatasetVersion {
    #[serde(default)]
    tag: Option<String>,
}

impl Dataset {
    pub(super) fn into_model(self, asked: &str) -> RemoteDataset {
        let version_tag = self.version.and_then(|version| version.tag);
        let has_next = self.next_version.is_some() || version_tag.as_deref() == Some("next");
        RemoteDataset {
            qualified_reference: self.qualified_reference.unwrap_or_else(|| asked.to_owned()),
            version_tag,
            has_next,
        }
    }
}

/// `version` (docs: resource-definitions/version).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    tag: Option<String>,
    #[serde(default)]
    index: Option<Int>,
    #[serde(default)]
    is_released: Option<bool>,
    #[serde(default)]
    is_deleted: Option<bool>,
    #[serde(default)]
    created_at: Option<Int>,
    #[serde(default)]
    released_at: Option<Int>,
    #[serde(default)]
    can_release: Option<bool>,
}

impl Version {
    pub(super) fn into_model(self) -> Result<RemoteVersion, WireError> {
        let tag = self.tag.ok_or(WireError::Missing { field: "tag" })?;
        let is_released = self.is_released.unwrap_or(tag != "next");
        Ok(RemoteVersion {
            tag,
            index: unsigned(self.index),
            is_released,
            is_deleted: self.is_deleted.unwrap_or(false),
            created_at: self.created_at.map(|at| at.0),
            released_at: self.released_at.map(|at| at.0),
            can_release: self.can_release,
        })
    }
}

/// `table` (docs: resource-definitions/table).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    uri: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    is_file_index: Option<bool>,
    #[serde(default)]
    num_rows: Option<Int>,
    #[serde(default)]
    upload_merge_strategy: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    created_at: Option<Int>,
}

impl Table {
    pub(super) fn into_model(self) -> Result<RemoteTable, WireError> {
        let uri = checked_uri(self.uri, "table", |uri| uri.starts_with("/tables/"))?;
        let name = self.name.ok_or(WireError::Missing { field: "name" })?;
        Ok(RemoteTable {
            uri,
            name,
            is_file_index: self.is_file_index.unwrap_or(false),
            num_rows: unsigned(self.num_rows),
            merge: self
                .upload_merge_strategy
                .as_deref()
                .and_then(MergeStrategy::from_word),
            description: self.description,
            created_at: self.created_at.map(|at| at.0),
        })
    }
}

/// `upload` (docs: resource-definitions/upload).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Upload {
    uri: Option<String>,
    name: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    num_rows: Option<Int>,
    #[serde(default)]
    size: Option<Int>,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    bad_records_count: Option<Int>,
    #[serde(default)]
    error_message: Option<String>,
}

impl Upload {
    /// Refuses a `uri` that is not an upload's: what we delete goes by it.
    pub(super) fn into_model(self) -> Result<RemoteUpload, WireError> {
        let uri = checked_uri(self.uri, "upload", |uri| {
            let mut segments = uri.trim_start_matches('/').split('/');
            let shape = [segments.next(), segments.nth(1)];
            shape == [Some("tables"), Some("uploads")]
                && segments.next().is_some_and(|name| !name.is_empty())
                && segments.next().is_none()
        })?;
        let status = match self.status.as_deref() {
            None => UploadStatus::Empty,
            Some("queued") => UploadStatus::Queued,
            Some("completed" | "succeeded") => UploadStatus::Completed,
            Some("failed" | "cancelled") => UploadStatus::Failed,
            Some(_) => UploadStatus::Running,
        };
        Ok(RemoteUpload {
            uri,
            name: self.name.ok_or(WireError::Missing { field: "name" })?,
            status,
            num_rows: unsigned(self.num_rows),
            size: unsigned(self.size),
            md5: self.hash.and_then(|hash| hash.parse().ok()),
            bad_records: unsigned(self.bad_records_count),
            error_message: self.error_message,
        })
    }
}

fn checked_uri(
    uri: Option<String>,
    kind: &'static str,
    is_one: impl Fn(&str) -> bool,
) -> Result<ResourceUri, WireError> {
    let uri = uri.ok_or(WireError::Missing { field: "uri" })?;
    let uri = ResourceUri::new(&uri)?;
    if is_one(uri.as_str()) {
        Ok(uri)
    } else {
        Err(WireError::Foreign { kind })
    }
}

/// `rawFile` (docs: rest-api/files/post).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawFile {
    id: Option<String>,
    name: Option<String>,
    #[serde(default)]
    md5_hash: Option<String>,
    #[serde(default)]
    size: Option<Int>,
}

impl RawFile {
    pub(super) fn into_model(self) -> Result<RemoteFile, WireError> {
        Ok(RemoteFile {
            id: self.id.ok_or(WireError::Missing { field: "id" })?,
            name: self.name.ok_or(WireError::Missing { field: "name" })?,
            size: unsigned(self.size).ok_or(WireError::Missing { field: "size" })?,
            md5: md5(self.md5_hash.as_deref())?,
        })
    }
}

/// A hash that is given must be one: taking an unreadable one for "none" would
/// skip the check that depends on it.
pub(super) fn md5(text: Option<&str>) -> Result<Option<Md5Digest>, WireError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(WireError::Digest)
}

/// `tempUpload` (docs: rest-api/tables/createtempuploads), and the older
/// `resumableUpload`.
#[derive(Debug, Deserialize)]
pub(super) struct TempUpload {
    pub(super) id: Option<String>,
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) size: Option<Int>,
    #[serde(default)]
    pub(super) resumable: Option<bool>,
}

/// `insertRowsResponse` (docs: rest-api/uploads/insertrows).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InsertedRows {
    pub(super) rows_added: Option<Int>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_from_numbers_and_from_text() {
        for (json, value) in [
            ("7", 7),
            ("\"7\"", 7),
            ("7.0", 7),
            ("-1", -1),
            ("\"9007199254740993\"", 9_007_199_254_740_993),
        ] {
            let int: Int = serde_json::from_str(json).unwrap();
            assert_eq!(int, Int(value), "{json}");
        }
        for json in [
            "1.5",
            "\"\"",
            "\"1e3\"",
            "true",
            "1e300",
            "18446744073709551615",
        ] {
            assert!(serde_json::from_str::<Int>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn an_upload_s_address_must_be_one_of_an_upload() {
        for (uri, good) in [
            ("/tables/me.x:next.t/uploads/a", true),
            ("/tables/me.x:next.t", false),
            ("/datasets/me.x", false),
            ("/tables/me.x:next.t/uploads/", false),
            ("/tables/me.x:next.t/uploads/a/rows", false),
        ] {
            let json = format!(r#"{{"uri":"{uri}","name":"a","size":"5","later":[1]}}"#);
            let upload: Upload = serde_json::from_str(&json).unwrap();
            assert_eq!(upload.into_model().is_ok(), good, "{uri}");
        }
    }

    #[test]
    fn an_upload_s_status_covers_words_that_come_later() {
        for (word, status) in [
            ("null", UploadStatus::Empty),
            ("\"queued\"", UploadStatus::Queued),
            ("\"pending\"", UploadStatus::Running),
            ("\"succeeded\"", UploadStatus::Completed),
            ("\"cancelled\"", UploadStatus::Failed),
        ] {
            let json = format!(r#"{{"uri":"/tables/t/uploads/a","name":"a","status":{word}}}"#);
            let upload: Upload = serde_json::from_str(&json).unwrap();
            assert_eq!(upload.into_model().unwrap().status, status, "{word}");
        }
    }

    #[test]
    fn a_dataset_knows_whether_next_exists() {
        for (json, has_next) in [
            (r#"{"version":{"tag":"v1.0"},"nextVersion":null}"#, false),
            (
                r#"{"version":{"tag":"v1.0"},"nextVersion":{"datasetUri":"/x"}}"#,
                true,
            ),
            (r#"{"version":{"tag":"next"}}"#, true),
        ] {
            let dataset: Dataset = serde_json::from_str(json).unwrap();
            assert_eq!(dataset.into_model("me.x").has_next, has_next, "{json}");
        }
    }

    #[test]
    fn a_hash_that_is_no_hash_is_not_taken_for_none() {
        assert!(md5(Some("sha1:xyz")).is_err());
        assert_eq!(md5(Some("")).unwrap(), None);
        assert_eq!(md5(None).unwrap(), None);
    }
}
