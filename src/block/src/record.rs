//! The records this crate keeps in the local store, and their keys.
//!
//! `RefCount`: tag `b` ‖ hash (the tag keeps blocks apart from other counted targets).
//! `Resync`: due time in milliseconds (8 bytes, big endian) ‖ hash.
//! `Meta`: the disks known to this node, and the totals. `Setting`: where scrub, the audit and the rebalance stand.

use base::{BlockHash, WallTime};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use store::Record;

/// Tag of blocks among the counted targets in `RefCount`.
const BLOCK_TAG: u8 = b'b';
/// Key of [`Totals`] in `Meta`.
pub(crate) const TOTALS_KEY: &[u8] = b"block.totals";
/// Key of [`KnownDisks`] in `Meta`.
pub(crate) const DISKS_KEY: &[u8] = b"block.disks";
/// Key of [`ScrubState`] in `Setting`.
pub(crate) const SCRUB_KEY: &[u8] = b"block.scrub";

/// Key of [`RebalanceState`] in `Setting`.
pub(crate) const REBALANCE_KEY: &[u8] = b"block.rebalance";

/// Key of [`AuditState`] in `Setting`; absent when no audit is running.
pub(crate) const AUDIT_KEY: &[u8] = b"block.audit";

/// How many references a block has, and what its file takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefCount {
    /// References held.
    pub count: u64,
    /// Bytes of the file; 0 while that is not known.
    pub stored_bytes: u64,
    /// Since when the count is 0.
    pub zero_since: Option<WallTime>,
}

impl Record for RefCount {
    const KIND: u8 = 40;
    const VERSION: u8 = 1;
}

/// Why a block is to be looked at again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResyncEntry {
    /// How often it was found missing or could not be looked at.
    pub failures: u32,
    /// When that happened first.
    pub first_failure: Option<WallTime>,
    /// When it happened last, or nobody could verify its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<WallTime>,
    /// Nobody could verify its file, or a reader found it damaged: one that is there proves nothing before it is read.
    /// Never without the time, which stands before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_doubted: bool,
}

impl Record for ResyncEntry {
    const KIND: u8 = 41;
    const VERSION: u8 = 1;
}

/// Sums over all `RefCount` rows of blocks, changed in the same transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Rows: blocks with references, and blocks in their grace time.
    pub blocks: u64,
    /// Bytes their files take.
    pub stored_bytes: u64,
}

impl Record for Totals {
    const KIND: u8 = 42;
    const VERSION: u8 = 1;
}

/// A disk that this node has stored blocks on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredDisk", into = "StoredDisk")]
pub struct KnownDisk {
    /// The number in its marker.
    pub id: [u8; 16],
    /// Where it was last seen.
    pub path: PathBuf,
    /// Whether a file system of its own was mounted there: an empty folder in its place is a mount point then.
    pub is_mounted: bool,
    /// Whether it was not there at the last start, or vanished since, and its blocks were taken for lost.
    pub is_away: bool,
}

/// The same as it is stored. Fields are known by their places, so none is left out before one that is not.
#[derive(Serialize, Deserialize)]
struct StoredDisk {
    id: [u8; 16],
    /// As bytes, since the name of a folder need not be text.
    #[serde(with = "path_bytes")]
    path: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is_mounted: Option<bool>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_away: bool,
}

impl From<StoredDisk> for KnownDisk {
    fn from(StoredDisk { id, path, is_mounted, is_away }: StoredDisk) -> Self {
        Self { id, path, is_mounted: is_mounted.unwrap_or(false), is_away }
    }
}

impl From<KnownDisk> for StoredDisk {
    fn from(KnownDisk { id, path, is_mounted, is_away }: KnownDisk) -> Self {
        Self { id, path, is_mounted: (is_mounted || is_away).then_some(is_mounted), is_away }
    }
}

/// A path as the bytes it consists of.
mod path_bytes {
    use serde::{Deserializer, Serializer};
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serde_bytes::serialize(path.as_os_str().as_bytes(), serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        let bytes: Vec<u8> = serde_bytes::deserialize(deserializer)?;
        Ok(PathBuf::from(OsString::from_vec(bytes)))
    }
}

/// Every disk this node stores blocks on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDisks {
    /// In order of their ids.
    pub disks: Vec<KnownDisk>,
}

impl Record for KnownDisks {
    const KIND: u8 = 43;
    const VERSION: u8 = 1;
}

