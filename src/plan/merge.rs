//! How a table's rows meet those of its last release, decided over all of its jobs
//! at once, and what stands in the way of replacing them.

use super::context::PlanContext;
use super::listed::Listing;
use super::make::Draft;
use super::model::{Action, Class, JobPlan, Reason};
use super::observe::TableView;
use super::{rows, uploads};
use crate::base::{MergeStrategy, SourceKey, TableRef};
use crate::manifest::{Job, Manifest};

/// How the rows of a table meet those of the last release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// They add to it.
    Append,
    /// They replace it; all of them are sent.
    Replace,
    /// They replace it, and the last release holds exactly the wanted rows.
    ReplaceEqual,
}

/// How a job's rows meet those of the last release. `merge: replace` is about
/// the whole table, so all of its jobs are looked at together.
pub(super) fn table_mode(
    context: &PlanContext<'_>,
    selected: &[(usize, &Job)],
    drafts: &[Draft],
    view: &TableView,
    job: &Job,
) -> Mode {
    let stated = context
        .manifest
        .settings_of(&job.table)
        .and_then(|settings| settings.merge);
    if view.merge(stated) == MergeStrategy::Append {
        return Mode::Append;
    }
    let owners = owners_of(context.manifest, &job.table);
    let listing = Listing::of(view, &owners);
    let mut row_drafts = Vec::new();
    let mut upload_drafts = Vec::new();
    for ((_, other), draft) in selected.iter().zip(drafts) {
        if !other.table.matches(&job.table) {
            continue;
        }
        match draft {
            Draft::Rows(draft) => row_drafts.push(&draft.content),
            Draft::Uploads(draft) => upload_drafts.push(draft),
            Draft::Files(_) => {}
        }
    }
    let equal = if upload_drafts.is_empty() {
        rows::equals_release(&row_drafts, &listing)
    } else {
        uploads::equals_release(&upload_drafts, &listing)
    };
    let released = view.history.released_rows.is_some();
    if equal && released {
        Mode::ReplaceEqual
    } else {
        Mode::Replace
    }
}

pub(super) fn owners_of(manifest: &Manifest, table: &TableRef) -> Vec<SourceKey> {
    manifest
        .jobs
        .iter()
        .filter(|job| job.table.matches(table))
        .map(|job| SourceKey::owner(manifest.name.as_str(), job.name.as_str()))
        .collect()
}

/// A table that is replaced as a whole must be seen as a whole, and must hold
/// nothing of others.
pub(super) fn guard_replace(
    context: &PlanContext<'_>,
    view: &TableView,
    selected: &[(usize, &Job)],
    job: &Job,
    plan: &mut JobPlan,
) {
    let owners = owners_of(context.manifest, &job.table);
    let listing = Listing::of(view, &owners);
    let seen = selected
        .iter()
        .filter(|(_, other)| other.table.matches(&job.table))
        .count();
    let foreign = listing
        .foreign
        .first()
        .map(|upload| upload.name.as_str())
        .or_else(|| listing.foreign_released.first().copied());
    if seen < owners.len() || !context.selection.sees_everything() {
        let note = "the table is replaced as a whole, and this run sees a part of it";
        plan.hold(Reason::PartialReplace, note.to_owned());
    } else if let Some(name) = foreign {
        let note = format!(
            "the table is replaced as a whole, and upload `{name}` is not of this manifest"
        );
        plan.hold(Reason::ForeignUploads, note);
    } else if plan.items.iter().any(|item| item.action == Action::Send) {
        plan.replaced_rows = view.released_rows.filter(|rows| *rows > 0);
    }
}

/// What replaces a table must be whole: where anything of it is refused, nothing
/// of it is sent.
pub(super) fn hold_partial_replaces(jobs: &mut [JobPlan]) {
    let refuses = |job: &JobPlan| {
        let mut items = job.items.iter();
        job.replaces && items.any(|item| matches!(item.class, Class::Conflict | Class::Locked))
    };
    let refused: Vec<(TableRef, String)> = jobs
        .iter()
        .filter(|job| refuses(job))
        .map(|job| (job.table.clone(), job.job.to_string()))
        .collect();
    for job in jobs {
        let sends = job.items.iter().any(|item| item.action != Action::None);
        let found = refused.iter().find(|(table, _)| table.matches(&job.table));
        if let Some((_, name)) = found
            && job.replaces
            && sends
        {
            let note = format!(
                "the table is replaced as a whole, and something of job `{name}` is refused"
            );
            job.hold(Reason::PartialReplace, note);
        }
    }
}
