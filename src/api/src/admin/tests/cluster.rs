//! The cluster, its layout and its nodes.

use super::{Home, Proof};
use crate::admin::wire;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::Path;

/// As its worker does in the first moments: before, nobody knows what is lacking.
async fn read_queue(home: &Home) {
    home.model.blocks().run_due(home.world.env().clock.wall()).await.unwrap();
}

#[tokio::test]
async fn status_health_and_statistics_of_one_node() {
    let home = Home::new().await;
    read_queue(&home).await;
    let id = home.cluster.id().to_string();
    let status: wire::ClusterStatus =
        serde_json::from_value(home.ok("GetClusterStatus", Value::Null).await).unwrap();
    assert_eq!((status.layout_version, status.nodes.len()), (1, 1));
    let node = &status.nodes[0];
    assert_eq!((&node.id, node.is_up, node.draining), (&id, true, false));
    assert_eq!((node.hostname.as_deref(), node.addr.as_deref()), (Some("pc"), Some("127.0.0.1:3901")));
    let role = wire::NodeRole { zone: "home".to_owned(), tags: vec![], capacity: Some(1 << 30) };
    assert_eq!(node.role, Some(role));
    assert!(node.data_partition.is_some_and(|space| space.available > 0 && space.total >= space.available));
    assert!(node.metadata_partition.is_some());

    let zone = json!({
        "zone": "home", "copies": 1024, "copiesProven": 1024, "copiesUnknown": 0, "blocksLacking": 0,
        "blocksLackingIsExact": true, "bytesLacking": 0, "bytesToCome": 0, "secondsLeft": null, "until": null,
        "nodes": [{
            "id": id, "hostname": "pc", "isUp": true, "lastSeenSecsAgo": null, "copies": 1024, "copiesProven": 1024,
            "blocksLacking": 0, "blocksLackingIsExact": true, "bytesLacking": 0, "bytesToCome": 0, "secondsLeft": null,
            "disksGone": 0,
        }],
    });
    assert_eq!(serde_json::to_value(&status.zones).unwrap(), json!([zone]));

    let health = home.ok("GetClusterHealth", Value::Null).await;
    let expected = json!({
        "zones": [zone],
        "status": "healthy", "knownNodes": 1, "connectedNodes": 1, "storageNodes": 1, "storageNodesOk": 1,
        "storageNodesUp": 1, "partitions": 1024, "partitionsQuorum": 1024, "partitionsAllOk": 1024, "reasons": [], "webhooks": [],
        "safety": ["If the disk of this machine fails now, everything is lost: keep another copy."]
    });
    assert_eq!(health, expected);

    home.bucket("photos").await;
    let figures = home.ok("GetClusterStatistics", Value::Null).await;
    assert_eq!((&figures["bucketCount"], &figures["totalObjectCount"]), (&json!(1), &json!(0)));
    assert!(figures["freeform"].as_str().unwrap().contains("buckets"));

    let connected = home.ok("ConnectClusterNodes", json!(["abc@1.2.3.4:3901"])).await;
    assert_eq!(connected[0]["success"], false);
    assert!(connected[0]["error"].as_str().unwrap().contains("no part in a cluster"));
}

