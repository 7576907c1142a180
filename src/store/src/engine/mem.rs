//! The engine in memory: for tests, and for simulations in which the engine is not the subject.
//!
//! It follows the same rules as the real ones: a snapshot stays as it is, and a commit that the
//! simulated disk interrupts was either durable or not, as the seed decides. What is durable
//! stays in the [`MemPlatter`], which outlives the engine as a disk outlives a process.

use super::{Batch, Engine, EngineError, Row, Snapshot, Visit};
use crate::space::Space;
use bytes::Bytes;
use env::sim::SimDisk;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A row's changes, oldest first, each with the number of its commit.
type Changes = Vec<(u64, Option<Bytes>)>;

/// Rows a scan copies at a time, so that `visit` runs without the lock.
const SCAN_PAGE_ROWS: usize = 64;

/// What survives a restart.
#[derive(Default)]
pub struct MemPlatter {
    rows: RwLock<Rows>,
    /// Commits that open snapshots show, and how many snapshots show each.
    readers: Mutex<BTreeMap<u64, usize>>,
}

#[derive(Clone, Default)]
struct Rows {
    last_commit: u64,
    /// Rows with changes that no reader may need any more.
    stale: BTreeSet<(Space, Vec<u8>)>,
    /// The oldest commit some reader saw when the stale rows were last looked at.
    cleaned_to: u64,
    changes: BTreeMap<(Space, Vec<u8>), Changes>,
}

/// Rows in memory behind the engine trait.
pub struct MemEngine {
    platter: Arc<MemPlatter>,
    disk: Option<SimDisk>,
}

impl MemEngine {
    /// An engine over what `platter` holds. With a disk, its faults and crashes apply.
    pub fn open(platter: &Arc<MemPlatter>, disk: Option<SimDisk>) -> Self {
        Self { platter: Arc::clone(platter), disk }
    }

    /// An empty engine that never fails.
    pub fn empty() -> Self {
        Self::open(&Arc::default(), None)
    }
}

impl MemPlatter {
    /// What is stored now, as a backup takes it.
    pub fn copy(&self) -> Self {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner).clone();
        Self { rows: RwLock::new(rows), readers: Mutex::default() }
    }

    /// Puts a copy back in the place of all that is stored. No engine is open over either.
    pub fn restore(&self, copy: &Self) {
        let rows = copy.rows.read().unwrap_or_else(PoisonError::into_inner).clone();
        *self.rows.write().unwrap_or_else(PoisonError::into_inner) = rows;
    }

    /// The rows of a keyspace as they are stored now.
    pub fn rows(&self, space: Space) -> Vec<Row> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let of_space =
            rows.changes.range((space, Vec::new())..).take_while(|((other, _), _)| *other == space);
        let latest = |changes: &Changes| changes.last().and_then(|(_, value)| value.clone());
        of_space.filter_map(|((_, key), changes)| Some((key.clone(), latest(changes)?))).collect()
    }

    /// What is stored under a key now.
    pub fn row(&self, space: Space, key: &[u8]) -> Option<Bytes> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.changes.get(&(space, key.to_vec()))?.last()?.1.clone()
    }

    /// Damages a row at rest: flips a bit of what is stored under a key, for snapshots that are open too.
    pub fn flip_bit(&self, space: Space, key: &[u8], bit: usize) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let changes = rows.changes.get_mut(&(space, key.to_vec()));
        let Some((_, Some(value))) = changes.and_then(|changes| changes.last_mut()) else { return };
        let mut bytes = value.to_vec();
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        *value = bytes.into();
    }

    fn apply(&self, batch: &Batch) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = readers.keys().next().copied().unwrap_or(rows.last_commit);
        rows.clean(oldest);
        let number = rows.last_commit + 1;
        for (place, change) in batch {
            let history = rows.changes.entry(place.clone()).or_default();
            history.push((number, change.clone()));
            if history.len() > 1 || change.is_none() {
                rows.stale.insert(place.clone());
            }
        }
        rows.last_commit = number;
    }
}

impl Rows {
    /// Forgets what only readers before commit `oldest` could see.
    fn clean(&mut self, oldest: u64) {
        if oldest == self.cleaned_to {
            return;
        }
        self.cleaned_to = oldest;
        let changes = &mut self.changes;
        self.stale.retain(|place| {
            let Some(history) = changes.get_mut(place) else { return false };
            let shown = history.iter().rposition(|(commit, _)| *commit <= oldest);
            history.drain(..shown.unwrap_or(0));
            match history.as_slice() {
                [(commit, None)] if *commit <= oldest => {
                    changes.remove(place);
                    false
                }
                [(_, Some(_))] => false,
                _ => true,
            }
        });
    }
}

