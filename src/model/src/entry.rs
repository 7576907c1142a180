//! Changes of what is said about an object – its tags, its access control list, its lock – without touching its bytes.
//!
//! Such a change writes the object's entry anew, with the same body: what was decided on is what is under
//! the key at that moment, so it goes the way of a write with a condition. The entry keeps the time of its
//! content. A body then stands in two entries of one key, of which the second is put forward only under a promise of
//! a quorum that held the first, or stabilised it. So whoever sees that a newer entry has beaten the first (rule K5),
//! or that no replica names the body (K6), sees an order above that promise, and the second can no longer be chosen.
//! It needs no deadline for that, and has none: its body's own may be long over.

use crate::admin::read_bucket;
use crate::objects::{Want, look_in};
use crate::replicas::{Change, Edit, KeyPlace, Proposal};
use crate::rows::acl::Acl;
use crate::rows::bucket::Versioning;
use crate::rows::lock::{Lock, Retention};
use crate::rows::object::{self, Object, ObjectRow, Slot};
use crate::rows::past::VersionId;
use crate::{Bypass, Model, ModelError, NodeBatch, Write, lock, versions};
use base::id::kind;
use base::{Id, PartitionHash, Stamp, WallTime};
use std::sync::Arc;
use store::Intent;

/// Attempts of a change whose object is overwritten meanwhile, before its caller is told to come back.
const ATTEMPTS_MAX: usize = 8;

impl Model {
    /// Replaces the tags of the object under a key, or of one of its versions; which version that was comes back.
    pub async fn set_object_tags(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        (key, version): (String, Option<VersionId>),
        tags: Vec<(String, String)>,
    ) -> Result<VersionId, ModelError> {
        let change = move |object: &mut Object, _| {
            object.tags.clone_from(&tags);
            Ok(())
        };
        self.change_object(bucket, (key, version), change).await
    }

    /// Replaces the access control list of the object under a key, or of one of its versions, which must have the
    /// list by which it was decided that the caller may; which version that was comes back.
    pub async fn set_object_acl(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        (key, version): (String, Option<VersionId>),
        judged: Option<Acl>,
        acl: Option<Acl>,
    ) -> Result<VersionId, ModelError> {
        let change = move |object: &mut Object, _| {
            if object.rare.acl != judged && object.rare.acl != acl {
                return Err(ModelError::ConditionFailed);
            }
            object.rare.acl.clone_from(&acl);
            Ok(())
        };
        self.change_object(bucket, (key, version), change).await
    }

    /// Replaces the retention of the object under a key, or of one of its versions, or removes it; which version that
    /// was comes back.
    pub async fn set_object_retention(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        named: (String, Option<VersionId>),
        (retention, bypass): (Option<Retention>, Bypass),
    ) -> Result<VersionId, ModelError> {
        let change = move |object: &mut Object, now| {
            object.rare.lock = lock::with_retention(object.rare.lock, retention, (now, bypass))?;
            Ok(())
        };
        self.needs_lock(bucket)?;
        self.change_object(bucket, named, change).await
    }

    /// Sets the legal hold of the object under a key, or of one of its versions, or lifts it; which version that was
    /// comes back.
    pub async fn set_object_legal_hold(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        named: (String, Option<VersionId>),
        is_held: bool,
    ) -> Result<VersionId, ModelError> {
        let change = move |object: &mut Object, _| {
            let lock = object.rare.lock.unwrap_or_default();
            object.rare.lock = Some(Lock { legal_hold: Some(is_held), ..lock });
            Ok(())
        };
        self.needs_lock(bucket)?;
        self.change_object(bucket, named, change).await
    }

    /// Locks are for buckets that have them; once they do, they do for good.
    fn needs_lock(&self, bucket: Id<kind::Bucket>) -> Result<(), ModelError> {
        let row = self.names().bucket(bucket)?;
        row.object_lock()?.map(drop).ok_or(ModelError::NoObjectLock)
    }

