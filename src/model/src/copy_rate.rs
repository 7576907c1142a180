//! How fast this node copies from others in the background: the limit that an operator sets, and the rate that was reached.
//!
//! Why: an uplink at home is full with one home that copies, and clients wait behind it. What a layout change gives a node,
//! what a lost disk held and what a node missed all pass here, rows and blocks; what clients ask for, and what nodes compare,
//! does not. What always holds:
//!
//! - without a limit nobody waits here;
//! - with one, what comes in any stretch of time is at most the limit times its length, and the piece that came first;
//! - a piece that was not sent, or was smaller than the room it had, gives its room back.
//!
//! Each home limits what *it* copies: one that two others copy from sends at most what both may take.
//! Units: bytes, and bytes per second.

mod measured;
mod stored;

use crate::{Model, ModelError};
use cluster::membership::CopySpeed;
use env::{Clock, MonoTime};
use measured::Measured;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{Store, StoreError};
use stored::Stored;

/// Room that a piece takes before its size is known: a block, or a page of rows.
const PIECE_BYTES: u64 = base::limits::BLOCK_SIZE_BYTES as u64;
/// The lowest limit: with it a block comes every two minutes.
pub const COPY_LIMIT_MIN: u64 = 10_000;
/// How soon whoever waits sees that the limit was changed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const MICROS_PER_S: u128 = 1_000_000;

/// The limit, and what was reached.
pub(crate) struct CopyRate {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    limit: Option<u64>,
    /// Room that was asked for, in all.
    asked: u64,
    /// Room that time has given, in all; never more than was asked for.
    given: u64,
    /// Until when time has given it.
    at: MonoTime,
    measured: Measured,
    /// The layout version that arcs are filled for, and the bytes that came since.
    filling: Option<(u64, u64)>,
}

impl State {
    fn pass_time(&mut self, now: MonoTime) {
        self.measured.pass_time(now);
        let Some(limit) = self.limit else {
            (self.given, self.at) = (self.asked, now);
            return;
        };
        let micros = now.saturating_sub(self.at).as_micros();
        let gained = u64::try_from(u128::from(limit) * micros / MICROS_PER_S).unwrap_or(u64::MAX);
        self.given = self.given.saturating_add(gained);
        // What is left below one byte counts the next time.
        self.at += time_for(gained, limit);
        if self.given >= self.asked {
            (self.given, self.at) = (self.asked, now);
        }
    }

    /// How long it takes until there is room behind so many bytes; none: there is.
    fn wait_for(&self, ticket: u64) -> Option<Duration> {
        let limit = self.limit.filter(|_| self.given < ticket)?;
        Some(time_for(ticket - self.given, limit))
    }
}

fn time_for(bytes: u64, limit: u64) -> Duration {
    let micros = (u128::from(bytes) * MICROS_PER_S).div_ceil(u128::from(limit.max(1)));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// Room for one piece, until it is dropped.
pub(crate) struct Room<'a> {
    rate: &'a CopyRate,
    left: u64,
}

impl Room<'_> {
    /// So many bytes came.
    pub fn took(&mut self, bytes: u64) {
        let mut state = self.rate.now();
        state.measured.add(bytes);
        state.filling = state.filling.map(|(version, came)| (version, came.saturating_add(bytes)));
        // A piece that is larger than its room delays the next one.
        state.asked = state.asked.saturating_add(bytes.saturating_sub(self.left));
        self.left = self.left.saturating_sub(bytes);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut state = self.rate.now();
        state.given = state.given.saturating_add(self.left).min(state.asked);
        state.measured.end();
    }
}

impl CopyRate {
    /// As it was stored.
    pub fn open(clock: &Arc<dyn Clock>, store: &Store) -> Result<Self, StoreError> {
        let Stored { limit, reached } = stored::read(&store.view()?)?;
        let measured = Measured::new(reached);
        let state = State { limit, asked: 0, given: 0, at: clock.mono(), measured, filling: None };
        Ok(Self { clock: Arc::clone(clock), state: Mutex::new(state) })
    }

    /// Waits until one more piece may be asked for.
    pub async fn room(&self) -> Room<'_> {
        let (room, ticket) = {
            let mut state = self.now();
            state.measured.begin();
            let ticket = state.asked;
            state.asked = state.asked.saturating_add(PIECE_BYTES);
            (Room { rate: self, left: PIECE_BYTES }, ticket)
        };
        loop {
            let Some(wait) = self.now().wait_for(ticket) else { return room };
            env::sleep(wait.min(LOOK_AGAIN)).await;
        }
    }

    /// Whether there is a limit: then waiting for it is all the rest that a worker needs.
    pub fn is_limited(&self) -> bool {
        self.now().limit.is_some()
    }

    fn now(&self) -> MutexGuard<'_, State> {
        let now = self.clock.mono();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pass_time(now);
        state
    }

    /// Arcs are filled for a version: what comes from now on is counted, unless it is already.
    pub fn count_for(&self, version: u64) {
        let mut state = self.now();
        if state.filling.is_none_or(|(counted, _)| counted != version) {
            state.filling = Some((version, 0));
        }
    }

    fn speed(&self) -> CopySpeed {
        let state = self.now();
        CopySpeed { reached: state.measured.rate(), limit: state.limit, filling: state.filling }
    }
}

impl Model {
    /// How fast this node copies.
    pub fn copy_speed(&self) -> CopySpeed {
        self.copy_rate.speed()
    }

    /// Limits it from now on, restarts included; none: it takes what it gets, and rests as long as it works.
    pub async fn limit_copying(&self, limit: Option<u64>) -> Result<(), ModelError> {
        let limit = limit.map(|limit| limit.max(COPY_LIMIT_MIN));
        stored::change(&self.store, move |stored| stored.limit = limit).await?;
        self.copy_rate.now().limit = limit;
        Ok(())
    }

    /// Stores the rate that was reached, so that the next layout change can be told with it after a restart, too.
    pub(crate) async fn keep_copy_speed(&self) {
        let Some(reached) = self.copy_speed().reached else { return };
        if let Err(error) = stored::change(&self.store, move |stored| stored.reached = Some(reached)).await {
            tracing::debug!(%error, "the rate of copying is stored another time");
        }
    }
}

#[cfg(test)]
mod tests;
