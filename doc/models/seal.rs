//! Deleting a bucket while objects are put into it through other homes.
//!
//! Modelled: one key of one bucket on two or three replicas; puts, deletes, reads with write-back; a bucket
//! deleted by seal, list and last step; puts that break a seal that is in their way; sync of the row between
//! replicas. The seal is one row of the register: ballots with prepare, propose again and accept, delivered
//! replica by replica. Requests lost, delayed, duplicated for ever and reordered, replies lost, coordinators that
//! stop anywhere.
//!
//! Each replica acts on its *gate*: what its own transactions know of the seal. It shuts when the replica
//! accepts a seal, chosen or not, and opens when the replica learns that "open" was chosen; so it lags. With "steps"
//! the gate is the replica's own row, and a seal is opened by two decisions: "opening", which is shut, then open.
//!
//! Not modelled: layout changes and lost memory (change.rs), conditional writes and collection (promise.rs),
//! several keys, the row of the bucket that merges everywhere (it follows the register).
//!
//! Checked: every answer fits a linearizable history of the bucket. "Gone" takes effect at the latest when it
//! is chosen, also if nobody hears of it; in a bucket that is gone no put is acknowledged and nothing is read.
//! A put, delete or deletion of the bucket whose outcome is unknown may take effect later.
//!
//! Stamps and ballots: round * clients + client. Orders of the register: 2 * ballot + 1 for a new state, one less
//! for a state that is proposed again under that ballot; 0 is the start, open. Row 0 is no row, row 1 the object of
//! the start.

mod search;
use search::{Case, Model, Outcome, all, explain, long, mix, not_needed, without};

