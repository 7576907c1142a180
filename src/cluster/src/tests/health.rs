//! What counts as healthy.

use super::{options, real_env, role, stranger};
use crate::layout::Role;
use crate::{ClusterOptions, ClusterState, FirstLayout, HealthStatus, LocalService, Reason};

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
