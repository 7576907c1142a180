//! The clock door. Timers go through tokio in both worlds: the simulated runtime starts with its
//! time paused, so a sleep there costs nothing and moves virtual time.

use base::WallTime;
use std::future::Future;
use std::time::Duration;

/// Time since an arbitrary start that never goes back.
pub type MonoTime = Duration;

/// Wall and monotonic time of one node.
pub trait Clock: Send + Sync + 'static {
    /// What the wall clock says. May jump in both directions.
    fn wall(&self) -> WallTime;
    /// Time since the process started. Never goes back.
    fn mono(&self) -> MonoTime;
}

/// Waits for `duration`.
#[allow(clippy::disallowed_methods)]
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// The future's output, or `None` when it takes longer than `limit`.
#[allow(clippy::disallowed_methods)]
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}
