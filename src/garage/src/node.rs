//! Puts a node together: engine, store, blocks, model, APIs, workers.

use crate::command_line::CommandLine;
use crate::config::Config;
use crate::first_run::{self, FirstRunOutcome};
use crate::listening::{self, Certificates};
use crate::trust;
use crate::{links, opening, secrets};
use anyhow::Context;
use api::admin::{self, AdminApi, AdminConfig, Origin};
use api::metrics::Metrics;
use api::s3::logging::AccessLog;
use api::s3::{S3Api, S3Config};
use api::server::{self, Door, Handler, Shutdown};
use api::web::{WebApi, WebConfig};
use api::webhook::{self, WebhookClient};
use block::{BlockConfig, BlockStore, DiskConfig, LostDisks};
use cluster::membership::Membership;
use cluster::{AdminToken, ClusterState};
use env::{Env, Task};
use model::lifecycle::Day;
use model::{Model, ModelError, Peers, Timing};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, StoreError, StoreOptions};
use tokio::sync::watch;

/// How long the node waits for requests under way when it stops.
const STOP_WAIT_MAX: Duration = Duration::from_secs(20);

/// Where a node listens.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// The S3 API.
    pub s3: String,
    /// Web sites, if they are served.
    pub web: Option<String>,
    /// Administration, besides the local socket.
    pub admin: Option<String>,
}

/// A node that serves.
pub struct RunningNode {
    /// Its configuration.
    pub config: Config,
    /// What it stores.
    pub model: Arc<Model>,
    /// Where the S3 API listens.
    pub s3_address: Option<SocketAddr>,
    /// Where it listens, to show.
    pub addresses: Addresses,
    /// Key, secret and layout.
    pub cluster: Arc<ClusterState>,
    /// What the first start made.
    pub first_run: FirstRunOutcome,
    certificates: Certificates,
    access_log: Arc<AccessLog>,
    stop: watch::Sender<bool>,
    servers: Vec<Task<()>>,
    _workers: Vec<Task<()>>,
    _membership: Arc<Membership>,
}

impl RunningNode {
    /// Whether some listener has a certificate.
    pub fn has_certificates(&self) -> bool {
        self.certificates.all().next().is_some()
    }

    /// Takes new certificates, if their files changed. Nothing that is open is cut off.
    pub async fn reload(&self) {
        for certificate in self.certificates.all() {
            certificate.look().await;
        }
    }

    /// Finishes the requests under way, then ends.
    pub async fn stop(self) {
        // Nobody listening means that the servers have ended already.
        let _ = self.stop.send(true);
        let servers = self.servers;
        let all = async {
            for server in servers {
                let _: Option<()> = server.join().await;
            }
        };
        if env::timeout(STOP_WAIT_MAX, all).await.is_none() {
            tracing::warn!("some requests did not end in time and are cut off");
        }
        if env::timeout(STOP_WAIT_MAX, self.access_log.write_all()).await.is_none() {
            tracing::warn!("some lines of bucket logs could not be written in time");
        }
        if let Err(error) = self.model.store().keep_marks().await {
            tracing::warn!(%error, "how far other homes had come since the last write here is forgotten");
        }
    }
}

