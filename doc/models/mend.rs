//! A row of a merging table that one replica cannot read any more: what has to hold so that nothing that a quorum
//! acknowledged is missing from any quorum, before, while and after it is taken from the others again (rule M4).
//!
//! Modelled: one row that only grows (a set of writes) on three replicas, A, B and C; two clients that write to it, with
//! slow or fast clocks, whose messages are delivered late, again, or never; A's row becomes unreadable at any moment,
//! once; A asks the others for theirs and raises their fence, then joins what they said.
//!
//! In a scope with `names` it is a row of the small tables (buckets, names, keys): A and B coordinate one write each, which
//! they store themselves before they tell anybody. No fence is needed there: who mends asks all others as above, and a
//! coordinator looks whether it still has what it wrote before it answers.
//!
//! Not modelled: two sets in force (the others are all members of both), several rows (the fence covers an arc; other
//! rows only see more refusals), tombstones (collect.rs: none goes without A's word, which an unreadable row does not
//! give).
//!
//! Checked in every state: what was acknowledged is in the union of any two replicas that can read their row.

mod search;
use search::{Case, Model, Outcome, all, mix, without};

const NODES: usize = 3;
const A: usize = 0;
const RULES: &[(&str, &str)] = &[
    ("mend-fence", "the others refuse from then on what was born before the question"),
    ("mend-present", "also where they hold the row"),
    ("mend-all", "all others answer, not one"),
    ("mend-above", "the question is born after all that the replica ever heard"),
    ("merge-birth", "a replica takes a request's birth into its clock before it stores"),
    ("again-anew", "who is refused and asks again counts no answer of before"),
    ("names-own", "a coordinator answers only while its own copy has what it wrote"),
    ("names-unread", "a copy that cannot be read takes nothing from a single member"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Absent,
    Unreadable,
    Holds(u8),
}

#[derive(Clone, Copy)]
struct Node {
    row: Row,
    clock: u8,
    fence: u8,
}

/// A write: its births so far, the replicas that stored it under the last one, whether it was answered.
#[derive(Clone, Copy, Default)]
struct Client {
    births: [u8; 2],
    tries: u8,
    stored: u8,
    refused: bool,
    answered: bool,
}

#[derive(Clone, Copy)]
struct State {
    nodes: [Node; NODES],
    clients: [Client; 2],
    lost: bool,
    /// Birth of the question, who answered, what they said.
    question: u8,
    told: u8,
    joined: u8,
}

#[derive(Clone, Copy)]
enum Step {
    Send(usize, u8),
    Deliver(usize, usize, u8),
    Answer(usize),
    Lose,
    Ask(u8),
    Tell(usize),
    Join,
    Sync(usize, usize),
}

struct Mend {
    left_out: Option<&'static str>,
    held: bool,
    sync: bool,
    names: bool,
}

impl Mend {
    fn on(&self, rule: &str) -> bool {
        self.left_out != Some(rule)
    }

    fn is_refused(&self, node: &Node, birth: u8) -> bool {
        let is_absent = node.row == Row::Absent;
        birth <= node.fence && self.on("mend-fence") && (is_absent || self.on("mend-present"))
    }

    /// A copy that some member told of.
    fn copy(&self, state: &State, at: usize, told: u8) -> Option<State> {
        let mut next = *state;
        let before = match next.nodes[at].row {
            Row::Unreadable if self.on("names-unread") => return None,
            Row::Holds(writes) => writes,
            Row::Absent | Row::Unreadable => 0,
        };
        next.nodes[at].row = Row::Holds(before | told);
        Some(next)
    }

    /// Rows of names: the coordinator stores first, and looks again before it answers.
    fn next_of_names(&self, state: &State, visit: &mut dyn FnMut(Step, State)) {
        for (client, writer) in state.clients.iter().enumerate() {
            let own = if let Row::Holds(writes) = state.nodes[client].row { writes >> client & 1 == 1 } else { false };
            if writer.tries == 0 && state.nodes[client].row != Row::Unreadable {
                let mut next = self.copy(state, client, 1 << client).expect("it can be read");
                next.clients[client].tries = 1;
                next.clients[client].stored = 1 << client;
                visit(Step::Send(client, 0), next);
            }
            for at in (0..NODES).filter(|at| writer.tries == 1 && *at != client) {
                if let Some(mut next) = self.copy(state, at, 1 << client) {
                    next.clients[client].stored |= 1 << at;
                    visit(Step::Deliver(client, at, 0), next);
                }
            }
            if writer.stored.count_ones() >= 2 && !writer.answered && (own || !self.on("names-own")) {
                let mut next = *state;
                next.clients[client].answered = true;
                visit(Step::Answer(client), next);
            }
        }
    }

    fn store(&self, state: &State, (client, birth, at): (usize, u8, usize)) -> Option<State> {
        let mut next = *state;
        let node = &mut next.nodes[at];
        if node.row == Row::Unreadable {
            return None;
        }
        if self.on("merge-birth") {
            node.clock = node.clock.max(birth);
        }
        let writer = &mut next.clients[client];
        let is_last = writer.births[writer.tries as usize - 1] == birth;
        if self.is_refused(node, birth) {
            writer.refused |= is_last;
            return Some(next);
        }
        let before = if let Row::Holds(writes) = node.row { writes } else { 0 };
        node.row = Row::Holds(before | 1 << client);
        if is_last {
            writer.stored |= 1 << at;
            writer.answered |= writer.stored.count_ones() >= 2;
        }
        Some(next)
    }
}

fn violation(state: &State) -> Option<&'static str> {
    let readable = |node: &Node| match node.row {
        Row::Absent => Some(0),
        Row::Holds(writes) => Some(writes),
        Row::Unreadable => None,
    };
    let rows: Vec<u8> = state.nodes.iter().filter_map(readable).collect();
    let answered = (0..2).filter(|client| state.clients[*client].answered).fold(0, |all, client| all | 1 << client);
    let pairs = (0..rows.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    let is_missing = |(one, other): (usize, usize)| answered & !(rows[one] | rows[other]) != 0;
    pairs.into_iter().any(is_missing).then_some("a quorum lacks what was acknowledged")
}

impl Model for Mend {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let row = if self.held { Row::Holds(0) } else { Row::Absent };
        let node = Node { row, clock: 0, fence: 0 };
        State {
            nodes: [node; NODES],
            clients: [Client::default(); 2],
            lost: false,
            question: 0,
            told: 0,
            joined: 0,
        }
    }

    fn key(&self, state: &State) -> u64 {
        let mut hash = 1;
        for node in &state.nodes {
            let row = match node.row {
                Row::Absent => 0,
                Row::Unreadable => 1,
                Row::Holds(writes) => 2 + writes,
            };
            mix(&mut hash, u64::from_le_bytes([row, node.clock, node.fence, 0, 0, 0, 0, 0]));
        }
        for Client { births, tries, stored, refused, answered } in state.clients {
            let flags = u8::from(refused) | u8::from(answered) << 1;
            mix(&mut hash, u64::from_le_bytes([births[0], births[1], tries, stored, flags, 0, 0, 0]));
        }
        let State { lost, question, told, joined, .. } = *state;
        mix(&mut hash, u64::from_le_bytes([u8::from(lost), question, told, joined, 0, 0, 0, 0]));
        hash
    }

    fn next(&self, state: &State, visit: &mut dyn FnMut(Step, Option<&'static str>, State)) {
        let mut go = |step, next: State| visit(step, violation(&next), next);
        if self.names {
            self.next_of_names(state, &mut go);
        }
        for (client, writer) in state.clients.iter().enumerate().filter(|_| !self.names) {
            let may_try = writer.tries == 0 || writer.tries == 1 && writer.refused;
            for clock in (1..=6_u8).filter(|_| may_try && !writer.answered) {
                // A later try is born after what refused it.
                let least = state.nodes.iter().map(|node| node.fence).max().unwrap_or(0);
                if writer.tries == 1 && (clock <= least || clock <= writer.births[0]) || writer.tries == 0 && clock > 3 {
                    continue;
                }
                let mut next = *state;
                let again = &mut next.clients[client];
                again.births[writer.tries as usize] = clock;
                again.tries += 1;
                again.refused = false;
                if self.on("again-anew") {
                    again.stored = 0;
                }
                go(Step::Send(client, clock), next);
            }
            for birth in writer.births.iter().take(writer.tries as usize) {
                for at in 0..NODES {
                    if let Some(next) = self.store(state, (client, *birth, at)) {
                        go(Step::Deliver(client, at, *birth), next);
                    }
                }
            }
        }
        if !state.lost {
            let mut next = *state;
            next.lost = true;
            next.nodes[A].row = Row::Unreadable;
            go(Step::Lose, next);
        }
        if state.nodes[A].row == Row::Unreadable && state.question == 0 {
            let mut next = *state;
            next.question = if self.on("mend-above") { state.nodes[A].clock + 1 } else { 1 };
            next.nodes[A].clock = next.nodes[A].clock.max(next.question);
            go(Step::Ask(next.question), next);
        }
        for at in (1..NODES).filter(|at| state.question > 0 && state.told >> at & 1 == 0) {
            let mut next = *state;
            let node = &mut next.nodes[at];
            node.clock = node.clock.max(state.question);
            node.fence = node.fence.max(state.question);
            next.told |= 1 << at;
            if let Row::Holds(writes) = node.row {
                next.joined |= writes;
            }
            go(Step::Tell(at), next);
        }
        let wanted = if self.on("mend-all") { 2 } else { 1 };
        if state.nodes[A].row == Row::Unreadable && state.told.count_ones() >= wanted {
            let mut next = *state;
            next.nodes[A].row = if state.joined > 0 || self.held { Row::Holds(state.joined) } else { Row::Absent };
            go(Step::Join, next);
        }
        for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
            let Row::Holds(theirs) = state.nodes[from].row else { continue };
            if let Some(next) = self.copy(state, to, theirs).filter(|_| self.sync) {
                go(Step::Sync(from, to), next);
            }
        }
    }

    fn show(&self, _before: &State, step: Step, after: &State) -> String {
        let name = |at: usize| ["A", "B", "C"][at];
        let what = match step {
            Step::Send(client, birth) => format!("w{client} is sent, born {birth}"),
            Step::Deliver(client, at, birth) => format!("w{client}@{birth} -> {}", name(at)),
            Step::Answer(client) => format!("w{client} is answered"),
            Step::Lose => "A's row becomes unreadable".to_owned(),
            Step::Ask(birth) => format!("A asks the others, born {birth}"),
            Step::Tell(at) => format!("{} answers A", name(at)),
            Step::Join => "A joins what it was told".to_owned(),
            Step::Sync(from, to) => format!("{} takes the row of {}", name(to), name(from)),
        };
        let rows = after.nodes.iter().map(|node| match node.row {
            Row::Absent => "-".to_owned(),
            Row::Unreadable => "?".to_owned(),
            Row::Holds(writes) => format!("{writes:02b}"),
        });
        format!("{what:<32} {}", rows.collect::<Vec<_>>().join(" "))
    }
}

fn run(scope: &str, left_out: Option<&str>, limit: usize) -> Outcome {
    let left_out = search::rule_to_leave_out(RULES, left_out);
    let has = |word: &str| scope.split(' ').any(|part| part == word);
    assert!(scope.starts_with("3 "), "a scope like \"3 held sync\"");
    search::search(&Mend { left_out, held: has("held"), sync: has("sync"), names: has("names") }, limit)
}

const CASES: &[Case] = &[
    all("3 empty"),
    all("3 held"),
    all("3 empty sync"),
    all("3 held sync"),
    all("3 empty names sync"),
    all("3 held names sync"),
    without("mend-fence", "3 empty"),
    without("mend-present", "3 held"),
    without("mend-all", "3 empty"),
    without("mend-above", "3 empty"),
    without("merge-birth", "3 empty"),
    without("again-anew", "3 empty"),
    without("mend-all", "3 empty names"),
    without("names-own", "3 empty names sync"),
    without("names-unread", "3 held names sync"),
];

fn main() {
    search::main_of("mend", RULES, CASES, &run);
}
