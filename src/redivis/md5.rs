//! The MD5 of a whole file while its parts are sent, possibly not in order: what
//! was hashed once is not hashed again, what was skipped is read first.
//!
//! Kept apart from the sending, since hashing is the slowest stage of a transfer
//! and will get a thread of its own.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use crate::base::Md5Digest;
use crate::base::digest::Md5Hasher;

use super::body::SourceChanged;

const BUFFER: usize = 256 << 10;

/// An MD5 of a file from its first byte up to `hashed`.
#[derive(Debug, Default)]
pub(super) struct RunningMd5 {
    hasher: Md5Hasher,
    hashed: u64,
}

impl RunningMd5 {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A pass over the file begins at `offset`. From the first byte everything is
    /// hashed anew, so that the digest is of what the last pass sent.
    pub(super) fn start_at(&mut self, offset: u64) {
        if offset == 0 {
            *self = Self::new();
        }
    }

    /// These bytes of the file passed. Those hashed already are left out; bytes
    /// beyond a gap too, since `catch_up` will read them.
    pub(super) fn feed(&mut self, offset: u64, bytes: &[u8]) {
        let Some(known) = self.hashed.checked_sub(offset) else {
            return;
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        if let Some(new) = bytes.get(known..) {
            self.hasher.update(new);
            self.hashed += new.len() as u64;
        }
    }

    /// Reads the file up to `to`, as far as it was not hashed yet.
    pub(super) fn catch_up(&mut self, file: &mut File, to: u64) -> io::Result<()> {
        if self.hashed >= to {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.hashed))?;
        let mut buffer = vec![0; BUFFER];
        while self.hashed < to {
            let left = usize::try_from(to - self.hashed).unwrap_or(usize::MAX);
            let wanted = left.min(BUFFER);
            match file.read(&mut buffer[..wanted]) {
                Ok(0) => return Err(io::Error::other(SourceChanged)),
                Ok(read) => {
                    self.hasher.update(&buffer[..read]);
                    self.hashed += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The digest of everything hashed.
    pub(super) fn finish(self) -> Md5Digest {
        self.hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn bytes_sent_twice_are_hashed_once_and_gaps_are_read() {
        let content: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let mut md5 = RunningMd5::new();

        md5.feed(0, &content[..1000]);
        md5.feed(500, &content[500..1500]);
        md5.feed(3000, &content[3000..4000]);
        md5.catch_up(&mut file, 5000).unwrap();

        assert_eq!(md5.finish(), Md5Digest::of(&content));
    }

    #[test]
    fn a_pass_from_the_first_byte_forgets_what_was_hashed() {
        let mut md5 = RunningMd5::new();

        md5.feed(0, b"abd");
        md5.start_at(1);
        md5.start_at(0);
        md5.feed(0, b"abc");

        assert_eq!(md5.finish(), Md5Digest::of(b"abc"));
    }

    #[test]
    fn a_file_that_shrank_is_not_hashed_to_an_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();

        assert!(RunningMd5::new().catch_up(&mut file, 4).is_err());
    }
}
