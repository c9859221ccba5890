//! What the scripts under `tests/scripts` tell the tests: how much, from which
//! seed, with which program.

use std::fmt::Debug;
use std::path::PathBuf;
use std::str::FromStr;

/// `REDIVIS_INGEST_TEST_<NAME>`, when the script has set it.
#[expect(
    clippy::disallowed_methods,
    reason = "a script has no other way to reach a test"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(format!("REDIVIS_INGEST_TEST_{name}")).ok()
}

/// A number that a script may set, such as how many jobs a soak has.
pub(crate) fn setting<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    variable(name).map_or(default, |text| text.parse().unwrap())
}

/// The program: cargo's own build, or another one that is to be judged.
pub(crate) fn program() -> PathBuf {
    setting("BINARY", env!("CARGO_BIN_EXE_redivis-ingest").into())
}
