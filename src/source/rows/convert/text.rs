//! Strings in JSON's form, and WKT.

use super::RejectReason;

/// Writes text as a JSON string; it must be UTF-8.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) -> Result<(), RejectReason> {
    let look = Look::at(text);
    if !look.is_ascii && std::str::from_utf8(text).is_err() {
        return Err(RejectReason::InvalidUtf8);
    }
    out.push(b'"');
    if look.stands {
        out.extend_from_slice(text);
    } else {
        escape(text, out);
    }
    out.push(b'"');
    Ok(())
}

/// What text is made of.
struct Look {
    is_ascii: bool,
    /// It needs no escapes in a JSON string.
    stands: bool,
}

impl Look {
    /// Eight bytes at a time: most texts are short.
    fn at(text: &[u8]) -> Self {
        let (words, tail) = text.as_chunks::<8>();
        let (mut all, mut found) = (0, 0);
        let mut add = |bytes: [u8; 8]| {
            let word = u64::from_le_bytes(bytes);
            all |= word;
            found |= marks(word);
        };
        for word in words {
            add(*word);
        }
        if let ([_, ..], Some(last)) = (tail, text.last_chunk::<8>()) {
            add(*last);
        } else if !tail.is_empty() {
            let mut word = [b' '; 8];
            word[..tail.len()].copy_from_slice(tail);
            add(word);
        }
        Self {
            is_ascii: all & HIGH == 0,
            stands: found == 0,
        }
    }
}

/// Where a JSON string's text, from `text` on, ends or goes on otherwise: the first
/// quote, backslash or control character.
pub(crate) fn string_stop(text: &[u8]) -> Option<usize> {
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = tail
        .iter()
        .position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'))?;
    Some(words.len() * 8 + at)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES << 7;

/// The high bit of each byte that is a control character, a quote or a backslash.
/// Bytes after the first of them may be marked wrongly.
fn marks(word: u64) -> u64 {
    // A byte below `least` borrows from its high bit.
    let below = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word;
    let equals = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equals(b'"') | equals(b'\\')) & HIGH
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text;
    while let Some(at) = string_stop(rest) {
        let byte = rest[at];
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let short = match byte {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0x00..=0x1f => b'u',
            0x20..=0xff => byte,
        };
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            let digit = |nibble: u8| HEX[usize::from(nibble)];
            out.extend_from_slice(&[b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out.extend_from_slice(rest);
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
