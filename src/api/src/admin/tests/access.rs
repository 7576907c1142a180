//! Who may call what, for every endpoint; and requests that are no calls.

use super::{Home, METRICS_TOKEN, Proof, TOKEN, default_config};
use crate::admin::{Access, AdminConfig, BODY_MAX_BYTES, ENDPOINTS, NOT_YET, Route};
use ::cluster::AdminToken;
use bytes::Bytes;
use http::{Method, StatusCode};
use std::collections::BTreeSet;

/// Every name of the public interface, version 2.
const PUBLIC_NAMES: &str = "AddBucketAlias AllowBucketKey ApplyClusterLayout CleanupIncompleteUploads \
    ClusterLayoutSkipDeadNodes ConnectClusterNodes CreateAdminToken CreateBucket CreateKey \
    CreateMetadataSnapshot DeleteAdminToken DeleteBucket DeleteKey DenyBucketKey GetAdminTokenInfo \
    GetBlockInfo GetBucketInfo GetClusterHealth GetClusterLayout GetClusterLayoutHistory \
    GetClusterStatistics GetClusterStatus GetCurrentAdminTokenInfo GetKeyInfo GetNodeInfo \
    GetNodeStatistics GetWorkerInfo GetWorkerVariable ImportKey InspectObject LaunchRepairOperation \
    ListAdminTokens ListBlockErrors ListBuckets ListBucketsInfo ListKeys ListKeysInfo ListWorkers \
    PreviewClusterLayoutChanges PurgeBlocks RemoveBucketAlias RetryBlockResync RevertClusterLayout \
    SetWorkerVariable UpdateAdminToken UpdateBucket UpdateClusterLayout UpdateKey";

/// Names that other releases do not have.
const OWN_NAMES: [&str; 14] = [
    "ApproveNodes",
    "ChangeEncryptionSecret",
    "CreateEncryptionKey",
    "CreateNodeInvitation",
    "CreateWebhook",
    "DeleteWebhook",
    "ForgetNodes",
    "GetNodeClock",
    "GetNodeWebhooks",
    "ListEncryptionKeys",
    "ListWebhooks",
    "PreviewNodeApproval",
    "PreviewNodeForgetting",
    "RotateEncryptionKey",
];

fn path_of(route: Route, name: &str) -> String {
    match route {
        Route::V2 => format!("/v2/{name}"),
        Route::Path(path) => path.to_owned(),
    }
}

#[test]
fn every_public_name_is_an_endpoint_or_said_to_be_missing() {
    let here = ENDPOINTS.iter().filter(|endpoint| endpoint.route == Route::V2).map(|endpoint| endpoint.name);
    let all: Vec<&str> = here.chain(NOT_YET.iter().copied()).collect();
    let distinct: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(all.len(), distinct.len(), "no name is there twice");
    assert_eq!(distinct, PUBLIC_NAMES.split_whitespace().chain(OWN_NAMES).collect());
    assert_eq!(distinct.len(), 48 + OWN_NAMES.len());
}

#[tokio::test]
async fn every_endpoint_asks_for_what_it_says() {
    let config =
        AdminConfig { metrics_token: Some(AdminToken::new(METRICS_TOKEN.to_owned())), ..default_config() };
    let home = Home::with(config).await;
    let proofs = [
        (Proof::None, [true, false, false]),
        (Proof::Token("wrong"), [true, false, false]),
        (Proof::Token(""), [true, false, false]),
        (Proof::Token("the-admin-toke"), [true, false, false]),
        (Proof::Token(METRICS_TOKEN), [true, true, false]),
        (Proof::Token(TOKEN), [true, true, true]),
        (Proof::Socket, [true, true, true]),
    ];
    for endpoint in ENDPOINTS {
        let expected_at = match endpoint.access {
            Access::Open => 0,
            Access::Metrics => 1,
            Access::Admin => 2,
        };
        for (proof, allowed) in proofs {
            let path = path_of(endpoint.route, endpoint.name);
            let (status, body) = home.raw(proof, endpoint.method.clone(), &path, Bytes::new()).await;
            let was_allowed = status != StatusCode::FORBIDDEN;
            assert_eq!(
                was_allowed, allowed[expected_at],
                "{} with {proof:?}: {status} {body}",
                endpoint.name
            );
            if !was_allowed {
                assert!(body.contains("\"code\":\"AccessDenied\""), "{body}");
            }
        }
    }
    let names = home.model.names();
    // The only endpoints that do something without a body: with the right proof, twice.
    assert_eq!((names.keys.len(), names.buckets.len()), (2, 2), "a refused call changes nothing");
}

