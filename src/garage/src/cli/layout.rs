//! `garage layout`: which node stores how much. Changes are staged, shown, then applied at once.

use super::client::Answer;
use super::confirm::{Yes, confirm};
use super::error::CliError;
use super::render::{self, Page};
use super::session::{Report, Session};
use super::status::{capacity_cell, tag_list};
use super::values;
use api::admin::wire::{
    AppliedClusterLayout, ApplyClusterLayout, ClusterLayout, ComingVersion, LayoutHistory, LayoutParameters,
    LayoutPreview, LayoutRole, RoleChange, UpdateClusterLayout, ZoneRedundancy,
};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

/// What to do with the layout.
#[derive(Debug, Clone, Subcommand)]
pub enum LayoutCommand {
    /// Stage a role for one or more nodes.
    #[command(after_long_help = "Examples:\n  garage layout assign -z home -c 500G 563e1ac825ee3323\n  \
                                 garage layout assign -z home --gateway -t door 563e1ac825ee3323\n  \
                                 garage layout assign -z home -c 1T --replace 86f0f26ae4afbd59 563e1ac825ee3323")]
    Assign(AssignArguments),
    /// Stage that nodes lose their role.
    Remove {
        /// Their ids, or the beginnings of them.
        #[arg(required = true, value_name = "NODE")]
        nodes: Vec<String>,
    },
    /// Stage parameters of the layout.
    Config {
        /// In how many zones each piece of data lies at least, or `maximum`.
        #[arg(short = 'r', long, value_parser = values::zone_redundancy, required = true)]
        redundancy: ZoneRedundancy,
    },
    /// Show the layout, and what is staged.
    Show,
    /// Make what is staged the layout.
    Apply {
        /// The version that is made, as `garage layout show` prints it.
        #[arg(long)]
        version: Option<u64>,
    },
    /// Drop what is staged.
    Revert {
        #[command(flatten)]
        yes: Yes,
    },
    /// Show past layouts, and how far the nodes are.
    History,
    /// Not needed here: no change waits for dead nodes. See `garage node forget`.
    #[command(hide = true)]
    SkipDeadNodes {
        /// The version to go on to.
        #[arg(long)]
        version: Option<u64>,
        /// Also when data may be lost by it.
        #[arg(long)]
        allow_missing_data: bool,
    },
}

/// A role to stage.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("room").args(["capacity", "gateway"]))]
pub struct AssignArguments {
    /// The nodes' ids, or the beginnings of them.
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
    /// The place that fails as one, such as a home.
    #[arg(short, long)]
    zone: Option<String>,
    /// How much a node stores, such as 500G.
    #[arg(short, long, value_parser = values::size)]
    capacity: Option<u64>,
    /// Store nothing: only pass requests on.
    #[arg(short, long)]
    gateway: bool,
    /// A word to recognize the nodes by; may be given several times.
    #[arg(short, long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Nodes that lose their role to these; may be given several times.
    #[arg(long, value_name = "NODE")]
    replace: Vec<String>,
    /// The global option of this name, without its `-c`, which is the capacity here.
    #[arg(long, hide = true)]
    config: Option<PathBuf>,
}

/// Runs a command about the layout.
pub async fn run(session: &Session, command: LayoutCommand) -> Result<Report, CliError> {
    match command {
        LayoutCommand::Assign(arguments) => assign(session, arguments).await,
        LayoutCommand::Remove { nodes } => remove(session, nodes).await,
        LayoutCommand::Config { redundancy } => configure(session, redundancy).await,
        LayoutCommand::Show => show(session).await,
        LayoutCommand::Apply { version } => apply(session, version).await,
        LayoutCommand::Revert { yes } => revert(session, yes).await,
        LayoutCommand::History => history(session).await,
        LayoutCommand::SkipDeadNodes { .. } => Err(CliError::NobodyIsSkipped),
    }
}

async fn read(session: &Session) -> Result<Answer<ClusterLayout>, CliError> {
    session.client.get("GetClusterLayout", &[]).await
}

