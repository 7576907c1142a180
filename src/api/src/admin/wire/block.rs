//! Bodies about single blocks.

use serde::{Deserialize, Serialize};

/// A block in ListBlockErrors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockErrorInfo {
    /// The block.
    pub block_hash: String,
    /// How often it is used.
    pub refcount: u64,
    /// How often it was looked for.
    pub error_count: u64,
    /// When it was looked for last.
    pub last_try_secs_ago: u64,
    /// Since when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_for_secs: Option<u64>,
    /// When it is looked for next.
    pub next_try_in_secs: u64,
}

/// Body of RetryBlockResync: all blocks, or some.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryBlockResync {
    /// All of them.
    pub all: bool,
    /// Some, by hash.
    pub block_hashes: Vec<String>,
}

/// Answer of RetryBlockResync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetriedBlocks {
    /// How many are looked for again.
    pub count: u64,
}

/// Body of GetBlockInfo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetBlockInfo {
    /// Its hash, or how it begins.
    pub block_hash: String,
}

/// Answer of GetBlockInfo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockInfo {
    /// Its hash.
    pub block_hash: String,
    /// How often it is used on this node.
    pub refcount: u64,
    /// What the disks of this node hold of it.
    pub presence: BlockPresence,
    /// The bodies that list it, or did; one that several things need is there several times.
    pub versions: Vec<BlockVersion>,
}

/// What the disks of a node hold of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BlockPresence {
    /// A good file.
    Here,
    /// A file that is damaged.
    Damaged,
    /// No file.
    Missing,
    /// A disk is not there, or cannot be read.
    Unknown,
}

/// A body that lists a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockVersion {
    /// Its id.
    pub version_id: String,
    /// Whether it needs the block no more.
    pub ref_deleted: bool,
    /// Whether nothing needs the body: it is about to go.
    pub version_deleted: bool,
    /// The same.
    pub garbage_collected: bool,
    /// What needs it; none as well where other nodes keep what would tell.
    pub backlink: Option<BlockBacklink>,
}

/// What needs a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum BlockBacklink {
    /// An object.
    Object {
        /// Its bucket.
        bucket_id: String,
        /// A name of the bucket.
        #[serde(default)]
        bucket: Option<String>,
        /// Its key.
        key: String,
        /// Its version, as S3 shows it; none where other nodes keep the key.
        #[serde(default)]
        version: Option<String>,
        /// Its body.
        #[serde(default)]
        body: String,
    },
    /// An upload that is not completed.
    Upload {
        /// The upload.
        upload_id: String,
        /// Whether it is over.
        upload_deleted: bool,
        /// Whether nothing is left of it.
        upload_garbage_collected: bool,
        /// Its bucket, where it is known here.
        bucket_id: Option<String>,
        /// A name of the bucket.
        #[serde(default)]
        bucket: Option<String>,
        /// Its key.
        key: Option<String>,
    },
}

/// Answer of PurgeBlocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgedBlocks {
    /// Blocks that nothing needs any more.
    pub blocks_purged: u64,
    /// Objects deleted; of those that keep versions, versions.
    pub objects_deleted: u64,
    /// Uploads given up.
    pub uploads_deleted: u64,
    /// Bodies that went with them.
    pub versions_deleted: u64,
}
