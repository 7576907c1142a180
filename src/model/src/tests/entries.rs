//! Changes of an object's tags and access control list: atomic, with the same body and the same time, on one node and on several.

use super::homes::Homes;
use super::run;
use super::support::{Bucket, Node};
use crate::objects::{Condition, Want};
use crate::reclaim::Progress;
use crate::rows::acl::Acl;
use crate::{Model, ModelError};
use base::Id;
use std::sync::Arc;
use std::time::Duration;

const BUCKET: Bucket = Id::from_bytes([9; 32]);
/// Inline, and in blocks.
const BODIES: [&[&[u8]]; 2] = [&[b"small"], &[b"first", b"second"]];

fn tags(value: &str) -> Vec<(String, String)> {
    vec![("state".into(), value.into())]
}

async fn tags_of(model: &Arc<Model>, bucket: Bucket, key: &str) -> Vec<(String, String)> {
    model.find(bucket, key, Want::Metadata).await.unwrap().unwrap().object.tags
}

#[test]
fn tagging_keeps_content_tag_and_time_and_frees_nothing() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        for (number, pieces) in BODIES.into_iter().enumerate() {
            let key = super::key_of(number);
            let stamp = node.put(bucket, &key, pieces).await;
            let before = node.find(bucket, &key).unwrap();
            node.world.clock.jump(5000);
            for value in ["first", "second"] {
                node.model.set_object_tags(bucket, (key.clone(), None), tags(value)).await.unwrap();
                let after = node.find(bucket, &key).unwrap();
                assert_eq!((after.modified(), after.object.etag), (stamp, before.object.etag));
                assert!(after.stamp > stamp, "it is a version of its own");
                assert_eq!(after.object.tags, tags(value));
            }
            node.settle().await;
            node.expire().await;
            assert_eq!(node.content(bucket, &key).await, Some(pieces.concat()));
            node.assert_usage_is_exact(bucket);
            // Nothing of it stays behind either.
            node.delete(bucket, &key).await;
        }
        node.settle().await;
        node.expire().await;
        assert_eq!(node.block_rows(), 0);
        let missing = node.model.set_object_tags(bucket, ("none".into(), None), tags("x")).await;
        assert!(matches!(missing, Err(ModelError::NoSuchKey)));
    });
}

#[test]
fn a_list_is_replaced_only_where_it_is_the_one_that_was_judged() {
    run(async {
        let (alone, homes) = (Node::new().await, Homes::new(3, 3).await);
        for number in homes.running() {
            homes.model(number).make_bucket_for_test(BUCKET).await;
        }
        homes.node(0).put(BUCKET, "k", BODIES[1]).await;
        let bucket = alone.bucket().await;
        alone.put(bucket, "k", BODIES[1]).await;
        for (model, bucket) in [(&alone.model, bucket), (homes.model(1), BUCKET)] {
            let found = || async { model.find(bucket, "k", Want::Metadata).await.unwrap().unwrap() };
            let set = |judged: Option<&Acl>, list: Option<&Acl>| {
                model.set_object_acl(bucket, ("k".into(), None), judged.cloned(), list.cloned())
            };
            let (first, second) = (Acl::of_owner(Some("GK1".into())), Acl::of_owner(Some("GK2".into())));
            let written = found().await.modified();
            set(None, Some(&first)).await.unwrap();
            // The same again is fine: the first answer may have been lost.
            set(None, Some(&first)).await.unwrap();
            let late = set(None, Some(&second)).await;
            assert!(matches!(late, Err(ModelError::ConditionFailed)), "{late:?}");
            assert_eq!(
                (found().await.object.rare.acl, found().await.modified()),
                (Some(first.clone()), written)
            );
            set(Some(&first), None).await.unwrap();
            assert_eq!(found().await.object.rare.acl, None);
            let missing = model.set_object_acl(bucket, ("none".into(), None), None, Some(second)).await;
            assert!(matches!(missing, Err(ModelError::NoSuchKey)));
        }
    });
}

#[test]
fn a_copy_has_a_time_of_its_own() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "a", BODIES[1]).await;
        node.model.set_object_tags(bucket, ("a".into(), None), tags("x")).await.unwrap();
        let stamp = node.copy((bucket, "a"), (bucket, "b")).await.unwrap();
        assert_eq!(node.find(bucket, "b").unwrap().modified(), stamp);
        node.put(bucket, "a", BODIES[0]).await;
        assert_eq!(node.find(bucket, "a").unwrap().object.tags, []);
    });
}

#[test]
fn on_several_nodes_a_tag_is_decided_like_a_write_with_a_condition() {
    run(async {
        let homes = Homes::new(3, 3).await;
        for number in homes.running() {
            homes.model(number).make_bucket_for_test(BUCKET).await;
        }
        for (number, pieces) in BODIES.into_iter().enumerate() {
            let key = super::key_of(number);
            homes.node(0).put(BUCKET, &key, pieces).await;
            let before = homes.model(1).find(BUCKET, &key, Want::Metadata).await.unwrap().unwrap();
            homes.model(1).set_object_tags(BUCKET, (key.clone(), None), tags("seen")).await.unwrap();
            for other in homes.running() {
                assert_eq!(tags_of(homes.model(other), BUCKET, &key).await, tags("seen"));
                let after = homes.model(other).find(BUCKET, &key, Want::Metadata).await.unwrap().unwrap();
                assert_eq!(after.modified(), before.stamp);
                assert_eq!(homes.node(other).content(BUCKET, &key).await, Some(pieces.concat()));
            }
        }
        let missing = homes.model(2).set_object_tags(BUCKET, ("none".into(), None), tags("x")).await;
        assert!(matches!(missing, Err(ModelError::NoSuchKey)));
    });
}

/// Whoever overwrites while others tag: content and tags never mix, and no body that is named is let go.
#[test]
fn tags_and_puts_that_race_never_mix() {
    run(async {
        let homes = Homes::new(3, 3).await;
        for number in homes.running() {
            homes.model(number).make_bucket_for_test(BUCKET).await;
        }
        homes.node(0).put(BUCKET, "k", BODIES[1]).await;
        for round in 0..6 {
            let content: &[&[u8]] = if round % 2 == 0 { BODIES[0] } else { BODIES[1] };
            let tag =
                async { homes.model(1).set_object_tags(BUCKET, ("k".into(), None), tags("late")).await };
            let put = homes.node(2).put_if(BUCKET, "k", content, Condition::Present);
            let (tagged, put) = futures_util::join!(tag, put);
            let open = |error: &ModelError| matches!(error, ModelError::Unavailable);
            assert!(tagged.as_ref().err().is_none_or(open), "{tagged:?}");
            if put.is_err_and(|error| open(&error)) {
                homes.node(2).put(BUCKET, "k", content).await;
            }
            assert_eq!(homes.node(0).content(BUCKET, "k").await, Some(content.concat()), "round {round}");
        }
        env::sleep(Duration::from_secs(3600)).await;
        for number in homes.running() {
            while homes.model(number).reclaim_step().await.unwrap() != Progress::default() {}
            assert_eq!(homes.node(number).content(BUCKET, "k").await, Some(BODIES[1].concat()));
        }
    });
}
