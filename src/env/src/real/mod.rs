//! The real world: system clock and randomness, real files, TCP and Unix sockets.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod disk;
mod net;

use crate::{Clock, Env, MonoTime, Rng, Tasks};
use base::WallTime;
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

pub use disk::RealDisk;
pub use net::RealNet;

/// The doors of a node on this machine.
pub fn env() -> Env {
    Env {
        clock: Arc::new(RealClock { start: Instant::now() }),
        rng: Arc::new(RealRng),
        disk: Arc::new(RealDisk),
        net: Arc::new(RealNet),
        tasks: Tasks::pooled(),
    }
}

/// This machine's name; empty when it has none that is text.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_str().unwrap_or_default().to_owned()
}

/// Makes files and folders that this process creates from now on readable by its user alone: they
/// hold keys and everybody's data.
pub fn keep_files_private() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

struct RealClock {
    start: Instant,
}

impl Clock for RealClock {
    fn wall(&self) -> WallTime {
        // A clock before 1970 reads as 1970: the stamps above it still rise.
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        WallTime(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
    }

    fn mono(&self) -> MonoTime {
        self.start.elapsed()
    }
}

struct RealRng;

impl Rng for RealRng {
    fn fill(&self, bytes: &mut [u8]) {
        let mut filled = 0;
        // By the system call: a static binary in a root without `/dev` has no other way.
        while filled < bytes.len() {
            match rustix::rand::getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
                Ok(length) => filled += length,
                Err(Errno::INTR) => {}
                // Without randomness no key can be made safely, so there is nothing to fall back to.
                Err(error) => panic!("the operating system gives no randomness: {error}"),
            }
        }
    }
}
