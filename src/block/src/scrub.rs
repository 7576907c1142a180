//! Scrub: reads every file, slowly, and checks it against its name.
//!
//! Damaged files are set aside and their blocks queued, so that they are fetched again from
//! another node; those set aside before are read again and put back if they are good; files without a row are queued for removal, which judges them once more under
//! their lock. The position survives a restart. A pass starts on request and, unless
//! that is switched off, [`SCRUB_INTERVAL_MS`] after the last one ended.

use crate::folder::{DataFolder, FOLDERS, Form, Found};
use crate::record::{RefCount, SCRUB_KEY, ScrubPosition, ScrubState, count_key};
use crate::refcount::{grace_end, queue};
use crate::{BlockError, BlockStore, Shared};
use base::{BlockHash, WallTime};
use std::sync::Arc;
use store::{Intent, Read, Space, StoreError, Txn};

/// Files in one step: at most 64 MiB are read between two notes of the position.
const STEP_MAX_FILES: u64 = 64;
/// From the end of one pass to the start of the next: 30 days, the usual period for disks, long
/// enough that a pass over a slow disk stays in the background.
pub const SCRUB_INTERVAL_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// What the operator wants from scrub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrubCommand {
    /// Begin a pass, unless one is running.
    Start,
    /// Stop until resumed, keeping the position.
    Pause,
    /// Go on after a pause.
    Resume,
    /// End the pass without finishing it.
    Cancel,
}

/// How scrub stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubStatus {
    /// A pass has begun and not ended.
    pub running: bool,
    /// Stopped by the operator.
    pub paused: bool,
    /// How much of the pass is done, in thousandths.
    pub done_permille: u32,
    /// When the last whole pass ended.
    pub completed: Option<WallTime>,
    /// Whether passes begin by themselves.
    pub by_itself: bool,
    /// When the next one is due, once that is known.
    pub next: Option<WallTime>,
    /// Files checked in this pass, or in the last one.
    pub files: u64,
    /// Damaged files found in it.
    pub damaged: u64,
    /// Files without a reference found in it.
    pub orphans: u64,
}

/// What a step found.
#[derive(Default)]
struct Findings {
    files: u64,
    damaged: u64,
    /// Blocks that have a file, or one that was set aside.
    seen: Vec<BlockHash>,
    /// Where the next step begins; `None` at the end of the pass.
    next: Option<ScrubPosition>,
}

impl BlockStore {
    /// Obeys the operator.
    pub async fn scrub(&self, command: ScrubCommand) -> Result<(), StoreError> {
        let first = self.shared.first_position();
        let work = move |txn: &mut Txn<'_>| {
            let mut state = txn.get::<ScrubState>(Space::Setting, SCRUB_KEY)?.unwrap_or_default();
            match command {
                ScrubCommand::Start if state.position.is_some() => state.paused = false,
                ScrubCommand::Start => state = state.started(first),
                ScrubCommand::Pause => state.paused = true,
                ScrubCommand::Resume => state.paused = false,
                ScrubCommand::Cancel => state.position = None,
            }
            txn.put(Space::Setting, SCRUB_KEY.to_vec(), &state);
            Ok(())
        };
        self.shared.store.commit(Intent::Free, work).await
    }

    /// How scrub stands.
    pub fn scrub_status(&self) -> Result<ScrubStatus, StoreError> {
        let state =
            self.shared.store.view()?.get::<ScrubState>(Space::Setting, SCRUB_KEY)?.unwrap_or_default();
        let done_permille = state.position.as_ref().map_or(0, |position| self.shared.done_permille(position));
        Ok(ScrubStatus {
            running: state.position.is_some(),
            paused: state.paused,
            done_permille,
            completed: state.completed.filter(|_| !state.is_first_wait),
            by_itself: self.shared.scrubs_by_itself,
            next: state.completed.map(|_| state.due()),
            files: state.files,
            damaged: state.damaged,
            orphans: state.orphans,
        })
    }

    /// One bounded step. `false`: nothing is to be done now.
    pub async fn scrub_step(&self, now: WallTime) -> Result<bool, BlockError> {
        let stored = self.shared.store.view()?.get::<ScrubState>(Space::Setting, SCRUB_KEY)?;
        let Some(state) = stored else {
            // A new node waits a whole interval before its first pass.
            let first = ScrubState { completed: Some(now), is_first_wait: true, ..ScrubState::default() };
            self.save_scrub(None, first).await?;
            return Ok(false);
        };
        if state.paused {
            return Ok(false);
        }
        let Some(position) = state.position.clone() else {
            if !self.shared.scrubs_by_itself || now < state.due() {
                return Ok(false);
            }
            let first = self.shared.first_position();
            self.save_scrub(None, state.started(first)).await?;
            return Ok(true);
        };
        let (shared, place) = (Arc::clone(&self.shared), position.clone());
        let findings = self.shared.env.tasks.blocking(move || shared.scrub_files(&place)).await;
        self.note_findings(state, position, findings, now).await?;
        Ok(true)
    }

    async fn save_scrub(&self, expected: Option<ScrubPosition>, state: ScrubState) -> Result<(), StoreError> {
        let work = move |txn: &mut Txn<'_>| {
            let current = txn.get::<ScrubState>(Space::Setting, SCRUB_KEY)?.unwrap_or_default();
            if current.position == expected {
                let state = ScrubState { paused: current.paused, ..state };
                txn.put(Space::Setting, SCRUB_KEY.to_vec(), &state);
            }
            Ok(())
        };
        self.shared.store.commit(Intent::Free, work).await
    }

    async fn note_findings(
        &self,
        mut state: ScrubState,
        position: ScrubPosition,
        findings: Findings,
        now: WallTime,
    ) -> Result<(), StoreError> {
        let orphans = self.orphans(&findings.seen)?;
        state.files += findings.files;
        state.damaged += findings.damaged;
        state.orphans += orphans.len() as u64;
        state.position = findings.next;
        if state.position.is_none() {
            state.completed = Some(now);
            state.is_first_wait = false;
        }
        if !orphans.is_empty() {
            let work = move |txn: &mut Txn<'_>| {
                for hash in &orphans {
                    queue(txn, grace_end(now), hash);
                }
                Ok::<(), StoreError>(())
            };
            self.shared.store.commit(Intent::Free, work).await?;
        }
        self.save_scrub(Some(position), state).await
    }

    /// The blocks without a row. One that is being stored right now may be among them: it is
    /// judged again, under its lock, when its entry comes up.
    fn orphans(&self, seen: &[BlockHash]) -> Result<Vec<BlockHash>, StoreError> {
        let view = self.shared.store.view()?;
        let mut orphans = Vec::new();
        for hash in seen {
            // An unreadable row is not an absent one.
            if let Ok(None) = view.get::<RefCount>(Space::RefCount, &count_key(hash)) {
                orphans.push(*hash);
            }
        }
        Ok(orphans)
    }
}

