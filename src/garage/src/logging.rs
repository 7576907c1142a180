//! Log lines: to standard error, with colour only on a terminal.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise. The engine talks of its own files at `info`.
const DEFAULT_FILTER: &str = "info,fjall=warn,lsm_tree=warn";

/// Starts logging. `RUST_LOG` chooses what, as in `RUST_LOG=garage=debug,api=debug`.
pub fn start() {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| !text.is_empty());
    let read = asked.as_deref().map_or_else(|| Ok(EnvFilter::new(DEFAULT_FILTER)), EnvFilter::try_new);
    let (filter, wrong) = match read {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT_FILTER), Some(error)),
    };
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .init();
    if let Some(error) = wrong {
        tracing::warn!("RUST_LOG is not obeyed, since it cannot be understood: {error}");
    }
}
