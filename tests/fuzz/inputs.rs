//! Inputs: committed ones with a few changes, words in a row, and plain noise.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One change to an input.
#[derive(Debug, Clone)]
enum Change {
    Put(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    Repeat(Index, Index, usize),
    /// Four bytes become a number; binary formats hold lengths.
    Number(Index, u32),
    Splice(Index, Vec<u8>, Index),
}

impl Change {
    fn make(self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let place = |index: Index| index.index(length + 1);
        let between = |one: Index, other: Index| {
            let (one, other) = (place(one), place(other));
            one.min(other)..one.max(other)
        };
        match self {
            Self::Put(at, byte) => {
                if let Some(old) = bytes.get_mut(place(at)) {
                    *old = byte;
                }
            }
            Self::Insert(at, word) => {
                bytes.splice(place(at)..place(at), word);
            }
            Self::Cut(one, other) => drop(bytes.drain(between(one, other))),
            Self::Repeat(one, other, times) => {
                let range = between(one, other);
                let mut piece = bytes[range.clone()].to_vec();
                piece.truncate(400);
                let piece = piece.repeat(times);
                bytes.splice(range.start..range.start, piece);
            }
            Self::Number(at, number) => {
                let at = place(at) & !3;
                if let Some(old) = bytes.get_mut(at..at + 4) {
                    old.copy_from_slice(&number.to_le_bytes());
                }
            }
            Self::Splice(at, other, from) => {
                let from = from.index(other.len() + 1);
                bytes.truncate(place(at));
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
}

fn change(seeds: Vec<Vec<u8>>, words: &'static [&'static str]) -> impl Strategy<Value = Change> {
    let number = prop_oneof![
        Just(0),
        Just(u32::MAX),
        Just(u32::MAX >> 1),
        0_u32..64,
        any::<u32>()
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (any::<Index>(), select(words))
            .prop_map(|(at, word)| Change::Insert(at, word.as_bytes().to_vec())),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Cut(one, other)),
        (any::<Index>(), any::<Index>(), 1_usize..40)
            .prop_map(|(one, other, times)| Change::Repeat(one, other, times)),
        (any::<Index>(), number).prop_map(|(at, number)| Change::Number(at, number)),
        (any::<Index>(), select(seeds), any::<Index>())
            .prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

/// Inputs of a target.
pub(super) fn inputs(
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let changed = (select(seeds.clone()), vec(change(seeds, words), 0..6)).prop_map(
        |(mut bytes, changes)| {
            for change in changes {
                change.make(&mut bytes);
            }
            bytes
        },
    );
    prop_oneof![
        1 => vec(any::<u8>(), 0..200),
        4 => vec(select(words), 0..40).prop_map(|words| words.concat().into_bytes()),
        6 => changed,
    ]
}
