//! Whether the platform would release a draft, and if not, what stands in the way.

use super::context::Shared;
use super::error::StepError;
use crate::base::names::escaped;
use crate::base::{DatasetRef, TableRef, Version};
use crate::redivis::UploadStatus;

/// Fails unless the platform says itself that it would release the draft: not when
/// nothing changed, nor while an upload runs or has failed (contract 4.1).
pub(super) fn check_releasable(shared: Shared<'_>, dataset: &DatasetRef) -> Result<(), StepError> {
    if would_release(shared, dataset)? {
        return Ok(());
    }
    if let Some(obstacle) = obstacle(shared, dataset)? {
        return Err(obstacle);
    }
    // What stood in the way may have ended meanwhile.
    if would_release(shared, dataset)? {
        return Ok(());
    }
    Err(StepError::ReleaseRefused {
        dataset: dataset.to_string(),
        why: "the platform says that this draft cannot be released, and no upload in it is running or has failed: nothing in it differs from the last release".to_owned(),
        waits: false,
    })
}

fn would_release(shared: Shared<'_>, dataset: &DatasetRef) -> Result<bool, StepError> {
    let context = shared.context;
    let next = context
        .writer
        .reader()
        .next_version(&context.call, dataset)
        .map_err(StepError::api(format!(
            "read the `next` version of `{dataset}`"
        )))?;
    Ok(next.and_then(|next| next.can_release) != Some(false))
}

/// The upload that a release must not hold. One that has failed stays, one that
/// runs does not: the first is told before the second.
fn obstacle(shared: Shared<'_>, dataset: &DatasetRef) -> Result<Option<StepError>, StepError> {
    let context = shared.context;
    let reader = context.writer.reader();
    let tables = reader
        .tables(&context.call, dataset, &Version::Next)
        .map_err(StepError::api(format!("list the tables of `{dataset}`")))?;
    let mut running = None;
    for table in tables.iter().filter(|table| !table.is_file_index) {
        // No table has a name without any letter or digit.
        let Ok(asked) = TableRef::new(dataset.clone(), &escaped(&table.name)) else {
            continue;
        };
        let uploads = reader
            .uploads(&context.call, &asked, &Version::Next)
            .map_err(StepError::api(format!("list the uploads of `{asked}`")))?;
        for upload in uploads {
            match upload.status {
                UploadStatus::Failed => {
                    return Ok(Some(has_failed(dataset, &table.name, &upload.name)));
                }
                UploadStatus::Queued | UploadStatus::Running => {
                    running.get_or_insert_with(|| is_running(&table.name, &upload.name));
                }
                UploadStatus::Empty | UploadStatus::Completed => {}
            }
        }
    }
    Ok(running)
}

/// Another writer's: ours are complete by now.
fn is_running(table: &str, upload: &str) -> StepError {
    StepError::WriterAtWork {
        table: table.to_owned(),
        what: format!("upload `{upload}` is still running"),
    }
}

fn has_failed(dataset: &DatasetRef, table: &str, upload: &str) -> StepError {
    StepError::ReleaseRefused {
        dataset: dataset.to_string(),
        why: format!(
            "upload `{upload}` of table `{table}` has failed, and the platform releases no draft with such a one; delete it there"
        ),
        waits: false,
    }
}