async fn stage(session: &Session, body: UpdateClusterLayout, said: &str) -> Result<Report, CliError> {
    let answer = session.client.post::<ClusterLayout>("UpdateClusterLayout", &[], &body).await?;
    let mut page = Page::default();
    page.line(format!("{said} staged but not yet applied."));
    let next = answer.value.version + 1;
    page.line("Use `garage layout show` to see what is staged,");
    page.line(format!("and `garage layout apply --version {next}` to make it the layout."));
    if !answer.value.staged_role_changes.is_empty() || answer.value.staged_parameters.is_some() {
        say_what_it_means(&mut page, preview(session).await?);
    }
    Ok(Report::new(answer.json, page))
}

async fn preview(session: &Session) -> Result<LayoutPreview, CliError> {
    Ok(session.client.post::<LayoutPreview>("PreviewClusterLayoutChanges", &[], &json!({})).await?.value)
}

/// What applying would do, how much it would copy, and how long that would take.
fn say_what_it_means(page: &mut Page, preview: LayoutPreview) {
    page.gap();
    match preview {
        LayoutPreview::Refused { error } => _ = page.line(format!("It cannot be applied yet: {error}")),
        LayoutPreview::Computed { message, .. } => message.into_iter().for_each(|line| _ = page.line(line)),
    }
}

async fn assign(session: &Session, arguments: AssignArguments) -> Result<Report, CliError> {
    let layout = read(session).await?.value;
    let nodes = session.node_ids(&arguments.nodes, &layout).await?;
    let replaced = session.node_ids(&arguments.replace, &layout).await?;
    let mut roles: Vec<RoleChange> = replaced
        .into_iter()
        .map(|id| RoleChange { id, remove: Some(true), ..RoleChange::default() })
        .collect();
    for id in nodes {
        roles.push(role_of(id, &arguments, &layout)?);
    }
    stage(session, UpdateClusterLayout { roles, parameters: None }, "Role changes are").await
}

/// The role as given; what is not given stays as it is staged, or as it is.
fn role_of(id: String, arguments: &AssignArguments, layout: &ClusterLayout) -> Result<RoleChange, CliError> {
    let staged =
        layout.staged_role_changes.iter().find(|change| change.id == id && change.remove != Some(true));
    let current = layout.roles.iter().find(|role| role.id == id).map(|role| RoleChange {
        id: role.id.clone(),
        remove: None,
        zone: Some(role.zone.clone()),
        capacity: role.capacity,
        tags: Some(role.tags.clone()),
    });
    let before = staged.cloned().or(current);
    let zone = arguments.zone.clone().or_else(|| before.as_ref().and_then(|role| role.zone.clone()));
    let zone = zone.ok_or(CliError::RoleIncomplete { missing: "--zone" })?;
    let capacity = match (arguments.capacity, arguments.gateway, &before) {
        (Some(capacity), _, _) => Some(capacity),
        (None, true, _) => None,
        (None, false, Some(before)) => before.capacity,
        (None, false, None) => return Err(CliError::RoleIncomplete { missing: "--capacity or --gateway" }),
    };
    let tags = if arguments.tags.is_empty() {
        before.and_then(|role| role.tags).unwrap_or_default()
    } else {
        arguments.tags.clone()
    };
    Ok(RoleChange { id, remove: None, zone: Some(zone), capacity, tags: Some(tags) })
}

async fn remove(session: &Session, nodes: Vec<String>) -> Result<Report, CliError> {
    let layout = read(session).await?.value;
    let nodes = session.node_ids(&nodes, &layout).await?;
    let gone = |id| RoleChange { id, remove: Some(true), ..RoleChange::default() };
    let roles = nodes.into_iter().map(gone).collect();
    stage(session, UpdateClusterLayout { roles, parameters: None }, "Role removals are").await
}

async fn configure(session: &Session, redundancy: ZoneRedundancy) -> Result<Report, CliError> {
    // The factor is left out, so that it stays as it is.
    let parameters = Some(LayoutParameters { zone_redundancy: redundancy, replication_factor: None });
    stage(session, UpdateClusterLayout { roles: Vec::new(), parameters }, "Parameters are").await
}

