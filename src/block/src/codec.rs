//! Compression of block files: zstd when it helps, with contexts that are used again.
//!
//! A context costs more to make than a small block costs to compress, so finished ones wait in a
//! pool. Decompression never produces more than one block, whatever the file claims.

use base::limits::BLOCK_SIZE_BYTES;
use std::sync::{Mutex, PoisonError};
use zstd::bulk::{Compressor, Decompressor};

/// Below this a file takes one page of the disk either way.
const COMPRESS_MIN_BYTES: usize = 4096;
/// Unit in which common file systems give out room (ext4, XFS and btrfs: 4 KiB). A compressed
/// file that takes as many units saves nothing and costs decoding on every read.
const DISK_UNIT_BYTES: usize = 4096;
/// Contents up to this size are compressed without a sample: compressing them costs about as
/// little as the sample would.
const SAMPLE_ABOVE_BYTES: usize = 64 << 10;
/// One of the three samples (start, middle, end).
const SAMPLE_PIECE_BYTES: usize = 4096;
/// Compression must save a tenth of the sample, and a sixteenth of the whole: below that, decoding
/// on each read costs more than the room is worth.
const SAMPLE_GAIN_DIVISOR: usize = 10;
const WHOLE_GAIN_DIVISOR: usize = 16;
/// Contexts kept for reuse; one is about 1 MiB at level 1. More are made when more threads ask.
const POOL_MAX_CONTEXTS: usize = 8;

/// Compresses and decompresses block files.
pub(crate) struct Codec {
    level: Option<i32>,
    compressors: Mutex<Vec<Compressor<'static>>>,
    decompressors: Mutex<Vec<Decompressor<'static>>>,
}

impl Codec {
    /// `None` stores everything as it is. Compressed files are read either way.
    pub fn new(level: Option<i32>) -> Self {
        Self { level, compressors: Mutex::default(), decompressors: Mutex::default() }
    }

    /// The compressed content, or `None` when it is better stored as it is.
    pub fn compress(&self, content: &[u8]) -> Option<Vec<u8>> {
        let level = self.level?;
        if content.len() <= COMPRESS_MIN_BYTES {
            return None;
        }
        let pooled = take(&self.compressors);
        // Without memory for a context the block is stored as it is.
        let mut context = pooled.or_else(|| Compressor::new(level).ok())?;
        let compressed = compress_if_it_helps(&mut context, content);
        put_back(&self.compressors, context);
        compressed
    }

    /// The content of a compressed file; `None` if it is not one, or holds more than a block.
    pub fn decompress(&self, compressed: &[u8]) -> Option<Vec<u8>> {
        let announced = zstd::zstd_safe::get_frame_content_size(compressed).ok().flatten()?;
        let length = usize::try_from(announced).ok().filter(|length| *length <= BLOCK_SIZE_BYTES)?;
        let mut context = take(&self.decompressors).or_else(|| Decompressor::new().ok())?;
        let content = context.decompress(compressed, length).ok();
        put_back(&self.decompressors, context);
        content.filter(|content| content.len() == length)
    }
}

fn compress_if_it_helps(context: &mut Compressor<'_>, content: &[u8]) -> Option<Vec<u8>> {
    if content.len() > SAMPLE_ABOVE_BYTES && !sample_compresses(context, content) {
        return None;
    }
    let compressed = context.compress(content).ok()?;
    let units = |length: usize| length.div_ceil(DISK_UNIT_BYTES);
    let helps = compressed.len() + content.len() / WHOLE_GAIN_DIVISOR <= content.len()
        && units(compressed.len()) < units(content.len());
    helps.then_some(compressed)
}

fn sample_compresses(context: &mut Compressor<'_>, content: &[u8]) -> bool {
    let middle = content.len() / 2;
    let last = content.len() - SAMPLE_PIECE_BYTES;
    let mut compressed_bytes = 0;
    for start in [0, middle, last] {
        match context.compress(&content[start..start + SAMPLE_PIECE_BYTES]) {
            Ok(piece) => compressed_bytes += piece.len(),
            Err(_) => return false,
        }
    }
    let sample_bytes = 3 * SAMPLE_PIECE_BYTES;
    compressed_bytes + sample_bytes / SAMPLE_GAIN_DIVISOR <= sample_bytes
}

fn take<C>(pool: &Mutex<Vec<C>>) -> Option<C> {
    pool.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn put_back<C>(pool: &Mutex<Vec<C>>, context: C) {
    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.len() < POOL_MAX_CONTEXTS {
        pool.push(context);
    }
}
