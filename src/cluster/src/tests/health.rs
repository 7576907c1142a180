//! What counts as healthy.

use super::{options, real_env, role, stranger};
use crate::layout::{Layout, Moment, Role};
use crate::membership::BlockState;
use crate::{ClusterOptions, ClusterState, FirstLayout, Health, HealthStatus, LocalService, Reason};

fn state(first_layout: FirstLayout) -> (tempfile::TempDir, std::sync::Arc<ClusterState>) {
    let folder = tempfile::tempdir().unwrap();
    let options = ClusterOptions { first_layout, ..options(folder.path()) };
    let state = ClusterState::open(&real_env(), options).unwrap_or_else(|error| panic!("{error}"));
    (folder, state)
}

#[test]
fn one_good_node_is_healthy() {
    let (_folder, state) = state(FirstLayout::OneNode(role("home")));
    let health = state.health(&LocalService::default());
    assert_eq!(health.status, HealthStatus::Healthy);
    assert_eq!((health.known_nodes, health.connected_nodes), (1, 1));
    assert_eq!((health.storage_nodes, health.storage_nodes_ok), (1, 1));
    assert_eq!((health.partitions_quorum, health.partitions_all_ok), (1024, 1024));
    assert!(health.reasons.is_empty());
}

#[test]
fn a_stopped_store_makes_it_unavailable_and_a_lost_folder_degraded() {
    let (_folder, state) = state(FirstLayout::OneNode(role("home")));
    let stopped = LocalService { failures: vec![Reason::MetadataStopped], ..LocalService::default() };
    let health = state.health(&stopped);
    assert_eq!(health.status, HealthStatus::Unavailable);
    assert_eq!((health.partitions_quorum, health.storage_nodes_ok), (0, 0));
    let lost = Reason::DataFolder("/disk".into());
    let limping = LocalService { complaints: vec![lost.clone()], ..LocalService::default() };
    let health = state.health(&limping);
    assert_eq!((health.status, health.partitions_quorum), (HealthStatus::Degraded, 1024));
    assert_eq!(health.reasons, [lost]);
}

#[test]
fn no_layout_says_what_to_do() {
    let (_folder, state) = state(FirstLayout::Empty);
    let health = state.health(&LocalService::default());
    assert_eq!(health.status, HealthStatus::Unavailable);
    assert_eq!(health.reasons, [Reason::NoLayout]);
    assert!(health.reasons[0].to_string().contains("assign a role"));
}

#[test]
fn a_node_with_a_role_that_never_came_is_known_and_not_up() {
    let (_folder, state) = state(FirstLayout::OneNode(role("home")));
    let gateway = Role { capacity_bytes: None, ..role("office") };
    state.change_layout(|layout, at| layout.assign(stranger(), gateway, at)?.apply(2, at)).unwrap();
    let nodes = state.nodes();
    assert_eq!(
        nodes.iter().map(|node| (node.id, node.is_up)).collect::<Vec<_>>(),
        [(state.id(), true), (stranger(), false)]
    );
    let health = state.health(&LocalService::default());
    assert_eq!((health.known_nodes, health.connected_nodes), (2, 1));
    assert_eq!(health.status, HealthStatus::Healthy, "a gateway stores nothing");
}

#[test]
fn disks_that_are_gone_are_told_of_other_nodes() {
    let said = |disks_gone, takes_none| {
        let blocks = BlockState { disks_gone, takes_none, ..BlockState::default() };
        Reason::DisksGone(stranger(), blocks).to_string()
    };
    assert!(said(1, false).starts_with("1 disk of storage node"), "{}", said(1, false));
    assert!(said(2, false).starts_with("2 disks of storage node"));
    assert!(said(1, true).contains("no disk left that takes blocks"));
}

#[test]
fn a_node_without_a_disk_for_blocks_makes_no_quorum() {
    let (_folder, state) = state(FirstLayout::Empty);
    let own = state.id();
    let assign = |layout: &Layout, at: &Moment| {
        layout.assign(own, role("home"), at)?.assign(stranger(), role("office"), at)?.apply(1, at)
    };
    let layout = state.change_layout(assign).unwrap();
    let judged = |takes_blocks: bool| {
        let (is_up, lacking, takes_blocks) = (|_| true, |_| 0, |_| takes_blocks);
        Health::judge(&layout, (own, &LocalService::default()), (2, 2), (&is_up, &lacking, &takes_blocks))
    };
    assert_eq!((judged(true).storage_nodes_ok, judged(true).partitions_quorum), (2, 1024));
    assert_eq!((judged(false).storage_nodes_ok, judged(false).partitions_quorum), (1, 0));
}
