//! Whether the disk of a data folder is there while the node runs.
//!
//! A disk is *gone* when its marker file is not there any more, or when it refuses one operation after the other although
//! the marker can still be read, from memory perhaps. From that moment nothing is written to its folder and no file in it
//! counts as here. A disk whose marker was gone and can be read again is back; one that refuses stays gone until the next
//! start, since nothing that is read from memory says anything about it.

use env::DiskFile;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many refusals of a disk, one after the other, and it is gone: more than a folder with a bad sector gives while other
/// folders are still read.
const REFUSALS_MAX: u32 = 16;

/// What is known of the disk of one folder. In memory.
pub(crate) struct Contact {
    /// The lock on the marker, for as long as the folder is used; none while its disk is gone.
    marker: Mutex<Option<Box<dyn DiskFile>>>,
    is_marker_gone: AtomicBool,
    refuses: AtomicBool,
    refusals: AtomicU32,
    /// The store knows that it is gone: what it held is looked for.
    is_recorded: AtomicBool,
}

impl Contact {
    /// With a disk that was there a moment ago, and the lock on its marker.
    pub fn new(marker: Box<dyn DiskFile>) -> Self {
        Self {
            marker: Mutex::new(Some(marker)),
            is_marker_gone: AtomicBool::new(false),
            refuses: AtomicBool::new(false),
            refusals: AtomicU32::new(0),
            is_recorded: AtomicBool::new(false),
        }
    }

    /// Whether the disk is gone.
    pub fn is_lost(&self) -> bool {
        self.is_marker_gone.load(Ordering::SeqCst) || self.refuses()
    }

    /// Whether it refuses what it is asked for, and is therefore gone until the next start.
    pub fn refuses(&self) -> bool {
        self.refuses.load(Ordering::SeqCst)
    }

    /// Whether it is gone and the store does not know that yet: nobody can say what is lacking here.
    pub fn is_unrecorded_loss(&self) -> bool {
        self.is_lost() && !self.is_recorded.load(Ordering::SeqCst)
    }

    /// Whether the store takes it for gone.
    pub fn is_recorded(&self) -> bool {
        self.is_recorded.load(Ordering::SeqCst)
    }

    /// The store takes it for gone, or for being there, from now on.
    pub fn set_recorded(&self, is_recorded: bool) {
        self.is_recorded.store(is_recorded, Ordering::SeqCst);
    }

    /// The marker is not there.
    pub fn note_marker_gone(&self) {
        self.is_marker_gone.store(true, Ordering::SeqCst);
    }

    /// The disk did something that it was asked for.
    pub fn note_success(&self) {
        self.refusals.store(0, Ordering::Relaxed);
    }

    /// It did not.
    pub fn note_error(&self, error: &io::Error) {
        if is_of_the_device(error) && self.refusals.fetch_add(1, Ordering::Relaxed) + 1 >= REFUSALS_MAX {
            self.refuses.store(true, Ordering::SeqCst);
        }
    }

    /// The marker is there again: locks it anew, by what opens it.
    pub fn come_back(&self, open: impl FnOnce() -> io::Result<Box<dyn DiskFile>>) -> io::Result<()> {
        let mut marker = self.marker();
        // The same file may be back, and one process holds a lock once.
        *marker = None;
        let file = open()?;
        file.lock_exclusive()?;
        *marker = Some(file);
        self.is_marker_gone.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn marker(&self) -> MutexGuard<'_, Option<Box<dyn DiskFile>>> {
        self.marker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Errors of a disk that is not there, rather than of one file on it or of a system that is short of something.
pub(crate) fn is_of_the_device(error: &io::Error) -> bool {
    /// EIO, ENXIO, ENODEV, ENOTCONN, ESHUTDOWN, ESTALE and EREMOTEIO.
    const OF_THE_DEVICE: [i32; 7] = [5, 6, 19, 107, 108, 116, 121];
    error.raw_os_error().is_some_and(|number| OF_THE_DEVICE.contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoFile;

    impl DiskFile for NoFile {
        fn len(&self) -> io::Result<u64> {
            Ok(0)
        }
        fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            Ok(())
        }
        fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Ok(())
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
        fn lock_exclusive(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_disk_that_refuses_again_and_again_is_given_up() {
        let contact = Contact::new(Box::new(NoFile));
        let (refused, other) = (io::Error::from_raw_os_error(5), io::Error::from_raw_os_error(24));
        for _ in 1..REFUSALS_MAX {
            contact.note_error(&refused);
        }
        contact.note_success();
        for _ in 1..REFUSALS_MAX {
            contact.note_error(&refused);
            contact.note_error(&other);
        }
        assert!(!contact.is_lost(), "it did something meanwhile, and too many open files are no fault of it");
        contact.note_error(&refused);
        assert!(contact.is_unrecorded_loss() && contact.refuses());
        contact.note_success();
        contact.come_back(|| Ok(Box::new(NoFile))).unwrap();
        assert!(contact.is_lost(), "until the next start");
    }
}
