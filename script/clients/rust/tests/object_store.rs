//! object_store's own integration suite (feature `integration`): what DataFusion, Delta Lake, SlateDB and others rely on.

use futures_util::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
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

/// Empties the bucket: some of the suite's functions look at all that is in it and do not clear it themselves.
async fn emptied(store: &AmazonS3) -> &AmazonS3 {
    let locations = store.list(None).map_ok(|object| object.location).boxed();
    store.delete_stream(locations).try_collect::<Vec<_>>().await.expect("the bucket is listed and emptied");
    store
}

/// One test, one after the other: the suite's functions share a bucket.
#[tokio::test]
async fn integration() {
    let store = &store();
    put_get_delete_list(emptied(store).await).await;
    put_get_attributes(emptied(store).await).await;
    get_opts(emptied(store).await).await;
    put_opts(emptied(store).await, true).await;
    stream_get(emptied(store).await).await;
    list_uses_directories_correctly(emptied(store).await).await;
    list_with_delimiter(emptied(store).await).await;
    list_with_offset_exclusivity(emptied(store).await).await;
    list_paginated(emptied(store).await, store).await;
    rename_and_copy(emptied(store).await).await;
    copy_if_not_exists(emptied(store).await).await;
    copy_rename_nonexistent_object(emptied(store).await).await;
    multipart(emptied(store).await, store).await;
    multipart_with_opts(emptied(store).await, store).await;
    multipart_put_part_out_of_order(emptied(store).await, store).await;
    multipart_race_condition(emptied(store).await, true).await;
    multipart_out_of_order(emptied(store).await).await;
    get_nonexistent_object(emptied(store).await, None).await.expect_err("an absent object is an error");
}
