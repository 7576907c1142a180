//! The disk door: the few file operations the product needs, all of them blocking.
//!
//! Callers run them on the committer thread or through [`crate::Tasks::blocking`], never on an
//! async thread. What counts as durable: a file's bytes after [`DiskFile::sync`]; a name (created,
//! renamed or removed) after [`Disk::sync_dir`] of its folder. Nothing else.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; reads only.
    Read,
    /// Created when missing; reads and writes; keeps what is there.
    ReadWrite,
    /// Must not exist; reads and writes.
    CreateNew,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Full path.
    pub path: PathBuf,
    /// Whether it is a folder.
    pub is_dir: bool,
}

/// Room on the file system that holds a path, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What may still be written.
    pub available_bytes: u64,
    /// All there is.
    pub total_bytes: u64,
}

impl Space {
    /// The room of several folders together; those that show the same figures share a file system.
    pub fn together(spaces: impl IntoIterator<Item = Space>) -> Option<Space> {
        let distinct: BTreeSet<(u64, u64)> =
            spaces.into_iter().map(|space| (space.total_bytes, space.available_bytes)).collect();
        let spaces =
            distinct.into_iter().map(|(total_bytes, available_bytes)| Space { available_bytes, total_bytes });
        spaces.reduce(|sum, space| Space {
            available_bytes: sum.available_bytes.saturating_add(space.available_bytes),
            total_bytes: sum.total_bytes.saturating_add(space.total_bytes),
        })
    }
}

/// The files of one node.
pub trait Disk: Send + Sync + 'static {
    /// Creates a folder and its parents; existing ones are fine. Durable when it returns.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>>;
    /// Renames, replacing `to` if it exists. Durable only after [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Durable only after [`Disk::sync_dir`].
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Whether the path exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Room on the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Whether the path lies, or would lie, on another file system than the one at the root: a disk that may be unmounted.
    fn is_on_mounted_disk(&self, path: &Path) -> io::Result<bool>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `buffer` from `offset`; a file that ends before is `UnexpectedEof`.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, growing the file if needed.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Makes the bytes and the length durable. After an error the file's state is unknown: it
    /// must not be retried and called durable.
    fn sync(&self) -> io::Result<()>;
    /// Takes an exclusive advisory lock, held until the file is dropped; `WouldBlock` when
    /// another process holds it.
    fn lock_exclusive(&self) -> io::Result<()>;
}

/// Largest file that [`read_file`] reads: state files are small, and a damaged length must not
/// take all memory.
const READ_FILE_MAX_BYTES: u64 = 64 << 20;

/// The whole content of a small file; `None` when it does not exist.
pub fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.len()?;
    if length > READ_FILE_MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "file is too large for a state file"));
    }
    let mut content = vec![0; length as usize];
    file.read_exact_at(&mut content, 0)?;
    Ok(Some(content))
}

/// Replaces a file so that after a crash either the old or the new content is there, whole:
/// temporary file, fsync, rename, fsync of the folder.
pub fn write_file_durably(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let file = disk.open(&temporary, OpenMode::ReadWrite)?;
    file.set_len(0)?;
    file.write_all_at(content, 0)?;
    file.sync()?;
    drop(file);
    disk.rename(&temporary, path)?;
    disk.sync_dir(folder)
}
