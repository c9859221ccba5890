//! Integers and floats. A literal that already is JSON is passed on as it
//! stands, so that the user's digits are kept.

use super::RejectReason;

/// Digits that certainly fit a signed 64-bit integer.
const SAFE_DIGITS: usize = 18;
/// Whole numbers up to here are exact in a double.
pub(crate) const EXACT_IN_DOUBLE: u64 = 1 << 53;
/// Characters of a whole number that is certainly exact in a double.
pub(super) const EXACT_CHARS: usize = 15;
/// Digits (without an exponent) that are certainly neither infinite nor zero in
/// a double by rounding.
pub(super) const SAFE_FLOAT_CHARS: usize = 300;

/// Writes an integer. `+7` and `007` are seven; padding is gone already.
pub(crate) fn write_integer(text: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
    if text.len() <= SAFE_DIGITS && is_json_integer(text) && text != b"-0" {
        out.extend_from_slice(text);
        return Ok(());
    }
    let digits = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(if is_float_like(text) {
            RejectReason::FloatInInteger
        } else {
            RejectReason::NotInteger
        });
    }
    let value = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<i64>().ok())
        .ok_or(RejectReason::IntegerRange)?;
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    Ok(())
}

/// The value, where it is a whole number that a double may round. `text` was written
/// as an integer.
pub(crate) fn beyond_double(text: &[u8]) -> Option<i64> {
    if text.len() <= EXACT_CHARS {
        return None;
    }
    let value: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (value.unsigned_abs() > EXACT_IN_DOUBLE).then_some(value)
}

/// Writes a float. With `comma` the decimal separator is a comma and a point is
/// an error, so that a thousands separator can't change a value.
pub(crate) fn write_float(text: &[u8], comma: bool, out: &mut Vec<u8>) -> Result<(), RejectReason> {
    if comma {
        if text.contains(&b'.') {
            return Err(RejectReason::NotFloat);
        }
        if let Some(at) = text.iter().position(|byte| *byte == b',') {
            let mut pointed = text.to_vec();
            pointed[at] = b'.';
            return write_pointed(&pointed, out);
        }
    }
    write_pointed(text, out)
}

fn write_pointed(text: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
    match number_form(text) {
        NumberForm::Json { exponent: false } if text.len() <= SAFE_FLOAT_CHARS => {
            out.extend_from_slice(text);
            return Ok(());
        }
        NumberForm::Json { .. } => {
            parse_finite(text)?;
            out.extend_from_slice(text);
            return Ok(());
        }
        NumberForm::Loose => {}
        NumberForm::Other => {
            return Err(if is_not_finite(text) {
                RejectReason::NotFinite
            } else {
                RejectReason::NotFloat
            });
        }
    }
    let value = parse_finite(text)?;
    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    Ok(())
}

/// Whether this is an integer in JSON's grammar.
pub(crate) fn is_json_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The length of the number in JSON's grammar, without an exponent, that `text` starts
/// with, and whether it is whole.
pub(super) fn json_number(text: &[u8]) -> Option<(usize, bool)> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits(&text[sign..]);
    if whole == 0 || (whole > 1 && text[sign] == b'0') {
        return None;
    }
    let length = sign + whole;
    match text[length..] {
        [b'.', ref after @ ..] => match digits(after) {
            0 => None,
            fraction => Some((length + 1 + fraction, false)),
        },
        _ => Some((length, true)),
    }
}

/// How many digits `text` starts with.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

enum NumberForm {
    /// JSON's grammar.
    Json {
        exponent: bool,
    },
    /// `+1`, `.5`, `1.`, `007`: clear, but not JSON.
    Loose,
    Other,
}

fn number_form(text: &[u8]) -> NumberForm {
    let mut strict = true;
    let mut rest = match text {
        [b'-', rest @ ..] => rest,
        [b'+', rest @ ..] => {
            strict = false;
            rest
        }
        _ => text,
    };
    let whole = digits(rest);
    strict &= whole == 1 || (whole > 1 && rest[0] != b'0');
    rest = &rest[whole..];
    let mut fraction = 0;
    if let [b'.', after @ ..] = rest {
        fraction = digits(after);
        strict &= fraction > 0;
        rest = &after[fraction..];
    }
    if whole + fraction == 0 {
        return NumberForm::Other;
    }
    let mut exponent = false;
    if let [b'e' | b'E', after @ ..] = rest {
        let after = match after {
            [b'+' | b'-', after @ ..] => after,
            _ => after,
        };
        let count = digits(after);
        if count == 0 {
            return NumberForm::Other;
        }
        exponent = true;
        rest = &after[count..];
    }
    match (rest.is_empty(), strict) {
        (false, _) => NumberForm::Other,
        (true, true) => NumberForm::Json { exponent },
        (true, false) => NumberForm::Loose,
    }
}

/// The value, if the double nearest to the text is neither infinite nor a zero
/// that the text is not.
fn parse_finite(text: &[u8]) -> Result<f64, RejectReason> {
    let value = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .ok_or(RejectReason::NotFloat)?;
    let mantissa = text
        .iter()
        .take_while(|byte| !matches!(byte, b'e' | b'E'))
        .any(|byte| matches!(byte, b'1'..=b'9'));
    if value.is_infinite() || (value == 0.0 && mantissa) {
        return Err(RejectReason::FloatRange);
    }
    Ok(value)
}

fn is_float_like(text: &[u8]) -> bool {
    match number_form(text) {
        NumberForm::Json { .. } | NumberForm::Loose => true,
        NumberForm::Other => false,
    }
}

fn is_not_finite(text: &[u8]) -> bool {
    let text = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    [b"nan".as_slice(), b"inf", b"infinity"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}