#[tokio::test]
async fn a_full_disk_is_degraded_and_says_what_is_full() {
    let home = Home::new().await;
    let disk = &home.world.disk;
    disk.set_capacity(1 << 40);
    let full = async || -> Vec<&str> {
        let health = home.ok("GetClusterHealth", Value::Null).await;
        let (status, text) = home.raw(Proof::None, Method::GET, "/health", Bytes::new()).await;
        assert_eq!(status, StatusCode::OK, "reads and deletes are served");
        let metrics = home.raw(Proof::None, Method::GET, "/metrics", Bytes::new()).await.1;
        let healthy = health["status"] == "healthy";
        assert_eq!(text.contains("attention"), !healthy);
        assert!(metrics.contains(&format!("cluster_healthy {}\n", u8::from(healthy))), "{metrics}");
        let reasons = health["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap());
        reasons
            .map(|reason| match reason {
                reason if reason.contains("the metadata disk of this node is full") => "metadata",
                reason if reason.contains("data is full") => "data",
                reason => panic!("{reason}"),
            })
            .collect()
    };
    assert!(full().await.is_empty());
    // Blocks keep 256 MiB free and metadata 64 MiB, so that deletes are still recorded.
    disk.occupy((1 << 40) - (200 << 20));
    assert_eq!(full().await, ["data"]);
    disk.occupy((1 << 40) - (60 << 20));
    assert_eq!(full().await, ["metadata", "data"]);
    disk.occupy(0);
    assert!(full().await.is_empty());
}

#[tokio::test]
async fn a_disk_that_is_gone_is_told_and_what_it_held_is_not_called_nothing() {
    let home = Home::new().await;
    let disk = &home.world.env().disk;
    let (marker, aside) = (Path::new("/data/garage-marker"), Path::new("/data/marker"));
    disk.rename(marker, aside).unwrap();
    let health = home.ok("GetClusterHealth", Value::Null).await;
    assert_eq!(health["status"], "unavailable", "there is no other disk");
    let reasons = health["reasons"].to_string();
    assert!(reasons.contains("no data folder of this node takes writes"), "{reasons}");
    assert!(reasons.contains("the disk of the data folder /data is gone"), "{reasons}");
    let zone = &health["zones"][0];
    assert_eq!((&zone["blocksLacking"], &zone["blocksLackingIsExact"]), (&json!(1), &json!(false)));
    assert_eq!((&zone["bytesToCome"], &zone["nodes"][0]["disksGone"]), (&Value::Null, &json!(1)));
    let metrics = home.raw(Proof::None, Method::GET, "/metrics", Bytes::new()).await.1;
    assert!(metrics.contains("garage_zone_blocks_lacking{zone=\"home\"} 1\n"), "{metrics}");
    assert!(!metrics.contains("garage_zone_bytes_to_come{"), "what is not known is left out");
    disk.rename(aside, marker).unwrap();
    home.model.blocks().look_at_disks(home.world.env().clock.wall()).await.unwrap();
    assert_eq!(home.ok("GetClusterHealth", Value::Null).await["status"], "healthy");
}

#[tokio::test]
async fn machines_are_answered_in_text() {
    let home = Home::new().await;
    read_queue(&home).await;
    let get = async |path: &str| home.raw(Proof::None, Method::GET, path, Bytes::new()).await;
    let (status, text) = get("/health").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.starts_with("Garage is fully operational\n"), "{text}");

    let id = home.bucket("site").await;
    assert_eq!(get("/check?domain=site").await.0, StatusCode::BAD_REQUEST);
    let site = json!({ "websiteAccess": { "enabled": true, "indexDocument": "index.html" } });
    home.ok(&format!("UpdateBucket?id={id}"), site).await;
    for domain in ["site", "site.web.example"] {
        assert_eq!(get(&format!("/check?domain={domain}")).await.0, StatusCode::OK, "{domain}");
    }
    home.bucket("photos").await;
    for domain in ["photos.s3.example", "site.s3.example", "SITE.web.example", "site.web.example."] {
        assert_eq!(get(&format!("/check?domain={domain}")).await.0, StatusCode::OK, "{domain}");
    }
    let strange =
        ["photos", "photos.web.example", "other.s3.example", "s3.example", "a.photos.s3.example", ""];
    for domain in strange {
        assert_eq!(get(&format!("/check?domain={domain}")).await.0, StatusCode::BAD_REQUEST, "{domain}");
    }
    for domain in ["other", "site.example", "web.example", ".web.example"] {
        assert_eq!(get(&format!("/check?domain={domain}")).await.0, StatusCode::BAD_REQUEST, "{domain}");
    }
    assert_eq!(get("/check").await.0, StatusCode::BAD_REQUEST);

    let (status, text) = get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        "cluster_healthy 1",
        "cluster_available 1",
        "garage_replication_factor 1",
        "cluster_partitions_all_ok 1024",
        "garage_zone_copies{zone=\"home\"} 1024",
        "garage_zone_copies_proven{zone=\"home\"} 1024",
        "garage_zone_blocks_lacking{zone=\"home\"} 0",
        "garage_zone_bytes_to_come{zone=\"home\"} 0",
        "table_size{table_name=\"bucket\"} 2",
        "block_resync_queue_length 0",
        "api_admin_request_counter{api_endpoint=\"Health\"} 1",
        "api_admin_error_counter{api_endpoint=\"CheckDomain\",status_code=\"400\"} 12",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("garage_build_info{version=\""));
    assert!(text.contains("garage_local_disk_avail{volume=\"data\"} "));
    check_exposition(&text);
}

