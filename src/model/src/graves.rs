//! Tombstones: when one may be collected, and what a replica remembers of those that were (rules T1 to T4).
//!
//! A tombstone keeps older rows of its key from coming back, so it may only go when no replica holds an older
//! one and none can arrive any more. For the second, each arc of a table has a *fence*: requests that were born
//! at or below it store nothing there, and are not told that something is absent. What always holds:
//!
//! - a row goes, and the fence of its arc rises, in one transaction;
//! - a fence never falls;
//! - nothing here rests on time: how long a tombstone stays only makes it rare that a request meets a fence.

use crate::reclaim::{Work, is_queued};
use crate::rows::object::{ObjectRow, Slot};
use crate::rows::past::{self, PastRow};
use crate::rows::record_kind;
use crate::rows::reference::ReferenceRow;
use crate::rows::upload::{PartRow, UploadRow, UploadState};
use crate::rows::version::{self, VersionRow};
use crate::tables::{Objects, Parts, Pasts, References, Uploads, Versions};
use base::{Id, PartitionHash, Stamp, WallTime};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::ops::{Bound, ControlFlow};
use store::{Read, Record, Space, Step, StoreError, Txn};
use table::Table;
use table::digest::arc_of;
use table::sort_key::walk_prefix;

/// Bytes of an upload's id, which the keys of its parts begin with.
const UPLOAD_BYTES: usize = 32;

/// A queued tombstone: the row key, behind the time that its own key begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buried {
    /// Number of the row's keyspace.
    pub space: u8,
    /// The row's key.
    #[serde(with = "serde_bytes")]
    pub row_key: Vec<u8>,
}

impl Record for Buried {
    const KIND: u8 = record_kind::TOMBSTONE;
    const VERSION: u8 = 1;
}

/// What a replica does not know of an arc of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// It stands for all that others promised, accepted and forgot before this replica took part: it takes no
    /// version of an order at or below it (rule L4).
    pub floor: Option<Stamp>,
    /// Tombstones were collected here, after all replicas had acknowledged them with clocks up to this: it takes
    /// nothing from a request that was born at or below it (rule T4).
    #[serde(default)]
    pub forgotten: Option<Stamp>,
    /// Another replica lost a row here and joined what the others told: nothing is taken from a request that was born at
    /// or below it, also where the row is there, since that replica may have acknowledged it before (rule M4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mended: Option<Stamp>,
}

impl Record for Fence {
    const KIND: u8 = record_kind::FENCE;
    const VERSION: u8 = 1;
}

impl Fence {
    /// The orders of versions that are refused.
    pub(crate) fn floor(&self) -> Stamp {
        self.floor.unwrap_or(Stamp::ZERO)
    }

    /// The births of requests from which something may have been forgotten.
    pub(crate) fn birth(&self) -> Stamp {
        self.floor.max(self.forgotten).unwrap_or(Stamp::ZERO)
    }

    /// The births of requests of which nothing is stored in a row that merges; whether it is there.
    pub(crate) fn merging(&self, is_there: bool) -> Stamp {
        let mended = self.mended.unwrap_or(Stamp::ZERO);
        if is_there { mended } else { mended.max(self.birth()) }
    }

    /// What stands against a version of this order that a request of this birth brings.
    pub(crate) fn against(&self, order: Stamp, birth: Stamp) -> Stamp {
        match self.forgotten {
            Some(forgotten) if birth <= forgotten => self.floor().max(forgotten).max(order),
            _ => self.floor(),
        }
    }
}

/// Where a row key lies, whatever somebody sent as one.
pub(crate) fn partition_of(row_key: &[u8]) -> PartitionHash {
    let mut bytes = [0; PartitionHash::LEN];
    for (place, byte) in bytes.iter_mut().zip(row_key) {
        *place = *byte;
    }
    PartitionHash::from_bytes(bytes)
}

/// The fence around a row.
pub(crate) fn fence_of(read: &impl Read, space: Space, row_key: &[u8]) -> Result<Fence, StoreError> {
    Ok(read.get(Space::Fence, &fence_key(space, arc_of(row_key)))?.unwrap_or_default())
}

