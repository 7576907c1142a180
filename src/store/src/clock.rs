//! The node's clock, in memory: the stamps it gives, and the times of other nodes that it hears.
//!
//! Hearing costs nothing and waits for nothing. What makes a time durable is the committer: before a stamp is
//! given out, and before anything is answered that rests on a time that was heard (`Store::settled`). Whether a
//! time from elsewhere is believed at all is decided here and nowhere else.

use crate::StoreError;
use base::{Hlc, Stamp, WallTime};
use env::Env;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How far another node's time may lie ahead of ours and be believed: more than a clock that is set to another
/// time zone, or was not set since a short power cut. Time never goes back, so one absurd time that is believed
/// would be the time of the whole cluster for good.
pub(crate) const AHEAD_MAX_MS: u64 = 24 * 60 * 60 * 1000;

pub(crate) struct StoreClock {
    hlc: Mutex<Hlc>,
    env: Env,
    /// The mark that was stored when the node started, and what the monotonic clock showed then.
    started: (WallTime, Duration),
}

impl StoreClock {
    /// Continues above the stored mark.
    pub fn new(env: &Env, node_tag: u64, mark: u64) -> Self {
        let started = (Stamp { time: mark, node: node_tag }.wall(), env.clock.mono());
        Self { hlc: Mutex::new(Hlc::new(node_tag, mark)), env: env.clone(), started }
    }

    fn hlc(&self) -> MutexGuard<'_, Hlc> {
        self.hlc.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stamp above every one given or heard of.
    pub fn tick(&self, now: WallTime) -> Stamp {
        self.hlc().tick(now)
    }

    /// The highest time given or heard of.
    pub fn high_water(&self) -> u64 {
        self.hlc().high_water()
    }

    /// Takes note of a time from elsewhere, or refuses it: later stamps lie above it.
    pub fn hear(&self, seen: Stamp) -> Result<(), StoreError> {
        let latest = self.now().millis().saturating_add(AHEAD_MAX_MS);
        let mut hlc = self.hlc();
        if seen.time > hlc.high_water() && seen.wall().millis() > latest {
            return Err(StoreError::AheadOfClock(seen.wall()));
        }
        hlc.observe(seen);
        Ok(())
    }

    /// What the time is, as far as this node can tell: a machine without a battery may start in 1970, and then
    /// goes on from where it stopped. What was heard since does not count, so that nobody can push it ahead.
    fn now(&self) -> WallTime {
        let (mark, at) = self.started;
        let elapsed = self.env.clock.mono().saturating_sub(at).as_millis();
        let since_mark = mark.millis().saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX));
        self.env.clock.wall().max(WallTime(since_mark))
    }
}
