//! Copying: a new body that holds the blocks or parts of an old one. No byte moves.
//!
//! References first, then the entry: the new body's rows are written in transactions of bounded
//! size, so that the copy of a huge object holds up nobody, and only the last one writes the entry.
//! Meanwhile the copy counts as a reader of its source, which therefore stays whole. A copy that is
//! cut off, or refused at the end, gives its body up as an upload does.

use crate::objects::{Found, ObjectMeta, Place, Put, Want, Written, look_in, make_object};
use crate::reader::Reading;
use crate::replicas::{Alone, Entry};
use crate::rows::object::Body;
use crate::rows::past::VersionId;
use crate::rows::reference::{Referrer, Target};
use crate::rows::version::{Contents, Owner, VersionRow};
use crate::writer::Unsettled;
use crate::{Model, ModelError, NodeBatch, Write, versions};
use base::id::kind;
use base::{Id, WallTime};
use env::random_array;
use std::sync::Arc;
use store::{Intent, Txn};

/// Rows and references written in one transaction before the next begins: as much as one row of a
/// completed upload with its 1 000 parts, which is the largest unit there is.
const TXN_MIN_WRITES: usize = 1000;

/// The same where several nodes keep them: each verifies the file of every block that a message holds before it answers, and
/// 64 MiB take a slow disk some seconds.
const MESSAGE_MIN_WRITES: usize = 128;

/// Rows looked at for one transaction.
const ROWS_PER_PAGE: usize = 512;
/// The same for one message: a row of blocks has one, and is two writes.
const ROWS_PER_MESSAGE: usize = MESSAGE_MIN_WRITES / 2;

/// The rows of a body that shares what another one holds, page by page.
struct Sharing {
    old: Id<kind::Body>,
    new: Id<kind::Body>,
    owner: Option<Owner>,
    deadline: WallTime,
    /// The first row of the next page; `None`: there is none.
    next_row: Option<u32>,
}

/// A copy on a node that is alone, and what keeps its source.
type CopyAlone<'a> = (&'a Alone, Option<Arc<Reading>>);

impl Model {
    /// Makes the content of `source` the object under another key (or the same one) without
    /// moving its bytes. The source was found with its content and must not change meanwhile.
    pub async fn copy_object(
        self: &Arc<Self>,
        (from_bucket, from_key, version): (Id<kind::Bucket>, String, Option<VersionId>),
        source: Found,
        place: Place,
        meta: ObjectMeta,
    ) -> Result<Written, ModelError> {
        let new_body = Id::from_bytes(random_array(self.env.rng.as_ref()));
        let owner = Owner::Object(place.bucket, place.key.clone());
        let mut unsettled = Unsettled::new(self, new_body);
        let alone = self.peers.stay_alone().await;
        let writes = match source.object.body.id() {
            // A request that is cut off leaves a transaction in the queue: it reads to its end.
            Some(old) => {
                let reading = alone.as_ref().map(|alone| (alone, source.reading.clone()));
                self.share_body((old, Some(owner)), (&mut unsettled, reading)).await?
            }
            None => Vec::new(),
        };
        if alone.is_none() {
            return self
                .copy_everywhere((from_bucket, from_key, version), source, (place, meta), (writes, unsettled))
                .await;
        }
        let (blocks, now_here) = (self.blocks.clone(), self.retention_clock());
        let from_row = versions::head_key(from_bucket, &from_key);
        let written = self
            .commit_alone(Intent::Grow, move |txn| {
                let now =
                    look_in(txn, &from_row, version, Want::Content)?.object().ok_or(ModelError::NoSuchKey)?;
                if now.object.body != source.object.body {
                    return Err(ModelError::ConditionFailed);
                }
                let body = named(new_body, &now.object.body);
                let object = make_object(now.object.size, now.object.etag, meta, body);
                let put = Put { place, object, inline: now.inline, writes, lock: None };
                put.apply(txn, (&blocks, now_here))
            })
            .await?;
        unsettled.settled();
        Ok(written)
    }

    /// Writes the entry of a copy whose body has its quorum.
    async fn copy_everywhere(
        self: &Arc<Self>,
        (from_bucket, from_key, version): (Id<kind::Bucket>, String, Option<VersionId>),
        source: Found,
        (place, meta): (Place, ObjectMeta),
        (writes, mut unsettled): (Vec<Write>, Unsettled),
    ) -> Result<Written, ModelError> {
        if !writes.is_empty() {
            unsettled.begin();
            self.merge_everywhere(writes, Some(unsettled.deadline())).await?;
        }
        // Only now: as long as the source is there, so is everything that its body holds.
        let now = self.look(from_bucket, &from_key, version, Want::Metadata).await?;
        let now = now.object().ok_or(ModelError::NoSuchKey)?;
        if now.object.body != source.object.body {
            return Err(ModelError::ConditionFailed);
        }
        let body = source.object.body.id().map(|_| unsettled.new_body());
        let described = named(unsettled.body(), &source.object.body);
        let object = make_object(source.object.size, source.object.etag, meta, described);
        let sent = unsettled.sent();
        let entry = Entry { object, inline: source.inline, body };
        let outcome = self.put_everywhere(place, entry).await;
        if outcome.as_ref().is_err_and(ModelError::is_refusal) {
            sent.refused();
        }
        outcome
    }