/// Every line is a comment or `name{labels} number`, and every figure was begun before.
fn check_exposition(text: &str) {
    let mut begun = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert!(begun.insert(kind.split(' ').next().unwrap().to_owned()), "{line} twice");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().unwrap();
            let stem = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            assert!(begun.contains(name) || stem.is_some_and(|stem| begun.contains(stem)), "{line}");
        }
    }
}

#[tokio::test]
async fn a_layout_is_staged_previewed_applied_and_reverted() {
    let home = Home::new().await;
    let id = home.cluster.id().to_string();
    let shown = home.ok("GetClusterLayout", Value::Null).await;
    let role = json!({
        "id": id, "zone": "home", "tags": [], "capacity": 1 << 30, "storedPartitions": 1024, "usableCapacity": 1 << 30
    });
    let expected = json!({
        "version": 1, "roles": [role], "parameters": { "zoneRedundancy": "maximum" }, "partitionSize": 1 << 20,
        "replicationFactor": 1, "stagedRoleChanges": [], "stagedParameters": null
    });
    assert_eq!(shown, expected);

    let wish = json!({
        "roles": [{ "id": id, "zone": "cellar", "capacity": 2_u64 << 30, "tags": ["nas"] }],
        "parameters": { "zoneRedundancy": { "atLeast": 1 } }
    });
    let staged = home.ok("UpdateClusterLayout", wish).await;
    let change = json!([{ "id": id, "zone": "cellar", "capacity": 2_u64 << 30, "tags": ["nas"] }]);
    assert_eq!(staged["stagedRoleChanges"], change);
    assert_eq!(staged["stagedParameters"], json!({ "zoneRedundancy": { "atLeast": 1 } }));
    assert_eq!(staged["roles"], shown["roles"], "nothing has changed yet");

    let preview = home.ok("PreviewClusterLayoutChanges", Value::Null).await;
    assert_eq!(
        (&preview["newLayout"]["version"], &preview["newLayout"]["roles"][0]["zone"]),
        (&json!(2), &json!("cellar"))
    );
    let said = json!([
        "Layout version 2 keeps 1 of everything on 1 storage node.",
        "Each of 1024 partitions may hold 2.0 MB.",
    ]);
    assert_eq!(&preview["message"].as_array().unwrap()[..2], said.as_array().unwrap());
    let message = home.refused("ApplyClusterLayout", json!({ "version": 3 }), 400, "InvalidRequest").await;
    assert!(message.contains("is 2, not 3"), "{message}");
    let applied = home.ok("ApplyClusterLayout", json!({ "version": 2 })).await;
    assert_eq!(applied["layout"], preview["newLayout"]);
    assert_eq!(applied["message"], preview["message"]);
    assert_eq!(home.cluster.layout().current().number, 2);

    home.ok("UpdateClusterLayout", json!({ "roles": [{ "id": id, "remove": true }] })).await;
    let refused = home.ok("PreviewClusterLayoutChanges", Value::Null).await;
    assert!(refused["error"].as_str().unwrap().contains("at least one storage node"), "{refused}");
    let reverted = home.ok("RevertClusterLayout", Value::Null).await;
    assert_eq!(reverted["stagedRoleChanges"], json!([]));

    let history = home.ok("GetClusterLayoutHistory", Value::Null).await;
    assert_eq!((&history["currentVersion"], &history["minAck"]), (&json!(2), &json!(2)));
    let versions = json!([
        { "version": 2, "status": "Current", "storageNodes": 1, "gatewayNodes": 0 },
        { "version": 1, "status": "Historical", "storageNodes": 1, "gatewayNodes": 0 }
    ]);
    assert_eq!(history["versions"], versions);
    assert_eq!(history["updateTrackers"][&id], json!({ "ack": 2, "sync": 2, "syncAck": 2 }));
}

