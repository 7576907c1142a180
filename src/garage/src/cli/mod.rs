//! The command line: every command but `server` asks a running node over its admin API.
//!
//! Commands are thin: they build a request, call an endpoint, and show the answer. What is decided
//! is decided by the node. One file per group of commands; [`render`] draws, [`client`] carries.
//! Always holds: what a command prints without a terminal is a contract that scripts rely on;
//! output goes to standard output, questions and errors to standard error; nothing is destroyed
//! without `--yes` or a person's word.

mod block;
mod bucket;
mod bucket_documents;
mod bucket_settings;
mod client;
mod confirm;
mod elsewhere;
mod encryption;
mod error;
mod forgetting;
mod health;
mod joining;
mod json_api;
mod key;
mod layout;
pub mod mistakes;
mod node;
mod render;
mod repair;
mod session;
mod stats;
mod status;
mod suggest;
#[cfg(test)]
mod tests;
mod values;
mod webhook;
mod which_nodes;
mod worker;
mod zones;

use crate::config::Flags;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use client::AdminUrl;
use error::CliError;
use serde_json::Value;
use session::{Report, Session};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Shown at the end of `garage --help`.
const EXAMPLES: &str = "\
Examples:
  garage server                                  run a node; the first start prints a key
  garage status                                  nodes, roles and room
  garage bucket create photos
  garage key create my-app
  garage bucket allow photos --key my-app --read --write
  garage bucket info photos --output json

Commands speak to the node on this machine over its local socket. To speak to another one:
  garage --admin-url http://10.0.0.5:3903 --admin-token-file token status";

/// S3 object storage for people who run their own machines.
#[derive(Debug, Parser)]
#[command(
    name = "garage",
    version,
    arg_required_else_help = true,
    disable_help_flag = true,
    after_long_help = EXAMPLES
)]
pub struct Arguments {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The configuration file [env: GARAGE_CONFIG_FILE].
    #[arg(short = 'c', long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The node's data folder, if there is no configuration file [env: GARAGE_DATA_DIR].
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// How to show the answer [default: table on a terminal, else text].
    #[arg(long, global = true, value_enum, value_name = "FORM")]
    pub output: Option<Output>,
    /// The admin API of another node, as http://host:port [env: GARAGE_ADMIN_URL].
    #[arg(long, global = true, value_name = "URL")]
    pub admin_url: Option<AdminUrl>,
    /// The admin API's token [env: GARAGE_ADMIN_TOKEN].
    #[arg(long, global = true, value_name = "TOKEN")]
    pub admin_token: Option<String>,
    /// A file that holds it [env: GARAGE_ADMIN_TOKEN_FILE].
    #[arg(long, global = true, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// The node to speak to, as id@host:port; only this one for now [env: GARAGE_RPC_HOST].
    #[arg(short = 'h', long, global = true, value_name = "NODE", hide = true)]
    pub rpc_host: Option<String>,
    /// The secret that nodes share.
    #[arg(long, global = true, value_name = "SECRET", hide = true)]
    pub rpc_secret: Option<String>,
    /// A file that holds it.
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub rpc_secret_file: Option<PathBuf>,
    /// The token of /metrics.
    #[arg(long, global = true, value_name = "TOKEN", hide = true)]
    pub metrics_token: Option<String>,
    /// A file that holds it.
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub metrics_token_file: Option<PathBuf>,
    /// Accept secrets in files that every user of this machine can read.
    #[arg(long, global = true, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub allow_world_readable_secrets: Option<bool>,
    /// Print help.
    #[arg(long, global = true, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
}

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Aligned text that scripts can rely on.
    Text,
    /// The admin API's answer.
    Json,
    /// Tables for people.
    Table,
}

impl Global {
    /// What the configuration is told.
    pub fn flags(&self) -> Flags {
        Flags {
            config_file: self.config.clone(),
            data_dir: self.data_dir.clone(),
            s3_bind: None,
            default_bucket: None,
            default_access_key: false,
            without_disks: Vec::new(),
            rpc_secret: self.rpc_secret.clone(),
            rpc_secret_file: self.rpc_secret_file.clone(),
            admin_token: self.admin_token.clone(),
            admin_token_file: self.admin_token_file.clone(),
            metrics_token: self.metrics_token.clone(),
            metrics_token_file: self.metrics_token_file.clone(),
            allow_world_readable_secrets: self.allow_world_readable_secrets,
        }
    }

    fn admin_url(&self, variables: &BTreeMap<String, String>) -> Result<Option<AdminUrl>, CliError> {
        let variable = variables.get("GARAGE_ADMIN_URL").filter(|url| !url.is_empty());
        match (&self.admin_url, variable) {
            (Some(url), _) => Ok(Some(url.clone())),
            (None, None) => Ok(None),
            (None, Some(text)) => match text.parse() {
                Ok(url) => Ok(Some(url)),
                Err(_) => Err(CliError::Config(crate::config::ConfigError::WrongVariable {
                    name: "GARAGE_ADMIN_URL",
                    expected: "http://host:port",
                })),
            },
        }
    }

