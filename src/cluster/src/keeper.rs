//! Keeps the layout of a running node: on disk, in memory, and what requests need of it, in step.
//!
//! What always holds: a layout is durable before anybody sees it, and the one before it is kept beside it;
//! changes are made one after the other; a stamp given here lies above every stamp in the layout.

use crate::layout::{ClusterId, Layout, LayoutError, Moment, OtherCluster};
use crate::placement::Placement;
use crate::state::{ChangeError, ClusterError, ClusterOptions, FirstLayout};
use crate::state_file::{self, StateFileError, StateKind};
use arc_swap::ArcSwap;
use base::{Hlc, NodeId};
use env::{Env, random_array};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The layout of a running node.
pub(crate) struct Keeper {
    env: Env,
    folder: PathBuf,
    layout: ArcSwap<Layout>,
    /// What the layout means for requests; follows it.
    placement: ArcSwap<Placement>,
    /// Held while the layout is replaced, so that two changes cannot lose one another. Gives the stamps.
    clock: Mutex<Hlc>,
    changes: watch::Sender<u64>,
}

/// Why another node's layout was not taken in.
#[derive(Debug)]
pub(crate) enum AdoptError {
    /// It is that of another cluster.
    OtherCluster(Option<ClusterId>),
    /// It contradicts itself.
    Malformed,
    /// It could not be made durable.
    NotStored(StateFileError),
}

impl Keeper {
    /// Reads the layout, or makes the one that a first start needs. Blocks.
    pub fn open(env: &Env, options: &ClusterOptions, node: NodeId) -> Result<Self, ClusterError> {
        let mut clock = Hlc::new(node.tag(), 0);
        let layout = open_layout(env, options, node, &mut clock)?;
        clock.observe(layout.latest_stamp());
        Ok(Self {
            env: env.clone(),
            folder: options.folder.clone(),
            placement: ArcSwap::from_pointee(placement_of(&layout)),
            layout: ArcSwap::from_pointee(layout),
            clock: Mutex::new(clock),
            changes: watch::Sender::new(0),
        })
    }

    /// The layout as it is now.
    pub fn layout(&self) -> Arc<Layout> {
        self.layout.load_full()
    }

    /// Who keeps what now.
    pub fn placement(&self) -> Arc<Placement> {
        self.placement.load_full()
    }

    /// Changes whenever the layout does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Replaces the layout by what `change` makes of it. Blocks.
    pub fn change(
        &self,
        change: impl FnOnce(&Layout, &Moment) -> Result<Layout, LayoutError>,
    ) -> Result<Arc<Layout>, ChangeError> {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.layout();
        let new = change(&old, &moment(&self.env, &mut clock))?;
        Ok(self.replace(&old, new, &mut clock)?)
    }

    /// Takes in what another node knows; says whether anything was new. Blocks.
    pub fn adopt(&self, text: &str) -> Result<bool, AdoptError> {
        let theirs = Layout::from_text(text).ok_or(AdoptError::Malformed)?;
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.layout();
        let merged = old.merge(&theirs).map_err(|OtherCluster| AdoptError::OtherCluster(theirs.cluster()))?;
        let is_new = merged != *old;
        self.replace(&old, merged, &mut clock).map_err(AdoptError::NotStored)?;
        Ok(is_new)
    }

    fn replace(
        &self,
        old: &Arc<Layout>,
        new: Layout,
        clock: &mut Hlc,
    ) -> Result<Arc<Layout>, StateFileError> {
        if new == **old {
            return Ok(Arc::clone(old));
        }
        let (disk, folder, new) = (self.env.disk.as_ref(), &self.folder, Arc::new(new));
        state_file::write(disk, folder, StateKind::PreviousLayout, &old.to_text())?;
        state_file::write(disk, folder, StateKind::Layout, &new.to_text())?;
        clock.observe(new.latest_stamp());
        self.placement.store(Arc::new(placement_of(&new)));
        self.layout.store(Arc::clone(&new));
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        Ok(new)
    }
}

fn moment(env: &Env, clock: &mut Hlc) -> Moment {
    let new_cluster = ClusterId::from_bytes(random_array(env.rng.as_ref()));
    Moment { stamp: clock.tick(env.clock.wall()), new_cluster }
}

fn placement_of(layout: &Layout) -> Placement {
    Placement::new(layout.in_force().cloned().collect())
}

fn open_layout(
    env: &Env,
    options: &ClusterOptions,
    node: NodeId,
    clock: &mut Hlc,
) -> Result<Layout, ClusterError> {
    let (disk, folder) = (env.disk.as_ref(), &options.folder);
    if let Some(text) = state_file::read(disk, folder, StateKind::Layout)? {
        let layout = Layout::from_text(&text);
        let layout = layout.ok_or_else(|| state_file::damaged(folder, StateKind::Layout))?;
        let whole = layout.clone().with_cluster(moment(env, clock).new_cluster);
        if whole != layout {
            state_file::write(disk, folder, StateKind::Layout, &whole.to_text())?;
        }
        return Ok(whole);
    }
    let previous = folder.join(StateKind::PreviousLayout.file_name());
    if disk.exists(&previous).map_err(|source| StateFileError::Disk { path: previous, source })? {
        return Err(ClusterError::LayoutMissing { folder: folder.clone() });
    }
    let layout = match &options.first_layout {
        FirstLayout::Empty => return Ok(Layout::empty()),
        FirstLayout::OneNode(role) => Layout::of_one_node(node, role.clone(), &moment(env, clock))?,
    };
    state_file::write(disk, folder, StateKind::Layout, &layout.to_text())?;
    Ok(layout)
}
