//! Versions of a key: what a change makes of its row, and what of its past ones, on one replica
//! (doc/decisions/0007; `doc/models/versions.rs` has what goes wrong otherwise).
//!
//! The row of a key is a register: what is current. In a bucket that keeps versions each change of a key is a decision
//! about that register, and its row carries the past row that changes with it: the version that it displaced,
//! or those that it deletes. Reading what is current is the same as without versions.

mod local;

pub(crate) use local::change_here;

use crate::batch;
use crate::listing::{Flow, ListQuery, Listed, Start, Walk};
use crate::replicas::{
    HeldPast, ListPast, ListedKey, ListedVersion, ListedWhat, PastListing, ReadPast, Which,
};
use crate::rows::bucket::Versioning;
use crate::rows::object::{self, Aside, Beside, Content, InlineBody, Lineage, ObjectRow, Slot};
use crate::rows::past::{self, PastBody, PastRow, VersionId};
use crate::tables::Tables;
use crate::{ModelError, graves, objects::Want};
use base::id::kind;
use base::{Id, PartitionHash, Stamp};
use bytes::Bytes;
use store::{Read, Space, Step, StoreError, Txn, View};
use table::Change;
use table::register::{self, BallotStep, Version};

/// The version that a write makes of an entry, and what it puts aside, above what is current.
pub(crate) fn lineage_above(mode: Versioning, stamp: Stamp, current: Option<&ObjectRow>) -> Lineage {
    let is_named = mode == Versioning::Enabled;
    let displaced = current.and_then(|row| Some((row, row.current()?)));
    // A null version that is written over a null one replaces it.
    let kept = displaced.filter(|(_, id)| is_named || *id != VersionId::Null);
    let aside = kept.map(|(row, id)| aside(id, row.made(), row.slot.clone()));
    Lineage { made: stamp, is_named, aside }
}

/// What a row names as its predecessors that is made upon what is current.
pub(crate) fn predecessors(current: Option<&ObjectRow>) -> Vec<Stamp> {
    current.map_or_else(
        || register::predecessors(Stamp::ZERO, &[]),
        |row| register::predecessors(row.stamp, &row.before),
    )
}

/// What is current, with a past row that changes beside it.
pub(crate) fn lineage_beside(current: Option<&ObjectRow>, aside: Option<Aside>) -> Lineage {
    let lineage = current.and_then(|row| row.lineage.as_ref());
    Lineage {
        made: current.map_or(Stamp::ZERO, ObjectRow::made),
        is_named: lineage.is_some_and(|lineage| lineage.is_named),
        aside,
    }
}

/// What becomes of one past row.
pub(crate) fn aside(id: VersionId, made: Stamp, slot: Slot) -> Aside {
    Aside { id, made, slot, also_gone: Vec::new() }
}

/// The past row of a version that is deleted.
pub(crate) fn gone(id: VersionId) -> Aside {
    aside(id, id.made(), Slot::Deleted)
}

/// The past rows of versions that are deleted together; none if there are none.
pub(crate) fn all_gone(ids: &[VersionId]) -> Option<Aside> {
    let (first, others) = ids.split_first()?;
    Some(Aside { also_gone: others.to_vec(), ..gone(*first) })
}

/// Whether what a ballot found newest was written by somebody who knew of no versions.
pub(crate) fn is_overtaken(step: &BallotStep<Content>) -> bool {
    match step {
        BallotStep::Evaluate(Some(found)) | BallotStep::Stabilise(found) => found.value.lineage.is_none(),
        _ => false,
    }
}

