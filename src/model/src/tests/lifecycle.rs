//! Lifecycle rules: what goes, and above all what stays, on one node and on three.

use super::homes::Homes;
use super::run;
use super::support::{Bucket, Node, body_of, tag};
use super::sync::{BUCKET, with_bucket};
use crate::Model;
use crate::admin::BucketChange;
use crate::events::{EventKind, Notifications, Rule as EventRule, TargetKind};
use crate::lifecycle::{
    Candidate, Counts, Day, Due, Expiration, Filter, Moment, Noncurrent, PastDue, Place as Reached, Progress,
    Rule, Rules, Stage, Traits, Worker, row_key,
};
use crate::objects::{Condition, Deletion, Looked, ObjectMeta, Place, Want};
use crate::rows::bucket::{Document, Setting, Versioning};
use crate::rows::event::IntentRow;
use crate::rows::object;
use crate::rows::past::VersionId;
use crate::rows::version::Owner;
use base::{PartitionHash, WallTime};
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Read, Space, Txn};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn rule(prefix: &str) -> Rule {
    Rule {
        id: format!("rule of {prefix}"),
        enabled: true,
        filter: Filter { prefix: Some(prefix.to_owned()), ..Filter::default() },
        expiration: None,
        noncurrent: None,
        abort_days: None,
    }
}

fn days(prefix: &str, days: u32) -> Rule {
    Rule { expiration: Some(Expiration::Days(days)), ..rule(prefix) }
}

fn noncurrent(prefix: &str, newer: Option<u32>) -> Rule {
    Rule { noncurrent: Some(Noncurrent { days: 1, newer }), ..rule(prefix) }
}

async fn set(model: &Arc<Model>, bucket: Bucket, rules: Vec<Rule>) {
    let document = Some(Rules { rules }.document());
    let change = BucketChange { settings: vec![(Setting::Lifecycle, document)], ..BucketChange::default() };
    model.update_bucket(bucket, change).await.unwrap();
}

async fn unset(model: &Arc<Model>, bucket: Bucket) {
    let change = BucketChange { settings: vec![(Setting::Lifecycle, None)], ..BucketChange::default() };
    model.update_bucket(bucket, change).await.unwrap();
}

async fn keep_versions(model: &Arc<Model>, bucket: Bucket) {
    let document = Versioning::Enabled.document();
    let change = BucketChange { settings: vec![(Setting::Versioning, document)], ..BucketChange::default() };
    model.update_bucket(bucket, change).await.unwrap();
}

async fn put(model: &Arc<Model>, bucket: Bucket, key: &str, content: &[u8]) -> Option<VersionId> {
    let body = body_of(model, Owner::Object(bucket, key.into()), &[content]).await.unwrap();
    let place = Place { bucket, key: key.into(), condition: Condition::Always };
    model.put_object(place, body, tag(&[content]), ObjectMeta::default()).await.unwrap().version
}

async fn delete(
    model: &Arc<Model>,
    bucket: Bucket,
    key: &str,
    version: Option<VersionId>,
) -> Option<VersionId> {
    let deletion =
        Deletion { key: key.into(), version, condition: Condition::Always, bypass: crate::Bypass::Nothing };
    model.delete_object(bucket, deletion).await.unwrap().version
}

async fn is_there(model: &Arc<Model>, bucket: Bucket, key: &str, version: Option<VersionId>) -> bool {
    !matches!(model.look(bucket, key, version, Want::Metadata).await.unwrap(), Looked::Nothing)
}

fn moment(model: &Arc<Model>, bucket: Bucket) -> Moment {
    Moment { bucket, now: model.env().clock.wall(), day: Day::REAL }
}

async fn expire(model: &Arc<Model>, bucket: Bucket, key: &str, due: Due) -> Counts {
    let candidate = Candidate { key: key.to_owned(), due };
    model.expire(moment(model, bucket), vec![candidate]).await.unwrap()
}

/// A version, and the one above it, which is not due.
fn past(id: VersionId, above: VersionId) -> Due {
    Due::Past(PastDue { id, above, is_above_due: false })
}

/// Nodes that keep one bucket, and how their clocks go on.
struct Bench<'a> {
    models: Vec<Arc<Model>>,
    bucket: Bucket,
    pass: Box<dyn Fn() + 'a>,
}

