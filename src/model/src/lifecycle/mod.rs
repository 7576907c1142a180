//! Lifecycle rules of buckets: what goes by itself, and when (doc/decisions/0010).
//!
//! Every day each node goes through the buckets of which it is the first owner that is there. What looks due in its own
//! rows is judged anew, and removed, by a decision of all replicas. What always holds:
//!
//! - only what the rules say at that moment, of what is there at that moment, is removed: content, tags and rules may
//!   have changed since it was found;
//! - nothing is removed for its age while the time is in doubt (`clock`);
//! - doing it twice, on two nodes at once, or stopping anywhere does no harm.

mod clock;
mod day;
mod expire;
mod figures;
mod progress;
mod rules;
mod scan;
mod told;
mod worker;

pub use day::Day;
pub(crate) use expire::{Beside, Moment, made_above};
pub(crate) use figures::LifecycleRecord;
pub use figures::{Counts, LifecycleFigures};
#[cfg(test)]
pub(crate) use progress::{Place, Progress, mark_of, row_key};
pub use rules::{Expiration, Expiry, Filter, FilterForm, Noncurrent, Rule, Rules, Traits};
#[cfg(test)]
pub(crate) use scan::{Candidate, Stage};
pub(crate) use scan::{Due, PastDue};
#[cfg(test)]
pub(crate) use worker::Worker;

use crate::rows::bucket::{BucketRow, Document, Setting};
use crate::{Model, ModelError};
use base::Id;
use base::id::kind;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Buckets whose rules are kept read.
const KEPT_MAX: usize = 1024;

/// The document of a bucket, and what was read of it.
type Known = (Document, Arc<Rules>);

/// Rules as they were read last: requests show what they say of an object.
#[derive(Default)]
pub(crate) struct KnownRules(Mutex<BTreeMap<Id<kind::Bucket>, Known>>);

impl KnownRules {
    fn of(&self, id: Id<kind::Bucket>, bucket: &BucketRow) -> Result<Option<Arc<Rules>>, ModelError> {
        let Some(document) = bucket.setting(Setting::Lifecycle) else { return Ok(None) };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read, rules)) = known.get(&id)
            && read == document
        {
            return Ok(Some(Arc::clone(rules)));
        }
        let rules = Arc::new(Rules::of(bucket)?.unwrap_or_default());
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(id, (document.clone(), Arc::clone(&rules)));
        Ok(Some(rules))
    }
}

impl Model {
    /// The lifecycle rules of a bucket; none where none are set.
    pub fn lifecycle_rules(
        &self,
        id: Id<kind::Bucket>,
        bucket: &BucketRow,
    ) -> Result<Option<Arc<Rules>>, ModelError> {
        self.known_rules.of(id, bucket)
    }

    /// How long a day of lifecycle rules is.
    pub fn day(&self) -> Day {
        self.timing.day
    }

    /// What lifecycle rules did since the start.
    pub fn lifecycle_figures(&self) -> LifecycleFigures {
        self.lifecycle.open().clone()
    }
}
