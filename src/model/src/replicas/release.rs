//! Letting go where several nodes keep things (rules K4, K5, C2, C3).
//!
//! Every replica that saw an entry lose has queued its body; each of them would do the same work, so they
//! take their turn one after the other and the later ones find it done. A body dies only when a quorum
//! read, written back, shows a newer entry than the one that named it; a part only when a quorum shows
//! nobody who holds it, after the clocks have passed the last moment at which a completion is taken. Where that proves
//! nothing, all replicas are asked (`judge`).

use super::range::RowRange;
use super::read::KeyPlace;
use crate::batch::Write;
use crate::multipart::COMPLETION_MS;
use crate::reclaim::{Progress, Queued, Work};
use crate::rows::reference::{self, ReferenceRow, Referrer, Target};
use crate::rows::upload::{self, PartRow, UploadRow, UploadState};
use crate::rows::version::{self, Owner, VersionRow};
use crate::writer::BODY_DEADLINE_MS;
use crate::{Model, ModelError, graves};
use base::id::kind;
use base::{Id, PartitionHash, WallTime};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Intent, Read, Space, Step, StoreError};

/// Items done in one step.
const STEP_MAX_ITEMS: usize = 64;
/// Rows read at once.
const ROWS_PER_PAGE: usize = 256;

impl Model {
    /// Does some of the queued work that is due.
    pub(crate) async fn reclaim_everywhere(self: &Arc<Self>) -> Result<Progress, ModelError> {
        let works = self.due_work()?;
        let mut done = 0;
        for (work, queued) in &works {
            let outcome = match *work {
                Work::ReleaseBody(body) => self.release_everywhere(body, queued).await,
                Work::CloseUpload(upload) => self.close_everywhere(upload, queued).await,
                Work::DropReferences(body, number) => self.drop_everywhere(body, number).await,
            };
            match outcome {
                Ok(()) => done += 1,
                Err(ModelError::Store(error @ (StoreError::Failed | StoreError::Closed))) => {
                    return Err(error.into());
                }
                // One that cannot be done now keeps no other from its turn.
                Err(error) => {
                    if !matches!(error, ModelError::Unavailable) {
                        tracing::warn!(%error, "something that is to be let go waits");
                        self.note_damage(&error);
                    }
                    self.postpone(*work, queued.clone()).await?;
                }
            }
        }
        self.queue_overdue().await?;
        self.audit().await?;
        let dropped = self.bury().await? + self.sweep_gone_buckets().await?;
        Ok(Progress { done: done + dropped, more: done == STEP_MAX_ITEMS || dropped > 0 })
    }

