//! Removing what is due: judged anew in the step that decides, never on what was seen before.
//!
//! On a node that is alone that is one transaction, which reads the rules, the row and what lies beside it. Where several
//! nodes keep the bucket it is a ballot about the key (rules G, V4): rules and rows are looked at under the promises of
//! a quorum, so nothing of the key can change between looking and removing. What has changed is left alone; what the
//! store refuses to remove – a locked version – stays.

use super::rules::Displaced;
use super::scan::{Candidate, Due, PastDue, covers_something};
use super::told::{Ended, Watched};
use super::{Counts, Day, Rules};
use crate::admin::read_bucket;
use crate::events::Outcome;
use crate::multipart::UploadName;
use crate::objects::Condition;
use crate::replicas::{Add, Change, Judged, KeyPlace, Proposal, Removal};
use crate::rows::bucket::{BucketRow, Versioning};
use crate::rows::object::{self, ObjectRow, Slot};
use crate::rows::past::{self, PastRow, VersionId};
use crate::{Model, ModelError, NodeBatch, Write, versions};
use base::id::kind;
use base::{Id, PartitionHash, Stamp, WallTime};
use block::BlockStore;
use futures_util::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Intent, Read, Space, Step, StoreError, Txn};

/// Keys that are decided about side by side, where several nodes keep them.
const KEYS_AT_ONCE: usize = 16;

/// What is judged: where, and at which time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub bucket: Id<kind::Bucket>,
    pub now: WallTime,
    pub day: Day,
}

impl Moment {
    fn partition(&self) -> PartitionHash {
        PartitionHash::of_shard(&self.bucket, 0)
    }

    fn is_over(&self, row: &ObjectRow, key: &str, rules: &Rules) -> bool {
        let Some(object) = row.live() else { return false };
        let expiry = rules.expiry(key, object.into(), row.modified().wall(), self.day);
        expiry.is_some_and(|expiry| expiry.at <= self.now)
    }

    /// Whether what is current is this delete marker, and it goes.
    fn drops_marker(&self, row: &ObjectRow, key: &str, id: VersionId, rules: &Rules) -> bool {
        row.slot == Slot::Marker
            && row.version_id() == id
            && rules.drops_marker(key, row.made().wall(), (self.now, self.day))
    }
}

/// A version that is not current, as it is when it is decided about.
pub(crate) struct Beside {
    /// Its row.
    pub row: PastRow,
    /// When the version above it was made.
    pub above: Stamp,
    /// Objects between it and what is current, as many as were asked for at most.
    pub newer: u32,
}

impl Beside {
    /// Whether it goes.
    pub fn is_over(&self, key: &str, rules: &Rules, moment: Moment) -> bool {
        let (object, since) = (self.row.slot.live().map(Into::into), self.above.wall());
        let version = Displaced { key, object, since, newer: self.newer };
        // What is above it was made after it, or it is not above it any more.
        self.row.slot != Slot::Deleted
            && self.above > self.row.made
            && rules.drops_displaced(&version, (moment.now, moment.day))
    }
}

/// When the version was made that displaced another one, which is not current: what rules count from. None where that
/// cannot be told any more, or the other one may have been current since.
///
/// Where it is gone, deleted as it was due itself, its row says by which decision. What is current is older than that
/// decision: so one of the two was there, above the other version, at every moment since.
pub(crate) fn made_above(head: &ObjectRow, due: &PastDue, above: Option<&PastRow>) -> Option<Stamp> {
    if head.current() == Some(due.above) {
        return Some(head.made());
    }
    let row = above?;
    match (&row.slot, due.above) {
        (Slot::Deleted, VersionId::Named(made)) => (due.is_above_due && head.made() < row.by).then_some(made),
        (Slot::Deleted, VersionId::Null) => None,
        _ => Some(row.made),
    }
}

