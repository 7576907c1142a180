//! Staging, previewing and applying changes: each gives a new layout or says why not.

use super::progress::Progress;
use super::share::share_out;
use super::staged::Wish;
use super::{
    ArcSet, Candidate, ClusterId, HISTORY_MAX, Layout, LayoutError, Parameters, PastVersion, Replication,
    ReplicationFactor, Role, RoleChange, Version, ZoneRedundancy,
};
use base::{NodeId, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a change is made with, drawn anew for each.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Above every stamp in the layout.
    pub stamp: Stamp,
    /// For the first change of a first layout.
    pub new_cluster: ClusterId,
    /// The node that makes the change.
    pub by: NodeId,
}

/// What applying the staged changes would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The version it would give.
    pub version: Version,
    /// Per storage node, of either version.
    pub moves: BTreeMap<NodeId, NodeMove>,
}

/// What a new version means for one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeMove {
    /// Partitions it stores now.
    pub partitions_before: usize,
    /// Partitions it would store.
    pub partitions_after: usize,
    /// Partitions that it stores then and not now: it has to copy them.
    pub gained: ArcSet,
}

impl Layout {
    /// Stages a role.
    pub fn assign(&self, node: NodeId, role: Role, moment: &Moment) -> Result<Self, LayoutError> {
        role.check()?;
        // Back to what it is: nothing to change.
        let change = (self.base().roles.get(&node) != Some(&role)).then_some(RoleChange::Assign(role));
        Ok(self.wish(node, change, moment))
    }

    /// Stages the removal of a role, or drops one that was only staged.
    pub fn remove(&self, node: NodeId, moment: &Moment) -> Result<Self, LayoutError> {
        if self.base().roles.contains_key(&node) {
            Ok(self.wish(node, Some(RoleChange::Remove), moment))
        } else if self.staged().roles.contains_key(&node) {
            Ok(self.wish(node, None, moment))
        } else {
            Err(LayoutError::NoSuchRole(node))
        }
    }

    /// Stages parameters.
    pub fn configure(&self, parameters: Parameters, moment: &Moment) -> Result<Self, LayoutError> {
        let copies = match parameters.replication {
            Replication::Automatic => ReplicationFactor::MAX.copies(),
            Replication::Copies(factor) => factor.copies(),
        };
        match parameters.zone_redundancy {
            ZoneRedundancy::AtLeast(zones) if zones == 0 || zones > copies => {
                return Err(LayoutError::ZoneRedundancyRange { copies });
            }
            _ => {}
        }
        let changed = (parameters != self.base().parameters).then_some(parameters);
        let mut next = self.begun(moment);
        if changed != self.staged().parameters {
            next.wishes.parameters = Some(Wish { stamp: moment.stamp, value: changed });
        }
        Ok(next)
    }

    /// Drops everything staged, and a candidate that is not in force.
    pub fn revert(&self, moment: &Moment) -> Self {
        let mut next = self.clone();
        let Moment { stamp, .. } = *moment;
        if self.next().is_some() {
            let taken = self.wishes.take_up(&self.base().taken);
            let number = self.newest().number + 1;
            let version = Arc::new(Version { number, stamp, taken, ..self.newest().clone() });
            next.next = Some(Candidate { version, is_withdrawn: true });
            return next;
        }
        let staged = self.staged();
        for node in staged.roles.into_keys() {
            next.wishes.roles.insert(node, Wish { stamp, value: None });
        }
        if staged.parameters.is_some() {
            next.wishes.parameters = Some(Wish { stamp, value: None });
        }
        next
    }

    fn wish(&self, node: NodeId, change: Option<RoleChange>, moment: &Moment) -> Self {
        let mut next = self.begun(moment);
        if change.as_ref() != self.staged().roles.get(&node) {
            next.wishes.roles.insert(node, Wish { stamp: moment.stamp, value: change });
        }
        next
    }

    /// A copy that belongs to a cluster.
    fn begun(&self, moment: &Moment) -> Self {
        Self { cluster: self.cluster.or(Some(moment.new_cluster)), ..self.clone() }
    }

    /// What applying would do.
    pub fn plan(&self) -> Result<Plan, LayoutError> {
        let version = self.next_version(self.base().stamp)?;
        let before = self.newest();
        let nodes: BTreeSet<NodeId> =
            before.storage_nodes().chain(version.storage_nodes()).map(|(node, _)| *node).collect();
        let moves = nodes.into_iter().map(|node| {
            let moved = NodeMove {
                partitions_before: before.stored_partitions(node),
                partitions_after: version.stored_partitions(node),
                gained: version.assignment.gained(&before.assignment, node),
            };
            (node, moved)
        });
        Ok(Plan { moves: moves.collect(), version })
    }

