//! The coordinator: the order of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use super::budget::Budget;
use super::confirm::confirm_rows;
use super::context::{ExecContext, Shared};
use super::deletes::{Deletions, delete_listed};
use super::draft::Draft;
use super::error::StepError;
use super::feed::send_rows;
use super::files::{FileJob, Window, send_files};
use super::look::{SentFile, Wanted, look_at_files, look_at_parts, released_parts};
use super::outcome::Ends;
use super::release::{is_released, jobs_to_release, release_datasets, why_not};
use super::rows::{RowsJob, SentPart};
use super::tables::{prepare, strategies_hold};
use super::temps::CallSize;
use super::unreached::add_not_reached;
use super::uploads::{UploadsJob, confirm_uploads, send_uploads};
use super::variables::describe;
use crate::base::{PartIdentity, PartName, TableRef, Version};
use crate::event::{End, Event, ItemEnd, Phase, RunEnd, Totals, What};
use crate::manifest::Source;
use crate::plan::{Action, Class, DatasetPlan, JobContent, JobPlan, ListedSubject, Plan, Subject};

/// Executes a plan. Every item that has an action ends in the answer.
pub fn run(context: &ExecContext<'_>, plan: &Plan) -> RunEnd {
    let ends = Ends::default();
    let budget = Budget::new(context.options.max_memory);
    let call_size = CallSize::default();
    let shared = Shared {
        context,
        budget: &budget,
        ends: &ends,
        call_size: &call_size,
    };
    context.events.send(Event::RunStarted(totals(plan)));
    let drafts: Vec<Draft> = plan.datasets.iter().map(Draft::of).collect();

    context.events.send(Event::Phase(Phase::Preparing));
    let ready: Vec<bool> = plan
        .datasets
        .iter()
        .zip(&drafts)
        .map(|(dataset, draft)| prepare_dataset(shared, plan, dataset, draft))
        .collect();
    let is_ready = |table: &TableRef| {
        plan.datasets
            .iter()
            .zip(&ready)
            .any(|(dataset, ready)| *ready && dataset.dataset.matches(table.dataset()))
    };
    let jobs: Vec<RunJob<'_>> = plan
        .jobs
        .iter()
        .filter_map(|job| RunJob::of(context, job, is_ready(&job.table)))
        .collect();
    for job in jobs.iter().filter(|job| job.is_ready) {
        delete_listed(shared, job.plan, Deletions::Broken, &|_| None);
    }
    context.events.send(Event::Phase(Phase::Sending));
    send(shared, &jobs);
    context.events.send(Event::Phase(Phase::Confirming));
    let confirmed: Vec<Vec<SentPart>> = jobs.iter().map(|job| confirm(shared, job)).collect();

    context.events.send(Event::Phase(Phase::Checking));
    let mut complete_jobs = Vec::new();
    for (job, confirmed) in jobs.iter().zip(&confirmed) {
        if finish_job(shared, &drafts, job, confirmed) {
            complete_jobs.push(job.plan.job.clone());
        }
        explain_refused(shared, &drafts, job);
    }
    describe(shared, plan, (&drafts, &ready), &complete_jobs);
    if plan.datasets.iter().any(is_released) {
        context.events.send(Event::Phase(Phase::Releasing));
    }
    let so_far = RunEnd {
        items: ends.snapshot(),
        complete_jobs,
    };
    let blocked = why_not(&so_far, plan.jobs.len());
    let finished = jobs_to_release(plan, |index| {
        let mut pairs = jobs.iter().zip(&confirmed);
        let found = pairs.find(|(job, _)| job.plan.index == index);
        found.map_or(&[], |(_, confirmed)| confirmed.as_slice())
    });
    release_datasets(shared, plan, (&drafts, &finished), blocked.as_ref());
    let complete_jobs = so_far.complete_jobs;
    let mut end = RunEnd {
        items: ends.finish(),
        complete_jobs,
    };
    add_not_reached(plan, &mut end);
    context.events.send(Event::RunFinished);
    end
}

fn totals(plan: &Plan) -> Totals {
    let mut totals = Totals::default();
    for item in plan.items().filter(|item| item.action == Action::Send) {
        let (bytes, rows) = item.amount();
        totals.bytes += bytes;
        totals.rows += rows.unwrap_or(0);
        match item.subject {
            Subject::File(_) => totals.files += 1,
            Subject::Part(_) => totals.parts += 1,
            Subject::Upload(_) => totals.uploads += 1,
            Subject::Version(_)
            | Subject::Table(_)
            | Subject::Variable(_)
            | Subject::RemoteFile(_)
            | Subject::Listed(_)
            | Subject::Source { .. } => {}
        }
    }
    totals
}

