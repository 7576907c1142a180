//! `garage server`: from the command line to a running node, and its end.

use crate::config::{self, Bind, Config, Flags, MachineFiles, Surroundings};
use crate::node::RunningNode;
use crate::{first_run, joining, logging, node};
use anyhow::Context;
use clap::Args;
use cluster::joining::JoinCode;
use std::io::IsTerminal;
use std::path::PathBuf;
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
    single_node: bool,
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

fn bind_of(text: &str) -> Result<Bind, &'static str> {
    config::bind(text).ok_or("it must be an address with port, or the full path of a Unix socket")
}

/// Runs a node until it is told to stop.
pub fn run(global: Flags, arguments: ServerArguments) -> anyhow::Result<()> {
    let data_dir = arguments.data_dir.or(global.data_dir);
    let flags = Flags {
        data_dir,
        s3_bind: arguments.s3_addr,
        default_bucket: arguments.default_bucket,
        default_access_key: arguments.default_access_key,
        without_disks: arguments.without_disk,
        ..global
    };
    let variables = std::env::vars().collect();
    let around = Surroundings { variables: &variables, is_root: env::real::is_root(), files: &MachineFiles };
    let (config, notices) = Config::load(&flags, around)?;
    logging::start();
    env::real::keep_files_private();
    let folder = config.data_folder.as_ref().unwrap_or(&config.metadata_dir);
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
        if let Some(code) = arguments.join {
            joining::join(&env, &config, code).await?;
        }
        let running = node::start(env, config, arguments.single_node).await?;
        first_run::announce(&running);
        wait_for_signal(&running).await?;
        tracing::info!("stopping: finishing the requests under way");
        running.stop().await;
        Ok(())
    })
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
