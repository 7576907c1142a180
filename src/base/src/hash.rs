//! Content and placement hashes.
//!
//! A [`BlockHash`] says *what the bytes are*; a [`PartitionHash`] says *where a row lives*. Both
//! come from BLAKE3 (content hashing is on the path of every PUT and GET, and BLAKE3 is about
//! seven times faster than BLAKE2b at 1 MiB), and neither converts into an id.

use crate::id::{self, Id, Kind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// BLAKE3 of a block's bytes before compression (and after object encryption, when there is one).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockHash([u8; 32]);

impl BlockHash {
    /// Hashes the content of a block.
    pub fn of(content: &[u8]) -> Self {
        Self(*blake3::hash(content).as_bytes())
    }

    /// A hash read back from a record or a file name.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        id::decode_hex_32(text).map(Self)
    }
}

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        id::write_hex(f, &self.0)
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("block:")?;
        id::write_hex(f, &self.0[..8])
    }
}

impl Serialize for BlockHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        id::serialize_32(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for BlockHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        id::deserialize_32(deserializer).map(Self)
    }
}

/// Where a row lives on the ring: 128 bits, the first part of every stored table key.
///
/// 128 bits are enough because partition keys are made of random ids; a place where an outsider
/// chooses the content (block hashes) keeps the rest of the hash in the sort key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartitionHash([u8; 16]);

impl PartitionHash {
    /// Bytes of a partition hash inside a stored key.
    pub const LEN: usize = 16;

    /// The partition of an index shard: a bucket and the number of its shard.
    pub fn of_shard<K: Kind>(owner: &Id<K>, shard: u16) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(owner.as_bytes());
        hasher.update(&shard.to_be_bytes());
        Self(hasher.finalize().as_bytes()[..16].try_into().expect("16 of 32 bytes"))
    }

    /// The partition that 32 uniformly random bytes (an id or a content hash) fall into.
    pub fn of_uniform(bytes: &[u8; 32]) -> Self {
        Self(bytes[..16].try_into().expect("16 of 32 bytes"))
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A partition hash read back from the front of a stored key.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The first 16 bits: which of the ring's arcs the row lies on, before the layout decides
    /// who owns it.
    pub fn arc_bits(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }
}

impl fmt::Debug for PartitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("partition:")?;
        id::write_hex(f, &self.0[..4])
    }
}
