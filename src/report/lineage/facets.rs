//! Facets: each names its producer and the version of its schema. All are of the
//! OpenLineage specification; none is our own.

use serde_json::{Map, Value, json};

use super::PRODUCER;
use super::ids::LineageParent;

/// A facet of a schema: its file with the version, its definition in it, its fields.
pub(super) fn facet(version: &str, name: &str, file: &str, fields: &Value) -> Value {
    let mut facet = fields.as_object().cloned().unwrap_or_default();
    let url = format!("https://openlineage.io/spec/facets/{version}/{file}.json#/$defs/{name}");
    facet.insert("_producer".to_owned(), PRODUCER.into());
    facet.insert("_schemaURL".to_owned(), url.into());
    Value::Object(facet)
}

/// A facet whose schema's file is named as its definition.
pub(super) fn plain_facet(version: &str, name: &str, fields: &Value) -> Value {
    facet(version, name, name, fields)
}

/// Of a run.
#[derive(Debug)]
pub(super) struct RunFacets<'a> {
    /// What started it, and what started all of it.
    pub(super) parent: Option<(&'a LineageParent, Option<&'a LineageParent>)>,
    /// Why it did not end well.
    pub(super) error: Option<&'a str>,
    /// The run's own id.
    pub(super) run_id: &'a str,
}

impl RunFacets<'_> {
    pub(super) fn value(&self) -> Value {
        let mut all = Map::new();
        let version = env!("CARGO_PKG_VERSION");
        let engine = json!({ "name": "redivis-ingest", "version": version });
        all.insert(
            "processing_engine".to_owned(),
            plain_facet("1-1-1", "ProcessingEngineRunFacet", &engine),
        );
        let tags = json!({ "tags": [
            { "key": "redivis_ingest_run_id", "value": self.run_id, "source": "redivis-ingest" },
        ] });
        all.insert(
            "tags".to_owned(),
            plain_facet("1-0-0", "TagsRunFacet", &tags),
        );
        if let Some((parent, root)) = self.parent {
            let mut fields = parent.value();
            if let (Some(root), Some(fields)) = (root, fields.as_object_mut()) {
                fields.insert("root".to_owned(), root.value());
            }
            all.insert(
                "parent".to_owned(),
                plain_facet("1-2-0", "ParentRunFacet", &fields),
            );
        }
        if let Some(message) = self.error {
            let fields = json!({ "message": message, "programmingLanguage": "RUST" });
            all.insert(
                "errorMessage".to_owned(),
                plain_facet("1-0-1", "ErrorMessageRunFacet", &fields),
            );
        }
        Value::Object(all)
    }
}

/// Of a job.
#[derive(Debug)]
pub(super) struct JobFacets {
    pub(super) kind: &'static str,
}

impl JobFacets {
    pub(super) fn value(&self) -> Value {
        let fields = json!({
            "processingType": "BATCH",
            "integration": "REDIVIS_INGEST",
            "jobType": self.kind,
        });
        json!({ "jobType": plain_facet("2-0-4", "JobTypeJobFacet", &fields) })
    }
}
