//! Puts and deletes of objects that several nodes keep.

use super::ballot::Proposal;
use super::read::KeyPlace;
use super::removal::Removal;
use super::renewal::NewBody;
use super::store::Batch;
use super::versions::{Add, Change};
use crate::batch::{Position, Write};
use crate::objects::{Condition, Deleted, Deletion, Place, Want, Written, check_quotas};
use crate::replicas::range::RowRange;
use crate::rows::bucket::Versioning;
use crate::rows::object::{Object, ObjectRow, Slot};
use crate::rows::past::VersionId;
use crate::usage::Usage;
use crate::{Model, ModelError, lock, usage};
use base::id::kind;
use base::{Id, PartitionHash, Stamp};
use bytes::Bytes;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Space;
use table::register::WriteStep;

/// Attempts of a plain write whose stamp was overtaken: each one lies above what overtook the last.
const RESTAMPS_MAX: usize = 4;

/// Keys of which versions are deleted side by side.
const DELETIONS_AT_ONCE: usize = 64;

/// An object that is to be written.
#[derive(Clone)]
pub(crate) struct Entry {
    pub object: Object,
    pub inline: Option<Bytes>,
    /// The body it names, unless its bytes travel beside it.
    pub body: Option<NewBody>,
}

impl KeyPlace {
    /// Where a key of a bucket lies.
    pub(crate) fn of(bucket: Id<kind::Bucket>, key: String) -> Self {
        Self { partition: PartitionHash::of_shard(&bucket, 0), key }
    }
}

impl Model {
    /// Writes an object. Its body has its quorum already (rule K3).
    pub(crate) async fn put_everywhere(
        self: &Arc<Self>,
        place: Place,
        entry: Entry,
    ) -> Result<Written, ModelError> {
        let Place { bucket, key, condition } = place;
        // It may be needed again once it has gone out (rule K1).
        let _reading = entry.body.map(|body| self.readers.enter(body.id));
        let row = self.names().bucket(bucket)?;
        let key_place = KeyPlace::of(bucket, key);
        let (quotas, mode) = (row.quotas.value, row.versioning());
        let retention = lock::default_for(&row, &entry.object)?;
        if quotas != Default::default() {
            let used = self.usage_everywhere(key_place.partition).await?;
            let old = self.read_row(&key_place, false).await?;
            let old = old.as_ref().and_then(|(row, _)| row.live()).filter(|_| mode == Versioning::Never);
            check_quotas(used, quotas, old, usage::weigh(Some(&entry.object)))?;
        }
        let plain = |Position { id: stamp, order }| Written { stamp, order, version: None };
        let put = match condition {
            condition if mode != Versioning::Never => {
                let Entry { object, inline, body } = entry;
                let slot = Slot::Live(Box::new(object));
                let add = Add { mode, condition, retention, slot, inline, body };
                let row = self.change_versions(&key_place, Change::Add(Box::new(add))).await;
                row.and_then(|row| row.ok_or(ModelError::Unavailable)).map(|row| Written::of(&row))
            }
            Condition::Always => self.put_plainly(key_place, entry).await.map(plain),
            condition => self.put_decided(key_place, entry, condition).await.map(plain),
        };
        self.break_seal_after(bucket, put).await
    }

    async fn put_decided(
        self: &Arc<Self>,
        place: KeyPlace,
        entry: Entry,
        condition: Condition,
    ) -> Result<Position, ModelError> {
        let decided = self.decide(&place, |current| {
            condition.check(current)?;
            let Entry { object, inline, body } = entry.clone();
            Ok(Some(Proposal { body, ..Proposal::plain(Slot::Live(Box::new(object)), inline) }))
        });
        let id = decided.await?.ok_or(ModelError::Unavailable)?;
        Ok(Position { id, order: id.proposal() })
    }

