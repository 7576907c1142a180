//! Objects: put, get, delete. Each change is one transaction that checks the bucket, the
//! condition and the quota, and writes one batch.

use crate::admin::read_bucket;
use crate::encryption::Access;
use crate::reader::{ByteRange, Reading};
use crate::replicas::{Add, Change, Entry, KeyPlace, Removal};
use crate::rows::acl::Acl;
use crate::rows::bucket::{Quotas, Versioning};
use crate::rows::encryption::Encryption;
use crate::rows::lock::Lock;
use crate::rows::object::{self, Body, Checksum, ETag, Object, ObjectRow, Rare, Slot};
use crate::rows::past::{self, VersionId};
use crate::usage::Usage;
use crate::{BodyReader, Bypass, FinishedBody, Model, ModelError, NodeBatch, Write, lock, usage, versions};
use base::id::kind;
use base::{Id, PartitionHash, Stamp, WallTime};
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
    /// What keeps it from being removed.
    pub lock: Option<Lock>,
    /// How its body is encrypted, if it is.
    pub encryption: Option<Encryption>,
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
    /// The object with this very body is under the key: nothing that was written since.
    OfBody(Id<kind::Body>),
    /// What is under the key, if anything is, belongs to this access key, and the other condition holds. Nobody owns
    /// what is there already.
    OwnedBy(Option<String>, Box<Condition>),
    /// The other condition holds, and the key was neither written nor deleted since.
    UnchangedSince(Stamp, Box<Condition>),
}

impl Condition {
    /// Checks it by what is under the key now.
    pub(crate) fn check(&self, current: Option<&ObjectRow>) -> Result<(), ModelError> {
        let object = current.and_then(ObjectRow::live);
        match self {
            Self::Always => Ok(()),
            Self::Absent if object.is_some() => Err(ModelError::ConditionFailed),
            Self::Absent => Ok(()),
            Self::Present => object.map(|_| ()).ok_or(ModelError::ConditionOnMissing),
            Self::Matches(tags) => demand(object, |object| tags.contains(&object.etag.to_string())),
            Self::OfBody(body) => demand(object, |object| object.body.id() == Some(*body)),
            Self::OwnedBy(key, other) => match object {
                Some(object) if !object.belongs_to(key.as_deref()) => Err(ModelError::NotOwner),
                _ => other.check(current),
            },
            Self::UnchangedSince(stamp, other) => {
                other.check(current)?;
                let is_changed = current.is_some_and(|row| row.changed() > *stamp);
                if is_changed { Err(ModelError::ChangedMeanwhile) } else { Ok(()) }
            }
        }
    }

    /// Whether it is about what is current.
    pub(crate) fn is_about_current(&self) -> bool {
        !matches!(self, Self::Always | Self::OfBody(_))
    }

    /// Checks that of a deletion of one version: as S3 has it, it is about what is current, whichever version goes. A
    /// body is that of the version.
    pub(crate) fn check_deletion(
        &self,
        current: Option<&ObjectRow>,
        version: Option<&Slot>,
    ) -> Result<(), ModelError> {
        match self {
            Self::OfBody(body) => {
                demand(version.and_then(Slot::live), |object| object.body.id() == Some(*body))
            }
            _ => self.check(current),
        }
    }
}

/// An object of which something is true must be there.
fn demand(object: Option<&Object>, is_so: impl Fn(&Object) -> bool) -> Result<(), ModelError> {
    match object {
        None => Err(ModelError::ConditionOnMissing),
        Some(object) if is_so(object) => Ok(()),
        Some(_) => Err(ModelError::ConditionFailed),
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

/// A key, or one version of it, and the condition under which it is deleted.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// The key.
    pub key: String,
    /// The version that goes for good; none: what is current goes, or is covered by a delete marker.
    pub version: Option<VersionId>,
    /// The condition; it is about what is current, also where another version is named.
    pub condition: Condition,
    /// What a lock does not forbid to whoever asks.
    pub bypass: Bypass,
}

/// What a deletion did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The version that it made or deleted, in a bucket that keeps versions.
    pub version: Option<VersionId>,
    /// Whether that version is or was a delete marker.
    pub is_marker: bool,
    /// The deletion's place in the order of the key's changes, where there was something to delete.
    pub order: Option<Stamp>,
}

