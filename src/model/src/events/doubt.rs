//! Intents of which nobody knows any more what became of them: settled by looking at the key.
//!
//! Two kinds. One was left by an earlier process, or by a home that is gone: its request may have been acknowledged, so that
//! its event is told unless the key shows that nothing happened. The other was left by a request of this process that ended without an answer that
//! something was done: its event is told only if the key shows that it was.

use super::announce::{Draft, Outcome};
use super::id::EventId;
use super::{Abandoned, INTERVAL, locked};
use crate::objects::{Looked, Want};
use crate::rows::bucket::Versioning;
use crate::rows::event::{Event, IntentRow};
use crate::rows::past::VersionId;
use crate::{Model, ModelError};
use base::Stamp;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{Read, Space};

/// Messages of a process that died may still be on their way to other nodes for this long.
const AFTER_START: Duration = Duration::from_secs(3);
/// A request that was given up may go on in the background for this long.
const AFTER_ABANDONING: Duration = Duration::from_secs(60);
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
    /// Settles intents in doubt, for ever.
    pub(super) async fn settle_doubts(self: &Arc<Self>) {
        let mut left = match self.intents_before() {
            Ok(left) => left,
            Err(error) => {
                tracing::error!(%error, "which events an earlier run left in doubt cannot be read");
                Vec::new()
            }
        };
        self.events.open.fetch_add(left.len(), Ordering::Relaxed);
        env::sleep(AFTER_START).await;
        loop {
            left = self.settle_some(left, true).await;
            let (acknowledged, given_up) = self.due_intents();
            for (ids, may_be_acknowledged) in [(acknowledged, true), (given_up, false)] {
                for id in self.settle_some(ids, may_be_acknowledged).await {
                    self.abandon_intent(id, may_be_acknowledged);
                }
            }
            env::sleep(INTERVAL).await;
        }
    }

    /// Intents that an earlier process left.
    fn intents_before(&self) -> Result<Vec<EventId>, ModelError> {
        let (mut left, began, me) = (Vec::new(), self.events.began, self.peers.me().tag());
        self.store.view()?.scan(Space::EventIntent, Bound::Unbounded, Bound::Unbounded, &mut |key, _| {
            // What was written by another home's clock was adopted before.
            let is_left = |id: &EventId| id.written.node != me || id.written <= began;
            left.extend(EventId::parse(key).filter(is_left));
            ControlFlow::Continue(())
        })?;
        Ok(left)
    }

    /// Intents that were abandoned long enough ago: those that may have been acknowledged, and the others.
    fn due_intents(&self) -> (Vec<EventId>, Vec<EventId>) {
        let now = self.env.clock.mono();
        let mut abandoned = locked(&self.events.abandoned);
        let is_due =
            |one: &Abandoned| one.may_be_acknowledged || now.saturating_sub(one.since) >= AFTER_ABANDONING;
        let due: Vec<(EventId, bool)> = abandoned
            .iter()
            .filter(|(_, one)| is_due(one))
            .take(AT_ONCE)
            .map(|(id, one)| (*id, one.may_be_acknowledged))
            .collect();
        due.iter().for_each(|(id, _)| _ = abandoned.remove(id));
        let (acknowledged, given_up): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, may)| *may);
        let ids = |some: Vec<(EventId, bool)>| some.into_iter().map(|(id, _)| id).collect();
        (ids(acknowledged), ids(given_up))
    }

    /// Settles intents; those that cannot be settled yet come back.
    async fn settle_some(self: &Arc<Self>, ids: Vec<EventId>, may_be_acknowledged: bool) -> Vec<EventId> {
        let mut left = Vec::new();
        for id in ids {
            if let Err(error) = self.settle_in_doubt(id, may_be_acknowledged).await {
                tracing::debug!(%error, "what became of a change is found out later");
                left.push(id);
            }
        }
        left
    }

    async fn settle_in_doubt(
        self: &Arc<Self>,
        id: EventId,
        may_be_acknowledged: bool,
    ) -> Result<(), ModelError> {
        let row: Option<IntentRow> = self.store.view()?.get(Space::EventIntent, &id.to_bytes())?;
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
        Ok(self.settle_intent(id, happened).await?)
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
