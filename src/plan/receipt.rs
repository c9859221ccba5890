//! Receipts: what was seen on the remote with the right bytes or rows, one line
//! each, and the proof of them later, when the sources may be gone.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::{Deserialize, Serialize};

use super::context::{PlanContext, ReadBack, Unchanged};
use super::error::{PlanError, check_cancel};
use super::lines::Before;
use super::model::{Reason, Subject};
use super::observe::{DatasetView, TableView, observe_dataset, observe_table};
use super::verify::{Checked, Finding};
use crate::base::{MergeStrategy, TableRef};
use crate::redivis::{RemoteFile, UploadStatus};

/// The version of the receipts' NDJSON. 1: the first.
pub const RECEIPTS_FORMAT: u32 = 1;

/// Receipts that are looked at together.
const CHUNK: usize = 1000;

/// One thing that was delivered. Receipts are kept by table, kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The table, `owner.dataset.table`.
    pub table: String,
    /// `file`, `part` or `upload`.
    pub what: String,
    /// The file's name, or the whole name of the upload.
    pub name: String,
    /// The job.
    pub job: String,
    /// The source's path, relative to the manifest's root.
    pub source: Option<String>,
    /// Bytes of a file; of the payload of a part.
    pub size: u64,
    /// MD5 of the file; a part has none.
    pub md5: Option<String>,
    /// SHA-256 of the file, where it was made.
    pub sha256: Option<String>,
    /// Rows that the platform counts.
    pub rows: Option<u64>,
    /// The platform's id of a file, or address of an upload in the draft.
    pub remote_id: Option<String>,
    /// The version that was looked at: `next`, or `v1.0` and so on.
    pub version: String,
    /// How it was verified: the reason of an unchanged item.
    pub by: Reason,
    /// When, RFC 3339 in UTC.
    pub verified_at: String,
}

/// What receipts are sorted by.
pub type ReceiptKey<'a> = (&'a str, &'a str, &'a str);

impl Receipt {
    /// Of an unchanged item; the version and the time are for the caller to say.
    pub fn of(one: &Unchanged<'_>) -> Option<Self> {
        let mut receipt = Self {
            table: one.table.to_string(),
            what: String::new(),
            name: String::new(),
            job: one.job.to_string(),
            source: None,
            size: 0,
            md5: None,
            sha256: None,
            rows: None,
            remote_id: None,
            version: String::new(),
            by: one.item.reason,
            verified_at: String::new(),
        };
        match &one.item.subject {
            Subject::File(file) => {
                "file".clone_into(&mut receipt.what);
                receipt.name = file.name.to_string();
                receipt.source = Some(file.shown.clone());
                receipt.size = file.local.size;
                receipt.md5 = file.md5.map(|md5| md5.to_string());
                receipt.remote_id = file.before.as_ref().map(|file| file.id.clone());
                return Some(receipt);
            }
            Subject::Part(part) => {
                "part".clone_into(&mut receipt.what);
                receipt.source = Some(part.shown.clone());
                receipt.size = part.bytes;
                receipt.rows = Some(part.identity.stored_rows());
            }
            Subject::Upload(upload) => {
                "upload".clone_into(&mut receipt.what);
                receipt.source = Some(upload.shown.clone());
                receipt.size = upload.fingerprint.size;
                receipt.md5 = Some(upload.md5.to_string());
                receipt.sha256 = Some(upload.sha256.to_string());
            }
            Subject::Version(_)
            | Subject::Table(_)
            | Subject::Variable(_)
            | Subject::RemoteFile(_)
            | Subject::Listed(_)
            | Subject::Source { .. } => return None,
        }
        let stored = one.stored?;
        stored.name.clone_into(&mut receipt.name);
        receipt.rows = receipt.rows.or(stored.rows);
        receipt.remote_id = stored.uri.map(|uri| uri.as_str().to_owned());
        Some(receipt)
    }

    /// What it is sorted by.
    pub fn key(&self) -> ReceiptKey<'_> {
        (&self.table, &self.what, &self.name)
    }
}

