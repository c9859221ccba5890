//! Bulk uploads: the file's bytes are staged, the upload is created once, and
//! one list call for all tells when the platform has imported them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::Scope;

use super::confirm::poll_uploads;
use super::context::{Shared, random};
use super::deletes::delete_and_wait;
use super::error::StepError;
use super::staging::{ToStage, forget_staged, stage, staged_before};
use crate::base::{ByteCount, ManifestName, PartName, TableRef, Version};
use crate::event::ItemEnd;
use crate::event::What;
use crate::plan::{Action, JobPlan, Subject, UploadSubject};
use crate::redivis::{
    ApiError, ApiErrorKind, RemoteUpload, ResourceUri, UploadContent, UploadStatus,
};

/// How long an import may take before the run says "not yet".
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// One job's bulk uploads to send.
#[derive(Debug)]
pub(super) struct UploadsJob<'a> {
    pub(super) job: &'a ManifestName,
    pub(super) table: &'a TableRef,
    pub(super) wanted: Vec<&'a UploadSubject>,
    /// Uploads that exist, not imported yet.
    created: Mutex<Vec<Created<'a>>>,
}

/// An upload that the platform has accepted.
#[derive(Debug, Clone)]
struct Created<'a> {
    upload: &'a UploadSubject,
    name: String,
    uri: ResourceUri,
    bytes_sent: u64,
    attempts: u32,
    millis: u64,
}

impl<'a> UploadsJob<'a> {
    /// What the plan says to send.
    pub(super) fn of(plan: &'a JobPlan) -> Self {
        let wanted = plan
            .items
            .iter()
            .filter(|item| item.action == Action::Send)
            .filter_map(|item| match &item.subject {
                Subject::Upload(upload) => Some(upload.as_ref()),
                Subject::Version(_)
                | Subject::Table(_)
                | Subject::Variable(_)
                | Subject::File(_)
                | Subject::RemoteFile(_)
                | Subject::Part(_)
                | Subject::Listed(_)
                | Subject::Source { .. } => None,
            })
            .collect();
        Self {
            job: &plan.job,
            table: &plan.table,
            wanted,
            created: Mutex::default(),
        }
    }

    fn end_of(&self, upload: &UploadSubject) -> ItemEnd {
        let name = upload.identity.to_string();
        let mut end = ItemEnd::new(What::Upload, Some(self.job), &name, "send");
        end.bytes = upload.fingerprint.size;
        end.md5 = Some(upload.md5);
        end
    }
}

/// Hands out one task for each upload.
pub(super) fn send_uploads<'scope>(
    shared: Shared<'scope>,
    job: &'scope UploadsJob<'scope>,
    net: &Scope<'scope>,
) {
    for upload in &job.wanted {
        let upload: &'scope UploadSubject = upload;
        net.spawn(move |_| {
            let started = Instant::now();
            let stop = shared.context.cancel.is_cancelled()
                || shared.ends.has_fatal(shared.context.options.fail_fast);
            let sent = if stop {
                Err(StepError::Cancelled)
            } else {
                send_one(shared, job, upload)
            };
            match sent {
                Ok(mut created) => {
                    created.millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(0);
                    job.created
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(created);
                }
                Err(error) => {
                    let end = job.end_of(upload).failed(&error);
                    shared.ends.push(shared.context.events, end);
                }
            }
        });
    }
}

/// Attempts at one upload whose creation is in doubt.
const MAX_ATTEMPTS: u32 = 3;

