//! A job's rows: each source encoded again, against its parts in their order.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Read};

use super::error::ProofError;
use super::model::{JobProof, Kind};
use super::place::{Named, Place};
use super::sequence::{self, Rows};
use super::{Against, sound};
use crate::base::{CancelToken, SourceKey};
use crate::manifest::{Job, RowsSource, Schema, Variable};
use crate::source::rows::{Reading, RowReader, infer_schema, pack};
use crate::source::{ResolvedRows, resolve_rows};

const BUFFER: usize = 256 * 1024;

pub(super) fn compare(
    against: Against<'_>,
    job: &Job,
    source: &RowsSource,
    place: &mut Place<'_>,
) -> Result<JobProof, ProofError> {
    let resolved = resolve_rows(&against.options(job), source)?;
    sound(&resolved.problems)?;
    let schema = schema(source, &resolved, against.cancel)?;
    let owner = SourceKey::owner(against.manifest.name.as_str(), job.name.as_str());
    let mut proof = JobProof::new(job, Kind::Rows);
    for input in &resolved.inputs {
        let parts = place.of_source(&owner, &input.key);
        let reading = Reading::new(source, input, &schema);
        let rejects = Cell::new(0);
        let wanted = || -> Result<Box<dyn Rows + '_>, ProofError> {
            rejects.set(0);
            Ok(Box::new(Encoded {
                reader: RowReader::open(reading, against.cancel)?,
                rejects: &rejects,
            }))
        };
        let stored =
            || -> Result<Box<dyn Rows + '_>, ProofError> { Ok(Box::new(Stored::new(&parts))) };
        let compared = sequence::compare(&wanted, &stored)?;
        proof.sources += 1;
        proof.rows += compared.wanted;
        proof.bytes += compared.bytes;
        proof.rejected += rejects.get();
        let mut differences = compared.differences;
        // What a part's name says was refused may be missing, within the limit
        // that the manifest sets.
        let left = source
            .max_rejects
            .saturating_sub(proof.rejected + proof.refused);
        let refused: u64 = parts.iter().map(|part| part.identity.refused).sum();
        let excused = refused.min(differences.missing).min(left);
        differences.missing -= excused;
        proof.refused += excused;
        if let Some(first) = compared.first.filter(|_| !differences.is_none()) {
            proof.example(|| format!("`{}`: {first}", input.shown));
        }
        proof.differences.add(differences);
        for part in &parts {
            // An empty one was left over by an attempt, and is nobody's.
            if part.view.num_rows != Some(0) {
                proof.stored += 1;
                proof.payload_bytes += payload_bytes(part);
                place.claim(part);
            }
        }
    }
    Ok(proof)
}

fn schema(
    source: &RowsSource,
    resolved: &ResolvedRows,
    cancel: &CancelToken,
) -> Result<Vec<Variable>, ProofError> {
    Ok(match &source.schema {
        Schema::Declared(variables) => variables.clone(),
        Schema::Infer => {
            let inputs = resolved.inputs.iter();
            let sources: Vec<_> = inputs
                .map(|input| (input, &source.entries[input.entry].format))
                .collect();
            infer_schema(&sources, &[], cancel)?
        }
    })
}

/// The payload that a stored part came in: its rows are on lines of their own,
/// which were separated by commas.
fn payload_bytes(part: &Named<'_>) -> u64 {
    pack::ENVELOPE + part.view.size.saturating_sub(1)
}

/// The rows of a source.
struct Encoded<'a> {
    reader: RowReader,
    rejects: &'a Cell<u64>,
}

impl Rows for Encoded<'_> {
    fn next(&mut self, row: &mut Vec<u8>) -> Result<bool, ProofError> {
        row.clear();
        let rejects = self.rejects;
        let mut on_reject = |_| rejects.set(rejects.get() + 1);
        Ok(self.reader.next_encoded(row, &mut on_reject)?.is_some())
    }
}

/// The rows of a source's parts, one part after the other.
pub(super) struct Stored<'a> {
    parts: std::slice::Iter<'a, Named<'a>>,
    open: Option<(&'a str, BufReader<Box<dyn Read>>)>,
}

impl<'a> Stored<'a> {
    pub(super) fn new(parts: &'a [Named<'a>]) -> Self {
        Self {
            parts: parts.iter(),
            open: None,
        }
    }
}

impl Rows for Stored<'_> {
    fn next(&mut self, row: &mut Vec<u8>) -> Result<bool, ProofError> {
        row.clear();
        loop {
            if let Some((name, reader)) = &mut self.open {
                let read = reader.read_until(b'\n', row);
                if read.map_err(ProofError::stored(name))? > 0 {
                    row.pop_if(|last| *last == b'\n');
                    return Ok(true);
                }
            }
            let Some(part) = self.parts.next() else {
                return Ok(false);
            };
            let name = part.view.name.as_str();
            let rows = part.view.open_rows().map_err(ProofError::stored(name))?;
            self.open = Some((name, BufReader::with_capacity(BUFFER, rows)));
        }
    }
}
