//! Versions and tables: what must exist first, what stands in the way, and the
//! guards of a job.

use super::context::PlanContext;
use super::error::PlanError;
use super::listed::Listing;
use super::merge::owners_of;
use super::model::{
    Action, Class, DatasetPlan, Item, JobContent, JobPlan, Reason, Subject, TableSubject,
};
use super::observe::{DatasetView, TableView};
use super::pending::has_unreleased_files;
use crate::base::names::escaped;
use crate::base::{TableRef, Version};
use crate::manifest::{Job, Others, Release, Source};
use crate::redivis::RemoteTable;

/// Guards that are about the whole job: the table's kind, what `prepare` allows,
/// the history, `expect`.
pub(super) fn guard_job(
    context: &PlanContext<'_>,
    job: &Job,
    view: &TableView,
    dataset: &DatasetView,
    plan: &mut JobPlan,
) {
    let wants_files = matches!(job.source, Source::Files(_));
    if let Some(remote) = &view.remote
        && remote.is_file_index != wants_files
    {
        let (is, wants) = if wants_files {
            ("rows", "files")
        } else {
            ("files", "rows")
        };
        plan.hold(
            Reason::WrongKind,
            format!(
                "table `{}` is a table of {is}, and the job sends {wants}",
                job.table.table()
            ),
        );
        return;
    }
    let sends = plan.items.iter().any(|item| item.action == Action::Send);
    if let Some(why) = &view.history.unreadable
        && sends
    {
        plan.hold(Reason::HistoryUnreadable, why.clone());
        return;
    }
    if let Some(note) = expect_failure(context, job, view, plan) {
        plan.hold(Reason::ExpectFailed, note);
        return;
    }
    let prepare = context.manifest.prepare;
    let has_work = plan.items.iter().any(|item| item.action != Action::None);
    if has_work && !dataset.draft.has_next && !prepare.next_version {
        plan.hold(
            Reason::NotPrepared,
            format!(
                "dataset `{}` has no `next` version; create it, or say `prepare: {{ next_version: true }}`",
                job.table.dataset()
            ),
        );
    } else if has_work && view.remote.is_none() && !prepare.tables {
        plan.hold(
            Reason::NotPrepared,
            format!(
                "table `{}` does not exist; create it, or say `prepare: {{ tables: true }}`",
                job.table.table()
            ),
        );
    }
}

/// The first guard of `expect` that fails, in words.
fn expect_failure(
    context: &PlanContext<'_>,
    job: &Job,
    view: &TableView,
    plan: &JobPlan,
) -> Option<String> {
    let expect = &job.expect;
    let wanted = plan.wanted();
    let at_least = |what: &str, is: u64, bound: Option<u64>| {
        bound
            .filter(|bound| is < *bound)
            .map(|bound| format!("expected at least {bound} {what}, found {is}"))
    };
    let at_most = |what: &str, is: u64, bound: Option<u64>| {
        bound
            .filter(|bound| is > *bound)
            .map(|bound| format!("expected at most {bound} {what}, found {is}"))
    };
    // A shard sees a part of the job, so only the job as a whole can be judged.
    if !context.selection.sees_everything() {
        return None;
    }
    at_least("files", wanted.files, expect.min_files)
        .or_else(|| at_most("files", wanted.files, expect.max_files))
        .or_else(|| at_least("bytes", wanted.bytes, expect.min_bytes.map(|one| one.0)))
        .or_else(|| at_most("bytes", wanted.bytes, expect.max_bytes.map(|one| one.0)))
        .or_else(|| {
            let rows = wanted.rows?;
            at_least("rows", rows, expect.min_rows)
                .or_else(|| at_most("rows", rows, expect.max_rows))
                .or_else(|| shrink_failure(rows, view.released_rows, expect.max_shrink, plan))
        })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of rows; the last digit does not matter"
)]
fn shrink_failure(
    rows: u64,
    released: Option<u64>,
    bound: Option<f64>,
    plan: &JobPlan,
) -> Option<String> {
    let (released, bound) = (released.filter(|rows| *rows > 0)?, bound?);
    plan.replaced_rows?;
    let share = 1.0 - rows as f64 / released as f64;
    (share > bound).then(|| {
        format!(
            "the table would shrink from {released} to {rows} rows, more than {:.0} %",
            bound * 100.0
        )
    })
}

