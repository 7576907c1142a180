//! Tombstones that are collected behind a birth fence, while the replica set changes or a replica
//! comes back with rows that the others have forgotten.
//!
//! Modelled: one key with an acknowledged first value, whose write is still in flight as a duplicate;
//! a delete; reads with write-back by coordinators with slow and fast clocks; sync messages read
//! earlier and delivered later; collection by each replica; hybrid logical clocks. The set may change
//! in four stages: old alone (0), old alone with the next set known and filling (1), both (2), new
//! alone (3). A replica may return that was a member long ago and still holds the value (C in scope
//! "return"), or may be put back to an older copy of itself. C may be given up while it lives and holds the value
//! ("gone"), and come back ("back").
//!
//! Not modelled: conditional writes (change.rs, promise.rs), several keys (the fence covers a whole partition; one
//! key is the hard case, since nothing else raises it).
//!
//! Checked: every answer fits a linearizable history; so nothing that was deleted is answered again,
//! and a delete that was answered holds.
//!
//! Stamps and births are in one order: clock * clients + client.

mod search;
use search::{Case, Model, Outcome, all, explain, long, mix, not_needed, without};

const NODES: usize = 4;
const CLIENTS: usize = 3;
const RULES: &[(&str, &str)] = &[
    ("fence-write", "a store born at or below the fence is refused"),
    ("fence-back", "so is a write-back"),
    ("fence-sync", "so is a sync message"),
    ("fence-absent", "so is a read of an absent row"),
    ("all-acks", "a tombstone goes only when all members acknowledged it, not a quorum"),
    ("highest-clock", "the fence is the highest acknowledging clock, not the tombstone's stamp"),
    ("merge-birth", "a replica merges a request's birth into its clock"),
    ("view", "a replica refuses a request, or a sync message, of an older stage than it knows"),
    ("pause", "nothing is acknowledged for collection from the next set known until the old one retired"),
    ("ack-stage", "the acknowledgements of a collection were given under the collector's stage"),
    ("join-empty", "a replica that joins drops what it held as an earlier member"),
    ("join-fence", "a replica that joins starts with a fence at the clocks of an old quorum"),
    ("members-push", "a sync message is taken only from a member of a live set"),
    ("drop-own", "a replica put back to an older copy drops its rows and takes those of the others"),
    ("life-view", "a replica refuses a request that counts on an older life of a member than it knows"),
    ("take-fence", "a replica that recovers takes the fences of the others"),
    ("pull-all", "it pulls from all others, not from one"),
    ("no-ack", "it acknowledges no tombstone until it is whole"),
    ("forget-view", "a replica refuses a request, or a sync message, that knows of fewer members given up"),
    ("forget-acks", "all that remain must have acknowledged, not one of them"),
    ("return-empty", "who returns after it was given up brings no rows along"),
    ("return-pull", "it counts after it pulled from all that remained, not from one"),
    ("return-known", "from each under its new view: from then on its word is waited for"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Write,
    Delete,
    Read,
}

struct Collect {
    old: u8,
    new: u8,
    changes: bool,
    scripts: Vec<Vec<Op>>,
    /// Who holds the first value at the start.
    holders: u8,
    births: Vec<u8>,
    clock_max: u8,
    tries: u8,
    pushes: usize,
    restores: bool,
    /// The live replica sets of each stage.
    sets: [Vec<u8>; 4],
    clocks: u8,
    /// Who is given up, one level after the other; the last one may be that it is back.
    levels: Vec<u8>,
    off: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Node {
    row: u8,
    fence: u8,
    clock: u8,
    stage: u8,
    life: u8,
    /// Clock and stage of its acknowledgement, 0 if none.
    ack: u8,
    ack_stage: u8,
    floored: bool,
    synced: bool,
    recovering: bool,
    pulled: u8,
    accepted: u32,
    level: u8,
}

#[derive(Clone, Copy, Default)]
struct Client {
    next: u8,
    phase: u8,
    stamp: u8,
    found: u8,
    high: u8,
    tries: u8,
    birth: u8,
    stage: u8,
    life: u8,
    level: u8,
    replies: [u8; NODES],
}

/// A sync message in flight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Push {
    row: u8,
    birth: u8,
    stage: u8,
    life: u8,
    from: u8,
    level: u8,
}

#[derive(Clone)]
struct State {
    nodes: [Node; NODES],
    clients: [Client; CLIENTS],
    messages: [u16; 8],
    pushes: [Push; 2],
    histories: [u16; 12],
    retired: bool,
    lost: bool,
    copy: Option<Node>,
    /// The highest level that anybody knows.
    level: u8,
}

const IDLE: u8 = 0;
const WRITE: u8 = 1;
const READ: u8 = 2;
const BACK: u8 = 3;
const OK: u8 = 1;
const DEAD: u8 = 2;
const UNKNOWN: u8 = 3;
const OLD: u8 = 0x7E;
const REFUSED: u8 = 0x7F;
const UNCOUNTED: u8 = 0x80;

#[derive(Clone, Copy)]
enum Step {
    Begin(u8),
    Write(u16, u8, bool),
    Read(u8, u8),
    Back(u8, u8),
    Again(u8),
    Answer(u8, u8),
    Push(u8),
    Arrive(Push, u8),
    Ack(u8),
    Collect(u8),
    Fill(u8, u8),
    Join(u8, u8),
    Copy(u8, u8),
    SetAside,
    Restore,
    Pull(u8),
    Forget(u8),
    Return,
    Refill(u8),
}

type Visit<'a> = &'a mut dyn FnMut(Step, Option<&'static str>, State);

fn members(mask: u8) -> impl Iterator<Item = usize> {
    (0..NODES).filter(move |node| mask >> node & 1 == 1)
}

fn quorum(mask: u8) -> usize {
    if mask.count_ones() == 1 { 1 } else { 2 }
}

/// A write: its view is stage, life and level.
fn message(stamp: u8, (stage, life, level): (u8, u8, u8)) -> u16 {
    u16::from(level) << 12 | u16::from(life) << 10 | u16::from(stage) << 8 | u16::from(stamp)
}

fn parts(message: u16) -> (u8, (u8, u8, u8)) {
    let (stage, life, level) = ((message >> 8 & 3) as u8, (message >> 10 & 3) as u8, (message >> 12) as u8);
    ((message & 63) as u8, (stage, life, level))
}

impl Collect {
    fn on(&self, rule: &str) -> bool {
        self.off != Some(rule)
    }
    fn width(&self) -> u8 {
        self.scripts.len() as u8
    }
    fn is_delete(&self, stamp: u8) -> bool {
        stamp != 0 && self.scripts[(stamp % self.width()) as usize].contains(&Op::Delete)
    }
    fn value(&self, stamp: u8) -> u8 {
        if stamp == 0 || self.is_delete(stamp) { 0 } else { stamp % self.width() + 1 }
    }
    fn live(&self, stage: u8) -> &[u8] {
        &self.sets[usize::from(stage)]
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
    /// What remains of a set, and how many of them must agree.
    fn remains(&self, set: u8, level: u8) -> (u8, usize) {
        let remaining = set & !self.gone(level);
        (remaining, quorum(set).min(remaining.count_ones() as usize))
    }
    fn has_quorum(&self, client: &Client, good: impl Fn(u8) -> bool) -> bool {
        let replies = &client.replies;
        self.live(client.stage).iter().all(|set| {
            let (remaining, quorum) = self.remains(*set, client.level);
            members(remaining).filter(|node| replies[*node] & UNCOUNTED == 0 && good(replies[*node])).count()
                >= quorum
        })
    }
    fn is_dead(&self, client: &Client) -> bool {
        self.live(client.stage).iter().all(|set| {
            let (remaining, quorum) = self.remains(*set, client.level);
            let dead = members(remaining).filter(|node| client.replies[*node] == DEAD).count();
            dead > remaining.count_ones() as usize - quorum
        })
    }
    /// Raises the replica's view and clock, or says that the request is older.
    fn enter(&self, node: &mut Node, (stage, life, level): (u8, u8, u8), (birth, merge): (u8, bool)) -> bool {
        // Stages 0 and 1 have the same quorums: requests need not tell them apart.
        if self.on("view") && node.stage > stage.max(1)
            || self.on("life-view") && node.life > life
            || self.on("forget-view") && node.level > level
        {
            return false;
        }
        self.rise(node, stage);
        node.life = node.life.max(life);
        node.level = node.level.max(level);
        if merge {
            node.clock = node.clock.max(birth);
        }
        true
    }
    /// A replica that hears of the next set; one that joins drops what it held before.
    fn rise(&self, node: &mut Node, stage: u8) {
        node.stage = node.stage.max(stage);
    }
    fn ready(&self, at: usize, node: &Node) -> bool {
        self.old >> at & 1 == 1 || node.floored || node.recovering
    }
    fn store(node: &mut Node, stamp: u8) {
        node.row = stamp;
        node.accepted |= 1 << stamp;
    }
    fn views(&self, state: &State, client: &Client) -> Vec<(u8, u8, u8)> {
        let last = if !self.changes { 0 } else { 2 + u8::from(state.retired) };
        // Stage 1 has the quorums of stage 0; coordinators need not know it.
        let stages: Vec<u8> = (client.stage..=last).filter(|stage| *stage != 1).collect();
        let mut views = vec![];
        for life in client.life..=u8::from(state.lost) {
            for stage in &stages {
                views.extend((client.level..=state.level).map(|level| (*stage, life, level)));
            }
        }
        views
    }
    fn send(state: &mut State, who: usize) {
        let of = state.clients[who];
        let message = message(of.stamp, (of.stage, of.life, of.level));
        if !state.messages.contains(&message) {
            assert!(state.messages[0] == 0, "room for messages");
            state.messages[0] = message;
            state.messages.sort_unstable();
        }
    }
    fn next_stamp(&self, who: usize, above: u8) -> Option<u8> {
        let mut clock = above / self.width();
        if clock * self.width() + who as u8 <= above {
            clock += 1;
        }
        (clock <= self.clock_max).then(|| clock * self.width() + who as u8)
    }

    fn begin(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        let Some(op) = self.scripts[who].get(client.next as usize) else { return };
        for view in self.views(state, &client) {
            let mut start = state.clone();
            let c = &mut start.clients[who];
            (c.stage, c.life, c.level) = view;
            if *op == Op::Read {
                for birth in &self.births {
                    let mut start = start.clone();
                    let c = &mut start.clients[who];
                    (c.phase, c.birth) = (READ, *birth);
                    visit(Step::Begin(who as u8), None, start);
                }
            } else {
                for clock in 1..=self.clocks {
                    let mut start = start.clone();
                    let c = &mut start.clients[who];
                    (c.phase, c.stamp) = (WRITE, clock * self.width() + who as u8);
                    Self::send(&mut start, who);
                    visit(Step::Begin(who as u8), None, start);
                }
            }
        }
    }
    /// Tries again with a later birth or stamp, or under a newer view.
    fn again(&self, state: &State, who: usize, newer: bool, visit: Visit) {
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
            let phase = if client.phase == WRITE { WRITE } else { READ };
            let birth = if newer { client.birth } else { client.birth.max(client.high + 1) };
            let tries = client.tries + u8::from(!newer);
            *c = Client {
                next: client.next,
                phase,
                stamp: client.stamp,
                birth,
                tries,
                stage,
                life,
                level,
                ..Client::default()
            };
            if phase == WRITE {
                if !newer {
                    let Some(stamp) = self.next_stamp(who, client.high.max(client.stamp)) else { continue };
                    c.stamp = stamp;
                }
                Self::send(&mut next, who);
            }
            visit(Step::Again(who as u8), None, next);
        }
    }
    fn decide(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        let replies = &client.replies;
        let any = |codes: &[u8]| replies.iter().any(|reply| codes.contains(&(reply & !UNCOUNTED)));
        if any(&[OLD]) {
            self.again(state, who, true, visit);
        }
        match client.phase {
            WRITE => {
                if self.has_quorum(&client, |reply| reply == OK) {
                    self.answer(state, who, 0, visit);
                } else if self.is_dead(&client) {
                    self.again(state, who, false, visit);
                }
            }
            READ => {
                if any(&[REFUSED]) {
                    self.again(state, who, false, visit);
                }
                let row = |reply: u8| ![0, OLD, REFUSED].contains(&reply);
                if !self.has_quorum(&client, row) {
                    return;
                }
                let newest = replies
                    .iter()
                    .map(|reply| reply & !UNCOUNTED)
                    .filter(|reply| row(*reply))
                    .max()
                    .unwrap_or(1)
                    - 1;
                if self.has_quorum(&client, |reply| reply == newest + 1) {
                    return self.answer(state, who, self.value(newest), visit);
                }
                let mut next = state.clone();
                let c = &mut next.clients[who];
                (c.phase, c.found) = (BACK, newest);
                for reply in &mut c.replies {
                    *reply = if *reply & !UNCOUNTED == newest + 1 { OK | *reply & UNCOUNTED } else { 0 };
                }
                visit(Step::Again(who as u8), None, next);
            }
            BACK => {
                if self.has_quorum(&client, |reply| reply == OK) {
                    self.answer(state, who, self.value(client.found), visit);
                } else if any(&[DEAD, UNKNOWN]) {
                    self.again(state, who, false, visit);
                }
            }
            _ => {}
        }
    }
    fn answer(&self, state: &State, who: usize, result: u8, visit: Visit) {
        let open = state.histories.iter().copied().filter(|history| *history != u16::MAX);
        let fits = explain(open.map(u32::from), (who, result), (self.scripts.len(), 4), |client, value| {
            let of = state.clients[client];
            if of.phase == IDLE {
                return None;
            }
            Some(match self.scripts[client][of.next as usize] {
                Op::Write => (client as u32 + 1, 0),
                Op::Delete => (0, 0),
                Op::Read => (value, value),
            })
        });
        let fits: Vec<u16> = fits.into_iter().map(|history| history as u16).collect();
        let mut next = state.clone();
        let bad = fits.is_empty().then_some("an answer that no order of the operations explains");
        next.histories = [u16::MAX; 12];
        next.histories[..fits.len()].copy_from_slice(&fits);
        let client = state.clients[who];
        let Client { stage, life, level, .. } = client;
        next.clients[who] = Client { next: client.next + 1, stage, life, level, ..Client::default() };
        visit(Step::Answer(who as u8, result), bad, next);
    }

    fn writes(&self, state: &State, visit: Visit) {
        for message in state.messages.into_iter().filter(|message| *message != 0) {
            let (stamp, view) = parts(message);
            let who = (stamp % self.width()) as usize;
            let client = state.clients[who];
            let mine = (client.stage, client.life, client.level);
            let waits = client.phase == WRITE && (client.stamp, mine) == (stamp, view);
            for at in members(self.members_at(view.0, view.2)) {
                let mut node = state.nodes[at];
                let entered = self.enter(&mut node, view, (stamp, true));
                if entered && !self.ready(at, &node) {
                    continue;
                }
                let mark = if node.recovering { UNCOUNTED } else { 0 };
                let reply = if !entered {
                    OLD
                } else if node.accepted >> stamp & 1 == 1 {
                    OK | mark
                } else if self.on("fence-write") && stamp <= node.fence {
                    UNKNOWN
                } else if stamp > node.row {
                    Self::store(&mut node, stamp);
                    OK | mark
                } else {
                    DEAD
                };
                let mut next = state.clone();
                next.nodes[at] = node;
                if node != state.nodes[at] {
                    visit(Step::Write(message, at as u8, false), None, next.clone());
                }
                if waits && client.replies[at] == 0 {
                    let c = &mut next.clients[who];
                    c.replies[at] = reply;
                    c.high = c.high.max(node.row).max(node.fence);
                    visit(Step::Write(message, at as u8, true), None, next);
                }
            }
        }
    }
    fn reads(&self, state: &State, who: usize, visit: Visit) {
        let client = state.clients[who];
        if client.phase != READ && client.phase != BACK {
            return;
        }
        let view = (client.stage, client.life, client.level);
        for at in members(self.members_at(client.stage, client.level)) {
            if client.replies[at] != 0 {
                continue;
            }
            let mut node = state.nodes[at];
            let merge = client.phase == BACK || self.on("merge-birth");
            let entered = self.enter(&mut node, view, (client.birth, merge));
            if entered && !self.ready(at, &node) {
                continue;
            }
            let mark = if node.recovering { UNCOUNTED } else { 0 };
            let (found, fenced) = (client.found, client.birth <= node.fence);
            let reply = match client.phase {
                _ if !entered => OLD,
                READ if node.row == 0 && fenced && self.on("fence-absent") => REFUSED,
                READ => node.row + 1 | mark,
                _ if node.accepted >> found & 1 == 1 => OK | mark,
                _ if fenced && self.on("fence-back") => UNKNOWN,
                _ if found > node.row => {
                    Self::store(&mut node, found);
                    OK | mark
                }
                _ => DEAD,
            };
            let mut next = state.clone();
            next.nodes[at] = node;
            if client.phase == BACK && node.row != state.nodes[at].row {
                visit(Step::Back(who as u8, at as u8), None, next.clone());
            }
            let c = &mut next.clients[who];
            c.replies[at] = reply;
            c.high = c.high.max(node.fence);
            let step = if client.phase == READ {
                Step::Read(who as u8, at as u8)
            } else {
                Step::Back(who as u8, at as u8)
            };
            visit(step, None, next);
        }
    }
    fn pushes(&self, state: &State, visit: Visit) {
        for from in 0..NODES {
            let node = state.nodes[from];
            let flying = state.pushes.iter().filter(|push| push.row != 0).count();
            let member = self.members_at(node.stage, node.level) >> from & 1 == 1;
            if flying < self.pushes
                && node.row != 0
                && !node.recovering
                && (member || !self.on("members-push"))
                && node.clock < 30
            {
                let mut next = state.clone();
                let node = &mut next.nodes[from];
                node.clock += 1;
                next.pushes[0] = Push {
                    row: node.row,
                    birth: node.clock,
                    stage: node.stage,
                    life: node.life,
                    from: from as u8,
                    level: node.level,
                };
                next.pushes.sort_unstable();
                visit(Step::Push(from as u8), None, next);
            }
        }
        for push in state.pushes.into_iter().filter(|push| push.row != 0) {
            for at in members(self.members_at(push.stage, push.level)) {
                let mut node = state.nodes[at];
                let fenced = push.birth <= node.fence && self.on("fence-sync");
                if push.row <= node.row
                    || fenced
                    || !self.enter(&mut node, (push.stage, push.life, push.level), (push.birth, true))
                    || !self.ready(at, &node)
                {
                    continue;
                }
                let mut next = state.clone();
                Self::store(&mut node, push.row);
                next.nodes[at] = node;
                visit(Step::Arrive(push, at as u8), None, next);
            }
        }
    }
    fn collection(&self, state: &State, visit: Visit) {
        let Some(dead) = state.nodes.iter().map(|node| node.row).filter(|row| self.is_delete(*row)).max()
        else {
            return;
        };
        for at in 0..NODES {
            let node = state.nodes[at];
            if self.members_at(node.stage, node.level) >> at & 1 == 0 {
                continue;
            }
            let quiet = node.stage == 0 || node.stage == 3 || !self.on("pause");
            let fresh = node.ack == 0 || node.ack_stage < node.stage;
            if node.row >= dead && fresh && quiet && !(node.recovering && self.on("no-ack")) {
                let mut next = state.clone();
                let node = &mut next.nodes[at];
                (node.ack, node.ack_stage) = (node.clock.max(dead), node.stage);
                visit(Step::Ack(at as u8), None, next);
            }
            let set = self.members_at(node.stage, node.level);
            let counts = |other: &usize| {
                let of = state.nodes[*other];
                of.ack != 0 && (of.ack_stage == node.stage || !self.on("ack-stage"))
            };
            let one = self.gone(node.level) != 0 && !self.on("forget-acks");
            let wanted = match (self.on("all-acks"), one) {
                (_, true) => 1,
                (true, _) => set.count_ones() as usize,
                (false, _) => quorum(set),
            };
            if node.row == dead && quiet && members(set).filter(counts).count() >= wanted && !node.recovering
            {
                let mut next = state.clone();
                let highest =
                    members(set).filter(counts).map(|other| state.nodes[other].ack).max().unwrap_or(0);
                let fence = if self.on("highest-clock") { highest } else { dead };
                let node = &mut next.nodes[at];
                (node.row, node.accepted) = (0, 0);
                node.fence = node.fence.max(fence);
                node.clock = node.clock.max(node.fence);
                visit(Step::Collect(at as u8), None, next);
            }
        }
    }
    fn change(&self, state: &State, visit: Visit) {
        for to in members(self.new) {
            let node = state.nodes[to];
            let joins = self.old >> to & 1 == 0;
            if node.recovering || state.nodes.iter().any(|node| node.recovering) {
                continue;
            }
            if joins && node.stage < 2 {
                // Fills before it counts; whatever it held as an earlier member goes first.
                for from in members(self.old) {
                    let mut next = state.clone();
                    let source = &mut next.nodes[from];
                    source.stage = source.stage.max(1);
                    let row = source.row;
                    let node = &mut next.nodes[to];
                    if node.stage == 1 && row <= node.row {
                        continue;
                    }
                    if node.stage == 0 && self.on("join-empty") {
                        *node = Node { clock: node.clock, life: node.life, ..Node::default() };
                    }
                    node.stage = 1;
                    node.row = node.row.max(row);
                    visit(Step::Fill(to as u8, from as u8), None, next);
                }
            }
            for mask in 1..=self.old {
                if mask & !self.old != 0 || mask.count_ones() as usize != quorum(self.old) {
                    continue;
                }
                if joins && !node.floored {
                    let mut next = state.clone();
                    let mut fence = 0;
                    for from in members(mask) {
                        next.nodes[from].stage = next.nodes[from].stage.max(2);
                        fence = fence.max(next.nodes[from].clock).max(next.nodes[from].fence);
                    }
                    let node = &mut next.nodes[to];
                    if node.stage == 0 && self.on("join-empty") {
                        *node = Node { clock: node.clock, life: node.life, ..Node::default() };
                    }
                    node.stage = node.stage.max(2);
                    node.floored = true;
                    if self.on("join-fence") {
                        node.fence = node.fence.max(fence);
                        node.clock = node.clock.max(fence);
                    }
                    visit(Step::Join(to as u8, mask), None, next);
                }
                if !node.synced && self.ready(to, &node) && (joins || mask >> to & 1 == 1) {
                    self.copy(state, mask, to, visit);
                }
            }
        }
    }
    fn copy(&self, state: &State, mask: u8, to: usize, visit: Visit) {
        let mut next = state.clone();
        let mut rows = vec![];
        for from in members(mask) {
            next.nodes[from].stage = next.nodes[from].stage.max(2);
            rows.push(next.nodes[from].row);
        }
        if rows.iter().any(|row| *row != rows[0]) {
            return;
        }
        let node = &mut next.nodes[to];
        node.stage = node.stage.max(2);
        if rows[0] > node.row {
            Self::store(node, rows[0]);
        }
        node.synced = true;
        next.retired |= members(self.new).filter(|node| next.nodes[*node].synced).count() >= quorum(self.new);
        visit(Step::Copy(to as u8, mask), None, next);
    }
    fn restore(&self, state: &State, visit: Visit) {
        let node = state.nodes[0];
        if !state.lost {
            if state.copy.is_none() {
                let mut next = state.clone();
                next.copy = Some(node);
                visit(Step::SetAside, None, next);
            } else {
                let mut next = state.clone();
                next.lost = true;
                let mut back = next.copy.take().unwrap_or_default();
                if self.on("drop-own") {
                    (back.row, back.accepted) = (0, 0);
                }
                (back.life, back.recovering, back.ack, back.pulled) = (1, true, 0, 0);
                next.nodes[0] = back;
                visit(Step::Restore, None, next);
            }
            return;
        }
        if !node.recovering {
            return;
        }
        let others = self.all(node.stage) & !1;
        for from in members(others) {
            if node.pulled >> from & 1 == 1 {
                continue;
            }
            let mut next = state.clone();
            let source = &mut next.nodes[from];
            if self.on("life-view") {
                source.life = 1;
            }
            let (row, fence, clock) = (source.row, source.fence, source.clock);
            let node = &mut next.nodes[0];
            node.pulled |= 1 << from;
            if row > node.row {
                Self::store(node, row);
            }
            node.clock = node.clock.max(clock);
            if self.on("take-fence") {
                node.fence = node.fence.max(fence);
            }
            if node.pulled == others || !self.on("pull-all") {
                (node.recovering, node.pulled) = (false, 0);
            }
            visit(Step::Pull(from as u8), None, next);
        }
    }

    /// One is given up through any that remains; if it lives, it finds that out and begins a new life, which all learn
    /// of from whom it is filled.
    fn forget(&self, state: &State, visit: Visit) {
        let gone = self.gone(1);
        let at = gone.trailing_zeros() as usize;
        let others = self.old & !gone;
        if state.level == 0 {
            for by in members(others) {
                let mut next = state.clone();
                (next.level, next.nodes[by].level) = (1, 1);
                visit(Step::Forget(by as u8), None, next);
            }
            return;
        }
        if self.levels.len() < 3 {
            return;
        }
        let node = state.nodes[at];
        if state.level == 1 {
            let mut next = state.clone();
            next.level = 2;
            let of = &mut next.nodes[at];
            *of = Node { clock: node.clock, level: 2, recovering: true, ..Node::default() };
            if !self.on("return-empty") {
                of.row = node.row;
                of.accepted = node.accepted;
            }
            visit(Step::Return, None, next);
        }
        for from in members(others).filter(|from| node.recovering && node.pulled >> from & 1 == 0) {
            let mut next = state.clone();
            if self.on("return-known") {
                next.nodes[from].level = 2;
            }
            let source = next.nodes[from];
            let of = &mut next.nodes[at];
            of.pulled |= 1 << from;
            if source.row > of.row {
                Self::store(of, source.row);
            }
            (of.clock, of.fence) = (of.clock.max(source.clock), of.fence.max(source.clock).max(source.fence));
            if of.pulled == others || !self.on("return-pull") {
                (of.recovering, of.pulled) = (false, 0);
            }
            visit(Step::Refill(from as u8), None, next);
        }
    }
}

impl Model for Collect {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let stamp = self.width();
        let mut state = State {
            nodes: [Node::default(); NODES],
            clients: [Client::default(); CLIENTS],
            messages: [0; 8],
            pushes: [Push::default(); 2],
            histories: [u16::MAX; 12],
            retired: false,
            lost: false,
            copy: None,
            level: 0,
        };
        for node in members(self.holders) {
            Self::store(&mut state.nodes[node], stamp);
            state.nodes[node].clock = stamp;
        }
        state.clients[0].next = 1;
        state.messages[7] = message(stamp, (0, 0, 0));
        state.histories[0] = 1;
        state
    }
    fn key(&self, state: &State) -> u64 {
        let mut order: [usize; NODES] = std::array::from_fn(|node| node);
        let replies = |node: usize| {
            let each = state.clients.map(|client| client.replies[node]);
            u32::from_le_bytes([each[0], each[1], each[2], 0])
        };
        let class = |node: usize| {
            let gone = self.levels.iter().fold(0, |bits, gone| bits << 1 | gone >> node & 1);
            gone << 3
                | u8::from(self.restores && node == 0) << 2
                | (self.old >> node & 1) << 1
                | self.new >> node & 1
        };
        order.sort_unstable_by_key(|node| {
            (class(*node), Node { pulled: 0, ..state.nodes[*node] }, replies(*node))
        });
        let map =
            |mask: u8| order.iter().enumerate().fold(0, |out, (new, old)| out | (mask >> old & 1) << new);
        let mut hash = 0x9E37_79B9_7F4A_7C15;
        let mut add = |of: &Node| {
            let flags = u8::from(of.floored)
                | u8::from(of.synced) << 1
                | u8::from(of.recovering) << 2
                | map(of.pulled) << 3;
            mix(
                &mut hash,
                u64::from_le_bytes([
                    of.row,
                    of.fence,
                    of.clock,
                    of.stage,
                    of.life,
                    of.ack,
                    of.ack_stage | of.level << 4,
                    flags,
                ]),
            );
            mix(&mut hash, u64::from(of.accepted));
        };
        order.iter().for_each(|node| add(&state.nodes[*node]));
        state.copy.iter().for_each(add);
        order.iter().for_each(|node| mix(&mut hash, u64::from(replies(*node))));
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
                    c.birth,
                    c.level << 6 | c.stage << 4 | c.life,
                ]),
            );
        }
        for words in state.messages.chunks(4).chain(state.histories.chunks(4)) {
            mix(&mut hash, words.iter().fold(0, |sum, word| sum << 16 | u64::from(*word)));
        }
        for push in state.pushes {
            mix(
                &mut hash,
                u64::from_le_bytes([push.row, push.birth, push.stage, push.life, push.level, 0, 0, 0]),
            );
        }
        mix(&mut hash, u64::from(state.retired) | u64::from(state.lost) << 1 | u64::from(state.level) << 2);
        hash
    }
    fn next(&self, state: &State, visit: Visit) {
        // Only reads can be answered wrongly: without one to come, all is said.
        let silent = |(who, script): (usize, &Vec<Op>)| {
            let rest = &script[script.len().min(state.clients[who].next as usize)..];
            !rest.contains(&Op::Read)
        };
        if self.scripts.iter().enumerate().all(silent) {
            return;
        }
        // A write that has its quorum is answered at once: a later answer constrains the history less.
        let ready = |who: &usize| {
            let client = &state.clients[*who];
            client.phase == WRITE && self.has_quorum(client, |reply| reply == OK)
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
        self.writes(state, visit);
        if self.pushes > 0 {
            self.pushes(state, visit);
        }
        self.collection(state, visit);
        if self.changes {
            self.change(state, visit);
        }
        if self.restores {
            self.restore(state, visit);
        }
        if self.levels.len() > 1 {
            self.forget(state, visit);
        }
    }
    fn show(&self, before: &State, step: Step, after: &State) -> String {
        let node = |at: u8| (b'A' + at) as char;
        let names = |mask: u8| members(mask).map(|at| node(at as u8)).collect::<String>();
        let stamp = |stamp: u8| match stamp {
            0 => "-".to_owned(),
            stamp => format!("{}{}", if self.is_delete(stamp) { 'D' } else { 'V' }, stamp),
        };
        let who = |client: u8| {
            let of = before.clients[client as usize];
            format!("{} {:?}", (b'w' + client) as char, self.scripts[client as usize][of.next as usize])
        };
        let life = |life: u8| if life > 0 { ", new life" } else { "" };
        let text = match step {
            Step::Begin(client) | Step::Again(client) => {
                let of = after.clients[client as usize];
                let what = if of.phase == BACK {
                    "writes back"
                } else if matches!(step, Step::Begin(_)) {
                    "begins"
                } else {
                    "tries again"
                };
                let when = if of.phase == WRITE { of.stamp } else { of.birth };
                let view = format!("stage {}{}, level {}", of.stage, life(of.life), of.level);
                format!("{} {what}, stamp or birth {when}, {view}", who(client))
            }
            Step::Write(message, at, kept) => {
                let (of, (stage, of_life, level)) = parts(message);
                format!(
                    "write {} (stage {stage}{}, level {level}) -> {}{}",
                    stamp(of),
                    life(of_life),
                    node(at),
                    if kept { "" } else { " (reply lost, or a duplicate)" }
                )
            }
            Step::Read(client, at) => format!("{} asks {}", who(client), node(at)),
            Step::Back(client, at) => format!(
                "{} writes back {} -> {}",
                who(client),
                stamp(before.clients[client as usize].found),
                node(at)
            ),
            Step::Answer(client, result) => format!("{} ANSWERS {result}", who(client)),
            Step::Push(from) => format!("{} sends its row as sync", node(from)),
            Step::Arrive(push, at) => format!(
                "sync of {} from {} (birth {}) arrives at {}",
                stamp(push.row),
                node(push.from),
                push.birth,
                node(at)
            ),
            Step::Ack(at) => format!("{} acknowledges the tombstone", node(at)),
            Step::Collect(at) => format!("{} COLLECTS", node(at)),
            Step::Fill(to, from) => format!("{} fills from {}", node(to), node(from)),
            Step::Join(to, from) => format!("{} joins, fence from {}", node(to), names(from)),
            Step::Copy(to, from) => format!(
                "{} copies from {}{}",
                node(to),
                names(from),
                if after.retired && !before.retired { ": OLD SET RETIRED" } else { "" }
            ),
            Step::SetAside => "a copy of A is set aside".into(),
            Step::Restore => "A COMES BACK from the copy".into(),
            Step::Pull(from) => format!("A pulls from {}", node(from)),
            Step::Forget(by) => format!("{} GIVES UP {}", node(by), names(self.gone(1))),
            Step::Return => format!("{} RETURNS", names(self.gone(1))),
            Step::Refill(from) => format!("{} is filled by {}", names(self.gone(1)), node(from)),
        };
        let rows = members(self.old | self.new).map(|at| {
            let of = after.nodes[at];
            let fence = if of.fence > 0 { format!("(W{})", of.fence) } else { String::new() };
            format!(
                "{}{}:{}{fence}{}",
                node(at as u8),
                of.stage,
                stamp(of.row),
                if of.recovering { "?" } else { "" }
            )
        });
        format!("{text:<56} {}", rows.collect::<Vec<_>>().join(" "))
    }
}

