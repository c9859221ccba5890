//! Making staged files part of a table, and proving that the table has them.
//!
//! An answer that is lost is settled by the table's listing. A call that is
//! refused is halved until the culprit stands alone; what cannot be attached any
//! more because the refusal spent it (contract Q3) is staged again, first one
//! file, and then more at a time while they are taken.

mod again;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use again::{attach_refused, attach_wrong};

use super::context::Shared;
use super::error::StepError;
use super::files::FileJob;
use super::staging::{Staged, forget_staged};
use super::temps::{STRIKES, is_about_entries};
use crate::base::ByteCount;
use crate::base::Version;
use crate::plan::FileSubject;
use crate::redivis::{ApiError, RemoteFile, StagedFile};
use crate::state::VerifiedFile;

/// A file whose bytes are staged.
#[derive(Debug, Clone)]
pub(super) struct Ready<'a> {
    pub(super) file: &'a FileSubject,
    pub(super) staged: Staged,
    pub(super) attempts: u32,
}

/// A file that is not attached, and why.
type Again<'a> = (Ready<'a>, Arc<StepError>);

/// How often a listing is asked for files whose attaching is in doubt.
const LOOKS: u32 = 5;
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// How often a call is repeated whose outcome is not known.
const DOUBTS: u32 = 3;

/// Attaches staged files and tells how each ended.
pub(super) fn attach<'a>(shared: Shared<'a>, job: &FileJob<'a>, mut ready: Vec<Ready<'a>>) {
    ready.sort_by(|a, b| a.file.name.cmp(&b.file.name));
    let mut attaching = Attaching {
        shared,
        job,
        is_any_taken: false,
        strikes: 0,
        refused: VecDeque::new(),
        wrong: Vec::new(),
    };
    attaching.all(ready);
    attach_refused(&mut attaching);
    attach_wrong(&mut attaching);
}

/// One batch while it is attached.
struct Attaching<'a, 'j> {
    shared: Shared<'a>,
    job: &'j FileJob<'a>,
    /// Whether the platform took any file of it.
    is_any_taken: bool,
    /// Files that were refused alone.
    strikes: u32,
    /// Refused, alone or with others that were.
    refused: VecDeque<Again<'a>>,
    /// The platform holds something else under the name, or nothing.
    wrong: Vec<Again<'a>>,
}

/// What a call for a group of files came to, when it did not attach them.
struct Refusal<'a> {
    group: Vec<Ready<'a>>,
    error: ApiError,
}

