//! Reading a body: the one path that GET and copy sources share.
//!
//! Bytes come out block by block, each verified by the block store before it is handed on, with
//! the next ones read ahead. While a body is being read, the reclaimer leaves it alone. All blocks on
//! their way out share one budget of memory, and whoever waits for it waits before reading a block.

use crate::encryption::Access;
use crate::encryption::cipher::{Key, SEAL_BYTES};
use crate::objects::Found;
use crate::replicas::RowRange;
use crate::rows::object::{BlockPiece, Body};
use crate::rows::version::{self, Contents, PartPiece, VersionRow};
use crate::{Model, ModelError};
use base::id::kind;
use base::{BlockHash, Id, PartitionHash, WallTime};
use bytes::Bytes;
use env::Task;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Read, Space, Step};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Blocks read ahead of the one being sent: hides the disk's latency behind the network's.
const READ_AHEAD_BLOCKS: usize = 2;
/// Blocks that all readers together hold ahead of what they are sending. A reader beyond it reads
/// block by block.
const READ_AHEAD_MAX_BLOCKS: usize = 64;
/// Blocks of all readers together that are in memory, from before they are read until the last of
/// their bytes is sent: 256 MiB, as much as uploads may take by default. A slow client holds one.
pub const SENDING_MAX_BLOCKS: usize = 256;
/// Bytes of blocks that a quorum has and that wait for room on the lines to slower homes. Beyond it a home is not sent
/// what it is too slow for: it takes that from the others, as what it missed while it was away.
const LAGGING_MAX_BYTES: usize = 32 << 20;
/// Version rows read at once.
const ROWS_PER_PAGE: usize = 64;

/// Bytes `start..end` of a body; `end` lies behind the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
}

/// Bodies that are being read, with how many readers each has.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    reading: Mutex<BTreeMap<Id<kind::Body>, usize>>,
    /// Those of which it is proven that nothing names them, nor ever will, and that somebody reads still, through whichever
    /// home; and when that was proven. The proof may be gone when the reader is: the tombstone of their key is collected.
    waited_for: Mutex<BTreeMap<Id<kind::Body>, WallTime>>,
}

impl Readers {
    fn open(&self) -> MutexGuard<'_, BTreeMap<Id<kind::Body>, usize>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody reads this body now.
    pub fn is_reading(&self, body: Id<kind::Body>) -> bool {
        self.open().contains_key(&body)
    }

    /// Whether a free body is kept for its readers alone.
    pub fn is_waited_for(&self, body: Id<kind::Body>) -> bool {
        self.waited_for.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&body)
    }

    /// Takes note that a free body is kept for its readers alone; since when.
    pub fn free_since(&self, body: Id<kind::Body>, now: WallTime) -> WallTime {
        *self.waited_for.lock().unwrap_or_else(PoisonError::into_inner).entry(body).or_insert(now)
    }

    /// It has none any more.
    pub fn end_waiting(&self, body: Id<kind::Body>) {
        self.waited_for.lock().unwrap_or_else(PoisonError::into_inner).remove(&body);
    }

    /// From now on somebody reads this body.
    pub fn enter(self: &Arc<Self>, body: Id<kind::Body>) -> Arc<Reading> {
        *self.open().entry(body).or_default() += 1;
        Arc::new(Reading { readers: Arc::clone(self), body })
    }
}

/// Keeps the reclaimer off a body while it lives. One that is taken before the entry is looked at,
/// or before it is looked at again, is in time: the reclaimer asks who reads after it has seen that
/// no entry names the body.
#[derive(Debug)]
pub(crate) struct Reading {
    readers: Arc<Readers>,
    body: Id<kind::Body>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readers = self.readers.open();
        if let Some(count) = readers.get_mut(&self.body) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.body);
            }
        }
    }
}

/// A body on its way out.
pub struct BodyReader {
    model: Arc<Model>,
    _reading: Option<Arc<Reading>>,
    /// A small body as it is stored, and what is wanted of it.
    inline: Option<(Bytes, ByteRange)>,
    plan: Plan,
    fetched: Option<Bytes>,
    ahead: VecDeque<Ahead>,
    /// Opens what is read; or why that cannot be read.
    access: Access,
}

/// The memory of blocks on their way out, to clients and to slower homes.
pub(crate) struct Memory {
    lagging: Semaphore,
    sending: Arc<Semaphore>,
    ahead: Arc<Semaphore>,
}

/// Room for one block.
struct Room {
    sending: OwnedSemaphorePermit,
    ahead: Option<OwnedSemaphorePermit>,
}

/// A block's bytes, and the room they take until they are sent.
struct Sending {
    block: Bytes,
    _room: OwnedSemaphorePermit,
}

struct Ahead {
    _ahead: Option<OwnedSemaphorePermit>,
    task: Task<Result<Bytes, ModelError>>,
    cut: Cut,
}

/// Which bytes of a block belong to the answer.
#[derive(Debug, Clone, Copy)]
struct Cut {
    from: usize,
    to: usize,
}

