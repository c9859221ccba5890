//! The command line: what was typed, what it means, which command does it, and
//! how the process ends. The only layer that knows all others.

use std::process;

pub mod args;
pub mod commands;
pub mod exit;
pub mod proxy;
pub mod settings;
pub mod token;

/// Runs the command line and answers the exit code.
pub fn main() -> process::ExitCode {
    process::ExitCode::SUCCESS
}
