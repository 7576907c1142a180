//! What hyper needs from its surroundings, through the doors of `env`: tasks with an owner, timers.

use env::{Clock, Env, Task, Tasks};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The tasks of one node: all of them end when [`TaskGroup::stop`] is called.
#[derive(Clone)]
pub(crate) struct TaskGroup {
    tasks: Tasks,
    running: Arc<Mutex<Running>>,
}

#[derive(Default)]
struct Running {
    next: u64,
    is_stopped: bool,
    tasks: BTreeMap<u64, Task<()>>,
}

impl TaskGroup {
    pub fn new(tasks: Tasks) -> Self {
        Self { tasks, running: Arc::default() }
    }

    /// Starts a task that the group owns.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let group = Arc::clone(&self.running);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_stopped {
            return;
        }
        running.next += 1;
        let number = running.next;
        // The lock is held until the task is in the map, so it cannot end before.
        let task = self.tasks.spawn(async move {
            let _leave = Leave { group, number };
            future.await;
        });
        running.tasks.insert(number, task);
    }

    /// Ends all tasks and starts no more.
    pub fn stop(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.is_stopped = true;
        let tasks = std::mem::take(&mut running.tasks);
        drop(running);
        drop(tasks);
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).tasks.len()
    }
}

/// Takes a task out of its group when it ends, also by a panic.
struct Leave {
    group: Arc<Mutex<Running>>,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let task = self.group.lock().unwrap_or_else(PoisonError::into_inner).tasks.remove(&self.number);
        drop(task);
    }
}

impl<F> hyper::rt::Executor<F> for TaskGroup
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        self.spawn(async move {
            future.await;
        });
    }
}

/// hyper's timer. Its instants are a fixed start plus the monotonic clock of `env`, which is virtual
/// in the simulated world.
#[derive(Clone)]
pub(crate) struct Timer {
    start: Instant,
    clock: Arc<dyn Clock>,
}

impl Timer {
    #[allow(clippy::disallowed_methods)]
    pub fn new(env: &Env) -> Self {
        // Only differences to this instant are ever used; which one it is does not matter.
        Self { start: Instant::now(), clock: Arc::clone(&env.clock) }
    }
}

impl hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Sleeping(Mutex::new(Box::pin(env::sleep(duration)))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        self.start + self.clock.mono()
    }
}

/// A sleep; the lock only makes it shareable, as hyper asks for.
struct Sleeping(Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Future for Sleeping {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(context)
    }
}

impl hyper::rt::Sleep for Sleeping {}
