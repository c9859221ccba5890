//! Cells of at most sixteen bytes, as most are, and moments: looked at as a whole and
//! written as they stand. What cannot be told that way is left to the others.

use super::calendar::Date;
use super::number::EXACT_CHARS;
use super::temporal::exact_moment;
use crate::source::rows::cursor::Cursor;
use crate::source::rows::lanes::{LANES, Lanes};

/// The longest cell whose form can be told, a moment.
const LONGEST: usize = 19;
/// No value of a short cell has more bytes.
pub(in crate::source::rows) const MOST_SHORT: usize = LONGEST + 2;

/// What a short cell must be to stand in JSON as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShortForm {
    Plain,
    Whole,
    Decimal,
    TrueFalse,
    Day,
    Moment,
    /// That cannot be told at a glance.
    Other,
}

/// A cell, with the bytes that follow it.
#[derive(Debug, Clone, Copy)]
pub(in crate::source::rows) struct Short<'a> {
    text: &'a [u8],
    len: usize,
}

impl<'a> Short<'a> {
    /// The cell from `start` to `end`.
    pub(in crate::source::rows) fn of(text: &'a [u8], start: usize, end: usize) -> Option<Self> {
        Some(Self {
            text: text.get(start..)?,
            len: end.checked_sub(start)?,
        })
    }

    pub(super) fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Puts the value, if the cell is of this form. `false`: nothing was put.
    pub(super) fn put(self, form: ShortForm, row: &mut Cursor<'_>) -> bool {
        if form == ShortForm::Moment {
            return self.put_moment(row);
        }
        let (Some(bytes), 0..=LANES) = (self.text.first_chunk(), self.len) else {
            return false;
        };
        let (stands, is_quoted) = match form {
            ShortForm::Moment | ShortForm::Other => (false, false),
            ShortForm::Plain => (self.is_plain(bytes), true),
            ShortForm::Day => (self.len == 10 && Date::is_exact(bytes), true),
            ShortForm::Whole => (self.is_whole(bytes), false),
            ShortForm::Decimal => (self.is_decimal(bytes), false),
            ShortForm::TrueFalse => (self.is_true_or_false(bytes), false),
        };
        match (stands, is_quoted) {
            (false, _) => {}
            (true, false) => row.put(bytes, self.len),
            (true, true) => row.put_quoted(bytes, self.len),
        }
        stands
    }

    fn put_moment(self, row: &mut Cursor<'_>) -> bool {
        let text = self.text.first_chunk().filter(|_| self.len == LONGEST);
        let moment = text.and_then(exact_moment);
        if let Some(moment) = &moment {
            row.put_quoted(moment, LONGEST);
        }
        moment.is_some()
    }

    /// A bit for each byte.
    fn all(self) -> u32 {
        (1 << self.len) - 1
    }

