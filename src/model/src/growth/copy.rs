//! Copying an arc from another node, whole: a pass of `sync`, and what it could not take decided. Most arcs of a small
//! cluster hold nothing: one comparison of all digests tells which ones need a pass at all.

use crate::sync::{Manner, Refusal};
use crate::tables::DIGESTED;
use crate::{Model, ModelError};
use base::{NodeId, Stamp};
use cluster::layout::ArcSet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nodes that can be copied from, each with the arcs that need a pass: those in which it holds other rows than
/// this node, or for which it does not answer.
pub(super) type Sources = BTreeMap<NodeId, ArcSet>;

impl Model {
    /// Which of these nodes answer under the view of this one, and where they differ from it.
    pub(super) async fn sources(self: &Arc<Self>, clocks: &BTreeMap<NodeId, (Stamp, ArcSet)>) -> Sources {
        let others = clocks.iter().filter(|(node, _)| **node != self.peers.me());
        let looks = others.map(|(node, (_, answers))| async move {
            (
                *node,
                self.differing_from(*node).await.map(|differs| differs.union(&ArcSet::ALL.without(answers))),
            )
        });
        let looked = futures_util::future::join_all(looks).await;
        looked.into_iter().filter_map(|(node, differs)| Some((node, differs.ok()?))).collect()
    }

    async fn differing_from(self: &Arc<Self>, node: NodeId) -> Result<ArcSet, ModelError> {
        let mut differs = ArcSet::EMPTY;
        for table in DIGESTED {
            self.differing_arcs(node, table).await?.into_iter().for_each(|arc| differs.insert(arc));
        }
        Ok(differs)
    }

    /// Has everything of an arc that a source holds, by a pass unless both are known to hold the same.
    pub(super) async fn copy_from(
        self: &Arc<Self>,
        (node, differs): (NodeId, &ArcSet),
        arc: u16,
        manner: Manner,
    ) -> Result<(), ModelError> {
        if differs.contains(arc) { self.copy_arc(node, arc, manner).await } else { Ok(()) }
    }

    /// One pass over an arc against one node. When it succeeds, everything that the node held there as the
    /// pass began is held here, or something newer.
    async fn copy_arc(self: &Arc<Self>, from: NodeId, arc: u16, manner: Manner) -> Result<(), ModelError> {
        let pulled = self.pull_arc(from, arc, manner).await?;
        for refused in pulled.refused {
            // A damaged row here is no copy of anything.
            if refused.why == Refusal::Damaged || !self.decide_refused(refused).await {
                return Err(ModelError::Unavailable);
            }
        }
        Ok(())
    }
}
