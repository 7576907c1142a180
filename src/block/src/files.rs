//! Storing and reading blocks.

use crate::content::HashedBlock;
use crate::folder::{DataFolder, Form, Found, WriteFailure};
use crate::lock::{BlockLock, Held};
use crate::{BlockError, BlockStore, Shared, place};
use base::BlockHash;
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a block came to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// A file was written.
    Written {
        /// Bytes it takes.
        stored_bytes: u64,
    },
    /// A file was there, and was verified.
    Duplicate {
        /// Bytes it takes.
        stored_bytes: u64,
    },
}

/// What is there of a block before it is stored.
#[derive(Default)]
struct Existing<'a> {
    /// Bytes of a good and durable file.
    stored_bytes: Option<u64>,
    /// Files that looked damaged.
    damaged: Vec<(&'a DataFolder, Form)>,
}

/// What happened since the start.
#[derive(Default)]
pub(crate) struct Counters {
    pub read_bytes: AtomicU64,
    pub written_bytes: AtomicU64,
    pub damaged: AtomicU64,
    pub missing: AtomicU64,
    pub disk_errors: AtomicU64,
}

/// What a reader met.
#[derive(Default)]
struct Reading<'a> {
    content: Option<Bytes>,
    /// Files that looked damaged.
    damaged: Vec<(&'a DataFolder, Form)>,
    /// What a disk said that refused.
    failure: Option<BlockError>,
}

impl BlockStore {
    /// Stores a block durably, unless a verified file of it is here already. `lock` must cover
    /// it and must be kept until its reference is committed.
    ///
    /// # Panics
    /// If `lock` does not cover the block, because the file could then be unlinked at any moment.
    pub async fn put(&self, lock: &BlockLock, block: &HashedBlock) -> Result<Stored, BlockError> {
        let hash = block.hash();
        assert!(lock.covers(&hash), "a block is stored under its lock");
        if let Some(held) = self.shared.locks.held(&hash) {
            return Ok(Stored::Duplicate { stored_bytes: held.stored_bytes });
        }
        let permit = Arc::clone(&self.shared.writes).acquire_owned().await;
        let (shared, lock, block) = (Arc::clone(&self.shared), lock.clone(), block.clone());
        let work = move || {
            let stored = shared.put(&block);
            match &stored {
                Ok(_) => shared.lacking.note_settled(&block.hash()),
                // A failure after the rename leaves a file that nobody will reference.
                Err(_) => shared.locks.suspect(block.hash()),
            }
            // A cancelled caller has let go of its lock by now; the work has not.
            drop((lock, permit));
            stored
        };
        self.shared.env.tasks.blocking(work).await
    }

    /// Locks and stores one block.
    pub async fn put_one(&self, block: &HashedBlock) -> Result<(BlockLock, Stored), BlockError> {
        let lock = self.lock([block.hash()]).await;
        let stored = self.put(&lock, block).await?;
        Ok((lock, stored))
    }

    /// Whether a good file of the block is here, verified under its lock: if so, a reference may
    /// be added without the bytes.
    ///
    /// # Panics
    /// If `lock` does not cover the block.
    pub async fn verify(&self, lock: &BlockLock, hash: &BlockHash) -> Result<bool, BlockError> {
        assert!(lock.covers(hash), "a block is verified under its lock");
        if self.shared.locks.held(hash).is_some() {
            return Ok(true);
        }
        let (lock, hash) = (lock.clone(), *hash);
        let find = move |shared: &Arc<Shared>| {
            let found = shared.find_existing(&hash).stored_bytes.is_some();
            drop(lock);
            found
        };
        Ok(self.reading(find).await)
    }

    /// The content of a block, verified.
    pub async fn get(&self, hash: &BlockHash) -> Result<Bytes, BlockError> {
        let hash = *hash;
        self.reading(move |shared| shared.get(&hash)).await
    }

    /// Runs what reads a block, as one of those that may at once.
    pub(crate) async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Arc<Shared>) -> T + Send + 'static,
    ) -> T {
        let permit = Arc::clone(&self.shared.reads).acquire_owned().await;
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let found = read(&shared);
            drop(permit);
            found
        };
        self.shared.env.tasks.blocking(work).await
    }
}

impl Shared {
    /// The folders in the order in which to try them for a block, but for those whose disks are gone.
    pub fn folders_for(&self, hash: &BlockHash) -> impl Iterator<Item = &DataFolder> {
        let disks: Vec<_> = self.folders.iter().map(|folder| (folder.id, folder.weight)).collect();
        let ordered = place::order(&disks, hash).into_iter().map(|index| &self.folders[index]);
        ordered.filter(|folder| !folder.contact.is_lost())
    }

