//! Reading the command line, with `REDIVIS_INGEST_<FLAG>` as each setting's
//! twin. A twin is weaker than the flag and stronger than the default.
//!
//! The twins are not `clap`'s own: those read the process's environment behind
//! our back, and take an empty variable for a value.

use std::ffi::OsString;

use clap::builder::OsStr;
use clap::{Arg, ArgAction, CommandFactory as _, FromArgMatches as _};

use super::super::settings::Environment;
use super::Cli;

const PREFIX: &str = "REDIVIS_INGEST_";

/// Flags that change what a run means: never from the environment.
const WITHOUT_TWIN: [&str; 14] = [
    "combined",
    "detailed-exitcode",
    "dry-run",
    "help",
    "kill",
    "no-change-exit-code",
    "notes",
    "null",
    "out",
    "plan",
    "program",
    "receipts",
    "verified",
    "version",
];

/// What came of reading the command line.
#[derive(Debug)]
pub enum Parsed {
    /// A command.
    Run(Box<Cli>),
    /// Help or the version was asked for; this is it.
    Shown(clap::Error),
    /// The command line is wrong; this says how.
    Wrong(clap::Error),
}

/// Reads the command line; the first argument is the program's name.
pub fn parse(args: impl IntoIterator<Item = OsString>, environment: &Environment) -> Parsed {
    let twin = |arg: Arg| with_twin(arg, environment);
    let mut command = Cli::command().mut_args(twin);
    command = command.mut_subcommands(|sub| sub.mut_args(twin));
    let read = command
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match read {
        Ok(cli) => Parsed::Run(Box::new(cli)),
        Err(error) if error.use_stderr() => Parsed::Wrong(error),
        Err(error) => Parsed::Shown(error),
    }
}

/// The variables that are set for flags that an error speaks of: it may be they
/// that are wrong.
pub fn twins_behind(error: &clap::Error, environment: &Environment) -> Vec<String> {
    let text = error.to_string();
    let command = Cli::command();
    let all = command.get_subcommands().chain([&command]);
    let mut names: Vec<String> = all
        .flat_map(clap::Command::get_arguments)
        .filter(|arg| {
            arg.get_long()
                .is_some_and(|long| text.contains(&format!("--{long}")))
        })
        .filter_map(twin_of)
        .filter(|name| environment.var(name).is_some())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The name of a flag's twin; `None`: it has none.
pub(super) fn twin_of(arg: &Arg) -> Option<String> {
    let long = arg.get_long().filter(|long| !WITHOUT_TWIN.contains(long))?;
    Some(format!(
        "{PREFIX}{}",
        long.replace('-', "_").to_ascii_uppercase()
    ))
}

fn with_twin(arg: Arg, environment: &Environment) -> Arg {
    let Some(value) = twin_of(&arg).and_then(|name| environment.var(&name)) else {
        return arg;
    };
    let value = if matches!(arg.get_action(), ArgAction::SetTrue) {
        as_bool(value)
    } else {
        value.to_owned()
    };
    arg.default_value(OsStr::from(value))
}

/// The words that people write for yes and no; others are left for `clap` to
/// refuse.
fn as_bool(value: &std::ffi::OsStr) -> OsString {
    let word = value.to_string_lossy().to_ascii_lowercase();
    match word.as_str() {
        "1" | "yes" | "on" | "y" => "true".into(),
        "0" | "no" | "off" | "n" => "false".into(),
        _ => word.into(),
    }
}
