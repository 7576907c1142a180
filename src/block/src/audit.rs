//! The audit: for each referenced block, is there a file?
//!
//! Scrub walks the files and cannot see what is absent; this walks the rows. It runs when a disk
//! was given up, and when the operator asks. Blocks without a file are queued, and from then on
//! they are treated like any other missing block. The place it has reached survives a restart.

use crate::record::{AUDIT_KEY, AuditState, COUNT_KEYS, RefCount, hash_of_count_key};
use crate::refcount::queue;
use crate::{BlockError, BlockStore};
use base::{BlockHash, WallTime};
use store::{Intent, Read, Space, Step, StoreError, Txn};

/// Rows in one step: each costs a look-up in a folder, a few milliseconds on a cold hard disk.
const STEP_MAX_ROWS: usize = 256;

/// Has every referenced block looked for, from the beginning.
pub(crate) fn start(txn: &mut Txn<'_>) {
    txn.put(Space::Setting, AUDIT_KEY.to_vec(), &AuditState { next: COUNT_KEYS.0.to_vec() });
}

impl BlockStore {
    /// Has every referenced block looked for, from the beginning.
    pub async fn start_audit(&self) -> Result<(), StoreError> {
        let work = |txn: &mut Txn<'_>| {
            start(txn);
            Ok(())
        };
        self.shared.store.commit(Intent::Free, work).await
    }

    /// One bounded step. `false`: no audit is running.
    pub async fn audit_step(&self, now: WallTime) -> Result<bool, BlockError> {
        let view = self.shared.store.view()?;
        let Some(state) = view.get::<AuditState>(Space::Setting, AUDIT_KEY)? else { return Ok(false) };
        let mut referenced = Vec::new();
        let mut rows = 0;
        let mut next = None;
        view.walk::<RefCount>(Space::RefCount, &state.next, Some(COUNT_KEYS.1), &mut |key, row| {
            if rows == STEP_MAX_ROWS {
                next = Some(key.to_vec());
                return Step::Stop;
            }
            rows += 1;
            referenced.extend(hash_of_count_key(key).filter(|_| row.count > 0));
            Step::Next
        })?;
        let shared = self.shared.clone();
        let look = move || {
            let absent =
                |hash: &BlockHash| !shared.folders.iter().any(|folder| folder.holds(hash).unwrap_or(false));
            referenced.retain(absent);
            referenced
        };
        let absent = self.shared.env.tasks.blocking(look).await;
        let work = move |txn: &mut Txn<'_>| {
            for hash in &absent {
                queue(txn, now, hash);
            }
            match next {
                Some(next) => txn.put(Space::Setting, AUDIT_KEY.to_vec(), &AuditState { next }),
                None => txn.delete(Space::Setting, AUDIT_KEY.to_vec()),
            }
            Ok::<(), StoreError>(())
        };
        self.shared.store.commit(Intent::Free, work).await?;
        Ok(true)
    }
}
