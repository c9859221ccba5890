//! The comparison by itself: for the benchmarks under `tests/bench`, and for nobody
//! else. No part of the library's interface.

use super::diff::{self, Pair};

/// How many names two sorted lists share.
pub fn align(local: &[String], remote: &[String]) -> usize {
    let pairs = diff::align(local, remote, Ord::cmp);
    pairs
        .iter()
        .filter(|pair| matches!(pair, Pair::Both(..)))
        .count()
}
