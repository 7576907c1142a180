//! Local transactional metadata: typed keyspaces, checked record envelopes, group commit, and the
//! embedded engine behind one trait.
//!
//! Callers hand closures to one committer, which runs what is waiting on one view of the store,
//! writes all of it as one engine batch, flushes once, then answers everybody. So no fsync sits
//! on an async thread, and each engine gets group commit. What always holds:
//!
//! - a commit is answered only when its batch is durable, and reads never see a batch before that;
//! - a refused closure leaves nothing behind, and does not disturb the others in its batch;
//! - a record that fails its check is reported as unreadable, never as absent.

mod clock;
mod committer;
pub mod engine;
mod envelope;
mod marks;
mod overlay;
mod space;
#[cfg(test)]
mod tests;
mod txn;
mod view;

pub use committer::{HighWater, Intent, Store, StoreOptions};
pub use engine::{
    Batch, Engine, EngineError, EngineKind, FjallEngine, MemEngine, MemPlatter, RedbEngine, Row, Snapshot,
};
pub use envelope::{Record, Unreadable, decode, encode, passes};
pub use marks::{MARKS_KEY, Marks};
pub use space::Space;
pub use txn::Txn;
pub use view::{Read, Step, View};

use base::WallTime;

/// Why the store could not do its work. The variants are what a caller can decide on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk has no room beyond the reserve: growth is refused, freeing still works.
    #[error("the metadata disk is full: free some space, then try again")]
    Full,
    /// A flush or write failed: whether this change is durable is unknown. Nothing more is
    /// written until the node restarts.
    #[error("the metadata store failed and takes no more writes until the node restarts")]
    Failed,
    /// The record behind this key does not pass its check.
    #[error("a record of the table {space} is damaged on this node")]
    Unreadable {
        /// The keyspace.
        space: &'static str,
        /// The key.
        key: Vec<u8>,
    },
    /// A read failed in the engine or on the disk.
    #[error("the metadata store cannot be read: {0}")]
    Read(String),
    /// A time from elsewhere lies so far ahead of this node's clock that it is not believed.
    #[error(
        "the time {} ms since 1970 that another node told is more than a day ahead of this node's clock: one of the \
         two clocks is wrong",
        .0.millis()
    )]
    AheadOfClock(WallTime),
    /// The closure panicked; its changes were dropped.
    #[error("an internal check failed; nothing was changed")]
    Panicked,
    /// The store is shutting down.
    #[error("the node is shutting down")]
    Closed,
}
