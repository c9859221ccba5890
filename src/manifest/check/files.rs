//! `files`: files for a file-index table.

use std::time::Duration;

use crate::base::FileName;

use super::super::keys::FILES_ENTRY;
use super::super::model::{FilesEntry, FilesSource};
use super::super::problem::ProblemCode;
use super::super::tree::Node;
use super::super::words;
use super::fields::Fields;
use super::scalars::all;
use super::{Checker, fields, paths, scalars, shown};

/// The source of a files job.
pub(super) fn files(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    exclude: &[String],
) -> Option<FilesSource> {
    let entries = fields.get("files").and_then(|node| {
        let items = scalars::some_list(
            checker,
            node,
            "`files` must be a list of `glob` or `path` entries",
        )?;
        all(items
            .iter()
            .map(|item| files_entry(checker, item, exclude))
            .collect())
    });
    let on_change = fields
        .get("on_change")
        .and_then(|node| scalars::word(checker, node, &words::ON_FILE_CHANGE));
    let extra = fields
        .get("extra")
        .and_then(|node| scalars::word(checker, node, &words::EXTRA));
    let symlinks = fields
        .get("symlinks")
        .and_then(|node| scalars::word(checker, node, &words::SYMLINKS));
    let min_age = fields
        .get("min_age")
        .and_then(|node| scalars::duration(checker, node));
    Some(FilesSource {
        entries: entries?,
        on_change: on_change.unwrap_or_default(),
        extra: extra.unwrap_or_default(),
        symlinks: symlinks.unwrap_or_default(),
        min_age: min_age.unwrap_or(Duration::ZERO),
    })
}

fn files_entry(
    checker: &mut Checker<'_>,
    node: &Node<'_>,
    exclude: &[String],
) -> Option<FilesEntry> {
    let fields = fields::fields(checker, node, &FILES_ENTRY)?;
    let pattern = match (fields.get("glob"), fields.get("path")) {
        (Some(glob), None) => paths::glob_pattern(checker, glob),
        (None, Some(path)) => paths::literal_pattern(checker, path),
        (Some(_), Some(_)) => {
            checker
                .problem(
                    ProblemCode::Conflict,
                    fields.key_span("path"),
                    "an entry has `glob` or `path`, not both".to_owned(),
                )
                .help("write two entries");
            None
        }
        (None, None) => {
            checker
                .problem(
                    ProblemCode::MissingKey,
                    fields.span(),
                    "an entry of `files` has no `glob` and no `path`".to_owned(),
                )
                .help("`glob: data/**/*.tif` matches many files, `path: data/one.tif` names one");
            None
        }
    };
    let base = fields
        .get("base")
        .map(|node| paths::base(checker, node, pattern.as_ref()));
    let prefix = fields.get("prefix").map(|node| prefix(checker, node));
    let paths = paths::path_entry(checker, &fields, pattern?, exclude);
    Some(FilesEntry {
        paths: paths?,
        base: match base {
            Some(base) => Some(base?),
            None => None,
        },
        prefix: match prefix {
            Some(prefix) => prefix?,
            None => String::new(),
        },
    })
}

/// Text that makes a valid remote name with any name after it.
fn prefix(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<String> {
    let text = scalars::text(checker, node)?;
    match format!("{text}x").parse::<FileName>() {
        Ok(_) => Some(text),
        Err(error) => {
            let message = format!("`{}` cannot start a remote file name", shown(&text));
            checker
                .problem(ProblemCode::BadName, node.span.clone(), message)
                .label(error.why)
                .help("write a folder with a slash at its end, as in `2026/`");
            None
        }
    }
}
