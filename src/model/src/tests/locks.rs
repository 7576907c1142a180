//! Locked versions stay: on one node and on several, whatever is tried, in whatever order.

use super::homes::Homes;
use super::run;
use super::support::{Bucket, Node, body_of, tag};
use super::sync::{BUCKET, with_bucket};
use crate::admin::BucketChange;
use crate::objects::{Condition, Deleted, Deletion, Found, Looked, ObjectMeta, Place, Want, Written};
use crate::rows::bucket::{BucketRow, Document, Setting, Versioning};
use crate::rows::lock::{DefaultRetention, Lock, ObjectLock, Period, Retention, RetentionMode};
use crate::rows::past::VersionId;
use crate::rows::version::Owner;
use crate::version_listing::{VersionEntry, VersionQuery};
use crate::{Bypass, Model, ModelError};
use base::WallTime;
use std::sync::Arc;
use std::time::Duration;
use store::{Read, Space};

const HOUR: Duration = Duration::from_secs(60 * 60);
const HELD: Lock = Lock { retention: None, legal_hold: Some(true) };

fn now(model: &Arc<Model>) -> WallTime {
    model.env().clock.wall()
}

fn retained(model: &Arc<Model>, mode: RetentionMode, time: Duration) -> Lock {
    let until = WallTime(now(model).millis() + u64::try_from(time.as_millis()).unwrap());
    Lock { retention: Some(Retention { mode, until }), legal_hold: None }
}

/// Buckets are copied by other means; here each node is told.
async fn set(model: &Arc<Model>, bucket: Bucket, settings: &[(Setting, Option<Document>)]) {
    let (directory, settings) = (Arc::clone(&model.directory), settings.to_vec());
    let set = move |txn: &mut store::Txn<'_>| {
        let mut row: BucketRow = txn.get(Space::Bucket, bucket.as_bytes())?.unwrap();
        let stamp = txn.stamp();
        for (kind, document) in settings {
            row.settings.set(kind.name().to_owned(), stamp, document);
        }
        txn.put(Space::Bucket, bucket.as_bytes().to_vec(), &row);
        directory.follow(txn);
        Ok::<_, ModelError>(())
    };
    model.store.commit(store::Intent::Free, set).await.unwrap();
}

fn document(lock: ObjectLock) -> Option<Document> {
    Some(Document(lock.text().into_bytes()))
}

async fn enable(model: &Arc<Model>, bucket: Bucket) {
    let versioning = (Setting::Versioning, Versioning::Enabled.document());
    set(model, bucket, &[versioning, (Setting::ObjectLock, document(ObjectLock::default()))]).await;
}

async fn put(
    model: &Arc<Model>,
    (bucket, key): (Bucket, &str),
    content: &'static [u8],
    lock: Option<Lock>,
) -> Result<Written, ModelError> {
    let body = body_of(model, Owner::Object(bucket, key.into()), &[content]).await?;
    let place = Place { bucket, key: key.into(), condition: Condition::Always };
    let meta = ObjectMeta { lock, ..ObjectMeta::default() };
    model.put_object(place, body, tag(&[content]), meta).await
}

async fn delete(
    model: &Arc<Model>,
    (bucket, key): (Bucket, &str),
    version: Option<VersionId>,
    bypass: Bypass,
) -> Result<Deleted, ModelError> {
    let deletion = Deletion { key: key.into(), version, condition: Condition::Always, bypass };
    model.delete_object(bucket, deletion).await
}

async fn find(model: &Arc<Model>, (bucket, key): (Bucket, &str), id: VersionId) -> Option<Found> {
    match model.look(bucket, key, Some(id), Want::Content).await.unwrap() {
        Looked::Object(found) => Some(*found),
        Looked::Marker(..) | Looked::Nothing => None,
    }
}

fn assert_locked<T: std::fmt::Debug>(outcome: &Result<T, ModelError>) {
    assert!(matches!(outcome, Err(ModelError::Locked)), "{outcome:?}");
}

