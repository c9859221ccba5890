//! Why a plan cannot be made.

use crate::base::{CancelToken, DatasetRef, ManifestName, TableRef};
use crate::redivis::ApiError;
use crate::source::SourceError;

/// A plan that could not be made at all. What concerns one item is an item of
/// the plan instead.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The remote could not be read.
    #[error("cannot read {what} from the platform")]
    Remote {
        /// What was to be read.
        what: String,
        /// Why not.
        source: Box<ApiError>,
    },
    /// The dataset is not there, or the token may not see it.
    #[error("dataset `{0}` does not exist, or the token may not see it")]
    NoDataset(DatasetRef),
    /// A local source could not be read.
    #[error("cannot read the sources of job `{job}`")]
    Source {
        /// The job.
        job: ManifestName,
        /// Why not.
        source: Box<SourceError>,
    },
    /// The state could not be read or written.
    #[error("cannot use the state")]
    State(#[source] Box<crate::state::StateError>),
    /// `--select` or `--tag` names nothing.
    #[error("no job is selected: {0}")]
    NothingSelected(String),
    /// Two jobs' sources send different things to one name.
    #[error("jobs `{first}` and `{second}` both write `{name}` to table `{table}`")]
    NameTaken {
        /// The table.
        table: Box<TableRef>,
        /// The name.
        name: String,
        /// One job.
        first: ManifestName,
        /// The other.
        second: ManifestName,
    },
    /// The run was asked to stop.
    #[error("planning was stopped")]
    Cancelled,
}

impl PlanError {
    /// Reading `what` failed.
    pub(super) fn remote(what: impl Into<String>, source: ApiError) -> Self {
        Self::Remote {
            what: what.into(),
            source: Box::new(source),
        }
    }

    /// Reading the sources of `job` failed.
    pub(super) fn of_source(job: &ManifestName, source: SourceError) -> Self {
        if matches!(source, SourceError::Cancelled) {
            return Self::Cancelled;
        }
        Self::Source {
            job: job.clone(),
            source: Box::new(source),
        }
    }
}

/// Ends planning when somebody cancelled.
pub(super) fn check_cancel(cancel: &CancelToken) -> Result<(), PlanError> {
    if cancel.is_cancelled() {
        Err(PlanError::Cancelled)
    } else {
        Ok(())
    }
}
