//! Single blocks: what is shown of them, and what is deleted when one is lost.

use super::Home;
use super::objects::{begin_upload, put, put_part};
use base::BlockHash;
use base::limits::BLOCK_SIZE_BYTES;
use bytes::Bytes;
use env::Clock as _;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A block of bytes that are like no other's.
fn content(number: u8) -> Bytes {
    Bytes::from(vec![number; 100_000])
}

/// Where the file of a block is.
fn file_of(home: &Home, hash: &BlockHash) -> Option<PathBuf> {
    let (name, disk) = (hash.to_string(), home.world.env().disk);
    let folder = PathBuf::from("/data/blocks").join(&name[..2]);
    let places = ["", ".zst"].map(|form| folder.join(format!("{name}{form}")));
    places.into_iter().find(|place| disk.exists(place).unwrap())
}

fn lose(home: &Home, hash: &BlockHash) {
    let place = file_of(home, hash).expect("a file");
    home.world.env().disk.remove_file(&place).unwrap();
}

async fn info(home: &Home, hash: &str) -> Value {
    let answer = home.ok("GetBlockInfo?node=self", json!({ "blockHash": hash })).await;
    answer["success"][home.cluster.id().to_string()].clone()
}

async fn purge(home: &Home, hash: &BlockHash) -> Value {
    let answer = home.ok("PurgeBlocks?node=self", json!([hash.to_string()])).await;
    answer["success"][home.cluster.id().to_string()].clone()
}

#[tokio::test]
async fn a_block_names_the_objects_that_need_it() {
    let home = Home::new().await;
    let id = home.cluster.id().to_string();
    let bucket = home.bucket("photos").await;
    put(&home, &bucket, "a/b", &content(1)).await;
    let whole: Vec<u8> = (0..BLOCK_SIZE_BYTES).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let first = BlockHash::of(&whole);
    put(&home, &bucket, "large", &Bytes::from([whole.as_slice(), &[9; 100_000]].concat())).await;
    put(&home, &bucket, "large again", &Bytes::from(whole)).await;
    let upload = begin_upload(&home, &bucket, "begun").await;
    put_part(&home, &upload, 1, content(1)).await;

    let hash = BlockHash::of(&content(1)).to_string();
    let shown = info(&home, &hash[..8]).await;
    assert_eq!(
        (&shown["blockHash"], &shown["refcount"], &shown["presence"]),
        (&json!(hash), &json!(2), &json!("here"))
    );
    let of = |kind: &str| {
        let versions = shown["versions"].as_array().unwrap();
        versions.iter().find(|version| version["backlink"][kind].is_object()).unwrap()["backlink"][kind]
            .clone()
    };
    let object = of("object");
    assert_eq!(
        (&object["bucket"], &object["key"], &object["version"]),
        (&json!("photos"), &json!("a/b"), &json!("null"))
    );
    assert_eq!(
        (&of("upload")["uploadId"], &of("upload")["key"]),
        (&json!(upload.id.to_string()), &json!("begun"))
    );
    let shared = info(&home, &first.to_string()).await;
    assert_eq!((&shared["refcount"], shared["versions"].as_array().unwrap().len()), (&json!(2), 2));

    for (hash, why) in [("abcdefg", 400), ("", 400), (&"0".repeat(65), 400)] {
        home.refused("GetBlockInfo?node=self", json!({ "blockHash": hash }), why, "InvalidRequest").await;
    }
    let unknown = home.ok("GetBlockInfo?node=self", json!({ "blockHash": "0123456789" })).await;
    assert!(unknown["error"][&id].as_str().unwrap().contains("begins with `0123456789`"), "{unknown}");
    let unknown = info(&home, &"01".repeat(32)).await;
    assert_eq!((&unknown["refcount"], &unknown["presence"]), (&json!(0), &json!("missing")));
}

#[tokio::test]
async fn a_beginning_that_fits_several_blocks_is_refused() {
    let home = Home::new().await;
    let bucket = home.bucket("photos").await;
    for number in 0..40 {
        put(&home, &bucket, &number.to_string(), &content(number)).await;
    }
    // Of forty hashes some two begin with the same digit.
    let hashes: Vec<String> = (0..40).map(|number| BlockHash::of(&content(number)).to_string()).collect();
    let digit = |hash: &String| hash[..1].to_owned();
    let twice =
        hashes.iter().find(|one| hashes.iter().filter(|other| digit(other) == digit(one)).count() > 1);
    let prefix = digit(twice.unwrap());
    let said =
        home.refused("GetBlockInfo?node=self", json!({ "blockHash": prefix }), 400, "InvalidRequest").await;
    assert!(said.contains("fits more than one") && said.contains(twice.unwrap().as_str()), "{said}");
    for hash in &hashes {
        assert_eq!(info(&home, &hash[..12]).await["blockHash"], *hash);
    }
}

