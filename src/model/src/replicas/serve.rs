//! A replica's side: what this node does when a coordinator asks it.
//!
//! The request's view is checked before anything is read, and once more in the transaction that writes
//! (rule V2): a write is never counted under a layout that its replica has left. The clock takes in the
//! request's stamp first (T1): its header was heard before it came here, and what an answer rests on is settled.

use super::bury::{AskGraves, Forget};
use super::mend::AskRow;
use super::messages::{
    AskStamp, GetBlock, HeldPast, HeldRow, ListPast, ListRows, Listing, Prepare, Promise, ReadPast,
    ReadRange, ReadRow, Records, Reply, StoreBlock, StoreRows, Which,
};
use super::names::{CompareNames, NameRows};
use super::reading::AskReaders;
use super::seal::{self, Closed};
use super::secret::{AskSecret, OfferSecret};
use crate::batch::{self, Write};
use crate::check::AskBodies;
use crate::events::{AskDone, AskLacking, HoldEvents};
use crate::growth::{AskClock, AskMark, TellMarks};
use crate::rows::object::{self, Beside, InlineBody, ObjectRow};
use crate::rows::past;
use crate::rows::reference::Target;
use crate::{Model, ModelError, NodeBatch, graves, listing, versions};
use base::{BlockHash, PartitionHash, Stamp};
use block::{BlockError, BlockLock, HashedBlock, Presence};
use bytes::Bytes;
use cluster::View;
use cluster::layout::partition_of;
use futures_util::StreamExt;
use net::limits::PIECE_MAX_BYTES;
use net::{Answer, Attachment, Net, Refusal, Request};
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Read, Space, StoreError};
use table::register::Stored;

/// Bytes of records in one answer; a page ends before it grows beyond.
const PAGE_MAX_BYTES: usize = 1 << 20;

/// Blocks that are fetched at once where a disk lost them: enough that a link with a long round trip is used.
const FETCHES_AT_ONCE: usize = 8;

/// Blocks of one message that are verified at once: enough to keep a few disks busy, few of those that all readers share.
const HELD_AT_ONCE: usize = 8;

/// A request that a replica answers, whoever asks.
pub(crate) trait Serve: Request {
    /// Answers it here.
    fn serve(
        self,
        model: &Arc<Model>,
        attachment: Attachment,
    ) -> impl Future<Output = Result<Answer<Self::Reply>, Refusal>> + Send;
}

impl Model {
    /// Takes the links into use: asks others, and answers them.
    pub fn join(self: &Arc<Self>, net: &Net) {
        self.peers.set_net(net.clone());
        self.answer::<StoreRows>(net);
        self.answer::<StoreBlock>(net);
        self.answer::<GetBlock>(net);
        self.answer::<ReadRow>(net);
        self.answer::<ReadPast>(net);
        self.answer::<ListPast>(net);
        self.answer::<Prepare>(net);
        self.answer::<ReadRange>(net);
        self.answer::<ListRows>(net);
        self.answer::<NameRows>(net);
        self.answer::<CompareNames>(net);
        self.answer::<AskSecret>(net);
        self.answer::<OfferSecret>(net);
        self.answer::<AskStamp>(net);
        self.answer::<AskClock>(net);
        self.answer::<AskMark>(net);
        self.answer::<TellMarks>(net);
        self.answer::<AskGraves>(net);
        self.answer::<Forget>(net);
        self.answer::<AskRow>(net);
        self.answer::<AskBodies>(net);
        self.answer::<AskReaders>(net);
        self.answer::<HoldEvents>(net);
        self.answer::<AskLacking>(net);
        self.answer::<AskDone>(net);
        self.answer_sync(net);
    }

    pub(crate) fn answer<R: Serve>(self: &Arc<Self>, net: &Net) {
        // Weak: the network holds the handler, and this holds the network.
        let weak = Arc::downgrade(self);
        net.handle::<R, _, _>(move |incoming| {
            let model = weak.upgrade();
            async move {
                let model = model.ok_or(Refusal::Failed)?;
                incoming.request.serve(&model, incoming.attachment).await
            }
        });
    }

