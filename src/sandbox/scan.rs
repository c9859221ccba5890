//! JSON values cut out of a stream: an inserted body or an uploaded array may
//! have 100 MB, and only one value of it is held at a time.

use std::io::{self, Read};

/// Why the stream is not what it should be.
#[derive(Debug)]
pub(super) enum ScanError {
    Io(io::Error),
    Syntax(String),
    /// More bytes than are allowed.
    TooLong,
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn syntax<T>(what: impl Into<String>) -> Result<T, ScanError> {
    Err(ScanError::Syntax(what.into()))
}

const STEP: usize = 256 * 1024;

/// Cuts values out of `from`.
#[derive(Debug)]
pub(super) struct Scanner<R> {
    from: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    left: u64,
}

impl<R: Read> Scanner<R> {
    /// Reads at most `cap` bytes.
    pub(super) fn new(from: R, cap: u64) -> Self {
        Self {
            from,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            left: cap + 1,
        }
    }

    /// Reads more; `false` at the end.
    fn fill(&mut self) -> Result<bool, ScanError> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < STEP / 2 {
            self.buffer.resize(self.buffer.len().max(STEP / 2) * 2, 0);
        }
        let count = self.from.read(&mut self.buffer[self.end..])?;
        self.left = self.left.saturating_sub(count as u64);
        if self.left == 0 {
            return Err(ScanError::TooLong);
        }
        self.end += count;
        Ok(count > 0)
    }

    /// The next byte that is no white space, not taken.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, ScanError> {
        loop {
            while self.start < self.end {
                match self.buffer[self.start] {
                    b' ' | b'\t' | b'\n' | b'\r' => self.start += 1,
                    other => return Ok(Some(other)),
                }
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Takes this byte, which must come next.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), ScanError> {
        match self.peek()? {
            Some(next) if next == byte => {
                self.start += 1;
                Ok(())
            }
            Some(next) => syntax(format!(
                "expected `{}`, found `{}`",
                char::from(byte),
                char::from(next)
            )),
            None => syntax(format!("expected `{}`, found the end", char::from(byte))),
        }
    }

    /// Takes this byte if it comes next.
    pub(super) fn take(&mut self, byte: u8) -> Result<bool, ScanError> {
        let next = self.peek()? == Some(byte);
        if next {
            self.start += 1;
        }
        Ok(next)
    }

    /// Takes one value; its inside is for the caller to check.
    pub(super) fn value(&mut self) -> Result<&[u8], ScanError> {
        if self.peek()?.is_none() {
            return syntax("expected a value, found the end");
        }
        let length = self.value_length()?;
        if length == 0 {
            return syntax("expected a value");
        }
        let start = self.start;
        self.start += length;
        Ok(&self.buffer[start..start + length])
    }

    fn value_length(&mut self) -> Result<usize, ScanError> {
        let mut at = 0;
        let mut depth = 0_u32;
        loop {
            let Some(byte) = self.byte_at(at)? else {
                return if depth == 0 {
                    Ok(at)
                } else {
                    syntax("the text ends inside a value")
                };
            };
            match byte {
                b'"' => at = self.string_end(at)?,
                b'{' | b'[' => {
                    depth += 1;
                    at += 1;
                    continue;
                }
                b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => {
                    return Ok(at);
                }
                b'}' | b']' => {
                    depth -= 1;
                    at += 1;
                }
                _ => {
                    at += 1;
                    continue;
                }
            }
            if depth == 0 {
                return Ok(at);
            }
        }
    }

    /// The byte at this offset; `None`: the text has ended.
    fn byte_at(&mut self, at: usize) -> Result<Option<u8>, ScanError> {
        while self.start + at >= self.end {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer[self.start + at]))
    }

    /// From the offset of an opening quote to behind the closing one.
    fn string_end(&mut self, open: usize) -> Result<usize, ScanError> {
        let mut at = open + 1;
        loop {
            let rest = &self.buffer[(self.start + at).min(self.end)..self.end];
            match memchr::memchr2(b'"', b'\\', rest) {
                Some(found) if rest[found] == b'"' => return Ok(at + found + 1),
                Some(found) => at += found + 2,
                None => {
                    at = at.max(self.end - self.start);
                    if !self.fill()? {
                        return syntax("the text ends inside a string");
                    }
                }
            }
        }
    }

    /// Nothing but white space may be left.
    pub(super) fn end(&mut self) -> Result<(), ScanError> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => syntax("there is text behind the end"),
        }
    }

    /// Takes a whole array, value by value; the opening bracket comes next.
    pub(super) fn array<E: From<ScanError>>(
        &mut self,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'[')?;
        if self.take(b']')? {
            return Ok(());
        }
        loop {
            each(self.value()?)?;
            if self.take(b']')? {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Yields one byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            into[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn values(text: &str) -> Result<Vec<String>, ScanError> {
        let mut scanner = Scanner::new(Drip(text.as_bytes()), 1000);
        let mut all = Vec::new();
        scanner.array(|value| {
            all.push(String::from_utf8(value.to_vec()).unwrap());
            Ok::<(), ScanError>(())
        })?;
        scanner.end()?;
        Ok(all)
    }

    #[test]
    fn values_are_cut_whatever_the_reads() {
        let text = r#" [ {"a":"}\"]\\"} , [1,[2]], "x\\" ,12.5,null ] "#;

        assert_eq!(
            values(text).unwrap(),
            [r#"{"a":"}\"]\\"}"#, "[1,[2]]", r#""x\\""#, "12.5", "null"]
        );
        assert!(values("[]").unwrap().is_empty());
    }

    #[test]
    fn broken_text_is_refused() {
        for text in [
            "", "[", "[1", "[1,", "[1,]", "[{]", "[\"a", "[1 2]", "[1] x", "{}",
        ] {
            assert!(matches!(values(text), Err(ScanError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn the_cap_holds() {
        let text = format!("[\"{}\"]", "x".repeat(2000));

        assert!(matches!(values(&text), Err(ScanError::TooLong)));
    }
}
