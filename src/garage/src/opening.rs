//! Opening what a node has on its disks: its key and layout, and the metadata.
//!
//! Always holds: a folder that lost its key, its layout or its metadata is refused before anything is written to it, since
//! what would be made anew is a stranger to what is there.

use crate::config::{Config, Engine};
use anyhow::{Context, bail};
use cluster::{ClusterOptions, ClusterSecret, ClusterState, FirstLayout, StateKind};
use env::Env;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use store::Space;
use store::engine::{self, EngineKind};

/// Refuses a data folder that is a file.
pub async fn check_data_folder(env: &Env, config: &Config) -> anyhow::Result<()> {
    let folder = config.data_folder.clone().unwrap_or_else(|| config.metadata_dir.clone());
    let (disk, looked_at) = (Arc::clone(&env.disk), folder.clone());
    match env.tasks.blocking(move || disk.list(&looked_at)).await {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            bail!("the data folder {} is a file: name a folder", folder.display())
        }
        _ => Ok(()),
    }
}

/// What a node is opened with: its key and layout, and the metadata.
type Parts = (Arc<ClusterState>, Arc<dyn engine::Engine>);

/// Opens both, or refuses a folder that lost something.
pub async fn open_parts(env: &Env, config: &Config, single_node: bool) -> anyhow::Result<Parts> {
    if !is_layout_gone(env, config).await? {
        // Side by side: each waits for the disk most of the time.
        let cluster = open_cluster(env, config, single_node, false);
        return tokio::try_join!(cluster, open_engine(env, config));
    }
    let engine = open_engine(env, config).await?;
    // Whoever has no layout yet can make keys, and no bucket.
    let bucket = engine.snapshot()?.last(Space::Bucket, Bound::Unbounded, Bound::Unbounded)?;
    let has_history = bucket.is_some();
    if has_history && single_node {
        tracing::warn!(
            "cluster_layout was missing: a new one is made for this node alone, as --single-node says"
        );
    }
    Ok((open_cluster(env, config, single_node, has_history && !single_node).await?, engine))
}

/// Whether a node that was here before is without its layout. Refuses blocks of another node, before anything is written.
async fn is_layout_gone(env: &Env, config: &Config) -> anyhow::Result<bool> {
    let (disk, folder) = (Arc::clone(&env.disk), config.metadata_dir.clone());
    let data_folders: Vec<PathBuf> = config.data_dirs.iter().map(|folder| folder.path.clone()).collect();
    let look = move || {
        let is_there = |kind: StateKind| disk.exists(&folder.join(kind.file_name()));
        let (has_key, has_layout) = (is_there(StateKind::NodeKey)?, is_there(StateKind::Layout)?);
        if !has_key && !has_layout {
            refuse_strange_blocks(disk.as_ref(), &data_folders)?;
        }
        Ok(has_key && !has_layout)
    };
    env.tasks.blocking(look).await
}

/// A node without a key may only be one whose metadata folder is not mounted.
fn refuse_strange_blocks(disk: &dyn env::Disk, folders: &[PathBuf]) -> anyhow::Result<()> {
    for folder in folders {
        if let Some(node) = block::owner_of(disk, folder)? {
            bail!(
                "{} holds blocks of another node (id {node}). If its metadata folder is not mounted, mount it; to start \
                 anew use an empty data folder.",
                folder.display()
            );
        }
    }
    Ok(())
}

/// `has_history`: there is a bucket, so that there was a layout.
async fn open_cluster(
    env: &Env,
    config: &Config,
    single_node: bool,
    has_history: bool,
) -> anyhow::Result<Arc<ClusterState>> {
    let secret = match &config.rpc.secret {
        Some(secret) => Some(ClusterSecret::parse(secret.reveal())?),
        None => None,
    };
    let (folder, first_disk) = (config.metadata_dir.clone(), config.data_dirs[0].path.clone());
    let (inner, doors) = (env.clone(), env.tasks.clone());
    // A node that is told of others waits for the operator to give it a role.
    let alone = single_node || (config.rpc.bootstrap_peers.is_empty() && config.replication_factor == 1);
    doors
        .blocking(move || {
            let disk = inner.disk.as_ref();
            disk.create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            disk.create_dir_all(&first_disk)
                .with_context(|| format!("cannot make {}", first_disk.display()))?;
            let first_layout = match alone {
                true if has_history => FirstLayout::Known,
                true => FirstLayout::home(disk, &first_disk)?,
                false => FirstLayout::Empty,
            };
            let hostname = env::real::hostname();
            let options = ClusterOptions { folder, secret, first_layout, hostname, address: None };
            Ok(ClusterState::open(&inner, options)?)
        })
        .await
}

async fn open_engine(env: &Env, config: &Config) -> anyhow::Result<Arc<dyn engine::Engine>> {
    let asked = match config.engine {
        Engine::Default => None,
        Engine::Fjall => Some(EngineKind::Fjall),
        Engine::Redb => Some(EngineKind::Redb),
    };
    let (inner, folder, cache_bytes) = (env.clone(), config.metadata_dir.clone(), config.engine_cache_bytes);
    let open = move || {
        let kind = match asked {
            Some(kind) => kind,
            // What is there goes on with the engine that made it.
            None => engine::made_by(&inner, &folder)?.unwrap_or(EngineKind::Fjall),
        };
        engine::open_with_cache(kind, &inner, &folder, cache_bytes)
    };
    Ok(env.tasks.blocking(open).await?)
}