    /// Whether this node answers for a partition under that view.
    pub(crate) fn admit<T>(&self, view: View, partition: PartitionHash) -> Result<(), Reply<T>> {
        let placement = self.peers.placement();
        let mine = placement.view();
        if view.newest < mine.newest || view.oldest < mine.oldest || view.lives != mine.lives {
            return Err(Reply::Old(mine));
        }
        if !self.peers.takes_part(partition_of(&partition)) {
            return Err(Reply::NotReady);
        }
        let is_mine = placement.sets(partition).iter().any(|set| set.contains(&self.peers.me()));
        if view == mine && is_mine { Ok(()) } else { Err(Reply::NotReady) }
    }

    async fn store_here(
        self: &Arc<Self>,
        request: StoreRows,
        block: Option<HashedBlock>,
    ) -> Result<Reply<Vec<Stored>>, ModelError> {
        let StoreRows { view, position, birth, deadline, writes } = request;
        for partition in writes.iter().map(Write::partition).collect::<BTreeSet<_>>() {
            if let Err(reply) = self.admit(view, partition) {
                return Ok(reply);
            }
        }
        // Whoever writes plainly has not heard yet that the bucket keeps versions.
        let names = self.names();
        if writes.iter().any(|write| write.is_plain() && names.versioned.contains(&write.partition())) {
            return Ok(Reply::NotReady);
        }
        writes.iter().try_for_each(Write::check)?;
        self.store.observe(position.order.max(position.id).max(birth)).await?;
        if deadline.is_some_and(|deadline| self.store.latest().wall() >= deadline) {
            return Ok(Reply::Expired);
        }
        let under_way = deadline.map(|deadline| self.deadlines.enter(deadline));
        let lock = self.hold_blocks(&writes, block).await?;
        let intent = if writes.iter().all(Write::frees) { Intent::Free } else { Intent::Grow };
        let (blocks, peers) = (self.blocks.clone(), Arc::clone(&self.peers));
        let store = move |txn: &mut store::Txn<'_>| {
            let mine = peers.view();
            if view != mine {
                return Ok(Reply::Old(mine));
            }
            if deadline.is_some_and(|deadline| txn.stamp().wall() >= deadline) {
                return Ok(Reply::Expired);
            }
            if let Some(closed) = seal::closed_for(txn, &writes)? {
                return Ok(Reply::Closed(closed == Closed::Gone));
            }
            let batch = NodeBatch::new(writes);
            if batch.is_fenced(birth, txn)? {
                return Ok(Reply::Fenced);
            }
            let stored = batch.store((position, birth), &blocks, txn)?;
            drop(lock);
            // Also where whoever asked has gone meanwhile.
            txn.after_commit(move || drop(under_way));
            Ok::<_, ModelError>(Reply::Done(stored))
        };
        self.store.commit(intent, store).await
    }

    /// Locks the blocks that these writes hold, with a good file of each (rule K7). What is not here and did
    /// not come with the request is fetched from a node that has it.
    async fn hold_blocks(
        self: &Arc<Self>,
        writes: &[Write],
        block: Option<HashedBlock>,
    ) -> Result<Option<BlockLock>, ModelError> {
        let held = writes.iter().filter_map(|write| match write {
            Write::Hold { target: Target::Block(hash), .. } => Some(*hash),
            _ => None,
        });
        let hashes: BTreeSet<BlockHash> = held.chain(block.as_ref().map(HashedBlock::hash)).collect();
        if hashes.is_empty() {
            return Ok(None);
        }
        let lock = self.blocks.lock(hashes.iter().copied()).await;
        if let Some(block) = &block {
            self.blocks.put(&lock, block).await?;
        }
        let holds = hashes.into_iter().map(|hash| self.hold_block(&lock, hash));
        let mut held = futures_util::stream::iter(holds).buffer_unordered(HELD_AT_ONCE);
        while let Some(outcome) = held.next().await {
            outcome?;
        }
        drop(held);
        Ok(Some(lock))
    }

    async fn hold_block(self: &Arc<Self>, lock: &BlockLock, hash: BlockHash) -> Result<(), ModelError> {
        if !self.blocks.verify(lock, &hash).await? {
            let fetched = self.fetch_elsewhere(hash).await?;
            self.blocks.put(lock, &fetched).await?;
        }
        Ok(())
    }

    /// Reads one row, with the bytes beside it, and those of what it puts aside, if they are wanted.
    pub(crate) fn held_row(
        &self,
        read: &impl Read,
        row_key: &[u8],
        (content, aside): (bool, bool),
    ) -> Result<HeldRow, ModelError> {
        let row: Option<ObjectRow> = read.get(Space::Object, row_key)?;
        let row = row.filter(|row| row.order > Stamp::ZERO).map(|row| ObjectRow { register: None, ..row });
        let wanted = content && row.as_ref().is_some_and(|row| row.slot.has_bytes());
        let mut beside = Beside::default();
        if wanted {
            let unreadable = || StoreError::Unreadable { space: Space::Inline.name(), key: row_key.to_vec() };
            let body: InlineBody = read.get(Space::Inline, row_key)?.ok_or_else(unreadable)?;
            beside.own = Some(Bytes::from(body.0));
        }
        if let Some((id, past)) = row.as_ref().filter(|_| aside).and_then(ObjectRow::aside) {
            let body: Option<InlineBody> = read.get(Space::Inline, &past::beside(row_key, id))?;
            let bytes = body.map(|body| Bytes::from(body.0));
            beside.aside = bytes.filter(|bytes| batch::fits(&past.slot, Some(bytes)));
        }
        Ok(HeldRow { row, beside, ..HeldRow::default() })
    }

    async fn read_here(&self, request: ReadRow) -> Result<Reply<HeldRow>, ModelError> {
        if let Err(reply) = self.admit(request.view, request.partition) {
            return Ok(reply);
        }
        self.settled_for(request.birth).await?;
        let view = self.store.view()?;
        if seal::is_gone(&view, request.partition)? {
            return Ok(Reply::Closed(true));
        }
        let key = object::row_key(request.partition, &request.key);
        let mut held = self.held_row(&view, &key, (request.content, request.aside))?;
        held.past = past_beside(&view, &request)?;
        let fence = graves::fence_of(&view, Space::Object, &key)?.birth();
        // T4: this replica may have forgotten what an older request expects to find.
        Ok(if held.row.is_none() && request.birth <= fence { Reply::Fenced } else { Reply::Done(held) })
    }

    async fn past_here(&self, request: ReadPast) -> Result<Reply<HeldPast>, ModelError> {
        if let Err(reply) = self.admit(request.view, request.partition) {
            return Ok(reply);
        }
        self.settled_for(request.birth).await?;
        let view = self.store.view()?;
        if seal::is_gone(&view, request.partition)? {
            return Ok(Reply::Closed(true));
        }
        let fence = graves::fence_of(&view, Space::Past, request.partition.as_bytes())?.birth();
        if request.birth <= fence {
            return Ok(Reply::Fenced);
        }
        Ok(Reply::Done(versions::held_past(&view, &request)?))
    }

    async fn prepare_here(&self, request: Prepare) -> Result<Reply<Promise>, ModelError> {
        let Prepare { view, partition, key, ballot } = request;
        if let Err(reply) = self.admit(view, partition) {
            return Ok(reply);
        }
        self.store.observe(ballot).await?;
        let (blocks, peers) = (self.blocks.clone(), Arc::clone(&self.peers));
        let row_key = object::row_key(partition, &key);
        let promised = self
            .store
            .commit(Intent::Free, move |txn| {
                let mine = peers.view();
                if view != mine {
                    return Ok(Reply::Old(mine));
                }
                if seal::is_gone(txn, partition)? {
                    return Ok(Reply::Closed(true));
                }
                Ok::<_, ModelError>(Reply::Done(batch::prepare(&blocks, txn, row_key, ballot)?))
            })
            .await?;
        Ok(match promised {
            Reply::Done(Ok(row)) => {
                let retention_clock = Some(self.retention_clock());
                let held = HeldRow { row, retention_clock, ..HeldRow::default() };
                Reply::Done(Promise::Given(Box::new(held)))
            }
            Reply::Done(Err(against)) => Reply::Done(Promise::Refused(against)),
            Reply::Old(view) => Reply::Old(view),
            Reply::Closed(is_gone) => Reply::Closed(is_gone),
            _ => Reply::Failed,
        })
    }

    async fn range_here(&self, request: ReadRange) -> Result<Reply<Records>, ModelError> {
        if let Err(reply) = self.admit(request.view, request.partition) {
            return Ok(reply);
        }
        let known = [Space::Version, Space::BlockRef, Space::Upload, Space::Part, Space::Usage];
        let Some(space) = known.into_iter().find(|space| space.number() == request.space) else {
            return Ok(Reply::Failed);
        };
        let inside =
            [&request.from, &request.to].iter().all(|key| key.starts_with(request.partition.as_bytes()));
        if !inside {
            return Ok(Reply::Failed);
        }
        self.settled_for(request.birth).await?;
        let view = self.store.view()?;
        // T4: what is absent in the range may have been forgotten.
        let fence = graves::fence_of(&view, space, request.partition.as_bytes())?.birth();
        if request.birth <= fence {
            return Ok(Reply::Fenced);
        }
        let read = move || {
            let (mut page, mut damaged) = (Records::default(), None);
            let mut bytes_left = PAGE_MAX_BYTES;
            let (from, to) = (Bound::Included(&*request.from), Bound::Excluded(&*request.to));
            view.scan(space, from, to, &mut |key, value| {
                if page.records.len() >= request.limit as usize || bytes_left == 0 {
                    page.more = true;
                    return ControlFlow::Break(());
                }
                if !store::passes(space, key, value) {
                    damaged = Some(StoreError::Unreadable { space: space.name(), key: key.to_vec() });
                    return ControlFlow::Break(());
                }
                bytes_left = bytes_left.saturating_sub(key.len() + value.len());
                page.records.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
                ControlFlow::Continue(())
            })?;
            damaged.map_or(Ok(page), Err)
        };
        Ok(Reply::Done(self.env.tasks.blocking(read).await?))
    }

    async fn list_here(&self, request: ListRows) -> Result<Reply<Listing>, ModelError> {
        if let Err(reply) = self.admit(request.view, request.partition) {
            return Ok(reply);
        }
        self.settled_for(request.birth).await?;
        let view = self.store.view()?;
        if seal::is_gone(&view, request.partition)? {
            return Ok(Reply::Closed(true));
        }
        if !seal::may_list(&view, request.partition, request.seal.as_deref())? {
            return Ok(Reply::NotReady);
        }
        let fence = graves::fence_of(&view, Space::Object, request.partition.as_bytes())?.birth();
        if request.birth <= fence {
            return Ok(Reply::Fenced);
        }
        let list = move || listing::rows_for(&view, &request);
        Ok(Reply::Done(self.env.tasks.blocking(list).await?))
    }

    /// A block from any node that may have it.
    pub(crate) async fn fetch_elsewhere(
        self: &Arc<Self>,
        hash: BlockHash,
    ) -> Result<HashedBlock, ModelError> {
        self.seek_elsewhere(hash).await.found().ok_or_else(|| BlockError::Missing { hash }.into())
    }

    /// What a coordinator is told of an error here. A row that cannot be read is mended behind its back.
    pub(crate) fn told<T>(&self, outcome: Result<Reply<T>, ModelError>) -> Answer<Reply<T>> {
        let reply = outcome.unwrap_or_else(|error| match error {
            ModelError::Store(StoreError::Full) | ModelError::Block(BlockError::Full) => Reply::Full,
            ModelError::Store(StoreError::Unreadable { .. }) => {
                self.note_damage(&error);
                Reply::Unreadable
            }
            error => {
                tracing::warn!(%error, "a request of another node could not be carried out");
                Reply::Failed
            }
        });
        Answer::from(reply)
    }

    /// Fetches blocks that references call for and that are not here, some at once. Comes back with the time after which
    /// others are to have their turn: none where a limit has given it to them already.
    pub async fn fetch_all_missing(self: &Arc<Self>, missing: Vec<BlockHash>) -> Duration {
        let begin = self.env.clock.mono();
        let fetches = missing.into_iter().map(|hash| async move {
            if let Err(error) = self.fetch_missing(hash).await {
                tracing::warn!(%hash, %error, "a block is missing here and nobody else could give it");
            }
        });
        futures_util::stream::iter(fetches).buffer_unordered(FETCHES_AT_ONCE).collect::<()>().await;
        let took = self.env.clock.mono().saturating_sub(begin);
        if self.copy_rate.is_limited() { Duration::ZERO } else { took }
    }

    /// Stores a block that a reference calls for and that is not here.
    pub async fn fetch_missing(self: &Arc<Self>, hash: BlockHash) -> Result<(), ModelError> {
        let block = self.copy_elsewhere(hash).await.found().ok_or(BlockError::Missing { hash })?;
        self.blocks.put_one(&block).await?;
        Ok(())
    }
}

