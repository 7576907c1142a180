//! Listing the versions of a bucket: one page by prefix, delimiter and marker.
//!
//! Each replica tells the rows of keys with their past rows, what is gone included; what is shown is decided after
//! merging, as far as all of a quorum told. A key about which they differ is evened out first, and asked for again: what
//! a replica told before is older than what was displaced since (doc/models/versions.rs, rule "again").

use crate::listing::{ListQuery, Listed, Start};
use crate::replicas::{KeyPlace, ListPast, ListedKey, ListedVersion, ListedWhat, PastListing};
use crate::rows::object;
use crate::rows::past::VersionId;
use crate::{Model, ModelError, versions};
use base::id::kind;
use base::{Id, PartitionHash, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use table::sort_key::after_prefix;

/// Rows that are asked for beyond the page's, so that some that are gone do not cost another round.
const ROWS_BEYOND: usize = 16;

/// Rows that are evened out for one page before its reader is told to come back.
const EVENINGS_MAX: usize = 4096;

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct VersionQuery {
    /// Keys, as for objects.
    pub keys: ListQuery,
    /// Begin inside of a key, behind this version of it.
    pub after: Option<(String, VersionId)>,
}

/// One page.
#[derive(Debug, Clone, Default)]
pub struct VersionPage {
    /// Versions and common prefixes, by key, the newest version first.
    pub entries: Vec<VersionEntry>,
    /// Whether there is more.
    pub more: bool,
}

/// An entry of a listing of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionEntry {
    /// A version that is an object.
    Object {
        /// Which one.
        id: VersionId,
        /// Whether it is current.
        is_latest: bool,
        /// What is shown of it.
        listed: Listed,
    },
    /// A version that is a delete marker.
    Marker {
        /// Its key.
        key: String,
        /// Which one.
        id: VersionId,
        /// Whether it is current.
        is_latest: bool,
        /// When it was made.
        made: Stamp,
    },
    /// Keys folded into what they share.
    Prefix(String),
}

/// A page under way.
struct Page {
    partition: PartitionHash,
    query: VersionQuery,
    entries: Vec<VersionEntry>,
    /// Row key from which on nothing is known, and of that key only versions below a stamp.
    from: Vec<u8>,
    below: Option<Stamp>,
}

/// How far a merge of what replicas told goes.
enum Merged {
    Full,
    End,
    /// Ask again.
    Again,
    /// They differ about a key, or a version of it.
    Differ(String, Option<VersionId>),
}

impl Model {
    /// One page of the versions in a bucket.
    pub async fn list_versions(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        query: VersionQuery,
    ) -> Result<VersionPage, ModelError> {
        let partition = PartitionHash::of_shard(&bucket, 0);
        let mut page = Page::new(partition, query);
        if let Some((key, id)) = page.query.after.clone() {
            let below = self.made_at(bucket, &key, id).await?;
            page.begin_inside(&key, below);
        }
        let mut evened_out = 0;
        loop {
            if evened_out > EVENINGS_MAX {
                return Err(ModelError::Unavailable);
            }
            let told = self.told_of_versions(&page).await?;
            match page.take(told) {
                Merged::Full => return Ok(VersionPage { entries: page.entries, more: true }),
                Merged::End => return Ok(VersionPage { entries: page.entries, more: false }),
                Merged::Again => {}
                Merged::Differ(key, id) => {
                    evened_out += 1;
                    self.even_out(&KeyPlace { partition, key }, id).await?;
                }
            }
        }
    }

    /// When a version was made; the end of its key if it is not there any more and its name does not say it.
    async fn made_at(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        key: &str,
        id: VersionId,
    ) -> Result<Stamp, ModelError> {
        if let VersionId::Named(made) = id {
            return Ok(made);
        }
        let looked = self.look(bucket, key, Some(id), crate::objects::Want::Metadata).await?;
        Ok(match looked {
            crate::objects::Looked::Object(found) => found.stamp,
            crate::objects::Looked::Marker(_, made) => made,
            crate::objects::Looked::Nothing => Stamp::ZERO,
        })
    }

