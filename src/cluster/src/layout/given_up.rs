//! Whom the layout gave up: nodes that never come back (rule M5, `doc/decisions/0012-forgetting-a-node.md`).
//!
//! A node is given up with a life: what it said in this life, or before, counts for nothing, and nobody waits for
//! it. Should it come back it begins a new life, which is empty, and is a member like any other that lost its memory.
//! What always holds:
//!
//! - of a replica set what remains must agree: as many as the set's quorum, or all that remain, if they are fewer;
//! - a set never loses its last member;
//! - who gives up a second member of a set knows that all who remained knew of the first, or names both at once.
//!
//! Records only grow and merge by union, so nothing is decided: who hears of one takes it in for good, and it is part
//! of the view that every request carries.

use super::{Layout, LayoutError, Version, arcs};
use base::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The nodes that were given up, with those that came back since.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GivenUp(BTreeMap<NodeId, Ended>);

/// How a node was given up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    /// The number of the last life that is over; 0 if it never began one.
    life: u32,
    /// Who has this on its disk, and so refuses requests that do not know of it.
    known_to: BTreeSet<NodeId>,
}

impl GivenUp {
    /// Whether nobody ever was.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in what another node knows.
    pub(super) fn merge(&mut self, other: &Self) {
        for (node, theirs) in &other.0 {
            let ours = self.0.entry(*node).or_default();
            match ours.life.cmp(&theirs.life) {
                std::cmp::Ordering::Less => ours.clone_from(theirs),
                std::cmp::Ordering::Equal => ours.known_to.extend(&theirs.known_to),
                std::cmp::Ordering::Greater => {}
            }
        }
    }
}

/// What giving up some nodes would mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// In so many partitions nothing but those nodes, and members that are not whole, were a quorum: what these alone
    /// acknowledged there may be lost.
    pub partitions: usize,
    /// The members that are not whole in those partitions.
    pub with: BTreeSet<NodeId>,
    /// In so many partitions nobody that remains is whole: everything there may be lost.
    pub partitions_without_copy: usize,
}

impl Layout {
    /// Whether a node was given up and did not begin a new life since.
    pub fn is_given_up(&self, node: NodeId) -> bool {
        self.given_up.0.get(&node).is_some_and(|ended| ended.life >= self.life_number(node))
    }

    /// The nodes that are given up.
    pub fn given_up(&self) -> BTreeSet<NodeId> {
        self.given_up.0.keys().copied().filter(|node| self.is_given_up(*node)).collect()
    }

