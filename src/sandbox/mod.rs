//! The emulator of the platform: the API on one origin, the storage for temp
//! uploads on another, state in a folder. It is what demos, rehearsals and the
//! tests run against, so it shares no code with the client but `base`: an
//! emulator that agreed with the client's mistakes would prove nothing.
//!
//! [`Behaviour`] holds a switch for each question that the platform's pages
//! leave open; [`Character`] names two sets of answers. [`FaultScript`] makes
//! calls go wrong. See docs/sandbox.md.

mod answer;
mod behaviour;
mod bodies;
mod body;
mod clock;
mod count;
mod exchange;
mod faults;
mod gate;
mod http;
mod import;
mod inspect;
mod journal;
mod late;
mod limits;
mod listing;
mod log;
mod multipart;
mod parquet;
#[doc(hidden)]
pub mod probes;
mod rate;
mod records;
mod reference;
mod routes;
mod rowcheck;
mod scan;
mod seed;
mod server;
mod store;
mod turns;
mod values;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use behaviour::{Behaviour, Character, DigestForm, ErrorShape, MissingBytes};
pub use clock::{Clock, ManualClock};
pub use faults::{
    Dice, Fault, FaultKind, FaultRule, FaultScript, Hardness, Nth, Operation, RetryAfter, Schedule,
};
pub use gate::{FreezePoint, Thaw};
pub use http::Method;
pub use inspect::{DatasetView, FileView, Inspect, TableView, UploadView, VersionView};
pub use journal::JournalError;
pub use log::{Origin, Request};
pub use rate::RateLimit;
pub use seed::{Seed, SeedTable};

use crate::base::{CancelToken, Sha256Digest};
use faults::Faults;
use gate::Gate;
use rate::Rate;
use store::Store;
use turns::Turns;

/// How an emulator is started. `Default` is a friendly one in a temporary
/// folder, on any ports, for any token.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// Which answers it gives to the open questions.
    pub character: Character,
    /// Answers other than the character's.
    pub behaviour: Option<Behaviour>,
    /// Where its state is kept; `None`: in a folder that is removed at the end.
    pub data_dir: Option<PathBuf>,
    /// The API's port; 0: the one used last with this folder, or any.
    pub api_port: u16,
    /// The storage's port; 0: as above.
    pub storage_port: u16,
    /// The token that is accepted; `None`: any, but there must be one.
    pub token: Option<String>,
    /// Tokens that may read only.
    pub read_only_tokens: Vec<String>,
    /// What goes wrong.
    pub faults: FaultScript,
    /// How many API calls are answered in a time.
    pub rate_limit: Option<RateLimit>,
    /// The time by which sessions expire.
    pub clock: Clock,
    /// What exists at the start.
    pub seed: Seed,
    /// Tables that exist in the drafts at the start.
    pub tables: Vec<SeedTable>,
    /// Inserted rows are counted as they pass, neither checked nor kept; of large
    /// bodies only the digest and the size are. For measurements, in which an
    /// emulator must not be what limits the client.
    pub keeps_no_content: bool,
}

/// Why an emulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Its folder cannot be used.
    #[error("cannot use the sandbox's folder `{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another emulator has its folder.
    #[error("cannot use the sandbox's folder `{path}`: another sandbox is using it")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Its log cannot be read.
    #[error("cannot bring back the sandbox's state")]
    Journal(#[from] JournalError),
    /// A port cannot be had.
    #[error("cannot listen on port {port} of 127.0.0.1")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The seed names something that is no dataset.
    #[error("cannot seed `{0}`: it must read `owner.dataset`")]
    Seed(String),
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    store: Store,
    token: Option<String>,
    read_only_tokens: Vec<String>,
    clock: Clock,
    rate: Rate,
    faults: Faults,
    log: log::Log,
    gate: Gate,
    turns: Turns,
    pending: late::Pending,
    requests: AtomicU64,
    connections: AtomicU64,
    open_connections: server::Connections,
    tokens_on_storage: AtomicU64,
    api_port: u16,
    storage_port: u16,
    signing_key: String,
    keeps_no_content: bool,
    stop: CancelToken,
}

