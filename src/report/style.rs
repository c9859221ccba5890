//! How text looks: colour, width, numbers, durations. Colour only repeats what
//! the words and sigils say already.

use std::io::{self, Write};

use crate::base::ByteCount;

/// How text for people is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Whether escape codes may be used.
    pub colour: bool,
    /// Columns; longer text is wrapped, names never are.
    pub width: usize,
}

impl Default for TextStyle {
    fn default() -> Self {
        Self {
            colour: false,
            width: 100,
        }
    }
}

/// What a piece of text is, as far as colour goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Heading,
    Dim,
    Good,
    Change,
    Bad,
}

impl TextStyle {
    /// The text in its colour.
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Heading => "1",
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Change => "33",
            Tone::Bad => "31",
        };
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Text from files, manifests and servers without what could move the cursor,
/// start another line or reverse the reading order.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || reorders {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Columns that the text takes; wide characters count as one.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// The text broken at spaces into lines of at most `width` columns. A word that
/// is longer stands alone.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if columns(line) + 1 + columns(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// `12,345`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 file`, `2 files`.
pub fn count(value: u64, one: &str) -> String {
    if value == 1 {
        format!("1 {one}")
    } else {
        format!("{} {one}s", number(value))
    }
}

/// `12.3 MiB`.
pub fn size(bytes: u64) -> String {
    ByteCount(bytes).to_string()
}

/// `98 ms`, `8 s`, `12.3 s`, `3 min 12 s`, `2 h 5 min`.
pub(super) fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 if millis % 1000 < 100 => format!("{seconds} s"),
        1..60 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Bytes each second; `None` where no time passed.
pub(super) fn rate(bytes: u64, millis: u64) -> Option<u64> {
    let each_second = u128::from(bytes) * 1000 / u128::from(millis.max(1));
    (millis > 0).then(|| u64::try_from(each_second).unwrap_or(u64::MAX))
}

/// `2.4 %` of the whole; `None` of nothing.
pub(super) fn percent(part: u64, whole: u64) -> Option<String> {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    (whole > 0).then(|| format!("{}.{} %", tenths / 10, tenths % 10))
}

/// Writes a name and its text, wrapped; nothing where there is no text.
pub(super) fn write_fact(
    out: &mut dyn Write,
    style: &TextStyle,
    name: &str,
    text: &str,
) -> io::Result<()> {
    const INDENT: usize = 13;
    if text.is_empty() {
        return Ok(());
    }
    let lines = wrap(text, style.width.saturating_sub(INDENT)).join(&format!("\n{:INDENT$}", ""));
    writeln!(out, "  {name:<10} {lines}")
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub(super) fn timestamp(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_there_is_no_escape_code() {
        let plain = TextStyle {
            colour: false,
            width: 80,
        };
        let colour = TextStyle {
            colour: true,
            width: 80,
        };

        assert_eq!(plain.paint(Tone::Bad, "x"), "x");
        assert_eq!(colour.paint(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(colour.paint(Tone::Bad, ""), "");
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor_or_reverse_the_line() {
        assert_eq!(
            clean("a\u{1b}[2Jb\nc\u{202e}d é"),
            "a\\u{1b}[2Jb\\nc\\u{202e}d é"
        );
    }

    #[test]
    fn text_wraps_at_spaces_and_keeps_long_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(
            wrap("data/a_very_long_name x", 5),
            ["data/a_very_long_name", "x"]
        );
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn numbers_are_grouped_and_counted() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(1000, "file"), "1,000 files");
    }

    #[test]
    fn durations_rates_and_shares_read_well() {
        assert_eq!(duration(432), "432 ms");
        assert_eq!(duration(8000), "8 s");
        assert_eq!(duration(192_000), "3 min 12 s");
        assert_eq!(duration(7_500_000), "2 h 5 min");
        assert_eq!(rate(3000, 1500), Some(2000));
        assert_eq!(rate(3000, 0), None);
        assert_eq!(percent(3, 124).as_deref(), Some("2.4 %"));
        assert_eq!(percent(0, 0), None);
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(timestamp(1_767_225_600_007), "2026-01-01T00:00:00.007Z");
    }
}
