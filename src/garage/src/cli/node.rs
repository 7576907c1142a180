//! `garage node`: this node's id, and connections to others. Invitations are in [`joining`].

use super::error::CliError;
use super::forgetting::{self, ForgetArguments};
use super::joining::{self, ApproveArguments, InviteArguments};
use super::render::{self, Page};
use super::session::{Report, Session};
use super::which_nodes::WhichNodes;
use crate::config::{Bind, Config};
use api::admin::wire::{ConnectResult, FutureRows, MultiAnswer, NodeClock, NodeInfo};
use clap::Subcommand;
use cluster::{NodeKey, StateKind};
use serde_json::json;

/// What to do with nodes.
#[derive(Debug, Clone, Subcommand)]
pub enum NodeCommand {
    /// Print this node's id and where other nodes reach it.
    Id {
        /// Print nothing else.
        #[arg(short, long)]
        quiet: bool,
    },
    /// Invite a node into this cluster: prints what to run on the new machine.
    #[command(after_long_help = "Examples:\n  garage node invite\n  \
                                 garage node invite --zone parents --address home.example.net:3901")]
    Invite(InviteArguments),
    /// Give nodes that joined by invitation their role: from then on they keep data.
    #[command(after_long_help = "Examples:\n  garage node approve\n  garage node approve --all --yes")]
    Approve(ApproveArguments),
    /// Forget nodes that never come back: the others wait for them no more.
    #[command(
        after_long_help = "While a node is away, those that remain serve all requests, and wait for it where \
                                 every copy is asked: when another node lost its memory, in a layout change, and \
                                 before they drop the traces of what was deleted. To forget it ends that. It is for \
                                 good: a forgotten node that starts again begins empty.\n\nExamples:\n  garage node \
                                 forget 563e1ac825ee3323\n  garage node forget 563e1ac8 77aa1ac8 --yes"
    )]
    Forget(ForgetArguments),
    /// Show how far a node's clock is ahead of its machine's, and what may be done about it.
    Clock {
        #[command(flatten)]
        nodes: WhichNodes,
    },
    /// Connect this node to another one.
    Connect {
        /// The other node, as its `garage node id` prints it: id@host:port.
        node: String,
    },
}

/// Runs a command about nodes.
pub async fn run(session: &Session, command: NodeCommand) -> Result<Report, CliError> {
    match command {
        NodeCommand::Id { quiet } => id(session, quiet).await,
        NodeCommand::Invite(arguments) => joining::invite(session, arguments).await,
        NodeCommand::Approve(arguments) => joining::approve(session, arguments).await,
        NodeCommand::Forget(arguments) => forgetting::forget(session, arguments).await,
        NodeCommand::Clock { nodes } => clock(session, nodes).await,
        NodeCommand::Connect { node } => connect(session, node).await,
    }
}

async fn clock(session: &Session, nodes: WhichNodes) -> Result<Report, CliError> {
    let node = nodes.query(session).await?;
    let query = [("node", node.as_str())];
    let answer = session.client.get::<MultiAnswer<NodeClock>>("GetNodeClock", &query).await?;
    Ok(nodes.report((answer.json, &answer.value), show_clock))
}

fn show_clock(page: &mut Page, clock: &NodeClock) {
    let (machine, node) = (render::minute(&clock.machine), render::minute(&clock.node));
    if clock.ahead_secs == 0 {
        page.line(format!("The clock is not ahead: {node}. No row carries a time that is yet to come."));
        return;
    }
    let ahead = render::about_time(clock.ahead_secs);
    page.line(format!("The clock is {ahead} ahead: {node}, where the machine shows {machine}."));
    page.line("At some time the machine, or one that this node believed, showed that.");
    if !clock.rows.is_empty() {
        let row =
            |rows: &FutureRows| vec![rows.table.clone(), rows.rows.to_string(), render::minute(&rows.newest)];
        page.gap().heading("ROWS WITH TIMES THAT ARE YET TO COME");
        page.columns(&["Table", "Rows", "Newest"], clock.rows.iter().map(row).collect());
    }
    page.gap();
    page.line("Nothing sets it back: what is written with an earlier time would lose against these rows.");
    page.line(
        "The node serves as before. Nodes that show more than a day less do not believe it. To change that:",
    );
    page.line(format!("- wait until a day before {node}, or"));
    page.line(
        "- start a node with an empty data folder and a right clock, and copy every bucket there by S3.",
    );
}

async fn id(session: &Session, quiet: bool) -> Result<Report, CliError> {
    let asked = session.client.get::<MultiAnswer<NodeInfo>>("GetNodeInfo", &[("node", "self")]).await;
    let (json, infos) = match (asked, &session.config) {
        (Ok(answer), _) => {
            (answer.json, answer.value.success.into_values().map(Identified::from).collect::<Vec<_>>())
        }
        (Err(error @ CliError::NoServer { .. }), Some(config)) => {
            let id = stored_id(session, config).ok_or(error)?;
            (json!({ "nodeId": id }), vec![Identified { id, addr: None, listens: true }])
        }
        (Err(error), _) => return Err(error),
    };
    let mut page = Page::default();
    for Identified { id, addr, listens } in infos {
        // Scripts that ask with -q cut at the `@`: they get the form that they expect.
        if !listens && !quiet {
            page.line(id).gap();
            page.line(
                "Other nodes cannot dial this one: its port was taken when it started, so it listens at",
            );
            page.line("none. To change that, set rpc_bind_addr in the configuration and start it again.");
            continue;
        }
        let addr = addr.or_else(|| session.config.as_ref().map(rpc_address));
        let full = format!("{id}@{}", addr.unwrap_or_default());
        page.line(full.as_str());
        if !quiet {
            page.gap().line("To connect another node to this one, run there:").gap();
            page.line(format!("    garage node connect {full}"));
        }
    }
    Ok(Report::new(json, page))
}

/// A node and where it is reached.
struct Identified {
    id: String,
    addr: Option<String>,
    /// Whether anybody can dial it.
    listens: bool,
}

impl From<NodeInfo> for Identified {
    fn from(info: NodeInfo) -> Self {
        let listens = info.addr.is_some() || info.listens != Some(false);
        Self { id: info.node_id, addr: info.addr, listens }
    }
}

/// The id of a node that does not run now: it is known from its first start on.
fn stored_id(session: &Session, config: &Config) -> Option<String> {
    let folder = &config.metadata_dir;
    let key_file = folder.join(StateKind::NodeKey.file_name());
    // Asked first, since opening would make a key.
    let is_there = session.env.disk.exists(&key_file).unwrap_or(false);
    let key = is_there.then(|| NodeKey::open(&session.env, folder))?;
    key.ok().map(|key| key.id().to_string())
}

/// Where the configuration says that other nodes reach this one.
pub fn rpc_address(config: &Config) -> String {
    match (&config.rpc.public_addr, &config.rpc.bind) {
        (Some(public), _) => public.clone(),
        (None, Bind::Tcp(address)) if address.ip().is_unspecified() => {
            format!("127.0.0.1:{}", address.port())
        }
        (None, bind) => bind.to_string(),
    }
}

async fn connect(session: &Session, node: String) -> Result<Report, CliError> {
    let answer =
        session.client.post::<Vec<ConnectResult>>("ConnectClusterNodes", &[], &json!([node])).await?;
    match answer.value.first() {
        Some(ConnectResult { success: false, error }) => Err(CliError::NotConnected {
            reason: error.clone().unwrap_or_else(|| "no reason given".to_owned()),
        }),
        _ => Ok(Report::new(answer.json, Page::of_line(format!("Connected to {node}.")))),
    }
}
