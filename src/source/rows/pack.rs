//! The arithmetic of payloads: `{"rows":[` row `,` row `]}`. Pure.

/// How a payload starts.
pub const OPEN: &[u8] = br#"{"rows":["#;
/// How it ends.
pub const CLOSE: &[u8] = b"]}";
/// The hard stop: 100 MB for a whole payload, taken as 10^8 bytes (docs:
/// rest-api/uploads/insertRows; contract Q15).
pub const CAP: u64 = 100_000_000;

/// Bytes of a payload without rows.
pub const ENVELOPE: u64 = (OPEN.len() + CLOSE.len()) as u64;

/// The size of a payload as rows are added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadSize {
    rows: u64,
    bytes: u64,
}

impl PayloadSize {
    /// No rows yet.
    pub const EMPTY: Self = Self {
        rows: 0,
        bytes: ENVELOPE,
    };

    /// Rows in it.
    pub const fn rows(self) -> u64 {
        self.rows
    }

    /// Bytes, the envelope included.
    pub const fn bytes(self) -> u64 {
        self.bytes
    }

    /// With one more row of `bytes`.
    #[must_use]
    pub const fn with(self, bytes: u64) -> Self {
        let comma = if self.rows == 0 { 0 } else { 1 };
        Self {
            rows: self.rows + 1,
            bytes: self.bytes + comma + bytes,
        }
    }
}

/// Starts a payload in `out`.
pub fn open(out: &mut Vec<u8>) {
    out.extend_from_slice(OPEN);
}

/// Ends a payload.
pub fn close(out: &mut Vec<u8>) {
    out.extend_from_slice(CLOSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_that_of_the_text() {
        let size = PayloadSize::EMPTY.with(2).with(8);

        assert_eq!(size.rows(), 2);
        assert_eq!(size.bytes(), r#"{"rows":[{},{"a":10}]}"#.len() as u64);
    }
}
