//! Configuration: what the operator says on the command line, in the environment and in one TOML file.
//!
//! Why so lenient: configurations written for Garage load here unchanged. What has no effect is said once
//! ([`Notice`]), and only what cannot be understood stops the start ([`ConfigError`]). Always holds:
//! - a command-line flag wins over an environment variable, and that over the file;
//! - without configuration, data is never put into the current directory;
//! - no setting loses acknowledged data;
//! - every field is read outside of this module: none of the structs here has `PartialEq`, so that the compiler names one
//!   that is not (a test holds them to that);
//! - nothing is written, and no clock is read.
//!
//! Units: `*_bytes`, `*_ms`.

mod data_folder;
mod document;
mod error;
mod files;
mod keys;
mod notice;
mod reader;
mod secret;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use api::proxies::Proxies;

pub use document::DataDir;
pub use error::ConfigError;
pub use files::{Files, MachineFiles};
pub use notice::Notice;
pub use secret::Secret;
pub use value::{Bind, bind, duration_ms, size_bytes};

use document::Document;
use reader::Reader;

/// Where Garage keeps its configuration; read when it exists and no other is named.
const SYSTEM_CONFIG_FILE: &str = "/etc/garage.toml";

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `-c`, `--config`.
    pub config_file: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--s3-addr`.
    pub s3_bind: Option<Bind>,
    /// `--default-bucket`; without a name, the environment's.
    pub default_bucket: Option<Option<String>>,
    /// `--default-access-key`: the environment must name one.
    pub default_access_key: bool,
    /// `--without-disk`, each.
    pub without_disks: Vec<PathBuf>,
    /// `--rpc-secret`.
    pub rpc_secret: Option<String>,
    /// `--rpc-secret-file`.
    pub rpc_secret_file: Option<PathBuf>,
    /// `--admin-token`.
    pub admin_token: Option<String>,
    /// `--admin-token-file`.
    pub admin_token_file: Option<PathBuf>,
    /// `--metrics-token`.
    pub metrics_token: Option<String>,
    /// `--metrics-token-file`.
    pub metrics_token_file: Option<PathBuf>,
    /// `--allow-world-readable-secrets`.
    pub allow_world_readable_secrets: Option<bool>,
}

/// The machine around the process.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Environment variables.
    pub variables: &'a BTreeMap<String, String>,
    /// Whether the process runs as root.
    pub is_root: bool,
    /// The files.
    pub files: &'a dyn Files,
}

/// Which storage engine holds the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// This program's choice.
    Default,
    /// redb.
    Redb,
    /// fjall.
    Fjall,
}

/// A certificate for a listener, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The S3 API.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Where it listens.
    pub bind: Bind,
    /// Whether `bind` is the default `[::]`, for which 0.0.0.0 may stand in when the machine has no IPv6.
    pub bind_is_default: bool,
    /// The region this server names.
    pub region: String,
    /// Whether signatures for another region are refused.
    pub enforce_region: bool,
    /// Domain under which `bucket.domain` is a bucket, without a leading dot.
    pub root_domain: Option<String>,
    /// Its certificate; without one it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// URL under which clients reach it.
    pub public_endpoint: Option<String>,
    /// Whether that URL is for path style.
    pub public_endpoint_path_style: bool,
}

/// The admin API.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Where it listens, besides the local socket.
    pub bind: Bind,
    /// Whether `bind` is only the default: the node does without when the port is taken.
    pub bind_is_default: bool,
    /// The certificate of that listener; the local socket has none.
    pub tls: Option<TlsFiles>,
    /// Token for everything.
    pub token: Option<Secret>,
    /// Token for metrics.
    pub metrics_token: Option<Secret>,
    /// Whether metrics need a token even when none is set.
    pub metrics_require_token: bool,
}

/// Web sites.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// Where they are served.
    pub bind: Bind,
    /// Whether `bind` is only the default: the node does without when the port is taken.
    pub bind_is_default: bool,
    /// Their certificate; without one plain HTTP is spoken.
    pub tls: Option<TlsFiles>,
    /// Domain under which `bucket.domain` is a site, without a leading dot.
    pub root_domain: String,
    /// Whether metrics name the host.
    pub add_host_to_metrics: bool,
}

/// The links between nodes.
#[derive(Debug, Clone)]
pub struct RpcConfig {
    /// Where it listens.
    pub bind: Bind,
    /// Whether that is only the default.
    pub bind_is_default: bool,
    /// Address to give to other nodes.
    pub public_addr: Option<String>,
    /// `id@host:port` of other nodes.
    pub bootstrap_peers: Vec<String>,
    /// Shared by all nodes.
    pub secret: Option<Secret>,
}

/// What opens what this cluster encrypts.
#[derive(Debug, Clone, Default)]
pub struct EncryptionConfig {
    /// The secret, if it is here.
    pub secret: Option<Secret>,
    /// Where it is kept, or is to be kept once another node has told it.
    pub file: Option<PathBuf>,
}

/// What the first start should make.
#[derive(Debug, Clone, Default)]
pub struct FirstRun {
    /// Name of the first bucket.
    pub bucket: Option<String>,
    /// Id and secret of the first key.
    pub key: Option<(String, Secret)>,
}

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it comes from.
    pub config_file: Option<PathBuf>,
    /// The folder that `metadata_dir` or `data_dirs` was derived from; `None` when the file names both.
    pub data_folder: Option<PathBuf>,
    /// Metadata, node key and state of this node.
    pub metadata_dir: PathBuf,
    /// Blocks; at least one that takes new ones.
    pub data_dirs: Vec<DataDir>,
    /// Folders of disks that the operator says are gone for good.
    pub without_disks: Vec<PathBuf>,
    /// Storage engine.
    pub engine: Engine,
    /// Room for the engine's cache of blocks.
    pub engine_cache_bytes: Option<u64>,
    /// Copies of everything.
    pub replication_factor: u8,
    /// zstd level; `None` for no compression.
    pub compression_level: Option<i32>,
    /// Memory for data in flight.
    pub block_ram_buffer_max_bytes: u64,
    /// Parallel reads of blocks.
    pub block_max_concurrent_reads: Option<usize>,
    /// Whether stored blocks are checked only when somebody asks for it.
    pub disable_scrub: bool,
    /// How long a day of lifecycle rules is, if a test says so.
    pub lifecycle_day_ms: Option<u64>,
    /// Proxies in front of the S3 API and of web sites that say whose requests they pass on.
    pub trusted_proxies: Proxies,
    /// S3 API.
    pub s3: S3Config,
    /// Admin API.
    pub admin: AdminConfig,
    /// Websites.
    pub web: WebConfig,
    /// Other nodes.
    pub rpc: RpcConfig,
    /// Encryption by the server.
    pub encryption: EncryptionConfig,
    /// First start.
    pub first_run: FirstRun,
}

impl Config {
    /// Reads everything. The notices are for the log, once.
    pub fn load(flags: &Flags, around: Surroundings<'_>) -> Result<(Self, Vec<Notice>), ConfigError> {
        let config_file = config_file(flags, around);
        let document = match &config_file {
            Some(path) => Document::read(path, around.files)?,
            None => Document::default(),
        };
        let mut reader = Reader { flags, around, notices: document.notices(), document };
        let mut config = reader.config()?;
        config.config_file = config_file;
        config.refuse_secret_beside_data()?;
        reader.notice_variables();
        Ok((config, reader.notices))
    }
}

impl Config {
    fn refuse_secret_beside_data(&self) -> Result<(), ConfigError> {
        let Some(path) = &self.encryption.file else { return Ok(()) };
        let folders = self.data_dirs.iter().map(|folder| &folder.path);
        match folders.chain([&self.metadata_dir]).find(|folder| path.starts_with(folder)) {
            Some(folder) => Err(ConfigError::SecretBesideData { path: path.clone(), folder: folder.clone() }),
            None => Ok(()),
        }
    }
}

/// The file named by flag or variable, which must exist, else the system's if it exists.
fn config_file(flags: &Flags, around: Surroundings<'_>) -> Option<PathBuf> {
    let named =
        flags.config_file.clone().or_else(|| around.variable("GARAGE_CONFIG_FILE").map(PathBuf::from));
    named.or_else(|| {
        let system = PathBuf::from(SYSTEM_CONFIG_FILE);
        // One that exists but cannot be read is an error, not an absence.
        let missing =
            around.files.mode(&system).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        (!missing).then_some(system)
    })
}

impl<'a> Surroundings<'a> {
    /// A variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<&'a str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn flag(&self, name: &'static str) -> Result<Option<bool>, ConfigError> {
        let Some(text) = self.variable(name) else { return Ok(None) };
        match value::flag(text) {
            Some(flag) => Ok(Some(flag)),
            None => Err(ConfigError::WrongVariable { name, expected: "true or false" }),
        }
    }
}
