//! What synchronisation did since the start, for whoever looks at the node.

use base::{NodeId, WallTime};
use env::{Changes, Watcher};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What synchronisation did since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncFigures {
    /// Rows taken over from other nodes.
    pub rows: u64,
    /// Bytes that came with them, blocks too.
    pub bytes: u64,
    /// Blocks that came.
    pub blocks: u64,
    /// Arcs that are known to differ from another node's and were not worked off yet.
    pub arcs_left: u64,
    /// Comparisons that could not be brought to their end.
    pub failures: u64,
    /// Rows that are damaged here and not whole again yet.
    pub damaged: u64,
    /// Damaged rows that were taken from the other nodes again.
    pub mended: u64,
    /// When this node last had everything that another one has.
    pub complete: BTreeMap<NodeId, WallTime>,
}

/// The figures of a running node, and what is wanted of it.
#[derive(Default)]
pub(crate) struct SyncRecord {
    figures: Mutex<SyncFigures>,
    wanted: Changes,
}

impl SyncRecord {
    fn open(&self) -> MutexGuard<'_, SyncFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The figures now.
    pub fn figures(&self) -> SyncFigures {
        self.open().clone()
    }

    /// Counts what came.
    pub fn add(&self, rows: u64, bytes: u64, blocks: u64) {
        let mut figures = self.open();
        figures.rows += rows;
        figures.bytes += bytes;
        figures.blocks += blocks;
    }

    /// How many arcs are yet to be looked at.
    pub fn set_left(&self, arcs: usize) {
        self.open().arcs_left = u64::try_from(arcs).unwrap_or(u64::MAX);
    }

    /// Everything that a node has is here.
    pub fn complete(&self, node: NodeId, now: WallTime) {
        self.open().complete.insert(node, now);
    }

    /// Somebody wants this node to be compared with all others now.
    pub fn want(&self) {
        self.wanted.note();
    }

    /// Tells when that is so.
    pub fn watch(&self) -> Watcher {
        self.wanted.watch()
    }

    /// A comparison ended early.
    pub fn fail(&self) {
        self.open().failures += 1;
    }
}
