//! Content digests: MD5 is what the platform reports, SHA-256 is ours, BLAKE3 is for rows.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha2::Sha256;

/// An MD5 of a file's bytes, as the platform stores it.
///
/// Parses from 32 hexadecimal digits or from 24 characters of base64, since the
/// platform's pages show both (`md5Hash`, the Arrow listing, `Digest` headers).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Md5Digest([u8; 16]);

impl Md5Digest {
    /// From the 16 bytes themselves.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Md5::digest(bytes).into())
    }

    /// The form that the platform's listing uses.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Display for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Md5Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let text = text.trim();
        if text.len() == 32 {
            return parse_hex(text).map(Self).ok_or(DigestError);
        }
        STANDARD
            .decode(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(DigestError)
    }
}

/// A SHA-256: plan ids, part names, receipts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// From the 32 bytes themselves.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// In base64, as a page's policy writes it.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// The first `digits` hexadecimal digits (at most 64).
    pub fn short_hex(&self, digits: usize) -> String {
        let mut text = self.to_string();
        text.truncate(digits);
        text
    }

    /// The first 130 bits as 26 characters of `[a-z2-7]`: short enough for a
    /// name, long enough that two contents never share it.
    pub fn short_base32(&self) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        (0..26)
            .map(|index| {
                let value = (0..5).fold(0_usize, |value, offset| {
                    let bit = index * 5 + offset;
                    let set = self.0[bit / 8] >> (7 - bit % 8) & 1;
                    value << 1 | usize::from(set)
                });
                char::from(ALPHABET[value])
            })
            .collect()
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        parse_hex(text).map(Self).ok_or(DigestError)
    }
}

/// Text that is no digest of the asked kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: expected hexadecimal digits or base64 of the right length")]
pub struct DigestError;

/// Makes an MD5 from bytes as they pass.
#[derive(Debug, Clone, Default)]
pub struct Md5Hasher(Md5);

impl Md5Hasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything added.
    pub fn finish(self) -> Md5Digest {
        Md5Digest(self.0.finalize().into())
    }
}

/// Makes a SHA-256 from bytes as they pass; a clone continues on its own.
///
/// `ring` is linked for TLS anyway, and nearly twice as fast as `sha2` on a processor
/// without SHA instructions: every row passes here.
#[derive(Clone)]
pub struct Sha256Hasher(ring::digest::Context);

impl Default for Sha256Hasher {
    fn default() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl fmt::Debug for Sha256Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha256Hasher")
    }
}

impl Sha256Hasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a field so that no two lists of fields hash alike: its length, then
    /// its bytes.
    pub fn update_field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// The digest of everything added.
    pub fn finish(self) -> Sha256Digest {
        let mut digest = [0; 32];
        for (byte, made) in digest.iter_mut().zip(self.0.finish().as_ref()) {
            *byte = *made;
        }
        Sha256Digest(digest)
    }
}

/// Makes the BLAKE3 of rows as they pass; a clone continues on its own.
///
/// Every row is hashed once to plan and once to send it. Without SHA instructions
/// this is ten times as fast as SHA-256, but only in whole blocks.
#[derive(Debug, Clone, Default)]
pub struct RowsHasher(blake3::Hasher);

impl RowsHasher {
    /// As many chunks of BLAKE3 as the widest registers hash side by side.
    pub const BLOCK: usize = 16 * blake3::CHUNK_LEN;

    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds the whole blocks at the front of `bytes`; answers how many bytes they have.
    pub fn update_blocks(&mut self, bytes: &[u8]) -> usize {
        let whole = bytes.len() - bytes.len() % Self::BLOCK;
        self.update(&bytes[..whole]);
        whole
    }

    /// The digest of everything added so far.
    pub fn digest(&self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0_u8; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_md5_reads_back_from_both_of_the_platform_s_forms() {
        let digest = Md5Digest::of(b"hello");

        assert_eq!(digest.to_string(), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(digest.to_base64(), "XUFAKrxLKna5cZ2REBfFkg==");
        assert_eq!("XUFAKrxLKna5cZ2REBfFkg==".parse(), Ok(digest));
        assert_eq!("5D41402ABC4B2A76B9719D911017C592".parse(), Ok(digest));
    }

    #[test]
    fn text_that_is_no_md5_is_refused() {
        for text in [
            "",
            "5d41",
            "zz41402abc4b2a76b9719d911017c592",
            "XUFAKrxLKna5cZ2REBfF",
        ] {
            assert_eq!(text.parse::<Md5Digest>(), Err(DigestError), "{text}");
        }
    }

    #[test]
    fn the_short_form_is_pinned() {
        let digest = Sha256Digest::of(b"abc");

        assert_eq!(digest.short_hex(8), "ba7816bf");
        assert_eq!(digest.short_base32(), "xj4bnp4pahh6uqkbidpf3lrceo");
    }

    #[test]
    fn bytes_that_pass_in_pieces_have_the_digest_of_the_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        for piece in [1, 55, 63, 64, 65, 200, 1_000] {
            let mut hasher = Sha256Hasher::new();
            let mut clones = Vec::new();
            for part in bytes.chunks(piece) {
                clones.push(hasher.clone());
                hasher.update(part);
            }

            assert_eq!(hasher.finish(), Sha256Digest::of(&bytes), "{piece}");
            for (count, clone) in clones.into_iter().enumerate() {
                assert_eq!(clone.finish(), Sha256Digest::of(&bytes[..count * piece]));
            }
        }
    }

    #[test]
    fn rows_that_pass_in_blocks_have_the_digest_of_the_whole() {
        let bytes: Vec<u8> = (0..=250).cycle().take(70_000).collect();
        for piece in [1, 100, 16_383, 16_384, 16_385, 40_000, 70_000] {
            let mut hasher = RowsHasher::new();
            let mut added = 0;
            for end in (0..bytes.len()).step_by(piece) {
                added += hasher.update_blocks(&bytes[added..end]);
                assert!(end - added < RowsHasher::BLOCK);
            }
            hasher.update(&bytes[added..]);

            assert_eq!(&hasher.clone().digest(), blake3::hash(&bytes).as_bytes());
        }
    }

    #[test]
    fn fields_do_not_run_together() {
        let mut one = Sha256Hasher::new();
        one.update_field(b"ab");
        one.update_field(b"c");
        let mut other = Sha256Hasher::new();
        other.update_field(b"a");
        other.update_field(b"bc");

        assert_ne!(one.finish(), other.finish());
    }
}
