//! One data folder: its files and what is done to them. All of it blocks.
//!
//! Layout: `garage-marker`, `tmp/` (files being written; swept at start), and
//! `blocks/<first two hexadecimal digits>/<hash>` or `<hash>.zst`. A file has no header: its name
//! says what it holds, and standard tools can check and unpack it. `.corrupted` behind a name
//! marks a file that was set aside. 256 folders: measured with 16 writers, one folder, 256 and
//! 65 536 are equally fast within the noise or slower, and 256 keep a listing small at 10 million
//! blocks. The same measurement showed that the kernel already shares the flushes of concurrent
//! writers (10 times the throughput of one), so each writer syncs its folder itself.

use crate::codec::Codec;
use crate::contact::{Contact, is_of_the_device};
use crate::marker;
use base::BlockHash;
use base::limits::BLOCK_SIZE_BYTES;
use env::{Disk, DiskFile, OpenMode};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Room that blocks leave free on a disk. Above the reserve of the metadata store (64 MiB), so
/// that on a shared disk data fills up first and deletes can still be recorded.
const RESERVE_BYTES: u64 = 256 << 20;
/// On small disks the reserve is this part of the whole.
const RESERVE_DIVISOR: u64 = 10;
/// How many folders there are below `blocks/`.
pub(crate) const FOLDERS: usize = 256;

const COMPRESSED_SUFFIX: &str = ".zst";
const CORRUPTED_SUFFIX: &str = ".corrupted";

/// How a file holds its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Compressed,
}

impl Form {
    /// Both, the one to try first in front.
    pub const ALL: [Form; 2] = [Form::Plain, Form::Compressed];

    fn suffix(self) -> &'static str {
        match self {
            Form::Plain => "",
            Form::Compressed => COMPRESSED_SUFFIX,
        }
    }
}

/// What a file turned out to hold.
pub(crate) enum Found {
    /// No such file.
    Absent,
    /// Not the content that the name promises.
    Damaged,
    /// The content, verified.
    Good { content: Vec<u8>, stored_bytes: u64 },
}

/// The bytes of a file, whatever they are.
enum Bytes {
    Absent,
    /// More than any block takes, or sectors that cannot be read.
    Damaged,
    Whole(Vec<u8>),
}

/// Why a file could not be written.
pub(crate) enum WriteFailure {
    Full,
    Failed(io::Error),
}

/// A data folder in use.
pub(crate) struct DataFolder {
    pub path: PathBuf,
    pub id: [u8; 16],
    /// Share of the blocks, relative to the other folders.
    pub weight: u64,
    pub read_only: bool,
    /// Whether its disk is there.
    pub contact: Contact,
    disk: Arc<dyn Disk>,
    /// A flush failed: what is on the disk is unknown, so nothing more is written to it.
    failed: AtomicBool,
    /// Which of the 256 folders exist, durably.
    made: Vec<AtomicBool>,
    next_temporary: AtomicU64,
}

impl DataFolder {
    /// A folder whose marker was checked and locked. Removes what unfinished writes left behind.
    pub fn start(
        disk: Arc<dyn Disk>,
        (path, id): (PathBuf, [u8; 16]),
        marker: Box<dyn DiskFile>,
        capacity: Option<u64>,
        read_only: bool,
    ) -> io::Result<Self> {
        let mut made: Vec<AtomicBool> = (0..FOLDERS).map(|_| AtomicBool::new(false)).collect();
        if !read_only {
            let blocks = path.join("blocks");
            disk.create_dir_all(&blocks)?;
            disk.create_dir_all(&path.join("tmp"))?;
            for entry in disk.list(&path.join("tmp"))? {
                disk.remove_file(&entry.path)?;
            }
            // A killed process may have made folders without flushing their names.
            disk.sync_dir(&blocks)?;
            for entry in disk.list(&blocks)? {
                if let Some(number) = folder_number(&entry.path) {
                    made[usize::from(number)] = AtomicBool::new(true);
                }
            }
        }
        let weight = capacity.unwrap_or_else(|| disk.space(&path).map_or(1, |space| space.total_bytes));
        Ok(Self {
            path,
            id,
            weight: weight.max(1),
            read_only,
            contact: Contact::new(marker),
            disk,
            failed: AtomicBool::new(false),
            made,
            next_temporary: AtomicU64::new(0),
        })
    }

