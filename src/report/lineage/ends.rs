//! How a run and its jobs ended, in the words of OpenLineage, and what was written
//! for sure.

use crate::base::ManifestName;
use crate::event::{End, FailKind, ItemEnd, What};
use crate::plan::{Action, Class, JobPlan};
use crate::report::style::{count, number};
use crate::report::summary::RunReport;
use crate::report::words::{stopped_by, why_refused};

/// Characters of a message.
const MOST_CHARS: usize = 2000;
/// Failures in a message.
const MOST_FAILURES: usize = 3;

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// All of it is verified.
    Complete,
    /// Somebody stopped it.
    Abort(String),
    /// It failed.
    Fail(String),
}

impl Ended {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Complete => "COMPLETE",
            Self::Abort(_) => "ABORT",
            Self::Fail(_) => "FAIL",
        }
    }

    pub(super) fn message(&self) -> Option<&str> {
        match self {
            Self::Complete => None,
            Self::Abort(message) | Self::Fail(message) => Some(message),
        }
    }
}

/// How the whole run ended.
pub(super) fn run_end(report: &RunReport<'_>) -> Ended {
    let facts = &report.facts;
    if ["done", "nothing_to_do"].contains(&facts.exit_word) {
        return Ended::Complete;
    }
    let was_stopped = ["interrupted", "terminated", "temporary"].contains(&facts.exit_word);
    if let Some(reason) = facts.stopped_by.filter(|_| was_stopped) {
        return Ended::Abort(format!("stopped by {}", stopped_by(reason)));
    }
    let message = facts.failure.clone().unwrap_or_else(|| {
        let open: Vec<&ItemEnd> = open_items(report, None).collect();
        failures(&open)
    });
    let message = format!("exit code {} ({}): {message}", facts.exit, facts.exit_word);
    Ended::Fail(cut(&message))
}

/// How a job ended.
pub(super) fn job_end(job: &JobPlan, report: &RunReport<'_>) -> Ended {
    let open: Vec<&ItemEnd> = open_items(report, Some(&job.job)).collect();
    let refused: Vec<String> = job
        .items
        .iter()
        .filter(|item| matches!(item.class, Class::Conflict | Class::Locked))
        .map(why_refused)
        .collect();
    let has_work = job.items.iter().any(|item| item.action != Action::None);
    let is_looked_at = report.end.complete_jobs.contains(&job.job);
    if open.is_empty() && refused.is_empty() && (is_looked_at || !has_work) {
        return Ended::Complete;
    }
    let is_unreached = |item: &&ItemEnd| match &item.error {
        Some(error) => error.kind == FailKind::Cancelled,
        None => item.end == End::NotReached,
    };
    if let Some(reason) = report.facts.stopped_by
        && refused.is_empty()
        && open.iter().all(is_unreached)
    {
        return Ended::Abort(format!("stopped by {}", stopped_by(reason)));
    }
    let message = match (refused.as_slice(), open.as_slice()) {
        ([], []) => "the remote does not confirm yet that all of it is in place".to_owned(),
        ([], _) => failures(&open),
        _ => first_of(refused.iter().cloned(), refused.len()),
    };
    Ended::Fail(cut(&message))
}

/// Items that did not end well, of one job or of all.
fn open_items<'r>(
    report: &'r RunReport<'_>,
    job: Option<&'r ManifestName>,
) -> impl Iterator<Item = &'r ItemEnd> {
    let items = report.end.items.iter();
    items.filter(move |item| {
        item.end != End::Verified && (job.is_none() || item.job.as_ref() == job)
    })
}

fn failures(open: &[&ItemEnd]) -> String {
    // Those that say why come first.
    let told = open.iter().filter_map(|item| {
        let error = item.error.as_ref()?;
        Some(format!("{}: {}", item.name, error.message))
    });
    let texts: Vec<String> = told.take(MOST_FAILURES).collect();
    if texts.is_empty() {
        return format!("{} not done", count(open.len() as u64, "item"));
    }
    first_of(texts.into_iter(), open.len())
}

fn first_of(texts: impl Iterator<Item = String>, all: usize) -> String {
    let texts: Vec<String> = texts.take(MOST_FAILURES).collect();
    let more = all.saturating_sub(texts.len());
    let text = texts.join("; ");
    match more {
        0 => text,
        more => format!("{text}; and {} more", number(more as u64)),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_CHARS).collect()
}

/// What a run wrote into a job's table and verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Files and bulk uploads; `None`: the job sends rows.
    pub(super) files: Option<u64>,
    /// Rows; `None`: the table's records are files.
    pub(super) rows: Option<u64>,
    /// Bytes as they were sent.
    pub(super) bytes: u64,
}

/// What was written for a job and verified.
pub(super) fn written(job: &JobPlan, report: &RunReport<'_>) -> Written {
    use crate::plan::JobContent;

    let mut written = match job.content {
        JobContent::Files => Written {
            files: Some(0),
            ..Written::default()
        },
        JobContent::Rows(_) => Written {
            rows: Some(0),
            ..Written::default()
        },
        JobContent::Uploads { .. } => Written {
            files: Some(0),
            rows: Some(0),
            bytes: 0,
        },
    };
    let items = report.end.items.iter();
    for item in
        items.filter(|item| item.end == End::Verified && item.job.as_ref() == Some(&job.job))
    {
        match item.what {
            What::File | What::Part | What::Upload => {}
            What::Table | What::Variable | What::Version | What::Deletion => continue,
        }
        written.bytes += item.bytes;
        written.files = written.files.map(|files| files + 1);
        written.rows = written.rows.map(|rows| rows + item.rows);
    }
    written
}

/// The version in which the run released the job's table.
pub(super) fn tag_of<'r>(job: &JobPlan, report: &'r RunReport<'_>) -> Option<&'r str> {
    let name = format!("{}:next", job.table.dataset());
    let mut items = report.end.items.iter();
    let released = items.find(|item| {
        item.what == What::Version
            && item.action == Action::Release.as_str()
            && item.end == End::Verified
            && item.name == name
    });
    released?.remote_id.as_deref()
}
