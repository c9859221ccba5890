//! Files: the sources against the table's listing, name by name.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use unicode_normalization::UnicodeNormalization as _;

use super::context::{Compare, PlanContext, ReadBack};
use super::diff::{FileSide, Pair, Proof, align, apply_on_change, compare_file};
use super::digests::local_md5;
use super::error::{PlanError, check_cancel};
use super::history::History;
use super::model::{Action, Class, FileSubject, Item, JobContent, JobPlan, Reason, Subject};
use super::observe::{DatasetView, TableView};
use super::problems::{source_error, source_problem, source_skipped};
use super::same::Same;
use crate::base::Md5Digest;
use crate::manifest::{Extra, FilesSource, Job};
use crate::redivis::RemoteFile;
use crate::source::{LocalFile, Resolved, SourceError};

/// Plans one files job. `others` are the sorted names that other jobs give to
/// the same table.
pub(super) fn plan_files(
    context: &PlanContext<'_>,
    job: &Job,
    source: &FilesSource,
    (dataset, view): (&DatasetView, &TableView),
    resolved: Resolved,
    others: &[&str],
) -> Result<JobPlan, PlanError> {
    let mut items: Vec<Item> = resolved.problems.iter().map(source_problem).collect();
    items.extend(resolved.skipped.iter().map(source_skipped));
    let (mut local, unseen) = context.selection.split_files(resolved.files);
    let mut same = Same::of(context, view, &local);
    let mut remote = list_settled(context, (dataset, view), &local, &mut same)?;
    let mut unchanged = same.take_from(&mut local);
    remote.retain(|file| {
        unseen.binary_search(&file.name).is_err()
            && others.binary_search(&file.name.as_str()).is_err()
    });

    let pairs = align(&local, &remote, |l, r| l.name.as_str().cmp(r.name.as_str()));
    let pool = match context.options.read_back {
        ReadBack::Never => context.cpu_pool,
        ReadBack::Needed | ReadBack::All => context.net_pool,
    };
    let compared = pairs.chunks(AT_ONCE).flat_map(|pairs| {
        let one = |pair: &Pair| compare_pair(context, view, &local, &remote, *pair);
        pool.install(|| pairs.par_iter().map(one).collect::<Vec<_>>())
    });
    for (pair, compared) in pairs.iter().zip(compared) {
        let compared = compared?;
        let (class, reason, action) = match pair {
            Pair::Left(_) => (Class::New, Reason::NotOnRemote, Action::Send),
            Pair::Both(..) => apply_on_change((compared.class, compared.reason), source.on_change),
            Pair::Right(_) => {
                if !context.selection.sees_everything() {
                    continue;
                }
                match source.extra {
                    Extra::Report => (Class::Extra, Reason::NotInSources, Action::None),
                    Extra::Fail => (Class::Conflict, Reason::ExtraRefused, Action::None),
                }
            }
        };
        if class == Class::Unchanged {
            unchanged.add(size_of(pair, &local, &remote), 0);
            if !context.wants_unchanged() {
                continue;
            }
        }
        if let Some(error) = compared.problem {
            items.push(source_error(&error));
            continue;
        }
        let subject = subject_of(&context.manifest.root, pair, &local, &remote, compared.md5);
        let item = Item {
            class,
            reason,
            action,
            note: compared.note,
            subject,
        };
        let is_listed = class != Class::Unchanged || context.met_unchanged(job, &item, None);
        if is_listed {
            items.push(item);
        }
    }
    note_renames(&mut items);
    Ok(JobPlan {
        job: job.name.clone(),
        index: 0,
        table: job.table.clone(),
        content: JobContent::Files,
        items,
        unchanged,
        rejects: 0,
        replaced_rows: None,
        held: false,
        history: History::default(),
        replaces: false,
    })
}

/// Pairs compared at once: what they come to is held in memory.
const AT_ONCE: usize = 16 * 1024;

/// How often a listing that may lag is asked for again.
const LOOKS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A file that was seen longer ago than this is listed, or is gone.
const LAG_MS: i64 = 60_000;
/// So many files at most are held against their receipts.
const MOST_RECEIPTS: usize = 1000;

