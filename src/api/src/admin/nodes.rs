//! Endpoints about single nodes: what they run and what they hold. Each answers for this node; `for_nodes` has others
//! asked.

use super::cluster_state::{LocalFigures, local_figures, total_usage};
use super::{AdminError, Answer, Call, wire};
use crate::sizes::size;
use base::WallTime;
use std::fmt::Write as _;

/// The release this is.
pub(super) const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// The compiler this is written for.
pub(super) const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

pub(super) async fn info(call: Call<'_>) -> Result<Answer, AdminError> {
    let api = call.api;
    let id = api.cluster.id();
    let node = api.cluster.nodes().into_iter().find(|node| node.id == id);
    Ok(Answer::json(&wire::NodeInfo {
        node_id: id.to_string(),
        hostname: node.as_ref().and_then(|node| node.hostname.clone()),
        addr: node.and_then(|node| node.address).map(|address| address.to_string()),
        listens: api.cluster.membership().map(|membership| !membership.addresses().is_empty()),
        garage_version: RELEASE.to_owned(),
        garage_features: Some(Vec::new()),
        rust_version: RUST_VERSION.to_owned(),
        db_engine: api.model.store().engine().describe(),
    }))
}

pub(super) async fn clock(call: Call<'_>) -> Result<Answer, AdminError> {
    let report = call.api.model.clock_report().await?;
    let time = |time: WallTime| crate::dates::iso8601_ms(time.millis());
    let rows = report.rows.iter().map(|rows| wire::FutureRows {
        table: rows.table.to_owned(),
        rows: rows.rows,
        newest: time(rows.newest),
    });
    Ok(Answer::json(&wire::NodeClock {
        machine: time(report.machine),
        node: time(report.node),
        ahead_secs: report.ahead_ms().map_or(0, |ahead| ahead / 1000),
        rows: rows.collect(),
    }))
}

pub(super) async fn statistics(call: Call<'_>) -> Result<Answer, AdminError> {
    let api = call.api;
    let LocalFigures { blocks, metadata_bytes, .. } = local_figures(api).await?;
    let (names, usage) = (api.model.names(), total_usage(api)?);
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        writeln!(text, "{name:<26} {value}").expect("writing to a string cannot fail");
    };
    line("release", RELEASE.to_owned());
    line("metadata engine", api.model.store().engine().describe());
    line("metadata on disk", size(metadata_bytes));
    line("buckets", names.buckets.len().to_string());
    line("global names", names.aliases.len().to_string());
    line("access keys", names.keys.len().to_string());
    line("objects", usage.objects.to_string());
    line("unfinished uploads", usage.uploads.to_string());
    line("blocks", format!("{} ({})", blocks.blocks, size(blocks.stored_bytes)));
    line("blocks to look at", format!("{} ({} faulty)", blocks.resync_queue, blocks.resync_faults));
    line("damaged files found", blocks.damaged.to_string());
    line("missing blocks met", blocks.missing.to_string());
    line("disk errors", blocks.disk_errors.to_string());
    for disk in &blocks.disks {
        let room = disk.space.map_or_else(
            || "unreadable".to_owned(),
            |space| format!("{} of {} free", size(space.available_bytes), size(space.total_bytes)),
        );
        let state = format!("{:?}", disk.state).to_lowercase();
        line("data folder", format!("{} {state}, {room}", disk.path.display()));
    }
    Ok(Answer::json(&wire::NodeStatistics { freeform: text }))
}
