//! One request, one answer: the only room that names `ureq`.
//!
//! It sets up the agent and works around what ureq 3.5 does (docs/protocol.md
//! lists it): no redirects, since 308 means "go on"; statuses are answers, not
//! errors; every answer is read to its end, or the connection is lost; an answer
//! that comes while the body is still being sent is not lost; names are looked up
//! once a minute. It decides nothing about repeating.

mod gather;
mod layers;
mod notice;
mod resolver;
mod setup;

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ureq::http::{HeaderValue, Request, header};
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector as _, RustlsConnector, TcpConnector,
};
use ureq::{Agent, Proxy, SendBody};

pub use self::notice::{Notice, NoticeError};

use self::gather::GatherConnector;
use self::layers::{EarlyConnector, MarkConnector};
use self::resolver::CachingResolver;
pub(super) use self::setup::AgentOptions;
pub use self::setup::SetupError;
use self::setup::{certificates, config, proxy};
use super::answer::{Answer, Headers, Sink};
use super::body::{Body, Outgoing, Progress};
use super::error::{ApiErrorKind, Failure, Method};
use super::limits;

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
    /// How long a server may be silent.
    patience: Duration,
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
                    .chain(mark)
                    .chain(GatherConnector);
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
            patience: options.timeout,
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
        let answer = self.call(head, outgoing, length).and_then(|response| {
            outgoing.times.answered = Some(Instant::now());
            read(response, head.method, sink, self.patience)
        });
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
    patience: Duration,
) -> Result<Answer, Fault> {
    let started = Instant::now();
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
            Progress::expect_before(Instant::now() + patience);
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => return Err(Fault::Wire(error.into())),
            };
            received += read as u64;
            let due = Duration::from_secs(received / limits::SLOWEST_ANSWER);
            if started.elapsed() > patience.saturating_add(due) {
                let failure = Failure::new(ApiErrorKind::Network, true);
                return Err(Fault::Ours(
                    failure.with_source("the answer comes too slowly to be waited for"),
                ));
            }
            if received > cap {
                if good {
                    let why = format!("the answer is larger than {cap} bytes");
                    return Err(Fault::Ours(Failure::protocol(Some(status), why)));
                }
                // Enough of an error to report; its connection is given up.
                break;
            }
            let bytes = &buffer[..read];
            let taken = good.then(|| sink.take(bytes)).transpose();
            let taken = taken.map_err(|error| {
                Fault::Ours(Failure::new(ApiErrorKind::LocalRead, true).with_source(error))
            })?;
            if taken != Some(true) {
                body.extend_from_slice(bytes);
            }
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
        // The last is what a connection is that ends within the head of a chunk.
        ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::BodyStalled => {
            (ApiErrorKind::Network, progress.is_sent)
        }
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

/// What `Outgoing` needs of a body's length, here so that a request without a
/// body is not given one.
pub(super) fn length_of(method: Method, body: &Body<'_, '_>) -> u64 {
    match method {
        Method::Get | Method::Head | Method::Delete => 0,
        Method::Post | Method::Put | Method::Patch => body.len(),
    }
}
