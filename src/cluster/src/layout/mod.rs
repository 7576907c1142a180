//! The layout: roles of the nodes, parameters, and who owns each of the ring's arcs.
//!
//! One or two versions are in force, a candidate may wait to follow them, and changes are staged for the
//! one after that. Staging, reverting, applying and merging are pure functions that give a new layout; nobody
//! but [`crate::ClusterState`] keeps one. What always holds:
//!
//! - what is in force was chosen for good: numbers only rise, and one number is one content;
//! - the replication factor belongs to a version;
//! - a cluster has an id from its first version on, and layouts of two clusters never mix.
//!
//! Capacities are bytes.

mod arc_set;
mod assignment;
mod balance;
mod change;
mod cluster_id;
mod error;
mod flow;
mod given_up;
mod lives;
mod merge;
mod progress;
mod role;
mod share;
mod staged;
#[cfg(test)]
mod tests;
mod version;

pub use arc_set::ArcSet;
pub use assignment::{Assignment, PARTITIONS, arcs, partition_of};
pub use change::{Moment, NodeMove, Plan};
pub use cluster_id::{ClusterId, InvalidClusterId};
pub use error::LayoutError;
pub use given_up::{GivenUp, Loss};
pub use lives::{Count, Life, Lives};
pub(crate) use merge::OtherCluster;
pub use progress::Steps;
pub use role::{CAPACITY_MIN_BYTES, Parameters, Replication, ReplicationFactor, Role, ZoneRedundancy};
pub use staged::{RoleChange, Staged};
pub use version::{PastVersion, Version};

use base::{NodeId, Stamp};
use progress::Progress;
use serde::{Deserialize, Serialize};
use staged::Wishes;
use std::sync::Arc;

/// Versions kept for `layout history`: a cluster changes a few times a year.
pub const HISTORY_MAX: usize = 32;

/// A version that was applied and is not in force. It binds nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Candidate {
    version: Arc<Version>,
    /// The operator took it back: as if it were not there, but it beats the earlier ones.
    is_withdrawn: bool,
}

/// The layout of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// None before anything was staged.
    #[serde(default)]
    cluster: Option<ClusterId>,
    /// In force; of two the older.
    current: Arc<Version>,
    /// The newer of two in force.
    #[serde(default)]
    joint: Option<Arc<Version>>,
    #[serde(default)]
    next: Option<Candidate>,
    /// How far the nodes are with the coming version.
    #[serde(default)]
    progress: Progress,
    #[serde(default)]
    lives: Lives,
    #[serde(default, skip_serializing_if = "GivenUp::is_empty")]
    given_up: GivenUp,
    past: Vec<PastVersion>,
    #[serde(rename = "staged")]
    wishes: Wishes,
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
    pub fn of_one_node(node: NodeId, role: Role, moment: &Moment) -> Result<Self, LayoutError> {
        Ok(Self { is_automatic: true, ..Self::empty().assign(node, role, moment)?.apply(1, moment)? })
    }

    /// Which cluster it is of; none before anything was staged.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.cluster
    }

    /// The version in force; of two the older one, whose data is complete.
    pub fn current(&self) -> &Version {
        &self.current
    }

    /// The newer of two versions in force: the one that replaces the other.
    pub fn joint(&self) -> Option<&Version> {
        self.joint.as_deref()
    }

    /// The newest version in force.
    pub fn newest(&self) -> &Version {
        self.joint.as_deref().unwrap_or(&self.current)
    }

    /// The candidate: applied, and not in force yet.
    pub fn next(&self) -> Option<&Version> {
        self.next.as_ref().filter(|candidate| !candidate.is_withdrawn).map(|candidate| &*candidate.version)
    }

    /// The versions in force, the older one first.
    pub fn in_force(&self) -> impl DoubleEndedIterator<Item = &Arc<Version>> {
        std::iter::once(&self.current).chain(&self.joint)
    }

    /// The versions before the one in force, newest first.
    pub fn past(&self) -> impl DoubleEndedIterator<Item = &PastVersion> {
        self.past.iter().rev()
    }

    /// What waits for the next version.
    pub fn staged(&self) -> Staged {
        self.wishes.beyond(&self.base().taken)
    }

    /// What the next version starts from: a candidate, if there is one.
    fn base(&self) -> &Version {
        self.next.as_ref().map_or(self.newest(), |candidate| &candidate.version)
    }

    /// The nodes that keep the data of a partition; none before version 1.
    pub fn owners(&self, partition: u16) -> &[NodeId] {
        self.current.assignment.owners(partition)
    }

    /// Which life each node is in.
    pub fn lives(&self) -> &Lives {
        &self.lives
    }

    /// Takes in that a node is in this life.
    pub fn with_life(&self, node: NodeId, life: Life) -> Self {
        let mut next = self.clone();
        next.lives.note(node, life);
        next
    }

    /// The latest stamp in it.
    pub(crate) fn latest_stamp(&self) -> Stamp {
        let next = self.next.iter().map(|candidate| &candidate.version);
        let versions = self.in_force().chain(next).map(|version| version.stamp);
        versions.max().unwrap_or(Stamp::ZERO).max(self.wishes.latest())
    }

    /// A layout of an earlier release has no cluster id: gives it one.
    pub(crate) fn with_cluster(mut self, id: ClusterId) -> Self {
        if self.current.number > 0 {
            self.cluster.get_or_insert(id);
        }
        self
    }

    /// A digest of all it says: equal layouts have equal digests.
    pub(crate) fn digest(&self) -> [u8; 32] {
        *blake3::hash(self.to_text().as_bytes()).as_bytes()
    }

    /// Reads what [`Layout::to_text`] wrote; `None` if it contradicts itself.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let layout: Self = serde_json::from_str(text).ok()?;
        let follows = |version: &Arc<Version>, before: u64| {
            version.number == before + 1 && version.is_consistent() && before > 0
        };
        let is_consistent = layout.current.is_consistent()
            && layout.joint.as_ref().is_none_or(|joint| follows(joint, layout.current.number))
            && layout.next.as_ref().is_none_or(|next| follows(&next.version, layout.newest().number))
            && layout.past.len() <= HISTORY_MAX;
        is_consistent.then_some(layout)
    }

    /// The stored form.
    pub(crate) fn to_text(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a layout holds only what JSON can hold");
        text.push('\n');
        text
    }
}
