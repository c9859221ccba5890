//! The cut: where the rows of a source are divided into parts.
//!
//! It follows the remote. Where a listed part starts at this row and the next
//! rows give its digest, that part is kept; otherwise the payload's size cuts.
//! So a source that grew keeps its parts and sends its tail, and another payload
//! sends nothing. A listed part may be longer than the payload: then the local
//! cut is remembered, and the rows after it are set aside, until its digest has
//! been reached or missed.

mod text;

use std::collections::BTreeMap;

use crate::base::{CancelToken, Fingerprint, PartHasher, PartIdentity, SourceKey};
use crate::source::SourceError;

use super::pack::{CAP, PayloadSize};
use super::spool::Spool;
use super::{Reading, Rounded, RowReader, RowStart};
use text::PartText;

/// What decides where a source is cut, its rows apart.
#[derive(Debug, Clone)]
pub struct CutSettings {
    /// Target size of a payload, envelope included.
    pub payload: u64,
    /// Manifest and job.
    pub owner: SourceKey,
    /// For people: the readable piece of the parts' names.
    pub slug: String,
}

/// A part that the remote lists: of this source, or of one that vanished.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// What it holds.
    pub identity: &'a PartIdentity,
    /// It is released, under rows that stay: it cannot be deleted in favour of
    /// another.
    pub is_locked: bool,
}

impl Candidate<'_> {
    /// Which of several is kept by a source: the least.
    pub fn rank(&self, source: &SourceKey) -> (bool, bool) {
        (!self.is_locked, self.identity.source != *source)
    }
}

/// One part of a source. Parts are contiguous, in order, and never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// What it is, as a part of this source.
    pub identity: PartIdentity,
    /// Bytes of its payload, envelope included.
    pub bytes: u64,
    /// The listed part that it is: perhaps of another source (renamed) or
    /// without rows that the platform refused.
    pub kept: Option<PartIdentity>,
    /// Where its first row starts.
    pub start: RowStart,
}

/// What one pass over a source found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The parts; none if there are no rows.
    pub cuts: Vec<Cut>,
    /// Rows in them.
    pub rows: u64,
    /// Rows that could not be encoded.
    pub rejects: u64,
    /// The first number of each column that the platform may round.
    pub rounded: Vec<Rounded>,
    /// What the file was, from the first byte to the last.
    pub fingerprint: Fingerprint,
}

/// Reads a source once and cuts it.
pub fn cut_source(
    reading: Reading<'_>,
    candidates: &[Candidate<'_>],
    settings: &CutSettings,
    rejects: &mut dyn FnMut(super::Reject),
    cancel: &CancelToken,
) -> Result<Pass, SourceError> {
    let mut reader = RowReader::open(reading, cancel)?;
    let mut rejected = 0;
    let mut count = |reject| {
        rejected += 1;
        rejects(reject);
    };
    let cutting = Cutting {
        settings,
        source: &reading.input.key,
        hasher: PartHasher::for_rows(&settings.owner, reading.mapping.words()),
        cap: CAP,
    };
    let mut next = |row: &mut Vec<u8>| reader.next_encoded(row, &mut count);
    let (cuts, rows) = cut_rows(&mut next, &cutting, candidates)?;
    reader.check_unchanged()?;
    Ok(Pass {
        cuts,
        rows,
        rejects: rejected,
        rounded: reader.take_rounded(),
        fingerprint: reader.fingerprint(),
    })
}

/// Appends the next row; `None` at the end.
type NextRow<'a> = &'a mut dyn FnMut(&mut Vec<u8>) -> Result<Option<RowStart>, SourceError>;

/// What the cut of one source rests on.
struct Cutting<'a> {
    settings: &'a CutSettings,
    source: &'a SourceKey,
    /// It has seen no rows.
    hasher: PartHasher,
    /// No payload has more bytes.
    cap: u64,
}

/// The cut itself. Answers the cuts and how many rows there were.
fn cut_rows(
    next: NextRow<'_>,
    cutting: &Cutting<'_>,
    candidates: &[Candidate<'_>],
) -> Result<(Vec<Cut>, u64), SourceError> {
    let settings = cutting.settings;
    let mut listed: BTreeMap<u64, Vec<Candidate<'_>>> = BTreeMap::new();
    for candidate in candidates {
        let identity = candidate.identity;
        if identity.owner == settings.owner && identity.rows > 0 {
            let parts = listed.entry(identity.first_row).or_default();
            parts.push(*candidate);
        }
    }
    let mut rows = Rows {
        next,
        spool: Spool::new(),
        text: PartText::new(cutting.hasher.clone()),
        start: RowStart {
            byte: 0,
            line: 1,
            record: 0,
        },
        origin: Origin::Reader,
        setting_aside: false,
        again: false,
    };
    let mut cuts = Vec::new();
    let mut first_row = 0;
    while rows.advance()? {
        let start = rows.start;
        rows.start_part();
        let part = Part {
            cutting,
            size: PayloadSize::EMPTY,
            live: listed.remove(&first_row).unwrap_or_default(),
            fallback: None,
        };
        let end = part.find_end(&mut rows)?;
        cuts.push(Cut {
            identity: PartIdentity {
                slug: settings.slug.clone(),
                owner: settings.owner.clone(),
                source: cutting.source.clone(),
                first_row,
                rows: end.size.rows(),
                digest: end.digest,
                refused: 0,
            },
            bytes: end.size.bytes(),
            kept: end.kept.cloned(),
            start,
        });
        first_row += end.size.rows();
    }
    Ok((cuts, first_row))
}

/// A part whose end is being looked for.
struct Part<'a> {
    cutting: &'a Cutting<'a>,
    size: PayloadSize,
    /// Listed parts that start where it starts and may still turn out to be it.
    live: Vec<Candidate<'a>>,
    /// Where it ends if none of them does.
    fallback: Option<(End<'a>, u64)>,
}

/// Where a part ends.
struct End<'a> {
    size: PayloadSize,
    digest: String,
    kept: Option<&'a PartIdentity>,
}

