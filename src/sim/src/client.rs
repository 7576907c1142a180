//! A client: one task that does one random operation after the other until the life's share is
//! used up, the power goes off, or nothing works any more.

use crate::book::{Book, VALUE_HEADER};
use crate::checks::Failure;
use crate::content::{Content, Piece, Sending};
use crate::history::{Call, Needs, Register};
use crate::node::Node;
use crate::ops::{self, Kind};
use crate::plan::{Plan, Trouble};
use base::Id;
use base::id::kind;
use block::BlockError;
use env::sim::{Generator, SimClock, SimDisk};
use model::ModelError;
use model::objects::ObjectMeta;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use store::StoreError;

/// Errors in a row after which a client gives this life of the node up.
const ERRORS_MAX: u32 = 6;
/// Bodies up to this size are stored inline; larger ones that come in one piece are one block.
const INLINE_MAX_BYTES: u64 = model::INLINE_MAX_BYTES as u64;

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered with success.
    Done,
    /// It was refused for a reason that S3 knows.
    Refused,
    /// It failed, or its outcome is unknown.
    Failed,
    /// There was nothing to do it on.
    Idle,
}

/// What an error says about the change that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Nothing was changed.
    NoEffect,
    /// It may be durable, or not.
    Unknown,
    /// This error must never come up.
    Bug,
}

/// What an error says about the change.
pub fn fate_of(error: &ModelError) -> Fate {
    match error {
        ModelError::Store(StoreError::Failed | StoreError::Closed)
        | ModelError::Block(BlockError::Store(StoreError::Failed | StoreError::Closed)) => Fate::Unknown,
        ModelError::Store(StoreError::Panicked | StoreError::Unreadable { .. })
        | ModelError::Block(
            BlockError::Store(StoreError::Panicked | StoreError::Unreadable { .. })
            | BlockError::WrongHash { .. }
            | BlockError::TooLarge { .. }
            | BlockError::Unusable { .. },
        ) => Fate::Bug,
        _ => Fate::NoEffect,
    }
}

/// What all clients of one life share.
pub struct Shared {
    /// The node.
    pub node: Node,
    /// Its disk.
    pub disk: SimDisk,
    /// Its clock.
    pub clock: Arc<SimClock>,
    /// What the seed decided.
    pub plan: Arc<Plan>,
    /// What the harness knows.
    pub book: Arc<Mutex<Book>>,
    /// Operations left in this life.
    pub left: AtomicUsize,
}

/// Locks the book.
pub fn open<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One client.
pub struct Client {
    /// What it shares with the others.
    pub shared: Arc<Shared>,
    /// Its own randomness.
    pub random: Generator,
    number: usize,
}

/// A bucket and a key in it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The number of the bucket.
    pub bucket: usize,
    /// Its id.
    pub id: Id<kind::Bucket>,
    /// The key.
    pub key: String,
}

impl Target {
    /// What the history calls it.
    pub fn register(&self) -> Register {
        Register::Object { bucket: self.bucket, key: self.key.clone() }
    }
}

impl Client {
    /// The `number`-th client of a life.
    pub fn new(shared: Arc<Shared>, number: usize, seed: u64) -> Self {
        Self { shared, random: Generator::new(seed), number }
    }

    /// Works until the end of its life.
    pub async fn run(mut self) {
        let mut errors = 0;
        while errors < ERRORS_MAX && self.may_go_on() {
            let kind = self.pick_kind();
            let verdict = self.run_one(kind).await;
            self.note_end(kind, verdict);
            errors = if verdict == Verdict::Failed { errors + 1 } else { 0 };
            self.pause(20).await;
        }
    }

    fn note_end(&self, kind: Kind, verdict: Verdict) {
        let mut book = self.book();
        let effects = self.shared.disk.effects();
        book.trace.note(&format!("client {}: {kind:?} {verdict:?}, {effects} effects", self.number));
        book.count(kind.label(verdict));
    }

    fn may_go_on(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        !self.shared.disk.has_crashed()
            && self.book().failure.is_none()
            && self.shared.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    async fn run_one(&mut self, kind: Kind) -> Verdict {
        let cut = self.shared.plan.has(Trouble::Cancel) && self.random.below(10) == 0;
        let polls = if cut { 1 + self.random.below(8) as u32 } else { u32::MAX };
        let slowness = [0, 0, 40, 85][self.below(4)];
        let moods = Generator::new(self.random.next_u64());
        let work = pin!(ops::run(kind, self));
        Unsteady { work, polls, slowness, moods }.await.unwrap_or(Verdict::Failed)
    }

    fn pick_kind(&mut self) -> Kind {
        let weights = &self.shared.plan.weights;
        let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut point = self.random.below(total);
        for (kind, weight) in weights {
            match point.checked_sub(*weight) {
                Some(rest) => point = rest,
                None => return *kind,
            }
        }
        Kind::Get
    }

    /// The book, for a moment.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        open(&self.shared.book)
    }