/// Makes a dataset ready; answers whether its jobs may start.
fn prepare_dataset(shared: Shared<'_>, plan: &Plan, dataset: &DatasetPlan, draft: &Draft) -> bool {
    let has_work = plan
        .jobs
        .iter()
        .filter(|job| job.table.dataset().matches(&dataset.dataset))
        .flat_map(|job| &job.items)
        .chain(&dataset.items)
        .any(|item| item.action != Action::None);
    if !has_work {
        return true;
    }
    // Another shard, or another day's run, may have created `next` since: creating
    // it takes that, too. What replaces a table wants to know the draft before.
    let mut jobs = plan.jobs.iter();
    let replaces = jobs.any(|job| job.replaces && job.table.dataset().matches(&dataset.dataset));
    let creates_with_others = !(plan.is_whole && replaces)
        && dataset.items.iter().any(|item| {
            matches!(item.subject, Subject::Version(_)) && item.action == Action::Create
        });
    if !creates_with_others && let Err(error) = draft.check(shared) {
        let name = format!("{}:next", dataset.dataset);
        let end = ItemEnd::new(What::Version, None, &name, "check").failed(&error);
        shared.ends.push(shared.context.events, end);
        return false;
    }
    prepare(shared, dataset, draft) && strategies_hold(shared, dataset, &plan.jobs)
}

/// A job under way.
struct RunJob<'a> {
    plan: &'a JobPlan,
    is_ready: bool,
    work: Work<'a>,
}

enum Work<'a> {
    Files(FileJob<'a>),
    Rows(RowsJob<'a>),
    Uploads(UploadsJob<'a>),
}

impl<'a> RunJob<'a> {
    fn of(context: &ExecContext<'a>, plan: &'a JobPlan, is_ready: bool) -> Option<Self> {
        let job = context.manifest.jobs.get(plan.index)?;
        let work = match (&plan.content, &job.source) {
            (JobContent::Files, Source::Files(_)) => Work::Files(FileJob::of(plan)),
            (JobContent::Rows(content), Source::Rows(source)) => {
                Work::Rows(RowsJob::of(plan, source, content))
            }
            (JobContent::Uploads { .. }, Source::Uploads(_)) => Work::Uploads(UploadsJob::of(plan)),
            (JobContent::Files | JobContent::Rows(_) | JobContent::Uploads { .. }, _) => {
                return None;
            }
        };
        Some(Self {
            plan,
            is_ready,
            work,
        })
    }

    fn has_actions(&self) -> bool {
        self.plan
            .items
            .iter()
            .any(|item| item.action != Action::None)
    }
}

/// Moves all bytes and rows. Row feeders run beside the file batches.
fn send<'a>(shared: Shared<'a>, jobs: &'a [RunJob<'a>]) {
    let context = shared.context;
    let window = Window::new();
    context.net_pool.in_place_scope(|net| {
        context.cpu_pool.in_place_scope(|cpu| {
            for job in jobs.iter().filter(|job| job.is_ready) {
                if let Work::Rows(work) = &job.work {
                    send_rows(shared, work, cpu, net);
                }
            }
            for job in jobs.iter().filter(|job| job.is_ready) {
                match &job.work {
                    Work::Files(work) => send_files(shared, work, net, &window),
                    Work::Uploads(work) => send_uploads(shared, work, net),
                    Work::Rows(_) => {}
                }
            }
        });
    });
}

fn confirm(shared: Shared<'_>, job: &RunJob<'_>) -> Vec<SentPart> {
    match &job.work {
        Work::Rows(work) => {
            let sent =
                std::mem::take(&mut *work.sent.lock().unwrap_or_else(PoisonError::into_inner));
            confirm_rows(shared, work, sent)
        }
        Work::Uploads(work) => {
            confirm_uploads(shared, work);
            Vec::new()
        }
        Work::Files(_) => Vec::new(),
    }
}

/// Deletes what is superseded and takes the last look. Answers whether the job
/// is complete.
fn finish_job(
    shared: Shared<'_>,
    drafts: &[Draft],
    job: &RunJob<'_>,
    confirmed: &[SentPart],
) -> bool {
    let refused = job
        .plan
        .items
        .iter()
        .any(|item| matches!(item.class, Class::Conflict | Class::Locked));
    if !job.has_actions() {
        return !refused;
    }
    if !job.is_ready {
        return false;
    }
    if let Some(Err(error)) = draft_of(drafts, job).map(|draft| draft.check(shared)) {
        fail_look(shared, job, &error);
        return false;
    }
    let wanted = Wanted::of(job.plan, confirmed);
    let failed = shared.ends.failed_items(&job.plan.job);
    if deletes_superseded(job.plan) {
        let complete = match &wanted {
            Some(wanted) => complete_now(shared, job, wanted),
            None => Ok(BTreeSet::new()),
        };
        match complete {
            Ok(complete) => {
                let blocked = |listed: &ListedSubject| {
                    blocked_by(job, (&failed, &complete), confirmed, listed)
                };
                delete_listed(shared, job.plan, Deletions::Superseded, &blocked);
            }
            Err(error) => {
                fail_look(shared, job, &error);
                return false;
            }
        }
    }
    if !shared.ends.failed_items(&job.plan.job).is_empty() || refused {
        return false;
    }
    match look(shared, job, wanted.as_ref()) {
        Ok(()) => true,
        Err(error) => {
            fail_look(shared, job, &error);
            false
        }
    }
}

