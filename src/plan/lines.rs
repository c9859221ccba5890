//! A plan as NDJSON: a header, one line for each item, the totals. The plan's id
//! is the SHA-256 of these lines without what depends on the reader's choice
//! (unchanged items, which are only counted unless asked for) or on the weather
//! (the floor of the duration).

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::changes::Change;
use super::cost::{Calls, cost};
use super::model::{
    Action, Amount, Class, DraftIdentity, Item, JobPlan, PLAN_FORMAT, Plan, Subject,
};
use crate::base::digest::Sha256Hasher;
use crate::base::{Md5Digest, Sha256Digest};

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// Always `plan`.
    #[serde(rename = "type")]
    pub kind: String,
    /// See [`PLAN_FORMAT`].
    pub format_version: u32,
    /// The manifest's name.
    pub manifest: String,
    /// SHA-256 of the manifest's text.
    pub manifest_sha256: String,
    /// The API's address.
    pub endpoint: String,
    /// The datasets and their drafts.
    pub datasets: Vec<HeaderDataset>,
}

/// One dataset of the header.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct HeaderDataset {
    /// `owner.name`.
    pub dataset: String,
    /// The version compared with.
    pub base: String,
    /// The newest released version.
    pub current_tag: Option<String>,
    /// `next`'s index.
    pub next_index: Option<u64>,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemLine {
    /// Always `item`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `version`, `table`, `variable`, `file`, `part`, `upload`, `listed` or `source`.
    pub what: String,
    /// The job; absent for versions, tables and variables.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<String>,
    /// The name on the remote, or the path of a source.
    pub name: String,
    /// The source's path, relative to the manifest's root.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// See [`Class`].
    pub class: String,
    /// See [`super::Reason`].
    pub reason: String,
    /// See [`Action`].
    pub action: String,
    /// Bytes to send, or of the thing.
    pub bytes: u64,
    /// Rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
    /// The local MD5, where the plan had to know it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub md5: Option<String>,
    /// What the remote has under the name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Before>,
    /// What changes of a table's or a variable's words.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<Change>,
    /// The stable code of what is wrong with a source.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

/// The remote's side of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Bytes.
    pub size: u64,
    /// MD5, where the remote tells one.
    pub md5: Option<String>,
}

/// The last line.
#[derive(Debug, Clone, Serialize)]
pub struct Totals {
    /// Always `totals`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The plan's id.
    pub plan_id: String,
    /// By class, in the order of the legend; only classes that occur.
    pub classes: BTreeMap<&'static str, Amount>,
    /// What would be sent.
    pub send: Amount,
    /// What would be deleted.
    pub delete: Amount,
    /// Rows that cannot be encoded.
    pub rejects: u64,
    /// Rows of the last release that `merge: replace` drops.
    pub replaced_rows: u64,
    /// API calls by kind.
    pub calls: Calls,
    /// The rate limit's floor on the duration, in seconds, where a limit is
    /// known. Not part of the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor_seconds: Option<u64>,
}

/// Writes a plan and makes its id.
#[derive(Debug, Clone, Copy)]
pub struct PlanLines<'a> {
    plan: &'a Plan,
}

impl<'a> PlanLines<'a> {
    /// Of this plan.
    pub fn new(plan: &'a Plan) -> Self {
        Self { plan }
    }

    /// The first line.
    pub fn header(&self) -> Header {
        let plan = self.plan;
        Header {
            kind: "plan".to_owned(),
            format_version: PLAN_FORMAT,
            manifest: plan.manifest.to_string(),
            manifest_sha256: plan.manifest_digest.to_string(),
            endpoint: plan.endpoint.clone(),
            datasets: plan
                .datasets
                .iter()
                .map(|one| {
                    let DraftIdentity {
                        current_tag,
                        next_index,
                        next_created_at: _,
                        has_next: _,
                    } = &one.draft;
                    HeaderDataset {
                        dataset: one.dataset.to_string(),
                        base: one.base.to_string(),
                        current_tag: current_tag.clone(),
                        next_index: *next_index,
                    }
                })
                .collect(),
        }
    }

