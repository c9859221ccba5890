//! Bytes on disk. Small bodies share one append-only file, since a file of its
//! own costs more than its bytes; larger ones, and those of resumable sessions,
//! have their own. Nothing is held in memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::body::Body;
use super::limits;
use crate::base::Md5Digest;
use crate::base::digest::Md5Hasher;

/// Where a body's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum BodyRef {
    Empty,
    Packed { offset: u64, bytes: u64 },
    File { name: String, bytes: u64 },
}

impl BodyRef {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Packed { bytes, .. } | Self::File { bytes, .. } => *bytes,
        }
    }
}

/// The folder of bodies.
#[derive(Debug)]
pub(super) struct Bodies {
    folder: PathBuf,
    pack: Arc<File>,
    pack_end: AtomicU64,
    /// Files of their own get their lengths and no content.
    pub(super) is_hollow: bool,
}

/// A file that only its owner may read.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

impl Bodies {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let pack = private(&mut options).open(folder.join("small.pack"))?;
        let end = pack.metadata()?.len();
        Ok(Self {
            folder: folder.to_owned(),
            pack: Arc::new(pack),
            pack_end: AtomicU64::new(end),
            is_hollow: false,
        })
    }

    /// Stores a whole request body under a name that nobody has used.
    pub(super) fn store(
        &self,
        body: &mut Body<'_>,
        name: String,
    ) -> io::Result<(BodyRef, Md5Digest)> {
        match body.stated() {
            Some(bytes) if bytes <= limits::MAX_PACKED => {
                let mut held = vec![0; usize::try_from(bytes).unwrap_or_default()];
                body.read_exact(&mut held)?;
                self.pack(&held)
            }
            Some(_) | None => self.store_file(body, name),
        }
    }

    /// Stores bytes that are at hand.
    pub(super) fn pack(&self, bytes: &[u8]) -> io::Result<(BodyRef, Md5Digest)> {
        let digest = Md5Digest::of(bytes);
        if bytes.is_empty() {
            return Ok((BodyRef::Empty, digest));
        }
        let length = bytes.len() as u64;
        let offset = self.pack_end.fetch_add(length, Ordering::Relaxed);
        self.pack.write_all_at(bytes, offset)?;
        let body = BodyRef::Packed {
            offset,
            bytes: length,
        };
        Ok((body, digest))
    }

    /// Stores what a reader yields as a file of its own.
    pub(super) fn store_file(
        &self,
        from: &mut impl Read,
        name: String,
    ) -> io::Result<(BodyRef, Md5Digest)> {
        let file = self.create(&name)?;
        let mut buffer = vec![0; limits::BODY_BUFFER];
        let mut hasher = Md5Hasher::new();
        let mut written = 0;
        loop {
            let count = from.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            self.write(&file, &buffer[..count], written)?;
            written += count as u64;
        }
        let digest = hasher.finish();
        if written == 0 {
            self.remove_file(&name);
            return Ok((BodyRef::Empty, digest));
        }
        let body = BodyRef::File {
            name,
            bytes: written,
        };
        Ok((body, digest))
    }

    /// Adds bytes to a file of its own.
    pub(super) fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.is_hollow {
            return file.set_len(at + bytes.len() as u64);
        }
        file.write_all_at(bytes, at)
    }

    /// A new file for bytes that come piece by piece.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options).open(self.folder.join(name))
    }

    /// Bytes in such a file; 0 when there is none.
    pub(super) fn length(&self, name: &str) -> u64 {
        std::fs::metadata(self.folder.join(name)).map_or(0, |metadata| metadata.len())
    }

    /// Reads `bytes` bytes of a body from `from` on.
    pub(super) fn reader(&self, body: &BodyRef, from: u64, bytes: u64) -> io::Result<BodyReader> {
        let (file, at) = match body {
            BodyRef::Empty => (Arc::clone(&self.pack), 0),
            BodyRef::Packed { offset, .. } => (Arc::clone(&self.pack), offset + from),
            BodyRef::File { name, .. } => (Arc::new(File::open(self.folder.join(name))?), from),
        };
        Ok(BodyReader {
            file,
            at,
            left: bytes.min(body.len().saturating_sub(from)),
        })
    }

    /// The MD5 of a file of its own, up to `bytes`.
    pub(super) fn digest(&self, name: &str, bytes: u64) -> io::Result<Md5Hasher> {
        let whole = BodyRef::File {
            name: name.to_owned(),
            bytes,
        };
        let mut reader = self.reader(&whole, 0, bytes)?;
        let mut hasher = Md5Hasher::new();
        let mut buffer = vec![0; limits::BODY_BUFFER];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(hasher),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    /// Changes the first byte, as a failing disk would.
    pub(super) fn damage(&self, body: &BodyRef) -> io::Result<()> {
        let mut byte = [0];
        match body {
            BodyRef::Empty => Ok(()),
            BodyRef::Packed { offset, .. } => {
                self.pack.read_exact_at(&mut byte, *offset)?;
                self.pack.write_all_at(&[!byte[0]], *offset)
            }
            BodyRef::File { name, .. } => {
                let file = self.create(name)?;
                file.read_exact_at(&mut byte, 0)?;
                file.write_all_at(&[!byte[0]], 0)
            }
        }
    }

    /// Removes a file; a packed body stays where it is.
    pub(super) fn remove(&self, body: &BodyRef) {
        if let BodyRef::File { name, .. } = body {
            self.remove_file(name);
        }
    }

    pub(super) fn remove_file(&self, name: &str) {
        // A file that stays costs space only, and is found at the next start.
        drop(std::fs::remove_file(self.folder.join(name)));
    }

    /// Removes every file that `keeps` does not know.
    pub(super) fn sweep(&self, keeps: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name != "small.pack" && !keeps(&name) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The same bodies, to be read only.
    pub(super) fn over(folder: &Path, pack: Arc<File>) -> Self {
        Self {
            folder: folder.to_owned(),
            pack,
            pack_end: AtomicU64::new(u64::MAX),
            is_hollow: false,
        }
    }

    /// The file of small bodies.
    pub(super) fn shared(&self) -> Arc<File> {
        Arc::clone(&self.pack)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A piece of a stored body.
#[derive(Debug)]
pub(super) struct BodyReader {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for BodyReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let want = into
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let count = self.file.read_at(&mut into[..want], self.at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
