//! Letting go: bodies that nothing needs any more, closed uploads, tombstones.
//!
//! Hooks only queue work here, in the transaction that makes it necessary, so no crash can forget
//! it. The work itself looks again before it removes anything (rules K4–K6): a body goes only when
//! its owner's row, read now, does not name it. Each step is one small transaction; repeating one
//! does no harm.
//!
//! Where this node is alone, every replica has acknowledged a tombstone as soon as it is durable: it goes after
//! a while (`graves`). What several nodes do instead is in `replicas/release` and `replicas/bury`.

use crate::graves::{self, Buried, Candidate, Grave, Held, enqueue_tombstone};
use crate::rows::object::{self, ObjectRow};
use crate::rows::past::VersionId;
use crate::rows::record_kind;
use crate::rows::reference::{Referrer, Target};
use crate::rows::upload::{self, PartRow};
use crate::rows::version::{self, Owner, VersionRow};
use crate::tables::{self, Tables, Upkeep};
use crate::{Model, ModelError, NodeBatch, Write, outbox, versions};
use base::id::kind;
use base::{Id, PartitionHash, Stamp, WallTime};
use block::BlockStore;
use serde::{Deserialize, Serialize};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::{Intent, Read, Record, Space, Step, StoreError, Txn};

/// Items taken from a queue in one step.
const STEP_MAX_ITEMS: usize = 128;
/// Version rows or parts touched in one transaction.
const TXN_MAX_ROWS: usize = 16;

/// Something a hook wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A body that lost its entry or its last holder.
    ReleaseBody(Id<kind::Body>),
    /// An upload that was closed: let its parts go.
    CloseUpload(Id<kind::Upload>),
    /// A row of a body that died: let go what it holds, wherever that lies.
    DropReferences(Id<kind::Body>, u32),
}

const RELEASE_BODY: u8 = 1;
const CLOSE_UPLOAD: u8 = 2;

impl Work {
    /// First byte of the keys of [`Work::DropReferences`].
    pub(crate) const DROP_REFERENCES: u8 = 3;
    /// The first bytes of all keys.
    pub(crate) const KINDS: [u8; 3] = [RELEASE_BODY, CLOSE_UPLOAD, Self::DROP_REFERENCES];

    pub(crate) fn key(self) -> Vec<u8> {
        let (mark, bytes) = match &self {
            Work::ReleaseBody(id) => (RELEASE_BODY, id.as_bytes().to_vec()),
            Work::CloseUpload(id) => (CLOSE_UPLOAD, id.as_bytes().to_vec()),
            Work::DropReferences(id, number) => (Self::DROP_REFERENCES, version::row_key(id, *number)),
        };
        [&[mark], bytes.as_slice()].concat()
    }

    pub(crate) fn parse(key: &[u8]) -> Option<Self> {
        let (mark, bytes) = key.split_first()?;
        if *mark == Self::DROP_REFERENCES {
            return version::parse_row_key(bytes).map(|(body, number)| Work::DropReferences(body, number));
        }
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        match *mark {
            RELEASE_BODY => Some(Work::ReleaseBody(Id::from_bytes(bytes))),
            CLOSE_UPLOAD => Some(Work::CloseUpload(Id::from_bytes(bytes))),
            _ => None,
        }
    }
}

/// A queued item: what it is about stands in its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// When it was queued.
    #[serde(default)]
    pub since: Option<WallTime>,
    /// The order of the entry that lost: only a newer one proves that it is beaten (rule K5).
    #[serde(default)]
    pub beaten: Option<Stamp>,
    /// A closed upload: no replica accepts a completion any more once its clock has passed this (C3).
    #[serde(default)]
    pub closed: Option<WallTime>,
    /// It was tried, and is not tried again before this.
    #[serde(default)]
    pub not_before: Option<WallTime>,
    /// It is a body of which only all replicas together can tell whether anything names it (rule K6).
    #[serde(default)]
    pub in_doubt: bool,
    /// Which version of its key that entry was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
}

impl Record for Queued {
    const KIND: u8 = record_kind::OUTBOX;
    const VERSION: u8 = 1;
}

/// Queues work, in the transaction that makes it necessary.
pub(crate) fn enqueue(txn: &mut Txn<'_>, work: Work) {
    let since = Some(txn.now());
    txn.put(Space::Outbox, work.key(), &Queued { since, ..Queued::default() });
}

/// Queues a body of which it is in doubt whether anything names it.
pub(crate) fn enqueue_doubted(txn: &mut Txn<'_>, body: Id<kind::Body>) -> Result<(), StoreError> {
    let work = Work::ReleaseBody(body);
    if !is_queued(txn, work)? {
        let queued = Queued { since: Some(txn.now()), in_doubt: true, ..Queued::default() };
        txn.put(Space::Outbox, work.key(), &queued);
    }
    Ok(())
}

/// Whether work is queued here, be its record readable or not.
pub(crate) fn is_queued(read: &impl Read, work: Work) -> Result<bool, StoreError> {
    Ok(read.get_bytes(Space::Outbox, &work.key())?.is_some())
}

