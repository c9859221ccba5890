//! Two streams of bytes, held against each other.

use std::io::{self, Read};

use super::error::ProofError;
use crate::base::CancelToken;

const BUFFER: usize = 256 * 1024;

/// Where a local and a stored content part; `None`: they are equal.
pub(super) fn first_difference(
    (shown, mut local): (&str, impl Read),
    (name, mut stored): (&str, impl Read),
    cancel: &CancelToken,
) -> Result<Option<u64>, ProofError> {
    let (mut ours, mut theirs) = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut offset = 0;
    loop {
        if cancel.is_cancelled() {
            return Err(ProofError::Cancelled);
        }
        let left = fill(&mut local, &mut ours).map_err(ProofError::local(shown))?;
        let right = fill(&mut stored, &mut theirs).map_err(ProofError::stored(name))?;
        let (one, other) = (&ours[..left], &theirs[..right]);
        if one != other {
            let pairs = one.iter().zip(other);
            let equal = pairs.take_while(|(one, other)| one == other).count();
            return Ok(Some(offset + equal as u64));
        }
        if left == 0 {
            return Ok(None);
        }
        offset += left as u64;
    }
}

/// Reads until the buffer is full or there is no more.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parted(local: &[u8], stored: &[u8]) -> Option<u64> {
        first_difference(("l", local), ("s", stored), &CancelToken::new()).unwrap()
    }

    #[test]
    fn contents_part_at_the_first_byte_that_differs_or_is_not_there() {
        let long = vec![7; 3 * BUFFER + 5];
        let mut changed = long.clone();
        changed[2 * BUFFER + 1] = 8;

        assert_eq!(parted(&long, &long), None);
        assert_eq!(parted(b"", b""), None);
        assert_eq!(parted(&long, &changed), Some(2 * BUFFER as u64 + 1));
        assert_eq!(parted(&long, &long[..BUFFER]), Some(BUFFER as u64));
        assert_eq!(parted(b"", b"a"), Some(0));
        assert_eq!(parted(b"ab", b"abc"), Some(2));
    }
}
