//! Dropping the rows of arcs that this node neither owns nor is about to own.
//!
//! Derived rows go with those they derive from. A block whose last reference goes is looked at by the block
//! store, as when an object is deleted.

use super::{Step, owned_or_coming};
use crate::rows::reference::{self, ReferenceRow, Target};
use crate::rows::standing::Standing;
use crate::rows::upload::{self, UploadRow};
use crate::{Model, ModelError};
use base::PartitionHash;
use cluster::layout::{ArcSet, Layout, PARTITIONS};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::{Intent, Read, Space, StoreError, Txn};

/// Rows dropped in one transaction.
const TXN_MAX_ROWS: usize = 256;
/// The keyspaces whose keys begin with a partition.
const SPACES: [Space; 6] =
    [Space::Object, Space::Version, Space::BlockRef, Space::Upload, Space::Part, Space::Usage];

impl Model {
    /// Drops what lies in arcs that are not this node's any more.
    pub(super) async fn drop_unowned(self: &Arc<Self>, layout: &Layout) -> Result<Step, ModelError> {
        if !self.growth.begun() {
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
            while let Some((keys, next)) = self.some_keys(space, arcs, &from)? {
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
    fn some_keys(
        &self,
        space: Space,
        arcs: &ArcSet,
        from: &[u8],
    ) -> Result<Option<(Vec<Vec<u8>>, Vec<u8>)>, StoreError> {
        let view = self.store.view()?;
        let mut from = from.to_vec();
        loop {
            let first = if from.is_empty() { 0 } else { crate::reclaim::arc_of(&from) };
            let Some(arc) = arcs.iter().find(|arc| *arc >= first) else { return Ok(None) };
            let (start, end) = bounds_of(arc);
            let start = start.max(from.clone());
            let mut keys = Vec::new();
            let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            view.scan(space, Bound::Included(&start), to, &mut |key, _| {
                keys.push(key.to_vec());
                if keys.len() < TXN_MAX_ROWS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            match (keys.last(), end) {
                (Some(last), _) => {
                    let next = [last.as_slice(), &[0]].concat();
                    return Ok(Some((keys, next)));
                }
                (None, Some(end)) => from = end,
                (None, None) => return Ok(None),
            }
        }
    }

    fn drop_row(&self, txn: &mut Txn<'_>, space: Space, key: &[u8]) -> Result<(), StoreError> {
        match space {
            Space::Object => {
                txn.delete(Space::Inline, key.to_vec());
            }
            Space::BlockRef => {
                let row: Option<ReferenceRow> = txn.get(Space::BlockRef, key)?;
                if let (Some(Target::Block(hash)), Some(false)) =
                    (reference::target_of(key), row.map(|row| row.removed))
                {
                    self.blocks.drop_reference(txn, &hash)?;
                }
            }
            Space::Upload => {
                let row: Option<UploadRow> = txn.get(Space::Upload, key)?;
                if let (Some(row), Ok(bytes)) = (row, <[u8; 32]>::try_from(key)) {
                    let id = base::Id::from_bytes(bytes);
                    txn.delete(
                        Space::UploadIndex,
                        upload::index_key(upload::partition_of(&id), &row.key, &id),
                    );
                }
            }
            _ => {}
        }
        txn.delete(space, key.to_vec());
        Ok(())
    }
}

/// Row keys of an arc: from the first to before the second, or to the end.
pub(crate) fn bounds_of(arc: u16) -> (Vec<u8>, Option<Vec<u8>>) {
    let arc_len = (usize::from(u16::MAX) + 1) / PARTITIONS;
    let start = |arc: usize| u16::try_from(arc * arc_len).ok().map(|bits| bits.to_be_bytes().to_vec());
    (start(usize::from(arc)).unwrap_or_default(), start(usize::from(arc) + 1))
}

/// A partition has at least the bytes that say its arc.
const _: () = assert!(PartitionHash::LEN >= 2);
