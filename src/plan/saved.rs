//! A saved plan: what was planned, to be held against what would be planned now.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use super::changes::still_hold;
use super::lines::{Header, ItemLine, item_line};
use super::model::{Action, Class, Item, JobPlan, PLAN_FORMAT, Plan, Reason};
use crate::base::{DatasetRef, TableRef};

/// A plan read back from its NDJSON.
#[derive(Debug, Clone)]
pub struct SavedPlan {
    /// The first line.
    pub header: Header,
    /// Items that have an action, by what, job and name.
    items: BTreeMap<ItemKey, ItemLine>,
    /// The id on the last line.
    pub plan_id: String,
}

/// What tells one item from another.
type ItemKey = (String, Option<String>, String);

/// A saved plan that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// It cannot be read.
    #[error("cannot read the saved plan")]
    Read(#[from] std::io::Error),
    /// A line is not what it should be.
    #[error("line {line} of the saved plan is not valid")]
    Line {
        /// 1-based.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// It is of a newer version of this program.
    #[error("the saved plan has format {0}, and this program knows {PLAN_FORMAT}")]
    Format(u32),
    /// It ends before its totals.
    #[error("the saved plan is not complete: its last line is missing")]
    Incomplete,
}

impl SavedPlan {
    /// Reads all lines.
    pub fn read(text: impl BufRead) -> Result<Self, SavedPlanError> {
        let mut header = None;
        let mut items = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line?;
            let bad = |source| SavedPlanError::Line {
                line: index + 1,
                source,
            };
            if header.is_none() {
                let read: Header = serde_json::from_str(&line).map_err(bad)?;
                if read.format_version != PLAN_FORMAT {
                    return Err(SavedPlanError::Format(read.format_version));
                }
                header = Some(read);
                continue;
            }
            let value: serde_json::Value = serde_json::from_str(&line).map_err(bad)?;
            if value["type"] == "totals" {
                let plan_id = value["plan_id"].as_str().unwrap_or_default().to_owned();
                let header = header.ok_or(SavedPlanError::Incomplete)?;
                return Ok(Self {
                    header,
                    items,
                    plan_id,
                });
            }
            let item: ItemLine = serde_json::from_value(value).map_err(bad)?;
            if item.action != "none" {
                items.insert(key_of(&item), item);
            }
        }
        Err(SavedPlanError::Incomplete)
    }

    /// The saved item that is this one, if it was planned.
    pub fn find(&self, line: &ItemLine) -> Option<&ItemLine> {
        self.items.get(&key_of(line))
    }
}

fn key_of(line: &ItemLine) -> ItemKey {
    (line.what.clone(), line.job.clone(), line.name.clone())
}

/// Takes every action that was not saved just so. An item's precondition
/// holds if the remote is in the planned before-state (the action is planned
/// again, the same) or already in the after-state (nothing is planned any
/// more). Where somebody released since, whatever is left was planned for a draft
/// that is gone. Answers the items that drifted; an error when the plan is of
/// something else altogether.
///
/// The plan must have been made with its unchanged items listed.
pub fn keep_only(plan: &mut Plan, saved: &SavedPlan) -> Result<Vec<ItemLine>, String> {
    let header = super::lines::PlanLines::new(plan).header();
    for (what, now, then) in [
        ("manifest", &header.manifest, &saved.header.manifest),
        (
            "manifest's text (SHA-256)",
            &header.manifest_sha256,
            &saved.header.manifest_sha256,
        ),
        ("endpoint", &header.endpoint, &saved.header.endpoint),
    ] {
        if now != then {
            return Err(format!(
                "the saved plan is of another {what}: {then}, now {now}"
            ));
        }
    }
    let is_gone = |dataset: &DatasetRef| {
        let name = dataset.to_string();
        let tag = |header: &Header| {
            let mut datasets = header.datasets.iter();
            let found = datasets.find(|one| one.dataset == name)?;
            found.current_tag.clone()
        };
        tag(&header) != tag(&saved.header)
    };
    plan.id = std::sync::OnceLock::new();
    let mut drifted = Vec::new();
    let mut met = BTreeSet::new();
    let mut visit = |job: Option<&JobPlan>, item: &mut Item, is_gone: bool| {
        let line = item_line(job, item);
        met.insert(key_of(&line));
        let Some(planned) = saved.find(&line) else {
            if item.action != Action::None && !is_own_wreck(item, &line, saved) {
                item.action = Action::None;
                drifted.push(line);
            }
            return;
        };
        let is_done = item.class == Class::Unchanged;
        if item.action != Action::None && (is_gone || !same_step(planned, &line)) {
            item.action = Action::None;
            drifted.push(line);
        } else if item.action == Action::None && !is_done {
            drifted.push(line);
        }
    };
    for dataset in &mut plan.datasets {
        let is_gone = is_gone(&dataset.dataset);
        for item in &mut dataset.items {
            visit(None, item, is_gone);
        }
    }
    for job in &mut plan.jobs {
        let is_gone = is_gone(job.table.dataset());
        let moved_on = sources_moved_on(job, saved);
        let mut items = std::mem::take(&mut job.items);
        for item in &mut items {
            let has_moved_on = item.action == Action::Send
                && item_line(Some(job), item)
                    .source
                    .is_some_and(|source| moved_on.contains(&source));
            visit(Some(job), item, is_gone || has_moved_on);
        }
        job.items = items;
    }
    leave_broken_wholes(plan, &mut drifted);
    // What is gone from the plan altogether is done if it was to be deleted,
    // created or changed; a source that is gone has drifted.
    let gone = saved.items.iter().filter(|(key, _)| !met.contains(*key));
    drifted.extend(
        gone.filter(|(_, line)| line.action == "send")
            .map(|(_, line)| line.clone()),
    );
    leave_releases(plan, &mut drifted);
    Ok(drifted)
}

