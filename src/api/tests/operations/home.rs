//! A node of one behind its real HTTP server: real engine on a simulated disk, simulated network.
//!
//! Its keys: `root` may do everything with every shelf; `reader`, `writer` and `owner` have just that
//! one grant; `stranger` has none; `creator` has none but may create buckets.

use super::calls::{
    BLOCK, CORS, ENCRYPTION_OFF, HOLD, LIFECYCLE, LOCK, NOTIFICATION, OWNERSHIP, RETENTION, SITE, TAGS,
    VERSIONING, policy,
};
use super::client::{Answer, Identity, Req};
use api::metrics::Metrics;
use api::s3::{S3Api, S3Config};
use api::server::{self, Door, Handler, Shutdown};
use base::limits::BLOCK_SIZE_BYTES;
use base::{BucketName, NodeId};
use block::{BlockConfig, BlockStore};
use env::sim::{SimOptions, SimWorld};
use env::{BoxStream, Env};
use model::Model;
use model::admin::KeyChange;
use model::encryption::ring::EncryptionSecret;
use model::rows::bucket::Grant;
use model::rows::webhook::Endpoint;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::engine::{self, EngineKind};
use store::{Store, StoreOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OnceCell, watch};

pub const REGION: &str = "garage";
pub const HOST: &str = "s3.example:3900";
/// The node. Any id will do.
const NODE: NodeId = NodeId::from_bytes([7; 32]);

/// Blocks that all uploads together may hold in memory.
pub const UPLOAD_BLOCKS: usize = 64;

/// What every filled shelf holds under `thing`.
pub const CONTENT: &[u8] = b"0123456789";

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Root,
    Reader,
    Writer,
    Owner,
    Stranger,
    Creator,
}

/// A running node.
pub struct Home {
    pub model: Arc<Model>,
    pub env: Env,
    address: SocketAddr,
    keys: Vec<(Who, Identity)>,
    counter: AtomicU64,
    /// The buckets that copies read from, which no case changes.
    sources: OnceCell<(String, String)>,
    _running: watch::Sender<bool>,
}

/// A bucket of its own for one case, with what the operations need.
#[derive(Debug, Clone)]
pub struct Shelf {
    pub bucket: String,
    /// Every key may read `library/book`.
    pub library: String,
    /// Only `root` may read `vault/secret`.
    pub vault: String,
    /// An open upload of `parts`, with part 1 uploaded; empty on an empty shelf.
    pub upload: String,
    /// The tag of that part.
    pub part_etag: String,
}

impl Home {
    pub async fn new() -> Self {
        let world = SimWorld::new(11, &SimOptions::default());
        let env = world.env();
        let (meta, data) = (Path::new("/meta"), Path::new("/data"));
        env.disk.create_dir_all(meta).unwrap();
        env.disk.create_dir_all(data).unwrap();
        let node = NODE;
        let engine = engine::open(EngineKind::Redb, &env, meta).unwrap();
        let options = StoreOptions { folder: meta.to_owned(), node_tag: node.tag() };
        let store = Store::open(&env, engine, options).unwrap();
        let blocks = BlockConfig::new(node, PathBuf::from(data));
        let blocks = BlockStore::open(&env, &store, blocks).await.unwrap();
        let model = Model::open(&env, store, blocks, model::Peers::alone(NODE)).unwrap();
        model.set_encryption_secret(EncryptionSecret::from_bytes([7; 32]));
        let (address, running) = Self::serve(&env, &model, 3900).await;
        let counter = AtomicU64::new(0);
        let sources = OnceCell::new();
        let mut home = Self { model, env, address, keys: Vec::new(), counter, sources, _running: running };
        home.create_keys().await;
        let endpoint = Endpoint { url: "http://hook.example/".to_owned(), token: None };
        home.model.set_webhook("hook".to_owned(), endpoint).await.unwrap();
        home
    }

    /// The same node after a restart.
    pub async fn restarted(self) -> Self {
        let (store, blocks) = (self.model.store().clone(), self.model.blocks().clone());
        let model = Model::open(&self.env, store, blocks, model::Peers::alone(NODE)).unwrap();
        let (address, running) = Self::serve(&self.env, &model, 3910).await;
        Self { model, address, _running: running, ..self }
    }

