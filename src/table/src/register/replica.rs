//! One replica's part in the register of one key: the newest version it accepted, the ballot it
//! promised itself to, and a short memory of what it accepted before.
//!
//! All three are durable before an answer leaves, and a promise never ends by time (G11).

use super::Version;
use base::Stamp;
use serde::{Deserialize, Serialize};

/// How many accepted versions a replica remembers however old they are. Two passed the search; with
/// none at all a coordinator whose answer was lost cannot learn that its write was stored.
const HISTORY_MIN: usize = 2;
/// How many of the last minute it remembers: so many may overtake a plain write on its way before nobody
/// can say any more that it was never stored. Two, and all of what a short script writes, passed the search.
const HISTORY_MAX: usize = 16;
/// What is older than the newest by this is forgotten beyond [`HISTORY_MIN`], milliseconds: longer than a
/// write is on its way.
const HISTORY_MS: u64 = 60_000;

/// What a replica holds of one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Replica<V> {
    /// The newest version accepted.
    pub current: Option<Version<V>>,
    /// What it remembers beside it.
    pub memory: Memory,
}

/// What a replica remembers of past decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Memory {
    /// Nothing below this ballot is accepted any more.
    pub promise: Option<Stamp>,
    /// (order, id) of the versions accepted last, the newest order first; two, or those of the last minute.
    pub history: Vec<(Stamp, Stamp)>,
    /// Whether older ones were pushed out of `history`.
    pub forgot: bool,
}

/// What a replica did with a version sent to it (G1, G4, G7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stored {
    /// It is stored, or was once accepted under this very order and id.
    #[serde(rename = "y")]
    Yes,
    /// It holds a later one and never had this one, nor ever will.
    #[serde(rename = "d")]
    Dead {
        /// The order of what it holds.
        newest: Stamp,
    },
    /// It holds a later one and cannot tell whether it ever had this one.
    #[serde(rename = "u")]
    Unknown {
        /// The order of what it holds.
        newest: Stamp,
    },
    /// Only a promise is in the way: the version may still be chosen elsewhere.
    #[serde(rename = "b")]
    Blocked {
        /// The ballot promised.
        promise: Stamp,
    },
}

impl Stored {
    /// The stamp that stands against the version, and above which a new one must lie.
    pub(super) fn against(self) -> Option<Stamp> {
        match self {
            Stored::Yes => None,
            Stored::Dead { newest } | Stored::Unknown { newest } => Some(newest),
            Stored::Blocked { promise } => Some(promise),
        }
    }
}

impl<V> Default for Replica<V> {
    fn default() -> Self {
        Self { current: None, memory: Memory::default() }
    }
}

impl<V: Clone> Replica<V> {
    /// The order of what is held; below every stamp when there is nothing.
    pub fn newest(&self) -> Stamp {
        self.current.as_ref().map_or(Stamp::ZERO, |version| version.order)
    }

    /// G1, G4, G7, G10: a version that a write sends, a ballot puts forward, or a read or a repair
    /// copies here. One rule serves them all: it is stored if it is newer than what is held and not
    /// below the promise; holding a later one does not count as storing it.
    ///
    /// `floor` (L4, T4) stands for all that others promised, accepted and forgot before this replica took
    /// part: at or below it nothing is stored, and nothing is known.
    pub fn store(&mut self, version: &Version<V>, floor: Stamp) -> Stored {
        if self.memory.accepted(version) {
            return Stored::Yes;
        }
        let (newest, promise) = (self.newest(), self.memory.promise);
        if version.order <= floor {
            return Stored::Unknown { newest: newest.max(floor) };
        }
        let allowed = promise.is_none_or(|promise| version.order >= promise);
        if version.order > newest && allowed {
            self.memory.remember(version.order, version.id);
            self.current = Some(version.clone());
            return Stored::Yes;
        }
        if !self.memory.can_tell(version.order) || self.memory.knows_id(version.id) {
            return Stored::Unknown { newest };
        }
        match promise {
            Some(promise) if version.order > newest => Stored::Blocked { promise },
            _ => Stored::Dead { newest },
        }
    }

    /// L5: a version that is copied here on the way into the replica set, or when memory was lost. It is
    /// stored as in [`Replica::store`], whatever the floor: those who know more have it.
    pub fn copy(&mut self, version: &Version<V>) -> Stored {
        self.store(version, Stamp::ZERO)
    }

    /// G5: promises to accept nothing below `ballot` and says what is held. `Err` is the stamp that
    /// the next ballot must lie above. `floor` is that of [`Replica::store`].
    pub fn prepare(&mut self, ballot: Stamp, floor: Stamp) -> Result<Option<Version<V>>, Stamp> {
        let bound = self.newest().max(self.memory.promise.unwrap_or(Stamp::ZERO)).max(floor);
        // An equal promise is this ballot's own, asked for twice; an equal order is not.
        let is_promised = self.memory.promise.is_some_and(|promise| ballot < promise);
        if is_promised || ballot <= self.newest().max(floor) {
            return Err(bound);
        }
        self.memory.promise = Some(ballot);
        Ok(self.current.clone())
    }
}

impl Memory {
    fn accepted<V>(&self, version: &Version<V>) -> bool {
        self.history.contains(&(version.order, version.id))
    }

    /// Whether a version of this order, had it been accepted, would be remembered.
    fn can_tell(&self, order: Stamp) -> bool {
        !self.forgot || self.history.last().is_some_and(|(oldest, _)| order >= *oldest)
    }

    fn knows_id(&self, id: Stamp) -> bool {
        self.history.iter().any(|(_, known)| *known == id)
    }

    fn remember(&mut self, order: Stamp, id: Stamp) {
        // What is accepted is newer than all that was: it goes to the front.
        self.history.insert(0, (order, id));
        let is_recent = |old: Stamp| old.wall().millis().saturating_add(HISTORY_MS) > order.wall().millis();
        let recent = self.history.iter().take_while(|(old, _)| is_recent(*old)).count();
        let kept = recent.clamp(HISTORY_MIN, HISTORY_MAX);
        if self.history.len() > kept {
            self.history.truncate(kept);
            self.forgot = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(count: u64, apart_ms: u64) -> Memory {
        let mut memory = Memory::default();
        for number in 1..=count {
            let stamp = Stamp { time: (number * apart_ms) << Stamp::COUNTER_BITS, node: 2 };
            memory.remember(stamp, stamp);
        }
        memory
    }

    #[test]
    fn of_a_key_that_is_written_seldom_two_are_remembered() {
        let memory = written(9, HISTORY_MS);
        assert_eq!((memory.history.len(), memory.forgot), (HISTORY_MIN, true));
    }

    #[test]
    fn of_a_key_that_many_write_at_once_those_of_the_last_minute_are_remembered() {
        assert_eq!((written(9, 1).history.len(), written(9, 1).forgot), (9, false));
        let memory = written(100, 1);
        assert_eq!((memory.history.len(), memory.forgot), (HISTORY_MAX, true));
        assert!(!memory.can_tell(Stamp { time: 84 << Stamp::COUNTER_BITS, node: 2 }));
        assert!(memory.can_tell(Stamp { time: 85 << Stamp::COUNTER_BITS, node: 2 }));
    }
}
