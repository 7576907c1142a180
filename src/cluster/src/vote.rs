//! Which version follows the one in force: decided by ballots among the storage nodes.
//!
//! A version is *chosen* when a quorum of every replica set of the current version has accepted it under
//! one ballot; what is chosen is in force for good (decision 0003, section 3, step 2). One round of the
//! register without values to merge: prepare, then accept what was accepted before under the highest
//! ballot, or else the candidate. What a node promised and accepted is durable before it answers.

use crate::layout::{Layout, Version, arcs};
use base::{NodeId, Stamp};
use net::{Class, Request};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a node has promised and accepted about one number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vote {
    /// The version number that is decided about.
    number: u64,
    promise: Option<Stamp>,
    accepted: Option<Accepted>,
}

/// A version that was accepted, and the ballot it was put forward under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    pub ballot: Stamp,
    pub version: Arc<Version>,
}

/// Asks a storage node for a promise, or to accept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskVote {
    pub number: u64,
    pub ballot: Stamp,
    /// The version to accept, as JSON; none asks for a promise.
    pub version: Option<String>,
    /// Names those whom the sender knows to be given up.
    #[serde(default)]
    pub given_up: u64,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Voted {
    /// It will accept nothing below the ballot; what it accepted last, as JSON of ballot and version.
    #[serde(rename = "p")]
    Promised(Option<String>),
    /// It has accepted.
    #[serde(rename = "a")]
    Accepted,
    /// It has promised another ballot, above this stamp.
    #[serde(rename = "r")]
    Refused(Stamp),
    /// It does not decide about this number: it knows more, or less, or lost its memory.
    #[serde(rename = "n")]
    No,
}

impl Request for AskVote {
    type Reply = Voted;
    const NAME: &'static str = "cluster/vote";
    const CLASS: Class = Class::Metadata;
}

impl Vote {
    /// What it says about this number: a vote about an earlier one is over.
    fn about(&self, number: u64) -> Self {
        if self.number == number { self.clone() } else { Self { number, ..Self::default() } }
    }

    /// Promises to accept nothing below `ballot`. `Err` is the stamp that stands against it.
    pub fn prepare(&self, number: u64, ballot: Stamp) -> Result<Self, Stamp> {
        let vote = self.about(number);
        match vote.promise {
            Some(promise) if ballot < promise => Err(promise),
            _ => Ok(Self { promise: Some(ballot), ..vote }),
        }
    }

    /// Accepts a version under `ballot`.
    pub fn accept(&self, ballot: Stamp, version: &Arc<Version>) -> Result<Self, Stamp> {
        let vote = self.prepare(version.number, ballot)?;
        Ok(Self { accepted: Some(Accepted { ballot, version: Arc::clone(version) }), ..vote })
    }

    /// The latest ballot that it has heard of.
    pub fn latest_stamp(&self) -> Stamp {
        self.promise.unwrap_or(Stamp::ZERO)
    }

    /// The stored form.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a vote holds only what JSON can hold")
    }

    /// Reads it.
    pub fn of_text(text: &str) -> Option<Self> {
        let vote: Self = serde_json::from_str(text).ok()?;
        let fits =
            |accepted: &Accepted| accepted.version.number == vote.number && accepted.version.is_consistent();
        vote.accepted.as_ref().is_none_or(fits).then_some(vote)
    }

    /// What it accepted last.
    pub fn accepted(&self) -> Option<&Accepted> {
        self.accepted.as_ref()
    }
}

impl Accepted {
    /// The form in which it is told.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a version holds only what JSON can hold")
    }

    /// Reads it.
    pub fn of_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|accepted: &Self| accepted.version.is_consistent())
    }
}

/// Whether these nodes are a quorum of every replica set of the current version (`every-set`).
pub(crate) fn can_choose(layout: &Layout, nodes: &BTreeSet<NodeId>) -> bool {
    let current = layout.current();
    current.number > 0 && arcs().all(|arc| layout.is_quorum(current, arc, |node| nodes.contains(&node)))
}

#[cfg(test)]
mod tests;
