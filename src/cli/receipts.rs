//! Receipts of a command: collected while a plan is made, written when it is.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::context::Context;
use super::exit::ExitCode;
use super::failure::Failure;
use super::workplace::Workplace;
use crate::plan::{Plan, Receipt, Unchanged};
use crate::report::{
    MergeRules, ReceiptSorter, ReceiptsError, ReceiptsOwner, StillThere, update_receipts,
};

/// Whose receipts a command reads and writes.
pub fn owner(workplace: &Workplace, context: &Context<'_>) -> ReceiptsOwner {
    ReceiptsOwner {
        manifest: workplace.manifest.name.to_string(),
        endpoint: workplace.endpoint_shown.clone(),
        address: workplace.reader.http().endpoint().as_str().to_owned(),
        now_ms: context.environment.now_ms(),
    }
}

/// The version of each dataset that a plan looked at.
pub fn versions(plan: &Plan) -> Vec<(String, String)> {
    let datasets = plan.datasets.iter();
    datasets
        .map(|one| {
            let tag = one.draft.current_tag.clone();
            let version = match tag.filter(|_| !one.draft.has_next) {
                Some(tag) => tag,
                None => one.base.to_string(),
            };
            (one.dataset.to_string(), version)
        })
        .collect()
}

/// Receipts on their way to a folder.
#[derive(Debug, Default)]
pub struct Collector {
    sorter: Mutex<ReceiptSorter>,
    failed: Mutex<Option<io::Error>>,
}

impl Collector {
    /// Takes an item that matches.
    pub fn take(&self, one: &Unchanged<'_>) {
        let Some(receipt) = Receipt::of(one) else {
            return;
        };
        let mut sorter = self.sorter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = sorter.push(receipt) {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert(error);
        }
    }

    /// Merges what was taken into a folder.
    pub fn write(
        self,
        folder: &Path,
        plan: &Plan,
        is_shard: bool,
        (workplace, context): (&Workplace, &Context<'_>),
    ) -> Result<u64, Failure> {
        let failed = self.failed.into_inner();
        if let Some(error) = failed.unwrap_or_else(PoisonError::into_inner) {
            return Err(Failure::local_io("cannot sort the receipts", &error));
        }
        let sorter = self.sorter.into_inner();
        let seen = StillThere::of(plan, !is_shard);
        let versions = versions(plan);
        let version_of = |table: &str| {
            let mut known = versions.iter();
            let dataset = table.rsplit_once('.').map_or(table, |(dataset, _)| dataset);
            let found = known.find(|(name, _)| name == dataset);
            found.map_or_else(String::new, |(_, version)| version.clone())
        };
        update_receipts(
            folder,
            &owner(workplace, context),
            sorter.unwrap_or_else(PoisonError::into_inner),
            MergeRules {
                stays: &|receipt| seen.stays(receipt),
                version_of: &version_of,
            },
            &context.cancel,
        )
        .map_err(Failure::from)
    }
}

impl From<ReceiptsError> for Failure {
    fn from(error: ReceiptsError) -> Self {
        match &error {
            ReceiptsError::None(_) => Self::of(ExitCode::Input, "receipts/none", &error)
                .hint("`run --receipts DIR` and `verify --write-receipts DIR` write them"),
            ReceiptsError::Io { .. } => Self::of(ExitCode::LocalIo, "receipts/file", &error),
            ReceiptsError::Line { .. }
            | ReceiptsError::Incomplete(_)
            | ReceiptsError::Format(_) => Self::of(ExitCode::Input, "receipts/unreadable", &error)
                .hint("take the folder from a backup, or write new receipts to another one"),
            ReceiptsError::Other { .. } => Self::of(ExitCode::Input, "receipts/other", &error)
                .hint("each manifest and endpoint has a folder of its own"),
            ReceiptsError::Busy(_) => Self::of(ExitCode::Locked, "receipts/busy", &error),
        }
    }
}
