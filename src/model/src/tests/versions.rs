//! Buckets that keep versions, on one node and on three, beside a list of what must be there.

use super::homes::{Homes, id};
use super::run;
use super::support::{Bucket, Node, Random, body_of, tag};
use super::sync::{BUCKET, with_bucket};
use crate::listing::{ListQuery, Start};
use crate::objects::{Condition, Deletion, Looked, ObjectMeta, Place, Want};
use crate::rows::bucket::{BucketRow, Setting, Versioning};
use crate::rows::past::VersionId;
use crate::rows::version::Owner;
use crate::version_listing::{VersionEntry, VersionQuery};
use crate::{Bypass, ByteRange, Model, ModelError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Read, Space};

const KEYS: [&str; 4] = ["a", "b/1", "b/2", "c"];
const BLOCK: [u8; 5000] = [7; 5000];

/// A version that must be there; a marker has no content.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    id: VersionId,
    content: Option<Vec<u8>>,
    tag: Option<String>,
}

/// A bucket, through any of some nodes, and what must be in it: per key the versions, the newest last.
struct Bench {
    models: Vec<Arc<Model>>,
    bucket: Bucket,
    mode: Versioning,
    kept: BTreeMap<&'static str, Vec<Kept>>,
    random: Random,
    puts: u32,
}

impl Bench {
    fn new(models: Vec<Arc<Model>>, bucket: Bucket, seed: u64) -> Self {
        let (mode, kept) = (Versioning::Never, BTreeMap::new());
        Self { models, bucket, mode, kept, random: Random(seed), puts: 0 }
    }

    fn model(&mut self) -> Arc<Model> {
        let number = self.random.below(self.models.len());
        self.models[number].clone()
    }

