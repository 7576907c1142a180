//! Past versions of a key as a quorum holds them, read, listed and looked through under a ballot (doc/decisions/0007, V5,
//! V8 and V10).
//!
//! What always holds: what replicas differ about is on a quorum before it is told, and what is in doubt – it may come from a
//! ballot that was lost – is decided on first. Who reads decides by itself; who has a ballot open is told
//! [`ModelError::InDoubt`], and begins anew.

use super::messages::{HeldPast, ListPast, ReadPast, Reply, Which};
use super::read::KeyPlace;
use super::seal;
use super::serve::Serve;
use super::store::Batch;
use super::versions::Wish;
use crate::batch::{Write, fits};
use crate::objects::Want;
use crate::rows::object::{ObjectRow, Slot};
use crate::rows::past::{PastRow, VersionId};
use crate::{Model, ModelError, graves, versions};
use base::id::kind;
use base::{Id, Stamp};
use bytes::Bytes;
use net::{Answer, Attachment, Refusal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::Space;

/// Past rows read at once when the one that follows a deleted version is looked for.
const PAST_PER_PAGE: u32 = 64;
/// How often a version is read that was forgotten while it was.
const READS_MAX: u32 = 6;

/// A past version, if it is there, with the bytes beside it if they were wanted.
type FoundPast = Option<(PastRow, Option<Bytes>)>;
/// Past rows, with the bytes beside them if they were wanted.
type PastRows = BTreeMap<VersionId, (PastRow, Option<Bytes>)>;

/// A version as a quorum knows it.
pub(crate) struct FoundVersion {
    pub made: Stamp,
    pub slot: Slot,
    pub inline: Option<Bytes>,
}

impl Model {
    /// A version of a key.
    pub(crate) async fn find_version(
        self: &Arc<Self>,
        place: &KeyPlace,
        id: VersionId,
        want: Want,
    ) -> Result<Option<FoundVersion>, ModelError> {
        for attempt in 1..READS_MAX {
            // The row of the key, and the past row in the same moment or after it: what the one displaces is the other
            // by then.
            let (head, told) = self.read_row_and_past(place, want == Want::Content, Some(id)).await?;
            let (order, decision) = head.as_ref().map(|(row, _)| (row.order, row.stamp)).unzip();
            if let Some((row, inline)) = head
                && row.current() == Some(id)
            {
                return Ok(Some(FoundVersion { made: row.made(), slot: row.slot, inline }));
            }
            let rows = match told {
                Some(told) => {
                    self.settle_past(place, decision, told).await.map(Some).or_else(unless_forgotten)?
                }
                None => None,
            };
            let rows = match rows {
                Some(rows) => rows,
                None => self.settle_asked(place, decision, (Which::Version(id), want)).await?,
            };
            let found = rows.into_values().next();
            // The row of the key is behind a past one that went ahead of the decision that it is part of: what that
            // decision makes current may be this very version.
            if let (Some((row, _)), Some(order)) = (&found, order)
                && row.by > order
            {
                if attempt > 1 {
                    self.take_over(place).await?;
                }
                continue;
            }
            if found.as_ref().is_some_and(|(row, _)| row.is_in_doubt(decision)) {
                self.change_as(place, &Wish::Decide(id)).await?;
                continue;
            }
            let found = found.filter(|(row, _)| row.slot != Slot::Deleted);
            return Ok(found.map(|(row, inline)| FoundVersion { made: row.made, slot: row.slot, inline }));
        }
        Err(ModelError::Unavailable)
    }

    /// A past version that is in doubt beside what is current, as it was told; none if it is not in doubt.
    pub(super) async fn version_in_doubt(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        id: VersionId,
    ) -> Result<FoundPast, ModelError> {
        let (_, pages) = self.ask_past(place, Which::Version(id), Want::Content).await?;
        let (rows, _) = merge_told(pages);
        Ok(rows.into_values().next().filter(|(row, _)| row.is_in_doubt(stamp_of(current))))
    }

    /// A past version that is there, as a quorum holds it beside what is current.
    pub(super) async fn past_version(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        (id, want): (VersionId, Want),
    ) -> Result<FoundPast, ModelError> {
        let found = self.settled(place, current, (Which::Version(id), want)).await?.into_values().next();
        Ok(found.filter(|(row, _)| row.slot != Slot::Deleted))
    }

    /// Past rows as a quorum holds them beside what is current, those of versions that are gone too. An error where one
    /// is in doubt.
    pub(super) async fn settled(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        question: (Which, Want),
    ) -> Result<PastRows, ModelError> {
        let rows = self.settle_asked(place, stamp_of(current), question).await?;
        rows.iter().try_for_each(|(id, (row, _))| without_doubt(*id, row, current))?;
        Ok(rows)
    }

    async fn settle_asked(
        self: &Arc<Self>,
        place: &KeyPlace,
        decision: Option<Stamp>,
        (which, want): (Which, Want),
    ) -> Result<PastRows, ModelError> {
        for attempt in 1..READS_MAX {
            let told = self.ask_past(place, which.clone(), want).await?;
            match self.settle_past(place, decision, told).await.map(Some).or_else(unless_forgotten)? {
                Some(settled) => return Ok(settled),
                None => self.pause(attempt, true).await,
            }
        }
        Err(ModelError::Unavailable)
    }

    /// When the newest objects among the past versions but for one were made: as many as are wanted, or all, and
    /// perhaps some more.
    pub(super) async fn newest_objects(
        self: &Arc<Self>,
        place: &KeyPlace,
        head: &ObjectRow,
        wanted: u32,
    ) -> Result<Vec<Stamp>, ModelError> {
        let (except, mut found, mut from) = (head.current(), BTreeMap::new(), VersionId::Null);
        loop {
            let (rows, horizon) = self.past_page(place, Some(head), from).await?;
            let objects =
                rows.into_iter().filter(|(id, row)| row.slot.live().is_some() && Some(*id) != except);
            found.extend(objects.map(|(id, row)| (id, row.made)));
            let named = found.keys().filter(|id| **id != VersionId::Null).count();
            match horizon {
                Some(horizon) if named < wanted as usize && horizon != from => from = horizon,
                _ => return Ok(found.into_values().collect()),
            }
        }
    }

    /// The newest past version that is there, but for some.
    pub(crate) async fn newest_past(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        except: &BTreeSet<VersionId>,
    ) -> Result<Option<VersionId>, ModelError> {
        let mut newest: Option<(Stamp, VersionId)> = None;
        let mut from = VersionId::Null;
        loop {
            let (rows, horizon) = self.past_page(place, current, from).await?;
            for (id, row) in rows {
                if !except.contains(&id) && row.slot != Slot::Deleted {
                    newest = newest.max(Some((row.made, id)));
                }
            }
            let is_named = |(_, id): (Stamp, VersionId)| id != VersionId::Null;
            match horizon {
                Some(horizon) if !newest.is_some_and(is_named) && horizon != from => from = horizon,
                _ => return Ok(newest.map(|(_, id)| id)),
            }
        }
    }

    /// Past rows from a version on, and the last one of them if there are more behind it: only as far as all of those
    /// who were asked told.
    async fn past_page(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        from: VersionId,
    ) -> Result<(Vec<(VersionId, PastRow)>, Option<VersionId>), ModelError> {
        let told = self.ask_past(place, Which::From(from, PAST_PER_PAGE), Want::Metadata).await?;
        let last = |page: &HeldPast| page.rows.last().map(|(id, ..)| *id).filter(|_| page.more);
        let horizon = told.1.iter().filter_map(last).min_by_key(|id| place_of(*id));
        let is_told = |id: &VersionId| horizon.is_none_or(|horizon| place_of(*id) <= place_of(horizon));
        let settled = self.settle_past(place, stamp_of(current), told).await?.into_iter();
        let rows: Vec<_> = settled.filter(|(id, _)| is_told(id)).map(|(id, (row, _))| (id, row)).collect();
        rows.iter().try_for_each(|(id, row)| without_doubt(*id, row, current))?;
        Ok((rows, horizon))
    }

    async fn ask_past(
        self: &Arc<Self>,
        place: &KeyPlace,
        which: Which,
        want: Want,
    ) -> Result<(Stamp, Vec<HeldPast>), ModelError> {
        let question = |view, birth| ReadPast {
            view,
            birth,
            partition: place.partition,
            key: place.key.clone(),
            which: which.clone(),
            content: want == Want::Content,
        };
        self.ask_quorum(place.partition, question).await
    }

    /// Merges past rows that a quorum told a question of this birth; those that differ are written to a quorum first,
    /// but for what is in doubt beside the decision that is current.
    async fn settle_past(
        self: &Arc<Self>,
        place: &KeyPlace,
        decision: Option<Stamp>,
        (birth, pages): (Stamp, Vec<HeldPast>),
    ) -> Result<PastRows, ModelError> {
        let told = pages.len();
        // A row behind the last one of a page that goes on is not known to differ.
        let ends: Vec<Option<VersionId>> =
            pages.iter().map(|page| page.rows.last().map(|(id, ..)| *id).filter(|_| page.more)).collect();
        let (mut merged, holders) = merge_told(pages);
        for (id, (row, inline)) in &mut merged {
            if row.is_in_doubt(decision) {
                continue;
            }
            let is_beside = Some(row.by) == decision;
            row.is_sure = true;
            let held = &holders[id];
            let silent = ends.iter().flatten().filter(|end| place_of(**end) < place_of(*id)).count();
            if held.len() + silent >= told
                && held.iter().all(|(by, is_sure)| *by == row.by && (*is_sure || is_beside))
            {
                continue;
            }
            self.write_back_past(place, (*id, birth), (row, inline)).await?;
        }
        Ok(merged)
    }

    /// Writes a past row to a quorum, with its bytes.
    async fn write_back_past(
        self: &Arc<Self>,
        place: &KeyPlace,
        (id, birth): (VersionId, Stamp),
        (row, inline): (&PastRow, &mut Option<Bytes>),
    ) -> Result<(), ModelError> {
        if !fits(&row.slot, inline.as_ref()) {
            let (_, pages) = self.ask_past(place, Which::Version(id), Want::Content).await?;
            let rows = pages.into_iter().flat_map(|page| page.rows);
            *inline = rows.filter_map(|(_, _, bytes)| bytes).find(|bytes| fits(&row.slot, Some(bytes)));
            if inline.is_none() {
                return Err(ModelError::Unavailable);
            }
        }
        let KeyPlace { partition, key } = place.clone();
        let write = Write::Past { partition, key, id, row: row.clone(), inline: inline.clone() };
        // T1: whoever forgot it since it was read takes it no more.
        let (position, deadline, block) = (self.position().await?, None, None);
        let batch = Batch { position, birth, deadline, writes: vec![write], block, under: None };
        self.store_everywhere(batch).await.map(drop)
    }

    /// Whether a quorum knows of a past version with a body, beside what it knows to be current. An error where its
    /// members differ about it, or what it knows is in doubt.
    pub(super) async fn is_body_of_past(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        (body, version): (Id<kind::Body>, Option<VersionId>),
    ) -> Result<bool, ModelError> {
        let which = version.map_or(Which::Body(body), Which::Version);
        let (birth, pages) = self.ask_past(place, which, Want::Metadata).await?;
        let names = |row: &PastRow| row.slot.live().and_then(|object| object.body.id()) == Some(body);
        let (merged, _) = merge_told(pages.clone());
        if merged.values().any(|(row, _)| names(row)) {
            return Ok(true);
        }
        // That it is deleted may have been heard of a ballot that was lost: what is decided next could still take the row
        // from others. It is decided on first, and asked for again another time.
        let judged = merged.iter().try_for_each(|(id, (row, _))| without_doubt(*id, row, current));
        if let Err(ModelError::InDoubt(id)) = judged {
            self.change_as(place, &Wish::Decide(id)).await?;
            return Err(ModelError::Unavailable);
        }
        if pages.iter().flat_map(|page| &page.rows).any(|(_, row, _)| names(row)) {
            // A quorum hears of it first.
            self.settle_past(place, stamp_of(current), (birth, pages)).await?;
            return Err(ModelError::Unavailable);
        }
        Ok(false)
    }

    async fn list_past_here(&self, request: ListPast) -> Result<Reply<super::PastListing>, ModelError> {
        if let Err(reply) = self.admit(request.view, request.partition) {
            return Ok(reply);
        }
        self.settled_for(request.birth).await?;
        let view = self.store.view()?;
        if seal::is_gone(&view, request.partition)? {
            return Ok(Reply::Closed(true));
        }
        for space in [Space::Object, Space::Past] {
            if request.birth <= graves::fence_of(&view, space, request.partition.as_bytes())?.birth() {
                return Ok(Reply::Fenced);
            }
        }
        let list = move || versions::list_past(&view, &request);
        Ok(Reply::Done(self.env.tasks.blocking(list).await?))
    }

    /// What a quorum tells of a listing of versions.
    pub(crate) async fn ask_past_listings(
        self: &Arc<Self>,
        request: &ListPast,
    ) -> Result<Vec<super::PastListing>, ModelError> {
        let question = |view, birth| ListPast { view, birth, ..request.clone() };
        self.ask_quorum(request.partition, question).await.map(|(_, told)| told)
    }

    /// Has a quorum agree about a key and this version of it.
    pub(crate) async fn even_out(
        self: &Arc<Self>,
        place: &KeyPlace,
        id: Option<VersionId>,
    ) -> Result<(), ModelError> {
        match id {
            // A promise may keep one replica behind those who would answer a read.
            None => self.take_over(place).await,
            Some(id) => self.find_version(place, id, Want::Metadata).await.map(drop),
        }
    }
}

/// What was read may have been forgotten since it was: then it is read again.
fn unless_forgotten(error: ModelError) -> Result<Option<PastRows>, ModelError> {
    if matches!(error, ModelError::Unavailable) { Ok(None) } else { Err(error) }
}

fn stamp_of(current: Option<&ObjectRow>) -> Option<Stamp> {
    current.map(|row| row.stamp)
}

fn without_doubt(id: VersionId, row: &PastRow, current: Option<&ObjectRow>) -> Result<(), ModelError> {
    // What is said of the version that is current does not count.
    let counts = current.and_then(ObjectRow::current) != Some(id);
    if counts && row.is_in_doubt(stamp_of(current)) { Err(ModelError::InDoubt(id)) } else { Ok(()) }
}

/// What replicas told of past rows, merged, and of each row that was told the decision and whether that is sure.
fn merge_told(pages: Vec<HeldPast>) -> (PastRows, BTreeMap<VersionId, Vec<(Stamp, bool)>>) {
    let mut merged: PastRows = BTreeMap::new();
    let mut holders: BTreeMap<VersionId, Vec<(Stamp, bool)>> = BTreeMap::new();
    for (id, row, inline) in pages.into_iter().flat_map(|page| page.rows) {
        holders.entry(id).or_default().push((row.by, row.is_sure));
        match merged.get_mut(&id) {
            Some((known, bytes)) if row > *known => (*known, *bytes) = (row, inline),
            Some(_) => {}
            None => _ = merged.insert(id, (row, inline)),
        }
    }
    (merged, holders)
}

/// Where the row of a version lies among those of its key.
fn place_of(id: VersionId) -> (u8, std::cmp::Reverse<Stamp>) {
    match id {
        VersionId::Null => (0, std::cmp::Reverse(Stamp::ZERO)),
        VersionId::Named(stamp) => (1, std::cmp::Reverse(stamp)),
    }
}

impl Serve for ListPast {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.list_past_here(self).await))
    }
}
