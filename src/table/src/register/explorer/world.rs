//! The state that is searched, and every event that can come next.

use super::monitor::Pending;
use super::{Answer, Fault, Held, Monitor, NOTHING, Op};
use crate::register::{
    Ballot, BallotStep, InDoubt, Member, PlainRead, PlainWrite, Quorum, ReadStep, Replica, ReplicaSet,
    Settled, Stored, Version, WriteStep, predecessors, settle,
};
use base::Stamp;
use std::collections::BTreeSet;
use std::rc::Rc;

const REPLICAS: usize = 3;

/// Two steps of a clock are more than a minute apart.
pub(super) const FAR_APART: u32 = 32;
/// They are within one millisecond: replicas remember all of a short script.
pub(super) const CLOSE: u32 = 0;

/// What is searched: the scripts and how far clocks and attempts go.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub scripts: Vec<Vec<Op>>,
    /// By client: its clock shows this when it begins, unless it has used later stamps already.
    pub clocks: Vec<u64>,
    /// No stamp lies above this; what would need one is not followed further.
    pub last_time: u64,
    pub attempts: u8,
    /// Bits by which a step of a clock is shifted: with [`FAR_APART`] replicas forget all but two versions.
    pub step_bits: u32,
    pub fault: Fault,
}

impl Scope {
    fn stamp(&self, client: usize, time: u64) -> Stamp {
        Stamp { time: time << self.step_bits, node: 2 * client as u64 }
    }

    fn time_of(&self, stamp: Stamp) -> u64 {
        stamp.time >> self.step_bits
    }
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub replicas: Vec<Replica<Held>>,
    pub clients: Vec<Client>,
    /// Every version ever sent, in the order it was sent; it may arrive anywhere at any time.
    pub sent: Rc<BTreeSet<Version<Held>>>,
    /// Every ballot ever asked for.
    pub asked: Rc<BTreeSet<Stamp>>,
    pub monitor: Rc<Monitor>,
}

#[derive(Debug, Clone)]
pub(super) struct Client {
    pub next: usize,
    pub last_time: u64,
    pub attempt: u8,
    pub work: Work,
    /// What its decision has proposed.
    pub doubt: Option<InDoubt>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    Idle,
    Write(PlainWrite, Version<Held>),
    Read(PlainRead<Held>),
    WriteBack(PlainRead<Held>, Version<Held>),
    Prepare(Ballot<Held>, Stamp),
    Stabilise(Ballot<Held>, Version<Held>),
    Accept(Ballot<Held>, Version<Held>),
    /// Its outcome is unknown; it does nothing more, but what it began may still happen.
    Stopped,
}

/// Where an event leads.
pub(super) enum Next {
    State(World),
    /// The answer given here is one that nothing explains.
    Violation(World),
}

/// One event, in words that a trace is read in; formatted only when it is read.
pub(super) type Event<'a> = std::fmt::Arguments<'a>;

impl World {
    pub(super) fn new(scope: &Scope) -> Self {
        let client = Client { next: 0, last_time: 0, attempt: 0, work: Work::Idle, doubt: None };
        Self {
            replicas: vec![Replica::default(); REPLICAS],
            clients: vec![client; scope.scripts.len()],
            sent: Rc::default(),
            asked: Rc::default(),
            monitor: Rc::new(Monitor::new(scope.scripts.len())),
        }
    }

