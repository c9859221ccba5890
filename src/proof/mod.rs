//! The proof of a rehearsal: what the sandbox stores, held against the sources
//! byte by byte and row by row. It reads the sandbox's own folder and the local
//! files, and believes nothing that the program says: neither its plan nor its
//! report, only what the manifest means.
//!
//! Start with [`compare`] (everything against the sources) and [`check_claims`]
//! (a run's report against what is there). Memory is flat: both sides are
//! streamed.

mod bytes;
mod claims;
mod error;
mod files;
mod model;
mod place;
mod rows;
mod sequence;
mod uploads;

pub use claims::{Claims, check_claims};
pub use error::ProofError;
pub use model::{Differences, JobProof, Kind, Proof, TableProof};

use crate::base::CancelToken;
use crate::manifest::{Job, Manifest, Source};
use crate::sandbox::Inspect;
use crate::source::{ResolveOptions, SourceProblem};

use place::Place;

/// What a comparison rests on.
#[derive(Debug, Clone, Copy)]
pub struct Against<'a> {
    /// What is wanted.
    pub manifest: &'a Manifest,
    /// What is stored.
    pub inspect: &'a Inspect,
    /// The time, in nanoseconds since 1970; for `min_age`.
    pub now_ns: i64,
    /// To stop a long comparison.
    pub cancel: &'a CancelToken,
}

impl<'a> Against<'a> {
    fn options(&self, job: &Job) -> ResolveOptions<'a> {
        ResolveOptions {
            root: &self.manifest.root,
            allow_empty: job.allow_empty,
            now_ns: self.now_ns,
            cancel: self.cancel,
        }
    }
}

/// Compares everything that the manifest names with everything that is stored
/// in its tables.
pub fn compare(against: Against<'_>) -> Result<Proof, ProofError> {
    let mut places = Place::all(against.manifest, against.inspect);
    let mut proof = Proof::default();
    for job in &against.manifest.jobs {
        let Some(place) = places.iter_mut().find(|place| place.is(&job.table)) else {
            continue;
        };
        proof.jobs.push(match &job.source {
            Source::Files(source) => files::compare(against, job, source, place)?,
            Source::Rows(source) => rows::compare(against, job, source, place)?,
            Source::Uploads(source) => uploads::compare(against, job, source, place)?,
        });
    }
    proof.tables = places.iter().map(Place::foreign).collect();
    Ok(proof)
}

/// Inputs that cannot be used make any comparison meaningless.
fn sound(problems: &[SourceProblem]) -> Result<(), ProofError> {
    match problems.first() {
        Some(first) => Err(ProofError::Problem(Box::new(first.clone()))),
        None => Ok(()),
    }
}