    /// Whether new files may be written here.
    pub fn is_writable(&self) -> bool {
        !self.read_only && !self.has_failed() && !self.contact.is_lost()
    }

    /// Whether a failed flush has stopped all writes here.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// An error when the disk is not there any more, so that an empty mount point is never taken
    /// for a disk that has lost everything. Whoever meets it first has the disk taken for gone.
    pub fn check_present(&self) -> io::Result<()> {
        if self.contact.is_lost() {
            return Err(gone());
        }
        match self.disk.exists(&marker::path_in(&self.path)) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.contact.note_marker_gone();
                Err(gone())
            }
            Err(error) => {
                if is_of_the_device(&error) {
                    self.contact.note_marker_gone();
                }
                Err(error)
            }
        }
    }

    /// Reads the marker: another disk, or none, in this place is noticed, and so is the right one when it is back. Says
    /// what may be wrong with one that is back.
    pub fn look_at_marker(&self) -> io::Result<()> {
        if self.contact.refuses() {
            return Ok(());
        }
        let is_own = match marker::read(self.disk.as_ref(), &self.path) {
            Ok(found) => matches!(found, Some(Ok(marker)) if marker.disk == self.id),
            Err(error) if is_of_the_device(&error) => false,
            Err(error) => return Err(error),
        };
        match (is_own, self.contact.is_lost()) {
            (true, true) => self.come_back(),
            (true, false) => Ok(()),
            (false, _) => {
                self.contact.note_marker_gone();
                Ok(())
            }
        }
    }

    /// Uses a disk again that was gone: as at a start, but for what unfinished writes left behind, which the next start
    /// sweeps, since one of them may still be under way.
    fn come_back(&self) -> io::Result<()> {
        if !self.read_only {
            // Folders that were made and not flushed may be gone, or may be there without having been flushed.
            self.made.iter().for_each(|made| made.store(false, Ordering::Release));
            self.disk.create_dir_all(&self.path.join("tmp"))?;
            self.disk.create_dir_all(&self.path.join("blocks"))?;
            self.disk.sync_dir(&self.path.join("blocks"))?;
        }
        self.contact.come_back(|| self.disk.open(&marker::path_in(&self.path), OpenMode::Read))
    }

    /// Whether `length` bytes leave the reserve alone.
    pub fn has_room(&self, length: u64) -> io::Result<bool> {
        let space = self.disk.space(&self.path)?;
        let reserve = RESERVE_BYTES.min(space.total_bytes / RESERVE_DIVISOR);
        Ok(space.available_bytes >= reserve.saturating_add(length))
    }

    /// Whether not even one more block has room. A disk that cannot say is not called full.
    pub fn is_full(&self) -> bool {
        self.has_room(BLOCK_SIZE_BYTES as u64).is_ok_and(|room| !room)
    }

    /// Room on the disk, for statistics.
    pub fn space(&self) -> io::Result<env::Space> {
        self.disk.space(&self.path)
    }

    /// Reads and verifies one file.
    pub fn read(&self, hash: &BlockHash, form: Form, codec: &Codec) -> io::Result<Found> {
        self.read_at(&self.file_path(hash, form), hash, form, codec)
    }

    /// Reads and verifies a file that was set aside, and gives it its name back if it is good and
    /// the name is free.
    pub fn put_back(&self, hash: &BlockHash, form: Form, codec: &Codec) -> io::Result<Found> {
        let path = self.file_path(hash, form);
        let aside = with_suffix(&path, CORRUPTED_SUFFIX);
        let found = self.read_at(&aside, hash, form, codec)?;
        if matches!(found, Found::Good { .. }) && self.is_writable() && !self.disk.exists(&path)? {
            self.disk.rename(&aside, &path)?;
            self.sync_name(hash)?;
        }
        Ok(found)
    }

    /// The bytes of a file as they are stored, verified; `None`: it is not there, or damaged.
    pub fn read_stored(&self, hash: &BlockHash, form: Form, codec: &Codec) -> io::Result<Option<Vec<u8>>> {
        let bytes = self.bytes_at(&self.file_path(hash, form))?;
        Ok(match bytes {
            Bytes::Whole(stored) => content_of(&stored, hash, form, codec).is_some().then_some(stored),
            Bytes::Absent | Bytes::Damaged => None,
        })
    }

    fn read_at(&self, path: &Path, hash: &BlockHash, form: Form, codec: &Codec) -> io::Result<Found> {
        let stored = match self.bytes_at(path)? {
            Bytes::Absent => return Ok(Found::Absent),
            Bytes::Damaged => return Ok(Found::Damaged),
            Bytes::Whole(stored) => stored,
        };
        let stored_bytes = stored.len() as u64;
        Ok(match content_of(&stored, hash, form, codec) {
            Some(content) => Found::Good { content: content.unwrap_or(stored), stored_bytes },
            None => Found::Damaged,
        })
    }

    fn bytes_at(&self, path: &Path) -> io::Result<Bytes> {
        let file = match self.disk.open(path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Bytes::Absent),
            Err(error) => return Err(error),
        };
        let stored_bytes = file.len()?;
        if stored_bytes > BLOCK_SIZE_BYTES as u64 {
            return Ok(Bytes::Damaged);
        }
        let mut stored = vec![0; stored_bytes as usize];
        match file.read_exact_at(&mut stored, 0) {
            Ok(()) => Ok(Bytes::Whole(stored)),
            Err(error) if is_damage(&error) => Ok(Bytes::Damaged),
            Err(error) => Err(error),
        }
    }

    /// Whether a file of this block is there, unverified.
    pub fn holds(&self, hash: &BlockHash) -> io::Result<bool> {
        for form in Form::ALL {
            if self.disk.exists(&self.file_path(hash, form))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes a file: temporary file, flush, rename, flush of the folder. Durable when it returns.
    /// A failure before the rename leaves nothing behind, a failure after it a file without a
    /// reference, a crash at most a temporary file, which the next start sweeps.
    pub fn write(&self, hash: &BlockHash, form: Form, stored: &[u8]) -> Result<(), WriteFailure> {
        let folder = self.make_folder(hash).map_err(write_failure)?;
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.path.join("tmp").join(number.to_string());
        let written = self
            .write_temporary(&temporary, stored)
            .and_then(|()| self.disk.rename(&temporary, &self.file_path(hash, form)));
        if let Err(error) = written {
            // What cannot be removed now is swept at the next start.
            let _ = self.disk.remove_file(&temporary);
            return Err(write_failure(error));
        }
        self.sync(&folder).map_err(write_failure)
    }

    fn write_temporary(&self, temporary: &Path, stored: &[u8]) -> io::Result<()> {
        let file = self.disk.open(temporary, OpenMode::CreateNew)?;
        file.write_all_at(stored, 0)?;
        file.sync().inspect_err(|error| self.note_failed_flush(error))
    }

    /// Makes the name of an existing file durable: an earlier process may have been killed
    /// between renaming it and the flush.
    pub fn sync_name(&self, hash: &BlockHash) -> io::Result<()> {
        self.sync(&self.folder_of(hash))
    }

    /// Removes every file of a block and returns how many bytes they took. Durable once
    /// [`DataFolder::sync`] was called on the block's folder.
    pub fn remove(&self, hash: &BlockHash) -> io::Result<u64> {
        let mut freed_bytes = 0;
        for form in Form::ALL {
            let path = self.file_path(hash, form);
            for path in [with_suffix(&path, CORRUPTED_SUFFIX), path] {
                let length = match self.disk.open(&path, OpenMode::Read) {
                    Ok(file) => file.len().unwrap_or(0),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(_) => 0,
                };
                self.disk.remove_file(&path)?;
                freed_bytes += length;
            }
        }
        Ok(freed_bytes)
    }

    /// Removes one file of a block; durable when it returns.
    pub fn unlink(&self, hash: &BlockHash, form: Form) -> io::Result<()> {
        self.disk.remove_file(&self.file_path(hash, form))?;
        self.sync_name(hash)
    }

    /// Sets a damaged file aside, so that it is neither read again nor lost to a curious operator.
    pub fn set_aside(&self, hash: &BlockHash, form: Form) -> io::Result<()> {
        let path = self.file_path(hash, form);
        self.disk.rename(&path, &with_suffix(&path, CORRUPTED_SUFFIX))?;
        self.sync_name(hash)
    }

    /// Makes the names in a folder durable.
    pub fn sync(&self, folder: &Path) -> io::Result<()> {
        self.disk.sync_dir(folder).inspect_err(|error| self.note_failed_flush(error))
    }

    /// The blocks in one of the 256 folders, sorted by file name: those with a file, and those
    /// whose damaged file was set aside. Other files are left out.
    pub fn list(&self, folder: u8) -> io::Result<Vec<(String, BlockHash, Form)>> {
        let path = self.path.join("blocks").join(format!("{folder:02x}"));
        if !self.disk.exists(&path)? {
            return Ok(Vec::new());
        }
        let mut blocks = Vec::new();
        for entry in self.disk.list(&path)? {
            let Some(name) = entry.path.file_name().and_then(|name| name.to_str()) else { continue };
            let whole = name.strip_suffix(CORRUPTED_SUFFIX).unwrap_or(name);
            let (digits, form) = match whole.strip_suffix(COMPRESSED_SUFFIX) {
                Some(digits) => (digits, Form::Compressed),
                None => (whole, Form::Plain),
            };
            if let Some(hash) = BlockHash::from_hex(digits) {
                blocks.push((name.to_owned(), hash, form));
            }
        }
        Ok(blocks)
    }

    /// The folder that holds the files of a block.
    pub fn folder_of(&self, hash: &BlockHash) -> PathBuf {
        self.path.join("blocks").join(format!("{:02x}", hash.as_bytes()[0]))
    }

    /// Whether that folder exists; when it cannot be told, yes.
    pub fn has_folder_of(&self, hash: &BlockHash) -> bool {
        self.disk.exists(&self.folder_of(hash)).unwrap_or(true)
    }

    /// The name of a file.
    pub fn file_name(hash: &BlockHash, form: Form) -> String {
        format!("{hash}{}", form.suffix())
    }

    fn file_path(&self, hash: &BlockHash, form: Form) -> PathBuf {
        self.folder_of(hash).join(Self::file_name(hash, form))
    }

    fn make_folder(&self, hash: &BlockHash) -> io::Result<PathBuf> {
        let folder = self.folder_of(hash);
        let made = &self.made[usize::from(hash.as_bytes()[0])];
        if !made.load(Ordering::Acquire) {
            self.disk.create_dir_all(&folder)?;
            made.store(true, Ordering::Release);
        }
        Ok(folder)
    }

    /// Running full is no failure of the disk: nothing that was written before is in doubt.
    fn note_failed_flush(&self, error: &io::Error) {
        if !is_full(error) && !self.failed.swap(true, Ordering::AcqRel) {
            tracing::error!(
                folder = %self.path.display(), %error,
                "a flush failed: this data folder takes no more writes until a restart; check the disk"
            );
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "its disk is gone: is it still mounted?")
}

/// Errors that mean the bytes are not there, rather than that the system is short of something.
fn is_damage(error: &io::Error) -> bool {
    /// EIO: the disk cannot read these sectors.
    const UNREADABLE_SECTORS: i32 = 5;
    error.kind() == io::ErrorKind::UnexpectedEof || error.raw_os_error() == Some(UNREADABLE_SECTORS)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn write_failure(error: io::Error) -> WriteFailure {
    if is_full(&error) { WriteFailure::Full } else { WriteFailure::Failed(error) }
}

/// Whether stored bytes are a block, and its content where that is not those bytes themselves.
fn content_of(stored: &[u8], hash: &BlockHash, form: Form, codec: &Codec) -> Option<Option<Vec<u8>>> {
    let content = match form {
        Form::Plain => None,
        Form::Compressed => Some(codec.decompress(stored)?),
    };
    (BlockHash::of(content.as_deref().unwrap_or(stored)) == *hash).then_some(content)
}

/// Which of the 256 folders this is.
fn folder_number(path: &Path) -> Option<u8> {
    u8::from_str_radix(path.file_name()?.to_str().filter(|name| name.len() == 2)?, 16).ok()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
