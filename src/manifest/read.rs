//! Bytes of a manifest or schema file to text, within a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::limits;
use crate::base::KernelFiles;

/// Why a file gives no text.
#[derive(Debug)]
pub(super) enum ReadError {
    Io(io::Error),
    /// How many bytes it has at least.
    TooLarge(u64),
    /// What could be read, with U+FFFD where it is not UTF-8, and where that is.
    NotUtf8 {
        text: String,
        at: usize,
    },
}

/// Reads a file that must be UTF-8; a byte order mark is dropped.
pub(super) fn text(path: &Path) -> Result<String, ReadError> {
    let file = File::open(path).map_err(ReadError::Io)?;
    let metadata = file.metadata().map_err(ReadError::Io)?;
    // Problems quote what they find; `/dev/stdin` and the like are pipes.
    if metadata.is_file() && kernel_files().has(&metadata) {
        let why = "a file of the system's own is no manifest";
        return Err(ReadError::Io(io::Error::new(
            io::ErrorKind::InvalidInput,
            why,
        )));
    }
    let size = metadata.len();
    if size > limits::BYTES {
        return Err(ReadError::TooLarge(size));
    }
    // The file may grow, or be a pipe that states no size.
    stream(file)
}

/// What no manifest and no source may be.
pub fn kernel_files() -> KernelFiles {
    let look = |path: &str| std::fs::metadata(path).ok();
    KernelFiles::of(look("/proc").as_ref(), look("/").as_ref())
}

/// Reads a stream to its end; it must be UTF-8.
pub(super) fn stream(stream: impl Read) -> Result<String, ReadError> {
    let mut bytes = Vec::new();
    stream
        .take(limits::BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(ReadError::Io)?;
    if bytes.len() as u64 > limits::BYTES {
        return Err(ReadError::TooLarge(bytes.len() as u64));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(without_mark(text)),
        Err(error) => Err(ReadError::NotUtf8 {
            at: error.utf8_error().valid_up_to(),
            text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }),
    }
}

fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}
