//! Places to put bytes: temp uploads, in calls that the platform takes.
//!
//! Nobody knows how many entries a call may have (contract Q1), and one text
//! wants names that no other open temp upload of the table has (contract D1). So
//! a refused call is repeated under other names and then halved, and what was
//! learned of its size holds for the rest of the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::context::{Protocol, Shared, random};
use super::error::StepError;
use crate::base::TableRef;
use crate::redivis::limits::{FILES_PER_CALL, TEMP_UPLOADS_PER_CALL};
use crate::redivis::{ApiError, ApiErrorKind, NewTempUpload, TempUpload};

/// A name may have so many bytes (contract Q19).
const MOST_NAME_BYTES: usize = 1000;
/// Calls whose names their own lost tries may have taken.
const MOST_RENAMES: u32 = 5;
/// Single entries that are refused, one after the other and with nothing taken
/// before, until the refusal is not about entries.
pub(super) const STRIKES: u32 = 2;

/// How many entries a call may have, as far as the run knows.
#[derive(Debug)]
pub(super) struct CallSize(AtomicUsize);

impl Default for CallSize {
    fn default() -> Self {
        Self(AtomicUsize::new(TEMP_UPLOADS_PER_CALL.min(FILES_PER_CALL)))
    }
}

impl CallSize {
    /// At most so many.
    pub(super) fn most(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A call was refused whose halves were not, the larger of this size.
    pub(super) fn learn(&self, half: usize) {
        self.0.fetch_min(half.max(1), Ordering::Relaxed);
    }
}

/// A refusal that may be the fault of the number of entries or of one of them.
pub(super) fn is_about_entries(error: &ApiError) -> bool {
    matches!(
        error.kind(),
        ApiErrorKind::Invalid | ApiErrorKind::TooLarge | ApiErrorKind::Conflict
    )
}

/// One temp upload, or why there is none.
pub(super) type Given = Result<TempUpload, Arc<StepError>>;

/// Asks for a temp upload for each of `files`, names and sizes; the answers are
/// in their order.
pub(super) fn request_temp_uploads(
    shared: Shared<'_>,
    table: &TableRef,
    files: &[(&str, u64)],
) -> Vec<Given> {
    let context = shared.context;
    if context.options.protocol == Protocol::Legacy {
        return legacy_sessions(shared, table, files);
    }
    let mut asking = Asking {
        shared,
        table,
        suffix: None,
        renames: 0,
        is_any_given: false,
        strikes: 0,
        given: Vec::with_capacity(files.len()),
    };
    let mut rest = files;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(shared.call_size.most()));
        asking.ask(now);
        rest = later;
    }
    asking.given
}

/// The older endpoint makes one at a time.
fn legacy_sessions(shared: Shared<'_>, table: &TableRef, files: &[(&str, u64)]) -> Vec<Given> {
    let context = shared.context;
    let mut broken: Option<Arc<StepError>> = None;
    files
        .iter()
        .map(|(_, size)| {
            if let Some(error) = &broken {
                return Err(Arc::clone(error));
            }
            let made = context
                .writer
                .create_legacy_session(&context.call, table, *size);
            made.map_err(|error| {
                let error = Arc::new(StepError::api(doing(table))(error));
                broken = Some(Arc::clone(&error));
                error
            })
        })
        .collect()
}

fn doing(table: &TableRef) -> String {
    format!("get temp uploads for table `{table}`")
}

struct Asking<'a, 'b> {
    shared: Shared<'a>,
    table: &'b TableRef,
    /// Added to names once they were refused.
    suffix: Option<u32>,
    /// How often they got another suffix.
    renames: u32,
    is_any_given: bool,
    strikes: u32,
    given: Vec<Given>,
}

impl Asking<'_, '_> {
    /// Asks for `files` in one call; on a refusal under other names, then in
    /// halves.
    fn ask(&mut self, files: &[(&str, u64)]) {
        if files.is_empty() {
            return;
        }
        if self.strikes >= STRIKES && !self.is_any_given {
            return self.repeat_last(files.len());
        }
        let error = match self.call(files) {
            Ok(temps) => {
                self.is_any_given = true;
                self.given.extend(temps.into_iter().map(Ok));
                return;
            }
            Err(error) => error,
        };
        if !is_about_entries(&error) {
            self.strikes = STRIKES;
            return self.refuse(error, files.len());
        }
        // An earlier try of the same call may have taken the names, its answer lost.
        let may_be_ours = error.attempts() > 1 && self.renames < MOST_RENAMES;
        if self.suffix.is_none() || may_be_ours {
            self.renames += 1;
            self.suffix = Some(random());
            return self.ask(files);
        }
        if files.len() == 1 {
            self.strikes += 1;
            return self.refuse(error, 1);
        }
        let (first, second) = files.split_at(files.len().div_ceil(2));
        let before = self.strikes;
        self.ask(first);
        self.ask(second);
        if self.strikes == before {
            self.shared.call_size.learn(first.len());
        }
    }

    fn call(&self, files: &[(&str, u64)]) -> Result<Vec<TempUpload>, ApiError> {
        let context = self.shared.context;
        let wanted: Vec<NewTempUpload> = files
            .iter()
            .map(|(name, size)| NewTempUpload {
                name: self.named(name),
                size: *size,
                resumable: *size >= context.options.resumable_from,
            })
            .collect();
        context
            .writer
            .create_temp_uploads(&context.call, self.table, &wanted)
    }

    /// The name that is sent. It only tells temp uploads apart; what a file is
    /// called is said when it is attached.
    fn named(&self, name: &str) -> String {
        let Some(suffix) = self.suffix else {
            return name.to_owned();
        };
        let mut end = name.len().min(MOST_NAME_BYTES);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        // A cut name could be another one's beginning.
        let place = if end < name.len() {
            crate::base::Sha256Digest::of(name.as_bytes()).short_hex(8)
        } else {
            String::new()
        };
        format!(
            "{}~{place}{suffix:08x}",
            name.get(..end).unwrap_or_default()
        )
    }

    fn refuse(&mut self, error: ApiError, count: usize) {
        let error = Arc::new(StepError::api(doing(self.table))(error));
        self.given
            .extend((0..count).map(|_| Err(Arc::clone(&error))));
    }

    fn repeat_last(&mut self, count: usize) {
        let last = self.given.iter().rev().find_map(|one| one.as_ref().err());
        let error = last.map_or_else(|| Arc::new(StepError::Cancelled), Arc::clone);
        self.given
            .extend((0..count).map(|_| Err(Arc::clone(&error))));
    }
}
