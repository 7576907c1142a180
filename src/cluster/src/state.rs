//! The handle on everything above: key, secret, layout and peers of one running node.

use crate::health::{Health, LocalService, Reason};
use crate::joining::{self, Invitations, JoinedCluster, Waiting};
use crate::keeper::{AdoptError, Keeper};
use crate::layout::{CAPACITY_MIN_BYTES, ClusterId, Layout, LayoutError, Moment, Role};
use crate::membership::{BlockState, Contact, Membership};
use crate::node_key::NodeKey;
use crate::placement::Placement;
use crate::safety::Safety;
use crate::secrets::ClusterSecret;
use crate::state_file::{StateFileError, StateKind};
use base::NodeId;
use env::{Disk, Env, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// What to do when there is no layout yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstLayout {
    /// Apply version 1 with this node alone.
    OneNode(Role),
    /// Wait for the operator: version 0.
    Empty,
    /// This is no first start: the layout must be there.
    Known,
}

impl FirstLayout {
    /// This node alone, in the zone `home`, with what its data folder has room for. Blocks.
    pub fn home(disk: &dyn Disk, data_folder: &Path) -> io::Result<Self> {
        let room_bytes = disk.space(data_folder)?.available_bytes;
        let capacity_bytes = Some(room_bytes.max(CAPACITY_MIN_BYTES));
        Ok(Self::OneNode(Role { zone: FIRST_ZONE.to_owned(), capacity_bytes, tags: Vec::new() }))
    }
}

/// The zone of a node that made its layout by itself.
pub(crate) const FIRST_ZONE: &str = "home";

/// How to open a [`ClusterState`].
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The metadata folder; must exist.
    pub folder: PathBuf,
    /// The configured secret; `None`: the generated one in the folder.
    pub secret: Option<ClusterSecret>,
    /// What a first start does.
    pub first_layout: FirstLayout,
    /// This machine's name, to show.
    pub hostname: String,
    /// Where other nodes reach this one, to show.
    pub address: Option<SocketAddr>,
}

/// Why the node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A state file.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// The layout is gone.
    #[error("{}", layout_missing(folder, *has_previous))]
    LayoutMissing {
        /// The metadata folder.
        folder: PathBuf,
        /// Whether the one before it is still there.
        has_previous: bool,
    },
    /// The node's key is gone.
    #[error(
        "{} is missing from {} although data is there: restore it from a backup",
        StateKind::NodeKey.file_name(),
        folder.display()
    )]
    KeyMissing {
        /// The metadata folder.
        folder: PathBuf,
    },
    /// The role for the first layout is not valid.
    #[error(transparent)]
    FirstLayout(#[from] LayoutError),
}

fn layout_missing(folder: &Path, has_previous: bool) -> String {
    let layout = folder.join(StateKind::Layout.file_name());
    let (layout, previous) = (layout.display(), StateKind::PreviousLayout.file_name());
    match has_previous {
        true => format!(
            "{layout} is missing although {previous} is there: copy it back, or restore the layout from a backup"
        ),
        false => format!(
            "{layout} is missing although data is there: restore it from a backup, or, if this node was always alone, start \
             once with --single-node"
        ),
    }
}

/// Why a change of the layout did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It is not allowed.
    #[error(transparent)]
    Refused(#[from] LayoutError),
    /// It could not be made durable; the old layout stays in force.
    #[error(transparent)]
    NotStored(#[from] StateFileError),
}

/// A node as this one sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its machine's name, once heard of.
    pub hostname: Option<String>,
    /// Where it is reached.
    pub address: Option<SocketAddr>,
    /// Whether it is in contact; the node itself always is.
    pub is_up: bool,
    /// What is known of another node beyond its role.
    pub contact: Option<Contact>,
    /// The cluster it belongs to, if that is not this one.
    pub other_cluster: Option<ClusterId>,
    /// The role it asks for, if it has none.
    pub waiting: Option<Waiting>,
}