/// Starts a node. When this returns it answers requests.
pub async fn start(env: Env, config: Config, line: &CommandLine) -> anyhow::Result<RunningNode> {
    let certificates = Certificates::open(&env, &config).await?;
    let (cluster, engine) = opening::open_parts(&env, &config, line.single_node).await?;
    let store_options = StoreOptions { folder: config.metadata_dir.clone(), node_tag: cluster.id().tag() };
    let store = Store::open(&env, engine, store_options)?;
    let blocks = BlockStore::open(&env, &store, block_config(&config, &cluster)).await?;
    let day = config.lifecycle_day_ms.map_or(Day::REAL, Day::of_millis);
    let timing = Timing { day, ..Timing::default() };
    let model = Model::open_timed(&env, store, blocks.clone(), (Peers::of(&cluster), timing))?;
    if let Some(secret) = &config.encryption.secret {
        model.set_encryption_secrets(secrets::parse(secret.reveal()).context("the encryption secret")?);
    }
    settle_interrupted_uploads(&model).await?;
    let first_run = first_run::prepare(&model, &config, cluster.has_joined()).await?;
    let metrics = Arc::new(Metrics::default());
    let host_id = cluster.id().to_string();
    let sender = webhook::Sender { region: config.s3.region.clone(), host_id: host_id.clone() };
    let s3 = S3Api::new(Arc::clone(&model), s3_config(&config), Arc::clone(&metrics), host_id);
    let admin_config = admin_config(&env, &config).await?;
    let web = WebApi::new(Arc::clone(&s3), web_config(&config), Arc::clone(&metrics));
    let admin = AdminApi::new(Arc::clone(&model), Arc::clone(&cluster), metrics, admin_config);
    let membership = links::open(&env, &config, &cluster, &model).await?;
    model.join(membership.net());
    admin.answer_nodes(membership.net());
    let (stop, shutdown) = Shutdown::new();
    let access_log = Arc::clone(s3.access_log());
    let mut servers = Vec::new();
    let mut addresses = Addresses::default();
    if let Some(listener) = listening::listen_for_web(&env, &config).await? {
        addresses.web = Some(listening::shown(listener.as_ref(), &config.web.bind));
        let handler: Handler = Arc::new(move |request| Box::pin(Arc::clone(&web).handle(request)));
        let door = Door::new(listener, certificates.web.clone()).behind(config.trusted_proxies.clone());
        servers.push(server::serve(&env, door, handler, shutdown.clone()));
    }
    let listener = listening::listen_for_s3(&env, &config, &line.options).await?;
    let s3_address = listener.local_addr();
    addresses.s3 = listening::shown(listener.as_ref(), &config.s3.bind);
    let handler: Handler = Arc::new(move |request| Box::pin(Arc::clone(&s3).handle(request)));
    let door = Door::new(listener, certificates.s3.clone()).behind(config.trusted_proxies.clone());
    servers.push(server::serve(&env, door, handler, shutdown.clone()));
    let local = listening::listen_for_local_admin(&env, &config).await?;
    let mut admin_doors = vec![(Door::new(local, None), Origin::LocalSocket)];
    if let Some(listener) = listening::listen_for_admin(&env, &config).await? {
        addresses.admin = Some(listening::shown(listener.as_ref(), &config.admin.bind));
        admin_doors.push((Door::new(listener, certificates.admin.clone()), Origin::Tcp));
    }
    for (door, origin) in admin_doors {
        let handler = admin::handler(Arc::clone(&admin), origin);
        servers.push(server::serve(&env, door, handler, shutdown.clone()));
    }
    let mut workers = vec![
        model.spawn_reclaimer(),
        model.spawn_name_keeper(),
        model.spawn_growth(),
        model.spawn_sync(),
        model.spawn_mending(),
        model.spawn_row_check(),
        model.spawn_recounting(),
        model.spawn_lifecycle(),
        model.spawn_event_keeper(),
        access_log.spawn_writer(),
        webhook::spawn(&model, WebhookClient::new(&env, trust::reader(&env)), sender),
        model.spawn_secret_keeper(secrets::keep(&env, config.encryption.file.clone())),
        blocks.spawn_worker(fetch_missing(&model)),
        blocks.spawn_disk_watch(),
        blocks.spawn_rebalancer(),
    ];
    workers.extend(certificates.all().map(|certificate| certificate.keep()));
    Ok(RunningNode {
        config,
        model,
        s3_address,
        addresses,
        cluster,
        first_run,
        certificates,
        access_log,
        stop,
        servers,
        _workers: workers,
        _membership: membership,
    })
}

/// Blocks on their way from other nodes.
type Fetching = Pin<Box<dyn Future<Output = Duration> + Send>>;

/// Has blocks that a reference calls for and that are not here fetched from other nodes.
fn fetch_missing(model: &Arc<Model>) -> impl Fn(Vec<base::BlockHash>) -> Fetching + Send + Sync + 'static {
    let model = Arc::downgrade(model);
    move |missing| {
        let model = model.upgrade();
        Box::pin(async move {
            match model {
                Some(model) => model.fetch_all_missing(missing).await,
                None => Default::default(),
            }
        })
    }
}

