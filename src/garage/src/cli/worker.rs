//! `garage worker`: the background work of nodes.

use super::error::{CliError, Kind};
use super::render::{self, Page};
use super::session::{Report, Session};
use super::suggest;
use super::values;
use super::which_nodes::WhichNodes;
use api::admin::wire::{
    GetWorkerInfo, GetWorkerVariable, ListWorkers, SetWorkerVariable, WorkerInfo, WorkerState,
};
use api::admin::{VARIABLES, VariableValue};
use clap::Subcommand;
use std::collections::BTreeMap;

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
    /// Show settings and times of background work.
    Get {
        /// Which one; by default all.
        variable: Option<String>,
        #[command(flatten)]
        nodes: WhichNodes,
    },
    /// Change a setting of background work; it is kept over restarts.
    #[command(
        after_long_help = "scrub-tranquility and resync-tranquility: how many times as long as a step took the \
                                 worker rests after it. 0 is full speed, 2 (the default) a third of a disk's time.\n\
                                 copy-rate: how much the node copies from others in a second at most, such as 2M: for layout \
                                 changes, for lost disks and for what it missed. A home that several copy from at once sends as \
                                 much to each. The default is unlimited: it rests as long as it works.\n\n\
                                 Examples:\n  garage worker set -a scrub-tranquility 10\n  \
                                 garage worker set -a copy-rate 2M\n  garage worker set -a copy-rate unlimited"
    )]
    Set {
        /// Which one.
        variable: String,
        /// Its value: a number, or a size for copy-rate.
        value: String,
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
        WorkerCommand::Get { variable, nodes } => get(session, variable, &nodes).await,
        WorkerCommand::Set { variable, value, nodes } => set(session, (variable, value), &nodes).await,
    }
}

/// Refuses a name that no variable has, with those that come near.
fn check_name(name: &str) -> Result<(), CliError> {
    let names = || VARIABLES.iter().map(|variable| variable.name);
    match names().any(|known| known == name) {
        true => Ok(()),
        false => Err(CliError::Unknown {
            kind: Kind::WorkerVariable,
            name: name.to_owned(),
            near: suggest::nearest(name, names()),
        }),
    }
}

async fn get(session: &Session, variable: Option<String>, nodes: &WhichNodes) -> Result<Report, CliError> {
    variable.as_deref().map_or(Ok(()), check_name)?;
    let show = |page: &mut Page, values: &BTreeMap<String, String>| {
        let about = |name: &str| VARIABLES.iter().find(|variable| variable.name == name);
        let row = |(name, value): (&String, &String)| {
            let about = about(name).map_or("", |variable| variable.about);
            vec![name.clone(), value.clone(), about.to_owned()]
        };
        page.columns(&["Variable", "Value", "What it is"], values.iter().map(row).collect());
    };
    nodes.post(session, ("GetWorkerVariable", &GetWorkerVariable { variable }), show).await
}

async fn set(
    session: &Session,
    (variable, value): (String, String),
    nodes: &WhichNodes,
) -> Result<Report, CliError> {
    check_name(&variable)?;
    let value = as_sent(&variable, value);
    let show = |page: &mut Page, SetWorkerVariable { variable, value }: &SetWorkerVariable| {
        page.line(format!("{variable} is {value} now."));
    };
    nodes.post(session, ("SetWorkerVariable", &SetWorkerVariable { variable, value }), show).await
}

/// A size as the bytes that the admin API takes; what is none it refuses, with what it takes.
fn as_sent(variable: &str, value: String) -> String {
    let found = VARIABLES.iter().find(|known| known.name == variable).map(|known| known.value);
    match found {
        Some(VariableValue::BytesPerSecond) => values::size(&value).map_or(value, |bytes| bytes.to_string()),
        _ => value,
    }
}

async fn list(session: &Session, filter: ListWorkers, nodes: &WhichNodes) -> Result<Report, CliError> {
    let show = |page: &mut Page, workers: &Vec<WorkerInfo>| {
        page.columns(&COLUMNS, workers.iter().map(row).collect());
    };
    nodes.post(session, ("ListWorkers", &filter), show).await
}

async fn info(session: &Session, which: GetWorkerInfo, nodes: &WhichNodes) -> Result<Report, CliError> {
    nodes.post(session, ("GetWorkerInfo", &which), show_worker).await
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
