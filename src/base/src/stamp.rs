//! Time as the cluster orders it: hybrid logical clocks.
//!
//! A [`Stamp`] orders all writes of the cluster: 48 bits of milliseconds, a 16-bit counter, and
//! 64 bits of the node's id as tie-break. An [`Hlc`] never gives the same stamp twice and never
//! gives one below a stamp it has seen, whatever the wall clock does. A version is stamped when
//! it commits, not when its upload starts.
//!
//! The wall clock is an argument; nothing here reads it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds since 1970-01-01 UTC, as a node's wall clock says. Only `env` reads the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WallTime(pub u64);

impl WallTime {
    /// Milliseconds since 1970.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// A point in the cluster's order of writes. Ordered by time, then counter, then node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// 48 bits of milliseconds above 16 bits of counter.
    pub time: u64,
    /// [`crate::NodeId::tag`] of the node that gave the stamp, which is even.
    pub node: u64,
}

impl Stamp {
    /// Below every stamp that a clock gives.
    pub const ZERO: Stamp = Stamp { time: 0, node: 0 };
    /// Bits of a stamp's time below the milliseconds.
    pub const COUNTER_BITS: u32 = 16;
    /// Bytes of [`Stamp::to_bytes`].
    pub const LEN: usize = 16;

    /// The wall time inside the stamp, which is what S3 shows as Last-Modified.
    pub const fn wall(self) -> WallTime {
        WallTime(self.time >> Self::COUNTER_BITS)
    }

    /// The order under which a ballot with this stamp puts forward a new version. Nothing lies
    /// between the two: a clock's stamps have an even [`Stamp::node`].
    #[must_use]
    pub const fn proposal(self) -> Self {
        Self { node: self.node | 1, ..self }
    }

    /// Big-endian bytes: they sort as the stamps do.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.time.to_be_bytes());
        bytes[8..].copy_from_slice(&self.node.to_be_bytes());
        bytes
    }

    /// The stamp behind [`Stamp::to_bytes`].
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let (time, node) = bytes.split_at(8);
        Self {
            time: u64::from_be_bytes(time.try_into().expect("first eight of 16 bytes")),
            node: u64::from_be_bytes(node.try_into().expect("last eight of 16 bytes")),
        }
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{:016x}", self.wall().0, self.time & COUNTER_MASK, self.node)
    }
}

const COUNTER_MASK: u64 = (1 << Stamp::COUNTER_BITS) - 1;

/// A node's hybrid logical clock.
#[derive(Debug, Clone)]
pub struct Hlc {
    node: u64,
    last: u64,
}

impl Hlc {
    /// A clock for the node with this tag that continues above `high_water`, the highest time it
    /// persisted before.
    pub fn new(node_tag: u64, high_water: u64) -> Self {
        Self { node: node_tag, last: high_water }
    }

    /// A new stamp, above every stamp given or observed so far.
    ///
    /// When the counter overflows or the wall clock stands still or runs backwards, the
    /// millisecond part moves on by itself.
    pub fn tick(&mut self, now: WallTime) -> Stamp {
        let wall = now.0.saturating_mul(1 << Stamp::COUNTER_BITS);
        self.last = wall.max(self.last.saturating_add(1));
        Stamp { time: self.last, node: self.node }
    }

    /// Takes note of a stamp given elsewhere: later ticks lie above it.
    pub fn observe(&mut self, seen: Stamp) {
        self.last = self.last.max(seen.time);
    }

    /// The highest time given or observed: what a node persists.
    pub fn high_water(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_rise_whatever_the_wall_clock_does() {
        let mut clock = Hlc::new(7, 0);
        let mut last = Stamp::ZERO;
        for wall in [5, 5, 3, 0, 1_000_000, 2, u64::MAX >> 17] {
            let stamp = clock.tick(WallTime(wall));
            assert!(stamp > last, "{stamp:?} after {last:?}");
            last = stamp;
        }
    }

    #[test]
    fn the_counter_overflows_into_the_next_millisecond() {
        let mut clock = Hlc::new(1, 0);
        let first = clock.tick(WallTime(10));
        for _ in 0..COUNTER_MASK + 1 {
            clock.tick(WallTime(10));
        }
        let after = clock.tick(WallTime(10));
        assert!(after > first);
        assert_eq!(after.wall(), WallTime(11));
    }

    #[test]
    fn observed_stamps_are_never_undercut() {
        let mut clock = Hlc::new(1, 0);
        let foreign = Stamp { time: 99 << 16, node: u64::MAX };
        clock.observe(foreign);
        assert!(clock.tick(WallTime(3)) > foreign);
    }

    #[test]
    fn bytes_sort_as_stamps_do() {
        let stamps = [
            Stamp::ZERO,
            Stamp { time: 1, node: 9 },
            Stamp { time: 256, node: 0 },
            Stamp { time: 256, node: 1 },
            Stamp { time: u64::MAX, node: 0 },
        ];
        for pair in stamps.windows(2) {
            assert!(pair[0] < pair[1]);
            assert!(pair[0].to_bytes() < pair[1].to_bytes());
            assert_eq!(Stamp::from_bytes(pair[1].to_bytes()), pair[1]);
        }
    }
}
