//! Reading a body: the one path that GET and copy sources share.
//!
//! Bytes come out block by block, each verified by the block store before it is handed on, with
//! the next ones read ahead. While a body is being read, the reclaimer leaves it alone.

use crate::objects::Found;
use crate::rows::object::{BlockPiece, Body};
use crate::rows::version::{self, Contents, PartPiece, VersionRow};
use crate::{Model, ModelError};
use base::id::kind;
use base::{BlockHash, Id};
use bytes::Bytes;
use env::Task;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use store::{Read, Space, Step};
use tokio::sync::OwnedSemaphorePermit;

/// Blocks read ahead of the one being sent: hides the disk's latency behind the network's.
const READ_AHEAD_BLOCKS: usize = 2;
/// Blocks that all readers together hold ahead of what they are sending. A reader beyond it reads
/// block by block.
pub(crate) const READ_AHEAD_MAX_BLOCKS: usize = 64;
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
pub(crate) struct Readers(Mutex<BTreeMap<Id<kind::Body>, usize>>);

impl Readers {
    /// Whether anybody reads this body now.
    pub fn is_reading(&self, body: Id<kind::Body>) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&body)
    }

    /// From now on somebody reads this body.
    pub fn enter(self: &Arc<Self>, body: Id<kind::Body>) -> Arc<Reading> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(body).or_default() += 1;
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
        let mut readers = self.readers.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    plan: Plan,
    ahead: VecDeque<Ahead>,
}

struct Ahead {
    _budget: Option<OwnedSemaphorePermit>,
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
}

enum Todo {
    Bytes(Bytes),
    Block(BlockPiece),
    /// A part of a composite, of known size.
    Part(PartPiece),
    /// A body's rows from this number on.
    Rows(Id<kind::Body>, u32),
}

impl BodyReader {
    /// Begins to read `range` of an object that was found with its content.
    pub(crate) fn new(model: &Arc<Model>, found: &Found, range: ByteRange) -> Self {
        let todo = match &found.object.body {
            Body::Inline(_) => VecDeque::from([Todo::Bytes(found.inline.clone().unwrap_or_default())]),
            Body::Blocks(_, pieces) => pieces.iter().copied().map(Todo::Block).collect(),
            Body::Rows(id) | Body::Composite(id) => VecDeque::from([Todo::Rows(*id, 0)]),
        };
        let plan = Plan { todo, skip: range.start, left: range.end.saturating_sub(range.start) };
        Self { model: Arc::clone(model), _reading: found.reading.clone(), plan, ahead: VecDeque::new() }
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ModelError> {
        while self.ahead.len() <= READ_AHEAD_BLOCKS {
            let budget = match self.ahead.is_empty() {
                true => None,
                false => match Arc::clone(&self.model.read_ahead).try_acquire_owned() {
                    Ok(permit) => Some(permit),
                    Err(_) => break,
                },
            };
            match self.plan.next(&self.model)? {
                Some((Source::Bytes(bytes), cut)) => return Ok(Some(bytes.slice(cut.from..cut.to))),
                Some((Source::Block(hash), cut)) => {
                    let model = Arc::clone(&self.model);
                    let task = self.model.env.tasks.spawn(async move { Ok(model.blocks.get(&hash).await?) });
                    self.ahead.push_back(Ahead { _budget: budget, task, cut });
                }
                None => break,
            }
        }
        let Some(Ahead { task, cut, .. }) = self.ahead.pop_front() else { return Ok(None) };
        let block = task.join().await.unwrap_or(Err(store::StoreError::Closed.into()))?;
        Ok(Some(block.slice(cut.from..cut.to)))
    }
}

enum Source {
    Bytes(Bytes),
    Block(BlockHash),
}

impl Plan {
    fn next(&mut self, model: &Model) -> Result<Option<(Source, Cut)>, ModelError> {
        while self.left > 0 {
            let Some(todo) = self.todo.pop_front() else { return Ok(None) };
            match todo {
                Todo::Rows(body, from) => self.expand_rows(model, body, from)?,
                Todo::Part(part) if self.skip >= part.size => self.skip -= part.size,
                Todo::Part(part) => self.todo.push_front(Todo::Rows(part.body, 0)),
                Todo::Block(piece) => {
                    if let Some(cut) = self.cut(piece.size as usize) {
                        return Ok(Some((Source::Block(piece.hash), cut)));
                    }
                }
                Todo::Bytes(bytes) => {
                    if let Some(cut) = self.cut(bytes.len()) {
                        return Ok(Some((Source::Bytes(bytes), cut)));
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

    fn expand_rows(&mut self, model: &Model, body: Id<kind::Body>, from: u32) -> Result<(), ModelError> {
        let mut found = Vec::new();
        let mut last = None;
        let to = table::sort_key::after_prefix(body.as_bytes());
        let view = model.store.view()?;
        view.walk(
            Space::Version,
            &version::row_key(&body, from),
            to.as_deref(),
            &mut |key, row: VersionRow| {
                last = version::parse_row_key(key).map(|(_, number)| number);
                found.push(row.contents);
                if found.len() < ROWS_PER_PAGE { Step::Next } else { Step::Stop }
            },
        )?;
        if let (Some(last), ROWS_PER_PAGE) = (last, found.len()) {
            self.todo.push_front(Todo::Rows(body, last + 1));
        }
        for contents in found.into_iter().rev() {
            match contents {
                Contents::Blocks(pieces) => {
                    pieces.into_iter().rev().for_each(|piece| self.todo.push_front(Todo::Block(piece)));
                }
                Contents::Parts(parts) => {
                    parts.into_iter().rev().for_each(|part| self.todo.push_front(Todo::Part(part)));
                }
            }
        }
        Ok(())
    }
}
