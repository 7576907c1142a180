//! Deleting a bucket that several nodes keep, so that no object which was acknowledged goes with it.
//!
//! The small tables merge, so they cannot decide whether a put or the delete came first. What decides is the
//! bucket's *seal*: a row of the register that lies with its objects, on the same replicas, under a key that no
//! client can reach. Whoever deletes the bucket seals it, sees then that a quorum holds nothing in it, and only then
//! turns the seal into "gone". What always holds:
//!
//! - a replica whose seal is closed takes no new object, in the transaction that would store it; so an object that a
//!   quorum took before is listed, and none is taken by a quorum after;
//! - each step is a write with the condition that the seal is still the one that this attempt set: who breaks it, or
//!   takes it over, makes the attempt fail;
//! - "gone" is for ever; only then do the other nodes hear that the bucket is deleted.

use super::ballot::Proposal;
use super::claim::note_object;
use super::read::KeyPlace;
use crate::batch::Write;
use crate::listing::ListQuery;
use crate::rows::object::{self, Object, ObjectRow, Slot};
use crate::rows::upload::{UploadRow, UploadState};
use crate::{Model, ModelError};
use base::id::{encode_hex, kind};
use base::{BlockHash, Id, PartitionHash, Stamp};
use env::random_array;
use std::sync::Arc;
use store::{Read, Space, StoreError};

/// The key of a seal, in a partition of its own.
const KEY: &str = "seal";
/// The field that says how the bucket is sealed.
const FIELD: &str = "seal";
/// What it says when the bucket is gone.
const GONE: &str = "gone";
/// Leading bytes of a partition that tell its arc.
const ARC_BYTES: usize = 2;

/// How a bucket is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Somebody is about to delete it.
    Sealed,
    /// It is deleted.
    Gone,
}

/// The partition of the seal of what lies in another one: in the same arc, so with the same owners.
fn partition_of_seal(partition: PartitionHash) -> PartitionHash {
    let mut bytes = [0; PartitionHash::LEN];
    let drawn = BlockHash::of(&[KEY.as_bytes(), partition.as_bytes()].concat());
    bytes.copy_from_slice(&drawn.as_bytes()[..PartitionHash::LEN]);
    bytes[..ARC_BYTES].copy_from_slice(&partition.as_bytes()[..ARC_BYTES]);
    PartitionHash::from_bytes(bytes)
}

fn place_of(bucket: Id<kind::Bucket>) -> KeyPlace {
    let partition = partition_of_seal(PartitionHash::of_shard(&bucket, 0));
    KeyPlace { partition, key: KEY.to_owned() }
}

/// What keeps these writes from this replica: the seal of the bucket in which one of them makes a new object.
pub(super) fn closed_for(
    read: &impl Read,
    writes: &[Write],
    birth: Stamp,
) -> Result<Option<Closed>, StoreError> {
    let new_object = writes.iter().find_map(|write| match write {
        Write::Object { partition, slot: Slot::Live(_), .. } => Some(*partition),
        // What a ballot makes is as old as its request; what is only put forward again is older.
        Write::Accept { partition, row, .. } if row.live().is_some() && row.stamp == birth => {
            Some(*partition)
        }
        _ => None,
    });
    let Some(partition) = new_object else { return Ok(None) };
    let row: Option<ObjectRow> =
        read.get(Space::Object, &object::row_key(partition_of_seal(partition), KEY))?;
    Ok(row.as_ref().and_then(ObjectRow::live).map(|seal| match text_of(seal) {
        GONE => Closed::Gone,
        _ => Closed::Sealed,
    }))
}

fn text_of(seal: &Object) -> &str {
    seal.headers.iter().find(|(field, _)| field == FIELD).map_or("", |(_, text)| text)
}

fn proposal(text: &str) -> Proposal {
    let (object, nothing) = note_object(FIELD, text.to_owned());
    Proposal { slot: Slot::Live(Box::new(object)), inline: Some(nothing), writes: Vec::new(), deadline: None }
}

impl Model {
    /// Makes certain that nothing is in a bucket and that nothing comes into it any more. Open uploads are aborted.
    pub(crate) async fn empty_for_ever(self: &Arc<Self>, bucket: Id<kind::Bucket>) -> Result<(), ModelError> {
        let place = place_of(bucket);
        let mine = encode_hex(&random_array::<16>(self.env.rng.as_ref()));
        let is_gone = |current: Option<&Object>| current.is_some_and(|seal| text_of(seal) == GONE);
        let sealed = self
            .decide(&place, |row| Ok((!is_gone(row.and_then(ObjectRow::live))).then(|| proposal(&mine))))
            .await?;
        if sealed.is_none() {
            // Whoever deleted it did not come to tell everybody.
            return Ok(());
        }
        let emptied = self.see_that_it_is_empty(bucket).await;
        let last = || if emptied.is_ok() { proposal(GONE) } else { open() };
        let is_mine = |current: Option<&Object>| current.is_some_and(|seal| text_of(seal) == mine);
        let decided = self
            .decide(&place, |row| match is_mine(row.and_then(ObjectRow::live)) {
                true => Ok(Some(last())),
                false => Err(ModelError::Unavailable),
            })
            .await;
        emptied.and(decided.map(|_| ()))
    }

    /// What a quorum says: no object is there.
    async fn see_that_it_is_empty(self: &Arc<Self>, bucket: Id<kind::Bucket>) -> Result<(), ModelError> {
        let query = ListQuery { limit: 1, ..ListQuery::default() };
        if !self.list_objects(bucket, query).await?.entries.is_empty() {
            return Err(ModelError::BucketNotEmpty);
        }
        for upload in self.uploads_everywhere(PartitionHash::of_shard(&bucket, 0)).await? {
            let row = UploadRow { state: UploadState::Aborted, ..upload.row };
            self.merge_everywhere(vec![Write::Upload { id: upload.id, row }], None).await?;
        }
        Ok(())
    }

    /// Opens a bucket that somebody sealed and did not come back to: his attempt to delete it fails then.
    pub(crate) async fn break_seal(self: &Arc<Self>, bucket: Id<kind::Bucket>) -> Result<(), ModelError> {
        let is_sealed = |current: Option<&Object>| current.is_some_and(|seal| text_of(seal) != GONE);
        let decided = self
            .decide(&place_of(bucket), |row| Ok(is_sealed(row.and_then(ObjectRow::live)).then(open)))
            .await;
        decided.map(|_| ())
    }
}

fn open() -> Proposal {
    Proposal { slot: Slot::Deleted, inline: None, writes: Vec::new(), deadline: None }
}

#[cfg(test)]
impl Model {
    /// As whoever deletes a bucket and vanishes then.
    pub(crate) async fn seal_for_test(self: &Arc<Self>, bucket: Id<kind::Bucket>) {
        let sealed = self.decide(&place_of(bucket), |_| Ok(Some(proposal("somebody")))).await;
        assert!(sealed.is_ok_and(|stamp| stamp.is_some()));
    }
}
