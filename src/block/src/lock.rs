//! The lock per hash (rule K7): {verify or write the file, commit its reference} and {count is 0,
//! grace over, unlink} exclude each other.
//!
//! Locks are exact, one per hash in use: striped locks would make two unrelated blocks wait for
//! each other, and would deadlock by chance whoever held two. Several hashes are taken at once, in
//! sorted order and without repeats, so one request cannot deadlock with another or with itself;
//! whoever already holds a [`BlockLock`] must not ask for a second one.
//!
//! While a hash is locked, its slot notes what the holder has found out, so that the transaction
//! which adds a reference knows whether the file was verified, and so that a file that was written
//! but never referenced is not forgotten when the lock is released.

use base::BlockHash;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// Blocks to be looked at that no transaction has queued yet. When more wait than this, scrub
/// finds the rest.
const SUSPECTS_MAX: usize = 4096;

/// What the holder of a lock knows about the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// Bytes the file takes.
    pub stored_bytes: u64,
}

#[derive(Default)]
struct Slot {
    mutex: Arc<tokio::sync::Mutex<()>>,
    /// Who holds the lock, so that a transaction can hold it too.
    holder: Weak<BTreeMap<BlockHash, Claim>>,
    /// Set once the file has been verified or written under the lock.
    held: Option<Held>,
    /// The file was written by this holder, and no reference to it has been committed yet.
    unreferenced: bool,
}

/// All locks of one block store.
#[derive(Default)]
pub(crate) struct Locks {
    slots: Mutex<BTreeMap<BlockHash, Slot>>,
    suspects: Mutex<BTreeSet<BlockHash>>,
}

/// The locks of some hashes, released when the last clone is dropped.
#[derive(Clone)]
pub struct BlockLock {
    claims: Arc<BTreeMap<BlockHash, Claim>>,
}

impl BlockLock {
    /// Whether this lock covers `hash`.
    pub fn covers(&self, hash: &BlockHash) -> bool {
        self.claims.contains_key(hash)
    }
}

/// One hash's place at its mutex: first waiting, then holding.
struct Claim {
    locks: Arc<Locks>,
    hash: BlockHash,
    mutex: Option<Arc<tokio::sync::Mutex<()>>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    /// Waits for all of `hashes`.
    pub async fn lock(self: &Arc<Self>, hashes: BTreeSet<BlockHash>) -> BlockLock {
        let mut claims = BTreeMap::new();
        for hash in hashes {
            let mut claim = self.claim(hash);
            let mutex = claim.mutex.as_ref().map(Arc::clone).expect("a new claim has its mutex");
            claim.guard = Some(mutex.lock_owned().await);
            claims.insert(hash, claim);
        }
        self.hand_over(claims)
    }

    /// Takes one hash if nobody holds it.
    pub fn try_lock(self: &Arc<Self>, hash: BlockHash) -> Option<BlockLock> {
        let mut claim = self.claim(hash);
        let mutex = claim.mutex.as_ref().map(Arc::clone).expect("a new claim has its mutex");
        claim.guard = Some(mutex.try_lock_owned().ok()?);
        Some(self.hand_over(BTreeMap::from([(hash, claim)])))
    }

    fn hand_over(&self, claims: BTreeMap<BlockHash, Claim>) -> BlockLock {
        let claims = Arc::new(claims);
        let mut slots = self.slots();
        for hash in claims.keys() {
            if let Some(slot) = slots.get_mut(hash) {
                slot.holder = Arc::downgrade(&claims);
            }
        }
        drop(slots);
        BlockLock { claims }
    }

    /// Notes that the file is there and good. Only for the holder of the lock.
    pub fn note_held(&self, hash: &BlockHash, held: Held, newly_written: bool) {
        if let Some(slot) = self.slots().get_mut(hash) {
            slot.held = Some(held);
            slot.unreferenced |= newly_written;
        }
    }

    /// Notes that there is no file after all: its disk is gone. Only for the holder of the lock.
    pub fn note_gone(&self, hash: &BlockHash) {
        if let Some(slot) = self.slots().get_mut(hash) {
            slot.held = None;
        }
    }

    /// The lock and what its holder knows, if the file was verified under it and it is not being
    /// released.
    pub fn share(&self, hash: &BlockHash) -> Option<(BlockLock, Held)> {
        let slots = self.slots();
        let slot = slots.get(hash)?;
        let held = slot.held?;
        Some((BlockLock { claims: slot.holder.upgrade()? }, held))
    }

    /// What the holder of the lock, if there is one, knows about the file.
    pub fn held(&self, hash: &BlockHash) -> Option<Held> {
        self.slots().get(hash).and_then(|slot| slot.held)
    }

    /// Forgets what the holders of all locks know, and has those blocks looked at: a disk is gone.
    pub fn doubt_all(&self) {
        let mut slots = self.slots();
        slots.values_mut().for_each(|slot| slot.held = None);
        let hashes: Vec<BlockHash> = slots.keys().copied().collect();
        drop(slots);
        hashes.into_iter().for_each(|hash| self.suspect(hash));
    }

    /// Notes that a reference is durable.
    pub fn note_referenced(&self, hash: &BlockHash) {
        if let Some(slot) = self.slots().get_mut(hash) {
            slot.unreferenced = false;
        }
    }

    /// Remembers to look at a block soon.
    pub fn suspect(&self, hash: BlockHash) {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        if suspects.len() < SUSPECTS_MAX {
            suspects.insert(hash);
        }
    }

    /// Takes the blocks to look at.
    pub fn take_suspects(&self) -> BTreeSet<BlockHash> {
        std::mem::take(&mut self.suspects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hashes locked or waited for.
    pub fn in_use(&self) -> usize {
        self.slots().len()
    }

    fn claim(self: &Arc<Self>, hash: BlockHash) -> Claim {
        let mutex = Arc::clone(&self.slots().entry(hash).or_default().mutex);
        Claim { locks: Arc::clone(self), hash, mutex: Some(mutex), guard: None }
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<BlockHash, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let held_lock = self.guard.is_some();
        let mut slots = self.locks.slots();
        let mut forgotten = false;
        if let Some(slot) = slots.get_mut(&self.hash)
            && held_lock
        {
            slot.held = None;
            slot.holder = Weak::new();
            forgotten = std::mem::take(&mut slot.unreferenced);
        }
        self.guard = None;
        self.mutex = None;
        // Clones of the mutex are only made under the same map lock, so one count means that
        // nobody holds it or waits for it.
        if slots.get(&self.hash).is_some_and(|slot| Arc::strong_count(&slot.mutex) == 1) {
            slots.remove(&self.hash);
        }
        drop(slots);
        if forgotten {
            self.locks.suspect(self.hash);
        }
    }
}
