//! JSON for somebody else's server, such as a lineage service: one POST, one try.
//! It shares nothing with the API's client: another agent, another key, no
//! redirects, no waits. What the server says is not read.

use std::time::Duration;

use ureq::Agent;
use ureq::http::{HeaderValue, header};

use super::setup::{AgentOptions, SetupError, certificates, config, proxy};
use crate::base::Secret;
use crate::redivis::endpoint::Origin;
use crate::redivis::proxy::ProxySettings;
use crate::redivis::settings::user_agent;

/// A place to send JSON to.
pub struct Notice {
    agent: Agent,
    url: String,
    key: Option<HeaderValue>,
    patience: Duration,
}

impl std::fmt::Debug for Notice {
    /// Without the address and the key: either may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notice")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// JSON did not arrive, or nobody knows. Never repeats an address or an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// The server said no.
    #[error("it answers with {0}")]
    Status(u16),
    /// The time is over.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// There is no connection, or it broke.
    #[error("{0}")]
    Network(&'static str),
    /// The key cannot stand in a header.
    #[error("its key has a character that cannot stand in a header")]
    Key,
    /// The certificates or the proxy.
    #[error("{0}")]
    Setup(String),
}

impl From<SetupError> for NoticeError {
    fn from(error: SetupError) -> Self {
        Self::Setup(error.to_string())
    }
}

impl Notice {
    /// For an http or https address; the whole of one exchange takes no longer than
    /// `patience`. Proxies are used as for the API, for https only.
    pub fn new(
        url: &str,
        key: Option<&Secret>,
        (ca_cert, proxies): (Option<&[u8]>, &ProxySettings),
        patience: Duration,
    ) -> Result<Self, NoticeError> {
        let is_proxied = url.starts_with("https:")
            && Origin::of(url).is_ok_and(|origin| proxies.covers(&origin));
        let options = AgentOptions {
            ca_cert,
            proxy: None,
            connections: 1,
            timeout: patience,
            user_agent: &user_agent(""),
        };
        let roots = ca_cert.map(certificates).transpose()?;
        let through = proxies.address().filter(|_| is_proxied);
        let through = through.map(proxy).transpose()?;
        let key = key.map(|key| {
            let value = HeaderValue::from_str(&format!("Bearer {}", key.reveal()));
            value.ok().ok_or(NoticeError::Key)
        });
        let mut key = key.transpose()?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        Ok(Self {
            agent: Agent::new_with_config(config(&options, roots, through)),
            url: url.to_owned(),
            key,
            patience,
        })
    }

    /// Sends one document.
    pub fn send(&self, json: &str) -> Result<(), NoticeError> {
        let mut request = self
            .agent
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, key);
        }
        let request = request.config().timeout_global(Some(self.patience)).build();
        let answer = request.send(json).map_err(|error| self.meaning(&error))?;
        match answer.status().as_u16() {
            200..300 => Ok(()),
            status => Err(NoticeError::Status(status)),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "ureq's enum is open; of the rest nothing can be said without its text"
    )]
    fn meaning(&self, error: &ureq::Error) -> NoticeError {
        let why = match error {
            ureq::Error::Timeout(_) => return NoticeError::Late(self.patience),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                return NoticeError::Late(self.patience);
            }
            ureq::Error::HostNotFound => "its host is not known",
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                "it refuses connections"
            }
            ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_) => {
                "it cannot be reached"
            }
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => {
                "its certificate is not accepted"
            }
            ureq::Error::Io(_) => "the connection broke",
            _ => "it does not speak HTTP as it should",
        };
        NoticeError::Network(why)
    }
}
