//! `multipart/form-data`, read as it comes: the metadata is small and held, the
//! content is passed on. Parts are found by their names (contract 6.3).

use std::io::{self, Read};

use memchr::memmem;

/// Reads the parts of a body.
#[derive(Debug)]
pub(super) struct Parts<R> {
    from: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    eof: bool,
    delimiter: Vec<u8>,
}

const STEP: usize = 256 * 1024;
const MAX_PART_HEAD: usize = 16 * 1024;

/// The boundary of a `Content-Type` header.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    rest.split(';').find_map(|field| {
        let (name, value) = field.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim().trim_matches('"').to_owned())
    })
}

impl<R: Read> Parts<R> {
    pub(super) fn new(from: R, boundary: &str) -> Self {
        // The first boundary has no line before it; lend it one.
        Self {
            from,
            buffer: b"\r\n".to_vec(),
            start: 0,
            end: 2,
            eof: false,
            delimiter: format!("\r\n--{boundary}").into_bytes(),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < self.end + STEP {
            self.buffer.resize(self.end + STEP, 0);
        }
        let count = self.from.read(&mut self.buffer[self.end..])?;
        self.eof = count == 0;
        self.end += count;
        Ok(())
    }

    fn held(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Goes to the next part and answers its name; `None` at the end. What is
    /// left of the present part is dropped.
    pub(super) fn next_part(&mut self) -> io::Result<Option<String>> {
        io::copy(&mut self.content(), &mut io::sink())?;
        self.start += self.delimiter.len();
        loop {
            if self.held().starts_with(b"--") {
                io::copy(&mut self.from, &mut io::sink())?;
                return Ok(None);
            }
            if let Some(length) = memmem::find(self.held(), b"\r\n\r\n") {
                if length > MAX_PART_HEAD {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let name = part_name(&String::from_utf8_lossy(&self.held()[..length]));
                // An empty part's delimiter may use the head's last line break.
                self.start += length + 2;
                while !self.eof
                    && self.held().len() < self.delimiter.len()
                    && self.delimiter.starts_with(self.held())
                {
                    self.fill()?;
                }
                if !self.held().starts_with(&self.delimiter) {
                    self.start += 2;
                }
                return Ok(Some(name));
            }
            if self.eof || self.held().len() > MAX_PART_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.fill()?;
        }
    }

    /// The present part's content.
    pub(super) fn content(&mut self) -> Content<'_, R> {
        Content { parts: self }
    }
}

fn part_name(head: &str) -> String {
    head.lines()
        .filter(|line| {
            line.to_ascii_lowercase()
                .starts_with("content-disposition:")
        })
        .flat_map(|line| line.split(';'))
        .find_map(|field| {
            let (name, value) = field.split_once('=')?;
            (name.trim() == "name").then(|| value.trim().trim_matches('"').to_owned())
        })
        .unwrap_or_default()
}

/// Reads up to the next delimiter.
#[derive(Debug)]
pub(super) struct Content<'p, R> {
    parts: &'p mut Parts<R>,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let parts = &mut *self.parts;
            let found = memmem::find(parts.held(), &parts.delimiter);
            // A delimiter may begin in the last bytes.
            let safe = match found {
                Some(at) => at,
                None => (parts.held().len() + 1).saturating_sub(parts.delimiter.len()),
            };
            if safe > 0 {
                let count = safe.min(into.len());
                into[..count].copy_from_slice(&parts.held()[..count]);
                parts.start += count;
                return Ok(count);
            }
            if found.is_some() {
                return Ok(0);
            }
            if parts.eof {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            parts.fill()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--xx\r\nContent-Disposition: form-data; name=\"metadata\"; filename=\"metadata\"\r\n\r\n{\"a\":1}\r\n--xx\r\nContent-Disposition: form-data; name=\"data\"; filename=\"f.csv\"\r\nContent-Type: text/csv\r\n\r\na\r\n--x\r\n1\r\n--xx\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--xx--\r\n";

    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn parts_are_found_by_name_whatever_the_reads() {
        for step in [1, 7, 10_000] {
            let mut parts = Parts::new(Drip(BODY.as_bytes(), step), "xx");
            let mut found = Vec::new();
            while let Some(name) = parts.next_part().unwrap() {
                let mut text = String::new();
                parts.content().read_to_string(&mut text).unwrap();
                found.push((name, text));
            }

            assert_eq!(
                found,
                [
                    ("metadata".to_owned(), "{\"a\":1}".to_owned()),
                    ("data".to_owned(), "a\r\n--x\r\n1".to_owned()),
                    ("empty".to_owned(), String::new()),
                ],
                "{step}"
            );
        }
    }

    /// The reads decided whether the delimiter was seen.
    #[test]
    fn an_empty_part_without_a_line_of_its_own_is_empty_whatever_the_reads() {
        let body = "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--xx--";
        for step in [1, 2, 7, 10_000] {
            let mut parts = Parts::new(Drip(body.as_bytes(), step), "xx");
            assert_eq!(parts.next_part().unwrap().as_deref(), Some("a"), "{step}");
            let mut content = Vec::new();
            parts.content().read_to_end(&mut content).unwrap();
            assert_eq!(content, b"");
            assert_eq!(parts.next_part().unwrap(), None);
        }
    }

    #[test]
    fn a_head_that_is_too_long_is_an_error_whatever_the_reads() {
        let head = "x".repeat(MAX_PART_HEAD + 1);
        let body = format!("--xx\r\n{head}\r\n\r\na\r\n--xx--");
        for step in [1, 10_000, usize::MAX] {
            let mut parts = Parts::new(Drip(body.as_bytes(), step), "xx");
            assert!(parts.next_part().is_err(), "{step}");
        }
    }

    #[test]
    fn a_body_that_ends_early_is_an_error() {
        for end in 0..BODY.len() - 4 {
            let mut parts = Parts::new(&BODY.as_bytes()[..end], "xx");
            let outcome = loop {
                match parts.next_part() {
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            assert!(outcome.is_err(), "{end}");
        }
    }

    #[test]
    fn boundaries_are_read_quoted_or_not() {
        assert_eq!(
            boundary("multipart/form-data; boundary=\"a b\""),
            Some("a b".into())
        );
        assert_eq!(
            boundary("Multipart/Form-Data; charset=x; boundary=ab"),
            Some("ab".into())
        );
        assert_eq!(boundary("application/json"), None);
    }
}
