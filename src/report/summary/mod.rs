//! How a run ended: the report as JSON, one line for each item, written as it is
//! made. The same facts are text in `run_text` and one line in `one_line`.

use std::io::{self, Write};

use serde::Serialize;

use super::accuracy::{PlanAccuracy, PlanIndex};
use super::facts::{RequestFacts, RunFacts};
use super::one_line::one_line;
use super::plan_names::source_path;
use super::run_text::write_run;
use super::style::{TextStyle, timestamp};
use super::words::stop_word;
use crate::event::{End, ItemEnd, RunEnd, What};
use crate::plan::{Amount, Class, Item, Plan, PlanLines, Reason};

/// The version of the report's JSON, of the one-line summary too. 1: the first.
/// New fields may appear without a new version; none changes its meaning.
pub const REPORT_FORMAT: u32 = 1;

/// How a run ended, with what was planned.
#[derive(Debug)]
pub struct RunReport<'a> {
    pub(super) plan: Option<&'a Plan>,
    pub(super) plan_id: Option<String>,
    pub(super) end: &'a RunEnd,
    pub(super) facts: RunFacts,
    pub(super) counts: Counts,
    pub(super) accuracy: PlanAccuracy,
    pub(super) index: PlanIndex<'a>,
}

/// What became of the items. Bytes and rows are those of verified items that
/// were sent; deletions are counted apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Items that had something to do.
    pub planned: u64,
    /// Done, and confirmed by the platform.
    pub verified: u64,
    /// Sent, not confirmed yet.
    pub unverified: u64,
    /// Changed since they were planned.
    pub drifted: u64,
    /// Failed.
    pub failed: u64,
    /// In conflict or locked: the plan said no.
    pub refused: u64,
    /// The run ended before.
    pub not_reached: u64,
    /// Verified files.
    pub files: u64,
    /// Verified parts.
    pub parts: u64,
    /// Verified bulk uploads.
    pub uploads: u64,
    /// Verified tables.
    pub tables: u64,
    /// Verified variables: what is said of them.
    pub variables: u64,
    /// Verified versions, created or released.
    pub versions: u64,
    /// Verified deletions.
    pub deletions: u64,
    /// Rows of verified items.
    pub rows: u64,
    /// Bytes of verified items.
    pub bytes: u64,
    /// Bytes that went out for items, repeats and failures included.
    pub bytes_sent: u64,
    /// Items that were equal on both sides already.
    pub unchanged: u64,
    /// Rows that were left out.
    pub rejects: u64,
}

impl<'a> RunReport<'a> {
    /// Of a run. Without a plan it failed before there was one.
    pub fn new(plan: Option<&'a Plan>, end: &'a RunEnd, facts: RunFacts) -> Self {
        let index = plan.map(PlanIndex::of).unwrap_or_default();
        let mut counts = Counts::of(end);
        counts.planned = index.with_action;
        counts.unchanged = unchanged(plan).items;
        counts.rejects = facts.rejects;
        Self {
            plan,
            plan_id: plan.map(|plan| PlanLines::new(plan).id().to_string()),
            end,
            facts,
            counts,
            accuracy: PlanAccuracy::of(&index, end),
            index,
        }
    }

    /// What became of the items.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How true the plan was.
    pub fn accuracy(&self) -> &PlanAccuracy {
        &self.accuracy
    }

    /// Writes the report: one JSON object whose last field is `items`, with one
    /// line for each item.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let head = serde_json::to_string(&self.head()).map_err(io::Error::other)?;
        let head = head.strip_suffix('}').unwrap_or(&head);
        write!(out, "{head},\"items\":[")?;
        for (position, item) in self.end.items.iter().enumerate() {
            out.write_all(if position == 0 { b"\n" } else { b",\n" })?;
            let line = self.item(item);
            serde_json::to_writer(&mut *out, &line).map_err(io::Error::other)?;
        }
        out.write_all(b"\n]}\n")
    }

    /// Writes the summary for people.
    pub fn write_text(&self, out: &mut dyn Write, style: &TextStyle) -> io::Result<()> {
        write_run(self, out, style)
    }

    /// The run in one line of JSON, without its line break: at most
    /// [`super::ONE_LINE_BYTES`].
    pub fn one_line(&self) -> String {
        one_line(self)
    }

    pub(super) fn datasets(&self) -> Vec<String> {
        self.plan.map_or_else(
            || self.facts.datasets.clone(),
            |plan| {
                plan.datasets
                    .iter()
                    .map(|one| one.dataset.to_string())
                    .collect()
            },
        )
    }

    fn head(&self) -> Head<'_> {
        let facts = &self.facts;
        Head {
            kind: "report",
            format_version: REPORT_FORMAT,
            program: concat!("redivis-ingest ", env!("CARGO_PKG_VERSION")),
            run_id: &facts.run_id,
            command: &facts.command,
            manifest: Named {
                name: &facts.manifest,
                sha256: &facts.manifest_sha256,
            },
            endpoint: &facts.endpoint,
            datasets: self.datasets(),
            plan_id: self.plan_id.as_deref(),
            started_at: timestamp(facts.started_ms),
            ended_at: timestamp(facts.ended_ms),
            duration_ms: facts.millis(),
            exit: ExitLine {
                code: facts.exit,
                word: facts.exit_word,
            },
            stopped_by: facts.stopped_by.map(stop_word),
            failure: facts.failure.as_deref(),
            totals: &self.counts,
            unchanged: unchanged(self.plan),
            plan_accuracy: AccuracyLine {
                share: self.accuracy.share(),
                counts: &self.accuracy,
            },
            rejects: RejectsLine {
                rows: facts.rejects,
                path: facts.rejects_path.as_deref(),
                first: &facts.first_rejects,
            },
            jobs: self.jobs(),
            limited_by: facts.limited_by(),
            requests: &facts.requests,
        }
    }

    fn jobs(&self) -> Vec<JobLine<'_>> {
        let jobs = self
            .plan
            .map(|plan| plan.jobs.as_slice())
            .unwrap_or_default();
        jobs.iter()
            .map(|job| JobLine {
                job: job.job.as_str(),
                table: job.table.to_string(),
                complete: self.end.complete_jobs.contains(&job.job),
                held: job.is_held(),
                rejects: job.rejects,
                unchanged: job.unchanged,
            })
            .collect()
    }

    fn item<'i>(&'i self, end: &'i ItemEnd) -> EndLine<'i> {
        let item: Option<&Item> = self.index.find(end);
        EndLine {
            what: end.what.as_str(),
            job: end.job.as_ref().map(crate::base::ManifestName::as_str),
            name: &end.name,
            source: item.and_then(source_path),
            class: item.map(|item| item.class),
            reason: item.map(|item| item.reason),
            action: end.action,
            end: end.end.as_str(),
            attempts: end.attempts,
            bytes: end.bytes,
            bytes_sent: end.bytes_sent,
            rows: end.rows,
            millis: end.millis,
            md5: end.md5.map(|md5| md5.to_string()),
            remote_id: end.remote_id.as_deref(),
            error: end.error.as_ref().map(|error| ErrorLine {
                kind: error.kind.as_str(),
                message: &error.message,
            }),
        }
    }
}

