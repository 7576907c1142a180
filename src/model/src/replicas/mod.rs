//! What a request does when several nodes keep what it touches.
//!
//! A coordinator, any node, asks the replicas of each row at once and decides by the rules of
//! `table::register` and of merging tables (`doc/decisions/0003-layout-change-and-memory.md`). What always
//! holds:
//!
//! - a write is acknowledged when a quorum of every replica set in force has it on disk, and an answer
//!   that does not prove anything counts for nothing;
//! - everything a request writes on one node travels in one message and commits in one transaction;
//! - a request whose view of the layout is older than a replica's is refused by it, and tried again;
//! - without a quorum the answer is [`ModelError::Unavailable`], never a guess.
//!
//! A node that is alone does none of this: its transactions decide (`objects`, `multipart`).

mod ask;
mod ballot;
mod blocks;
mod bury;
mod claim;
mod courier;
mod dropping;
mod gone;
mod judge;
mod key_queue;
mod list;
mod mend;
mod messages;
mod names;
mod objects;
mod past;
mod peers;
mod quorum;
mod range;
mod read;
mod reading;
mod release;
mod removal;
mod renewal;
mod seal;
mod secret;
mod serve;
mod stamp;
mod store;
mod turns;
mod versions;

pub(crate) use ask::{Asked, READ_LIMIT, WRITE_LIMIT};
pub(crate) use ballot::Proposal;
#[cfg(test)]
pub(crate) use blocks::Begun;
pub(crate) use blocks::Sought;
pub(crate) use bury::Burials;
pub(crate) use bury::{AskGraves, Forget};
pub(crate) use courier::Clocks;
pub(crate) use courier::rewritten_header;
pub(crate) use gone::Sweep;
pub(crate) use judge::Audit;
pub(crate) use key_queue::KeyQueues;
pub(crate) use list::Page;
pub(crate) use mend::AskRow;
pub(crate) use mend::{DamagedRows, discard_row, references_to};
pub(crate) use messages::{AskStamp, GetBlock, Prepare, ReadRange, ReadRow, StoreBlock, StoreRows};
pub(crate) use messages::{
    HeldPast, HeldRow, ListPast, ListRows, ListedKey, ListedRow, ListedVersion, ListedWhat, Listing,
    PastListing, ReadPast, Reply, Which,
};
pub(crate) use names::{CompareNames, NameRows};
pub(crate) use names::{NAME_SPACES, is_row};
pub(crate) use objects::Entry;
pub(crate) use peers::Alone;
pub use peers::Peers;
pub(crate) use range::RowRange;
pub(crate) use read::KeyPlace;
pub(crate) use reading::AskReaders;
pub(crate) use removal::{Judged, Removal};
pub(crate) use renewal::NewBody;
pub(crate) use seal::{Closed, closed};
pub(crate) use secret::{AskSecret, OfferSecret};
pub(crate) use serve::Serve;
pub(crate) use store::Batch;
pub(crate) use turns::Turns;
pub(crate) use versions::{Add, Change, Edit};
