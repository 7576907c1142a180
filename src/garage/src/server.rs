//! `garage server`: from the command line to a running node, and its end.

use crate::command_line::CommandLine;
use crate::config::{self, Bind, Config, Flags, MachineFiles, Surroundings};
use crate::node::RunningNode;
use crate::{announce, joining, logging, node, opening};
use anyhow::{Context, anyhow};
use clap::Args;
use cluster::joining::JoinCode;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use store::engine::EngineError;
use tokio::signal::unix::{SignalKind, signal};

/// Threads that serve requests. More than cores on a small machine, since a metadata read that
/// misses the cache waits for the disk on its thread.
const WORKER_THREADS_MIN: usize = 4;
/// Threads for blocking work: block files, hashing, listings.
const BLOCKING_THREADS_MAX: usize = 128;

/// How to run a node.
#[derive(Debug, Args)]
pub struct ServerArguments {
    /// Folder for everything this node stores [default: /var/lib/garage for root, else
    /// ~/.local/share/garage].
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Be a cluster of one node, even with a configuration file.
    #[arg(long)]
    pub single_node: bool,
    /// Join a cluster: the code that `garage node invite` prints on one of its nodes. Needs an empty data folder; a
    /// node that belongs to that cluster already starts as without it, so a service may keep it.
    #[arg(long, value_name = "CODE", conflicts_with = "single_node")]
    join: Option<JoinCode>,
    /// Where the S3 API listens, such as 127.0.0.1:3910 [default: [::]:3900].
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = bind_of)]
    s3_addr: Option<Bind>,
    /// Name of the first bucket, made if it is missing [env: GARAGE_DEFAULT_BUCKET].
    #[arg(long, value_name = "NAME", num_args = 0..=1)]
    default_bucket: Option<Option<String>>,
    /// Make the first key of GARAGE_DEFAULT_ACCESS_KEY and GARAGE_DEFAULT_SECRET_KEY, which is done anyway when they
    /// are set; with this flag they must be.
    #[arg(long)]
    default_access_key: bool,
    /// Start although the disk that was this data folder is gone for good: what no other home has of it is lost. For one
    /// start; later ones do not ask for that disk any more.
    #[arg(long, value_name = "FOLDER")]
    without_disk: Vec<PathBuf>,
}

fn bind_of(text: &str) -> Result<Bind, String> {
    config::bind(text).ok_or_else(|| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let port = text.rsplit(':').next().filter(|port| digits(port));
        match port.map(|port| (port, port.parse::<u16>())) {
            Some((port, Err(_))) => format!("{port} is no port: 1 to 65535"),
            port => {
                let port = port.map_or("3910", |(port, _)| port);
                format!(
                    "it must be an address with port, such as [::]:{port}, or the full path of a Unix socket"
                )
            }
        }
    })
}

impl ServerArguments {
    /// What the configuration is told: the options of every command, and these.
    pub fn flags(&self, global: Flags) -> Flags {
        Flags {
            data_dir: self.data_dir.clone().or(global.data_dir),
            s3_bind: self.s3_addr.clone(),
            default_bucket: self.default_bucket.clone(),
            default_access_key: self.default_access_key,
            without_disks: self.without_disk.clone(),
            ..global
        }
    }
}

/// Runs a node until it is told to stop.
pub fn run(global: Flags, arguments: ServerArguments) -> anyhow::Result<()> {
    let flags = arguments.flags(global);
    let line = CommandLine::of(&flags, &arguments);
    let variables = std::env::vars().collect();
    let around = Surroundings { variables: &variables, is_root: env::real::is_root(), files: &MachineFiles };
    let (config, notices) = Config::load(&flags, around)?;
    logging::start();
    env::real::keep_files_private();
    let folder = config.data_folder.as_ref().unwrap_or(&config.metadata_dir);
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
    println!("Data folder: {}", folder.display());
    for notice in notices {
        if notice.is_warning() {
            tracing::warn!("{notice}");
        } else {
            tracing::info!("{notice}");
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).max(WORKER_THREADS_MIN);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("garage")
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(async {
        let env = env::real::env();
        opening::check_data_folder(&env, &config).await?;
        if let Some(code) = arguments.join {
            joining::join(&env, &config, code).await?;
        }
        let started = node::start(env, config, &line).await;
        let running = started.map_err(|error| used_already(error, &folder, &line))?;
        announce::announce(&running, &line.place);
        wait_for_signal(&running).await?;
        tracing::info!("stopping: finishing the requests under way");
        running.stop().await;
        Ok(())
    })
}

/// Says of a folder that another server has open how to see that one.
fn used_already(error: anyhow::Error, folder: &Path, line: &CommandLine) -> anyhow::Error {
    match error.downcast_ref::<EngineError>() {
        Some(EngineError::Locked(_)) => anyhow!(
            "another garage server uses {} already\nTo see it:  garage{} status",
            folder.display(),
            line.place
        ),
        _ => error,
    }
}

/// Waits until the node is to stop. A hang-up stops one that was started on a terminal, which is gone then; a service
/// is told with it to take new certificates.
async fn wait_for_signal(running: &RunningNode) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let has_terminal = std::io::stdin().is_terminal();
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => match running.has_certificates() {
                _ if has_terminal => return Ok(()),
                true => running.reload().await,
                false => tracing::info!("there is no certificate to look at: the signal has no effect"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bind_of;

    #[test]
    fn addresses_that_are_none_get_one_to_write_instead() {
        for text in ["45000", ":45000", "host:45000"] {
            assert!(bind_of(text).unwrap_err().contains(", such as [::]:45000, or"), "{text}");
        }
        assert_eq!(bind_of("127.0.0.1:99999").unwrap_err(), "99999 is no port: 1 to 65535");
        assert!(bind_of("here").unwrap_err().contains("such as [::]:3910,"));
        assert!(bind_of("[::]:45000").is_ok());
    }
}