impl<'a> Part<'a> {
    fn find_end(mut self, rows: &mut Rows<'_>) -> Result<End<'a>, SourceError> {
        let cap = self.cutting.cap;
        let payload = self.cutting.settings.payload.min(cap);
        loop {
            if self.live.is_empty()
                && let Some((end, place)) = self.fallback.take()
            {
                rows.go_back(place)?;
                return Ok(end);
            }
            if !rows.advance()? {
                // What is still live needs more rows than there are.
                match self.fallback.take() {
                    Some((end, place)) => {
                        rows.go_back(place)?;
                        return Ok(end);
                    }
                    None => return Ok(self.end_here(rows, None)),
                }
            }
            let size = self.size.with(rows.text.row().len() as u64);
            if size.bytes() > cap {
                // No payload can hold so much: these are not what they seem.
                self.live.clear();
            }
            if size.bytes() > payload && self.size.rows() > 0 && self.fallback.is_none() {
                let end = self.end_here(rows, None);
                if self.live.is_empty() {
                    rows.start_part();
                    return Ok(end);
                }
                self.fallback = Some((end, rows.keep_this()?));
            } else if self.live.is_empty() && self.fallback.is_some() {
                continue;
            }
            rows.text.take();
            self.size = size;
            self.match_listed(rows)?;
        }
    }

    /// Whether the rows so far are a listed part. Of several the longest is
    /// taken, but a locked one before any other, and then one of this source.
    fn match_listed(&mut self, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        let count = self.size.rows();
        if self.live.iter().all(|one| one.identity.rows > count) {
            return Ok(());
        }
        let hasher = rows.text.hasher();
        let is_here =
            |one: &PartIdentity| one.rows == count && one.digest == hasher.digest(&one.source);
        let found = self
            .live
            .iter()
            .filter(|one| is_here(one.identity))
            .min_by_key(|one| (one.rank(self.cutting.source), one.identity.refused))
            .copied();
        self.live.retain(|one| one.identity.rows > count);
        if let Some(found) = found {
            let source = self.cutting.source;
            let rank = found.rank(source);
            self.live.retain(|one| one.rank(source) <= rank);
            let end = self.end_here(rows, Some(found.identity));
            self.fallback = Some((end, rows.keep_next()?));
        }
        Ok(())
    }

    fn end_here(&self, rows: &Rows<'_>, kept: Option<&'a PartIdentity>) -> End<'a> {
        End {
            size: self.size,
            digest: rows.text.hasher().digest(self.cutting.source),
            kept,
        }
    }
}

/// The rows of a source, with a way back to where a decision was left open.
struct Rows<'a> {
    next: NextRow<'a>,
    spool: Spool,
    /// Of the part, with the row that it stands on.
    text: PartText,
    start: RowStart,
    origin: Origin,
    /// Rows from the reader are added to the spool.
    setting_aside: bool,
    /// The row is given once more.
    again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Reader,
    /// The spool, at this place.
    Spool(u64),
}

impl Rows<'_> {
    /// Goes to the next row. `false`: there is none.
    fn advance(&mut self) -> Result<bool, SourceError> {
        if std::mem::take(&mut self.again) {
            return Ok(true);
        }
        if !self.spool.is_at_end() {
            self.origin = Origin::Spool(self.spool.head());
            self.start = self.spool.take(self.text.next())?;
            return Ok(true);
        }
        if !self.setting_aside && self.spool.tail() > 0 {
            self.spool.clear()?;
        }
        self.origin = Origin::Reader;
        let Some(start) = (self.next)(self.text.next())? else {
            return Ok(false);
        };
        self.start = start;
        if self.setting_aside {
            self.origin = Origin::Spool(self.spool.tail());
            self.spool.push(self.text.row(), &self.start)?;
            self.spool.pass(self.spool.tail());
        }
        Ok(true)
    }

    /// Another part starts at this row, which the next `advance` gives once more.
    fn start_part(&mut self) {
        self.text.start_at_row();
        self.again = true;
    }

    /// Sees to it that one can come back to this row; answers its place.
    fn keep_this(&mut self) -> Result<u64, SourceError> {
        self.setting_aside = true;
        match self.origin {
            Origin::Spool(place) => Ok(place),
            Origin::Reader => {
                let place = self.spool.tail();
                self.spool.push(self.text.row(), &self.start)?;
                self.spool.pass(self.spool.tail());
                Ok(place)
            }
        }
    }

    /// The same for the row after this one.
    fn keep_next(&mut self) -> Result<u64, SourceError> {
        self.setting_aside = true;
        if self.spool.is_at_end() {
            self.spool.clear()?;
        }
        Ok(self.spool.head())
    }

    fn go_back(&mut self, place: u64) -> Result<(), SourceError> {
        self.setting_aside = false;
        self.again = false;
        self.text.start_empty();
        self.spool.go_to(place)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
