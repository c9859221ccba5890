//! The remote state that a plan is compared with. Reads only.

use std::time::Duration;

use rayon::ThreadPool;

use super::error::PlanError;
use super::history::{History, read_history};
use super::model::DraftIdentity;
use crate::base::names::escaped;
use crate::base::{DatasetRef, MergeStrategy, PartName, TableRef, Version};
use crate::redivis::{
    ApiError, Call, Reader, RemoteTable, RemoteUpload, RemoteVariable, RemoteVersion, UploadStatus,
};
use crate::state::StateStore;

/// A dataset as it was seen.
#[derive(Debug, Clone)]
pub struct DatasetView {
    /// Which.
    pub dataset: DatasetRef,
    /// `next` when it exists, else the newest released version.
    pub base: Version,
    /// What tells this draft from another.
    pub draft: DraftIdentity,
    /// Released versions that are not deleted, newest first.
    pub released: Vec<RemoteVersion>,
}

/// Reads a dataset and, at the same time, its versions. The pool is the one for the
/// network.
pub fn observe_dataset(
    reader: &Reader,
    call: &Call<'_>,
    pool: &ThreadPool,
    dataset: &DatasetRef,
) -> Result<DatasetView, PlanError> {
    let at = |version: &Version| {
        reader
            .dataset(call, dataset, version)
            .map_err(|error| PlanError::remote(format!("dataset `{dataset}`"), error))
    };
    let list = || {
        reader
            .versions(call, dataset)
            .map_err(|error| PlanError::remote(format!("the versions of `{dataset}`"), error))
    };
    let (next, versions) = pool.join(|| at(&Version::Next), list);
    let next = next?;
    if next.is_none() && at(&Version::Current)?.is_none() {
        return Err(PlanError::NoDataset(dataset.clone()));
    }
    let is_next = |one: &&RemoteVersion| !one.is_released && !one.is_deleted;
    let mut versions = versions?;
    if next.is_some() != versions.iter().any(|one| is_next(&one)) {
        // It came or went between the two.
        versions = list()?;
    }
    let listed_next = versions.iter().find(is_next);
    let mut released: Vec<RemoteVersion> = versions
        .iter()
        .filter(|one| one.is_released && !one.is_deleted)
        .cloned()
        .collect();
    released.sort_by_key(|one| std::cmp::Reverse(one.index));
    let has_next = next.is_some();
    let draft = DraftIdentity {
        current_tag: released.first().map(|one| one.tag.clone()),
        next_index: listed_next.filter(|_| has_next).and_then(|one| one.index),
        next_created_at: listed_next
            .filter(|_| has_next)
            .and_then(|one| one.created_at),
        has_next,
    };
    let base = if has_next {
        Version::Next
    } else {
        Version::Current
    };
    Ok(DatasetView {
        dataset: dataset.clone(),
        base,
        draft,
        released,
    })
}

/// A table as it was seen.
#[derive(Debug, Clone)]
pub struct TableView {
    /// Which.
    pub table: TableRef,
    /// The table at the dataset's base version.
    pub remote: Option<RemoteTable>,
    /// Its variables there. Empty for a file-index table.
    pub variables: Vec<RemoteVariable>,
    /// Uploads that are in the draft and in no released version.
    pub draft_uploads: Vec<RemoteUpload>,
    /// Uploads of released versions.
    pub history: History,
    /// Rows of the newest released version.
    pub released_rows: Option<u64>,
}

impl TableView {
    /// How new uploads will meet the rows of the last release, once the
    /// manifest's word is applied.
    pub fn merge(&self, stated: Option<MergeStrategy>) -> MergeStrategy {
        stated
            .or_else(|| self.remote.as_ref().and_then(|table| table.merge))
            .unwrap_or(MergeStrategy::Append)
    }
}

/// How often a part that looks unfinished is looked at again.
const LOOKS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Lists a draft's uploads. Counts can lag behind the rows (contract Q13), and
/// what a killed run has sent may not be counted yet: a part that looks
/// unfinished is looked at again before it is taken for broken, which would send
/// its rows once more.
fn list_settled(
    reader: &Reader,
    call: &Call<'_>,
    table: &TableRef,
) -> Result<Vec<RemoteUpload>, PlanError> {
    let mut pause = FIRST_PAUSE;
    let mut look = 1;
    loop {
        let listed = reader
            .uploads(call, table, &Version::Next)
            .map_err(|error| PlanError::remote(format!("the uploads of `{table}`"), error))?;
        if look == LOOKS || !listed.iter().any(may_be_lagging) {
            return Ok(listed);
        }
        if !reader.wait(call, pause) {
            return Err(PlanError::Cancelled);
        }
        pause *= 2;
        look += 1;
    }
}

fn may_be_lagging(upload: &RemoteUpload) -> bool {
    let name = PartName::parse(&upload.name);
    name.is_some_and(|name| {
        let rows = name.identity.stored_rows();
        rows > 0
            && upload.status != UploadStatus::Failed
            && upload.num_rows.is_none_or(|counted| counted < rows)
    })
}

/// Reads a table at the dataset's base version. Uploads and their history are
/// read for tables of rows only.
pub fn observe_table(
    reader: &Reader,
    call: &Call<'_>,
    dataset: &DatasetView,
    table: &TableRef,
    store: Option<&StateStore>,
) -> Result<TableView, PlanError> {
    let failed = |what: &str| {
        let text = format!("{what} `{table}`");
        move |error| PlanError::remote(text, error)
    };
    let remote = if dataset.released.is_empty() {
        reader.table(call, table, &dataset.base)
    } else {
        find_table(reader, call, table, &dataset.base)
    };
    let remote = remote.map_err(failed("table"))?;
    let mut view = TableView {
        table: table.clone(),
        remote,
        variables: Vec::new(),
        draft_uploads: Vec::new(),
        history: History::default(),
        released_rows: None,
    };
    let Some(found) = &view.remote else {
        return Ok(view);
    };
    if found.is_file_index {
        return Ok(view);
    }
    view.variables = reader
        .variables(call, table, &dataset.base)
        .map_err(failed("the variables of"))?;
    let listed = if dataset.draft.has_next {
        list_settled(reader, call, table)?
    } else {
        Vec::new()
    };
    view.history = read_history(reader, call, dataset, table, store)?;
    view.released_rows = view.history.released_rows;
    view.draft_uploads = listed
        .into_iter()
        .filter(|upload| !view.history.has_name(&upload.name))
        .collect();
    Ok(view)
}

/// Looks for a table at a version that is there. "It does not exist" is held
/// against the version's list of tables: who believed it wrongly would not see the
/// rows that the table holds, and send them again.
pub fn find_table(
    reader: &Reader,
    call: &Call<'_>,
    table: &TableRef,
    version: &Version,
) -> Result<Option<RemoteTable>, ApiError> {
    if let Some(found) = reader.table(call, table, version)? {
        return Ok(Some(found));
    }
    let name = table.table().split(':').next().unwrap_or_default();
    let listed = reader.tables(call, table.dataset(), version)?;
    let mut listed = listed.into_iter();
    Ok(listed.find(|one| escaped(&one.name) == escaped(name)))
}
