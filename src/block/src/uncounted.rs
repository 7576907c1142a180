//! Blocks whose reference counts cannot be read here.
//!
//! A count says how many rows hold a block, so it can be counted anew from them; whoever keeps those rows asks for the blocks
//! ([`BlockStore::take_uncounted`]) and does it. What always holds: such a block counts as referenced, so that its file is
//! looked for and never unlinked, and it holds up no other one. In memory: whoever meets one notes it again.

use crate::record::{RefCount, count_key, hash_of_count_key};
use crate::{BlockStore, Shared};
use base::BlockHash;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::{Read, Space, StoreError};

/// Blocks that are remembered; others are when they are met again.
const UNCOUNTED_MAX: usize = 4096;

#[derive(Default)]
pub(crate) struct Uncounted(Mutex<BTreeSet<BlockHash>>);

impl Uncounted {
    fn open(&self) -> MutexGuard<'_, BTreeSet<BlockHash>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn note_key(&self, key: &[u8]) {
        hash_of_count_key(key).into_iter().for_each(|hash| self.note(hash));
    }

    fn note(&self, hash: BlockHash) {
        let mut hashes = self.open();
        if hashes.len() < UNCOUNTED_MAX && hashes.insert(hash) {
            tracing::error!(%hash, "the count of a block's references is damaged here; they are counted anew");
        }
    }
}

impl BlockStore {
    /// The blocks whose counts are to be set anew, each once ([`BlockStore::recount_references`]).
    pub fn take_uncounted(&self) -> BTreeSet<BlockHash> {
        std::mem::take(&mut *self.shared.uncounted.open())
    }

    /// Takes note of a count that somebody could not read, by its key in `RefCount`.
    pub fn note_uncounted(&self, key: &[u8]) {
        self.shared.uncounted.note_key(key);
    }
}

impl Shared {
    /// Whether something refers to a block, or may.
    pub fn is_referenced(&self, read: &impl Read, hash: &BlockHash) -> Result<bool, StoreError> {
        match read.get::<RefCount>(Space::RefCount, &count_key(hash)) {
            Ok(row) => Ok(row.is_some_and(|row| row.count > 0)),
            Err(StoreError::Unreadable { .. }) => {
                self.uncounted.note(*hash);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}
