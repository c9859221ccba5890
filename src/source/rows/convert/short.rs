//! Cells of at most sixteen bytes, as most are: looked at as a whole and written as
//! they stand. What cannot be told that way is left to the others.

use super::calendar::Date;
use super::number::EXACT_CHARS;
use crate::source::rows::lanes::{LANES, Lanes};

/// A cell, with the bytes that follow it.
#[derive(Debug, Clone, Copy)]
pub(in crate::source::rows) struct Short {
    bytes: [u8; LANES],
    /// From 1.
    len: usize,
}

impl Short {
    /// The cell from `start` to `end`; `None`: it is empty or longer, or the text ends
    /// too soon.
    pub(in crate::source::rows) fn of(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let len = end.checked_sub(start)?;
        let bytes = *text.get(start..)?.first_chunk()?;
        (1..=LANES).contains(&len).then_some(Self { bytes, len })
    }

    /// A bit for each byte.
    fn all(self) -> u32 {
        (1 << self.len) - 1
    }

    pub(super) fn is(self, word: &[u8]) -> bool {
        self.len == word.len() && self.bytes.starts_with(word)
    }

    /// Whether all of it is ASCII that can stand in a JSON string as it is.
    pub(super) fn is_plain(self) -> bool {
        let lanes = Lanes::of(self.bytes);
        let others = !lanes.within(b' ', 0x7f) | lanes.either(b'"', b'\\');
        others & self.all() == 0
    }

    /// Whether it is a whole number in JSON's form that a double holds. Not `-0`.
    pub(super) fn is_whole(self) -> bool {
        let lanes = Lanes::of(self.bytes);
        let sign = lanes.equal(b'-') & 1;
        let zero = lanes.equal(b'0') >> sign & 1;
        let number = self.all() & !sign;
        let others = number & !lanes.within(b'0', b'9');
        self.len <= EXACT_CHARS && others == 0 && (zero == 0 || self.len == 1) && number != 0
    }

    /// Whether it is a number in JSON's form without an exponent. Not `-0`.
    pub(super) fn is_decimal(self) -> bool {
        let lanes = Lanes::of(self.bytes);
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

    /// Whether it is a day that is written as it reads.
    pub(super) fn is_day(self) -> bool {
        self.len == 10 && self.bytes.first_chunk().is_some_and(Date::is_exact)
    }

    /// Appends it.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let end = out.len() + self.len;
        // Sixteen bytes are copied at once, any other number by a call.
        out.extend_from_slice(&self.bytes);
        out.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::rows::convert::number::write_float;
    use crate::source::rows::convert::{write_integer, write_string};

    fn short(text: &str, after: &str) -> Option<Short> {
        let whole = format!("x{text}{after}................");
        Short::of(whole.as_bytes(), 1, 1 + text.len())
    }

    #[test]
    fn a_short_cell_has_all_its_bytes_and_none_of_the_next() {
        let mut out = b"a".to_vec();
        short("-12.5", "999").unwrap().write(&mut out);
        assert_eq!(out, b"a-12.5");

        assert!(short("", "").is_none());
        assert!(short("0123456789abcdef", "").is_some());
        assert!(short("0123456789abcdefg", "").is_none());
        // Fifteen bytes to the end of the text.
        assert!(Short::of(b"0123456789abcde", 0, 3).is_none());
        assert!(Short::of(b"0123456789abcdef", 0, 3).is_some());
        assert!(Short::of(b"0123456789abcdef", 3, 2).is_none());
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
            let short = short(text, "12").unwrap();
            assert_eq!(short.is_whole(), is_whole, "{text}");
            assert_eq!(short.is_decimal(), is_decimal, "{text}");
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
        ] {
            assert_eq!(short(text, "e").unwrap().is(b"true"), is_true, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_said_to_stand_does(
            text in "[-+.0-9]{1,16}|[ -~\\x00-\\x1f\u{7f}é]{1,8}",
            after in "[-.0-9\"\\\\\\x00é]{0,3}",
        ) {
            let short = short(&text, &after).unwrap();
            let written = |write: &dyn Fn(&[u8], &mut Vec<u8>) -> bool| {
                let mut out = Vec::new();
                write(text.as_bytes(), &mut out) && out == text.as_bytes()
            };
            let whole = written(&|text, out| write_integer(text, out).is_ok());
            let decimal = written(&|text, out| write_float(text, false, out).is_ok());
            let simple = !text.contains(['e', 'E']) && text != "-0";

            prop_assert_eq!(short.is_whole(), whole && text.len() <= EXACT_CHARS);
            prop_assert_eq!(short.is_decimal(), decimal && simple);
            let mut out = Vec::new();
            write_string(text.as_bytes(), &mut out).unwrap();
            let stands = text.is_ascii() && out == format!("\"{text}\"").as_bytes();
            prop_assert_eq!(short.is_plain(), stands);
        }
    }
}
