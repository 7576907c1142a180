//! Objects: what is freed and when, usage, copies, conditions, quotas, buckets that go.

use super::support::{Bucket, Node, Random, tag};
use super::{bucket_named, key_of, run};
use crate::admin::BucketChange;
use crate::listing::ListQuery;
use crate::objects::{Condition, Deletion};
use crate::rows::bucket::Quotas;
use crate::rows::version::{self, VersionRow};
use crate::{Bypass, ByteRange, ModelError};
use store::{Read, Space};

/// A body of three blocks.
const THREE: &[&[u8]] = &[b"first", b"second", b"third"];
/// Another one that shares a block with it.
const OTHER: &[&[u8]] = &[b"fourth", b"second"];

#[test]
fn content_comes_back_whatever_its_size() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let large = vec![7u8; crate::INLINE_MAX_BYTES + 1];
        let many: Vec<Vec<u8>> = (0..40u8).map(|number| vec![number; 1 + usize::from(number)]).collect();
        let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
        let cases: [&[&[u8]]; 6] = [&[b""], &[b"inline"], &[&large], THREE, &[b"whole", b""], &many];
        for (number, pieces) in cases.into_iter().enumerate() {
            let key = key_of(number);
            node.put(bucket, &key, pieces).await;
            assert_eq!(node.content(bucket, &key).await, Some(pieces.concat()), "{number}");
            assert_eq!(node.find(bucket, &key).unwrap().object.etag, tag(pieces));
        }
        node.settle().await;
        node.assert_usage_is_exact(bucket);
    });
}

#[test]
fn every_range_of_every_kind_of_body() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let name = node.upload(bucket, "composite").await;
        node.part(&name, 1, &[b"fir", b"st"]).await.unwrap();
        node.part(&name, 2, &[b"second", b"third"]).await.unwrap();
        node.complete(&name, node.plan(&name, &[1, 2])).await.unwrap();
        let whole = THREE.concat();
        let single: Vec<&[u8]> = whole.chunks(1).collect();
        assert!(single.len() == 16);
        let with_rows: Vec<&[u8]> = single.iter().copied().chain([&b"!"[..]]).collect();
        node.put(bucket, "inline", &[&whole]).await;
        node.put(bucket, "blocks", THREE).await;
        node.put(bucket, "rows", &with_rows).await;
        for key in ["inline", "blocks", "composite", "rows"] {
            let found = node.find(bucket, key).unwrap();
            for start in 0..=whole.len() {
                for end in start..=whole.len() {
                    let range = ByteRange { start: start as u64, end: end as u64 };
                    assert_eq!(node.range(&found, range).await, whole[start..end], "{key} {range:?}");
                }
            }
        }
    });
}

#[test]
fn overwriting_and_deleting_free_blocks_after_the_grace() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "a", THREE).await;
        assert_eq!(node.block_rows(), 3);
        node.put(bucket, "a", OTHER).await;
        node.settle().await;
        assert_eq!(node.block_rows(), 4, "nothing goes before the grace");
        node.expire().await;
        assert_eq!(node.block_rows(), 2);
        assert_eq!(node.content(bucket, "a").await, Some(OTHER.concat()));
        node.delete(bucket, "a").await;
        node.settle().await;
        assert_eq!(node.block_rows(), 2);
        node.expire().await;
        assert!(node.find(bucket, "a").is_none());
        node.assert_only_buckets_left();
    });
}

#[test]
fn a_tombstone_goes_after_the_grace_and_spares_what_was_written_since() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        for key in ["gone", "back"] {
            node.put(bucket, key, &[b"inline"]).await;
            node.delete(bucket, key).await;
        }
        node.put(bucket, "back", &[b"again"]).await;
        assert_eq!((node.rows(Space::Object), node.rows(Space::Tombstone)), (2, 2));
        node.settle().await;
        assert_eq!(node.rows(Space::Object), 2, "nothing goes before the grace");
        node.expire().await;
        assert_eq!((node.rows(Space::Object), node.rows(Space::Tombstone)), (1, 0));
        assert_eq!(node.rows(Space::Fence), 1, "the fence tells what was forgotten");
        assert_eq!(node.content(bucket, "back").await, Some(b"again".to_vec()));
        node.assert_usage_is_exact(bucket);
    });
}

