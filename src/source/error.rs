//! Why a source could not be used. One error stops one source; what is wrong
//! with single rows is a [`Reject`](super::rows::Reject) instead.

use std::io;

/// What could not be done with a source. Paths are shown relative to the
/// manifest's root; lines and columns count from 1, columns in characters.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file is not there (any more).
    #[error("cannot find `{path}`")]
    NotFound {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there but its bytes are not to be had.
    #[error("cannot {operation} `{path}`")]
    Unreadable {
        /// The file.
        path: String,
        /// `open`, `read`, `decompress`, ..
        operation: &'static str,
        /// What the system or the decoder said.
        source: io::Error,
    },
    /// The file changed while, or since, it was read.
    #[error("`{path}` changed while it was in use")]
    Changed {
        /// The file.
        path: String,
    },
    /// The text is not delimited text of the stated dialect.
    #[error("{path}:{line}:{column}: {why}")]
    Csv {
        /// The file.
        path: String,
        /// Where.
        line: u64,
        /// Where.
        column: u64,
        /// The rule it breaks.
        why: CsvProblem,
    },
    /// The text is not JSON as it must be.
    #[error("{path}:{line}:{column}: {why}")]
    Json {
        /// The file.
        path: String,
        /// Where.
        line: u64,
        /// Where.
        column: u64,
        /// The rule it breaks.
        why: JsonProblem,
    },
    /// The bytes are not text of the stated encoding.
    #[error("cannot read `{path}` as {encoding}: {why}")]
    Encoding {
        /// The file.
        path: String,
        /// The encoding's name.
        encoding: String,
        /// What is wrong with it.
        why: String,
    },
    /// The source's columns are not those of the schema.
    #[error("the columns of `{path}` (line {line}) do not fit the schema: {}", columns(.missing, .extra, .repeated))]
    Columns {
        /// The file.
        path: String,
        /// The header's line, or the row's for JSON.
        line: u64,
        /// Columns that the schema wants and the source lacks.
        missing: Vec<String>,
        /// Columns that the source has and the schema lacks.
        extra: Vec<String>,
        /// Columns that the schema wants and the source has more than once.
        repeated: Vec<String>,
    },
    /// A value that is the same for all rows of the source (from its path, or a
    /// constant) does not fit its variable.
    #[error("cannot use the value of `{variable}` for `{path}`")]
    Value {
        /// The file.
        path: String,
        /// The variable.
        variable: String,
        /// Why.
        source: ValueProblem,
    },
    /// More distinct columns than types can be inferred for.
    #[error("`{path}` brings the source to more than {limit} columns; declare a schema")]
    TooManyColumns {
        /// The file.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// Rows set aside in a temporary file could not be written or read.
    #[error("cannot use a temporary file for rows")]
    Spool {
        /// What the system said.
        #[from]
        source: io::Error,
    },
    /// Somebody asked to stop.
    #[error("stopped")]
    Cancelled,
}

/// Whose fault a [`SourceError`] is; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFault {
    /// An input is missing or unreadable.
    Input,
    /// An input can be read, but its content cannot be used.
    Content,
    /// An input changed under the run.
    Changed,
    /// The local system failed.
    LocalIo,
    /// Nobody's: the run was stopped.
    Cancelled,
}

impl SourceError {
    /// Whose fault it is.
    pub fn fault(&self) -> SourceFault {
        match self {
            Self::NotFound { .. } => SourceFault::Input,
            Self::Unreadable { source, .. } => {
                let of_the_input = matches!(
                    source.kind(),
                    io::ErrorKind::PermissionDenied
                        | io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::InvalidData
                        | io::ErrorKind::InvalidInput
                        | io::ErrorKind::IsADirectory
                );
                if of_the_input {
                    SourceFault::Input
                } else {
                    SourceFault::LocalIo
                }
            }
            Self::Changed { .. } => SourceFault::Changed,
            Self::Csv { .. }
            | Self::Json { .. }
            | Self::Encoding { .. }
            | Self::Columns { .. }
            | Self::Value { .. }
            | Self::TooManyColumns { .. } => SourceFault::Content,
            Self::Spool { .. } => SourceFault::LocalIo,
            Self::Cancelled => SourceFault::Cancelled,
        }
    }

