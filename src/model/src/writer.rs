//! Writing a body: the one path that PUT, POST, copy and part uploads share.
//!
//! The caller hands over whole blocks and at last the rest. Small bodies stay in memory and travel
//! with their entry. Larger ones are stored block by block while they arrive: each block's file is
//! durable before the transaction that lists and holds it, and nothing names the body until the
//! entry is committed. Where several nodes keep them, a block and its rows go to all of them at once and
//! count when a quorum has them. A writer that is dropped, because the client went away or an error came up,
//! gives the body up; one cut off by a crash is given up at the next start.

use crate::encryption::cipher::{Cipher, Key, SEAL_BYTES};
use crate::replicas::{Batch, NewBody};
use crate::rows::object::{BlockPiece, Body};
use crate::rows::reference::{Referrer, Target};
use crate::rows::version::{Contents, Owner, PendingBody, VersionRow};
use crate::{Model, ModelError, NodeBatch, Peers, Write};
use base::id::kind;
use base::limits::BLOCK_SIZE_BYTES;
use base::{BlockHash, Id, WallTime};
use block::{BlockLock, HashedBlock};
use bytes::Bytes;
use env::{Task, random_array};
use std::collections::VecDeque;
use std::sync::Arc;
use store::Intent;

/// Bodies up to this many bytes live beside their row and take one flush instead of two.
pub const INLINE_MAX_BYTES: usize = 64 << 10;
/// Blocks of one upload on their way to the disk at once: enough to hash one while another is
/// flushed, few enough that an upload stays below a handful of MiB.
const BLOCKS_IN_FLIGHT_MAX: usize = 3;
/// The same where other nodes keep them too: enough for 100 MB/s at a round trip of 80 ms. Each has its share of
/// the memory for uploads.
const BLOCKS_IN_FLIGHT_FAR_MAX: usize = 8;
/// Longest single upload (rule K2): after this nobody accepts anything for its body any more.
pub(crate) const BODY_DEADLINE_MS: u64 = 48 * 3600 * 1000;
/// Blocks that an entry lists itself, so that reading a mid-sized object needs no other row.
const ENTRY_MAX_BLOCKS: usize = 16;

/// A body on its way in.
pub struct BodyWriter {
    unsettled: Unsettled,
    owner: Owner,
    deadline: WallTime,
    pieces: Vec<BlockPiece>,
    size: u64,
    /// What seals its blocks, where it is encrypted.
    cipher: Option<Arc<Cipher>>,
}

/// A body whose bytes are all here, waiting for its entry.
pub struct FinishedBody {
    unsettled: Unsettled,
    size: u64,
    content: Finished,
}

enum Finished {
    Inline(Bytes),
    Blocks { owner: Owner, deadline: WallTime, pieces: Vec<BlockPiece>, last: Option<LastBlock> },
}

/// The last block: its file is durable and its lock still held, so that its reference can travel
/// with the entry.
struct LastBlock {
    lock: BlockLock,
    piece: BlockPiece,
}

/// A body whose entry was sent to several nodes.
pub(crate) struct Sent {
    model: Arc<Model>,
    body: Id<kind::Body>,
    begun: bool,
}

impl Sent {
    /// The entry was surely not written: the body is given up.
    pub fn refused(self) {
        let mut unsettled = Unsettled::new(&self.model, self.body);
        unsettled.begun = self.begun;
    }
}

/// Gives the body up when it is dropped before it is settled.
pub(crate) struct Unsettled {
    model: Arc<Model>,
    body: Id<kind::Body>,
    /// After this nobody accepts anything for the body any more (rule K2).
    deadline: WallTime,
    in_flight: VecDeque<Task<Result<(), ModelError>>>,
    /// Whether any row of the body has been sent.
    begun: bool,
    /// Whether the mark that the body is pending is stored: until then it goes along with every row, so that none is
    /// anywhere without it, whichever comes first.
    marked: bool,
}

impl BodyWriter {
    /// Begins a body for `owner`.
    pub fn new(model: &Arc<Model>, owner: Owner) -> Self {
        let body = Id::from_bytes(random_array(model.env.rng.as_ref()));
        let unsettled = Unsettled::new(model, body);
        let deadline = unsettled.deadline;
        Self { unsettled, owner, deadline, pieces: Vec::new(), size: 0, cipher: None }
    }

