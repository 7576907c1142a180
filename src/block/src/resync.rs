//! The queue of blocks to look at: unlink what nobody references, find what is missing.
//!
//! [`BlockStore::run_due`] is one bounded step without a timer of its own. It takes each block's
//! lock without waiting and skips the blocks in use, so it can neither deadlock with requests nor
//! hold them up. A file is unlinked, and that made durable, before its row goes: a crash between
//! the two leaves a row with count 0 whose entry comes up again. Entries of missing blocks stay in
//! the queue with a growing delay; they are the list of errors that the operator sees.

use crate::folder::DataFolder;
use crate::lacking::Proof;
use crate::lock::BlockLock;
use crate::record::{RefCount, ResyncEntry, count_key, parse_resync_key, resync_key};
use crate::refcount::{GRACE_MS, GRACE_WHEN_FULL_MS, change_totals, grace_end, queue, queue_doubted};
use crate::{BlockError, BlockStore, Shared};
use base::{BlockHash, WallTime};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::{Intent, Read, Space, Step, StoreError, Txn};

/// Entries in one step: enough to share the flush of the commit, few enough that a step ends
/// within about a second on a hard disk (some ten milliseconds per unlinked file).
const STEP_MAX_ENTRIES: usize = 64;
/// Delay before a missing block is looked for again; doubled with each failure. One that has been fetched meanwhile
/// counts as here only then, so it is as short as the rest of a worker that has nothing to do.
const RETRY_MIN_MS: u64 = 5 * 1000;
/// Longest such delay: an hour, so that a block that turns up elsewhere is fetched the same day.
const RETRY_MAX_MS: u64 = 60 * 60 * 1000;
/// Entries that [`BlockStore::retry_now`] moves in one transaction.
const RETRY_BATCH_ENTRIES: usize = 1000;

/// Entries among which one that waits already is looked for: some milliseconds in each step. In a longer queue, that of a
/// large disk that was lost, a block may have two entries, which costs a second look at it.
const WAITING_MAX_ENTRIES: usize = 10_000;

/// What one step of [`BlockStore::run_due`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Blocks looked at.
    pub examined: usize,
    /// Blocks whose files were unlinked.
    pub removed: usize,
    /// Bytes those files took.
    pub freed_bytes: u64,
    /// Referenced blocks without a file: to be fetched from another node and [`BlockStore::put`]. None as long as no disk
    /// takes any.
    pub missing: Vec<BlockHash>,
    /// More entries are due already.
    pub more: bool,
}

/// A block that could not be made good so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockFault {
    /// The block.
    pub hash: BlockHash,
    /// How often it was looked for.
    pub failures: u32,
    /// When it was first found missing.
    pub since: Option<WallTime>,
    /// When it was found missing last.
    pub last_try: Option<WallTime>,
    /// When it is looked for next.
    pub next_try: WallTime,
}

/// All due entries of one block.
#[derive(Default)]
struct Due {
    keys: Vec<Vec<u8>>,
    entry: ResyncEntry,
}

impl Due {
    fn add(&mut self, key: &[u8], entry: ResyncEntry) {
        self.keys.push(key.to_vec());
        let is_doubted = self.entry.is_doubted || entry.is_doubted;
        if entry.failures > self.entry.failures {
            self.entry = entry;
        }
        self.entry.is_doubted = is_doubted;
    }
}

/// How long a file without references stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grace {
    Ms(u64),
    /// Its end is not known.
    Lasts,
}

/// What is to be done about a block, by its row.
enum Verdict {
    Check,
    Remove,
    NotYet(WallTime),
}

/// What came of it.
enum Outcome {
    /// Nothing is left to do.
    Settled,
    Removed,
    NotYet(WallTime),
    Missing,
    /// A disk or record could not be read: nothing is known.
    Unknown,
}

