//! From keys to a [`Config`]: defaults, ranges, precedence, and what is not obeyed.
//!
//! Always holds: every key of `keys.rs` that is not obsolete is read here or in `data_folder.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use api::admin::{KeyFormatError, check_key_format};
use api::proxies::Proxies;
use base::BucketName;
use cluster::ClusterSecret;
use cluster::membership::NodeAddress;

use super::document::Document;
use super::secret::{self, Given, WorldReadable};
use super::{
    AdminConfig, Bind, Config, ConfigError, EncryptionConfig, Engine, FirstRun, Flags, Notice, RpcConfig,
    S3Config, Secret, Surroundings, TlsFiles, WebConfig, data_folder, keys,
};

/// Ports of Garage, which clients and scripts expect.
const S3_PORT: u16 = 3900;
const RPC_PORT: u16 = 3901;
const WEB_PORT: u16 = 3902;
const ADMIN_PORT: u16 = 3903;
/// Where sites are without a domain of their own: browsers take every name below it for this machine.
const WEB_ROOT_DOMAIN: &str = "localhost";
/// Garage's default, and the region its clients are configured with.
const DEFAULT_REGION: &str = "garage";
/// Garage's default for data in flight: 256 MiB.
const BLOCK_RAM_BUFFER_DEFAULT_BYTES: u64 = 256 << 20;
/// Garage's documented minimum between snapshots: 600 s.
const SNAPSHOT_INTERVAL_MIN_MS: u64 = 600_000;
/// The shortest day of lifecycle rules: a pass over a bucket takes a moment.
const LIFECYCLE_DAY_MIN_MS: u64 = 100;
/// Most copies of a block; Garage's layouts go up to 7.
const REPLICATION_FACTOR_MAX: i64 = 7;
/// The most copies that are kept here.
const COPIES_MAX: u8 = 3;
/// Most parallel transfers that a configuration may ask for; beyond it queues only grow.
const PARALLEL_MAX: i64 = 1024;

const PEERS: &str =
    "a list of nodes, each as \"ID@host:port\" with the 64 digits that `garage node id` prints there";

/// Turns keys into a [`Config`], collecting notices on the way.
pub(super) struct Reader<'a> {
    pub flags: &'a Flags,
    pub around: Surroundings<'a>,
    pub document: Document,
    pub notices: Vec<Notice>,
}

