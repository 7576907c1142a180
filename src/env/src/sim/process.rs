//! A process of the simulated world: all tasks of one start of a node, which end together.
//!
//! A real process that is killed stops wherever it is, in all its threads, and nothing of it cleans up
//! afterwards: once a process has ended, what would start a task starts none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// Tasks beyond which those that have ended are forgotten.
const SWEEP_MIN: usize = 256;

/// The tasks of one start of a node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Process(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    has_ended: bool,
    tasks: Vec<AbortHandle>,
    sweep_at: usize,
}

impl Process {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no task starts any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    /// Takes a task in.
    pub(crate) fn add(&self, task: AbortHandle) {
        let mut state = self.state();
        if state.tasks.len() >= state.sweep_at.max(SWEEP_MIN) {
            state.tasks.retain(|task| !task.is_finished());
            state.sweep_at = 2 * state.tasks.len();
        }
        state.tasks.push(task);
    }

    /// Ends all tasks, each where it waits. They are gone once [`Process::is_gone`] says so.
    pub fn kill(&self) {
        let tasks = {
            let mut state = self.state();
            state.has_ended = true;
            state.tasks.clone()
        };
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// Whether it was killed and nothing of it is left.
    pub fn is_gone(&self) -> bool {
        let state = self.state();
        state.has_ended && state.tasks.iter().all(AbortHandle::is_finished)
    }
}
