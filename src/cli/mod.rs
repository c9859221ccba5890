//! The command line: what was typed, what it means, which command does it, and
//! how the process ends. The only layer that knows all others.
//!
//! Start with [`args`], then [`commands`]. Everything that concerns the whole
//! process is here too: signals, the log, the exit code.

use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;

pub mod args;
pub mod combined;
pub mod commands;
pub mod context;
pub mod executing;
pub mod exit;
pub mod failure;
mod failures;
pub mod files;
#[cfg(feature = "sandbox")]
mod in_process;
pub mod lineage;
pub mod locking;
pub mod logging;
pub mod output;
pub mod page;
pub mod planning;
pub mod problems;
pub mod receipts;
pub mod rejects;
pub mod reporting;
pub mod settings;
pub mod signals;
pub mod token;
pub mod told;
pub mod verdict;
pub mod verifying;
pub mod warnings;
pub mod workplace;

use args::{Format, Parsed};
use context::Context;
use exit::ExitCode;
use failure::Failure;
use logging::RunInLog;
use output::Output;
use settings::{Environment, Messages};

use crate::report::log_screen;

/// Runs the process's command line and answers its exit code.
pub fn main() -> process::ExitCode {
    if let Err(error) = signals::survive_questions() {
        say(&format!("note: cannot watch for SIGUSR1: {error}\n"));
    }
    let environment = Environment::capture();
    // A panic is a bug, and a bug is 1; its text is on stderr already.
    let ended = catch_unwind(AssertUnwindSafe(|| run(Environment::args(), &environment)));
    ended.unwrap_or(ExitCode::Failed).into()
}

/// Runs a command line; the first argument is the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let cli = match args::parse(args, environment) {
        Parsed::Run(cli) => *cli,
        Parsed::Shown(text) => {
            print(&text);
            return ExitCode::Done;
        }
        Parsed::Wrong(text) => {
            print(&text);
            for name in args::twins_behind(&text, environment) {
                say(&format!("note: `{name}` is set in the environment\n"));
            }
            return ExitCode::Usage;
        }
    };
    let messages = Messages::of(&cli.log, environment);
    let screen = log_screen();
    let run = RunInLog::default();
    logging::init(&messages, &screen, &run);
    let context = Context::new(environment, messages, screen, run);
    let format = cli.command.format();
    match commands::dispatch(cli, &context) {
        Ok(code) => code,
        Err(failure) => end_with(
            &failure.stopped_by(context.cancel.reason()),
            format,
            &context,
        ),
    }
}

/// Tells a failure: to people on stderr, then to scripts as the last line of
/// stdout.
fn end_with(failure: &Failure, format: Format, context: &Context<'_>) -> ExitCode {
    let style = context.stderr_style();
    say(&failure.render(style.colour, style.width));
    match format {
        Format::Text => {}
        Format::Json | Format::Ndjson => {
            if let Err(unwritten) = Output::stdout().line(&failure.line()) {
                tracing::debug!(error = unwritten.one_line(), "cannot tell the failure");
            }
        }
    }
    failure.exit
}

/// Prints what `clap` says, to the stream that it chooses. Nobody reading it is
/// no reason to end otherwise.
fn print(text: &clap::Error) {
    if let Err(error) = text.print() {
        tracing::debug!(%error, "cannot print");
    }
}

/// Writes to stderr; where that is closed there is nobody to tell.
pub(crate) fn say(text: &str) {
    if let Err(error) = std::io::stderr().write_all(text.as_bytes()) {
        tracing::debug!(%error, "cannot write to stderr");
    }
}
