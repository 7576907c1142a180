//! Objects: put, get, delete. Each change is one transaction that checks the bucket, the
//! condition and the quota, and writes one batch.

use crate::admin::read_bucket;
use crate::reader::{ByteRange, Reading};
use crate::replicas::{Entry, KeyPlace};
use crate::rows::acl::Acl;
use crate::rows::bucket::Quotas;
use crate::rows::object::{self, Body, Checksum, ETag, InlineBody, Object, ObjectRow, Rare, Slot};
use crate::usage::Usage;
use crate::{BodyReader, FinishedBody, Model, ModelError, NodeBatch, Write, usage};
use base::id::kind;
use base::{Id, PartitionHash, Stamp};
use block::BlockLock;
use bytes::Bytes;
use std::sync::Arc;
use store::{Intent, Read, Space, Txn};

/// What a request says about an object besides its bytes.
#[derive(Debug, Clone, Default)]
pub struct ObjectMeta {
    /// Response headers and user metadata, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// The additional checksum.
    pub checksum: Option<Checksum>,
    /// Access control list, where it says more than that the bucket's owner may everything.
    pub acl: Option<Acl>,
}

/// A condition on what is under the key now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// None.
    #[default]
    Always,
    /// Nothing is under the key (`If-None-Match: *`).
    Absent,
    /// Something is under the key (`If-Match: *`).
    Present,
    /// An object with one of these tags, written as S3 shows them without quotes, is under the key.
    Matches(Vec<String>),
}

impl Condition {
    pub(crate) fn check(&self, current: Option<&Object>) -> Result<(), ModelError> {
        match (self, current) {
            (Condition::Always, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => Ok(()),
            (Condition::Absent, Some(_)) => Err(ModelError::ConditionFailed),
            (Condition::Present | Condition::Matches(_), None) => Err(ModelError::ConditionOnMissing),
            (Condition::Matches(tags), Some(object)) => {
                let tag = object.etag.to_string();
                if tags.contains(&tag) { Ok(()) } else { Err(ModelError::ConditionFailed) }
            }
        }
    }
}

/// Where an object is written, and under which condition.
#[derive(Debug, Clone)]
pub struct Place {
    /// The bucket.
    pub bucket: Id<kind::Bucket>,
    /// The key.
    pub key: String,
    /// The condition.
    pub condition: Condition,
}

/// A key and the condition under which it is deleted.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// The key.
    pub key: String,
    /// The condition.
    pub condition: Condition,
}

/// An object as one view shows it.
#[derive(Debug, Clone)]
pub struct Found {
    /// When it was committed.
    pub stamp: Stamp,
    /// Its metadata.
    pub object: Object,
    /// Its bytes, if they live beside the row.
    pub inline: Option<Bytes>,
    /// What keeps its body from being reclaimed, if the content was wanted.
    pub(crate) reading: Option<Arc<Reading>>,
}

impl Found {
    /// When its content was committed: what S3 shows as the time of the last change.
    pub fn modified(&self) -> Stamp {
        self.object.rare.modified.unwrap_or(self.stamp)
    }

    /// Reads a range of the content, which must have been wanted.
    pub fn read(&self, model: &Arc<Model>, range: ByteRange) -> BodyReader {
        BodyReader::new(model, self, range)
    }
}

/// Whether the content is wanted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Only what HEAD shows.
    Metadata,
    /// The bytes as well: those beside the row are here, the others stay as long as this lives.
    Content,
}

impl Model {
    /// The object under a key.
    pub async fn find(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        key: &str,
        want: Want,
    ) -> Result<Option<Found>, ModelError> {
        if self.peers.is_alone() {
            return self.find_here(bucket, key, want);
        }
        let found = self.find_everywhere(&KeyPlace::of(bucket, key.to_owned()), want).await?;
        Ok(found.and_then(|(row, inline)| {
            let Slot::Live(object) = row.slot else { return None };
            let body = object.body.id().filter(|_| want == Want::Content);
            let reading = body.map(|body| self.readers.enter(body));
            Some(Found { stamp: row.stamp, object: *object, inline, reading })
        }))
    }

    fn find_here(
        &self,
        bucket: Id<kind::Bucket>,
        key: &str,
        want: Want,
    ) -> Result<Option<Found>, ModelError> {
        let row_key = object::row_key(PartitionHash::of_shard(&bucket, 0), key);
        let mut found = find_row(&self.store.view()?, &row_key, want)?;
        if want == Want::Metadata {
            return Ok(found);
        }
        // Between looking and registering the body may have been reclaimed, so look again.
        while let Some(first) = &mut found
            && let Some(body) = first.object.body.id()
        {
            let reading = self.readers.enter(body);
            let again = find_row(&self.store.view()?, &row_key, want)?;
            if again.as_ref().is_some_and(|again| again.stamp == first.stamp) {
                first.reading = Some(reading);
                break;
            }
            found = again;
        }
        Ok(found)
    }

    /// Makes `body` the object under a key.
    pub async fn put_object(
        self: &Arc<Self>,
        place: Place,
        body: FinishedBody,
        etag: ETag,
        meta: ObjectMeta,
    ) -> Result<Stamp, ModelError> {
        let alone = self.peers.stay_alone().await;
        let body = if alone.is_none() { body.spread().await? } else { body };
        let (described, inline, writes) = body.describe();
        let object = make_object(body.size(), etag, meta, described);
        if alone.is_none() {
            let (deadline, sent) = (body.deadline(), body.sent());
            let entry = Entry { object, inline, writes, deadline };
            let outcome = self.put_everywhere(place, entry).await;
            if outcome.as_ref().is_err_and(ModelError::is_refusal) {
                sent.refused();
            }
            return outcome;
        }
        let lock = body.lock();
        let put = Put { place, object, inline, writes, lock };
        let blocks = self.blocks.clone();
        let stamp = self.commit_alone(Intent::Grow, move |txn| put.apply(txn, &blocks)).await?;
        body.settled();
        Ok(stamp)
    }

