//! Versions and tables: what must exist first, what stands in the way, and the
//! guards of a job.

use super::context::PlanContext;
use super::error::PlanError;
use super::expect::judge;
use super::model::{
    Action, Class, DatasetPlan, Item, JobContent, JobPlan, Reason, Subject, TableBefore,
    TableSubject,
};
use super::observe::{DatasetView, TableView};
use super::release::plan_release;
use super::variables::plan_variables;
use crate::base::metadata::same_text;
use crate::manifest::{Job, Source};

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
    // A shard sees a part of the job, so only the job as a whole can be judged.
    if context.selection.sees_everything()
        && let Some(note) = judge(&job.expect, &plan.wanted())
    {
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
            let free: Vec<&JobPlan> = jobs
                .iter()
                .filter(|job| job.table.matches(&view.table) && !job.is_held())
                .collect();
            items.extend(plan_variables(context, dataset, view, &free)?);
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
    items.extend(plan_release(
        context,
        dataset,
        views,
        (jobs, &items),
        has_work,
    )?);
    Ok(DatasetPlan {
        dataset: dataset.dataset.clone(),
        base: dataset.base.clone(),
        draft: dataset.draft.clone(),
        items,
    })
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
        before: TableBefore::default(),
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
        .filter(|text| !same_text(Some(text), remote.description.as_deref()));
    subject.before = TableBefore {
        merge: remote.merge,
        description: remote.description.clone(),
    };
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
