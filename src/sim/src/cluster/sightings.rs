//! A listing over several replicas shows every key whose write was answered before it began, and none that
//! was deleted before; what happens meanwhile it may show or not.
//!
//! That is less than one copy that does one thing at a time: a listing writes nothing back, so what one
//! shows before its write was answered, the next one need not show.

use super::client::register;
use crate::checks::{Failure, listing};
use crate::history::{Certainty, History, Operation, Register, State};
use model::listing::{ListEntry, ListPage, ListQuery};

const PROPERTY: &str = "I4 listing";

/// Judges what a page says about each key. Operations that were called while it ran are all in the
/// history already.
pub fn check(
    history: &History,
    keys: &[&'static str],
    (query, page): (&ListQuery, &ListPage),
    (called, ended): (u64, u64),
) -> Result<(), Failure> {
    for key in keys {
        let Some(needs) = listing::says_about(query, page, key) else { continue };
        let possible = may_show(history, &register(key), (called, ended));
        if !possible.iter().any(|state| needs.met_by(*state)) {
            return Err(Failure::new(
                PROPERTY,
                format!("[{called}, {ended}] {query:?} says {needs:?} of {key:?}, which may be {possible:?}"),
            ));
        }
    }
    for entry in &page.entries {
        let ListEntry::Prefix(prefix) = entry else { continue };
        let inside = keys.iter().filter(|key| key.starts_with(prefix.as_str()));
        let mut states = inside.flat_map(|key| may_show(history, &register(key), (called, ended)));
        if !states.any(|state| matches!(state, State::Holds(_))) {
            let detail = format!("[{called}, {ended}] {query:?} shows {prefix:?}, in which nothing can be");
            return Err(Failure::new(PROPERTY, detail));
        }
    }
    Ok(())
}

/// What a register may have held at some moment between the two.
fn may_show(history: &History, register: &Register, (called, ended): (u64, u64)) -> Vec<State> {
    let changes: Vec<&Operation> = history
        .operations
        .iter()
        .filter(|operation| operation.register == *register && operation.certainty != Certainty::Never)
        .filter(|operation| operation.leaves.is_some() && operation.called < ended)
        .collect();
    let before =
        |operation: &&&Operation| operation.certainty == Certainty::Certain && operation.ended < called;
    let replaced = |old: &Operation| changes.iter().filter(before).any(|new| new.called > old.ended);
    let mut states: Vec<State> =
        changes.iter().filter(|change| !replaced(change)).filter_map(|change| change.leaves).collect();
    if !changes.iter().any(|change| before(&change)) {
        states.push(State::Absent);
    }
    states
}
