//! Real nodes on loopback sockets, each in a folder of its own.

mod layout;

use super::*;
use crate::{ClusterOptions, ClusterSecret, FirstLayout};
use std::path::Path;
use tempfile::TempDir;

struct Home {
    folder: TempDir,
    env: Env,
    membership: Option<Arc<Membership>>,
}

const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// Longer than a few rounds of gossip: only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(30);

impl Home {
    async fn new(secret: &str) -> Self {
        let mut home = Self { folder: TempDir::new().unwrap(), env: env::real::env(), membership: None };
        home.start(secret).await;
        home
    }

    async fn start(&mut self, secret: &str) {
        let state = state(&self.env, self.folder.path(), secret);
        let options = MembershipOptions {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            advertised: None,
            first_peers: Vec::new(),
            release: "1.2.3".to_owned(),
            room: Arc::new(|| Rooms { data: Some((3, 4)), ..Rooms::default() }),
            courier: Arc::new(net::NoCourier),
        };
        let membership = Membership::start(&self.env, &state, options).await.unwrap();
        // The state is kept alive by the membership.
        self.membership = Some(membership);
    }

    fn membership(&self) -> &Membership {
        self.membership.as_ref().unwrap()
    }

    fn address(&self) -> String {
        format!("{}@{}", self.membership().inner.net.id(), self.membership().addresses()[0])
    }

    async fn knows(&self, wanted: impl Fn(&BTreeMap<NodeId, Contact>) -> bool) {
        let until = async {
            while !wanted(&self.membership().contacts()) {
                env::sleep(Duration::from_millis(20)).await;
            }
        };
        let known = env::timeout(PATIENCE, until).await;
        assert!(known.is_some(), "{:#?}", self.membership().contacts());
    }
}

fn state(env: &Env, folder: &Path, secret: &str) -> Arc<ClusterState> {
    let options = ClusterOptions {
        folder: folder.to_owned(),
        secret: Some(ClusterSecret::parse(secret).unwrap()),
        first_layout: FirstLayout::Empty,
        hostname: "attic".to_owned(),
        address: None,
    };
    ClusterState::open(env, options).unwrap()
}

fn all_up(count: usize) -> impl Fn(&BTreeMap<NodeId, Contact>) -> bool {
    move |contacts| {
        contacts.len() == count && contacts.values().all(|contact| contact.is_up && contact.status.is_some())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_homes_hear_of_each_other_through_one() {
    let (first, second, third) = (Home::new(SECRET).await, Home::new(SECRET).await, Home::new(SECRET).await);
    second.membership().connect(&first.address()).await.unwrap();
    third.membership().connect(&first.address()).await.unwrap();
    for home in [&first, &second, &third] {
        home.knows(all_up(2)).await;
    }
    let contacts = third.membership().contacts();
    let status = contacts.values().next().unwrap().status.clone().unwrap();
    assert_eq!((status.hostname.as_str(), status.data_room), ("attic", Some((3, 4))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_ends_is_noticed_and_one_that_starts_again_finds_the_others() {
    let (first, mut second) = (Home::new(SECRET).await, Home::new(SECRET).await);
    second.membership().connect(&first.address()).await.unwrap();
    first.knows(all_up(1)).await;
    second.membership = None;
    first.knows(|contacts| contacts.values().all(|contact| !contact.is_up)).await;
    // Nobody names the first one to it again: it has noted whom it knew.
    second.start(SECRET).await;
    second.knows(all_up(1)).await;
    first.knows(all_up(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn since_when_a_node_is_silent_is_known_after_a_restart() {
    let (mut first, mut second) = (Home::new(SECRET).await, Home::new(SECRET).await);
    second.membership().connect(&first.address()).await.unwrap();
    first.knows(all_up(1)).await;
    let spoke = first.env.clock.wall();
    second.membership = None;
    let file = first.folder.path().join("last_heard");
    let is_noted = async {
        let lines = || {
            let text = env::read_file(first.env.disk.as_ref(), &file).unwrap().unwrap_or_default();
            text.iter().filter(|byte| **byte == b'\n').count()
        };
        while lines() < 2 {
            env::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(env::timeout(PATIENCE, is_noted).await.is_some(), "it is written when the node goes silent");
    first.membership = None;
    env::sleep(Duration::from_millis(50)).await;
    first.start(SECRET).await;
    let contacts = first.membership().contacts();
    let contact = contacts.values().next().unwrap();
    let silent = contact.silent_for.expect("it is known although this process never heard it");
    let most = first.env.clock.wall().millis() - spoke.millis() + 10_000;
    assert!(!contact.is_up && silent >= Duration::from_millis(50) && silent < Duration::from_millis(most));
    // What cannot be read is forgotten, and keeps nobody from starting.
    first.membership = None;
    // A note that was being written lands first.
    env::sleep(Duration::from_millis(300)).await;
    env::write_file_durably(first.env.disk.as_ref(), &file, b"damaged").unwrap();
    first.start(SECRET).await;
    assert_eq!(first.membership().contacts().values().next().unwrap().silent_for, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_told_why() {
    let (first, other) = (Home::new(SECRET).await, Home::new(&SECRET.replace('0', "a")).await);
    let refused = other.membership().connect(&first.address()).await.unwrap_err();
    assert!(matches!(refused, JoinError::OtherSecret(_)), "{refused}");
    let (id, place) =
        first.address().split_once('@').map(|(id, place)| (id.to_owned(), place.to_owned())).unwrap();
    let wrong_node = format!("{}@{place}", id.replace(&id[..2], "00"));
    let refused = other.membership().connect(&wrong_node).await.unwrap_err();
    assert!(matches!(refused, JoinError::Connect(ConnectError::WrongNode { .. })), "{refused}");
    let refused = first.membership().connect(&first.address()).await.unwrap_err();
    assert!(matches!(refused, JoinError::Connect(ConnectError::Myself)), "{refused}");
    assert!(first.membership().contacts().is_empty(), "a stranger is not known");
}
