//! Names, buckets and keys: what a name means to whom, and which keys work.

use super::support::Node;
use super::{bucket_named, run};
use crate::admin::{BucketChange, KeyChange};
use crate::rows::bucket::{AliasRow, BucketRow, Grant, Setting, Versioning};
use crate::rows::key::Secret;
use crate::rows::webhook::Endpoint;
use crate::{Model, ModelError, Names};
use base::id::kind;
use base::{Id, Lww, Stamp, WallTime};
use std::sync::Arc;
use store::{Intent, Record, Space, Txn};

const READ: Grant = Grant { read: true, write: false, owner: false };

#[test]
fn a_local_alias_hides_a_global_name_and_an_id_always_works() {
    run(async {
        let node = Node::new().await;
        let model = &node.model;
        let key = model.create_key("phone".into()).await.unwrap();
        let global = model.create_bucket(Some(bucket_named("photos")), None).await.unwrap();
        let local = model.create_bucket(None, None).await.unwrap();
        let resolve =
            |name: &str, key: Option<&str>| model.names().resolve(name, key).unwrap().map(|(id, _)| id);
        assert_eq!(resolve("photos", Some(&key)), Some(global));
        model.set_local_alias(key.clone(), "photos".into(), Some(local)).await.unwrap();
        assert_eq!(resolve("photos", Some(&key)), Some(local));
        assert_eq!(resolve("photos", None), Some(global), "nobody else sees it");
        assert_eq!(resolve("photos", Some("GKunknown")), Some(global));
        for id in [global, local] {
            assert_eq!(resolve(&id.to_string(), Some(&key)), Some(id));
        }
        assert_eq!(resolve(&"0".repeat(64), None), None);
        assert_eq!(resolve("nothing", Some(&key)), None);
        model.set_local_alias(key.clone(), "photos".into(), None).await.unwrap();
        assert_eq!(resolve("photos", Some(&key)), Some(global));
    });
}

/// What is kept in memory is what reading all rows gives.
fn assert_whole(node: &Node) {
    let model = &node.model;
    assert_eq!(*model.names(), Names::read(&model.store).unwrap());
}

#[test]
fn the_copy_in_memory_is_what_all_rows_say_after_each_change() {
    run(async {
        let node = Node::new().await;
        let model = &node.model;
        let key = model.create_key("phone".into()).await.unwrap();
        assert_whole(&node);
        let photos = model.create_bucket(Some(bucket_named("photos")), Some(key.clone())).await.unwrap();
        let films = model.create_bucket(None, None).await.unwrap();
        assert_whole(&node);
        model.add_alias(bucket_named("films"), films).await.unwrap();
        model.add_alias(bucket_named("pictures"), photos).await.unwrap();
        model.set_local_alias(key.clone(), "mine".into(), Some(photos)).await.unwrap();
        assert_whole(&node);
        let enabled = vec![(Setting::Versioning, Versioning::Enabled.document())];
        model
            .update_bucket(films, BucketChange { settings: enabled, ..BucketChange::default() })
            .await
            .unwrap();
        assert_eq!(model.names().versioned.len(), 1);
        assert_whole(&node);
        model.delete_bucket(films).await.unwrap();
        assert!(model.names().versioned.is_empty() && !model.names().aliases.contains_key("films"));
        assert_whole(&node);
        model.remove_alias("pictures".into(), photos).await.unwrap();
        let endpoint = Endpoint { url: "http://127.0.0.1/".into(), token: None };
        model.set_webhook("hook".into(), endpoint).await.unwrap();
        assert_whole(&node);
        model.delete_webhook("hook".into()).await.unwrap();
        model.delete_key(key).await.unwrap();
        assert_whole(&node);
    });
}