impl Counts {
    fn of(end: &RunEnd) -> Self {
        let mut counts = Self::default();
        for item in &end.items {
            counts.bytes_sent += item.bytes_sent;
            match item.end {
                End::Verified => counts.verified(item),
                End::Unverified => counts.unverified += 1,
                End::Drifted => counts.drifted += 1,
                End::Failed => counts.failed += 1,
                End::Refused => counts.refused += 1,
                End::NotReached => counts.not_reached += 1,
            }
        }
        counts
    }

    fn verified(&mut self, item: &ItemEnd) {
        self.verified += 1;
        match item.what {
            What::File => self.files += 1,
            What::Part => self.parts += 1,
            What::Upload => self.uploads += 1,
            What::Table => self.tables += 1,
            What::Variable => self.variables += 1,
            What::Version => self.versions += 1,
            What::Deletion => self.deletions += 1,
        }
        if item.what != What::Deletion {
            self.rows += item.rows;
            self.bytes += item.bytes;
        }
    }

    /// Items that did not end well.
    pub fn open(&self) -> u64 {
        self.unverified + self.drifted + self.failed + self.refused + self.not_reached
    }
}

pub(super) fn unchanged(plan: Option<&Plan>) -> Amount {
    let mut amount = Amount::default();
    for job in plan.map(|plan| plan.jobs.as_slice()).unwrap_or_default() {
        amount.merge(job.unchanged);
    }
    amount
}

/// All of the report but its items.
#[derive(Debug, Serialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    format_version: u32,
    program: &'static str,
    run_id: &'a str,
    command: &'a str,
    manifest: Named<'a>,
    endpoint: &'a str,
    datasets: Vec<String>,
    plan_id: Option<&'a str>,
    started_at: String,
    ended_at: String,
    duration_ms: u64,
    exit: ExitLine,
    stopped_by: Option<&'static str>,
    failure: Option<&'a str>,
    totals: &'a Counts,
    unchanged: Amount,
    plan_accuracy: AccuracyLine<'a>,
    rejects: RejectsLine<'a>,
    jobs: Vec<JobLine<'a>>,
    limited_by: Option<&'static str>,
    requests: &'a RequestFacts,
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    name: &'a str,
    sha256: &'a str,
}

#[derive(Debug, Serialize)]
struct ExitLine {
    code: u8,
    word: &'static str,
}

#[derive(Debug, Serialize)]
struct AccuracyLine<'a> {
    share: Option<f64>,
    #[serde(flatten)]
    counts: &'a PlanAccuracy,
}

#[derive(Debug, Serialize)]
struct RejectsLine<'a> {
    rows: u64,
    path: Option<&'a str>,
    first: &'a [String],
}

#[derive(Debug, Serialize)]
struct JobLine<'a> {
    job: &'a str,
    table: String,
    complete: bool,
    held: bool,
    rejects: u64,
    unchanged: Amount,
}

/// One item.
#[derive(Debug, Serialize)]
struct EndLine<'a> {
    what: &'static str,
    job: Option<&'a str>,
    name: &'a str,
    source: Option<&'a str>,
    class: Option<Class>,
    reason: Option<Reason>,
    action: &'static str,
    end: &'static str,
    attempts: u32,
    bytes: u64,
    bytes_sent: u64,
    rows: u64,
    millis: u64,
    md5: Option<String>,
    remote_id: Option<&'a str>,
    error: Option<ErrorLine<'a>>,
}

#[derive(Debug, Serialize)]
struct ErrorLine<'a> {
    kind: &'static str,
    message: &'a str,
}

#[cfg(test)]
mod tests;
