//! Why a command did not do what it was asked, and what to type next.
//!
//! Each text says what happened in one sentence and, where there is one, the command that helps.

use crate::config::ConfigError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A command that failed.
#[derive(Debug)]
pub enum CliError {
    /// Nothing answers at the local socket.
    NoServer {
        /// Where a server of this configuration would answer.
        socket: PathBuf,
    },
    /// The local socket belongs to another user.
    NotAllowed {
        /// The socket.
        socket: PathBuf,
    },
    /// The admin API of `--admin-url` does not answer.
    Unreachable {
        /// Host and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The node did not answer in time.
    TimedOut,
    /// The connection broke before the answer was complete.
    Interrupted(hyper::Error),
    /// The answer is larger than any that makes sense.
    AnswerTooLarge,
    /// The answer is not what this release understands.
    Unreadable {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The node refused.
    Refused {
        /// HTTP status.
        status: u16,
        /// A word for programs.
        code: String,
        /// A sentence for people.
        message: String,
    },
    /// Nothing has this name.
    Unknown {
        /// What was looked for.
        kind: Kind,
        /// The name given.
        name: String,
        /// What comes near, best first.
        near: Vec<String>,
    },
    /// No object has this key.
    NoObject {
        /// The bucket, as it was named.
        bucket: String,
        /// The key.
        object: String,
    },
    /// No change of the layout waits for nodes that are dead.
    NobodyIsSkipped,
    /// A command of other releases.
    NotHere {
        /// Its words.
        command: String,
    },
    /// A prefix fits several nodes.
    AmbiguousNode {
        /// The prefix.
        prefix: String,
    },
    /// It destroys something, nobody can be asked, and `--yes` is missing.
    NeedsYes {
        /// What would be done.
        what: String,
    },
    /// A file that was named cannot be used.
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of a bucket's setting is none.
    SettingFile {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        holds: &'static str,
        /// The command that takes it.
        command: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// What is not said over a network.
    OnlyHere {
        /// What is done.
        what: &'static str,
    },
    /// The operator said no.
    Declined,
    /// `--rpc-host` names another node.
    RemoteNode,
    /// The layout is applied by naming the version that is made.
    VersionNeeded {
        /// That version.
        next: u64,
    },
    /// A node without a role needs a zone and a capacity.
    RoleIncomplete {
        /// The option that is missing.
        missing: &'static str,
    },
    /// A node could not be connected.
    NotConnected {
        /// Why.
        reason: String,
    },
    /// No node waits for approval.
    NobodyWaits,
    /// Several nodes wait for approval.
    SeveralWait {
        /// How many.
        count: usize,
    },
    /// The payload of `json-api` is not JSON.
    PayloadNotJson(serde_json::Error),
    /// The configuration cannot be read.
    Config(ConfigError),
    /// Standard input or output failed.
    Terminal(io::Error),
    /// The encryption secret could not be made.
    Secret(anyhow::Error),
}

/// What a command can look for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bucket.
    Bucket,
    /// An access key.
    Key,
    /// A node.
    Node,
    /// An endpoint of the admin API.
    Endpoint,
    /// A setting of background work.
    WorkerVariable,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Key => "access key",
            Self::Node => "node",
            Self::Endpoint => "endpoint",
            Self::WorkerVariable => "worker variable",
        }
    }

