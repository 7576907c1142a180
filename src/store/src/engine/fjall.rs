//! The engine on fjall: log-structured merge trees over one shared journal.
//!
//! - There are two trees: one for the bodies kept inline, so that merging small rows never rewrites
//!   them, and one for all other rows, under keys that begin with the number of their keyspace. A
//!   tree for each of our keyspaces would cost ten times the flushes when a store is made, and even
//!   the one for bodies is made when the first of them comes.
//! - A batch is one journal entry. fjall writes it, flushes it, and only then lets readers see it,
//!   so a snapshot never shows what is not durable.
//! - After a failed write fjall takes no more of them. When the cause is a full disk, or a
//!   background worker gave up before our batch was written, nothing is unknown, and the database
//!   is opened again in place; after any other failed write it is not. Until then it is read as it
//!   is: what failed to be written was never shown.
//! - On a disk without room for anything a batch is refused untried, once the room kept for that is used up.
//! - `clear`, FIFO compaction and key-value separation are never used.
//!
//! fjall opens files by itself, so this engine does not run in the simulated world.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use super::redb_backend::is_full;
use super::spare::Spare;
use super::{Batch, Engine, EngineError, Row, Snapshot, Visit};
use crate::space::Space;
use bytes::Bytes;
use env::{Disk, Env};
use fjall::{Database, Error, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode, Readable};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// The database, in the folder it was opened with.
pub(super) const FOLDER_NAME: &str = "meta.fjall";
/// Blocks that fjall keeps in memory; the system's page cache stands behind it.
const CACHE_BYTES: u64 = 64 << 20;
/// Rows of one tree that wait in memory, of which up to five stand side by side. Against 16 MiB it
/// takes a third off the memory at its peak and costs 3 to 10 % more bytes written.
const MEMTABLE_MAX_BYTES: u64 = 8 << 20;
/// fjall's names of the two trees.
const ROWS_NAME: &str = "rows";
const BODIES_NAME: &str = "bodies";
/// fjall's threads for flushing and merging. With two or more, the first takes no merges and hands
/// those that wait back to the queue without a pause, a core busy with nothing: 10 to 15 % of the
/// processor time of small PUTs. One alone showed no longer stall in 25 s of 64 KiB PUTs.
const WORKER_THREADS: usize = 1;
/// All journals together: what is read again after a crash, so it bounds the time to open.
const JOURNAL_MAX_BYTES: u64 = 128 << 20;
/// With less room than this a batch is not tried: it would fail and cost opening the database
/// again. Some hundred deletes fit in it.
const COMMIT_ROOM_BYTES: u64 = 256 << 10;
/// How long opening again waits for the readers of the old database: a page of a listing takes
/// some milliseconds.
const READERS_WAIT: Duration = Duration::from_millis(200);
/// Pause between two looks at those readers.
const READERS_PAUSE: Duration = Duration::from_millis(1);

/// fjall behind the engine trait.
pub struct FjallEngine {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    cache_bytes: u64,
    spare: Spare,
    /// `None` while opening again has failed.
    current: RwLock<Option<Arc<Opened>>>,
}

/// One opening of the folder.
struct Opened {
    database: Database,
    /// Every keyspace but `inline`.
    rows: Keyspace,
    /// The keyspace `inline`, once there is one.
    bodies: OnceLock<Keyspace>,
}

impl FjallEngine {
    /// Opens the database in `folder`, or makes it.
    pub fn open(env: &Env, folder: &Path) -> Result<Self, EngineError> {
        Self::open_with_cache(env, folder, CACHE_BYTES)
    }

    /// Opens the database with room for `cache_bytes` of blocks in memory.
    pub fn open_with_cache(env: &Env, folder: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        if env.tasks.is_single_threaded() {
            return Err(EngineError::Io("fjall needs real files and threads".to_owned()));
        }
        env.disk.create_dir_all(folder).map_err(|error| EngineError::Io(error.to_string()))?;
        let folder = folder.join(FOLDER_NAME);
        let opened = open_database(&folder, cache_bytes)?;
        env.disk
            .sync_dir(folder.parent().unwrap_or(&folder))
            .map_err(|error| EngineError::Io(error.to_string()))?;
        let disk = Arc::clone(&env.disk);
        let spare = Spare::new(Arc::clone(&disk), folder.parent().unwrap_or(&folder));
        Ok(Self { folder, disk, cache_bytes, spare, current: RwLock::new(Some(Arc::new(opened))) })
    }

