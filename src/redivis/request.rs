//! A request as a call describes it, and what it gets back: the two ends of
//! `Http::send`.

use std::error::Error;
use std::io;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::base::SignedUrl;

use super::answer::Answer;
use super::error::{ApiError, ApiErrorKind, Failure, Method, Subject};
use super::wire::WireError;

/// A request as a call describes it.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) call: &'static str,
    pub(super) method: Method,
    pub(super) target: Target<'a>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) repeat: Repeat,
    /// Statuses besides 2xx that are answers and not errors.
    pub(super) also_good: &'static [u16],
}

/// Where a request goes.
#[derive(Debug)]
pub(super) enum Target<'a> {
    /// A path under the API, with its query.
    Api(String),
    /// An address that the server gave.
    Signed(&'a SignedUrl),
}

/// Whether a request may be repeated when nobody knows what became of it
/// (contract 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Doing it twice is like doing it once.
    Freely,
    /// The caller must look first.
    AfterLooking,
    /// The caller recovers: every failure is handed back at once.
    ByCaller,
}

impl<'a> Request<'a> {
    pub(super) fn api(call: &'static str, method: Method, path: String, repeat: Repeat) -> Self {
        Self {
            call,
            method,
            target: Target::Api(path),
            headers: Vec::new(),
            repeat,
            also_good: &[],
        }
    }

    pub(super) fn signed(
        call: &'static str,
        method: Method,
        url: &'a SignedUrl,
        repeat: Repeat,
    ) -> Self {
        Self {
            call,
            method,
            target: Target::Signed(url),
            headers: Vec::new(),
            repeat,
            also_good: &[],
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A good answer, with what an error about its content would have to say.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) subject: Subject,
    pub(super) attempts: u32,
    pub(super) elapsed: Duration,
}

impl Answered {
    /// Turns the JSON of the answer into what it means.
    pub(super) fn read<T: DeserializeOwned, M>(
        self,
        mean: impl FnOnce(T) -> Result<M, WireError>,
    ) -> Result<M, ApiError> {
        let read = self.answer.json::<T>().and_then(mean);
        read.map_err(|error| self.refuse_with("the answer cannot be used", Some(error.into())))
    }

    /// The answer is not what the protocol says.
    pub(super) fn refuse(self, why: &str) -> ApiError {
        self.refuse_with(why, None)
    }

    /// The same, with a reason beneath.
    pub(super) fn refuse_with(
        self,
        why: &str,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> ApiError {
        let mut failure = Failure::protocol(Some(self.answer.status), why);
        failure.source = source;
        failure.into_error(self.subject, self.attempts, self.elapsed)
    }

    /// A fault of ours while the answer was used.
    pub(super) fn fail_locally(self, error: io::Error) -> ApiError {
        Failure::new(ApiErrorKind::LocalRead, true)
            .with_source(error)
            .into_error(self.subject, self.attempts, self.elapsed)
    }
}
