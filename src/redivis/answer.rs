//! An answer that was read to its end, and where its body goes.

use std::io::{self, Read, Seek, SeekFrom, Write};

use serde::de::DeserializeOwned;
use tempfile::SpooledTempFile;

use crate::base::Md5Digest;
use crate::base::digest::Md5Hasher;

use super::limits::{ANSWER_CAP, LISTING_CAP, LISTING_IN_MEMORY};
use super::wire::WireError;

/// Status, headers and body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Headers,
    /// Empty when the body went to a spool.
    pub(super) body: Vec<u8>,
    /// Bytes of the body.
    pub(super) received: u64,
    /// Whether the answer said where it ends. If not, an early end looks like one.
    pub(super) is_framed: bool,
}

impl Answer {
    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// Headers, found by name whatever the case.
#[derive(Debug, Default)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(super) fn new(pairs: impl Iterator<Item = (String, String)>) -> Self {
        Self(pairs.collect())
    }

    /// The first value of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(one, _)| one.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// All values of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(|(one, _)| one.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// A value that is a whole number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.trim().parse().ok()
    }
}

/// Where the body of a good answer goes; that of a bad one stays in memory.
#[derive(Debug)]
pub(super) enum Sink<'a> {
    Memory,
    Spool(&'a mut Spool),
    /// Only what it amounts to is kept.
    Digest(&'a mut ContentDigest),
}

impl Sink<'_> {
    pub(super) fn cap(&self) -> u64 {
        match self {
            Self::Memory => ANSWER_CAP,
            Self::Spool(_) => LISTING_CAP,
            Self::Digest(_) => u64::MAX,
        }
    }

    /// Takes a piece of a good answer; `false`: it belongs in memory.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<bool> {
        match self {
            Self::Memory => return Ok(false),
            Self::Spool(spool) => spool.write_all(bytes)?,
            Self::Digest(digest) => digest.update(bytes),
        }
        Ok(true)
    }

    /// Forgets what an earlier attempt wrote.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        match self {
            Self::Memory => Ok(()),
            Self::Spool(spool) => spool.reset(),
            Self::Digest(digest) => {
                digest.reset();
                Ok(())
            }
        }
    }
}

/// The digest of content that comes in several answers. An answer that breaks
/// off is forgotten; those before it stay.
#[derive(Debug)]
pub(super) struct ContentDigest {
    kept: (Md5Hasher, u64),
    now: (Md5Hasher, u64),
}

impl ContentDigest {
    pub(super) fn new() -> Self {
        Self {
            kept: (Md5Hasher::new(), 0),
            now: (Md5Hasher::new(), 0),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.now.0.update(bytes);
        self.now.1 += bytes.len() as u64;
    }

    fn reset(&mut self) {
        self.now = self.kept.clone();
    }

    /// The answer came whole.
    pub(super) fn keep(&mut self) {
        self.kept = self.now.clone();
    }

    /// Bytes of whole answers.
    pub(super) fn bytes(&self) -> u64 {
        self.kept.1
    }

    pub(super) fn finish(self) -> (u64, Md5Digest) {
        (self.kept.1, self.kept.0.finish())
    }
}

/// A body that may be large: in memory at first, then in an unnamed temporary
/// file. It makes a listing that breaks off repeatable, and never a short list.
#[derive(Debug)]
pub(super) struct Spool {
    file: SpooledTempFile,
}

impl Spool {
    pub(super) fn new() -> Self {
        Self {
            file: SpooledTempFile::new(LISTING_IN_MEMORY),
        }
    }

    fn reset(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0)).map(drop)
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Read for Spool {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read(buf)
    }
}

impl Seek for Spool {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
