//! The daily pass: which buckets are due, row by row, with pauses.
//!
//! There is no leader. Of the owners of a bucket's rows the first one that is there takes it; two that see it
//! differently both do, which costs time and nothing else. How far a pass is stands on disk (`progress`).

use super::clock::{Doubt, Watch};
use super::expire::Moment;
use super::progress::{self, Place, Progress, mark_of};
use super::scan::{Found, Look, Stack, step};
use super::{Counts, Rules};
use crate::rows::bucket::Setting;
use crate::{Model, ModelError};
use base::id::kind;
use base::{Id, NodeId, PartitionHash, Stamp, WallTime};
use cluster::layout::partition_of;
use env::{MonoTime, Task};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Space, Txn};

/// Looks for buckets that are due, in one day: new rules are obeyed within ten minutes.
const LOOKS_PER_DAY: u64 = 144;
/// The shortest time between two looks, however short a test makes a day.
const LOOK_MIN: Duration = Duration::from_millis(100);
/// The first look after a start: nobody waits for it, and other work has more to do then.
const FIRST_LOOK: Duration = Duration::from_secs(30);
/// After a step the pass rests this many times as long as the step took, so that it takes at most a third of a
/// disk's time.
const REST_FACTOR: u32 = 2;
/// The shortest and the longest rest.
const REST_MIN: Duration = Duration::from_millis(1);
const REST_MAX: Duration = Duration::from_secs(2);
/// How often a pass writes down where it is.
const SAVED_EVERY: Duration = Duration::from_secs(30);
/// Things that could not be removed in one pass over a bucket before it waits for better times.
const FAILURES_MAX: u64 = 32;

/// Goes through buckets.
pub(crate) struct Worker {
    model: Arc<Model>,
    watch: Watch,
}

/// What a look at all buckets did.
#[derive(Default)]
struct Looked {
    buckets: u64,
    rows: u64,
    counts: Counts,
    failures: u64,
}

/// How a pass over a bucket ended.
enum Ended {
    /// At the last row.
    Whole,
    /// Before it: it goes on another time.
    Early,
}

impl Model {
    /// Starts the daily passes; they end when the task is dropped.
    pub fn spawn_lifecycle(self: &Arc<Self>) -> Task<()> {
        let mut worker = Worker::new(self);
        let pause = Duration::from_millis(self.timing.day.millis() / LOOKS_PER_DAY).max(LOOK_MIN);
        self.env.tasks.spawn(async move {
            env::sleep(pause.min(FIRST_LOOK)).await;
            loop {
                worker.look().await;
                env::sleep(pause).await;
            }
        })
    }

    /// Whether this node takes the lifecycle of what lies in a partition.
    fn is_first_owner(&self, partition: PartitionHash) -> bool {
        if self.peers.is_alone() {
            return true;
        }
        if !self.peers.takes_part(partition_of(&partition)) {
            return false;
        }
        let placement = self.peers.placement();
        let owners: BTreeSet<NodeId> = placement.sets(partition).into_iter().flatten().copied().collect();
        // Each arc begins with another one, so that the work is spread.
        let begin = usize::from(partition_of(&partition)) % owners.len().max(1);
        let mut in_turn = owners.iter().cycle().skip(begin).take(owners.len());
        in_turn.find(|node| self.peers.is_up(**node)) == Some(&self.peers.me())
    }

    /// What the clocks of the other members showed when they were last heard of, of those that can be asked now; none
    /// while one of these has not told it yet.
    fn clocks_of_others(&self) -> Option<Vec<WallTime>> {
        let membership = self.peers.cluster().and_then(|cluster| cluster.membership());
        let contacts = membership.map(|membership| membership.contacts()).unwrap_or_default();
        let is_there = |(node, contact): &(NodeId, cluster::membership::Contact)| {
            contact.is_up && self.peers.is_member(*node)
        };
        contacts.into_iter().filter(is_there).map(|(_, contact)| Some(contact.status?.clock)).collect()
    }
}

impl Worker {
    pub fn new(model: &Arc<Model>) -> Self {
        let now = (model.env.clock.wall(), model.env.clock.mono());
        let mark = model.store.first_mark();
        let reached = (mark > 0).then(|| Stamp { time: mark, node: 0 }.wall());
        Self { model: Arc::clone(model), watch: Watch::new(reached, now) }
    }

