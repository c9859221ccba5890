//! Dates, dates with times, and times: from the platform's own forms, from an
//! epoch or by a pattern; zones by policy. A `date` from an epoch or a pattern
//! that also has a time is its day, since the manifest asked for that.

use jiff::civil;
use jiff::fmt::strtime;

use super::calendar::{Clock, Date, Flaw, is_exact_moment};
use super::{RejectReason, TimeFormat, VariableType, ZonePolicy, stands};

/// How a temporal variable's text is read.
#[derive(Debug)]
pub(crate) struct Temporal {
    shape: Shape,
    format: TimeFormat,
    zone: ZonePolicy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Date,
    DateTime,
    Time,
}

/// A moment of the form `YYYY-MM-DDTHH:MM:SS` as it is written.
pub(super) fn exact_moment(text: &[u8; 19]) -> Option<[u8; 19]> {
    let mut moment = *text;
    moment[10] = b'T';
    let is_parted = matches!(text[10], b'T' | b't' | b' ');
    (is_parted && is_exact_moment(text)).then_some(moment)
}

impl Temporal {
    /// `kind` is one of the three temporal types; any other is read as a
    /// `dateTime`.
    pub(crate) fn new(kind: VariableType, format: &TimeFormat, zone: ZonePolicy) -> Self {
        let shape = match kind {
            VariableType::Date => Shape::Date,
            VariableType::Time => Shape::Time,
            VariableType::DateTime
            | VariableType::String
            | VariableType::Integer
            | VariableType::Float
            | VariableType::Boolean
            | VariableType::Geography => Shape::DateTime,
        };
        Self {
            shape,
            format: format.clone(),
            zone,
        }
    }

    pub(super) fn kind(&self) -> VariableType {
        match self.shape {
            Shape::Date => VariableType::Date,
            Shape::DateTime => VariableType::DateTime,
            Shape::Time => VariableType::Time,
        }
    }

    pub(super) fn is_plain_day(&self) -> bool {
        matches!(
            (&self.format, self.shape),
            (TimeFormat::Canonical, Shape::Date)
        )
    }

    pub(super) fn is_plain_moment(&self) -> bool {
        matches!(
            (&self.format, self.shape),
            (TimeFormat::Canonical, Shape::DateTime)
        )
    }

    /// Whether a JSON number can be a value.
    pub(super) fn is_epoch(&self) -> bool {
        match self.format {
            TimeFormat::EpochSeconds | TimeFormat::EpochMillis | TimeFormat::EpochMicros => true,
            TimeFormat::Canonical | TimeFormat::Pattern(_) => false,
        }
    }

    /// Writes the value as a JSON string.
    pub(crate) fn write(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
        match &self.format {
            TimeFormat::Canonical => self.write_canonical(text, out),
            TimeFormat::EpochSeconds => self.write_epoch(text, 1_000_000, out),
            TimeFormat::EpochMillis => self.write_epoch(text, 1_000, out),
            TimeFormat::EpochMicros => self.write_epoch(text, 1, out),
            TimeFormat::Pattern(pattern) => self.write_pattern(text, pattern, out),
        }
    }

    /// The length of the JSON value that `text` starts with, if it is written as it
    /// stands.
    pub(super) fn stands(&self, text: &[u8]) -> Option<usize> {
        match (&self.format, self.shape) {
            (TimeFormat::Canonical, Shape::Date) => stands::date(text),
            (TimeFormat::Canonical, Shape::DateTime) => stands::moment(text),
            (TimeFormat::Canonical, Shape::Time) => stands::time(text),
            (
                TimeFormat::EpochSeconds
                | TimeFormat::EpochMillis
                | TimeFormat::EpochMicros
                | TimeFormat::Pattern(_),
                _,
            ) => None,
        }
    }

