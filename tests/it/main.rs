//! The integration tests: one binary, so that it links once. Modules only.

mod architecture;
mod harness;
