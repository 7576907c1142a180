//! What a lock forbids (doc/decisions/0008): removing a version, and weakening its lock.
//!
//! Both are judged in the ballot, or the transaction, that would do it, on the entry that was read in it: a check
//! before proves nothing, since a lock may be set meanwhile (`doc/models/versions.rs`, rule "judge-inside").
//!
//! Time: whether a retention is over is judged by the *earliest* clock that has a part in the decision, since one that
//! is ahead must not end it: the coordinator's and those of the replicas that promised. When a retention begins is
//! judged by the *latest*, the stamp of the version.

use crate::rows::bucket::BucketRow;
use crate::rows::lock::{DefaultRetention, Lock, Retention, RetentionMode};
use crate::rows::object::{Object, Slot};
use crate::{Model, ModelError};
use base::{Stamp, WallTime};
use std::time::Duration;

/// How far the wall clock of a node may be set ahead while it runs and be believed before the node starts again.
const JUMP_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether whoever asks may do what a retention in governance mode forbids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bypass {
    /// No.
    #[default]
    Nothing,
    /// Yes; a retention in compliance mode and a legal hold stand all the same.
    Governance,
}

/// Whether a version with this lock must stay.
pub fn protects(lock: Option<Lock>, now: WallTime, bypass: Bypass) -> bool {
    let Some(Lock { retention, legal_hold }) = lock else { return false };
    legal_hold == Some(true) || retention.is_some_and(|retention| stands(retention, now, bypass))
}

/// Whether a retention still forbids anything to whoever asks.
fn stands(retention: Retention, now: WallTime, bypass: Bypass) -> bool {
    let is_over = now >= retention.until;
    let is_bypassed = retention.mode == RetentionMode::Governance && bypass == Bypass::Governance;
    !is_over && !is_bypassed
}

/// Refuses to remove an entry that is locked.
pub(crate) fn check_removal(slot: &Slot, now: WallTime, bypass: Bypass) -> Result<(), ModelError> {
    match slot.live().is_some_and(|object| protects(object.rare.lock, now, bypass)) {
        true => Err(ModelError::Locked),
        false => Ok(()),
    }
}

/// The lock with another retention, or without one, unless the present one forbids that: it may always be extended.
pub(crate) fn with_retention(
    lock: Option<Lock>,
    wanted: Option<Retention>,
    (now, bypass): (WallTime, Bypass),
) -> Result<Option<Lock>, ModelError> {
    let lock = lock.unwrap_or_default();
    let extends = |old: Retention| wanted.is_some_and(|new| new.mode == old.mode && new.until >= old.until);
    match lock.retention {
        Some(old) if stands(old, now, bypass) && !extends(old) => Err(ModelError::Locked),
        _ => Ok(Lock { retention: wanted, ..lock }.stored()),
    }
}

/// Gives a new version what its bucket gives all that bring no retention of their own.
pub(crate) fn retain_by_default(slot: &mut Slot, default: Option<DefaultRetention>, made: Stamp) {
    let (Slot::Live(object), Some(default)) = (slot, default) else { return };
    let mut lock = object.rare.lock.unwrap_or_default();
    lock.retention.get_or_insert(default.from(made.wall()));
    object.rare.lock = Some(lock);
}

/// What a bucket gives a new version. One that brings a lock needs a bucket that has locks.
pub(crate) fn default_for(
    bucket: &BucketRow,
    object: &Object,
) -> Result<Option<DefaultRetention>, ModelError> {
    match bucket.object_lock()? {
        Some(lock) => Ok(lock.default),
        None if object.rare.lock.is_some() => Err(ModelError::NoObjectLock),
        None => Ok(None),
    }
}

impl Model {
    /// Whether an object must stay now, by the clock of this node: whoever deletes without being told to, as rules of
    /// a bucket do, asks this to spare the attempt. What decides is the deletion itself.
    pub fn is_locked(&self, object: &Object) -> bool {
        protects(object.rare.lock, self.retention_clock(), Bypass::Nothing)
    }

    /// The time by which retentions are judged on this node: its wall clock, but no more than a day ahead of what
    /// passed since the node started.
    pub(crate) fn retention_clock(&self) -> WallTime {
        let (wall, mono) = self.started;
        let elapsed = self.env.clock.mono().saturating_sub(mono).saturating_add(JUMP_MAX);
        let latest = wall.millis().saturating_add(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        self.env.clock.wall().min(WallTime(latest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime(1000);
    const GOVERNANCE: RetentionMode = RetentionMode::Governance;
    const COMPLIANCE: RetentionMode = RetentionMode::Compliance;

    fn until(mode: RetentionMode, until: u64) -> Option<Retention> {
        Some(Retention { mode, until: WallTime(until) })
    }

    #[test]
    fn what_a_lock_protects() {
        let lock = |retention, legal_hold| Some(Lock { retention, legal_hold });
        // Lock; whether it protects, and whether it does from who may bypass governance.
        let cases = [
            (None, false, false),
            (lock(None, None), false, false),
            (lock(None, Some(false)), false, false),
            (lock(None, Some(true)), true, true),
            (lock(until(GOVERNANCE, 1001), None), true, false),
            (lock(until(GOVERNANCE, 1000), None), false, false),
            (lock(until(GOVERNANCE, 1001), Some(true)), true, true),
            (lock(until(COMPLIANCE, 1001), None), true, true),
            (lock(until(COMPLIANCE, 1000), None), false, false),
            (lock(until(COMPLIANCE, 1000), Some(true)), true, true),
        ];
        for (lock, protected, from_all) in cases {
            assert_eq!(protects(lock, NOW, Bypass::Nothing), protected, "{lock:?}");
            assert_eq!(protects(lock, NOW, Bypass::Governance), from_all, "{lock:?}");
        }
    }

    #[test]
    fn a_retention_is_extended_or_over_before_it_changes() {
        // Old, new; whether everybody may, and who may bypass governance.
        let cases = [
            (None, until(GOVERNANCE, 1), true, true),
            (until(GOVERNANCE, 1001), until(GOVERNANCE, 1001), true, true),
            (until(GOVERNANCE, 1001), until(GOVERNANCE, 1002), true, true),
            (until(GOVERNANCE, 1002), until(GOVERNANCE, 1001), false, true),
            (until(GOVERNANCE, 1002), until(COMPLIANCE, 2000), false, true),
            (until(GOVERNANCE, 1002), None, false, true),
            (until(COMPLIANCE, 1001), until(COMPLIANCE, 1002), true, true),
            (until(COMPLIANCE, 1002), until(COMPLIANCE, 1001), false, false),
            (until(COMPLIANCE, 1002), until(GOVERNANCE, 2000), false, false),
            (until(COMPLIANCE, 1002), None, false, false),
            (until(COMPLIANCE, 1000), None, true, true),
            (until(GOVERNANCE, 1000), until(COMPLIANCE, 2000), true, true),
        ];
        for (old, new, anybody, bypassing) in cases {
            let lock = Lock { retention: old, legal_hold: Some(true) };
            for (bypass, may) in [(Bypass::Nothing, anybody), (Bypass::Governance, bypassing)] {
                let changed = with_retention(Some(lock), new, (NOW, bypass));
                match may {
                    true => assert_eq!(changed.unwrap(), Some(Lock { retention: new, ..lock })),
                    false => assert!(matches!(changed, Err(ModelError::Locked)), "{old:?} {new:?}"),
                }
            }
        }
    }
}
