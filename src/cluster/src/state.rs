//! The handle on everything above: key, secret, layout and peers of one running node.

use crate::health::{Health, LocalService};
use crate::layout::{CAPACITY_MIN_BYTES, Layout, LayoutError, Role};
use crate::membership::{Contact, Membership};
use crate::node_key::NodeKey;
use crate::placement::Placement;
use crate::secrets::ClusterSecret;
use crate::state_file::{self, StateFileError, StateKind};
use arc_swap::ArcSwap;
use base::NodeId;
use env::{Disk, Env};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// What to do when there is no layout yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstLayout {
    /// Apply version 1 with this node alone.
    OneNode(Role),
    /// Wait for the operator: version 0.
    Empty,
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
const FIRST_ZONE: &str = "home";

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
    /// The layout is gone, and the one before it is still there.
    #[error(
        "{} is missing although {} is there: copy it back, or restore the layout from a backup",
        folder.join(StateKind::Layout.file_name()).display(),
        StateKind::PreviousLayout.file_name()
    )]
    LayoutMissing {
        /// The metadata folder.
        folder: PathBuf,
    },
    /// The role for the first layout is not valid.
    #[error(transparent)]
    FirstLayout(#[from] LayoutError),
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
}

/// Key, secret, layout and peers of a running node.
pub struct ClusterState {
    env: Env,
    options: ClusterOptions,
    key: NodeKey,
    secret: ClusterSecret,
    layout: ArcSwap<Layout>,
    /// What the layout means for requests; follows it.
    placement: ArcSwap<Placement>,
    /// Held while the layout is replaced, so that two changes cannot lose one another.
    changing: Mutex<()>,
    /// The links to others, once they are up. Weak, since they hold this.
    membership: OnceLock<Weak<Membership>>,
}

impl ClusterState {
    /// Reads the state files, and makes those that a first start needs. Blocks.
    pub fn open(env: &Env, options: ClusterOptions) -> Result<Arc<Self>, ClusterError> {
        let folder = &options.folder;
        let key = NodeKey::open(env, folder)?;
        let secret = match &options.secret {
            Some(secret) => secret.clone(),
            None => ClusterSecret::open(env, folder)?,
        };
        let layout = open_layout(env, &options, key.id())?;
        let placement = ArcSwap::from_pointee(placement_of(&layout));
        let layout = ArcSwap::from_pointee(layout);
        Ok(Arc::new(Self {
            env: env.clone(),
            key,
            secret,
            layout,
            placement,
            options,
            changing: Mutex::new(()),
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

    /// The metadata folder.
    pub fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// The layout as it is now.
    pub fn layout(&self) -> Arc<Layout> {
        self.layout.load_full()
    }

    /// Who keeps what now.
    pub fn placement(&self) -> Arc<Placement> {
        self.placement.load_full()
    }

    /// Replaces the layout by what `change` makes of it: the old one is kept, the new one is
    /// durable before anybody sees it. Blocks.
    pub fn change_layout(
        &self,
        change: impl FnOnce(&Layout) -> Result<Layout, LayoutError>,
    ) -> Result<Arc<Layout>, ChangeError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.layout();
        let new = Arc::new(change(&old)?);
        if new != old {
            let (disk, folder) = (self.env.disk.as_ref(), &self.options.folder);
            state_file::write(disk, folder, StateKind::PreviousLayout, &old.to_text())?;
            state_file::write(disk, folder, StateKind::Layout, &new.to_text())?;
            self.placement.store(Arc::new(placement_of(&new)));
            self.layout.store(Arc::clone(&new));
        }
        Ok(new)
    }

    /// Every node this one knows: itself, those that have a role, and those it heard of.
    pub fn nodes(&self) -> Vec<Node> {
        let own = Node {
            id: self.id(),
            hostname: Some(self.options.hostname.clone()),
            address: self.options.address.or_else(|| self.membership()?.own_address()),
            is_up: true,
            contact: None,
        };
        let contacts = self.membership().map(|membership| membership.contacts()).unwrap_or_default();
        let ids: BTreeSet<NodeId> =
            self.layout().current().roles.keys().chain(contacts.keys()).copied().collect();
        let others = ids.into_iter().filter(|id| *id != self.id()).map(|id| {
            let contact = contacts.get(&id);
            let status = contact.and_then(|contact| contact.status.as_ref());
            Node {
                id,
                hostname: status.map(|status| status.hostname.clone()),
                address: contact.and_then(|contact| contact.address),
                is_up: contact.is_some_and(|contact| contact.is_up),
                contact: contact.cloned(),
            }
        });
        std::iter::once(own).chain(others).collect()
    }

    /// How the cluster does, given how this node's own stores do.
    pub fn health(&self, service: &LocalService) -> Health {
        let nodes = self.nodes();
        let up: BTreeSet<NodeId> = nodes.iter().filter(|node| node.is_up).map(|node| node.id).collect();
        let is_up = |node| up.contains(&node);
        let counts = (nodes.len(), up.len());
        Health::judge(self.layout().current(), (self.id(), service), counts, &is_up)
    }
}

fn placement_of(layout: &Layout) -> Placement {
    Placement::new(vec![Arc::new(layout.current().clone())])
}

fn open_layout(env: &Env, options: &ClusterOptions, node: NodeId) -> Result<Layout, ClusterError> {
    let (disk, folder) = (env.disk.as_ref(), &options.folder);
    if let Some(text) = state_file::read(disk, folder, StateKind::Layout)? {
        let layout = Layout::from_text(&text);
        return Ok(layout.ok_or_else(|| state_file::damaged(folder, StateKind::Layout))?);
    }
    let previous = folder.join(StateKind::PreviousLayout.file_name());
    if disk.exists(&previous).map_err(|source| StateFileError::Disk { path: previous, source })? {
        return Err(ClusterError::LayoutMissing { folder: folder.clone() });
    }
    let layout = match &options.first_layout {
        FirstLayout::Empty => return Ok(Layout::empty()),
        FirstLayout::OneNode(role) => Layout::of_one_node(node, role.clone())?,
    };
    state_file::write(disk, folder, StateKind::Layout, &layout.to_text())?;
    Ok(layout)
}
