//! Text as HTML that shows it and does nothing else.

use std::fmt::{self, Write as _};

/// The text of a page: for elements and for quoted attributes. Markup is escaped;
/// what could reverse the reading order or is no character to be seen is spelled out.
/// Line breaks stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Esc<'a>(pub(super) &'a str);

impl fmt::Display for Esc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' => f.write_char('\n')?,
                c if c.is_control() || reorders => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The same, where what stands between backticks is code. An odd one is itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticked<'a>(pub(super) &'a str);

impl fmt::Display for Ticked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((before, code, after)) = split(rest) {
            write!(f, "{}<code>{}</code>", Esc(before), Esc(code))?;
            rest = after;
        }
        Esc(rest).fmt(f)
    }
}

/// What comes before the first text between backticks, it, and what comes after.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (code, after) = rest.split_once('`')?;
    Some((before, code, after))
}

/// The text's first `most` characters, and a mark where something is missing.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let mut cut: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        let text = "</script><img src=x onerror='a(\"b\")'>&amp;";

        assert_eq!(
            Esc(text).to_string(),
            "&lt;/script&gt;&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;&amp;amp;"
        );
    }

    #[test]
    fn a_text_cannot_reverse_its_line_or_hide() {
        assert_eq!(
            Esc("a\u{202e}b\u{0}c\nd\r\u{1b}é").to_string(),
            "a\\u{202e}b\\u{0}c\nd\\r\\u{1b}é"
        );
    }

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_else_is() {
        assert_eq!(
            Ticked("say `a: <b>` or `c`, not ` <i>").to_string(),
            "say <code>a: &lt;b&gt;</code> or <code>c</code>, not ` &lt;i&gt;"
        );
    }

    #[test]
    fn long_texts_are_cut_at_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü…");
    }
}
