//! Buckets, names, access keys and webhooks, as every request needs them: in memory, read without a lock.
//!
//! The rows are the truth. The committer reads what a change wrote again once it is durable and before its caller is
//! answered: whoever was told of a change sees it. What always holds:
//!
//! - the copy is what reading all rows would give, however many there are, for the price of those that changed;
//! - a row that cannot be read is never taken for one that is not there: what it would name is refused with an error, and
//!   everything else is served.

use crate::ModelError;
use crate::replicas::NAME_SPACES;
use crate::rows::bucket::{AliasRow, BucketRow, Versioning};
use crate::rows::encryption::RingKeyRow;
use crate::rows::key::KeyRow;
use crate::rows::webhook::WebhookRow;
use arc_swap::ArcSwap;
use base::id::kind;
use base::{Id, PartitionHash, WallTime};
use env::{Changes, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{Read, Record, Space, Store, StoreError, Txn};

/// The small tables in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Names {
    /// Live buckets.
    pub buckets: BTreeMap<Id<kind::Bucket>, Arc<BucketRow>>,
    /// Global names of live buckets.
    pub aliases: BTreeMap<String, Id<kind::Bucket>>,
    /// Global names by what they mean, whether that lives or not.
    given: BTreeMap<String, Id<kind::Bucket>>,
    /// Live access keys by their id.
    pub keys: BTreeMap<String, Arc<KeyRow>>,
    /// Webhooks by their name.
    pub webhooks: BTreeMap<String, Arc<WebhookRow>>,
    /// Keys of the ring, wrapped.
    pub ring: BTreeMap<Id<kind::RingKey>, Arc<RingKeyRow>>,
    /// Where the objects lie of buckets that keep versions, or kept them, or may do so: their row cannot be read.
    pub versioned: BTreeSet<PartitionHash>,
    /// Rows that cannot be read.
    damaged: BTreeSet<(Space, Vec<u8>)>,
}

/// A bucket that a name means.
pub type NamedRow = (Id<kind::Bucket>, Arc<BucketRow>);

/// Keeps [`Names`] current.
pub struct Directory {
    store: Store,
    names: ArcSwap<Names>,
    /// What changed could not be read once: everything is to be read.
    has_missed: AtomicBool,
    /// Noted whenever rows of the ring were written.
    ring_changes: Changes,
}

impl Directory {
    /// Reads the tables.
    pub fn open(store: &Store) -> Result<Arc<Self>, StoreError> {
        let names = ArcSwap::from_pointee(Names::read(store)?);
        let (has_missed, ring_changes) = (AtomicBool::new(false), Changes::default());
        Ok(Arc::new(Self { store: store.clone(), names, has_missed, ring_changes }))
    }

    /// Watches the rows of the ring: woken once what was written is seen here.
    pub(crate) fn watch_ring(&self) -> Watcher {
        self.ring_changes.watch()
    }

    /// The tables as they are now.
    pub fn names(&self) -> Arc<Names> {
        self.names.load_full()
    }

    /// Makes sure that what a transaction has written of the tables is seen here once it is durable, before its caller
    /// hears of it. Called last: what is written after it is not looked at.
    pub(crate) fn follow(self: &Arc<Self>, txn: &mut Txn<'_>) {
        let written: Vec<_> =
            txn.written(&NAME_SPACES).into_iter().map(|(space, key, _)| (space, key)).collect();
        if !written.is_empty() {
            self.follow_rows(txn, written);
        }
    }

    /// The same for these rows, written or removed.
    pub(crate) fn follow_rows(self: &Arc<Self>, txn: &mut Txn<'_>, rows: Vec<(Space, Vec<u8>)>) {
        let directory = Arc::clone(self);
        txn.after_commit(move || directory.refresh(&rows));
    }

    /// Reads these rows again. Only the committer calls it: one at a time, in the order of the changes.
    fn refresh(&self, changed: &[(Space, Vec<u8>)]) {
        let has_missed = self.has_missed.load(Ordering::Relaxed);
        let read =
            if has_missed { Names::read(&self.store) } else { self.names().with(&self.store, changed) };
        self.has_missed.store(read.is_err(), Ordering::Relaxed);
        match read {
            Ok(names) => self.names.store(Arc::new(names)),
            Err(error) => tracing::error!(%error, "the tables of buckets and keys cannot be read"),
        }
        if has_missed || changed.iter().any(|(space, _)| *space == Space::Ring) {
            self.ring_changes.note();
        }
    }
}

