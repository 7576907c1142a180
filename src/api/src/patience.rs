//! How long slow clients are waited for.
//!
//! A body must move in both directions: each piece of it may take only so long. Only the time in
//! which this node waits for the client counts, so that a slow disk or a full queue here is never
//! held against the client.

use std::time::Duration;

/// What a client must send or take within [`PIECE_WAIT_MAX`]. With it the slowest line that works
/// has 270 bytes per second, far below what one of many connections over the worst home line gets.
pub const PIECE_BYTES: usize = 16 << 10;
/// How long a piece may take: the silence that common servers and proxies allow.
pub const PIECE_WAIT_MAX: Duration = Duration::from_secs(60);

/// What is left of the time for the current piece.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    waited: Duration,
    bytes: usize,
}

impl Patience {
    /// How much longer to wait for the client.
    pub fn left(&self) -> Duration {
        PIECE_WAIT_MAX.saturating_sub(self.waited)
    }

    /// Takes note of a wait.
    pub fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    /// Takes note of bytes that went through.
    pub fn moved(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= PIECE_BYTES {
            *self = Self::default();
        }
    }
}
