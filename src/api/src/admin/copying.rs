//! What a change of the layout copies to which node, in bytes, and how long that takes: before it is applied, and while it
//! is under way.
//!
//! Bytes are those that this node's own arcs hold, or what the arcs of other nodes hold on average, as these say. Time is at
//! the rate that each node reached when it last copied, or the lowest that any node reached; where nobody ever did, at an
//! assumed one, which the sentence says. What a node's operator allows it bounds both.

use super::cluster_state::nodes_said;
use super::{AdminApi, wire};
use crate::sizes::{about_time, size};
use base::NodeId;
use cluster::layout::{ArcSet, Layout, Version};
use cluster::membership::{CopySpeed, NodeStatus};
use model::ArcBytes;
use std::collections::BTreeMap;

/// What one home is assumed to send in a second as long as nothing was measured: an uplink of 40 Mbit/s.
const ASSUMED_RATE: u64 = 5_000_000;

/// Where a rate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// A node reached it.
    Measured(NodeId),
    /// The operator of a node allows no more.
    Limit(NodeId),
    /// Nobody knows.
    Assumed,
}

/// How long something takes, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Estimate {
    pub seconds: u64,
    pub rate: u64,
    pub basis: Basis,
}

/// What is known of bytes and rates.
#[derive(Debug, Clone, Default)]
pub(super) struct Copying {
    own: Option<ArcBytes>,
    /// What an arc of which this node knows nothing holds.
    mean: Option<u64>,
    speeds: BTreeMap<NodeId, CopySpeed>,
}

impl Copying {
    /// As it is now. What cannot be measured is not known.
    pub async fn look(api: &AdminApi) -> Self {
        let own = api.model.arc_bytes().await.inspect_err(|error| {
            tracing::debug!(%error, "what the arcs hold cannot be measured now");
        });
        let own = own.ok();
        let (cluster, layout) = (&api.cluster, api.cluster.layout());
        let said = nodes_said(cluster);
        let mean = own.as_ref().and_then(ArcBytes::mean).or_else(|| mean_of(&layout, &said));
        let mut speeds: BTreeMap<NodeId, CopySpeed> =
            said.into_iter().map(|(node, status)| (node, status.copying)).collect();
        speeds.insert(cluster.id(), api.model.copy_speed());
        Self { own, mean, speeds }
    }

    /// What these arcs hold; none: nobody knows.
    pub fn bytes(&self, arcs: &ArcSet) -> Option<u64> {
        let of_arc = |arc| self.own.as_ref().and_then(|own| own.of(arc)).or(self.mean);
        arcs.iter().map(of_arc).try_fold(0, |sum: u64, bytes| Some(sum.saturating_add(bytes?)))
    }

    /// What so many arcs hold on average.
    pub fn bytes_of_any(&self, arcs: u64) -> Option<u64> {
        Some(self.mean?.saturating_mul(arcs))
    }

    /// What a node has still to copy of these arcs, some of which are done. It says how much came already, arcs that it is in
    /// the middle of too.
    pub fn bytes_left(
        &self,
        (node, version): (NodeId, u64),
        (wanted, done): (&ArcSet, &ArcSet),
    ) -> Option<u64> {
        let (all, left) = (self.bytes(wanted)?, self.bytes(&wanted.without(done))?);
        let filling = self.speeds.get(&node).and_then(|speed| speed.filling);
        let came = filling.filter(|(filled, _)| *filled == version).map_or(0, |(_, came)| came);
        Some(left.min(all.saturating_sub(came)))
    }

    /// How long it takes until each of these nodes has copied so much; they do it side by side. So many homes send.
    pub fn estimate(&self, by_node: &BTreeMap<NodeId, u64>, senders: usize) -> Option<Estimate> {
        self.estimates(by_node, senders).into_values().max_by_key(|estimate| estimate.seconds)
    }