    /// Deletes the object under a key. Nothing there is fine, unless the condition says otherwise.
    pub async fn delete_object(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        deletion: Deletion,
    ) -> Result<(), ModelError> {
        let outcomes = self.delete_objects(bucket, vec![deletion]).await?;
        outcomes.into_iter().collect()
    }

    /// Deletes many keys in one transaction; each has its own outcome.
    pub async fn delete_objects(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        deletions: Vec<Deletion>,
    ) -> Result<Vec<Result<(), ModelError>>, ModelError> {
        let Some(_alone) = self.peers.stay_alone().await else {
            return self.delete_everywhere(bucket, deletions).await;
        };
        let blocks = self.blocks.clone();
        self.commit_alone(Intent::Free, move |txn| {
            read_bucket(txn, bucket)?;
            let delete = |deletion| match delete_in(txn, &blocks, bucket, deletion) {
                Err(ModelError::Store(error)) => Err(ModelError::Store(error)),
                outcome => Ok(outcome),
            };
            deletions.into_iter().map(delete).collect()
        })
        .await
    }
}

/// Everything one put writes.
pub(crate) struct Put {
    pub place: Place,
    pub object: Object,
    pub inline: Option<Bytes>,
    pub writes: Vec<Write>,
    /// Kept until the transaction that holds the block has run.
    pub lock: Option<BlockLock>,
}

impl Put {
    pub(crate) fn apply(self, txn: &mut Txn<'_>, blocks: &block::BlockStore) -> Result<Stamp, ModelError> {
        let Place { bucket, key, condition } = self.place;
        let partition = PartitionHash::of_shard(&bucket, 0);
        let bucket = read_bucket(txn, bucket)?;
        let row_key = object::row_key(partition, &key);
        let old: Option<ObjectRow> = txn.get(Space::Object, &row_key)?;
        let old = old.as_ref().and_then(ObjectRow::live);
        condition.check(old)?;
        if bucket.quotas.value != Quotas::default() {
            check_quotas(usage::of_partition(txn, partition)?, bucket.quotas.value, old, &self.object)?;
        }
        let mut writes = self.writes;
        let slot = Slot::Live(Box::new(self.object));
        writes.push(Write::Object { partition, key, slot, inline: self.inline });
        let stamp = NodeBatch::new(writes).apply(blocks, txn)?;
        drop(self.lock);
        Ok(stamp)
    }
}

pub(crate) fn make_object(size: u64, etag: ETag, meta: ObjectMeta, body: Body) -> Object {
    Object {
        size,
        etag,
        checksum: meta.checksum,
        headers: meta.headers,
        body,
        tags: meta.tags,
        rare: Rare { acl: meta.acl, ..Rare::default() },
    }
}

pub(crate) fn find_row(read: &impl Read, row_key: &[u8], want: Want) -> Result<Option<Found>, ModelError> {
    let Some(row) = read.get::<ObjectRow>(Space::Object, row_key)? else { return Ok(None) };
    let Slot::Live(object) = row.slot else { return Ok(None) };
    let inline = match (&object.body, want) {
        (Body::Inline(hash), Want::Content) => Some(read_inline(read, row_key, hash)?),
        _ => None,
    };
    Ok(Some(Found { stamp: row.stamp, object: *object, inline, reading: None }))
}

fn read_inline(read: &impl Read, row_key: &[u8], hash: &base::BlockHash) -> Result<Bytes, ModelError> {
    let unreadable = || store::StoreError::Unreadable { space: Space::Inline.name(), key: row_key.to_vec() };
    let body: Option<InlineBody> = read.get(Space::Inline, row_key)?;
    let bytes = body.ok_or_else(unreadable)?.0;
    if base::BlockHash::of(&bytes) != *hash {
        return Err(unreadable().into());
    }
    Ok(bytes.into())
}

/// Refuses what would take a bucket that holds `used` beyond its limits.
pub(crate) fn check_quotas(
    used: Usage,
    quotas: Quotas,
    old: Option<&Object>,
    new: &Object,
) -> Result<(), ModelError> {
    let (before, after) = (usage::weigh(old), usage::weigh(Some(new)));
    let above = |limit: Option<u64>, used: i64, before: i64, after: i64| {
        after > before
            && limit.is_some_and(|limit| used + after - before > i64::try_from(limit).unwrap_or(i64::MAX))
    };
    if above(quotas.objects, used.objects, before.objects, after.objects)
        || above(quotas.size_bytes, used.bytes, before.bytes, after.bytes)
    {
        return Err(ModelError::QuotaExceeded);
    }
    Ok(())
}

fn delete_in(
    txn: &mut Txn<'_>,
    blocks: &block::BlockStore,
    bucket: Id<kind::Bucket>,
    deletion: Deletion,
) -> Result<(), ModelError> {
    let partition = PartitionHash::of_shard(&bucket, 0);
    let old: Option<ObjectRow> = txn.get(Space::Object, &object::row_key(partition, &deletion.key))?;
    let old = old.as_ref().and_then(ObjectRow::live);
    deletion.condition.check(old)?;
    if old.is_some() {
        let slot = Slot::Deleted;
        let write = Write::Object { partition, key: deletion.key, slot, inline: None };
        NodeBatch::new(vec![write]).apply(blocks, txn)?;
    }
    Ok(())
}