/// Key, secret, layout and peers of a running node.
pub struct ClusterState {
    options: ClusterOptions,
    key: NodeKey,
    secret: ClusterSecret,
    keeper: Keeper,
    invitations: Invitations,
    /// How this node joined, if by invitation.
    joined: Option<JoinedCluster>,
    /// Nodes that know the secret and have a layout of another cluster.
    strangers: Mutex<BTreeMap<NodeId, ClusterId>>,
    /// Arcs that this node owns and does not answer for yet.
    behind: AtomicU64,
    /// Blocks that this node lacks.
    to_refill: Mutex<Option<u64>>,
    /// The links to others, once they are up. Weak, since they hold this.
    membership: OnceLock<Weak<Membership>>,
}

/// A new key beside an old layout would be a stranger's.
fn refuse_lost_key(env: &Env, folder: &Path) -> Result<(), ClusterError> {
    let is_there = |kind: StateKind| {
        let path = folder.join(kind.file_name());
        env.disk.exists(&path).map_err(|source| StateFileError::Disk { path, source })
    };
    let is_lost = !is_there(StateKind::NodeKey)?
        && (is_there(StateKind::Layout)? || is_there(StateKind::PreviousLayout)?);
    if is_lost { Err(ClusterError::KeyMissing { folder: folder.to_owned() }) } else { Ok(()) }
}

impl ClusterState {
    /// Reads the state files, and makes those that a first start needs. Blocks.
    pub fn open(env: &Env, mut options: ClusterOptions) -> Result<Arc<Self>, ClusterError> {
        let joined = joining::read(env, &options.folder)?;
        if joined.is_some() {
            // Its layout is that of the cluster it joined, also before it has heard of it.
            options.first_layout = FirstLayout::Empty;
        }
        let folder = &options.folder;
        refuse_lost_key(env, folder)?;
        let key = NodeKey::open(env, folder)?;
        let secret = match &options.secret {
            Some(secret) => secret.clone(),
            None => ClusterSecret::open(env, folder)?,
        };
        let keeper = Keeper::open(env, &options, key.id())?;
        let invitations = Invitations::open(env, folder)?;
        // Among others a start is made known first; a node that is alone owns all that there is.
        let is_alone = keeper.placement().is_alone(key.id());
        let owned = keeper.layout().current().stored_partitions(key.id()) as u64;
        let behind = if is_alone { 0 } else { owned };
        Ok(Arc::new(Self {
            key,
            secret,
            keeper,
            invitations,
            joined,
            options,
            strangers: Mutex::default(),
            behind: AtomicU64::new(behind),
            to_refill: Mutex::default(),
            membership: OnceLock::new(),
        }))
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.key.id()
    }

    /// This node's key.
    pub fn key(&self) -> &NodeKey {
        &self.key
    }

    /// The cluster's secret.
    pub fn secret(&self) -> &ClusterSecret {
        &self.secret
    }

    /// The invitations it has made.
    pub(crate) fn invitations(&self) -> &Invitations {
        &self.invitations
    }

    /// Whether this node joined a cluster that was there before it.
    pub fn has_joined(&self) -> bool {
        self.joined.is_some()
    }

    /// The role that this node asks for: it came by invitation and has none. `room_bytes`: what it can
    /// still store.
    pub(crate) fn asks_for(&self, room_bytes: u64) -> Option<Waiting> {
        let joined = self.joined.as_ref()?;
        let capacity_bytes = room_bytes.max(CAPACITY_MIN_BYTES);
        let waiting = Waiting { zone: joined.zone.clone(), capacity_bytes };
        Some(waiting).filter(|_| !self.has_role(self.id()))
    }

    /// Whether a node has a role, or will have it when the change that was applied is complete.
    pub fn has_role(&self, node: NodeId) -> bool {
        let layout = self.layout();
        let next = layout.next().is_some_and(|version| version.roles.contains_key(&node));
        next || layout.in_force().any(|version| version.roles.contains_key(&node))
    }

    /// This machine's name.
    pub fn hostname(&self) -> &str {
        &self.options.hostname
    }

    /// The links to other nodes, while there are any.
    pub fn membership(&self) -> Option<Arc<Membership>> {
        self.membership.get().and_then(Weak::upgrade)
    }

    /// Says where other nodes are heard of. Once.
    pub(crate) fn set_membership(&self, membership: &Arc<Membership>) {
        let first = self.membership.set(Arc::downgrade(membership));
        debug_assert!(first.is_ok(), "a node takes part once");
    }