    fn key(&mut self) -> &'static str {
        KEYS[self.random.below(KEYS.len())]
    }

    async fn set(&mut self, mode: Versioning) {
        self.mode = mode;
        for model in &self.models {
            set_versioning(model, self.bucket, mode).await;
        }
    }

    async fn put(&mut self, condition: Condition) {
        let key = self.key();
        self.puts += 1;
        let last = format!("content {}", self.puts).into_bytes();
        let pieces: Vec<&[u8]> = if self.random.below(2) == 0 { vec![&last] } else { vec![&BLOCK, &last] };
        let written = put(&self.model(), (self.bucket, key), &pieces, condition.clone()).await;
        let versions = self.kept.entry(key).or_default();
        let is_there = versions.last().is_some_and(|kept| kept.content.is_some());
        if condition == Condition::Absent && is_there {
            assert!(matches!(written, Err(ModelError::ConditionFailed)), "{written:?}");
            return;
        }
        let id = written.unwrap();
        let expected_null = self.mode != Versioning::Enabled;
        assert_eq!(id.is_none_or(|id| id == VersionId::Null), expected_null);
        let id = id.unwrap_or(VersionId::Null);
        versions.retain(|kept| kept.id != id);
        versions.push(Kept { id, content: Some(pieces.concat()), tag: None });
    }

    async fn delete(&mut self) {
        let (key, model) = (self.key(), self.model());
        let deletion = Deletion {
            key: key.into(),
            version: None,
            condition: Condition::Always,
            bypass: Bypass::Nothing,
        };
        let deleted = model.delete_object(self.bucket, deletion).await.unwrap();
        let versions = self.kept.entry(key).or_default();
        if self.mode == Versioning::Never {
            return versions.clear();
        }
        let id = deleted.version.unwrap();
        assert!(deleted.is_marker);
        versions.retain(|kept| kept.id != id);
        versions.push(Kept { id, content: None, tag: None });
    }

    /// Deletes one version of a key, or one that never was.
    async fn delete_version(&mut self) {
        let (key, model) = (self.key(), self.model());
        let versions = self.kept.entry(key).or_default();
        let number = self.random.below(versions.len() + 1);
        let kept = versions.get(number).cloned();
        let strange = VersionId::Named(base::Stamp { time: 5, node: 2 });
        let id = kept.as_ref().map_or(strange, |kept| kept.id);
        let deleted = model.delete_object(self.bucket, of_version(key, id)).await.unwrap();
        assert_eq!(deleted.is_marker, kept.is_some_and(|kept| kept.content.is_none()));
        versions.retain(|kept| kept.id != id);
    }

    /// Deletes some versions of a key by one request.
    async fn delete_several(&mut self) {
        let (key, model) = (self.key(), self.model());
        let versions = self.kept.get(key).cloned().unwrap_or_default();
        let chosen: Vec<Kept> = versions.into_iter().filter(|_| self.random.below(2) == 0).collect();
        let outcomes =
            model.delete_objects(self.bucket, chosen.iter().map(|kept| of_version(key, kept.id)).collect());
        for (outcome, kept) in outcomes.await.unwrap().into_iter().zip(&chosen) {
            let deleted = outcome.unwrap();
            assert_eq!((deleted.version, deleted.is_marker), (Some(kept.id), kept.content.is_none()));
        }
        self.kept.entry(key).or_default().retain(|kept| !chosen.contains(kept));
    }

    async fn tag(&mut self) {
        let (key, model) = (self.key(), self.model());
        let versions = self.kept.entry(key).or_default();
        if versions.is_empty() {
            return;
        }
        let number = self.random.below(versions.len());
        self.puts += 1;
        let text = format!("tag {}", self.puts);
        let kept = &mut versions[number];
        let tags = vec![("t".to_owned(), text.clone())];
        let tagged = model.set_object_tags(self.bucket, (key.into(), Some(kept.id)), tags).await;
        match kept.content {
            Some(_) => kept.tag = tagged.map(|_| Some(text)).unwrap(),
            None => {
                assert!(matches!(tagged, Err(ModelError::DeleteMarker | ModelError::NoSuchKey)), "{tagged:?}")
            }
        }
    }

    async fn copy(&mut self) {
        let (from, to, model) = (self.key(), self.key(), self.model());
        let Some(kept) = self.kept.get(from).and_then(|versions| versions.first()).cloned() else { return };
        let looked = model.look(self.bucket, from, Some(kept.id), Want::Content).await.unwrap();
        let Looked::Object(found) = looked else { return assert_eq!(kept.content, None) };
        let place = Place { bucket: self.bucket, key: to.into(), condition: Condition::Always };
        let source = (self.bucket, from.to_owned(), Some(kept.id));
        let written = model.copy_object(source, *found, place, ObjectMeta::default()).await.unwrap();
        let id = written.version.unwrap_or(VersionId::Null);
        let versions = self.kept.entry(to).or_default();
        versions.retain(|kept| kept.id != id);
        versions.push(Kept { id, content: kept.content, tag: None });
    }

    async fn step(&mut self) {
        match self.random.below(20) {
            0..8 => self.put(Condition::Always).await,
            8..10 => self.put(Condition::Absent).await,
            10..13 => self.delete().await,
            13..16 => self.delete_version().await,
            16 => self.delete_several().await,
            17 => self.tag().await,
            18 => self.copy().await,
            _ if self.mode == Versioning::Enabled => self.set(Versioning::Suspended).await,
            _ => self.set(Versioning::Enabled).await,
        }
    }

    /// Every node shows what must be there, and nothing else.
    async fn check(&self) {
        for model in &self.models {
            for key in KEYS {
                let none = Vec::new();
                let versions = self.kept.get(key).unwrap_or(&none);
                let current = model.look(self.bucket, key, None, Want::Content).await.unwrap();
                self.check_one(model, current, versions.last()).await;
                for kept in versions {
                    let looked = model.look(self.bucket, key, Some(kept.id), Want::Content).await.unwrap();
                    self.check_one(model, looked, Some(kept)).await;
                }
            }
            self.check_listings(model).await;
        }
    }

    async fn check_one(&self, model: &Arc<Model>, looked: Looked, kept: Option<&Kept>) {
        match (looked, kept) {
            (Looked::Nothing, None) => {}
            (Looked::Marker(id, _), Some(kept)) => assert_eq!((id, &None), (kept.id, &kept.content)),
            (Looked::Object(found), Some(kept)) => {
                assert_eq!(found.version, kept.id);
                let tag = found.object.tags.first().map(|(_, tag)| tag.clone());
                assert_eq!(tag, kept.tag);
                let mut reader = found.read(model, ByteRange { start: 0, end: found.object.size });
                let mut content = Vec::new();
                while let Some(bytes) = reader.next().await.unwrap() {
                    content.extend(bytes);
                }
                assert_eq!(Some(content), kept.content);
            }
            (looked, kept) => panic!("{looked:?}, where there is {kept:?}"),
        }
    }

    async fn check_listings(&self, model: &Arc<Model>) {
        let mut expected = Vec::new();
        for (key, versions) in &self.kept {
            for (place, kept) in versions.iter().rev().enumerate() {
                expected.push((key.to_string(), kept.id, place == 0, kept.content.is_some()));
            }
        }
        for limit in [1, 2, 3, 1000] {
            let listed = list(model, self.bucket, limit, None).await;
            assert_eq!(listed.iter().filter_map(seen).collect::<Vec<_>>(), expected, "{limit} per page");
            let folded = list(model, self.bucket, limit, Some("/")).await;
            let flat: Vec<_> = expected.iter().filter(|(key, ..)| !key.contains('/')).cloned().collect();
            assert_eq!(folded.iter().filter_map(seen).collect::<Vec<_>>(), flat, "{limit} per page, folded");
            let prefixes = folded.iter().filter(|entry| matches!(entry, VersionEntry::Prefix(_))).count();
            assert_eq!(prefixes, usize::from(expected.len() > flat.len()));
        }
        let objects = model.list_objects(self.bucket, ListQuery { limit: 1000, ..Default::default() }).await;
        let current = expected.iter().filter(|(_, _, is_latest, is_object)| *is_latest && *is_object).count();
        assert_eq!(objects.unwrap().entries.len(), current);
    }

    /// Deletes all that is there.
    async fn clear(&mut self) {
        for (key, versions) in std::mem::take(&mut self.kept) {
            let deletions = versions.iter().map(|kept| of_version(key, kept.id)).collect();
            let outcomes = self.model().delete_objects(self.bucket, deletions).await.unwrap();
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        }
    }
}

