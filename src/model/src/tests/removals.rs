//! Several versions of one key that are deleted by one request: each goes or stays by itself, and few ballots do it.

use super::homes::Homes;
use super::run;
use super::support::{Bucket, Node, body_of, tag};
use super::sync::{BUCKET, with_bucket};
use crate::admin::BucketChange;
use crate::objects::{Condition, Deleted, Deletion, Looked, ObjectMeta, Place, Want};
use crate::replicas::KeyPlace;
use crate::rows::bucket::{Setting, Versioning};
use crate::rows::lock::{Lock, ObjectLock};
use crate::rows::object::{ObjectRow, Slot};
use crate::rows::past::{self, PastRow, VersionId};
use crate::rows::version::Owner;
use crate::tables::{Tables, Upkeep};
use crate::version_listing::{VersionEntry, VersionQuery};
use crate::{Bypass, Model, ModelError, versions};
use base::Stamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Intent, Read, Space};

const HELD: Lock = Lock { retention: None, legal_hold: Some(true) };

/// Runs a case on a node that is alone, and on three.
fn on_both(case: impl AsyncFn(&[Arc<Model>], Bucket)) {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        keep_versions(&node.model, bucket).await;
        case(std::slice::from_ref(&node.model), bucket).await;
    });
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        keep_versions(homes.model(0), BUCKET).await;
        let models: Vec<_> = (0..3).map(|number| homes.model(number).clone()).collect();
        case(&models, BUCKET).await;
    });
}

pub(super) async fn keep_versions(model: &Arc<Model>, bucket: Bucket) {
    let lock = crate::rows::bucket::Document(ObjectLock::default().text().into_bytes());
    for setting in [(Setting::Versioning, Versioning::Enabled.document()), (Setting::ObjectLock, Some(lock))]
    {
        let change = BucketChange { settings: vec![setting], ..BucketChange::default() };
        model.update_bucket(bucket, change).await.unwrap();
    }
}

pub(super) async fn put(model: &Arc<Model>, bucket: Bucket, content: &[u8], lock: Option<Lock>) -> VersionId {
    let body = body_of(model, Owner::Object(bucket, "key".into()), &[content]).await.unwrap();
    let place = Place { bucket, key: "key".into(), condition: Condition::Always };
    let meta = ObjectMeta { lock, ..ObjectMeta::default() };
    model.put_object(place, body, tag(&[content]), meta).await.unwrap().version.unwrap()
}

pub(super) fn deletion(id: VersionId) -> Deletion {
    let (condition, bypass) = (Condition::Always, Bypass::Nothing);
    Deletion { key: "key".into(), version: Some(id), condition, bypass }
}

async fn delete(
    model: &Arc<Model>,
    bucket: Bucket,
    deletions: Vec<Deletion>,
) -> Vec<Result<Deleted, ModelError>> {
    model.delete_objects(bucket, deletions).await.unwrap()
}

/// The versions that a node lists, the newest first.
pub(super) async fn listed(model: &Arc<Model>, bucket: Bucket) -> Vec<VersionId> {
    let id_of = |entry: VersionEntry| match entry {
        VersionEntry::Object { id, .. } | VersionEntry::Marker { id, .. } => id,
        VersionEntry::Prefix(prefix) => panic!("{prefix}"),
    };
    let page = model.list_versions(bucket, VersionQuery::all(1000)).await.unwrap();
    page.entries.into_iter().map(id_of).collect()
}

#[test]
fn hundreds_of_versions_take_few_ballots() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        keep_versions(homes.model(0), BUCKET).await;
        let mut ids = Vec::new();
        for number in 0..300_u32 {
            // One of them misses the last ones, and their deletion.
            if number == 290 {
                homes.stop(2).await;
            }
            ids.push(put(homes.model(0), BUCKET, &number.to_be_bytes(), None).await);
        }
        let stays = ids.remove(7);
        let outcomes =
            delete(homes.model(1), BUCKET, ids.iter().rev().copied().map(deletion).collect()).await;
        let deleted: Vec<Deleted> = outcomes.into_iter().map(Result::unwrap).collect();
        let told: Vec<_> = deleted.iter().map(|one| one.version.unwrap()).collect();
        assert_eq!(told, ids.iter().rev().copied().collect::<Vec<_>>());
        let orders: BTreeSet<Stamp> = deleted.iter().map(|one| one.order.unwrap()).collect();
        assert_eq!(orders.len(), 2, "299 versions, at most 256 by one ballot");
        homes.start(2).await;
        for number in 0..3 {
            assert_eq!(listed(homes.model(number), BUCKET).await, [stays]);
            for id in &ids {
                let looked =
                    homes.model(number).look(BUCKET, "key", Some(*id), Want::Metadata).await.unwrap();
                assert!(matches!(looked, Looked::Nothing), "{looked:?}");
            }
            let current = homes.model(number).look(BUCKET, "key", None, Want::Content).await.unwrap();
            assert_eq!(current.object().unwrap().inline.as_deref(), Some(7_u32.to_be_bytes().as_slice()));
        }
    });
}

