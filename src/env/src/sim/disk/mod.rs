//! The simulated disk: files and folders in memory that forget what was not synced.
//!
//! What always holds: bytes are durable after the file's `sync`, names after `sync_dir` of their
//! folder, and nothing else is. The disk outlives the node: a harness keeps it, calls
//! [`SimDisk::crash`], and opens a new node over the same platter. Handles from before a crash
//! are dead.

mod faults;
mod file;
mod names;
#[cfg(test)]
mod tests;

pub use faults::{Damage, Fault};

use super::rng::Generator;
use crate::disk::{Disk, DiskFile, Entry, OpenMode, Space};
use faults::Plan;
use file::{Inode, PAGE_BYTES};
use names::{Names, Number};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a crash leaves of the changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: the most forgetful disk.
    Nothing,
    /// Everything: only the process died.
    Everything,
    /// Some legal part, as the seed decides.
    Some,
}

/// A simulated disk. Cheap to clone; all clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<Platter>>);

struct Platter {
    files: BTreeMap<Number, Inode>,
    /// Files without a visible name that may still have handles or durable names.
    orphans: BTreeSet<Number>,
    names: Names,
    plan: Plan,
    random: Generator,
    capacity_bytes: u64,
    used_pages: u64,
    /// Room that is taken by others.
    foreign_bytes: u64,
    next_number: u64,
    /// Rises with each crash: older handles are dead.
    life: u64,
}

