//! Figures for the operator.

use crate::record::{ResyncEntry, TOTALS_KEY, Totals};
use crate::{BlockStore, DataFolder};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use store::{Read, Space, Step, StoreError};

/// The queue is counted up to here; a longer one takes too long to count for a status page.
const QUEUE_COUNT_MAX: u64 = 100_000;

/// The block store in figures. Those marked so count from the start of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Blocks with a row: referenced, or in their grace time.
    pub blocks: u64,
    /// Bytes their files take (blocks referenced before their file came are not in it).
    pub stored_bytes: u64,
    /// Blocks waiting to be looked at, counted up to 100 000.
    pub resync_queue: u64,
    /// How many of those are faulty.
    pub resync_faults: u64,
    /// Damaged files found since the start.
    pub damaged: u64,
    /// Times a block was asked for or referenced and not here, since the start.
    pub missing: u64,
    /// Operations that a disk refused since the start.
    pub disk_errors: u64,
    /// Bytes of files read for requests since the start.
    pub read_bytes: u64,
    /// Bytes of files written since the start.
    pub written_bytes: u64,
    /// Hashes locked or waited for now.
    pub locks_in_use: usize,
    /// Each data folder.
    pub disks: Vec<DiskStatistics>,
}

/// One data folder in figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskStatistics {
    /// The folder.
    pub path: PathBuf,
    /// Room on its file system; `None` when it cannot be read.
    pub space: Option<env::Space>,
    /// Whether the disk is there and takes what it should take.
    pub state: DiskState,
}

/// What can be done with a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskState {
    /// Reads and writes.
    Ready,
    /// Reads and deletes; no room is left beyond the reserve for blocks.
    Full,
    /// Reads only, as configured.
    ReadOnly,
    /// A flush failed: reads only until a restart.
    Failed,
    /// The disk is gone: nothing is written to it, and nothing on it counts as here.
    Absent,
}

impl BlockStore {
    /// Bytes that all files take, without a look at any.
    pub fn stored_bytes(&self) -> Result<u64, StoreError> {
        let totals = self.shared.store.view()?.get::<Totals>(Space::Meta, TOTALS_KEY)?;
        Ok(totals.unwrap_or_default().stored_bytes)
    }

    /// Room on all disks that are there. Reads the disks.
    pub fn room(&self) -> Option<env::Space> {
        let there = self.shared.folders.iter().filter(|folder| folder.check_present().is_ok());
        env::Space::together(there.filter_map(|folder| folder.space().ok()))
    }

    /// The current figures. Reads the disks, so call it through blocking work.
    pub fn statistics(&self) -> Result<Statistics, StoreError> {
        let shared = &self.shared;
        let view = shared.store.view()?;
        let totals = view.get::<Totals>(Space::Meta, TOTALS_KEY)?.unwrap_or_default();
        let (mut resync_queue, mut resync_faults) = (0, 0);
        view.walk::<ResyncEntry>(Space::Resync, &[], None, &mut |_, entry| {
            resync_queue += 1;
            resync_faults += u64::from(entry.failures > 0);
            if resync_queue < QUEUE_COUNT_MAX { Step::Next } else { Step::Stop }
        })?;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(Statistics {
            blocks: totals.blocks,
            stored_bytes: totals.stored_bytes,
            resync_queue,
            resync_faults,
            damaged: count(&shared.counters.damaged),
            missing: count(&shared.counters.missing),
            disk_errors: count(&shared.counters.disk_errors),
            read_bytes: count(&shared.counters.read_bytes),
            written_bytes: count(&shared.counters.written_bytes),
            locks_in_use: shared.locks.in_use(),
            disks: shared
                .folders
                .iter()
                .map(disk_statistics)
                .chain(shared.away.iter().map(|path| disk_away(path)))
                .collect(),
        })
    }
}

fn disk_away(path: &Path) -> DiskStatistics {
    DiskStatistics { path: path.to_owned(), space: None, state: DiskState::Absent }
}

fn disk_statistics(folder: &DataFolder) -> DiskStatistics {
    let space = folder.check_present().ok().and_then(|()| folder.space().ok());
    let state = match folder.check_present() {
        Err(_) => DiskState::Absent,
        Ok(()) if folder.has_failed() => DiskState::Failed,
        Ok(()) if folder.read_only => DiskState::ReadOnly,
        Ok(()) if folder.is_full() => DiskState::Full,
        Ok(()) => DiskState::Ready,
    };
    DiskStatistics { path: folder.path.clone(), space, state }
}
