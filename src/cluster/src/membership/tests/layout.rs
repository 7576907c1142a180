//! The layout goes round: what is staged or applied on one node shows on the others.

use super::*;
use crate::layout::{Layout, Role};

fn role(zone: &str) -> Role {
    Role { zone: zone.to_owned(), capacity_bytes: Some(1 << 30), tags: Vec::new() }
}

impl Home {
    fn state(&self) -> &Arc<ClusterState> {
        &self.membership().inner.state
    }

    fn id(&self) -> NodeId {
        self.state().id()
    }

    async fn has(&self, wanted: impl Fn(&Layout) -> bool) {
        let mut changes = self.state().layout_changes();
        let until = async {
            while !wanted(&self.state().layout()) {
                changes.changed().await;
            }
        };
        assert!(env::timeout(PATIENCE, until).await.is_some(), "{:#?}", self.state().layout().staged());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_homes_get_their_roles_each_on_its_own_and_one_applies() {
    let homes = [Home::new(SECRET).await, Home::new(SECRET).await, Home::new(SECRET).await];
    for home in &homes[1..] {
        home.membership().connect(&homes[0].address()).await.unwrap();
    }
    for (home, zone) in homes.iter().zip(["attic", "cellar", "office"]) {
        let id = home.id();
        home.state().change_layout(|layout, at| layout.assign(id, role(zone), at)).unwrap();
    }
    for home in &homes {
        home.has(|layout| layout.staged().roles.len() == 3).await;
    }
    homes[1].state().change_layout(|layout, at| layout.apply(1, at)).unwrap();
    for home in &homes {
        home.has(|layout| layout.current().number == 1 && layout.staged().is_empty()).await;
        let placement = home.state().placement();
        assert_eq!(placement.members().len(), 3);
        assert_eq!((placement.view().oldest, placement.view().newest), (1, 1));
        assert!(!placement.is_alone(home.id()));
        assert_eq!(home.state().layout().digest(), homes[0].state().layout().digest());
    }
    // It is still there after a restart, without the others.
    let again = state(&homes[2].env, homes[2].folder.path(), SECRET);
    assert_eq!(again.placement().members().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn homes_that_began_alone_share_nothing_and_say_so() {
    let (one, other, empty) = (Home::new(SECRET).await, Home::new(SECRET).await, Home::new(SECRET).await);
    for home in [&one, &other] {
        let id = home.id();
        home.state().change_layout(|layout, at| layout.assign(id, role("home"), at)?.apply(1, at)).unwrap();
    }
    empty.membership().connect(&one.address()).await.unwrap();
    empty.has(|layout| layout.current().number == 1).await;
    let refused = other.membership().connect(&one.address()).await.unwrap_err();
    assert!(matches!(refused, JoinError::OtherCluster(_)), "{refused}");
    let until = async {
        while !other.state().nodes().iter().any(|node| node.id == one.id() && node.other_cluster.is_some())
            || !one.state().nodes().iter().any(|node| node.id == other.id() && node.other_cluster.is_some())
        {
            env::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(env::timeout(PATIENCE, until).await.is_some());
    assert_eq!(one.state().layout().current().storage_nodes().count(), 1);
    assert_ne!(one.state().layout().cluster(), other.state().layout().cluster());
    assert_eq!(empty.state().layout().cluster(), one.state().layout().cluster(), "the first it heard of");
}
