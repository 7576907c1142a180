//! The simulated world: one thread, one seed, faults.
//!
//! A [`SimWorld`] holds what outlives a node's process: the platter of its disk, its clock and
//! the network. Dropping a node and asking the world for a new [`Env`] is a restart;
//! [`SimDisk::crash`] in between makes it a power cut. Nothing here reads the machine's clock,
//! files or randomness, so the same seed gives the same run.
// tokio's time is virtual here.
#![allow(clippy::disallowed_methods)]

mod clock;
mod disk;
mod net;
mod process;
mod rng;
#[cfg(test)]
mod tests;
mod way;

pub use clock::SimClock;
pub use disk::{CommitFailure, Damage, Fault, Keep, SimDisk};
pub use net::SimNet;
pub use process::Process;
pub use rng::{Generator, SimRng};

use crate::{Env, Tasks};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What one simulated node stands on.
pub struct SimWorld {
    /// Its disk.
    pub disk: SimDisk,
    /// Its clock.
    pub clock: Arc<SimClock>,
    /// The network it shares with others.
    pub net: SimNet,
    seed: u64,
    starts: AtomicU64,
}

/// How a world differs from the plain one.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// Room on the disk.
    pub disk_bytes: u64,
    /// The longest time one chunk takes on the network.
    pub delay_max: Duration,
    /// How far the wall clock is ahead; may be negative.
    pub skew_ms: i64,
}

impl Default for SimOptions {
    /// 1 TiB, up to 1 ms a chunk, a right clock.
    fn default() -> Self {
        Self { disk_bytes: 1 << 40, delay_max: Duration::from_millis(1), skew_ms: 0 }
    }
}

impl SimWorld {
    /// The world of this seed.
    pub fn new(seed: u64, options: &SimOptions) -> Self {
        let mut seeds = Generator::new(seed);
        Self {
            disk: SimDisk::new(seeds.next_u64(), options.disk_bytes),
            clock: Arc::new(SimClock::new(options.skew_ms)),
            net: SimNet::new(seeds.next_u64(), options.delay_max),
            seed: seeds.next_u64(),
            starts: AtomicU64::new(0),
        }
    }

    /// The doors for one start of the node: its randomness differs from start to start.
    pub fn env(&self) -> Env {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        Env {
            clock: Arc::clone(&self.clock) as Arc<dyn crate::Clock>,
            rng: Arc::new(SimRng::new(self.seed.wrapping_add(start))),
            disk: Arc::new(self.disk.clone()),
            net: Arc::new(self.net.clone()),
            tasks: Tasks::inline(),
        }
    }

    /// The same, with what ends all tasks of this start at once, wherever they are.
    pub fn env_of_process(&self) -> (Env, Process) {
        let process = Process::default();
        (Env { tasks: Tasks::of_process(process.clone()), ..self.env() }, process)
    }
}

/// The doors of a node in a world of its own.
pub fn env(seed: u64) -> Env {
    SimWorld::new(seed, &SimOptions::default()).env()
}
