//! Versions and tables: created where the plan says so, changed where a setting
//! differs, and read back, because a setting that is accepted is not yet a
//! setting that holds.

use super::context::Shared;
use super::draft::Draft;
use super::error::StepError;
use crate::base::metadata::same_text;
use crate::base::{MergeStrategy, TableRef, Version};
use crate::event::ItemEnd;
use crate::event::What;
use crate::plan::{Action, DatasetPlan, Item, JobContent, JobPlan, Subject, TableSubject};
use crate::redivis::{NewTable, RemoteTable, TablePatch};

/// Requests for one table whose answers were lost.
const CREATE_ATTEMPTS: u32 = 3;

/// Creates and changes what a dataset's jobs need. Answers whether all is in
/// place.
///
/// The draft was just looked at, or made: before the first table it is not looked at
/// again.
pub(super) fn prepare(shared: Shared<'_>, plan: &DatasetPlan, draft: &Draft) -> bool {
    let mut tables = 0;
    for item in &plan.items {
        let (what, name, action) = match (&item.subject, item.action) {
            (Subject::Version(dataset), Action::Create) => {
                (What::Version, format!("{dataset}:next"), "create")
            }
            (Subject::Table(table), Action::Create) => {
                tables += 1;
                (What::Table, table.table.to_string(), "create")
            }
            (Subject::Table(table), Action::Update) => {
                tables += 1;
                (What::Table, table.table.to_string(), "update")
            }
            _ => continue,
        };
        let end = ItemEnd::new(what, None, &name, action);
        let done = if tables > 1 {
            draft.check(shared)
        } else {
            Ok(())
        };
        let done = done.and_then(|()| do_item(shared, item, draft));
        let is_done = done.is_ok();
        let end = match done {
            Ok(()) => end.verified(),
            Err(error) => end.failed(&draft.or_changed(shared, error)),
        };
        shared.ends.push(shared.context.events, end);
        if !is_done {
            // The rest is not reached, and told as that.
            return false;
        }
    }
    true
}

/// Whether new uploads will meet the released rows as it was planned. A released
/// version does not tell a table's strategy, so a plan that was made without a
/// draft has to be held against the draft that it made.
pub(super) fn strategies_hold(shared: Shared<'_>, plan: &DatasetPlan, jobs: &[JobPlan]) -> bool {
    if plan.draft.has_next {
        return true;
    }
    let mut good = true;
    let mut seen: Vec<&TableRef> = Vec::new();
    for job in jobs {
        let has_work = job.items.iter().any(|item| item.action != Action::None);
        let is_rows = !matches!(job.content, JobContent::Files);
        let here = job.table.dataset().matches(&plan.dataset);
        if !here || !has_work || !is_rows || seen.iter().any(|one| one.matches(&job.table)) {
            continue;
        }
        seen.push(&job.table);
        if let Err(error) = strategy_holds(shared, job) {
            let name = job.table.to_string();
            let end = ItemEnd::new(What::Table, Some(&job.job), &name, "check");
            shared.ends.push(shared.context.events, end.failed(&error));
            good = false;
        }
    }
    good
}

fn strategy_holds(shared: Shared<'_>, job: &JobPlan) -> Result<(), StepError> {
    let planned = if job.replaces {
        MergeStrategy::Replace
    } else {
        MergeStrategy::Append
    };
    let found = read_table(shared, &job.table)?.and_then(|table| table.merge);
    match found {
        Some(found) if found != planned => Err(StepError::DraftChanged {
            dataset: job.table.dataset().to_string(),
            what: format!(
                "table `{}` has `merge: {}` there, which its released version does not tell",
                job.table.table(),
                found.as_str()
            ),
        }),
        Some(_) | None => Ok(()),
    }
}

fn do_item(shared: Shared<'_>, item: &Item, draft: &Draft) -> Result<(), StepError> {
    match &item.subject {
        Subject::Version(_) => draft.create_next(shared),
        Subject::Table(table) => {
            let found = if item.action == Action::Create {
                create_table(shared, table)?
            } else {
                existing_table(shared, table)?
            };
            settle_settings(shared, table, &found)
        }
        Subject::Variable(_)
        | Subject::File(_)
        | Subject::RemoteFile(_)
        | Subject::Part(_)
        | Subject::Upload(_)
        | Subject::Listed(_)
        | Subject::Source { .. } => Ok(()),
    }
}

/// Creates a table; after a refusal somebody else may have created it. Where the
/// answer was lost and the table is not there, it is asked for again: should the
/// first request come late, one of the two is refused, since a name is taken once.
fn create_table(shared: Shared<'_>, table: &TableSubject) -> Result<RemoteTable, StepError> {
    let context = shared.context;
    let new = NewTable {
        merge: table.merge,
        is_file_index: table.is_file_index,
        description: table.description.clone(),
    };
    let mut attempts = 0;
    while read_table(shared, &table.table)?.is_none() {
        attempts += 1;
        let created = context
            .writer
            .create_table(&context.call, &table.table, &new);
        let Err(error) = created else {
            break;
        };
        let is_last = attempts >= CREATE_ATTEMPTS || !error.is_in_doubt();
        if is_last && read_table(shared, &table.table)?.is_none() {
            let doing = format!("create table `{}`", table.table);
            return Err(StepError::api(doing)(error));
        }
    }
    let found = existing_table(shared, table)?;
    if found.is_file_index == table.is_file_index {
        return Ok(found);
    }
    Err(StepError::SettingIgnored {
        table: table.table.clone(),
        setting: format!("`isFileIndex: {}`", table.is_file_index),
    })
}

fn existing_table(shared: Shared<'_>, table: &TableSubject) -> Result<RemoteTable, StepError> {
    read_table(shared, &table.table)?.ok_or_else(|| StepError::Unconfirmed {
        name: table.table.to_string(),
    })
}

fn read_table(shared: Shared<'_>, table: &TableRef) -> Result<Option<RemoteTable>, StepError> {
    let context = shared.context;
    context
        .writer
        .reader()
        .table(&context.call, table, &Version::Next)
        .map_err(StepError::api(format!("read table `{table}`")))
}

/// Changes what differs and reads it back: a strategy stated at creation may
/// have been ignored (contract 5.2).
fn settle_settings(
    shared: Shared<'_>,
    table: &TableSubject,
    found: &RemoteTable,
) -> Result<(), StepError> {
    let context = shared.context;
    let differing = |found: &RemoteTable| TablePatch {
        merge: table.merge.filter(|merge| found.merge != Some(*merge)),
        description: table
            .description
            .clone()
            .filter(|text| !same_text(Some(text), found.description.as_deref())),
    };
    let patch = differing(found);
    if patch == TablePatch::default() {
        return Ok(());
    }
    context
        .writer
        .update_table(&context.call, &table.table, &patch)
        .map_err(StepError::api(format!("change table `{}`", table.table)))?;
    let left = differing(&existing_table(shared, table)?);
    let setting = match (left.merge, &left.description) {
        (Some(merge), _) => format!("`merge: {}`", merge.as_str()),
        (None, Some(_)) => "its description".to_owned(),
        (None, None) => return Ok(()),
    };
    Err(StepError::SettingIgnored {
        table: table.table.clone(),
        setting,
    })
}