fn fence_key(space: Space, arc: u16) -> Vec<u8> {
    [&[space.number()], arc.to_be_bytes().as_slice()].concat()
}

/// Raises the floor under which this replica takes part in an arc.
pub(crate) fn raise_floor(txn: &mut Txn<'_>, arc: u16, floor: Stamp) -> Result<(), StoreError> {
    raise(txn, (Space::Object, arc), |fence| fence.floor = fence.floor.max(Some(floor)))
}

/// Raises the births of requests that an arc of a table takes nothing from, where another replica lost a row of it.
pub(crate) fn raise_mended(
    txn: &mut Txn<'_>,
    (space, arc): (Space, u16),
    birth: Stamp,
) -> Result<(), StoreError> {
    raise(txn, (space, arc), |fence| fence.mended = fence.mended.max(Some(birth)))
}

fn raise(
    txn: &mut Txn<'_>,
    (space, arc): (Space, u16),
    raise: impl FnOnce(&mut Fence),
) -> Result<(), StoreError> {
    let key = fence_key(space, arc);
    let mut fence: Fence = txn.get(Space::Fence, &key)?.unwrap_or_default();
    raise(&mut fence);
    txn.put(Space::Fence, key, &fence);
    Ok(())
}

/// Queues a row that is now a tombstone.
pub(crate) fn enqueue_tombstone(txn: &mut Txn<'_>, space: Space, row_key: &[u8]) {
    enqueue_tombstone_after(txn, 0, (space, row_key));
}

/// The same for a row that must stay for longer than others.
pub(crate) fn enqueue_tombstone_after(txn: &mut Txn<'_>, delay_ms: u64, (space, row_key): (Space, &[u8])) {
    let since_ms = txn.now().millis().saturating_add(delay_ms);
    let mut key = since_ms.to_be_bytes().to_vec();
    key.push(space.number());
    key.extend(row_key);
    txn.put(Space::Tombstone, key, &Buried { space: space.number(), row_key: row_key.to_vec() });
}

impl Buried {
    /// What a key of the queue says: time, keyspace, row key.
    fn of_key(key: &[u8]) -> Option<Self> {
        let (_since, rest) = key.split_first_chunk::<8>()?;
        let (&space, row_key) = rest.split_first()?;
        Some(Self { space, row_key: row_key.to_vec() })
    }
}

/// A queued tombstone with its place in the queue.
pub(crate) struct Candidate {
    pub queue_key: Vec<u8>,
    pub buried: Buried,
}

impl Candidate {
    /// When its row became a tombstone.
    pub fn since(&self) -> WallTime {
        let time = self.queue_key.first_chunk().map_or(0, |time| u64::from_be_bytes(*time));
        WallTime(time)
    }
}

/// Queued tombstones behind `from` that are as old as `before`, at most `limit`.
pub(crate) fn candidates(
    read: &impl Read,
    from: &[u8],
    before: WallTime,
    limit: usize,
) -> Result<Vec<Candidate>, StoreError> {
    let (to, mut found) = (before.millis().to_be_bytes(), Vec::new());
    if from >= to.as_slice() {
        return Ok(found);
    }
    read.scan(Space::Tombstone, Bound::Included(from), Bound::Excluded(&to), &mut |key, bytes| {
        // The key says the same, and the row is looked at before anything goes.
        let buried = store::decode(Space::Tombstone, key, bytes).ok().or_else(|| Buried::of_key(key));
        found.extend(buried.map(|buried| Candidate { queue_key: key.to_vec(), buried }));
        if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}

/// A tombstone, by where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grave {
    /// Number of the row's keyspace.
    pub space: u8,
    pub row_key: Bytes,
    /// The order of an object's row; all other rows are tombstones for ever.
    pub order: Stamp,
}

/// What this node holds where a tombstone was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// No row, or one that is no tombstone.
    Nothing,
    /// A tombstone that is still needed here.
    Needed,
    /// A tombstone, or no row at all, with a promise above it: some ballot may not have ended.
    Promised(Stamp),
    /// A tombstone of this order.
    Tombstone(Stamp),
}

