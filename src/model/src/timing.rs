//! How long what is not needed any more stays. No rule of the store rests on any of this: a simulation may set all
//! of it to nothing, and does.

use crate::lifecycle::Day;
use std::time::Duration;

/// When a node tidies up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a tombstone stays at least: long enough that a request that began before the delete has ended.
    pub tombstones_stay_ms: u64,
    /// How long all replicas' word that they hold a tombstone rests before they are told to drop it. Requests that
    /// were under way then have ended, so that they do not meet the fence.
    pub word_rests: Duration,
    /// The pause between two rounds over the queue of tombstones.
    pub round_pause: Duration,
    /// The same after a round in which some replica was away.
    pub long_round_pause: Duration,
    /// How long a body that lost stays where there are several nodes: a reader on another one may be in the
    /// middle of its rows.
    pub bodies_stay_ms: u64,
    /// How much later the next replica takes its turn at work that all of them have queued.
    pub turn_ms: u64,
    /// How long an owner of a free body that does not answer counts as one that reads it: a link that is cut between two
    /// homes comes back meanwhile, or the download is over.
    pub silence_reads_ms: u64,
    /// After how long an item is tried again that could not be done.
    pub again_ms: u64,
    /// How often all bodies are looked at for some that nothing names.
    pub audit_every: Duration,
    /// After how long a bucket that is gone, and of which nothing was left, is looked at again.
    pub swept_again: Duration,
    /// How often all rows are looked at for some that are damaged.
    pub check_every: Duration,
    /// How long a day of lifecycle rules is. Anything but the real one deletes what people still want.
    pub day: Day,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            tombstones_stay_ms: 10 * 60 * 1000,
            word_rests: Duration::from_secs(30),
            round_pause: Duration::from_secs(20),
            long_round_pause: Duration::from_secs(600),
            bodies_stay_ms: 5 * 60 * 1000,
            turn_ms: 45 * 1000,
            silence_reads_ms: 10 * 60 * 1000,
            again_ms: 60 * 1000,
            audit_every: Duration::from_secs(24 * 3600),
            swept_again: Duration::from_secs(24 * 3600),
            check_every: Duration::from_secs(7 * 24 * 3600),
            day: Day::REAL,
        }
    }
}
