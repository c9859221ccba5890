//! What the tests share: a [`World`] (a folder, a sandbox, the program), the
//! [`Outcome`] of a command, and the two characters that each test runs under.
//!
//! Everything is real: the program is a subprocess with a cleared environment,
//! the sandbox is a server on a socket in this process, so that a test can
//! script faults, freeze requests and look inside.

#![expect(
    clippy::multiple_inherent_impl,
    reason = "a world has one impl for each subject, beside what it is about"
)]

mod files;
mod outcome;
mod process;
mod raw;
mod relay;
mod setting;
mod world;

pub(crate) use files::{ALL_KINDS, PATIENCE, SCANS, has_one_draft, item, kill, noise};
pub(crate) use outcome::Outcome;
pub(crate) use process::{Measured, assert_quick, end_of, measured, signal, wait_for_line};
pub(crate) use relay::{Asked, Door, Reaction, Relay};
pub(crate) use setting::{program, setting};
pub(crate) use world::{DATASET, TOKEN, World};

use redivis_ingest::sandbox::Character;

/// Runs a test under both characters, so that no test rests on a convenient
/// answer to a question that the platform leaves open.
pub(crate) fn under_both(test: impl Fn(World)) {
    for character in [Character::Friendly, Character::Worst] {
        eprintln!("under {character:?}");
        test(World::new(character));
    }
}
