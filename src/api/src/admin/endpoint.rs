//! The list of endpoints. It drives routing, authorization, metrics and documentation, and tests
//! walk it: an endpoint without a case fails them.

use super::{Access, AdminError, Answer, Call};
use super::{
    blocks, bucket_names, buckets, cluster_state, encryption, forgetting, joining, keys, layout, nodes,
    objects, purge, repair, special, variables, webhooks, workers,
};
use futures_util::future::BoxFuture;
use http::Method;

/// One endpoint.
pub struct Endpoint {
    /// Its name: also the label of its metrics.
    pub name: &'static str,
    /// Where it is.
    pub route: Route,
    /// How it is called.
    pub method: Method,
    /// What the caller must show.
    pub access: Access,
    /// Who answers it.
    pub scope: Scope,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Does it.
    pub run: Run,
}

/// What an endpoint does.
pub type Run = for<'a> fn(Call<'a>) -> BoxFuture<'a, Result<Answer, AdminError>>;

/// Who answers an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The node that is asked, once.
    Once,
    /// Each of the nodes that the query parameter `node` means, for itself (`for_nodes.rs`).
    EachNode,
}

/// Where an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// At `/v2/` and its name.
    V2,
    /// At this path.
    Path(&'static str),
}

const fn v2(name: &'static str, method: Method, scope: Scope, about: &'static str, run: Run) -> Endpoint {
    Endpoint { name, route: Route::V2, method, access: Access::Admin, scope, about, run }
}

const fn get(name: &'static str, about: &'static str, run: Run) -> Endpoint {
    v2(name, Method::GET, Scope::Once, about, run)
}

const fn post(name: &'static str, about: &'static str, run: Run) -> Endpoint {
    v2(name, Method::POST, Scope::Once, about, run)
}

const fn node_get(name: &'static str, about: &'static str, run: Run) -> Endpoint {
    v2(name, Method::GET, Scope::EachNode, about, run)
}

const fn node_post(name: &'static str, about: &'static str, run: Run) -> Endpoint {
    v2(name, Method::POST, Scope::EachNode, about, run)
}

const fn special(name: &'static str, path: &'static str, access: Access, run: Run) -> Endpoint {
    let (route, method, scope) = (Route::Path(path), Method::GET, Scope::Once);
    Endpoint { name, route, method, access, scope, about: "For machines.", run }
}

