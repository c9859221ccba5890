//! Rows that cannot be encoded: what is said about each.

use crate::base::VariableType;

use super::pack::CAP;

/// One row that is not sent, with its first bad cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The source, as shown.
    pub file: String,
    /// The line on which the row starts, from 1.
    pub line: u64,
    /// The variable; `None` when it is about the whole row.
    pub column: Option<String>,
    /// The cell's text, cut to 200 characters; bytes that are not UTF-8 are
    /// replaced.
    pub value: String,
    /// What is wrong.
    pub why: RejectReason,
}

impl std::fmt::Display for Reject {
    /// `file:line: column: value why`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(f, "`{column}`: ")?;
        }
        write!(f, "`{}` {}", self.value, self.why)
    }
}

/// Why a cell or a row cannot be encoded. Its `Display` continues a sentence
/// that starts with the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// Not a whole number.
    #[error("is not an integer")]
    NotInteger,
    /// A fraction or an exponent where a whole number is wanted.
    #[error("is a float literal in an integer column")]
    FloatInInteger,
    /// Beyond 64 bits.
    #[error("is outside the range of a signed 64-bit integer")]
    IntegerRange,
    /// Not a number.
    #[error("is not a number")]
    NotFloat,
    /// Too large, or so small that it would become zero.
    #[error("is outside the range of a double")]
    FloatRange,
    /// `NaN` or an infinity.
    #[error("is not finite; name it in `null_markers` to send null")]
    NotFinite,
    /// Neither of the texts for true and false.
    #[error("is neither true nor false")]
    NotBoolean,
    /// Not a day of the stated form.
    #[error("is not a date of the stated format")]
    NotDate,
    /// Not a date and time of the stated form.
    #[error("is not a dateTime of the stated format")]
    NotDateTime,
    /// Not a time of the stated form.
    #[error("is not a time of the stated format")]
    NotTime,
    /// The form is right, but there is no such day or time.
    #[error("is not in the calendar")]
    NotInCalendar,
    /// A zone or offset, and `zone: fail`.
    #[error("has a time zone; state `zone: utc` or `zone: drop`")]
    Zone,
    /// Finer than a microsecond.
    #[error("has more than six fractional digits")]
    Precision,
    /// Not well-known text.
    #[error("is not WKT, such as `POINT(10 20)`")]
    NotGeography,
    /// Bytes that are not UTF-8.
    #[error("is not valid UTF-8")]
    InvalidUtf8,
    /// Null in a `required` variable.
    #[error("is null, but the variable is required")]
    Required,
    /// A JSON object lacks the key.
    #[error("is missing; state `missing_columns: null` to send null")]
    Missing,
    /// An object or array where a scalar is wanted.
    #[error("is a nested value")]
    Nested,
    /// A JSON scalar of another type.
    #[error("is a JSON value of another type than {0}")]
    WrongType(VariableType),
    /// A JSON row that is no object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// The row alone is more than a payload may be.
    #[error("encodes to {bytes} bytes, more than the {CAP} that a payload may have")]
    TooLong {
        /// Bytes of a payload with this row only.
        bytes: u64,
    },
}

/// The value as a reject shows it.
pub(super) fn shown_value(text: &[u8]) -> String {
    const CHARS: usize = 200;
    // A character has at most four bytes.
    let head = &text[..text.len().min(4 * CHARS)];
    let text = String::from_utf8_lossy(head);
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.into_owned(),
    }
}
