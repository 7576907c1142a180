//! The background worker: steps of resync, audit and scrub, one after the other, with pauses ([`Pace`]).

use crate::{BlockError, BlockStore, Pace};
use base::BlockHash;
use env::{MonoTime, Task, sleep};
use std::time::Duration;

/// Shortest rest, so that a step that costs nothing still lets others run.
const REST_MIN: Duration = Duration::from_millis(1);
/// Rest when there is nothing to do: deletes are not urgent, and a missing block is served from
/// another node until then.
const IDLE: Duration = Duration::from_secs(5);

impl BlockStore {
    /// Starts the worker; it ends when the returned task is dropped. `fetch` is told of blocks that are to be fetched
    /// from other nodes; more are looked for when it is done with them. It says how much of its time counts as work, which
    /// the worker rests from.
    pub fn spawn_worker<F: Future<Output = Duration> + Send>(
        &self,
        fetch: impl Fn(Vec<BlockHash>) -> F + Send + Sync + 'static,
    ) -> Task<()> {
        let blocks = self.clone();
        self.shared.env.tasks.spawn(async move {
            let mut last_error = None;
            let mut scrub_rests_until = MonoTime::default();
            loop {
                let rest = match blocks.step(&fetch, &mut scrub_rests_until).await {
                    Ok(rest) => {
                        last_error = None;
                        rest
                    }
                    Err(error) => {
                        let error = error.to_string();
                        if last_error.as_ref() != Some(&error) {
                            tracing::error!(%error, "background work on blocks stopped; it is tried again");
                        }
                        last_error = Some(error);
                        IDLE
                    }
                };
                sleep(rest).await;
            }
        })
    }

    /// One step of each kind of work, but for scrub while it rests; how long to rest then. Slow scrub keeps nothing else
    /// waiting.
    async fn step<F: Future<Output = Duration> + Send>(
        &self,
        fetch: &(impl Fn(Vec<BlockHash>) -> F + Sync),
        scrub_rests_until: &mut MonoTime,
    ) -> Result<Duration, BlockError> {
        let clock = &self.shared.env.clock;
        let (now, began) = (clock.wall(), clock.mono());
        let pace = self.pace().unwrap_or_else(|error| {
            tracing::debug!(%error, "the pace of background work cannot be read");
            Pace::default()
        });
        let progress = self.run_due(now).await?;
        let mut idle = Duration::ZERO;
        if !progress.missing.is_empty() {
            let fetching = clock.mono();
            let worked = fetch(progress.missing).await;
            idle = clock.mono().saturating_sub(fetching).saturating_sub(worked);
        }
        let is_busy = self.audit_step(now).await? || progress.more;
        let resynced = clock.mono();
        let is_scrubbing = resynced < *scrub_rests_until || self.scrub_step(now).await?;
        let scrubbed = clock.mono();
        if resynced >= *scrub_rests_until {
            *scrub_rests_until = scrubbed + scrubbed.saturating_sub(resynced) * pace.scrub;
        }
        let rest = match (is_busy, is_scrubbing) {
            (true, _) => resynced.saturating_sub(began + idle) * pace.resync,
            (false, true) => scrub_rests_until.saturating_sub(scrubbed).min(IDLE),
            (false, false) => IDLE,
        };
        Ok(rest.max(REST_MIN))
    }
}