/// What is still to be read, in order. Rows are looked up page by page, so a reader's memory does
/// not grow with the object.
struct Plan {
    todo: VecDeque<Todo>,
    skip: u64,
    left: u64,
    /// Bytes of every stored block that are not content.
    seal_bytes: u64,
}

enum Todo {
    Block(BlockPiece, Seat),
    /// A part of a composite, of known size.
    Part(PartPiece),
    /// A body's rows from this number on, and the seat of the first block they list.
    Rows(Id<kind::Body>, u32, Seat),
}

/// Which block of which body it is: what it was sealed as.
#[derive(Debug, Clone, Copy, Default)]
struct Seat {
    /// The part it belongs to, if it belongs to one.
    part: Option<Id<kind::Body>>,
    number: u32,
}

impl Seat {
    fn behind(self, blocks: usize) -> Self {
        Self { number: self.number + blocks as u32, ..self }
    }
}

/// One block of the answer.
struct Wanted {
    hash: BlockHash,
    seat: Seat,
    cut: Cut,
}

impl BodyReader {
    /// Begins to read `range` of an object that was found with its content.
    pub(crate) fn new(model: &Arc<Model>, found: &Found, range: ByteRange) -> Self {
        let (mut inline, mut left) = (None, range.end.saturating_sub(range.start));
        let seat = |number| Seat { part: None, number };
        let todo = match &found.object.body {
            Body::Inline(_) => {
                (inline, left) = (found.inline.clone().map(|bytes| (bytes, range)), 0);
                VecDeque::new()
            }
            Body::Blocks(_, pieces) => {
                pieces.iter().zip(0..).map(|(piece, number)| Todo::Block(*piece, seat(number))).collect()
            }
            Body::Rows(id) | Body::Composite(id) => VecDeque::from([Todo::Rows(*id, 0, seat(0))]),
        };
        let access = found.access.clone();
        let seal_bytes = if access == Access::Plain { 0 } else { SEAL_BYTES as u64 };
        let plan = Plan { todo, skip: range.start, left, seal_bytes };
        let (model, reading) = (Arc::clone(model), found.reading.clone());
        Self { model, _reading: reading, inline, plan, fetched: None, ahead: VecDeque::new(), access }
    }

    /// Fetches the first bytes, so that what goes wrong with them is known before anything is
    /// answered.
    pub async fn fetch(&mut self) -> Result<(), ModelError> {
        if self.fetched.is_none() {
            self.fetched = self.next().await?;
        }
        Ok(())
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ModelError> {
        let data_key = self.access.data_key()?.cloned();
        if let Some(bytes) = self.fetched.take() {
            return Ok(Some(bytes).filter(|bytes| !bytes.is_empty()));
        }
        if let Some((bytes, range)) = self.inline.take() {
            let bytes = opened(data_key.as_ref(), Seat::default(), bytes)?;
            return Ok(Some(part_of(&bytes, range)).filter(|bytes| !bytes.is_empty()));
        }
        while self.ahead.len() <= READ_AHEAD_BLOCKS && self.plan.left > 0 {
            let memory = &self.model.memory;
            let room = if self.ahead.is_empty() { Some(memory.wait().await?) } else { memory.ahead() };
            let Some(room) = room else { break };
            let Some(Wanted { hash, seat, cut }) = self.plan.next(&self.model).await? else { break };
            let (model, data_key) = (Arc::clone(&self.model), data_key.clone());
            let task = self.model.env.tasks.spawn(async move {
                let mut block = model.read_block(&hash).await?;
                if data_key.is_some() {
                    let open = move || opened(data_key.as_ref(), seat, block);
                    block = model.env.tasks.blocking(open).await?;
                }
                Ok(Bytes::from_owner(Sending { block, _room: room.sending }))
            });
            self.ahead.push_back(Ahead { _ahead: room.ahead, task, cut });
        }
        let Some(Ahead { task, cut, .. }) = self.ahead.pop_front() else { return Ok(None) };
        let block = task.join().await.unwrap_or(Err(store::StoreError::Closed.into()))?;
        if cut.to > block.len() {
            return Err(ModelError::Damaged);
        }
        Ok(Some(block.slice(cut.from..cut.to)))
    }
}

/// What was stored, as it was sent.
fn opened(data_key: Option<&Key>, seat: Seat, stored: Bytes) -> Result<Bytes, ModelError> {
    match data_key {
        None => Ok(stored),
        Some(key) => key.cipher(seat.part.as_ref()).open(seat.number, stored),
    }
}

impl AsRef<[u8]> for Sending {
    fn as_ref(&self) -> &[u8] {
        &self.block
    }
}

impl Default for Memory {
    fn default() -> Self {
        let of = |blocks| Arc::new(Semaphore::new(blocks));
        let lagging = Semaphore::new(LAGGING_MAX_BYTES);
        Self { lagging, sending: of(SENDING_MAX_BLOCKS), ahead: of(READ_AHEAD_MAX_BLOCKS) }
    }
}

impl Memory {
    /// Waits for room. Whoever waits here holds nothing that another reader waits for.
    async fn wait(&self) -> Result<Room, ModelError> {
        let sending = Arc::clone(&self.sending).acquire_owned().await;
        Ok(Room { sending: sending.map_err(|_| store::StoreError::Closed)?, ahead: None })
    }

