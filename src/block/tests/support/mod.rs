//! What the tests of this crate share: a node with real files, a clock that stands where it is
//! put, a small engine in memory, and a disk that can be told to fail.
#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use base::{BlockHash, NodeId, WallTime};
use block::{BlockConfig, BlockError, BlockLock, BlockStore, DiskConfig, HashedBlock};
use bytes::Bytes;
use env::sim::{SimOptions, SimWorld};
use env::{Clock, Disk, DiskFile, Entry, Env, MonoTime, OpenMode, Space as Room};
use std::io;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use store::engine::{Row, Visit};
use store::{Batch, Engine, EngineError, Intent, Snapshot, Space, Store, StoreError, StoreOptions, Txn};

pub const NODE: NodeId = NodeId::from_bytes([7; 32]);

/// A node's machine: what survives when the block store is closed and opened again.
pub struct Machine {
    pub folder: tempfile::TempDir,
    pub env: Env,
    pub store: Store,
    pub clock: Arc<TestClock>,
    pub disk: Arc<TestDisk>,
}

impl Machine {
    pub fn new() -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(1_000_000)));
        let disk = Arc::new(TestDisk::default());
        let mut env = env::real::env();
        env.clock = clock.clone();
        env.disk = Arc::new(TestDoor(disk.clone()));
        Self::over(env, clock, disk)
    }

    /// A node on a simulated disk, in one thread; the disk's world.
    pub fn simulated(seed: u64) -> (Self, SimWorld) {
        let world = SimWorld::new(seed, &SimOptions::default());
        let clock = Arc::new(TestClock(AtomicU64::new(1_000_000)));
        let mut env = world.env();
        env.clock = clock.clone();
        (Self::over(env, clock, Arc::default()), world)
    }

    fn over(env: Env, clock: Arc<TestClock>, disk: Arc<TestDisk>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions { folder: folder.path().to_owned(), node_tag: NODE.tag() };
        let store = Store::open(&env, Arc::new(MapEngine::default()), options).unwrap();
        Self { folder, env, store, clock, disk }
    }

    /// The path of a data folder with this name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self, names: &[&str]) -> BlockConfig {
        let mut config = BlockConfig::new(NODE, self.path(names[0]));
        config.disks = names
            .iter()
            .map(|name| DiskConfig { path: self.path(name), capacity_bytes: Some(1 << 30), read_only: false })
            .collect();
        config
    }

    pub async fn open(&self) -> BlockStore {
        self.open_with(self.config(&["data"])).await.unwrap()
    }

    pub async fn open_with(&self, config: BlockConfig) -> Result<BlockStore, BlockError> {
        BlockStore::open(&self.env, &self.store, config).await
    }

    /// The names of all files below a data folder, without the marker.
    pub fn files(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path(name).join("blocks"), self.path(name).join("tmp")];
        while let Some(folder) = folders.pop() {
            for entry in self.env.disk.list(&folder).unwrap_or_default() {
                if entry.is_dir {
                    folders.push(entry.path);
                } else {
                    found.push(entry.path.file_name().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// The path of a block's file, in whichever form it is there.
    pub fn file_of(&self, name: &str, hash: &BlockHash) -> PathBuf {
        let digits = hash.to_string();
        let plain = self.path(name).join("blocks").join(&digits[..2]).join(&digits);
        if plain.exists() { plain } else { plain.with_extension("zst") }
    }

    pub async fn add(&self, blocks: &BlockStore, lock: BlockLock, hash: BlockHash) -> Result<(), StoreError> {
        let blocks = blocks.clone();
        let work = move |txn: &mut Txn<'_>| {
            let _held_by_the_closure = &lock;
            blocks.add_reference(txn, &hash)
        };
        self.store.commit(Intent::Grow, work).await
    }

    /// Adds a reference without the block and without its lock, as anti-entropy does.
    pub async fn add_alone(&self, blocks: &BlockStore, hash: BlockHash) {
        let blocks = blocks.clone();
        self.store.commit(Intent::Grow, move |txn| blocks.add_reference(txn, &hash)).await.unwrap();
    }

    pub async fn drop_one(&self, blocks: &BlockStore, hash: BlockHash) {
        let blocks = blocks.clone();
        self.store.commit(Intent::Free, move |txn| blocks.drop_reference(txn, &hash)).await.unwrap();
    }

    /// Makes the record of a block's count one that cannot be read.
    pub async fn spoil_count(&self, hash: BlockHash) {
        let key = [b"b", hash.as_bytes().as_slice()].concat();
        let spoil = move |txn: &mut Txn<'_>| {
            txn.put_bytes(Space::RefCount, key, Bytes::from_static(b"rot"));
            Ok::<_, StoreError>(())
        };
        self.store.commit(Intent::Free, spoil).await.unwrap();
    }

    /// Stores a block with one reference.
    pub async fn store_block(&self, blocks: &BlockStore, content: &[u8]) -> BlockHash {
        let block = HashedBlock::new(Bytes::copy_from_slice(content)).unwrap();
        let (lock, _) = blocks.put_one(&block).await.unwrap();
        self.add(blocks, lock, block.hash()).await.unwrap();
        block.hash()
    }

    pub fn now(&self) -> WallTime {
        self.clock.wall()
    }
}

pub struct TestClock(pub AtomicU64);

impl TestClock {
    pub fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, SeqCst);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> WallTime {
        WallTime(self.0.load(SeqCst))
    }
    fn mono(&self) -> MonoTime {
        MonoTime::from_millis(self.0.load(SeqCst))
    }
}