#[test]
fn deleting_what_is_not_there_leaves_nothing() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.delete(bucket, "nothing").await;
        node.assert_only_buckets_left();
    });
}

#[test]
fn a_copy_shares_blocks_and_outlives_its_source() {
    run(async {
        let node = Node::new().await;
        let (bucket, other) = (node.bucket().await, node.bucket().await);
        let long: Vec<Vec<u8>> = (0..20u8).map(|number| vec![number; 3]).collect();
        let long: Vec<&[u8]> = long.iter().map(Vec::as_slice).collect();
        let cases: [(&str, &[&[u8]]); 3] = [("inline", &[b"small"]), ("blocks", THREE), ("rows", &long)];
        for (key, pieces) in cases {
            node.put(bucket, key, pieces).await;
            let before = node.block_rows();
            node.copy((bucket, key), (other, key)).await.unwrap();
            assert_eq!(node.block_rows(), before, "{key}: no block is stored twice");
            node.delete(bucket, key).await;
        }
        node.expire().await;
        for (key, pieces) in cases {
            assert_eq!(node.content(other, key).await, Some(pieces.concat()), "{key}");
            // Onto itself: the new body takes over from the old one.
            node.copy((other, key), (other, key)).await.unwrap();
        }
        node.expire().await;
        for (key, pieces) in cases {
            assert_eq!(node.content(other, key).await, Some(pieces.concat()), "{key}");
            node.delete(other, key).await;
        }
        node.expire().await;
        node.assert_only_buckets_left();
        node.assert_usage_is_exact(other);
    });
}

/// More rows than one transaction takes: 1 500 blocks, whose rows and references are three batches.
async fn put_huge(node: &Node, bucket: Bucket, key: &str) -> Vec<u8> {
    let pieces: Vec<[u8; 4]> = (0..1500u32).map(u32::to_be_bytes).collect();
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
    node.put(bucket, key, &pieces).await;
    pieces.concat()
}

#[test]
fn a_huge_copy_is_whole_although_its_source_goes_meanwhile() {
    run(async {
        let node = Node::new().await;
        let (bucket, other) = (node.bucket().await, node.bucket().await);
        let whole = put_huge(&node, bucket, "a").await;
        node.copy((bucket, "a"), (other, "b")).await.unwrap();
        assert_eq!(node.rows(Space::Pending), 0);
        node.copy((other, "b"), (other, "b")).await.unwrap();
        node.delete(bucket, "a").await;
        node.expire().await;
        assert_eq!(node.content(other, "b").await, Some(whole));
        let source = node.find(other, "b").unwrap();
        let place = crate::objects::Place { bucket, key: "c".into(), condition: Condition::Always };
        let meta = crate::objects::ObjectMeta::default();
        let mut copy = Box::pin(node.model.copy_object((other, "b".into(), None), source, place, meta));
        while node.rows(Space::Pending) == 0 {
            assert!(futures_util::poll!(&mut copy).is_pending());
            tokio::task::yield_now().await;
        }
        node.delete(other, "b").await;
        node.expire().await;
        assert_eq!(node.block_rows(), 1500, "what is being copied is being read");
        assert!(matches!(copy.await, Err(ModelError::NoSuchKey)));
        node.expire().await;
        node.assert_only_buckets_left();
    });
}

