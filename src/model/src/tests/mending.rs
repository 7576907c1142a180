//! Rows of one of three homes whose stored bytes are flipped: nobody reads less for it, and they come back from the
//! other homes, never from nothing (rule M4).

use super::homes::{Homes, id};
use super::run;
use super::sync::{BUCKET, with_bucket};
use crate::objects::Condition;
use crate::replicas::KeyPlace;
use crate::rows::object::{self, ObjectRow, Slot};
use crate::rows::reference;
use crate::{Model, ModelError, usage};
use base::{BlockHash, PartitionHash, Stamp};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::{Intent, Read, Space, StoreError, Txn};

const BLOCK: [u8; 5000] = [3; 5000];
/// The tables that replicas have in common, and the bytes beside their rows.
const TABLES: [Space; 4] = [Space::Object, Space::Inline, Space::Version, Space::BlockRef];

fn partition() -> PartitionHash {
    KeyPlace::of(BUCKET, String::new()).partition
}

fn row_key(key: &str) -> Vec<u8> {
    object::row_key(partition(), key)
}

pub fn keys_of(model: &Model, space: Space) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let view = model.store().view().unwrap();
    view.scan(space, Bound::Unbounded, Bound::Unbounded, &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })
    .unwrap();
    keys
}

/// Flips a bit of a stored record.
pub async fn spoil(model: &Arc<Model>, space: Space, key: Vec<u8>) {
    let flip = move |txn: &mut Txn<'_>| {
        let mut bytes = txn.get_bytes(space, &key)?.expect("the row is there").to_vec();
        *bytes.last_mut().expect("a record has a header") ^= 1;
        txn.put_bytes(space, key, bytes.into());
        Ok::<_, StoreError>(())
    };
    model.store().commit(Intent::Free, flip).await.unwrap();
}

fn held(homes: &Homes, number: usize, key: &str) -> Result<Option<ObjectRow>, StoreError> {
    homes.model(number).store().view().unwrap().get(Space::Object, &row_key(key))
}

/// Everything that is derived from rows says what the rows say.
pub fn assert_counts(homes: &Homes, number: usize) {
    let view = homes.model(number).store().view().unwrap();
    assert_eq!(usage::of_partition(&view, partition()), usage::recount(&view, partition()));
    assert_eq!(homes.model(number).recount_digests().unwrap(), Vec::<String>::new());
    let mut held = std::collections::BTreeMap::<BlockHash, u64>::new();
    for key in keys_of(homes.model(number), Space::BlockRef) {
        if let Some(reference::Target::Block(hash)) = reference::target_of(&key) {
            let row: reference::ReferenceRow = view.get(Space::BlockRef, &key).unwrap().unwrap();
            *held.entry(hash).or_default() += u64::from(!row.removed);
        }
    }
    for (hash, count) in held {
        assert_eq!(homes.model(number).blocks().reference_count(&hash).unwrap(), count);
    }
}

pub async fn agree(homes: &Homes) {
    for (number, other) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        homes.model(number).sync_with(id(other)).await.unwrap();
    }
    for number in 1..3 {
        assert_eq!(homes.node(number).digests(), homes.node(0).digests());
    }
}

#[test]
fn every_damaged_row_of_one_home_is_read_elsewhere_and_comes_back() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "small", &[b"inline"]).await;
        homes.node(0).put(BUCKET, "big", &[&BLOCK, b"end"]).await;
        homes.node(0).put(BUCKET, "twin", &[&BLOCK, b"other end"]).await;
        homes.node(0).delete(BUCKET, "gone").await;
        agree(&homes).await;
        let mut spoiled = 0;
        for space in TABLES {
            for key in keys_of(homes.model(1), space) {
                spoil(homes.model(1), space, key).await;
                spoiled += 1;
            }
        }
        assert!(spoiled > 10, "{spoiled} records");
        // Whoever is asked, nothing is missing: not on the home that lost its rows either.
        for number in 0..3 {
            assert_eq!(homes.node(number).content(BUCKET, "small").await.unwrap(), b"inline");
            assert_eq!(
                homes.node(number).content(BUCKET, "big").await.unwrap(),
                [&BLOCK[..], b"end"].concat()
            );
            assert_eq!(homes.node(number).content(BUCKET, "gone").await, None);
        }
        for space in TABLES {
            for key in keys_of(homes.model(1), space) {
                homes
                    .model(1)
                    .note_damage(&ModelError::Store(StoreError::Unreadable { space: space.name(), key }));
            }
        }
        while !homes.model(1).mend_all().await {}
        assert_counts(&homes, 1);
        agree(&homes).await;
        // It answers from its own rows again: one of the others is enough.
        let mut homes = homes;
        homes.stop(0).await;
        assert_eq!(homes.node(1).content(BUCKET, "big").await.unwrap(), [&BLOCK[..], b"end"].concat());
        assert_eq!(homes.node(1).content(BUCKET, "twin").await.unwrap(), [&BLOCK[..], b"other end"].concat());
        assert_eq!(homes.node(1).content(BUCKET, "small").await.unwrap(), b"inline");
    });
}

