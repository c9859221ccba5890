//! The lock of a manifest's state, taken by commands that write to the remote.

use std::time::Duration;

use super::args::{RemoteArgs, Shard};
use super::context::Context;
use super::failure::Failure;
use super::settings::{EndpointChoice, state_key, state_location};
use crate::manifest::Manifest;
use crate::state::{RunId, RunLock};

/// Takes the lock of this manifest's state, in the name of a new run; none is
/// needed for state in memory.
pub fn lock(
    manifest: &Manifest,
    remote: &RemoteArgs,
    shard: Option<Shard>,
    timeout: Duration,
    context: &Context<'_>,
) -> Result<(Option<RunLock>, RunId), Failure> {
    let environment = context.environment;
    let location = state_location(&remote.state, environment).map_err(Failure::from)?;
    let endpoint = EndpointChoice::choose(remote.connection.endpoint.as_deref(), environment)
        .map_err(Failure::from)?;
    let key = state_key(
        &manifest.name,
        &endpoint,
        &manifest.datasets(),
        shard,
        remote.state.instance.as_deref(),
    );
    let run_id = RunId::new(environment.now_ms(), &key, environment.salt());
    context.run.set(run_id.as_str());
    let Some(path) = location.lock_path(&key) else {
        return Ok((None, run_id));
    };
    let owner = environment.lock_owner(run_id.as_str());
    RunLock::acquire(&path, &owner, timeout, &context.cancel)
        .map(|lock| (Some(lock), run_id))
        .map_err(Failure::from)
}
