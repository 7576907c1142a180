//! The audit: for each referenced block, is there a file?
//!
//! Scrub walks the files and cannot see what is absent; this walks the rows. It runs when a disk
//! was lost or vanished, and when the operator asks. Blocks without a file are queued, and from then on
//! they are treated like any other missing block. The place it has reached survives a restart.
//!
//! What always holds: steps and beginnings take turns (`audit_turn`), so that one that is started anew while a step is
//! under way begins at the beginning; a place that cannot be read is taken for a refill that had just begun.

use crate::lacking::{LACKING_MAX, Proof, referenced_in_queue};
use crate::record::{AUDIT_KEY, AuditState, COUNT_KEYS, RefCount, hash_of_count_key};
use crate::refcount::queue;
use crate::{BlockError, BlockStore};
use base::{BlockHash, WallTime};
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use store::{Intent, Read, Space, StoreError, Txn, View};

/// Rows in one step: each costs a look-up in a folder, a few milliseconds on a cold hard disk.
const STEP_MAX_ROWS: usize = 256;

/// Why every block is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audit {
    /// Somebody asks.
    Look,
    /// A disk was lost.
    Refill,
}

/// Has every referenced block looked for, from the beginning. A refill stays one, whoever asks meanwhile: until it ends
/// nobody knows what is lacking here.
pub(crate) fn start(txn: &mut Txn<'_>, audit: Audit) -> Result<(), StoreError> {
    let is_refilling = match txn.get::<AuditState>(Space::Setting, AUDIT_KEY) {
        Ok(state) => state.is_some_and(|state| state.is_refill),
        // It may have been one.
        Err(StoreError::Unreadable { .. }) => true,
        Err(error) => return Err(error),
    };
    let (next, is_refill) = (COUNT_KEYS.0.to_vec(), is_refilling || audit == Audit::Refill);
    txn.put(Space::Setting, AUDIT_KEY.to_vec(), &AuditState { next, is_refill });
    Ok(())
}

/// Notes how far the audit has come. A refill has an end of its own: what was found to be missing is yet to come.
fn move_on(txn: &mut Txn<'_>, state: &AuditState, next: Option<Vec<u8>>) {
    let next = next.or_else(|| state.is_refill.then(|| COUNT_KEYS.1.to_vec()));
    match next {
        Some(next) => {
            let state = AuditState { next, is_refill: state.is_refill };
            txn.put(Space::Setting, AUDIT_KEY.to_vec(), &state);
        }
        None => txn.delete(Space::Setting, AUDIT_KEY.to_vec()),
    }
}

impl BlockStore {
    /// Has every referenced block looked for, from the beginning.
    pub async fn start_audit(&self) -> Result<(), StoreError> {
        let _turn = self.shared.audit_turn.lock().await;
        self.shared.store.commit(Intent::Free, |txn| start(txn, Audit::Look)).await
    }

    /// One bounded step. `false`: no audit is running.
    pub async fn audit_step(&self, now: WallTime) -> Result<bool, BlockError> {
        let _turn = self.shared.audit_turn.lock().await;
        let view = self.shared.store.view()?;
        let state = match view.get::<AuditState>(Space::Setting, AUDIT_KEY) {
            Ok(Some(state)) => state,
            Ok(None) => return Ok(false),
            Err(StoreError::Unreadable { .. }) => return self.begin_again().await,
            Err(error) => return Err(error.into()),
        };
        if state.next == COUNT_KEYS.1 {
            return self.end_refill(&view).await;
        }
        let (mut referenced, next) = self.referenced_from(&view, &state.next)?;
        let shared = self.shared.clone();
        let look = move || {
            referenced.retain(|hash| !shared.has_file(hash, Proof::Name));
            referenced
        };
        let absent = self.shared.env.tasks.blocking(look).await;
        let work = move |txn: &mut Txn<'_>| {
            for hash in &absent {
                queue(txn, now, hash);
            }
            move_on(txn, &state, next);
            Ok::<(), StoreError>(())
        };
        self.shared.store.commit(Intent::Free, work).await?;
        Ok(true)
    }

    /// The blocks of one step that something refers to, and the key at which the next one begins.
    fn referenced_from(
        &self,
        view: &View,
        from: &[u8],
    ) -> Result<(Vec<BlockHash>, Option<Vec<u8>>), StoreError> {
        let (mut referenced, mut rows, mut next) = (Vec::new(), 0, None);
        let range = (Bound::Included(from), Bound::Excluded(COUNT_KEYS.1));
        view.scan(Space::RefCount, range.0, range.1, &mut |key, bytes| {
            if rows == STEP_MAX_ROWS {
                next = Some(key.to_vec());
                return ControlFlow::Break(());
            }
            rows += 1;
            let row = store::decode::<RefCount>(Space::RefCount, key, bytes);
            if row.is_err() {
                self.shared.uncounted.note_key(key);
            }
            let is_referenced = row.map_or(true, |row| row.count > 0);
            referenced.extend(hash_of_count_key(key).filter(|_| is_referenced));
            ControlFlow::Continue(())
        })?;
        Ok((referenced, next))
    }

    /// Nobody knows any more how far the audit had come, nor whether it was a refill.
    async fn begin_again(&self) -> Result<bool, BlockError> {
        tracing::warn!("the place that the look for every block had reached cannot be read; it begins again");
        self.shared.store.commit(Intent::Free, |txn| start(txn, Audit::Refill)).await?;
        Ok(true)
    }

    /// Ends a refill once nothing is missing any more.
    async fn end_refill(&self, view: &View) -> Result<bool, BlockError> {
        if !self.wanted(view)?.is_empty() {
            return Ok(false);
        }
        let end = |txn: &mut Txn<'_>| {
            txn.delete(Space::Setting, AUDIT_KEY.to_vec());
            Ok::<(), StoreError>(())
        };
        self.shared.store.commit(Intent::Free, end).await?;
        tracing::info!("everything that was on a lost disk is here again");
        Ok(false)
    }

    /// The blocks that are looked for and that something refers to, at most [`LACKING_MAX`].
    pub(crate) fn wanted(&self, view: &View) -> Result<BTreeSet<BlockHash>, StoreError> {
        referenced_in_queue((&self.shared, view), (&|_| true, &|_, _| true), LACKING_MAX)
    }
}
