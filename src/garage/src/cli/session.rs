//! What every command is given: the node it speaks to, who asks, and how the answer is shown.

use super::client::{Answer, Client, SOCKET_FILE, Target};
use super::confirm::Audience;
use super::error::{CliError, Kind};
use super::render::{Page, Style, View};
use super::{Global, Output, suggest};
use crate::config::{Config, MachineFiles, Surroundings};
use api::admin::wire::{BucketInfo, BucketSummary, ClusterLayout, ClusterStatus, KeyInfo, KeySummary};
use env::Env;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Where a server that runs as root or as a system service listens.
const SYSTEM_METADATA_DIR: &str = "/var/lib/garage/meta";
/// Fewest digits of an id that stand for it where a name could stand as well: with fewer, a
/// mistyped name could hit an id.
const ID_PREFIX_MIN: usize = 8;

/// What a command answers.
#[derive(Debug, Clone)]
pub struct Report {
    /// For programs: what the admin API answered.
    pub json: Value,
    /// For people and scripts.
    pub page: Page,
    /// The exit code.
    pub exit: u8,
}

impl Report {
    /// A report of a success.
    pub fn new(json: Value, page: Page) -> Self {
        Self { json, page, exit: 0 }
    }
}

/// What every command is given.
pub struct Session {
    /// The node.
    pub client: Client,
    /// How pages look.
    pub view: View,
    /// Who asks.
    pub audience: Audience,
    /// The configuration of the node on this machine; none where there can be no node.
    pub config: Option<Config>,
    /// The doors.
    pub env: Env,
}

impl Session {
    /// The content of a file that a command names.
    pub fn read_file(&self, file: &Path) -> Result<Vec<u8>, CliError> {
        let unread = |source| CliError::UnreadableFile { path: file.to_owned(), source };
        let content = env::read_file(self.env.disk.as_ref(), file).map_err(unread)?;
        content.ok_or_else(|| unread(std::io::ErrorKind::NotFound.into()))
    }

    /// The same, where it must be text.
    pub fn read_text(&self, file: &Path) -> Result<String, CliError> {
        String::from_utf8(self.read_file(file)?).map_err(|_| CliError::UnreadableFile {
            path: file.to_owned(),
            source: std::io::ErrorKind::InvalidData.into(),
        })
    }

    /// Finds the node that the options and the environment mean.
    pub async fn open(
        global: &Global,
        env: Env,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, CliError> {
        let is_root = env::real::is_root();
        let around = Surroundings { variables, is_root, files: &MachineFiles };
        let loaded = Config::load(&global.flags(), around).map(|(config, _)| config);
        let url = global.admin_url(variables)?;
        let target = match (url, &loaded) {
            (Some(url), Ok(config)) => {
                let token = config.admin.token.as_ref().map(|token| token.reveal().to_owned());
                Target::Remote { url, token }
            }
            // Another machine's node needs no folder here.
            (Some(url), Err(crate::config::ConfigError::NoDataFolder)) => {
                Target::Remote { url, token: global.admin_token.clone() }
            }
            (None, Ok(config)) => Target::Local(local_socket(&env, config)),
            (_, Err(_)) => return Err(loaded.err().map_or(CliError::Declined, CliError::Config)),
        };
        // What is configured here says nothing about another machine's node.
        let config = if matches!(target, Target::Local(_)) { loaded.ok() } else { None };
        let view = view_of(global.output, &env);
        let client = Client::new(env.clone(), target);
        let session = Self { client, view, audience: Audience::of_this_process(), config, env };
        if let Some(host) = global.rpc_host(variables) {
            session.check_rpc_host(&host).await?;
        }
        Ok(session)
    }

    /// `--rpc-host` is fine as long as it names this node: scripts give it always.
    async fn check_rpc_host(&self, host: &str) -> Result<(), CliError> {
        let asked = host.split('@').next().unwrap_or_default();
        let status: Answer<ClusterStatus> =
            self.client.get("GetClusterStatus", &[]).await.map_err(|_| CliError::RemoteNode)?;
        let this = status.value.nodes.iter().any(|node| node.id.starts_with(asked) && node.is_up);
        if this && status.value.nodes.len() == 1 && asked.len() >= ID_PREFIX_MIN {
            Ok(())
        } else {
            Err(CliError::RemoteNode)
        }
    }

    /// The bucket of this name or id. A beginning of a name is not enough: scripts ask this way
    /// whether a bucket exists.
    pub async fn bucket(&self, name: &str) -> Result<Answer<BucketInfo>, CliError> {
        let found = self.client.get("GetBucketInfo", &[("search", name)]).await;
        let exact = |answer: &Answer<BucketInfo>| {
            answer.value.global_aliases.iter().any(|alias| alias == name) || is_id(&answer.value.id, name)
        };
        match checked(found, exact)? {
            Some(answer) => Ok(answer),
            None => {
                let all: Answer<Vec<BucketSummary>> = self.client.get("ListBuckets", &[]).await?;
                let names = all.value.iter().flat_map(|bucket| &bucket.global_aliases).map(String::as_str);
                Err(unknown(Kind::Bucket, name, names))
            }
        }
    }

    /// The access key of this name or id, exactly.
    pub async fn key(&self, name: &str, secret: Secret) -> Result<Answer<KeyInfo>, CliError> {
        let show = if secret == Secret::Shown { "true" } else { "false" };
        let found = self.client.get("GetKeyInfo", &[("search", name), ("showSecretKey", show)]).await;
        let exact =
            |answer: &Answer<KeyInfo>| answer.value.name == name || is_id(&answer.value.access_key_id, name);
        match checked(found, exact)? {
            Some(answer) => Ok(answer),
            None => {
                let all: Answer<Vec<KeySummary>> = self.client.get("ListKeys", &[]).await?;
                let names = all.value.iter().flat_map(|key| [key.name.as_str(), key.id.as_str()]);
                Err(unknown(Kind::Key, name, names))
            }
        }
    }

    /// The full ids of nodes given by their beginnings. Nodes of the layout count even when they
    /// are not in contact.
    pub async fn node_ids(
        &self,
        prefixes: &[String],
        layout: &ClusterLayout,
    ) -> Result<Vec<String>, CliError> {
        if prefixes.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = self.known_nodes().await?;
        known.extend(layout.roles.iter().map(|role| role.id.clone()));
        prefixes.iter().map(|prefix| one_node(&known, prefix)).collect()
    }

    /// The full id of a node given by its beginning.
    pub async fn node_id(&self, prefix: &str) -> Result<String, CliError> {
        one_node(&self.known_nodes().await?, prefix)
    }

    async fn known_nodes(&self) -> Result<BTreeSet<String>, CliError> {
        let status: Answer<ClusterStatus> = self.client.get("GetClusterStatus", &[]).await?;
        Ok(status.value.nodes.into_iter().map(|node| node.id).collect())
    }
}

/// Whether the secret of an access key is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// It is not sent.
    Hidden,
    /// It is.
    Shown,
}

