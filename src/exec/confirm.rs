//! Waiting until the platform's own list counts the rows that were sent. One
//! list call serves all parts of a table, and nothing is held meanwhile.

use std::time::{Duration, Instant};

use super::context::Shared;
use super::error::StepError;
use super::rows::{RowsJob, SentPart};
use crate::base::Version;
use crate::redivis::RemoteUpload;

/// How long a count may lag behind (contract Q13).
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Asks a table's list until `is_settled` says that it has all it wants, or
/// until patience ends. Answers the last list.
pub(super) fn poll_uploads(
    shared: Shared<'_>,
    table: &crate::base::TableRef,
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
            .uploads(&context.call, table, &Version::Next)
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
    let counted = |part: &SentPart, listed: &[RemoteUpload]| {
        part.pieces.iter().all(|piece| {
            listed.iter().any(|upload| {
                upload.name == piece.name && upload.num_rows == Some(piece.identity.stored_rows())
            })
        })
    };
    let listed = poll_uploads(shared, job.table, PATIENCE, &mut |listed| {
        sent.iter().all(|part| counted(part, listed))
    });
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
        let end = match &listed {
            Ok(listed) if counted(&part, listed) => {
                confirmed.push(part);
                end.verified()
            }
            Ok(_) => end.failed(&StepError::Unconfirmed {
                name: part.planned.to_string(),
            }),
            Err(error) => end.failed(error),
        };
        shared.ends.push(shared.context.events, end);
    }
    confirmed
}