#[test]
fn a_name_that_is_heard_of_before_its_bucket_means_it_once_that_comes() {
    run(async {
        let node = Node::new().await;
        let model = &node.model;
        let id: Id<kind::Bucket> = Id::from_bytes([7; 32]);
        write_row(model, Space::Alias, b"early".to_vec(), &AliasRow { target: Lww::new(stamp(1), Some(id)) })
            .await;
        assert!(model.names().resolve("early", None).unwrap().is_none());
        let mut bucket = BucketRow::new(stamp(2));
        write_row(model, Space::Bucket, id.as_bytes().to_vec(), &bucket).await;
        assert_eq!(model.names().resolve("early", None).unwrap().map(|(id, _)| id), Some(id));
        assert_whole(&node);
        bucket.deleted = true;
        write_row(model, Space::Bucket, id.as_bytes().to_vec(), &bucket).await;
        assert!(model.names().aliases.is_empty());
        assert_whole(&node);
    });
}

fn stamp(time: u64) -> Stamp {
    Stamp { time, node: 2 }
}

/// As it comes from another node.
async fn write_row<R: Record + Clone + Send + 'static>(
    model: &Arc<Model>,
    space: Space,
    key: Vec<u8>,
    row: &R,
) {
    let (directory, row) = (Arc::clone(&model.directory), row.clone());
    let write = move |txn: &mut Txn<'_>| {
        txn.put(space, key, &row);
        directory.follow(txn);
        Ok::<_, ModelError>(())
    };
    model.store.commit(Intent::Free, write).await.unwrap();
}

#[test]
fn a_local_alias_of_a_deleted_bucket_hides_nothing() {
    run(async {
        let node = Node::new().await;
        let model = &node.model;
        let key = model.create_key("phone".into()).await.unwrap();
        let old = model.create_bucket(None, Some(key.clone())).await.unwrap();
        model.set_local_alias(key.clone(), "photos".into(), Some(old)).await.unwrap();
        model.delete_bucket(old).await.unwrap();
        assert!(model.names().resolve("photos", Some(&key)).unwrap().is_none());
        let new = model.create_bucket(Some(bucket_named("photos")), Some(key.clone())).await.unwrap();
        assert_eq!(model.names().resolve("photos", Some(&key)).unwrap().map(|(id, _)| id), Some(new));
        let listed: Vec<String> = model.names().buckets_of(&key).unwrap().into_keys().collect();
        assert_eq!(listed, ["photos"]);
    });
}

#[test]
fn a_key_is_shown_buckets_under_the_names_that_lead_to_them() {
    run(async {
        let node = Node::new().await;
        let model = &node.model;
        let key = model.create_key("phone".into()).await.unwrap();
        let global = model.create_bucket(Some(bucket_named("photos")), Some(key.clone())).await.unwrap();
        let hidden = model.create_bucket(None, None).await.unwrap();
        let mine = model.create_bucket(None, Some(key.clone())).await.unwrap();
        model.create_bucket(Some(bucket_named("not-mine")), None).await.unwrap();
        model.add_alias(bucket_named("pictures"), global).await.unwrap();
        model.set_local_alias(key.clone(), "mine".into(), Some(mine)).await.unwrap();
        // To this key `photos` is now a bucket that it may not use.
        model.set_local_alias(key.clone(), "photos".into(), Some(hidden)).await.unwrap();
        let names = model.names();
        let listed = names.buckets_of(&key).unwrap();
        assert_eq!(listed.keys().collect::<Vec<_>>(), ["mine", "pictures"]);
        for (name, (id, _)) in listed {
            assert_eq!(names.resolve(&name, Some(&key)).unwrap().map(|(id, _)| id), Some(id), "{name}");
        }
    });
}

#[test]
fn grants_are_set_and_taken_back() {
    run(async {
        let node = Node::new().await;
        let model = &node.model;
        let key = model.create_key("phone".into()).await.unwrap();
        let bucket = model.create_bucket(Some(bucket_named("photos")), None).await.unwrap();
        let grant = || model.names().buckets[&bucket].grant_of(&key);
        assert!(grant().is_none() && model.names().buckets_of(&key).unwrap().is_empty());
        let change = async |change: fn(Grant) -> Grant| {
            model.change_grant(bucket, key.clone(), change).await.unwrap();
        };
        change(|grant| Grant { read: true, ..grant }).await;
        assert_eq!(grant(), READ);
        change(|grant| Grant { write: true, ..grant }).await;
        assert_eq!(grant(), Grant { write: true, ..READ });
        change(|_| Grant::default()).await;
        assert!(grant().is_none() && model.names().buckets_of(&key).unwrap().is_empty());
        let unknown = model.change_grant(bucket, "GKunknown".into(), |_| Grant::ALL).await;
        assert!(matches!(unknown, Err(ModelError::NoSuchAccessKey)));
    });
}