    /// Every item as a line, in the plan's order.
    pub fn items(&self) -> impl Iterator<Item = ItemLine> + 'a {
        let plan = self.plan;
        let first = plan
            .datasets
            .iter()
            .flat_map(|one| &one.items)
            .map(|item| item_line(None, item));
        first.chain(
            plan.jobs
                .iter()
                .flat_map(|job| job.items.iter().map(move |item| item_line(Some(job), item))),
        )
    }

    /// The last line. `calls_per_second` is the rate limit, where one is known.
    pub fn totals(&self, calls_per_second: Option<f64>) -> Totals {
        let plan = self.plan;
        let mut classes: BTreeMap<&'static str, Amount> = BTreeMap::new();
        let mut send = Amount::default();
        let mut delete = Amount::default();
        for item in plan.items() {
            let (bytes, rows) = item.amount();
            if item.class != Class::Unchanged {
                classes
                    .entry(item.class.as_str())
                    .or_default()
                    .add(bytes, rows.unwrap_or(0));
            }
            match item.action {
                Action::Send => send.add(bytes, rows.unwrap_or(0)),
                Action::Delete => delete.add(bytes, rows.unwrap_or(0)),
                Action::None | Action::Create | Action::Update | Action::Release => {}
            }
        }
        for job in plan.jobs.iter().filter(|job| job.unchanged.items > 0) {
            classes
                .entry(Class::Unchanged.as_str())
                .or_default()
                .merge(job.unchanged);
        }
        let calls = cost(plan);
        Totals {
            kind: "totals",
            plan_id: self.id().to_string(),
            classes,
            send,
            delete,
            rejects: plan.jobs.iter().map(|job| job.rejects).sum(),
            replaced_rows: replaced_rows(&plan.jobs),
            floor_seconds: calls_per_second.and_then(|rate| calls.floor_seconds(rate)),
            calls,
        }
    }

    /// The plan's id. It is made once: a plan can have millions of lines.
    pub fn id(&self) -> Sha256Digest {
        *self.plan.id.get_or_init(|| self.digest())
    }

    fn digest(self) -> Sha256Digest {
        let mut hasher = Sha256Hasher::new();
        let mut add = |line: serde_json::Result<String>| {
            if let Ok(text) = line {
                hasher.update(text.as_bytes());
                hasher.update(b"\n");
            }
        };
        add(serde_json::to_string(&self.header()));
        for line in self
            .items()
            .filter(|line| line.class != Class::Unchanged.as_str())
        {
            add(serde_json::to_string(&line));
        }
        for job in &self.plan.jobs {
            add(serde_json::to_string(&(
                job.job.as_str(),
                job.unchanged,
                job.rejects,
            )));
        }
        hasher.finish()
    }

    /// Writes all lines.
    pub fn write(&self, out: &mut dyn Write, calls_per_second: Option<f64>) -> io::Result<()> {
        let mut line = |value: serde_json::Result<String>| -> io::Result<()> {
            out.write_all(value.map_err(io::Error::other)?.as_bytes())?;
            out.write_all(b"\n")
        };
        line(serde_json::to_string(&self.header()))?;
        for item in self.items() {
            line(serde_json::to_string(&item))?;
        }
        line(serde_json::to_string(&self.totals(calls_per_second)))
    }
}

/// Rows of the last release that go, each table counted once: all jobs of a
/// table tell the same number.
fn replaced_rows(jobs: &[JobPlan]) -> u64 {
    let tells = |job: &&JobPlan| job.replaced_rows.is_some();
    let is_first = |(position, job): &(usize, &JobPlan)| {
        let mut before = jobs[..*position].iter().filter(tells);
        job.replaced_rows.is_some() && !before.any(|one| one.table.matches(&job.table))
    };
    let firsts = jobs.iter().enumerate().filter(is_first);
    firsts.filter_map(|(_, job)| job.replaced_rows).sum()
}

/// One item as a line.
pub fn item_line(job: Option<&JobPlan>, item: &Item) -> ItemLine {
    let (bytes, rows) = item.amount();
    let mut line = ItemLine {
        kind: "item".to_owned(),
        what: String::new(),
        job: job.map(|job| job.job.to_string()),
        name: String::new(),
        source: None,
        class: word(&item.class),
        reason: word(&item.reason),
        action: word(&item.action),
        bytes,
        rows,
        md5: None,
        before: None,
        changes: Change::of(&item.subject),
        code: None,
        note: item.note.clone(),
    };
    match &item.subject {
        Subject::Version(dataset) => {
            "version".clone_into(&mut line.what);
            line.name = format!("{dataset}:next");
        }
        Subject::Table(table) => {
            "table".clone_into(&mut line.what);
            line.name = table.table.to_string();
        }
        Subject::Variable(variable) => {
            "variable".clone_into(&mut line.what);
            line.name = variable.full_name();
        }
        Subject::File(file) => {
            "file".clone_into(&mut line.what);
            line.name = file.name.to_string();
            line.source = Some(file.shown.clone());
            line.md5 = file.md5.map(|md5| md5.to_string());
            line.before = file.before.as_ref().map(|file| before(file.size, file.md5));
        }
        Subject::RemoteFile(file) => {
            "file".clone_into(&mut line.what);
            line.name.clone_from(&file.name);
            line.before = Some(before(file.size, file.md5));
        }
        Subject::Part(part) => {
            "part".clone_into(&mut line.what);
            line.name = part.identity.to_string();
            line.source = Some(part.shown.clone());
        }
        Subject::Upload(upload) => {
            "upload".clone_into(&mut line.what);
            line.name = upload.identity.to_string();
            line.source = Some(upload.shown.clone());
            line.md5 = Some(upload.md5.to_string());
        }
        Subject::Listed(listed) => {
            "listed".clone_into(&mut line.what);
            line.name.clone_from(&listed.name);
            line.source.clone_from(&listed.shown);
        }
        Subject::Source { path, trouble } => {
            "source".clone_into(&mut line.what);
            line.code = trouble.map(|trouble| trouble.code.to_owned());
            line.name.clone_from(path);
        }
    }
    line
}

fn before(size: u64, md5: Option<Md5Digest>) -> Before {
    Before {
        size,
        md5: md5.map(|md5| md5.to_string()),
    }
}

/// The serialised word of one of our enums.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(_) | Err(_) => String::new(),
    }
}
