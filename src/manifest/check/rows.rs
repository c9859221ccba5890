//! `rows`: CSV and JSON files whose rows become parts.

use crate::base::ByteCount;

use super::super::keys::{REJECTS, ROWS_ENTRY};
use super::super::model::{
    CsvDialect, Header, OnMissing, OnRenamed, PathEntry, RowFormat, RowsEntry, RowsSource,
    TextEncoding,
};
use super::super::problem::ProblemCode;
use super::super::tree::{Node, Value};
use super::super::words;
use super::fields::Fields;
use super::scalars::all;
use super::{Checker, fields, paths, scalars, schema, shown};

const FORMATS: [&str; 3] = ["csv", "ndjson", "json"];
const DEFAULT_PAYLOAD: ByteCount = ByteCount(32 << 20);
const LEAST_PAYLOAD: ByteCount = ByteCount(1 << 10);
/// The platform refuses a request above it (docs: rest-api/uploads/insertrows).
const MOST_PAYLOAD: ByteCount = ByteCount(100_000_000);

/// The source of a rows job.
pub(super) fn rows(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    exclude: &[String],
) -> Option<RowsSource> {
    let entries = fields.get("rows").and_then(|node| {
        let items = scalars::some_list(
            checker,
            node,
            "`rows` must be a list of `csv`, `ndjson` or `json` entries",
        )?;
        all(items
            .iter()
            .map(|item| rows_entry(checker, item, exclude))
            .collect())
    });
    let has_csv = entries
        .iter()
        .flatten()
        .any(|entry| matches!(entry.format, RowFormat::Csv(_)));
    let schema = fields::required(checker, fields, "schema")
        .and_then(|node| schema::schema(checker, node, has_csv));
    let extra_columns = fields
        .get("extra_columns")
        .and_then(|node| scalars::word(checker, node, &words::EXTRA_COLUMNS));
    let missing_columns = fields
        .get("missing_columns")
        .and_then(|node| scalars::word(checker, node, &words::MISSING_COLUMNS));
    let max_rejects = fields.get("rejects").and_then(|node| {
        let fields = fields::fields(checker, node, &REJECTS)?;
        fields
            .get("max")
            .and_then(|node| scalars::count(checker, node))
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
    one_of_many(checker, fields, on_renamed, on_missing);
    let payload = fields
        .get("payload")
        .and_then(|node| payload(checker, node));
    let entries = entries?;
    Some(RowsSource {
        on_renamed: on_renamed
            .unwrap_or_else(|| renamed_by_default(entries.iter().map(|entry| &entry.paths))),
        entries,
        schema: schema?,
        extra_columns: extra_columns.unwrap_or_default(),
        missing_columns: missing_columns.unwrap_or_default(),
        max_rejects: max_rejects.unwrap_or_default(),
        on_change: on_change.unwrap_or_default(),
        on_released: on_released.unwrap_or_default(),
        on_missing: on_missing.unwrap_or_default(),
        payload: payload.unwrap_or(DEFAULT_PAYLOAD),
    })
}

/// What `on_renamed` is where the manifest does not say. Where a pattern has
/// variables the manifest matches other files with other values, so that a source
/// that is not matched need not be gone.
pub(super) fn renamed_by_default<'p>(mut paths: impl Iterator<Item = &'p PathEntry>) -> OnRenamed {
    if paths.any(|path| path.varies) {
        OnRenamed::Fail
    } else {
        OnRenamed::Keep
    }
}

/// A job whose sources that are not matched are others' cannot delete them.
pub(super) fn one_of_many(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    on_renamed: Option<OnRenamed>,
    on_missing: Option<OnMissing>,
) {
    if on_renamed == Some(OnRenamed::Send) && on_missing == Some(OnMissing::Delete) {
        checker
            .problem(
                ProblemCode::Conflict,
                fields.key_span("on_missing"),
                "`on_missing: delete` deletes what `on_renamed: send` is there to keep".to_owned(),
            )
            .help("with `on_renamed: send` each run delivers some of many sources: leave `on_missing` at `keep`");
    }
}

fn payload(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<ByteCount> {
    let size = scalars::size(checker, node)?;
    if !(LEAST_PAYLOAD..=MOST_PAYLOAD).contains(&size) {
        checker
            .problem(
                ProblemCode::OutOfRange,
                node.span.clone(),
                format!("a payload of {} bytes cannot be sent", size.0),
            )
            .help("from `1KiB` to `100MB`, which is the platform's cap on one request");
        return None;
    }
    Some(size)
}

fn rows_entry(checker: &mut Checker<'_>, node: &Node<'_>, exclude: &[String]) -> Option<RowsEntry> {
    let fields = fields::fields(checker, node, &ROWS_ENTRY)?;
    let formats: Vec<&str> = FORMATS
        .into_iter()
        .filter(|format| fields.get(format).is_some())
        .collect();
    let format = match formats[..] {
        [format] => format,
        [] => {
            checker
                .problem(
                    ProblemCode::MissingKey,
                    fields.span(),
                    "an entry of `rows` has no `csv`, `ndjson` or `json`".to_owned(),
                )
                .help("the key says how the files are read: `- csv: data/*.csv`");
            return None;
        }
        [_, second, ..] => {
            let message = format!(
                "an entry of `rows` has one format, and this one has `{}`",
                formats.join("` and `")
            );
            checker
                .problem(ProblemCode::Conflict, fields.key_span(second), message)
                .help("write an entry for each");
            return None;
        }
    };
    fields::misplaced(
        checker,
        &fields,
        format,
        &format!("an entry with `{format}`"),
    );
    let pattern = fields
        .get(format)
        .and_then(|node| paths::either_pattern(checker, node));
    let format = match format {
        "csv" => dialect(checker, &fields).map(RowFormat::Csv),
        "ndjson" => Some(RowFormat::Ndjson),
        _ => Some(RowFormat::Json),
    };
    let paths = paths::path_entry(checker, &fields, pattern?, exclude);
    Some(RowsEntry {
        paths: paths?,
        format: format?,
    })
}

fn dialect(checker: &mut Checker<'_>, fields: &Fields<'_, '_>) -> Option<CsvDialect> {
    let usual = CsvDialect::default();
    let character = |checker: &mut Checker<'_>, key: &str| {
        fields
            .get(key)
            .and_then(|node| scalars::character(checker, node))
    };
    let delimiter = character(checker, "delimiter");
    let quote = match fields.get("quote") {
        None => usual.quote,
        Some(node) if is_word(node, "none") => None,
        Some(node) => scalars::character(checker, node),
    };
    let escape = character(checker, "escape");
    let comment = character(checker, "comment");
    let header = fields.get("header").map(|node| header(checker, node));
    let skip_lines = fields
        .get("skip_lines")
        .and_then(|node| scalars::count(checker, node));
    let encoding = fields.get("encoding").map(|node| encoding(checker, node));
    let dialect = CsvDialect {
        delimiter: delimiter.unwrap_or(usual.delimiter),
        quote,
        escape,
        comment,
        header: header.unwrap_or(Some(usual.header))?,
        skip_lines: skip_lines.unwrap_or_default(),
        encoding: encoding.unwrap_or(Some(usual.encoding))?,
    };
    distinct(checker, fields, &dialect);
    Some(dialect)
}

/// No character may mean two things.
fn distinct(checker: &mut Checker<'_>, fields: &Fields<'_, '_>, dialect: &CsvDialect) {
    let roles = [
        ("delimiter", Some(dialect.delimiter)),
        ("quote", dialect.quote),
        (
            "escape",
            dialect
                .escape
                .filter(|escape| dialect.quote != Some(*escape)),
        ),
        ("comment", dialect.comment),
    ];
    for (at, (key, byte)) in roles.iter().enumerate() {
        let earlier = roles
            .iter()
            .take(at)
            .find(|(_, other)| byte.is_some() && other == byte);
        if let Some((other, _)) = earlier {
            let stated = if fields.own(key).is_some() {
                key
            } else {
                other
            };
            let message = format!("`{key}` and `{other}` are the same character");
            checker.problem(ProblemCode::Conflict, fields.key_span(stated), message);
        }
    }
}

fn header(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<Header> {
    if matches!(node.value, Value::Scalar(_)) {
        if scalars::flag(checker, node)? {
            return Some(Header::Row);
        }
        checker
            .problem(
                ProblemCode::BadWord,
                node.span.clone(),
                "columns need names".to_owned(),
            )
            .label("without a header row, the names are not known")
            .help("give the names as a list: `header: [station, day, value]`");
        return None;
    }
    let items = scalars::some_list(checker, node, "`header` must be `true` or a list of names")?;
    let names = all(items
        .iter()
        .map(|item| scalars::cell(checker, item))
        .collect())?;
    let mut seen = std::collections::BTreeSet::new();
    for (name, item) in names.iter().zip(items) {
        if !seen.insert(name) {
            checker.problem(
                ProblemCode::Conflict,
                item.span.clone(),
                format!("the column `{}` stands twice", shown(name)),
            );
        }
    }
    Some(Header::Names(names))
}

fn encoding(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<TextEncoding> {
    let label = scalars::some_text(checker, node)?;
    let found = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes());
    match found {
        Some(encoding) if encoding == encoding_rs::UTF_8 => Some(TextEncoding::Utf8),
        Some(encoding) => Some(TextEncoding::Other(encoding.name().to_owned())),
        None => {
            checker
                .problem(
                    ProblemCode::BadEncoding,
                    node.span.clone(),
                    format!("`{}` is not the name of an encoding", shown(&label)),
                )
                .help(
                    "for instance `utf-8`, `windows-1252`, `iso-8859-1`, `utf-16le` or `shift_jis`",
                );
            None
        }
    }
}

fn is_word(node: &Node<'_>, word: &str) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.text == word)
}
