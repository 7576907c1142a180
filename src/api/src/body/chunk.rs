//! The line before each chunk of an `aws-chunked` body: `10000;chunk-signature=<64 digits>`.
//!
//! Units: sizes are bytes.

use super::error::BodyError;
use crate::signature::parse_hash_hex;

/// The longest line before a chunk: 16 digits, the name and the signature take 97 bytes, so this leaves
/// room for extensions of clients we have not met.
pub const MAX_CHUNK_HEADER_BYTES: usize = 1024;
/// The longest chunk: some clients send a whole object in one, and an object sent at once ends at 5 GiB.
pub const MAX_CHUNK_SIZE_BYTES: u64 = 5 << 30;
/// More digits than any 64-bit size has.
const MAX_SIZE_DIGITS: usize = 16;

/// What the line before a chunk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    /// Length of the chunk; the last one has none.
    pub size_bytes: u64,
    /// The signature, if there is one.
    pub signature: Option<[u8; 32]>,
}

impl ChunkHeader {
    /// Reads the line, without its end of line.
    pub fn parse(line: &[u8]) -> Result<Self, BodyError> {
        let mut fields = line.split(|byte| *byte == b';');
        let size_bytes = parse_size(fields.next().unwrap_or_default())?;
        let mut signature = None;
        for field in fields {
            let Some(value) = field.strip_prefix(b"chunk-signature=") else { continue };
            let parsed = parse_hash_hex(value).ok_or(BodyError::ChunkSignatureMismatch)?;
            if signature.replace(parsed).is_some() {
                return Err(BodyError::MalformedChunk);
            }
        }
        Ok(Self { size_bytes, signature })
    }
}

fn parse_size(digits: &[u8]) -> Result<u64, BodyError> {
    if digits.is_empty() || digits.len() > MAX_SIZE_DIGITS {
        return Err(BodyError::MalformedChunk);
    }
    let mut size: u64 = 0;
    for digit in digits {
        let value = char::from(*digit).to_digit(16).ok_or(BodyError::MalformedChunk)?;
        size = size << 4 | u64::from(value);
    }
    if size > MAX_CHUNK_SIZE_BYTES { Err(BodyError::ChunkTooLarge) } else { Ok(size) }
}