    /// Makes the staged changes the version `number`, which must be the next one: whoever applies
    /// says which one they looked at.
    ///
    /// Scripts written for nodes that begin without a layout say version 1 although this node made
    /// that one itself. Nobody looked at a version before it, so nobody can mean another change:
    /// they get the next version. To apply nothing to the version in force changes nothing.
    pub fn apply(&self, number: u64, moment: &Moment) -> Result<Self, LayoutError> {
        let newest = self.newest().number;
        let expected = newest.saturating_add(1);
        let is_in_force = number == newest && number > 0;
        if is_in_force && self.staged().is_empty() {
            return Ok(self.clone());
        }
        if number != expected && !(is_in_force && self.is_automatic) {
            return Err(LayoutError::WrongVersion { expected, given: number });
        }
        if self.next().is_some_and(|next| next.number == number) && self.staged().is_empty() {
            return Ok(self.clone()); // It is on its way already.
        }
        if self.joint.is_some() {
            return Err(LayoutError::ChangeUnderWay { newest });
        }
        let version = Arc::new(self.next_version(moment.stamp)?);
        let begun = self.begun(moment);
        Ok(if self.binds_nobody_else(&version, moment.by) {
            begun.put_in_force(version)
        } else {
            begun.propose(version)
        })
    }

    /// Whether a version can be in force at once: it is the first one, or this node alone stores data and
    /// goes on to store all of it, so that nobody else has a say and nothing moves.
    fn binds_nobody_else(&self, version: &Version, by: NodeId) -> bool {
        let before = self.newest();
        // Who was given up is still to hear of it, should it live.
        let is_sole_voter = before.storage_nodes().all(|(node, _)| *node == by);
        before.number == 0 || (is_sole_voter && before.assignment == version.assignment)
    }

    /// The layout in which a version waits as the candidate.
    fn propose(&self, version: Arc<Version>) -> Self {
        let mut next = self.clone();
        next.next = Some(Candidate { version, is_withdrawn: false });
        next
    }

    /// The layout in which a chosen version is in force beside the current one. `None` when it does not
    /// follow it.
    pub(crate) fn joined(&self, chosen: Arc<Version>) -> Option<Self> {
        if self.joint.is_some() || chosen.number != self.current.number + 1 {
            return None;
        }
        let mut next = self.clone();
        next.wishes.prune(&chosen.taken);
        next.next = None;
        next.joint = Some(chosen);
        next.progress = Progress::merge(&self.progress, &Progress::default(), &next.current, next.joint());
        next.is_automatic = false;
        Some(next)
    }

    /// The layout in which a version is the only one in force.
    pub(super) fn put_in_force(&self, version: Arc<Version>) -> Self {
        let mut past = self.past.clone();
        let replaced = self.in_force().filter(|old| old.number > 0 && old.number != version.number);
        past.extend(replaced.map(|old| PastVersion::from(old.as_ref())));
        past.drain(..past.len().saturating_sub(HISTORY_MAX));
        let mut wishes = self.wishes.clone();
        wishes.prune(&version.taken);
        let (cluster, lives, given_up) = (self.cluster, self.lives.clone(), self.given_up.clone());
        let (joint, next, progress) = (None, None, Progress::default());
        let current = version;
        Self { cluster, current, joint, next, progress, lives, given_up, past, wishes, is_automatic: false }
    }

    fn next_version(&self, stamp: Stamp) -> Result<Version, LayoutError> {
        let (base, staged) = (self.base(), self.staged());
        let mut roles = base.roles.clone();
        for (node, change) in staged.roles {
            match change {
                RoleChange::Assign(role) => _ = roles.insert(node, role),
                RoleChange::Remove => _ = roles.remove(&node),
            }
        }
        let parameters = staged.parameters.unwrap_or(base.parameters);
        let (factor, zones) = copies_and_zones(&roles, parameters)?;
        let assignment = share_out(&self.newest().assignment, &roles, factor, zones)
            .ok_or(LayoutError::NotEnoughNodes { copies: factor.copies(), nodes: roles.len() })?;
        Ok(Version {
            number: self.newest().number.saturating_add(1),
            stamp,
            roles,
            parameters,
            replication_factor: Some(factor),
            assignment,
            taken: self.wishes.take_up(&base.taken),
        })
    }
}

/// The number of copies that these roles and parameters give, and in how many zones they must lie.
fn copies_and_zones(
    roles: &BTreeMap<NodeId, Role>,
    parameters: Parameters,
) -> Result<(ReplicationFactor, u8), LayoutError> {
    let storage: Vec<&Role> = roles.values().filter(|role| role.capacity_bytes.is_some()).collect();
    if storage.is_empty() {
        return Err(LayoutError::NoStorageNode);
    }
    let zones = storage.iter().map(|role| role.zone.as_str()).collect::<BTreeSet<_>>().len();
    let most = u8::try_from(zones).unwrap_or(u8::MAX).min(ReplicationFactor::MAX.copies());
    let factor = match parameters.replication {
        Replication::Copies(factor) => factor,
        Replication::Automatic => ReplicationFactor::new(most)?,
    };
    let copies = factor.copies();
    if storage.len() < usize::from(copies) {
        return Err(LayoutError::NotEnoughNodes { copies, nodes: storage.len() });
    }
    match parameters.zone_redundancy {
        ZoneRedundancy::AtLeast(wanted) if wanted > copies => {
            Err(LayoutError::ZoneRedundancyRange { copies })
        }
        ZoneRedundancy::AtLeast(wanted) if zones < usize::from(wanted) => {
            Err(LayoutError::NotEnoughZones { wanted, zones })
        }
        ZoneRedundancy::AtLeast(wanted) => Ok((factor, wanted)),
        ZoneRedundancy::Maximum => Ok((factor, most.min(copies))),
    }
}
