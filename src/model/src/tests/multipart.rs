//! Multipart uploads: composites own their parts, and closing an upload frees all the others.

use super::support::{Node, tag};
use super::{key_of, run};
use crate::ModelError;
use crate::listing::ListQuery;
use crate::multipart::{NamedPart, Planned};
use crate::objects::Condition;
use base::PartNumber;
use base::limits::PART_SIZE_MIN_BYTES;
use futures_util::FutureExt;
use store::Space;

const FIRST: &[&[u8]] = &[b"first", b"part"];
const SECOND: &[&[u8]] = &[b"second", b"part", b"is longer"];

fn named(number: u16, pieces: &[&[u8]]) -> NamedPart {
    let etag = base::id::encode_hex(&tag(pieces).md5).to_ascii_uppercase();
    NamedPart { number: PartNumber::new(number.into()).unwrap(), etag }
}

#[test]
fn a_composite_outlives_everything_around_it() {
    run(async {
        let node = Node::new().await;
        let (bucket, other) = (node.bucket().await, node.bucket().await);
        let name = node.upload(bucket, "a").await;
        node.part(&name, 1, FIRST).await.unwrap();
        node.part(&name, 2, SECOND).await.unwrap();
        // Others hold the same blocks, in every way there is.
        node.put(bucket, "plain", FIRST).await;
        let aborted = node.upload(bucket, "a").await;
        node.part(&aborted, 1, SECOND).await.unwrap();
        node.complete(&name, node.plan(&name, &[1, 2])).await.unwrap();
        node.copy((bucket, "a"), (other, "copy")).await.unwrap();
        let whole = [FIRST.concat(), SECOND.concat()].concat();
        node.delete(bucket, "plain").await;
        node.model.abort_upload(aborted).await.unwrap();
        node.expire().await;
        assert_eq!(node.content(bucket, "a").await.as_ref(), Some(&whole));
        node.put(bucket, "a", &[b"overwritten"]).await;
        node.expire().await;
        assert_eq!(node.content(other, "copy").await.as_ref(), Some(&whole));
        assert_eq!(node.content(bucket, "a").await, Some(b"overwritten".to_vec()));
        node.delete(other, "copy").await;
        node.delete(bucket, "a").await;
        node.expire().await;
        node.assert_only_buckets_left();
    });
}

#[test]
fn unlisted_and_overwritten_parts_are_freed() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let name = node.upload(bucket, "a").await;
        node.part(&name, 1, &[b"lost", b"overwritten"]).await.unwrap();
        node.part(&name, 1, FIRST).await.unwrap();
        node.part(&name, 3, &[b"never", b"listed"]).await.unwrap();
        node.part(&name, 4, &[b""]).await.unwrap();
        assert_eq!(node.block_rows(), 6);
        node.complete(&name, node.plan(&name, &[1])).await.unwrap();
        node.expire().await;
        assert_eq!(node.block_rows(), 2);
        assert_eq!((node.rows(Space::Part), node.rows(Space::Upload)), (0, 0));
        // The composite and the part each have a row, and three references: on the part and its blocks.
        assert_eq!((node.rows(Space::Version), node.rows(Space::BlockRef)), (3, 3));
        assert_eq!(node.content(bucket, "a").await, Some(FIRST.concat()));
        node.assert_usage_is_exact(bucket);
    });
}

#[test]
fn an_abort_frees_all() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let name = node.upload(bucket, "a").await;
        for number in 1..40 {
            node.part(&name, number, &[key_of(number.into()).as_bytes(), b"rest"]).await.unwrap();
        }
        node.model.abort_upload(name.clone()).await.unwrap();
        assert!(matches!(node.model.find_upload(&name).await, Err(ModelError::NoSuchUpload)));
        assert!(matches!(node.part(&name, 1, FIRST).await, Err(ModelError::NoSuchUpload)));
        assert!(matches!(node.model.abort_upload(name).await, Err(ModelError::NoSuchUpload)));
        node.expire().await;
        node.assert_only_buckets_left();
        node.assert_usage_is_exact(bucket);
    });
}

#[test]
fn completing_twice_gives_the_same_answer_and_one_object() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let name = node.upload(bucket, "a").await;
        node.part(&name, 1, FIRST).await.unwrap();
        let plan = node.plan(&name, &[1]);
        let stamp = node.complete(&name, plan.clone()).await.unwrap();
        // One that was planned before the first was done.
        assert!(matches!(node.complete(&name, plan.clone()).await, Err(ModelError::NoSuchUpload)));
        match node.model.plan_completion(&name, &[named(1, FIRST)]).await.unwrap() {
            Planned::Done(done) => assert_eq!((done.stamp, done.etag), (stamp, plan.etag())),
            Planned::Ready(_) => panic!("it was completed before"),
        }
        assert_eq!(node.find(bucket, "a").unwrap().stamp, stamp);
        assert_eq!(node.usage(bucket).objects, 1);
        node.delete(bucket, "a").await;
        node.expire().await;
        node.assert_only_buckets_left();
    });
}

