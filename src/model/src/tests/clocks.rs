//! The header of messages: clocks that differ meet at the first contact, and newer layouts are asked for.

use super::homes::{Homes, id};
use super::run;
use super::sync::{BUCKET, with_bucket};
use crate::objects::{Condition, Deletion, Want};
use crate::{Bypass, Model, ModelError, Peers};
use base::{BlockHash, NodeId, Stamp};
use block::{BlockConfig, BlockStore};
use bytes::Bytes;
use cluster::membership::{Membership, MembershipOptions, NodeAddress, Rooms};
use cluster::{ClusterOptions, ClusterSecret, ClusterState, FirstLayout};
use env::sim::{SimNet, SimOptions, SimWorld};
use net::{Answer, Class, Courier, Net, Options, Refusal, Request, SeedIdentity, Versions};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::{MemEngine, Store, StoreOptions};
use tokio::sync::Notify;

/// The nodes that store everything; one more asks them.
const OWNERS: usize = 3;
const GATEWAY: usize = 3;
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn clock(homes: &Homes, number: usize) -> Stamp {
    homes.model(number).store().latest()
}

/// A question that has nothing to do with rows, to each owner.
async fn ask_for_no_block(homes: &Homes) {
    let hash = BlockHash::of(b"nobody has it");
    assert!(homes.model(GATEWAY).fetch_missing(hash).await.is_err());
}

#[test]
fn whatever_is_asked_both_ends_know_the_later_clock() {
    run(async {
        let homes = Homes::new(OWNERS + 1, OWNERS).await;
        homes.jump(1, MINUTE);
        let ahead = homes.model(1).store().stamp().await.unwrap();
        assert!(clock(&homes, GATEWAY).time < ahead.time);
        ask_for_no_block(&homes).await;
        assert!(clock(&homes, GATEWAY).time >= ahead.time, "the reply carried it");
        homes.jump(GATEWAY, MINUTE * 2);
        let ahead = homes.model(GATEWAY).store().stamp().await.unwrap();
        ask_for_no_block(&homes).await;
        for owner in 0..OWNERS {
            assert!(clock(&homes, owner).time >= ahead.time, "the request carried it to {owner}");
        }
    });
}

#[test]
fn a_body_put_where_the_clock_is_behind_is_not_refused() {
    run(async {
        let homes = Homes::new(OWNERS + 1, OWNERS).await;
        with_bucket(&homes).await;
        homes.jump(1, MINUTE);
        homes.node(1).put(BUCKET, "a", &[b"from the future"]).await;
        // K1: it cannot be stamped again, so it must be right at once.
        homes.node(GATEWAY).put(BUCKET, "a", &[b"a block of its own", b"and a rest"]).await;
        let content = homes.node(0).content(BUCKET, "a").await;
        assert_eq!(content.as_deref(), Some(b"a block of its ownand a rest".as_slice()));
    });
}

#[test]
fn a_replica_that_answered_a_read_never_forgets_when_it_began() {
    run(async {
        let mut homes = Homes::new(OWNERS + 1, OWNERS).await;
        with_bucket(&homes).await;
        homes.jump(GATEWAY, MINUTE);
        let before = homes.model(GATEWAY).store().stamp().await.unwrap();
        assert!(homes.model(GATEWAY).find(BUCKET, "a", Want::Content).await.unwrap().is_none());
        homes.stop(GATEWAY).await;
        let mut remember = 0;
        for owner in 0..OWNERS {
            homes.stop(owner).await;
            homes.start(owner).await;
            remember += usize::from(clock(&homes, owner).time > before.time);
        }
        assert!(remember > OWNERS / 2, "{remember} of those who answered remember it");
    });
}

#[test]
fn a_node_with_an_absurd_clock_is_refused_and_the_others_go_on() {
    run(async {
        let homes = Homes::new(OWNERS + 1, OWNERS).await;
        with_bucket(&homes).await;
        let now = homes.model(0).store().stamp().await.unwrap().wall().millis();
        homes.jump(2, DAY * 3);
        homes.model(2).store().stamp().await.unwrap();
        let deletion = Deletion {
            key: "a".into(),
            version: None,
            condition: Condition::Always,
            bypass: Bypass::Nothing,
        };
        let refused = homes.model(2).delete_object(BUCKET, deletion).await;
        assert!(matches!(refused, Err(ModelError::Unavailable)), "{refused:?}");
        homes.node(GATEWAY).put(BUCKET, "a", &[b"content"]).await;
        assert_eq!(homes.node(0).content(BUCKET, "a").await.as_deref(), Some(b"content".as_slice()));
        for number in [0, 1, GATEWAY] {
            let clock = clock(&homes, number).wall().millis();
            assert!(clock < now + MINUTE.as_millis() as u64, "{number} was taken along");
        }
        // Both sides know whom it is about.
        let ahead = homes.model(0).clocks_ahead();
        assert_eq!(ahead.keys().copied().collect::<Vec<_>>(), [id(2)]);
        assert!(ahead[&id(2)].millis() >= now + 2 * DAY.as_millis() as u64);
        assert!(homes.model(2).refused_by().contains(&id(0)));
        assert!(homes.model(0).refused_by().is_empty() && homes.model(2).clocks_ahead().is_empty());
    });
}