    /// Writes all rows of the new body but the last ones, which come back. It has the owner of the old one, unless another
    /// is named.
    pub(crate) async fn share_body(
        self: &Arc<Self>,
        (old, owner): (Id<kind::Body>, Option<Owner>),
        (unsettled, alone): (&mut Unsettled, Option<CopyAlone<'_>>),
    ) -> Result<Vec<Write>, ModelError> {
        let (new, deadline) = (unsettled.body(), unsettled.deadline());
        let mut rows = Sharing { old, new, owner, deadline, next_row: Some(0) };
        let mut writes = rows.next_page(self).await?;
        if rows.next_row.is_none() && alone.is_some() {
            return Ok(writes);
        }
        writes.push(unsettled.mark());
        while rows.next_row.is_some() {
            unsettled.begin();
            let Some((_, reading)) = &alone else {
                self.merge_everywhere(writes, Some(deadline)).await?;
                writes = rows.next_page(self).await?;
                continue;
            };
            let (batch, blocks) = (NodeBatch::new(writes), self.blocks.clone());
            let reading = reading.clone();
            let write = move |txn: &mut Txn<'_>| {
                batch.apply(&blocks, txn)?;
                drop(reading);
                Ok::<_, ModelError>(())
            };
            self.commit_alone(Intent::Grow, write).await?;
            writes = rows.next_page(self).await?;
        }
        if alone.is_some() {
            writes.push(Write::Settled { body: new });
        }
        Ok(writes)
    }
}

impl Sharing {
    /// The writes of some more rows, one at least if any is left.
    async fn next_page(&mut self, model: &Arc<Model>) -> Result<Vec<Write>, ModelError> {
        let Some(first) = self.next_row.take() else { return Ok(Vec::new()) };
        let (rows_max, writes_min) = match model.peers.is_alone() {
            true => (ROWS_PER_PAGE, TXN_MIN_WRITES),
            false => (ROWS_PER_MESSAGE, MESSAGE_MIN_WRITES),
        };
        let (rows, next) = model.version_rows(self.old, first, rows_max).await?;
        let mut writes = Vec::new();
        for (number, row) in rows {
            if writes.len() >= writes_min {
                self.next_row = Some(number);
                return Ok(writes);
            }
            self.share_row(number, row, &mut writes);
        }
        self.next_row = next;
        Ok(writes)
    }

    /// One row and what it holds.
    fn share_row(&self, number: u32, row: VersionRow, writes: &mut Vec<Write>) {
        let referrer = Referrer::Body(self.new);
        let hold = |target| Write::Hold { target, referrer };
        match &row.contents {
            Contents::Blocks(blocks) => {
                writes.extend(blocks.iter().map(|piece| hold(Target::Block(piece.hash))));
            }
            Contents::Parts(parts) => writes.extend(parts.iter().map(|part| hold(Target::Body(part.body)))),
        }
        let owner = self.owner.clone().unwrap_or(row.owner);
        let row = VersionRow { owner, deadline: self.deadline, dead: false, ..row };
        writes.push(Write::Version { body: self.new, number, row });
    }
}

/// How an entry names the new body of a copy.
pub(crate) fn named(new: Id<kind::Body>, source: &Body) -> Body {
    match source {
        Body::Inline(hash) => Body::Inline(*hash),
        Body::Blocks(_, pieces) => Body::Blocks(new, pieces.clone()),
        Body::Rows(_) => Body::Rows(new),
        Body::Composite(_) => Body::Composite(new),
    }
}

#[cfg(test)]
impl Model {
    /// How many blocks each message holds that shares a body.
    pub(crate) async fn holds_of_messages(self: &Arc<Self>, old: Id<kind::Body>) -> Vec<usize> {
        let deadline = WallTime(u64::MAX);
        let mut rows = Sharing { old, new: old, owner: None, deadline, next_row: Some(0) };
        let mut holds = Vec::new();
        while rows.next_row.is_some() {
            let writes = rows.next_page(self).await.expect("a quorum is there");
            holds.push(writes.iter().filter(|write| matches!(write, Write::Hold { .. })).count());
        }
        holds
    }
}
