//! Bulk uploads: each file's digest is its identity; a listed upload of ours is
//! either wanted, superseded or broken.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::error::{PlanError, check_cancel};
use super::files::digests_of;
use super::listed::Listing;
use super::make::{PlanContext, source_problem, source_skipped};
use super::model::{
    Action, Amount, Class, Item, JobContent, JobPlan, ListedSubject, Reason, Subject, UploadSubject,
};
use super::observe::TableView;
use super::rows::Mode;
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
    let resolved =
        resolve_uploads(&context.resolve_options(job), source).map_err(|error| match error {
            SourceError::Cancelled => PlanError::Cancelled,
            other => PlanError::Source {
                job: job.name.clone(),
                source: Box::new(other),
            },
        })?;
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
            Err(error) => items.push(Item {
                class: Class::Conflict,
                reason: Reason::SourceProblem,
                action: Action::None,
                note: Some(error.one_line()),
                subject: Subject::Source {
                    path: input.shown.clone(),
                },
            }),
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
    let mut items = draft.items;
    let mut unchanged = Amount::default();
    for upload in &draft.wanted {
        decide_upload(
            context,
            source,
            &listing,
            upload,
            mode,
            &mut items,
            &mut unchanged,
        );
    }
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

fn decide_upload(
    context: &PlanContext<'_>,
    source: &UploadsSource,
    listing: &Listing<'_>,
    upload: &UploadSubject,
    mode: Mode,
    items: &mut Vec<Item>,
    unchanged: &mut Amount,
) {
    let own = |identity: &PartIdentity| identity.source == upload.identity.source;
    let same = |identity: &PartIdentity| identity.same_rows(&upload.identity);
    let size = upload.fingerprint.size;
    let released = mode != Mode::Replace
        && listing
            .released
            .iter()
            .any(|part| part.completed && same(&part.name.identity));
    let locked = mode == Mode::Append
        && !released
        && listing.released.iter().any(|part| own(&part.name.identity));
    let refused = locked && source.on_released == OnReleased::Fail;

    let mut present = released;
    let mut deletions = Vec::new();
    for part in listing.draft.iter().filter(|part| own(&part.name.identity)) {
        let fits = part.upload.size.is_none_or(|listed| listed == size)
            && part.upload.md5.is_none_or(|listed| listed == upload.md5);
        let failed = part.upload.status == UploadStatus::Failed;
        let reason = if same(&part.name.identity) && (failed || !fits) {
            (Class::Broken, Reason::Incomplete)
        } else if failed {
            (Class::Broken, Reason::SourceChanged)
        } else if !same(&part.name.identity) {
            (Class::Superseded, Reason::SourceChanged)
        } else if present {
            (Class::Superseded, Reason::Duplicate)
        } else {
            present = true;
            continue;
        };
        deletions.push((reason, part));
    }
    let change_refused = source.on_change == OnRowsChange::Fail
        && deletions
            .iter()
            .any(|((_, reason), _)| *reason == Reason::SourceChanged);
    let held = refused || change_refused;
    for ((class, reason), part) in deletions {
        let (class, reason) = if change_refused && reason == Reason::SourceChanged {
            (Class::Conflict, Reason::ChangeRefused)
        } else {
            (class, reason)
        };
        let identity = Some(part.name.identity.clone());
        let listed = ListedSubject::of(part.upload, identity, Some(upload.shown.clone()));
        let action = if held { Action::None } else { Action::Delete };
        items.push(Item {
            class,
            reason,
            action,
            note: None,
            subject: Subject::Listed(listed),
        });
    }

    let (class, reason, action) = if present {
        unchanged.add(size, 0);
        if !context.options.include_unchanged {
            return;
        }
        let reason = if released {
            Reason::Released
        } else {
            Reason::Delivered
        };
        (Class::Unchanged, reason, Action::None)
    } else if refused {
        (Class::Locked, Reason::RowsReleased, Action::None)
    } else if held {
        (Class::New, Reason::Held, Action::None)
    } else if mode == Mode::Replace {
        (Class::New, Reason::Replacing, Action::Send)
    } else {
        (Class::New, Reason::NotOnRemote, Action::Send)
    };
    let subject = Subject::Upload(upload.clone());
    items.push(Item {
        class,
        reason,
        action,
        note: None,
        subject,
    });
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
