//! Files: batches of temp uploads, one task for each file, and the task that
//! brings a batch to its end attaches it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::Scope;

use super::attach::{Ready, attach};
use super::context::Shared;
use super::error::StepError;
use super::staging::{ToStage, resumable, stage};
use super::temps::request_temp_uploads;
use crate::base::{CancelToken, ManifestName, TableRef};
use crate::event::ItemEnd;
use crate::event::What;
use crate::plan::{Action, FileSubject, JobPlan, Subject};
use crate::redivis::TempUpload;
use crate::state::Resumable;

/// A batch closes on this many files, or on this many bytes.
const BATCH_FILES: usize = 1000;
const BATCH_BYTES: u64 = 1 << 30;
/// Batches that may be open at once: one is transferred while another is
/// attached and a third gets its temp uploads.
const OPEN_BATCHES: usize = 3;
/// An address older than this is not used any more (contract Q2: one hour).
const ADDRESS_LIFE: Duration = Duration::from_secs(50 * 60);

/// One job's files to send.
#[derive(Debug)]
pub(super) struct FileJob<'a> {
    pub(super) job: &'a ManifestName,
    pub(super) table: &'a TableRef,
    pub(super) files: Vec<&'a FileSubject>,
}

impl<'a> FileJob<'a> {
    /// What the plan says to send.
    pub(super) fn of(plan: &'a JobPlan) -> Self {
        let files = plan
            .items
            .iter()
            .filter(|item| item.action == Action::Send)
            .filter_map(|item| match &item.subject {
                Subject::File(file) => Some(file),
                Subject::Version(_)
                | Subject::Table(_)
                | Subject::Variable(_)
                | Subject::RemoteFile(_)
                | Subject::Part(_)
                | Subject::Upload(_)
                | Subject::Listed(_)
                | Subject::Source { .. } => None,
            })
            .collect();
        Self {
            job: &plan.job,
            table: &plan.table,
            files,
        }
    }

    /// How a file is staged.
    pub(super) fn to_stage(&self, file: &'a FileSubject) -> ToStage<'a> {
        ToStage {
            table: self.table,
            name: file.name.as_str(),
            path: &file.path,
            fingerprint: file.local,
        }
    }

    /// An end of one of its files, nothing known yet.
    pub(super) fn end_of(&self, file: &FileSubject) -> ItemEnd {
        let mut end = ItemEnd::new(What::File, Some(self.job), file.name.as_str(), "send");
        end.bytes = file.local.size;
        end
    }
}

/// A batch under way.
struct Batch<'a> {
    job: &'a FileJob<'a>,
    left: AtomicUsize,
    ready: Mutex<Vec<Ready<'a>>>,
    requested: Instant,
    _permit: Permit,
}

/// Sends a job's files. Runs on the coordinator's thread; tasks go to `net`.
pub(super) fn send_files<'scope>(
    shared: Shared<'scope>,
    job: &'scope FileJob<'scope>,
    net: &Scope<'scope>,
    window: &Arc<Window>,
) {
    let mut rest = job.files.as_slice();
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(batch_length(rest));
        rest = after;
        let cancel = shared.context.cancel;
        let stop = || shared.ends.has_fatal(shared.context.options.fail_fast);
        let permit = Window::enter(window, cancel).filter(|_| !stop());
        let Some(permit) = permit else {
            for file in batch {
                shared.ends.push(
                    shared.context.events,
                    job.end_of(file).failed(&StepError::Cancelled),
                );
            }
            continue;
        };
        start_batch(shared, job, batch, net, permit);
    }
}

fn batch_length(files: &[&FileSubject]) -> usize {
    let mut bytes = 0_u64;
    let mut count = 0;
    for file in files.iter().take(BATCH_FILES) {
        if count > 0 && bytes + file.local.size > BATCH_BYTES {
            break;
        }
        bytes += file.local.size;
        count += 1;
    }
    count
}

