//! Globs and literal paths.

use std::ops::Range;

use super::super::model::{PathEntry, PathPattern};
use super::super::problem::ProblemCode;
use super::super::tree::{Node, Value};
use super::fields::Fields;
use super::scalars::all;
use super::{Checker, scalars, shown};

/// The keys of an entry that hold its pattern; it has one of them.
const PATTERN_KEYS: [&str; 5] = ["csv", "ndjson", "json", "path", "glob"];

/// Whether a text has a variable, which `$${` does not begin.
fn has_variable(node: &Node<'_>) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.text.replace("$${", "").contains("${"))
}

/// Whether a path has any of the glob's characters.
fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// A path without `.` parts and doubled slashes, so that it compares with what
/// the walk finds.
fn tidy(text: &str) -> String {
    let absolute = text.starts_with('/');
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let path = parts.join("/");
    if absolute { format!("/{path}") } else { path }
}

/// The folder a glob's matches all stand in: its parts before the first with a
/// glob's character, the last part left out.
fn literal_folder(pattern: &str) -> &str {
    let literal_end = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let literal = pattern.get(..literal_end).unwrap_or_default();
    literal.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A glob, tidied.
pub(super) fn glob(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<String> {
    let text = tidy(&path(checker, node)?);
    glob_syntax(checker, &text, node.span.clone())?;
    Some(text)
}

fn glob_syntax(checker: &mut Checker<'_>, text: &str, span: Range<usize>) -> Option<()> {
    let Err(glob::PatternError { msg: error, .. }) = glob::Pattern::new(text) else {
        return Some(());
    };
    let help = if error.contains("recursive") || error.contains("wildcards") {
        "`**` stands for any folders and is a whole part of the path, as in `data/**/*.csv`"
    } else {
        "`*`, `?`, `[abc]`, `[!abc]` and `**` are special; `[*]` is a literal `*`"
    };
    checker
        .problem(
            ProblemCode::BadGlob,
            span,
            format!("`{}` is not a glob: {error}", shown(text)),
        )
        .help(help);
    None
}

/// A path that is not empty.
fn path(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<String> {
    let text = scalars::some_text(checker, node)?;
    let why = if text.ends_with('/') {
        "it names a folder; `folder/**/*` matches the files in it"
    } else if text.starts_with("~/") {
        "`~` is not expanded; write `${HOME}`"
    } else if text.contains("://") {
        "it is an address; only local files can be sources"
    } else {
        return Some(text);
    };
    checker
        .problem(
            ProblemCode::BadPath,
            node.span.clone(),
            format!("`{}` cannot be used as a path", shown(&text)),
        )
        .help(why);
    None
}

/// `glob`.
pub(super) fn glob_pattern(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<PathPattern> {
    glob(checker, node).map(PathPattern::Glob)
}

/// `path` of a file: a literal name.
pub(super) fn literal_pattern(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<PathPattern> {
    Some(PathPattern::Literal(tidy(&path(checker, node)?)))
}

/// A path that is a glob if it looks like one.
pub(super) fn either_pattern(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<PathPattern> {
    let text = tidy(&path(checker, node)?);
    if !is_glob(&text) {
        return Some(PathPattern::Literal(text));
    }
    glob_syntax_of(checker, node, text)
}

fn glob_syntax_of(checker: &mut Checker<'_>, node: &Node<'_>, text: String) -> Option<PathPattern> {
    glob_syntax(checker, &text, node.span.clone())?;
    Some(PathPattern::Glob(text))
}

/// `exclude` of a job or an entry.
pub(super) fn exclude(checker: &mut Checker<'_>, fields: &Fields<'_, '_>) -> Vec<String> {
    let Some(node) = fields.get("exclude") else {
        return Vec::new();
    };
    let items = scalars::list(checker, node, "this must be a list of globs").unwrap_or_default();
    all(items.iter().map(|item| glob(checker, item)).collect()).unwrap_or_default()
}

/// A pattern with what it leaves out: the entry's own and the job's.
pub(super) fn path_entry(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    pattern: PathPattern,
    of_job: &[String],
) -> Option<PathEntry> {
    let mut exclude = exclude(checker, fields);
    if !checker.replay(of_job.len(), &fields.span()) {
        return None;
    }
    exclude.extend_from_slice(of_job);
    let varies = PATTERN_KEYS
        .iter()
        .filter_map(|key| fields.own(key))
        .any(has_variable);
    Some(PathEntry {
        pattern,
        exclude,
        varies,
    })
}

/// `base`: a folder that every match stands in.
pub(super) fn base(
    checker: &mut Checker<'_>,
    node: &Node<'_>,
    pattern: Option<&PathPattern>,
) -> Option<String> {
    let text = scalars::some_text(checker, node)?;
    let base = tidy(&text);
    let Some(pattern) = pattern else {
        return Some(base);
    };
    let folder = match pattern {
        PathPattern::Glob(glob) => literal_folder(glob),
        PathPattern::Literal(path) => path.rsplit_once('/').map_or("", |(folder, _)| folder),
    };
    let root = base.strip_suffix('/').unwrap_or(&base);
    let inside = base.is_empty() && !folder.starts_with('/')
        || folder == root
        || folder
            .strip_prefix(root)
            .is_some_and(|rest| rest.starts_with('/'));
    if !inside {
        let message = format!(
            "the files of `{}` are not inside `{}`",
            shown(pattern.as_str()),
            shown(&text)
        );
        checker
            .problem(ProblemCode::BadPath, node.span.clone(), message)
            .help(format!(
                "`base` is a leading part of the pattern's own folder, here `{}`",
                if folder.is_empty() { "." } else { folder }
            ));
        return None;
    }
    Some(base)
}
