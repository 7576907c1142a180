//! `garage stats`: what is stored, and how the nodes do.

use super::error::CliError;
use super::render::{self, Page};
use super::session::{Report, Session};
use super::which_nodes::WhichNodes;
use api::admin::wire::{ClusterStatistics, MultiAnswer, NodeStatistics};
use clap::Args;
use serde_json::json;

/// What to show.
#[derive(Debug, Clone, Args)]
pub struct StatsArguments {
    #[command(flatten)]
    nodes: WhichNodes,
}

/// Shows statistics.
pub async fn run(session: &Session, arguments: StatsArguments) -> Result<Report, CliError> {
    let node = arguments.nodes.query(session).await?;
    let nodes = session
        .client
        .get::<MultiAnswer<NodeStatistics>>("GetNodeStatistics", &[("node", node.as_str())])
        .await?;
    let cluster = session.client.get::<ClusterStatistics>("GetClusterStatistics", &[]).await?;
    let mut page = Page::default();
    let answers = nodes.value;
    let said = answers.success.iter().map(|(id, node)| (id, node.freeform.trim_end()));
    for (id, text) in said.chain(answers.error.iter().map(|(id, error)| (id, error.as_str()))) {
        page.heading(&format!("NODE {}", render::short_id(id))).line(text).gap();
    }
    page.heading("CLUSTER").line(cluster.value.freeform.trim_end());
    Ok(Report::new(json!({ "cluster": cluster.json, "nodes": nodes.json }), page))
}
