//! Figures of nodes and zones that are known, in part, or not at all.

use super::*;
use cluster::layout::{ClusterId, Moment, Role};

const WHOLE: u64 = 1024;

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn moment(time: u64) -> Moment {
    Moment { stamp: base::Stamp { time, node: 2 }, new_cluster: ClusterId::from_bytes([7; 16]), by: node(1) }
}

/// Zones `a`, `b` and so on, of one node each.
fn layout_of(zones: u8) -> Layout {
    (1..=zones)
        .fold(Layout::empty(), |layout, number| assigned(&layout, number))
        .apply(1, &moment(100))
        .unwrap()
}

fn assigned(layout: &Layout, number: u8) -> Layout {
    let zone = char::from(b'a' + number - 1).to_string();
    let role = Role { zone, capacity_bytes: Some(1 << 30), tags: Vec::new() };
    layout.assign(node(number), role, &moment(u64::from(number))).unwrap()
}

fn figures(told: Option<Told>, to_come: Option<u64>) -> wire::NodeCopies {
    node_figures(&Keeper { copies: WHOLE, told }, false, to_come)
}

/// A node that answers for all it keeps and lacks nothing.
fn sound() -> Told {
    Told { blocks_lacking: Some(0), ..Told::default() }
}

#[test]
fn a_silent_node_is_unknown_and_never_nothing() {
    let silent = figures(None, None);
    let said = (silent.copies_proven, silent.blocks_lacking, silent.bytes_lacking, silent.disks_gone);
    assert_eq!((silent.copies, said), (WHOLE, (None, None, None, None)));
    let whole = figures(Some(sound()), Some(0));
    let zone = zone_body("attic".to_owned(), vec![silent.clone()], 0);
    assert_eq!((zone.copies_proven, zone.copies_unknown, zone.blocks_lacking), (None, WHOLE, None));
    assert_eq!((zone.bytes_to_come, zone.until), (None, None));
    let zone = zone_body("attic".to_owned(), vec![silent, whole.clone()], 0);
    assert_eq!((zone.copies, zone.copies_proven, zone.copies_unknown), (2 * WHOLE, Some(WHOLE), WHOLE));
    assert_eq!((zone.blocks_lacking, zone.bytes_to_come), (None, None), "of one of them nothing is known");
    let zone = zone_body("attic".to_owned(), vec![whole], 0);
    assert_eq!((zone.copies_proven, zone.copies_unknown), (Some(WHOLE), 0));
    assert_eq!((zone.blocks_lacking, zone.blocks_lacking_is_exact), (Some(0), true));
    assert_eq!((zone.bytes_lacking, zone.bytes_to_come), (Some(0), Some(0)));
}

#[test]
fn what_a_node_lacks_is_exact_only_when_it_says_so() {
    let older = Told { blocks_lacking: Some(5), ..sound() };
    let told = figures(Some(older), None);
    assert_eq!(
        (told.blocks_lacking, told.blocks_lacking_is_exact, told.bytes_lacking),
        (Some(5), false, None)
    );
    let blocks = BlockState { lacking_bytes: Some(900), is_counted: true, ..BlockState::default() };
    let told = figures(Some(Told { blocks, ..older }), Some(900));
    assert_eq!((told.blocks_lacking_is_exact, told.bytes_lacking), (true, Some(900)));
    let behind = figures(Some(Told { behind: 1000, ..sound() }), None);
    assert_eq!(behind.copies_proven, Some(24));
    let given_up = node_figures(&Keeper { copies: WHOLE, told: None }, true, None);
    assert_eq!((given_up.copies_proven, given_up.blocks_lacking), (Some(0), None), "it counts nowhere");
}

#[test]
fn what_a_node_lacks_is_unknown_until_it_has_looked() {
    let told = figures(Some(Told::default()), None);
    assert_eq!((told.blocks_lacking, told.blocks_lacking_is_exact, told.bytes_lacking), (None, false, None));
    assert_eq!(to_come(&Copying::with_mean(10), &layout_of(2), node(1), Told::default()), None);
}

#[test]
fn bytes_to_come_are_those_of_arcs_or_of_blocks_or_unknown() {
    let (layout, known) = (layout_of(2), Copying::with_mean(10));
    let come = |known: &Copying, told: Told| to_come(known, &layout, node(1), told);
    let lacking = |bytes| BlockState { lacking_bytes: bytes, ..BlockState::default() };
    assert_eq!(come(&known, sound()), Some(0));
    assert_eq!(come(&known, Told { behind: 30, ..sound() }), Some(300));
    assert_eq!(come(&Copying::default(), Told { behind: 30, ..sound() }), None);
    let blocks = Told { blocks_lacking: Some(2), blocks: lacking(Some(700)), behind: 0 };
    assert_eq!(come(&known, blocks), Some(700));
    assert_eq!(
        come(&known, Told { behind: 30, ..blocks }),
        Some(700),
        "blocks of those arcs are part of them"
    );
    assert_eq!(come(&known, Told { blocks: lacking(None), ..blocks }), None);
}

#[test]
fn a_node_that_is_given_partitions_has_proven_none_of_them() {
    let before = layout_of(2);
    let after = assigned(&before, 3).apply(2, &moment(200)).unwrap();
    assert!(after.next().is_some(), "it is filled before it counts");
    assert_eq!((copies_of(&after, node(3)), given(&after, node(3))), (Some(WHOLE), WHOLE));
    assert_eq!((copies_of(&after, node(1)), given(&after, node(1))), (Some(WHOLE), 0));
    assert_eq!(copies_of(&before, node(3)), None, "no node that stores anything");
    assert_eq!(zone_of(&after, node(3)).as_deref(), Some("c"));
    let told = Told { behind: WHOLE, ..sound() };
    assert_eq!(to_come(&Copying::with_mean(10), &after, node(3), told), Some(10 * WHOLE));
}
