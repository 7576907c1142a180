//! Intents of which nobody knows any more what became of them: settled by looking at the key.
//!
//! Two kinds. One was left by an earlier process: its request may have been acknowledged, so that its event is told unless
//! the key shows that nothing happened. The other was left by a request of this process that ended without an answer that
//! something was done: its event is told only if the key shows that it was.

use super::announce::{Draft, Outcome, written_at};
use super::{Abandoned, locked};
use crate::objects::{Looked, Want};
use crate::rows::bucket::Versioning;
use crate::rows::event::{Event, IntentRow};
use crate::rows::past::VersionId;
use crate::{Model, ModelError};
use base::Stamp;
use env::Task;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{Read, Space};

/// Messages of a process that died may still be on their way to other nodes for this long.
const AFTER_START: Duration = Duration::from_secs(3);
/// A request that was given up may go on in the background for this long.
const AFTER_ABANDONING: Duration = Duration::from_secs(60);
/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// Intents looked at in one go.
const AT_ONCE: usize = 256;

/// What is to be done about an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It has happened, or may have.
    Tell(Outcome),
    /// Nobody is told.
    Drop,
}

impl Model {
    /// Settles intents in doubt; it ends when the task is dropped.
    pub fn spawn_event_keeper(self: &Arc<Self>) -> Task<()> {
        let model = Arc::clone(self);
        self.env.tasks.spawn(async move {
            let mut left = match model.intents_before() {
                Ok(left) => left,
                Err(error) => {
                    tracing::error!(%error, "which events an earlier run left in doubt cannot be read");
                    Vec::new()
                }
            };
            model.events.open.fetch_add(left.len(), Ordering::Relaxed);
            env::sleep(AFTER_START).await;
            loop {
                left = model.settle_some(left, true).await;
                let (acknowledged, given_up) = model.due_intents();
                for (keys, may_be_acknowledged) in [(acknowledged, true), (given_up, false)] {
                    for row_key in model.settle_some(keys, may_be_acknowledged).await {
                        model.abandon_intent(row_key, may_be_acknowledged);
                    }
                }
                env::sleep(INTERVAL).await;
            }
        })
    }

    /// Intents that an earlier process left.
    fn intents_before(&self) -> Result<Vec<Vec<u8>>, ModelError> {
        let (mut left, began) = (Vec::new(), self.events.began);
        self.store.view()?.scan(Space::EventIntent, Bound::Unbounded, Bound::Unbounded, &mut |key, _| {
            if written_at(key).is_some_and(|at| at > began) {
                return ControlFlow::Break(());
            }
            left.push(key.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(left)
    }

    /// Intents that were abandoned long enough ago: those that may have been acknowledged, and the others.
    fn due_intents(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let now = self.env.clock.mono();
        let mut abandoned = locked(&self.events.abandoned);
        let is_due =
            |one: &Abandoned| one.may_be_acknowledged || now.saturating_sub(one.since) >= AFTER_ABANDONING;
        let due: Vec<(Vec<u8>, bool)> = abandoned
            .iter()
            .filter(|(_, one)| is_due(one))
            .take(AT_ONCE)
            .map(|(key, one)| (key.clone(), one.may_be_acknowledged))
            .collect();
        due.iter().for_each(|(key, _)| _ = abandoned.remove(key));
        let (acknowledged, given_up): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, may)| *may);
        let keys = |some: Vec<(Vec<u8>, bool)>| some.into_iter().map(|(key, _)| key).collect();
        (keys(acknowledged), keys(given_up))
    }

    /// Settles intents; those that cannot be settled yet come back.
    async fn settle_some(self: &Arc<Self>, keys: Vec<Vec<u8>>, may_be_acknowledged: bool) -> Vec<Vec<u8>> {
        let mut left = Vec::new();
        for row_key in keys {
            if let Err(error) = self.settle_in_doubt(&row_key, may_be_acknowledged).await {
                tracing::debug!(%error, "what became of a change is found out later");
                left.push(row_key);
            }
        }
        left
    }

    async fn settle_in_doubt(
        self: &Arc<Self>,
        row_key: &[u8],
        may_be_acknowledged: bool,
    ) -> Result<(), ModelError> {
        let row: Option<IntentRow> = self.store.view()?.get(Space::EventIntent, row_key)?;
        let Some(IntentRow { event, deliveries }) = row else {
            // Its commit did not come about.
            self.events.open.fetch_sub(1, Ordering::Relaxed);
            return Ok(());
        };
        let verdict = match self.names().bucket(event.bucket) {
            // Whatever happened, it did so before the bucket was deleted.
            Err(ModelError::NoSuchBucket) if may_be_acknowledged => Verdict::Tell(Outcome::default()),
            Err(ModelError::NoSuchBucket) => Verdict::Drop,
            Err(error) => return Err(error),
            Ok(bucket) => {
                let version = event.object.version;
                let looked = self.look(event.bucket, &event.key, version, Want::Metadata).await?;
                judge(&event, &looked, (bucket.versioning(), may_be_acknowledged))
            }
        };
        let happened = match verdict {
            Verdict::Tell(outcome) => Some((Draft { event, deliveries }, outcome)),
            Verdict::Drop => None,
        };
        Ok(self.settle_intent(row_key.to_vec(), happened).await?)
    }
}

/// What the key says of a change that was about to be made.
fn judge(event: &Event, looked: &Looked, (mode, may_be_acknowledged): (Versioning, bool)) -> Verdict {
    let in_doubt = if may_be_acknowledged { Verdict::Tell(Outcome::default()) } else { Verdict::Drop };
    let keeps_versions = mode != Versioning::Never;
    let done = |at: Stamp, version: VersionId| {
        Verdict::Tell(Outcome { at: Some(at), version: Some(version).filter(|_| keeps_versions) })
    };
    let is_older = |at: Stamp| at < event.at;
    match looked {
        Looked::Object(found) if event.kind.creates() => {
            let is_it = !is_older(found.stamp) && event.object.etag == Some(found.object.etag.to_string());
            match is_it {
                true => done(found.stamp, found.version),
                // Without versions what was replaced is gone: the older one was not.
                false if is_older(found.stamp) && !keeps_versions => Verdict::Drop,
                false => in_doubt,
            }
        }
        // Tags and lists leave no trace that says whose they are.
        _ if event.kind.leaves_object() => in_doubt,
        Looked::Object(_) | Looked::Marker(..) if event.object.version.is_some() => Verdict::Drop,
        Looked::Nothing if event.object.version.is_some() => Verdict::Tell(Outcome::default()),
        Looked::Object(found) if is_older(found.stamp) && !keeps_versions => Verdict::Drop,
        Looked::Marker(id, at) if !is_older(*at) => done(*at, *id),
        Looked::Nothing if !keeps_versions => Verdict::Tell(Outcome::default()),
        _ => in_doubt,
    }
}
