//! The list of a table's files: an Arrow IPC stream (contract 10.3).
//!
//! The stream is walked once from message to message before anything is decoded:
//! its end must be there, and no message may be larger than the bytes that came.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, Int64Type, UInt64Type};
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, DataType};

use super::answer::Spool;
use super::limits::{ARROW_MESSAGE_CAP, ARROW_METADATA_CAP};
use super::model::RemoteFile;
use super::wire;

/// A listing that is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListingError {
    #[error("the Arrow stream breaks off")]
    Truncated,
    #[error("it is not an Arrow stream")]
    NotArrow,
    #[error("a message of the Arrow stream is too large")]
    TooLarge,
    #[error("the Arrow stream cannot be decoded")]
    Arrow(#[from] ArrowError),
    #[error("the Arrow stream has no column `{0}` of a type that we know")]
    Column(&'static str),
    #[error("a file of the listing has no `{0}`")]
    Null(&'static str),
    #[error("a file of the listing has a size below zero")]
    Size,
    #[error("a file of the listing has a hash that is none")]
    Hash(#[source] wire::WireError),
    #[error("the Arrow stream says more than it holds")]
    Overlapping,
    #[error("the temporary file cannot be read")]
    Local(#[source] io::Error),
}

/// Hands each file to `each`. `is_framed`: the transport said where the stream
/// ends, so that the stream itself need not.
pub(super) fn read(
    spool: &mut Spool,
    is_framed: bool,
    each: &mut dyn FnMut(RemoteFile),
) -> Result<(), ListingError> {
    // Views may share the bytes they point at: a few megabytes could say a name
    // of a megabyte a million times. An honest stream holds what it says.
    let mut left = walk(spool, is_framed)?;
    spool
        .seek(SeekFrom::Start(0))
        .map_err(ListingError::Local)?;
    let mut reader = guarded(|| StreamReader::try_new(BufReader::new(spool), None))?;
    while let Some(batch) = guarded(|| reader.next().transpose())? {
        read_batch(&batch, &mut left, each)?;
    }
    Ok(())
}

/// The decoder panics on some schemas that no writer makes; that is an answer
/// like any other that we do not understand.
fn guarded<T>(decode: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ListingError> {
    // What a panic carries has been printed already.
    let decoded = catch_unwind(AssertUnwindSafe(decode)).ok();
    decoded
        .ok_or(ListingError::NotArrow)?
        .map_err(ListingError::Arrow)
}

/// Walks from message to message, reading metadata only; the stream's length.
fn walk(stream: &mut (impl Read + Seek), is_framed: bool) -> Result<u64, ListingError> {
    let local = ListingError::Local;
    let end = stream.seek(SeekFrom::End(0)).map_err(local)?;
    stream.seek(SeekFrom::Start(0)).map_err(local)?;
    let mut at = 0;
    let mut metadata = Vec::new();
    let mut messages = 0_u64;
    loop {
        let Some(first) = word(stream, &mut at, end)? else {
            // A stream may end without saying so, if something else does.
            return if is_framed && messages > 0 {
                Ok(end)
            } else {
                Err(ListingError::Truncated)
            };
        };
        // Since Arrow 0.15 a marker stands before the length.
        let length = if first == u32::MAX {
            word(stream, &mut at, end)?.ok_or(ListingError::Truncated)?
        } else {
            first
        };
        if length == 0 {
            return if messages > 0 {
                Ok(end)
            } else {
                Err(ListingError::NotArrow)
            };
        }
        let length = u64::from(length);
        if length > ARROW_METADATA_CAP {
            return Err(ListingError::NotArrow);
        }
        if length > end - at {
            return Err(ListingError::Truncated);
        }
        metadata.resize(usize::try_from(length).unwrap_or(0), 0);
        stream.read_exact(&mut metadata).map_err(local)?;
        at += length;
        let message = arrow_ipc::root_as_message(&metadata)
            .ok()
            .ok_or(ListingError::NotArrow)?;
        let body = u64::try_from(message.bodyLength())
            .ok()
            .ok_or(ListingError::NotArrow)?;
        if body > ARROW_MESSAGE_CAP {
            return Err(ListingError::TooLarge);
        }
        if body > end - at {
            return Err(ListingError::Truncated);
        }
        at += body;
        stream.seek(SeekFrom::Start(at)).map_err(local)?;
        messages += 1;
    }
}

/// The next four bytes as a number; `None` at a clean end.
fn word(stream: &mut impl Read, at: &mut u64, end: u64) -> Result<Option<u32>, ListingError> {
    if *at == end {
        return Ok(None);
    }
    if end - *at < 4 {
        return Err(ListingError::Truncated);
    }
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).map_err(ListingError::Local)?;
    *at += 4;
    Ok(Some(u32::from_le_bytes(bytes)))
}

/// `left`: bytes of texts that the stream can still hold.
fn read_batch(
    batch: &RecordBatch,
    left: &mut u64,
    each: &mut dyn FnMut(RemoteFile),
) -> Result<(), ListingError> {
    let id = Texts::of(batch, "file_id")?;
    let name = Texts::of(batch, "file_name")?;
    let md5 = Texts::of(batch, "md5_hash")?;
    let size = Sizes::of(batch, "size")?;
    for row in 0..batch.num_rows() {
        let (id, name) = (id.required(row)?, name.required(row)?);
        *left = left
            .checked_sub((id.len() + name.len()) as u64)
            .ok_or(ListingError::Overlapping)?;
        each(RemoteFile {
            id: id.to_owned(),
            name: name.to_owned(),
            size: size.required(row)?,
            md5: wire::md5(md5.get(row)).map_err(ListingError::Hash)?,
        });
    }
    Ok(())
}

fn column<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a ArrayRef, ListingError> {
    batch.column_by_name(name).ok_or(ListingError::Column(name))
}

/// A column of texts, in any of Arrow's three layouts.
struct Texts<'a> {
    array: &'a ArrayRef,
    name: &'static str,
}

impl<'a> Texts<'a> {
    fn of(batch: &'a RecordBatch, name: &'static str) -> Result<Self, ListingError> {
        let array = column(batch, name)?;
        let known = matches!(
            array.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null
        );
        if known {
            Ok(Self { array, name })
        } else {
            Err(ListingError::Column(name))
        }
    }

    fn get(&self, row: usize) -> Option<&'a str> {
        if self.array.is_null(row) {
            return None;
        }
        if let Some(texts) = self.array.as_string_opt::<i32>() {
            return Some(texts.value(row));
        }
        if let Some(texts) = self.array.as_string_opt::<i64>() {
            return Some(texts.value(row));
        }
        let texts = self.array.as_string_view_opt()?;
        Some(texts.value(row))
    }

    fn required(&self, row: usize) -> Result<&'a str, ListingError> {
        self.get(row).ok_or(ListingError::Null(self.name))
    }
}

/// A column of whole numbers.
struct Sizes<'a> {
    array: &'a ArrayRef,
    name: &'static str,
}

impl<'a> Sizes<'a> {
    fn of(batch: &'a RecordBatch, name: &'static str) -> Result<Self, ListingError> {
        let array = column(batch, name)?;
        let known = matches!(
            array.data_type(),
            DataType::Int64 | DataType::UInt64 | DataType::Int32
        );
        if known {
            Ok(Self { array, name })
        } else {
            Err(ListingError::Column(name))
        }
    }

    fn required(&self, row: usize) -> Result<u64, ListingError> {
        if self.array.is_null(row) {
            return Err(ListingError::Null(self.name));
        }
        if let Some(sizes) = self.array.as_primitive_opt::<UInt64Type>() {
            return Ok(sizes.value(row));
        }
        let signed = if let Some(sizes) = self.array.as_primitive_opt::<Int64Type>() {
            sizes.value(row)
        } else if let Some(sizes) = self.array.as_primitive_opt::<Int32Type>() {
            i64::from(sizes.value(row))
        } else {
            return Err(ListingError::Column(self.name));
        };
        u64::try_from(signed).ok().ok_or(ListingError::Size)
    }
}