const NODES: usize = 3;
const CLIENTS: usize = 4;
const HISTORIES: usize = 24;
const RULES: &[(&str, &str)] = &[
    ("refuse-write", "a replica whose gate is shut refuses puts and deletes"),
    ("refuse-back", "so does it refuse write-backs and sync"),
    ("known-first", "(without refuse-back) the gate is looked at before \"accepted before\" is said"),
    ("refuse-read", "a replica whose gate says gone answers no reads"),
    ("seal-first", "the bucket is listed after the seal is chosen"),
    ("list-sealed", "a replica lists only while its own gate says sealed by this seal"),
    ("list-quorum", "a quorum lists, not one replica"),
    ("open-chosen", "a gate opens when open is known to be chosen, not when the replica accepts it"),
    ("gone-if", "gone is decided only from this seal, not whatever the state is"),
    ("open-if", "open is decided only from a seal, not whatever the state is"),
    ("own-seal", "every try to delete has a seal of its own"),
    ("take-over", "who finds the seal of another replaces it by its own, and does not join it"),
    ("register", "gone is decided by the register, not written into the merging table"),
    ("register-quorum", "what the register chooses a quorum has stored, not one"),
    ("same-set", "the register lies where the objects do; without: gates follow later"),
    ("far", "(same-set, list-sealed) without both"),
    ("same-stamp", "a put that broke a seal tries again with its stamp, not with a new one"),
    ("drop-chosen", "a replica drops the rows when gone is chosen, not when it accepts it"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Put,
    /// A put that breaks the seal in its way.
    Breaking,
    Delete,
    Read,
    /// No put, but what is left of one that stops after it began to break the seal.
    Open,
    /// Deletes the bucket.
    Remove,
}

struct Seal {
    nodes: usize,
    /// Whether all replicas hold an object at the start.
    held: bool,
    scripts: Vec<Vec<Op>>,
    sync: bool,
    /// The seal is opened in two decisions, and the gate is the replica's own row.
    two_steps: bool,
    off: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Node {
    row: u8,
    accepted: u32,
    /// The register: ballot promised, order and state accepted.
    promise: u8,
    order: u8,
    state: u8,
    /// The gate: state and its order.
    gate: u8,
    gate_order: u8,
}

#[derive(Clone, Copy, Default)]
struct Client {
    next: u8,
    phase: u8,
    aim: u8,
    /// Of the put or delete.
    stamp: u8,
    ballot: u8,
    /// Newest order, or row, found; whether the answers differ.
    found: u8,
    differ: bool,
    /// The state that its seal is.
    seal: u8,
    /// Whether its list found an object.
    live: bool,
    broke: bool,
    /// Who answered a question, who stored the put, delete or write-back, who refused it.
    heard: u8,
    stored: u8,
    refused: u8,
}

#[derive(Clone)]
struct State {
    nodes: [Node; NODES],
    clients: [Client; CLIENTS],
    /// Stamps of puts and deletes in flight for ever, and which are deletes.
    writes: u32,
    deletes: u32,
    /// Per order the state proposed, plus one, for ever in flight; who accepted it; whether it is chosen.
    asked: [u8; 32],
    taken: [u8; 32],
    chosen: u32,
    /// Possible histories: 4 bits for the value, 3 per client for the result of its open operation.
    histories: [u32; HISTORIES],
}

// Phases of a client.
const IDLE: u8 = 0;
const WRITE: u8 = 1;
const READ: u8 = 2;
const BACK: u8 = 3;
const LIST: u8 = 4;
const PREPARE: u8 = 5;
const STABLE: u8 = 6;
const ACCEPT: u8 = 7;
/// About to begin the ballot of its aim.
const NEXT: u8 = 8;
/// Outcome unknown, for ever.
const LOST: u8 = 9;
// Aims of a ballot.
const SEALS: u8 = 1;
const ENDS: u8 = 2;
const BREAKS: u8 = 3;
// States of the register: open, gone by a client (1 and more), sealed (8 and more).
const OPEN: u8 = 0;
const SEALED: u8 = 8;
/// About to open, for those who open in two steps: no seal any more, and still shut.
const OPENING: u8 = SEALED + 32;
/// The value of a bucket that is gone, in a history.
const GONE: u32 = 15;

#[derive(Clone, Copy, PartialEq)]
enum Reply {
    Ok,
    Refused,
    Dead,
}

#[derive(Clone, Copy)]
enum Step {
    Begin(u8),
    Write(u8, u8, bool),
    Ask(u8, u8),
    Back(u8, u8, bool),
    Sync(u8, u8),
    List(u8, u8),
    Ballot(u8),
    Prepare(u8, u8),
    Accept(u8, u8),
    Learn(u8, u8),
    Decide(u8, &'static str),
    Answer(u8, u8),
    Drop(u8),
}

type Visit<'a> = &'a mut dyn FnMut(Step, Option<&'static str>, State);

fn is_gone(state: u8) -> bool {
    (1..SEALED).contains(&state)
}

impl Seal {
    fn on(&self, rule: &str) -> bool {
        match (rule, self.off) {
            ("refuse-back", Some("known-first")) | ("same-set" | "list-sealed", Some("far")) => false,
            _ => self.off != Some(rule),
        }
    }
    fn width(&self) -> u8 {
        self.scripts.len() as u8
    }
    fn quorum(&self) -> u32 {
        self.nodes as u32 / 2 + 1
    }
    fn is_quorum(&self, mask: u8) -> bool {
        mask.count_ones() >= self.quorum()
    }
    fn owner(&self, stamp: u8) -> usize {
        (stamp % self.width()) as usize
    }
    /// The next stamp or ballot of a client above what there is.
    fn next_stamp(&self, who: usize, above: u8) -> Option<u8> {
        (1..16).map(|round| round * self.width() + who as u8).find(|stamp| *stamp > above)
    }
    fn value(&self, state: &State, row: u8) -> u8 {
        match row {
            0 => 0,
            1 => self.width() + 1,
            row if state.deletes >> row & 1 == 1 => 0,
            row => self.owner(row) as u8 + 1,
        }
    }
    fn op(&self, state: &State, who: usize) -> Option<Op> {
        self.scripts[who].get(state.clients[who].next as usize).copied()
    }

    // Objects.

    fn keep(node: &mut Node, row: u8) {
        node.row = row;
        node.accepted |= 1 << row;
    }
    /// One rule for puts, deletes, write-backs and sync.
    fn store(&self, node: &mut Node, row: u8, rule: &str) -> Reply {
        let holds = node.accepted >> row & 1 == 1;
        if holds && self.off == Some("known-first") {
            return Reply::Ok;
        }
        if node.gate != OPEN && self.on(rule) {
            return Reply::Refused;
        }
        if holds {
            return Reply::Ok;
        }
        if row > node.row {
            Self::keep(node, row);
            return Reply::Ok;
        }
        Reply::Dead
    }
    fn write(&self, state: &State, at: usize, visit: Visit) {
        for stamp in (0..32u8).filter(|stamp| state.writes >> stamp & 1 == 1) {
            let who = self.owner(stamp);
            let mut next = state.clone();
            let reply = self.store(&mut next.nodes[at], stamp, "refuse-write");
            if next.nodes[at] != state.nodes[at] {
                visit(Step::Write(stamp, at as u8, false), None, next.clone());
            }
            let client = &mut next.clients[who];
            if client.phase != WRITE || client.stamp != stamp || client.stored >> at & 1 == 1 {
                continue;
            }
            let breaks = self.op(state, who) == Some(Op::Breaking) && !client.broke;
            match reply {
                Reply::Ok => client.stored |= 1 << at,
                Reply::Refused if breaks && client.refused >> at & 1 == 0 => client.refused |= 1 << at,
                _ => continue,
            }
            visit(Step::Write(stamp, at as u8, true), None, next);
        }
    }
    fn read(&self, state: &State, who: usize, at: usize, visit: Visit) {
        let node = state.nodes[at];
        if is_gone(node.gate) && self.on("refuse-read") {
            return;
        }
        let mut next = state.clone();
        Self::hear(&mut next.clients[who], at, node.row);
        visit(Step::Ask(who as u8, at as u8), None, next);
    }
    fn write_back(&self, state: &State, who: usize, at: usize, visit: Visit) {
        let mut next = state.clone();
        if self.store(&mut next.nodes[at], state.clients[who].found, "refuse-back") != Reply::Ok {
            return;
        }
        if next.nodes[at] != state.nodes[at] {
            visit(Step::Back(who as u8, at as u8, false), None, next.clone());
        }
        next.clients[who].stored |= 1 << at;
        visit(Step::Back(who as u8, at as u8, true), None, next);
    }
    fn sync(&self, state: &State, at: usize, visit: Visit) {
        for from in 0..self.nodes {
            let row = state.nodes[from].row;
            let mut next = state.clone();
            if row > state.nodes[at].row && self.store(&mut next.nodes[at], row, "refuse-back") == Reply::Ok {
                visit(Step::Sync(from as u8, at as u8), None, next);
            }
        }
    }
    fn list(&self, state: &State, who: usize, at: usize, visit: Visit) {
        let client = state.clients[who];
        let sealed = state.nodes[at].gate == client.seal;
        if !sealed && self.on("list-sealed") && self.on("seal-first") {
            return;
        }
        let mut next = state.clone();
        Self::hear(&mut next.clients[who], at, state.nodes[at].row);
        visit(Step::List(who as u8, at as u8), None, next);
    }
    /// A reply that carries a row, or the order of the register.
    fn hear(client: &mut Client, at: usize, found: u8) {
        client.differ |= client.heard != 0 && found != client.found;
        client.found = client.found.max(found);
        client.heard |= 1 << at;
    }

    // The register of the seal: the replica's side.

    fn prepare(&self, state: &State, who: usize, at: usize, visit: Visit) {
        let ballot = state.clients[who].ballot;
        let node = state.nodes[at];
        if node.promise >= ballot || node.order >= 2 * ballot {
            return;
        }
        let mut next = state.clone();
        next.nodes[at].promise = ballot;
        Self::hear(&mut next.clients[who], at, node.order);
        visit(Step::Prepare(who as u8, at as u8), None, next);
    }
    fn accept(&self, state: &State, at: usize, visit: Visit) {
        for order in (0..32u8).filter(|order| state.asked[*order as usize] > 0) {
            let mut next = state.clone();
            let node = &mut next.nodes[at];
            if node.promise > order / 2 || node.order >= order {
                continue;
            }
            let proposed = state.asked[order as usize] - 1;
            (node.promise, node.order, node.state) = (order / 2, order, proposed);
            let opens = proposed == OPEN && self.on("open-chosen") && !self.two_steps;
            if self.on("same-set") && !opens {
                Self::turn(node, order, proposed);
            }
            next.taken[order as usize] |= 1 << at;
            let enough = if self.on("register-quorum") { self.quorum() } else { 1 };
            let step = Step::Accept(order, at as u8);
            if next.taken[order as usize].count_ones() >= enough && next.chosen >> order & 1 == 0 {
                next.chosen |= 1 << order;
                self.choose(next, step, proposed, visit);
            } else {
                visit(step, None, next);
            }
        }
    }
    fn turn(node: &mut Node, order: u8, state: u8) {
        if order > node.gate_order {
            (node.gate, node.gate_order) = (state, order);
        }
    }
    /// A replica learns what is chosen.
    fn learn(&self, state: &State, at: usize, visit: Visit) {
        for order in (0..32u8).filter(|order| state.chosen >> order & 1 == 1) {
            let fact = self.state_at(state, order);
            // A seal and its end come with the accept, where the register is here.
            if self.two_steps || fact != OPEN && self.on("same-set") {
                continue;
            }
            let mut next = state.clone();
            Self::turn(&mut next.nodes[at], order, fact);
            if next.nodes[at] != state.nodes[at] {
                visit(Step::Learn(order, at as u8), None, next);
            }
        }
    }
    /// What is chosen takes effect: who asked for "gone" has its answer, whether it hears it or not.
    fn choose(&self, next: State, step: Step, proposed: u8, visit: Visit) {
        let who = proposed.wrapping_sub(1) as usize;
        if is_gone(proposed) && next.clients[who].phase == ACCEPT {
            let (bad, next) = self.answered(&next, who, 0);
            return visit(step, bad, next);
        }
        visit(step, None, next);
    }
    fn drop_rows(&self, state: &State, at: usize, visit: Visit) {
        let node = state.nodes[at];
        if is_gone(node.gate) && node.row != 0 {
            let mut next = state.clone();
            (next.nodes[at].row, next.nodes[at].accepted) = (0, 0);
            visit(Step::Drop(at as u8), None, next);
        }
    }

    // Coordinators.

    fn begin(&self, state: &State, who: usize, visit: Visit) {
        let Some(op) = self.op(state, who) else { return };
        let mut next = state.clone();
        match op {
            Op::Read => next.clients[who].phase = READ,
            Op::Remove if self.on("seal-first") => {
                (next.clients[who].phase, next.clients[who].aim) = (NEXT, SEALS);
            }
            Op::Remove => next.clients[who].phase = LIST,
            Op::Open => (next.clients[who].phase, next.clients[who].aim) = (NEXT, BREAKS),
            Op::Put | Op::Breaking | Op::Delete => {
                if !self.send(&mut next, who, op == Op::Delete) {
                    return;
                }
            }
        }
        visit(Step::Begin(who as u8), None, next);
    }
    /// Sends a put or delete, stamped above every row that there is.
    fn send(&self, state: &mut State, who: usize, deletes: bool) -> bool {
        let newest = state.nodes.iter().map(|node| node.row).max().unwrap_or(0);
        let client = &mut state.clients[who];
        let Some(stamp) = self.next_stamp(who, newest.max(client.stamp)) else { return false };
        (client.phase, client.stamp, client.stored) = (WRITE, stamp, 0);
        state.writes |= 1 << stamp;
        state.deletes |= u32::from(deletes) << stamp;
        true
    }
    fn begin_ballot(&self, state: &State, who: usize, visit: Visit) {
        let highest = state.nodes.iter().map(|node| node.promise).max().unwrap_or(0);
        let Some(ballot) = self.next_stamp(who, highest.max(state.clients[who].ballot)) else { return };
        if ballot >= 16 {
            return;
        }
        let mut next = state.clone();
        let client = &mut next.clients[who];
        (client.phase, client.ballot) = (PREPARE, ballot);
        visit(Step::Ballot(who as u8), None, Self::fresh(next, who));
    }
    /// Nothing heard yet.
    fn fresh(mut state: State, who: usize) -> State {
        let client = &mut state.clients[who];
        (client.found, client.differ, client.heard) = (0, false, 0);
        state
    }
    /// What follows from what was heard, at once; whether anything did.
    fn proceed(&self, state: &State, who: usize, visit: Visit) -> bool {
        let client = state.clients[who];
        let heard = self.is_quorum(client.heard);
        let is_chosen = |order: u8| state.chosen >> order & 1 == 1;
        match client.phase {
            WRITE | BACK if self.is_quorum(client.stored) => {
                let result = if client.phase == WRITE { 0 } else { self.value(state, client.found) };
                self.answer(state, who, result, visit);
            }
            READ if heard && !client.differ => {
                self.answer(state, who, self.value(state, client.found), visit);
            }
            READ if heard => {
                let mut next = state.clone();
                next.clients[who].phase = BACK;
                visit(Step::Decide(who as u8, "writes back"), None, next);
            }
            LIST if heard || client.heard != 0 && !self.on("list-quorum") => self.listed(state, who, visit),
            PREPARE if heard && client.differ => {
                let mut next = state.clone();
                next.asked[2 * client.ballot as usize] = self.state_at(state, client.found) + 1;
                next.clients[who].phase = STABLE;
                visit(Step::Decide(who as u8, "proposes the newest again"), None, Self::fresh(next, who));
            }
            PREPARE if heard => self.evaluate(state, who, self.state_at(state, client.found), visit),
            STABLE if is_chosen(2 * client.ballot) => {
                self.evaluate(state, who, self.state_at(state, 2 * client.ballot), visit);
            }
            ACCEPT if is_chosen(2 * client.ballot + 1) => self.accepted(state, who, visit),
            _ => return false,
        }
        true
    }
    fn state_at(&self, state: &State, order: u8) -> u8 {
        state.asked[order as usize].saturating_sub(1)
    }
    fn listed(&self, state: &State, who: usize, visit: Visit) {
        let live = self.value(state, state.clients[who].found) != 0;
        if !live && !self.on("register") {
            return self.answer(state, who, 0, visit);
        }
        let mut next = state.clone();
        let client = &mut next.clients[who];
        client.live = live;
        (client.phase, client.aim) = (NEXT, if self.on("seal-first") { ENDS } else { SEALS });
        let what = if live { "found an object" } else { "found it empty" };
        visit(Step::Decide(who as u8, what), None, Self::fresh(next, who));
    }
    /// The state is known: whether the condition holds, and what is proposed.
    fn evaluate(&self, state: &State, who: usize, now: u8, visit: Visit) {
        let client = state.clients[who];
        let sealed = now >= SEALED;
        match client.aim {
            SEALS if is_gone(now) => self.over(state, who, "finds it gone", visit),
            SEALS if sealed && !self.on("take-over") => {
                let mut next = state.clone();
                next.clients[who].seal = now;
                self.sealed(next, who, "joins the seal", visit);
            }
            SEALS => {
                let name = if self.on("own-seal") { client.ballot } else { 0 };
                self.propose(state, who, SEALED + name, visit);
            }
            ENDS if client.live && (now == client.seal || !self.on("open-if")) => {
                self.propose(state, who, self.opened(now), visit);
            }
            ENDS if !client.live && (now == client.seal || !self.on("gone-if")) => {
                self.propose(state, who, 1 + who as u8, visit);
            }
            ENDS => self.over(state, who, "finds another state", visit),
            _ if sealed || !self.on("open-if") => self.propose(state, who, self.opened(now), visit),
            _ if is_gone(now) => {
                let mut next = state.clone();
                next.clients[who].phase = LOST;
                visit(Step::Decide(who as u8, "finds it gone"), None, Self::fresh(next, who));
            }
            _ => self.try_again(state, who, visit),
        }
    }
    /// What follows this state on the way to open.
    fn opened(&self, now: u8) -> u8 {
        if self.two_steps && now != OPENING { OPENING } else { OPEN }
    }
    fn propose(&self, state: &State, who: usize, proposed: u8, visit: Visit) {
        let mut next = state.clone();
        let client = &mut next.clients[who];
        client.phase = ACCEPT;
        if client.aim == SEALS {
            client.seal = proposed;
        }
        next.asked[2 * client.ballot as usize + 1] = proposed + 1;
        visit(Step::Decide(who as u8, "condition holds, accept"), None, Self::fresh(next, who));
    }
    /// What it proposed is chosen.
    fn accepted(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        match client.aim {
            SEALS => self.sealed(state.clone(), who, "has sealed", visit),
            _ if self.state_at(state, 2 * client.ballot + 1) == OPENING => {
                let mut next = state.clone();
                (next.clients[who].phase, next.clients[who].aim) = (NEXT, BREAKS);
                visit(Step::Decide(who as u8, "goes on to open"), None, Self::fresh(next, who));
            }
            ENDS => self.over(state, who, "has opened it: not empty", visit),
            _ => self.try_again(state, who, visit),
        }
    }
    fn sealed(&self, mut next: State, who: usize, what: &'static str, visit: Visit) {
        let client = &mut next.clients[who];
        if self.on("seal-first") {
            client.phase = LIST;
        } else {
            (client.phase, client.aim) = (NEXT, ENDS);
        }
        visit(Step::Decide(who as u8, what), None, Self::fresh(next, who));
    }
    /// The bucket was not deleted, by this one.
    fn over(&self, state: &State, who: usize, what: &'static str, visit: Visit) {
        let mut next = state.clone();
        let Client { next: at, ballot, stamp, .. } = state.clients[who];
        next.clients[who] = Client { next: at + 1, ballot, stamp, ..Client::default() };
        visit(Step::Decide(who as u8, what), None, next);
    }
    /// The put whose seal is broken.
    fn try_again(&self, state: &State, who: usize, visit: Visit) {
        if [Some(Op::Open), Some(Op::Remove)].contains(&self.op(state, who)) {
            return self.over(state, who, "has opened it", visit);
        }
        let mut next = state.clone();
        let client = &mut next.clients[who];
        (client.phase, client.broke, client.refused, client.aim) = (WRITE, true, 0, 0);
        if !self.on("same-stamp") && !self.send(&mut next, who, false) {
            return;
        }
        visit(Step::Decide(who as u8, "tries again"), None, Self::fresh(next, who));
    }
    /// A put that was refused may end the seal in its way, once.
    fn break_seal(&self, state: &State, who: usize, visit: Visit) {
        if state.clients[who].refused != 0 {
            let mut next = state.clone();
            next.clients[who].aim = BREAKS;
            self.begin_ballot(&next, who, visit);
        }
    }

    // Linearizability: the possible histories, kept as a set.

    fn answer(&self, state: &State, who: usize, result: u8, visit: Visit) {
        let (bad, next) = self.answered(state, who, result);
        visit(Step::Answer(who as u8, result), bad, next);
    }
    fn answered(&self, state: &State, who: usize, result: u8) -> (Option<&'static str>, State) {
        let mut next = state.clone();
        let fits = self.fits(state, who, result);
        assert!(fits.len() <= HISTORIES, "room for histories");
        next.histories = [u32::MAX; HISTORIES];
        next.histories[..fits.len()].copy_from_slice(&fits);
        let Client { next: at, ballot, stamp, .. } = state.clients[who];
        next.clients[who] = Client { next: at + 1, ballot, stamp, ..Client::default() };
        (fits.is_empty().then_some("an answer that no order of the operations explains"), next)
    }
    fn fits(&self, state: &State, who: usize, result: u8) -> Vec<u32> {
        let open = state.histories.iter().copied().filter(|history| *history != u32::MAX);
        explain(open, (who, result), (self.scripts.len(), 3), |client, value| {
            let idle = state.clients[client].phase == IDLE;
            effect(self.op(state, client).filter(|_| !idle)?, client, value)
        })
    }
}

/// What an operation does to a bucket, and what it answers; none where it can only fail.
fn effect(op: Op, client: usize, value: u32) -> Option<(u32, u32)> {
    match op {
        Op::Read if value == GONE => Some((GONE, 0)),
        Op::Read => Some((value, value)),
        Op::Remove => (value == 0 || value == GONE).then_some((GONE, 0)),
        _ if value == GONE => None,
        Op::Put | Op::Breaking => Some((client as u32 + 1, 0)),
        Op::Delete => Some((0, 0)),
        Op::Open => None,
    }
}

impl Model for Seal {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let mut state = State {
            nodes: [Node::default(); NODES],
            clients: [Client::default(); CLIENTS],
            writes: 0,
            deletes: 0,
            asked: [0; 32],
            taken: [0; 32],
            chosen: 0,
            histories: [u32::MAX; HISTORIES],
        };
        if self.held {
            state.nodes[..self.nodes].iter_mut().for_each(|node| Self::keep(node, 1));
        }
        state.histories[0] = if self.held { u32::from(self.width()) + 1 } else { 0 };
        state
    }
    fn key(&self, state: &State) -> u64 {
        let mut order: [usize; NODES] = std::array::from_fn(|node| node);
        let taken: Vec<u8> = (0..32).map(|order| self.may_count(state, order)).collect();
        let bits = |node: usize| {
            let masks = state.clients.iter().flat_map(|c| [c.heard, c.stored, c.refused]);
            masks
                .chain(taken.iter().copied())
                .fold(0, |sum: u64, mask| sum << 1 | u64::from(mask >> node & 1))
        };
        order[..self.nodes].sort_unstable_by_key(|node| (state.nodes[*node], bits(*node)));
        let mut hash = 0x9E37_79B9_7F4A_7C15;
        for node in &order[..self.nodes] {
            let of = &state.nodes[*node];
            let gate = [of.gate, of.gate_order];
            mix(
                &mut hash,
                u64::from_le_bytes([of.row, of.promise, of.order, of.state, gate[0], gate[1], 0, 0]),
            );
            mix(&mut hash, u64::from(of.accepted));
            mix(&mut hash, bits(*node));
        }
        for c in &state.clients[..self.scripts.len()] {
            let flags = u8::from(c.differ) | u8::from(c.live) << 1 | u8::from(c.broke) << 2 | c.aim << 3;
            mix(
                &mut hash,
                u64::from_le_bytes([c.next, c.phase, c.stamp, c.ballot, c.found, c.seal, flags, 0]),
            );
        }
        for words in state.histories.chunks(2) {
            mix(&mut hash, u64::from(words[0]) << 32 | u64::from(words[1]));
        }
        for words in state.asked.chunks(8) {
            mix(&mut hash, words.iter().fold(0, |sum, word| sum << 8 | u64::from(*word)));
        }
        mix(&mut hash, u64::from(state.writes) << 32 | u64::from(state.deletes));
        mix(&mut hash, u64::from(state.chosen));
        hash
    }
    fn next(&self, state: &State, visit: Visit) {
        if self.all_said(state) {
            return;
        }
        // As the code does, a coordinator goes on as soon as it has a quorum.
        for who in 0..self.scripts.len() {
            if self.proceed(state, who, visit) {
                return;
            }
        }
        for who in 0..self.scripts.len() {
            self.step_of(state, who, visit);
        }
        for at in 0..self.nodes {
            self.write(state, at, visit);
            self.accept(state, at, visit);
            self.learn(state, at, visit);
            if self.sync {
                self.sync(state, at, visit);
            }
            if !self.on("drop-chosen") {
                self.drop_rows(state, at, visit);
            }
        }
    }
    fn show(&self, before: &State, step: Step, after: &State) -> String {
        let node = |at: u8| (b'A' + at) as char;
        let who = |client: u8| {
            let of = self.op(before, client as usize).map_or("?".to_owned(), |op| format!("{op:?}"));
            format!("{of}({client})")
        };
        let row = |row: u8| match row {
            0 => "-".to_owned(),
            1 => "v".to_owned(),
            row if after.deletes >> row & 1 == 1 => format!("d@{row}"),
            row => format!("w@{row}"),
        };
        let state = |state: u8| match state {
            OPEN => "open".to_owned(),
            gone if is_gone(gone) => format!("gone by {}", gone - 1),
            OPENING => "opening".to_owned(),
            seal => format!("sealed {}", seal - SEALED),
        };
        let at_order = |order: u8| format!("{} @{}", state(self.state_at(after, order)), order);
        let lost = |kept: bool| if kept { "" } else { " (reply lost, or a duplicate)" };
        let text = match step {
            Step::Begin(client) => format!("{} begins", who(client)),
            Step::Write(stamp, at, kept) => {
                let owner = &after.clients[self.owner(stamp)];
                let refused = kept && owner.stored >> at & 1 == 0;
                let said = if refused { ": refused, sealed" } else { ": ok" };
                format!("{} -> {}{}{}", row(stamp), node(at), said, lost(kept))
            }
            Step::Ask(client, at) => {
                format!("{} asks {}: {}", who(client), node(at), row(before.nodes[at as usize].row))
            }
            Step::Back(client, at, kept) => {
                let found = before.clients[client as usize].found;
                format!("{} writes back {} -> {}{}", who(client), row(found), node(at), lost(kept))
            }
            Step::Sync(from, at) => format!("sync {} -> {}", node(from), node(at)),
            Step::List(client, at) => {
                format!("{} lists {}: {}", who(client), node(at), row(before.nodes[at as usize].row))
            }
            Step::Ballot(client) => {
                format!("{} begins ballot {}", who(client), after.clients[client as usize].ballot)
            }
            Step::Prepare(client, at) => {
                let order = before.nodes[at as usize].order;
                let ballot = after.clients[client as usize].ballot;
                format!("prepare {ballot} -> {}: {}", node(at), at_order(order))
            }
            Step::Accept(order, at) => {
                let new = after.chosen & !before.chosen != 0;
                let chosen = if new { ": CHOSEN" } else { "" };
                format!("accept {} -> {}{chosen}", at_order(order), node(at))
            }
            Step::Learn(order, at) => format!("{} learns that {} is chosen", node(at), at_order(order)),
            Step::Decide(client, what) => format!("{} {what}", who(client)),
            Step::Answer(client, result) => format!("{} ANSWERS {result}", who(client)),
            Step::Drop(at) => format!("{} drops its rows", node(at)),
        };
        let nodes = (0..self.nodes).map(|at| {
            let of = after.nodes[at];
            let shut = if of.gate == OPEN { String::new() } else { format!(" shut: {}", state(of.gate)) };
            format!("{}:{}[{}{}]", node(at as u8), row(of.row), state(of.state), shut)
        });
        format!("{text:<48} {}", nodes.collect::<Vec<_>>().join(" "))
    }
}

impl Seal {
    /// Who accepted this order, as far as it can still matter to whether it is chosen.
    fn may_count(&self, state: &State, order: usize) -> u8 {
        let taken = state.taken[order];
        let may = |at: &usize| {
            let node = state.nodes[*at];
            usize::from(node.promise) <= order / 2 && usize::from(node.order) < order
        };
        let all = (0..self.nodes).filter(may).fold(taken, |mask, at| mask | 1 << at);
        if state.chosen >> order & 1 == 0 && self.is_quorum(all) { taken } else { 0 }
    }
    /// Without a deletion of the bucket, only reads can be answered wrongly; after it, whatever is to come.
    fn all_said(&self, state: &State) -> bool {
        let comes = |op: Op| {
            let rest = |who: usize| self.scripts[who].get(state.clients[who].next as usize..);
            (0..self.scripts.len()).any(|who| rest(who).is_some_and(|rest| rest.contains(&op)))
        };
        let is_gone = state.histories.iter().any(|history| *history != u32::MAX && history & 15 == GONE);
        let changes = [Op::Put, Op::Breaking, Op::Delete].into_iter().any(comes);
        !comes(Op::Read) && (!comes(Op::Remove) && !is_gone || is_gone && !changes)
    }
    fn step_of(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        match client.phase {
            IDLE => self.begin(state, who, visit),
            NEXT => self.begin_ballot(state, who, visit),
            WRITE => self.break_seal(state, who, visit),
            _ => {}
        }
        for at in 0..self.nodes {
            let heard = client.heard >> at & 1 == 1;
            match client.phase {
                READ if !heard => self.read(state, who, at, visit),
                LIST if !heard => self.list(state, who, at, visit),
                PREPARE if !heard => self.prepare(state, who, at, visit),
                BACK if client.stored >> at & 1 == 0 => self.write_back(state, who, at, visit),
                _ => {}
            }
        }
    }
}

/// A scope: how many replicas, what they hold at the start, the clients' operations, then words.
fn scope(name: &str, off: Option<&str>) -> Seal {
    let mut words = name.split(' ');
    let nodes = if words.next() == Some("2") { 2 } else { 3 };
    let held = words.next() == Some("held");
    let script = |letters: &str| {
        let op = |letter| match letter {
            'w' => Op::Put,
            'b' => Op::Breaking,
            'd' => Op::Delete,
            'r' => Op::Read,
            'o' => Op::Open,
            'x' => Op::Remove,
            other => panic!("operation {other}"),
        };
        letters.chars().map(op).collect::<Vec<_>>()
    };
    let scripts: Vec<_> = words.next().unwrap_or_default().split('/').map(script).collect();
    let mut seal = Seal {
        nodes,
        held,
        scripts,
        sync: false,
        two_steps: false,
        off: search::rule_to_leave_out(RULES, off),
    };
    for word in words {
        match word {
            "sync" => seal.sync = true,
            "steps" => seal.two_steps = true,
            other => panic!("word {other}"),
        }
    }
    seal
}

fn run(name: &str, off: Option<&str>, limit: usize) -> Outcome {
    search::search(&scope(name, off), limit)
}

fn main() {
    let cases = [
        all("3 empty x/w sync"),
        all("3 empty x/w/r"),
        all("3 held x/d/r"),
        all("3 empty x/o/w"),
        all("2 empty x/b/w"),
        all("2 empty x/b/r sync"),
        all("2 held x/d/b"),
        all("2 empty x/ox/w"),
        all("2 empty x/b/w steps"),
        all("2 empty x/ox/w steps"),
        long("3 empty x/o/w steps"),
        long("3 empty x/b"),
        long("3 empty x/x/w"),
        long("2 empty x/x/b"),
        without("refuse-write", "3 empty x/w"),
        without("refuse-back", "3 empty x/w/r"),
        not_needed("refuse-back", "3 empty x/w sync"),
        without("known-first", "3 empty x/w sync"),
        without("refuse-read", "3 held x/d/r"),
        without("seal-first", "3 empty x/w"),
        without("list-sealed", "3 empty x/w"),
        without("list-quorum", "3 empty x/w"),
        without("open-chosen", "3 empty x/o/w"),
        without("gone-if", "2 empty x/b"),
        without("open-if", "2 empty x/b"),
        without("own-seal", "2 empty x/ox/w"),
        without("own-seal", "2 empty x/ox/w steps"),
        not_needed("take-over", "2 empty x/ox/w"),
        without("register", "2 empty x/o/w"),
        without("register-quorum", "3 empty x/o/w"),
        not_needed("same-set", "2 empty x/o/w"),
        without("far", "3 empty x/w"),
        without("same-stamp", "2 empty x/b/rdr"),
        Case { long: true, ..without("drop-chosen", "3 empty x/o/wr") },
        Case { long: true, ..not_needed("take-over", "2 empty x/x/b") },
        Case { long: true, ..not_needed("same-set", "3 empty x/o/w") },
    ];
    search::main_of("seal", RULES, &cases, &run);
}