    /// Encrypts the body with this data key, if there is one. Called before the first block.
    #[must_use]
    pub fn sealed(mut self, data_key: Option<&Key>) -> Self {
        let part = match self.owner {
            Owner::Object(..) => None,
            Owner::Part(..) => Some(&self.unsettled.body),
        };
        self.cipher = data_key.map(|key| Arc::new(key.cipher(part)));
        self
    }

    /// Most bytes of a block: what is sealed grows by a little, and must not grow beyond a block.
    pub fn block_max_bytes(&self) -> usize {
        BLOCK_SIZE_BYTES - if self.cipher.is_some() { SEAL_BYTES } else { 0 }
    }

    /// Takes a whole block, and what accounts for its memory, which is dropped once it is stored.
    /// Returns when there is room for another one, not when it is stored.
    pub async fn push_block(
        &mut self,
        content: Bytes,
        budget: impl Send + 'static,
    ) -> Result<(), ModelError> {
        // Every reader goes by the listed sizes, so a block may be shorter; none is empty.
        debug_assert!((1..=self.block_max_bytes()).contains(&content.len()), "a block has 1 byte to 1 MiB");
        let most = blocks_in_flight(&self.unsettled.model.peers);
        while self.unsettled.in_flight.len() >= most {
            self.unsettled.wait_for_one().await?;
        }
        self.size += content.len() as u64;
        self.send_block(content, budget).await
    }

    /// Sends a block on its way, beside those that are.
    async fn send_block(&mut self, content: Bytes, budget: impl Send + 'static) -> Result<(), ModelError> {
        let number = self.pieces.len() as u32;
        let hashed = self.seal_and_hash(content).await?;
        self.pieces.push(piece_of(&hashed));
        let mut writes = rows_of_block(self.unsettled.body, number, &hashed, &self.owner, self.deadline);
        writes.extend(self.unsettled.begin());
        let model = Arc::clone(&self.unsettled.model);
        let (tasks, deadline) = (model.env.tasks.clone(), self.deadline);
        let task = tasks.spawn(async move {
            let stored = store_block(&model, hashed, writes, deadline).await;
            drop(budget);
            stored
        });
        self.unsettled.in_flight.push_back(task);
        Ok(())
    }

    /// Takes the rest, less than or exactly a block, and waits until everything is durable.
    pub async fn finish(mut self, rest: Bytes) -> Result<FinishedBody, ModelError> {
        let size = self.size + rest.len() as u64;
        let small = self.pieces.is_empty() && rest.len() <= INLINE_MAX_BYTES;
        let content = if small && matches!(self.owner, Owner::Object(..)) {
            // Small enough to be sealed in place.
            Finished::Inline(
                self.cipher.as_ref().map_or_else(|| rest.clone(), |cipher| cipher.seal(0, &rest)),
            )
        } else {
            let last = if rest.is_empty() { None } else { self.store_last(rest).await? };
            self.unsettled.wait_for_all().await?;
            Finished::Blocks { owner: self.owner, deadline: self.deadline, pieces: self.pieces, last }
        };
        Ok(FinishedBody { unsettled: self.unsettled, size, content })
    }

    /// The next block as it is stored, with its hash. Each has a number of its own, that it is sealed under.
    async fn seal_and_hash(&self, content: Bytes) -> Result<HashedBlock, ModelError> {
        let model = &self.unsettled.model;
        let Some(cipher) = self.cipher.clone() else { return hash(model, content).await };
        let number = self.pieces.len() as u32;
        Ok(model.env.tasks.blocking(move || HashedBlock::new(cipher.seal(number, &content))).await?)
    }

    /// Stores the last block. On a node that is alone its rows are left for the transaction that writes
    /// the entry.
    async fn store_last(&mut self, rest: Bytes) -> Result<Option<LastBlock>, ModelError> {
        let model = Arc::clone(&self.unsettled.model);
        if !model.peers.is_alone() {
            self.send_block(rest, ()).await?;
            return Ok(None);
        }
        // One on its way may wait for this block's lock.
        self.unsettled.wait_for_all().await?;
        let hashed = self.seal_and_hash(rest).await?;
        let piece = piece_of(&hashed);
        let lock = model.blocks.lock([hashed.hash()]).await;
        model.blocks.put(&lock, &hashed).await?;
        Ok(Some(LastBlock { lock, piece }))
    }
}

