//! A block while its replica set changes: what has to hold so that whoever keeps it no longer drops it only when enough
//! others have its file (rule K8).
//!
//! Modelled: one block, its reference and its file on each node, an older and a newer replica set, a change in three
//! stages: a candidate is filled, two versions are in force, the older one is retired and who is not in the newer set
//! drops what it holds. The block is acknowledged by a quorum of the older set at the start, any one, or put by a client at
//! any moment. References are copied without their files, files are fetched later or never, since any question may fail. In a scope
//! with `rot` one node loses its file, once, at any moment.
//!
//! Not modelled: who knows of which version (change.rs: here a message counts only under the stage in which it was sent),
//! several blocks, references that go (K5 to K7).
//!
//! Checked in every state: an acknowledged block has files on a quorum of the older set until that is retired, of the newer
//! one from then on; one fewer once a file has rotted.

mod search;
use search::{Case, Model, Outcome, all, mix, not_needed, without};

const NODES: usize = 5;
const RULES: &[(&str, &str)] = &[
    ("files-filled", "a member of a candidate has filled only with the files of all it holds"),
    ("files-complete", "a member of two sets in force is complete only with the files of all it holds"),
    ("all-say-none", "a file is done without only when every owner that could have it has said that it has none"),
    ("keep", "who is not in the newer set keeps what it holds until the older one is retired"),
];

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Node {
    reference: bool,
    file: bool,
    filled: bool,
    complete: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Filling,
    Joint,
    Retired,
}

#[derive(Clone, Copy)]
struct State {
    nodes: [Node; NODES],
    stage: Stage,
    /// The client: whether it has sent under this stage, who stored it under this stage, whether it was answered.
    sent: bool,
    stored: u8,
    answered: bool,
    rotted: bool,
}

#[derive(Clone, Copy)]
enum Step {
    Send,
    Deliver(usize),
    CopyReference(usize, usize),
    Fetch(usize, usize),
    Fill(usize, usize),
    Choose,
    Complete(usize),
    Retire,
    Drop(usize),
    Rot(usize),
}

struct Change {
    left_out: Option<&'static str>,
    old: u8,
    new: u8,
    /// Put at the start and acknowledged by these; by nobody where a client puts it.
    acknowledged: u8,
    rot: bool,
}

fn quorum(set: u8) -> u32 {
    set.count_ones() / 2 + 1
}

fn members(set: u8) -> impl Iterator<Item = usize> {
    (0..NODES).filter(move |at| set >> at & 1 == 1)
}

fn with(state: &State, is: impl Fn(&Node) -> bool) -> u8 {
    (0..NODES).filter(|at| is(&state.nodes[*at])).fold(0, |all, at| all | 1 << at)
}

impl Change {
    fn on(&self, rule: &str) -> bool {
        self.left_out != Some(rule)
    }

    fn in_force(&self, stage: Stage) -> Vec<u8> {
        match stage {
            Stage::Filling => vec![self.old],
            Stage::Joint => vec![self.old, self.new],
            Stage::Retired => vec![self.new],
        }
    }

    /// Whether what a node holds of the block is enough, by the rule of this name.
    fn has_files(&self, state: &State, at: usize, rule: &str) -> bool {
        let node = state.nodes[at];
        if !node.reference || node.file || !self.on(rule) {
            return true;
        }
        let owners = self.in_force(state.stage).into_iter().fold(0, |all, set| all | set) & !(1 << at);
        let have = with(state, |node| node.file) & owners;
        if self.on("all-say-none") { have == 0 } else { have != owners }
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        let set = if state.stage == Stage::Retired { self.new } else { self.old };
        let copies = (with(state, |node| node.file && node.reference) & set).count_ones();
        let least = quorum(set) - u32::from(state.rotted);
        (state.answered && copies < least).then_some("an acknowledged block has too few copies")
    }
}

