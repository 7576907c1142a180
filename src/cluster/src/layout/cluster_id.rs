//! The name of a cluster: which layouts have a common first version.

use base::id::{decode_hex, encode_hex};
use serde::{Deserialize, Serialize};
use std::fmt;

/// 128 random bits, drawn when the first change of a first layout is made and kept for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId([u8; 16]);

/// The text is not the name of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a cluster has 32 hexadecimal digits")]
pub struct InvalidClusterId;

impl ClusterId {
    /// An id of fresh random bytes, or a stored one.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<String> for ClusterId {
    type Error = InvalidClusterId;
    fn try_from(text: String) -> Result<Self, InvalidClusterId> {
        decode_hex(&text).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(InvalidClusterId)
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> String {
        encode_hex(&id.0)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_hex(&self.0))
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster:{}", encode_hex(&self.0[..8]))
    }
}
