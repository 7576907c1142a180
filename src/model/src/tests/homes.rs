//! Several nodes of the model, each on a machine of its own, with real links over a simulated network.

use super::support::{Bucket, body_of, tag};
use crate::objects::{Condition, Deletion, ObjectMeta, Place, Want};
use crate::rows::reference::ReferenceRow;
use crate::rows::version::Owner;
use crate::tables::DIGESTED;
use crate::{Bypass, ByteRange, Model, ModelError, Peers};
use base::{NodeId, Stamp};
use block::{BlockConfig, BlockStore};
use cluster::Placement;
use env::sim::{SimNet, SimOptions, SimWorld};
use net::{Identity, Net, Options, SeedIdentity, Versions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::{MemEngine, MemPlatter, Read, Store, StoreOptions};
use table::digest::{Digest, Digests};

/// Longer than any link takes to come up.
const LINK_LIMIT: Duration = Duration::from_secs(30);

/// The machines of a cluster, and which nodes run.
pub struct Homes {
    net: SimNet,
    machines: Vec<Machine>,
    placement: Placement,
}

struct Machine {
    world: SimWorld,
    rows: Arc<MemPlatter>,
    running: Option<Running>,
}

/// A running node.
pub struct Running {
    pub model: Arc<Model>,
    net: Net,
}

fn identity(number: usize) -> SeedIdentity {
    SeedIdentity::new(&[u8::try_from(number).unwrap() + 1; 32])
}

pub fn id(number: usize) -> NodeId {
    identity(number).id()
}

fn address(number: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1000 + u16::try_from(number).unwrap()))
}

impl Homes {
    /// `owners` of `count` nodes keep everything; all of them run.
    pub async fn new(count: usize, owners: usize) -> Self {
        let world = |number: usize| SimWorld::new(number as u64 + 1, &SimOptions::default());
        let machine = |number| Machine { world: world(number), rows: Arc::default(), running: None };
        let placement = Placement::of_nodes(&(0..owners).map(id).collect::<Vec<_>>());
        let net = world(99).net;
        let mut homes = Self { net, machines: (0..count).map(machine).collect(), placement };
        for number in 0..count {
            homes.start(number).await;
        }
        homes
    }

    /// Starts a node; returns when it has links to all others that run.
    pub async fn start(&mut self, number: usize) {
        let machine = &self.machines[number];
        let mut env = machine.world.env();
        env.net = Arc::new(self.net.clone());
        let me = id(number);
        let engine = Arc::new(MemEngine::open(&machine.rows, Some(machine.world.disk.clone())));
        let options = StoreOptions { folder: PathBuf::from("/"), node_tag: me.tag() };
        let store = Store::open(&env, engine, options).unwrap();
        let blocks =
            BlockStore::open(&env, &store, BlockConfig::new(me, PathBuf::from("/data"))).await.unwrap();
        let peers = Peers::fixed(me, self.placement.clone());
        let model = Model::open(&env, store, blocks, peers).unwrap();
        model.keep_digests().await.unwrap();
        let options = Options {
            identity: Arc::new(identity(number)),
            secret: [42; 32],
            listen: vec![address(number)],
            advertised: None,
            versions: Versions::CURRENT,
            courier: model.courier(),
        };
        let net = Net::start(env, options).await.unwrap();
        model.join(&net);
        self.machines[number].running = Some(Running { model, net });
        for (from, to) in self.running().iter().flat_map(|other| [(*other, number), (number, *other)]) {
            if from != to {
                self.node(from).net.add_peer(id(to), &[address(to)]).unwrap();
                assert!(self.node(from).net.wait_connected(id(to), LINK_LIMIT).await);
            }
        }
    }

    /// Sets a machine's wall clock.
    pub fn jump(&self, number: usize, by: Duration) {
        self.machines[number].world.clock.jump(i64::try_from(by.as_millis()).unwrap());
    }

    /// From now on everything that one node sends to another takes up to so long.
    pub fn slow_down(&self, delay_max: Duration) {
        self.net.slow_down(0, 0, Some(delay_max));
    }

