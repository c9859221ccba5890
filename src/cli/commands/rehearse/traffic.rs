//! What the sandbox saw: requests, bytes, and the faults that were met.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::sandbox::{FaultKind, Operation, Request};

/// What the sandbox saw of one run.
#[derive(Debug, Default, Clone, Serialize)]
pub(super) struct Traffic {
    /// Requests.
    pub(super) requests: u64,
    /// Those that change something.
    pub(super) writes: u64,
    /// Bytes of files, uploads and payloads of rows.
    pub(super) bytes_sent: u64,
    /// Requests that went wrong on purpose.
    pub(super) faults: u64,
    #[serde(skip)]
    pub(super) met: BTreeMap<(FaultKind, Operation), u64>,
}

impl Traffic {
    /// Counts one request.
    pub(super) fn add(&mut self, request: &Request) {
        self.requests += 1;
        self.writes += u64::from(request.operation.is_write());
        let carries_content = matches!(
            request.operation,
            Operation::PutFile | Operation::PutChunk | Operation::InsertRows
        );
        if carries_content {
            self.bytes_sent += request.body_bytes;
        }
        if let Some(kind) = request.fault {
            self.faults += 1;
            *self.met.entry((kind, request.operation)).or_default() += 1;
        }
    }
}

/// Faults of one kind that calls of one operation met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Injected {
    pub(super) fault: &'static str,
    pub(super) operation: Operation,
    pub(super) count: u64,
}

/// All faults that were met, by kind and operation.
pub(super) fn injected<'a>(all: impl Iterator<Item = &'a Traffic>) -> Vec<Injected> {
    let mut sums: BTreeMap<(FaultKind, Operation), u64> = BTreeMap::new();
    for traffic in all {
        for (met, count) in &traffic.met {
            *sums.entry(*met).or_default() += count;
        }
    }
    sums.into_iter()
        .map(|((kind, operation), count)| Injected {
            fault: kind.as_str(),
            operation,
            count,
        })
        .collect()
}

/// An operation's word in a script.
pub(super) fn word(operation: Operation) -> String {
    let word = serde_json::to_value(operation).ok();
    let word = word.as_ref().and_then(serde_json::Value::as_str);
    word.unwrap_or("unknown").to_owned()
}
