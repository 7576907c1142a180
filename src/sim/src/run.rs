//! One seed: lives of a node one after the other over the same machine, with faults, then rest.
//!
//! Safety is judged while faults last; then they stop, and the node must start, do everything,
//! and work off all that is queued.

use crate::book::{Book, BucketNote, Known};
use crate::checks::{self, Failure};
use crate::client::{Client, Shared, open};
use crate::history::{Register, State};
use crate::node::{Machine, Node};
use crate::ops::reading;
use crate::plan::{EngineChoice, Plan, Trouble};
use crate::rest;
use base::BucketName;
use env::sim::{Generator, Keep};
use futures_util::FutureExt;
use model::objects::Want;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Turns of the main loop (a virtual millisecond each) after which a life counts as stuck: far
/// beyond all pauses of its clients together.
const LIFE_MAX_TURNS: u32 = 300_000;
/// Turns that the tasks of a dead node may take to end.
const ENDING_MAX_TURNS: u32 = 100_000;
/// Starts in a row that the power may fail in.
const FAILED_STARTS_MAX: u32 = 5;

/// How a seed ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The broken promise, if any.
    pub failure: Option<Failure>,
    /// Hash of everything that happened.
    pub hash: u64,
    /// What happened how often.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Runs a seed.
pub fn run(plan: &Plan, prints: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets needs nothing from the machine");
    let book = Arc::new(Mutex::new(Book::default()));
    open(&book).trace.prints = prints;
    let run = Run {
        machine: Machine::new(plan),
        plan: Arc::new(plan.clone()),
        book: Arc::clone(&book),
        random: Generator::new(plan.seed ^ 0x6c69_7665),
        left: plan.ops,
        life: 0,
    };
    if let Err(failure) = runtime.block_on(run.all_lives()) {
        open(&book).fail(failure);
    }
    let book = open(&book);
    Report { failure: book.failure.clone(), hash: book.trace.hash(), counts: book.counts.clone() }
}

/// The state of a run between lives.
pub struct Run {
    /// What outlives the node.
    pub machine: Machine,
    /// What the seed decided.
    pub plan: Arc<Plan>,
    /// What the harness knows.
    pub book: Arc<Mutex<Book>>,
    /// The harness's own randomness.
    pub random: Generator,
    left: usize,
    life: u64,
}

impl Run {
    async fn all_lives(mut self) -> Result<(), Failure> {
        while self.left > 0 {
            let node = self.start_under_fire().await?;
            let ops = (5 + self.random.below(60) as usize).min(self.left);
            self.left -= ops;
            self.live(node, ops).await?;
            self.stop_on_failure()?;
        }
        let disk = &self.machine.world.disk;
        disk.clear_faults();
        disk.occupy(0);
        checks::linearizable::check(&open(&self.book).history)?;
        let node = self.start(0).await?;
        rest::settle(&mut self, node).await?;
        let book = Arc::clone(&self.book);
        let book = &mut *open(&book);
        book.history.end_life();
        checks::linearizable::check(&book.history)?;
        checks::stamps::check(&book.history)?;
        let disk = &self.machine.world.disk;
        book.trace.note(&format!("end: {} effects, {}", disk.effects(), disk.content_digest()));
        Ok(())
    }

    fn stop_on_failure(&self) -> Result<(), Failure> {
        open(&self.book).failure.clone().map_or(Ok(()), Err)
    }

    /// Starts the node; the power may go off while it starts.
    async fn start_under_fire(&mut self) -> Result<Node, Failure> {
        for _ in 0..FAILED_STARTS_MAX {
            if !self.plan.has(Trouble::Crash) || self.random.below(3) > 0 {
                break;
            }
            let disk = self.machine.world.disk.clone();
            disk.crash_at_effect(disk.effects() + 1 + self.random.below(60));
            match Node::start(&self.machine).await {
                Ok(node) => {
                    let node = self.begin(node).await?;
                    if !disk.has_crashed() {
                        return Ok(node);
                    }
                    drop(node);
                }
                Err(error) if !disk.has_crashed() => return Err(does_not_start(error)),
                Err(_) => {}
            }
            self.note("the power went off during the start");
            self.end(Keep::Some).await?;
        }
        self.start(0).await
    }

