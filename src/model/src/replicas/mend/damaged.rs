//! Which rows are known to be damaged, until each is whole again. In memory: whoever meets one notes it again.

use super::super::names::NAME_SPACES;
use base::id::encode_hex;
use env::{Changes, Watcher};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::Space;

/// Rows that are remembered; others are when they are met again.
const DAMAGED_MAX: usize = 10_000;
/// Names that are told of.
const NAMES_TOLD_MAX: usize = 5;
/// The tables whose rows other replicas have, and the bytes beside them; those of names come to that.
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
        let is_name = NAME_SPACES.contains(&space);
        if !(is_name || MENDED.contains(&space)) || rows.left.len() >= DAMAGED_MAX || !rows.left.insert(row) {
            return;
        }
        drop(rows);
        let (table, what) = (space.name(), "it is taken from the other nodes again, if there are any");
        if is_name {
            let name = shown(row_key);
            tracing::error!(table, name, "a row is damaged here, and what it names is refused; {what}");
        } else {
            tracing::error!(table, "a row is damaged here; {what}");
        }
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

    /// What some of them name.
    pub fn names_left(&self) -> Vec<String> {
        let rows = self.open();
        let names = rows.left.iter().filter(|(space, _)| NAME_SPACES.contains(space));
        names.take(NAMES_TOLD_MAX).map(|(space, key)| format!("{} {}", space.name(), shown(key))).collect()
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

/// A name, or an id.
fn shown(row_key: &[u8]) -> String {
    match std::str::from_utf8(row_key) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => encode_hex(row_key),
    }
}
