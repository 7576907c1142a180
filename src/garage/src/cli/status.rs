//! `garage status`: the nodes, their roles and their room.

use super::error::CliError;
use super::joining::waiting;
use super::layout::say_coming;
use super::node::rpc_address;
use super::render::{self, Page, Style, View};
use super::session::{Report, Session};
use super::zones;
use api::admin::wire::{ClusterStatus, NodeRole, NodeStatus};

/// After this time without a word a node may be gone for good.
const LONG_AWAY_SECS: u64 = 3600;

/// Shows the nodes.
pub async fn run(session: &Session) -> Result<Report, CliError> {
    let mut answer = session.client.get::<ClusterStatus>("GetClusterStatus", &[]).await?;
    // A node alone has never been asked where others reach it: that is what is configured.
    if let ([node], Some(config)) = (answer.value.nodes.as_mut_slice(), &session.config) {
        node.addr.get_or_insert_with(|| rpc_address(config));
    }
    Ok(Report::new(answer.json, page(&answer.value, &session.view)))
}

fn page(status: &ClusterStatus, view: &View) -> Page {
    let mut page = Page::default();
    let (strangers, own): (Vec<&NodeStatus>, Vec<&NodeStatus>) =
        status.nodes.iter().partition(|node| node.other_cluster.is_some());
    let up: Vec<&NodeStatus> = own.iter().copied().filter(|node| node.is_up).collect();
    page.heading("HEALTHY NODES");
    match view.style {
        Style::Text => page.columns(
            &["ID", "Hostname", "Address", "Tags", "Zone", "Capacity", "DataAvail", "Version"],
            up.into_iter().map(up_row).collect(),
        ),
        // A terminal has 80 columns: address and version are in `garage node id` and the JSON.
        Style::Table => page.columns(
            &["ID", "Hostname", "Zone", "Tags", "Capacity", "Free"],
            up.into_iter().map(short_row).collect(),
        ),
    };
    let down: Vec<&NodeStatus> =
        own.iter().copied().filter(|node| !node.is_up && node.role.is_some()).collect();
    if !down.is_empty() {
        page.gap().heading("FAILED NODES").columns(
            &["ID", "Hostname", "Tags", "Zone", "Capacity", "Last seen"],
            down.iter().copied().map(down_row).collect(),
        );
        say_what_to_do(&mut page, &down);
    }
    let waiting = waiting(status);
    if !waiting.is_empty() {
        page.gap()
            .heading("NODES WAITING FOR APPROVAL")
            .columns(&["ID", "Hostname", "Zone", "Capacity"], waiting.into_iter().map(waiting_row).collect());
        page.line("To give them their role:  garage node approve --all");
    }
    if !strangers.is_empty() {
        page.gap()
            .heading("NODES OF ANOTHER CLUSTER")
            .columns(&["ID", "Hostname", "Address"], strangers.into_iter().map(stranger_row).collect());
        page.line("They know the secret and have a layout of their own, so nothing is shared with them.");
        page.line("To have one join this cluster, start it with an empty data folder.");
    }
    if zones::are_worth_showing(&status.zones) {
        page.gap();
        zones::say(&mut page, &status.zones);
    }
    if let Some(coming) = &status.coming {
        page.gap();
        say_coming(&mut page, coming);
    }
    if !status.safety.is_empty() {
        page.gap();
        for sentence in &status.safety {
            page.line(sentence.as_str());
        }
    }
    page
}

/// What to do about a storage node that is away for long.
fn say_what_to_do(page: &mut Page, down: &[&NodeStatus]) {
    for node in down {
        let id = render::short_id(&node.id);
        let stores = node.role.as_ref().is_some_and(|role| role.capacity.is_some());
        let name = node.hostname.clone().unwrap_or_else(|| id.clone());
        if node.forgotten {
            page.line(format!(
                "{name} was forgotten. To have another node take over:  garage layout remove {id}"
            ));
        } else if stores && node.last_seen_secs_ago.is_none_or(|secs| secs >= LONG_AWAY_SECS) {
            let since = match node.last_seen_secs_ago {
                Some(secs) => format!("has not answered for {}", render::span(secs)),
                None => "has not answered since this node started".to_owned(),
            };
            page.line(format!(
                "{name} {since}. If it never comes back:  garage node forget {id}, then garage layout remove {id}"
            ));
        }
    }
}

fn waiting_row(node: &NodeStatus) -> Vec<String> {
    let hostname = node.hostname.clone().unwrap_or_else(|| "?".to_owned());
    let (zone, capacity) = match &node.waiting {
        Some(role) => (role.zone.clone(), render::size(role.capacity)),
        None => Default::default(),
    };
    vec![render::short_id(&node.id), hostname, zone, capacity]
}

fn stranger_row(node: &NodeStatus) -> Vec<String> {
    let hostname = node.hostname.clone().unwrap_or_else(|| "?".to_owned());
    vec![render::short_id(&node.id), hostname, node.addr.clone().unwrap_or_else(|| "-".to_owned())]
}

fn up_row(node: &NodeStatus) -> Vec<String> {
    let [tags, zone, capacity] = role_cells(node);
    let version = node.garage_version.as_ref().map(|version| format!("v{}", version.trim_start_matches('v')));
    vec![
        render::short_id(&node.id),
        node.hostname.clone().unwrap_or_else(|| "?".to_owned()),
        node.addr.clone().unwrap_or_else(|| "-".to_owned()),
        tags,
        zone,
        capacity,
        free(node),
        version.unwrap_or_default(),
    ]
}

fn short_row(node: &NodeStatus) -> Vec<String> {
    let [tags, zone, capacity] = role_cells(node);
    let hostname = node.hostname.clone().unwrap_or_default();
    vec![render::short_id(&node.id), hostname, zone, tags, capacity, free(node)]
}

fn down_row(node: &NodeStatus) -> Vec<String> {
    let [tags, zone, capacity] = role_cells(node);
    let seen = node.last_seen_secs_ago.map(|secs| format!("{} ago", render::span(secs)));
    vec![
        render::short_id(&node.id),
        node.hostname.clone().unwrap_or_else(|| "?".to_owned()),
        tags,
        zone,
        capacity,
        seen.unwrap_or_else(|| "never seen".to_owned()),
    ]
}

/// Tags, zone and capacity; scripts look for the words `NO ROLE ASSIGNED`.
fn role_cells(node: &NodeStatus) -> [String; 3] {
    match &node.role {
        Some(NodeRole { zone, tags, capacity }) => [tag_list(tags), zone.clone(), capacity_cell(*capacity)],
        None if node.draining => [String::new(), String::new(), "draining".to_owned()],
        None => [String::new(), String::new(), "NO ROLE ASSIGNED".to_owned()],
    }
}

/// `[a,b]`, or `[]`.
pub fn tag_list(tags: &[String]) -> String {
    format!("[{}]", tags.join(","))
}

/// A capacity, or that there is none.
pub fn capacity_cell(capacity: Option<u64>) -> String {
    capacity.map_or_else(|| "gateway".to_owned(), render::size)
}

fn free(node: &NodeStatus) -> String {
    let shown = node.data_partition.filter(|_| node.role.is_some()).map(|room| {
        let percent = render::percent(room.available, room.total);
        format!("{} ({percent})", render::size(room.available))
    });
    shown.unwrap_or_default()
}
