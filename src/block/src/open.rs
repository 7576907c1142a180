//! Opening the data folders: each is checked against its marker and against the list of disks
//! that this node has stored blocks on, before anything is written.

use crate::error::UnusableFolder;
use crate::folder::DataFolder;
use crate::marker::{self, Marker};
use crate::record::{KnownDisk, KnownDisks};
use crate::{BlockConfig, BlockError, DiskConfig, LostDisks};
use env::{Env, OpenMode, random_array};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folders of a node that may start.
pub(crate) struct Opened {
    pub folders: Vec<DataFolder>,
    /// What the store must remember from now on.
    pub known: KnownDisks,
    /// Folders whose disks are not there.
    pub away: Vec<PathBuf>,
    /// Disks that were there at the last start and are not now: every block must be checked.
    pub lost_disks: usize,
}

/// What a folder turned out to be.
enum Checked {
    Usable(Marker),
    /// The disk that was mounted there is not.
    Away,
}

/// Checks and opens all folders. Blocks.
pub(crate) fn open_folders(
    env: &Env,
    config: &BlockConfig,
    known: &KnownDisks,
) -> Result<Opened, BlockError> {
    let before = known.disks.len();
    let known = &without_given_up(env, config, known)?;
    let given_up = before - known.disks.len();
    let (mut folders, mut away) = (Vec::new(), Vec::new());
    let mut ids = BTreeSet::new();
    for disk in &config.disks {
        match check_folder(env, config, disk, known)? {
            Checked::Usable(marker) if !ids.insert(marker.disk) => {
                return Err(unusable(&disk.path, UnusableFolder::Duplicate));
            }
            Checked::Usable(marker) => folders.push(start_folder(env, disk, &marker)?),
            Checked::Away => away.push(disk.path.clone()),
        }
    }
    if !folders.iter().any(DataFolder::is_writable) {
        return Err(BlockError::NoFolder);
    }
    let lost: Vec<&KnownDisk> = known.disks.iter().filter(|disk| !ids.contains(&disk.id)).collect();
    let is_configured = |disk: &&KnownDisk| config.disks.iter().any(|folder| folder.path == disk.path);
    if let Some(disk) =
        lost.iter().find(|disk| config.lost_disks == LostDisks::Refuse || !is_configured(disk))
    {
        return Err(unusable(&disk.path, UnusableFolder::NotConfigured));
    }
    let lost_disks = given_up + lost.iter().filter(|disk| !disk.is_away).count();
    let still_away = lost.into_iter().filter(|disk| away.contains(&disk.path));
    let mut disks: Vec<KnownDisk> =
        still_away.map(|disk| KnownDisk { is_away: true, ..disk.clone() }).collect();
    for folder in &folders {
        let is_mounted = is_mounted(env, &folder.path)?;
        disks.push(KnownDisk { id: folder.id, path: folder.path.clone(), is_mounted, is_away: false });
    }
    disks.sort_by_key(|disk| disk.id);
    Ok(Opened { folders, known: KnownDisks { disks }, away, lost_disks })
}

/// The disks that this node still counts on: all but those that the operator gives up, none of which may be there.
fn without_given_up(env: &Env, config: &BlockConfig, known: &KnownDisks) -> Result<KnownDisks, BlockError> {
    let mut known = known.clone();
    for path in &config.given_up {
        let is_here = marker::read(env.disk.as_ref(), path).map_err(|source| failed(path, source))?.is_some();
        let Some(lost) = known.disks.iter().position(|disk| disk.path == *path && !is_here) else {
            return Err(unusable(path, UnusableFolder::NotLost));
        };
        let lost = known.disks.remove(lost);
        let is_configured = config.disks.iter().any(|disk| disk.path == *path);
        if lost.is_mounted && is_configured && !is_mounted(env, path)? {
            return Err(unusable(path, UnusableFolder::NotMounted));
        }
        tracing::warn!(folder = %path.display(), "the disk of this data folder is given up, as asked for");
    }
    Ok(known)
}

/// Whether a folder, which need not be there, lies on a disk that is mounted, at the folder or above it.
fn is_mounted(env: &Env, path: &Path) -> Result<bool, BlockError> {
    env.disk.is_on_mounted_disk(path).map_err(|source| failed(path, source))
}

fn check_folder(
    env: &Env,
    config: &BlockConfig,
    disk: &DiskConfig,
    known: &KnownDisks,
) -> Result<Checked, BlockError> {
    let path = &disk.path;
    let failed = |source| failed(path, source);
    match marker::read(env.disk.as_ref(), path).map_err(failed)? {
        Some(Ok(marker)) if marker.node == config.node => return Ok(Checked::Usable(marker)),
        Some(Ok(marker)) => return Err(unusable(path, UnusableFolder::ForeignDisk(marker.node))),
        Some(Err(reason)) => return Err(unusable(path, reason)),
        None => {}
    }
    let before = known.disks.iter().find(|known| known.path == *path);
    let has_blocks = env.disk.exists(&path.join("blocks")).map_err(failed)?;
    if before.is_some() && config.lost_disks == LostDisks::Refuse {
        return Err(unusable(path, UnusableFolder::LostDisk));
    }
    if has_blocks {
        return Err(unusable(path, UnusableFolder::NoMarker));
    }
    if before.is_some_and(|before| before.is_mounted) && !is_mounted(env, path)? {
        tracing::error!(
            folder = %path.display(),
            "the disk of this data folder is not mounted; it is left out until the next start, and what was on it is \
             fetched from other nodes"
        );
        return Ok(Checked::Away);
    }
    if disk.read_only {
        return Err(unusable(path, UnusableFolder::ReadOnlyWithoutMarker));
    }
    if before.is_some() {
        tracing::error!(
            folder = %path.display(),
            "this data folder is empty now; what was in it is fetched from other nodes"
        );
    }
    let marker = Marker { node: config.node, disk: random_array(env.rng.as_ref()) };
    env.disk.create_dir_all(path).map_err(failed)?;
    marker::write(env.disk.as_ref(), path, &marker).map_err(failed)?;
    Ok(Checked::Usable(marker))
}

fn start_folder(env: &Env, disk: &DiskConfig, marker: &Marker) -> Result<DataFolder, BlockError> {
    let failed = |source| failed(&disk.path, source);
    let file = env.disk.open(&marker::path_in(&disk.path), OpenMode::Read).map_err(failed)?;
    file.lock_exclusive().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => unusable(&disk.path, UnusableFolder::InUse),
        _ => failed(error),
    })?;
    let place = (disk.path.clone(), marker.disk);
    DataFolder::start(Arc::clone(&env.disk), place, file, disk.capacity_bytes, disk.read_only).map_err(failed)
}

fn unusable(path: &Path, reason: UnusableFolder) -> BlockError {
    BlockError::Unusable { path: path.to_owned(), reason }
}

fn failed(path: &Path, source: io::Error) -> BlockError {
    BlockError::DiskFailed { path: PathBuf::from(path), source }
}
