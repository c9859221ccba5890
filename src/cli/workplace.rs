//! What a command needs before it can plan: the manifest, the state, the remote
//! and the pools, in that order, each with its own way to fail.

use std::path::Path;
use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::args::{ManifestArgs, Protocol, RemoteArgs, Shard};
use super::failure::Failure;
use super::settings::{
    Connection, EndpointChoice, Environment, SettingsError, Transfer, state_key, state_location,
};
use crate::base::Secret;
use crate::manifest::{self, Manifest};
use crate::redivis::{
    Endpoint, Http, HttpSettings, ProxySettings, Reader, RetryPolicy, TokenSource,
};
use crate::state::{RunId, StateKey, StateLocation, StateStore};

/// Loads a manifest from its file, or from stdin for `-`.
pub fn load_manifest(args: &ManifestArgs, environment: &Environment) -> Result<Manifest, Failure> {
    let texts = environment.texts();
    let lookup = |name: &str| texts.get(name).cloned();
    let loaded = if args.manifest == Path::new("-") {
        let root = args.root.as_deref().ok_or_else(|| {
            Failure::usage("a manifest from stdin needs `--root DIR`, where its paths start")
        })?;
        let root = std::path::absolute(root)
            .map_err(|error| Failure::input("cannot use `--root`", &error))?;
        manifest::load_from(
            Path::new("<stdin>"),
            std::io::stdin().lock(),
            &root,
            &lookup,
        )
    } else if let Some(root) = &args.root {
        let root = std::path::absolute(root)
            .map_err(|error| Failure::input("cannot use `--root`", &error))?;
        manifest::load_in(&args.manifest, &root, &lookup)
    } else {
        manifest::load(&args.manifest, &lookup)
    };
    loaded.map_err(Failure::from)
}

/// Everything that planning and running share.
#[derive(Debug)]
pub struct Workplace {
    /// The manifest.
    pub manifest: Manifest,
    /// The state of it.
    pub store: StateStore,
    /// Where state is kept.
    pub location: StateLocation,
    /// What the state is kept under.
    pub key: StateKey,
    /// This run's id.
    pub run_id: RunId,
    /// The API's address, for people.
    pub endpoint_shown: String,
    /// The remote.
    pub reader: Reader,
    /// Which upload endpoint is spoken.
    pub protocol: Protocol,
    /// How to transfer.
    pub transfer: Transfer,
    /// For the network.
    pub net_pool: ThreadPool,
    /// For hashing and encoding.
    pub cpu_pool: ThreadPool,
    /// Waits are this much shorter than in real life.
    pub time_scale: f64,
    #[cfg(feature = "sandbox")]
    _sandbox: Option<crate::sandbox::Sandbox>,
}

/// The flags that a workplace is made from.
#[derive(Debug, Clone)]
pub struct WorkplaceArgs<'a> {
    /// The remote and its state.
    pub remote: &'a RemoteArgs,
    /// `--shard`.
    pub shard: Option<Shard>,
    /// The run's id, where it has one already.
    pub run_id: Option<RunId>,
    /// Where the store is.
    pub store: StoreChoice,
}

impl<'a> WorkplaceArgs<'a> {
    /// For the whole work of a manifest, with the state that is kept of it.
    pub fn of(remote: &'a RemoteArgs) -> Self {
        Self {
            remote,
            shard: None,
            run_id: None,
            store: StoreChoice::Kept,
        }
    }
}

/// Where a command's store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreChoice {
    /// Where state is kept.
    Kept,
    /// In memory: the command believes nothing of it and leaves nothing there.
    Memory,
}

