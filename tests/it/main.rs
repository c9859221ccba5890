//! The integration tests: one binary, so that it links once. Modules only.

mod harness;
mod protocol;
