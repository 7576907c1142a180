//! Stores under way that are taken only before a deadline (rules K2, K6 and C3), so that who asks after it hears of all of
//! them.
//!
//! A replica judges a deadline in the transaction that stores. A question born after the deadline moves the clock past it
//! first, so what is judged later is refused; what was judged before may not be durable yet, and reads see only what is. So
//! such a question waits until everything is durable that was on its way with that deadline.

use crate::{Model, ModelError};
use base::{Stamp, WallTime};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Intent;

/// How many stores are under way for each deadline.
#[derive(Clone, Default)]
pub(crate) struct Deadlines(Arc<Mutex<BTreeMap<WallTime, usize>>>);

/// One of them; dropped when it is durable, or will never be.
pub(crate) struct UnderWay {
    all: Deadlines,
    deadline: WallTime,
}

impl Deadlines {
    fn open(&self) -> MutexGuard<'_, BTreeMap<WallTime, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a store before its deadline is judged.
    pub fn enter(&self, deadline: WallTime) -> UnderWay {
        *self.open().entry(deadline).or_default() += 1;
        UnderWay { all: self.clone(), deadline }
    }

    /// Whether any is under way whose deadline is over by this clock.
    fn any_over(&self, now: WallTime) -> bool {
        self.open().first_key_value().is_some_and(|(first, _)| *first <= now)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut all = self.all.open();
        if let Some(count) = all.get_mut(&self.deadline) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.deadline);
            }
        }
    }
}

impl Model {
    /// Has this replica's clock above a question's birth for good, and everything durable that was taken before a deadline
    /// which is over by then.
    pub(crate) async fn settled_for(&self, birth: Stamp) -> Result<(), ModelError> {
        self.store.hear(birth)?;
        let clock = self.store.settled().await?;
        if self.deadlines.any_over(clock.wall()) {
            // The committer takes what it is given in order.
            self.store.commit(Intent::Free, |_| Ok::<_, ModelError>(())).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_known_until_it_ends() {
        let deadlines = Deadlines::default();
        let (early, late) = (deadlines.enter(WallTime(5)), deadlines.enter(WallTime(9)));
        let again = deadlines.enter(WallTime(5));
        assert!(!deadlines.any_over(WallTime(4)));
        assert!(deadlines.any_over(WallTime(5)));
        drop(early);
        assert!(deadlines.any_over(WallTime(6)));
        drop(again);
        assert!(!deadlines.any_over(WallTime(8)));
        assert!(deadlines.any_over(WallTime(9)));
        drop(late);
        assert!(!deadlines.any_over(WallTime(u64::MAX)));
    }
}