impl Model {
    /// Removes what is due of what was found, and tells those who want to know. An error: this node can remove nothing now.
    pub(crate) async fn expire(
        self: &Arc<Self>,
        moment: Moment,
        candidates: Vec<Candidate>,
    ) -> Result<Counts, ModelError> {
        let is_upload = |candidate: &Candidate| matches!(candidate.due, Due::Upload(_));
        let (uploads, rows): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_upload);
        let mut counts = Counts::default();
        for upload in uploads {
            let ended = self.expire_upload(moment, &upload).await;
            counts.add(count(&upload.due, &ended));
        }
        if rows.is_empty() {
            return Ok(counts);
        }
        let rows = self.announce_due(moment, rows).await?;
        let removed = match self.peers.stay_alone().await {
            Some(_alone) => self.expire_alone(moment, rows).await?,
            None => self.expire_everywhere(moment, rows).await,
        };
        counts.add(removed);
        Ok(counts)
    }

    async fn expire_alone(&self, moment: Moment, rows: Vec<Watched>) -> Result<Counts, ModelError> {
        let (blocks, clock) = (self.blocks.clone(), self.retention_clock());
        let candidates: Vec<Candidate> = rows.iter().map(|row| row.candidate.clone()).collect();
        let expire = move |txn: &mut Txn<'_>| {
            let bucket = read_bucket(txn, moment.bucket)?;
            let rules = Rules::of(&bucket)?.unwrap_or_default();
            let mut ends = Vec::with_capacity(candidates.len());
            for candidate in &candidates {
                let judge = Here { moment, rules: &rules, mode: bucket.versioning(), blocks: &blocks, clock };
                ends.push(match judge.expire(txn, candidate) {
                    Err(error @ ModelError::Store(StoreError::Unreadable { .. })) => Err(error),
                    Err(ModelError::Store(error)) => return Err(error.into()),
                    ended => ended,
                });
            }
            Ok(ends)
        };
        let ends = self.commit_alone(Intent::Free, expire).await?;
        let mut counts = Counts::default();
        for (row, ended) in rows.into_iter().zip(ends) {
            counts.add(row.end(ended).await);
        }
        Ok(counts)
    }

    async fn expire_everywhere(self: &Arc<Self>, moment: Moment, rows: Vec<Watched>) -> Counts {
        let mut of_keys: BTreeMap<String, Vec<Watched>> = BTreeMap::new();
        for row in rows {
            of_keys.entry(row.candidate.key.clone()).or_default().push(row);
        }
        let key_by_key = of_keys.into_iter().map(|(key, rows)| {
            let model = Arc::clone(self);
            async move {
                let mut counts = Counts::default();
                let is_past = |row: &Watched| matches!(row.candidate.due, Due::Past(_));
                let (past, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_past);
                for row in others {
                    let ended = model.expire_decided(moment, &key, &row.candidate.due).await;
                    counts.add(row.end(ended).await);
                }
                counts.and(model.expire_past(moment, &key, past).await)
            }
        });
        let outcomes = futures_util::stream::iter(key_by_key).buffer_unordered(KEYS_AT_ONCE);
        outcomes.fold(Counts::default(), |sum, counts| std::future::ready(sum.and(counts))).await
    }

    /// Decides about versions of a key that are not current, where several nodes keep it.
    async fn expire_past(self: &Arc<Self>, moment: Moment, key: &str, rows: Vec<Watched>) -> Counts {
        let place = KeyPlace { partition: moment.partition(), key: key.to_owned() };
        let due = |row: &Watched| match row.candidate.due {
            Due::Past(due) => Some(due),
            _ => None,
        };
        let past: Vec<PastDue> = rows.iter().filter_map(due).collect();
        let keeps = self.bucket_now(moment.bucket).map(|row| row.versioning() != Versioning::Never);
        let decided = match keeps {
            Ok(true) => self.remove_due(&place, moment, &past).await,
            Ok(false) => Ok(past.iter().map(|_| Judged::Absent).collect()),
            Err(error) => Err(error),
        };
        let mut counts = Counts::default();
        match decided {
            Ok(judged) => {
                let ends = judged.into_iter().zip(past).map(|(judged, due)| end_of(judged, due));
                for (row, ended) in rows.into_iter().zip(ends) {
                    counts.add(row.end(ended).await);
                }
            }
            // What became of those that were announced is found out later.
            Err(error) => {
                let ended = Err(error);
                rows.iter().for_each(|row| counts.add(count(&row.candidate.due, &ended)));
            }
        }
        counts
    }

    /// Decides about one thing that several nodes keep.
    async fn expire_decided(self: &Arc<Self>, moment: Moment, key: &str, due: &Due) -> Ended {
        let place = KeyPlace { partition: moment.partition(), key: key.to_owned() };
        if self.bucket_now(moment.bucket)?.versioning() != Versioning::Never {
            let changed = self.change_if_due(&place, (moment, due.clone())).await?;
            return Ok(changed.map(|row| due.outcome(&row)));
        }
        if *due != Due::Current {
            return Ok(None);
        }
        let decided = self.decide(&place, |current| {
            let bucket = self.bucket_now(moment.bucket)?;
            let rules = Rules::of(&bucket)?.unwrap_or_default();
            let is_over = current.is_some_and(|row| moment.is_over(row, key, &rules));
            // A bucket that keeps versions since a moment ago is looked at again.
            let goes = is_over && bucket.versioning() == Versioning::Never;
            Ok(goes.then(|| Proposal::plain(Slot::Deleted, None)))
        });
        Ok(decided.await?.map(|at| Outcome { at: Some(at), version: None }))
    }

    /// What a ballot about a key with versions makes of something that looked due; none if it is not.
    pub(crate) async fn judge_due(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        (moment, due): &(Moment, Due),
    ) -> Result<Option<Change>, ModelError> {
        let bucket = self.bucket_now(moment.bucket)?;
        let rules = Rules::of(&bucket)?.unwrap_or_default();
        let Some(row) = current.filter(|row| row.current().is_some()) else { return Ok(None) };
        match *due {
            Due::Current => {
                let marker = Add::marker(bucket.versioning(), Condition::Always);
                let is_over = moment.is_over(row, &place.key, &rules);
                Ok(is_over.then(|| Change::Add(Box::new(marker))))
            }
            Due::Marker(id) => {
                let goes = moment.drops_marker(row, &place.key, id, &rules)
                    && self.newest_past(place, current, &BTreeSet::from([id])).await?.is_none();
                Ok(goes.then(|| Change::Delete(Removal::of(id))))
            }
            Due::Past(_) | Due::Upload(_) => Ok(None),
        }
    }

    /// The rules of a bucket, as this node knows them now.
    pub(crate) fn rules_at(&self, moment: Moment) -> Result<Rules, ModelError> {
        Ok(Rules::of(&*self.bucket_now(moment.bucket)?)?.unwrap_or_default())
    }

    async fn expire_upload(self: &Arc<Self>, moment: Moment, candidate: &Candidate) -> Ended {
        let Due::Upload(id) = candidate.due else { return Ok(None) };
        let name = UploadName { bucket: moment.bucket, key: candidate.key.clone(), id };
        let row = self.find_upload(&name).await?;
        let rules = self.rules_at(moment)?;
        let abort = rules.abort(&row.key, row.initiated.wall(), moment.day);
        if abort.is_none_or(|abort| abort.at > moment.now) {
            return Ok(None);
        }
        // Of two ends of an upload its completion wins.
        self.abort_upload(name).await.map(|()| Some(Outcome::default()))
    }

    fn bucket_now(&self, bucket: Id<kind::Bucket>) -> Result<Arc<BucketRow>, ModelError> {
        self.names().bucket(bucket)
    }
}

