//! Every file of a job is digested once; what was delivered under another path
//! is found by its content.

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _,
};

use crate::base::{Fingerprint, Md5Digest, PartHasher, PartIdentity, Sha256Digest, SourceKey};
use crate::manifest::{Job, OnRenamed, UploadsSource};
use crate::plan::context::PlanContext;
use crate::plan::digests::digests_of;
use crate::plan::error::{PlanError, check_cancel};
use crate::plan::listed::Listing;
use crate::plan::model::{Item, UploadSubject};
use crate::plan::observe::TableView;
use crate::plan::problems::{source_error, source_problem, source_skipped};
use crate::redivis::UploadStatus;
use crate::source::uploads::{reading, upload_identity};
use crate::source::{SourceError, UploadInput, resolve_uploads};

/// A job's files with their digests, before any fate is decided.
#[derive(Debug)]
pub(in crate::plan) struct UploadsDraft {
    /// The owner of the names.
    pub(in crate::plan) owner: SourceKey,
    /// The files.
    pub(in crate::plan) wanted: Vec<UploadSubject>,
    /// Problems and skipped paths.
    pub(in crate::plan) items: Vec<Item>,
    /// Keys of files that this run does not see.
    pub(in crate::plan) unseen: Vec<SourceKey>,
    /// Uploads that were delivered for files that this run sees, and that are
    /// ones now that it does not see.
    pub(in crate::plan) elsewhere: Vec<PartIdentity>,
}

/// What becomes of one file: nothing yet if this run needs not look at it.
type Digested = Option<Result<(Md5Digest, Option<Sha256Digest>), SourceError>>;

/// Resolves a job's files and digests each.
pub(in crate::plan) fn pass_uploads(
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
    let wanted_of = |index: usize, md5, sha256| {
        let input = &inputs[index];
        wanted_upload(
            source,
            &owner,
            index,
            input,
            (input.fingerprint, md5, sha256),
        )
    };
    let mut digested: Vec<Digested> = inputs.iter().map(|_| None).collect();
    digest(context, &inputs, &mut digested, is_seen);
    let may_have_moved = digested.iter().enumerate().any(|(index, one)| match one {
        Some(Ok((md5, Some(sha256)))) => {
            let upload = wanted_of(index, *md5, *sha256);
            !usable_uploads(&listing).any(|one| one.same_rows(&upload.identity))
        }
        Some(Ok((_, None)) | Err(_)) | None => false,
    });
    let is_vanished = |one: &PartIdentity| {
        !unseen.contains(&one.source) && inputs.iter().all(|input| input.key != one.source)
    };
    let is_released = |one: &PartIdentity| {
        let mut released = listing.released.iter();
        released.any(|part| part.completed && part.name.identity == *one)
    };
    // Shards must agree on what went where, so that each looks at all files then.
    if may_have_moved && usable_uploads(&listing).any(|one| is_vanished(one) || is_released(one)) {
        digest(context, &inputs, &mut digested, |input| !is_seen(input));
    }
    let mut known = Vec::with_capacity(inputs.len());
    let mut not_known = Vec::new();
    for (index, (input, digests)) in inputs.iter().zip(digested).enumerate() {
        check_cancel(context.call.cancel)?;
        match digests {
            Some(Ok((md5, Some(sha256)))) => known.push(wanted_of(index, md5, sha256)),
            Some(Ok((_, None))) => {}
            Some(Err(SourceError::Cancelled)) => return Err(PlanError::Cancelled),
            Some(Err(error)) => {
                not_known.push(input.key.clone());
                if is_seen(input) {
                    items.push(source_error(&error.about(&input.shown)));
                }
            }
            None => not_known.push(input.key.clone()),
        }
    }
    let sees = |key: &SourceKey| {
        let mut seen = inputs.iter().filter(|input| is_seen(input));
        seen.any(|input| input.key == *key)
    };
    // From one shard to another a draft's upload is sent anew, and deleted where
    // it was.
    let can_move = |one: &PartIdentity, upload: &UploadSubject| {
        let is_matched = || inputs.iter().any(|input| input.key == one.source);
        (source.on_renamed != OnRenamed::Send || is_matched())
            && (context.selection.sees_everything()
                || is_vanished(one)
                || is_released(one)
                || (sees(&one.source) && is_seen(&inputs[upload.input])))
    };
    let all = with_renamed(known, &listing, can_move);
    let (wanted, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|upload| is_seen(&inputs[upload.input]));
    let renamed = others.into_iter().filter_map(|other| other.renamed_from);
    let elsewhere = renamed.filter(|one| sees(&one.source)).collect();
    unseen.extend(not_known);
    let others = inputs.iter().filter(|input| !is_seen(input));
    unseen.extend(others.map(|input| input.key.clone()));
    Ok(UploadsDraft {
        owner,
        wanted,
        items,
        unseen,
        elsewhere,
    })
}

/// Digests those of the files.
fn digest(
    context: &PlanContext<'_>,
    inputs: &[UploadInput],
    digested: &mut [Digested],
    which: impl Fn(&UploadInput) -> bool + Sync,
) {
    context.cpu_pool.install(|| {
        let both = digested.par_iter_mut().zip(inputs);
        both.filter(|(_, input)| which(input))
            .for_each(|(digested, input)| {
                *digested = Some(digests_of(context, &input.path, &input.fingerprint, true));
            });
    });
}

/// Finds what was delivered under another path and that no file there gives any
/// more: the path is gone, or another file has taken it.
fn with_renamed(
    wanted: Vec<UploadSubject>,
    listing: &Listing<'_>,
    can_move: impl Fn(&PartIdentity, &UploadSubject) -> bool,
) -> Vec<UploadSubject> {
    let is_there = |one: &PartIdentity| {
        let mut wanted = wanted.iter();
        wanted.any(|upload| one.same_rows(&upload.identity))
    };
    let mut dropped: Vec<&PartIdentity> = usable_uploads(listing)
        .filter(|one| !is_there(one))
        .collect();
    wanted
        .into_iter()
        .map(|mut upload| {
            if !usable_uploads(listing).any(|one| one.same_rows(&upload.identity)) {
                upload.renamed_from = take_renamed(&upload, &mut dropped, &can_move);
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

/// The dropped upload of another file that has this file's content and was told to be
/// read the same way. It can have become one file only.
fn take_renamed(
    upload: &UploadSubject,
    dropped: &mut Vec<&PartIdentity>,
    can_move: impl Fn(&PartIdentity, &UploadSubject) -> bool,
) -> Option<PartIdentity> {
    let reading = reading(upload.kind, &upload.options);
    let owner = &upload.identity.owner;
    let position = dropped.iter().position(|one| {
        can_move(one, upload)
            && one.digest == PartHasher::upload(owner, &one.source, &upload.sha256, &reading)
    })?;
    let found = dropped[position].clone();
    dropped.retain(|one| !one.same_rows(&found));
    Some(found)
}
