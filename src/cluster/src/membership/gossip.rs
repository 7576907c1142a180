//! What nodes tell each other every few seconds: how they are, and whom they know.

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
pub(super) struct Gossip {
    /// How the sender is.
    pub status: NodeStatus,
    /// Whom it is connected to, and where they can be dialled.
    pub peers: Vec<(NodeId, Vec<SocketAddr>)>,
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
