//! Reading the queue of what is to be let go (`reclaim`), so that one record that cannot be read holds up no other.
//!
//! What always holds: what a record is about stands in its key, and whoever does the work looks again before anything is
//! removed. So an item whose record is unreadable is queued anew, without what only the record knew: as one in doubt,
//! which all replicas together judge. It is forgotten where a row here says that there is nothing to do.

use crate::reclaim::{Queued, Work};
use crate::rows::upload::{self, UploadRow, UploadState};
use crate::rows::version::{self, VersionRow};
use crate::{Model, ModelError};
use std::ops::{Bound, ControlFlow};
use store::{Intent, Read, Space, StoreError, Txn};

/// Unreadable items that one look reports; the next look finds the others.
const UNREADABLE_MAX: usize = 256;

/// Walks the items from `from` to `to`, until `visit` breaks off; what cannot be read is passed over and told.
pub(crate) fn walk(
    read: &impl Read,
    from: &[u8],
    to: Option<&[u8]>,
    visit: &mut dyn FnMut(&[u8], Queued) -> ControlFlow<()>,
) -> Result<Vec<Work>, StoreError> {
    let mut unreadable = Vec::new();
    let end = to.map_or(Bound::Unbounded, Bound::Excluded);
    read.scan(Space::Outbox, Bound::Included(from), end, &mut |key, bytes| {
        match store::decode(Space::Outbox, key, bytes) {
            Ok(queued) => return visit(key, queued),
            Err(store::Unreadable) if unreadable.len() < UNREADABLE_MAX => {
                unreadable.extend(Work::parse(key))
            }
            Err(store::Unreadable) => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(unreadable)
}

impl Model {
    /// Queues items anew whose records cannot be read; how many of them are readable now, or gone.
    pub(crate) async fn queue_anew(&self, unreadable: Vec<Work>) -> Result<usize, ModelError> {
        if unreadable.is_empty() {
            return Ok(0);
        }
        let queue = move |txn: &mut Txn<'_>| {
            let mut settled = 0;
            for work in unreadable {
                settled += usize::from(settle(txn, work)?);
            }
            Ok::<_, ModelError>(settled)
        };
        let settled = self.store.commit(Intent::Free, queue).await?;
        if settled > 0 {
            tracing::warn!(
                items = settled,
                "records of what is to be let go could not be read; they are judged anew"
            );
        }
        Ok(settled)
    }
}

/// Writes the record of an item anew, or forgets it. False: it is readable by now, or waits for a row that is not.
fn settle(txn: &mut Txn<'_>, work: Work) -> Result<bool, StoreError> {
    match txn.get::<Queued>(Space::Outbox, &work.key()) {
        Err(StoreError::Unreadable { .. }) => {}
        other => return other.map(|_| false),
    }
    match is_asked_for(txn, work) {
        Ok(true) => {
            let in_doubt = matches!(work, Work::ReleaseBody(_));
            let queued = Queued { since: Some(txn.now()), in_doubt, ..Queued::default() };
            txn.put(Space::Outbox, work.key(), &queued);
        }
        Ok(false) => txn.delete(Space::Outbox, work.key()),
        Err(StoreError::Unreadable { .. }) => return Ok(false),
        Err(error) => return Err(error),
    }
    Ok(true)
}

/// Whether a row here says the same as an item whose record proves nothing. A body is looked for by whoever releases it.
fn is_asked_for(txn: &Txn<'_>, work: Work) -> Result<bool, StoreError> {
    match work {
        Work::ReleaseBody(_) => Ok(true),
        Work::CloseUpload(id) => {
            let row: Option<UploadRow> = txn.get(Space::Upload, &upload::row_key(&id))?;
            Ok(row.is_some_and(|row| row.state != UploadState::Open))
        }
        Work::DropReferences(body, number) => {
            let row: Option<VersionRow> = txn.get(Space::Version, &version::row_key(&body, number))?;
            Ok(row.is_some_and(|row| row.dead))
        }
    }
}