/// Every endpoint.
pub static ENDPOINTS: &[Endpoint] = &[
    special("Health", "/health", Access::Open, |call| Box::pin(special::health(call))),
    special("CheckDomain", "/check", Access::Open, |call| Box::pin(special::check_domain(call))),
    special("Metrics", "/metrics", Access::Metrics, |call| Box::pin(special::metrics(call))),
    get("GetClusterStatus", "Nodes, roles and room.", |call| Box::pin(cluster_state::status(call))),
    get("GetClusterHealth", "Whether requests are served.", |call| Box::pin(cluster_state::health(call))),
    get("GetClusterStatistics", "What is stored.", |call| Box::pin(cluster_state::statistics(call))),
    post("ConnectClusterNodes", "Connects to other nodes.", |call| Box::pin(cluster_state::connect(call))),
    post("CreateNodeInvitation", "Invites a node.", |call| Box::pin(joining::invite(call))),
    post("PreviewNodeApproval", "What an approval would do.", |call| Box::pin(joining::preview(call))),
    post("ApproveNodes", "Gives waiting nodes their roles.", |call| Box::pin(joining::approve(call))),
    post("PreviewNodeForgetting", "What forgetting would lose.", |call| Box::pin(forgetting::preview(call))),
    post("ForgetNodes", "Forgets nodes that never come back.", |call| Box::pin(forgetting::forget(call))),
    get("GetClusterLayout", "The layout and what is staged.", |call| Box::pin(layout::show(call))),
    get("GetClusterLayoutHistory", "Past layouts.", |call| Box::pin(layout::history(call))),
    post("UpdateClusterLayout", "Stages changes.", |call| Box::pin(layout::update(call))),
    post("PreviewClusterLayoutChanges", "What applying would do.", |call| Box::pin(layout::preview(call))),
    post("ApplyClusterLayout", "Makes staged changes the layout.", |call| Box::pin(layout::apply(call))),
    post("RevertClusterLayout", "Drops staged changes.", |call| Box::pin(layout::revert(call))),
    get("ListKeys", "All access keys.", |call| Box::pin(keys::list(call))),
    get("GetKeyInfo", "One access key.", |call| Box::pin(keys::info(call))),
    post("CreateKey", "Makes an access key.", |call| Box::pin(keys::create(call))),
    post("ImportKey", "Takes over an access key made elsewhere.", |call| Box::pin(keys::import(call))),
    post("UpdateKey", "Changes an access key.", |call| Box::pin(keys::update(call))),
    post("DeleteKey", "Deletes an access key.", |call| Box::pin(keys::delete(call))),
    get("ListBuckets", "All buckets.", |call| Box::pin(buckets::list(call))),
    get("GetBucketInfo", "One bucket.", |call| Box::pin(buckets::info(call))),
    post("CreateBucket", "Makes a bucket.", |call| Box::pin(buckets::create(call))),
    post(
        "UpdateBucket",
        "Sets a bucket's quotas, web site, versioning, lifecycle and CORS rules, policy, encryption, locks, public access.",
        |call| Box::pin(buckets::update(call)),
    ),
    post("DeleteBucket", "Deletes an empty bucket.", |call| Box::pin(buckets::delete(call))),
    post("CleanupIncompleteUploads", "Aborts old uploads.", |call| Box::pin(objects::cleanup_uploads(call))),
    get("InspectObject", "What is stored under a key.", |call| Box::pin(objects::inspect(call))),
    post("AllowBucketKey", "Lets a key use a bucket.", |call| Box::pin(bucket_names::allow(call))),
    post("DenyBucketKey", "Stops a key from using a bucket.", |call| Box::pin(bucket_names::deny(call))),
    post("AddBucketAlias", "Names a bucket.", |call| Box::pin(bucket_names::add_alias(call))),
    post("RemoveBucketAlias", "Removes a bucket's name.", |call| Box::pin(bucket_names::remove_alias(call))),
    get("ListWebhooks", "Where events may be sent, and what waits on all nodes.", |call| {
        Box::pin(webhooks::list(call))
    }),
    node_get("GetNodeWebhooks", "What waits on a node.", |call| Box::pin(webhooks::of_node(call))),
    post("CreateWebhook", "Registers a webhook.", |call| Box::pin(webhooks::create(call))),
    post("DeleteWebhook", "Removes a webhook.", |call| Box::pin(webhooks::delete(call))),
    get("ListEncryptionKeys", "The keys of the ring.", |call| Box::pin(encryption::list(call))),
    post("CreateEncryptionKey", "Makes a named key of the ring.", |call| Box::pin(encryption::create(call))),
    post("RotateEncryptionKey", "Makes a newer key of the ring.", |call| Box::pin(encryption::rotate(call))),
    post("ChangeEncryptionSecret", "Wraps the ring anew.", |call| Box::pin(encryption::change_secret(call))),
    node_get("GetNodeInfo", "What a node runs.", |call| Box::pin(nodes::info(call))),
    node_get("GetNodeStatistics", "What a node holds.", |call| Box::pin(nodes::statistics(call))),
    node_get("GetNodeClock", "Whether its clock is ahead.", |call| Box::pin(nodes::clock(call))),
    node_post("ListWorkers", "A node's background work.", |call| Box::pin(workers::list(call))),
    node_post("GetWorkerInfo", "One background worker.", |call| Box::pin(workers::info(call))),
    node_post("LaunchRepairOperation", "Checks and repairs.", |call| Box::pin(repair::launch(call))),
    node_post("GetWorkerVariable", "Settings of background work.", |call| Box::pin(variables::get(call))),
    node_post("SetWorkerVariable", "Sets one.", |call| Box::pin(variables::set(call))),
    node_get("ListBlockErrors", "Blocks that are missing.", |call| Box::pin(blocks::list_errors(call))),
    node_post("GetBlockInfo", "One block, and what needs it.", |call| Box::pin(blocks::info(call))),
    post("PurgeBlocks", "Deletes what needs lost blocks.", |call| Box::pin(purge::purge(call))),
    node_post("RetryBlockResync", "Looks for missing blocks now.", |call| Box::pin(blocks::retry(call))),
];

/// Endpoints of the public interface that this release answers with 501.
pub static NOT_YET: &[&str] = &[
    "ClusterLayoutSkipDeadNodes",
    "CreateAdminToken",
    "CreateMetadataSnapshot",
    "DeleteAdminToken",
    "GetAdminTokenInfo",
    "GetCurrentAdminTokenInfo",
    "ListAdminTokens",
    "ListBucketsInfo",
    "ListKeysInfo",
    "UpdateAdminToken",
];

/// The endpoint at a path.
pub(super) fn find(path: &str) -> Result<&'static Endpoint, AdminError> {
    let v2 = path.strip_prefix("/v2/");
    let is_here = |endpoint: &&Endpoint| match endpoint.route {
        Route::V2 => v2 == Some(endpoint.name),
        Route::Path(at) => path == at,
    };
    ENDPOINTS.iter().find(is_here).ok_or_else(|| {
        let not_yet = NOT_YET.iter().find(|name| v2 == Some(**name));
        not_yet.map_or(AdminError::NoSuchEndpoint, |name| AdminError::NotImplemented(name))
    })
}