    async fn put_plainly(self: &Arc<Self>, place: KeyPlace, entry: Entry) -> Result<Position, ModelError> {
        let Entry { object, inline, body: first } = entry;
        let KeyPlace { partition, key } = place;
        let (mut slot, mut body) = (Slot::Live(Box::new(object)), first);
        let mut position = self.position_in(partition).await?;
        for _ in 0..RESTAMPS_MAX {
            let mut writes = NewBody::settled(body);
            let number = writes.len();
            let (key, inline) = (key.clone(), inline.clone());
            writes.push(Write::Object { partition, key, slot: slot.clone(), inline });
            let (birth, deadline) = (position.order, body.map(|body| body.deadline));
            let batch = Batch { position, birth, deadline, writes, block: None, under: None };
            let steps = match self.store_everywhere(batch).await {
                Err(ModelError::Fenced) => {
                    position = self.position_in(partition).await?;
                    continue;
                }
                steps => steps?,
            };
            let Some(WriteStep::Again { above }) = steps.get(&number) else {
                let is_done = steps.get(&number) == Some(&WriteStep::Done);
                return if is_done { Ok(position) } else { Err(ModelError::Unavailable) };
            };
            self.store.observe(*above).await?;
            if let Some(first) = first {
                body = Some(self.renew_body(first, &mut slot).await?);
            }
            position = Position { order: self.store.stamp().await?, ..position };
        }
        Err(ModelError::Unavailable)
    }

    /// Deletes keys, each with an outcome of its own.
    pub(crate) async fn delete_everywhere(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        deletions: Vec<Deletion>,
    ) -> Result<Vec<Result<Deleted, ModelError>>, ModelError> {
        let row = self.names().bucket(bucket)?;
        let mode = row.versioning();
        if mode != Versioning::Never || deletions.iter().any(|one| one.version.is_some()) {
            return Ok(self.delete_versions(bucket, mode, deletions).await);
        }
        let plain = |deletion: &Deletion| deletion.condition == Condition::Always;
        let keys: Vec<String> =
            deletions.iter().filter(|one| plain(one)).map(|one| one.key.clone()).collect();
        let mut deleted = self.delete_plainly(bucket, keys).await?;
        let mut outcomes = Vec::with_capacity(deletions.len());
        for deletion in deletions {
            let outcome = match plain(&deletion) {
                true => deleted.remove(&deletion.key).unwrap_or(Ok(None)),
                false => self.delete_decided(bucket, deletion).await,
            };
            outcomes.push(outcome.map(|order| Deleted { order, ..Deleted::default() }));
        }
        Ok(outcomes)
    }

    /// Deletes versions: keys side by side, and what concerns one key in order.
    async fn delete_versions(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        mode: Versioning,
        deletions: Vec<Deletion>,
    ) -> Vec<Result<Deleted, ModelError>> {
        let mut of_keys: BTreeMap<String, Vec<(usize, Deletion)>> = BTreeMap::new();
        for (place, deletion) in deletions.into_iter().enumerate() {
            of_keys.entry(deletion.key.clone()).or_default().push((place, deletion));
        }
        let key_by_key = of_keys.into_values().map(|deletions| {
            let model = Arc::clone(self);
            async move {
                let (places, deletions): (Vec<usize>, Vec<Deletion>) = deletions.into_iter().unzip();
                let outcomes = model.delete_of_key((bucket, mode), deletions).await;
                places.into_iter().zip(outcomes).collect::<Vec<_>>()
            }
        });
        let outcomes = futures_util::stream::iter(key_by_key).buffer_unordered(DELETIONS_AT_ONCE);
        let outcomes: Vec<Vec<(usize, Result<Deleted, ModelError>)>> = outcomes.collect().await;
        let in_order: BTreeMap<usize, Result<Deleted, ModelError>> = outcomes.into_iter().flatten().collect();
        in_order.into_values().collect()
    }

    /// What concerns one key: versions that follow each other go by one ballot, everything else is one by itself.
    async fn delete_of_key(
        self: &Arc<Self>,
        (bucket, mode): (Id<kind::Bucket>, Versioning),
        deletions: Vec<Deletion>,
    ) -> Vec<Result<Deleted, ModelError>> {
        let names_one = |deletion: &Deletion| {
            deletion.version.filter(|id| mode != Versioning::Never || *id != VersionId::Null)
        };
        let mut outcomes = Vec::with_capacity(deletions.len());
        let goes_along =
            |one: &Deletion, next: &Deletion| names_one(one).is_some() && names_one(next).is_some();
        for together in deletions.chunk_by(goes_along) {
            match together {
                [deletion] => outcomes.push(self.delete_version(bucket, mode, deletion.clone()).await),
                together => {
                    let place = KeyPlace::of(bucket, together[0].key.clone());
                    let removal = |one: &Deletion| {
                        let Deletion { bypass, condition, .. } = one.clone();
                        names_one(one).map(|id| Removal { id, bypass, condition })
                    };
                    let removals: Vec<Removal> = together.iter().filter_map(removal).collect();
                    outcomes.extend(self.remove_versions(&place, &removals).await);
                }
            }
        }
        outcomes
    }