/// A table's files. Listings can lag behind (contract Q12): while one does not
/// show what was attached a moment ago, by a run that was killed for instance, it
/// is asked for again.
fn list_settled(
    context: &PlanContext<'_>,
    (dataset, view): (&DatasetView, &TableView),
    local: &[LocalFile],
    same: &mut Same,
) -> Result<Vec<RemoteFile>, PlanError> {
    let mut pause = FIRST_PAUSE;
    let mut look = 1;
    loop {
        same.start_again();
        let mut remote = list_files(context, (dataset, view), local, same)?;
        if same.find_differing(context, local)? {
            same.start_again();
            remote = list_files(context, (dataset, view), local, same)?;
        }
        if look == LOOKS || !may_be_lagging(context, view, (local, same), &remote)? {
            return Ok(remote);
        }
        if !context.reader.wait(&context.call, pause) {
            return Err(PlanError::Cancelled);
        }
        pause *= 2;
        look += 1;
    }
}

/// Whether a file that the listing does not show as it is on disk was seen on the
/// remote a moment ago, under an id that the listing does not have.
fn may_be_lagging(
    context: &PlanContext<'_>,
    view: &TableView,
    (local, same): (&[LocalFile], &Same),
    remote: &[RemoteFile],
) -> Result<bool, PlanError> {
    let (Some(store), Some(_)) = (context.store, &view.remote) else {
        return Ok(false);
    };
    let table = view.table.to_string();
    let since_ms = context.options.now_ns / 1_000_000 - LAG_MS;
    let pairs = align(local, remote, |l, r| l.name.as_str().cmp(r.name.as_str()));
    let doubtful = pairs.iter().filter_map(|pair| match *pair {
        Pair::Left(l) => (!same.has(l)).then_some((&local[l], None)),
        Pair::Both(l, r) => {
            let (ours, theirs) = (&local[l], &remote[r]);
            let differs = ours.fingerprint.size != theirs.size || theirs.md5.is_none();
            differs.then_some((ours, Some(theirs.id.as_str())))
        }
        Pair::Right(_) => None,
    });
    for (file, listed) in doubtful.take(MOST_RECEIPTS) {
        let receipt = store
            .receipt(&table, file.name.as_str())
            .map_err(|error| PlanError::State(Box::new(error)))?;
        let is_recent = receipt.is_some_and(|receipt| {
            receipt.verified_at_ms >= since_ms
                && receipt.size == file.fingerprint.size
                && listed != Some(receipt.remote_id.as_str())
        });
        if is_recent {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A table's files by name, in NFC, sorted; without those that are the same here.
fn list_files(
    context: &PlanContext<'_>,
    (dataset, view): (&DatasetView, &TableView),
    local: &[LocalFile],
    same: &mut Same,
) -> Result<Vec<RemoteFile>, PlanError> {
    let mut files: Vec<RemoteFile> = Vec::new();
    if view.remote.is_none() {
        return Ok(files);
    }
    context
        .reader
        .raw_files(
            &context.call,
            &view.table,
            &dataset.base,
            &mut |mut file| {
                if !unicode_normalization::is_nfc(&file.name) {
                    file.name = file.name.nfc().collect();
                }
                if !same.settles(local, &file) {
                    files.push(file);
                }
            },
        )
        .map_err(|error| PlanError::remote(format!("the files of `{}`", view.table), error))?;
    // Of two files of one name the first listed counts.
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files.dedup_by(|a, b| a.name == b.name);
    Ok(files)
}

struct Compared {
    class: Class,
    reason: Reason,
    md5: Option<Md5Digest>,
    note: Option<String>,
    problem: Option<SourceError>,
}

fn compare_pair(
    context: &PlanContext<'_>,
    view: &TableView,
    local: &[LocalFile],
    remote: &[RemoteFile],
    pair: Pair,
) -> Result<Compared, PlanError> {
    check_cancel(context.call.cancel)?;
    let fresh = |md5, problem| Compared {
        class: Class::New,
        reason: Reason::NotOnRemote,
        md5,
        note: None,
        problem,
    };
    let (file, other) = match pair {
        Pair::Left(l) if context.options.hash_new => {
            return local_md5(context, &local[l]).map(|read| match read {
                Ok(md5) => fresh(Some(md5), None),
                Err(problem) => fresh(None, Some(problem)),
            });
        }
        Pair::Left(_) | Pair::Right(_) => return Ok(fresh(None, None)),
        Pair::Both(l, r) => (&local[l], &remote[r]),
    };
    let size = file.fingerprint.size;
    let mut theirs = FileSide {
        size: other.size,
        md5: other.md5,
    };
    let mut proof = Proof::None;
    let mut note = None;
    let mut ours = FileSide { size, md5: None };
    if size != other.size && context.options.hash_new {
        match local_md5(context, file)? {
            Ok(md5) => ours.md5 = Some(md5),
            Err(problem) => return Ok(fresh(None, Some(problem))),
        }
    }
    if size == other.size {
        if context.options.compare == Compare::Size {
            proof = Proof::SizeSuffices;
        } else {
            match local_md5(context, file)? {
                Ok(md5) => ours.md5 = Some(md5),
                Err(problem) => return Ok(fresh(None, Some(problem))),
            }
            if theirs.md5.is_none() {
                theirs.md5 = context
                    .reader
                    .raw_file_md5(&context.call, &other.id)
                    .map_err(|error| PlanError::remote(format!("file `{}`", file.name), error))?;
            }
            let told = theirs.md5;
            if reads_back(context.options.read_back, told) {
                theirs = read_back(context, other)?;
                proof = Proof::ReadBack;
                note = told
                    .filter(|told| theirs.md5 != Some(*told))
                    .map(|told| format!("the platform says MD5 {told}, and its bytes are others"));
            } else if told.is_none() && has_receipt(context, view, file, (ours.md5, &other.id))? {
                proof = Proof::Receipt;
            }
        }
    }
    let (class, reason) = compare_file(ours, theirs, proof);
    Ok(Compared {
        class,
        reason,
        md5: ours.md5,
        note,
        problem: None,
    })
}

fn reads_back(which: ReadBack, told: Option<Md5Digest>) -> bool {
    match which {
        ReadBack::Never => false,
        ReadBack::Needed => told.is_none(),
        ReadBack::All => true,
    }
}

/// What the stored bytes are, whatever the platform says of them.
fn read_back(context: &PlanContext<'_>, file: &RemoteFile) -> Result<FileSide, PlanError> {
    let read = context
        .reader
        .raw_file_digest(&context.call, &file.id, file.size);
    let (size, md5) = read
        .map_err(|error| PlanError::remote(format!("the bytes of file `{}`", file.name), error))?;
    Ok(FileSide {
        size,
        md5: Some(md5),
    })
}

fn has_receipt(
    context: &PlanContext<'_>,
    view: &TableView,
    file: &LocalFile,
    (md5, remote_id): (Option<Md5Digest>, &str),
) -> Result<bool, PlanError> {
    let Some(store) = context.store else {
        return Ok(false);
    };
    let receipt = store
        .receipt(&view.table.to_string(), file.name.as_str())
        .map_err(|error| PlanError::State(Box::new(error)))?;
    // Another id is another file, whoever put it there.
    Ok(receipt.is_some_and(|receipt| {
        receipt.size == file.fingerprint.size
            && Some(receipt.md5) == md5
            && receipt.remote_id == remote_id
    }))
}

fn size_of(pair: &Pair, local: &[LocalFile], remote: &[RemoteFile]) -> u64 {
    match *pair {
        Pair::Left(l) | Pair::Both(l, _) => local[l].fingerprint.size,
        Pair::Right(r) => remote[r].size,
    }
}

fn subject_of(
    root: &Path,
    pair: &Pair,
    local: &[LocalFile],
    remote: &[RemoteFile],
    md5: Option<Md5Digest>,
) -> Subject {
    let here = |l: usize, before: Option<RemoteFile>| {
        let file = &local[l];
        Subject::File(FileSubject {
            name: file.name.clone(),
            path: file.path(root),
            shown: file.shown(),
            local: file.fingerprint,
            md5,
            before,
        })
    };
    match *pair {
        Pair::Left(l) => here(l, None),
        Pair::Both(l, r) => here(l, Some(remote[r].clone())),
        Pair::Right(r) => Subject::RemoteFile(remote[r].clone()),
    }
}

/// An extra file whose size and MD5 a new one has was perhaps renamed.
fn note_renames(items: &mut [Item]) {
    let fresh: BTreeMap<(u64, Md5Digest), String> = items
        .iter()
        .filter(|item| item.class == Class::New)
        .filter_map(|item| match &item.subject {
            Subject::File(file) => Some(((file.local.size, file.md5?), file.name.to_string())),
            Subject::Version(_)
            | Subject::Table(_)
            | Subject::Variable(_)
            | Subject::RemoteFile(_)
            | Subject::Part(_)
            | Subject::Upload(_)
            | Subject::Listed(_)
            | Subject::Source { .. } => None,
        })
        .collect();
    for item in items.iter_mut().filter(|item| item.class == Class::Extra) {
        let Subject::RemoteFile(file) = &item.subject else {
            continue;
        };
        let twin = file.md5.and_then(|md5| fresh.get(&(file.size, md5)));
        if let Some(name) = twin {
            item.reason = Reason::MaybeRenamed;
            item.note = Some(format!("`{name}` has the same size and MD5"));
        }
    }
}
