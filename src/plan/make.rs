//! Puts a plan together: observe, pass over the sources, decide, guard.

use rayon::ThreadPool;

use super::error::{PlanError, check_cancel};
use super::files::plan_files;
use super::listed::Listing;
use super::model::{Action, Class, DatasetPlan, Item, JobContent, JobPlan, Plan, Reason, Subject};
use super::observe::{DatasetView, TableView, observe_dataset, observe_table};
use super::rows::{Mode, RowsDraft, decide_rows, pass_rows, schema_conflict};
use super::tables::{guard_job, plan_dataset};
use super::uploads::{UploadsDraft, decide_uploads, pass_uploads};
use super::{rows, uploads};
use crate::base::{DatasetRef, ManifestName, MergeStrategy, SourceKey, TableRef};
use crate::manifest::{FilesSource, Job, Manifest, Source};
use crate::redivis::{Call, Reader};
use crate::source::rows::Reject;
use crate::source::{
    LocalFile, ResolveOptions, Resolved, RowInput, Severity, Skipped, SourceProblem, UploadInput,
    resolve_files,
};
use crate::state::StateStore;

/// How files are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compare {
    /// Size and MD5.
    #[default]
    Md5,
    /// Size only.
    Size,
}

/// `--shard i/n`, 0-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which.
    pub index: u32,
    /// Of how many; at least 1.
    pub count: u32,
}

impl Shard {
    /// Whether this shard sees the file or source of that name.
    pub fn sees(self, name: &str) -> bool {
        let digest = crate::base::Sha256Digest::of(name.as_bytes());
        let mut head = [0_u8; 8];
        head.copy_from_slice(&digest.as_bytes()[..8]);
        u64::from_be_bytes(head) % u64::from(self.count) == u64::from(self.index)
    }
}

/// Which part of the manifest a run is about.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// `--select`: job names; empty: all.
    pub jobs: Vec<String>,
    /// `--tag`; empty: all.
    pub tags: Vec<String>,
    /// `--shard`.
    pub shard: Option<Shard>,
}

impl Selection {
    /// Whether all of every selected job is seen.
    pub fn sees_everything(&self) -> bool {
        self.shard.is_none_or(|shard| shard.count == 1)
    }

    /// Whether the whole manifest is seen.
    pub fn is_whole(&self) -> bool {
        self.jobs.is_empty() && self.tags.is_empty() && self.sees_everything()
    }

    fn takes(&self, job: &Job) -> bool {
        (self.jobs.is_empty() || self.jobs.iter().any(|name| name == job.name.as_str()))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| job.tags.contains(tag)))
    }

    fn sees(&self, name: &str) -> bool {
        self.shard.is_none_or(|shard| shard.sees(name))
    }

    /// Files that this run sees, and the sorted names of those that it doesn't.
    pub(super) fn split_files(&self, files: Vec<LocalFile>) -> (Vec<LocalFile>, Vec<String>) {
        let (seen, unseen): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|file| self.sees(file.name.as_str()));
        (
            seen,
            unseen
                .into_iter()
                .map(|file| file.name.to_string())
                .collect(),
        )
    }

    /// Row sources that this run sees, and the keys of those that it doesn't.
    pub(super) fn split_rows(&self, inputs: Vec<RowInput>) -> (Vec<RowInput>, Vec<SourceKey>) {
        let (seen, unseen): (Vec<_>, Vec<_>) = inputs
            .into_iter()
            .partition(|input| self.sees(&input.shown));
        (seen, unseen.into_iter().map(|input| input.key).collect())
    }

    /// The same for bulk uploads.
    pub(super) fn split_uploads(
        &self,
        inputs: Vec<UploadInput>,
    ) -> (Vec<UploadInput>, Vec<SourceKey>) {
        let (seen, unseen): (Vec<_>, Vec<_>) = inputs
            .into_iter()
            .partition(|input| self.sees(&input.shown));
        (seen, unseen.into_iter().map(|input| input.key).collect())
    }
}

/// What changes how a plan is made.
#[derive(Debug, Clone, Copy)]
pub struct PlanOptions {
    /// How files are compared.
    pub compare: Compare,
    /// `--hash`: files that the remote lacks are hashed too.
    pub hash_new: bool,
    /// `--all`: unchanged items are listed, not only counted.
    pub include_unchanged: bool,
    /// Now, in nanoseconds since 1970.
    pub now_ns: i64,
    /// No payload is larger, whatever the manifest says (`--max-memory`).
    pub largest_payload: u64,
}

