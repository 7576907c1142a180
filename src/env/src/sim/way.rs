//! One direction between two machines: whether anything arrives, and how long it may take.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

/// A direction.
pub(super) struct Way(Mutex<State>);

struct State {
    cuts: u32,
    delay_max: Duration,
    /// Who waits for something to arrive while the way is cut.
    waiting: Vec<Waker>,
}

impl Way {
    /// A whole one.
    pub fn new(delay_max: Duration) -> Self {
        Self(Mutex::new(State { cuts: 0, delay_max, waiting: Vec::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn cut(&self) {
        self.state().cuts += 1;
    }

    pub fn heal(&self) {
        let mut state = self.state();
        state.cuts = state.cuts.saturating_sub(1);
        if state.cuts == 0 {
            state.waiting.drain(..).for_each(Waker::wake);
        }
    }

    pub fn slow_down(&self, delay_max: Duration) {
        self.state().delay_max = delay_max;
    }

    pub fn delay_max(&self) -> Duration {
        self.state().delay_max
    }

    /// Whether it is cut; then whoever asks is woken once it is whole.
    pub fn is_cut(&self, context: &Context<'_>) -> bool {
        let mut state = self.state();
        if state.cuts == 0 {
            return false;
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            state.waiting.push(context.waker().clone());
        }
        true
    }
}
