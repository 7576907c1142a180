//! How many bytes of large requests are under way to one peer: as much as its line carries in about a second.
//!
//! Uplinks of homes carry 5 Mbit/s or 1 Gbit/s, and several uploads share one with the traffic to other homes. Requests
//! that were all sent at once would share the line and all end together, long after their time; so what is under way
//! grows while answers come soon, and is halved when they come late. Who has no room waits, and no limit of a call counts
//! until it has. What always holds: one request at least may be under way, and all of them are never more than
//! [`IN_FLIGHT_BYTES`].

use crate::limits::{ANSWER_LATE, ANSWER_SOON, IN_FLIGHT_BYTES, PIECE_MAX_BYTES, WINDOW_START_BYTES};
use env::MonoTime;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The narrowest one: a single block.
const LEAST_BYTES: usize = PIECE_MAX_BYTES;

pub(crate) struct Window {
    room: Semaphore,
    state: Mutex<State>,
}

struct State {
    width_bytes: usize,
    /// Room that is to be taken away and is in use still.
    owed_bytes: usize,
    /// Answers to what was sent before this tell of the window as it was before it was narrowed.
    narrowed: MonoTime,
}

/// A request under way.
pub(crate) struct Place<'a> {
    window: &'a Window,
    room: Option<SemaphorePermit<'a>>,
    size_bytes: usize,
    begun: MonoTime,
}

impl Window {
    pub fn new() -> Self {
        let (width_bytes, narrowed) = (WINDOW_START_BYTES, MonoTime::default());
        Self {
            room: Semaphore::new(width_bytes),
            state: Mutex::new(State { width_bytes, owed_bytes: 0, narrowed }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, after those who came before, until a request of this size has room.
    pub async fn enter(&self, size_bytes: usize, now: impl Fn() -> MonoTime) -> Place<'_> {
        let room = self.room.acquire_many(permits(size_bytes.min(LEAST_BYTES))).await;
        // It is never closed.
        Place { window: self, room: room.ok(), size_bytes, begun: now() }
    }

    fn widen(&self, by_bytes: usize) {
        let mut state = self.state();
        // One that is not in use tells nothing of a wider one.
        let is_in_use = self.room.available_permits() < state.width_bytes / 2;
        let more = by_bytes.min(IN_FLIGHT_BYTES - state.width_bytes);
        if is_in_use {
            state.width_bytes += more;
            let paid = more.min(state.owed_bytes);
            state.owed_bytes -= paid;
            self.room.add_permits(more - paid);
        }
    }

    fn narrow(&self, (begun, now): (MonoTime, MonoTime)) {
        let mut state = self.state();
        if begun < state.narrowed {
            return;
        }
        state.narrowed = now;
        let less = state.width_bytes - (state.width_bytes / 2).max(LEAST_BYTES);
        state.width_bytes -= less;
        state.owed_bytes += less - self.room.forget_permits(less);
    }

    pub fn width_bytes(&self) -> usize {
        self.state().width_bytes
    }
}

impl Place<'_> {
    /// Takes note of how long the answer took.
    pub fn answered(self, now: MonoTime) {
        let took = now.saturating_sub(self.begun);
        if took <= ANSWER_SOON {
            self.window.widen(self.size_bytes);
        } else if took > ANSWER_LATE {
            self.window.narrow((self.begun, now));
        }
    }

    /// Takes note that none came in time.
    pub fn failed(self, now: MonoTime) {
        self.window.narrow((self.begun, now));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(mut room) = self.room.take() else { return };
        let mut state = self.window.state();
        let owed = state.owed_bytes.min(room.num_permits());
        if let Some(part) = room.split(owed) {
            part.forget();
            state.owed_bytes -= owed;
        }
    }
}

fn permits(size_bytes: usize) -> u32 {
    u32::try_from(size_bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::time::Duration;

    const BLOCK: usize = 1 << 20;

    fn at(ms: u64) -> MonoTime {
        Duration::from_millis(ms)
    }

    /// As many as have room, of one block each.
    fn fill(window: &Window, ms: u64) -> Vec<Place<'_>> {
        std::iter::from_fn(|| window.enter(BLOCK, || at(ms)).now_or_never()).collect()
    }

    #[test]
    fn a_fast_line_has_all_that_may_be_under_way_after_a_few_rounds() {
        let window = Window::new();
        for round in 0..8 {
            let places = fill(&window, round * 100);
            places.into_iter().for_each(|place| place.answered(at(round * 100 + 100)));
        }
        assert_eq!(window.width_bytes(), IN_FLIGHT_BYTES);
        assert_eq!(fill(&window, 1000).len(), IN_FLIGHT_BYTES / BLOCK);
    }

    #[test]
    fn a_slow_line_comes_down_to_single_blocks_and_gets_wider_when_it_is_faster() {
        let window = Window::new();
        let mut now = 0;
        for _ in 0..4 {
            let places = fill(&window, now);
            // Two seconds for each of them.
            for (number, place) in (1..).zip(places) {
                place.answered(at(now + number * 2000));
            }
            now += 100_000;
        }
        assert_eq!(window.width_bytes(), LEAST_BYTES);
        assert_eq!(fill(&window, now).len(), LEAST_BYTES / BLOCK, "no more, no less");
        fill(&window, now).into_iter().for_each(|place| place.answered(at(now + 10)));
        assert!(window.width_bytes() > LEAST_BYTES);
    }

    #[test]
    fn one_round_of_late_answers_narrows_it_once() {
        let window = Window::new();
        let places = fill(&window, 0);
        assert_eq!(places.len(), WINDOW_START_BYTES / BLOCK);
        places.into_iter().for_each(|place| place.answered(at(9000)));
        assert_eq!(window.width_bytes(), WINDOW_START_BYTES / 2);
        assert_eq!(fill(&window, 9000).len(), WINDOW_START_BYTES / 2 / BLOCK);
    }

    #[test]
    fn a_window_that_nobody_fills_stays_as_it_is() {
        let window = Window::new();
        for round in 0..20 {
            window.enter(BLOCK, || at(round)).now_or_never().unwrap().answered(at(round + 1));
        }
        assert_eq!(window.width_bytes(), WINDOW_START_BYTES);
    }
}
