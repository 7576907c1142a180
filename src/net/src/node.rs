//! The network of one node, as the crates above use it.

use crate::attachment::Attachment;
use crate::error::{CallError, ConnectError, Refusal};
use crate::guest::Doorkeeper;
use crate::handshake::Credentials;
use crate::hello::{Caller, Purpose, Versions};
use crate::keeper;
use crate::limits::HANDSHAKE_LIMIT;
use crate::listening;
use crate::peer::PeerStatus;
use crate::relay;
use crate::request::{Answer, Class, Courier, Incoming, Outgoing, Request};
use crate::shared::Shared;
use crate::tls::{Identity, Tls};
use base::NodeId;
use env::{Env, Watcher, random_u64};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How a node takes part.
pub struct Options {
    /// Its key.
    pub identity: Arc<dyn Identity>,
    /// What all nodes of the cluster know.
    pub secret: [u8; 32],
    /// Where to listen; none for a node that only dials.
    pub listen: Vec<SocketAddr>,
    /// Where others can dial this node, if that is known.
    pub advertised: Option<SocketAddr>,
    /// What it speaks; [`Versions::CURRENT`] except in tests.
    pub versions: Versions,
    /// Writes and reads the upper layer's header of each message.
    pub courier: Arc<dyn Courier>,
}