#[tokio::test]
async fn a_lost_block_is_listed_with_when_it_was_looked_for() {
    let home = Home::new().await;
    let id = home.cluster.id().to_string();
    let bucket = home.bucket("photos").await;
    put(&home, &bucket, "a", &content(1)).await;
    let hash = BlockHash::of(&content(1));
    lose(&home, &hash);
    let blocks = home.model.blocks();
    blocks.start_audit().await.unwrap();
    let start = home.world.clock.wall();
    blocks.audit_step(start).await.unwrap();
    assert_eq!(blocks.run_due(start).await.unwrap().missing, [hash]);
    home.world.clock.jump(3_600_000);
    blocks.run_due(home.world.clock.wall()).await.unwrap();
    home.world.clock.jump(4_000);
    let listed = home.ok("ListBlockErrors?node=self", Value::Null).await["success"][&id].clone();
    let expected = json!([{
        "blockHash": hash.to_string(), "refcount": 1, "errorCount": 2, "lastTrySecsAgo": 4, "missingForSecs": 3604,
        "nextTryInSecs": 6
    }]);
    assert_eq!(listed, expected);
    let retried = home.ok("RetryBlockResync?node=self", json!({ "blockHashes": [hash.to_string()] })).await;
    assert_eq!(retried["success"][&id]["count"], 1);
}

#[tokio::test]
async fn only_what_needs_a_block_that_is_surely_lost_is_deleted() {
    let home = Home::new().await;
    let bucket = home.bucket("photos").await;
    for key in ["a", "b"] {
        put(&home, &bucket, key, &content(1)).await;
    }
    put(&home, &bucket, "other", &content(2)).await;
    let upload = begin_upload(&home, &bucket, "begun").await;
    put_part(&home, &upload, 1, content(1)).await;
    let hash = BlockHash::of(&content(1));
    let refused = async |why: &str| {
        let said =
            home.refused("PurgeBlocks?node=self", json!([hash.to_string()]), 400, "InvalidRequest").await;
        assert!(said.starts_with("nothing was deleted: ") && said.contains(why), "{said}");
    };
    refused("has the block").await;
    // A file whose bytes are wrong may have been misread.
    let place = file_of(&home, &hash).unwrap();
    let good = env::read_file(home.world.env().disk.as_ref(), &place).unwrap().unwrap();
    env::write_file_durably(home.world.env().disk.as_ref(), &place, &good[..good.len() / 2]).unwrap();
    refused("damaged file").await;
    lose(&home, &hash);
    // Whoever writes it again brings the block back.
    put(&home, &bucket, "b", &content(1)).await;
    refused("has the block").await;
    lose(&home, &hash);

    let purged = purge(&home, &hash).await;
    let expected =
        json!({ "blocksPurged": 1, "objectsDeleted": 2, "uploadsDeleted": 1, "versionsDeleted": 3 });
    assert_eq!(purged, expected);
    let left = home.ok(&format!("GetBucketInfo?id={bucket}"), Value::Null).await;
    assert_eq!((&left["objects"], &left["unfinishedUploads"]), (&json!(1), &json!(0)));
    while home.model.reclaim_step().await.unwrap().done > 0 {}
    assert_eq!(info(&home, &hash.to_string()).await["refcount"], 0);
    assert_eq!(purge(&home, &hash).await["objectsDeleted"], 0);
    home.refused("PurgeBlocks?node=self", json!(["ab"]), 400, "InvalidRequest").await;
}

#[tokio::test]
async fn the_null_version_of_a_bucket_whose_versions_are_suspended_is_purged_with_its_body() {
    let home = Home::new().await;
    let bucket = home.bucket("photos").await;
    let suspend = json!({ "versioning": "suspended" });
    home.ok(&format!("UpdateBucket?id={bucket}"), suspend).await;
    for key in ["lost", "written again"] {
        put(&home, &bucket, key, &content(1)).await;
    }
    put(&home, &bucket, "written again", &content(2)).await;
    let hash = BlockHash::of(&content(1));
    while home.model.reclaim_step().await.unwrap().done > 0 {}
    lose(&home, &hash);
    let purged = purge(&home, &hash).await;
    assert_eq!((&purged["blocksPurged"], &purged["objectsDeleted"]), (&json!(1), &json!(1)));
    let left = home.ok(&format!("GetBucketInfo?id={bucket}"), Value::Null).await;
    assert_eq!(left["objects"], json!(1));
}
