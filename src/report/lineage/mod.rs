//! A run as OpenLineage events (spec 2-0-2), one line of JSON each: the run of the
//! manifest, and a run for each of its jobs with the manifest's as its parent.
//! Each job has its own inputs and outputs, so that no table is said to be made
//! from another job's files. Pure: `cli` sends what is made here.

mod datasets;
mod ends;
mod facets;
mod ids;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde_json::{Value, json};

pub use self::ids::LineageParent;

use self::datasets::{inputs_of, output_of, released_tables};
use self::ends::{Ended, job_end, run_end, tag_of, written};
use self::facets::{JobFacets, RunFacets};
use self::ids::run_uuid;
use super::style::timestamp;
use super::summary::RunReport;
use crate::base::ManifestName;
use crate::manifest::Manifest;
use crate::plan::{JobPlan, Plan};

/// The schema of an event.
const EVENT_SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
/// Who makes the events: a package URL.
const PRODUCER: &str = concat!("pkg:cargo/redivis-ingest@", env!("CARGO_PKG_VERSION"));

/// What is known of a run when it begins.
#[derive(Debug, Clone)]
pub struct LineageFacts {
    /// The namespace of its jobs.
    pub namespace: String,
    /// The manifest's name.
    pub manifest: String,
    /// `run` or `release`.
    pub command: &'static str,
    /// The run's id, as in the name of its folder.
    pub run_id: String,
    /// When it began: milliseconds since 1970.
    pub started_ms: i64,
    /// The API's address, or `sandbox`.
    pub endpoint: String,
    /// The folder that the manifest's paths start from.
    pub root: PathBuf,
    /// What started it.
    pub parent: Option<LineageParent>,
    /// What started all of it, if that is known.
    pub root_parent: Option<LineageParent>,
}

/// The author of a run's events.
#[derive(Debug, Clone)]
pub struct Lineage {
    facts: LineageFacts,
    itself: LineageParent,
}

impl Lineage {
    /// Of a run that begins.
    pub fn new(facts: LineageFacts) -> Self {
        let name = match facts.command {
            "run" => facts.manifest.clone(),
            // A manifest's and a job's name have no colon.
            other => format!("{}:{other}", facts.manifest),
        };
        let itself = LineageParent {
            namespace: facts.namespace.clone(),
            job: name,
            run_id: run_uuid(facts.started_ms, &facts.run_id, None),
        };
        Self { facts, itself }
    }

    /// The UUID that the run has in its events.
    pub fn uuid(&self) -> &str {
        &self.itself.run_id
    }

    /// The run begins.
    pub fn started(&self) -> String {
        let event = Event {
            kind: "START",
            at_ms: self.facts.started_ms,
            run: self.run(None, None),
            job: self.job(&self.itself.job, "MANIFEST"),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        event.line()
    }

    /// Its jobs begin: what they read and write is known now.
    pub fn planned(&self, manifest: &Manifest, plan: &Plan, at_ms: i64) -> Vec<String> {
        let jobs = plan.jobs.iter();
        jobs.map(|job| self.job_event(manifest, job, at_ms, None).line())
            .collect()
    }

    /// The run has ended: the ends of its jobs, if they were said to begin, then its
    /// own.
    pub fn ended(&self, manifest: &Manifest, report: &RunReport<'_>, of_jobs: bool) -> Vec<String> {
        let at_ms = report.facts.ended_ms;
        let mut lines = Vec::new();
        let jobs = report.plan.map(|plan| plan.jobs.as_slice());
        for job in jobs.unwrap_or_default().iter().filter(|_| of_jobs) {
            let end = job_end(job, report);
            let end = Some((&end, report));
            lines.push(self.job_event(manifest, job, at_ms, end).line());
        }
        let end = run_end(report);
        let outputs = if of_jobs {
            Vec::new()
        } else {
            released_tables(report, &self.facts.endpoint)
        };
        let event = Event {
            kind: end.kind(),
            at_ms,
            run: self.run(None, end.message()),
            job: self.job(&self.itself.job, "MANIFEST"),
            inputs: Vec::new(),
            outputs,
        };
        lines.push(event.line());
        lines
    }

    fn job_event(
        &self,
        manifest: &Manifest,
        job: &JobPlan,
        at_ms: i64,
        end: Option<(&Ended, &RunReport<'_>)>,
    ) -> Event {
        let source = manifest.jobs.get(job.index).map(|job| &job.source);
        let (kind, message) = match end {
            None => ("START", None),
            Some((end, _)) => (end.kind(), end.message()),
        };
        let written = end.map(|(_, report)| written(job, report));
        let tag = end.and_then(|(_, report)| tag_of(job, report));
        Event {
            kind,
            at_ms,
            run: self.run(Some(&job.job), message),
            job: self.job(&format!("{}.{}", self.facts.manifest, job.job), "JOB"),
            inputs: source
                .map(|source| inputs_of(source, &self.facts.root))
                .unwrap_or_default(),
            outputs: vec![output_of(job, &self.facts.endpoint, written, tag)],
        }
    }

    /// `run` of an event, of the manifest's run or of a job's.
    fn run(&self, job: Option<&ManifestName>, error: Option<&str>) -> Value {
        let facts = &self.facts;
        let (run_id, parent, root) = match job {
            None => (
                self.itself.run_id.clone(),
                facts.parent.as_ref(),
                facts.root_parent.as_ref(),
            ),
            Some(job) => {
                // Without a parent the run itself is where it all began; with one
                // whose own parent is not told, nobody here knows.
                let root = match (&facts.root_parent, &facts.parent) {
                    (Some(root), _) => Some(root),
                    (None, None) => Some(&self.itself),
                    (None, Some(_)) => None,
                };
                let id = run_uuid(facts.started_ms, &facts.run_id, Some(job.as_str()));
                (id, Some(&self.itself), root)
            }
        };
        let facets = RunFacets {
            parent: parent.map(|parent| (parent, root)),
            error,
            run_id: &facts.run_id,
        };
        json!({ "runId": run_id, "facets": facets.value() })
    }

    fn job(&self, name: &str, kind: &'static str) -> Value {
        json!({
            "namespace": self.facts.namespace,
            "name": name,
            "facets": JobFacets { kind }.value(),
        })
    }
}

/// One event.
struct Event {
    kind: &'static str,
    at_ms: i64,
    run: Value,
    job: Value,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
}

impl Event {
    fn line(self) -> String {
        let event = json!({
            "eventType": self.kind,
            "eventTime": timestamp(self.at_ms),
            "producer": PRODUCER,
            "schemaURL": EVENT_SCHEMA,
            "run": self.run,
            "job": self.job,
            "inputs": self.inputs,
            "outputs": self.outputs,
        });
        event.to_string()
    }
}