    /// The length says which it must be: to ask for both is a branch that nobody can
    /// guess.
    fn is_true_or_false(self, bytes: &[u8; LANES]) -> bool {
        let (word, kept) = if self.len == 4 {
            (*b"true\0\0\0\0", u64::MAX >> 32)
        } else {
            (*b"false\0\0\0", u64::MAX >> 24)
        };
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = *bytes;
        let cell = u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]);
        matches!(self.len, 4 | 5) && cell & kept == u64::from_le_bytes(word)
    }

    /// Whether it is UTF-8 that can stand in a JSON string as it is.
    fn is_plain(self, bytes: &[u8; LANES]) -> bool {
        let lanes = Lanes::of(*bytes);
        let others = !lanes.within(b' ', u8::MAX) | lanes.either(b'"', b'\\');
        let is_utf8 = || std::str::from_utf8(&bytes[..self.len]).is_ok();
        others & self.all() == 0 && (lanes.beyond_ascii() & self.all() == 0 || is_utf8())
    }

    /// Whether it is a whole number in JSON's form that a double holds. Not `-0`.
    fn is_whole(self, bytes: &[u8; LANES]) -> bool {
        let lanes = Lanes::of(*bytes);
        let sign = lanes.equal(b'-') & 1;
        let zero = lanes.equal(b'0') >> sign & 1;
        let number = self.all() & !sign;
        let others = number & !lanes.within(b'0', b'9');
        self.len <= EXACT_CHARS && others == 0 && (zero == 0 || self.len == 1) && number != 0
    }

    /// Whether it is a number in JSON's form without an exponent. Not `-0`.
    fn is_decimal(self, bytes: &[u8; LANES]) -> bool {
        let lanes = Lanes::of(*bytes);
        let sign = lanes.equal(b'-') & 1;
        let zero = lanes.equal(b'0') >> sign & 1;
        let number = self.all() & !sign;
        let point = number & lanes.equal(b'.');
        let others = number & !lanes.within(b'0', b'9') & !point;
        // With digits on both sides.
        let is_parted = point == 0
            || (point.is_power_of_two() && point << 1 & number != 0 && point >> 1 & number != 0);
        let is_point_second = point == 2 << sign;
        others == 0 && is_parted && (zero == 0 || self.len == 1 || is_point_second) && number != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::rows::convert::number::write_float;
    use crate::source::rows::convert::{write_integer, write_string};

    /// What is put of a cell that other text follows.
    fn put(form: ShortForm, text: &str, after: &str) -> Option<String> {
        let whole = format!("x{text}{after}................");
        let mut room = [b'?'; 64];
        let mut row = Cursor::new(&mut room);
        let short = Short::of(whole.as_bytes(), 1, 1 + text.len()).unwrap();
        let mut out = Vec::new();
        let is_put = short.put(form, &mut row);
        row.flush(&mut out);
        assert_eq!(out.is_empty(), !is_put, "{text}");
        is_put.then(|| String::from_utf8(out).unwrap())
    }

    fn stands(form: ShortForm, text: &str, after: &str) -> bool {
        let put = put(form, text, after);
        assert!(
            put.as_ref().is_none_or(|put| put.trim_matches('"') == text),
            "{put:?}"
        );
        put.is_some()
    }

    #[test]
    fn a_short_cell_has_all_its_bytes_and_none_of_the_next() {
        assert_eq!(put(ShortForm::Decimal, "-12.5", "999").unwrap(), "-12.5");
        assert_eq!(put(ShortForm::Plain, "", "999").unwrap(), "\"\"");
        let sixteen = "0123456789abcdef";
        assert_eq!(
            put(ShortForm::Plain, sixteen, "").unwrap(),
            format!("\"{sixteen}\"")
        );
        assert_eq!(put(ShortForm::Plain, "0123456789abcdefg", ""), None);

        // Fifteen bytes to the end of the text.
        let mut room = [0; 64];
        let mut row = Cursor::new(&mut room);
        let at_end = Short::of(b"0123456789abcde", 0, 3).unwrap();
        assert!(!at_end.put(ShortForm::Plain, &mut row));
        let before_end = Short::of(b"0123456789abcdef", 0, 3).unwrap();
        assert!(before_end.put(ShortForm::Plain, &mut row));
        assert!(Short::of(b"0123456789abcdef", 3, 2).is_none());
        assert!(Short::of(b"0123456789abcdef", 17, 18).is_none());
    }

    #[test]
    fn days_and_moments_are_put_as_they_are_written() {
        for (text, day) in [
            ("2024-02-29", true),
            ("2023-02-29", false),
            ("2024-2-9", false),
            ("2024-02-30", false),
            ("2024-13-01", false),
            ("2024-00-01", false),
            ("2024-01-00", false),
            ("0000-01-01", false),
            ("0001-01-01", true),
            ("2024/02/28", false),
            ("2024-02-2x", false),
            ("2024-12-311", false),
        ] {
            let wanted = day.then(|| format!("\"{text}\""));
            assert_eq!(put(ShortForm::Day, text, "1"), wanted, "{text}");
            let moment = format!("{text} 23:59:58");
            let wanted = day.then(|| format!("\"{text}T23:59:58\""));
            assert_eq!(put(ShortForm::Moment, &moment, "9"), wanted, "{text}");
        }
        for (clock, is_exact) in [
            ("T00:00:00", true),
            ("t19:59:59", true),
            (" 24:00:00", false),
            ("T23:60:00", false),
            ("T23:00:60", false),
            ("T2x:00:00", false),
            ("_23:00:00", false),
            ("T23:00:0", false),
            ("T23.00:00", false),
            ("T23:00.00", false),
            ("T23:00:00.5", false),
        ] {
            let put = put(ShortForm::Moment, &format!("2024-02-29{clock}"), "9");
            assert_eq!(put.is_some(), is_exact, "{clock}");
        }
    }

    #[test]
    fn numbers_are_told_by_their_form() {
        for (text, is_whole, is_decimal) in [
            ("0", true, true),
            ("7", true, true),
            ("-7", true, true),
            ("-0", false, false),
            ("-", false, false),
            (".", false, false),
            ("-.5", false, false),
            ("5.", false, false),
            ("0.5", false, true),
            ("-0.25", false, true),
            ("00.5", false, false),
            ("1.2.3", false, false),
            ("1..3", false, false),
            ("01", false, false),
            ("1e5", false, false),
            ("+1", false, false),
            ("1-2", false, false),
            ("--1", false, false),
            (" 1", false, false),
            ("1:", false, false),
            ("1/", false, false),
            ("\u{b9}", false, false),
            ("123456789012345", true, true),
            ("1234567890123456", false, true),
            ("-123456.7890123", false, true),
        ] {
            assert_eq!(stands(ShortForm::Whole, text, "12"), is_whole, "{text}");
            assert_eq!(stands(ShortForm::Decimal, text, "12"), is_decimal, "{text}");
        }
    }

    #[test]
    fn text_is_plain_only_as_utf8() {
        for (text, len, is_plain) in [
            (b"Gr\xc3\xbc\xc3\x9fe,............", 7, true),
            // The cell ends inside a character.
            (b"Gr\xc3\xbc\xc3\x9fe,............", 5, false),
            (b"Gr\xfc\xdfe...............", 5, false),
            // What follows the cell is not looked at.
            (b"Gr\xc3\xbc.\xff..............", 4, true),
        ] {
            let mut room = [0; 64];
            let short = Short::of(text, 0, len).unwrap();
            let is_put = short.put(ShortForm::Plain, &mut Cursor::new(&mut room));
            assert_eq!(is_put, is_plain, "{text:?}");
        }
    }

    #[test]
    fn a_word_is_all_of_the_cell() {
        for (text, is_true) in [
            ("true", true),
            ("TRUE", false),
            ("tru", false),
            ("truth", false),
            ("trues", false),
            ("false", true),
            ("fals", false),
            ("falsey", false),
            ("true\0", false),
            ("\0true", false),
        ] {
            assert_eq!(stands(ShortForm::TrueFalse, text, "e"), is_true, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_said_to_stand_does(
            text in "[-+.0-9]{1,16}|[ -~\\x00-\\x1f\u{7f}é]{1,8}",
            after in "[-.0-9\"\\\\\\x00é]{0,3}",
        ) {
            let written = |write: &dyn Fn(&[u8], &mut Vec<u8>) -> bool| {
                let mut out = Vec::new();
                write(text.as_bytes(), &mut out) && out == text.as_bytes()
            };
            let whole = written(&|text, out| write_integer(text, out).is_ok());
            let decimal = written(&|text, out| write_float(text, false, out).is_ok());
            let simple = !text.contains(['e', 'E']) && text != "-0";

            let short = |form| stands(form, &text, &after);
            prop_assert_eq!(short(ShortForm::Whole), whole && text.len() <= EXACT_CHARS);
            prop_assert_eq!(short(ShortForm::Decimal), decimal && simple);
            let mut out = Vec::new();
            write_string(text.as_bytes(), &mut out).unwrap();
            let is_plain = out == format!("\"{text}\"").as_bytes();
            prop_assert_eq!(put(ShortForm::Plain, &text, &after).is_some(), is_plain);
        }
    }
}
