//! Bodies of which nobody knows whether anything will ever name them (rule K6): their coordinator vanished before
//! it wrote their entry, or never heard what became of it.
//!
//! After its deadline no replica takes anything for a body any more. Then it is enough to ask *every* replica that
//! could hold its entry: when none does, what the newest of them holds is written to a quorum, and the body is free.
//! With one replica away such a body waits; what is deleted in the ordinary way never does.
//!
//! Whom to judge is found twice: marks that a body is pending, once their deadline is over; and, slowly, by looking at
//! all bodies for some that nothing names, whatever was forgotten on the way.

use super::ask::READ_LIMIT;
use super::messages::{HeldRow, ReadPast, ReadRange, ReadRow, Reply, Which};
use super::read::KeyPlace;
use super::serve::Serve;
use super::store::quorum_of;
use crate::reclaim::{self, Work};
use crate::rows::object::ObjectRow;
use crate::rows::reference::{self, ReferenceRow, Target};
use crate::rows::version::{self, Owner, PendingBody, VersionRow};
use crate::{Model, ModelError, tables, versions};
use base::id::kind;
use base::{Id, PartitionHash, Stamp, WallTime};
use cluster::layout::partition_of;
use env::MonoTime;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Intent, Read, Space, Step, StoreError, Txn};
use table::register::WriteStep;

/// Marks looked at in one step.
const MARKS_PER_STEP: usize = 256;
/// Rows looked at in one step: ten million rows take half a day.
const ROWS_PER_STEP: usize = 256;
/// References read at once.
const REFERENCES_PER_PAGE: u32 = 256;
/// The first look at all bodies begins after this share of the time between two.
const FIRST_SHARE: u32 = 24;

/// How far the look at all bodies came.
#[derive(Default)]
pub(crate) struct Audit(Mutex<Round>);

#[derive(Default)]
struct Round {
    /// When the next look begins; `None` before the first call, and while one is under way.
    begins: Option<MonoTime>,
    is_under_way: bool,
    from: Vec<u8>,
}

impl Audit {
    fn open(&self) -> MutexGuard<'_, Round> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// Whether nothing names a body of a key, and never will. An error: that cannot be told now.
    pub(super) async fn is_unnamed(
        self: &Arc<Self>,
        place: &KeyPlace,
        body: Id<kind::Body>,
        deadline: WallTime,
    ) -> Result<bool, ModelError> {
        let birth = self.birth_after(deadline).await?;
        let request = |view| ReadRow {
            view,
            birth,
            partition: place.partition,
            key: place.key.clone(),
            content: false,
            aside: false,
            past: None,
        };
        let rows: Vec<HeldRow> = self.every_answer(place.partition, request).await?;
        let rows = || rows.iter().filter_map(|held| held.row.as_ref());
        let has_versions = rows().any(|row| row.lineage.is_some());
        if has_versions && self.may_be_past(place, body, birth).await? {
            return Ok(false);
        }
        if rows().any(|row| row.names(body)) {
            // Reading it has a quorum hold it, or something newer.
            self.read_row(place, false).await?;
            return Ok(false);
        }
        if let Some(newest) = rows().max_by_key(|row| row.order) {
            let beside = self.content_of(place, newest).await?;
            let step = self.put_forward(place, (newest.clone(), birth), beside, None).await?;
            if step != WriteStep::Done {
                return Err(ModelError::Unavailable);
            }
        }
        Ok(true)
    }

    /// Whether any replica knows of a past version with this body.
    async fn may_be_past(
        self: &Arc<Self>,
        place: &KeyPlace,
        body: Id<kind::Body>,
        birth: Stamp,
    ) -> Result<bool, ModelError> {
        let request = |view| ReadPast {
            view,
            birth,
            partition: place.partition,
            key: place.key.clone(),
            which: Which::Body(body),
            content: false,
        };
        let held = self.every_answer(place.partition, request).await?;
        Ok(held.iter().any(|page| !page.rows.is_empty()))
    }

