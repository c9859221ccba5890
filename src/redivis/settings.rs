//! How the client is set up, and what it calls itself.

use std::time::Duration;

use super::endpoint::Endpoint;
use super::proxy::ProxySettings;
use super::retry::RetryPolicy;
use super::token::TokenSource;

/// How the client is set up.
#[derive(Debug)]
pub struct HttpSettings {
    /// Where the API is.
    pub endpoint: Endpoint,
    /// The token and where it comes from.
    pub token: TokenSource,
    /// PEM certificates that are trusted instead of the system's.
    pub ca_cert: Option<Vec<u8>>,
    /// The proxy, if any.
    pub proxy: ProxySettings,
    /// Workers that will use the client at once.
    pub connections: usize,
    /// How long the server may be silent, and how long it may work on an answer.
    pub timeout: Duration,
    /// API calls per second, at most.
    pub tps_limit: Option<f64>,
    /// Bytes of content per second, at most, over all workers.
    pub bandwidth: Option<u64>,
    /// How patient the client is.
    pub retry: RetryPolicy,
    /// Said in `User-Agent`: a run's id, for instance.
    pub agent_comment: String,
    /// The clock, in milliseconds since 1970. Asked for a `Retry-After` as a date
    /// from a server that does not say what time it is, and to compare clocks.
    pub now_ms: fn() -> i64,
}

/// `redivis-ingest/1.2.3 (comment)`, with nothing in it that could end a header.
pub(super) fn user_agent(comment: &str) -> String {
    let name = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
    let comment: String = comment
        .chars()
        .filter(|c| (c.is_ascii_graphic() || *c == ' ') && !matches!(c, '(' | ')' | '\\'))
        .take(200)
        .collect();
    if comment.trim().is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({})", comment.trim())
    }
}
