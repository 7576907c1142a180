//! One key while its replicas change: a layout change, a changed replication factor, or a replica
//! that lost its memory, under plain and conditional writes with ballots.
//!
//! Modelled: up to five replicas; an old and a new replica set with their own factors (1: 1 of 1,
//! 2: 2 of 2, 3: 2 of 3); three stages of a change (old alone, both, new alone) that nodes and
//! coordinators learn at different times; plain writes and deletes with restamping, reads with
//! write-back and take-over, conditional writes with ballots, sync between members; requests lost,
//! delayed, duplicated for ever and reordered, replies lost, coordinators that stop anywhere, nodes
//! that are never reached. One replica may lose everything, come back from an older copy of itself,
//! or find the row unreadable, at any moment, once. Members may be given up while they live and answer ("gone"), and
//! come back ("back"): what only those given up, or the lost memory, had acknowledged may be missing, and nothing
//! else is asked of a history that lost it.
//!
//! Not modelled: several keys, versions of one key, tombstone collection (collect.rs), how the nodes
//! agree on one next version (apply.rs), time.
//!
//! Checked: every answer fits a linearizable history of the key. That covers acknowledged writes that
//! are lost, wrong "not found", deletes undone and two winners of a conditional write.
//!
//! The register's own rules (prepare, stabilise, accept, promises, memory of accepted stamps) are
//! always on; `change list` names the rules that can be left out.
//!
//! Stamps: 2 * (clock * clients + client) + 1 for a new entry, one less for a ballot; a value that is
//! proposed again under a ballot has the ballot as its stamp. 0 is the row that was never written.

mod search;
use search::{Model, Outcome, all, explain, long, mix, not_needed, without};

