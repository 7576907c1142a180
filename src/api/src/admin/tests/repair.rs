//! What an operator starts, and the settings of background work.

use super::Home;
use super::objects::put;
use base::BlockHash;
use block::record::RefCount;
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Intent, Space, StoreError, Txn};

async fn launch(home: &Home, what: Value) -> String {
    let answer = home.ok("LaunchRepairOperation?node=self", json!({ "repairType": what })).await;
    assert_eq!(answer["error"], json!({}));
    answer["success"][home.cluster.id().to_string()]["message"].as_str().expect("a sentence").to_owned()
}

async fn worker(home: &Home, id: u64) -> Value {
    let answer = home.ok("GetWorkerInfo?node=self", json!({ "id": id })).await;
    answer["success"][home.cluster.id().to_string()].clone()
}

#[tokio::test]
async fn each_repair_is_started_or_says_why_not() {
    let home = Home::new().await;
    assert!(launch(&home, json!("tables")).await.contains("Every row is looked at"));
    for what in ["versions", "blockRefs", "multipartUploads", "aliases", "rebalance", "clearResyncQueue"] {
        let said = launch(&home, json!(what)).await;
        let starts_nothing =
            ["Nothing", "The queue was not emptied"].iter().any(|word| said.starts_with(word));
        assert!(starts_nothing && said.ends_with('.'), "{what}: {said}");
    }
    assert!(launch(&home, json!("blocks")).await.contains("is looked for"));
    for (command, state) in [
        ("start", "checking every file"),
        ("pause", "paused"),
        ("resume", "checking every file"),
        ("cancel", "waiting"),
    ] {
        launch(&home, json!({ "scrub": command })).await;
        let said = worker(&home, 2).await;
        assert!(said["freeform"][0].as_str().unwrap().starts_with(state), "{command}: {said}");
    }
    let wrong = json!({ "repairType": "everything" });
    home.refused("LaunchRepairOperation?node=self", wrong, 400, "InvalidRequest").await;
}

/// Sets the count of a block to what it is not, or takes its row away.
async fn miscount(home: &Home, hash: &BlockHash, row: Option<RefCount>) {
    let key = [b"b", hash.as_bytes().as_slice()].concat();
    let work = move |txn: &mut Txn<'_>| {
        match &row {
            Some(row) => txn.put(Space::RefCount, key, row),
            None => txn.delete(Space::RefCount, key),
        }
        Ok::<(), StoreError>(())
    };
    home.model.store().commit(Intent::Free, work).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn references_that_were_counted_wrongly_are_counted_anew() {
    let home = Home::new().await;
    let _worker = home.model.spawn_recounting();
    let bucket = home.bucket("photos").await;
    let mut hashes = Vec::new();
    for number in 0..70_u16 {
        let content = Bytes::from([number.to_be_bytes().as_slice(), &[7; 100_000]].concat());
        put(&home, &bucket, &format!("{number}"), &content).await;
        hashes.push(BlockHash::of(&content));
    }
    let count = |hash: &BlockHash| home.model.blocks().reference_count(hash).unwrap();
    let stray = BlockHash::of(b"nobody refers to it");
    miscount(&home, &hashes[3], Some(RefCount { count: 7, stored_bytes: 5, zero_since: None })).await;
    miscount(&home, &hashes[65], None).await;
    miscount(&home, &stray, Some(RefCount { count: 1, stored_bytes: 5, zero_since: None })).await;
    assert_eq!((count(&hashes[3]), count(&hashes[65]), count(&stray)), (7, 0, 1));

    assert!(launch(&home, json!("blockRc")).await.contains("counted anew"));
    let ends = async {
        while home.model.recount_figures().is_running {
            env::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(env::timeout(Duration::from_secs(60), ends).await.is_some());
    let figures = home.model.recount_figures();
    assert_eq!((figures.blocks, figures.corrected, figures.failure), (71, 3, None));
    assert!(hashes.iter().all(|hash| count(hash) == 1));
    assert_eq!(count(&stray), 0);
    let said = worker(&home, 5).await;
    assert_eq!((&said["state"], &said["persistentErrors"]), (&json!("idle"), &json!(3)));
}

#[tokio::test]
async fn variables_are_shown_and_two_are_set() {
    let home = Home::new().await;
    let id = home.cluster.id().to_string();
    let get = async |body: Value| home.ok("GetWorkerVariable?node=self", body).await["success"][&id].clone();
    let all = get(Value::Null).await;
    let expected = json!({
        "copy-rate": "unlimited", "copy-rate-reached": "never", "lifecycle-last-completed": "never", "resync-tranquility": "2", "scrub-corruptions_detected": "0",
        "scrub-last-completed": "never", "scrub-next-run": "never", "scrub-tranquility": "2"
    });
    assert_eq!(all, expected);

    let set = json!({ "variable": "scrub-tranquility", "value": "30" });
    assert_eq!(home.ok("SetWorkerVariable?node=*", set.clone()).await["success"][&id], set);
    let set = json!({ "variable": "resync-tranquility", "value": "0" });
    home.ok("SetWorkerVariable?node=self", set).await;
    let pace = home.model.blocks().pace().unwrap();
    assert_eq!((pace.scrub, pace.resync), (30, 0));
    let one = get(json!({ "variable": "scrub-tranquility" })).await;
    assert_eq!(one, json!({ "scrub-tranquility": "30" }));
    assert_eq!(
        (&worker(&home, 1).await["tranquility"], &worker(&home, 2).await["tranquility"]),
        (&json!(0), &json!(30))
    );

    for (value, limit) in [("2500000", Some(2_500_000)), ("unlimited", None), ("10000", Some(10_000))] {
        let set = json!({ "variable": "copy-rate", "value": value });
        assert_eq!(home.ok("SetWorkerVariable?node=*", set.clone()).await["success"][&id], set);
        assert_eq!(home.model.copy_speed().limit, limit);
        assert_eq!(get(json!({ "variable": "copy-rate" })).await, json!({ "copy-rate": value }));
    }

    for (variable, value, word) in [
        ("copy-rate", "9999", "10000 or more, or unlimited"),
        ("copy-rate", "5M", "bytes per second"),
        ("copy-rate", "", "bytes per second"),
        ("copy-rate-reached", "1", "can be read only"),
        ("scrub-tranquility", "101", "from 0 to 100"),
        ("scrub-tranquility", "-1", "from 0 to 100"),
        ("scrub-tranquility", "fast", "from 0 to 100"),
        ("scrub-next-run", "now", "can be read only"),
        ("scrub-tranquilty", "2", "no worker variable"),
    ] {
        let body = json!({ "variable": variable, "value": value });
        let said = home.refused("SetWorkerVariable?node=self", body, 400, "InvalidRequest").await;
        assert!(said.contains(word), "{said}");
    }
    let unknown = json!({ "variable": "tranquility" });
    home.refused("GetWorkerVariable?node=self", unknown, 400, "InvalidRequest").await;
}
