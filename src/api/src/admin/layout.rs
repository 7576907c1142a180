//! Endpoints about the layout. The decisions are made in `cluster`; here they get their JSON.

use super::coming::coming_body;
use super::copying::Copying;
use super::{AdminApi, AdminError, Answer, Call, wire};
use crate::sizes::size;
use base::NodeId;
use cluster::layout::{
    Layout, LayoutError, Moment, NodeMove, Parameters, Plan, Replication, ReplicationFactor, Role,
    RoleChange, Version, ZoneRedundancy, arcs,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) async fn show(call: Call<'_>) -> Result<Answer, AdminError> {
    Ok(Answer::json(&layout_body(call.api, &call.api.cluster.layout()).await))
}

pub(super) async fn history(call: Call<'_>) -> Result<Answer, AdminError> {
    let layout = call.api.cluster.layout();
    let newest = layout.newest().number;
    let entry = |version: u64, status: &str, roles: &BTreeMap<NodeId, Role>| {
        let storage = roles.values().filter(|role| role.capacity_bytes.is_some()).count();
        wire::LayoutVersion {
            version,
            status: status.to_owned(),
            storage_nodes: as_u64(storage),
            gateway_nodes: as_u64(roles.len() - storage),
        }
    };
    let candidate = layout.next().map(|next| entry(next.number, "Candidate", &next.roles));
    let in_force = layout.in_force().rev().enumerate().map(|(age, version)| {
        entry(version.number, if age == 0 { "Current" } else { "Draining" }, &version.roles)
    });
    let before = layout.past().map(|past| entry(past.number, "Historical", &past.roles));
    // Which version each node has seen, and which one its copies are complete for.
    let tracker = |node: NodeId| {
        let owns = |arc: &u16| layout.newest().assignment.owners(*arc).contains(&node);
        let is_complete = arcs().filter(owns).all(|arc| layout.has_completed(node, arc));
        let sync = if is_complete { newest } else { layout.current().number };
        (node.to_string(), wire::UpdateTrackers { ack: newest, sync, sync_ack: layout.current().number })
    };
    let storage = layout.newest().storage_nodes().map(|(node, _)| *node);
    Ok(Answer::json(&wire::LayoutHistory {
        current_version: newest,
        min_ack: layout.current().number,
        versions: candidate.into_iter().chain(in_force).chain(before).collect(),
        update_trackers: Some(storage.map(tracker).collect()),
        coming: coming_body(call.api, &layout).await,
    }))
}

pub(super) async fn update(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::UpdateClusterLayout = call.json()?;
    let roles = body.roles.into_iter().map(role_change).collect::<Result<Vec<_>, _>>()?;
    let parameters = body.parameters;
    refuse_strangers(call.api, &roles)?;
    let stage = move |layout: &Layout, moment: &Moment| {
        let mut next = layout.clone();
        for (node, change) in roles {
            next = match change {
                RoleChange::Assign(role) => next.assign(node, role, moment)?,
                RoleChange::Remove => next.remove(node, moment)?,
            };
        }
        match parameters {
            Some(parameters) => {
                let parameters = parameters_of(&next, parameters)?;
                next.configure(parameters, moment).and_then(refuse_too_many_zones)
            }
            None => Ok(next),
        }
    };
    let layout = change(call.api, stage).await?;
    Ok(Answer::json(&layout_body(call.api, &layout).await))
}

pub(super) async fn preview(call: Call<'_>) -> Result<Answer, AdminError> {
    let layout = call.api.cluster.layout();
    let known = Copying::look(call.api).await;
    Ok(Answer::json(&match layout.plan() {
        Err(error) => wire::LayoutPreview::Refused { error: error.to_string() },
        Ok(plan) => {
            let Told { message, copying } = describe(&layout, &plan, &known);
            let new_layout = Box::new(version_body(&plan.version));
            wire::LayoutPreview::Computed { message, new_layout, copying: Some(copying) }
        }
    }))
}