impl BlockStore {
    /// Looks at blocks that are due at `now`, a bounded number of them.
    pub async fn run_due(&self, now: WallTime) -> Result<Progress, BlockError> {
        self.queue_suspects(now).await?;
        self.read_lacking().await?;
        let grace = self.grace().await;
        let (due, more) = self.due_entries(now, grace)?;
        let mut locks = Vec::new();
        let mut verdicts = Vec::new();
        for (hash, due) in due {
            let Some(lock) = self.shared.locks.try_lock(hash) else { continue };
            locks.push(lock);
            verdicts.push((hash, due, self.judge(&hash, now, grace)));
        }
        let mut progress = Progress { examined: verdicts.len(), ..Progress::default() };
        progress.more = more && progress.examined > 0;
        if verdicts.is_empty() {
            return Ok(progress);
        }
        let shared = Arc::clone(&self.shared);
        let work = move || (shared.carry_out(verdicts), locks);
        let ((mut outcomes, freed_bytes), locks) = self.shared.env.tasks.blocking(work).await;
        progress.freed_bytes = freed_bytes;
        self.join_waiting(&mut outcomes)?;
        for (hash, _, outcome) in &outcomes {
            match outcome {
                Outcome::Missing => {
                    self.shared.lacking.note_missing(*hash);
                    // Whoever has no room for it does not fetch it.
                    progress.missing.extend(self.takes_blocks().then_some(*hash));
                }
                Outcome::Unknown => {}
                Outcome::Removed | Outcome::Settled | Outcome::NotYet(_) => {
                    progress.removed += usize::from(matches!(outcome, Outcome::Removed));
                    self.shared.lacking.note_settled(hash);
                }
            }
        }
        self.record(outcomes, locks, now).await?;
        Ok(progress)
    }

    /// The blocks that could not be made good so far, at most `limit` of them.
    pub fn faults(&self, limit: usize) -> Result<Vec<BlockFault>, StoreError> {
        let fault = |(next_try, hash, entry): (WallTime, BlockHash, ResyncEntry)| BlockFault {
            hash,
            failures: entry.failures,
            since: entry.first_failure,
            last_try: entry.last_failure,
            next_try,
        };
        Ok(self.faulty(limit)?.into_iter().map(fault).collect())
    }

    /// The same as they are stored, each with its time.
    fn faulty(&self, limit: usize) -> Result<Vec<(WallTime, BlockHash, ResyncEntry)>, StoreError> {
        let mut faulty = Vec::new();
        let view = self.shared.store.view()?;
        view.walk::<ResyncEntry>(Space::Resync, &[], None, &mut |key, entry| {
            if faulty.len() == limit {
                return Step::Stop;
            }
            if let Some((next_try, hash)) = parse_resync_key(key).filter(|_| entry.failures > 0) {
                faulty.push((next_try, hash, entry));
            }
            Step::Next
        })?;
        Ok(faulty)
    }

