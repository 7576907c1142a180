//! Table `block_ref`: who holds which block or part.
//!
//! Key: target (32 bytes) ‖ kind of target ‖ referrer (32 bytes), so all referrers of a target
//! lie together and travel with it. A reference goes from held to removed and never back; a
//! removed one beats a late put. A target dies when nobody holds it.

use super::record_kind;
use base::id::kind;
use base::{BlockHash, Id, Merge, PartitionHash};
use serde::{Deserialize, Serialize};
use store::Record;

/// A reference: nothing but whether it was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceRow {
    /// Removed for ever.
    pub removed: bool,
}

impl Record for ReferenceRow {
    const KIND: u8 = record_kind::REFERENCE;
    const VERSION: u8 = 1;
}

impl Merge for ReferenceRow {
    fn merge(&mut self, other: &Self) {
        self.removed |= other.removed;
    }
}

/// What is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// A block, by content.
    #[serde(rename = "b")]
    Block(BlockHash),
    /// A part's body.
    #[serde(rename = "p")]
    Body(Id<kind::Body>),
}

impl Target {
    /// Where it lies, and all references to it.
    pub fn partition(&self) -> PartitionHash {
        PartitionHash::of_uniform(match self {
            Target::Block(hash) => hash.as_bytes(),
            Target::Body(id) => id.as_bytes(),
        })
    }
}

/// Who holds it: a body, or the upload that a part belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Referrer {
    /// A body holds its blocks; a composite body holds its parts.
    #[serde(rename = "b")]
    Body(Id<kind::Body>),
    /// An upload holds all its parts until it is closed.
    #[serde(rename = "u")]
    Upload(Id<kind::Upload>),
}

const BLOCK: u8 = 0;
const BODY: u8 = 1;

/// The key of a reference.
pub fn row_key(target: Target, referrer: Referrer) -> Vec<u8> {
    let mut key = target_prefix(target);
    key.extend(match &referrer {
        Referrer::Body(id) => id.as_bytes(),
        Referrer::Upload(id) => id.as_bytes(),
    });
    key
}

/// What the keys of all references to `target` begin with.
pub fn target_prefix(target: Target) -> Vec<u8> {
    let (bytes, mark) = match &target {
        Target::Block(hash) => (hash.as_bytes(), BLOCK),
        Target::Body(id) => (id.as_bytes(), BODY),
    };
    let mut key = bytes.to_vec();
    key.push(mark);
    key
}

/// The block and the body of a reference's key, if it is one of a body to a block.
pub fn held_block(key: &[u8]) -> Option<(Target, Id<kind::Body>)> {
    let target = target_of(key).filter(|target| matches!(target, Target::Block(_)))?;
    Some((target, Id::from_bytes(key.get(33..)?.try_into().ok()?)))
}

/// The target of a reference's key.
pub fn target_of(key: &[u8]) -> Option<Target> {
    let bytes: [u8; 32] = key.get(..32)?.try_into().ok()?;
    match *key.get(32)? {
        BLOCK => Some(Target::Block(BlockHash::from_bytes(bytes))),
        BODY => Some(Target::Body(Id::from_bytes(bytes))),
        _ => None,
    }
}
