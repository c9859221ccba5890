//! One request, one answer: the only file that names `ureq`.
//!
//! It sets up the agent and works around what ureq 3.5 does (docs/protocol.md
//! lists it): no redirects, since 308 means "go on"; statuses are answers, not
//! errors; every answer is read to its end, or the connection is lost; an answer
//! that comes while the body is still being sent is not lost; names are looked up
//! once a minute. It decides nothing about repeating.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::{HeaderValue, Request, Uri, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector,
    TcpConnector, Transport,
};
use ureq::{Agent, Proxy, SendBody};

use super::answer::{Answer, Headers, Sink};
use super::body::{Body, Outgoing, Progress};
use super::error::{ApiErrorKind, Failure, Method};
use super::limits;

/// How the agent is set up.
#[derive(Debug)]
pub(super) struct AgentOptions<'a> {
    pub(super) ca_cert: Option<&'a [u8]>,
    pub(super) proxy: Option<&'a str>,
    pub(super) connections: usize,
    pub(super) timeout: Duration,
    pub(super) user_agent: &'a str,
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

/// The head of one request.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) method: Method,
    pub(super) url: &'a str,
    pub(super) headers: &'a [(&'static str, String)],
    /// The value of `Authorization`, if this address may have it.
    pub(super) authorization: Option<&'a str>,
    pub(super) through_proxy: bool,
}

