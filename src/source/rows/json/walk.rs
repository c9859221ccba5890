//! Walks JSON text without building values: it checks the whole grammar and
//! hands out slices. What is wrong is told by its offset.

use crate::source::JsonProblem;
use crate::source::rows::convert::{JsonValue, hex_unit, string_stop};

/// How deep values may be nested.
const MAX_DEPTH: usize = 128;

/// A place where the text is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Offset in the text given.
    pub(crate) at: usize,
    pub(crate) why: JsonProblem,
}

/// A position in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walker<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

/// A key, between its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) escaped: bool,
    pub(crate) at: usize,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// Where it stands.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The text from an earlier place to here.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.text[start..self.at]
    }

    /// The next byte that is not white space.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), Flaw> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.flaw(JsonProblem::TrailingText)),
        }
    }

    /// Goes over the bracket that opens an object or an array.
    pub(crate) fn enter(&mut self) -> Result<(), Flaw> {
        if self.depth == MAX_DEPTH {
            return Err(self.flaw(JsonProblem::TooDeep { limit: MAX_DEPTH }));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// The next key of the object entered, standing before its value; `None`
    /// after the last, with the object left.
    pub(crate) fn next_key(&mut self, first: bool) -> Result<Option<Key<'a>>, Flaw> {
        if !self.next_member(first, b'}', "`,` or `}`")? {
            return Ok(None);
        }
        let at = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let (raw, escaped) = self.string()?;
        if self.peek() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        Ok(Some(Key { raw, escaped, at }))
    }

    /// Whether the array entered has another element, standing before it; after
    /// the last the array is left.
    pub(crate) fn next_element(&mut self, first: bool) -> Result<bool, Flaw> {
        self.next_member(first, b']', "`,` or `]`")
    }

    fn next_member(
        &mut self,
        first: bool,
        close: u8,
        expected: &'static str,
    ) -> Result<bool, Flaw> {
        let next = self.peek();
        if next == Some(close) {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if !first {
            if next != Some(b',') {
                return Err(self.unexpected(expected));
            }
            let comma = self.at;
            self.at += 1;
            if self.peek() == Some(close) {
                return Err(Flaw {
                    at: comma,
                    why: JsonProblem::TrailingComma,
                });
            }
        }
        Ok(true)
    }

    /// Any value, checked to its end.
    pub(crate) fn value(&mut self) -> Result<JsonValue<'a>, Flaw> {
        let next = self.peek();
        let start = self.at;
        match next {
            Some(b'"') => {
                let (raw, escaped) = self.string()?;
                Ok(JsonValue::String { raw, escaped })
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Ok(JsonValue::Number(self.since(start)))
            }
            Some(b't') => self.word(b"true", JsonValue::True),
            Some(b'f') => self.word(b"false", JsonValue::False),
            Some(b'n') => self.word(b"null", JsonValue::Null),
            Some(b'{') => {
                self.enter()?;
                let mut first = true;
                while self.next_key(first)?.is_some() {
                    first = false;
                    self.value()?;
                }
                Ok(JsonValue::Nested(self.since(start)))
            }
            Some(b'[') => {
                self.enter()?;
                let mut first = true;
                while self.next_element(first)? {
                    first = false;
                    self.value()?;
                }
                Ok(JsonValue::Nested(self.since(start)))
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn word(&mut self, word: &'static [u8], value: JsonValue<'a>) -> Result<JsonValue<'a>, Flaw> {
        let rest = &self.text[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        if word.starts_with(rest) {
            self.at = self.text.len();
        }
        Err(self.unexpected("a value"))
    }

    fn number(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        if self.here() == Some(b'-') {
            self.at += 1;
            if self.here() == Some(b'I') {
                return Err(self.unexpected("a digit"));
            }
        }
        match self.here() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            None => return Err(self.flaw(JsonProblem::EndsEarly)),
            Some(_) => return Err(self.bad_number(start)),
        }
        if self.here() == Some(b'.') {
            self.at += 1;
            self.some_digits(start)?;
        }
        if matches!(self.here(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.here(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits(start)?;
        }
        // `007` and `1x` are not two values side by side.
        match self.here() {
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'.' => {
                Err(self.bad_number(start))
            }
            _ => Ok(()),
        }
    }

    fn digits(&mut self) {
        while self.here().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, start: usize) -> Result<(), Flaw> {
        match self.here() {
            Some(b'0'..=b'9') => {
                self.digits();
                Ok(())
            }
            Some(_) => Err(self.bad_number(start)),
            None => Err(self.flaw(JsonProblem::EndsEarly)),
        }
    }

    /// A string; answers what is between its quotes, and whether that has a
    /// backslash.
    fn string(&mut self) -> Result<(&'a [u8], bool), Flaw> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.text[self.at..];
            let Some(stop) = string_stop(rest) else {
                self.at = self.text.len();
                return Err(self.flaw(JsonProblem::EndsEarly));
            };
            self.at += stop;
            match rest[stop] {
                b'"' => {
                    let raw = self.since(start);
                    self.at += 1;
                    return Ok((raw, escaped));
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.flaw(JsonProblem::ControlCharacter)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                return Ok(());
            }
            Some(b'u') => {}
            Some(_) => return Err(self.flaw(JsonProblem::BadEscape)),
            None => {
                self.at = self.text.len();
                return Err(self.flaw(JsonProblem::EndsEarly));
            }
        }
        let unit = self.unit()?;
        match unit {
            0xd800..=0xdbff => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                if b"\\u".starts_with(rest) && rest.len() < 2 {
                    self.at = self.text.len();
                    return Err(self.flaw(JsonProblem::EndsEarly));
                }
                let low = if rest.starts_with(b"\\u") {
                    self.unit()?
                } else {
                    0
                };
                if !(0xdc00..=0xdfff).contains(&low) {
                    self.at = start;
                    return Err(self.flaw(JsonProblem::LoneSurrogate));
                }
            }
            0xdc00..=0xdfff => {
                self.at = start;
                return Err(self.flaw(JsonProblem::LoneSurrogate));
            }
            _ => {}
        }
        Ok(())
    }

    /// `\u` and four digits.
    fn unit(&mut self) -> Result<u16, Flaw> {
        let digits = self.text.get(self.at + 2..self.at + 6);
        match digits.map(hex_unit) {
            Some(Some(unit)) => {
                self.at += 6;
                Ok(unit)
            }
            Some(None) => Err(self.flaw(JsonProblem::BadEscape)),
            None if !self.has_only_digits_left() => Err(self.flaw(JsonProblem::BadEscape)),
            None => {
                self.at = self.text.len();
                Err(self.flaw(JsonProblem::EndsEarly))
            }
        }
    }

    /// Whether the text ends in the digits of the escape here.
    fn has_only_digits_left(&self) -> bool {
        let digits = self.text.get(self.at + 2..).unwrap_or_default();
        digits.iter().all(u8::is_ascii_hexdigit)
    }

    fn here(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn bad_number(&mut self, start: usize) -> Flaw {
        self.at = start;
        self.flaw(JsonProblem::BadNumber)
    }

    fn flaw(&self, why: JsonProblem) -> Flaw {
        Flaw { at: self.at, why }
    }

    /// The text does not go on as the grammar wants.
    pub(crate) fn unexpected(&self, expected: &'static str) -> Flaw {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return self.flaw(JsonProblem::EndsEarly);
        }
        if [b"NaN".as_slice(), b"Infinity", b"nan", b"inf"]
            .iter()
            .any(|word| rest.starts_with(word))
        {
            return self.flaw(JsonProblem::NotANumber);
        }
        let head = String::from_utf8_lossy(&rest[..rest.len().min(4)]);
        let found = match head.chars().next() {
            Some(c) if c.is_control() => format!("`{}`", c.escape_default()),
            Some(c) => format!("`{c}`"),
            None => "nothing".to_owned(),
        };
        self.flaw(JsonProblem::Unexpected { expected, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(text: &str) -> (usize, JsonProblem) {
        let mut walker = Walker::new(text.as_bytes());
        let error = walker
            .value()
            .and_then(|_| walker.end())
            .expect_err("the text is bad");
        (error.at, error.why)
    }

    #[test]
    fn it_agrees_with_serde_json_on_good_text() {
        for text in [
            "null",
            " true ",
            "[]",
            "{}",
            r#"{"a":[1,-0,0.5e-3,1E+9,{"b":null}],"":"\u00e9\ud83d\ude00\n\/"}"#,
            r#""é😀""#,
            "12345678901234567890123456789",
        ] {
            let mut walker = Walker::new(text.as_bytes());
            assert!(walker.value().is_ok() && walker.end().is_ok(), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
        }
    }

    #[test]
    fn each_flaw_has_its_place() {
        let unexpected = |expected, found: &str| JsonProblem::Unexpected {
            expected,
            found: found.to_owned(),
        };
        for (text, at, why) in [
            ("", 0, JsonProblem::EndsEarly),
            (r#"{"a":1"#, 6, JsonProblem::EndsEarly),
            (r#"{"a":"x"#, 7, JsonProblem::EndsEarly),
            (r#"{"a":tr"#, 7, JsonProblem::EndsEarly),
            (r#"["\ud8"#, 6, JsonProblem::EndsEarly),
            ("[1,]", 2, JsonProblem::TrailingComma),
            (r#"{"a":1,}"#, 6, JsonProblem::TrailingComma),
            ("[NaN]", 1, JsonProblem::NotANumber),
            ("[-Infinity]", 2, JsonProblem::NotANumber),
            ("[007]", 1, JsonProblem::BadNumber),
            ("[1.]", 1, JsonProblem::BadNumber),
            ("[.5]", 1, unexpected("a value", "`.`")),
            ("[+1]", 1, unexpected("a value", "`+`")),
            ("['a']", 1, unexpected("a value", "`'`")),
            ("{a:1}", 1, unexpected("a key in double quotes", "`a`")),
            (r#"{"a" 1}"#, 5, unexpected("`:`", "`1`")),
            (r#"{"a":1 "b":2}"#, 7, unexpected("`,` or `}`", "`\"`")),
            ("[\"\t\"]", 2, JsonProblem::ControlCharacter),
            (r#"["\x"]"#, 2, JsonProblem::BadEscape),
            (r#"["\u12g4"]"#, 2, JsonProblem::BadEscape),
            (r#"["\ud800"]"#, 2, JsonProblem::LoneSurrogate),
            (r#"["\udc00"]"#, 2, JsonProblem::LoneSurrogate),
            (r#"["\ud800\u0041"]"#, 2, JsonProblem::LoneSurrogate),
            ("{} {}", 3, JsonProblem::TrailingText),
        ] {
            assert_eq!(flaw(text), (at, why), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err());
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let good = format!("{}{}", "[".repeat(128), "]".repeat(128));
        let bad = "[".repeat(100_000);

        assert!(Walker::new(good.as_bytes()).value().is_ok());
        assert_eq!(flaw(&bad), (128, JsonProblem::TooDeep { limit: 128 }));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(5_000))]

        #[test]
        fn it_agrees_with_serde_json_on_any_text(
            text in r#"[\[\]{}:,"\\ua0-9.eE+ tn-]{0,12}"#,
            wrap in proptest::prelude::any::<bool>(),
        ) {
            let text = if wrap { format!("[{text}]") } else { text };
            let mut walker = Walker::new(text.as_bytes());
            let ours = walker.value().and_then(|_| walker.end());
            match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(_) => proptest::prop_assert_eq!(ours, Ok(())),
                // A literal may be good JSON and too large for a double.
                Err(error) if error.to_string().contains("out of range") => {}
                Err(_) => proptest::prop_assert!(ours.is_err()),
            }
        }
    }
}
