//! A body that is given a second one, which holds the same block: what has to hold so that the block is there when the
//! second one is named (rules K1 and K5).
//!
//! Modelled: one block with the references of both bodies on three nodes, and the two rows of the first body on three
//! more; the second row holds the block. Whoever found the first body beaten says that its rows are dead, both in one message to each
//! node, at any moment. Any node that knows the second row to be dead lets the reference go. Who renews the body stores the new reference
//! with a quorum, then reads the rows of the first body, each from any quorum, and goes on if none is dead.
//!
//! Not modelled: why the first body is beaten, rows of the second one, layouts that change.
//!
//! Checked in every state: once the renewed body may be named, a quorum has the file of the block and the new reference to it.

mod search;
use search::{Case, Model, Outcome, all, mix, without};

const NODES: usize = 3;
const QUORUM: u32 = 2;
const RULES: &[(&str, &str)] = &[
    ("hold-first", "the rows of the first body are read once the new references are stored"),
    ("read-rows", "a body with a dead row is not renewed"),
    ("all-rows", "every row of the first body is read"),
    ("dead-first", "a quorum knows that a row is dead before what it holds is let go"),
];

/// A node that keeps the block.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Keeper {
    first: bool,
    second: bool,
    file: bool,
}

#[derive(Clone, Copy)]
struct State {
    keepers: [Keeper; NODES],
    /// Where each row of the first body is known to be dead, bit by node.
    dead: [u8; 2],
    /// Whether somebody may let the reference go.
    released: bool,
    /// Which rows were read, and found alive.
    read: [bool; 2],
    given_up: bool,
    named: bool,
}

#[derive(Clone, Copy)]
enum Step {
    Kill(usize),
    TellDead(usize, usize),
    Release,
    LetGo(usize),
    Unlink(usize),
    Hold(usize),
    Read(usize, usize),
    Name,
}

struct Renewal {
    left_out: Option<&'static str>,
}

fn is_quorum(nodes: u8) -> bool {
    nodes.count_ones() >= QUORUM
}

impl Renewal {
    fn on(&self, rule: &str) -> bool {
        self.left_out != Some(rule)
    }

    fn has_read_enough(&self, state: &State) -> bool {
        match (self.on("read-rows"), self.on("all-rows")) {
            (false, _) => true,
            (true, false) => state.read[0],
            (true, true) => state.read == [true; 2],
        }
    }
}

fn violation(state: &State) -> Option<&'static str> {
    let whole = state.keepers.iter().filter(|keeper| keeper.second && keeper.file).count();
    (state.named && (whole as u32) < QUORUM).then_some("a body is named whose block is missing")
}

impl Model for Renewal {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let keeper = Keeper { first: true, second: false, file: true };
        State { keepers: [keeper; NODES], dead: [0; 2], released: false, read: [false; 2], given_up: false, named: false }
    }

    fn key(&self, state: &State) -> u64 {
        let mut hash = 1;
        for Keeper { first, second, file } in state.keepers {
            mix(&mut hash, [first, second, file].into_iter().fold(0, |all, bit| all << 1 | u64::from(bit)));
        }
        let flags = [state.released, state.read[0], state.read[1], state.given_up, state.named];
        let flags = flags.into_iter().fold(0, |all, bit| all << 1 | u8::from(bit));
        mix(&mut hash, u64::from_le_bytes([state.dead[0], state.dead[1], flags, 0, 0, 0, 0, 0]));
        hash
    }

    fn next(&self, state: &State, visit: &mut dyn FnMut(Step, Option<&'static str>, State)) {
        let mut go = |step, change: &dyn Fn(&mut State)| {
            let mut next = *state;
            change(&mut next);
            visit(step, violation(&next), next);
        };
        for at in 0..NODES {
            if state.dead[0] >> at & 1 == 0 {
                go(Step::Kill(at), &|next| next.dead.iter_mut().for_each(|row| *row |= 1 << at));
            }
            for from in (0..NODES).filter(|from| state.dead[1] >> from & 1 == 1 && state.dead[1] >> at & 1 == 0) {
                // Who is about to let the reference go tells of the row that it is about.
                go(Step::TellDead(from, at), &|next| next.dead[1] |= 1 << at);
            }
            let keeper = state.keepers[at];
            if state.released && keeper.first {
                go(Step::LetGo(at), &|next| next.keepers[at].first = false);
            }
            if keeper.file && !keeper.first && !keeper.second {
                go(Step::Unlink(at), &|next| next.keepers[at].file = false);
            }
            let may_hold = self.on("hold-first") || state.read == [true; 2];
            if !keeper.second && may_hold && !state.given_up {
                go(Step::Hold(at), &|next| next.keepers[at].second = true);
            }
        }
        let knows = if self.on("dead-first") { is_quorum(state.dead[1]) } else { state.dead[1] != 0 };
        if knows && !state.released {
            go(Step::Release, &|next| next.released = true);
        }
        let holders = state.keepers.iter().filter(|keeper| keeper.second).count() as u32;
        let may_read = holders >= QUORUM || !self.on("hold-first");
        for row in (0..2).filter(|row| may_read && !state.read[*row] && !state.given_up) {
            // Any quorum: all nodes but one.
            for absent in 0..NODES {
                let is_dead = state.dead[row] & !(1 << absent) != 0;
                go(Step::Read(row, absent), &|next| match is_dead {
                    true => next.given_up = true,
                    false => next.read[row] = true,
                });
            }
        }
        if holders >= QUORUM && self.has_read_enough(state) && !state.given_up && !state.named {
            go(Step::Name, &|next| next.named = true);
        }
    }

    fn show(&self, _before: &State, step: Step, after: &State) -> String {
        let name = |at: usize| ["A", "B", "C"][at];
        let what = match step {
            Step::Kill(at) => format!("{} hears that the first body is dead", name(at)),
            Step::TellDead(from, at) => format!("{} tells {} that the second row is dead", name(from), name(at)),
            Step::Release => "its reference is let go".to_owned(),
            Step::LetGo(at) => format!("{} lets it go", name(at)),
            Step::Unlink(at) => format!("{} removes the file", name(at)),
            Step::Hold(at) => format!("{} stores the new reference", name(at)),
            Step::Read(row, absent) => format!("row {row} is read, without {}", name(absent)),
            Step::Name => "the renewed body may be named".to_owned(),
        };
        let held = after.keepers.iter().map(|keeper| {
            let letter = |is: bool, letter| if is { letter } else { '-' };
            [letter(keeper.first, '1'), letter(keeper.second, '2'), letter(keeper.file, 'f')].iter().collect::<String>()
        });
        format!("{what:<42} {}", held.collect::<Vec<_>>().join(" "))
    }
}

fn run(_scope: &str, left_out: Option<&str>, limit: usize) -> Outcome {
    search::search(&Renewal { left_out: search::rule_to_leave_out(RULES, left_out) }, limit)
}

const CASES: &[Case] = &[
    all("3"),
    without("hold-first", "3"),
    without("read-rows", "3"),
    without("all-rows", "3"),
    without("dead-first", "3"),
];

fn main() {
    search::main_of("renew", RULES, CASES, &run);
}
