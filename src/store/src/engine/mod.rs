//! What an embedded key-value engine must offer, and the engines.
//!
//! An engine needs no transactions: the committer keeps a transaction's changes in memory and
//! hands over whole batches. It needs atomic durable batches and stable snapshots.

#[cfg(test)]
mod conformance;
mod fjall;
mod kind;
mod mem;
mod redb;
mod redb_backend;
mod spare;

pub use fjall::FjallEngine;
pub use kind::{EngineKind, UnknownEngine, made_by, open, open_with_cache};
pub use mem::{MemEngine, MemPlatter};
pub use redb::RedbEngine;

use crate::space::Space;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// Why an engine could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No room on the disk. The batch was not applied, and the engine works on.
    #[error("no space left: {0}")]
    Full(String),
    /// Another process has the store open.
    #[error("{0} is in use by another process")]
    Locked(String),
    /// Another engine made the store.
    #[error(
        "{folder} was made by the engine `{made}`, and the settings ask for `{asked}`: remove db_engine, or write \
         db_engine = \"{made}\""
    )]
    OtherEngine {
        /// The metadata folder.
        folder: String,
        /// Which made it.
        made: EngineKind,
        /// Which was asked for.
        asked: EngineKind,
    },
    /// What is on the disk is not a store of this engine, or is damaged.
    #[error("damaged or foreign data: {0}")]
    Corrupt(String),
    /// Reading or writing failed. After a failed commit its outcome is unknown.
    #[error("input/output error: {0}")]
    Io(String),
}

/// The changes of one commit, in key order: `None` deletes.
pub type Batch = BTreeMap<(Space, Vec<u8>), Option<Bytes>>;

/// A key-value engine. Keys (1 to 65,535 bytes) and values are bytes; keys sort
/// lexicographically.
pub trait Engine: Send + Sync + 'static {
    /// A view of everything committed so far, and of nothing that comes later. Cheap.
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, EngineError>;

    /// Applies the batch atomically. When it returns `Ok` the batch is durable, and only then may
    /// a snapshot show it. Called from one thread at a time.
    fn commit(&self, batch: &Batch) -> Result<(), EngineError>;

    /// Bytes the engine takes on disk.
    fn disk_bytes(&self) -> Result<u64, EngineError>;

    /// The engine's name and version, for `garage stats`.
    fn describe(&self) -> String;
}

/// What [`Snapshot::scan`] calls for each row: key, value; `Break` ends the scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A row as it is stored: key, value.
pub type Row = (Vec<u8>, Bytes);

/// A stable view of an engine.
pub trait Snapshot: Send + Sync {
    /// The value under `key`.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Visits the rows between the bounds in ascending key order until `visit` breaks.
    fn scan(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), EngineError>;

    /// The last row between the bounds: one seek.
    fn last(&self, space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Option<Row>, EngineError>;
}

/// Whether no key can lie between the bounds. Engines differ in what they do with such bounds
/// (some panic), so they are not asked.
pub(crate) fn is_empty_range(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low), Bound::Excluded(high)) | (Bound::Excluded(low), Bound::Included(high)) => {
            low >= high
        }
        (Bound::Excluded(low), Bound::Excluded(high)) => low >= high,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}

/// Whether every change of the batch is there: then it was applied, or changes nothing.
fn holds(snapshot: &dyn Snapshot, batch: &Batch) -> Result<bool, EngineError> {
    for ((space, key), change) in batch {
        if snapshot.get(*space, key)? != *change {
            return Ok(false);
        }
    }
    Ok(true)
}
