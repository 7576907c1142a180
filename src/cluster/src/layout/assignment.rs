//! Who owns which arc of the ring.
//!
//! The ring is a fixed number of arcs of the hash space; an arc's owners are one of few replica
//! sets, which are stored once each, their members in the order of ids: two versions that give an arc to
//! the same nodes have the same set.

use super::{ArcSet, ReplicationFactor};
use base::{NodeId, PartitionHash};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Arcs of the ring. Enough that each of a few dozen nodes gets its share within a few percent,
/// few enough that all of them fit one page of a message.
pub const PARTITIONS: usize = 1024;

/// Bits of a hash above the partition number: 16 bits say the arc, and 2^10 of them are kept.
const ARC_SHIFT: u32 = u16::BITS - PARTITIONS.trailing_zeros();

/// The partition a row lies in.
pub fn partition_of(hash: &PartitionHash) -> u16 {
    hash.arc_bits() >> ARC_SHIFT
}

/// The numbers of all partitions.
pub fn arcs() -> impl Iterator<Item = u16> {
    (0..=u16::MAX).take(PARTITIONS)
}

/// Owners of every partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The replica sets in use, each in the order of ids.
    sets: Vec<Vec<NodeId>>,
    /// For each partition the index of its set; empty before the first version.
    partitions: Vec<u16>,
}

impl Assignment {
    /// From the owners of each arc, in the order of arcs.
    pub(crate) fn of_owners(owners: Vec<Vec<NodeId>>) -> Self {
        let mut numbers: BTreeMap<Vec<NodeId>, u16> = BTreeMap::new();
        let mut assignment = Self::default();
        for mut set in owners {
            set.sort_unstable();
            let next = u16::try_from(assignment.sets.len()).expect("no more sets than arcs");
            let number = *numbers.entry(set.clone()).or_insert_with(|| {
                assignment.sets.push(set);
                next
            });
            assignment.partitions.push(number);
        }
        assignment
    }

    /// The same without some nodes: sets become smaller, or empty.
    pub(crate) fn without(&self, nodes: &BTreeSet<NodeId>) -> Self {
        let mut left = self.clone();
        left.sets.iter_mut().for_each(|set| set.retain(|node| !nodes.contains(node)));
        left
    }

    /// Whether nothing is assigned.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The owners of a partition; none before the first version.
    pub fn owners(&self, partition: u16) -> &[NodeId] {
        let set =
            self.partitions.get(usize::from(partition)).and_then(|set| self.sets.get(usize::from(*set)));
        set.map_or(&[], Vec::as_slice)
    }

    /// The replica sets in use.
    pub fn sets(&self) -> impl Iterator<Item = &[NodeId]> {
        self.sets.iter().map(Vec::as_slice)
    }

    /// How many partitions a node stores.
    pub fn stored_partitions(&self, node: NodeId) -> usize {
        let holds = |set: &&u16| self.sets.get(usize::from(**set)).is_some_and(|set| set.contains(&node));
        self.partitions.iter().filter(holds).count()
    }

    /// The partitions that a node stores here and not in `before`: what it must copy.
    pub fn gained(&self, before: &Self, node: NodeId) -> ArcSet {
        ArcSet::of(|arc| self.owners(arc).contains(&node) && !before.owners(arc).contains(&node))
    }

    /// Whether every partition has the same owners as in `other`.
    pub fn is_same(&self, other: &Self) -> bool {
        arcs().all(|arc| self.owners(arc) == other.owners(arc))
    }

    /// Whether every partition has `factor` different owners, all of them storage nodes.
    pub(super) fn is_consistent(
        &self,
        factor: ReplicationFactor,
        is_storage: impl Fn(&NodeId) -> bool,
    ) -> bool {
        let copies = usize::from(factor.copies());
        let set_ok = |set: &Vec<NodeId>| {
            set.len() == copies && set.windows(2).all(|pair| pair[0] < pair[1]) && set.iter().all(&is_storage)
        };
        self.partitions.len() == PARTITIONS
            && self.partitions.iter().all(|set| usize::from(*set) < self.sets.len())
            && self.sets.iter().all(set_ok)
    }
}
