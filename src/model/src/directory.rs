//! Buckets, names, access keys and webhooks, as every request needs them: in memory, read without a lock.
//!
//! The rows are the truth. This copy is made anew, whole, by the committer after a change of one
//! of them is durable and before its caller is answered: whoever was told of a change sees it.

use crate::rows::bucket::{AliasRow, BucketRow, Versioning};
use crate::rows::encryption::RingKeyRow;
use crate::rows::key::KeyRow;
use crate::rows::webhook::WebhookRow;
use arc_swap::ArcSwap;
use base::id::kind;
use base::{Id, PartitionHash, WallTime};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Read, Space, Step, Store, StoreError};

/// The small tables in memory.
#[derive(Debug, Default)]
pub struct Names {
    /// Live buckets.
    pub buckets: BTreeMap<Id<kind::Bucket>, Arc<BucketRow>>,
    /// Global names of live buckets.
    pub aliases: BTreeMap<String, Id<kind::Bucket>>,
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
}

impl Directory {
    /// Reads the tables.
    pub fn open(store: &Store) -> Result<Arc<Self>, StoreError> {
        let names = ArcSwap::from_pointee(read_names(store)?);
        Ok(Arc::new(Self { store: store.clone(), names }))
    }

    /// The tables as they are now.
    pub fn names(&self) -> Arc<Names> {
        self.names.load_full()
    }

    /// Reads the tables again. Called by the committer once a change of them is durable.
    pub(crate) fn refresh(&self) {
        match read_names(&self.store) {
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

fn read_names(store: &Store) -> Result<Names, StoreError> {
    let view = store.view()?;
    let mut names = Names::default();
    view.walk(Space::Bucket, &[], None, &mut |key, row: BucketRow| {
        if let (false, Ok(id)) = (row.deleted, key.try_into()) {
            let id = Id::from_bytes(id);
            if row.versioning() != Versioning::Never {
                names.versioned.insert(PartitionHash::of_shard(&id, 0));
            }
            names.buckets.insert(id, Arc::new(row));
        }
        Step::Next
    })?;
    view.walk(Space::Alias, &[], None, &mut |key, row: AliasRow| {
        let live = row.target.value.filter(|id| names.buckets.contains_key(id));
        if let (Some(id), Ok(name)) = (live, std::str::from_utf8(key)) {
            names.aliases.insert(name.to_owned(), id);
        }
        Step::Next
    })?;
    view.walk(Space::Key, &[], None, &mut |key, row: KeyRow| {
        if let (false, Ok(id)) = (row.deleted, std::str::from_utf8(key)) {
            names.keys.insert(id.to_owned(), Arc::new(row));
        }
        Step::Next
    })?;
    view.walk(Space::Webhook, &[], None, &mut |key, row: WebhookRow| {
        if let (Some(_), Ok(name)) = (&row.endpoint.value, std::str::from_utf8(key)) {
            names.webhooks.insert(name.to_owned(), Arc::new(row));
        }
        Step::Next
    })?;
    view.walk(Space::Ring, &[], None, &mut |key, row: RingKeyRow| {
        if let Ok(id) = key.try_into() {
            names.ring.insert(Id::from_bytes(id), Arc::new(row));
        }
        Step::Next
    })?;
    Ok(names)
}
