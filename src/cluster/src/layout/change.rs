//! Staging, previewing and applying changes: each gives a new layout or says why not.

use super::{
    Assignment, HISTORY_MAX, Layout, LayoutError, Parameters, PastVersion, Replication, ReplicationFactor,
    Role, RoleChange, Staged, Version, ZoneRedundancy,
};
use base::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// What applying the staged changes would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The version it would give.
    pub version: Version,
    /// Per storage node, of either version.
    pub moves: BTreeMap<NodeId, NodeMove>,
}

/// What a new version means for one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeMove {
    /// Partitions it stores now.
    pub partitions_before: usize,
    /// Partitions it would store.
    pub partitions_after: usize,
}

impl Layout {
    /// Stages a role.
    pub fn assign(&self, node: NodeId, role: Role) -> Result<Self, LayoutError> {
        role.check()?;
        let mut next = self.clone();
        if self.current.roles.get(&node) == Some(&role) {
            // Back to what it is: nothing to change.
            next.staged.roles.remove(&node);
        } else {
            next.staged.roles.insert(node, RoleChange::Assign(role));
        }
        Ok(next)
    }

    /// Stages the removal of a role, or drops one that was only staged.
    pub fn remove(&self, node: NodeId) -> Result<Self, LayoutError> {
        let mut next = self.clone();
        if self.current.roles.contains_key(&node) {
            next.staged.roles.insert(node, RoleChange::Remove);
        } else if next.staged.roles.remove(&node).is_none() {
            return Err(LayoutError::NoSuchRole(node));
        }
        Ok(next)
    }

    /// Stages parameters.
    pub fn configure(&self, parameters: Parameters) -> Result<Self, LayoutError> {
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
        let changed = (parameters != self.current.parameters).then_some(parameters);
        let staged = Staged { parameters: changed, ..self.staged.clone() };
        Ok(Self { staged, ..self.clone() })
    }

    /// Drops everything staged.
    pub fn revert(&self) -> Self {
        Self { staged: Staged::default(), ..self.clone() }
    }

    /// What applying would do.
    pub fn plan(&self) -> Result<Plan, LayoutError> {
        let version = self.next_version()?;
        let nodes: BTreeSet<NodeId> =
            self.current.storage_nodes().chain(version.storage_nodes()).map(|(node, _)| *node).collect();
        let moves = nodes.into_iter().map(|node| {
            let partitions_before = self.current.stored_partitions(node);
            (node, NodeMove { partitions_before, partitions_after: version.stored_partitions(node) })
        });
        Ok(Plan { moves: moves.collect(), version })
    }

    /// Makes the staged changes the version `number`, which must be the next one: whoever applies
    /// says which one they looked at.
    ///
    /// Scripts written for nodes that begin without a layout say version 1 although this node made
    /// that one itself. Nobody looked at a version before it, so nobody can mean another change:
    /// they get the next version. To apply nothing to the version in force changes nothing.
    pub fn apply(&self, number: u64) -> Result<Self, LayoutError> {
        let expected = self.current.number.saturating_add(1);
        let is_in_force = number == self.current.number && number > 0;
        if is_in_force && self.staged.is_empty() {
            return Ok(self.clone());
        }
        if number != expected && !(is_in_force && self.is_automatic) {
            return Err(LayoutError::WrongVersion { expected, given: number });
        }
        let current = self.next_version()?;
        let mut past = self.past.clone();
        if self.current.number > 0 {
            let Version { number, roles, parameters, .. } = self.current.clone();
            past.push(PastVersion { number, roles, parameters });
        }
        let surplus = past.len().saturating_sub(HISTORY_MAX);
        past.drain(..surplus);
        Ok(Self { current, past, staged: Staged::default(), is_automatic: false })
    }

    fn next_version(&self) -> Result<Version, LayoutError> {
        let mut roles = self.current.roles.clone();
        for (node, change) in &self.staged.roles {
            match change {
                RoleChange::Assign(role) => _ = roles.insert(*node, role.clone()),
                RoleChange::Remove => _ = roles.remove(node),
            }
        }
        let parameters = self.staged.parameters.unwrap_or(self.current.parameters);
        let factor = replication_factor(&roles, parameters)?;
        let assignment = assign_partitions(&self.current, &roles)?;
        Ok(Version {
            number: self.current.number.saturating_add(1),
            roles,
            parameters,
            replication_factor: Some(factor),
            assignment,
        })
    }
}

/// The number of copies these roles and parameters give.
fn replication_factor(
    roles: &BTreeMap<NodeId, Role>,
    parameters: Parameters,
) -> Result<ReplicationFactor, LayoutError> {
    let storage: Vec<&Role> = roles.values().filter(|role| role.capacity_bytes.is_some()).collect();
    let zones = storage.iter().map(|role| role.zone.as_str()).collect::<BTreeSet<_>>().len();
    let factor = match parameters.replication {
        Replication::Copies(factor) => factor,
        Replication::Automatic => {
            let copies = zones.min(usize::from(ReplicationFactor::MAX.copies()));
            u8::try_from(copies)
                .ok()
                .and_then(|copies| ReplicationFactor::new(copies).ok())
                .ok_or(LayoutError::NoStorageNode)?
        }
    };
    if storage.is_empty() {
        return Err(LayoutError::NoStorageNode);
    }
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
        _ => Ok(factor),
    }
}

/// Everything on the one storage node. Data on several nodes, and its moving, is another issue.
fn assign_partitions(before: &Version, roles: &BTreeMap<NodeId, Role>) -> Result<Assignment, LayoutError> {
    let mut storage = roles.iter().filter(|(_, role)| role.capacity_bytes.is_some()).map(|(node, _)| *node);
    let (Some(node), None) = (storage.next(), storage.next()) else { return Err(LayoutError::SeveralNodes) };
    if before.storage_nodes().any(|(old, _)| *old != node) {
        return Err(LayoutError::SeveralNodes);
    }
    Ok(Assignment::on_one_node(node))
}
