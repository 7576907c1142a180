//! How the nodes agree on the next layout version when two are applied at the same time.
//!
//! Modelled: the storage nodes of the current version (one to three replica sets over up to five
//! nodes); two operators that apply different layouts under the same number, each as a proposer with
//! up to two ballots; requests lost, delayed, duplicated for ever; proposers that stop. A version is
//! in force for whoever hears that it was chosen. One node may lose its memory at any moment, once.
//!
//! Not modelled: what is in a layout; gossip (a fact that is true may reach anyone at any time).
//!
//! Checked: never are two different layouts in force under one number; and (with "stuck") that a
//! state in which nothing can be chosen any more is never reached while all nodes are up.

mod search;
use search::{Case, Model, Outcome, all, long, mix, without};

const NODES: usize = 5;
const RULES: &[(&str, &str)] = &[
    ("ballots", "nodes vote under ballots; without: first come, a vote is final"),
    ("greater-wins", "(in place of ballots) a node moves its vote to the greater layout when it hears of it"),
    ("every-set", "a choice needs a quorum of every replica set of the current version, not of one"),
    ("adopt", "a proposer adopts the newest vote that it finds"),
    ("promise", "a node that promised a ballot refuses votes under lower ones"),
    ("forgot", "a node that lost its memory votes only after it heard all other members"),
    ("pull-all", "all, not one"),
    ("life-view", "a node refuses a vote request that counts on an older life than it knows"),
];

