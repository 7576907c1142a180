//! Reference counts: changed inside the caller's transaction, together with the row that holds or
//! drops the reference.
//!
//! When a count reaches 0, or a reference is added to a block whose file nobody has just verified,
//! the block is queued to be looked at in the same transaction, so no crash can forget it.

use crate::BlockStore;
use crate::lacking::Lacking;
use crate::record::{RefCount, ResyncEntry, TOTALS_KEY, Totals, count_key, resync_key};
use base::{BlockHash, WallTime};
use store::{Read, Space, StoreError, Txn};

/// How long an unreferenced file stays. It keeps correctness out of it (the lock per hash does
/// that); it spares sending a block again when one reference ends shortly before the next begins:
/// an overwrite with the same bytes, a completed multipart upload, a retried request. Ten minutes
/// is longer than any client's retries.
pub const GRACE_MS: u64 = 10 * 60 * 1000;
/// The same while a data folder is full: who deletes to get room does not wait for ten minutes. It
/// still covers a request that has looked a block up and not begun to read it.
pub const GRACE_WHEN_FULL_MS: u64 = 10 * 1000;

impl BlockStore {
    /// Counts one more reference to `hash`, in the transaction that stores it. If the block was
    /// put or verified under a lock that is still held, the transaction keeps that lock until it
    /// is durable; otherwise, unless another reference keeps the file already, the block is queued
    /// to be looked for.
    pub fn add_reference(&self, txn: &mut Txn<'_>, hash: &BlockHash) -> Result<(), StoreError> {
        let shared_lock = self.shared.locks.share(hash);
        let key = count_key(hash);
        let old = txn.get::<RefCount>(Space::RefCount, &key)?;
        let known_bytes = old.as_ref().map_or(0, |row| row.stored_bytes);
        let row = RefCount {
            count: old.as_ref().map_or(0, |row| row.count).saturating_add(1),
            stored_bytes: shared_lock.as_ref().map_or(known_bytes, |(_, held)| held.stored_bytes),
            zero_since: None,
        };
        change_totals(txn, old.as_ref(), Some(&row))?;
        txn.put(Space::RefCount, key, &row);
        match shared_lock {
            Some((lock, _)) => {
                let (shared, hash) = (self.shared.clone(), *hash);
                txn.after_commit(move || {
                    shared.locks.note_referenced(&hash);
                    drop(lock);
                });
            }
            None if row.count == 1 => {
                queue_doubted(txn, txn.now(), hash);
                let expected = Lacking::expect(&self.shared, *hash);
                txn.after_commit(move || expected.stays());
            }
            // Nobody unlinks a file while its count is above 0.
            None => {}
        }
        Ok(())
    }

    /// Counts one reference to `hash` less, in the transaction that removes it.
    pub fn drop_reference(&self, txn: &mut Txn<'_>, hash: &BlockHash) -> Result<(), StoreError> {
        let key = count_key(hash);
        let Some(old) = txn.get::<RefCount>(Space::RefCount, &key)?.filter(|row| row.count > 0) else {
            // The file is judged by the row when the entry comes up, so nothing is lost by this.
            tracing::error!(%hash, "a reference was dropped that had never been counted");
            queue(txn, txn.now(), hash);
            return Ok(());
        };
        let now = txn.now();
        let count = old.count - 1;
        let row = RefCount { count, zero_since: (count == 0).then_some(now), ..old };
        txn.put(Space::RefCount, key, &row);
        if count == 0 {
            queue(txn, grace_end(now), hash);
        }
        Ok(())
    }

    /// Sets how many references to `hash` there are, as they were counted in this transaction; whether another count,
    /// or none that can be read, stood there. What is referenced is looked for then, and what is not goes in time.
    pub fn recount_references(
        &self,
        txn: &mut Txn<'_>,
        hash: &BlockHash,
        count: u64,
    ) -> Result<bool, StoreError> {
        let key = count_key(hash);
        let old = match txn.get::<RefCount>(Space::RefCount, &key) {
            Ok(old) => old,
            // It stays in the totals, where it was counted when it could be read.
            Err(StoreError::Unreadable { .. }) => {
                Some(RefCount { count: !count, stored_bytes: 0, zero_since: None })
            }
            Err(error) => return Err(error),
        };
        if old.as_ref().map_or(0, |row| row.count) == count {
            return Ok(false);
        }
        let now = txn.now();
        let stored_bytes = old.as_ref().map_or(0, |row| row.stored_bytes);
        let row = RefCount { count, stored_bytes, zero_since: (count == 0).then_some(now) };
        change_totals(txn, old.as_ref(), Some(&row))?;
        txn.put(Space::RefCount, key, &row);
        queue(txn, if count == 0 { grace_end(now) } else { now }, hash);
        Ok(true)
    }

    /// How many references a block has here.
    pub fn reference_count(&self, hash: &BlockHash) -> Result<u64, StoreError> {
        let row = self.shared.store.view()?.get::<RefCount>(Space::RefCount, &count_key(hash))?;
        Ok(row.map_or(0, |row| row.count))
    }
}

/// When an unreferenced file may go.
pub(crate) fn grace_end(zero_since: WallTime) -> WallTime {
    WallTime(zero_since.millis().saturating_add(GRACE_MS))
}

/// Queues a block to be looked at.
pub(crate) fn queue(txn: &mut Txn<'_>, due: WallTime, hash: &BlockHash) {
    txn.put(Space::Resync, resync_key(due, hash), &ResyncEntry::default());
}

/// Queues a block whose file is to be read: that it is there is not enough.
pub(crate) fn queue_doubted(txn: &mut Txn<'_>, due: WallTime, hash: &BlockHash) {
    let last_failure = Some(txn.now());
    let entry = ResyncEntry { last_failure, is_doubted: true, ..ResyncEntry::default() };
    txn.put(Space::Resync, resync_key(due, hash), &entry);
}

/// Keeps [`Totals`] equal to the sums over all rows.
pub(crate) fn change_totals(
    txn: &mut Txn<'_>,
    old: Option<&RefCount>,
    new: Option<&RefCount>,
) -> Result<(), StoreError> {
    let sums = |row: Option<&RefCount>| row.map_or((0, 0), |row| (1, row.stored_bytes));
    let ((old_blocks, old_bytes), (new_blocks, new_bytes)) = (sums(old), sums(new));
    if (old_blocks, old_bytes) == (new_blocks, new_bytes) {
        return Ok(());
    }
    let totals = txn.get::<Totals>(Space::Meta, TOTALS_KEY)?.unwrap_or_default();
    let totals = Totals {
        blocks: (totals.blocks + new_blocks).saturating_sub(old_blocks),
        stored_bytes: (totals.stored_bytes + new_bytes).saturating_sub(old_bytes),
    };
    txn.put(Space::Meta, TOTALS_KEY.to_vec(), &totals);
    Ok(())
}
