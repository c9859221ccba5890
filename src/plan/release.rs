//! The release as an item of the plan: pending while the draft holds changes of
//! ours, refused while it holds changes of others.

use super::context::PlanContext;
use super::error::PlanError;
use super::listed::Listing;
use super::merge::owners_of;
use super::model::{Action, Class, Item, JobPlan, Reason, Subject};
use super::observe::{DatasetView, TableView};
use super::variables::lacks_words;
use crate::base::names::escaped;
use crate::base::{PartName, TableRef, Version};
use crate::manifest::{Others, Release};
use crate::redivis::{RemoteFile, RemoteTable};

const HINT: &str = "release it yourself, or say `release: { others: allow }`";

/// The release of a dataset; `None`: it is not asked for, or there is nothing to
/// release.
pub(super) fn plan_release(
    context: &PlanContext<'_>,
    dataset: &DatasetView,
    views: &[TableView],
    (jobs, items): (&[JobPlan], &[Item]),
    has_work: bool,
) -> Result<Option<Item>, PlanError> {
    let Release::Yes { others, .. } = context.release else {
        return Ok(None);
    };
    if !context.selection.is_whole() || !(has_work || dataset.draft.has_next) {
        return Ok(None);
    }
    let here = |view: &&TableView| view.table.dataset().matches(&dataset.dataset);
    let ours: Vec<&TableView> = views.iter().filter(here).collect();
    let draft = Drafted::observe(context, dataset)?;
    let mut changed = Vec::new();
    for view in &ours {
        let is_files = view
            .remote
            .as_ref()
            .is_some_and(|table| table.is_file_index);
        if is_files && dataset.draft.has_next {
            changed.push((*view, draft.changed_files(&view.table)?));
        }
    }
    let is_pending = has_work
        || changed.iter().any(|(_, names)| !names.is_empty())
        || ours
            .iter()
            .any(|view| has_ours(view) || draft.is_described_anew(view))
        || draft.has_new_words(&ours)?;
    if !is_pending {
        return Ok(None);
    }
    let mut refused = items.iter().filter(|item| item.class == Class::Conflict);
    if let Some(item) = refused.next() {
        let why = item.note.clone().unwrap_or_default();
        return Ok(Some(release_item(dataset, Some((Reason::Held, why)))));
    }
    let refusal = match others {
        Others::Allow => None,
        Others::Fail => match foreign_upload(context, &ours) {
            Some(why) => Some(why),
            None => match foreign_file(jobs, &changed) {
                Some(why) => Some(why),
                None => draft.foreign_table(&ours)?,
            },
        },
    };
    let refusal = refusal.map(|why| (Reason::ForeignUploads, why));
    Ok(Some(release_item(dataset, refusal)))
}

fn release_item(dataset: &DatasetView, refusal: Option<(Reason, String)>) -> Item {
    let (class, action) = if refusal.is_some() {
        (Class::Conflict, Action::None)
    } else {
        (Class::Changed, Action::Release)
    };
    let (reason, note) = match refusal {
        Some((reason, why)) => (reason, Some(why)),
        None => (Reason::Pending, None),
    };
    Item {
        class,
        reason,
        action,
        note,
        subject: Subject::Version(dataset.dataset.clone()),
    }
}

fn has_ours(view: &TableView) -> bool {
    let mut uploads = view.draft_uploads.iter();
    uploads.any(|upload| PartName::parse(&upload.name).is_some())
}

/// An upload in one of our tables whose name is not ours.
fn foreign_upload(context: &PlanContext<'_>, ours: &[&TableView]) -> Option<String> {
    ours.iter().find_map(|view| {
        let owners = owners_of(context.manifest, &view.table);
        let listing = Listing::of(view, &owners);
        let foreign = listing.foreign.first()?;
        Some(format!(
            "the draft of table `{}` holds upload `{}`, which is not of this manifest; {HINT}",
            view.table.table(),
            foreign.name
        ))
    })
}

/// A file in one of our tables that is new or other than in the last release, and
/// that no source gives.
fn foreign_file(jobs: &[JobPlan], changed: &[(&TableView, Vec<String>)]) -> Option<String> {
    changed.iter().find_map(|(view, names)| {
        let here = jobs.iter().filter(|job| job.table.matches(&view.table));
        let name = here.flat_map(|job| &job.items).find_map(|item| {
            let name = match (&item.subject, item.reason) {
                (Subject::RemoteFile(file), _) => file.name.as_str(),
                (Subject::File(file), Reason::Kept) => file.name.as_str(),
                (_, _) => return None,
            };
            names.iter().find(|one| *one == name)
        })?;
        Some(format!(
            "the draft of table `{}` holds file `{name}`, which no source of this manifest gives; {HINT}",
            view.table.table(),
        ))
    })
}

/// A draft beside the release that it follows.
struct Drafted<'a> {
    context: &'a PlanContext<'a>,
    dataset: &'a DatasetView,
    /// The newest release.
    current: Option<Version>,
    /// Its tables.
    released: Vec<RemoteTable>,
}

