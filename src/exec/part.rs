//! One part of rows becomes one upload that sees at most one `insertRows` request
//! in its life. After an unknown outcome or a wrong count the upload is deleted
//! and another attempt begins under a new name.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::time::Instant;

use super::bisect::find_refused;
use super::context::{RefusedRow, Shared, random};
use super::deletes::delete_and_wait;
use super::error::StepError;
use super::payload::Rows;
use super::rows::{Piece, RowsJob, SentPart};
use crate::base::{PartIdentity, Version};
use crate::event::What;
use crate::plan::PartSubject;
use crate::redivis::{ApiErrorKind, RemoteUpload, UploadContent};
use crate::source::rows::{Reading, Sending, replay_rows};

/// Attempts at one part.
const MAX_ATTEMPTS: u32 = 3;

/// Sends one planned part, whatever becomes of it.
pub(super) fn send_part(shared: Shared<'_>, job: &RowsJob<'_>, part: &PartSubject, payload: &[u8]) {
    let mut sender = PartSender {
        shared,
        job,
        part,
        started: Instant::now(),
        bytes_sent: 0,
        attempts: 0,
        pieces: Vec::new(),
    };
    let sent = if shared.context.cancel.is_cancelled() {
        Err(StepError::Cancelled)
    } else {
        let rows = format!("{} from row {}", part.shown, part.identity.first_row);
        let events = shared.context.events;
        let _active = events.begin(What::Part, rows, payload.len() as u64);
        sender.send(&part.identity, payload)
    };
    match sent {
        Ok(()) => {
            let sent = SentPart {
                planned: part.identity.clone(),
                bytes_sent: sender.bytes_sent,
                attempts: sender.attempts,
                millis: sender.millis(),
                pieces: sender.pieces,
            };
            job.sent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(sent);
        }
        Err(error) => {
            let mut end = job.end_of(&part.identity, part.bytes);
            end.attempts = sender.attempts;
            end.bytes_sent = sender.bytes_sent;
            end.millis = sender.millis();
            shared.ends.push(shared.context.events, end.failed(&error));
        }
    }
}

struct PartSender<'a> {
    shared: Shared<'a>,
    job: &'a RowsJob<'a>,
    part: &'a PartSubject,
    started: Instant,
    bytes_sent: u64,
    attempts: u32,
    pieces: Vec<Piece>,
}

/// How one attempt at inserting rows ended.
enum Attempt {
    /// The platform added them all.
    Added(RemoteUpload),
    /// The upload is gone again; another attempt may do better.
    Again(StepError),
    /// 413.
    TooLarge(StepError),
    /// 400.
    Refused(StepError),
}

