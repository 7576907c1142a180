//! Deleting a bucket that several nodes keep, so that no object which was acknowledged goes with it.
//!
//! The small tables merge, so they cannot decide whether a put or the delete came first. What decides is the
//! bucket's *seal*: a row of the register that lies with its objects, on the same replicas, under a key that no
//! client can reach. Whoever deletes the bucket seals it, sees then that a quorum holds nothing in it, and only then
//! turns the seal into "gone". What always holds:
//!
//! - a replica whose seal is closed takes no object, not even one that is put forward again, in the transaction that
//!   would store it; and only a replica that took the seal lists for it. So whoever acknowledged an object listed it,
//!   or took it after the seal was broken;
//! - each step is a write with the condition that the seal is still the one that this attempt set: who breaks it, or
//!   takes it over, makes the attempt fail;
//! - "gone" is for ever; only then do the other nodes hear that the bucket is deleted.
//!
//! The rules, each with what breaks without it, are in `doc/decisions/0005-deleting-a-bucket.md`.

use super::ballot::Proposal;
use super::claim::note_object;
use super::list::Page;
use super::read::KeyPlace;
use crate::batch::Write;
use crate::listing::{ListQuery, ListedUpload};
use crate::rows::object::{self, Object, ObjectRow, Slot};
use crate::rows::upload::{UploadRow, UploadState};
use crate::{Model, ModelError};
use base::id::{encode_hex, kind};
use base::{BlockHash, Id, PartitionHash};
use env::random_array;
use std::sync::Arc;
use store::{Read, Space, Step, StoreError};

/// Uploads of a bucket that is deleted which are aborted in one message.
const ABORTED_AT_ONCE: usize = 256;

/// The key of a seal, in a partition of its own.
const KEY: &str = "seal";
/// The field that says how the bucket is sealed.
const FIELD: &str = "seal";
/// What it says when the bucket is gone.
const GONE: &str = "gone";
/// What it says when it is being opened again: it is closed still.
const OPENING: &str = "opening";
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

/// What keeps these writes from this replica: the seal of the bucket in which one of them has an object be there, a
/// new one or one that is put forward again.
pub(super) fn closed_for(read: &impl Read, writes: &[Write]) -> Result<Option<Closed>, StoreError> {
    let live = writes.iter().find_map(|write| match write {
        Write::Object { partition, slot: Slot::Live(_), .. } => Some(*partition),
        Write::Accept { partition, row, .. } if row.current().is_some() => Some(*partition),
        _ => None,
    });
    live.map_or(Ok(None), |partition| closed(read, partition))
}

/// How the bucket is closed whose objects lie in a partition, as far as this replica knows.
pub(crate) fn closed(read: &impl Read, partition: PartitionHash) -> Result<Option<Closed>, StoreError> {
    let text = text_here(read, partition)?;
    Ok(text.map(|text| if text == GONE { Closed::Gone } else { Closed::Sealed }))
}

/// Whether the bucket whose objects lie in a partition is gone, as far as this replica knows: then it says nothing of
/// what it held (rule S3).
pub(super) fn is_gone(read: &impl Read, partition: PartitionHash) -> Result<bool, StoreError> {
    closed(read, partition).map(|closed| closed == Some(Closed::Gone))
}

/// Whether this replica may say what lies in a partition to somebody who sealed it so: only if it took that seal, so
/// that it takes nothing from now on (rule S4 of `doc/decisions/0005-deleting-a-bucket.md`).
pub(super) fn may_list(
    read: &impl Read,
    partition: PartitionHash,
    seal: Option<&str>,
) -> Result<bool, StoreError> {
    match seal {
        Some(seal) => Ok(text_here(read, partition)?.as_deref() == Some(seal)),
        None => Ok(true),
    }
}

fn text_here(read: &impl Read, partition: PartitionHash) -> Result<Option<String>, StoreError> {
    let row_key = object::row_key(partition_of_seal(partition), KEY);
    let row: Option<ObjectRow> = read.get(Space::Object, &row_key)?;
    Ok(row.as_ref().and_then(ObjectRow::live).map(|seal| text_of(seal).to_owned()))
}

fn text_of(seal: &Object) -> &str {
    seal.headers.iter().find(|(field, _)| field == FIELD).map_or("", |(_, text)| text)
}

fn proposal(text: &str) -> Proposal {
    let (object, nothing) = note_object(FIELD, text.to_owned());
    Proposal::plain(Slot::Live(Box::new(object)), Some(nothing))
}

impl Model {
    /// Makes certain that nothing is in a bucket and that nothing comes into it any more. Open uploads are aborted.
    pub(crate) async fn empty_for_ever(self: &Arc<Self>, bucket: Id<kind::Bucket>) -> Result<(), ModelError> {
        let mine = encode_hex(&random_array::<16>(self.env.rng.as_ref()));
        // Gone already: whoever deleted it did not come to tell everybody.
        if !self.reseal(bucket, |text| text != Some(GONE), || proposal(&mine)).await? {
            return Ok(());
        }
        let emptied = self.see_that_it_is_empty(bucket, &mine).await;
        if emptied.is_err() {
            self.open_again(bucket, |text| text == Some(mine.as_str())).await?;
            return emptied;
        }
        let is_gone = self.reseal(bucket, |text| text == Some(mine.as_str()), || proposal(GONE)).await?;
        // Somebody broke the seal, or set another one.
        if is_gone { Ok(()) } else { Err(ModelError::Unavailable) }
    }

