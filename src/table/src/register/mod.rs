//! The register: what the replicas of one key decide together, without a leader.
//!
//! Plain writes take one round, reads take one when replicas agree, and a write with a condition
//! takes two. Nothing here reads a clock, sends a message or touches a disk: a [`Replica`] answers
//! asks, and [`PlainWrite`], [`PlainRead`] and [`Ballot`] collect answers and say what to do next.
//! Drivers store what a replica says and carry the messages; the explorer in the tests plays every
//! order of delivery, loss and repetition over the very same code. What always holds:
//!
//! - operations on one key are linearizable, whichever coordinators run them and whatever their
//!   clocks say, as long as replicas do not forget;
//! - versions are ordered by their *order*, at first the stamp of the write and raised when a
//!   ballot puts the version forward again; the version's *id* never changes;
//! - an order, once used, is never used for anything else;
//! - "I hold something newer" is never an acknowledgement, and "a promise is in the way" is never
//!   a proof that the write can no longer happen.
//!
//! The rules are numbered G1 to G12 as in `doc/decisions/0003-layout-change-and-memory.md`; each
//! was searched for counterexamples with the rule left out.

mod ballot;
mod quorum;
mod read;
mod replica;
mod write;

#[cfg(test)]
mod explorer;

pub use ballot::{Ballot, BallotStep, InDoubt, Settled, predecessors, settle};
pub use quorum::{Member, Quorum, ReplicaSet};
pub use read::{PlainRead, ReadStep};
pub use replica::{Memory, Replica, Stored};
pub use write::{PlainWrite, WriteStep};

use base::Stamp;
use std::collections::{BTreeMap, BTreeSet};

/// A version of a key's value, put forward under an order. Deletion is a value like any other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version<V> {
    /// What versions are ordered by.
    pub order: Stamp,
    /// Which write made it: the first stamp of that write.
    pub id: Stamp,
    /// The value.
    pub value: V,
}

/// First answers to a version, by who gave them.
type Answers = BTreeMap<Member, Stored>;

/// Who answered so that `wanted` holds.
fn who(answers: &Answers, wanted: impl Fn(&Stored) -> bool) -> BTreeSet<Member> {
    answers.iter().filter(|(_, answer)| wanted(answer)).map(|(member, _)| *member).collect()
}

/// Who stored it.
fn holders(answers: &Answers) -> BTreeSet<Member> {
    who(answers, |answer| *answer == Stored::Yes)
}

/// The highest stamp that stands against it.
fn highest_against(answers: &Answers) -> Stamp {
    answers.values().filter_map(|answer| answer.against()).max().unwrap_or(Stamp::ZERO)
}
