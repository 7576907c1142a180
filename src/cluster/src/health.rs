//! Whether the cluster serves, and if not fully, why.

use crate::layout::{Layout, PARTITIONS, arcs};
use crate::membership::BlockState;
use base::NodeId;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// One word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthStatus {
    /// Everything works and every copy is there.
    Healthy,
    /// Requests are served, and something is missing.
    Degraded,
    /// Some requests cannot be served.
    Unavailable,
}

impl HealthStatus {
    /// The word of the admin API.
    pub const fn name(self) -> &'static str {
        match self {
            HealthStatus::Healthy => "healthy",
            HealthStatus::Degraded => "degraded",
            HealthStatus::Unavailable => "unavailable",
        }
    }
}

/// A reason for not being healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No layout was applied yet.
    NoLayout,
    /// A storage node of the layout cannot be reached.
    NodeAway(NodeId),
    /// A storage node was forgotten, and still has its role.
    Forgotten(NodeId),
    /// A storage node does not answer yet for so many of the arcs that it owns: its copy is being filled.
    NodeBehind(NodeId, u64),
    /// A storage node lacks so many blocks, as far as is known.
    Refilling(NodeId, u64),
    /// Another storage node says that disks of it are gone, or that none is left that takes blocks.
    DisksGone(NodeId, BlockState),
    /// The clock of a node is so many hours ahead of this node's: nothing that it says is believed.
    ClockAhead(NodeId, u64),
    /// A node believes nothing that this one says, because of this node's clock.
    ClockRefused(NodeId),
    /// This node keeps the encryption secret in its memory only.
    SecretNotKept,
    /// So many rows of metadata are damaged on this node and not whole again, some of which are these names.
    DamagedRows(u64, Vec<String>),
    /// This node's metadata store takes no more writes.
    MetadataStopped,
    /// This node's metadata disk has no room for growth.
    MetadataFull,
    /// A data folder of this node has no room for blocks.
    DataFull(PathBuf),
    /// A data folder of this node takes no writes since a flush failed.
    DataFolder(PathBuf),
    /// The disk of a data folder of this node is gone.
    DiskGone(PathBuf),
    /// No data folder of this node takes writes.
    NoDataFolder,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoLayout => {
                f.write_str("no layout was applied yet: assign a role to this node, then apply")
            }
            Reason::NodeAway(node) => write!(f, "storage node {node} cannot be reached"),
            Reason::Forgotten(node) => write!(
                f,
                "storage node {node} was forgotten: its partitions have a copy less until another node takes them over; \
                 run `garage layout remove` with its id, assign another node, and `garage layout apply`"
            ),
            Reason::NodeBehind(node, arcs) => write!(
                f,
                "storage node {node} does not count yet: {arcs} of {PARTITIONS} partitions are still to be filled or \
                 compared there"
            ),
            Reason::Refilling(node, blocks) => write!(
                f,
                "storage node {node} lacks blocks that it should keep, at least {blocks}; those that another node has are \
                 fetched (`garage block list-errors` on that node)"
            ),
            Reason::DisksGone(node, BlockState { takes_none: true, .. }) => write!(
                f,
                "storage node {node} has no disk left that takes blocks: it stores none until one is mounted there again"
            ),
            Reason::DisksGone(node, BlockState { disks_gone, .. }) => {
                let (plural, verb) = if *disks_gone == 1 { ("", "is") } else { ("s", "are") };
                write!(f, "{disks_gone} disk{plural} of storage node {node} {verb} gone: `garage health` there says which")
            }
            Reason::ClockAhead(node, hours) => write!(
                f,
                "the clock of node {node} is {hours} hours ahead of this node's, so nothing that it says is believed: set \
                 the one that is wrong, and restart that node"
            ),
            Reason::ClockRefused(node) => write!(
                f,
                "node {node} believes nothing that this node says, since this node's clock is more than a day ahead of \
                 its: set the one that is wrong, and restart that node"
            ),
            Reason::SecretNotKept => f.write_str(
                "this node has the encryption secret in its memory only, and cannot read what is encrypted after a \
                 restart without the others: set encryption_secret_file",
            ),
            Reason::DamagedRows(rows, names) => {
                write!(f, "damaged rows of metadata on this node that are not whole again yet: {rows}")?;
                match names.is_empty() {
                    true => Ok(()),
                    false => write!(f, "; what these name is refused here: {}", names.join(", ")),
                }
            }
            Reason::MetadataStopped => {
                f.write_str("the metadata store of this node failed: nothing is written until it restarts")
            }
            Reason::MetadataFull => f.write_str("the metadata disk of this node is full: free some space"),
            Reason::DataFull(path) => {
                write!(f, "the data folder {} is full: free some space or add a folder", path.display())
            }
            Reason::DataFolder(path) => write!(
                f,
                "the data folder {} takes no writes since a flush failed: check its disk, then restart this node",
                path.display()
            ),
            Reason::DiskGone(path) => write!(
                f,
                "the disk of the data folder {} is gone: nothing is written to it, and what it held is not relied on; mount it \
                 again, and restart this node if it is not used again within a minute",
                path.display()
            ),
            Reason::NoDataFolder => {
                f.write_str("no data folder of this node takes writes: bodies that need a file are refused here")
            }
        }
    }
}