    /// Makes faulty blocks due at `now`: these, or all. Returns how many there were.
    pub async fn retry_now(
        &self,
        only: Option<&BTreeSet<BlockHash>>,
        now: WallTime,
    ) -> Result<usize, StoreError> {
        let mut faults = self.faulty(usize::MAX)?;
        faults.retain(|(next_try, hash, _)| only.is_none_or(|only| only.contains(hash)) && *next_try > now);
        for batch in faults.chunks(RETRY_BATCH_ENTRIES) {
            let batch = batch.to_vec();
            let work = move |txn: &mut Txn<'_>| {
                for (next_try, hash, entry) in &batch {
                    txn.delete(Space::Resync, resync_key(*next_try, hash));
                    txn.put(Space::Resync, resync_key(now, hash), entry);
                }
                Ok::<(), StoreError>(())
            };
            self.shared.store.commit(Intent::Free, work).await?;
        }
        Ok(faults.len())
    }

    /// The entries of these blocks that wait for their next try, of the first [`WAITING_MAX_ENTRIES`] in the queue.
    fn waiting(&self, hashes: &BTreeSet<BlockHash>) -> Result<BTreeMap<BlockHash, Due>, StoreError> {
        let mut waiting: BTreeMap<BlockHash, Due> = BTreeMap::new();
        if hashes.is_empty() {
            return Ok(waiting);
        }
        let (view, mut left) = (self.shared.store.view()?, WAITING_MAX_ENTRIES);
        view.scan(Space::Resync, Bound::Unbounded, Bound::Unbounded, &mut |key, bytes| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            let hash = parse_resync_key(key).map(|(_, hash)| hash).filter(|hash| hashes.contains(hash));
            if let Some(hash) = hash {
                let entry = store::decode::<ResyncEntry>(Space::Resync, key, bytes).unwrap_or_default();
                if entry.failures > 0 {
                    waiting.entry(hash).or_default().add(key, entry);
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(waiting)
    }

    /// A block that was looked for before its next try has one entry afterwards, not two.
    fn join_waiting(&self, outcomes: &mut [(BlockHash, Due, Outcome)]) -> Result<(), StoreError> {
        let is_wanted = |outcome: &Outcome| matches!(outcome, Outcome::Missing | Outcome::Unknown);
        let wanted = outcomes.iter().filter(|(_, _, outcome)| is_wanted(outcome)).map(|(hash, ..)| *hash);
        let mut waiting = self.waiting(&wanted.collect())?;
        for (hash, due, _) in outcomes {
            let Due { keys, entry } = waiting.remove(hash).unwrap_or_default();
            keys.iter().for_each(|key| due.add(key, entry.clone()));
        }
        Ok(())
    }

    /// Queues the blocks that readers and cancelled requests left behind, but for those that wait for their next try:
    /// where a block is lost everywhere, homes that ask each other for it would have each other look for it for ever.
    async fn queue_suspects(&self, now: WallTime) -> Result<(), StoreError> {
        let mut suspects = self.shared.locks.take_suspects();
        let waiting = self.waiting(&suspects)?;
        suspects.retain(|hash| !waiting.contains_key(hash));
        if suspects.is_empty() {
            return Ok(());
        }
        let again = suspects.clone();
        let work = move |txn: &mut Txn<'_>| {
            for hash in &suspects {
                let row = txn.get::<RefCount>(Space::RefCount, &count_key(hash));
                // Without references there is at most a file to remove, and a late request may
                // still want it.
                let referenced = row.is_ok_and(|row| row.is_some_and(|row| row.count > 0));
                queue_doubted(txn, if referenced { now } else { grace_end(now) }, hash);
            }
            Ok::<(), StoreError>(())
        };
        let queued = self.shared.store.commit(Intent::Free, work).await;
        if queued.is_err() {
            again.into_iter().for_each(|hash| self.shared.locks.suspect(hash));
        }
        queued
    }

    /// How long an unreferenced file stays as things are. Where its references may come back it stays until they have; on a
    /// full disk, which could not take what else is to come, only as long as usual.
    async fn grace(&self) -> Grace {
        let shared = Arc::clone(&self.shared);
        let is_full = move || shared.folders.iter().any(|folder| folder.is_writable() && folder.is_full());
        let is_full = self.shared.env.tasks.blocking(is_full).await;
        let keeps_files = self.shared.keeps_files.get().is_some_and(|keeps| keeps());
        match (keeps_files, is_full) {
            (true, false) => Grace::Lasts,
            (false, true) => Grace::Ms(GRACE_WHEN_FULL_MS),
            _ => Grace::Ms(GRACE_MS),
        }
    }

    /// The first entries that are due, by block, and whether there are more. A grace that is
    /// shorter than the usual one makes entries due before their time, but for those of missing
    /// blocks, whose time is that of the next try.
    fn due_entries(
        &self,
        now: WallTime,
        grace: Grace,
    ) -> Result<(BTreeMap<BlockHash, Due>, bool), StoreError> {
        let ahead_ms = match grace {
            Grace::Ms(grace_ms) => GRACE_MS.saturating_sub(grace_ms),
            Grace::Lasts => 0,
        };
        let last = WallTime(now.millis().saturating_add(ahead_ms).saturating_add(1));
        let end = resync_key(last, &BlockHash::from_bytes([0; 32]));
        let mut due: BTreeMap<BlockHash, Due> = BTreeMap::new();
        let mut entries = 0;
        let view = self.shared.store.view()?;
        view.scan(Space::Resync, Bound::Unbounded, Bound::Excluded(&end), &mut |key, bytes| {
            if entries == STEP_MAX_ENTRIES {
                return ControlFlow::Break(());
            }
            // A damaged entry still says which block it is about, and that is enough.
            let entry = store::decode::<ResyncEntry>(Space::Resync, key, bytes).unwrap_or_default();
            let place = parse_resync_key(key);
            if entry.failures > 0 && place.is_some_and(|(next_try, _)| next_try > now) {
                return ControlFlow::Continue(());
            }
            entries += 1;
            if let Some((_, hash)) = place {
                due.entry(hash).or_default().add(key, entry);
            }
            ControlFlow::Continue(())
        })?;
        Ok((due, entries == STEP_MAX_ENTRIES))
    }

    /// Decides by the row as it is under the lock.
    fn judge(&self, hash: &BlockHash, now: WallTime, grace: Grace) -> Result<Verdict, StoreError> {
        let row = self.shared.store.view()?.get::<RefCount>(Space::RefCount, &count_key(hash))?;
        Ok(match (row, grace) {
            (Some(row), _) if row.count > 0 => Verdict::Check,
            (_, Grace::Lasts) => Verdict::NotYet(grace_end(now)),
            (Some(RefCount { zero_since: Some(since), .. }), Grace::Ms(grace_ms))
                if since.millis().saturating_add(grace_ms) > now.millis() =>
            {
                Verdict::NotYet(grace_end(since))
            }
            _ => Verdict::Remove,
        })
    }

    /// Writes down what came of a step, while the locks are still held.
    async fn record(
        &self,
        outcomes: Vec<(BlockHash, Due, Outcome)>,
        locks: Vec<BlockLock>,
        now: WallTime,
    ) -> Result<(), StoreError> {
        let work = move |txn: &mut Txn<'_>| {
            for (hash, due, outcome) in outcomes {
                for key in due.keys {
                    txn.delete(Space::Resync, key);
                }
                match outcome {
                    Outcome::Settled => {}
                    Outcome::Removed => forget_row(txn, &hash)?,
                    Outcome::NotYet(due) => queue(txn, due, &hash),
                    Outcome::Missing | Outcome::Unknown => {
                        let failures = due.entry.failures.saturating_add(1);
                        let first_failure = due.entry.first_failure.or(Some(now));
                        let entry =
                            ResyncEntry { failures, first_failure, last_failure: Some(now), ..due.entry };
                        txn.put(Space::Resync, resync_key(next_try(now, failures), &hash), &entry);
                    }
                }
            }
            txn.after_commit(move || drop(locks));
            Ok::<(), StoreError>(())
        };
        self.shared.store.commit(Intent::Free, work).await
    }
}

