//! A key with versions: the register of its current version, and beside it the versions that were current before.
//!
//! Modelled: one key on two or three replicas, each with a *head* (the register: what is current) and *past* rows
//! (one per version that was displaced, live or gone; one shared by all null versions). Every change is a ballot
//! of the head; its row carries the one past row that changes with it (`aside`): the version that it displaced, or
//! the one that it deletes; one that deletes several names the others too. A replica stores all of that or none, whatever
//! brought the head: accept, write-back, stabilising, sync. Puts in an enabled and in a suspended bucket, If-None-Match,
//! deletes of a version (current or not) and of two at once, reads of the current version, of one version, of all; plain writes of coordinators that do not know yet that
//! versions were enabled; locks that are set on a version, which then must not be removed. Requests lost, delayed, duplicated for ever, reordered; coordinators that stop anywhere;
//! heads and single past rows synced between replicas; past rows of versions that are gone forgotten, replica by replica.
//!
//! Not modelled: layout changes and lost memory (change.rs), collection of the head's tombstone (collect.rs, promise.rs).
//!
//! Checked: every answer fits a linearizable history of the stack of live versions. An operation whose outcome is
//! unknown may take effect later. Of two versions that are deleted at once each goes by itself, in any order: S3 promises no
//! more.
//!
//! Stamps and ballots: round * clients + client. Orders of the head: 2 * ballot + 1 for a new one, one less for one
//! that is proposed again. Versions are numbered from 1; what is older lies lower in the stack. Beside its number a
//! version says whether it is locked, and whether it got a name though its writer knew of no versions.

mod search;
use search::{Model, Outcome, all, long, long_without, mix, not_needed, without};

const NODES: usize = 3;
const CLIENTS: usize = 3;
const VERSIONS: usize = 7;
const ORDERS: usize = 32;
/// Of a version: its number.
const NUMBER: u8 = 7;
/// It is locked.
const LOCKED: u8 = 8;
/// It has a name, though its writer knew of none.
const NAMED: u8 = 16;
/// Bits of a version in a stack.
const BITS: u32 = 5;
const RULES: &[(&str, &str)] = &[
    ("embed", "a head brings its past row along whatever way it comes, not with the accept alone"),
    ("aside", "who displaces a head keeps it as a past row"),
    ("settle", "past rows that differ are written to a quorum before they are answered or decided on"),
    ("back", "heads that differ are written back before a version is answered"),
    ("again", "after heads were written back, a reader of versions asks again"),
    ("ahead", "a past row that is newer than the head that was read is not answered: the head is behind it, and read again"),
    ("doubt", "a past row is in doubt once its head was replaced by one that was not made upon it; it is decided on before it is answered"),
    ("alone", "a past row that is told without its head is in doubt as long as that is not known to be chosen"),
    ("head-first", "the version in the head is live, whatever its past row says"),
    ("by-decision", "past rows are ordered by the decision that wrote them; without: gone wins"),
    ("ballot", "a version that is not current is deleted by a ballot, not by a past row alone"),
    ("stabilise", "a ballot that finds heads that differ proposes the newest again first"),
    ("raise", "deleting what is not current proposes the head again under the ballot"),
    ("flag", "a promise to a ballot of versions refuses plain writes"),
    ("refuse-plain", "a head with versions is not replaced by a plain one"),
    ("gate", "(flag, refuse-plain) without both"),
    ("convert", "a plain head that is newer than one with versions is decided on as a null version above it; without, readers wait"),
    ("shadow", "a suspended put leaves the past row of the null version alone; without: it deletes it"),
    ("successor-quorum", "what follows a deleted version is looked for at those who promised"),
    ("successor-stays", "what follows is none of the versions that the same ballot deletes"),
    ("together", "of several versions that a ballot deletes all rows come along whatever way the head comes, not with the accept alone"),
    ("judge-each", "of several versions each one's lock is judged; without: that of the first"),
    ("judge-inside", "whether a version is locked is judged within the ballot that deletes it; without: by a read before"),
    ("null-stays", "a suspended put does not replace a locked null version"),
    ("named-above", "a plain head that is decided on above a locked null version gets a name"),
    ("everyone", "a past row is forgotten once every replica holds it, and that its version is gone"),
    ("head-there", "a replica forgets a past row only if its head is no older than the row's decision"),
    ("fenced", "who began before a replica forgot past rows is refused there: it may have heard of what was forgotten"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    /// Of a named version.
    Put,
    /// Of the null version: the bucket is suspended.
    Null,
    /// By a coordinator that knows of no versions.
    Plain,
    New,
    /// Deletes the version of this number; 0 is the null version.
    Cut(u8),
    /// Deletes two versions by one ballot; each may be refused by itself.
    CutBoth(u8, u8),
    /// Locks the version of this number.
    Lock(u8),
    Read,
    Get(u8),
    List,
}

struct Versions {
    nodes: usize,
    setup: u8,
    scripts: Vec<Vec<Op>>,
    sync: bool,
    /// Whether past rows of versions that are gone are forgotten.
    collect: bool,
    rounds: u8,
    off: Option<&'static str>,
}

/// One past row: by which decision, which version is live there (0: gone), and whether that decision was chosen for sure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Past {
    by: u8,
    live: u8,
    sure: bool,
}

