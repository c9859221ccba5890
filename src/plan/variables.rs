//! Variables: what the manifest says of them against what the table says. A
//! variable is there only once rows or an upload have made it, so what is said of
//! one that is still to come is pending.

use strsim::damerau_levenshtein;

use super::context::PlanContext;
use super::error::{PlanError, check_cancel};
use super::model::{Action, Class, Item, JobContent, JobPlan, Reason, Subject, VariableSubject};
use super::observe::{DatasetView, TableView};
use crate::base::names::escaped;
use crate::base::{TableRef, VariableMetadata, Version};
use crate::redivis::{ApiError, Call, Reader, RemoteVariable};

/// The items of a table's variables. `jobs` are those of the table that are not
/// held.
pub(super) fn plan_variables(
    context: &PlanContext<'_>,
    dataset: &DatasetView,
    view: &TableView,
    jobs: &[&JobPlan],
) -> Result<Vec<Item>, PlanError> {
    let stated = context.manifest.variables_of(&view.table);
    if stated.is_empty() || !sees_whole_table(context, &view.table) {
        return Ok(Vec::new());
    }
    let remote = remote_variables(context, dataset, view)?;
    let coming = Coming::of(jobs);
    let writable = dataset.draft.has_next || context.manifest.prepare.next_version;
    let mut items = Vec::new();
    for (name, wanted) in stated {
        let known = remote.iter().find(|one| is_named(&one.name, &name));
        let (class, reason, subject, note) = if let Some(known) = known {
            check_cancel(context.call.cancel)?;
            let found = told_in_full(
                context.reader,
                &context.call,
                (&view.table, &dataset.base),
                known,
                &wanted,
            )
            .map_err(|error| {
                PlanError::remote(format!("variable `{name}` of `{}`", view.table), error)
            })?;
            let missing = wanted.missing_in(&found);
            if missing.is_empty() {
                continue;
            }
            let before = Some(found.only(&missing));
            let subject = (known.name.clone(), before, missing);
            (Class::Changed, Reason::SettingDiffers, subject, None)
        } else if coming.makes(&name, remote.is_empty()) {
            let note = "when its data is there".to_owned();
            (
                Class::New,
                Reason::Missing,
                (name, None, wanted),
                Some(note),
            )
        } else if remote.is_empty() && !coming.sends {
            // Without rows a table has no variables, and nothing to describe.
            continue;
        } else {
            let note = unknown(&view.table, &name, &known_names(&remote, &coming));
            let subject = (name, None, wanted);
            (
                Class::Conflict,
                Reason::UnknownVariable,
                subject,
                Some(note),
            )
        };
        let (name, before, wanted) = subject;
        let subject = Subject::Variable(Box::new(VariableSubject {
            table: view.table.clone(),
            name,
            before,
            wanted,
        }));
        let refused = class == Class::Conflict;
        items.push(if refused || writable {
            Item {
                class,
                reason,
                action: if refused { Action::None } else { Action::Update },
                note,
                subject,
            }
        } else {
            Item {
                class: Class::Conflict,
                reason: Reason::NotPrepared,
                action: Action::None,
                note: Some(format!(
                    "dataset `{}` has no `next` version; create it, or say `prepare: {{ next_version: true }}`",
                    dataset.dataset
                )),
                subject,
            }
        });
    }
    Ok(items)
}

