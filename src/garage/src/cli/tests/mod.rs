//! Tests of the command line against a listener that answers as told: which requests a command
//! makes, and what it prints, to the letter. `tests/cli.rs` walks the same commands against a node.

mod arguments;
mod forgetting;
mod joining;
mod requests;
mod texts;

use super::client::{Client, Target};
use super::confirm::Audience;
use super::error::CliError;
use super::render::{Style, View};
use super::session::{Report, Session};
use super::{Arguments, dispatch};
use api::s3::reply::ReplyBody;
use api::server::{self, Door, Handler, Shutdown};
use base::WallTime;
use clap::Parser;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// The id of the only node.
pub const NODE: &str = "563e1ac825ee3323aa441e72c26d1030d6d4414aeb3dd25287c531e7fc2bc95d";
/// The id of the only bucket.
pub const BUCKET: &str = "3396db51a7484ee6c96f5d8c1da67646ccb7d1e7c4d9864631dedf72b95d644c";
/// The only webhook.
pub const WEBHOOK: &str = r#"{"name":"hook","arn":"arn:garage:sqs::hook:webhook","url":"http://a:1/x","hasToken":false,
    "created":"2026-01-01T00:24:27.463Z","waiting":3,"waitingBytes":900,"oldest":"2026-01-01T00:24:27.463Z","lost":0,
    "failures":2,"lastError":"it answered 503 Service Unavailable"}"#;
/// The id of the only key.
pub const KEY: &str = "GK101dd383fa8d8dd14f780cb3";
/// 2026-01-02T03:04:05.678Z.
pub const NOW: WallTime = WallTime(1_767_323_045_678);

/// How pages look without a terminal.
pub const VIEW: View = View { style: Style::Text, colour: false, now: NOW };

/// What a command line led to.
pub struct Outcome {
    /// The requests made, in order: method, path and query, body.
    pub requests: Vec<String>,
    /// What came of it.
    pub report: Result<Report, CliError>,
}

impl Outcome {
    /// What is printed without a terminal.
    pub fn text(&self) -> String {
        match &self.report {
            Ok(report) => report.page.draw(&VIEW),
            Err(error) => format!("Error: {error}\n"),
        }
    }
}

/// Runs `garage LINE` against a node that answers each endpoint as `answers` says.
pub fn run(line: &str, answers: fn(&str) -> (StatusCode, String)) -> Outcome {
    let arguments = Arguments::try_parse_from(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("admin.sock");
        let env = env::real::env();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let listener = env.net.listen_unix(&socket).await.expect("a socket");
        let (_stop, shutdown) = Shutdown::new();
        let _server = server::serve(
            &env,
            Door::new(listener, None),
            recorder(Arc::clone(&requests), answers),
            shutdown,
        );
        let session = Session {
            client: Client::new(env.clone(), Target::Local(socket)),
            view: VIEW,
            audience: Audience::Script,
            config: None,
            env,
        };
        let report = dispatch(&session, arguments.command).await;
        let requests = requests.lock().expect("nobody panicked").clone();
        Outcome { requests, report }
    })
}

/// `garage` and the words of a line; single quotes keep spaces together.
pub fn words(line: &str) -> Vec<String> {
    let mut words = vec!["garage".to_owned()];
    for (position, piece) in line.split('\'').enumerate() {
        if position % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn recorder(requests: Arc<Mutex<Vec<String>>>, answers: fn(&str) -> (StatusCode, String)) -> Handler {
    Arc::new(move |request: Request<hyper::body::Incoming>| {
        let requests = Arc::clone(&requests);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let path = head.uri.path_and_query().map(|path| path.as_str()).unwrap_or_default();
            let line = format!("{} {path} {}", head.method, String::from_utf8_lossy(&body));
            requests.lock().expect("nobody panicked").push(line.trim_end().to_owned());
            let endpoint = head.uri.path().trim_start_matches("/v2/").to_owned();
            let (status, answer) = answers(&endpoint);
            let mut response = Response::new(ReplyBody::Whole(Some(answer.into())));
            *response.status_mut() = status;
            response
        })
    })
}