    /// Deletes a version for good, or covers what is current by a delete marker.
    async fn delete_version(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        mode: Versioning,
        deletion: Deletion,
    ) -> Result<Deleted, ModelError> {
        let Deletion { key, version, condition, bypass } = deletion;
        let place = KeyPlace::of(bucket, key);
        let Some(id) = version else {
            let change = Change::Add(Box::new(Add::marker(mode, condition)));
            let marked = self.change_versions(&place, change).await;
            let row = self.break_seal_after(bucket, marked).await?;
            return Ok(Deleted::marker(row.as_ref()));
        };
        if mode == Versioning::Never && id == VersionId::Null {
            let deletion = Deletion { key: place.key, version: None, condition, bypass };
            let order = self.delete_decided(bucket, deletion).await?;
            return Ok(Deleted { version: Some(id), is_marker: false, order });
        }
        let found = self.find_version(&place, id, Want::Metadata).await?;
        if found.is_none() && condition == Condition::Always {
            return Ok(Deleted { version: Some(id), ..Deleted::default() });
        }
        let removal = Removal { id, bypass, condition };
        let row = self.change_versions(&place, Change::Delete(removal)).await?;
        let is_marker = found.is_some_and(|found| found.slot == Slot::Marker);
        Ok(Deleted { version: Some(id), is_marker, order: row.map(|row| row.order) })
    }

    async fn delete_decided(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        deletion: Deletion,
    ) -> Result<Option<Stamp>, ModelError> {
        let Deletion { key, condition, .. } = deletion;
        let place = KeyPlace::of(bucket, key);
        let decided = self.decide(&place, |current| {
            condition.check(current)?;
            Ok(current.is_some().then(|| Proposal::plain(Slot::Deleted, None)))
        });
        Ok(decided.await?.map(Stamp::proposal))
    }

    /// Deletes keys in one message to each node.
    async fn delete_plainly(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        keys: Vec<String>,
    ) -> Result<BTreeMap<String, Result<Option<Stamp>, ModelError>>, ModelError> {
        let partition = PartitionHash::of_shard(&bucket, 0);
        let mut outcomes = BTreeMap::new();
        let mut position = self.position_in(partition).await?;
        let mut left: Vec<String> = keys;
        left.sort_unstable();
        left.dedup();
        for _ in 0..RESTAMPS_MAX {
            if left.is_empty() {
                break;
            }
            let write = |key: &String| Write::Object {
                partition,
                key: key.clone(),
                slot: Slot::Deleted,
                inline: None,
            };
            let writes = left.iter().map(write).collect();
            let batch =
                Batch { position, birth: position.order, deadline: None, writes, block: None, under: None };
            let steps = self.store_everywhere(batch).await?;
            let mut again = Vec::new();
            for (key, step) in left.into_iter().zip(steps.into_values()) {
                match step {
                    WriteStep::Done => _ = outcomes.insert(key, Ok(Some(position.order))),
                    WriteStep::Again { above } => {
                        self.store.observe(above).await?;
                        again.push(key);
                    }
                    WriteStep::Wait | WriteStep::Unknown => {
                        outcomes.insert(key, Err(ModelError::Unavailable));
                    }
                }
            }
            left = again;
            position = Position { order: self.store.stamp().await?, ..position };
        }
        outcomes.extend(left.into_iter().map(|key| (key, Err(ModelError::Unavailable))));
        Ok(outcomes)
    }

    /// The row of a key and what is beside it.
    pub(crate) async fn find_everywhere(
        self: &Arc<Self>,
        place: &KeyPlace,
        want: Want,
    ) -> Result<Option<(ObjectRow, Option<Bytes>)>, ModelError> {
        let found = self.read_row(place, want == Want::Content).await?;
        Ok(found.filter(|(row, _)| row.live().is_some()))
    }

    /// What a bucket's shard holds, as the fullest replica counts it.
    pub(crate) async fn usage_everywhere(
        self: &Arc<Self>,
        partition: PartitionHash,
    ) -> Result<Usage, ModelError> {
        let (from, to) = (partition.as_bytes().to_vec(), [partition.as_bytes().as_slice(), &[0]].concat());
        let range = RowRange { space: Space::Usage, partition, from, to, limit: 1 };
        let page = self.read_range::<Usage>(&range).await?;
        Ok(page.rows.into_values().next().unwrap_or_default())
    }
}
