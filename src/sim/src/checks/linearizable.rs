//! I3: each register behaves as one copy that does one thing at a time.
//!
//! The answers of a register are replayed in the order of time. At each moment the set of possible
//! configurations is kept: what the register holds, and which of the running operations have taken
//! effect. An answer leaves those configurations in which its operation has; none left means that
//! no order explains the answers. Conditional writes are transitions with a need, so two winners
//! of `If-None-Match: *` without a delete between them are found here too.

use super::Failure;
use crate::history::{Certainty, History, Operation, Register, State};
use std::collections::{BTreeMap, BTreeSet};

/// Running operations whose effects are explored together. More than this at once would cost too
/// much; scenarios run at most a dozen clients.
const CONFIGURATIONS_MAX: usize = 200_000;

/// The configurations that are possible: what the register holds, and which running operations have taken
/// effect.
///
/// Of two that hold the same and in which the same answered operations have taken effect, the one in which
/// fewer of the others have is enough: what was not answered may still take effect, or never. Without this,
/// each write of unknown outcome would double their number for ever.
#[derive(Default)]
struct Possible {
    by_state: BTreeMap<(State, BTreeSet<usize>), Vec<BTreeSet<usize>>>,
    count: usize,
}

/// What a register holds, which answered operations have taken effect, and which others.
type Configuration = (State, BTreeSet<usize>, BTreeSet<usize>);

impl Possible {
    /// Adds one; false if one that is enough was there.
    fn add(&mut self, (state, certain, unknown): Configuration) -> bool {
        let known = self.by_state.entry((state, certain)).or_default();
        if known.iter().any(|known| known.is_subset(&unknown)) {
            return false;
        }
        let before = known.len();
        known.retain(|known| !unknown.is_subset(known));
        self.count = self.count + 1 - (before - known.len());
        known.push(unknown);
        true
    }

    fn into_all(self) -> impl Iterator<Item = Configuration> {
        self.by_state.into_iter().flat_map(|((state, certain), others)| {
            others.into_iter().map(move |unknown| (state, certain.clone(), unknown))
        })
    }

    fn states(&self) -> BTreeSet<State> {
        self.by_state.keys().map(|(state, _)| *state).collect()
    }
}

/// Checks every register.
pub fn check(history: &History) -> Result<(), Failure> {
    let mut registers: BTreeMap<&Register, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        if operation.certainty != Certainty::Never {
            registers.entry(&operation.register).or_default().push(operation);
        }
    }
    registers.into_iter().try_for_each(|(register, operations)| check_register(register, &operations))
}

fn check_register(register: &Register, operations: &[&Operation]) -> Result<(), Failure> {
    // (time, is an end, which): an unknown read says nothing, an unknown write ends with its life.
    let mut moments = Vec::new();
    for (number, operation) in operations.iter().enumerate() {
        if operation.certainty == Certainty::Certain || operation.leaves.is_some() {
            moments.push((operation.called, false, number));
            moments.push((operation.ended, true, number));
        }
    }
    moments.sort_unstable();
    let mut running = BTreeSet::new();
    let mut possible = Possible::default();
    possible.add((State::Absent, BTreeSet::new(), BTreeSet::new()));
    for (_, is_end, number) in moments {
        if !is_end {
            running.insert(number);
            continue;
        }
        possible = expand(possible, &running, operations)?;
        running.remove(&number);
        let certain = operations[number].certainty == Certainty::Certain;
        let states = possible.states();
        let mut next = Possible::default();
        for (state, mut effective, mut unknown) in possible.into_all() {
            unknown.remove(&number);
            if effective.remove(&number) || !certain {
                next.add((state, effective, unknown));
            }
        }
        if next.count == 0 {
            return Err(unexplained(register, operations, number, &states));
        }
        possible = next;
    }
    Ok(())
}

/// All configurations that running operations can lead to.
fn expand(from: Possible, running: &BTreeSet<usize>, operations: &[&Operation]) -> Result<Possible, Failure> {
    let mut reached = Possible::default();
    let mut todo: Vec<Configuration> = from.into_all().collect();
    todo.iter().for_each(|configuration| _ = reached.add(configuration.clone()));
    while let Some((state, certain, unknown)) = todo.pop() {
        for &number in running {
            let operation = operations[number];
            if certain.contains(&number) || unknown.contains(&number) || !operation.needs.met_by(state) {
                continue;
            }
            let (mut certain, mut unknown) = (certain.clone(), unknown.clone());
            match operation.certainty {
                Certainty::Certain => certain.insert(number),
                Certainty::Unknown | Certainty::Never => unknown.insert(number),
            };
            let next = (operation.leaves.unwrap_or(state), certain, unknown);
            if reached.add(next.clone()) {
                todo.push(next);
            }
        }
        if reached.count > CONFIGURATIONS_MAX {
            return Err(Failure::new("simulator", "too many operations at once to be checked"));
        }
    }
    Ok(reached)
}

fn unexplained(
    register: &Register,
    operations: &[&Operation],
    number: usize,
    states: &BTreeSet<State>,
) -> Failure {
    let before = operations[..=number].iter().rev().take(8).rev();
    let lines: Vec<String> = before.map(|operation| format!("    {}", line(operation))).collect();
    Failure::new(
        "I3 linearizable",
        format!(
            "no order explains {} of {register:?}, which could hold {states:?}; the calls before:\n{}",
            line(operations[number]),
            lines.join("\n")
        ),
    )
}

fn line(operation: &Operation) -> String {
    let Operation { needs, leaves, called, ended, certainty, .. } = operation;
    format!("[{called}, {ended}] {certainty:?}: needs {needs:?}, leaves {leaves:?}")
}
