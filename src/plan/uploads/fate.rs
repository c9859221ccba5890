//! What becomes of every file, and of every listed upload of ours.

use std::collections::BTreeSet;

use super::pass::UploadsDraft;
use crate::base::{PartIdentity, SourceKey};
use crate::manifest::{Job, OnMissing, OnReleased, OnRenamed, OnRowsChange, UploadsSource};
use crate::plan::context::PlanContext;
use crate::plan::listed::{Holder, Listing, twins};
use crate::plan::merge::Mode;
use crate::plan::model::{
    Action, Amount, Class, Item, JobContent, JobPlan, ListedSubject, Reason, Subject, UploadSubject,
};
use crate::plan::observe::TableView;
use crate::redivis::UploadStatus;

/// Decides the fate of every file and of every listed upload of one job.
pub(in crate::plan) fn decide_uploads(
    context: &PlanContext<'_>,
    job: &Job,
    source: &UploadsSource,
    view: &TableView,
    draft: UploadsDraft,
    mode: Mode,
) -> JobPlan {
    let listing = Listing::of(view, std::slice::from_ref(&draft.owner));
    let mut fate = Fate {
        context,
        job,
        source,
        mode,
        listing: &listing,
        doubled: listing.released_twice(),
        lost: lost_sources(&listing, &draft, mode),
        all: &draft.wanted,
        unseen: &draft.unseen,
        elsewhere: &draft.elsewhere,
        items: draft.items,
        unchanged: Amount::default(),
        wanted: Vec::new(),
    };
    for upload in &draft.wanted {
        if !fate.refuse_same_content(upload) {
            fate.decide_upload(upload);
        }
    }
    if context.selection.sees_everything() {
        fate.decide_missing(&draft.wanted, &draft.unseen);
    }
    let (items, unchanged) = (fate.items, fate.unchanged);
    let content = JobContent::Uploads {
        wanted: fate.wanted,
        owner: draft.owner,
    };
    let mut plan = JobPlan {
        job: job.name.clone(),
        index: 0,
        table: job.table.clone(),
        content,
        items,
        unchanged,
        rejects: 0,
        replaced_rows: None,
        held: false,
        history: view.history.clone(),
        replaces: mode == Mode::Replace,
    };
    if let Some((one, other)) = twins(view) {
        plan.hold(
            Reason::RemoteTwins,
            format!("the table has uploads `{one}` and `{other}`, which the platform may confuse"),
        );
    }
    plan
}

/// Files that are there and whose released content no file has any more.
fn lost_sources(listing: &Listing<'_>, draft: &UploadsDraft, mode: Mode) -> BTreeSet<SourceKey> {
    let released = listing.released.iter().filter(|_| mode == Mode::Append);
    let is_given = |part: &PartIdentity| {
        let mut all = draft.wanted.iter();
        let mut elsewhere = draft.elsewhere.iter();
        all.any(|upload| upload.is(part)) || elsewhere.any(|other| other.same_rows(part))
    };
    let is_there = |key: &SourceKey| {
        let mut all = draft.wanted.iter();
        all.any(|upload| upload.identity.source == *key)
    };
    released
        .map(|part| &part.name.identity)
        .filter(|part| is_there(&part.source) && !is_given(part))
        .map(|part| part.source.clone())
        .collect()
}

/// What is known of one wanted upload.
#[derive(Debug, Clone)]
struct Known {
    /// As what the remote has it.
    present: Option<PartIdentity>,
    /// Something stands in its way.
    is_held: bool,
    /// The remote has it, and is not done with it.
    importing: Option<ListedSubject>,
}

struct Fate<'a> {
    context: &'a PlanContext<'a>,
    job: &'a Job,
    source: &'a UploadsSource,
    mode: Mode,
    listing: &'a Listing<'a>,
    /// What released versions hold twice.
    doubled: BTreeSet<PartIdentity>,
    /// Files whose released content no file has any more.
    lost: BTreeSet<SourceKey>,
    /// Every file of the job that this run sees.
    all: &'a [UploadSubject],
    /// Keys of files that this run does not see.
    unseen: &'a [SourceKey],
    /// Uploads that are now files of the job that this run does not see.
    elsewhere: &'a [PartIdentity],
    items: Vec<Item>,
    unchanged: Amount,
    /// What is listed when all are delivered.
    wanted: Vec<PartIdentity>,
}

