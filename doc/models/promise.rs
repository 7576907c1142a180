//! Tombstones that are collected behind a birth fence while conditional writes leave promises.
//!
//! Modelled: one key on two or three replicas; plain writes and deletes with restamping, conditional
//! creations with ballots (prepare, propose again, accept), reads with write-back and take-over, all with
//! slow and fast clocks; requests lost, delayed, duplicated for ever and reordered, replies lost,
//! coordinators that stop anywhere; hybrid logical clocks; acknowledgement and collection by each replica
//! for itself, at any moment; the collector's own ballot, which proposes "deleted" again where a promise is
//! in the way; a sync message in flight (scope "push").
//!
//! A scope names the replicas, what they hold at the start (`empty`; `gone`: a tombstone on all; `acked`:
//! acknowledged by all too; `stuck`: besides, client 1 was promised by a quorum and its accept is on its way;
//! `mere`: the same without the tombstone; `held`: a value on two, its write still in flight), the clients'
//! operations (`k` is the collector's ballot), and words. Slow and fast are clocks of reads.
//!
//! Not modelled: layout changes and lost memory (change.rs, collect.rs), several keys.
//!
//! Checked: every answer fits a linearizable history of the key. A request whose outcome is unknown may
//! take effect later, where its condition holds then.
//!
//! Births: clock * clients + client. Orders: 2 * birth + 1 for a new entry; one less for a version that is
//! proposed again under that ballot. Births below the number of clients are those of the start. Order 0 is
//! the row that is not there.

mod search;
use search::{Case, Model, Outcome, all, explain, long, mix, not_needed, without};

