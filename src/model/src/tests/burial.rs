//! Tombstones that several nodes keep are collected, and nothing that they kept away comes back.

use super::homes::{Homes, id};
use super::run;
use super::sync::{BUCKET, with_bucket};
use crate::batch::{Position, Write};
use crate::objects::Condition;
use crate::replicas::{Batch, KeyPlace};
use crate::rows::object::{self, ObjectRow};
use crate::rows::version::Owner;
use crate::{BodyWriter, ModelError};
use base::Stamp;
use bytes::Bytes;
use std::time::Duration;
use store::{Read, Space};
use table::register::WriteStep;

const BLOCK: [u8; 5000] = [7; 5000];
/// Longer than a tombstone stays, with all turns.
const GRACE: Duration = Duration::from_secs(20 * 60);
/// Longer than a body may be on its way.
const DEADLINE: Duration = Duration::from_secs(49 * 3600);

/// Lets everything become due, and be done, some times over: what goes may leave something else behind.
async fn expire(homes: &Homes) {
    for _ in 0..4 {
        homes.tidy_up().await;
        homes.pass(GRACE);
    }
    homes.tidy_up().await;
}

/// What a replica holds of a key.
fn row(homes: &Homes, number: usize, key: &str) -> Option<ObjectRow> {
    let place = KeyPlace::of(BUCKET, key.into());
    let view = homes.model(number).store().view().unwrap();
    view.get(Space::Object, &object::row_key(place.partition, key)).unwrap()
}

async fn store_at(homes: &Homes, number: usize, key: &str, row: ObjectRow, birth: Stamp) -> WriteStep {
    let KeyPlace { partition, key } = KeyPlace::of(BUCKET, key.into());
    let position = Position { order: row.order, id: row.stamp };
    let writes = vec![Write::Accept { partition, key, row, beside: Some(Bytes::from_static(b"old")).into() }];
    let batch = Batch { position, birth, deadline: None, writes, block: None, under: None };
    homes.model(number).store_everywhere(batch).await.unwrap()[&0]
}

#[test]
fn what_was_deleted_leaves_nothing_behind() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        for number in 0..20 {
            homes.node(number % 3).put(BUCKET, &format!("inline-{number}"), &[b"small"]).await;
            homes.node(number % 3).put(BUCKET, &format!("blocks-{number}"), &[&BLOCK, b"rest"]).await;
        }
        homes.node(0).put(BUCKET, "stays", &[&BLOCK, b"and more"]).await;
        let kept = homes.node(0).rows() - 20 - 20 * 5;
        for number in 0..20 {
            homes.node((number + 1) % 3).delete(BUCKET, &format!("inline-{number}")).await;
            homes.node((number + 1) % 3).delete(BUCKET, &format!("blocks-{number}")).await;
        }
        expire(&homes).await;
        for number in 0..3 {
            assert_eq!(homes.node(number).rows(), kept, "only what stays is left on node {number}");
            assert_eq!(homes.node(number).records(Space::Tombstone), 0);
            assert_eq!(homes.node(number).records(Space::Outbox), 0);
        }
        assert_eq!(homes.node(0).digests(), homes.node(1).digests());
        assert_eq!(homes.node(0).digests(), homes.node(2).digests());
        assert!(homes.node(1).content(BUCKET, "stays").await.is_some());
        assert_eq!(homes.node(2).content(BUCKET, "blocks-3").await, None);
    });
}

#[test]
fn with_one_replica_away_tombstones_stay_and_keep_its_old_rows_away() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "key", &[b"before"]).await;
        homes.stop(2).await;
        homes.node(0).delete(BUCKET, "key").await;
        expire(&homes).await;
        assert!(row(&homes, 0, "key").is_some(), "not all have acknowledged it");
        homes.start(2).await;
        with_bucket(&homes).await;
        assert_eq!(homes.node(2).content(BUCKET, "key").await, None);
        homes.model(2).sync_with(id(0)).await.unwrap();
        expire(&homes).await;
        for number in 0..3 {
            assert_eq!(row(&homes, number, "key"), None, "node {number} has forgotten it");
            assert_eq!(homes.node(number).content(BUCKET, "key").await, None);
        }
    });
}

#[test]
fn a_message_from_before_a_delete_brings_nothing_back() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "key", &[b"old"]).await;
        let old = ObjectRow { register: None, ..row(&homes, 1, "key").unwrap() };
        homes.node(0).delete(BUCKET, "key").await;
        expire(&homes).await;
        assert_eq!(row(&homes, 1, "key"), None);
        // The write itself, come late; and what somebody read before the delete and writes back.
        let read = old.order;
        assert_eq!(store_at(&homes, 1, "key", old.clone(), read).await, WriteStep::Unknown);
        for number in 0..3 {
            assert_eq!(homes.node(number).content(BUCKET, "key").await, None);
        }
        // An old row that is still alive somewhere is repaired, however old it is.
        let now = homes.model(1).store().stamp().await.unwrap();
        assert_eq!(store_at(&homes, 1, "another key of the same arc", old, now).await, WriteStep::Done);
    });
}

