//! What the benchmarks need of the library and the program does not offer: rows
//! encoded and dropped, files put without an API, a sandbox that keeps nothing.
//! Built and driven by `tests/bench/run`.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool of the benchmarks: what fails ends it"
)]

mod encode;
mod hash;
mod put;
mod serve;

use std::process::ExitCode;

const USAGE: &str = "tool encode MANIFEST THREADS [OUT] | tool put URL LIST THREADS SUMS | \
                     tool md5 PATH | tool serve DATA LATENCY_MS keep|count DATASET";

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = given.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["encode", manifest, threads] => encode::run(manifest, threads.parse().unwrap(), None),
        ["encode", manifest, threads, out] => {
            encode::run(manifest, threads.parse().unwrap(), Some(out));
        }
        ["put", url, list, threads, sums] => put::run(url, list, threads.parse().unwrap(), sums),
        ["md5", path] => hash::run(path),
        ["serve", data, latency, rows, dataset] => {
            serve::run(data, latency.parse().unwrap(), *rows == "count", dataset);
        }
        // `cargo bench` calls every bench target.
        [] | ["--bench" | "--test", ..] => {}
        _ => {
            println!("usage: {USAGE}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
