//! Changes staged for the next version: one register per node and one for the parameters.
//!
//! The last write to a register wins, by its stamp, so that what is staged on one node shows on every
//! other. A version says up to which stamp it has taken up each register: what was staged at the same
//! time elsewhere, and not seen by whoever applied, stays staged.

use super::{Parameters, Role};
use base::{NodeId, Stamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A staged change of one node's role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoleChange {
    /// Gives the node this role.
    #[serde(rename = "assign")]
    Assign(Role),
    /// Takes its role.
    #[serde(rename = "remove")]
    Remove,
}

/// What waits for the next version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staged {
    /// Per node.
    pub roles: BTreeMap<NodeId, RoleChange>,
    /// New parameters.
    pub parameters: Option<Parameters>,
}

impl Staged {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.parameters.is_none()
    }
}

/// A register: what was wished last, or that the wish was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish<T> {
    pub stamp: Stamp,
    pub value: Option<T>,
}

/// All registers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wishes {
    pub roles: BTreeMap<NodeId, Wish<RoleChange>>,
    pub parameters: Option<Wish<Parameters>>,
}

/// Up to where a version has taken up the registers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakenUp {
    pub roles: BTreeMap<NodeId, Stamp>,
    pub parameters: Option<Stamp>,
}

impl TakenUp {
    fn has_role(&self, node: &NodeId, stamp: Stamp) -> bool {
        self.roles.get(node).is_some_and(|taken| stamp <= *taken)
    }

    fn has_parameters(&self, stamp: Stamp) -> bool {
        self.parameters.is_some_and(|taken| stamp <= taken)
    }
}

impl Wishes {
    /// What waits beyond what was taken up.
    pub fn beyond(&self, taken: &TakenUp) -> Staged {
        let waits = |(node, wish): (&NodeId, &Wish<RoleChange>)| {
            let change = wish.value.clone().filter(|_| !taken.has_role(node, wish.stamp));
            change.map(|change| (*node, change))
        };
        let parameters = self.parameters.as_ref().filter(|wish| !taken.has_parameters(wish.stamp));
        Staged {
            roles: self.roles.iter().filter_map(waits).collect(),
            parameters: parameters.and_then(|wish| wish.value),
        }
    }

    /// `taken`, and everything that is wished now.
    pub fn take_up(&self, taken: &TakenUp) -> TakenUp {
        let mut all = taken.clone();
        for (node, wish) in &self.roles {
            let stamp = all.roles.entry(*node).or_insert(wish.stamp);
            *stamp = wish.stamp.max(*stamp);
        }
        all.parameters = all.parameters.max(self.parameters.as_ref().map(|wish| wish.stamp));
        all
    }

    /// Forgets what a version in force has taken up for good.
    pub fn prune(&mut self, taken: &TakenUp) {
        self.roles.retain(|node, wish| !taken.has_role(node, wish.stamp));
        self.parameters = self.parameters.take().filter(|wish| !taken.has_parameters(wish.stamp));
    }

    /// Takes in the registers of another node.
    pub fn merge(&mut self, other: &Self) {
        for (node, theirs) in &other.roles {
            match self.roles.get(node) {
                Some(ours) if !is_newer(theirs, ours) => {}
                _ => _ = self.roles.insert(*node, theirs.clone()),
            }
        }
        match (&self.parameters, &other.parameters) {
            (Some(ours), Some(theirs)) if !is_newer(theirs, ours) => {}
            (_, Some(theirs)) => self.parameters = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    /// The latest stamp in any register.
    pub fn latest(&self) -> Stamp {
        let roles = self.roles.values().map(|wish| wish.stamp);
        roles.chain(self.parameters.as_ref().map(|wish| wish.stamp)).max().unwrap_or(Stamp::ZERO)
    }
}

/// By stamp. Stamps are given once; should two wishes share one all the same, the text decides.
fn is_newer<T: Serialize>(theirs: &Wish<T>, ours: &Wish<T>) -> bool {
    let text = |wish: &Wish<T>| serde_json::to_string(&wish.value).unwrap_or_default();
    theirs.stamp > ours.stamp || (theirs.stamp == ours.stamp && text(theirs) > text(ours))
}