fn end_of(judged: Judged, due: PastDue) -> Ended {
    match judged {
        Judged::Goes { .. } => Ok(Some(Outcome { at: None, version: Some(due.id) })),
        Judged::Absent => Ok(None),
        Judged::Refused(error) => Err(error),
    }
}

/// What became of something that looked due.
pub(super) fn count(due: &Due, ended: &Ended) -> Counts {
    let none = Counts::default();
    match ended {
        Ok(Some(_)) => match due {
            Due::Current => Counts { objects: 1, ..none },
            Due::Marker(_) => Counts { markers: 1, ..none },
            Due::Past(_) => Counts { versions: 1, ..none },
            Due::Upload(_) => Counts { uploads: 1, ..none },
        },
        Ok(None) | Err(ModelError::Store(StoreError::Unreadable { .. })) => Counts { skipped: 1, ..none },
        // A locked version, an upload that was closed: it stays as it is.
        Err(error) if error.is_refusal() => Counts { skipped: 1, ..none },
        Err(error) => {
            tracing::debug!(%error, "something is due and could not be removed now");
            Counts { failed: 1, ..none }
        }
    }
}

/// Decides in a transaction of a node that is alone.
struct Here<'a> {
    moment: Moment,
    rules: &'a Rules,
    mode: Versioning,
    blocks: &'a BlockStore,
    /// By which retentions are judged.
    clock: WallTime,
}

