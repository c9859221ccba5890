//! Whole sources, from a file to encoded rows. The cases that concern one module
//! only stand beside it.

mod csv;
mod json;
mod json_suite;
mod replay;
mod spectrum;
pub(super) mod support;
