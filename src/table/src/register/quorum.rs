//! Who must agree: one or more sets of replicas, each with its own count.
//!
//! In rest there is one set. While a layout changes, the sets of every live version count, each by
//! its own replication factor, and a condition holds only when it holds in each of them.

use std::collections::BTreeSet;

/// A replica's number within one operation: the caller's index into its list of nodes.
pub type Member = usize;

/// The replicas of one layout version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicaSet {
    members: BTreeSet<Member>,
}

/// All replica sets that must agree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quorum {
    sets: Vec<ReplicaSet>,
}

impl ReplicaSet {
    /// A set of these members.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Self {
        Self { members: members.into_iter().collect() }
    }

    /// A majority: one of one, two of two, two of three.
    pub fn needed(&self) -> usize {
        self.members.len() / 2 + 1
    }

    fn count(&self, among: &BTreeSet<Member>) -> usize {
        self.members.intersection(among).count()
    }
}

impl Quorum {
    /// All of `sets` must agree. An empty list agrees at once, so there is at least one set.
    pub fn new(sets: Vec<ReplicaSet>) -> Self {
        debug_assert!(sets.iter().any(|set| !set.members.is_empty()), "somebody must hold the key");
        Self { sets }
    }

    /// Everybody who is asked.
    pub fn members(&self) -> BTreeSet<Member> {
        self.sets.iter().flat_map(|set| set.members.iter().copied()).collect()
    }

    /// Whether `among` holds a majority of every set.
    pub fn reached(&self, among: &BTreeSet<Member>) -> bool {
        self.sets.iter().all(|set| set.count(among) >= set.needed())
    }

    /// Whether `among` leaves no majority to the others in any set: what each of them refuses for
    /// good can never be chosen.
    pub fn excluded(&self, among: &BTreeSet<Member>) -> bool {
        self.sets.iter().all(|set| set.members.len() - set.count(among) < set.needed())
    }

    /// Whether every set still has a majority outside of `lost`.
    pub fn possible_without(&self, lost: &BTreeSet<Member>) -> bool {
        self.sets.iter().all(|set| set.members.len() - set.count(lost) >= set.needed())
    }

    /// Whether everybody is in `among`.
    pub fn complete(&self, among: &BTreeSet<Member>) -> bool {
        self.sets.iter().all(|set| set.members.is_subset(among))
    }
}
