//! How far a node is with the lifecycle rules of a bucket, on its disk: a restart goes on from there.
//!
//! Losing it, or two nodes that both have one of the same bucket, does no harm: then rows are looked at once more.

use super::Rules;
use super::scan::Stage;
use crate::rows::record_kind;
use base::Id;
use base::id::kind;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use store::{Read, Record, Space, StoreError};
use table::sort_key::scan_prefix;

/// Beginning of the keys, among other notes of workers.
const PREFIX: &[u8] = b"lifecycle/";

/// How far a node is with a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// By which rules: the hash of the document.
    #[serde(with = "serde_bytes")]
    pub rules: Vec<u8>,
    /// The day on which the last pass began that came to its end.
    pub done: Option<u64>,
    /// The pass that is under way.
    #[serde(default)]
    pub place: Option<Place>,
}

/// Where a pass is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The day on which it began.
    pub day: u64,
    /// What it looks at.
    pub stage: Stage,
    /// The row key to go on from.
    #[serde(with = "serde_bytes")]
    pub from: Vec<u8>,
}

impl Record for Progress {
    const KIND: u8 = record_kind::LIFECYCLE;
    const VERSION: u8 = 1;
}

impl Progress {
    /// Whether these rules are due on a day: they are new, or the last pass began before.
    pub fn is_due(&self, rules: &[u8], today: u64) -> bool {
        self.rules != rules || self.done != Some(today)
    }

    /// Where to go on, or to begin.
    pub fn next(&self, rules: &[u8], today: u64) -> Place {
        let place = self.place.clone().filter(|_| self.rules == rules);
        place.unwrap_or(Place { day: today, stage: Stage::FIRST, from: Vec::new() })
    }
}

/// Names rules, so that a change of them shows.
pub(crate) fn mark_of(rules: &Rules) -> Vec<u8> {
    blake3::hash(&rules.document().0).as_bytes()[..16].to_vec()
}

/// The key of a bucket's record.
pub(crate) fn row_key(bucket: Id<kind::Bucket>) -> Vec<u8> {
    [PREFIX, bucket.as_bytes()].concat()
}

/// What is known of a bucket. A note that cannot be read is none.
pub(crate) fn of_bucket(read: &impl Read, bucket: Id<kind::Bucket>) -> Result<Progress, StoreError> {
    match read.get(Space::Setting, &row_key(bucket)) {
        Err(StoreError::Unreadable { .. }) => Ok(Progress::default()),
        found => Ok(found?.unwrap_or_default()),
    }
}

/// The keys of records of buckets that are not to be kept.
pub(crate) fn others(
    read: &impl Read,
    is_kept: impl Fn(Id<kind::Bucket>) -> bool,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut keys = Vec::new();
    scan_prefix(read, Space::Setting, PREFIX, &mut |key, _| {
        let id = key.get(PREFIX.len()..).and_then(|id| <[u8; 32]>::try_from(id).ok()).map(Id::from_bytes);
        if !id.is_some_and(&is_kept) {
            keys.push(key.to_vec());
        }
        ControlFlow::Continue(())
    })?;
    Ok(keys)
}
