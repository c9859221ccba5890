//! What the command line and the environment mean together. The only reader of
//! the process's environment and of the clock; all else gets values.

mod environment;
mod lineage;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{
    ColorChoice, Compare, ConnectionArgs, LogArgs, LogFormat, LogLevel, ProgressChoice, Protocol,
    Shard, StateArgs, StateDir, TransferArgs,
};
use super::token::TokenSource;
use crate::base::{ByteCount, DatasetRef, ManifestName, Secret};
use crate::redivis::{AddressError, Endpoint};
use crate::state::{StateKey, StateLocation};

pub use environment::{Clock, Environment, system_clock_ms};
pub use lineage::{LineageSettings, LineageTarget};

/// The platform's own address (docs: rest-api/general-structure).
pub const DEFAULT_ENDPOINT: &str = "https://redivis.com/api/v1";

/// Settings that contradict each other or the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// `--endpoint` or its variable is no address. It is not quoted, since it may
    /// hold a password.
    #[error("`--endpoint` (or `REDIVIS_API_ENDPOINT`) is not an address of the API")]
    Endpoint(#[source] AddressError),
    /// No state folder can be named.
    #[error("no state folder: neither `XDG_STATE_HOME` nor `HOME` is set")]
    NoStateFolder,
}

/// Where the API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointChoice {
    /// At this address, which includes `/api/v1` and ends without a slash.
    Url(String),
    /// In this process.
    Sandbox,
}

impl EndpointChoice {
    /// From the flag, else the official client's variable, else the platform's.
    pub fn choose(flag: Option<&str>, environment: &Environment) -> Result<Self, SettingsError> {
        let text = flag
            .or_else(|| environment.text("REDIVIS_API_ENDPOINT"))
            .unwrap_or(DEFAULT_ENDPOINT)
            .trim();
        if text == "sandbox" {
            return Ok(Self::Sandbox);
        }
        // Whoever parses an address later gets what was checked here.
        let endpoint: Endpoint = text.parse().map_err(SettingsError::Endpoint)?;
        Ok(Self::Url(endpoint.as_str().to_owned()))
    }

    /// What keys the state: the address, or `sandbox` whatever its port is.
    pub fn key(&self) -> &str {
        match self {
            Self::Url(url) => url,
            Self::Sandbox => "sandbox",
        }
    }
}

/// How to reach the API, and as whom.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Where.
    pub endpoint: EndpointChoice,
    /// How large files are sent.
    pub protocol: Protocol,
    /// As whom.
    pub token: TokenSource,
    /// Certificates to trust too (PEM).
    pub ca_cert: Option<PathBuf>,
    /// Through whom.
    pub proxies: Proxies,
    /// How long a connection may be silent.
    pub timeout: Duration,
    retry_scale: Option<f64>,
}

impl Connection {
    /// From flags and environment.
    pub fn of(args: &ConnectionArgs, environment: &Environment) -> Result<Self, SettingsError> {
        Ok(Self {
            endpoint: EndpointChoice::choose(args.endpoint.as_deref(), environment)?,
            protocol: args.protocol,
            token: token_source(args, environment),
            ca_cert: args.ca_cert.clone(),
            proxies: Proxies::of(environment),
            timeout: args.timeout,
            retry_scale: args.retry_scale,
        })
    }

    /// What every wait between repeats is multiplied with: by default 1, and
    /// little for the sandbox in this process, which recovers when it is told to.
    pub fn retry_scale(&self) -> f64 {
        self.retry_scale.unwrap_or(match self.endpoint {
            EndpointChoice::Url(_) => 1.0,
            EndpointChoice::Sandbox => 0.05,
        })
    }
}

/// The texts of the usual variables, lower case first, as `curl` has it; what
/// they mean is the client's business. An address may hold a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// `https_proxy`.
    pub https: Option<String>,
    /// `all_proxy`.
    pub all: Option<String>,
    /// `no_proxy`.
    pub no: Option<String>,
}

impl Proxies {
    /// From the environment.
    pub fn of(environment: &Environment) -> Self {
        let either = |lower: &str, upper: &str| {
            let found = environment.text(lower).or_else(|| environment.text(upper));
            found.map(str::to_owned)
        };
        Self {
            https: either("https_proxy", "HTTPS_PROXY"),
            all: either("all_proxy", "ALL_PROXY"),
            no: either("no_proxy", "NO_PROXY"),
        }
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("https", &self.https.is_some())
            .field("all", &self.all.is_some())
            .field("no", &self.no)
            .finish()
    }
}

fn token_source(args: &ConnectionArgs, environment: &Environment) -> TokenSource {
    let file = args.token_file.clone().map(TokenSource::File);
    let command = args.token_command.clone().map(TokenSource::Command);
    let fixed = environment
        .text("REDIVIS_API_TOKEN")
        .map(|token| TokenSource::Fixed(Secret::new(token.trim())));
    command.or(file).or(fixed).unwrap_or(TokenSource::Missing)
}

