//! That something changed, told to whoever waits for it.
//!
//! Those who wait are woken in the order in which they began to: `tokio::sync::watch` draws the order at random, which
//! no seed decides. Nobody misses a change: what came since a watcher looked last ends its next wait at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// What changes. A clone is the same.
#[derive(Debug, Default, Clone)]
pub struct Changes(Arc<State>);

#[derive(Debug, Default)]
struct State {
    count: AtomicU64,
    waiting: Notify,
}

/// Somebody who looks for changes: from when it was made on, then from its last look.
#[derive(Debug)]
pub struct Watcher {
    state: Arc<State>,
    seen: u64,
}

impl Changes {
    /// Says that something changed.
    pub fn note(&self) {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        self.0.waiting.notify_waiters();
    }

    /// Watches from now on.
    pub fn watch(&self) -> Watcher {
        Watcher { state: Arc::clone(&self.0), seen: self.0.count.load(Ordering::Acquire) }
    }
}

impl Watcher {
    /// Waits until something has changed since the last look, which this is then.
    pub async fn changed(&mut self) {
        loop {
            // Before the look, so that a change right after it wakes.
            let woken = self.state.waiting.notified();
            if self.has_changed() {
                break;
            }
            woken.await;
        }
        self.mark_unchanged();
    }

    /// Whether something has changed since the last look.
    pub fn has_changed(&self) -> bool {
        self.state.count.load(Ordering::Acquire) != self.seen
    }

    /// Looks.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.state.count.load(Ordering::Acquire);
    }
}

#[cfg(test)]
mod tests {
    use super::Changes;
    use crate::Tasks;
    use std::sync::{Arc, Mutex};

    fn run(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
    }

    #[test]
    fn those_who_wait_are_woken_in_their_order() {
        run(async {
            let (changes, woken) = (Changes::default(), Arc::new(Mutex::new(Vec::new())));
            let tasks: Vec<_> = (0..20)
                .map(|number| {
                    let (mut watcher, woken) = (changes.watch(), Arc::clone(&woken));
                    Tasks::inline().spawn(async move {
                        watcher.changed().await;
                        woken.lock().unwrap().push(number);
                    })
                })
                .collect();
            tokio::task::yield_now().await;
            changes.note();
            for task in tasks {
                task.join().await;
            }
            assert_eq!(*woken.lock().unwrap(), (0..20).collect::<Vec<_>>());
        });
    }

    #[test]
    fn a_change_between_two_looks_is_seen_and_once() {
        run(async {
            let changes = Changes::default();
            let mut watcher = changes.watch();
            changes.note();
            changes.note();
            watcher.changed().await;
            assert!(!watcher.has_changed());
            changes.note();
            watcher.mark_unchanged();
            assert!(!watcher.has_changed());
        });
    }
}
