//! The files of blocks, for whoever tries them with any bytes at all (`script/fuzz`).

use crate::codec::Codec;
use base::limits::BLOCK_SIZE_BYTES;

/// The content that a file holds; `None`: it is damaged.
pub fn read_file(is_compressed: bool, file: &[u8]) -> Option<Vec<u8>> {
    if file.len() > BLOCK_SIZE_BYTES {
        return None;
    }
    if is_compressed { Codec::new(None).decompress(file) } else { Some(file.to_vec()) }
}

/// The file that content is stored as, and whether it is a compressed one; `None`: it is larger than a block.
pub fn stored(content: &[u8]) -> Option<(Vec<u8>, bool)> {
    if content.len() > BLOCK_SIZE_BYTES {
        return None;
    }
    let compressed = Codec::new(Some(1)).compress(content);
    Some(compressed.map_or_else(|| (content.to_vec(), false), |file| (file, true)))
}
