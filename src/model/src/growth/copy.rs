//! Copying arcs from other nodes, whole: passes of `sync`, and what they could not take decided. Most arcs of a small
//! cluster hold nothing: one comparison of all digests tells which ones need a pass at all, and in which tables.

use super::together::look_together;
use crate::sync::{ARCS_TOGETHER, Differing, Manner};
use crate::{Model, ModelError};
use base::{NodeId, Stamp};
use cluster::layout::ArcSet;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use table::digest::arc_of;

/// Passes side by side.
const PASSES_AT_ONCE: usize = 8;

/// A node that can be copied from.
pub(super) struct Source {
    /// The arcs that it answers for.
    answers: ArcSet,
    /// Where it holds other rows than this node.
    differs: Differing,
}

/// All of them.
pub(super) type Sources = BTreeMap<NodeId, Source>;

/// Whether an arc is copied before every block that it calls for has a file here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    /// It is not: others drop theirs when it is (rule K8).
    Wanted,
    /// It is: nobody drops anything for it.
    Later,
}

/// Whom an arc is compared with: so many of these nodes, the first ones first.
pub(super) struct Wanted {
    pub from: Vec<NodeId>,
    pub count: usize,
}

impl Model {
    /// Which of these nodes answer under the view of this one, and where they differ from it.
    pub(super) async fn sources(self: &Arc<Self>, clocks: &BTreeMap<NodeId, (Stamp, ArcSet)>) -> Sources {
        let others = clocks.iter().filter(|(node, _)| **node != self.peers.me());
        let looks = others.map(|(node, (_, answers))| async move {
            let differs = self.differing_from(*node).await.ok()?;
            Some((*node, Source { answers: *answers, differs }))
        });
        futures_util::future::join_all(looks).await.into_iter().flatten().collect()
    }

    /// Has everything of these arcs that so many of their nodes hold; adds each arc to those that are done when that is
    /// so. What cannot be had now is left.
    pub(super) async fn copy_all(
        self: &Arc<Self>,
        mut wanted: BTreeMap<u16, Wanted>,
        sources: &Sources,
        (manner, files): (Manner, Files),
        done: &Mutex<ArcSet>,
    ) {
        take_done(&mut wanted, done);
        loop {
            let round = next_round(&mut wanted, sources);
            if round.is_empty() {
                return;
            }
            let groups = round.into_iter().flat_map(|(node, arcs)| groups(node, &arcs, sources));
            let passes = groups.map(|(node, arcs, due)| async move {
                let copied = self.copy_from(node, (arcs, &due), manner).await;
                copied.unwrap_or_else(|error| later(&error))
            });
            let passes = futures_util::stream::iter(passes).buffer_unordered(PASSES_AT_ONCE);
            let look = |arcs| async move {
                match files {
                    Files::Wanted => self.with_files(arcs).await.unwrap_or_else(|error| later(&error)),
                    Files::Later => arcs,
                }
            };
            let copied = |arcs: ArcSet| {
                for arc in arcs.iter() {
                    wanted.entry(arc).and_modify(|wanted| wanted.count -= 1);
                }
                take_done(&mut wanted, done);
            };
            look_together(self.env.clock.as_ref(), passes, look, copied).await;
        }
    }

    /// One pass against one node: of the arcs that come back everything that the node held there as the pass began is
    /// held here, or something newer.
    async fn copy_from(
        self: &Arc<Self>,
        from: NodeId,
        (arcs, due): (ArcSet, &Differing),
        manner: Manner,
    ) -> Result<ArcSet, ModelError> {
        let mut undecided = ArcSet::EMPTY;
        for refused in self.pull_arcs(from, due, manner).await?.refused {
            let arc = arc_of(&refused.row_key);
            if !self.decide_refused(refused).await {
                undecided.insert(arc);
            }
        }
        Ok(arcs.without(&undecided))
    }
}

fn later(error: &ModelError) -> ArcSet {
    tracing::debug!(%error, "some arcs are copied later");
    ArcSet::EMPTY
}

/// Moves the arcs that need no more nodes to those that are done.
fn take_done(wanted: &mut BTreeMap<u16, Wanted>, done: &Mutex<ArcSet>) {
    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
    wanted.retain(|arc, wanted| {
        if wanted.count == 0 {
            done.insert(*arc);
        }
        wanted.count > 0
    });
}

/// The next node of each arc that answers for it; those that have none are left out.
fn next_round(wanted: &mut BTreeMap<u16, Wanted>, sources: &Sources) -> BTreeMap<NodeId, ArcSet> {
    let mut round: BTreeMap<NodeId, ArcSet> = BTreeMap::new();
    for (arc, wanted) in wanted {
        let answers = |node: &NodeId| sources.get(node).is_some_and(|source| source.answers.contains(*arc));
        let Some(place) = wanted.from.iter().position(answers) else {
            wanted.from.clear();
            continue;
        };
        if let Some(node) = wanted.from.drain(..=place).next_back() {
            round.entry(node).or_default().insert(*arc);
        }
    }
    round
}

/// Arcs to copy from a node, in groups for a pass each, with what the pass is for: nothing for the first group, in
/// which nothing differs.
fn groups(node: NodeId, arcs: &ArcSet, sources: &Sources) -> Vec<(NodeId, ArcSet, Differing)> {
    let Some(source) = sources.get(&node) else { return Vec::new() };
    let due = source.differs.within(arcs);
    let mut groups = vec![(node, arcs.without(&due.arcs()), Differing::default())];
    groups.extend(due.in_groups(ARCS_TOGETHER).into_iter().map(|due| (node, due.arcs(), due)));
    groups
}