pub(super) async fn apply(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::ApplyClusterLayout = call.json()?;
    // What is said is what was planned when the change was made, so both happen in one step.
    let (said, told) = std::sync::mpsc::channel();
    let known = Copying::look(call.api).await;
    let work = move |layout: &Layout, moment: &Moment| {
        let next = layout.apply(body.version, moment)?;
        let told = if next == *layout {
            let message = vec!["Nothing was staged, so nothing changed.".to_owned()];
            Told { message, ..Told::default() }
        } else {
            describe(layout, &layout.plan()?, &known)
        };
        // Nobody is left to read it only when the request was dropped.
        let _ = said.send(told);
        Ok(next)
    };
    let layout = change(call.api, work).await?;
    Ok(Answer::json(&applied(call.api, &layout, told.try_recv().unwrap_or_default()).await))
}

/// A version that was applied, with what was told of it.
pub(super) async fn applied(api: &AdminApi, layout: &Layout, told: Told) -> wire::AppliedClusterLayout {
    let Told { message, copying } = told;
    wire::AppliedClusterLayout { message, copying: Some(copying), layout: layout_body(api, layout).await }
}

pub(super) async fn revert(call: Call<'_>) -> Result<Answer, AdminError> {
    let layout = change(call.api, |layout, moment| Ok(layout.revert(moment))).await?;
    Ok(Answer::json(&layout_body(call.api, &layout).await))
}

pub(super) async fn change(
    api: &AdminApi,
    work: impl FnOnce(&Layout, &Moment) -> Result<Layout, LayoutError> + Send + 'static,
) -> Result<Arc<Layout>, AdminError> {
    let cluster = Arc::clone(&api.cluster);
    Ok(api.model.env().tasks.blocking(move || cluster.change_layout(work)).await?)
}

fn role_change(change: wire::RoleChange) -> Result<(NodeId, RoleChange), AdminError> {
    let invalid = |name| AdminError::InvalidValue { name, value: change.id.clone() };
    let node = NodeId::from_hex(&change.id).ok_or_else(|| invalid("node id (64 hexadecimal digits)"))?;
    match (change.remove, change.zone) {
        (Some(true), None) => Ok((node, RoleChange::Remove)),
        (None | Some(false), Some(zone)) => {
            let tags = change.tags.unwrap_or_default();
            Ok((node, RoleChange::Assign(Role { zone, capacity_bytes: change.capacity, tags })))
        }
        _ => Err(AdminError::InvalidValue {
            name: "role change: give either `remove: true`, or `zone`, `capacity` and `tags`",
            value: change.id,
        }),
    }
}

/// The parameters asked for; a replication factor that is not mentioned stays as it would be.
fn parameters_of(layout: &Layout, asked: wire::LayoutParameters) -> Result<Parameters, LayoutError> {
    let present = layout.staged().parameters.unwrap_or(layout.current().parameters);
    let replication = match asked.replication_factor {
        None => present.replication,
        Some(copies) => Replication::Copies(ReplicationFactor::new(copies)?),
    };
    let zone_redundancy = match asked.zone_redundancy {
        wire::ZoneRedundancy::Maximum => ZoneRedundancy::Maximum,
        wire::ZoneRedundancy::AtLeast(zones) => ZoneRedundancy::AtLeast(zones),
    };
    Ok(Parameters { zone_redundancy, replication })
}

fn parameters_body(parameters: Parameters) -> wire::LayoutParameters {
    wire::LayoutParameters {
        zone_redundancy: match parameters.zone_redundancy {
            ZoneRedundancy::Maximum => wire::ZoneRedundancy::Maximum,
            ZoneRedundancy::AtLeast(zones) => wire::ZoneRedundancy::AtLeast(zones),
        },
        replication_factor: match parameters.replication {
            Replication::Automatic => None,
            Replication::Copies(factor) => Some(factor.copies()),
        },
    }
}

pub(super) async fn layout_body(api: &AdminApi, layout: &Layout) -> wire::ClusterLayout {
    let all = layout.staged();
    let staged = all.roles.iter().map(|(node, change)| match change {
        RoleChange::Remove => {
            wire::RoleChange { id: node.to_string(), remove: Some(true), ..wire::RoleChange::default() }
        }
        RoleChange::Assign(role) => wire::RoleChange {
            id: node.to_string(),
            remove: None,
            zone: Some(role.zone.clone()),
            capacity: role.capacity_bytes,
            tags: Some(role.tags.clone()),
        },
    });
    wire::ClusterLayout {
        staged_role_changes: staged.collect(),
        staged_parameters: all.parameters.map(parameters_body),
        coming: coming_body(api, layout).await,
        ..version_body(layout.newest())
    }
}