    async fn told_of_versions(self: &Arc<Self>, page: &Page) -> Result<Vec<PastListing>, ModelError> {
        let limit = page.query.keys.limit.saturating_sub(page.entries.len()) + ROWS_BEYOND;
        let request = ListPast {
            view: self.peers.view(),
            birth: Stamp::ZERO,
            partition: page.partition,
            prefix: page.query.keys.prefix.clone(),
            delimiter: page.query.keys.delimiter.clone(),
            from: page.from.clone(),
            below: page.below,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        };
        if !self.peers.is_alone() {
            return self.ask_past_listings(&request).await;
        }
        let view = self.store.view()?;
        Ok(vec![self.env.tasks.blocking(move || versions::list_past(&view, &request)).await?])
    }
}

impl Page {
    fn new(partition: PartitionHash, query: VersionQuery) -> Self {
        let from = query.keys.first_row(partition);
        Self { partition, query, entries: Vec::new(), from, below: None }
    }

    fn begin_inside(&mut self, key: &str, below: Stamp) {
        let from = object::row_key(self.partition, key);
        let first = object::prefix_start(self.partition, &self.query.keys.prefix);
        if from >= first {
            (self.from, self.below) = (from, Some(below));
        }
    }

    /// Takes what the replicas of a quorum told, key by key.
    fn take(&mut self, told: Vec<PastListing>) -> Merged {
        let replicas = told.len();
        let at =
            |(key, made): &(String, Stamp)| (object::row_key(self.partition, key), std::cmp::Reverse(*made));
        let horizon =
            told.iter().filter_map(|listing| listing.horizon.as_ref()).min_by_key(|end| at(end)).cloned();
        let end = horizon.as_ref().map(at);
        let mut keys: BTreeMap<Vec<u8>, Vec<ListedKey>> = BTreeMap::new();
        let mut blind: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for key in told.into_iter().flat_map(|listing| listing.keys) {
            let row_key = object::row_key(self.partition, &key.key);
            if key.is_there
                && let Some(prefix) = self.query.keys.fold_of(&key.key)
            {
                let known = blind.entry(prefix).or_insert_with(|| row_key.clone());
                *known = row_key.clone().min(known.clone());
            }
            keys.entry(row_key).or_default().push(key);
        }
        let mut keys = keys.into_iter().peekable();
        while let Some((row_key, held)) = keys.next() {
            let is_whole = end.as_ref().is_none_or(|(end, _)| row_key < *end);
            // Of the key where somebody ended he told the row, unless he had not begun with it.
            let is_reached = end
                .as_ref()
                .is_none_or(|(end, made)| row_key < *end || row_key == *end && made.0.time != u64::MAX);
            if !is_reached {
                break;
            }
            let key = held[0].key.clone();
            if let Some(prefix) = self.query.keys.fold_of(&key) {
                if !is_whole {
                    break;
                }
                match self.take_folded(prefix, (&row_key, &held), &blind) {
                    None => {}
                    Some(Merged::Again) => while keys.next_if(|(at, _)| *at < self.from).is_some() {},
                    Some(merged) => return merged,
                }
                continue;
            }
            let below = end.as_ref().filter(|_| !is_whole).map(|(_, made)| made.0);
            if let Some(merged) = self.take_key(key, (&row_key, held), (replicas, below)) {
                return merged;
            }
        }
        let Some((key, made)) = horizon else { return Merged::End };
        let from = object::row_key(self.partition, &key);
        if from >= self.from {
            // From the first row that somebody did not tell: it was made just below the stamp to begin at.
            let above = Stamp { node: made.node.saturating_add(1), ..made };
            self.below = (made.time != u64::MAX).then_some(above);
            self.from = from;
        }
        Merged::Again
    }

    /// Takes a key that is folded into a prefix; [`Merged::Again`]: what lies in the prefix is passed over.
    fn take_folded(
        &mut self,
        prefix: String,
        (row_key, held): (&[u8], &[ListedKey]),
        blind: &BTreeMap<String, Vec<u8>>,
    ) -> Option<Merged> {
        let newest = held.iter().max_by_key(|key| key.head.0)?;
        if newest.is_there {
            if self.is_full() {
                return Some(Merged::Full);
            }
            let behind = after_prefix(&object::prefix_start(self.partition, &prefix));
            self.entries.push(VersionEntry::Prefix(prefix));
            let Some(behind) = behind else { return Some(Merged::End) };
            (self.from, self.below) = (behind, None);
            return Some(Merged::Again);
        }
        if blind.get(&prefix).is_some_and(|witness| witness == row_key) {
            // The first witness of this prefix is gone elsewhere: what lies behind it is unknown.
            return Some(Merged::Differ(newest.key.clone(), None));
        }
        None
    }

