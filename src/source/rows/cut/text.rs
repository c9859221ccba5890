//! The rows of one part as they come: encoded one after another, as in a payload, and
//! hashed where they stand.

use crate::base::{PartHasher, RowsHasher};

/// The text of a part's rows, as far as it is not hashed, and of the row after them.
pub(super) struct PartText {
    /// It has seen no rows.
    empty: PartHasher,
    /// It has seen the rows before the text.
    hasher: PartHasher,
    text: Vec<u8>,
    /// The part has rows.
    has_rows: bool,
    /// Where its rows end.
    end: usize,
    /// Where the row after them starts.
    row: usize,
}

impl PartText {
    pub(super) fn new(empty: PartHasher) -> Self {
        Self {
            hasher: empty.clone(),
            empty,
            text: Vec::new(),
            has_rows: false,
            end: 0,
            row: 0,
        }
    }

    /// Where the next row is to be appended.
    pub(super) fn next(&mut self) -> &mut Vec<u8> {
        self.text.truncate(self.end);
        if self.has_rows {
            self.text.push(b',');
        }
        self.row = self.text.len();
        &mut self.text
    }

    /// The row that was appended last and is not the part's.
    pub(super) fn row(&self) -> &[u8] {
        &self.text[self.row..]
    }

    /// That row is the part's.
    pub(super) fn take(&mut self) {
        self.has_rows = true;
        if self.text.len() >= RowsHasher::BLOCK {
            let hashed = self.hasher.blocks_of_rows(&self.text);
            self.text.drain(..hashed);
        }
        self.end = self.text.len();
        self.row = self.end;
    }

    /// Of the part's rows.
    pub(super) fn hasher(&self) -> PartHasher {
        let mut hasher = self.hasher.clone();
        hasher.rows(&self.text[..self.end]);
        hasher
    }

    /// Starts another part at that row.
    pub(super) fn start_at_row(&mut self) {
        self.text.drain(..self.row);
        self.start();
    }

    /// Starts another part.
    pub(super) fn start_empty(&mut self) {
        self.text.clear();
        self.start();
    }

    fn start(&mut self) {
        self.hasher = self.empty.clone();
        self.has_rows = false;
        self.end = 0;
        self.row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SourceKey, VariableType};

    fn empty() -> PartHasher {
        let owner = SourceKey::owner("m", "j");
        PartHasher::for_rows(&owner, [("x", VariableType::String)])
    }

    fn digest_of(rows: &[&str]) -> String {
        let mut hasher = empty();
        hasher.rows(rows.join(",").as_bytes());
        hasher.digest(&SourceKey::source("a.csv"))
    }

    fn digest(text: &PartText) -> String {
        text.hasher().digest(&SourceKey::source("a.csv"))
    }

    #[test]
    fn a_part_has_the_rows_that_it_took() {
        let mut text = PartText::new(empty());
        for row in ["a", "bb"] {
            text.next().extend_from_slice(row.as_bytes());
            text.take();
        }
        text.next().extend_from_slice(b"ccc");

        assert_eq!(text.row(), b"ccc");
        assert_eq!(digest(&text), digest_of(&["a", "bb"]));
        text.start_at_row();
        assert_eq!(text.row(), b"ccc");
        assert_eq!(digest(&text), digest_of(&[]));
        text.take();
        assert_eq!(digest(&text), digest_of(&["ccc"]));
        // There was no row any more.
        text.next();
        assert_eq!(digest(&text), digest_of(&["ccc"]));
        text.start_empty();
        text.next().extend_from_slice(b"d");
        text.take();
        assert_eq!(digest(&text), digest_of(&["d"]));
    }

    #[test]
    fn rows_are_hashed_in_blocks_and_let_go() {
        for length in [1_000, RowsHasher::BLOCK - 1, RowsHasher::BLOCK, 100_000] {
            let row = "x".repeat(length);
            let mut text = PartText::new(empty());
            for _ in 0..200 {
                text.next().extend_from_slice(row.as_bytes());
                text.take();
                assert!(text.text.len() < RowsHasher::BLOCK);
            }

            assert_eq!(digest(&text), digest_of(&[row.as_str(); 200]), "{length}");
        }
    }
}