    async fn serve(env: &Env, model: &Arc<Model>, port: u16) -> (SocketAddr, watch::Sender<bool>) {
        let config = S3Config {
            region: REGION.to_owned(),
            region_is_required: false,
            root_domains: vec!["s3.example".to_owned()],
            upload_memory_bytes: UPLOAD_BLOCKS * BLOCK_SIZE_BYTES,
        };
        let metrics = Arc::new(Metrics::default());
        let s3 = S3Api::new(Arc::clone(model), config, metrics, "node-of-the-test".to_owned());
        let listener = env.net.listen(([127, 0, 0, 1], port).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler: Handler = Arc::new(move |request| Box::pin(Arc::clone(&s3).handle(request)));
        let (running, shutdown) = Shutdown::new();
        server::serve(env, Door::new(listener, None), handler, shutdown).detach();
        (address, running)
    }

    async fn create_keys(&mut self) {
        for who in [Who::Root, Who::Reader, Who::Writer, Who::Owner, Who::Stranger, Who::Creator] {
            let id = self.model.create_key(format!("{who:?}")).await.unwrap();
            let names = self.model.names();
            let secret = names.keys.get(&id).unwrap().secret.value.reveal().to_owned();
            if matches!(who, Who::Root | Who::Creator) {
                let change = KeyChange { may_create_buckets: Some(true), ..KeyChange::default() };
                self.model.update_key(id.clone(), change).await.unwrap();
            }
            self.keys.push((who, Identity { id, secret }));
        }
    }

    pub fn identity(&self, who: Who) -> Identity {
        self.keys.iter().find(|(name, _)| *name == who).unwrap().1.clone()
    }

    /// A name that no bucket has yet.
    pub fn fresh_name(&self) -> String {
        format!("shelf-{}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    pub async fn bucket(&self, grants: &[(Who, Grant)]) -> String {
        let name = self.fresh_name();
        let parsed = BucketName::parse(&name).unwrap();
        let id = self.model.create_bucket(Some(parsed), None).await.unwrap();
        for (who, grant) in grants.iter().copied() {
            self.model.change_grant(id, self.identity(who).id, move |_| grant).await.unwrap();
        }
        name
    }

    /// A shelf without objects.
    pub async fn empty_shelf(&self) -> Shelf {
        let none = Grant { read: false, write: false, owner: false };
        let read = Grant { read: true, ..none };
        let (write, own) = (Grant { write: true, ..none }, Grant { owner: true, ..none });
        let all = Grant { read: true, write: true, owner: true };
        let grants = [(Who::Root, all), (Who::Reader, read), (Who::Writer, write), (Who::Owner, own)];
        let bucket = self.bucket(&grants).await;
        let (library, vault) = self.sources.get_or_init(|| self.create_sources()).await.clone();
        Shelf { bucket, library, vault, upload: String::new(), part_etag: String::new() }
    }

    async fn create_sources(&self) -> (String, String) {
        let all = Grant { read: true, write: true, owner: true };
        let read = Grant { read: true, write: false, owner: false };
        let library = self.bucket(&[(Who::Root, all), (Who::Writer, read), (Who::Stranger, read)]).await;
        let vault = self.bucket(&[(Who::Root, all)]).await;
        for (bucket, key) in [(&library, "book"), (&vault, "secret")] {
            self.put(&format!("/{bucket}/{key}"), CONTENT).await;
        }
        (library, vault)
    }

    /// A shelf with `thing`, `folder/inner`, an open upload, and every setting that there is but versions.
    pub async fn shelf(&self) -> Shelf {
        let mut shelf = self.empty_shelf().await;
        self.put(&format!("/{}/thing", shelf.bucket), CONTENT).await;
        self.put(&format!("/{}/folder/inner", shelf.bucket), b"inner").await;
        let policy = policy(self, &shelf);
        let settings = [
            ("cors", CORS),
            ("lifecycle", LIFECYCLE),
            ("website", SITE),
            ("notification", NOTIFICATION),
            ("encryption", ENCRYPTION_OFF),
            ("tagging", TAGS),
            ("policy", &policy),
            ("publicAccessBlock", BLOCK),
            ("ownershipControls", OWNERSHIP),
        ];
        for (name, document) in settings {
            let set = Req::new("PUT", &format!("/{}", shelf.bucket)).query(name, "");
            let answer = self.root(&set.body(document.as_bytes())).await;
            assert!(answer.status < 300, "{name}: {answer:?}");
        }
        let parts = format!("/{}/parts", shelf.bucket);
        let opened = self.root(&Req::new("POST", &parts).query("uploads", "")).await;
        shelf.upload = opened.xml("UploadId");
        let part = Req::new("PUT", &parts).query("partNumber", "1").query("uploadId", &shelf.upload);
        let answer = self.root(&part.body(CONTENT)).await;
        shelf.part_etag = answer.header("etag").unwrap().to_owned();
        shelf
    }

    /// A shelf in a bucket with locks, on which `thing` is locked.
    pub async fn locked_shelf(&self) -> Shelf {
        let shelf = self.shelf().await;
        let (bucket, thing) = (format!("/{}", shelf.bucket), format!("/{}/thing", shelf.bucket));
        let settings = [
            (&bucket, "versioning", VERSIONING),
            (&bucket, "object-lock", LOCK),
            (&thing, "retention", RETENTION),
            (&thing, "legal-hold", HOLD),
        ];
        for (path, query, document) in settings {
            let answer = self.root(&Req::new("PUT", path).query(query, "").body(document.as_bytes())).await;
            assert_eq!(answer.status, 200, "{query}: {answer:?}");
        }
        shelf
    }

    async fn put(&self, path: &str, body: &[u8]) {
        let answer = self.root(&Req::new("PUT", path).body(body)).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }

    /// Sends as the key that may do everything.
    pub async fn root(&self, request: &Req) -> Answer {
        self.send_as(Who::Root, request).await
    }

    pub async fn send_as(&self, who: Who, request: &Req) -> Answer {
        self.send(&self.identity(who), request).await
    }

    /// Signs and sends.
    pub async fn send(&self, identity: &Identity, request: &Req) -> Answer {
        let now_unix_s = i64::try_from(self.env.clock.wall().seconds()).unwrap();
        let signed = request.signed(identity, now_unix_s);
        self.send_unsigned(&signed).await
    }

    /// Sends as it is.
    pub async fn send_unsigned(&self, request: &Req) -> Answer {
        let bytes = self.send_bytes(&request.to_bytes()).await;
        Answer::parse(&bytes).unwrap_or_else(|| panic!("no answer to {request:?}: {bytes:?}"))
    }

    /// A connection of one's own.
    pub async fn connect(&self) -> BoxStream {
        self.env.net.connect(self.address).await.unwrap()
    }

    /// Writes bytes and reads to the end of the connection.
    pub async fn send_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.flush().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }
}
