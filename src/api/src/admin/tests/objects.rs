//! What is in a bucket: usage, unfinished uploads, one object looked into.

use super::Home;
use base::id::kind;
use base::limits::BLOCK_SIZE_BYTES;
use base::{BlockHash, Id, PartNumber};
use bytes::Bytes;
use env::Clock as _;
use model::BodyWriter;
use model::multipart::{NamedPart, Planned, UploadName};
use model::objects::{Condition, ObjectMeta, Place};
use model::rows::object::ETag;
use model::rows::version::Owner;
use serde_json::{Value, json};

pub(super) fn id_of(text: &str) -> Id<kind::Bucket> {
    Id::from_hex(text).unwrap()
}

pub(super) async fn put(home: &Home, bucket: &str, key: &str, content: &Bytes) {
    let bucket = id_of(bucket);
    let mut writer = BodyWriter::new(&home.model, Owner::Object(bucket, key.to_owned()));
    let whole = content.len() / BLOCK_SIZE_BYTES * BLOCK_SIZE_BYTES;
    for at in (0..whole).step_by(BLOCK_SIZE_BYTES) {
        writer.push_block(content.slice(at..at + BLOCK_SIZE_BYTES), ()).await.unwrap();
    }
    let body = writer.finish(content.slice(whole..)).await.unwrap();
    let etag = ETag { md5: [1; 16], parts: None };
    let meta = ObjectMeta {
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        ..ObjectMeta::default()
    };
    home.model
        .put_object(Place { bucket, key: key.to_owned(), condition: Condition::Always }, body, etag, meta)
        .await
        .unwrap();
}

pub(super) async fn begin_upload(home: &Home, bucket: &str, key: &str) -> UploadName {
    let bucket = id_of(bucket);
    let place = (bucket, key.to_owned());
    let id = home.model.create_upload(place, ObjectMeta::default(), None, "GK0".to_owned()).await.unwrap();
    UploadName { bucket, key: key.to_owned(), id }
}

pub(super) async fn put_part(home: &Home, upload: &UploadName, number: u16, content: Bytes) {
    let writer = BodyWriter::new(&home.model, Owner::Part(upload.id, number));
    let body = writer.finish(content).await.unwrap();
    let number = PartNumber::new(number.into()).unwrap();
    home.model.put_part(upload.clone(), number, body, ([2; 16], None)).await.unwrap();
}

#[tokio::test]
async fn a_bucket_counts_what_is_in_it_and_is_not_deleted_with_it() {
    let home = Home::new().await;
    let bucket = home.bucket("photos").await;
    put(&home, &bucket, "small", &Bytes::from_static(b"hello")).await;
    let upload = begin_upload(&home, &bucket, "large").await;
    put_part(&home, &upload, 1, Bytes::from(vec![1; 7000])).await;
    put_part(&home, &upload, 2, Bytes::from(vec![2; 3000])).await;
    let info = home.ok(&format!("GetBucketInfo?id={bucket}"), Value::Null).await;
    assert_eq!((&info["objects"], &info["bytes"]), (&json!(1), &json!(5)));
    assert_eq!((&info["unfinishedUploads"], &info["unfinishedMultipartUploads"]), (&json!(1), &json!(1)));
    assert_eq!(info["unfinishedMultipartUploadParts"], 2);
    assert_eq!(info["unfinishedMultipartUploadBytes"], 10_000);
    home.refused(&format!("DeleteBucket?id={bucket}"), Value::Null, 400, "BucketNotEmpty").await;
    let figures = home.ok("GetClusterStatistics", Value::Null).await;
    assert_eq!((&figures["totalObjectCount"], &figures["totalObjectBytes"]), (&json!(1), &json!(5)));
}