fn send_one<'a>(
    shared: Shared<'a>,
    job: &UploadsJob<'a>,
    upload: &'a UploadSubject,
) -> Result<Created<'a>, StepError> {
    if let Some(importing) = &upload.importing {
        return Ok(Created {
            upload,
            name: importing.name.clone(),
            uri: importing.uri.clone(),
            bytes_sent: 0,
            attempts: 0,
            millis: 0,
        });
    }
    let mut creating = Creating {
        shared,
        job,
        upload,
        bytes_sent: 0,
        was_refused: false,
    };
    let mut last = StepError::Cancelled;
    for attempt in 1..=MAX_ATTEMPTS {
        match creating.once()? {
            Ok(remote) => {
                return Ok(Created {
                    upload,
                    name: remote.name,
                    uri: remote.uri,
                    bytes_sent: creating.bytes_sent,
                    attempts: attempt,
                    millis: 0,
                });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One upload while it is created.
struct Creating<'a, 'j> {
    shared: Shared<'a>,
    job: &'j UploadsJob<'a>,
    upload: &'a UploadSubject,
    bytes_sent: u64,
    /// A temp upload of this run was refused by its id.
    was_refused: bool,
}

impl Creating<'_, '_> {
    /// Stages the file and creates the upload once. The inner error says that it
    /// is not listed and that another attempt may do better.
    ///
    /// An attempt whose outcome is not known may still come late. The next one
    /// names the same temp upload: that can be used once (contract Q3), so only
    /// one of them makes an upload.
    fn once(&mut self) -> Result<Result<RemoteUpload, StepError>, StepError> {
        let Self {
            shared,
            job,
            upload,
            ..
        } = *self;
        let context = shared.context;
        let stem = upload.identity.to_string();
        let place = ToStage {
            table: job.table,
            name: &stem,
            path: &upload.path,
            fingerprint: upload.fingerprint,
        };
        let before = staged_before(shared, place)?;
        let is_old = before.is_some();
        let staged = match before {
            Some(staged) => staged,
            None => stage(shared, place, None)?,
        };
        self.bytes_sent += staged.bytes_sent;
        if staged.md5 != upload.md5 {
            return Err(StepError::SourceChanged(upload.path.clone()));
        }
        let name = upload.identity.attempt(random()).to_string();
        let intent = context
            .store
            .intent(
                "create_upload",
                &job.table.to_string(),
                &name,
                (context.now_ms)(),
            )
            .map_err(StepError::state)?;
        let content = UploadContent::Temp {
            temp_upload_id: staged.temp_upload_id.clone(),
            kind: Some(upload.kind),
            options: Box::new(upload.options.clone()),
        };
        let created = context
            .writer
            .create_upload(&context.call, job.table, &name, &content);
        let created = match created {
            Ok(remote) if remote.name != name => {
                forget_staged(shared, &[place])?;
                delete_and_wait(context, &remote.uri)?;
                return Err(StepError::OtherWriter {
                    asked: name,
                    answered: remote.name,
                });
            }
            Ok(remote) => Ok(remote),
            Err(error) => {
                let doubt = error.is_in_doubt();
                // An earlier attempt, or a killed run, may have spent it.
                let may_be_spent = is_old && is_about_temp(&error);
                // Or the storage took its bytes for sent and has none: once more.
                let is_named = error.to_string().contains(&staged.temp_upload_id);
                let is_unsound = is_about_temp(&error) && is_named && !self.was_refused;
                let error = StepError::api(format!("create upload `{name}`"))(error);
                if !doubt && !may_be_spent && !is_unsound {
                    forget_staged(shared, &[place])?;
                    return Err(error);
                }
                self.was_refused |= is_unsound;
                match self.listed()? {
                    Some(remote) => Ok(remote),
                    None if doubt => {
                        context
                            .store
                            .intent_done(intent)
                            .map_err(StepError::state)?;
                        return Ok(Err(error));
                    }
                    None => Err(error),
                }
            }
        };
        // It is spent, or was refused: either way it is of no more use.
        forget_staged(shared, &[place])?;
        context
            .store
            .intent_done(intent)
            .map_err(StepError::state)?;
        Ok(created)
    }

    /// What came of any attempt so far, as the table lists it.
    fn listed(&self) -> Result<Option<RemoteUpload>, StepError> {
        let context = self.shared.context;
        let table = self.job.table;
        let listed = context
            .writer
            .reader()
            .uploads(&context.call, table, &Version::Next)
            .map_err(StepError::api(format!("list the uploads of `{table}`")))?;
        Ok(listed.into_iter().find(|one| {
            let name = PartName::parse(&one.name);
            one.status != UploadStatus::Failed
                && name.is_some_and(|name| name.identity == self.upload.identity)
        }))
    }
}

/// Whether a refusal may be about the temp upload.
fn is_about_temp(error: &ApiError) -> bool {
    matches!(
        error.kind(),
        ApiErrorKind::Invalid | ApiErrorKind::NotFound | ApiErrorKind::Conflict
    )
}

/// Waits for a job's imports and tells how each upload ended.
pub(super) fn confirm_uploads(shared: Shared<'_>, job: &UploadsJob<'_>) {
    let created = std::mem::take(&mut *job.created.lock().unwrap_or_else(PoisonError::into_inner));
    if created.is_empty() {
        return;
    }
    let settled = |listed: &[RemoteUpload]| {
        created.iter().all(|one| match one.found(listed) {
            Some(upload) => matches!(
                upload.status,
                UploadStatus::Completed | UploadStatus::Failed
            ),
            None => is_gone(shared, one),
        })
    };
    let place = (job.table, &Version::Next);
    let listed = poll_uploads(shared, place, PATIENCE, &mut |listed| settled(listed));
    for one in created {
        let mut end = job.end_of(one.upload);
        end.attempts = one.attempts;
        end.bytes_sent = one.bytes_sent;
        end.remote_id = Some(one.uri.as_str().to_owned());
        end.millis = one.millis;
        let judged = match &listed {
            Ok(listed) => {
                let found = one.found(listed);
                if let Some(found) = found {
                    end.remote_id = Some(found.uri.as_str().to_owned());
                }
                judge(shared, (job.table, &one), found)
            }
            Err(error) => {
                shared.ends.push(shared.context.events, end.failed(error));
                continue;
            }
        };
        let end = match judged {
            Ok(rows) => {
                end.rows = rows;
                end.verified()
            }
            Err(error) => end.failed(&error),
        };
        shared.ends.push(shared.context.events, end);
    }
}

impl Created<'_> {
    /// What a list shows of it. Another writer with the same manifest may have
    /// taken ours away because its own is there: that is as good.
    fn found<'l>(&self, listed: &'l [RemoteUpload]) -> Option<&'l RemoteUpload> {
        let ours = listed.iter().find(|upload| upload.name == self.name);
        ours.or_else(|| {
            listed.iter().find(|upload| {
                let name = PartName::parse(&upload.name);
                upload.status == UploadStatus::Completed
                    && name.is_some_and(|name| name.identity == self.upload.identity)
            })
        })
    }
}

