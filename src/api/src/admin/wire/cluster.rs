//! Bodies about the cluster and its layout.

use super::joining::WaitingRole;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Answer of GetClusterStatus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// The layout version in force.
    pub layout_version: u64,
    /// Every known node.
    pub nodes: Vec<NodeStatus>,
    /// What may fail now, in sentences.
    #[serde(default)]
    pub safety: Vec<String>,
    /// What is proven of the copies in each zone.
    #[serde(default)]
    pub zones: Vec<ZoneCopies>,
    /// The version that data is being moved for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coming: Option<ComingVersion>,
}

/// What is proven of the copies in a zone, as its nodes say. What is not known is null or absent, never 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneCopies {
    /// The zone.
    pub zone: String,
    /// Partitions that its nodes keep: one that two of them keep counts twice.
    pub copies: u64,
    /// Those of them that are proven complete; null: nothing is known of any of its nodes.
    pub copies_proven: Option<u64>,
    /// Those of them on nodes of which nothing is known now.
    pub copies_unknown: u64,
    /// Blocks that are missing there; null: not known of all of its nodes.
    pub blocks_lacking: Option<u64>,
    /// Whether no more are missing: otherwise at least so many are.
    pub blocks_lacking_is_exact: bool,
    /// What those blocks take.
    pub bytes_lacking: Option<u64>,
    /// Bytes that are still to be copied to it.
    pub bytes_to_come: Option<u64>,
    /// Until they are, at the rate of now.
    pub seconds_left: Option<u64>,
    /// When that is.
    pub until: Option<String>,
    /// Its storage nodes.
    pub nodes: Vec<NodeCopies>,
}

/// A node in [`ZoneCopies`], with the same figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeCopies {
    /// The node.
    pub id: String,
    /// Its machine's name.
    pub hostname: Option<String>,
    /// Whether it is in contact.
    pub is_up: bool,
    /// For a node that is not: since when, if it ever was.
    pub last_seen_secs_ago: Option<u64>,
    /// Partitions that it keeps.
    pub copies: u64,
    /// Those that are proven complete.
    pub copies_proven: Option<u64>,
    /// Blocks that are missing there.
    pub blocks_lacking: Option<u64>,
    /// Whether no more are missing.
    pub blocks_lacking_is_exact: bool,
    /// What those blocks take.
    pub bytes_lacking: Option<u64>,
    /// Bytes that are still to be copied to it.
    pub bytes_to_come: Option<u64>,
    /// Until they are.
    pub seconds_left: Option<u64>,
    /// Disks of it that are gone.
    pub disks_gone: Option<u64>,
}

/// A node in [`ClusterStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its id.
    pub id: String,
    /// The release it runs.
    pub garage_version: Option<String>,
    /// Where other nodes reach it.
    pub addr: Option<String>,
    /// Its machine's name.
    pub hostname: Option<String>,
    /// Whether it is in contact.
    pub is_up: bool,
    /// For a node that is not: since when, if it ever was.
    pub last_seen_secs_ago: Option<u64>,
    /// Its role in the layout.
    pub role: Option<NodeRole>,
    /// Whether it still gives away data of an older layout.
    pub draining: bool,
    /// Room for blocks.
    pub data_partition: Option<FreeSpace>,
    /// Room for metadata.
    pub metadata_partition: Option<FreeSpace>,
    /// The id of its cluster, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_cluster: Option<String>,
    /// The role it asks for, if it has none: `garage node approve` gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingRole>,
    /// Whether it was forgotten, and did not begin anew since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
}

/// Room on a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeSpace {
    /// What may still be written.
    pub available: u64,
    /// All there is.
    pub total: u64,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRole {
    /// The zone.
    pub zone: String,
    /// For people.
    pub tags: Vec<String>,
    /// Bytes; null for a gateway.
    pub capacity: Option<u64>,
}

/// Answer of GetClusterHealth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterHealth {
    /// `healthy`, `degraded` or `unavailable`.
    pub status: String,
    /// Nodes ever heard of.
    pub known_nodes: usize,
    /// Nodes in contact.
    pub connected_nodes: usize,
    /// Storage nodes of the layout.
    pub storage_nodes: usize,
    /// Those that work. (The name until 2.0.)
    pub storage_nodes_ok: usize,
    /// Those that work. (The name since 2.1.)
    pub storage_nodes_up: usize,
    /// Partitions of the ring.
    pub partitions: usize,
    /// Partitions with a quorum.
    pub partitions_quorum: usize,
    /// Partitions whose nodes all work.
    pub partitions_all_ok: usize,
    /// Why it is not healthy, in sentences.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// What may fail now, in sentences.
    #[serde(default)]
    pub safety: Vec<String>,
    /// What is proven of the copies in each zone.
    #[serde(default)]
    pub zones: Vec<ZoneCopies>,
    /// The version that data is being moved for. This makes nothing degraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coming: Option<ComingVersion>,
    /// Which webhooks do not take their events from the node that answers, in sentences. This makes nothing degraded.
    #[serde(default)]
    pub webhooks: Vec<String>,
}

/// Answer of GetClusterStatistics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatistics {
    /// For people; not to be parsed.
    pub freeform: String,
    /// Buckets.
    pub bucket_count: u64,
    /// Objects in all buckets.
    pub total_object_count: i64,
    /// Bytes of all objects.
    pub total_object_bytes: i64,
    /// Room for blocks on the storage nodes.
    pub data_avail: Option<u64>,
    /// Room for metadata on the storage nodes.
    pub metadata_avail: Option<u64>,
}

/// One answer in the list that ConnectClusterNodes gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectResult {
    /// Whether the node is connected now.
    pub success: bool,
    /// Why not.
    pub error: Option<String>,
}