async fn show(session: &Session) -> Result<Report, CliError> {
    let answer = read(session).await?;
    let layout = &answer.value;
    let mut page = Page::default();
    page.heading("CURRENT CLUSTER LAYOUT");
    roles(
        &mut page,
        layout,
        "No nodes currently have a role in the cluster.\nSee `garage status` to view available nodes.",
    );
    page.gap().line(format!("Current cluster layout version: {}", layout.version));
    if let Some(coming) = &layout.coming {
        page.gap();
        say_coming(&mut page, coming);
    }
    if layout.staged_role_changes.is_empty() && layout.staged_parameters.is_none() {
        return Ok(Report::new(answer.json, page));
    }
    page.gap().heading("STAGED ROLE CHANGES");
    page.columns(
        &["ID", "Tags", "Zone", "Capacity"],
        layout.staged_role_changes.iter().map(staged_row).collect(),
    );
    if let Some(parameters) = &layout.staged_parameters {
        page.gap().line(format!("Zone redundancy: {}", redundancy_word(parameters.zone_redundancy)));
    }
    let next = layout.version + 1;
    match preview(session).await? {
        LayoutPreview::Refused { error } => {
            page.gap().line(format!("What is staged cannot be applied: {error}"));
        }
        LayoutPreview::Computed { message, new_layout, .. } => {
            page.gap().heading("NEW CLUSTER LAYOUT AFTER APPLYING CHANGES");
            roles(&mut page, &new_layout, "No nodes have a role in the new layout.");
            page.gap();
            for line in message {
                page.line(line);
            }
            page.gap().line("To enact the staged role changes, type:").gap();
            page.line(format!("    garage layout apply --version {next}")).gap();
        }
    }
    page.line("You can also revert all proposed changes with: garage layout revert --yes");
    Ok(Report::new(answer.json, page))
}

/// What a version that is on its way waits for.
pub fn say_coming(page: &mut Page, coming: &ComingVersion) {
    let number = coming.version;
    page.line(match coming.stage.as_str() {
        "filling" => format!(
            "Version {number} is on its way: its nodes copy what it gives them, then it comes into force."
        ),
        _ => format!("Version {number} is in force beside the one before it, until its copies are compared."),
    });
    for node in coming.nodes.iter().filter(|node| node.wanted > 0) {
        let (id, percent) = (render::short_id(&node.id), render::percent(node.done, node.wanted));
        let left = node.bytes_left.map(|bytes| format!(", about {} to copy", render::size(bytes)));
        let left = left.unwrap_or_default();
        page.line(format!("  {id}  {} of {} partitions done ({percent}){left}", node.done, node.wanted));
    }
    if let Some(left) = what_is_left(coming) {
        page.line(format!("  {left}"));
    }
    for (node, blocks) in coming.nodes.iter().filter_map(|node| Some((node, node.blocks_lacking?))) {
        let (id, plural) = (render::short_id(&node.id), if blocks == 1 { "" } else { "s" });
        page.line(format!("  {id} lacks {blocks} block{plural}: the change waits until a home that may have them can be asked."));
        page.line("  To see what it lacks, on that home: garage block list-errors");
    }
}

/// How much is left to be copied, and until when.
fn what_is_left(coming: &ComingVersion) -> Option<String> {
    let time = render::about_time(coming.seconds_left?);
    let until = coming.until.as_deref().map(|until| format!(", until about {}", render::minute(until)));
    let until = until.unwrap_or_default();
    let (bytes, rate) = (coming.bytes_left?, coming.bytes_per_second?);
    let why = match coming.basis.as_deref() {
        Some("limit") => ", which copy-rate allows",
        Some("assumed") => ", which is assumed until it is measured",
        _ => "",
    };
    let (bytes, rate) = (render::size(bytes), render::size(rate));
    Some(format!("about {bytes} left to copy: about {time} at {rate} a second{why}{until}"))
}

