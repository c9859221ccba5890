//! What was typed: the commands and their flags, as `clap` reads them. What it
//! means is decided in `settings.rs`.
//!
//! A command that is not built yet has no variant: it is not advertised.

mod groups;
mod twins;
mod upkeep;
mod values;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, Parser, Subcommand};

pub use groups::{
    ConnectionArgs, LogArgs, ManifestArgs, OutputArgs, RemoteArgs, ReportArgs, SelectArgs,
    StateArgs, TransferArgs,
};
pub use twins::{Parsed, parse, twins_behind};
pub use upkeep::{CleanArgs, StatusArgs};
pub use values::{
    ChunkSize, ColorChoice, Compare, Format, LogFormat, LogLevel, ProgressChoice, Protocol,
    ReadBack, Shard, ShellChoice, StateDir, TransferCount,
};

#[cfg(feature = "sandbox")]
pub use values::Character;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Declarative batch ingestion for Redivis: plan, run, verify
///
/// A manifest lists files, rows and tables. `plan` shows what would change, `run`
/// does it and verifies it, and running again finds nothing to do.
#[derive(Debug, Parser)]
#[command(
    name = "redivis-ingest",
    version,
    styles = STYLES,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Start with:\n  redivis-ingest check manifest.yaml\n  redivis-ingest plan manifest.yaml\n  redivis-ingest run manifest.yaml",
    after_long_help = "Start with:\n  redivis-ingest check manifest.yaml\n  redivis-ingest plan manifest.yaml\n  redivis-ingest run manifest.yaml\n\n\
Environment:\n  REDIVIS_API_TOKEN     the token, as for the official client\n  REDIVIS_API_ENDPOINT  the API's address, as for the official client\n  REDIVIS_INGEST_<FLAG> any setting, as in REDIVIS_INGEST_TRANSFERS=8 for --transfers 8;\n                        flags that change what a run means have none"
)]
pub struct Cli {
    /// What to write to stderr.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Draft a manifest from what a folder holds
    #[command(
        after_help = "Examples:\n  redivis-ingest init data/ > manifest.yaml\n  redivis-ingest init data/ --dataset demo.survey -o manifest.yaml"
    )]
    Init(InitArgs),
    /// Check everything that can be known without the network
    #[command(after_help = "Example:\n  redivis-ingest check manifest.yaml")]
    Check(CheckArgs),
    /// Show what a run would change; nothing is written
    #[command(
        after_help = "Examples:\n  redivis-ingest plan manifest.yaml\n  redivis-ingest plan manifest.yaml -o plan.ndjson --detailed-exitcode"
    )]
    Plan(Box<PlanArgs>),
    /// Check that a run would get as far as its work: token, endpoint, datasets, clock
    #[command(after_help = "Example:\n  redivis-ingest doctor manifest.yaml")]
    Doctor(Box<DoctorArgs>),
    /// Show every decision about one file or row source
    #[command(
        after_help = "Examples:\n  redivis-ingest explain manifest.yaml data/2024.csv\n  redivis-ingest explain manifest.yaml scans/001.tif --format json"
    )]
    Explain(Box<ExplainArgs>),
    /// Make the remote match the manifest, and verify it
    #[command(
        after_help = "Examples:\n  redivis-ingest run manifest.yaml\n  redivis-ingest run manifest.yaml --plan plan.ndjson\n  redivis-ingest run manifest.yaml --endpoint sandbox"
    )]
    Run(Box<RunArgs>),
    /// Compare the remote with the sources, reading every byte; nothing is written
    #[command(
        after_help = "Examples:\n  redivis-ingest verify manifest.yaml\n  redivis-ingest verify manifest.yaml --read-back all\n  redivis-ingest verify manifest.yaml --receipts receipts/"
    )]
    Verify(Box<VerifyArgs>),
    /// Verify every job, then release the dataset
    #[command(
        after_help = "Example:\n  redivis-ingest release manifest.yaml --notes 'March, corrected'"
    )]
    Release(Box<ReleaseArgs>),
    /// Show past runs and what can be continued
    #[command(after_help = "Example:\n  redivis-ingest status manifest.yaml")]
    Status(StatusArgs),
    /// Remove state that is of no more use
    #[command(
        after_help = "Examples:\n  redivis-ingest clean --dry-run\n  redivis-ingest clean --older-than 30d"
    )]
    Clean(CleanArgs),
    /// Serve a local emulator of the platform
    #[cfg(feature = "sandbox")]
    #[command(
        after_help = "Example:\n  redivis-ingest sandbox --port 8088 --dataset demo.survey\n  REDIVIS_API_ENDPOINT=http://127.0.0.1:8088/api/v1 redivis-ingest run manifest.yaml"
    )]
    Sandbox(SandboxArgs),
    /// Run a manifest against a misbehaving sandbox, and prove what came of it
    #[cfg(feature = "sandbox")]
    #[command(
        after_help = "Examples:\n  redivis-ingest rehearse manifest.yaml\n  redivis-ingest rehearse manifest.yaml --kill --seed 7"
    )]
    Rehearse(Box<RehearseArgs>),
    /// Print the manifest's JSON Schema
    #[command(after_help = "Example:\n  redivis-ingest schema > redivis-ingest.schema.json")]
    Schema,
    /// Print a shell's completions, or the manual page
    #[command(
        after_help = "Examples:\n  redivis-ingest completions bash > ~/.local/share/bash-completion/completions/redivis-ingest\n  redivis-ingest completions man | man -l -"
    )]
    Completions(CompletionsArgs),
}

