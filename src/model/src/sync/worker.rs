//! When to look for what was missed: soon after another owner is met, whenever the layout changes, when somebody asks
//! for it, and every minute. One pass at a time, and each leaves time to clients.

use super::pass::{ARCS_TOGETHER, Manner, Pace, Pulled, Taking};
use super::take::{Refusal, Refused};
use crate::replicas::KeyPlace;
use crate::rows::object::{self, ObjectRow};
use crate::{Model, ModelError};
use base::{NodeId, PartitionHash, Stamp};
use cluster::layout::ArcSet;
use env::{Task, Watcher, random_below};
use futures_util::future::{Either, pending, select};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use store::{Read, Space, StoreError};
use table::digest::ARCS;

/// Between two comparisons with everybody, at most; a random part of the last half is left out, so that
/// nodes do not do it all at once.
const INTERVAL: Duration = Duration::from_secs(60);
/// How soon after something changed: news comes in crowds.
const SOON: Duration = Duration::from_millis(500);
/// After a comparison that failed, unless something changes before.
const RETRY: Duration = Duration::from_secs(10);

/// What the worker waits for.
struct News {
    links: Option<Watcher>,
    layout: Option<Watcher>,
    wanted: Watcher,
}

/// What it heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// A link or the layout changed.
    Change,
    /// Somebody wants all nodes to be compared with.
    Wish,
}

impl Model {
    /// Keeps the digests, and takes over what this node missed; it ends when the task is dropped.
    pub fn spawn_sync(self: &Arc<Self>) -> Task<()> {
        let model = Arc::clone(self);
        self.env.tasks.spawn(async move {
            let mut news = News {
                links: model.peers.net().map(net::Net::changes),
                layout: model.peers.cluster().map(|cluster| cluster.layout_changes()),
                wanted: model.sync.watch(),
            };
            let mut done = BTreeSet::new();
            loop {
                let view = model.peers.view();
                let is_ready = model.try_keep_digests().await && model.answers_as_a_replica();
                let mut failed = false;
                let others = model.other_owners();
                done.retain(|node| others.contains(node));
                for node in others {
                    if is_ready && !done.contains(&node) {
                        failed |= !model.try_sync_with(node).await;
                        done.insert(node);
                    }
                }
                let half = u64::try_from(INTERVAL.as_millis() / 2).unwrap_or(u64::MAX);
                let jitter = Duration::from_millis(random_below(model.env.rng.as_ref(), half));
                let wait = if failed || !is_ready { RETRY } else { INTERVAL - jitter };
                let heard = env::timeout(wait, news.next()).await;
                if heard == Some(Heard::Change) {
                    env::sleep(SOON).await;
                }
                if heard != Some(Heard::Change) || model.peers.view() != view {
                    done.clear();
                }
            }
        })
    }

    /// Has this node compared with all others that keep what it keeps, at once.
    pub fn compare_with_others(&self) {
        self.sync.want();
    }

    /// What synchronisation did since the start.
    pub fn sync_figures(&self) -> crate::SyncFigures {
        let (damaged, mended) = self.damaged.figures();
        crate::SyncFigures { damaged, mended, ..self.sync.figures() }
    }

    /// The nodes that keep something that this one keeps, and that can be asked now.
    fn other_owners(&self) -> Vec<NodeId> {
        let (placement, me) = (self.peers.placement(), self.peers.me());
        let mut others = BTreeSet::new();
        for arc in 0..ARCS {
            let sets = placement.sets(super::partition_of_arc(arc));
            if sets.iter().any(|set| set.contains(&me)) {
                others.extend(sets.into_iter().flatten().copied());
            }
        }
        others.into_iter().filter(|node| *node != me && self.peers.is_up(*node)).collect()
    }

    /// Whether this start has found out which arcs it answers for: before that it would take over nothing, and a node
    /// that was compared with so is not looked at again for a minute.
    fn answers_as_a_replica(&self) -> bool {
        self.peers.is_alone() || self.peers.cluster().is_none_or(|cluster| self.has_begun(&cluster.layout()))
    }

