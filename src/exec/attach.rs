//! Making staged files part of a table, and proving that the table has them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::context::Shared;
use super::error::StepError;
use super::files::FileJob;
use super::staging::{Staged, forget_staged, stage};
use crate::base::ByteCount;
use crate::base::Version;
use crate::plan::FileSubject;
use crate::redivis::{ApiError, ApiErrorKind, RemoteFile, StagedFile};
use crate::state::VerifiedFile;

/// A file whose bytes are staged.
#[derive(Debug, Clone)]
pub(super) struct Ready<'a> {
    pub(super) file: &'a FileSubject,
    pub(super) staged: Staged,
    pub(super) attempts: u32,
}

/// A file that must be sent again, and why.
type Again<'a> = (Ready<'a>, Arc<StepError>);

/// How often a listing is asked for files whose attaching is in doubt.
const LOOKS: u32 = 5;
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// A file is sent again once when the platform holds other bytes than sent.
const MAX_ATTEMPTS: u32 = 2;

/// Attaches staged files and tells how each ended.
pub(super) fn attach<'a>(shared: Shared<'a>, job: &FileJob<'a>, mut ready: Vec<Ready<'a>>) {
    ready.sort_by(|a, b| a.file.name.cmp(&b.file.name));
    while !ready.is_empty() {
        let again = attach_batch(shared, job, ready);
        ready = send_again(shared, job, again);
    }
}

/// Attaches a batch; answers the files that must be sent again.
fn attach_batch<'a>(
    shared: Shared<'a>,
    job: &FileJob<'a>,
    ready: Vec<Ready<'a>>,
) -> Vec<Again<'a>> {
    if ready.is_empty() {
        return Vec::new();
    }
    let staged: Vec<StagedFile> = ready
        .iter()
        .map(|one| StagedFile {
            name: one.file.name.to_string(),
            temp_upload_id: one.staged.temp_upload_id.clone(),
        })
        .collect();
    let context = shared.context;
    let subject = job.table.to_string();
    let detail = format!("{} files, first `{}`", ready.len(), ready[0].file.name);
    let intent = match context
        .store
        .intent("attach", &subject, &detail, (context.now_ms)())
    {
        Ok(intent) => intent,
        Err(error) => return fail_all(shared, job, &ready, &StepError::state(error)),
    };
    let answer = context
        .writer
        .attach_files(&context.call, job.table, &staged);
    let result = match answer {
        Ok(found) => settle(shared, job, ready, &by_name(found)),
        Err(error) if error.is_in_doubt() => settle_doubt(shared, job, ready, error),
        Err(error) if is_about_files(&error) => split(shared, job, ready, error),
        Err(error) => fail_all(shared, job, &ready, &attach_error(job)(error)),
    };
    if let Err(error) = context.store.intent_done(intent) {
        tracing::warn!(error = %error, "an intent stays open in the state");
    }
    result
}

fn attach_error(job: &FileJob<'_>) -> impl FnOnce(ApiError) -> StepError {
    StepError::api(format!("attach files to table `{}`", job.table))
}

fn by_name(found: Vec<RemoteFile>) -> BTreeMap<String, RemoteFile> {
    found
        .into_iter()
        .map(|file| (file.name.clone(), file))
        .collect()
}

/// A refusal that may be the fault of one of the files.
fn is_about_files(error: &ApiError) -> bool {
    matches!(
        error.kind(),
        ApiErrorKind::Invalid | ApiErrorKind::TooLarge | ApiErrorKind::Conflict
    )
}

/// On a refusal: halve until the culprit stands alone, and give that one a new
/// temp upload.
fn split<'a>(
    shared: Shared<'a>,
    job: &FileJob<'a>,
    mut ready: Vec<Ready<'a>>,
    error: ApiError,
) -> Vec<Again<'a>> {
    if ready.len() == 1 {
        let error = Arc::new(attach_error(job)(error));
        return ready
            .into_iter()
            .map(|one| (one, Arc::clone(&error)))
            .collect();
    }
    let second = ready.split_off(ready.len() / 2);
    let mut again = attach_batch(shared, job, ready);
    again.extend(attach_batch(shared, job, second));
    again
}

/// The answer is lost: what the listing shows is done, and only the rest is
/// attached again.
fn settle_doubt<'a>(
    shared: Shared<'a>,
    job: &FileJob<'a>,
    ready: Vec<Ready<'a>>,
    error: ApiError,
) -> Vec<Again<'a>> {
    let context = shared.context;
    let wanted: Vec<String> = ready.iter().map(|one| one.file.name.to_string()).collect();
    let mut found = BTreeMap::new();
    for look in 0..LOOKS {
        if look > 0
            && !context
                .cancel
                .wait(LOOK_PAUSE.mul_f64(context.options.poll_scale))
        {
            break;
        }
        found = match list_named(shared, job, &wanted) {
            Ok(found) => found,
            Err(error) => return fail_all(shared, job, &ready, &error),
        };
        let all = ready.iter().all(|one| {
            found
                .get(one.file.name.as_str())
                .is_some_and(|file| matches_staged(one, file))
        });
        if all {
            break;
        }
    }
    let (done, missing): (Vec<_>, Vec<_>) = ready.into_iter().partition(|one| {
        found
            .get(one.file.name.as_str())
            .is_some_and(|file| matches_staged(one, file))
    });
    let mut again = settle(shared, job, done, &found);
    // The temp uploads may be spent, so each missing file counts as a try.
    let error = Arc::new(attach_error(job)(error));
    again.extend(missing.into_iter().map(|one| (one, Arc::clone(&error))));
    again
}

