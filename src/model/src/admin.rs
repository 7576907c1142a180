//! Changes of buckets, names, access keys and webhooks. Every one is a single transaction that reads what it
//! decides on, so two administrators at once cannot leave half a change behind.

use crate::replicas::NAME_SPACES;
use crate::rows::bucket::{AliasRow, BucketRow, Document, Grant, Quotas, Setting, Versioning, Website};
use crate::rows::key::{KeyRow, Secret};
use crate::rows::object::ObjectRow;
use crate::rows::upload::{self, UploadMark, UploadRow, UploadState};
use crate::rows::webhook::{Endpoint, WebhookRow};
use crate::{Model, ModelError, NodeBatch, Write};
use base::id::kind;
use base::{BucketName, Id, Lww, Merge, PartitionHash, Stamp, WallTime};
use block::BlockStore;
use env::random_array;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::{Intent, Read, Space, Step, Txn};
use table::sort_key::walk_prefix;

/// A change of an access key; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    /// A new name.
    pub name: Option<String>,
    /// Whether it may create buckets.
    pub may_create_buckets: Option<bool>,
    /// When it expires; `Some(None)`: never.
    pub expires: Option<Option<WallTime>>,
}

/// A change of a bucket; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct BucketChange {
    /// New limits.
    pub quotas: Option<Quotas>,
    /// A new web site, or none.
    pub website: Option<Option<Website>>,
    /// Documents to set, or kinds to remove.
    pub settings: Vec<(Setting, Option<Document>)>,
}

impl Model {
    /// Creates a bucket, with a global name if one is given, owned by `owner` if one is given.
    pub async fn create_bucket(
        self: &Arc<Self>,
        name: Option<BucketName>,
        owner: Option<String>,
    ) -> Result<Id<kind::Bucket>, ModelError> {
        self.create_bucket_with(name, owner, Vec::new()).await
    }

    /// The same for a bucket with settings from its beginning.
    pub async fn create_bucket_with(
        self: &Arc<Self>,
        name: Option<BucketName>,
        owner: Option<String>,
        settings: Vec<(Setting, Document)>,
    ) -> Result<Id<kind::Bucket>, ModelError> {
        let id = Id::from_bytes(random_array(self.env.rng.as_ref()));
        let alone = self.peers.stay_alone().await;
        let claim = match &name {
            Some(name) if alone.is_none() => {
                self.refuse_taken(name, owner.as_deref()).await?;
                Some(self.claim_name(name.as_str(), id).await?)
            }
            _ => None,
        };
        self.change_names(move |txn| {
            if claim.is_some_and(|claim| claim.is_over(txn.now())) {
                return Err(ModelError::Unavailable);
            }
            let stamp = txn.stamp();
            let mut bucket = BucketRow::new(stamp);
            if let Some(owner) = &owner {
                bucket.grants.set(owner.clone(), stamp, Grant::ALL);
            }
            for (kind, document) in &settings {
                bucket.settings.set(kind.name().to_owned(), stamp, Some(document.clone()));
            }
            if let Some(name) = &name {
                claim_name(txn, name, owner.as_deref())?;
                point_alias(txn, name.as_str(), stamp, Some(id))?;
            }
            txn.put(Space::Bucket, id.as_bytes().to_vec(), &bucket);
            Ok(id)
        })
        .await
    }

    /// Refuses a name that is known to be taken, by whom it is taken.
    async fn refuse_taken(
        self: &Arc<Self>,
        name: &BucketName,
        owner: Option<&str>,
    ) -> Result<(), ModelError> {
        self.learn_bucket(name.as_str()).await;
        claim_name(&self.store.view()?, name, owner)
    }

    /// Deletes an empty bucket and all names that point at it. Open uploads are aborted.
    pub async fn delete_bucket(self: &Arc<Self>, id: Id<kind::Bucket>) -> Result<(), ModelError> {
        // Before anything is decided about its objects.
        self.names().check(Space::Bucket, id.as_bytes())?;
        let blocks = self.blocks.clone();
        let alone = self.peers.stay_alone().await;
        let is_alone = alone.is_some();
        if !is_alone {
            self.empty_for_ever(id).await?;
        }
        self.change_names(move |txn| {
            let mut bucket = read_bucket(txn, id)?;
            let partition = PartitionHash::of_shard(&id, 0);
            if is_alone {
                if has_objects(txn, partition)? {
                    return Err(ModelError::BucketNotEmpty);
                }
                abort_uploads(&blocks, txn, partition)?;
            }
            let stamp = txn.stamp();
            for name in names_of(txn, id)? {
                point_alias(txn, &name, stamp, None)?;
            }
            bucket.deleted = true;
            txn.put(Space::Bucket, id.as_bytes().to_vec(), &bucket);
            Ok(())
        })
        .await
    }

