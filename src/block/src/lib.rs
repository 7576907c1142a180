//! Content-addressed blocks on one or many disks: files, reference counts, scrub.
//!
//! A block is at most one mebibyte, named by the hash of its bytes. What always holds:
//!
//! - bytes whose hash does not match are never returned and never taken for a stored copy;
//! - a block that [`BlockStore::put`] has answered for is durable under its name;
//! - a file is unlinked only under the lock of its hash, with its count at 0 and the grace over,
//!   and that lock excludes {verify or write the file, commit the reference} (rule K7);
//! - work that a count calls for is queued in the transaction that changes the count.
//!
//! How to store a block: [`BlockStore::lock`] its hash (all hashes of a request in one call),
//! [`BlockStore::put`], then commit a transaction that stores the reference and whose hook calls
//! [`BlockStore::add_reference`]; release the lock when the commit has been answered. Move a clone
//! of the lock into the transaction's closure: when a client goes away its request is dropped, but
//! the transaction still runs.

mod audit;
mod codec;
mod contact;
mod content;
mod error;
mod files;
mod folder;
#[doc(hidden)]
pub mod fuzzing;
mod lacking;
mod lock;
mod look;
mod marker;
mod open;
mod pace;
mod place;
mod rebalance;
pub mod record;
mod refcount;
mod resync;
mod scrub;
mod statistics;
mod uncounted;
mod vanish;
mod worker;

pub use content::HashedBlock;
pub use error::{BlockError, UnusableFolder};
pub use files::Stored;
pub use lacking::Refill;
pub use lock::BlockLock;
pub use look::{HASH_DIGITS, Presence};
pub use pace::{Pace, REST_FACTOR_MAX};
pub use rebalance::RebalanceStatus;
pub use refcount::{GRACE_MS, GRACE_WHEN_FULL_MS};
pub use resync::{BlockFault, Progress};
pub use scrub::{SCRUB_INTERVAL_MS, ScrubCommand, ScrubStatus};
pub use statistics::{DiskState, DiskStatistics, Statistics};
pub use vanish::LOOK_INTERVAL;

use audit::Audit;
use base::{BlockHash, NodeId};
use codec::Codec;
use env::Env;
use files::Counters;
use folder::DataFolder;
use lacking::Lacking;
use lock::Locks;
use record::{DISKS_KEY, KnownDisks};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use store::{Intent, Read, Space, Store, StoreError};
use tokio::sync::Semaphore;
use uncounted::Uncounted;

/// One data folder, as configured.
#[derive(Debug, Clone)]
pub struct DiskConfig {
    /// The folder.
    pub path: PathBuf,
    /// Its share of the blocks relative to the others; by default the size of its file system.
    pub capacity_bytes: Option<u64>,
    /// Blocks are read from it, but none is written or removed.
    pub read_only: bool,
}

/// What to do about a disk that this node stored blocks on and that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostDisks {
    /// Do not start.
    Refuse,
    /// Other nodes have what was on it: start without, and have every block that is not here fetched. A disk that was
    /// mounted and is not is left out, so that nothing is written below its mount point.
    Refill,
}

/// How to open a [`BlockStore`].
#[derive(Debug, Clone)]
pub struct BlockConfig {
    /// Whose blocks these are.
    pub node: NodeId,
    /// The data folders.
    pub disks: Vec<DiskConfig>,
    /// zstd level of new files, or `None` to store them as they are.
    pub compression_level: Option<i32>,
    /// What to do about a missing disk.
    pub lost_disks: LostDisks,
    /// Data folders whose disks the operator says are gone for good: this start does without each, and later ones do not
    /// miss it.
    pub given_up: Vec<PathBuf>,
    /// Whether scrub begins a pass by itself, [`SCRUB_INTERVAL_MS`] after the last one.
    pub scrubs_by_itself: bool,
    /// Blocks read at once; each takes up to two blocks of memory.
    pub reads_max: usize,
    /// Blocks written at once; each takes up to two blocks of memory.
    pub writes_max: usize,
}

/// The default of [`BlockConfig::compression_level`]: the fastest one, since blocks are
/// compressed while the client waits.
pub const COMPRESSION_LEVEL: i32 = 1;
/// The default of [`BlockConfig::reads_max`]: enough to keep several hard disks and one solid
/// state disk busy, at most 128 MiB of buffers.
pub const READS_MAX: usize = 64;
/// The default of [`BlockConfig::writes_max`]: enough writers to share each flush, at most
/// 64 MiB of buffers.
pub const WRITES_MAX: usize = 32;