/// Deletes the row of a block whose file is gone.
fn forget_row(txn: &mut Txn<'_>, hash: &BlockHash) -> Result<(), StoreError> {
    let key = count_key(hash);
    let row = txn.get::<RefCount>(Space::RefCount, &key)?;
    match &row {
        // A reference that came without the lock has queued a check of its own.
        Some(row) if row.count > 0 => {}
        Some(_) => {
            change_totals(txn, row.as_ref(), None)?;
            txn.delete(Space::RefCount, key);
        }
        None => {}
    }
    Ok(())
}

fn next_try(now: WallTime, failures: u32) -> WallTime {
    let factor = 1u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
    let delay_ms = RETRY_MIN_MS.saturating_mul(factor).min(RETRY_MAX_MS);
    WallTime(now.millis().saturating_add(delay_ms))
}

impl Shared {
    /// Looks for the files of referenced blocks and unlinks those of unreferenced ones. Only
    /// under the blocks' locks. Returns the outcomes and the bytes freed.
    fn carry_out(
        &self,
        verdicts: Vec<(BlockHash, Due, Result<Verdict, StoreError>)>,
    ) -> (Vec<(BlockHash, Due, Outcome)>, u64) {
        let mut outcomes = Vec::new();
        let mut changed = BTreeSet::new();
        let mut freed_bytes = 0;
        for (hash, due, verdict) in verdicts {
            let outcome = match verdict {
                Ok(Verdict::Check) => self.check(&hash, due.entry.proof()),
                Ok(Verdict::NotYet(due)) => Outcome::NotYet(due),
                Ok(Verdict::Remove) => match self.unlink(&hash, &mut changed) {
                    Ok(bytes) => {
                        freed_bytes += bytes;
                        Outcome::Removed
                    }
                    Err(_) => Outcome::Unknown,
                },
                Err(error) => {
                    if let StoreError::Unreadable { key, .. } = &error {
                        self.uncounted.note_key(key);
                    }
                    tracing::warn!(%hash, %error, "a block cannot be judged");
                    Outcome::Unknown
                }
            };
            outcomes.push((hash, due, outcome));
        }
        let mut durable = true;
        for (index, folder) in changed {
            durable &= self.folders[index].sync(&folder).is_ok();
        }
        if !durable {
            for (_, _, outcome) in &mut outcomes {
                if matches!(outcome, Outcome::Removed) {
                    *outcome = Outcome::Unknown;
                }
            }
        }
        (outcomes, freed_bytes)
    }

