//! Bodies about nodes that join.

use serde::{Deserialize, Serialize};

/// Body of CreateNodeInvitation; all of it may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateNodeInvitation {
    /// The zone of the new node; absent: one that no other node has.
    #[serde(default)]
    pub zone: Option<String>,
    /// Where the new node dials this one, as host:port; empty: where this node believes that it is.
    #[serde(default)]
    pub addresses: Vec<String>,
}

/// Answer of CreateNodeInvitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInvitation {
    /// For `garage server --join`.
    pub code: String,
    /// The node that invites.
    pub node_id: String,
    /// The zone that the new node will ask for.
    pub zone: String,
    /// Where it dials this node.
    pub addresses: Vec<String>,
    /// How long the invitation holds.
    pub holds_for_secs: u64,
    /// Whether only machines of the same home can reach these addresses.
    pub local_only: bool,
}

/// Body of PreviewNodeApproval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewNodeApproval {
    /// The ids of nodes that wait.
    pub nodes: Vec<String>,
}

/// Answer of PreviewNodeApproval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeApproval {
    /// The layout version it would make.
    pub version: u64,
    /// Copies of everything now; 0 before the first version.
    pub copies_before: u8,
    /// Copies of everything then.
    pub copies_after: u8,
    /// Who would get which role.
    pub nodes: Vec<ApprovedNode>,
    /// For people; not to be parsed.
    pub message: Vec<String>,
    /// What it would copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copying: Option<super::Copying>,
}

/// A node in [`NodeApproval`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovedNode {
    /// Its id.
    pub id: String,
    /// Its zone.
    pub zone: String,
    /// Bytes.
    pub capacity: Option<u64>,
}

/// Body of ApproveNodes; the answer is that of ApplyClusterLayout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApproveNodes {
    /// The ids of nodes that wait.
    pub nodes: Vec<String>,
    /// The layout version that is made, as PreviewNodeApproval says.
    pub version: u64,
}

/// The role that a node asks for, in GetClusterStatus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRole {
    /// The zone that its invitation says.
    pub zone: String,
    /// What it has room for, in bytes.
    pub capacity: u64,
}
