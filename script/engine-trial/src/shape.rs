//! What the trial writes: the rows of a 4 KiB PUT whose body is kept inline.
//!
//! Per PUT: the object row (~200 B), the body (4 KiB), the bucket's usage counter (40 B), and the
//! clock mark (~30 B) that the committer adds once per batch.

use crate::sled_engine::SledEngine;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use store::{
    Batch, Engine, EngineError, EngineKind, Intent, Read, Snapshot, Space, Store, StoreError, StoreOptions,
};

pub const ENGINES: [&str; 3] = ["sled", "redb", "fjall"];

pub fn open_engine(name: &str, folder: &Path) -> Result<Arc<dyn Engine>, EngineError> {
    if name == "sled" {
        return Ok(Arc::new(SledEngine::open(folder)?));
    }
    let kind: EngineKind = name.parse().expect("an engine's name");
    store::engine::open(kind, &env::real::env(), folder)
}

/// Counts and times the commits of an engine.
pub struct Timed {
    engine: Arc<dyn Engine>,
    pub commits: AtomicU64,
    pub commit_us: AtomicU64,
}

impl Timed {
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, commits: AtomicU64::new(0), commit_us: AtomicU64::new(0) }
    }
}

impl Engine for Timed {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, EngineError> {
        self.engine.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let start = Instant::now();
        let result = self.engine.commit(batch);
        self.commit_us.fetch_add(start.elapsed().as_micros() as u64, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        result
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        self.engine.disk_bytes()
    }

    fn describe(&self) -> String {
        self.engine.describe()
    }
}

pub fn open_store(name: &str, folder: &Path) -> Result<Store, StoreError> {
    let engine = open_engine(name, folder).map_err(|error| StoreError::Read(error.to_string()))?;
    store_over(engine, folder)
}

pub fn store_over(engine: Arc<dyn Engine>, folder: &Path) -> Result<Store, StoreError> {
    Store::open(&env::real::env(), engine, StoreOptions { folder: folder.to_owned(), node_tag: 1 })
}

/// A number that looks random and is the same for the same input.
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The key of the `number`-th object: partition (2 bytes), bucket, name.
pub fn object_key(number: u64) -> Vec<u8> {
    let spread = mix(number).to_be_bytes();
    [&spread[..2], b"bucket-of-16-byt", b"photos/2026/07/", &spread].concat()
}

pub fn body_key(number: u64) -> Vec<u8> {
    let spread = mix(number).to_be_bytes();
    [&spread[..2], &mix(number ^ 0xb0d1).to_be_bytes(), &number.to_be_bytes()].concat()
}

/// `length` bytes that only belong to this number and do not compress.
pub fn bytes(number: u64, length: usize) -> Bytes {
    let words = (0..length.div_ceil(8) as u64).flat_map(|word| mix(number ^ (word << 40)).to_le_bytes());
    words.take(length).collect::<Vec<u8>>().into()
}

/// One PUT.
pub async fn put(store: &Store, number: u64, body_bytes: usize) -> Result<(), StoreError> {
    let (row, body) = (bytes(number, 200), bytes(!number, body_bytes));
    let (object, inline) = (object_key(number), body_key(number));
    store
        .commit(Intent::Grow, move |txn| {
            txn.stamp();
            let shard = vec![(number % 16) as u8];
            let counter = txn.get_bytes(Space::Usage, &shard)?;
            let count =
                counter.map_or(0, |value| u64::from_le_bytes(value[..8].try_into().expect("8 bytes")));
            let mut value = vec![0; 40];
            value[..8].copy_from_slice(&(count + 1).to_le_bytes());
            txn.put_bytes(Space::Usage, shard, value.into());
            txn.put_bytes(Space::Object, object, row);
            txn.put_bytes(Space::Inline, inline, body);
            Ok(())
        })
        .await
}