/// What lies under a key of a keyspace.
pub(crate) fn look(read: &impl Read, space: u8, row_key: &[u8]) -> Result<Held, StoreError> {
    match space {
        space if space == Space::Object.number() => look_at_object(read, row_key),
        space if space == Space::Past.number() => look_at_past(read, row_key),
        space if space == Space::Version.number() => look_at_version(read, row_key),
        space if space == Space::BlockRef.number() => look_at_reference(read, row_key),
        space if space == Space::Upload.number() => look_at_upload(read, row_key),
        space if space == Space::Part.number() => look_at_part(read, row_key),
        _ => Ok(Held::Nothing),
    }
}

fn look_at_object(read: &impl Read, row_key: &[u8]) -> Result<Held, StoreError> {
    let row: Option<ObjectRow> = read.get(Space::Object, row_key)?;
    Ok(match row {
        Some(row) if is_promised(&row) => Held::Promised(row.order),
        // What is left of versions goes first: a past row is never without the row of its key.
        Some(row) if row.slot == Slot::Deleted && has_past(read, row_key)? => Held::Needed,
        Some(row) if row.slot == Slot::Deleted => Held::Tombstone(row.order),
        _ => Held::Nothing,
    })
}

/// Whether any past row stands beside the row of a key.
pub(crate) fn has_past(read: &impl Read, head_key: &[u8]) -> Result<bool, StoreError> {
    let (from, to) = past::range_beside(head_key);
    let mut found = false;
    read.walk(Space::Past, &from, Some(&to), &mut |_, _: PastRow| {
        found = true;
        Step::Stop
    })?;
    Ok(found)
}

/// A past row that is gone is needed as long as the row of its key is older: that one may carry the version along,
/// wherever it is copied to.
fn look_at_past(read: &impl Read, row_key: &[u8]) -> Result<Held, StoreError> {
    let row: Option<PastRow> = read.get(Space::Past, row_key)?;
    let Some(row) = row.filter(|row| row.slot == Slot::Deleted) else { return Ok(Held::Nothing) };
    let head: Option<ObjectRow> = match past::head_key(row_key) {
        Some(head_key) => read.get(Space::Object, &head_key)?,
        None => None,
    };
    let is_covered = head.is_some_and(|head| head.order >= row.by);
    Ok(if is_covered { Held::Tombstone(row.by) } else { Held::Needed })
}

/// Whether a tombstone has a promise above it: some ballot may not have ended.
fn is_promised(row: &ObjectRow) -> bool {
    row.slot == Slot::Deleted && row.promise() > row.order
}

fn look_at_version(read: &impl Read, row_key: &[u8]) -> Result<Held, StoreError> {
    let row: Option<VersionRow> = read.get(Space::Version, row_key)?;
    let Some(_) = row.filter(|row| row.dead) else { return Ok(Held::Nothing) };
    // As long as what it lists has to be let go, it is needed.
    let work = version::parse_row_key(row_key).map(|(body, number)| Work::DropReferences(body, number));
    held_unless(work.map_or(Ok(false), |work| is_queued(read, work))?)
}

fn look_at_reference(read: &impl Read, row_key: &[u8]) -> Result<Held, StoreError> {
    let row: Option<ReferenceRow> = read.get(Space::BlockRef, row_key)?;
    Ok(row.filter(|row| row.removed).map_or(Held::Nothing, |_| Held::Tombstone(Stamp::ZERO)))
}

fn look_at_upload(read: &impl Read, row_key: &[u8]) -> Result<Held, StoreError> {
    if !is_closed(read, row_key)? {
        return Ok(Held::Nothing);
    }
    // Its parts go first: none of them is ever without it.
    held_unless(is_closing(read, row_key)? || !parts_of(read, row_key, 1)?.is_empty())
}

/// A part is as dead as its upload.
fn look_at_part(read: &impl Read, row_key: &[u8]) -> Result<Held, StoreError> {
    let Some(upload) = row_key.get(..UPLOAD_BYTES) else { return Ok(Held::Nothing) };
    let row: Option<PartRow> = read.get(Space::Part, row_key)?;
    if row.is_none() || !is_closed(read, upload)? {
        return Ok(Held::Nothing);
    }
    held_unless(is_closing(read, upload)?)
}

