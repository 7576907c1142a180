//! Rates and bytes that are known, in part, or not at all.

use super::{ASSUMED_RATE, Basis, CopySpeed, Copying};
use base::NodeId;
use cluster::layout::ArcSet;
use std::collections::BTreeMap;

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn speed(reached: Option<u64>, limit: Option<u64>) -> CopySpeed {
    CopySpeed { reached, limit, filling: None }
}

/// Arcs of ten bytes each.
fn known(speeds: &[(u8, CopySpeed)]) -> Copying {
    let speeds = speeds.iter().map(|(number, speed)| (node(*number), *speed)).collect();
    Copying { own: None, mean: Some(10), speeds }
}

fn copied(known: &Copying, bytes: &[(u8, u64)], senders: usize) -> Option<(u64, u64, Basis)> {
    let bytes: BTreeMap<NodeId, u64> = bytes.iter().map(|(number, bytes)| (node(*number), *bytes)).collect();
    known.estimate(&bytes, senders).map(|estimate| (estimate.seconds, estimate.rate, estimate.basis))
}

#[test]
fn a_rate_is_a_nodes_own_or_the_lowest_of_others_or_assumed() {
    let never = speed(None, None);
    let nobody = known(&[(1, never), (2, never)]);
    assert_eq!(copied(&nobody, &[(2, 0)], 1), None, "nothing is to be copied");
    let whole = ASSUMED_RATE * 10;
    assert_eq!(copied(&nobody, &[(2, whole)], 1), Some((10, ASSUMED_RATE, Basis::Assumed)));
    // One home sends to two, and two to one.
    let half = ASSUMED_RATE / 2;
    assert_eq!(copied(&nobody, &[(2, whole), (3, whole)], 1), Some((20, half, Basis::Assumed)));
    assert_eq!(copied(&nobody, &[(2, whole)], 2), Some((5, ASSUMED_RATE * 2, Basis::Assumed)));

    let others = known(&[(1, speed(Some(500), None)), (2, never), (3, speed(Some(200), None))]);
    assert_eq!(copied(&others, &[(2, 1000)], 1), Some((5, 200, Basis::Measured(node(3)))));
    assert_eq!(copied(&others, &[(1, 1000)], 1), Some((2, 500, Basis::Measured(node(1)))));
    // The one that takes longest says how long.
    assert_eq!(copied(&others, &[(1, 1001), (3, 300)], 1), Some((3, 500, Basis::Measured(node(1)))));
}

#[test]
fn a_limit_counts_where_it_is_lower() {
    let limited = known(&[(1, speed(Some(500), Some(100))), (2, speed(Some(500), Some(1000)))]);
    assert_eq!(copied(&limited, &[(1, 1000)], 1), Some((10, 100, Basis::Limit(node(1)))));
    assert_eq!(copied(&limited, &[(2, 1000)], 1), Some((2, 500, Basis::Measured(node(2)))));
    let new = known(&[(3, speed(None, Some(100)))]);
    assert_eq!(copied(&new, &[(3, 1000)], 1), Some((10, 100, Basis::Limit(node(3)))));
}

#[test]
fn what_is_left_counts_what_came_for_this_version() {
    let (wanted, done) = (ArcSet::of(|arc| arc < 100), ArcSet::of(|arc| arc < 30));
    let left = |filling| {
        let speed = CopySpeed { filling, ..CopySpeed::default() };
        known(&[(1, speed)]).bytes_left((node(1), 2), (&wanted, &done))
    };
    assert_eq!(left(None), Some(700));
    assert_eq!(left(Some((2, 450))), Some(550), "of an arc that is not done some has come");
    assert_eq!(left(Some((1, 450))), Some(700), "that was for another version");
    assert_eq!(left(Some((2, 100))), Some(700), "it has started again since");
    assert_eq!(left(Some((2, 5000))), Some(0), "what others missed came, too");
    assert_eq!(Copying::default().bytes_left((node(1), 2), (&wanted, &done)), None);
}