/// Where scrub stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubState {
    /// The next file to look at, or `None` when no pass is running.
    pub position: Option<ScrubPosition>,
    /// Stopped by the operator until resumed.
    pub paused: bool,
    /// When the last whole pass ended; before the first one, since when it waits.
    pub completed: Option<WallTime>,
    /// Files looked at in this pass, or in the last one when none is running.
    pub files: u64,
    /// Damaged files found in the same pass.
    pub damaged: u64,
    /// Files without a reference row found in the same pass.
    pub orphans: u64,
    /// No pass has ended yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_first_wait: bool,
}

impl Record for ScrubState {
    const KIND: u8 = 44;
    const VERSION: u8 = 1;
}

/// Where the move of blocks to the disks they belong on stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebalanceState {
    /// The next file to look at, or `None` when no pass is running.
    pub position: Option<ScrubPosition>,
    /// When the last whole pass ended.
    pub completed: Option<WallTime>,
    /// Files looked at in this pass, or in the last one when none is running.
    pub files: u64,
    /// Blocks moved in the same pass.
    pub moved: u64,
    /// Bytes of their files.
    pub moved_bytes: u64,
    /// Blocks that were in use or could not be moved, and stay where they are.
    pub left: u64,
}

impl Record for RebalanceState {
    const KIND: u8 = 49;
    const VERSION: u8 = 1;
}

/// Where the audit stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditState {
    /// The next key of `RefCount` to look at.
    pub next: Vec<u8>,
    /// Whether a disk was lost: then it lasts until everything is here again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_refill: bool,
}

impl Record for AuditState {
    const KIND: u8 = 45;
    const VERSION: u8 = 1;
}

/// A place in the walk over all files: disk, then folder, then name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ScrubPosition {
    /// Id of the disk.
    pub disk: [u8; 16],
    /// First byte of the hashes in the folder.
    pub folder: u8,
    /// The last name that was looked at; empty at the start of the folder.
    pub after: String,
}

/// Key of a block in `RefCount`.
pub(crate) fn count_key(hash: &BlockHash) -> Vec<u8> {
    let mut key = Vec::with_capacity(33);
    key.push(BLOCK_TAG);
    key.extend_from_slice(hash.as_bytes());
    key
}

/// The block behind a key of `RefCount`; `None` for other targets.
pub(crate) fn hash_of_count_key(key: &[u8]) -> Option<BlockHash> {
    let (tag, hash) = key.split_first()?;
    (*tag == BLOCK_TAG).then_some(())?;
    Some(BlockHash::from_bytes(hash.try_into().ok()?))
}

/// The first and the first following key of blocks in `RefCount`.
pub(crate) const COUNT_KEYS: (&[u8], &[u8]) = (&[BLOCK_TAG], &[BLOCK_TAG + 1]);

/// Key of a block to be looked at when `due`.
pub(crate) fn resync_key(due: WallTime, hash: &BlockHash) -> Vec<u8> {
    let mut key = Vec::with_capacity(40);
    key.extend_from_slice(&due.millis().to_be_bytes());
    key.extend_from_slice(hash.as_bytes());
    key
}

/// Due time and block behind a key of `Resync`.
pub(crate) fn parse_resync_key(key: &[u8]) -> Option<(WallTime, BlockHash)> {
    let (due, hash) = key.split_at_checked(8)?;
    let due = u64::from_be_bytes(due.try_into().ok()?);
    Some((WallTime(due), BlockHash::from_bytes(hash.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Space;

    #[test]
    fn a_disk_is_stored_without_what_it_is_not_and_read_as_it_was() {
        for (is_mounted, is_away, bytes) in
            [(false, false, 0), (true, false, 1), (true, true, 2), (false, true, 2)]
        {
            let disk = KnownDisk { id: [7; 16], path: "/disk".into(), is_mounted, is_away };
            let known = KnownDisks { disks: vec![disk] };
            let stored = store::encode(Space::Meta, DISKS_KEY, &known);
            assert_eq!(store::decode::<KnownDisks>(Space::Meta, DISKS_KEY, &stored).unwrap(), known);
            let plain = KnownDisk { is_mounted: false, is_away: false, ..known.disks[0].clone() };
            let least = store::encode(Space::Meta, DISKS_KEY, &KnownDisks { disks: vec![plain] });
            assert_eq!(stored.len() - least.len(), bytes, "one byte for each");
        }
    }
}