/// What must hold in any cluster, through any of its nodes in turn.
async fn check_locks(models: &[Arc<Model>], bucket: Bucket) {
    use Bypass::{Governance, Nothing};
    let model = |number: usize| &models[number % models.len()];
    let place = (bucket, "key");
    let governed = retained(model(0), RetentionMode::Governance, HOUR);
    let complying = retained(model(0), RetentionMode::Compliance, HOUR);
    for (number, lock) in [governed, complying, HELD].into_iter().enumerate() {
        let written = put(model(number), place, b"locked", Some(lock)).await.unwrap();
        let id = written.version.unwrap();
        // As what is current, below another version, and below a delete marker.
        for _ in 0..3 {
            assert_locked(&delete(model(number + 1), place, Some(id), Nothing).await);
            if lock != governed {
                assert_locked(&delete(model(number + 2), place, Some(id), Governance).await);
            }
            let tags = vec![("a".to_owned(), "b".to_owned())];
            let named = ("key".to_owned(), Some(id));
            model(number).set_object_tags(bucket, named.clone(), tags).await.unwrap();
            model(number + 1).set_object_acl(bucket, named, None, None).await.unwrap();
            let found = find(model(number + 2), place, id).await.unwrap();
            assert_eq!((found.object.rare.lock, found.object.tags.len()), (Some(lock), 1));
            assert_eq!(found.inline.as_deref(), Some(b"locked".as_slice()));
            put(model(number), place, b"other", None).await.unwrap();
            assert!(delete(model(number), place, None, Nothing).await.unwrap().is_marker);
        }
        let named = ("key".to_owned(), Some(id));
        if lock == HELD {
            model(number).set_object_legal_hold(bucket, named, false).await.unwrap();
            delete(model(number + 1), place, Some(id), Nothing).await.unwrap();
        } else {
            let none = (None, Nothing);
            assert_locked(&model(number).set_object_retention(bucket, named.clone(), none).await);
            let none = model(number).set_object_retention(bucket, named, (None, Governance)).await;
            if lock == complying {
                assert_locked(&none);
                assert!(find(model(number), place, id).await.is_some());
                continue;
            }
            none.unwrap();
            delete(model(number + 1), place, Some(id), Nothing).await.unwrap();
        }
        assert!(find(model(number), place, id).await.is_none());
    }
}

#[test]
fn locked_versions_stay_on_one_node() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        assert!(matches!(
            put(&node.model, (bucket, "key"), b"a", Some(HELD)).await,
            Err(ModelError::NoObjectLock)
        ));
        enable(&node.model, bucket).await;
        check_locks(std::slice::from_ref(&node.model), bucket).await;
        let deleted = node.model.delete_bucket(bucket).await;
        assert!(matches!(deleted, Err(ModelError::BucketNotEmpty)), "{deleted:?}");
    });
}

#[test]
fn locked_versions_stay_on_three_nodes() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        let models: Vec<_> = (0..3).map(|number| homes.model(number).clone()).collect();
        for model in &models {
            enable(model, BUCKET).await;
        }
        check_locks(&models, BUCKET).await;
        let emptied = models[1].empty_for_ever(BUCKET).await;
        assert!(matches!(emptied, Err(ModelError::BucketNotEmpty)), "{emptied:?}");
    });
}

#[test]
fn a_bucket_with_locks_keeps_versions_for_good() {
    run(async {
        let node = Node::new().await;
        let (model, bucket) = (&node.model, node.bucket().await);
        let change = |kind, document| {
            let change = BucketChange { settings: vec![(kind, document)], ..BucketChange::default() };
            model.update_bucket(bucket, change)
        };
        let versioning = |mode: Versioning| change(Setting::Versioning, mode.document());
        let lock = || change(Setting::ObjectLock, document(ObjectLock::default()));
        assert!(matches!(lock().await, Err(ModelError::NeedsVersions)));
        versioning(Versioning::Suspended).await.unwrap();
        assert!(matches!(lock().await, Err(ModelError::NeedsVersions)));
        versioning(Versioning::Enabled).await.unwrap();
        lock().await.unwrap();
        assert!(matches!(versioning(Versioning::Suspended).await, Err(ModelError::KeepsVersions)));
        assert!(matches!(change(Setting::Versioning, None).await, Err(ModelError::KeepsVersions)));
        assert!(matches!(change(Setting::ObjectLock, None).await, Err(ModelError::KeepsVersions)));
        versioning(Versioning::Enabled).await.unwrap();
        // Two nodes that decided in the same moment: what each allowed is merged.
        set(model, bucket, &[(Setting::Versioning, Versioning::Suspended.document())]).await;
        assert_eq!(model.names().buckets[&bucket].versioning(), Versioning::Enabled);
        // A newer release may say more of new versions: they are not stored as if it said nothing.
        set(model, bucket, &[(Setting::ObjectLock, Some(Document(b"enabled for ever".to_vec())))]).await;
        let refused = put(model, (bucket, "key"), b"a", None).await;
        assert!(matches!(refused, Err(ModelError::NewerSetting)), "{refused:?}");
    });
}

