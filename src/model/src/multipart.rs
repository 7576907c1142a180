//! Multipart uploads: parts are bodies of their own, and completing one copies nothing.
//!
//! A completed object is a composite body that lists its parts and holds them. Hand over hand
//! (rule C2): the composite's references are durable before the entry, and the upload lets its
//! parts go only when it is closed.

use crate::admin::read_bucket;
use crate::encryption::open_checksums;
use crate::listing::ListedUpload;
use crate::objects::{Condition, Found, ObjectMeta, Place, Put, Written};
use crate::replicas::{Entry, RowRange};
use crate::rows::encryption::Encryption;
use crate::rows::object::{Body, Checksum, ETag, Object, Rare};
use crate::rows::past::VersionId;
use crate::rows::reference::{Referrer, Target};
use crate::rows::upload::{self, PartRow, UploadRow, UploadState};
use crate::rows::version::{Contents, Owner, PartPiece, VersionRow};
use crate::writer::Unsettled;
use crate::{FinishedBody, Model, ModelError, NodeBatch, Write};
use base::id::kind;
use base::limits::PART_SIZE_MIN_BYTES;
use base::{Id, PartNumber, PartitionHash, Stamp, WallTime};
use bytes::Bytes;
use env::random_array;
use futures_util::TryFutureExt;
use futures_util::future::{BoxFuture, ready};
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Intent, Read, Space, Step};

/// How long a completion may take to hold its parts on all nodes; closing an upload waits as long before
/// it lets the parts go (W of rule C3).
pub(crate) const COMPLETION_MS: u64 = 60 * 1000;
/// Rows read at once.
const ROWS_PER_PAGE: usize = 1000;
/// Parts listed in one version row, and held in one transaction.
const PARTS_PER_ROW: usize = 1000;

/// A part as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub number: PartNumber,
    /// What it is.
    pub row: PartRow,
}

/// A part that a completion names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPart {
    /// Its number.
    pub number: PartNumber,
    /// Its tag, as sent, without quotes.
    pub etag: String,
}

/// Checked parts of a completion, in order.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The upload.
    pub upload: Id<kind::Upload>,
    /// Its row.
    pub row: UploadRow,
    /// The parts.
    pub parts: Vec<Part>,
    /// Where several nodes keep the parts: after this none of them takes part any more (rule C3).
    pub deadline: WallTime,
}

impl Completion {
    /// Bytes of the whole.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.row.size).sum()
    }

    /// MD5 of the parts' MD5s, with their number.
    pub fn etag(&self) -> ETag {
        let mut hasher = Md5::new();
        for part in &self.parts {
            hasher.update(part.row.md5);
        }
        ETag { md5: hasher.finalize().into(), parts: u16::try_from(self.parts.len()).ok() }
    }
}

/// How a completion can turn out before it is committed.
pub enum Planned {
    /// Go on with [`Model::complete_upload`].
    Ready(Box<Completion>),
    /// It was completed before: the answer is the same.
    Done(Completed),
}

/// A completed upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// Commit stamp of the object.
    pub stamp: Stamp,
    /// The version that it is, in a bucket that keeps versions.
    pub version: Option<VersionId>,
    /// Its tag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// How it is encrypted, if it is.
    pub encryption: Option<Box<Encryption>>,
}

/// Comes true when an upload is found to be open still; an error, when it is not, or nobody can tell.
pub type StillOpen = BoxFuture<'static, Result<(), ModelError>>;

/// Names an upload and the key it belongs to.
#[derive(Debug, Clone)]
pub struct UploadName {
    /// The bucket.
    pub bucket: Id<kind::Bucket>,
    /// The key.
    pub key: String,
    /// The upload.
    pub id: Id<kind::Upload>,
}

impl Model {
    /// Opens an upload.
    pub async fn create_upload(
        self: &Arc<Self>,
        (bucket, key): (Id<kind::Bucket>, String),
        meta: ObjectMeta,
        checksum: Option<(u8, bool)>,
        initiator: String,
    ) -> Result<Id<kind::Upload>, ModelError> {
        let partition = PartitionHash::of_shard(&bucket, 0);
        let id = upload::new_id(partition, random_array(self.env.rng.as_ref()));
        let opened = move |initiated| UploadRow {
            initiated,
            bucket,
            key,
            headers: meta.headers,
            checksum,
            initiator,
            state: UploadState::Open,
            tags: meta.tags,
            acl: meta.acl,
            lock: meta.lock,
            encryption: meta.encryption.map(Box::new),
        };
        let alone = self.peers.stay_alone().await;
        if alone.is_none() {
            self.names().bucket(bucket)?;
            let row = opened(self.store.stamp().await?);
            let known = row.clone();
            self.merge_everywhere(vec![Write::Upload { id, row }], None).await?;
            self.known_uploads.remember(id, &known);
            return Ok(id);
        }
        let blocks = self.blocks.clone();
        self.commit_alone(Intent::Grow, move |txn| {
            read_bucket(txn, bucket)?;
            let row = opened(txn.stamp());
            NodeBatch::new(vec![Write::Upload { id, row }]).apply(&blocks, txn)?;
            Ok(id)
        })
        .await
    }