#[test]
fn keys_stop_working_when_deleted_or_expired() {
    run(async {
        let node = Node::new().await;
        let model = &node.model;
        let now = || model.env().clock.wall();
        let (kept, deleted) =
            (model.create_key("a".into()).await.unwrap(), model.create_key("b".into()).await.unwrap());
        let works = |id: &str| model.names().usable_key(id, now()).is_some();
        assert!(works(&kept) && works(&deleted) && !works("GKunknown"));
        model.delete_key(deleted.clone()).await.unwrap();
        assert!(!works(&deleted));
        assert!(matches!(model.delete_key(deleted.clone()).await, Err(ModelError::NoSuchAccessKey)));
        let again = model.import_key(deleted.clone(), Secret::new("s".into()), "b".into()).await;
        assert!(matches!(again, Err(ModelError::AccessKeyExists)), "deleted for ever");
        assert!(!works(&deleted));
        let expires = WallTime(now().millis() + 1000);
        let change = |expires| KeyChange { expires: Some(expires), ..KeyChange::default() };
        model.update_key(kept.clone(), change(Some(expires))).await.unwrap();
        assert!(works(&kept));
        node.world.clock.jump(999);
        assert!(works(&kept));
        node.world.clock.jump(1);
        assert!(!works(&kept), "it ends at the instant it expires");
        model.update_key(kept.clone(), change(None)).await.unwrap();
        assert!(works(&kept));
    });
}

#[test]
fn odd_keys_are_taken_over_as_they_are() {
    run(async {
        let node = Node::new().await;
        let model = &node.model;
        let ids = ["x", "minioadmin", "AKIA+/=", "ключ", "with space", "\u{0}", "k".repeat(200).leak()];
        for id in ids {
            model.import_key(id.into(), Secret::new(format!("secret of {id}")), id.into()).await.unwrap();
        }
        let node = node.restart().await;
        let model = &node.model;
        for id in ids {
            let names = model.names();
            let key = names.usable_key(id, model.env().clock.wall()).unwrap();
            assert_eq!(key.secret.value.reveal(), format!("secret of {id}"));
            let again = model.import_key(id.into(), Secret::new("other".into()), "other".into()).await;
            assert!(matches!(again, Err(ModelError::AccessKeyExists)));
            let printed = format!("{key:?}");
            assert!(!printed.contains("secret of"), "a secret is never printed");
        }
    });
}

#[test]
fn aliases_come_and_go_and_are_never_taken_from_another() {
    run(async {
        let node = Node::new().await;
        let model = &node.model;
        let (one, two) = (node.bucket().await, node.bucket().await);
        let name = || bucket_named("photos");
        model.add_alias(name(), one).await.unwrap();
        model.add_alias(name(), one).await.unwrap();
        assert!(matches!(model.add_alias(name(), two).await, Err(ModelError::BucketNameTaken)));
        assert!(matches!(model.remove_alias("photos".into(), two).await, Err(ModelError::NoSuchBucket)));
        model.remove_alias("photos".into(), one).await.unwrap();
        assert!(matches!(model.remove_alias("photos".into(), one).await, Err(ModelError::NoSuchBucket)));
        model.add_alias(name(), two).await.unwrap();
        assert_eq!(model.names().aliases_of(two).collect::<Vec<_>>(), ["photos"]);
        model.delete_bucket(two).await.unwrap();
        model.add_alias(name(), one).await.unwrap();
        assert_eq!(model.names().resolve("photos", None).unwrap().map(|(id, _)| id), Some(one));
    });
}

#[test]
fn a_node_without_buckets_and_keys_has_no_history_and_a_deleted_one_is_history() {
    run(async {
        let node = Node::new().await;
        assert!(!node.model.has_history().unwrap());
        let key = node.model.create_key("a".into()).await.unwrap();
        node.model.delete_key(key).await.unwrap();
        assert!(node.model.has_history().unwrap());
    });
}
