//! `tables`: settings of tables that some job writes.

use crate::base::DatasetRef;

use super::super::keys::TABLE;
use super::super::model::TableSettings;
use super::super::problem::ProblemCode;
use super::super::tree::Entry;
use super::super::words;
use super::fields::Fields;
use super::manifest::Placed;
use super::{Checker, fields, manifest, metadata, scalars};

/// The settings; `jobs` is `None` when not every job could be read, so that
/// nothing can be said about tables that nobody writes.
pub(super) fn tables(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    dataset: Option<&DatasetRef>,
    jobs: Option<&[Placed]>,
    declared: &metadata::Declared,
) -> Vec<TableSettings> {
    let Some(node) = fields.get("tables") else {
        return Vec::new();
    };
    let mut found: Vec<TableSettings> = Vec::new();
    for entry in fields::map(checker, node, "`tables`").unwrap_or_default() {
        let Some(settings) = table(checker, entry, dataset) else {
            continue;
        };
        if found
            .iter()
            .any(|known| known.table.matches(&settings.table))
        {
            let message = format!("the table `{}` has two entries", settings.table);
            checker
                .problem(ProblemCode::DuplicateTable, entry.key_span.clone(), message)
                .help(
                    "the platform takes names that differ only in case or punctuation for the same",
                );
        }
        let is_written = jobs.is_none_or(|jobs| {
            jobs.iter()
                .any(|placed| placed.job.table.matches(&settings.table))
        });
        if !is_written {
            unused(checker, entry, jobs.unwrap_or_default());
        }
        metadata::agree(checker, entry, &settings, declared);
        found.push(settings);
    }
    found
}

fn unused(checker: &mut Checker<'_>, entry: &Entry<'_>, jobs: &[Placed]) {
    let mut written: Vec<String> = jobs
        .iter()
        .map(|placed| format!("`{}`", placed.job.table.table()))
        .collect();
    written.dedup();
    written.truncate(10);
    checker
        .problem(
            ProblemCode::UnusedTable,
            entry.key_span.clone(),
            format!("no job writes the table `{}`", entry.key),
        )
        .help(format!("tables of jobs: {}", written.join(", ")));
}

fn table(
    checker: &mut Checker<'_>,
    entry: &Entry<'_>,
    dataset: Option<&DatasetRef>,
) -> Option<TableSettings> {
    let table = manifest::table_ref(checker, &entry.key, entry.key_span.clone(), dataset);
    let fields = fields::fields(checker, &entry.value, &TABLE)?;
    let merge = fields
        .get("merge")
        .and_then(|node| scalars::word(checker, node, &words::MERGE));
    let description = fields
        .get("description")
        .and_then(|node| metadata::description(checker, node));
    let variables = fields
        .get("variables")
        .map(|node| metadata::variables(checker, node));
    Some(TableSettings {
        table: table?,
        merge,
        description,
        variables: variables.unwrap_or_default(),
    })
}
