//! Text or a JSON scalar to one typed JSON value, straight into the payload.
//! Nothing is lost silently: what does not fit its type is a [`RejectReason`].
//!
//! The JSON forms are those of insertRows (docs: rest-api/uploads/insertRows;
//! contract 5.4 and 7).

mod calendar;
mod number;
mod short;
mod stands;
mod temporal;
mod text;

use std::cell::Cell;

use crate::base::VariableType;
use crate::manifest::{Convert, NestedPolicy, TimeFormat, Variable, ZonePolicy};

pub(super) use number::{EXACT_IN_DOUBLE, is_json_integer, write_float, write_integer};
use short::ShortForm;
pub(super) use short::{MOST_SHORT, Short};
pub(super) use temporal::Temporal;
pub(super) use text::{hex_unit, string_stop, unescape, write_string};

use super::cursor::Cursor;
use super::reject::RejectReason;

/// How one variable's values are made.
#[derive(Debug)]
pub(super) struct Converter {
    kind: Kind,
    short: ShortForm,
    empty_is_null: bool,
    nulls: Nulls,
    required: bool,
    nested: NestedPolicy,
    /// The first whole number that a double may round.
    rounded: Cell<Option<i64>>,
}

#[derive(Debug)]
enum Kind {
    String,
    Integer,
    Float {
        comma: bool,
    },
    Boolean {
        yes: Option<Texts>,
        no: Option<Texts>,
    },
    Temporal(Temporal),
    Geography,
}

impl ShortForm {
    fn of(kind: &Kind, nulls: &Nulls) -> Self {
        match (nulls, kind) {
            (Nulls::None | Nulls::Empty, Kind::String) => Self::Plain,
            (Nulls::None | Nulls::Empty, Kind::Integer) => Self::Whole,
            (Nulls::None | Nulls::Empty, Kind::Float { comma: false }) => Self::Decimal,
            (
                Nulls::None | Nulls::Empty,
                Kind::Boolean {
                    yes: None,
                    no: None,
                },
            ) => Self::TrueFalse,
            (Nulls::None | Nulls::Empty, Kind::Temporal(temporal)) if temporal.is_plain_day() => {
                Self::Day
            }
            (Nulls::None | Nulls::Empty, Kind::Temporal(temporal))
                if temporal.is_plain_moment() =>
            {
                Self::Moment
            }
            (
                Nulls::None | Nulls::Empty,
                Kind::Float { comma: true }
                | Kind::Boolean { .. }
                | Kind::Temporal(_)
                | Kind::Geography,
            )
            | (Nulls::Listed(_), _) => Self::Other,
        }
    }
}

type Texts = Vec<Box<[u8]>>;

#[derive(Debug)]
enum Nulls {
    /// No text means null.
    None,
    /// The empty text does.
    Empty,
    /// These do.
    Listed(Texts),
}

/// A JSON scalar or nested value, as it stands in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonValue<'a> {
    Null,
    True,
    False,
    /// The literal.
    Number(&'a [u8]),
    /// The text between the quotes.
    String {
        raw: &'a [u8],
        /// It has a backslash.
        escaped: bool,
    },
    /// An object or an array, whole.
    Nested(&'a [u8]),
}

impl JsonValue<'_> {
    /// The value as it stands in the source, but without quotes.
    pub(super) fn text(&self) -> &[u8] {
        match self {
            Self::Null => b"null",
            Self::True => b"true",
            Self::False => b"false",
            Self::Number(text) | Self::Nested(text) => text,
            Self::String { raw, .. } => raw,
        }
    }
}

impl Converter {
    pub(super) fn new(variable: &Variable) -> Self {
        let Convert {
            format,
            null_markers,
            decimal,
            true_values,
            false_values,
            zone,
            nested,
        } = &variable.convert;
        let kind = match variable.kind {
            VariableType::String => Kind::String,
            VariableType::Integer => Kind::Integer,
            VariableType::Float => Kind::Float {
                comma: *decimal == b',',
            },
            VariableType::Boolean => Kind::Boolean {
                yes: true_values.as_deref().map(texts),
                no: false_values.as_deref().map(texts),
            },
            VariableType::Date | VariableType::DateTime | VariableType::Time => {
                Kind::Temporal(Temporal::new(variable.kind, format, *zone))
            }
            VariableType::Geography => Kind::Geography,
        };
        let nulls = match null_markers {
            Some(markers) => Nulls::Listed(texts(markers)),
            None if variable.kind == VariableType::String => Nulls::None,
            None => Nulls::Empty,
        };
        Self {
            short: ShortForm::of(&kind, &nulls),
            empty_is_null: !variable.required && nulls.hold(b""),
            kind,
            nulls,
            required: variable.required,
            nested: *nested,
            rounded: Cell::new(None),
        }
    }

    /// The platform's type.
    pub(super) fn kind(&self) -> VariableType {
        match &self.kind {
            Kind::String => VariableType::String,
            Kind::Integer => VariableType::Integer,
            Kind::Float { .. } => VariableType::Float,
            Kind::Boolean { .. } => VariableType::Boolean,
            Kind::Temporal(temporal) => temporal.kind(),
            Kind::Geography => VariableType::Geography,
        }
    }

    /// Puts the value of a short cell, if it needs no other look. `false`: nothing was
    /// put, and [`Self::write_text`] may write it.
    pub(super) fn put_short(&self, cell: Short<'_>, row: &mut Cursor<'_>) -> bool {
        if cell.is_empty() && self.empty_is_null {
            row.put(b"null", 4);
            return true;
        }
        cell.put(self.short, row)
    }

