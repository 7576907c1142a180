//! What this node's store knows of itself: which life and start it is in, and which arcs it answers for.

use super::record_kind;
use base::Stamp;
use cluster::layout::{ArcSet, Life};
use serde::{Deserialize, Serialize};
use store::Record;

/// This node's standing among the replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The life that the store's memory belongs to, and how often it was started in it.
    pub life: Life,
    /// Arcs in which it takes part as a replica.
    pub taking_part: ArcSet,
    /// Arcs of which it may hold rows.
    pub held: ArcSet,
    /// Arcs of which it may hold rows of an earlier life: they do not exist until others confirm them (rule M3).
    pub stale: ArcSet,
    /// The candidate, by number and stamp, that rows were copied for.
    pub filling: Option<(u64, Stamp)>,
    /// Whether this life began since the others gave up the one before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_returned: bool,
}

impl Record for Standing {
    const KIND: u8 = record_kind::STANDING;
    const VERSION: u8 = 1;
}

/// Where it lies in the keyspace `meta`.
pub(crate) const STANDING_KEY: &[u8] = b"standing";