    fn write_canonical(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
        let flaw = |flaw| self.reason(flaw);
        match self.shape {
            Shape::Date => {
                let (day, rest) = Date::read(text).map_err(flaw)?;
                if !rest.is_empty() {
                    return Err(RejectReason::NotDate);
                }
                out.push(b'"');
                day.write(out);
                out.push(b'"');
            }
            Shape::Time => {
                let (clock, rest) = Clock::read(text).map_err(flaw)?;
                match (Zone::read(rest), self.zone) {
                    (Zone::None, _)
                    | (Zone::Offset(_), ZonePolicy::Drop)
                    | (Zone::Offset(0), ZonePolicy::Utc) => {}
                    // Without a day there is nothing to move.
                    (Zone::Offset(_), ZonePolicy::Fail | ZonePolicy::Utc) => {
                        return Err(RejectReason::Zone);
                    }
                    (Zone::Other, _) => return Err(RejectReason::NotTime),
                }
                out.push(b'"');
                clock.write(out);
                out.push(b'"');
            }
            Shape::DateTime => return self.write_canonical_moment(text, out),
        }
        Ok(())
    }

    fn write_canonical_moment(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
        let flaw = |flaw| self.reason(flaw);
        let (day, rest) = Date::read(text).map_err(flaw)?;
        let [b'T' | b't' | b' ', rest @ ..] = rest else {
            return Err(RejectReason::NotDateTime);
        };
        let (clock, rest) = Clock::read(rest).map_err(flaw)?;
        let offset = match Zone::read(rest) {
            Zone::None => 0,
            Zone::Other => return Err(RejectReason::NotDateTime),
            Zone::Offset(seconds) => match self.zone {
                ZonePolicy::Fail => return Err(RejectReason::Zone),
                ZonePolicy::Drop => 0,
                ZonePolicy::Utc => seconds,
            },
        };
        out.push(b'"');
        if offset == 0 {
            day.write(out);
            out.push(b'T');
            clock.write(out);
        } else {
            let moved = to_civil(day, clock)
                .and_then(|moment| shifted(moment, offset))
                .ok_or(RejectReason::NotInCalendar)?;
            write_day(moved.date(), out)?;
            out.push(b'T');
            // An offset is whole seconds: the digits after them stay.
            let clock = Clock {
                fraction: clock.fraction,
                ..clock_of(moved.time(), &mut [0; 6])
            };
            clock.write(out);
        }
        out.push(b'"');
        Ok(())
    }

    fn write_epoch(
        &self,
        text: &[u8],
        micros_each: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), RejectReason> {
        let bad = self.bad_form();
        let count: i64 = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(bad)?;
        let micros = count
            .checked_mul(micros_each)
            .ok_or(RejectReason::NotInCalendar)?;
        let moment = jiff::Timestamp::from_microsecond(micros)
            .ok()
            .map(|stamp| jiff::tz::Offset::UTC.to_datetime(stamp))
            .ok_or(RejectReason::NotInCalendar)?;
        self.write_civil(moment.date(), moment.time(), out)
    }

    fn write_pattern(
        &self,
        text: &[u8],
        pattern: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), RejectReason> {
        let bad = self.bad_form();
        let parsed = strtime::parse(pattern, text).ok().ok_or(bad)?;
        let mut moment = match self.shape {
            Shape::Time => {
                let time = parsed.to_time().ok().ok_or(bad)?;
                civil::DateTime::from_parts(civil::Date::constant(2000, 1, 1), time)
            }
            Shape::Date | Shape::DateTime => match parsed.timestamp() {
                Some(stamp) => jiff::tz::Offset::UTC.to_datetime(stamp),
                None => parsed.to_datetime().ok().ok_or(bad)?,
            },
        };
        if let Some(offset) = parsed.offset() {
            match self.zone {
                ZonePolicy::Fail => return Err(RejectReason::Zone),
                ZonePolicy::Drop => {}
                ZonePolicy::Utc if self.shape == Shape::Time && offset.seconds() != 0 => {
                    return Err(RejectReason::Zone);
                }
                ZonePolicy::Utc => {
                    moment =
                        shifted(moment, offset.seconds()).ok_or(RejectReason::NotInCalendar)?;
                }
            }
        }
        self.write_civil(moment.date(), moment.time(), out)
    }