/// Queues the body of an entry that lost under this order, as this version of its key.
pub(crate) fn enqueue_beaten(txn: &mut Txn<'_>, body: Id<kind::Body>, (order, version): (Stamp, VersionId)) {
    let (since, beaten, version) = (Some(txn.now()), Some(order), Some(version));
    let queued = Queued { since, beaten, version, ..Queued::default() };
    txn.put(Space::Outbox, Work::ReleaseBody(body).key(), &queued);
}

/// What one step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Items finished.
    pub done: usize,
    /// Whether more is waiting that can be done now.
    pub more: bool,
}

impl Model {
    /// Does some of the queued work. Call again at once while `more` is set.
    pub async fn reclaim_step(self: &Arc<Self>) -> Result<Progress, ModelError> {
        self.mend_counts().await?;
        if !self.peers.is_alone() {
            return self.reclaim_everywhere().await;
        }
        let (works, unreadable) = self.queued_work()?;
        let settled = self.queue_anew(unreadable).await?;
        for work in &works {
            match *work {
                Work::ReleaseBody(body) => self.release_body(body).await?,
                Work::CloseUpload(upload) => self.close_upload(upload).await?,
                Work::DropReferences(body, number) => self.drop_references(body, number).await?,
            }
        }
        // T5: what is on its way to another node must not be forgotten here meanwhile.
        let collected = if self.peers.is_changing() { 0 } else { self.collect_tombstones().await? };
        let done = works.len() + collected + settled;
        Ok(Progress { done, more: works.len() == STEP_MAX_ITEMS || collected == STEP_MAX_ITEMS })
    }

    /// Bodies whose uploads were cut off by the end of the process before this one: on a cluster
    /// of one replica their coordinator was this node, so nobody can finish them any more.
    pub async fn settle_interrupted_uploads(self: &Arc<Self>) -> Result<usize, ModelError> {
        if !self.peers.is_alone() {
            return Ok(0);
        }
        let mut bodies = Vec::new();
        // Whatever their records say: the key is the body.
        self.store.view()?.scan(Space::Pending, Bound::Unbounded, Bound::Unbounded, &mut |key, _| {
            bodies.extend(<[u8; 32]>::try_from(key).ok().map(Id::from_bytes));
            ControlFlow::Continue(())
        })?;
        for &body in &bodies {
            self.abandon_body(body).await?;
        }
        Ok(bodies.len())
    }

    /// Gives a body up whose entry will never be written.
    pub(crate) async fn abandon_body(self: &Arc<Self>, body: Id<kind::Body>) -> Result<(), ModelError> {
        if !self.peers.is_alone() {
            // Nobody but this coordinator could have written its entry, and it did not.
            return self.end_body(body).await;
        }
        let blocks = self.blocks.clone();
        self.commit_alone(Intent::Free, move |txn| {
            NodeBatch::new(vec![Write::Settled { body }]).apply(&blocks, txn)?;
            enqueue(txn, Work::ReleaseBody(body));
            Ok::<_, ModelError>(())
        })
        .await
    }

    /// The first items that can be done now, and those that cannot be read. A body that is being read waits: a reader ends,
    /// or is cut off, in its own time, and many slow ones must not hold up everything behind them.
    fn queued_work(&self) -> Result<(Vec<Work>, Vec<Work>), ModelError> {
        let mut works = Vec::new();
        let waits = |work: &Work| matches!(work, Work::ReleaseBody(body) if self.readers.is_reading(*body));
        let unreadable = outbox::walk(&self.store.view()?, &[], None, &mut |key, _| {
            works.extend(Work::parse(key).filter(|work| !waits(work)));
            if works.len() < STEP_MAX_ITEMS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok((works, unreadable))
    }

    async fn release_body(&self, body: Id<kind::Body>) -> Result<(), ModelError> {
        loop {
            let blocks = self.blocks.clone();
            let release = move |txn: &mut Txn<'_>| release_some_rows(&blocks, txn, body);
            if self.commit_alone(Intent::Free, release).await? == More::Finished {
                return Ok(());
            }
        }
    }

    /// What a row that died while there were other nodes still holds.
    async fn drop_references(self: &Arc<Self>, body: Id<kind::Body>, number: u32) -> Result<(), ModelError> {
        let row: Option<VersionRow> =
            self.store.view()?.get(Space::Version, &version::row_key(&body, number))?;
        let releases = row
            .iter()
            .flat_map(|row| row.contents.targets())
            .map(|target| Write::Release { target, referrer: Referrer::Body(body) });
        self.apply(Intent::Free, releases.collect()).await?;
        self.forget_work(Work::DropReferences(body, number)).await
    }

    /// Takes a finished item from the queue.
    pub(crate) async fn forget_work(&self, work: Work) -> Result<(), ModelError> {
        self.forget_works(vec![work]).await
    }

    /// Takes finished items from the queue.
    pub(crate) async fn forget_works(&self, works: Vec<Work>) -> Result<(), ModelError> {
        let forget = move |txn: &mut Txn<'_>| {
            works.iter().for_each(|work| txn.delete(Space::Outbox, work.key()));
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, forget).await
    }

    async fn close_upload(self: &Arc<Self>, upload: Id<kind::Upload>) -> Result<(), ModelError> {
        let mut bodies = Vec::new();
        let (from, to) = (upload::parts_from(&upload, 0), table::sort_key::after_prefix(upload.as_bytes()));
        self.store.view()?.walk(Space::Part, &from, to.as_deref(), &mut |_, part: PartRow| {
            bodies.push(part.body);
            Step::Next
        })?;
        for some in bodies.chunks(TXN_MAX_ROWS) {
            let releases = some.iter().map(|&body| Write::Release {
                target: Target::Body(body),
                referrer: Referrer::Upload(upload),
            });
            self.apply(Intent::Free, releases.collect()).await?;
        }
        self.store
            .commit(Intent::Free, move |txn| {
                txn.delete(Space::Outbox, Work::CloseUpload(upload).key());
                enqueue_tombstone(txn, Space::Upload, &upload::row_key(&upload));
                Ok::<_, ModelError>(())
            })
            .await
    }

    async fn collect_tombstones(&self) -> Result<usize, ModelError> {
        let before = self.buried_before();
        let due = graves::candidates(&self.store.view()?, &[], before, STEP_MAX_ITEMS)?;
        if due.is_empty() {
            return Ok(0);
        }
        let peers = Arc::clone(&self.peers);
        let collect = move |txn: &mut Txn<'_>| {
            if peers.is_changing() {
                return Ok(0);
            }
            let mut done = 0;
            for candidate in due {
                let Buried { space, row_key } = &candidate.buried;
                // What cannot be read stays queued, and keeps no other from its turn.
                if matches!(graves::look(txn, *space, row_key), Err(StoreError::Unreadable { .. })) {
                    continue;
                }
                collect_alone(txn, candidate)?;
                done += 1;
            }
            Ok(done)
        };
        self.commit_alone(Intent::Free, collect).await
    }

