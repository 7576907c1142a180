//! The mark in the store that says which digests are kept: under which key, and of which rows already.
//!
//! Digests are built while the node works: the mark moves over the rows in pages, and a row behind it is
//! kept up to date by whoever changes it, in the same transaction as the look at the mark.

use super::DigestKey;
use serde::{Deserialize, Serialize};
use store::{Read, Record, Space, StoreError, Txn};

/// The mark's key in the keyspace `meta`.
pub const DIGEST_KEY: &[u8] = b"digest";
/// How rows are hashed and chunks are cut. Another number: all digests are built anew.
const FORMAT: u8 = 1;

/// Which digests are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    format: u8,
    #[serde(with = "serde_bytes")]
    key: [u8; 32],
    progress: Progress,
}

/// Of which rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Of none: digests under another key are being removed.
    #[serde(rename = "c")]
    Clearing,
    /// Of those below this key of this keyspace, and of all tables with a smaller number.
    #[serde(rename = "b")]
    Building(u8, #[serde(with = "serde_bytes")] Vec<u8>),
    /// Of all.
    #[serde(rename = "k")]
    Complete,
}

impl Record for Mark {
    const KIND: u8 = 61;
    const VERSION: u8 = 1;
}

impl Mark {
    /// A mark.
    pub fn new(key: &DigestKey, progress: Progress) -> Self {
        Self { format: FORMAT, key: key.0, progress }
    }

    /// The mark in force; none while no digests are kept. A damaged one is as good as none: the digests
    /// are built anew.
    pub(super) fn read(read: &impl Read) -> Result<Option<Self>, StoreError> {
        match read.get::<Self>(Space::Meta, DIGEST_KEY) {
            Ok(mark) => Ok(mark.filter(|mark| mark.format == FORMAT)),
            Err(StoreError::Unreadable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn store(&self, txn: &mut Txn<'_>) {
        txn.put(Space::Meta, DIGEST_KEY.to_vec(), self);
    }

    pub(super) fn key(&self) -> DigestKey {
        DigestKey(self.key)
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) fn is_complete(&self) -> bool {
        self.progress == Progress::Complete
    }

    /// Whether the digest of a row is kept.
    pub(super) fn covers(&self, space: Space, row_key: &[u8]) -> bool {
        match &self.progress {
            Progress::Clearing => false,
            Progress::Building(at, below) => (space.number(), row_key) < (*at, below.as_slice()),
            Progress::Complete => true,
        }
    }

    /// Up to where the digests of a table are kept, if not all of them.
    pub(super) fn limit(&self, space: Space) -> Option<&[u8]> {
        match &self.progress {
            Progress::Building(at, below) if *at == space.number() => Some(below),
            _ => None,
        }
    }
}