/// A version with nothing staged.
fn version_body(version: &Version) -> wire::ClusterLayout {
    let partition_size = version.partition_size_bytes();
    let roles = version.roles.iter().map(|(node, role)| {
        let stored = role.capacity_bytes.map(|_| as_u64(version.stored_partitions(*node)));
        wire::LayoutRole {
            id: node.to_string(),
            zone: role.zone.clone(),
            tags: role.tags.clone(),
            capacity: role.capacity_bytes,
            stored_partitions: stored,
            usable_capacity: stored.map(|stored| stored.saturating_mul(partition_size)),
        }
    });
    wire::ClusterLayout {
        version: version.number,
        roles: roles.collect(),
        parameters: parameters_body(version.parameters),
        partition_size,
        replication_factor: version.replication_factor.map(ReplicationFactor::copies),
        staged_role_changes: Vec::new(),
        staged_parameters: None,
        coming: None,
    }
}

/// Parameters that the nodes there are, and those that are staged, cannot fulfil. Whoever has none yet may set them first.
fn refuse_too_many_zones(layout: Layout) -> Result<Layout, LayoutError> {
    match layout.plan() {
        Err(error @ (LayoutError::NotEnoughZones { .. } | LayoutError::ZoneRedundancyRange { .. })) => {
            Err(error)
        }
        _ => Ok(layout),
    }
}

/// A node of another cluster cannot get a role: its data would be lost, or ours.
fn refuse_strangers(api: &AdminApi, changes: &[(NodeId, RoleChange)]) -> Result<(), AdminError> {
    let is_stranger =
        |id| api.cluster.nodes().iter().any(|node| node.id == id && node.other_cluster.is_some());
    let assigned = changes.iter().filter(|(_, change)| matches!(change, RoleChange::Assign(_)));
    match assigned.map(|(node, _)| *node).find(|node| is_stranger(*node)) {
        Some(node) => Err(AdminError::InvalidValue {
            name: "node: it belongs to another cluster; stop it, start it with an empty data folder, then assign it",
            value: node.to_string(),
        }),
        None => Ok(()),
    }
}

/// What a plan means: for people, and in figures.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub message: Vec<String>,
    pub copying: wire::Copying,
}

/// Tells what a plan means, beside the layout that it was made from.
pub(super) fn describe(layout: &Layout, plan: &Plan, known: &Copying) -> Told {
    let version = &plan.version;
    let copies = version.replication_factor.map_or(0, ReplicationFactor::copies);
    let mut message = vec![
        format!(
            "Layout version {} keeps {copies} of everything on {}.",
            version.number,
            counted(version.storage_nodes().count(), "storage node")
        ),
        format!(
            "Each of {} partitions may hold {}.",
            cluster::layout::PARTITIONS,
            size(version.partition_size_bytes())
        ),
    ];
    message.extend(plan.moves.iter().map(|(node, moved)| describe_move(*node, moved, known)));
    // Of a first version nothing is copied: there is nothing yet.
    let is_first = layout.newest().number == 0;
    let gained = plan.moves.iter().filter(|_| !is_first).map(|(node, moved)| (*node, moved.gained));
    let (copying, sentence) = known.plan(&gained.collect(), layout.newest());
    message.extend(sentence);
    Told { message, copying }
}

fn describe_move(node: NodeId, moved: &NodeMove, known: &Copying) -> String {
    let id = node.to_string();
    let mut line =
        format!("{}  {} partitions (now {})", &id[..16], moved.partitions_after, moved.partitions_before);
    if !moved.gained.is_empty() {
        line.push_str(&format!(", {} to copy", moved.gained.len()));
        if let Some(bytes) = known.bytes(&moved.gained).filter(|bytes| *bytes > 0) {
            line.push_str(&format!(", about {}", size(bytes)));
        }
    }
    line
}

/// `1 node`, `2 nodes`.
fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
