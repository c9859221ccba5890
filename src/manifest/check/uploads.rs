//! `uploads`: tabular files that the platform imports.

use std::path::Path;

use crate::base::{UploadOptions, UploadType, names};

use super::super::keys::UPLOADS_ENTRY;
use super::super::model::{UploadsEntry, UploadsSource};
use super::super::problem::ProblemCode;
use super::super::tree::Node;
use super::super::words;
use super::fields::Fields;
use super::scalars::all;
use super::{Checker, fields, paths, rows, scalars, shown};

const TYPES: [words::Word<UploadType>; UploadType::ALL.len()] = {
    let mut words = [("", UploadType::Delimited); UploadType::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = (UploadType::ALL[at].as_str(), UploadType::ALL[at]);
        at += 1;
    }
    words
};

/// Endings whose type is surely not delimited text.
fn type_of(path: &str) -> Option<UploadType> {
    let ending = Path::new(path).extension()?.to_str()?.to_ascii_lowercase();
    match ending.as_str() {
        "csv" | "tsv" | "psv" | "dsv" | "txt" | "tab" => Some(UploadType::Delimited),
        "jsonl" => Some(UploadType::Ndjson),
        other => UploadType::from_word(other),
    }
}

/// The source of an uploads job.
pub(super) fn uploads(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    exclude: &[String],
) -> Option<UploadsSource> {
    let entries = fields.get("uploads").and_then(|node| {
        let items =
            scalars::some_list(checker, node, "`uploads` must be a list of `path` entries")?;
        all(items
            .iter()
            .map(|item| uploads_entry(checker, item, exclude))
            .collect())
    });
    let on_change = fields
        .get("on_change")
        .and_then(|node| scalars::word(checker, node, &words::ON_ROWS_CHANGE));
    let on_released = fields
        .get("on_released")
        .and_then(|node| scalars::word(checker, node, &words::ON_RELEASED));
    let on_missing = fields
        .get("on_missing")
        .and_then(|node| scalars::word(checker, node, &words::ON_MISSING));
    let on_renamed = fields
        .get("on_renamed")
        .and_then(|node| scalars::word(checker, node, &words::ON_RENAMED));
    rows::one_of_many(checker, fields, on_renamed, on_missing);
    let entries = entries?;
    Some(UploadsSource {
        on_renamed: on_renamed
            .unwrap_or_else(|| rows::renamed_by_default(entries.iter().map(|entry| &entry.paths))),
        entries,
        on_change: on_change.unwrap_or_default(),
        on_released: on_released.unwrap_or_default(),
        on_missing: on_missing.unwrap_or_default(),
    })
}

fn uploads_entry(
    checker: &mut Checker<'_>,
    node: &Node<'_>,
    exclude: &[String],
) -> Option<UploadsEntry> {
    let fields = fields::fields(checker, node, &UPLOADS_ENTRY)?;
    let pattern = fields::required(checker, &fields, "path")
        .and_then(|node| paths::either_pattern(checker, node));
    let name = fields.get("name").map(|node| stem(checker, node));
    let kind = fields
        .get("type")
        .map(|node| scalars::word(checker, node, &TYPES));
    let options = options(checker, &fields);
    let max_bad_records = max_bad_records(checker, &fields, &options);
    let pattern = pattern?;
    let known = kind.flatten().or_else(|| type_of(pattern.as_str()));
    if let Some(known) = known {
        fields::misplaced(
            checker,
            &fields,
            only_of(known),
            &format!("an upload of type `{known}`"),
        );
    }
    let paths = paths::path_entry(checker, &fields, pattern, exclude);
    Some(UploadsEntry {
        paths: paths?,
        name: match name {
            Some(name) => Some(name?),
            None => None,
        },
        kind: match kind {
            Some(kind) => Some(kind?),
            None => None,
        },
        options,
        max_bad_records,
    })
}

fn stem(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<String> {
    let text = scalars::some_text(checker, node)?;
    if names::upload_key(&text).is_empty() {
        let message = format!("`{}` has no letter and no digit", shown(&text));
        checker
            .problem(ProblemCode::BadName, node.span.clone(), message)
            .help("the platform compares names of uploads by their letters and digits");
        return None;
    }
    Some(text)
}

fn options(checker: &mut Checker<'_>, fields: &Fields<'_, '_>) -> UploadOptions {
    let flag = |checker: &mut Checker<'_>, key: &str| {
        fields
            .get(key)
            .and_then(|node| scalars::flag(checker, node))
    };
    let character = |checker: &mut Checker<'_>, key: &str| {
        let byte = fields
            .get(key)
            .and_then(|node| scalars::character(checker, node))?;
        Some(char::from(byte).to_string())
    };
    UploadOptions {
        has_header: flag(checker, "has_header"),
        delimiter: character(checker, "delimiter"),
        quote: character(checker, "quote"),
        escape: character(checker, "escape"),
        null_markers: fields
            .get("null_markers")
            .and_then(|node| scalars::cells(checker, node)),
        quoted_newlines: flag(checker, "quoted_newlines"),
        jagged_rows: flag(checker, "jagged_rows"),
        skip_bad_records: flag(checker, "skip_bad_records"),
    }
}

fn max_bad_records(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    options: &UploadOptions,
) -> u64 {
    let Some(most) = fields
        .get("max_bad_records")
        .and_then(|node| scalars::count(checker, node))
    else {
        return 0;
    };
    if most > 0 && options.skip_bad_records != Some(true) {
        checker
            .problem(
                ProblemCode::Conflict,
                fields.key_span("max_bad_records"),
                "`max_bad_records` allows what `skip_bad_records` forbids".to_owned(),
            )
            .help("add `skip_bad_records: true`");
    }
    most
}

fn only_of(kind: UploadType) -> &'static str {
    if kind == UploadType::Delimited {
        "delimited"
    } else {
        ""
    }
}