impl Deleted {
    /// A delete marker was made: the row of the key, if there is one.
    pub(crate) fn marker(row: Option<&ObjectRow>) -> Self {
        let (version, order) = (row.map(ObjectRow::version_id), row.map(|row| row.order));
        Self { version, is_marker: true, order }
    }
}

/// What a write made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// When it was committed.
    pub stamp: Stamp,
    /// Its place in the order of the key's changes.
    pub order: Stamp,
    /// The version that it is, in a bucket that keeps versions.
    pub version: Option<VersionId>,
}

impl Written {
    /// A version, by the row of its key.
    pub(crate) fn of(row: &ObjectRow) -> Self {
        Self { stamp: row.stamp, order: row.order, version: Some(row.version_id()) }
    }
}

/// What is found under a key.
#[derive(Debug)]
pub enum Looked {
    /// An object.
    Object(Box<Found>),
    /// A delete marker, and when it was made.
    Marker(VersionId, Stamp),
    /// Nothing.
    Nothing,
}

impl Looked {
    /// The object, if that is what it is.
    pub fn object(self) -> Option<Found> {
        match self {
            Self::Object(found) => Some(*found),
            Self::Marker(..) | Self::Nothing => None,
        }
    }
}

/// An object as one view shows it.
#[derive(Debug, Clone)]
pub struct Found {
    /// When its version was made.
    pub stamp: Stamp,
    /// Which version it is; the null version in a bucket without versions.
    pub version: VersionId,
    /// Its metadata.
    pub object: Object,
    /// Its bytes, if they live beside the row.
    pub inline: Option<Bytes>,
    /// What keeps its body from being reclaimed, if the content was wanted.
    pub(crate) reading: Option<Arc<Reading>>,
    /// What opens its body, where it is encrypted.
    pub(crate) access: Access,
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
        Ok(self.look(bucket, key, None, want).await?.object())
    }

    /// Refuses a body for a key, before any of it is there, where the bucket's limits leave no room for it. The write
    /// itself looks again when it is done: limits are soft only as far as several writes at once go.
    pub async fn check_room(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        key: &str,
        size_bytes: u64,
    ) -> Result<(), ModelError> {
        let row = self.names().bucket(bucket)?;
        let quotas = row.quotas.value;
        if quotas == Quotas::default() {
            return Ok(());
        }
        let partition = PartitionHash::of_shard(&bucket, 0);
        let used = match self.peers.is_alone() {
            true => usage::of_partition(&self.store.view()?, partition)?,
            false => self.usage_everywhere(partition).await?,
        };
        let new = Usage { objects: 1, bytes: i64::try_from(size_bytes).unwrap_or(i64::MAX), uploads: 0 };
        // What it replaces is looked at only where it matters.
        if check_quotas(used, quotas, None, new).is_ok() || row.versioning() != Versioning::Never {
            return check_quotas(used, quotas, None, new);
        }
        let old = self.look(bucket, key, None, Want::Metadata).await?.object();
        check_quotas(used, quotas, old.as_ref().map(|found| &found.object), new)
    }

    /// What is under a key, or one version of it.
    pub async fn look(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        key: &str,
        version: Option<VersionId>,
        want: Want,
    ) -> Result<Looked, ModelError> {
        let mut looked = self.look_sealed(bucket, key, version, want).await?;
        if let Looked::Object(found) = &mut looked
            && want == Want::Content
        {
            self.open_by_ring((bucket, key), found).await;
        }
        Ok(looked)
    }

    async fn look_sealed(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        key: &str,
        version: Option<VersionId>,
        want: Want,
    ) -> Result<Looked, ModelError> {
        if self.peers.is_alone() {
            return self.look_here(&versions::head_key(bucket, key), version, want);
        }
        let place = KeyPlace::of(bucket, key.to_owned());
        let (id, made, slot, inline) = match version {
            None => match self.read_row(&place, want == Want::Content).await? {
                Some((row, inline)) => (row.version_id(), row.made(), row.slot, inline),
                None => return Ok(Looked::Nothing),
            },
            Some(id) => match self.find_version(&place, id, want).await? {
                Some(found) => (id, found.made, found.slot, found.inline),
                None => return Ok(Looked::Nothing),
            },
        };
        let body = slot.live().and_then(|object| object.body.id()).filter(|_| want == Want::Content);
        let reading = body.map(|body| self.readers.enter(body));
        Ok(looked((id, made), slot, inline, reading))
    }

    fn look_here(
        &self,
        head_key: &[u8],
        version: Option<VersionId>,
        want: Want,
    ) -> Result<Looked, ModelError> {
        let mut looked = look_in(&self.store.view()?, head_key, version, want)?;
        // Between looking and registering the body may have been reclaimed, so look again.
        while let Looked::Object(first) = &mut looked
            && want == Want::Content
            && let Some(body) = first.object.body.id()
        {
            let reading = self.readers.enter(body);
            let again = look_in(&self.store.view()?, head_key, version, want)?;
            if let Looked::Object(again) = &again
                && again.object.body == first.object.body
            {
                first.reading = Some(reading);
                break;
            }
            looked = again;
        }
        Ok(looked)
    }

    /// Makes `body` the object under a key.
    pub async fn put_object(
        self: &Arc<Self>,
        place: Place,
        body: FinishedBody,
        etag: ETag,
        meta: ObjectMeta,
    ) -> Result<Written, ModelError> {
        let alone = self.peers.stay_alone().await;
        let body = if alone.is_none() { body.spread().await? } else { body };
        let (described, inline, writes) = body.describe();
        let object = make_object(body.size(), etag, meta, described);
        if alone.is_none() {
            let (new, sent) = (body.new_body(), body.sent());
            let entry = Entry { object, inline, body: new };
            let outcome = self.put_everywhere(place, entry).await;
            if outcome.as_ref().is_err_and(ModelError::is_refusal) {
                sent.refused();
            }
            return outcome;
        }
        let lock = body.lock();
        let put = Put { place, object, inline, writes, lock };
        let (blocks, now) = (self.blocks.clone(), self.retention_clock());
        let written = self.commit_alone(Intent::Grow, move |txn| put.apply(txn, (&blocks, now))).await?;
        body.settled();
        Ok(written)
    }

    /// Deletes the object under a key. Nothing there is fine, unless the condition says otherwise.
    pub async fn delete_object(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        deletion: Deletion,
    ) -> Result<Deleted, ModelError> {
        let outcomes = self.delete_objects(bucket, vec![deletion]).await?;
        outcomes.into_iter().next().unwrap_or(Ok(Deleted::default()))
    }

    /// Deletes many keys in one transaction; each has its own outcome.
    pub async fn delete_objects(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        deletions: Vec<Deletion>,
    ) -> Result<Vec<Result<Deleted, ModelError>>, ModelError> {
        let Some(_alone) = self.peers.stay_alone().await else {
            return self.delete_everywhere(bucket, deletions).await;
        };
        let (blocks, now) = (self.blocks.clone(), self.retention_clock());
        self.commit_alone(Intent::Free, move |txn| {
            let mode = read_bucket(txn, bucket)?.versioning();
            let delete = |deletion| match delete_in((txn, &blocks, now), (bucket, mode), deletion) {
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
    pub(crate) fn apply(
        self,
        txn: &mut Txn<'_>,
        (blocks, now): (&block::BlockStore, WallTime),
    ) -> Result<Written, ModelError> {
        let Place { bucket, key, condition } = self.place;
        let partition = PartitionHash::of_shard(&bucket, 0);
        let bucket = read_bucket(txn, bucket)?;
        let mode = bucket.versioning();
        let row_key = object::row_key(partition, &key);
        let old: Option<ObjectRow> = txn.get(Space::Object, &row_key)?;
        condition.check(old.as_ref())?;
        let old = old.as_ref().and_then(ObjectRow::live);
        if bucket.quotas.value != Quotas::default() {
            let replaced = old.filter(|_| mode == Versioning::Never);
            let (used, new) = (usage::of_partition(txn, partition)?, usage::weigh(Some(&self.object)));
            check_quotas(used, bucket.quotas.value, replaced, new)?;
        }
        let retention = lock::default_for(&bucket, &self.object)?;
        let mut writes = self.writes;
        let slot = Slot::Live(Box::new(self.object));
        let written = if mode == Versioning::Never {
            writes.push(Write::Object { partition, key, slot, inline: self.inline });
            let stamp = NodeBatch::new(writes).apply(blocks, txn)?;
            Written { stamp, order: stamp, version: None }
        } else {
            NodeBatch::new(writes).apply(blocks, txn)?;
            let (inline, condition) = (self.inline, Condition::Always);
            let add = Add { mode, condition, retention, slot, inline, body: None };
            let row = versions::change_here(txn, (blocks, now), &row_key, Change::Add(Box::new(add)))?;
            row.as_ref().map(Written::of).ok_or(ModelError::Unavailable)?
        };
        drop(self.lock);
        Ok(written)
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
        rare: Rare { acl: meta.acl, lock: meta.lock, encryption: meta.encryption, ..Rare::default() },
    }
}

/// What this replica holds under a key, or as one version of it.
pub(crate) fn look_in(
    read: &impl Read,
    head_key: &[u8],
    version: Option<VersionId>,
    want: Want,
) -> Result<Looked, ModelError> {
    let row: Option<ObjectRow> = read.get(Space::Object, head_key)?;
    let current = row.filter(|row| version.is_none() || row.current() == version);
    if let Some(row) = current {
        let inline = match want {
            Want::Content => versions::bytes_beside(read, head_key, &row.slot)?,
            Want::Metadata => None,
        };
        return Ok(looked((row.version_id(), row.made()), row.slot, inline, None));
    }
    let Some(id) = version else { return Ok(Looked::Nothing) };
    let past = versions::past_here(read, &past::beside(head_key, id), want)?;
    Ok(past.map_or(Looked::Nothing, |(row, inline)| looked((id, row.made), row.slot, inline, None)))
}

fn looked(
    (version, stamp): (VersionId, Stamp),
    slot: Slot,
    inline: Option<Bytes>,
    reading: Option<Arc<Reading>>,
) -> Looked {
    match slot {
        Slot::Live(object) => {
            let access = Access::of(&object);
            Looked::Object(Box::new(Found { stamp, version, object: *object, inline, reading, access }))
        }
        Slot::Marker => Looked::Marker(version, stamp),
        Slot::Deleted => Looked::Nothing,
    }
}

/// Refuses what would take a bucket that holds `used` beyond its limits.
pub(crate) fn check_quotas(
    used: Usage,
    quotas: Quotas,
    old: Option<&Object>,
    after: Usage,
) -> Result<(), ModelError> {
    let before = usage::weigh(old);
    let above = |limit: Option<u64>, used: i64, before: i64, after: i64| {
        after > before
            && limit.is_some_and(|limit| {
                used.saturating_add(after).saturating_sub(before) > i64::try_from(limit).unwrap_or(i64::MAX)
            })
    };
    if above(quotas.objects, used.objects, before.objects, after.objects)
        || above(quotas.size_bytes, used.bytes, before.bytes, after.bytes)
    {
        return Err(ModelError::QuotaExceeded);
    }
    Ok(())
}

fn delete_in(
    (txn, blocks, now): (&mut Txn<'_>, &block::BlockStore, WallTime),
    (bucket, mode): (Id<kind::Bucket>, Versioning),
    deletion: Deletion,
) -> Result<Deleted, ModelError> {
    let partition = PartitionHash::of_shard(&bucket, 0);
    let head_key = object::row_key(partition, &deletion.key);
    if let Some(id) = deletion.version {
        let held = look_in(txn, &head_key, Some(id), Want::Metadata)?;
        let removal = Removal { id, bypass: deletion.bypass, condition: deletion.condition };
        let row = versions::change_here(txn, (blocks, now), &head_key, Change::Delete(removal))?;
        let is_marker = matches!(held, Looked::Marker(..));
        return Ok(Deleted { version: Some(id), is_marker, order: row.map(|row| row.order) });
    }
    if mode != Versioning::Never {
        let add = Add::marker(mode, deletion.condition);
        let row = versions::change_here(txn, (blocks, now), &head_key, Change::Add(Box::new(add)))?;
        return Ok(Deleted::marker(row.as_ref()));
    }
    let old: Option<ObjectRow> = txn.get(Space::Object, &head_key)?;
    deletion.condition.check(old.as_ref())?;
    if old.as_ref().and_then(ObjectRow::live).is_none() {
        return Ok(Deleted::default());
    }
    let write = Write::Object { partition, key: deletion.key, slot: Slot::Deleted, inline: None };
    let order = Some(NodeBatch::new(vec![write]).apply(blocks, txn)?);
    Ok(Deleted { order, ..Deleted::default() })
}