    /// Tries an item again later: other nodes are away, or nothing is proven yet.
    async fn postpone(&self, work: Work, mut queued: Queued) -> Result<(), ModelError> {
        let later = self.env.clock.wall().millis().saturating_add(self.timing.again_ms);
        queued.not_before = Some(WallTime(later));
        let note = move |txn: &mut store::Txn<'_>| {
            txn.put(Space::Outbox, work.key(), &queued);
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, note).await
    }

    fn due_work(&self) -> Result<Vec<(Work, Queued)>, ModelError> {
        let now = self.env.clock.wall().millis();
        let mut due = Vec::new();
        self.store.view()?.walk(Space::Outbox, &[], None, &mut |key, queued: Queued| {
            if let Some(work) = Work::parse(key)
                && self.due_ms(&work, &queued) <= now
                && !matches!(work, Work::ReleaseBody(body) if self.readers.is_reading(body))
            {
                due.push((work, queued));
            }
            if due.len() < STEP_MAX_ITEMS { Step::Next } else { Step::Stop }
        })?;
        Ok(due)
    }

    fn due_ms(&self, work: &Work, queued: &Queued) -> u64 {
        let since = queued.since.map_or(0, WallTime::millis);
        let (partition, delay) = match work {
            Work::ReleaseBody(body) => {
                (PartitionHash::of_uniform(body.as_bytes()), self.timing.bodies_stay_ms)
            }
            Work::DropReferences(body, _) => (PartitionHash::of_uniform(body.as_bytes()), 0),
            Work::CloseUpload(upload) => (upload::partition_of(upload), 0),
        };
        let placement = self.peers.placement();
        let me = self.peers.me();
        let place = |set: &[base::NodeId]| set.iter().position(|node| *node == me);
        let turn = placement.sets(partition).into_iter().find_map(place).unwrap_or(0);
        let turn = u64::try_from(turn).unwrap_or(0);
        let due = since.saturating_add(delay).saturating_add(turn.saturating_mul(self.timing.turn_ms));
        [queued.closed, queued.not_before].into_iter().flatten().map(WallTime::millis).fold(due, u64::max)
    }

    async fn release_everywhere(
        self: &Arc<Self>,
        body: Id<kind::Body>,
        queued: &Queued,
    ) -> Result<(), ModelError> {
        let rows = self.rows_of_body(body).await?;
        let is_free = match rows.values().find(|row| !row.dead) {
            None => true,
            Some(_) if self.readers.is_waited_for(body) => true,
            Some(alive) => self.is_free(body, alive, queued).await?,
        };
        if is_free {
            let is_read = rows.values().any(|row| !row.dead) && self.is_read_anywhere(body).await;
            self.readers.wait_for(body, is_read);
            if is_read {
                // Later: whoever downloads it goes on to its end.
                return Err(ModelError::Unavailable);
            }
            self.kill_rows(body, rows).await?;
        } else if queued.in_doubt {
            self.settle(body).await?;
        }
        self.forget_work(Work::ReleaseBody(body)).await
    }

    /// Whether nothing names a body, or holds it, and never will. An error: that is not proven yet.
    async fn is_free(
        self: &Arc<Self>,
        body: Id<kind::Body>,
        row: &VersionRow,
        queued: &Queued,
    ) -> Result<bool, ModelError> {
        let Owner::Object(bucket, key) = &row.owner else {
            return match queued.in_doubt {
                true => self.is_unheld(body, row.deadline).await,
                false => self.is_held_anywhere(body).await.map(|held| !held),
            };
        };
        let place = KeyPlace::of(*bucket, key.clone());
        let found = match self.read_row(&place, false).await {
            // Of a bucket that is gone nothing names it, nor ever will.
            Err(ModelError::NoSuchBucket) => return Ok(true),
            found => found?,
        };
        if found.as_ref().is_some_and(|(row, _)| row.names(body)) {
            return Ok(false);
        }
        let has_versions = found.as_ref().is_some_and(|(row, _)| row.lineage.is_some());
        if has_versions && self.is_body_of_past(&place, (body, queued.version)).await? {
            return Ok(false);
        }
        let is_beaten = queued.beaten.zip(found).is_some_and(|(lost, (row, _))| row.order > lost);
        // Where nothing proves that the entry can no longer be chosen, its deadline does.
        if is_beaten { Ok(true) } else { self.is_unnamed(&place, body, row.deadline).await }
    }

    /// Takes back everywhere the mark that a body is pending.
    async fn settle(self: &Arc<Self>, body: Id<kind::Body>) -> Result<(), ModelError> {
        self.merge_everywhere(vec![Write::Settled { body }], None).await.map(|_| ())
    }

    /// Ends a body of which it is certain that nothing will ever name it.
    pub(crate) async fn end_body(self: &Arc<Self>, body: Id<kind::Body>) -> Result<(), ModelError> {
        let rows = self.rows_of_body(body).await?;
        self.kill_rows(body, rows).await
    }

    async fn kill_rows(
        self: &Arc<Self>,
        body: Id<kind::Body>,
        rows: BTreeMap<u32, VersionRow>,
    ) -> Result<(), ModelError> {
        let mut writes = vec![Write::Settled { body }];
        for (number, row) in rows {
            writes.push(Write::Version { body, number, row: VersionRow { dead: true, ..row } });
            if writes.len() >= ROWS_PER_PAGE {
                self.merge_everywhere(std::mem::take(&mut writes), None).await?;
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        self.merge_everywhere(writes, None).await.map(|_| ())
    }

    pub(super) async fn rows_of_body(
        self: &Arc<Self>,
        body: Id<kind::Body>,
    ) -> Result<BTreeMap<u32, VersionRow>, ModelError> {
        let (mut all, mut next) = (BTreeMap::new(), Some(0));
        while let Some(first) = next {
            let (rows, more) = self.version_rows(body, first, ROWS_PER_PAGE).await?;
            all.extend(rows);
            next = more;
        }
        Ok(all)
    }

    /// Whether a quorum knows anybody who holds a part.
    async fn is_held_anywhere(self: &Arc<Self>, part: Id<kind::Body>) -> Result<bool, ModelError> {
        let target = Target::Body(part);
        let from = reference::target_prefix(target);
        let to = [from.as_slice(), &[u8::MAX; 33]].concat();
        let range = RowRange {
            space: Space::BlockRef,
            partition: target.partition(),
            from,
            to,
            limit: ROWS_PER_PAGE,
        };
        let mut is_held = false;
        let look = |_: &_, row: ReferenceRow| {
            is_held |= !row.removed;
            if is_held { Step::Stop } else { Step::Next }
        };
        self.each_row(range, look).await?;
        Ok(is_held)
    }

    /// C3: first a quorum knows that the upload is closed, then no replica takes a completion any more, then
    /// its parts are let go.
    async fn close_everywhere(
        self: &Arc<Self>,
        upload: Id<kind::Upload>,
        queued: &Queued,
    ) -> Result<(), ModelError> {
        let row: Option<UploadRow> = self.store.view()?.get(Space::Upload, &upload::row_key(&upload))?;
        let Some(row) = row.filter(|row| row.state != UploadState::Open) else {
            return self.forget_work(Work::CloseUpload(upload)).await;
        };
        let Some(_) = queued.closed else {
            self.merge_everywhere(vec![Write::Upload { id: upload, row }], None).await?;
            // Later than the clock of everybody who acknowledged it.
            let now = self.store.stamp().await?.wall();
            let closed = Some(WallTime(now.millis().saturating_add(COMPLETION_MS)));
            let queued = Queued { closed, ..queued.clone() };
            let note = move |txn: &mut store::Txn<'_>| {
                txn.put(Space::Outbox, Work::CloseUpload(upload).key(), &queued);
                Ok::<_, ModelError>(())
            };
            return self.store.commit(Intent::Free, note).await;
        };
        let to = [upload.as_bytes().as_slice(), &[u8::MAX; 35]].concat();
        let (partition, from) = (upload::partition_of(&upload), upload::parts_from(&upload, 0));
        let range = RowRange { space: Space::Part, partition, from, to, limit: ROWS_PER_PAGE };
        let mut releases = Vec::new();
        let release = |_: &_, part: PartRow| {
            let (target, referrer) = (Target::Body(part.body), Referrer::Upload(upload));
            releases.push(Write::Release { target, referrer });
            Step::Next
        };
        self.each_row(range, release).await?;
        for some in releases.chunks(ROWS_PER_PAGE) {
            self.merge_everywhere(some.to_vec(), None).await?;
        }
        // A part that was on its way then may come until its own deadline is over.
        let forget = move |txn: &mut store::Txn<'_>| {
            txn.delete(Space::Outbox, Work::CloseUpload(upload).key());
            let row_key = upload::row_key(&upload);
            graves::enqueue_tombstone_after(txn, BODY_DEADLINE_MS, (Space::Upload, &row_key));
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, forget).await
    }

    /// Lets go what a row holds that is dead here, wherever that lies.
    async fn drop_everywhere(self: &Arc<Self>, body: Id<kind::Body>, number: u32) -> Result<(), ModelError> {
        let (partition, key) = (PartitionHash::of_uniform(body.as_bytes()), version::row_key(&body, number));
        let to = [key.as_slice(), &[0]].concat();
        let range = RowRange { space: Space::Version, partition, from: key, to, limit: 1 };
        let found = self.read_range::<VersionRow>(&range).await?;
        let Some(row) = found.rows.into_values().next() else {
            return self.forget_work(Work::DropReferences(body, number)).await;
        };
        let release = |target| Write::Release { target, referrer: Referrer::Body(body) };
        let releases: Vec<Write> = row.contents.targets().into_iter().map(release).collect();
        if !releases.is_empty() {
            if found.differ || !row.dead {
                // A quorum knows that it is dead before anything goes (doc/models/renew.rs).
                let row = VersionRow { dead: true, ..row };
                self.merge_everywhere(vec![Write::Version { body, number, row }], None).await?;
            }
            self.merge_everywhere(releases, None).await?;
        }
        self.forget_work(Work::DropReferences(body, number)).await
    }
}