/// Whether a released version does not say of a table's variables what the manifest
/// says.
pub(super) fn lacks_words(
    context: &PlanContext<'_>,
    view: &TableView,
    version: &Version,
) -> Result<bool, PlanError> {
    let stated = context.manifest.variables_of(&view.table);
    if stated.is_empty() {
        return Ok(false);
    }
    let failed = |error| PlanError::remote(format!("the variables of `{}`", view.table), error);
    let (reader, call) = (context.reader, &context.call);
    let listed = reader
        .variables(call, &view.table, version)
        .map_err(failed)?;
    for (name, wanted) in stated {
        let Some(known) = listed.iter().find(|one| is_named(&one.name, &name)) else {
            continue;
        };
        let place = (&view.table, version);
        let found = told_in_full(reader, call, place, known, &wanted).map_err(failed)?;
        if !wanted.missing_in(&found).is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether this run is about all of a table: what is said of it belongs to the
/// whole.
fn sees_whole_table(context: &PlanContext<'_>, table: &TableRef) -> bool {
    let mut jobs = context.manifest.jobs.iter();
    context.selection.sees_everything()
        && jobs.all(|job| !job.table.matches(table) || context.selection.takes(job))
}

fn remote_variables(
    context: &PlanContext<'_>,
    dataset: &DatasetView,
    view: &TableView,
) -> Result<Vec<RemoteVariable>, PlanError> {
    match &view.remote {
        None => Ok(Vec::new()),
        Some(table) if table.is_file_index => context
            .reader
            .variables(&context.call, &view.table, &dataset.base)
            .map_err(|error| {
                PlanError::remote(format!("the variables of `{}`", view.table), error)
            }),
        Some(_) => Ok(view.variables.clone()),
    }
}

/// What is said of a variable, as far as `stated` asks for it: the list form has
/// the label only (contract 5.3), so the rest is asked for where the list does not
/// tell it.
pub fn told_in_full(
    reader: &Reader,
    call: &Call<'_>,
    (table, version): (&TableRef, &Version),
    listed: &RemoteVariable,
    stated: &VariableMetadata,
) -> Result<VariableMetadata, ApiError> {
    let told = &listed.metadata;
    let is_told = (stated.description.is_none() || told.description.is_some())
        && (stated.value_labels.is_none() || told.value_labels.is_some());
    if is_told {
        return Ok(told.clone());
    }
    let found = reader.variable(call, table, version, &listed.name)?;
    Ok(found.map_or_else(|| told.clone(), |found| found.metadata))
}

/// Whether two names are one variable to the platform.
pub fn is_named(one: &str, other: &str) -> bool {
    escaped(one) == escaped(other)
}

/// Variables that this run brings to a table.
#[derive(Debug, Default)]
struct Coming<'a> {
    /// Of the schemas of jobs that send rows.
    names: Vec<&'a str>,
    /// Something is sent.
    sends: bool,
    /// Bulk uploads are sent, whose variables only the platform can tell.
    bulk: bool,
}

impl<'a> Coming<'a> {
    fn of(jobs: &[&'a JobPlan]) -> Self {
        let mut coming = Self::default();
        for job in jobs {
            if !job.items.iter().any(|item| item.action == Action::Send) {
                continue;
            }
            coming.sends = true;
            match &job.content {
                JobContent::Rows(content) => {
                    let names = content.schema.iter().map(|one| one.name.as_str());
                    coming.names.extend(names);
                }
                JobContent::Uploads { .. } => coming.bulk = true,
                JobContent::Files => {}
            }
        }
        coming
    }

    /// Whether a variable may come with what is sent. A table of files that has
    /// variables has all of them.
    fn makes(&self, name: &str, table_is_bare: bool) -> bool {
        let is_files = self.sends && !self.bulk && self.names.is_empty();
        self.bulk || is_files && table_is_bare || self.names.iter().any(|one| is_named(one, name))
    }
}

fn known_names<'a>(remote: &'a [RemoteVariable], coming: &Coming<'a>) -> Vec<&'a str> {
    let names = remote.iter().map(|one| one.name.as_str());
    names.chain(coming.names.iter().copied()).collect()
}

/// Why nothing can be said of a variable, with the name that was probably meant.
pub fn unknown(table: &TableRef, name: &str, known: &[&str]) -> String {
    let lower = name.to_lowercase();
    let nearest = known
        .iter()
        .map(|one| (damerau_levenshtein(&lower, &one.to_lowercase()), *one))
        .min();
    let hint = nearest.map_or_else(String::new, |(_, nearest)| {
        format!("; the nearest is `{nearest}`")
    });
    format!("table `{}` has no variable `{name}`{hint}", table.table())
}