impl PartSender<'_> {
    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Sends rows as one part; splits and leaves out as the platform demands.
    fn send(&mut self, identity: &PartIdentity, payload: &[u8]) -> Result<(), StepError> {
        let mut last = StepError::Cancelled;
        for _ in 0..MAX_ATTEMPTS {
            if self.shared.context.cancel.is_cancelled() {
                return Err(StepError::Cancelled);
            }
            match self.attempt(identity, payload, identity.stored_rows())? {
                Attempt::Added(upload) => {
                    self.pieces.push(Piece {
                        identity: identity.clone(),
                        uri: upload.uri,
                        bytes: payload.len() as u64,
                    });
                    return Ok(());
                }
                Attempt::Again(error) => last = error,
                Attempt::TooLarge(error) => return self.halve(identity, payload, error),
                Attempt::Refused(error) => return self.leave_out(identity, payload, error),
            }
        }
        Err(last)
    }

    /// One upload with one `insertRows` of `wanted` rows.
    fn attempt(
        &mut self,
        identity: &PartIdentity,
        payload: &[u8],
        wanted: u64,
    ) -> Result<Attempt, StepError> {
        let context = self.shared.context;
        self.attempts += 1;
        let name = identity.attempt(random()).to_string();
        let intent = context
            .store
            .intent(
                "insert_rows",
                &self.job.table.to_string(),
                &name,
                (context.now_ms)(),
            )
            .map_err(StepError::state)?;
        let upload = match self.create(&name)? {
            Ok(upload) => upload,
            Err(error) => return Ok(Attempt::Again(error)),
        };
        self.bytes_sent += payload.len() as u64;
        let answer = context
            .writer
            .insert_rows(&context.call, &upload.uri, payload);
        let outcome = match answer {
            Ok(added) if added == wanted => Attempt::Added(upload),
            Ok(added) => {
                let error = StepError::RowsMismatch {
                    name,
                    sent: wanted,
                    found: added,
                };
                delete_and_wait(context, &upload.uri)?;
                Attempt::Again(error)
            }
            Err(error) => {
                let kind = error.kind().clone();
                let doubt = error.is_in_doubt();
                let error = StepError::api(format!("insert the rows of `{name}`"))(error);
                if let StepError::Cancelled = error {
                    return Err(error);
                }
                delete_and_wait(context, &upload.uri)?;
                match kind {
                    ApiErrorKind::TooLarge => Attempt::TooLarge(error),
                    ApiErrorKind::Invalid => Attempt::Refused(error),
                    ApiErrorKind::NotFound => Attempt::Again(StepError::WriterAtWork {
                        table: self.job.table.to_string(),
                        what: format!("it deleted upload `{name}` before its rows came"),
                    }),
                    ApiErrorKind::Unauthorized
                    | ApiErrorKind::Forbidden { .. }
                    | ApiErrorKind::Conflict
                    | ApiErrorKind::RateLimited
                    | ApiErrorKind::Unavailable
                    | ApiErrorKind::Network
                    | ApiErrorKind::Tls
                    | ApiErrorKind::Protocol
                    | ApiErrorKind::Cancelled
                    | ApiErrorKind::LocalRead => {
                        if !doubt {
                            return Err(error);
                        }
                        Attempt::Again(error)
                    }
                }
            }
        };
        context
            .store
            .intent_done(intent)
            .map_err(StepError::state)?;
        Ok(outcome)
    }

    /// Creates the upload. The inner error says that it does not exist now and
    /// that a new name may do better.
    fn create(&self, name: &str) -> Result<Result<RemoteUpload, StepError>, StepError> {
        let context = self.shared.context;
        let content = UploadContent::Stream(self.job.schema.clone());
        let created = context
            .writer
            .create_upload(&context.call, self.job.table, name, &content);
        match created {
            Ok(upload) if upload.name == name => Ok(Ok(upload)),
            Ok(upload) => {
                delete_and_wait(context, &upload.uri)?;
                Err(StepError::OtherWriter {
                    asked: name.to_owned(),
                    answered: upload.name,
                })
            }
            Err(error) if error.is_in_doubt() => {
                let doing = format!("create upload `{name}`");
                let error = StepError::api(doing.clone())(error);
                if let StepError::Cancelled = error {
                    return Err(error);
                }
                let listed = context
                    .writer
                    .reader()
                    .uploads(&context.call, self.job.table, &Version::Next)
                    .map_err(StepError::api(doing))?;
                for upload in listed.iter().filter(|upload| upload.name == name) {
                    delete_and_wait(context, &upload.uri)?;
                }
                Ok(Err(error))
            }
            Err(error) => Err(StepError::api(format!("create upload `{name}`"))(error)),
        }
    }

    /// A 413: the halves are ordinary parts.
    fn halve(
        &mut self,
        identity: &PartIdentity,
        payload: &[u8],
        error: StepError,
    ) -> Result<(), StepError> {
        // Without the rows that were left out it is no run of rows any more.
        let is_run = identity.refused == 0;
        let Some(rows) = Rows::of(payload).filter(|rows| is_run && rows.len() > 1) else {
            return Err(error);
        };
        let middle = rows.len() / 2;
        for half in [0..middle, middle..rows.len()] {
            let source = &identity.source;
            let part = rows.identity(identity, source, &self.job.schema, half.clone());
            self.send(&part, &rows.payload(half))?;
        }
        Ok(())
    }

    /// A 400: find the rows that it is about, leave them out, say so.
    fn leave_out(
        &mut self,
        identity: &PartIdentity,
        payload: &[u8],
        error: StepError,
    ) -> Result<(), StepError> {
        let Some(rows) = Rows::of(payload).filter(|_| identity.refused == 0) else {
            return Err(error);
        };
        let max = self.job.source.max_rejects;
        let limit = max.saturating_sub(*self.left_out());
        let Some(refused) = find_refused(&rows, limit, &mut |range| {
            let payload = rows.payload(range.clone());
            self.probe(identity, &payload, range.len() as u64)
        })?
        else {
            // No probe succeeded: the refusal is not about rows.
            return Err(error);
        };
        if refused.is_empty() {
            // Both halves are welcome, the whole is not.
            return self.halve(identity, payload, error);
        }
        self.tell_refused(identity, &rows, &refused, &error);
        let count = refused.len() as u64;
        let is_over = {
            let mut all = self.left_out();
            *all += count;
            *all > max
        };
        if is_over {
            return Err(StepError::RowsRefused {
                name: identity.to_string(),
                refused: count,
                max,
            });
        }
        let left = rows.payload((0..rows.len()).filter(|row| refused.binary_search(row).is_err()));
        let mut reduced = identity.clone();
        reduced.refused = count;
        self.send(&reduced, &left)
    }

    fn left_out(&self) -> std::sync::MutexGuard<'_, u64> {
        self.job
            .left_out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A probe is an attempt at the part with fewer rows than its name says, so
    /// that a probe left behind by a kill is an unfinished attempt to anybody
    /// who lists it.
    fn probe(
        &mut self,
        identity: &PartIdentity,
        payload: &[u8],
        rows: u64,
    ) -> Result<bool, StepError> {
        let mut last = StepError::Cancelled;
        for _ in 0..MAX_ATTEMPTS {
            match self.attempt(identity, payload, rows)? {
                Attempt::Added(upload) => {
                    delete_and_wait(self.shared.context, &upload.uri)?;
                    return Ok(true);
                }
                Attempt::Refused(_) => return Ok(false),
                Attempt::TooLarge(error) => return Err(error),
                Attempt::Again(error) => last = error,
            }
        }
        Err(last)
    }

    fn tell_refused(
        &self,
        identity: &PartIdentity,
        rows: &Rows<'_>,
        refused: &[usize],
        error: &StepError,
    ) {
        let lines = self.lines_of(identity, refused);
        for row in refused {
            let row_index = identity.first_row + *row as u64;
            let refused = RefusedRow {
                source: self.part.shown.clone(),
                row: row_index,
                line: lines.get(&row_index).copied(),
                value: String::from_utf8_lossy(rows.row(*row)).into_owned(),
                message: error.one_line(),
            };
            (self.shared.context.on_refused)(self.job.job, refused);
        }
    }

    /// Where rows of the source start: its part is read once more.
    fn lines_of(&self, identity: &PartIdentity, refused: &[usize]) -> BTreeMap<u64, u64> {
        let mut lines = BTreeMap::new();
        let job = self.job;
        let Some(input) = job.content.inputs.get(self.part.input) else {
            return lines;
        };
        let sending = Sending {
            reading: Reading::new(job.source, &input.input, &job.content.schema),
            cuts: &input.cuts,
            fingerprint: input.fingerprint,
        };
        let from = identity.first_row - self.part.identity.first_row;
        let wanted = |index: u64| {
            let row = index.checked_sub(from).and_then(|row| row.try_into().ok());
            row.is_some_and(|row: usize| refused.binary_search(&row).is_ok())
        };
        let read = replay_rows(
            sending,
            self.part.cut,
            &mut |index, _, start| {
                if wanted(index) {
                    lines.insert(self.part.identity.first_row + index, start.line);
                }
                if lines.len() == refused.len() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
            self.shared.context.cancel,
        );
        if let Err(error) = read {
            tracing::debug!(error = %error, "the lines of refused rows cannot be told");
        }
        lines
    }
}
