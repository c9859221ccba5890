//! What would change, as data.
//!
//! `observe` reads the remote through a [`crate::redivis::Reader`], which has
//! only GET and HEAD, so planning cannot write. `diff` is pure: local against
//! remote to a class and a reason. `files`, `rows` and `uploads` apply it to the
//! three kinds of source, `tables` to versions and tables. The result is a
//! [`Plan`]; `lines` is its canonical text, `cost` the calls it will make.

mod cost;
mod diff;
mod error;
mod files;
mod history;
mod lines;
mod listed;
mod make;
mod model;
mod observe;
mod rows;
mod rows_cache;
mod saved;
mod tables;
mod uploads;

pub use cost::{Calls, cost};
pub use error::PlanError;
pub use history::{History, ReleasedUpload};
pub use lines::{Header, ItemLine, PlanLines, Totals, item_line};
pub use make::{Compare, PlanContext, PlanOptions, Selection, Shard, make_plan};
pub use model::*;
pub use observe::{DatasetView, TableView, observe_dataset, observe_table};
pub use saved::{SavedPlan, SavedPlanError, keep_only};
