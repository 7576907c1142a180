//! The beginning of a start: is this store what the cluster remembers of this node? (rule M1)

use super::{AskMark, owned_now};
use crate::replicas::READ_LIMIT;
use crate::rows::standing::Standing;
use crate::{Model, ModelError};
use base::NodeId;
use cluster::ClusterState;
use cluster::layout::{ArcSet, Count, Layout, Life};
use env::random_array;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Duration;
use store::{Read, Space};

/// How long a start waits for links to all other members.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(1);

/// Whether what the cluster remembers of a node is what its store remembers, or came before it.
fn is_before(known: Life, stored: Life) -> bool {
    let is_earlier_start = known.start == stored.start || known.start.number < stored.start.number;
    known.life.number < stored.life.number || (known.life == stored.life && is_earlier_start)
}

impl Model {
    /// Whether this start was made known, and the layout still says so; not if the life that it belongs to is over.
    pub(crate) fn has_begun(&self, layout: &Layout) -> bool {
        let me = self.peers.me();
        self.peers.is_known()
            && layout.lives().of(me) == Some(self.standing().life)
            && !layout.is_given_up(me)
    }

    /// Finds out which life this start belongs to and makes it known; false while no other member of a
    /// cluster that keeps more than one copy was heard.
    pub(super) async fn begin(self: &Arc<Self>, cluster: &Arc<ClusterState>) -> Result<bool, ModelError> {
        if !self.hear_a_member(cluster).await || self.waits_for_others() {
            return Ok(false);
        }
        // Of the start before this one; of this one others hear when the cluster knows of it.
        let is_older = !self.peers.is_known() && self.is_older_than_told().await;
        let layout = cluster.layout();
        let me = self.peers.me();
        let is_over = layout.is_given_up(me);
        if is_over && !self.others_are_whole(cluster, &layout) {
            return Ok(false);
        }
        let stored =
            if self.peers.is_known() { Some((*self.standing()).clone()) } else { self.stored_standing()? };
        let standing = match (stored, layout.lives().of(me)) {
            // M5: what this node said counts for nothing any more, and what it holds may be gone elsewhere.
            (stored, known) if is_over => {
                tracing::warn!(
                    "the others gave this node up: it begins anew, and everything is copied again"
                );
                let number = |life: Life| life.life.number;
                let stored_life = stored.as_ref().map_or(0, |stored| number(stored.life));
                let held = stored.map_or(ArcSet::ALL, |stored| stored.held);
                self.new_life(stored_life.max(known.map_or(0, number)), held)
            }
            // This very start is known.
            (Some(stored), Some(known)) if self.peers.is_known() && stored.life == known => return Ok(true),
            (Some(stored), None) if !is_older => self.next_start(stored),
            (Some(stored), Some(known)) if !is_older && is_before(known, stored.life) => {
                self.next_start(stored)
            }
            (Some(stored), None) => self.new_life(stored.life.life.number, stored.held),
            (Some(stored), Some(known)) => {
                tracing::warn!(
                    "this store is an older copy than the cluster remembers: everything is compared again"
                );
                self.new_life(known.life.number.max(stored.life.life.number), stored.held)
            }
            (None, Some(known)) => {
                tracing::warn!(
                    "this store is empty although the cluster remembers this node: it is filled again"
                );
                self.new_life(known.life.number, ArcSet::ALL)
            }
            (None, None) => self.first_life(&layout)?,
        };
        let life = standing.life;
        let has_returned = is_over || standing.has_returned;
        let standing = Standing { has_returned, ..standing };
        self.stand(standing, |_| Ok(())).await?;
        self.change_layout(cluster, move |layout| layout.with_life(me, life)).await?;
        Ok(true)
    }

    /// Whether all other storage nodes that remain are there and answer for all that they own, and no other one that was
    /// given up comes back at the same time: two that lack something would wait for each other.
    fn others_are_whole(&self, cluster: &ClusterState, layout: &Layout) -> bool {
        let (me, given_up) = (self.peers.me(), layout.given_up());
        let is_first = given_up.iter().filter(|node| self.peers.is_up(**node)).min() == Some(&me);
        let storage = layout.in_force().flat_map(|version| layout.remaining_storage(version));
        is_first && storage.filter(|node| *node != me).all(|node| cluster.is_whole(node))
    }