const NODES: usize = 3;
const CLIENTS: usize = 5;
const ACKS: usize = 6;
const RULES: &[(&str, &str)] = &[
    ("ack-resolved", "a tombstone is not acknowledged beside an unresolved promise"),
    ("collect-resolved", "it is not collected beside one"),
    ("no-raise", "nor with the fence raised to the promise instead"),
    ("keep-mere", "a row that is nothing but a promise is not dropped with the fence raised to it"),
    ("fence-write", "a write born at or below the fence is refused"),
    ("fence-ballot", "so is an accept, and a version proposed again"),
    ("fence-back", "so is a write-back"),
    ("fence-sync", "so is a sync message"),
    ("fence-read", "so is a read of an absent row"),
    ("fence-prepare", "so is a prepare of an absent row"),
    ("fence-unknown", "what the fence refuses is answered unknown, not dead"),
    ("all-acks", "a tombstone goes only when all replicas acknowledged it, not a quorum"),
    ("ack-holds", "who holds nothing does not acknowledge, also behind a fence above the tombstone"),
    ("highest-clock", "the fence is the highest acknowledging clock, not the tombstone's stamp"),
    ("merge-birth", "a replica merges the birth of a read into its clock"),
    ("merge-ballot", "a replica merges the ballot of a prepare into its clock"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Write,
    Delete,
    Read,
    IfAbsent,
    /// The collector's ballot: proposes "deleted" again if the key is absent.
    Purge,
}

struct Promise {
    nodes: usize,
    scripts: Vec<Vec<Op>>,
    /// The value of the version of the start.
    first: u8,
    /// Who holds it.
    holders: usize,
    /// Whether all have acknowledged it already.
    acked: bool,
    /// Whether client 1 has the promises of a quorum, and its accept is on its way.
    promised: bool,
    /// The fence of replicas that do not, raised by the collection of another key.
    fenced: u8,
    births: Vec<u8>,
    clocks_max: u8,
    tries: u8,
    /// Acknowledgements are given again with a later clock.
    again: bool,
    /// A write-back goes to those that answered with the version too.
    resend: bool,
    push: bool,
    /// Other keys' collections raise the fence.
    keys: bool,
    off: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Node {
    row: u8,
    /// Order of the ballot promised.
    promise: u8,
    /// Fence and clock are births.
    fence: u8,
    clock: u8,
    accepted: u64,
    /// Tombstones acknowledged, each with the clock that was told.
    acks: [(u8, u8); ACKS],
}

#[derive(Clone, Copy, Default)]
struct Client {
    next: u8,
    phase: u8,
    /// The birth of the write, or the ballot.
    stamp: u8,
    /// The newest order found.
    found: u8,
    /// The highest birth met.
    high: u8,
    tries: u8,
    /// The birth of the read.
    birth: u8,
    replies: [u8; NODES],
}

#[derive(Clone)]
struct State {
    nodes: [Node; NODES],
    clients: [Client; CLIENTS],
    /// Requests in flight for ever: per kind a bit for each birth.
    messages: [u32; 4],
    /// Per ballot the order that it proposes again, plus one.
    again: [u8; 24],
    /// A sync message in flight: order and birth.
    push: (u8, u8),
    /// Possible histories: 4 bits for the value, 3 per client for the result of its open operation.
    histories: [u32; 24],
}

// Phases of a client; the first four are the kinds of messages too.
const WRITE: u8 = 0;
const PREPARE: u8 = 1;
const STABLE: u8 = 2;
const ACCEPT: u8 = 3;
const OVER: u8 = 4;
const OVER_STABLE: u8 = 5;
const READ: u8 = 6;
const BACK: u8 = 7;
const IDLE: u8 = 8;
// Answers to stores.
const OK: u8 = 1;
const DEAD: u8 = 2;
const UNKNOWN: u8 = 3;
const BLOCKED: u8 = 4;
/// Answers to reads and prepares are the order plus one, or this.
const REFUSED: u8 = 0x7F;

#[derive(Clone, Copy)]
enum Step {
    Begin(u8),
    Deliver(u8, u8, u8, bool),
    Ask(u8, u8),
    Back(u8, u8),
    Decide(u8, &'static str),
    Answer(u8, u8),
    Push(u8),
    Arrive(u8),
    Ack(u8, u8),
    Collect(u8),
    Drop(u8),
    Raise(u8),
}

type Visit<'a> = &'a mut dyn FnMut(Step, Option<&'static str>, State);

fn order_of(kind: u8, birth: u8) -> u8 {
    2 * birth + u8::from(kind == WRITE || kind == ACCEPT)
}

fn merge(node: &mut Node, birth: u8) {
    node.clock = node.clock.max(birth);
}

fn keep(node: &mut Node, order: u8) {
    node.row = order;
    node.accepted |= 1 << order;
}

/// The clock with which this replica acknowledged the tombstone of this order.
fn clock_of(node: &Node, order: u8) -> Option<u8> {
    node.acks.iter().find(|ack| ack.0 == order).map(|ack| ack.1)
}

impl Promise {
    fn on(&self, rule: &str) -> bool {
        self.off != Some(rule)
    }
    fn width(&self) -> u8 {
        self.scripts.len() as u8
    }
    fn quorum(&self) -> usize {
        self.nodes / 2 + 1
    }
    fn owner(&self, birth: u8) -> usize {
        (birth % self.width()) as usize
    }
    /// Whose write this is: a client, or one more for the version of the start; none for no row.
    fn writer(&self, state: &State, order: u8) -> Option<usize> {
        match order {
            0 => None,
            odd if odd % 2 == 1 && odd / 2 < self.width() => Some(self.scripts.len()),
            odd if odd % 2 == 1 => Some(self.owner(odd / 2)),
            ballot => self.writer(state, state.again[ballot as usize / 2] - 1),
        }
    }
    fn value(&self, state: &State, order: u8) -> u8 {
        let Some(writer) = self.writer(state, order) else { return 0 };
        let Some(script) = self.scripts.get(writer) else { return self.first };
        let deletes = script.iter().any(|op| [Op::Delete, Op::Purge].contains(op));
        if deletes { 0 } else { writer as u8 + 1 }
    }
    fn is_tombstone(&self, state: &State, order: u8) -> bool {
        order != 0 && self.value(state, order) == 0
    }
    fn count(&self, client: &Client, good: impl Fn(u8) -> bool) -> usize {
        client.replies[..self.nodes].iter().filter(|reply| good(**reply)).count()
    }
    fn has_quorum(&self, client: &Client, good: impl Fn(u8) -> bool) -> bool {
        self.count(client, good) >= self.quorum()
    }
    fn has_rows(&self, client: &Client) -> bool {
        self.has_quorum(client, |reply| reply != 0 && reply != REFUSED)
    }
    fn newest(&self, client: &Client) -> u8 {
        let row = |reply: &u8| if *reply == 0 || *reply == REFUSED { 0 } else { *reply - 1 };
        client.replies.iter().map(row).max().unwrap_or(0)
    }
    /// Whether a write can no longer succeed or be seen.
    fn is_dead(&self, client: &Client) -> bool {
        let dead = self.count(client, |reply| reply == DEAD);
        let refused = self.count(client, |reply| reply == DEAD || reply == BLOCKED);
        dead > self.nodes - self.quorum() || refused == self.nodes
    }

    // Replicas.

    /// One rule for all stores: writes, accepts, versions proposed again or written back.
    fn store(&self, state: &State, node: &mut Node, order: u8, birth: u8, fence: &str) -> u8 {
        if node.accepted >> order & 1 == 1 {
            return OK;
        }
        if birth <= node.fence && self.on(fence) {
            return if self.on("fence-unknown") { UNKNOWN } else { DEAD };
        }
        if order > node.row && order >= node.promise {
            keep(node, order);
            return OK;
        }
        let writer = self.writer(state, order);
        let held =
            (1..64).any(|other| node.accepted >> other & 1 == 1 && self.writer(state, other) == writer);
        match () {
            () if held => UNKNOWN,
            () if order > node.row => BLOCKED,
            () => DEAD,
        }
    }
    fn deliver(&self, state: &State, node: &mut Node, kind: u8, birth: u8) -> u8 {
        if kind != PREPARE || self.on("merge-ballot") {
            merge(node, birth);
        }
        let order = order_of(kind, birth);
        if kind != PREPARE {
            let fence = if kind == WRITE { "fence-write" } else { "fence-ballot" };
            return self.store(state, node, order, birth, fence);
        }
        let fenced = node.row == 0 && birth <= node.fence && self.on("fence-prepare");
        if fenced || order < node.promise || order <= node.row {
            return REFUSED;
        }
        node.promise = order;
        node.row + 1
    }

    // Coordinators.

    fn send(state: &mut State, kind: u8, client: usize) {
        state.messages[kind as usize] |= 1 << state.clients[client].stamp;
    }
    /// Takes a reply, unless it can only be in the way of a better one that comes later.
    fn hear(&self, client: &mut Client, at: usize, reply: u8, node: &Node) {
        let stores = ![READ, PREPARE, OVER].contains(&client.phase);
        let good = if stores { reply == OK } else { reply != REFUSED };
        if !good && !self.may_try_again(client) {
            return;
        }
        client.replies[at] = reply;
        client.high = client.high.max(node.row / 2).max(node.promise / 2).max(node.fence);
    }
    fn begin(&self, state: &State, who: usize, visit: Visit) {
        let Some(op) = self.scripts[who].get(state.clients[who].next as usize) else { return };
        let nodes = &state.nodes[..self.nodes];
        let stuck =
            |node: &Node| node.promise > node.row && (node.row == 0 || self.is_tombstone(state, node.row));
        if *op == Op::Purge && !nodes.iter().any(stuck) {
            return;
        }
        if *op == Op::Read {
            for birth in &self.births {
                let mut start = state.clone();
                let c = &mut start.clients[who];
                (c.phase, c.birth) = (READ, *birth);
                visit(Step::Begin(who as u8), None, start);
            }
            return;
        }
        // The collector knows the promise that it wants to resolve.
        let promises = nodes.iter().filter(|node| stuck(node)).map(|node| node.promise / 2);
        let above = if *op == Op::Purge { promises.max().unwrap_or(0) } else { 0 };
        let Some(stamp) = self.next_stamp(who, above) else { return };
        let mut start = state.clone();
        let c = &mut start.clients[who];
        let kind = if [Op::Write, Op::Delete].contains(op) { WRITE } else { PREPARE };
        (c.phase, c.stamp) = (kind, stamp);
        Self::send(&mut start, kind, who);
        visit(Step::Begin(who as u8), None, start);
    }
    fn next_stamp(&self, who: usize, above: u8) -> Option<u8> {
        let mut clock = (above / self.width()).max(1);
        if clock * self.width() + who as u8 <= above {
            clock += 1;
        }
        (clock <= self.clocks_max).then(|| clock * self.width() + who as u8)
    }
    fn may_try_again(&self, client: &Client) -> bool {
        client.tries + 1 < self.tries && client.phase != ACCEPT
    }
    /// Tries again above everything met.
    fn again(&self, state: &State, who: usize, phase: u8, visit: Visit) {
        let client = state.clients[who];
        if !self.may_try_again(&client) {
            return;
        }
        let (next, high, tries) = (client.next, client.high, client.tries + 1);
        let mut after = state.clone();
        let birth = if phase == READ { client.birth.max(high + 1) } else { 0 };
        let stamp = client.stamp;
        after.clients[who] = Client { next, phase, stamp, tries, birth, ..Client::default() };
        if phase != READ {
            let Some(stamp) = self.next_stamp(who, high.max(stamp)) else { return };
            after.clients[who].stamp = stamp;
            Self::send(&mut after, if phase == OVER { PREPARE } else { phase }, who);
        }
        visit(Step::Decide(who as u8, "tries again"), None, after);
    }
    /// What follows from a quorum of replies, at once; whether there was one.
    fn proceed(&self, state: &State, who: usize, visit: Visit) -> bool {
        let client = &state.clients[who];
        let accepted = self.has_quorum(client, |reply| reply == OK);
        let newest = self.newest(client);
        let equal = self.has_quorum(client, |reply| reply == newest + 1);
        match client.phase {
            WRITE if accepted => self.answer(state, who, 0, visit),
            ACCEPT if accepted => self.answer(state, who, 1, visit),
            BACK if accepted => self.answer(state, who, self.value(state, client.found), visit),
            STABLE | OVER_STABLE if accepted => self.evaluate(state, who, client.found, visit),
            READ if equal => self.answer(state, who, self.value(state, newest), visit),
            PREPARE | OVER if equal => self.evaluate(state, who, newest, visit),
            READ if self.has_rows(client) => {
                let mut next = state.clone();
                let c = &mut next.clients[who];
                (c.phase, c.found) = (BACK, newest);
                let holds = |reply: u8| reply == newest + 1 && !self.resend;
                c.replies = client.replies.map(|reply| if holds(reply) { OK } else { 0 });
                visit(Step::Decide(who as u8, "writes back"), None, next);
            }
            PREPARE | OVER if self.has_rows(client) => {
                let mut next = state.clone();
                let c = &mut next.clients[who];
                (c.phase, c.found, c.replies) = (client.phase + 1, newest, [0; NODES]);
                next.again[client.stamp as usize] = newest + 1;
                Self::send(&mut next, STABLE, who);
                visit(Step::Decide(who as u8, "proposes the newest again"), None, next);
            }
            _ => return false,
        }
        true
    }
    /// What a coordinator may do without a quorum of good replies.
    fn give_up(&self, state: &State, who: usize, visit: Visit) {
        let client = &state.clients[who];
        let any = |codes: &[u8]| client.replies.iter().any(|reply| codes.contains(reply));
        match client.phase {
            WRITE if self.is_dead(client) => self.again(state, who, WRITE, visit),
            READ | PREPARE | OVER if any(&[REFUSED]) => self.again(state, who, client.phase, visit),
            BACK if any(&[BLOCKED]) => {
                self.again(state, who, READ, visit);
                self.again(state, who, OVER, visit);
            }
            BACK if any(&[DEAD, UNKNOWN]) => self.again(state, who, READ, visit),
            STABLE | OVER_STABLE if any(&[DEAD, UNKNOWN, BLOCKED]) => {
                self.again(state, who, client.phase - 1, visit)
            }
            _ => {}
        }
    }
    fn evaluate(&self, state: &State, who: usize, newest: u8, visit: Visit) {
        let client = state.clients[who];
        let value = self.value(state, newest);
        if client.phase == OVER || client.phase == OVER_STABLE {
            return self.answer(state, who, value, visit);
        }
        if value != 0 {
            return self.answer(state, who, 0, visit);
        }
        let mut next = state.clone();
        let c = &mut next.clients[who];
        (c.phase, c.found, c.replies) = (ACCEPT, 0, [0; NODES]);
        Self::send(&mut next, ACCEPT, who);
        visit(Step::Decide(who as u8, "condition holds, accept"), None, next);
    }

    // Linearizability: the possible histories, kept as a set.

    fn answer(&self, state: &State, who: usize, result: u8, visit: Visit) {
        let mut next = state.clone();
        let mut bad = None;
        let op = |client: usize| self.scripts[client][state.clients[client].next as usize];
        if op(who) != Op::Purge {
            let fits = self.fits(state, who, result);
            bad = fits.is_empty().then_some("an answer that no order of the operations explains");
            assert!(fits.len() <= next.histories.len(), "room for histories");
            next.histories = [u32::MAX; 24];
            next.histories[..fits.len()].copy_from_slice(&fits);
        }
        let client = &mut next.clients[who];
        let ballots = self.scripts[who].len() > client.next as usize + 1;
        let stamp = if ballots { client.stamp } else { 0 };
        *client = Client { next: client.next + 1, phase: IDLE, stamp, ..Client::default() };
        visit(Step::Answer(who as u8, result), bad, next);
    }
    fn fits(&self, state: &State, who: usize, result: u8) -> Vec<u32> {
        let open = state.histories.iter().copied().filter(|history| *history != u32::MAX);
        explain(open, (who, result), (self.scripts.len(), 3), |client, value| {
            let of = state.clients[client];
            if of.phase == IDLE {
                return None;
            }
            match self.scripts[client][of.next as usize] {
                Op::Write => Some((client as u32 + 1, 0)),
                Op::Delete => Some((0, 0)),
                Op::Read => Some((value, value)),
                Op::IfAbsent if value == 0 => Some((client as u32 + 1, 1)),
                Op::IfAbsent => Some((value, 0)),
                Op::Purge => None,
            }
        })
    }

    // Messages and replies.

    fn messages(&self, state: &State, visit: Visit) {
        for kind in [WRITE, PREPARE, STABLE, ACCEPT] {
            for birth in (0..32).filter(|birth| state.messages[kind as usize] >> birth & 1 == 1) {
                let who = self.owner(birth);
                let client = state.clients[who];
                let of = match client.phase {
                    OVER => PREPARE,
                    OVER_STABLE => STABLE,
                    phase => phase,
                };
                let waits = of == kind && client.stamp == birth;
                for at in 0..self.nodes {
                    let mut node = state.nodes[at];
                    let reply = self.deliver(state, &mut node, kind, birth);
                    let mut next = state.clone();
                    next.nodes[at] = node;
                    if node != state.nodes[at] {
                        visit(Step::Deliver(kind, birth, at as u8, false), None, next.clone());
                    }
                    if waits && client.replies[at] == 0 {
                        self.hear(&mut next.clients[who], at, reply, &node);
                        visit(Step::Deliver(kind, birth, at as u8, true), None, next);
                    }
                }
            }
        }
    }
    fn reads(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        for at in (0..self.nodes).filter(|at| client.replies[*at] == 0) {
            let mut node = state.nodes[at];
            let (step, reply) = if client.phase == READ {
                if self.on("merge-birth") {
                    merge(&mut node, client.birth);
                }
                let fenced = node.row == 0 && client.birth <= node.fence && self.on("fence-read");
                (Step::Ask(who as u8, at as u8), if fenced { REFUSED } else { node.row + 1 })
            } else {
                merge(&mut node, client.birth);
                let reply = self.store(state, &mut node, client.found, client.birth, "fence-back");
                (Step::Back(who as u8, at as u8), reply)
            };
            let mut next = state.clone();
            next.nodes[at] = node;
            if client.phase == BACK && node != state.nodes[at] {
                visit(step, None, next.clone());
            }
            self.hear(&mut next.clients[who], at, reply, &node);
            visit(step, None, next);
        }
    }
    fn pushes(&self, state: &State, visit: Visit) {
        let (order, birth) = state.push;
        for at in 0..self.nodes {
            let mut next = state.clone();
            let node = &mut next.nodes[at];
            if order == 0 {
                if node.row != 0 && node.clock < 30 {
                    node.clock += 1;
                    next.push = (node.row, node.clock);
                    visit(Step::Push(at as u8), None, next);
                }
                continue;
            }
            merge(node, birth);
            self.store(state, node, order, birth, "fence-sync");
            if *node != state.nodes[at] {
                visit(Step::Arrive(at as u8), None, next);
            }
        }
    }

    // Collection.

    fn collection(&self, state: &State, visit: Visit) {
        let nodes = &state.nodes[..self.nodes];
        let mut dead: Vec<u8> =
            nodes.iter().map(|node| node.row).filter(|row| self.is_tombstone(state, *row)).collect();
        dead.sort_unstable();
        dead.dedup();
        for (at, node) in nodes.iter().enumerate() {
            dead.iter().for_each(|order| self.acknowledge(state, at, *order, visit));
            let unresolved = node.promise > node.row;
            if node.row == 0 && unresolved && !self.on("keep-mere") {
                let mut next = state.clone();
                let node = &mut next.nodes[at];
                node.fence = node.fence.max(node.promise / 2);
                node.promise = 0;
                visit(Step::Drop(at as u8), None, next);
            }
            let despite = !self.on("collect-resolved") || !self.on("no-raise");
            if dead.contains(&node.row) && (!unresolved || despite) {
                self.collect(state, at, visit);
            }
        }
    }
    fn other_keys(&self, state: &State, visit: Visit) {
        for at in 0..self.nodes {
            for from in state.nodes.iter().filter(|from| from.clock > state.nodes[at].fence) {
                let mut next = state.clone();
                let node = &mut next.nodes[at];
                node.fence = from.clock;
                node.clock = node.clock.max(node.fence);
                visit(Step::Raise(at as u8), None, next);
            }
        }
    }
    fn acknowledge(&self, state: &State, at: usize, order: u8, visit: Visit) {
        let node = &state.nodes[at];
        let beside = self.is_tombstone(state, node.row) && node.promise > node.row;
        let absent = node.row == 0 && node.fence >= order / 2 && !self.on("ack-holds");
        if node.row < order && !absent || beside && self.on("ack-resolved") {
            return;
        }
        let mut next = state.clone();
        let acks = &mut next.nodes[at].acks;
        let slot = acks.iter().position(|ack| ack.0 == order || ack.0 == 0).expect("room for acks");
        if acks[slot].0 == 0 || self.again && acks[slot].1 < node.clock {
            acks[slot] = (order, node.clock);
            acks.sort_unstable_by_key(|ack| (ack.0 == 0, ack.0));
            visit(Step::Ack(at as u8, order), None, next);
        }
    }
    fn collect(&self, state: &State, at: usize, visit: Visit) {
        let order = state.nodes[at].row;
        let clocks: Vec<u8> =
            state.nodes[..self.nodes].iter().filter_map(|node| clock_of(node, order)).collect();
        if clocks.len() < if self.on("all-acks") { self.nodes } else { self.quorum() } {
            return;
        }
        let highest = clocks.into_iter().max().unwrap_or(0);
        let mut next = state.clone();
        let node = &mut next.nodes[at];
        let promise = if self.on("no-raise") { 0 } else { node.promise / 2 };
        let fence = if self.on("highest-clock") { highest.max(promise) } else { order / 2 };
        node.fence = node.fence.max(fence);
        node.clock = node.clock.max(node.fence);
        (node.row, node.promise, node.accepted) = (0, 0, 0);
        visit(Step::Collect(at as u8), None, next);
    }
}

impl Model for Promise {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let mut state = State {
            nodes: [Node::default(); NODES],
            clients: [Client { phase: IDLE, ..Client::default() }; CLIENTS],
            messages: [0; 4],
            again: [0; 24],
            push: (0, 0),
            histories: [u32::MAX; 24],
        };
        for node in &mut state.nodes[..self.holders] {
            keep(node, 3);
            node.clock = 1;
            if self.acked {
                node.acks[0] = (3, 1);
            }
        }
        for node in &mut state.nodes[self.holders..self.nodes] {
            (node.fence, node.clock) = (self.fenced, self.fenced);
        }
        if self.first > 0 {
            state.messages[WRITE as usize] = 1 << 1;
        }
        if self.promised {
            let ballot = self.width() + 1;
            for node in state.nodes[..self.nodes].iter_mut().rev().take(self.quorum()) {
                (node.promise, node.clock) = (order_of(PREPARE, ballot), ballot);
            }
            state.clients[1] = Client { phase: ACCEPT, stamp: ballot, ..Client::default() };
            Self::send(&mut state, PREPARE, 1);
            Self::send(&mut state, ACCEPT, 1);
        }
        state.histories[0] = u32::from(self.first);
        state
    }
    fn key(&self, state: &State) -> u64 {
        let mut order: [usize; NODES] = std::array::from_fn(|node| node);
        let replies = |node: usize| state.clients.map(|client| client.replies[node]);
        order[..self.nodes].sort_unstable_by_key(|node| (state.nodes[*node], replies(*node)));
        // What is born at or below every fence does nothing any more, whatever else happens.
        let fence = state.nodes[..self.nodes].iter().map(|node| node.fence).min().unwrap_or(0);
        let fenced = |kind: usize| match kind as u8 {
            WRITE if self.on("fence-write") => (2 << fence) - 1,
            STABLE | ACCEPT if self.on("fence-ballot") => (2 << fence) - 1,
            _ => 0,
        };
        let messages: [u32; 4] = std::array::from_fn(|kind| state.messages[kind] & !fenced(kind));
        let mut hash = 0x9E37_79B9_7F4A_7C15;
        for node in &order[..self.nodes] {
            let of = &state.nodes[*node];
            // A promise that is resolved says no more than the row.
            let promise = if of.promise > of.row { of.promise } else { 0 };
            mix(&mut hash, u64::from_le_bytes([of.row, promise, of.fence, of.clock, 0, 0, 0, 0]));
            mix(&mut hash, of.accepted);
            for ack in of.acks.iter().take_while(|ack| ack.0 != 0) {
                let all = state.nodes[..self.nodes].iter().filter_map(|node| clock_of(node, ack.0));
                // Once all have answered only the highest clock matters.
                let whole = all.clone().count() == self.nodes && !self.again;
                let clock = if whole { all.max().unwrap_or(0) } else { ack.1 };
                mix(&mut hash, u64::from(ack.0) << 8 | u64::from(clock));
            }
            mix(&mut hash, replies(*node).iter().fold(0, |sum, reply| sum << 8 | u64::from(*reply)));
        }
        for c in &state.clients[..self.scripts.len()] {
            let high = if self.may_try_again(c) { c.high } else { 0 };
            let bytes = [c.next, c.phase, c.stamp, c.found, high, c.tries, c.birth, 0];
            mix(&mut hash, u64::from_le_bytes(bytes));
        }
        for words in messages.chunks(2).chain(state.histories.chunks(2)) {
            mix(&mut hash, u64::from(words[0]) << 32 | u64::from(words[1]));
        }
        for words in state.again.chunks(8) {
            mix(&mut hash, words.iter().fold(0, |sum, word| sum << 8 | u64::from(*word)));
        }
        mix(&mut hash, u64::from(state.push.0) << 8 | u64::from(state.push.1));
        hash
    }
    fn next(&self, state: &State, visit: Visit) {
        // Only reads and conditional writes can be answered wrongly: without one to come, all is said.
        let silent = |(who, script): (usize, &Vec<Op>)| {
            let rest = &script[script.len().min(state.clients[who].next as usize)..];
            rest.iter().all(|op| ![Op::Read, Op::IfAbsent].contains(op))
        };
        if self.scripts.iter().enumerate().all(silent) {
            return;
        }
        // As the code does, a coordinator goes on as soon as it has a quorum.
        for who in 0..self.scripts.len() {
            if self.proceed(state, who, visit) {
                return;
            }
        }
        for who in 0..self.scripts.len() {
            match state.clients[who].phase {
                IDLE => self.begin(state, who, visit),
                READ | BACK => {
                    self.reads(state, who, visit);
                    self.give_up(state, who, visit);
                }
                _ => self.give_up(state, who, visit),
            }
        }
        self.messages(state, visit);
        if self.push {
            self.pushes(state, visit);
        }
        self.collection(state, visit);
        if self.keys {
            self.other_keys(state, visit);
        }
    }
    fn show(&self, before: &State, step: Step, after: &State) -> String {
        let node = |at: u8| (b'A' + at) as char;
        let name = |order: u8| match self.writer(after, order) {
            None => "-".to_owned(),
            Some(writer) => {
                let letter = if writer == self.scripts.len() {
                    if self.first == 0 { 'd' } else { 'v' }
                } else {
                    match self.scripts[writer][0] {
                        Op::Write => 'w',
                        Op::Delete => 'd',
                        Op::IfAbsent => 'x',
                        Op::Purge => 'k',
                        Op::Read => 'r',
                    }
                };
                format!("{letter}@{}{}", order / 2, if order % 2 == 0 { "'" } else { "" })
            }
        };
        let who = |client: u8| {
            let of = before.clients[client as usize];
            let op = self.scripts[client as usize].get(of.next as usize).unwrap_or(&Op::Read);
            format!("{op:?}({client})")
        };
        let store = |reply: u8| match reply {
            OK => "ok",
            DEAD => "dead",
            BLOCKED => "blocked",
            _ => "unknown",
        };
        let reply = |client: usize, at: u8| after.clients[client].replies[at as usize];
        let row = |reply: u8| match reply {
            REFUSED => "refused".to_owned(),
            row => name(row.saturating_sub(1)),
        };
        let text = match step {
            Step::Begin(client) => {
                let of = after.clients[client as usize];
                format!("{} begins, birth {}", who(client), of.stamp.max(of.birth))
            }
            Step::Deliver(kind, birth, at, kept) => {
                let order = order_of(kind, birth);
                let said = reply(self.owner(birth), at);
                let (what, answer) = match kind {
                    WRITE => (format!("write {}", name(order)), store(said).to_owned()),
                    PREPARE => (format!("prepare {birth}"), row(said)),
                    STABLE => (format!("propose again {}", name(order)), store(said).to_owned()),
                    _ => (format!("accept {}", name(order)), store(said).to_owned()),
                };
                let answer = if kept { answer } else { "(reply lost, or a duplicate)".into() };
                format!("{what} -> {}: {answer}", node(at))
            }
            Step::Ask(client, at) => {
                format!("{} asks {}: {}", who(client), node(at), row(reply(client as usize, at)))
            }
            Step::Back(client, at) => format!(
                "{} writes back {} -> {}: {}",
                who(client),
                name(before.clients[client as usize].found),
                node(at),
                store(reply(client as usize, at))
            ),
            Step::Decide(client, what) => {
                let of = after.clients[client as usize];
                let birth = if of.phase == READ || of.phase == BACK { of.birth } else { of.stamp };
                format!("{} {what}, birth {birth}", who(client))
            }
            Step::Answer(client, result) => format!("{} ANSWERS {result}", who(client)),
            Step::Push(from) => format!("{} sends its row as sync, birth {}", node(from), after.push.1),
            Step::Arrive(at) => format!("sync of {} arrives at {}", name(before.push.0), node(at)),
            Step::Ack(at, order) => {
                format!(
                    "{} acknowledges {}, clock {}",
                    node(at),
                    name(order),
                    before.nodes[at as usize].clock
                )
            }
            Step::Collect(at) => {
                format!("{} COLLECTS {}", node(at), name(before.nodes[at as usize].row))
            }
            Step::Raise(at) => format!("another key's collection raises the fence of {}", node(at)),
            Step::Drop(at) => format!("{} DROPS its promise", node(at)),
        };
        let rows = (0..self.nodes).map(|at| {
            let of = after.nodes[at];
            let fence = if of.fence > 0 { format!("(W{})", of.fence) } else { String::new() };
            let promise = if of.promise > of.row { format!("[{}]", of.promise / 2) } else { String::new() };
            format!("{}:{}{promise}{fence}", node(at as u8), name(of.row))
        });
        format!("{text:<62} {}", rows.collect::<Vec<_>>().join(" "))
    }
}

/// A scope: how many replicas, what they hold at the start, the clients' operations, then words.
fn scope(name: &str, off: Option<&str>) -> Promise {
    let mut words = name.split(' ');
    let nodes = if words.next() == Some("2") { 2 } else { 3 };
    let start = words.next().unwrap_or_default();
    let script = |letters: &str| {
        let op = |letter| match letter {
            'w' => Op::Write,
            'd' => Op::Delete,
            'r' => Op::Read,
            'c' => Op::IfAbsent,
            'k' => Op::Purge,
            other => panic!("operation {other}"),
        };
        letters.chars().map(op).collect::<Vec<_>>()
    };
    let scripts: Vec<_> = words.next().unwrap_or_default().split('/').map(script).collect();
    let width = scripts.len() as u8;
    let (first, holders) = match start {
        "gone" | "acked" | "stuck" => (0, nodes),
        "held" => (width + 1, 2),
        _ => (0, 0),
    };
    let mut promise = Promise {
        nodes,
        first,
        holders,
        acked: start == "acked" || start == "stuck",
        promised: start == "stuck" || start == "mere",
        fenced: 0,
        births: vec![1, 3 * width - 1],
        clocks_max: 2,
        tries: 1,
        again: false,
        resend: false,
        push: false,
        keys: false,
        scripts,
        off: search::rule_to_leave_out(RULES, off),
    };
    for word in words {
        match word {
            "twice" => promise.tries = 2,
            "slow" => promise.births = vec![1],
            "fast" => promise.births = vec![3 * width - 1],
            "again" => promise.again = true,
            "resend" => promise.resend = true,
            "push" => promise.push = true,
            "keys" => promise.keys = true,
            "other" => promise.fenced = width + width - 1,
            other => panic!("word {other}"),
        }
    }
    promise
}

fn run(name: &str, off: Option<&str>, limit: usize) -> Outcome {
    search::search(&scope(name, off), limit)
}

fn main() {
    let cases = [
        all("3 held d/r"),
        all("3 held d/rr twice"),
        all("3 acked w/c/r slow"),
        all("3 stuck w/c/rr"),
        all("3 mere w/c/r/k slow"),
        all("3 empty w/c/r"),
        all("2 gone w/c/r"),
        all("2 held d/c/r"),
        long("3 acked w/c/rr"),
        long("3 gone w/c/r slow"),
        long("3 stuck w/c/r/k"),
        long("3 stuck c/c/r/k slow"),
        long("3 stuck w/c/r keys"),
        long("3 stuck w/c/rr push"),
        long("3 stuck w/c/rr resend"),
        long("3 empty w/c/r/k"),
        long("3 held d/rr push"),
        long("3 held d/r keys"),
        long("2 acked w/c/rr/k"),
        long("2 stuck w/c/rr/k twice"),
        long("2 empty w/d/rr twice"),
        long("2 held d/c/rr"),
        long("3 held d/c/r slow"),
        long("3 gone w/c/r slow again"),
        without("collect-resolved", "3 stuck w/c/r slow"),
        without("no-raise", "3 stuck w/c/rr fast"),
        without("keep-mere", "3 mere w/c/rr fast"),
        without("fence-write", "3 held d/r"),
        without("fence-ballot", "2 empty c/d/r"),
        without("fence-sync", "3 held d/r push"),
        without("fence-read", "3 held d/r"),
        Case { long: true, ..without("fence-unknown", "2 empty w/d/rr twice slow") },
        without("all-acks", "3 held d/r"),
        without("ack-holds", "3 held d/rr other twice"),
        without("highest-clock", "3 held d/r"),
        without("merge-birth", "3 held d/r"),
        not_needed("ack-resolved", "2 gone w/c/r"),
        without("fence-back", "3 held d/rr slow"),
        not_needed("fence-prepare", "2 held d/c/r"),
        not_needed("merge-ballot", "2 held d/c/r"),
        Case { long: true, ..not_needed("ack-resolved", "3 gone w/c/r slow") },
        Case { long: true, ..not_needed("fence-prepare", "3 stuck w/c/r/k slow") },
    ];
    search::main_of("promise", RULES, &cases, &run);
}
