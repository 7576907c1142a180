//! `NodeBatch`: everything one request writes on one node, in one message and one transaction.
//!
//! `table` and `block` do not know each other; this is where they meet. On a node that is alone the
//! stamp of a batch is given when it commits, so that the order of stamps is the order of commits, and
//! never when its upload began. Where several replicas decide, the coordinator gives it, and each
//! replica says what became of every object row.

use crate::rows::object::{self, Beside, Content, InlineBody, Object, ObjectRow, Slot};
use crate::rows::past::{self, PastRow, VersionId};
use crate::rows::reference::{self, ReferenceRow, Referrer, Target};
use crate::rows::upload::{self, PartRow, UploadRow};
use crate::rows::version::{self, PendingBody, VersionRow};
use crate::tables::{Tables, Upkeep};
use crate::{ModelError, graves, versions};
use base::id::kind;
use base::{Id, PartNumber, PartitionHash, Stamp};
use block::BlockStore;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{Read, Space, StoreError, Txn};
use table::register::{Stored, Version};
use table::{Applied, Change};

/// One write of a batch. The fields are named after the types they hold.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Write {
    /// The null slot of a key, with its inline bytes, under the batch's stamp.
    #[serde(rename = "o")]
    Object { partition: PartitionHash, key: String, slot: Slot, inline: Option<Bytes> },
    /// The same under an order of its own: put forward by a ballot, or copied from another replica.
    #[serde(rename = "a")]
    Accept { partition: PartitionHash, key: String, row: ObjectRow, beside: Beside },
    /// A past row of a key, with its inline bytes.
    #[serde(rename = "b")]
    Past { partition: PartitionHash, key: String, id: VersionId, row: PastRow, inline: Option<Bytes> },
    /// A row of a body.
    #[serde(rename = "v")]
    Version { body: Id<kind::Body>, number: u32, row: VersionRow },
    /// Holds a target.
    #[serde(rename = "h")]
    Hold { target: Target, referrer: Referrer },
    /// Lets a target go.
    #[serde(rename = "r")]
    Release { target: Target, referrer: Referrer },
    /// An upload.
    #[serde(rename = "u")]
    Upload { id: Id<kind::Upload>, row: UploadRow },
    /// A part; its stamp is the batch's.
    #[serde(rename = "p")]
    Part { upload: Id<kind::Upload>, number: PartNumber, row: PartRow },
    /// A body whose entry is yet to come.
    #[serde(rename = "w")]
    Pending { body: Id<kind::Body>, mark: PendingBody },
    /// The body's entry is in this batch, or the body was given up.
    #[serde(rename = "s")]
    Settled { body: Id<kind::Body> },
}

/// What one request writes on one node.
#[derive(Debug, Clone, Default)]
pub struct NodeBatch {
    /// In order.
    pub writes: Vec<Write>,
}

/// The order that a coordinator puts a batch forward under, and the identity of what it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// What rows are ordered by.
    pub order: Stamp,
    /// The first stamp of the write, which its objects show.
    pub id: Stamp,
}

impl NodeBatch {
    /// A batch of these writes.
    pub fn new(writes: Vec<Write>) -> Self {
        Self { writes }
    }

    /// Applies every write under one stamp of this node, which is alone; the stamp comes back.
    pub fn apply(self, blocks: &BlockStore, txn: &mut Txn<'_>) -> Result<Stamp, StoreError> {
        let stamp = txn.stamp();
        let tables = Tables::new(blocks, Upkeep::Here);
        for write in self.writes {
            match write {
                Write::Object { partition, key, slot, inline } => {
                    let row = ObjectRow::new(stamp, slot);
                    let key = object::row_key(partition, &key);
                    table::apply(&tables.objects, txn, key, &row, inline.map(to_inline))?;
                }
                other => drop(other.merge(&tables, txn, stamp)?),
            }
        }
        Ok(stamp)
    }