    /// The layout's keeper.
    pub(crate) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Whether this node votes on the next version of the layout: one that lost its memory does not before it
    /// is whole again.
    pub(crate) fn may_vote(&self) -> bool {
        self.behind() == 0
    }

    /// Arcs that this node owns and does not answer for yet.
    pub fn behind(&self) -> u64 {
        self.behind.load(Ordering::Acquire)
    }

    /// Says for how many of its arcs this node does not answer yet.
    pub fn set_behind(&self, arcs: usize) {
        if self.behind.swap(arcs as u64, Ordering::AcqRel) != arcs as u64 {
            self.keeper.tell_soon();
        }
    }

    /// The metadata folder.
    pub fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// The layout as it is now.
    pub fn layout(&self) -> Arc<Layout> {
        self.keeper.layout()
    }

    /// Who keeps what now.
    pub fn placement(&self) -> Arc<Placement> {
        self.keeper.placement()
    }

    /// Changes whenever the layout does.
    pub fn layout_changes(&self) -> Watcher {
        self.keeper.changes()
    }

    /// Replaces the layout by what `change` makes of it: the old one is kept, the new one is
    /// durable before anybody sees it. Blocks.
    pub fn change_layout(
        &self,
        change: impl FnOnce(&Layout, &Moment) -> Result<Layout, LayoutError>,
    ) -> Result<Arc<Layout>, ChangeError> {
        self.keeper.change(change)
    }

    /// Takes in the layout of another node of this cluster; says whether anything was new. Blocks.
    pub(crate) fn adopt_layout(&self, from: NodeId, text: &str) -> Result<bool, StateFileError> {
        match self.keeper.adopt(text) {
            Ok(is_new) => {
                self.strangers().remove(&from);
                Ok(is_new)
            }
            Err(AdoptError::OtherCluster(cluster)) => {
                self.note_stranger(from, cluster);
                Ok(false)
            }
            Err(AdoptError::Malformed) => {
                tracing::warn!(node = %from, "a layout that contradicts itself was not taken in");
                Ok(false)
            }
            Err(AdoptError::NotStored(error)) => Err(error),
        }
    }

    /// A node belongs to another cluster: neither takes the layout of the other.
    pub(crate) fn note_stranger(&self, node: NodeId, cluster: Option<ClusterId>) {
        // Two first versions of one cluster that were applied apart: the id is the same.
        let cluster = cluster.unwrap_or(ClusterId::from_bytes([0; 16]));
        if self.strangers().insert(node, cluster) != Some(cluster) {
            tracing::warn!(
                "node {node} belongs to another cluster (it has a layout of its own), so nothing is shared with it; \
                 to have it join this one, start it with an empty data folder"
            );
        }
    }

    /// Nodes that know the secret and have a layout of another cluster.
    pub(crate) fn strangers(&self) -> MutexGuard<'_, BTreeMap<NodeId, ClusterId>> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a node belongs to another cluster.
    pub fn is_stranger(&self, node: NodeId) -> bool {
        self.strangers().contains_key(&node)
    }

    /// Every node this one knows: itself, those that have a role, and those it heard of.
    pub fn nodes(&self) -> Vec<Node> {
        let own = Node {
            id: self.id(),
            hostname: Some(self.options.hostname.clone()),
            address: self.options.address.or_else(|| self.membership()?.own_address()),
            is_up: true,
            contact: None,
            other_cluster: None,
            waiting: self.membership().and_then(|membership| membership.asks_for()),
        };
        let strangers = self.strangers().clone();
        let contacts = self.membership().map(|membership| membership.contacts()).unwrap_or_default();
        let layout = self.layout();
        let members = layout.in_force().flat_map(|version| version.roles.keys());
        let ids: BTreeSet<NodeId> = members.chain(contacts.keys()).copied().collect();
        let others = ids.into_iter().filter(|id| *id != self.id()).map(|id| {
            let contact = contacts.get(&id);
            let status = contact.and_then(|contact| contact.status.as_ref());
            Node {
                id,
                hostname: status.map(|status| status.hostname.clone()),
                address: contact.and_then(|contact| contact.address),
                is_up: contact.is_some_and(|contact| contact.is_up),
                contact: contact.cloned(),
                other_cluster: strangers.get(&id).copied(),
                waiting: status
                    .and_then(|status| status.waiting.clone())
                    .filter(|waiting| waiting.role().is_some() && !self.has_role(id)),
            }
        });
        std::iter::once(own).chain(others).collect()
    }