/// What planning works with.
#[derive(Clone, Copy)]
pub struct PlanContext<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// The remote; GET and HEAD only.
    pub reader: &'a Reader,
    /// How waits and bytes are told.
    pub call: Call<'a>,
    /// Caches; `None` does without.
    pub store: Option<&'a StateStore>,
    /// For hashing and encoding.
    pub cpu_pool: &'a ThreadPool,
    /// Which part of the manifest.
    pub selection: &'a Selection,
    /// How.
    pub options: PlanOptions,
    /// Told of each row that cannot be encoded.
    pub on_reject: &'a (dyn Fn(&ManifestName, Reject) + Sync),
}

impl PlanContext<'_> {
    /// What resolving a job's paths rests on.
    pub(super) fn resolve_options(&self, job: &Job) -> ResolveOptions<'_> {
        ResolveOptions {
            root: &self.manifest.root,
            allow_empty: job.allow_empty,
            now_ns: self.options.now_ns,
            cancel: self.call.cancel,
        }
    }
}

impl std::fmt::Debug for PlanContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlanContext")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What is known of a job before its fate is decided.
enum Draft {
    Files(Resolved),
    Rows(RowsDraft),
    Uploads(UploadsDraft),
}

/// Makes the plan. `endpoint` is shown in it.
pub fn make_plan(context: &PlanContext<'_>, endpoint: &str) -> Result<Plan, PlanError> {
    let manifest = context.manifest;
    let selected: Vec<(usize, &Job)> = manifest
        .jobs
        .iter()
        .enumerate()
        .filter(|(_, job)| context.selection.takes(job))
        .collect();
    check_selection(context.selection, manifest, &selected)?;
    let datasets = observe_datasets(context, &selected)?;
    let views = observe_tables(context, &datasets, &selected)?;

    let mut drafts = Vec::with_capacity(selected.len());
    for (_, job) in &selected {
        check_cancel(context.call.cancel)?;
        drafts.push(draft_job(context, job, view_of(&views, &job.table))?);
    }
    check_names(&selected, &drafts)?;
    let modes: Vec<Mode> = selected
        .iter()
        .map(|(_, job)| {
            table_mode(
                context,
                &selected,
                &drafts,
                view_of(&views, &job.table),
                job,
            )
        })
        .collect();
    let file_names = names_by_job(&drafts);

    let mut jobs = Vec::with_capacity(selected.len());
    for (position, (draft, (index, job))) in drafts.into_iter().zip(&selected).enumerate() {
        let view = view_of(&views, &job.table);
        let dataset = dataset_of(&datasets, job.table.dataset());
        let mode = modes[position];
        let mut plan = match (draft, &job.source) {
            (Draft::Files(resolved), Source::Files(source)) => {
                let others = other_names(&selected, &file_names, position);
                plan_files(context, job, source, (dataset, view), resolved, &others)?
            }
            (Draft::Rows(draft), Source::Rows(source)) => {
                let conflict = schema_conflict(&draft.content.schema, view);
                let mut plan = decide_rows(context, job, source, view, draft, mode);
                if let Some(note) = conflict {
                    plan.hold(Reason::SchemaConflict, note);
                }
                plan
            }
            (Draft::Uploads(draft), Source::Uploads(source)) => {
                decide_uploads(context, job, source, view, draft, mode)
            }
            (Draft::Files(_) | Draft::Rows(_) | Draft::Uploads(_), _) => continue,
        };
        plan.index = *index;
        if mode == Mode::Replace {
            guard_replace(context, view, &selected, job, &mut plan);
        }
        guard_job(context, job, view, dataset, &mut plan);
        jobs.push(plan);
    }
    let datasets = datasets
        .iter()
        .map(|dataset| plan_dataset(context, dataset, &views, &mut jobs))
        .collect::<Vec<DatasetPlan>>();
    Ok(Plan {
        manifest: manifest.name.clone(),
        manifest_digest: manifest.digest,
        endpoint: endpoint.to_owned(),
        datasets,
        jobs,
        is_whole: context.selection.is_whole(),
    })
}

fn check_selection(
    selection: &Selection,
    manifest: &Manifest,
    selected: &[(usize, &Job)],
) -> Result<(), PlanError> {
    let unknown = selection.jobs.iter().find(|name| {
        manifest
            .jobs
            .iter()
            .all(|job| job.name.as_str() != name.as_str())
    });
    if let Some(name) = unknown {
        return Err(PlanError::NothingSelected(format!(
            "there is no job `{name}`"
        )));
    }
    if selected.is_empty() {
        let tags = selection.tags.join("`, `");
        return Err(PlanError::NothingSelected(format!(
            "no job has the tag `{tags}`"
        )));
    }
    Ok(())
}

