//! Flags of the commands that look after what runs have left.

use clap::Args;

use super::groups::{ManifestArgs, OutputArgs, StateArgs};
use super::values::{self, Shard, StateDir};

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Which manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// List the files that this state has seen delivered and verified, and that did not change since
    #[arg(long)]
    pub verified: bool,
    /// End each path with a zero byte, for `xargs -0`
    #[arg(short = '0', long = "null", requires = "verified")]
    pub null: bool,
    /// Show so many runs
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
    /// Which part of the work the state is for: I of N, counted from 0
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// What goes to stdout.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which endpoint the state is for: an address, or `sandbox`
    #[arg(long, value_name = "URL", help_heading = "Connection")]
    pub endpoint: Option<String>,
    /// Where state is.
    #[command(flatten)]
    pub state: StateArgs,
}

/// `clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// Only show what would be removed
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Remove what was not used for so long, as in `90d` or `12h`
    #[arg(long, value_name = "AGE", default_value = "90d", value_parser = values::age)]
    pub older_than: std::time::Duration,
    /// The state folder [default: `$XDG_STATE_HOME/redivis-ingest`]
    #[arg(long, value_name = "DIR", help_heading = "State")]
    pub state_dir: Option<StateDir>,
    /// What goes to stdout.
    #[command(flatten)]
    pub output: OutputArgs,
}
