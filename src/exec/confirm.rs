//! Waiting until the platform's own list counts the rows that were sent. One
//! list call serves all parts of a table, and nothing is held meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::context::Shared;
use super::error::StepError;
use super::rows::{RowsJob, SentPart};
use crate::base::{PartIdentity, PartName, Version};
use crate::redivis::RemoteUpload;

/// How long a count may lag behind (contract Q13).
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Asks a table's list until `is_settled` says that it has all it wants, or
/// until patience ends. Answers the last list.
pub(super) fn poll_uploads(
    shared: Shared<'_>,
    (table, version): (&crate::base::TableRef, &Version),
    patience: Duration,
    is_settled: &mut dyn FnMut(&[RemoteUpload]) -> bool,
) -> Result<Vec<RemoteUpload>, StepError> {
    let context = shared.context;
    let scale = context.options.poll_scale;
    let started = Instant::now();
    // Pauses count in full however they are scaled: the number of looks must not
    // depend on how fast the machine is.
    let mut waited = Duration::ZERO;
    let mut pause = FIRST_PAUSE;
    loop {
        let listed = context
            .writer
            .reader()
            .uploads(&context.call, table, version)
            .map_err(StepError::api(format!("list the uploads of `{table}`")))?;
        if is_settled(&listed) || waited.max(started.elapsed()) > patience {
            return Ok(listed);
        }
        if !context.cancel.wait(pause.mul_f64(scale)) {
            return Err(StepError::Cancelled);
        }
        waited += pause;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The uploads that hold their part with all its rows: of several the one that
/// the last look keeps. Another writer with the same manifest may have taken ours
/// away because its own is there.
fn complete_parts(listed: &[RemoteUpload]) -> BTreeMap<PartIdentity, &RemoteUpload> {
    let mut complete: BTreeMap<PartIdentity, &RemoteUpload> = BTreeMap::new();
    for upload in listed {
        let Some(name) = PartName::parse(&upload.name) else {
            continue;
        };
        if upload.num_rows != Some(name.identity.stored_rows()) {
            continue;
        }
        let held = complete.entry(name.identity).or_insert(upload);
        if upload.name < held.name {
            *held = upload;
        }
    }
    complete
}

/// Confirms a job's sent parts and tells how each ended. Answers those that are
/// confirmed.
pub(super) fn confirm_rows(
    shared: Shared<'_>,
    job: &RowsJob<'_>,
    sent: Vec<SentPart>,
) -> Vec<SentPart> {
    if sent.is_empty() {
        return sent;
    }
    let counted = |part: &SentPart, complete: &BTreeMap<PartIdentity, &RemoteUpload>| {
        let mut pieces = part.pieces.iter();
        pieces.all(|piece| complete.contains_key(&piece.identity))
    };
    let place = (job.table, &Version::Next);
    let listed = poll_uploads(shared, place, PATIENCE, &mut |listed| {
        let complete = complete_parts(listed);
        sent.iter().all(|part| counted(part, &complete))
    });
    let complete = listed.as_deref().map(complete_parts);
    let mut confirmed = Vec::new();
    for part in sent {
        let bytes = part.pieces.iter().map(|piece| piece.bytes).sum();
        let mut end = job.end_of(&part.planned, bytes);
        end.rows = part
            .pieces
            .iter()
            .map(|piece| piece.identity.stored_rows())
            .sum();
        end.attempts = part.attempts;
        end.bytes_sent = part.bytes_sent;
        end.millis = part.millis;
        end.remote_id = part
            .pieces
            .first()
            .map(|piece| piece.uri.as_str().to_owned());
        let end = match &complete {
            Ok(complete) if counted(&part, complete) => {
                let first = part.pieces.first();
                if let Some(held) = first.and_then(|piece| complete.get(&piece.identity)) {
                    end.remote_id = Some(held.uri.as_str().to_owned());
                }
                confirmed.push(part);
                end.verified()
            }
            Ok(_) => end.failed(&StepError::Unconfirmed {
                name: part.planned.to_string(),
            }),
            Err(error) => end.failed(*error),
        };
        shared.ends.push(shared.context.events, end);
    }
    confirmed
}
