//! Which rows are known to be damaged, until each is whole again. In memory: whoever meets one notes it again.

use env::{Changes, Watcher};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::Space;

/// Rows that are remembered; others are when they are met again.
const DAMAGED_MAX: usize = 10_000;
/// The tables whose rows other replicas have, and the bytes beside them.
const MENDED: [Space; 7] =
    [Space::Object, Space::Past, Space::Version, Space::BlockRef, Space::Upload, Space::Part, Space::Inline];

/// The damaged rows of a running node.
#[derive(Default)]
pub(crate) struct DamagedRows {
    rows: Mutex<Rows>,
    noted: Changes,
}

#[derive(Default)]
struct Rows {
    left: BTreeSet<(Space, Vec<u8>)>,
    mended: u64,
}

impl DamagedRows {
    fn open(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of one.
    pub fn note(&self, space: Space, row_key: &[u8]) {
        let mut rows = self.open();
        let row = (space, row_key.to_vec());
        if !MENDED.contains(&space) || rows.left.len() >= DAMAGED_MAX || !rows.left.insert(row) {
            return;
        }
        drop(rows);
        tracing::error!(
            table = space.name(),
            "a row is damaged here; it is taken from the other nodes again"
        );
        self.noted.note();
    }

    /// One is whole again.
    pub fn set_mended(&self, space: Space, row_key: &[u8]) {
        let mut rows = self.open();
        rows.left.remove(&(space, row_key.to_vec()));
        rows.mended += 1;
    }

    /// Those that are not whole yet.
    pub fn left(&self) -> Vec<(Space, Vec<u8>)> {
        self.open().left.iter().cloned().collect()
    }

    /// How many are not whole yet, and how many became so.
    pub fn figures(&self) -> (u64, u64) {
        let rows = self.open();
        (u64::try_from(rows.left.len()).unwrap_or(u64::MAX), rows.mended)
    }

    /// Tells when one is noted.
    pub fn watch(&self) -> Watcher {
        self.noted.watch()
    }
}