impl Names {
    /// The bucket that `name` means to this access key: its own alias first, then a global one,
    /// then a bucket id in hexadecimal. An alias of a deleted bucket means nothing. An error: a row cannot be read that
    /// would say what the name means.
    pub fn resolve(&self, name: &str, access_key: Option<&str>) -> Result<Option<NamedRow>, ModelError> {
        let key = access_key.map(|id| self.key(id)).transpose()?.flatten();
        let local = key.and_then(|key| key.local_aliases.get(&name.to_owned()).copied().flatten());
        if let Some(found) = self.live(local)? {
            return Ok(Some(found));
        }
        match self.called(name)? {
            Some(found) => Ok(Some(found)),
            None => self.live(Id::from_hex(name)),
        }
    }

    /// The bucket of a global name, as [`Names::resolve`].
    pub fn called(&self, name: &str) -> Result<Option<NamedRow>, ModelError> {
        self.check(Space::Alias, name.as_bytes())?;
        self.live(self.given.get(name).copied())
    }

    fn live(&self, id: Option<Id<kind::Bucket>>) -> Result<Option<NamedRow>, ModelError> {
        let Some(id) = id else { return Ok(None) };
        self.check(Space::Bucket, id.as_bytes())?;
        Ok(self.buckets.get(&id).map(|row| (id, Arc::clone(row))))
    }

    /// The live bucket of an id. An error: there is none, or its row cannot be read.
    pub fn bucket(&self, id: Id<kind::Bucket>) -> Result<Arc<BucketRow>, ModelError> {
        self.live(Some(id))?.map(|(_, row)| row).ok_or(ModelError::NoSuchBucket)
    }

    /// The live access key of an id. An error: its row cannot be read.
    pub fn key(&self, id: &str) -> Result<Option<&Arc<KeyRow>>, ModelError> {
        self.check(Space::Key, id.as_bytes())?;
        Ok(self.keys.get(id))
    }

    /// Refuses what rests on a row that cannot be read.
    pub fn check(&self, space: Space, row_key: &[u8]) -> Result<(), ModelError> {
        if !self.damaged.is_empty() && self.damaged.contains(&(space, row_key.to_vec())) {
            return Err(unreadable(space, row_key));
        }
        Ok(())
    }

    /// Refuses what rests on all rows of a table, where one cannot be read.
    pub fn check_all(&self, space: Space) -> Result<(), ModelError> {
        let mut damaged = self.damaged.iter().filter(|(damaged, _)| *damaged == space);
        damaged.next().map_or(Ok(()), |(space, key)| Err(unreadable(*space, key)))
    }

    /// The rows that cannot be read.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = (Space, &[u8])> {
        self.damaged.iter().map(|(space, key)| (*space, key.as_slice()))
    }

    /// The access key of this id, if requests may be signed with it now.
    pub fn usable_key(&self, id: &str, now: WallTime) -> Option<&Arc<KeyRow>> {
        self.keys.get(id).filter(|key| key.is_usable(now))
    }

    /// The global names of a bucket.
    pub fn aliases_of(&self, bucket: Id<kind::Bucket>) -> impl Iterator<Item = &str> {
        self.aliases.iter().filter(move |(_, target)| **target == bucket).map(|(name, _)| name.as_str())
    }

    /// The buckets an access key may use, by the names that [`Names::resolve`] finds them under, in
    /// name order. An error: a row cannot be read that might say of one more.
    pub fn buckets_of(&self, access_key: &str) -> Result<BTreeMap<String, NamedRow>, ModelError> {
        self.check_all(Space::Bucket)?;
        self.check_all(Space::Alias)?;
        let mut visible = BTreeMap::new();
        let granted = |id: &Id<kind::Bucket>| {
            self.buckets
                .get(id)
                .filter(|row| !row.grant_of(access_key).is_none())
                .map(|row| (*id, Arc::clone(row)))
        };
        for (name, id) in &self.aliases {
            visible.extend(granted(id).map(|bucket| (name.clone(), bucket)));
        }
        if let Some(key) = self.key(access_key)? {
            for (name, target) in key.local_aliases.iter() {
                let Some(id) = target.filter(|id| self.buckets.contains_key(id)) else { continue };
                // It hides a global name even when the key may not use the bucket.
                visible.remove(name);
                visible.extend(granted(&id).map(|bucket| (name.clone(), bucket)));
            }
        }
        Ok(visible)
    }
}

/// Reading the tables.
impl Names {
    /// Everything.
    pub(crate) fn read(store: &Store) -> Result<Self, StoreError> {
        let (view, mut names) = (store.view()?, Self::default());
        for space in NAME_SPACES {
            view.scan(space, Bound::Unbounded, Bound::Unbounded, &mut |key, record| {
                names.take(space, key, Some(record));
                ControlFlow::Continue(())
            })?;
        }
        Ok(names)
    }

    /// These, once rows have changed.
    fn with(&self, store: &Store, changed: &[(Space, Vec<u8>)]) -> Result<Self, StoreError> {
        let (view, mut names) = (store.view()?, self.clone());
        for (space, key) in changed {
            names.take(*space, key, view.get_bytes(*space, key)?.as_deref());
        }
        Ok(names)
    }

