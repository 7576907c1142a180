//! Target `block_file`: the files of blocks, compressed or as they are.
//!
//! The first byte says which of the two; the second whether the input is the file, or the content that one is made of. What
//! must hold: no panic; no more memory than a block, whatever the file announces; a file is read as a block whose hash is
//! that of its content, or refused; what was stored is read back.

use super::meter;
use base::limits::BLOCK_SIZE_BYTES;
use block::fuzzing::{read_file, stored};

/// The block, and the bytes of the file beside it. The contexts of zstd are not of this allocator.
const MEMORY_BYTES: usize = 2 * BLOCK_SIZE_BYTES + (64 << 10);

/// One file.
pub fn check(input: &[u8]) {
    let Some((&[form, how], bytes)) = input.split_first_chunk::<2>() else { return };
    let is_compressed = form % 2 == 1;
    if how % 2 == 1 {
        // A piece repeated, so that there is something to compress.
        let content: Vec<u8> = bytes.iter().copied().cycle().take(bytes.len() * 64).collect();
        if let Some((file, is_compressed)) = stored(&content) {
            assert_eq!(read_file(is_compressed, &file).as_deref(), Some(content.as_slice()));
        }
        return;
    }
    let content = meter::within(MEMORY_BYTES + 4 * bytes.len(), || read_file(is_compressed, bytes));
    let Some(content) = content else { return };
    assert!(content.len() <= BLOCK_SIZE_BYTES);
    if !is_compressed {
        assert_eq!(content, bytes);
    }
}
