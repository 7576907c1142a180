//! The links to other nodes: from the configuration to [`Membership`].

use crate::config::{Bind, Config};
use crate::listening::{every_ipv4_address, port_is_taken};
use anyhow::{Context, anyhow, bail};
use cluster::ClusterState;
use cluster::membership::{Membership, MembershipError, MembershipOptions, NodeAddress, Rooms};
use env::{Env, Space};
use model::Model;
use std::net::SocketAddr;
use std::sync::Arc;

/// Takes part in the cluster.
pub async fn open(
    env: &Env,
    config: &Config,
    state: &Arc<ClusterState>,
    model: &Arc<Model>,
) -> anyhow::Result<Arc<Membership>> {
    let Bind::Tcp(bind) = config.rpc.bind else {
        bail!("rpc_bind_addr must be an address and a port: nodes reach each other over TCP");
    };
    let first_peers = config.rpc.bootstrap_peers.iter().map(|text| text.parse::<NodeAddress>());
    let first_peers = first_peers.collect::<Result<Vec<_>, _>>().context("in bootstrap_peers")?;
    let advertised = advertised(env, config).await?;
    let options = |listen| MembershipOptions {
        listen,
        advertised,
        first_peers: first_peers.clone(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        room: room(env, config, model),
        courier: model.courier(),
    };
    let started = match Membership::start(env, state, options(vec![bind])).await {
        Err(MembershipError::Net(error)) if config.rpc.bind_is_default => {
            alternative(env, state, (bind, error), options).await
        }
        started => started,
    };
    let membership = started.map_err(|error| match &error {
        MembershipError::Net(net::StartError::Listen { address, source }) if is_taken(source) => anyhow!(
            "{}\nTo use another port:  rpc_bind_addr = \"[::]:PORT\" in the configuration",
            port_is_taken(address.port())
        ),
        _ => anyhow!("cannot take part in a cluster: {error}"),
    })?;
    for address in membership.addresses() {
        tracing::info!("listening for other nodes on {address}");
    }
    Ok(membership)
}

/// Where the default address is not to be had: a machine without IPv6 listens on IPv4; one whose port
/// is taken still serves, and can still dial others.
async fn alternative(
    env: &Env,
    state: &Arc<ClusterState>,
    (bind, error): (SocketAddr, net::StartError),
    options: impl Fn(Vec<SocketAddr>) -> MembershipOptions,
) -> Result<Arc<Membership>, MembershipError> {
    if !matches!(&error, net::StartError::Listen { source, .. } if is_taken(source)) {
        return Membership::start(env, state, options(vec![every_ipv4_address(bind.port())])).await;
    }
    tracing::warn!(
        "port {} is taken, so other nodes cannot dial this one; set rpc_bind_addr in the configuration",
        bind.port()
    );
    Membership::start(env, state, options(Vec::new())).await
}

fn is_taken(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::AddrInUse
}

async fn advertised(env: &Env, config: &Config) -> anyhow::Result<Option<SocketAddr>> {
    let Some(text) = &config.rpc.public_addr else { return Ok(None) };
    let found = env.net.resolve(text).await.with_context(|| format!("rpc_public_addr = {text:?}"))?;
    Ok(found.first().copied())
}

/// Looks at the disks.
fn room(env: &Env, config: &Config, model: &Arc<Model>) -> Arc<dyn Fn() -> Rooms + Send + Sync> {
    let disk = Arc::clone(&env.disk);
    let metadata = config.metadata_dir.clone();
    let (blocks, model) = (model.blocks().clone(), Arc::downgrade(model));
    Arc::new(move || {
        let told = |space: Space| (space.available_bytes, space.total_bytes);
        let model = model.upgrade();
        let (to_refill, state) = model.as_ref().map(|model| model.block_state()).unwrap_or_default();
        Rooms {
            data: blocks.room().map(told),
            metadata: disk.space(&metadata).ok().map(told),
            stored_bytes: blocks.stored_bytes().ok(),
            to_refill,
            blocks: state,
            copying: model.map(|model| model.copy_speed()).unwrap_or_default(),
        }
    })
}
