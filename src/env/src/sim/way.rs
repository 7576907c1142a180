//! One direction between two machines: whether anything arrives, how long it may take, and how much of it goes in a second.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// A direction.
pub(super) struct Way(Mutex<State>);

struct State {
    cuts: u32,
    delay_max: Duration,
    /// Bytes a second that all streams on it share; `None`: any number.
    rate: Option<u64>,
    /// When all is sent that was given to it.
    sent_at: Option<Instant>,
    /// Who waits for something to arrive while the way is cut.
    waiting: Vec<Waker>,
}

impl Way {
    /// A whole one.
    pub fn new(delay_max: Duration, rate: Option<u64>) -> Self {
        Self(Mutex::new(State { cuts: 0, delay_max, rate, sent_at: None, waiting: Vec::new() }))
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

    /// Takes bytes that are to be sent; when the last of them leaves.
    pub fn send(&self, bytes: usize) -> Instant {
        let mut state = self.state();
        let now = Instant::now();
        let Some(rate) = state.rate else { return now };
        let takes_us = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000_000) / rate.max(1);
        let sent_at = state.sent_at.map_or(now, |at| at.max(now)) + Duration::from_micros(takes_us);
        state.sent_at = Some(sent_at);
        sent_at
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