impl ScrubState {
    /// When the next pass begins by itself.
    fn due(&self) -> WallTime {
        WallTime(self.completed.map_or(0, WallTime::millis).saturating_add(SCRUB_INTERVAL_MS))
    }

    /// This state at the beginning of a pass.
    fn started(self, first: Option<ScrubPosition>) -> Self {
        Self { position: first, paused: false, files: 0, damaged: 0, orphans: 0, ..self }
    }
}

impl Shared {
    /// The folders in the order of the walk: by the ids of the disks.
    fn walk_order(&self) -> Vec<&DataFolder> {
        let mut folders: Vec<&DataFolder> = self.folders.iter().collect();
        folders.sort_by_key(|folder| folder.id);
        folders
    }

    pub(crate) fn first_position(&self) -> Option<ScrubPosition> {
        let disk = self.walk_order().first()?.id;
        Some(ScrubPosition { disk, folder: 0, after: String::new() })
    }

    /// The folder after this one.
    pub(crate) fn next_folder(&self, position: &ScrubPosition) -> Option<ScrubPosition> {
        if let Some(folder) = position.folder.checked_add(1) {
            return Some(ScrubPosition { folder, after: String::new(), disk: position.disk });
        }
        let next = self.walk_order().into_iter().find(|folder| folder.id > position.disk)?;
        Some(ScrubPosition { disk: next.id, folder: 0, after: String::new() })
    }

    pub(crate) fn done_permille(&self, position: &ScrubPosition) -> u32 {
        let before = self.folders.iter().filter(|folder| folder.id < position.disk).count();
        let done = before * FOLDERS + usize::from(position.folder);
        u32::try_from(done * 1000 / (self.folders.len() * FOLDERS)).unwrap_or(1000)
    }

    /// Checks the next files.
    fn scrub_files(self: &Arc<Self>, start: &ScrubPosition) -> Findings {
        let mut findings = Findings::default();
        let mut position = Some(start.clone());
        while let Some(here) = position {
            if let Some(after) = self.scrub_folder(&here, &mut findings) {
                findings.next = Some(ScrubPosition { after, ..here });
                return findings;
            }
            position = self.next_folder(&here);
        }
        findings
    }

    /// Checks the next files of one folder, and returns the last name when the step is full. A
    /// disk that is not there any more, or never was, counts as a folder without files.
    fn scrub_folder(self: &Arc<Self>, position: &ScrubPosition, findings: &mut Findings) -> Option<String> {
        let folder = self.folder_of_disk(position.disk).filter(|folder| !folder.contact.is_lost())?;
        for (name, hash, form) in self.files_behind(folder, position) {
            self.scrub_file(folder, (&hash, form), findings);
            findings.files += 1;
            if findings.files == STEP_MAX_FILES {
                return Some(name);
            }
        }
        None
    }

    pub(crate) fn folder_of_disk(&self, disk: [u8; 16]) -> Option<&DataFolder> {
        self.folders.iter().find(|folder| folder.id == disk)
    }

    /// The files of a disk behind a place in its folder, sorted by name; none where they cannot be listed.
    pub(crate) fn files_behind(
        &self,
        folder: &DataFolder,
        place: &ScrubPosition,
    ) -> impl Iterator<Item = (String, BlockHash, Form)> + use<> {
        let listed = folder.check_present().and_then(|()| folder.list(place.folder));
        let files = listed.unwrap_or_else(|error| {
            self.note_disk_error(folder, &error);
            Vec::new()
        });
        let after = place.after.clone();
        files.into_iter().filter(move |(name, _, _)| *name > after)
    }

    fn scrub_file(self: &Arc<Self>, folder: &DataFolder, file: (&BlockHash, Form), findings: &mut Findings) {
        let (hash, form) = file;
        match folder.read(hash, form, &self.codec) {
            Ok(Found::Good { .. }) => findings.seen.push(*hash),
            // Without a file under its own name the block was set aside, perhaps wrongly. If nobody
            // references it, what was set aside is removed with the orphans.
            Ok(Found::Absent) => {
                if let Some(_lock) = self.locks.try_lock(*hash) {
                    self.look_again(hash);
                }
                findings.seen.push(*hash);
            }
            Ok(Found::Damaged) => {
                findings.damaged += 1;
                self.set_damaged_aside(hash, &[(folder, form)]);
                self.locks.suspect(*hash);
            }
            Err(error) => self.note_disk_error(folder, &error),
        }
    }
}
