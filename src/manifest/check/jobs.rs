//! A job: its name, its table, which kind it is, and what all kinds share.

use std::ops::Range;

use crate::base::DatasetRef;

use super::super::keys::{EXPECT, JOB};
use super::super::model::{Expect, Job, Source};
use super::super::problem::ProblemCode;
use super::super::tree::{Entry, Node, Value};
use super::fields::Fields;
use super::manifest::Placed;
use super::{Checker, fields, files, forms, manifest, paths, rows, scalars, uploads};

const KINDS: [&str; 3] = ["files", "rows", "uploads"];

/// The key that makes a job what it is.
pub(super) fn kind_of(source: &Source) -> &'static str {
    match source {
        Source::Files(_) => "files",
        Source::Rows(_) => "rows",
        Source::Uploads(_) => "uploads",
    }
}

/// Every job that can be read, and whether that is all of them.
pub(super) fn jobs(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    dataset: Option<&DatasetRef>,
) -> (Vec<Placed>, bool) {
    let defaults = fields
        .get("defaults")
        .and_then(|node| fields::fields(checker, node, &JOB))
        .map_or(&[][..], |fields| fields.entries());
    unused_defaults(checker, defaults, fields);
    let Some(node) = fields::required(checker, fields, "jobs") else {
        return (Vec::new(), false);
    };
    let items =
        scalars::some_list(checker, node, "`jobs` must be a list of jobs").unwrap_or_default();
    let weight: usize = defaults.iter().map(|entry| entry.value.size).sum();
    let mut jobs = Vec::with_capacity(items.len());
    for item in items {
        if !checker.replay(weight, &node.span) {
            return (jobs, false);
        }
        jobs.extend(job(checker, item, defaults, dataset));
    }
    let complete = !items.is_empty() && jobs.len() == items.len();
    (jobs, complete)
}

/// Defaults that no job takes up are still read, so that a mistake in them does
/// not wait for the first job of their kind.
fn unused_defaults(checker: &mut Checker<'_>, defaults: &[Entry<'_>], fields: &Fields<'_, '_>) {
    let jobs = match fields.get("jobs").map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        Some(Value::Map(_) | Value::Scalar(_)) | None => &[],
    };
    let has_kind = |kind: &&str| {
        jobs.iter().any(|job| matches!(&job.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == *kind)))
    };
    for entry in defaults {
        let Some(key) = JOB.key(&entry.key) else {
            continue;
        };
        let is_taken_up = key.only.is_none_or(|kinds| kinds.iter().any(has_kind));
        if !is_taken_up {
            forms::conforms(checker, &entry.value, key.form);
        }
    }
}

fn job<'t>(
    checker: &mut Checker<'_>,
    node: &Node<'t>,
    defaults: &[Entry<'t>],
    dataset: Option<&DatasetRef>,
) -> Option<Placed> {
    let fields = fields::fields(checker, node, &JOB)?.over(defaults);
    let name = manifest::manifest_name(checker, &fields, "name");
    let table = job_table(checker, &fields, dataset);
    let tags = fields
        .get("tags")
        .and_then(|node| scalars::texts(checker, node));
    let allow_empty = fields
        .get("allow_empty")
        .and_then(|node| scalars::flag(checker, node));
    let source = source(checker, &fields);
    let expect = fields.get("expect").and_then(|node| {
        let kind = kind(checker, &fields, false)?;
        expect(checker, node, kind, fields.own("expect").is_some())
    });
    let (table, table_span) = table?;
    Some(Placed {
        name_span: fields.get("name")?.span.clone(),
        table_span,
        job: Job {
            name: name?,
            table,
            tags: tags.unwrap_or_default(),
            source: source?,
            allow_empty: allow_empty.unwrap_or_default(),
            expect: expect.unwrap_or_default(),
        },
    })
}

fn job_table(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    dataset: Option<&DatasetRef>,
) -> Option<(crate::base::TableRef, Range<usize>)> {
    let node = fields::required(checker, fields, "table")?;
    let text = scalars::text(checker, node)?;
    let table = manifest::table_ref(checker, &text, node.span.clone(), dataset)?;
    Some((table, node.span.clone()))
}

/// The job's kind. Its own keys decide; only when it has none do the
/// defaults.
fn kind(checker: &mut Checker<'_>, fields: &Fields<'_, '_>, say: bool) -> Option<&'static str> {
    let own: Vec<&'static str> = KINDS
        .into_iter()
        .filter(|kind| fields.own(kind).is_some())
        .collect();
    let kinds = if own.is_empty() {
        KINDS
            .into_iter()
            .filter(|kind| fields.get(kind).is_some())
            .collect()
    } else {
        own
    };
    if let [kind] = kinds[..] {
        return Some(kind);
    }
    if !say {
        return None;
    }
    let (span, message) = match kinds.get(1) {
        Some(second) => (
            fields.key_span(second),
            format!(
                "a job has one kind of source, and this one has `{}`",
                kinds.join("` and `")
            ),
        ),
        None => (fields.span(), "this job has no source".to_owned()),
    };
    checker
        .problem(ProblemCode::SourceKind, span, message)
        .help("a job has exactly one of `files`, `rows` and `uploads`; split it into several");
    None
}

fn source(checker: &mut Checker<'_>, fields: &Fields<'_, '_>) -> Option<Source> {
    let kind = kind(checker, fields, true)?;
    fields::misplaced(checker, fields, kind, &format!("a `{kind}` job"));
    let exclude = paths::exclude(checker, fields);
    match kind {
        "files" => files::files(checker, fields, &exclude).map(Source::Files),
        "rows" => rows::rows(checker, fields, &exclude).map(Source::Rows),
        _ => uploads::uploads(checker, fields, &exclude).map(Source::Uploads),
    }
}

fn expect(
    checker: &mut Checker<'_>,
    node: &Node<'_>,
    kind: &'static str,
    is_own: bool,
) -> Option<Expect> {
    let fields = fields::fields(checker, node, &EXPECT)?;
    if is_own {
        fields::misplaced(
            checker,
            &fields,
            kind,
            &format!("`expect` in a `{kind}` job"),
        );
    }
    let mut count = |key| {
        fields
            .get(key)
            .and_then(|node| scalars::count(checker, node))
    };
    let [min_files, max_files, min_rows, max_rows] =
        ["min_files", "max_files", "min_rows", "max_rows"].map(&mut count);
    let [min_bytes, max_bytes] = ["min_bytes", "max_bytes"].map(|key| {
        fields
            .get(key)
            .and_then(|node| scalars::size(checker, node))
    });
    let max_shrink = fields
        .get("max_shrink")
        .and_then(|node| scalars::percentage(checker, node));
    ordered(checker, &fields, "files", min_files, max_files);
    ordered(checker, &fields, "bytes", min_bytes, max_bytes);
    ordered(checker, &fields, "rows", min_rows, max_rows);
    Some(Expect {
        min_files,
        max_files,
        min_bytes,
        max_bytes,
        min_rows,
        max_rows,
        max_shrink,
    })
}

fn ordered<T: PartialOrd>(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    of: &str,
    least: Option<T>,
    most: Option<T>,
) {
    if least.zip(most).is_some_and(|(least, most)| least > most) {
        let key = format!("max_{of}");
        let message = format!("`max_{of}` is less than `min_{of}`");
        checker.problem(ProblemCode::Conflict, fields.key_span(&key), message);
    }
}