    /// Goes through all buckets that are due and this node's to look at.
    pub async fn look(&mut self) {
        let mut looked = Looked::default();
        let outcome = self.look_at_buckets(&mut looked).await;
        let (model, now) = (&self.model, self.model.env.clock.wall());
        if let Err(error) = outcome {
            looked.failures += 1;
            model.lifecycle.fail(error.to_string(), now);
        }
        let mut figures = model.lifecycle.open();
        figures.under_way = None;
        figures.failures += looked.failures;
        let day = model.timing.day;
        if figures.doubt.is_none() && looked.failures == 0 {
            figures.next_pass = Some(day.begin(day.number(now).saturating_add(1)));
            if looked.buckets > 0 {
                figures.last_pass = Some(now);
            }
        }
        drop(figures);
        let Looked { buckets, rows, counts, failures } = looked;
        if buckets > 0 || failures > 0 {
            let Counts { objects, versions, markers, uploads, skipped, failed } = counts;
            tracing::info!(
                buckets,
                rows,
                objects,
                versions,
                markers,
                uploads,
                skipped,
                failed,
                failures,
                "a pass of lifecycle rules"
            );
        }
    }

    async fn look_at_buckets(&mut self, looked: &mut Looked) -> Result<(), ModelError> {
        let model = Arc::clone(&self.model);
        let names = model.names();
        let has_rules = |id| match names.bucket(id) {
            Ok(row) => row.setting(Setting::Lifecycle).is_some(),
            Err(error) => !matches!(error, ModelError::NoSuchBucket),
        };
        let over = progress::others(&model.store.view()?, has_rules)?;
        if !over.is_empty() {
            let forget = move |txn: &mut Txn<'_>| {
                over.into_iter().for_each(|key| txn.delete(Space::Setting, key));
                Ok::<_, ModelError>(())
            };
            model.store.commit(Intent::Free, forget).await?;
        }
        for (id, row) in &names.buckets {
            if !model.is_first_owner(PartitionHash::of_shard(id, 0)) {
                continue;
            }
            let rules = match model.lifecycle_rules(*id, row) {
                Ok(Some(rules)) if !rules.is_idle() => rules,
                Ok(_) => continue,
                Err(error) => {
                    self.fail(looked, *id, &error);
                    continue;
                }
            };
            let progress = progress::of_bucket(&model.store.view()?, *id)?;
            let Some(now) = self.time() else { return Ok(()) };
            let (mark, today) = (mark_of(&rules), model.timing.day.number(now));
            if !progress.is_due(&mark, today) {
                continue;
            }
            looked.buckets += 1;
            model.lifecycle.open().under_way = Some(*id);
            let pass = Pass { model: &model, bucket: *id, mark, counts: Counts::default(), rows: 0 };
            if let Err(error) = pass.run(self, progress, today, looked).await {
                self.fail(looked, *id, &error);
            }
        }
        Ok(())
    }

    fn fail(&self, looked: &mut Looked, bucket: Id<kind::Bucket>, error: &ModelError) {
        looked.failures += 1;
        tracing::warn!(%bucket, %error, "the lifecycle rules of a bucket are obeyed later");
        self.model.lifecycle.fail(error.to_string(), self.model.env.clock.wall());
    }

    /// The time that counts, unless it is in doubt.
    fn time(&mut self) -> Option<WallTime> {
        let clock = &self.model.env.clock;
        let judged = match self.model.clocks_of_others() {
            Some(others) => self.watch.judge((clock.wall(), clock.mono()), &others),
            None => Err(Doubt::Unheard),
        };
        let mut figures = self.model.lifecycle.open();
        match judged {
            Ok(now) => {
                figures.doubt = None;
                Some(now)
            }
            Err(doubt) => {
                let told = doubt.to_string();
                if figures.doubt.is_none() && doubt != Doubt::Unheard {
                    tracing::warn!(%doubt, "nothing is deleted by lifecycle rules");
                }
                figures.doubt = Some(told);
                None
            }
        }
    }
}

/// A pass over one bucket.
struct Pass<'a> {
    model: &'a Arc<Model>,
    bucket: Id<kind::Bucket>,
    /// The rules that it obeys.
    mark: Vec<u8>,
    counts: Counts,
    rows: u64,
}