#[tokio::test]
async fn only_three_endpoints_are_for_strangers() {
    let open: Vec<&str> = ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.access != Access::Admin)
        .map(|endpoint| endpoint.name)
        .collect();
    assert_eq!(open, ["Health", "CheckDomain", "Metrics"]);
}

#[tokio::test]
async fn without_a_configured_token_only_the_socket_administrates() {
    for token in [None, Some(AdminToken::new(String::new()))] {
        let home = Home::with(AdminConfig { admin_token: token, ..default_config() }).await;
        for proof in [Proof::None, Proof::Token(""), Proof::Token(TOKEN)] {
            let (status, _) = home.call_as(proof, "ListKeys", serde_json::Value::Null).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{proof:?}");
        }
        home.ok("ListKeys", serde_json::Value::Null).await;
    }
}

#[tokio::test]
async fn metrics_are_open_unless_a_token_is_required() {
    let open = Home::new().await;
    assert_eq!(open.raw(Proof::None, Method::GET, "/metrics", Bytes::new()).await.0, StatusCode::OK);
    let closed = Home::with(AdminConfig { metrics_require_token: true, ..default_config() }).await;
    assert_eq!(closed.raw(Proof::None, Method::GET, "/metrics", Bytes::new()).await.0, StatusCode::FORBIDDEN);
    let admin = closed.raw(Proof::Token(TOKEN), Method::GET, "/metrics", Bytes::new()).await.0;
    assert_eq!(admin, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let home = Home::new().await;
    for name in NOT_YET {
        let message = home.refused(name, serde_json::Value::Null, 501, "NotImplemented").await;
        assert!(message.contains(name), "{message}");
    }
    for path in ["/", "/v2", "/v2/", "/v2/Nothing", "/v2/getclusterstatus", "/v1/status", "/v2/Health"] {
        home.refused(path, serde_json::Value::Null, 404, "NoSuchEndpoint").await;
    }
}

#[tokio::test]
async fn methods_and_bodies_are_checked() {
    let home = Home::new().await;
    for endpoint in ENDPOINTS {
        let other = if endpoint.method == Method::GET { Method::POST } else { Method::GET };
        let path = path_of(endpoint.route, endpoint.name);
        let (status, _) = home.raw(Proof::Socket, other, &path, Bytes::new()).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{}", endpoint.name);
    }
    let post = async |body: Bytes| home.raw(Proof::Socket, Method::POST, "/v2/CreateKey", body).await.0;
    assert_eq!(post(Bytes::from(vec![b' '; BODY_MAX_BYTES + 1])).await, StatusCode::PAYLOAD_TOO_LARGE);
    for bad in ["{", "[]x", "\"\u{e9}", "{\"name\":1}", "\u{0}", &"[".repeat(BODY_MAX_BYTES)] {
        assert_eq!(post(Bytes::from(bad.to_owned())).await, StatusCode::BAD_REQUEST, "{bad:.20}");
    }
    assert_eq!(post(Bytes::from_static(b"{\"name\":\"\xff\"}")).await, StatusCode::BAD_REQUEST);
    let long = format!("/v2/GetKeyInfo?id={}", "a".repeat(10_000));
    assert_eq!(home.raw(Proof::Socket, Method::GET, &long, Bytes::new()).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(home.call("GetKeyInfo?id=%FF", serde_json::Value::Null).await.0, StatusCode::BAD_REQUEST);
    assert!(home.model.names().keys.is_empty());
    let options = home.raw(Proof::None, Method::OPTIONS, "/v2/ListKeys", Bytes::new()).await;
    assert_eq!(options, (StatusCode::NO_CONTENT, String::new()));
    assert_eq!(home.raw(Proof::Socket, Method::HEAD, "/health", Bytes::new()).await.0, StatusCode::OK);
}
