//! How this node comes to answer for arcs of the ring, and stops: a layout change, and lost memory.
//!
//! The rules are those of `doc/decisions/0003-layout-change-and-memory.md`, sections 3 to 5. One task looks
//! at the layout and does what is due, arc by arc:
//!
//! - a candidate that gives this node arcs: *fill* them with rows and blocks from their owners (`fill`);
//! - a candidate that a quorum of every set has filled: have it chosen;
//! - two versions in force: take part in new arcs from the floor on, and make each copy *complete* (`join`);
//! - a quorum of every set complete: retire the older version;
//! - an arc that this node owns and cannot answer for, since it lost its memory or came late: *recover*;
//! - rows of arcs that are neither owned nor coming: drop them (`empty`).
//!
//! What always holds: this node answers for an arc only when it knows everything that was answered for it
//! before (`Peers::takes_part`), and says of itself what is durable here.

mod begin;
mod copy;
mod empty;
mod files;
mod fill;
mod join;
mod messages;
mod standing;
mod together;

pub(crate) use messages::{AskClock, AskMark, TellMarks};
pub(crate) use standing::Growth;

use crate::replicas::READ_LIMIT;
use crate::{Model, ModelError};
use base::NodeId;
use cluster::ClusterState;
use cluster::layout::{ArcSet, Layout, Version, arcs};
use env::Task;
use std::sync::Arc;
use std::time::Duration;

/// How soon unfinished work is looked at again, at first; twice as late each time, until something changes.
const AGAIN_SOON: Duration = Duration::from_millis(250);
/// How long the task sleeps when nothing is due; a change of the layout wakes it.
const IDLE: Duration = Duration::from_secs(5);
/// How often marks are stored, where nothing else was written since, and told: what a store came to in the last so
/// many seconds may not be remembered if whoever heard of it restarts or is away.
const SPREAD_EVERY: Duration = Duration::from_secs(5);

/// Whether anything is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Idle,
    Unfinished,
}

impl Model {
    /// Follows the layout, and keeps and spreads how far stores have come; ends when the task is dropped. Nothing is
    /// done for a layout that never changes.
    pub fn spawn_growth(self: &Arc<Self>) -> Task<()> {
        let model = Arc::clone(self);
        self.env.tasks.spawn(async move {
            let Some(cluster) = model.peers.cluster().cloned() else { return };
            futures_util::future::join(model.follow_layout(&cluster), model.spread_marks()).await;
        })
    }

    async fn follow_layout(self: &Arc<Self>, cluster: &Arc<ClusterState>) {
        let mut changes = cluster.layout_changes();
        let mut soon = AGAIN_SOON;
        loop {
            changes.mark_unchanged();
            let pause = match self.grow(cluster).await {
                Ok(Step::Idle) => IDLE,
                Ok(Step::Unfinished) => soon,
                Err(error) => {
                    tracing::debug!(%error, "following the layout goes on later");
                    soon
                }
            };
            // A change of the layout ends the pause.
            let has_changed = env::timeout(pause, changes.changed()).await.is_some();
            soon = if has_changed || pause == IDLE { AGAIN_SOON } else { (pause * 2).min(IDLE / 2) };
        }
    }

    /// Stores how far the others' stores have come, and tells the other members, every now and then.
    async fn spread_marks(self: &Arc<Self>) {
        loop {
            env::sleep(SPREAD_EVERY).await;
            if let Err(error) = self.store.keep_marks().await {
                tracing::debug!(%error, "how far others' stores had come is stored later");
            }
            let marks = self.store.marks().of.into_iter().collect();
            // Nobody waits for the answers: who does not hear it now hears it the next time.
            drop(self.ask_each(&self.peers.others_up(), &TellMarks { marks }, READ_LIMIT));
        }
    }

    /// Does what is due by the layout as it is now.
    async fn grow(self: &Arc<Self>, cluster: &Arc<ClusterState>) -> Result<Step, ModelError> {
        let layout = cluster.layout();
        let me = self.peers.me();
        if self.peers.is_alone() && layout.coming().is_none() {
            self.peers.set_taking_part(ArcSet::ALL);
            cluster.set_behind(0);
            return Ok(Step::Idle);
        }
        if layout.with_knowledge_of(me).is_some() {
            // It is on disk here: requests that do not know of it are refused from now on.
            let knows = move |layout: &Layout| layout.with_knowledge_of(me).unwrap_or_else(|| layout.clone());
            self.change_layout(cluster, knows).await?;
        }
        if !is_concerned(&layout, me) {
            // Who owns nothing any more is behind with nothing, whatever it owned when it started.
            self.tell_behind(cluster);
            return self.drop_unowned(&layout).await;
        }
        if !self.has_begun(&layout) && !self.begin(cluster).await? {
            if layout.is_given_up(me) {
                // It answers for nothing until it is filled again.
                cluster.set_behind(owned_now(&layout, me).len());
            }
            return Ok(Step::Unfinished);
        }
        if self.step_back(cluster, &layout).await? {
            return Ok(Step::Unfinished);
        }
        let mut step = self.recover(&layout).await?;
        if let Some(candidate) = layout.next() {
            self.fill(cluster, &layout, candidate).await?;
            self.choose(cluster).await;
            step = Step::Unfinished;
        } else if let Some(joint) = layout.joint() {
            self.join_arcs(&layout, joint).await?;
            self.tell_behind(cluster);
            self.complete(cluster, &layout, joint).await?;
            self.retire(cluster).await?;
            step = Step::Unfinished;
        } else if self.drop_unowned(&layout).await? == Step::Unfinished {
            step = Step::Unfinished;
        }
        self.tell_behind(cluster);
        Ok(step)
    }