/// Why a commit that is not made of file operations failed ([`SimDisk::commit_effect`]).
#[derive(Debug)]
pub struct CommitFailure {
    /// What the node sees.
    pub error: io::Error,
    /// Whether the commit is there after a restart all the same.
    pub durable: bool,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(seed: u64, capacity_bytes: u64) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            files: BTreeMap::new(),
            orphans: BTreeSet::new(),
            names: Names::new(),
            plan: Plan::default(),
            random: Generator::new(seed),
            capacity_bytes,
            used_pages: 0,
            foreign_bytes: 0,
            next_number: 1,
            life: 0,
        })))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the life of the node on this disk and decides what is left. Also takes back planned
    /// crashes, and the power is on again.
    pub fn crash(&self, keep: Keep) {
        self.platter().crash(keep);
    }

    /// Switches the power off at the `effect`-th change, counted from the first ever.
    pub fn crash_at_effect(&self, effect: u64) {
        self.platter().plan.crash_at(Some(effect));
    }

    /// Changes so far.
    pub fn effects(&self) -> u64 {
        self.platter().plan.effects()
    }

    /// Whether a planned crash has happened.
    pub fn has_crashed(&self) -> bool {
        self.platter().plan.has_crashed()
    }

    /// An error while the power is off.
    pub fn check_alive(&self) -> io::Result<()> {
        self.platter().plan.alive()
    }

    /// Lets the fault strike the `nth` call of its kind from now on (1 is the next).
    pub fn inject(&self, fault: Fault, nth: u64) {
        self.platter().plan.inject(fault, nth);
    }

    /// Takes back faults that have not struck yet.
    pub fn clear_faults(&self) {
        self.platter().plan.clear();
    }

    /// How often a fault has struck so far.
    pub fn struck(&self, fault: Fault) -> u64 {
        self.platter().plan.struck(fault)
    }

    /// Changes the room on the disk; less than is used means it is full.
    pub fn set_capacity(&self, bytes: u64) {
        self.platter().capacity_bytes = bytes;
    }

    /// Lets somebody else take room on the disk: this many bytes in all.
    pub fn occupy(&self, bytes: u64) {
        self.platter().foreign_bytes = bytes;
    }

    /// Bytes in use, in whole pages.
    pub fn used_bytes(&self) -> u64 {
        self.platter().used_pages * PAGE_BYTES
    }

    /// What programs would see of a file, past all faults.
    pub fn peek(&self, path: &Path) -> Option<Vec<u8>> {
        let mut platter = self.platter();
        let number = platter.find(path).ok()?;
        let file = platter.file(number).ok()?;
        let mut content = vec![0; usize::try_from(file.len()).ok()?];
        file.read(&mut content, 0).then_some(content)
    }

    /// The files below a folder, past all faults.
    pub fn files_below(&self, folder: &Path) -> Vec<PathBuf> {
        let platter = self.platter();
        let from = platter.names.live.range(folder.to_owned()..);
        from.map(|(path, _)| path).take_while(|path| path.starts_with(folder)).cloned().collect()
    }

    /// A digest of every visible name and its bytes: equal for equal runs.
    pub fn content_digest(&self) -> base::BlockHash {
        let platter = self.platter();
        let mut all = Vec::new();
        for (path, number) in &platter.names.live {
            let Some(file) = platter.files.get(number) else { continue };
            let mut content = vec![0; file.len() as usize];
            file.read(&mut content, 0);
            all.extend_from_slice(path.as_os_str().as_encoded_bytes());
            all.extend_from_slice(&file.len().to_le_bytes());
            all.extend_from_slice(&content);
        }
        base::BlockHash::of(&all)
    }

    /// Damages a file at rest.
    pub fn damage(&self, path: &Path, offset: u64, damage: Damage) -> io::Result<()> {
        let mut platter = self.platter();
        let number = platter.find(path)?;
        if damage == Damage::Vanished {
            platter.names.vanish(path);
            platter.orphans.insert(number);
            platter.collect(number);
            return Ok(());
        }
        let file = platter.file(number)?;
        let before = file.page_count();
        let (page, within) = (offset / PAGE_BYTES, (offset % PAGE_BYTES) as usize);
        match damage {
            Damage::FlipBit => file.damage(page, |bytes| bytes[within] ^= 1),
            Damage::ZeroPage => file.damage(page, |bytes| bytes.fill(0)),
            Damage::Unreadable => {
                file.unreadable.insert(page);
            }
            Damage::CutOff => file.cut_off(offset),
            Damage::Vanished => {}
        }
        let lost = before - file.page_count();
        platter.used_pages -= lost;
        Ok(())
    }

    /// Counts a commit of an engine without files as a write and a sync, with their faults.
    pub fn commit_effect(&self) -> Result<(), CommitFailure> {
        let mut platter = self.platter();
        let lost = |error| CommitFailure { error, durable: false };
        let is_cut = platter.plan.effect().map_err(lost)?;
        if is_cut {
            return Err(lost(power_cut()));
        }
        platter.write_faults().map_err(lost)?;
        if platter.plan.effect().map_err(lost)? {
            let durable = platter.random.coin();
            return Err(CommitFailure { error: power_cut(), durable });
        }
        if platter.plan.strikes(Fault::SyncError) {
            let durable = platter.random.coin();
            return Err(CommitFailure { error: io::Error::other("sync failed"), durable });
        }
        Ok(())
    }
}

fn power_cut() -> io::Error {
    io::Error::other("the power went off")
}

impl Platter {
    fn crash(&mut self, keep: Keep) {
        self.life += 1;
        self.plan.revive();
        match keep {
            Keep::Nothing => self.names.lose(),
            Keep::Everything => self.names.keep(),
            Keep::Some => self.names.tear(&mut self.random),
        }
        let named = self.names.durable_numbers();
        self.files.retain(|number, _| named.contains(number));
        self.orphans.clear();
        for file in self.files.values_mut() {
            file.handles = 0;
            file.locked_by = None;
            match keep {
                Keep::Nothing => file.lose(),
                Keep::Everything => {}
                Keep::Some => file.tear(&mut self.random),
            }
        }
        self.count_pages();
    }

    fn count_pages(&mut self) {
        self.used_pages = self.files.values().map(Inode::page_count).sum();
    }