    /// The row of an upload that belongs to this key, open or completed.
    pub async fn find_upload(self: &Arc<Self>, name: &UploadName) -> Result<UploadRow, ModelError> {
        let row = if self.peers.is_alone() {
            self.store.view()?.get(Space::Upload, &upload::row_key(&name.id))?
        } else {
            self.upload_everywhere(&name.id).await?
        };
        belonging(row, name)
    }

    /// Begins a part of an open upload: the upload's row, and what has to come true before [`Model::put_part`]. Where
    /// this node knows the row from before, the bytes may come meanwhile: what a part is made of never changes.
    pub async fn begin_part(
        self: &Arc<Self>,
        name: &UploadName,
        number: PartNumber,
    ) -> Result<(UploadRow, StillOpen), ModelError> {
        if self.peers.is_alone() {
            return Ok((self.find_open_upload(name).await?, Box::pin(ready(Ok(())))));
        }
        let known = self.known_uploads.find(&name.id);
        let (model, place) = (Arc::clone(self), name.clone());
        let check = async move {
            // Side by side: both are reads of one round trip.
            let older = model.pass_older_parts(&place.id, number.get());
            let found = futures_util::try_join!(model.find_open_upload(&place), older);
            match &found {
                Ok((row, ())) => model.known_uploads.remember(place.id, row),
                Err(_) => model.known_uploads.forget(&place.id),
            }
            Ok(found?.0)
        };
        match known {
            Some(row) => Ok((belonging(Some(row), name)?, Box::pin(check.map_ok(drop)))),
            None => Ok((check.await?, Box::pin(ready(Ok(()))))),
        }
    }

    /// The same, if it is still open.
    async fn find_open_upload(self: &Arc<Self>, name: &UploadName) -> Result<UploadRow, ModelError> {
        self.find_upload(name).await.and_then(still_open)
    }

    async fn upload_everywhere(
        self: &Arc<Self>,
        id: &Id<kind::Upload>,
    ) -> Result<Option<UploadRow>, ModelError> {
        let (from, partition) = (upload::row_key(id), upload::partition_of(id));
        let to = [from.as_slice(), &[0]].concat();
        let range = RowRange { space: Space::Upload, partition, from, to, limit: 1 };
        Ok(self.read_range(&range).await?.rows.into_values().next())
    }

    /// Visits the open uploads of a bucket's shard, as a quorum knows them, in the order of their ids.
    pub(crate) async fn each_open_upload(
        self: &Arc<Self>,
        partition: PartitionHash,
        mut visit: impl FnMut(ListedUpload) -> Step + Send,
    ) -> Result<(), ModelError> {
        let from = partition.as_bytes().to_vec();
        let to = [partition.as_bytes().as_slice(), &[u8::MAX; 17]].concat();
        let range = RowRange { space: Space::Upload, partition, from, to, limit: ROWS_PER_PAGE };
        let look = |key: &Bytes, row: UploadRow| match key.as_ref().try_into() {
            Ok(id) if row.state == UploadState::Open => {
                visit(ListedUpload { key: row.key.clone(), id: Id::from_bytes(id), row })
            }
            _ => Step::Next,
        };
        self.each_row(range, look).await
    }

    /// The newest part of each of the first `most` numbers from `first` on.
    async fn newest_parts(
        self: &Arc<Self>,
        upload: &Id<kind::Upload>,
        (first, most): (u16, usize),
    ) -> Result<Vec<Part>, ModelError> {
        let mut parts = Newest { parts: Vec::new(), most };
        let from = upload::parts_from(upload, first);
        if !self.peers.is_alone() {
            let to = [upload.as_bytes().as_slice(), &[u8::MAX; 35]].concat();
            let partition = upload::partition_of(upload);
            let range = RowRange { space: Space::Part, partition, from, to, limit: ROWS_PER_PAGE };
            self.each_row(range, |key: &Bytes, row| parts.take(key, row)).await?;
            return Ok(parts.parts);
        }
        let to = table::sort_key::after_prefix(upload.as_bytes());
        self.store
            .view()?
            .walk(Space::Part, &from, to.as_deref(), &mut |key, row: PartRow| parts.take(key, row))?;
        Ok(parts.parts)
    }