    /// The same for a part: whether nobody holds it, and never will.
    pub(super) async fn is_unheld(
        self: &Arc<Self>,
        part: Id<kind::Body>,
        deadline: WallTime,
    ) -> Result<bool, ModelError> {
        let birth = self.birth_after(deadline).await?;
        let target = Target::Body(part);
        let (partition, from) = (target.partition(), reference::target_prefix(target));
        let to = [from.as_slice(), &[u8::MAX; 33]].concat();
        let request = |view| ReadRange {
            view,
            birth,
            space: Space::BlockRef.number(),
            partition,
            from: from.clone(),
            to: to.clone(),
            limit: REFERENCES_PER_PAGE,
        };
        for page in self.every_answer(partition, request).await? {
            for (key, value) in &page.records {
                let row: ReferenceRow =
                    store::decode(Space::BlockRef, key, value).map_err(|_| ModelError::Unavailable)?;
                if !row.removed {
                    return Ok(false);
                }
            }
            if page.more {
                // So many that somebody has to be among them.
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether no replica has a row of a body, and none ever will. An error: that cannot be told now.
    pub(crate) async fn has_no_row(
        self: &Arc<Self>,
        body: Id<kind::Body>,
        deadline: WallTime,
    ) -> Result<bool, ModelError> {
        if self.peers.has_given_up() {
            // Who was given up may have been the last that had it, and what it lists may still be read.
            return Err(ModelError::Unavailable);
        }
        let birth = self.birth_after(deadline).await?;
        let partition = PartitionHash::of_uniform(body.as_bytes());
        let from = version::row_key(&body, 0);
        let to = version::row_key(&body, u32::MAX);
        let request = |view| ReadRange {
            view,
            birth,
            space: Space::Version.number(),
            partition,
            from: from.clone(),
            to: to.clone(),
            limit: 1,
        };
        let pages = self.every_answer(partition, request).await?;
        Ok(pages.iter().all(|page| page.records.is_empty()))
    }

    /// A stamp behind a deadline: whoever has heard it takes nothing for the body any more (rule K2).
    async fn birth_after(&self, deadline: WallTime) -> Result<Stamp, ModelError> {
        let birth = self.store.stamp().await?;
        if birth.wall() > deadline { Ok(birth) } else { Err(ModelError::Unavailable) }
    }

    /// The answers of every node that keeps a partition, all under the view of this one.
    async fn every_answer<T: Send + 'static, R: Serve<Reply = Reply<T>> + Clone>(
        self: &Arc<Self>,
        partition: PartitionHash,
        request: impl FnOnce(cluster::View) -> R,
    ) -> Result<Vec<T>, ModelError> {
        let placement = self.peers.placement();
        let mut nodes = Vec::new();
        quorum_of(&placement, partition, &mut nodes)?;
        let request = request(placement.view());
        let mut asked = self.ask_each(&nodes, &request, READ_LIMIT);
        let mut answers = Vec::new();
        while let Some((_, answer)) = asked.next().await {
            match answer.map(|answer| answer.reply) {
                Ok(Reply::Done(told)) => answers.push(told),
                _ => return Err(ModelError::Unavailable),
            }
        }
        // Another layout may have come into force meanwhile, with other replicas.
        let is_all = answers.len() == nodes.len() && self.peers.view() == placement.view();
        if is_all { Ok(answers) } else { Err(ModelError::Unavailable) }
    }

    /// Queues bodies whose mark that they are pending is older than their deadline, or cannot be read: whoever judges them
    /// goes by their rows.
    pub(super) async fn queue_overdue(&self) -> Result<(), ModelError> {
        let now = self.env.clock.wall();
        let mut overdue = Vec::new();
        let all = (Bound::Unbounded, Bound::Unbounded);
        self.store.view()?.scan(Space::Pending, all.0, all.1, &mut |key, bytes| {
            let mark = store::decode::<PendingBody>(Space::Pending, key, bytes);
            if mark.map_or(true, |mark| mark.deadline < now) {
                overdue.extend(<[u8; 32]>::try_from(key).ok().map(Id::from_bytes));
            }
            if overdue.len() < MARKS_PER_STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        self.queue_doubted(overdue).await
    }

    async fn queue_doubted(&self, bodies: Vec<Id<kind::Body>>) -> Result<(), ModelError> {
        let view = self.store.view()?;
        let mut new = Vec::new();
        for body in bodies {
            if !reclaim::is_queued(&view, Work::ReleaseBody(body))? {
                new.push(body);
            }
        }
        drop(view);
        if new.is_empty() {
            return Ok(());
        }
        let enqueue = move |txn: &mut Txn<'_>| {
            new.into_iter().try_for_each(|body| reclaim::enqueue_doubted(txn, body)).map_err(ModelError::from)
        };
        self.store.commit(Intent::Free, enqueue).await
    }

    /// Has all bodies looked at from now on for some that nothing names, unless that is under way.
    pub fn look_at_bodies(&self) {
        let mut round = self.audit.open();
        if !round.is_under_way {
            round.begins = Some(self.env.clock.mono());
        }
    }

    /// Looks at some of all bodies for those that nothing names.
    pub(super) async fn audit(self: &Arc<Self>) -> Result<(), ModelError> {
        let now = self.env.clock.mono();
        let Some(from) = self.place_in_audit(now) else { return Ok(()) };
        let (mut bodies, mut looked_at, mut last) = (BTreeMap::new(), 0, None);
        let time = self.env.clock.wall();
        self.store.view()?.walk(Space::Version, &from, None, &mut |key, row: VersionRow| {
            looked_at += 1;
            last = Some(key.to_vec());
            // Whichever of its rows came.
            if let Some((body, _)) = version::parse_row_key(key)
                && !row.dead
                && row.deadline < time
            {
                bodies.insert(body, row.owner);
            }
            if looked_at < ROWS_PER_STEP { Step::Next } else { Step::Stop }
        })?;
        let mut doubted = Vec::new();
        for (body, owner) in bodies {
            if !self.is_known_named(body, &owner).await? {
                doubted.push(body);
            }
        }
        self.queue_doubted(doubted).await?;
        let mut round = self.audit.open();
        match last {
            Some(last) if looked_at == ROWS_PER_STEP => round.from = [last.as_slice(), &[0]].concat(),
            _ => *round = Round { begins: Some(now + self.timing.audit_every), ..Round::default() },
        }
        Ok(())
    }

    /// Where the look at all bodies goes on, if it is under way or begins now.
    fn place_in_audit(&self, now: MonoTime) -> Option<Vec<u8>> {
        let mut round = self.audit.open();
        if !round.is_under_way {
            let begins = *round.begins.get_or_insert(now + self.timing.audit_every / FIRST_SHARE);
            if now < begins {
                return None;
            }
            *round = Round { is_under_way: true, ..Round::default() };
        }
        Some(round.from.clone())
    }

    /// Whether something is known to name a body: here where this node keeps it, else as a quorum says. What cannot
    /// be told is taken for named: there will be another look.
    async fn is_known_named(
        self: &Arc<Self>,
        body: Id<kind::Body>,
        owner: &Owner,
    ) -> Result<bool, ModelError> {
        let read = self.store.view()?;
        let Owner::Object(bucket, key) = owner else {
            return Ok(tables::is_held(&read, Target::Body(body), None)?);
        };
        let place = KeyPlace::of(*bucket, key.clone());
        if self.serves(partition_of(&place.partition)) {
            let row_key = crate::rows::object::row_key(place.partition, key);
            let row: Result<Option<ObjectRow>, StoreError> = read.get(Space::Object, &row_key);
            let is_named = row.map_or(true, |row| row.is_some_and(|row| row.names(body)));
            return Ok(is_named || versions::past_with_body(&read, body)?.is_some());
        }
        drop(read);
        match self.read_row(&place, false).await {
            Ok(Some((row, _))) if row.names(body) => Ok(true),
            Ok(Some((row, _))) if row.lineage.is_none() => Ok(false),
            Ok(None) | Err(ModelError::NoSuchBucket) => Ok(false),
            Ok(found) => {
                let current = found.as_ref().map(|(row, _)| row);
                Ok(self.is_body_of_past(&place, current, (body, None)).await.unwrap_or(true))
            }
            Err(_) => Ok(true),
        }
    }
}
