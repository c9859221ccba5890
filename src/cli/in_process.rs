//! `--endpoint sandbox`: the emulator inside this process, with its data under
//! the state folder and the same ports each time, so that what one run left is
//! what the next one finds.

use super::exit::ExitCode;
use super::failure::Failure;
use crate::manifest::Manifest;
use crate::sandbox::{Sandbox, SandboxError, SandboxOptions, Seed};
use crate::state::StateLocation;

/// Starts it; the manifest's datasets exist in it.
pub(super) fn start(manifest: &Manifest, location: &StateLocation) -> Result<Sandbox, Failure> {
    let data_dir = match location {
        StateLocation::Folder(folder) => Some(folder.join("sandbox")),
        StateLocation::Memory => None,
    };
    let datasets = manifest
        .datasets()
        .iter()
        .map(ToString::to_string)
        .collect();
    let options = SandboxOptions {
        data_dir,
        seed: Seed { datasets },
        ..SandboxOptions::default()
    };
    Sandbox::start(options).map_err(|error| match &error {
        SandboxError::InUse { .. } => Failure::new(
            ExitCode::Locked,
            "sandbox/in-use",
            "cannot start the sandbox",
        )
        .because(Some(&error))
        .hint("wait for the other run to end, or give this one its own `--state-dir`"),
        SandboxError::Folder { .. }
        | SandboxError::Journal(_)
        | SandboxError::Listen { .. }
        | SandboxError::Seed(_) => Failure::local_io("cannot start the sandbox", &error),
    })
}
