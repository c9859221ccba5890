//! Days and times of day in fixed positions: the fast path of nearly every
//! temporal cell, without a date library.

use crate::source::rows::lanes::{LANES, Lanes};

/// A day from 0001-01-01 to 9999-12-31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: u8,
}

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock<'a> {
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    /// Fractional digits as written, at most six; empty when there are none.
    pub(super) fraction: &'a [u8],
}

/// Why text is no day or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Not of the form.
    Form,
    /// Of the form, but not in the calendar.
    Calendar,
    /// More than six fractional digits that say something.
    Precision,
}

impl Date {
    /// Reads `YYYY-[M]M-[D]D` from the front; answers what follows.
    pub(super) fn read(text: &[u8]) -> Result<(Self, &[u8]), Flaw> {
        let (year, rest) = digits(text, 4, 4).ok_or(Flaw::Form)?;
        let rest = rest.strip_prefix(b"-").ok_or(Flaw::Form)?;
        let (month, rest) = small(rest)?;
        let rest = rest.strip_prefix(b"-").ok_or(Flaw::Form)?;
        let (day, rest) = small(rest)?;
        let one = Self { year, month, day };
        if one.exists() {
            Ok((one, rest))
        } else {
            Err(Flaw::Calendar)
        }
    }

    /// Whether the first ten of these bytes are a day that is written as it reads:
    /// `YYYY-MM-DD`.
    pub(super) fn is_exact(text: &[u8; LANES]) -> bool {
        let least = *b"0000-00-00\0\0\0\0\0\0";
        let most = *b"9999-19-39\xff\xff\xff\xff\xff\xff";
        let digits = Lanes::of(*text).above(least, most);
        digits.is_some_and(|digits| Self::of_digits(digits).exists())
    }

    /// Of `YYYY-MM-DD` and whatever follows.
    fn of_digits(digits: [u8; LANES]) -> Self {
        let [y0, y1, y2, y3, _, m0, m1, _, d0, d1, ..] = digits;
        Self {
            year: u16::from(y0 * 10 + y1) * 100 + u16::from(y2 * 10 + y3),
            month: m0 * 10 + m1,
            day: d0 * 10 + d1,
        }
    }

    pub(super) fn exists(self) -> bool {
        const LAST: [u8; 13] = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let last = LAST.get(usize::from(self.month)).copied();
        let is_in_month = (1..=last.unwrap_or_default()).contains(&self.day);
        let is_leap_day = self.month == 2 && self.day == 29;
        self.year >= 1 && is_in_month && (!is_leap_day || self.is_in_leap_year())
    }

    fn is_in_leap_year(self) -> bool {
        self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400))
    }

    /// Writes `YYYY-MM-DD`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let [high, low] = [self.year / 100, self.year % 100].map(|two| (two % 100) as u8);
        pair(high, out);
        pair(low, out);
        out.push(b'-');
        pair(self.month, out);
        out.push(b'-');
        pair(self.day, out);
    }
}

impl<'a> Clock<'a> {
    /// Reads `[H]H:[M]M:[S]S[.digits]` from the front; answers what follows.
    pub(super) fn read(text: &'a [u8]) -> Result<(Self, &'a [u8]), Flaw> {
        let (hour, rest) = small(text)?;
        let rest = rest.strip_prefix(b":").ok_or(Flaw::Form)?;
        let (minute, rest) = small(rest)?;
        let rest = rest.strip_prefix(b":").ok_or(Flaw::Form)?;
        let (second, mut rest) = small(rest)?;
        let mut fraction: &[u8] = &[];
        if let [b'.', after @ ..] = rest {
            let count = after
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if count == 0 {
                return Err(Flaw::Form);
            }
            (fraction, rest) = after.split_at(count);
        }
        if hour > 23 || minute > 59 || second > 59 {
            return Err(Flaw::Calendar);
        }
        // Nanoseconds of an export are often only zeros.
        if fraction.len() > 6 {
            if fraction[6..].iter().any(|digit| *digit != b'0') {
                return Err(Flaw::Precision);
            }
            fraction = &fraction[..6];
        }
        let clock = Self {
            hour,
            minute,
            second,
            fraction,
        };
        Ok((clock, rest))
    }

    /// Whether the first eight of these bytes are a time that is written as it reads:
    /// `HH:MM:SS`.
    pub(super) fn is_exact(text: &[u8; LANES]) -> bool {
        let least = *b"00:00:00\0\0\0\0\0\0\0\0";
        let most = *b"29:59:59\xff\xff\xff\xff\xff\xff\xff\xff";
        let digits = Lanes::of(*text).above(least, most);
        digits.is_some_and(|[h0, h1, ..]| h0 * 10 + h1 <= 23)
    }

    /// Writes `HH:MM:SS[.digits]`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        pair(self.hour, out);
        out.push(b':');
        pair(self.minute, out);
        out.push(b':');
        pair(self.second, out);
        if !self.fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(self.fraction);
        }
    }
}

/// Whether this is a moment that is written as it reads, but for what parts day and
/// time: `YYYY-MM-DD HH:MM:SS`.
pub(super) fn is_exact_moment(text: &[u8; 19]) -> bool {
    let Some((minutes, [b':', b'0'..=b'5', b'0'..=b'9'])) = text.split_first_chunk() else {
        return false;
    };
    let least = *b"0000-00-00\x0000:00";
    let most = *b"9999-19-39\xff29:59";
    let digits = Lanes::of(*minutes).above(least, most);
    digits.is_some_and(|digits| {
        let [.., h0, h1, _, _, _] = digits;
        h0 * 10 + h1 <= 23 && Date::of_digits(digits).exists()
    })
}

/// One or two digits.
fn small(text: &[u8]) -> Result<(u8, &[u8]), Flaw> {
    let (value, rest) = digits(text, 1, 2).ok_or(Flaw::Form)?;
    Ok(((value % 100) as u8, rest))
}

/// From `least` to `most` digits at the front, and no more.
fn digits(text: &[u8], least: usize, most: usize) -> Option<(u16, &[u8])> {
    let mut value = 0;
    let mut count = 0;
    for byte in text {
        if !byte.is_ascii_digit() {
            break;
        }
        count += 1;
        if count > most {
            return None;
        }
        value = value * 10 + u16::from(byte - b'0');
    }
    (count >= least).then(|| (value, &text[count..]))
}

/// Two digits of a number below 100.
pub(super) fn pair(value: u8, out: &mut Vec<u8>) {
    out.push(b'0' + value / 10);
    out.push(b'0' + value % 10);
}
