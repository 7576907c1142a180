//! Filling: a candidate gives this node arcs, and it copies them while it answers for nothing.
//!
//! What is copied here counts nowhere until the version is in force; then `join` compares it with a quorum.
//! Rows that were copied for another candidate, or belong to an arc that this node left long ago, are dropped
//! first (rule T6).

use super::Step;
use super::copy::{Files, Wanted};
use crate::rows::standing::Standing;
use crate::sync::{Manner, Pace, Taking};
use crate::{Model, ModelError};
use base::NodeId;
use cluster::ClusterState;
use cluster::layout::{ArcSet, Layout, Version};
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often it is said how far the copying is.
const TELL_INTERVAL: Duration = Duration::from_secs(2);

impl Model {
    /// Copies what the candidate gives this node, until a change of the layout makes it stop.
    pub(super) async fn fill(
        self: &Arc<Self>,
        cluster: &Arc<ClusterState>,
        layout: &Layout,
        candidate: &Version,
    ) -> Result<Step, ModelError> {
        let me = self.peers.me();
        let mark = candidate.mark();
        let gained =
            ArcSet::of(|arc| !layout.has_filled(me, arc) && candidate.assignment.owners(arc).contains(&me));
        if gained.is_empty() {
            return Ok(Step::Idle);
        }
        self.begin_filling(mark, &gained).await?;
        self.copy_rate.count_for(mark.0);
        self.copy_names(layout, 1).await?;
        tracing::info!(
            arcs = gained.len(),
            version = mark.0,
            "copying what a new layout version gives this node"
        );
        let clocks = self.clocks_of_current(layout, Some(mark)).await?;
        let sources = self.sources(&clocks).await;
        let owners = |arc: u16| self.nearest(layout.current().assignment.owners(arc));
        let wanted = gained.iter().map(|arc| (arc, Wanted { from: owners(arc), count: 1 })).collect();
        let manner = Manner { pace: Pace::GENTLE, taking: Taking::Newest };
        let filled = Mutex::new(layout.steps_of(me).filled);
        let so_far = || *filled.lock().unwrap_or_else(PoisonError::into_inner);
        let telling = async {
            loop {
                env::sleep(TELL_INTERVAL).await;
                if self.tell(cluster, mark, (so_far(), ArcSet::EMPTY)).await?.is_none() {
                    // Another candidate, or none.
                    return Ok::<_, ModelError>(());
                }
            }
        };
        let copying = self.copy_all(wanted, &sources, (manner, Files::Wanted), &filled);
        let is_other = match select(pin!(telling), pin!(copying)).await {
            Either::Left((ended, _)) => Some(ended),
            Either::Right(_) => None,
        };
        self.keep_copy_speed().await;
        if let Some(ended) = is_other {
            return ended.map(|()| Step::Unfinished);
        }
        self.tell(cluster, mark, (so_far(), ArcSet::EMPTY)).await?;
        Ok(if gained.without(&so_far()).is_empty() { Step::Idle } else { Step::Unfinished })
    }

    /// Says what this node has done for the coming version; `None` when another one is coming now.
    pub(super) async fn tell(
        &self,
        cluster: &Arc<ClusterState>,
        mark: (u64, base::Stamp),
        said: (ArcSet, ArcSet),
    ) -> Result<Option<()>, ModelError> {
        let me = self.peers.me();
        let changed = self.change_layout(cluster, move |layout| layout.with_steps(me, mark, said)).await?;
        let is_coming = changed.coming().is_some_and(|coming| coming.mark() == mark);
        Ok(is_coming.then_some(()))
    }

    /// T6: nothing of before lies in the arcs to fill.
    async fn begin_filling(
        self: &Arc<Self>,
        mark: (u64, base::Stamp),
        gained: &ArcSet,
    ) -> Result<(), ModelError> {
        let standing = self.standing();
        if standing.filling == Some(mark) {
            return Ok(());
        }
        self.drop_arcs(&gained.without(&standing.taking_part)).await?;
        let standing = self.standing();
        let held = standing.held.union(gained);
        self.stand(Standing { filling: Some(mark), held, ..(*standing).clone() }, |_| Ok(())).await
    }

    /// These nodes but this one, the nearest first, without those that cannot be asked now.
    pub(super) fn nearest(&self, nodes: &[NodeId]) -> Vec<NodeId> {
        let me = self.peers.me();
        let mut others: Vec<NodeId> =
            nodes.iter().copied().filter(|node| *node != me && self.peers.is_up(*node)).collect();
        others.sort_by_key(|node| self.peers.distance(*node));
        others
    }

    /// Makes the small tables here like those of so many members of the version in force.
    pub(super) async fn copy_names(
        self: &Arc<Self>,
        layout: &Layout,
        wanted: usize,
    ) -> Result<(), ModelError> {
        let members: Vec<NodeId> = layout.remaining_members().into_iter().collect();
        let mut compared = usize::from(members.contains(&self.peers.me()));
        for node in self.nearest(&members) {
            if compared >= wanted {
                break;
            }
            compared += usize::from(self.compare_names(node).await.is_ok());
        }
        if compared >= wanted { Ok(()) } else { Err(ModelError::Unavailable) }
    }
}
