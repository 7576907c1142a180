//! Buckets, their names and who may use them.

use super::Home;
use serde_json::{Value, json};

#[tokio::test]
async fn a_bucket_is_made_shown_changed_and_deleted() {
    let home = Home::new().await;
    let made = home.ok("CreateBucket", json!({ "globalAlias": "photos" })).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(id.len(), 64);
    assert!(made["created"].as_str().unwrap().ends_with('Z'));
    let expected = json!({
        "id": id, "created": made["created"], "globalAliases": ["photos"], "websiteAccess": false,
        "websiteConfig": null, "versioning": "disabled", "lifecycleRuleCount": 0, "lifecycleRulesEnabled": 0,
        "lifecycleRules": [], "objectLock": null, "encryption": null, "policy": null, "publicAccessBlock": null,
        "corsRuleCount": 0, "corsRules": [],
        "logging": null, "notifications": [], "keys": [], "objects": 0, "bytes": 0, "unfinishedUploads": 0,
        "unfinishedMultipartUploads": 0, "unfinishedMultipartUploadParts": 0,
        "unfinishedMultipartUploadBytes": 0, "quotas": { "maxSize": null, "maxObjects": null }
    });
    assert_eq!(made, expected);
    let listed = home.ok("ListBuckets", Value::Null).await;
    let entry =
        json!([{ "id": id, "created": made["created"], "globalAliases": ["photos"], "localAliases": [] }]);
    assert_eq!(listed, entry);
    for query in [format!("id={id}"), "globalAlias=photos".to_owned(), "search=phot".to_owned()] {
        assert_eq!(home.ok(&format!("GetBucketInfo?{query}"), Value::Null).await, made);
    }

    let wish = json!({
        "quotas": { "maxSize": 1000, "maxObjects": null },
        "websiteAccess": { "enabled": true, "indexDocument": "index.html" }
    });
    let changed = home.ok(&format!("UpdateBucket?id={id}"), wish).await;
    assert_eq!(changed["quotas"], json!({ "maxSize": 1000, "maxObjects": null }));
    assert_eq!(changed["websiteConfig"], json!({ "indexDocument": "index.html", "errorDocument": null }));
    let changed =
        home.ok(&format!("UpdateBucket?id={id}"), json!({ "websiteAccess": { "enabled": false } })).await;
    assert_eq!((&changed["websiteAccess"], &changed["quotas"]["maxSize"]), (&json!(false), &json!(1000)));

    home.ok(&format!("DeleteBucket?id={id}"), Value::Null).await;
    home.refused(&format!("GetBucketInfo?id={id}"), Value::Null, 404, "NoSuchBucket").await;
    home.refused("GetBucketInfo?globalAlias=photos", Value::Null, 404, "NoSuchBucket").await;
    home.refused(&format!("DeleteBucket?id={id}"), Value::Null, 404, "NoSuchBucket").await;
    home.bucket("photos").await;
}

#[tokio::test]
async fn bad_wishes_change_nothing() {
    let home = Home::new().await;
    let id = home.bucket("photos").await;
    home.refused("CreateBucket", json!({ "globalAlias": "photos" }), 409, "BucketAlreadyExists").await;
    home.refused("CreateBucket", json!({ "globalAlias": "NO" }), 400, "InvalidRequest").await;
    let local = json!({ "localAlias": { "accessKeyId": "nobody", "alias": "mine" } });
    home.refused("CreateBucket", local, 404, "NoSuchAccessKey").await;
    for (wish, status, code) in [
        (json!({ "websiteAccess": { "enabled": true } }), 400, "InvalidRequest"),
        (json!({ "websiteAccess": { "enabled": false, "indexDocument": "a" } }), 400, "InvalidRequest"),
        (json!({ "quotas": { "maxSize": -1 } }), 400, "InvalidRequest"),
        (json!({ "corsRules": [{ "AllowedOrigins": ["*"] }] }), 400, "InvalidRequest"),
        (
            json!({ "corsRules": [{ "AllowedOrigins": ["*"], "AllowedMethods": ["TRACE"] }] }),
            400,
            "InvalidRequest",
        ),
        (json!({ "corsRules": { "Other": 1 } }), 400, "InvalidRequest"),
        (json!({ "policy": "{" }), 400, "InvalidRequest"),
        (json!({ "policy": { "Statement": [], "More": 1 } }), 400, "InvalidRequest"),
        (json!({ "encryption": { "Rules": [] } }), 400, "InvalidRequest"),
        (json!({ "encryption": [1] }), 400, "InvalidRequest"),
        (json!({ "objectLock": { "ObjectLockEnabled": "Disabled" } }), 400, "InvalidRequest"),
        // Nothing is kept yet that could be locked.
        (json!({ "objectLock": { "ObjectLockEnabled": "Enabled" } }), 400, "InvalidRequest"),
        (json!({ "publicAccessBlock": { "BlockPublicAcls": "maybe" } }), 400, "InvalidRequest"),
        (json!({ "versioning": "disabled" }), 400, "InvalidRequest"),
        (json!({ "lifecycleRules": [{}] }), 400, "InvalidRequest"),
    ] {
        home.refused(&format!("UpdateBucket?id={id}"), wish, status, code).await;
    }
    home.refused("UpdateBucket", json!({}), 400, "InvalidRequest").await;
    home.refused("UpdateBucket?id=xyz", json!({}), 404, "NoSuchBucket").await;
    home.refused("GetBucketInfo", Value::Null, 400, "InvalidRequest").await;
    assert_eq!(home.model.names().buckets.len(), 1);
    home.bucket("photos-2").await;
    home.refused("GetBucketInfo?search=phot", Value::Null, 400, "InvalidRequest").await;
    let found = home.ok(&format!("GetBucketInfo?search={}", &id[..16]), Value::Null).await;
    assert_eq!(found["id"], id);
}

