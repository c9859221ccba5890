//! What can be made to go wrong, and when: a closed list of faults, scripted by
//! operation and by how often it was called.

mod kinds;
mod operation;
mod random;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

pub use kinds::FaultKind;
pub use operation::Operation;
pub use random::{Dice, Hardness, Schedule};

/// The form of a `Retry-After` header (D11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Seconds from now.
    Seconds(u32),
    /// An HTTP date this many seconds from now.
    HttpDate(u32),
    /// Seconds since 1970, this many from now.
    Epoch(u32),
    /// Milliseconds since 1970, this many seconds from now.
    EpochMs(u32),
}

impl RetryAfter {
    /// The same form with another number of seconds from now.
    pub(super) fn in_seconds(self, seconds: u32) -> Self {
        match self {
            Self::Seconds(_) => Self::Seconds(seconds),
            Self::HttpDate(_) => Self::HttpDate(seconds),
            Self::Epoch(_) => Self::Epoch(seconds),
            Self::EpochMs(_) => Self::EpochMs(seconds),
        }
    }

    /// The header's text.
    pub(super) fn text(self, now_ms: i64) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::HttpDate(seconds) => super::clock::http_date(now_ms + i64::from(seconds) * 1000),
            Self::Epoch(seconds) => (now_ms / 1000 + i64::from(seconds)).to_string(),
            Self::EpochMs(seconds) => (now_ms + i64::from(seconds) * 1000).to_string(),
        }
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// This status instead of the effect.
    Status {
        /// The status.
        code: u16,
        /// `Retry-After`, when wanted.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// This status while the body is still being sent, then the end.
    StatusAfterBodyBytes {
        /// Body bytes that are read first.
        bytes: u64,
        /// The status.
        code: u16,
    },
    /// The effect, and then this status.
    StatusAfterEffect {
        /// The status.
        code: u16,
    },
    /// The request is read, nothing is done, the connection ends.
    CutBeforeEffect,
    /// The connection ends after this many bytes of the body; what a session
    /// has received stays.
    CutAfterBodyBytes {
        /// Body bytes that are read.
        bytes: u64,
    },
    /// The effect without an answer.
    CutAfterEffect,
    /// The connection ends now, the effect comes later.
    LateEffect {
        /// Requests that are seen in between; 0: just before the next one.
        after_requests: u32,
        /// A status to answer with now, instead of cutting.
        #[serde(default)]
        code: Option<u16>,
    },
    /// The connection is reset before the body is read.
    Reset,
    /// Nothing happens for a while, then the request is served.
    Stall {
        /// How long.
        ms: u64,
    },
    /// A chunk: half of it is kept, and 308 says so.
    ShortRange,
    /// The session is forgotten: 404 from now on (or 410).
    LoseSession {
        /// Answer 410 instead.
        #[serde(default)]
        gone: bool,
    },
    /// The temp upload's URL has expired: 400 from now on.
    ExpireUrl,
    /// Stored bytes are damaged (`PutFile`, `PutChunk`), or the reported MD5 is
    /// wrong (`AttachFiles`).
    WrongMd5,
    /// One stored byte changes, and every digest and count that is reported stays
    /// right: nobody can find it without reading the bytes.
    BitRot,
    /// `insertRows` adds the rows and answers that it added one less.
    WrongCount,
    /// `POST uploads` makes the upload under another name, as if somebody had
    /// taken the name just before.
    RenameUpload,
    /// The rows of this insert are counted only after some reads.
    LagNumRows {
        /// Reads of the upload, alone or in a list.
        reads: u32,
    },
    /// A proxy's page instead of the effect.
    HtmlErrorPage {
        /// The status.
        code: u16,
    },
    /// The answer breaks off after this many bytes of its body.
    TruncateAnswer {
        /// Bytes that are sent.
        bytes: u64,
    },
}

/// Which calls of an operation, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nth {
    /// The n-th only.
    Nth(u64),
    /// Each n-th.
    Every(u64),
    /// The first n.
    First(u64),
    /// All after the first n.
    After(u64),
}

impl Nth {
    fn holds(self, call: u64) -> bool {
        match self {
            Self::Nth(n) => call == n,
            Self::Every(n) => n > 0 && call.is_multiple_of(n),
            Self::First(n) => call <= n,
            Self::After(n) => call > n,
        }
    }
}

/// One line of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Which call.
    pub operation: Operation,
    /// Which of them.
    pub nth: Nth,
    /// What goes wrong.
    pub fault: Fault,
}

/// What goes wrong, when. The first rule that holds is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultScript(pub Vec<FaultRule>);

impl FaultScript {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a rule.
    #[must_use]
    pub fn with(mut self, operation: Operation, nth: Nth, fault: Fault) -> Self {
        self.0.push(FaultRule {
            operation,
            nth,
            fault,
        });
        self
    }
}

/// A script and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    armed: AtomicBool,
    state: Mutex<(FaultScript, BTreeMap<Operation, u64>)>,
}

impl Faults {
    /// Replaces the script; calls are counted from 1 again.
    pub(super) fn set(&self, script: FaultScript) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.armed.store(!script.0.is_empty(), Ordering::Release);
        *state = (script, BTreeMap::new());
    }

    /// Counts a call, and answers what shall go wrong with it.
    pub(super) fn strike(&self, operation: Operation) -> Option<Fault> {
        if !self.armed.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (script, calls) = &mut *state;
        let mut count = |operation| {
            let calls = calls.entry(operation).or_insert(0);
            *calls += 1;
            *calls
        };
        let (own, any) = (count(operation), count(Operation::Any));
        script
            .0
            .iter()
            .find(|rule| {
                (rule.operation == operation && rule.nth.holds(own))
                    || (rule.operation == Operation::Any && rule.nth.holds(any))
            })
            .map(|rule| rule.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_count_the_calls_of_their_operation() {
        let faults = Faults::default();
        faults.set(
            FaultScript::none()
                .with(Operation::PutFile, Nth::Nth(2), Fault::Reset)
                .with(Operation::Any, Nth::Every(4), Fault::CutAfterEffect),
        );
        let calls = [
            Operation::PutFile,
            Operation::GetTable,
            Operation::PutFile,
            Operation::GetTable,
        ];
        let struck: Vec<_> = calls.into_iter().map(|call| faults.strike(call)).collect();

        assert_eq!(
            struck,
            [None, None, Some(Fault::Reset), Some(Fault::CutAfterEffect)]
        );
    }

    #[test]
    fn a_script_reads_from_its_written_form() {
        let text = r#"[
            {"operation": "put_chunk", "nth": {"nth": 2}, "fault": "cut_after_effect"},
            {"operation": "insert_rows", "nth": {"every": 3},
             "fault": {"status": {"code": 429, "retry_after": {"seconds": 1}}}}
        ]"#;
        let script: FaultScript = serde_json::from_str(text).unwrap();

        assert_eq!(
            script,
            FaultScript::none()
                .with(Operation::PutChunk, Nth::Nth(2), Fault::CutAfterEffect)
                .with(
                    Operation::InsertRows,
                    Nth::Every(3),
                    Fault::Status {
                        code: 429,
                        retry_after: Some(RetryAfter::Seconds(1))
                    }
                )
        );
    }

    #[test]
    fn a_fault_that_is_not_on_the_list_is_refused() {
        let text = r#"[{"operation": "put_chunk", "nth": {"nth": 2}, "fault": "explode"}]"#;

        assert!(serde_json::from_str::<FaultScript>(text).is_err());
    }
}