/// Pooled connections, straight and through the proxy.
pub(super) struct Line {
    straight: Agent,
    proxied: Option<Agent>,
    resolver: CachingResolver,
    connections: Arc<AtomicU64>,
    is_shut: AtomicBool,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl Line {
    pub(super) fn new(options: &AgentOptions<'_>) -> Result<Self, SetupError> {
        let roots = options.ca_cert.map(certificates).transpose()?;
        let resolver = CachingResolver::default();
        let connections = Arc::new(AtomicU64::new(0));
        let make = |proxy: Option<Proxy>| {
            let mark = MarkConnector {
                is_proxied: proxy.is_some(),
                connections: Arc::clone(&connections),
            };
            let chain =
                ().chain(ConnectProxyConnector::default())
                    .chain(TcpConnector::default())
                    .chain(EarlyConnector)
                    .chain(RustlsConnector::default())
                    .chain(mark);
            Agent::with_parts(
                config(options, roots.clone(), proxy),
                chain,
                resolver.clone(),
            )
        };
        Ok(Self {
            straight: make(None),
            proxied: options.proxy.map(proxy).transpose()?.map(|p| make(Some(p))),
            resolver: resolver.clone(),
            connections: Arc::clone(&connections),
            is_shut: AtomicBool::new(false),
        })
    }

    /// Connections opened so far.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Ends every exchange that is under way, and all later ones.
    pub(super) fn shutdown(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
        self.straight.clone().shutdown();
        if let Some(agent) = &self.proxied {
            agent.clone().shutdown();
        }
    }

    /// Sends a request and reads its answer to the end.
    pub(super) fn exchange(
        &self,
        head: &Head<'_>,
        outgoing: &mut Outgoing<'_, '_, '_>,
        length: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Answer, Failure> {
        Progress::start();
        let answer = self
            .call(head, outgoing, length)
            .and_then(|response| read(response, head.method, sink));
        let progress = Progress::now();
        let is_shut = self.is_shut.load(Ordering::SeqCst);
        match answer {
            // A closed connection looks like an end where no length was given.
            Ok(answer) if is_shut && !answer.is_framed => {
                Err(Failure::new(ApiErrorKind::Cancelled, true))
            }
            // Taken without all of the body: nothing of ours is delivered.
            Ok(answer) if progress.is_cut && (200..300).contains(&answer.status) => {
                Err(Failure::new(ApiErrorKind::Network, true)
                    .with_source("the server said that all is well before it had the whole body"))
            }
            Ok(answer) => Ok(answer),
            Err(_) if is_shut || outgoing.is_cancelled => {
                Err(Failure::new(ApiErrorKind::Cancelled, progress.is_sent))
            }
            Err(Fault::Ours(failure)) => Err(failure),
            Err(Fault::Wire(error)) => {
                if let Some(fault) = outgoing.fault.take() {
                    let failure = Failure::new(ApiErrorKind::LocalRead, progress.is_sent);
                    return Err(failure.with_source(fault));
                }
                if !progress.is_sent {
                    self.resolver.forget(head.url);
                }
                Err(failure_of(error, progress))
            }
        }
    }

    fn call(
        &self,
        head: &Head<'_>,
        outgoing: &mut Outgoing<'_, '_, '_>,
        length: u64,
    ) -> Result<ureq::http::Response<ureq::Body>, Fault> {
        let mut request = Request::builder()
            .method(head.method.as_str())
            .uri(head.url);
        for (name, value) in head.headers {
            request = request.header(*name, value);
        }
        if let Some(value) = head.authorization {
            let mut value = HeaderValue::from_str(value).map_err(ureq::http::Error::from)?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let agent = match &self.proxied {
            Some(agent) if head.through_proxy => agent,
            _ => &self.straight,
        };
        let response = match head.method {
            Method::Get | Method::Head | Method::Delete => agent.run(request.body(())?),
            Method::Post | Method::Put | Method::Patch => {
                let request = request
                    .header(header::CONTENT_LENGTH, length)
                    .body(SendBody::from_reader(outgoing))?;
                agent.run(request)
            }
        };
        Ok(response?)
    }
}

fn config(options: &AgentOptions<'_>, roots: Option<RootCerts>, proxy: Option<Proxy>) -> Config {
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

fn certificates(pem: &[u8]) -> Result<RootCerts, SetupError> {
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

fn proxy(text: &str) -> Result<Proxy, SetupError> {
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

/// Where an exchange failed.
enum Fault {
    Wire(ureq::Error),
    Ours(Failure),
}

impl From<ureq::Error> for Fault {
    fn from(error: ureq::Error) -> Self {
        Self::Wire(error)
    }
}

impl From<ureq::http::Error> for Fault {
    fn from(error: ureq::http::Error) -> Self {
        Self::Wire(error.into())
    }
}

/// Reads an answer to its end, so that the connection can be used again.
fn read(
    mut response: ureq::http::Response<ureq::Body>,
    method: Method,
    sink: &mut Sink<'_>,
) -> Result<Answer, Fault> {
    let status = response.status().as_u16();
    let headers = Headers::new(response.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    }));
    let bodiless = method == Method::Head || matches!(status, 204 | 304);
    let is_framed = bodiless
        || headers.get("content-length").is_some()
        || headers.get("transfer-encoding").is_some();
    let mut body = Vec::new();
    let mut received = 0;
    if !bodiless {
        let good = (200..300).contains(&status);
        let cap = if good { sink.cap() } else { limits::ERROR_CAP };
        let mut reader = response.body_mut().as_reader();
        let mut buffer = [0; 16 << 10];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => return Err(Fault::Wire(error.into())),
            };
            received += read as u64;
            if received > cap {
                if good {
                    let why = format!("the answer is larger than {cap} bytes");
                    return Err(Fault::Ours(Failure::protocol(Some(status), why)));
                }
                // Enough of an error to report; its connection is given up.
                break;
            }
            let bytes = &buffer[..read];
            let kept = match sink {
                Sink::Spool(spool) if good => spool.write_all(bytes),
                Sink::Spool(_) | Sink::Memory => {
                    body.extend_from_slice(bytes);
                    Ok(())
                }
            };
            kept.map_err(|error| {
                Fault::Ours(Failure::new(ApiErrorKind::LocalRead, true).with_source(error))
            })?;
        }
    }
    Ok(Answer {
        status,
        headers,
        body,
        received,
        is_framed,
    })
}

/// What an error of ureq means (observed with ureq 3.5.1).
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "ureq's enum is open; what we do not know is an answer we do not know"
)]
fn failure_of(error: ureq::Error, progress: Progress) -> Failure {
    let (kind, sent) = match &error {
        // How rustls reports a certificate that it does not accept.
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            (ApiErrorKind::Tls, progress.is_sent)
        }
        ureq::Error::Tls(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::Pem(_)
        | ureq::Error::TlsRequired => (ApiErrorKind::Tls, progress.is_sent),
        ureq::Error::Io(_) | ureq::Error::Timeout(_) => (ApiErrorKind::Network, progress.is_sent),
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_) => (ApiErrorKind::Network, false),
        ureq::Error::Http(_)
        | ureq::Error::BadUri(_)
        | ureq::Error::RequireHttpsOnly(_)
        | ureq::Error::InvalidProxyUrl => (ApiErrorKind::Protocol, false),
        _ => (ApiErrorKind::Protocol, progress.is_sent),
    };
    Failure::new(kind, sent).with_source(error)
}

