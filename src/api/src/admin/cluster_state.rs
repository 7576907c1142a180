//! Endpoints about the cluster as a whole: nodes, health, figures.

use super::zones::Outlook;
use super::{AdminApi, AdminError, Answer, Call, webhooks, wire};
use crate::sizes::size;
use base::{NodeId, WallTime};
use block::{DiskState, Statistics};
use cluster::layout::Role;
use cluster::membership::NodeStatus;
use cluster::{ClusterState, Health, LocalService, Node, Reason};
use env::Space;
use model::Model;
use model::usage::Usage;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use store::Store;

/// Milliseconds of an hour.
const HOUR_MS: u64 = 60 * 60 * 1000;

/// What this node's own stores say.
pub(super) struct LocalFigures {
    /// The block store.
    pub blocks: Statistics,
    /// Bytes of the metadata engine on disk.
    pub metadata_bytes: u64,
    /// Room for metadata.
    pub metadata_space: Option<Space>,
    /// Room for blocks, on all disks together.
    pub data_space: Option<Space>,
    /// What is wrong.
    pub service: LocalService,
}

/// Reads the disks and the stores.
pub(super) async fn local_figures(api: &AdminApi) -> Result<LocalFigures, AdminError> {
    let (model, cluster) = (Arc::clone(&api.model), Arc::clone(&api.cluster));
    let work = move || {
        let blocks = model.blocks().statistics()?;
        let metadata_space = model.env().disk.space(cluster.folder()).ok();
        let mut service = judge(model.store(), &blocks);
        service.complaints.extend(told_by_others(&model));
        let data_space = Space::together(blocks.disks.iter().filter_map(|disk| disk.space));
        let metadata_bytes = model.store().engine().disk_bytes().unwrap_or_default();
        Ok(LocalFigures { blocks, metadata_bytes, metadata_space, data_space, service })
    };
    api.model.env().tasks.blocking(work).await
}

fn judge(store: &Store, blocks: &Statistics) -> LocalService {
    let mut service = LocalService::default();
    if store.has_failed() {
        service.failures.push(Reason::MetadataStopped);
    }
    if !store.has_room() {
        service.complaints.push(Reason::MetadataFull);
    }
    for disk in &blocks.disks {
        match disk.state {
            DiskState::Ready | DiskState::ReadOnly => {}
            DiskState::Full => service.complaints.push(Reason::DataFull(disk.path.clone())),
            DiskState::Failed => service.complaints.push(Reason::DataFolder(disk.path.clone())),
            DiskState::Absent => service.complaints.push(Reason::DiskGone(disk.path.clone())),
        }
    }
    if !blocks.disks.iter().any(|disk| matches!(disk.state, DiskState::Ready | DiskState::Full)) {
        service.failures.push(Reason::NoDataFolder);
    }
    service
}

/// What is wrong with this node, or with others, by what they told each other or found.
fn told_by_others(model: &Model) -> Vec<Reason> {
    let now = model.env().clock.wall().millis();
    let hours = |time: WallTime| time.millis().saturating_sub(now) / HOUR_MS;
    let ahead = model.clocks_ahead().into_iter().map(|(node, time)| Reason::ClockAhead(node, hours(time)));
    let refused = model.refused_by().into_iter().map(Reason::ClockRefused);
    let secret = model.forgets_encryption_secret().then_some(Reason::SecretNotKept);
    let (rows, names) = model.damaged_rows();
    let damaged = (rows > 0).then_some(Reason::DamagedRows(rows, names));
    ahead.chain(refused).chain(secret).chain(damaged).collect()
}

/// Objects, bytes and uploads of all buckets.
pub(super) fn total_usage(api: &AdminApi) -> Result<Usage, AdminError> {
    let mut total = Usage::default();
    for id in api.model.names().buckets.keys() {
        let usage = super::buckets::usage_of(&api.model, *id)?;
        total.objects += usage.objects;
        total.bytes += usage.bytes;
        total.uploads += usage.uploads;
    }
    Ok(total)
}

pub(super) async fn status(call: Call<'_>) -> Result<Answer, AdminError> {
    let figures = local_figures(call.api).await?;
    let cluster = &call.api.cluster;
    let layout = cluster.layout();
    let nodes = cluster.nodes().into_iter().map(|node| {
        let own = (node.id == cluster.id()).then_some(&figures);
        let role = layout.in_force().rev().find_map(|version| version.roles.get(&node.id));
        wire::NodeStatus { forgotten: layout.is_given_up(node.id), ..node_status(&node, role, own) }
    });
    let nodes = nodes.collect();
    let Outlook { coming, zones } = Outlook::look(call.api, &layout).await;
    Ok(Answer::json(&wire::ClusterStatus {
        layout_version: layout.newest().number,
        nodes,
        safety: cluster.safety().sentences(),
        zones,
        coming,
    }))
}

