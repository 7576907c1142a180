//! The AWS SDK for Rust with its defaults: checksums on, streaming bodies, typed errors.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier,
};
use rust_clients::Target;

const BUCKET: &str = "rust-aws-sdk-s3";
const PART_BYTES: usize = 5 * 1024 * 1024;

fn client() -> Client {
    let target = Target::from_environment();
    let credentials = Credentials::new(target.key_id, target.secret, None, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(target.endpoint)
        .region(Region::new(target.region))
        .credentials_provider(credentials)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

async fn read(client: &Client, key: &str) -> Vec<u8> {
    let answer = client.get_object().bucket(BUCKET).key(key).send().await.expect("get");
    answer.body.collect().await.expect("body").to_vec()
}

#[tokio::test]
async fn objects_and_metadata() {
    let client = client();
    for key in ["plain", "a b/ü+%2F", "//lead", "日本/😀"] {
        let body = format!("body of {key}").into_bytes();
        let put = client.put_object().bucket(BUCKET).key(key).metadata("a", "1").content_type("text/x");
        put.body(ByteStream::from(body.clone())).send().await.expect("put");
        assert_eq!(read(&client, key).await, body, "{key}");
        let head = client.head_object().bucket(BUCKET).key(key).send().await.expect("head");
        assert_eq!(head.content_type(), Some("text/x"));
        assert_eq!(head.metadata().and_then(|all| all.get("a")).map(String::as_str), Some("1"));
        client.delete_object().bucket(BUCKET).key(key).send().await.expect("delete");
    }
}

#[tokio::test]
async fn every_checksum() {
    let client = client();
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let key = format!("sum-{}", algorithm.as_str());
        let put = client.put_object().bucket(BUCKET).key(&key).checksum_algorithm(algorithm.clone());
        put.body(ByteStream::from_static(b"sum")).send().await.expect("put");
        let get = client.get_object().bucket(BUCKET).key(&key).checksum_mode(ChecksumMode::Enabled);
        let answer = get.send().await.expect("get");
        let found = match algorithm {
            ChecksumAlgorithm::Crc32 => answer.checksum_crc32(),
            ChecksumAlgorithm::Crc32C => answer.checksum_crc32_c(),
            ChecksumAlgorithm::Crc64Nvme => answer.checksum_crc64_nvme(),
            ChecksumAlgorithm::Sha1 => answer.checksum_sha1(),
            _ => answer.checksum_sha256(),
        };
        assert!(found.is_some(), "{key} comes back");
        assert_eq!(answer.body.collect().await.expect("verified body").to_vec(), b"sum");
    }
}

#[tokio::test]
async fn multipart() {
    check_multipart("big", None).await;
}

#[tokio::test]
async fn multipart_with_checksums() {
    check_multipart("big-crc32", Some(ChecksumAlgorithm::Crc32)).await;
}

/// An upload in two parts; Complete names the parts' checksums exactly when the upload announced them.
async fn check_multipart(key: &str, algorithm: Option<ChecksumAlgorithm>) {
    let client = client();
    let create = client.create_multipart_upload().bucket(BUCKET).key(key);
    let created = create.set_checksum_algorithm(algorithm.clone()).send().await.expect("create");
    let upload_id = created.upload_id().expect("an upload id");
    let bodies = [vec![b'p'; PART_BYTES], b"tail".to_vec()];
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        let part = client.upload_part().bucket(BUCKET).key(key).upload_id(upload_id).part_number(number);
        let answer = part.body(ByteStream::from(body.clone())).send().await.expect("part");
        let mut done =
            CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag().map(str::to_owned));
        if algorithm.is_some() {
            done = done.checksum_crc32(answer.checksum_crc32().expect("the part's checksum"));
        }
        parts.push(done.build());
    }
    let list = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(upload_id);
    complete.multipart_upload(list).send().await.expect("complete");
    assert_eq!(read(&client, key).await, bodies.concat());
}

#[tokio::test]
async fn listing_and_bulk_delete() {
    let client = client();
    for number in 0..25 {
        let put = client.put_object().bucket(BUCKET).key(format!("list/{number:02}"));
        put.body(ByteStream::from_static(b"x")).send().await.expect("put");
    }
    let mut found = Vec::new();
    let mut pages =
        client.list_objects_v2().bucket(BUCKET).prefix("list/").max_keys(10).into_paginator().send();
    while let Some(page) = pages.next().await {
        found.extend(
            page.expect("page").contents().iter().filter_map(|object| object.key().map(str::to_owned)),
        );
    }
    assert_eq!(found, (0..25).map(|number| format!("list/{number:02}")).collect::<Vec<_>>());
    let ids = found.iter().map(|key| ObjectIdentifier::builder().key(key).build().expect("a key")).collect();
    let delete = Delete::builder().set_objects(Some(ids)).build().expect("objects");
    let answer = client.delete_objects().bucket(BUCKET).delete(delete).send().await.expect("delete");
    assert_eq!(answer.deleted().len(), 25);
}

#[tokio::test]
async fn conditions_and_errors() {
    let client = client();
    let put = || client.put_object().bucket(BUCKET).key("once").if_none_match("*");
    client.delete_object().bucket(BUCKET).key("once").send().await.expect("delete");
    put().body(ByteStream::from_static(b"1")).send().await.expect("the first put");
    let second = put().body(ByteStream::from_static(b"2")).send().await.expect_err("the second put");
    assert_eq!(second.code(), Some("PreconditionFailed"));
    let absent = client.get_object().bucket(BUCKET).key("none").send().await.expect_err("an absent key");
    assert!(absent.into_service_error().is_no_such_key());
    let head = client.head_object().bucket(BUCKET).key("none").send().await.expect_err("an absent key");
    assert!(head.into_service_error().is_not_found());
}