impl Past {
    fn word(self) -> u64 {
        u64::from(self.by) << 9 | u64::from(self.live) << 1 | u64::from(self.sure)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Head {
    order: u8,
    /// The decision.
    by: u8,
    /// The version, or 0.
    version: u8,
    versioned: bool,
    /// Name of the past row that goes with it, plus one; which version is live there.
    aside: u8,
    kept: u8,
    /// Further past rows that it deletes: a bit per name.
    gone: u8,
    /// The decision that was found, and is chosen.
    upon: u8,
}

impl Head {
    /// The past rows that it writes: a bit per name.
    fn rows(self) -> u8 {
        self.gone | if self.aside > 0 { 1 << (self.aside - 1) } else { 0 }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Node {
    head: Head,
    promise: u8,
    flag: bool,
    accepted: u32,
    /// Per name: 0 is the null version.
    past: [Past; VERSIONS],
}

#[derive(Clone, Copy, Default)]
struct Client {
    next: u8,
    phase: u8,
    /// Its last stamp or ballot.
    stamp: u8,
    found: Head,
    /// The newest head with versions that it heard of.
    named: Head,
    past: [Past; VERSIONS],
    differ: bool,
    past_differ: bool,
    heard: u8,
    stored: u8,
    /// What it will answer once what it put forward is stored.
    result: u8,
    /// What it puts forward is a past row that was in doubt; then it begins anew.
    confirms: bool,
    /// Replicas that forgot past rows since it began.
    fenced: u8,
}

type History = (u32, [u32; CLIENTS]);

#[derive(Clone)]
struct State {
    nodes: [Node; NODES],
    clients: [Client; CLIENTS],
    /// Per order the head that was put forward, for ever in flight.
    asked: [Head; ORDERS],
    /// Per name the decision of a past row that every replica held when somebody looked, and that may be forgotten.
    going: [u8; VERSIONS],
    /// Per version the order of its birth.
    birth: [u8; VERSIONS + 1],
    histories: Vec<History>,
}

const IDLE: u8 = 0;
const PLAIN: u8 = 1;
const ASK: u8 = 2;
const BACK: u8 = 3;
const PREPARE: u8 = 4;
const STABLE: u8 = 5;
const SETTLE: u8 = 6;
const ACCEPT: u8 = 7;
/// It begins anew; what it is about is the same operation, which has been called.
const AGAIN: u8 = 8;
/// Outcome unknown, for ever.
const LOST: u8 = 9;
/// Of the outcome of an operation: only one of the two versions that it deletes was deleted so far. What is beside it
/// is which ones were, and which ones were refused.
const HALF: u32 = 1 << 31;

#[derive(Clone, Copy)]
enum Step {
    Begin(u8),
    Deliver(u8, u8, bool),
    Ask(u8, u8),
    Back(u8, u8),
    Settle(u8, u8),
    Prepare(u8, u8),
    Decide(u8, &'static str),
    SyncHead(u8, u8),
    SyncPast(u8, u8, u8),
    Look(u8),
    Forget(u8, u8),
}

type Visit<'a> = &'a mut dyn FnMut(Step, Option<&'static str>, State);

impl Versions {
    fn on(&self, rule: &str) -> bool {
        self.off != Some(rule)
    }
    fn width(&self) -> u8 {
        self.scripts.len() as u8
    }
    fn is_quorum(&self, mask: u8) -> bool {
        mask.count_ones() as usize > self.nodes / 2
    }
    fn owner(&self, stamp: u8) -> usize {
        (stamp % self.width()) as usize
    }
    fn op(&self, state: &State, who: usize) -> Option<Op> {
        self.scripts[who].get(state.clients[who].next as usize).copied()
    }
    /// The number of the version that an operation makes: behind those of the start.
    fn version_of(&self, who: usize, next: u8) -> u8 {
        let before: usize = self.scripts[..who].iter().map(|script| makers(script)).sum();
        let here = makers(&self.scripts[who][..next as usize]);
        (3 + before + here) as u8
    }
    fn is_null(&self, version: u8) -> bool {
        if version & NAMED != 0 {
            return false;
        }
        let version = version & NUMBER;
        if version <= 2 {
            return version == 1 && matches!(self.setup, 2 | 3);
        }
        for (who, script) in self.scripts.iter().enumerate() {
            for (next, op) in script.iter().enumerate() {
                if matches!(op, Op::Put | Op::Null | Op::Plain | Op::New)
                    && self.version_of(who, next as u8) == version
                {
                    return matches!(op, Op::Null | Op::Plain);
                }
            }
        }
        false
    }
    /// The name of a version: its number, or 0.
    fn name(&self, version: u8) -> u8 {
        if self.is_null(version) { 0 } else { version & NUMBER }
    }

    // A replica.

    fn merge_past(&self, row: &mut Past, other: Past) {
        let newer = if self.on("by-decision") {
            other > *row
        } else {
            row.by == 0 || row.live != 0 && other.by != 0 && (other.live == 0 || other.by > row.by)
        };
        if newer {
            *row = other;
        }
    }
    fn merge_gone(&self, past: &mut [Past; VERSIONS], head: Head) {
        for name in (0..VERSIONS).filter(|name| head.gone >> name & 1 == 1) {
            self.merge_past(&mut past[name], Past { by: head.by, live: 0, sure: true });
        }
    }
    /// A past row as a replica tells it without its head.
    fn told(&self, node: &Node, name: usize) -> Past {
        let row = node.past[name];
        let pending = row.by == node.head.by && self.on("doubt") && self.on("alone");
        Past { sure: row.sure && !pending, ..row }
    }
    /// Whether it holds the head now, or did.
    fn store(&self, node: &mut Node, head: Head, accept: bool) -> bool {
        if node.accepted >> head.order & 1 == 1 {
            return true;
        }
        if head.order <= node.head.order || head.order / 2 < node.promise {
            return false;
        }
        if !head.versioned {
            let own = head.order == 2 * node.promise;
            let gate = self.off != Some("gate");
            let promised = node.flag && !own && self.on("flag");
            if gate && (promised || node.head.versioned && self.on("refuse-plain")) {
                return false;
            }
        }
        let before = node.head;
        if before.by != head.by && before.by != head.upon && self.on("doubt") {
            for name in (0..VERSIONS).filter(|name| before.rows() >> name & 1 == 1) {
                let row = &mut node.past[name];
                row.sure &= row.by != before.by;
            }
        }
        node.head = head;
        node.accepted |= 1 << head.order;
        if head.aside > 0 && (accept || self.on("embed")) {
            let other = Past { by: head.by, live: head.kept, sure: true };
            self.merge_past(&mut node.past[head.aside as usize - 1], other);
        }
        if accept || self.on("embed") && self.on("together") {
            self.merge_gone(&mut node.past, head);
        }
        true
    }
    fn deliver(&self, state: &State, at: usize, visit: Visit) {
        for order in (0..ORDERS).filter(|order| state.asked[*order].order > 0) {
            let head = state.asked[order];
            let mut next = state.clone();
            if !self.store(&mut next.nodes[at], head, order % 2 == 1) {
                continue;
            }
            if next.nodes[at] != state.nodes[at] {
                visit(Step::Deliver(order as u8, at as u8, false), None, next.clone());
            }
            let who = self.owner(order as u8 / 2);
            let client = &mut next.clients[who];
            let waits = match client.phase {
                PLAIN | ACCEPT => order as u8 == 2 * client.stamp + 1,
                STABLE => order as u8 == 2 * client.stamp,
                _ => false,
            };
            if waits && client.stored >> at & 1 == 0 {
                client.stored |= 1 << at;
                visit(Step::Deliver(order as u8, at as u8, true), None, next);
            }
        }
    }
    fn prepare(&self, state: &State, who: usize, at: usize, visit: Visit) {
        let ballot = state.clients[who].stamp;
        let node = state.nodes[at];
        if node.promise >= ballot || node.head.order >= 2 * ballot {
            return;
        }
        let mut next = state.clone();
        next.nodes[at].promise = ballot;
        next.nodes[at].flag = true;
        self.hear(&mut next.clients[who], at, &node);
        visit(Step::Prepare(who as u8, at as u8), None, next);
    }
    fn hear(&self, client: &mut Client, at: usize, node: &Node) {
        if client.heard != 0 {
            client.differ |= node.head.order != client.found.order;
            client.past_differ |= (0..VERSIONS).any(|name| node.past[name].by != client.past[name].by);
        }
        if node.head > client.found {
            client.found = node.head;
        }
        if node.head.versioned && node.head > client.named {
            client.named = node.head;
        }
        for name in 0..VERSIONS {
            self.merge_past(&mut client.past[name], self.told(node, name));
        }
        client.heard |= 1 << at;
    }
    fn ask(&self, state: &State, who: usize, at: usize, visit: Visit) {
        let mut next = state.clone();
        let node = state.nodes[at];
        self.hear(&mut next.clients[who], at, &node);
        visit(Step::Ask(who as u8, at as u8), None, next);
    }
    /// Writes the newest head and the merged past rows back, in one message.
    fn back(&self, state: &State, who: usize, at: usize, visit: Visit) {
        let client = state.clients[who];
        let mut next = state.clone();
        let node = &mut next.nodes[at];
        let stored = client.found.order == 0 || self.store(node, client.found, false);
        for name in 0..VERSIONS {
            self.merge_past(&mut node.past[name], client.past[name]);
        }
        if stored {
            next.clients[who].stored |= 1 << at;
        }
        if stored || next.nodes[at] != state.nodes[at] {
            visit(Step::Back(who as u8, at as u8), None, next);
        }
    }
    fn settle(&self, state: &State, who: usize, at: usize, visit: Visit) {
        let client = state.clients[who];
        let mut next = state.clone();
        for name in 0..VERSIONS {
            self.merge_past(&mut next.nodes[at].past[name], client.past[name]);
        }
        next.clients[who].stored |= 1 << at;
        visit(Step::Settle(who as u8, at as u8), None, next);
    }
    fn sync(&self, state: &State, at: usize, visit: Visit) {
        for from in (0..self.nodes).filter(|from| *from != at) {
            let head = state.nodes[from].head;
            let mut next = state.clone();
            if head.order > state.nodes[at].head.order && self.store(&mut next.nodes[at], head, false) {
                visit(Step::SyncHead(from as u8, at as u8), None, next);
            }
            for name in 0..VERSIONS {
                let mut next = state.clone();
                let told = self.told(&state.nodes[from], name);
                self.merge_past(&mut next.nodes[at].past[name], told);
                if next.nodes[at] != state.nodes[at] {
                    visit(Step::SyncPast(from as u8, at as u8, name as u8), None, next);
                }
            }
        }
    }

    /// Somebody looks whether all hold a past row of a version that is gone.
    fn look(&self, state: &State, name: usize, visit: Visit) {
        let nodes = &state.nodes[..self.nodes];
        let holds = |row: Past| row.by > 0 && row.live == 0;
        let Some(row) = nodes.iter().map(|node| node.past[name]).filter(|row| holds(*row)).max() else { return };
        let is_everywhere = nodes.iter().all(|node| holds(node.past[name]) && node.past[name].by == row.by);
        if (is_everywhere || !self.on("everyone")) && state.going[name] != row.by {
            let mut next = state.clone();
            next.going[name] = row.by;
            visit(Step::Look(name as u8), None, next);
        }
    }
    fn forget(&self, state: &State, at: usize, name: usize, visit: Visit) {
        let node = &state.nodes[at];
        let row = node.past[name];
        let is_there = node.head.order >= 2 * row.by || !self.on("head-there");
        if row.by == 0 || row.live != 0 || row.by != state.going[name] || !is_there {
            return;
        }
        let mut next = state.clone();
        next.nodes[at].past[name] = Past::default();
        for client in next.clients.iter_mut().filter(|client| client.phase != IDLE) {
            client.fenced |= 1 << at;
        }
        visit(Step::Forget(at as u8, name as u8), None, next);
    }

    // A coordinator.

    /// Whether a replica refuses it: then it begins anew.
    fn is_fenced(&self, client: &Client, at: usize) -> bool {
        client.fenced >> at & 1 == 1 && self.on("fenced")
    }
    fn begin_anew(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        if client.fenced != 0 && self.on("fenced") && matches!(client.phase, ASK | BACK | PREPARE | SETTLE) {
            let mut next = state.clone();
            next.clients[who] = Client { next: client.next, stamp: client.stamp, ..Client::default() };
            next.clients[who].phase = AGAIN;
            visit(Step::Decide(who as u8, "is refused"), None, next);
        }
    }

    fn begin(&self, state: &State, who: usize, visit: Visit) {
        let Some(op) = self.op(state, who) else { return };
        let is_read = matches!(op, Op::Read | Op::Get(_) | Op::List);
        let stamps: Vec<u8> = self.stamps(state, who).collect();
        for stamp in if is_read { vec![0] } else { stamps } {
            let mut next = state.clone();
            let client = &mut next.clients[who];
            *client = Client { next: client.next, stamp: client.stamp, ..Client::default() };
            client.phase = if is_read { ASK } else { PREPARE };
            if !is_read {
                client.stamp = stamp;
            }
            let version = self.version_of(who, client.next);
            if op == Op::Plain {
                client.phase = PLAIN;
                let order = 2 * stamp + 1;
                next.birth[version as usize] = order;
                next.asked[order as usize] = Head { order, by: stamp, version, ..Head::default() };
            } else if matches!(op, Op::Cut(_)) && !(self.on("ballot") && self.on("judge-inside")) {
                client.phase = ASK;
            }
            visit(Step::Begin(who as u8), None, next);
        }
    }
    fn decide(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        let op = self.op(state, who).expect("it is at work");
        let (enough, done) = (self.is_quorum(client.heard), self.is_quorum(client.stored));
        match client.phase {
            ACCEPT if done && client.confirms => {
                let mut next = state.clone();
                next.clients[who] = Client { next: client.next, stamp: client.stamp, ..Client::default() };
                visit(Step::Decide(who as u8, "begins anew"), None, next);
            }
            PLAIN | ACCEPT if done => self.answer(state, who, u32::from(client.result), visit),
            ASK if enough => {
                let back = client.differ && self.on("back") || client.differ && op == Op::Read;
                let settle = client.past_differ && op != Op::Read && self.on("settle");
                if let (Op::Cut(name), false) = (op, self.on("judge-inside")) {
                    if self.live(&client, name) & LOCKED != 0 {
                        return; // It goes no further; nothing wrong comes from here.
                    }
                    let mut next = state.clone();
                    next.clients[who] =
                        Client { next: client.next, phase: PREPARE, stamp: client.stamp, ..Client::default() };
                    visit(Step::Decide(who as u8, "sees no lock"), None, next);
                } else if let (Op::Cut(name), false) = (op, self.on("ballot")) {
                    let mut next = state.clone();
                    let past = &mut next.clients[who].past[name as usize];
                    if client.found.version != 0 && self.name(client.found.version) == name || past.live == 0 {
                        return; // Current, or not there: by a ballot.
                    }
                    *past = Past { by: client.stamp, live: 0, sure: true };
                    next.clients[who].phase = SETTLE;
                    visit(Step::Decide(who as u8, "deletes without a ballot"), None, next);
                } else if client.named.order > 0 && !client.found.versioned && self.on("convert") {
                    // By a ballot only.
                } else if op != Op::Read && !client.differ && self.is_behind(&client) && self.on("ahead") {
                    let mut next = state.clone();
                    next.clients[who] = Client { next: client.next, phase: ASK, stamp: client.stamp, ..Client::default() };
                    visit(Step::Decide(who as u8, "reads again"), None, next);
                } else if !client.differ && self.in_doubt(&client, op).is_some() {
                    for stamp in self.stamps(state, who) {
                        let mut next = state.clone();
                        next.clients[who] = Client { next: client.next, phase: PREPARE, stamp, ..Client::default() };
                        visit(Step::Decide(who as u8, "asks for promises"), None, next);
                    }
                } else if back || settle {
                    let mut next = state.clone();
                    next.clients[who].phase = BACK;
                    visit(Step::Decide(who as u8, "writes back"), None, next);
                } else {
                    self.answer(state, who, self.result(&client, op), visit);
                }
            }
            // What it heard of past rows may be older than a head that displaced another one since.
            BACK if done && client.differ && op != Op::Read && self.on("again") => {
                let mut next = state.clone();
                next.clients[who] = Client { next: client.next, phase: ASK, stamp: client.stamp, ..Client::default() };
                visit(Step::Decide(who as u8, "reads again"), None, next);
            }
            BACK if done => self.answer(state, who, self.result(&client, op), visit),
            PREPARE if enough => self.prepared(state, who, visit),
            STABLE if done => self.settle_or_evaluate(state, who, visit),
            SETTLE if done && !self.on("ballot") && matches!(op, Op::Cut(_)) => self.answer(state, who, 0, visit),
            SETTLE if done => self.evaluate(state, who, visit),
            _ => {}
        }
    }
    /// The stamps that a coordinator may take for a ballot.
    fn stamps(&self, state: &State, who: usize) -> impl Iterator<Item = u8> {
        let (width, last) = (self.width(), state.clients[who].stamp);
        let first = if self.setup >= 5 { 4 / width } else { 0 };
        (first + 1..=first + self.rounds).map(move |round| round * width + who as u8).filter(move |stamp| *stamp > last)
    }
    /// A past row that an operation looks at, and of which it is not known whether it was chosen.
    fn in_doubt(&self, client: &Client, op: Op) -> Option<u8> {
        let head = client.found;
        let looks = |name: u8| match op {
            Op::Get(one) | Op::Lock(one) => one == name,
            Op::Cut(one) => one == name || head.version != 0 && self.name(head.version) == one,
            Op::CutBoth(..) | Op::List => true,
            Op::Null => name == 0,
            _ => false,
        };
        let current = |name: u8| head.version != 0 && self.name(head.version) == name;
        let doubtful = |name: u8| {
            let row = client.past[name as usize];
            row.by > 0 && !row.sure && row.by != head.by && self.on("doubt")
        };
        (0..VERSIONS as u8).find(|name| looks(*name) && !current(*name) && doubtful(*name))
    }
    /// Whether a past row that was heard of is newer than every head that was.
    fn is_behind(&self, client: &Client) -> bool {
        client.past.iter().any(|row| 2 * row.by > client.found.order)
    }
    fn prepared(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        let mut next = state.clone();
        let found = &mut next.clients[who].found;
        if client.named.order > 0 && !found.versioned && self.on("convert") {
            let kept = client.named.version;
            found.versioned = true;
            if self.null_is_locked(&client, kept) && self.on("named-above") {
                found.version |= NAMED;
                (found.aside, found.kept) = if kept != 0 { (self.name(kept) + 1, kept) } else { (0, 0) };
            } else {
                let displaced = kept != 0 && !self.is_null(kept);
                (found.aside, found.kept) = if displaced { (self.name(kept) + 1, kept) } else { (0, 0) };
            }
        } else if !client.differ || !self.on("stabilise") {
            return self.settle_or_evaluate(state, who, visit);
        }
        let order = 2 * client.stamp;
        next.clients[who].found.order = order;
        next.asked[order as usize] = next.clients[who].found;
        if next.clients[who].found.aside > 0 {
            let Head { aside, kept, by, .. } = next.clients[who].found;
            self.merge_past(&mut next.clients[who].past[aside as usize - 1], Past { by, live: kept, sure: true });
        }
        let found = next.clients[who].found;
        self.merge_gone(&mut next.clients[who].past, found);
        (next.clients[who].phase, next.clients[who].stored) = (STABLE, 0);
        visit(Step::Decide(who as u8, "stabilises"), None, next);
    }
    fn settle_or_evaluate(&self, state: &State, who: usize, visit: Visit) {
        let looks = matches!(self.op(state, who), Some(Op::Cut(_) | Op::CutBoth(..) | Op::Lock(_) | Op::Null));
        let client = &state.clients[who];
        let in_doubt = self.op(state, who).and_then(|op| self.in_doubt(client, op)).is_some();
        if looks && !in_doubt && client.past_differ && self.on("settle") {
            let mut next = state.clone();
            (next.clients[who].phase, next.clients[who].stored) = (SETTLE, 0);
            return visit(Step::Decide(who as u8, "settles past rows"), None, next);
        }
        self.evaluate(state, who, visit);
    }
    fn evaluate(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        let op = self.op(state, who).expect("it is at work");
        let (ballot, held) = (client.stamp, client.found.version);
        let made = self.version_of(who, client.next);
        let mut head = Head { order: 2 * ballot + 1, by: ballot, versioned: true, ..Head::default() };
        let mut result = 0;
        head.upon = client.found.by;
        if let Some(name) = self.in_doubt(&client, op) {
            head.version = held;
            (head.aside, head.kept) = (name + 1, client.past[name as usize].live);
            let mut next = state.clone();
            next.asked[head.order as usize] = head;
            (next.clients[who].phase, next.clients[who].stored, next.clients[who].confirms) = (ACCEPT, 0, true);
            return visit(Step::Decide(who as u8, "puts what is in doubt forward"), None, next);
        }
        if matches!(op, Op::Get(_) | Op::List) {
            let mut next = state.clone();
            next.clients[who] = Client { next: client.next, stamp: client.stamp, ..Client::default() };
            return visit(Step::Decide(who as u8, "begins anew"), None, next);
        }
        let keep = |head: &mut Head| {
            if held != 0 && self.on("aside") {
                (head.aside, head.kept) = (self.name(held) + 1, held);
            }
        };
        match op {
            Op::New if held != 0 => return self.answer(state, who, 1, visit),
            Op::Put | Op::New => {
                head.version = made;
                keep(&mut head);
            }
            Op::Null if self.null_is_locked(&client, held) && self.on("null-stays") => {
                return self.answer(state, who, 2, visit);
            }
            Op::Null => {
                head.version = made;
                if held != 0 && !self.is_null(held) {
                    keep(&mut head);
                }
                if !self.on("shadow") {
                    (head.aside, head.kept) = (1, 0);
                }
            }
            Op::Cut(name) if self.live(&client, name) & LOCKED != 0 && self.on("judge-inside") => {
                return self.answer(state, who, 1, visit);
            }
            Op::Lock(name) if held != 0 && self.name(held) == name => head.version = held | LOCKED,
            Op::Lock(name) if client.past[name as usize].live != 0 => {
                head.version = held;
                (head.aside, head.kept) = (name + 1, client.past[name as usize].live | LOCKED);
            }
            Op::Lock(_) => return self.answer(state, who, 1, visit),
            Op::Cut(name) if held != 0 && self.name(held) == name => {
                head.version = self.successor(state, &client, 1 << name);
                (head.aside, head.kept) = (name + 1, 0);
            }
            Op::Cut(name) if client.past[name as usize].live != 0 => {
                head.version = held;
                (head.aside, head.kept) = (name + 1, 0);
                if !self.on("raise") {
                    let mut next = state.clone();
                    next.clients[who].past[name as usize] = Past { by: ballot, live: 0, sure: true };
                    (next.clients[who].phase, next.clients[who].stored, next.clients[who].found) =
                        (BACK, 0, Head::default());
                    return visit(Step::Decide(who as u8, "deletes without the head"), None, next);
                }
            }
            Op::Cut(_) => return self.answer(state, who, 0, visit),
            Op::CutBoth(one, other) => {
                let is_locked = |name: u8| self.live(&client, name) & LOCKED != 0;
                let refused = |name: u8| is_locked(if self.on("judge-each") { name } else { one });
                let goes = |name: &u8| self.live(&client, *name) != 0 && !refused(*name);
                result = u8::from(refused(one)) | u8::from(refused(other)) << 1;
                let going: Vec<u8> = [one, other].into_iter().filter(goes).collect();
                let Some(first) = going.first() else { return self.answer(state, who, u32::from(result), visit) };
                let set = going.iter().fold(0, |set, name| set | 1 << name);
                head.version = match held != 0 && set >> self.name(held) & 1 == 1 {
                    true => self.successor(state, &client, if self.on("successor-stays") { set } else { 1 << self.name(held) }),
                    false => held,
                };
                (head.aside, head.kept, head.gone) = (first + 1, 0, set & !(1 << first));
                if head.version == held && !self.on("raise") {
                    let mut next = state.clone();
                    going.iter().for_each(|name| next.clients[who].past[*name as usize] = Past { by: ballot, live: 0, sure: true });
                    (next.clients[who].phase, next.clients[who].stored, next.clients[who].found) =
                        (BACK, 0, Head::default());
                    next.clients[who].result = result;
                    return visit(Step::Decide(who as u8, "deletes without the head"), None, next);
                }
            }
            _ => return,
        }
        let mut next = state.clone();
        if matches!(op, Op::Put | Op::New | Op::Null) {
            next.birth[made as usize] = head.order;
        }
        next.asked[head.order as usize] = head;
        (next.clients[who].phase, next.clients[who].stored, next.clients[who].result) = (ACCEPT, 0, result);
        visit(Step::Decide(who as u8, "puts forward"), None, next);
    }
    /// The newest past version that is live, but for a set of names.
    fn successor(&self, state: &State, client: &Client, except: u8) -> u8 {
        let one = state.nodes[client.heard.trailing_zeros() as usize].past;
        let past = if self.on("successor-quorum") { client.past } else { one };
        let others = (0..VERSIONS).filter(|other| except >> other & 1 == 0);
        let age = |version: &u8| state.birth[(version & NUMBER) as usize];
        others.map(|other| past[other].live).max_by_key(age).unwrap_or(0)
    }
    /// What a client heard of a version, or 0: it is not there.
    fn live(&self, client: &Client, name: u8) -> u8 {
        let head = client.found.version;
        if head != 0 && self.name(head) == name { head } else { client.past[name as usize].live }
    }
    /// Whether the null version is locked, where this is current.
    fn null_is_locked(&self, client: &Client, current: u8) -> bool {
        let null = if current != 0 && self.is_null(current) { current } else { client.past[0].live };
        null & LOCKED != 0
    }
    /// The live versions as a client heard of them: the head, and what is live beside it.
    fn stack(&self, client: &Client, birth: &[u8]) -> u32 {
        let head = client.found.version;
        let shadowed = |name: u8| head != 0 && self.name(head) == name && self.on("head-first");
        let mut live: Vec<u8> = (0..VERSIONS)
            .filter(|name| !shadowed(*name as u8))
            .map(|name| client.past[name].live)
            .filter(|version| *version != 0)
            .collect();
        live.sort_by_key(|version| birth[(version & NUMBER) as usize]);
        if head != 0 && !live.iter().any(|version| self.name(*version) == self.name(head)) {
            let gone = !self.on("head-first")
                && client.past[self.name(head) as usize].by > client.found.by
                && client.past[self.name(head) as usize].live == 0;
            if !gone {
                live.push(head);
            }
        }
        pack(&live)
    }
    fn result(&self, client: &Client, op: Op) -> u32 {
        // Births only order the answer: they are not in a client's memory, but in that of the rows it read.
        match op {
            Op::Read => u32::from(client.found.version),
            Op::Cut(_) => 0,
            Op::CutBoth(..) => u32::from(client.result),
            _ => u32::MAX,
        }
    }
    fn answer(&self, state: &State, who: usize, result: u32, visit: Visit) {
        let client = state.clients[who];
        let op = self.op(state, who).expect("it is at work");
        let result = match op {
            Op::List => self.stack(&client, &state.birth),
            Op::Get(name) => {
                let live = unpack(self.stack(&client, &state.birth));
                live.into_iter().find(|version| self.name(*version) == name).map_or(0, u32::from)
            }
            _ => result,
        };
        let histories = self.explain(state, who, result);
        let bad = histories.is_empty().then_some("no history explains this answer");
        let mut next = state.clone();
        next.histories = histories;
        let stamp = client.stamp;
        next.clients[who] = Client { next: client.next + 1, stamp, ..Client::default() };
        visit(Step::Decide(who as u8, "answers"), bad, next);
    }

    // The specification.

    /// The next outcomes of an operation that has one so far, and the stack after each.
    fn effects(&self, who: usize, op: Op, next: u8, (stack, outcome): (u32, u32)) -> Vec<(u32, u32)> {
        let Op::CutBoth(one, other) = op else {
            let effect = (outcome == 0).then(|| self.effect(who, op, next, stack)).flatten();
            return effect.map(|(stack, result)| (stack, result + 1)).into_iter().collect();
        };
        // Each version goes by itself, in any order: S3 promises no more.
        let (done, refused) = if outcome & HALF != 0 { (outcome >> 2 & 3, outcome & 3) } else { (0, 0) };
        let cut = |(bit, name): (u32, u8)| {
            let (stack, result) = self.effect(who, Op::Cut(name), next, stack)?;
            let (done, refused) = (done | 1 << bit, refused | result << bit);
            Some((stack, if done == 3 { refused + 1 } else { HALF | done << 2 | refused }))
        };
        [(0, one), (1, other)].into_iter().filter(|(bit, _)| done >> bit & 1 == 0).filter_map(cut).collect()
    }
    fn effect(&self, who: usize, op: Op, next: u8, stack: u32) -> Option<(u32, u32)> {
        let mut live = unpack(stack);
        let made = self.version_of(who, next);
        let null_is_locked = live.iter().any(|version| self.is_null(*version) && version & LOCKED != 0);
        let is_locked = |live: &[u8], name| {
            live.iter().any(|version| self.name(*version) == name && version & LOCKED != 0)
        };
        let result = match op {
            Op::Null if null_is_locked => 2,
            Op::Plain if null_is_locked => {
                live.push(made | NAMED);
                0
            }
            Op::Cut(name) if is_locked(&live, name) => 1,
            Op::Lock(name) => match live.iter_mut().find(|version| self.name(**version) == name) {
                Some(version) => {
                    *version |= LOCKED;
                    0
                }
                None => 1,
            },
            Op::Put => {
                live.push(made);
                0
            }
            Op::Null | Op::Plain => {
                live.retain(|version| !self.is_null(*version));
                live.push(made);
                0
            }
            Op::New if live.is_empty() => {
                live.push(made);
                0
            }
            Op::New => 1,
            Op::Cut(name) => {
                live.retain(|version| self.name(*version) != name);
                0
            }
            Op::Read => u32::from(live.last().copied().unwrap_or(0)),
            Op::Get(name) => {
                live.iter().copied().find(|version| self.name(*version) == name).map_or(0, u32::from)
            }
            Op::List => stack,
            Op::CutBoth(..) => return None,
        };
        if live.len() > 5 {
            return None;
        }
        Some((pack(&live), result))
    }
    /// The histories in which a client answers this now.
    fn explain(&self, state: &State, who: usize, result: u32) -> Vec<History> {
        let (mut fits, mut seen) = (vec![], vec![]);
        let mut open = state.histories.clone();
        while let Some(history) = open.pop() {
            if seen.contains(&history) {
                continue;
            }
            seen.push(history);
            let (stack, outcomes) = history;
            if self.setup == 5 {
                // The ballot that was lost may take effect at any time: its client was told that it is unknown.
                let unlocked = unpack(stack).into_iter().filter(|version| *version != 1).collect::<Vec<_>>();
                open.push((pack(&unlocked), outcomes));
            }
            let is_open = |outcome: u32| outcome == 0 || outcome & HALF != 0;
            if !is_open(outcomes[who]) {
                if outcomes[who] == result + 1 {
                    let mut outcomes = outcomes;
                    outcomes[who] = 0;
                    fits.push((stack, outcomes));
                }
                continue;
            }
            for client in (0..self.scripts.len()).filter(|client| is_open(outcomes[*client])) {
                if state.clients[client].phase == IDLE {
                    continue;
                }
                let op = self.op(state, client).expect("it is at work");
                for (after, outcome) in self.effects(client, op, state.clients[client].next, (stack, outcomes[client])) {
                    let mut outcomes = outcomes;
                    outcomes[client] = outcome;
                    open.push((after, outcomes));
                }
            }
        }
        fits.sort_unstable();
        fits.dedup();
        fits
    }
}

fn makers(script: &[Op]) -> usize {
    script.iter().filter(|op| matches!(op, Op::Put | Op::Null | Op::Plain | Op::New)).count()
}

fn pack(live: &[u8]) -> u32 {
    live.iter().fold(0, |stack, version| stack << BITS | u32::from(*version))
}

fn unpack(mut stack: u32) -> Vec<u8> {
    let mut live = vec![];
    while stack > 0 {
        live.push((stack & ((1 << BITS) - 1)) as u8);
        stack >>= BITS;
    }
    live.reverse();
    live
}

impl Model for Versions {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let mut node = Node::default();
        let mut birth = [0; VERSIONS + 1];
        let mut stack = 0;
        // 0: nothing; 1: a named version; 2: a plain object; 3: a null version under a named one; 4: two named ones;
        // 5: two named ones; a ballot that deletes the older one
        // reached one replica and is lost; one that came after it reached the two others.
        // 6: one, and the one below it is gone; one replica is behind: it was told that this one is gone, but has the head of
        // before both, and the decision that displaced it is still on its way there.
        match self.setup {
            1 => {
                node.head = Head { order: 1, by: 0, version: 1, versioned: true, ..Head::default() };
                stack = 1;
            }
            2 => {
                node.head = Head { order: 1, by: 0, version: 1, ..Head::default() };
                stack = 1;
            }
            3..=6 => {
                node.head = Head { order: 2, by: 1, version: 2, versioned: true, ..Head::default() };
                node.past[self.name(1) as usize] = Past { by: 1, live: 1, sure: true };
                (birth[2], stack) = (2, pack(&[1, 2]));
            }
            _ => {}
        }
        birth[1] = birth[1].max(1);
        node.accepted = 1 << node.head.order & !1;
        let (mut nodes, mut asked) = ([node; NODES], [Head::default(); ORDERS]);
        if self.setup == 5 {
            let kept = Head { order: 7, by: 3, upon: 1, ..node.head };
            let lost = Head { order: 5, by: 2, upon: 1, aside: 2, ..node.head };
            for (at, head) in [lost, kept, kept].into_iter().enumerate() {
                self.store(&mut nodes[at], head, true);
                asked[head.order as usize] = head;
            }
        }
        if self.setup == 6 {
            node.past = [Past::default(); VERSIONS];
            let first = Head { order: 5, by: 2, upon: 1, version: 1, aside: 3, kept: 2, ..node.head };
            let then = Head { order: 7, by: 3, upon: 2, kept: 0, ..first };
            nodes = [node; NODES];
            for head in [first, then] {
                nodes[1..].iter_mut().for_each(|node| _ = self.store(node, head, true));
                asked[head.order as usize] = head;
            }
            nodes[0].past[2] = nodes[1].past[2];
            (birth[1], stack) = (5, pack(&[1]));
        }
        State {
            nodes,
            clients: [Client::default(); CLIENTS],
            asked,
            going: [0; VERSIONS],
            birth,
            histories: vec![(stack, [0; CLIENTS])],
        }
    }

    fn key(&self, state: &State) -> u64 {
        const ORDERINGS: [[usize; 3]; 6] =
            [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let orderings = if self.nodes == 3 { &ORDERINGS[..] } else { &ORDERINGS[..1] };
        let words: Vec<u64> = (0..self.nodes).map(|at| self.node_key(state, at)).collect();
        let mut best: Option<Vec<u64>> = None;
        for ordering in orderings {
            let mut key: Vec<u64> = ordering[..self.nodes].iter().map(|at| words[*at]).collect();
            for client in &state.clients[..self.scripts.len()] {
                let moved = |mask: u8| {
                    (0..self.nodes).fold(0, |out, to| out | u64::from(mask >> ordering[to] & 1) << to)
                };
                key.push(moved(client.fenced) << 16 | moved(client.heard) << 8 | moved(client.stored));
            }
            if best.as_ref().is_none_or(|known| key < *known) {
                best = Some(key);
            }
        }
        let mut hash = 0;
        best.unwrap_or_default().into_iter().for_each(|word| mix(&mut hash, word));
        for client in &state.clients[..self.scripts.len()] {
            mix(&mut hash, u64::from(client.next) << 24 | u64::from(client.phase) << 16 | u64::from(client.stamp));
            mix(&mut hash, word_of(client.found) << 2 | u64::from(client.differ) << 1 | u64::from(client.past_differ));
            mix(&mut hash, word_of(client.named) << 9 | u64::from(client.confirms) << 8 | u64::from(client.result));
            client.past.iter().for_each(|row| mix(&mut hash, row.word()));
        }
        state.asked.iter().for_each(|head| mix(&mut hash, word_of(*head)));
        state.birth.iter().for_each(|order| mix(&mut hash, u64::from(*order)));
        state.going.iter().for_each(|order| mix(&mut hash, u64::from(*order)));
        for (stack, outcomes) in &state.histories {
            mix(&mut hash, u64::from(*stack));
            outcomes.iter().for_each(|outcome| mix(&mut hash, u64::from(*outcome)));
        }
        hash
    }

    fn next(&self, state: &State, visit: Visit) {
        for at in 0..self.nodes {
            self.deliver(state, at, visit);
            if self.sync {
                self.sync(state, at, visit);
            }
        }
        for name in (0..VERSIONS).filter(|_| self.collect) {
            self.look(state, name, visit);
            (0..self.nodes).for_each(|at| self.forget(state, at, name, visit));
        }
        for who in 0..self.scripts.len() {
            let client = state.clients[who];
            match client.phase {
                IDLE | AGAIN => self.begin(state, who, visit),
                LOST => {}
                _ => self.decide(state, who, visit),
            }
            self.begin_anew(state, who, visit);
            for at in 0..self.nodes {
                let (heard, stored) = (client.heard >> at & 1 == 1, client.stored >> at & 1 == 1);
                if self.is_fenced(&client, at) {
                    continue;
                }
                match client.phase {
                    PREPARE if !heard && !self.is_quorum(client.heard) => self.prepare(state, who, at, visit),
                    ASK if !heard && !self.is_quorum(client.heard) => self.ask(state, who, at, visit),
                    BACK if !stored => self.back(state, who, at, visit),
                    SETTLE if !stored => self.settle(state, who, at, visit),
                    _ => {}
                }
            }
        }
    }

    fn show(&self, _: &State, step: Step, after: &State) -> String {
        let what = match step {
            Step::Begin(who) => format!("{who} begins {:?} at {}", self.op(after, who as usize), after.clients[who as usize].stamp),
            Step::Deliver(order, at, heard) => {
                format!("{order} reaches {at}{}", if heard { ", and its answer the coordinator" } else { "" })
            }
            Step::Ask(who, at) => format!("{who} reads at {at}"),
            Step::Back(who, at) => format!("{who} writes back at {at}"),
            Step::Settle(who, at) => format!("{who} settles at {at}"),
            Step::Prepare(who, at) => format!("{at} promises {who}"),
            Step::Decide(who, what) => format!("{who} {what}"),
            Step::SyncHead(from, at) => format!("the head of {from} goes to {at}"),
            Step::Look(name) => format!("past row {name} is seen everywhere"),
            Step::Forget(at, name) => format!("{at} forgets past row {name}"),
            Step::SyncPast(from, at, name) => format!("past row {name} of {from} goes to {at}"),
        };
        let nodes: Vec<String> = after.nodes[..self.nodes]
            .iter()
            .map(|node| {
                let past: Vec<String> = (0..VERSIONS)
                    .filter(|name| node.past[*name].by > 0)
                    .map(|name| format!("{name}={}@{}", node.past[name].live, node.past[name].by))
                    .collect();
                let plain = if node.head.versioned { "" } else { "p" };
                format!("[{}{plain}@{} ^{} {}]", node.head.version, node.head.order, node.promise, past.join(" "))
            })
            .collect();
        format!("{what:<44} {}", nodes.join(" "))
    }
}

impl Versions {
    fn node_key(&self, state: &State, at: usize) -> u64 {
        let node = state.nodes[at];
        let mut hash = 1;
        mix(&mut hash, word_of(node.head));
        mix(&mut hash, u64::from(node.accepted) << 16 | u64::from(node.promise) << 1 | u64::from(node.flag));
        node.past.iter().for_each(|row| mix(&mut hash, row.word()));
        hash
    }
}

fn word_of(head: Head) -> u64 {
    let Head { order, by, version, versioned, aside, kept, gone, upon } = head;
    let parts = [order, by, version, aside, kept, gone, upon];
    parts.iter().fold(u64::from(versioned), |word, part| word << 7 | u64::from(*part))
}

/// `NODES SETUP SCRIPTS [sync] [collect] [rounds=N]`, scripts of the clients between slashes: p put, n null put, w plain write,
/// e If-None-Match, a number deletes that version, x and two numbers both by one ballot, k and a number locks it, r reads, g and a number reads a version, l lists.
fn run(scope: &str, off: Option<&str>, limit: usize) -> Outcome {
    let words: Vec<&str> = scope.split(' ').collect();
    let mut scripts = vec![];
    for text in words[2].split('/') {
        let (mut script, mut letters) = (vec![], text.chars());
        while let Some(letter) = letters.next() {
            let number = |letter: char| letter.to_digit(10).map(|digit| digit as u8);
            script.push(match letter {
                'p' => Op::Put,
                'n' => Op::Null,
                'w' => Op::Plain,
                'e' => Op::New,
                'r' => Op::Read,
                'l' => Op::List,
                'x' => {
                    let mut version = || letters.next().and_then(number).expect("a version");
                    Op::CutBoth(version(), version())
                }
                'k' => Op::Lock(letters.next().and_then(number).expect("a version")),
                'g' => Op::Get(letters.next().and_then(number).expect("a version")),
                digit => Op::Cut(number(digit).expect("an operation")),
            });
        }
        scripts.push(script);
    }
    assert!(scripts.len() <= CLIENTS && 3 + scripts.iter().map(|script| makers(script)).sum::<usize>() <= VERSIONS);
    let setup = ["empty", "named", "plain", "null", "two", "lost", "behind"].iter().position(|name| *name == words[1]).expect("a setup");
    let rounds = words.iter().find_map(|word| word.strip_prefix("rounds=")).map_or(2, |text| text.parse().expect("a number"));
    let model = Versions {
        nodes: words[0].parse().expect("a number"),
        setup: setup as u8,
        scripts,
        sync: words.contains(&"sync"),
        collect: words.contains(&"collect"),
        rounds,
        off: search::rule_to_leave_out(RULES, off),
    };
    search::search(&model, limit)
}

fn main() {
    let cases = [
        all("2 two p/2/ll"),
        all("2 null n/2/ll"),
        all("2 null n2/0/l"),
        all("2 plain w/p/ll"),
        all("2 named e/1/rr"),
        all("3 null n/p/l rounds=1"),
        all("3 plain w/p/l rounds=1"),
        all("3 two 2/1/l rounds=1"),
        all("3 named p/1/l rounds=1"),
        long("3 plain p/w/ll"),
        long("3 plain w/p/l sync"),
        long("3 null n/p/ll sync rounds=1"),
        long("3 two p/2/rl sync rounds=1"),
        long("3 two 2/1/ll sync rounds=1"),
        all("3 two k1/1/g1 rounds=1"),
        all("3 two k2/2/g2 rounds=1"),
        all("2 two k2/2/ll sync"),
        all("2 null k0/n/ll sync"),
        all("2 plain k0/w/ll"),
        all("3 plain k0/w/l rounds=1"),
        all("2 null k0/w/ll sync"),
        all("3 plain k0/w/pl rounds=1"),
        all("2 two x12/p/ll sync"),
        all("2 null x02/n/ll"),
        all("3 two x12/p/l rounds=1"),
        all("3 two x12/r/l rounds=1"),
        all("2 two k1/x12/ll sync"),
        all("3 two k2/x12/l rounds=1"),
        all("2 two px12/1/ll"),
        long("3 two x12/2/rl sync rounds=1"),
        long("3 two x12/p/ll sync rounds=1"),
        long("3 null x02/n/ll sync rounds=1"),
        long("3 plain w/px13/l rounds=2"),
        long_without("raise", "3 two 2/x13/pl rounds=1"),
        without("successor-stays", "2 two x12/p/ll sync"),
        without("together", "3 two px12/l sync"),
        without("judge-each", "2 two k2/x12/ll sync"),
        without("judge-inside", "3 two k1/1/g1 rounds=1"),
        without("judge-inside", "3 named k1/1/g1 rounds=1"),
        without("null-stays", "2 null k0/n/ll sync"),
        without("named-above", "3 plain k0/w/pl rounds=1"),
        long_without("ahead", "3 two 2/1/ll sync rounds=1"),
        all("3 lost k1/g1 rounds=1"),
        all("3 lost k1/l sync rounds=1"),
        all("3 lost pk1/g1 sync rounds=1"),
        long("3 lost k1/g1g1 sync rounds=2"),
        long("3 lost k1/1/g1 rounds=1"),
        long("3 lost 2/k1/g1 rounds=1"),
        long("3 lost x12/k1/ll sync rounds=1"),
        without("doubt", "3 lost k1/g1 rounds=1"),
        without("alone", "3 lost k1/g1 rounds=1"),
        without("embed", "3 null n/p/l rounds=1"),
        without("aside", "2 two p/2/ll sync"),
        // Refuted in "3 null n/p/ll sync rounds=1" before there was "ahead", which answers nothing there either; with it no
        // scope was found that refutes it, up to three million states. It stays: a release of bodies rests on it too.
        not_needed("settle", "2 two p/2/ll sync"),
        without("back", "3 plain w/p/l rounds=1"),
        without("again", "3 null n/p/l rounds=1"),
        without("head-first", "2 null n/p/ll sync"),
        without("by-decision", "2 null 0np/l rounds=4"),
        without("ballot", "2 two p/2/ll sync"),
        without("stabilise", "3 null n/p/l rounds=1"),
        long_without("raise", "3 two 2/1/pl rounds=1"),
        without("shadow", "2 null n/p/ll sync"),
        without("successor-quorum", "3 two p/3/l rounds=1"),
        not_needed("flag", "3 plain p/w/l"),
        not_needed("refuse-plain", "3 plain p/w/l"),
        without("gate", "3 plain p/w/l"),
        not_needed("convert", "3 plain w/p/l rounds=1"),
        all("2 two 1/ll sync collect"),
        all("3 two 1/l sync collect rounds=1"),
        all("2 null 0n/l sync collect"),
        all("3 behind l collect rounds=1"),
        long("3 two 1/ll sync collect rounds=1"),
        long("3 two p/2/l sync collect rounds=1"),
        long("3 behind g2/l sync collect rounds=1"),
        long("3 behind k2/g2 sync collect rounds=1"),
        without("everyone", "3 two 1/l sync collect rounds=1"),
        without("head-there", "3 behind l collect rounds=1"),
        without("fenced", "3 two 1/l sync collect rounds=1"),
    ];
    search::main_of("versions", RULES, &cases, &run);
}
