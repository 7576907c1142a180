//! Multipart uploads: parts are bodies of their own, and completing one copies nothing.
//!
//! A completed object is a composite body that lists its parts and holds them. Hand over hand
//! (rule C2): the composite's references are durable before the entry, and the upload lets its
//! parts go only when it is closed.

use crate::admin::read_bucket;
use crate::objects::{Condition, Found, ObjectMeta, Place, Put};
use crate::rows::object::{Body, Checksum, ETag, Object};
use crate::rows::reference::{Referrer, Target};
use crate::rows::upload::{self, PartRow, UploadRow, UploadState};
use crate::rows::version::{self, Contents, Owner, PartPiece, PendingBody, VersionRow};
use crate::writer::{BODY_DEADLINE_MS, Unsettled};
use crate::{FinishedBody, Model, ModelError, NodeBatch, Write};
use base::id::kind;
use base::limits::PART_SIZE_MIN_BYTES;
use base::{Id, PartNumber, Stamp, WallTime};
use env::random_array;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Intent, Read, Space, Step};

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
    /// Its tag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

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
        &self,
        (bucket, key): (Id<kind::Bucket>, String),
        meta: ObjectMeta,
        checksum: Option<(u8, bool)>,
        initiator: String,
    ) -> Result<Id<kind::Upload>, ModelError> {
        let id = Id::from_bytes(random_array(self.env.rng.as_ref()));
        let blocks = self.blocks.clone();
        self.store
            .commit(Intent::Grow, move |txn| {
                read_bucket(txn, bucket)?;
                let row = UploadRow {
                    initiated: txn.stamp(),
                    bucket,
                    key,
                    headers: meta.headers,
                    checksum,
                    initiator,
                    state: UploadState::Open,
                    tags: meta.tags,
                };
                NodeBatch::new(vec![Write::Upload { id, row }]).apply(&blocks, txn)?;
                Ok(id)
            })
            .await
    }

    /// The row of an upload that belongs to this key, open or completed.
    pub fn find_upload(&self, name: &UploadName) -> Result<UploadRow, ModelError> {
        upload_of(&self.store.view()?, name)
    }

    /// Makes `body` a part of an open upload.
    pub async fn put_part(
        &self,
        name: UploadName,
        number: PartNumber,
        body: FinishedBody,
        (md5, checksum): ([u8; 16], Option<Checksum>),
    ) -> Result<Stamp, ModelError> {
        let (_, _, mut writes) = body.describe();
        let (id, upload) = (body.id(), name.id);
        // The stamp is the batch's; the row's own is filled in there.
        let row = PartRow { stamp: Stamp::ZERO, body: id, size: body.size(), md5, checksum };
        writes.push(Write::Hold { target: Target::Body(id), referrer: Referrer::Upload(upload) });
        writes.push(Write::Part { upload, number, row });
        let (blocks, lock) = (self.blocks.clone(), body.lock());
        let stamp = self
            .store
            .commit(Intent::Grow, move |txn| {
                open_upload_of(txn, &name)?;
                let stamp = NodeBatch::new(writes).apply(&blocks, txn)?;
                drop(lock);
                Ok::<_, ModelError>(stamp)
            })
            .await?;
        body.settled();
        Ok(stamp)
    }

    /// The parts of an open upload with numbers above `after`, at most `limit`, and whether there
    /// are more.
    pub fn list_parts(
        &self,
        name: &UploadName,
        after: u16,
        limit: usize,
    ) -> Result<(UploadRow, Vec<Part>, bool), ModelError> {
        let view = self.store.view()?;
        let row = open_upload_of(&view, name)?;
        let mut parts = newest_parts(&view, &name.id, after.saturating_add(1))?;
        let more = parts.len() > limit;
        parts.truncate(limit);
        Ok((row, parts, more))
    }

    /// The parts of a completed multipart object, in order; none for any other object.
    pub fn parts_of(&self, found: &Found) -> Result<Vec<PartPiece>, ModelError> {
        let Body::Composite(body) = found.object.body else { return Ok(Vec::new()) };
        let mut parts = Vec::new();
        let to = table::sort_key::after_prefix(body.as_bytes());
        let first = version::row_key(&body, 0);
        self.store.view()?.walk(Space::Version, &first, to.as_deref(), &mut |_, row: VersionRow| {
            if let Contents::Parts(some) = row.contents {
                parts.extend(some);
            }
            Step::Next
        })?;
        Ok(parts)
    }

    /// Gives an upload up.
    pub async fn abort_upload(&self, name: UploadName) -> Result<(), ModelError> {
        let blocks = self.blocks.clone();
        self.store
            .commit(Intent::Free, move |txn| {
                let row = open_upload_of(txn, &name)?;
                let row = UploadRow { state: UploadState::Aborted, ..row };
                NodeBatch::new(vec![Write::Upload { id: name.id, row }]).apply(&blocks, txn)?;
                Ok(())
            })
            .await
    }

    /// Checks a list of parts against what was uploaded.
    pub fn plan_completion(&self, name: &UploadName, named: &[NamedPart]) -> Result<Planned, ModelError> {
        let view = self.store.view()?;
        let row = upload_of(&view, name)?;
        if let UploadState::Completed { stamp, etag, checksum } = row.state {
            return Ok(Planned::Done(Completed { stamp, etag, checksum }));
        }
        let uploaded: BTreeMap<PartNumber, PartRow> =
            newest_parts(&view, &name.id, 0)?.into_iter().map(|part| (part.number, part.row)).collect();
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
        Ok(Planned::Ready(Box::new(Completion { upload: name.id, row, parts })))
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
        let mut rows = self.composite_rows(&name, &completion, body);
        let last = rows.pop().unwrap_or_default();
        let mut unsettled = Unsettled::new(self, body);
        for row in rows {
            unsettled.begin();
            self.apply(Intent::Grow, NodeBatch::new(row)).await?;
        }
        let completed = self.commit_completion(name, completion, (body, last), (checksum, condition)).await?;
        unsettled.settled();
        Ok(completed)
    }

    /// The composite's rows and references, in batches of bounded size.
    fn composite_rows(
        &self,
        name: &UploadName,
        completion: &Completion,
        body: Id<kind::Body>,
    ) -> Vec<Vec<Write>> {
        let deadline = WallTime(self.env.clock.wall().millis().saturating_add(BODY_DEADLINE_MS));
        let owner = Owner::Object(name.bucket, name.key.clone());
        let mut batches = Vec::new();
        for (number, parts) in completion.parts.chunks(PARTS_PER_ROW).enumerate() {
            let hold = |part: &Part| Write::Hold {
                target: Target::Body(part.row.body),
                referrer: Referrer::Body(body),
            };
            let mut writes: Vec<Write> = parts.iter().map(hold).collect();
            let contents = Contents::Parts(parts.iter().map(piece_of).collect());
            let row = VersionRow { owner: owner.clone(), deadline, dead: false, contents };
            writes.push(Write::Version { body, number: number as u32, row });
            if number == 0 {
                writes.push(Write::Pending { body, mark: PendingBody { deadline } });
            }
            batches.push(writes);
        }
        batches
    }

    async fn commit_completion(
        &self,
        name: UploadName,
        completion: Completion,
        (body, mut writes): (Id<kind::Body>, Vec<Write>),
        (checksum, condition): (Option<Checksum>, Condition),
    ) -> Result<Completed, ModelError> {
        let blocks = self.blocks.clone();
        let etag = completion.etag();
        let object = Object {
            size: completion.size(),
            etag,
            checksum: checksum.clone(),
            headers: completion.row.headers.clone(),
            body: Body::Composite(body),
            tags: completion.row.tags.clone(),
        };
        self.store
            .commit(Intent::Grow, move |txn| {
                let row = match upload_of(txn, &name)? {
                    row if row.state == UploadState::Open => row,
                    _ => return Err(ModelError::NoSuchUpload),
                };
                writes.push(Write::Settled { body });
                let place = Place { bucket: name.bucket, key: name.key, condition };
                let put = Put { place, object, inline: None, writes, lock: None };
                let stamp = put.apply(txn, &blocks)?;
                let state = UploadState::Completed { stamp, etag, checksum: checksum.clone() };
                let closed = Write::Upload { id: name.id, row: UploadRow { state, ..row } };
                NodeBatch::new(vec![closed]).apply(&blocks, txn)?;
                Ok(Completed { stamp, etag, checksum })
            })
            .await
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

fn upload_of(read: &impl Read, name: &UploadName) -> Result<UploadRow, ModelError> {
    let row: Option<UploadRow> = read.get(Space::Upload, &upload::row_key(&name.id))?;
    row.filter(|row| row.bucket == name.bucket && row.key == name.key && row.state != UploadState::Aborted)
        .ok_or(ModelError::NoSuchUpload)
}

fn open_upload_of(read: &impl Read, name: &UploadName) -> Result<UploadRow, ModelError> {
    upload_of(read, name)
        .and_then(|row| if row.state == UploadState::Open { Ok(row) } else { Err(ModelError::NoSuchUpload) })
}

/// The newest part of each number from `first` on.
fn newest_parts(read: &impl Read, upload: &Id<kind::Upload>, first: u16) -> Result<Vec<Part>, ModelError> {
    let mut parts: Vec<Part> = Vec::new();
    let to = table::sort_key::after_prefix(upload.as_bytes());
    read.walk(Space::Part, &upload::parts_from(upload, first), to.as_deref(), &mut |key, row: PartRow| {
        let Some(number) = upload::part_number_of(key) else { return Step::Next };
        match parts.last_mut() {
            Some(last) if last.number == number => {
                if row > last.row {
                    last.row = row;
                }
            }
            _ => parts.push(Part { number, row }),
        }
        Step::Next
    })?;
    Ok(parts)
}
