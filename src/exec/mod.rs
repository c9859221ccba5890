//! Doing what a plan says.
//!
//! The coordinator runs on the calling thread and hands flat tasks to one rayon
//! pool for the network and a small one for hashing and encoding; no task waits
//! for another. The order is always the same: versions and tables, broken items
//! deleted, sending, confirming, superseded items deleted, the last look, what is
//! said of variables, the release. Intent is stored before effect, effect before report.

mod attach;
mod bisect;
mod budget;
mod confirm;
mod context;
mod deletes;
mod draft;
mod error;
mod feed;
mod files;
mod guards;
mod look;
mod outcome;
mod part;
mod payload;
mod releasable;
mod release;
mod rows;
mod run;
mod staging;
mod tables;
mod temps;
mod unreached;
mod uploads;
mod variables;

pub use context::{ExecContext, ExecOptions, Protocol, RefusedRow};
pub use error::StepError;
pub use release::release;
pub use run::run;
pub use unreached::{drifted, not_executed};
