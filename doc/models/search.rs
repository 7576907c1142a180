//! The search that the models share: breadth first over every reachable state, so that a violation
//! is printed with a shortest trace.
//!
//! A model gives a start state and, for a state, every step that can follow. A state is kept only as
//! a 64-bit fingerprint and the number of its parent (about 20 bytes); a trace is found again by
//! running the model along the fingerprints. Two different states with one fingerprint would hide a
//! part of the space: at 50 million states the chance of one such pair is below one in ten thousand.
//! A search that stops at its limit of states says CUT: it has then seen every shorter execution.

use std::collections::VecDeque;
use std::time::Instant;

/// What a model has to say.
pub trait Model {
    /// A state of everything: nodes, messages in flight, clients, monitor.
    type State: Clone;
    /// A step, for the printed trace.
    type Step: Copy;
    /// Where everything begins.
    fn start(&self) -> Self::State;
    /// The fingerprint; states that differ only in the names of like nodes may share it.
    fn key(&self, state: &Self::State) -> u64;
    /// Calls `visit` for each step that can follow, with what it violates, if it does.
    fn next(&self, state: &Self::State, visit: &mut dyn FnMut(Self::Step, Option<&'static str>, Self::State));
    /// One line of a trace: the step and the state after it.
    fn show(&self, before: &Self::State, step: Self::Step, after: &Self::State) -> String;
}

/// How a search ended.
pub struct Outcome {
    pub states: usize,
    pub depth: usize,
    pub cut: bool,
    pub seconds: f32,
    /// What was violated and the lines of the shortest trace.
    pub violation: Option<(&'static str, Vec<String>)>,
}

impl Outcome {
    /// One word for the table.
    pub fn word(&self) -> &'static str {
        match (&self.violation, self.cut) {
            (Some(_), _) => "VIOLATION",
            (None, true) => "ok, CUT",
            (None, false) => "ok, all states",
        }
    }
}

/// Linearizability: of the possible histories so far, those in which client `who` answers `result` now. A history is
/// the register's value in four bits, above it for each client `bits` bits: its outcome plus one if its operation has
/// taken effect and is not answered yet. `effect` says what a client's operation does to a value and what it answers;
/// none where it has no operation, or this one can only fail.
#[allow(dead_code, reason = "not every model has a register")]
pub fn explain(
    histories: impl Iterator<Item = u32>,
    (who, result): (usize, u8),
    (clients, bits): (usize, usize),
    effect: impl Fn(usize, u32) -> Option<(u32, u32)>,
) -> Vec<u32> {
    let (mut fits, mut seen) = (vec![], vec![]);
    let mut open: Vec<u32> = histories.collect();
    let outcome_of = |history: u32, client: usize| history >> (4 + bits * client) & ((1 << bits) - 1);
    while let Some(history) = open.pop() {
        if seen.contains(&history) {
            continue;
        }
        seen.push(history);
        let done = outcome_of(history, who);
        if done != 0 {
            if done == u32::from(result) + 1 {
                fits.push(history & !(((1 << bits) - 1) << (4 + bits * who)));
            }
            continue;
        }
        for client in (0..clients).filter(|client| outcome_of(history, *client) == 0) {
            let Some((after, outcome)) = effect(client, history & 15) else { continue };
            if client != who || outcome == u32::from(result) {
                open.push(history & !15 | after | (outcome + 1) << (4 + bits * client));
            }
        }
    }
    fits.sort_unstable();
    fits.dedup();
    fits
}

/// Mixes a word into a fingerprint.
pub fn mix(hash: &mut u64, word: u64) {
    let product = u128::from(*hash ^ word) * 0xD6E8_FEB8_6659_FD93_A5A5;
    let folded = (product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(29);
    *hash = (folded ^ (folded >> 31)).wrapping_mul(0x9FB2_1C65_1E98_DF25);
}

/// The states seen: an open hash table of indexes into the list of fingerprints.
struct Seen {
    keys: Vec<u64>,
    parents: Vec<u32>,
    slots: Vec<u32>,
}

impl Seen {
    fn new() -> Self {
        Self { keys: vec![], parents: vec![], slots: vec![u32::MAX; 1 << 16] }
    }

    /// Adds a fingerprint; none when it was there.
    fn add(&mut self, key: u64, parent: u32) -> Option<u32> {
        if self.keys.len() * 10 > self.slots.len() * 7 {
            let mut wider = vec![u32::MAX; self.slots.len() * 2];
            for (index, key) in self.keys.iter().enumerate() {
                let mut at = *key as usize & (wider.len() - 1);
                while wider[at] != u32::MAX {
                    at = (at + 1) & (wider.len() - 1);
                }
                wider[at] = index as u32;
            }
            self.slots = wider;
        }
        let mask = self.slots.len() - 1;
        let mut at = key as usize & mask;
        while self.slots[at] != u32::MAX {
            if self.keys[self.slots[at] as usize] == key {
                return None;
            }
            at = (at + 1) & mask;
        }
        let index = self.keys.len() as u32;
        self.slots[at] = index;
        self.keys.push(key);
        self.parents.push(parent);
        Some(index)
    }
}

/// Searches until nothing is new, something is violated, or `limit` states were seen.
pub fn search<M: Model>(model: &M, limit: usize) -> Outcome {
    let began = Instant::now();
    let mut seen = Seen::new();
    let mut queue = VecDeque::new();
    let start = model.start();
    let root = seen.add(model.key(&start), u32::MAX).expect("the table is empty");
    queue.push_back((root, 0u32, start));
    let (mut bad, mut cut, mut depth_max) = (None, false, 0);
    while let Some((index, depth, state)) = queue.pop_front() {
        depth_max = depth;
        model.next(&state, &mut |_, violated, after| {
            if bad.is_some() {
                return;
            }
            let key = model.key(&after);
            if let Some(what) = violated {
                bad = Some((what, index, key));
            } else if let Some(new) = seen.add(key, index) {
                queue.push_back((new, depth + 1, after));
            }
        });
        if bad.is_some() {
            break;
        }
        if seen.keys.len() > limit {
            cut = true;
            break;
        }
    }
    let violation = bad.map(|(what, index, key)| (what, trace(model, &seen, index, key)));
    Outcome {
        states: seen.keys.len(),
        depth: depth_max as usize,
        cut,
        seconds: began.elapsed().as_secs_f32(),
        violation,
    }
}

fn trace<M: Model>(model: &M, seen: &Seen, last: u32, bad: u64) -> Vec<String> {
    let mut keys = vec![bad];
    let mut at = last;
    while at != u32::MAX {
        keys.push(seen.keys[at as usize]);
        at = seen.parents[at as usize];
    }
    keys.reverse();
    let mut state = model.start();
    let mut lines = vec![];
    for (number, key) in keys.iter().enumerate().skip(1) {
        let last = number + 1 == keys.len();
        let mut found = None;
        model.next(&state, &mut |step, violated, after| {
            if found.is_none() && violated.is_some() == last && model.key(&after) == *key {
                found = Some((step, after));
            }
        });
        let (step, after) = found.expect("a state that was reached is reached again");
        lines.push(model.show(&state, step, &after));
        state = after;
    }
    lines
}

/// One search of a program: a scope, and at most one rule left out.
pub struct Case {
    pub scope: &'static str,
    pub left_out: Option<&'static str>,
    /// Without this rule a violation is expected; with all rules, or for a rule that turned out to be
    /// unnecessary, none is.
    pub violates: bool,
    /// Only in the long mode.
    pub long: bool,
}

/// With all rules, nothing is violated.
pub const fn all(scope: &'static str) -> Case {
    Case { scope, left_out: None, violates: false, long: false }
}

/// The same, in the long mode only.
#[allow(dead_code, reason = "not every model has larger scopes")]
pub const fn long(scope: &'static str) -> Case {
    Case { long: true, ..all(scope) }
}

/// Without this rule something is violated.
pub const fn without(rule: &'static str, scope: &'static str) -> Case {
    Case { left_out: Some(rule), violates: true, ..all(scope) }
}

/// The same, in the long mode only.
#[allow(dead_code, reason = "not every model has larger scopes")]
pub const fn long_without(rule: &'static str, scope: &'static str) -> Case {
    Case { long: true, ..without(rule, scope) }
}

/// This rule turned out to be unnecessary.
#[allow(dead_code, reason = "not every model has rules to spare")]
pub const fn not_needed(rule: &'static str, scope: &'static str) -> Case {
    Case { violates: false, ..without(rule, scope) }
}

/// The rule of this name that is to be left out.
pub fn rule_to_leave_out(rules: &[(&'static str, &'static str)], name: Option<&str>) -> Option<&'static str> {
    let found = rules.iter().map(|(rule, _)| *rule).find(|rule| Some(*rule) == name);
    assert!(name.is_none() || found.is_some(), "no such rule");
    found
}

/// The command line of a model: `short` or `long` runs its cases and prints one line each,
/// `trace SCOPE [RULE]` prints a shortest trace, `list` the rules. `STATES=n` sets the limit.
pub fn main_of(
    name: &str,
    rules: &[(&'static str, &'static str)],
    cases: &[Case],
    run: &dyn Fn(&str, Option<&str>, usize) -> Outcome,
) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mode = arguments.first().map_or("short", String::as_str);
    let limit = |usual| std::env::var("STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    match mode {
        "list" => rules.iter().for_each(|(rule, what)| println!("{rule:<18} {what}")),
        "trace" => {
            let scope = arguments.get(1).expect("trace SCOPE [RULE]");
            let rule = arguments.get(2).map(String::as_str);
            let outcome = run(scope, rule, limit(20_000_000));
            println!(
                "{} {} states, depth {}, {:.1} s",
                outcome.word(),
                outcome.states,
                outcome.depth,
                outcome.seconds
            );
            if let Some((what, lines)) = outcome.violation {
                println!("{what}");
                lines.iter().for_each(|line| println!("  {line}"));
            }
        }
        _ => {
            let usual = if mode == "long" { 60_000_000 } else { 3_000_000 };
            let mut wrong = 0;
            for case in cases.iter().filter(|case| mode == "long" || !case.long) {
                let outcome = run(case.scope, case.left_out, limit(usual));
                let found = outcome.violation.is_some();
                let as_expected = found == case.violates;
                wrong += usize::from(!as_expected);
                println!(
                    "{name}\t{}\t{}\t{}\t{}\t{}\t{:.1}\t{}",
                    case.scope,
                    case.left_out.unwrap_or("-"),
                    outcome.word(),
                    outcome.states,
                    outcome.violation.map_or(outcome.depth, |(_, lines)| lines.len()),
                    outcome.seconds,
                    if as_expected { "as expected" } else { "NOT AS EXPECTED" },
                );
            }
            std::process::exit(i32::from(wrong > 0));
        }
    }
}
