//! What is said about a command line that cannot be read: what clap says, with the best suggestion first, and with a way
//! to the help where `-h` was meant for it.

use super::Arguments;
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Reads the command line of this process, or says what is wrong with it and ends the process.
pub fn parse() -> Arguments {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    Arguments::try_parse().unwrap_or_else(|error| {
        let error = best_first(error);
        let help = help_for(&error, &words);
        // Nobody reads it if it cannot be written.
        let _ = error.print();
        if let Some(help) = help {
            eprintln!("\n{help}");
        }
        std::process::exit(error.exit_code())
    })
}

/// Puts what comes nearest to what was typed first.
pub fn best_first(mut error: clap::Error) -> clap::Error {
    for (typed, offered) in [
        (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
        (ContextKind::InvalidValue, ContextKind::SuggestedValue),
    ] {
        let (Some(ContextValue::String(typed)), Some(ContextValue::Strings(offers))) =
            (error.get(typed), error.get(offered))
        else {
            continue;
        };
        let mut sorted = offers.clone();
        sorted.sort_by_key(|offer| strsim::damerau_levenshtein(typed, offer));
        error.insert(offered, ContextValue::Strings(sorted));
    }
    error
}

/// `-h` names a node here, as in the scripts of other releases; whoever means help is told how to get it.
pub fn help_for(error: &clap::Error, words: &[String]) -> Option<String> {
    let is_node = matches!(error.get(ContextKind::InvalidArg),
        Some(ContextValue::String(argument)) if argument.contains("--rpc-host"));
    if !is_node || error.kind() != ErrorKind::InvalidValue {
        return None;
    }
    let before = words.iter().skip(1).take_while(|word| *word != "-h" && *word != "--rpc-host");
    let commands: Vec<&str> = before.filter(|word| !word.starts_with('-')).map(String::as_str).collect();
    Some(["For help:  garage", &commands.join(" "), "--help"].join(" ").replace("  --help", " --help"))
}