    /// What a quorum says of those who took this seal: no object is there.
    async fn see_that_it_is_empty(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        seal: &str,
    ) -> Result<(), ModelError> {
        let partition = PartitionHash::of_shard(&bucket, 0);
        let query = ListQuery { limit: 1, ..ListQuery::default() };
        let from = query.first_row(partition);
        let page = Page::new(partition, query, from).under_seal(seal.to_owned());
        if !self.list_everywhere(page).await?.entries.is_empty() {
            return Err(ModelError::BucketNotEmpty);
        }
        loop {
            let mut aborted = Vec::new();
            let abort = |upload: ListedUpload| {
                let row = UploadRow { state: UploadState::Aborted, ..upload.row };
                aborted.push(Write::Upload { id: upload.id, row });
                if aborted.len() < ABORTED_AT_ONCE { Step::Next } else { Step::Stop }
            };
            self.each_open_upload(partition, abort).await?;
            if aborted.is_empty() {
                return Ok(());
            }
            self.merge_everywhere(aborted, None).await?;
        }
    }

    /// Opens a bucket that somebody sealed and did not come back to: his attempt to delete it fails then.
    pub(crate) async fn break_seal(self: &Arc<Self>, bucket: Id<kind::Bucket>) -> Result<(), ModelError> {
        self.open_again(bucket, |text| text.is_some_and(|text| text != GONE && text != OPENING)).await
    }

    /// What came of a new object; a seal that stayed in its way is broken, so that whoever tries again is served.
    pub(crate) async fn break_seal_after<T>(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        outcome: Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        if matches!(outcome, Err(ModelError::BucketBusy)) {
            self.break_seal(bucket).await?;
        }
        outcome
    }

    /// In two steps: a replica that takes the second one knows by it that the first was chosen, and so that nobody can
    /// go on under the seal. One that opened at a step that is never chosen would take what nobody lists.
    async fn open_again(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        is_wanted: impl Fn(Option<&str>) -> bool + Send + Sync,
    ) -> Result<(), ModelError> {
        self.reseal(bucket, is_wanted, || proposal(OPENING)).await?;
        self.reseal(bucket, |text| text == Some(OPENING), open).await.map(|_| ())
    }

    /// Replaces the seal, if it says what is wanted; whether it did.
    async fn reseal(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        is_wanted: impl Fn(Option<&str>) -> bool + Send + Sync,
        next: impl Fn() -> Proposal + Send + Sync,
    ) -> Result<bool, ModelError> {
        let place = place_of(bucket);
        let decided = self.decide(&place, |row| {
            let text = row.and_then(ObjectRow::live).map(text_of);
            Ok(is_wanted(text).then(&next))
        });
        decided.await.map(|stamp| stamp.is_some())
    }
}

fn open() -> Proposal {
    Proposal::plain(Slot::Deleted, None)
}

#[cfg(test)]
impl Model {
    /// As whoever deletes a bucket and vanishes then.
    pub(crate) async fn seal_for_test(self: &Arc<Self>, bucket: Id<kind::Bucket>) {
        assert!(self.reseal(bucket, |_| true, || proposal("somebody")).await.unwrap());
    }

    /// As whoever breaks a seal and vanishes then.
    pub(crate) async fn begin_to_open_for_test(self: &Arc<Self>, bucket: Id<kind::Bucket>) {
        assert!(self.reseal(bucket, |_| true, || proposal(OPENING)).await.unwrap());
    }

    pub(crate) fn is_closed_for_test(&self, bucket: Id<kind::Bucket>) -> bool {
        let view = self.store.view().unwrap();
        closed(&view, PartitionHash::of_shard(&bucket, 0)).unwrap() == Some(Closed::Sealed)
    }

    pub(crate) fn is_gone_for_test(&self, bucket: Id<kind::Bucket>) -> bool {
        is_gone(&self.store.view().unwrap(), PartitionHash::of_shard(&bucket, 0)).unwrap()
    }

    /// As if this replica had never heard of a seal.
    pub(crate) async fn open_alone_for_test(self: &Arc<Self>, bucket: Id<kind::Bucket>) {
        self.forget_row_for_test(place_of(bucket)).await;
    }

    /// As if this replica had never heard of a key.
    pub(crate) async fn forget_for_test(self: &Arc<Self>, bucket: Id<kind::Bucket>, key: &str) {
        self.forget_row_for_test(KeyPlace::of(bucket, key.to_owned())).await;
    }

    async fn forget_row_for_test(self: &Arc<Self>, place: KeyPlace) {
        let row_key = object::row_key(place.partition, &place.key);
        let forget = move |txn: &mut store::Txn<'_>| {
            let row: ObjectRow = txn.get(Space::Object, &row_key)?.unwrap();
            table::remove::<crate::tables::Objects>(txn, row_key, &row)?;
            Ok::<_, ModelError>(())
        };
        self.store.commit(store::Intent::Free, forget).await.unwrap();
    }

    pub(crate) async fn list_under_seal_for_test(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
    ) -> Result<(), ModelError> {
        self.see_that_it_is_empty(bucket, "somebody").await
    }
}
