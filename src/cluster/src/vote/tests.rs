//! Ballots about the next version, played by proposers that meet.

use super::*;
use crate::layout::{ClusterId, Layout, Moment, Role};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn at(time: u64) -> Moment {
    let new_cluster = ClusterId::from_bytes([7; 16]);
    Moment { stamp: Stamp { time, node: 2 }, new_cluster, by: node(1) }
}

/// A cluster of so many storage nodes, each in a zone of its own.
fn cluster(nodes: u8) -> Layout {
    let mut layout = Layout::empty();
    for number in 1..=nodes {
        let role = Role { zone: format!("z{number}"), capacity_bytes: Some(1 << 20), tags: Vec::new() };
        layout = layout.assign(node(number), role, &at(u64::from(number))).unwrap();
    }
    layout.apply(1, &at(20)).unwrap()
}

/// Two candidates for version 2.
fn candidates(layout: &Layout) -> [Arc<Version>; 2] {
    [30, 31].map(|time| {
        let mut version = layout.current().clone();
        (version.number, version.stamp) = (2, at(time).stamp);
        Arc::new(version)
    })
}

/// One proposer: its ballot, what it wants, whom it reaches with each message.
#[derive(Debug, Clone)]
struct Attempt {
    candidate: usize,
    prepared: u8,
    accepted: u8,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    (0_usize..2, 0_u8..32, 0_u8..32).prop_map(|(candidate, prepared, accepted)| Attempt {
        candidate,
        prepared,
        accepted,
    })
}

proptest! {
    /// However ballots reach the voters, and whichever of them are interleaved, at most one version is chosen.
    #[test]
    fn one_version_is_chosen(
        nodes in 1_u8..=4,
        attempts in proptest::collection::vec(attempt(), 1..8),
        order in proptest::collection::vec(0_usize..8, 16),
    ) {
        let layout = cluster(nodes);
        let wanted = candidates(&layout);
        let mut votes: BTreeMap<NodeId, Vote> = (1..=nodes).map(|n| (node(n), Vote::default())).collect();
        let reached = |mask: u8| (1..=nodes).filter(move |n| mask >> n & 1 == 1 || mask == 31).map(node);
        let mut promised: BTreeMap<usize, Arc<Version>> = BTreeMap::new();
        let mut chosen: BTreeSet<Stamp> = BTreeSet::new();
        // Each attempt comes up twice at least in the order: once to prepare, then to accept.
        for number in order.into_iter().chain(0..8).chain(0..8) {
            let Some(attempt) = attempts.get(number) else { continue };
            let ballot = Stamp { time: 100 + number as u64, node: 2 };
            match promised.get(&number).cloned() {
                None => {
                    let mut agreed = BTreeSet::new();
                    let mut newest: Option<Accepted> = None;
                    for voter in reached(attempt.prepared) {
                        let Ok(vote) = votes[&voter].prepare(2, ballot) else { continue };
                        let told = vote.accepted().cloned();
                        newest = newest.into_iter().chain(told).max_by_key(|accepted| accepted.ballot);
                        votes.insert(voter, vote);
                        agreed.insert(voter);
                    }
                    if can_choose(&layout, &agreed) {
                        let version = newest.map_or(Arc::clone(&wanted[attempt.candidate]), |one| one.version);
                        promised.insert(number, version);
                    }
                }
                Some(version) => {
                    let mut agreed = BTreeSet::new();
                    for voter in reached(attempt.accepted) {
                        let Ok(vote) = votes[&voter].accept(ballot, &version) else { continue };
                        votes.insert(voter, vote);
                        agreed.insert(voter);
                    }
                    if can_choose(&layout, &agreed) {
                        chosen.insert(version.stamp);
                    }
                }
            }
        }
        prop_assert!(chosen.len() <= 1, "{chosen:?}");
        for vote in votes.values() {
            prop_assert_eq!(Vote::of_text(&vote.to_text()), Some(vote.clone()));
        }
    }
}

#[test]
fn a_quorum_of_every_set_chooses() {
    let all = |numbers: &[u8]| numbers.iter().map(|number| node(*number)).collect::<BTreeSet<_>>();
    let three = cluster(3);
    assert!(can_choose(&three, &all(&[1, 3])));
    assert!(!can_choose(&three, &all(&[1])));
    // With four nodes two of them are no quorum of the sets that hold neither.
    let four = cluster(4);
    assert!(!can_choose(&four, &all(&[1, 2])));
    assert!(can_choose(&four, &all(&[1, 2, 3])));
    assert!(!can_choose(&Layout::empty(), &all(&[1, 2, 3, 4])));
}

#[test]
fn a_promise_stands_against_lower_ballots_and_a_vote_about_another_number_begins_anew() {
    let layout = cluster(1);
    let [version, _] = candidates(&layout);
    let (low, high) = (Stamp { time: 5, node: 2 }, Stamp { time: 6, node: 2 });
    let vote = Vote::default().prepare(2, high).unwrap();
    assert_eq!(vote.prepare(2, low), Err(high));
    assert_eq!(vote.accept(low, &version), Err(high));
    let vote = vote.accept(high, &version).unwrap();
    assert_eq!(vote.prepare(3, low).unwrap().accepted(), None);
}
