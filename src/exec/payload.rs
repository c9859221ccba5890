//! A payload taken apart into its rows, for halving and for finding the rows
//! that the platform refuses.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::base::{PartHasher, PartIdentity, SourceKey, VariableType};
use crate::source::rows::pack;

/// A payload and where each row stands in it.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    payload: &'a [u8],
    places: Vec<Range<usize>>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    rows: Vec<&'a RawValue>,
}

impl<'a> Rows<'a> {
    /// Of a payload that this program encoded. `None`: it did not.
    pub(super) fn of(payload: &'a [u8]) -> Option<Self> {
        let envelope: Envelope<'a> = serde_json::from_slice(payload).ok()?;
        let start = payload.as_ptr() as usize;
        let places = envelope
            .rows
            .iter()
            .map(|row| {
                let text = row.get();
                let from = text.as_ptr() as usize - start;
                from..from + text.len()
            })
            .collect();
        Some(Self { payload, places })
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// One row's text.
    pub(super) fn row(&self, index: usize) -> &'a [u8] {
        &self.payload[self.places[index].clone()]
    }

    /// The text of a run of rows.
    fn text(&self, rows: Range<usize>) -> &'a [u8] {
        match &self.places[rows] {
            [] => &[],
            [one] => &self.payload[one.clone()],
            [first, .., last] => &self.payload[first.start..last.end],
        }
    }

    /// A payload of these rows only.
    pub(super) fn payload(&self, rows: impl Iterator<Item = usize>) -> Vec<u8> {
        let mut out = Vec::new();
        pack::open(&mut out);
        for (position, row) in rows.enumerate() {
            if position > 0 {
                out.push(b',');
            }
            out.extend_from_slice(self.row(row));
        }
        pack::close(&mut out);
        out
    }

    /// The identity of a run of these rows as a part of its own.
    pub(super) fn identity(
        &self,
        whole: &PartIdentity,
        source: &SourceKey,
        schema: &[(String, VariableType)],
        rows: Range<usize>,
    ) -> PartIdentity {
        let names = schema.iter().map(|(name, kind)| (name.as_str(), *kind));
        let mut hasher = PartHasher::for_rows(&whole.owner, names);
        hasher.rows(self.text(rows.clone()));
        PartIdentity {
            first_row: whole.first_row + rows.start as u64,
            rows: rows.len() as u64,
            digest: hasher.digest(source),
            refused: 0,
            ..whole.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::part::slug;

    const PAYLOAD: &[u8] = br#"{"rows":[{"x":1},{"x":"a,]}"},{"x":null}]}"#;

    #[test]
    fn a_payload_of_all_rows_is_the_payload() {
        let rows = Rows::of(PAYLOAD).unwrap();

        assert_eq!(rows.len(), 3);
        assert_eq!(rows.row(1), br#"{"x":"a,]}"}"#);
        assert_eq!(rows.payload(0..3), PAYLOAD);
        assert_eq!(
            rows.payload([0, 2].into_iter()),
            br#"{"rows":[{"x":1},{"x":null}]}"#
        );
    }

    #[test]
    fn halves_have_the_identities_of_ordinary_parts() {
        let schema = vec![("x".to_owned(), VariableType::String)];
        let owner = SourceKey::owner("m", "j");
        let source = SourceKey::source("a.csv");
        let rows = Rows::of(PAYLOAD).unwrap();
        let mut hasher = PartHasher::for_rows(&owner, [("x", VariableType::String)]);
        hasher.rows(br#"{"x":1},{"x":"a,]}"},{"x":null}"#);
        let whole = PartIdentity {
            slug: slug("a"),
            owner,
            source: source.clone(),
            first_row: 10,
            rows: 3,
            digest: hasher.digest(&source),
            refused: 0,
        };

        assert_eq!(rows.identity(&whole, &source, &schema, 0..3), whole);
        let half = rows.identity(&whole, &source, &schema, 1..3);
        assert_eq!((half.first_row, half.rows), (11, 2));
        assert_ne!(half.digest, whole.digest);
    }
}
