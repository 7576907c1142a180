//! The text that `GET /metrics` answers. Names that dashboards know are kept; new ones begin with
//! `garage_`. Every name stands here or in [`crate::metrics`] as a literal.

use super::AdminApi;
use super::cluster_state::LocalFigures;
use super::nodes::{RELEASE, RUST_VERSION};
use super::wire::{WebhookInfo, ZoneCopies};
use crate::metrics::Exposition;
use cluster::layout::ReplicationFactor;
use cluster::{Health, HealthStatus};
use model::usage::Usage;

/// The text format's version.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything there is to tell.
pub(super) fn render(
    api: &AdminApi,
    figures: &LocalFigures,
    (health, of_zones): (&Health, &[ZoneCopies]),
    usage: Usage,
) -> String {
    let mut out = Exposition::default();
    out.gauge("garage_build_info", "Release and compiler of this node");
    out.value("garage_build_info", &[("version", RELEASE), ("rustversion", RUST_VERSION)], 1);
    disks(&mut out, figures);
    cluster(&mut out, api, health);
    zones(&mut out, of_zones);
    blocks(&mut out, figures);
    tables(&mut out, api, figures, usage);
    sync(&mut out, api);
    webhooks(&mut out, api);
    api.metrics.render(&mut out);
    out.finish()
}

fn disks(out: &mut Exposition, figures: &LocalFigures) {
    let spaces = [("data", figures.data_space), ("metadata", figures.metadata_space)];
    out.gauge("garage_local_disk_avail", "Bytes that may still be written");
    for (volume, space) in spaces {
        if let Some(space) = space {
            out.value("garage_local_disk_avail", &[("volume", volume)], space.available_bytes);
        }
    }
    out.gauge("garage_local_disk_total", "Bytes of the file system");
    for (volume, space) in spaces {
        if let Some(space) = space {
            out.value("garage_local_disk_total", &[("volume", volume)], space.total_bytes);
        }
    }
}

fn cluster(out: &mut Exposition, api: &AdminApi, health: &Health) {
    let layout = api.cluster.layout();
    let copies = layout.current().replication_factor.map_or(0, ReplicationFactor::copies);
    let is = |wanted: bool| u64::from(wanted);
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let figures = [
        ("garage_replication_factor", "Copies of everything", copies.into()),
        ("cluster_healthy", "1 if all is well", is(health.status == HealthStatus::Healthy)),
        ("cluster_available", "1 if requests are served", is(health.status != HealthStatus::Unavailable)),
        ("cluster_known_nodes", "Nodes ever heard of", count(health.known_nodes)),
        ("cluster_connected_nodes", "Nodes in contact", count(health.connected_nodes)),
        ("cluster_storage_nodes", "Storage nodes of the layout", count(health.storage_nodes)),
        ("cluster_storage_nodes_ok", "Storage nodes that work", count(health.storage_nodes_ok)),
        ("cluster_partitions", "Partitions of the ring", count(health.partitions)),
        ("cluster_partitions_quorum", "Partitions with a quorum", count(health.partitions_quorum)),
        ("cluster_partitions_all_ok", "Partitions whose nodes all work", count(health.partitions_all_ok)),
        ("garage_layout_version", "The layout version in force", layout.current().number),
    ];
    for (name, help, value) in figures {
        out.gauge(name, help);
        out.value(name, &[], value);
    }
    out.gauge("cluster_layout_node_connected", "1 if the node of the layout is in contact");
    for node in api.cluster.nodes().iter().filter(|node| layout.current().roles.contains_key(&node.id)) {
        let id = node.id.to_string();
        out.value("cluster_layout_node_connected", &[("id", &id)], is(node.is_up));
    }
}

/// One figure of a zone; none: not known, and left out.
type ZoneFigure = fn(&ZoneCopies) -> Option<u64>;

fn zones(out: &mut Exposition, zones: &[ZoneCopies]) {
    let figures: [(&str, &str, ZoneFigure); 4] = [
        ("garage_zone_copies", "Partitions that the nodes of the zone keep", |zone| Some(zone.copies)),
        ("garage_zone_copies_proven", "Those that are proven complete", |zone| zone.copies_proven),
        ("garage_zone_blocks_lacking", "Blocks that are missing there", |zone| zone.blocks_lacking),
        ("garage_zone_bytes_to_come", "Bytes still to be copied there", |zone| zone.bytes_to_come),
    ];
    for (name, help, value) in figures {
        out.gauge(name, help);
        for zone in zones {
            if let Some(value) = value(zone) {
                out.value(name, &[("zone", &zone.zone)], value);
            }
        }
    }
}

