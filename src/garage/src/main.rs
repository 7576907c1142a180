//! The `garage` binary: configuration, wiring, command line.
//!
//! `garage server` runs a node; every other command speaks to a running one over the admin API. What
//! is decided is decided in the crates below; this one only reads what the operator says, puts the
//! parts together, and shows the results.

mod config;
mod first_run;
mod logging;
mod node;
mod server;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// S3 object storage for people who run their own machines.
#[derive(Debug, Parser)]
#[command(name = "garage", version, arg_required_else_help = true, disable_help_flag = true)]
struct Arguments {
    /// The configuration file.
    #[arg(short = 'c', long = "config", global = true, env = "GARAGE_CONFIG_FILE")]
    config: Option<std::path::PathBuf>,
    /// Print help.
    #[arg(long, global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node on this machine.
    Server(server::ServerArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Server(server) => server::run(arguments.config, server),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
