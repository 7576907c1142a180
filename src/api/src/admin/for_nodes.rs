//! Endpoints that each node answers for itself: the query parameter `node` says which nodes, by an id, `self`, or `*`
//! for all.
//!
//! The node that is asked answers for itself and has the others answer, all at once: one message to each carries the
//! endpoint's name and the body. What always holds:
//!
//! - only endpoints of [`Scope::EachNode`] travel, and whoever is called so answers for itself and calls nobody;
//! - a node that has shown that it knows the cluster's secret, and is of no other cluster, is trusted as the operator
//!   is: it could change the layout as well;
//! - each node that is meant has an answer of its own, or the reason why it has none.

use super::{AdminApi, AdminError, Answer, Call, ENDPOINTS, Endpoint, Scope, wire};
use base::NodeId;
use bytes::Bytes;
use cluster::{ClusterState, Node};
use futures_util::future::{join, join_all};
use http::StatusCode;
use net::{CallError, Class, Net, Refusal, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long another node may take: what it is asked for is read from its disks or started, never waited for.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// Has a node answer an endpoint for itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CallEndpoint {
    pub endpoint: String,
    /// What the endpoint is given: JSON, or nothing.
    pub body: Bytes,
}

/// What it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Told {
    /// Its answer: JSON, or nothing.
    #[serde(rename = "y")]
    Answer(Bytes),
    /// Why not, for people.
    #[serde(rename = "n")]
    Refused(String),
}

impl Request for CallEndpoint {
    type Reply = Told;
    const NAME: &'static str = "api/call_endpoint";
    const CLASS: Class = Class::Metadata;
}

/// Who is meant.
struct Targets {
    this_node: bool,
    others: Vec<NodeId>,
}

/// Has the nodes that are meant answer.
pub(super) async fn answer(endpoint: &Endpoint, call: Call<'_>) -> Result<Answer, AdminError> {
    let (api, Targets { this_node, others }) = (call.api, targets(&call)?);
    let request = CallEndpoint { endpoint: endpoint.name.to_owned(), body: call.body().clone() };
    let here = async {
        match this_node {
            true => Some((endpoint.run)(call).await),
            false => None,
        }
    };
    let elsewhere = others.iter().map(|node| ask(api, *node, &request));
    let (here, elsewhere) = join(here, join_all(elsewhere)).await;
    let here = match here {
        // What is wrong with the request is not an answer of one node.
        Some(Err(error)) if is_about_request(&error) => return Err(error),
        here => here.map(|outcome| outcome.map(|answer| answer.body).map_err(|error| error.to_string())),
    };
    let here = here.map(|outcome| (api.cluster.id(), outcome));
    let mut answers = wire::MultiAnswer::<Value> { success: BTreeMap::new(), error: BTreeMap::new() };
    for (node, outcome) in here.into_iter().chain(others.into_iter().zip(elsewhere)) {
        match outcome.and_then(|body| value_of(&body)) {
            Ok(value) => _ = answers.success.insert(node.to_string(), value),
            Err(why) => _ = answers.error.insert(node.to_string(), why),
        }
    }
    Ok(Answer::json(&answers))
}

fn is_about_request(error: &AdminError) -> bool {
    [StatusCode::BAD_REQUEST, StatusCode::NOT_IMPLEMENTED].contains(&error.status_and_code().0)
}

fn value_of(body: &Bytes) -> Result<Value, String> {
    match body.is_empty() {
        true => Ok(Value::Null),
        false => serde_json::from_slice(body).map_err(|error| format!("its answer cannot be read: {error}")),
    }
}

fn targets(call: &Call<'_>) -> Result<Targets, AdminError> {
    let cluster = &call.api.cluster;
    let is_other = |id: &NodeId| *id != cluster.id();
    match call.required("node")? {
        "self" => Ok(Targets { this_node: true, others: Vec::new() }),
        "*" => Ok(Targets { this_node: true, others: all_others(cluster) }),
        id => {
            let invalid =
                || AdminError::InvalidValue { name: "node: an id, `self` or `*`", value: id.to_owned() };
            let id = NodeId::from_hex(id).ok_or_else(invalid)?;
            Ok(Targets { this_node: !is_other(&id), others: Some(id).into_iter().filter(is_other).collect() })
        }
    }
}

/// All nodes of the cluster but this one.
pub(super) fn all_others(cluster: &ClusterState) -> Vec<NodeId> {
    let (me, layout) = (cluster.id(), cluster.layout());
    let is_meant =
        |node: &Node| node.other_cluster.is_none() && !layout.is_given_up(node.id) && node.id != me;
    cluster.nodes().into_iter().filter(is_meant).map(|node| node.id).collect()
}

/// What another node answers, or why it does not.
pub(super) async fn ask(api: &AdminApi, node: NodeId, request: &CallEndpoint) -> Result<Bytes, String> {
    let told = match api.cluster.membership() {
        Some(membership) => membership.net().call(node, request, ANSWER_WAIT_MAX).await,
        None => Err(CallError::NotConnected(node)),
    };
    match told {
        Ok(Told::Answer(body)) => Ok(body),
        Ok(Told::Refused(why)) => Err(why),
        Err(error) => Err(no_answer(&api.cluster, node, &error)),
    }
}

fn no_answer(cluster: &ClusterState, node: NodeId, error: &CallError) -> String {
    match error {
        CallError::NotConnected(_) => format!("not connected: {}", why_not_connected(cluster, node)),
        CallError::Refused { refusal: Refusal::UnknownRequest, .. } => {
            "its release does not answer this for other nodes: ask it there, or update it".to_owned()
        }
        CallError::TimedOut(_) => format!("no answer within {} s", ANSWER_WAIT_MAX.as_secs()),
        error => format!("no answer: {error}"),
    }
}

fn why_not_connected(cluster: &ClusterState, node: NodeId) -> String {
    let Some(known) = cluster.nodes().into_iter().find(|known| known.id == node) else {
        return "no node with this id is known here".to_owned();
    };
    match known.contact.map(|contact| (contact.silent_for, contact.last_error)) {
        Some((Some(silent), _)) => format!("it has not answered for {} s", silent.as_secs()),
        Some((None, Some(error))) => error.to_string(),
        Some((None, None)) | None => "it was never heard of".to_owned(),
    }
}

impl AdminApi {
    /// Answers the other nodes of the cluster from now on. Once.
    pub fn answer_nodes(self: &Arc<Self>, net: &Net) {
        // Weak: the network holds the handler, and this holds the network.
        let weak = Arc::downgrade(self);
        net.handle::<CallEndpoint, _, _>(move |incoming| {
            let api = weak.upgrade();
            async move {
                let api = api.ok_or(Refusal::Failed)?;
                Ok(api.told(incoming.from, incoming.request).await.into())
            }
        });
    }

    async fn told(&self, from: NodeId, request: CallEndpoint) -> Told {
        let CallEndpoint { endpoint, body } = request;
        let is_asked = |known: &&Endpoint| known.name == endpoint && known.scope == Scope::EachNode;
        let outcome = match ENDPOINTS.iter().find(is_asked) {
            Some(_) if self.cluster.is_stranger(from) => Err(AdminError::Forbidden),
            Some(endpoint) => match Call::new(self, None, body) {
                Ok(call) => (endpoint.run)(call).await,
                Err(error) => Err(error),
            },
            None => Err(AdminError::NotForNodes(endpoint)),
        };
        match outcome {
            Ok(answer) => Told::Answer(answer.body),
            Err(error) => Told::Refused(error.to_string()),
        }
    }
}
