//! The file below redb: its reads and writes through the disk door.
//!
//! redb gives up a database at its first failed read or write, so this notes what kind of failure
//! it was, which decides whether the database may be opened again ([`Health`]). A generation that
//! was given up is cut off: it can no longer touch the file its successor works on.

use env::DiskFile;
use redb::StorageBackend;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What has gone wrong below one generation of the database.
#[derive(Debug, Default)]
pub(super) struct Health {
    full: AtomicBool,
    read_failed: AtomicBool,
    write_failed: AtomicBool,
    cut: AtomicBool,
}

impl Health {
    /// A write found no room.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// A write or flush failed for another reason: what is on the disk is unknown.
    pub fn has_unknown_outcome(&self) -> bool {
        self.write_failed.load(Ordering::Acquire)
    }

    /// redb has given up, and opening the file again is safe: nothing is unknown.
    pub fn can_reopen(&self) -> bool {
        (self.is_full() || self.read_failed.load(Ordering::Acquire)) && !self.has_unknown_outcome()
    }

    /// From now on this generation cannot reach the file.
    pub fn cut_off(&self) {
        self.cut.store(true, Ordering::Release);
    }
}

/// redb's view of the file.
pub(super) struct Backend {
    pub file: Arc<dyn DiskFile>,
    pub health: Arc<Health>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}

/// Whether the disk has no room (or the user's quota has none).
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Backend {
    fn reachable(&self) -> io::Result<()> {
        if self.health.cut.load(Ordering::Acquire) {
            return Err(io::Error::other("the database was opened again after a failure"));
        }
        Ok(())
    }

    fn note_write<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            let flag = if is_full(error) { &self.health.full } else { &self.health.write_failed };
            flag.store(true, Ordering::Release);
        }
        result
    }

    fn note_read<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.health.read_failed.store(true, Ordering::Release);
        }
        result
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.reachable()?;
        self.note_read(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.reachable()?;
        self.note_read(self.file.read_exact_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.reachable()?;
        self.note_write(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.reachable()?;
        let result = self.file.sync();
        if result.is_err() {
            // Even "no space left" is an unknown outcome here: some of the bytes may be durable.
            self.health.write_failed.store(true, Ordering::Release);
        }
        result
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.reachable()?;
        self.note_write(self.file.write_all_at(data, offset))
    }
}
