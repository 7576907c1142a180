//! Listings against a naive answer: all keys in memory, filtered, folded and cut into pages.
//!
//! Key sets are random over an alphabet of awkward pieces (bytes 00 and 01, letters of several
//! bytes, delimiters), with deleted rows in between; queries are all combinations.

use super::homes::Homes;
use super::support::{Bucket, Node, Random};
use super::sync::{BUCKET, with_bucket};
use super::{key_of, run};
use crate::listing::{ListEntry, ListQuery, Start};
use crate::objects::{Condition, Deletion, ObjectMeta};
use crate::{Bypass, Model};
use base::Id;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Pieces that keys and prefixes are made of.
const PIECES: [&str; 9] = ["a", "b", "/", "//", "\0", "\u{1}", "é", "\u{10ffff}", "::"];
const DELIMITERS: [Option<&str>; 7] =
    [None, Some(""), Some("/"), Some("//"), Some("é"), Some("\0"), Some("::")];
const SEEDS: u64 = 3;
const KEYS: usize = 24;

/// An entry as the reference gives it: the text and whether it is a common prefix.
type Entry = (String, bool);

fn random_text(random: &mut Random, longest: usize) -> String {
    (0..random.below(longest + 1)).map(|_| PIECES[random.below(PIECES.len())]).collect()
}

/// What a whole listing must give, from the sorted keys.
fn expected(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>, start: &Start) -> Vec<Entry> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
    let fold = |key: &str| {
        let rest = key.strip_prefix(prefix)?;
        let delimiter = delimiter?;
        Some(format!("{prefix}{}{delimiter}", rest.split_once(delimiter)?.0))
    };
    let begins = |key: &str| match start {
        Start::First => true,
        Start::At(at) => key >= at.as_str(),
        Start::After(after) => fold(key).as_deref().unwrap_or(key) > after.as_str(),
    };
    let mut entries: Vec<Entry> = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix) && begins(key)) {
        let entry = fold(key).map_or_else(|| (key.clone(), false), |prefix| (prefix, true));
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

struct Case {
    node: Node,
    bucket: Bucket,
    keys: BTreeSet<String>,
    prefixes: Vec<String>,
}

impl Case {
    async fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let node = Node::new().await;
        let bucket = node.bucket().await;
        // Neighbours that a listing must not run into.
        for _ in 0..2 {
            let other = node.bucket().await;
            node.put(other, "a", &[b"x"]).await;
        }
        let mut keys = BTreeSet::new();
        let mut deletions = Vec::new();
        while keys.len() < KEYS {
            let key = random_text(&mut random, 5);
            if key.is_empty() {
                continue;
            }
            node.put(bucket, &key, &[key.as_bytes()]).await;
            if random.below(3) == 0 {
                keys.remove(&key);
                deletions.push(Deletion {
                    key,
                    version: None,
                    condition: Condition::Always,
                    bypass: Bypass::Nothing,
                });
            } else {
                deletions.retain(|deletion| deletion.key != key);
                keys.insert(key);
            }
        }
        for outcome in node.model.delete_objects(bucket, deletions).await.unwrap() {
            outcome.unwrap();
        }
        let mut prefixes: Vec<String> = ["", "a", "/", "\0", "é"].map(str::to_owned).to_vec();
        prefixes.extend(keys.iter().step_by(5).cloned());
        prefixes.extend((0..4).map(|_| random_text(&mut random, 2)));
        Self { node, bucket, keys, prefixes }
    }

    /// The entries of one page, and where the next begins.
    async fn page(&self, query: &ListQuery) -> (Vec<Entry>, Option<String>) {
        let page = self.node.model.list_objects(self.bucket, query.clone()).await.unwrap();
        let entries = page.entries.into_iter().map(|entry| match entry {
            ListEntry::Prefix(prefix) => (prefix, true),
            ListEntry::Object(listed) => {
                assert_eq!(listed.size, listed.key.len() as u64);
                (listed.key, false)
            }
        });
        (entries.collect(), page.next)
    }

    /// Every page by `next` gives everything exactly once; so does every page by its last entry.
    async fn check_pages(&self, query: &ListQuery, all: &[Entry]) {
        for by_token in [true, false] {
            let mut query = query.clone();
            let mut rest = all;
            loop {
                let (entries, next) = self.page(&query).await;
                let (now, later) = rest.split_at(query.limit.min(rest.len()));
                assert_eq!(entries, now, "{query:?} of {:?}", self.keys);
                assert_eq!(next.is_some(), !later.is_empty(), "{query:?} of {:?}", self.keys);
                rest = later;
                let Some(next) = next else { break };
                let last = entries.last().unwrap().0.clone();
                query.start = if by_token { Start::At(next) } else { Start::After(last) };
            }
            assert_eq!(rest, []);
        }
    }
}

