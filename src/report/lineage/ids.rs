//! Which run it is, for others: UUIDs made from our run's id, and the parent that
//! whoever started us has named.

use std::str::FromStr;

use serde_json::{Value, json};

use crate::base::digest::Sha256Hasher;

/// A version 7 UUID (RFC 9562) of a run, or of one of its jobs: its time is when
/// the run began, the rest a digest, so that the same run has the same one.
pub(super) fn run_uuid(started_ms: i64, run_id: &str, job: Option<&str>) -> String {
    let mut hasher = Sha256Hasher::new();
    hasher.update_field(b"lineage-run-1");
    hasher.update_field(run_id.as_bytes());
    hasher.update_field(job.unwrap_or_default().as_bytes());
    let digest = hasher.finish();
    let digest = digest.as_bytes();
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&started_ms.max(0).to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&digest[..10]);
    bytes[6] = bytes[6] & 0x0f | 0x70;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
}

/// The run that started this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageParent {
    /// Its job's namespace.
    pub namespace: String,
    /// Its job's name.
    pub job: String,
    /// Its UUID.
    pub run_id: String,
}

impl LineageParent {
    /// As a facet has it.
    pub(super) fn value(&self) -> Value {
        json!({
            "run": { "runId": self.run_id },
            "job": { "namespace": self.namespace, "name": self.job },
        })
    }
}

/// A parent that is not of the form `namespace/job/run-id`, or whose run id is no
/// UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not of the form `namespace/job/run-id` with a UUID at its end")]
pub struct ParentError;

impl FromStr for LineageParent {
    type Err = ParentError;

    /// `namespace/job/run-id`. A namespace may have slashes of its own.
    fn from_str(text: &str) -> Result<Self, ParentError> {
        let mut parts = text.trim().rsplitn(3, '/');
        let (run_id, job, namespace) = (parts.next(), parts.next(), parts.next());
        match (namespace, job, run_id) {
            (Some(namespace), Some(job), Some(run_id))
                if !namespace.is_empty() && !job.is_empty() && is_uuid(run_id) =>
            {
                Ok(Self {
                    namespace: namespace.to_owned(),
                    job: job.to_owned(),
                    run_id: run_id.to_owned(),
                })
            }
            _ => Err(ParentError),
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    lengths.eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|c| c.is_ascii_hexdigit()))
}
