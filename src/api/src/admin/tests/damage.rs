//! A node that starts with damaged rows of names: it says so, and takes none of them for absent.

use super::Home;
use super::spoil::spoil;
use base::Id;
use base::id::kind;
use serde_json::{Value, json};
use store::Space;

#[tokio::test]
async fn damaged_rows_of_names_are_told_of_and_not_taken_for_absent() {
    let home = Home::new().await;
    let photos = home.bucket("photos").await;
    home.bucket("films").await;
    let key =
        home.ok("CreateKey", json!({ "name": "phone" })).await["accessKeyId"].as_str().unwrap().to_owned();
    let id: Id<kind::Bucket> = Id::from_hex(&photos).unwrap();
    spoil(home.model.store(), Space::Bucket, id.as_bytes().to_vec()).await;
    spoil(home.model.store(), Space::Key, key.clone().into_bytes()).await;
    let home = home.restarted();
    let health = home.ok("GetClusterHealth", Value::Null).await;
    assert_eq!(health["status"], "degraded");
    let reason = health["reasons"][0].as_str().unwrap();
    assert!(
        reason.contains(&format!(
            "whole again yet: 2; what these name is refused here: bucket {photos}, key {key}"
        )),
        "{reason}"
    );
    let refused = [
        format!("GetBucketInfo?id={photos}"),
        "GetBucketInfo?globalAlias=photos".to_owned(),
        "GetBucketInfo?search=photos".to_owned(),
        format!("DeleteBucket?id={photos}"),
        format!("GetKeyInfo?id={key}"),
        format!("GetKeyInfo?search={key}"),
        format!("DeleteKey?id={key}"),
    ];
    for target in refused {
        home.refused(&target, Value::Null, 503, "DamagedRow").await;
    }
    home.refused("CreateBucket", json!({ "globalAlias": "photos" }), 503, "DamagedRow").await;
    home.ok("GetBucketInfo?globalAlias=films", Value::Null).await;
    home.refused("GetBucketInfo?globalAlias=nothing", Value::Null, 404, "NoSuchBucket").await;
    let workers = home.ok("GetWorkerInfo?node=self", json!({ "id": 6 })).await;
    let check = &workers["success"][home.cluster.id().to_string()];
    assert_eq!((check["name"].as_str(), check["persistentErrors"].as_u64()), (Some("Row check"), Some(2)));
}
