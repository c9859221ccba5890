//! A job's bulk uploads, byte by byte.

use std::fs::File;

use super::bytes::first_difference;
use super::error::ProofError;
use super::model::{JobProof, Kind};
use super::place::Place;
use super::{Against, sound};
use crate::base::SourceKey;
use crate::manifest::{Job, UploadsSource};
use crate::source::resolve_uploads;

pub(super) fn compare(
    against: Against<'_>,
    job: &Job,
    source: &UploadsSource,
    place: &mut Place<'_>,
) -> Result<JobProof, ProofError> {
    let resolved = resolve_uploads(&against.options(job), source)?;
    sound(&resolved.problems)?;
    let owner = SourceKey::owner(against.manifest.name.as_str(), job.name.as_str());
    let mut proof = JobProof::new(job, Kind::Uploads);
    for input in &resolved.inputs {
        let shown = &input.shown;
        proof.sources += 1;
        proof.bytes += input.fingerprint.size;
        let stored = place.of_source(&owner, &input.key);
        let Some(first) = stored.first() else {
            proof.differences.missing += 1;
            proof.example(|| format!("`{shown}` is missing"));
            continue;
        };
        proof.stored += stored.len() as u64;
        if stored.len() > 1 {
            proof.differences.doubled += stored.len() as u64 - 1;
            proof.example(|| format!("`{shown}` is there {} times", stored.len()));
        }
        let ours = File::open(&input.path).map_err(ProofError::local(shown))?;
        let name = &first.view.name;
        let theirs = first.view.open().map_err(ProofError::stored(name))?;
        if let Some(offset) = first_difference((shown, ours), (name, theirs), against.cancel)? {
            proof.differences.different += 1;
            proof.example(|| format!("`{shown}` differs from byte {offset} on"));
        }
        for one in &stored {
            place.claim(one);
        }
    }
    proof.payload_bytes = proof.bytes;
    Ok(proof)
}
