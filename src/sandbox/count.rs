//! How many rows a body of inserted rows has, without reading them: for
//! measurements.

use std::io::{self, Read};

use super::limits;

/// What every object begins with. Inside a JSON string its quote has a backslash; only
/// a string that ends in a brace looks like it.
const BEGINS: &[u8] = br#"{""#;

/// Reads a body to its end: `{"rows": [...]}` of flat objects with at least one
/// key each, whose texts do not end in a brace.
pub(super) fn count_rows(body: &mut impl Read) -> io::Result<u64> {
    let mut buffer = vec![0; limits::BODY_BUFFER];
    let mut objects = 0_u64;
    let mut is_open = false;
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => &buffer[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        objects += u64::from(is_open && read.starts_with(b"\""));
        objects += memchr::memmem::find_iter(read, BEGINS).count() as u64;
        is_open = read.ends_with(b"{");
    }
    // The envelope is one too.
    Ok(objects.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out so many bytes at a time.
    struct Steps<'a>(&'a [u8], usize);

    impl Read for Steps<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn rows_are_counted_wherever_the_body_is_divided() {
        let body = br#"{"rows":[{"a":"{\"b\":1},{."},{"a":null}, {"a":2}]}"#;
        for step in [1, 2, 3, 7, 1000] {
            assert_eq!(count_rows(&mut Steps(body, step)).unwrap(), 3, "{step}");
        }
    }
}
