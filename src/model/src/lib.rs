//! Buckets, keys, objects, versions, uploads: every rule of the store. No HTTP.
//!
//! A request reads a view, or writes one [`NodeBatch`] in one transaction that also reads what the
//! decision rests on: with one replica a conditional write is simply atomic. What always holds:
//!
//! - a body is complete and durable before the entry that names it is written;
//! - nothing that an entry, an upload or a running read needs is ever removed;
//! - counters equal the rows they count.

pub mod admin;
mod arc_bytes;
mod batch;
mod block_uses;
mod check;
mod copy;
mod copy_rate;
mod deadlines;
mod directory;
pub mod encryption;
mod entry;
mod error;
pub mod events;
mod future;
#[doc(hidden)]
pub mod fuzzing;
pub mod graves;
mod growth;
mod known_uploads;
pub mod lifecycle;
pub mod listing;
mod lock;
pub mod multipart;
pub mod objects;
mod outbox;
mod reader;
pub mod reclaim;
mod recount;
mod replicas;
pub mod rows;
mod sync;
mod tables;
#[cfg(test)]
mod tests;
mod timing;
pub mod usage;
pub mod version_listing;
mod versions;
mod writer;

pub use arc_bytes::ArcBytes;
pub use batch::{NodeBatch, Write};
pub use block_uses::{BlockUse, BodyUser};
pub use check::CheckFigures;
pub use copy_rate::COPY_LIMIT_MIN;
pub use directory::{Directory, NamedRow, Names};
pub use error::ModelError;
pub use future::{ClockReport, FutureRows};
pub use lock::Bypass;
pub use reader::{BodyReader, ByteRange, SENDING_MAX_BLOCKS};
pub use recount::RecountFigures;
pub use replicas::Peers;
pub use sync::SyncFigures;
pub use timing::Timing;
pub use writer::{BodyWriter, FinishedBody, INLINE_MAX_BYTES};

use base::{Stamp, WallTime};
use block::BlockStore;
use check::CheckRecord;
use copy_rate::CopyRate;
use deadlines::Deadlines;
use encryption::ring::Ring;
use env::{Env, Task};
use growth::Growth;
use known_uploads::KnownUploads;
use lifecycle::{KnownRules, LifecycleRecord};
use reader::{Memory, Readers};
use recount::Recount;
use replicas::{Alone, Audit, Burials, Clocks, DamagedRows, KeyQueues, Sweep, Turns};
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Store, Txn};
use sync::SyncRecord;

/// How long the reclaimer waits when it has nothing to do. Short, so that space comes back while
/// a person watches; an idle look costs two reads.
const RECLAIM_IDLE: Duration = Duration::from_secs(1);

/// The store's rules on one node.
pub struct Model {
    pub(crate) env: Env,
    pub(crate) store: Store,
    pub(crate) blocks: BlockStore,
    pub(crate) directory: Arc<Directory>,
    pub(crate) deadlines: Deadlines,
    pub(crate) readers: Arc<Readers>,
    pub(crate) memory: Memory,
    pub(crate) peers: Arc<Peers>,
    pub(crate) growth: Growth,
    pub(crate) sync: SyncRecord,
    pub(crate) copy_rate: CopyRate,
    pub(crate) burials: Burials,
    pub(crate) damaged: DamagedRows,
    pub(crate) sweep: Sweep,
    pub(crate) turns: Turns,
    /// Keys about which this node has ballots under way.
    pub(crate) key_queues: KeyQueues,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) audit: Audit,
    pub(crate) check: CheckRecord,
    pub(crate) recount: Recount,
    pub(crate) lifecycle: LifecycleRecord,
    pub(crate) known_rules: KnownRules,
    pub(crate) known_uploads: KnownUploads,
    pub(crate) events: events::Desk,
    pub(crate) timing: Timing,
    /// What the clocks showed when it was opened.
    pub(crate) started: (WallTime, Duration),
    pub(crate) ring: Ring,
}