    /// Makes `body` a part of an open upload that [`Model::begin_part`] found to be open.
    pub async fn put_part(
        self: &Arc<Self>,
        name: UploadName,
        number: PartNumber,
        body: FinishedBody,
        (md5, checksum): ([u8; 16], Option<Checksum>),
    ) -> Result<Stamp, ModelError> {
        let alone = self.peers.stay_alone().await;
        let body = if alone.is_none() { body.spread().await? } else { body };
        let (_, _, mut writes) = body.describe();
        let (id, upload) = (body.id(), name.id);
        // The stamp is the batch's; the row's own is filled in there.
        let row = PartRow { stamp: Stamp::ZERO, body: id, size: body.size(), md5, checksum };
        writes.push(Write::Hold { target: Target::Body(id), referrer: Referrer::Upload(upload) });
        writes.push(Write::Part { upload, number, row });
        if alone.is_none() {
            let (deadline, sent) = (Some(body.deadline()), body.sent());
            // Side by side: a part of an upload that was closed while its bytes came is let go with the others (C4),
            // and its client told. Whether it was written is not known after an error: closing the upload, or the
            // body's deadline, settles it.
            let written = self.merge_everywhere(writes, deadline);
            let (open, stored) = futures_util::join!(self.find_open_upload(&name), written);
            drop(sent);
            open?;
            return stored.map(|position| position.id);
        }
        let (blocks, lock) = (self.blocks.clone(), body.lock());
        let stamp = self
            .commit_alone(Intent::Grow, move |txn| {
                open_upload_of(txn, &name)?;
                let stamp = NodeBatch::new(writes).apply(&blocks, txn)?;
                drop(lock);
                Ok::<_, ModelError>(stamp)
            })
            .await?;
        body.settled();
        Ok(stamp)
    }

    /// Moves the clock past what was sent under this number before: a part that is sent again is the newest one,
    /// also where it comes through a node whose clock is behind.
    async fn pass_older_parts(
        self: &Arc<Self>,
        upload: &Id<kind::Upload>,
        number: u16,
    ) -> Result<(), ModelError> {
        let (from, to) = (upload::parts_from(upload, number), upload::parts_from(upload, number + 1));
        let partition = upload::partition_of(upload);
        let range = RowRange { space: Space::Part, partition, from, to, limit: ROWS_PER_PAGE };
        let mut newest = None;
        let look = |_: &_, row: PartRow| {
            newest = newest.max(Some(row.stamp));
            Step::Next
        };
        self.each_row(range, look).await?;
        match newest {
            Some(newest) => Ok(self.store.observe(newest).await?),
            None => Ok(()),
        }
    }

    /// The parts of an open upload with numbers above `after`, at most `limit`, and whether there
    /// are more.
    pub async fn list_parts(
        self: &Arc<Self>,
        name: &UploadName,
        after: u16,
        limit: usize,
    ) -> Result<(UploadRow, Vec<Part>, bool), ModelError> {
        let row = self.find_open_upload(name).await?;
        let mut parts =
            self.newest_parts(&name.id, (after.saturating_add(1), limit.saturating_add(1))).await?;
        let more = parts.len() > limit;
        parts.truncate(limit);
        Ok((row, parts, more))
    }

    /// The parts of a completed multipart object, in order; none for any other object.
    pub async fn parts_of(self: &Arc<Self>, found: &Found) -> Result<Vec<PartPiece>, ModelError> {
        let Body::Composite(body) = found.object.body else { return Ok(Vec::new()) };
        let (mut parts, mut next) = (Vec::new(), Some(0));
        while let Some(first) = next {
            let (rows, more) = self.version_rows(body, first, ROWS_PER_PAGE).await?;
            for (_, row) in rows {
                if let Contents::Parts(some) = row.contents {
                    parts.extend(some);
                }
            }
            next = more;
        }
        open_checksums(&found.access, &mut parts)?;
        Ok(parts)
    }

    /// Gives an upload up.
    pub async fn abort_upload(self: &Arc<Self>, name: UploadName) -> Result<(), ModelError> {
        let alone = self.peers.stay_alone().await;
        if alone.is_none() {
            let row = UploadRow { state: UploadState::Aborted, ..self.find_open_upload(&name).await? };
            self.merge_everywhere(vec![Write::Upload { id: name.id, row }], None).await?;
            return Ok(());
        }
        let blocks = self.blocks.clone();
        self.commit_alone(Intent::Free, move |txn| {
            let row = open_upload_of(txn, &name)?;
            let row = UploadRow { state: UploadState::Aborted, ..row };
            NodeBatch::new(vec![Write::Upload { id: name.id, row }]).apply(&blocks, txn)?;
            Ok(())
        })
        .await
    }