fn of_version(key: &str, id: VersionId) -> Deletion {
    let (condition, bypass) = (Condition::Always, Bypass::Nothing);
    Deletion { key: key.into(), version: Some(id), condition, bypass }
}

/// Buckets are copied by other means; here each node is told.
async fn set_versioning(model: &Arc<Model>, bucket: Bucket, mode: Versioning) {
    let directory = Arc::clone(&model.directory);
    let set = move |txn: &mut store::Txn<'_>| {
        let mut row: BucketRow = txn.get(Space::Bucket, bucket.as_bytes())?.unwrap();
        let stamp = txn.stamp();
        row.settings.set(Setting::Versioning.name().to_owned(), stamp, mode.document());
        txn.put(Space::Bucket, bucket.as_bytes().to_vec(), &row);
        directory.follow(txn);
        Ok::<_, ModelError>(())
    };
    model.store.commit(store::Intent::Free, set).await.unwrap();
}

async fn put(
    model: &Arc<Model>,
    (bucket, key): (Bucket, &str),
    pieces: &[&[u8]],
    condition: Condition,
) -> Result<Option<VersionId>, ModelError> {
    let body = body_of(model, Owner::Object(bucket, key.into()), pieces).await?;
    let place = Place { bucket, key: key.into(), condition };
    Ok(model.put_object(place, body, tag(pieces), ObjectMeta::default()).await?.version)
}

fn seen(entry: &VersionEntry) -> Option<(String, VersionId, bool, bool)> {
    match entry {
        VersionEntry::Object { id, is_latest, listed } => Some((listed.key.clone(), *id, *is_latest, true)),
        VersionEntry::Marker { key, id, is_latest, .. } => Some((key.clone(), *id, *is_latest, false)),
        VersionEntry::Prefix(_) => None,
    }
}

/// All entries, page by page.
async fn list(
    model: &Arc<Model>,
    bucket: Bucket,
    limit: usize,
    delimiter: Option<&str>,
) -> Vec<VersionEntry> {
    let mut query = VersionQuery::all(limit);
    query.keys.delimiter = delimiter.map(str::to_owned);
    let mut all = Vec::new();
    loop {
        let page = model.list_versions(bucket, query.clone()).await.unwrap();
        assert!(page.entries.len() <= limit);
        all.extend(page.entries);
        if !page.more {
            return all;
        }
        match all.last().unwrap() {
            VersionEntry::Prefix(prefix) => {
                (query.keys.start, query.after) = (Start::After(prefix.clone()), None);
            }
            entry => {
                let (key, id, ..) = seen(entry).unwrap();
                (query.keys.start, query.after) = (Start::At(key.clone()), Some((key, id)));
            }
        }
    }
}

