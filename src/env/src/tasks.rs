//! The tasks door: background tasks and blocking work.
//!
//! In the real world blocking work runs on a pool of threads; in the simulated world it runs in
//! place, after letting other tasks run first, so that the seed decides the interleaving.

use crate::sim::Process;
use std::future::Future;
use std::panic::resume_unwind;

/// How blocking work is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocking {
    Pool,
    Inline,
}

/// Starts tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    blocking: Blocking,
    /// Whose tasks these are, where a process can end without the world.
    process: Option<Process>,
}

/// A background task; it is aborted when its owner drops this.
#[derive(Debug)]
#[must_use = "a task ends when its owner drops it"]
pub struct Task<T>(Option<tokio::task::JoinHandle<T>>);

impl<T> Task<T> {
    /// Lets the task run on without an owner. Only for work that ends by itself.
    pub fn detach(mut self) {
        self.0 = None;
    }

    /// Waits for the task; `None` if it was aborted or panicked.
    pub async fn join(mut self) -> Option<T> {
        self.join_mut().await
    }

    /// Waits for the task and keeps it, so that a caller who is cut off meanwhile has not lost it.
    /// Once it has answered it must not be asked again.
    pub async fn join_mut(&mut self) -> Option<T> {
        self.0.as_mut()?.await.ok()
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(tokio::task::JoinHandle::is_finished)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

impl Tasks {
    /// Blocking work on a pool of threads.
    pub fn pooled() -> Self {
        Self { blocking: Blocking::Pool, process: None }
    }

    /// Blocking work in place: the simulated world.
    pub fn inline() -> Self {
        Self { blocking: Blocking::Inline, process: None }
    }

    /// The same, for tasks that end with a process.
    pub fn of_process(process: Process) -> Self {
        Self { blocking: Blocking::Inline, process: Some(process) }
    }

    /// Whether everything runs in one thread.
    pub fn is_single_threaded(&self) -> bool {
        self.blocking == Blocking::Inline
    }

    /// Starts a background task.
    #[allow(clippy::disallowed_methods)]
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.process.as_ref().is_some_and(Process::has_ended) {
            return Task(None);
        }
        let handle = tokio::spawn(future);
        if let Some(process) = &self.process {
            process.add(handle.abort_handle());
        }
        Task(Some(handle))
    }

    /// Runs work that may block on disk or burn CPU. A panic inside goes on in the caller.
    #[allow(clippy::disallowed_methods)]
    pub async fn blocking<T, F>(&self, work: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.blocking {
            Blocking::Inline => {
                tokio::task::yield_now().await;
                work()
            }
            Blocking::Pool => match tokio::task::spawn_blocking(work).await {
                Ok(value) => value,
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // The pool only refuses work while the runtime shuts down; nobody is left to
                // read the answer.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Starts the loop of a worker that owns blocking work, such as the committer: on a thread of
    /// its own, or as a task in the simulated world. `step` is called with one message after the
    /// other until the senders are gone.
    #[allow(clippy::disallowed_methods)]
    pub fn worker<M, F>(
        &self,
        name: &str,
        mut inbox: tokio::sync::mpsc::Receiver<M>,
        batch_max: usize,
        mut step: F,
    ) -> std::io::Result<()>
    where
        M: Send + 'static,
        F: FnMut(&mut Vec<M>) + Send + 'static,
    {
        match self.blocking {
            Blocking::Pool => {
                std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                    let mut batch = Vec::new();
                    while let Some(first) = inbox.blocking_recv() {
                        batch.push(first);
                        while batch.len() < batch_max {
                            match inbox.try_recv() {
                                Ok(next) => batch.push(next),
                                Err(_) => break,
                            }
                        }
                        step(&mut batch);
                        batch.clear();
                    }
                })?;
            }
            Blocking::Inline => {
                self.spawn(async move {
                    let mut batch = Vec::new();
                    while inbox.recv_many(&mut batch, batch_max).await > 0 {
                        step(&mut batch);
                        batch.clear();
                    }
                })
                .detach();
            }
        }
        Ok(())
    }
}
