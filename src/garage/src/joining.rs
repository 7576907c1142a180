//! `garage server --join`: before the node is opened, since it is opened with the secret it is given.

use crate::config::Config;
use anyhow::Context;
use cluster::ClusterSecret;
use cluster::joining::{self, JoinCode, JoinOptions, Joined};
use env::Env;

/// Joins the cluster that made the invitation, unless this node belongs to it already.
pub async fn join(env: &Env, config: &Config, code: JoinCode) -> anyhow::Result<()> {
    let folder = config.metadata_dir.clone();
    let secret = match &config.rpc.secret {
        Some(secret) => Some(ClusterSecret::parse(secret.reveal())?),
        None => None,
    };
    let (disk, made) = (env.disk.clone(), folder.clone());
    let make = move || disk.create_dir_all(&made);
    env.tasks.blocking(make).await.with_context(|| format!("cannot make {}", folder.display()))?;
    match joining::join(env, JoinOptions { folder, code, secret }).await? {
        Joined::Before => {
            tracing::info!("this node belongs to the cluster already: --join has nothing to do")
        }
        Joined::Now { zone } => println!(
            "Joined. This node keeps no data until it is approved (zone {zone}). On any home of the cluster, run:\n\n    \
             garage node approve\n"
        ),
    }
    Ok(())
}
