//! The crash-safe store: what earlier runs learned, and what this one has begun.
//!
//! State is used, never trusted: with an empty store a run is slower, never
//! wrong. A new run is a resumed run with an empty record.
//!
//! The order of writes: an intent is durable before its effect, an effect is
//! durable before it is reported. Sessions and intents are committed one by one;
//! small facts (digests, staged small files, receipts) wait for company and are
//! committed together by [`StateStore::flush`], by a full queue, or by the next
//! durable write. Losing them costs a repetition, nothing else.

mod clean;
mod cuts;
mod digests;
mod error;
mod expiry;
mod intents;
mod location;
mod lock;
mod mounts;
mod open;
mod pending;
mod receipts;
mod record;
mod released;
mod run_folder;
mod runs;
mod schema;
mod store;
mod transfers;

#[cfg(test)]
mod tests;

pub use clean::{CleanOptions, CleanStep, clean_folder};
pub use error::{StateError, StateWarning};
pub use location::{StateKey, StateLocation};
pub use lock::{LockOwner, RunLock};
pub use open::Opened;
pub use record::{
    CachedDigests, Cleaned, CutKey, IntentId, OpenIntent, OpenSession, PastRun, Resumable,
    SessionMode, StagedUpload, TransferKey, VerifiedFile,
};
pub use run_folder::{RunFolder, RunId};
pub use store::StateStore;