/// How to transfer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    /// Transfers at once.
    pub transfers: usize,
    /// Of one chunk of a resumable upload.
    pub chunk_size: ByteCount,
    /// For payloads.
    pub max_memory: ByteCount,
    /// Bytes per second.
    pub bwlimit: Option<ByteCount>,
    /// API calls per second.
    pub tpslimit: Option<f64>,
    /// By what files are compared.
    pub compare: Compare,
    /// When to stop, from the start.
    pub deadline: Option<Duration>,
}

impl Transfer {
    /// From flags.
    pub fn of(args: &TransferArgs) -> Self {
        Self {
            transfers: args.transfers.get(),
            chunk_size: args.chunk_size.get(),
            max_memory: args.max_memory,
            bwlimit: args.bwlimit,
            tpslimit: args.tpslimit,
            compare: args.compare,
            deadline: args.deadline,
        }
    }
}

/// Where state is kept: `--state-dir`, else `$XDG_STATE_HOME/redivis-ingest`,
/// else `~/.local/state/redivis-ingest`.
pub fn state_location(
    args: &StateArgs,
    environment: &Environment,
) -> Result<StateLocation, SettingsError> {
    match &args.state_dir {
        Some(StateDir::None) => return Ok(StateLocation::Memory),
        Some(StateDir::Folder(folder)) => return Ok(StateLocation::Folder(folder.clone())),
        None => {}
    }
    // The XDG specification: a relative path is to be ignored.
    let absolute = |name| {
        environment
            .var(name)
            .map(Path::new)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_STATE_HOME")
        .map(Path::to_path_buf)
        .or_else(|| Some(absolute("HOME")?.join(".local/state")));
    base.map(|base| StateLocation::Folder(base.join("redivis-ingest")))
        .ok_or(SettingsError::NoStateFolder)
}

/// What the state of this manifest is kept under.
pub fn state_key(
    manifest: &ManifestName,
    endpoint: &EndpointChoice,
    datasets: &[&DatasetRef],
    shard: Option<Shard>,
    instance: Option<&str>,
) -> StateKey {
    StateKey {
        manifest: manifest.clone(),
        endpoint: endpoint.key().to_owned(),
        datasets: datasets.iter().map(ToString::to_string).collect(),
        shard: shard.map(|shard| (shard.index, shard.count)),
        instance: instance.map(str::to_owned),
    }
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressStyle {
    /// Bars on a terminal.
    Bars,
    /// One line each 30 seconds.
    Lines,
    /// Not at all.
    Off,
}

/// What goes to stderr, and in which dress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Messages {
    /// Log from this level on.
    pub level: LogLevel,
    /// The form of log lines.
    pub format: LogFormat,
    /// Whether stdout takes colour.
    pub stdout_colour: bool,
    /// Whether stderr takes colour.
    pub stderr_colour: bool,
    /// Whether only errors are wanted.
    pub is_quiet: bool,
}

impl Messages {
    /// From flags and environment.
    pub fn of(args: &LogArgs, environment: &Environment) -> Self {
        let level = args.log_level.unwrap_or(match (args.quiet, args.verbose) {
            (true, _) => LogLevel::Error,
            (false, 0) => LogLevel::Warn,
            (false, 1) => LogLevel::Info,
            (false, 2) => LogLevel::Debug,
            (false, _) => LogLevel::Trace,
        });
        Self {
            level,
            format: args.log_format,
            stdout_colour: takes_colour(args.color, environment.stdout_is_terminal(), environment),
            stderr_colour: takes_colour(args.color, environment.stderr_is_terminal(), environment),
            is_quiet: args.quiet,
        }
    }

    /// What `--progress` comes to.
    pub fn progress(&self, choice: ProgressChoice, environment: &Environment) -> ProgressStyle {
        let moves = environment.stderr_is_terminal() && environment.text("TERM") != Some("dumb");
        match choice {
            ProgressChoice::Tty => ProgressStyle::Bars,
            ProgressChoice::None => ProgressStyle::Off,
            ProgressChoice::Auto if self.is_quiet => ProgressStyle::Off,
            ProgressChoice::Auto if moves => ProgressStyle::Bars,
            ProgressChoice::Plain | ProgressChoice::Auto => ProgressStyle::Lines,
        }
    }
}

/// The conventions of no-color.org and bixense.com/clicolors.
fn takes_colour(choice: ColorChoice, is_terminal: bool, environment: &Environment) -> bool {
    let forced = environment
        .text("CLICOLOR_FORCE")
        .is_some_and(|value| value != "0");
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if environment.var("NO_COLOR").is_some() => false,
        ColorChoice::Auto if forced => true,
        ColorChoice::Auto => {
            is_terminal
                && environment.text("TERM") != Some("dumb")
                && environment.text("CLICOLOR") != Some("0")
        }
    }
}