fn scope(name: &str, off: Option<&str>) -> Collect {
    use Op::{Delete, Read, Write};
    let mut words = name.split(' ');
    let sets = words.next().unwrap_or_default();
    let (old, new, holders) = match sets {
        "1>2" => (0b1, 0b11, 0b1),
        "2>3" => (0b11, 0b111, 0b11),
        "3>3" => (0b111, 0b1011, 0b11),
        // A, B and D are the set; C was a member before, and comes back.
        "return" => (0b1011, 0b111, 0b111),
        "2return" => (0b1001, 0b101, 0b1101),
        "2" => (0b11, 0b11, 0b11),
        _ => (0b111, 0b111, 0b11),
    };
    let mut collect = Collect {
        old,
        new,
        changes: old != new,
        scripts: vec![vec![Write], vec![Delete], vec![Read]],
        holders,
        births: vec![1, 7],
        clock_max: 2,
        tries: 2,
        pushes: 0,
        restores: false,
        sets: [vec![old], vec![old], vec![old, new], vec![new]],
        clocks: 1,
        levels: vec![0],
        off: search::rule_to_leave_out(RULES, off),
    };
    for word in words {
        match word {
            "push" => collect.pushes = 1,
            "clocks" => collect.clocks = 2,
            "rr" => collect.scripts[2].push(Read),
            "restored" => collect.restores = true,
            "gone" => (collect.levels, collect.holders) = (vec![0, 0b100], 0b101),
            "back" => (collect.levels, collect.holders) = (vec![0, 0b100, 0], 0b101),
            "2gone" => (collect.levels, collect.holders) = (vec![0, 0b10], 0b11),
            "2back" => (collect.levels, collect.holders) = (vec![0, 0b10, 0], 0b11),
            "once" => collect.tries = 1,
            "slow" => collect.births = vec![1],
            "fast" => collect.births = vec![7],
            other => panic!("word {other}"),
        }
    }
    collect
}

