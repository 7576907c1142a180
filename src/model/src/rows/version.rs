//! Table `version`: what a body consists of, and what it belongs to.
//!
//! Key: body id ‖ row number. A row lists at most a fixed number of blocks or parts, so that a
//! large body costs linear work. Its contents never change; its state only goes from live to
//! dead, and a dead row's hook drops the references it holds.

use super::object::BlockPiece;
use super::record_kind;
use super::reference::Target;
use base::id::kind;
use base::{Id, Merge, WallTime};
use serde::{Deserialize, Serialize};
use store::Record;

/// One row of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRow {
    /// What the body belongs to.
    pub owner: Owner,
    /// No message that creates something for this body is accepted after this time (rule K2).
    pub deadline: WallTime,
    /// Live, or dead for ever.
    pub dead: bool,
    /// This row's share of the body, in order.
    pub contents: Contents,
}

/// What a body belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// An object's entry.
    #[serde(rename = "o")]
    Object(Id<kind::Bucket>, String),
    /// A part of an upload.
    #[serde(rename = "p")]
    Part(Id<kind::Upload>, u16),
}

/// What a version row lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contents {
    /// Blocks.
    #[serde(rename = "b")]
    Blocks(Vec<BlockPiece>),
    /// Parts of a composite.
    #[serde(rename = "p")]
    Parts(Vec<PartPiece>),
}

impl Contents {
    /// What the row holds.
    pub fn targets(&self) -> Vec<Target> {
        match self {
            Contents::Blocks(blocks) => blocks.iter().map(|piece| Target::Block(piece.hash)).collect(),
            Contents::Parts(parts) => parts.iter().map(|piece| Target::Body(piece.body)).collect(),
        }
    }
}

/// One part of a composite body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartPiece {
    /// The part's number as the client gave it.
    pub number: u16,
    /// The part's body.
    pub body: Id<kind::Body>,
    /// Bytes of the part.
    pub size: u64,
    /// The part's own additional checksum.
    #[serde(default)]
    pub checksum: Option<super::object::Checksum>,
}

impl Record for VersionRow {
    const KIND: u8 = record_kind::VERSION;
    const VERSION: u8 = 1;
}

impl Merge for VersionRow {
    fn merge(&mut self, other: &Self) {
        // Owner, deadline and contents of one row are written once, under a fresh random id.
        self.dead |= other.dead;
    }
}

/// The key of row `number` of a body.
pub fn row_key(body: &Id<kind::Body>, number: u32) -> Vec<u8> {
    let mut key = body.as_bytes().to_vec();
    key.extend(number.to_be_bytes());
    key
}

/// The body and row number of a row key.
pub fn parse_row_key(key: &[u8]) -> Option<(Id<kind::Body>, u32)> {
    let (body, number) = key.split_at_checked(32)?;
    Some((Id::from_bytes(body.try_into().ok()?), u32::from_be_bytes(number.try_into().ok()?)))
}

/// A body whose upload has begun and whose entry is not written yet (local, rule K2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingBody {
    /// From when on it may be judged by what the key's row says.
    pub deadline: WallTime,
}

impl Record for PendingBody {
    const KIND: u8 = record_kind::PENDING;
    const VERSION: u8 = 1;
}
