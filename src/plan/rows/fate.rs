//! What becomes of every cut, and of every listed part of ours.

use std::collections::{BTreeMap, BTreeSet};

use super::lost::Lost;
use super::pass::RowsDraft;
use crate::base::{PartIdentity, SourceKey};
use crate::manifest::{Job, OnMissing, OnReleased, OnRenamed, OnRowsChange, RowsSource};
use crate::plan::context::PlanContext;
use crate::plan::listed::{Holder, Listing};
use crate::plan::merge::Mode;
use crate::plan::model::{
    Action, Amount, Class, Item, JobContent, JobPlan, ListedSubject, PartSubject, Reason,
    RowsContent, RowsInputPlan, Subject, Trouble,
};
use crate::plan::observe::TableView;
use crate::plan::problems::unusable;
use crate::source::rows::Cut;

/// Decides the fate of every cut and of every listed part of one job.
pub(in crate::plan) fn decide_rows(
    context: &PlanContext<'_>,
    job: &Job,
    source: &RowsSource,
    view: &TableView,
    mut draft: RowsDraft,
    mode: Mode,
) -> JobPlan {
    let items = std::mem::take(&mut draft.items);
    // Rows of sources that this run does not match: whose they are is not known.
    let inputs = &draft.content.inputs;
    let is_disputed = |part: &&PartIdentity| {
        source.on_renamed == OnRenamed::Fail
            && !draft.unseen.contains(&part.source)
            && inputs.iter().all(|one| one.input.key != part.source)
    };
    let renamed = inputs.iter().flat_map(RowsInputPlan::renamed);
    let disputed = renamed.filter(is_disputed).cloned().collect();
    let whole = Listing::of(view, std::slice::from_ref(&draft.content.owner));
    let kept = draft.kept();
    let inputs = draft.content.inputs.as_slice();
    let lost = Lost::of(&whole, (inputs, &draft.unseen), &kept, mode);
    let mut fate = Fate {
        context,
        job,
        source,
        mode,
        listing: &whole,
        kept,
        lost,
        doubled: whole.released_twice(),
        disputed,
        items,
        unchanged: Amount::default(),
    };
    for (index, input) in draft.content.inputs.iter().enumerate() {
        fate.decide_input(index, input, job.allow_empty);
    }
    fate.decide_missing(&draft.content, &draft.unseen);
    let rejects = draft.content.inputs.iter().map(|input| input.rejects).sum();
    let mut plan = JobPlan {
        job: job.name.clone(),
        index: 0,
        table: job.table.clone(),
        items: fate.items,
        unchanged: fate.unchanged,
        rejects,
        replaced_rows: None,
        held: false,
        history: view.history.clone(),
        replaces: mode == Mode::Replace,
        content: JobContent::Rows(draft.content),
    };
    if rejects > source.max_rejects {
        plan.hold(
            Reason::TooManyRejects,
            format!(
                "{rejects} {} cannot be encoded, and `rejects.max` is {}",
                if rejects == 1 { "row" } else { "rows" },
                source.max_rejects
            ),
        );
    }
    plan
}

struct Fate<'a> {
    context: &'a PlanContext<'a>,
    job: &'a Job,
    source: &'a RowsSource,
    mode: Mode,
    listing: &'a Listing<'a>,
    /// Parts that any source of the job keeps, seen or not.
    kept: BTreeSet<&'a PartIdentity>,
    /// Released rows that no source gives any more.
    lost: Lost<'a>,
    /// Parts that released versions hold twice.
    doubled: BTreeSet<PartIdentity>,
    /// Parts of sources that are not matched, which a source has the rows of, and
    /// the manifest does not say whether it was renamed.
    disputed: BTreeSet<PartIdentity>,
    items: Vec<Item>,
    unchanged: Amount,
}

