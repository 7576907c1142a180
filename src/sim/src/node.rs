//! One node over what outlives it: the platter of its disk, its clock, its engine's rows.

use crate::plan::{EngineChoice, Plan};
use base::{BlockHash, NodeId};
use block::{BlockConfig, BlockStore, DiskConfig};
use env::sim::{SimOptions, SimWorld};
use env::{Disk, Env};
use model::{Model, Peers};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Engine, MemEngine, MemPlatter, RedbEngine, Store, StoreOptions};

/// Where the metadata is.
const META_FOLDER: &str = "/meta";
/// The simulated node. Any id will do.
const NODE: NodeId = NodeId::from_bytes([7; 32]);
/// Room on the disk: far more than a run writes, so that only the faults make it full.
pub const DISK_BYTES: u64 = 1 << 40;

/// What outlives a node's process.
pub struct Machine {
    /// Disk and clock.
    pub world: SimWorld,
    rows: Arc<MemPlatter>,
    engine: EngineChoice,
    folders: Vec<PathBuf>,
}

impl Machine {
    /// An empty machine.
    pub fn new(plan: &Plan) -> Self {
        let options = SimOptions { disk_bytes: DISK_BYTES, ..SimOptions::default() };
        Self {
            world: SimWorld::new(plan.seed, &options),
            rows: Arc::default(),
            engine: plan.engine,
            folders: (0..plan.folders).map(|number| PathBuf::from(format!("/data{number}"))).collect(),
        }
    }
}

/// A running node. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    /// Its doors.
    pub env: Env,
    /// Its metadata.
    pub store: Store,
    /// Its blocks.
    pub blocks: BlockStore,
    /// Its rules.
    pub model: Arc<Model>,
    /// Its data folders.
    pub folders: Vec<PathBuf>,
}

impl Node {
    /// Starts a node as the product does: engine, store, blocks, model, interrupted uploads.
    pub async fn start(machine: &Machine) -> Result<Self, String> {
        let env = machine.world.env();
        let folder = Path::new(META_FOLDER);
        let engine: Arc<dyn Engine> = match machine.engine {
            EngineChoice::Memory => {
                env.disk.create_dir_all(folder).map_err(text)?;
                Arc::new(MemEngine::open(&machine.rows, Some(machine.world.disk.clone())))
            }
            EngineChoice::Redb => Arc::new(RedbEngine::open(&env, folder).map_err(text)?),
        };
        let options = StoreOptions { folder: folder.to_owned(), node_tag: NODE.tag() };
        let store = Store::open(&env, engine, options).map_err(text)?;
        let mut config = BlockConfig::new(NODE, PathBuf::new());
        let disk = |path: &PathBuf| DiskConfig { path: path.clone(), capacity_bytes: None, read_only: false };
        config.disks = machine.folders.iter().map(disk).collect();
        let blocks = BlockStore::open(&env, &store, config).await.map_err(text)?;
        let model = Model::open(&env, store.clone(), blocks.clone(), Peers::alone(NODE)).map_err(text)?;
        model.settle_interrupted_uploads().await.map_err(text)?;
        model.keep_digests().await.map_err(text)?;
        Ok(Self { env, store, blocks, model, folders: machine.folders.clone() })
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Every block file in use in some data folders.
pub fn block_files(disk: &dyn Disk, folders: &[PathBuf]) -> Vec<(BlockHash, PathBuf)> {
    let mut files = Vec::new();
    for folder in folders {
        let folders = disk.list(&folder.join("blocks")).unwrap_or_default();
        for entry in folders.into_iter().flat_map(|entry| disk.list(&entry.path).unwrap_or_default()) {
            files.extend(block_of(&entry.path).map(|hash| (hash, entry.path)));
        }
    }
    files
}

/// Which block a file in use holds.
pub fn block_of(path: &Path) -> Option<BlockHash> {
    let name = path.file_name()?.to_str()?;
    BlockHash::from_hex(name.strip_suffix(".zst").unwrap_or(name))
}
