//! The admin API: everything an operator can ask or change, as JSON over HTTP.
//!
//! Administration is implemented here and nowhere else: the command line is a client of this. One
//! list of endpoints ([`ENDPOINTS`]) drives routing, authorization, metrics and documentation.
//! Handlers read and change through `model` and `cluster`; they never touch tables.

mod access;
mod blocks;
mod bucket_names;
mod bucket_settings;
mod buckets;
mod call;
mod cluster_state;
mod coming;
mod copying;
mod documents;
mod encryption;
mod endpoint;
mod error;
mod for_nodes;
mod forgetting;
mod joining;
mod keys;
mod layout;
mod nodes;
mod objects;
mod prometheus;
mod purge;
mod repair;
mod special;
#[cfg(test)]
mod tests;
mod variables;
mod webhooks;
pub mod wire;
mod workers;
mod zones;

pub use access::{Access, Origin};
pub use call::{Answer, Call};
pub use endpoint::{ENDPOINTS, Endpoint, NOT_YET, Route, Scope};
pub use error::AdminError;
pub use keys::{KeyFormatError, check_key_format};
pub use variables::{VARIABLES, Value as VariableValue};

use crate::metrics::Metrics;
use crate::s3::reply::ReplyBody;
use crate::server::Handler;
use access::Tokens;
use bytes::Bytes;
use cluster::{AdminToken, ClusterState};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CACHE_CONTROL, CONTENT_TYPE,
};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use model::{Model, ModelError};
use std::sync::Arc;
use std::time::Duration;

/// Largest request body: the longest legal one, a layout of a thousand nodes, stays far below.
pub const BODY_MAX_BYTES: usize = 1 << 20;
/// How long a caller may take to send one: bodies are small, and callers are near or patient.
const BODY_WAIT_MAX: Duration = Duration::from_secs(60);

/// What the admin API is told by the configuration.
#[derive(Debug, Clone, Default)]
pub struct AdminConfig {
    /// The region, shown in errors.
    pub region: String,
    /// The token for everything; none: only the local socket may administrate.
    pub admin_token: Option<AdminToken>,
    /// The token for `/metrics`.
    pub metrics_token: Option<AdminToken>,
    /// Whether `/metrics` needs a token even if no metrics token is set.
    pub metrics_require_token: bool,
    /// Domain under which web sites are served by bucket name, without a leading dot.
    pub web_root_domain: Option<String>,
    /// Domain under which S3 has buckets by their names, without a leading dot.
    pub s3_root_domain: Option<String>,
}

/// The admin API of one node.
pub struct AdminApi {
    model: Arc<Model>,
    cluster: Arc<ClusterState>,
    metrics: Arc<Metrics>,
    config: AdminConfig,
    tokens: Tokens,
}

impl AdminApi {
    /// The API over a node's model and cluster state.
    pub fn new(
        model: Arc<Model>,
        cluster: Arc<ClusterState>,
        metrics: Arc<Metrics>,
        config: AdminConfig,
    ) -> Arc<Self> {
        let (admin, metrics_token) = (config.admin_token.as_ref(), config.metrics_token.as_ref());
        let tokens = Tokens::new(admin, metrics_token, config.metrics_require_token);
        Arc::new(Self { model, cluster, metrics, config, tokens })
    }
}

/// What serves this API on a listener whose requests come from `origin`.
pub fn handler(api: Arc<AdminApi>, origin: Origin) -> Handler {
    Arc::new(move |request| {
        let api = Arc::clone(&api);
        Box::pin(async move {
            let response = answer_request(&api, origin, request).await;
            response.map(|body| ReplyBody::Whole(Some(body)))
        })
    })
}

/// Answers one request. Never fails: what goes wrong becomes an answer.
pub async fn handle<B>(api: &AdminApi, origin: Origin, request: Request<B>) -> Response<Full<Bytes>>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    answer_request(api, origin, request).await.map(Full::new)
}

async fn answer_request<B>(api: &AdminApi, origin: Origin, request: Request<B>) -> Response<Bytes>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let began = api.model.env().clock.mono();
    let (head, body) = request.into_parts();
    let endpoint = endpoint::find(head.uri.path());
    let name = endpoint.as_ref().ok().map(|endpoint| endpoint.name);
    let result = match endpoint {
        _ if head.method == Method::OPTIONS => return options(),
        Ok(endpoint) => answer(api, endpoint, (origin, &head), body).await,
        Err(error) => Err(error),
    };
    let response = respond(api, &head, result);
    if let Some(name) = name {
        let took = api.model.env().clock.mono().saturating_sub(began);
        api.metrics.record_admin(name, response.status().as_u16(), took);
    }
    response
}

async fn answer<B>(
    api: &AdminApi,
    endpoint: &Endpoint,
    (origin, head): (Origin, &Parts),
    body: B,
) -> Result<Answer, AdminError>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Before the body is read: a stranger's body is not worth a byte of memory.
    api.tokens.check(endpoint.access, origin, &head.headers)?;
    let reads = head.method == Method::HEAD && endpoint.method == Method::GET;
    if head.method != endpoint.method && !reads {
        return Err(AdminError::MethodNotAllowed {
            endpoint: endpoint.name,
            expected: endpoint.method.clone(),
        });
    }
    let body = match env::timeout(BODY_WAIT_MAX, Limited::new(body, BODY_MAX_BYTES).collect()).await {
        Some(Ok(body)) => body.to_bytes(),
        Some(Err(error)) if error.is::<LengthLimitError>() => return Err(AdminError::BodyTooLarge),
        Some(Err(_)) | None => return Err(AdminError::BodyUnread),
    };
    let call = Call::new(api, head.uri.query(), body)?;
    match endpoint.scope {
        Scope::Once => (endpoint.run)(call).await,
        Scope::EachNode => for_nodes::answer(endpoint, call).await,
    }
}

fn respond(api: &AdminApi, head: &Parts, result: Result<Answer, AdminError>) -> Response<Bytes> {
    let mut allowed = None;
    let answer = result.unwrap_or_else(|error| {
        let (status, code) = error.status_and_code();
        log_failure(&error, status, head.uri.path());
        if let AdminError::MethodNotAllowed { expected, .. } = &error {
            allowed = HeaderValue::from_str(expected.as_str()).ok();
        }
        let body = wire::ErrorBody {
            code: code.to_owned(),
            message: error.to_string(),
            region: api.config.region.clone(),
            path: head.uri.path().to_owned(),
        };
        Answer { status, ..Answer::json(&body) }
    });
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    // Secrets and states must not lie in a proxy.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(content_type) = answer.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(allowed) = allowed {
        headers.insert(ALLOW, allowed);
    }
    response
}

/// What a node without a role cannot do yet is no failure of it.
fn log_failure(error: &AdminError, status: StatusCode, path: &str) {
    match (error, status) {
        (_, StatusCode::NOT_IMPLEMENTED) => {}
        (AdminError::Model(ModelError::NoLayout), _) => {
            tracing::info!(%error, path, "an admin request has to wait for a layout");
        }
        (_, StatusCode::SERVICE_UNAVAILABLE) => {
            tracing::warn!(%error, path, "an admin request cannot be served now");
        }
        (_, status) if status.is_server_error() => tracing::error!(%error, path, "an admin request failed"),
        _ => {}
    }
}

/// What a browser asks before it calls from another origin. The token protects, not the origin.
fn options() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("OPTIONS,GET,POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("OPTIONS,GET,POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization,content-type"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
