//! Who else there is: the layout, and the links once they are up.

use base::NodeId;
use cluster::{ClusterState, Placement, View};
use net::Net;
use std::sync::{Arc, OnceLock};

/// The nodes that a model works with.
pub struct Peers {
    me: NodeId,
    layout: Source,
    net: OnceLock<Net>,
}

enum Source {
    /// The layout of a running node.
    Cluster(Arc<ClusterState>),
    /// A layout that never changes.
    Fixed(Arc<Placement>),
}

impl Peers {
    /// The nodes of a cluster, which may be this one alone.
    pub fn of(cluster: &Arc<ClusterState>) -> Self {
        Self { me: cluster.id(), layout: Source::Cluster(Arc::clone(cluster)), net: OnceLock::new() }
    }

    /// Nobody but this node, for ever.
    pub fn alone(me: NodeId) -> Self {
        Self::fixed(me, Placement::of_one_node(me))
    }

    /// Nodes under a layout that never changes.
    pub fn fixed(me: NodeId, placement: Placement) -> Self {
        Self { me, layout: Source::Fixed(Arc::new(placement)), net: OnceLock::new() }
    }

    /// This node.
    pub fn me(&self) -> NodeId {
        self.me
    }

    /// The cluster, unless the layout never changes.
    pub fn cluster(&self) -> Option<&Arc<ClusterState>> {
        match &self.layout {
            Source::Cluster(cluster) => Some(cluster),
            Source::Fixed(_) => None,
        }
    }

    /// A name of the cluster that only its members know; none before there is one.
    pub(crate) fn cluster_name(&self) -> Option<String> {
        match &self.layout {
            Source::Cluster(cluster) => cluster.layout().cluster().map(String::from),
            Source::Fixed(placement) => {
                Some(placement.members().iter().map(NodeId::to_string).collect::<Vec<_>>().concat())
            }
        }
    }

    /// Who keeps what now.
    pub fn placement(&self) -> Arc<Placement> {
        match &self.layout {
            Source::Cluster(cluster) => cluster.placement(),
            Source::Fixed(placement) => Arc::clone(placement),
        }
    }

    /// Which versions of the layout are in force.
    pub fn view(&self) -> View {
        self.placement().view()
    }

    /// Whether this node keeps everything and nobody else keeps anything.
    pub fn is_alone(&self) -> bool {
        self.placement().is_alone(self.me)
    }

    /// The links, once they are up.
    pub(crate) fn net(&self) -> Option<&Net> {
        self.net.get()
    }

    /// Takes the links into use. Once.
    pub(super) fn set_net(&self, net: Net) {
        let first = self.net.set(net);
        debug_assert!(first.is_ok(), "a node joins once");
    }

    /// Whether a node can be asked now.
    pub fn is_up(&self, node: NodeId) -> bool {
        node == self.me || self.net().is_some_and(|net| net.is_connected(node))
    }

    /// How far away a node is, for choosing whom to ask first: itself, then by round trip, then those that
    /// cannot be reached.
    pub(super) fn distance(&self, node: NodeId) -> u64 {
        if node == self.me {
            return 0;
        }
        let status = self.net().and_then(|net| net.peer(node));
        match status {
            Some(status) if status.connection != net::Connection::None => {
                let latency = status.latency.map_or(1_000_000, |latency| latency.as_micros());
                u64::try_from(latency).unwrap_or(u64::MAX / 2).saturating_add(1)
            }
            _ => u64::MAX,
        }
    }
}