#[test]
fn new_versions_are_retained_by_the_bucket_s_default() {
    run(async {
        let node = Node::new().await;
        let (model, bucket) = (&node.model, node.bucket().await);
        enable(model, bucket).await;
        let (mode, period) = (RetentionMode::Compliance, Period::Days(2));
        let default = Some(DefaultRetention { mode, period });
        set(model, bucket, &[(Setting::ObjectLock, document(ObjectLock { default }))]).await;
        let own = retained(model, RetentionMode::Governance, HOUR);
        for (brought, expected) in
            [(None, Lock { retention: None, legal_hold: None }), (Some(HELD), HELD), (Some(own), own)]
        {
            let written = put(model, (bucket, "key"), b"a", brought).await.unwrap();
            let found = find(model, (bucket, "key"), written.version.unwrap()).await.unwrap();
            let until = WallTime(written.stamp.wall().millis() + 48 * 60 * 60 * 1000);
            let retention = expected.retention.or(Some(Retention { mode, until }));
            assert_eq!(found.object.rare.lock, Some(Lock { retention, ..expected }));
        }
        // Delete markers are never locked.
        let marker = delete(model, (bucket, "key"), None, Bypass::Nothing).await.unwrap().version;
        delete(model, (bucket, "key"), marker, Bypass::Nothing).await.unwrap();
    });
}

#[test]
fn one_clock_that_is_ahead_ends_no_retention() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        for number in 0..3 {
            enable(homes.model(number), BUCKET).await;
        }
        let lock = retained(homes.model(0), RetentionMode::Governance, HOUR);
        let place = (BUCKET, "key");
        let id = put(homes.model(0), place, b"a", Some(lock)).await.unwrap().version.unwrap();
        // As far as the others believe it.
        homes.jump(1, 20 * HOUR);
        for number in 0..3 {
            assert_locked(&delete(homes.model(number), place, Some(id), Bypass::Nothing).await);
            let named = ("key".to_owned(), Some(id));
            let none = (None, Bypass::Nothing);
            assert_locked(&homes.model(number).set_object_retention(BUCKET, named, none).await);
        }
        // What it stores is retained by the time that it gave, which is the cluster's from now on.
        let stamp = homes.model(1).store().stamp().await.unwrap();
        assert!(stamp.wall().millis() > now(homes.model(0)).millis());
        homes.pass(2 * HOUR);
        delete(homes.model(0), place, Some(id), Bypass::Nothing).await.unwrap();
        assert!(find(homes.model(2), place, id).await.is_none());
    });
}

#[test]
fn a_clock_that_jumps_years_ahead_ends_no_retention() {
    run(async {
        let homes = Homes::new(1, 1).await;
        with_bucket(&homes).await;
        let model = homes.model(0);
        enable(model, BUCKET).await;
        let lock = retained(model, RetentionMode::Governance, 100 * HOUR);
        let id = put(model, (BUCKET, "key"), b"a", Some(lock)).await.unwrap().version.unwrap();
        homes.jump(0, 10_000 * HOUR);
        assert_locked(&delete(model, (BUCKET, "key"), Some(id), Bypass::Nothing).await);
    });
}

#[test]
fn a_lock_that_was_acknowledged_is_never_overtaken_by_a_deletion() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        for number in 0..3 {
            enable(homes.model(number), BUCKET).await;
        }
        let (mut held, mut gone) = (0, 0);
        for round in 0..30 {
            let key = format!("key {round}");
            let place = (BUCKET, key.as_str());
            let id = put(homes.model(0), place, b"a", None).await.unwrap().version.unwrap();
            if round % 2 == 0 {
                put(homes.model(1), place, b"b", None).await.unwrap();
            }
            let later = |ms: usize| env::sleep(Duration::from_millis(u64::try_from(ms).unwrap()));
            let delete = async {
                later(round % 5).await;
                delete(homes.model(round % 3), place, Some(id), Bypass::Nothing).await
            };
            let hold = async {
                later(round % 7).await;
                let named = (key.clone(), Some(id));
                homes.model((round + 1) % 3).set_object_legal_hold(BUCKET, named, true).await
            };
            let (deleted, hold) = futures_util::join!(delete, hold);
            let found = find(homes.model((round + 2) % 3), place, id).await;
            match hold {
                Ok(_) => assert_eq!(found.unwrap().object.rare.lock, Some(HELD), "{round}: {deleted:?}"),
                Err(_) => assert!(deleted.is_err() || found.is_none()),
            }
            held += usize::from(matches!(deleted, Err(ModelError::Locked)));
            gone += usize::from(deleted.is_ok());
        }
        assert!(held > 0 && gone > 0, "both win at times: {held} {gone}");
    });
}

