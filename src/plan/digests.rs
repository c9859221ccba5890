//! Digests of local files, each read once for as long as it stays the same.

use std::path::Path;

use super::context::PlanContext;
use super::error::PlanError;
use crate::base::{Activity, Fingerprint, Md5Digest, Sha256Digest};
use crate::source::{LocalFile, SourceError, hash_file};
use crate::state::CachedDigests;

/// Digests of a file, from the cache where its fingerprint is known.
pub(super) fn digests_of(
    context: &PlanContext<'_>,
    path: &Path,
    fingerprint: &Fingerprint,
    want_sha256: bool,
) -> Result<(Md5Digest, Option<Sha256Digest>), SourceError> {
    let cached = context
        .store
        .and_then(|store| store.digests(fingerprint).ok().flatten());
    if let Some(cached) = cached
        && (!want_sha256 || cached.sha256.is_some())
    {
        return Ok((cached.md5, cached.sha256));
    }
    let hash = || hash_file(path, want_sha256, context.call.cancel);
    let effort = context.reader.http().effort();
    let (digests, seen) = effort.during(Activity::Hashing, hash)?;
    if seen != *fingerprint {
        return Err(SourceError::Changed {
            path: path.to_string_lossy().into_owned(),
        });
    }
    if let Some(store) = context.store {
        let cached = CachedDigests {
            md5: digests.md5,
            sha256: digests.sha256,
        };
        // A cache that cannot be written costs time later and nothing else.
        if let Err(error) = store.remember_digests(fingerprint, cached, context.options.now_ns) {
            tracing::warn!(error = %error, "the digest cache cannot be written");
        }
    }
    Ok((digests.md5, digests.sha256))
}

/// The MD5 of a local file, or the reason why it cannot be had.
pub(super) fn local_md5(
    context: &PlanContext<'_>,
    file: &LocalFile,
) -> Result<Result<Md5Digest, SourceError>, PlanError> {
    match digests_of(
        context,
        &file.path(&context.manifest.root),
        &file.fingerprint,
        false,
    ) {
        Ok((md5, _)) => Ok(Ok(md5)),
        Err(SourceError::Cancelled) => Err(PlanError::Cancelled),
        Err(error) => Ok(Err(error.about(&file.shown()))),
    }
}