impl Shared {
    fn storage_origin(&self) -> String {
        let port = if self.store.behaviour.storage_on_api_origin {
            self.api_port
        } else {
            self.storage_port
        };
        format!("http://127.0.0.1:{port}")
    }

    /// What proves that a URL was handed out by this emulator.
    fn signature(&self, temp_id: &str) -> String {
        let text = format!("{}/{temp_id}", self.signing_key);
        Sha256Digest::of(text.as_bytes()).short_base32()
    }

    fn temp_url(&self, temp_id: &str) -> String {
        format!(
            "{}/{}/{temp_id}?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature={}",
            self.storage_origin(),
            routes::BUCKET,
            self.signature(temp_id)
        )
    }

    fn session_url(&self, temp_id: &str, session_id: &str) -> String {
        format!(
            "{}/{}/{temp_id}?upload_id={session_id}",
            self.storage_origin(),
            routes::BUCKET
        )
    }
}

/// A running emulator. Dropping it stops it.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    threads: Vec<std::thread::JoinHandle<()>>,
    /// Removed at the end.
    _folder: Option<tempfile::TempDir>,
}

/// Removes the data of an emulator that nobody uses and in which nothing was written
/// after `before_ms` (milliseconds since 1970). Answers its bytes; `None`: it stays.
pub fn remove_stale_data(
    folder: &std::path::Path,
    before_ms: i64,
    dry_run: bool,
) -> Result<Option<u64>, SandboxError> {
    store::remove_stale(folder, before_ms, dry_run)
}

