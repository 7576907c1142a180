//! The side that joins: looks whether the folder may join at all, asks the host, and keeps what it
//! is given. Runs before the node itself is opened, since that needs the secret.
//!
//! Without an answer it tries again for a minute and then ends with an error: a person at a terminal
//! sees what to check, and a service is started again by its manager.

use super::Welcome;
use super::code::JoinCode;
use crate::layout::Layout;
use crate::membership::saved;
use crate::node_key::NodeKey;
use crate::secrets::ClusterSecret;
use crate::state_file::{self, StateFileError, StateKind};
use base::NodeId;
use env::Env;
use net::{Identity, KnockError, TurnedAway, knock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a host that does not answer is tried.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two rounds over its addresses.
const PAUSE: Duration = Duration::from_secs(3);

/// How to join.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// The metadata folder; must exist.
    pub folder: PathBuf,
    /// The invitation.
    pub code: JoinCode,
    /// The configured secret, if there is one.
    pub secret: Option<ClusterSecret>,
}

/// How joining ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// The node belongs to this cluster since an earlier start.
    Before,
    /// It belongs to it now, and will ask for a role in this zone.
    Now {
        /// The zone.
        zone: String,
    },
}

/// What a node keeps about how it came into its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinedCluster {
    /// Who invited it.
    pub host: NodeId,
    /// The zone it asks for while it has no role.
    pub zone: String,
}

/// A folder that belongs to another cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} belongs to another cluster already, or was started without an invitation and holds data of its own; it was \
     left as it is\nTo join with an empty folder:  garage server --join CODE --data-dir NEW_FOLDER\nTo go on with \
     this one:  start it without --join", .0.display()
)]
pub struct AlreadyElsewhere(PathBuf);

/// Why a node did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinFailure {
    /// The folder.
    #[error(transparent)]
    AlreadyElsewhere(#[from] AlreadyElsewhere),
    /// The host says no.
    #[error("the home that made the invitation says: {0}\nTo get a new one, run there:  garage node invite")]
    TurnedAway(TurnedAway),
    /// Nobody answered.
    #[error(
        "the home that made the invitation does not answer:\n{0}Check there that garage runs and that its port is \
         open to this machine (firewall, port forwarding of the router).\nTo make an invitation with another \
         address, run there:  garage node invite --address HOST:PORT"
    )]
    NoAnswer(String),
    /// It answered something else.
    #[error("what the other home answered is not understood: install the same release on both")]
    NotUnderstood,
    /// The configuration names another secret.
    #[error(
        "rpc_secret in the configuration is not that of the cluster to join: remove it from the configuration"
    )]
    OtherSecret,
    /// A state file.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
}

/// Joins the cluster that made the invitation, unless the node belongs to it.
pub async fn join(env: &Env, options: JoinOptions) -> Result<Joined, JoinFailure> {
    let (inner, of_work) = (env.clone(), options.clone());
    let looked = env.tasks.blocking(move || look(&inner, &of_work)).await?;
    let Some(key) = looked else { return Ok(Joined::Before) };
    let (host, places, welcome) = ask(env, Arc::new(key), &options.code).await?;
    let secret = ClusterSecret::parse(&welcome.secret).map_err(|_| JoinFailure::NotUnderstood)?;
    if options.secret.as_ref().is_some_and(|configured| *configured != secret) {
        return Err(JoinFailure::OtherSecret);
    }
    let (inner, zone) = (env.clone(), welcome.zone.clone());
    let joined = JoinedCluster { host, zone: welcome.zone };
    env.tasks.blocking(move || keep(&inner, &options.folder, &secret, &joined, places)).await?;
    Ok(Joined::Now { zone })
}

/// What is kept about how this node joined. Blocks.
pub(crate) fn read(env: &Env, folder: &Path) -> Result<Option<JoinedCluster>, StateFileError> {
    let Some(body) = state_file::read(env.disk.as_ref(), folder, StateKind::Joined)? else { return Ok(None) };
    let joined = serde_json::from_str(&body);
    joined.map(Some).map_err(|_| state_file::damaged(folder, StateKind::Joined))
}

