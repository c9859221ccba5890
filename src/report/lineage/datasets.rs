//! What a job reads and writes, as OpenLineage names it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::ends::{Written, tag_of};
use super::facets::{facet, plain_facet};
use crate::manifest::{PathPattern, Source};
use crate::plan::{JobContent, JobPlan, RowsContent};
use crate::report::summary::RunReport;
use crate::source::resolve::literal_place;

/// Inputs of one job.
const MOST_INPUTS: usize = 100;
/// Patterns of one input.
const MOST_PATTERNS: usize = 100;

/// The inputs of a job: the folder that each glob starts in, with the patterns that
/// say what of it is read, and each path that is named.
pub(super) fn inputs_of(source: &Source, root: &Path) -> Vec<Value> {
    let patterns = patterns_of(source);
    let mut inputs = places(&patterns, root, false);
    if inputs.len() > MOST_INPUTS {
        inputs = places(&patterns, root, true);
    }
    let inputs = inputs.into_iter().take(MOST_INPUTS);
    inputs
        .map(|(name, patterns)| input(&name, &patterns))
        .collect()
}

fn patterns_of(source: &Source) -> Vec<&PathPattern> {
    match source {
        Source::Files(source) => source
            .entries
            .iter()
            .map(|one| &one.paths.pattern)
            .collect(),
        Source::Rows(source) => source
            .entries
            .iter()
            .map(|one| &one.paths.pattern)
            .collect(),
        Source::Uploads(source) => source
            .entries
            .iter()
            .map(|one| &one.paths.pattern)
            .collect(),
    }
}

/// Each place once, with the patterns under it; a place that is named itself has
/// none. `by_folder` takes named files for the folders that they are in.
fn places(
    patterns: &[&PathPattern],
    root: &Path,
    by_folder: bool,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pattern in patterns {
        let (place, pattern) = literal_place(root, pattern);
        let place = match (&pattern, place.rsplit_once('/')) {
            (None, Some((folder, _))) if by_folder && !folder.is_empty() => folder.to_owned(),
            _ => place,
        };
        found.entry(place).or_default().extend(pattern);
    }
    found
}

fn input(name: &str, patterns: &BTreeSet<String>) -> Value {
    let mut input = json!({ "namespace": "file", "name": name });
    if !patterns.is_empty() {
        let locations: Vec<&String> = patterns.iter().take(MOST_PATTERNS).collect();
        let fields = json!({ "inputCondition": { "type": "location", "locations": locations } });
        let subset = facet(
            "1-0-0",
            "InputSubsetInputDatasetFacet",
            "BaseSubsetDatasetFacet",
            &fields,
        );
        input["inputFacets"] = json!({ "subset": subset });
    }
    input
}

/// The namespace of the platform's tables.
fn namespace_of(endpoint: &str) -> String {
    let rest = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    format!("redivis://{host}")
}

/// The table that a job writes. `written` is what was verified, once it is known.
pub(super) fn output_of(
    job: &JobPlan,
    endpoint: &str,
    written: Option<Written>,
    tag: Option<&str>,
) -> Value {
    let mut facets = Map::new();
    match &job.content {
        JobContent::Rows(rows) => {
            facets.insert("schema".to_owned(), schema(rows));
        }
        JobContent::Files | JobContent::Uploads { .. } => {}
    }
    facets.extend(tag.map(version).unwrap_or_default());
    let mut output = table(&job.table.to_string(), endpoint, &facets);
    if let Some(written) = written {
        let mut fields = json!({ "size": written.bytes });
        if let Some(rows) = written.rows {
            fields["rowCount"] = rows.into();
        }
        if let Some(files) = written.files {
            fields["fileCount"] = files.into();
        }
        let statistics = plain_facet("1-0-2", "OutputStatisticsOutputDatasetFacet", &fields);
        output["outputFacets"] = json!({ "outputStatistics": statistics });
    }
    output
}

/// The tables of the manifest that the run has released.
pub(super) fn released_tables(report: &RunReport<'_>, endpoint: &str) -> Vec<Value> {
    let jobs = report.plan.map(|plan| plan.jobs.as_slice());
    let mut tables: BTreeMap<String, &str> = BTreeMap::new();
    for job in jobs.unwrap_or_default() {
        if let Some(tag) = tag_of(job, report) {
            tables.insert(job.table.to_string(), tag);
        }
    }
    let outputs = tables
        .into_iter()
        .map(|(name, tag)| table(&name, endpoint, &version(tag)));
    outputs.collect()
}

fn table(name: &str, endpoint: &str, facets: &Map<String, Value>) -> Value {
    json!({ "namespace": namespace_of(endpoint), "name": name, "facets": facets })
}

fn version(tag: &str) -> Map<String, Value> {
    let fields = json!({ "datasetVersion": tag });
    let version = plain_facet("1-0-1", "DatasetVersionDatasetFacet", &fields);
    [("version".to_owned(), version)].into_iter().collect()
}

fn schema(rows: &RowsContent) -> Value {
    let fields: Vec<Value> = rows
        .schema
        .iter()
        .zip(1_u64..)
        .map(|(variable, position)| {
            let mut field = json!({
                "name": variable.name,
                "type": variable.kind.as_str(),
                "ordinal_position": position,
            });
            let metadata = &variable.metadata;
            let texts = [&metadata.description, &metadata.label];
            if let Some(text) = texts.into_iter().flatten().find(|text| !text.is_empty()) {
                field["description"] = text.clone().into();
            }
            field
        })
        .collect();
    plain_facet("1-2-0", "SchemaDatasetFacet", &json!({ "fields": fields }))
}
