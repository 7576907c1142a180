//! Block content whose hash is known to be right, by construction.
//!
//! The only ways to make a [`HashedBlock`] compute the hash, so nothing that holds one needs to
//! check it again: a coordinator that has just hashed a body does not pay twice.

use crate::BlockError;
use base::BlockHash;
use base::limits::BLOCK_SIZE_BYTES;
use bytes::Bytes;

/// The content of one block together with its hash.
#[derive(Debug, Clone)]
pub struct HashedBlock {
    hash: BlockHash,
    content: Bytes,
}

impl HashedBlock {
    /// Hashes `content`.
    pub fn new(content: Bytes) -> Result<Self, BlockError> {
        if content.len() > BLOCK_SIZE_BYTES {
            return Err(BlockError::TooLarge { length_bytes: content.len() });
        }
        Ok(Self { hash: BlockHash::of(&content), content })
    }

    /// Content that came from elsewhere under the name `announced`.
    pub fn received(announced: BlockHash, content: Bytes) -> Result<Self, BlockError> {
        let block = Self::new(content)?;
        if block.hash == announced { Ok(block) } else { Err(BlockError::WrongHash { announced }) }
    }

    /// The hash of the content.
    pub fn hash(&self) -> BlockHash {
        self.hash
    }

    /// The bytes.
    pub fn content(&self) -> &Bytes {
        &self.content
    }

    /// The bytes, without a copy.
    pub fn into_content(self) -> Bytes {
        self.content
    }
}