    fn find(&self, path: &Path) -> io::Result<Number> {
        let found = self.names.live.get(path).copied();
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, path.display().to_string()))
    }

    fn file(&mut self, number: Number) -> io::Result<&mut Inode> {
        self.files.get_mut(&number).ok_or_else(|| io::Error::other("the file is from before a crash"))
    }

    fn write_faults(&mut self) -> io::Result<()> {
        if self.plan.strikes(Fault::Full) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.plan.strikes(Fault::WriteError) {
            return Err(io::Error::other("write failed"));
        }
        Ok(())
    }

    /// Counts a change of names; an error means it did not happen as far as the caller knows.
    fn name_effect(&mut self, change: impl FnOnce(&mut Names)) -> io::Result<()> {
        let is_cut = self.plan.effect()?;
        if !is_cut || self.random.coin() {
            change(&mut self.names);
        }
        if is_cut { Err(power_cut()) } else { Ok(()) }
    }

    fn need_folder(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        if self.names.folders.contains(folder) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, folder.display().to_string()))
    }

    /// Forgets a file that nothing leads to any more.
    fn collect(&mut self, number: Number) {
        let is_closed = self.files.get(&number).is_some_and(|file| file.handles == 0);
        if is_closed
            && self.orphans.contains(&number)
            && !self.names.lead_to(number)
            && let Some(file) = self.files.remove(&number)
        {
            self.used_pages -= file.page_count();
            self.orphans.remove(&number);
        }
    }

    fn room_pages(&self) -> u64 {
        (self.capacity_bytes.saturating_sub(self.foreign_bytes) / PAGE_BYTES).saturating_sub(self.used_pages)
    }

    fn write(&mut self, number: Number, bytes: &[u8], offset: u64) -> io::Result<()> {
        let is_cut = self.plan.effect()?;
        if is_cut && self.random.coin() {
            return Err(power_cut());
        }
        self.write_faults()?;
        let room_pages = self.room_pages();
        let file = self.file(number)?;
        let before = file.page_count();
        let result = file.write(bytes, offset, room_pages);
        let grown = file.page_count() - before;
        self.used_pages += grown;
        if is_cut {
            return Err(power_cut());
        }
        result.map_err(|_| io::ErrorKind::StorageFull.into())
    }

    fn read(&mut self, number: Number, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.plan.alive()?;
        if self.plan.strikes(Fault::ReadError) {
            return Err(io::Error::other("read failed"));
        }
        let mut place = offset;
        if self.plan.strikes(Fault::MisdirectedRead) {
            let pages = self.file(number)?.len() / PAGE_BYTES;
            place = self.random.below(pages.max(1)) * PAGE_BYTES + offset % PAGE_BYTES;
        }
        let flip = self.plan.strikes(Fault::FlippedRead) && !buffer.is_empty();
        let flipped = if flip { Some(self.random.below(buffer.len() as u64 * 8)) } else { None };
        let file = self.file(number)?;
        if file.is_unreadable(place, buffer.len() as u64) {
            return Err(io::Error::other("unreadable sector"));
        }
        if !file.read(buffer, place) && (place == offset || !file.read(buffer, offset)) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(bit) = flipped {
            buffer[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
        Ok(())
    }

    fn set_len(&mut self, number: Number, length: u64) -> io::Result<()> {
        let is_cut = self.plan.effect()?;
        self.write_faults()?;
        if !is_cut || self.random.coin() {
            let file = self.file(number)?;
            let before = file.page_count();
            file.set_len(length);
            let cut = before - file.page_count();
            self.used_pages -= cut;
        }
        if is_cut { Err(power_cut()) } else { Ok(()) }
    }

    fn sync(&mut self, number: Number) -> io::Result<()> {
        if self.plan.effect()? {
            // What of it reached the disk is decided by the crash.
            return Err(power_cut());
        }
        if self.plan.strikes(Fault::SyncError) {
            if let Some(file) = self.files.get_mut(&number) {
                file.fail_sync(&mut self.random);
            }
            return Err(io::Error::other("sync failed"));
        }
        if !self.plan.strikes(Fault::SyncIgnored) {
            self.file(number)?.sync();
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.platter();
        platter.plan.alive()?;
        if platter.names.folders.contains(path) {
            return Ok(());
        }
        if path.ancestors().any(|folder| platter.names.live.contains_key(folder)) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, path.display().to_string()));
        }
        platter.name_effect(|names| names.folders.extend(path.ancestors().map(Path::to_owned)))
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut platter = self.platter();
        platter.plan.alive()?;
        if platter.names.folders.contains(path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let number = match (platter.find(path), mode) {
            (Ok(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Ok(number), _) => number,
            (Err(error), OpenMode::Read) => return Err(error),
            (Err(_), _) => {
                platter.need_folder(path)?;
                let number = platter.next_number;
                platter.next_number += 1;
                platter.files.insert(number, Inode::default());
                platter.name_effect(|names| names.create(path, number))?;
                number
            }
        };
        let handle = platter.next_number;
        platter.next_number += 1;
        let life = platter.life;
        platter.file(number)?.handles += 1;
        Ok(Box::new(SimFile { disk: self.clone(), number, handle, life, writes: mode != OpenMode::Read }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.platter();
        platter.plan.alive()?;
        platter.find(from)?;
        platter.need_folder(to)?;
        if platter.names.folders.contains(to) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if from == to {
            return Ok(());
        }
        let replaced = platter.find(to).ok();
        platter.name_effect(|names| names.rename(from, to))?;
        if let Some(number) = replaced {
            platter.orphans.insert(number);
            platter.collect(number);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.platter();
        platter.plan.alive()?;
        let number = platter.find(path)?;
        platter.name_effect(|names| names.remove(path))?;
        platter.orphans.insert(number);
        platter.collect(number);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.platter();
        if !platter.names.folders.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if platter.plan.effect()? {
            return Err(power_cut());
        }
        if platter.plan.strikes(Fault::SyncIgnored) {
            return Ok(());
        }
        platter.names.sync(path);
        for number in platter.orphans.clone() {
            platter.collect(number);
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let platter = self.platter();
        platter.plan.alive()?;
        if !platter.names.folders.contains(path) {
            return Err(io::Error::new(io::ErrorKind::NotFound, path.display().to_string()));
        }
        let inside = |name: &&PathBuf| name.parent() == Some(path);
        let folders = platter.names.folders.iter().filter(inside);
        let folders = folders.map(|name| Entry { path: name.clone(), is_dir: true });
        let files = platter.names.live.keys().filter(inside);
        let files = files.map(|name| Entry { path: name.clone(), is_dir: false });
        let mut entries: Vec<Entry> = folders.chain(files).collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let platter = self.platter();
        platter.plan.alive()?;
        Ok(platter.names.folders.contains(path) || platter.names.live.contains_key(path))
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let platter = self.platter();
        platter.plan.alive()?;
        let available_bytes = platter.room_pages() * PAGE_BYTES;
        Ok(Space { available_bytes, total_bytes: platter.capacity_bytes })
    }

    fn is_on_mounted_disk(&self, _path: &Path) -> io::Result<bool> {
        self.platter().plan.alive()?;
        Ok(false)
    }
}

/// An open file of a [`SimDisk`].
struct SimFile {
    disk: SimDisk,
    number: Number,
    handle: u64,
    life: u64,
    writes: bool,
}

impl SimFile {
    fn platter(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let platter = self.disk.platter();
        platter.plan.alive()?;
        if platter.life != self.life {
            return Err(io::Error::other("the file was opened before a crash"));
        }
        Ok(platter)
    }

    fn writable(&self) -> io::Result<MutexGuard<'_, Platter>> {
        if !self.writes {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.platter()
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut platter = self.disk.platter();
        if platter.life != self.life {
            return;
        }
        if let Ok(file) = platter.file(self.number) {
            file.handles -= 1;
            if file.locked_by == Some(self.handle) {
                file.locked_by = None;
            }
        }
        platter.collect(self.number);
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter()?.file(self.number)?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.platter()?.read(self.number, buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.writable()?.write(self.number, bytes, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.writable()?.set_len(self.number, length)
    }

    fn sync(&self) -> io::Result<()> {
        self.platter()?.sync(self.number)
    }

    fn lock_exclusive(&self) -> io::Result<()> {
        let mut platter = self.platter()?;
        let file = platter.file(self.number)?;
        if file.locked_by.is_some_and(|holder| holder != self.handle) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        file.locked_by = Some(self.handle);
        Ok(())
    }
}
