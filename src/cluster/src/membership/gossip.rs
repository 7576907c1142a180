//! What nodes tell each other every few seconds: how they are, whom they know, which layout they have.

use crate::joining::Waiting;
use crate::layout::{ClusterId, Layout};
use base::{NodeId, WallTime};
use net::{Class, Request};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Peers told in one message: what a cluster of homes has, many times over.
pub(super) const PEERS_TOLD_MAX: usize = 256;
/// Longest name of a machine that is believed.
pub(super) const HOSTNAME_MAX_BYTES: usize = 255;

/// One node's message; the other answers with its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gossip {
    /// How the sender is.
    pub status: NodeStatus,
    /// Whom it is connected to, and where they can be dialled.
    pub peers: Vec<(NodeId, Vec<SocketAddr>)>,
    /// Which layout the sender has.
    #[serde(default)]
    pub layout: LayoutMark,
}

/// Names a layout, so that one that is not known can be asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayoutMark {
    /// The cluster.
    pub cluster: Option<ClusterId>,
    /// The newest version in force.
    pub number: u64,
    /// A digest of all that the layout says, staged changes too.
    pub digest: [u8; 32],
}

impl LayoutMark {
    /// The mark of a layout.
    pub fn of(layout: &Layout) -> Self {
        Self { cluster: layout.cluster(), number: layout.newest().number, digest: layout.digest() }
    }

    /// Whether the two are of different clusters.
    pub fn is_of_another_cluster(&self, other: &Self) -> bool {
        self.number > 0 && other.number > 0 && self.cluster != other.cluster
    }
}

/// Asks for the whole layout.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FetchLayout {}

/// The layout in its stored form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LayoutText {
    pub text: String,
}

impl Request for FetchLayout {
    type Reply = LayoutText;
    const NAME: &'static str = "cluster/layout";
    const CLASS: Class = Class::Metadata;
}

/// How fast a node copies from others in the background, in bytes per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopySpeed {
    /// What it reached when it last copied for a while; none: it never did.
    #[serde(default)]
    pub reached: Option<u64>,
    /// What its operator lets it take at most.
    #[serde(default)]
    pub limit: Option<u64>,
    /// The layout version that it fills its arcs for, and the bytes that came since it began.
    #[serde(default)]
    pub filling: Option<(u64, u64)>,
}

/// What a node says of its disks for blocks, and of the blocks that it lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockState {
    /// Bytes of the blocks that it lacks, where all of them are known.
    #[serde(default)]
    pub lacking_bytes: Option<u64>,
    /// Whether it lacks no more than the blocks it tells of.
    #[serde(default)]
    pub is_counted: bool,
    /// Disks that are gone.
    #[serde(default)]
    pub disks_gone: u64,
    /// No disk is left that takes blocks.
    #[serde(default)]
    pub takes_none: bool,
    /// Whether it knows what it lacks: not in the moments after a start.
    #[serde(default)]
    pub is_known: bool,
}

/// How a node says that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its machine's name.
    pub hostname: String,
    /// Its release.
    pub release: String,
    /// The number of its layout in force.
    pub layout_version: u64,
    /// What its wall clock shows.
    pub clock: WallTime,
    /// Room for blocks on its disks: free and in all, in bytes.
    pub data_room: Option<(u64, u64)>,
    /// The same for its metadata.
    pub metadata_room: Option<(u64, u64)>,
    /// Bytes of blocks it keeps.
    #[serde(default)]
    pub stored_bytes: Option<u64>,
    /// The role it asks for, if it has none.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// Arcs that it owns and does not answer for yet; `None`: not known since its links came up.
    #[serde(default)]
    pub behind: Option<u64>,
    /// Blocks that it lacks, as far as it knows; `None`: none.
    #[serde(default)]
    pub to_refill: Option<u64>,
    /// How fast it copies.
    #[serde(default)]
    pub copying: CopySpeed,
    /// More about its blocks.
    #[serde(default)]
    pub blocks: BlockState,
}

impl Request for Gossip {
    type Reply = Gossip;
    const NAME: &'static str = "cluster/gossip";
    const CLASS: Class = Class::Metadata;
}

impl Gossip {
    /// Whether a message keeps to the limits; others are not listened to.
    pub fn is_acceptable(&self) -> bool {
        self.peers.len() <= PEERS_TOLD_MAX && self.status.hostname.len() <= HOSTNAME_MAX_BYTES
    }
}