#[test]
fn a_huge_copy_that_is_cut_off_or_refused_leaves_nothing() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        put_huge(&node, bucket, "a").await;
        let held = node.rows(Space::BlockRef);
        let mut most = 0;
        for (polls, full) in (0..8).flat_map(|polls| [(polls, false), (polls, true)]) {
            if most >= 1000 && !full {
                break;
            }
            let mut copy = Box::pin(node.copy((bucket, "a"), (bucket, "b")));
            for _ in 0..polls {
                assert!(futures_util::poll!(&mut copy).is_pending());
                tokio::task::yield_now().await;
            }
            most = most.max(node.rows(Space::BlockRef) - held);
            if full {
                node.world.disk.occupy(u64::MAX);
                assert!(matches!(copy.await, Err(ModelError::Store(store::StoreError::Full))));
                node.world.disk.occupy(0);
            } else {
                drop(copy);
            }
            assert!(node.find(bucket, "b").is_none());
            node.expire().await;
            let left = (node.rows(Space::BlockRef), node.rows(Space::Pending), node.rows(Space::Outbox));
            assert_eq!(left, (held, 0, 0), "after {polls} polls, full: {full}");
        }
        assert!(most >= 1000, "it was cut off when two of three batches were durable: {most}");
    });
}

#[test]
fn a_copy_has_a_deadline_of_its_own() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "a", THREE).await;
        let day_ms = 24 * 3600 * 1000;
        node.world.clock.jump(30 * day_ms);
        node.copy((bucket, "a"), (bucket, "b")).await.unwrap();
        let body = node.find(bucket, "b").unwrap().object.body.id().unwrap();
        let key = version::row_key(&body, 0);
        let row: VersionRow = node.store.view().unwrap().get(Space::Version, &key).unwrap().unwrap();
        assert_eq!(row.deadline.millis(), node.model.env().clock.wall().millis() + 2 * day_ms as u64);
    });
}

#[test]
fn a_copy_of_what_changed_meanwhile_is_refused() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "a", THREE).await;
        let source = node.find(bucket, "a").unwrap();
        node.put(bucket, "a", OTHER).await;
        let place = crate::objects::Place { bucket, key: "b".into(), condition: Condition::Always };
        let copied =
            node.model.copy_object((bucket, "a".into(), None), source, place, Default::default()).await;
        assert!(matches!(copied, Err(ModelError::ConditionFailed)));
        assert!(node.find(bucket, "b").is_none());
    });
}

#[test]
fn the_put_that_commits_last_wins_although_it_began_first() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let owner = crate::rows::version::Owner::Object(bucket, "a".into());
        let slow = node.body(owner, THREE).await;
        node.world.clock.jump(5_000);
        let quick = node.put(bucket, "a", OTHER).await;
        // Not even a clock that goes back changes the order of commits.
        node.world.clock.jump(-3_600_000);
        let place = crate::objects::Place { bucket, key: "a".into(), condition: Condition::Always };
        let put = node.model.put_object(place, slow, tag(THREE), Default::default()).await;
        let stamp = put.unwrap().stamp;
        assert!(stamp > quick);
        assert_eq!(node.content(bucket, "a").await, Some(THREE.concat()));
        assert_eq!(node.find(bucket, "a").unwrap().stamp, stamp);
    });
}

#[test]
fn conditions() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Answer {
        Done,
        Failed,
        Missing,
    }
    use Answer::{Done, Failed, Missing};
    let present: &[&[u8]] = &[b"present"];
    let tags = |pieces: &[&[u8]]| Condition::Matches(vec!["other".into(), tag(pieces).to_string()]);
    let cases = [
        (Condition::Always, Done, Done),
        (Condition::Absent, Done, Failed),
        (Condition::Present, Missing, Done),
        (tags(present), Missing, Done),
        (tags(&[b"something else"]), Missing, Failed),
        (Condition::Matches(Vec::new()), Missing, Failed),
    ];
    let answer = |outcome: Result<(), ModelError>| match outcome {
        Ok(()) => Done,
        Err(ModelError::ConditionFailed) => Failed,
        Err(ModelError::ConditionOnMissing) => Missing,
        Err(error) => panic!("{error}"),
    };
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        for (condition, on_absent, on_present) in cases {
            for (there, expected) in [(false, on_absent), (true, on_present)] {
                let prepare = async || {
                    node.delete(bucket, "a").await;
                    if there {
                        node.put(bucket, "a", present).await;
                    }
                };
                prepare().await;
                let outcome = node.put_if(bucket, "a", THREE, condition.clone()).await.map(|_| ());
                assert_eq!(answer(outcome), expected, "put {condition:?} there={there}");
                let content = node.content(bucket, "a").await;
                let before = there.then(|| present.concat());
                assert_eq!(content, if expected == Done { Some(THREE.concat()) } else { before.clone() });
                prepare().await;
                let outcome = node.delete_if(bucket, "a", condition.clone()).await;
                assert_eq!(answer(outcome), expected, "delete {condition:?} there={there}");
                let content = node.content(bucket, "a").await;
                assert_eq!(content, if expected == Done { None } else { before });
            }
        }
        node.delete(bucket, "a").await;
        node.expire().await;
        node.assert_only_buckets_left();
    });
}

