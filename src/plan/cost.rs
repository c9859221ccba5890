//! What a plan costs: API calls by kind, and the floor that a rate limit sets
//! on its duration. Transfers of bytes go to the storage and do not count.

use serde::Serialize;

use super::model::{Action, JobPlan, Plan, Subject};

/// Files that one `tempUploads` or `rawFiles` call carries at most.
pub(crate) const FILES_PER_CALL: u64 = 1000;

/// API calls by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Versions and tables created or changed.
    pub tables: u64,
    /// Variables described.
    pub variables: u64,
    /// `tempUploads`.
    pub temp_uploads: u64,
    /// `rawFiles`.
    pub raw_files: u64,
    /// Uploads created.
    pub uploads: u64,
    /// `insertRows`.
    pub insert_rows: u64,
    /// Uploads deleted.
    pub deletes: u64,
    /// Listings and reads that confirm, at least.
    pub reads: u64,
}

impl Calls {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self {
            tables,
            variables,
            temp_uploads,
            raw_files,
            uploads,
            insert_rows,
            deletes,
            reads,
        } = *self;
        tables + variables + temp_uploads + raw_files + uploads + insert_rows + deletes + reads
    }

    /// Seconds that they take at least, at that many calls a second.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate in whole seconds of a positive, small number"
    )]
    pub fn floor_seconds(&self, per_second: f64) -> Option<u64> {
        (per_second > 0.0).then(|| (self.total() as f64 / per_second).ceil() as u64)
    }
}

/// The calls that executing a plan makes when nothing goes wrong.
pub fn cost(plan: &Plan) -> Calls {
    let mut calls = Calls::default();
    for item in plan.datasets.iter().flat_map(|one| &one.items) {
        match (item.action, &item.subject) {
            // Each is looked at before and after.
            (Action::Update, Subject::Variable(_)) => {
                calls.variables += 1;
                calls.reads += 2;
            }
            (Action::Create | Action::Update | Action::Release, _) => calls.tables += 1,
            (Action::None | Action::Send | Action::Delete, _) => {}
        }
    }
    for job in &plan.jobs {
        add_job(&mut calls, job);
    }
    calls
}

fn add_job(calls: &mut Calls, job: &JobPlan) {
    let (mut files, mut sent, mut deleted) = (0, 0, 0);
    for item in &job.items {
        match (&item.subject, item.action) {
            (Subject::File(_), Action::Send) => files += 1,
            (Subject::Part(_), Action::Send) => {
                sent += 1;
                calls.insert_rows += 1;
            }
            (Subject::Upload(_), Action::Send) => {
                sent += 1;
                calls.temp_uploads += 1;
            }
            (_, Action::Delete) => deleted += 1,
            _ => {}
        }
    }
    let batches = u64::div_ceil(files, FILES_PER_CALL);
    calls.temp_uploads += batches;
    calls.raw_files += batches;
    calls.uploads += sent;
    calls.deletes += deleted;
    // The last look lists the table once.
    calls.reads += u64::from(files + sent + deleted > 0);
}
