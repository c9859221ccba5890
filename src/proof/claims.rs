//! A run's report, held against what is stored: everything that it calls
//! verified must be there.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;

use super::error::ProofError;
use super::place::{Named, Place};
use super::rows::Stored;
use super::sequence::Rows as _;
use crate::base::digest::Md5Hasher;
use crate::base::{Md5Digest, PartIdentity, PartName};
use crate::manifest::Manifest;
use crate::sandbox::Inspect;

/// What a report claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The exit code that it states.
    pub exit: Option<u8>,
    /// Items that it calls verified and that can be looked at.
    pub checked: u64,
    /// Those that are not true, in words.
    pub untrue: Vec<String>,
}

const MISSING: &str = "is not there";

/// A table with its uploads by their identity.
struct Seen<'a> {
    place: Place<'a>,
    uploads: BTreeMap<String, Vec<Named<'a>>>,
}

impl<'a> Seen<'a> {
    fn new(place: Place<'a>) -> Self {
        let mut uploads: BTreeMap<String, Vec<Named<'a>>> = BTreeMap::new();
        for one in place.named() {
            uploads
                .entry(one.identity.to_string())
                .or_default()
                .push(one);
        }
        Self { place, uploads }
    }

    /// The attempts at what an item names.
    fn uploads(&self, item: &Item) -> &[Named<'a>] {
        self.uploads
            .get(&item.name)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

#[derive(Debug, Deserialize)]
struct Head {
    exit: Exit,
}

#[derive(Debug, Deserialize)]
struct Exit {
    code: u8,
}

#[derive(Debug, Deserialize)]
struct Item {
    what: String,
    job: Option<String>,
    name: String,
    end: String,
    bytes: u64,
    md5: Option<String>,
}

/// Reads a report line by line: its head, then one line for each item.
pub fn check_claims(
    manifest: &Manifest,
    inspect: &Inspect,
    report: impl BufRead,
) -> Result<Claims, ProofError> {
    let mut places: Vec<Seen<'_>> = Place::all(manifest, inspect)
        .into_iter()
        .map(Seen::new)
        .collect();
    let mut claims = Claims::default();
    for (number, line) in report.lines().enumerate() {
        let line = line.map_err(ProofError::Report)?;
        let line = line.trim_end_matches(',');
        if number == 0 {
            let head = line.trim_end_matches("]}");
            let head: Head = parse(&format!("{head}]}}"))?;
            claims.exit = Some(head.exit.code);
        } else if line != "]}" {
            check_item(manifest, &mut places, &parse(line)?, &mut claims)?;
        }
    }
    Ok(claims)
}

fn parse<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, ProofError> {
    serde_json::from_str(line).map_err(|error| ProofError::Report(error.into()))
}

fn check_item(
    manifest: &Manifest,
    places: &mut [Seen<'_>],
    item: &Item,
    claims: &mut Claims,
) -> Result<(), ProofError> {
    let job = item
        .job
        .as_ref()
        .and_then(|name| manifest.jobs.iter().find(|job| job.name.as_str() == name));
    let Some(job) = job.filter(|_| item.end == "verified") else {
        return Ok(());
    };
    let Some(place) = places.iter_mut().find(|seen| seen.place.is(&job.table)) else {
        return Ok(());
    };
    let trouble = match item.what.as_str() {
        "file" => check_file(&mut place.place, item)?,
        "part" => check_part(place, item)?,
        "upload" => check_upload(place, item)?,
        "deletion" => place
            .place
            .has_upload(&item.name)
            .then_some("is still there".to_owned()),
        _ => return Ok(()),
    };
    claims.checked += 1;
    if let Some(trouble) = trouble {
        let Item { what, name, .. } = item;
        claims
            .untrue
            .push(format!("{what} `{name}` is called verified and {trouble}"));
    }
    Ok(())
}

fn check_file(place: &mut Place<'_>, item: &Item) -> Result<Option<String>, ProofError> {
    let Some(stored) = place.file(&item.name) else {
        return Ok(Some(MISSING.to_owned()));
    };
    let bytes = stored.open().map_err(ProofError::stored(&item.name))?;
    check_bytes(bytes, item)
}

fn check_upload(place: &Seen<'_>, item: &Item) -> Result<Option<String>, ProofError> {
    let Some(stored) = place.uploads(item).first() else {
        return Ok(Some(MISSING.to_owned()));
    };
    let bytes = stored.view.open().map_err(ProofError::stored(&item.name))?;
    check_bytes(bytes, item)
}

/// A part is there when some attempt at it holds the rows that its name states, or
/// when pieces of it do: one that is too large is halved, and its halves have names
/// of their own, as has a part without the rows that the platform refused.
fn check_part(place: &Seen<'_>, item: &Item) -> Result<Option<String>, ProofError> {
    let stored = place.uploads(item);
    if stored.is_empty() && has_pieces(place, item)? {
        return Ok(None);
    }
    let mut found = None;
    for part in stored {
        let count = rows_in(part)?;
        let wanted = part.identity.stored_rows();
        if count == wanted {
            return Ok(None);
        }
        found = Some(format!("holds {count} of {wanted} rows"));
    }
    Ok(Some(found.unwrap_or_else(|| MISSING.to_owned())))
}

/// Whether complete parts of the same source hold all rows of a part, one after the
/// other.
fn has_pieces(place: &Seen<'_>, item: &Item) -> Result<bool, ProofError> {
    // An item is named without its attempt.
    let Some(PartName {
        identity: whole, ..
    }) = PartName::parse(&format!("{}_00000000", item.name))
    else {
        return Ok(false);
    };
    let end = whole.first_row + whole.rows;
    let mut next = whole.first_row;
    while next < end {
        let mut longest = 0;
        for piece in place.uploads.values().flatten() {
            let PartIdentity {
                owner,
                source,
                first_row,
                rows,
                ..
            } = &piece.identity;
            let is_next = *owner == whole.owner && *source == whole.source && *first_row == next;
            if is_next
                && *rows > longest
                && next + rows <= end
                && rows_in(piece)? == piece.identity.stored_rows()
            {
                longest = *rows;
            }
        }
        if longest == 0 {
            return Ok(false);
        }
        next += longest;
    }
    Ok(whole.rows > 0)
}

fn rows_in(part: &Named<'_>) -> Result<u64, ProofError> {
    let mut rows = Stored::new(std::slice::from_ref(part));
    let (mut row, mut count) = (Vec::new(), 0);
    while rows.next(&mut row)? {
        count += 1;
    }
    Ok(count)
}

fn check_bytes(mut stored: impl std::io::Read, item: &Item) -> Result<Option<String>, ProofError> {
    let mut hasher = Md5Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        match stored.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) => return Err(ProofError::stored(&item.name)(error)),
        }
    }
    let digest: Md5Digest = hasher.finish();
    if size != item.bytes {
        return Ok(Some(format!("has {size} bytes instead of {}", item.bytes)));
    }
    let stated = item.md5.as_ref().filter(|md5| **md5 != digest.to_string());
    Ok(stated.map(|md5| format!("has the MD5 {digest} instead of {md5}")))
}