#[test]
fn completing_and_aborting_exclude_each_other() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        for (key, abort_first) in [("completed", false), ("aborted", true)] {
            let name = node.upload(bucket, key).await;
            node.part(&name, 1, FIRST).await.unwrap();
            node.part(&name, 2, SECOND).await.unwrap();
            let plan = node.plan(&name, &[1, 2]);
            let abort = node.model.abort_upload(name.clone());
            let complete = node.complete(&name, plan);
            let (aborted, completed) = if abort_first {
                futures_util::join!(abort, complete)
            } else {
                let (completed, aborted) = futures_util::join!(complete, abort);
                (aborted, completed)
            };
            assert_eq!((aborted.is_ok(), completed.is_ok()), (abort_first, !abort_first));
            assert!(matches!(aborted.err(), None | Some(ModelError::NoSuchUpload)));
            assert!(matches!(completed.err(), None | Some(ModelError::NoSuchUpload)));
        }
        node.expire().await;
        assert!(node.find(bucket, "aborted").is_none());
        let whole = [FIRST.concat(), SECOND.concat()].concat();
        assert_eq!(node.content(bucket, "completed").await, Some(whole));
        node.assert_usage_is_exact(bucket);
        node.delete(bucket, "completed").await;
        node.expire().await;
        node.assert_only_buckets_left();
    });
}

/// More parts than one row and one transaction take: the composite's first rows are durable when
/// the completion is refused.
#[test]
fn a_refused_completion_of_many_parts_leaves_nothing_and_may_be_repeated() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "a", &[b"there"]).await;
        let name = node.upload(bucket, "a").await;
        let numbers: Vec<u16> = (1..=1500).collect();
        for number in &numbers {
            node.part(&name, *number, &[&number.to_be_bytes()]).await.unwrap();
        }
        let plan = node.plan(&name, &numbers);
        let refused = node.model.complete_upload(name.clone(), plan.clone(), None, Condition::Absent).await;
        assert!(matches!(refused, Err(ModelError::ConditionFailed)));
        node.settle().await;
        assert_eq!((node.rows(Space::Pending), node.rows(Space::Outbox)), (0, 0));
        node.expire().await;
        node.complete(&name, node.plan(&name, &numbers)).await.unwrap();
        node.expire().await;
        let whole: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        assert_eq!(node.content(bucket, "a").await, Some(whole));
        let found = node.find(bucket, "a").unwrap();
        assert_eq!(node.model.parts_of(&found).await.unwrap().len(), numbers.len());
        drop(found);
        node.delete(bucket, "a").await;
        node.expire().await;
        node.assert_only_buckets_left();
    });
}

#[test]
fn a_completion_cut_off_or_failing_between_its_rows_leaves_nothing() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let name = node.upload(bucket, "a").await;
        let numbers: Vec<u16> = (1..=2001).collect();
        for number in &numbers {
            node.part(&name, *number, &[b"the same"]).await.unwrap();
        }
        let held = node.rows(Space::BlockRef);
        let check_nothing_left = async |after: &str, polls: usize| {
            assert!(node.find(bucket, "a").is_none());
            node.expire().await;
            let left = (node.rows(Space::BlockRef), node.rows(Space::Pending), node.rows(Space::Outbox));
            assert_eq!(left, (held, 0, 0), "{after} after {polls} polls");
        };
        let mut most_rows = 0;
        for (polls, full) in (0..8).flat_map(|polls| [(polls, false), (polls, true)]) {
            if most_rows >= 2000 && !full {
                break;
            }
            let plan = node.plan(&name, &numbers);
            let mut complete = Box::pin(node.complete(&name, plan));
            for _ in 0..polls {
                assert!(futures_util::poll!(&mut complete).is_pending());
                tokio::task::yield_now().await;
            }
            most_rows = most_rows.max(node.rows(Space::BlockRef) - held);
            if full {
                node.world.disk.occupy(u64::MAX);
                let refused = complete.await;
                assert!(matches!(refused, Err(ModelError::Store(store::StoreError::Full))));
                node.world.disk.occupy(0);
                check_nothing_left("full", polls).await;
            } else {
                drop(complete);
                check_nothing_left("cut off", polls).await;
            }
        }
        assert!(most_rows >= 2000, "it was cut off when two of three batches were durable");
        node.complete(&name, node.plan(&name, &numbers)).await.unwrap();
        assert_eq!(node.find(bucket, "a").unwrap().object.size, 2001 * 8);
    });
}

