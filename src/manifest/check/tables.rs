//! `tables`: settings of tables that some job writes.

use crate::base::DatasetRef;

use super::super::keys::TABLE;
use super::super::model::TableSettings;
use super::super::problem::ProblemCode;
use super::super::tree::Entry;
use super::super::words;
use super::Checker;
use super::fields::Fields;
use super::manifest::Placed;

impl Checker<'_> {
    /// The settings; `jobs` is `None` when not every job could be read, so that
    /// nothing can be said about tables that nobody writes.
    pub(super) fn tables(
        &mut self,
        fields: &Fields<'_, '_>,
        dataset: Option<&DatasetRef>,
        jobs: Option<&[Placed]>,
    ) -> Vec<TableSettings> {
        let Some(node) = fields.get("tables") else {
            return Vec::new();
        };
        let mut found: Vec<TableSettings> = Vec::new();
        for entry in self.map(node, "`tables`").unwrap_or_default() {
            let Some(settings) = self.table(entry, dataset) else {
                continue;
            };
            if found
                .iter()
                .any(|known| known.table.matches(&settings.table))
            {
                let message = format!("the table `{}` has two entries", settings.table);
                self.problem(ProblemCode::DuplicateTable, entry.key_span.clone(), message)
                    .help("the platform takes names that differ only in case or punctuation for the same");
            }
            let is_written = jobs.is_none_or(|jobs| {
                jobs.iter()
                    .any(|placed| placed.job.table.matches(&settings.table))
            });
            if !is_written {
                self.unused(entry, jobs.unwrap_or_default());
            }
            found.push(settings);
        }
        found
    }

    fn unused(&mut self, entry: &Entry<'_>, jobs: &[Placed]) {
        let mut written: Vec<String> = jobs
            .iter()
            .map(|placed| format!("`{}`", placed.job.table.table()))
            .collect();
        written.dedup();
        written.truncate(10);
        self.problem(
            ProblemCode::UnusedTable,
            entry.key_span.clone(),
            format!("no job writes the table `{}`", entry.key),
        )
        .help(format!("tables of jobs: {}", written.join(", ")));
    }

    fn table(&mut self, entry: &Entry<'_>, dataset: Option<&DatasetRef>) -> Option<TableSettings> {
        let table = self.table_ref(&entry.key, entry.key_span.clone(), dataset);
        let fields = self.fields(&entry.value, &TABLE)?;
        let merge = fields
            .get("merge")
            .and_then(|node| self.word(node, &words::MERGE));
        let description = fields.get("description").and_then(|node| self.text(node));
        Some(TableSettings {
            table: table?,
            merge,
            description,
        })
    }
}
