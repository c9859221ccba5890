//! Bulk uploads: each file's digest is its identity; a listed upload of ours is
//! either wanted, superseded or broken.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::context::PlanContext;
use super::error::{PlanError, check_cancel};
use super::files::digests_of;
use super::listed::Listing;
use super::merge::Mode;
use super::model::{
    Action, Amount, Class, Item, JobContent, JobPlan, ListedSubject, Reason, Subject, UploadSubject,
};
use super::observe::TableView;
use super::problems::{source_error, source_problem, source_skipped};
use crate::base::names::upload_key;
use crate::base::{Fingerprint, Md5Digest, PartIdentity, Sha256Digest, SourceKey};
use crate::manifest::{Job, OnMissing, OnReleased, OnRowsChange, UploadsSource};
use crate::redivis::UploadStatus;
use crate::source::uploads::{reading, upload_identity};
use crate::source::{SourceError, UploadInput, resolve_uploads};

/// A job's files with their digests, before any fate is decided.
#[derive(Debug)]
pub(super) struct UploadsDraft {
    /// The owner of the names.
    pub(super) owner: SourceKey,
    /// The files.
    pub(super) wanted: Vec<UploadSubject>,
    /// Problems and skipped paths.
    pub(super) items: Vec<Item>,
    /// Keys of files that this run does not see.
    pub(super) unseen: Vec<SourceKey>,
}

/// Resolves a job's files and digests each.
pub(super) fn pass_uploads(
    context: &PlanContext<'_>,
    job: &Job,
    source: &UploadsSource,
) -> Result<UploadsDraft, PlanError> {
    let resolved = resolve_uploads(&context.resolve_options(job), source)
        .map_err(|error| PlanError::of_source(&job.name, error))?;
    let mut items: Vec<Item> = resolved.problems.iter().map(source_problem).collect();
    items.extend(resolved.skipped.iter().map(source_skipped));
    let (inputs, unseen) = context.selection.split_uploads(resolved.inputs);
    let owner = SourceKey::owner(context.manifest.name.as_str(), job.name.as_str());
    let digested: Vec<_> = context.cpu_pool.install(|| {
        inputs
            .par_iter()
            .map(|input| digests_of(context, &input.path, &input.fingerprint, true))
            .collect()
    });
    let mut wanted = Vec::with_capacity(inputs.len());
    for (index, (input, digests)) in inputs.iter().zip(digested).enumerate() {
        check_cancel(context.call.cancel)?;
        match digests {
            Ok((md5, Some(sha256))) => {
                let known = (input.fingerprint, md5, sha256);
                wanted.push(wanted_upload(source, &owner, index, input, known));
            }
            Ok((_, None)) => {}
            Err(SourceError::Cancelled) => return Err(PlanError::Cancelled),
            Err(error) => items.push(source_error(&error.about(&input.shown))),
        }
    }
    Ok(UploadsDraft {
        owner,
        wanted,
        items,
        unseen,
    })
}

fn wanted_upload(
    source: &UploadsSource,
    owner: &SourceKey,
    index: usize,
    input: &UploadInput,
    (fingerprint, md5, sha256): (Fingerprint, Md5Digest, Sha256Digest),
) -> UploadSubject {
    let entry = &source.entries[input.entry];
    let reading = reading(input.kind, &entry.options);
    let identity = upload_identity(owner, &input.key, &input.stem, &sha256, &reading);
    UploadSubject {
        input: index,
        shown: input.shown.clone(),
        path: input.path.clone(),
        fingerprint,
        md5,
        identity,
        kind: input.kind,
        options: entry.options.clone(),
        max_bad_records: entry.max_bad_records,
    }
}

/// Whether the last release holds exactly these uploads.
pub(super) fn equals_release(drafts: &[&UploadsDraft], listing: &Listing<'_>) -> bool {
    let wanted = || drafts.iter().flat_map(|draft| &draft.wanted);
    let newest = || listing.released.iter().filter(|part| part.is_newest);
    listing.draft.is_empty()
        && listing.foreign.is_empty()
        && listing.foreign_released.is_empty()
        && wanted().count() == newest().count()
        && wanted().all(|upload| {
            newest().any(|part| part.completed && part.name.identity.same_rows(&upload.identity))
        })
}

/// Decides the fate of every file and of every listed upload of one job.
pub(super) fn decide_uploads(
    context: &PlanContext<'_>,
    job: &Job,
    source: &UploadsSource,
    view: &TableView,
    draft: UploadsDraft,
    mode: Mode,
) -> JobPlan {
    let listing = Listing::of(view, std::slice::from_ref(&draft.owner));
    let mut fate = Fate {
        context,
        source,
        mode,
        listing: &listing,
        items: draft.items,
        unchanged: Amount::default(),
    };
    for upload in &draft.wanted {
        fate.decide_upload(upload);
    }
    let (mut items, unchanged) = (fate.items, fate.unchanged);
    if context.selection.sees_everything() {
        let gone = |identity: &PartIdentity| {
            !draft.unseen.contains(&identity.source)
                && draft
                    .wanted
                    .iter()
                    .all(|upload| upload.identity.source != identity.source)
        };
        for part in listing
            .draft
            .iter()
            .filter(|part| gone(&part.name.identity))
        {
            let (class, reason, action) = match source.on_missing {
                OnMissing::Keep => (Class::Extra, Reason::SourceMissing, Action::None),
                OnMissing::Delete => (Class::Extra, Reason::SourceMissing, Action::Delete),
                OnMissing::Fail => (Class::Conflict, Reason::ExtraRefused, Action::None),
            };
            let listed = ListedSubject::of(part.upload, Some(part.name.identity.clone()), None);
            let subject = Subject::Listed(listed);
            items.push(Item {
                class,
                reason,
                action,
                note: None,
                subject,
            });
        }
    }
    let mut plan = JobPlan {
        job: job.name.clone(),
        index: 0,
        table: job.table.clone(),
        content: JobContent::Uploads { owner: draft.owner },
        items,
        unchanged,
        rejects: 0,
        replaced_rows: None,
        held: false,
        history: view.history.clone(),
    };
    if let Some((one, other)) = twins(view) {
        plan.hold(
            Reason::RemoteTwins,
            format!("the table has uploads `{one}` and `{other}`, which the platform may confuse"),
        );
    }
    plan
}