/// A ballot found a write that knew of no versions newer than a row with versions: it is the null version above that,
/// and displaces what was current there. Where there is a null version that must stay, it gets a name.
pub(crate) fn put_above(
    step: BallotStep<Content>,
    (row, null_version_stays): (&ObjectRow, bool),
    ballot: Stamp,
) -> BallotStep<Content> {
    let (BallotStep::Evaluate(Some(found)) | BallotStep::Stabilise(found)) = &step else { return step };
    let mode = if null_version_stays { Versioning::Enabled } else { Versioning::Suspended };
    let lineage = lineage_above(mode, found.id, Some(row));
    // Nothing says that what it is put above was chosen: it names no predecessors.
    let value =
        Content { slot: found.value.slot.clone(), lineage: Some(Box::new(lineage)), before: Vec::new() };
    BallotStep::Stabilise(Version { order: ballot, id: found.id, value })
}

/// The past row that has a body, if this replica holds one.
pub(crate) fn past_with_body(
    read: &impl Read,
    body: Id<kind::Body>,
) -> Result<Option<(Vec<u8>, PastRow)>, StoreError> {
    let Some(PastBody(row_key)) = read.get(Space::PastBody, body.as_bytes())? else { return Ok(None) };
    let row: Option<PastRow> = read.get(Space::Past, &row_key)?;
    Ok(row.map(|row| (row_key, row)))
}

/// The past rows that somebody asks for.
pub(crate) fn held_past(view: &View, request: &ReadPast) -> Result<HeldPast, ModelError> {
    let mut held = HeldPast::default();
    let want = if request.content { Want::Content } else { Want::Metadata };
    let pending = pending(view, &object::row_key(request.partition, &request.key))?;
    let told_of = |id: VersionId| {
        let found = past_here(view, &past::row_key(request.partition, &request.key, id), want)?;
        Ok::<_, ModelError>(found.map(|(row, inline)| (id, pending.of(row), inline)))
    };
    match request.which {
        Which::Version(id) => held.rows.extend(told_of(id)?),
        Which::Versions(ref ids) => {
            for id in ids {
                held.rows.extend(told_of(*id)?);
            }
        }
        Which::Body(body) => {
            let found = past_with_body(view, body)?;
            let id = found.as_ref().and_then(|(row_key, _)| past::parse_row_key(row_key));
            if let Some(((row_key, row), (_, id))) = found.zip(id) {
                held.rows.push((id, as_told(view, &row_key, row)?, None));
            }
        }
        Which::From(id, limit) => {
            let (_, to) = past::range_of(request.partition, &request.key);
            let from = past::row_key(request.partition, &request.key, id);
            view.walk(Space::Past, &from, Some(&to), &mut |row_key, row: PastRow| {
                if held.rows.len() >= limit as usize {
                    held.more = true;
                    return Step::Stop;
                }
                let row = pending.of(row);
                held.rows.extend(past::parse_row_key(row_key).map(|(_, id)| (id, row, None)));
                Step::Next
            })?;
        }
    }
    Ok(held)
}

/// The decision that is current on a replica: whether it was chosen only a quorum knows.
enum Pending {
    Decision(Option<Stamp>),
    /// The row of the key cannot be read.
    Unknown,
}

impl Pending {
    /// A past row as it is told without the row of the key (rule "alone").
    fn of(&self, row: PastRow) -> PastRow {
        let is_pending = match self {
            Self::Decision(stamp) => *stamp == Some(row.by),
            Self::Unknown => true,
        };
        PastRow { is_sure: row.is_sure && !is_pending, ..row }
    }
}

fn pending(read: &impl Read, head_key: &[u8]) -> Result<Pending, StoreError> {
    match read.get::<ObjectRow>(Space::Object, head_key) {
        Ok(head) => Ok(Pending::Decision(head.map(|head| head.stamp))),
        Err(StoreError::Unreadable { .. }) => Ok(Pending::Unknown),
        Err(error) => Err(error),
    }
}

fn as_told(read: &impl Read, row_key: &[u8], row: PastRow) -> Result<PastRow, StoreError> {
    match past::head_key(row_key) {
        Some(head_key) => Ok(pending(read, &head_key)?.of(row)),
        None => Ok(PastRow { is_sure: false, ..row }),
    }
}