    /// The stable code of a diagnostic.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "source/not-found",
            Self::Unreadable { .. } => "source/unreadable",
            Self::Changed { .. } => "source/changed",
            Self::Csv { why, .. } => match why {
                CsvProblem::Ragged { .. } => "rows/ragged",
                CsvProblem::TextAfterQuote => "rows/bad-quote",
                CsvProblem::OpenQuote => "rows/open-quote",
                CsvProblem::TooLong { .. } => "rows/too-long",
            },
            Self::Json { why, .. } => match why {
                JsonProblem::EndsEarly => "rows/ends-early",
                JsonProblem::TooLong { .. } => "rows/too-long",
                JsonProblem::NotAnArray => "rows/not-an-array",
                JsonProblem::DuplicateKey { .. } => "rows/duplicate-key",
                JsonProblem::Unexpected { .. }
                | JsonProblem::TrailingComma
                | JsonProblem::NotANumber
                | JsonProblem::BadNumber
                | JsonProblem::ControlCharacter
                | JsonProblem::BadEscape
                | JsonProblem::LoneSurrogate
                | JsonProblem::TooDeep { .. }
                | JsonProblem::TrailingText => "rows/bad-json",
            },
            Self::Encoding { .. } => "rows/encoding",
            Self::Columns { .. } => "rows/columns",
            Self::Value { .. } => "rows/value",
            Self::TooManyColumns { .. } => "rows/too-many-columns",
            Self::Spool { .. } => "local/spool",
            Self::Cancelled => "run/stopped",
        }
    }

    /// What to do about it.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "check the path, and that nothing removes the file meanwhile",
            Self::Unreadable { .. } => {
                "check that the file is whole and that the user who runs this may read it"
            }
            Self::Changed { .. } => {
                "run again when nobody writes to it; `min_age` leaves young files out"
            }
            Self::Csv { why, .. } => match why {
                CsvProblem::Ragged { .. } => {
                    "correct the row; if many rows look so, `delimiter` or `quote` may be another"
                }
                CsvProblem::TextAfterQuote | CsvProblem::OpenQuote => {
                    "correct the row; if quotes mean nothing in this file, say `quote: none`"
                }
                CsvProblem::TooLong { .. } => "correct the row: the platform takes none so long",
            },
            Self::Json { why, .. } => match why {
                JsonProblem::EndsEarly => "the file may have been cut off: get it whole again",
                JsonProblem::NotAnArray => "`json` is one array, `ndjson` one object a line",
                JsonProblem::TooLong { .. } => "correct the row: the platform takes none so long",
                JsonProblem::Unexpected { .. }
                | JsonProblem::TrailingComma
                | JsonProblem::NotANumber
                | JsonProblem::BadNumber
                | JsonProblem::ControlCharacter
                | JsonProblem::BadEscape
                | JsonProblem::LoneSurrogate
                | JsonProblem::TooDeep { .. }
                | JsonProblem::DuplicateKey { .. }
                | JsonProblem::TrailingText => "correct the file at this place",
            },
            Self::Encoding { .. } => "state the file's `encoding`",
            Self::Columns { .. } => {
                "correct the schema (`from` names a column); `extra_columns: drop` and `missing_columns: null` allow differences"
            }
            Self::Value { .. } => {
                "correct the variable's `value` or `from_path`, or the file's name"
            }
            Self::TooManyColumns { .. } => "declare a `schema`, or check the `delimiter`",
            Self::Spool { .. } => "make room in the folder for temporary files, or set `TMPDIR`",
            Self::Cancelled => "run the same command again",
        }
    }

    /// The source that it is about, as shown; empty when it is about none.
    pub fn shown(&self) -> &str {
        match self {
            Self::NotFound { path, .. }
            | Self::Unreadable { path, .. }
            | Self::Changed { path }
            | Self::Csv { path, .. }
            | Self::Json { path, .. }
            | Self::Encoding { path, .. }
            | Self::Columns { path, .. }
            | Self::Value { path, .. }
            | Self::TooManyColumns { path, .. } => path,
            Self::Spool { .. } | Self::Cancelled => "",
        }
    }

    /// The same, about a source as it is shown to people.
    #[must_use]
    pub fn about(mut self, shown: &str) -> Self {
        if let Self::NotFound { path, .. }
        | Self::Unreadable { path, .. }
        | Self::Changed { path } = &mut self
        {
            shown.clone_into(path);
        }
        self
    }

    /// The error and its causes on one line.
    pub fn one_line(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }

    /// From opening, reading or looking at a file.
    pub(crate) fn io(path: &str, operation: &'static str, source: io::Error) -> Self {
        // An adaptor below may have wrapped one of ours to get through `Read`.
        match source.downcast::<Self>() {
            Ok(inner) => inner,
            Err(source) if source.kind() == io::ErrorKind::NotFound => Self::NotFound {
                path: path.to_owned(),
                source,
            },
            Err(source) => Self::Unreadable {
                path: path.to_owned(),
                operation,
                source,
            },
        }
    }
}

