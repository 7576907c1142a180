//! Identifiers: 256 random bits with the kind of thing they name in their type.
//!
//! Two ids of different kinds cannot be mixed up, and an id is never a hash: hashes live in
//! [`crate::hash`] and have other constructors.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// What an [`Id`] can name. Add a kind here, never an alias.
pub mod kind {
    macro_rules! kinds {
        ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {$(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name;
            impl super::Kind for $name { const NAME: &'static str = $text; }
        )*};
    }
    kinds! {
        /// A bucket, whatever names point at it.
        Bucket = "bucket";
        /// The bytes behind an object, a part or a composite: one upload attempt, one id.
        Body = "body";
        /// A multipart upload from its creation to its completion or abort.
        Upload = "upload";
        /// One key of the ring that wraps the keys of encrypted bodies.
        RingKey = "ring_key";
    }
}

/// The kind marker of an [`Id`].
pub trait Kind: Copy + Ord + fmt::Debug + Send + Sync + 'static {
    /// The word used in messages.
    const NAME: &'static str;
}

/// 256 random bits that name one thing of kind `K`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<K: Kind>([u8; 32], PhantomData<K>);

impl<K: Kind> Id<K> {
    /// An id from 32 bytes, fresh from the random source or read back from a record.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes, PhantomData)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses the 64 hexadecimal digits that [`fmt::Display`] prints.
    pub fn from_hex(text: &str) -> Option<Self> {
        decode_hex_32(text).map(Self::from_bytes)
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", K::NAME)?;
        write_hex(f, &self.0[..8])
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_32(&self.0, serializer)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_32(deserializer).map(Self::from_bytes)
    }
}

/// A node: its ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 32]);

impl NodeId {
    /// A node id from the bytes of its public key.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The public key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        decode_hex_32(text).map(Self)
    }

    /// The first 64 bits but the last, the tie-break inside a [`crate::Stamp`]: the last bit is left
    /// to [`crate::Stamp::proposal`]. The cluster refuses two members that share it.
    pub fn tag(&self) -> u64 {
        u64::from_be_bytes(self.0[..8].try_into().expect("eight of 32 bytes")) & !1
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("node:")?;
        write_hex(f, &self.0[..8])
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_32(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_32(deserializer).map(Self)
    }
}

pub(crate) fn serialize_32<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(&encode_hex(bytes))
    } else {
        serializer.serialize_bytes(bytes)
    }
}

pub(crate) fn deserialize_32<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    use serde::de::Error;
    if deserializer.is_human_readable() {
        let text = String::deserialize(deserializer)?;
        decode_hex_32(&text).ok_or_else(|| D::Error::custom("expected 64 hexadecimal digits"))
    } else {
        let bytes: serde_bytes::ByteArray<32> = Deserialize::deserialize(deserializer)?;
        Ok(bytes.into_array())
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn encode_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

/// The bytes behind hexadecimal digits of either case; `None` for anything else.
pub fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

pub(crate) fn decode_hex_32(text: &str) -> Option<[u8; 32]> {
    decode_hex(text)?.try_into().ok()
}

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str(&encode_hex(bytes))
}
