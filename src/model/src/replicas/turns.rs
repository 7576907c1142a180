//! Which queued work is due where several nodes keep things: a share of each kind in every step.
//!
//! Bodies that lose now never hold up the references of those that lost before, which is what gives disk space back.
//! What always holds:
//!
//! - each kind is gone on with where the last step left it, round and round: no item waits for those before it;
//! - a step looks at a bounded number of items, on a thread that may wait for a disk.
//!
//! Where a step goes on is kept in memory: a restart begins at the front.

use crate::reclaim::{Queued, Work};
use crate::rows::upload;
use crate::{Model, ModelError, outbox};
use base::{NodeId, PartitionHash, WallTime};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use store::{StoreError, View};

/// Bodies, or uploads, that one step takes: some round trips for each.
const SHARE_ITEMS: usize = 64;
/// Rows whose references one step lets go: many go in one message.
const SHARE_ROWS: usize = 256;
/// Items of a kind that one step looks at: some ten milliseconds.
const LOOKED_AT_MAX: usize = 65_536;

/// Where each kind of work is gone on with.
#[derive(Default)]
pub(crate) struct Turns(Mutex<BTreeMap<u8, Vec<u8>>>);

/// What is due.
#[derive(Default)]
pub(super) struct Due {
    pub works: Vec<(Work, Queued)>,
    /// Items whose records cannot be read.
    pub unreadable: Vec<Work>,
    /// Whether some of it was left for the next step.
    pub more: bool,
}

/// One round over a kind.
struct Round<'a> {
    model: &'a Model,
    now: u64,
    share: usize,
    looked_at: usize,
    taken: Vec<(Work, Queued)>,
    unreadable: Vec<Work>,
    /// The first item that was not looked at.
    next: Option<Vec<u8>>,
}

impl Round<'_> {
    fn walk(&mut self, view: &View, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        let unreadable = outbox::walk(view, from, Some(to), &mut |key, queued| {
            if self.taken.len() == self.share || self.looked_at == LOOKED_AT_MAX {
                self.next = Some(key.to_vec());
                return ControlFlow::Break(());
            }
            self.looked_at += 1;
            let work = Work::parse(key).filter(|work| self.model.is_due(work, &queued, self.now));
            self.taken.extend(work.map(|work| (work, queued)));
            ControlFlow::Continue(())
        })?;
        self.unreadable.extend(unreadable);
        Ok(())
    }
}

impl Model {
    /// The work of this step.
    pub(super) async fn due_work(self: &Arc<Self>) -> Result<Due, ModelError> {
        let model = Arc::clone(self);
        let look = move || {
            let (view, mut due) = (model.store.view()?, Due::default());
            for kind in Work::KINDS {
                model.add_due(&view, kind, &mut due)?;
            }
            Ok(due)
        };
        self.env.tasks.blocking(look).await
    }

    fn add_due(&self, view: &View, kind: u8, due: &mut Due) -> Result<(), StoreError> {
        let (first, end) = ([kind], [kind + 1]);
        let share = if kind == Work::DROP_REFERENCES { SHARE_ROWS } else { SHARE_ITEMS };
        let now = self.env.clock.wall().millis();
        let (taken, unreadable) = (Vec::new(), Vec::new());
        let mut round = Round { model: self, now, share, looked_at: 0, taken, unreadable, next: None };
        let begin = self.turns.open().remove(&kind).unwrap_or_else(|| first.to_vec());
        round.walk(view, &begin, &end)?;
        if round.next.is_none() && begin != first {
            round.walk(view, &first, &begin)?;
        }
        due.more |= round.next.is_some();
        due.works.extend(round.taken);
        due.unreadable.extend(round.unreadable);
        self.turns.open().extend(round.next.map(|next| (kind, next)));
        Ok(())
    }

    fn is_due(&self, work: &Work, queued: &Queued, now: u64) -> bool {
        self.due_ms(work, queued) <= now
            && !matches!(work, Work::ReleaseBody(body) if self.readers.is_reading(*body))
    }

    fn due_ms(&self, work: &Work, queued: &Queued) -> u64 {
        let since = queued.since.map_or(0, WallTime::millis);
        let (partition, delay) = match work {
            Work::ReleaseBody(body) => {
                (PartitionHash::of_uniform(body.as_bytes()), self.timing.bodies_stay_ms)
            }
            Work::DropReferences(body, _) => (PartitionHash::of_uniform(body.as_bytes()), 0),
            Work::CloseUpload(upload) => (upload::partition_of(upload), 0),
        };
        let placement = self.peers.placement();
        let me = self.peers.me();
        let place = |set: &[NodeId]| set.iter().position(|node| *node == me);
        let turn = placement.sets(partition).into_iter().find_map(place).unwrap_or(0);
        let turn = u64::try_from(turn).unwrap_or(0);
        let due = since.saturating_add(delay).saturating_add(turn.saturating_mul(self.timing.turn_ms));
        [queued.closed, queued.not_before].into_iter().flatten().map(WallTime::millis).fold(due, u64::max)
    }
}

impl Turns {
    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<u8, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
