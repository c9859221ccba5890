//! What the manifest says of variables: sent once the data of their table is
//! verified, and read back, because a word that is accepted is not yet a word that
//! holds.

use std::time::Duration;

use super::context::Shared;
use super::draft::Draft;
use super::error::StepError;
use crate::base::metadata::same_text;
use crate::base::{ManifestName, TableRef, VariableMetadata, Version};
use crate::event::{Event, ItemEnd, Phase, What};
use crate::plan::{
    Action, DatasetPlan, Item, Plan, Subject, VariableSubject, find_table, is_named, told_in_full,
    unknown,
};
use crate::redivis::RemoteVariable;

/// How often a changed variable is looked at until it shows the change.
const LOOKS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Says what the plan says. `ready` tells which datasets are prepared, `complete`
/// the jobs whose data is verified: of a table with another one nothing is said.
pub(super) fn describe(
    shared: Shared<'_>,
    plan: &Plan,
    (drafts, ready): (&[Draft], &[bool]),
    complete: &[ManifestName],
) {
    let mut is_told = false;
    for ((dataset, draft), ready) in plan.datasets.iter().zip(drafts).zip(ready) {
        let variables: Vec<&VariableSubject> = dataset.items.iter().filter_map(wanted).collect();
        if variables.is_empty() {
            continue;
        }
        if !is_told {
            shared.context.events.send(Event::Phase(Phase::Describing));
            is_told = true;
        }
        let describing = Describing {
            shared,
            plan,
            draft,
            complete,
            is_ready: *ready,
            was_seen: dataset.draft.has_next,
        };
        describing.all(&variables);
    }
}

fn wanted(item: &Item) -> Option<&VariableSubject> {
    match (&item.subject, item.action) {
        (Subject::Variable(variable), Action::Update) => Some(variable),
        (_, _) => None,
    }
}

/// One dataset's variables under way.
#[derive(Clone, Copy)]
struct Describing<'a> {
    shared: Shared<'a>,
    plan: &'a Plan,
    draft: &'a Draft,
    complete: &'a [ManifestName],
    is_ready: bool,
    /// The plan looked at this draft, not at the release that it follows.
    was_seen: bool,
}

impl Describing<'_> {
    fn all(self, variables: &[&VariableSubject]) {
        let context = self.shared.context;
        let allowed = if self.is_ready {
            self.draft.check(self.shared)
        } else {
            Err(StepError::Blocked("the draft is not prepared".to_owned()))
        };
        if let Err(error) = &allowed {
            for variable in variables {
                let end = end_of(variable).failed(error);
                self.shared.ends.push(context.events, end);
            }
            return;
        }
        context.net_pool.in_place_scope(|net| {
            for &variable in variables {
                net.spawn(move |_| self.shared.ends.push(context.events, self.end(variable)));
            }
        });
    }

    fn end(self, variable: &VariableSubject) -> ItemEnd {
        match self.one(variable) {
            Ok(()) => end_of(variable).verified(),
            Err(error) => end_of(variable).failed(&self.draft.or_changed(self.shared, error)),
        }
    }

    fn one(self, variable: &VariableSubject) -> Result<(), StepError> {
        let context = self.shared.context;
        let is_over = self.shared.ends.has_fatal(context.options.fail_fast);
        if context.cancel.is_cancelled() || is_over {
            return Err(StepError::Cancelled);
        }
        let mut jobs = self.plan.jobs.iter();
        let open = jobs
            .find(|job| job.table.matches(&variable.table) && !self.complete.contains(&job.job));
        if let Some(job) = open {
            let why = format!("job `{}` of its table is not complete", job.job);
            return Err(StepError::Blocked(why));
        }
        settle(self.shared, variable, self.was_seen)
    }
}

fn end_of(variable: &VariableSubject) -> ItemEnd {
    let name = variable.full_name();
    let mut end = ItemEnd::new(What::Variable, None, &name, Action::Update.as_str());
    end.attempts = 1;
    end
}

fn doing(verb: &str, variable: &VariableSubject) -> String {
    let table = &variable.table;
    format!("{verb} variable `{}` of `{table}`", variable.name)
}

/// Looks, changes what differs and reads it back. An answer that was lost is looked
/// for: what is there is not asked for again.
fn settle(shared: Shared<'_>, variable: &VariableSubject, was_seen: bool) -> Result<(), StepError> {
    let context = shared.context;
    let found = look(shared, variable)?;
    let missing = variable.wanted.missing_in(&found.metadata);
    if missing.is_empty() {
        return Ok(());
    }
    if let Some(before) = variable.before.as_ref().filter(|_| was_seen) {
        let planned = as_stated(before).only(&missing);
        let moved = planned.missing_in(&found.metadata);
        if !moved.is_empty() {
            return Err(changed_since(variable, &moved));
        }
    }
    let sent =
        context
            .writer
            .update_variable(&context.call, &variable.table, &found.name, &missing);
    let sent = match sent {
        Err(error) if error.is_cancelled() || !error.is_temporary() => {
            return Err(StepError::api(doing("describe", variable))(error));
        }
        other => other,
    };
    let mut pause = FIRST_PAUSE;
    let mut shown = found.metadata;
    for count in 0..LOOKS {
        if count > 0 {
            let is_awake = context
                .cancel
                .wait(pause.mul_f64(context.options.poll_scale));
            if !is_awake {
                return Err(StepError::Cancelled);
            }
            pause *= 2;
        }
        let now = look(shared, variable)?.metadata;
        if variable.wanted.missing_in(&now).is_empty() {
            return Ok(());
        }
        let is_another = now != shown;
        shown = now;
        if is_another {
            break;
        }
    }
    if let Err(error) = sent {
        return Err(StepError::api(doing("describe", variable))(error));
    }
    let left = variable.wanted.missing_in(&shown);
    if left == missing {
        return Err(StepError::Unconfirmed {
            name: variable.full_name(),
        });
    }
    Err(StepError::SettingIgnored {
        table: variable.table.clone(),
        setting: format!("{} of variable `{}`", field_of(&left), variable.name),
    })
}

