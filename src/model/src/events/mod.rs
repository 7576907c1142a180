//! Events: what happens to objects, told to webhooks at least once.
//!
//! The node that takes a request does all of it (doc/decisions/0011): it writes what it is about to do ([`Announced`]), does
//! it, and turns the intent into queued events; another one holds them too, for the case that its disk is lost (`copies`,
//! `held`). What always holds:
//!
//! - a change that was acknowledged has an intent or its queued events on this node's disk, until they are delivered, and
//!   where there are several nodes on that of another one, which holds them;
//! - an intent of which nobody knows any more what became of it is settled by looking at the key (`doubt`);
//! - what waits for one webhook is bounded, and what found no room is counted;
//! - a bucket without rules costs a look at its row in memory.
//!
//! Who sends, and how, is not here: `api` does.

mod announce;
mod backlog;
mod copies;
mod doubt;
mod held;
mod id;
mod kind;
mod messages;
mod rules;

pub use announce::{Announced, Draft, Outcome};
pub use backlog::Waiting;
pub use kind::{EventKind, may_be_named};
pub(crate) use messages::{AskDone, AskLacking, HoldEvents};
pub use rules::{Notifications, Rule, TargetKind};

use crate::{Model, ModelError};
use base::{Stamp, WallTime};
use copies::Copies;
use env::{Changes, MonoTime, Task, Watcher};
use id::EventId;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Webhooks of a cluster.
pub const WEBHOOKS_MAX: usize = 100;
/// Events that wait for one webhook on one node: at 100 changes a minute, what a week brings and some more.
pub const BACKLOG_MAX_EVENTS: u64 = 1_000_000;
/// Bytes of their records.
pub const BACKLOG_MAX_BYTES: u64 = 512 << 20;
/// Changes under way or in doubt that somebody is to be told of, on one node. Beyond it requests are told to come back.
pub const INTENTS_MAX: usize = 20_000;

/// Between two looks at what is in doubt, or held.
const INTERVAL: Duration = Duration::from_secs(5);

/// How a webhook does, as far as this process knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Why the last attempt failed; none if it did not.
    pub last_error: Option<String>,
    /// Attempts that failed, one after the other.
    pub failures: u32,
    /// When it took something last.
    pub last_success: Option<WallTime>,
}

/// What this process remembers of events.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Intents that are not settled.
    open: AtomicUsize,
    /// Intents of this process whose request ended without saying what became of it.
    abandoned: Mutex<BTreeMap<EventId, Abandoned>>,
    copies: Copies,
    /// Intents below were written by an earlier process.
    began: Stamp,
    standings: Mutex<BTreeMap<String, Standing>>,
    news: Changes,
}

/// An intent that nobody works on any more.
#[derive(Debug, Clone, Copy)]
struct Abandoned {
    since: MonoTime,
    /// Whether somebody may have been told that it was done.
    may_be_acknowledged: bool,
}

impl Desk {
    /// A desk of a process that begins now.
    pub fn new(began: Stamp) -> Self {
        Self {
            open: AtomicUsize::new(0),
            abandoned: Mutex::default(),
            copies: Copies::default(),
            began,
            standings: Mutex::default(),
            news: Changes::default(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Model {
    /// Settles intents in doubt, and sees to second copies: of what this node has on its way, and of what it holds for
    /// others. It ends when the task is dropped.
    pub fn spawn_event_keeper(self: &Arc<Self>) -> Task<()> {
        let model = Arc::clone(self);
        self.env.tasks.spawn(async move { _ = tokio::join!(model.settle_doubts(), model.keep_copies()) })
    }

    async fn keep_copies(self: &Arc<Self>) {
        loop {
            env::sleep(INTERVAL).await;
            if let Err(error) = self.complete_copies().await {
                tracing::debug!(%error, "events are copied to another node later");
            }
            if let Err(error) = self.tend_held().await {
                tracing::warn!(%error, "events that are held for other nodes are looked at later");
            }
        }
    }

    /// Tells when something may have to be sent.
    pub fn event_news(&self) -> Watcher {
        self.events.news.watch()
    }

    /// How a webhook does.
    pub fn webhook_standing(&self, webhook: &str) -> Standing {
        locked(&self.events.standings).get(webhook).cloned().unwrap_or_default()
    }

    /// Remembers how an attempt ended; the number of failures since the last success comes back.
    pub fn note_delivery(&self, webhook: &str, outcome: Result<(), String>) -> u32 {
        let mut standings = locked(&self.events.standings);
        let standing = standings.entry(webhook.to_owned()).or_default();
        match outcome {
            Ok(()) => {
                *standing = Standing { last_success: Some(self.env.clock.wall()), ..Standing::default() }
            }
            Err(error) => {
                standing.failures = standing.failures.saturating_add(1);
                standing.last_error = Some(error);
            }
        }
        standing.failures
    }

    /// Puts an event that no request waits for on its way: nothing is in doubt about it.
    pub async fn send_event(&self, draft: Draft) -> Result<(), ModelError> {
        let news = self.events.news.clone();
        let enqueue = move |txn: &mut store::Txn<'_>| {
            txn.after_commit(move || news.note());
            let id = EventId { written: txn.stamp(), number: 0 };
            backlog::push_all(txn, id, &draft.event, &draft.deliveries)?;
            Ok(())
        };
        self.store.commit(store::Intent::Free, enqueue).await
    }
}
