//! One version of the layout: roles, parameters, and who owns each arc by them.

use super::staged::TakenUp;
use super::{Assignment, Parameters, ReplicationFactor, Role};
use base::{NodeId, Stamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An applied version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// 0 before the first one was applied.
    pub number: u64,
    /// When it was applied: of two with one number the later one is proposed.
    #[serde(default = "never")]
    pub stamp: Stamp,
    /// Every node with a role.
    pub roles: BTreeMap<NodeId, Role>,
    /// As the operator set them.
    pub parameters: Parameters,
    /// Copies of everything; `None` in version 0.
    pub replication_factor: Option<ReplicationFactor>,
    /// Who owns which arc.
    pub assignment: Assignment,
    /// The staged changes it has taken up.
    #[serde(default)]
    pub(super) taken: TakenUp,
}

const fn never() -> Stamp {
    Stamp::ZERO
}

impl Default for Version {
    fn default() -> Self {
        Self {
            number: 0,
            stamp: never(),
            roles: BTreeMap::new(),
            parameters: Parameters::default(),
            replication_factor: None,
            assignment: Assignment::default(),
            taken: TakenUp::default(),
        }
    }
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

/// The last number that is believed, so that there is always one after it: a version in each millisecond for 8 900 years.
const NUMBER_MAX: u64 = 1 << 48;

impl From<&Version> for PastVersion {
    fn from(version: &Version) -> Self {
        Self { number: version.number, roles: version.roles.clone(), parameters: version.parameters }
    }
}

impl Version {
    /// What tells it from every other one, candidates of the same number too.
    pub fn mark(&self) -> (u64, Stamp) {
        (self.number, self.stamp)
    }

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

    /// How many of a partition's owners must answer; 1 before the first version.
    pub fn quorum(&self) -> usize {
        self.replication_factor.map_or(1, |factor| usize::from(factor.quorum()))
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

    /// Where it stands among versions of one number: by stamp, then by content.
    pub(super) fn rank(&self) -> (Stamp, [u8; 32]) {
        (self.stamp, *self.digest().as_bytes())
    }

    /// A digest of all it says.
    pub fn digest(&self) -> blake3::Hash {
        let text = serde_json::to_vec(self).expect("a version holds only what JSON can hold");
        blake3::hash(&text)
    }

    /// The form in which it is told.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a version holds only what JSON can hold")
    }

    /// Reads it; `None` if it contradicts itself.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(Self::is_consistent)
    }

    /// Whether its parts fit together.
    pub(crate) fn is_consistent(&self) -> bool {
        let is_storage =
            |node: &NodeId| self.roles.get(node).is_some_and(|role| role.capacity_bytes.is_some());
        match self.replication_factor {
            None => self.number == 0 && self.roles.is_empty() && self.assignment.is_empty(),
            Some(factor) => {
                (1..=NUMBER_MAX).contains(&self.number)
                    && self.roles.values().all(|role| role.check().is_ok())
                    && self.assignment.is_consistent(factor, is_storage)
            }
        }
    }
}
