//! What a manifest says of variables, in a job's `schema` and under `tables`, and
//! that the places which speak of one variable do not contradict each other.

use std::collections::BTreeMap;

use crate::base::names::escaped;
use crate::base::{VariableMetadata, VariableType};

use super::super::keys::TABLE_VARIABLE;
use super::super::limits::{DESCRIPTION_CHARACTERS, LABEL_CHARACTERS};
use super::super::model::{Job, Schema, Source, TableSettings, Variable};
use super::super::problem::ProblemCode;
use super::super::tree::{Entry, Node, Value};
use super::fields::Fields;
use super::manifest::Placed;
use super::{Checker, fields, scalars, shown, variable};

/// `label`, `description` and `value_labels` of a mapping that has these keys.
pub(super) fn metadata(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    kind: Option<VariableType>,
) -> VariableMetadata {
    VariableMetadata {
        label: fields
            .get("label")
            .and_then(|node| bounded(checker, node, "label", LABEL_CHARACTERS)),
        description: fields
            .get("description")
            .and_then(|node| description(checker, node)),
        value_labels: fields
            .get("value_labels")
            .map(|node| value_labels(checker, node, kind)),
    }
}

/// A description, of a variable or of a table.
pub(super) fn description(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<String> {
    bounded(checker, node, "description", DESCRIPTION_CHARACTERS)
}

fn bounded(checker: &mut Checker<'_>, node: &Node<'_>, what: &str, most: usize) -> Option<String> {
    let text = scalars::text(checker, node)?;
    fits(checker, node, what, &text, most).then(|| text.trim().to_owned())
}

fn fits(checker: &mut Checker<'_>, node: &Node<'_>, what: &str, text: &str, most: usize) -> bool {
    let count = text.trim().chars().count();
    if count > most {
        checker
            .problem(
                ProblemCode::TooLong,
                node.span.clone(),
                format!("this {what} has {count} characters, and at most {most} are taken"),
            )
            .help(if what == "description" {
                "shorten it"
            } else {
                "say the rest in `description`"
            });
    }
    count <= most
}

fn value_labels(
    checker: &mut Checker<'_>,
    node: &Node<'_>,
    kind: Option<VariableType>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for entry in fields::map(checker, node, "`value_labels`").unwrap_or_default() {
        if let Some(kind) = kind
            && !is_value(&entry.key, kind)
        {
            let message = format!("`{}` is not a value of type `{kind}`", shown(&entry.key));
            checker
                .problem(ProblemCode::BadCode, entry.key_span.clone(), message)
                .help("the codes are values of the variable, as the platform shows them");
        }
        let Some(label) = scalars::cell(checker, &entry.value) else {
            continue;
        };
        if label.trim().is_empty() {
            checker
                .problem(
                    ProblemCode::Empty,
                    entry.value.span.clone(),
                    format!("the label of `{}` is empty", shown(&entry.key)),
                )
                .help("leave the value out: `value_labels` states all of them");
        } else if fits(checker, &entry.value, "label", &label, LABEL_CHARACTERS) {
            labels.insert(entry.key.clone().into_owned(), label.trim().to_owned());
        }
    }
    labels
}

/// Whether a code can be a value of the type; only where that is beyond doubt.
fn is_value(code: &str, kind: VariableType) -> bool {
    match kind {
        VariableType::Integer => code.parse::<i64>().is_ok(),
        VariableType::Float => code.parse::<f64>().is_ok_and(f64::is_finite),
        VariableType::Boolean => matches!(code, "true" | "false"),
        VariableType::String
        | VariableType::Date
        | VariableType::DateTime
        | VariableType::Time
        | VariableType::Geography => true,
    }
}

/// `variables` of a table.
pub(super) fn variables(
    checker: &mut Checker<'_>,
    node: &Node<'_>,
) -> Vec<(String, VariableMetadata)> {
    let mut found: Vec<(String, VariableMetadata)> = Vec::new();
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for entry in fields::map(checker, node, "`variables`").unwrap_or_default() {
        let named = variable::variable_name(checker, entry);
        let Some(fields) = fields::fields(checker, &entry.value, &TABLE_VARIABLE) else {
            continue;
        };
        let metadata = metadata(checker, &fields, None);
        if !variable::is_twin(checker, entry, &mut seen) && named.is_some() {
            found.push((entry.key.clone().into_owned(), metadata));
        }
    }
    found
}

/// What the schemas of all jobs say of the variables of their tables.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// By table and variable, as the platform compares them.
    variables: BTreeMap<(String, String), Said>,
}