#[test]
fn a_promise_above_a_tombstone_is_ended_before_it_goes() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "key", &[b"one"]).await;
        homes.node(0).delete(BUCKET, "key").await;
        for key in ["key", "never written"] {
            let body = BodyWriter::new(homes.model(1), Owner::Object(BUCKET, key.into()));
            let body = body.finish(Bytes::from_static(b"two")).await.unwrap();
            let place =
                crate::objects::Place { bucket: BUCKET, key: key.into(), condition: Condition::Present };
            let put = homes.model(1).put_object(
                place,
                body,
                super::support::tag(&[b"two"]),
                crate::objects::ObjectMeta::default(),
            );
            assert!(put.await.is_err_and(|error| error.is_refusal()));
            let held = row(&homes, 0, key).unwrap();
            assert!(held.promise() > held.order, "the condition failed: only a promise came of it");
        }
        expire(&homes).await;
        for number in 0..3 {
            assert_eq!(row(&homes, number, "key"), None, "node {number}");
            assert_eq!(row(&homes, number, "never written"), None, "node {number}");
        }
        homes.node(1).put_if(BUCKET, "key", &[b"three"], Condition::Absent).await.unwrap();
        assert_eq!(homes.node(2).content(BUCKET, "key").await, Some(b"three".to_vec()));
    });
}

#[test]
fn a_body_whose_coordinator_vanished_goes_after_its_deadline() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        let mut writer = BodyWriter::new(homes.model(1), Owner::Object(BUCKET, "key".into()));
        writer.push_block(Bytes::from_static(&BLOCK), ()).await.unwrap();
        writer.push_block(Bytes::from_static(&[8; 4000]), ()).await.unwrap();
        env::sleep(Duration::from_secs(1)).await;
        // Nobody hears that it is given up, and then its process ends.
        homes.stop(0).await;
        homes.stop(2).await;
        drop(writer);
        env::sleep(Duration::from_secs(30)).await;
        homes.stop(1).await;
        for number in 0..3 {
            homes.start(number).await;
        }
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "key", &[&BLOCK, b"kept"]).await;
        let with_both = homes.node(0).rows();
        expire(&homes).await;
        assert_eq!(homes.node(0).rows(), with_both, "its upload could still be under way");
        homes.pass(DEADLINE);
        homes.stop(2).await;
        expire(&homes).await;
        assert_eq!(homes.node(0).rows(), with_both, "only all replicas together can tell");
        homes.start(2).await;
        with_bucket(&homes).await;
        expire(&homes).await;
        for number in 0..3 {
            assert_eq!(homes.node(number).records(Space::Pending), 0, "marks of node {number}");
            assert_eq!(homes.node(number).rows(), with_both - 4, "two rows and two references went");
            let kept = homes.node(number).content(BUCKET, "key").await.unwrap();
            assert_eq!(kept, [&BLOCK[..], b"kept"].concat());
        }
    });
}

#[test]
fn an_entry_that_reached_one_replica_only_is_completed_and_not_given_up() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "key", &[&BLOCK, b"rest"]).await;
        let body = row(&homes, 0, "key").unwrap().live().unwrap().body.id().unwrap();
        // Two replicas never heard of the entry, and nobody took the mark back.
        for number in [1, 2] {
            let place = KeyPlace::of(BUCKET, "key".into());
            let model = homes.model(number);
            let row_key = object::row_key(place.partition, "key");
            let forget = move |txn: &mut store::Txn<'_>| {
                let row: ObjectRow = txn.get(Space::Object, &row_key)?.unwrap();
                table::remove::<crate::tables::Objects>(txn, row_key, &row)?;
                let mark = crate::rows::version::PendingBody { deadline: base::WallTime(0) };
                txn.put(Space::Pending, body.as_bytes().to_vec(), &mark);
                Ok::<_, ModelError>(())
            };
            model.store().commit(store::Intent::Free, forget).await.unwrap();
        }
        homes.pass(DEADLINE);
        expire(&homes).await;
        for number in 0..3 {
            assert_eq!(homes.node(number).records(Space::Pending), 0);
            let content = homes.node(number).content(BUCKET, "key").await;
            assert_eq!(content, Some([&BLOCK[..], b"rest"].concat()));
            assert!(row(&homes, number, "key").is_some(), "node {number} has it now");
        }
    });
}
