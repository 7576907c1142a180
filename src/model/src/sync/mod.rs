//! Taking over what this node missed: it compares digests of ranges with other owners and fetches the rows,
//! and the blocks they hold, that are missing or differ here.
//!
//! Passes only pull. Since every node pulls from every other owner, both ways are covered, and a node that
//! is behind, full or damaged can never spread that. What always holds:
//!
//! - a row is taken by the rule that its writes follow: object rows through the register under their own
//!   order and id (rule G10), all others by merge, with their hooks, in one transaction for each page;
//! - a row that does not pass its check, at either end, counts as not there;
//! - a block is here and durable before the reference that calls for it is counted (rule K7), unless nobody
//!   can give it now: then it is queued to be looked for;
//! - no answer is believed under another view of the layout than the question's (rule V4).

mod differing;
mod digests;
mod figures;
mod messages;
mod pass;
mod received;
mod serve;
mod take;
mod worker;

pub(crate) use differing::Differing;
pub use figures::SyncFigures;
pub(crate) use figures::SyncRecord;
pub(crate) use messages::{ArcDigests, CutRanges, FetchRows, FetchedRow, ListRanges};
#[cfg(test)]
pub(crate) use pass::Pulled;
pub(crate) use pass::{ARCS_TOGETHER, Manner, Pace, Taking};
pub(crate) use received::{Received, stamp_of};
pub(crate) use take::{BLOCKS_TOGETHER, join_rows};

use crate::Model;
use crate::graves::partition_of;
use base::PartitionHash;

/// Any partition of an arc: all of them have the same owners.
fn partition_of_arc(arc: u16) -> PartitionHash {
    partition_of(&table::digest::arc_start(arc))
}

impl Model {
    /// Whether this node is an owner of an arc by a version of the layout in force.
    fn keeps(&self, arc: u16) -> bool {
        let placement = self.peers.placement();
        placement.sets(partition_of_arc(arc)).iter().any(|set| set.contains(&self.peers.me()))
    }

    /// Whether it is one that answers for the arc: what others fill is not compared.
    pub(crate) fn serves(&self, arc: u16) -> bool {
        self.keeps(arc) && self.peers.takes_part(arc)
    }
}
