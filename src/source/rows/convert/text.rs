//! Strings in JSON's form, and WKT.

use super::RejectReason;

/// Writes text as a JSON string; it must be UTF-8.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
    if !text.is_ascii() && std::str::from_utf8(text).is_err() {
        return Err(RejectReason::InvalidUtf8);
    }
    out.push(b'"');
    if needs_escape(text) {
        escape(text, out);
    } else {
        out.extend_from_slice(text);
    }
    out.push(b'"');
    Ok(())
}

/// Whether any byte cannot stand in a JSON string as it is.
fn needs_escape(text: &[u8]) -> bool {
    // No early end: the compiler makes wide compares of this.
    let found = text.iter().fold(0, |found, byte| {
        found | u8::from(*byte < 0x20) | u8::from(*byte == b'"') | u8::from(*byte == b'\\')
    });
    found != 0
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut start = 0;
    for (index, byte) in text.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0x00..=0x1f => b'u',
            _ => continue,
        };
        out.extend_from_slice(&text[start..index]);
        start = index + 1;
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            let digit = |nibble: u8| HEX[usize::from(nibble)];
            out.extend_from_slice(&[b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out.extend_from_slice(&text[start..]);
}

/// The text of a JSON string that the walker has found good.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let byte = rest.get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        match byte {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'u' => rest = unescape_unit(rest, out),
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

/// After `\u`: four digits, and the second half of a pair if there is one.
fn unescape_unit<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some(first) = hex_unit(rest) else {
        return rest;
    };
    let mut rest = &rest[4..];
    let mut code = u32::from(first);
    if (0xd800..0xdc00).contains(&first)
        && let Some(low) = rest.strip_prefix(b"\\u").and_then(hex_unit)
    {
        code = 0x1_0000 + ((code & 0x3ff) << 10) + u32::from(low & 0x3ff);
        rest = &rest[6..];
    }
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

/// Four hexadecimal digits at the front.
pub(crate) fn hex_unit(text: &[u8]) -> Option<u16> {
    text.get(..4)?.iter().try_fold(0_u16, |value, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(value << 4 | u16::try_from(digit).ok()?)
    })
}

/// Writes well-known text. Only its first word is looked at: the platform
/// parses the rest.
pub(super) fn write_geography(text: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
    const WORDS: [&[u8]; 7] = [
        b"POINT",
        b"LINESTRING",
        b"POLYGON",
        b"MULTIPOINT",
        b"MULTILINESTRING",
        b"MULTIPOLYGON",
        b"GEOMETRYCOLLECTION",
    ];
    let letters = text.iter().take_while(|c| c.is_ascii_alphabetic()).count();
    let known = WORDS
        .iter()
        .any(|word| word.eq_ignore_ascii_case(&text[..letters]));
    if !known {
        return Err(RejectReason::NotGeography);
    }
    write_string(text, out)
}