    /// Applies every write as one replica of several: the answers are those to the object rows, in the
    /// order of their writes. `birth` is that of the request.
    pub fn store(
        self,
        (position, birth): (Position, Stamp),
        blocks: &BlockStore,
        txn: &mut Txn<'_>,
    ) -> Result<Vec<Stored>, StoreError> {
        let tables = Tables::new(blocks, Upkeep::Everywhere);
        let mut answers = Vec::new();
        for write in self.writes {
            match write {
                Write::Object { partition, key, slot, inline } => {
                    let value = Content { slot, lineage: None, before: Vec::new() };
                    let version = Version { order: position.order, id: position.id, value };
                    let key = object::row_key(partition, &key);
                    answers.push(store_object(&tables, txn, (&key, birth), version, inline.into())?);
                }
                Write::Accept { partition, key, row, beside } => {
                    let key = object::row_key(partition, &key);
                    let Some(version) = row.version() else { continue };
                    answers.push(store_object(&tables, txn, (&key, birth), version, beside)?);
                }
                other => drop(other.merge(&tables, txn, position.id)?),
            }
        }
        Ok(answers)
    }

    /// T4: whether a fence keeps a request of this birth from adding a row that is not there.
    pub fn is_fenced(&self, birth: Stamp, read: &impl Read) -> Result<bool, StoreError> {
        for (space, key) in self.writes.iter().filter_map(Write::merged_row) {
            let fence = graves::fence_of(read, space, &key)?;
            if birth <= fence.merging(false) && birth <= fence.merging(read.get_bytes(space, &key)?.is_some())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Write {
    /// Where it belongs.
    pub fn partition(&self) -> PartitionHash {
        match self {
            Write::Object { partition, .. }
            | Write::Accept { partition, .. }
            | Write::Past { partition, .. } => *partition,
            Write::Version { body, .. } | Write::Pending { body, .. } | Write::Settled { body } => {
                PartitionHash::of_uniform(body.as_bytes())
            }
            Write::Hold { target, .. } | Write::Release { target, .. } => target.partition(),
            Write::Upload { id, .. } | Write::Part { upload: id, .. } => upload::partition_of(id),
        }
    }

    /// The row that it merges into, if it is one that replicas have in common.
    fn merged_row(&self) -> Option<(Space, Vec<u8>)> {
        match self {
            Write::Version { body, number, .. } => Some((Space::Version, version::row_key(body, *number))),
            Write::Hold { target, referrer } | Write::Release { target, referrer } => {
                Some((Space::BlockRef, reference::row_key(*target, *referrer)))
            }
            Write::Upload { id, .. } => Some((Space::Upload, upload::row_key(id))),
            Write::Part { upload, number, row } => {
                Some((Space::Part, upload::part_key(upload, *number, &row.body)))
            }
            Write::Past { partition, key, id, .. } => {
                Some((Space::Past, past::row_key(*partition, key, *id)))
            }
            Write::Object { .. } | Write::Accept { .. } | Write::Pending { .. } | Write::Settled { .. } => {
                None
            }
        }
    }

    /// Whether replicas decide about it; everything else merges.
    pub fn is_decided(&self) -> bool {
        matches!(self, Write::Object { .. } | Write::Accept { .. })
    }

    /// Whether it is a write of a bucket without versions, in one round.
    pub fn is_plain(&self) -> bool {
        matches!(self, Write::Object { .. })
    }

    /// Whether it only says that something has ended, so that nobody needs to wait for it.
    pub fn is_note(&self) -> bool {
        matches!(self, Write::Settled { .. })
    }

    /// Whether it frees room, or only records what must be recorded.
    pub fn frees(&self) -> bool {
        match self {
            Write::Object { slot, .. } => *slot == Slot::Deleted,
            Write::Accept { .. } | Write::Release { .. } | Write::Settled { .. } => true,
            Write::Version { row, .. } => row.dead,
            Write::Upload { row, .. } => row.state != upload::UploadState::Open,
            Write::Past { row, .. } => row.slot == Slot::Deleted,
            Write::Hold { .. } | Write::Part { .. } | Write::Pending { .. } => false,
        }
    }

    /// Refuses an object row whose bytes are not what it says: nothing is stored that was not verified.
    pub fn check(&self) -> Result<(), ModelError> {
        let is_whole = match self {
            Write::Object { slot, inline, .. } => fits(slot, inline.as_ref()),
            Write::Past { row, inline, .. } => fits(&row.slot, inline.as_ref()),
            Write::Accept { row, beside, .. } => beside.fits(row),
            _ => true,
        };
        if is_whole { Ok(()) } else { Err(ModelError::Damaged) }
    }

    fn merge(self, tables: &Tables<'_>, txn: &mut Txn<'_>, stamp: Stamp) -> Result<Applied, StoreError> {
        match self {
            Write::Object { .. } | Write::Accept { .. } => Ok(Applied::Unchanged),
            Write::Version { body, number, row } => {
                table::apply(&tables.versions, txn, version::row_key(&body, number), &row, None)
            }
            Write::Hold { target, referrer } => {
                let key = reference::row_key(target, referrer);
                table::apply(&tables.references, txn, key, &ReferenceRow { removed: false }, None)
            }
            Write::Release { target, referrer } => {
                let key = reference::row_key(target, referrer);
                table::apply(&tables.references, txn, key, &ReferenceRow { removed: true }, None)
            }
            Write::Past { partition, key, id, row, inline } => {
                let key = past::row_key(partition, &key, id);
                let row = versions::as_kept(txn, &key, row)?;
                table::apply(&tables.pasts, txn, key, &row, inline.map(to_inline))
            }
            Write::Upload { id, row } => table::apply(&tables.uploads, txn, upload::row_key(&id), &row, None),
            Write::Part { upload, number, row } => {
                let row = PartRow { stamp, ..row };
                table::apply(&tables.parts, txn, upload::part_key(&upload, number, &row.body), &row, None)
            }
            Write::Pending { body, mark } => {
                txn.put(Space::Pending, body.as_bytes().to_vec(), &mark);
                Ok(Applied::Changed)
            }
            Write::Settled { body } => {
                txn.delete(Space::Pending, body.as_bytes().to_vec());
                Ok(Applied::Changed)
            }
        }
    }
}

fn to_inline(bytes: Bytes) -> InlineBody {
    InlineBody(bytes.to_vec())
}

/// Whether bytes are those that an entry has beside its row.
pub(crate) fn fits(slot: &Slot, inline: Option<&Bytes>) -> bool {
    slot.live().and_then(Object::inline_hash) == inline.map(|bytes| base::BlockHash::of(bytes))
}

impl Beside {
    /// Whether these are the bytes that a row calls for. Those of what it puts aside may be missing: then its past row
    /// was overtaken where they were looked for.
    pub(crate) fn fits(&self, row: &ObjectRow) -> bool {
        let fits_aside = |bytes| row.slot_aside().is_some_and(|aside| fits(aside, Some(bytes)));
        fits(&row.slot, self.own.as_ref()) && self.aside.as_ref().is_none_or(fits_aside)
    }
}

/// Puts a version, which came with a request of this birth, to this replica of its key.
pub(crate) fn store_object(
    tables: &Tables<'_>,
    txn: &mut Txn<'_>,
    (key, birth): (&[u8], Stamp),
    version: Version<Content>,
    beside: Beside,
) -> Result<Stored, StoreError> {
    let against = graves::fence_of(txn, Space::Object, key)?.against(version.order, birth);
    put_version(tables, txn, key, (version, against), beside)
}

/// The same for a version that is copied on the way into the replica set (rule L5).
pub(crate) fn copy_object(
    tables: &Tables<'_>,
    txn: &mut Txn<'_>,
    key: &[u8],
    version: Version<Content>,
    beside: Beside,
) -> Result<Stored, StoreError> {
    put_version(tables, txn, key, (version, Stamp::ZERO), beside)
}

fn put_version(
    tables: &Tables<'_>,
    txn: &mut Txn<'_>,
    key: &[u8],
    (version, floor): (Version<Content>, Stamp),
    beside: Beside,
) -> Result<Stored, StoreError> {
    let old: Option<ObjectRow> = txn.get(Space::Object, key)?;
    let mut replica = ObjectRow::replica(old.as_ref());
    let before = replica.clone();
    let answer = match stands_against(old.as_ref(), &version) {
        Some(promise) => Stored::Blocked { promise },
        None => replica.store(&version, floor),
    };
    if replica != before {
        let new = ObjectRow::of_replica(replica);
        put_row(tables, txn, key, (old.as_ref(), &new), beside)?;
    } else if answer != Stored::Yes {
        tables.objects.lost(txn, &ObjectRow::of_version(version));
    }
    Ok(answer)
}

/// A write that knows of no versions takes the place of none (doc/models/versions.rs, rule "refuse-plain").
fn stands_against(old: Option<&ObjectRow>, version: &Version<Content>) -> Option<Stamp> {
    let row = old.filter(|row| version.value.lineage.is_none() && row.lineage.is_some())?;
    Some(row.promise().max(row.order))
}

/// Stores a row of a key, and the past rows that come with it.
pub(crate) fn put_row(
    tables: &Tables<'_>,
    txn: &mut Txn<'_>,
    key: &[u8],
    (old, new): (Option<&ObjectRow>, &ObjectRow),
    beside: Beside,
) -> Result<(), StoreError> {
    table::replace(&tables.objects, txn, key.to_vec(), Change { old, new }, beside.own.map(to_inline))?;
    let is_new = old.map(|old| (old.order, old.stamp)) != Some((new.order, new.stamp));
    if let Some(old) = old.filter(|_| is_new) {
        versions::doubt_aside(tables, txn, key, (old, new))?;
    }
    let Some((id, row)) = new.aside().filter(|_| is_new) else { return Ok(()) };
    // Without its bytes a past row was overtaken elsewhere; what overtook it comes by itself.
    if fits(&row.slot, beside.aside.as_ref()) {
        let key = past::beside(key, id);
        table::apply(&tables.pasts, txn, key, &row, beside.aside.map(to_inline))?;
    }
    for (id, row) in new.also_gone() {
        table::apply(&tables.pasts, txn, past::beside(key, id), &row, None)?;
    }
    Ok(())
}

/// Makes this replica promise a ballot; what it held, or the stamp that stands against it.
pub(crate) fn prepare(
    blocks: &BlockStore,
    txn: &mut Txn<'_>,
    key: Vec<u8>,
    ballot: Stamp,
) -> Result<Result<Option<ObjectRow>, Stamp>, StoreError> {
    let old: Option<ObjectRow> = txn.get(Space::Object, &key)?;
    let mut replica = ObjectRow::replica(old.as_ref());
    // T4: what an older ballot sent would be refused, and of a row that is not there this replica may have forgotten
    // what it must find.
    let answer = replica.prepare(ballot, graves::fence_of(txn, Space::Object, &key)?.birth());
    if answer.is_ok() {
        let new = ObjectRow::of_replica(replica);
        let tables = Tables::new(blocks, Upkeep::Everywhere);
        let change = Change { old: old.as_ref(), new: &new };
        table::replace(&tables.objects, txn, key, change, None)?;
    }
    Ok(answer.map(|held| held.map(ObjectRow::of_version)))
}

impl Object {
    /// The hash of the bytes beside the row, if that is where they are.
    pub fn inline_hash(&self) -> Option<base::BlockHash> {
        match &self.body {
            object::Body::Inline(hash) => Some(*hash),
            _ => None,
        }
    }
}
