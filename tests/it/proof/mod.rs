//! Proof by random trials that nothing arrives twice and nothing is lost.
//!
//! Each trial makes its own sources from a seed, lets the program bring them to a
//! sandbox that misbehaves, and holds the sandbox against the trial's own plain
//! model: the bytes and rows that it wrote itself. The program's encoder has no
//! part in what is expected.

mod dice;
mod goods;
mod judge;
mod report;
mod soak;
mod stage;
mod two_writers;
mod work;

pub(crate) use dice::Dice;
pub(crate) use goods::{Form, Row, row_file};
pub(crate) use judge::{adds_nothing, flush_late_effects, is_settled, json_rows};
pub(crate) use report::{Failures, workers};
pub(crate) use stage::{Ended, Kill, Running, Stage, Worlds};
pub(crate) use work::Work;
