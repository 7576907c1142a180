//! Breadth-first search and random walks over the worlds.

use super::fingerprint::{self, Fingerprint};
use super::world::{Next, Scope, World};
use env::{Rng, random_below};
use std::collections::VecDeque;
use std::collections::hash_map::Entry;

/// What a search found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Every reachable state was visited, and each history is linearizable.
    Nothing { states: usize },
    /// The same, as far as the limit allowed.
    NothingSoFar { states: usize },
    /// The way to an answer that nothing explains; the shortest one in a search by breadth.
    Violation { trace: Vec<String> },
}

/// How a state was reached first: from which one, by which of its events.
type Way = Option<(Fingerprint, u32)>;

// The order of a map that is only asked does not matter.
#[allow(clippy::disallowed_types)]
type Ways = std::collections::HashMap<Fingerprint, Way>;

/// Visits states in the order of their distance from the first, at most `limit` of them.
pub(super) fn breadth_first(scope: &Scope, limit: usize) -> Found {
    let first = World::new(scope);
    let mut ways = Ways::from_iter([(fingerprint::of(&first), None)]);
    let mut queue = VecDeque::from([first]);
    while let Some(world) = queue.pop_front() {
        if ways.len() >= limit {
            return Found::NothingSoFar { states: ways.len() };
        }
        let (here, mut number, mut violation) = (fingerprint::of(&world), 0, None);
        world.successors(scope, &mut |_, next| {
            match next {
                Next::Violation(_) => violation = violation.or(Some(number)),
                Next::State(next) => {
                    let there = fingerprint::of(&next);
                    if let Entry::Vacant(unseen) = ways.entry(there) {
                        unseen.insert(Some((here, number)));
                        queue.push_back(next);
                    }
                }
            }
            number += 1;
        });
        if let Some(number) = violation {
            return Found::Violation { trace: trace(scope, &ways, (here, number)) };
        }
    }
    Found::Nothing { states: ways.len() }
}

/// Plays the way to a state again, this time in words.
fn trace(scope: &Scope, ways: &Ways, end: (Fingerprint, u32)) -> Vec<String> {
    let mut steps = vec![end.1];
    let mut at = end.0;
    while let Some((before, number)) = ways.get(&at).copied().flatten() {
        steps.push(number);
        at = before;
    }
    let (mut world, mut words) = (World::new(scope), Vec::new());
    for wanted in steps.into_iter().rev() {
        let (mut number, mut reached) = (0, None);
        world.successors(scope, &mut |event, next| {
            if number == wanted {
                reached = Some((event.to_string(), next));
            }
            number += 1;
        });
        let Some((event, Next::State(next) | Next::Violation(next))) = reached else { break };
        words.push(format!("{event}; now {}", next.describe()));
        world = next;
    }
    words
}

/// Walks at random from the first state, over and over.
pub(super) fn walk(scope: &Scope, walks: usize, rng: &dyn Rng) -> Found {
    let mut states = 0;
    for _ in 0..walks {
        let (mut world, mut words) = (World::new(scope), Vec::new());
        loop {
            let mut ways = Vec::new();
            world.successors(scope, &mut |event, next| ways.push((event.to_string(), next)));
            if ways.is_empty() {
                break;
            }
            let (event, next) = ways.swap_remove(random_below(rng, ways.len() as u64) as usize);
            words.push(event);
            states += 1;
            match next {
                Next::State(next) => world = next,
                Next::Violation(_) => return Found::Violation { trace: words },
            }
        }
    }
    Found::NothingSoFar { states }
}