/// What must be created or changed before the jobs, and the release after them.
pub(super) fn plan_dataset(
    context: &PlanContext<'_>,
    dataset: &DatasetView,
    views: &[TableView],
    jobs: &mut [JobPlan],
) -> Result<DatasetPlan, PlanError> {
    let here = |job: &&JobPlan| job.table.dataset().matches(&dataset.dataset);
    let mut items = Vec::new();
    for view in views
        .iter()
        .filter(|view| view.table.dataset().matches(&dataset.dataset))
    {
        let used = jobs.iter().filter(|job| job.table.matches(&view.table));
        let mut wants = Wants::default();
        for job in used {
            wants.work |= job.items.iter().any(|item| item.action != Action::None);
            wants.files |= !has_rows(job);
        }
        let held = jobs
            .iter()
            .filter(|job| job.table.matches(&view.table))
            .all(JobPlan::is_held);
        if !held {
            items.extend(plan_table(context, view, dataset, wants));
        }
    }
    let has_work = jobs
        .iter()
        .filter(here)
        .flat_map(|job| &job.items)
        .chain(&items)
        .any(|item| item.action != Action::None);
    if has_work && !dataset.draft.has_next {
        items.insert(
            0,
            Item {
                class: Class::New,
                reason: Reason::Missing,
                action: Action::Create,
                note: None,
                subject: Subject::Version(dataset.dataset.clone()),
            },
        );
    }
    if let Release::Yes { others, .. } = &context.manifest.release
        && context.selection.is_whole()
        && (has_work || draft_has_ours(context, dataset, views)?)
    {
        let refusal = match others {
            Others::Allow => None,
            Others::Fail => others_change(context, dataset, views)?,
        };
        items.push(plan_release(dataset, refusal));
    }
    Ok(DatasetPlan {
        dataset: dataset.dataset.clone(),
        base: dataset.base.clone(),
        draft: dataset.draft.clone(),
        items,
    })
}

fn plan_release(dataset: &DatasetView, refusal: Option<String>) -> Item {
    let refused = refusal.is_some();
    Item {
        class: if refused {
            Class::Conflict
        } else {
            Class::Changed
        },
        reason: if refused {
            Reason::ForeignUploads
        } else {
            Reason::Pending
        },
        action: if refused {
            Action::None
        } else {
            Action::Release
        },
        note: refusal,
        subject: Subject::Version(dataset.dataset.clone()),
    }
}

/// What the draft holds that is not of this manifest, in words. Uploads are told
/// by their names; tables that the manifest does not write by what their listed
/// form says, compared with the newest release.
fn others_change(
    context: &PlanContext<'_>,
    dataset: &DatasetView,
    views: &[TableView],
) -> Result<Option<String>, PlanError> {
    const HINT: &str = "release it yourself, or say `release: { others: allow }`";
    let here = |view: &&TableView| view.table.dataset().matches(&dataset.dataset);
    for view in views.iter().filter(here) {
        let owners = owners_of(context.manifest, &view.table);
        if let Some(foreign) = Listing::of(view, &owners).foreign.first() {
            return Ok(Some(format!(
                "the draft of table `{}` holds upload `{}`, which is not of this manifest; {HINT}",
                view.table.table(),
                foreign.name
            )));
        }
    }
    if !dataset.draft.has_next {
        return Ok(None);
    }
    let current = dataset.draft.current_tag.clone().map(Version::Tag);
    let released = match &current {
        Some(version) => tables_at(context, dataset, version)?,
        None => Vec::new(),
    };
    for table in tables_at(context, dataset, &Version::Next)? {
        let is_ours = views
            .iter()
            .filter(here)
            .any(|view| escaped(view.table.table()) == escaped(&table.name));
        if is_ours {
            continue;
        }
        let before = released
            .iter()
            .find(|one| escaped(&one.name) == escaped(&table.name));
        let is_same = match (before, &current) {
            (Some(before), Some(version)) => {
                before.num_rows == table.num_rows
                    && before.description == table.description
                    && !has_new_uploads(context, dataset, &table, version)?
            }
            (None, _) | (_, None) => false,
        };
        if !is_same {
            return Ok(Some(format!(
                "the draft changes table `{}`, which this manifest does not write; {HINT}",
                table.name
            )));
        }
    }
    Ok(None)
}

