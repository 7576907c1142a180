//! Changes that somebody is to be told of: written down before they are made, settled after.
//!
//! The intent is durable before the change begins, and another home holds it before the change is acknowledged
//! (`copies`); settling it is not waited for. So whoever dies in between leaves an intent, and what became of the change is
//! found out later (`doubt`).

use super::copies::{Holding, of_intent};
use super::id::EventId;
use super::{Abandoned, INTENTS_MAX, backlog, locked};
use crate::rows::event::{Delivery, Event, IntentRow};
use crate::rows::past::VersionId;
use crate::{Model, ModelError};
use base::Stamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::{Intent, Space, StoreError, Txn};

/// A change that is about to be made, and who is to be told.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What will have happened.
    pub event: Event,
    /// To whom it is told, one at least.
    pub deliveries: Vec<Delivery>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Its place in the order of the key's changes, where that is known.
    pub at: Option<Stamp>,
    /// The version that it made, changed or deleted, in a bucket that keeps versions.
    pub version: Option<VersionId>,
}

/// A change whose intent is durable. Dropped before it is settled, it is in doubt.
#[derive(Debug)]
pub struct Announced {
    model: Arc<Model>,
    id: EventId,
    /// Whether another home holds it, where one has to.
    holding: Option<Arc<Holding>>,
    /// None once it is settled.
    draft: Option<Draft>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").finish_non_exhaustive()
    }
}

impl Model {
    /// Writes down what is about to be done. `intent` is that of the changes themselves.
    pub async fn announce(
        self: &Arc<Self>,
        drafts: Vec<Draft>,
        intent: Intent,
    ) -> Result<Vec<Announced>, ModelError> {
        if self.events.open.load(Ordering::Relaxed) + drafts.len() > INTENTS_MAX {
            tracing::warn!("too many changes are in doubt that somebody is to be told of: more are refused");
            return Err(ModelError::Unavailable);
        }
        if self.needs_holder() && !self.has_holder() {
            return Err(ModelError::Unavailable);
        }
        let stamp = self.store.stamp().await?;
        self.events.open.fetch_add(drafts.len(), Ordering::Relaxed);
        let mut announced: Vec<Announced> = (0_u16..)
            .zip(drafts)
            .map(|(number, mut draft)| {
                draft.event.at = stamp;
                let id = EventId { written: stamp, number };
                Announced { model: Arc::clone(self), id, holding: None, draft: Some(draft) }
            })
            .collect();
        let row = |one: &Announced| {
            let draft = one.draft.clone()?;
            Some((one.id, IntentRow { event: draft.event, deliveries: draft.deliveries }))
        };
        let rows: Arc<Vec<_>> = Arc::new(announced.iter().filter_map(row).collect());
        let written = Arc::clone(&rows);
        let write = move |txn: &mut Txn<'_>| {
            written.iter().for_each(|(id, row)| txn.put(Space::EventIntent, id.to_bytes().to_vec(), row));
            Ok::<_, ModelError>(())
        };
        self.store.commit(intent, write).await?;
        // Only now: who holds an event asks this node whether it is done with it (doc/models/events.rs, `own-first`).
        if self.needs_holder() {
            let held = rows.iter().flat_map(|(id, row)| of_intent(*id, row)).collect();
            let holding = self.hold_elsewhere(held, intent == Intent::Free);
            announced.iter_mut().for_each(|one| one.holding = Some(holding.clone()));
        }
        Ok(announced)
    }
}

impl Announced {
    /// Settles how the change ended. `outcome` says what became of it: none if there was nothing to change.
    pub async fn settle<T>(
        self,
        ended: &Result<T, ModelError>,
        outcome: impl FnOnce(&T) -> Option<Outcome>,
    ) -> Result<(), ModelError> {
        match ended.as_ref().map(outcome) {
            Ok(Some(outcome)) => return self.happened(outcome).await,
            Ok(None) => self.refused(),
            Err(error) if error.is_refusal() => self.refused(),
            // It is in doubt: what became of it is found out later.
            Err(_) => {}
        }
        Ok(())
    }

    /// It has happened: its event is on its way. Returns when it may be acknowledged, since another home holds the event;
    /// that it is queued here is not waited for: until then the intent is there.
    pub async fn happened(mut self, outcome: Outcome) -> Result<(), ModelError> {
        let Some(draft) = self.draft.take() else { return Ok(()) };
        let (model, id) = (Arc::clone(&self.model), self.id);
        let tasks = model.env.tasks.clone();
        let settle = async move {
            if let Err(error) = model.settle_intent(id, Some((draft, outcome))).await {
                tracing::warn!(%error, "an event is put on its way later");
                model.abandon_intent(id, true);
            }
        };
        tasks.spawn(settle).detach();
        let Some(holding) = self.holding.take() else { return Ok(()) };
        if holding.is_held().await { Ok(()) } else { Err(ModelError::Unavailable) }
    }

    /// Nothing happened: nobody is told.
    pub fn refused(mut self) {
        self.draft = None;
        let (model, id) = (Arc::clone(&self.model), self.id);
        let tasks = model.env.tasks.clone();
        let settle = async move {
            if model.settle_intent(id, None).await.is_err() {
                model.abandon_intent(id, false);
            }
        };
        tasks.spawn(settle).detach();
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        if self.draft.is_some() {
            self.model.abandon_intent(self.id, false);
        }
    }
}

impl Model {
    /// Removes an intent and puts its event on its way, if it has happened.
    pub(super) async fn settle_intent(
        &self,
        id: EventId,
        happened: Option<(Draft, Outcome)>,
    ) -> Result<(), StoreError> {
        let news = self.events.news.clone();
        let settle = move |txn: &mut Txn<'_>| {
            txn.delete(Space::EventIntent, id.to_bytes().to_vec());
            let Some((mut draft, outcome)) = happened else { return Ok(()) };
            // Else its place is that of the intent: whatever follows it lies above that.
            draft.event.at = outcome.at.unwrap_or(draft.event.at);
            draft.event.object.version = outcome.version.or(draft.event.object.version);
            backlog::push_all(txn, id, &draft.event, &draft.deliveries)?;
            txn.after_commit(move || news.note());
            Ok::<_, StoreError>(())
        };
        self.store.commit(Intent::Free, settle).await?;
        self.events.open.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// Leaves an intent to whoever looks into what is in doubt.
    pub(super) fn abandon_intent(&self, id: EventId, may_be_acknowledged: bool) {
        let since = self.env.clock.mono();
        locked(&self.events.abandoned).insert(id, Abandoned { since, may_be_acknowledged });
    }
}
