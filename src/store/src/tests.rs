//! Tests of the store: committer, transactions, record envelope, crashes.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod clock;
mod committer;
mod crash;
mod envelope;
mod faults;
mod marks;
mod overlay;

use crate::{Engine, Intent, MemEngine, MemPlatter, Record, Space, Store, StoreError, StoreOptions};
use bytes::Bytes;
use env::Env;
use env::sim::{SimOptions, SimWorld};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// A small seeded generator (SplitMix64), so that a failing case can be repeated.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Between `shortest` and `longest` bytes of `alphabet`.
    pub fn bytes_from(&mut self, alphabet: &[u8], shortest: usize, longest: usize) -> Vec<u8> {
        let length = shortest + self.below(longest - shortest + 1);
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

/// A record for tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    text: String,
    number: u64,
}

impl Record for Note {
    const KIND: u8 = 250;
    const VERSION: u8 = 3;

    fn upgrade(version: u8, body: &[u8]) -> Option<Self> {
        (version == 2).then(|| Self { text: String::from_utf8_lossy(body).into_owned(), number: 2 })
    }
}

/// A one-thread runtime with virtual time.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Runs a future on a runtime that ends, with everything in it, when this returns.
fn run<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

/// A world with a store in memory whose commits go through the faults of the world's disk.
struct Setup {
    world: SimWorld,
    platter: Arc<MemPlatter>,
}

impl Setup {
    fn new() -> Self {
        Self { world: SimWorld::new(1, &SimOptions::default()), platter: Arc::default() }
    }

    fn store(&self) -> Store {
        let engine = MemEngine::open(&self.platter, Some(self.world.disk.clone()));
        open_store(&self.world.env(), Arc::new(engine)).unwrap()
    }

    /// Commits that reached the engine: each is a write and a sync.
    fn commits(&self) -> u64 {
        self.world.disk.effects() / 2
    }
}

fn open_store(env: &Env, engine: Arc<dyn Engine>) -> Result<Store, StoreError> {
    Store::open(env, engine, StoreOptions { folder: PathBuf::from("/"), node_tag: 7 })
}

async fn put(store: &Store, key: &[u8], value: &'static [u8]) -> Result<(), StoreError> {
    let key = key.to_vec();
    store
        .commit(Intent::Grow, move |txn| {
            txn.put_bytes(Space::Object, key, Bytes::from_static(value));
            Ok(())
        })
        .await
}
