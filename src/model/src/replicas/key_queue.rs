//! Ballots of this node about one key, one after the other.
//!
//! A ballot that begins has the replicas refuse what an earlier one sends. Of eight clients that write one key with versions
//! through one home most would take the promises from each other until they give up. Ballots of other nodes race all the same,
//! and the rules of the register need no turn: what always holds is that nobody waits for one for long.

use super::read::KeyPlace;
use crate::Model;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// The longest wait for a turn: a few dozen ballots on ordinary lines.
const WAIT_MAX: Duration = Duration::from_secs(10);

type Place = Arc<tokio::sync::Mutex<()>>;

/// The keys about which this node has ballots under way.
#[derive(Default)]
pub(crate) struct KeyQueues(Mutex<BTreeMap<KeyPlace, Place>>);

/// A ballot's turn, until it is dropped.
pub(super) struct Turn<'a> {
    queues: &'a KeyQueues,
    key: KeyPlace,
    place: Place,
    /// None: it waited long enough.
    held: Option<OwnedMutexGuard<()>>,
}

impl KeyQueues {
    fn open(&self) -> MutexGuard<'_, BTreeMap<KeyPlace, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// Waits until no other ballot of this node about a key is under way, or long enough.
    pub(super) async fn turn(&self, key: &KeyPlace) -> Turn<'_> {
        let queues = &self.key_queues;
        let place = Arc::clone(queues.open().entry(key.clone()).or_default());
        let mut turn = Turn { queues, key: key.clone(), place: Arc::clone(&place), held: None };
        turn.held = env::timeout(WAIT_MAX, place.lock_owned()).await;
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        let mut keys = self.queues.open();
        // Whoever waits has a hold of it too, which nobody gets but under this lock.
        if Arc::strong_count(&self.place) == 2 {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
impl Model {
    /// Keys about which ballots are under way.
    pub(crate) fn keys_in_turn(&self) -> usize {
        self.key_queues.open().len()
    }
}
