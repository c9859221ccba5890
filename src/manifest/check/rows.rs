//! `rows`: CSV and JSON files whose rows become parts.

use crate::base::ByteCount;

use super::super::keys::{REJECTS, ROWS_ENTRY};
use super::super::model::{CsvDialect, Header, RowFormat, RowsEntry, RowsSource, TextEncoding};
use super::super::problem::ProblemCode;
use super::super::tree::{Node, Value};
use super::super::words;
use super::fields::Fields;
use super::scalars::all;
use super::{Checker, shown};

const FORMATS: [&str; 3] = ["csv", "ndjson", "json"];
const DEFAULT_PAYLOAD: ByteCount = ByteCount(32 << 20);
const LEAST_PAYLOAD: ByteCount = ByteCount(1 << 10);
/// The platform refuses a request above it (docs: rest-api/uploads/insertrows).
const MOST_PAYLOAD: ByteCount = ByteCount(100_000_000);

impl Checker<'_> {
    /// The source of a rows job.
    pub(super) fn rows(
        &mut self,
        fields: &Fields<'_, '_>,
        exclude: &[String],
    ) -> Option<RowsSource> {
        let entries = fields.get("rows").and_then(|node| {
            let items = self.some_list(
                node,
                "`rows` must be a list of `csv`, `ndjson` or `json` entries",
            )?;
            all(items
                .iter()
                .map(|item| self.rows_entry(item, exclude))
                .collect())
        });
        let has_csv = entries
            .iter()
            .flatten()
            .any(|entry| matches!(entry.format, RowFormat::Csv(_)));
        let schema = match fields.get("schema") {
            Some(node) => self.schema(node, has_csv),
            None => {
                self.missing(fields, "schema");
                None
            }
        };
        let extra_columns = fields
            .get("extra_columns")
            .and_then(|node| self.word(node, &words::EXTRA_COLUMNS));
        let missing_columns = fields
            .get("missing_columns")
            .and_then(|node| self.word(node, &words::MISSING_COLUMNS));
        let max_rejects = fields.get("rejects").and_then(|node| {
            let fields = self.fields(node, &REJECTS)?;
            fields.get("max").and_then(|node| self.count(node))
        });
        let on_change = fields
            .get("on_change")
            .and_then(|node| self.word(node, &words::ON_ROWS_CHANGE));
        let on_released = fields
            .get("on_released")
            .and_then(|node| self.word(node, &words::ON_RELEASED));
        let on_missing = fields
            .get("on_missing")
            .and_then(|node| self.word(node, &words::ON_MISSING));
        let payload = fields.get("payload").and_then(|node| self.payload(node));
        Some(RowsSource {
            entries: entries?,
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

    fn payload(&mut self, node: &Node<'_>) -> Option<ByteCount> {
        let size = self.size(node)?;
        if !(LEAST_PAYLOAD..=MOST_PAYLOAD).contains(&size) {
            self.problem(
                ProblemCode::OutOfRange,
                node.span.clone(),
                format!("a payload of {} bytes cannot be sent", size.0),
            )
            .help("from `1KiB` to `100MB`, which is the platform's cap on one request");
            return None;
        }
        Some(size)
    }

    fn rows_entry(&mut self, node: &Node<'_>, exclude: &[String]) -> Option<RowsEntry> {
        let fields = self.fields(node, &ROWS_ENTRY)?;
        let formats: Vec<&str> = FORMATS
            .into_iter()
            .filter(|format| fields.get(format).is_some())
            .collect();
        let format = match formats[..] {
            [format] => format,
            [] => {
                self.problem(
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
                self.problem(ProblemCode::Conflict, fields.key_span(second), message)
                    .help("write an entry for each");
                return None;
            }
        };
        self.misplaced(&fields, format, &format!("an entry with `{format}`"));
        let pattern = fields
            .get(format)
            .and_then(|node| self.either_pattern(node));
        let format = match format {
            "csv" => self.dialect(&fields).map(RowFormat::Csv),
            "ndjson" => Some(RowFormat::Ndjson),
            _ => Some(RowFormat::Json),
        };
        let paths = self.path_entry(&fields, pattern?, exclude);
        Some(RowsEntry {
            paths: paths?,
            format: format?,
        })
    }

    fn dialect(&mut self, fields: &Fields<'_, '_>) -> Option<CsvDialect> {
        let usual = CsvDialect::default();
        let character = |checker: &mut Self, key: &str| {
            fields.get(key).and_then(|node| checker.character(node))
        };
        let delimiter = character(self, "delimiter");
        let quote = match fields.get("quote") {
            None => usual.quote,
            Some(node) if is_word(node, "none") => None,
            Some(node) => self.character(node),
        };
        let escape = character(self, "escape");
        let comment = character(self, "comment");
        let header = fields.get("header").map(|node| self.header(node));
        let skip_lines = fields.get("skip_lines").and_then(|node| self.count(node));
        let encoding = fields.get("encoding").map(|node| self.encoding(node));
        let dialect = CsvDialect {
            delimiter: delimiter.unwrap_or(usual.delimiter),
            quote,
            escape,
            comment,
            header: header.unwrap_or(Some(usual.header))?,
            skip_lines: skip_lines.unwrap_or_default(),
            encoding: encoding.unwrap_or(Some(usual.encoding))?,
        };
        self.distinct(fields, &dialect);
        Some(dialect)
    }

    /// No character may mean two things.
    fn distinct(&mut self, fields: &Fields<'_, '_>, dialect: &CsvDialect) {
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
                self.problem(ProblemCode::Conflict, fields.key_span(stated), message);
            }
        }
    }

    fn header(&mut self, node: &Node<'_>) -> Option<Header> {
        if matches!(node.value, Value::Scalar(_)) {
            if self.flag(node)? {
                return Some(Header::Row);
            }
            self.problem(
                ProblemCode::BadWord,
                node.span.clone(),
                "columns need names".to_owned(),
            )
            .label("without a header row, the names are not known")
            .help("give the names as a list: `header: [station, day, value]`");
            return None;
        }
        let items = self.some_list(node, "`header` must be `true` or a list of names")?;
        let names = all(items.iter().map(|item| self.cell(item)).collect())?;
        let mut seen = std::collections::BTreeSet::new();
        for (name, item) in names.iter().zip(items) {
            if !seen.insert(name) {
                self.problem(
                    ProblemCode::Conflict,
                    item.span.clone(),
                    format!("the column `{}` stands twice", shown(name)),
                );
            }
        }
        Some(Header::Names(names))
    }

    fn encoding(&mut self, node: &Node<'_>) -> Option<TextEncoding> {
        let label = self.some_text(node)?;
        let found = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes());
        match found {
            Some(encoding) if encoding == encoding_rs::UTF_8 => Some(TextEncoding::Utf8),
            Some(encoding) => Some(TextEncoding::Other(encoding.name().to_owned())),
            None => {
                self.problem(
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
}

fn is_word(node: &Node<'_>, word: &str) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.text == word)
}
