//! Keeps the layout of a running node: on disk, in memory, and what requests need of it, in step.
//!
//! What always holds: a layout is durable before anybody sees it, and the one before it is kept beside it;
//! changes are made one after the other; a stamp given here lies above every stamp in the layout.

use crate::layout::{ClusterId, Layout, LayoutError, Moment, OtherCluster, Version};
use crate::placement::Placement;
use crate::state::{ChangeError, ClusterError, ClusterOptions, FirstLayout};
use crate::state_file::{self, StateFileError, StateKind};
use crate::vote::{Accepted, AskVote, Vote, Voted};
use arc_swap::ArcSwap;
use base::{Hlc, NodeId, Stamp};
use env::{Changes, Env, Watcher, random_array};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The layout of a running node.
pub(crate) struct Keeper {
    env: Env,
    node: NodeId,
    folder: PathBuf,
    layout: ArcSwap<Layout>,
    /// What the layout means for requests; follows it.
    placement: ArcSwap<Placement>,
    /// Held while the layout is replaced, so that two changes cannot lose one another. Gives the stamps.
    clock: Mutex<Hlc>,
    /// Locked after the clock.
    vote: Mutex<Vote>,
    changes: Changes,
}

/// A layout that is on disk and that nobody has seen.
pub(crate) struct Unseen {
    before: Arc<Layout>,
    after: Arc<Layout>,
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
        let vote = open_vote(env, options)?;
        clock.observe(layout.latest_stamp().max(vote.latest_stamp()));
        Ok(Self {
            env: env.clone(),
            node,
            folder: options.folder.clone(),
            placement: ArcSwap::from_pointee(placement_of(&layout)),
            layout: ArcSwap::from_pointee(layout),
            clock: Mutex::new(clock),
            vote: Mutex::new(vote),
            changes: Changes::default(),
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
    pub fn changes(&self) -> Watcher {
        self.changes.watch()
    }

    /// Wakes whoever tells others how this node is.
    pub fn tell_soon(&self) {
        self.changes.note();
    }

    /// Replaces the layout by what `change` makes of it. Blocks.
    pub fn change(
        &self,
        change: impl FnOnce(&Layout, &Moment) -> Result<Layout, LayoutError>,
    ) -> Result<Arc<Layout>, ChangeError> {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.layout();
        let new = change(&old, &moment(&self.env, self.node, &mut clock))?;
        Ok(self.replace(&old, new, &mut clock)?)
    }

    /// Makes durable what `change` makes of the layout, and shows it to nobody yet. Blocks.
    pub fn store(&self, change: impl FnOnce(&Layout) -> Layout) -> Result<Unseen, StateFileError> {
        let _clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.layout();
        let after = Arc::new(change(&before));
        self.write(&before, &after)?;
        Ok(Unseen { before, after })
    }

    /// Shows a layout that was stored; not if another one has come up since or is about to. Waits for nothing.
    pub fn show(&self, unseen: Unseen) -> bool {
        let Ok(mut clock) = self.clock.try_lock() else { return false };
        if !Arc::ptr_eq(&self.layout(), &unseen.before) {
            return false;
        }
        self.publish(unseen.after, &mut clock);
        true
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

    /// A stamp above every one in the layout and every ballot that was heard of.
    pub fn stamp(&self) -> Stamp {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.tick(self.env.clock.wall())
    }

    /// Somebody else has used this stamp.
    pub fn observe(&self, seen: Stamp) {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner).observe(seen);
    }

    /// Answers a ballot about the version that follows the current one. Blocks.
    pub fn vote(&self, ask: &AskVote) -> Result<Voted, StateFileError> {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.observe(ask.ballot);
        let (layout, mut vote) = (self.layout(), self.vote.lock().unwrap_or_else(PoisonError::into_inner));
        let is_voter = layout.remaining_storage(layout.current()).any(|node| node == self.node);
        if layout.given_up_mark() != ask.given_up {
            // Whoever knows less, or was given up itself, counts on others than this node does.
            return Ok(Voted::No);
        }
        if !is_voter || layout.joint().is_some() || ask.number != layout.current().number + 1 {
            return Ok(Voted::No);
        }
        let version = match &ask.version {
            None => None,
            Some(text) => match Version::of_text(text).filter(|version| version.number == ask.number) {
                Some(version) => Some(Arc::new(version)),
                None => return Ok(Voted::No),
            },
        };
        let voted = match &version {
            None => vote.prepare(ask.number, ask.ballot),
            Some(version) => vote.accept(ask.ballot, version),
        };
        let new = match voted {
            Ok(new) => new,
            Err(against) => return Ok(Voted::Refused(against)),
        };
        if new != *vote {
            state_file::write(self.env.disk.as_ref(), &self.folder, StateKind::Vote, &new.to_text())?;
            *vote = new;
        }
        if version.is_none() {
            return Ok(Voted::Promised(vote.accepted().map(Accepted::to_text)));
        }
        Ok(Voted::Accepted)
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
        let new = Arc::new(new);
        self.write(old, &new)?;
        self.publish(Arc::clone(&new), clock);
        Ok(new)
    }

    fn write(&self, old: &Layout, new: &Layout) -> Result<(), StateFileError> {
        let (disk, folder) = (self.env.disk.as_ref(), &self.folder);
        state_file::write(disk, folder, StateKind::PreviousLayout, &old.to_text())?;
        state_file::write(disk, folder, StateKind::Layout, &new.to_text())
    }

    fn publish(&self, new: Arc<Layout>, clock: &mut Hlc) {
        clock.observe(new.latest_stamp());
        self.placement.store(Arc::new(placement_of(&new)));
        self.layout.store(new);
        self.changes.note();
    }
}

fn open_vote(env: &Env, options: &ClusterOptions) -> Result<Vote, ClusterError> {
    let folder = &options.folder;
    let Some(text) = state_file::read(env.disk.as_ref(), folder, StateKind::Vote)? else {
        return Ok(Vote::default());
    };
    Vote::of_text(&text).ok_or_else(|| state_file::damaged(folder, StateKind::Vote).into())
}

fn moment(env: &Env, by: NodeId, clock: &mut Hlc) -> Moment {
    let new_cluster = ClusterId::from_bytes(random_array(env.rng.as_ref()));
    Moment { stamp: clock.tick(env.clock.wall()), new_cluster, by }
}

fn placement_of(layout: &Layout) -> Placement {
    Placement::of_layout(layout)
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
        let layout = layout.ok_or_else(|| state_file::damaged_layout(disk, folder))?;
        let whole = layout.clone().with_cluster(moment(env, node, clock).new_cluster);
        if whole != layout {
            state_file::write(disk, folder, StateKind::Layout, &whole.to_text())?;
        }
        return Ok(whole);
    }
    let previous = folder.join(StateKind::PreviousLayout.file_name());
    if disk.exists(&previous).map_err(|source| StateFileError::Disk { path: previous, source })? {
        return Err(ClusterError::LayoutMissing { folder: folder.clone(), has_previous: true });
    }
    let layout = match &options.first_layout {
        FirstLayout::Empty => return Ok(Layout::empty()),
        FirstLayout::Known => {
            return Err(ClusterError::LayoutMissing { folder: folder.clone(), has_previous: false });
        }
        FirstLayout::OneNode(role) => Layout::of_one_node(node, role.clone(), &moment(env, node, clock))?,
    };
    state_file::write(disk, folder, StateKind::Layout, &layout.to_text())?;
    Ok(layout)
}