    /// The same of each of those that have anything to copy.
    pub fn estimates(&self, by_node: &BTreeMap<NodeId, u64>, senders: usize) -> BTreeMap<NodeId, Estimate> {
        let receivers = by_node.values().filter(|bytes| **bytes > 0).count();
        let one = |(node, bytes): (&NodeId, &u64)| {
            let (rate, basis) = self.rate_of(*node, (senders, receivers));
            let seconds = bytes.div_ceil(rate.max(1));
            (*bytes > 0).then_some((*node, Estimate { seconds, rate, basis }))
        };
        by_node.iter().filter_map(one).collect()
    }

    fn rate_of(&self, node: NodeId, (senders, receivers): (usize, usize)) -> (u64, Basis) {
        let speed = self.speeds.get(&node).copied().unwrap_or_default();
        let others = || self.speeds.iter().filter_map(|(other, speed)| Some((speed.reached?, *other))).min();
        let known = speed.reached.map(|rate| (rate, node)).or_else(others);
        let share = |rate: u64| rate.saturating_mul(senders.max(1) as u64) / (receivers.max(1) as u64);
        let (rate, basis) = match known {
            Some((rate, node)) => (rate, Basis::Measured(node)),
            None => (share(ASSUMED_RATE), Basis::Assumed),
        };
        match speed.limit {
            Some(limit) if limit < rate => (limit, Basis::Limit(node)),
            _ => (rate, basis),
        }
    }

    /// What it takes that these nodes have these arcs: figures, and a sentence.
    pub fn plan(
        &self,
        gained: &BTreeMap<NodeId, ArcSet>,
        before: &Version,
    ) -> (wire::Copying, Option<String>) {
        let bytes_of = |arcs: &ArcSet| self.bytes(arcs);
        let by_node: BTreeMap<NodeId, u64> =
            gained.iter().filter_map(|(node, arcs)| Some((*node, bytes_of(arcs)?))).collect();
        let estimate = self.estimate(&by_node, before.storage_nodes().count());
        let bytes = by_node.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
        let nodes =
            gained.iter().filter(|(_, arcs)| !arcs.is_empty()).map(|(node, arcs)| wire::CopyingNode {
                id: node.to_string(),
                partitions: arcs.len() as u64,
                bytes: by_node.get(node).copied(),
            });
        let body = wire::Copying {
            bytes,
            nodes: nodes.collect(),
            seconds: estimate.map(|estimate| estimate.seconds),
            bytes_per_second: estimate.map(|estimate| estimate.rate),
            basis: estimate.map(|estimate| word(estimate.basis).to_owned()),
        };
        (body, estimate.map(|estimate| sentence(bytes, estimate)))
    }
}

#[cfg(test)]
impl Copying {
    /// Arcs of so many bytes each.
    pub fn with_mean(bytes: u64) -> Self {
        Self { mean: Some(bytes), ..Self::default() }
    }
}

/// What an arc holds on average, by the blocks that others say they keep.
fn mean_of(layout: &Layout, said: &BTreeMap<NodeId, NodeStatus>) -> Option<u64> {
    let shares = said.iter().filter_map(|(node, status)| {
        let arcs = layout.current().stored_partitions(*node) as u64;
        Some((status.stored_bytes?, arcs)).filter(|(_, arcs)| *arcs > 0)
    });
    let (bytes, arcs) = shares.fold((0, 0), |(bytes, arcs), (more, of)| (bytes + more, arcs + of));
    bytes.checked_div(arcs)
}

pub(super) fn word(basis: Basis) -> &'static str {
    match basis {
        Basis::Measured(_) => "measured",
        Basis::Limit(_) => "limit",
        Basis::Assumed => "assumed",
    }
}

fn sentence(bytes: u64, Estimate { seconds, rate, basis }: Estimate) -> String {
    let (bytes, time, rate) = (size(bytes), about_time(seconds), size(rate));
    let why = match basis {
        Basis::Measured(node) => format!("which copying reached last on {}", &node.to_string()[..16]),
        Basis::Limit(node) => format!("which copy-rate allows {}", &node.to_string()[..16]),
        Basis::Assumed => {
            format!("assumed as nothing was copied yet (a home sends {} a second)", size(ASSUMED_RATE))
        }
    };
    format!("To copy in all: about {bytes}, which takes about {time} at {rate} a second, {why}.")
}

#[cfg(test)]
mod tests;
