//! What shall go wrong: a script of faults, written or random, and whether runs
//! are killed.

use serde::Serialize;

use super::super::sandbox::{character, read};
use crate::cli::args::RehearseArgs;
use crate::cli::failure::Failure;
use crate::cli::settings::Environment;
use crate::sandbox::{Character, FaultScript, Hardness, Schedule};

/// How many faults a random script has, and among how many of the first calls of
/// each operation.
const FAULTS: usize = 12;
const HORIZON: u64 = 4;

/// What shall go wrong.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Script {
    #[serde(skip)]
    pub(super) character: Character,
    #[serde(rename = "character")]
    character_word: &'static str,
    /// What chance is made from.
    pub(super) seed: u64,
    /// Whether runs are killed.
    pub(super) kill: bool,
    /// Whether the faults are those of `--faults`.
    pub(super) written: bool,
    pub(super) faults: FaultScript,
}

impl Script {
    /// What the flags ask for.
    pub(super) fn of(args: &RehearseArgs, environment: &Environment) -> Result<Self, Failure> {
        let seed = args.seed.unwrap_or_else(|| environment.salt().into());
        let faults = match &args.faults {
            Some(path) => read(path)?,
            None => Schedule {
                seed,
                faults: FAULTS,
                horizon: HORIZON,
                hardness: Hardness::Hard,
            }
            .script(),
        };
        let character = character(args.character);
        Ok(Self {
            character,
            character_word: match character {
                Character::Friendly => "friendly",
                Character::Worst => "worst",
            },
            seed,
            kill: args.kill,
            written: args.faults.is_some(),
            faults,
        })
    }

    pub(super) fn character_word(&self) -> &'static str {
        self.character_word
    }

    /// Whether chance has a part in it.
    pub(super) fn is_random(&self) -> bool {
        self.kill || !self.written
    }
}