#[test]
fn a_locked_version_stays_and_the_others_go() {
    on_both(async |models, bucket| {
        let (first, last) = (&models[0], models.last().unwrap());
        let mut ids = Vec::new();
        for (content, lock) in [("1", None), ("2", Some(HELD)), ("3", None), ("4", None)] {
            ids.push(put(first, bucket, content.as_bytes(), lock).await);
        }
        let marker = Deletion { version: None, ..deletion(ids[0]) };
        let marker = last.delete_object(bucket, marker).await.unwrap().version.unwrap();
        let strange = VersionId::Named(Stamp { time: 5, node: 2 });
        let all = [ids[3], marker, ids[1], strange, ids[0], ids[0], ids[2]];
        let outcomes = delete(last, bucket, all.map(deletion).to_vec()).await;
        let told: Vec<_> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Ok(deleted) => (deleted.order.is_some(), deleted.is_marker),
                Err(ModelError::Locked) => (false, true),
                Err(error) => panic!("{error}"),
            })
            .collect();
        let (gone, was_marker, absent) = ((true, false), (true, true), (false, false));
        let locked = (false, true);
        assert_eq!(told, [gone, was_marker, locked, absent, gone, absent, gone]);
        for model in models {
            assert_eq!(listed(model, bucket).await, [ids[1]]);
            let current = model.look(bucket, "key", None, Want::Content).await.unwrap().object().unwrap();
            assert_eq!(current.inline.as_deref(), Some(b"2".as_slice()));
        }
    });
}

#[test]
fn a_condition_is_about_what_is_current_when_its_turn_comes() {
    on_both(async |models, bucket| {
        let (first, last) = (&models[0], models.last().unwrap());
        let mut ids = Vec::new();
        for content in [b"1", b"2", b"3", b"4"] {
            ids.push(put(first, bucket, content, None).await);
        }
        let if_current = |id: VersionId, content: &[u8]| {
            let condition = Condition::Matches(vec![tag(&[content]).to_string()]);
            Deletion { condition, ..deletion(id) }
        };
        let asked = vec![
            if_current(ids[0], b"4"),
            if_current(ids[3], b"4"),
            // The third one is current by now.
            if_current(ids[1], b"4"),
            if_current(ids[2], b"3"),
        ];
        let outcomes = delete(last, bucket, asked).await;
        let are_gone: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(are_gone, [true, true, false, true]);
        assert!(matches!(outcomes[2], Err(ModelError::ConditionFailed)), "{:?}", outcomes[2]);
        for model in models {
            assert_eq!(listed(model, bucket).await, [ids[1]]);
        }
    });
}

#[test]
fn without_a_quorum_each_version_is_told_so() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        keep_versions(homes.model(0), BUCKET).await;
        let ids =
            [put(homes.model(0), BUCKET, b"1", None).await, put(homes.model(0), BUCKET, b"2", None).await];
        homes.stop(1).await;
        homes.stop(2).await;
        let outcomes = delete(homes.model(0), BUCKET, ids.map(deletion).to_vec()).await;
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, Err(ModelError::Unavailable))),
            "{outcomes:?}"
        );
        homes.start(1).await;
        assert_eq!(listed(homes.model(1), BUCKET).await, [ids[1], ids[0]]);
    });
}

/// Stores a past row on one replica alone, as sync does that fetched it from whoever took a ballot that nobody else heard of.
async fn store_ahead(model: &Arc<Model>, id: VersionId, by: Stamp) {
    let blocks = model.blocks.clone();
    let row_key = past::beside(&versions::head_key(BUCKET, "key"), id);
    let store = move |txn: &mut store::Txn<'_>| {
        let row = PastRow { is_sure: false, ..PastRow::decided(by, id.made(), Slot::Deleted) };
        table::apply(&Tables::new(&blocks, Upkeep::Everywhere).pasts, txn, row_key, &row, None)?;
        Ok::<_, ModelError>(())
    };
    model.store.commit(Intent::Free, store).await.unwrap();
}

#[test]
fn a_past_row_that_is_ahead_of_the_row_of_its_key_is_not_answered_before_that_is_raised() {
    for lists in [false, true] {
        run(async {
            let homes = Homes::new(3, 3).await;
            with_bucket(&homes).await;
            keep_versions(homes.model(0), BUCKET).await;
            let ids = [
                put(homes.model(0), BUCKET, b"1", None).await,
                put(homes.model(0), BUCKET, b"2", None).await,
            ];
            let by = homes.model(0).store().stamp().await.unwrap();
            store_ahead(homes.model(0), ids[0], by).await;
            store_ahead(homes.model(1), ids[0], by).await;
            if lists {
                assert_eq!(listed(homes.model(0), BUCKET).await, [ids[1]]);
            } else {
                let looked = homes.model(0).look(BUCKET, "key", Some(ids[0]), Want::Metadata).await.unwrap();
                assert!(matches!(looked, Looked::Nothing), "{looked:?}");
            }
            let head_key = versions::head_key(BUCKET, "key");
            let is_raised = |number: &usize| {
                let view = homes.model(*number).store().view().unwrap();
                view.get::<ObjectRow>(Space::Object, &head_key).unwrap().unwrap().order > by
            };
            assert!(
                (0..3).filter(is_raised).count() >= 2,
                "whatever put the row there can be chosen no more"
            );
            let current = homes.model(2).read_row(&KeyPlace::of(BUCKET, "key".into()), false).await.unwrap();
            assert_eq!(current.unwrap().0.current(), Some(ids[1]));
        });
    }
}