fn draft_of<'d>(drafts: &'d [Draft], job: &RunJob<'_>) -> Option<&'d Draft> {
    let mut drafts = drafts.iter();
    drafts.find(|draft| draft.dataset.matches(job.plan.table.dataset()))
}

/// A draft that another writer has released refuses whatever is asked of it:
/// then this, and not each refusal, is what is wrong.
fn explain_refused(shared: Shared<'_>, drafts: &[Draft], job: &RunJob<'_>) {
    let name = &job.plan.job;
    if shared.ends.has_refused(name)
        && let Some(draft) = draft_of(drafts, job)
        && let Err(changed @ StepError::DraftChanged { .. }) = draft.check(shared)
    {
        shared.ends.explain_refused(name, &changed);
    }
}

fn deletes_superseded(plan: &JobPlan) -> bool {
    plan.items
        .iter()
        .any(|item| item.action == Action::Delete && item.class != Class::Broken)
}

/// The wanted parts that the table lists as complete just now.
fn complete_now(
    shared: Shared<'_>,
    job: &RunJob<'_>,
    wanted: &Wanted,
) -> Result<BTreeSet<PartIdentity>, StepError> {
    let context = shared.context;
    let table = &job.plan.table;
    let listed = context
        .writer
        .reader()
        .uploads(&context.call, table, &Version::Next)
        .map_err(StepError::api(format!("list the uploads of `{table}`")))?;
    let in_draft = listed.iter().filter_map(|upload| {
        let name = PartName::parse(&upload.name)?;
        wanted
            .is_complete(upload, &name.identity)
            .then_some(name.identity)
    });
    Ok(in_draft.chain(released_parts(job.plan)).collect())
}

/// Why an old upload must stay: something wanted of its source is not complete,
/// or the source changed again.
fn blocked_by(
    job: &RunJob<'_>,
    (failed, complete): (&[String], &BTreeSet<PartIdentity>),
    confirmed: &[SentPart],
    listed: &ListedSubject,
) -> Option<String> {
    let Work::Rows(work) = &job.work else {
        let JobContent::Uploads { wanted, .. } = &job.plan.content else {
            return None;
        };
        let all = wanted.iter().all(|identity| complete.contains(identity));
        return (!failed.is_empty() || !all)
            .then(|| "not all uploads of the job are complete".to_owned());
    };
    let key = listed.identity.as_ref().map(|identity| &identity.source);
    let input = work
        .content
        .inputs
        .iter()
        .find(|input| Some(&input.input.key) == key);
    let Some(input) = input else {
        // Its rows may have moved to another source.
        return (!failed.is_empty()).then(|| "other parts of the job failed".to_owned());
    };
    let is_complete = input.cuts.iter().all(|cut| {
        let planned = cut.identity.to_string();
        if failed.contains(&planned) {
            return false;
        }
        let sent = confirmed.iter().find(|part| part.planned == cut.identity);
        match (sent, &cut.kept) {
            (Some(part), _) => {
                let mut pieces = part.pieces.iter();
                pieces.all(|piece| complete.contains(&piece.identity))
            }
            (None, Some(kept)) => complete.contains(kept),
            (None, None) => false,
        }
    });
    let is_unchanged = std::fs::metadata(&input.input.path)
        .is_ok_and(|metadata| crate::base::Fingerprint::of(&metadata) == input.fingerprint);
    (!is_complete || !is_unchanged)
        .then(|| "not all new parts of the source are complete".to_owned())
}

fn fail_look(shared: Shared<'_>, job: &RunJob<'_>, error: &StepError) {
    let name = job.plan.table.to_string();
    let end = ItemEnd::new(What::Table, Some(&job.plan.job), &name, "check").failed(error);
    shared.ends.push(shared.context.events, end);
}

fn look(shared: Shared<'_>, job: &RunJob<'_>, wanted: Option<&Wanted>) -> Result<(), StepError> {
    let Some(wanted) = wanted else {
        let Work::Files(work) = &job.work else {
            return Ok(());
        };
        let sent: BTreeMap<String, SentFile> = shared
            .ends
            .snapshot()
            .into_iter()
            .filter(|end| end.job.as_ref() == Some(&job.plan.job) && end.end == End::Verified)
            .filter_map(|end| {
                let file = SentFile {
                    size: end.bytes,
                    md5: end.md5?,
                    remote_id: end.remote_id?,
                };
                Some((end.name, file))
            })
            .collect();
        return look_at_files(shared, work, &sent);
    };
    look_at_parts(shared, &job.plan.table, wanted, job.plan)
}
