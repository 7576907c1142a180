//! How far the stores of other nodes had come, as they told (rule M1 of `doc/decisions/0003`).
//!
//! A node that comes back with its clock's mark below one that somebody remembers was put back to an old copy. What is
//! remembered is a lower bound: too little of it may leave a copy unnoticed, and never calls a store old that is not.
//!
//! What always holds: a mark that is noted is in memory at once, and on the disk with the next batch that is flushed
//! anyway. So a node that writes nothing stores nothing, and what a restart forgets is what was noted since its last
//! commit; `Store::keep_marks`, which the model calls every few seconds, ends that too.

use crate::StoreError;
use crate::envelope::Record;
use crate::space::Space;
use crate::view::{Read, View};
use base::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where they lie in the keyspace `meta`.
pub const MARKS_KEY: &[u8] = b"marks";

/// The highest mark that each other node told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// By node.
    pub of: BTreeMap<NodeId, u64>,
}

impl Record for Marks {
    const KIND: u8 = 2;
    const VERSION: u8 = 1;
}

/// The marks in memory, and which of them the disk has.
pub(crate) struct HeardMarks(Mutex<State>);

struct State {
    heard: Marks,
    /// What the last batch that was flushed left on the disk.
    stored: Marks,
    /// Whether they are stored without waiting for another batch.
    are_wanted: bool,
}

impl HeardMarks {
    /// What the disk has. Who cannot read it begins with nothing: a lower bound, too.
    pub fn open(view: &View) -> Result<Self, StoreError> {
        let stored = match view.get::<Marks>(Space::Meta, MARKS_KEY) {
            Err(error @ StoreError::Unreadable { .. }) => {
                tracing::warn!(%error, "how far other nodes' stores had come is forgotten");
                Marks::default()
            }
            read => read?.unwrap_or_default(),
        };
        Ok(Self(Mutex::new(State { heard: stored.clone(), stored, are_wanted: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a mark; a lower one than before changes nothing, and 0 is none.
    pub fn note(&self, node: NodeId, mark: u64) {
        if mark > 0 {
            let mut state = self.state();
            let known = state.heard.of.entry(node).or_default();
            *known = mark.max(*known);
        }
    }

    /// All of them.
    pub fn heard(&self) -> Marks {
        self.state().heard.clone()
    }

    /// Asks for them to be stored in the next batch, also if it writes nothing else; false if the disk has them all.
    pub fn want(&self) -> bool {
        let mut state = self.state();
        state.are_wanted = state.heard != state.stored;
        state.are_wanted
    }

    /// Whether a batch that writes nothing else must store them.
    pub fn are_wanted(&self) -> bool {
        self.state().are_wanted
    }

    /// What to write; none if the disk has all of it.
    pub fn unstored(&self) -> Option<Marks> {
        let state = self.state();
        (state.heard != state.stored).then(|| state.heard.clone())
    }

    /// They are on the disk.
    pub fn are_stored(&self, stored: Marks) {
        let mut state = self.state();
        (state.stored, state.are_wanted) = (stored, false);
    }
}
