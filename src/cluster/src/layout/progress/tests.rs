//! A change of the layout, from its candidate to the end of the older version.

use super::super::{ClusterId, Count, Life, Moment, Role};
use super::*;
use std::sync::Arc;

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn at(time: u64) -> Moment {
    let new_cluster = ClusterId::from_bytes([7; 16]);
    Moment { stamp: Stamp { time: time << Stamp::COUNTER_BITS, node: 2 }, new_cluster, by: node(1) }
}

fn role(zone: &str) -> Role {
    Role { zone: zone.to_owned(), capacity_bytes: Some(1 << 30), tags: Vec::new() }
}

/// One node with data, and a candidate that gives everything to three.
fn growing() -> Layout {
    let mut layout = Layout::of_one_node(node(1), role("a"), &at(1)).unwrap();
    for (number, zone) in [(2, "b"), (3, "c")] {
        layout = layout.assign(node(number), role(zone), &at(2)).unwrap();
    }
    layout.apply(2, &at(3)).unwrap()
}

fn mark(layout: &Layout) -> (u64, Stamp) {
    layout.coming().map(Version::mark).unwrap()
}

fn says(layout: &Layout, number: u8, filled: ArcSet, complete: ArcSet) -> Layout {
    layout.with_steps(node(number), mark(layout), (filled, complete))
}

fn joined(layout: &Layout) -> Layout {
    layout.joined(Arc::new(layout.next().unwrap().clone())).unwrap()
}

#[test]
fn a_candidate_binds_nobody_until_a_quorum_of_every_set_has_filled() {
    let layout = growing();
    assert_eq!((layout.current().number, layout.joint(), layout.next().unwrap().number), (1, None, 2));
    assert_eq!(layout.owners(5), [node(1)]);
    assert!(layout.staged().is_empty());
    assert!(layout.ready_candidate().is_none(), "the only node that has everything is no quorum of three");
    let mut some = ArcSet::ALL.without(&ArcSet::of(|arc| arc == 77));
    let partly = says(&layout, 2, some, ArcSet::EMPTY);
    assert!(partly.ready_candidate().is_none(), "one arc is missing");
    some.insert(77);
    let ready = says(&partly, 2, some, ArcSet::EMPTY);
    assert_eq!(ready.ready_candidate(), ready.next());
    assert!(
        says(&layout, 2, ArcSet::ALL, ArcSet::EMPTY).revert(&at(9)).ready_candidate().is_none(),
        "taken back"
    );
}

#[test]
fn the_older_version_is_retired_when_a_quorum_of_every_new_set_is_complete() {
    let joint = joined(&says(&growing(), 2, ArcSet::ALL, ArcSet::EMPTY));
    assert_eq!((joint.current().number, joint.joint().unwrap().number, joint.next()), (1, 2, None));
    assert_eq!(joint.steps_of(node(2)).filled, ArcSet::ALL, "what was said about the version stays said");
    assert!(
        joint.assign(node(4), role("d"), &at(9)).unwrap().apply(3, &at(9)).is_err(),
        "one change at a time"
    );
    let uncompared = |layout: &Layout| [1, 2].map(|number| layout.uncompared_arcs(node(number)));
    assert_eq!(uncompared(&joint), [0, 1024], "the first has always had them");
    assert_eq!(uncompared(&says(&joint, 2, ArcSet::ALL, ArcSet::of(|arc| arc < 24))), [0, 1000]);
    let first = says(&joint, 1, ArcSet::EMPTY, ArcSet::ALL);
    assert!(first.retired().is_none());
    let both = says(&first, 2, ArcSet::ALL, ArcSet::ALL);
    let done = both.retired().unwrap();
    assert_eq!((done.current().number, done.joint()), (2, None));
    assert_eq!(done.past().map(|version| version.number).collect::<Vec<_>>(), [1]);
    assert_eq!(done.owners(5).len(), 3);
    // Whoever is behind learns it by merging.
    assert_eq!(joint.merge(&done).unwrap(), done);
    assert_eq!(growing().merge(&done).unwrap(), done);
}

#[test]
fn what_was_said_in_an_earlier_life_or_of_another_candidate_counts_for_nothing() {
    let life = |number| Life { life: Count { number, mark: 1 }, start: Count { number: 1, mark: 1 } };
    let layout = growing().with_life(node(2), life(1));
    let filled = says(&layout, 2, ArcSet::ALL, ArcSet::EMPTY);
    assert!(filled.ready_candidate().is_some());
    let reborn = filled.with_life(node(2), life(2));
    assert!(reborn.ready_candidate().is_none());
    assert!(says(&reborn, 2, ArcSet::ALL, ArcSet::EMPTY).ready_candidate().is_some());
    let other = filled.assign(node(4), role("d"), &at(5)).unwrap().apply(2, &at(6)).unwrap();
    assert!(other.ready_candidate().is_none() && other.steps_of(node(2)) == Steps::default());
    let late = other.with_steps(node(2), mark(&filled), (ArcSet::ALL, ArcSet::EMPTY));
    assert_eq!(late, other, "news of the candidate that was replaced");
}

#[test]
fn a_version_that_moves_nothing_is_in_force_at_once_only_where_one_node_decides() {
    let alone = Layout::of_one_node(node(1), role("a"), &at(1)).unwrap();
    let renamed = alone.assign(node(1), role("attic"), &at(2)).unwrap();
    assert_eq!(renamed.apply(2, &at(3)).unwrap().current().number, 2);
    let elsewhere = Moment { by: node(9), ..at(3) };
    let proposed = renamed.apply(2, &elsewhere).unwrap();
    assert_eq!((proposed.current().number, proposed.next().unwrap().number), (1, 2));
    assert!(proposed.ready_candidate().is_some(), "nothing is to be filled");
    assert!(joined(&proposed).retired().is_some(), "and nothing to be completed");
}