const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A node that says in each message that it sees a layout which is newer than any.
struct Newer;

impl Courier for Newer {
    fn seal(&self, _: NodeId) -> Bytes {
        [0_u64, 7, 7, 0].map(u64::to_be_bytes).concat().into()
    }

    fn open(&self, _: NodeId, _: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }
}

/// As nodes ask for a layout.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct FetchLayout {}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct LayoutText {
    text: String,
}

impl Request for FetchLayout {
    type Reply = LayoutText;
    const NAME: &'static str = "cluster/layout";
    const CLASS: Class = Class::Metadata;
}

/// A node as the product starts it, that is in no cluster yet.
async fn product_node(world: &SimWorld, net: &SimNet) -> (Arc<Model>, Arc<Membership>) {
    let mut env = world.env();
    env.net = Arc::new(net.clone());
    let folder = PathBuf::from("/meta");
    env.disk.create_dir_all(&folder).unwrap();
    let options = ClusterOptions {
        folder: folder.clone(),
        secret: Some(ClusterSecret::parse(SECRET).unwrap()),
        first_layout: FirstLayout::Empty,
        hostname: "attic".to_owned(),
        address: None,
    };
    let state = ClusterState::open(&env, options).unwrap();
    let engine = Arc::new(MemEngine::open(&Arc::default(), Some(world.disk.clone())));
    let options = StoreOptions { folder, node_tag: state.id().tag() };
    let store = Store::open(&env, engine, options).unwrap();
    let config = BlockConfig::new(state.id(), PathBuf::from("/data"));
    let blocks = BlockStore::open(&env, &store, config).await.unwrap();
    let model = Model::open(&env, store, blocks, Peers::of(&state)).unwrap();
    let options = MembershipOptions {
        listen: vec!["127.0.0.1:1000".parse().unwrap()],
        advertised: None,
        first_peers: Vec::<NodeAddress>::new(),
        release: "1.2.3".to_owned(),
        room: Arc::new(Rooms::default),
        courier: model.courier(),
    };
    let membership = Membership::start(&env, &state, options).await.unwrap();
    model.join(membership.net());
    (model, membership)
}

#[test]
fn a_newer_layout_is_asked_for_as_soon_as_a_message_names_it() {
    run(async {
        let world = SimWorld::new(1, &SimOptions::default());
        let net = SimWorld::new(99, &SimOptions::default()).net;
        let (model, _membership) = product_node(&world, &net).await;
        let mut env = SimWorld::new(2, &SimOptions::default()).env();
        env.net = Arc::new(net.clone());
        let options = Options {
            identity: Arc::new(SeedIdentity::new(&[1; 32])),
            secret: *ClusterSecret::parse(SECRET).unwrap().as_bytes(),
            listen: Vec::new(),
            advertised: None,
            versions: Versions::CURRENT,
            courier: Arc::new(Newer),
        };
        let other = Net::start(env, options).await.unwrap();
        let asked = Arc::new(Notify::new());
        let asked_here = Arc::clone(&asked);
        // It knows nothing of gossip: nothing but the header can tell.
        other.handle::<FetchLayout, _, _>(move |_| {
            asked_here.notify_one();
            std::future::ready(Ok(Answer::from(LayoutText { text: String::new() })))
        });
        let me = model.peers().me();
        assert_eq!(other.connect("127.0.0.1:1000".parse().unwrap(), Some(me)).await, Ok(me));
        let waited = env::timeout(Duration::from_secs(1), asked.notified()).await;
        assert!(waited.is_some(), "the layout is asked for");
    });
}

#[test]
fn a_clock_that_is_ahead_is_shown_with_the_rows_that_are() {
    run(async {
        let node = super::Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "now", &[b"x"]).await;
        let report = node.model.clock_report().await.unwrap();
        assert_eq!((report.ahead_ms(), report.rows.len()), (None, 0));
        let three_years = 3 * 365 * 24 * 3_600_000_i64;
        node.world.clock.jump(three_years);
        node.put(bucket, "later", &[b"x"]).await;
        node.put(bucket, "now", &[b"y"]).await;
        node.put(bucket, "once more", &[b"y"]).await;
        node.world.clock.jump(-three_years);
        node.put(bucket, "after", &[b"x"]).await;
        let report = node.model.clock_report().await.unwrap();
        let ahead = report.ahead_ms().expect("it is ahead");
        assert!(ahead.abs_diff(three_years as u64) < 60_000, "{ahead}");
        let rows: Vec<_> = report.rows.iter().map(|rows| (rows.table, rows.rows)).collect();
        assert_eq!(rows, [("object", 4)], "the last one, too: time does not go back");
        assert!(report.rows[0].newest <= report.node);
        node.world.clock.jump(three_years);
        assert_eq!(node.model.clock_report().await.unwrap().ahead_ms(), None, "the time has come");
    });
}
