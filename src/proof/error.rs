//! Why a comparison could not be made. What it finds is no error.

use std::io;

use crate::source::{SourceError, SourceProblem};

/// Why a comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// A source cannot be read.
    #[error("cannot read the sources again")]
    Source(#[from] SourceError),
    /// A path that the manifest names cannot be used.
    #[error("{0}")]
    Problem(Box<SourceProblem>),
    /// A local file cannot be read.
    #[error("cannot read `{path}` again")]
    Local {
        /// Relative to the manifest's root.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The sandbox's folder cannot be read.
    #[error("cannot read what the sandbox stores as `{name}`")]
    Stored {
        /// The file's or upload's name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A run's report cannot be read.
    #[error("cannot read the run's report")]
    Report(#[source] io::Error),
    /// Somebody asked to stop.
    #[error("stopped")]
    Cancelled,
}

impl ProofError {
    /// For errors of the sandbox's folder.
    pub(super) fn stored(name: &str) -> impl FnOnce(io::Error) -> Self + use<'_> {
        move |source| Self::Stored {
            name: name.to_owned(),
            source,
        }
    }

    /// For errors of a local file.
    pub(super) fn local(path: &str) -> impl FnOnce(io::Error) -> Self + use<'_> {
        move |source| Self::Local {
            path: path.to_owned(),
            source,
        }
    }
}
