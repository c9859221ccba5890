//! The manifest: YAML text to a checked [`Manifest`], or every problem at once.
//!
//! [`load()`] reads a file, `tree/` turns it into nodes with their places,
//! `keys/` says which keys there are, `check/` turns nodes into the
//! [model](Manifest) and collects [`Problem`]s, `render.rs` shows them.

mod check;
mod expand;
mod keys;
mod limits;
mod load;
mod metadata;
mod model;
mod problem;
mod read;
mod reference;
mod render;
mod schema;
mod secrets;
mod settings;
mod tree;
mod words;

pub use expand::Environment;
pub use load::{LoadError, load, load_from, load_in, load_text};
pub use model::*;
pub use problem::{ManifestError, Problem, ProblemCode, SourceText};
pub use read::kernel_files;
pub use reference::{key_sections, key_table};
pub use schema::json_schema;
pub use settings::read_settings;

#[cfg(test)]
mod tests;