/// Why a node's network does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// TLS refuses our key or its own settings.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// The network of one node. Clones are the same network; it stops when the last one is dropped.
///
/// A handler that holds a clone keeps the network alive: then call [`Net::stop`].
#[derive(Clone)]
pub struct Net(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Net {
    /// Listens and is ready for peers and handlers.
    pub async fn start(env: Env, options: Options) -> Result<Self, StartError> {
        let Options { identity, secret, listen, advertised, versions, courier } = options;
        let node = identity.id();
        let tls = if env.net.stays_in_process() {
            None
        } else {
            Some(Tls::new(identity).map_err(StartError::Tls)?)
        };
        let instance = random_u64(env.rng.as_ref());
        let credentials = Credentials { node, instance, secret, versions, advertised, tls };
        let shared = Arc::new(Shared::new(env, credentials, courier));
        relay::add_handlers(&shared);
        let mut addresses = Vec::new();
        for address in listen {
            let bound = shared.env.net.listen(address).await;
            let listener = bound.map_err(|source| StartError::Listen { address, source })?;
            addresses.extend(listener.local_addr());
            listening::start(&shared, listener);
        }
        Ok(Self(Arc::new(Owner { shared, addresses })))
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.0.shared.me()
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0.addresses
    }

    /// Adds the handler of a request type. A second one for the same type is a mistake and panics.
    pub fn handle<R, F, Fut>(&self, handler: F)
    where
        R: Request,
        F: Fn(Incoming<R>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer<R::Reply>, Refusal>> + Send + 'static,
    {
        self.0.shared.handlers.add(handler);
    }

    /// Lets guests in: nodes that hold an invitation. Without a doorkeeper all are turned away. Once.
    pub fn welcome_guests(&self, doorkeeper: Arc<dyn Doorkeeper>) {
        self.0.shared.set_doorkeeper(doorkeeper);
    }

    /// Asks a node (this one included) and waits for the reply for at most `limit`. Dropping the
    /// future cancels the call; the other end drops its handler.
    pub async fn call<R: Request>(
        &self,
        to: NodeId,
        request: &R,
        limit: Duration,
    ) -> Result<R::Reply, CallError> {
        let outgoing = Outgoing { request, attachment: Attachment::empty(), limit };
        Ok(self.call_with(to, outgoing).await?.reply)
    }

    /// The same with bytes in both directions.
    pub async fn call_with<R: Request>(
        &self,
        to: NodeId,
        outgoing: Outgoing<'_, R>,
    ) -> Result<Answer<R::Reply>, CallError> {
        self.call_while_wanted(to, outgoing, std::future::pending()).await
    }

    /// The same, but a large request that has not had its turn when `unwanted` ends is not sent at all:
    /// [`CallError::Busy`].
    pub async fn call_while_wanted<R: Request>(
        &self,
        to: NodeId,
        outgoing: Outgoing<'_, R>,
        unwanted: impl Future<Output = ()> + Send,
    ) -> Result<Answer<R::Reply>, CallError> {
        self.0.shared.call(to, outgoing, unwanted).await
    }

    /// Makes a node a peer: it is dialled at its addresses, or through a common peer, until it is
    /// removed. Addresses add up.
    pub fn add_peer(&self, node: NodeId, addresses: &[SocketAddr]) -> Result<(), ConnectError> {
        let shared = &self.0.shared;
        shared.check_running()?;
        if node == shared.me() {
            return Err(ConnectError::Myself);
        }
        let peer = shared.peer_or_new(node).map_err(|_| ConnectError::TooMany)?;
        for address in addresses.iter().rev() {
            peer.add_address(*address);
        }
        keeper::start(shared, &peer);
        Ok(())
    }

    /// Ends all links with a node and forgets it. It may dial again.
    pub fn remove_peer(&self, node: NodeId) {
        self.0.shared.remove_peer(node);
    }

    /// Dials an address once and makes whoever answers a peer. A node that is `expected` and not
    /// found is an error, and learns nothing.
    pub async fn connect(
        &self,
        address: SocketAddr,
        expected: Option<NodeId>,
    ) -> Result<NodeId, ConnectError> {
        let shared = &self.0.shared;
        shared.check_running()?;
        let stream = keeper::dial(shared, address).await?;
        let purpose = Purpose { class: Class::Metadata, caller: Caller::Dialler };
        let established = shared.credentials.dial(stream, purpose, expected).await?;
        let node = established.peer.node;
        if node == shared.me() {
            return Err(ConnectError::Myself);
        }
        if !shared.courier.admits(node) {
            return Err(ConnectError::NotAdmitted);
        }
        let peer = shared.peer_or_new(node).map_err(|_| ConnectError::TooMany)?;
        peer.add_address(address);
        keeper::adopt(shared, &peer, established, Caller::Dialler, None).await?;
        keeper::start(shared, &peer);
        if self.wait_connected(node, HANDSHAKE_LIMIT).await { Ok(node) } else { Err(ConnectError::TimedOut) }
    }

    /// Whether calls of both classes can be made to a node now.
    pub fn is_connected(&self, node: NodeId) -> bool {
        self.0.shared.peer(node).is_some_and(|peer| peer.is_connected())
    }

    /// Waits until a node is connected; false when it is not within `limit`.
    pub async fn wait_connected(&self, node: NodeId, limit: Duration) -> bool {
        let mut changes = self.changes();
        let connected = async {
            while !self.is_connected(node) {
                changes.changed().await;
            }
        };
        env::timeout(limit, connected).await.is_some()
    }

    /// Changes whenever a link came or went.
    pub fn changes(&self) -> Watcher {
        self.0.shared.changes()
    }

    /// All peers, in the order of their ids.
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.0.shared.all_peers().iter().map(|peer| peer.status()).collect()
    }

    /// One peer.
    pub fn peer(&self, node: NodeId) -> Option<PeerStatus> {
        self.0.shared.peer(node).map(|peer| peer.status())
    }

    /// Bytes of large requests that may be under way to the peer with the widest line.
    pub fn widest_window_bytes(&self) -> usize {
        self.0.shared.all_peers().iter().map(|peer| peer.window.width_bytes()).max().unwrap_or_default()
    }

    /// How many tasks the network runs: bounded by its peers and calls.
    pub fn task_count(&self) -> usize {
        self.0.shared.tasks.len()
    }

    /// Ends all links and tasks, and drops all handlers.
    pub fn stop(&self) {
        self.0.shared.stop();
    }
}