/// Whose blocks a folder holds, if its marker says so. Blocks.
pub fn owner_of(disk: &dyn env::Disk, folder: &Path) -> std::io::Result<Option<NodeId>> {
    Ok(marker::read(disk, folder)?.and_then(Result::ok).map(|marker| marker.node))
}

impl BlockConfig {
    /// The defaults over one data folder.
    pub fn new(node: NodeId, folder: PathBuf) -> Self {
        Self {
            node,
            disks: vec![DiskConfig { path: folder, capacity_bytes: None, read_only: false }],
            compression_level: Some(COMPRESSION_LEVEL),
            lost_disks: LostDisks::Refuse,
            given_up: Vec::new(),
            scrubs_by_itself: true,
            reads_max: READS_MAX,
            writes_max: WRITES_MAX,
        }
    }
}

/// The blocks of one node. Cheap to clone.
#[derive(Clone)]
pub struct BlockStore {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub env: Env,
    pub store: Store,
    pub folders: Vec<DataFolder>,
    /// Folders that are configured and whose disks are not there.
    pub away: Vec<PathBuf>,
    pub codec: Codec,
    pub locks: Arc<Locks>,
    pub counters: Counters,
    pub lacking: Lacking,
    /// Whoever takes a step of the audit, or begins it.
    pub audit_turn: tokio::sync::Mutex<()>,
    /// A disk is here again: blocks that were not found are looked for at once.
    pub is_disk_back: AtomicBool,
    /// Files that were moved from one disk to another one since the start.
    pub moves: AtomicU64,
    pub reads: Arc<Semaphore>,
    pub writes: Arc<Semaphore>,
    pub scrubs_by_itself: bool,
    /// Blocks whose counts could not be read, until somebody counts them anew.
    pub uncounted: Uncounted,
    /// Whether files without references stay for now.
    pub keeps_files: OnceLock<Box<dyn Fn() -> bool + Send + Sync>>,
}

impl BlockStore {
    /// Opens the data folders, after checking that each is the one it should be.
    pub async fn open(env: &Env, store: &Store, config: BlockConfig) -> Result<Self, BlockError> {
        let known = store.view()?.get::<KnownDisks>(Space::Meta, DISKS_KEY)?.unwrap_or_default();
        let (known_before, doors) = (known.clone(), env.clone());
        let checked = config.clone();
        let opened = env.tasks.blocking(move || open::open_folders(&doors, &checked, &known)).await?;
        let is_here = |id: &[u8; 16]| opened.folders.iter().any(|folder| folder.id == *id);
        let is_disk_back = known_before.disks.iter().any(|disk| disk.is_away && is_here(&disk.id));
        if opened.known != known_before {
            let (known, lost_disks) = (opened.known, opened.lost_disks);
            if lost_disks > 0 {
                tracing::warn!(
                    lost_disks,
                    "starting without what was in data folders that are lost; blocks that are not here are fetched from other \
                     homes, if there are any"
                );
            }
            let remember = move |txn: &mut store::Txn<'_>| {
                txn.put(Space::Meta, DISKS_KEY.to_vec(), &known);
                if lost_disks > 0 {
                    audit::start(txn, Audit::Refill)?;
                }
                Ok::<(), StoreError>(())
            };
            store.commit(Intent::Free, remember).await?;
        }
        Ok(Self {
            shared: Arc::new(Shared {
                env: env.clone(),
                store: store.clone(),
                folders: opened.folders,
                away: opened.away,
                codec: Codec::new(config.compression_level),
                locks: Arc::default(),
                counters: Counters::default(),
                lacking: Lacking::default(),
                audit_turn: tokio::sync::Mutex::default(),
                is_disk_back: AtomicBool::new(is_disk_back),
                moves: AtomicU64::new(0),
                reads: Arc::new(Semaphore::new(config.reads_max.max(1))),
                writes: Arc::new(Semaphore::new(config.writes_max.max(1))),
                scrubs_by_itself: config.scrubs_by_itself,
                uncounted: Uncounted::default(),
                keeps_files: OnceLock::new(),
            }),
        })
    }

    /// From now on no file goes while this says so, unless a disk is full: references to it may come back. Said once.
    pub fn keep_files_while(&self, keeps: impl Fn() -> bool + Send + Sync + 'static) {
        let _ = self.shared.keeps_files.set(Box::new(keeps));
    }

    /// Waits for the locks of all `hashes`. A task that holds a [`BlockLock`] must not ask for
    /// another one: take all that are needed in one call.
    pub async fn lock(&self, hashes: impl IntoIterator<Item = BlockHash>) -> BlockLock {
        self.shared.locks.lock(hashes.into_iter().collect()).await
    }
}