impl Fate<'_> {
    /// Whether a part was delivered for this source and is another one's now.
    fn has_moved(&self, identity: &PartIdentity, kept: &[&PartIdentity]) -> bool {
        self.kept.contains(identity) && !kept.contains(&identity)
    }

    fn push(&mut self, class: Class, reason: Reason, action: Action, subject: Subject) {
        self.items.push(Item {
            class,
            reason,
            action,
            note: None,
            subject,
        });
    }

    fn decide_input(&mut self, index: usize, input: &RowsInputPlan, allow_empty: bool) {
        if input.rows == 0 && !allow_empty && self.refuse_empty(input) {
            return;
        }
        let kept: Vec<&PartIdentity> = input
            .cuts
            .iter()
            .filter_map(|cut| cut.kept.as_ref())
            .collect();
        self.tell_doubled(input, &kept);
        let is_disputed = self.refuse_same_rows(input, &kept);
        let is_locked = self.decide_locked(index, input, &kept) || is_disputed;
        let held = self.decide_listed(input, &kept, is_locked);
        for (cut_index, cut) in input.cuts.iter().enumerate() {
            self.decide_cut((index, cut_index), input, cut, held);
        }
    }

    /// A source whose rows are those of one that is not matched; whether there is one.
    fn refuse_same_rows(&mut self, input: &RowsInputPlan, kept: &[&PartIdentity]) -> bool {
        let mut kept = kept.iter();
        let Some(part) = kept.find(|part| self.disputed.contains(**part)) else {
            return false;
        };
        let shown = input.input.shown.clone();
        self.items.push(Item {
            class: Class::Conflict,
            reason: Reason::SameRows,
            action: Action::None,
            note: Some(format!(
                "the rows of `{shown}` are those of `{}`, which is delivered and is not matched now",
                part.slug
            )),
            subject: Subject::Source {
                path: shown,
                trouble: None,
            },
        });
        true
    }

    /// Rows that are released twice cannot be mended here, and must be told.
    fn tell_doubled(&mut self, input: &RowsInputPlan, kept: &[&PartIdentity]) {
        if self.mode != Mode::Append {
            return;
        }
        let doubled = kept.iter().filter(|kept| self.doubled.contains(**kept));
        let rows: u64 = doubled.map(|kept| kept.stored_rows()).sum();
        if rows > 0 {
            let path = input.input.shown.clone();
            self.items.push(Item {
                class: Class::Conflict,
                reason: Reason::ReleasedTwice,
                action: Action::None,
                note: Some(format!(
                    "released versions hold {rows} rows of `{path}` twice"
                )),
                subject: Subject::Source {
                    path,
                    trouble: None,
                },
            });
        }
    }

    /// A source without rows is taken for a mistake, unless it has rows that are
    /// rejects. Answers whether it was refused.
    fn refuse_empty(&mut self, input: &RowsInputPlan) -> bool {
        let listing = self.listing;
        let mut draft = listing.draft.iter().map(|part| &part.name.identity);
        let mut released = listing.released.iter().map(|part| &part.name.identity);
        let is_own = |identity: &PartIdentity| {
            input.input.is_source_of(identity) && !self.kept.contains(identity)
        };
        let has_own = draft.any(is_own) || released.any(is_own);
        let shown = input.input.shown.clone();
        if has_own {
            self.items.push(Item {
                class: Class::Conflict,
                reason: Reason::NoRows,
                action: Action::None,
                note: Some(format!(
                    "`{shown}` has no rows, and the remote holds rows of it"
                )),
                subject: Subject::Source {
                    path: shown,
                    trouble: None,
                },
            });
        } else if input.rejects > 0 {
            // Rows that cannot be encoded are rows: their guard speaks for them.
            return false;
        } else {
            let note = format!("`{shown}` has no rows");
            self.items.push(unusable(shown, Trouble::NO_ROWS, note));
        }
        true
    }

    /// Released parts of the source that it no longer gives. Answers whether
    /// they hold the source back.
    fn decide_locked(
        &mut self,
        index: usize,
        input: &RowsInputPlan,
        kept: &[&PartIdentity],
    ) -> bool {
        let (class, reason) = match self.source.on_released {
            OnReleased::Fail => (Class::Locked, Reason::RowsReleased),
            OnReleased::Append => (Class::Skipped, Reason::Released),
        };
        let lost = self.lost.of_source(input, kept);
        let has_moved = |part: &PartIdentity| self.has_moved(part, kept);
        let may_be_lost = self.lost.may_be_in(input, self.listing, has_moved);
        let is_locked = !lost.is_empty() || may_be_lost;
        for identity in lost {
            let subject = Subject::Part(PartSubject {
                input: index,
                shown: input.input.shown.clone(),
                cut: usize::MAX,
                identity: identity.clone(),
                bytes: 0,
            });
            self.push(class, reason, Action::None, subject);
        }
        is_locked && class == Class::Locked
    }

    /// Parts in the draft that are the source's, or that it keeps. Answers
    /// whether the source is held back.
    fn decide_listed(
        &mut self,
        input: &RowsInputPlan,
        kept: &[&PartIdentity],
        is_locked: bool,
    ) -> bool {
        let listing = self.listing;
        let mut seen: Vec<&PartIdentity> = Vec::new();
        let mut deletions = Vec::new();
        for part in &listing.draft {
            let identity = &part.name.identity;
            let is_kept = kept.contains(&identity);
            let is_own = input.input.is_source_of(identity);
            if !is_kept && (!is_own || self.has_moved(identity, kept)) {
                continue;
            }
            let fate = if !part.is_complete_part() {
                (Class::Broken, Reason::Incomplete)
            } else if !is_kept {
                (Class::Superseded, Reason::SourceChanged)
            } else if seen.contains(&identity) || self.is_released(identity) {
                (Class::Superseded, Reason::Duplicate)
            } else {
                seen.push(identity);
                continue;
            };
            let shown = Some(input.input.shown.clone());
            let listed = ListedSubject::of(part.upload, Some(identity.clone()), shown);
            deletions.push((fate, listed));
        }
        let change_refused = self.source.on_change == OnRowsChange::Fail
            && deletions
                .iter()
                .any(|((_, reason), _)| *reason == Reason::SourceChanged);
        let held = is_locked || change_refused;
        for ((class, reason), listed) in deletions {
            let (class, reason) = if change_refused && reason == Reason::SourceChanged {
                (Class::Conflict, Reason::ChangeRefused)
            } else {
                (class, reason)
            };
            let action = if held { Action::None } else { Action::Delete };
            self.push(class, reason, action, Subject::Listed(listed));
        }
        held
    }

    /// Whether released rows of the table hold this identity.
    fn is_released(&self, identity: &PartIdentity) -> bool {
        self.mode == Mode::Append
            && self
                .listing
                .released
                .iter()
                .any(|part| part.is_complete_part && part.name.identity == *identity)
    }

    fn decide_cut(
        &mut self,
        (index, cut_index): (usize, usize),
        input: &RowsInputPlan,
        cut: &Cut,
        held: bool,
    ) {
        let part = |identity: &PartIdentity| {
            Subject::Part(PartSubject {
                input: index,
                shown: input.input.shown.clone(),
                cut: cut_index,
                identity: identity.clone(),
                bytes: cut.bytes,
            })
        };
        let present = cut.kept.as_ref().filter(|kept| match self.mode {
            Mode::Append | Mode::ReplaceEqual => true,
            Mode::Replace => self
                .listing
                .draft
                .iter()
                .any(|part| part.is_complete_part() && part.name.identity == **kept),
        });
        if present.is_some_and(|kept| self.disputed.contains(kept)) {
            return;
        }
        let Some(kept) = present else {
            let reason = match (held, self.mode) {
                (true, _) => Reason::Held,
                (false, Mode::Replace) => Reason::Replacing,
                (false, Mode::Append | Mode::ReplaceEqual) => Reason::NotOnRemote,
            };
            let action = if held { Action::None } else { Action::Send };
            self.push(Class::New, reason, action, part(&cut.identity));
            return;
        };
        self.unchanged.add(cut.bytes, kept.rows);
        let renamed = kept.source != input.input.key;
        if renamed || self.context.wants_unchanged() {
            let reason = if renamed {
                Reason::Renamed
            } else if self.is_released(kept) {
                Reason::Released
            } else {
                Reason::Delivered
            };
            let item = Item {
                class: Class::Unchanged,
                reason,
                action: Action::None,
                note: None,
                subject: part(kept),
            };
            let holder = self.listing.holder(kept);
            let stored = holder.as_ref().map(Holder::as_stored);
            let told = self.context.met_unchanged(self.job, &item, stored);
            if told || renamed {
                self.items.push(item);
            }
        }
    }

    /// Parts of ours whose source is no longer matched.
    fn decide_missing(&mut self, content: &RowsContent, unseen: &[SourceKey]) {
        if !self.context.selection.sees_everything() {
            return;
        }
        let kept: Vec<&PartIdentity> = content
            .inputs
            .iter()
            .flat_map(|input| &input.cuts)
            .filter_map(|cut| cut.kept.as_ref())
            .collect();
        let is_gone = |identity: &PartIdentity| {
            let mut inputs = content.inputs.iter().map(|input| &input.input);
            !unseen.contains(&identity.source)
                && !inputs.any(|input| input.is_source_of(identity))
                && !kept.contains(&identity)
        };
        for part in self
            .listing
            .draft
            .iter()
            .filter(|part| is_gone(&part.name.identity))
        {
            let (class, reason, action) = match self.source.on_missing {
                // What replaces a table is what the sources say, and no more.
                OnMissing::Keep | OnMissing::Delete if self.mode != Mode::Append => {
                    (Class::Superseded, Reason::SourceMissing, Action::Delete)
                }
                OnMissing::Keep => (Class::Extra, Reason::SourceMissing, Action::None),
                OnMissing::Delete => (Class::Extra, Reason::SourceMissing, Action::Delete),
                OnMissing::Fail => (Class::Conflict, Reason::ExtraRefused, Action::None),
            };
            let listed = ListedSubject::of(part.upload, Some(part.name.identity.clone()), None);
            self.items.push(Item {
                class,
                reason,
                action,
                note: None,
                subject: Subject::Listed(listed),
            });
        }
        let mut released: BTreeMap<&SourceKey, (u64, &PartIdentity)> = BTreeMap::new();
        if self.mode == Mode::Append {
            for part in self
                .listing
                .released
                .iter()
                .filter(|part| is_gone(&part.name.identity))
            {
                let entry = released
                    .entry(&part.name.identity.source)
                    .or_insert((0, &part.name.identity));
                entry.0 += part.rows.unwrap_or(0);
            }
        }
        for (rows, identity) in released.into_values() {
            let refused = self.source.on_missing == OnMissing::Fail;
            let (class, reason) = if refused {
                (Class::Conflict, Reason::ExtraRefused)
            } else {
                (Class::Extra, Reason::Released)
            };
            self.items.push(Item {
                class,
                reason,
                action: Action::None,
                note: Some(format!("{rows} rows of `{}` are released", identity.slug)),
                subject: Subject::Source {
                    path: identity.slug.clone(),
                    trouble: None,
                },
            });
        }
    }
}