fn list_named(
    shared: Shared<'_>,
    job: &FileJob<'_>,
    names: &[String],
) -> Result<BTreeMap<String, RemoteFile>, StepError> {
    let mut found = BTreeMap::new();
    let context = shared.context;
    context
        .writer
        .reader()
        .raw_files(&context.call, job.table, &Version::Next, &mut |file| {
            if names.binary_search(&file.name).is_ok() {
                found.insert(file.name.clone(), file);
            }
        })
        .map_err(StepError::api(format!("list the files of `{}`", job.table)))?;
    Ok(found)
}

fn matches_staged(ready: &Ready<'_>, found: &RemoteFile) -> bool {
    found.size == ready.file.local.size && found.md5.is_none_or(|md5| md5 == ready.staged.md5)
}

/// Holds the platform's answer against what was sent.
fn settle<'a>(
    shared: Shared<'a>,
    job: &FileJob<'a>,
    ready: Vec<Ready<'a>>,
    found: &BTreeMap<String, RemoteFile>,
) -> Vec<Again<'a>> {
    let mut again = Vec::new();
    let mut spent = Vec::new();
    for one in ready {
        let name = one.file.name.to_string();
        let Some(file) = found.get(&name) else {
            again.push((one, Arc::new(StepError::Unconfirmed { name })));
            continue;
        };
        if !matches_staged(&one, file) {
            let error = StepError::Mismatch {
                name,
                sent_size: ByteCount(one.file.local.size),
                sent_md5: one.staged.md5,
                found_size: ByteCount(file.size),
                found_md5: file.md5,
            };
            again.push((one, Arc::new(error)));
            continue;
        }
        spent.push(job.to_stage(one.file));
        finish(shared, job, &one, file);
    }
    if let Err(error) = forget_staged(shared, &spent) {
        tracing::warn!(error = %error, "spent temp uploads stay in the state");
    }
    again
}

fn finish(shared: Shared<'_>, job: &FileJob<'_>, ready: &Ready<'_>, found: &RemoteFile) {
    let context = shared.context;
    let receipt = VerifiedFile {
        table: job.table.to_string(),
        name: ready.file.name.to_string(),
        size: ready.file.local.size,
        md5: ready.staged.md5,
        remote_id: found.id.clone(),
        verified_at_ms: (context.now_ms)(),
    };
    if let Err(error) = context.store.file_verified(receipt) {
        tracing::warn!(error = %error, "a receipt cannot be written to the state");
    }
    let mut end = job.end_of(ready.file);
    end.attempts = ready.attempts;
    end.bytes_sent = ready.staged.bytes_sent;
    end.md5 = Some(ready.staged.md5);
    end.remote_id = Some(found.id.clone());
    shared.ends.push(context.events, end.verified());
}

/// Sends files again that were not taken as they were; those that had their
/// chance fail.
fn send_again<'a>(shared: Shared<'a>, job: &FileJob<'a>, files: Vec<Again<'a>>) -> Vec<Ready<'a>> {
    let mut ready = Vec::new();
    for (mut one, error) in files {
        let place = job.to_stage(one.file);
        let result = forget_staged(shared, &[place])
            .map_err(Arc::new)
            .and_then(|()| {
                if one.attempts >= MAX_ATTEMPTS || shared.context.cancel.is_cancelled() {
                    Err(error)
                } else {
                    stage(shared, place, None).map_err(Arc::new)
                }
            });
        match result {
            Ok(mut staged) => {
                staged.bytes_sent += one.staged.bytes_sent;
                one.staged = staged;
                one.attempts += 1;
                ready.push(one);
            }
            Err(error) => {
                let mut end = job.end_of(one.file);
                end.attempts = one.attempts;
                end.bytes_sent = one.staged.bytes_sent;
                shared
                    .ends
                    .push(shared.context.events, end.failed(error.as_ref()));
            }
        }
    }
    ready
}

fn fail_all<'a>(
    shared: Shared<'a>,
    job: &FileJob<'a>,
    ready: &[Ready<'a>],
    error: &StepError,
) -> Vec<Again<'a>> {
    for one in ready {
        let mut end = job.end_of(one.file);
        end.attempts = one.attempts;
        end.bytes_sent = one.staged.bytes_sent;
        shared.ends.push(shared.context.events, end.failed(error));
    }
    Vec::new()
}
