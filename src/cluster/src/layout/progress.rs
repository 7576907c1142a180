//! How far each node has come with a version that gives data to other nodes (decision 0003, section 3).
//!
//! A node says of an arc that it has *filled* it while the version is a candidate, and that its copy is
//! *complete* while both versions are in force. What is said rests on the memory of one life and of one
//! version: in another it counts for nothing. Said is said: merging is union.

use super::{ArcSet, Layout, Version, arcs};
use base::{NodeId, Stamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the nodes have said, about each version that may still be the one that comes.
///
/// Of two candidates the lesser may yet be the chosen one, so what is said of it is kept until one is in
/// force: dropped earlier, merging would depend on who hears of which candidate first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Progress(Vec<Told>);

/// What the nodes have said about one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    /// The version: its number and stamp.
    of: (u64, Stamp),
    nodes: BTreeMap<NodeId, Steps>,
}

/// What one node has said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// The number of its life.
    life: u32,
    /// Arcs whose rows and blocks it has copied, from before the version was in force.
    pub filled: ArcSet,
    /// Arcs of which it has everything that was answered before the version was in force.
    pub complete: ArcSet,
}

impl Steps {
    fn merge(self, other: Self) -> Self {
        match self.life.cmp(&other.life) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal => Self {
                life: self.life,
                filled: self.filled.union(&other.filled),
                complete: self.complete.union(&other.complete),
            },
        }
    }
}

impl Progress {
    /// What two nodes know, beside the versions in force that they know together.
    pub fn merge(one: &Self, other: &Self, current: &Version, joint: Option<&Version>) -> Self {
        let may_come = |of: (u64, Stamp)| match joint {
            Some(joint) => of == joint.mark(),
            None => of.0 > current.number,
        };
        let mut merged: BTreeMap<(u64, Stamp), BTreeMap<NodeId, Steps>> = BTreeMap::new();
        for told in one.0.iter().chain(&other.0).filter(|told| may_come(told.of)) {
            let nodes = merged.entry(told.of).or_default();
            for (node, steps) in &told.nodes {
                let known = nodes.entry(*node).or_insert(*steps);
                *known = known.merge(*steps);
            }
        }
        Self(merged.into_iter().map(|(of, nodes)| Told { of, nodes }).collect())
    }

    fn said_of(&self, version: &Version, node: NodeId) -> Option<Steps> {
        let told = self.0.iter().find(|told| told.of == version.mark())?;
        told.nodes.get(&node).copied()
    }
}

impl Layout {
    /// The version that data is moved for: in force beside the current one, or a candidate.
    pub fn coming(&self) -> Option<&Version> {
        self.joint().or(self.next())
    }

    /// What a node has said about the coming version, in the life it is in.
    pub fn steps_of(&self, node: NodeId) -> Steps {
        let steps = self.coming().and_then(|coming| self.progress.said_of(coming, node));
        steps.filter(|steps| steps.life == self.life_number(node)).unwrap_or_default()
    }

    pub(super) fn life_number(&self, node: NodeId) -> u32 {
        self.lives.of(node).map_or(0, |life| life.life.number)
    }

    /// Takes in what a node says about the version of this number and stamp; nothing if another is coming.
    pub fn with_steps(&self, node: NodeId, (number, stamp): (u64, Stamp), said: (ArcSet, ArcSet)) -> Self {
        let mut next = self.clone();
        let of = (number, stamp);
        if self.coming().map(Version::mark) != Some(of) {
            return next;
        }
        let steps = Steps { life: self.life_number(node), filled: said.0, complete: said.1 };
        let told = Progress(vec![Told { of, nodes: BTreeMap::from([(node, steps)]) }]);
        next.progress = Progress::merge(&self.progress, &told, &self.current, self.joint());
        next
    }

    /// Whether an owner of an arc in the candidate has filled it, or needs not.
    pub fn has_filled(&self, node: NodeId, arc: u16) -> bool {
        self.newest().assignment.owners(arc).contains(&node) || self.steps_of(node).filled.contains(arc)
    }

    /// Whether an owner of an arc in the newer version in force has a complete copy.
    pub fn has_completed(&self, node: NodeId, arc: u16) -> bool {
        self.is_unmoved(arc) || self.steps_of(node).complete.contains(arc)
    }

    /// How many arcs the newer version in force gives to a node that the older one did not, and whose copy it has not
    /// completed: it has filled them, and what it missed meanwhile is not known before.
    pub fn uncompared_arcs(&self, node: NodeId) -> u64 {
        let Some(joint) = self.joint() else { return 0 };
        let given = joint.assignment.gained(&self.current.assignment, node);
        given.without(&ArcSet::of(|arc| self.has_completed(node, arc))).len() as u64
    }

    /// Whether the versions in force give an arc to the same nodes.
    pub fn is_unmoved(&self, arc: u16) -> bool {
        self.current.assignment.owners(arc) == self.newest().assignment.owners(arc)
    }

    /// The candidate, once a quorum of each of its sets has filled: it can be put in force.
    pub fn ready_candidate(&self) -> Option<&Version> {
        let next = self.next().filter(|_| self.joint.is_none())?;
        arcs().all(|arc| self.is_quorum(next, arc, |node| self.has_filled(node, arc))).then_some(next)
    }

    /// Whether a quorum of each set of the newer version in force is complete: the older one is retired.
    fn is_complete(&self) -> bool {
        let is_complete = |joint: &Version| {
            arcs().all(|arc| self.is_quorum(joint, arc, |node| self.has_completed(node, arc)))
        };
        self.joint().is_some_and(is_complete)
    }

    /// The layout in which the older of two versions in force is retired, if it may be.
    pub fn retired(&self) -> Option<Self> {
        let joint = self.joint.clone().filter(|_| self.is_complete())?;
        Some(self.put_in_force(joint))
    }
}

#[cfg(test)]
mod tests;
