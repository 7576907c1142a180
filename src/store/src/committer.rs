//! The committer: one worker that owns all writes to the engine.
//!
//! It takes what is waiting, runs the closures one after the other (each sees the changes of those
//! before it), commits the whole batch with one flush, and answers. When a flush fails the outcome
//! of the batch is unknown and the store takes no more writes: a failed fsync is never retried and
//! called durable.

use crate::StoreError;
use crate::clock::StoreClock;
use crate::engine::{Batch, Engine, EngineError};
use crate::envelope::Record;
use crate::marks::{HeardMarks, MARKS_KEY, Marks};
use crate::space::Space;
use crate::txn::{AfterCommit, Txn};
use crate::view::{Read, View, read_error};
use base::{NodeId, Stamp};
use env::Env;
use serde::{Deserialize, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Closures in one batch: enough to share a flush among every connection of a busy node, few
/// enough that a batch stays well below a second on an old disk.
const BATCH_MAX_JOBS: usize = 256;
/// Closures waiting; further callers wait for a place.
const QUEUE_MAX_JOBS: usize = 1024;
/// How far the stored mark of the clock lies ahead of the stamps given: so long no stamp waits for the
/// disk, and by so much stamps may jump ahead at a start.
const CLOCK_RESERVE_MS: u64 = 500;
/// Room that growth leaves free, so that deletes and repairs can always be recorded.
pub const RESERVE_BYTES: u64 = 64 << 20;

/// What a closure does to the space taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Stores something: refused when the disk is full.
    Grow,
    /// Deletes, or records what must be recorded: may use the reserve.
    Free,
}

/// How to open a [`Store`].
pub struct StoreOptions {
    /// The folder whose file system is watched for room.
    pub folder: PathBuf,
    /// Tie-break of the stamps this node gives.
    pub node_tag: u64,
}

/// The local store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Box<dyn Job>>,
}

struct Shared {
    engine: Arc<dyn Engine>,
    clock: StoreClock,
    /// Up to where the clock may go without another commit; durable.
    reserved: AtomicU64,
    /// The same when the store was opened.
    first_mark: u64,
    /// Whether a commit that moves it on is under way.
    reserving: AtomicBool,
    /// How far other nodes' stores had come.
    marks: HeardMarks,
    env: Env,
    options: StoreOptions,
    failed: AtomicBool,
}

/// The clock's high-water mark, so that stamps rise across restarts. It is written ahead: a stamp that this
/// node gave, and every time that an answer of it rests on, lies at or below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HighWater {
    /// Every time that was given or settled so far is at most this.
    pub time: u64,
}

impl Record for HighWater {
    const KIND: u8 = 1;
    const VERSION: u8 = 1;
}

const HIGH_WATER_KEY: &[u8] = b"clock";

impl Store {
    /// Starts the committer over an open engine.
    pub fn open(env: &Env, engine: Arc<dyn Engine>, options: StoreOptions) -> Result<Self, StoreError> {
        let view = View(engine.snapshot().map_err(read_error)?);
        let high_water = view.get::<HighWater>(Space::Meta, HIGH_WATER_KEY)?.map_or(0, |mark| mark.time);
        let shared = Arc::new(Shared {
            engine,
            clock: StoreClock::new(env, options.node_tag, high_water),
            reserved: AtomicU64::new(high_water),
            first_mark: high_water,
            reserving: AtomicBool::new(false),
            marks: HeardMarks::open(&view)?,
            env: env.clone(),
            options,
            failed: AtomicBool::new(false),
        });
        let (queue, inbox) = mpsc::channel(QUEUE_MAX_JOBS);
        let worker = Arc::clone(&shared);
        env.tasks
            .worker("committer", inbox, BATCH_MAX_JOBS, move |jobs| worker.run_batch(jobs))
            .map_err(|_| StoreError::Failed)?;
        Ok(Self { shared, queue })
    }

    /// A stable view of everything durable.
    pub fn view(&self) -> Result<View, StoreError> {
        self.shared.engine.snapshot().map(View).map_err(read_error)
    }

