use super::*;

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn storage(zone: &str) -> Role {
    Role { zone: zone.to_owned(), capacity_bytes: Some(1 << 30), tags: vec!["pc".to_owned()] }
}

fn gateway(zone: &str) -> Role {
    Role { capacity_bytes: None, ..storage(zone) }
}

/// A moment later than those with lower numbers.
fn at(number: u64) -> Moment {
    let new_cluster = ClusterId::from_bytes([9; 16]);
    Moment { stamp: Stamp { time: number << Stamp::COUNTER_BITS, node: 2 }, new_cluster, by: node(1) }
}

/// Changes made one after the other.
fn changed(
    layout: &Layout,
    number: u64,
    change: impl FnOnce(&Layout, &Moment) -> Result<Layout, LayoutError>,
) -> Layout {
    change(layout, &at(number)).unwrap()
}

fn one_node() -> Layout {
    Layout::of_one_node(node(1), storage("home"), &at(1)).unwrap()
}

#[test]
fn one_node_owns_everything() {
    let layout = one_node();
    let version = layout.current();
    assert_eq!(version.number, 1);
    assert_eq!(version.replication_factor, Some(ReplicationFactor::new(1).unwrap()));
    for partition in 0..1024 {
        assert_eq!(layout.owners(partition), &[node(1)]);
    }
    assert!(layout.owners(1024).is_empty());
    assert_eq!(version.stored_partitions(node(1)), PARTITIONS);
    assert_eq!(version.stored_partitions(node(2)), 0);
    assert_eq!(version.partition_size_bytes(), 1 << 20);
    assert!(Layout::empty().owners(0).is_empty());
}

#[test]
fn the_arcs_cover_the_hash_space_evenly() {
    let hash = |first: u8, second: u8| {
        let mut bytes = [0xff; 16];
        bytes[..2].copy_from_slice(&[first, second]);
        partition_of(&base::PartitionHash::from_bytes(bytes))
    };
    assert_eq!([hash(0, 0), hash(0, 63), hash(0, 64), hash(255, 255)], [0, 0, 1, 1023]);
}

#[test]
fn staged_changes_wait_until_they_are_applied() {
    let before = one_node();
    let staged = before.assign(node(2), gateway("office"), &at(2)).unwrap();
    assert_eq!(staged.current(), before.current());
    assert_eq!(staged.staged().roles.len(), 1);
    let reverted = staged.revert(&at(3));
    assert_eq!((reverted.current(), reverted.staged()), (before.current(), Staged::default()));

    let plan = staged.plan().unwrap();
    assert_eq!(
        plan.moves[&node(1)],
        NodeMove { partitions_before: 1024, partitions_after: 1024, gained: ArcSet::EMPTY }
    );
    assert!(!plan.moves.contains_key(&node(2)), "a gateway stores nothing");

    let after = staged.apply(2, &at(3)).unwrap();
    assert_eq!(after.current(), &Version { stamp: at(3).stamp, ..plan.version });
    assert!(after.staged().is_empty());
    assert_eq!(after.current().roles.len(), 2);
    assert_eq!(after.past().map(|version| version.number).collect::<Vec<_>>(), [1]);

    let removed = changed(&after, 4, |layout, at| layout.remove(node(2), at)?.apply(3, at));
    assert_eq!(removed.current().roles, before.current().roles);
}

#[test]
fn a_script_that_expects_no_layout_may_apply_version_1_once() {
    let made_itself = one_node();
    assert_eq!(made_itself.apply(1, &at(3)).unwrap(), made_itself, "nothing staged, nothing changed");
    let staged = made_itself.assign(node(1), storage("dc1"), &at(2)).unwrap();
    for other in [0, 3] {
        assert_eq!(staged.apply(other, &at(3)), Err(LayoutError::WrongVersion { expected: 2, given: other }));
    }
    let applied = staged.apply(1, &at(3)).unwrap();
    assert_eq!(applied, staged.apply(2, &at(3)).unwrap(), "numbers only rise");
    assert_eq!((applied.current().number, applied.current().roles[&node(1)].zone.as_str()), (2, "dc1"));
    // From now on a person's version is in force, which another one may have looked at.
    let staged = applied.assign(node(1), storage("dc2"), &at(4)).unwrap();
    for old in [1, 2] {
        assert_eq!(staged.apply(old, &at(3)), Err(LayoutError::WrongVersion { expected: 3, given: old }));
    }
    let by_hand =
        changed(&Layout::empty(), 1, |layout, at| layout.assign(node(1), storage("home"), at)?.apply(1, at));
    let staged = by_hand.assign(node(1), storage("dc1"), &at(2)).unwrap();
    assert_eq!(staged.apply(1, &at(3)), Err(LayoutError::WrongVersion { expected: 2, given: 1 }));
    assert!(Layout::empty().apply(0, &at(3)).is_err());
}

#[test]
fn a_change_back_to_what_is_stages_nothing() {
    let layout = one_node();
    let changed = layout.assign(node(1), storage("cellar"), &at(2)).unwrap();
    assert_eq!(changed.staged().roles.len(), 1);
    assert!(changed.assign(node(1), storage("home"), &at(3)).unwrap().staged().is_empty());
    let only_staged = layout.assign(node(2), gateway("home"), &at(2)).unwrap();
    assert!(only_staged.remove(node(2), &at(3)).unwrap().staged().is_empty());
    assert!(layout.configure(Parameters::default(), &at(2)).unwrap().staged().is_empty());
}

