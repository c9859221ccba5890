//! What would change, as data.
//!
//! `observe` reads the remote through a [`crate::redivis::Reader`], which has
//! only GET and HEAD, so planning cannot write. `diff` is pure: local against
//! remote to a class and a reason. `files`, `rows` and `uploads` apply it to the
//! three kinds of source, `tables` to versions and tables, `variables` to what is said of
//! variables; `pending` finds what waits for a
//! release; `merge` looks at all
//! jobs of a table that is replaced; `make` puts it together. The result is a
//! [`Plan`]; `lines` is its canonical text, `cost` the calls it will make.

mod changes;
mod context;
mod cost;
mod diff;
mod digests;
mod error;
mod expect;
mod files;
mod history;
mod lines;
mod listed;
mod make;
mod merge;
mod model;
mod observe;
#[doc(hidden)]
pub mod probes;
mod problems;
mod receipt;
mod release;
mod rows;
mod same;
mod saved;
mod selection;
mod tables;
mod uploads;
mod variables;
mod verify;

pub use changes::Change;
pub use context::{Compare, PlanContext, PlanOptions, ReadBack, Stored, Unchanged};
pub use cost::{Calls, cost};
pub use error::PlanError;
pub use expect::{judge, judge_shrink};
pub use history::{History, ReleasedUpload};
pub use lines::{Header, ItemLine, PlanLines, Totals, item_line};
pub use make::make_plan;
pub use model::{
    Action, Amount, Class, DatasetPlan, DraftIdentity, FileSubject, Item, JobContent, JobPlan,
    ListedSubject, PLAN_FORMAT, PartSubject, Plan, Reason, RowsContent, RowsInputPlan, Subject,
    TableBefore, TableSubject, Trouble, UploadSubject, VariableSubject, Wanted,
};
pub use observe::{DatasetView, TableView, find_table, observe_dataset, observe_table};
pub use receipt::{RECEIPTS_FORMAT, Receipt, ReceiptKey, verify_receipts};
pub use saved::{SavedPlan, SavedPlanError, keep_only};
pub use selection::{Selection, Shard};
pub use variables::{is_named, told_in_full, unknown};
pub use verify::{Checked, Finding, findings, settle};
