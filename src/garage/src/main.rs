//! The `garage` binary: configuration, wiring, command line.
//!
//! `garage server` runs a node; every other command speaks to a running one over the admin API. What
//! is decided is decided in the crates below; this one only reads what the operator says, puts the
//! parts together, and shows the results.

mod cli;
mod config;
mod first_run;
mod joining;
mod links;
mod listening;
mod logging;
mod node;
mod secrets;
mod server;
mod trust;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let server = match arguments.command {
        cli::Command::Server(server) => server,
        command => return cli::run(&arguments.global, command),
    };
    match server::run(arguments.global.flags(), server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