    async fn try_keep_digests(&self) -> bool {
        self.keep_digests().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the digests of ranges cannot be built now; it will be tried again");
            false
        })
    }

    async fn try_sync_with(self: &Arc<Self>, node: NodeId) -> bool {
        let outcome = self.sync_with(node).await;
        self.sync.set_left(0);
        match outcome {
            Ok(pulled) => {
                self.sync.complete(node, self.env.clock.wall());
                if pulled.rows > 0 || pulled.blocks > 0 {
                    let Pulled { rows, blocks, bytes, .. } = pulled;
                    tracing::info!(%node, rows, blocks, bytes, "took over what this node had missed");
                }
                true
            }
            Err(error) => {
                self.sync.fail();
                if matches!(error, ModelError::Store(StoreError::Full)) {
                    tracing::warn!(%node, "no room for what this node has missed; it will be tried again");
                } else {
                    tracing::debug!(%node, %error, "comparing with another node goes on later");
                }
                false
            }
        }
    }

    /// Takes over everything that another owner has and this node has not.
    pub(crate) async fn sync_with(self: &Arc<Self>, node: NodeId) -> Result<Pulled, ModelError> {
        let differing = self.differing_from(node).await?.within(&ArcSet::of(|arc| self.serves(arc)));
        let mut left = differing.arcs().len();
        let (mut whole, mut refused) = (Pulled::default(), 0);
        for group in differing.in_groups(ARCS_TOGETHER) {
            self.sync.set_left(left);
            let manner = Manner { pace: Pace::GENTLE, taking: Taking::ByTheRules };
            let pulled = self.pull_arcs(node, &group, manner).await?;
            for row in pulled.refused {
                refused += usize::from(!self.decide_refused(row).await);
            }
            whole.rows += pulled.rows;
            whole.bytes += pulled.bytes;
            whole.blocks += pulled.blocks;
            left -= group.arcs().len();
        }
        if refused > 0 {
            tracing::warn!(%node, refused, "some rows could not be taken over; it will be tried again");
            return Err(ModelError::Unavailable);
        }
        Ok(whole)
    }

    /// G10: what stands in the way of a row is resolved by an ordinary read of its key, which takes over.
    /// Whether it was.
    pub(crate) async fn decide_refused(self: &Arc<Self>, refused: Refused) -> bool {
        let Refused { space, row_key, why } = refused;
        if why == Refusal::Damaged {
            self.damaged.note(space, &row_key);
            return false;
        }
        let partition = row_key.first_chunk::<{ PartitionHash::LEN }>().copied();
        let place = partition.map(PartitionHash::from_bytes).zip(object::key_of(&row_key));
        match place {
            Some((partition, key)) => {
                let agreed = self.agree(&KeyPlace { partition, key }, &row_key).await;
                // Of a bucket that is gone nothing is left to decide.
                matches!(agreed, Ok(()) | Err(ModelError::NoSuchBucket))
            }
            None => false,
        }
    }

    /// Reads a key, which has a quorum agree, and then has this replica agree with it.
    async fn agree(self: &Arc<Self>, place: &KeyPlace, row_key: &[u8]) -> Result<(), ModelError> {
        let found = self.read_row(place, false).await?;
        let here: Option<ObjectRow> = self.store.view()?.get(Space::Object, row_key)?;
        let order_of = |row: Option<ObjectRow>| row.map_or(Stamp::ZERO, |row| row.order);
        if order_of(here) < order_of(found.map(|(row, _)| row)) {
            self.take_over(place).await
        } else {
            Ok(())
        }
    }
}

impl News {
    /// Waits until a link or the layout changes, or somebody wants something.
    async fn next(&mut self) -> Heard {
        let links = pin!(changed(&mut self.links));
        let layout = pin!(changed(&mut self.layout));
        let wanted = pin!(self.wanted.changed());
        match select(wanted, select(links, layout)).await {
            Either::Left(_) => Heard::Wish,
            Either::Right(_) => Heard::Change,
        }
    }
}

async fn changed(source: &mut Option<Watcher>) {
    match source {
        Some(watcher) => watcher.changed().await,
        None => pending().await,
    }
}
