//! The closed lists of words that keys take, each with what it means. The key
//! tables and the check both read them.

use crate::base::MergeStrategy;

use super::model::{
    Extra, ExtraColumns, MissingColumns, NestedPolicy, OnFileChange, OnMissing, OnReleased,
    OnRenamed, OnRowsChange, Others, Symlinks, ZonePolicy,
};

/// A word and its meaning.
pub(super) type Word<T> = (&'static str, T);

pub(super) const OTHERS: [Word<Others>; 2] = [("fail", Others::Fail), ("allow", Others::Allow)];

pub(super) const MERGE: [Word<MergeStrategy>; 2] = [
    ("append", MergeStrategy::Append),
    ("replace", MergeStrategy::Replace),
];

pub(super) const ON_FILE_CHANGE: [Word<OnFileChange>; 3] = [
    ("replace", OnFileChange::Replace),
    ("keep", OnFileChange::Keep),
    ("fail", OnFileChange::Fail),
];

pub(super) const ON_ROWS_CHANGE: [Word<OnRowsChange>; 2] = [
    ("replace", OnRowsChange::Replace),
    ("fail", OnRowsChange::Fail),
];

pub(super) const ON_RELEASED: [Word<OnReleased>; 2] =
    [("fail", OnReleased::Fail), ("append", OnReleased::Append)];

pub(super) const ON_MISSING: [Word<OnMissing>; 3] = [
    ("keep", OnMissing::Keep),
    ("delete", OnMissing::Delete),
    ("fail", OnMissing::Fail),
];

pub(super) const ON_RENAMED: [Word<OnRenamed>; 3] = [
    ("keep", OnRenamed::Keep),
    ("send", OnRenamed::Send),
    ("fail", OnRenamed::Fail),
];

pub(super) const EXTRA: [Word<Extra>; 2] = [("report", Extra::Report), ("fail", Extra::Fail)];

pub(super) const SYMLINKS: [Word<Symlinks>; 3] = [
    ("follow", Symlinks::Follow),
    ("skip", Symlinks::Skip),
    ("fail", Symlinks::Fail),
];

pub(super) const EXTRA_COLUMNS: [Word<ExtraColumns>; 2] =
    [("fail", ExtraColumns::Fail), ("drop", ExtraColumns::Drop)];

pub(super) const MISSING_COLUMNS: [Word<MissingColumns>; 2] = [
    ("fail", MissingColumns::Fail),
    ("null", MissingColumns::Null),
];

pub(super) const ZONE: [Word<ZonePolicy>; 3] = [
    ("fail", ZonePolicy::Fail),
    ("utc", ZonePolicy::Utc),
    ("drop", ZonePolicy::Drop),
];

pub(super) const NESTED: [Word<NestedPolicy>; 2] =
    [("fail", NestedPolicy::Fail), ("json", NestedPolicy::Json)];

/// Only the words of a list.
pub(super) const fn names<T, const N: usize>(words: &[Word<T>; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = words[at].0;
        at += 1;
    }
    names
}
