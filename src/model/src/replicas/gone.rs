//! What is left of buckets that are gone: rows that a delete reached on one replica only, tombstones, counters.
//!
//! Nobody is told of them any more (rule S3), and nothing needs them: a bucket is marked as deleted only once a quorum
//! has chosen that it is gone for ever (rule S5), so each replica drops what it holds for itself. What stays is the row
//! of the bucket, which says that it is deleted, and its seal, which says so to those who have not heard.
//!
//! Where nothing is left nothing is looked for during a day, once this replica has the seal that says that the bucket is
//! gone: then it takes no object there, whoever sends it, not from a home that was away either. Tombstones may still come;
//! they are swept the next day. That is remembered in memory only, so a start looks everywhere.

use super::seal;
use crate::reclaim;
use crate::rows::bucket::BucketRow;
use crate::rows::object::ObjectRow;
use crate::rows::past::{self, PastRow};
use crate::{Model, ModelError};
use base::id::kind;
use base::{Id, PartitionHash};
use env::MonoTime;
use std::collections::BTreeMap;
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
pub(crate) struct Sweep(Mutex<Looks>);

#[derive(Default)]
struct Looks {
    /// At any of them.
    next: Option<MonoTime>,
    /// At those of which nothing was left, by where their objects lay.
    again: BTreeMap<PartitionHash, MonoTime>,
}

/// What is left of buckets, in part.
#[derive(Default)]
struct Left {
    rows: Vec<(Space, Vec<u8>)>,
    /// Nothing is left here.
    swept: Vec<PartitionHash>,
}

impl Sweep {
    fn open(&self) -> MutexGuard<'_, Looks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// Drops some of it; how many rows.
    pub(super) async fn sweep_gone_buckets(self: &Arc<Self>) -> Result<usize, ModelError> {
        let now = self.env.clock.mono();
        if self.sweep.open().next.is_some_and(|next| now < next) {
            return Ok(0);
        }
        let (view, model) = (self.store.view()?, Arc::clone(self));
        let look = move || {
            let is_swept = |partition: &PartitionHash| {
                model.sweep.open().again.get(partition).is_some_and(|again| now < *again)
            };
            let Left { rows, mut swept } = left_of_gone_buckets(&view, is_swept)?;
            let takes_nothing = |partition: &PartitionHash| {
                model.peers.is_alone() || matches!(seal::is_gone(&view, *partition), Ok(true))
            };
            swept.retain(takes_nothing);
            Ok::<_, StoreError>(Left { rows, swept })
        };
        let Left { rows, swept } = self.env.tasks.blocking(look).await?;
        self.note_swept(swept, rows.is_empty(), now);
        if rows.is_empty() {
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

    fn note_swept(&self, swept: Vec<PartitionHash>, is_all: bool, now: MonoTime) {
        let mut looks = self.sweep.open();
        looks.again.extend(swept.into_iter().map(|partition| (partition, now + self.timing.swept_again)));
        if is_all {
            looks.next = Some(now + self.timing.round_pause);
        }
    }
}

fn left_of_gone_buckets(view: &View, is_swept: impl Fn(&PartitionHash) -> bool) -> Result<Left, StoreError> {
    let mut gone = Vec::new();
    view.scan(Space::Bucket, Bound::Unbounded, Bound::Unbounded, &mut |key, value| {
        let row = store::decode::<BucketRow>(Space::Bucket, key, value);
        let id = <[u8; 32]>::try_from(key).ok().filter(|_| row.is_ok_and(|row| row.deleted));
        gone.extend(id.map(|id| PartitionHash::of_shard(&Id::<kind::Bucket>::from_bytes(id), 0)));
        ControlFlow::Continue(())
    })?;
    let mut left = Left::default();
    for partition in gone.into_iter().filter(|partition| !is_swept(partition)) {
        let before = left.rows.len();
        for space in SPACES {
            scan_prefix(view, space, partition.as_bytes(), &mut |key, _| {
                left.rows.push((space, key.to_vec()));
                if left.rows.len() < ROWS_PER_STEP {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
            if left.rows.len() >= ROWS_PER_STEP {
                return Ok(left);
            }
        }
        if left.rows.len() == before {
            left.swept.push(partition);
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
