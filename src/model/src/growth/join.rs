//! Two versions are in force: taking part in new arcs, and completing the copies (rules L3 to L5).
//!
//! A member that is new to an arc takes part in it once it has its *floor*: the highest clock of a quorum of
//! the older set, asked for under the view of both versions. Then each member of the new set compares the arc
//! with a quorum of the older set, itself counted. Where one node is that quorum, what it holds is taken as it is;
//! otherwise each key on which anybody differs is read as a client reads it, which makes the sets agree.

use super::copy::{Files, Wanted};
use super::{AskClock, Step, owned_now};
use crate::replicas::{READ_LIMIT, Reply};
use crate::rows::standing::Standing;
use crate::sync::{Manner, Pace, Taking};
use crate::{Model, ModelError, graves};
use base::{NodeId, Stamp};
use cluster::ClusterState;
use cluster::layout::{ArcSet, Layout, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

impl Model {
    /// Takes part in the arcs that this node has filled and that are new to it.
    pub(super) async fn join_arcs(
        self: &Arc<Self>,
        layout: &Layout,
        joint: &Version,
    ) -> Result<(), ModelError> {
        let me = self.peers.me();
        let standing = self.standing();
        let filled = layout.steps_of(me).filled;
        let given = joint.assignment.gained(&layout.current().assignment, me);
        let arcs =
            ArcSet::of(|arc| given.contains(arc) && filled.contains(arc)).without(&standing.taking_part);
        if arcs.is_empty() {
            return Ok(());
        }
        let clocks = self.clocks_of_current(layout, None).await?;
        let floor = clocks.values().map(|(clock, _)| *clock).max().unwrap_or(Stamp::ZERO);
        let is_heard = |arc: u16| {
            let answers = |node: NodeId| clocks.get(&node).is_some_and(|(_, arcs)| arcs.contains(arc));
            layout.is_quorum(layout.current(), arc, answers)
        };
        let arcs = ArcSet::of(|arc| arcs.contains(arc) && is_heard(arc));
        self.take_part(arcs, floor).await
    }

    /// From now on this node answers for these arcs, for nothing at or below the floor.
    pub(super) async fn take_part(&self, arcs: ArcSet, floor: Stamp) -> Result<(), ModelError> {
        let standing = self.standing();
        let (taking_part, held) = (standing.taking_part.union(&arcs), standing.held.union(&arcs));
        let raise = move |txn: &mut store::Txn<'_>| {
            arcs.iter().try_for_each(|arc| graves::raise_floor(txn, arc, floor)).map_err(ModelError::from)
        };
        self.store.observe(floor).await?;
        self.stand(Standing { taking_part, held, ..(*standing).clone() }, raise).await
    }

    /// The clocks of the storage nodes of the older version in force that remain, and that know of this candidate.
    pub(super) async fn clocks_of_current(
        self: &Arc<Self>,
        layout: &Layout,
        candidate: Option<(u64, Stamp)>,
    ) -> Result<BTreeMap<NodeId, (Stamp, ArcSet)>, ModelError> {
        self.clocks_of(layout.remaining_storage(layout.current()), candidate).await
    }

    /// The clocks of those of these nodes that answer under the view of this one, and for which arcs they do.
    async fn clocks_of(
        self: &Arc<Self>,
        nodes: impl Iterator<Item = NodeId>,
        candidate: Option<(u64, Stamp)>,
    ) -> Result<BTreeMap<NodeId, (Stamp, ArcSet)>, ModelError> {
        let nodes: Vec<NodeId> = nodes.collect();
        let request = AskClock { view: self.peers.view(), candidate };
        let mut asked = self.ask_each(&nodes, &request, READ_LIMIT);
        let mut clocks = BTreeMap::new();
        while let Some((member, answer)) = asked.next().await {
            if let Ok(Reply::Done(clock)) = answer.map(|answer| answer.reply) {
                clocks.insert(nodes[member], clock);
            }
        }
        Ok(clocks)
    }

    /// Completes the arcs that this node owns by the newer version.
    pub(super) async fn complete(
        self: &Arc<Self>,
        cluster: &Arc<ClusterState>,
        layout: &Layout,
        joint: &Version,
    ) -> Result<(), ModelError> {
        let me = self.peers.me();
        let said = layout.steps_of(me);
        let taking_part = self.standing().taking_part;
        let is_due = |arc: u16| {
            !layout.is_unmoved(arc) && joint.assignment.owners(arc).contains(&me) && taking_part.contains(arc)
        };
        let due = ArcSet::of(is_due).without(&said.complete);
        if due.is_empty() {
            return Ok(());
        }
        self.copy_names(layout, layout.remaining_members().len() / 2 + 1).await?;
        // Whoever told its clock under the view of both versions has all that came before on its disk.
        let clocks = self.clocks_of_current(layout, None).await?;
        let sources = self.sources(&clocks).await;
        let current = layout.current();
        // A quorum of the older set, this node counted.
        let wanted_of = |arc: u16| {
            let owners: Vec<NodeId> = layout.remaining(current, arc).collect();
            let quorum = layout.quorum_of(current, arc);
            let count = quorum.saturating_sub(usize::from(owners.contains(&me)));
            (arc, Wanted { from: self.nearest(&owners), count })
        };
        let taking = if current.quorum() == 1 { Taking::Newest } else { Taking::Agreed };
        let manner = Manner { pace: Pace::EAGER, taking };
        let complete = Mutex::new(said.complete);
        let how = (manner, Files::Wanted);
        self.copy_all(due.iter().map(wanted_of).collect(), &sources, how, &complete).await;
        let complete = complete.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.tell(cluster, joint.mark(), (said.filled, complete)).await?;
        Ok(())
    }

    /// M3: what an earlier life left in these arcs goes, before anything is pulled. Files of blocks stay meanwhile: most are
    /// called for again.
    async fn drop_stale(self: &Arc<Self>, arcs: &[u16]) -> Result<(), ModelError> {
        let standing = self.standing();
        let stale = ArcSet::of(|arc| arcs.contains(&arc) && standing.stale.contains(arc));
        if stale.is_empty() {
            return Ok(());
        }
        self.drop_arcs(&stale).await?;
        let left = standing.stale.without(&stale);
        self.stand(Standing { stale: left, ..(*standing).clone() }, |_| Ok(())).await
    }

    /// Fills arcs that this node owns and does not answer for: its memory was lost (rule M2), or it came too
    /// late for the change. It takes part again once it has pulled from all other members that remain.
    pub(super) async fn recover(self: &Arc<Self>, layout: &Layout) -> Result<Step, ModelError> {
        let me = self.peers.me();
        let lost = owned_now(layout, me).without(&self.standing().taking_part);
        if lost.is_empty() {
            return Ok(Step::Idle);
        }
        // Of those who were given up nothing is asked (M5).
        let others_of = |arc: u16| -> BTreeSet<NodeId> {
            let owners = layout.in_force().flat_map(|version| layout.remaining(version, arc));
            owners.filter(|node| *node != me).collect()
        };
        let others: BTreeSet<NodeId> = lost.iter().flat_map(others_of).collect();
        let clocks = self.clocks_of(others.into_iter(), None).await?;
        let floor = clocks.values().map(|(clock, _)| *clock).max().unwrap_or(Stamp::ZERO);
        let answers = |node: &NodeId, arc: u16| clocks.get(node).is_some_and(|(_, arcs)| arcs.contains(arc));
        let can_be_whole = |arc: &u16| others_of(*arc).iter().all(|node| answers(node, *arc));
        let arcs: Vec<u16> = lost.iter().filter(can_be_whole).collect();
        if arcs.is_empty() {
            return Ok(Step::Unfinished);
        }
        self.drop_stale(&arcs).await?;
        tracing::info!(arcs = arcs.len(), "filling again what this node must answer for");
        self.copy_names(layout, layout.remaining_members().len() / 2 + 1).await?;
        let sources = self.sources(&clocks).await;
        let wanted_of = |arc: u16| {
            let from: Vec<NodeId> = others_of(arc).into_iter().collect();
            (arc, Wanted { count: from.len(), from })
        };
        let manner = Manner { pace: Pace::GENTLE, taking: Taking::Newest };
        let whole = Mutex::new(ArcSet::EMPTY);
        let how = (manner, Files::Later);
        self.copy_all(arcs.into_iter().map(wanted_of).collect(), &sources, how, &whole).await;
        let whole = whole.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.take_part(whole, floor).await?;
        let left = lost.without(&whole);
        Ok(if left.is_empty() { Step::Idle } else { Step::Unfinished })
    }
}
