//! What released versions already hold. Under `append` a table's rows are the
//! union over every release back to its creation or last replace, and the draft
//! need not list what it inherits. A history that cannot be told means refuse:
//! sending again would double the rows.

use serde::{Deserialize, Serialize};

use super::error::PlanError;
use super::observe::{DatasetView, find_table};
use crate::base::{TableRef, Version};
use crate::redivis::{Call, Reader, RemoteUpload, RemoteVersion, UploadStatus};
use crate::state::StateStore;

/// The uploads behind a table's released rows.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// One for each upload, newest release first, no name twice.
    pub uploads: Vec<ReleasedUpload>,
    /// Rows of the newest release.
    pub released_rows: Option<u64>,
    /// Why the history cannot be believed, if so.
    pub unreadable: Option<String>,
}

/// An upload of a released version: locked for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedUpload {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub num_rows: Option<u64>,
    /// Whether it was complete.
    pub completed: bool,
    /// Bytes of the file sent.
    pub size: Option<u64>,
}

impl History {
    /// Whether a released version lists this name.
    pub fn has_name(&self, name: &str) -> bool {
        self.uploads.iter().any(|upload| upload.name == name)
    }

    /// Where no release lists all that it holds: what all lists together leave
    /// open, in words. Rows of nobody's list may be the very ones that would be
    /// sent.
    fn gap(&self) -> Option<String> {
        let released = self.released_rows.filter(|rows| *rows > 0)?;
        if self.uploads.is_empty() {
            return Some(format!(
                "the released table has {released} rows, but no released version lists an upload"
            ));
        }
        let listed: u64 = self
            .uploads
            .iter()
            .map(|upload| upload.num_rows.unwrap_or(0))
            .sum();
        (listed < released).then(|| {
            format!(
                "the released table has {released} rows, and the uploads of its released versions account for {listed}; a version may have been deleted"
            )
        })
    }
}

/// One released version's part of the history. This is what the state caches: a
/// released list never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Release {
    /// Rows of the table in this version; absent where the platform tells none.
    rows: Option<u64>,
    uploads: Vec<ReleasedUpload>,
}

impl Release {
    /// Whether the version's own list accounts for all its rows: nothing older
    /// is in the table.
    fn is_complete(&self) -> bool {
        let sum: Option<u64> = self
            .uploads
            .iter()
            .map(|upload| upload.num_rows)
            .try_fold(0_u64, |sum, rows| {
                rows.and_then(|rows| sum.checked_add(rows))
            });
        self.rows.is_some() && self.rows == sum
    }
}

/// Walks the released versions from the newest back.
pub(super) fn read_history(
    reader: &Reader,
    call: &Call<'_>,
    dataset: &DatasetView,
    table: &TableRef,
    store: Option<&StateStore>,
) -> Result<History, PlanError> {
    let mut history = History::default();
    let mut is_complete = false;
    for (position, version) in dataset.released.iter().enumerate() {
        let Some(release) = read_release(reader, call, table, version, store)? else {
            break;
        };
        if position == 0 {
            history.released_rows = release.rows;
        }
        is_complete = release.is_complete();
        for upload in release.uploads {
            if !history.has_name(&upload.name) {
                history.uploads.push(upload);
            }
        }
        if is_complete {
            break;
        }
    }
    if !is_complete {
        history.unreadable = history.gap();
    }
    Ok(history)
}

fn read_release(
    reader: &Reader,
    call: &Call<'_>,
    table: &TableRef,
    version: &RemoteVersion,
    store: Option<&StateStore>,
) -> Result<Option<Release>, PlanError> {
    let key = table.to_string();
    // A version can be unreleased, changed and released again under its tag.
    let released_at = version.released_at.or(version.created_at).unwrap_or(0);
    let state = |error| PlanError::State(Box::new(error));
    let cached = match store {
        Some(store) => store
            .released(&key, &version.tag, released_at)
            .map_err(state)?,
        None => None,
    };
    if let Some(release) = cached.and_then(|text| serde_json::from_str(&text).ok()) {
        return Ok(Some(release));
    }
    let at = Version::Tag(version.tag.clone());
    let what = |what: &str| format!("{what} `{}`", table.at(&at));
    let found = find_table(reader, call, table, &at)
        .map_err(|error| PlanError::remote(what("table"), error))?;
    let Some(found) = found else {
        return Ok(None);
    };
    let uploads = reader
        .uploads(call, table, &at)
        .map_err(|error| PlanError::remote(what("the uploads of"), error))?;
    let release = Release {
        rows: found.num_rows,
        uploads: uploads.iter().map(released).collect(),
    };
    if let (Some(store), Ok(text)) = (store, serde_json::to_string(&release)) {
        store
            .remember_released(&key, &version.tag, released_at, &text)
            .map_err(state)?;
    }
    Ok(Some(release))
}

fn released(upload: &RemoteUpload) -> ReleasedUpload {
    ReleasedUpload {
        name: upload.name.clone(),
        num_rows: upload.num_rows,
        completed: upload.status != UploadStatus::Failed,
        size: upload.size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(rows: Option<u64>, uploads: &[Option<u64>]) -> Release {
        Release {
            rows,
            uploads: uploads
                .iter()
                .enumerate()
                .map(|(index, rows)| ReleasedUpload {
                    name: format!("u{index}"),
                    num_rows: *rows,
                    completed: true,
                    size: None,
                })
                .collect(),
        }
    }

    #[test]
    fn a_release_is_complete_when_its_own_uploads_hold_all_its_rows() {
        assert!(release(Some(5), &[Some(2), Some(3)]).is_complete());
        assert!(release(Some(0), &[]).is_complete());
        assert!(!release(Some(9), &[Some(2), Some(3)]).is_complete());
        assert!(!release(None, &[Some(2)]).is_complete());
        assert!(!release(Some(2), &[Some(2), None]).is_complete());
    }
}
