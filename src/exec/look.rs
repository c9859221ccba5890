//! The last look: before a job is done its table is listed again. Every wanted
//! part has exactly one complete attempt, every wanted file its size and MD5.
//! This is what catches two writers with two states.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::confirm::poll_uploads;
use super::context::Shared;
use super::deletes::delete_and_wait;
use super::error::StepError;
use super::files::FileJob;
use crate::base::{ByteCount, Md5Digest, PartIdentity, PartName, SourceKey, TableRef, Version};
use crate::plan::JobPlan;
use crate::redivis::{RemoteFile, RemoteUpload, UploadStatus};

/// How long a listing may lag behind.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often another writer's attempts are cleaned up before giving up.
const ROUNDS: u32 = 5;

/// What must be in the draft when a job is done.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The owner of the job's names.
    pub(super) owner: SourceKey,
    /// Each part that must be there exactly once.
    pub(super) identities: Vec<PartIdentity>,
    /// The sources that they are all of: nothing else of these may be there.
    pub(super) sources: BTreeSet<SourceKey>,
    /// Whether parts count by rows (rows) or by status (bulk uploads).
    pub(super) by_rows: bool,
    /// Names in released versions: a draft may list what it inherits.
    pub(super) released: BTreeSet<String>,
}

/// What released versions hold of the parts that the draft will hold.
pub(super) fn released_parts(plan: &JobPlan) -> BTreeSet<PartIdentity> {
    let released = plan.history.uploads.iter().filter(|_| !plan.replaces);
    released
        .filter_map(|upload| PartName::parse(&upload.name))
        .map(|name| name.identity)
        .collect()
}

impl Wanted {
    pub(super) fn is_complete(&self, upload: &RemoteUpload, identity: &PartIdentity) -> bool {
        if self.by_rows {
            upload.num_rows == Some(identity.stored_rows())
        } else {
            upload.status == UploadStatus::Completed
        }
    }

    fn ours(&self, listed: &[RemoteUpload]) -> Vec<(PartName, RemoteUpload)> {
        let mut ours: Vec<(PartName, RemoteUpload)> = listed
            .iter()
            .filter(|upload| !self.released.contains(&upload.name))
            .filter_map(|upload| {
                let name = PartName::parse(&upload.name)?;
                (name.identity.owner == self.owner).then(|| (name, upload.clone()))
            })
            .collect();
        ours.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        ours
    }
}

/// Looks at a table of rows. Fails when something wanted is missing, or when
/// something else of ours is there.
pub(super) fn look_at_parts(
    shared: Shared<'_>,
    table: &TableRef,
    wanted: &Wanted,
    plan: &JobPlan,
) -> Result<(), StepError> {
    let released = released_parts(plan);
    let mut expected: Vec<&PartIdentity> = wanted
        .identities
        .iter()
        .filter(|identity| !released.contains(*identity))
        .collect();
    expected.sort();
    for _ in 0..ROUNDS {
        let listed = poll_uploads(shared, table, PATIENCE, &mut |listed| {
            let ours = wanted.ours(listed);
            expected.iter().all(|identity| {
                ours.iter().any(|(name, upload)| {
                    name.identity == **identity && wanted.is_complete(upload, identity)
                })
            })
        })?;
        let surplus = judge_parts(table, wanted, &expected, &listed)?;
        if surplus.is_empty() {
            return Ok(());
        }
        for upload in surplus {
            tracing::info!(
                upload = upload.name,
                "deleting an attempt that nobody needs"
            );
            delete_and_wait(shared.context, &upload.uri)?;
        }
    }
    Err(StepError::KeepsComing {
        table: table.to_string(),
    })
}

/// Uploads of ours that must go: second attempts, and unfinished ones of wanted
/// parts.
fn judge_parts(
    table: &TableRef,
    wanted: &Wanted,
    expected: &[&PartIdentity],
    listed: &[RemoteUpload],
) -> Result<Vec<RemoteUpload>, StepError> {
    let ours = wanted.ours(listed);
    let mut surplus = Vec::new();
    for identity in expected {
        let mut kept = false;
        for (name, upload) in ours.iter().filter(|(name, _)| name.identity == **identity) {
            if !kept && wanted.is_complete(upload, &name.identity) {
                kept = true;
            } else {
                surplus.push(upload.clone());
            }
        }
        if !kept {
            return Err(StepError::Unconfirmed {
                name: identity.to_string(),
            });
        }
    }
    // Another writer, with another state of the same sources.
    for (name, upload) in &ours {
        let identity = &name.identity;
        if !wanted.sources.contains(&identity.source) || expected.binary_search(&identity).is_ok() {
            continue;
        }
        if wanted.is_complete(upload, identity) {
            return Err(StepError::Unwanted {
                table: table.to_string(),
                upload: upload.name.clone(),
            });
        }
        surplus.push(upload.clone());
    }
    Ok(surplus)
}

/// A file as it was sent and attached.
#[derive(Debug, Clone)]
pub(super) struct SentFile {
    pub(super) size: u64,
    pub(super) md5: Md5Digest,
    /// As the platform answered.
    pub(super) remote_id: String,
}

impl SentFile {
    /// Whether a listing shows this very content. Without an MD5 the file must be
    /// the one that was attached: an older one can have the same size.
    fn is_shown(&self, file: &RemoteFile) -> bool {
        self.size == file.size
            && match file.md5 {
                Some(md5) => md5 == self.md5,
                None => file.id == self.remote_id,
            }
    }
}

/// Looks at the files that a run sent: each is in the table's listing with its
/// size and MD5.
pub(super) fn look_at_files(
    shared: Shared<'_>,
    job: &FileJob<'_>,
    sent: &BTreeMap<String, SentFile>,
) -> Result<(), StepError> {
    const PAUSE: Duration = Duration::from_secs(2);
    let context = shared.context;
    let rounds = PATIENCE.as_secs() / PAUSE.as_secs();
    let mut last = StepError::Cancelled;
    for round in 0..rounds {
        if round > 0
            && !context
                .cancel
                .wait(PAUSE.mul_f64(context.options.poll_scale))
        {
            return Err(StepError::Cancelled);
        }
        let mut right = 0;
        let mut wrong = None;
        context
            .writer
            .reader()
            .raw_files(&context.call, job.table, &Version::Next, &mut |file| {
                let Some(one) = sent.get(&file.name) else {
                    return;
                };
                if one.is_shown(&file) {
                    right += 1;
                } else {
                    wrong = Some(StepError::Mismatch {
                        name: file.name.clone(),
                        sent_size: ByteCount(one.size),
                        sent_md5: one.md5,
                        found_size: ByteCount(file.size),
                        found_md5: file.md5,
                    });
                }
            })
            .map_err(StepError::api(format!("list the files of `{}`", job.table)))?;
        if right == sent.len() {
            return Ok(());
        }
        last = wrong.unwrap_or_else(|| StepError::Unconfirmed {
            name: format!("{} files of `{}`", sent.len() - right, job.table),
        });
    }
    Err(last)
}
