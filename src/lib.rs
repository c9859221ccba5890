//! A declarative batch ingestion job runner for Redivis.
//!
//! Reading order: [`manifest`] (what a user writes), [`source`] (what is on
//! disk), [`plan`] (what would change), [`exec`] (doing it), [`report`] (saying
//! it), [`cli`] (the only layer that knows the others). [`redivis`] speaks the
//! protocol, [`state`] remembers, [`sandbox`] is the local emulator.
//!
//! Layers import downwards only; `tests/it/architecture` holds the table.

#![forbid(unsafe_code)]

pub mod base;
pub mod cli;
pub mod event;
pub mod exec;
pub mod manifest;
pub mod plan;
#[cfg(feature = "sandbox")]
pub mod proof;
pub mod redivis;
pub mod report;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod source;
pub mod state;