/// Frees what uploads left behind. On a full disk that has to wait for a later start: a node must
/// start there, to be read from.
async fn settle_interrupted_uploads(model: &Arc<Model>) -> anyhow::Result<()> {
    match model.settle_interrupted_uploads().await {
        Ok(0) => Ok(()),
        Ok(uploads) => {
            tracing::info!(uploads, "gave up uploads that the last stop cut off");
            Ok(())
        }
        Err(ModelError::Store(StoreError::Full)) => {
            tracing::warn!("the metadata disk is full: what cut-off uploads hold is freed by a later start");
            Ok(())
        }
        Err(ModelError::Store(error @ StoreError::Unreadable { .. })) => {
            tracing::warn!(%error, "what cut-off uploads hold is freed by a later start");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// The configured tokens; without an admin token, the one that the first start made.
async fn admin_config(env: &Env, config: &Config) -> anyhow::Result<AdminConfig> {
    let token = |secret: &crate::config::Secret| AdminToken::new(secret.reveal().to_owned());
    let admin_token = match &config.admin.token {
        Some(secret) => token(secret),
        None => {
            let (inner, folder) = (env.clone(), config.metadata_dir.clone());
            env.tasks.blocking(move || AdminToken::open(&inner, &folder)).await?
        }
    };
    Ok(AdminConfig {
        region: config.s3.region.clone(),
        admin_token: Some(admin_token),
        metrics_token: config.admin.metrics_token.as_ref().map(token),
        metrics_require_token: config.admin.metrics_require_token,
        web_root_domain: Some(config.web.root_domain.clone()),
        s3_root_domain: config.s3.root_domain.clone(),
    })
}

fn web_config(config: &Config) -> WebConfig {
    WebConfig {
        root_domain: config.web.root_domain.clone(),
        hosts_in_metrics: config.web.add_host_to_metrics,
    }
}

fn block_config(config: &Config, cluster: &Arc<ClusterState>) -> BlockConfig {
    let mut blocks = BlockConfig::new(cluster.id(), config.data_dirs[0].path.clone());
    blocks.disks = config
        .data_dirs
        .iter()
        .map(|folder| DiskConfig {
            path: folder.path.clone(),
            capacity_bytes: folder.capacity_bytes,
            read_only: folder.read_only,
        })
        .collect();
    blocks.compression_level = config.compression_level;
    blocks.given_up.clone_from(&config.without_disks);
    if Peers::of(cluster).has_copies_elsewhere() {
        blocks.lost_disks = LostDisks::Refill;
    }
    blocks.scrubs_by_itself = !config.disable_scrub;
    blocks.reads_max = config.block_max_concurrent_reads.unwrap_or(blocks.reads_max);
    blocks
}

fn s3_config(config: &Config) -> S3Config {
    S3Config {
        region: config.s3.region.clone(),
        region_is_required: config.s3.enforce_region,
        root_domains: config.s3.root_domain.iter().cloned().collect(),
        upload_memory_bytes: usize::try_from(config.block_ram_buffer_max_bytes).unwrap_or(usize::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Engine, Files, Flags, Surroundings};
    use env::sim::{SimOptions, SimWorld};
    use std::collections::BTreeMap;
    use std::io;
    use std::path::{Path, PathBuf};

    /// A machine without configuration.
    struct NoFiles;

    impl Files for NoFiles {
        fn read(&self, _path: &Path, _limit_bytes: usize) -> io::Result<Vec<u8>> {
            Err(io::ErrorKind::NotFound.into())
        }

        fn mode(&self, _path: &Path) -> io::Result<u32> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn config(folder: &str, s3: Option<&str>) -> Config {
        let variables = BTreeMap::new();
        let around = Surroundings { variables: &variables, is_root: true, files: &NoFiles };
        let s3_bind = s3.and_then(crate::config::bind);
        let flags = Flags { data_dir: Some(PathBuf::from(folder)), s3_bind, ..Flags::default() };
        let (mut config, _) = Config::load(&flags, around).unwrap();
        // The other engine opens real files.
        config.engine = Engine::Redb;
        config
    }

    fn refusal(outcome: anyhow::Result<RunningNode>) -> String {
        format!("{:#}", outcome.err().expect("the node must not start"))
    }

    #[tokio::test(start_paused = true)]
    async fn taken_ports() {
        let world = SimWorld::new(3, &SimOptions::default());
        let line = CommandLine { single_node: true, ..CommandLine::default() };
        let first = start(world.env(), config("/first", None), &line).await.unwrap();
        assert_eq!(first.servers.len(), 4, "web sites, S3, the local socket and the admin port");
        let told = CommandLine { options: " --data-dir /second".to_owned(), ..line.clone() };
        let refused = refusal(start(world.env(), config("/second", None), &told).await);
        let other = "\nTo use another port:  garage server --data-dir /second --s3-addr '[::]:3910'";
        assert!(refused.contains(other), "{refused}");
        // As the text says; the default ports of sites and administration are taken too, and the node does without.
        let second = start(world.env(), config("/third", Some("[::]:3910")), &line).await.unwrap();
        assert_eq!(second.servers.len(), 2);
        let mut config = config("/fourth", Some("[::]:3911"));
        config.admin.bind_is_default = false;
        let refused = refusal(start(world.env(), config, &line).await);
        assert!(refused.contains("127.0.0.1:3903") && refused.contains("admin API"), "{refused}");
        let mut config = self::config("/fifth", Some("[::]:3912"));
        config.web.bind_is_default = false;
        let refused = refusal(start(world.env(), config, &line).await);
        assert!(refused.contains("[::]:3902") && refused.contains("web sites"), "{refused}");
    }
}
