//! What lifecycle rules did since the start, for whoever looks at the node.

use base::id::kind;
use base::{Id, WallTime};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What lifecycle rules did since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifecycleFigures {
    /// What was removed, and what was not.
    pub done: Counts,
    /// Rows looked at.
    pub rows: u64,
    /// Buckets whose pass could not be brought to its end, counted each time.
    pub failures: u64,
    /// The last failure, and when.
    pub last_failure: Option<(String, WallTime)>,
    /// When this node last came to the end of all buckets that were its to look at.
    pub last_pass: Option<WallTime>,
    /// When it begins the next one.
    pub next_pass: Option<WallTime>,
    /// The bucket that is looked at now.
    pub under_way: Option<Id<kind::Bucket>>,
    /// Why nothing is removed now, if the time is in doubt.
    pub doubt: Option<String>,
}

/// What was removed, and what was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects deleted, or covered by a delete marker.
    pub objects: u64,
    /// Versions that were not current.
    pub versions: u64,
    /// Delete markers that covered nothing.
    pub markers: u64,
    /// Uploads given up.
    pub uploads: u64,
    /// What was found due and stayed: changed meanwhile, locked, or damaged.
    pub skipped: u64,
    /// What could not be removed, since too few nodes could be asked: it is tried again.
    pub failed: u64,
}

impl Counts {
    /// How many were removed.
    pub fn removed(&self) -> u64 {
        self.objects + self.versions + self.markers + self.uploads
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.versions += other.versions;
        self.markers += other.markers;
        self.uploads += other.uploads;
        self.skipped += other.skipped;
        self.failed += other.failed;
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.add(other);
        self
    }
}

/// The figures of a running node.
#[derive(Default)]
pub(crate) struct LifecycleRecord(Mutex<LifecycleFigures>);

impl LifecycleRecord {
    /// Takes note of a failure.
    pub fn fail(&self, error: String, at: WallTime) {
        self.open().last_failure = Some((error, at));
    }

    pub fn open(&self) -> MutexGuard<'_, LifecycleFigures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
