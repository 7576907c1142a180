//! What is left of buckets that are gone: rows that a delete reached on one replica only, tombstones, counters.
//!
//! Nobody is told of them any more (rule S3), and nothing needs them: a bucket is marked as deleted only once a quorum
//! has chosen that it is gone for ever (rule S5), so each replica drops what it holds for itself. What stays is the row
//! of the bucket, which says that it is deleted, and its seal, which says so to those who have not heard.

use crate::reclaim;
use crate::rows::bucket::BucketRow;
use crate::rows::object::ObjectRow;
use crate::rows::past::{self, PastRow};
use crate::{Model, ModelError};
use base::id::kind;
use base::{Id, PartitionHash};
use env::MonoTime;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Intent, Read, Record, Space, StoreError, Txn, View};
use table::sort_key::scan_prefix;

/// Rows that one step drops.
const ROWS_PER_STEP: usize = 256;
/// What lies in the partition of a bucket; the counters after what is counted.
const SPACES: [Space; 3] = [Space::Object, Space::Past, Space::Usage];

/// When a node looks next for what is left of buckets.
#[derive(Default)]
pub(crate) struct Sweep(Mutex<Option<MonoTime>>);

impl Sweep {
    fn open(&self) -> MutexGuard<'_, Option<MonoTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// Drops some of it; how many rows.
    pub(super) async fn sweep_gone_buckets(self: &Arc<Self>) -> Result<usize, ModelError> {
        let now = self.env.clock.mono();
        if self.sweep.open().is_some_and(|next| now < next) {
            return Ok(0);
        }
        let view = self.store.view()?;
        let rows = self.env.tasks.blocking(move || left_of_gone_buckets(&view)).await?;
        if rows.is_empty() {
            *self.sweep.open() = Some(now + self.timing.round_pause);
            return Ok(0);
        }
        let (model, count) = (Arc::clone(self), rows.len());
        let drop_all = move |txn: &mut Txn<'_>| {
            for (space, key) in rows {
                release_bodies(txn, space, &key)?;
                model.drop_row(txn, space, &key)?;
            }
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, drop_all).await?;
        Ok(count)
    }
}

fn left_of_gone_buckets(view: &View) -> Result<Vec<(Space, Vec<u8>)>, StoreError> {
    let mut gone = Vec::new();
    view.scan(Space::Bucket, Bound::Unbounded, Bound::Unbounded, &mut |key, value| {
        let row = store::decode::<BucketRow>(Space::Bucket, key, value);
        let id = <[u8; 32]>::try_from(key).ok().filter(|_| row.is_ok_and(|row| row.deleted));
        gone.extend(id.map(|id| PartitionHash::of_shard(&Id::<kind::Bucket>::from_bytes(id), 0)));
        ControlFlow::Continue(())
    })?;
    let mut left = Vec::new();
    for partition in gone {
        for space in SPACES {
            scan_prefix(view, space, partition.as_bytes(), &mut |key, _| {
                left.push((space, key.to_vec()));
                if left.len() < ROWS_PER_STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            if left.len() >= ROWS_PER_STEP {
                return Ok(left);
            }
        }
    }
    Ok(left)
}

/// Queues the bodies that a row names. One that cannot be read names none that others do not know of.
fn release_bodies(txn: &mut Txn<'_>, space: Space, key: &[u8]) -> Result<(), StoreError> {
    if let Some(row) = readable::<ObjectRow>(txn, (Space::Object, space), key)?
        && let Some(body) = row.live().and_then(|object| object.body.id())
    {
        reclaim::enqueue_beaten(txn, body, (row.order, row.version_id()));
    }
    if let Some(row) = readable::<PastRow>(txn, (Space::Past, space), key)?
        && let Some(body) = row.slot.live().and_then(|object| object.body.id())
        && let Some((_, id)) = past::parse_row_key(key)
    {
        reclaim::enqueue_beaten(txn, body, (row.by, id));
    }
    Ok(())
}

fn readable<R: Record>(
    txn: &Txn<'_>,
    (wanted, space): (Space, Space),
    key: &[u8],
) -> Result<Option<R>, StoreError> {
    match txn.get::<R>(space, key) {
        _ if space != wanted => Ok(None),
        Err(StoreError::Unreadable { .. }) => Ok(None),
        found => found,
    }
}