    fn current(&self) -> Result<Arc<Opened>, EngineError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        match current {
            Some(opened) => Ok(opened),
            None => self.open_again(),
        }
    }

    /// Drops the database that takes no more writes and opens it anew, unless it is still being
    /// read after a short wait: then the next commit tries again.
    fn open_again(&self) -> Result<Arc<Opened>, EngineError> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_mut().is_some_and(|opened| !becomes_unused(opened)) {
            return Err(EngineError::Locked(self.folder.display().to_string()));
        }
        *current = None;
        let opened = Arc::new(open_database(&self.folder, self.cache_bytes)?);
        *current = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// A file system that cannot say is taken as roomy.
    fn has_room(&self) -> bool {
        let available_bytes = || self.disk.space(&self.folder).map(|space| space.available_bytes);
        match available_bytes() {
            Ok(bytes) if bytes < COMMIT_ROOM_BYTES => {
                self.spare.give_up() && available_bytes().is_ok_and(|bytes| bytes >= COMMIT_ROOM_BYTES)
            }
            Ok(bytes) => {
                self.spare.keep(bytes);
                true
            }
            Err(_) => true,
        }
    }

    /// Decides what a full disk did to the batch, by looking whether it is there.
    fn after_full(&self, batch: &Batch, failure: &Error) -> Result<(), EngineError> {
        let full = EngineError::Full(failure.to_string());
        let Ok(opened) = self.open_again() else { return Err(full) };
        if super::holds(&FjallSnapshot::of(&opened), batch)? {
            return opened
                .database
                .persist(PersistMode::SyncAll)
                .map_err(|error| EngineError::Io(error.to_string()));
        }
        Err(full)
    }
}

impl Engine for FjallEngine {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, EngineError> {
        let opened = self.current()?;
        Ok(Arc::new(FjallSnapshot::of(&opened)))
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        if !self.has_room() {
            return Err(EngineError::Full("not tried".to_owned()));
        }
        let opened = self.current()?;
        let mut result = apply(&opened, batch);
        drop(opened);
        if matches!(result, Err(Failure::Fjall(Error::Poisoned))) {
            // Refused before anything was written: a background worker had given up earlier,
            // most likely for want of room.
            match self.open_again() {
                Ok(opened) => result = apply(&opened, batch),
                Err(EngineError::Locked(_)) => {
                    return Err(EngineError::Full("a background write failed".to_owned()));
                }
                Err(error) => return Err(error),
            }
        }
        match result {
            Ok(()) => Ok(()),
            Err(Failure::Fjall(error)) if no_room(&error) => self.after_full(batch, &error),
            Err(Failure::Fjall(error)) => Err(engine_error(error)),
            Err(Failure::Panic) => Err(panicked()),
        }
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        self.current()?.database.disk_space().map_err(engine_error)
    }

    fn describe(&self) -> String {
        "fjall 3".to_owned()
    }
}

/// Waits until nobody but the caller holds the database. New readers cannot come meanwhile: the
/// caller holds the lock under which they take it.
fn becomes_unused(opened: &mut Arc<Opened>) -> bool {
    let begin = Instant::now();
    while Arc::get_mut(opened).is_none() {
        if begin.elapsed() > READERS_WAIT {
            return false;
        }
        std::thread::sleep(READERS_PAUSE);
    }
    true
}

enum Failure {
    Fjall(Error),
    Panic,
}

fn open_database(folder: &Path, cache_bytes: u64) -> Result<Opened, EngineError> {
    let opened = catch_unwind(|| {
        let database = Database::builder(folder)
            .cache_size(cache_bytes)
            .max_journaling_size(JOURNAL_MAX_BYTES)
            .worker_threads(WORKER_THREADS)
            .open()?;
        let rows = database.keyspace(ROWS_NAME, tree_options)?;
        let bodies = OnceLock::new();
        if database.keyspace_exists(BODIES_NAME) {
            let _first: Result<(), Keyspace> = bodies.set(database.keyspace(BODIES_NAME, tree_options)?);
        }
        Ok(Opened { database, rows, bodies })
    });
    match opened {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(Error::Locked)) => Err(EngineError::Locked(folder.display().to_string())),
        Ok(Err(error)) => Err(engine_error(error)),
        Err(_) => Err(panicked()),
    }
}

fn apply(opened: &Opened, batch: &Batch) -> Result<(), Failure> {
    let work = AssertUnwindSafe(|| {
        let mut rows = opened.database.batch().durability(Some(PersistMode::SyncData));
        for ((space, key), change) in batch {
            let keyspace = opened.keyspace_to_write(*space)?;
            match change {
                Some(value) => rows.insert(keyspace, tree_key(*space, key), value.as_ref()),
                None => rows.remove(keyspace, tree_key(*space, key)),
            }
        }
        rows.commit()
    });
    catch_unwind(work).map_err(|_| Failure::Panic)?.map_err(Failure::Fjall)
}