/// Holds receipts against the remote, a table at a time. `next` gives them in
/// their order; the selection of the context says which jobs'. Answers each dataset
/// with the version that was looked at.
pub fn verify_receipts<E: From<PlanError>>(
    context: &PlanContext<'_>,
    next: &mut dyn FnMut() -> Result<Option<Receipt>, E>,
    each: &mut dyn FnMut(Checked),
) -> Result<Vec<(String, String)>, E> {
    let mut datasets: Vec<DatasetView> = Vec::new();
    let mut seen: Option<Seen> = None;
    let mut chunk: Vec<Receipt> = Vec::new();
    loop {
        let receipt = match next()? {
            Some(receipt) if !is_selected(context, &receipt.job) => continue,
            other => other,
        };
        let goes_on = receipt.as_ref().is_some_and(|one| {
            chunk.len() < CHUNK && chunk.first().is_none_or(|first| first.table == one.table)
        });
        if !goes_on && !chunk.is_empty() {
            let table = &chunk[0].table;
            let known = seen.take().filter(|seen| seen.name == *table);
            let now = match known {
                Some(known) => known,
                None => Seen::observe(context, &mut datasets, table)?,
            };
            let checked: Vec<Result<Checked, PlanError>> = context.net_pool.install(|| {
                chunk
                    .par_iter()
                    .map(|one| now.check(context, one))
                    .collect()
            });
            for one in checked {
                each(one?);
            }
            seen = Some(now);
            chunk.clear();
        }
        match receipt {
            Some(receipt) => chunk.push(receipt),
            None => return Ok(datasets.iter().map(looked_at).collect()),
        }
    }
}

fn looked_at(view: &DatasetView) -> (String, String) {
    let tag = view.draft.current_tag.clone();
    let version = tag.filter(|_| !view.draft.has_next);
    let version = version.unwrap_or_else(|| view.base.to_string());
    (view.dataset.to_string(), version)
}

/// A job that the manifest no longer has is looked at unless jobs are named.
fn is_selected(context: &PlanContext<'_>, job: &str) -> bool {
    let mut jobs = context.manifest.jobs.iter();
    match jobs.find(|one| one.name.as_str() == job) {
        Some(job) => context.selection.takes(job),
        None => context.selection.is_whole(),
    }
}

/// A table as it is now.
struct Seen {
    name: String,
    view: Option<TableView>,
    /// By name.
    files: Vec<RemoteFile>,
}

impl Seen {
    fn observe(
        context: &PlanContext<'_>,
        datasets: &mut Vec<DatasetView>,
        name: &str,
    ) -> Result<Self, PlanError> {
        check_cancel(context.call.cancel)?;
        let (reader, call) = (context.reader, &context.call);
        let mut seen = Self {
            name: name.to_owned(),
            view: None,
            files: Vec::new(),
        };
        let Ok(table) = TableRef::parse(name, None) else {
            return Ok(seen);
        };
        let known = datasets
            .iter()
            .position(|one| one.dataset.matches(table.dataset()));
        let position = if let Some(position) = known {
            position
        } else {
            datasets.push(observe_dataset(
                reader,
                call,
                context.net_pool,
                table.dataset(),
            )?);
            datasets.len() - 1
        };
        let dataset = &datasets[position];
        let view = observe_table(reader, call, dataset, &table, None)?;
        if view.remote.as_ref().is_some_and(|one| one.is_file_index) {
            let files = &mut seen.files;
            reader
                .raw_files(call, &table, &dataset.base, &mut |file| files.push(file))
                .map_err(|error| PlanError::remote(format!("the files of `{table}`"), error))?;
            files.sort_by(|a, b| a.name.cmp(&b.name));
        }
        seen.view = Some(view);
        Ok(seen)
    }

    fn check(&self, context: &PlanContext<'_>, receipt: &Receipt) -> Result<Checked, PlanError> {
        check_cancel(context.call.cancel)?;
        let mut checked = Checked {
            finding: Finding::Missing,
            allowed: false,
            what: receipt.what.clone(),
            job: Some(receipt.job.clone()),
            table: Some(receipt.table.clone()),
            name: receipt.name.clone(),
            source: receipt.source.clone(),
            reason: Reason::NotOnRemote,
            bytes: receipt.size,
            rows: receipt.rows,
            md5: receipt.md5.clone(),
            found: None,
            note: None,
        };
        if receipt.what == "file" {
            let by_name = self
                .files
                .binary_search_by(|one| one.name.cmp(&receipt.name));
            if let Ok(position) = by_name {
                check_file(context, receipt, &self.files[position], &mut checked)?;
            }
        } else {
            self.check_upload(receipt, &mut checked);
        }
        Ok(checked)
    }