/// The one id that begins like this.
pub fn one_node(known: &BTreeSet<String>, prefix: &str) -> Result<String, CliError> {
    let start = prefix.split('@').next().unwrap_or_default().to_ascii_lowercase();
    let mut fitting = known.iter().filter(|id| !start.is_empty() && id.starts_with(&start));
    match (fitting.next(), fitting.next()) {
        (Some(id), None) => Ok(id.clone()),
        (Some(_), Some(_)) => Err(CliError::AmbiguousNode { prefix: prefix.to_owned() }),
        (None, _) => {
            let short: Vec<String> = known.iter().map(|id| super::render::short_id(id)).collect();
            Err(unknown(Kind::Node, prefix, short.iter().map(String::as_str)))
        }
    }
}

/// `None` where nothing fits, or what fits is not what was named.
fn checked<T: DeserializeOwned>(
    found: Result<Answer<T>, CliError>,
    exact: impl Fn(&Answer<T>) -> bool,
) -> Result<Option<Answer<T>>, CliError> {
    match found {
        Ok(answer) => Ok(Some(answer).filter(exact)),
        Err(CliError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_id(id: &str, given: &str) -> bool {
    given == id || (given.len() >= ID_PREFIX_MIN && id.starts_with(given))
}

/// No bucket has this name for the key in question.
pub fn no_bucket(name: &str) -> CliError {
    unknown(Kind::Bucket, name, [])
}

fn unknown<'a>(kind: Kind, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> CliError {
    CliError::Unknown { kind, name: name.to_owned(), near: suggest::nearest(name, candidates) }
}

/// The configured node's socket; with no configuration at all and no such socket, the system's.
fn local_socket(env: &Env, config: &Config) -> PathBuf {
    let own = config.metadata_dir.join(SOCKET_FILE);
    let system = Path::new(SYSTEM_METADATA_DIR).join(SOCKET_FILE);
    let exists = |path: &Path| env.disk.exists(path).unwrap_or(false);
    let is_default = config.config_file.is_none() && config.data_folder.is_some();
    if is_default && !exists(&own) && exists(&system) { system } else { own }
}

/// How pages look where this process prints.
pub fn view_of(output: Option<Output>, env: &Env) -> View {
    let terminal = std::io::stdout().is_terminal();
    let style = match output {
        Some(Output::Table) => Style::Table,
        Some(Output::Text | Output::Json) => Style::Text,
        None if terminal => Style::Table,
        None => Style::Text,
    };
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    View { style, colour: terminal && !no_colour, now: env.clock.wall() }
}
