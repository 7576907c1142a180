//! Objects, bytes and open uploads per bucket shard, counted in the transaction that changes them.
//!
//! The counters are derived: recounting the rows gives the same numbers.

use crate::rows::object::{Object, ObjectRow};
use crate::rows::past::{self, PastRow};
use crate::rows::record_kind;
use base::{Merge, PartitionHash};
use serde::{Deserialize, Serialize};
use store::{Read, Record, Space, Step, StoreError, Txn};
use table::sort_key::walk_prefix;

/// What a bucket shard holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Live objects, by what is current.
    pub objects: i64,
    /// Bytes of their content, and of that of their other versions.
    pub bytes: i64,
    /// Open multipart uploads.
    pub uploads: i64,
}

impl Record for Usage {
    const KIND: u8 = record_kind::USAGE;
    const VERSION: u8 = 1;
}

impl Merge for Usage {
    /// The larger of each: what the fullest replica has counted.
    fn merge(&mut self, other: &Self) {
        self.objects = self.objects.max(other.objects);
        self.bytes = self.bytes.max(other.bytes);
        self.uploads = self.uploads.max(other.uploads);
    }
}

/// What an object counts for.
pub(crate) fn weigh(object: Option<&Object>) -> Usage {
    object.map_or_else(Usage::default, |object| Usage {
        objects: 1,
        bytes: i64::try_from(object.size).unwrap_or(i64::MAX),
        uploads: 0,
    })
}

/// What a version that is not current counts for: its bytes.
pub(crate) fn weigh_past(row: Option<&PastRow>) -> Usage {
    Usage { objects: 0, ..weigh(row.and_then(|row| row.slot.live())) }
}

impl std::ops::Sub for Usage {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            objects: self.objects - other.objects,
            bytes: self.bytes - other.bytes,
            uploads: self.uploads - other.uploads,
        }
    }
}

/// Counts a row that weighed `old` and now weighs `new`.
pub(crate) fn record_change(
    txn: &mut Txn<'_>,
    partition: PartitionHash,
    old: Usage,
    new: Usage,
) -> Result<(), StoreError> {
    if old == new {
        return Ok(());
    }
    let mut usage = of_partition(txn, partition)?;
    usage.objects += new.objects - old.objects;
    usage.bytes += new.bytes - old.bytes;
    usage.uploads += new.uploads - old.uploads;
    txn.put(Space::Usage, partition.as_bytes().to_vec(), &usage);
    Ok(())
}

/// Counts an upload that was or was not open and now is or is not.
pub(crate) fn record_uploads(
    txn: &mut Txn<'_>,
    partition: PartitionHash,
    was_open: bool,
    is_open: bool,
) -> Result<(), StoreError> {
    let weight = |open: bool| Usage { uploads: i64::from(open), ..Usage::default() };
    record_change(txn, partition, weight(was_open), weight(is_open))
}

/// What the shard's counters say.
pub fn of_partition(read: &impl Read, partition: PartitionHash) -> Result<Usage, StoreError> {
    Ok(read.get(Space::Usage, partition.as_bytes())?.unwrap_or_default())
}

/// Objects and bytes counted anew from the rows: what the counters must say.
pub fn recount(read: &impl Read, partition: PartitionHash) -> Result<Usage, StoreError> {
    let mut usage = Usage { uploads: of_partition(read, partition)?.uploads, ..Usage::default() };
    walk_prefix(read, Space::Object, partition.as_bytes(), &mut |_, row: ObjectRow| {
        let weight = weigh(row.live());
        usage.objects += weight.objects;
        usage.bytes += weight.bytes;
        Step::Next
    })?;
    let mut past = Vec::new();
    walk_prefix(read, Space::Past, partition.as_bytes(), &mut |key, row: PastRow| {
        past.push((key.to_vec(), weigh_past(Some(&row)).bytes));
        Step::Next
    })?;
    for (key, bytes) in past.into_iter().filter(|(_, bytes)| *bytes > 0) {
        let head: Option<ObjectRow> = match past::head_key(&key) {
            Some(head_key) => read.get(Space::Object, &head_key)?,
            None => None,
        };
        let id = past::parse_row_key(&key).map(|(_, id)| id);
        // The past row of what is current says nothing.
        if head.as_ref().and_then(ObjectRow::current) != id {
            usage.bytes += bytes;
        }
    }
    Ok(usage)
}