    fn take(&mut self, space: Space, key: &[u8], record: Option<&[u8]>) {
        match space {
            Space::Bucket => self.take_record((space, key), record, Self::take_bucket),
            Space::Alias => self.take_record((space, key), record, Self::take_alias),
            Space::Key => self.take_record((space, key), record, Self::take_key),
            Space::Webhook => self.take_record((space, key), record, Self::take_webhook),
            Space::Ring => self.take_record((space, key), record, Self::take_ring_key),
            _ => {}
        }
    }

    fn take_record<R: Record>(
        &mut self,
        (space, key): (Space, &[u8]),
        record: Option<&[u8]>,
        take: fn(&mut Self, &[u8], R),
    ) {
        if !self.damaged.is_empty() {
            self.damaged.remove(&(space, key.to_vec()));
        }
        match record.map(|record| store::decode(space, key, record)) {
            Some(Ok(row)) => take(self, key, row),
            Some(Err(_)) => {
                self.forget(space, key);
                self.damaged.insert((space, key.to_vec()));
                if let (Space::Bucket, Some(id)) = (space, id_of(key)) {
                    self.versioned.insert(PartitionHash::of_shard(&id, 0));
                }
            }
            None => self.forget(space, key),
        }
    }

    /// A row cannot be read, or was damaged and is nowhere.
    fn forget(&mut self, space: Space, key: &[u8]) {
        let text = || std::str::from_utf8(key).unwrap_or_default();
        match space {
            Space::Bucket => {
                if let Some(id) = id_of(key) {
                    self.set_bucket(id, None);
                    self.versioned.remove(&PartitionHash::of_shard(&id, 0));
                }
            }
            Space::Alias => {
                self.given.remove(text());
                self.aliases.remove(text());
            }
            Space::Key => _ = self.keys.remove(text()),
            Space::Webhook => _ = self.webhooks.remove(text()),
            Space::Ring => _ = key.try_into().map(|id| self.ring.remove(&Id::from_bytes(id))),
            _ => {}
        }
    }

    fn take_bucket(&mut self, key: &[u8], row: BucketRow) {
        let Some(id) = id_of(key) else { return };
        let objects = PartitionHash::of_shard(&id, 0);
        if row.deleted || row.versioning() == Versioning::Never {
            self.versioned.remove(&objects);
        } else {
            self.versioned.insert(objects);
        }
        self.set_bucket(id, (!row.deleted).then(|| Arc::new(row)));
    }

    fn set_bucket(&mut self, id: Id<kind::Bucket>, row: Option<Arc<BucketRow>>) {
        let (lives, lived) = (row.is_some(), self.buckets.contains_key(&id));
        match row {
            Some(row) => _ = self.buckets.insert(id, row),
            None => _ = self.buckets.remove(&id),
        }
        if lives != lived {
            self.name_again(id, lives);
        }
    }

    /// A bucket came or went, and its names with it.
    fn name_again(&mut self, id: Id<kind::Bucket>, lives: bool) {
        if lives {
            let its = self.given.iter().filter(|(_, target)| **target == id);
            self.aliases.extend(its.map(|(name, id)| (name.clone(), *id)));
        } else {
            self.aliases.retain(|_, target| *target != id);
        }
    }

    fn take_alias(&mut self, key: &[u8], AliasRow { target }: AliasRow) {
        let Ok(name) = std::str::from_utf8(key) else { return };
        let live = target.value.filter(|id| self.buckets.contains_key(id));
        set(&mut self.given, name, target.value);
        set(&mut self.aliases, name, live);
    }

    fn take_key(&mut self, key: &[u8], row: KeyRow) {
        if let Ok(id) = std::str::from_utf8(key) {
            set(&mut self.keys, id, (!row.deleted).then(|| Arc::new(row)));
        }
    }

    fn take_webhook(&mut self, key: &[u8], row: WebhookRow) {
        if let Ok(name) = std::str::from_utf8(key) {
            set(&mut self.webhooks, name, row.endpoint.value.is_some().then(|| Arc::new(row)));
        }
    }

    fn take_ring_key(&mut self, key: &[u8], row: RingKeyRow) {
        if let Ok(id) = key.try_into() {
            self.ring.insert(Id::from_bytes(id), Arc::new(row));
        }
    }
}

fn id_of(key: &[u8]) -> Option<Id<kind::Bucket>> {
    key.try_into().ok().map(Id::from_bytes)
}

fn unreadable(space: Space, key: &[u8]) -> ModelError {
    StoreError::Unreadable { space: space.name(), key: key.to_vec() }.into()
}

fn set<T>(map: &mut BTreeMap<String, T>, name: &str, value: Option<T>) {
    match value {
        Some(value) => map.insert(name.to_owned(), value),
        None => map.remove(name),
    };
}
