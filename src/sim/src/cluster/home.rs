//! One home: the machine that stays, and the node that runs on it as the product starts it.

use super::plan::ClusterPlan;
use crate::node::{DISK_BYTES, block_of};
use crate::plan::EngineChoice;
use base::{BlockHash, NodeId};
use block::{BlockConfig, BlockStore};
use cluster::membership::{Membership, MembershipOptions, NodeAddress, Rooms};
use cluster::{ClusterOptions, ClusterSecret, ClusterState, FirstLayout};
use env::sim::{Keep, Process, SimNet, SimOptions, SimWorld};
use env::{Env, Task};
use model::{Model, Peers, Timing};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Engine, MemEngine, MemPlatter, RedbEngine, Store, StoreOptions};

const META_FOLDER: &str = "/meta";
const DATA_FOLDER: &str = "/data";
/// Where an empty disk is, for a home that lost its own.
const ANOTHER_DATA_FOLDER: &str = "/data2";
/// What all homes know. Any secret will do.
const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// Where every node listens, on an address of its own.
const PORT: u16 = 3901;
/// Turns that the tasks of a dead node may take to end.
const ENDING_MAX_TURNS: u32 = 10_000;

/// What outlives a node's process.
pub struct Home {
    /// Its number, also on the network.
    pub number: usize,
    /// Disk, clock and its end of the network.
    pub world: SimWorld,
    /// Its metadata, where the engine is in memory.
    pub rows: Arc<MemPlatter>,
    engine: EngineChoice,
    timing: Timing,
    running: Mutex<Running>,
}

struct Running {
    node: Option<Member>,
    process: Option<Process>,
    data_folder: &'static str,
}

/// What a start needs of the machine.
struct Machine {
    env: Env,
    engine: EngineChoice,
    rows: Arc<MemPlatter>,
    disk: env::sim::SimDisk,
    data_folder: &'static str,
    timing: Timing,
}

/// A running node. Whoever keeps one keeps the node's memory: never across the end of its process.
#[derive(Clone)]
pub struct Member {
    /// Its doors.
    pub env: Env,
    /// Its key and its layout.
    pub cluster: Arc<ClusterState>,
    /// Its metadata.
    pub store: Store,
    /// Its blocks.
    pub blocks: BlockStore,
    /// Its rules.
    pub model: Arc<Model>,
    membership: Arc<Membership>,
    _workers: Arc<Vec<Task<()>>>,
}

/// Where a home is found.
pub fn address(number: usize) -> SocketAddr {
    let last = u8::try_from(number + 1).unwrap_or(u8::MAX);
    SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), PORT))
}

impl Home {
    /// An empty machine.
    pub fn new(plan: &ClusterPlan, number: usize, net: &SimNet) -> Self {
        let skew_ms = plan.skews_ms.get(number).copied().unwrap_or(0);
        let options = SimOptions { disk_bytes: DISK_BYTES, skew_ms, ..SimOptions::default() };
        let seed = plan.seed.wrapping_mul(0x1_0001).wrapping_add(number as u64);
        let mut world = SimWorld::new(seed, &options);
        world.net = net.of_machine(number);
        let running = Running { node: None, process: None, data_folder: DATA_FOLDER };
        Self {
            number,
            world,
            rows: Arc::default(),
            engine: plan.engine,
            timing: plan.timing(),
            running: Mutex::new(running),
        }
    }

    /// A copy of its metadata.
    pub fn copy_rows(&self) -> MemPlatter {
        self.rows.copy()
    }

    /// Has another memory from its next start on, and another disk for blocks, if they go too. It does not run.
    pub fn lose(&self, copy: &MemPlatter, with_blocks: bool) {
        self.rows.restore(copy);
        if with_blocks {
            self.running().data_folder = ANOTHER_DATA_FOLDER;
        }
    }