    fn rpc_host(&self, variables: &BTreeMap<String, String>) -> Option<String> {
        let variable = || variables.get("GARAGE_RPC_HOST").cloned();
        self.rpc_host.clone().or_else(variable).filter(|host| !host.is_empty())
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node on this machine.
    Server(crate::server::ServerArguments),
    /// Show the nodes of the cluster, their roles and their room.
    Status,
    /// Invite and approve nodes; this node's id, and connections to others.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Which node stores how much.
    #[command(subcommand)]
    Layout(layout::LayoutCommand),
    /// Buckets: make, show, change, delete.
    #[command(subcommand)]
    Bucket(bucket::BucketCommand),
    /// Access keys: make, show, change, delete.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Where applications may have events sent.
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Encryption by the server: its secret, and the keys of the ring.
    #[command(subcommand)]
    Encryption(encryption::EncryptionCommand),
    /// What is stored, and how the nodes do.
    Stats(stats::StatsArguments),
    /// Whether requests are served: exit code 0 healthy, 1 degraded, 2 unavailable.
    Health(health::HealthArguments),
    /// Background work, and its settings.
    #[command(subcommand)]
    Worker(worker::WorkerCommand),
    /// Blocks that are missing, and what needs them.
    #[command(subcommand)]
    Block(block::BlockCommand),
    /// Start a check or a repair.
    Repair(repair::RepairArguments),
    /// Call an endpoint of the admin API; prints its JSON.
    JsonApi(json_api::JsonApiArguments),
    /// Tokens of the admin API; not in this version.
    #[command(hide = true)]
    AdminToken(elsewhere::AnyWords),
    /// Snapshots of the metadata; not in this version.
    #[command(hide = true)]
    Meta(elsewhere::AnyWords),
    /// Moves the metadata to another engine; not in this version.
    #[command(hide = true)]
    ConvertDb(elsewhere::AnyWords),
    /// Repairs of a node that does not run; not in this version.
    #[command(hide = true)]
    OfflineRepair(elsewhere::AnyWords),
    /// Print a completion script for a shell.
    #[command(after_long_help = "Example:\n  garage completions bash > /etc/bash_completion.d/garage")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// The exit code of `garage health` when no node answers.
const EXIT_UNAVAILABLE: u8 = 2;

/// Runs a command other than `server`.
pub fn run(global: &Global, command: Command) -> ExitCode {
    if let Command::Completions { shell } = command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "garage", &mut script);
        return print(&script, 0);
    }
    let failure_exit = if matches!(command, Command::Health(_)) { EXIT_UNAVAILABLE } else { 1 };
    let quiet = matches!(&command, Command::Health(arguments) if arguments.quiet);
    let outcome = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(answer(global, command)),
        Err(error) => Err(CliError::Terminal(error)),
    };
    match outcome {
        Ok((text, exit)) => print(text.as_bytes(), exit),
        Err(error) => {
            match global.output {
                _ if quiet => {}
                Some(Output::Json) => eprintln!("{}", error.as_json()),
                _ => eprintln!("Error: {error}"),
            }
            ExitCode::from(failure_exit)
        }
    }
}

/// What a command prints, and its exit code.
async fn answer(global: &Global, command: Command) -> Result<(String, u8), CliError> {
    let env = env::real::env();
    let view = session::view_of(global.output, &env);
    let is_raw = matches!(command, Command::JsonApi(_));
    let report = match without_node(&env, &command) {
        Some(answer) => answer?,
        None => {
            let variables = std::env::vars().collect();
            let session = Session::open(global, env, &variables).await?;
            dispatch(&session, command).await?
        }
    };
    let text = match global.output {
        Some(Output::Json) => json_text(&report.json),
        _ if is_raw => json_text(&report.json),
        _ => report.page.draw(&view),
    };
    Ok((text, report.exit))
}

/// What is answered without asking a node.
fn without_node(env: &env::Env, command: &Command) -> Option<Result<Report, CliError>> {
    Some(match command {
        Command::Encryption(encryption::EncryptionCommand::NewSecret { file }) => {
            encryption::new_secret(env, file)
        }
        Command::AdminToken(words) => Err(elsewhere::not_here("admin-token", words)),
        Command::Meta(words) => Err(elsewhere::not_here("meta", words)),
        Command::ConvertDb(words) => Err(elsewhere::not_here("convert-db", words)),
        Command::OfflineRepair(words) => Err(elsewhere::not_here("offline-repair", words)),
        _ => return None,
    })
}

/// Sends a command to where it is answered.
async fn dispatch(session: &Session, command: Command) -> Result<Report, CliError> {
    match command {
        Command::Status => status::run(session).await,
        Command::Node(command) => node::run(session, command).await,
        Command::Layout(command) => layout::run(session, command).await,
        Command::Bucket(command) => bucket::run(session, command).await,
        Command::Key(command) => key::run(session, command).await,
        Command::Webhook(command) => webhook::run(session, command).await,
        Command::Encryption(command) => encryption::run(session, command).await,
        Command::Stats(arguments) => stats::run(session, arguments).await,
        Command::Health(arguments) => health::run(session, arguments).await,
        Command::Worker(command) => worker::run(session, command).await,
        Command::Block(command) => block::run(session, command).await,
        Command::Repair(arguments) => repair::run(session, arguments).await,
        Command::JsonApi(arguments) => json_api::run(session, arguments).await,
        // None asks a node: all are taken care of before this is called.
        Command::Server(_)
        | Command::Completions { .. }
        | Command::AdminToken(_)
        | Command::Meta(_)
        | Command::ConvertDb(_)
        | Command::OfflineRepair(_) => Ok(Report::new(Value::Null, render::Page::default())),
    }
}

/// JSON for programs and for people; an empty answer is an empty object.
fn json_text(json: &Value) -> String {
    let shown = if json.is_null() { &Value::Object(serde_json::Map::new()) } else { json };
    format!("{shown:#}\n")
}

/// Prints; a reader that has seen enough (`| head -1`) is no failure.
fn print(text: &[u8], exit: u8) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(exit),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(exit),
        Err(error) => {
            eprintln!("Error: {}", CliError::Terminal(error));
            ExitCode::FAILURE
        }
    }
}