fn node_status(node: &Node, role: Option<&Role>, own: Option<&LocalFigures>) -> wire::NodeStatus {
    let contact = node.contact.as_ref();
    let said = contact.and_then(|contact| contact.status.as_ref());
    wire::NodeStatus {
        id: node.id.to_string(),
        garage_version: match (own, said) {
            (Some(_), _) => Some(super::nodes::RELEASE.to_owned()),
            (None, said) => said.map(|said| said.release.clone()),
        },
        addr: node.address.map(|address| address.to_string()),
        hostname: node.hostname.clone(),
        is_up: node.is_up,
        last_seen_secs_ago: contact
            .filter(|contact| !contact.is_up)
            .and_then(|contact| contact.silent_for)
            .map(|silent| silent.as_secs()),
        role: role.map(|role| wire::NodeRole {
            zone: role.zone.clone(),
            tags: role.tags.clone(),
            capacity: role.capacity_bytes,
        }),
        draining: false,
        data_partition: own
            .and_then(|own| own.data_space)
            .map(free_space)
            .or_else(|| said.and_then(|said| said.data_room).map(told_space)),
        metadata_partition: own
            .and_then(|own| own.metadata_space)
            .map(free_space)
            .or_else(|| said.and_then(|said| said.metadata_room).map(told_space)),
        other_cluster: node.other_cluster.map(|cluster| cluster.to_string()),
        waiting: node.waiting.as_ref().filter(|_| role.is_none()).map(|waiting| wire::WaitingRole {
            zone: waiting.zone.clone(),
            capacity: waiting.capacity_bytes,
        }),
        forgotten: false,
    }
}

/// (Free, in all), as another node said.
fn told_space((available, total): (u64, u64)) -> wire::FreeSpace {
    wire::FreeSpace { available, total }
}

fn free_space(space: Space) -> wire::FreeSpace {
    wire::FreeSpace { available: space.available_bytes, total: space.total_bytes }
}

/// What the other nodes said last of themselves.
pub(super) fn nodes_said(cluster: &ClusterState) -> BTreeMap<NodeId, NodeStatus> {
    let said = |node: Node| Some((node.id, node.contact?.status?));
    cluster.nodes().into_iter().filter_map(said).collect()
}

/// The cluster's health, with this node's own figures.
pub(super) async fn current_health(api: &AdminApi) -> Result<Health, AdminError> {
    Ok(api.cluster.health(&local_figures(api).await?.service))
}

pub(super) async fn health(call: Call<'_>) -> Result<Answer, AdminError> {
    let health = current_health(call.api).await?;
    let Outlook { coming, zones } = Outlook::look(call.api, &call.api.cluster.layout()).await;
    Ok(Answer::json(&wire::ClusterHealth {
        safety: call.api.cluster.safety().sentences(),
        zones,
        coming,
        status: health.status.name().to_owned(),
        known_nodes: health.known_nodes,
        connected_nodes: health.connected_nodes,
        storage_nodes: health.storage_nodes,
        storage_nodes_ok: health.storage_nodes_ok,
        storage_nodes_up: health.storage_nodes_ok,
        partitions: health.partitions,
        partitions_quorum: health.partitions_quorum,
        partitions_all_ok: health.partitions_all_ok,
        reasons: health.reasons.iter().map(ToString::to_string).collect(),
        webhooks: webhooks::troubles(&call.api.model)?,
    }))
}

pub(super) async fn statistics(call: Call<'_>) -> Result<Answer, AdminError> {
    let api = call.api;
    let figures = local_figures(api).await?;
    let usage = total_usage(api)?;
    let buckets = api.model.names().buckets.len();
    let available = |space: Option<Space>| space.map(|space| space.available_bytes);
    let data = room_of_all(api, figures.data_space, |said| said.data_room);
    let metadata = room_of_all(api, figures.metadata_space, |said| said.metadata_room);
    let mut freeform = String::new();
    let mut line = |text: String| writeln!(freeform, "{text}").expect("writing to a string cannot fail");
    line("Cluster".to_owned());
    line(format!("  buckets            {buckets}"));
    line(format!("  objects            {}", usage.objects));
    line(format!("  size of objects    {}", size(u64::try_from(usage.bytes).unwrap_or(0))));
    line(format!("  unfinished uploads {}", usage.uploads));
    line("Room on the storage nodes that answer".to_owned());
    for (name, space) in [("data", data), ("metadata", metadata)] {
        if let Some(space) = space {
            let (free, total) = (size(space.available_bytes), size(space.total_bytes));
            line(format!("  {name:<18} {free} of {total} free"));
        }
    }
    Ok(Answer::json(&wire::ClusterStatistics {
        freeform,
        bucket_count: u64::try_from(buckets).unwrap_or(u64::MAX),
        total_object_count: usage.objects,
        total_object_bytes: usage.bytes,
        data_avail: available(data),
        metadata_avail: available(metadata),
    }))
}

/// The room of all storage nodes that answer: this node's own, and that of others as they said last.
fn room_of_all(
    api: &AdminApi,
    own: Option<Space>,
    said: impl Fn(&NodeStatus) -> Option<(u64, u64)>,
) -> Option<Space> {
    let members = api.model.peers().placement().members();
    let nodes = api.cluster.nodes().into_iter().filter(|node| node.is_up && members.contains(&node.id));
    let room = |node: Node| match node.contact {
        None => own,
        Some(contact) => {
            let (available_bytes, total_bytes) = said(contact.status.as_ref()?)?;
            Some(Space { available_bytes, total_bytes })
        }
    };
    Space::together(nodes.filter_map(room))
}

pub(super) async fn connect(call: Call<'_>) -> Result<Answer, AdminError> {
    let nodes: Vec<String> = call.json()?;
    let membership = call.api.cluster.membership();
    let mut results = Vec::with_capacity(nodes.len());
    for node in nodes {
        let error = match &membership {
            Some(membership) => membership.connect(&node).await.err().map(|error| error.to_string()),
            None => Some("this node takes no part in a cluster".to_owned()),
        };
        results.push(wire::ConnectResult { success: error.is_none(), error });
    }
    Ok(Answer::json(&results))
}
