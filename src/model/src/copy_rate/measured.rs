//! The rate that copying reached, measured while it goes on.
//!
//! Only what takes a while says anything about a link: a row here and there is a matter of round trips. So bytes and time
//! are added up over a *stretch*, which ends when nothing was copied for a moment, and a stretch counts when it is long.

use env::MonoTime;
use std::time::Duration;

/// A longer pause ends a stretch; a pass rests no longer than this between two pages.
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// A shorter stretch, or one of fewer bytes, says nothing.
const STRETCH_MIN: Duration = Duration::from_millis(500);
const STRETCH_MIN_BYTES: u64 = 1 << 20;
/// The rate is that of one or two of these last: a link is slower in the evening.
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    bytes: u64,
    time: Duration,
}

impl Window {
    fn join(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, time: self.time + other.time }
    }
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Of the last stretch that counted.
    rate: Option<u64>,
    /// Pieces on their way, or waiting for room.
    under_way: usize,
    at: MonoTime,
    before: Window,
    last: Window,
}

impl Measured {
    /// With what an earlier process measured.
    pub fn new(rate: Option<u64>) -> Self {
        Self { rate, ..Self::default() }
    }

    /// A piece is asked for.
    pub fn begin(&mut self) {
        self.under_way += 1;
    }

    /// It is here, or does not come.
    pub fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Time goes by.
    pub fn pass_time(&mut self, now: MonoTime) {
        let gone = now.saturating_sub(self.at);
        self.at = now;
        if self.under_way == 0 && gone > PAUSE_MAX {
            (self.before, self.last) = Default::default();
        } else {
            self.last.time += gone;
        }
        if self.last.time >= WINDOW {
            self.before = std::mem::take(&mut self.last);
        }
    }

    /// Bytes came.
    pub fn add(&mut self, bytes: u64) {
        self.last.bytes += bytes;
        let Window { bytes, time } = self.before.join(self.last);
        if time >= STRETCH_MIN && bytes >= STRETCH_MIN_BYTES {
            let per_s = u128::from(bytes) * 1000 / time.as_millis().max(1);
            self.rate = Some(u64::try_from(per_s).unwrap_or(u64::MAX));
        }
    }

    /// The rate; none as long as nothing was copied that says anything.
    pub fn rate(&self) -> Option<u64> {
        self.rate
    }
}
