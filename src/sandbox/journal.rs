//! The log of effects on disk: one JSON line each, written with one call before
//! the request is answered, so that a killed process loses nothing it has
//! acknowledged. The last line may be torn; it is cut off.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::bodies::private;
use super::records::Effect;

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk.
    #[error("cannot read or write the sandbox's log `{path}`")]
    Io {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line in the middle that is no effect.
    #[error("line {line} of the sandbox's log `{path}` is damaged")]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
}

/// The log, open at its end.
#[derive(Debug)]
pub(super) struct Journal {
    file: Mutex<File>,
}

impl Journal {
    /// Replays the log, and opens it for more.
    pub(super) fn open(
        path: &Path,
        mut replay: impl FnMut(Effect),
    ) -> Result<(Self, u64), JournalError> {
        let io = |source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = private(&mut options).open(path).map_err(io)?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut text = Vec::new();
        let (mut line, mut good) = (0, 0);
        let mut bad: Option<serde_json::Error> = None;
        loop {
            text.clear();
            let count = reader.read_until(b'\n', &mut text).map_err(io)?;
            if count == 0 {
                break;
            }
            if let Some(source) = bad {
                return Err(JournalError::Damaged {
                    path: path.to_owned(),
                    line,
                    source,
                });
            }
            line += 1;
            if text.last() != Some(&b'\n') {
                break;
            }
            match serde_json::from_slice(&text) {
                Ok(effect) => {
                    replay(effect);
                    good += count as u64;
                }
                Err(source) => bad = Some(source),
            }
        }
        let file = reader.into_inner();
        file.set_len(good).map_err(io)?;
        let journal = Self {
            file: Mutex::new(file),
        };
        Ok((journal, line))
    }

    /// Writes a new log with these effects in the place of the old one.
    pub(super) fn compact(
        path: &Path,
        effects: impl FnOnce(&mut dyn FnMut(&Effect) -> io::Result<()>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let fresh = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let file = private(&mut options).open(&fresh)?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        effects(&mut |effect| {
            serde_json::to_writer(&mut writer, effect)?;
            writer.write_all(b"\n")
        })?;
        let file = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        Ok(Self {
            file: Mutex::new(file),
        })
    }

    /// Appends one effect.
    pub(super) fn append(&self, effect: &Effect) -> io::Result<()> {
        self.lock().write_all(&line(effect)?)
    }

    /// The log's end, to be written to after other locks were let go.
    pub(super) fn lock(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An effect as the log holds it.
pub(super) fn line(effect: &Effect) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(effect)?;
    line.push(b'\n');
    Ok(line)
}