#[test]
fn many_deletions_each_have_their_own_outcome() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        for key in ["a", "b"] {
            node.put(bucket, key, THREE).await;
        }
        let deletion = |key: &str, condition| Deletion {
            key: key.into(),
            version: None,
            condition,
            bypass: Bypass::Nothing,
        };
        let deletions = vec![
            deletion("a", Condition::Always),
            deletion("a", Condition::Present),
            deletion("b", Condition::Matches(vec!["wrong".into()])),
            deletion("c", Condition::Always),
        ];
        let outcomes = node.model.delete_objects(bucket, deletions).await.unwrap();
        assert!(matches!(
            outcomes[..],
            [Ok(_), Err(ModelError::ConditionOnMissing), Err(ModelError::ConditionFailed), Ok(_)]
        ));
        assert!(node.find(bucket, "a").is_none() && node.find(bucket, "b").is_some());
        node.assert_usage_is_exact(bucket);
    });
}

#[test]
fn usage_equals_a_recount_after_random_operations() {
    run(async {
        for seed in 0..5 {
            let mut random = Random(seed);
            let node = Node::new().await;
            let buckets = [node.bucket().await, node.bucket().await];
            let mut uploads = Vec::new();
            for _ in 0..150 {
                let bucket = buckets[random.below(2)];
                let key = key_of(random.below(5));
                let block = [random.below(3) as u8; 9];
                let (inline, blocks): (&[&[u8]], &[&[u8]]) = (&[&block[..3]], &[&block, &block[..5]]);
                let pieces = if random.below(2) == 0 { inline } else { blocks };
                match random.below(8) {
                    0..=2 => _ = node.put(bucket, &key, pieces).await,
                    3 => node.delete(bucket, &key).await,
                    4 => {
                        let to = (buckets[random.below(2)], key_of(random.below(5)));
                        match node.copy((bucket, &key), (to.0, &to.1)).await {
                            Ok(_) | Err(ModelError::NoSuchKey) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    5 => {
                        let name = node.upload(bucket, &key).await;
                        node.part(&name, 1, pieces).await.unwrap();
                        uploads.push(name);
                    }
                    6 if !uploads.is_empty() => {
                        let name = uploads.swap_remove(random.below(uploads.len()));
                        node.part(&name, 1, &[b"again"]).await.unwrap();
                        node.complete(&name, node.plan(&name, &[1])).await.unwrap();
                    }
                    7 if !uploads.is_empty() => {
                        let name = uploads.swap_remove(random.below(uploads.len()));
                        node.model.abort_upload(name).await.unwrap();
                    }
                    _ => _ = node.model.reclaim_step().await.unwrap(),
                }
                buckets.iter().for_each(|bucket| node.assert_usage_is_exact(*bucket));
            }
            node.expire().await;
            for bucket in buckets {
                node.assert_usage_is_exact(bucket);
                for number in 0..5 {
                    // Reads every block that is still named.
                    node.content(bucket, &key_of(number)).await;
                    node.delete(bucket, &key_of(number)).await;
                }
            }
            for name in uploads {
                node.model.abort_upload(name).await.unwrap();
            }
            node.expire().await;
            node.assert_only_buckets_left();
        }
    });
}

#[test]
fn quotas_refuse_growth_and_nothing_else() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "a", &[b"1234567890"]).await;
        let set = async |size_bytes, objects| {
            let change =
                BucketChange { quotas: Some(Quotas { size_bytes, objects }), ..BucketChange::default() };
            node.model.update_bucket(bucket, change).await.unwrap();
        };
        let refused = async |key: &str, pieces: &[&[u8]]| {
            let outcome = node.put_if(bucket, key, pieces, Condition::Always).await;
            matches!(outcome, Err(ModelError::QuotaExceeded))
        };
        let has_room = async |key: &str, size| node.model.check_room(bucket, key, size).await.is_ok();
        assert!(has_room("b", u64::MAX).await, "no limit");
        set(Some(15), None).await;
        assert!(has_room("b", 5).await && !has_room("b", 6).await, "known before the bytes are there");
        assert!(has_room("a", 15).await && !has_room("a", 16).await, "what is replaced makes room");
        assert!(refused("b", &[b"123456"]).await, "one byte above");
        assert!(!refused("b", &[b"12345"]).await, "exactly full");
        assert!(refused("b", &[b"123456"]).await, "an overwrite that grows");
        assert!(node.copy((bucket, "b"), (bucket, "c")).await.is_err(), "a copy grows too");
        assert!(!refused("b", &[b"1234"]).await);
        // A limit below what is there: shrinking and deleting still work.
        set(Some(3), Some(1)).await;
        assert!(!refused("a", &[b"1"]).await, "an overwrite that shrinks");
        assert!(refused("c", &[b""]).await, "one object more");
        assert!(!has_room("c", 0).await && has_room("a", 1).await);
        node.delete(bucket, "a").await;
        node.delete(bucket, "b").await;
        assert!(!refused("c", &[b"1"]).await);
        set(None, None).await;
        assert!(!refused("d", THREE).await);
        let name = node.upload(bucket, "e").await;
        node.part(&name, 1, THREE).await.unwrap();
        set(Some(1), None).await;
        let plan = node.plan(&name, &[1]);
        assert!(matches!(node.complete(&name, plan).await, Err(ModelError::QuotaExceeded)));
        set(None, None).await;
        node.complete(&name, node.plan(&name, &[1])).await.unwrap();
        node.assert_usage_is_exact(bucket);
    });
}

