//! A disk that vanishes under a running node: noticed within seconds, taken for lost at once, used again when it is back.
//!
//! Whoever meets a disk that is gone marks it so ([`crate::contact`]), and the watch looks at every marker
//! ([`LOOK_INTERVAL`]). From the mark on, what the disk held is not here and new blocks go to other disks. The watch then
//! writes down that the disk is away, as a start without it does, and has every referenced block looked for: those that were
//! on it are fetched from other nodes, without a command. What always holds:
//!
//! - until that is written down nobody is told that nothing is lacking ([`BlockStore::lacking`]);
//! - no reference to a file on it is overlooked: it was durable before the look at all blocks began, or its lock was in use
//!   then and the block is looked at once more, or it came after the mark and its file is on another disk;
//! - a disk that is back is used as after a start: files count by their names, and bytes are verified when they are read. What
//!   nobody needs any more is found there by scrub.

use crate::audit::{self, Audit};
use crate::folder::DataFolder;
use crate::record::{DISKS_KEY, KnownDisk, KnownDisks};
use crate::{BlockError, BlockStore, Shared};
use base::WallTime;
use env::{Task, sleep};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{Intent, Read, Space, StoreError, Txn};

/// Between two looks at the markers. They are in the memory of the system, so that no disk wakes up for it.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(10);

impl BlockStore {
    /// Starts to watch whether the disks are there; it ends when the returned task is dropped.
    pub fn spawn_disk_watch(&self) -> Task<()> {
        let blocks = self.clone();
        self.shared.env.tasks.spawn(async move {
            loop {
                if let Err(error) = blocks.look_at_disks(blocks.shared.env.clock.wall()).await {
                    tracing::error!(%error, "a disk that came or went cannot be written down; it is tried again");
                }
                sleep(LOOK_INTERVAL).await;
            }
        })
    }

    /// One look at all disks: writes down which of them are gone, or back, and has blocks looked for again.
    pub async fn look_at_disks(&self, now: WallTime) -> Result<(), BlockError> {
        let shared = Arc::clone(&self.shared);
        self.shared.env.tasks.blocking(move || shared.folders.iter().for_each(look_at)).await;
        let folders = self.shared.folders.iter();
        let (gone, rest): (Vec<&DataFolder>, Vec<&DataFolder>) =
            folders.partition(|folder| folder.contact.is_lost());
        let gone: Vec<&DataFolder> =
            gone.into_iter().filter(|folder| !folder.contact.is_recorded()).collect();
        let back: Vec<&DataFolder> = rest.into_iter().filter(|folder| folder.contact.is_recorded()).collect();
        if !gone.is_empty() {
            self.record_gone(&gone).await?;
        }
        if !back.is_empty() {
            self.record_back(&back).await?;
        }
        if self.shared.is_disk_back.swap(false, Ordering::AcqRel)
            && let Err(error) = self.retry_now(None, now).await
        {
            self.shared.is_disk_back.store(true, Ordering::Release);
            return Err(error.into());
        }
        Ok(())
    }

    async fn record_gone(&self, gone: &[&DataFolder]) -> Result<(), BlockError> {
        for folder in gone {
            tracing::error!(
                folder = %folder.path.display(),
                "the disk of this data folder is gone: nothing is written to it, and what it held is looked for on other \
                 disks and fetched from other nodes"
            );
        }
        // A step of the audit that is under way may have seen files on the disk; it ends before the audit begins anew.
        let _turn = self.shared.audit_turn.lock().await;
        self.shared.locks.doubt_all();
        let ids: Vec<[u8; 16]> = gone.iter().map(|folder| folder.id).collect();
        let record = move |txn: &mut Txn<'_>| {
            set_away(txn, &ids, true)?;
            audit::start(txn, Audit::Refill)
        };
        self.shared.store.commit(Intent::Free, record).await?;
        gone.iter().for_each(|folder| folder.contact.set_recorded(true));
        Ok(())
    }

    async fn record_back(&self, back: &[&DataFolder]) -> Result<(), BlockError> {
        let ids: Vec<[u8; 16]> = back.iter().map(|folder| folder.id).collect();
        self.shared.store.commit(Intent::Free, move |txn| set_away(txn, &ids, false)).await?;
        for folder in back {
            folder.contact.set_recorded(false);
            tracing::warn!(folder = %folder.path.display(), "the disk of this data folder is back and is used again");
        }
        self.shared.is_disk_back.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether any disk takes blocks at all, were there room on it.
    pub fn takes_blocks(&self) -> bool {
        self.shared.folders.iter().any(DataFolder::is_writable)
    }

    /// How many disks of this node are gone, those too that were not there at its start.
    pub fn gone_disks(&self) -> usize {
        let gone = self.shared.folders.iter().filter(|folder| folder.contact.is_lost());
        self.shared.away.len() + gone.count()
    }
}

impl Shared {
    /// Whether a disk is gone and that is not written down.
    pub fn is_loss_unrecorded(&self) -> bool {
        self.folders.iter().any(|folder| folder.contact.is_unrecorded_loss())
    }
}

fn look_at(folder: &DataFolder) {
    let was_lost = folder.contact.is_lost();
    match folder.look_at_marker() {
        Err(error) if was_lost => {
            let in_use = error.kind() == io::ErrorKind::WouldBlock;
            let why = if in_use { "another process uses it" } else { "it cannot be used" };
            tracing::warn!(folder = %folder.path.display(), %error, "the disk of this data folder is back, but {why}");
        }
        Err(error) => tracing::debug!(folder = %folder.path.display(), %error, "a marker cannot be read"),
        Ok(()) => {}
    }
}

/// Says of disks that they are away, or here.
fn set_away(txn: &mut Txn<'_>, ids: &[[u8; 16]], is_away: bool) -> Result<(), StoreError> {
    let mut known = txn.get::<KnownDisks>(Space::Meta, DISKS_KEY)?.unwrap_or_default();
    let concerned = |disk: &&mut KnownDisk| ids.contains(&disk.id);
    known.disks.iter_mut().filter(concerned).for_each(|disk| disk.is_away = is_away);
    txn.put(Space::Meta, DISKS_KEY.to_vec(), &known);
    Ok(())
}