/// Bytes that zstd cannot shrink.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Bytes that zstd shrinks well.
pub fn text(length: usize, seed: u64) -> Vec<u8> {
    let line = format!("line {seed}: the quick brown fox jumps over the lazy dog\n");
    line.bytes().cycle().take(length).collect()
}

/// A small engine: whole maps as snapshots.
#[derive(Default)]
pub struct MapEngine(Mutex<Arc<Rows>>);
type Rows = std::collections::BTreeMap<(Space, Vec<u8>), Bytes>;
struct MapSnapshot(Arc<Rows>);

impl Engine for MapEngine {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, EngineError> {
        Ok(Arc::new(MapSnapshot(self.0.lock().unwrap().clone())))
    }
    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut rows = self.0.lock().unwrap();
        let rows = Arc::make_mut(&mut rows);
        for (key, change) in batch {
            match change {
                Some(value) => drop(rows.insert(key.clone(), value.clone())),
                None => drop(rows.remove(key)),
            }
        }
        Ok(())
    }
    fn disk_bytes(&self) -> Result<u64, EngineError> {
        Ok(0)
    }
    fn describe(&self) -> String {
        "map".to_owned()
    }
}

impl Snapshot for MapSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.0.get(&(space, key.to_vec())).cloned())
    }
    fn scan(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), EngineError> {
        for ((row_space, key), value) in self.0.iter() {
            let after_start = match from {
                Bound::Included(start) => key.as_slice() >= start,
                Bound::Excluded(start) => key.as_slice() > start,
                Bound::Unbounded => true,
            };
            let before_end = match to {
                Bound::Included(end) => key.as_slice() <= end,
                Bound::Excluded(end) => key.as_slice() < end,
                Bound::Unbounded => true,
            };
            if *row_space == space && after_start && before_end && visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
    fn last(&self, space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Option<Row>, EngineError> {
        let mut last = None;
        self.scan(space, from, to, &mut |key, value| {
            last = Some((key.to_vec(), Bytes::copy_from_slice(value)));
            ControlFlow::Continue(())
        })?;
        Ok(last)
    }
}

/// What [`TestDisk`] does to an operation that changes the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No room: the errors of a full disk.
    Full,
    /// The disk fails once.
    BadFlush,
    /// The process has been killed: this operation and all later ones do not happen.
    Crash,
}

/// Real files, with faults at chosen operations.
pub struct TestDisk {
    /// Operations that change the disk until the fault strikes; negative: never.
    pub countdown: AtomicI64,
    pub fault: Mutex<Fault>,
    pub fail_flush: AtomicBool,
    /// Operations that change the disk so far.
    pub changes: AtomicU64,
    /// What `space` reports; 0 asks the real file system.
    pub available_bytes: AtomicU64,
    /// Leave out real flushes, in tests of interleavings.
    pub skip_flush: AtomicBool,
    /// Folders that are mount points.
    pub mounted: Mutex<std::collections::BTreeSet<PathBuf>>,
    /// A folder whose disk refuses everything, but for what the system has in its memory: its marker.
    pub refusing: Mutex<Option<PathBuf>>,
}

impl Default for TestDisk {
    fn default() -> Self {
        Self {
            countdown: AtomicI64::new(-1),
            fault: Mutex::new(Fault::Crash),
            fail_flush: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            available_bytes: AtomicU64::new(0),
            skip_flush: AtomicBool::new(false),
            mounted: Mutex::default(),
            refusing: Mutex::default(),
        }
    }
}

/// The one disk of a process, shared by its open files.
static REAL: env::real::RealDisk = env::real::RealDisk;

impl TestDisk {
    /// Lets `fault` strike at the operation with this number, counted from now.
    pub fn strike(&self, fault: Fault, after: i64) {
        *self.fault.lock().unwrap() = fault;
        self.countdown.store(after, SeqCst);
    }

    pub fn heal(&self) {
        self.countdown.store(-1, SeqCst);
        self.fail_flush.store(false, SeqCst);
    }

    fn change(&self) -> io::Result<()> {
        self.changes.fetch_add(1, SeqCst);
        if self.countdown.load(SeqCst) < 0 {
            return Ok(());
        }
        let left = self.countdown.fetch_sub(1, SeqCst);
        if left > 0 {
            return Ok(());
        }
        match *self.fault.lock().unwrap() {
            // Only the one operation fails.
            Fault::Full => Err(io::ErrorKind::StorageFull.into()),
            Fault::BadFlush => Err(io::Error::from_raw_os_error(5)),
            Fault::Crash => {
                self.countdown.store(0, SeqCst);
                Err(io::Error::other("the process is dead"))
            }
        }
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let refusing = self.refusing.lock().unwrap();
        let is_refused = refusing.as_ref().is_some_and(|folder| path.starts_with(folder));
        if is_refused && !path.ends_with("garage-marker") {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<bool> {
        if self.fail_flush.load(SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(!self.skip_flush.load(SeqCst))
    }
}

struct TestFile {
    file: Box<dyn DiskFile>,
    disk: Arc<TestDisk>,
}

/// [`TestDisk`] as the door of an [`Env`].
pub struct TestDoor(pub Arc<TestDisk>);

impl Disk for TestDoor {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.change()?;
        self.0.touch(path)?;
        REAL.create_dir_all(path)
    }
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        self.0.touch(path)?;
        if mode != OpenMode::Read {
            self.0.change()?;
        }
        Ok(Box::new(TestFile { file: REAL.open(path, mode)?, disk: self.0.clone() }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.change()?;
        self.0.touch(from)?;
        REAL.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.change()?;
        self.0.touch(path)?;
        REAL.remove_file(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.change()?;
        self.0.touch(path)?;
        if self.0.flush()? { REAL.sync_dir(path) } else { Ok(()) }
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.0.touch(path)?;
        REAL.list(path)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.touch(path)?;
        REAL.exists(path)
    }
    fn space(&self, path: &Path) -> io::Result<Room> {
        match self.0.available_bytes.load(SeqCst) {
            0 => REAL.space(path),
            available_bytes => Ok(Room { available_bytes, total_bytes: 1 << 40 }),
        }
    }
    fn is_on_mounted_disk(&self, path: &Path) -> io::Result<bool> {
        Ok(self.0.mounted.lock().unwrap().contains(path) && REAL.exists(path)?)
    }
}

impl DiskFile for TestFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.disk.change() {
            // What was on its way when the fault struck is there in part.
            self.file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(error);
        }
        self.file.write_all_at(bytes, offset)
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.change()?;
        self.file.set_len(length)
    }
    fn sync(&self) -> io::Result<()> {
        self.disk.change()?;
        if self.disk.flush()? { self.file.sync() } else { Ok(()) }
    }
    fn lock_exclusive(&self) -> io::Result<()> {
        self.file.lock_exclusive()
    }
}
