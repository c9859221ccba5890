//! The manifest: YAML text to a checked [`Manifest`], or every problem at once.

mod model;

pub use model::*;
