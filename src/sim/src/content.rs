//! Bodies as recipes: which bytes a value has, without keeping them.
//!
//! Pieces come from a small pool per seed, so that many objects share blocks: shared blocks are
//! where reference counts and unlinking go wrong.

use bytes::Bytes;

/// A run of bytes: the same fill and length give the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// What the bytes are.
    pub fill: u64,
    /// How many they are.
    pub length: usize,
}

impl Piece {
    /// The bytes. Every third fill compresses well, so that both forms of a block file occur.
    pub fn bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.length + 8);
        let repeats = self.fill.is_multiple_of(3);
        let mut word = 0u64;
        while bytes.len() < self.length {
            bytes.extend(mix(self.fill, if repeats { word / 64 } else { word }).to_le_bytes());
            word += 1;
        }
        bytes.truncate(self.length);
        bytes.into()
    }
}

/// One word out of two (the finaliser of SplitMix64).
fn mix(fill: u64, position: u64) -> u64 {
    let mixed = fill.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ position.wrapping_add(1).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

/// The content of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Its pieces, in order.
    pub pieces: Vec<Piece>,
}

impl Content {
    /// Bytes of it.
    pub fn size(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.length as u64).sum()
    }

    /// All of its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.size() as usize);
        for piece in &self.pieces {
            all.extend_from_slice(&piece.bytes());
        }
        all
    }
}

/// How a body is sent: the first pieces as whole blocks, the last ones as the rest.
#[derive(Debug, Clone)]
pub struct Sending {
    /// The content.
    pub content: Content,
    /// How many of its pieces go as whole blocks; at most one is left for the rest.
    pub pushed: usize,
}

impl Sending {
    /// What comes after the whole blocks.
    pub fn rest(&self) -> Bytes {
        self.content.pieces.get(self.pushed).map(Piece::bytes).unwrap_or_default()
    }
}