impl Model {
    /// Opens the model over a node's store and blocks.
    pub fn open(env: &Env, store: Store, blocks: BlockStore, peers: Peers) -> Result<Arc<Self>, ModelError> {
        Self::open_timed(env, store, blocks, (peers, Timing::default()))
    }

    /// The same with a timing of its own.
    pub fn open_timed(
        env: &Env,
        store: Store,
        blocks: BlockStore,
        (peers, timing): (Peers, Timing),
    ) -> Result<Arc<Self>, ModelError> {
        let directory = Directory::open(&store)?;
        let copy_rate = CopyRate::open(&env.clock, &store)?;
        let damaged = DamagedRows::default();
        directory.names().damaged().for_each(|(space, row_key)| damaged.note(space, row_key));
        let peers = Arc::new(peers);
        let filled = Arc::clone(&peers);
        // Rows that come back call for the files that the rows before them left (rule M3 drops those first).
        blocks.keep_files_while(move || !filled.arcs_behind().is_empty());
        Ok(Arc::new(Self {
            directory,
            events: events::Desk::new(store.latest()),
            env: env.clone(),
            store,
            blocks,
            deadlines: Deadlines::default(),
            readers: Arc::default(),
            memory: Memory::default(),
            peers,
            growth: Growth::new(env),
            sync: SyncRecord::default(),
            copy_rate,
            burials: Burials::default(),
            damaged,
            sweep: Sweep::default(),
            turns: Turns::default(),
            key_queues: KeyQueues::default(),
            clocks: Arc::default(),
            audit: Audit::default(),
            check: CheckRecord::default(),
            recount: Recount::default(),
            lifecycle: LifecycleRecord::default(),
            known_rules: KnownRules::default(),
            known_uploads: KnownUploads::default(),
            timing,
            started: (env.clock.wall(), env.clock.mono()),
            ring: Ring::default(),
        }))
    }

    /// The names, buckets and keys as they are now.
    pub fn names(&self) -> Arc<Names> {
        self.directory.names()
    }

    /// The doors this model works through.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The time that the machine's clock shows, or a later one that this node has heard of or begun with: what it stores is no
    /// later than that.
    pub fn latest_time(&self) -> WallTime {
        self.env.clock.wall().max(self.store.latest().wall())
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
                    Err(error) => {
                        model.note_damage(&error);
                        tracing::warn!(%error, "reclaiming space failed; it will be tried again");
                    }
                }
                env::sleep(RECLAIM_IDLE).await;
            }
        })
    }

    /// The nodes it works with.
    pub fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    /// Writes what only merges, on every node that keeps it.
    pub(crate) async fn apply(
        self: &Arc<Self>,
        intent: Intent,
        writes: Vec<Write>,
    ) -> Result<Stamp, ModelError> {
        let Some(alone) = self.peers.stay_alone().await else {
            return self.merge_everywhere(writes, None).await.map(|position| position.id);
        };
        self.apply_alone(&alone, intent, writes).await
    }

    /// The same on a node that is alone.
    pub(crate) async fn apply_alone(
        &self,
        _alone: &Alone,
        intent: Intent,
        writes: Vec<Write>,
    ) -> Result<Stamp, ModelError> {
        let blocks = self.blocks.clone();
        self.commit_alone(intent, move |txn| Ok(NodeBatch::new(writes).apply(&blocks, txn)?)).await
    }

    /// A transaction that decides by itself, since no other node keeps anything: refused once that has
    /// changed, which whoever holds an [`Alone`] does not see.
    pub(crate) async fn commit_alone<T: Send + 'static>(
        &self,
        intent: Intent,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T, ModelError> + Send + 'static,
    ) -> Result<T, ModelError> {
        let peers = Arc::clone(&self.peers);
        let work = move |txn: &mut Txn<'_>| match peers.is_alone() {
            true => work(txn),
            false => Err(ModelError::Unavailable),
        };
        self.store.commit(intent, work).await
    }
}
