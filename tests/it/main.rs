//! The integration tests: one binary, so that it links once. Modules only.

mod check;
mod harness;
mod manifest_docs;
