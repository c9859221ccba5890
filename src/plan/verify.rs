//! Verification: a plan that trusted no cache, read as findings. What is to be
//! sent is missing or differs, what is to be deleted is too much.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::context::{PlanContext, Unchanged};
use super::error::{PlanError, check_cancel};
use super::lines::{Before, ItemLine, item_line};
use super::merge::owners_of;
use super::model::{Class, Item, JobContent, JobPlan, Plan, Reason, Subject};
use super::observe::observe_dataset;
use crate::base::{PartIdentity, PartName, SourceKey, TableRef, Version};
use crate::manifest::Source;
use crate::redivis::{RemoteUpload, UploadStatus};

/// How long counts and imports may lag behind (contract Q13).
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What verification found of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The remote has it, as it is here.
    Matches,
    /// The remote has not.
    Missing,
    /// The remote has something else.
    Differs,
    /// The remote has it, and nothing here gives it.
    Extra,
    /// The platform does not say enough, or not yet.
    Unverified,
    /// The sources cannot be compared.
    Refused,
    /// Left out on purpose.
    Skipped,
}

impl Finding {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::Missing => "missing",
            Self::Differs => "differs",
            Self::Extra => "extra",
            Self::Unverified => "unverified",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// What was found.
    pub finding: Finding,
    /// The manifest allows it: it is told, and is no mismatch.
    pub allowed: bool,
    /// `file`, `part`, `upload`, `listed`, `table`, `variable` or `source`.
    pub what: String,
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The name on the remote, or the path of a source.
    pub name: String,
    /// The source's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Bytes here.
    pub bytes: u64,
    /// Rows here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// MD5 here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// The remote's side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Before>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Checked {
    /// An unchanged item: it matches.
    pub fn matching(one: &Unchanged<'_>) -> Self {
        let line = item_line(None, one.item);
        let mut checked = Self::of(Finding::Matches, line, one.item);
        checked.job = Some(one.job.to_string());
        checked.table = Some(one.table.to_string());
        checked
    }

    fn of(finding: Finding, line: ItemLine, item: &Item) -> Self {
        Self {
            finding,
            allowed: false,
            what: line.what,
            job: line.job,
            table: None,
            name: line.name,
            source: line.source,
            reason: item.reason,
            bytes: line.bytes,
            rows: line.rows,
            md5: line.md5,
            found: line.before,
            note: line.note,
        }
    }

    /// Whether the remote is not as it should be.
    pub fn is_mismatch(&self) -> bool {
        let wrong = matches!(
            self.finding,
            Finding::Missing | Finding::Differs | Finding::Extra
        );
        wrong && !self.allowed
    }
}

/// Everything of a plan that does not match, in the plan's order.
pub fn findings(plan: &Plan, each: &mut dyn FnMut(Checked)) {
    for dataset in &plan.datasets {
        for item in &dataset.items {
            if let Some(finding) = of_table(dataset.draft.has_next, item) {
                let mut checked = Checked::of(finding, item_line(None, item), item);
                checked.table = table_of(item);
                each(checked);
            }
        }
    }
    for job in &plan.jobs {
        for item in &job.items {
            if let Some((finding, allowed)) = of_item(job, item) {
                let mut checked = Checked::of(finding, item_line(Some(job), item), item);
                checked.allowed = allowed;
                checked.table = Some(job.table.to_string());
                each(checked);
            }
        }
    }
}

fn table_of(item: &Item) -> Option<String> {
    match &item.subject {
        Subject::Table(table) => Some(table.table.to_string()),
        Subject::Variable(variable) => Some(variable.table.to_string()),
        Subject::Version(_)
        | Subject::File(_)
        | Subject::RemoteFile(_)
        | Subject::Part(_)
        | Subject::Upload(_)
        | Subject::Listed(_)
        | Subject::Source { .. } => None,
    }
}

/// A version that is to be made, or released, is no content.
fn of_table(has_next: bool, item: &Item) -> Option<Finding> {
    let has_words = match &item.subject {
        Subject::Table(table) => table.description.is_some(),
        Subject::Variable(_) => true,
        Subject::Version(_)
        | Subject::File(_)
        | Subject::RemoteFile(_)
        | Subject::Part(_)
        | Subject::Upload(_)
        | Subject::Listed(_)
        | Subject::Source { .. } => return None,
    };
    match item.class {
        Class::New => Some(Finding::Missing),
        Class::Conflict if item.reason == Reason::UnknownVariable => Some(Finding::Missing),
        // A released version tells no strategy, so it is only stated again.
        Class::Changed | Class::Conflict => (has_next || has_words).then_some(Finding::Differs),
        Class::Unchanged
        | Class::Extra
        | Class::Superseded
        | Class::Locked
        | Class::Broken
        | Class::Skipped => None,
    }
}

/// Nothing is to be written by a verification.
const CONCERNS_WRITING: [Reason; 2] = [Reason::NotPrepared, Reason::PartialReplace];
const REFUSES_CHANGE: [Reason; 2] = [Reason::ChangeRefused, Reason::WrongKind];
const REFUSES_EXTRA: [Reason; 2] = [Reason::ExtraRefused, Reason::ForeignUploads];

