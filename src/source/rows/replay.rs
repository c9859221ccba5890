//! Once more over a source that has been cut: payloads to send, and single rows
//! of a part. The rows are encoded again and held against the cut's digest, so
//! that nothing is sent but what was planned.

use std::ops::ControlFlow;

use crate::base::{CancelToken, Fingerprint, PartHasher, PartIdentity};
use crate::source::SourceError;

use super::cut::Cut;
use super::encode::AHEAD;
use super::pack::{self, PayloadSize};
use super::{Reading, RowReader, RowStart};

/// A source that has been cut.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The source.
    pub reading: Reading<'a>,
    /// All its parts.
    pub cuts: &'a [Cut],
    /// What the file was when it was cut.
    pub fingerprint: Fingerprint,
}

/// How a replay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// All wanted parts were handed over, and the file is what it was.
    Whole,
    /// The caller asked to stop.
    Stopped,
}

/// Takes a row, with its index in the part and its place in the source.
pub type EachRow<'a> = &'a mut dyn FnMut(u64, &[u8], RowStart) -> ControlFlow<()>;

/// Makes the payloads of the wanted parts, in order.
///
/// `buffer` gives room for that many bytes, its content does not matter; the
/// payload comes back to `each` in it. A buffer is asked for only once the one
/// before was handed over, and it is dropped on an error.
pub fn replay(
    sending: Sending<'_>,
    wanted: &dyn Fn(usize) -> bool,
    buffer: &mut dyn FnMut(u64) -> Vec<u8>,
    each: &mut dyn FnMut(usize, Vec<u8>) -> ControlFlow<()>,
    cancel: &CancelToken,
) -> Result<Replayed, SourceError> {
    let mut reader = open(sending, cancel)?;
    let mut next = 0;
    for (index, cut) in sending.cuts.iter().enumerate() {
        if !wanted(index) {
            continue;
        }
        if index != next {
            reader = reader.forward_to(&cut.start)?;
        }
        next = index + 1;
        let room = buffer(cut.bytes + AHEAD);
        let payload = payload(&mut reader, sending.reading, cut, room)?;
        if each(index, payload).is_break() {
            return Ok(Replayed::Stopped);
        }
    }
    reader.check_unchanged()?;
    Ok(Replayed::Whole)
}

/// Gives the rows of one part one by one. The part's digest is not checked: the
/// caller may stop early.
pub fn replay_rows(
    sending: Sending<'_>,
    part: usize,
    each: EachRow<'_>,
    cancel: &CancelToken,
) -> Result<Replayed, SourceError> {
    let Some(cut) = sending.cuts.get(part) else {
        return Ok(Replayed::Whole);
    };
    let mut reader = open(sending, cancel)?.forward_to(&cut.start)?;
    let mut row = Vec::new();
    for index in 0..cut.identity.rows {
        row.clear();
        let start = reader
            .next_encoded(&mut row, &mut |_| {})?
            .ok_or_else(|| changed(sending.reading))?;
        if each(index, &row, start).is_break() {
            return Ok(Replayed::Stopped);
        }
    }
    reader.check_unchanged()?;
    Ok(Replayed::Whole)
}

/// Two parts in the place of one that the platform finds too large. A part of
/// one row can't be halved: `None`.
pub fn halve(
    sending: Sending<'_>,
    part: usize,
    cancel: &CancelToken,
) -> Result<Option<[Cut; 2]>, SourceError> {
    let Some(cut) = sending.cuts.get(part).filter(|cut| cut.identity.rows > 1) else {
        return Ok(None);
    };
    let whole = &cut.identity;
    let mut reader = open(sending, cancel)?.forward_to(&cut.start)?;
    let first = whole.rows / 2;
    let mut row = Vec::new();
    let mut all = hasher(sending.reading, cut);
    let mut half = |from: u64, rows: u64| {
        let mut hasher = hasher(sending.reading, cut);
        let mut size = PayloadSize::EMPTY;
        let mut start = cut.start;
        for index in 0..rows {
            row.clear();
            row.push(b',');
            let place = reader
                .next_encoded(&mut row, &mut |_| {})?
                .ok_or_else(|| changed(sending.reading))?;
            if index == 0 {
                start = place;
            }
            let text = |is_first: bool| if is_first { &row[1..] } else { &row };
            hasher.rows(text(index == 0));
            all.rows(text(from + index == 0));
            size = size.with(text(true).len() as u64);
        }
        Ok::<_, SourceError>(Cut {
            identity: PartIdentity {
                first_row: whole.first_row + from,
                rows,
                digest: hasher.digest(&whole.source),
                refused: 0,
                ..whole.clone()
            },
            bytes: size.bytes(),
            kept: None,
            start,
        })
    };
    let halves = [half(0, first)?, half(first, whole.rows - first)?];
    if all.digest(&whole.source) != whole.digest {
        return Err(changed(sending.reading));
    }
    Ok(Some(halves))
}

fn open(sending: Sending<'_>, cancel: &CancelToken) -> Result<RowReader, SourceError> {
    let reader = RowReader::open(sending.reading, cancel)?;
    if reader.fingerprint() == sending.fingerprint {
        Ok(reader)
    } else {
        Err(changed(sending.reading))
    }
}

/// The payload of a part that starts at the reader's next row.
fn payload(
    reader: &mut RowReader,
    reading: Reading<'_>,
    cut: &Cut,
    mut payload: Vec<u8>,
) -> Result<Vec<u8>, SourceError> {
    let mut hasher = hasher(reading, cut);
    payload.clear();
    pack::open(&mut payload);
    let mut hashed = payload.len();
    for index in 0..cut.identity.rows {
        if index > 0 {
            payload.push(b',');
        }
        let row = reader.next_encoded(&mut payload, &mut |_| {})?;
        // A source that grew inside a row must not make the buffer grow for ever.
        if row.is_none() || payload.len() as u64 > cut.bytes {
            return Err(changed(reading));
        }
        hashed += hasher.blocks_of_rows(&payload[hashed..]);
    }
    hasher.rows(&payload[hashed..]);
    pack::close(&mut payload);
    if hasher.digest(&cut.identity.source) == cut.identity.digest {
        Ok(payload)
    } else {
        Err(changed(reading))
    }
}

fn hasher(reading: Reading<'_>, cut: &Cut) -> PartHasher {
    PartHasher::for_rows(&cut.identity.owner, reading.mapping.words())
}

fn changed(reading: Reading<'_>) -> SourceError {
    SourceError::Changed {
        path: reading.input.shown.clone(),
    }
}
