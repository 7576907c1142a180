//! A layout version on its way: who has copied and compared how much, what is left, and until when.

use super::copying::{Copying, word};
use super::{AdminApi, wire};
use base::NodeId;
use cluster::layout::{ArcSet, Layout, Version};
use std::collections::BTreeMap;

/// The arcs that a node has to do with: all of them, and those that are done.
struct Progress {
    wanted: ArcSet,
    done: ArcSet,
}

impl Progress {
    fn of(layout: &Layout, version: &Version, node: NodeId) -> Self {
        let is_joint = layout.joint().is_some();
        let is_wanted = |arc: u16| match is_joint {
            true => !layout.is_unmoved(arc),
            false => !layout.newest().assignment.owners(arc).contains(&node),
        };
        let is_done = |arc: u16| match is_joint {
            true => layout.has_completed(node, arc),
            false => layout.has_filled(node, arc),
        };
        let owned = |arc: u16| version.assignment.owners(arc).contains(&node);
        let wanted = ArcSet::of(|arc| owned(arc) && is_wanted(arc));
        Self { wanted, done: ArcSet::of(|arc| wanted.contains(arc) && is_done(arc)) }
    }
}

/// What a node has still to copy for a version that its nodes are being filled for; none: nobody knows.
pub(super) fn bytes_left(known: &Copying, layout: &Layout, version: &Version, node: NodeId) -> Option<u64> {
    let Progress { wanted, done } = Progress::of(layout, version, node);
    known.bytes_left((node, version.number), (&wanted, &done))
}

/// Whether data is copied for a version that is coming; once it is in force beside the older one, copies are compared.
pub(super) fn is_filling(layout: &Layout) -> bool {
    layout.coming().is_some() && layout.joint().is_none()
}

/// What is known of the version that is coming, if there is one.
pub(super) async fn coming_body(api: &AdminApi, layout: &Layout) -> Option<wire::ComingVersion> {
    let known = if is_filling(layout) { Copying::look(api).await } else { Copying::default() };
    coming_by(api, layout, &known)
}

/// The same by what is known of bytes and rates.
pub(super) fn coming_by(api: &AdminApi, layout: &Layout, known: &Copying) -> Option<wire::ComingVersion> {
    let version = layout.coming()?;
    let nodes = version.storage_nodes().map(|(node, _)| (*node, Progress::of(layout, version, *node)));
    let nodes: BTreeMap<NodeId, Progress> = nodes.collect();
    let now = api.model.env().clock.wall().millis();
    let lacking = api.cluster.refilling_nodes();
    let body = |left: BTreeMap<NodeId, u64>| wire::ComingVersion {
        version: version.number,
        stage: if layout.joint().is_some() { "completing" } else { "filling" }.to_owned(),
        nodes: nodes.iter().map(|(node, progress)| node_body((*node, progress), &left, &lacking)).collect(),
        ..wire::ComingVersion::default()
    };
    let mut coming = if layout.joint().is_some() {
        // What is left is comparing: nobody knows its rate.
        body(BTreeMap::new())
    } else {
        let left = |(node, Progress { wanted, done }): (&NodeId, &Progress)| {
            Some((*node, known.bytes_left((*node, version.number), (wanted, done))?))
        };
        let left: BTreeMap<NodeId, u64> = nodes.iter().filter_map(left).collect();
        let estimate = known.estimate(&left, layout.current().storage_nodes().count());
        wire::ComingVersion {
            bytes_left: (left.len() == nodes.len()).then(|| left.values().sum()),
            seconds_left: estimate.map(|estimate| estimate.seconds),
            bytes_per_second: estimate.map(|estimate| estimate.rate),
            basis: estimate.map(|estimate| word(estimate.basis).to_owned()),
            ..body(left)
        }
    };
    coming.until = coming.seconds_left.map(|seconds| end_of(now, seconds));
    Some(coming)
}

/// When something ends that takes so long from now on.
pub(super) fn end_of(now_ms: u64, seconds: u64) -> String {
    crate::dates::iso8601_ms(now_ms.saturating_add(seconds.saturating_mul(1000)))
}

fn node_body(
    (node, progress): (NodeId, &Progress),
    left: &BTreeMap<NodeId, u64>,
    lacking: &BTreeMap<NodeId, u64>,
) -> wire::ComingNode {
    wire::ComingNode {
        id: node.to_string(),
        done: progress.done.len() as u64,
        wanted: progress.wanted.len() as u64,
        bytes_left: left.get(&node).copied(),
        blocks_lacking: lacking.get(&node).copied(),
    }
}