    fn check_upload(&self, receipt: &Receipt, checked: &mut Checked) {
        let Some(view) = &self.view else {
            return;
        };
        let replaces = view.merge(None) == MergeStrategy::Replace;
        let mut drafted = view.draft_uploads.iter();
        let mut released = view.history.uploads.iter();
        let found = if let Some(one) = drafted.find(|one| one.name == receipt.name) {
            let is_done = one.status == UploadStatus::Completed || receipt.what == "part";
            let is_failed = one.status == UploadStatus::Failed;
            Some((one.num_rows, one.size, is_done, is_failed))
        } else if replaces && !view.draft_uploads.is_empty() {
            // What the draft inherited went with its first new upload.
            None
        } else {
            let mut same = released.find(|one| one.name == receipt.name);
            same.take()
                .map(|one| (one.num_rows, one.size, one.completed, !one.completed))
        };
        let Some((rows, size, is_done, is_failed)) = found else {
            return;
        };
        let has_size = receipt.what == "upload";
        let (finding, reason) = match (receipt.rows, rows) {
            _ if is_failed => (Finding::Differs, Reason::Incomplete),
            _ if !is_done => (Finding::Unverified, Reason::Importing),
            _ if has_size && size.is_some_and(|size| size != receipt.size) => {
                (Finding::Differs, Reason::OtherSize)
            }
            (Some(wanted), Some(rows)) if rows > wanted => (Finding::Differs, Reason::Incomplete),
            (Some(wanted), rows) if rows.unwrap_or(0) < wanted => {
                (Finding::Unverified, Reason::Incomplete)
            }
            (_, _) => (Finding::Matches, Reason::Delivered),
        };
        checked.finding = finding;
        checked.reason = reason;
        if finding != Finding::Matches {
            let rows = rows.map_or_else(|| "no number of".to_owned(), |rows| rows.to_string());
            checked.note = Some(format!("the platform tells {rows} rows"));
        }
    }
}

fn check_file(
    context: &PlanContext<'_>,
    receipt: &Receipt,
    file: &RemoteFile,
    checked: &mut Checked,
) -> Result<(), PlanError> {
    let remote = |error| PlanError::remote(format!("file `{}`", receipt.name), error);
    let (mut size, mut md5) = (file.size, file.md5);
    if md5.is_none() && size == receipt.size {
        let asked = context.reader.raw_file_md5(&context.call, &file.id);
        md5 = asked.map_err(remote)?;
    }
    let told = md5;
    let reads = match context.options.read_back {
        ReadBack::Never => false,
        ReadBack::Needed => md5.is_none(),
        ReadBack::All => true,
    };
    let is_read = reads && size == receipt.size;
    if is_read {
        let read = context
            .reader
            .raw_file_digest(&context.call, &file.id, file.size);
        let (bytes, found) = read.map_err(remote)?;
        (size, md5) = (bytes, Some(found));
    }
    let found = md5.map(|md5| md5.to_string());
    let (finding, reason) = match (&receipt.md5, &found) {
        _ if size != receipt.size => (Finding::Differs, Reason::OtherSize),
        (Some(one), Some(other)) if one == other && is_read => {
            (Finding::Matches, Reason::SameBytes)
        }
        (Some(one), Some(other)) if one == other => (Finding::Matches, Reason::SameMd5),
        (Some(_), Some(_)) if is_read => (Finding::Differs, Reason::OtherBytes),
        (Some(_), Some(_)) => (Finding::Differs, Reason::OtherMd5),
        (_, _) => (Finding::Unverified, Reason::Unverifiable),
    };
    checked.finding = finding;
    checked.reason = reason;
    if is_read && told.is_some() && told != md5 {
        checked.note = Some("the platform's own MD5 is not that of its bytes".to_owned());
    }
    checked.found = Some(Before { size, md5: found });
    Ok(())
}