const NODES: usize = 5;
const CLIENTS: usize = 4;
/// Row of rules: what `change list` prints.
const RULES: &[(&str, &str)] = &[
    ("view", "a replica refuses a request of an older stage than it knows"),
    ("joint-read", "between two versions a read needs a quorum in each (not in the old one only)"),
    ("joint-write", "between two versions a write needs a quorum in each (not in the new one only)"),
    ("joint-prepare", "between two versions a prepare needs a quorum in each (not in the new one only)"),
    ("dead-each", "a write counts as dead only when it is dead in each live version"),
    ("floor", "a joining replica takes nothing at or below the clocks of an old quorum"),
    ("floor-unknown", "what a floor refuses is answered unknown, not dead or blocked"),
    ("agree", "a copied row is taken when an old quorum holds it alike, else the key is read first"),
    ("copy-promise", "a copied row is refused below a promise given since; then the key is read first"),
    ("sync-quorum", "a joining replica copies from an old quorum, not from one member"),
    ("fenced-copy", "who serves a copy has left the old stage"),
    ("both-sync", "a replica in both sets counts as complete only after it copied too"),
    ("new-quorum", "the old version retires when a quorum of the new set is complete, not one member"),
    ("same-view", "the replies that an attempt counts were given under one view"),
    ("prepare-again", "an accept goes out only under the view of its prepare"),
    ("uncounted", "a replica that lost its memory counts in no quorum until it is whole"),
    ("pull-all", "it is whole after a pull from all other members, not from one"),
    ("life-view", "a replica refuses a request that counts on an older life of a member than it knows"),
    ("forgot-unknown", "for what may lie before its loss a replica answers unknown, never dead"),
    ("take-promises", "a pull takes promises too (found to be unnecessary: the floor covers it)"),
    ("new-life", "a replica that came back from an older copy counts as a new life"),
    ("row-ballot", "an unreadable row is replaced under a ballot that all other members promised"),
    ("row-all", "all other members, not one"),
    ("row-above", "a ballot above everything the replica ever saw"),
    ("forget-view", "a replica refuses a request that knows of fewer members given up than it does"),
    ("forget-known", "a second one is given up only when all that remained knew of the first"),
    ("forget-quorum", "min(quorum, remaining) of what remains must agree, not one"),
    ("forget-pull", "who lost its memory pulls from all that remain, not from one"),
    ("return-empty", "who returns after it was given up brings nothing along"),
    ("return-pull", "it counts after it pulled from all that remained, not from one"),
    ("return-known", "from each under its new view, so that all who remained know that it is back"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Write,
    Delete,
    Read,
    IfAbsent,
    IfEquals(u8),
    /// Run by the replica whose row is unreadable.
    Repair,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    None,
    Everything,
    /// Back to an older copy of itself.
    Restored,
    Row,
}

struct Change {
    old: u8,
    new: u8,
    changes: bool,
    scripts: Vec<Vec<Op>>,
    /// Replicas that hold an acknowledged first write of client 0.
    preset: u8,
    clocks_first: u8,
    clocks_max: u8,
    tries: u8,
    sync: bool,
    loss: Loss,
    loser: usize,
    off: Option<&'static str>,
    /// The live replica sets of each stage.
    sets: [Vec<u8>; 3],
    /// Starts where a conditional write of client 1 was promised by two members of the old set, and
    /// its accept and a write of client 0 are on their way.
    promised: bool,
    /// Further on: one member has the accept, another the write, the joining one its floor.
    split: bool,
    /// Floors and copies one member at a time, instead of from a quorum at once.
    slow: bool,
    /// The old set is gone once its version retired.
    late: bool,
    /// Who is given up, one level after the other; a level is part of every view.
    levels: Vec<u8>,
    /// On the last level the one that was given up is back.
    returns: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Node {
    row: u8,
    promise: u8,
    floor: u8,
    stage: u8,
    /// The newest life of the loser it knows.
    life: u8,
    /// Copied value that waits for a second opinion, plus one.
    first: u8,
    synced: bool,
    recovering: bool,
    accepted: u32,
    /// Old members that told their clocks; members copied from.
    floored: u8,
    pulled: u8,
    /// The level of those given up that it knows.
    level: u8,
    /// Given up, it has found out and begins anew.
    anew: bool,
}

#[derive(Clone, Copy, Default)]
struct Client {
    next: u8,
    phase: u8,
    stamp: u8,
    /// The newest stamp found.
    found: u8,
    high: u8,
    tries: u8,
    stage: u8,
    life: u8,
    level: u8,
    /// Some of its replies were given before the last one was given up.
    early: bool,
    replies: [u8; NODES],
}

#[derive(Clone)]
struct State {
    nodes: [Node; NODES],
    clients: [Client; CLIENTS],
    /// Requests in flight for ever, sorted; 0 is no message.
    messages: [u16; 16],
    /// Per ballot the stamp that it proposes again, plus one.
    again: [u8; 16],
    /// Possible histories: 4 bits for the value, 4 per client for the result of its open operation.
    histories: [u16; 28],
    retired: bool,
    lost: bool,
    /// Highest stamp the loser saw before its row became unreadable.
    saw: u8,
    copy: Option<(u8, u8, u32)>,
    /// The highest level that anybody knows.
    level: u8,
    /// Stamps that a client was told: written, or read.
    told: u32,
}

// Phases of a client.
const IDLE: u8 = 0;
const WRITE: u8 = 1;
const READ: u8 = 3;
const BACK: u8 = 4;
const PREPARE: u8 = 5;
const STABLE: u8 = 6;
const ACCEPT: u8 = 7;
const OVER: u8 = 8;
const OVER_STABLE: u8 = 9;
const REPAIR: u8 = 10;
// Answers to writes.
const OK: u8 = 1;
const DEAD: u8 = 2;
const UNKNOWN: u8 = 3;
const BLOCKED: u8 = 4;
const OLD_NEVER: u8 = 5;
const OLD_HELD: u8 = 6;
// Answers to reads and prepares are the row plus one, or these.
const OLD: u8 = 0x7E;
const REFUSED: u8 = 0x7F;
/// Added by a replica that counts in no quorum.
const UNCOUNTED: u8 = 0x80;

#[derive(Clone, Copy)]
enum Step {
    Begin(u8),
    Deliver(u16, u8, bool),
    Read(u8, u8),
    Back(u8, u8),
    Decide(u8, &'static str),
    Answer(u8, u8),
    Sync(u8, u8),
    Floor(u8, u8),
    Copy(u8, u8),
    Snapshot,
    Lose,
    Pull(u8),
    Mend,
    Forget(u8),
    Return,
    Refill(u8, u8),
}

fn members(mask: u8) -> impl DoubleEndedIterator<Item = usize> {
    (0..NODES).filter(move |node| mask >> node & 1 == 1)
}

fn quorum(mask: u8) -> usize {
    if mask.count_ones() == 1 { 1 } else { 2 }
}

/// The same when some members of the set were given up: min(quorum, remaining).
fn quorum_without(set: u8, gone: u8) -> usize {
    quorum(set).min((set & !gone).count_ones() as usize)
}

type Visit<'a> = &'a mut dyn FnMut(Step, Option<&'static str>, State);

impl Change {
    fn on(&self, rule: &str) -> bool {
        self.off != Some(rule)
    }
    fn width(&self) -> u8 {
        self.scripts.len() as u8
    }
    fn owner(&self, stamp: u8) -> usize {
        (stamp / 2 % self.width()) as usize
    }
    /// The client whose write this is; none for the row that was never written.
    fn writer(&self, state: &State, stamp: u8) -> Option<usize> {
        match stamp {
            0 => None,
            odd if odd % 2 == 1 => Some(self.owner(odd)),
            ballot => self.writer(state, state.again[ballot as usize / 2] - 1),
        }
    }
    fn value(&self, state: &State, stamp: u8) -> u8 {
        let Some(writer) = self.writer(state, stamp) else { return 0 };
        if self.scripts[writer].contains(&Op::Delete) { 0 } else { writer as u8 + 1 }
    }
    fn live(&self, stage: u8) -> &[u8] {
        &self.sets[usize::from(stage)]
    }
    fn live_of(&self, client: &Client, rule: &str) -> &[u8] {
        match (client.stage, self.on(rule), rule) {
            (1, false, "joint-read") => self.live(0),
            (1, false, _) => self.live(2),
            (stage, ..) => self.live(stage),
        }
    }
    fn all(&self, stage: u8) -> u8 {
        self.live(stage).iter().fold(0, |mask, set| mask | set)
    }
    /// Those given up on a level.
    fn gone(&self, level: u8) -> u8 {
        self.levels[usize::from(level)]
    }
    fn members_at(&self, stage: u8, level: u8) -> u8 {
        self.all(stage) & !self.gone(level)
    }
    fn quorum_at(&self, set: u8, level: u8) -> usize {
        let gone = self.gone(level);
        if gone & set != 0 && !self.on("forget-quorum") { 1 } else { quorum_without(set, gone) }
    }
    fn last_stage(&self, state: &State) -> u8 {
        if !self.changes { 0 } else { 1 + u8::from(state.retired) }
    }
    /// Whether a replica may take part: a joining one needs its floor first.
    fn ready(&self, node: usize, of: &Node) -> bool {
        self.old >> node & 1 == 1
            || !self.on("floor")
            || of.recovering
            || of.floored.count_ones() as usize >= self.quorum_at(self.old, of.level)
    }
    fn counts(&self, reply: u8) -> bool {
        reply & UNCOUNTED == 0 || !self.on("uncounted")
    }
    /// Whether each set has a quorum of replies that satisfy `good`.
    fn has_quorum(&self, sets: &[u8], client: &Client, good: impl Fn(u8) -> bool) -> bool {
        let replies = &client.replies;
        sets.iter().all(|set| {
            let counted = |node: &usize| self.counts(replies[*node]) && good(replies[*node] & !UNCOUNTED);
            let remaining = set & !self.gone(client.level);
            members(remaining).filter(counted).count() >= self.quorum_at(*set, client.level)
        })
    }
    /// Whether a write can no longer succeed or be seen.
    fn is_dead(&self, client: &Client) -> bool {
        let sets = self.live(client.stage);
        let dead = |set: &u8| {
            let count = |codes: &[u8]| {
                let is = |node: &usize| {
                    let reply = client.replies[*node];
                    self.counts(reply) && codes.contains(&(reply & !UNCOUNTED))
                };
                members(*set & !self.gone(client.level)).filter(is).count()
            };
            let size = (set & !self.gone(client.level)).count_ones() as usize;
            count(&[DEAD]) > size - self.quorum_at(*set, client.level)
                || count(&[DEAD, BLOCKED, OLD_NEVER]) == size
        };
        if self.on("dead-each") { sets.iter().all(dead) } else { sets.iter().any(dead) }
    }

    // Replicas.

    /// Raises a replica's view to a request's, or says that the request is older.
    fn enter(&self, node: &mut Node, stage: u8, life: u8, level: u8) -> bool {
        let old = self.on("view") && node.stage > stage
            || self.on("life-view") && node.life > life
            || self.on("forget-view") && node.level > level;
        if !old {
            node.stage = node.stage.max(stage);
            node.life = node.life.max(life);
            node.level = node.level.max(level);
        }
        !old
    }
    fn store(node: &mut Node, stamp: u8) {
        node.row = stamp;
        node.accepted |= 1 << stamp;
    }
    fn ever_held(&self, state: &State, node: &Node, stamp: u8) -> bool {
        let writer = self.writer(state, stamp);
        (1..32).any(|held| node.accepted >> held & 1 == 1 && self.writer(state, held) == writer)
    }
    /// Whether the replica can say that it never held this and never will.
    fn never_held(&self, state: &State, node: &Node, stamp: u8) -> bool {
        let forgot = (node.recovering || node.anew) && self.on("forgot-unknown");
        let before = stamp <= node.floor && self.on("floor-unknown");
        !forgot && !before && !self.ever_held(state, node, stamp)
    }
    fn refuse(&self, state: &State, node: &Node, stamp: u8) -> u8 {
        if !self.never_held(state, node, stamp) {
            UNKNOWN
        } else if node.row > stamp {
            DEAD
        } else {
            BLOCKED
        }
    }
    /// A request arrives; none when this replica does not take part.
    fn deliver(&self, state: &State, at: usize, node: &mut Node, message: u16) -> Option<u8> {
        let (kind, stamp, stage, life, level) = parts(message);
        if self.members_at(stage, level) >> at & 1 == 0 {
            return None;
        }
        if !self.enter(node, stage, life, level) {
            let held = !self.never_held(state, node, stamp);
            return Some(match kind {
                PREPARE => OLD,
                _ if held => OLD_HELD,
                _ => OLD_NEVER,
            });
        }
        if !self.ready(at, node) {
            return None;
        }
        let mark = if node.recovering || node.anew { UNCOUNTED } else { 0 };
        let had = node.accepted >> stamp & 1 == 1;
        let reply = match kind {
            WRITE if had => OK,
            WRITE if stamp > node.row && stamp > node.promise && stamp > node.floor => {
                Self::store(node, stamp);
                OK
            }
            PREPARE if stamp >= node.promise && stamp > node.row && stamp > node.floor => {
                node.promise = stamp;
                node.row + 1
            }
            PREPARE => REFUSED,
            ACCEPT | STABLE if had => OK,
            ACCEPT | STABLE if stamp > node.row && stamp >= node.promise && stamp > node.floor => {
                Self::store(node, stamp);
                node.promise = stamp;
                OK
            }
            STABLE => UNKNOWN,
            _ => self.refuse(state, node, stamp),
        };
        Some(reply | mark)
    }

    // Coordinators.

    fn views(&self, state: &State, client: &Client) -> Vec<(u8, u8, u8)> {
        let mut views = vec![];
        for life in client.life..=u8::from(state.lost && self.loss != Loss::Row) {
            for stage in client.stage..=self.last_stage(state) {
                views.extend((client.level..=state.level).map(|level| (stage, life, level)));
            }
        }
        views
    }
    fn send(state: &mut State, kind: u8, client: usize) {
        let of = state.clients[client];
        let stamp = of.stamp + u8::from(kind == ACCEPT);
        let message = message(kind, stamp, (of.stage, of.life, of.level));
        if !state.messages.contains(&message) {
            assert!(state.messages[0] == 0, "room for messages");
            state.messages[0] = message;
            state.messages.sort_unstable();
        }
    }
    fn begin(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        let Some(op) = self.scripts[who].get(client.next as usize) else { return };
        for (stage, life, level) in self.views(state, &client) {
            let mut start = state.clone();
            let c = &mut start.clients[who];
            (c.stage, c.life, c.level) = (stage, life, level);
            let stamp = |clock: u8| 2 * (clock * self.width() + who as u8);
            match op {
                Op::Read => {
                    start.clients[who].phase = READ;
                    visit(Step::Begin(who as u8), None, start);
                }
                Op::Repair => {
                    let z = state.nodes[self.loser];
                    let above = if self.on("row-above") { state.saw } else { 0 };
                    if z.recovering && self.on("row-ballot") {
                        let Some(ballot) = self.next_stamp(who, above, 0) else { continue };
                        let c = &mut start.clients[who];
                        (c.phase, c.stamp) = (REPAIR, ballot);
                        Self::send(&mut start, PREPARE, who);
                        visit(Step::Begin(who as u8), None, start);
                    }
                }
                Op::Write | Op::Delete => {
                    for clock in 1..=self.clocks_first {
                        let mut start = start.clone();
                        let c = &mut start.clients[who];
                        (c.phase, c.stamp) = (WRITE, stamp(clock) + 1);
                        Self::send(&mut start, WRITE, who);
                        visit(Step::Begin(who as u8), None, start);
                    }
                }
                Op::IfAbsent | Op::IfEquals(_) => {
                    for clock in 1..=self.clocks_first {
                        let mut start = start.clone();
                        let c = &mut start.clients[who];
                        (c.phase, c.stamp) = (PREPARE, stamp(clock));
                        Self::send(&mut start, PREPARE, who);
                        visit(Step::Begin(who as u8), None, start);
                    }
                }
            }
        }
    }
    fn next_stamp(&self, who: usize, high: u8, own: u8) -> Option<u8> {
        let above = high.max(own) / 2;
        let mut clock = above / self.width();
        if clock * self.width() + who as u8 <= above {
            clock += 1;
        }
        (clock <= self.clocks_max).then(|| 2 * (clock * self.width() + who as u8))
    }
    /// Tries again: after a refusal with one try less, after an older view under a newer one.
    fn again(&self, state: &State, who: usize, phase: u8, newer: bool, visit: Visit) {
        let client = state.clients[who];
        let mine = (client.stage, client.life, client.level);
        let views = if newer { self.views(state, &client) } else { vec![mine] };
        for (stage, life, level) in views {
            let same = (stage, life, level) == mine;
            if same == newer || !newer && client.tries + 1 >= self.tries {
                continue;
            }
            let mut next = state.clone();
            let c = &mut next.clients[who];
            *c = Client {
                next: client.next,
                phase,
                stamp: client.stamp,
                tries: client.tries,
                stage,
                life,
                level,
                ..Client::default()
            };
            c.tries += u8::from(!newer);
            if newer && phase == client.phase && !self.on("same-view") {
                c.replies = client
                    .replies
                    .map(|reply| if [OLD_NEVER, OLD_HELD, OLD].contains(&reply) { 0 } else { reply });
            }
            let resend = newer && (phase == WRITE || phase == ACCEPT);
            if phase != READ && !resend {
                let Some(stamp) = self.next_stamp(who, client.high, client.stamp) else { continue };
                c.stamp = stamp + u8::from(phase == WRITE);
            }
            match phase {
                WRITE | ACCEPT => Self::send(&mut next, phase, who),
                PREPARE | OVER => Self::send(&mut next, PREPARE, who),
                _ => {}
            }
            visit(
                Step::Decide(who as u8, if newer { "tries under a newer view" } else { "tries again" }),
                None,
                next,
            );
        }
    }
    fn decide(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        let replies = &client.replies;
        let any = |codes: &[u8]| replies.iter().any(|reply| codes.contains(&(reply & !UNCOUNTED)));
        let accepted = |sets: &[u8]| self.has_quorum(sets, &client, |reply| reply == OK);
        let writes = self.live_of(&client, "joint-write");
        match client.phase {
            WRITE => {
                if accepted(writes) {
                    self.answer(state, who, 0, visit);
                } else {
                    if self.is_dead(&client) {
                        self.again(state, who, WRITE, false, visit);
                    }
                    if any(&[OLD_NEVER, OLD_HELD]) {
                        self.again(state, who, WRITE, true, visit);
                    }
                }
            }
            READ => {
                if any(&[OLD]) {
                    self.again(state, who, READ, true, visit);
                }
                let sets = self.live_of(&client, "joint-read");
                let rows = |reply: u8| reply != 0 && reply != OLD;
                if self.has_quorum(sets, &client, rows) {
                    let newest = self.newest(replies);
                    if self.has_quorum(sets, &client, |reply| reply == newest + 1) {
                        self.answer(state, who, self.value(state, newest), visit);
                    } else {
                        let mut next = state.clone();
                        let c = &mut next.clients[who];
                        (c.phase, c.found) = (BACK, newest);
                        self.keep_equal(c, newest);
                        visit(Step::Decide(who as u8, "writes back"), None, next);
                    }
                }
            }
            BACK => {
                if accepted(self.live(client.stage)) {
                    self.answer(state, who, self.value(state, client.found), visit);
                } else {
                    if any(&[OLD_NEVER, OLD_HELD]) {
                        self.again(state, who, READ, true, visit);
                    }
                    if any(&[DEAD, UNKNOWN]) {
                        self.again(state, who, READ, false, visit);
                    }
                    if any(&[UNKNOWN]) {
                        self.again(state, who, OVER, false, visit);
                    }
                }
            }
            PREPARE | OVER => {
                let sets = self.live_of(&client, "joint-prepare");
                let rows = |reply: u8| ![0, OLD, REFUSED].contains(&reply);
                if self.has_quorum(sets, &client, rows) {
                    let newest = self.newest(replies);
                    if self.has_quorum(sets, &client, |reply| reply == newest + 1) {
                        self.evaluate(state, who, newest, visit);
                    } else {
                        let mut next = state.clone();
                        let c = &mut next.clients[who];
                        (c.phase, c.found, c.replies) = (client.phase + 1, newest, [0; NODES]);
                        next.again[client.stamp as usize / 2] = newest + 1;
                        Self::send(&mut next, STABLE, who);
                        visit(Step::Decide(who as u8, "proposes the newest again"), None, next);
                    }
                } else {
                    if any(&[REFUSED]) {
                        self.again(state, who, client.phase, false, visit);
                    }
                    if any(&[OLD]) {
                        self.again(state, who, client.phase, true, visit);
                    }
                }
            }
            STABLE | OVER_STABLE => {
                if accepted(self.live(client.stage)) {
                    self.evaluate(state, who, client.found, visit);
                } else {
                    if any(&[DEAD, UNKNOWN]) {
                        self.again(state, who, client.phase - 1, false, visit);
                    }
                    if any(&[OLD_NEVER, OLD_HELD]) {
                        self.again(state, who, client.phase - 1, true, visit);
                    }
                }
            }
            ACCEPT => {
                if accepted(writes) {
                    self.answer(state, who, 1, visit);
                } else {
                    if self.is_dead(&client) {
                        self.again(state, who, PREPARE, any(&[OLD_NEVER]), visit);
                    }
                    if any(&[OLD_NEVER, OLD_HELD]) && !self.on("prepare-again") {
                        self.again(state, who, ACCEPT, true, visit);
                    }
                }
            }
            REPAIR => self.mend(state, who, visit),
            _ => {}
        }
    }
    fn newest(&self, replies: &[u8; NODES]) -> u8 {
        let row = |reply: &u8| match reply & !UNCOUNTED {
            0 | OLD | REFUSED => 0,
            row => row - 1,
        };
        replies.iter().map(row).max().unwrap_or(0)
    }
    /// Who answered with the newest row need not be written to.
    fn keep_equal(&self, client: &mut Client, newest: u8) {
        for reply in &mut client.replies {
            *reply = if *reply & !UNCOUNTED == newest + 1 { OK | *reply & UNCOUNTED } else { 0 };
        }
    }
    fn evaluate(&self, state: &State, who: usize, newest: u8, visit: Visit) {
        let client = state.clients[who];
        let value = self.value(state, newest);
        if client.phase >= OVER {
            return self.answer(state, who, value, visit);
        }
        let wanted = match self.scripts[who][client.next as usize] {
            Op::IfEquals(wanted) => wanted,
            _ => 0,
        };
        if value != wanted {
            return self.answer(state, who, 0, visit);
        }
        let mut next = state.clone();
        let c = &mut next.clients[who];
        (c.phase, c.found, c.replies) = (ACCEPT, 0, [0; NODES]);
        Self::send(&mut next, ACCEPT, who);
        visit(Step::Decide(who as u8, "condition holds, accept"), None, next);
    }
    /// The unreadable row is replaced once the other members promised.
    fn mend(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        let others = self.members_at(client.stage, client.level) & !(1 << self.loser);
        let promised = |node: &usize| ![0, OLD, REFUSED].contains(&client.replies[*node]);
        let wanted = if self.on("row-all") { others.count_ones() as usize } else { 1 };
        if members(others).filter(promised).count() < wanted {
            if client.replies.contains(&REFUSED) {
                let mut next = state.clone();
                let Some(stamp) = self.next_stamp(who, client.high, client.stamp) else { return };
                let c = &mut next.clients[who];
                (c.stamp, c.replies) = (stamp, [0; NODES]);
                Self::send(&mut next, PREPARE, who);
                visit(Step::Decide(who as u8, "tries again"), None, next);
            }
            return;
        }
        let newest = self.newest(&client.replies);
        let mut next = state.clone();
        next.again[client.stamp as usize / 2] = newest + 1;
        let z = &mut next.nodes[self.loser];
        Self::store(z, client.stamp);
        (z.promise, z.recovering) = (client.stamp, false);
        if self.on("forgot-unknown") {
            z.floor = client.stamp;
        }
        next.clients[who] = Client { next: client.next + 1, ..Client::default() };
        visit(Step::Mend, None, next);
    }

    // Linearizability: the possible histories, kept as a set.

    fn answer(&self, state: &State, who: usize, result: u8, visit: Visit) {
        let open = state.histories.iter().copied().filter(|history| *history != u16::MAX);
        let fits = explain(open.map(u32::from), (who, result), (self.scripts.len(), 3), |client, value| {
            let of = state.clients[client];
            if of.phase == IDLE || of.phase == REPAIR {
                return None;
            }
            Some(match self.scripts[client][of.next as usize] {
                Op::Write => (client as u32 + 1, 0),
                Op::Delete => (0, 0),
                Op::Read | Op::Repair => (value, value),
                Op::IfAbsent if value == 0 => (client as u32 + 1, 1),
                Op::IfEquals(wanted) if value == u32::from(wanted) => (client as u32 + 1, 1),
                _ => (value, 0),
            })
        });
        let fits: Vec<u16> = fits.into_iter().map(|history| history as u16).collect();
        let mut next = state.clone();
        let bad = fits.is_empty().then_some("an answer that no order of the operations explains");
        assert!(fits.len() <= next.histories.len(), "room for histories");
        next.histories = [u16::MAX; 28];
        next.histories[..fits.len()].copy_from_slice(&fits);
        let client = state.clients[who];
        next.clients[who] = Client {
            next: client.next + 1,
            stage: client.stage,
            life: client.life,
            level: client.level,
            ..Client::default()
        };
        let told = self.stamp_told(&client);
        if self.levels.len() > 1 {
            next.told |= 1 << told;
        }
        // Acknowledged by those alone who are gone, with a reply of before.
        let holds = |at: usize| state.nodes[at].accepted >> told & 1 == 1;
        if (state.lost || client.early) && told > 0 && state.level > 0 && !self.remaining(state).any(holds) {
            return;
        }
        if self.scripts[who].len() > client.next as usize + 1 {
            next.clients[who].stamp = client.stamp;
        }
        visit(Step::Answer(who as u8, result), bad, next);
    }

    /// The stamp that an answer rests on.
    fn stamp_told(&self, client: &Client) -> u8 {
        match client.phase {
            WRITE => client.stamp,
            ACCEPT => client.stamp + 1,
            STABLE | OVER_STABLE => client.stamp,
            BACK => client.found,
            _ => self.newest(&client.replies),
        }
    }

    // Messages and replies.

    fn keep(client: &mut Client, at: usize, reply: u8, node: &Node) {
        client.replies[at] = reply;
        client.high = client.high.max(node.row).max(node.promise).max(node.floor);
    }
    fn messages(&self, state: &State, visit: Visit) {
        for message in state.messages.into_iter().filter(|message| *message != 0) {
            let (kind, stamp, stage, life, level) = parts(message);
            let who = self.owner(stamp);
            let client = state.clients[who];
            let waits = match kind {
                PREPARE => [PREPARE, OVER, REPAIR].contains(&client.phase),
                STABLE => [STABLE, OVER_STABLE].contains(&client.phase),
                _ => client.phase == kind,
            } && client.stamp == stamp - u8::from(kind == ACCEPT)
                && (client.stage, client.life, client.level) == (stage, life, level);
            for at in 0..NODES {
                if self.is_silent(state, at) {
                    continue;
                }
                let mut node = state.nodes[at];
                let Some(reply) = self.deliver(state, at, &mut node, message) else { continue };
                let mut next = state.clone();
                next.nodes[at] = node;
                if node != state.nodes[at] {
                    visit(Step::Deliver(message, at as u8, false), None, next.clone());
                }
                if waits && client.replies[at] == 0 {
                    Self::keep(&mut next.clients[who], at, reply, &node);
                    visit(Step::Deliver(message, at as u8, true), None, next);
                }
            }
        }
    }
    /// An unreadable row stores nothing.
    fn is_silent(&self, state: &State, at: usize) -> bool {
        self.loss == Loss::Row && at == self.loser && state.nodes[at].recovering
    }
    fn reads(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        if client.phase != READ && client.phase != BACK {
            return;
        }
        let sets =
            if client.phase == READ { self.live_of(&client, "joint-read") } else { self.live(client.stage) };
        let asked = sets.iter().fold(0, |mask, set| mask | set) & !self.gone(client.level);
        for at in members(asked) {
            if client.replies[at] != 0 || self.is_silent(state, at) {
                continue;
            }
            let mut node = state.nodes[at];
            let entered = self.enter(&mut node, client.stage, client.life, client.level);
            if entered && !self.ready(at, &node) {
                continue;
            }
            let mark = if node.recovering || node.anew { UNCOUNTED } else { 0 };
            let found = client.found;
            let reply = match client.phase {
                READ if entered => node.row + 1 | mark,
                READ => OLD,
                _ if !entered => OLD_HELD,
                _ if node.accepted >> found & 1 == 1 || found == 0 && node.row == 0 => OK | mark,
                _ if found > node.row && found > node.promise && found > node.floor => {
                    Self::store(&mut node, found);
                    OK | mark
                }
                _ if found < node.row => DEAD,
                _ => UNKNOWN,
            };
            let mut next = state.clone();
            next.nodes[at] = node;
            if client.phase == BACK && node.row != state.nodes[at].row {
                visit(Step::Back(who as u8, at as u8), None, next.clone());
            }
            Self::keep(&mut next.clients[who], at, reply, &node);
            let step = if client.phase == READ {
                Step::Read(who as u8, at as u8)
            } else {
                Step::Back(who as u8, at as u8)
            };
            visit(step, None, next);
        }
    }
    fn sync(&self, state: &State, visit: Visit) {
        for from in 0..NODES {
            let source = state.nodes[from];
            if source.row == 0 || source.recovering || source.anew {
                continue;
            }
            for to in members(self.members_at(source.stage, source.level)) {
                let mut node = state.nodes[to];
                let row = source.row;
                let takes = row > node.row && row > node.promise && row > node.floor;
                if from == to
                    || !takes
                    || self.members_at(source.stage, source.level) >> from & 1 == 0
                    || self.is_silent(state, to)
                {
                    continue;
                }
                if self.enter(&mut node, source.stage, source.life, source.level) && self.ready(to, &node) {
                    let mut next = state.clone();
                    Self::store(&mut node, row);
                    next.nodes[to] = node;
                    visit(Step::Sync(from as u8, to as u8), None, next);
                }
            }
        }
    }

    // The change.

    fn change(&self, state: &State, visit: Visit) {
        for to in members(self.new) {
            let node = state.nodes[to];
            let joins = self.old >> to & 1 == 0;
            if node.recovering || node.anew || self.gone(node.level) >> to & 1 == 1 {
                continue;
            }
            for level in node.level..=state.level {
                let mut state = state.clone();
                state.nodes[to].level = level;
                let node = state.nodes[to];
                if joins && self.on("floor") && !self.ready(to, &node) {
                    self.from_quorum(&state, (node.floored, level), None, &mut |from| {
                        self.take_floor(&state, from, to, visit)
                    });
                }
                if !node.synced && self.ready(to, &node) {
                    let (itself, heard) = ((!joins).then_some(to), (node.pulled, level));
                    self.from_quorum(&state, heard, itself, &mut |from| self.copy(&state, from, to, visit));
                }
            }
        }
    }
    /// Every way to hear an old quorum: at once, or (slow) one more member. In a scope "late" the old
    /// set is gone once its version retired: a quorum of complete members of the new one stands in.
    fn from_quorum(
        &self,
        state: &State,
        (heard, level): (u8, u8),
        itself: Option<usize>,
        hear: &mut dyn FnMut(u8),
    ) {
        let late = self.late && state.retired;
        let whole = if late { self.new } else { self.old };
        let wanted = if self.on("sync-quorum") { self.quorum_at(whole, level) } else { 1 };
        let set = whole & !self.gone(level);
        for mask in 1..=set {
            // Who knows of more given up than the one who asks refuses.
            if members(mask).any(|from| state.nodes[from].level > level || state.nodes[from].anew) {
                continue;
            }
            let fits = if self.slow {
                mask.count_ones() == 1 && heard & mask == 0
            } else if late {
                mask.count_ones() as usize == wanted && members(mask).all(|node| state.nodes[node].synced)
            } else {
                mask.count_ones() as usize == wanted
                    && itself.is_none_or(|node| mask >> node & 1 == 1 || wanted == 1)
            };
            if fits && mask & !set == 0 {
                hear(mask);
            }
        }
    }
    fn take_floor(&self, state: &State, from: u8, to: usize, visit: Visit) {
        let mut next = state.clone();
        let level = next.nodes[to].level;
        for from in members(from) {
            let source = &mut next.nodes[from];
            source.stage = source.stage.max(1);
            source.level = source.level.max(level);
            let highest = (31 - (source.accepted | 1).leading_zeros()) as u8;
            let floor = source.promise.max(source.floor).max(highest);
            let node = &mut next.nodes[to];
            node.stage = node.stage.max(1);
            node.floor = node.floor.max(floor);
            node.floored |= if self.late && state.retired { self.old } else { 1 << from };
        }
        if next.nodes.iter().enumerate().any(|(at, node)| from >> at & 1 == 1 && node.recovering) {
            return;
        }
        visit(Step::Floor(to as u8, from), None, next);
    }
    fn copy(&self, state: &State, from: u8, to: usize, visit: Visit) {
        let mut next = state.clone();
        if members(from).any(|from| state.nodes[from].recovering) {
            return;
        }
        next.nodes[to].stage = next.nodes[to].stage.max(1);
        let level = next.nodes[to].level;
        for from in members(from) {
            next.nodes[from].level = next.nodes[from].level.max(level);
            if self.on("fenced-copy") {
                next.nodes[from].stage = next.nodes[from].stage.max(1);
            }
            let row = next.nodes[from].row;
            let node = &mut next.nodes[to];
            if self.on("agree") {
                // When they differ somebody reads the key, which makes them agree; then again.
                node.pulled = if node.first == row + 1 { node.pulled } else { 0 };
                node.first = row + 1;
            } else {
                node.first = node.first.max(row + 1);
            }
            node.pulled |= 1 << from;
        }
        let all = if self.on("sync-quorum") { self.quorum_at(self.old, level) } else { 1 };
        let wanted = if self.slow { all } else { from.count_ones() as usize };
        let node = &mut next.nodes[to];
        if node.pulled.count_ones() as usize >= wanted {
            let row = node.first - 1;
            if row > node.row {
                if row < node.promise && self.on("copy-promise") {
                    return;
                }
                Self::store(node, row);
            }
            (node.synced, node.pulled, node.first) = (true, 0, 0);
        } else if !self.slow {
            (node.pulled, node.first) = (0, 0);
        }
        let complete =
            |node: &usize| next.nodes[*node].synced || !self.on("both-sync") && self.old >> node & 1 == 1;
        let wanted = if self.on("new-quorum") { self.quorum_at(self.new, level) } else { 1 };
        next.retired |= members(self.new & !self.gone(level)).filter(complete).count() >= wanted;
        visit(Step::Copy(to as u8, from), None, next);
    }

    // The loss.

    fn loss(&self, state: &State, visit: Visit) {
        let z = self.loser;
        let node = state.nodes[z];
        if !state.lost {
            if self.loss == Loss::Restored
                && state.copy.is_none()
                && node.accepted | u32::from(node.promise) != 0
            {
                let mut next = state.clone();
                next.copy = Some((node.row, node.promise, node.accepted));
                visit(Step::Snapshot, None, next);
            }
            if node.accepted == 0 && node.promise == 0 && node.floored == 0
                || self.loss == Loss::Restored && state.copy.is_none()
            {
                return;
            }
            let mut next = state.clone();
            let (row, promise, accepted) =
                if self.loss == Loss::Restored { state.copy.unwrap_or_default() } else { (0, 0, 0) };
            (next.lost, next.copy) = (true, None);
            if self.levels.len() > 1 {
                next.told |= self.chosen(state);
            }
            let silently = self.loss == Loss::Restored && !self.on("new-life");
            let life = u8::from(self.loss != Loss::Row && !silently);
            // The layout is asked for before anything else: it knows again who was given up.
            let level = node.level;
            next.nodes[z] =
                Node { row, promise, accepted, life, recovering: !silently, level, ..Node::default() };
            if self.loss == Loss::Row {
                next.saw = node.promise.max((31 - (node.accepted | 1).leading_zeros()) as u8);
                next.nodes[z].stage = node.stage;
            }
            if !self.is_excused(&next) {
                visit(Step::Lose, None, next);
            }
            return;
        }
        if !node.recovering || self.loss == Loss::Row && self.on("row-ballot") {
            return;
        }
        for from in 0..NODES {
            let source = &state.nodes[from];
            let (stage, level) = (node.stage.max(source.stage), node.level.max(source.level));
            if from == z
                || node.pulled >> from & 1 == 1
                || self.members_at(stage, level) >> from & 1 == 0
                || self.gone(level) >> z & 1 == 1
                || source.anew
            {
                continue;
            }
            let mut next = state.clone();
            if level > node.level {
                next.nodes[z].pulled = 0;
            }
            let source = &mut next.nodes[from];
            source.level = level;
            if self.on("life-view") {
                source.life = source.life.max(node.life);
            }
            let (row, promise) = (source.row, source.promise);
            let highest = (31 - (source.accepted | 1).leading_zeros()) as u8;
            let floor = source.promise.max(source.floor).max(highest);
            let node = &mut next.nodes[z];
            if self.on("forgot-unknown") {
                node.floor = node.floor.max(floor);
            }
            (node.stage, node.level) = (stage, level);
            node.pulled |= 1 << from;
            if row > node.row {
                Self::store(node, row);
            }
            if self.on("take-promises") {
                node.promise = node.promise.max(promise);
            }
            let others = self.members_at(stage, level) & !(1 << z);
            let all = if self.gone(level) == 0 { self.on("pull-all") } else { self.on("forget-pull") };
            let whole = if all { node.pulled & others == others } else { node.pulled != 0 };
            if whole {
                (node.recovering, node.pulled, node.floored) = (false, 0, self.old);
            }
            visit(Step::Pull(from as u8), None, next);
        }
    }

    // Giving up.

    /// Whether something that a client was told is left on nobody who remains: what may be missing when a member is
    /// given up. From then on nothing is asked of the history.
    fn is_excused(&self, state: &State) -> bool {
        let holds = |stamp: u8, node: &Node| node.accepted >> stamp & 1 == 1 || node.row >= stamp;
        let is_held = |stamp| self.remaining(state).any(|at| holds(stamp, &state.nodes[at]));
        state.level > 0 && (1..32).any(|stamp| state.told >> stamp & 1 == 1 && !is_held(stamp))
    }
    /// Those who were not given up, or are whole again.
    fn remaining(&self, state: &State) -> impl Iterator<Item = usize> {
        let gone = self.gone(state.level);
        members((self.old | self.new) & !gone).filter(|at| !state.nodes[*at].anew)
    }
    /// Stamps that a quorum of a set holds now: a client may be told any moment.
    fn chosen(&self, state: &State) -> u32 {
        let holders = |set: u8, stamp: u8| {
            members(set).filter(|at| state.nodes[*at].accepted >> stamp & 1 == 1).count()
        };
        let sets = [self.old, self.new];
        let is_chosen = |stamp: &u8| sets.iter().any(|set| holders(*set, *stamp) >= quorum(*set));
        (1..32).filter(is_chosen).fold(0, |stamps, stamp| stamps | 1 << stamp)
    }
    /// The next one is given up, through any member that remains and knows of all before.
    fn forget(&self, state: &State, visit: Visit) {
        let level = state.level + 1;
        let is_return = self.returns && usize::from(level) + 1 == self.levels.len();
        if usize::from(level) >= self.levels.len() || is_return {
            return;
        }
        let knows = |at: &usize| state.nodes[*at].level == state.level;
        let all = self.all(self.last_stage(state));
        let before = all & !self.gone(state.level);
        if self.on("forget-known") && state.level > 0 && !members(before).all(|at| knows(&at)) {
            return;
        }
        for by in members(all & !self.gone(level)).filter(knows) {
            let mut next = state.clone();
            (next.level, next.told) = (level, state.told | self.chosen(state));
            (next.nodes[by].level, next.nodes[by].pulled) = (level, 0);
            for client in &mut next.clients {
                client.early |= client.replies != [0; NODES];
            }
            if !self.is_excused(&next) {
                visit(Step::Forget(by as u8), None, next);
            }
        }
    }
    /// Who was given up lives and finds out: it begins a new life, which all learn of from whom it is filled.
    fn come_back(&self, state: &State, visit: Visit) {
        let at = self.gone(1).trailing_zeros() as usize;
        let node = state.nodes[at];
        if !self.returns || state.level == 0 {
            return;
        }
        if state.level == 1 {
            let mut remaining = members(self.all(self.last_stage(state)) & !self.gone(1));
            if remaining.any(|of| state.nodes[of].recovering) {
                return;
            }
            let mut next = state.clone();
            next.level = 2;
            next.nodes[at] = Node { level: 2, anew: true, ..Node::default() };
            if !self.on("return-empty") {
                next.nodes[at] = Node { level: 2, ..node };
            }
            visit(Step::Return, None, next);
        }
        let others = self.all(self.last_stage(state)) & !(1 << at);
        for from in members(others).filter(|_| node.anew) {
            let source = &state.nodes[from];
            if node.pulled >> from & 1 == 1 || source.recovering {
                continue;
            }
            let mut next = state.clone();
            let highest = (31 - (source.accepted | 1).leading_zeros()) as u8;
            let (row, floor) = (source.row, source.promise.max(source.floor).max(highest));
            let (life, stage) = (source.life, source.stage);
            if self.on("return-known") {
                next.nodes[from].level = 2;
            }
            let node = &mut next.nodes[at];
            (node.floor, node.life, node.stage) =
                (node.floor.max(floor), node.life.max(life), node.stage.max(stage));
            node.pulled |= 1 << from;
            if row > node.row {
                Self::store(node, row);
            }
            if node.pulled == others || !self.on("return-pull") {
                (node.anew, node.pulled, node.floored) = (false, 0, self.old);
            }
            visit(Step::Refill(at as u8, from as u8), None, next);
        }
    }
}

/// A request: its view is stage, life and level.
fn message(kind: u8, stamp: u8, (stage, life, level): (u8, u8, u8)) -> u16 {
    u16::from(level) << 13
        | u16::from(kind) << 9
        | u16::from(life) << 8
        | u16::from(stage) << 6
        | u16::from(stamp)
}

fn parts(message: u16) -> (u8, u8, u8, u8, u8) {
    let kind = (message >> 9 & 15) as u8;
    let (stage, life, level) = ((message >> 6 & 3) as u8, (message >> 8 & 1) as u8, (message >> 13) as u8);
    (kind, (message & 63) as u8, stage, life, level)
}

impl Model for Change {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let mut state = State {
            nodes: [Node::default(); NODES],
            clients: [Client::default(); CLIENTS],
            messages: [0; 16],
            again: [0; 16],
            histories: [u16::MAX; 28],
            retired: false,
            lost: false,
            saw: 0,
            copy: None,
            level: 0,
            told: 0,
        };
        state.histories[0] = 0;
        if self.preset != 0 {
            let stamp = 2 * self.width() + 1;
            members(self.preset).for_each(|node| Self::store(&mut state.nodes[node], stamp));
            state.clients[0].next = 1;
            state.messages[15] = message(WRITE, stamp, (0, 0, 0));
            state.told = if self.levels.len() > 1 { 1 << stamp } else { 0 };
            state.histories[0] = 1;
        }
        if self.promised {
            let (write, ballot) = (2 * self.width() + 1, 2 * (self.width() + 1));
            for node in members(self.old).rev().take(quorum(self.old)) {
                state.nodes[node].promise = ballot;
            }
            state.clients[0] = Client { phase: WRITE, stamp: write, ..Client::default() };
            state.clients[1] = Client { phase: ACCEPT, stamp: ballot, ..Client::default() };
            Self::send(&mut state, WRITE, 0);
            Self::send(&mut state, ACCEPT, 1);
            if self.split {
                Self::store(&mut state.nodes[0], write);
                Self::store(&mut state.nodes[1], ballot + 1);
                for joining in members(self.new & !self.old) {
                    let node = &mut state.nodes[joining];
                    (node.floor, node.floored, node.stage) = (ballot + 1, 0b110, 1);
                }
                state.nodes[1].stage = 1;
                state.nodes[2].stage = 1;
            }
        }
        state
    }

    fn key(&self, state: &State) -> u64 {
        // Replicas with the same memberships are interchangeable.
        let mut order: [usize; NODES] = std::array::from_fn(|node| node);
        let class = |node: usize| {
            let loser = u8::from(self.loss != Loss::None && node == self.loser);
            let gone = self.levels.iter().fold(0, |bits, gone| bits << 1 | gone >> node & 1);
            gone << 3 | loser << 2 | (self.old >> node & 1) << 1 | self.new >> node & 1
        };
        let replies = |node: usize| state.clients.map(|client| client.replies[node]);
        let rank = |node: usize| {
            let of = &state.nodes[node];
            let first = u32::from_le_bytes([of.row, of.promise, of.floor, of.stage]);
            let flags =
                of.level << 3 | u8::from(of.anew) << 2 | u8::from(of.synced) << 1 | u8::from(of.recovering);
            let second = u32::from_le_bytes([of.life, of.first, flags, class(node)]);
            (u64::from(second) << 32 | u64::from(first), of.accepted, replies(node))
        };
        let ranks: [_; NODES] = std::array::from_fn(rank);
        order.sort_unstable_by_key(|node| ranks[*node]);
        let map =
            |mask: u8| order.iter().enumerate().fold(0, |out, (new, old)| out | (mask >> old & 1) << new);
        let mut hash = 0x9E37_79B9_7F4A_7C15;
        for node in &order {
            let of = &state.nodes[*node];
            let bytes = [
                of.row,
                of.promise,
                of.floor,
                of.stage,
                of.life,
                of.first,
                u8::from(of.synced) | of.level << 1 | u8::from(of.anew) << 4,
                u8::from(of.recovering),
            ];
            mix(&mut hash, u64::from_le_bytes(bytes));
            mix(
                &mut hash,
                u64::from(of.accepted) | u64::from(map(of.floored)) << 32 | u64::from(map(of.pulled)) << 40,
            );
            mix(&mut hash, u64::from(u32::from_le_bytes(replies(*node))));
        }
        for c in &state.clients[..self.scripts.len()] {
            mix(
                &mut hash,
                u64::from_le_bytes([
                    c.next,
                    c.phase,
                    c.stamp,
                    c.found,
                    c.high,
                    c.tries,
                    c.stage,
                    c.life | c.level << 1 | u8::from(c.early) << 4,
                ]),
            );
        }
        for words in state.messages.chunks(4).chain(state.histories.chunks(4)) {
            mix(&mut hash, words.iter().fold(0, |sum, word| sum << 16 | u64::from(*word)));
        }
        for words in state.again.chunks(8) {
            mix(&mut hash, words.iter().fold(0, |sum, word| sum << 8 | u64::from(*word)));
        }
        let (row, promise, accepted) = state.copy.unwrap_or((99, 0, 0));
        mix(&mut hash, u64::from(row) | u64::from(promise) << 8 | u64::from(accepted) << 16);
        mix(&mut hash, u64::from(state.retired) | u64::from(state.lost) << 1 | u64::from(state.saw) << 2);
        mix(&mut hash, u64::from(state.told) | u64::from(state.level) << 32);
        hash
    }

    fn next(&self, state: &State, visit: Visit) {
        // Only reads and conditional writes can be answered wrongly: without one to come, all is said.
        let silent = |(who, script): (usize, &Vec<Op>)| {
            let rest = &script[script.len().min(state.clients[who].next as usize)..];
            rest.iter().all(|op| [Op::Write, Op::Delete, Op::Repair].contains(op))
        };
        if self.scripts.iter().enumerate().all(silent) {
            return;
        }
        // A write that has its quorum is answered at once: later answers constrain the history less,
        // and its requests stay in flight anyway.
        let ready = |who: &usize| {
            let client = &state.clients[*who];
            let sets = match client.phase {
                WRITE | ACCEPT => self.live_of(client, "joint-write"),
                STABLE | OVER_STABLE => self.live(client.stage),
                _ => return false,
            };
            self.has_quorum(sets, client, |reply| reply == OK)
        };
        if let Some(who) = (0..self.scripts.len()).find(ready) {
            return self.decide(state, who, visit);
        }
        for who in 0..self.scripts.len() {
            if state.clients[who].phase == IDLE {
                self.begin(state, who, visit);
            } else {
                self.reads(state, who, visit);
                self.decide(state, who, visit);
            }
        }
        self.messages(state, visit);
        if self.sync {
            self.sync(state, visit);
        }
        if self.changes {
            self.change(state, visit);
        }
        if self.loss != Loss::None {
            self.loss(state, visit);
        }
        if self.levels.len() > 1 {
            self.forget(state, visit);
            self.come_back(state, visit);
        }
    }

    fn show(&self, before: &State, step: Step, after: &State) -> String {
        let node = |at: u8| (b'A' + at) as char;
        let stamp = |stamp: u8| match stamp {
            0 => "-".to_owned(),
            _ => {
                let again = if stamp % 2 == 0 { "'" } else { "" };
                format!("{}{}{again}", (b'w' + self.owner(stamp) as u8) as char, stamp / 2 / self.width())
            }
        };
        let who = |client: u8| {
            let of = before.clients[client as usize];
            let op = self.scripts[client as usize].get(of.next as usize).unwrap_or(&Op::Read);
            format!("{} {op:?}", (b'w' + client) as char)
        };
        let names = |mask: u8| members(mask).map(|at| node(at as u8)).collect::<String>();
        let view = |stage: u8, life: u8, level: u8| {
            let life = if life > 0 { ", new life" } else { "" };
            let level = if level > 0 { format!(", level {level}") } else { String::new() };
            format!("stage {stage}{life}{level}")
        };
        let text = match step {
            Step::Begin(client) => {
                let of = after.clients[client as usize];
                format!(
                    "{} begins, stamp {}, {}",
                    who(client),
                    stamp(of.stamp),
                    view(of.stage, of.life, of.level)
                )
            }
            Step::Deliver(message, at, kept) => {
                let (kind, of, stage, life, level) = parts(message);
                let what = match kind {
                    WRITE => "write",
                    PREPARE => "prepare",
                    ACCEPT => "accept",
                    _ => "propose again",
                };
                let reply = if kept {
                    format!(": {}", self.word(kind, after.clients[self.owner(of)].replies[at as usize]))
                } else {
                    " (reply lost)".into()
                };
                format!("{what} {} ({}) -> {}{reply}", stamp(of), view(stage, life, level), node(at))
            }
            Step::Read(client, at) => format!("{} asks {}", who(client), node(at)),
            Step::Back(client, at) => format!(
                "{} writes back {} -> {}: {}",
                who(client),
                stamp(before.clients[client as usize].found),
                node(at),
                self.word(WRITE, after.clients[client as usize].replies[at as usize])
            ),
            Step::Decide(client, what) => {
                let of = after.clients[client as usize];
                format!(
                    "{} {what}, stamp {}, {}",
                    who(client),
                    stamp(of.stamp),
                    view(of.stage, of.life, of.level)
                )
            }
            Step::Answer(client, result) => format!("{} ANSWERS {result}", who(client)),
            Step::Sync(from, to) => format!("sync {} -> {}", node(from), node(to)),
            Step::Floor(to, from) => format!("{} takes its floor from {}", node(to), names(from)),
            Step::Copy(to, from) => format!(
                "{} copies from {}{}",
                node(to),
                names(from),
                if after.retired && !before.retired { ": OLD VERSION RETIRED" } else { "" }
            ),
            Step::Snapshot => format!("a copy of {} is set aside", node(self.loser as u8)),
            Step::Lose => format!(
                "{} LOSES {}",
                node(self.loser as u8),
                if self.loss == Loss::Row { "the row" } else { "its memory" }
            ),
            Step::Pull(from) => format!("{} pulls from {}", node(self.loser as u8), node(from)),
            Step::Mend => format!("{} replaces the row", node(self.loser as u8)),
            Step::Forget(by) => {
                format!("{} GIVES UP {}", node(by), names(self.gone(after.level) & !self.gone(before.level)))
            }
            Step::Return => format!("{} RETURNS", names(self.gone(1))),
            Step::Refill(at, from) => format!("{} is filled by {}", node(at), node(from)),
        };
        let rows = members(self.old | self.new).map(|at| {
            let of = after.nodes[at];
            let promise =
                if of.promise > of.row { format!("[{}]", stamp(of.promise)) } else { String::new() };
            let marks = format!(
                "{}{}{}",
                if of.recovering || of.anew { "?" } else { "" },
                if of.synced { "*" } else { "" },
                "^".repeat(usize::from(of.level)),
            );
            format!("{}{}:{}{promise}{marks}", node(at as u8), of.stage, stamp(of.row))
        });
        format!("{text:<62} {}", rows.collect::<Vec<_>>().join(" "))
    }
}

impl Change {
    fn word(&self, kind: u8, reply: u8) -> &'static str {
        match (kind, reply & !UNCOUNTED) {
            (PREPARE, REFUSED) => "refused",
            (PREPARE, OLD) | (_, OLD_NEVER | OLD_HELD) => "older view",
            (PREPARE, _) => "promised",
            (_, OK) if reply & UNCOUNTED != 0 => "ok, uncounted",
            (_, OK) => "ok",
            (_, DEAD) => "dead",
            (_, BLOCKED) => "blocked",
            _ => "unknown",
        }
    }
}

/// A scope is a name of three words: the sets, the operations, and what is lost.
fn scope(name: &str, off: Option<&str>) -> Change {
    use Op::{Delete, IfAbsent, IfEquals, Read, Repair, Write};
    let mut words = name.split(' ');
    let (old, new) = match words.next().unwrap_or_default() {
        "1>2" => (0b1, 0b11),
        "1>3" => (0b1, 0b111),
        "2>3" => (0b11, 0b111),
        "3>3" => (0b111, 0b1011),
        "3>3far" => (0b111, 0b11001),
        "2>2far" => (0b11, 0b1100),
        "3>1" => (0b111, 0b1),
        "2>1" => (0b11, 0b1),
        "1>1" => (0b1, 0b10),
        "3>2" => (0b111, 0b11),
        "2" => (0b11, 0b11),
        _ => (0b111, 0b111),
    };
    let (scripts, preset) = match words.next().unwrap_or_default() {
        "w/r" => (vec![vec![Write], vec![Read]], false),
        "v/rr" => (vec![vec![Write], vec![Read, Read]], true),
        "w/rr" => (vec![vec![Write], vec![Read, Read]], false),
        "w/w/r" => (vec![vec![Write], vec![Write], vec![Read]], false),
        "w/w/rr" => (vec![vec![Write], vec![Write], vec![Read, Read]], false),
        "v/w/rr" => (vec![vec![Write], vec![Write], vec![Read, Read]], true),
        "v/d/r" => (vec![vec![Write], vec![Delete], vec![Read]], true),
        "v/d/rr" => (vec![vec![Write], vec![Delete], vec![Read, Read]], true),
        "c/c" => (vec![vec![IfAbsent], vec![IfAbsent]], false),
        "w/c/r" => (vec![vec![Write], vec![IfAbsent], vec![Read]], false),
        "w/c/rr" => (vec![vec![Write], vec![IfAbsent], vec![Read, Read]], false),
        "c/c/r" => (vec![vec![IfAbsent], vec![IfAbsent], vec![Read]], false),
        "v/e/r" => (vec![vec![Write], vec![IfEquals(1)], vec![Read]], true),
        "v/e/rr" => (vec![vec![Write], vec![IfEquals(1)], vec![Read, Read]], true),
        "v/e/e" => (vec![vec![Write], vec![IfEquals(1)], vec![IfEquals(1)]], true),
        other => panic!("operations {other}"),
    };
    let mut change = Change {
        old,
        new,
        changes: name.contains('>'),
        scripts,
        preset: if !preset {
            0
        } else if old.count_ones() == 3 {
            0b110
        } else {
            old
        },
        clocks_first: 1,
        clocks_max: 2,
        tries: 2,
        sync: false,
        loss: Loss::None,
        loser: 0,
        sets: [vec![old], vec![old, new], vec![new]],
        slow: false,
        late: false,
        promised: false,
        split: false,
        levels: vec![0],
        returns: false,
        off: search::rule_to_leave_out(RULES, off),
    };
    for word in words {
        match word {
            "empty" => change.loss = Loss::Everything,
            "restored" => change.loss = Loss::Restored,
            "row" => {
                change.loss = Loss::Row;
                change.scripts.push(vec![Repair]);
            }
            "B" => change.loser = 1,
            "C" => change.loser = 2,
            "D" => change.loser = 3,
            "sync" => change.sync = true,
            "promised" => change.promised = true,
            "split" => (change.promised, change.split) = (true, true),
            "late" => change.late = true,
            "slow" => change.slow = true,
            "clocks" => change.clocks_first = 2,
            "gone-B" => change.levels = vec![0, 0b10],
            "gone-C" => change.levels = vec![0, 0b100],
            "gone-D" => change.levels = vec![0, 0b1000],
            "gone-B-C" => change.levels = vec![0, 0b10, 0b110],
            "back-B" => (change.levels, change.returns) = (vec![0, 0b10, 0], true),
            "back-C" => (change.levels, change.returns) = (vec![0, 0b100, 0], true),
            "deep" => change.clocks_max = 3,
            "once" => (change.tries, change.clocks_max) = (1, 1),
            other => panic!("word {other}"),
        }
    }
    change
}

fn run(name: &str, off: Option<&str>, limit: usize) -> Outcome {
    search::search(&scope(name, off), limit)
}

fn main() {
    let cases = [
        all("1>2 w/rr"),
        all("3>1 w/rr"),
        all("3>3 v/rr"),
        all("1>3 v/rr late"),
        all("1>2 w/c/r once"),
        all("2>3 c/c once"),
        all("3 w/rr empty"),
        all("3 c/c empty once"),
        all("3 c/c restored once"),
        all("3 w/rr row"),
        all("2>3 v/rr empty"),
        all("2>3 v/rr empty C"),
        all("3 w/rr gone-C"),
        all("2 w/rr gone-B"),
        all("3 w/rr gone-B-C"),
        all("3 w/rr back-C"),
        all("2 w/rr back-B"),
        all("3 c/c gone-B-C once"),
        all("2>3 v/rr gone-B"),
        all("3>2 v/rr gone-C"),
        all("2>2far v/rr gone-D"),
        long("3 w/rr empty gone-C"),
        long("3 c/c empty gone-C once"),
        long("3 v/e/r empty gone-C once"),
        long("3 c/c back-C once"),
        long("3 w/rr empty back-C"),
        long("3>1 w/rr gone-C"),
        long("3>3 v/rr gone-C"),
        long("3>3 v/rr gone-D"),
        long("3>3 v/rr gone-C slow"),
        long("2>2far w/rr gone-B"),
        long("3>3 v/rr empty gone-C"),
        long("1>3 c/c once"),
        long("2>3 w/rr"),
        long("2>3 w/rr late"),
        long("1>3 c/c once late"),
        long("2>3 c/c once late"),
        long("3>3 v/rr late"),
        long("3>3far v/rr late"),
        long("2>2far w/rr"),
        long("3>3far v/rr"),
        long("3>3 v/rr slow"),
        long("3>3 v/rr sync"),
        long("3>3 w/c/rr once split"),
        long("1>1 w/w/rr"),
        long("1>2 w/rr empty B"),
        long("1>3 v/rr empty B"),
        long("3>3 v/rr empty"),
        long("3>3 v/rr empty D"),
        long("3 w/rr restored"),
        long("3 c/c empty"),
        long("3 c/c row once"),
        long("3 w/w/r empty once"),
        without("view", "1>1 w/rr"),
        without("joint-read", "1>1 w/rr"),
        without("joint-write", "3>1 w/rr"),
        without("joint-prepare", "1>1 w/rr"),
        without("dead-each", "1>1 c/c"),
        without("floor", "1>1 w/c/rr once"),
        without("floor-unknown", "1>1 w/w/rr"),
        without("agree", "3>3 w/c/rr once split"),
        without("copy-promise", "1>3 c/c once"),
        without("sync-quorum", "3>1 v/rr"),
        without("fenced-copy", "3>1 w/rr"),
        without("both-sync", "3>3 v/rr"),
        without("new-quorum", "3>3 v/rr"),
        without("same-view", "3>3 v/rr"),
        without("prepare-again", "3>1 c/c once"),
        without("uncounted", "3 w/rr empty"),
        without("pull-all", "3 w/rr empty"),
        without("life-view", "3 w/rr empty"),
        without("forgot-unknown", "3 c/c empty"),
        not_needed("take-promises", "3 c/c empty once"),
        without("new-life", "3 c/c restored once"),
        without("row-ballot", "3 w/rr row"),
        without("row-all", "3 w/rr row"),
        without("row-above", "3 w/rr row"),
        without("forget-view", "3 w/rr gone-B-C"),
        without("forget-known", "3 w/rr gone-B-C"),
        without("forget-quorum", "3 w/rr gone-C"),
        without("forget-pull", "3>3 v/rr empty gone-C"),
        without("return-empty", "3 w/rr empty back-C"),
        without("return-pull", "3 w/rr back-C"),
        without("return-known", "3 w/rr back-C"),
    ];
    search::main_of("change", RULES, &cases, &run);
}
