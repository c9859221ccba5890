//! The types that inserted rows are held to (docs:
//! rest-api/uploads/insertRows; contract 7), and the types that are inferred
//! when no schema was given.

use serde_json::value::RawValue;

use crate::base::VariableType;

/// Why a value does not fit; `None`: it fits.
pub(super) fn misfit(kind: VariableType, value: &RawValue) -> Option<&'static str> {
    let text = value.get();
    if text == "null" {
        return None;
    }
    let fits = match kind {
        VariableType::Boolean => matches!(text, "true" | "false"),
        VariableType::Integer => is_integer(text),
        VariableType::Float => is_float(text),
        VariableType::String | VariableType::Geography => text.starts_with('"'),
        VariableType::Date => with_string(text, is_date),
        VariableType::DateTime => with_string(text, is_date_time),
        VariableType::Time => with_string(text, is_time),
    };
    (!fits).then_some(match kind {
        VariableType::Boolean => "expected true or false",
        VariableType::Integer => "expected a whole number of 64 bits",
        VariableType::Float => "expected a number",
        VariableType::String => "expected a string",
        VariableType::Geography => "expected a string of WKT",
        VariableType::Date => "expected a string YYYY-MM-DD",
        VariableType::DateTime => "expected a string YYYY-MM-DDTHH:MM:SS without a zone",
        VariableType::Time => "expected a string HH:MM:SS",
    })
}

/// The type that a value suggests; `None`: it is null, or nothing a variable
/// can hold.
pub(super) fn infer(value: &RawValue) -> Result<Option<VariableType>, &'static str> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b't' | b'f') => Ok(Some(VariableType::Boolean)),
        Some(b'"') => Ok(Some(VariableType::String)),
        Some(b'-' | b'0'..=b'9') if is_integer(text) => Ok(Some(VariableType::Integer)),
        Some(b'-' | b'0'..=b'9') if is_float(text) => Ok(Some(VariableType::Float)),
        _ => Err("expected a scalar"),
    }
}

fn with_string(text: &str, test: fn(&str) -> bool) -> bool {
    // Most have no escapes; those that do are read properly.
    match text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(plain) if !plain.contains('\\') => test(plain),
        Some(_) => serde_json::from_str::<String>(text).is_ok_and(|text| test(&text)),
        None => false,
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|c| c.is_ascii_digit()) && text.parse::<i64>().is_ok()
}

fn is_float(text: &str) -> bool {
    matches!(text.as_bytes().first(), Some(b'-' | b'0'..=b'9'))
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// `YYYY-[M]M-[D]D`, from year 1 on.
pub(super) fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) =
        (number(year, 4, 4), number(month, 1, 2), number(day, 1, 2))
    else {
        return false;
    };
    year >= 1 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day)
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `HH:MM:SS[.ffffff]`.
pub(super) fn is_time(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let (Some(hour), Some(minute), Some(second), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let fits = |text: &str, below: u32| number(text, 1, 2).is_some_and(|value| value < below);
    let fraction_fits =
        (1..=6).contains(&fraction.len()) && fraction.bytes().all(|c| c.is_ascii_digit());
    fits(hour, 24) && fits(minute, 60) && fits(second, 60) && fraction_fits
}

/// A date, then `T` or a space, then a time; no zone.
pub(super) fn is_date_time(text: &str) -> bool {
    match text.split_once(['T', ' ']) {
        Some((date, time)) => is_date(date) && is_time(time),
        None => is_date(text),
    }
}

fn number(text: &str, least: usize, most: usize) -> Option<u32> {
    let digits = (least..=most).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The type that a cell of a delimited file suggests.
pub(super) fn infer_cell(text: &str) -> VariableType {
    if is_integer(text) {
        VariableType::Integer
    } else if text.parse::<f64>().is_ok_and(f64::is_finite) {
        VariableType::Float
    } else if matches!(text.to_ascii_lowercase().as_str(), "true" | "false") {
        VariableType::Boolean
    } else if is_date(text) {
        VariableType::Date
    } else if is_date_time(text) {
        VariableType::DateTime
    } else if is_time(text) {
        VariableType::Time
    } else {
        VariableType::String
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(kind: VariableType, text: &str) -> bool {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        misfit(kind, &raw).is_none()
    }

    #[test]
    fn numbers_are_numbers_and_never_strings() {
        assert!(fits(VariableType::Integer, "-9223372036854775808"));
        for text in ["9223372036854775808", "1.0", "1e3", "\"1\"", "true"] {
            assert!(!fits(VariableType::Integer, text), "{text}");
        }
        assert!(fits(VariableType::Float, "1"));
        assert!(fits(VariableType::Float, "-1.5e-300"));
        assert!(!fits(VariableType::Float, "\"1.5\""));
        assert!(!fits(VariableType::Float, "1e999"));
    }

    #[test]
    fn moments_have_no_zone_and_real_days() {
        assert!(fits(VariableType::DateTime, "\"1970-01-01T00:00:00.000\""));
        assert!(fits(
            VariableType::DateTime,
            "\"2024-02-29 23:59:59.999999\""
        ));
        for text in [
            "\"1970-01-01T00:00:00Z\"",
            "\"1970-01-01T00:00:00+01:00\"",
            "\"2023-02-29T00:00:00\"",
            "\"1970-01-01T24:00:00\"",
            "\"1970-01-01T00:00:00.1234567\"",
            "0",
        ] {
            assert!(!fits(VariableType::DateTime, text), "{text}");
        }
        assert!(fits(VariableType::Date, "\"0001-01-01\""));
        assert!(!fits(VariableType::Date, "\"0000-01-01\""));
        assert!(!fits(VariableType::Date, "\"1970-01-01T00:00:00\""));
        assert!(fits(VariableType::Time, "\"23:59:59\""));
        assert!(!fits(VariableType::Time, "\"23:59\""));
    }

    #[test]
    fn null_fits_everywhere_and_nothing_else_does() {
        for kind in VariableType::ALL {
            assert!(fits(kind, "null"), "{kind}");
            assert!(!fits(kind, "[1]"), "{kind}");
        }
    }
}