impl<'a> Attaching<'a, '_> {
    /// Attaches files in calls of a size that the platform takes.
    fn all(&mut self, mut ready: Vec<Ready<'a>>) {
        while !ready.is_empty() {
            let most = self.shared.call_size.most().min(ready.len());
            let later = ready.split_off(most);
            self.group(ready);
            ready = later;
        }
    }

    /// Attaches a group; when it is refused, its halves.
    fn group(&mut self, group: Vec<Ready<'a>>) {
        if group.is_empty() {
            return;
        }
        let Some(Refusal { mut group, error }) = self.call(group, 0) else {
            return;
        };
        let count = group.len();
        let is_hopeless = self.strikes >= STRIKES && !self.is_any_taken;
        if count == 1 || is_hopeless {
            self.strikes += u32::from(count == 1);
            let error = Arc::new(attach_error(self.job)(error));
            let refused = group.into_iter().map(|one| (one, Arc::clone(&error)));
            self.refused.extend(refused);
            return;
        }
        let second = group.split_off(count.div_ceil(2));
        let (half, before) = (group.len(), self.strikes);
        self.group(group);
        if self.strikes >= STRIKES && !self.is_any_taken {
            let error = Arc::new(attach_error(self.job)(error));
            let untried = second.into_iter().map(|one| (one, Arc::clone(&error)));
            self.refused.extend(untried);
            return;
        }
        self.group(second);
        if self.strikes == before {
            self.shared.call_size.learn(half);
        }
    }

    /// One call. Everything but a refusal is settled here.
    fn call(&mut self, group: Vec<Ready<'a>>, doubts: u32) -> Option<Refusal<'a>> {
        let context = self.shared.context;
        let staged: Vec<StagedFile> = group
            .iter()
            .map(|one| StagedFile {
                name: one.file.name.to_string(),
                temp_upload_id: one.staged.temp_upload_id.clone(),
            })
            .collect();
        let first = group.first().map(|one| one.file.name.as_str());
        let detail = format!(
            "{} files, first `{}`",
            group.len(),
            first.unwrap_or_default()
        );
        let subject = self.job.table.to_string();
        let intent = match context
            .store
            .intent("attach", &subject, &detail, (context.now_ms)())
        {
            Ok(intent) => intent,
            Err(error) => {
                self.fail_all(&group, &StepError::state(error));
                return None;
            }
        };
        let answer = context
            .writer
            .attach_files(&context.call, self.job.table, &staged);
        let refusal = match answer {
            Ok(found) => {
                self.settle(group, &by_name(found));
                None
            }
            Err(error) if error.is_in_doubt() => self.doubt(group, error, doubts),
            Err(error) if is_about_entries(&error) => Some(Refusal { group, error }),
            Err(error) => {
                let error = attach_error(self.job)(error);
                self.fail_all(&group, &error);
                None
            }
        };
        if let Err(error) = context.store.intent_done(intent) {
            tracing::warn!(error = %error, "an intent stays open in the state");
        }
        refusal
    }

    /// The answer is lost: what the listing shows is done, and only the rest is
    /// attached again. Its bytes are still there, unless the call took effect
    /// and the listing lags; then the repeat is refused.
    fn doubt(
        &mut self,
        group: Vec<Ready<'a>>,
        error: ApiError,
        doubts: u32,
    ) -> Option<Refusal<'a>> {
        let missing = match self.settle_listed(group, LOOKS) {
            Ok(missing) => missing,
            Err((group, error)) => {
                self.fail_all(&group, &error);
                return None;
            }
        };
        if missing.is_empty() {
            return None;
        }
        if doubts >= DOUBTS || self.shared.context.cancel.is_cancelled() {
            self.fail_all(&missing, &attach_error(self.job)(error));
            return None;
        }
        self.call(missing, doubts + 1)
    }

    /// Settles what the table's listing shows; answers the rest. Looks again
    /// while something is missing.
    fn settle_listed(
        &mut self,
        group: Vec<Ready<'a>>,
        looks: u32,
    ) -> Result<Vec<Ready<'a>>, (Vec<Ready<'a>>, StepError)> {
        let context = self.shared.context;
        let mut wanted: Vec<String> = group.iter().map(|one| one.file.name.to_string()).collect();
        wanted.sort_unstable();
        let mut found = BTreeMap::new();
        for look in 0..looks {
            let pause = LOOK_PAUSE.mul_f64(context.options.poll_scale);
            if look > 0 && !context.cancel.wait(pause) {
                break;
            }
            found = match self.list(&wanted) {
                Ok(found) => found,
                Err(error) => return Err((group, error)),
            };
            if group.iter().all(|one| is_listed(one, &found)) {
                break;
            }
        }
        let (done, missing) = group.into_iter().partition(|one| is_listed(one, &found));
        self.settle(done, &found);
        Ok(missing)
    }

    fn list(&self, names: &[String]) -> Result<BTreeMap<String, RemoteFile>, StepError> {
        let mut found = BTreeMap::new();
        let context = self.shared.context;
        let table = self.job.table;
        context
            .writer
            .reader()
            .raw_files(&context.call, table, &Version::Next, &mut |file| {
                if names.binary_search(&file.name).is_ok() {
                    found.insert(file.name.clone(), file);
                }
            })
            .map_err(StepError::api(format!("list the files of `{table}`")))?;
        Ok(found)
    }

    /// Holds what the platform shows against what was sent.
    fn settle(&mut self, group: Vec<Ready<'a>>, found: &BTreeMap<String, RemoteFile>) {
        let mut spent = Vec::new();
        for one in group {
            let name = one.file.name.to_string();
            let Some(file) = found.get(&name) else {
                let error = StepError::Unconfirmed { name };
                self.wrong.push((one, Arc::new(error)));
                continue;
            };
            self.is_any_taken = true;
            if !matches_staged(&one, file) {
                let error = StepError::Mismatch {
                    name,
                    sent_size: ByteCount(one.file.local.size),
                    sent_md5: one.staged.md5,
                    found_size: ByteCount(file.size),
                    found_md5: file.md5,
                };
                self.wrong.push((one, Arc::new(error)));
                continue;
            }
            spent.push(self.job.to_stage(one.file));
            finish(self.shared, self.job, &one, file);
        }
        if let Err(error) = forget_staged(self.shared, &spent) {
            tracing::warn!(error = %error, "spent temp uploads stay in the state");
        }
        // Receipts must outlive a kill: where the platform tells no MD5, or its
        // listing lags, they keep the next run from sending the files again.
        if let Err(error) = self.shared.context.store.flush() {
            tracing::warn!(error = %error, "receipts cannot be written to the state");
        }
    }

    fn fail(&self, one: &Ready<'_>, error: &StepError) {
        let mut end = self.job.end_of(one.file);
        end.attempts = one.attempts;
        end.bytes_sent = one.staged.bytes_sent;
        self.shared
            .ends
            .push(self.shared.context.events, end.failed(error));
    }

    fn fail_all(&self, group: &[Ready<'_>], error: &StepError) {
        for one in group {
            self.fail(one, error);
        }
    }
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

fn matches_staged(ready: &Ready<'_>, found: &RemoteFile) -> bool {
    found.size == ready.file.local.size && found.md5.is_none_or(|md5| md5 == ready.staged.md5)
}

/// Whether a listing shows the file as it was staged. Where it shows no MD5, the
/// file that was there before can have the same size.
fn is_listed(ready: &Ready<'_>, found: &BTreeMap<String, RemoteFile>) -> bool {
    let before = ready.file.before.as_ref().map(|file| &file.id);
    found.get(ready.file.name.as_str()).is_some_and(|file| {
        matches_staged(ready, file) && (file.md5.is_some() || before != Some(&file.id))
    })
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
