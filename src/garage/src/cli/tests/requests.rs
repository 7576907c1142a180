//! Which requests a command line makes.

use super::super::error::CliError;
use super::{BUCKET, KEY, NODE, one_of_each, refusal, run};
use http::StatusCode;

/// Command lines, each with the requests it makes.
type Cases = Vec<(&'static str, Vec<String>)>;

fn check(cases: Cases) {
    for (line, requests) in cases {
        let outcome = run(line, one_of_each);
        assert!(outcome.report.is_ok(), "{line}: {}", outcome.text());
        assert_eq!(outcome.requests, requests, "{line}");
    }
}

fn find_bucket() -> String {
    "GET /v2/GetBucketInfo?search=photos".to_owned()
}

fn find_key() -> String {
    "GET /v2/GetKeyInfo?search=my-key&showSecretKey=false".to_owned()
}

#[test]
fn the_cluster() {
    let layout = "GET /v2/GetClusterLayout".to_owned();
    let status = "GET /v2/GetClusterStatus".to_owned();
    let update_layout = |body: &str| format!("POST /v2/UpdateClusterLayout {body}");
    let role = |capacity: &str, tag: &str| {
        let role = format!(r#"{{"capacity":{capacity}"id":"{NODE}","tags":["{tag}"],"zone":"dc2"}}"#);
        update_layout(&format!(r#"{{"parameters":null,"roles":[{role}]}}"#))
    };
    check(vec![
        ("status", vec![status.clone()]),
        ("node id -q", vec!["GET /v2/GetNodeInfo?node=self".into()]),
        ("node connect 563e@h:3901", vec![r#"POST /v2/ConnectClusterNodes ["563e@h:3901"]"#.into()]),
        ("health -q", vec!["GET /v2/GetClusterHealth".into()]),
        (
            "worker list -b",
            vec![r#"POST /v2/ListWorkers?node=self {"busyOnly":true,"errorOnly":false}"#.into()],
        ),
        (
            "worker list -a",
            vec![r#"POST /v2/ListWorkers?node=%2A {"busyOnly":false,"errorOnly":false}"#.into()],
        ),
        (
            "worker info 4 --node 563e",
            vec![status.clone(), format!(r#"POST /v2/GetWorkerInfo?node={NODE} {{"id":4}}"#)],
        ),
        ("worker info 4", vec![r#"POST /v2/GetWorkerInfo?node=self {"id":4}"#.into()]),
        (
            "layout assign -z dc2 -c 1G -t T 563e",
            vec![layout.clone(), status.clone(), role("1000000000,", "T")],
        ),
        (
            "layout assign 563e1ac825ee3323 -t T -c 1GB -z dc2",
            vec![layout.clone(), status.clone(), role("1000000000,", "T")],
        ),
        (
            "layout assign -z dc2 -c 500Gi 563e",
            vec![layout.clone(), status.clone(), role("536870912000,", "a")],
        ),
        (
            "layout assign -g -z dc2 563e",
            vec![layout.clone(), status.clone(), role("", "a").replace(r#""capacity":"#, "")],
        ),
        (
            "layout remove 563e",
            vec![
                layout.clone(),
                status,
                update_layout(&format!(r#"{{"parameters":null,"roles":[{{"id":"{NODE}","remove":true}}]}}"#)),
            ],
        ),
        (
            "layout config -r 2",
            vec![update_layout(r#"{"parameters":{"zoneRedundancy":{"atLeast":2}},"roles":[]}"#)],
        ),
        (
            "layout config -r maximum",
            vec![update_layout(r#"{"parameters":{"zoneRedundancy":"maximum"},"roles":[]}"#)],
        ),
        ("layout show", vec![layout]),
        ("layout apply --version 2", vec![r#"POST /v2/ApplyClusterLayout {"version":2}"#.into()]),
        ("layout revert --yes", vec!["POST /v2/RevertClusterLayout {}".into()]),
    ]);
}

#[test]
fn background_work() {
    let get = |node: &str, body: &str| format!("POST /v2/GetWorkerVariable?node={node} {body}");
    let launch = |node: &str, what: &str| {
        format!(r#"POST /v2/LaunchRepairOperation?node={node} {{"repairType":{what}}}"#)
    };
    let hash = "ab".repeat(32);
    check(vec![
        ("worker get -a", vec![get("%2A", r#"{"variable":null}"#)]),
        ("worker get scrub-next-run", vec![get("self", r#"{"variable":"scrub-next-run"}"#)]),
        (
            "worker set -a resync-tranquility 4",
            vec![
                r#"POST /v2/SetWorkerVariable?node=%2A {"value":"4","variable":"resync-tranquility"}"#.into(),
            ],
        ),
        (
            "worker set -a copy-rate 2.5M",
            vec![r#"POST /v2/SetWorkerVariable?node=%2A {"value":"2500000","variable":"copy-rate"}"#.into()],
        ),
        (
            "worker set copy-rate unlimited",
            vec![
                r#"POST /v2/SetWorkerVariable?node=self {"value":"unlimited","variable":"copy-rate"}"#.into(),
            ],
        ),
        ("repair -a --yes scrub start", vec![launch("%2A", r#"{"scrub":"start"}"#)]),
        ("repair --yes scrub cancel", vec![launch("self", r#"{"scrub":"cancel"}"#)]),
        ("repair --all-nodes --yes tables", vec![launch("%2A", r#""tables""#)]),
        ("repair --yes mpu", vec![launch("self", r#""multipartUploads""#)]),
        ("repair --yes block-rc", vec![launch("self", r#""blockRc""#)]),
        ("repair --yes clear-resync-queue", vec![launch("self", r#""clearResyncQueue""#)]),
        ("block list-errors -a", vec!["GET /v2/ListBlockErrors?node=%2A".into()]),
        ("block info abcd", vec![r#"POST /v2/GetBlockInfo?node=self {"blockHash":"abcd"}"#.into()]),
        (
            "block retry-now --all",
            vec![r#"POST /v2/RetryBlockResync?node=self {"all":true,"blockHashes":[]}"#.into()],
        ),
        (
            "block purge --yes abababababababababababababababababababababababababababababababab",
            vec![
                format!(r#"POST /v2/GetBlockInfo?node=%2A {{"blockHash":"{hash}"}}"#),
                format!(r#"POST /v2/PurgeBlocks?node=self ["{hash}"]"#),
            ],
        ),
    ]);
    let purge = format!("block purge {hash}");
    for line in ["repair scrub start", &purge] {
        let outcome = run(line, one_of_each);
        assert!(matches!(outcome.report, Err(CliError::NeedsYes { .. })), "{line}: {}", outcome.text());
        assert!(
            !outcome.requests.iter().any(|request| request.contains("Purge") || request.contains("Launch"))
        );
    }
    let outcome = run("worker set scrub-tranqulity 2", one_of_each);
    assert!(outcome.text().ends_with("Did you mean `scrub-tranquility`?\n"), "{}", outcome.text());
    assert!(outcome.requests.is_empty());
}

#[test]
fn buckets() {
    let grant = |name: &str, rights: &str| {
        format!(
            r#"POST /v2/{name} {{"accessKeyId":"{KEY}","bucketId":"{BUCKET}","permissions":{{{rights}}}}}"#
        )
    };
    let change_bucket = |body: &str| format!("POST /v2/UpdateBucket?id={BUCKET} {body}");
    check(vec![
        ("bucket list", vec!["GET /v2/ListBuckets".into()]),
        ("bucket info photos", vec![find_bucket()]),
        (
            "bucket create photos",
            vec![r#"POST /v2/CreateBucket {"globalAlias":"photos","localAlias":null}"#.into()],
        ),
        (
            "bucket delete --yes photos",
            vec![find_bucket(), format!("POST /v2/DeleteBucket?id={BUCKET} {{}}")],
        ),
        (
            "bucket alias photos pictures",
            vec![
                find_bucket(),
                format!(r#"POST /v2/AddBucketAlias {{"bucketId":"{BUCKET}","globalAlias":"pictures"}}"#),
            ],
        ),
        (
            "bucket alias --local my-key photos mine",
            vec![
                find_bucket(),
                find_key(),
                format!(
                    r#"POST /v2/AddBucketAlias {{"accessKeyId":"{KEY}","bucketId":"{BUCKET}","localAlias":"mine"}}"#
                ),
            ],
        ),
        (
            "bucket unalias --local my-key mine",
            vec![
                find_key(),
                format!(
                    r#"POST /v2/RemoveBucketAlias {{"accessKeyId":"{KEY}","bucketId":"{BUCKET}","localAlias":"mine"}}"#
                ),
            ],
        ),
        (
            "bucket allow --read --write --owner photos --key my-key",
            vec![
                find_bucket(),
                find_key(),
                grant("AllowBucketKey", r#""owner":true,"read":true,"write":true"#),
            ],
        ),
        (
            "bucket deny photos --write --key my-key",
            vec![
                find_bucket(),
                find_key(),
                grant("DenyBucketKey", r#""owner":false,"read":false,"write":true"#),
            ],
        ),
        (
            "bucket website --allow -e 404.html photos",
            vec![
                find_bucket(),
                change_bucket(
                    r#"{"quotas":null,"websiteAccess":{"enabled":true,"errorDocument":"404.html","indexDocument":"index.html"}}"#,
                ),
            ],
        ),
        (
            "bucket website --deny photos",
            vec![
                find_bucket(),
                change_bucket(
                    r#"{"quotas":null,"websiteAccess":{"enabled":false,"errorDocument":null,"indexDocument":null}}"#,
                ),
            ],
        ),
        (
            "bucket versioning photos --suspend",
            vec![
                find_bucket(),
                change_bucket(r#"{"quotas":null,"versioning":"suspended","websiteAccess":null}"#),
            ],
        ),
        ("bucket lifecycle photos", vec![find_bucket()]),
        (
            "bucket lifecycle --none photos",
            vec![find_bucket(), change_bucket(r#"{"lifecycleRules":[],"quotas":null,"websiteAccess":null}"#)],
        ),
        ("bucket policy photos", vec![find_bucket()]),
        (
            "bucket policy photos --none",
            vec![find_bucket(), change_bucket(r#"{"policy":"","quotas":null,"websiteAccess":null}"#)],
        ),
        (
            "bucket cors --none photos",
            vec![find_bucket(), change_bucket(r#"{"corsRules":[],"quotas":null,"websiteAccess":null}"#)],
        ),
        (
            "bucket encryption --none photos",
            vec![find_bucket(), change_bucket(r#"{"encryption":{},"quotas":null,"websiteAccess":null}"#)],
        ),
        (
            "bucket lock --none photos",
            vec![find_bucket(), change_bucket(r#"{"objectLock":{},"quotas":null,"websiteAccess":null}"#)],
        ),
        (
            "bucket public-access photos --none",
            vec![
                find_bucket(),
                change_bucket(r#"{"publicAccessBlock":{},"quotas":null,"websiteAccess":null}"#),
            ],
        ),
        (
            "bucket set-quotas photos --max-objects 10",
            vec![
                find_bucket(),
                change_bucket(r#"{"quotas":{"maxObjects":10,"maxSize":30000000000},"websiteAccess":null}"#),
            ],
        ),
        (
            "bucket set-quotas photos --max-size none",
            vec![
                find_bucket(),
                change_bucket(r#"{"quotas":{"maxObjects":null,"maxSize":null},"websiteAccess":null}"#),
            ],
        ),
        (
            "bucket cleanup-incomplete-uploads --older-than 1h photos",
            vec![
                find_bucket(),
                format!(
                    r#"POST /v2/CleanupIncompleteUploads {{"bucketId":"{BUCKET}","olderThanSecs":3600}}"#
                ),
            ],
        ),
    ]);
}

#[test]
fn keys() {
    let change_key = |body: &str| format!("POST /v2/UpdateKey?id={KEY} {body}");
    check(vec![
        ("key list", vec!["GET /v2/ListKeys".into()]),
        ("key info my-key", vec![find_key()]),
        ("key info my-key --show-secret", vec!["GET /v2/GetKeyInfo?search=my-key&showSecretKey=true".into()]),
        ("key info GK101dd383", vec!["GET /v2/GetKeyInfo?search=GK101dd383&showSecretKey=false".into()]),
        (
            "key create 'my key'",
            vec![r#"POST /v2/CreateKey {"allow":null,"deny":null,"expiration":null,"name":"my key","neverExpires":false}"#.into()],
        ),
        (
            "key create k --expires-in 1d",
            vec![r#"POST /v2/CreateKey {"allow":null,"deny":null,"expiration":"2026-01-03T03:04:05.678Z","name":"k","neverExpires":false}"#.into()],
        ),
        (
            "key import --yes -n n GKabc secret-of-it",
            vec![r#"POST /v2/ImportKey {"accessKeyId":"GKabc","name":"n","secretAccessKey":"secret-of-it"}"#.into()],
        ),
        (
            "key rename my-key other",
            vec![find_key(), change_key(r#"{"allow":null,"deny":null,"expiration":null,"name":"other","neverExpires":false}"#)],
        ),
        (
            "key allow --create-bucket my-key",
            vec![find_key(), change_key(r#"{"allow":{"createBucket":true},"deny":null,"expiration":null,"name":null,"neverExpires":false}"#)],
        ),
        (
            "key set my-key --never-expires",
            vec![find_key(), change_key(r#"{"allow":null,"deny":null,"expiration":null,"name":null,"neverExpires":true}"#)],
        ),
        ("key delete --yes my-key", vec![find_key(), format!("POST /v2/DeleteKey?id={KEY} {{}}")]),
        ("key delete-expired --yes", vec!["GET /v2/ListKeys".into(), format!("POST /v2/DeleteKey?id={KEY} {{}}")]),
    ]);
}

#[test]
fn webhooks() {
    check(vec![
        ("webhook list", vec!["GET /v2/ListWebhooks".into()]),
        (
            "webhook create hook http://a:1/x",
            vec![r#"POST /v2/CreateWebhook {"name":"hook","token":null,"url":"http://a:1/x"}"#.into()],
        ),
        ("webhook delete --yes hook", vec!["POST /v2/DeleteWebhook?name=hook {}".into()]),
    ]);
}

#[test]
fn any_endpoint() {
    check(vec![
        ("json-api GetClusterHealth", vec!["GET /v2/GetClusterHealth".into()]),
        (
            r#"json-api GetBucketInfo '{"globalAlias":"a b&c"}'"#,
            vec!["GET /v2/GetBucketInfo?globalAlias=a%20b%26c".into()],
        ),
        (r#"json-api DeleteKey '{"id":"GK1"}'"#, vec!["POST /v2/DeleteKey?id=GK1 {}".into()]),
    ]);
}

#[test]
fn without_a_yes_nothing_is_sent_that_destroys() {
    for line in [
        "bucket delete photos",
        "webhook delete hook",
        "key delete my-key",
        "key delete-expired",
        "layout revert",
    ] {
        let outcome = run(line, one_of_each);
        assert!(matches!(outcome.report, Err(CliError::NeedsYes { .. })), "{line}");
        assert!(outcome.requests.iter().all(|request| request.starts_with("GET ")), "{line}");
    }
}

#[test]
fn the_beginning_of_a_name_is_not_the_name() {
    // The node takes `phot` for `photos`; a script that asks whether `phot` exists must not.
    for (line, hint) in [
        ("bucket info phot", "there is no bucket `phot`\nDid you mean `photos`?"),
        ("bucket delete --yes phot", "there is no bucket `phot`\nDid you mean `photos`?"),
        ("key info my-kye", "there is no access key `my-kye`\nDid you mean `my-key`?"),
        ("key delete --yes GK1", "there is no access key `GK1`\nDid you mean `GK101dd383fa8d8dd14f780cb3`?"),
        (
            "bucket allow photos --read --key nobody",
            "there is no access key `nobody`\nTo see all:  garage key list",
        ),
        ("layout remove 123", "there is no node `123`\nTo see all:  garage status"),
    ] {
        let outcome = run(line, one_of_each);
        assert_eq!(outcome.text(), format!("Error: {hint}\n"), "{line}");
        assert!(outcome.requests.iter().all(|request| request.starts_with("GET ")), "{line}");
    }
}

#[test]
fn refusals_of_the_node_are_shown_as_they_are() {
    let outcome = run("bucket create photos", |_| {
        refusal(StatusCode::CONFLICT, "BucketAlreadyExists", "the name is taken")
    });
    assert_eq!(outcome.text(), "Error: the name is taken\n");
    let outcome = run("status", |_| (StatusCode::BAD_GATEWAY, "<h1>proxy</h1>".to_owned()));
    assert_eq!(outcome.text(), "Error: the node answered 502 Bad Gateway: <h1>proxy</h1>\n");
    let outcome = run("status", |_| (StatusCode::OK, "{}".to_owned()));
    assert!(matches!(outcome.report, Err(CliError::Unreadable { .. })));
    let outcome = run("status", |_| (StatusCode::OK, "not json".to_owned()));
    assert!(matches!(outcome.report, Err(CliError::Unreadable { .. })));
    let outcome = run("layout apply", one_of_each);
    assert!(outcome.text().contains("garage layout apply --version 2"));
}
