//! What is proven of the copies in each zone: partitions that its nodes answer for, blocks that are missing there, bytes
//! that are still to come.
//!
//! Each node says it of itself, and is believed only while it is in contact: what it said before it went is not known now.
//! What is not known is told as that, never as nothing.

use super::coming::{bytes_left, coming_by, end_of, is_filling};
use super::copying::Copying;
use super::{AdminApi, wire};
use base::NodeId;
use cluster::Node;
use cluster::layout::{Layout, Version, arcs};
use cluster::membership::BlockState;
use std::collections::BTreeMap;

/// What is coming and what is proven, by one look at bytes and rates.
pub(super) struct Outlook {
    /// The version that is coming.
    pub coming: Option<wire::ComingVersion>,
    /// Every zone, in the order of their names.
    pub zones: Vec<wire::ZoneCopies>,
}

/// What a node that is in contact says of its copies.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// Partitions that it keeps and does not answer for.
    behind: u64,
    /// None: it does not know.
    blocks_lacking: Option<u64>,
    blocks: BlockState,
}

/// A storage node: the partitions it keeps, and what it says of them.
struct Keeper {
    copies: u64,
    told: Option<Told>,
}

impl Outlook {
    /// As it is now. What arcs hold is measured only where something is to be copied.
    pub async fn look(api: &AdminApi, layout: &Layout) -> Self {
        let nodes = api.cluster.nodes();
        let keepers: BTreeMap<NodeId, Keeper> = nodes
            .iter()
            .filter_map(|node| {
                let copies = copies_of(layout, node.id)?;
                Some((node.id, Keeper { copies, told: told_by(api, layout, node) }))
            })
            .collect();
        let is_behind = |told: &Told| told.behind > 0 || told.blocks_lacking.is_some_and(|blocks| blocks > 0);
        let known = match is_filling(layout)
            || keepers.values().filter_map(|keeper| keeper.told).any(|told| is_behind(&told))
        {
            true => Copying::look(api).await,
            false => Copying::default(),
        };
        let to_come: BTreeMap<NodeId, u64> = keepers
            .iter()
            .filter_map(|(node, keeper)| Some((*node, to_come(&known, layout, *node, keeper.told?)?)))
            .collect();
        let estimates = known.estimates(&to_come, layout.current().storage_nodes().count());
        let body = |node: &Node| {
            let keeper = keepers.get(&node.id)?;
            // Nothing comes to a node without a disk before it has one again.
            let takes_blocks = !keeper.told.is_some_and(|told| told.blocks.takes_none);
            let estimate = estimates.get(&node.id).filter(|_| takes_blocks);
            let seconds_left = estimate.map(|estimate| estimate.seconds);
            let figures = node_figures(keeper, layout.is_given_up(node.id), to_come.get(&node.id).copied());
            Some((zone_of(layout, node.id)?, wire::NodeCopies { seconds_left, ..named(node, figures) }))
        };
        let now = api.model.env().clock.wall().millis();
        let mut by_zone: BTreeMap<String, Vec<wire::NodeCopies>> = BTreeMap::new();
        nodes.iter().filter_map(body).for_each(|(zone, node)| by_zone.entry(zone).or_default().push(node));
        let zones = by_zone.into_iter().map(|(zone, nodes)| zone_body(zone, nodes, now)).collect();
        Self { coming: coming_by(api, layout, &known), zones }
    }
}

/// Every version that counts, or is on its way.
fn versions(layout: &Layout) -> impl Iterator<Item = &Version> {
    layout.next().into_iter().chain(layout.in_force().rev().map(AsRef::as_ref))
}

/// Partitions that a node keeps, or is given; none: it is no storage node.
fn copies_of(layout: &Layout, node: NodeId) -> Option<u64> {
    let stores = |version: &Version| version.storage_nodes().any(|(stored, _)| *stored == node);
    versions(layout).any(stores).then_some(())?;
    let keeps = |arc: &u16| versions(layout).any(|version| version.assignment.owners(*arc).contains(&node));
    Some(arcs().filter(keeps).count() as u64)
}

fn zone_of(layout: &Layout, node: NodeId) -> Option<String> {
    versions(layout).find_map(|version| version.roles.get(&node)).map(|role| role.zone.clone())
}

/// Partitions that a node is given by a version that does not count yet, and does not keep by one that does.
fn given(layout: &Layout, node: NodeId) -> u64 {
    let Some(next) = layout.next() else { return 0 };
    next.assignment.gained(&layout.newest().assignment, node).len() as u64
}

