//! Why a block could not be stored or read: each variant is something else for the caller to do.

use base::{BlockHash, NodeId};
use std::io;
use std::path::PathBuf;
use store::StoreError;

/// Why the block store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// No disk has room beyond its reserve. Nothing was written; deletes still work.
    #[error("every data folder is full: free some space or add a folder to `data_dir`, then try again")]
    Full,
    /// No file of this block is here: ask another node.
    #[error("block {hash} is not here")]
    Missing {
        /// The block.
        hash: BlockHash,
    },
    /// The file here does not hold the bytes it should and has been set aside: ask another node.
    #[error("the file of block {hash} is damaged and was set aside")]
    Damaged {
        /// The block.
        hash: BlockHash,
    },
    /// The bytes that came are not what their sender announced.
    #[error("these bytes are not block {announced}")]
    WrongHash {
        /// What they should have been.
        announced: BlockHash,
    },
    /// The bytes are more than one block.
    #[error("a block has at most {} bytes, not {length_bytes}", base::limits::BLOCK_SIZE_BYTES)]
    TooLarge {
        /// How many came.
        length_bytes: usize,
    },
    /// The disk refused or failed; other disks were tried first where that helps.
    #[error("data folder {}: {source}", path.display())]
    DiskFailed {
        /// The data folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A data folder cannot be used as it is: the operator must act before the node starts.
    #[error("data folder {}: {reason}", path.display())]
    Unusable {
        /// The data folder.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: UnusableFolder,
    },
    /// The configuration names no data folder, or none that can be written.
    #[error("`data_dir` names no folder that can be written")]
    NoFolder,
    /// The metadata store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableFolder {
    /// The folder held blocks of this node before and is now without its marker.
    #[error(
        "its marker file is gone, so this is probably an empty mount point; mount the disk: no other node has what is on it. \
         If it is gone for good, start once with --without-disk and this folder: what was on it is lost then"
    )]
    LostDisk,
    /// A disk that this node stored blocks on is no longer among the folders.
    #[error(
        "this node stored blocks here, but `data_dir` no longer names it; put it back. If the disk is gone for good, start \
         once with --without-disk and this folder"
    )]
    NotConfigured,
    /// It was given up, and is here.
    #[error("no disk of this node is missing here; start without --without-disk")]
    NotLost,
    /// Its disk was given up, and the folder would be filled without any.
    #[error("a disk was mounted here; mount the new one, or take the folder out of `data_dir`")]
    NotMounted,
    /// The marker names another node.
    #[error(
        "it holds blocks of another node (id {0}). If the metadata folder is not mounted, mount it; to start anew use an empty \
         data folder"
    )]
    ForeignDisk(NodeId),
    /// Blocks without a marker: nobody can say whose they are.
    #[error(
        "it holds blocks but no marker file; check that the right disk is mounted, or choose an empty folder"
    )]
    NoMarker,
    /// The marker cannot be read.
    #[error("its marker file is damaged; restore it from a backup, or choose an empty folder")]
    DamagedMarker,
    /// The same disk under two paths, or a copied folder.
    #[error("it is the same disk as another folder of `data_dir`, or a copy of it; keep one of them")]
    Duplicate,
    /// Another process holds the marker's lock.
    #[error("another running process uses it")]
    InUse,
    /// Read-only, and never used by this node.
    #[error("it is read-only and holds no marker file of this node")]
    ReadOnlyWithoutMarker,
}