/// Looks a name up once a minute instead of once per request, and again after a
/// connection failed.
#[derive(Debug, Clone, Default)]
struct CachingResolver {
    known: Arc<Mutex<Known>>,
}

/// Addresses by host and port, with the time of their look-up.
type Known = BTreeMap<String, (Instant, Vec<SocketAddr>)>;

impl CachingResolver {
    fn key(uri: &Uri) -> Option<String> {
        DefaultResolver::host_and_port(uri.scheme()?, uri.authority()?)
    }

    fn forget(&self, url: &str) {
        if let Some(key) = url.parse().ok().as_ref().and_then(Self::key) {
            self.lock().remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(key) = Self::key(uri) else {
            return Err(ureq::Error::HostNotFound);
        };
        if let Some((at, addresses)) = self.lock().get(&key)
            && at.elapsed() < limits::RESOLVE_AGE
        {
            let mut found = self.empty();
            for address in addresses {
                found.push(*address);
            }
            return Ok(found);
        }
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let kept = found.iter().copied().collect();
        self.lock().insert(key, (Instant::now(), kept));
        Ok(found)
    }
}

/// Right above TCP: a reset while sending is remembered, the rest of the body is
/// swallowed, and the answer that the server sent before closing is read as
/// usual. Otherwise a 401 to an upload would look like a fault of the network.
#[derive(Debug)]
struct EarlyConnector;

impl<In: Transport> Connector<In> for EarlyConnector {
    type Out = Early<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Early<In>>, ureq::Error> {
        Ok(chained.map(|inner| Early { inner, cut: None }))
    }
}

#[derive(Debug)]
struct Early<T> {
    inner: T,
    cut: Option<io::Error>,
}

impl<T: Transport> Transport for Early<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        if self.cut.is_some() {
            return Ok(());
        }
        match self.inner.transmit_output(amount, timeout) {
            Err(ureq::Error::Io(error)) if matches!(error.kind(), BrokenPipe | ConnectionReset) => {
                self.cut = Some(error);
                Progress::cut();
                Ok(())
            }
            other => other,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        match self.inner.await_input(timeout) {
            Ok(true) => Ok(true),
            other => self.cut.take().map_or(other, |error| Err(error.into())),
        }
    }

    fn is_open(&mut self) -> bool {
        self.cut.is_none() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// On top: counts connections, and tells when bytes of a request go out. What
/// goes out below it may be a handshake.
#[derive(Debug)]
struct MarkConnector {
    is_proxied: bool,
    connections: Arc<AtomicU64>,
}

impl<In: Transport> Connector<In> for MarkConnector {
    type Out = Mark<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Mark<In>>, ureq::Error> {
        // The chain also runs for the connection to the proxy itself.
        let to_proxy = self.is_proxied && details.config.proxy().is_none();
        if chained.is_some() && !to_proxy {
            self.connections.fetch_add(1, Ordering::Relaxed);
            Progress::connected();
        }
        Ok(chained.map(|inner| Mark { inner, to_proxy }))
    }
}

#[derive(Debug)]
struct Mark<T> {
    inner: T,
    to_proxy: bool,
}

impl<T: Transport> Transport for Mark<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if !self.to_proxy {
            Progress::sent();
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        // A head that fills the buffer would look like a closed connection.
        let buffers = self.inner.buffers();
        if buffers.input_append_buf().is_empty() {
            let full = buffers.input().len();
            return Err(ureq::Error::LargeResponseHeader(full, full));
        }
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// What `Outgoing` needs of a body's length, here so that a request without a
/// body is not given one.
pub(super) fn length_of(method: Method, body: &Body<'_, '_>) -> u64 {
    match method {
        Method::Get | Method::Head | Method::Delete => 0,
        Method::Post | Method::Put | Method::Patch => body.len(),
    }
}
