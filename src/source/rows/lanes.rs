//! Sixteen bytes looked at side by side. An answer has a bit for each, the first byte's
//! lowest.

use wide::u8x16;

pub(super) const LANES: usize = 16;

/// Sixteen bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes(u8x16);

impl Lanes {
    pub(super) fn of(bytes: [u8; LANES]) -> Self {
        Self(u8x16::new(bytes))
    }

    /// Which are this byte.
    pub(super) fn equal(self, byte: u8) -> u32 {
        self.0.simd_eq(u8x16::splat(byte)).to_bitmask()
    }

    /// Which are one of these bytes.
    pub(super) fn either(self, one: u8, other: u8) -> u32 {
        let is_one = self.0.simd_eq(u8x16::splat(one));
        (is_one | self.0.simd_eq(u8x16::splat(other))).to_bitmask()
    }

    /// Which are not ASCII.
    pub(super) fn beyond_ascii(self) -> u32 {
        self.0.to_bitmask()
    }

    /// Which are neither below `least` nor above `most`.
    pub(super) fn within(self, least: u8, most: u8) -> u32 {
        let above = self.0 - u8x16::splat(least);
        let most = u8x16::splat(most - least);
        above.min(most).simd_eq(above).to_bitmask()
    }

    /// How far each is above the least that it may be; `None`: one is below that, or
    /// above the most.
    pub(super) fn above(self, least: [u8; LANES], most: [u8; LANES]) -> Option<[u8; LANES]> {
        let above = self.0 - u8x16::new(least);
        let room = u8x16::new(most) - u8x16::new(least);
        let is_within = above.min(room).simd_eq(above).all();
        is_within.then(|| above.to_array())
    }
}