fn look(shared: Shared<'_>, variable: &VariableSubject) -> Result<RemoteVariable, StepError> {
    let context = shared.context;
    let (reader, table) = (context.writer.reader(), &variable.table);
    let found = reader
        .variable(&context.call, table, &Version::Next, &variable.name)
        .map_err(StepError::api(doing("read", variable)))?;
    if let Some(found) = found {
        return Ok(found);
    }
    let listed = reader
        .variables(&context.call, table, &Version::Next)
        .map_err(StepError::api(format!("list the variables of `{table}`")))?;
    let names: Vec<&str> = listed.iter().map(|one| one.name.as_str()).collect();
    let why = unknown(table, &variable.name, &names);
    let mut known = listed.into_iter();
    known
        .find(|one| is_named(&one.name, &variable.name) && one.name != variable.name)
        .map_or(Err(StepError::NoVariable(why)), |twin| {
            let spelled = VariableSubject {
                name: twin.name,
                ..variable.clone()
            };
            look(shared, &spelled)
        })
}

/// What is there, so that "nothing" is compared too.
fn as_stated(found: &VariableMetadata) -> VariableMetadata {
    VariableMetadata {
        label: Some(found.label.clone().unwrap_or_default()),
        description: Some(found.description.clone().unwrap_or_default()),
        value_labels: Some(found.value_labels.clone().unwrap_or_default()),
    }
}

/// Somebody's words that nobody planned to replace stay.
fn changed_since(variable: &VariableSubject, moved: &VariableMetadata) -> StepError {
    StepError::DraftChanged {
        dataset: variable.table.dataset().to_string(),
        what: format!(
            "{} of variable `{}` of table `{}` is not what the plan saw",
            field_of(moved),
            variable.name,
            variable.table.table()
        ),
    }
}

/// The first field that is stated, in words.
fn field_of(metadata: &VariableMetadata) -> &'static str {
    if metadata.label.is_some() {
        "the label"
    } else if metadata.description.is_some() {
        "the description"
    } else {
        "the value labels"
    }
}

/// The first thing that the manifest says of a dataset's tables and variables and
/// that the draft does not: it is not released so. A table without variables has no
/// rows, and nothing to describe.
pub(super) fn unsaid(
    shared: Shared<'_>,
    dataset: &DatasetPlan,
) -> Result<Option<String>, StepError> {
    let manifest = shared.context.manifest;
    let mut seen: Vec<&TableRef> = Vec::new();
    for job in &manifest.jobs {
        let table = &job.table;
        let is_here = table.dataset().matches(&dataset.dataset);
        if !is_here || seen.iter().any(|one| one.matches(table)) {
            continue;
        }
        seen.push(table);
        if let Some(why) = unsaid_of_table(shared, table)? {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

fn unsaid_of_table(shared: Shared<'_>, table: &TableRef) -> Result<Option<String>, StepError> {
    let context = shared.context;
    let (reader, call) = (context.writer.reader(), &context.call);
    let settings = context.manifest.settings_of(table);
    let description = settings.and_then(|settings| settings.description.as_deref());
    let stated = context.manifest.variables_of(table);
    if description.is_none() && stated.is_empty() {
        return Ok(None);
    }
    let found = find_table(reader, call, table, &Version::Next)
        .map_err(StepError::api(format!("read table `{table}`")))?;
    let Some(found) = found else {
        return Ok(None);
    };
    let name = table.table();
    if description.is_some() && !same_text(found.description.as_deref(), description) {
        return Ok(Some(format!(
            "table `{name}` does not have the description of the manifest"
        )));
    }
    if stated.is_empty() {
        return Ok(None);
    }
    let failed = || StepError::api(format!("read the variables of `{table}`"));
    let listed = reader
        .variables(call, table, &Version::Next)
        .map_err(failed())?;
    if listed.is_empty() {
        return Ok(None);
    }
    for (variable, wanted) in stated {
        let Some(known) = listed.iter().find(|one| is_named(&one.name, &variable)) else {
            let names: Vec<&str> = listed.iter().map(|one| one.name.as_str()).collect();
            return Ok(Some(unknown(table, &variable, &names)));
        };
        let place = (table, &Version::Next);
        let found = told_in_full(reader, call, place, known, &wanted).map_err(failed())?;
        let missing = wanted.missing_in(&found);
        if !missing.is_empty() {
            return Ok(Some(format!(
                "variable `{variable}` of table `{name}` does not have {} of the manifest",
                field_of(&missing)
            )));
        }
    }
    Ok(None)
}
