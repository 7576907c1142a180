//! Which life each node is in, as the cluster knows it (decision 0003, section 5).
//!
//! A life ends when a node loses its memory. What it said in an earlier life counts for nothing, so every
//! message names the lives that its sender believes in ([`Lives::digest`]). Within a life the starts of the
//! node are counted: a store that knows of fewer starts than the cluster is an old copy.

use base::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One life, or one start: a number that rises, and what tells two of the same number apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Counted from 1.
    pub number: u32,
    /// Drawn at random with each number.
    pub mark: u64,
}

/// Where a node is in its lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// Which life.
    pub life: Count,
    /// Which start in it.
    pub start: Count,
}

/// The latest that is known of each node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lives(BTreeMap<NodeId, Life>);

impl Lives {
    /// What is known of a node.
    pub fn of(&self, node: NodeId) -> Option<Life> {
        self.0.get(&node).copied()
    }

    /// Takes in that a node is in this life; an earlier one changes nothing.
    pub(super) fn note(&mut self, node: NodeId, life: Life) {
        let known = self.0.entry(node).or_insert(life);
        *known = life.max(*known);
    }

    /// Takes in what another node knows.
    pub(super) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(node, life)| self.note(*node, *life));
    }

    /// Names the lives of some nodes, and those of them who are given up: equal for those who believe in the same.
    pub(crate) fn digest<'a>(
        &self,
        nodes: impl Iterator<Item = &'a NodeId>,
        given_up: &BTreeSet<NodeId>,
    ) -> u64 {
        let mut hasher = blake3::Hasher::new();
        for node in nodes {
            let life = self.0.get(node).map_or(Count::default(), |life| life.life);
            hasher.update(node.as_bytes());
            hasher.update(&life.number.to_le_bytes());
            hasher.update(&life.mark.to_le_bytes());
            if given_up.contains(node) {
                hasher.update(b"given up");
            }
        }
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
