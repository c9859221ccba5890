//! Values of a JSON source that are written as they stand. Only what can be told at a
//! glance is: for anything else [`Converter::write_json`] finds out.

use super::calendar::{Clock, Date, is_exact_moment};
use super::number::{EXACT_CHARS, SAFE_FLOAT_CHARS, json_number};
use super::text::string_stop;
use super::{Converter, Kind, Nulls};
use crate::source::rows::lanes::LANES;

/// The length of the JSON value that `text` starts with, if it is written as it
/// stands. What follows it is not looked at; `text` must be UTF-8.
pub(super) fn length(converter: &Converter, text: &[u8]) -> Option<usize> {
    match &converter.nulls {
        Nulls::None | Nulls::Empty => {}
        Nulls::Listed(_) => return None,
    }
    if let [b'n', b'u', b'l', b'l', ..] = text {
        return (!converter.required).then_some(4);
    }
    match &converter.kind {
        Kind::String => match &converter.nulls {
            Nulls::None => string(text),
            Nulls::Empty | Nulls::Listed(_) => None,
        },
        Kind::Integer => {
            let (length, is_whole) = json_number(text)?;
            // Longer ones may be too large, or rounded by the platform.
            let is_small = is_whole && length <= EXACT_CHARS && !text.starts_with(b"-0");
            is_small.then_some(length)
        }
        Kind::Float { .. } => {
            let (length, _) = json_number(text)?;
            (length <= SAFE_FLOAT_CHARS).then_some(length)
        }
        Kind::Boolean { .. } => match text {
            [b't', b'r', b'u', b'e', ..] => Some(4),
            [b'f', b'a', b'l', b's', b'e', ..] => Some(5),
            _ => None,
        },
        Kind::Temporal(temporal) => temporal.stands(text),
        Kind::Geography => None,
    }
}

/// A string with no escapes but those of one character.
fn string(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        let stop = string_stop(rest)?;
        at += stop;
        match rest[stop..] {
            [b'"', ..] => return Some(at + 1),
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ref after @ ..,
            ] => {
                at += 2;
                rest = after;
            }
            _ => return None,
        }
    }
}

/// A day of the form `"YYYY-MM-DD"`.
pub(super) fn date(text: &[u8]) -> Option<usize> {
    let (quoted, _) = text.split_first_chunk::<12>()?;
    let [b'"', day @ .., b'"'] = quoted else {
        return None;
    };
    Date::is_exact(&padded(day)).then_some(quoted.len())
}

/// A time of the form `"HH:MM:SS"`.
pub(super) fn time(text: &[u8]) -> Option<usize> {
    let (quoted, _) = text.split_first_chunk::<10>()?;
    let [b'"', clock @ .., b'"'] = quoted else {
        return None;
    };
    Clock::is_exact(&padded(clock)).then_some(quoted.len())
}

/// A moment of the form `"YYYY-MM-DDTHH:MM:SS"`.
pub(super) fn moment(text: &[u8]) -> Option<usize> {
    let (quoted, _) = text.split_first_chunk::<21>()?;
    let [b'"', moment @ .., b'"'] = quoted else {
        return None;
    };
    (moment[10] == b'T' && is_exact_moment(moment)).then_some(quoted.len())
}

fn padded<const N: usize>(text: &[u8; N]) -> [u8; LANES] {
    let mut padded = [0; LANES];
    padded[..N].copy_from_slice(text);
    padded
}