#[tokio::test]
async fn versioning_and_lifecycle_rules_are_set_as_s3_sets_them() {
    let home = Home::new().await;
    let id = home.bucket("photos").await;
    let update = format!("UpdateBucket?id={id}");
    let rules = json!([
        { "ID": "old", "Status": "Enabled", "Filter": { "Prefix": "logs/" }, "Expiration": { "Days": 30 },
          "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": 2 } },
        { "ID": "many", "Status": "Disabled",
          "Filter": { "And": { "Tags": [{ "Key": "a", "Value": "b" }], "ObjectSizeLessThan": 9 } },
          "NoncurrentVersionExpiration": { "NoncurrentDays": 1, "NewerNoncurrentVersions": 3 } },
        { "ID": "first form", "Status": "Enabled", "Prefix": "x",
          "Expiration": { "Date": "2030-01-31T00:00:00.000Z" } },
    ]);
    let shown = home.ok(&update, json!({ "versioning": "enabled", "lifecycleRules": rules })).await;
    assert_eq!((&shown["versioning"], &shown["lifecycleRules"]), (&json!("enabled"), &rules));
    assert_eq!((&shown["lifecycleRuleCount"], &shown["lifecycleRulesEnabled"]), (&json!(3), &json!(2)));
    let rule = |more: Value| {
        let mut rule = json!({ "Status": "Enabled", "Filter": {}, "Expiration": { "Days": 1 } });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "versioning": "suspended", "lifecycleRules": [rule] })
    };
    for wrong in [
        json!({ "Expiration": { "Days": 0 } }),
        json!({ "Expiration": {} }),
        json!({ "Expiration": { "Days": 1, "Date": "2030-01-31" } }),
        json!({ "Expiration": { "Date": "soon" } }),
        json!({ "Expiration": { "Date": "2030-01-31T01:00:00Z" } }),
        json!({ "Prefix": "both" }),
        json!({ "Filter": { "Prefix": "a", "ObjectSizeLessThan": 5 } }),
        json!({ "Filter": { "And": {} } }),
        json!({ "Transitions": [{ "Days": 1, "StorageClass": "GLACIER" }] }),
    ] {
        home.refused(&update, rule(wrong), 400, "InvalidRequest").await;
    }
    // A refused wish changed nothing at all.
    assert_eq!(home.ok(&format!("GetBucketInfo?id={id}"), Value::Null).await, shown);
    let none = home.ok(&update, json!({ "versioning": "suspended", "lifecycleRules": [] })).await;
    assert_eq!((&none["versioning"], &none["lifecycleRules"]), (&json!("suspended"), &json!([])));
}

