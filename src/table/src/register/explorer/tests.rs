//! What is searched on every test run, and, with `--ignored`, what takes minutes.

use super::search::{Found, breadth_first, walk};
use super::world::{CLOSE, FAR_APART, Scope};
use super::{Fault, Op};
use env::sim::SimRng;

fn scope(scripts: &[&[Op]], clocks: &[u64], fault: Fault) -> Scope {
    let scripts = scripts.iter().map(|script| script.to_vec()).collect();
    Scope { scripts, clocks: clocks.to_vec(), last_time: 3, attempts: 2, step_bits: FAR_APART, fault }
}

/// Searched to the end: no history without an explanation.
fn exhausted(scripts: &[&[Op]], clocks: &[u64], limit: usize) {
    for step_bits in [FAR_APART, CLOSE] {
        let scope = Scope { step_bits, ..scope(scripts, clocks, Fault::None) };
        match breadth_first(&scope, limit) {
            Found::Nothing { states } => println!("{scripts:?} {clocks:?}: {states} states, exhausted"),
            other => panic!("{scripts:?} {clocks:?} {step_bits}: {other:#?}"),
        }
    }
}

/// The rule that is left out is necessary: a history shows it.
fn refuted(fault: Fault, scripts: &[&[Op]], clocks: &[u64]) {
    match breadth_first(&scope(scripts, clocks, fault), 2_000_000) {
        Found::Violation { trace } => println!("{fault:?}: refuted in {} steps", trace.len()),
        other => panic!("{fault:?} was not refuted: {other:?}"),
    }
}

const W1: &[Op] = &[Op::Write(1)];
const W2: &[Op] = &[Op::Write(2)];
const D: &[Op] = &[Op::Delete];
const R: &[Op] = &[Op::Read];
const RR: &[Op] = &[Op::Read, Op::Read];
const C2DR: &[Op] = &[Op::Create(2), Op::Delete, Op::Read];
const C1: &[Op] = &[Op::Create(1)];
const C2: &[Op] = &[Op::Create(2)];

#[test]
fn plain_writes_and_reads_are_linearizable() {
    exhausted(&[W1, W2, R], &[2, 1, 1], 100_000);
}

#[test]
fn a_condition_beside_a_plain_write_is_linearizable() {
    exhausted(&[W1, C2, R], &[2, 1, 1], 200_000);
}

#[test]
fn every_rule_that_is_left_out_is_missed() {
    refuted(Fault::NewerAcknowledges, &[W1, W2, R], &[2, 1, 1]);
    refuted(Fault::NoWriteBack, &[W1, RR], &[1, 1]);
    refuted(Fault::NewerIsWrittenBack, &[W1, W2, RR], &[2, 1, 1]);
    refuted(Fault::AcceptIgnoresPromise, &[C1, C2, R], &[1, 1, 1]);
    refuted(Fault::NoStabilise, &[W1, C2, R], &[1, 1, 1]);
    refuted(Fault::PromiseForgotten, &[C1, C2, R], &[1, 1, 1]);
}

/// Two decisions of which each may be in doubt; then what was decided is deleted.
fn looked_up(fault: Fault) -> Scope {
    Scope { attempts: 3, ..scope(&[C1, C2DR], &[1, 1], fault) }
}

#[test]
fn a_decision_that_is_looked_up_again_is_linearizable() {
    exhausted(&[C1, C2], &[1, 1], 200_000);
    match breadth_first(&looked_up(Fault::BegunAnew), 2_000_000) {
        Found::Violation { .. } => {}
        other => panic!("begun anew was not refuted: {other:?}"),
    }
}

#[test]
fn random_walks_find_no_violation_in_longer_scripts() {
    let replace = &[Op::Replace(1, 3), Op::Read][..];
    for (seed, scripts) in
        [[W1, replace, RR], [C1, replace, D], [C1, C2, RR], [C1, C2DR, RR]].iter().enumerate()
    {
        let scope = Scope { last_time: 6, attempts: 3, ..scope(scripts, &[1, 2, 1], Fault::None) };
        match walk(&scope, 300, &SimRng::new(seed as u64)) {
            Found::NothingSoFar { states } => assert!(states > 3_000, "the walks go somewhere: {states}"),
            other => panic!("seed {seed} {scripts:?}: {other:#?}"),
        }
    }
}

/// Three that exchange values, each of which may be in doubt while the others go on.
fn exchanges(fault: Fault, seeds: u64, walks: usize) -> Found {
    let first = &[Op::Write(1), Op::Replace(1, 2), Op::Read][..];
    let second = &[Op::Replace(2, 3), Op::Replace(1, 3), Op::Replace(2, 3), Op::Read][..];
    let third = &[Op::Replace(3, 4), Op::Replace(2, 4), Op::Replace(3, 4), Op::Read][..];
    let scope = Scope { last_time: 12, attempts: 4, ..scope(&[first, second, third], &[1, 1, 1], fault) };
    let mut seen = 0;
    for seed in 0..seeds {
        match walk(&scope, walks, &SimRng::new(seed)) {
            Found::NothingSoFar { states } => seen += states,
            other => return other,
        }
    }
    Found::NothingSoFar { states: seen }
}

#[test]
fn of_exchanges_in_doubt_each_happens_once_or_never() {
    match exchanges(Fault::None, 2, 300) {
        Found::NothingSoFar { states } => assert!(states > 20_000, "{states}"),
        other => panic!("{other:#?}"),
    }
    let refuted = exchanges(Fault::SuccessorNotAsked, 2, 2000);
    assert!(matches!(refuted, Found::Violation { .. }), "{refuted:?}");
}

/// Minutes, and gigabytes: `cargo test -p table --release -- --ignored --nocapture register`.
#[test]
#[ignore = "takes minutes"]
fn larger_scopes_and_deeper_rules() {
    exhausted(&[W1, W2, RR], &[2, 1, 1], 20_000_000);
    exhausted(&[W1, C2, R], &[1, 1, 1], 20_000_000);
    exhausted(&[W1, C2, RR], &[2, 1, 1], 20_000_000);
    exhausted(&[D, C2, R], &[1, 1, 1], 20_000_000);
    assert!(matches!(breadth_first(&looked_up(Fault::None), 2_000_000), Found::Nothing { .. }));
    assert!(!matches!(exchanges(Fault::None, 100, 2000), Found::Violation { .. }));
    let three = Scope { attempts: 3, ..scope(&[C1, C2, R], &[1, 1, 1], Fault::None) };
    assert!(!matches!(breadth_first(&three, 20_000_000), Found::Violation { .. }));
    refuted(Fault::OneDeadIsEnough, &[W1, W2, RR], &[2, 1, 1]);
    refuted(Fault::NoMemory, &[W1, W2, RR], &[2, 1, 1]);
    refuted(Fault::WriteIgnoresPromise, &[W1, C2, R], &[1, 1, 1]);
    refuted(Fault::BlockedIsDead, &[W1, C2, R], &[1, 1, 1]);
}