    /// Starts the node in peace: it must succeed.
    pub async fn start(&mut self, _attempt: u32) -> Result<Node, Failure> {
        let node = Node::start(&self.machine).await.map_err(does_not_start)?;
        self.begin(node).await
    }

    /// What must hold of a node that has just started.
    async fn begin(&mut self, node: Node) -> Result<Node, Failure> {
        let disk = &self.machine.world.disk;
        checks::leftovers::check_no_pending(&node)?;
        checks::counters::check(&node)?;
        checks::digests::check(&node)?;
        self.adopt_names(&node)?;
        self.read_all(&node).await?;
        if open(&self.book).buckets.is_empty() && !disk.has_crashed() {
            let name = BucketName::parse("first").expect("a valid name");
            match node.model.create_bucket(Some(name), None).await {
                Ok(id) => {
                    let note = BucketNote { id, deleted: Known::No, name: "first".to_owned() };
                    open(&self.book).buckets.push(note);
                }
                Err(_) if disk.has_crashed() => {}
                Err(error) => return Err(Failure::new("liveness", format!("the first bucket: {error}"))),
            }
        }
        Ok(node)
    }

    /// Compares buckets and keys with what was acknowledged, and learns what was open.
    fn adopt_names(&self, node: &Node) -> Result<(), Failure> {
        let mut book = open(&self.book);
        book.administrating = false;
        checks::names::check(node, &book)?;
        let names = node.model.names();
        let unknown = |book: &Book, id| book.buckets.iter().all(|note| note.id != id);
        for (name, id) in &names.aliases {
            if unknown(&book, *id) {
                book.buckets.push(BucketNote { id: *id, deleted: Known::No, name: name.clone() });
            }
        }
        for note in &mut book.buckets {
            note.deleted = Known::seen(!names.buckets.contains_key(&note.id));
        }
        for (id, note) in &mut book.keys {
            let row = names.keys.get(id);
            note.deleted = Known::seen(row.is_none());
            if let Some(row) = row {
                note.may_create = Known::seen(row.may_create_buckets.value);
            }
        }
        Ok(())
    }

    /// Reads every key in full: I1, I2 and I5.
    async fn read_all(&self, node: &Node) -> Result<(), Failure> {
        let buckets: Vec<_> = open(&self.book).buckets.iter().map(|note| note.id).enumerate().collect();
        for (bucket, id) in buckets {
            for key in self.plan.keys.clone() {
                let register = Register::Object { bucket, key: key.to_owned() };
                let found = node
                    .model
                    .find(id, key, Want::Content)
                    .now_or_never()
                    .expect("a node that is alone answers at once");
                if self.machine.world.disk.has_crashed() {
                    return Ok(());
                }
                let found = found.map_err(|error| {
                    Failure::new("I1 acknowledged survives", format!("{register:?}: {error}"))
                })?;
                {
                    let mut book = open(&self.book);
                    let version = reading::note_found(&mut book, &register, found.as_ref());
                    let shown = version.map_or(State::Absent, State::Holds);
                    checks::durability::check(&book.history, &register, shown)?;
                }
                let Some(found) = found else { continue };
                self.read_one(node, &register, &found).await?;
            }
        }
        Ok(())
    }

    async fn read_one(
        &self,
        node: &Node,
        register: &Register,
        found: &model::objects::Found,
    ) -> Result<(), Failure> {
        match reading::read_whole(node, found).await {
            Ok(bytes) => {
                let whole =
                    open(&self.book).contents.get(&found.object.etag.md5).cloned().unwrap_or_default();
                let range = model::ByteRange { start: 0, end: found.object.size };
                checks::content::check(&format!("{register:?}"), &whole, range, &bytes)
            }
            Err(error) => {
                let book = open(&self.book);
                let excused = reading::block_of(&error).is_some_and(|hash| book.rotten.contains(&hash))
                    || self.machine.world.disk.has_crashed();
                if excused {
                    return Ok(());
                }
                Err(Failure::new("I1 acknowledged survives", format!("reading {register:?}: {error}")))
            }
        }
    }