    /// Says how many of the arcs that this node owns by any version in force it does not answer for.
    pub(super) fn tell_behind(&self, cluster: &ClusterState) {
        cluster.set_behind(self.peers.arcs_behind().len());
    }

    /// Has the candidate chosen, if a quorum of every set has filled. What this node decides alone ends first.
    async fn choose(self: &Arc<Self>, cluster: &Arc<ClusterState>) {
        let layout = cluster.layout();
        let Some(candidate) = layout.ready_candidate() else { return };
        // A quorum is enough, so that a new node that died holds up nothing; one that is there and still copies
        // is waited for, since later it would have to recover.
        let is_behind =
            |node: &NodeId| arcs().any(|arc| owns(candidate, *node, arc) && !layout.has_filled(*node, arc));
        if layout.remaining_storage(candidate).any(|node| self.peers.is_up(node) && is_behind(&node)) {
            return;
        }
        // Requests wait from here on, so nothing that needs the disk comes after.
        let ready = async { if self.peers.is_alone() { Some(self.peers.end_alone().await) } else { None } };
        cluster.choose_next(&self.env.tasks, ready).await;
    }

    /// Retires the older of two versions, once a quorum of every new set is complete.
    async fn retire(self: &Arc<Self>, cluster: &Arc<ClusterState>) -> Result<(), ModelError> {
        let layout = cluster.layout();
        let (Some(_), Some(joint)) = (layout.retired(), layout.joint()) else { return Ok(()) };
        // Whoever was away when the version was chosen has not filled its arcs: it recovers them afterwards.
        let can_complete = |node: NodeId, arc: u16| {
            owns(layout.current(), node, arc) || layout.steps_of(node).filled.contains(arc)
        };
        let is_behind = |node: &NodeId| {
            arcs().any(|arc| {
                owns(joint, *node, arc) && can_complete(*node, arc) && !layout.has_completed(*node, arc)
            })
        };
        if layout.remaining_storage(joint).any(|node| self.peers.is_up(node) && is_behind(&node)) {
            return Ok(());
        }
        let changed =
            self.change_layout(cluster, |layout| layout.retired().unwrap_or_else(|| layout.clone())).await?;
        tracing::info!(version = changed.current().number, "the layout change is complete");
        Ok(())
    }

    async fn change_layout(
        &self,
        cluster: &Arc<ClusterState>,
        change: impl FnOnce(&Layout) -> Layout + Send + 'static,
    ) -> Result<Arc<Layout>, ModelError> {
        let state = Arc::clone(cluster);
        let changed =
            self.env.tasks.blocking(move || state.change_layout(|layout, _| Ok(change(layout)))).await;
        changed.map_err(|error| {
            tracing::warn!(%error, "the layout is not stored; it will be tried again");
            ModelError::Unavailable
        })
    }
}

/// Whether a node stores anything by a version in force, or by the one that is coming.
fn is_concerned(layout: &Layout, node: NodeId) -> bool {
    let stores = |version: &Version| version.storage_nodes().any(|(other, _)| *other == node);
    layout.in_force().any(|version| stores(version)) || layout.coming().is_some_and(stores)
}

/// Whether a node owns an arc by a version.
fn owns(version: &Version, node: NodeId, arc: u16) -> bool {
    version.assignment.owners(arc).contains(&node)
}

/// Arcs that a node owns by the older version in force.
fn owned_now(layout: &Layout, node: NodeId) -> ArcSet {
    ArcSet::of(|arc| layout.current().assignment.owners(arc).contains(&node))
}

/// Arcs that a node owns by any version in force, or may come to own.
fn owned_or_coming(layout: &Layout, node: NodeId) -> ArcSet {
    let versions = || layout.in_force().map(AsRef::as_ref).chain(layout.next());
    let mut owned = ArcSet::EMPTY;
    for arc in arcs()
        .filter(|arc| versions().any(|version: &Version| version.assignment.owners(*arc).contains(&node)))
    {
        owned.insert(arc);
    }
    owned
}
