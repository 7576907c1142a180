//! Rows of names whose stored bytes are flipped: the home starts, serves the rest, takes none of them for absent, and has
//! them again from all other homes (rule M4).

use super::homes::{Homes, id};
use super::mending::spoil;
use super::{bucket_named, run};
use crate::encryption::Wish;
use crate::encryption::ring::EncryptionSecret;
use crate::replicas::NAME_SPACES;
use crate::rows::bucket::AliasRow;
use crate::rows::key::Secret;
use crate::rows::webhook::Endpoint;
use crate::{Model, ModelError};
use base::id::kind;
use base::{Id, Lww, Stamp};
use std::sync::Arc;
use std::time::Duration;
use store::{Space, StoreError};

type Bucket = Id<kind::Bucket>;

/// What is stored before anything is damaged.
struct Stored {
    photos: Bucket,
    films: Bucket,
    key: String,
    ring_key: Id<kind::RingKey>,
}

impl Stored {
    /// A row of each kind.
    fn rows(&self) -> [(Space, Vec<u8>); 5] {
        [
            (Space::Bucket, self.photos.as_bytes().to_vec()),
            (Space::Alias, b"pictures".to_vec()),
            (Space::Key, self.key.clone().into_bytes()),
            (Space::Webhook, b"hook".to_vec()),
            (Space::Ring, self.ring_key.as_bytes().to_vec()),
        ]
    }
}

async fn store_some(homes: &Homes) -> Stored {
    for number in homes.running() {
        homes.model(number).set_encryption_secret(EncryptionSecret::from_bytes([7; 32]));
    }
    let model = homes.model(0);
    let key = model.create_key("phone".into()).await.unwrap();
    let photos = model.create_bucket(Some(bucket_named("photos")), Some(key.clone())).await.unwrap();
    let films = model.create_bucket(Some(bucket_named("films")), Some(key.clone())).await.unwrap();
    model.add_alias(bucket_named("pictures"), films).await.unwrap();
    model
        .set_webhook("hook".into(), Endpoint { url: "http://127.0.0.1/".into(), token: None })
        .await
        .unwrap();
    let ring_key = model.create_ring_key("photos").await.unwrap();
    homes.node(0).put(photos, "key", &[b"in photos"]).await;
    homes.node(0).put(films, "key", &[b"in films"]).await;
    Stored { photos, films, key, ring_key }
}

/// Damages a row of each kind on a home and starts it again.
async fn restart_damaged(homes: &mut Homes, number: usize, stored: &Stored) {
    for (space, row_key) in stored.rows() {
        spoil(homes.model(number), space, row_key).await;
    }
    homes.stop(number).await;
    homes.start(number).await;
    homes.model(number).set_encryption_secret(EncryptionSecret::from_bytes([7; 32]));
}

fn is_unreadable<T: std::fmt::Debug>(outcome: Result<T, ModelError>) {
    assert!(matches!(outcome, Err(ModelError::Store(StoreError::Unreadable { .. }))), "{outcome:?}");
}

/// Nothing that the damaged rows name is served, or taken for absent; everything else is served.
async fn assert_refused(model: &Arc<Model>, stored: &Stored) {
    let names = model.names();
    is_unreadable(names.resolve("photos", None));
    is_unreadable(names.resolve("pictures", None));
    is_unreadable(names.resolve(&stored.photos.to_string(), None));
    is_unreadable(names.bucket(stored.photos));
    is_unreadable(names.resolve("films", Some(&stored.key)));
    is_unreadable(names.key(&stored.key).map(drop));
    is_unreadable(names.buckets_of("GKother").map(drop));
    is_unreadable(model.knows_key(&stored.key).await);
    is_unreadable(model.knows_webhook("hook").await);
    is_unreadable(model.is_webhook_deleted("hook"));
    assert_eq!(names.resolve("films", None).unwrap().unwrap().0, stored.films);
    assert_eq!(names.resolve("nothing", None).unwrap(), None);
    is_unreadable(model.create_bucket(Some(bucket_named("photos")), None).await);
    is_unreadable(model.create_bucket(Some(bucket_named("pictures")), None).await);
    is_unreadable(model.delete_bucket(stored.photos).await);
    is_unreadable(
        model.import_key(stored.key.clone(), Secret::new("secret".to_owned()), String::new()).await,
    );
    // It may be the newest of any name.
    is_unreadable(model.rotate_ring_key(None).await);
    let wish = Wish::Named { name: Some("photos".to_owned()), bucket_key: false };
    assert!(model.check_encryption(&wish).await.is_err());
    let (count, shown) = model.damaged_rows();
    assert_eq!((count, shown.len()), (5, 5), "{shown:?}");
    assert!(shown.contains(&"alias pictures".to_owned()), "{shown:?}");
}