    fn put(&self, block: &HashedBlock) -> Result<Stored, BlockError> {
        let hash = block.hash();
        let existing = self.find_existing(&hash);
        if let Some(stored_bytes) = existing.stored_bytes {
            return Ok(Stored::Duplicate { stored_bytes });
        }
        let compressed = self.codec.compress(block.content());
        let (form, stored) = match &compressed {
            Some(compressed) => (Form::Compressed, compressed.as_slice()),
            None => (Form::Plain, block.content().as_ref()),
        };
        self.write_somewhere(&hash, form, stored)?;
        self.set_aside_if_damaged(&hash, &existing.damaged);
        let stored_bytes = stored.len() as u64;
        self.counters.written_bytes.fetch_add(stored_bytes, Ordering::Relaxed);
        self.locks.note_held(&hash, Held { stored_bytes }, true);
        Ok(Stored::Written { stored_bytes })
    }

    /// Looks for a good and durable file of a block. Only under the block's lock.
    ///
    /// Files that look damaged stay where they are until a good copy is durable: if the disk only
    /// misread one of them, it may be the last copy that others reference.
    fn find_existing(&self, hash: &BlockHash) -> Existing<'_> {
        let mut existing = Existing::default();
        for folder in self.folders_for(hash) {
            for form in Form::ALL {
                match folder.read(hash, form, &self.codec) {
                    Ok(Found::Absent) => {}
                    Ok(Found::Damaged) => existing.damaged.push((folder, form)),
                    Ok(Found::Good { stored_bytes, .. }) => {
                        // After a failed flush a later one that succeeds proves nothing.
                        let durable = !folder.has_failed() && folder.sync_name(hash).is_ok();
                        if folder.read_only || durable {
                            self.locks.note_held(hash, Held { stored_bytes }, false);
                            if folder.contact.is_lost() {
                                // Gone meanwhile: the file counts as lost with everything else that is there.
                                self.locks.note_gone(hash);
                                continue;
                            }
                            self.set_aside_if_damaged(hash, &existing.damaged);
                            existing.stored_bytes = Some(stored_bytes);
                            return existing;
                        }
                    }
                    Err(error) => self.note_disk_error(folder, &error),
                }
            }
        }
        existing
    }

    fn write_somewhere(&self, hash: &BlockHash, form: Form, stored: &[u8]) -> Result<(), BlockError> {
        let mut failure = None;
        let mut full = false;
        for folder in self.folders_for(hash).filter(|folder| folder.is_writable()) {
            let room = folder.check_present().and_then(|()| folder.has_room(stored.len() as u64));
            let written = match room {
                Ok(true) => folder.write(hash, form, stored),
                Ok(false) => Err(WriteFailure::Full),
                Err(error) => Err(WriteFailure::Failed(error)),
            };
            match written {
                // Gone meanwhile: the file counts as lost with everything else that is there.
                Ok(()) if folder.contact.is_lost() => {
                    failure = folder.check_present().err().map(|source| disk_failed(folder, source));
                }
                Ok(()) => {
                    folder.contact.note_success();
                    return Ok(());
                }
                Err(WriteFailure::Full) => full = true,
                Err(WriteFailure::Failed(source)) => {
                    self.note_disk_error(folder, &source);
                    failure = Some(disk_failed(folder, source));
                }
            }
        }
        match failure {
            Some(failure) => Err(failure),
            None if full => Err(BlockError::Full),
            None => Err(self.no_writable_folder()),
        }
    }

    fn no_writable_folder(&self) -> BlockError {
        match self.folders.iter().find(|folder| folder.has_failed()) {
            Some(folder) => {
                let text = "an earlier flush failed; restart the node after checking the disk";
                disk_failed(folder, io::Error::other(text))
            }
            None => self.absent_folder().unwrap_or(BlockError::NoFolder),
        }
    }

    /// Reads and verifies the files of a block until one is good.
    fn read_any(&self, hash: &BlockHash) -> Reading<'_> {
        let mut reading = Reading::default();
        for folder in self.folders_for(hash) {
            for form in Form::ALL {
                match folder.read(hash, form, &self.codec) {
                    Ok(Found::Absent) => {}
                    Ok(Found::Damaged) => reading.damaged.push((folder, form)),
                    Ok(Found::Good { content, stored_bytes }) => {
                        folder.contact.note_success();
                        self.counters.read_bytes.fetch_add(stored_bytes, Ordering::Relaxed);
                        reading.content = Some(content.into());
                        return reading;
                    }
                    Err(source) => {
                        self.note_disk_error(folder, &source);
                        reading.failure = Some(disk_failed(folder, source));
                    }
                }
            }
        }
        reading
    }

    fn get(self: &Arc<Self>, hash: &BlockHash) -> Result<Bytes, BlockError> {
        let read = self.unless_moved(|| self.read_any(hash), |reading| reading.content.is_some());
        let Reading { content, damaged, failure } = read;
        if let Some(content) = content {
            self.set_damaged_aside(hash, &damaged);
            return Ok(content);
        }
        self.locks.suspect(*hash);
        self.set_damaged_aside(hash, &damaged);
        if let Some(_lock) = self.locks.try_lock(*hash)
            && let Some(content) = self.look_again(hash)
        {
            return Ok(content);
        }
        if !damaged.is_empty() {
            return Err(BlockError::Damaged { hash: *hash });
        }
        Err(failure.or_else(|| self.absent_folder()).unwrap_or_else(|| {
            self.counters.missing.fetch_add(1, Ordering::Relaxed);
            BlockError::Missing { hash: *hash }
        }))
    }

    /// A folder whose disk is gone: whoever asks for a block that is not found is not told that there is none.
    pub fn absent_folder(&self) -> Option<BlockError> {
        let absent = |folder: &DataFolder| Some(disk_failed(folder, folder.check_present().err()?));
        self.folders.iter().find_map(absent)
    }

    /// The same as long as the store does not take the disk for gone: nothing is concluded from what is not found.
    pub fn absent_unrecorded(&self) -> Option<BlockError> {
        let mut unrecorded = self.folders.iter().filter(|folder| !folder.contact.is_recorded());
        unrecorded.find_map(|folder| Some(disk_failed(folder, folder.check_present().err()?)))
    }

    /// Sets files aside that a reader found damaged. Without waiting: whoever holds the lock is
    /// storing the block anew and verifies the file itself, or is removing it.
    pub fn set_damaged_aside(self: &Arc<Self>, hash: &BlockHash, damaged: &[(&DataFolder, Form)]) {
        if damaged.is_empty() {
            return;
        }
        let Some(_lock) = self.locks.try_lock(*hash) else { return };
        self.set_aside_if_damaged(hash, damaged);
    }

    /// Sets aside those files that are still damaged when read again: the disk may have misread
    /// them, or they were replaced by good ones since. Only under the block's lock.
    fn set_aside_if_damaged(&self, hash: &BlockHash, damaged: &[(&DataFolder, Form)]) {
        for (folder, form) in damaged {
            if let Ok(Found::Damaged) = folder.read(hash, *form, &self.codec) {
                self.set_aside(folder, hash, *form);
            }
        }
    }

    /// Reads files once more that could not be read, and puts back what was set aside although it
    /// is good: a file that the disk misreads looks damaged. Only under the block's lock.
    pub fn look_again(&self, hash: &BlockHash) -> Option<Bytes> {
        for folder in self.folders_for(hash) {
            for form in Form::ALL {
                if let Ok(Found::Good { content, .. }) = folder.read(hash, form, &self.codec) {
                    return Some(content.into());
                }
                match folder.put_back(hash, form, &self.codec) {
                    Ok(Found::Good { content, .. }) => {
                        let folder = folder.path.display();
                        tracing::warn!(%hash, %folder, "a block that was set aside is good after all");
                        return Some(content.into());
                    }
                    Ok(Found::Absent | Found::Damaged) => {}
                    Err(error) => self.note_disk_error(folder, &error),
                }
            }
        }
        None
    }

    fn set_aside(&self, folder: &DataFolder, hash: &BlockHash, form: Form) {
        self.counters.damaged.fetch_add(1, Ordering::Relaxed);
        let folder_path = folder.path.display();
        if folder.read_only {
            tracing::error!(%hash, folder = %folder_path, "a block in a read-only data folder is damaged");
            return;
        }
        match folder.set_aside(hash, form) {
            Ok(()) => tracing::error!(%hash, folder = %folder_path, "a damaged block was set aside"),
            Err(error) => {
                folder.contact.note_error(&error);
                self.counters.disk_errors.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%hash, folder = %folder_path, %error, "a damaged block cannot be set aside");
            }
        }
    }

    pub fn note_disk_error(&self, folder: &DataFolder, error: &io::Error) {
        self.counters.disk_errors.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(folder = %folder.path.display(), %error, "a data folder refused an operation");
        folder.contact.note_error(error);
        // The first who meets a disk that is gone has it taken for gone.
        let _ = folder.check_present();
    }
}

fn disk_failed(folder: &DataFolder, source: io::Error) -> BlockError {
    BlockError::DiskFailed { path: folder.path.clone(), source }
}
