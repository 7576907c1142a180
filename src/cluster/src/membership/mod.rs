//! Who is in the cluster and how they are: links to the other nodes, and gossip over them.
//!
//! A node knows whom it was told of by its operator, its configuration, its own notes from the last
//! run, and by those it is connected to. What always holds:
//!
//! - nobody is known who did not prove the cluster secret, or was named by somebody who did;
//! - what a peer says is kept within limits, and says nothing about anybody but itself, except where
//!   others may be found;
//! - knowing a node gives it no data: only the layout does.

mod address;
mod exchange;
mod gossip;
mod heard;
pub(crate) mod saved;
#[cfg(test)]
mod tests;

pub use address::{InvalidAddress, NodeAddress};
pub use gossip::{BlockState, CopySpeed, NodeStatus};

use crate::joining::{Host, Waiting};
use crate::state::ClusterState;
use crate::state_file::StateFileError;
use base::NodeId;
use env::{Env, MonoTime, Task};
pub(crate) use gossip::{FetchLayout, Gossip};
use heard::LastHeard;
use net::{ConnectError, Connection, Courier, Identity, Net, Options, Versions};
use saved::Peers;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How a node takes part.
pub struct MembershipOptions {
    /// Where it listens for other nodes; none when only it dials.
    pub listen: Vec<SocketAddr>,
    /// Where others can dial it, if the operator says so.
    pub advertised: Option<SocketAddr>,
    /// Nodes to begin with.
    pub first_peers: Vec<NodeAddress>,
    /// The release, to show.
    pub release: String,
    /// Looks how much room the node has. Blocks.
    pub room: Arc<dyn Fn() -> Rooms + Send + Sync>,
    /// Writes and reads the header of each message.
    pub courier: Arc<dyn Courier>,
}

/// How much room a node has, what it holds, and how fast it copies: bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rooms {
    /// For blocks: free, and in all.
    pub data: Option<(u64, u64)>,
    /// For metadata: free, and in all.
    pub metadata: Option<(u64, u64)>,
    /// Bytes of blocks it keeps.
    pub stored_bytes: Option<u64>,
    /// Blocks that it lacks, as far as it knows; `None`: none.
    pub to_refill: Option<u64>,
    /// More about its blocks.
    pub blocks: BlockState,
    /// How fast it copies from others.
    pub copying: CopySpeed,
}

/// Why a node does not take part.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The links cannot be set up.
    #[error(transparent)]
    Net(#[from] net::StartError),
    /// The notes from the last run.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
}

/// Why another node could not be connected to.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// What was typed.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// The host has no address.
    #[error("the host in {0} has no address")]
    NoSuchHost(NodeAddress),
    /// Another secret.
    #[error(
        "the node at {0} belongs to another cluster: its secret is another one. To have it join this cluster, run \
         `garage node invite` here and start it there, with an empty data folder, with `garage server --join CODE`"
    )]
    OtherSecret(NodeAddress),
    /// The same secret and another layout.
    #[error(
        "the node at {0} belongs to another cluster (it has a layout of its own), so nothing is shared with it; to \
         have it join this one, start it with an empty data folder"
    )]
    OtherCluster(NodeAddress),
    /// The link.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// A node as this one knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    /// Whether calls reach it now.
    pub is_up: bool,
    /// Whether they go through a common peer.
    pub relayed_by: Option<NodeId>,
    /// Where it is dialled.
    pub address: Option<SocketAddr>,
    /// Round trip, smoothed.
    pub latency: Option<Duration>,
    /// Time since it last answered; `None`: never.
    pub silent_for: Option<Duration>,
    /// Why the last attempt to reach it failed.
    pub last_error: Option<ConnectError>,
    /// How it says that it is.
    pub status: Option<NodeStatus>,
}

/// This node's part in the cluster. Ends its links when it is dropped.
pub struct Membership {
    inner: Arc<Inner>,
    _gossip: Task<()>,
    _links: Task<()>,
}

struct Inner {
    env: Env,
    net: Net,
    state: Arc<ClusterState>,
    advertised: Option<SocketAddr>,
    release: String,
    room: Arc<dyn Fn() -> Rooms + Send + Sync>,
    heard: Mutex<BTreeMap<NodeId, NodeStatus>>,
    saved: Mutex<Peers>,
    /// When the others were heard last, as it is saved.
    last_heard: Mutex<LastHeard>,
    /// When that was saved last.
    heard_saved: Mutex<Option<MonoTime>>,
    /// Nodes whose layout is being asked for.
    asked: Mutex<BTreeSet<NodeId>>,
    /// The role that this node asked for in its last message.
    asked_for: Mutex<Option<Waiting>>,
}

/// The node's key, as links use it.
struct StateIdentity(Arc<ClusterState>);

impl Identity for StateIdentity {
    fn id(&self) -> NodeId {
        self.0.id()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.key().sign(message)
    }
}

