//! How encrypted bodies say where their key is, and the table `ring`: keys that every node keeps.
//!
//! A body is encrypted with a data key of its own, which is kept wrapped: by the customer's key, which is
//! kept nowhere, or by a key of the ring. Keys of the ring are wrapped in turn by the cluster's encryption secret,
//! which is in no table. What is wrapped never changes, and no key of the ring ever goes away; another encryption secret wraps
//! the same keys anew, and the later wrapping wins.

use super::record_kind;
use base::id::kind;
use base::{Id, Merge, Stamp};
use serde::{Deserialize, Serialize};
use store::Record;

/// How a body is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Encryption {
    /// Whose key wraps the data key.
    pub keeper: Keeper,
    /// The data key.
    pub data_key: Wrapped,
}

/// Whose key wraps a data key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Keeper {
    /// The customer's, sent with every request (SSE-C).
    #[serde(rename = "c")]
    Customer,
    /// The ring's own one (SSE-S3).
    #[serde(rename = "s")]
    Service(Id<kind::RingKey>),
    /// A named one of the ring (SSE-KMS).
    #[serde(rename = "k")]
    Named {
        /// The key.
        key: Id<kind::RingKey>,
        /// Its name.
        name: String,
        /// Whether the request asked for a bucket key, which changes nothing here and is shown.
        bucket_key: bool,
    },
}

impl Keeper {
    /// The key of the ring, if it is one.
    pub fn ring_key(&self) -> Option<Id<kind::RingKey>> {
        match self {
            Self::Customer => None,
            Self::Service(key) | Self::Named { key, .. } => Some(*key),
        }
    }
}

/// A key of 256 bits, encrypted under another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wrapped {
    /// Random: makes a key of its own for each wrapping.
    #[serde(with = "serde_bytes")]
    pub salt: [u8; 32],
    /// The key, and what authenticates it.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
}

/// A key of the ring.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RingKeyRow {
    /// When it was made: of the keys with one name the newest wraps what is written.
    pub created: Stamp,
    /// What requests call it; none: the one for whoever names no key.
    pub name: Option<String>,
    /// The key itself.
    pub key: Wrapped,
    /// How many encryption secrets there were before the one that wraps it.
    #[serde(default, skip_serializing_if = "is_first")]
    pub generation: u32,
}

fn is_first(generation: &u32) -> bool {
    *generation == 0
}

impl Record for RingKeyRow {
    const KIND: u8 = record_kind::RING_KEY;
    const VERSION: u8 = 1;
}

impl Merge for RingKeyRow {
    fn merge(&mut self, other: &Self) {
        // Wrapped anew it is the same key: which of two wrappings of one generation stays does not matter.
        if (other.generation, other) > (self.generation, &*self) {
            *self = other.clone();
        }
    }
}
