//! object_store's own integration suite (feature `integration`): what DataFusion, Delta Lake, SlateDB and others rely on.

use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut, S3CopyIfNotExists};
use object_store::integration::*;
use rust_clients::Target;

const BUCKET: &str = "rust-object-store";

fn store() -> AmazonS3 {
    let target = Target::from_environment();
    AmazonS3Builder::new()
        .with_endpoint(target.endpoint)
        .with_allow_http(true)
        .with_bucket_name(BUCKET)
        .with_region(target.region)
        .with_access_key_id(target.key_id)
        .with_secret_access_key(target.secret)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .build()
        .expect("the configuration is complete")
}

/// One test, one after the other: the suite's functions expect an empty bucket.
#[tokio::test]
async fn integration() {
    let store = store();
    put_get_delete_list(&store).await;
    put_get_attributes(&store).await;
    get_opts(&store).await;
    put_opts(&store, true).await;
    stream_get(&store).await;
    list_uses_directories_correctly(&store).await;
    list_with_delimiter(&store).await;
    list_with_offset_exclusivity(&store).await;
    list_paginated(&store, &store).await;
    rename_and_copy(&store).await;
    copy_if_not_exists(&store).await;
    copy_rename_nonexistent_object(&store).await;
    multipart(&store, &store).await;
    multipart_with_opts(&store, &store).await;
    multipart_put_part_out_of_order(&store, &store).await;
    multipart_race_condition(&store, true).await;
    multipart_out_of_order(&store).await;
    get_nonexistent_object(&store, None).await.expect_err("an absent object is an error");
}