    /// Whether this node came back, counts nowhere yet, and waits for another one that is not whole and comes before it:
    /// that one may wait for this one. They began before they saw each other.
    fn is_in_the_way(&self, cluster: &ClusterState, layout: &Layout) -> bool {
        let standing = self.standing();
        if !standing.has_returned || !standing.taking_part.is_empty() {
            return false;
        }
        let me = self.peers.me();
        let storage = layout.in_force().flat_map(|version| layout.remaining_storage(version));
        let comes_first = |node: &NodeId| *node < me && self.peers.is_up(*node);
        storage.filter(comes_first).any(|node| cluster.says_it_is_behind(node))
    }

    /// Gives this node up once more, if it is in the way of another one; whether it did. Nothing is lost by it: what it
    /// said in the life before was given up, and in this one it counts nowhere. It begins anew when that one is whole.
    pub(super) async fn step_back(
        self: &Arc<Self>,
        cluster: &Arc<ClusterState>,
        layout: &Layout,
    ) -> Result<bool, ModelError> {
        let me = self.peers.me();
        if !self.is_in_the_way(cluster, layout) || layout.step_back(me).is_err() {
            return Ok(false);
        }
        tracing::warn!("another node that was given up came back, too: it is filled before this one");
        let step_back = move |layout: &Layout| layout.step_back(me).unwrap_or_else(|_| layout.clone());
        self.change_layout(cluster, step_back).await?;
        Ok(true)
    }

    /// Whether this start is so young that links to the other members may only be on their way: each of them may be the
    /// one who knows better what this store had come to.
    fn waits_for_others(&self) -> bool {
        let is_young = self.env.clock.mono().saturating_sub(self.growth.opened) < WAIT_FOR_OTHERS;
        let placement = self.peers.placement();
        !self.peers.is_known() && is_young && !placement.members().iter().all(|node| self.peers.is_up(*node))
    }

    /// Whether some other node heard of a mark of this store that lies above where the store begins: it is a copy of
    /// before then.
    async fn is_older_than_told(self: &Arc<Self>) -> bool {
        let me = self.peers.me();
        let mut asked = self.ask_each(&self.peers.others_up(), &AskMark { of: me }, READ_LIMIT);
        let mut told = 0;
        while let Some((_, answer)) = asked.next().await {
            told = answer.map_or(told, |answer| told.max(answer.reply));
        }
        told > self.store.first_mark()
    }

    fn next_start(&self, stored: Standing) -> Standing {
        let start = self.count(stored.life.start.number + 1);
        Standing { life: Life { start, ..stored.life }, ..stored }
    }

    /// Nothing that an earlier life said counts: this node takes part nowhere until it has recovered.
    fn new_life(&self, last: u32, held: ArcSet) -> Standing {
        let life = Life { life: self.count(last + 1), start: self.count(1) };
        Standing { life, held, stale: held, ..Standing::default() }
    }

    /// A node that nobody has heard of: what it owns by a first version it owns from the beginning, and so it
    /// does what it stored before lives were counted.
    fn first_life(&self, layout: &Layout) -> Result<Standing, ModelError> {
        let is_first = layout.newest().number <= 1 || self.peers.is_alone() || self.has_rows()?;
        let owned = if is_first { owned_now(layout, self.peers.me()) } else { ArcSet::EMPTY };
        Ok(Standing {
            taking_part: owned,
            held: owned,
            stale: ArcSet::EMPTY,
            ..self.new_life(0, ArcSet::EMPTY)
        })
    }

    fn count(&self, number: u32) -> Count {
        Count { number, mark: u64::from_le_bytes(random_array(self.env.rng.as_ref())) }
    }

    fn has_rows(&self) -> Result<bool, ModelError> {
        let view = self.store.view()?;
        let mut found = false;
        for space in [Space::Object, Space::Version, Space::BlockRef, Space::Upload] {
            view.scan(space, Bound::Unbounded, Bound::Unbounded, &mut |_, _| {
                found = true;
                ControlFlow::Break(())
            })?;
        }
        Ok(found)
    }

    /// Takes in what another member knows of the layout, and so of this node. A cluster that keeps one copy
    /// has nobody to ask.
    async fn hear_a_member(&self, cluster: &Arc<ClusterState>) -> bool {
        let layout = cluster.layout();
        let me = self.peers.me();
        let copies = |version: &Arc<cluster::layout::Version>| version.quorum();
        let members: Vec<NodeId> = self.peers.placement().members().into_iter().collect();
        if members.iter().all(|member| *member == me) || layout.in_force().map(copies).max().unwrap_or(1) < 2
        {
            return true;
        }
        let Some(membership) = cluster.membership() else { return false };
        for node in self.peers.others_up() {
            if membership.learn_layout(node).await {
                return true;
            }
        }
        false
    }
}