#[test]
fn pages_of_every_size_give_everything_exactly_once() {
    run(async {
        for seed in 0..SEEDS {
            let case = Case::new(seed).await;
            for prefix in &case.prefixes {
                for delimiter in DELIMITERS {
                    let all = expected(&case.keys, prefix, delimiter, &Start::First);
                    for limit in 1..=all.len() + 1 {
                        let delimiter = delimiter.map(str::to_owned);
                        let query =
                            ListQuery { prefix: prefix.clone(), delimiter, limit, ..ListQuery::default() };
                        case.check_pages(&query, &all).await;
                    }
                }
            }
        }
    });
}

#[test]
fn a_page_may_begin_anywhere() {
    run(async {
        for seed in 0..SEEDS {
            let case = Case::new(100 + seed).await;
            let mut random = Random(seed);
            let mut places: BTreeSet<String> = case.keys.iter().chain(&case.prefixes).cloned().collect();
            places.extend((0..20).map(|_| random_text(&mut random, 4)));
            for place in places {
                for prefix in &case.prefixes {
                    for delimiter in DELIMITERS {
                        let place = place.clone();
                        for start in [Start::After(place.clone()), Start::At(place)] {
                            let all = expected(&case.keys, prefix, delimiter, &start);
                            let delimiter = delimiter.map(str::to_owned);
                            let query = ListQuery { prefix: prefix.clone(), delimiter, start, limit: KEYS };
                            assert_eq!(case.page(&query).await, (all, None), "{query:?} of {:?}", case.keys);
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn a_page_shows_what_a_key_holds_now() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let mut stamps = Vec::new();
        for number in 0..200 {
            node.put(bucket, &key_of(number), &[b"old"]).await;
            stamps.push(node.put(bucket, &key_of(number), &[b"newer"]).await);
        }
        let query = ListQuery { limit: 1000, ..ListQuery::default() };
        let page = node.model.list_objects(bucket, query).await.unwrap();
        let shown: Vec<_> = page
            .entries
            .iter()
            .map(|entry| match entry {
                ListEntry::Object(listed) => (listed.key.clone(), listed.modified, listed.size, listed.etag),
                ListEntry::Prefix(prefix) => panic!("a prefix without a delimiter: {prefix}"),
            })
            .collect();
        let tag = super::support::tag(&[b"newer"]);
        let expected: Vec<_> =
            stamps.iter().enumerate().map(|(number, stamp)| (key_of(number), *stamp, 5, tag)).collect();
        assert_eq!(shown, expected);
    });
}

/// An upload or prefix in the order of a listing: its text, then its id.
type Marker = (String, Option<super::support::Upload>);

async fn upload_pages(model: &Arc<Model>, bucket: Bucket, query: &ListQuery) -> Vec<Marker> {
    let mut all = Vec::new();
    let (mut query, mut after) = (query.clone(), None);
    loop {
        let page = model.list_uploads(bucket, query.clone(), after).await.unwrap();
        let mut entries: Vec<Marker> =
            page.uploads.into_iter().map(|listed| (listed.key, Some(listed.id))).collect();
        entries.extend(page.prefixes.into_iter().map(|prefix| (prefix, None)));
        entries.sort();
        assert!(entries.len() <= query.limit);
        let last = entries.last().cloned();
        all.extend(entries);
        match last {
            Some((text, id)) if page.truncated => (query.start, after) = (Start::After(text), id),
            _ => {
                assert!(!page.truncated, "an empty page cannot be truncated");
                return all;
            }
        }
    }
}

#[test]
fn open_uploads_are_listed_by_key_then_id() {
    run(async {
        for seed in 0..SEEDS {
            let mut random = Random(seed);
            let node = Node::new().await;
            let bucket = node.bucket().await;
            let mut open: BTreeSet<(String, super::support::Upload)> = BTreeSet::new();
            for number in 0..24 {
                let key = format!("{}{}", random_text(&mut random, 3), PIECES[number % 3]);
                let name = node.upload(bucket, &key).await;
                match random.below(4) {
                    0 => node.model.abort_upload(name).await.unwrap(),
                    _ => assert!(open.insert((key, name.id))),
                }
            }
            check_uploads(&node.model, bucket, &open, 1..).await;
        }
    });
}

/// All pages of the open uploads, of these sizes, for all queries.
async fn check_uploads(
    model: &Arc<Model>,
    bucket: Bucket,
    open: &BTreeSet<(String, super::support::Upload)>,
    limits: impl Iterator<Item = usize> + Clone,
) {
    let keys: BTreeSet<String> = open.iter().map(|(key, _)| key.clone()).collect();
    for prefix in ["", "a", "/", "é", "\0"] {
        for delimiter in DELIMITERS {
            let mut all: Vec<Marker> = Vec::new();
            for (text, folded) in expected(&keys, prefix, delimiter, &Start::First) {
                let ids = open.iter().filter(|(key, _)| *key == text).map(|(_, id)| Some(*id));
                let ids: Vec<_> = if folded { vec![None] } else { ids.collect() };
                all.extend(ids.into_iter().map(|id| (text.clone(), id)));
            }
            for limit in limits.clone().take_while(|limit| *limit <= all.len() + 1) {
                let delimiter = delimiter.map(str::to_owned);
                let query = ListQuery { prefix: prefix.into(), delimiter, limit, ..ListQuery::default() };
                assert_eq!(upload_pages(model, bucket, &query).await, all, "{query:?} of {keys:?}");
            }
        }
    }
}

#[test]
fn open_uploads_of_several_homes_are_listed_as_those_of_one() {
    run(async {
        let mut random = Random(1);
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        let mut open: BTreeSet<(String, super::support::Upload)> = BTreeSet::new();
        for number in 0..18 {
            let key = format!("{}{}", random_text(&mut random, 3), PIECES[number % 3]);
            let (place, by) = ((BUCKET, key.clone()), "GK1".to_owned());
            let id =
                homes.model(number % 3).create_upload(place, ObjectMeta::default(), None, by).await.unwrap();
            open.insert((key, id));
        }
        check_uploads(homes.model(1), BUCKET, &open, [1, 4, 19].into_iter()).await;
    });
}

#[test]
fn an_upload_marker_outside_of_the_prefix_shows_nothing_outside() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        for key in ["a", "b", "c", "d"] {
            node.upload(bucket, key).await;
        }
        for marker in [Id::from_bytes([0; 32]), Id::from_bytes([0xff; 32])] {
            for (at, expected) in [("a", &["c"][..]), ("b", &["c"]), ("d", &[])] {
                let start = Start::After(at.into());
                let query = ListQuery { prefix: "c".into(), delimiter: None, start, limit: 9 };
                let page = node.model.list_uploads(bucket, query, Some(marker)).await.unwrap();
                let keys: Vec<&str> = page.uploads.iter().map(|listed| listed.key.as_str()).collect();
                assert_eq!(keys, expected, "behind {at}");
            }
        }
    });
}
