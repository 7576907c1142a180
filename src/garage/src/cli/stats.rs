//! `garage stats`: what is stored, and how the nodes do.

use super::error::CliError;
use super::render::{self, Page};
use super::session::{Report, Session};
use api::admin::wire::{ClusterStatistics, MultiAnswer, NodeStatistics};
use clap::Args;
use serde_json::json;

/// What to show.
#[derive(Debug, Clone, Args)]
pub struct StatsArguments {
    /// Of all nodes, not only this one.
    #[arg(short, long)]
    all_nodes: bool,
}

/// Shows statistics.
pub async fn run(session: &Session, arguments: StatsArguments) -> Result<Report, CliError> {
    let node = if arguments.all_nodes { "*" } else { "self" };
    let nodes =
        session.client.get::<MultiAnswer<NodeStatistics>>("GetNodeStatistics", &[("node", node)]).await?;
    let cluster = session.client.get::<ClusterStatistics>("GetClusterStatistics", &[]).await?;
    let mut page = Page::default();
    for (id, statistics) in &nodes.value.success {
        page.heading(&format!("NODE {}", render::short_id(id))).line(statistics.freeform.trim_end()).gap();
    }
    for (id, error) in &nodes.value.error {
        page.heading(&format!("NODE {}", render::short_id(id))).line(error).gap();
    }
    page.heading("CLUSTER").line(cluster.value.freeform.trim_end());
    Ok(Report::new(json!({ "cluster": cluster.json, "nodes": nodes.json }), page))
}
