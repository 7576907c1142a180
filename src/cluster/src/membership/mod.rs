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
mod gossip;
mod saved;
#[cfg(test)]
mod tests;

pub use address::{InvalidAddress, NodeAddress};
pub use gossip::NodeStatus;

use crate::state::ClusterState;
use crate::state_file::StateFileError;
use base::NodeId;
use env::{Env, Task};
use gossip::{Gossip, PEERS_TOLD_MAX};
use net::{Answer, ConnectError, Connection, Identity, Net, NoCourier, Options, Refusal, Versions};
use saved::Peers;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two rounds of gossip: a new node is known everywhere a few seconds after one knows it.
const GOSSIP_INTERVAL: Duration = Duration::from_secs(3);
/// How long an answer may take. A node that is slower is asked again in the next round.
const GOSSIP_LIMIT: Duration = Duration::from_secs(10);

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
}

/// (Free, in all) bytes for blocks and for metadata.
pub type Rooms = (Option<(u64, u64)>, Option<(u64, u64)>);

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
    /// Time since it last answered; `None`: never since this node started.
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
        let saved = env.tasks.blocking(move || saved::read(disk.as_ref(), &folder)).await?;
        let net_options = Options {
            identity: Arc::new(StateIdentity(Arc::clone(state))),
            secret: *state.secret().as_bytes(),
            listen: options.listen,
            advertised: options.advertised,
            versions: Versions::CURRENT,
            courier: Arc::new(NoCourier),
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
        });
        inner.answer_gossip();
        for (node, addresses) in &saved {
            inner.learn(*node, addresses);
        }
        let gossip = env.tasks.spawn(run(Arc::clone(&inner), options.first_peers));
        let membership = Arc::new(Self { inner, _gossip: gossip });
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
        let bound = self.addresses().iter().copied().find(|address| !address.ip().is_unspecified());
        self.inner.advertised.or(bound)
    }

    /// Connects to a node that the operator names, as `id@host:port`. From then on it is known.
    pub async fn connect(&self, address: &str) -> Result<NodeId, JoinError> {
        let address: NodeAddress = address.parse()?;
        let node = self.inner.dial(&address).await?;
        self.inner.gossip_with(node, &self.inner.speak().await).await;
        self.inner.save().await;
        Ok(node)
    }

    /// Everybody known but this node.
    pub fn contacts(&self) -> BTreeMap<NodeId, Contact> {
        let now = self.inner.env.clock.mono();
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
                silent_for: peer.last_seen.map(|seen| now.saturating_sub(seen)),
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

/// Dials the first peers until each was reached once, and gossips with everybody.
async fn run(inner: Arc<Inner>, mut first_peers: Vec<NodeAddress>) {
    loop {
        let mut left = Vec::new();
        for address in first_peers {
            if let Err(error) = inner.dial(&address).await {
                tracing::debug!(%address, %error, "a first peer is not reached yet");
                left.push(address);
            }
        }
        first_peers = left;
        let (peers, said) = (inner.net.peers().into_iter(), inner.speak().await);
        let peers = peers.filter(|peer| peer.connection != Connection::None);
        futures_util::future::join_all(peers.map(|peer| inner.gossip_with(peer.node, &said))).await;
        inner.save().await;
        env::sleep(GOSSIP_INTERVAL).await;
    }
}

impl Inner {
    fn answer_gossip(self: &Arc<Self>) {
        // Weak: the network holds the handler, and this holds the network.
        let weak = Arc::downgrade(self);
        self.net.handle::<Gossip, _, _>(move |incoming| {
            let inner = weak.upgrade();
            async move {
                let inner = inner.ok_or(Refusal::Failed)?;
                inner.listen_to(incoming.from, incoming.request);
                Ok(Answer::from(inner.speak().await))
            }
        });
    }

    async fn speak(&self) -> Gossip {
        let room = Arc::clone(&self.room);
        let (data_room, metadata_room) = self.env.tasks.blocking(move || room()).await;
        let status = NodeStatus {
            hostname: self.state.hostname().to_owned(),
            release: self.release.clone(),
            layout_version: self.state.layout().current().number,
            clock: self.env.clock.wall(),
            data_room,
            metadata_room,
        };
        let peers = self.net.peers().into_iter().filter(|peer| peer.connection != Connection::None);
        let place = |peer: net::PeerStatus| {
            let mut addresses = Vec::from_iter(peer.advertised);
            addresses.extend(peer.addresses.iter().filter(|address| Some(**address) != peer.advertised));
            (peer.node, addresses)
        };
        Gossip { status, peers: peers.map(place).take(PEERS_TOLD_MAX).collect() }
    }

    fn listen_to(&self, from: NodeId, said: Gossip) {
        if !said.is_acceptable() {
            return;
        }
        let is_new =
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(from, said.status.clone());
        if is_new.is_none() {
            tracing::info!(node = %from, hostname = said.status.hostname, "connected to a node");
        }
        for (node, addresses) in said.peers {
            self.learn(node, &addresses);
        }
    }

    /// A node that may be there.
    fn learn(&self, node: NodeId, addresses: &[SocketAddr]) {
        if node != self.state.id() {
            // Too many peers, or stopping: the node is met again in a later round.
            let _: Result<(), ConnectError> = self.net.add_peer(node, addresses);
        }
    }

    async fn dial(&self, address: &NodeAddress) -> Result<NodeId, JoinError> {
        let found = self.env.net.resolve(&address.host_and_port).await.unwrap_or_default();
        let mut failure = JoinError::NoSuchHost(address.clone());
        for place in found {
            match self.net.connect(place, Some(address.node)).await {
                Ok(node) => return Ok(node),
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    async fn gossip_with(&self, node: NodeId, said: &Gossip) {
        match self.net.call(node, said, GOSSIP_LIMIT).await {
            Ok(answer) => self.listen_to(node, answer),
            Err(error) => tracing::debug!(%node, %error, "no gossip this time"),
        }
    }

    /// Notes the peers with known addresses, if they have changed.
    async fn save(&self) {
        let now: Peers = self.net.peers().into_iter().map(|peer| (peer.node, peer.addresses)).collect();
        {
            let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
            if *saved == now {
                return;
            }
            saved.clone_from(&now);
        }
        let (disk, folder) = (self.env.disk.clone(), self.state.folder().to_owned());
        let written = self.env.tasks.blocking(move || saved::write(disk.as_ref(), &folder, &now)).await;
        if let Err(error) = written {
            tracing::warn!(%error, "the list of known nodes is not saved; it will be tried again");
            self.saved.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
