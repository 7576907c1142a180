//! A checksum's value: fixed bytes, written in base64.
//!
//! Always holds: the length is that of the algorithm, and the bytes beyond it are zero, so that equal
//! values are equal byte for byte. Integers are stored with the most significant byte first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

use super::algorithm::ChecksumAlgorithm;

/// The longest value, SHA-512's.
const MAX_SIZE_BYTES: usize = 64;

/// The value of one algorithm over some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChecksumValue {
    algorithm: ChecksumAlgorithm,
    bytes: [u8; MAX_SIZE_BYTES],
}

impl ChecksumValue {
    /// A value from its bytes; `None` if their number is not the algorithm's.
    pub fn from_bytes(algorithm: ChecksumAlgorithm, value: &[u8]) -> Option<Self> {
        if value.len() != algorithm.size_bytes() {
            return None;
        }
        let mut bytes = [0; MAX_SIZE_BYTES];
        bytes[..value.len()].copy_from_slice(value);
        Some(Self { algorithm, bytes })
    }

    /// Reads the base64 form.
    pub fn parse_base64(algorithm: ChecksumAlgorithm, text: &str) -> Option<Self> {
        Self::from_bytes(algorithm, &STANDARD.decode(text).ok()?)
    }

    /// The algorithm.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.size_bytes()]
    }

    /// The base64 form.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.as_bytes())
    }
}

impl fmt::Debug for ChecksumValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.algorithm.name(), self.to_base64())
    }
}
