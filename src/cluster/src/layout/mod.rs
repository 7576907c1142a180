//! The layout: roles of the nodes, parameters, and who owns each of the ring's arcs.
//!
//! A layout has a current version and changes staged for the next one. Staging, reverting and
//! applying are pure functions that give a new layout; nobody but [`crate::ClusterState`] keeps
//! one. The replication factor belongs to a version. Capacities are bytes.

mod assignment;
mod change;
mod error;
mod role;
#[cfg(test)]
mod tests;

pub use assignment::{Assignment, PARTITIONS, partition_of};
pub use change::{NodeMove, Plan};
pub use error::LayoutError;
pub use role::{CAPACITY_MIN_BYTES, Parameters, Replication, ReplicationFactor, Role, ZoneRedundancy};

use base::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Versions kept for `layout history`: a cluster changes a few times a year.
pub const HISTORY_MAX: usize = 32;

/// One applied version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// 0 before the first one was applied.
    pub number: u64,
    /// Every node with a role.
    pub roles: BTreeMap<NodeId, Role>,
    /// As the operator set them.
    pub parameters: Parameters,
    /// Copies of everything; `None` in version 0.
    pub replication_factor: Option<ReplicationFactor>,
    /// Who owns which arc.
    pub assignment: Assignment,
}

/// A version that was replaced: what it said, without its arcs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastVersion {
    /// Its number.
    pub number: u64,
    /// Every node with a role.
    pub roles: BTreeMap<NodeId, Role>,
    /// As the operator set them.
    pub parameters: Parameters,
}

/// A staged change of one node's role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoleChange {
    /// Gives the node this role.
    #[serde(rename = "assign")]
    Assign(Role),
    /// Takes its role.
    #[serde(rename = "remove")]
    Remove,
}

/// Changes waiting for the next version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staged {
    /// Per node.
    pub roles: BTreeMap<NodeId, RoleChange>,
    /// New parameters.
    pub parameters: Option<Parameters>,
}

impl Staged {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.parameters.is_none()
    }
}

/// The layout of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    current: Version,
    past: Vec<PastVersion>,
    staged: Staged,
    /// Whether the version in force was made by the node itself, and by nobody's wish.
    #[serde(default)]
    is_automatic: bool,
}

impl Layout {
    /// The layout before any version was applied.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Version 1 with a single storage node, as a node that is alone makes it by itself.
    pub fn of_one_node(node: NodeId, role: Role) -> Result<Self, LayoutError> {
        Ok(Self { is_automatic: true, ..Self::empty().assign(node, role)?.apply(1)? })
    }

    /// The version in force.
    pub fn current(&self) -> &Version {
        &self.current
    }

    /// The version in force, and the ones before it, newest first.
    pub fn past(&self) -> impl DoubleEndedIterator<Item = &PastVersion> {
        self.past.iter().rev()
    }

    /// What waits for the next version.
    pub fn staged(&self) -> &Staged {
        &self.staged
    }

    /// The nodes that keep the data of a partition; none before version 1.
    pub fn owners(&self, partition: u16) -> &[NodeId] {
        self.current.assignment.owners(partition)
    }

    /// Reads what [`Layout::to_text`] wrote; `None` if it contradicts itself.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let layout: Self = serde_json::from_str(text).ok()?;
        layout.current.is_consistent().then_some(layout)
    }

    /// The stored form.
    pub(crate) fn to_text(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a layout holds only what JSON can hold");
        text.push('\n');
        text
    }
}

impl Version {
    /// The nodes that store data.
    pub fn storage_nodes(&self) -> impl Iterator<Item = (&NodeId, &Role)> {
        self.roles.iter().filter(|(_, role)| role.capacity_bytes.is_some())
    }

    /// The nodes that only serve requests.
    pub fn gateway_nodes(&self) -> impl Iterator<Item = (&NodeId, &Role)> {
        self.roles.iter().filter(|(_, role)| role.capacity_bytes.is_none())
    }

    /// How many partitions a node stores.
    pub fn stored_partitions(&self, node: NodeId) -> usize {
        self.assignment.stored_partitions(node)
    }

    /// How much one partition may hold so that no node overflows: the least over all nodes of
    /// capacity per stored partition.
    pub fn partition_size_bytes(&self) -> u64 {
        let size_on = |(node, role): (&NodeId, &Role)| {
            let partitions = u64::try_from(self.stored_partitions(*node)).unwrap_or(u64::MAX);
            role.capacity_bytes.unwrap_or(0).checked_div(partitions)
        };
        self.storage_nodes().filter_map(size_on).min().unwrap_or(0)
    }

    fn is_consistent(&self) -> bool {
        let is_storage =
            |node: &NodeId| self.roles.get(node).is_some_and(|role| role.capacity_bytes.is_some());
        match self.replication_factor {
            None => self.number == 0 && self.roles.is_empty() && self.assignment.is_empty(),
            Some(factor) => {
                self.number > 0
                    && self.roles.values().all(|role| role.check().is_ok())
                    && self.assignment.is_consistent(factor, is_storage)
            }
        }
    }
}