    /// Room for reading ahead, if there is enough of it.
    fn ahead(&self) -> Option<Room> {
        let ahead = Arc::clone(&self.ahead).try_acquire_owned().ok();
        let sending = Arc::clone(&self.sending).try_acquire_owned().ok();
        ahead.zip(sending).map(|(ahead, sending)| Room { sending, ahead: Some(ahead) })
    }

    /// Room for a block that a quorum has, on its way to a home whose line is slower, if there is any left.
    pub fn lagging(&self, size_bytes: usize) -> Option<SemaphorePermit<'_>> {
        self.lagging.try_acquire_many(u32::try_from(size_bytes).unwrap_or(u32::MAX)).ok()
    }

    /// How many blocks there is room for.
    #[cfg(test)]
    pub fn free_blocks(&self) -> usize {
        self.sending.available_permits()
    }
}

impl Model {
    /// Rows of a body from a number on, some at once, and where to go on.
    pub async fn version_rows(
        self: &Arc<Self>,
        body: Id<kind::Body>,
        from: u32,
        limit: usize,
    ) -> Result<(Vec<(u32, VersionRow)>, Option<u32>), ModelError> {
        let to = table::sort_key::after_prefix(body.as_bytes());
        let first = version::row_key(&body, from);
        let mut found = Vec::new();
        if !self.peers.is_alone() {
            let partition = PartitionHash::of_uniform(body.as_bytes());
            let to = [body.as_bytes().as_slice(), &[u8::MAX; 5]].concat();
            let range = RowRange { space: Space::Version, partition, from: first, to, limit };
            let page = self.read_range::<VersionRow>(&range).await?;
            let number = |key: &[u8]| version::parse_row_key(key).map_or(0, |(_, number)| number);
            found.extend(page.rows.into_iter().map(|(key, row)| (number(&key), row)));
            let next = page.next.and(found.last()).map(|(number, _)| number + 1);
            return Ok((found, next));
        }
        self.store.view()?.walk(Space::Version, &first, to.as_deref(), &mut |key, row: VersionRow| {
            found.extend(version::parse_row_key(key).map(|(_, number)| (number, row)));
            if found.len() < limit { Step::Next } else { Step::Stop }
        })?;
        let next = found.last().filter(|_| found.len() == limit).map(|(number, _)| number + 1);
        Ok((found, next))
    }
}

/// The wanted part of a body that is here already.
fn part_of(bytes: &Bytes, range: ByteRange) -> Bytes {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(place(range.start)..place(range.end).max(place(range.start)))
}

impl Plan {
    /// The next block that holds wanted bytes.
    async fn next(&mut self, model: &Arc<Model>) -> Result<Option<Wanted>, ModelError> {
        while self.left > 0 {
            let Some(todo) = self.todo.pop_front() else { return Ok(None) };
            match todo {
                Todo::Rows(body, from, seat) => self.expand_rows(model, (body, from), seat).await?,
                Todo::Part(part) if self.skip >= part.size => self.skip -= part.size,
                Todo::Part(part) => {
                    let seat = Seat { part: Some(part.body), number: 0 };
                    self.todo.push_front(Todo::Rows(part.body, 0, seat));
                }
                Todo::Block(piece, seat) => {
                    let length = u64::from(piece.size).saturating_sub(self.seal_bytes);
                    if let Some(cut) = self.cut(length as usize) {
                        return Ok(Some(Wanted { hash: piece.hash, seat, cut }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The wanted part of the next `length` bytes.
    fn cut(&mut self, length: usize) -> Option<Cut> {
        if self.skip >= length as u64 {
            self.skip -= length as u64;
            return None;
        }
        let from = self.skip as usize;
        let to = length.min(from.saturating_add(usize::try_from(self.left).unwrap_or(usize::MAX)));
        self.skip = 0;
        self.left -= (to - from) as u64;
        Some(Cut { from, to })
    }

    async fn expand_rows(
        &mut self,
        model: &Arc<Model>,
        (body, from): (Id<kind::Body>, u32),
        mut seat: Seat,
    ) -> Result<(), ModelError> {
        let (found, next) = model.version_rows(body, from, ROWS_PER_PAGE).await?;
        let mut expanded = Vec::new();
        for (_, row) in found {
            match row.contents {
                Contents::Blocks(pieces) => {
                    let seats =
                        pieces.iter().enumerate().map(|(at, piece)| Todo::Block(*piece, seat.behind(at)));
                    expanded.extend(seats);
                    seat = seat.behind(pieces.len());
                }
                Contents::Parts(parts) => expanded.extend(parts.into_iter().map(Todo::Part)),
            }
        }
        if let Some(next) = next {
            expanded.push(Todo::Rows(body, next, seat));
        }
        expanded.into_iter().rev().for_each(|todo| self.todo.push_front(todo));
        Ok(())
    }
}
