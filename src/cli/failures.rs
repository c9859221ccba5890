//! The errors of the layers below, as failures: code, exit code and what to try.

use std::error::Error;

use super::exit::ExitCode;
use super::failure::Failure;
use crate::manifest::LoadError;
use crate::plan::{PlanError, SavedPlanError};
#[cfg(feature = "sandbox")]
use crate::proof::ProofError;
use crate::redivis::{ApiError, ApiErrorKind};
use crate::source::{SourceError, SourceFault};

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match &error {
            LoadError::Read { .. } => Self::of(ExitCode::Input, "manifest/unreadable", &error)
                .hint("give the path of a manifest; `redivis-ingest schema` describes one"),
            LoadError::TooLarge { .. } => {
                Self::of(ExitCode::Manifest, "manifest/too-large", &error)
                    .hint("name files by globs instead of one by one, or make several manifests")
            }
            LoadError::Invalid(error) => Self::of_manifest(error),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match &error {
            // It was found a moment ago.
            PlanError::Remote { source, .. } if source.kind() == &ApiErrorKind::NotFound => {
                Self::of(ExitCode::Drifted, "plan/vanished", &error)
                    .hint("somebody released or deleted it meanwhile; run the same command again")
            }
            PlanError::Remote { source, .. } => of_api(&error, source),
            PlanError::NoDataset(dataset) => Self::of(
                ExitCode::Refused,
                "redivis/no-dataset",
                &error,
            )
            .hint(format!(
                "create `{dataset}` on the platform, or check its spelling and the token's access"
            )),
            PlanError::Source { source, .. } => of_source(&error, source),
            PlanError::State(_) => Self::of(ExitCode::LocalIo, "state/statement", &error),
            PlanError::NothingSelected(_) => {
                Self::of(ExitCode::Usage, "cli/nothing-selected", &error)
                    .hint("the names of jobs and tags are those in the manifest")
            }
            PlanError::NameTaken { .. } => Self::of(ExitCode::Input, "source/same-name", &error)
                .hint("give one of them a `prefix`, or exclude the file from one"),
            PlanError::Cancelled => Self::stopped(&error),
        }
    }
}

#[cfg(feature = "sandbox")]
impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        match &error {
            ProofError::Source(source) => of_source(&error, source),
            ProofError::Problem(problem) => {
                Self::of(ExitCode::Input, problem.kind.code(), &error).hint(problem.kind.help())
            }
            ProofError::Local { .. } => Self::of(ExitCode::Input, "input/read", &error),
            ProofError::Stored { .. } | ProofError::Report(_) => {
                Self::of(ExitCode::LocalIo, "local/io", &error)
            }
            ProofError::Cancelled => Self::stopped(&error),
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        of_source(&error, &error)
    }
}

impl From<SavedPlanError> for Failure {
    fn from(error: SavedPlanError) -> Self {
        Self::of(ExitCode::Input, "plan/unreadable", &error)
            .hint("make it anew with `redivis-ingest plan MANIFEST -o FILE`")
    }
}

fn of_api(error: &dyn Error, source: &ApiError) -> Failure {
    let (exit, code, hint) = match source.kind() {
        ApiErrorKind::Unauthorized => (
            ExitCode::NotAuthorised,
            "redivis/unauthorized",
            Some("the token is wrong or expired: make a new one in the platform's workspace"),
        ),
        ApiErrorKind::Forbidden { .. } => (
            ExitCode::NotAuthorised,
            "redivis/forbidden",
            Some("the token needs the scope `data.edit`, and its owner edit access to the dataset"),
        ),
        ApiErrorKind::NotFound => (ExitCode::Refused, "redivis/not-found", None),
        ApiErrorKind::Conflict => (ExitCode::Refused, "redivis/conflict", None),
        ApiErrorKind::Invalid => (ExitCode::Refused, "redivis/invalid", None),
        ApiErrorKind::TooLarge => (ExitCode::Refused, "redivis/too-large", None),
        ApiErrorKind::Tls => (
            ExitCode::Refused,
            "redivis/tls",
            Some("behind a proxy with its own certificate, give it with `--ca-cert FILE`"),
        ),
        ApiErrorKind::Protocol => (ExitCode::Refused, "redivis/protocol", None),
        ApiErrorKind::RateLimited => (ExitCode::Temporary, "redivis/rate-limited", None),
        ApiErrorKind::Unavailable => (
            ExitCode::Temporary,
            "redivis/unavailable",
            Some("run the same command again later: it goes on where it stopped"),
        ),
        ApiErrorKind::Network => (
            ExitCode::Temporary,
            "redivis/network",
            Some("check the address, the network and the proxy; then run the same command again"),
        ),
        ApiErrorKind::Cancelled => return Failure::stopped(error),
        ApiErrorKind::LocalRead => (ExitCode::LocalIo, "local/read", None),
    };
    let failure = Failure::of(exit, code, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn of_source(error: &dyn Error, source: &SourceError) -> Failure {
    let exit = match source.fault() {
        SourceFault::Input | SourceFault::Content => ExitCode::Input,
        SourceFault::Changed => ExitCode::Drifted,
        SourceFault::LocalIo => ExitCode::LocalIo,
        SourceFault::Cancelled => return Failure::stopped(error),
    };
    Failure::of(exit, source.code(), error).hint(source.help())
}