impl Fate<'_> {
    fn push(&mut self, class: Class, reason: Reason, action: Action, subject: Subject) {
        self.items.push(Item {
            class,
            reason,
            action,
            note: None,
            subject,
        });
    }

    /// Whether an upload was delivered for this file's path and is another file's
    /// now.
    fn has_moved(&self, identity: &PartIdentity, upload: &UploadSubject) -> bool {
        let mut all = self.all.iter();
        let mut elsewhere = self.elsewhere.iter();
        !upload.is(identity)
            && (all.any(|other| other.is(identity))
                || elsewhere.any(|other| other.same_rows(identity)))
    }

    /// What a file has the content of, where that is another's that is not matched
    /// and the manifest does not say whether it was renamed.
    fn disputed<'u>(&self, upload: &'u UploadSubject) -> Option<&'u PartIdentity> {
        let from = upload.renamed_from.as_ref()?;
        let mut all = self.all.iter();
        let is_matched = self.unseen.contains(&from.source)
            || all.any(|other| other.identity.source == from.source);
        (self.source.on_renamed == OnRenamed::Fail && !is_matched).then_some(from)
    }

    /// A file whose content is disputed; whether it was refused.
    fn refuse_same_content(&mut self, upload: &UploadSubject) -> bool {
        let Some(from) = self.disputed(upload) else {
            return false;
        };
        let path = upload.shown.clone();
        self.wanted.push(from.clone());
        self.items.push(Item {
            class: Class::Conflict,
            reason: Reason::SameRows,
            action: Action::None,
            note: Some(format!(
                "the content of `{path}` is that of `{}`, which is delivered and is not matched now",
                from.slug
            )),
            subject: Subject::Source {
                path,
                trouble: None,
            },
        });
        true
    }

    /// A file whose old content is released and lost: no file has it any more.
    /// Whether nothing may be sent of it.
    fn refuse_lost(&mut self, upload: &UploadSubject, is_released: bool) -> bool {
        let is_locked = self.lost.contains(&upload.identity.source);
        // New content where the old one went to another path may be lost rows, changed.
        let may_be_lost = !is_released && !self.lost.is_empty() && {
            let mut released = self.listing.released.iter();
            released.any(|part| {
                let identity = &part.name.identity;
                identity.source == upload.identity.source && self.has_moved(identity, upload)
            })
        };
        let is_fatal = self.source.on_released == OnReleased::Fail;
        if is_locked && !is_fatal {
            let path = upload.shown.clone();
            let trouble = None;
            let subject = Subject::Source { path, trouble };
            self.push(Class::Skipped, Reason::Released, Action::None, subject);
        }
        (is_locked || may_be_lost) && is_fatal
    }

    fn decide_upload(&mut self, upload: &UploadSubject) {
        let size = upload.fingerprint.size;
        let mut released = self.listing.released.iter();
        let in_release = released
            .find(|part| part.completed && upload.is(&part.name.identity))
            .filter(|_| self.mode != Mode::Replace)
            .map(|part| part.name.identity.clone());
        let is_released = in_release.is_some();
        if let Some(identity) = &in_release
            && self.mode == Mode::Append
            && self.doubled.contains(identity)
        {
            let path = upload.shown.clone();
            self.items.push(Item {
                class: Class::Conflict,
                reason: Reason::ReleasedTwice,
                action: Action::None,
                note: Some(format!("released versions hold the rows of `{path}` twice")),
                subject: Subject::Source {
                    path,
                    trouble: None,
                },
            });
        }
        let is_refused = self.refuse_lost(upload, is_released);
        let known = Known {
            present: in_release,
            is_held: is_refused,
            importing: None,
        };
        let known = self.decide_listed(upload, known);

        let mut upload = upload.clone();
        let listed = known
            .importing
            .as_ref()
            .and_then(|one| one.identity.as_ref());
        let wanted = known.present.as_ref().or(listed);
        self.wanted.push(wanted.unwrap_or(&upload.identity).clone());
        let (class, reason, action) = if is_refused {
            (Class::Locked, Reason::RowsReleased, Action::None)
        } else if known.present.is_some() {
            self.unchanged.add(size, 0);
            let renamed = upload.renamed_from.is_some();
            if !renamed && !self.context.wants_unchanged() {
                return;
            }
            let reason = if renamed {
                Reason::Renamed
            } else if is_released {
                Reason::Released
            } else {
                Reason::Delivered
            };
            (Class::Unchanged, reason, Action::None)
        } else if known.is_held {
            (Class::New, Reason::Held, Action::None)
        } else if known.importing.is_some() {
            upload.importing = known.importing;
            (Class::New, Reason::Importing, Action::Send)
        } else if self.mode == Mode::Replace {
            (Class::New, Reason::Replacing, Action::Send)
        } else {
            (Class::New, Reason::NotOnRemote, Action::Send)
        };
        let item = Item {
            class,
            reason,
            action,
            note: None,
            subject: Subject::Upload(Box::new(upload)),
        };
        let is_listed = match &known.present {
            Some(present) if class == Class::Unchanged => {
                let holder = self.listing.holder(present);
                let stored = holder.as_ref().map(Holder::as_stored);
                self.context.met_unchanged(self.job, &item, stored) || reason == Reason::Renamed
            }
            Some(_) | None => true,
        };
        if is_listed {
            self.items.push(item);
        }
    }

    /// Uploads of the same file in the draft. Takes what the released versions
    /// say and adds what the draft says.
    fn decide_listed(&mut self, upload: &UploadSubject, released: Known) -> Known {
        let listing = self.listing;
        let mut present = released.present;
        let mut importing = None;
        let mut deletions = Vec::new();
        // What is imported already is better than what is not.
        let mut parts: Vec<_> = listing.draft.iter().collect();
        parts.sort_by_key(|part| part.upload.status != UploadStatus::Completed);
        for part in parts {
            let identity = &part.name.identity;
            let same = upload.is(identity);
            let is_own = identity.source == upload.identity.source;
            if !same && (!is_own || self.has_moved(identity, upload)) {
                continue;
            }
            let size = upload.fingerprint.size;
            let fits = part.upload.size.is_none_or(|listed| listed == size)
                && part.upload.md5.is_none_or(|listed| listed == upload.md5);
            let failed = part.upload.status == UploadStatus::Failed;
            let fate = if same && (failed || !fits) {
                (Class::Broken, Reason::Incomplete)
            } else if failed {
                (Class::Broken, Reason::SourceChanged)
            } else if !same {
                (Class::Superseded, Reason::SourceChanged)
            } else if present.is_some() || importing.is_some() {
                (Class::Superseded, Reason::Duplicate)
            } else if part.upload.status == UploadStatus::Completed {
                present = Some(identity.clone());
                continue;
            } else {
                let shown = Some(upload.shown.clone());
                importing = Some(ListedSubject::of(
                    part.upload,
                    Some(identity.clone()),
                    shown,
                ));
                continue;
            };
            let shown = Some(upload.shown.clone());
            let listed = ListedSubject::of(part.upload, Some(identity.clone()), shown);
            deletions.push((fate, listed));
        }
        let change_refused = self.source.on_change == OnRowsChange::Fail
            && deletions
                .iter()
                .any(|((_, reason), _)| *reason == Reason::SourceChanged);
        let is_held = released.is_held || change_refused;
        for ((class, reason), listed) in deletions {
            let (class, reason) = if change_refused && reason == Reason::SourceChanged {
                (Class::Conflict, Reason::ChangeRefused)
            } else {
                (class, reason)
            };
            let action = if is_held {
                Action::None
            } else {
                Action::Delete
            };
            self.push(class, reason, action, Subject::Listed(listed));
        }
        Known {
            importing: importing.filter(|_| present.is_none()),
            present,
            is_held,
        }
    }

    /// Uploads of ours whose file is no longer matched.
    fn decide_missing(&mut self, wanted: &[UploadSubject], unseen: &[SourceKey]) {
        let is_gone = |identity: &PartIdentity| {
            !unseen.contains(&identity.source)
                && wanted
                    .iter()
                    .all(|upload| upload.identity.source != identity.source && !upload.is(identity))
        };
        let listing = self.listing;
        let refused = self.source.on_missing == OnMissing::Fail;
        for part in &listing.draft {
            let identity = &part.name.identity;
            if !is_gone(identity) {
                continue;
            }
            let failed = part.upload.status == UploadStatus::Failed;
            let (class, reason, action) = match self.source.on_missing {
                // It holds nothing, and it blocks a release.
                OnMissing::Keep | OnMissing::Delete if failed => {
                    (Class::Broken, Reason::Incomplete, Action::Delete)
                }
                // What replaces a table is what the sources say, and no more.
                OnMissing::Keep | OnMissing::Delete if self.mode != Mode::Append => {
                    (Class::Superseded, Reason::SourceMissing, Action::Delete)
                }
                OnMissing::Keep => (Class::Extra, Reason::SourceMissing, Action::None),
                OnMissing::Delete => (Class::Extra, Reason::SourceMissing, Action::Delete),
                OnMissing::Fail => (Class::Conflict, Reason::ExtraRefused, Action::None),
            };
            let listed = ListedSubject::of(part.upload, Some(identity.clone()), None);
            self.push(class, reason, action, Subject::Listed(listed));
        }
        for part in &listing.released {
            let identity = &part.name.identity;
            if self.mode != Mode::Append || !is_gone(identity) {
                continue;
            }
            let (class, reason) = if refused {
                (Class::Conflict, Reason::ExtraRefused)
            } else {
                (Class::Extra, Reason::Released)
            };
            self.items.push(Item {
                class,
                reason,
                action: Action::None,
                note: Some(format!("upload `{}` is released", identity.slug)),
                subject: Subject::Source {
                    path: identity.slug.clone(),
                    trouble: None,
                },
            });
        }
    }
}
