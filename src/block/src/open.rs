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
    /// Disks given up by the operator: every block must be checked.
    pub lost_disks: usize,
}

/// Checks and opens all folders. Blocks.
pub(crate) fn open_folders(
    env: &Env,
    config: &BlockConfig,
    known: &KnownDisks,
) -> Result<Opened, BlockError> {
    let mut folders = Vec::new();
    let mut ids = BTreeSet::new();
    for disk in &config.disks {
        let marker = check_marker(env, config, disk, known)?;
        if !ids.insert(marker.disk) {
            return Err(unusable(&disk.path, UnusableFolder::Duplicate));
        }
        folders.push(start_folder(env, disk, &marker)?);
    }
    if !folders.iter().any(DataFolder::is_writable) {
        return Err(BlockError::NoFolder);
    }
    let lost: Vec<&KnownDisk> = known.disks.iter().filter(|disk| !ids.contains(&disk.id)).collect();
    if let (Some(disk), LostDisks::Refuse) = (lost.first(), config.lost_disks) {
        return Err(unusable(&disk.path, UnusableFolder::NotConfigured));
    }
    let mut disks: Vec<KnownDisk> =
        folders.iter().map(|folder| KnownDisk { id: folder.id, path: folder.path.clone() }).collect();
    disks.sort_by_key(|disk| disk.id);
    Ok(Opened { folders, known: KnownDisks { disks }, lost_disks: lost.len() })
}

fn check_marker(
    env: &Env,
    config: &BlockConfig,
    disk: &DiskConfig,
    known: &KnownDisks,
) -> Result<Marker, BlockError> {
    let path = &disk.path;
    let failed = |source| failed(path, source);
    match marker::read(env.disk.as_ref(), path).map_err(failed)? {
        Some(Ok(marker)) if marker.node == config.node => return Ok(marker),
        Some(Ok(_)) => return Err(unusable(path, UnusableFolder::ForeignDisk)),
        Some(Err(reason)) => return Err(unusable(path, reason)),
        None => {}
    }
    let was_used = known.disks.iter().any(|known| known.path == *path);
    let has_blocks = env.disk.exists(&path.join("blocks")).map_err(failed)?;
    if was_used && config.lost_disks == LostDisks::Refuse {
        return Err(unusable(path, UnusableFolder::LostDisk));
    }
    if has_blocks {
        return Err(unusable(path, UnusableFolder::NoMarker));
    }
    if disk.read_only {
        return Err(unusable(path, UnusableFolder::ReadOnlyWithoutMarker));
    }
    let marker = Marker { node: config.node, disk: random_array(env.rng.as_ref()) };
    env.disk.create_dir_all(path).map_err(failed)?;
    marker::write(env.disk.as_ref(), path, &marker).map_err(failed)?;
    Ok(marker)
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
