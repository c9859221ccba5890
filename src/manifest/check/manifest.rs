//! The manifest's own keys, and what its jobs must agree on.

use std::collections::BTreeMap;
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
use super::{Checker, shown};

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
    let fields = checker.fields(node, &MANIFEST)?;
    checker.version(&fields);
    let name = checker.manifest_name(&fields, "name");
    let dataset = fields
        .get("dataset")
        .and_then(|node| checker.dataset(node).or_else(stand_in));
    let prepare = checker.prepare(&fields).unwrap_or_default();
    let release = checker.release(&fields).unwrap_or_default();
    let (jobs, all_jobs_are_good) = checker.jobs(&fields, dataset.as_ref());
    checker.agree(&jobs);
    let tables = checker.tables(
        &fields,
        dataset.as_ref(),
        all_jobs_are_good.then_some(jobs.as_slice()),
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

impl Checker<'_> {
    fn version(&mut self, fields: &Fields<'_, '_>) {
        let Some(node) = fields.get("version") else {
            return self.missing(fields, "version");
        };
        if let Some(version) = self.count(node).filter(|version| *version != 1) {
            self.problem(
                ProblemCode::Version,
                node.span.clone(),
                format!("manifests of version {version} are not known"),
            )
            .help("this program reads `version: 1`");
        }
    }

    /// A name in the form of manifests and jobs, which must be there.
    pub(super) fn manifest_name(
        &mut self,
        fields: &Fields<'_, '_>,
        key: &str,
    ) -> Option<ManifestName> {
        let Some(node) = fields.get(key) else {
            self.missing(fields, key);
            return None;
        };
        let text = self.text(node)?;
        match text.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                self.bad_name(ProblemCode::BadName, node.span.clone(), &error);
                None
            }
        }
    }

    pub(super) fn bad_name(&mut self, code: ProblemCode, span: Range<usize>, error: &NameError) {
        let NameError { what, text, why } = error;
        self.problem(
            code,
            span,
            format!("`{}` is not a valid {what}", shown(text)),
        )
        .label(*why);
    }

    fn dataset(&mut self, node: &Node<'_>) -> Option<DatasetRef> {
        let text = self.text(node)?;
        text.parse()
            .map_err(|error| self.bad_reference(node, &text, &error))
            .ok()
    }

    /// A table by name or by reference.
    pub(super) fn table_ref(
        &mut self,
        text: &str,
        span: Range<usize>,
        dataset: Option<&DatasetRef>,
    ) -> Option<TableRef> {
        match TableRef::parse(text, dataset) {
            Ok(table) => Some(table),
            Err(error) => {
                self.reference_problem(span, text, &error);
                None
            }
        }
    }

    fn bad_reference(&mut self, node: &Node<'_>, text: &str, error: &NameError) {
        self.reference_problem(node.span.clone(), text, error);
    }

    fn reference_problem(&mut self, span: Range<usize>, text: &str, error: &NameError) {
        if names_another_version(text) {
            self.problem(
                ProblemCode::NotNext,
                span,
                format!("`{}` names a version that cannot be written", shown(text)),
            )
            .label("only `next` can be written")
            .help("leave the version out, or write `next`; released versions never change");
            return;
        }
        self.bad_name(ProblemCode::BadReference, span, error);
    }

    fn prepare(&mut self, fields: &Fields<'_, '_>) -> Option<Prepare> {
        let fields = self.fields(fields.get("prepare")?, &PREPARE)?;
        let next_version = fields.get("next_version").and_then(|node| self.flag(node));
        let tables = fields.get("tables").and_then(|node| self.flag(node));
        Some(Prepare {
            next_version: next_version.unwrap_or_default(),
            tables: tables.unwrap_or_default(),
        })
    }

    fn release(&mut self, fields: &Fields<'_, '_>) -> Option<Release> {
        let node = fields.get("release")?;
        if matches!(node.value, Value::Scalar(_)) {
            let yes = self.flag(node)?;
            return yes.then(|| Release::Yes {
                notes: None,
                others: words::OTHERS[0].1,
            });
        }
        let fields = self.fields(node, &RELEASE)?;
        let notes = fields.get("notes").and_then(|node| self.some_text(node));
        let others = fields
            .get("others")
            .and_then(|node| self.word(node, &words::OTHERS));
        Some(Release::Yes {
            notes,
            others: others.unwrap_or_default(),
        })
    }

    /// Rules about several jobs: names are unique, and one table has one kind.
    fn agree(&mut self, jobs: &[Placed]) {
        let mut names_seen: BTreeMap<&str, ()> = BTreeMap::new();
        let mut tables_seen: BTreeMap<String, &Placed> = BTreeMap::new();
        for placed in jobs {
            let name = placed.job.name.as_str();
            if names_seen.insert(name, ()).is_some() {
                self.problem(ProblemCode::DuplicateJob, placed.name_span.clone(), format!("two jobs are named `{name}`"))
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
                self.problem(ProblemCode::MixedKinds, placed.table_span.clone(), message)
                    .label(format!("a table takes {kind} or {before}, not both"))
                    .help("give the job a table of its own");
            }
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