    /// One life: clients at work until their share is done or the power goes off.
    async fn live(&mut self, node: Node, ops: usize) -> Result<(), Failure> {
        self.life += 1;
        let disk = self.machine.world.disk.clone();
        let crashes = self.plan.has(Trouble::Crash);
        if crashes && self.random.below(4) > 0 {
            disk.crash_at_effect(disk.effects() + 1 + self.random.below(10 + 3 * ops as u64));
        }
        let kill_after = (crashes && self.random.below(4) == 0).then(|| self.random.below(1000));
        self.note(&format!("life {} of {ops} operations, {} effects so far", self.life, disk.effects()));
        let shared = Arc::new(Shared {
            node: node.clone(),
            disk: disk.clone(),
            clock: Arc::clone(&self.machine.world.clock),
            plan: Arc::clone(&self.plan),
            book: Arc::clone(&self.book),
            left: AtomicUsize::new(ops),
        });
        let clients: Vec<_> = (0..self.plan.clients)
            .map(|number| {
                let client = Client::new(Arc::clone(&shared), number, self.random.next_u64());
                node.env.tasks.spawn(client.run())
            })
            .collect();
        drop(shared);
        for turn in 0.. {
            if clients.iter().all(env::Task::is_finished) || disk.has_crashed() {
                break;
            }
            if kill_after == Some(turn) {
                // From now on nothing reaches the disk: the process is gone.
                disk.crash_at_effect(disk.effects() + 1);
            }
            if u64::from(LIFE_MAX_TURNS) == turn {
                return Err(Failure::new("liveness", "clients wait for ever"));
            }
            env::sleep(Duration::from_millis(1)).await;
        }
        let calm = clients.iter().all(env::Task::is_finished) && !disk.has_crashed();
        drop(clients);
        if calm {
            self.rest_between_lives(&node).await?;
        }
        drop(node);
        let keep = self.pick_keep();
        self.end(keep).await
    }

    /// Counters hold whenever no transaction runs.
    async fn rest_between_lives(&mut self, node: &Node) -> Result<(), Failure> {
        self.machine.world.disk.clear_faults();
        // What cancelled clients left behind runs to its end.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        // A store that has failed may not be readable either, until the restart.
        if node.store.has_failed() {
            return Ok(());
        }
        checks::counters::check(node)?;
        checks::digests::check(node)
    }

    fn pick_keep(&mut self) -> Keep {
        let keep = [Keep::Some, Keep::Some, Keep::Nothing, Keep::Everything][self.random.below(4) as usize];
        // After a failed flush the system takes pages for clean that are not on the disk, and a
        // database in a file that is opened again reads them: then the machine restarts too.
        let doubtful = self.plan.engine == EngineChoice::Redb && self.plan.has(Trouble::SyncError);
        if doubtful && keep == Keep::Everything { Keep::Some } else { keep }
    }

    /// Ends a life: all tasks of the node end, then the disk keeps what it keeps.
    pub async fn end(&mut self, keep: Keep) -> Result<(), Failure> {
        let disk = self.machine.world.disk.clone();
        let runtime = tokio::runtime::Handle::current();
        let mut turns = 0;
        while runtime.metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
            turns += 1;
            if turns > ENDING_MAX_TURNS {
                return Err(Failure::new("liveness", "tasks outlive their node"));
            }
        }
        let cut = disk.has_crashed();
        disk.clear_faults();
        disk.occupy(0);
        disk.crash(keep);
        let mut book = open(&self.book);
        book.history.end_life();
        book.count(match (cut, keep) {
            (true, Keep::Everything) => "killed",
            (true, _) => "power cut at work",
            (false, Keep::Everything) => "restarted",
            (false, _) => "power cut at rest",
        });
        book.trace.note(&format!("end of life: cut {cut}, keeps {keep:?}, {} effects", disk.effects()));
        Ok(())
    }

    /// Adds a line to the trace.
    pub fn note(&self, line: &str) {
        open(&self.book).trace.note(line);
    }
}

fn does_not_start(error: String) -> Failure {
    Failure::new("liveness", format!("the node does not start: {error}"))
}