impl Model for Change {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let mut nodes = [Node::default(); NODES];
        for at in members(self.acknowledged) {
            nodes[at] = Node { reference: true, file: true, ..Node::default() };
        }
        let answered = self.acknowledged != 0;
        State { nodes, stage: Stage::Filling, sent: answered, stored: 0, answered, rotted: false }
    }

    fn key(&self, state: &State) -> u64 {
        let mut hash = 1;
        for Node { reference, file, filled, complete } in state.nodes {
            let bits = [reference, file, filled, complete].into_iter().fold(0, |all, bit| all << 1 | u64::from(bit));
            mix(&mut hash, bits);
        }
        let flags = [state.sent, state.answered, state.rotted].map(u8::from);
        mix(&mut hash, u64::from_le_bytes([state.stage as u8, state.stored, flags[0], flags[1], flags[2], 0, 0, 0]));
        hash
    }

    fn next(&self, state: &State, visit: &mut dyn FnMut(Step, Option<&'static str>, State)) {
        let mut go = |step, change: &dyn Fn(&mut State)| {
            let mut next = *state;
            change(&mut next);
            visit(step, self.violation(&next), next);
        };
        let in_force = self.in_force(state.stage);
        let owners = in_force.iter().fold(0, |all, set| all | set);
        let coming = if state.stage == Stage::Retired { 0 } else { self.new };
        if !state.sent {
            go(Step::Send, &|next| next.sent = true);
        }
        for at in members(owners).filter(|at| state.sent && !state.answered && state.stored >> at & 1 == 0) {
            go(Step::Deliver(at), &|next| {
                (next.nodes[at].reference, next.nodes[at].file) = (true, true);
                next.stored |= 1 << at;
                next.answered = in_force.iter().all(|set| (next.stored & set).count_ones() >= quorum(*set));
            });
        }
        for to in members(owners | coming) {
            for from in members(owners).filter(|from| *from != to) {
                let (mine, theirs) = (state.nodes[to], state.nodes[from]);
                if theirs.reference && !mine.reference {
                    go(Step::CopyReference(from, to), &|next| next.nodes[to].reference = true);
                }
                if mine.reference && !mine.file && theirs.file {
                    go(Step::Fetch(from, to), &|next| next.nodes[to].file = true);
                }
            }
        }
        if state.stage == Stage::Filling {
            for at in members(self.new & !self.old).filter(|at| !state.nodes[*at].filled) {
                for from in members(self.old) {
                    let has_all = state.nodes[at].reference || !state.nodes[from].reference;
                    if has_all && self.has_files(state, at, "files-filled") {
                        go(Step::Fill(from, at), &|next| next.nodes[at].filled = true);
                    }
                }
            }
            let filled = (with(state, |node| node.filled) | self.old) & self.new;
            if filled.count_ones() >= quorum(self.new) {
                go(Step::Choose, &|next| {
                    // What was sent under the older version alone is sent anew.
                    (next.stage, next.stored) = (Stage::Joint, 0);
                });
            }
        }
        if state.stage == Stage::Joint {
            for at in members(self.new).filter(|at| !state.nodes[*at].complete) {
                // A quorum of the older set, this node counted, holds nothing that this one does not.
                let has_no_more = |from: &usize| *from == at || state.nodes[at].reference || !state.nodes[*from].reference;
                let compared = members(self.old).filter(has_no_more).count();
                if compared as u32 >= quorum(self.old) && self.has_files(state, at, "files-complete") {
                    go(Step::Complete(at), &|next| next.nodes[at].complete = true);
                }
            }
            if (with(state, |node| node.complete) & self.new).count_ones() >= quorum(self.new) {
                go(Step::Retire, &|next| (next.stage, next.stored) = (Stage::Retired, 0));
            }
        }
        let may_drop = state.stage == Stage::Retired || state.stage == Stage::Joint && !self.on("keep");
        for at in members(self.old & !self.new).filter(|at| may_drop && state.nodes[*at].reference) {
            go(Step::Drop(at), &|next| next.nodes[at] = Node::default());
        }
        for at in (0..NODES).filter(|at| self.rot && !state.rotted && state.nodes[*at].file) {
            go(Step::Rot(at), &|next| (next.rotted, next.nodes[at].file) = (true, false));
        }
    }

    fn show(&self, _before: &State, step: Step, after: &State) -> String {
        let name = |at: usize| ["A", "B", "C", "D", "E"][at];
        let what = match step {
            Step::Send => "a client puts the block".to_owned(),
            Step::Deliver(at) => format!("{} stores it", name(at)),
            Step::CopyReference(from, to) => format!("{} copies the reference of {}", name(to), name(from)),
            Step::Fetch(from, to) => format!("{} fetches the file of {}", name(to), name(from)),
            Step::Fill(from, at) => format!("{} has filled, from {}", name(at), name(from)),
            Step::Choose => "the newer version is in force too".to_owned(),
            Step::Complete(at) => format!("{} is complete", name(at)),
            Step::Retire => "the older version is retired".to_owned(),
            Step::Drop(at) => format!("{} drops what it holds", name(at)),
            Step::Rot(at) => format!("the file of {} rots", name(at)),
        };
        let held = after.nodes.iter().map(|node| match (node.reference, node.file) {
            (true, true) => "rf",
            (true, false) => "r-",
            _ => "--",
        });
        let answered = if after.answered { "acknowledged" } else { "" };
        format!("{what:<36} {} {answered}", held.collect::<Vec<_>>().join(" "))
    }
}

fn run(scope: &str, left_out: Option<&str>, limit: usize) -> Outcome {
    let left_out = search::rule_to_leave_out(RULES, left_out);
    let mut words = scope.split(' ');
    // The sets, bit by node.
    let (old, new) = match words.next() {
        Some("1>1") => (0b00001, 0b00010),
        Some("1>3") => (0b00001, 0b00111),
        Some("3>1") => (0b00111, 0b00001),
        Some("2>2") => (0b00011, 0b01100),
        Some("3>3") => (0b00111, 0b01110),
        Some("far") => (0b00111, 0b11001),
        _ => panic!("sets like \"1>3\", \"3>3\" or \"far\""),
    };
    let has = |word: &str| scope.split(' ').any(|part| part == word);
    let acknowledged = match has("put") {
        true => 0,
        // The first ones, so that in `far` and `3>3` not all who stay have it.
        false => members(old).take(quorum(old) as usize).fold(0, |all, at| all | 1 << at),
    };
    search::search(&Change { left_out, old, new, acknowledged, rot: has("rot") }, limit)
}

const CASES: &[Case] = &[
    all("1>1"),
    all("1>3"),
    all("3>1"),
    all("2>2"),
    all("3>3"),
    all("far"),
    all("1>1 put"),
    all("1>3 put"),
    all("3>1 put"),
    all("2>2 put"),
    all("3>3 put"),
    all("far put"),
    all("3>3 rot"),
    all("2>2 rot"),
    all("far rot"),
    without("files-complete", "1>3 put"),
    without("files-complete", "far put"),
    // A block that was there before is had by the fillers, and clients put theirs on quorums of both sets.
    not_needed("files-complete", "1>1"),
    not_needed("files-filled", "far put"),
    not_needed("files-filled", "1>1"),
    without("all-say-none", "2>2 rot"),
    without("keep", "1>1"),
    without("keep", "far"),
];

fn main() {
    search::main_of("blocks", RULES, CASES, &run);
}