/// Runs a case on a node that is alone, and on three.
fn on_both(case: impl AsyncFn(Bench<'_>)) {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let pass = Box::new(|| node.world.clock.jump(2 * DAY_MS));
        case(Bench { models: vec![node.model.clone()], bucket, pass }).await;
    });
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        let models = (0..3).map(|number| homes.model(number).clone()).collect();
        let pass = Box::new(|| homes.pass(Duration::from_millis(2 * DAY_MS as u64)));
        case(Bench { models, bucket: BUCKET, pass }).await;
    });
}

impl Bench<'_> {
    fn model(&self) -> &Arc<Model> {
        &self.models[0]
    }

    fn last(&self) -> &Arc<Model> {
        self.models.last().unwrap()
    }

    /// Every node looks once; what they did together.
    async fn look(&self) -> Counts {
        let mut counts = Counts::default();
        for model in &self.models {
            let before = model.lifecycle_figures().done.removed();
            Worker::new(model).look().await;
            let done = model.lifecycle_figures().done;
            assert_eq!(done.failed, 0);
            counts.objects += done.removed() - before;
            counts.skipped += done.skipped;
        }
        counts
    }
}

#[test]
fn what_is_due_goes_once_and_all_else_stays() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        set(model, bucket, vec![days("old/", 1), Rule { enabled: false, ..days("off/", 1) }]).await;
        for number in 0..70 {
            put(model, bucket, &format!("old/{number}"), b"x").await;
        }
        for key in ["old", "older/a", "off/a", "z"] {
            put(bench.last(), bucket, key, b"x").await;
        }
        assert_eq!(bench.look().await.removed(), 0, "nothing is a day old");
        (bench.pass)();
        put(model, bucket, "old/new", b"x").await;
        assert_eq!(bench.look().await.removed(), 70);
        assert_eq!(bench.look().await, Counts::default(), "one pass a day");
        for key in ["old", "older/a", "off/a", "z", "old/new"] {
            assert!(is_there(bench.last(), bucket, key, None).await, "{key}");
        }
        assert!(!is_there(bench.last(), bucket, "old/0", None).await);
        (bench.pass)();
        assert_eq!(bench.look().await.removed(), 1, "on another day");
    });
}

#[test]
fn what_changed_since_it_was_found_stays() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        let untagged = Filter { tags: vec![("a".into(), "b".into())], ..Filter::default() };
        set(model, bucket, vec![days("old/", 1), Rule { filter: untagged, ..days("", 1) }]).await;
        for key in ["old/new", "tagged", "old/gone"] {
            put(model, bucket, key, b"first").await;
        }
        let tags = |value: &str| vec![("a".to_owned(), value.to_owned())];
        model.set_object_tags(bucket, ("tagged".into(), None), tags("b")).await.unwrap();
        (bench.pass)();
        // Each through another node than the one that looked.
        put(bench.last(), bucket, "old/new", b"second").await;
        bench.last().set_object_tags(bucket, ("tagged".into(), None), tags("c")).await.unwrap();
        delete(bench.last(), bucket, "old/gone", None).await;
        for key in ["old/new", "tagged", "old/gone"] {
            let counts = expire(model, bucket, key, Due::Current).await;
            assert_eq!(counts, Counts { skipped: 1, ..Counts::default() }, "{key}");
        }
        for key in ["old/new", "tagged"] {
            assert!(is_there(model, bucket, key, None).await, "{key}");
        }
        (bench.pass)();
        unset(bench.last(), bucket).await;
        let counts = expire(bench.last(), bucket, "old/new", Due::Current).await;
        assert_eq!(counts.skipped, 1, "rules that were taken back");
        assert_eq!(bench.look().await, Counts::default());
        // The other nodes hear of that before they remove anything.
        assert!(is_there(model, bucket, "old/new", None).await);
    });
}

#[test]
fn tags_that_are_added_later_make_an_old_object_due() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        let filter = Filter { tags: vec![("a".into(), "b".into())], ..Filter::default() };
        set(model, bucket, vec![Rule { filter, ..days("", 1) }]).await;
        put(model, bucket, "k", b"x").await;
        (bench.pass)();
        let tags = vec![("a".to_owned(), "b".to_owned())];
        model.set_object_tags(bucket, ("k".into(), None), tags).await.unwrap();
        assert_eq!(expire(bench.last(), bucket, "k", Due::Current).await.objects, 1);
        assert!(!is_there(model, bucket, "k", None).await);
    });
}