impl Here<'_> {
    fn expire(&self, txn: &mut Txn<'_>, candidate: &Candidate) -> Ended {
        let key = &candidate.key;
        let head_key = object::row_key(self.moment.partition(), key);
        let head: Option<ObjectRow> = txn.get(Space::Object, &head_key)?;
        let Some(row) = head.filter(|row| row.current().is_some()) else { return Ok(None) };
        let change = match candidate.due {
            Due::Current if !self.moment.is_over(&row, key, self.rules) => return Ok(None),
            Due::Current if self.mode == Versioning::Never => {
                let (partition, key) = (self.moment.partition(), key.clone());
                let write = Write::Object { partition, key, slot: Slot::Deleted, inline: None };
                let at = NodeBatch::new(vec![write]).apply(self.blocks, txn)?;
                return Ok(Some(Outcome { at: Some(at), version: None }));
            }
            Due::Current => Change::Add(Box::new(Add::marker(self.mode, Condition::Always))),
            Due::Marker(id) => {
                let goes = self.moment.drops_marker(&row, key, id, self.rules)
                    && !covers_something(txn, &head_key, id)?;
                if !goes {
                    return Ok(None);
                }
                Change::Delete(Removal::of(id))
            }
            Due::Past(due) => match self.beside(txn, (&head_key, &row), &due)? {
                Some(beside) if beside.is_over(key, self.rules, self.moment) => {
                    Change::Delete(Removal::of(due.id))
                }
                _ => return Ok(None),
            },
            Due::Upload(_) => return Ok(None),
        };
        let changed = versions::change_here(txn, (self.blocks, self.clock), &head_key, change)?;
        Ok(changed.map(|row| candidate.due.outcome(&row)))
    }

    fn beside(
        &self,
        txn: &Txn<'_>,
        (head_key, head): (&[u8], &ObjectRow),
        due: &PastDue,
    ) -> Result<Option<Beside>, ModelError> {
        if head.current() == Some(due.id) {
            return Ok(None);
        }
        let held =
            |id| -> Result<Option<PastRow>, StoreError> { txn.get(Space::Past, &past::beside(head_key, id)) };
        let (above, row) = (held(due.above)?, held(due.id)?);
        let (Some(above), Some(row)) = (made_above(head, due, above.as_ref()), row) else { return Ok(None) };
        let newer = newer_here(txn, (head_key, head), row.made, self.rules.newer_wanted())?;
        Ok(Some(Beside { row, above, newer }))
    }
}

/// Objects among the past versions of a key that were made after a stamp, as many as are wanted at most.
fn newer_here(
    txn: &Txn<'_>,
    (head_key, head): (&[u8], &ObjectRow),
    made: Stamp,
    wanted: u32,
) -> Result<u32, StoreError> {
    let (from, to) = past::range_beside(head_key);
    let mut newer = 0;
    if wanted == 0 {
        return Ok(newer);
    }
    txn.walk(Space::Past, &from, Some(&to), &mut |row_key, row: PastRow| {
        let id = past::parse_row_key(row_key).map(|(_, id)| id);
        let is_null = id == Some(VersionId::Null);
        if row.made <= made && !is_null {
            return Step::Stop;
        }
        newer += u32::from(row.made > made && row.slot.live().is_some() && id != head.current());
        if newer >= wanted { Step::Stop } else { Step::Next }
    })?;
    Ok(newer)
}
