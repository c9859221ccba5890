//! The process: signal handling, the tracing subscriber and the exit code.
//! Everything else is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    redivis_ingest::cli::main()
}