/// The composite's first rows are durable, then the upload is aborted and its parts are let go.
#[test]
fn an_abort_between_the_rows_of_a_completion_wins() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let name = node.upload(bucket, "a").await;
        let numbers: Vec<u16> = (1..=1001).collect();
        for number in &numbers {
            node.part(&name, *number, &[b"the same"]).await.unwrap();
        }
        let mut complete = Box::pin(node.complete(&name, node.plan(&name, &numbers)));
        while node.rows(Space::Pending) == 0 {
            assert!(futures_util::poll!(&mut complete).is_pending());
            tokio::task::yield_now().await;
        }
        node.model.abort_upload(name.clone()).await.unwrap();
        node.expire().await;
        assert_eq!(node.block_rows(), 1, "the composite holds what its first rows list");
        assert!(matches!(complete.await, Err(ModelError::NoSuchUpload)));
        assert!(node.find(bucket, "a").is_none());
        node.expire().await;
        node.assert_only_buckets_left();
    });
}

#[test]
fn a_plan_checks_every_part() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let name = node.upload(bucket, "a").await;
        let mebibyte = vec![1u8; 1 << 20];
        let least: Vec<&[u8]> = vec![&mebibyte; (PART_SIZE_MIN_BYTES >> 20) as usize];
        node.part(&name, 1, &[b"replaced"]).await.unwrap();
        node.part(&name, 1, &least).await.unwrap();
        node.part(&name, 2, FIRST).await.unwrap();
        node.part(&name, 5, SECOND).await.unwrap();
        let plan = |parts: &[NamedPart]| {
            node.model
                .plan_completion(&name, parts)
                .now_or_never()
                .expect("a node that is alone answers at once")
        };
        let (one, two, five) = (named(1, &least), named(2, FIRST), named(5, SECOND));
        match plan(&[one.clone(), two.clone()]) {
            Ok(Planned::Ready(ready)) => {
                assert_eq!(ready.size(), PART_SIZE_MIN_BYTES + FIRST.concat().len() as u64);
                assert_eq!(ready.etag().parts, Some(2));
            }
            other => panic!("{:?}", other.err()),
        }
        assert!(matches!(plan(&[one.clone(), one.clone(), five.clone()]), Ok(Planned::Ready(_))));
        assert!(matches!(plan(&[two.clone(), one.clone()]), Err(ModelError::InvalidPartOrder)));
        assert!(matches!(plan(&[two, five.clone()]), Err(ModelError::PartTooSmall(2))));
        assert!(matches!(plan(&[one, named(3, FIRST)]), Err(ModelError::InvalidPart(3))));
        assert!(matches!(plan(&[named(5, FIRST)]), Err(ModelError::InvalidPart(5))));
        assert!(matches!(plan(&[named(1, &[b"replaced"]), five]), Err(ModelError::InvalidPart(1))));
    });
}

#[test]
fn an_upload_belongs_to_its_bucket_and_key() {
    run(async {
        let node = Node::new().await;
        let (bucket, other) = (node.bucket().await, node.bucket().await);
        let name = node.upload(bucket, "a").await;
        let mut wrong = [name.clone(), name.clone()];
        wrong[0].bucket = other;
        wrong[1].key = "b".into();
        for wrong in wrong {
            assert!(matches!(node.model.find_upload(&wrong).await, Err(ModelError::NoSuchUpload)));
            assert!(matches!(node.part(&wrong, 1, FIRST).await, Err(ModelError::NoSuchUpload)));
            assert!(matches!(node.model.abort_upload(wrong).await, Err(ModelError::NoSuchUpload)));
        }
        node.part(&name, 1, FIRST).await.unwrap();
    });
}

#[test]
fn parts_are_listed_newest_first_of_each_number_and_in_pages() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let name = node.upload(bucket, "a").await;
        for round in [&b"old"[..], b"newer"] {
            for number in [1, 2, 7, 10_000] {
                node.part(&name, number, &[round]).await.unwrap();
            }
        }
        for limit in 1..=5 {
            let (mut after, mut numbers) = (0, Vec::new());
            loop {
                let (_, parts, more) = node.model.list_parts(&name, after, limit).await.unwrap();
                assert!(parts.len() <= limit && parts.iter().all(|part| part.row.size == 5));
                numbers.extend(parts.iter().map(|part| part.number.get()));
                after = *numbers.last().unwrap();
                if !more {
                    break;
                }
            }
            assert_eq!(numbers, [1, 2, 7, 10_000]);
        }
        let query = ListQuery { limit: 9, ..ListQuery::default() };
        assert_eq!(node.model.list_uploads(bucket, query, None).await.unwrap().uploads.len(), 1);
    });
}