/// How well this node serves, as its own stores say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalService {
    /// What is wrong and leaves requests served.
    pub complaints: Vec<Reason>,
    /// What is wrong and leaves some requests refused.
    pub failures: Vec<Reason>,
}

/// What is asked of other nodes: in contact, arcs not answered for, whether any disk takes blocks.
type Others<'a> = (&'a dyn Fn(NodeId) -> bool, &'a dyn Fn(NodeId) -> u64, &'a dyn Fn(NodeId) -> bool);

/// The figures of GetClusterHealth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// One word.
    pub status: HealthStatus,
    /// Nodes ever heard of, with this one.
    pub known_nodes: usize,
    /// Nodes in contact, with this one.
    pub connected_nodes: usize,
    /// Nodes of the layout that store data.
    pub storage_nodes: usize,
    /// Those that are in contact and can take writes.
    pub storage_nodes_ok: usize,
    /// Partitions of the layout.
    pub partitions: usize,
    /// Partitions with a quorum of good nodes.
    pub partitions_quorum: usize,
    /// Partitions whose nodes are all good.
    pub partitions_all_ok: usize,
    /// Why it is not healthy.
    pub reasons: Vec<Reason>,
}

impl Health {
    /// Judges the versions in force. `own` is this node; `connected` says of another node whether
    /// it is in contact, for how many of its arcs it does not answer yet, and whether it has a disk that takes blocks; `nodes` is how many are known and how many of them are in contact.
    pub(crate) fn judge(
        layout: &Layout,
        own: (NodeId, &LocalService),
        (known_nodes, connected_nodes): (usize, usize),
        (connected, behind, takes_blocks): Others<'_>,
    ) -> Self {
        let (own_id, service) = own;
        let reachable = |node: NodeId| node == own_id || connected(node);
        let serves = |node| {
            if node == own_id { service.failures.is_empty() } else { connected(node) && takes_blocks(node) }
        };
        let good = |node: NodeId| serves(node) && behind(node) == 0;
        let mut reasons = [service.failures.as_slice(), service.complaints.as_slice()].concat();
        if layout.current().number == 0 {
            reasons.insert(0, Reason::NoLayout);
        }
        let versions: Vec<_> = layout.in_force().collect();
        let storage = versions.iter().flat_map(|version| version.storage_nodes());
        let storage: BTreeSet<NodeId> = storage.map(|(node, _)| *node).collect();
        let good = |node: NodeId| good(node) && !layout.is_given_up(node);
        reasons.extend(
            storage.iter().filter(|node| layout.is_given_up(**node)).map(|node| Reason::Forgotten(*node)),
        );
        let (given_up, storage): (BTreeSet<NodeId>, BTreeSet<NodeId>) =
            storage.into_iter().partition(|node| layout.is_given_up(*node));
        reasons.extend(storage.iter().filter(|node| !reachable(**node)).map(|node| Reason::NodeAway(*node)));
        let behind = storage.iter().filter(|node| reachable(**node)).map(|node| (*node, behind(*node)));
        reasons
            .extend(behind.filter(|(_, arcs)| *arcs > 0).map(|(node, arcs)| Reason::NodeBehind(node, arcs)));
        let (mut partitions_quorum, mut partitions_all_ok) = (0, 0);
        for arc in arcs() {
            let (mut has_quorum, mut all_ok) = (true, true);
            for version in &versions {
                let owners = version.assignment.owners(arc);
                has_quorum &= layout.is_quorum(version, arc, good);
                all_ok &= !owners.is_empty() && owners.iter().all(|node| good(*node));
            }
            partitions_quorum += usize::from(has_quorum);
            partitions_all_ok += usize::from(all_ok);
        }
        let status = match (partitions_quorum == PARTITIONS, reasons.is_empty()) {
            (false, _) => HealthStatus::Unavailable,
            (true, false) => HealthStatus::Degraded,
            (true, true) => HealthStatus::Healthy,
        };
        Self {
            status,
            known_nodes,
            connected_nodes,
            storage_nodes: storage.len() + given_up.len(),
            storage_nodes_ok: storage.iter().filter(|node| good(**node)).count(),
            partitions: PARTITIONS,
            partitions_quorum,
            partitions_all_ok,
            reasons,
        }
    }
}
