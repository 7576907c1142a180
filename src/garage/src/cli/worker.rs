//! `garage worker`: the background work of nodes.

use super::error::CliError;
use super::render::{self, Page};
use super::session::{Report, Session};
use super::which_nodes::WhichNodes;
use api::admin::wire::{GetWorkerInfo, ListWorkers, MultiAnswer, WorkerInfo, WorkerState};
use clap::Subcommand;

const COLUMNS: [&str; 9] = ["TID", "State", "Name", "Tranq", "Done", "Queue", "Errors", "Consec", "Last"];

/// What to do with background work.
#[derive(Debug, Clone, Subcommand)]
pub enum WorkerCommand {
    /// List the background workers.
    List {
        /// Only those that have something to do.
        #[arg(short, long)]
        busy: bool,
        /// Only those with errors.
        #[arg(short, long)]
        errors: bool,
        #[command(flatten)]
        nodes: WhichNodes,
    },
    /// Show what a background worker did, and what it does next.
    Info {
        /// Its number in `garage worker list`.
        tid: u64,
        #[command(flatten)]
        nodes: WhichNodes,
    },
}

/// Runs a command about background work.
pub async fn run(session: &Session, command: WorkerCommand) -> Result<Report, CliError> {
    match command {
        WorkerCommand::List { busy, errors, nodes } => {
            list(session, ListWorkers { busy_only: busy, error_only: errors }, &nodes).await
        }
        WorkerCommand::Info { tid, nodes } => info(session, GetWorkerInfo { id: tid }, &nodes).await,
    }
}

async fn list(session: &Session, filter: ListWorkers, nodes: &WhichNodes) -> Result<Report, CliError> {
    let node = nodes.query(session).await?;
    let query = [("node", node.as_str())];
    let answer = session.client.post::<MultiAnswer<Vec<WorkerInfo>>>("ListWorkers", &query, &filter).await?;
    Ok(nodes.report((answer.json, &answer.value), |page, workers| {
        page.columns(&COLUMNS, workers.iter().map(row).collect());
    }))
}

async fn info(session: &Session, which: GetWorkerInfo, nodes: &WhichNodes) -> Result<Report, CliError> {
    let node = nodes.query(session).await?;
    let query = [("node", node.as_str())];
    let answer = session.client.post::<MultiAnswer<WorkerInfo>>("GetWorkerInfo", &query, &which).await?;
    Ok(nodes.report((answer.json, &answer.value), show_worker))
}

fn show_worker(page: &mut Page, worker: &WorkerInfo) {
    page.heading(&worker.name.to_uppercase());
    page.columns(&COLUMNS, vec![row(worker)]);
    worker.freeform.iter().for_each(|line| _ = page.line(line.as_str()));
    if let Some(error) = &worker.last_error {
        page.line(format!("last error: {}", error.message));
    }
}

fn row(worker: &WorkerInfo) -> Vec<String> {
    let state = match worker.state {
        WorkerState::Busy => "Busy",
        WorkerState::Idle => "Idle",
        WorkerState::Done => "Done",
    };
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    vec![
        worker.id.to_string(),
        state.to_owned(),
        worker.name.clone(),
        or_dash(worker.tranquility.map(|value| value.to_string())),
        or_dash(worker.progress.clone()),
        or_dash(worker.queue_length.map(|value| value.to_string())),
        worker.errors.to_string(),
        worker.consecutive_errors.to_string(),
        worker
            .last_error
            .as_ref()
            .map(|error| format!("{} ago", render::span(error.secs_ago)))
            .unwrap_or_default(),
    ]
}