#[test]
fn a_row_is_mended_only_when_all_others_answer() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.stop(2).await;
        homes.node(0).put(BUCKET, "key", &[b"acknowledged by two"]).await;
        spoil(homes.model(1), Space::Object, row_key("key")).await;
        // The other one that is up is not enough: it may lack what this one and the third acknowledged.
        let mended = homes.model(1).mend(Space::Object, &row_key("key")).await;
        assert!(matches!(mended, Err(ModelError::Unavailable)), "{mended:?}");
        assert!(held(&homes, 1, "key").is_err());
        let read = homes.model(0).find(BUCKET, "key", crate::objects::Want::Content).await;
        assert!(matches!(read, Err(ModelError::Unavailable)), "never a 404: {read:?}");
        homes.start(2).await;
        assert_eq!(homes.node(2).content(BUCKET, "key").await.unwrap(), b"acknowledged by two");
        homes.model(1).mend(Space::Object, &row_key("key")).await.unwrap();
        assert_eq!(homes.node(1).content(BUCKET, "key").await.unwrap(), b"acknowledged by two");
        assert_counts(&homes, 1);
        agree(&homes).await;
    });
}

#[test]
fn a_mended_row_takes_nothing_that_was_under_way_before() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "key", &[b"first"]).await;
        agree(&homes).await;
        let old = held(&homes, 0, "key").unwrap().unwrap();
        // What this home may have acknowledged was born before this.
        let late = homes.model(1).store().stamp().await.unwrap();
        spoil(homes.model(1), Space::Object, row_key("key")).await;
        homes.model(1).mend(Space::Object, &row_key("key")).await.unwrap();
        let row = held(&homes, 1, "key").unwrap().unwrap();
        assert_eq!((row.stamp, &row.slot), (old.stamp, &old.slot));
        assert!(row.order > late && row.promise() == row.order, "{row:?}");
        // Whether this one took it before is forgotten everywhere: it is in doubt, and never acknowledged.
        for number in 0..3 {
            let row = ObjectRow::new(late, Slot::Deleted);
            let mut replica = ObjectRow::replica(held(&homes, number, "key").unwrap().as_ref());
            let answer = replica.store(&row.version().unwrap(), Stamp::ZERO);
            assert_ne!(answer, table::register::Stored::Yes, "home {number}");
        }
        let newer = homes.node(2).put_if(BUCKET, "key", &[b"newer"], Condition::Always).await.unwrap();
        assert!(newer > row.order);
        assert_eq!(homes.node(1).content(BUCKET, "key").await.unwrap(), b"newer");
    });
}

#[test]
fn a_row_of_a_home_that_has_nobody_to_ask_stays_as_it_is() {
    run(async {
        let homes = Homes::new(1, 1).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "key", &[b"content"]).await;
        spoil(homes.model(0), Space::Object, row_key("key")).await;
        let mended = homes.model(0).mend(Space::Object, &row_key("key")).await;
        assert!(matches!(mended, Err(ModelError::Damaged)), "{mended:?}");
        assert!(held(&homes, 0, "key").is_err(), "it is neither absent nor made up");
    });
}

#[test]
fn what_nobody_else_has_is_gone_where_it_was_never_acknowledged() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "key", &[b"content"]).await;
        agree(&homes).await;
        // A row that one home alone has: nobody was told of it.
        let copy = move |txn: &mut Txn<'_>| {
            let row = ObjectRow::new(Stamp { time: 1 << 40, node: 7 }, Slot::Deleted);
            txn.put(Space::Object, row_key("alone"), &row);
            Ok::<_, StoreError>(())
        };
        homes.model(1).store().commit(Intent::Free, copy).await.unwrap();
        spoil(homes.model(1), Space::Object, row_key("alone")).await;
        homes.model(1).mend(Space::Object, &row_key("alone")).await.unwrap();
        let row = held(&homes, 1, "alone").unwrap().unwrap();
        assert_eq!(row.order, Stamp::ZERO, "nothing but the promise is left");
        assert!(row.promise() > Stamp::ZERO);
        assert_eq!(homes.node(0).content(BUCKET, "alone").await, None);
        assert_counts(&homes, 1);
    });
}
