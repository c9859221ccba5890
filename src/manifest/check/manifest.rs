//! The manifest's own keys, and what its jobs must agree on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::base::names::NameError;
use crate::base::{DatasetRef, ManifestName, Sha256Digest, TableRef, names};

use super::super::keys::{MANIFEST, PREPARE, RELEASE};
use super::super::model::{Job, Manifest, Prepare, Release};
use super::super::problem::ProblemCode;
use super::super::tree::{Node, Value};
use super::super::words;
use super::fields::Fields;
use super::jobs::kind_of;
use super::{Checker, fields, jobs, metadata, scalars, shown, tables};

/// A job with where its parts stand, for rules about several jobs.
pub(super) struct Placed {
    pub(super) job: Job,
    pub(super) name_span: Range<usize>,
    pub(super) table_span: Range<usize>,
}

/// Checks a whole manifest. `None` after at least one problem.
pub(in super::super) fn manifest(
    checker: &mut Checker<'_>,
    node: &Node<'_>,
    digest: Sha256Digest,
) -> Option<Manifest> {
    let fields = fields::fields(checker, node, &MANIFEST)?;
    version(checker, &fields);
    let name = manifest_name(checker, &fields, "name");
    let dataset = fields
        .get("dataset")
        .and_then(|node| dataset(checker, node).or_else(stand_in));
    let prepare = prepare(checker, &fields).unwrap_or_default();
    let release = release(checker, &fields).unwrap_or_default();
    let (jobs, all_jobs_are_good) = jobs::jobs(checker, &fields, dataset.as_ref());
    agree(checker, &jobs);
    let declared = metadata::declared(checker, &jobs);
    let tables = tables::tables(
        checker,
        &fields,
        dataset.as_ref(),
        all_jobs_are_good.then_some(jobs.as_slice()),
        &declared,
    );
    let jobs = jobs.into_iter().map(|placed| placed.job).collect();
    let root = checker.root.to_path_buf();
    Some(Manifest {
        name: name?,
        root,
        digest,
        prepare,
        release,
        tables,
        jobs,
    })
    .filter(|_| checker.problems.is_empty())
}

/// In place of a dataset that cannot be read, so that one mistake is not repeated
/// for every table. Never leaves the check, since there is a problem.
fn stand_in() -> Option<DatasetRef> {
    "unknown.unknown".parse().ok()
}

fn version(checker: &mut Checker<'_>, fields: &Fields<'_, '_>) {
    let Some(node) = fields::required(checker, fields, "version") else {
        return;
    };
    if let Some(version) = scalars::count(checker, node).filter(|version| *version != 1) {
        checker
            .problem(
                ProblemCode::Version,
                node.span.clone(),
                format!("manifests of version {version} are not known"),
            )
            .help("this program reads `version: 1`");
    }
}

/// A name in the form of manifests and jobs, which must be there.
pub(super) fn manifest_name(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    key: &str,
) -> Option<ManifestName> {
    let node = fields::required(checker, fields, key)?;
    let text = scalars::text(checker, node)?;
    match text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            bad_name(checker, ProblemCode::BadName, node.span.clone(), &error);
            None
        }
    }
}

pub(super) fn bad_name(
    checker: &mut Checker<'_>,
    code: ProblemCode,
    span: Range<usize>,
    error: &NameError,
) {
    let NameError { what, text, why } = error;
    checker
        .problem(
            code,
            span,
            format!("`{}` is not a valid {what}", shown(text)),
        )
        .label(*why);
}

fn dataset(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<DatasetRef> {
    let text = scalars::text(checker, node)?;
    text.parse()
        .map_err(|error| bad_reference(checker, node, &text, &error))
        .ok()
}

/// A table by name or by reference.
pub(super) fn table_ref(
    checker: &mut Checker<'_>,
    text: &str,
    span: Range<usize>,
    dataset: Option<&DatasetRef>,
) -> Option<TableRef> {
    match TableRef::parse(text, dataset) {
        Ok(table) => Some(table),
        Err(error) => {
            reference_problem(checker, span, text, &error);
            None
        }
    }
}

fn bad_reference(checker: &mut Checker<'_>, node: &Node<'_>, text: &str, error: &NameError) {
    reference_problem(checker, node.span.clone(), text, error);
}

fn reference_problem(checker: &mut Checker<'_>, span: Range<usize>, text: &str, error: &NameError) {
    if names_another_version(text) {
        checker
            .problem(
                ProblemCode::NotNext,
                span,
                format!("`{}` names a version that cannot be written", shown(text)),
            )
            .label("only `next` can be written")
            .help("leave the version out, or write `next`; released versions never change");
        return;
    }
    bad_name(checker, ProblemCode::BadReference, span, error);
}

fn prepare(checker: &mut Checker<'_>, fields: &Fields<'_, '_>) -> Option<Prepare> {
    let fields = fields::fields(checker, fields.get("prepare")?, &PREPARE)?;
    let next_version = fields
        .get("next_version")
        .and_then(|node| scalars::flag(checker, node));
    let tables = fields
        .get("tables")
        .and_then(|node| scalars::flag(checker, node));
    Some(Prepare {
        next_version: next_version.unwrap_or_default(),
        tables: tables.unwrap_or_default(),
    })
}

fn release(checker: &mut Checker<'_>, fields: &Fields<'_, '_>) -> Option<Release> {
    let node = fields.get("release")?;
    if matches!(node.value, Value::Scalar(_)) {
        let yes = scalars::flag(checker, node)?;
        return yes.then(|| Release::Yes {
            notes: None,
            others: words::OTHERS[0].1,
        });
    }
    let fields = fields::fields(checker, node, &RELEASE)?;
    let notes = fields
        .get("notes")
        .and_then(|node| scalars::some_text(checker, node));
    let others = fields
        .get("others")
        .and_then(|node| scalars::word(checker, node, &words::OTHERS));
    Some(Release::Yes {
        notes,
        others: others.unwrap_or_default(),
    })
}

/// Rules about several jobs: names are unique, and one table has one kind.
fn agree(checker: &mut Checker<'_>, jobs: &[Placed]) {
    let mut names_seen: BTreeSet<&str> = BTreeSet::new();
    let mut tables_seen: BTreeMap<String, &Placed> = BTreeMap::new();
    for placed in jobs {
        let name = placed.job.name.as_str();
        if !names_seen.insert(name) {
            checker.problem(ProblemCode::DuplicateJob, placed.name_span.clone(), format!("two jobs are named `{name}`"))
                .help("names tell jobs apart in plans, reports and on the platform: give each its own");
        }
        let table = &placed.job.table;
        let key = names::escaped(&table.to_string());
        let first = *tables_seen.entry(key).or_insert(placed);
        let (kind, before) = (kind_of(&placed.job.source), kind_of(&first.job.source));
        if kind != before {
            let message = format!(
                "`{name}` writes {kind} to the table `{table}`, and `{}` writes {before}",
                first.job.name
            );
            checker
                .problem(ProblemCode::MixedKinds, placed.table_span.clone(), message)
                .label(format!("a table takes {kind} or {before}, not both"))
                .help("give the job a table of its own");
        }
    }
}

fn names_another_version(reference: &str) -> bool {
    reference
        .split(':')
        .skip(1)
        .filter_map(|part| part.split('.').next())
        .any(|part| {
            let number = part.strip_prefix('v').unwrap_or_default();
            part == "current" || number.starts_with(|c: char| c.is_ascii_digit())
        })
}
