//! `garage node invite` and `garage node approve`: how nodes come into the cluster.

use super::confirm::{Audience, Yes, confirm};
use super::error::CliError;
use super::render::{self, Page};
use super::session::{Report, Session, one_node};
use super::status::capacity_cell;
use api::admin::wire::{
    AppliedClusterLayout, ApproveNodes, ClusterStatus, CreateNodeInvitation, NodeApproval, NodeInvitation,
    NodeStatus, PreviewNodeApproval,
};
use clap::Args;
use std::collections::BTreeSet;

/// Whom to invite.
#[derive(Debug, Clone, Args)]
pub struct InviteArguments {
    /// The place that fails as one, such as a home [default: one that no other node has].
    #[arg(short, long)]
    zone: Option<String>,
    /// Where the new node reaches this one, if not where it believes; may be given several times.
    #[arg(short, long = "address", value_name = "HOST:PORT")]
    addresses: Vec<String>,
}

/// Whom to approve.
#[derive(Debug, Clone, Args)]
pub struct ApproveArguments {
    /// The nodes' ids, or the beginnings of them; not needed when only one waits.
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// All nodes that wait, in one step.
    #[arg(long, conflicts_with = "nodes")]
    all: bool,
    #[command(flatten)]
    yes: Yes,
}

/// Makes an invitation.
pub async fn invite(session: &Session, arguments: InviteArguments) -> Result<Report, CliError> {
    let InviteArguments { zone, addresses } = arguments;
    let body = CreateNodeInvitation { zone, addresses };
    let answer = session.client.post::<NodeInvitation>("CreateNodeInvitation", &[], &body).await?;
    let invitation = &answer.value;
    let mut page = Page::default();
    page.line("On the new machine, with an empty data folder, run:").gap();
    page.line(format!("    garage server --join {}", invitation.code)).gap();
    page.line(format!(
        "The invitation holds for {} and for one node. Zone: {}.",
        render::span(invitation.holds_for_secs),
        invitation.zone
    ));
    page.line(format!("The new node will dial this one at {}.", invitation.addresses.join(" or ")));
    if invitation.local_only {
        page.line(
            "Only machines in this home reach that. For one elsewhere, give the address by which it reaches",
        );
        page.line(
            "this home (port forwarding of the router, or a VPN):  garage node invite --address HOST:PORT",
        );
    }
    page.line("Once it has joined, type here:  garage node approve");
    Ok(Report::new(answer.json, page))
}

/// Gives waiting nodes their roles.
pub async fn approve(session: &Session, arguments: ApproveArguments) -> Result<Report, CliError> {
    let status = session.client.get::<ClusterStatus>("GetClusterStatus", &[]).await?.value;
    let nodes = choose(&status, &arguments)?;
    let body = PreviewNodeApproval { nodes: nodes.clone() };
    let plan = session.client.post::<NodeApproval>("PreviewNodeApproval", &[], &body).await?.value;
    if session.audience == Audience::Person && !arguments.yes.yes {
        eprint!("{}", preview(&plan, &status).draw(&session.view));
    }
    confirm(session.audience, arguments.yes, &summary(&plan))?;
    let body = ApproveNodes { nodes, version: plan.version };
    let answer = session.client.post::<AppliedClusterLayout>("ApproveNodes", &[], &body).await?;
    let mut page = Page::default();
    for line in &answer.value.message {
        page.line(line.as_str());
    }
    if answer.value.layout.version >= plan.version {
        page.line(format!("Cluster layout version {} is in force.", answer.value.layout.version));
    } else {
        page.line(format!(
            "Cluster layout version {} is applied. Data is copied first, which may take long;",
            plan.version
        ));
        page.line("requests are served meanwhile. `garage layout history` shows how far it is.");
    }
    Ok(Report::new(answer.json, page))
}

/// Nodes that wait and are connected.
pub fn waiting(status: &ClusterStatus) -> Vec<&NodeStatus> {
    let waits = |node: &&NodeStatus| node.waiting.is_some() && node.is_up && node.other_cluster.is_none();
    status.nodes.iter().filter(waits).collect()
}

fn choose(status: &ClusterStatus, arguments: &ApproveArguments) -> Result<Vec<String>, CliError> {
    let ids: BTreeSet<String> = waiting(status).into_iter().map(|node| node.id.clone()).collect();
    if !arguments.nodes.is_empty() {
        let chosen = arguments.nodes.iter().map(|prefix| one_node(&ids, prefix));
        // A node named twice is one node.
        return Ok(chosen.collect::<Result<BTreeSet<_>, _>>()?.into_iter().collect());
    }
    match ids.len() {
        0 => Err(CliError::NobodyWaits),
        1 => Ok(ids.into_iter().collect()),
        _ if arguments.all => Ok(ids.into_iter().collect()),
        count => Err(CliError::SeveralWait { count }),
    }
}

fn preview(plan: &NodeApproval, status: &ClusterStatus) -> Page {
    let mut page = Page::default();
    let rows = plan.nodes.iter().map(|node| {
        let known = status.nodes.iter().find(|known| known.id == node.id);
        let hostname = known.and_then(|known| known.hostname.clone()).unwrap_or_else(|| "?".to_owned());
        vec![render::short_id(&node.id), hostname, node.zone.clone(), capacity_cell(node.capacity)]
    });
    page.heading("NODES TO APPROVE").columns(&["ID", "Hostname", "Zone", "Capacity"], rows.collect());
    page.gap();
    for line in &plan.message {
        page.line(line.as_str());
    }
    page.gap();
    page
}

fn summary(plan: &NodeApproval) -> String {
    let role = |node: &api::admin::wire::ApprovedNode| {
        format!("{} (zone {}, {})", render::short_id(&node.id), node.zone, capacity_cell(node.capacity))
    };
    let roles: Vec<String> = plan.nodes.iter().map(role).collect();
    let copies = match (plan.copies_before, plan.copies_after) {
        (0, after) => format!("keep {after} of everything"),
        (before, after) if before == after => format!("keep {after} of everything, as now"),
        (before, after) => format!("keep {after} of everything (now {before})"),
    };
    format!("give a role to {} and {copies}", roles.join(", "))
}
