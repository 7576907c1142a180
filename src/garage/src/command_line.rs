//! What the command line of a server said, for texts that say what to type next.

use crate::config::Flags;
use crate::server::ServerArguments;
use crate::shell::quoted;
use std::path::Path;

/// Options as they were given, ready to be put behind a command: each with a space before it.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    /// Be a cluster of one node, even with a configuration file.
    pub single_node: bool,
    /// Those by which other commands find the node.
    pub place: String,
    /// All but `--s3-addr`, the code of an invitation and secrets.
    pub options: String,
}

impl CommandLine {
    /// Of a server; `flags` with everything that was given.
    pub fn of(flags: &Flags, server: &ServerArguments) -> Self {
        let mut place = Words::default();
        place.path("-c", flags.config_file.as_deref());
        place.path("--data-dir", flags.data_dir.as_deref());
        let mut options = place.clone();
        options.path("--rpc-secret-file", flags.rpc_secret_file.as_deref());
        options.path("--admin-token-file", flags.admin_token_file.as_deref());
        options.path("--metrics-token-file", flags.metrics_token_file.as_deref());
        if flags.allow_world_readable_secrets == Some(true) {
            options.word("--allow-world-readable-secrets");
        }
        if server.single_node {
            options.word("--single-node");
        }
        if let Some(bucket) = &flags.default_bucket {
            options.word("--default-bucket");
            bucket.iter().for_each(|name| options.word(&quoted(name)));
        }
        if flags.default_access_key {
            options.word("--default-access-key");
        }
        flags.without_disks.iter().for_each(|folder| options.path("--without-disk", Some(folder)));
        Self { single_node: server.single_node, place: place.0, options: options.0 }
    }
}

#[derive(Clone, Default)]
struct Words(String);

impl Words {
    fn word(&mut self, word: &str) {
        self.0.push(' ');
        self.0.push_str(word);
    }

    /// A full path, since the next command may be typed elsewhere.
    fn path(&mut self, option: &str, path: Option<&Path>) {
        let Some(path) = path else { return };
        let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.word(option);
        self.word(&quoted(&full.display().to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, Command};
    use clap::Parser;

    fn told(line: &str) -> CommandLine {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Command::Server(server) = arguments.command else { panic!("a server") };
        CommandLine::of(&server.flags(arguments.global.flags()), &server)
    }

    #[test]
    fn what_was_given_is_given_again() {
        let line =
            told("garage -c /c.toml server --s3-addr 127.0.0.1:1 --default-bucket photos --rpc-secret abc");
        assert_eq!(line.place, " -c /c.toml");
        assert_eq!(line.options, " -c /c.toml --default-bucket photos");
        let line = told("garage server --single-node --data-dir /my$data --default-access-key");
        assert_eq!(line.place, " --data-dir '/my$data'");
        assert_eq!(line.options, " --data-dir '/my$data' --single-node --default-access-key");
        assert!(line.single_node);
        assert_eq!(told("garage server").options, "");
    }
}
