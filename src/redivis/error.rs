//! What a call can fail with: one error type, its kinds, and the whole retry
//! table in one `match`.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::words::Words;

/// A request's method. `Reader` uses the first two only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// As it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    pub(super) const fn is_reading(self) -> bool {
        match self {
            Self::Get | Self::Head => true,
            Self::Post | Self::Put | Self::Patch | Self::Delete => false,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiErrorKind {
    /// 401, or a token that cannot be sent.
    Unauthorized,
    /// 403; the scope that is needed, when the server says so.
    Forbidden {
        /// Such as `data.edit`.
        scope: Option<String>,
    },
    /// 404 or 410: not there, or hidden.
    NotFound,
    /// 409 or 412.
    Conflict,
    /// 400, 422 and every other 4xx. Quota is also reported this way.
    Invalid,
    /// 413: to be split.
    TooLarge,
    /// 429, still after all waiting.
    RateLimited,
    /// 408, 425, 500, 502, 503, 504, still after all waiting.
    Unavailable,
    /// No connection, or no whole answer.
    Network,
    /// The other side could not prove who it is, or no TLS was agreed on.
    Tls,
    /// An answer that this protocol does not know.
    Protocol,
    /// The run was asked to stop.
    Cancelled,
    /// A local file could not be read (or a temporary one not written). Never
    /// retried as a fault of the network.
    LocalRead,
}

/// Whether to send the same request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryClass {
    /// It would fail the same way.
    Never,
    /// If the call may be done twice (contract 11).
    IfRepeatable,
    /// The server cannot have done anything.
    Always,
}

impl ApiErrorKind {
    /// The retry table. `sent`: bytes of the request left this machine.
    pub(super) fn retry_class(&self, sent: bool) -> RetryClass {
        match self {
            Self::RateLimited => RetryClass::Always,
            Self::Network if !sent => RetryClass::Always,
            Self::Network | Self::Unavailable => RetryClass::IfRepeatable,
            Self::Unauthorized
            | Self::Forbidden { .. }
            | Self::NotFound
            | Self::Conflict
            | Self::Invalid
            | Self::TooLarge
            | Self::Tls
            | Self::Protocol
            | Self::Cancelled
            | Self::LocalRead => RetryClass::Never,
        }
    }

    /// Whether the server may have done what was asked although this came back.
    fn leaves_doubt(&self) -> bool {
        match self {
            Self::Network | Self::Unavailable | Self::Protocol | Self::Cancelled => true,
            Self::Unauthorized
            | Self::Forbidden { .. }
            | Self::NotFound
            | Self::Conflict
            | Self::Invalid
            | Self::TooLarge
            | Self::RateLimited
            | Self::Tls
            | Self::LocalRead => false,
        }
    }

    /// Of an error's status.
    pub(super) fn of_status(status: u16, words: &Words) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Forbidden {
                scope: words.scope.clone(),
            },
            404 | 410 => Self::NotFound,
            408 | 425 | 500 | 502..=504 => Self::Unavailable,
            409 | 412 => Self::Conflict,
            413 => Self::TooLarge,
            429 => Self::RateLimited,
            400..=499 => Self::Invalid,
            _ => Self::Protocol,
        }
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::Unauthorized => "the token was not accepted",
            Self::Forbidden { .. } => "the token does not give this right",
            Self::NotFound => "it does not exist or is hidden",
            Self::Conflict => "it conflicts with what is there",
            Self::Invalid => "the request was refused",
            Self::TooLarge => "the request was too large",
            Self::RateLimited => "the rate limit was reached",
            Self::Unavailable => "the service is not available",
            Self::Network => "the connection failed",
            Self::Tls => "no secure connection was made",
            Self::Protocol => "the answer is not understood",
            Self::Cancelled => "the run was asked to stop",
            Self::LocalRead => "a local file could not be read",
        }
    }
}