impl FinishedBody {
    /// Bytes of the body.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What the entry says about the body, and what must be written with it.
    pub(crate) fn describe(&self) -> (Body, Option<Bytes>, Vec<Write>) {
        match &self.content {
            Finished::Inline(bytes) => (Body::Inline(BlockHash::of(bytes)), Some(bytes.clone()), Vec::new()),
            Finished::Blocks { owner, deadline, pieces, last } => {
                let body = self.unsettled.body;
                let mut pieces = pieces.clone();
                let mut writes = vec![Write::Settled { body }];
                let row = |piece: Option<BlockPiece>, number: usize| Write::Version {
                    body,
                    number: number as u32,
                    row: version_row(owner, *deadline, piece),
                };
                match last {
                    Some(last) => {
                        writes.push(row(Some(last.piece), pieces.len()));
                        let target = Target::Block(last.piece.hash);
                        writes.push(Write::Hold { target, referrer: Referrer::Body(body) });
                        pieces.push(last.piece);
                    }
                    // An empty part still needs its row: the backlink lives there.
                    None if pieces.is_empty() => writes.push(row(None, 0)),
                    None => {}
                }
                let described = if pieces.len() <= ENTRY_MAX_BLOCKS {
                    Body::Blocks(body, pieces)
                } else {
                    Body::Rows(body)
                };
                (described, None, writes)
            }
        }
    }

    /// Has everything of the body stored on all nodes that keep it: a last block that was left for the
    /// transaction of the entry, when this node was alone, goes out by itself.
    pub(crate) async fn spread(mut self) -> Result<Self, ModelError> {
        let Finished::Blocks { owner, deadline, pieces, last } = &mut self.content else { return Ok(self) };
        let Some(LastBlock { lock, piece }) = last.take() else { return Ok(self) };
        let (model, body) = (Arc::clone(&self.unsettled.model), self.unsettled.body);
        let content = model.blocks.get(&piece.hash).await?;
        // Its file may go from here on; the content is in hand.
        drop(lock);
        let hashed = hash(&model, content).await?;
        let mut writes = rows_of_block(body, pieces.len() as u32, &hashed, owner, *deadline);
        writes.extend(self.unsettled.begin());
        pieces.push(piece);
        store_block(&model, hashed, writes, *deadline).await?;
        Ok(self)
    }

    /// The lock of the last block: the transaction that holds the block keeps a clone, so that a
    /// request cut off in the middle does not let go of it too early.
    pub(crate) fn lock(&self) -> Option<BlockLock> {
        match &self.content {
            Finished::Blocks { last: Some(last), .. } => Some(last.lock.clone()),
            _ => None,
        }
    }

    /// After this nobody accepts anything for the body any more.
    pub(crate) fn deadline(&self) -> WallTime {
        self.unsettled.deadline()
    }

    /// The body that its entry names on several nodes; none for bytes beside the row.
    pub(crate) fn new_body(&self) -> Option<NewBody> {
        match &self.content {
            Finished::Inline(_) => None,
            Finished::Blocks { .. } => Some(self.unsettled.new_body()),
        }
    }

    /// From here on only the rows of several nodes know whether the body is needed: it is not given up
    /// when this is dropped.
    pub(crate) fn sent(self) -> Sent {
        self.unsettled.sent()
    }

    /// The body's id.
    pub(crate) fn id(&self) -> Id<kind::Body> {
        self.unsettled.body
    }

    /// The entry that names the body is durable.
    pub(crate) fn settled(self) {
        self.unsettled.settled();
    }
}

impl Unsettled {
    /// For a body of which nothing has been sent.
    pub fn new(model: &Arc<Model>, body: Id<kind::Body>) -> Self {
        // A replica measures it by what it has heard, too.
        let now = model.latest_time();
        let deadline = WallTime(now.millis().saturating_add(BODY_DEADLINE_MS));
        Self {
            model: Arc::clone(model),
            body,
            deadline,
            in_flight: VecDeque::new(),
            begun: false,
            marked: false,
        }
    }

    /// The body.
    pub fn body(&self) -> Id<kind::Body> {
        self.body
    }

    /// Until when replicas accept something for it.
    pub fn deadline(&self) -> WallTime {
        self.deadline
    }

    /// What its entry says of it to those who keep it.
    pub fn new_body(&self) -> NewBody {
        NewBody { id: self.body, deadline: self.deadline }
    }

