//! The `garage` binary: configuration, wiring, command line.
//!
//! `garage server` runs a node; every other command speaks to a running one over the admin API. What
//! is decided is decided in the crates below; this one only reads what the operator says, puts the
//! parts together, and shows the results.

mod announce;
mod cli;
mod command_line;
mod config;
mod first_run;
mod joining;
mod links;
mod listening;
mod logging;
mod node;
mod opening;
mod secrets;
mod server;
mod shell;
mod trust;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::mistakes::parse();
    let server = match arguments.command {
        cli::Command::Server(server) => server,
        command => return cli::run(&arguments.global, command),
    };
    match server::run(arguments.global.flags(), server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {}", told_once(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and what is behind it. Many texts name their cause already, which is not said again.
fn told_once(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |told, cause| match cause.to_string() {
        cause if told.contains(&cause) => told,
        cause => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::told_once;
    use anyhow::{Context, anyhow};

    #[test]
    fn a_cause_is_told_once() {
        let cause = || anyhow!("no such thing");
        let named: anyhow::Result<()> = Err(cause()).context("cannot do it: no such thing");
        assert_eq!(told_once(&named.unwrap_err()), "cannot do it: no such thing");
        let unnamed: anyhow::Result<()> = Err(cause()).context("cannot do it");
        assert_eq!(told_once(&unnamed.unwrap_err()), "cannot do it: no such thing");
    }
}
