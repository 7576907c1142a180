//! Whatever nodes do at the same time, gossip in any order ends with one layout.

use super::super::{ArcSet, ClusterId, Count, LayoutError, Life, Moment, Role};
use super::*;
use base::{NodeId, Stamp};
use proptest::prelude::*;

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn role(zone: u8, capacity_bytes: Option<u64>) -> Role {
    Role { zone: format!("zone{zone}"), capacity_bytes, tags: Vec::new() }
}

fn at(time: u64, node: u64) -> Moment {
    Moment {
        stamp: Stamp { time: time << Stamp::COUNTER_BITS, node: node * 2 },
        new_cluster: ClusterId::from_bytes([7; 16]),
        by: self::node(u8::try_from(node).unwrap()),
    }
}

/// One thing that somebody does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Assign(u8, u8),
    Remove(u8),
    Apply,
    Revert,
    Hear(u8),
    /// Says of some arcs that they are filled and complete.
    Say(u8),
    /// A candidate is chosen.
    Join,
    Retire,
    Live(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_u8..4, 0_u8..3).prop_map(|(node, zone)| Step::Assign(node, zone)),
        1 => (1_u8..4).prop_map(Step::Remove),
        2 => Just(Step::Apply),
        1 => Just(Step::Revert),
        2 => (0_u8..3).prop_map(Step::Hear),
        2 => (0_u8..4).prop_map(Step::Say),
        2 => Just(Step::Join),
        1 => Just(Step::Retire),
        1 => (0_u32..3).prop_map(Step::Live),
    ]
}

/// Three operators at three nodes of one cluster, with clocks so coarse that they do things at once.
fn play(steps: &[(u8, Step)]) -> Vec<Layout> {
    let first = Layout::of_one_node(node(1), role(0, Some(1 << 20)), &at(1, 1)).unwrap();
    let (mut layouts, mut chosen, mut stamps_given) = (vec![first; 3], 1, [0; 3]);
    for (number, (who, step)) in steps.iter().enumerate() {
        let who = usize::from(*who);
        let mut moment = at(2 + number as u64 / 4, who as u64 + 1);
        // No node gives a stamp twice.
        stamps_given[who] += 1;
        moment.stamp.time += stamps_given[who];
        let (layout, me) = (&layouts[who], moment.by);
        let next: Result<Layout, LayoutError> = match *step {
            Step::Assign(to, zone) => layout.assign(node(to), role(zone, Some(1 << 20)), &moment),
            Step::Remove(from) => layout.remove(node(from), &moment),
            // What is in force was chosen: nobody has another version of that number.
            Step::Apply if layout.newest().number < chosen => continue,
            Step::Apply => layout.apply(layout.newest().number + 1, &moment),
            Step::Revert => Ok(layout.revert(&moment)),
            Step::Hear(from) => Ok(layout.merge(&layouts[usize::from(from)]).unwrap()),
            Step::Say(quarter) => {
                let said = ArcSet::of(|arc| arc / 256 <= u16::from(quarter));
                let of = layout.coming().map_or((0, Stamp::ZERO), |coming| (coming.number, coming.stamp));
                Ok(layout.with_steps(me, of, (said, said)))
            }
            Step::Join => match layout.next.clone() {
                Some(next) if next.version.number == chosen + 1 => {
                    layout.joined(next.version).ok_or(LayoutError::NoStorageNode)
                }
                _ => continue,
            },
            Step::Retire => layout.retired().ok_or(LayoutError::NoStorageNode),
            Step::Live(number) => {
                let count = Count { number, mark: who as u64 };
                Ok(layout.with_life(me, Life { life: count, start: count }))
            }
        };
        if let Ok(next) = &next {
            chosen = chosen.max(next.newest().number);
        }
        if let Ok(next) = next {
            layouts[who] = next;
        }
    }
    layouts
}

proptest! {
    #[test]
    fn merging_commutes_associates_and_repeats(
        steps in proptest::collection::vec((0_u8..3, step()), 0..24),
    ) {
        let layouts = play(&steps);
        let [a, b, c] = &layouts[..] else { panic!("three") };
        let merge = |one: &Layout, other: &Layout| one.merge(other).unwrap();
        prop_assert_eq!(merge(a, a).digest(), a.digest());
        prop_assert_eq!(merge(a, b), merge(b, a));
        prop_assert_eq!(merge(&merge(a, b), b), merge(a, b));
        prop_assert_eq!(merge(&merge(a, b), c), merge(a, &merge(b, c)));
        let all = merge(&merge(a, b), c);
        prop_assert_eq!(Layout::from_text(&all.to_text()), Some(all));
    }
}

#[test]
fn what_is_staged_elsewhere_at_the_same_time_stays_staged() {
    let first = Layout::of_one_node(node(1), role(0, Some(1 << 20)), &at(1, 1)).unwrap();
    let applied = first.assign(node(2), role(1, None), &at(3, 1)).unwrap().apply(2, &at(5, 1)).unwrap();
    let staged = first.assign(node(3), role(2, None), &at(4, 2)).unwrap();
    let merged = applied.merge(&staged).unwrap();
    assert_eq!(merged.current().number, 2);
    assert_eq!(merged.staged().roles.keys().collect::<Vec<_>>(), [&node(3)]);
    // What was taken up does not come back from a node that still has it staged.
    let behind = first.assign(node(2), role(1, None), &at(3, 1)).unwrap();
    assert!(applied.merge(&behind).unwrap().staged().is_empty());
}

#[test]
fn clusters_do_not_mix_and_an_empty_layout_takes_on_the_first() {
    let other = Moment { new_cluster: ClusterId::from_bytes([8; 16]), ..at(1, 2) };
    let ours = Layout::of_one_node(node(1), role(0, Some(1 << 20)), &at(1, 1)).unwrap();
    let theirs = Layout::of_one_node(node(2), role(0, Some(1 << 20)), &other).unwrap();
    assert_eq!(ours.merge(&theirs), Err(OtherCluster));
    assert_eq!(theirs.merge(&ours), Err(OtherCluster));
    // A node that waits has staged itself: it takes the layout on and keeps the wish.
    let waiting = Layout::empty().assign(node(3), role(1, Some(1 << 20)), &other).unwrap();
    for joined in [waiting.merge(&ours).unwrap(), ours.merge(&waiting).unwrap()] {
        assert_eq!((joined.cluster(), joined.current()), (ours.cluster(), ours.current()));
        assert_eq!(joined.staged().roles.len(), 1);
    }
    assert_eq!(Layout::empty().merge(&ours).unwrap(), ours);
}

#[test]
fn two_first_versions_applied_at_once_become_one_and_later_ones_do_not_mix() {
    let staged = Layout::empty().assign(node(1), role(0, Some(1 << 20)), &at(1, 1)).unwrap();
    let one = staged.apply(1, &at(10, 1)).unwrap();
    let other = staged.assign(node(2), role(1, Some(1 << 20)), &at(11, 2)).unwrap();
    let other = other.apply(1, &at(12, 2)).unwrap();
    assert_eq!(one.merge(&other).unwrap().current(), other.current());
    assert_eq!(one.merge(&other), other.merge(&one));
    let late = staged.assign(node(2), role(1, Some(1 << 20)), &at(70_000, 2)).unwrap();
    let late = late.apply(1, &at(70_011, 2)).unwrap();
    assert_eq!(one.merge(&late), Err(OtherCluster));
}
