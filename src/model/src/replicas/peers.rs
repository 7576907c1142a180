//! Who else there is: the layout, and the links once they are up.

use arc_swap::ArcSwap;
use base::NodeId;
use cluster::layout::ArcSet;
use cluster::{ClusterState, Placement, View};
use net::Net;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// The nodes that a model works with.
pub struct Peers {
    me: NodeId,
    layout: Source,
    net: OnceLock<Net>,
    /// Held for reading by what this node decides alone, for writing when it stops being alone.
    alone: Arc<RwLock<()>>,
    /// The arcs that this node answers for as a replica.
    taking_part: ArcSwap<ArcSet>,
    /// Whether the cluster knows of this start: from then on its store's mark is told.
    is_known: AtomicBool,
}

/// As long as this lives the node stays alone, if it is a running node that others may join.
pub(crate) struct Alone {
    _gate: OwnedRwLockReadGuard<()>,
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
        let taking_part = ArcSwap::from_pointee(ArcSet::EMPTY);
        Self {
            me: cluster.id(),
            layout: Source::Cluster(Arc::clone(cluster)),
            net: OnceLock::new(),
            alone: Arc::default(),
            taking_part,
            is_known: AtomicBool::new(false),
        }
    }

    /// Nobody but this node, for ever.
    pub fn alone(me: NodeId) -> Self {
        Self::fixed(me, Placement::of_one_node(me))
    }

    /// Nodes under a layout that never changes.
    pub fn fixed(me: NodeId, placement: Placement) -> Self {
        let taking_part = ArcSwap::from_pointee(ArcSet::ALL);
        Self {
            me,
            layout: Source::Fixed(Arc::new(placement)),
            net: OnceLock::new(),
            alone: Arc::default(),
            taking_part,
            is_known: AtomicBool::new(false),
        }
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

    /// Whether a node has a role by a version in force.
    pub(crate) fn is_member(&self, node: NodeId) -> bool {
        self.placement().members().contains(&node)
    }

    /// Whether the others gave this node up.
    pub(crate) fn is_given_up(&self) -> bool {
        self.placement().is_given_up(self.me)
    }

    /// Whether anybody with a role was given up.
    pub(crate) fn has_given_up(&self) -> bool {
        self.cluster().is_some_and(|cluster| !cluster.layout().given_up().is_empty())
    }

    /// Which versions of the layout are in force.
    pub fn view(&self) -> View {
        self.placement().view()
    }

    /// Whether this node keeps everything and nobody else keeps anything.
    pub fn is_alone(&self) -> bool {
        self.placement().is_alone(self.me)
    }

    /// Whether all that this node keeps is kept by another one as well.
    pub fn has_copies_elsewhere(&self) -> bool {
        self.placement().has_copies_beside(self.me)
    }

    /// Whether this node is alone, and its word that it stays so until the request is done.
    pub(crate) async fn stay_alone(&self) -> Option<Alone> {
        if !self.is_alone() {
            return None;
        }
        let gate = Arc::clone(&self.alone).read_owned().await;
        self.is_alone().then_some(Alone { _gate: gate })
    }

    /// Whether the layout has a version that is not in force yet, or replaces another one.
    pub(crate) fn is_changing(&self) -> bool {
        self.cluster().is_some_and(|cluster| cluster.layout().coming().is_some())
    }

    /// Whether this node answers for an arc as a replica: it knows what the others knew when it began to.
    pub(crate) fn takes_part(&self, arc: u16) -> bool {
        self.taking_part.load().contains(arc)
    }

    /// The arcs that this node answers for.
    pub(crate) fn taking_part(&self) -> ArcSet {
        **self.taking_part.load()
    }

    /// Arcs that this node owns by any version in force and does not answer for: it lost its memory, or was given up, and is
    /// being filled again.
    pub(crate) fn arcs_behind(&self) -> ArcSet {
        let layout = match self.cluster() {
            Some(_) if self.is_alone() => return ArcSet::EMPTY,
            Some(cluster) => cluster.layout(),
            None => return ArcSet::ALL.without(&self.taking_part()),
        };
        let owns =
            |arc: u16| layout.in_force().any(|version| version.assignment.owners(arc).contains(&self.me));
        ArcSet::of(owns).without(&self.taking_part())
    }

    /// Says which arcs this node answers for.
    pub(crate) fn set_taking_part(&self, arcs: ArcSet) {
        self.taking_part.store(Arc::new(arcs));
    }

    /// Waits until nothing is under way that this node decides alone, and lets nothing of that kind begin.
    pub(crate) async fn end_alone(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.alone).write_owned().await
    }

    /// Says that the cluster knows of this start.
    pub(crate) fn set_known(&self) {
        self.is_known.store(true, Ordering::Release);
    }

    /// Whether it does.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Acquire)
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

    /// The other members that can be asked now.
    pub(crate) fn others_up(&self) -> Vec<NodeId> {
        let others = self.placement().members().into_iter().filter(|node| *node != self.me);
        others.filter(|node| self.is_up(*node)).collect()
    }

    /// How far away a node is, for choosing whom to ask first: itself, then by round trip, then those that
    /// cannot be reached.
    pub(crate) fn distance(&self, node: NodeId) -> u64 {
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
