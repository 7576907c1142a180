//! `garage node forget`: nodes that never come back.

use super::confirm::{Audience, Yes, confirm};
use super::error::CliError;
use super::render::{self, Page};
use super::session::{Report, Session, one_node};
use api::admin::wire::{ClusterStatus, ForgetNodes, ForgottenNodes};
use clap::Args;
use std::collections::BTreeSet;

/// Whom to forget.
#[derive(Debug, Clone, Args)]
pub struct ForgetArguments {
    /// The nodes' ids, or the beginnings of them.
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,
    #[command(flatten)]
    yes: Yes,
}

/// Forgets nodes.
pub async fn forget(session: &Session, arguments: ForgetArguments) -> Result<Report, CliError> {
    let status = session.client.get::<ClusterStatus>("GetClusterStatus", &[]).await?.value;
    let known: BTreeSet<String> = status.nodes.iter().map(|node| node.id.clone()).collect();
    let chosen = arguments.nodes.iter().map(|prefix| one_node(&known, prefix));
    // A node named twice is one node.
    let nodes: Vec<String> = chosen.collect::<Result<BTreeSet<_>, _>>()?.into_iter().collect();
    let body = ForgetNodes { nodes };
    let plan = session.client.post::<ForgottenNodes>("PreviewNodeForgetting", &[], &body).await?.value;
    if session.audience == Audience::Person && !arguments.yes.yes {
        for line in &plan.message {
            eprintln!("{line}");
        }
    }
    confirm(session.audience, arguments.yes, &summary(&plan))?;
    let answer = session.client.post::<ForgottenNodes>("ForgetNodes", &[], &body).await?;
    let mut page = Page::default();
    for line in &answer.value.message {
        page.line(line.as_str());
    }
    page.gap().line("To have another node take over its partitions:");
    page.line("    garage node invite          (and start the new node with what it prints)");
    for node in &answer.value.nodes {
        page.line(format!("    garage layout remove {}", render::short_id(node)));
    }
    page.line(
        "    garage node approve         (gives the new node its role, and applies the removal with it)",
    );
    Ok(Report::new(answer.json, page))
}

fn summary(plan: &ForgottenNodes) -> String {
    let names: Vec<String> = plan.nodes.iter().map(|node| render::short_id(node)).collect();
    let risk = match plan.partitions_at_risk {
        0 => "losing nothing that was acknowledged".to_owned(),
        partitions => format!("and may lose what was acknowledged in {partitions} partitions"),
    };
    format!("forget {} for good, {risk}", names.join(", "))
}