/// Answer of GetClusterLayout, UpdateClusterLayout and RevertClusterLayout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterLayout {
    /// The version in force.
    pub version: u64,
    /// Nodes with a role.
    pub roles: Vec<LayoutRole>,
    /// Parameters in force.
    pub parameters: LayoutParameters,
    /// What one partition may hold, in bytes.
    pub partition_size: u64,
    /// Copies of everything in this version; null before the first one.
    #[serde(default)]
    pub replication_factor: Option<u8>,
    /// Roles that change with the next version.
    pub staged_role_changes: Vec<RoleChange>,
    /// Parameters of the next version, if they change.
    pub staged_parameters: Option<LayoutParameters>,
    /// The version that data is being moved for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coming: Option<ComingVersion>,
}

/// A version that was applied and does not stand alone yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComingVersion {
    /// Its number.
    pub version: u64,
    /// `filling`: its new nodes copy what it gives them, and it is not in force; `completing`: it is in force
    /// beside the one before it, and copies are compared.
    pub stage: String,
    /// Its storage nodes.
    pub nodes: Vec<ComingNode>,
    /// Bytes that are still to be copied; absent once copies are only compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_left: Option<u64>,
    /// Until it is done, at the rate of now; absent once copies are only compared.
    pub seconds_left: Option<u64>,
    /// When that is, at this rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The rate of the node that takes longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// As in [`Copying`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
}

/// How far a node is with a coming version, in partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComingNode {
    /// The node.
    pub id: String,
    /// Done.
    pub done: u64,
    /// To be done in all.
    pub wanted: u64,
    /// What is to be copied still, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_left: Option<u64>,
    /// Blocks that it lacks: as long as another node may have them, the version waits for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks_lacking: Option<u64>,
}

/// A role in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutRole {
    /// The node.
    pub id: String,
    /// The zone.
    pub zone: String,
    /// For people.
    pub tags: Vec<String>,
    /// Bytes; null for a gateway.
    pub capacity: Option<u64>,
    /// Partitions it stores.
    pub stored_partitions: Option<u64>,
    /// Bytes of its capacity that this layout can use.
    pub usable_capacity: Option<u64>,
}

/// Parameters of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutParameters {
    /// Zones per piece of data.
    pub zone_redundancy: ZoneRedundancy,
    /// Copies per piece of data; absent: as many as there are zones, at most three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<u8>,
}

/// Zones per piece of data: `"maximum"` or `{"atLeast": 2}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ZoneRedundancy {
    /// At least this many.
    AtLeast(u8),
    /// As many as possible.
    Maximum,
}

/// A change of a node's role: `{id, remove: true}` or `{id, zone, capacity, tags}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleChange {
    /// The node.
    pub id: String,
    /// Takes the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<bool>,
    /// The zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Bytes; absent for a gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// Body of UpdateClusterLayout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateClusterLayout {
    /// Roles to stage.
    #[serde(default)]
    pub roles: Vec<RoleChange>,
    /// Parameters to stage.
    #[serde(default)]
    pub parameters: Option<LayoutParameters>,
}

/// Answer of PreviewClusterLayoutChanges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LayoutPreview {
    /// It cannot be applied.
    #[serde(rename_all = "camelCase")]
    Refused {
        /// Why.
        error: String,
    },
    /// What it would give.
    #[serde(rename_all = "camelCase")]
    Computed {
        /// For people; not to be parsed.
        message: Vec<String>,
        /// The version it would give.
        new_layout: Box<ClusterLayout>,
        /// What it would copy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        copying: Option<Copying>,
    },
}

/// Body of ApplyClusterLayout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyClusterLayout {
    /// The version that is made: one above the one in force.
    pub version: u64,
}

/// Answer of ApplyClusterLayout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedClusterLayout {
    /// For people; not to be parsed.
    pub message: Vec<String>,
    /// What it copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copying: Option<Copying>,
    /// The layout now.
    pub layout: ClusterLayout,
}

/// What a change of the layout copies, and how long that takes: estimates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Copying {
    /// Bytes in all.
    pub bytes: u64,
    /// The nodes that copy.
    pub nodes: Vec<CopyingNode>,
    /// Until the last one has done so.
    pub seconds: Option<u64>,
    /// At this rate, of that one.
    pub bytes_per_second: Option<u64>,
    /// `measured`: a node reached it; `limit`: its operator allows no more; `assumed`: nothing was copied yet.
    pub basis: Option<String>,
}

/// A node in [`Copying`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyingNode {
    /// The node.
    pub id: String,
    /// Partitions that it is given.
    pub partitions: u64,
    /// What they hold, as far as is known.
    pub bytes: Option<u64>,
}

/// Answer of GetClusterLayoutHistory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutHistory {
    /// The version in force.
    pub current_version: u64,
    /// All nodes know at least this version.
    pub min_ack: u64,
    /// Newest first.
    pub versions: Vec<LayoutVersion>,
    /// How far each node is, by node id.
    pub update_trackers: Option<BTreeMap<String, UpdateTrackers>>,
    /// The version that data is being moved for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coming: Option<ComingVersion>,
}

/// A version in [`LayoutHistory`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutVersion {
    /// Its number.
    pub version: u64,
    /// `Current`, `Draining` or `Historical`.
    pub status: String,
    /// Storage nodes in it.
    pub storage_nodes: u64,
    /// Gateways in it.
    pub gateway_nodes: u64,
}

/// The layout versions that a node has seen, moved its data to, and knows others to have moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateTrackers {
    /// Seen.
    pub ack: u64,
    /// Moved to.
    pub sync: u64,
    /// Known that all moved to.
    pub sync_ack: u64,
}