    /// Checks a list of parts against what was uploaded.
    pub async fn plan_completion(
        self: &Arc<Self>,
        name: &UploadName,
        named: &[NamedPart],
    ) -> Result<Planned, ModelError> {
        let deadline = self.completion_deadline().await?;
        let row = self.find_upload(name).await?;
        if let UploadState::Completed { stamp, version, etag, checksum } = row.state {
            let encryption = row.encryption;
            return Ok(Planned::Done(Completed { stamp, version, etag, checksum, encryption }));
        }
        let uploaded: BTreeMap<PartNumber, PartRow> = self
            .newest_parts(&name.id, (0, usize::MAX))
            .await?
            .into_iter()
            .map(|part| (part.number, part.row))
            .collect();
        let mut parts: Vec<Part> = Vec::with_capacity(named.len());
        for named in named {
            match parts.last() {
                Some(last) if last.number > named.number => return Err(ModelError::InvalidPartOrder),
                // A part that was sent again may be named again; the newest counts.
                Some(last) if last.number == named.number => _ = parts.pop(),
                _ => {}
            }
            let row = uploaded.get(&named.number).ok_or(ModelError::InvalidPart(named.number.get()))?;
            parts.push(Part { number: named.number, row: row.clone() });
            if base::id::encode_hex(&row.md5) != named.etag.to_ascii_lowercase() {
                return Err(ModelError::InvalidPart(named.number.get()));
            }
        }
        let all_but_last = parts.len().saturating_sub(1);
        if let Some(small) = parts[..all_but_last].iter().find(|part| part.row.size < PART_SIZE_MIN_BYTES) {
            return Err(ModelError::PartTooSmall(small.number.get()));
        }
        Ok(Planned::Ready(Box::new(Completion { upload: name.id, row, parts, deadline })))
    }

    /// Makes the checked parts an object. Cut off or refused between its rows, it gives them up.
    pub async fn complete_upload(
        self: &Arc<Self>,
        name: UploadName,
        completion: Completion,
        checksum: Option<Checksum>,
        condition: Condition,
    ) -> Result<Completed, ModelError> {
        let body = Id::from_bytes(random_array(self.env.rng.as_ref()));
        let mut unsettled = Unsettled::new(self, body);
        let mut rows = composite_rows(&name, &completion, &unsettled);
        let alone = self.peers.stay_alone().await;
        // On a node that is alone the last rows travel with the entry.
        let last = if alone.is_some() { rows.pop().unwrap_or_default() } else { Vec::new() };
        for row in rows {
            unsettled.begin();
            match &alone {
                Some(alone) => _ = self.apply_alone(alone, Intent::Grow, row).await?,
                None => _ = self.merge_everywhere(row, Some(completion.deadline)).await?,
            }
        }
        if alone.is_none() {
            let outcome = self.complete_everywhere(name, completion, unsettled, (checksum, condition));
            return outcome.await;
        }
        let completed = self.commit_completion(name, completion, (body, last), (checksum, condition)).await?;
        unsettled.settled();
        Ok(completed)
    }

    /// C3: by the clock of this node before it read that the upload is open, which every replica that
    /// said so had taken in.
    async fn completion_deadline(&self) -> Result<WallTime, ModelError> {
        let before = self.store.stamp().await?.wall();
        Ok(WallTime(before.millis().saturating_add(COMPLETION_MS)))
    }

    /// Writes the entry of a composite that has its quorum, then closes the upload.
    async fn complete_everywhere(
        self: &Arc<Self>,
        name: UploadName,
        completion: Completion,
        unsettled: Unsettled,
        (checksum, condition): (Option<Checksum>, Condition),
    ) -> Result<Completed, ModelError> {
        let body = unsettled.body();
        let object = composite(&completion, body, checksum.clone());
        let etag = object.etag;
        let entry = Entry { object, inline: None, body: Some(unsettled.new_body()) };
        let place = Place { bucket: name.bucket, key: name.key, condition };
        let sent = unsettled.sent();
        let outcome = self.put_everywhere(place, entry).await;
        if outcome.as_ref().is_err_and(ModelError::is_refusal) {
            sent.refused();
        }
        let Written { stamp, version, .. } = outcome?;
        let state = UploadState::Completed { stamp, version, etag, checksum: checksum.clone() };
        let encryption = completion.row.encryption.clone();
        let row = UploadRow { state, ..completion.row };
        self.merge_everywhere(vec![Write::Upload { id: name.id, row }], None).await?;
        Ok(Completed { stamp, version, etag, checksum, encryption })
    }

