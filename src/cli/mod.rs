//! cli: see docs/architecture.md.

use std::process::ExitCode;

/// Runs the command line and answers the exit code.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
