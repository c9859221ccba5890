//! What an item is, why, and what would be done about it: closed lists of words.

use serde::{Deserialize, Serialize};

/// What an item is, compared with the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Only local.
    New,
    /// On both sides, with other content.
    Changed,
    /// On both sides, equal.
    Unchanged,
    /// Only on the remote.
    Extra,
    /// Ours, in the draft, and no longer wanted.
    Superseded,
    /// Ours, released, and no longer what the source says.
    Locked,
    /// Ours, and not usable: a failed upload or an unfinished attempt.
    Broken,
    /// Left out on purpose.
    Skipped,
    /// Cannot be decided, or must not be done.
    Conflict,
}

impl Class {
    /// All of them, in the order of the legend.
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::Changed,
        Self::Unchanged,
        Self::Extra,
        Self::Superseded,
        Self::Locked,
        Self::Broken,
        Self::Skipped,
        Self::Conflict,
    ];

    /// The word in plans and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Extra => "extra",
            Self::Superseded => "superseded",
            Self::Locked => "locked",
            Self::Broken => "broken",
            Self::Skipped => "skipped",
            Self::Conflict => "conflict",
        }
    }

    /// The character at the start of the item's line.
    pub const fn sigil(self) -> char {
        match self {
            Self::New => '+',
            Self::Changed => '~',
            Self::Unchanged => '=',
            Self::Extra => '.',
            Self::Superseded => '-',
            Self::Locked => '#',
            Self::Broken => '%',
            Self::Skipped => '?',
            Self::Conflict => '!',
        }
    }
}

/// Why an item has its class: a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing of that name on the remote.
    NotOnRemote,
    /// Another size.
    OtherSize,
    /// The same size, another MD5.
    OtherMd5,
    /// The same size and MD5.
    SameMd5,
    /// The same size, and `--compare size` asks for no more.
    SameSize,
    /// The remote tells no MD5; a receipt of ours does.
    Receipt,
    /// The remote tells no MD5 and there is no receipt.
    Unverifiable,
    /// Read back from the remote: the same bytes.
    SameBytes,
    /// Read back from the remote: other bytes.
    OtherBytes,
    /// `on_change: keep`.
    Kept,
    /// `on_change: fail`.
    ChangeRefused,
    /// The remote has a name that no source gives.
    NotInSources,
    /// Not in the sources, but a new item has its size and MD5.
    MaybeRenamed,
    /// `extra: fail` or `on_missing: fail`.
    ExtraRefused,
    /// Younger than `min_age`.
    TooYoung,
    /// A link, and `symlinks: skip`.
    Symlink,
    /// A socket, a pipe or a device.
    NotAFile,
    /// Cannot be read, named or matched; the message says more.
    SourceProblem,
    /// The remote lists the part with all its rows.
    Delivered,
    /// Delivered under the name of a source that is no longer there.
    Renamed,
    /// Its rows were delivered for a source that is not matched, and
    /// `on_renamed: fail`.
    SameRows,
    /// Delivered in a released version.
    Released,
    /// The source's content changed.
    SourceChanged,
    /// The source is no longer matched.
    SourceMissing,
    /// An attempt that did not get all its rows, or a failed upload.
    Incomplete,
    /// The platform still imports it; it is waited for.
    Importing,
    /// A second complete attempt of one identity.
    Duplicate,
    /// Released versions hold its rows twice.
    ReleasedTwice,
    /// Its old rows are released, and `on_released: fail`.
    RowsReleased,
    /// More rejects than `rejects.max`.
    TooManyRejects,
    /// The source has no rows, and the remote holds its parts.
    NoRows,
    /// A guard of `expect` fails.
    ExpectFailed,
    /// The remote's variables do not fit the schema.
    SchemaConflict,
    /// A released version's uploads cannot be told.
    HistoryUnreadable,
    /// The remote has two uploads whose names compare equal.
    RemoteTwins,
    /// Uploads of others on a table that is replaced as a whole.
    ForeignUploads,
    /// A part of the wanted rows cannot be seen by this run.
    PartialReplace,
    /// Something is said of a variable that the table has not.
    UnknownVariable,
    /// The table is of the other kind.
    WrongKind,
    /// It does not exist and `prepare` does not allow to create it.
    NotPrepared,
    /// Another item of the same source or job stands in the way.
    Held,
    /// A setting differs from the manifest's.
    SettingDiffers,
    /// It does not exist yet.
    Missing,
    /// Everything of the table is sent again: `merge: replace`.
    Replacing,
    /// `next` holds changes of ours.
    Pending,
}

/// What would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    None,
    /// Create a version or a table.
    Create,
    /// PATCH settings.
    Update,
    /// Send bytes or rows.
    Send,
    /// Delete an upload of ours.
    Delete,
    /// Release the draft.
    Release,
}

impl Action {
    /// The word in plans.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Create => "create",
            Self::Update => "update",
            Self::Send => "send",
            Self::Delete => "delete",
            Self::Release => "release",
        }
    }
}