impl Membership {
    /// Listens, dials whoever is known, and begins to gossip.
    pub async fn start(
        env: &Env,
        state: &Arc<ClusterState>,
        options: MembershipOptions,
    ) -> Result<Arc<Self>, MembershipError> {
        let (disk, folder) = (env.disk.clone(), state.folder().to_owned());
        let read = move || {
            Ok::<_, StateFileError>((
                saved::read(disk.as_ref(), &folder)?,
                heard::read(disk.as_ref(), &folder),
            ))
        };
        let (saved, last_heard) = env.tasks.blocking(read).await?;
        let net_options = Options {
            identity: Arc::new(StateIdentity(Arc::clone(state))),
            secret: *state.secret().as_bytes(),
            listen: options.listen,
            advertised: options.advertised,
            versions: Versions::CURRENT,
            courier: options.courier,
        };
        let net = Net::start(env.clone(), net_options).await?;
        let inner = Arc::new(Inner {
            env: env.clone(),
            net,
            state: Arc::clone(state),
            advertised: options.advertised,
            release: options.release,
            room: options.room,
            heard: Mutex::default(),
            saved: Mutex::new(saved.clone()),
            last_heard: Mutex::new(last_heard),
            heard_saved: Mutex::default(),
            asked: Mutex::default(),
            asked_for: Mutex::default(),
        });
        exchange::answer(&inner);
        inner.net.welcome_guests(Arc::new(Host::new(env, state)));
        for (node, addresses) in &saved {
            inner.learn(*node, addresses);
        }
        let gossip = env.tasks.spawn(exchange::run(Arc::clone(&inner), options.first_peers));
        let links = env.tasks.spawn(exchange::watch_links(Arc::clone(&inner)));
        let membership = Arc::new(Self { inner, _gossip: gossip, _links: links });
        state.set_membership(&membership);
        Ok(membership)
    }

    /// The links.
    pub fn net(&self) -> &Net {
        &self.inner.net
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.inner.net.addresses()
    }

    /// Where others can dial it, as far as it knows: an address that is not just any of its own.
    pub fn own_address(&self) -> Option<SocketAddr> {
        self.inner.own_address()
    }

    /// Where other machines may find it, best first: as the operator says, or by its own addresses.
    pub fn reachable_at(&self) -> Vec<SocketAddr> {
        self.inner.reachable_at()
    }

    /// The role that this node asks for, as it told the others last.
    pub(crate) fn asks_for(&self) -> Option<Waiting> {
        self.inner.asked_for.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connects to a node that the operator names, as `id@host:port`. From then on it is known.
    pub async fn connect(&self, address: &str) -> Result<NodeId, JoinError> {
        let address: NodeAddress = address.parse()?;
        let node = match self.inner.dial(&address).await {
            Err(JoinError::Connect(ConnectError::WrongSecret)) => {
                return Err(JoinError::OtherSecret(address));
            }
            dialled => dialled?,
        };
        self.inner.gossip_with(node, &self.inner.speak().await).await;
        self.inner.save().await;
        if self.inner.state.is_stranger(node) {
            return Err(JoinError::OtherCluster(address));
        }
        Ok(node)
    }

    /// Takes in the layout that a node has now; whether it answered.
    pub async fn learn_layout(&self, node: NodeId) -> bool {
        self.inner.fetch_layout(node).await
    }

    /// Asks a node for its layout, of which another message says that it is newer; returns at once.
    pub fn ask_for_layout(&self, node: NodeId) {
        if !self.inner.state.is_stranger(node) {
            let asking = Arc::clone(&self.inner);
            // It ends by itself: a call has a limit.
            self.inner.env.tasks.spawn(async move { asking.fetch_layout_once(node).await }).detach();
        }
    }

    /// Everybody known but this node.
    pub fn contacts(&self) -> BTreeMap<NodeId, Contact> {
        let (now, wall) = (self.inner.env.clock.mono(), self.inner.env.clock.wall());
        let before = self.inner.last_heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Of those who were silent since this start, by the wall clock.
        let since_before = |node: &NodeId| {
            let ms = wall.millis().saturating_sub(before.get(node)?.millis());
            Some(Duration::from_millis(ms))
        };
        let heard = self.inner.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let contact = |peer: net::PeerStatus| {
            let contact = Contact {
                is_up: peer.connection != Connection::None,
                relayed_by: match peer.connection {
                    Connection::Relayed(through) => Some(through),
                    Connection::Direct | Connection::None => None,
                },
                address: peer.addresses.first().copied().or(peer.advertised),
                latency: peer.latency,
                silent_for: match peer.last_seen {
                    Some(seen) => Some(now.saturating_sub(seen)),
                    None => since_before(&peer.node),
                },
                last_error: peer.last_error,
                status: heard.get(&peer.node).cloned(),
            };
            (peer.node, contact)
        };
        self.inner.net.peers().into_iter().map(contact).collect()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.inner.net.stop();
    }
}