fn blocks(out: &mut Exposition, figures: &LocalFigures) {
    let blocks = &figures.blocks;
    let gauges = [
        ("block_rc_size", "Blocks with a reference count", blocks.blocks),
        ("block_resync_queue_length", "Blocks to look at", blocks.resync_queue),
        ("block_resync_errored_blocks", "Blocks that could not be made good", blocks.resync_faults),
        ("garage_block_stored_bytes", "Bytes of block files", blocks.stored_bytes),
    ];
    for (name, help, value) in gauges {
        out.gauge(name, help);
        out.value(name, &[], value);
    }
    let counters = [
        ("block_bytes_read", "Bytes of block files read", blocks.read_bytes),
        ("block_bytes_written", "Bytes of block files written", blocks.written_bytes),
        ("garage_block_damaged_total", "Damaged block files found", blocks.damaged),
        ("garage_block_missing_total", "Times a block was asked for and not there", blocks.missing),
        ("garage_block_disk_errors_total", "Operations that a disk refused", blocks.disk_errors),
    ];
    for (name, help, value) in counters {
        out.counter(name, help);
        out.value(name, &[], value);
    }
}

fn tables(out: &mut Exposition, api: &AdminApi, figures: &LocalFigures, usage: Usage) {
    let names = api.model.names();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let live = |number: i64| u64::try_from(number).unwrap_or(0);
    out.gauge("table_size", "Live rows of the table");
    let sizes = [
        ("bucket", count(names.buckets.len())),
        ("bucket_alias", count(names.aliases.len())),
        ("key", count(names.keys.len())),
        ("object", live(usage.objects)),
        ("multipart_upload", live(usage.uploads)),
    ];
    for (table, size) in sizes {
        out.value("table_size", &[("table_name", table)], size);
    }
    out.gauge("garage_object_bytes", "Bytes of all objects");
    out.value("garage_object_bytes", &[], live(usage.bytes));
    out.gauge("garage_metadata_bytes", "Bytes of the metadata engine on disk");
    out.value("garage_metadata_bytes", &[], figures.metadata_bytes);
}

/// One figure of a webhook.
type Figure = fn(&WebhookInfo) -> u64;

fn webhooks(out: &mut Exposition, api: &AdminApi) {
    let webhooks = super::webhooks::all(&api.model).unwrap_or_default();
    let figures: [(&str, &str, Figure); 4] = [
        ("garage_webhook_waiting_events", "Events that wait for a webhook", |one| one.waiting),
        ("garage_webhook_waiting_bytes", "Bytes of their records", |one| one.waiting_bytes),
        ("garage_webhook_lost_events", "Events that found no room", |one| one.lost),
        ("garage_webhook_failures", "Attempts that failed since something was taken", |one| {
            one.failures.into()
        }),
    ];
    for (name, help, value) in figures {
        out.gauge(name, help);
        for webhook in &webhooks {
            out.value(name, &[("webhook", &webhook.name)], value(webhook));
        }
    }
}

/// What nodes compare with each other, and what this one took over.
fn sync(out: &mut Exposition, api: &AdminApi) {
    out.gauge("garage_table_rows", "Rows that replicas compare, deleted ones too");
    for (table, rows) in api.model.table_rows().unwrap_or_default() {
        out.value("garage_table_rows", &[("table_name", table)], rows);
    }
    let sync = api.model.sync_figures();
    let counters = [
        ("garage_sync_rows_total", "Rows taken over from other nodes", sync.rows),
        ("garage_sync_bytes_total", "Bytes taken over from other nodes", sync.bytes),
        ("garage_sync_blocks_total", "Blocks taken over from other nodes", sync.blocks),
        ("garage_sync_failures_total", "Comparisons with other nodes that ended early", sync.failures),
        ("garage_row_mended_total", "Damaged rows that were taken from the other nodes again", sync.mended),
    ];
    for (name, help, value) in counters {
        out.counter(name, help);
        out.value(name, &[], value);
    }
    out.gauge("garage_sync_arcs_left", "Arcs that differ from another node's and are not worked off");
    out.value("garage_sync_arcs_left", &[], sync.arcs_left);
    out.gauge("garage_row_damaged", "Rows that are damaged here and not whole again yet");
    out.value("garage_row_damaged", &[], sync.damaged);
    out.gauge("garage_sync_complete_seconds", "When this node last had everything that another one had");
    for (node, time) in &sync.complete {
        let id = node.to_string();
        out.value("garage_sync_complete_seconds", &[("id", &id)], time.millis() / 1000);
    }
}
