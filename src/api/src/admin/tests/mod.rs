//! The admin API over a real model: the real engine on a simulated disk.

mod access;
mod blocks;
mod buckets;
mod cluster;
mod damage;
mod for_nodes;
mod forgetting;
mod joining;
mod keys;
mod objects;
mod repair;
#[path = "../../../tests/operations/spoil.rs"]
mod spoil;
mod webhooks;

use super::{AdminApi, AdminConfig, ENDPOINTS, Origin, handle};
use crate::metrics::Metrics;
use ::cluster::layout::Role;
use ::cluster::{AdminToken, ClusterOptions, ClusterSecret, ClusterState, FirstLayout};
use block::{BlockConfig, BlockStore};
use bytes::Bytes;
use env::sim::{SimOptions, SimWorld};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use model::Model;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use store::engine::{self, EngineKind};
use store::{Store, StoreOptions};

pub const TOKEN: &str = "the-admin-token";
pub const METRICS_TOKEN: &str = "the-metrics-token";

/// A node of one.
pub struct Home {
    pub api: Arc<AdminApi>,
    pub model: Arc<Model>,
    pub cluster: Arc<ClusterState>,
    pub world: Arc<SimWorld>,
}

/// How a request proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Socket,
    None,
    Token(&'static str),
}

pub fn default_config() -> AdminConfig {
    AdminConfig {
        region: "garage".to_owned(),
        admin_token: Some(AdminToken::new(TOKEN.to_owned())),
        web_root_domain: Some("web.example".to_owned()),
        s3_root_domain: Some("s3.example".to_owned()),
        ..AdminConfig::default()
    }
}

impl Home {
    pub async fn new() -> Self {
        Self::with(default_config()).await
    }

    pub async fn with(config: AdminConfig) -> Self {
        let role = Role { zone: "home".to_owned(), capacity_bytes: Some(1 << 30), tags: Vec::new() };
        let world = Arc::new(SimWorld::new(7, &SimOptions::default()));
        Self::in_world(&world, "", FirstLayout::OneNode(role), config).await
    }

    /// One whose folders begin like this.
    pub async fn in_world(
        world: &Arc<SimWorld>,
        folder: &str,
        first_layout: FirstLayout,
        config: AdminConfig,
    ) -> Self {
        let (world, env) = (Arc::clone(world), world.env());
        let (meta, data) = (PathBuf::from(format!("{folder}/meta")), PathBuf::from(format!("{folder}/data")));
        env.disk.create_dir_all(&meta).unwrap();
        env.disk.create_dir_all(&data).unwrap();
        let options = ClusterOptions {
            folder: meta.clone(),
            secret: Some(ClusterSecret::parse(&"5f".repeat(32)).unwrap()),
            first_layout,
            hostname: "pc".to_owned(),
            address: Some(([127, 0, 0, 1], 3901).into()),
        };
        let cluster = ClusterState::open(&env, options).unwrap_or_else(|error| panic!("{error}"));
        let engine = engine::open(EngineKind::Redb, &env, &meta).unwrap();
        let options = StoreOptions { folder: meta, node_tag: cluster.id().tag() };
        let store = Store::open(&env, engine, options).unwrap();
        let blocks = BlockConfig::new(cluster.id(), data);
        let blocks = BlockStore::open(&env, &store, blocks).await.unwrap();
        let model = Model::open(&env, store, blocks, model::Peers::of(&cluster)).unwrap();
        let metrics = Arc::new(Metrics::default());
        let api = AdminApi::new(Arc::clone(&model), Arc::clone(&cluster), metrics, config);
        Self { api, model, cluster, world }
    }

    /// The same node after a restart.
    pub fn restarted(self) -> Self {
        let Self { model, cluster, world, .. } = self;
        let (store, blocks) = (model.store().clone(), model.blocks().clone());
        let model = Model::open(&world.env(), store, blocks, model::Peers::of(&cluster)).unwrap();
        let metrics = Arc::new(Metrics::default());
        let api = AdminApi::new(Arc::clone(&model), Arc::clone(&cluster), metrics, default_config());
        Self { api, model, cluster, world }
    }

    /// Calls an endpoint by name, with the query in it, over the local socket.
    pub async fn call(&self, target: &str, body: Value) -> (StatusCode, Value) {
        self.call_as(Proof::Socket, target, body).await
    }

    /// Calls an endpoint that must answer 200.
    pub async fn ok(&self, target: &str, body: Value) -> Value {
        let (status, answer) = self.call(target, body).await;
        assert_eq!(status, StatusCode::OK, "{target}: {answer}");
        answer
    }

    /// Calls an endpoint that must refuse with this status and code.
    pub async fn refused(&self, target: &str, body: Value, status: u16, code: &str) -> String {
        let (found, answer) = self.call(target, body).await;
        assert_eq!((found.as_u16(), answer["code"].as_str()), (status, Some(code)), "{target}: {answer}");
        assert_eq!(answer["region"], "garage");
        assert!(answer["path"].as_str().is_some_and(|path| target.contains(path.trim_start_matches("/v2/"))));
        answer["message"].as_str().expect("a message").to_owned()
    }

    pub async fn call_as(&self, proof: Proof, target: &str, body: Value) -> (StatusCode, Value) {
        let name = target.split('?').next().expect("a first part");
        let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.name == name);
        let method = endpoint.map_or(Method::GET, |endpoint| endpoint.method.clone());
        let path = if target.starts_with('/') { target.to_owned() } else { format!("/v2/{target}") };
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let (status, text) = self.raw(proof, method, &path, bytes).await;
        let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, answer)
    }

    pub async fn raw(&self, proof: Proof, method: Method, path: &str, body: Bytes) -> (StatusCode, String) {
        let mut request = Request::builder().method(method).uri(path);
        let origin = match proof {
            Proof::Socket => Origin::LocalSocket,
            Proof::None => Origin::Tcp,
            Proof::Token(token) => {
                request = request.header("authorization", format!("Bearer {token}"));
                Origin::Tcp
            }
        };
        let response = handle(&self.api, origin, request.body(Full::new(body)).unwrap()).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// A new bucket of this name; its id.
    pub async fn bucket(&self, name: &str) -> String {
        let info = self.ok("CreateBucket", serde_json::json!({ "globalAlias": name })).await;
        info["id"].as_str().expect("an id").to_owned()
    }

    /// A new key of this name; its id.
    pub async fn key(&self, name: &str) -> String {
        let info = self.ok("CreateKey", serde_json::json!({ "name": name })).await;
        info["accessKeyId"].as_str().expect("an id").to_owned()
    }
}