/// What a node says, if it can be asked.
fn told_by(api: &AdminApi, layout: &Layout, node: &Node) -> Option<Told> {
    let (given, uncompared) = (given(layout, node.id), layout.uncompared_arcs(node.id));
    let (behind, to_refill, blocks) = if node.id == api.cluster.id() {
        let (to_refill, blocks) = api.model.block_state();
        (api.cluster.behind(), to_refill, blocks)
    } else {
        let status = node.contact.as_ref().filter(|contact| contact.is_up)?.status.as_ref()?;
        (status.behind?, status.to_refill, status.blocks)
    };
    Some(Told {
        behind: behind.max(uncompared) + given,
        blocks_lacking: blocks.is_known.then(|| to_refill.unwrap_or(0)),
        blocks,
    })
}

/// Bytes that are still to be copied to a node; none: nobody knows.
fn to_come(known: &Copying, layout: &Layout, node: NodeId, told: Told) -> Option<u64> {
    let of_arcs = match layout.next().filter(|next| next.storage_nodes().any(|(stored, _)| *stored == node)) {
        Some(next) => bytes_left(known, layout, next, node)?,
        None if told.behind == 0 => 0,
        // Copies are compared: what differs is not known before.
        None if layout.joint().is_some() => return None,
        None => known.bytes_of_any(told.behind)?,
    };
    let of_blocks = match told.blocks_lacking? {
        0 => 0,
        _ => told.blocks.lacking_bytes?,
    };
    // Missing blocks of an arc that is being filled are part of what it holds.
    Some(of_arcs.max(of_blocks))
}

/// The figures of a node: those that it says, or that nothing is known.
fn node_figures(keeper: &Keeper, is_given_up: bool, bytes_to_come: Option<u64>) -> wire::NodeCopies {
    let copies = keeper.copies;
    // What was given up counts nowhere, whatever it holds.
    let proven_anyhow = is_given_up.then_some(0);
    let Some(told) = keeper.told else {
        return wire::NodeCopies { copies, copies_proven: proven_anyhow, ..wire::NodeCopies::default() };
    };
    let is_none_lacking = told.blocks_lacking == Some(0);
    wire::NodeCopies {
        copies,
        copies_proven: proven_anyhow.or(Some(copies.saturating_sub(told.behind))),
        blocks_lacking: told.blocks_lacking,
        blocks_lacking_is_exact: is_none_lacking || told.blocks.is_counted,
        bytes_lacking: if is_none_lacking { Some(0) } else { told.blocks.lacking_bytes },
        bytes_to_come,
        disks_gone: Some(told.blocks.disks_gone),
        ..wire::NodeCopies::default()
    }
}

fn named(node: &Node, figures: wire::NodeCopies) -> wire::NodeCopies {
    let silent =
        node.contact.as_ref().filter(|contact| !contact.is_up).and_then(|contact| contact.silent_for);
    wire::NodeCopies {
        id: node.id.to_string(),
        hostname: node.hostname.clone(),
        is_up: node.is_up,
        last_seen_secs_ago: silent.map(|silent| silent.as_secs()),
        ..figures
    }
}

/// The nodes of a zone together.
fn zone_body(zone: String, nodes: Vec<wire::NodeCopies>, now_ms: u64) -> wire::ZoneCopies {
    // A sum of which one part is not known is not known.
    let sum = |of: fn(&wire::NodeCopies) -> Option<u64>| {
        nodes.iter().map(of).try_fold(0, |sum: u64, part| Some(sum.saturating_add(part?)))
    };
    let unknown = nodes.iter().filter(|node| node.copies_proven.is_none());
    let copies_unknown = unknown.map(|node| node.copies).sum();
    let is_any_known = nodes.iter().any(|node| node.copies_proven.is_some());
    let seconds_left = nodes.iter().filter_map(|node| node.seconds_left).max();
    wire::ZoneCopies {
        zone,
        copies: nodes.iter().map(|node| node.copies).sum(),
        copies_proven: is_any_known.then(|| nodes.iter().filter_map(|node| node.copies_proven).sum()),
        copies_unknown,
        blocks_lacking: sum(|node| node.blocks_lacking),
        blocks_lacking_is_exact: nodes.iter().all(|node| node.blocks_lacking_is_exact),
        bytes_lacking: sum(|node| node.bytes_lacking),
        bytes_to_come: sum(|node| node.bytes_to_come),
        seconds_left,
        until: seconds_left.map(|seconds| end_of(now_ms, seconds)),
        nodes,
    }
}

#[cfg(test)]
mod tests;
