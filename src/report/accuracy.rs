//! Was the plan true? Finds the planned item of each end and counts those that
//! went exactly as planned.

use std::borrow::Cow;

use serde::Serialize;

use super::plan_names::key_name;
use crate::base::Md5Digest;
use crate::event::{End, ItemEnd, RunEnd};
use crate::plan::{Action, Class, Item, Plan, Subject};

/// How true a plan was. The share is `equal / of`; drifted, refused and not
/// reached items are no part of it, since the plan made no promise that was
/// broken there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PlanAccuracy {
    /// Items whose action, bytes, rows and digest were the planned ones, and that
    /// were verified.
    pub equal: u64,
    /// Items that were executed.
    pub of: u64,
    /// Items that had changed since they were planned.
    pub drifted: u64,
    /// Items that the run did not get to.
    pub not_reached: u64,
}

impl PlanAccuracy {
    /// `equal / of`; `None` when nothing was executed.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share; the last digit does not matter"
    )]
    pub fn share(&self) -> Option<f64> {
        (self.of > 0).then(|| self.equal as f64 / self.of as f64)
    }

    /// Holds a run against its plan.
    pub(super) fn of(index: &PlanIndex<'_>, end: &RunEnd) -> Self {
        let mut accuracy = Self::default();
        let mut planned = 0;
        for one in &end.items {
            let item = index.find(one).filter(|item| item.action != Action::None);
            planned += u64::from(item.is_some());
            match one.end {
                End::Drifted => accuracy.drifted += 1,
                End::NotReached => accuracy.not_reached += 1,
                End::Refused => {}
                End::Verified => {
                    accuracy.of += 1;
                    accuracy.equal += u64::from(item.is_some_and(|item| is_equal(item, one)));
                }
                End::Unverified | End::Failed => accuracy.of += 1,
            }
        }
        // A run that broke off tells no end of the rest.
        accuracy.not_reached += index.with_action.saturating_sub(planned);
        accuracy
    }
}

/// Whether the end is what the item promised. The action is equal already.
fn is_equal(item: &Item, end: &ItemEnd) -> bool {
    let (bytes, rows) = item.amount();
    let md5 = planned_md5(item);
    end.bytes == bytes
        && rows.is_none_or(|rows| rows == end.rows)
        && (md5.is_none() || md5 == end.md5)
}

pub(super) fn planned_md5(item: &Item) -> Option<Md5Digest> {
    match &item.subject {
        Subject::File(file) => file.md5,
        Subject::Upload(upload) => Some(upload.md5),
        Subject::Version(_)
        | Subject::Table(_)
        | Subject::Variable(_)
        | Subject::RemoteFile(_)
        | Subject::Part(_)
        | Subject::Listed(_)
        | Subject::Source { .. } => None,
    }
}

/// The planned items that an end can belong to, by job, name and action.
#[derive(Debug, Default)]
pub(super) struct PlanIndex<'a> {
    entries: Vec<(Option<&'a str>, &'a Item)>,
    /// How many of them have an action.
    pub(super) with_action: u64,
}

type Key<'a> = (Option<&'a str>, Cow<'a, str>, &'static str);

impl<'a> PlanIndex<'a> {
    /// Of a plan. Two words for each item, whatever the names are: plans can have
    /// millions.
    pub(super) fn of(plan: &'a Plan) -> Self {
        let datasets = plan
            .datasets
            .iter()
            .flat_map(|one| &one.items)
            .map(|item| (None, item));
        let jobs = plan
            .jobs
            .iter()
            .flat_map(|job| job.items.iter().map(|item| (Some(job.job.as_str()), item)));
        let ends = |item: &Item| {
            item.action != Action::None || matches!(item.class, Class::Conflict | Class::Locked)
        };
        let mut entries: Vec<_> = datasets
            .chain(jobs)
            .filter(|(_, item)| ends(item))
            .collect();
        entries.sort_by(|a, b| key(a).cmp(&key(b)));
        let with_action = entries
            .iter()
            .filter(|(_, item)| item.action != Action::None)
            .count();
        Self {
            entries,
            with_action: with_action as u64,
        }
    }

    /// The item that the end is about.
    pub(super) fn find(&self, end: &ItemEnd) -> Option<&'a Item> {
        let job = end.job.as_ref().map(crate::base::ManifestName::as_str);
        let wanted: Key<'_> = (job, Cow::Borrowed(&end.name), end.action);
        let found = self
            .entries
            .binary_search_by(|entry| key(entry).cmp(&wanted))
            .ok()?;
        self.entries.get(found).map(|(_, item)| *item)
    }
}

fn key<'a>(entry: &(Option<&'a str>, &'a Item)) -> Key<'a> {
    (entry.0, key_name(entry.1), entry.1.action.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::event::{FailKind, What};

    fn accuracy(plan: &Plan, end: &RunEnd) -> PlanAccuracy {
        PlanAccuracy::of(&PlanIndex::of(plan), end)
    }

    fn good() -> (Plan, RunEnd) {
        let plan = sample::plan();
        let end = sample::good_end(&plan);
        (plan, end)
    }

    #[test]
    fn a_run_that_went_as_planned_is_wholly_accurate() {
        let (plan, end) = good();

        let accuracy = accuracy(&plan, &end);

        assert_eq!(
            accuracy,
            PlanAccuracy {
                equal: 12,
                of: 12,
                drifted: 0,
                not_reached: 0
            }
        );
        assert_eq!(accuracy.share(), Some(1.0));
    }

    #[test]
    fn other_bytes_rows_or_digests_are_not_as_planned() {
        let (plan, end) = good();
        let spoil = |what: What, change: &dyn Fn(&mut ItemEnd)| {
            let mut end = end.clone();
            change(end.items.iter_mut().find(|one| one.what == what).unwrap());
            let accuracy = accuracy(&plan, &end);
            (accuracy.equal, accuracy.of)
        };

        assert_eq!(spoil(What::File, &|one| one.bytes += 1), (11, 12));
        assert_eq!(spoil(What::Part, &|one| one.rows -= 1), (11, 12));
        assert_eq!(spoil(What::Upload, &|one| one.md5 = None), (11, 12));
        assert_eq!(spoil(What::Part, &|one| one.name.push('x')).1, 12);
        assert_eq!(
            spoil(What::Part, &|one| one.end = End::Unverified),
            (11, 12)
        );
    }

    #[test]
    fn drifted_and_not_reached_items_are_counted_apart() {
        let (plan, mut end) = good();
        sample::fail(&mut end.items[0], FailKind::Drifted, "changed");
        sample::fail(&mut end.items[1], FailKind::Cancelled, "stopped");
        sample::fail(&mut end.items[2], FailKind::Failed, "bad");

        let accuracy = accuracy(&plan, &end);

        assert_eq!(
            accuracy,
            PlanAccuracy {
                equal: 9,
                of: 10,
                drifted: 1,
                not_reached: 1
            }
        );
    }

    #[test]
    fn a_run_that_broke_off_reached_nothing_more() {
        let (plan, _) = good();

        let accuracy = accuracy(&plan, &RunEnd::default());

        assert_eq!(
            (accuracy.of, accuracy.not_reached, accuracy.share()),
            (0, 12, None)
        );
    }

    #[test]
    fn an_item_that_nobody_planned_is_not_accurate() {
        let (plan, mut end) = good();
        let extra = ItemEnd::new(What::Table, None, "t", "check").verified();
        end.items.push(extra);

        let accuracy = accuracy(&plan, &end);

        assert_eq!(
            (accuracy.equal, accuracy.of, accuracy.not_reached),
            (12, 13, 0)
        );
    }
}