    /// Runs `work` in a transaction. `Ok` means durable. `Err` from `work` leaves nothing behind.
    pub async fn commit<T, E, F>(&self, intent: Intent, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Txn<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Pending { intent, work: Some(work), result: None, reply };
        if self.queue.send(Box::new(job)).await.is_err() {
            return Err(StoreError::Closed.into());
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// A stamp above every one given or heard of, for a write that other nodes store too: the stamp is
    /// never given again, whatever happens to this node.
    pub async fn stamp(&self) -> Result<Stamp, StoreError> {
        let stamp = self.shared.clock.tick(self.shared.env.clock.wall());
        self.reserve(stamp.time).await?;
        Ok(stamp)
    }

    /// Takes note of the time of another node, in memory: later stamps lie above it. One that is absurdly far
    /// ahead is refused.
    pub fn hear(&self, seen: Stamp) -> Result<(), StoreError> {
        self.shared.clock.hear(seen)
    }

    /// The same, durably: later stamps lie above it after a restart too.
    pub async fn observe(&self, seen: Stamp) -> Result<(), StoreError> {
        self.hear(seen)?;
        self.reserve(seen.time).await
    }

    /// The latest time given or heard of, as a stamp of this node; giving it uses up nothing. It may be lost
    /// with a power cut: nothing may rest on it that [`Store::settled`] is for.
    pub fn latest(&self) -> Stamp {
        Stamp { time: self.shared.clock.high_water(), node: self.shared.options.node_tag }
    }

    /// The same once it is durable: this node never forgets that it has heard so much.
    pub async fn settled(&self) -> Result<Stamp, StoreError> {
        let latest = self.latest();
        self.reserve(latest.time).await?;
        Ok(latest)
    }

    /// The mark as it is stored now: after any power cut the store begins at it, or above.
    pub fn stored_mark(&self) -> u64 {
        self.shared.reserved.load(Ordering::Acquire)
    }

    /// The mark that was stored when the store was opened.
    pub fn first_mark(&self) -> u64 {
        self.shared.first_mark
    }

    /// Takes note of the mark that another node's store had reached.
    pub fn note_mark(&self, node: NodeId, mark: u64) {
        self.shared.marks.note(node, mark);
    }

    /// The highest marks that other nodes' stores had reached, as far as was heard here.
    pub fn marks(&self) -> Marks {
        self.shared.marks.heard()
    }

    /// Waits until all marks that were noted are durable; costs nothing if they are.
    pub async fn keep_marks(&self) -> Result<(), StoreError> {
        if self.shared.marks.want() {
            self.commit(Intent::Free, |_| Ok::<_, StoreError>(())).await?;
        }
        Ok(())
    }

    /// Waits until the stored mark covers `time`, and has it moved on in good time.
    async fn reserve(&self, time: u64) -> Result<(), StoreError> {
        let reserved = self.shared.reserved.load(Ordering::Acquire);
        let half = (CLOCK_RESERVE_MS / 2) << Stamp::COUNTER_BITS;
        if time.saturating_add(half) <= reserved {
            return Ok(());
        }
        let covered = time <= reserved;
        if covered && self.shared.reserving.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let store = self.clone();
        let extend = async move {
            let moved = store.commit(Intent::Free, |txn| Ok::<_, StoreError>(txn.stamp())).await.map(|_| ());
            store.shared.reserving.store(false, Ordering::Release);
            moved
        };
        if covered {
            self.shared.env.tasks.spawn(extend).detach();
            return Ok(());
        }
        extend.await
    }

    /// Whether growth is taken now; without room only deletes and repairs are. Asks the disk.
    pub fn has_room(&self) -> bool {
        self.shared.has_room()
    }

    /// Whether a failed flush has stopped all writes.
    pub fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    /// The engine, for statistics.
    pub fn engine(&self) -> &dyn Engine {
        self.shared.engine.as_ref()
    }
}

impl Shared {
    fn run_batch(&self, jobs: &mut Vec<Box<dyn Job>>) {
        let outcome = if self.failed.load(Ordering::Acquire) {
            Err(StoreError::Failed)
        } else {
            self.run_and_commit(jobs)
        };
        for job in jobs.drain(..) {
            job.finish(&outcome);
        }
    }

    fn run_and_commit(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let snapshot = self.engine.snapshot().map_err(read_error)?;
        let room = self.has_room();
        let mut batch = Batch::new();
        let mut after_commit = Vec::new();
        for job in jobs.iter_mut() {
            let mut txn = Txn::new(snapshot.as_ref(), &batch, &self.clock, self.env.clock.wall());
            if job.run(&mut txn, room) {
                let Txn { own, after_commit: actions, .. } = txn;
                batch.extend(own);
                after_commit.extend(actions);
            }
        }
        let high_water = self.clock.high_water();
        // An engine that has to open its database again waits for everybody who reads it.
        drop(snapshot);
        let reserved = self.reserved.load(Ordering::Acquire);
        let moves_on = high_water.saturating_add((CLOCK_RESERVE_MS / 2) << Stamp::COUNTER_BITS) > reserved;
        // What only read needs no flush, unless the clock must move on.
        let asked = high_water > reserved || self.reserving.load(Ordering::Acquire);
        if batch.is_empty() && !(moves_on && asked) && !self.marks.are_wanted() {
            return Ok(());
        }
        let ahead = high_water.saturating_add(CLOCK_RESERVE_MS << Stamp::COUNTER_BITS);
        if moves_on {
            let mark = crate::encode(Space::Meta, HIGH_WATER_KEY, &HighWater { time: ahead });
            batch.insert((Space::Meta, HIGH_WATER_KEY.to_vec()), Some(mark));
        }
        let marks = self.marks.unstored();
        if let Some(marks) = &marks {
            let row = crate::encode(Space::Meta, MARKS_KEY, marks);
            batch.insert((Space::Meta, MARKS_KEY.to_vec()), Some(row));
        }
        self.write(&batch, after_commit)?;
        if moves_on {
            self.reserved.fetch_max(ahead, Ordering::AcqRel);
        }
        if let Some(marks) = marks {
            self.marks.are_stored(marks);
        }
        Ok(())
    }

    fn write(&self, batch: &Batch, after_commit: Vec<AfterCommit>) -> Result<(), StoreError> {
        match self.engine.commit(batch) {
            Ok(()) => {
                for action in after_commit {
                    // The change is durable whatever becomes of the action, and the others' too.
                    if catch_unwind(AssertUnwindSafe(action)).is_err() {
                        tracing::error!("an action after a commit failed an internal check");
                    }
                }
                Ok(())
            }
            Err(EngineError::Full(_)) => Err(StoreError::Full),
            Err(error) => {
                self.failed.store(true, Ordering::Release);
                tracing::error!(%error, "the metadata store failed; it takes no more writes until a restart");
                Err(StoreError::Failed)
            }
        }
    }

    /// Whether growth leaves the reserve alone. A file system that cannot say is taken as roomy.
    fn has_room(&self) -> bool {
        let space = self.env.disk.space(&self.options.folder);
        space.map_or(true, |space| space.available_bytes >= RESERVE_BYTES.min(space.total_bytes / 20))
    }
}

/// A closure on its way through the committer.
trait Job: Send {
    /// Runs it; `true` if its changes are to be committed.
    fn run(&mut self, txn: &mut Txn<'_>, room: bool) -> bool;
    /// Answers the caller, with the outcome of the batch.
    fn finish(self: Box<Self>, outcome: &Result<(), StoreError>);
}

struct Pending<F, T, E> {
    intent: Intent,
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Pending<F, T, E>
where
    F: FnOnce(&mut Txn<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, txn: &mut Txn<'_>, room: bool) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = if self.intent == Intent::Grow && !room {
            Err(StoreError::Full.into())
        } else {
            catch_unwind(AssertUnwindSafe(|| work(txn))).unwrap_or_else(|_| Err(StoreError::Panicked.into()))
        };
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn finish(self: Box<Self>, outcome: &Result<(), StoreError>) {
        // A refusal, too, may rest on a change of this batch, so a failed batch fails everybody.
        let result = match (outcome, self.result) {
            (Err(error), _) => Err(error.clone().into()),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Closed.into()),
        };
        // A caller that went away (a closed connection) no longer wants the answer.
        let _ = self.reply.send(result);
    }
}
