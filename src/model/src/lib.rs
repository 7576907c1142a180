//! Buckets, keys, objects, versions, uploads: every rule of the store. No HTTP.
//!
//! A request reads a view, or writes one [`NodeBatch`] in one transaction that also reads what the
//! decision rests on: with one replica a conditional write is simply atomic. What always holds:
//!
//! - a body is complete and durable before the entry that names it is written;
//! - nothing that an entry, an upload or a running read needs is ever removed;
//! - counters equal the rows they count.

pub mod admin;
mod batch;
mod copy;
mod directory;
mod error;
pub mod listing;
pub mod multipart;
pub mod objects;
mod reader;
pub mod reclaim;
pub mod rows;
mod tables;
#[cfg(test)]
mod tests;
pub mod usage;
mod writer;

pub use batch::{NodeBatch, Write};
pub use directory::{Directory, Names};
pub use error::ModelError;
pub use reader::{BodyReader, ByteRange, SENDING_MAX_BLOCKS};
pub use writer::{BodyWriter, FinishedBody, INLINE_MAX_BYTES};

use base::Stamp;
use block::BlockStore;
use env::{Env, Task};
use reader::{Memory, Readers};
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Store};

/// How long the reclaimer waits when it has nothing to do. Short, so that space comes back while
/// a person watches; an idle look costs two reads.
const RECLAIM_IDLE: Duration = Duration::from_secs(1);

/// The store's rules on one node.
pub struct Model {
    pub(crate) env: Env,
    pub(crate) store: Store,
    pub(crate) blocks: BlockStore,
    pub(crate) directory: Arc<Directory>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) memory: Memory,
}

impl Model {
    /// Opens the model over a node's store and blocks.
    pub fn open(env: &Env, store: Store, blocks: BlockStore) -> Result<Arc<Self>, ModelError> {
        let directory = Directory::open(&store)?;
        let (readers, memory) = (Arc::default(), Memory::default());
        Ok(Arc::new(Self { env: env.clone(), store, blocks, directory, readers, memory }))
    }

    /// The names, buckets and keys as they are now.
    pub fn names(&self) -> Arc<Names> {
        self.directory.names()
    }

    /// The doors this model works through.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The metadata store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The block store.
    pub fn blocks(&self) -> &BlockStore {
        &self.blocks
    }

    /// Starts the background work of this crate; it ends when the task is dropped.
    pub fn spawn_reclaimer(self: &Arc<Self>) -> Task<()> {
        let model = Arc::clone(self);
        self.env.tasks.spawn(async move {
            loop {
                match model.reclaim_step().await {
                    Ok(progress) if progress.more => continue,
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "reclaiming space failed; it will be tried again"),
                }
                env::sleep(RECLAIM_IDLE).await;
            }
        })
    }

    /// Writes a batch.
    pub(crate) async fn apply(&self, intent: Intent, batch: NodeBatch) -> Result<Stamp, ModelError> {
        let blocks = self.blocks.clone();
        self.store.commit(intent, move |txn| Ok(batch.apply(&blocks, txn)?)).await
    }
}
