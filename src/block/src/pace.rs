//! How hard the worker works: how long it rests after a step, as a multiple of what the step took (operators know it as
//! tranquility). It is kept over restarts.

use crate::BlockStore;
use serde::{Deserialize, Serialize};
use store::{Intent, Read, Record, Space, StoreError, Txn};

/// Key of [`Pace`] in `Setting`; absent while nobody has set it.
const PACE_KEY: &[u8] = b"block.pace";
/// By default background work takes at most a third of a disk's time.
const REST_FACTOR: u32 = 2;
/// The longest rest that can be set: one percent of a disk's time. With more a pass would take years.
pub const REST_FACTOR_MAX: u32 = 100;

/// How many times as long as a step the worker rests after it; 0: not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// After a step of scrub.
    pub scrub: u32,
    /// After a step of resync or of the audit.
    pub resync: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { scrub: REST_FACTOR, resync: REST_FACTOR }
    }
}

impl Record for Pace {
    const KIND: u8 = 47;
    const VERSION: u8 = 1;
}

impl BlockStore {
    /// How hard the worker works now.
    pub fn pace(&self) -> Result<Pace, StoreError> {
        Ok(self.shared.store.view()?.get(Space::Setting, PACE_KEY)?.unwrap_or_default())
    }

    /// Changes it from the next step on; factors above [`REST_FACTOR_MAX`] count as that.
    pub async fn change_pace(
        &self,
        change: impl FnOnce(Pace) -> Pace + Send + 'static,
    ) -> Result<(), StoreError> {
        let work = move |txn: &mut Txn<'_>| {
            let Pace { scrub, resync } = change(txn.get(Space::Setting, PACE_KEY)?.unwrap_or_default());
            let pace = Pace { scrub: scrub.min(REST_FACTOR_MAX), resync: resync.min(REST_FACTOR_MAX) };
            txn.put(Space::Setting, PACE_KEY.to_vec(), &pace);
            Ok(())
        };
        self.shared.store.commit(Intent::Free, work).await
    }
}