    /// One of `count` things.
    pub fn below(&mut self, count: usize) -> usize {
        self.random.below(count as u64) as usize
    }

    /// Whether something of this chance happens.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    /// Lets others run, or lets time pass.
    pub async fn pause(&mut self, most_ms: u64) {
        match self.random.below(4) {
            0 => env::sleep(Duration::from_millis(self.random.below(most_ms.max(1)))).await,
            1 => {
                for _ in 0..self.random.below(6) {
                    tokio::task::yield_now().await;
                }
            }
            _ => {}
        }
    }

    /// A bucket that was made and, most of the time, not deleted, and a key.
    pub fn pick_target(&mut self) -> Option<Target> {
        let (bucket, id) = self.pick_bucket()?;
        let number = self.below(self.shared.plan.keys.len());
        let key = self.shared.plan.keys[number].to_owned();
        Some(Target { bucket, id, key })
    }

    /// A bucket by number and id.
    pub fn pick_bucket(&mut self) -> Option<(usize, Id<kind::Bucket>)> {
        let stale = self.chance(3);
        let buckets: Vec<_> = {
            let book = self.book();
            let usable = book.buckets.iter().enumerate();
            usable
                .filter(|(_, note)| stale || note.deleted != crate::book::Known::Yes)
                .map(|(number, note)| (number, note.id))
                .collect()
        };
        if buckets.is_empty() { None } else { Some(buckets[self.below(buckets.len())]) }
    }

    /// A body: empty, inline, of whole blocks, or one large block.
    pub fn pick_body(&mut self) -> Sending {
        let block_bytes = self.shared.plan.block_bytes;
        let fill = |client: &mut Self| 1 + client.random.below(client.shared.plan.pool);
        let (blocks, rest) = match self.random.below(100) {
            0..5 => (0, 0),
            5..40 => (0, 1 + self.below(300)),
            40..44 => (0, INLINE_MAX_BYTES as usize),
            44..48 => (0, INLINE_MAX_BYTES as usize + 1 + self.below(5000)),
            48..70 => (1 + self.below(4), 0),
            70..98 => (1 + self.below(3), 1 + self.below(block_bytes)),
            _ => (17 + self.below(3), 0),
        };
        let mut pieces: Vec<Piece> =
            (0..blocks).map(|_| Piece { fill: fill(self), length: block_bytes }).collect();
        if rest > 0 {
            pieces.push(Piece { fill: fill(self), length: rest });
        }
        Sending { content: Content { pieces }, pushed: blocks }
    }

    /// Metadata that names a value.
    pub fn meta_of(value: u64) -> ObjectMeta {
        ObjectMeta { headers: vec![(VALUE_HEADER.to_owned(), value.to_string())], ..ObjectMeta::default() }
    }

    /// Writes down what an error means for an operation that would have changed something.
    pub fn settle_error(&self, call: Call, what: &str, error: &ModelError) -> Verdict {
        let mut book = self.book();
        let verdict = match error {
            ModelError::NoSuchBucket => {
                book.history.observed(call, Needs::Gone);
                Verdict::Refused
            }
            error => match fate_of(error) {
                Fate::NoEffect => {
                    book.history.never(call);
                    Verdict::Failed
                }
                Fate::Unknown => Verdict::Failed,
                Fate::Bug => {
                    book.fail(Failure::new("errors make sense", format!("{what}: {error}")));
                    Verdict::Failed
                }
            },
        };
        book.trace.note(&format!("  {what}: {error}"));
        verdict
    }

    /// Writes down an error of something that changes no place.
    pub fn note_error(&self, what: &str, error: &ModelError) -> Verdict {
        let mut book = self.book();
        book.trace.note(&format!("  {what}: {error}"));
        if fate_of(error) == Fate::Bug {
            book.fail(Failure::new("errors make sense", format!("{what}: {error}")));
        }
        Verdict::Failed
    }
}

/// A future that gets its turns late, as if the machine were busy elsewhere, and that is dropped
/// after so many of them, wherever it is then. Without this every task would take its turns in the
/// order in which they came up, and a gap between two steps would never be wide enough for others.
struct Unsteady<'a, F> {
    work: Pin<&'a mut F>,
    polls: u32,
    /// Percent of the turns that are missed.
    slowness: u64,
    moods: Generator,
}

impl<F: Future> Future for Unsteady<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        if self.moods.below(100) < self.slowness {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.polls != u32::MAX {
            self.polls -= 1;
        }
        self.work.as_mut().poll(context).map(Some)
    }
}