    fn check(&self, hash: &BlockHash, proof: Proof) -> Outcome {
        let mut unknown = self.absent_unrecorded().is_some();
        for folder in self.folders_for(hash) {
            match self.has_file_in(folder, hash, proof) {
                Ok(true) => return Outcome::Settled,
                Ok(false) => {}
                Err(error) => {
                    self.note_disk_error(folder, &error);
                    unknown = true;
                }
            }
        }
        if self.look_again(hash).is_some() {
            return Outcome::Settled;
        }
        if unknown {
            return Outcome::Unknown;
        }
        self.counters.missing.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%hash, "a referenced block is missing here");
        Outcome::Missing
    }

    /// Removes all files of a block and notes the folders to be synced.
    fn unlink(&self, hash: &BlockHash, changed: &mut BTreeSet<(usize, PathBuf)>) -> Result<u64, BlockError> {
        if let Some(absent) = self.absent_unrecorded() {
            return Err(absent);
        }
        let mut freed_bytes = 0;
        // What a disk that is gone still has of it is an orphan when it is back, for scrub.
        let is_changed = |folder: &DataFolder| !folder.read_only && !folder.contact.is_lost();
        for (index, folder) in self.folders.iter().enumerate().filter(|(_, folder)| is_changed(folder)) {
            freed_bytes += self.unlink_in(folder, hash)?;
            if folder.has_folder_of(hash) {
                changed.insert((index, folder.folder_of(hash)));
            }
        }
        Ok(freed_bytes)
    }

    fn unlink_in(&self, folder: &DataFolder, hash: &BlockHash) -> Result<u64, BlockError> {
        let removed = if folder.has_failed() {
            Err(std::io::Error::other("an earlier flush failed"))
        } else {
            folder.remove(hash)
        };
        removed.map_err(|source| {
            self.note_disk_error(folder, &source);
            BlockError::DiskFailed { path: folder.path.clone(), source }
        })
    }
}