    /// Writes the value of a cell. On an error `out` may hold a piece of it.
    pub(super) fn write_text(&self, cell: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
        if self.nulls.hold(cell) {
            return self.write_null(out);
        }
        if let Kind::String = self.kind {
            return write_string(cell, out);
        }
        // Padding means nothing to the other types.
        let trimmed = trimmed(cell);
        if trimmed.len() != cell.len() && self.nulls.hold(trimmed) {
            return self.write_null(out);
        }
        match &self.kind {
            Kind::String => write_string(cell, out),
            Kind::Integer => self.write_whole(trimmed, out),
            Kind::Float { comma } => write_float(trimmed, *comma, out),
            Kind::Boolean { yes, no } => {
                let value = if is_one_of(yes.as_ref(), b"true", trimmed) {
                    b"true".as_slice()
                } else if is_one_of(no.as_ref(), b"false", trimmed) {
                    b"false"
                } else {
                    return Err(RejectReason::NotBoolean);
                };
                out.extend_from_slice(value);
                Ok(())
            }
            Kind::Temporal(temporal) => temporal.write(trimmed, out),
            Kind::Geography => text::write_geography(trimmed, out),
        }
    }

    /// Writes a value of a JSON source. `scratch` is room to unescape in.
    pub(super) fn write_json(
        &self,
        value: JsonValue<'_>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), RejectReason> {
        match value {
            JsonValue::Null => self.write_null(out),
            JsonValue::Nested(text) => match (self.nested, &self.kind) {
                (NestedPolicy::Json, Kind::String) => write_string(text, out),
                _ => Err(RejectReason::Nested),
            },
            JsonValue::True | JsonValue::False => self.write_json_boolean(value, out),
            JsonValue::Number(text) => self.write_json_number(text, out),
            JsonValue::String {
                raw,
                escaped: false,
            } => {
                if matches!(self.kind, Kind::String) && matches!(self.nulls, Nulls::None) {
                    write_quoted(raw, out);
                    return Ok(());
                }
                self.write_text(raw, out)
            }
            JsonValue::String { raw, escaped: true } => {
                if matches!(self.kind, Kind::String) && matches!(self.nulls, Nulls::None) {
                    write_quoted(raw, out);
                    return Ok(());
                }
                scratch.clear();
                unescape(raw, scratch);
                self.write_text(scratch, out)
            }
        }
    }

    /// The length of the JSON value that `text` starts with, if [`Self::write_json`]
    /// would write it as it stands and that can be told at a glance.
    pub(super) fn stands(&self, text: &[u8]) -> Option<usize> {
        stands::length(self, text)
    }

    /// The first whole number written so far that a double may round.
    pub(super) fn rounded(&self) -> Option<i64> {
        self.rounded.get()
    }

    /// The row with it was not sent.
    pub(super) fn forget_rounded(&self) {
        self.rounded.set(None);
    }

    fn write_whole(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
        write_integer(text, out)?;
        if self.rounded.get().is_none() {
            self.rounded.set(number::beyond_double(text));
        }
        Ok(())
    }

    pub(super) fn write_null(&self, out: &mut Vec<u8>) -> Result<(), RejectReason> {
        if self.required {
            return Err(RejectReason::Required);
        }
        out.extend_from_slice(b"null");
        Ok(())
    }

    fn write_json_boolean(
        &self,
        value: JsonValue<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), RejectReason> {
        let text = value.text();
        if matches!(&self.nulls, Nulls::Listed(_)) && self.nulls.hold(text) {
            return self.write_null(out);
        }
        match &self.kind {
            Kind::Boolean { .. } => out.extend_from_slice(text),
            Kind::String => write_quoted(text, out),
            Kind::Integer | Kind::Float { .. } | Kind::Temporal(_) | Kind::Geography => {
                return Err(RejectReason::WrongType(self.kind()));
            }
        }
        Ok(())
    }

    fn write_json_number(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
        if matches!(&self.nulls, Nulls::Listed(_)) && self.nulls.hold(text) {
            return self.write_null(out);
        }
        match &self.kind {
            Kind::String => {
                write_quoted(text, out);
                Ok(())
            }
            Kind::Integer => self.write_whole(text, out),
            // A JSON number has a point whatever `decimal` says.
            Kind::Float { .. } => write_float(text, false, out),
            Kind::Temporal(temporal) if temporal.is_epoch() => temporal.write(text, out),
            // 0 and 1 are truth values only where the manifest says so.
            Kind::Boolean { yes: Some(_), .. } | Kind::Boolean { no: Some(_), .. } => {
                self.write_text(text, out)
            }
            Kind::Boolean { .. } | Kind::Temporal(_) | Kind::Geography => {
                Err(RejectReason::WrongType(self.kind()))
            }
        }
    }
}

impl Nulls {
    fn hold(&self, text: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::Empty => text.is_empty(),
            Self::Listed(markers) => markers.iter().any(|marker| **marker == *text),
        }
    }
}

/// Most cells have no padding, which their ends tell.
fn trimmed(cell: &[u8]) -> &[u8] {
    match cell {
        [b'!'..=255, .., b'!'..=255] => cell,
        _ => cell.trim_ascii(),
    }
}

fn texts(list: impl AsRef<[String]>) -> Texts {
    list.as_ref()
        .iter()
        .map(|text| text.as_bytes().into())
        .collect()
}

fn is_one_of(listed: Option<&Texts>, word: &[u8], text: &[u8]) -> bool {
    match listed {
        Some(listed) => listed.iter().any(|one| **one == *text),
        None => text.eq_ignore_ascii_case(word),
    }
}

/// Text that needs no escapes, or has them already.
fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

#[cfg(test)]
mod tests;