/// Gets the batch's temp uploads and hands out its files.
fn start_batch<'scope>(
    shared: Shared<'scope>,
    job: &'scope FileJob<'scope>,
    files: &[&'scope FileSubject],
    net: &Scope<'scope>,
    permit: Permit,
) {
    let fail = |file: &FileSubject, error: &StepError| {
        shared
            .ends
            .push(shared.context.events, job.end_of(file).failed(error));
    };
    let mut fresh: Vec<&FileSubject> = Vec::new();
    let mut ready = Vec::new();
    let mut to_send: Vec<(&FileSubject, Option<TempUpload>)> = Vec::new();
    let places: Vec<ToStage<'_>> = files.iter().map(|file| job.to_stage(file)).collect();
    let found = match resumable(shared, &places) {
        Ok(found) => found,
        Err(error) => {
            for file in files {
                fail(file, &error);
            }
            return;
        }
    };
    for (file, found) in files.iter().zip(found) {
        match found {
            Resumable::Staged(before) => ready.push(Ready {
                file,
                staged: before.into(),
                attempts: 1,
            }),
            Resumable::Session => to_send.push((file, None)),
            Resumable::Nothing => fresh.push(file),
        }
    }
    let named: Vec<(&str, u64)> = fresh
        .iter()
        .map(|file| (file.name.as_str(), file.local.size))
        .collect();
    let given = request_temp_uploads(shared, job.table, &named);
    for (file, given) in fresh.into_iter().zip(given) {
        match given {
            Ok(temp) => to_send.push((file, Some(temp))),
            Err(error) => fail(file, &error),
        }
    }
    let batch = Arc::new(Batch {
        job,
        // One more for this function, so that the batch cannot close early.
        left: AtomicUsize::new(to_send.len() + 1),
        ready: Mutex::new(ready),
        requested: Instant::now(),
        _permit: permit,
    });
    for (file, temp) in to_send {
        let batch = Arc::clone(&batch);
        net.spawn(move |_| send_one(shared, &batch, file, temp));
    }
    net.spawn(move |_| leave(shared, &batch));
}

fn send_one<'a>(
    shared: Shared<'a>,
    batch: &Batch<'a>,
    file: &'a FileSubject,
    temp: Option<TempUpload>,
) {
    let started = Instant::now();
    let stop = shared.context.cancel.is_cancelled()
        || shared.ends.has_fatal(shared.context.options.fail_fast);
    let temp = temp.filter(|_| batch.requested.elapsed() < ADDRESS_LIFE);
    let staged = if stop {
        Err(StepError::Cancelled)
    } else {
        stage(shared, batch.job.to_stage(file), temp)
    };
    match staged {
        Ok(staged) => {
            let mut ready = batch.ready.lock().unwrap_or_else(PoisonError::into_inner);
            ready.push(Ready {
                file,
                staged,
                attempts: 1,
            });
        }
        Err(error) => {
            let mut end = batch.job.end_of(file);
            end.attempts = 1;
            end.millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            shared.ends.push(shared.context.events, end.failed(&error));
        }
    }
    leave(shared, batch);
}

/// The last one to leave a batch attaches it.
fn leave<'a>(shared: Shared<'a>, batch: &Batch<'a>) {
    if batch.left.fetch_sub(1, Ordering::AcqRel) != 1 {
        return;
    }
    let ready = std::mem::take(&mut *batch.ready.lock().unwrap_or_else(PoisonError::into_inner));
    attach(shared, batch.job, ready);
}

/// A bounded number of open batches.
#[derive(Debug)]
pub(super) struct Window {
    open: Mutex<usize>,
    closed: Condvar,
}

/// One open batch; leaves the window when dropped, also by a panic.
#[derive(Debug)]
struct Permit(Arc<Window>);

impl Window {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::new(0),
            closed: Condvar::new(),
        })
    }

    fn enter(this: &Arc<Self>, cancel: &CancelToken) -> Option<Permit> {
        let open = this.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = cancel.wait_for(&this.closed, open, |open| *open < OPEN_BATCHES)?;
        if cancel.is_cancelled() {
            return None;
        }
        *open += 1;
        Some(Permit(Arc::clone(this)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open -= 1;
        self.0.closed.notify_all();
    }
}