impl Command {
    /// The form of the result on stdout.
    pub fn format(&self) -> Format {
        match self {
            Self::Check(args) => args.output.format,
            Self::Plan(args) => args.output.format,
            Self::Doctor(args) => args.output.format,
            Self::Explain(args) => args.output.format,
            Self::Run(args) => args.output.format,
            Self::Verify(args) => args.output.format,
            Self::Release(args) => args.output.format,
            Self::Status(args) => args.output.format,
            Self::Clean(args) => args.output.format,
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => Format::Text,
            #[cfg(feature = "sandbox")]
            Self::Rehearse(args) => args.output.format,
            Self::Init(_) | Self::Schema | Self::Completions(_) => Format::Text,
        }
    }
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Which manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// What goes to stdout.
    #[command(flatten)]
    pub output: OutputArgs,
    /// The memory that payloads must fit in
    #[arg(long, value_name = "SIZE", default_value = "128MiB")]
    pub max_memory: crate::base::ByteCount,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Which manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Save the plan, for `run --plan`
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Hash new files too, so that the plan holds their digests
    #[arg(long)]
    pub hash: bool,
    /// List unchanged items too
    #[arg(long)]
    pub all: bool,
    /// Write a line for each item there: `=` same, `+` only here, `-` only on the remote, `*` differs, `!` error
    #[arg(long, value_name = "FILE|-")]
    pub combined: Option<PathBuf>,
    /// Which jobs.
    #[command(flatten)]
    pub select: SelectArgs,
    /// What goes to stdout.
    #[command(flatten)]
    pub output: OutputArgs,
    /// The remote and its state.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Which manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// What goes to stdout.
    #[command(flatten)]
    pub output: OutputArgs,
    /// The remote and its state.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder to look into
    pub folder: PathBuf,
    /// The dataset, `owner.dataset`
    #[arg(long, value_name = "DATASET")]
    pub dataset: Option<String>,
    /// Write the manifest there, and its JSON Schema beside it; the file must not exist yet
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Which manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// A file or row source, or the name of a file or an upload on the remote
    pub path: PathBuf,
    /// What goes to stdout.
    #[command(flatten)]
    pub output: OutputArgs,
    /// The remote and its state.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Only show what would change, as `plan` does
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Do what this saved plan says; items that drifted since are refused
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Stop at the first item that fails for good
    #[arg(long)]
    pub fail_fast: bool,
    /// Wait this long for another run of the same manifest to end
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    pub lock_timeout: std::time::Duration,
    /// Exit with 99 instead of 0 when there was nothing to do
    #[arg(long, value_name = "99", value_parser = clap::value_parser!(u8).range(99..=99))]
    pub no_change_exit_code: Option<u8>,
    /// Which jobs.
    #[command(flatten)]
    pub select: SelectArgs,
    /// What goes to stdout.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What is written to files.
    #[command(flatten)]
    pub report: ReportArgs,
    /// Keep receipts of all that is delivered in this folder
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub receipts: Option<PathBuf>,
    /// The remote and its state.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Which manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Which stored files to download and hash
    #[arg(long, value_enum, default_value_t = ReadBack::Needed, value_name = "WHICH")]
    pub read_back: ReadBack,
    /// Compare with the receipts in this folder instead of the sources
    #[arg(long, value_name = "DIR")]
    pub receipts: Option<PathBuf>,
    /// Keep receipts of all that matches in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "receipts")]
    pub write_receipts: Option<PathBuf>,
    /// List what matches too
    #[arg(long)]
    pub all: bool,
    /// Write a line for each item there: `=` same, `+` only here, `-` only on the remote, `*` differs, `!` error
    #[arg(long, value_name = "FILE|-")]
    pub combined: Option<PathBuf>,
    /// Which jobs.
    #[command(flatten)]
    pub select: SelectArgs,
    /// What goes to stdout.
    #[command(flatten)]
    pub output: OutputArgs,
    /// The remote and its state.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// `release`.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// Which manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Release notes, instead of the manifest's
    #[arg(long, value_name = "TEXT")]
    pub notes: Option<String>,
    /// Wait this long for another run of the same manifest to end
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    pub lock_timeout: std::time::Duration,
    /// What goes to stdout.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What is written to files.
    #[command(flatten)]
    pub report: ReportArgs,
    /// The remote and its state.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// `sandbox`.
#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Keep everything in this folder, for the next time; else in a temporary one
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The API's port on 127.0.0.1; 0: any
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// The storage's port; 0: any
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub storage_port: u16,
    /// How it answers where the platform's documentation is silent
    #[arg(long, value_enum, default_value_t = Character::Friendly)]
    pub character: Character,
    /// Misbehave as this script (YAML) says
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Start with the datasets of this file (YAML)
    #[arg(long, value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// Start with an empty dataset `owner.name`; can be repeated
    #[arg(long, value_name = "DATASET", value_delimiter = ',')]
    pub dataset: Vec<crate::base::DatasetRef>,
}

/// `rehearse`.
#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub struct RehearseArgs {
    /// Which manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// How the sandbox answers where the platform's documentation is silent
    #[arg(long, value_enum, default_value_t = Character::Worst)]
    pub character: Character,
    /// Misbehave as this script (YAML) says, instead of at random
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// What chance is made from; by default another one each time, which is shown
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Kill runs with SIGKILL at random requests, and delete the state now and then
    #[arg(long)]
    pub kill: bool,
    /// Rehearse this program instead of this one.
    #[arg(long, value_name = "FILE", hide = true)]
    pub program: Option<PathBuf>,
    /// How large files are sent
    #[arg(long, value_enum, default_value_t = Protocol::Temp)]
    pub protocol: Protocol,
    /// What goes to stdout.
    #[command(flatten)]
    pub output: OutputArgs,
    /// How to transfer.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell, or `man`
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: ShellChoice,
}
