//! Table `past`: the versions of a key that are not current, or were not when they were put aside.
//!
//! Key: partition ‖ escaped object key ‖ 1 for the null version, or 2 ‖ inverse stamp for a named one, so that
//! the newest named version comes first. A row is written by decisions about the key only, together with the
//! key's own row (`rows::object`), and ordered by them: the later decision wins. A row of the version that is
//! current says nothing: its head does.

use super::object::{self, Slot};
use super::record_kind;
use base::{Merge, PartitionHash, Stamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use store::Record;
use table::sort_key;

/// Which version of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VersionId {
    /// The one that is written where versions are off or suspended.
    #[serde(rename = "n")]
    Null,
    /// The one that was made at this stamp.
    #[serde(rename = "v")]
    Named(Stamp),
}

impl VersionId {
    /// When a version of this name was made; the name of the null version does not say it.
    pub fn made(self) -> Stamp {
        match self {
            Self::Null => Stamp::ZERO,
            Self::Named(stamp) => stamp,
        }
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        let bytes: [u8; Stamp::LEN] = base::id::decode_hex(text)?.try_into().ok()?;
        Some(Self::Named(Stamp::from_bytes(bytes))).filter(|id| id.to_string() == text)
    }
}

impl fmt::Display for VersionId {
    /// As S3 shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Named(stamp) => f.write_str(&base::id::encode_hex(&stamp.to_bytes())),
        }
    }
}

/// A version that is not current.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PastRow {
    /// The decision that wrote it.
    pub by: Stamp,
    /// When the version was made.
    pub made: Stamp,
    /// What it is; deleted for good, unless a later decision wrote it again.
    pub slot: Slot,
    /// Whether the decision was chosen, as far as this replica knows (doc/decisions/0007, V10): the row of the key came
    /// with it, and is still there or was replaced by one that was made upon it.
    #[serde(default = "sure", skip_serializing_if = "Clone::clone")]
    pub is_sure: bool,
}

fn sure() -> bool {
    true
}

impl PastRow {
    /// The row that a decision writes.
    pub fn decided(by: Stamp, made: Stamp, slot: Slot) -> Self {
        Self { by, made, slot, is_sure: true }
    }

    /// Whether it may come from a ballot that was lost. `head`: the decision that is current, of which a quorum agrees.
    pub fn is_in_doubt(&self, head: Option<Stamp>) -> bool {
        !self.is_sure && Some(self.by) != head
    }
}

impl Record for PastRow {
    const KIND: u8 = record_kind::PAST;
    const VERSION: u8 = 1;
}

impl Merge for PastRow {
    /// The later decision; of one decision, that it was chosen.
    fn merge(&mut self, other: &Self) {
        if other > self {
            *self = other.clone();
        }
    }
}

/// Which past row names a body (local).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastBody(#[serde(with = "serde_bytes")] pub Vec<u8>);

impl Record for PastBody {
    const KIND: u8 = record_kind::PAST_BODY;
    const VERSION: u8 = 1;
}

/// Above the mark of the key's own row: bytes that lie beside both share a keyspace.
const NULL: u8 = 1;
const NAMED: u8 = 2;

/// The key of a version's row.
pub fn row_key(partition: PartitionHash, key: &str, id: VersionId) -> Vec<u8> {
    beside(&object::row_key(partition, key), id)
}

/// The key of a version's row beside the object's row under `head_key`.
pub fn beside(head_key: &[u8], id: VersionId) -> Vec<u8> {
    let mut bytes = head_key[..head_key.len().saturating_sub(1)].to_vec();
    match id {
        VersionId::Null => bytes.push(NULL),
        VersionId::Named(stamp) => {
            bytes.push(NAMED);
            bytes.extend(stamp.to_bytes().map(|byte| !byte));
        }
    }
    bytes
}

/// The object key and the version of a row key.
pub fn parse_row_key(row_key: &[u8]) -> Option<(String, VersionId)> {
    let (_, sort) = row_key.split_at_checked(PartitionHash::LEN)?;
    let (text, rest) = sort_key::take_string(sort)?;
    let id = match rest.split_first()? {
        (&NULL, []) => VersionId::Null,
        (&NAMED, stamp) => {
            let inverse: [u8; Stamp::LEN] = stamp.try_into().ok()?;
            VersionId::Named(Stamp::from_bytes(inverse.map(|byte| !byte)))
        }
        _ => return None,
    };
    Some((String::from_utf8(text).ok()?, id))
}

/// The key of the object's row that a past row stands beside.
pub fn head_key(row_key: &[u8]) -> Option<Vec<u8>> {
    let (key, _) = parse_row_key(row_key)?;
    let partition = PartitionHash::from_bytes(*row_key.first_chunk()?);
    Some(object::row_key(partition, &key))
}

/// Where the past rows of a key begin and end.
pub fn range_of(partition: PartitionHash, key: &str) -> (Vec<u8>, Vec<u8>) {
    range_beside(&object::row_key(partition, key))
}

/// The same beside the object's row under `head_key`.
pub fn range_beside(head_key: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let from = beside(head_key, VersionId::Null);
    let mut to = from.clone();
    if let Some(mark) = to.last_mut() {
        *mark = NAMED + 1;
    }
    (from, to)
}
