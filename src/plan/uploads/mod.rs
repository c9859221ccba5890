//! Bulk uploads: each file's digest is its identity; a listed upload of ours is
//! either wanted, superseded or broken.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::context::PlanContext;
use super::error::{PlanError, check_cancel};
use super::files::digests_of;
use super::listed::{Holder, Listing, twins};
use super::merge::Mode;
use super::model::{
    Action, Amount, Class, Item, JobContent, JobPlan, ListedSubject, Reason, Subject, UploadSubject,
};
use super::observe::TableView;
use super::problems::{source_error, source_problem, source_skipped};
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
    view: &TableView,
) -> Result<UploadsDraft, PlanError> {
    let resolved = resolve_uploads(&context.resolve_options(job), source)
        .map_err(|error| PlanError::of_source(&job.name, error))?;
    let mut items: Vec<Item> = resolved.problems.iter().map(source_problem).collect();
    items.extend(resolved.skipped.iter().map(source_skipped));
    let inputs = resolved.inputs;
    let is_seen = |input: &UploadInput| context.selection.sees(&input.shown);
    let owner = SourceKey::owner(context.manifest.name.as_str(), job.name.as_str());
    let left_out = resolved.skipped.iter().map(|one| one.shown.as_str());
    let unusable = resolved.problems.iter().map(|one| one.shown.as_str());
    let mut unseen: Vec<SourceKey> = left_out.chain(unusable).map(SourceKey::source).collect();
    let listing = Listing::of(view, std::slice::from_ref(&owner));
    // Shards must agree on what went where, so that each looks at all files then.
    let is_delivered =
        |input: &UploadInput| usable_uploads(&listing).any(|one| one.source == input.key);
    let need_all = usable_uploads(&listing).next().is_some() && !inputs.iter().all(is_delivered);
    let digested: Vec<Option<_>> = context.cpu_pool.install(|| {
        let digested = inputs.par_iter().map(|input| {
            (need_all || is_seen(input))
                .then(|| digests_of(context, &input.path, &input.fingerprint, true))
        });
        digested.collect()
    });
    let mut known = Vec::with_capacity(inputs.len());
    for (index, (input, digests)) in inputs.iter().zip(digested).enumerate() {
        check_cancel(context.call.cancel)?;
        match digests {
            Some(Ok((md5, Some(sha256)))) => {
                let digests = (input.fingerprint, md5, sha256);
                known.push((wanted_upload(source, &owner, index, input, digests), sha256));
            }
            Some(Ok((_, None))) => {}
            Some(Err(SourceError::Cancelled)) => return Err(PlanError::Cancelled),
            Some(Err(error)) => {
                unseen.push(input.key.clone());
                if is_seen(input) {
                    items.push(source_error(&error.about(&input.shown)));
                }
            }
            None => unseen.push(input.key.clone()),
        }
    }
    let mut wanted = with_renamed(known, &listing, &unseen);
    wanted.retain(|upload| is_seen(&inputs[upload.input]));
    let others = inputs.iter().filter(|input| !is_seen(input));
    unseen.extend(others.map(|input| input.key.clone()));
    Ok(UploadsDraft {
        owner,
        wanted,
        items,
        unseen,
    })
}

/// Finds what was delivered under another path and that no file there gives any
/// more: the path is gone, or another file has taken it.
fn with_renamed(
    wanted: Vec<(UploadSubject, Sha256Digest)>,
    listing: &Listing<'_>,
    unseen: &[SourceKey],
) -> Vec<UploadSubject> {
    let is_there = |one: &PartIdentity| {
        let mut wanted = wanted.iter();
        wanted.any(|(upload, _)| one.same_rows(&upload.identity))
    };
    let mut dropped: Vec<&PartIdentity> = usable_uploads(listing)
        .filter(|one| !unseen.contains(&one.source) && !is_there(one))
        .collect();
    wanted
        .into_iter()
        .map(|(mut upload, sha256)| {
            if !usable_uploads(listing).any(|one| one.same_rows(&upload.identity)) {
                upload.renamed_from = take_renamed(&upload, &sha256, &mut dropped);
            }
            upload
        })
        .collect()
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
        sha256,
        identity,
        kind: input.kind,
        options: entry.options.clone(),
        max_bad_records: entry.max_bad_records,
        renamed_from: None,
        importing: None,
    }
}