/// A version of before versions were kept, locked since; one node heard of neither.
async fn locked_of_before(homes: &Homes) {
    with_bucket(homes).await;
    let place = (BUCKET, "key");
    put(homes.model(0), place, b"before", None).await.unwrap();
    for number in [1, 2] {
        enable(homes.model(number), BUCKET).await;
    }
}

#[test]
fn who_has_not_heard_of_locks_replaces_no_locked_version() {
    for covered in [false, true] {
        run(async {
            let homes = Homes::new(3, 3).await;
            locked_of_before(&homes).await;
            let place = (BUCKET, "key");
            let named = ("key".to_owned(), None);
            // The one that knows nothing is away while the version is locked.
            let mut homes = homes;
            homes.stop(0).await;
            homes.model(1).set_object_legal_hold(BUCKET, named, true).await.unwrap();
            let second = match covered {
                true => put(homes.model(1), place, b"second", None).await.unwrap().version,
                false => None,
            };
            homes.start(0).await;
            // It takes its own write, and nobody else does.
            let stale = put(homes.model(0), place, b"stale", None).await;
            assert!(matches!(stale, Err(ModelError::Unavailable)), "{stale:?}");
            enable(homes.model(0), BUCKET).await;
            let third = put(homes.model(0), place, b"third", None).await.unwrap().version.unwrap();
            // What was not acknowledged came to be all the same, under a name.
            let listed = homes.model(1).list_versions(BUCKET, VersionQuery::all(10)).await.unwrap().entries;
            let id_of = |entry: &VersionEntry| match entry {
                VersionEntry::Object { id, .. } => *id,
                other => panic!("{other:?}"),
            };
            let ids: Vec<VersionId> = listed.iter().map(id_of).collect();
            let stale = ids[1];
            let expected = [Some(third), Some(stale), second, Some(VersionId::Null)];
            assert_eq!(ids, expected.into_iter().flatten().collect::<Vec<_>>());
            let stale = find(homes.model(2), place, stale).await.unwrap();
            assert_eq!(stale.inline.as_deref(), Some(b"stale".as_slice()));
            for number in 0..3 {
                let model = homes.model(number);
                let before = find(model, place, VersionId::Null).await.unwrap();
                assert_eq!(before.object.rare.lock, Some(HELD));
                assert_eq!(before.inline.as_deref(), Some(b"before".as_slice()));
                assert!(find(model, place, third).await.is_some());
                if let Some(second) = second {
                    let found = find(model, place, second).await.unwrap();
                    assert_eq!(found.inline.as_deref(), Some(b"second".as_slice()));
                }
                assert_locked(&delete(model, place, Some(VersionId::Null), Bypass::Governance).await);
            }
        });
    }
}

#[test]
fn who_believes_that_versions_are_suspended_replaces_no_locked_version() {
    for covered in [false, true] {
        run(async {
            let homes = Homes::new(3, 3).await;
            locked_of_before(&homes).await;
            let place = (BUCKET, "key");
            set(homes.model(0), BUCKET, &[(Setting::Versioning, Versioning::Suspended.document())]).await;
            homes.model(1).set_object_legal_hold(BUCKET, ("key".to_owned(), None), true).await.unwrap();
            if covered {
                put(homes.model(1), place, b"second", None).await.unwrap();
            }
            let stale = put(homes.model(0), place, b"stale", None).await;
            assert!(matches!(stale, Err(ModelError::Unavailable)), "{stale:?}");
            let marked = delete(homes.model(0), place, None, Bypass::Nothing).await;
            assert!(matches!(marked, Err(ModelError::Unavailable)), "{marked:?}");
            let before = find(homes.model(2), place, VersionId::Null).await.unwrap();
            assert_eq!(before.inline.as_deref(), Some(b"before".as_slice()));
        });
    }
}