/// A past row that somebody else told, as this replica keeps it: beside the row of the key that it came with it is no more
/// in doubt than that.
pub(crate) fn as_kept(read: &impl Read, row_key: &[u8], row: PastRow) -> Result<PastRow, StoreError> {
    let is_beside = match past::head_key(row_key) {
        Some(head_key) if !row.is_sure => {
            matches!(pending(read, &head_key)?, Pending::Decision(head) if head == Some(row.by))
        }
        _ => false,
    };
    Ok(PastRow { is_sure: row.is_sure || is_beside, ..row })
}

/// A row of a key was replaced by one that was not made upon it: what came with it may come from a ballot that was lost
/// (rule "doubt").
pub(crate) fn doubt_aside(
    tables: &Tables<'_>,
    txn: &mut Txn<'_>,
    head_key: &[u8],
    (old, new): (&ObjectRow, &ObjectRow),
) -> Result<(), StoreError> {
    if new.follows(old) {
        return Ok(());
    }
    for id in old.ids_aside() {
        let row_key = past::beside(head_key, id);
        let row: Option<PastRow> = txn.get(Space::Past, &row_key)?;
        if let Some(row) = row.filter(|row| row.is_sure && row.by == old.stamp) {
            let doubtful = PastRow { is_sure: false, ..row.clone() };
            table::replace(&tables.pasts, txn, row_key, Change { old: Some(&row), new: &doubtful }, None)?;
        }
    }
    Ok(())
}

/// A past row of this replica, and the bytes beside it if they are wanted.
pub(crate) fn past_here(
    read: &impl Read,
    row_key: &[u8],
    want: Want,
) -> Result<Option<(PastRow, Option<Bytes>)>, ModelError> {
    let Some(row) = read.get::<PastRow>(Space::Past, row_key)? else { return Ok(None) };
    let inline = match want {
        Want::Content => bytes_beside(read, row_key, &row.slot)?,
        Want::Metadata => None,
    };
    Ok(Some((row, inline)))
}

/// The bytes beside a row, if its entry calls for some.
pub(crate) fn bytes_beside(
    read: &impl Read,
    row_key: &[u8],
    slot: &Slot,
) -> Result<Option<Bytes>, ModelError> {
    if !slot.has_bytes() {
        return Ok(None);
    }
    let body: Option<InlineBody> = read.get(Space::Inline, row_key)?;
    let bytes = body.map(|body| Bytes::from(body.0)).filter(|bytes| batch::fits(slot, Some(bytes)));
    let unreadable = || StoreError::Unreadable { space: Space::Inline.name(), key: row_key.to_vec() };
    bytes.map(Some).ok_or_else(|| unreadable().into())
}

/// A past row as other nodes may have it.
pub(crate) fn past_to_send(read: &impl Read, row_key: &[u8]) -> Result<Option<(Bytes, Beside)>, ModelError> {
    let Some((row, inline)) = past_here(read, row_key, Want::Content)? else { return Ok(None) };
    let row = as_told(read, row_key, row)?;
    Ok(Some((store::encode(Space::Past, row_key, &row), inline.into())))
}