/// What is known of one wanted upload.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The remote has it.
    is_present: bool,
    /// Something stands in its way.
    is_held: bool,
}

struct Fate<'a> {
    context: &'a PlanContext<'a>,
    source: &'a UploadsSource,
    mode: Mode,
    listing: &'a Listing<'a>,
    items: Vec<Item>,
    unchanged: Amount,
}

impl Fate<'_> {
    fn push(&mut self, class: Class, reason: Reason, action: Action, subject: Subject) {
        self.items.push(Item {
            class,
            reason,
            action,
            note: None,
            subject,
        });
    }

    fn decide_upload(&mut self, upload: &UploadSubject) {
        let size = upload.fingerprint.size;
        let mut released = self.listing.released.iter();
        let is_released = self.mode != Mode::Replace
            && released
                .any(|part| part.completed && part.name.identity.same_rows(&upload.identity));
        let mut released = self.listing.released.iter();
        let is_locked = self.mode == Mode::Append
            && !is_released
            && released.any(|part| part.name.identity.source == upload.identity.source);
        let is_refused = is_locked && self.source.on_released == OnReleased::Fail;
        let known = Known {
            is_present: is_released,
            is_held: is_refused,
        };
        let known = self.decide_listed(upload, known);

        let (class, reason, action) = if known.is_present {
            self.unchanged.add(size, 0);
            if !self.context.options.include_unchanged {
                return;
            }
            let reason = if is_released {
                Reason::Released
            } else {
                Reason::Delivered
            };
            (Class::Unchanged, reason, Action::None)
        } else if is_refused {
            (Class::Locked, Reason::RowsReleased, Action::None)
        } else if known.is_held {
            (Class::New, Reason::Held, Action::None)
        } else if self.mode == Mode::Replace {
            (Class::New, Reason::Replacing, Action::Send)
        } else {
            (Class::New, Reason::NotOnRemote, Action::Send)
        };
        self.push(class, reason, action, Subject::Upload(upload.clone()));
    }

    /// Uploads of the same file in the draft. Takes what the released versions
    /// say and adds what the draft says.
    fn decide_listed(&mut self, upload: &UploadSubject, released: Known) -> Known {
        let listing = self.listing;
        let mut is_present = released.is_present;
        let mut deletions = Vec::new();
        for part in &listing.draft {
            let identity = &part.name.identity;
            if identity.source != upload.identity.source {
                continue;
            }
            let same = identity.same_rows(&upload.identity);
            let size = upload.fingerprint.size;
            let fits = part.upload.size.is_none_or(|listed| listed == size)
                && part.upload.md5.is_none_or(|listed| listed == upload.md5);
            let failed = part.upload.status == UploadStatus::Failed;
            let fate = if same && (failed || !fits) {
                (Class::Broken, Reason::Incomplete)
            } else if failed {
                (Class::Broken, Reason::SourceChanged)
            } else if !same {
                (Class::Superseded, Reason::SourceChanged)
            } else if is_present {
                (Class::Superseded, Reason::Duplicate)
            } else {
                is_present = true;
                continue;
            };
            let shown = Some(upload.shown.clone());
            let listed = ListedSubject::of(part.upload, Some(identity.clone()), shown);
            deletions.push((fate, listed));
        }
        let change_refused = self.source.on_change == OnRowsChange::Fail
            && deletions
                .iter()
                .any(|((_, reason), _)| *reason == Reason::SourceChanged);
        let is_held = released.is_held || change_refused;
        for ((class, reason), listed) in deletions {
            let (class, reason) = if change_refused && reason == Reason::SourceChanged {
                (Class::Conflict, Reason::ChangeRefused)
            } else {
                (class, reason)
            };
            let action = if is_held {
                Action::None
            } else {
                Action::Delete
            };
            self.push(class, reason, action, Subject::Listed(listed));
        }
        Known {
            is_present,
            is_held,
        }
    }
}

/// Two uploads in the draft whose names compare equal on letters and digits.
fn twins(view: &TableView) -> Option<(String, String)> {
    let mut keys: Vec<(String, &str)> = view
        .draft_uploads
        .iter()
        .map(|upload| (upload_key(&upload.name), upload.name.as_str()))
        .collect();
    keys.sort();
    keys.windows(2)
        .find(|pair| pair[0].0 == pair[1].0)
        .map(|pair| (pair[0].1.to_owned(), pair[1].1.to_owned()))
}