fn observe_datasets(
    context: &PlanContext<'_>,
    selected: &[(usize, &Job)],
) -> Result<Vec<DatasetView>, PlanError> {
    let mut found: Vec<DatasetView> = Vec::new();
    for (_, job) in selected {
        let dataset = job.table.dataset();
        if !found.iter().any(|view| view.dataset.matches(dataset)) {
            check_cancel(context.call.cancel)?;
            found.push(observe_dataset(context.reader, &context.call, dataset)?);
        }
    }
    Ok(found)
}

fn observe_tables(
    context: &PlanContext<'_>,
    datasets: &[DatasetView],
    selected: &[(usize, &Job)],
) -> Result<Vec<TableView>, PlanError> {
    let mut found: Vec<TableView> = Vec::new();
    for (_, job) in selected {
        if !found.iter().any(|view| view.table.matches(&job.table)) {
            check_cancel(context.call.cancel)?;
            let dataset = dataset_of(datasets, job.table.dataset());
            let view = observe_table(
                context.reader,
                &context.call,
                dataset,
                &job.table,
                context.store,
            )?;
            found.push(view);
        }
    }
    Ok(found)
}

#[expect(
    clippy::expect_used,
    reason = "every selected job's dataset was observed just before"
)]
fn dataset_of<'a>(datasets: &'a [DatasetView], wanted: &DatasetRef) -> &'a DatasetView {
    datasets
        .iter()
        .find(|view| view.dataset.matches(wanted))
        .expect("an observed dataset")
}

#[expect(
    clippy::expect_used,
    reason = "every selected job's table was observed just before"
)]
fn view_of<'a>(views: &'a [TableView], wanted: &TableRef) -> &'a TableView {
    views
        .iter()
        .find(|view| view.table.matches(wanted))
        .expect("an observed table")
}

fn draft_job(context: &PlanContext<'_>, job: &Job, view: &TableView) -> Result<Draft, PlanError> {
    match &job.source {
        Source::Files(source) => resolve_job_files(context, job, source).map(Draft::Files),
        Source::Rows(source) => pass_rows(context, job, source, view).map(Draft::Rows),
        Source::Uploads(source) => pass_uploads(context, job, source, view).map(Draft::Uploads),
    }
}

fn resolve_job_files(
    context: &PlanContext<'_>,
    job: &Job,
    source: &FilesSource,
) -> Result<Resolved, PlanError> {
    resolve_files(&context.resolve_options(job), source)
        .map_err(|error| PlanError::of_source(&job.name, error))
}

/// Two jobs that send one name to one table would undo each other's work.
fn check_names(selected: &[(usize, &Job)], drafts: &[Draft]) -> Result<(), PlanError> {
    let files = |draft: &Draft| match draft {
        Draft::Files(resolved) => resolved
            .files
            .iter()
            .map(|file| file.name.clone())
            .collect(),
        Draft::Rows(_) | Draft::Uploads(_) => Vec::new(),
    };
    for (one, (_, job)) in selected.iter().enumerate() {
        let names = files(&drafts[one]);
        for (other, (_, second)) in selected.iter().enumerate().skip(one + 1) {
            if names.is_empty() || !job.table.matches(&second.table) {
                continue;
            }
            let shared = files(&drafts[other])
                .into_iter()
                .find(|name| names.binary_search(name).is_ok());
            if let Some(name) = shared {
                return Err(PlanError::NameTaken {
                    table: Box::new(job.table.clone()),
                    name: name.to_string(),
                    first: job.name.clone(),
                    second: second.name.clone(),
                });
            }
        }
    }
    Ok(())
}

fn names_by_job(drafts: &[Draft]) -> Vec<Vec<String>> {
    drafts
        .iter()
        .map(|draft| match draft {
            Draft::Files(resolved) if drafts.len() > 1 => resolved
                .files
                .iter()
                .map(|file| file.name.to_string())
                .collect(),
            Draft::Files(_) | Draft::Rows(_) | Draft::Uploads(_) => Vec::new(),
        })
        .collect()
}

