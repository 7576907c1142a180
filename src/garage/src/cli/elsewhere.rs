//! Commands of other releases that this one does not have: each says so, whatever stands behind it.

use super::error::CliError;
use clap::Args;

/// What stands behind such a command.
#[derive(Debug, Clone, Args)]
pub struct AnyWords {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<String>,
}

/// Names the command as it was typed, up to its first option.
pub fn not_here(command: &'static str, AnyWords { words }: &AnyWords) -> CliError {
    let named = words.iter().take_while(|word| !word.starts_with('-')).take(1).map(String::as_str);
    CliError::NotHere { command: std::iter::once(command).chain(named).collect::<Vec<_>>().join(" ") }
}
