//! Digests of whole files, in one read.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::base::digest::{Md5Hasher, Sha256Hasher};
use crate::base::{CancelToken, Fingerprint, Md5Digest, Sha256Digest};

use super::SourceError;

/// Bytes read at a time: a cached read is at its fastest from here on.
const BUFFER: usize = 1024 * 1024;

/// A file's digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileDigests {
    /// What the platform reports.
    pub md5: Md5Digest,
    /// Ours, if it was asked for.
    pub sha256: Option<Sha256Digest>,
}

/// Reads a file once. The fingerprint is that of the bytes read: a file that
/// changed meanwhile is [`SourceError::Changed`].
pub fn hash_file(
    path: &Path,
    want_sha256: bool,
    cancel: &CancelToken,
) -> Result<(FileDigests, Fingerprint), SourceError> {
    let shown = path.to_string_lossy();
    let fail = |operation, error| SourceError::io(&shown, operation, error);
    let mut file = File::open(path).map_err(|error| fail("open", error))?;
    let before = file.metadata().map_err(|error| fail("look at", error))?;
    let before = Fingerprint::of(&before);
    let mut md5 = Md5Hasher::new();
    let mut sha256 = want_sha256.then(Sha256Hasher::new);
    let room = usize::try_from(before.size.saturating_add(1)).unwrap_or(BUFFER);
    let mut buffer = vec![0; room.clamp(4096, BUFFER)];
    let mut read_bytes = 0_u64;
    loop {
        if cancel.is_cancelled() {
            return Err(SourceError::Cancelled);
        }
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(fail("read", error)),
        };
        read_bytes += count as u64;
        md5.update(&buffer[..count]);
        if let Some(sha256) = &mut sha256 {
            sha256.update(&buffer[..count]);
        }
    }
    // The path, not the handle: a file that was replaced is another one.
    let after = std::fs::metadata(path).map_err(|error| fail("look at", error))?;
    if Fingerprint::of(&after) != before || read_bytes != before.size {
        return Err(SourceError::Changed {
            path: shown.into_owned(),
        });
    }
    let digests = FileDigests {
        md5: md5.finish(),
        sha256: sha256.map(Sha256Hasher::finish),
    };
    Ok((digests, before))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::cancel::CancelReason;

    #[test]
    fn one_read_gives_both_digests_and_the_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        fs::write(&path, &bytes).unwrap();

        let (digests, print) = hash_file(&path, true, &CancelToken::new()).unwrap();

        assert_eq!(digests.md5, Md5Digest::of(&bytes));
        assert_eq!(digests.sha256, Some(Sha256Digest::of(&bytes)));
        assert_eq!(print, Fingerprint::of(&fs::metadata(&path).unwrap()));
    }

    #[test]
    fn an_empty_file_has_the_digest_of_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "").unwrap();

        let (digests, _) = hash_file(&path, false, &CancelToken::new()).unwrap();

        assert_eq!(digests.md5.to_string(), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(digests.sha256, None);
    }

    /// Like a file that grows while it is read: it is listed with no bytes.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_gives_other_bytes_than_its_size_says_is_not_hashed() {
        let hashed = hash_file(Path::new("/proc/self/status"), false, &CancelToken::new());

        assert!(matches!(hashed, Err(SourceError::Changed { .. })));
    }

    #[test]
    fn a_missing_file_and_a_stopped_run_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let missing = hash_file(&path, false, &CancelToken::new()).unwrap_err();
        fs::write(&path, "x").unwrap();
        let cancel = CancelToken::new();
        cancel.cancel(CancelReason::Interrupted);

        assert!(matches!(missing, SourceError::NotFound { .. }));
        assert!(matches!(
            hash_file(&path, false, &cancel),
            Err(SourceError::Cancelled)
        ));
    }
}