async fn keys(node: &Node, bucket: Bucket) -> usize {
    node.model
        .list_objects(bucket, ListQuery { limit: 9, ..ListQuery::default() })
        .await
        .unwrap()
        .entries
        .len()
}

#[test]
fn a_bucket_goes_only_when_empty_and_comes_back_empty() {
    run(async {
        let node = Node::new().await;
        let name = bucket_named("photos");
        let bucket = node.model.create_bucket(Some(name.clone()), None).await.unwrap();
        node.put(bucket, "a", THREE).await;
        assert!(matches!(node.model.delete_bucket(bucket).await, Err(ModelError::BucketNotEmpty)));
        node.delete(bucket, "a").await;
        let upload = node.upload(bucket, "b").await;
        node.part(&upload, 1, OTHER).await.unwrap();
        node.model.delete_bucket(bucket).await.unwrap();
        assert!(node.model.names().resolve("photos", None).unwrap().is_none());
        assert!(matches!(node.model.delete_bucket(bucket).await, Err(ModelError::NoSuchBucket)));
        for outcome in [
            node.put_if(bucket, "a", THREE, Condition::Always).await,
            node.part(&upload, 2, OTHER).await,
            node.model.abort_upload(upload.clone()).await.map(|()| base::Stamp::ZERO),
        ] {
            assert!(matches!(outcome, Err(ModelError::NoSuchBucket | ModelError::NoSuchUpload)));
        }
        let again = node.model.create_bucket(Some(name), None).await.unwrap();
        assert_ne!(again, bucket);
        assert_eq!(node.model.names().resolve("photos", None).unwrap().unwrap().0, again);
        assert_eq!((keys(&node, again).await, node.usage(again)), (0, Default::default()));
        let query = ListQuery { limit: 9, ..ListQuery::default() };
        assert!(node.model.list_uploads(again, query, None).await.unwrap().uploads.is_empty());
        node.expire().await;
        node.assert_only_buckets_left();
        node.assert_usage_is_exact(bucket);
    });
}