    /// What programs are told of one that is not there, as by the admin API where it has a word.
    const fn missing_code(self) -> &'static str {
        match self {
            Self::Bucket => "NoSuchBucket",
            Self::Key => "NoSuchAccessKey",
            Self::Node => "NoSuchNode",
            Self::Endpoint => "NoSuchEndpoint",
            Self::WorkerVariable => "NoSuchVariable",
        }
    }

    /// What lists all of them.
    const fn lister(self) -> &'static str {
        match self {
            Self::Bucket => "garage bucket list",
            Self::Key => "garage key list",
            Self::Node => "garage status",
            Self::Endpoint => "garage json-api --list",
            Self::WorkerVariable => "garage worker get",
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer { socket } => write!(
                out,
                "no server answers at {}\nTo start one:  garage server\nIf one runs with other folders, give the \
                 same --config, --data-dir or GARAGE_DATA_DIR here.",
                socket.display()
            ),
            Self::NotAllowed { socket } => write!(
                out,
                "the server at {} belongs to another user\nRun the command as that user, for example with sudo.",
                socket.display()
            ),
            Self::Unreachable { address, source } => write!(
                out,
                "the admin API at {address} cannot be reached: {source}\nCheck --admin-url, and api_bind_addr under \
                 [admin] on that node."
            ),
            Self::TimedOut => write!(out, "the node did not answer in time\nIts log says what it is doing."),
            Self::Interrupted(source) => {
                write!(out, "the connection broke before the answer was complete: {source}")
            }
            Self::AnswerTooLarge => write!(out, "the answer is too large to show"),
            Self::Unreadable { endpoint, source } => write!(
                out,
                "the answer of {endpoint} is not understood: {source}\nIs that node of the same release? Try \
                 --output json."
            ),
            Self::Refused { status: 403, code, message } if code == "AccessDenied" => {
                write!(
                    out,
                    "{message}\nGive the token with --admin-token, --admin-token-file or GARAGE_ADMIN_TOKEN."
                )
            }
            Self::Refused { message, .. } => out.write_str(message),
            Self::Unknown { kind, name, near } => {
                write!(out, "there is no {} `{name}`", kind.word())?;
                match near.as_slice() {
                    [] => write!(out, "\nTo see all:  {}", kind.lister()),
                    near => write!(out, "\nDid you mean {}?", or_list(near)),
                }
            }
            Self::NoObject { bucket, object } => {
                write!(out, "there is no object `{object}` in the bucket `{bucket}`")
            }
            Self::NobodyIsSkipped => write!(
                out,
                "not needed here: no change waits for dead nodes\nFor a home that never comes back:  garage node forget NODE"
            ),
            Self::NotHere { command } => write!(out, "`garage {command}` is not in this version"),
            Self::AmbiguousNode { prefix } => {
                write!(out, "`{prefix}` is the beginning of several node ids: give more of it")
            }
            Self::NeedsYes { what } => {
                write!(out, "this would {what}\nTo do it without being asked, add --yes.")
            }
            Self::UnreadableFile { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                write!(out, "there is no file {}", path.display())
            }
            Self::UnreadableFile { path, source } => {
                write!(out, "the file {} cannot be used: {source}", path.display())
            }
            Self::SettingFile { path, holds, command, source } => write!(
                out,
                "{} holds no {holds}: {source}\nSee garage bucket {command} --help for what it may hold.",
                path.display()
            ),
            Self::OnlyHere { what } => {
                write!(
                    out,
                    "{what} on the machine of a home, without --admin-url: it would be heard on the way"
                )
            }
            Self::Declined => write!(out, "nothing was changed"),
            Self::RemoteNode => write!(
                out,
                "--rpc-host names another node, which this release cannot reach over RPC yet\nUse --admin-url \
                 http://HOST:3903 with --admin-token instead."
            ),
            Self::VersionNeeded { next } => write!(
                out,
                "say which version you are about to make, so that nobody else's change is applied by accident:\n\n    \
                 garage layout apply --version {next}"
            ),
            Self::RoleIncomplete { missing } => {
                write!(out, "the node has no role yet, so {missing} must be given")
            }
            Self::NotConnected { reason } => write!(out, "not connected: {reason}"),
            Self::NobodyWaits => write!(
                out,
                "no node waits for approval\nTo invite one:  garage node invite\nOne that has just joined shows in \
                 `garage status` within a few seconds."
            ),
            Self::SeveralWait { count } => write!(
                out,
                "{count} nodes wait for approval: name one, or approve them together with --all\nTo see them:  garage \
                 status"
            ),
            Self::PayloadNotJson(source) => write!(out, "the payload is not valid JSON: {source}"),
            Self::Config(source) => source.fmt(out),
            Self::Secret(source) => write!(out, "{source:#}"),
            Self::Terminal(source) => write!(out, "standard input or output failed: {source}"),
        }
    }
}

impl std::error::Error for CliError {}

impl CliError {
    /// A word for programs: the admin API's, or one of ours for what did not come from there.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } if code.is_empty() => "NotUnderstood",
            Self::Refused { code, .. } => code,
            Self::NoServer { .. } | Self::Unreachable { .. } => "NoServer",
            Self::NotAllowed { .. } => "NotAllowed",
            Self::TimedOut => "TimedOut",
            Self::Interrupted(_) => "Interrupted",
            Self::AnswerTooLarge | Self::Unreadable { .. } => "NotUnderstood",
            Self::Unknown { kind, .. } => kind.missing_code(),
            Self::NoObject { .. } => "NoSuchKey",
            Self::AmbiguousNode { .. } => "AmbiguousNode",
            Self::NeedsYes { .. } => "NeedsYes",
            Self::Declined => "Declined",
            Self::UnreadableFile { .. } | Self::SettingFile { .. } | Self::Secret(_) => "FileUnusable",
            Self::NotConnected { .. } => "NotConnected",
            Self::NobodyWaits | Self::SeveralWait { .. } => "NotWaiting",
            Self::NobodyIsSkipped | Self::NotHere { .. } | Self::RemoteNode | Self::OnlyHere { .. } => {
                "NotImplemented"
            }
            Self::VersionNeeded { .. } | Self::RoleIncomplete { .. } | Self::PayloadNotJson(_) => {
                "InvalidRequest"
            }
            Self::Config(_) => "InvalidConfiguration",
            Self::Terminal(_) => "Terminal",
        }
    }

    /// The error as `--output json` has it.
    pub fn as_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": { "code": self.code(), "message": self.to_string() } })
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// `a`, `b` or `c`, each in backquotes.
fn or_list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
