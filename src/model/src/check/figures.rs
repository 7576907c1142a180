//! What the row check did, for whoever looks at the node, and the wish that it begins at once.

use super::look::STAGES;
use super::progress::CheckProgress;
use base::WallTime;
use env::{Changes, Watcher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use table::digest::{ARCS, arc_of};

/// What the row check did in the pass that is under way, or in the last one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckFigures {
    /// Whether a pass is under way.
    pub running: bool,
    /// How far it is, of 1000.
    pub done_permille: u64,
    /// Rows looked at.
    pub rows: u64,
    /// Rows that could not be read.
    pub damaged: u64,
    /// Chunks that did not say what their rows do, and were made again.
    pub chunks: u64,
    /// References without a body that were let go.
    pub references: u64,
    /// When the last pass came to its end.
    pub ended: Option<WallTime>,
    /// Steps that could not be done, since the start.
    pub failures: u64,
    /// The last failure, and when.
    pub last_failure: Option<(String, WallTime)>,
}

/// The figures of a running node.
#[derive(Default)]
pub(crate) struct CheckRecord {
    state: Mutex<State>,
    asked: Changes,
}

#[derive(Default)]
struct State {
    figures: CheckFigures,
    is_asked: bool,
}

impl CheckRecord {
    fn open(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The figures now.
    pub fn figures(&self) -> CheckFigures {
        self.open().figures.clone()
    }

    /// Has a pass begin at once.
    pub fn ask(&self) {
        self.open().is_asked = true;
        self.asked.note();
    }

    /// Whether one was asked for since the last call.
    pub fn take_wish(&self) -> bool {
        std::mem::take(&mut self.open().is_asked)
    }

    /// Tells when one is asked for.
    pub fn watch(&self) -> Watcher {
        self.asked.watch()
    }

    /// Takes over how far the pass is.
    pub fn show(&self, progress: &CheckProgress) {
        let mut state = self.open();
        let figures = &mut state.figures;
        figures.running = progress.began.is_some();
        figures.done_permille = permille(progress);
        figures.rows = progress.rows;
        figures.damaged = progress.damaged;
        figures.chunks = progress.chunks;
        figures.references = progress.references;
        figures.ended = progress.ended;
    }

    /// A step could not be done.
    pub fn fail(&self, message: String, now: WallTime) {
        let mut state = self.open();
        state.figures.failures += 1;
        state.figures.last_failure = Some((message, now));
    }
}

/// By its place: each table counts the same.
fn permille(progress: &CheckProgress) -> u64 {
    let stage = STAGES.iter().position(|space| space.number() == progress.space).unwrap_or(0);
    let place = stage * usize::from(ARCS) + usize::from(arc_of(&progress.from));
    u64::try_from(place * 1000 / (STAGES.len() * usize::from(ARCS))).unwrap_or(0)
}