#[test]
fn a_home_with_a_damaged_row_of_each_kind_starts_and_has_them_again_from_all_others() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        let stored = store_some(&homes).await;
        env::sleep(Duration::from_secs(2)).await;
        restart_damaged(&mut homes, 1, &stored).await;
        assert_refused(homes.model(1), &stored).await;
        assert_eq!(homes.node(1).content(stored.films, "key").await.unwrap(), b"in films");
        homes.node(1).put(stored.films, "new", &[b"also"]).await;
        // Who is unreadable says nothing and counts nowhere.
        homes.stop(2).await;
        is_unreadable(homes.model(1).hear_bucket(stored.photos).await);
        let heard = homes.model(0).hear_bucket(stored.photos).await;
        assert!(matches!(heard, Err(ModelError::Unavailable)), "{heard:?}");
        // One other home is not enough: it may lack what this one and the third acknowledged.
        for number in 0..2 {
            homes.model(number).compare_names(id(1 - number)).await.unwrap();
        }
        assert!(!homes.model(1).mend_all().await);
        assert_refused(homes.model(1), &stored).await;
        homes.start(2).await;
        assert!(homes.model(1).mend_all().await);
        assert_eq!(*homes.model(1).names(), *homes.model(0).names());
        assert_eq!(homes.model(1).damaged_rows(), (0, Vec::new()));
        assert_eq!(homes.node(1).content(stored.photos, "key").await.unwrap(), b"in photos");
        homes.stop(0).await;
        assert!(homes.model(1).delete_bucket(stored.photos).await.is_err(), "it holds an object");
        homes.node(1).put(stored.photos, "new", &[b"too"]).await;
    });
}

#[test]
fn a_home_alone_with_a_damaged_row_of_each_kind_starts_and_keeps_what_they_named() {
    run(async {
        let mut homes = Homes::new(1, 1).await;
        let stored = store_some(&homes).await;
        restart_damaged(&mut homes, 0, &stored).await;
        let rows = homes.node(0).records(Space::Object);
        assert_refused(homes.model(0), &stored).await;
        assert!(!homes.model(0).mend_all().await);
        homes.tidy_up().await;
        assert_refused(homes.model(0), &stored).await;
        assert_eq!(homes.node(0).records(Space::Object), rows, "no object of the damaged bucket went");
        assert_eq!(homes.node(0).content(stored.films, "key").await.unwrap(), b"in films");
        homes.node(0).delete(stored.films, "key").await;
        homes.model(0).delete_bucket(stored.films).await.unwrap();
    });
}

#[test]
fn a_damaged_row_that_no_other_home_has_was_never_acknowledged_and_goes() {
    run(async {
        let homes = Homes::new(3, 3).await;
        let model = homes.model(1);
        let row = AliasRow { target: Lww::new(Stamp { time: 1, node: 2 }, None) };
        let directory = Arc::clone(&model.directory);
        let write = move |txn: &mut store::Txn<'_>| {
            txn.put(Space::Alias, b"alone".to_vec(), &row);
            directory.follow(txn);
            Ok::<_, ModelError>(())
        };
        model.store().commit(store::Intent::Free, write).await.unwrap();
        spoil(model, Space::Alias, b"alone".to_vec()).await;
        model.mend(Space::Alias, b"alone").await.unwrap();
        assert!(!homes.node(1).has(Space::Alias, b"alone"));
        assert_eq!(model.names().resolve("alone", None).unwrap(), None);
    });
}

#[test]
fn a_change_is_not_acknowledged_once_its_coordinator_lost_it() {
    run(async {
        let homes = Homes::new(3, 3).await;
        let model = homes.model(0);
        let (space, key) = (Space::Alias, b"name".to_vec());
        let row = |time| AliasRow { target: Lww::new(Stamp { time, node: 2 }, None) };
        // As it is where its own copy was mended from others that had not heard of the change.
        let rows = vec![(space, key.clone(), store::encode(space, &key, &row(5)))];
        let told = model.tell_names(rows.clone()).await;
        assert!(matches!(told, Err(ModelError::Unavailable)), "{told:?}");
        assert!(homes.node(1).has(space, &key));
        model.compare_names(id(1)).await.unwrap();
        model.tell_names(rows).await.unwrap();
    });
}

#[test]
fn a_bucket_whose_row_is_damaged_takes_no_plain_write_there() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        let stored = store_some(&homes).await;
        env::sleep(Duration::from_secs(2)).await;
        restart_damaged(&mut homes, 1, &stored).await;
        let rows = homes.node(1).records(Space::Object);
        homes.node(0).put(stored.photos, "second", &[b"on two homes"]).await;
        env::sleep(Duration::from_secs(2)).await;
        assert_eq!(
            homes.node(1).records(Space::Object),
            rows,
            "it may keep versions, for all that is known here"
        );
        assert_eq!(homes.node(0).content(stored.photos, "second").await.unwrap(), b"on two homes");
    });
}

#[test]
fn every_table_of_names_is_damaged_here_once() {
    let stored = Stored {
        photos: Id::from_bytes([1; 32]),
        films: Id::from_bytes([2; 32]),
        key: String::new(),
        ring_key: Id::from_bytes([3; 32]),
    };
    assert_eq!(stored.rows().map(|(space, _)| space), NAME_SPACES);
}