    /// The owners of a partition that remain.
    pub fn remaining<'a>(
        &'a self,
        version: &'a Version,
        partition: u16,
    ) -> impl Iterator<Item = NodeId> + 'a {
        version.assignment.owners(partition).iter().copied().filter(|node| !self.is_given_up(*node))
    }

    /// How many of the owners of a partition that remain must agree; 1 where nobody remains, so that nobody can.
    pub fn quorum_of(&self, version: &Version, partition: u16) -> usize {
        version.quorum().min(self.remaining(version, partition).count()).max(1)
    }

    /// Whether those who are as wanted are a quorum of a partition's owners.
    pub fn is_quorum(&self, version: &Version, partition: u16, wanted: impl Fn(NodeId) -> bool) -> bool {
        let count = self.remaining(version, partition).filter(|node| wanted(*node)).count();
        count >= self.quorum_of(version, partition)
    }

    /// The storage nodes of a version that remain.
    pub fn remaining_storage<'a>(&'a self, version: &'a Version) -> impl Iterator<Item = NodeId> + 'a {
        version.storage_nodes().map(|(node, _)| *node).filter(|node| !self.is_given_up(*node))
    }

    /// Everybody with a role in the older version in force who remains.
    pub fn remaining_members(&self) -> BTreeSet<NodeId> {
        self.current.roles.keys().copied().filter(|node| !self.is_given_up(*node)).collect()
    }

    /// The layout in which a node has on its disk whom the others gave up, if that is to be said.
    pub fn with_knowledge_of(&self, node: NodeId) -> Option<Self> {
        let is_news = |ended: &Ended| !ended.known_to.contains(&node);
        if !self.given_up.0.values().any(is_news) {
            return None;
        }
        let mut next = self.clone();
        next.given_up.0.values_mut().for_each(|ended| _ = ended.known_to.insert(node));
        Some(next)
    }

    /// The layout in which these nodes are given up, as `by` says, who then has it on its disk.
    pub fn give_up(&self, nodes: &BTreeSet<NodeId>, by: NodeId) -> Result<Self, LayoutError> {
        let stores =
            |node: &NodeId| self.in_force().any(|version| version.storage_nodes().any(|(id, _)| id == node));
        if let Some(stranger) = nodes.iter().find(|node| !stores(node)) {
            return Err(LayoutError::StoresNothing(*stranger));
        }
        if nodes.contains(&by) {
            return Err(LayoutError::GivesUpItself);
        }
        self.with_given_up(nodes, by)
    }

    /// The layout in which a node that counts nowhere in its present life gives itself up, so that those whom it waits
    /// for do not wait for it.
    pub fn step_back(&self, node: NodeId) -> Result<Self, LayoutError> {
        self.with_given_up(&BTreeSet::from([node]), node)
    }

    fn with_given_up(&self, nodes: &BTreeSet<NodeId>, by: NodeId) -> Result<Self, LayoutError> {
        let mut last = 0;
        for version in self.in_force() {
            for set in version.assignment.sets() {
                self.check_set(set, nodes)?;
            }
            let is_last = |arc: &u16| self.remaining(version, *arc).all(|node| nodes.contains(&node));
            last += arcs().filter(is_last).count();
        }
        if last > 0 {
            return Err(LayoutError::NobodyLeft { partitions: last });
        }
        let mut next = self.clone();
        for node in nodes {
            let life = self.life_number(*node);
            next.given_up.0.insert(*node, Ended { life, known_to: BTreeSet::from([by]) });
        }
        Ok(next)
    }

    /// Whoever gives up one more member of a set must know that those who remained refuse to go on with the earlier one.
    fn check_set(&self, set: &[NodeId], nodes: &BTreeSet<NodeId>) -> Result<(), LayoutError> {
        if !set.iter().any(|node| nodes.contains(node)) {
            return Ok(());
        }
        let (earlier, remaining): (Vec<&NodeId>, Vec<&NodeId>) =
            set.iter().partition(|node| self.is_given_up(**node));
        for node in earlier.into_iter().filter(|node| !nodes.contains(node)) {
            let known_to = self.given_up.0.get(node).map(|ended| &ended.known_to);
            let is_unaware = |other: &&&NodeId| known_to.is_none_or(|known_to| !known_to.contains(**other));
            if let Some(unaware) = remaining.iter().find(is_unaware) {
                return Err(LayoutError::EarlierNotKnown { earlier: *node, unaware: **unaware });
            }
        }
        Ok(())
    }

    /// What is lost if these nodes are given up. `is_whole` says of another one whether its copies count.
    pub fn loss_of(&self, nodes: &BTreeSet<NodeId>, is_whole: &dyn Fn(NodeId) -> bool) -> Loss {
        let mut loss = Loss::default();
        for arc in arcs() {
            let (mut may_lose, mut has_copy) = (false, false);
            for version in self.in_force() {
                let owners = version.assignment.owners(arc);
                let is_gone = |node: &NodeId| nodes.contains(node) || self.is_given_up(*node);
                let not_whole = owners.iter().filter(|node| !is_gone(node) && !is_whole(**node));
                let not_whole: BTreeSet<NodeId> = not_whole.copied().collect();
                let gone = owners.iter().filter(|node| is_gone(node)).count();
                let is_concerned = owners.iter().any(|node| nodes.contains(node));
                has_copy |= owners.len() > gone + not_whole.len();
                if is_concerned && gone + not_whole.len() >= version.quorum() {
                    may_lose = true;
                    loss.with.extend(not_whole);
                }
            }
            loss.partitions += usize::from(may_lose);
            loss.partitions_without_copy += usize::from(may_lose && !has_copy);
        }
        loss
    }

    /// Names those who are given up: equal for those who know of the same, 0 if nobody is.
    pub(crate) fn given_up_mark(&self) -> u64 {
        let given_up = self.given_up();
        if given_up.is_empty() {
            return 0;
        }
        let mut hasher = blake3::Hasher::new();
        for node in given_up {
            hasher.update(node.as_bytes());
            hasher.update(&self.life_number(node).to_le_bytes());
        }
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

#[cfg(test)]
mod tests;