#[tokio::test]
async fn documents_are_set_as_s3_sets_them() {
    let home = Home::new().await;
    let id = home.bucket("photos").await;
    let (update, info) = (format!("UpdateBucket?id={id}"), format!("GetBucketInfo?id={id}"));
    let cors = json!([{ "AllowedOrigins": ["https://app.example"], "AllowedMethods": ["GET"] }]);
    let statement = json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::photos/*" });
    let policy = json!({ "Statement": [statement] });
    let lock = json!({ "ObjectLockEnabled": "Enabled",
        "Rule": { "DefaultRetention": { "Mode": "COMPLIANCE", "Years": 2 } } });
    let wish = json!({ "versioning": "enabled", "corsRules": cors, "policy": policy.to_string(),
        "publicAccessBlock": { "BlockPublicAcls": true } });
    home.ok(&update, wish).await;
    let shown = home.ok(&update, json!({ "objectLock": lock })).await;
    assert_eq!((&shown["corsRules"], &shown["corsRuleCount"], &shown["policy"]), (&cors, &json!(1), &policy));
    assert_eq!(shown["objectLock"]["defaultYears"], 2);
    assert_eq!(shown["publicAccessBlock"]["blockPublicAcls"], true);
    // What S3 refuses is refused here, and changes nothing.
    let foreign = policy.to_string().replace("photos", "others");
    for wrong in [json!({ "policy": foreign }), json!({ "objectLock": lock, "policy": "[]" })] {
        home.refused(&update, wrong, 400, "InvalidRequest").await;
    }
    let blocked =
        json!({ "publicAccessBlock": { "BlockPublicPolicy": true }, "policy": "", "corsRules": [] });
    let shown = home.ok(&update, blocked).await;
    assert_eq!((&shown["corsRules"], &shown["policy"]), (&json!([]), &Value::Null));
    home.refused(&update, json!({ "policy": policy }), 400, "InvalidRequest").await;
    // Of a lock only the default can go.
    let emptied = json!({ "objectLock": {}, "encryption": {}, "publicAccessBlock": {} });
    let shown = home.ok(&update, emptied).await;
    assert_eq!(shown["objectLock"]["defaultMode"], Value::Null);
    assert_eq!((&shown["objectLock"].is_object(), &shown["publicAccessBlock"]), (&true, &Value::Null));
    assert_eq!(home.ok(&update, json!({ "policy": policy })).await["policy"], policy, "the document itself");
    // What is not given stays, and so it is with what other clients leave empty.
    let before = home.ok(&info, Value::Null).await;
    let nothing = json!({ "policy": null, "corsRules": null, "objectLock": null });
    assert_eq!(home.ok(&update, nothing).await, before);
    // Without locks there is no default to take away.
    let other = home.bucket("other").await;
    let shown = home.ok(&format!("UpdateBucket?id={other}"), json!({ "objectLock": {} })).await;
    assert_eq!(shown["objectLock"], Value::Null);
}

#[tokio::test]
async fn flags_that_are_true_are_granted_or_taken() {
    let home = Home::new().await;
    let (bucket, key) = (home.bucket("photos").await, home.key("camera").await);
    let change = |flags: Value| json!({ "bucketId": bucket, "accessKeyId": key, "permissions": flags });
    let granted = home.ok("AllowBucketKey", change(json!({ "read": true, "write": true }))).await;
    let expected = json!([{
        "accessKeyId": key, "name": "camera", "bucketLocalAliases": [],
        "permissions": { "read": true, "write": true, "owner": false }
    }]);
    assert_eq!(granted["keys"], expected);
    let more = home.ok("AllowBucketKey", change(json!({ "owner": true, "read": false }))).await;
    assert_eq!(more["keys"][0]["permissions"], json!({ "read": true, "write": true, "owner": true }));
    let less = home.ok("DenyBucketKey", change(json!({ "write": true, "owner": true }))).await;
    assert_eq!(less["keys"][0]["permissions"], json!({ "read": true, "write": false, "owner": false }));
    let seen = home.ok(&format!("GetKeyInfo?id={key}"), Value::Null).await;
    assert_eq!(seen["buckets"][0]["globalAliases"], json!(["photos"]));
    assert_eq!(seen["buckets"][0]["permissions"], json!({ "read": true, "write": false, "owner": false }));
    let none = home.ok("DenyBucketKey", change(json!({ "read": true }))).await;
    assert_eq!(none["keys"], json!([]));
    for (bucket, key, code) in [("00", key.as_str(), "NoSuchBucket"), (&bucket, "nobody", "NoSuchAccessKey")]
    {
        let wish = json!({ "bucketId": bucket, "accessKeyId": key, "permissions": { "read": true } });
        home.refused("AllowBucketKey", wish.clone(), 404, code).await;
        home.refused("DenyBucketKey", wish, 404, code).await;
    }
}

#[tokio::test]
async fn global_names_come_and_go_but_not_the_last() {
    let home = Home::new().await;
    let (id, other) = (home.bucket("one").await, home.bucket("other").await);
    let alias = |name: &str| json!({ "bucketId": id, "globalAlias": name });
    let info = home.ok("AddBucketAlias", alias("two")).await;
    assert_eq!(info["globalAliases"], json!(["one", "two"]));
    home.ok("AddBucketAlias", alias("two")).await;
    home.refused("AddBucketAlias", alias("other"), 409, "BucketAlreadyExists").await;
    home.refused("AddBucketAlias", alias("No Good"), 400, "InvalidRequest").await;
    home.refused("AddBucketAlias", json!({ "bucketId": id }), 400, "InvalidRequest").await;
    home.refused("RemoveBucketAlias", alias("three"), 404, "NoSuchAlias").await;
    home.refused("RemoveBucketAlias", json!({ "bucketId": other, "globalAlias": "one" }), 404, "NoSuchAlias")
        .await;
    let info = home.ok("RemoveBucketAlias", alias("one")).await;
    assert_eq!(info["globalAliases"], json!(["two"]));
    home.refused("RemoveBucketAlias", alias("two"), 400, "InvalidRequest").await;
}

#[tokio::test]
async fn a_local_name_belongs_to_one_key() {
    let home = Home::new().await;
    let (key, other) = (home.key("a").await, home.key("b").await);
    let wish = json!({ "localAlias": { "accessKeyId": key, "alias": "mine", "allow": { "read": true } } });
    let made = home.ok("CreateBucket", wish).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["globalAliases"], json!([]));
    let expected = json!([{
        "accessKeyId": key, "name": "a", "bucketLocalAliases": ["mine"],
        "permissions": { "read": true, "write": false, "owner": false }
    }]);
    assert_eq!(made["keys"], expected);
    let listed = home.ok("ListBuckets", Value::Null).await;
    assert_eq!(listed[0]["localAliases"], json!([{ "accessKeyId": key, "alias": "mine" }]));

    let second = home.bucket("second").await;
    let local =
        |bucket: &str, key: &str| json!({ "bucketId": bucket, "localAlias": "mine", "accessKeyId": key });
    home.refused("AddBucketAlias", local(&second, &key), 409, "BucketAlreadyExists").await;
    home.ok("AddBucketAlias", local(&second, &other)).await;
    home.refused("AddBucketAlias", local(&second, "nobody"), 404, "NoSuchAccessKey").await;
    let both = json!({ "bucketId": id, "localAlias": "x", "accessKeyId": key, "globalAlias": "y" });
    home.refused("AddBucketAlias", both, 400, "InvalidRequest").await;

    home.refused("RemoveBucketAlias", local(id, &key), 400, "InvalidRequest").await;
    home.ok("AddBucketAlias", json!({ "bucketId": id, "globalAlias": "named" })).await;
    let info = home.ok("RemoveBucketAlias", local(id, &key)).await;
    assert_eq!(info["keys"][0]["bucketLocalAliases"], json!([]));
    home.refused("RemoveBucketAlias", local(id, &key), 404, "NoSuchAlias").await;
}

#[tokio::test]
async fn a_bucket_that_must_not_be_public_becomes_no_site() {
    let home = Home::new().await;
    let id = home.bucket("photos").await;
    let block = crate::s3::xml::PublicAccessBlock { block_public_policy: true, ..Default::default() };
    let document = crate::s3::settings::document(&block).unwrap();
    let settings = vec![(model::rows::bucket::Setting::PublicAccessBlock, Some(document))];
    let change = model::admin::BucketChange { settings, ..Default::default() };
    home.model.update_bucket(base::Id::from_hex(&id).unwrap(), change).await.unwrap();
    let site = json!({ "websiteAccess": { "enabled": true, "indexDocument": "index.html" } });
    home.refused(&format!("UpdateBucket?id={id}"), site, 400, "InvalidRequest").await;
    home.ok(&format!("UpdateBucket?id={id}"), json!({ "websiteAccess": { "enabled": false } })).await;
}

#[tokio::test]
async fn a_policy_that_nobody_obeys_is_named() {
    let home = Home::new().await;
    let id = home.bucket("photos").await;
    let statement = "\"Effect\": \"Deny\", \"Principal\": \"*\", \"Action\": \"s3:*\", \"Resource\": \"*\"";
    let more = ["", ", \"Effect\": \"Allow\""];
    for (more, unreadable) in more.into_iter().zip([Value::Null, json!(["policy"])]) {
        let text = format!("{{\"Statement\": {{{statement}{more}}}}}");
        let stored = crate::s3::policy::StoredPolicy { bucket: "photos".to_owned(), text };
        let document = crate::s3::settings::document(&stored).unwrap();
        let settings = vec![(model::rows::bucket::Setting::Policy, Some(document))];
        let change = model::admin::BucketChange { settings, ..Default::default() };
        home.model.update_bucket(base::Id::from_hex(&id).unwrap(), change).await.unwrap();
        let info = home.ok(&format!("GetBucketInfo?id={id}"), Value::Null).await;
        assert_eq!(info["unreadableSettings"], unreadable);
        assert_eq!(info["policy"].is_null(), more.starts_with(','));
    }
}