impl Workplace {
    /// Opens the state and the remote for a manifest.
    pub fn open(
        manifest: Manifest,
        args: WorkplaceArgs<'_>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let RemoteArgs {
            transfer,
            connection,
            state,
        } = args.remote;
        let transfer = Transfer::of(transfer);
        let connection = Connection::of(connection, environment).map_err(Failure::from)?;
        let location = state_location(state, environment).map_err(Failure::from)?;
        let instance = state.instance.as_deref();
        let datasets = manifest.datasets();
        let key = state_key(
            &manifest.name,
            &connection.endpoint,
            &datasets,
            args.shard,
            instance,
        );
        let run_id = args
            .run_id
            .unwrap_or_else(|| RunId::new(environment.now_ms(), &key, environment.salt()));
        let store_at = match args.store {
            StoreChoice::Kept => &location,
            StoreChoice::Memory => &StateLocation::Memory,
        };
        let opened = StateStore::open(store_at, &key).map_err(Failure::from)?;
        for warning in &opened.warnings {
            tracing::warn!("{warning}");
        }
        let remote = open_remote(&connection, &manifest, &location)?;
        let http = open_http(&connection, &transfer, &remote, environment, &run_id)?;
        Ok(Self {
            manifest,
            store: opened.store,
            location,
            key,
            run_id,
            endpoint_shown: remote.shown,
            reader: Reader::new(Arc::new(http)),
            protocol: connection.protocol,
            net_pool: pool("net", transfer.transfers)?,
            cpu_pool: pool("cpu", cores())?,
            time_scale: connection.retry_scale(),
            transfer,
            #[cfg(feature = "sandbox")]
            _sandbox: remote.sandbox,
        })
    }

    /// Calls a second that the platform allows, when it has said so.
    pub fn calls_per_second(&self) -> Option<f64> {
        let stats = self.reader.http().stats();
        match (stats.rate_limit.calls_per_second(), self.transfer.tpslimit) {
            (Some(theirs), Some(ours)) => Some(theirs.min(ours)),
            (theirs, ours) => theirs.or(ours),
        }
    }
}

/// The address to speak to, and the sandbox behind it if it is ours.
struct Remote {
    endpoint: Endpoint,
    shown: String,
    is_sandbox: bool,
    #[cfg(feature = "sandbox")]
    sandbox: Option<crate::sandbox::Sandbox>,
}

fn open_remote(
    connection: &Connection,
    manifest: &Manifest,
    location: &StateLocation,
) -> Result<Remote, Failure> {
    match &connection.endpoint {
        EndpointChoice::Url(url) => {
            let endpoint: Endpoint = url
                .parse()
                .map_err(|error| Failure::from(SettingsError::Endpoint(error)))?;
            Ok(Remote {
                shown: endpoint.as_str().to_owned(),
                endpoint,
                is_sandbox: false,
                #[cfg(feature = "sandbox")]
                sandbox: None,
            })
        }
        EndpointChoice::Sandbox => open_sandbox(manifest, location),
    }
}

#[cfg(feature = "sandbox")]
fn open_sandbox(manifest: &Manifest, location: &StateLocation) -> Result<Remote, Failure> {
    let sandbox = super::in_process::start(manifest, location)?;
    let address = sandbox.endpoint();
    let endpoint = address
        .parse()
        .map_err(|error: crate::redivis::AddressError| Failure::usage(&error.to_string()))?;
    Ok(Remote {
        endpoint,
        shown: "sandbox".to_owned(),
        is_sandbox: true,
        sandbox: Some(sandbox),
    })
}

#[cfg(not(feature = "sandbox"))]
fn open_sandbox(_: &Manifest, _: &StateLocation) -> Result<Remote, Failure> {
    Err(Failure::usage("this build has no sandbox"))
}

fn open_http(
    connection: &Connection,
    transfer: &Transfer,
    remote: &Remote,
    environment: &Environment,
    run_id: &RunId,
) -> Result<Http, Failure> {
    let ca_cert = match &connection.ca_cert {
        Some(path) => Some(std::fs::read(path).map_err(|error| {
            Failure::input(&format!("cannot read `{}`", path.display()), &error)
        })?),
        None => None,
    };
    let token = if remote.is_sandbox {
        TokenSource::fixed(Secret::new("sandbox"))
    } else {
        // Asked once before anything else, so that a missing token is told first.
        connection.token.read().map_err(Failure::from)?;
        let source = connection.token.clone();
        TokenSource::read(move || source.read().map_err(std::io::Error::other))
    };
    let settings = HttpSettings {
        endpoint: remote.endpoint.clone(),
        token,
        ca_cert,
        proxy: ProxySettings {
            https_proxy: connection.proxies.https.clone(),
            all_proxy: connection.proxies.all.clone(),
            no_proxy: connection.proxies.no.clone(),
        },
        connections: transfer.transfers,
        timeout: connection.timeout,
        tps_limit: transfer.tpslimit,
        bandwidth: transfer.bwlimit.map(|limit| limit.0),
        retry: RetryPolicy {
            scale: connection.retry_scale(),
            seed: u64::from(environment.salt()),
            ..RetryPolicy::default()
        },
        agent_comment: format!("run={run_id}"),
        now_ms: super::settings::system_clock_ms,
    };
    Http::new(settings).map_err(|error| Failure::usage(&error.to_string()))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

fn pool(name: &'static str, threads: usize) -> Result<ThreadPool, Failure> {
    ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name(move |index| format!("{name}-{index}"))
        .build()
        .map_err(|error| Failure::local_io("cannot start threads", &error))
}
