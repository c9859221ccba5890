//! Whether a draft holds files that the newest release does not: what a run has
//! attached and did not come to release. Uploads tell that by their names; files
//! only by holding one listing against the other.

use super::context::PlanContext;
use super::error::PlanError;
use super::observe::{DatasetView, TableView};
use crate::base::Version;
use crate::base::digest::Sha256Hasher;

/// Whether the draft's files of a table are others than those of the newest
/// release. Two listings are read, and nothing of them is kept.
pub(super) fn has_unreleased_files(
    context: &PlanContext<'_>,
    dataset: &DatasetView,
    view: &TableView,
) -> Result<bool, PlanError> {
    let is_drafted = view.remote.as_ref().is_some_and(|one| one.is_file_index);
    if !is_drafted || !dataset.draft.has_next {
        return Ok(false);
    }
    let drafted = summary(context, view, &Version::Next)?;
    if drafted == Summary::default() {
        return Ok(false);
    }
    let Some(tag) = dataset.draft.current_tag.clone() else {
        return Ok(true);
    };
    let version = Version::Tag(tag);
    let released = context
        .reader
        .table(&context.call, &view.table, &version)
        .map_err(|error| PlanError::remote(format!("table `{}`", view.table), error))?;
    if released.is_none() {
        return Ok(true);
    }
    Ok(drafted != summary(context, view, &version)?)
}

/// A listing without its order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    files: u64,
    bytes: u64,
    digests: u64,
}

fn summary(
    context: &PlanContext<'_>,
    view: &TableView,
    version: &Version,
) -> Result<Summary, PlanError> {
    let mut summary = Summary::default();
    context
        .reader
        .raw_files(&context.call, &view.table, version, &mut |file| {
            let mut hasher = Sha256Hasher::new();
            hasher.update_field(file.name.as_bytes());
            hasher.update_field(&file.size.to_be_bytes());
            if let Some(md5) = file.md5 {
                hasher.update_field(md5.to_string().as_bytes());
            }
            let digest = hasher.finish().short_hex(16);
            let digest = u64::from_str_radix(&digest, 16).unwrap_or_default();
            summary.files += 1;
            summary.bytes = summary.bytes.wrapping_add(file.size);
            summary.digests = summary.digests.wrapping_add(digest);
        })
        .map_err(|error| PlanError::remote(format!("the files of `{}`", view.table), error))?;
    Ok(summary)
}