/// A call that failed, after all retries.
///
/// Its text names method, address (without query), status and the server's own
/// words; never the token.
#[derive(Debug)]
pub struct ApiError {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    call: &'static str,
    method: Method,
    url: String,
    status: Option<u16>,
    kind: ApiErrorKind,
    words: Box<Words>,
    attempts: u32,
    elapsed: Duration,
    sent: bool,
    repeatable: bool,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// Which call: the name of the method of `Reader`, `Writer` or `transfer`.
    pub fn call(&self) -> &'static str {
        self.inner.call
    }

    /// The method of the request.
    pub fn method(&self) -> Method {
        self.inner.method
    }

    /// The address without its query; of a signed one only the host.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The status of the last answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.inner.status
    }

    /// Why.
    pub fn kind(&self) -> &ApiErrorKind {
        &self.inner.kind
    }

    /// The server's code (`insufficient_scope`), if it gave one.
    pub fn code(&self) -> Option<&str> {
        self.inner.words.code.as_deref()
    }

    /// The server's own words, shortened.
    pub fn message(&self) -> Option<&str> {
        self.inner.words.message.as_deref()
    }

    /// Requests sent.
    pub fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    /// From the first attempt to the end.
    pub fn elapsed(&self) -> Duration {
        self.inner.elapsed
    }

    /// What the last answer's `Retry-After` asked for, clamped.
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// Whether bytes of the last request left this machine.
    pub fn was_sent(&self) -> bool {
        self.inner.sent
    }

    /// Whether the server may have done what was asked. Only true for calls that
    /// must not be repeated blindly: look before sending again.
    pub fn is_in_doubt(&self) -> bool {
        self.inner.sent && !self.inner.repeatable && self.inner.kind.leaves_doubt()
    }

    /// Whether the same call may work later without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.inner.kind,
            ApiErrorKind::RateLimited
                | ApiErrorKind::Unavailable
                | ApiErrorKind::Network
                | ApiErrorKind::Cancelled
        )
    }

    /// Whether it ended because the run was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.inner.kind == ApiErrorKind::Cancelled
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            call,
            method,
            url,
            kind,
            words,
            ..
        } = &*self.inner;
        write!(f, "`{call}` failed ({method} {url}")?;
        if let Some(status) = self.inner.status {
            write!(f, " answered {status}")?;
        }
        write!(f, "): {}", kind.as_str())?;
        match (&words.code, &words.message) {
            (None, None) => {}
            (Some(one), None) | (None, Some(one)) => write!(f, ": {one}")?,
            (Some(code), Some(message)) => write!(f, ": {code}: {message}")?,
        }
        if let ApiErrorKind::Forbidden { scope: Some(scope) } = kind {
            write!(f, "; it needs the scope `{scope}`")?;
        }
        if self.is_in_doubt() {
            f.write_str("; whether it took effect is not known")?;
        }
        if self.inner.attempts > 1 {
            let seconds = self.inner.elapsed.as_secs_f64();
            write!(
                f,
                " (after {} attempts in {seconds:.1} s)",
                self.inner.attempts
            )?;
        }
        Ok(())
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner
            .source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// What an error is about, while a call is under way.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) call: &'static str,
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) repeatable: bool,
}

/// How one attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: ApiErrorKind,
    pub(super) status: Option<u16>,
    pub(super) words: Box<Words>,
    pub(super) sent: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    pub(super) fn new(kind: ApiErrorKind, sent: bool) -> Self {
        Self {
            kind,
            status: None,
            words: Box::default(),
            sent,
            retry_after: None,
            source: None,
        }
    }

    /// An answer that came, but is not what the protocol says.
    pub(super) fn protocol(status: Option<u16>, why: impl Into<String>) -> Self {
        Self {
            status,
            words: Box::new(Words::plain(why)),
            ..Self::new(ApiErrorKind::Protocol, true)
        }
    }

    pub(super) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(super) fn into_error(self, subject: Subject, attempts: u32, elapsed: Duration) -> ApiError {
        let Subject {
            call,
            method,
            url,
            repeatable,
        } = subject;
        ApiError {
            inner: Box::new(Inner {
                call,
                method,
                url,
                status: self.status,
                kind: self.kind,
                words: self.words,
                attempts,
                elapsed,
                sent: self.sent,
                repeatable,
                retry_after: self.retry_after,
                source: self.source,
            }),
        }
    }
}
