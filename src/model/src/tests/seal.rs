//! A bucket that is deleted through one home while objects are put through another.

use super::homes::Homes;
use super::run;
use super::support::tag;
use super::sync::{BUCKET, with_bucket};
use crate::listing::ListQuery;
use crate::objects::{Condition, ObjectMeta, Place, Want};
use crate::rows::object::{self, Beside, ObjectRow, Slot};
use crate::rows::version::Owner;
use crate::tables::{Tables, Upkeep};
use crate::{BodyWriter, Model, ModelError, batch};
use base::{PartitionHash, Stamp};
use bytes::Bytes;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Read, Space, Txn};

async fn put(model: Arc<Model>, key: String, condition: Condition) -> Result<Stamp, ModelError> {
    let body = BodyWriter::new(&model, Owner::Object(BUCKET, key.clone()));
    let body = body.finish(Bytes::from_static(b"content")).await?;
    let place = Place { bucket: BUCKET, key, condition };
    model
        .put_object(place, body, tag(&[b"content"]), ObjectMeta::default())
        .await
        .map(|written| written.stamp)
}

#[test]
fn what_is_acknowledged_never_goes_with_its_bucket() {
    run(async {
        let (mut deleted, mut kept) = (0, 0);
        for delay_ms in 0..24 {
            let homes = Homes::new(3, 3).await;
            with_bucket(&homes).await;
            let puts: Vec<_> = (0..3)
                .map(|number| {
                    let condition = if number == 1 { Condition::Absent } else { Condition::Always };
                    let model = Arc::clone(homes.model(1 + number % 2));
                    let wait = Duration::from_millis(delay_ms * (1 + number as u64) / 2);
                    let tasks = model.env().tasks.clone();
                    tasks.spawn(async move {
                        env::sleep(wait).await;
                        put(model, format!("key-{number}"), condition).await
                    })
                })
                .collect();
            let outcome = homes.model(0).delete_bucket(BUCKET).await;
            let mut acknowledged = 0;
            for put in puts {
                acknowledged += usize::from(put.join().await.unwrap().is_ok());
            }
            match outcome {
                Ok(()) => {
                    deleted += 1;
                    assert_eq!(
                        acknowledged, 0,
                        "acknowledged, and gone with the bucket, after {delay_ms} ms"
                    );
                }
                Err(error) => {
                    assert!(matches!(error, ModelError::BucketNotEmpty | ModelError::Unavailable));
                    kept += 1;
                    assert!(put(Arc::clone(homes.model(2)), "later".into(), Condition::Always).await.is_ok());
                }
            }
        }
        assert!(deleted > 0 && kept > 0, "{deleted} deleted and {kept} kept: the race was not one");
    });
}

#[test]
fn a_bucket_whose_deleter_vanished_opens_again_for_a_put() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.model(0).seal_for_test(BUCKET).await;
        let refused = put(Arc::clone(homes.model(1)), "key".into(), Condition::Always).await;
        assert!(matches!(refused, Err(ModelError::BucketBusy)), "{refused:?}");
        assert!(put(Arc::clone(homes.model(1)), "key".into(), Condition::Always).await.is_ok());
        assert!(matches!(homes.model(0).delete_bucket(BUCKET).await, Err(ModelError::BucketNotEmpty)));
        assert!(put(Arc::clone(homes.model(2)), "another".into(), Condition::Absent).await.is_ok());
    });
}

#[test]
fn a_bucket_is_deleted_with_one_home_off_and_takes_nothing_from_it_later() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.stop(2).await;
        homes.model(0).delete_bucket(BUCKET).await.unwrap();
        homes.start(2).await;
        // It has not heard that the bucket is gone.
        let refused = put(Arc::clone(homes.model(2)), "key".into(), Condition::Always).await;
        assert!(matches!(refused, Err(ModelError::NoSuchBucket)), "{refused:?}");
    });
}

#[test]
fn only_who_took_the_seal_says_that_a_bucket_is_empty() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "key", &[b"content"]).await;
        // One home never hears of the delete; of the other two, one never hears of the seal.
        homes.stop(2).await;
        homes.model(1).forget_for_test(BUCKET, "key").await;
        homes.model(0).seal_for_test(BUCKET).await;
        homes.model(1).open_alone_for_test(BUCKET).await;
        let emptied = homes.model(1).list_under_seal_for_test(BUCKET).await;
        assert!(matches!(emptied, Err(ModelError::Unavailable)), "{emptied:?}");
    });
}

#[test]
fn an_opening_that_is_not_chosen_opens_no_replica() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.model(0).seal_for_test(BUCKET).await;
        homes.model(1).begin_to_open_for_test(BUCKET).await;
        for number in 0..3 {
            assert!(homes.model(number).is_closed_for_test(BUCKET), "node {number} is closed still");
        }
        homes.model(2).break_seal(BUCKET).await.unwrap();
        assert!(put(Arc::clone(homes.model(1)), "key".into(), Condition::Always).await.is_ok());
    });
}