/// Uploads that were imported, in the draft and in released versions.
fn usable_uploads<'a>(listing: &'a Listing<'_>) -> impl Iterator<Item = &'a PartIdentity> {
    let draft = listing
        .draft
        .iter()
        .filter(|part| part.upload.status == UploadStatus::Completed)
        .map(|part| &part.name.identity);
    let released = listing
        .released
        .iter()
        .filter(|part| part.completed)
        .map(|part| &part.name.identity);
    draft.chain(released)
}

/// The upload of a vanished file that has this file's content and was told to be
/// read the same way. It can have become one file only.
fn take_renamed(
    upload: &UploadSubject,
    content: &Sha256Digest,
    vanished: &mut Vec<&PartIdentity>,
) -> Option<PartIdentity> {
    let reading = reading(upload.kind, &upload.options);
    let owner = &upload.identity.owner;
    let position = vanished.iter().position(|one| {
        one.digest == crate::base::PartHasher::upload(owner, &one.source, content, &reading)
    })?;
    let found = vanished[position].clone();
    vanished.retain(|one| !one.same_rows(&found));
    Some(found)
}

/// Whether the last release holds exactly these uploads.
pub(super) fn equals_release(drafts: &[&UploadsDraft], listing: &Listing<'_>) -> bool {
    let wanted = || drafts.iter().flat_map(|draft| &draft.wanted);
    let released = || listing.released.iter();
    listing.draft.is_empty()
        && listing.foreign.is_empty()
        && listing.foreign_released.is_empty()
        && wanted().count() == released().count()
        && wanted()
            .all(|upload| released().any(|part| part.completed && upload.is(&part.name.identity)))
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
        job,
        source,
        mode,
        listing: &listing,
        all: &draft.wanted,
        items: draft.items,
        unchanged: Amount::default(),
        wanted: Vec::new(),
    };
    for upload in &draft.wanted {
        fate.decide_upload(upload);
    }
    if context.selection.sees_everything() {
        fate.decide_missing(&draft.wanted, &draft.unseen);
    }
    let (items, unchanged) = (fate.items, fate.unchanged);
    let content = JobContent::Uploads {
        wanted: fate.wanted,
        owner: draft.owner,
    };
    let mut plan = JobPlan {
        job: job.name.clone(),
        index: 0,
        table: job.table.clone(),
        content,
        items,
        unchanged,
        rejects: 0,
        replaced_rows: None,
        held: false,
        history: view.history.clone(),
        replaces: mode == Mode::Replace,
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
#[derive(Debug, Clone)]
struct Known {
    /// As what the remote has it.
    present: Option<PartIdentity>,
    /// Something stands in its way.
    is_held: bool,
    /// The remote has it, and is not done with it.
    importing: Option<ListedSubject>,
}

struct Fate<'a> {
    context: &'a PlanContext<'a>,
    job: &'a Job,
    source: &'a UploadsSource,
    mode: Mode,
    listing: &'a Listing<'a>,
    /// Every file of the job.
    all: &'a [UploadSubject],
    items: Vec<Item>,
    unchanged: Amount,
    /// What is listed when all are delivered.
    wanted: Vec<PartIdentity>,
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

    /// Whether an upload was delivered for this file's path and is another file's
    /// now.
    fn has_moved(&self, identity: &PartIdentity, upload: &UploadSubject) -> bool {
        let mut all = self.all.iter();
        !upload.is(identity) && all.any(|other| other.is(identity))
    }

    fn decide_upload(&mut self, upload: &UploadSubject) {
        let size = upload.fingerprint.size;
        let mut released = self.listing.released.iter();
        let in_release = released
            .find(|part| part.completed && upload.is(&part.name.identity))
            .filter(|_| self.mode != Mode::Replace)
            .map(|part| part.name.identity.clone());
        let is_released = in_release.is_some();
        let mut released = self.listing.released.iter();
        let is_locked = self.mode == Mode::Append
            && !is_released
            && released.any(|part| {
                let identity = &part.name.identity;
                identity.source == upload.identity.source && !self.has_moved(identity, upload)
            })
            && upload.renamed_from.is_none();
        let is_refused = is_locked && self.source.on_released == OnReleased::Fail;
        let known = Known {
            present: in_release,
            is_held: is_refused,
            importing: None,
        };
        let known = self.decide_listed(upload, known);

        let mut upload = upload.clone();
        let listed = known
            .importing
            .as_ref()
            .and_then(|one| one.identity.as_ref());
        let wanted = known.present.as_ref().or(listed);
        self.wanted.push(wanted.unwrap_or(&upload.identity).clone());
        let (class, reason, action) = if known.present.is_some() {
            self.unchanged.add(size, 0);
            let renamed = upload.renamed_from.is_some();
            if !renamed && !self.context.wants_unchanged() {
                return;
            }
            let reason = if renamed {
                Reason::Renamed
            } else if is_released {
                Reason::Released
            } else {
                Reason::Delivered
            };
            (Class::Unchanged, reason, Action::None)
        } else if is_refused {
            (Class::Locked, Reason::RowsReleased, Action::None)
        } else if known.is_held {
            (Class::New, Reason::Held, Action::None)
        } else if known.importing.is_some() {
            upload.importing = known.importing;
            (Class::New, Reason::Importing, Action::Send)
        } else if self.mode == Mode::Replace {
            (Class::New, Reason::Replacing, Action::Send)
        } else {
            (Class::New, Reason::NotOnRemote, Action::Send)
        };
        let item = Item {
            class,
            reason,
            action,
            note: None,
            subject: Subject::Upload(Box::new(upload)),
        };
        let is_listed = match &known.present {
            Some(present) => {
                let holder = self.listing.holder(present);
                let stored = holder.as_ref().map(Holder::as_stored);
                self.context.met_unchanged(self.job, &item, stored) || reason == Reason::Renamed
            }
            None => true,
        };
        if is_listed {
            self.items.push(item);
        }
    }

    /// Uploads of the same file in the draft. Takes what the released versions
    /// say and adds what the draft says.
    fn decide_listed(&mut self, upload: &UploadSubject, released: Known) -> Known {
        let listing = self.listing;
        let mut present = released.present;
        let mut importing = None;
        let mut deletions = Vec::new();
        // What is imported already is better than what is not.
        let mut parts: Vec<_> = listing.draft.iter().collect();
        parts.sort_by_key(|part| part.upload.status != UploadStatus::Completed);
        for part in parts {
            let identity = &part.name.identity;
            let same = upload.is(identity);
            let is_own = identity.source == upload.identity.source;
            if !same && (!is_own || self.has_moved(identity, upload)) {
                continue;
            }
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
            } else if present.is_some() || importing.is_some() {
                (Class::Superseded, Reason::Duplicate)
            } else if part.upload.status == UploadStatus::Completed {
                present = Some(identity.clone());
                continue;
            } else {
                let shown = Some(upload.shown.clone());
                importing = Some(ListedSubject::of(
                    part.upload,
                    Some(identity.clone()),
                    shown,
                ));
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
            importing: importing.filter(|_| present.is_none()),
            present,
            is_held,
        }
    }

    /// Uploads of ours whose file is no longer matched.
    fn decide_missing(&mut self, wanted: &[UploadSubject], unseen: &[SourceKey]) {
        let is_gone = |identity: &PartIdentity| {
            !unseen.contains(&identity.source)
                && wanted
                    .iter()
                    .all(|upload| upload.identity.source != identity.source && !upload.is(identity))
        };
        let listing = self.listing;
        let refused = self.source.on_missing == OnMissing::Fail;
        for part in &listing.draft {
            let identity = &part.name.identity;
            if !is_gone(identity) {
                continue;
            }
            let failed = part.upload.status == UploadStatus::Failed;
            let (class, reason, action) = match self.source.on_missing {
                // It holds nothing, and it blocks a release.
                OnMissing::Keep | OnMissing::Delete if failed => {
                    (Class::Broken, Reason::Incomplete, Action::Delete)
                }
                // What replaces a table is what the sources say, and no more.
                OnMissing::Keep | OnMissing::Delete if self.mode != Mode::Append => {
                    (Class::Superseded, Reason::SourceMissing, Action::Delete)
                }
                OnMissing::Keep => (Class::Extra, Reason::SourceMissing, Action::None),
                OnMissing::Delete => (Class::Extra, Reason::SourceMissing, Action::Delete),
                OnMissing::Fail => (Class::Conflict, Reason::ExtraRefused, Action::None),
            };
            let listed = ListedSubject::of(part.upload, Some(identity.clone()), None);
            self.push(class, reason, action, Subject::Listed(listed));
        }
        for part in &listing.released {
            let identity = &part.name.identity;
            if self.mode != Mode::Append || !is_gone(identity) {
                continue;
            }
            let (class, reason) = if refused {
                (Class::Conflict, Reason::ExtraRefused)
            } else {
                (Class::Extra, Reason::Released)
            };
            self.items.push(Item {
                class,
                reason,
                action: Action::None,
                note: Some(format!("upload `{}` is released", identity.slug)),
                subject: Subject::Source {
                    path: identity.slug.clone(),
                    trouble: None,
                },
            });
        }
    }
}
