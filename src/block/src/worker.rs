//! The background worker: steps of resync, audit and scrub, one after the other, with pauses.

use crate::{BlockError, BlockStore};
use base::BlockHash;
use env::{Task, sleep};
use std::time::Duration;

/// After a step the worker rests this many times as long as the step took, so that background
/// work takes at most a third of a disk's time.
const REST_FACTOR: u32 = 2;
/// Shortest rest, so that a step that costs nothing still lets others run.
const REST_MIN: Duration = Duration::from_millis(1);
/// Rest when there is nothing to do: deletes are not urgent, and a missing block is served from
/// another node until then.
const IDLE: Duration = Duration::from_secs(5);

impl BlockStore {
    /// Starts the worker; it ends when the returned task is dropped. `fetch` is told of blocks that are to be fetched
    /// from other nodes; more are looked for when it is done with them.
    pub fn spawn_worker<F: Future<Output = ()> + Send>(
        &self,
        fetch: impl Fn(Vec<BlockHash>) -> F + Send + Sync + 'static,
    ) -> Task<()> {
        let blocks = self.clone();
        self.shared.env.tasks.spawn(async move {
            let mut last_error = None;
            loop {
                let started = blocks.shared.env.clock.mono();
                let busy = match blocks.step(&fetch).await {
                    Ok(busy) => {
                        last_error = None;
                        busy
                    }
                    Err(error) => {
                        let error = error.to_string();
                        if last_error.as_ref() != Some(&error) {
                            tracing::error!(%error, "background work on blocks stopped; it is tried again");
                        }
                        last_error = Some(error);
                        false
                    }
                };
                let took = blocks.shared.env.clock.mono().saturating_sub(started);
                sleep(if busy { (took * REST_FACTOR).max(REST_MIN) } else { IDLE }).await;
            }
        })
    }

    /// One step of each kind of work; whether there is more to do now.
    async fn step<F: Future<Output = ()> + Send>(
        &self,
        fetch: &(impl Fn(Vec<BlockHash>) -> F + Sync),
    ) -> Result<bool, BlockError> {
        let now = self.shared.env.clock.wall();
        let progress = self.run_due(now).await?;
        if !progress.missing.is_empty() {
            fetch(progress.missing).await;
        }
        let auditing = self.audit_step(now).await?;
        let scrubbing = self.scrub_step(now).await?;
        Ok(progress.more || auditing || scrubbing)
    }
}