/// What can be wrong with delimited text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CsvProblem {
    /// The row has more or fewer fields than the header.
    #[error("the row has {found} fields, but {expected} are expected")]
    Ragged {
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
    },
    /// Text between a closing quote and the next delimiter.
    #[error("text follows a closing quote; write a quote inside a quoted field as two quotes")]
    TextAfterQuote,
    /// The file ends inside a quoted field that opens here.
    #[error("the quote that opens here is never closed")]
    OpenQuote,
    /// One row is longer than a payload may be.
    #[error("the row that starts here is longer than {limit} bytes; is a quote left open?")]
    TooLong {
        /// The limit.
        limit: u64,
    },
}

/// What can be wrong with JSON text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// The text stops inside a value.
    #[error("the JSON text ends early")]
    EndsEarly,
    /// Another character was expected.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What the grammar wants here.
        expected: &'static str,
        /// The character there, in backticks.
        found: String,
    },
    /// A comma before a closing bracket.
    #[error("a comma stands before the closing bracket")]
    TrailingComma,
    /// `NaN`, `Infinity` and the like.
    #[error("`NaN` and `Infinity` are not JSON")]
    NotANumber,
    /// A number that is not in JSON's form.
    #[error("not a JSON number")]
    BadNumber,
    /// A raw control character inside a string.
    #[error("a control character in a string must be escaped")]
    ControlCharacter,
    /// An escape that JSON lacks.
    #[error("not a JSON escape")]
    BadEscape,
    /// Half of a surrogate pair.
    #[error("the escape is half of a surrogate pair")]
    LoneSurrogate,
    /// Values inside values, too deep.
    #[error("values are nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A key twice in one object.
    #[error("the key `{key}` appears twice in one object")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// Something after the value.
    #[error("text follows the end of the value")]
    TrailingText,
    /// One row is longer than a payload may be.
    #[error("the row that starts here is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// A `json` source that is no array.
    #[error("the file must hold one array of objects; for one object a line use `ndjson`")]
    NotAnArray,
}

/// Why a value that is the same for all rows of a source cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueProblem {
    /// It does not convert.
    #[error("`{value}` {why}")]
    Convert {
        /// The text.
        value: String,
        /// Why.
        why: super::rows::RejectReason,
    },
    /// The file's name does not have the pattern's form.
    #[error("the file's name does not match `{pattern}`")]
    Path {
        /// The pattern, with its `{{}}`.
        pattern: String,
    },
    /// A JSON pointer on a source that is not JSON.
    #[error("a JSON pointer cannot be used on a CSV source")]
    Pointer,
}

fn columns(missing: &[String], extra: &[String], repeated: &[String]) -> String {
    let mut texts = Vec::new();
    for (what, names) in [
        ("missing", missing),
        ("not in the schema", extra),
        ("twice", repeated),
    ] {
        if !names.is_empty() {
            texts.push(format!("{what}: {}", list(names)));
        }
    }
    texts.join("; ")
}

/// At most twelve names, since a wrong delimiter can make thousands.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let text = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{text} and {more} more"),
        Some(0) | None => text,
    }
}