    async fn change_object(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        (key, version): (String, Option<VersionId>),
        change: impl Fn(&mut Object, WallTime) -> Result<(), ModelError> + Send + Sync + 'static,
    ) -> Result<VersionId, ModelError> {
        let Some(_alone) = self.peers.stay_alone().await else {
            let row = self.names().bucket(bucket)?;
            let place = KeyPlace::of(bucket, key);
            let outcome = if row.versioning() == Versioning::Never {
                is_null(version)?;
                self.change_everywhere(place, change).await.map(|()| VersionId::Null)
            } else {
                let changed = self.change_versions(&place, Change::Edit(version, edit_of(change))).await;
                changed.map(|row| changed_version(version, row.as_ref()))
            };
            return self.break_seal_after(bucket, outcome).await;
        };
        let (blocks, now) = (self.blocks.clone(), self.retention_clock());
        self.commit_alone(Intent::Grow, move |txn| {
            let mode = read_bucket(txn, bucket)?.versioning();
            let partition = PartitionHash::of_shard(&bucket, 0);
            let row_key = object::row_key(partition, &key);
            if mode != Versioning::Never {
                let edit = Change::Edit(version, edit_of(change));
                let row = versions::change_here(txn, (&blocks, now), &row_key, edit)?;
                return Ok(changed_version(version, row.as_ref()));
            }
            is_null(version)?;
            let found = look_in(txn, &row_key, None, Want::Content)?.object();
            let found = found.ok_or(ModelError::NoSuchKey)?;
            let slot = changed(found.object, (found.stamp, now), &change)?;
            let write = Write::Object { partition, key, slot, inline: found.inline };
            NodeBatch::new(vec![write]).apply(&blocks, txn)?;
            Ok(VersionId::Null)
        })
        .await
    }

    async fn change_everywhere(
        self: &Arc<Self>,
        place: KeyPlace,
        change: impl Fn(&mut Object, WallTime) -> Result<(), ModelError> + Send + Sync + 'static,
    ) -> Result<(), ModelError> {
        for _ in 0..ATTEMPTS_MAX {
            // The bytes beside the row travel with every entry.
            let found = self.find_everywhere(&place, Want::Content).await?;
            let (read, inline) = found.ok_or(ModelError::NoSuchKey)?;
            let decide = |current: Option<&ObjectRow>| {
                let row = current.ok_or(ModelError::NoSuchKey)?;
                let object = row.live().ok_or(ModelError::NoSuchKey)?;
                if read.live().map(|object| &object.body) != Some(&object.body) {
                    return Ok(None);
                }
                let slot = changed(object.clone(), (row.stamp, self.retention_clock()), &change)?;
                Ok(Some(Proposal::plain(slot, inline.clone())))
            };
            if self.decide(&place, decide).await?.is_some() {
                return Ok(());
            }
        }
        Err(ModelError::Unavailable)
    }
}

/// The object with a change, at the time of its content.
fn changed(
    mut object: Object,
    (stamp, now): (Stamp, WallTime),
    change: &impl Fn(&mut Object, WallTime) -> Result<(), ModelError>,
) -> Result<Slot, ModelError> {
    object.rare.modified.get_or_insert(stamp);
    change(&mut object, now)?;
    Ok(Slot::Live(Box::new(object)))
}

/// In a bucket without versions the only one is the null version.
fn is_null(version: Option<VersionId>) -> Result<(), ModelError> {
    match version {
        None | Some(VersionId::Null) => Ok(()),
        Some(VersionId::Named(_)) => Err(ModelError::NoSuchVersion),
    }
}

fn edit_of(change: impl Fn(&mut Object, WallTime) -> Result<(), ModelError> + Send + Sync + 'static) -> Edit {
    Arc::new(move |slot: &Slot, times: (Stamp, WallTime)| match slot {
        Slot::Live(object) => changed((**object).clone(), times, &change),
        Slot::Marker => Err(ModelError::DeleteMarker),
        Slot::Deleted => Err(ModelError::NoSuchKey),
    })
}

/// The version that was changed: the one that was named, or what is current.
fn changed_version(asked: Option<VersionId>, row: Option<&ObjectRow>) -> VersionId {
    asked.or(row.map(ObjectRow::version_id)).unwrap_or(VersionId::Null)
}