    /// Changes limits, web site or another setting of a bucket.
    pub async fn update_bucket(
        self: &Arc<Self>,
        id: Id<kind::Bucket>,
        change: BucketChange,
    ) -> Result<(), ModelError> {
        self.change_names(move |txn| {
            let mut bucket = read_bucket(txn, id)?;
            let stamp = txn.stamp();
            if let Some(quotas) = change.quotas {
                bucket.quotas.set(stamp, quotas);
            }
            if let Some(website) = change.website {
                bucket.website.set(stamp, website);
            }
            for (kind, document) in change.settings {
                check_lock(&bucket, kind, document.as_ref())?;
                bucket.settings.set(kind.name().to_owned(), stamp, document);
            }
            txn.put(Space::Bucket, id.as_bytes().to_vec(), &bucket);
            Ok(())
        })
        .await
    }

    /// Sets what an access key may do with a bucket: `change` gets the present grant.
    pub async fn change_grant(
        self: &Arc<Self>,
        id: Id<kind::Bucket>,
        access_key: String,
        change: impl FnOnce(Grant) -> Grant + Send + 'static,
    ) -> Result<(), ModelError> {
        self.change_names(move |txn| {
            let mut bucket = read_bucket(txn, id)?;
            read_key(txn, &access_key)?;
            let grant = change(bucket.grant_of(&access_key));
            let stamp = txn.stamp();
            bucket.grants.set(access_key, stamp, grant);
            txn.put(Space::Bucket, id.as_bytes().to_vec(), &bucket);
            Ok(())
        })
        .await
    }

    /// Points a global name at a bucket. The name must be free, or already point there.
    pub async fn add_alias(
        self: &Arc<Self>,
        name: BucketName,
        id: Id<kind::Bucket>,
    ) -> Result<(), ModelError> {
        self.change_names(move |txn| {
            read_bucket(txn, id)?;
            match alias_target(txn, name.as_str())? {
                Some(target) if target != id => return Err(ModelError::BucketNameTaken),
                _ => {}
            }
            let stamp = txn.stamp();
            point_alias(txn, name.as_str(), stamp, Some(id))
        })
        .await
    }

    /// Removes a global name of a bucket.
    pub async fn remove_alias(
        self: &Arc<Self>,
        name: String,
        id: Id<kind::Bucket>,
    ) -> Result<(), ModelError> {
        self.change_names(move |txn| {
            if alias_target(txn, &name)? != Some(id) {
                return Err(ModelError::NoSuchBucket);
            }
            let stamp = txn.stamp();
            point_alias(txn, &name, stamp, None)
        })
        .await
    }

    /// Sets or removes a name that only one access key sees.
    pub async fn set_local_alias(
        self: &Arc<Self>,
        access_key: String,
        name: String,
        target: Option<Id<kind::Bucket>>,
    ) -> Result<(), ModelError> {
        self.change_names(move |txn| {
            let mut key = read_key(txn, &access_key)?;
            if let Some(id) = target {
                read_bucket(txn, id)?;
            }
            let stamp = txn.stamp();
            key.local_aliases.set(name, stamp, target);
            txn.put(Space::Key, access_key.into_bytes(), &key);
            Ok(())
        })
        .await
    }

    /// Creates an access key with a random id and secret; the id comes back.
    pub async fn create_key(self: &Arc<Self>, name: String) -> Result<String, ModelError> {
        let rng = self.env.rng.as_ref();
        let id = format!("GK{}", base::id::encode_hex(&random_array::<12>(rng)));
        let secret = Secret::new(base::id::encode_hex(&random_array::<32>(rng)));
        self.import_key(id.clone(), secret, name).await?;
        Ok(id)
    }