    /// Takes a key with its versions, down to those made at `end`, which are not told by all.
    fn take_key(
        &mut self,
        key: String,
        (row_key, held): (&[u8], Vec<ListedKey>),
        (replicas, end): (usize, Option<Stamp>),
    ) -> Option<Merged> {
        let orders: BTreeSet<Stamp> = held.iter().map(|key| key.head.0).collect();
        let head = held.iter().max_by_key(|key| key.head.0)?.clone();
        let has_versions = held.iter().any(|key| key.is_there || !key.past.is_empty());
        if orders.len() > 1 || held.len() < replicas && has_versions {
            self.begin_at(row_key);
            return Some(Merged::Differ(key, None));
        }
        if !head.is_there {
            self.pass(row_key);
            return None;
        }
        let is_told = |made: Stamp| end.is_none_or(|end| made > end);
        let (current, decision) = (head.head.1.id, head.decision);
        let mut past: BTreeMap<VersionId, Vec<(Stamp, ListedVersion)>> = BTreeMap::new();
        for (by, version) in held.into_iter().flat_map(|key| key.past) {
            past.entry(version.id).or_default().push((by, version));
        }
        let mut shown = Vec::new();
        for (id, mut rows) in past {
            rows.sort_by_key(|(by, _)| std::cmp::Reverse(*by));
            // It went ahead of the decision that it is part of, which the rows of the key are behind.
            if rows[0].0 > head.head.0 {
                self.begin_at(row_key);
                return Some(Merged::Differ(key, None));
            }
            // A past row of the version that is current says nothing.
            if id == current {
                continue;
            }
            // The rows of the key agree: what came with them is as sure as they are.
            let is_sure = |(by, version): &(Stamp, ListedVersion)| version.is_sure || *by == decision;
            let is_even = rows.len() == replicas
                && rows.iter().all(|(by, _)| *by == rows[0].0)
                && (replicas == 1 || rows.iter().any(is_sure));
            let (_, newest) = rows.swap_remove(0);
            if !is_told(newest.made) {
                continue;
            }
            if !is_even {
                self.begin_at(row_key);
                return Some(Merged::Differ(key, Some(id)));
            }
            shown.push((newest, false));
        }
        shown.retain(|(version, _)| version.what != ListedWhat::Gone);
        let is_below = |made: Stamp| self.below.is_none_or(|below| self.from != row_key || made < below);
        if is_told(head.head.1.made) && is_below(head.head.1.made) {
            shown.push((head.head.1, true));
        }
        shown.sort_by_key(|(version, _)| std::cmp::Reverse(version.made));
        for (version, is_latest) in shown {
            if self.is_full() {
                return Some(Merged::Full);
            }
            let ListedVersion { id, made, what, .. } = version;
            self.entries.push(match what {
                ListedWhat::Object(listed) => VersionEntry::Object { id, is_latest, listed },
                ListedWhat::Marker | ListedWhat::Gone => {
                    VersionEntry::Marker { key: key.clone(), id, is_latest, made }
                }
            });
        }
        if end.is_none() {
            self.pass(row_key);
        }
        None
    }

    /// A key is done with.
    fn pass(&mut self, row_key: &[u8]) {
        (self.from, self.below) = ([row_key, &[0]].concat(), None);
    }

    /// Begins again at a key, unless the page began inside of it.
    fn begin_at(&mut self, row_key: &[u8]) {
        if self.from != row_key {
            (self.from, self.below) = (row_key.to_vec(), None);
        }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= self.query.keys.limit
    }
}

impl VersionQuery {
    /// From the first key on, at most so many entries.
    pub fn all(limit: usize) -> Self {
        Self { keys: ListQuery { limit, start: Start::First, ..ListQuery::default() }, after: None }
    }
}