/// The key to join with; none when the folder belongs to the cluster. Changes nothing but making a
/// key where there is none. Blocks.
fn look(env: &Env, options: &JoinOptions) -> Result<Option<NodeKey>, JoinFailure> {
    let JoinOptions { folder, code, .. } = options;
    let joined = read(env, folder)?;
    let layouts =
        [read_layout(env, folder, StateKind::Layout)?, read_layout(env, folder, StateKind::PreviousLayout)?];
    // The first releases wrote layouts without a cluster's id.
    let is_used = |layout: &Layout| layout.cluster().is_some() || layout.newest().number > 0;
    let in_cluster = layouts.iter().flatten().any(is_used);
    if joined.is_none() && !in_cluster {
        return Ok(Some(NodeKey::open(env, folder)?));
    }
    let own = NodeKey::open(env, folder)?.id();
    let members = layouts.iter().flatten().flat_map(|layout| layout.in_force());
    let mut known: Vec<NodeId> = members.flat_map(|version| version.roles.keys().copied()).collect();
    known.push(own);
    if let Some(joined) = joined {
        known.push(joined.host);
        known.extend(saved::read(env.disk.as_ref(), folder)?.into_keys());
    }
    if known.into_iter().any(|node| code.is_from(node)) {
        Ok(None)
    } else {
        Err(AlreadyElsewhere(folder.clone()).into())
    }
}

fn read_layout(env: &Env, folder: &Path, kind: StateKind) -> Result<Option<Layout>, StateFileError> {
    match state_file::read(env.disk.as_ref(), folder, kind)? {
        Some(body) => Layout::from_text(&body).map(Some).ok_or_else(|| state_file::damaged(folder, kind)),
        None => Ok(None),
    }
}

/// The secret first and the mark that says that all is done last: after a crash in between the node
/// asks again, and as the one that used the invitation it is answered again. Blocks.
fn keep(
    env: &Env,
    folder: &Path,
    secret: &ClusterSecret,
    joined: &JoinedCluster,
    places: Vec<SocketAddr>,
) -> Result<(), StateFileError> {
    let disk = env.disk.as_ref();
    secret.store(env, folder)?;
    saved::write(disk, folder, &BTreeMap::from([(joined.host, places)]))?;
    let body = serde_json::to_string(joined).expect("a node and a zone can be written as JSON");
    state_file::write(disk, folder, StateKind::Joined, &body)
}

/// Asks the host until it answers or patience ends.
async fn ask(
    env: &Env,
    key: Arc<NodeKey>,
    code: &JoinCode,
) -> Result<(NodeId, Vec<SocketAddr>, Welcome), JoinFailure> {
    let start = env.clock.mono();
    loop {
        let mut failures = String::new();
        for address in code.addresses() {
            let places = env.net.resolve(address).await.unwrap_or_default();
            if places.is_empty() {
                note(&mut failures, address, "no such host");
            }
            for place in &places {
                let identity: Arc<dyn Identity> = Arc::clone(&key) as Arc<dyn Identity>;
                let said = (code.token(), &b""[..]);
                match knock(env, identity, *place, |node| code.is_from(node), said).await {
                    Ok((host, answer)) => {
                        let welcome =
                            serde_json::from_slice(&answer).map_err(|_| JoinFailure::NotUnderstood)?;
                        return Ok((host, places, welcome));
                    }
                    Err(KnockError::TurnedAway(no)) if no != TurnedAway::NotNow => {
                        return Err(JoinFailure::TurnedAway(no));
                    }
                    Err(error) => note(&mut failures, place, error),
                }
            }
        }
        if env.clock.mono().saturating_sub(start) >= PATIENCE {
            return Err(JoinFailure::NoAnswer(failures));
        }
        tracing::warn!("the home that made the invitation does not answer yet:\n{}", failures.trim_end());
        env::sleep(PAUSE).await;
    }
}

fn note(failures: &mut String, place: impl std::fmt::Display, why: impl std::fmt::Display) {
    writeln!(failures, "  {place}  {why}").expect("writing to a string cannot fail");
}
