//! What a row that cannot be read was counted in: digest, references of its block, usage of its bucket.

use crate::rows::reference::{self, ReferenceRow, Target};
use crate::tables::{Objects, Parts, Pasts, References, Uploads, Versions};
use crate::usage::{self, Usage};
use crate::{Model, ModelError, graves};
use block::BlockStore;
use std::ops::ControlFlow;
use std::sync::Arc;
use store::{Intent, Read, Space, StoreError, Txn};
use table::sort_key::scan_prefix;

/// Drops a row that cannot be read, with the bytes beside it.
pub(crate) fn discard_row(
    blocks: &BlockStore,
    txn: &mut Txn<'_>,
    space: Space,
    row_key: &[u8],
) -> Result<(), StoreError> {
    match space {
        Space::Object => {
            txn.delete(Space::Inline, row_key.to_vec());
            table::discard::<Objects>(txn, row_key)
        }
        Space::Past => {
            txn.delete(Space::Inline, row_key.to_vec());
            table::discard::<Pasts>(txn, row_key)
        }
        Space::Version => table::discard::<Versions<'_>>(txn, row_key),
        Space::Upload => table::discard::<Uploads>(txn, row_key),
        Space::Part => table::discard::<Parts>(txn, row_key),
        Space::BlockRef => {
            table::discard::<References<'_>>(txn, row_key)?;
            match reference::target_of(row_key) {
                Some(Target::Block(hash)) => {
                    let count = references_to(txn, Target::Block(hash))?;
                    blocks.recount_references(txn, &hash, count).map(drop)
                }
                _ => Ok(()),
            }
        }
        _ => {
            txn.delete(space, row_key.to_vec());
            Ok(())
        }
    }
}

/// How many references to a target are held; another one that cannot be read may be.
pub(crate) fn references_to(read: &impl Read, target: Target) -> Result<u64, StoreError> {
    let mut held = 0;
    scan_prefix(read, Space::BlockRef, &reference::target_prefix(target), &mut |key, value| {
        let row = store::decode::<ReferenceRow>(Space::BlockRef, key, value);
        held += u64::from(row.map_or(true, |row| !row.removed));
        ControlFlow::Continue(())
    })?;
    Ok(held)
}

/// How many open uploads the index names.
fn open_uploads(read: &impl Read, partition: &[u8]) -> Result<i64, StoreError> {
    let mut open = 0;
    scan_prefix(read, Space::UploadIndex, partition, &mut |_, _| {
        open += 1;
        ControlFlow::Continue(())
    })?;
    Ok(open)
}

impl Model {
    /// Has the counters of a bucket say again what its rows say. They follow every change of a row, so how far they are
    /// off is the same whenever it is looked at.
    pub(super) async fn count_anew(self: &Arc<Self>, space: Space, row_key: &[u8]) -> Result<(), ModelError> {
        if ![Space::Object, Space::Past, Space::Upload].contains(&space) {
            return Ok(());
        }
        let partition = graves::partition_of(row_key);
        let view = self.store.view()?;
        let count = move || {
            let counted = usage::of_partition(&view, partition)?;
            let recounted = usage::recount(&view, partition)?;
            let uploads = open_uploads(&view, partition.as_bytes())?;
            Ok::<_, StoreError>(Usage { uploads, ..recounted } - counted)
        };
        let off = self.env.tasks.blocking(count).await?;
        let correct = move |txn: &mut Txn<'_>| usage::record_change(txn, partition, Usage::default(), off);
        Ok(self.store.commit(Intent::Free, correct).await?)
    }
}