    fn write_civil(
        &self,
        date: civil::Date,
        time: civil::Time,
        out: &mut Vec<u8>,
    ) -> Result<(), RejectReason> {
        out.push(b'"');
        if self.shape != Shape::Time {
            write_day(date, out)?;
        }
        if self.shape == Shape::DateTime {
            out.push(b'T');
        }
        if self.shape != Shape::Date {
            if time.subsec_nanosecond() % 1_000 != 0 {
                return Err(RejectReason::Precision);
            }
            clock_of(time, &mut [0; 6]).write(out);
        }
        out.push(b'"');
        Ok(())
    }

    fn bad_form(&self) -> RejectReason {
        match self.shape {
            Shape::Date => RejectReason::NotDate,
            Shape::DateTime => RejectReason::NotDateTime,
            Shape::Time => RejectReason::NotTime,
        }
    }

    fn reason(&self, flaw: Flaw) -> RejectReason {
        match flaw {
            Flaw::Form => self.bad_form(),
            Flaw::Calendar => RejectReason::NotInCalendar,
            Flaw::Precision => RejectReason::Precision,
        }
    }
}

/// What follows a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    None,
    /// Seconds east of UTC.
    Offset(i32),
    Other,
}

impl Zone {
    fn read(text: &[u8]) -> Self {
        let text = text.strip_prefix(b" ").unwrap_or(text);
        if text.is_empty() {
            return Self::None;
        }
        if [b"Z".as_slice(), b"UTC", b"GMT"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
        {
            return Self::Offset(0);
        }
        let (sign, digits) = match text {
            [b'+', rest @ ..] => (1, rest),
            [b'-', rest @ ..] => (-1, rest),
            _ => return Self::Other,
        };
        let number = |tens: u8, ones: u8| {
            let both = tens.is_ascii_digit() && ones.is_ascii_digit();
            both.then(|| i32::from(tens - b'0') * 10 + i32::from(ones - b'0'))
        };
        let (hours, minutes) = match digits {
            [a, b] => (number(*a, *b), Some(0)),
            [a, b, c, d] | [a, b, b':', c, d] => (number(*a, *b), number(*c, *d)),
            _ => return Self::Other,
        };
        match (hours, minutes) {
            (Some(hours @ 0..=23), Some(minutes @ 0..=59)) => {
                Self::Offset(sign * (hours * 3600 + minutes * 60))
            }
            _ => Self::Other,
        }
    }
}

fn to_civil(day: Date, clock: Clock<'_>) -> Option<civil::DateTime> {
    let signed = |value: u8| i8::try_from(value).ok();
    civil::DateTime::new(
        i16::try_from(day.year).ok()?,
        signed(day.month)?,
        signed(day.day)?,
        signed(clock.hour)?,
        signed(clock.minute)?,
        signed(clock.second)?,
        0,
    )
    .ok()
}

/// The same moment in UTC.
fn shifted(moment: civil::DateTime, offset_seconds: i32) -> Option<civil::DateTime> {
    moment
        .checked_sub(jiff::SignedDuration::from_secs(i64::from(offset_seconds)))
        .ok()
}

fn write_day(date: civil::Date, out: &mut Vec<u8>) -> Result<(), RejectReason> {
    let part = |value: i8| u8::try_from(value).unwrap_or_default();
    let day = Date {
        year: u16::try_from(date.year()).unwrap_or_default(),
        month: part(date.month()),
        day: part(date.day()),
    };
    if !day.exists() {
        return Err(RejectReason::NotInCalendar);
    }
    day.write(out);
    Ok(())
}

/// With as few groups of three fractional digits as hold the value.
fn clock_of(time: civil::Time, digits: &mut [u8; 6]) -> Clock<'_> {
    let part = |value: i8| u8::try_from(value).unwrap_or_default();
    let mut micros = time.subsec_nanosecond() / 1_000;
    let used = match micros {
        0 => 0,
        _ if micros % 1_000 == 0 => 3,
        _ => 6,
    };
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(micros % 10).unwrap_or_default();
        micros /= 10;
    }
    Clock {
        hour: part(time.hour()),
        minute: part(time.minute()),
        second: part(time.second()),
        fraction: &digits[..used],
    }
}
