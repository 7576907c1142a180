//! What may fail now: one plain sentence for each kind of answer, zone by zone.
//!
//! A zone is what fails together: a home. Copies that do not count yet, and nodes that are away, are not
//! relied on.

use crate::layout::{Layout, Version, arcs};
use base::NodeId;
use std::collections::BTreeSet;

/// What the failure of one more zone would mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Safety {
    /// Zones of which no node is there with a copy that counts: they have failed already.
    pub away: Vec<String>,
    /// Zones that may fail without loss, and without any request being refused.
    pub may_fail: Vec<String>,
    /// Zones whose failure loses nothing, and lets some requests wait until one is back.
    pub would_stop: Vec<String>,
    /// Zones that hold the only good copy of something.
    pub would_lose: Vec<String>,
    /// One node keeps everything there is.
    pub is_single: bool,
}

impl Safety {
    /// By the versions in force. `is_good` says of a node whether it is there and its copies count.
    pub(crate) fn judge(layout: &Layout, is_good: &dyn Fn(NodeId) -> bool) -> Self {
        let versions: Vec<&Version> = layout.in_force().map(AsRef::as_ref).collect();
        let zone_of = |node: &NodeId| {
            let role = versions.iter().rev().find_map(|version| version.roles.get(node));
            role.map_or("", |role| role.zone.as_str())
        };
        let storage = versions.iter().flat_map(|version| version.storage_nodes());
        let zones: BTreeSet<&str> = storage.map(|(node, _)| zone_of(node)).collect();
        let nodes: BTreeSet<NodeId> =
            versions.iter().flat_map(|version| version.storage_nodes()).map(|(node, _)| *node).collect();
        let mut safety = Self { is_single: nodes.len() == 1, ..Self::default() };
        for zone in zones {
            let storage = versions.iter().flat_map(|version| version.storage_nodes());
            let mut of_zone = storage.map(|(node, _)| node).filter(|node| zone_of(node) == zone);
            if !of_zone.any(|node| is_good(*node) && !layout.is_given_up(*node)) {
                safety.away.push(zone.to_owned());
                continue;
            }
            let remains = |node: NodeId| is_good(node) && zone_of(&node) != zone;
            let is_lost = |version: &Version, arc| !layout.remaining(version, arc).any(remains);
            let loses = arcs().any(|arc| versions.iter().all(|version| is_lost(version, arc)));
            let has_quorum = |version: &Version, arc| layout.is_quorum(version, arc, remains);
            let stops = arcs().any(|arc| versions.iter().any(|version| !has_quorum(version, arc)));
            let list = match (loses, stops) {
                (true, _) => &mut safety.would_lose,
                (false, true) => &mut safety.would_stop,
                (false, false) => &mut safety.may_fail,
            };
            list.push(zone.to_owned());
        }
        safety
    }

    /// For people.
    pub fn sentences(&self) -> Vec<String> {
        let mut said = Vec::new();
        if !self.away.is_empty() {
            said.push(format!("Away, or not complete yet: {}.", list(&self.away, "and")));
        }
        match self.may_fail.as_slice() {
            [] => {}
            [zone] => {
                said.push(format!("Zone {zone} may fail now: nothing is lost and all requests are served."))
            }
            zones => said.push(format!(
                "Any one of the zones {} may fail now: nothing is lost and all requests are served.",
                list(zones, "and")
            )),
        }
        if !self.would_stop.is_empty() {
            let (zones, verb) = (list(&self.would_stop, "or"), "fails");
            said.push(format!("If {zones} {verb} now, nothing is lost, but requests wait until it is back."));
        }
        if self.is_single && !self.would_lose.is_empty() {
            said.push(
                "If the disk of this machine fails now, everything is lost: keep another copy.".to_owned(),
            );
        } else if !self.would_lose.is_empty() {
            let zones = list(&self.would_lose, "or");
            said.push(format!(
                "If the disks of {zones} fail now, data is lost: there is one good copy of it."
            ));
        }
        said
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{ClusterId, Moment, Role};
    use base::Stamp;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn layout(zones: &[&str]) -> Layout {
        let at = |time| Moment {
            stamp: Stamp { time, node: 2 },
            new_cluster: ClusterId::from_bytes([7; 16]),
            by: node(1),
        };
        let mut layout = Layout::empty();
        for (number, zone) in (1..).zip(zones) {
            let role = Role { zone: (*zone).to_owned(), capacity_bytes: Some(1 << 30), tags: Vec::new() };
            layout = layout.assign(node(number), role, &at(u64::from(number))).unwrap();
        }
        layout.apply(1, &at(100)).unwrap()
    }

    fn said(layout: &Layout, away: &[u8]) -> Vec<String> {
        Safety::judge(layout, &|id| !away.iter().any(|number| node(*number) == id)).sentences()
    }

    #[test]
    fn sentences() {
        let three = layout(&["attic", "cellar", "office"]);
        assert_eq!(
            said(&three, &[]),
            [
                "Any one of the zones attic, cellar and office may fail now: nothing is lost and all requests are served."
            ]
        );
        assert_eq!(
            said(&three, &[2]),
            [
                "Away, or not complete yet: cellar.",
                "If attic or office fails now, nothing is lost, but requests wait until it is back."
            ]
        );
        assert_eq!(
            said(&layout(&["attic", "cellar"]), &[]),
            ["If attic or cellar fails now, nothing is lost, but requests wait until it is back."]
        );
        assert_eq!(
            said(&layout(&["attic"]), &[]),
            ["If the disk of this machine fails now, everything is lost: keep another copy."]
        );
        let only = layout(&["attic", "attic"]);
        assert!(
            said(&only, &[2])[0].starts_with("If the disks of attic fail now"),
            "{:?}",
            said(&only, &[2])
        );
        assert!(said(&Layout::empty(), &[]).is_empty());
    }
}
