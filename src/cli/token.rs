//! Where the token comes from. A file or a command can be asked again, when a
//! token has expired under a long run.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use crate::base::Secret;

const MAX_TOKEN_BYTES: u64 = 16 << 10;

/// Where the token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// `REDIVIS_API_TOKEN`.
    Fixed(Secret),
    /// `--token-file`.
    File(PathBuf),
    /// `--token-command`, run by `sh -c`.
    Command(String),
    /// Nobody gave one.
    Missing,
}

/// No token could be had. Never says what was read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nobody gave one.
    #[error("no token: set `REDIVIS_API_TOKEN`, or give `--token-file` or `--token-command`")]
    Missing,
    /// The file could not be read.
    #[error("cannot read the token from `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The command could not be started or read.
    #[error("cannot run the command that gives the token")]
    Command {
        /// Why.
        source: std::io::Error,
    },
    /// The command failed; what it said went to stderr.
    #[error("the command that gives the token failed ({status})")]
    CommandFailed {
        /// How it ended.
        status: ExitStatus,
    },
    /// What came is no token.
    #[error("the token from {origin} {why}")]
    Unusable {
        /// From where.
        origin: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl TokenSource {
    /// Whether asking again may give another token.
    pub fn can_change(&self) -> bool {
        match self {
            Self::File(_) | Self::Command(_) => true,
            Self::Fixed(_) | Self::Missing => false,
        }
    }

    /// The token as it is now.
    pub fn read(&self) -> Result<Secret, TokenError> {
        match self {
            Self::Fixed(secret) => usable("`REDIVIS_API_TOKEN`", secret.reveal().as_bytes()),
            Self::File(path) => {
                let read = std::fs::File::open(path).and_then(limited);
                let bytes = read.map_err(|source| TokenError::File {
                    path: path.clone(),
                    source,
                })?;
                usable("the file", &bytes)
            }
            Self::Command(line) => usable("the command", &run(line)?),
            Self::Missing => Err(TokenError::Missing),
        }
    }
}

/// The output of a command. Its stdin is empty, so that it cannot wait for an
/// answer that nobody sees the question of.
fn run(line: &str) -> Result<Vec<u8>, TokenError> {
    let failed = |source| TokenError::Command { source };
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(line)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let bytes = child
        .stdout
        .take()
        .map(limited)
        .transpose()
        .map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(TokenError::CommandFailed { status });
    }
    Ok(bytes.unwrap_or_default())
}

fn limited(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_TOKEN_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn usable(origin: &'static str, bytes: &[u8]) -> Result<Secret, TokenError> {
    let unusable = |why| TokenError::Unusable { origin, why };
    let text = bytes.trim_ascii();
    if text.is_empty() {
        return Err(unusable("is empty"));
    }
    if bytes.len() as u64 > MAX_TOKEN_BYTES {
        return Err(unusable("is longer than 16 KiB"));
    }
    // What may stand in a header's value: a line break there would be an
    // injection.
    let sound = text.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(text) {
        Ok(text) if sound => Ok(Secret::new(text)),
        _ => Err(unusable("has characters that no token has")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_each_source() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "  tok-1\n").unwrap();
        for source in [
            TokenSource::Fixed(Secret::new("tok-1")),
            TokenSource::File(path),
            TokenSource::Command("echo tok-1".to_owned()),
        ] {
            assert_eq!(source.read().unwrap(), Secret::new("tok-1"), "{source:?}");
        }
    }

    #[test]
    fn a_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = TokenSource::File(path.clone());
        std::fs::write(&path, "old").unwrap();
        assert_eq!(source.read().unwrap(), Secret::new("old"));

        std::fs::write(&path, "new").unwrap();

        assert_eq!(source.read().unwrap(), Secret::new("new"));
        assert!(source.can_change());
    }

    #[test]
    fn what_is_no_token_is_refused_and_never_shown() {
        for (command, part) in [
            ("true", "is empty"),
            ("printf 'se\\ncret'", "characters"),
            ("printf 'se cret'", "characters"),
            ("head -c 20000 /dev/zero | tr '\\0' s", "16 KiB"),
            ("echo secret; exit 3", "exit status: 3"),
        ] {
            let error = TokenSource::Command(command.to_owned()).read().unwrap_err();

            assert!(error.to_string().contains(part), "{command}: {error}");
            assert!(!format!("{error} {error:?}").contains("cret"), "{error:?}");
        }
    }

    #[test]
    fn a_missing_token_says_where_it_goes() {
        let error = TokenSource::Missing.read().unwrap_err();

        assert!(error.to_string().contains("REDIVIS_API_TOKEN"), "{error}");
    }
}
