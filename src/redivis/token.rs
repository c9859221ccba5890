//! Where the bearer token comes from. It may be read again when the server no
//! longer takes it, since tokens in files and from commands are renewed.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use crate::base::Secret;

/// A token's source.
pub struct TokenSource {
    kind: Kind,
    held: Mutex<Option<Secret>>,
}

enum Kind {
    None,
    Fixed,
    Read(Box<dyn Fn() -> Result<Secret, io::Error> + Send + Sync>),
}

impl TokenSource {
    /// No token: public content, or a sandbox.
    pub fn none() -> Self {
        Self {
            kind: Kind::None,
            held: Mutex::new(None),
        }
    }

    /// A token that stays the same.
    pub fn fixed(token: Secret) -> Self {
        Self {
            kind: Kind::Fixed,
            held: Mutex::new(Some(token)),
        }
    }

    /// A token that is read when it is first needed, and once more when the
    /// server refuses it.
    pub fn read(read: impl Fn() -> Result<Secret, io::Error> + Send + Sync + 'static) -> Self {
        Self {
            kind: Kind::Read(Box::new(read)),
            held: Mutex::new(None),
        }
    }

    /// The token to send.
    pub(super) fn current(&self) -> Result<Option<Secret>, io::Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Kind::Read(read)) = (&*held, &self.kind) {
            *held = Some(checked(read()?)?);
        }
        held.clone().map(checked).transpose()
    }

    /// After `refused` was refused: another token, if there is one. Many workers
    /// may ask at once; the source is read once for all of them.
    pub(super) fn renewed(&self, refused: &Secret) -> Result<Option<Secret>, io::Error> {
        let Kind::Read(read) = &self.kind else {
            return Ok(None);
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_none_or(|held| held == refused) {
            *held = Some(checked(read()?)?);
        }
        Ok(held.clone().filter(|held| held != refused))
    }
}

/// Without the blanks and line ends that files have; nothing that could not stand
/// in a header.
fn checked(token: Secret) -> Result<Secret, io::Error> {
    let text = token.reveal();
    let trimmed = text.trim();
    if trimmed.is_empty() || !trimmed.bytes().all(|c| c.is_ascii_graphic()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the token is empty or has characters that no token has",
        ));
    }
    if trimmed.len() == text.len() {
        return Ok(token);
    }
    Ok(Secret::new(trimmed))
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::None => "TokenSource::none",
            Kind::Fixed => "TokenSource::fixed(..)",
            Kind::Read(_) => "TokenSource::read(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_refused_token_is_read_again_once_for_all_workers() {
        let reads = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&reads);
        let source = TokenSource::read(move || {
            let n = counted.fetch_add(1, Ordering::SeqCst);
            Ok(Secret::new(format!("tok-{n}\n")))
        });

        let first = source.current().unwrap().unwrap();
        let second = source.renewed(&first).unwrap();
        let same = source.renewed(&first).unwrap();

        assert_eq!(first, Secret::new("tok-0"));
        assert_eq!(second, Some(Secret::new("tok-1")));
        assert_eq!(same, second);
        assert_eq!(reads.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_fixed_token_has_no_other() {
        let token = Secret::new("tok");

        assert_eq!(
            TokenSource::fixed(token.clone()).renewed(&token).unwrap(),
            None
        );
        assert_eq!(TokenSource::none().current().unwrap(), None);
    }

    #[test]
    fn a_token_that_would_break_a_header_is_refused_without_being_shown() {
        let error = TokenSource::fixed(Secret::new("tok\r\nX: y"))
            .current()
            .unwrap_err();

        assert!(!error.to_string().contains("tok\r"));
    }
}
