//! Flags that several commands share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args};

use super::values::{
    self, ChunkSize, ColorChoice, Compare, Format, LogFormat, LogLevel, ProgressChoice, Protocol,
    Shard, StateDir, TransferCount,
};
use crate::base::ByteCount;

/// Which manifest.
#[derive(Debug, Clone, Args)]
pub struct ManifestArgs {
    /// The manifest (YAML); `-` reads it from stdin
    #[arg(value_name = "MANIFEST")]
    pub manifest: PathBuf,
    /// The folder that relative paths start from; by default the manifest's
    #[arg(long, value_name = "DIR", required_if_eq("manifest", "-"))]
    pub root: Option<PathBuf>,
}

/// Which jobs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectArgs {
    /// Only this job; can be repeated
    #[arg(long, value_name = "JOB", value_delimiter = ',')]
    pub select: Vec<String>,
    /// Only jobs with this tag; can be repeated
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub tag: Vec<String>,
    /// Only part I of N of the work, counted from 0
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

/// What a run writes to files.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Write the full report there too: a page if the name ends in `.html`, else JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// Write the one-line JSON summary there
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub summary: Option<PathBuf>,
    /// Write metrics there, for node-exporter's textfile collector
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub metrics: Option<PathBuf>,
    /// Send `OpenLineage` events there: an address, or a file to append them to
    #[arg(long, value_name = "URL|FILE", help_heading = "Output")]
    pub lineage: Option<String>,
}

impl ReportArgs {
    /// The files that are asked for, each with its flag; `--lineage` is another matter.
    pub fn paths(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let all = [
            ("--report", &self.report),
            ("--summary", &self.summary),
            ("--metrics", &self.metrics),
        ];
        all.into_iter()
            .filter_map(|(flag, path)| Some((flag, path.as_deref()?)))
    }

    /// The file that lineage is appended to.
    pub fn lineage_file(&self) -> Option<&Path> {
        let lineage = self.lineage.as_deref()?;
        (!lineage.contains("://")).then(|| Path::new(lineage))
    }
}

/// What goes to stdout.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// The form of the result on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value_t = ProgressChoice::Auto)]
    pub progress: ProgressChoice,
}

/// What else goes to stderr. Global: before or after the command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Messages")]
pub struct LogArgs {
    /// Only errors on stderr, no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More on stderr; twice for still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log from this level on; stronger than -q and -v
    #[arg(long, global = true, value_enum, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// The form of log lines
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Whether to use colour
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// How to transfer.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Transfer")]
pub struct TransferArgs {
    /// How many transfers go on at once
    #[arg(short = 'j', long, value_name = "N", default_value = "16")]
    pub transfers: TransferCount,
    /// The size of one chunk of a resumable upload; a multiple of 256 KiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    pub chunk_size: ChunkSize,
    /// Memory for payloads of rows, whatever --transfers is
    #[arg(long, value_name = "SIZE", default_value = "128MiB")]
    pub max_memory: ByteCount,
    /// At most so many bytes per second, all transfers together
    #[arg(long, value_name = "SIZE", value_parser = values::bandwidth)]
    pub bwlimit: Option<ByteCount>,
    /// At most so many API calls per second
    #[arg(long, value_name = "N", value_parser = values::rate)]
    pub tpslimit: Option<f64>,
    /// By what a remote file is the same as a local one
    #[arg(long, value_enum, default_value_t = Compare::Md5)]
    pub compare: Compare,
    /// Stop cleanly after this time, resumable, with exit code 75
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    pub deadline: Option<Duration>,
}

/// Where to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// The API's address, or `sandbox` for the built-in emulator [default: `redivis.com`'s]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// How large files are sent
    #[arg(long, value_enum, default_value_t = Protocol::Temp)]
    pub protocol: Protocol,
    /// Read the token from this file; again when it is refused
    #[arg(long, value_name = "FILE", conflicts_with = "token_command")]
    pub token_file: Option<PathBuf>,
    /// Read the token from this command's output; again when it is refused
    #[arg(long, value_name = "COMMAND")]
    pub token_command: Option<String>,
    /// Trust the certificates in this file (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// Multiply the waits between repeats of a request with this [default: 1]
    #[arg(long, value_name = "N", value_parser = values::factor, hide_short_help = true)]
    pub retry_scale: Option<f64>,
    /// Give up a connection that is silent for so long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::positive_duration)]
    pub timeout: Duration,
}

/// Where state is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State")]
pub struct StateArgs {
    /// The state folder, or `none` to keep nothing [default: `$XDG_STATE_HOME/redivis-ingest`]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<StateDir>,
    /// Keeps the state of equal manifests apart
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
}

/// How a command gets at the remote, and where the state of it is.
#[derive(Debug, Clone, Args)]
pub struct RemoteArgs {
    /// How to transfer.
    #[command(flatten)]
    pub transfer: TransferArgs,
    /// Where to.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Where state is.
    #[command(flatten)]
    pub state: StateArgs,
}