    /// Notes that rows are being sent; the mark that goes along with them, until it is stored.
    pub fn begin(&mut self) -> Option<Write> {
        self.begun = true;
        (!self.marked).then(|| self.mark())
    }

    /// The mark that the body is pending.
    pub fn mark(&self) -> Write {
        Write::Pending { body: self.body, mark: PendingBody { deadline: self.deadline } }
    }

    /// The entry that names the body is durable.
    pub fn settled(mut self) {
        self.begun = false;
    }

    /// The entry that names the body is on its way to several nodes.
    pub fn sent(self) -> Sent {
        let sent = Sent { model: Arc::clone(&self.model), body: self.body, begun: self.begun };
        self.settled();
        sent
    }

    async fn wait_for_all(&mut self) -> Result<(), ModelError> {
        while !self.in_flight.is_empty() {
            self.wait_for_one().await?;
        }
        Ok(())
    }

    async fn wait_for_one(&mut self) -> Result<(), ModelError> {
        let Some(task) = self.in_flight.front_mut() else { return Ok(()) };
        // The task stays in the queue meanwhile: if this is cut off, giving the body up waits for it.
        let stored = task.join_mut().await;
        self.in_flight.pop_front();
        stored.unwrap_or(Err(store::StoreError::Closed.into()))?;
        // The oldest one, and so with the mark.
        self.marked = true;
        Ok(())
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if !self.begun {
            return;
        }
        let (model, body) = (Arc::clone(&self.model), self.body);
        let in_flight = std::mem::take(&mut self.in_flight);
        let tasks = model.env.tasks.clone();
        tasks
            .spawn(async move {
                // Rows still on their way must land before the body is given up.
                for task in in_flight {
                    let _: Option<Result<(), ModelError>> = task.join().await;
                }
                if let Err(error) = model.abandon_body(body).await {
                    tracing::warn!(%error, "an unfinished upload is cleaned up at the next start");
                }
            })
            .detach();
    }
}

/// Blocks of one upload that may be on their way at once. On a slow line more would only wait there, and the client for
/// them once it has sent all.
fn blocks_in_flight(peers: &Peers) -> usize {
    if peers.is_alone() {
        return BLOCKS_IN_FLIGHT_MAX;
    }
    let window = peers.net().map_or(0, net::Net::widest_window_bytes);
    (window / BLOCK_SIZE_BYTES).saturating_sub(1).clamp(1, BLOCKS_IN_FLIGHT_FAR_MAX)
}

async fn hash(model: &Model, content: Bytes) -> Result<HashedBlock, ModelError> {
    Ok(model.env.tasks.blocking(move || HashedBlock::new(content)).await?)
}

fn piece_of(block: &HashedBlock) -> BlockPiece {
    BlockPiece { hash: block.hash(), size: block.content().len() as u32 }
}

fn version_row(owner: &Owner, deadline: WallTime, piece: Option<BlockPiece>) -> VersionRow {
    let contents = Contents::Blocks(piece.into_iter().collect());
    VersionRow { owner: owner.clone(), deadline, dead: false, contents }
}

fn rows_of_block(
    body: Id<kind::Body>,
    number: u32,
    block: &HashedBlock,
    owner: &Owner,
    deadline: WallTime,
) -> Vec<Write> {
    let row = version_row(owner, deadline, Some(piece_of(block)));
    let hold = Write::Hold { target: Target::Block(block.hash()), referrer: Referrer::Body(body) };
    vec![Write::Version { body, number, row }, hold]
}

/// Stores a block's file and, under the same lock, what lists and holds it (rule K7).
async fn store_block(
    model: &Arc<Model>,
    block: HashedBlock,
    writes: Vec<Write>,
    deadline: WallTime,
) -> Result<(), ModelError> {
    let alone = model.peers.stay_alone().await;
    if alone.is_none() {
        let (position, deadline) = (model.position().await?, Some(deadline));
        let batch = Batch { position, birth: position.id, deadline, writes, block: Some(block), under: None };
        return model.store_everywhere(batch).await.map(|_| ());
    }
    let lock = model.blocks.lock([block.hash()]).await;
    model.blocks.put(&lock, &block).await?;
    let blocks = model.blocks.clone();
    let work = move |txn: &mut store::Txn<'_>| {
        let stamp = NodeBatch::new(writes).apply(&blocks, txn);
        drop(lock);
        stamp.map(|_| ()).map_err(ModelError::from)
    };
    model.commit_alone(Intent::Grow, work).await
}
