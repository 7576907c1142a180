//! Events: of what clients do in some runs a webhook is to be told, and what was acknowledged must be told to it, whatever
//! dies, is lost or stays away. It may be told more than once, and of more than that.
//!
//! The webhook is not a part of any home: it asks each home that runs for what waits there, fails now and then, and
//! remembers.

use super::gathering::{Gathering, Shared};
use crate::checks::Failure;
use crate::client::open;
use base::id::kind;
use base::{Id, Stamp};
use env::sim::Generator;
use model::events::{Draft, EventKind, Outcome};
use model::rows::event::{Cause, Delivery, Event, Subject};
use model::{Model, ModelError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::Intent;

const WEBHOOK: &str = "hook";
/// One in so many runs has a webhook.
const RUNS: u64 = 2;
/// Events that are told at once: few, so that a home can die in the middle.
const TOLD_AT_ONCE: usize = 3;
/// Between two looks of the webhook at the homes.
const LOOK: Duration = Duration::from_millis(700);
/// Percent of the attempts that fail while clients work.
const FAILS_PERCENT: u64 = 60;
/// How long everything may take to be told when nothing is wrong any more: a home that is gone for good is waited for.
const TOLD_WITHIN: Duration = Duration::from_secs(1800);

/// What the webhook knows, and what it must come to know.
#[derive(Default)]
pub struct Told {
    changes: u64,
    acknowledged: BTreeSet<String>,
    told: BTreeSet<String>,
}

/// A change of a run that tells of some.
#[derive(Debug, Clone)]
pub struct Change(Option<Draft>);

/// Whether a run has a webhook; drawn apart, so that all else about a seed stays what it is without.
pub fn has_webhook(seed: u64) -> bool {
    Generator::new(seed ^ 0x6576_656e).below(RUNS) == 0
}

impl Change {
    /// What is about to be done to a key.
    pub fn new(homes: &Gathering, kind: EventKind, (bucket, key): (Id<kind::Bucket>, &str)) -> Self {
        if !has_webhook(homes.plan.seed) {
            return Self(None);
        }
        let request_id = {
            let mut told = open(&homes.told);
            told.changes += 1;
            told.changes.to_string()
        };
        let event = Event {
            kind,
            bucket,
            bucket_name: "first".to_owned(),
            owner: None,
            key: key.to_owned(),
            object: Subject::default(),
            cause: Cause { request_id, ..Cause::default() },
            at: Stamp::ZERO,
        };
        let deliveries = vec![Delivery { webhook: WEBHOOK.to_owned(), rule: "rule".to_owned() }];
        Self(Some(Draft { event, deliveries }))
    }

    /// The same of an object with this tag.
    pub fn with_tag(mut self, etag: &str) -> Self {
        if let Some(draft) = &mut self.0 {
            draft.event.object.etag = Some(etag.to_owned());
        }
        self
    }

    /// The client was told that it is done.
    pub fn acknowledged(self, homes: &Gathering) {
        if let Some(draft) = self.0 {
            homes.book().count("event of an acknowledged change");
            open(&homes.told).acknowledged.insert(draft.event.cause.request_id);
        }
    }

    /// Makes the change as a request does: announced before, settled after.
    pub async fn make<T>(
        self,
        model: &Arc<Model>,
        change: impl Future<Output = Result<T, ModelError>>,
        outcome: impl FnOnce(&T) -> Outcome,
    ) -> Result<T, ModelError> {
        let Some(draft) = self.0 else { return change.await };
        let intent = if draft.event.kind.leaves_object() { Intent::Grow } else { Intent::Free };
        let announced = model.announce(vec![draft], intent).await?.pop();
        let ended = change.await;
        if let Some(announced) = announced {
            announced.settle(&ended, |done| Some(outcome(done))).await?;
        }
        ended
    }
}

/// The webhook, for ever.
pub async fn listen(homes: Shared, seed: u64) {
    let mut random = Generator::new(seed);
    if !has_webhook(homes.plan.seed) {
        return;
    }
    loop {
        for home in 0..homes.homes.len() {
            let is_calm = homes.is_calm.load(Ordering::Relaxed);
            if is_calm || random.below(100) >= FAILS_PERCENT {
                take(&homes, home).await;
            }
        }
        env::sleep(LOOK).await;
    }
}

/// Takes some of what waits at a home, if it runs.
async fn take(homes: &Gathering, home: usize) {
    let Some(model) = homes.homes[home].node().map(|node| node.model) else { return };
    let Ok(waiting) = model.waiting_events(WEBHOOK, TOLD_AT_ONCE, usize::MAX) else { return };
    if waiting.is_empty() {
        return;
    }
    for one in &waiting {
        if !open(&homes.told).told.insert(one.row.event.cause.request_id.clone()) {
            homes.book().count("event told again");
        }
    }
    drop(model);
    // What it does is the process's own: it ends with it.
    let forget = |node: super::home::Member| async move { node.model.delivered(WEBHOOK, &waiting).await };
    let _: Option<Result<(), ModelError>> = homes.ask(home, None, forget).await;
}

/// Whether every home that runs has a second copy of what it has on its way.
pub fn are_held(homes: &Gathering) -> bool {
    let mut running = homes.homes.iter().filter_map(|home| home.node());
    running.all(|node| node.model.has_second_copies())
}

/// Waits until everything is told that was acknowledged.
pub async fn check(homes: &Gathering) -> Result<(), Failure> {
    let untold = || {
        let told = open(&homes.told);
        told.acknowledged.difference(&told.told).cloned().collect::<Vec<String>>()
    };
    let telling = async {
        while !untold().is_empty() {
            env::sleep(LOOK).await;
        }
    };
    if env::timeout(TOLD_WITHIN, telling).await.is_some() {
        return Ok(());
    }
    let detail = format!("events of acknowledged changes are never told: {:?}", untold());
    Err(Failure::new("events", detail))
}
