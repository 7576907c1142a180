//! I1: what was acknowledged is there after a restart, unless something else may have replaced it.
//! I2: what was deleted stays deleted.
//!
//! Needs a history in which nothing runs: a restart has ended every operation before the read.

use super::Failure;
use crate::history::{Certainty, History, Operation, Register, State};

/// Judges what a restarted node shows under a register.
pub fn check(history: &History, register: &Register, shown: State) -> Result<(), Failure> {
    let changes = |operation: &&Operation| {
        operation.register == *register
            && operation.leaves.is_some()
            && operation.certainty != Certainty::Never
    };
    let changes: Vec<&Operation> = history.operations.iter().filter(changes).collect();
    let certain = |operation: &&&Operation| operation.certainty == Certainty::Certain;
    let replaced = |old: &Operation| {
        changes.iter().filter(certain).any(|new| new.called > old.ended && new.called != old.called)
    };
    let may_be = |state: State| {
        let untouched = state == State::Absent && !changes.iter().any(|change| certain(&change));
        let left = changes.iter().any(|change| change.leaves == Some(state) && !replaced(change));
        // Under a closed bucket a read finds nothing.
        let closed =
            state == State::Absent && changes.iter().any(|change| change.leaves == Some(State::Gone));
        untouched || left || closed
    };
    if may_be(shown) {
        return Ok(());
    }
    let last = changes.iter().filter(certain).max_by_key(|change| change.ended);
    let undone = matches!(shown, State::Holds(_))
        && last.is_some_and(|last| matches!(last.leaves, Some(State::Absent | State::Gone)));
    let property = if undone { "I2 deleted stays deleted" } else { "I1 acknowledged survives" };
    Err(Failure::new(
        property,
        format!("{register:?} shows {shown:?}, the last acknowledged change is {last:?}"),
    ))
}