impl Sandbox {
    /// Starts it; it serves as soon as this returns.
    pub fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let (folder, path) = if let Some(path) = &options.data_dir {
            (None, path.clone())
        } else {
            let folder = tempfile::tempdir().map_err(|source| SandboxError::Folder {
                path: tempfile::env::temp_dir(),
                source,
            })?;
            let path = folder.path().to_owned();
            (Some(folder), path)
        };
        let behaviour = options
            .behaviour
            .clone()
            .unwrap_or_else(|| Behaviour::of(options.character));
        let mut store = Store::open(&path, behaviour)?;
        store.bodies.is_hollow = options.keeps_no_content;
        let settled = seed::Settings::load(&path);
        let api = listen(options.api_port, settled.api_port)?;
        let storage = listen(options.storage_port, settled.storage_port)?;
        let failed = |source| SandboxError::Folder {
            path: path.clone(),
            source,
        };
        let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
        let settings = seed::Settings {
            api_port: port(&api).map_err(failed)?,
            storage_port: port(&storage).map_err(failed)?,
            signing_key: if settled.signing_key.is_empty() {
                store.new_id()
            } else {
                settled.signing_key
            },
        };
        settings.save(&path).map_err(failed)?;
        let planted = (&options.seed, options.tables.as_slice());
        seed::plant(&store, planted, options.clock.now_ms(), failed)?;
        let faults = Faults::default();
        faults.set(options.faults);
        let shared = Arc::new(Shared {
            store,
            token: options.token,
            read_only_tokens: options.read_only_tokens,
            clock: options.clock,
            rate: Rate::new(options.rate_limit),
            faults,
            log: log::Log::default(),
            gate: Gate::default(),
            turns: Turns::default(),
            pending: late::Pending::default(),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            open_connections: server::Connections::default(),
            tokens_on_storage: AtomicU64::new(0),
            api_port: settings.api_port,
            storage_port: settings.storage_port,
            signing_key: settings.signing_key,
            keeps_no_content: options.keeps_no_content,
            stop: CancelToken::new(),
        });
        let mut threads = Vec::new();
        for (listener, origin) in [(api, Origin::Api), (storage, Origin::Storage)] {
            let shared = Arc::clone(&shared);
            threads.push(std::thread::spawn(move || {
                server::accept(&shared, &listener, origin);
            }));
        }
        Ok(Self {
            shared,
            threads,
            _folder: folder,
        })
    }

    /// The API's base: `http://127.0.0.1:PORT/api/v1`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.shared.api_port, routes::BASE)
    }

    /// Where temp uploads are put: `http://127.0.0.1:PORT`.
    pub fn storage_origin(&self) -> String {
        self.shared.storage_origin()
    }

    /// Stops serving: connections are cut, threads have ended when this returns.
    pub fn stop(self) {
        drop(self);
    }

    /// The requests seen so far, in the order in which they ended.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.all()
    }

    /// Forgets them; counting for [`Sandbox::wait_for_requests`] starts again.
    pub fn clear_requests(&self) {
        self.shared.log.clear();
    }

    /// The same, forgotten as they are handed over: none is told twice, none is
    /// lost. Counting for [`Sandbox::wait_for_requests`] goes on.
    pub fn take_requests(&self) -> Vec<Request> {
        self.shared.log.take()
    }

    /// Applies all effects that would come late, now.
    pub fn settle(&self) {
        late::apply_due(&self.shared, u64::MAX);
    }

    /// Waits until this many requests have ended since the start or the last
    /// clearing; `false`: patience ran out.
    pub fn wait_for_requests(&self, count: u64, patience: Duration) -> bool {
        self.shared.log.wait_for(count, patience)
    }

    /// The number that the next request will have.
    pub fn next_request_number(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst) + 1
    }

    /// Replaces the script of faults; calls are counted from 1 again.
    pub fn set_faults(&self, script: FaultScript) {
        self.shared.faults.set(script);
    }

    /// Holds request `number` at this point, and all later ones before their
    /// effect.
    pub fn freeze(&self, number: u64, point: FreezePoint) {
        self.shared.gate.freeze(number, point);
    }

    /// Waits until a request is held; `false`: patience ran out.
    pub fn wait_frozen(&self, patience: Duration) -> bool {
        self.shared.gate.wait_frozen(patience)
    }

    /// Lets held requests go.
    pub fn thaw(&self, how: Thaw) {
        self.shared.gate.thaw(how);
    }

    /// From now on the API requests of the client with this token wait before and
    /// after their effect, until they are called.
    pub fn queue(&self, token: &str) {
        self.shared.turns.queue(token);
    }

    /// Waits until a request of that client waits, and answers what it asks;
    /// `None`: patience ran out.
    pub fn wait_queued(&self, token: &str, patience: Duration) -> Option<Operation> {
        self.shared.turns.wait_queued(token, patience)
    }

    /// Lets that client's oldest waiting request through; `false`: none waits.
    pub fn call_next(&self, token: &str) -> bool {
        self.shared.turns.call_next(token)
    }

    /// Waits until a request of that client asks for this, and lets it through, be it
    /// the oldest or not; `false`: patience ran out.
    pub fn call(&self, token: &str, operation: Operation, patience: Duration) -> bool {
        self.shared.turns.call(token, operation, patience)
    }

    /// That client's requests wait no more; this becomes of those that do.
    pub fn end_queue(&self, token: &str, how: Thaw) {
        self.shared.turns.open(token, how);
    }

    /// What it holds now.
    pub fn inspect(&self) -> Inspect {
        inspect::look(&self.shared)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        server::stop(&self.shared);
        for thread in self.threads.drain(..) {
            // A panic in a connection has been answered by its end already.
            drop(thread.join());
        }
        self.shared.store.release();
    }
}

fn listen(wanted: u16, last: u16) -> Result<TcpListener, SandboxError> {
    let bind = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    if wanted != 0 {
        return bind(wanted).map_err(|source| SandboxError::Listen {
            port: wanted,
            source,
        });
    }
    match bind(last) {
        Ok(listener) => Ok(listener),
        Err(_) if last != 0 => bind(0).map_err(|source| SandboxError::Listen { port: 0, source }),
        Err(source) => Err(SandboxError::Listen { port: 0, source }),
    }
}
