//! What a request needs of the layout: which nodes keep a row now, and who has a part at all.
//!
//! One or two versions of the layout are in force (`doc/decisions/0003-layout-change-and-memory.md`).
//! A decision about a row holds only when it holds in the replica set of each of them. A placement is
//! one look at the layout and does not change; whoever holds one says so by its [`View`].

use crate::layout::{Assignment, CAPACITY_MIN_BYTES, Layout, Lives, PARTITIONS, Role, Version, partition_of};
use base::{NodeId, PartitionHash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
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
    in_force: Vec<Kept>,
    members: BTreeSet<NodeId>,
    given_up: BTreeSet<NodeId>,
    lives: u64,
}

/// A version in force, and who of its owners remains.
#[derive(Debug, Clone)]
struct Kept {
    number: u64,
    assignment: Assignment,
}

impl Placement {
    /// By the versions in force, what is known of the lives of their nodes, and who was given up.
    pub(crate) fn of_layout(layout: &Layout) -> Self {
        let in_force: Vec<Arc<Version>> = layout.in_force().cloned().collect();
        Self::new(&in_force, layout.lives(), layout.given_up())
    }

    fn new(in_force: &[Arc<Version>], lives: &Lives, given_up: BTreeSet<NodeId>) -> Self {
        debug_assert!((1..=2).contains(&in_force.len()), "one or two versions are in force");
        let members = in_force.iter().flat_map(|version| version.roles.keys().copied()).collect();
        let storage = in_force.iter().flat_map(|version| version.storage_nodes());
        let storage: BTreeSet<NodeId> = storage.map(|(node, _)| *node).collect();
        let lives = lives.digest(storage.iter(), &given_up);
        let kept = |version: &Arc<Version>| Kept {
            number: version.number,
            assignment: version.assignment.without(&given_up),
        };
        Self { in_force: in_force.iter().map(kept).collect(), members, lives, given_up }
    }

    /// Everything on one node, for ever.
    pub fn of_one_node(node: NodeId) -> Self {
        Self::of_nodes(&[node])
    }

    /// Everything on each of these nodes, for ever.
    pub fn of_nodes(nodes: &[NodeId]) -> Self {
        let role =
            || Role { zone: "home".to_owned(), capacity_bytes: Some(CAPACITY_MIN_BYTES), tags: Vec::new() };
        let mut version = Version::default();
        version.number = 1;
        version.roles = nodes.iter().map(|node| (*node, role())).collect();
        version.assignment = Assignment::of_owners(vec![nodes.to_vec(); PARTITIONS]);
        Self::new(&[Arc::new(version)], &Lives::default(), BTreeSet::new())
    }

    /// The versions this looks at.
    pub fn view(&self) -> View {
        let number = |version: Option<&Kept>| version.map_or(0, |version| version.number);
        let (newest, oldest) = (number(self.in_force.last()), number(self.in_force.first()));
        View { newest, oldest, lives: self.lives }
    }

    /// The replica sets of a partition, one for each version in force that differs from the others, without those
    /// who were given up: more than half of a set must agree. Empty before the first version. Within a set the order is that of ids: who is asked first is the
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

    /// Whether a node keeps something, and all of it is kept by another one as well, by every version in force.
    pub fn has_copies_beside(&self, node: NodeId) -> bool {
        let sets = || self.in_force.iter().flat_map(|version| version.assignment.sets());
        sets().any(|set| set.contains(&node))
            && sets()
                .filter(|set| set.contains(&node))
                .all(|set| set.iter().any(|other| *other != node && !self.is_given_up(*other)))
    }

    /// Whether anything is kept more than once.
    pub fn has_copies(&self) -> bool {
        self.in_force.iter().flat_map(|version| version.assignment.sets()).any(|set| set.len() > 1)
    }

    /// Everybody with a role who was not given up, gateways too: they keep a copy of the small tables.
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.members.difference(&self.given_up).copied().collect()
    }

    /// Whether a node was given up.
    pub fn is_given_up(&self, node: NodeId) -> bool {
        self.given_up.contains(&node)
    }

    /// Whether this node is the only one there is; one that others gave up may be there yet.
    pub fn is_alone(&self, node: NodeId) -> bool {
        self.members.iter().all(|member| *member == node) && self.members.contains(&node)
    }
}
