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

/// What a register may hold, and which running operations have taken effect.
type Configuration = (State, BTreeSet<usize>);

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
    let mut possible: BTreeSet<Configuration> = [(State::Absent, BTreeSet::new())].into();
    for (_, is_end, number) in moments {
        if !is_end {
            running.insert(number);
            continue;
        }
        possible = expand(possible, &running, operations)?;
        running.remove(&number);
        let certain = operations[number].certainty == Certainty::Certain;
        let next: BTreeSet<Configuration> = possible
            .iter()
            .filter(|(_, effective)| !certain || effective.contains(&number))
            .map(|(state, effective)| {
                (*state, effective.iter().copied().filter(|other| *other != number).collect())
            })
            .collect();
        if next.is_empty() {
            return Err(unexplained(register, operations, number, &possible));
        }
        possible = next;
    }
    Ok(())
}

/// All configurations that running operations can lead to.
fn expand(
    from: BTreeSet<Configuration>,
    running: &BTreeSet<usize>,
    operations: &[&Operation],
) -> Result<BTreeSet<Configuration>, Failure> {
    let mut reached = from.clone();
    let mut todo: Vec<Configuration> = from.into_iter().collect();
    while let Some((state, effective)) = todo.pop() {
        for &number in running.difference(&effective) {
            let operation = operations[number];
            if !operation.needs.met_by(state) {
                continue;
            }
            let mut with = effective.clone();
            with.insert(number);
            let next = (operation.leaves.unwrap_or(state), with);
            if reached.insert(next.clone()) {
                todo.push(next);
            }
        }
        if reached.len() > CONFIGURATIONS_MAX {
            return Err(Failure::new("simulator", "too many operations at once to be checked"));
        }
    }
    Ok(reached)
}

fn unexplained(
    register: &Register,
    operations: &[&Operation],
    number: usize,
    possible: &BTreeSet<Configuration>,
) -> Failure {
    let states: BTreeSet<State> = possible.iter().map(|(state, _)| *state).collect();
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
