//! The simulated clock: monotonic time is tokio's (virtual when the runtime is paused), wall time
//! is that plus an offset which a test may move in both directions.

use crate::{Clock, MonoTime};
use base::WallTime;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Where wall clocks start: 2026-01-01 00:00:00 UTC, in milliseconds. Any fixed time will do.
const START_WALL_MS: u64 = 1_767_225_600_000;

/// The clock of a simulated node.
#[derive(Debug)]
pub struct SimClock {
    start: Mutex<Option<Instant>>,
    /// Milliseconds by which the wall clock is ahead of the world's time; may be negative.
    skew_ms: Mutex<i64>,
}

impl SimClock {
    /// A clock whose wall time is ahead of the world's by this much.
    pub fn new(skew_ms: i64) -> Self {
        Self { start: Mutex::new(None), skew_ms: Mutex::new(skew_ms) }
    }

    /// By how much the wall clock is ahead.
    pub fn skew_ms(&self) -> i64 {
        *self.skew_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the wall clock. Monotonic time goes on as before.
    pub fn jump(&self, by_ms: i64) {
        let mut skew_ms = self.skew_ms.lock().unwrap_or_else(PoisonError::into_inner);
        *skew_ms = skew_ms.saturating_add(by_ms);
    }
}

impl Clock for SimClock {
    fn wall(&self) -> WallTime {
        let elapsed_ms = u64::try_from(self.mono().as_millis()).unwrap_or(u64::MAX);
        WallTime(START_WALL_MS.saturating_add(elapsed_ms).saturating_add_signed(self.skew_ms()))
    }

    fn mono(&self) -> MonoTime {
        // Outside a runtime there is no virtual time; it stands still.
        if tokio::runtime::Handle::try_current().is_err() {
            return MonoTime::ZERO;
        }
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        start.get_or_insert_with(Instant::now).elapsed()
    }
}
