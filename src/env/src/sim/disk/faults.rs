//! What can be made to go wrong on a simulated disk, and the count of its effects.
//!
//! Every call that changes something is one effect. A crash can be planned at any of them: that
//! call and all later ones fail, and the harness sees that the node is dead.

use std::collections::BTreeMap;
use std::io;

/// A fault that strikes one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A read fails.
    ReadError,
    /// A write or a change of a length fails.
    WriteError,
    /// A write finds no room.
    Full,
    /// A sync fails, and what was not written counts as clean.
    SyncError,
    /// A sync succeeds without making anything durable.
    SyncIgnored,
    /// A read returns another place of the same file.
    MisdirectedRead,
    /// A read returns one bit flipped.
    FlippedRead,
}

/// Damage to bytes at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The lowest bit of the byte is flipped.
    FlipBit,
    /// The page around the byte is zeros.
    ZeroPage,
    /// The page around the byte cannot be read.
    Unreadable,
    /// The file ends before the byte.
    CutOff,
    /// The file is not there any more.
    Vanished,
}

/// Which calls fail.
#[derive(Default)]
pub(super) struct Plan {
    /// Calls to go until the fault strikes.
    faults: BTreeMap<Fault, u64>,
    /// How often each has struck.
    struck: BTreeMap<Fault, u64>,
    effects: u64,
    crash_at: Option<u64>,
    crashed: bool,
}

impl Plan {
    pub fn inject(&mut self, fault: Fault, nth: u64) {
        self.faults.insert(fault, nth.max(1));
    }

    pub fn clear(&mut self) {
        self.faults.clear();
    }

    /// Counts down; whether the fault strikes this call.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let Some(left) = self.faults.get_mut(&fault) else { return false };
        *left -= 1;
        if *left == 0 {
            self.faults.remove(&fault);
            *self.struck.entry(fault).or_default() += 1;
            return true;
        }
        false
    }

    pub fn struck(&self, fault: Fault) -> u64 {
        self.struck.get(&fault).copied().unwrap_or(0)
    }

    pub fn crash_at(&mut self, effect: Option<u64>) {
        self.crash_at = effect;
    }

    pub fn effects(&self) -> u64 {
        self.effects
    }

    pub fn has_crashed(&self) -> bool {
        self.crashed
    }

    pub fn revive(&mut self) {
        self.crashed = false;
        self.crash_at = None;
    }

    pub fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// Counts an effect; `true` if the power goes off in the middle of it.
    pub fn effect(&mut self) -> io::Result<bool> {
        self.alive()?;
        self.effects += 1;
        self.crashed = self.crash_at.is_some_and(|at| self.effects >= at);
        Ok(self.crashed)
    }
}
