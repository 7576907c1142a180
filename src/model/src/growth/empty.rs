//! Dropping the rows of arcs that this node neither owns nor is about to own.
//!
//! Derived rows go with those they derive from. A block whose last reference goes is looked at by the block
//! store, as when an object is deleted.

use super::{Step, owned_or_coming};
use crate::replicas::discard_row;
use crate::rows::reference::{self, ReferenceRow, Target};
use crate::rows::standing::Standing;
use crate::rows::upload;
use crate::tables::{Objects, Parts, Pasts, References, Uploads, Versions};
use crate::{Model, ModelError};
use cluster::layout::{ArcSet, Layout, PARTITIONS};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::{Intent, Read, Space, StoreError, Txn};
use table::Table;
use table::digest::{arc_end, arc_of, arc_start};

/// Rows dropped in one transaction.
const TXN_MAX_ROWS: usize = 256;
/// The keyspaces whose keys begin with a partition.
const SPACES: [Space; 7] =
    [Space::Object, Space::Past, Space::Version, Space::BlockRef, Space::Upload, Space::Part, Space::Usage];

/// Keys to drop, and where to look for more.
struct SomeKeys {
    keys: Vec<Vec<u8>>,
    next: Vec<u8>,
}

impl Model {
    /// Drops what lies in arcs that are not this node's any more.
    pub(super) async fn drop_unowned(self: &Arc<Self>, layout: &Layout) -> Result<Step, ModelError> {
        if !self.peers.is_known() {
            // What a node that has no part holds is what it held when it had one.
            let Some(stored) = self.stored_standing()? else { return Ok(Step::Idle) };
            self.stand(stored, |_| Ok(())).await?;
        }
        let kept = owned_or_coming(layout, self.peers.me());
        let standing = self.standing();
        let surplus = standing.held.without(&kept);
        if surplus.is_empty() {
            return Ok(Step::Idle);
        }
        let taking_part = standing.taking_part.without(&surplus);
        self.stand(Standing { taking_part, ..(*standing).clone() }, |_| Ok(())).await?;
        self.drop_arcs(&surplus).await?;
        let (held, stale) = (standing.held.without(&surplus), standing.stale.without(&surplus));
        self.stand(Standing { taking_part, held, stale, ..(*standing).clone() }, |_| Ok(())).await?;
        tracing::info!(arcs = surplus.len(), "dropped what other nodes keep now");
        Ok(Step::Idle)
    }

    /// Drops every row of these arcs.
    pub(super) async fn drop_arcs(self: &Arc<Self>, arcs: &ArcSet) -> Result<(), ModelError> {
        for space in SPACES {
            let mut from = Vec::new();
            while let Some(SomeKeys { keys, next }) = self.some_keys(space, arcs, &from)? {
                let model = Arc::clone(self);
                let drop_all = move |txn: &mut Txn<'_>| {
                    keys.iter().try_for_each(|key| model.drop_row(txn, space, key)).map_err(ModelError::from)
                };
                self.store.commit(Intent::Free, drop_all).await?;
                from = next;
            }
        }
        Ok(())
    }

    /// The next keys of a keyspace that lie in these arcs, and where to go on; `None` at the end.
    fn some_keys(&self, space: Space, arcs: &ArcSet, from: &[u8]) -> Result<Option<SomeKeys>, StoreError> {
        let view = self.store.view()?;
        let mut from = from.to_vec();
        loop {
            let first = if from.is_empty() { 0 } else { arc_of(&from) };
            let Some(arc) = arcs.iter().find(|arc| *arc >= first) else { return Ok(None) };
            let (start, end) = (arc_start(arc).max(from.clone()), arc_end(arc));
            let mut keys = Vec::new();
            view.scan(space, Bound::Included(&start), Bound::Excluded(&end), &mut |key, _| {
                keys.push(key.to_vec());
                if keys.len() < TXN_MAX_ROWS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            match keys.last() {
                Some(last) => {
                    let next = [last.as_slice(), &[0]].concat();
                    return Ok(Some(SomeKeys { keys, next }));
                }
                None if usize::from(arc) + 1 == PARTITIONS => return Ok(None),
                None => from = end,
            }
        }
    }

    /// Drops a row with what derives from it, but for bodies.
    pub(crate) fn drop_row(&self, txn: &mut Txn<'_>, space: Space, key: &[u8]) -> Result<(), StoreError> {
        match space {
            Space::Object => {
                txn.delete(Space::Inline, key.to_vec());
                remove::<Objects>(txn, key).map(drop)
            }
            Space::Past => {
                txn.delete(Space::Inline, key.to_vec());
                let body = remove::<Pasts>(txn, key)?.and_then(|row| row.slot.live()?.body.id());
                if let Some(body) = body {
                    txn.delete(Space::PastBody, body.as_bytes().to_vec());
                }
                Ok(())
            }
            Space::Version => remove::<Versions<'_>>(txn, key).map(drop),
            Space::BlockRef if txn.get::<ReferenceRow>(space, key).is_err() => {
                discard_row(&self.blocks, txn, space, key)
            }
            Space::BlockRef => {
                let removed = remove::<References<'_>>(txn, key)?.filter(|row| !row.removed);
                match (reference::target_of(key), removed) {
                    (Some(Target::Block(hash)), Some(_)) => self.blocks.drop_reference(txn, &hash),
                    _ => Ok(()),
                }
            }
            Space::Upload => {
                let removed = remove::<Uploads>(txn, key)?;
                if let (Some(row), Ok(bytes)) = (removed, <[u8; 32]>::try_from(key)) {
                    let id = base::Id::from_bytes(bytes);
                    txn.delete(
                        Space::UploadIndex,
                        upload::index_key(upload::partition_of(&id), &row.key, &id),
                    );
                }
                Ok(())
            }
            Space::Part => remove::<Parts>(txn, key).map(drop),
            _ => {
                txn.delete(space, key.to_vec());
                Ok(())
            }
        }
    }
}

/// Removes a row, which comes back. One that is damaged goes too.
fn remove<T: Table>(txn: &mut Txn<'_>, key: &[u8]) -> Result<Option<T::Row>, StoreError> {
    match txn.get::<T::Row>(T::SPACE, key) {
        Ok(Some(row)) => table::remove::<T>(txn, key.to_vec(), &row).map(|()| Some(row)),
        Ok(None) => Ok(None),
        Err(StoreError::Unreadable { .. }) => table::discard::<T>(txn, key).map(|()| None),
        Err(error) => Err(error),
    }
}
