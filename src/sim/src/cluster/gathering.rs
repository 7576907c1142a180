//! All homes together: how they meet, who can be asked, and asking one of them.

use super::buckets::Other;
use super::decay::Decayed;
use super::events::Told;
use super::home::{Home, Member, address};
use super::plan::ClusterPlan;
use super::settings;
use crate::book::Book;
use crate::checks::Failure;
use crate::client::open;
use crate::plan::Trouble;
use base::BucketName;
use base::id::kind;
use base::{Id, NodeId};
use cluster::layout::Role;
use cluster::membership::NodeAddress;
use env::sim::{Keep, SimNet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Room of a storing home, for the layout: all alike.
const CAPACITY_BYTES: u64 = 1 << 30;
/// How long homes that nothing keeps apart may take to meet.
const MEETING_MAX: Duration = Duration::from_secs(90);
/// By how much clocks go on at once.
const LATER_MS: i64 = 30 * 60 * 1000;
/// Between two looks at whether the weather is over.
const LOOK: Duration = Duration::from_millis(200);
/// How long an operation may take before it counts as one that is never answered: many times over what
/// the limits of all questions that it may ask add up to.
pub const ANSWER_MAX: Duration = Duration::from_secs(900);

/// A run's homes and what is known of them.
pub struct Gathering {
    /// What the seed decided.
    pub plan: ClusterPlan,
    /// What the harness knows.
    pub book: Mutex<Book>,
    /// The network.
    pub net: SimNet,
    /// The homes.
    pub homes: Vec<Home>,
    /// Whether the weather is over.
    pub is_calm: AtomicBool,
    /// Buckets beside the first one.
    pub others: Mutex<Vec<Other>>,
    /// What a webhook is told.
    pub told: Mutex<Told>,
    has_rest: AtomicBool,
    decayed: Mutex<Vec<Decayed>>,
    /// Whether nothing decays any more, and everything is whole.
    is_sound: AtomicBool,
    /// The homes that belong to the cluster.
    members: Mutex<Vec<usize>>,
    /// The one of them that was given up and has not come back.
    away: Mutex<Option<usize>>,
    /// The one of them that is about to leave.
    leaver: Mutex<Option<usize>>,
}

impl Gathering {
    /// Empty machines.
    pub fn new(plan: &ClusterPlan) -> Self {
        let net = SimNet::new(plan.seed ^ 0x6e65_7400, Duration::from_millis(plan.delay_ms))
            .with_rate(plan.bytes_per_s);
        let homes = (0..plan.homes()).map(|number| Home::new(plan, number, &net)).collect();
        let (plan, book) = (plan.clone(), Mutex::default());
        let plan_decays = plan.has(Trouble::DamagedRow);
        Self {
            plan,
            book,
            net,
            homes,
            is_calm: AtomicBool::new(false),
            others: Mutex::default(),
            told: Mutex::default(),
            has_rest: AtomicBool::new(false),
            decayed: Mutex::default(),
            is_sound: AtomicBool::new(!plan_decays),
            members: Mutex::default(),
            away: Mutex::default(),
            leaver: Mutex::default(),
        }
    }

    /// The homes that belong to the cluster.
    pub fn members(&self) -> Vec<usize> {
        open(&self.members).clone()
    }

    /// Those of them that store.
    pub fn storing(&self) -> Vec<usize> {
        self.members().into_iter().filter(|home| *home < self.plan.storing).collect()
    }

    /// Whether a home must run at the end: all but who has left for good.
    pub fn is_needed(&self, home: usize) -> bool {
        self.members().contains(&home) || home >= self.plan.first
    }

    /// A write to a bucket that may be deleted is in doubt: what one home has of it may stay.
    pub fn leave_rest(&self) {
        self.has_rest.store(true, Ordering::Relaxed);
    }

    /// Whether that may be so.
    pub fn has_rest(&self) -> bool {
        self.has_rest.load(Ordering::Relaxed)
    }

    /// What decayed and was not seen whole since.
    pub fn decayed(&self) -> MutexGuard<'_, Vec<Decayed>> {
        open(&self.decayed)
    }

    /// Says that nothing decays any more, and all is whole.
    pub fn end_decay(&self) {
        self.is_sound.store(true, Ordering::Relaxed);
    }

    /// Whether a row may be damaged somewhere.
    pub fn may_rows_be_damaged(&self) -> bool {
        !self.is_sound.load(Ordering::Relaxed)
    }

    /// All clocks go on, so that everything that waits for a time is due.
    pub fn let_clocks_go_on(&self) {
        self.homes.iter().for_each(|home| home.world.clock.jump(LATER_MS));
    }

    /// Says that these do too.
    pub fn join(&self, homes: Range<usize>) {
        let mut members = open(&self.members);
        members.extend(homes);
        members.sort_unstable();
        members.dedup();
    }

    /// Says that one of them was given up and is away.
    pub fn stay_away(&self, home: usize) {
        *open(&self.away) = Some(home);
    }

    /// The one that was given up and is away still: it comes back now.
    pub fn take_away(&self) -> Option<usize> {
        open(&self.away).take().filter(|home| !self.homes[*home].has_process())
    }

    /// Says that one of them is about to leave.
    pub fn will_leave(&self, home: usize) {
        *open(&self.leaver) = Some(home);
    }

    /// Takes who is about to leave out of the members.
    pub fn take_leaver(&self) -> Option<usize> {
        let leaver = open(&self.leaver).take();
        open(&self.members).retain(|home| Some(*home) != leaver);
        leaver
    }

    /// The book, for a moment.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        open(&self.book)
    }

    /// Starts all homes, lays them out, and makes the bucket.
    pub async fn found(&self) -> Result<Id<kind::Bucket>, Failure> {
        let mut first = Vec::new();
        for home in &self.homes {
            home.start(first.clone()).await.map_err(failed)?;
            let node = self.node(home.number)?;
            if first.is_empty() {
                let place = NodeAddress { node: node.id(), host_and_port: address(home.number).to_string() };
                first.push(place);
            }
        }
        let (first, gateways) = (self.plan.first, self.plan.gateways);
        let is_whole = first == self.plan.storing;
        let members = 0..if is_whole { first + gateways } else { first };
        self.lay_out(&self.node(0)?, members.clone(), None).map_err(failed)?;
        self.join(members);
        self.meet(MEETING_MAX).await?;
        let name = BucketName::parse("first").map_err(failed)?;
        let node = self.node(0)?;
        let bucket = node.model.create_bucket(Some(name), None).await.map_err(failed)?;
        self.until(MEETING_MAX, "knows the bucket", |node| node.model.names().buckets.contains_key(&bucket))
            .await?;
        settings::begin(self, bucket).await?;
        Ok(bucket)
    }

    /// Gives some homes their roles through a node, takes away that of another one, and applies the next version.
    pub fn lay_out(
        &self,
        through: &Member,
        homes: Range<usize>,
        leaver: Option<usize>,
    ) -> Result<(), String> {
        let running = |number: usize| self.homes[number].node().ok_or("a home is off");
        let leaver = leaver.map(running).transpose()?.map(|node| node.id());
        let mut ids = Vec::new();
        for number in homes {
            ids.push((number, running(number)?.id()));
        }
        let storing = self.plan.storing;
        let changed = through.cluster.change_layout(|layout, moment| {
            let mut layout = layout.clone();
            for (number, id) in &ids {
                let capacity_bytes = (*number < storing).then_some(CAPACITY_BYTES);
                let role = Role { zone: format!("zone{number}"), capacity_bytes, tags: Vec::new() };
                layout = layout.assign(*id, role, moment)?;
            }
            if let Some(leaver) = leaver {
                layout = layout.remove(leaver, moment)?;
            }
            layout.apply(layout.current().number + 1, moment)
        });
        changed.map(|_| ()).map_err(|error| error.to_string())
    }

    /// A node that must run.
    pub fn node(&self, number: usize) -> Result<Member, Failure> {
        self.homes[number].node().ok_or_else(|| Failure::new("simulator", format!("home {number} is off")))
    }

    /// Waits until all homes that run reach each other, see one layout, and answer for all that they own.
    pub async fn meet(&self, limit: Duration) -> Result<(), Failure> {
        let ids: Vec<NodeId> =
            self.homes.iter().filter_map(|home| home.node().map(|node| node.id())).collect();
        let views =
            || self.homes.iter().filter_map(|home| home.node().map(|node| node.cluster.placement().view()));
        let members = self.members();
        let version = if members.len() == self.plan.first { 1 } else { self.plan.versions() };
        let meets = |node: &Member| {
            let view = node.cluster.placement().view();
            ids.iter().all(|id| node.reaches(*id))
                && view.newest == view.oldest
                && view.newest >= version
                && node.cluster.layout().coming().is_none()
                && views().all(|other| other == view)
                && node.cluster.behind() == 0
        };
        let told = |failure: Failure| Failure { detail: self.standing(&failure.detail), ..failure };
        self.until(limit, "reaches all others, sees what they see and answers for all", meets)
            .await
            .map_err(told)
    }

    /// What each home says of itself, after why that matters.
    fn standing(&self, why: &str) -> String {
        let running = self.homes.iter().filter_map(|home| Some((home.number, home.node()?)));
        let lines = running.map(|(number, node)| {
            let ids = self.homes.iter().filter_map(|home| Some((home.number, home.node()?.id())));
            let unreached: Vec<usize> = ids.filter(|(_, id)| !node.reaches(*id)).map(|(home, _)| home).collect();
            let (view, layout) = (node.cluster.placement().view(), node.cluster.layout());
            format!(
                "\n    home {number}: versions {} to {}, coming {:?}, {} arcs behind, does not reach {unreached:?}",
                view.oldest,
                view.newest,
                layout.coming().map(|version| version.number),
                node.cluster.behind()
            )
        });
        lines.fold(why.to_owned(), |text, line| text + &line)
    }

    /// Waits until something holds of every node that runs.
    pub async fn until(
        &self,
        limit: Duration,
        what: &str,
        holds: impl Fn(&Member) -> bool,
    ) -> Result<(), Failure> {
        let lacking = || self.homes.iter().find(|home| home.node().is_some_and(|node| !holds(&node)));
        let waiting = async {
            while lacking().is_some() {
                env::sleep(Duration::from_millis(50)).await;
            }
        };
        if env::timeout(limit, waiting).await.is_some() {
            return Ok(());
        }
        let home = lacking().map_or(0, |home| home.number);
        Err(Failure::new("liveness", format!("home {home} never {what}")))
    }

    /// Lets a node do something, as a request to it would: its answer does not come when its process ends
    /// or, after `patience`, when its client has gone.
    pub async fn ask<T, F>(
        &self,
        home: usize,
        patience: Option<Duration>,
        work: impl FnOnce(Member) -> F,
    ) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        // Nothing of the node is kept here while it works.
        let mut task = {
            let node = self.homes[home].node()?;
            let tasks = node.env.tasks.clone();
            tasks.spawn(work(node))
        };
        let answer = env::timeout(patience.unwrap_or(ANSWER_MAX), task.join_mut()).await;
        if answer.is_none() && patience.is_none() {
            self.book().fail(Failure::new("liveness", format!("home {home} never answers")));
        }
        answer.flatten()
    }

    /// Switches a home off: with its power nobody is told, and what was not flushed may be lost.
    pub async fn switch_off(&self, home: usize, keep: Keep) -> Result<(), Failure> {
        if keep != Keep::Everything {
            self.isolate(home);
        }
        self.homes[home].kill(keep).await.map_err(failed)
    }

    /// Switches it on again.
    pub async fn switch_on(&self, home: usize, keep: Keep) -> Result<(), Failure> {
        if keep != Keep::Everything {
            self.rejoin(home);
        }
        // A start may meet a fault that was planned meanwhile; the next one must succeed.
        if self.homes[home].start(Vec::new()).await.is_ok() {
            return Ok(());
        }
        self.homes[home].kill(keep).await.map_err(failed)?;
        let started = self.homes[home].start(Vec::new()).await;
        started.map_err(|error| Failure::new("liveness", format!("home {home} does not start: {error}")))
    }

    /// Cuts a home off.
    pub fn isolate(&self, home: usize) {
        for other in (0..self.homes.len()).filter(|other| *other != home) {
            self.net.cut(home, other);
            self.net.cut(other, home);
        }
    }

    /// Takes that back.
    pub fn rejoin(&self, home: usize) {
        for other in (0..self.homes.len()).filter(|other| *other != home) {
            self.net.heal(home, other);
            self.net.heal(other, home);
        }
    }

    /// Lets time pass, less when the weather is over.
    pub async fn wait(&self, time: Duration) {
        let mut waited = Duration::ZERO;
        while waited < time && !self.is_calm.load(Ordering::Relaxed) {
            env::sleep(LOOK).await;
            waited += LOOK;
        }
    }

    /// Adds a line to the trace, with the time in it.
    pub fn note(&self, line: &str) {
        let time_ms = env::Clock::mono(self.homes[0].world.clock.as_ref()).as_millis();
        self.book().trace.note(&format!("{time_ms:>7} {line}"));
    }

    /// The first broken promise so far.
    pub fn stop_on_failure(&self) -> Result<(), Failure> {
        self.book().failure.clone().map_or(Ok(()), Err)
    }
}

/// What must not fail while nothing is wrong.
pub fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new("liveness", error.to_string())
}

/// All that tasks of the harness share.
pub type Shared = Arc<Gathering>;