struct Apply {
    sets: Vec<u8>,
    loses: bool,
    off: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Node {
    promise: u8,
    /// Ballot and layout of its vote, 0 if none.
    voted: u8,
    layout: u8,
    life: u8,
    recovering: bool,
    pulled: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Proposer {
    /// 0 idle, 1 preparing, 2 asking for votes, 3 done.
    phase: u8,
    ballot: u8,
    layout: u8,
    life: u8,
    /// Newest vote heard.
    heard: u8,
    heard_layout: u8,
    /// Who answered yes.
    yes: u8,
    high: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    nodes: [Node; NODES],
    proposers: [Proposer; 2],
    /// Requests for votes in flight: per ballot the layout and the life counted on.
    asked: [(u8, u8); 6],
    chosen: u8,
    lost: bool,
}

#[derive(Clone, Copy)]
enum Step {
    Begin(u8),
    Promise(u8, u8, bool),
    Ask(u8),
    Vote(u8, u8, bool),
    Chosen(u8),
    Lose,
    Pull(u8),
}

impl Apply {
    fn on(&self, rule: &str) -> bool {
        match (rule, self.off) {
            ("ballots", Some("greater-wins")) => false,
            _ => self.off != Some(rule),
        }
    }
    fn all(&self) -> u8 {
        self.sets.iter().fold(0, |all, set| all | set)
    }
    fn chooses(&self, yes: u8) -> bool {
        let enough = |set: &u8| (yes & set).count_ones() >= set.count_ones().min(2);
        if self.on("every-set") { self.sets.iter().all(enough) } else { self.sets.iter().any(enough) }
    }
    fn first_come(&self) -> bool {
        !self.on("ballots")
    }
}

type Visit<'a> = &'a mut dyn FnMut(Step, Option<&'static str>, State);

impl Apply {
    fn propose(&self, state: &State, who: usize, visit: Visit) {
        let p = state.proposers[who];
        let tries = p.ballot / 2;
        if p.phase == 3 || p.phase != 0 && (tries >= 2 || self.first_come() || p.high <= p.ballot) {
            return;
        }
        for life in p.life..=u8::from(state.lost) {
            let mut next = *state;
            let ballot = (tries + 1) * 2 + who as u8;
            next.proposers[who] =
                Proposer { phase: 1, ballot, layout: who as u8 + 1, life, ..Proposer::default() };
            if self.first_come() {
                next.proposers[who].phase = 2;
                next.asked[ballot as usize] = (who as u8 + 1, life);
            }
            visit(Step::Begin(who as u8), None, next);
        }
    }
    fn nodes(&self, state: &State, visit: Visit) {
        for at in (0..NODES).filter(|at| self.all() >> at & 1 == 1) {
            for who in 0..2 {
                self.prepare(state, at, who, visit);
            }
            for ballot in 2..6u8 {
                if state.asked[ballot as usize].0 != 0 {
                    self.vote(state, at, ballot, visit);
                }
            }
        }
    }
    fn enter(&self, node: &mut Node, life: u8) -> bool {
        if self.on("life-view") && node.life > life {
            return false;
        }
        node.life = node.life.max(life);
        true
    }
    fn counted(&self, node: &Node) -> bool {
        !node.recovering || !self.on("forgot")
    }
    fn prepare(&self, state: &State, at: usize, who: usize, visit: Visit) {
        let p = state.proposers[who];
        if p.phase != 1 {
            return;
        }
        let mut next = *state;
        let node = &mut next.nodes[at];
        let granted = self.enter(node, p.life) && p.ballot >= node.promise;
        if granted {
            node.promise = p.ballot;
        }
        let node = *node;
        if node != state.nodes[at] {
            visit(Step::Promise(who as u8, at as u8, false), None, next);
        }
        if p.yes >> at & 1 == 0 {
            let p = &mut next.proposers[who];
            if granted && self.counted(&node) {
                p.yes |= 1 << at;
                if node.voted > p.heard {
                    (p.heard, p.heard_layout) = (node.voted, node.layout);
                }
            } else {
                p.high = p.high.max(node.promise.max(p.ballot + 1));
            }
            visit(Step::Promise(who as u8, at as u8, true), None, next);
        }
    }
    fn vote(&self, state: &State, at: usize, ballot: u8, visit: Visit) {
        let (layout, life) = state.asked[ballot as usize];
        let mut next = *state;
        let node = &mut next.nodes[at];
        let entered = self.enter(node, life);
        let granted = if self.off == Some("greater-wins") {
            layout >= node.layout
        } else if self.first_come() {
            node.layout == 0 || node.layout == layout
        } else {
            ballot >= node.promise || !self.on("promise")
        };
        if entered && granted && ballot >= node.voted {
            (node.voted, node.layout) = (ballot, layout);
            node.promise = node.promise.max(ballot);
        }
        let node = *node;
        if node != state.nodes[at] {
            visit(Step::Vote(ballot, at as u8, false), None, next);
        }
        let who = usize::from(ballot % 2);
        let p = state.proposers[who];
        if p.phase == 2 && p.ballot == ballot && p.yes >> at & 1 == 0 {
            let p = &mut next.proposers[who];
            if entered && granted && self.counted(&node) {
                p.yes |= 1 << at;
            } else {
                p.high = p.high.max(node.promise.max(p.ballot + 1));
            }
            visit(Step::Vote(ballot, at as u8, true), None, next);
        }
    }
    fn decide(&self, state: &State, who: usize, visit: Visit) {
        let p = state.proposers[who];
        if !self.chooses(p.yes) {
            return;
        }
        let mut next = *state;
        let n = &mut next.proposers[who];
        if p.phase == 1 {
            if p.heard != 0 && self.on("adopt") {
                n.layout = p.heard_layout;
            }
            (n.phase, n.yes) = (2, 0);
            next.asked[p.ballot as usize] = (n.layout, p.life);
            visit(Step::Ask(who as u8), None, next);
        } else if p.phase == 2 {
            n.phase = 3;
            let other = state.chosen != 0 && state.chosen != p.layout;
            next.chosen = p.layout;
            visit(Step::Chosen(who as u8), other.then_some("two layouts in force under one number"), next);
        }
    }
    fn lose(&self, state: &State, visit: Visit) {
        let node = state.nodes[0];
        if !state.lost {
            if node != Node::default() {
                let mut next = *state;
                next.lost = true;
                next.nodes[0] = Node { life: 1, recovering: true, ..Node::default() };
                visit(Step::Lose, None, next);
            }
            return;
        }
        let others = self.all() & !1;
        for from in (1..NODES).filter(|from| node.recovering && others & !node.pulled & 1 << from != 0) {
            let mut next = *state;
            if self.on("life-view") {
                next.nodes[from].life = 1;
            }
            let source = next.nodes[from];
            let node = &mut next.nodes[0];
            node.pulled |= 1 << from;
            node.promise = node.promise.max(source.promise);
            if source.voted > node.voted {
                (node.voted, node.layout) = (source.voted, source.layout);
            }
            if node.pulled == others || !self.on("pull-all") {
                (node.recovering, node.pulled) = (false, 0);
            }
            visit(Step::Pull(from as u8), None, next);
        }
    }
    /// Whether votes that are final are split so that no layout can get a choice any more.
    fn is_stuck(&self, state: &State) -> bool {
        let can = |layout: u8| {
            let yes = (0..NODES)
                .filter(|at| [0, layout].contains(&state.nodes[*at].layout))
                .fold(0, |mask, at| mask | 1 << at);
            self.chooses(yes & self.all())
        };
        self.off == Some("ballots") && !can(1) && !can(2)
    }
}

impl Model for Apply {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let asked = [(0, 0); 6];
        State {
            nodes: [Node::default(); NODES],
            proposers: [Proposer::default(); 2],
            asked,
            chosen: 0,
            lost: false,
        }
    }
    fn key(&self, state: &State) -> u64 {
        // With one set its nodes are interchangeable, but for the one that loses its memory.
        let mut order: [usize; NODES] = std::array::from_fn(|node| node);
        if self.sets.len() == 1 {
            let yes = |node: usize| state.proposers.map(|p| p.yes >> node & 1);
            let class = |node: usize| (self.all() >> node & 1 == 0, self.loses && node != 0);
            order.sort_unstable_by_key(|node| (class(*node), state.nodes[*node], yes(*node)));
        }
        let map =
            |mask: u8| order.iter().enumerate().fold(0, |out, (new, old)| out | (mask >> old & 1) << new);
        let mut hash = 0x9E37_79B9_7F4A_7C15;
        for node in order.map(|node| state.nodes[node]) {
            mix(
                &mut hash,
                u64::from_le_bytes([
                    node.promise,
                    node.voted,
                    node.layout,
                    node.life,
                    u8::from(node.recovering),
                    map(node.pulled),
                    0,
                    0,
                ]),
            );
        }
        for p in &state.proposers {
            mix(
                &mut hash,
                u64::from_le_bytes([
                    p.phase,
                    p.ballot,
                    p.layout,
                    p.life,
                    p.heard,
                    p.heard_layout,
                    map(p.yes),
                    p.high,
                ]),
            );
        }
        for (layout, life) in state.asked {
            mix(&mut hash, u64::from(layout) << 8 | u64::from(life));
        }
        mix(&mut hash, u64::from(state.chosen) << 1 | u64::from(state.lost));
        hash
    }
    fn next(&self, state: &State, visit: Visit) {
        let watch = &mut |step, violated: Option<&'static str>, after: State| {
            let stuck = self.is_stuck(&after).then_some("no layout can be chosen any more");
            visit(step, violated.or(stuck), after);
        };
        for who in 0..2 {
            self.propose(state, who, watch);
            self.decide(state, who, watch);
        }
        self.nodes(state, watch);
        if self.loses {
            self.lose(state, watch);
        }
    }
    fn show(&self, _: &State, step: Step, after: &State) -> String {
        let node = |at: u8| (b'A' + at) as char;
        let lost = |kept: bool| if kept { "" } else { " (reply lost)" };
        let text = match step {
            Step::Begin(who) => format!(
                "{} begins, ballot {}, layout {}",
                ["first", "second"][who as usize],
                after.proposers[who as usize].ballot,
                who + 1
            ),
            Step::Promise(who, at, kept) => {
                format!("prepare {} -> {}{}", after.proposers[who as usize].ballot, node(at), lost(kept))
            }
            Step::Ask(who) => format!(
                "ballot {} asks votes for layout {}",
                after.proposers[who as usize].ballot, after.proposers[who as usize].layout
            ),
            Step::Vote(ballot, at, kept) => format!(
                "vote {ballot} for layout {} -> {}{}",
                after.asked[ballot as usize].0,
                node(at),
                lost(kept)
            ),
            Step::Chosen(who) => format!("layout {} IN FORCE", after.proposers[who as usize].layout),
            Step::Lose => "A LOSES its memory".into(),
            Step::Pull(from) => format!("A pulls from {}", node(from)),
        };
        let nodes = (0..NODES as u8).filter(|at| self.all() >> at & 1 == 1).map(|at| {
            let of = after.nodes[at as usize];
            format!(
                "{}:[{}]{}@{}{}",
                node(at),
                of.promise,
                of.layout,
                of.voted,
                if of.recovering { "?" } else { "" }
            )
        });
        format!("{text:<44} {}", nodes.collect::<Vec<_>>().join(" "))
    }
}

fn run(name: &str, off: Option<&str>, limit: usize) -> Outcome {
    let mut words = name.split(' ');
    let sets = match words.next().unwrap_or_default() {
        "AB" => vec![0b11],
        "ABC" => vec![0b111],
        // Four nodes, four sets of three.
        "ABCD" => vec![0b111, 0b1110, 0b1101, 0b1011],
        // Copies on one node each.
        "A+B" => vec![0b1, 0b10],
        "AB+BC" => vec![0b11, 0b110],
        other => panic!("sets {other}"),
    };
    let off = search::rule_to_leave_out(RULES, off);
    search::search(&Apply { sets, loses: words.next() == Some("empty"), off }, limit)
}

fn main() {
    let cases = [
        all("AB"),
        all("ABC"),
        all("A+B"),
        all("AB+BC"),
        all("AB empty"),
        long("ABC empty"),
        long("ABCD"),
        without("ballots", "AB"),
        without("greater-wins", "ABC"),
        without("every-set", "A+B"),
        without("adopt", "ABC"),
        without("promise", "ABC"),
        without("forgot", "ABC empty"),
        without("pull-all", "ABC empty"),
        Case { long: true, ..without("life-view", "ABC empty") },
    ];
    search::main_of("apply", RULES, &cases, &run);
}