fn roles(page: &mut Page, layout: &ClusterLayout, none: &str) {
    if layout.roles.is_empty() {
        page.line(none);
        return;
    }
    let head = ["ID", "Tags", "Zone", "Capacity", "Usable capacity"];
    page.columns(&head, layout.roles.iter().map(role_row).collect());
    page.gap().line(format!("Zone redundancy: {}", redundancy_word(layout.parameters.zone_redundancy)));
}

fn role_row(role: &LayoutRole) -> Vec<String> {
    let usable = match (role.usable_capacity, role.capacity) {
        (Some(usable), Some(capacity)) => {
            format!("{} ({})", render::size(usable), render::percent(usable, capacity))
        }
        _ => String::new(),
    };
    vec![
        render::short_id(&role.id),
        tag_list(&role.tags),
        role.zone.clone(),
        capacity_cell(role.capacity),
        usable,
    ]
}

fn staged_row(change: &RoleChange) -> Vec<String> {
    let id = render::short_id(&change.id);
    if change.remove == Some(true) {
        return vec![id, "REMOVED".to_owned(), String::new(), String::new()];
    }
    let tags = tag_list(change.tags.as_deref().unwrap_or_default());
    vec![id, tags, change.zone.clone().unwrap_or_default(), capacity_cell(change.capacity)]
}

fn redundancy_word(redundancy: ZoneRedundancy) -> String {
    match redundancy {
        ZoneRedundancy::Maximum => "maximum".to_owned(),
        ZoneRedundancy::AtLeast(zones) => format!("at least {zones}"),
    }
}

async fn apply(session: &Session, version: Option<u64>) -> Result<Report, CliError> {
    let Some(version) = version else {
        return Err(CliError::VersionNeeded { next: read(session).await?.value.version + 1 });
    };
    let body = ApplyClusterLayout { version };
    let answer = session.client.post::<AppliedClusterLayout>("ApplyClusterLayout", &[], &body).await?;
    let mut page = Page::default();
    for line in &answer.value.message {
        page.line(line.as_str());
    }
    match &answer.value.layout.coming {
        Some(coming) => {
            say_coming(&mut page, coming);
            page.line("To see how far it is:  garage layout show");
        }
        None => {
            page.line(format!("Cluster layout version {} is in force.", answer.value.layout.version));
        }
    }
    Ok(Report::new(answer.json, page))
}

async fn revert(session: &Session, yes: Yes) -> Result<Report, CliError> {
    confirm(session.audience, yes, "drop all staged changes of the layout")?;
    let answer = session.client.post::<ClusterLayout>("RevertClusterLayout", &[], &json!({})).await?;
    Ok(Report::new(answer.json, Page::of_line("All staged changes of the layout are dropped.")))
}

async fn history(session: &Session) -> Result<Report, CliError> {
    let answer = session.client.get::<LayoutHistory>("GetClusterLayoutHistory", &[]).await?;
    let history = &answer.value;
    let mut page = Page::default();
    page.heading("LAYOUT HISTORY");
    let rows = history.versions.iter().map(|version| {
        vec![
            format!("#{}", version.version),
            version.status.to_lowercase(),
            version.storage_nodes.to_string(),
            version.gateway_nodes.to_string(),
        ]
    });
    page.columns(&["Version", "Status", "Storage nodes", "Gateway nodes"], rows.collect());
    if let Some(coming) = &history.coming {
        page.gap();
        say_coming(&mut page, coming);
    }
    if let Some(trackers) = &history.update_trackers {
        page.gap().heading("UPDATE TRACKERS");
        let rows = trackers.iter().map(|(id, seen)| {
            vec![
                render::short_id(id),
                format!("#{}", seen.ack),
                format!("#{}", seen.sync),
                format!("#{}", seen.sync_ack),
            ]
        });
        page.columns(&["Node", "Ack", "Sync", "Sync_ack"], rows.collect());
    }
    Ok(Report::new(answer.json, page))
}
