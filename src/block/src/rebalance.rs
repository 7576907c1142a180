//! Rebalance: moves each block to the disk that it belongs on by the shares of the disks ([`crate::place`]), when an
//! operator asks for it: after a disk was added, or its share was changed. A block is found wherever it lies, so nothing
//! waits for this.
//!
//! A block is moved under its lock: its file is read and verified, written durably on the other disk, and only then unlinked
//! where it was. A crash in between leaves two good files, one of which the next pass removes. A reader takes no lock: one that
//! looks for a block while it moves looks again ([`Shared::unless_moved`]). The place that a pass has reached is kept.

use crate::folder::{DataFolder, Form, Found, WriteFailure};
use crate::record::{REBALANCE_KEY, RebalanceState, ScrubPosition};
use crate::{BlockError, BlockStore, Shared};
use base::{BlockHash, WallTime};
use env::{Task, sleep};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{Intent, Read, Space, StoreError, Txn};

/// Files that one step looks at: a listing of their folder, and a look at nothing else.
const STEP_MAX_FILES: u64 = 4096;
/// Blocks that one step moves: 16 MiB are read, and written with a flush each, within a second or two on a hard disk.
const STEP_MAX_MOVES: u64 = 16;

/// How the move of blocks stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebalanceStatus {
    /// A pass has begun and not ended.
    pub running: bool,
    /// How much of it is done, in thousandths.
    pub done_permille: u32,
    /// What it did, or the last one did.
    pub state: RebalanceState,
}

/// Shortest rest after a step, so that one that costs nothing still lets others run.
const REST_MIN: Duration = Duration::from_millis(1);
/// Rest while no pass is running.
const IDLE: Duration = Duration::from_secs(5);

/// What became of a file.
enum Outcome {
    /// It lies where it belongs, or nowhere else is room.
    Stays,
    /// So many bytes were moved.
    Moved(u64),
    /// Its block is in use, or its file cannot be read or written.
    Left,
}

impl BlockStore {
    /// Begins a pass, unless one is running; `false`: fewer than two disks take blocks.
    pub async fn start_rebalance(&self) -> Result<bool, StoreError> {
        if self.shared.folders.iter().filter(|folder| folder.is_writable()).count() < 2 {
            return Ok(false);
        }
        let first = self.shared.first_position();
        let begin = move |txn: &mut Txn<'_>| {
            let state = txn.get::<RebalanceState>(Space::Setting, REBALANCE_KEY)?.unwrap_or_default();
            if state.position.is_none() {
                let fresh =
                    RebalanceState { position: first, completed: state.completed, ..Default::default() };
                txn.put(Space::Setting, REBALANCE_KEY.to_vec(), &fresh);
            }
            Ok::<(), StoreError>(())
        };
        self.shared.store.commit(Intent::Free, begin).await?;
        Ok(true)
    }

    /// How it stands.
    pub fn rebalance_status(&self) -> Result<RebalanceStatus, StoreError> {
        let state = self.shared.store.view()?.get::<RebalanceState>(Space::Setting, REBALANCE_KEY)?;
        let state = state.unwrap_or_default();
        let done_permille = state.position.as_ref().map_or(0, |position| self.shared.done_permille(position));
        Ok(RebalanceStatus { running: state.position.is_some(), done_permille, state })
    }

    /// Starts what takes the steps of a pass that was begun; it ends when the returned task is dropped. After each step it
    /// rests as resync does, so that clients have most of the disks' time.
    pub fn spawn_rebalancer(&self) -> Task<()> {
        let blocks = self.clone();
        self.shared.env.tasks.spawn(async move {
            loop {
                let clock = &blocks.shared.env.clock;
                let began = clock.mono();
                let is_running = blocks.rebalance_step(clock.wall()).await.unwrap_or_else(|error| {
                    tracing::error!(%error, "moving blocks between disks stopped; it is tried again");
                    false
                });
                let rest = clock.mono().saturating_sub(began) * blocks.pace().unwrap_or_default().resync;
                sleep(if is_running { rest.max(REST_MIN) } else { IDLE }).await;
            }
        })
    }

    /// One bounded step. `false`: no pass is running.
    pub async fn rebalance_step(&self, now: WallTime) -> Result<bool, BlockError> {
        let state = self.shared.store.view()?.get::<RebalanceState>(Space::Setting, REBALANCE_KEY)?;
        let Some((mut state, position)) =
            state.and_then(|mut state| state.position.take().map(|position| (state, position)))
        else {
            return Ok(false);
        };
        let shared = Arc::clone(&self.shared);
        let work = move || {
            state.position = shared.rebalance_files(position, &mut state);
            state
        };
        let mut state = self.shared.env.tasks.blocking(work).await;
        if state.position.is_none() {
            state.completed = Some(now);
        }
        let save = move |txn: &mut Txn<'_>| {
            txn.put(Space::Setting, REBALANCE_KEY.to_vec(), &state);
            Ok::<(), StoreError>(())
        };
        self.shared.store.commit(Intent::Free, save).await?;
        Ok(true)
    }
}

