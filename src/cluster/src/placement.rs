//! What a request needs of the layout: which nodes keep a row now, and who has a part at all.
//!
//! One or two versions of the layout are in force (`doc/decisions/0003-layout-change-and-memory.md`).
//! A decision about a row holds only when it holds in the replica set of each of them. A placement is
//! one look at the layout and does not change; whoever holds one says so by its [`View`].

use crate::layout::{Assignment, CAPACITY_MIN_BYTES, Lives, PARTITIONS, Role, Version, partition_of};
use base::{NodeId, PartitionHash};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The versions in force, as every message names them. Each part only rises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    /// The newest version in force.
    pub newest: u64,
    /// The oldest one; the same while no change is under way.
    pub oldest: u64,
    /// Names the lives that the storage nodes of these versions are believed to be in.
    #[serde(default)]
    pub lives: u64,
}

/// Who keeps what, by the versions in force.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Oldest first; one or two.
    in_force: Vec<Arc<Version>>,
    members: BTreeSet<NodeId>,
    lives: u64,
}

impl Placement {
    /// By these versions, oldest first, and what is known of the lives of their nodes.
    pub fn new(in_force: Vec<Arc<Version>>, lives: &Lives) -> Self {
        debug_assert!((1..=2).contains(&in_force.len()), "one or two versions are in force");
        let members = in_force.iter().flat_map(|version| version.roles.keys().copied()).collect();
        let storage = in_force.iter().flat_map(|version| version.storage_nodes());
        let storage: BTreeSet<NodeId> = storage.map(|(node, _)| *node).collect();
        Self { in_force, members, lives: lives.digest(storage.iter()) }
    }

    /// Everything on one node, for ever.
    pub fn of_one_node(node: NodeId) -> Self {
        let role =
            Role { zone: "home".to_owned(), capacity_bytes: Some(CAPACITY_MIN_BYTES), tags: Vec::new() };
        let mut version = Version::default();
        version.number = 1;
        version.roles = BTreeMap::from([(node, role)]);
        version.assignment = Assignment::of_owners(vec![vec![node]; PARTITIONS]);
        Self::new(vec![Arc::new(version)], &Lives::default())
    }

    /// The versions this looks at.
    pub fn view(&self) -> View {
        let number = |version: Option<&Arc<Version>>| version.map_or(0, |version| version.number);
        let (newest, oldest) = (number(self.in_force.last()), number(self.in_force.first()));
        View { newest, oldest, lives: self.lives }
    }

    /// The replica sets of a partition, one for each version in force that differs from the others;
    /// empty before the first version. Within a set the order is that of ids: who is asked first is the
    /// caller's choice.
    pub fn sets(&self, partition: PartitionHash) -> Vec<&[NodeId]> {
        let arc = partition_of(&partition);
        let mut sets: Vec<&[NodeId]> = Vec::with_capacity(self.in_force.len());
        for version in &self.in_force {
            let set = version.assignment.owners(arc);
            if !set.is_empty() && !sets.contains(&set) {
                sets.push(set);
            }
        }
        sets
    }

    /// Everybody with a role, gateways too: they keep a copy of the small tables.
    pub fn members(&self) -> &BTreeSet<NodeId> {
        &self.members
    }

    /// Whether this node is the only one there is.
    pub fn is_alone(&self, node: NodeId) -> bool {
        self.members.iter().all(|member| *member == node) && self.members.contains(&node)
    }
}