    /// Takes over an access key that was made elsewhere. Its id must be free.
    pub async fn import_key(
        self: &Arc<Self>,
        id: String,
        secret: Secret,
        name: String,
    ) -> Result<(), ModelError> {
        self.change_names(move |txn| {
            let stamp = txn.stamp();
            if txn.get::<KeyRow>(Space::Key, id.as_bytes())?.is_some() {
                return Err(ModelError::AccessKeyExists);
            }
            txn.put(Space::Key, id.into_bytes(), &KeyRow::new(stamp, name, secret));
            Ok(())
        })
        .await
    }

    /// Changes an access key.
    pub async fn update_key(self: &Arc<Self>, id: String, change: KeyChange) -> Result<(), ModelError> {
        self.change_names(move |txn| {
            let mut key = read_key(txn, &id)?;
            let stamp = txn.stamp();
            if let Some(name) = change.name {
                key.name.set(stamp, name);
            }
            if let Some(may) = change.may_create_buckets {
                key.may_create_buckets.set(stamp, may);
            }
            if let Some(expires) = change.expires {
                key.expires.set(stamp, expires);
            }
            txn.put(Space::Key, id.into_bytes(), &key);
            Ok(())
        })
        .await
    }

    /// Deletes an access key for ever.
    pub async fn delete_key(self: &Arc<Self>, id: String) -> Result<(), ModelError> {
        self.change_names(move |txn| {
            let mut key = read_key(txn, &id)?;
            key.deleted = true;
            txn.put(Space::Key, id.into_bytes(), &key);
            Ok(())
        })
        .await
    }

    /// Registers a webhook, or gives it another address.
    pub async fn set_webhook(self: &Arc<Self>, name: String, endpoint: Endpoint) -> Result<(), ModelError> {
        self.change_names(move |txn| {
            let stamp = txn.stamp();
            let known: Option<WebhookRow> = txn.get(Space::Webhook, name.as_bytes())?;
            let mut row = known.unwrap_or(WebhookRow { created: stamp, endpoint: Lww::new(stamp, None) });
            row.endpoint.set(stamp, Some(endpoint));
            txn.put(Space::Webhook, name.into_bytes(), &row);
            Ok(())
        })
        .await
    }

    /// Removes a webhook; what waits for it is forgotten.
    pub async fn delete_webhook(self: &Arc<Self>, name: String) -> Result<(), ModelError> {
        self.change_names(move |txn| {
            let known: Option<WebhookRow> = txn.get(Space::Webhook, name.as_bytes())?;
            let Some(mut row) = known else { return Ok(()) };
            let stamp = txn.stamp();
            row.endpoint.set(stamp, None);
            txn.put(Space::Webhook, name.into_bytes(), &row);
            Ok(())
        })
        .await
    }

    /// Whether this node knows that a webhook was deleted, and not merely nothing of it yet.
    pub fn is_webhook_deleted(&self, name: &str) -> Result<bool, ModelError> {
        let row: Option<WebhookRow> = self.store.view()?.get(Space::Webhook, name.as_bytes())?;
        Ok(row.is_some_and(|row| row.endpoint.value.is_none()))
    }

    /// Whether this node has ever had a bucket or an access key, deleted ones included.
    pub fn has_history(&self) -> Result<bool, ModelError> {
        let view = self.store.view()?;
        let mut found = false;
        for space in [Space::Bucket, Space::Key] {
            view.scan(space, Bound::Unbounded, Bound::Unbounded, &mut |_, _| {
                found = true;
                ControlFlow::Break(())
            })?;
        }
        Ok(found)
    }

    pub(crate) async fn change_names<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Txn<'_>) -> Result<T, ModelError> + Send + 'static,
    ) -> Result<T, ModelError> {
        let directory = Arc::clone(&self.directory);
        let changed = move |txn: &mut Txn<'_>| {
            let value = change(txn)?;
            directory.follow(txn);
            Ok::<_, ModelError>((value, txn.written(&NAME_SPACES)))
        };
        let (value, rows) = self.store.commit(Intent::Free, changed).await?;
        if !self.peers.is_alone() {
            self.tell_names(rows).await?;
        }
        Ok(value)
    }
}