impl Shared {
    /// Looks at the next files; where the next step begins.
    fn rebalance_files(
        self: &Arc<Self>,
        from: ScrubPosition,
        state: &mut RebalanceState,
    ) -> Option<ScrubPosition> {
        let (mut files, mut moves) = (0, 0);
        let mut position = Some(from);
        while let Some(here) = position {
            for (name, hash, form) in self.files_at(&here) {
                match self.rebalance_file(here.disk, &hash, form) {
                    Outcome::Stays => {}
                    Outcome::Moved(bytes) => {
                        moves += 1;
                        state.moved += 1;
                        state.moved_bytes = state.moved_bytes.saturating_add(bytes);
                    }
                    Outcome::Left => state.left += 1,
                }
                state.files += 1;
                files += 1;
                if files == STEP_MAX_FILES || moves == STEP_MAX_MOVES {
                    return Some(ScrubPosition { after: name, ..here });
                }
            }
            position = self.next_folder(&here);
        }
        None
    }

    /// The files behind a place in its folder, but for those that were set aside; none where nothing may be moved away.
    fn files_at(&self, place: &ScrubPosition) -> Vec<(String, BlockHash, Form)> {
        let Some(folder) = self.folder_of_disk(place.disk).filter(|folder| folder.is_writable()) else {
            return Vec::new();
        };
        let is_in_use =
            |(name, hash, form): &(String, BlockHash, Form)| *name == DataFolder::file_name(hash, *form);
        self.files_behind(folder, place).filter(is_in_use).collect()
    }

    /// Moves a file to where its block belongs, if that is elsewhere.
    fn rebalance_file(self: &Arc<Self>, disk: [u8; 16], hash: &BlockHash, form: Form) -> Outcome {
        let takes = |folder: &&DataFolder| folder.id == disk || (folder.is_writable() && !folder.is_full());
        let Some(target) = self.folders_for(hash).find(takes).filter(|target| target.id != disk) else {
            return Outcome::Stays;
        };
        let Some(source) = self.folder_of_disk(disk) else { return Outcome::Stays };
        let Some(_lock) = self.locks.try_lock(*hash) else { return Outcome::Left };
        match self.move_file((source, target), hash, form) {
            Ok(Some(bytes)) => Outcome::Moved(bytes),
            Ok(None) => Outcome::Left,
            Err((folder, error)) => {
                self.note_disk_error(folder, &error);
                Outcome::Left
            }
        }
    }

    /// Only under the block's lock. `None`: the file is not a good one, or the other disk has no room.
    fn move_file<'a>(
        &self,
        (source, target): (&'a DataFolder, &'a DataFolder),
        hash: &BlockHash,
        form: Form,
    ) -> Result<Option<u64>, (&'a DataFolder, io::Error)> {
        let of_source = |error| (source, error);
        let Some(stored) = source.read_stored(hash, form, &self.codec).map_err(of_source)? else {
            return Ok(None);
        };
        let is_there = match target.read(hash, form, &self.codec).map_err(|error| (target, error))? {
            // An earlier pass was cut off between the two disks.
            Found::Good { .. } => target.sync_name(hash).map(|()| true),
            Found::Absent | Found::Damaged => target.check_present().map(|()| false),
        };
        if !is_there.map_err(|error| (target, error))? {
            match target.write(hash, form, &stored) {
                Ok(()) => {}
                Err(WriteFailure::Full) => return Ok(None),
                Err(WriteFailure::Failed(error)) => return Err((target, error)),
            }
        }
        if target.has_failed() || target.contact.is_lost() {
            return Ok(None);
        }
        // Before the first name goes: whoever looked at the other disk too early looks again.
        self.moves.fetch_add(1, Ordering::SeqCst);
        source.unlink(hash, form).map_err(of_source)?;
        Ok(Some(stored.len() as u64))
    }

    /// What a look at the files came to, once it is certain that nothing it did not find was moved past it.
    pub fn unless_moved<T>(&self, look: impl Fn() -> T, is_found: impl Fn(&T) -> bool) -> T {
        loop {
            let before = self.moves.load(Ordering::SeqCst);
            let seen = look();
            if is_found(&seen) || self.moves.load(Ordering::SeqCst) == before {
                return seen;
            }
        }
    }
}