#[test]
fn of_versions_exactly_those_go_that_rules_say() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        put(model, bucket, "many", b"null").await;
        keep_versions(model, bucket).await;
        let rules = vec![noncurrent("many", Some(2)), days("cover", 1), noncurrent("all", None)];
        set(model, bucket, rules).await;
        let mut many = vec![VersionId::Null];
        for content in [b"1", b"2", b"3", b"4"] {
            many.push(put(bench.last(), bucket, "many", content).await.unwrap());
        }
        let covered = put(model, bucket, "cover", b"x").await;
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(put(model, bucket, "all", b"x").await.unwrap());
            all.push(delete(model, bucket, "all", None).await.unwrap());
        }
        assert_eq!(bench.look().await.removed(), 0);
        (bench.pass)();
        assert_eq!(bench.look().await.removed(), 2 + 1 + 5);
        for (number, id) in many.iter().enumerate() {
            let stays = number >= 2;
            assert_eq!(is_there(bench.last(), bucket, "many", Some(*id)).await, stays, "{number}");
        }
        assert!(is_there(bench.last(), bucket, "cover", covered).await, "it is covered, not gone");
        let looked = model.look(bucket, "cover", None, Want::Metadata).await.unwrap();
        assert!(matches!(looked, Looked::Marker(..)), "{looked:?}");
        let left = all.iter().rev().take(1);
        for id in left {
            assert!(is_there(bench.last(), bucket, "all", Some(*id)).await, "what is current stays");
        }
        (bench.pass)();
        assert_eq!(bench.look().await.removed(), 0, "the marker covers a version, and no rule drops markers");
    });
}

#[test]
fn a_version_that_is_current_again_stays() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        keep_versions(model, bucket).await;
        set(model, bucket, vec![noncurrent("", None)]).await;
        let old = put(model, bucket, "k", b"old").await.unwrap();
        let above = put(model, bucket, "k", b"above").await.unwrap();
        let newest = put(model, bucket, "k", b"newest").await.unwrap();
        (bench.pass)();
        let due = past(old, above);
        delete(bench.last(), bucket, "k", Some(above)).await;
        assert_eq!(expire(model, bucket, "k", due.clone()).await.skipped, 1, "what was above it is gone");
        delete(bench.last(), bucket, "k", Some(newest)).await;
        assert_eq!(expire(model, bucket, "k", due).await.skipped, 1);
        assert_eq!(expire(model, bucket, "k", past(old, newest)).await.skipped, 1);
        let newest = put(bench.last(), bucket, "k", b"newest again").await.unwrap();
        assert_eq!(expire(model, bucket, "k", past(old, newest)).await.skipped, 1, "since now");
        assert!(is_there(model, bucket, "k", Some(old)).await);
        (bench.pass)();
        assert_eq!(expire(model, bucket, "k", past(old, newest)).await.versions, 1);
    });
}

#[test]
fn of_hundreds_of_versions_of_a_key_all_go_in_one_pass() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        keep_versions(model, bucket).await;
        set(model, bucket, vec![noncurrent("", Some(3))]).await;
        let mut ids = Vec::new();
        for number in 0..600_u32 {
            ids.push(put(model, bucket, "k", &number.to_be_bytes()).await.unwrap());
        }
        (bench.pass)();
        // What was displaced by it is due all the same; it is only that this one was made a moment ago.
        ids.push(put(bench.last(), bucket, "k", b"last").await.unwrap());
        let counts = bench.look().await;
        assert_eq!((counts.removed(), counts.skipped), (597, 0), "steps end inside of the key");
        for (number, id) in ids.iter().enumerate() {
            let stays = number >= 597;
            assert_eq!(is_there(bench.last(), bucket, "k", Some(*id)).await, stays, "{number}");
        }
    });
}

#[test]
fn a_version_may_have_been_current_since_the_one_above_it_went() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        keep_versions(model, bucket).await;
        set(model, bucket, vec![noncurrent("", None)]).await;
        let old = put(model, bucket, "k", b"old").await.unwrap();
        let above = put(model, bucket, "k", b"above").await.unwrap();
        let newest = put(model, bucket, "k", b"newest").await.unwrap();
        (bench.pass)();
        let due = Due::Past(PastDue { id: old, above, is_above_due: true });
        delete(bench.last(), bucket, "k", Some(newest)).await;
        delete(bench.last(), bucket, "k", Some(above)).await;
        put(model, bucket, "k", b"newest again").await.unwrap();
        assert_eq!(expire(model, bucket, "k", due.clone()).await.skipped, 1, "it was current a moment ago");
        let again = put(model, bucket, "k", b"above again").await.unwrap();
        put(model, bucket, "k", b"current").await.unwrap();
        (bench.pass)();
        delete(bench.last(), bucket, "k", Some(again)).await;
        let newer = Due::Past(PastDue { id: old, above: again, is_above_due: true });
        assert_eq!(
            expire(model, bucket, "k", newer).await.versions,
            1,
            "something was above it all the time"
        );
    });
}

