//! Letting go where several nodes keep things (rules K4, K5, C2, C3).
//!
//! Every replica that saw an entry lose has queued its body; each of them would do the same work, so they
//! take their turn one after the other and the later ones find it done. A body dies only when a quorum
//! read, written back, shows a newer entry than the one that named it; a part only when a quorum shows
//! nobody who holds it, after the clocks have passed the last moment at which a completion is taken. Where that proves
//! nothing, all replicas are asked (`judge`).
//!
//! What is due is taken kind by kind (`turns`) and done side by side, bounded; what dead rows hold goes many rows at a time
//! (`dropping`).

use super::dropping::ROWS_TOGETHER;
use super::range::RowRange;
use super::read::KeyPlace;
use super::reading::Silent;
use crate::batch::Write;
use crate::multipart::COMPLETION_MS;
use crate::reclaim::{Progress, Queued, Work};
use crate::rows::reference::{self, ReferenceRow, Referrer, Target};
use crate::rows::upload::{self, PartRow, UploadRow, UploadState};
use crate::rows::version::{Owner, VersionRow};
use crate::writer::BODY_DEADLINE_MS;
use crate::{Model, ModelError, graves};
use base::id::kind;
use base::{Id, WallTime};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Intent, Read, Space, Step, StoreError};

/// Items that are done side by side: each is mostly waiting for other nodes.
const AT_ONCE: usize = 8;
/// Rows read at once.
const ROWS_PER_PAGE: usize = 256;

/// What is done by itself.
enum Job {
    /// What these rows hold.
    Drop(Vec<(Work, Queued)>),
    /// One body, or one upload.
    One(Work, Queued),
}

impl Model {
    /// Does some of the queued work that is due.
    pub(crate) async fn reclaim_everywhere(self: &Arc<Self>) -> Result<Progress, ModelError> {
        let due = self.due_work().await?;
        let mut done = self.queue_anew(due.unreadable).await?;
        let jobs = jobs(due.works).into_iter().map(|job| self.do_job(job));
        let mut outcomes = futures_util::stream::iter(jobs).buffer_unordered(AT_ONCE);
        while let Some(outcome) = outcomes.next().await {
            done += outcome?;
        }
        self.queue_overdue().await?;
        self.audit().await?;
        let dropped = self.bury().await? + self.sweep_gone_buckets().await?;
        Ok(Progress { done: done + dropped, more: (due.more && done > 0) || dropped > 0 })
    }

    /// How many items of it are done. One that cannot be done now keeps no other from its turn.
    async fn do_job(self: &Arc<Self>, job: Job) -> Result<usize, ModelError> {
        let (work, queued) = match job {
            Job::Drop(works) => return self.drop_some(works).await,
            Job::One(work, queued) => (work, queued),
        };
        let outcome = match work {
            Work::ReleaseBody(body) => self.release_everywhere(body, &queued).await,
            Work::CloseUpload(upload) => self.close_everywhere(upload, &queued).await,
            Work::DropReferences(..) => return self.drop_some(vec![(work, queued)]).await,
        };
        match outcome {
            Ok(()) => return Ok(1),
            Err(why) => self.put_off(vec![(work, queued)], why).await?,
        }
        Ok(0)
    }

    /// Tries items again later: other nodes are away, or nothing is proven yet. An error: nothing can be done any more.
    pub(super) async fn put_off(
        &self,
        works: Vec<(Work, Queued)>,
        why: ModelError,
    ) -> Result<(), ModelError> {
        match why {
            ModelError::Store(StoreError::Failed | StoreError::Closed) => return Err(why),
            ModelError::Unavailable => {}
            why => {
                tracing::warn!(error = %why, "something that is to be let go waits");
                self.note_damage(&why);
            }
        }
        let later = self.env.clock.wall().millis().saturating_add(self.timing.again_ms);
        let note = move |txn: &mut store::Txn<'_>| {
            for (work, queued) in works {
                let queued = Queued { not_before: Some(WallTime(later)), ..queued };
                txn.put(Space::Outbox, work.key(), &queued);
            }
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, note).await
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
            let now = self.env.clock.wall().millis();
            let free_ms = now.saturating_sub(self.readers.free_since(body, WallTime(now)).millis());
            let silent = if free_ms < self.timing.silence_reads_ms { Silent::MayRead } else { Silent::DoNot };
            let is_read = rows.values().any(|row| !row.dead) && self.is_read_anywhere(body, silent).await;
            if is_read {
                // Later: whoever downloads it goes on to its end.
                return Err(ModelError::Unavailable);
            }
            self.kill_rows(body, rows).await?;
            self.readers.end_waiting(body);
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
        let current = found.as_ref().map(|(row, _)| row);
        if has_versions && self.is_body_of_past(&place, current, (body, queued.version)).await? {
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
}

/// The jobs of a step: what gives space back comes first.
fn jobs(works: Vec<(Work, Queued)>) -> Vec<Job> {
    let (rows, others): (Vec<_>, Vec<_>) =
        works.into_iter().partition(|(work, _)| matches!(work, Work::DropReferences(..)));
    let drops = rows.chunks(ROWS_TOGETHER).map(|rows| Job::Drop(rows.to_vec()));
    drops.chain(others.into_iter().map(|(work, queued)| Job::One(work, queued))).collect()
}
