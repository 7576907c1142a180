//! Room that is kept for deletes: a file of nothing, given up when somebody else has filled the disk to the last byte.
//!
//! The store leaves a reserve free by itself; what it cannot keep is what others write beside it. Then a delete cannot be
//! recorded, and the one who would make room is stuck. Always holds: the file is nothing but room, so whether it is there
//! matters to nobody, and it is never flushed.

use env::{Disk, OpenMode};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Its name, in the folder of the metadata.
const NAME: &str = "room-for-deletes";
/// Some thousand deletes fit in it.
const BYTES: u64 = 4 << 20;
/// With this much room it is made (again): far from the point where it is given up.
const MADE_WITH_BYTES: u64 = 64 << 20;

/// The file, there or given up.
pub(super) struct Spare {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    is_here: AtomicBool,
}

impl Spare {
    /// That of a folder.
    pub fn new(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        let path = folder.join(NAME);
        let is_here = AtomicBool::new(disk.exists(&path).unwrap_or(false));
        Self { disk, path, is_here }
    }

    /// Makes it where it is not there and there is room. A disk that fails now shows so elsewhere.
    pub fn keep(&self, available_bytes: u64) {
        if self.is_here.load(Ordering::Relaxed) || available_bytes < MADE_WITH_BYTES {
            return;
        }
        let zeros = vec![0; BYTES as usize];
        let made =
            self.disk.open(&self.path, OpenMode::ReadWrite).and_then(|file| file.write_all_at(&zeros, 0));
        self.is_here.store(made.is_ok(), Ordering::Relaxed);
    }

    /// Gives it up; whether there was something to give up.
    pub fn give_up(&self) -> bool {
        let was_here = self.is_here.swap(false, Ordering::Relaxed);
        let is_gone = was_here && self.disk.remove_file(&self.path).is_ok();
        if is_gone {
            tracing::warn!(
                "the metadata disk is full to the last byte: the room kept for deletes is used now"
            );
        }
        is_gone
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_where_there_is_room_and_given_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let disk = env::real::env().disk;
        let bytes = || disk.open(&folder.path().join(NAME), OpenMode::Read).and_then(|file| file.len()).ok();
        let spare = Spare::new(Arc::clone(&disk), folder.path());
        spare.keep(MADE_WITH_BYTES - 1);
        assert_eq!((bytes(), spare.give_up()), (None, false));
        spare.keep(MADE_WITH_BYTES);
        assert_eq!(bytes(), Some(BYTES));
        let again = Spare::new(Arc::clone(&disk), folder.path());
        assert!(again.give_up(), "a start finds it");
        assert_eq!((bytes(), again.give_up()), (None, false));
    }
}
