//! What a manifest says of a table's variables, put together from `tables` and
//! from the schemas of the table's jobs.

use std::collections::BTreeMap;

use super::model::{Manifest, Schema, Source};
use crate::base::names::escaped;
use crate::base::{TableRef, VariableMetadata};

/// See [`Manifest::variables_of`].
pub(super) fn variables_of(
    manifest: &Manifest,
    table: &TableRef,
) -> Vec<(String, VariableMetadata)> {
    let settings = manifest.settings_of(table).into_iter();
    let stated = settings
        .flat_map(|one| &one.variables)
        .map(|(name, metadata)| (name.as_str(), metadata));
    let jobs = manifest.jobs.iter().filter(|job| job.table.matches(table));
    let declared = jobs
        .flat_map(|job| match &job.source {
            Source::Rows(rows) => match &rows.schema {
                Schema::Declared(variables) => variables.as_slice(),
                Schema::Infer => &[],
            },
            Source::Files(_) | Source::Uploads(_) => &[],
        })
        .map(|variable| (variable.name.as_str(), &variable.metadata));
    let mut found: Vec<(String, VariableMetadata)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (name, metadata) in stated.chain(declared) {
        if metadata.is_empty() {
            continue;
        }
        let place = *places.entry(escaped(name)).or_insert(found.len());
        match found.get_mut(place) {
            Some((_, known)) => *known = known.or(metadata),
            None => found.push((name.to_owned(), metadata.clone())),
        }
    }
    found
}