/// Names that other jobs give to the same table: no extras of this job.
fn other_names<'a>(
    selected: &[(usize, &Job)],
    names: &'a [Vec<String>],
    position: usize,
) -> Vec<&'a str> {
    let table = &selected[position].1.table;
    let mut found: Vec<&str> = selected
        .iter()
        .enumerate()
        .filter(|(other, (_, job))| *other != position && job.table.matches(table))
        .flat_map(|(other, _)| names[other].iter().map(String::as_str))
        .collect();
    found.sort_unstable();
    found
}

/// How a job's rows meet those of the last release. `merge: replace` is about
/// the whole table, so all of its jobs are looked at together.
fn table_mode(
    context: &PlanContext<'_>,
    selected: &[(usize, &Job)],
    drafts: &[Draft],
    view: &TableView,
    job: &Job,
) -> Mode {
    let stated = context
        .manifest
        .settings_of(&job.table)
        .and_then(|settings| settings.merge);
    if view.merge(stated) == MergeStrategy::Append {
        return Mode::Append;
    }
    let owners = owners_of(context.manifest, &job.table);
    let listing = Listing::of(view, &owners);
    let mut row_drafts = Vec::new();
    let mut upload_drafts = Vec::new();
    for ((_, other), draft) in selected.iter().zip(drafts) {
        if !other.table.matches(&job.table) {
            continue;
        }
        match draft {
            Draft::Rows(draft) => row_drafts.push(&draft.content),
            Draft::Uploads(draft) => upload_drafts.push(draft),
            Draft::Files(_) => {}
        }
    }
    let equal = if upload_drafts.is_empty() {
        rows::equals_release(&row_drafts, &listing)
    } else {
        uploads::equals_release(&upload_drafts, &listing)
    };
    let released = view.history.released_rows.is_some();
    if equal && released {
        Mode::ReplaceEqual
    } else {
        Mode::Replace
    }
}

fn owners_of(manifest: &Manifest, table: &TableRef) -> Vec<SourceKey> {
    manifest
        .jobs
        .iter()
        .filter(|job| job.table.matches(table))
        .map(|job| SourceKey::owner(manifest.name.as_str(), job.name.as_str()))
        .collect()
}

/// A table that is replaced as a whole must be seen as a whole, and must hold
/// nothing of others.
fn guard_replace(
    context: &PlanContext<'_>,
    view: &TableView,
    selected: &[(usize, &Job)],
    job: &Job,
    plan: &mut JobPlan,
) {
    let owners = owners_of(context.manifest, &job.table);
    let listing = Listing::of(view, &owners);
    let seen = selected
        .iter()
        .filter(|(_, other)| other.table.matches(&job.table))
        .count();
    let foreign = listing
        .foreign
        .first()
        .map(|upload| upload.name.as_str())
        .or_else(|| listing.foreign_released.first().copied());
    if seen < owners.len() || !context.selection.sees_everything() {
        let note = "the table is replaced as a whole, and this run sees a part of it";
        plan.hold(Reason::PartialReplace, note.to_owned());
    } else if let Some(name) = foreign {
        let note = format!(
            "the table is replaced as a whole, and upload `{name}` is not of this manifest"
        );
        plan.hold(Reason::ForeignUploads, note);
    } else if plan.items.iter().any(|item| item.action == Action::Send) {
        plan.replaced_rows = view.released_rows.filter(|rows| *rows > 0);
    }
}

/// A source that cannot be used, as an item.
pub(super) fn source_problem(problem: &SourceProblem) -> Item {
    let (class, reason) = match problem.kind.severity() {
        Severity::Error => (Class::Conflict, Reason::SourceProblem),
        Severity::Warning => (Class::Skipped, Reason::Warning),
    };
    Item {
        class,
        reason,
        action: Action::None,
        note: Some(problem.to_string()),
        subject: Subject::Source {
            path: problem.shown.clone(),
        },
    }
}

/// A path that is left out on purpose, as an item.
pub(super) fn source_skipped(skipped: &Skipped) -> Item {
    use crate::source::SkipReason;

    let reason = match skipped.reason {
        SkipReason::TooYoung => Reason::TooYoung,
        SkipReason::Symlink => Reason::Symlink,
        SkipReason::NotAFile => Reason::NotAFile,
    };
    Item {
        class: Class::Skipped,
        reason,
        action: Action::None,
        note: None,
        subject: Subject::Source {
            path: skipped.shown.clone(),
        },
    }
}

/// Whether a job has anything to send.
pub(super) fn has_rows(plan: &JobPlan) -> bool {
    matches!(
        plan.content,
        JobContent::Rows(_) | JobContent::Uploads { .. }
    )
}