#[test]
fn newer_versions_are_counted_when_it_is_decided() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        keep_versions(model, bucket).await;
        set(model, bucket, vec![noncurrent("", Some(1))]).await;
        let mut ids = Vec::new();
        for content in [b"1", b"2", b"3"] {
            ids.push(put(model, bucket, "k", content).await.unwrap());
        }
        (bench.pass)();
        // The one that counted as newer goes away between looking and deciding, but the one above stays.
        delete(bench.last(), bucket, "k", Some(ids[2])).await;
        let due = past(ids[0], ids[1]);
        assert_eq!(expire(model, bucket, "k", due.clone()).await.skipped, 1, "the second is current now");
        put(bench.last(), bucket, "k", b"4").await;
        assert_eq!(expire(model, bucket, "k", due).await.versions, 1, "the second is a newer one again");
    });
}

#[test]
fn a_marker_goes_only_when_it_covers_nothing() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        keep_versions(model, bucket).await;
        set(model, bucket, vec![Rule { expiration: Some(Expiration::Markers(true)), ..rule("") }]).await;
        let version = put(model, bucket, "covers", b"x").await;
        let covering = delete(model, bucket, "covers", None).await.unwrap();
        let sole = delete(model, bucket, "sole", None).await.unwrap();
        assert_eq!(expire(bench.last(), bucket, "covers", Due::Marker(covering)).await.skipped, 1);
        put(bench.last(), bucket, "again", b"x").await;
        let marker = delete(model, bucket, "again", None).await.unwrap();
        put(bench.last(), bucket, "again", b"y").await;
        assert_eq!(expire(model, bucket, "again", Due::Marker(marker)).await.skipped, 1, "it is not current");
        assert_eq!(bench.look().await.removed(), 1);
        assert!(!is_there(bench.last(), bucket, "sole", Some(sole)).await);
        assert!(is_there(bench.last(), bucket, "covers", version).await);
    });
}

#[test]
fn uploads_are_given_up() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        set(model, bucket, vec![Rule { abort_days: Some(1), ..rule("up") }]).await;
        for key in ["up", "other"] {
            let meta = ObjectMeta::default();
            model.create_upload((bucket, key.into()), meta, None, "GK1".into()).await.unwrap();
        }
        (bench.pass)();
        assert_eq!(bench.look().await.removed(), 1);
        let left = bench.last().list_uploads(
            bucket,
            crate::listing::ListQuery { limit: 9, ..Default::default() },
            None,
        );
        let left: Vec<String> = left.await.unwrap().uploads.into_iter().map(|upload| upload.key).collect();
        assert_eq!(left, ["other"]);
    });
}

#[test]
fn a_clock_that_leapt_deletes_nothing_before_a_day_is_over() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        set(&node.model, bucket, vec![days("", 1)]).await;
        node.put(bucket, "k", &[b"x"]).await;
        let mut worker = Worker::new(&node.model);
        worker.look().await;
        node.world.clock.jump(1000 * DAY_MS);
        worker.look().await;
        let figures = node.model.lifecycle_figures();
        assert!(figures.doubt.is_some() && node.find(bucket, "k").is_some(), "{figures:?}");
        // The same if the node starts anew with that clock, as if it had been off for so long.
        let node = node.restart().await;
        let mut worker = Worker::new(&node.model);
        worker.look().await;
        assert!(node.model.lifecycle_figures().doubt.is_some() && node.find(bucket, "k").is_some());
        node.world.clock.jump(-1000 * DAY_MS);
        worker.look().await;
        assert!(node.model.lifecycle_figures().doubt.is_none() && node.find(bucket, "k").is_some());
        node.world.clock.jump(2 * DAY_MS);
        worker.look().await;
        assert!(node.find(bucket, "k").is_none(), "two days are no leap");
    });
}

