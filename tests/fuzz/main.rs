//! Noise for every parser, on stable: `cargo test --test fuzz`. A binary of its own,
//! so that `tests/scripts/fuzz.sh` has it optimised without a long build.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod drive;
#[cfg(test)]
mod inputs;