/// Whether an item is what a killed run leaves: something incomplete, or the same
/// rows twice.
fn is_wreck(item: &Item) -> bool {
    item.class == Class::Broken || item.reason == Reason::Duplicate
}

/// Whether an item may be what a run of this very plan left when it was killed: it
/// is cleared away, and what was planned is sent.
fn is_own_wreck(item: &Item, line: &ItemLine, saved: &SavedPlan) -> bool {
    let is_sent = |one: &ItemLine| one.action == "send" && one.source == line.source;
    is_wreck(item) && line.source.is_some() && saved.items.values().any(is_sent)
}

/// Nothing is released of a plan that no longer holds as a whole.
fn leave_releases(plan: &mut Plan, drifted: &mut Vec<ItemLine>) {
    if drifted.is_empty() {
        return;
    }
    let items = plan.datasets.iter_mut().flat_map(|one| &mut one.items);
    for item in items.filter(|item| item.action == Action::Release) {
        drifted.push(item_line(None, item));
        item.action = Action::None;
    }
}

/// Sources of which the remote holds something else of ours than when the plan was
/// saved: what they were planned to become would be added to it.
fn sources_moved_on(job: &JobPlan, saved: &SavedPlan) -> BTreeSet<String> {
    let deletions = job
        .items
        .iter()
        .filter(|item| item.action == Action::Delete && !is_wreck(item));
    deletions
        .map(|item| item_line(Some(job), item))
        .filter(|line| saved.find(line).is_none())
        .filter_map(|line| line.source)
        .collect()
}

/// A table that is replaced as a whole gets all that was planned, or nothing.
fn leave_broken_wholes(plan: &mut Plan, drifted: &mut Vec<ItemLine>) {
    let names: BTreeSet<&str> = drifted
        .iter()
        .filter_map(|line| line.job.as_deref())
        .collect();
    let broken: BTreeSet<TableRef> = plan
        .jobs
        .iter()
        .filter(|job| job.replaces && names.contains(job.job.as_str()))
        .map(|job| job.table.clone())
        .collect();
    for job in &mut plan.jobs {
        if !job.replaces || !broken.contains(&job.table) {
            continue;
        }
        let mut items = std::mem::take(&mut job.items);
        for item in items.iter_mut().filter(|item| item.action != Action::None) {
            drifted.push(item_line(Some(job), item));
            item.action = Action::None;
        }
        job.items = items;
    }
}

/// Whether two lines plan the same step from the same before-state.
fn same_step(planned: &ItemLine, now: &ItemLine) -> bool {
    // A table that was made without all its settings gets the others now.
    let is_finished = now.what == "table" && planned.action == "create" && now.action == "update";
    (planned.action == now.action || is_finished)
        && still_hold(&planned.changes, &now.changes, planned.class == "new")
        && planned.bytes == now.bytes
        && planned.rows == now.rows
        && planned.before == now.before
        && (planned.md5.is_none() || now.md5.is_none() || planned.md5 == now.md5)
}
