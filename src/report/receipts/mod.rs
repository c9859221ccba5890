//! The receipts folder: `receipts.ndjson`, and beside it what makes the folder a
//! bag (RFC 8493) whose payload is on the platform. It is updated as a whole: the
//! old lines and the new ones are merged, and each file is replaced in one step.

mod bag;
mod sorter;
mod stays;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::bag::{Bag, Tag};
pub use self::sorter::ReceiptSorter;
pub use self::stays::StillThere;
use super::style::timestamp;
use crate::base::CancelToken;
use crate::plan::{RECEIPTS_FORMAT, Receipt};

const NAME: &str = "receipts.ndjson";

/// Whose receipts they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptsOwner {
    /// The manifest's name.
    pub manifest: String,
    /// The API as it is shown.
    pub endpoint: String,
    /// The API's address, for files to be fetched from.
    pub address: String,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Receipts that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptsError {
    /// There are none.
    #[error("there are no receipts in `{0}`")]
    None(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot use `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("line {line} of `{path}` is not valid")]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// The last line is missing, or tells another number.
    #[error("`{0}` is not complete")]
    Incomplete(PathBuf),
    /// Written by a newer version of this program.
    #[error("the receipts have format {0}, and this program knows {RECEIPTS_FORMAT}")]
    Format(u32),
    /// They are of something else.
    #[error("the receipts in the folder are of {what} `{theirs}`, and this is `{ours}`")]
    Other {
        /// `manifest` or `endpoint`.
        what: &'static str,
        /// In the folder.
        theirs: String,
        /// Here.
        ours: String,
    },
    /// Asked to stop while another run used the folder.
    #[error("another run uses the receipts folder `{0}`")]
    Busy(PathBuf),
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ReceiptsError + use<> {
    let path = path.to_owned();
    move |source| ReceiptsError::Io { path, source }
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    format_version: u32,
    manifest: String,
    endpoint: String,
    written_at: String,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    receipt: &'a Receipt,
}

#[derive(Debug, Serialize, Deserialize)]
struct Tail {
    #[serde(rename = "type")]
    kind: String,
    receipts: u64,
}

/// Reads a folder's receipts, in order.
#[derive(Debug)]
pub struct ReceiptReader {
    path: PathBuf,
    lines: BufReader<File>,
    line: usize,
    count: u64,
}

impl ReceiptReader {
    /// Opens a folder's receipts; they must be this owner's.
    pub fn open(folder: &Path, owner: &ReceiptsOwner) -> Result<Self, ReceiptsError> {
        let path = folder.join(NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReceiptsError::None(folder.to_owned()));
            }
            Err(error) => return Err(failed(&path)(error)),
        };
        let mut reader = Self {
            lines: BufReader::new(file),
            path,
            line: 0,
            count: 0,
        };
        let text = reader.read_line()?;
        let head: Head = serde_json::from_str(&text).map_err(|error| reader.bad(error))?;
        if head.format_version != RECEIPTS_FORMAT {
            return Err(ReceiptsError::Format(head.format_version));
        }
        for (what, theirs, ours) in [
            ("manifest", &head.manifest, &owner.manifest),
            ("endpoint", &head.endpoint, &owner.endpoint),
        ] {
            if theirs != ours {
                return Err(ReceiptsError::Other {
                    what,
                    theirs: theirs.clone(),
                    ours: ours.clone(),
                });
            }
        }
        Ok(reader)
    }

    /// The next one.
    pub fn next_receipt(&mut self) -> Result<Option<Receipt>, ReceiptsError> {
        let text = self.read_line()?;
        if text.is_empty() {
            return Err(ReceiptsError::Incomplete(self.path.clone()));
        }
        if text.starts_with(r#"{"type":"end""#) {
            let tail: Tail = serde_json::from_str(&text).map_err(|error| self.bad(error))?;
            return if tail.receipts == self.count {
                Ok(None)
            } else {
                Err(ReceiptsError::Incomplete(self.path.clone()))
            };
        }
        let receipt = serde_json::from_str(&text).map_err(|error| self.bad(error))?;
        self.count += 1;
        Ok(Some(receipt))
    }

    fn read_line(&mut self) -> Result<String, ReceiptsError> {
        let mut text = String::new();
        self.line += 1;
        self.lines
            .read_line(&mut text)
            .map_err(failed(&self.path))?;
        Ok(text)
    }

    fn bad(&self, source: serde_json::Error) -> ReceiptsError {
        ReceiptsError::Line {
            path: self.path.clone(),
            line: self.line,
            source,
        }
    }
}

/// What becomes of receipts when new ones come.
#[derive(Clone, Copy)]
pub struct MergeRules<'a> {
    /// Whether an old one stays that no new one replaces.
    pub stays: &'a dyn Fn(&Receipt) -> bool,
    /// The version that a new one of a table was seen in.
    pub version_of: &'a dyn Fn(&str) -> String,
}

impl fmt::Debug for MergeRules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeRules").finish_non_exhaustive()
    }
}

/// Merges new receipts into a folder, which is made if need be. New ones take the
/// place of old ones of the same thing. Answers how many there are now.
pub fn update_receipts(
    folder: &Path,
    owner: &ReceiptsOwner,
    new: ReceiptSorter,
    rules: MergeRules<'_>,
    cancel: &CancelToken,
) -> Result<u64, ReceiptsError> {
    std::fs::create_dir_all(folder.join("data")).map_err(failed(folder))?;
    let locked = lock(folder, cancel)?;
    let mut old = match ReceiptReader::open(folder, owner) {
        Ok(reader) => Some(reader),
        Err(ReceiptsError::None(_)) => None,
        Err(error) => return Err(error),
    };
    let mut new = new.finish().map_err(failed(folder))?;
    let io = || failed(&folder.join(NAME));
    let mut lines = Tag::create(folder, NAME).map_err(io())?;
    let mut bag = Bag::create(folder, &owner.address).map_err(io())?;
    let head = Head {
        kind: "receipts".to_owned(),
        format_version: RECEIPTS_FORMAT,
        manifest: owner.manifest.clone(),
        endpoint: owner.endpoint.clone(),
        written_at: timestamp(owner.now_ms),
    };
    lines.json(&head).map_err(io())?;
    let mut count = 0;
    let mut from_old = next_of(&mut old)?;
    let mut from_new = new.next().map_err(io())?;
    loop {
        let order = match (&from_old, &from_new) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(old), Some(new)) => old.key().cmp(&new.key()),
        };
        let is_only_old = order.is_lt();
        let before = if order.is_le() {
            std::mem::replace(&mut from_old, next_of(&mut old)?)
        } else {
            None
        };
        let now = if is_only_old {
            None
        } else {
            std::mem::replace(&mut from_new, new.next().map_err(io())?)
        };
        let kept = match (before, now) {
            (before, Some(mut now)) => {
                now.version = (rules.version_of)(&now.table);
                now.verified_at.clone_from(&head.written_at);
                Some(with_known(now, before))
            }
            (before, None) => before.filter(rules.stays),
        };
        if let Some(receipt) = kept {
            count += 1;
            lines
                .json(&Line {
                    kind: "receipt",
                    receipt: &receipt,
                })
                .and_then(|()| bag.add(&receipt))
                .map_err(io())?;
        }
    }
    let tail = Tail {
        kind: "end".to_owned(),
        receipts: count,
    };
    lines.json(&tail).map_err(io())?;
    bag.finish(folder, owner, lines).map_err(io())?;
    drop(locked);
    Ok(count)
}

fn next_of(reader: &mut Option<ReceiptReader>) -> Result<Option<Receipt>, ReceiptsError> {
    match reader {
        Some(reader) => reader.next_receipt(),
        None => Ok(None),
    }
}

/// A digest that was made once is still that of the same content.
fn with_known(mut now: Receipt, before: Option<Receipt>) -> Receipt {
    let same = before.filter(|before| before.md5 == now.md5 && before.size == now.size);
    if now.sha256.is_none() {
        now.sha256 = same.and_then(|before| before.sha256);
    }
    now
}

/// Shards of one manifest may share a folder: one at a time updates it.
fn lock(folder: &Path, cancel: &CancelToken) -> Result<File, ReceiptsError> {
    const PAUSE: Duration = Duration::from_millis(50);
    let file = File::open(folder).map_err(failed(folder))?;
    loop {
        match file.try_lock() {
            // A system without locks: what is replaced in one step is whole anyway.
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => {}
        }
        if !cancel.wait(PAUSE) {
            return Err(ReceiptsError::Busy(folder.to_owned()));
        }
    }
}
