//! The protocol client.

mod model;

pub use model::*;