impl Pass<'_> {
    async fn run(
        mut self,
        worker: &mut Worker,
        progress: Progress,
        today: u64,
        looked: &mut Looked,
    ) -> Result<(), ModelError> {
        let mut place = progress.next(&self.mark, today);
        let outcome = self.go_on(worker, progress.done, &mut place).await;
        looked.rows += self.rows;
        looked.counts.add(self.counts);
        if self.counts.failed > 0 {
            looked.failures += 1;
            self.model.lifecycle.fail(ModelError::Unavailable.to_string(), self.model.env.clock.wall());
        }
        let day = place.day;
        match outcome? {
            // What could not be removed is looked for again.
            Ended::Whole if self.counts.failed > 0 => self.save(progress.done, None).await,
            Ended::Whole => self.save(Some(day), None).await,
            Ended::Early => self.save(progress.done, Some(place)).await,
        }
    }

    /// Goes on from a place to the last row, unless the rules change or the time is in doubt.
    async fn go_on(
        &mut self,
        worker: &mut Worker,
        done: Option<u64>,
        place: &mut Place,
    ) -> Result<Ended, ModelError> {
        let clock = Arc::clone(&self.model.env.clock);
        let (mut inside, mut saved) = (None, clock.mono());
        loop {
            let started = clock.mono();
            let Some(now) = worker.time() else { return Ok(Ended::Early) };
            let Some(rules) = self.rules_now()? else { return Ok(Ended::Early) };
            let found = self.step(&rules, now, place, inside.take()).await?;
            self.count(Counts { skipped: found.damaged, ..Counts::default() }, found.rows);
            if !found.candidates.is_empty() {
                // Rules that were taken back, and versions that are kept, are heard of before anything is removed.
                if !self.model.peers.is_alone() {
                    self.model.hear_bucket(self.bucket).await?;
                }
                let moment = Moment { bucket: self.bucket, now, day: self.model.timing.day };
                let counts = self.model.expire(moment, found.candidates).await?;
                self.count(counts, 0);
            }
            match (found.next, place.stage.next()) {
                (Some(next), _) => (place.from, inside) = (next, found.inside),
                (None, Some(stage)) => (place.stage, place.from) = (stage, Vec::new()),
                (None, None) => return Ok(Ended::Whole),
            }
            if self.counts.failed > FAILURES_MAX {
                return Ok(Ended::Early);
            }
            if clock.mono().saturating_sub(saved) >= SAVED_EVERY {
                self.save(done, Some(place.clone())).await?;
                saved = clock.mono();
            }
            rest(clock.mono().saturating_sub(started)).await;
        }
    }

    /// The rules, as long as they are those that the pass began with.
    fn rules_now(&self) -> Result<Option<Arc<Rules>>, ModelError> {
        let names = self.model.names();
        let Some(row) = names.buckets.get(&self.bucket) else { return Ok(None) };
        let rules = self.model.lifecycle_rules(self.bucket, row)?;
        Ok(rules.filter(|rules| mark_of(rules) == self.mark))
    }

    async fn step(
        &self,
        rules: &Arc<Rules>,
        now: WallTime,
        place: &Place,
        inside: Option<Stack>,
    ) -> Result<Found, ModelError> {
        let (view, rules, day) = (self.model.store.view()?, Arc::clone(rules), self.model.timing.day);
        let partition = PartitionHash::of_shard(&self.bucket, 0);
        let (stage, from) = (place.stage, place.from.clone());
        let look =
            move || step(Look { view: &view, partition, rules: &rules, now, day }, stage, from, inside);
        self.model.env.tasks.blocking(look).await
    }

    fn count(&mut self, counts: Counts, rows: u64) {
        self.counts.add(counts);
        self.rows += rows;
        let mut figures = self.model.lifecycle.open();
        figures.done.add(counts);
        figures.rows += rows;
    }

    async fn save(&self, done: Option<u64>, place: Option<Place>) -> Result<(), ModelError> {
        let (key, rules) = (progress::row_key(self.bucket), self.mark.clone());
        let progress = Progress { rules, done, place };
        let save = move |txn: &mut Txn<'_>| {
            txn.put(Space::Setting, key, &progress);
            Ok::<_, ModelError>(())
        };
        self.model.store.commit(Intent::Free, save).await
    }
}

async fn rest(took: MonoTime) {
    env::sleep((took * REST_FACTOR).clamp(REST_MIN, REST_MAX)).await;
}
