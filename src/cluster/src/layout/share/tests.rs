//! What an assignment must be, for clusters of all shapes.

use super::*;
use proptest::prelude::*;

/// Zone and capacity of a node: small domains, so that ties and lopsided clusters happen.
type Shape = Vec<(u8, u64)>;

fn shape() -> impl Strategy<Value = Shape> {
    let capacity = prop_oneof![Just(1024), Just(1 << 20), Just(3 << 20), 1024_u64..1 << 30];
    proptest::collection::vec((0_u8..4, capacity), 1..9)
}

fn node(number: usize) -> NodeId {
    NodeId::from_bytes([u8::try_from(number + 1).unwrap(); 32])
}

fn roles(shape: &[(u8, u64)]) -> BTreeMap<NodeId, Role> {
    let role = |(zone, capacity): &(u8, u64)| Role {
        zone: format!("zone{zone}"),
        capacity_bytes: Some(*capacity),
        tags: Vec::new(),
    };
    shape.iter().enumerate().map(|(number, shape)| (node(number), role(shape))).collect()
}

fn zones_of(shape: &[(u8, u64)]) -> u8 {
    u8::try_from(shape.iter().map(|(zone, _)| *zone).collect::<BTreeSet<_>>().len()).unwrap()
}

fn factor(copies: u8) -> ReplicationFactor {
    ReplicationFactor::new(copies).unwrap()
}

/// The assignment, if these nodes allow one.
fn share(before: &Assignment, shape: &[(u8, u64)], copies: u8, zones: u8) -> Option<Assignment> {
    let is_possible = usize::from(copies) <= shape.len() && zones <= zones_of(shape).min(copies);
    let shared = share_out(before, &roles(shape), factor(copies), zones.max(1));
    assert_eq!(shared.is_some(), is_possible, "{shape:?}, {copies} copies in {zones} zones");
    shared
}

/// The largest partition size with which everything fits, found without the closed form: by a flow in
/// which every arc is a place of its own.
fn fits(shape: &[(u8, u64)], copies: u8, zones: u8, size: u64) -> bool {
    let sites = Sites::of(&roles(shape));
    let limits: Vec<u64> = sites.sites.iter().map(|site| (site.capacity_bytes / size).min(1024)).collect();
    let group = |arc| Group { owners: BTreeSet::new(), arcs: vec![arc] };
    let groups: Vec<Group> = super::super::arcs().map(group).collect();
    flow(&sites, &limits, &groups, (copies.into(), u64::from(copies + 1 - zones))).is_some()
}

fn moved(before: &Assignment, after: &Assignment, nodes: usize) -> usize {
    (0..nodes).map(|number| after.gained(before, node(number)).len()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_arc_has_its_copies_in_enough_zones_and_no_node_more_than_its_share(
        shape in shape(), copies in 1_u8..4, zones in 1_u8..4,
    ) {
        let Some(shared) = share(&Assignment::default(), &shape, copies, zones) else { return Ok(()) };
        let roles = roles(&shape);
        for arc in super::super::arcs() {
            let owners = shared.owners(arc);
            prop_assert_eq!(owners.iter().collect::<BTreeSet<_>>().len(), usize::from(copies));
            let in_zones: BTreeSet<&str> = owners.iter().map(|node| roles[node].zone.as_str()).collect();
            prop_assert!(in_zones.len() >= usize::from(zones), "{:?}", owners);
        }
        prop_assert_eq!(share(&Assignment::default(), &shape, copies, zones), Some(shared));
    }

    #[test]
    fn adding_a_node_moves_no_more_than_the_new_node_takes(
        count in 1_usize..9, copies in 1_u8..4, zone_count in 1_u8..4,
    ) {
        let at = |count: usize| -> Shape { (0..count).map(|n| (n as u8 % zone_count, 1 << 30)).collect() };
        let zones = |count: usize| zones_of(&at(count)).min(copies);
        let before = share(&Assignment::default(), &at(count), copies, zones(count));
        let Some(before) = before.filter(|_| zones(count) == zones(count + 1)) else { return Ok(()) };
        let after = share(&before, &at(count + 1), copies, zones(count + 1)).unwrap();
        let taken = after.stored_partitions(node(count));
        let moved = moved(&before, &after, count + 1);
        // Where zones bind, what the new node takes over lets others of its zone even out.
        prop_assert!(moved <= 2 * taken + 8, "{moved} moved, {taken} taken by the new node");
        if zone_count == 1 {
            let even = usize::from(copies) * PARTITIONS / (count + 1);
            prop_assert!(taken.abs_diff(even.min(PARTITIONS)) <= 1, "{taken}, {even}");
            prop_assert!(moved <= taken + count, "{moved} moved, {taken} taken by the new node");
        }
    }

    #[test]
    fn nothing_moves_without_a_reason(shape in shape(), copies in 1_u8..4, zones in 1_u8..4) {
        let Some(first) = share(&Assignment::default(), &shape, copies, zones) else { return Ok(()) };
        let again = share(&first, &shape, copies, zones).unwrap();
        prop_assert_eq!(moved(&first, &again, shape.len()), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_size_of_a_partition_is_the_largest_that_there_is(
        shape in shape(), copies in 1_u8..4, zones in 1_u8..4,
    ) {
        let Some(shared) = share(&Assignment::default(), &shape, copies, zones) else { return Ok(()) };
        let size_on = |(number, (_, capacity)): (usize, &(u8, u64))| {
            capacity.checked_div(shared.stored_partitions(node(number)) as u64)
        };
        let size = shape.iter().enumerate().filter_map(size_on).min().unwrap();
        prop_assert!(fits(&shape, copies, zones, size));
        prop_assert!(!fits(&shape, copies, zones, size + 1), "a larger size than {size} fits");
    }
}

#[test]
fn three_nodes_in_three_zones_have_everything() {
    let three = [(0, 1 << 30), (1, 1 << 40), (2, 1 << 20)];
    let shared = share(&Assignment::default(), &three, 3, 3).unwrap();
    assert_eq!(shared.sets().count(), 1);
    assert!((0..3).all(|number| shared.stored_partitions(node(number)) == PARTITIONS));
    // From one node to three the first one moves nothing.
    let alone = share(&Assignment::default(), &three[..1], 1, 1).unwrap();
    assert_eq!(share(&alone, &three, 3, 3), Some(shared));
}