/// A node with one role, one bucket and one key.
pub fn one_of_each(endpoint: &str) -> (StatusCode, String) {
    let role = r#"{"zone":"dc1","tags":["a"],"capacity":1000000000}"#;
    let bucket = format!(
        r#"{{"id":"{BUCKET}","created":"2026-01-01T00:24:27.463Z","globalAliases":["photos"],"websiteAccess":false,
        "websiteConfig":null,"versioning":"enabled","lifecycleRuleCount":3,"lifecycleRulesEnabled":2,"keys":[{{"accessKeyId":"{KEY}","name":"my-key","permissions":{{"read":true,"write":true,
        "owner":true}},"bucketLocalAliases":["mine"]}}],"objects":42,"bytes":1536000000,"unfinishedUploads":0,
        "unfinishedMultipartUploads":0,"unfinishedMultipartUploadParts":0,"unfinishedMultipartUploadBytes":0,
        "quotas":{{"maxSize":30000000000,"maxObjects":null}}}}"#
    );
    let key = format!(
        r#"{{"accessKeyId":"{KEY}","created":"2026-01-01T20:07:39.443Z","name":"my-key","expiration":null,
        "expired":false,"secretAccessKey":"f6636233","permissions":{{"createBucket":false}},"buckets":[{{"id":"{BUCKET}",
        "globalAliases":["photos"],"localAliases":["mine"],"permissions":{{"read":true,"write":false,"owner":false}}}}]}}"#
    );
    let layout = format!(
        r#"{{"version":1,"roles":[{{"id":"{NODE}","zone":"dc1","tags":["a"],"capacity":1000000000,
        "storedPartitions":256,"usableCapacity":999000000}}],"parameters":{{"zoneRedundancy":"maximum"}},
        "partitionSize":3900000,"stagedRoleChanges":[],"stagedParameters":null}}"#
    );
    let answer = match endpoint {
        "GetClusterStatus" => format!(
            r#"{{"layoutVersion":1,"nodes":[{{"id":"{NODE}","garageVersion":"0.1.0","addr":"127.0.0.1:3901",
            "hostname":"linuxbox","isUp":true,"lastSeenSecsAgo":null,"role":{role},"draining":false,
            "dataPartition":{{"available":500000000,"total":1000000000}},"metadataPartition":null}}]}}"#
        ),
        "GetClusterLayout" | "UpdateClusterLayout" | "RevertClusterLayout" => layout,
        "ApplyClusterLayout" => format!(r#"{{"message":["Done."],"layout":{layout}}}"#),
        "GetClusterHealth" => r#"{"status":"degraded","knownNodes":2,"connectedNodes":1,"storageNodes":2,
            "storageNodesOk":1,"storageNodesUp":1,"partitions":256,"partitionsQuorum":256,"partitionsAllOk":0,
            "reasons":["a node is away"]}"#
            .to_owned(),
        "GetNodeInfo" => format!(
            r#"{{"success":{{"{NODE}":{{"nodeId":"{NODE}","addr":"10.0.0.5:3901","garageVersion":"0.1.0",
            "garageFeatures":null,"rustVersion":"1.95","dbEngine":"fjall"}}}},"error":{{}}}}"#
        ),
        "ListBuckets" => format!(
            r#"[{{"id":"{BUCKET}","created":"2026-01-01T00:24:27.463Z","globalAliases":["photos"],
            "localAliases":[{{"accessKeyId":"{KEY}","alias":"mine"}}]}}]"#
        ),
        "ListKeys" => format!(
            r#"[{{"id":"{KEY}","name":"my-key","created":"2026-01-01T20:07:39.443Z","expiration":null,"expired":true}}]"#
        ),
        "ConnectClusterNodes" => r#"[{"success":true,"error":null}]"#.to_owned(),
        "CleanupIncompleteUploads" => r#"{"uploadsDeleted":3}"#.to_owned(),
        "ListWorkers"
        | "GetWorkerInfo"
        | "GetWorkerVariable"
        | "SetWorkerVariable"
        | "LaunchRepairOperation"
        | "ListBlockErrors"
        | "GetBlockInfo"
        | "RetryBlockResync"
        | "PurgeBlocks" => r#"{"success":{},"error":{}}"#.to_owned(),
        "DeleteBucket" | "DeleteKey" | "DeleteWebhook" => String::new(),
        "CreateWebhook" => WEBHOOK.to_owned(),
        "ListWebhooks" => format!("[{WEBHOOK}]"),
        "GetKeyInfo" | "CreateKey" | "ImportKey" | "UpdateKey" => key,
        "GetBucketInfo" | "CreateBucket" | "UpdateBucket" | "AllowBucketKey" | "DenyBucketKey"
        | "AddBucketAlias" | "RemoveBucketAlias" => bucket,
        other => return refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented", other),
    };
    (StatusCode::OK, answer)
}

/// An error as the admin API sends it.
pub fn refusal(status: StatusCode, code: &str, message: &str) -> (StatusCode, String) {
    let body = serde_json::json!({ "code": code, "message": message, "region": "garage", "path": "/" });
    (status, Value::to_string(&body))
}