impl Reader<'_> {
    pub fn config(&mut self) -> Result<Config, ConfigError> {
        let folders = data_folder::resolve(self.flags, self.around, &self.document, &mut self.notices)?;
        self.check_unused()?;
        self.check_what_would_lose_data()?;
        self.check_log_target()?;
        Ok(Config {
            config_file: None,
            data_folder: folders.data_folder,
            metadata_dir: folders.metadata_dir,
            data_dirs: folders.data_dirs,
            without_disks: self.flags.without_disks.clone(),
            engine: self.engine()?,
            engine_cache_bytes: self.document.size("fjall_block_cache_size")?,
            replication_factor: self.replication_factor()?,
            compression_level: self.document.compression_level("compression_level")?.unwrap_or(Some(1)),
            block_ram_buffer_max_bytes: self.ram_buffer_bytes()?,
            block_max_concurrent_reads: self.parallel("block_max_concurrent_reads")?,
            disable_scrub: self.document.flag("disable_scrub")?.unwrap_or(false),
            lifecycle_day_ms: self.lifecycle_day_ms()?,
            trusted_proxies: self.trusted_proxies()?,
            s3: self.s3()?,
            admin: self.admin()?,
            web: self.web()?,
            rpc: self.rpc()?,
            encryption: self.encryption()?,
            first_run: self.first_run()?,
        })
    }

    /// What would lose acknowledged data is checked, and said not to.
    fn check_what_would_lose_data(&mut self) -> Result<(), ConfigError> {
        self.document.flag("unsafe_allow_data_loss")?;
        for key in ["metadata_fsync", "data_fsync"] {
            if self.document.flag(key)? == Some(false) {
                self.notices.push(Notice::Safer { setting: format!("{key} = false"), always: "flushes" });
            }
        }
        let key = "consistency_mode";
        match self.document.text(key)?.as_deref() {
            None | Some("consistent") => {}
            Some(asked @ ("degraded" | "dangerous")) => {
                let setting = format!("{key} = \"{asked}\"");
                self.notices.push(Notice::Safer { setting, always: "uses \"consistent\"" });
            }
            Some(_) => return Err(self.document.wrong(key, "\"consistent\", \"degraded\" or \"dangerous\"")),
        }
        Ok(())
    }

    fn engine(&mut self) -> Result<Engine, ConfigError> {
        let Some(asked) = self.document.text("db_engine")? else { return Ok(Engine::Default) };
        match asked.to_ascii_lowercase().as_str() {
            "redb" => Ok(Engine::Redb),
            "fjall" => Ok(Engine::Fjall),
            "lmdb" | "sqlite" | "sqlite3" | "rusqlite" | "heed" | "sled" => {
                self.notices.push(Notice::EngineReplaced { asked });
                Ok(Engine::Default)
            }
            _ => Err(self.document.wrong("db_engine", "\"redb\" or \"fjall\"")),
        }
    }

    /// `replication_factor`, or its older spelling `replication_mode`.
    fn replication_factor(&mut self) -> Result<u8, ConfigError> {
        let expected = "a whole number from 1 to 7";
        let factor = self.document.number("replication_factor", 1..=REPLICATION_FACTOR_MAX, expected)?;
        let mode = self.document.text("replication_mode")?;
        let (key, copies) = match (factor, mode.as_deref()) {
            (Some(_), Some(_)) => {
                let (first, second) = ("replication_factor".to_owned(), "replication_mode".to_owned());
                return Err(ConfigError::GivenTwice { first, second });
            }
            (Some(factor), None) => ("replication_factor", u8::try_from(factor).unwrap_or(1)),
            (None, Some("none" | "1")) | (None, None) => return Ok(1),
            (None, Some("2" | "2-dangerous")) => ("replication_mode", 2),
            (None, Some("3" | "3-degraded" | "3-dangerous")) => ("replication_mode", 3),
            (None, Some(_)) => {
                let expected = "\"none\", \"2\" or \"3\"; newer: replication_factor = 3";
                return Err(self.document.wrong("replication_mode", expected));
            }
        };
        // How many copies there are is said by the layout, which follows the number of zones; more than one
        // here says that this node waits for others.
        if copies > COPIES_MAX {
            let keys = vec![format!("{key} = {copies}")];
            self.notices.push(Notice::NotThereYet { feature: "more than three copies", keys });
        }
        Ok(copies)
    }

    /// Only from the environment: nobody finds it in the file by chance.
    fn lifecycle_day_ms(&mut self) -> Result<Option<u64>, ConfigError> {
        let name = "GARAGE_LIFECYCLE_DAY_FOR_TESTS";
        let Some(text) = self.around.variable(name) else { return Ok(None) };
        let expected = "a duration of at least 100 ms, such as \"2s\"";
        let day_ms = super::value::duration_ms(text).filter(|day_ms| *day_ms >= LIFECYCLE_DAY_MIN_MS);
        let day_ms = day_ms.ok_or(ConfigError::WrongVariable { name, expected })?;
        self.notices.push(Notice::ShortDay { length: text.to_owned() });
        Ok(Some(day_ms))
    }

    fn check_snapshot_interval(&self) -> Result<(), ConfigError> {
        let key = "metadata_auto_snapshot_interval";
        match self.document.duration_ms(key)? {
            Some(interval_ms) if interval_ms < SNAPSHOT_INTERVAL_MIN_MS => {
                Err(self.document.wrong(key, "at least 10 minutes, for example \"6h\""))
            }
            _ => Ok(()),
        }
    }

    fn ram_buffer_bytes(&self) -> Result<u64, ConfigError> {
        let key = "block_ram_buffer_max";
        let bytes = self.document.size(key)?.unwrap_or(BLOCK_RAM_BUFFER_DEFAULT_BYTES);
        // A write needs room for a few blocks, or it could never begin.
        if bytes < 4 * base::limits::BLOCK_SIZE_BYTES as u64 {
            return Err(self.document.wrong(key, "at least 4MiB"));
        }
        Ok(bytes)
    }

    fn parallel(&self, key: &'static str) -> Result<Option<usize>, ConfigError> {
        let number = self.document.number(key, 1..=PARALLEL_MAX, "a whole number from 1 to 1024")?;
        Ok(number.and_then(|number| usize::try_from(number).ok()))
    }

    /// Keys that are only checked: nothing keeps their values.
    fn check_unused(&mut self) -> Result<(), ConfigError> {
        let ours = base::limits::BLOCK_SIZE_BYTES as u64;
        // Garage's documentation writes its default as "1M" and means the same blocks.
        if self.document.size("block_size")?.is_some_and(|asked| asked != ours && asked != 1_000_000) {
            self.notices.push(Notice::BlockSizeFixed { size_bytes: ours });
        }
        self.document.path("metadata_snapshots_dir")?;
        self.check_snapshot_interval()?;
        self.parallel("block_max_concurrent_writes_per_request")?;
        self.document.flag("allow_punycode")?;
        self.document.flag("rpc_bind_outgoing")?;
        self.document.text("rpc_public_addr_subnet")?;
        self.check_timeout("rpc_ping_timeout_msec")?;
        self.check_timeout("rpc_timeout_msec")?;
        self.document.text("s3_web.public_endpoint")?;
        self.document.text("admin.trace_sink")?;
        self.document.bind("k2v_api.api_bind_addr")?;
        for key in
            ["api", "consul_http_addr", "service_name", "ca_cert", "client_cert", "client_key", "token"]
        {
            self.document.text(&format!("consul_discovery.{key}"))?;
        }
        self.document.flag("consul_discovery.tls_skip_verify")?;
        self.document.texts("consul_discovery.tags")?;
        self.document.texts("consul_discovery.datacenters")?;
        self.document.free_table("consul_discovery.meta")?;
        self.document.text("kubernetes_discovery.namespace")?;
        self.document.text("kubernetes_discovery.service_name")?;
        self.document.flag("kubernetes_discovery.skip_crd")?;
        Ok(())
    }

    fn s3(&self) -> Result<S3Config, ConfigError> {
        let in_file = self.document.bind("s3_api.api_bind_addr")?;
        let bind = self.flags.s3_bind.clone().or(in_file);
        let region = self.document.text("s3_api.s3_region")?.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if region.is_empty() || region.len() > 64 || !region.bytes().all(plain) {
            let expected = "a short name of letters, digits, - and _, such as \"garage\"";
            return Err(self.document.wrong("s3_api.s3_region", expected));
        }
        Ok(S3Config {
            bind_is_default: bind.is_none(),
            bind: bind.unwrap_or_else(|| everywhere(S3_PORT)),
            region,
            enforce_region: self.document.flag("s3_api.enforce_region")?.unwrap_or(false),
            root_domain: self.domain("s3_api.root_domain")?,
            tls: self.tls("s3_api.tls_cert_file", "s3_api.tls_key_file")?,
            public_endpoint: self.document.text("s3_api.public_endpoint")?,
            public_endpoint_path_style: self
                .document
                .flag("s3_api.public_endpoint_path_style")?
                .unwrap_or(false),
        })
    }

    fn trusted_proxies(&self) -> Result<Proxies, ConfigError> {
        let key = "trusted_proxies";
        let texts = self.document.texts(key)?.unwrap_or_default();
        let expected = "a list of addresses and networks, such as [\"127.0.0.1\", \"10.0.0.0/8\"]";
        Proxies::parse(&texts).ok_or_else(|| self.document.wrong(key, expected))
    }

    fn admin(&self) -> Result<AdminConfig, ConfigError> {
        let default = Bind::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ADMIN_PORT));
        let flags = self.flags;
        let bind = self.document.bind("admin.api_bind_addr")?;
        Ok(AdminConfig {
            bind_is_default: bind.is_none(),
            bind: bind.unwrap_or(default),
            tls: self.tls("admin.tls_cert_file", "admin.tls_key_file")?,
            token: self.secret("admin.admin_token", &flags.admin_token, &flags.admin_token_file)?,
            metrics_token: self.secret(
                "admin.metrics_token",
                &flags.metrics_token,
                &flags.metrics_token_file,
            )?,
            metrics_require_token: self.document.flag("admin.metrics_require_token")?.unwrap_or(false),
        })
    }

    /// A certificate and its key: both or neither.
    fn tls(&self, certificate: &'static str, key: &'static str) -> Result<Option<TlsFiles>, ConfigError> {
        match (self.document.path(certificate)?, self.document.path(key)?) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
            (Some(_), None) => Err(ConfigError::HalfATls { given: certificate, missing: key }),
            (None, Some(_)) => Err(ConfigError::HalfATls { given: key, missing: certificate }),
        }
    }

    fn web(&self) -> Result<WebConfig, ConfigError> {
        let bind = self.document.bind("s3_web.bind_addr")?;
        Ok(WebConfig {
            bind_is_default: bind.is_none(),
            bind: bind.unwrap_or_else(|| everywhere(WEB_PORT)),
            tls: self.tls("s3_web.tls_cert_file", "s3_web.tls_key_file")?,
            root_domain: self.domain("s3_web.root_domain")?.unwrap_or_else(|| WEB_ROOT_DOMAIN.to_owned()),
            add_host_to_metrics: self.document.flag("s3_web.add_host_to_metrics")?.unwrap_or(false),
        })
    }

    fn rpc(&self) -> Result<RpcConfig, ConfigError> {
        let bind = self.document.bind("rpc_bind_addr")?;
        Ok(RpcConfig {
            bind_is_default: bind.is_none(),
            bind: bind.unwrap_or_else(|| everywhere(RPC_PORT)),
            public_addr: self.document.text("rpc_public_addr")?,
            bootstrap_peers: self.bootstrap_peers()?,
            secret: self.rpc_secret()?,
        })
    }

    fn bootstrap_peers(&self) -> Result<Vec<String>, ConfigError> {
        let key = "bootstrap_peers";
        let peers = self.document.texts(key)?.unwrap_or_default();
        match peers.iter().all(|peer| peer.parse::<NodeAddress>().is_ok()) {
            true => Ok(peers),
            false => Err(self.document.wrong(key, PEERS)),
        }
    }

    /// One of the file is checked here, where its line is known; others where they are used.
    fn rpc_secret(&self) -> Result<Option<Secret>, ConfigError> {
        let key = "rpc_secret";
        let secret = self.secret(key, &self.flags.rpc_secret, &self.flags.rpc_secret_file)?;
        let used = secret.as_ref().map(Secret::reveal);
        let is_of_file = used.is_some() && self.document.text(key)?.as_deref().map(str::trim) == used;
        match used.filter(|_| is_of_file).map(ClusterSecret::parse) {
            Some(Err(_)) => {
                Err(self.document.wrong(key, "64 hexadecimal digits, as of: openssl rand -hex 32"))
            }
            _ => Ok(secret),
        }
    }

    /// A file that is not there is no error: it may lie on a medium that is elsewhere, or be written when another
    /// node tells the secret.
    fn encryption(&self) -> Result<EncryptionConfig, ConfigError> {
        let key = "encryption_secret";
        let in_file = self.document.path("encryption_secret_file")?;
        let file = self.around.variable("GARAGE_ENCRYPTION_SECRET_FILE").map(PathBuf::from).or(in_file);
        let is_given =
            self.around.variable("GARAGE_ENCRYPTION_SECRET").is_some() || self.document.text(key)?.is_some();
        let is_missing = |path: &PathBuf| {
            self.around.files.mode(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        if !is_given && file.as_ref().is_some_and(is_missing) {
            return Ok(EncryptionConfig { secret: None, file });
        }
        let secret = self.secret(key, &None, &None)?;
        Ok(EncryptionConfig { secret, file })
    }

    fn check_timeout(&self, key: &'static str) -> Result<(), ConfigError> {
        // An hour: beyond it a lost node would never be noticed.
        let expected = "a whole number of milliseconds, at most 3600000";
        self.document.number(key, 1..=3_600_000, expected).map(|_| ())
    }

    /// Garage's documentation writes `.s3.garage`; the dot is not part of the domain.
    fn domain(&self, key: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(text) = self.document.text(key)? else { return Ok(None) };
        let domain = text.trim_start_matches('.').to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if domain.is_empty() || domain.len() > 253 || !domain.bytes().all(plain) {
            return Err(self.document.wrong(key, "a domain such as \".s3.example.org\""));
        }
        Ok(Some(domain))
    }

    /// A secret by flag, variable (`GARAGE_` and the key's name in capitals) or file, each also as `_file`.
    fn secret(
        &self,
        key: &'static str,
        flag_value: &Option<String>,
        flag_file: &Option<PathBuf>,
    ) -> Result<Option<Secret>, ConfigError> {
        let name = key.rsplit('.').next().unwrap_or(key);
        let flag = format!("--{}", name.replace('_', "-"));
        let variable = format!("GARAGE_{}", name.to_ascii_uppercase());
        let file_variable = format!("{variable}_FILE");
        let file_key = format!("{key}_file");
        let around = self.around;
        let sources = [
            Given {
                value: flag_value.clone().map(|value| (flag.clone(), value)),
                file: flag_file.clone().map(|path| (format!("{flag}-file"), path)),
            },
            Given {
                value: around.variable(&variable).map(|value| (variable.clone(), value.to_owned())),
                file: around
                    .variable(&file_variable)
                    .map(|path| (file_variable.clone(), PathBuf::from(path))),
            },
            Given {
                value: self.document.text(key)?.map(|value| (key.to_owned(), value)),
                file: self.document.path(&file_key)?.map(|path| (file_key.clone(), path)),
            },
        ];
        secret::resolve(&sources, self.world_readable()?, around.files)
    }

    fn world_readable(&self) -> Result<WorldReadable, ConfigError> {
        let in_file = self.document.flag("allow_world_readable_secrets")?;
        let in_environment = self.around.flag("GARAGE_ALLOW_WORLD_READABLE_SECRETS")?;
        let allowed = self.flags.allow_world_readable_secrets.or(in_environment).or(in_file).unwrap_or(false);
        Ok(if allowed { WorldReadable::Allowed } else { WorldReadable::Refused })
    }

    fn first_run(&self) -> Result<FirstRun, ConfigError> {
        let (id_name, secret_name) = ("GARAGE_DEFAULT_ACCESS_KEY", "GARAGE_DEFAULT_SECRET_KEY");
        let key = match (self.around.variable(id_name), self.around.variable(secret_name)) {
            (None, None) => None,
            (Some(_), None) => return Err(ConfigError::HalfAKey { missing: secret_name }),
            (None, Some(_)) => return Err(ConfigError::HalfAKey { missing: id_name }),
            (Some(id), Some(secret)) => Some((id.to_owned(), Secret::from(secret))),
        };
        let missing = |flag, variable| Err(ConfigError::VariableMissing { flag, variable });
        if self.flags.default_access_key && key.is_none() {
            return missing("--default-access-key", id_name);
        }
        if let Some((id, secret)) = &key {
            check_key_format(id, secret.reveal()).map_err(|error| ConfigError::WrongFirst {
                origin: if error == KeyFormatError::Id { id_name } else { secret_name },
                reason: error.to_string(),
            })?;
        }
        let bucket_name = "GARAGE_DEFAULT_BUCKET";
        let in_environment = self.around.variable(bucket_name).map(str::to_owned);
        let bucket = match &self.flags.default_bucket {
            Some(Some(name)) => Some(name.clone()),
            Some(None) if in_environment.is_none() => return missing("--default-bucket", bucket_name),
            Some(None) | None => in_environment,
        };
        if let Some(Err(error)) = bucket.as_deref().map(BucketName::parse) {
            let is_flag = matches!(self.flags.default_bucket, Some(Some(_)));
            let origin = if is_flag { "--default-bucket" } else { bucket_name };
            return Err(ConfigError::WrongFirst { origin, reason: error.to_string() });
        }
        Ok(FirstRun { bucket, key })
    }

    /// The log goes to standard error; who asks for another place is told so.
    fn check_log_target(&mut self) -> Result<(), ConfigError> {
        let (syslog, journald) = ("GARAGE_LOG_TO_SYSLOG", "GARAGE_LOG_TO_JOURNALD");
        let target = match (self.around.flag(syslog)?, self.around.flag(journald)?) {
            (Some(true), Some(true)) => {
                return Err(ConfigError::GivenTwice {
                    first: syslog.to_owned(),
                    second: journald.to_owned(),
                });
            }
            (Some(true), _) => syslog,
            (_, Some(true)) => journald,
            _ => return Ok(()),
        };
        let keys = vec![target.to_owned()];
        self.notices.push(Notice::NotThereYet { feature: "logging to the system's log", keys });
        Ok(())
    }

    /// Names of our kind that are nearly a known one. Others are left alone: container systems set
    /// `GARAGE_SERVICE_HOST` and the like by themselves.
    pub fn notice_variables(&mut self) {
        for name in self.around.variables.keys().filter(|name| name.starts_with("GARAGE_")) {
            if keys::VARIABLES.contains(&name.as_str()) {
                continue;
            }
            if let Some(suggestion) = keys::variable_suggestion(name) {
                self.notices.push(Notice::UnknownVariable { name: name.clone(), suggestion });
            }
        }
    }
}

fn everywhere(port: u16) -> Bind {
    Bind::Tcp(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))
}