    /// Tombstones that are older than this may go.
    pub(crate) fn buried_before(&self) -> WallTime {
        WallTime(self.env.clock.wall().millis().saturating_sub(self.timing.tombstones_stay_ms))
    }
}

/// Collects what a tombstone was queued for, here, where nobody else holds anything.
fn collect_alone(txn: &mut Txn<'_>, candidate: Candidate) -> Result<(), StoreError> {
    let Candidate { queue_key, buried } = candidate;
    let fence = txn.stamp();
    let parts = graves::graves_of_parts(txn, &buried, STEP_MAX_ITEMS)?;
    for part in &parts {
        graves::collect(txn, part, Held::Tombstone(Stamp::ZERO), fence)?;
    }
    let held = graves::look(txn, buried.space, &buried.row_key)?;
    match held {
        Held::Needed => return Ok(()),
        Held::Nothing => {}
        Held::Promised(order) | Held::Tombstone(order) => {
            let grave = Grave { space: buried.space, row_key: buried.row_key.into(), order };
            graves::collect(txn, &grave, held, fence)?;
        }
    }
    txn.delete(Space::Tombstone, queue_key);
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Waiting,
    Finished,
}

/// Marks some rows of a body dead, if its owner, read now, does not name it.
fn release_some_rows(
    blocks: &BlockStore,
    txn: &mut Txn<'_>,
    body: Id<kind::Body>,
) -> Result<More, ModelError> {
    let finish = |txn: &mut Txn<'_>| {
        txn.delete(Space::Outbox, Work::ReleaseBody(body).key());
        Ok(More::Finished)
    };
    let mut rows = Vec::new();
    let to = table::sort_key::after_prefix(body.as_bytes());
    txn.walk(Space::Version, &version::row_key(&body, 0), to.as_deref(), &mut |key, row: VersionRow| {
        if !row.dead {
            rows.push((key.to_vec(), row));
        }
        if rows.len() < TXN_MAX_ROWS { Step::Next } else { Step::Stop }
    })?;
    let Some((_, first)) = rows.first() else { return finish(txn) };
    if is_needed(txn, body, &first.owner)? {
        return finish(txn);
    }
    let last = rows.len() < TXN_MAX_ROWS;
    for (key, row) in rows {
        let row = VersionRow { dead: true, ..row };
        table::apply(&Tables::new(blocks, Upkeep::Here).versions, txn, key, &row, None)?;
    }
    if last { finish(txn) } else { Ok(More::Waiting) }
}

/// Whether the owner's row names this body now.
fn is_needed(txn: &Txn<'_>, body: Id<kind::Body>, owner: &Owner) -> Result<bool, ModelError> {
    if txn.get_bytes(Space::Pending, body.as_bytes())?.is_some() {
        return Ok(true);
    }
    match owner {
        Owner::Part(..) => Ok(tables::is_held(txn, Target::Body(body), None)?),
        Owner::Object(bucket, key) => {
            let partition = PartitionHash::of_shard(bucket, 0);
            let row: Option<ObjectRow> = txn.get(Space::Object, &object::row_key(partition, key))?;
            Ok(row.is_some_and(|row| row.names(body)) || versions::past_with_body(txn, body)?.is_some())
        }
    }
}
