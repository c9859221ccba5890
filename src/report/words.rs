//! Codes in words: reasons, causes of failure and what to do about them.

use serde_json::{Map, Value};

use crate::base::Md5Digest;
use crate::base::cancel::CancelReason;
use crate::event::{End, FailKind, ItemEnd};
use crate::plan::{Action, Change, Item, Reason, Subject, TableSubject};

use super::style::{clean, number, size};

/// Why an item is what it is, and what becomes of it.
pub(super) fn describe(item: &Item) -> String {
    let what = match (&item.subject, item.action) {
        (Subject::Version(_), Action::Create) => "create".to_owned(),
        (Subject::Version(_), Action::Release) => "release".to_owned(),
        (Subject::Table(table), Action::Create) => {
            let kind = if table.is_file_index { "files" } else { "rows" };
            with_settings(&format!("create, for {kind}"), table)
        }
        (Subject::Table(_) | Subject::Variable(_), Action::Update) => changes(&item.subject),
        _ => reason(item.reason, &item.subject).to_owned(),
    };
    let parts: Vec<String> = [Some(what), before(item), item.note.as_deref().map(clean)]
        .into_iter()
        .flatten()
        .collect();
    let end = if item.action == Action::Delete {
        "; will be deleted"
    } else {
        ""
    };
    format!("{}{end}", parts.join(": "))
}

/// An item's reason in words.
pub fn reason_words(item: &Item) -> &'static str {
    reason(item.reason, &item.subject)
}

/// Why the plan said no, without what differs from item to item of a kind.
pub(super) fn why_refused(item: &Item) -> String {
    let what = reason(item.reason, &item.subject);
    item.note
        .as_deref()
        .map_or_else(|| what.to_owned(), |note| format!("{what}: {note}"))
}

/// What the remote has instead, of a file that differs.
fn before(item: &Item) -> Option<String> {
    let differs = matches!(
        item.reason,
        Reason::OtherSize
            | Reason::OtherMd5
            | Reason::Unverifiable
            | Reason::Kept
            | Reason::ChangeRefused
            | Reason::Held
    );
    let Subject::File(file) = &item.subject else {
        return None;
    };
    let before = file.before.as_ref().filter(|_| differs)?;
    let md5 = |md5: Option<Md5Digest>| md5.map(|md5| head(&md5.to_string()));
    if item.reason == Reason::OtherMd5 {
        let unknown = || "unknown".to_owned();
        let was = md5(before.md5).unwrap_or_else(unknown);
        return Some(format!(
            "was {was}, is {}",
            md5(file.md5).unwrap_or_else(unknown)
        ));
    }
    let is = file.local.size;
    // Sizes that look alike in units are told to the byte.
    let size = if is != before.size && size(is) == size(before.size) {
        format!("{} B, is {} B", number(before.size), number(is))
    } else {
        size(before.size)
    };
    let md5 = md5(before.md5).map(|md5| format!(", md5 {md5}"));
    Some(format!("was {size}{}", md5.unwrap_or_default()))
}

fn with_settings(what: &str, table: &TableSubject) -> String {
    let merge = table.merge.map(|merge| format!("merge strategy `{merge}`"));
    let description = table.description.as_ref().map(|_| "description".to_owned());
    let settings: Vec<String> = merge.into_iter().chain(description).collect();
    if settings.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {}", settings.join(", "))
    }
}

/// Characters of a text that a line shows.
const MOST_SHOWN: usize = 40;

/// What changes of words, old and new.
fn changes(subject: &Subject) -> String {
    let changes = Change::of(subject);
    let one = |change: &Change| {
        let name = match change.field.as_str() {
            "merge" => "merge strategy",
            "value_labels" => "value labels",
            other => other,
        };
        let (old, new) = (change.old.as_ref(), &change.new);
        if change.field == "value_labels" {
            return format!("{name} {}", changed_labels(old, new));
        }
        format!("{name} {} -> {}", text_shown(old), text_shown(Some(new)))
    };
    let changes: Vec<String> = changes.iter().map(one).collect();
    changes.join("; ")
}

