//! Shares out the arcs: a new assignment that uses the nodes as evenly as their capacities allow, and
//! takes as little as possible away from where it lies.
//!
//! First the most arcs of each node ([`super::balance`]). Then a flow of least cost ([`super::flow`])
//! in which a copy that stays costs nothing and one that moves costs 1. Arcs with the same owners are
//! one source of flow, so the network is small. (The network is that of "Optimal partition assignment
//! in Garage", M. Oulamara and A. Auvolat, 2022, with such arcs drawn together.) How many arcs of a group
//! each node gets is then laid out by McNaughton's wrap-around rule (1959): node after node, zone after
//! zone, in rows as long as the group; arc number i gets what stands in column i. A share of at most a row
//! is never twice in a column, and a zone no oftener than its rows.
//!
//! The result depends on its arguments only.

use super::assignment::Assignment;
use super::balance::{self, Site, Spread};
use super::flow::{EdgeId, Network};
use super::{PARTITIONS, ReplicationFactor, Role};
use base::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// The storage nodes, zone by zone.
struct Sites {
    nodes: Vec<NodeId>,
    sites: Vec<Site>,
    zones: usize,
}

impl Sites {
    fn of(roles: &BTreeMap<NodeId, Role>) -> Self {
        let mut by_zone: BTreeMap<&str, Vec<(NodeId, u64)>> = BTreeMap::new();
        for (node, role) in roles {
            if let Some(capacity_bytes) = role.capacity_bytes {
                by_zone.entry(&role.zone).or_default().push((*node, capacity_bytes));
            }
        }
        let zones = by_zone.len();
        let numbered = by_zone.into_values().enumerate();
        let (nodes, sites) = numbered
            .flat_map(|(zone, nodes)| {
                nodes.into_iter().map(move |(node, capacity_bytes)| (node, Site { zone, capacity_bytes }))
            })
            .unzip();
        Self { nodes, sites, zones }
    }
}

/// Arcs that had the same owners.
struct Group {
    owners: BTreeSet<NodeId>,
    arcs: Vec<u16>,
}

/// Assigns every arc to `factor` storage nodes in at least `zones` zones; `None` when these roles
/// do not allow it.
pub(super) fn share_out(
    before: &Assignment,
    roles: &BTreeMap<NodeId, Role>,
    factor: ReplicationFactor,
    zones: u8,
) -> Option<Assignment> {
    let sites = Sites::of(roles);
    let copies = u64::from(factor.copies());
    let per_zone = (copies + 1).checked_sub(u64::from(zones))?;
    let limits = balance::limits(&sites.sites, Spread { copies, per_zone });
    let groups = groups(before, roles);
    let shares = flow(&sites, &limits, &groups, (copies, per_zone))?;
    let mut owners = vec![Vec::new(); PARTITIONS];
    for (group, shares) in groups.iter().zip(shares) {
        let slots = sites.nodes.iter().zip(shares).flat_map(|(node, share)| (0..share).map(move |_| *node));
        for (slot, node) in slots.enumerate() {
            owners[usize::from(group.arcs[slot % group.arcs.len()])].push(node);
        }
    }
    Some(Assignment::of_owners(owners))
}

/// The arcs by their owners that are still there.
fn groups(before: &Assignment, roles: &BTreeMap<NodeId, Role>) -> Vec<Group> {
    let is_storage = |node: &&NodeId| roles.get(node).is_some_and(|role| role.capacity_bytes.is_some());
    let mut groups: BTreeMap<BTreeSet<NodeId>, Vec<u16>> = BTreeMap::new();
    for arc in super::arcs() {
        let owners = before.owners(arc).iter().filter(is_storage).copied().collect();
        groups.entry(owners).or_default().push(arc);
    }
    groups.into_iter().map(|(owners, arcs)| Group { owners, arcs }).collect()
}

/// How many arcs of each group each site gets; `None` when not all copies find a place.
fn flow(
    sites: &Sites,
    limits: &[u64],
    groups: &[Group],
    (copies, per_zone): (u64, u64),
) -> Option<Vec<Vec<u64>>> {
    // Source, sink, sites, then for each group itself and its zones.
    let (source, sink, first_site, first_group) = (0, 1, 2, 2 + sites.nodes.len());
    let mut network = Network::new(first_group + groups.len() * (1 + sites.zones));
    for (site, limit) in limits.iter().enumerate() {
        network.connect((first_site + site, sink), *limit, 0);
    }
    let mut wanted = 0;
    let mut shares: Vec<Vec<EdgeId>> = Vec::with_capacity(groups.len());
    for (number, group) in groups.iter().enumerate() {
        let place = first_group + number * (1 + sites.zones);
        let arcs = u64::try_from(group.arcs.len()).unwrap_or(u64::MAX);
        wanted += copies * arcs;
        network.connect((source, place), copies * arcs, 0);
        for zone in 0..sites.zones {
            network.connect((place, place + 1 + zone), per_zone * arcs, 0);
        }
        let to_site = |(index, site): (usize, &Site)| {
            let cost = i64::from(!group.owners.contains(&sites.nodes[index]));
            network.connect((place + 1 + site.zone, first_site + index), arcs, cost)
        };
        shares.push(sites.sites.iter().enumerate().map(to_site).collect());
    }
    if network.send(source, sink) < wanted {
        return None;
    }
    Some(shares.into_iter().map(|edges| edges.into_iter().map(|edge| network.flow(edge)).collect()).collect())
}

#[cfg(test)]
mod tests;
