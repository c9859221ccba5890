//! What people and scripts read: the plan and the summary as text, the report
//! and the events as JSON, the progress of a run.
//!
//! Everything here is told to a writer that `cli` chose; nothing decides, and
//! nothing is read back. Start with [`write_plan`] (the dry-run diff),
//! [`RunReport`] (how a run ended) and [`reporter`] (what happens meanwhile).

mod accuracy;
mod combined;
mod draft;
mod explain;
mod facts;
mod html;
mod json;
mod lineage;
mod metrics;
mod one_line;
mod plan_names;
mod plan_text;
mod plan_totals;
mod progress;
mod receipts;
mod run_text;
#[cfg(test)]
mod sample;
mod samples;
mod style;
mod summary;
mod verify;
mod words;

pub use accuracy::PlanAccuracy;
pub use combined::Combined;
pub use draft::{DraftFacts, SCHEMA_FILE, write_draft};
pub use explain::{Explained, explain, write_explained};
pub use facts::{CallFacts, RequestFacts, RunFacts, SpentFacts};
pub use html::{PageFacts, ProblemFacts, RejectFacts};
pub use json::{EVENT_FORMAT, event_line, write_plan_json};
pub use lineage::{Lineage, LineageFacts, LineageParent};
pub use metrics::write_metrics;
pub use one_line::ONE_LINE_BYTES;
pub use plan_text::write_plan;
pub use progress::{
    LogScreen, ProgressKind, Recording, Reporter, RunClock, RunStatus, StatusFacts, drain,
    log_screen, reporter,
};
pub use receipts::{
    MergeRules, ReceiptReader, ReceiptSorter, ReceiptsError, ReceiptsOwner, StillThere,
    update_receipts,
};
pub use samples::{Recorder, Samples, Stretch, Waits};
pub use style::{TextStyle, clean, count, number, size};
pub use summary::{Counts, REPORT_FORMAT, RunReport};
pub use verify::{VerifyFacts, VerifyTally, checked_line, checked_text, verify_line, write_verify};
pub use words::reason_words;