fn held_unless(needed: bool) -> Result<Held, StoreError> {
    Ok(if needed { Held::Needed } else { Held::Tombstone(Stamp::ZERO) })
}

fn is_closed(read: &impl Read, upload: &[u8]) -> Result<bool, StoreError> {
    let row: Option<UploadRow> = read.get(Space::Upload, upload)?;
    Ok(row.is_some_and(|row| row.state != UploadState::Open))
}

fn is_closing(read: &impl Read, upload: &[u8]) -> Result<bool, StoreError> {
    match <[u8; 32]>::try_from(upload) {
        Ok(id) => is_queued(read, Work::CloseUpload(Id::from_bytes(id))),
        Err(_) => Ok(false),
    }
}

/// Keys of parts of an upload.
fn parts_of(read: &impl Read, upload: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut keys = Vec::new();
    walk_prefix(read, Space::Part, upload, &mut |key, _: PartRow| {
        keys.push(key.to_vec());
        if keys.len() < limit { Step::Next } else { Step::Stop }
    })?;
    Ok(keys)
}

/// The first parts of a closed upload, which go before it.
pub(crate) fn graves_of_parts(
    read: &impl Read,
    buried: &Buried,
    limit: usize,
) -> Result<Vec<Grave>, StoreError> {
    let upload = &buried.row_key;
    let is_due =
        buried.space == Space::Upload.number() && is_closed(read, upload)? && !is_closing(read, upload)?;
    let keys = if is_due { parts_of(read, upload, limit)? } else { Vec::new() };
    let grave = |key: Vec<u8>| Grave { space: Space::Part.number(), row_key: key.into(), order: Stamp::ZERO };
    Ok(keys.into_iter().map(grave).collect())
}

/// Whether this replica holds that tombstone, or something newer, and no ballot about it is open (rule T2).
pub(crate) fn acknowledges(read: &impl Read, grave: &Grave) -> Result<bool, StoreError> {
    if grave.space == Space::Past.number() {
        let held = look(read, grave.space, &grave.row_key)?;
        return Ok(matches!(held, Held::Tombstone(by) if by >= grave.order));
    }
    if grave.space != Space::Object.number() {
        return Ok(matches!(look(read, grave.space, &grave.row_key)?, Held::Tombstone(_)));
    }
    let row: Option<ObjectRow> = read.get(Space::Object, &grave.row_key)?;
    Ok(row.is_some_and(|row| row.order >= grave.order && !is_promised(&row))
        && !has_past(read, &grave.row_key)?)
}

/// Drops a tombstone that all replicas acknowledged, if what is held here is exactly that, and raises the fence of its
/// arc (rule T3).
pub(crate) fn collect(
    txn: &mut Txn<'_>,
    grave: &Grave,
    held: Held,
    fence: Stamp,
) -> Result<bool, StoreError> {
    if look(txn, grave.space, &grave.row_key)? != held {
        return Ok(false);
    }
    let Some(space) = remove_row(txn, grave)? else { return Ok(false) };
    raise(txn, (space, arc_of(&grave.row_key)), |known| {
        known.forgotten = known.forgotten.max(Some(fence));
    })?;
    Ok(true)
}

fn remove_row(txn: &mut Txn<'_>, grave: &Grave) -> Result<Option<Space>, StoreError> {
    let key = grave.row_key.as_ref();
    match grave.space {
        space if space == Space::Object.number() => remove::<Objects>(txn, key),
        space if space == Space::Past.number() => remove::<Pasts>(txn, key),
        space if space == Space::Version.number() => remove::<Versions<'_>>(txn, key),
        space if space == Space::BlockRef.number() => remove::<References<'_>>(txn, key),
        space if space == Space::Upload.number() => remove::<Uploads>(txn, key),
        space if space == Space::Part.number() => remove::<Parts>(txn, key),
        _ => Ok(None),
    }
}

fn remove<T: Table>(txn: &mut Txn<'_>, key: &[u8]) -> Result<Option<Space>, StoreError> {
    let Some(row) = txn.get::<T::Row>(T::SPACE, key)? else { return Ok(None) };
    table::remove::<T>(txn, key.to_vec(), &row)?;
    Ok(Some(T::SPACE))
}