fn no_room(error: &Error) -> bool {
    match error {
        Error::Io(error) | Error::Storage(LsmError::Io(error)) => is_full(error),
        _ => false,
    }
}

fn panicked() -> EngineError {
    EngineError::Corrupt("the database contradicts itself".to_owned())
}

fn engine_error(error: Error) -> EngineError {
    match error {
        Error::Io(error) | Error::Storage(LsmError::Io(error))
            if error.kind() != io::ErrorKind::InvalidData =>
        {
            if is_full(&error) {
                EngineError::Full(error.to_string())
            } else {
                EngineError::Io(error.to_string())
            }
        }
        Error::Poisoned | Error::Locked => EngineError::Io(error.to_string()),
        error => EngineError::Corrupt(error.to_string()),
    }
}

impl Opened {
    /// `None`: nothing was ever written there.
    fn keyspace(&self, space: Space) -> Option<&Keyspace> {
        if space == Space::Inline { self.bodies.get() } else { Some(&self.rows) }
    }

    /// Only the committer writes, so a tree is made once.
    fn keyspace_to_write(&self, space: Space) -> Result<&Keyspace, Error> {
        match self.keyspace(space) {
            Some(keyspace) => Ok(keyspace),
            None => {
                let made = self.database.keyspace(BODIES_NAME, tree_options)?;
                Ok(self.bodies.get_or_init(|| made))
            }
        }
    }
}

fn tree_options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_MAX_BYTES)
}

/// Bytes in front of a key inside its tree: the number of the keyspace.
const TREE_PREFIX_BYTES: usize = 1;

fn tree_key(space: Space, key: &[u8]) -> Vec<u8> {
    let mut tree_key = Vec::with_capacity(TREE_PREFIX_BYTES + key.len());
    tree_key.push(space.number());
    tree_key.extend_from_slice(key);
    tree_key
}

/// The bounds inside the tree: a keyspace ends where the next number begins.
fn tree_bounds(space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let from = match from {
        Bound::Unbounded => Bound::Included(tree_key(space, &[])),
        bound => bound.map(|key| tree_key(space, key)),
    };
    let to = match to {
        Bound::Unbounded => Bound::Excluded(vec![space.number() + 1]),
        bound => bound.map(|key| tree_key(space, key)),
    };
    (from, to)
}

/// fjall's snapshot with the handles it is read through.
struct FjallSnapshot {
    snapshot: fjall::Snapshot,
    opened: Arc<Opened>,
}

impl FjallSnapshot {
    fn of(opened: &Arc<Opened>) -> Self {
        Self { snapshot: opened.database.snapshot(), opened: Arc::clone(opened) }
    }
}

impl Snapshot for FjallSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let Some(keyspace) = self.opened.keyspace(space) else { return Ok(None) };
        let read = AssertUnwindSafe(|| self.snapshot.get(keyspace, tree_key(space, key)));
        let found = catch_unwind(read).map_err(|_| panicked())?.map_err(engine_error)?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), EngineError> {
        if super::is_empty_range(from, to) {
            return Ok(());
        }
        let Some(keyspace) = self.opened.keyspace(space) else { return Ok(()) };
        let start = AssertUnwindSafe(|| self.snapshot.range(keyspace, tree_bounds(space, from, to)));
        let mut rows = catch_unwind(start).map_err(|_| panicked())?;
        loop {
            let step = AssertUnwindSafe(|| rows.next().map(fjall::Guard::into_inner).transpose());
            match catch_unwind(step).map_err(|_| panicked())?.map_err(engine_error)? {
                None => return Ok(()),
                Some((key, value)) if visit(&key[TREE_PREFIX_BYTES..], &value).is_break() => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn last(&self, space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Option<Row>, EngineError> {
        if super::is_empty_range(from, to) {
            return Ok(None);
        }
        let Some(keyspace) = self.opened.keyspace(space) else { return Ok(None) };
        let seek = AssertUnwindSafe(|| {
            let mut rows = self.snapshot.range(keyspace, tree_bounds(space, from, to));
            rows.next_back().map(fjall::Guard::into_inner).transpose()
        });
        let found = catch_unwind(seek).map_err(|_| panicked())?.map_err(engine_error)?;
        Ok(found.map(|(key, value)| (key[TREE_PREFIX_BYTES..].to_vec(), Bytes::copy_from_slice(&value))))
    }
}