impl Engine for MemEngine {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, EngineError> {
        if let Some(disk) = &self.disk {
            disk.check_alive().map_err(|error| EngineError::Io(error.to_string()))?;
        }
        let rows = self.platter.rows.read().unwrap_or_else(PoisonError::into_inner);
        let mut readers = self.platter.readers.lock().unwrap_or_else(PoisonError::into_inner);
        *readers.entry(rows.last_commit).or_default() += 1;
        Ok(Arc::new(MemSnapshot { platter: Arc::clone(&self.platter), commit: rows.last_commit }))
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        if let Some(disk) = &self.disk {
            disk.commit_effect().map_err(|failure| {
                if failure.durable {
                    self.platter.apply(batch);
                }
                if failure.error.kind() == std::io::ErrorKind::StorageFull {
                    EngineError::Full(failure.error.to_string())
                } else {
                    EngineError::Io(failure.error.to_string())
                }
            })?;
        }
        self.platter.apply(batch);
        Ok(())
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        let rows = self.platter.rows.read().unwrap_or_else(PoisonError::into_inner);
        let latest =
            |changes: &Changes| changes.last().and_then(|(_, change)| change.as_ref().map(Bytes::len));
        let bytes =
            rows.changes.iter().map(|((_, key), changes)| latest(changes).map_or(0, |size| key.len() + size));
        Ok(bytes.sum::<usize>() as u64)
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

struct MemSnapshot {
    platter: Arc<MemPlatter>,
    commit: u64,
}

impl Drop for MemSnapshot {
    fn drop(&mut self) {
        let mut readers = self.platter.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = readers.get_mut(&self.commit) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.commit);
            }
        }
    }
}

impl MemSnapshot {
    fn visible<'a>(&self, changes: &'a Changes) -> Option<&'a Bytes> {
        changes.iter().rev().find(|(commit, _)| *commit <= self.commit)?.1.as_ref()
    }

    fn row(&self, space: Space, ((other, key), changes): (&(Space, Vec<u8>), &Changes)) -> Option<Row> {
        let value = self.visible(changes).filter(|_| *other == space)?;
        Some((key.clone(), value.clone()))
    }

    fn page(&self, space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Vec<(Vec<u8>, Bytes)> {
        let rows = self.platter.rows.read().unwrap_or_else(PoisonError::into_inner);
        let low = match from {
            Bound::Unbounded => Bound::Included((space, Vec::new())),
            other => other.map(|key| (space, key.to_vec())),
        };
        let inside = |key: &[u8]| match to {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        rows.changes
            .range((low, Bound::Unbounded))
            .take_while(|((other, key), _)| *other == space && inside(key))
            .filter_map(|((_, key), changes)| Some((key.clone(), self.visible(changes)?.clone())))
            .take(SCAN_PAGE_ROWS)
            .collect()
    }
}

impl Snapshot for MemSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let rows = self.platter.rows.read().unwrap_or_else(PoisonError::into_inner);
        let changes = rows.changes.get(&(space, key.to_vec()));
        Ok(changes.and_then(|changes| self.visible(changes)).cloned())
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
        let mut last: Option<Vec<u8>> = None;
        loop {
            let start = last.as_deref().map_or(from, Bound::Excluded);
            let page = self.page(space, start, to);
            for (key, value) in &page {
                if visit(key, value).is_break() {
                    return Ok(());
                }
            }
            match page.into_iter().next_back() {
                Some((key, _)) => last = Some(key),
                None => return Ok(()),
            }
        }
    }

    fn last(&self, space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Option<Row>, EngineError> {
        if super::is_empty_range(from, to) {
            return Ok(None);
        }
        let rows = self.platter.rows.read().unwrap_or_else(PoisonError::into_inner);
        let low = match from {
            Bound::Unbounded => Bound::Included((space, Vec::new())),
            other => other.map(|key| (space, key.to_vec())),
        };
        let last = match to {
            // A walk over the keyspaces behind this one: nobody who is in a hurry asks for that.
            Bound::Unbounded => {
                rows.changes.range((low, Bound::Unbounded)).rev().find_map(|row| self.row(space, row))
            }
            high => {
                let high = high.map(|key| (space, key.to_vec()));
                rows.changes.range((low, high)).rev().find_map(|row| self.row(space, row))
            }
        };
        Ok(last)
    }
}
