//! Which blocks are referred to here and have no file here: what a layout change waits for, and what an operator is told.
//!
//! Every reference that came without its file has an entry in the queue until the file is here, so the queue is where to
//! look. A file counts when it is there, since it was verified when it was written; where its reference came and nobody could
//! verify it, or a reader met it damaged, it counts when it has been read.

use crate::folder::{DataFolder, Form, Found};
use crate::record::{AUDIT_KEY, AuditState, COUNT_KEYS, RefCount, ResyncEntry, count_key, parse_resync_key};
use crate::{BlockError, BlockStore, Shared};
use base::BlockHash;
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Read, Space, StoreError, View};

/// Missing blocks are counted up to here: the count is told every few seconds, and more of them say nothing else.
pub(crate) const LACKING_MAX: usize = 1000;

/// What a node lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refill {
    /// Blocks that something here refers to and that are not here, as far as is known: at least one.
    pub blocks: u64,
    /// What their files took; `None` where that is not known of each.
    pub stored_bytes: Option<u64>,
    /// Whether there are no more.
    pub is_counted: bool,
}

/// Blocks that were found missing and were not seen here since, so that counting them costs nothing.
#[derive(Default)]
pub(crate) struct Lacking {
    hashes: Mutex<BTreeSet<BlockHash>>,
    /// Whether the queue was read, and whether it named more than are kept here.
    is_complete: AtomicBool,
}

impl Lacking {
    fn open(&self) -> MutexGuard<'_, BTreeSet<BlockHash>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A referenced block has no file here.
    pub fn note_missing(&self, hash: BlockHash) {
        let mut hashes = self.open();
        if hashes.len() < LACKING_MAX {
            hashes.insert(hash);
        } else {
            self.is_complete.store(false, Ordering::Relaxed);
        }
    }

    /// It has one, or none is needed any more.
    pub fn note_settled(&self, hash: &BlockHash) {
        self.open().remove(hash);
    }

    /// A reference comes without its file: told of from now on, not when somebody has looked. Whoever drops the answer before
    /// the reference is durable has the queue read instead.
    pub fn expect(shared: &Arc<Shared>, hash: BlockHash) -> Expected {
        shared.lacking.note_missing(hash);
        Expected { shared: Arc::clone(shared), hash, is_durable: false }
    }

    fn count(&self) -> u64 {
        u64::try_from(self.open().len()).unwrap_or(u64::MAX)
    }

    fn must_read_queue(&self) -> bool {
        !self.is_complete.load(Ordering::Relaxed) && self.open().len() <= LACKING_MAX / 2
    }
}

/// A block that a transaction under way calls for.
pub(crate) struct Expected {
    shared: Arc<Shared>,
    hash: BlockHash,
    is_durable: bool,
}

impl Expected {
    /// The transaction is durable.
    pub fn stays(mut self) {
        self.is_durable = true;
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        if !self.is_durable {
            self.shared.lacking.note_settled(&self.hash);
            self.shared.lacking.is_complete.store(false, Ordering::Relaxed);
        }
    }
}

impl BlockStore {
    /// The blocks that something here refers to and that have no file here, of those that `concerns` takes, at most `limit`;
    /// `None` as long as it is not known: a disk was lost or is gone, and not every block has been looked for yet.
    pub async fn lacking(
        &self,
        concerns: impl Fn(&BlockHash) -> bool + Send + 'static,
        limit: usize,
    ) -> Result<Option<BTreeSet<BlockHash>>, BlockError> {
        // Before the view: what is recorded meanwhile is in it.
        let is_loss_unrecorded = self.shared.is_loss_unrecorded();
        let view = self.shared.store.view()?;
        let audit = view.get::<AuditState>(Space::Setting, AUDIT_KEY)?;
        if is_loss_unrecorded || audit.is_some_and(|audit| audit.is_refill && audit.next != COUNT_KEYS.1) {
            return Ok(None);
        }
        let shared = self.shared.clone();
        let look = move || {
            let is_absent = |hash: &BlockHash, proof| !shared.has_file(hash, proof);
            referenced_in_queue((&shared, &view), (&concerns, &is_absent), limit)
        };
        Ok(self.shared.env.tasks.blocking(look).await.map(Some)?)
    }

