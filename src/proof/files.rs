//! A job's files, byte by byte.

use std::fs::File;

use super::bytes::first_difference;
use super::error::ProofError;
use super::model::{JobProof, Kind};
use super::place::Place;
use super::{Against, sound};
use crate::manifest::{FilesSource, Job};
use crate::source::resolve_files;

pub(super) fn compare(
    against: Against<'_>,
    job: &Job,
    source: &FilesSource,
    place: &mut Place<'_>,
) -> Result<JobProof, ProofError> {
    let resolved = resolve_files(&against.options(job), source)?;
    sound(&resolved.problems)?;
    let mut proof = JobProof::new(job, Kind::Files);
    for local in &resolved.files {
        let name = local.name.as_str();
        proof.sources += 1;
        proof.bytes += local.fingerprint.size;
        let Some(stored) = place.file(name) else {
            proof.differences.missing += 1;
            proof.example(|| format!("`{name}` is missing"));
            continue;
        };
        proof.stored += 1;
        let path = local.path(against.manifest.root.as_path());
        let ours = File::open(path).map_err(ProofError::local(&local.shown()))?;
        let theirs = stored.open().map_err(ProofError::stored(name))?;
        let parted = first_difference((&local.shown(), ours), (name, theirs), against.cancel)?;
        if let Some(offset) = parted {
            proof.differences.different += 1;
            proof.example(|| format!("`{name}` differs from byte {offset} on"));
        }
    }
    proof.payload_bytes = proof.bytes;
    Ok(proof)
}
