//! Which old receipts still describe what is delivered, by what a plan saw.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{JobPlan, Plan, Reason, Receipt, Subject};
use crate::redivis::RemoteFile;

/// What a plan saw of the remote beside the items that match.
#[derive(Debug)]
pub struct StillThere<'a> {
    jobs: BTreeMap<&'a str, Seen<'a>>,
    sees_everything: bool,
}

/// One job's table.
#[derive(Debug, Default)]
struct Seen<'a> {
    /// Not all of it could be compared.
    is_unsure: bool,
    files: BTreeMap<&'a str, &'a RemoteFile>,
    uploads: BTreeSet<&'a str>,
}

impl<'a> StillThere<'a> {
    /// Of a plan; `sees_everything`: it was not of a shard.
    pub fn of(plan: &'a Plan, sees_everything: bool) -> Self {
        let jobs = plan.jobs.iter();
        Self {
            jobs: jobs.map(|job| (job.job.as_str(), Seen::of(job))).collect(),
            sees_everything,
        }
    }

    /// Whether the receipt of a thing that was not met again stays.
    pub fn stays(&self, receipt: &Receipt) -> bool {
        let Some(seen) = self.jobs.get(receipt.job.as_str()) else {
            return true;
        };
        if !self.sees_everything || seen.is_unsure {
            return true;
        }
        if receipt.what != "file" {
            return seen.uploads.contains(receipt.name.as_str());
        }
        seen.files.get(receipt.name.as_str()).is_some_and(|file| {
            let md5 = file.md5.map(|md5| md5.to_string());
            file.size == receipt.size && (md5.is_none() || md5 == receipt.md5)
        })
    }
}

impl<'a> Seen<'a> {
    fn of(job: &'a JobPlan) -> Self {
        let mut seen = Self::default();
        if !job.replaces {
            let released = job.history.uploads.iter();
            seen.uploads.extend(released.map(|one| one.name.as_str()));
        }
        for item in &job.items {
            seen.is_unsure |= item.reason == Reason::SourceProblem;
            match &item.subject {
                Subject::RemoteFile(file) => {
                    seen.files.insert(&file.name, file);
                }
                Subject::File(file) => {
                    let before = file.before.as_ref();
                    seen.files
                        .extend(before.map(|file| (file.name.as_str(), file)));
                }
                Subject::Listed(listed) => {
                    seen.uploads.insert(&listed.name);
                }
                Subject::Version(_)
                | Subject::Table(_)
                | Subject::Variable(_)
                | Subject::Part(_)
                | Subject::Upload(_)
                | Subject::Source { .. } => {}
            }
        }
        seen
    }
}
