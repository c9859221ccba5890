//! The integration tests: one binary, so that it links once. Modules only.

#[cfg(test)]
mod check;
mod harness;
#[cfg(test)]
mod manifest_docs;