    /// Ends a node; what it stored stays.
    pub async fn stop(&mut self, number: usize) {
        let node = self.machines[number].running.take().unwrap();
        node.net.stop();
        drop(node);
        env::sleep(Duration::from_secs(1)).await;
    }

    /// Lets wall clocks go on.
    pub fn pass(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap();
        self.machines.iter().for_each(|machine| machine.world.clock.jump(ms));
    }

    /// All nodes do what is queued and due, round after round, while the time that this takes goes by.
    pub async fn tidy_up(&self) {
        for _ in 0..60 {
            for number in self.running() {
                self.model(number).reclaim_step().await.unwrap();
            }
            env::sleep(Duration::from_secs(2)).await;
        }
    }

    pub fn running(&self) -> Vec<usize> {
        (0..self.machines.len()).filter(|number| self.machines[*number].running.is_some()).collect()
    }

    pub fn node(&self, number: usize) -> &Running {
        self.machines[number].running.as_ref().unwrap()
    }

    pub fn model(&self, number: usize) -> &Arc<Model> {
        &self.node(number).model
    }
}

impl Running {
    pub async fn put(&self, bucket: Bucket, key: &str, pieces: &[&[u8]]) {
        self.put_if(bucket, key, pieces, Condition::Always).await.unwrap();
    }

    pub async fn put_if(
        &self,
        bucket: Bucket,
        key: &str,
        pieces: &[&[u8]],
        condition: Condition,
    ) -> Result<Stamp, ModelError> {
        let body = body_of(&self.model, Owner::Object(bucket, key.into()), pieces).await.unwrap();
        let place = Place { bucket, key: key.into(), condition };
        self.model
            .put_object(place, body, tag(pieces), ObjectMeta::default())
            .await
            .map(|written| written.stamp)
    }

    pub async fn delete(&self, bucket: Bucket, key: &str) {
        let deletion = Deletion {
            key: key.into(),
            version: None,
            condition: Condition::Always,
            bypass: Bypass::Nothing,
        };
        self.model.delete_object(bucket, deletion).await.unwrap();
    }

    pub async fn content(&self, bucket: Bucket, key: &str) -> Option<Vec<u8>> {
        let found = self.model.find(bucket, key, Want::Content).await.unwrap()?;
        let mut reader = found.read(&self.model, ByteRange { start: 0, end: found.object.size });
        let mut content = Vec::new();
        while let Some(bytes) = reader.next().await.unwrap() {
            content.extend(bytes);
        }
        Some(content)
    }

    /// The digest of each arc of each table, after a recount.
    pub fn digests(&self) -> Vec<Digest> {
        assert_eq!(self.model.recount_digests().unwrap(), Vec::<String>::new());
        let view = self.model.store().view().unwrap();
        let digests = Digests::open(&view, &self.model.digest_key().unwrap()).unwrap().unwrap();
        DIGESTED.into_iter().flat_map(|table| digests.arcs(table).unwrap()).collect()
    }

    /// Rows of all tables that replicas have in common.
    pub fn rows(&self) -> usize {
        let view = self.model.store().view().unwrap();
        let spaces = DIGESTED.into_iter().map(|table| table.space());
        spaces.map(|space| count(&view, space)).sum()
    }

    /// Records of a keyspace.
    pub fn records(&self, space: store::Space) -> usize {
        count(&self.model.store().view().unwrap(), space)
    }

    /// References to blocks and parts that hold them.
    pub fn holding_references(&self) -> usize {
        let mut holding = 0;
        let view = self.model.store().view().unwrap();
        view.walk(store::Space::BlockRef, &[], None, &mut |_, row: ReferenceRow| {
            holding += usize::from(!row.removed);
            store::Step::Next
        })
        .unwrap();
        holding
    }

    /// Whether a record of any kind is stored under a key.
    pub fn has(&self, space: store::Space, key: &[u8]) -> bool {
        self.model.store().view().unwrap().get_bytes(space, key).unwrap().is_some()
    }
}

fn count(read: &impl Read, space: store::Space) -> usize {
    let mut rows = 0;
    let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    read.scan(space, all.0, all.1, &mut |_, _| {
        rows += 1;
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    rows
}