/// Whether an upload that is not listed was deleted; `false` also when the
/// platform does not say.
fn is_gone(shared: Shared<'_>, created: &Created<'_>) -> bool {
    let reader = shared.context.writer.reader();
    let there = reader.upload_exists(&shared.context.call, &created.uri);
    there.is_ok_and(|there| !there)
}

/// Holds an imported upload against what was sent. Answers its rows.
fn judge(
    shared: Shared<'_>,
    (table, created): (&TableRef, &Created<'_>),
    listed: Option<&RemoteUpload>,
) -> Result<u64, StepError> {
    let Some(listed) = listed else {
        let name = created.name.clone();
        return Err(if is_gone(shared, created) {
            StepError::WriterAtWork {
                table: table.to_string(),
                what: format!("it deleted upload `{name}`"),
            }
        } else {
            StepError::Unconfirmed { name }
        });
    };
    let name = listed.name.clone();
    let context = shared.context;
    // The list form lacks the message and the count of bad records.
    let full = context
        .writer
        .reader()
        .upload(&context.call, &listed.uri)
        .map_err(StepError::api(format!("read upload `{name}`")))?;
    let full = full.as_ref().unwrap_or(listed);
    match listed.status {
        UploadStatus::Completed => {}
        UploadStatus::Failed => {
            let message = full.error_message.clone();
            let message = message.unwrap_or_else(|| "it gives no reason".to_owned());
            delete_and_wait(context, &listed.uri)?;
            return Err(StepError::ImportFailed { name, message });
        }
        UploadStatus::Empty | UploadStatus::Queued | UploadStatus::Running => {
            return Err(StepError::Unconfirmed { name });
        }
    }
    let sent_size = created.upload.fingerprint.size;
    let found_size = listed.size.unwrap_or(sent_size);
    let other_md5 = listed.md5.is_some_and(|md5| md5 != created.upload.md5);
    if found_size != sent_size || other_md5 {
        delete_and_wait(context, &listed.uri)?;
        return Err(StepError::Mismatch {
            name,
            sent_size: ByteCount(sent_size),
            sent_md5: created.upload.md5,
            found_size: ByteCount(found_size),
            found_md5: listed.md5,
        });
    }
    let bad = full.bad_records.unwrap_or(0);
    if bad > created.upload.max_bad_records {
        delete_and_wait(context, &listed.uri)?;
        return Err(StepError::BadRecords {
            name,
            bad,
            max: created.upload.max_bad_records,
        });
    }
    Ok(listed.num_rows.unwrap_or(0))
}