fn tables_at(
    context: &PlanContext<'_>,
    dataset: &DatasetView,
    version: &Version,
) -> Result<Vec<RemoteTable>, PlanError> {
    context
        .reader
        .tables(&context.call, &dataset.dataset, version)
        .map_err(|error| PlanError::remote(format!("the tables of `{}`", dataset.dataset), error))
}

/// Whether the draft lists uploads of a table that the released version does
/// not: a draft's count of rows is no proof (contract 5.1).
fn has_new_uploads(
    context: &PlanContext<'_>,
    dataset: &DatasetView,
    table: &RemoteTable,
    released: &Version,
) -> Result<bool, PlanError> {
    if table.is_file_index {
        return Ok(false);
    }
    let Ok(table) = TableRef::new(dataset.dataset.clone(), &escaped(&table.name)) else {
        return Ok(false);
    };
    let list = |version: &Version| {
        let listed = context.reader.uploads(&context.call, &table, version);
        listed.map_err(|error| PlanError::remote(format!("the uploads of `{table}`"), error))
    };
    let drafted = list(&Version::Next)?;
    if drafted.is_empty() {
        return Ok(false);
    }
    let released = list(released)?;
    Ok(drafted
        .iter()
        .any(|upload| released.iter().all(|one| one.name != upload.name)))
}

/// Whether the draft holds something of ours that waits for its release.
fn draft_has_ours(
    context: &PlanContext<'_>,
    dataset: &DatasetView,
    views: &[TableView],
) -> Result<bool, PlanError> {
    let here = |view: &&TableView| view.table.dataset().matches(&dataset.dataset);
    let mut uploads = views
        .iter()
        .filter(here)
        .flat_map(|view| &view.draft_uploads);
    if uploads.any(|upload| crate::base::PartName::parse(&upload.name).is_some()) {
        return Ok(true);
    }
    for view in views.iter().filter(here) {
        if has_unreleased_files(context, dataset, view)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the jobs of a table want of it.
#[derive(Debug, Clone, Copy, Default)]
struct Wants {
    /// Something is to be done in it.
    work: bool,
    /// Its records are files.
    files: bool,
}

fn plan_table(
    context: &PlanContext<'_>,
    view: &TableView,
    dataset: &DatasetView,
    wants: Wants,
) -> Option<Item> {
    let settings = context.manifest.settings_of(&view.table);
    let mut subject = TableSubject {
        table: view.table.clone(),
        is_file_index: wants.files,
        merge: settings.and_then(|one| one.merge),
        description: settings.and_then(|one| one.description.clone()),
    };
    let Some(remote) = &view.remote else {
        return wants.work.then_some(Item {
            class: Class::New,
            reason: Reason::Missing,
            action: Action::Create,
            note: None,
            subject: Subject::Table(subject),
        });
    };
    // A released version tells no strategy, so it is stated again in the draft.
    let merge_known = dataset.draft.has_next;
    subject.merge = subject.merge.filter(|merge| {
        if merge_known {
            remote.merge != Some(*merge)
        } else {
            wants.work
        }
    });
    subject.description = subject
        .description
        .filter(|text| remote.description.as_deref() != Some(text.as_str()));
    if subject.merge.is_none() && subject.description.is_none() {
        return None;
    }
    let writable = dataset.draft.has_next || context.manifest.prepare.next_version;
    Some(Item {
        class: if writable {
            Class::Changed
        } else {
            Class::Conflict
        },
        reason: if writable {
            Reason::SettingDiffers
        } else {
            Reason::NotPrepared
        },
        action: if writable {
            Action::Update
        } else {
            Action::None
        },
        note: None,
        subject: Subject::Table(subject),
    })
}

/// Whether a job is about rows, not files.
fn has_rows(plan: &JobPlan) -> bool {
    matches!(
        plan.content,
        JobContent::Rows(_) | JobContent::Uploads { .. }
    )
}
