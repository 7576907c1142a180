//! A bucket that is deleted through one home while objects are put through another.

use super::homes::Homes;
use super::run;
use super::support::tag;
use super::sync::{BUCKET, with_bucket};
use crate::objects::{Condition, ObjectMeta, Place};
use crate::rows::version::Owner;
use crate::{BodyWriter, Model, ModelError};
use base::Stamp;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

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
