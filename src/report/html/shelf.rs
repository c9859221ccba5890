//! The items of a report by job, in the order in which they matter, as many of each
//! job as a page can bear. Holds no text: a run can have millions of items.

use std::collections::BTreeMap;

use crate::event::{End, ItemEnd};
use crate::plan::{Action, Class, Item};
use crate::report::summary::RunReport;

/// Items that the page shows of one job at most.
pub(super) const MOST_OF_JOB: usize = 500;
/// Items that the page shows in all, unless there are very many jobs.
const MOST_OF_ALL: usize = 5000;
/// Items that are shown of each job, however many jobs there are.
const LEAST_OF_JOB: usize = 10;
/// Ranks of items.
const RANKS: usize = 9;

/// One item: what was planned, and how it ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) item: Option<&'a Item>,
    pub(super) end: Option<&'a ItemEnd>,
}

/// The items of one job, or of the datasets.
#[derive(Debug, Default)]
pub(super) struct Shelf<'a> {
    ranks: [Vec<Entry<'a>>; RANKS],
    /// All items, shown or not.
    pub(super) all: u64,
    /// Items that had something to do.
    pub(super) to_do: u64,
    /// Items that were done and confirmed.
    pub(super) verified: u64,
    /// Items that did not end well.
    pub(super) open: u64,
    /// Those of them that failed or drifted.
    pub(super) failed: u64,
}

impl<'a> Shelf<'a> {
    fn add(&mut self, entry: Entry<'a>, most: usize) {
        self.all += 1;
        self.to_do += u64::from(entry.end.is_some_and(|end| end.end != End::Refused));
        match entry.end.map(|end| end.end) {
            Some(End::Verified) => self.verified += 1,
            Some(End::Failed | End::Drifted) => {
                self.failed += 1;
                self.open += 1;
            }
            Some(End::Unverified | End::Refused | End::NotReached) => self.open += 1,
            None => {}
        }
        if self.has_room(&entry, most) {
            self.ranks[rank(&entry)].push(entry);
        }
    }

    /// Whether one like it is kept.
    fn has_room(&self, entry: &Entry<'_>, most: usize) -> bool {
        self.ranks[rank(entry)].len() < most
    }

    /// The first ones that are shown, those that matter most first.
    pub(super) fn shown(&self, most: usize) -> impl Iterator<Item = &Entry<'a>> {
        self.ranks.iter().flatten().take(most)
    }
}

/// The lower, the earlier: what went wrong, what was changed, what stayed. That of an
/// end does not depend on its item.
fn rank(entry: &Entry<'_>) -> usize {
    if let Some(end) = entry.end {
        return match end.end {
            End::Failed => 0,
            End::Drifted => 1,
            End::Unverified => 2,
            End::Refused => 3,
            End::NotReached => 4,
            End::Verified => 5,
        };
    }
    match entry.item.map(|item| item.class) {
        Some(Class::Conflict | Class::Locked) => 3,
        Some(Class::New | Class::Changed | Class::Superseded | Class::Broken) | None => 6,
        Some(Class::Extra | Class::Skipped) => 7,
        Some(Class::Unchanged) => 8,
    }
}

/// The items of all jobs.
#[derive(Debug, Default)]
pub(super) struct Shelves<'a> {
    /// Versions and tables have no job: their name is empty.
    by_job: BTreeMap<&'a str, Shelf<'a>>,
    /// How many the page shows of each.
    pub(super) most: usize,
}

impl<'a> Shelves<'a> {
    /// The items of a job; `None`: versions and tables.
    pub(super) fn of(&self, job: Option<&str>) -> Option<&Shelf<'a>> {
        self.by_job.get(job.unwrap_or_default())
    }
}

/// Sorts the items of a report onto shelves.
pub(super) fn shelves<'a>(report: &'a RunReport<'_>) -> Shelves<'a> {
    let jobs = report.plan.map_or(0, |plan| plan.jobs.len());
    let most = (MOST_OF_ALL / jobs.max(1)).clamp(LEAST_OF_JOB, MOST_OF_JOB);
    let mut by_job: BTreeMap<&'a str, Shelf<'a>> = BTreeMap::new();
    for end in &report.end.items {
        let job = end.job.as_ref().map_or("", |job| job.as_str());
        let shelf = by_job.entry(job).or_default();
        let mut entry = Entry {
            item: None,
            end: Some(end),
        };
        // Finding takes time, and most of very many are not shown.
        if shelf.has_room(&entry, most) {
            entry.item = report.index.find(end);
        }
        shelf.add(entry, most);
    }
    let Some(plan) = report.plan else {
        return Shelves { by_job, most };
    };
    // What has something to do, or is refused, has an end, if anything has one.
    let has_ends = !report.end.items.is_empty();
    let no_end = |item: &&Item| {
        let is_refused = matches!(item.class, Class::Conflict | Class::Locked);
        !has_ends || (item.action == Action::None && !is_refused)
    };
    let datasets = plan.datasets.iter().map(|one| ("", one.items.as_slice()));
    let of_jobs = plan
        .jobs
        .iter()
        .map(|job| (job.job.as_str(), job.items.as_slice()));
    for (job, items) in datasets.chain(of_jobs) {
        let shelf = by_job.entry(job).or_default();
        for item in items.iter().filter(no_end) {
            let entry = Entry {
                item: Some(item),
                end: None,
            };
            shelf.add(entry, most);
        }
    }
    Shelves { by_job, most }
}