#[tokio::test]
async fn only_old_uploads_are_cleaned_up() {
    let home = Home::new().await;
    let bucket = home.bucket("photos").await;
    for number in 0..5 {
        begin_upload(&home, &bucket, &format!("old-{number}")).await;
    }
    home.world.clock.jump(3_600_000);
    begin_upload(&home, &bucket, "new").await;
    let clean = async |secs: u64| {
        let wish = json!({ "bucketId": bucket, "olderThanSecs": secs });
        home.ok("CleanupIncompleteUploads", wish).await["uploadsDeleted"].clone()
    };
    assert_eq!(clean(u64::MAX).await, 0);
    assert_eq!(clean(3700).await, 0);
    assert_eq!(clean(3500).await, 5);
    assert_eq!(clean(3500).await, 0);
    let info = home.ok(&format!("GetBucketInfo?id={bucket}"), Value::Null).await;
    assert_eq!(info["unfinishedMultipartUploads"], 1);
    assert_eq!(clean(0).await, 1);
    let wish = json!({ "bucketId": "00", "olderThanSecs": 1 });
    home.refused("CleanupIncompleteUploads", wish, 404, "NoSuchBucket").await;
}

#[tokio::test]
async fn an_object_is_looked_into() {
    let home = Home::new().await;
    let bucket = home.bucket("photos").await;
    put(&home, &bucket, "a small/file", &Bytes::from_static(b"hello")).await;
    let inspect =
        async |key: &str| home.ok(&format!("InspectObject?bucketId={bucket}&key={key}"), Value::Null).await;
    let small = inspect("a+small%2Ffile").await;
    assert_eq!((&small["bucketId"], &small["key"]), (&json!(bucket), &json!("a small/file")));
    let version = &small["versions"][0];
    assert_eq!(
        (&version["inline"], &version["size"], &version["blocks"]),
        (&json!(true), &json!(5), &json!([]))
    );
    assert_eq!(version["etag"], "01".repeat(16));
    assert_eq!(version["headers"], json!([["content-type", "text/plain"]]));
    assert_eq!((&version["deleteMarker"], &version["uploading"]), (&json!(false), &json!(false)));
    assert!(version["timestamp"].as_str().unwrap().ends_with('Z'));

    for blocks in [2, 20] {
        let length = blocks * BLOCK_SIZE_BYTES - 5;
        let content: Bytes = (0..length).map(|at| (at / 1000) as u8).collect::<Vec<_>>().into();
        put(&home, &bucket, "large", &content).await;
        let large = inspect("large").await;
        let listed = large["versions"][0]["blocks"].as_array().unwrap().clone();
        assert_eq!(listed.len(), blocks);
        for (number, block) in listed.iter().enumerate() {
            let at = number * BLOCK_SIZE_BYTES;
            let piece = &content[at..length.min(at + BLOCK_SIZE_BYTES)];
            let expected = json!({
                "partNumber": 1, "offset": at, "size": piece.len(), "hash": BlockHash::of(piece).to_string()
            });
            assert_eq!(block, &expected);
        }
    }
    home.refused(&format!("InspectObject?bucketId={bucket}&key=none"), Value::Null, 404, "NoSuchKey").await;
    home.refused(&format!("InspectObject?bucketId={bucket}"), Value::Null, 400, "InvalidRequest").await;
    home.refused("InspectObject?bucketId=00&key=a", Value::Null, 404, "NoSuchBucket").await;
}

#[tokio::test]
async fn the_parts_of_an_object_are_told_apart() {
    let home = Home::new().await;
    let bucket = home.bucket("photos").await;
    let upload = begin_upload(&home, &bucket, "film").await;
    put_part(&home, &upload, 3, Bytes::from(vec![7; 9000])).await;
    let number = PartNumber::new(3).unwrap();
    let named = [NamedPart { number, etag: "02".repeat(16) }];
    let Planned::Ready(completion) = home.model.plan_completion(&upload, &named).await.unwrap() else {
        panic!("the upload is open")
    };
    home.model.complete_upload(upload, *completion, None, Condition::Always).await.unwrap();
    let film = home.ok(&format!("InspectObject?bucketId={bucket}&key=film"), Value::Null).await;
    let block = json!({
        "partNumber": 3, "offset": 0, "size": 9000, "hash": BlockHash::of(&[7; 9000]).to_string()
    });
    assert_eq!(film["versions"][0]["blocks"], json!([block]));
    assert_eq!(home.world.clock.wall(), home.model.env().clock.wall());
}