#[test]
fn what_cannot_be_is_refused() {
    let layout = one_node();
    let assign = |role| layout.assign(node(2), role, &at(2)).unwrap_err();
    for zone in ["", "a\nb", &"z".repeat(65)] {
        assert_eq!(assign(storage(zone)), LayoutError::ZoneName);
    }
    assert_eq!(assign(Role { tags: vec![String::new()], ..storage("a") }), LayoutError::Tags);
    assert_eq!(assign(Role { tags: vec!["a".to_owned(); 33], ..storage("a") }), LayoutError::Tags);
    assert_eq!(assign(Role { capacity_bytes: Some(1023), ..storage("a") }), LayoutError::CapacityTooSmall);
    assert_eq!(layout.remove(node(2), &at(2)), Err(LayoutError::NoSuchRole(node(2))));
    for given in [0, 3, u64::MAX] {
        assert_eq!(layout.apply(given, &at(3)), Err(LayoutError::WrongVersion { expected: 2, given }));
    }
    assert_eq!(Layout::empty().apply(1, &at(3)), Err(LayoutError::NoStorageNode));
    assert_eq!(layout.remove(node(1), &at(2)).unwrap().plan(), Err(LayoutError::NoStorageNode));
    for copies in [0, 4, 255] {
        assert_eq!(ReplicationFactor::new(copies), Err(LayoutError::ReplicationRange));
    }
}

#[test]
fn parameters_must_fit_the_nodes() {
    let layout = one_node();
    let with = |redundancy, copies: Option<u8>| {
        let replication = copies
            .map_or(Replication::Automatic, |n| Replication::Copies(ReplicationFactor::new(n).unwrap()));
        layout.configure(Parameters { zone_redundancy: redundancy, replication }, &at(2))?.plan().map(|_| ())
    };
    use ZoneRedundancy::{AtLeast, Maximum};
    assert_eq!(with(Maximum, Some(1)), Ok(()));
    assert_eq!(with(AtLeast(1), None), Ok(()));
    assert_eq!(with(Maximum, Some(2)), Err(LayoutError::NotEnoughNodes { copies: 2, nodes: 1 }));
    assert_eq!(with(AtLeast(2), None), Err(LayoutError::ZoneRedundancyRange { copies: 1 }));
    assert_eq!(with(AtLeast(0), None), Err(LayoutError::ZoneRedundancyRange { copies: 3 }));
    assert_eq!(with(AtLeast(4), None), Err(LayoutError::ZoneRedundancyRange { copies: 3 }));
}

#[test]
fn quorums_follow_the_factor() {
    let quorum = |copies| ReplicationFactor::new(copies).unwrap().quorum();
    assert_eq!([quorum(1), quorum(2), quorum(3)], [1, 2, 2]);
}

#[test]
fn history_is_bounded() {
    let mut layout = one_node();
    for version in 2..60 {
        layout = layout.apply(version, &at(version)).unwrap();
    }
    let numbers: Vec<u64> = layout.past().map(|version| version.number).collect();
    assert_eq!(numbers.len(), HISTORY_MAX);
    assert_eq!((numbers[0], numbers[HISTORY_MAX - 1]), (58, 27));
}

#[test]
fn the_stored_form_gives_the_same_layout_and_contradictions_are_refused() {
    let layout = one_node().assign(node(2), gateway("office"), &at(2)).unwrap();
    let text = layout.to_text();
    assert_eq!(Layout::from_text(&text), Some(layout));
    assert_eq!(Layout::from_text(&Layout::empty().to_text()), Some(Layout::empty()));
    let one = node(1).to_string();
    let contradictions = [
        text.replacen("\"number\":1", "\"number\":0", 1),
        text.replacen("\"replication_factor\":1", "\"replication_factor\":2", 1),
        text.replacen("\"replication_factor\":1", "\"replication_factor\":9", 1),
        text.replacen("\"replication_factor\":1", "\"replication_factor\":null", 1),
        text.replace(&format!("[[\"{one}\"]]"), &format!("[[\"{}\"]]", node(3))),
        text.replace(&format!("[[\"{one}\"]]"), &format!("[[\"{one}\",\"{one}\"]]")),
        text.replacen("\"partitions\":[0,", "\"partitions\":[1,", 1),
        text.replacen("\"partitions\":[0,", "\"partitions\":[", 1),
        text.replacen("\"zone\":\"home\"", "\"zone\":\"\"", 1),
        text.replacen("\"past\":[]", "\"past\":[],\"later\":1", 1),
    ];
    for contradiction in contradictions {
        assert_ne!(contradiction, text);
        assert_eq!(Layout::from_text(&contradiction), None, "{contradiction:.200}");
    }
}

#[test]
fn a_layout_after_which_none_could_come_is_refused() {
    let text = one_node().to_text();
    for (number, is_read) in [(1_u64 << 48, true), ((1 << 48) + 1, false), (u64::MAX, false)] {
        let told = text.replacen("\"number\":1,", &format!("\"number\":{number},"), 1);
        assert_ne!(told, text);
        assert_eq!(Layout::from_text(&told).is_some(), is_read, "{number}");
    }
}