#[test]
fn a_pass_goes_on_where_it_was_and_rules_that_cannot_be_read_delete_nothing() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        set(&node.model, bucket, vec![days("", 1)]).await;
        for key in ["a", "b", "c"] {
            node.put(bucket, key, &[b"x"]).await;
        }
        node.world.clock.jump(2 * DAY_MS);
        let rules = Rules::of(&node.model.names().buckets[&bucket]).unwrap().unwrap();
        let from = object::row_key(PartitionHash::of_shard(&bucket, 0), "b");
        let place = Some(Reached { day: 1, stage: Stage::Current, from });
        let rules = crate::lifecycle::mark_of(&rules);
        let progress = Progress { rules, done: None, place };
        let save = move |txn: &mut Txn<'_>| {
            txn.put(Space::Setting, row_key(bucket), &progress);
            Ok::<_, crate::ModelError>(())
        };
        node.store.commit(Intent::Free, save).await.unwrap();
        let node = node.restart().await;
        Worker::new(&node.model).look().await;
        assert!(node.find(bucket, "a").is_some() && node.find(bucket, "b").is_none());
        Worker::new(&node.model).look().await;
        assert!(node.find(bucket, "a").is_none(), "that pass was of another day");
        // A filter of a release to come must not be passed over.
        node.put(bucket, "d", &[b"x"]).await;
        let text = r#"{"rules":[{"id":"a","enabled":true,"filter":{"form":"one","colour":"red"},"expiration":{"days":1}}]}"#;
        let document = crate::rows::bucket::Document(text.as_bytes().to_vec());
        let change =
            BucketChange { settings: vec![(Setting::Lifecycle, Some(document))], ..BucketChange::default() };
        node.model.update_bucket(bucket, change).await.unwrap();
        node.world.clock.jump(3 * DAY_MS);
        Worker::new(&node.model).look().await;
        assert!(node.find(bucket, "d").is_some());
        assert!(node.model.lifecycle_figures().last_failure.is_some());
        unset(&node.model, bucket).await;
        Worker::new(&node.model).look().await;
        assert!(node.store.view().unwrap().get_bytes(Space::Setting, &row_key(bucket)).unwrap().is_none());
        node.assert_usage_is_exact(bucket);
    });
}

#[test]
fn a_damaged_row_stays_and_does_not_keep_others() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        set(&node.model, bucket, vec![days("", 1)]).await;
        for key in ["a", "b", "c"] {
            node.put(bucket, key, &[b"x"]).await;
        }
        node.world.clock.jump(2 * DAY_MS);
        let broken = object::row_key(PartitionHash::of_shard(&bucket, 0), "b");
        let key = broken.clone();
        let damage = move |txn: &mut Txn<'_>| {
            txn.put_bytes(Space::Object, key, bytes::Bytes::from_static(b"rot"));
            Ok::<_, crate::ModelError>(())
        };
        node.store.commit(Intent::Free, damage).await.unwrap();
        Worker::new(&node.model).look().await;
        let done = node.model.lifecycle_figures().done;
        assert_eq!((done.objects, done.skipped, done.failed), (2, 1, 0));
        assert!(node.store.view().unwrap().get_bytes(Space::Object, &broken).unwrap().is_some());
    });
}

#[test]
fn with_one_home_away_the_next_one_takes_its_buckets() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        set(homes.model(0), BUCKET, vec![days("", 1)]).await;
        for key in ["a", "b"] {
            homes.node(0).put(BUCKET, key, &[b"x"]).await;
        }
        homes.pass(Duration::from_millis(2 * DAY_MS as u64));
        let mut removed = 0;
        for number in homes.running() {
            Worker::new(homes.model(number)).look().await;
            let done = homes.model(number).lifecycle_figures().done.removed();
            removed += done;
            if done > 0 {
                homes.stop(number).await;
                break;
            }
        }
        assert_eq!(removed, 2, "one of them takes the bucket");
        let left = homes.running();
        homes.node(left[0]).put(BUCKET, "c", &[b"x"]).await;
        homes.pass(Duration::from_millis(2 * DAY_MS as u64));
        for number in &left {
            Worker::new(homes.model(*number)).look().await;
        }
        assert_eq!(homes.node(left[1]).content(BUCKET, "c").await, None);
    });
}

