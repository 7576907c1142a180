//! Bodies about nodes that never come back.

use serde::{Deserialize, Serialize};

/// Body of PreviewNodeForgetting and ForgetNodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetNodes {
    /// The ids of storage nodes that never come back.
    pub nodes: Vec<String>,
}

/// Answer of PreviewNodeForgetting and ForgetNodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForgottenNodes {
    /// The nodes.
    pub nodes: Vec<String>,
    /// In how many partitions something that was acknowledged may be lost.
    pub partitions_at_risk: u64,
    /// For people; not to be parsed.
    pub message: Vec<String>,
}
