//! How far the row check is, on this node's disk. Losing it does no harm: a pass begins anew.

use crate::rows::record_kind;
use base::WallTime;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::Record;

/// Where it lies, among other notes of workers.
pub(crate) const PROGRESS_KEY: &[u8] = b"row_check";
/// References that are remembered from one pass to the next; the others are met again.
const DOUBTED_MAX: usize = 1024;

/// How far the row check is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckProgress {
    /// When the pass that is under way began.
    pub began: Option<WallTime>,
    /// Number of the keyspace that it looks at.
    pub space: u8,
    /// The row key to go on from.
    #[serde(with = "serde_bytes")]
    pub from: Vec<u8>,
    /// Whether somebody asked for it, and waits.
    pub is_asked: bool,
    /// Rows looked at in it, or in the last one.
    pub rows: u64,
    /// Of these, rows that could not be read.
    pub damaged: u64,
    /// Chunks made again.
    pub chunks: u64,
    /// References without a body that were let go.
    pub references: u64,
    /// When the last pass began.
    pub last: Option<WallTime>,
    /// When the last pass came to its end.
    pub ended: Option<WallTime>,
    /// References that no body was found for in the last pass, and when that was first seen.
    pub doubted_before: Vec<(Bytes, WallTime)>,
    /// The same in this one.
    pub doubted: Vec<(Bytes, WallTime)>,
}

impl Record for CheckProgress {
    const KIND: u8 = record_kind::ROW_CHECK;
    const VERSION: u8 = 1;
}

impl CheckProgress {
    /// Begins a pass.
    pub fn begin(&mut self, now: WallTime, first: u8, is_asked: bool) {
        let before = std::mem::take(self);
        *self = Self {
            began: Some(now),
            space: first,
            is_asked,
            last: Some(now),
            ended: before.ended,
            doubted_before: before.doubted_before,
            ..Self::default()
        };
    }

    /// The pass came to its end.
    pub fn end(&mut self, now: WallTime) {
        self.began = None;
        self.is_asked = false;
        self.ended = Some(now);
        self.from.clear();
        self.doubted_before = std::mem::take(&mut self.doubted);
    }

    /// When a reference was first seen without a body: in an earlier pass, or now.
    pub fn doubted_since(&self, row_key: &[u8], now: WallTime) -> WallTime {
        let known = self.doubted_before.iter().find(|(known, _)| *known == row_key);
        known.map_or(now, |(_, since)| *since)
    }

    /// Takes note of a reference without a body.
    pub fn doubt(&mut self, row_key: Vec<u8>, since: WallTime) {
        let is_known = self.doubted.iter().any(|(known, _)| *known == row_key);
        if !is_known && self.doubted.len() < DOUBTED_MAX {
            self.doubted.push((row_key.into(), since));
        }
    }
}
