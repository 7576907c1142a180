//! What is kept of the rate over restarts: the limit, and what was reached last.

use crate::rows::record_kind;
use serde::{Deserialize, Serialize};
use store::{Intent, Read, Record, Space, Store, StoreError, Txn};

/// Key of [`Stored`] in `Setting`; absent while there is neither.
const KEY: &[u8] = b"copy_rate";

/// The record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    /// Bytes per second at most.
    pub limit: Option<u64>,
    /// Bytes per second that came, when it was last measured.
    pub reached: Option<u64>,
}

impl Record for Stored {
    const KIND: u8 = record_kind::COPY_RATE;
    const VERSION: u8 = 1;
}

/// Reads it. One that is damaged is as none, and the next change writes it anew.
pub(super) fn read(from: &impl Read) -> Result<Stored, StoreError> {
    match from.get(Space::Setting, KEY) {
        Err(StoreError::Unreadable { .. }) => {
            tracing::warn!(
                "the limit of copying cannot be read; to set it again:  garage worker set copy-rate"
            );
            Ok(Stored::default())
        }
        found => Ok(found?.unwrap_or_default()),
    }
}

/// Changes it.
pub(super) async fn change(
    store: &Store,
    change: impl FnOnce(&mut Stored) + Send + 'static,
) -> Result<(), StoreError> {
    let work = move |txn: &mut Txn<'_>| {
        let mut stored = read(txn)?;
        change(&mut stored);
        txn.put(Space::Setting, KEY.to_vec(), &stored);
        Ok(())
    };
    store.commit(Intent::Free, work).await
}
