//! Whole sources, from a file to encoded rows. The cases that concern one module
//! only stand beside it.

mod csv;
mod json;
mod replay;
pub(super) mod support;
