//! Buckets, names, access keys and webhooks, as every request needs them: in memory, read without a lock.
//!
//! The rows are the truth. The committer reads what a change wrote again once it is durable and before its caller is
//! answered: whoever was told of a change sees it. Always holds: the copy is what reading all rows would give, however
//! many there are, for the price of those that changed.

use crate::replicas::NAME_SPACES;
use crate::rows::bucket::{AliasRow, BucketRow, Versioning};
use crate::rows::encryption::RingKeyRow;
use crate::rows::key::KeyRow;
use crate::rows::webhook::WebhookRow;
use arc_swap::ArcSwap;
use base::id::kind;
use base::{Id, PartitionHash, WallTime};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{Read, Space, Step, Store, StoreError, Txn};

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
    /// Where the objects lie of buckets that keep versions, or kept them.
    pub versioned: BTreeSet<PartitionHash>,
}

/// Keeps [`Names`] current.
pub struct Directory {
    store: Store,
    names: ArcSwap<Names>,
    /// What changed could not be read once: everything is to be read.
    has_missed: AtomicBool,
}

impl Directory {
    /// Reads the tables.
    pub fn open(store: &Store) -> Result<Arc<Self>, StoreError> {
        let names = ArcSwap::from_pointee(Names::read(store)?);
        Ok(Arc::new(Self { store: store.clone(), names, has_missed: AtomicBool::new(false) }))
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
            let directory = Arc::clone(self);
            txn.after_commit(move || directory.refresh(&written));
        }
    }

    /// Reads these rows again. Only the committer calls it: one at a time, in the order of the changes.
    fn refresh(&self, changed: &[(Space, Vec<u8>)]) {
        let read = if self.has_missed.load(Ordering::Relaxed) {
            Names::read(&self.store)
        } else {
            self.names().with(&self.store, changed)
        };
        self.has_missed.store(read.is_err(), Ordering::Relaxed);
        match read {
            Ok(names) => self.names.store(Arc::new(names)),
            Err(error) => tracing::error!(%error, "the tables of buckets and keys cannot be read"),
        }
    }
}

impl Names {
    /// The bucket that `name` means to this access key: its own alias first, then a global one,
    /// then a bucket id in hexadecimal. An alias of a deleted bucket means nothing.
    pub fn resolve(
        &self,
        name: &str,
        access_key: Option<&str>,
    ) -> Option<(Id<kind::Bucket>, Arc<BucketRow>)> {
        let local = access_key.and_then(|id| self.keys.get(id)).and_then(|key| {
            let alias = key.local_aliases.get(&name.to_owned())?;
            alias.filter(|id| self.buckets.contains_key(id))
        });
        let id = local.or_else(|| self.aliases.get(name).copied()).or_else(|| Id::from_hex(name))?;
        Some((id, Arc::clone(self.buckets.get(&id)?)))
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
    /// name order.
    pub fn buckets_of(&self, access_key: &str) -> BTreeMap<String, (Id<kind::Bucket>, Arc<BucketRow>)> {
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
        if let Some(key) = self.keys.get(access_key) {
            for (name, target) in key.local_aliases.iter() {
                let Some(id) = target.filter(|id| self.buckets.contains_key(id)) else { continue };
                // It hides a global name even when the key may not use the bucket.
                visible.remove(name);
                visible.extend(granted(&id).map(|bucket| (name.clone(), bucket)));
            }
        }
        visible
    }
}

/// Reading the tables.
impl Names {
    /// Everything.
    pub(crate) fn read(store: &Store) -> Result<Self, StoreError> {
        let view = store.view()?;
        let mut names = Self::default();
        view.walk(Space::Bucket, &[], None, &mut |key, row: BucketRow| {
            names.take_bucket(key, row);
            Step::Next
        })?;
        view.walk(Space::Alias, &[], None, &mut |key, row: AliasRow| {
            names.take_alias(key, &row);
            Step::Next
        })?;
        view.walk(Space::Key, &[], None, &mut |key, row: KeyRow| {
            names.take_key(key, row);
            Step::Next
        })?;
        view.walk(Space::Webhook, &[], None, &mut |key, row: WebhookRow| {
            names.take_webhook(key, row);
            Step::Next
        })?;
        view.walk(Space::Ring, &[], None, &mut |key, row: RingKeyRow| {
            names.take_ring_key(key, row);
            Step::Next
        })?;
        Ok(names)
    }

    /// These, once rows have changed.
    fn with(&self, store: &Store, changed: &[(Space, Vec<u8>)]) -> Result<Self, StoreError> {
        let (view, mut names) = (store.view()?, self.clone());
        for (space, key) in changed {
            match space {
                Space::Bucket => {
                    names.take_some(view.get(*space, key)?, |names, row| names.take_bucket(key, row))
                }
                Space::Alias => {
                    names.take_some(view.get(*space, key)?, |names, row| names.take_alias(key, &row))
                }
                Space::Key => names.take_some(view.get(*space, key)?, |names, row| names.take_key(key, row)),
                Space::Webhook => {
                    names.take_some(view.get(*space, key)?, |names, row| names.take_webhook(key, row))
                }
                Space::Ring => {
                    names.take_some(view.get(*space, key)?, |names, row| names.take_ring_key(key, row))
                }
                _ => {}
            }
        }
        Ok(names)
    }

    /// Rows of these tables are never removed, only marked as gone.
    fn take_some<R>(&mut self, row: Option<R>, take: impl FnOnce(&mut Self, R)) {
        if let Some(row) = row {
            take(self, row);
        }
    }

    fn take_bucket(&mut self, key: &[u8], row: BucketRow) {
        let Ok(id) = key.try_into().map(Id::from_bytes) else { return };
        let objects = PartitionHash::of_shard(&id, 0);
        if row.deleted || row.versioning() == Versioning::Never {
            self.versioned.remove(&objects);
        } else {
            self.versioned.insert(objects);
        }
        let (lives, lived) = (!row.deleted, self.buckets.contains_key(&id));
        if lives {
            self.buckets.insert(id, Arc::new(row));
        } else {
            self.buckets.remove(&id);
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

    fn take_alias(&mut self, key: &[u8], row: &AliasRow) {
        let Ok(name) = std::str::from_utf8(key) else { return };
        let live = row.target.value.filter(|id| self.buckets.contains_key(id));
        set(&mut self.given, name, row.target.value);
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

fn set<T>(map: &mut BTreeMap<String, T>, name: &str, value: Option<T>) {
    match value {
        Some(value) => map.insert(name.to_owned(), value),
        None => map.remove(name),
    };
}
