//! Bodies about single nodes, their workers and repairs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What several nodes answered, by node id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultiAnswer<T> {
    /// Answers.
    pub success: BTreeMap<String, T>,
    /// Why others did not answer.
    pub error: BTreeMap<String, String>,
}

/// Answer of GetNodeInfo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// Its id.
    pub node_id: String,
    /// Its machine's name.
    #[serde(default)]
    pub hostname: Option<String>,
    /// Where other nodes reach it.
    #[serde(default)]
    pub addr: Option<String>,
    /// Whether it listens for other nodes at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listens: Option<bool>,
    /// The release it runs.
    pub garage_version: String,
    /// What it was built with.
    pub garage_features: Option<Vec<String>>,
    /// The compiler's version.
    pub rust_version: String,
    /// The metadata engine.
    pub db_engine: String,
}

/// Answer of GetNodeStatistics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatistics {
    /// For people; not to be parsed.
    pub freeform: String,
}

/// Body of ListWorkers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListWorkers {
    /// Only those that have something to do.
    pub busy_only: bool,
    /// Only those with errors.
    pub error_only: bool,
}

/// Body of GetWorkerInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetWorkerInfo {
    /// The worker.
    pub id: u64,
}

/// A background worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerInfo {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: WorkerState,
    /// Errors since the start.
    pub errors: u64,
    /// Errors since the last success.
    pub consecutive_errors: u64,
    /// The last error.
    pub last_error: Option<WorkerError>,
    /// How hard it works.
    pub tranquility: Option<u32>,
    /// How far it is.
    pub progress: Option<String>,
    /// What waits.
    pub queue_length: Option<u64>,
    /// What it could not do so far.
    pub persistent_errors: Option<u64>,
    /// For people.
    pub freeform: Vec<String>,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WorkerState {
    /// It works.
    Busy,
    /// It has nothing to do.
    Idle,
    /// It will not work any more.
    Done,
}

/// A worker's last error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerError {
    /// What happened.
    pub message: String,
    /// When.
    pub secs_ago: u64,
}

/// Body of LaunchRepairOperation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchRepair {
    /// What to repair.
    pub repair_type: RepairType,
}

/// Answer of LaunchRepairOperation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchedRepair {
    /// What was started, or why there is nothing to start: a sentence for people.
    pub message: String,
}

/// One node's answer of GetNodeClock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeClock {
    /// What the machine's clock shows.
    pub machine: String,
    /// The node's own: above every time that it gave or took in.
    pub node: String,
    /// By how much it is ahead; 0: it is not.
    pub ahead_secs: u64,
    /// Rows with times that are yet to come, by table.
    pub rows: Vec<FutureRows>,
}

/// Rows of a table in [`NodeClock`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FutureRows {
    /// The table.
    pub table: String,
    /// How many.
    pub rows: u64,
    /// The latest time in them.
    pub newest: String,
}

/// Body of GetWorkerVariable: all of them, or one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetWorkerVariable {
    /// Its name.
    pub variable: Option<String>,
}

/// Body and answer of SetWorkerVariable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetWorkerVariable {
    /// Its name.
    pub variable: String,
    /// Its value, as text.
    pub value: String,
}

/// What can be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RepairType {
    /// Compare tables with other nodes.
    Tables,
    /// Look for every block that is used.
    Blocks,
    /// Bodies without an object.
    Versions,
    /// Uploads without a bucket.
    MultipartUploads,
    /// References without a body.
    BlockRefs,
    /// Count references anew.
    BlockRc,
    /// Move blocks between disks.
    Rebalance,
    /// Names without a bucket.
    Aliases,
    /// Empty the queue of blocks to look at.
    ClearResyncQueue,
    /// Check every file.
    Scrub(ScrubCommand),
}

/// What to do with the check of every file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScrubCommand {
    /// Begin.
    Start,
    /// Stop for now.
    Pause,
    /// Go on.
    Resume,
    /// End without finishing.
    Cancel,
}