/// What an item of a job is; `true`: the manifest allows it.
fn of_item(job: &JobPlan, item: &Item) -> Option<(Finding, bool)> {
    let found = match item.class {
        Class::Unchanged => return None,
        Class::New if item.reason == Reason::Importing => (Finding::Unverified, false),
        // The attempt that the remote has of it says more.
        Class::New if is_attempted(job, item) => return None,
        Class::New => (Finding::Missing, false),
        Class::Changed if item.reason == Reason::Unverifiable => (Finding::Unverified, false),
        Class::Changed | Class::Locked => (Finding::Differs, false),
        Class::Superseded => (Finding::Extra, false),
        Class::Extra => (Finding::Extra, true),
        Class::Broken => (of_broken(job, item), false),
        Class::Skipped if item.reason == Reason::Kept => (Finding::Differs, true),
        Class::Skipped if item.reason == Reason::Released => (Finding::Extra, true),
        Class::Skipped => (Finding::Skipped, true),
        Class::Conflict if CONCERNS_WRITING.contains(&item.reason) => return None,
        Class::Conflict if REFUSES_CHANGE.contains(&item.reason) => (Finding::Differs, false),
        Class::Conflict if REFUSES_EXTRA.contains(&item.reason) => (Finding::Extra, false),
        Class::Conflict => (Finding::Refused, false),
    };
    Some(found)
}

/// Rows may still be counted; more rows than were sent are wrong for good.
fn of_broken(job: &JobPlan, item: &Item) -> Finding {
    let Subject::Listed(listed) = &item.subject else {
        return Finding::Differs;
    };
    let is_wanted = item.reason == Reason::Incomplete;
    let wanted = listed.identity.as_ref().map(PartIdentity::stored_rows);
    match (&job.content, wanted) {
        (_, _) if !is_wanted => Finding::Extra,
        (JobContent::Rows(_), Some(wanted)) if listed.rows.unwrap_or(0) < wanted => {
            Finding::Unverified
        }
        (_, _) => Finding::Differs,
    }
}

fn is_attempted(job: &JobPlan, item: &Item) -> bool {
    let identity = match &item.subject {
        Subject::Part(part) => &part.identity,
        Subject::Upload(upload) => &upload.identity,
        Subject::Version(_)
        | Subject::Table(_)
        | Subject::Variable(_)
        | Subject::File(_)
        | Subject::RemoteFile(_)
        | Subject::Listed(_)
        | Subject::Source { .. } => return false,
    };
    job.items.iter().any(|other| {
        let Subject::Listed(listed) = &other.subject else {
            return false;
        };
        other.class == Class::Broken
            && listed
                .identity
                .as_ref()
                .is_some_and(|one| one.same_rows(identity))
    })
}

/// Waits until the platform has counted the rows and imported the uploads of the
/// selected jobs, or until patience ends. `scale` shortens the waits.
pub fn settle(context: &PlanContext<'_>, scale: f64) -> Result<(), PlanError> {
    let mut seen: Vec<&TableRef> = Vec::new();
    let jobs = context.manifest.jobs.iter();
    for job in jobs.filter(|job| context.selection.takes(job)) {
        let has_rows = !matches!(job.source, Source::Files(_));
        if has_rows && !seen.iter().any(|table| table.matches(&job.table)) {
            seen.push(&job.table);
            settle_table(context, &job.table, scale)?;
        }
    }
    Ok(())
}

fn settle_table(context: &PlanContext<'_>, table: &TableRef, scale: f64) -> Result<(), PlanError> {
    let (reader, call) = (context.reader, &context.call);
    check_cancel(call.cancel)?;
    let dataset = observe_dataset(reader, call, context.net_pool, table.dataset())?;
    let failed = |error| PlanError::remote(format!("table `{table}`"), error);
    if !dataset.draft.has_next
        || reader
            .table(call, table, &Version::Next)
            .map_err(failed)?
            .is_none_or(|table| table.is_file_index)
    {
        return Ok(());
    }
    let owners = owners_of(context.manifest, table);
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let listed = reader
            .uploads(call, table, &Version::Next)
            .map_err(failed)?;
        let lags = listed.iter().any(|upload| lags(upload, &owners));
        if !lags || started.elapsed() > PATIENCE.mul_f64(scale) {
            return Ok(());
        }
        if !call.cancel.wait(pause.mul_f64(scale)) {
            return Err(PlanError::Cancelled);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn lags(upload: &RemoteUpload, owners: &[SourceKey]) -> bool {
    let Some(name) = PartName::parse(&upload.name) else {
        return false;
    };
    let identity = &name.identity;
    if !owners.contains(&identity.owner) {
        return false;
    }
    match upload.status {
        UploadStatus::Failed => false,
        UploadStatus::Queued | UploadStatus::Running => true,
        UploadStatus::Empty | UploadStatus::Completed => {
            identity.rows > 0 && upload.num_rows.unwrap_or(0) < identity.stored_rows()
        }
    }
}
