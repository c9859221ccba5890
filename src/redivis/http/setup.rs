//! Setting the agent up: timeouts, trust, the proxy.

use std::time::Duration;

use ureq::config::Config;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use crate::redivis::limits;

/// How the agent is set up.
#[derive(Debug)]
pub(in crate::redivis) struct AgentOptions<'a> {
    pub(in crate::redivis) ca_cert: Option<&'a [u8]>,
    pub(in crate::redivis) proxy: Option<&'a str>,
    pub(in crate::redivis) connections: usize,
    pub(in crate::redivis) timeout: Duration,
    pub(in crate::redivis) user_agent: &'a str,
}

/// A client that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The given certificates.
    #[error("the CA certificates cannot be used: {why}")]
    Certificates {
        /// What is wrong with them.
        why: String,
    },
    /// The given proxy; its text is not shown, since it may hold a password.
    #[error("the proxy cannot be used: {why}")]
    Proxy {
        /// What is wrong with it.
        why: &'static str,
    },
}

pub(super) fn config(
    options: &AgentOptions<'_>,
    roots: Option<RootCerts>,
    proxy: Option<Proxy>,
) -> Config {
    let idle = options.connections + 8;
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .tls_config(
            TlsConfig::builder()
                .root_certs(roots.unwrap_or(RootCerts::PlatformVerifier))
                .build(),
        )
        .max_idle_connections(idle)
        .max_idle_connections_per_host(idle)
        .max_idle_age(limits::IDLE_AGE)
        .timeout_connect(Some(limits::CONNECT_TIMEOUT.min(options.timeout)))
        .timeout_per_read(Some(limits::READ_TIMEOUT.min(options.timeout)))
        .timeout_per_write(Some(limits::WRITE_TIMEOUT.min(options.timeout)))
        .timeout_recv_response(Some(options.timeout))
        // 128 KiB each way otherwise; answers are small.
        .input_buffer_size(16 << 10)
        .user_agent(options.user_agent)
        .accept_encoding("identity")
        .build()
}

pub(super) fn certificates(pem: &[u8]) -> Result<RootCerts, SetupError> {
    let refused = |why: String| SetupError::Certificates { why };
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(refused(error.to_string())),
        }
    }
    if certificates.is_empty() {
        return Err(refused(
            "there is no PEM certificate in the file".to_owned(),
        ));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

pub(super) fn proxy(text: &str) -> Result<Proxy, SetupError> {
    // Without the SOCKS connector ureq would go straight to the target.
    if text.trim_start().to_ascii_lowercase().starts_with("socks") {
        return Err(SetupError::Proxy {
            why: "SOCKS is not supported, only `http://` and `https://` proxies",
        });
    }
    // Its error would say no more.
    Proxy::new(text.trim()).ok().ok_or(SetupError::Proxy {
        why: "it is not an address such as `http://proxy.example:3128`",
    })
}