    /// Every event that can come next, with where it leads.
    pub(super) fn successors(&self, scope: &Scope, visit: &mut dyn FnMut(Event<'_>, Next)) {
        let done = |(client, script): (&Client, &Vec<Op>)| {
            client.work == Work::Stopped || (client.work == Work::Idle && client.next == script.len())
        };
        if self.clients.iter().zip(&scope.scripts).all(done) {
            return;
        }
        for client in 0..self.clients.len() {
            if self.clients[client].work == Work::Idle {
                self.begin(scope, client, visit);
            } else {
                self.deliver(scope, client, visit);
            }
        }
        self.stray(scope, visit);
    }

    /// What the replicas hold, for a trace.
    pub(super) fn describe(&self) -> String {
        let words = self.replicas.iter().map(|replica| {
            let held =
                replica.current.as_ref().map(|held| (held.value.value, held.order.time, held.order.node));
            format!("{held:?}/{:?}", replica.memory.promise.map(|promise| (promise.time, promise.node)))
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn begin(&self, scope: &Scope, client: usize, visit: &mut dyn FnMut(Event<'_>, Next)) {
        let Some(op) = scope.scripts[client].get(self.clients[client].next) else { return };
        if *op == Op::Read {
            let mut next = self.clone();
            next.clients[client].work = Work::Read(PlainRead::new(quorum()));
            visit(format_args!("{client} begins {op:?}"), Next::State(next));
            return;
        }
        let time = scope.clocks[client].max(self.clients[client].last_time + 1);
        let mut next = self.clone();
        if next.send_first(scope, client, time) {
            visit(format_args!("{client} begins {op:?} at {time}"), Next::State(next));
        }
    }

    /// Sends the first message of the client's write under a new stamp. `false`: out of scope.
    fn send_first(&mut self, scope: &Scope, client: usize, time: u64) -> bool {
        if time > scope.last_time || self.clients[client].attempt >= scope.attempts {
            return false;
        }
        let stamp = scope.stamp(client, time);
        let op = scope.scripts[client][self.clients[client].next];
        let id = match &self.clients[client].work {
            Work::Write(_, version) => version.id,
            _ => stamp,
        };
        self.clients[client].last_time = time;
        self.clients[client].attempt += 1;
        self.clients[client].work = match op {
            Op::Write(_) | Op::Delete => {
                let value = if let Op::Write(value) = op { value } else { NOTHING };
                let version = Version { order: stamp, id, value: Held { value, before: Vec::new() } };
                Rc::make_mut(&mut self.sent).insert(version.clone());
                Work::Write(PlainWrite::new(quorum()), version)
            }
            _ => {
                Rc::make_mut(&mut self.asked).insert(stamp);
                Work::Prepare(Ballot::new(quorum(), stamp), stamp)
            }
        };
        true
    }

    /// A message of the operation under way reaches a replica and its answer comes back.
    fn deliver(&self, scope: &Scope, client: usize, visit: &mut dyn FnMut(Event<'_>, Next)) {
        for member in 0..REPLICAS {
            let mut next = self.clone();
            let Some(explained) = next.round_trip(scope, client, member) else { continue };
            let phase = self.clients[client].work.name();
            let next = if explained { Next::State(next) } else { Next::Violation(next) };
            visit(format_args!("{client} {phase} at {member}"), next);
        }
    }

    /// `None`: the event changes nothing or leads out of scope. The flag: something explains it.
    fn round_trip(&mut self, scope: &Scope, client: usize, member: Member) -> Option<bool> {
        let mut work = std::mem::replace(&mut self.clients[client].work, Work::Idle);
        let (before, replica_before) = (work.clone(), self.replicas[member].clone());
        let step = match &mut work {
            Work::Idle | Work::Stopped => Step::Wait,
            Work::Write(machine, version) => {
                let answer = store_plain(scope, &mut self.replicas[member], version);
                written(machine.answer(member, faulty_write(scope, answer)), scope, answer)
            }
            Work::Read(machine) => {
                let held = self.replicas[member].current.clone();
                Self::read_step(scope, machine.reply(member, held))
            }
            Work::WriteBack(machine, version) => {
                let answer = store_plain(scope, &mut self.replicas[member], version);
                Self::read_step(scope, machine.written_back(member, faulty_write_back(scope, answer)))
            }
            Work::Prepare(machine, ballot) => {
                let answer = self.replicas[member].prepare(*ballot, Stamp::ZERO);
                apply_fault(scope, &mut self.replicas[member]);
                Step::Ballot(stabilise_step(scope, machine.prepared(member, answer)))
            }
            Work::Stabilise(machine, version) => {
                let answer = store_plain(scope, &mut self.replicas[member], version);
                Step::Ballot(machine.stabilised(member, answer))
            }
            Work::Accept(machine, version) => {
                let answer = store_proposal(scope, &mut self.replicas[member], version);
                Step::Ballot(machine.accepted(member, answer))
            }
        };
        let unchanged = work == before && self.replicas[member] == replica_before;
        self.clients[client].work = work;
        match step {
            Step::Wait | Step::Read(ReadStep::Wait) | Step::Ballot(BallotStep::Wait) if unchanged => None,
            step => self.follow(scope, client, step),
        }
    }

    fn read_step(scope: &Scope, step: ReadStep<Held>) -> Step {
        match step {
            ReadStep::WriteBack(version) if scope.fault == Fault::NoWriteBack => {
                Step::Read(ReadStep::Answer(Some(version)))
            }
            step => Step::Read(step),
        }
    }

    /// Does what a machine says. `None`: out of scope.
    fn follow(&mut self, scope: &Scope, client: usize, step: Step) -> Option<bool> {
        match step {
            Step::Wait | Step::Read(ReadStep::Wait) | Step::Ballot(BallotStep::Wait) => Some(true),
            Step::Done | Step::Ballot(BallotStep::Done) => Some(self.finish(scope, client, Answer::Done)),
            Step::Again(above) | Step::Ballot(BallotStep::Lost { above }) => {
                let time = self.clients[client].last_time.max(scope.time_of(above)) + 1;
                self.send_first(scope, client, time).then_some(true)
            }
            Step::Unknown => self.stop(client),
            Step::Ballot(BallotStep::Unknown) => self.look_again(scope, client),
            Step::Read(ReadStep::Answer(held)) => {
                let value = held.map_or(NOTHING, |version| version.value.value);
                Some(self.finish(scope, client, Answer::Value(value)))
            }
            Step::Read(ReadStep::WriteBack(version)) => {
                Rc::make_mut(&mut self.sent).insert(version.clone());
                let Work::Read(machine) = self.clients[client].work.clone() else { return None };
                self.clients[client].work = Work::WriteBack(machine, version);
                Some(true)
            }
            Step::Read(ReadStep::Again) => {
                self.clients[client].attempt += 1;
                self.clients[client].work = Work::Read(PlainRead::new(quorum()));
                (self.clients[client].attempt < scope.attempts).then_some(true)
            }
            Step::Read(ReadStep::Blocked) => self.take_over(scope, client),
            Step::Ballot(BallotStep::Stabilise(version)) => {
                let Work::Prepare(machine, _) = self.clients[client].work.clone() else { return None };
                Rc::make_mut(&mut self.sent).insert(version.clone());
                self.clients[client].work = Work::Stabilise(machine, version);
                Some(true)
            }
            Step::Ballot(BallotStep::Evaluate(held)) => self.evaluate(scope, client, held),
        }
    }

    /// G9: a reader in whose way a promise is runs a ballot of its own.
    fn take_over(&mut self, scope: &Scope, client: usize) -> Option<bool> {
        let time = self.time_above_promises(scope, client);
        self.clients[client].work = Work::Idle;
        self.send_first(scope, client, time).then_some(true)
    }

    fn time_above_promises(&self, scope: &Scope, client: usize) -> u64 {
        let promised = self.replicas.iter().filter_map(|replica| replica.memory.promise).max();
        self.clients[client].last_time.max(promised.map_or(0, |stamp| scope.time_of(stamp))) + 1
    }

    fn stop(&mut self, client: usize) -> Option<bool> {
        self.clients[client].work = Work::Stopped;
        Some(true)
    }

    /// G12: another ballot tells what came of a decision. Where that is out of scope, it stays unknown.
    fn look_again(&mut self, scope: &Scope, client: usize) -> Option<bool> {
        let time = self.time_above_promises(scope, client);
        if self.send_first(scope, client, time) { Some(true) } else { self.stop(client) }
    }

    fn evaluate(&mut self, scope: &Scope, client: usize, held: Option<Version<Held>>) -> Option<bool> {
        let before = held.as_ref().map_or(&[][..], |version| &version.value.before);
        let doubt = self.clients[client].doubt;
        let is_asked =
            |id: &Stamp| scope.fault != Fault::SuccessorNotAsked || doubt.is_none_or(|doubt| doubt.id != *id);
        let asked: Vec<Stamp> = before.iter().copied().filter(is_asked).collect();
        match doubt.map(|doubt| settle(doubt, held.as_ref(), &asked)) {
            Some(Settled::Chosen) => return Some(self.finish(scope, client, Answer::Done)),
            Some(Settled::Unknown) if scope.fault != Fault::BegunAnew => return self.stop(client),
            _ => {}
        }
        let before = predecessors(held.as_ref().map_or(Stamp::ZERO, |version| version.id), before);
        let value = held.map_or(NOTHING, |version| version.value.value);
        let op = scope.scripts[client][self.clients[client].next];
        let new = match op {
            Op::Create(new) if value == NOTHING => new,
            Op::Replace(expected, new) if value == expected => new,
            Op::Create(_) | Op::Replace(..) => return Some(self.finish(scope, client, Answer::Refused)),
            Op::Read => return Some(self.finish(scope, client, Answer::Value(value))),
            Op::Write(_) | Op::Delete => return None,
        };
        let (Work::Prepare(mut machine, _) | Work::Stabilise(mut machine, _)) =
            self.clients[client].work.clone()
        else {
            return None;
        };
        let upon = before.first().copied().unwrap_or(Stamp::ZERO);
        let first = self.clients[client].doubt.map(|doubt| doubt.id);
        let version = machine.propose(Held { value: new, before }, first);
        self.clients[client].doubt = Some(InDoubt { id: version.id, since: version.order, upon });
        Rc::make_mut(&mut self.sent).insert(version.clone());
        self.clients[client].work = Work::Accept(machine, version);
        Some(true)
    }

    fn finish(&mut self, scope: &Scope, client: usize, answer: Answer) -> bool {
        let running = |(client, script): (&Client, &Vec<Op>)| {
            if client.work == Work::Idle { None } else { script.get(client.next).copied() }
        };
        let pending: Pending = self.clients.iter().zip(&scope.scripts).map(running).collect();
        let explained = Rc::make_mut(&mut self.monitor).answer(client, answer, &pending);
        self.clients[client].next += 1;
        self.clients[client].attempt = 0;
        self.clients[client].work = Work::Idle;
        self.clients[client].doubt = None;
        explained
    }

    /// Something sent earlier reaches a replica once more, or for the first time; nobody hears the answer.
    fn stray(&self, scope: &Scope, visit: &mut dyn FnMut(Event<'_>, Next)) {
        for member in 0..REPLICAS {
            let changed = |replica: Replica<Held>| {
                (replica != self.replicas[member]).then(|| {
                    let mut next = self.clone();
                    next.replicas[member] = replica;
                    Next::State(next)
                })
            };
            for version in self.sent.iter() {
                let mut replica = self.replicas[member].clone();
                if version.order.node % 2 == 1 {
                    store_proposal(scope, &mut replica, version);
                } else {
                    store_plain(scope, &mut replica, version);
                }
                if let Some(next) = changed(replica) {
                    visit(format_args!("{version:?} arrives at {member}"), next);
                }
            }
            for ballot in self.asked.iter() {
                let mut replica = self.replicas[member].clone();
                let _ = replica.prepare(*ballot, Stamp::ZERO);
                apply_fault(scope, &mut replica);
                if let Some(next) = changed(replica) {
                    visit(format_args!("prepare {ballot:?} arrives at {member}"), next);
                }
            }
        }
    }
}

/// What a machine said, whichever it was.
enum Step {
    Wait,
    Done,
    Again(Stamp),
    Unknown,
    Read(ReadStep<Held>),
    Ballot(BallotStep<Held>),
}

fn store_plain(scope: &Scope, replica: &mut Replica<Held>, version: &Version<Held>) -> Stored {
    store(scope, replica, version, scope.fault == Fault::WriteIgnoresPromise)
}

fn store_proposal(scope: &Scope, replica: &mut Replica<Held>, version: &Version<Held>) -> Stored {
    store(scope, replica, version, scope.fault == Fault::AcceptIgnoresPromise)
}

fn store(
    scope: &Scope,
    replica: &mut Replica<Held>,
    version: &Version<Held>,
    ignore_promise: bool,
) -> Stored {
    let promise = replica.memory.promise;
    if ignore_promise {
        replica.memory.promise = None;
    }
    let answer = replica.store(version, Stamp::ZERO);
    replica.memory.promise = promise;
    apply_fault(scope, replica);
    answer
}

fn apply_fault(scope: &Scope, replica: &mut Replica<Held>) {
    match scope.fault {
        Fault::PromiseForgotten => replica.memory.promise = None,
        Fault::NoMemory => {
            replica.memory.forgot = false;
            replica.memory.history = replica.current.iter().map(|held| (held.order, held.id)).collect();
        }
        _ => {}
    }
}

fn quorum() -> Quorum {
    Quorum::new(vec![ReplicaSet::new(0..REPLICAS)])
}

fn faulty_write(scope: &Scope, answer: Stored) -> Stored {
    match (scope.fault, answer) {
        (Fault::NewerAcknowledges, Stored::Dead { .. }) => Stored::Yes,
        (Fault::BlockedIsDead, Stored::Blocked { promise }) => Stored::Dead { newest: promise },
        (_, answer) => answer,
    }
}

fn written(step: WriteStep, scope: &Scope, answer: Stored) -> Step {
    match (step, answer) {
        (WriteStep::Wait, Stored::Dead { newest }) if scope.fault == Fault::OneDeadIsEnough => {
            Step::Again(newest)
        }
        (WriteStep::Wait, _) => Step::Wait,
        (WriteStep::Done, _) => Step::Done,
        (WriteStep::Again { above }, _) => Step::Again(above),
        (WriteStep::Unknown, _) => Step::Unknown,
    }
}

fn faulty_write_back(scope: &Scope, answer: Stored) -> Stored {
    match (scope.fault, answer) {
        (Fault::NewerIsWrittenBack, Stored::Dead { .. } | Stored::Unknown { .. }) => Stored::Yes,
        (_, answer) => answer,
    }
}

fn stabilise_step(scope: &Scope, step: BallotStep<Held>) -> BallotStep<Held> {
    match (scope.fault, step) {
        (Fault::NoStabilise, BallotStep::Stabilise(version)) => BallotStep::Evaluate(Some(version)),
        (_, step) => step,
    }
}

impl Work {
    fn name(&self) -> &'static str {
        match self {
            Work::Idle => "is idle",
            Work::Write(..) => "writes",
            Work::Read(_) => "reads",
            Work::WriteBack(..) => "writes back",
            Work::Prepare(..) => "prepares",
            Work::Stabilise(..) => "stabilises",
            Work::Accept(..) => "proposes",
            Work::Stopped => "has stopped",
        }
    }
}
