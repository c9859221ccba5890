//! Comparison, and nothing else: pure functions from what is local and what is
//! remote to a class and a reason.

use super::model::{Action, Class, Reason};
use crate::base::Md5Digest;
use crate::manifest::OnFileChange;

/// One side of a file's comparison. `md5` is `None` where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileSide {
    /// Bytes.
    pub(super) size: u64,
    /// Of the content.
    pub(super) md5: Option<Md5Digest>,
}

/// What is known of a file whose remote side tells no MD5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The remote's bytes were read back: its side is what they are.
    ReadBack,
    /// `--compare size`: the size is enough.
    SizeSuffices,
    /// A run of ours verified this very content under this name.
    Receipt,
    /// Nothing.
    None,
}

/// The truth table of files that are on both sides.
///
/// The local MD5 must be known when the sizes are equal and the remote tells
/// one; a missing one compares as different, which sends the file again.
pub(super) fn compare_file(local: FileSide, remote: FileSide, proof: Proof) -> (Class, Reason) {
    if local.size != remote.size {
        return (Class::Changed, Reason::OtherSize);
    }
    if proof == Proof::SizeSuffices {
        return (Class::Unchanged, Reason::SameSize);
    }
    match (remote.md5, proof) {
        (Some(_), Proof::ReadBack) if local.md5 == remote.md5 => {
            (Class::Unchanged, Reason::SameBytes)
        }
        (Some(_) | None, Proof::ReadBack) => (Class::Changed, Reason::OtherBytes),
        (Some(_), _) if local.md5 == remote.md5 => (Class::Unchanged, Reason::SameMd5),
        (Some(_), _) => (Class::Changed, Reason::OtherMd5),
        (None, Proof::Receipt) => (Class::Unchanged, Reason::Receipt),
        (None, Proof::None | Proof::SizeSuffices) => (Class::Changed, Reason::Unverifiable),
    }
}

/// What `on_change` makes of a changed file.
pub(super) fn apply_on_change(
    compared: (Class, Reason),
    policy: OnFileChange,
) -> (Class, Reason, Action) {
    let (class, reason) = compared;
    if class != Class::Changed {
        return (class, reason, Action::None);
    }
    match policy {
        OnFileChange::Replace => (class, reason, Action::Send),
        OnFileChange::Keep => (Class::Skipped, Reason::Kept, Action::None),
        OnFileChange::Fail => (Class::Conflict, Reason::ChangeRefused, Action::None),
    }
}

/// A pair of one sorted merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pair {
    /// Index into the left list only.
    Left(usize),
    /// Index into the right list only.
    Right(usize),
    /// Both.
    Both(usize, usize),
}

/// Aligns two lists that are sorted by the same key and have no equal keys.
pub(super) fn align<L, R>(
    left: &[L],
    right: &[R],
    compare: impl Fn(&L, &R) -> std::cmp::Ordering,
) -> Vec<Pair> {
    use std::cmp::Ordering;

    let mut pairs = Vec::with_capacity(left.len().max(right.len()));
    let (mut l, mut r) = (0, 0);
    while l < left.len() && r < right.len() {
        match compare(&left[l], &right[r]) {
            Ordering::Less => {
                pairs.push(Pair::Left(l));
                l += 1;
            }
            Ordering::Greater => {
                pairs.push(Pair::Right(r));
                r += 1;
            }
            Ordering::Equal => {
                pairs.push(Pair::Both(l, r));
                l += 1;
                r += 1;
            }
        }
    }
    pairs.extend((l..left.len()).map(Pair::Left));
    pairs.extend((r..right.len()).map(Pair::Right));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(size: u64, content: Option<&[u8]>) -> FileSide {
        FileSide {
            size,
            md5: content.map(Md5Digest::of),
        }
    }

    #[test]
    fn the_truth_table_of_files() {
        let a = Some(b"a".as_slice());
        let b = Some(b"b".as_slice());
        for (local, remote, proof, wanted) in [
            (
                side(1, None),
                side(2, a),
                Proof::None,
                (Class::Changed, Reason::OtherSize),
            ),
            (
                side(1, None),
                side(2, a),
                Proof::SizeSuffices,
                (Class::Changed, Reason::OtherSize),
            ),
            (
                side(1, a),
                side(1, a),
                Proof::ReadBack,
                (Class::Unchanged, Reason::SameBytes),
            ),
            (
                side(1, a),
                side(1, b),
                Proof::ReadBack,
                (Class::Changed, Reason::OtherBytes),
            ),
            (
                side(1, None),
                side(2, None),
                Proof::Receipt,
                (Class::Changed, Reason::OtherSize),
            ),
            (
                side(1, a),
                side(1, b),
                Proof::None,
                (Class::Changed, Reason::OtherMd5),
            ),
            (
                side(1, a),
                side(1, b),
                Proof::Receipt,
                (Class::Changed, Reason::OtherMd5),
            ),
            (
                side(1, None),
                side(1, b),
                Proof::None,
                (Class::Changed, Reason::OtherMd5),
            ),
            (
                side(1, a),
                side(1, a),
                Proof::None,
                (Class::Unchanged, Reason::SameMd5),
            ),
            (
                side(1, a),
                side(1, b),
                Proof::SizeSuffices,
                (Class::Unchanged, Reason::SameSize),
            ),
            (
                side(1, a),
                side(1, None),
                Proof::Receipt,
                (Class::Unchanged, Reason::Receipt),
            ),
            (
                side(1, a),
                side(1, None),
                Proof::None,
                (Class::Changed, Reason::Unverifiable),
            ),
        ] {
            assert_eq!(
                compare_file(local, remote, proof),
                wanted,
                "{local:?} {remote:?} {proof:?}"
            );
        }
    }

    #[test]
    fn on_change_only_touches_changed_files() {
        let changed = (Class::Changed, Reason::OtherMd5);
        let same = (Class::Unchanged, Reason::SameMd5);

        assert_eq!(
            apply_on_change(changed, OnFileChange::Replace),
            (Class::Changed, Reason::OtherMd5, Action::Send)
        );
        assert_eq!(
            apply_on_change(changed, OnFileChange::Keep),
            (Class::Skipped, Reason::Kept, Action::None)
        );
        assert_eq!(
            apply_on_change(changed, OnFileChange::Fail),
            (Class::Conflict, Reason::ChangeRefused, Action::None)
        );
        for policy in [
            OnFileChange::Replace,
            OnFileChange::Keep,
            OnFileChange::Fail,
        ] {
            assert_eq!(
                apply_on_change(same, policy),
                (Class::Unchanged, Reason::SameMd5, Action::None)
            );
        }
    }

    #[test]
    fn aligning_names_each_element_once_in_order() {
        let pairs = align(&[1, 3, 5], &[2, 3, 6, 7], i32::cmp);

        assert_eq!(
            pairs,
            [
                Pair::Left(0),
                Pair::Right(0),
                Pair::Both(1, 1),
                Pair::Left(2),
                Pair::Right(2),
                Pair::Right(3)
            ]
        );
    }
}