    async fn commit_completion(
        &self,
        name: UploadName,
        completion: Completion,
        (body, mut writes): (Id<kind::Body>, Vec<Write>),
        (checksum, condition): (Option<Checksum>, Condition),
    ) -> Result<Completed, ModelError> {
        let (blocks, now) = (self.blocks.clone(), self.retention_clock());
        let object = composite(&completion, body, checksum.clone());
        let etag = object.etag;
        self.commit_alone(Intent::Grow, move |txn| {
            let row = open_upload_of(txn, &name)?;
            writes.push(Write::Settled { body });
            let place = Place { bucket: name.bucket, key: name.key, condition };
            let put = Put { place, object, inline: None, writes, lock: None };
            let Written { stamp, version, .. } = put.apply(txn, (&blocks, now))?;
            let state = UploadState::Completed { stamp, version, etag, checksum: checksum.clone() };
            let encryption = row.encryption.clone();
            let closed = Write::Upload { id: name.id, row: UploadRow { state, ..row } };
            NodeBatch::new(vec![closed]).apply(&blocks, txn)?;
            Ok(Completed { stamp, version, etag, checksum, encryption })
        })
        .await
    }
}

/// The composite's rows and references, in batches of bounded size.
fn composite_rows(name: &UploadName, completion: &Completion, unsettled: &Unsettled) -> Vec<Vec<Write>> {
    let (body, deadline) = (unsettled.body(), unsettled.deadline());
    let owner = Owner::Object(name.bucket, name.key.clone());
    let mut batches = Vec::new();
    for (number, parts) in completion.parts.chunks(PARTS_PER_ROW).enumerate() {
        let hold =
            |part: &Part| Write::Hold { target: Target::Body(part.row.body), referrer: Referrer::Body(body) };
        let mut writes: Vec<Write> = parts.iter().map(hold).collect();
        let contents = Contents::Parts(parts.iter().map(piece_of).collect());
        let row = VersionRow { owner: owner.clone(), deadline, dead: false, contents };
        writes.push(Write::Version { body, number: number as u32, row });
        if number == 0 {
            writes.push(unsettled.mark());
        }
        batches.push(writes);
    }
    batches
}

/// The object that a completion makes.
fn composite(completion: &Completion, body: Id<kind::Body>, checksum: Option<Checksum>) -> Object {
    Object {
        size: completion.size(),
        etag: completion.etag(),
        checksum,
        headers: completion.row.headers.clone(),
        body: Body::Composite(body),
        tags: completion.row.tags.clone(),
        rare: Rare {
            acl: completion.row.acl.clone(),
            lock: completion.row.lock,
            encryption: completion.row.encryption.as_deref().cloned(),
            ..Rare::default()
        },
    }
}

fn piece_of(part: &Part) -> PartPiece {
    PartPiece {
        number: part.number.get(),
        body: part.row.body,
        size: part.row.size,
        checksum: part.row.checksum.clone(),
    }
}

/// An upload that belongs to this name and was not given up.
fn belonging(row: Option<UploadRow>, name: &UploadName) -> Result<UploadRow, ModelError> {
    row.filter(|row| row.bucket == name.bucket && row.key == name.key && row.state != UploadState::Aborted)
        .ok_or(ModelError::NoSuchUpload)
}

fn still_open(row: UploadRow) -> Result<UploadRow, ModelError> {
    if row.state == UploadState::Open { Ok(row) } else { Err(ModelError::NoSuchUpload) }
}

fn open_upload_of(read: &impl Read, name: &UploadName) -> Result<UploadRow, ModelError> {
    belonging(read.get(Space::Upload, &upload::row_key(&name.id))?, name).and_then(still_open)
}

/// The newest part of each number, in order.
#[derive(Default)]
struct Newest {
    parts: Vec<Part>,
    most: usize,
}

impl Newest {
    /// Takes the row of a part; rows come in key order.
    fn take(&mut self, key: &[u8], row: PartRow) -> Step {
        let Some(number) = upload::part_number_of(key) else { return Step::Next };
        let is_full = self.parts.len() == self.most;
        match self.parts.last_mut() {
            Some(last) if last.number == number => {
                if row > last.row {
                    last.row = row;
                }
            }
            _ if is_full => return Step::Stop,
            _ => self.parts.push(Part { number, row }),
        }
        Step::Next
    }
}