impl Serve for StoreRows {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.store_here(self, None).await))
    }
}

impl Serve for StoreBlock {
    async fn serve(self, model: &Arc<Model>, attachment: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        let Ok(bytes) = attachment.read_all(PIECE_MAX_BYTES).await else { return Err(Refusal::Malformed) };
        let hash = self.hash;
        let checked = model.env.tasks.blocking(move || HashedBlock::received(hash, bytes)).await;
        let Ok(block) = checked else { return Err(Refusal::Malformed) };
        Ok(model.told(model.store_here(self.rows, Some(block)).await))
    }
}

impl Serve for GetBlock {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<bool>, Refusal> {
        Ok(match model.blocks.get(&self.hash).await {
            Ok(bytes) => {
                let from = bytes.len().min(self.from as usize);
                Answer { reply: true, attachment: bytes.slice(from..).into() }
            }
            // Where a disk is missing or fails, it may be back tomorrow: nothing is said.
            Err(_) => match model.blocks.presence(self.hash).await {
                Presence::Unknown | Presence::Good => return Err(Refusal::Busy),
                Presence::Damaged | Presence::Absent => Answer::from(false),
            },
        })
    }
}

/// The past row that a read of a key asks for, if this replica answers for it.
fn past_beside(view: &store::View, request: &ReadRow) -> Result<Option<HeldPast>, ModelError> {
    let Some(id) = request.past else { return Ok(None) };
    let fence = graves::fence_of(view, Space::Past, request.partition.as_bytes())?.birth();
    if request.birth <= fence {
        return Ok(None);
    }
    let question = ReadPast {
        view: request.view,
        birth: request.birth,
        partition: request.partition,
        key: request.key.clone(),
        which: Which::Version(id),
        content: request.content,
    };
    versions::held_past(view, &question).map(Some)
}

impl Serve for ReadRow {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.read_here(self).await))
    }
}

impl Serve for ReadPast {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.past_here(self).await))
    }
}

impl Serve for AskStamp {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(Answer::from(model.stamp_here(self)))
    }
}

impl Serve for Prepare {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.prepare_here(self).await))
    }
}

impl Serve for ReadRange {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.range_here(self).await))
    }
}

impl Serve for ListRows {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.list_here(self).await))
    }
}