    /// What this node lacks; `None`: nothing. Since it lost a disk, or one is gone, it is at least one block, until it is
    /// certain that there are no more.
    pub fn refill(&self) -> Result<Option<Refill>, StoreError> {
        let is_loss_unrecorded = self.shared.is_loss_unrecorded();
        let view = self.shared.store.view()?;
        let audit = view.get::<AuditState>(Space::Setting, AUDIT_KEY)?.filter(|audit| audit.is_refill);
        let is_refill = is_loss_unrecorded || audit.is_some();
        let hashes = if is_refill { self.wanted(&view)? } else { self.shared.lacking.open().clone() };
        if hashes.is_empty() && !is_refill {
            return Ok(None);
        }
        let is_looked_for = match audit {
            Some(audit) => audit.next == COUNT_KEYS.1,
            None => self.shared.lacking.is_complete.load(Ordering::Relaxed),
        };
        let is_counted =
            is_looked_for && !is_loss_unrecorded && !hashes.is_empty() && hashes.len() < LACKING_MAX;
        let mut stored_bytes = is_counted.then_some(0u64);
        for hash in hashes.iter().take_while(|_| is_counted) {
            let row = view.get::<RefCount>(Space::RefCount, &count_key(hash)).ok().flatten();
            let known = row.map(|row| row.stored_bytes).filter(|bytes| *bytes > 0);
            stored_bytes = stored_bytes.zip(known).map(|(sum, more)| sum.saturating_add(more));
        }
        let blocks = u64::try_from(hashes.len()).unwrap_or(u64::MAX).max(1);
        Ok(Some(Refill { blocks, stored_bytes, is_counted }))
    }

    /// Whether what [`BlockStore::refill`] says is all that may be lacking, or says itself that it is not. Otherwise the
    /// queue has not been read since the start, or not to its end: where it says "nothing", that is not known.
    pub fn knows_lacking(&self) -> bool {
        self.shared.lacking.is_complete.load(Ordering::Relaxed)
    }

    /// How many blocks this node lacks, as far as is known, counted up to a thousand; `None`: none.
    pub fn blocks_to_refill(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.refill()?.map(|refill| refill.blocks))
    }

    /// How many blocks this node is known to lack, counted up to a thousand.
    pub fn lacking_count(&self) -> u64 {
        self.shared.lacking.count()
    }

    /// Learns from the queue what was missing when this process began, and what did not fit before.
    pub(crate) async fn read_lacking(&self) -> Result<(), BlockError> {
        let lacking = &self.shared.lacking;
        if !lacking.must_read_queue() {
            return Ok(());
        }
        lacking.is_complete.store(true, Ordering::Relaxed);
        let found = self.lacking(|_| true, LACKING_MAX).await;
        if let Ok(Some(hashes)) = &found {
            hashes.iter().for_each(|hash| lacking.note_missing(*hash));
        }
        if !matches!(found, Ok(Some(_))) || lacking.count() >= LACKING_MAX as u64 {
            lacking.is_complete.store(false, Ordering::Relaxed);
        }
        found.map(drop)
    }
}

/// What proves that a block is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A file of that name.
    Name,
    /// Its bytes.
    Content,
}

/// Tells of a block whether it is one that is looked for.
type Test<'a> = &'a dyn Fn(&BlockHash) -> bool;
/// The same, where a file of it may be looked at.
type TestOfFile<'a> = &'a dyn Fn(&BlockHash, Proof) -> bool;

/// Queued blocks that something refers to, at most `limit`: of those that pass the first test, which costs nothing, those that
/// pass the second one, which may read a disk.
pub(crate) fn referenced_in_queue(
    (shared, view): (&Shared, &View),
    (concerns, is_wanted): (Test<'_>, TestOfFile<'_>),
    limit: usize,
) -> Result<BTreeSet<BlockHash>, StoreError> {
    let (mut found, mut failure) = (BTreeSet::new(), None);
    view.scan(Space::Resync, Bound::Unbounded, Bound::Unbounded, &mut |key, bytes| {
        let Some(hash) = parse_resync_key(key).map(|(_, hash)| hash).filter(|hash| concerns(hash)) else {
            return ControlFlow::Continue(());
        };
        let entry = store::decode::<ResyncEntry>(Space::Resync, key, bytes).unwrap_or_default();
        match shared.is_referenced(view, &hash) {
            Ok(is_referenced) => {
                found.extend((is_referenced && is_wanted(&hash, entry.proof())).then_some(hash));
            }
            Err(error) => failure = Some(error),
        }
        if failure.is_some() || found.len() >= limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    failure.map_or(Ok(found), Err)
}

impl ResyncEntry {
    /// What proves that its block is here.
    pub(crate) fn proof(&self) -> Proof {
        if self.is_doubted { Proof::Content } else { Proof::Name }
    }
}

impl Shared {
    /// Whether a folder has a file of the block, as far as that can be seen.
    pub fn has_file(&self, hash: &BlockHash, proof: Proof) -> bool {
        let holds = |folder: &DataFolder| {
            !folder.contact.is_lost() && self.has_file_in(folder, hash, proof).unwrap_or(false)
        };
        self.unless_moved(|| self.folders.iter().any(holds), |is_here| *is_here)
    }

    /// The same of one folder.
    pub fn has_file_in(&self, folder: &DataFolder, hash: &BlockHash, proof: Proof) -> std::io::Result<bool> {
        let holds = folder.holds(hash)?;
        if !holds || proof == Proof::Name {
            return Ok(holds);
        }
        for form in Form::ALL {
            if let Found::Good { .. } = folder.read(hash, form, &self.codec)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