    /// The nodes that are there and answer for all that they own.
    pub(crate) fn whole_nodes(&self) -> BTreeSet<NodeId> {
        let says = |node: &Node| node.contact.as_ref().and_then(|contact| contact.status.as_ref()?.behind);
        let is_whole = |node: &Node| match node.id == self.id() {
            true => self.behind() == 0,
            false => node.is_up && says(node) == Some(0),
        };
        self.nodes().iter().filter(|node| is_whole(node)).map(|node| node.id).collect()
    }

    /// Whether a node is there and says that it does not answer for all that it owns.
    pub fn says_it_is_behind(&self, node: NodeId) -> bool {
        let contact = |other: Node| other.contact.filter(|contact| contact.is_up);
        let found = self.nodes().into_iter().find(|other| other.id == node).and_then(contact);
        found.and_then(|contact| contact.status?.behind).is_some_and(|behind| behind > 0)
    }

    /// Whether a node is there and answers for all that it owns.
    pub fn is_whole(&self, node: NodeId) -> bool {
        self.whole_nodes().contains(&node)
    }

    /// Says how many blocks this node lacks.
    pub(crate) fn set_to_refill(&self, blocks: Option<u64>) {
        *self.to_refill.lock().unwrap_or_else(PoisonError::into_inner) = blocks;
    }

    /// The nodes that lack blocks, with how many as far as they know.
    pub fn refilling_nodes(&self) -> BTreeMap<NodeId, u64> {
        let own = *self.to_refill.lock().unwrap_or_else(PoisonError::into_inner);
        let others = self.nodes().into_iter().filter(|node| node.is_up);
        let said = others.filter_map(|node| Some((node.id, node.contact?.status?.to_refill?)));
        own.map(|blocks| (self.id(), blocks)).into_iter().chain(said).collect()
    }

    /// What may fail now.
    pub fn safety(&self) -> Safety {
        let (whole, refilling) = (self.whole_nodes(), self.refilling_nodes());
        Safety::judge(&self.layout(), &|node| whole.contains(&node) && !refilling.contains_key(&node))
    }

    /// How the cluster does, given how this node's own stores do.
    pub fn health(&self, service: &LocalService) -> Health {
        let nodes = self.nodes();
        // A node that has not said yet how it is may have to be filled first.
        let says = |contact: &Contact| contact.status.as_ref().is_some_and(|status| status.behind.is_some());
        let is_heard = |node: &Node| node.contact.as_ref().is_none_or(says);
        let up = nodes.iter().filter(|node| node.is_up && is_heard(node)).map(|node| node.id);
        let up: BTreeSet<NodeId> = up.collect();
        let is_up = |node| up.contains(&node);
        let said: BTreeMap<NodeId, u64> = nodes
            .iter()
            .filter_map(|node| Some((node.id, node.contact.as_ref()?.status.as_ref()?.behind?)))
            .collect();
        let behind =
            |node| if node == self.id() { self.behind() } else { said.get(&node).copied().unwrap_or(0) };
        let counts = (nodes.len(), up.len());
        let mut service = service.clone();
        let refilling = self.refilling_nodes().into_iter();
        service.complaints.extend(refilling.map(|(node, blocks)| Reason::Refilling(node, blocks)));
        let blocks_of = |node: &Node| node.contact.as_ref()?.status.as_ref().map(|status| status.blocks);
        let there = nodes.iter().filter(|node| up.contains(&node.id));
        let said: BTreeMap<NodeId, BlockState> =
            there.filter_map(|node| Some((node.id, blocks_of(node)?))).collect();
        let gone = said.iter().filter(|(_, blocks)| blocks.disks_gone > 0 || blocks.takes_none);
        service.complaints.extend(gone.map(|(node, blocks)| Reason::DisksGone(*node, *blocks)));
        let takes_blocks = |node| said.get(&node).is_none_or(|blocks| !blocks.takes_none);
        Health::judge(&self.layout(), (self.id(), &service), counts, (&is_up, &behind, &takes_blocks))
    }
}