#[tokio::test]
async fn bad_layout_wishes_stage_nothing() {
    let home = Home::new().await;
    let id = home.cluster.id().to_string();
    let stranger = "ab".repeat(32);
    for role in [
        json!({ "id": "ab", "zone": "a", "capacity": 5000, "tags": [] }),
        json!({ "id": id }),
        json!({ "id": id, "remove": true, "zone": "a" }),
        json!({ "id": id, "zone": "", "capacity": 5000, "tags": [] }),
        json!({ "id": id, "zone": "a", "capacity": 10, "tags": [] }),
        json!({ "id": stranger, "remove": true }),
    ] {
        // The good change before the bad one is not staged either.
        let good = json!({ "id": stranger, "zone": "b", "capacity": null, "tags": [] });
        let roles = if role["id"] == stranger { json!([role]) } else { json!([good, role]) };
        home.refused("UpdateClusterLayout", json!({ "roles": roles }), 400, "InvalidRequest").await;
    }
    for redundancy in [
        json!({ "atLeast": 0 }),
        json!({ "atLeast": 2 }),
        json!({ "atLeast": 4 }),
        json!("much"),
        json!({ "atLeast": 300 }),
    ] {
        let wish = json!({ "parameters": { "zoneRedundancy": redundancy } });
        home.refused("UpdateClusterLayout", wish, 400, "InvalidRequest").await;
    }
    let wish = json!({ "parameters": { "zoneRedundancy": "maximum", "replicationFactor": 9 } });
    home.refused("UpdateClusterLayout", wish, 400, "InvalidRequest").await;
    assert!(home.cluster.layout().staged().is_empty());
}

#[tokio::test]
async fn node_endpoints_answer_by_node() {
    let home = Home::new().await;
    let id = home.cluster.id().to_string();
    let stranger = "ab".repeat(32);
    for node in ["self", "*", &id] {
        let info = home.ok(&format!("GetNodeInfo?node={node}"), Value::Null).await;
        assert_eq!(info["error"], json!({}));
        assert_eq!(info["success"][&id]["nodeId"], id);
        assert!(info["success"][&id]["dbEngine"].as_str().unwrap().contains("redb"));
    }
    let other = home.ok(&format!("GetNodeInfo?node={stranger}"), Value::Null).await;
    assert_eq!(other["success"], json!({}));
    assert!(other["error"][&stranger].is_string());
    home.refused("GetNodeInfo?node=me", Value::Null, 400, "InvalidRequest").await;
    home.refused("GetNodeInfo", Value::Null, 400, "InvalidRequest").await;

    let figures = home.ok("GetNodeStatistics?node=self", Value::Null).await;
    assert!(figures["success"][&id]["freeform"].as_str().unwrap().contains("blocks to look at"));

    let workers = home.ok("ListWorkers?node=self", json!({})).await;
    assert_eq!(workers["success"][&id].as_array().unwrap().len(), 7);
    let busy = home.ok("ListWorkers?node=self", json!({ "busyOnly": true })).await;
    assert_eq!(busy["success"][&id], json!([]));
    let scrub = home.ok("GetWorkerInfo?node=self", json!({ "id": 2 })).await;
    assert_eq!(scrub["success"][&id]["state"], "idle");
    let none = home.ok("GetWorkerInfo?node=self", json!({ "id": 99 })).await;
    assert!(none["error"][&id].as_str().unwrap().contains("no worker 99"));

    home.ok("LaunchRepairOperation?node=self", json!({ "repairType": { "scrub": "start" } })).await;
    let scrub = home.ok("GetWorkerInfo?node=self", json!({ "id": 2 })).await;
    assert_eq!(scrub["success"][&id]["state"], "busy");
    let errors = home.ok("ListBlockErrors?node=self", Value::Null).await;
    assert_eq!(errors["success"][&id], json!([]));
    let retried = home.ok("RetryBlockResync?node=self", json!({ "all": true })).await;
    assert_eq!(retried["success"][&id], json!({ "count": 0 }));
    let one = json!({ "blockHashes": ["ab".repeat(32)] });
    assert_eq!(home.ok("RetryBlockResync?node=*", one).await["success"][&id]["count"], 0);
    let bad = json!({ "blockHashes": ["ab"] });
    home.refused("RetryBlockResync?node=self", bad, 400, "InvalidRequest").await;
}