/// A bucket that is gone though one home alone was told that its object is deleted, and one has heard of nothing.
async fn gone_with_a_leftover() -> Homes {
    let mut homes = Homes::new(3, 3).await;
    with_bucket(&homes).await;
    homes.node(0).put(BUCKET, "key", &[&[5; 5000]]).await;
    agree(&homes).await;
    // As if whoever deleted the object had reached one home and stopped.
    let stamp = homes.model(0).store().stamp().await.unwrap();
    let blocks = homes.model(0).blocks().clone();
    let delete = move |txn: &mut Txn<'_>| {
        let tables = Tables::new(&blocks, Upkeep::Everywhere);
        let row_key = object::row_key(PartitionHash::of_shard(&BUCKET, 0), "key");
        let deleted = ObjectRow::new(stamp, Slot::Deleted).version().unwrap();
        batch::store_object(&tables, txn, (&row_key, stamp), deleted, Beside::default())?;
        Ok::<_, ModelError>(())
    };
    homes.model(0).store().commit(Intent::Free, delete).await.unwrap();
    homes.stop(2).await;
    homes.model(0).delete_bucket(BUCKET).await.unwrap();
    homes.stop(0).await;
    homes.start(2).await;
    homes
}

#[test]
fn nothing_of_a_bucket_that_is_gone_is_read_through_a_home_that_has_not_heard() {
    run(async {
        let mut homes = gone_with_a_leftover().await;
        // With the home that holds the delete away, the two that are there hold the object alike.
        let unsure = homes.model(2).find(BUCKET, "key", Want::Content).await;
        assert!(matches!(unsure, Err(ModelError::Unavailable)), "one that says so may be wrong: {unsure:?}");
        homes.start(0).await;
        let gone = homes.model(2).find(BUCKET, "key", Want::Content).await;
        assert!(matches!(gone, Err(ModelError::NoSuchBucket)), "{gone:?}");
        let listed =
            homes.model(2).list_objects(BUCKET, ListQuery { limit: 10, ..ListQuery::default() }).await;
        assert!(matches!(listed, Err(ModelError::NoSuchBucket)), "{listed:?}");
        let decided = put(Arc::clone(homes.model(2)), "key".into(), Condition::Absent).await;
        assert!(matches!(decided, Err(ModelError::NoSuchBucket)), "not that the key is there: {decided:?}");
    });
}

#[test]
fn what_is_left_of_a_bucket_that_is_gone_goes_in_time() {
    run(async {
        let mut homes = gone_with_a_leftover().await;
        homes.start(0).await;
        for number in 1..3 {
            homes.model(number).compare_names(super::homes::id(0)).await.unwrap();
        }
        let partition = PartitionHash::of_shard(&BUCKET, 0);
        let left = |number: usize| -> usize {
            let of = |space| {
                let view = homes.model(number).store().view().unwrap();
                let mut rows = 0;
                let end = table::sort_key::after_prefix(partition.as_bytes()).unwrap();
                let (from, to) = (Bound::Included(partition.as_bytes().as_slice()), Bound::Excluded(&*end));
                let count = &mut |_: &[u8], _: &[u8]| {
                    rows += 1;
                    ControlFlow::Continue(())
                };
                view.scan(space, from, to, count).unwrap();
                rows
            };
            [Space::Object, Space::Past, Space::Usage, Space::Inline].into_iter().map(of).sum()
        };
        assert!((0..3).all(|number| left(number) > 0));
        for _ in 0..4 {
            homes.pass(Duration::from_secs(24 * 3600));
            homes.tidy_up().await;
            agree(&homes).await;
        }
        let block = base::BlockHash::of(&[5; 5000]);
        for number in 0..3 {
            assert_eq!(left(number), 0, "home {number}");
            assert_eq!(homes.model(number).blocks().reference_count(&block).unwrap(), 0, "home {number}");
            assert!(homes.model(number).is_gone_for_test(BUCKET), "its seal stays");
            assert_eq!(homes.node(number).digests(), homes.node(0).digests());
        }
        // A tombstone that comes later, from somebody who has not heard, goes the next day.
        let row_key = object::row_key(partition, "late");
        let late = move |txn: &mut Txn<'_>| {
            txn.put(Space::Object, row_key, &ObjectRow::new(Stamp { time: 1 << 40, node: 7 }, Slot::Deleted));
            Ok::<_, ModelError>(())
        };
        homes.model(1).store().commit(Intent::Free, late).await.unwrap();
        homes.tidy_up().await;
        assert_eq!(left(1), 1, "it is not looked for in every round");
        env::sleep(Duration::from_secs(25 * 3600)).await;
        homes.tidy_up().await;
        assert_eq!(left(1), 0);
    });
}

async fn agree(homes: &Homes) {
    for (number, other) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        homes.model(number).sync_with(super::homes::id(other)).await.unwrap();
    }
}
