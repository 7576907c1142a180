//! Signatures of the chunks of a streamed body. Each chunk's signature covers the one before it, and the
//! first covers the request's, so chunks cannot be left out, repeated or exchanged.
//!
//! Always holds: after a mismatch the chain does not advance, so a later chunk cannot match either.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::canonical::hex;
use super::key::SigningKey;

/// Checks the chain of chunk signatures of one request.
#[derive(Debug, Clone)]
pub struct ChunkVerifier {
    key: SigningKey,
    timestamp: String,
    scope: String,
    previous_signature: [u8; 32],
}

/// A chunk's or the trailer's signature is not the one computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkMismatch;

impl ChunkVerifier {
    pub(super) fn new(key: SigningKey, timestamp: String, scope: String, seed_signature: [u8; 32]) -> Self {
        Self { key, timestamp, scope, previous_signature: seed_signature }
    }

    /// Checks the next chunk, given the hash of its bytes.
    pub fn verify_chunk(&mut self, data_sha256: &[u8; 32], given: &[u8; 32]) -> Result<(), ChunkMismatch> {
        let nothing = hex(&Sha256::digest(b""));
        let rest = format!("{nothing}\n{}", hex(data_sha256));
        self.advance("AWS4-HMAC-SHA256-PAYLOAD", &rest, given)
    }

    /// Checks the trailer, given the hash of its lines `name:value\n`.
    pub fn verify_trailer(&mut self, lines_sha256: &[u8; 32], given: &[u8; 32]) -> Result<(), ChunkMismatch> {
        self.advance("AWS4-HMAC-SHA256-TRAILER", &hex(lines_sha256), given)
    }

    fn advance(&mut self, algorithm: &str, rest: &str, given: &[u8; 32]) -> Result<(), ChunkMismatch> {
        let previous = hex(&self.previous_signature);
        let string_to_sign = format!("{algorithm}\n{}\n{}\n{previous}\n{rest}", self.timestamp, self.scope);
        let expected = self.key.sign(string_to_sign.as_bytes());
        if !bool::from(expected.ct_eq(given)) {
            return Err(ChunkMismatch);
        }
        self.previous_signature = expected;
        Ok(())
    }
}