fn text_shown(text: Option<&Value>) -> String {
    let text = text.and_then(Value::as_str).unwrap_or_default().trim();
    if text.is_empty() {
        return "none".to_owned();
    }
    let mut shown: String = clean(text).chars().take(MOST_SHOWN).collect();
    if text.chars().nth(MOST_SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// How many labels come, go and change, and the first of them.
fn changed_labels(old: Option<&Value>, new: &Value) -> String {
    let none = Map::new();
    let old = old.and_then(Value::as_object).unwrap_or(&none);
    let new = new.as_object().unwrap_or(&none);
    let mut values: Vec<&String> = old.keys().chain(new.keys()).collect();
    values.sort();
    values.dedup();
    values.retain(|value| old.get(*value) != new.get(*value));
    let first = values.first().map(|value| {
        let (old, new) = (text_shown(old.get(*value)), text_shown(new.get(*value)));
        format!(
            "of {}: {old} -> {new}",
            text_shown(Some(&Value::from(value.as_str())))
        )
    });
    let more = match values.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" and of {} more", number(more as u64)),
    };
    format!("{}{more}", first.unwrap_or_default())
}

fn head(digest: &str) -> String {
    let head: String = digest.chars().take(8).collect();
    format!("{head}…")
}

/// A reason code in words.
fn reason(reason: Reason, subject: &Subject) -> &'static str {
    let is_file = matches!(subject, Subject::RemoteFile(_) | Subject::File(_));
    reason_of(reason, is_file)
}

/// The same where only the kind of thing is known.
pub(super) fn reason_of(reason: Reason, is_file: bool) -> &'static str {
    match reason {
        Reason::NotOnRemote => "not on the remote",
        Reason::OtherSize => "other size",
        Reason::OtherMd5 => "same size, other MD5",
        Reason::SameMd5 => "same size and MD5",
        Reason::SameSize => "same size",
        Reason::Receipt => "same size; the MD5 is known from an earlier run",
        Reason::Unverifiable => "same size; the remote tells no MD5 and no earlier run does",
        Reason::SameBytes => "read back: the same bytes",
        Reason::OtherBytes => "read back: other bytes",
        Reason::Kept => "differs and is kept (`on_change: keep`)",
        Reason::ChangeRefused => "differs, and `on_change` is `fail`",
        Reason::NotInSources => "only on the remote, stays there",
        Reason::MaybeRenamed => "only on the remote, stays there; perhaps renamed",
        Reason::ExtraRefused if is_file => "only on the remote, and `extra` is `fail`",
        Reason::ExtraRefused => "its source is gone, and `on_missing` is `fail`",
        Reason::TooYoung => "younger than `min_age`",
        Reason::Symlink => "a link, and `symlinks` is `skip`",
        Reason::NotAFile => "a socket, a pipe or a device",
        Reason::SourceProblem => "cannot be used",
        Reason::Delivered => "delivered",
        Reason::Renamed => "delivered under the source's earlier name",
        Reason::SameRows => "its rows were delivered for a source that is not matched now",
        Reason::Released => "delivered in a released version",
        Reason::SourceChanged => "the source changed",
        Reason::SourceMissing => "its source is no longer matched",
        Reason::Incomplete => "an attempt that did not complete",
        Reason::Importing => "the platform still imports it",
        Reason::Duplicate => "a second copy of the same rows",
        Reason::ReleasedTwice => "released versions hold its rows twice",
        Reason::RowsReleased => "its old rows are released, and `on_released` is `fail`",
        Reason::TooManyRejects => "more rejects than `rejects.max`",
        Reason::NoRows => "the source has no rows, and the remote holds rows of it",
        Reason::ExpectFailed => "a guard of `expect` says no",
        Reason::SchemaConflict => "the schema does not fit the remote's variables",
        Reason::HistoryUnreadable => "what was released cannot be told",
        Reason::RemoteTwins => "uploads of nearly the same name",
        Reason::ForeignUploads => "uploads of others",
        Reason::PartialReplace => "only a part is seen",
        Reason::UnknownVariable => "the table has no such variable",
        Reason::WrongKind => "the table is of the other kind",
        Reason::NotPrepared => "missing, and `prepare` does not allow to create it",
        Reason::Held => "held back: something else stands in the way",
        Reason::SettingDiffers => "a setting differs",
        Reason::Missing => "does not exist yet",
        Reason::Replacing => "the table is replaced as a whole",
        Reason::Pending => "`next` holds changes of ours",
    }
}