#[test]
fn what_rules_say_of_an_object() {
    let tags = [("a".to_owned(), "b".to_owned())];
    let (small, large) = (Traits { size: 10, tags: &[] }, Traits { size: 11, tags: &tags });
    let day = Day::REAL;
    let filter = Filter { larger_than: Some(10), smaller_than: Some(12), ..Filter::default() };
    let sized = Rule { id: "sized".into(), filter, ..days("", 5) };
    let dated = Rule { id: "dated".into(), expiration: Some(Expiration::Date(WallTime(77))), ..rule("d") };
    let rules = Rules { rules: vec![days("d", 9), sized, dated, Rule { enabled: false, ..days("", 1) }] };
    let of = |key, traits| rules.expiry(key, traits, WallTime(0), day).map(|expiry| (expiry.rule, expiry.at));
    assert_eq!(of("a", small), None);
    assert_eq!(of("a", large), Some(("sized", day.begin(6))), "the day after the fifth");
    assert_eq!(of("d", large), Some(("dated", WallTime(77))), "the first one counts");
    assert_eq!(rules.abort("d", WallTime(0), day), None);
    assert!(!rules.drops_marker("d", WallTime(77), (WallTime(76), day)));
    assert!(rules.drops_marker("d", WallTime(77), (WallTime(77), day)), "days and dates are for markers too");
    assert!(!rules.drops_marker("a", WallTime(0), (WallTime(u64::MAX), day)), "a marker has no size");
    let prefixes = |prefixes: &[&str]| {
        let rules = Rules { rules: prefixes.iter().map(|prefix| days(prefix, 1)).collect() };
        rules.prefixes(|_| true).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(prefixes(&["b", "a/b", "a", "ab", "b"]), ["a", "b"]);
    assert_eq!(prefixes(&["b", ""]), [""]);
}

fn asks_for_events() -> Notifications {
    let rule = EventRule {
        id: "told".to_owned(),
        target: TargetKind::Queue,
        arn: String::new(),
        webhook: "hook".to_owned(),
        events: vec!["s3:LifecycleExpiration:*".to_owned()],
        prefix: None,
        suffix: None,
    };
    Notifications { rules: vec![rule] }
}

#[test]
fn what_goes_is_told_and_what_stays_is_not() {
    on_both(async |bench| {
        let (model, bucket) = (bench.model(), bench.bucket);
        let document = Document(serde_json::to_vec(&asks_for_events()).unwrap());
        let settings = vec![(Setting::Notification, Some(document))];
        model.update_bucket(bucket, BucketChange { settings, ..BucketChange::default() }).await.unwrap();
        set(model, bucket, vec![days("old", 1), noncurrent("many", None)]).await;
        put(model, bucket, "old/plain", b"x").await;
        (bench.pass)();
        put(model, bucket, "old/new", b"x").await;
        assert_eq!(expire(model, bucket, "old/plain", Due::Current).await.objects, 1);
        assert_eq!(expire(model, bucket, "old/new", Due::Current).await.skipped, 1);
        keep_versions(model, bucket).await;
        let [older, newer] = [put(model, bucket, "many", b"1").await, put(model, bucket, "many", b"2").await];
        put(model, bucket, "old/covered", b"x").await;
        (bench.pass)();
        let (older, newer) = (older.unwrap(), newer.unwrap());
        assert_eq!(expire(model, bucket, "many", past(older, newer)).await.versions, 1);
        assert_eq!(expire(model, bucket, "old/covered", Due::Current).await.objects, 1);
        env::sleep(Duration::from_secs(5)).await;
        let told = model.waiting_events("hook", 10, usize::MAX).unwrap().into_iter().map(|one| one.row.event);
        let told: Vec<_> = told.map(|event| (event.kind, event.key, event.object.version)).collect();
        let Looked::Marker(marker, _) =
            model.look(bucket, "old/covered", None, Want::Metadata).await.unwrap()
        else {
            panic!("a marker covers it");
        };
        let wanted = [
            (EventKind::Expired, "old/plain".to_owned(), None),
            (EventKind::Expired, "many".to_owned(), Some(older)),
            (EventKind::ExpirationMarkerCreated, "old/covered".to_owned(), Some(marker)),
        ];
        assert_eq!(told, wanted);
        let view = model.store().view().unwrap();
        let mut intents = 0;
        view.walk(Space::EventIntent, &[], None, &mut |_, _: IntentRow| {
            intents += 1;
            store::Step::Next
        })
        .unwrap();
        assert_eq!(intents, 0, "all are settled");
    });
}
