//! The only doors to the machine: clock, randomness, disk, network and tasks.
//!
//! Everything that decides something takes an [`Env`] and never touches the machine itself; the
//! workspace's `clippy.toml` forbids the direct calls elsewhere. There are two worlds: [`real`]
//! and [`sim`]. The simulated one runs the same code in one thread from one seed, with faults.
//! (The fifth door of the design, the key-value engine, is the `Engine` trait of `store`: in the
//! simulated world an engine runs on the simulated disk.)

mod changes;
mod clock;
mod disk;
mod net;
mod rng;
mod tasks;

pub mod real;
pub mod sim;

pub use changes::{Changes, Watcher};
pub use clock::{Clock, MonoTime, sleep, timeout};
pub use disk::{Disk, DiskFile, Entry, OpenMode, Space, read_file, write_file_durably};
pub use net::{BoxStream, Listener, Net, Stream};
pub use rng::{Rng, random_array, random_below, random_u64};
pub use tasks::{Task, Tasks};

use std::sync::Arc;

/// The doors of one node. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, fit for keys.
    pub rng: Arc<dyn Rng>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Streams between processes.
    pub net: Arc<dyn Net>,
    /// Background tasks and blocking work.
    pub tasks: Tasks,
}