    /// The files of its blocks, whether it runs or not.
    pub fn block_files(&self) -> Vec<(BlockHash, PathBuf)> {
        let folder = Path::new(self.running().data_folder).join("blocks");
        let files = self.world.disk.files_below(&folder).into_iter();
        files.filter_map(|path| Some((block_of(&path)?, path))).collect()
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node, if it runs.
    pub fn node(&self) -> Option<Member> {
        self.running().node.clone()
    }

    /// Whether a process runs, or starts.
    pub fn has_process(&self) -> bool {
        self.running().process.is_some()
    }

    /// Starts the node. `first_peers` are only dialled by a node that knows nobody yet.
    pub async fn start(&self, first_peers: Vec<NodeAddress>) -> Result<(), String> {
        let (env, process) = self.world.env_of_process();
        self.running().process = Some(process);
        let machine = Machine {
            env: env.clone(),
            engine: self.engine,
            rows: Arc::clone(&self.rows),
            disk: self.world.disk.clone(),
            data_folder: self.running().data_folder,
            timing: self.timing,
        };
        let started = env.tasks.spawn(start(machine, self.number, first_peers)).join().await;
        let node = started.unwrap_or_else(|| Err("its process ended while it started".to_owned()))?;
        let mut running = self.running();
        if running.process.is_some() {
            running.node = Some(node);
        }
        Ok(())
    }

    /// Ends the process wherever it is, and decides what its disk keeps.
    pub async fn kill(&self, keep: Keep) -> Result<(), String> {
        let disk = &self.world.disk;
        // From now on nothing reaches the disk: what is dropped cleans nothing up.
        disk.crash_at_effect(disk.effects() + 1);
        let (node, process) = {
            let mut running = self.running();
            (running.node.take(), running.process.take())
        };
        if let Some(process) = &process {
            process.kill();
        }
        drop(node);
        let mut turns = 0;
        while process.as_ref().is_some_and(|process| !process.is_gone()) {
            tokio::task::yield_now().await;
            turns += 1;
            if turns > ENDING_MAX_TURNS {
                return Err("tasks outlive their process".to_owned());
            }
        }
        disk.clear_faults();
        disk.occupy(0);
        disk.crash(keep);
        Ok(())
    }
}

impl Member {
    /// This node.
    pub fn id(&self) -> NodeId {
        self.cluster.id()
    }

    /// Whether it can call a node, which may be itself.
    pub fn reaches(&self, node: NodeId) -> bool {
        node == self.id() || self.membership.net().is_connected(node)
    }
}

async fn start(machine: Machine, number: usize, first_peers: Vec<NodeAddress>) -> Result<Member, String> {
    let Machine { env, engine, rows, disk, data_folder, timing } = machine;
    let folder = Path::new(META_FOLDER);
    env.disk.create_dir_all(folder).map_err(text)?;
    let options = ClusterOptions {
        folder: folder.to_owned(),
        secret: Some(ClusterSecret::parse(SECRET).map_err(text)?),
        first_layout: FirstLayout::Empty,
        hostname: format!("home{number}"),
        address: None,
    };
    let cluster = ClusterState::open(&env, options).map_err(text)?;
    let engine: Arc<dyn Engine> = match engine {
        EngineChoice::Memory => Arc::new(MemEngine::open(&rows, Some(disk))),
        EngineChoice::Redb => Arc::new(RedbEngine::open(&env, folder).map_err(text)?),
    };
    let options = StoreOptions { folder: folder.to_owned(), node_tag: cluster.id().tag() };
    let store = Store::open(&env, engine, options).map_err(text)?;
    let config = BlockConfig::new(cluster.id(), PathBuf::from(data_folder));
    let blocks = BlockStore::open(&env, &store, config).await.map_err(text)?;
    let model = Model::open_timed(&env, store.clone(), blocks.clone(), (Peers::of(&cluster), timing))
        .map_err(text)?;
    model.settle_interrupted_uploads().await.map_err(text)?;
    let options = MembershipOptions {
        listen: vec![address(number)],
        advertised: Some(address(number)),
        first_peers,
        release: "simulated".to_owned(),
        room: Arc::new(Rooms::default),
        courier: model.courier(),
    };
    let membership = Membership::start(&env, &cluster, options).await.map_err(text)?;
    model.join(membership.net());
    let workers = vec![
        model.spawn_reclaimer(),
        model.spawn_name_keeper(),
        model.spawn_growth(),
        model.spawn_sync(),
        model.spawn_mending(),
        model.spawn_row_check(),
        model.spawn_event_keeper(),
        blocks.spawn_worker(fetch_missing(&model)),
        blocks.spawn_disk_watch(),
    ];
    Ok(Member { env, cluster, store, blocks, model, membership, _workers: Arc::new(workers) })
}

/// Blocks on their way from other homes.
type Fetching = std::pin::Pin<Box<dyn Future<Output = std::time::Duration> + Send>>;

/// As the product does it.
fn fetch_missing(model: &Arc<Model>) -> impl Fn(Vec<base::BlockHash>) -> Fetching + Send + Sync + 'static {
    let model = Arc::downgrade(model);
    move |missing| {
        let model = model.upgrade();
        Box::pin(async move {
            match model {
                Some(model) => model.fetch_all_missing(missing).await,
                None => Default::default(),
            }
        })
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