impl<'a> Drafted<'a> {
    fn observe(context: &'a PlanContext<'a>, dataset: &'a DatasetView) -> Result<Self, PlanError> {
        let current = dataset.draft.current_tag.clone().map(Version::Tag);
        let mut draft = Self {
            context,
            dataset,
            released: Vec::new(),
            current: None,
        };
        if let Some(version) = current.filter(|_| dataset.draft.has_next) {
            draft.released = draft.tables_at(&version)?;
            draft.current = Some(version);
        }
        Ok(draft)
    }

    fn tables_at(&self, version: &Version) -> Result<Vec<RemoteTable>, PlanError> {
        let dataset = &self.dataset.dataset;
        let listed = self
            .context
            .reader
            .tables(&self.context.call, dataset, version);
        listed.map_err(|error| PlanError::remote(format!("the tables of `{dataset}`"), error))
    }

    fn before(&self, name: &str) -> Option<&RemoteTable> {
        let mut released = self.released.iter();
        released.find(|one| escaped(&one.name) == escaped(name))
    }

    /// Whether the draft has another description than the release.
    fn is_described_anew(&self, view: &TableView) -> bool {
        let before = self.before(view.table.table());
        view.remote
            .as_ref()
            .zip(before)
            .is_some_and(|(now, before)| now.description != before.description)
    }

    /// Whether the draft says of a variable what the manifest says, and the release
    /// does not: a killed run can leave that behind.
    fn has_new_words(&self, ours: &[&TableView]) -> Result<bool, PlanError> {
        let Some(current) = &self.current else {
            return Ok(false);
        };
        for view in ours {
            let is_released = self.before(view.table.table()).is_some();
            if is_released && lacks_words(self.context, view, current)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Names of files that the draft has, and the release has not, or has with
    /// other content.
    fn changed_files(&self, table: &TableRef) -> Result<Vec<String>, PlanError> {
        let mut before = match (&self.current, self.before(table.table())) {
            (Some(version), Some(_)) => self.files(table, version)?,
            (_, _) => Vec::new(),
        };
        before.sort_by(|a, b| a.name.cmp(&b.name));
        let is_same = |now: &RemoteFile, before: &RemoteFile| {
            now.size == before.size
                && match (now.md5, before.md5) {
                    (Some(now), Some(before)) => now == before,
                    (_, _) => now.id == before.id,
                }
        };
        let mut changed = self.files(table, &Version::Next)?;
        changed.retain(|now| {
            let found = before.binary_search_by(|one| one.name.cmp(&now.name));
            found.map_or(true, |position| !is_same(now, &before[position]))
        });
        Ok(changed.into_iter().map(|file| file.name).collect())
    }

    fn files(&self, table: &TableRef, version: &Version) -> Result<Vec<RemoteFile>, PlanError> {
        let mut files = Vec::new();
        let context = self.context;
        context
            .reader
            .raw_files(&context.call, table, version, &mut |file| files.push(file))
            .map_err(|error| PlanError::remote(format!("the files of `{table}`"), error))?;
        Ok(files)
    }

    /// A table that the manifest does not write and that is not as in the release.
    fn foreign_table(&self, ours: &[&TableView]) -> Result<Option<String>, PlanError> {
        if !self.dataset.draft.has_next {
            return Ok(None);
        }
        let is_ours = |name: &str| {
            let mut tables = ours.iter().map(|view| view.table.table());
            tables.any(|table| escaped(table) == escaped(name))
        };
        let drafted = self.tables_at(&Version::Next)?;
        for table in drafted.iter().filter(|table| !is_ours(&table.name)) {
            if !self.is_as_released(table)? {
                return Ok(Some(format!(
                    "the draft changes table `{}`, which this manifest does not write; {HINT}",
                    table.name
                )));
            }
        }
        let is_gone = |before: &&RemoteTable| {
            let mut names = drafted.iter().map(|table| escaped(&table.name));
            !is_ours(&before.name) && !names.any(|name| name == escaped(&before.name))
        };
        let gone = self.released.iter().find(is_gone);
        Ok(gone.map(|before| {
            format!(
                "the draft lacks table `{}` of the last release, and this manifest did not delete it; {HINT}",
                before.name
            )
        }))
    }

    fn is_as_released(&self, table: &RemoteTable) -> Result<bool, PlanError> {
        let (Some(before), Some(version)) = (self.before(&table.name), &self.current) else {
            return Ok(false);
        };
        if before.num_rows != table.num_rows || before.description != table.description {
            return Ok(false);
        }
        let Ok(table_ref) = TableRef::new(self.dataset.dataset.clone(), &escaped(&table.name))
        else {
            return Ok(true);
        };
        if table.is_file_index {
            return Ok(self.changed_files(&table_ref)?.is_empty());
        }
        Ok(!self.has_new_uploads(&table_ref, version)?)
    }

    /// Whether the draft lists uploads that the released version does not: a
    /// draft's count of rows is no proof (contract 5.1).
    fn has_new_uploads(&self, table: &TableRef, released: &Version) -> Result<bool, PlanError> {
        let list = |version: &Version| {
            let listed = self
                .context
                .reader
                .uploads(&self.context.call, table, version);
            listed.map_err(|error| PlanError::remote(format!("the uploads of `{table}`"), error))
        };
        let drafted = list(&Version::Next)?;
        if drafted.is_empty() {
            return Ok(false);
        }
        let released = list(released)?;
        let mut new = drafted.iter();
        Ok(new.any(|upload| released.iter().all(|one| one.name != upload.name)))
    }
}
