use super::*;
use crate::layout::{ClusterId, Count, Life, Moment, Role};
use crate::placement::Placement;
use base::{PartitionHash, Stamp};

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn nodes(numbers: &[u8]) -> BTreeSet<NodeId> {
    numbers.iter().map(|number| node(*number)).collect()
}

/// Homes 1 to `count`, each in a zone of its own, all in their first life.
fn homes(count: u8) -> Layout {
    let at = |time| Moment {
        stamp: Stamp { time, node: 2 },
        new_cluster: ClusterId::from_bytes([7; 16]),
        by: node(1),
    };
    let mut layout = Layout::empty();
    for number in 1..=count {
        let role = Role { zone: format!("home{number}"), capacity_bytes: Some(1 << 30), tags: Vec::new() };
        layout = layout.assign(node(number), role, &at(u64::from(number))).unwrap();
    }
    let layout = layout.apply(1, &at(100)).unwrap();
    (1..=count).fold(layout, |layout, number| layout.with_life(node(number), life(1)))
}

fn life(number: u32) -> Life {
    let count = |number| Count { number, mark: u64::from(number) };
    Life { life: count(number), start: count(1) }
}

fn quorum(layout: &Layout, among: &[u8]) -> bool {
    layout.is_quorum(layout.current(), 5, |id| nodes(among).contains(&id))
}

fn everybody_is_whole(_: NodeId) -> bool {
    true
}

#[test]
fn what_remains_must_agree() {
    let three = homes(3);
    assert!(quorum(&three, &[1, 3]) && !quorum(&three, &[1]));
    let two_left = three.give_up(&nodes(&[3]), node(1)).unwrap();
    assert!(quorum(&two_left, &[1, 2]));
    assert!(!quorum(&two_left, &[1]) && !quorum(&two_left, &[1, 3]), "who was given up does not count");
    let one_left = homes(2).give_up(&nodes(&[2]), node(1)).unwrap();
    assert!(quorum(&one_left, &[1]) && !quorum(&one_left, &[2]));
}

#[test]
fn a_set_keeps_its_last_member() {
    let refused = homes(2).give_up(&nodes(&[1, 2]), node(3)).unwrap_err();
    assert_eq!(refused, LayoutError::NobodyLeft { partitions: 1024 });
    let one = homes(2).give_up(&nodes(&[2]), node(1)).unwrap();
    assert_eq!(one.give_up(&nodes(&[1]), node(2)).unwrap_err(), LayoutError::NobodyLeft { partitions: 1024 });
    assert_eq!(homes(2).give_up(&nodes(&[1]), node(1)).unwrap_err(), LayoutError::GivesUpItself);
    assert_eq!(homes(2).give_up(&nodes(&[9]), node(1)).unwrap_err(), LayoutError::StoresNothing(node(9)));
}

#[test]
fn a_second_one_only_when_it_knew_of_the_first() {
    let first = homes(3).give_up(&nodes(&[2]), node(1)).unwrap();
    let refused = first.give_up(&nodes(&[3]), node(1)).unwrap_err();
    assert_eq!(refused, LayoutError::EarlierNotKnown { earlier: node(2), unaware: node(3) });
    let known = first.with_knowledge_of(node(3)).unwrap();
    assert!(known.with_knowledge_of(node(3)).is_none(), "it is said once");
    assert!(known.give_up(&nodes(&[3]), node(1)).is_ok());
    assert!(first.give_up(&nodes(&[2, 3]), node(1)).is_ok(), "both by name");
}

#[test]
fn a_new_life_ends_it() {
    let given_up = homes(3).give_up(&nodes(&[3]), node(1)).unwrap();
    assert!(given_up.is_given_up(node(3)));
    assert!(given_up.with_life(node(3), life(1)).is_given_up(node(3)), "its old life counts for nothing");
    let back = given_up.with_life(node(3), life(2));
    assert!(!back.is_given_up(node(3)) && quorum(&back, &[1, 3]));
    assert!(back.give_up(&nodes(&[3]), node(1)).unwrap().is_given_up(node(3)));
}

#[test]
fn whoever_hears_of_it_takes_it_in() {
    let layout = homes(3);
    let one = layout.give_up(&nodes(&[3]), node(1)).unwrap();
    let other = layout.give_up(&nodes(&[3]), node(2)).unwrap();
    let merged = one.merge(&other).unwrap();
    assert_eq!(merged, other.merge(&one).unwrap());
    assert!(merged.with_knowledge_of(node(2)).is_none() && merged.with_knowledge_of(node(1)).is_none());
    assert_eq!(layout.merge(&one).unwrap(), one);
    assert_eq!(Layout::from_text(&one.to_text()), Some(one.clone()), "it is kept");
    let back = merged.with_life(node(3), life(2)).give_up(&nodes(&[3]), node(2)).unwrap();
    assert_eq!(back.merge(&one).unwrap(), back, "the later life is the one that is over");
}

#[test]
fn views_differ_until_all_know() {
    let layout = homes(3);
    let given_up = layout.give_up(&nodes(&[3]), node(1)).unwrap();
    let (before, after) = (Placement::of_layout(&layout), Placement::of_layout(&given_up));
    assert_ne!(before.view(), after.view());
    let partition = PartitionHash::from_bytes([0; 16]);
    assert_eq!(after.sets(partition), [[node(1), node(2)].as_slice()]);
    assert_eq!(after.members(), nodes(&[1, 2]));
    assert!(after.is_given_up(node(3)) && !before.is_given_up(node(3)));
    let alone = Placement::of_layout(&homes(2).give_up(&nodes(&[2]), node(1)).unwrap());
    assert!(!alone.is_alone(node(1)), "the other one may come back");
}

#[test]
fn what_may_be_lost_is_said() {
    let three = homes(3);
    assert_eq!(three.loss_of(&nodes(&[3]), &everybody_is_whole), Loss::default());
    let loss = three.loss_of(&nodes(&[3]), &|id| id != node(1));
    assert_eq!(loss, Loss { partitions: 1024, with: nodes(&[1]), partitions_without_copy: 0 });
    let both = three.loss_of(&nodes(&[2, 3]), &everybody_is_whole);
    assert_eq!(both, Loss { partitions: 1024, with: nodes(&[]), partitions_without_copy: 0 });
    let all = three.loss_of(&nodes(&[2, 3]), &|_| false);
    assert_eq!(all.partitions_without_copy, 1024);
    // Of two both were needed.
    assert_eq!(homes(2).loss_of(&nodes(&[2]), &everybody_is_whole), Loss::default());
}

#[test]
fn who_steps_back_is_given_up_until_it_begins_anew() {
    let three = homes(3);
    let stepped_back = three.step_back(node(3)).unwrap();
    assert!(stepped_back.is_given_up(node(3)) && quorum(&stepped_back, &[1, 2]));
    // Those who remain must know before anybody else may be given up.
    let refused = stepped_back.give_up(&nodes(&[2]), node(1)).unwrap_err();
    assert_eq!(refused, LayoutError::EarlierNotKnown { earlier: node(3), unaware: node(1) });
    assert!(!stepped_back.with_life(node(3), life(2)).is_given_up(node(3)));
    let last = homes(2).give_up(&nodes(&[1]), node(2)).unwrap();
    assert_eq!(last.step_back(node(2)).unwrap_err(), LayoutError::NobodyLeft { partitions: 1024 });
}