#[derive(Debug)]
struct Said {
    job: String,
    kind: VariableType,
    metadata: VariableMetadata,
}

/// Collects what the schemas say. Jobs of one table must say the same of a
/// variable, or only one of them speaks.
pub(super) fn declared(checker: &mut Checker<'_>, jobs: &[Placed]) -> Declared {
    let mut declared = Declared::default();
    for placed in jobs {
        let table = escaped(&placed.job.table.to_string());
        for variable in schema_of(&placed.job) {
            let key = (table.clone(), escaped(&variable.name));
            let Some(said) = declared.variables.get_mut(&key) else {
                let said = Said {
                    job: placed.job.name.to_string(),
                    kind: variable.kind,
                    metadata: variable.metadata.clone(),
                };
                declared.variables.insert(key, said);
                continue;
            };
            if let Some(field) = said.metadata.contradicts(&variable.metadata) {
                let span = placed.table_span.clone();
                contradiction(checker, span, (&variable.name, field), &said.job);
            }
            said.metadata = said.metadata.or(&variable.metadata);
        }
    }
    declared
}

/// `tables` and the schemas of a table's jobs must say the same of a variable, or
/// only one of them speaks. `entry` is the table's, `settings` what it says.
pub(super) fn agree(
    checker: &mut Checker<'_>,
    entry: &Entry<'_>,
    settings: &TableSettings,
    declared: &Declared,
) {
    let table = escaped(&settings.table.to_string());
    for (name, stated) in &settings.variables {
        let Some(said) = declared.variables.get(&(table.clone(), escaped(name))) else {
            continue;
        };
        if let Some(field) = stated.contradicts(&said.metadata) {
            let span = variable_span(entry, name);
            contradiction(checker, span, (name, field), &said.job);
        } else if let Some(code) = wrong_code(stated, said.kind) {
            let message = format!("`{}` is not a value of type `{}`", shown(&code), said.kind);
            checker
                .problem(ProblemCode::BadCode, variable_span(entry, name), message)
                .label(format!("its type is in the schema of job `{}`", said.job));
        }
    }
}

fn wrong_code(stated: &VariableMetadata, kind: VariableType) -> Option<String> {
    let mut codes = stated.value_labels.iter().flat_map(BTreeMap::keys);
    codes.find(|code| !is_value(code, kind)).cloned()
}

fn contradiction(
    checker: &mut Checker<'_>,
    span: std::ops::Range<usize>,
    (name, field): (&str, &str),
    job: &str,
) {
    checker
        .problem(
            ProblemCode::Conflict,
            span,
            format!(
                "the schema of job `{job}` states another `{field}` of variable `{}`",
                shown(name)
            ),
        )
        .label("a variable belongs to the table, and has one")
        .help("state it in one place");
}

fn variable_span(entry: &Entry<'_>, name: &str) -> std::ops::Range<usize> {
    let child = |node: &Node<'_>, key: &str| match &node.value {
        Value::Map(entries) => entries.iter().position(|one| one.key == key),
        Value::List(_) | Value::Scalar(_) => None,
    };
    let found = || {
        let Value::Map(keys) = &entry.value.value else {
            return None;
        };
        let variables = &keys.get(child(&entry.value, "variables")?)?.value;
        let Value::Map(names) = &variables.value else {
            return None;
        };
        let one = names.get(child(variables, name)?)?;
        Some(one.key_span.clone())
    };
    found().unwrap_or_else(|| entry.key_span.clone())
}

fn schema_of(job: &Job) -> &[Variable] {
    match &job.source {
        Source::Rows(rows) => match &rows.schema {
            Schema::Declared(variables) => variables,
            Schema::Infer => &[],
        },
        Source::Files(_) | Source::Uploads(_) => &[],
    }
}