fn run(name: &str, off: Option<&str>, limit: usize) -> Outcome {
    search::search(&scope(name, off), limit)
}

fn main() {
    let cases = [
        all("3 once"),
        all("3"),
        all("1>2 once"),
        all("2 restored once"),
        all("2 once 2gone"),
        all("2 once 2back"),
        all("3 once gone"),
        long("3 gone"),
        long("3 once back"),
        long("3 once gone push"),
        long("1>2"),
        long("2return once"),
        long("3 once push"),
        long("1>2 once push"),
        long("2>3 once fast"),
        long("3>3 once fast"),
        long("return once fast"),
        long("3 restored once fast"),
        long("3 restored once slow"),
        without("fence-write", "3 once"),
        without("fence-back", "3 rr once slow"),
        Case { long: true, ..without("fence-sync", "3 once push") },
        without("fence-absent", "3 once"),
        without("all-acks", "3 once"),
        without("highest-clock", "3 once"),
        without("merge-birth", "3 once"),
        without("view", "2return once"),
        without("pause", "1>2 once"),
        not_needed("ack-stage", "1>2 rr once"),
        without("join-empty", "2return once fast"),
        not_needed("join-fence", "1>2 rr once"),
        Case { long: true, ..not_needed("members-push", "2return once push") },
        without("drop-own", "2 restored once"),
        without("life-view", "2 restored once"),
        without("pull-all", "3 restored once fast"),
        not_needed("take-fence", "2 restored rr once"),
        not_needed("no-ack", "2 restored rr once"),
        without("forget-view", "2 once 2gone"),
        without("forget-acks", "3 once gone"),
        without("return-empty", "2 once 2back"),
        without("return-pull", "3 once back"),
        Case { long: true, ..without("return-known", "3 once back") },
    ];
    search::main_of("collect", RULES, &cases, &run);
}