/// Locks need versions, and stay. What two nodes decide at once is settled by [`BucketRow::versioning`].
fn check_lock(bucket: &BucketRow, kind: Setting, document: Option<&Document>) -> Result<(), ModelError> {
    match kind {
        Setting::ObjectLock if bucket.versioning() != Versioning::Enabled => Err(ModelError::NeedsVersions),
        Setting::ObjectLock if document.is_none() => Err(ModelError::KeepsVersions),
        Setting::Versioning if document == Versioning::Enabled.document().as_ref() => Ok(()),
        Setting::Versioning if bucket.setting(Setting::ObjectLock).is_some() => {
            Err(ModelError::KeepsVersions)
        }
        _ => Ok(()),
    }
}

/// The bucket, if it is live: every write to it checks this in its own transaction.
pub(crate) fn read_bucket(txn: &impl Read, id: Id<kind::Bucket>) -> Result<BucketRow, ModelError> {
    let row: Option<BucketRow> = txn.get(Space::Bucket, id.as_bytes())?;
    row.filter(|row| !row.deleted).ok_or(ModelError::NoSuchBucket)
}

fn read_key(txn: &Txn<'_>, id: &str) -> Result<KeyRow, ModelError> {
    let row: Option<KeyRow> = txn.get(Space::Key, id.as_bytes())?;
    row.filter(|row| !row.deleted).ok_or(ModelError::NoSuchAccessKey)
}

fn alias_target(txn: &impl Read, name: &str) -> Result<Option<Id<kind::Bucket>>, ModelError> {
    let row: Option<AliasRow> = txn.get(Space::Alias, name.as_bytes())?;
    Ok(row.and_then(|row| row.target.value))
}

fn point_alias(
    txn: &mut Txn<'_>,
    name: &str,
    stamp: Stamp,
    target: Option<Id<kind::Bucket>>,
) -> Result<(), ModelError> {
    let mut row = AliasRow { target: Lww::new(stamp, target) };
    if let Some(old) = txn.get::<AliasRow>(Space::Alias, name.as_bytes())? {
        row.merge(&old);
    }
    txn.put(Space::Alias, name.as_bytes().to_vec(), &row);
    Ok(())
}

fn claim_name(read: &impl Read, name: &BucketName, owner: Option<&str>) -> Result<(), ModelError> {
    let Some(taken) = alias_target(read, name.as_str())? else { return Ok(()) };
    let bucket = match read_bucket(read, taken) {
        Err(ModelError::NoSuchBucket) => return Ok(()),
        bucket => bucket?,
    };
    if owner.is_some_and(|owner| bucket.grant_of(owner).owner) {
        Err(ModelError::BucketAlreadyYours)
    } else {
        Err(ModelError::BucketNameTaken)
    }
}

fn names_of(txn: &Txn<'_>, id: Id<kind::Bucket>) -> Result<Vec<String>, ModelError> {
    let mut names = Vec::new();
    txn.scan(Space::Alias, Bound::Unbounded, Bound::Unbounded, &mut |key, record| {
        // One that cannot be read may stay: a name of a bucket that is deleted means nothing.
        let row = store::decode::<AliasRow>(Space::Alias, key, record);
        if row.is_ok_and(|row| row.target.value == Some(id)) {
            names.extend(String::from_utf8(key.to_vec()));
        }
        ControlFlow::Continue(())
    })?;
    Ok(names)
}

fn has_objects(txn: &Txn<'_>, partition: PartitionHash) -> Result<bool, ModelError> {
    let mut found = false;
    walk_prefix(txn, Space::Object, partition.as_bytes(), &mut |_, row: ObjectRow| {
        found = row.current().is_some();
        if found { Step::Stop } else { Step::Next }
    })?;
    Ok(found)
}

fn abort_uploads(blocks: &BlockStore, txn: &mut Txn<'_>, partition: PartitionHash) -> Result<(), ModelError> {
    let mut open = Vec::new();
    walk_prefix(txn, Space::UploadIndex, partition.as_bytes(), &mut |key, _: UploadMark| {
        open.extend(upload::parse_index_key(key));
        Step::Next
    })?;
    for (_, id) in open {
        let row: Option<UploadRow> = txn.get(Space::Upload, id.as_bytes())?;
        if let Some(row) = row {
            let row = UploadRow { state: UploadState::Aborted, ..row };
            NodeBatch::new(vec![Write::Upload { id, row }]).apply(blocks, txn)?;
        }
    }
    Ok(())
}