/// What ended a run early, for people.
pub(super) const fn stopped_by(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::Interrupted => "SIGINT",
        CancelReason::Terminated => "SIGTERM",
        CancelReason::Deadline => "the deadline",
        CancelReason::Abandoned => "an earlier failure",
    }
}

/// The same as a word for scripts.
pub(super) const fn stop_word(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::Interrupted => "sigint",
        CancelReason::Terminated => "sigterm",
        CancelReason::Deadline => "deadline",
        CancelReason::Abandoned => "failure",
    }
}

/// Why items did not end well: what they have in common, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// The run failed at it.
    Failed(FailKind),
    /// The plan itself said no.
    Refused,
    /// The run ended before.
    NotReached,
}

impl Cause {
    /// Of an item; `None`: it ended well.
    pub(super) fn of(item: &ItemEnd) -> Option<Self> {
        match item.end {
            End::Verified => None,
            End::Refused => Some(Self::Refused),
            End::NotReached => Some(Self::NotReached),
            End::Unverified => Some(Self::Failed(FailKind::Unconfirmed)),
            End::Drifted => Some(Self::Failed(FailKind::Drifted)),
            End::Failed => {
                let kind = item
                    .error
                    .as_ref()
                    .map_or(FailKind::Failed, |error| error.kind);
                Some(Self::Failed(kind))
            }
        }
    }

    /// What happened.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Failed(kind) => match kind {
                FailKind::Unauthorized => "not authorised",
                FailKind::Mismatch => "the platform holds something else than was sent",
                FailKind::Drifted => "changed since it was planned",
                FailKind::Locked => "another writer is at work",
                FailKind::Refused => "refused by the service",
                FailKind::Input => "the source cannot be used",
                FailKind::LocalIo => "the local disk or state failed",
                FailKind::Failed => "failed",
                FailKind::Temporary => "failed for now",
                FailKind::Unconfirmed => "sent, not confirmed yet",
                FailKind::Cancelled => "stopped",
            },
            Self::Refused => "not done: the plan says no",
            Self::NotReached => "not reached",
        }
    }

    /// What to do next.
    pub(super) const fn next(self) -> &'static str {
        match self {
            Self::Failed(kind) => next_of(kind),
            Self::Refused => "resolve what the plan marks with `!` or `#`, then run again",
            Self::NotReached => "run again: what is done is not repeated",
        }
    }
}

/// What to do after a failure of this kind.
const fn next_of(kind: FailKind) -> &'static str {
    match kind {
        FailKind::Unauthorized => "give a token that may edit the dataset, then run again",
        FailKind::Mismatch => "compare the digests in the report before running again",
        FailKind::Drifted => "plan again and look, then run",
        FailKind::Locked => "wait until the other run has ended, then run again",
        FailKind::Refused => "the same request will be refused again: see the message",
        FailKind::Input => "correct the source or the manifest, then run again",
        FailKind::LocalIo => "check the disk and the state folder, then run again",
        FailKind::Failed => "see the message; running again alone will not help",
        FailKind::Temporary | FailKind::Cancelled => "run again: what is done is not repeated",
        FailKind::Unconfirmed => "run again later: the platform may need more time",
    }
}