/// This replica's part of a listing of versions.
pub(crate) fn list_past(view: &View, request: &ListPast) -> Result<PastListing, ModelError> {
    let limit = request.limit as usize;
    let query = ListQuery {
        prefix: request.prefix.clone(),
        delimiter: request.delimiter.clone(),
        start: Start::First,
        limit,
    };
    let (mut listing, mut told, mut failure) = (PastListing::default(), 0, None);
    let walk = Walk { view, space: Space::Object, partition: request.partition, query: &query };
    let start = request.from.clone().max(query.first_row(request.partition));
    walk.fold(start, &mut |row_key, row: ObjectRow, folded| {
        let Some(key) = object::key_of(row_key).filter(|_| row.order > Stamp::ZERO) else {
            return Flow::Skip;
        };
        if told >= limit {
            listing.horizon = Some((key, Stamp { time: u64::MAX, node: u64::MAX }));
            return Flow::Full;
        }
        let below = request.below.filter(|_| request.from == row_key);
        let is_there = row.current().is_some();
        let (head, decision) = (head_of(&key, &row), row.stamp);
        let mut listed = ListedKey { head, decision, key, is_there, past: Vec::new() };
        told += 1;
        // What cannot be read is not nothing.
        if folded.is_none() && (is_there || graves::has_past(view, row_key).unwrap_or(true)) {
            match some_past(view, (row_key, &listed.key), below, limit - told.min(limit)) {
                Ok((past, horizon)) => {
                    told += past.len();
                    listed.past = past;
                    listing.horizon = horizon.map(|made| (listed.key.clone(), made));
                }
                Err(error) => failure = Some(error),
            }
        }
        listing.keys.push(listed);
        match (listing.horizon.is_some() || failure.is_some(), is_there) {
            (true, _) => Flow::Full,
            (false, true) => Flow::Taken,
            (false, false) => Flow::Skip,
        }
    })?;
    failure.map_or(Ok(listing), |error| Err(error.into()))
}

/// Past rows, by which decision, and where a limit ended them.
type SomePast = (Vec<(Stamp, ListedVersion)>, Option<Stamp>);

/// Past rows of a key that were made below a stamp, the newest first.
fn some_past(
    view: &View,
    (head_key, key): (&[u8], &str),
    below: Option<Stamp>,
    limit: usize,
) -> Result<SomePast, StoreError> {
    let below = below.unwrap_or(Stamp { time: u64::MAX, node: u64::MAX });
    let null: Option<PastRow> = view.get(Space::Past, &past::beside(head_key, VersionId::Null))?;
    let mut null = null.filter(|row| row.made < below);
    let (_, to) = past::range_beside(head_key);
    let from = [past::beside(head_key, VersionId::Named(below)), vec![0]].concat();
    let (mut rows, mut horizon) = (Vec::new(), None);
    view.walk(Space::Past, &from, Some(&to), &mut |row_key, row: PastRow| {
        let Some((_, id)) = past::parse_row_key(row_key) else { return Step::Next };
        if let Some(row) = null.take_if(|null| null.made > row.made) {
            rows.push((row.by, listed(key, VersionId::Null, row)));
        }
        if rows.len() >= limit {
            horizon = Some(row.made);
            return Step::Stop;
        }
        rows.push((row.by, listed(key, id, row)));
        Step::Next
    })?;
    if let Some(row) = null.filter(|_| horizon.is_none()) {
        rows.push((row.by, listed(key, VersionId::Null, row)));
    }
    Ok((rows, horizon))
}

fn head_of(key: &str, row: &ObjectRow) -> (Stamp, ListedVersion) {
    let made = row.made();
    let what = what_of(key, row.modified(), &row.slot);
    (row.order, ListedVersion { id: row.version_id(), made, what, is_sure: true })
}

fn listed(key: &str, id: VersionId, row: PastRow) -> ListedVersion {
    let modified = row.slot.live().and_then(|object| object.rare.modified).unwrap_or(row.made);
    let what = what_of(key, modified, &row.slot);
    ListedVersion { id, made: row.made, what, is_sure: row.is_sure }
}

fn what_of(key: &str, modified: Stamp, slot: &Slot) -> ListedWhat {
    match slot {
        Slot::Live(object) => ListedWhat::Object(Listed::of(key.to_owned(), modified, object)),
        Slot::Marker => ListedWhat::Marker,
        Slot::Deleted => ListedWhat::Gone,
    }
}

/// Where a key lies, for the rows of this node.
pub(crate) fn head_key(bucket: Id<kind::Bucket>, key: &str) -> Vec<u8> {
    object::row_key(PartitionHash::of_shard(&bucket, 0), key)
}
