//! `garage worker`: the background work of nodes.

use super::error::CliError;
use super::render::{self, Page};
use super::session::{Report, Session};
use api::admin::wire::{GetWorkerInfo, ListWorkers, MultiAnswer, WorkerInfo, WorkerState};
use clap::Subcommand;

const COLUMNS: [&str; 9] = ["TID", "State", "Name", "Tranq", "Done", "Queue", "Errors", "Consec", "Last"];

/// What to do with background work.
#[derive(Debug, Clone, Subcommand)]
pub enum WorkerCommand {
    /// List the background workers of this node.
    List {
        /// Only those that have something to do.
        #[arg(short, long)]
        busy: bool,
        /// Only those with errors.
        #[arg(short, long)]
        errors: bool,
        /// Of all nodes.
        #[arg(short, long)]
        all_nodes: bool,
    },
    /// Show what a background worker of this node did, and what it does next.
    Info {
        /// Its number in `garage worker list`.
        tid: u64,
    },
}

/// Runs a command about background work.
pub async fn run(session: &Session, command: WorkerCommand) -> Result<Report, CliError> {
    let (busy, errors, all_nodes) = match command {
        WorkerCommand::List { busy, errors, all_nodes } => (busy, errors, all_nodes),
        WorkerCommand::Info { tid } => return info(session, tid).await,
    };
    let node = if all_nodes { "*" } else { "self" };
    let body = ListWorkers { busy_only: busy, error_only: errors };
    let answer =
        session.client.post::<MultiAnswer<Vec<WorkerInfo>>>("ListWorkers", &[("node", node)], &body).await?;
    let mut page = Page::default();
    for (id, workers) in &answer.value.success {
        if all_nodes {
            page.heading(&format!("NODE {}", render::short_id(id)));
        }
        page.columns(&COLUMNS, workers.iter().map(row).collect());
    }
    for (id, error) in &answer.value.error {
        page.line(format!("{}: {error}", render::short_id(id)));
    }
    Ok(Report::new(answer.json, page))
}

async fn info(session: &Session, tid: u64) -> Result<Report, CliError> {
    let body = GetWorkerInfo { id: tid };
    let answer =
        session.client.post::<MultiAnswer<WorkerInfo>>("GetWorkerInfo", &[("node", "self")], &body).await?;
    let mut page = Page::default();
    for worker in answer.value.success.values() {
        page.heading(&worker.name.to_uppercase());
        page.columns(&COLUMNS, vec![row(worker)]);
        worker.freeform.iter().for_each(|line| _ = page.line(line.as_str()));
        if let Some(error) = &worker.last_error {
            page.line(format!("last error: {}", error.message));
        }
    }
    for (id, error) in &answer.value.error {
        page.line(format!("{}: {error}", render::short_id(id)));
    }
    Ok(Report::new(answer.json, page))
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