/// Every node takes from every other one what it missed.
async fn even_out(homes: &Homes) {
    for (to, from) in
        homes.running().into_iter().flat_map(|to| homes.running().into_iter().map(move |from| (to, from)))
    {
        for attempt in 0.. {
            match homes.model(to).sync_with(id(from)).await {
                _ if to == from => break,
                Ok(_) => break,
                // It was asked before something was forgotten.
                Err(error) => assert!(attempt < 5, "{to} from {from}: {error}"),
            }
            env::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[test]
fn versions_on_one_node_are_what_was_written() {
    for seed in 0..6 {
        run(async {
            let node = Node::new().await;
            let bucket = node.bucket().await;
            let mut bench = Bench::new(vec![node.model.clone()], bucket, seed);
            for number in 0..90 {
                if number == 10 {
                    bench.set(Versioning::Enabled).await;
                }
                if number < 10 {
                    bench.put(Condition::Always).await
                } else {
                    bench.step().await
                }
                if number % 15 == 14 {
                    bench.check().await;
                    node.expire().await;
                    bench.check().await;
                    let view = node.store.view().unwrap();
                    let partition = base::PartitionHash::of_shard(&bucket, 0);
                    let counted = crate::usage::recount(&view, partition).unwrap();
                    assert_eq!(node.usage(bucket), counted);
                }
            }
            bench.clear().await;
            bench.check().await;
            node.expire().await;
            assert_eq!(node.usage(bucket), crate::usage::Usage::default());
            node.assert_only_buckets_left();
        });
    }
}

#[test]
fn versions_on_three_nodes_are_what_was_written() {
    for seed in 0..3 {
        run(async {
            let mut homes = Homes::new(3, 3).await;
            with_bucket(&homes).await;
            let models = |homes: &Homes| {
                homes.running().into_iter().map(|number| homes.model(number).clone()).collect()
            };
            let mut bench = Bench::new(models(&homes), BUCKET, seed);
            for number in 0..60 {
                if number == 8 {
                    bench.set(Versioning::Enabled).await;
                }
                // One of them is away for a while, and misses what happens.
                if number % 20 == 10 {
                    homes.stop(usize::try_from(seed).unwrap()).await;
                    bench.models = models(&homes);
                }
                if number % 20 == 16 {
                    homes.start(usize::try_from(seed).unwrap()).await;
                    bench.models = models(&homes);
                    bench.set(bench.mode).await;
                    env::sleep(Duration::from_secs(10)).await;
                }
                if number < 8 {
                    bench.put(Condition::Always).await
                } else {
                    bench.step().await
                }
                if number % 12 == 11 {
                    bench.check().await;
                }
            }
            bench.check().await;
            even_out(&homes).await;
            bench.check().await;
            bench.clear().await;
            bench.check().await;
            even_out(&homes).await;
            for _ in 0..4 {
                homes.tidy_up().await;
                homes.pass(Duration::from_secs(20 * 60));
            }
            homes.tidy_up().await;
            for number in homes.running() {
                for space in [
                    Space::Object,
                    Space::Past,
                    Space::PastBody,
                    Space::Inline,
                    Space::Version,
                    Space::BlockRef,
                ] {
                    assert_eq!(homes.node(number).records(space), 0, "{} of node {number}", space.name());
                }
            }
        });
    }
}

#[test]
fn who_has_not_heard_that_versions_are_kept_overwrites_none() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        let homes = &homes;
        let put_at = |number: usize, content: &'static [u8]| async move {
            put(homes.model(number), (BUCKET, "key"), &[content], Condition::Always).await
        };
        put_at(0, b"before").await.unwrap();
        for number in [1, 2] {
            set_versioning(homes.model(number), BUCKET, Versioning::Enabled).await;
        }
        assert!(matches!(put_at(0, b"stale").await, Err(ModelError::Unavailable)));
        let id = put_at(1, b"first").await.unwrap().unwrap();
        assert!(matches!(put_at(0, b"stale too").await, Err(ModelError::Unavailable)));
        set_versioning(homes.model(0), BUCKET, Versioning::Enabled).await;
        put_at(0, b"second").await.unwrap();
        // A write that was not acknowledged may happen, as one of before.
        let contents: [(VersionId, &[&[u8]]); 2] =
            [(VersionId::Null, &[b"before", b"stale"]), (id, &[b"first"])];
        for (id, possible) in contents {
            let looked = homes.model(2).look(BUCKET, "key", Some(id), Want::Content).await.unwrap();
            let Looked::Object(found) = looked else { panic!("{id} is not there") };
            assert!(possible.contains(&found.inline.as_deref().unwrap()), "{found:?}");
        }
    });
}
